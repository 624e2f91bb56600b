"""The head as a shape: who it is (`Identity`), what its muscles do (`Pose`), and the distance of any point from it.

Every parameter of an identity is a slider about 0, the sex-neutral default; -1 and 1 are as far as people usually go,
a little more is allowed. Sliders rather than lengths keep identities blendable and comparable: what one unit means in
millimetres is written where it acts, in `masses` and `curves`. The head's space is metres, y up, +z forward, the eye
line at y = 0; the figure's left is +x.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

F64 = NDArray[np.float64]
_CHUNK = 16384


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a head is: sliders about 0 (see the module), then its age, its asymmetry and its colours."""

    # Skull
    skull_width: float = 0.0
    skull_height: float = 0.0
    skull_depth: float = 0.0
    forehead_height: float = 0.0
    forehead_slope: float = 0.0  # positive falls back
    forehead_bulge: float = 0.0
    temple_hollow: float = 0.0
    # Brow and eyes
    brow_ridge: float = 0.0
    brow_height: float = 0.0
    brow_tilt: float = 0.0  # positive: the outer end is higher
    eye_size: float = 0.0
    eye_spacing: float = 0.0
    eye_depth: float = 0.0  # positive lies deeper
    eye_width: float = 0.0
    eye_openness: float = 0.0
    eye_tilt: float = 0.0  # positive: the outer corner is higher
    lid_crease: float = 0.0  # height of the fold above the upper lid's margin
    lid_hood: float = 0.0  # how far the skin above hangs over the fold
    lower_lid: float = 0.0  # fullness under the eye
    epicanthus: float = 0.0
    # Nose
    nose_length: float = 0.0
    nose_width: float = 0.0
    nose_projection: float = 0.0
    nose_root: float = 0.0  # height of the bridge between the eyes
    nose_bridge_width: float = 0.0
    nose_hump: float = 0.0
    nose_tip_size: float = 0.0
    nose_tip_up: float = 0.0
    nostril_flare: float = 0.0
    # Cheeks
    cheekbone_width: float = 0.0
    cheekbone_height: float = 0.0
    cheekbone_strength: float = 0.0
    cheek_fullness: float = 0.0
    nasolabial: float = 0.0
    # Jaw and chin
    jaw_width: float = 0.0
    jaw_angle: float = 0.0  # positive: the corner is lower, the jaw squarer
    jaw_strength: float = 0.0
    lower_face: float = 0.0  # height from nose to chin
    chin_width: float = 0.0
    chin_projection: float = 0.0
    chin_cleft: float = 0.0
    under_chin: float = 0.0  # fullness
    # Mouth
    mouth_width: float = 0.0
    mouth_height: float = 0.0
    mouth_projection: float = 0.0
    mouth_corner: float = 0.0  # positive turns up
    upper_lip: float = 0.0  # fullness
    lower_lip: float = 0.0
    cupids_bow: float = 0.0
    philtrum: float = 0.0
    # Ears
    ear_size: float = 0.0
    ear_height: float = 0.0
    ear_angle: float = 0.0  # positive stands out
    ear_lobe: float = 0.0
    # Neck and bust
    neck_width: float = 0.0
    neck_length: float = 0.0
    neck_muscle: float = 0.0
    larynx: float = 0.0
    shoulder_width: float = 0.0
    shoulder_slope: float = 0.0
    # The whole
    weight: float = 0.0  # leanness to fullness
    age: float = 0.0  # 0 is about 25 years, 1 about 75, -0.5 about 12
    asymmetry: float = 0.5  # 1 moves features by up to 2 % of the face's width
    asymmetry_seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What the muscles of one half of the face do; 0 is rest, 1 as far as they go."""

    blink: float = 0.0
    squint: float = 0.0
    brow_down: float = 0.0
    brow_outer_up: float = 0.0
    brow_inner_up: float = 0.0
    cheek_squint: float = 0.0
    cheek_puff: float = 0.0
    sneer: float = 0.0
    smile: float = 0.0
    frown: float = 0.0
    dimple: float = 0.0
    stretch: float = 0.0
    press: float = 0.0
    lower_down: float = 0.0
    upper_up: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """What the muscles do: both halves, the jaw and what the lips do as one."""

    left: Side = field(default_factory=Side)
    right: Side = field(default_factory=Side)
    jaw_open: float = 0.0
    jaw_forward: float = 0.0
    jaw_left: float = 0.0  # negative goes right
    mouth_close: float = 0.0
    funnel: float = 0.0
    pucker: float = 0.0
    mouth_left: float = 0.0  # negative goes right
    roll_lower: float = 0.0
    roll_upper: float = 0.0
    shrug_lower: float = 0.0
    shrug_upper: float = 0.0
    tongue_out: float = 0.0


REST = Pose()


def distance(points: ArrayLike, identity: Identity, pose: Pose = REST, *, openings: bool = True) -> F64:
    """How far points (n, 3) in metres lie outside the skin (negative: inside); (n,) metres.

    At rest the lips are sealed. With `openings` the eyes' openings, the nostrils and the ears are cut in their final
    form; without, the skin runs smoothly over them, as hair and brows need it. A pose is met by carrying the points
    back to where their flesh is at rest, so distances under a pose are true near the skin only.
    """
    from studio.figure.bust.asymmetry import straightened
    from studio.figure.bust.masses import Form, head

    at = np.asarray(points, np.float64).reshape(-1, 3)
    form = Form.of(identity)
    found = np.empty(len(at))
    for first in range(0, len(at), _CHUNK):
        run = slice(first, first + _CHUNK)
        rest = straightened(at[run], identity)
        if pose != REST:
            from studio.figure.bust.muscles import relaxed

            rest = relaxed(rest, identity, pose)
        found[run] = head(rest * 100.0, form, openings=openings, pose=pose) * 0.01
    return found
