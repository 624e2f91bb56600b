"""The measures that an identity comes to: where its features lie, in centimetres.

Anatomists tabulate heads in centimetres and so do these modules; metres begin at the public functions. The defaults
are those of an adult between the sexes, slightly idealised: eyes and lips a little larger than the tables say, nose
and jaw a little smaller (Farkas, "Anthropometry of the Head and Face", for the plain ones).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from studio.figure.bust.shape import Identity


@dataclass(frozen=True, slots=True)
class Form:
    """Places and sizes of features, centimetres, of the left half (+x); the right is its mirror image."""

    identity: Identity
    eye: tuple[float, float, float]
    globe: float  # radius of the eyeball
    inner_corner: tuple[float, float]  # of the eye, from its centre: x, y
    outer_corner: tuple[float, float]
    upper_lid: float  # height of the open lid above the line between the corners
    lower_lid: float
    crease: float  # height of the fold above the upper margin
    brow: tuple[float, float, float, float]  # x of its inner end, y there, y of its arch, x of its outer end
    brow_tail: float  # y of its outer end
    nose_root: tuple[float, float]  # y, z
    nose_tip: tuple[float, float]
    nose_base: tuple[float, float]  # where it meets the lip
    wing: float  # half width of the nose
    mouth_half: float
    mouth: tuple[float, float]  # y of the line between the lips, z of the lips' plane at the middle
    lips: tuple[float, float]  # heights of the upper and the lower red
    chin: tuple[float, float]  # y of its underside, z of its front
    gonion: tuple[float, float, float]  # corner of the jaw
    cheekbone: tuple[float, float, float]
    ear: tuple[float, float, float]  # its middle, on the head
    ear_height: float  # half
    skull: tuple[float, float, float]  # centre of the cranium
    skull_radii: tuple[float, float, float]
    hairline: float  # y at the forehead
    jaw_pivot: tuple[float, float, float]

    @staticmethod
    def of(identity: Identity) -> Form:
        """The measures of an identity."""
        return _form(identity)

    def down(self, y: float) -> float:
        """Where a height of the default lower face comes to lie: what is below the nose stretches towards the chin."""
        base, chin = self.nose_base[0], self.chin[0]
        if y > -4.3:
            return y + (base + 4.3) * min(max((y + 0.5) / -3.8, 0.0), 1.0)
        return base + (y + 4.3) * (chin - base) / (-10.6 + 4.3)


@lru_cache(maxsize=64)
def _form(i: Identity) -> Form:
    old = max(i.age, 0.0)
    child = max(-i.age, 0.0)
    base = -4.25 - 0.35 * i.nose_length + 0.5 * child
    chin = base - 6.25 - 0.55 * i.lower_face + 1.1 * child
    mouth_y = base + (chin - base) * (0.345 - 0.03 * i.mouth_height)
    globe = 1.29 + 0.06 * i.eye_size
    width = 1.0 + 0.07 * i.eye_width + 0.05 * i.eye_size
    tilt = 0.10 + 0.14 * i.eye_tilt
    lift = 0.35 * i.brow_height - 0.25 * old
    brow_y = 1.72 + lift
    return Form(
        identity=i,
        eye=(3.14 + 0.2 * i.eye_spacing, 0.0, -0.30 - 0.22 * i.eye_depth),
        globe=globe,
        inner_corner=(-1.56 * width, -0.14 - 0.4 * tilt),
        outer_corner=(1.44 * width, -0.06 + tilt - 0.12 * old),
        upper_lid=(0.62 + 0.09 * i.eye_openness) * (1.0 + 0.06 * i.eye_size) - 0.10 * old,
        lower_lid=(0.495 + 0.03 * i.eye_openness) * (1.0 + 0.06 * i.eye_size),
        crease=0.30 + 0.12 * i.lid_crease,
        brow=(1.25, brow_y - 0.18 * i.brow_tilt, brow_y + 0.62 + 0.1 * i.brow_tilt, 5.15),
        brow_tail=brow_y + 0.18 + 0.4 * i.brow_tilt - 0.15 * old,
        nose_root=(0.45, 1.22 + 0.22 * i.nose_root - 0.1 * child),
        nose_tip=(base + 0.72 + 0.28 * i.nose_tip_up + 0.1 * child, 3.68 + 0.4 * i.nose_projection - 0.5 * child),
        nose_base=(base, 2.02),
        wing=1.66 + 0.24 * i.nose_width + 0.1 * old,
        mouth_half=2.42 + 0.25 * i.mouth_width - 0.2 * child,
        mouth=(mouth_y, 2.50 + 0.2 * i.mouth_projection - 0.15 * old),
        lips=(0.84 + 0.22 * i.upper_lip - 0.22 * old, 0.98 + 0.25 * i.lower_lip - 0.2 * old),
        chin=(chin, 1.72 + 0.35 * i.chin_projection - 0.3 * child),
        gonion=(
            4.25 + 0.5 * i.jaw_width + 0.2 * i.weight,
            mouth_y - 0.1 - 0.7 * i.jaw_angle + 0.4 * child,
            -6.6,
        ),
        cheekbone=(4.15 + 0.22 * i.cheekbone_width, -2.35 + 0.45 * i.cheekbone_height, -0.95),
        ear=(6.95 + 0.35 * i.skull_width, -1.75 + 0.4 * i.ear_height, -8.3),
        ear_height=(3.0 + 0.3 * i.ear_size + 0.25 * old),
        skull=(0.0, 4.0, -7.35 - 0.3 * i.skull_depth),
        skull_radii=(7.35 + 0.4 * i.skull_width, 7.7 + 0.5 * i.skull_height, 8.95 + 0.5 * i.skull_depth),
        hairline=6.5 + 0.6 * i.forehead_height + 0.5 * old,
        jaw_pivot=(0.0, -1.2, -7.0),
    )
