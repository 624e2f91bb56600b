"""Which part of the face a point belongs to: smooth weights of the regions, the joints and the two lips.

Weights are functions of places at rest, in centimetres, so that they hold for any point; vertices of a net add what
only they know: on which lip they lie.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from studio.figure.bust import curves, lips
from studio.figure.bust.form import Form
from studio.figure.bust.layout import EAR, EYE, MOUTH, NOSTRIL, Layout
from studio.figure.bust.primitives import Point, smooth_step

F64 = NDArray[np.float64]
_HAIR_TURN = np.array([0.0, 20, 32, 42, 52, 62, 72, 82, 95, 105, 118, 135, 155, 180])
_HAIR_LINE = np.array([0.0, 0.0, -0.35, -1.2, -3.4, -5.0, -6.6, -6.0, -4.6, -5.5, -8.0, -10.5, -13.0, -14.0])


def bell(at: F64, centre: Point, width: Point) -> F64:
    """A soft bell over points (n, 3): 1 at its centre, 1/e a width away."""
    away = (at - np.array(centre)) / np.array(width)
    return np.asarray(np.exp(-np.sum(away * away, axis=1)))


@dataclass(frozen=True, slots=True, eq=False)
class Flesh:
    """Points at rest, both halves, with what the muscles need to know of each; (n,) all of them."""

    at: F64  # (n, 3) centimetres
    half: F64  # (n, 3) the same in the left half
    upper: F64  # 1 on the upper lip and above, 0 on the lower and below
    lip: F64  # 1 on the lips' red
    roll: F64  # 1 at the line between the lips, 0 at the red's edge and beyond
    around: F64  # 1 on the red, fading over the skin beside it
    depth: F64  # 1 on the skin, 0 deep in the mouth
    jaw: F64  # how far the jaw carries it
    across: F64  # along the mouth: 0 in the middle, 1 at the corner and beyond


def sided(flesh: Flesh) -> Flesh:
    """The same for muscles of the left side alone, which see the right half as lying beyond the middle."""
    return replace(flesh, half=flesh.at, across=np.where(flesh.at[:, 0] > 0.0, flesh.across, 0.0))


def flesh_of(points: F64, form: Form) -> Flesh:
    """What can be told of any points (n, 3)."""
    half = points * np.array([1.0, 1.0, 1.0])
    half[:, 0] = np.abs(points[:, 0])
    x, y, z = half.T
    across = np.clip(x / form.mouth_half, 0.0, 1.0)
    _, top, line, low = curves.lip_edges(form, across)
    narrow = 0.06 + 0.5 * across**4
    upper = smooth_step(-1.0, 1.0, (y - line) / narrow)
    span = np.where(y > line, top - line, line - low) + 0.05
    share = np.clip(np.abs(y - line) / span, 0.0, 1.5)
    front = smooth_step(-1.5, 0.5, z)
    lip = smooth_step(1.25, 0.85, share) * smooth_step(1.06, 0.96, x / form.mouth_half) * front
    roll = np.clip(1.0 - share, 0.0, 1.0) * lip
    far = np.abs(y - line) / 0.75
    around = smooth_step(2.1, 0.55, far) * smooth_step(form.mouth_half + 0.9, form.mouth_half - 0.5, x) * front
    jaw = jaw_weight(half, form, upper)
    return Flesh(points, half, upper, lip, roll, around, np.ones(len(x)), jaw, across)


def flesh_of_net(layout: Layout, points: F64, form: Form) -> Flesh:
    """What is known of the vertices of a net at rest."""
    guess = flesh_of(points, form)
    mouth = (layout.feature == MOUTH) & (layout.ring >= 1.0)
    t, upper = lips.along_lips(np.where(mouth, layout.along, 0.0))
    sided = 0.5 + 0.5 * upper * np.sqrt(np.maximum(1.0 - t**10, 0.0))
    ring = np.where(mouth, layout.ring, 0.0)
    fill = (layout.feature == MOUTH) & np.isnan(layout.ring)
    on_lip = mouth & (ring >= 2.0)
    up = np.where(on_lip, sided, guess.upper)
    up = np.where(mouth & ~on_lip, guess.upper + (sided - guess.upper) * (ring - 1.0), up)
    up = np.where(fill, 0.5, up)
    depth = np.where(mouth, 1.0 - smooth_step(8.0, 11.0, ring), 1.0)
    depth = np.where(fill, 0.0, depth)
    lip = np.where(mouth, smooth_step(2.4, 3.0, ring) * (1.0 - smooth_step(7.5, 8.6, ring)), 0.0)
    roll = np.where(mouth, np.clip((ring - 3.0) / 3.0, 0.0, 1.0) * (1.0 - smooth_step(7.5, 9.0, ring)), 0.0)
    around = np.where(mouth & (ring >= 6.0), 1.0 - smooth_step(7.5, 9.0, ring), guess.around * ~fill)
    across = np.where(mouth, np.maximum(t, guess.across * (ring < 3)), guess.across)
    jaw = jaw_weight(guess.half, form, up)
    inside = mouth & (ring > 8.0)
    jaw = np.where(inside, (1.0 - up) * 1.0, jaw)
    jaw = np.where(inside, jaw + (0.35 - jaw) * smooth_step(10.5, 12.0, ring), np.where(fill, 0.35, jaw))
    return Flesh(points, guess.half, up, lip, roll, around, depth, jaw, across)


def jaw_weight(half: F64, form: Form, upper: F64) -> F64:
    """How far the jaw carries points (n,): by their angle about its joint, and by their lip near the mouth."""
    x, y, z = half.T
    _, py, pz = form.jaw_pivot
    angle = np.degrees(np.arctan2(y - py, z - pz))
    below = smooth_step(-21.0, -46.0, angle)
    behind = smooth_step(-112.0, -72.0, angle)
    neck = smooth_step(-11.0, -6.4, y + 0.6 * (z + 9.0))
    reach = smooth_step(0.8, 4.6, np.hypot(y - py, z - pz))
    held = behind * neck * reach * (angle < 60.0)
    front = np.exp(-((x / (form.mouth_half + 0.35)) ** 4)) * smooth_step(-2.0, -0.2, z)
    return np.asarray((below + (1.0 - upper - below) * front) * held)


def joints(points: F64, form: Form, flesh: Flesh) -> dict[str, F64]:
    """Weights (n,) of the joints neck, head and jaw, which add up to 1 or less; the rest stays with the chest."""
    _, y, z = points.T
    drop = 0.9 - 1.2 * form.identity.neck_length
    head = smooth_step(-13.2, -7.6, y + 0.6 * (z + 9.0))
    neck = smooth_step(-20.5 + drop, -13.0 + 0.5 * drop, y + 0.15 * (z + 9.0))
    neck = np.maximum(neck, head)
    jaw = flesh.jaw * head
    return {"neck": neck - head, "head": head - jaw, "jaw": jaw}


def masks(layout: Layout, points: F64, form: Form, flesh: Flesh) -> dict[str, F64]:
    """Smooth weights (n,) of the regions of skin, by name."""
    half = flesh.half
    x, y, z = half.T
    ring = np.nan_to_num(layout.ring, nan=-1.0)
    eye, mouth = layout.feature == EYE, layout.feature == MOUTH
    mouth_fill = mouth & np.isnan(layout.ring)
    inner = np.where(mouth, smooth_step(6.0, 7.5, ring), 0.0)
    inner[mouth_fill] = 1.0
    outside = 1.0 - inner
    lip = np.where(mouth, smooth_step(2.6, 3.15, ring), 0.0) * outside
    lid = np.where(eye, smooth_step(1.6, 2.8, ring), 0.0)
    turn = np.degrees(np.arctan2(x, z + 7.6))
    line = form.hairline + np.interp(turn, _HAIR_TURN, _HAIR_LINE)
    ear = np.where(layout.feature == EAR, np.where(np.isnan(layout.ring), 1.0, smooth_step(0.3, 1.6, ring)), 0.0)
    scalp = smooth_step(-0.45, 0.45, y - line) * (1.0 - ear)
    base, tip = form.nose_base, form.nose_tip
    wings = bell(half, (0.6 * form.wing, base[0] + 0.35, base[1] + 0.6), (1.25, 1.0, 1.8))
    bridge = bell(half, (0.0, 0.5 * tip[0] - 0.4, 2.2), (0.85, 1.9, 1.6))
    nose = np.clip(1.25 * np.maximum(wings, bridge), 0.0, 1.0) * outside * (1.0 - lip)
    nose[layout.feature == NOSTRIL] = 1.0
    cheek_x, cheek_y, cheek_z = form.cheekbone
    cheeks = bell(half, (cheek_x - 0.4, cheek_y - 1.0, cheek_z + 1.4), (1.9, 1.7, 2.4))
    eye_x, _, eye_z = form.eye
    under = bell(half, (eye_x - 0.15, -1.15, eye_z + 1.2), (1.35, 0.5, 1.2)) * np.where(eye, ring < 5.5, True)
    edge = -5.6 + 0.45 * np.clip(0.6 - z, 0.0, 7.0)  # from the moustache's end up to the sideburn
    chin = smooth_step(0.8, -0.8, y - edge) * smooth_step(-9.5, -7.0, z)
    moustache = bell(half, (0.9, 0.5 * (base[0] + form.mouth[0]) + 0.1, 2.2), (1.7, 0.55, 1.6))
    beard = np.maximum(chin * smooth_step(-13.2, -11.4, y) * smooth_step(0.15, 0.6, flesh.jaw + 0.1), moustache)
    beard = beard * outside * (1.0 - lip) * (1.0 - ear)
    neck = smooth_step(-9.5, -11.5, y + 0.45 * np.minimum(0.0, z + 4.0) + 0.25 * np.maximum(0.0, z + 4.0) - 1.2)
    return {
        "lips": lip,
        "lids": lid,
        "scalp": scalp,
        "neck": np.clip(neck, 0.0, 1.0) * (1.0 - ear),
        "cheeks": np.clip(1.35 * cheeks, 0.0, 1.0) * outside * (1.0 - ear),
        "nose": nose,
        "nostrils": np.where(
            layout.feature == NOSTRIL, smooth_step(0.0, 1.6, np.nan_to_num(layout.ring, nan=3.0)), 0.0
        ),
        "ears": ear,
        "beard": beard,
        "under_eye": under,
        "inner_mouth": inner,
    }
