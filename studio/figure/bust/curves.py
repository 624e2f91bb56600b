"""The curves of a face as seen from the front: lid margins, lips, brows, in centimetres.

They are what the mesh's rings are pinned to, what the distances of lids and lips are made from, and what hair and
lashes are planted on. A position along a curve is t: -1 at its inner or left end, 1 at its outer or right end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.figure.bust.form import Form
from studio.figure.bust.primitives import smooth_step

F64 = NDArray[np.float64]
CORNEA_OFFSET, CORNEA_RADIUS = 0.30, 0.75  # in radii of the globe


def corner_line(form: Form, t: F64) -> tuple[F64, F64]:
    """The straight line between the corners of the eye, from its centre: x, y."""
    share = 0.5 * (t + 1.0)
    (ax, ay), (bx, by) = form.inner_corner, form.outer_corner
    return ax + (bx - ax) * share, ay + (by - ay) * share


def lid_margin(form: Form, t: F64, *, upper: bool, blink: float = 0.0, height: float = 0.0) -> tuple[F64, F64]:
    """The edge of a lid from the eye's centre, x and y; at blink 1 both lids lie on one curve, low on the eye."""
    x, line = corner_line(form, t)
    round_off = np.maximum(1.0 - t * t, 0.0)
    high = (form.upper_lid + height) * round_off**0.72 * (1.0 - 0.16 * t) if upper else None
    if high is not None:  # the fold of an epicanthus hangs over the inner end
        high = high - 0.10 * form.identity.epicanthus * np.exp(-(((t + 0.72) / 0.22) ** 2))
    low = -form.lower_lid * round_off**0.85 * (1.0 + 0.22 * t)
    shut = -0.30 * round_off * (1.0 + 0.15 * t)
    open_line = high if high is not None else low - height * round_off
    return x, line + open_line + (shut - open_line) * blink


def lid_crease(form: Form, t: F64) -> tuple[F64, F64]:
    """The fold of the open upper lid from the eye's centre: x, y."""
    x, y = lid_margin(form, t, upper=True)
    round_off = np.maximum(1.0 - t * t, 0.0)
    low = (
        0.5 * np.maximum(form.identity.epicanthus, 0.0) * smooth_step(0.2, -0.9, t)
    )  # an epicanthus has it run out inwards
    return x * 1.04, y + form.crease * (0.25 + 0.75 * round_off**0.6) * (1.0 - low)


def lid_front(form: Form, x: F64, y: F64, thickness: float, gaze: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> F64:
    """z of the lids' surface from the eye's centre, at a height above the eye that looks along `gaze`.

    The globe's surface with the cornea's bulge, laid out to the corners, where the lids leave it.
    """
    inner, outer = form.inner_corner[0], form.outer_corner[0]
    floor = 0.60 + (0.34 - 0.60) * (x - inner) / (outer - inner) + 0.6 * (thickness - 0.15)
    z = np.full(len(x), form.globe * 0.8)
    for _ in range(4):
        radius = eye_reach(form, np.stack([x, y, z], 1), gaze) + thickness
        gap = np.sqrt(np.maximum(radius * radius - x * x - y * y, 1e-6)) - floor
        z = floor + 0.5 * (gap + np.sqrt(gap * gap + 0.16 * 0.16))
    return z


def eye_reach(form: Form, way: F64, gaze: tuple[float, float, float]) -> F64:
    """How far the eye reaches from its centre in directions `way` (n, 3): the globe, or the cornea where it is more."""
    offset, radius = CORNEA_OFFSET * form.globe, CORNEA_RADIUS * form.globe
    cosine = way @ np.array(gaze) / np.maximum(np.linalg.norm(way, axis=1), 1e-9)
    across = np.maximum(radius**2 - offset**2 * (1.0 - cosine**2), 0.0)
    cornea = np.where(cosine > 0.5, offset * cosine + np.sqrt(across), 0.0)
    over = np.maximum(0.03 - np.abs(cornea - form.globe), 0.0)
    return np.maximum(cornea, form.globe) + over * over / 0.12


def lip_edges(form: Form, t: F64) -> tuple[F64, F64, F64, F64]:
    """The lips from the front at t in -1..1: x, and y of the upper red's edge, of the line between, of the lower's."""
    bow = form.identity.cupids_bow
    a = np.abs(t)
    middle = form.mouth[0]
    line = middle + 0.10 * np.exp(-((t / 0.28) ** 2)) * -0.6 + 0.05 * np.exp(-(((a - 0.34) / 0.2) ** 2))
    line = line + (0.10 + 0.35 * form.identity.mouth_corner) * a**3 - 0.10 * a**2
    taper = np.maximum(1.0 - a**2.2, 0.0)
    peak = (
        1.0
        + (0.16 + 0.1 * bow) * np.exp(-(((a - 0.26) / 0.17) ** 2))
        - (0.06 + 0.05 * bow) * np.exp(-((a / 0.12) ** 2))
    )
    upper = line + form.lips[0] * taper**0.8 * peak * (1.0 - 0.18 * a)
    lower = line - form.lips[1] * taper**0.62
    return form.mouth_half * t, upper, line, lower


def lip_arc(form: Form, x: F64) -> F64:
    """z of the plane the lips lie in: the dental arch seen through them, curving back towards the corners."""
    a = np.abs(x) / form.mouth_half
    return form.mouth[1] - 0.95 * a**2 - 0.28 * a**4


def brow_line(form: Form, t: F64) -> tuple[F64, F64]:
    """The middle of the brow, x and y in the head's space, from its inner end (0) to its tail (1)."""
    x0, y0, arch, x1 = form.brow
    x = x0 + (x1 - x0) * t
    rise = np.where(t < 0.66, np.sin(np.minimum(t / 0.66, 1.0) * np.pi / 2), 1.0)
    fall = np.clip((t - 0.66) / 0.34, 0.0, 1.0) ** 1.6
    return x, y0 + (arch - y0) * rise + (form.brow_tail - arch) * fall
