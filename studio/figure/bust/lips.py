"""The rings around the mouth: the skin beside the red, the red, the line where the lips meet, and the bag behind.

Rings are numbered as the net does: 1 and 2 the skin beside the red, 3 its edge, 4 the crest, 5 close to the line, 6
the line itself, 7 and 8 the lips' inside, 9 the pouch before the gums, 10 to 12 the bag. A step runs from the middle of
the upper lip over the left corner to the middle of the lower. Lengths are centimetres.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.figure.bust import curves
from studio.figure.bust.form import Form
from studio.figure.bust.landmarks import on_front, tooth_arch

F64 = NDArray[np.float64]
FIRST = 1
STEPS = 14
_SEAL = 0.004  # half the gap between closed lips


def along_lips(along: F64) -> tuple[F64, F64]:
    """Where steps lie: t from the middle (0) to the corner (1), and 1 on the upper lip, -1 on the lower, 0 between."""
    share = 1.0 - np.abs(along - STEPS / 2) / (STEPS / 2)
    return 0.5 * share + 0.5 * np.sin(0.5 * np.pi * share), np.sign(STEPS / 2 - along)


def lip_rings(form: Form, along: F64) -> F64:
    """Places (13, n, 3) of the rings of the mouth's left half; nan for rings that are free."""
    t, upper = along_lips(along)
    x, top, line, low = curves.lip_edges(form, t)
    edge = np.where(upper >= 0, top, low)
    nx = t**5
    ny = upper * np.sqrt(np.maximum(1.0 - nx * nx, 0.0))
    corner = t**6
    found = np.full((13, len(along), 3), np.nan)
    room = np.where(upper > 0, form.nose_base[0] - top, 9.0)  # full lips leave little skin below the nose
    outside = (
        (1, 1.0, np.minimum(0.37, 0.48 * room) + 0.08 * corner),
        (2, 1.0, np.minimum(0.21, 0.27 * room) + 0.08 * corner),
    )
    for ring, share, away in (*outside, (3, 1.0, 0.11 * corner), (4, 0.60, 0.07 * corner)):
        found[ring] = on_front(form, x + away * nx, line + share * (edge - line) + away * ny)
    found[5] = on_front(form, x + 0.035 * corner * nx, line + 0.20 * (edge - line) + 0.035 * corner * ny)
    found[5, :, 2] -= 0.03
    both = [on_front(form, x, line + 0.20 * (other - line))[:, 2] for other in (top, low)]
    depth = 0.5 * (both[0] + both[1]) - 0.16 + 0.09 * corner  # the same for both lips, or they would not meet
    found[6] = np.stack([x, line + upper * _SEAL * (1.0 - corner), depth], 1)
    found[7:] = _bag(form, x, line, depth, upper, t)
    return found


def _bag(form: Form, x: F64, line: F64, depth: F64, upper: F64, t: F64) -> F64:
    """Places (6, n, 3) of rings 7 to 12."""
    arch = tooth_arch(form, 0.0)
    half = arch[len(arch) // 2 :]
    front = np.interp(x, half[:, 0], half[:, 2])
    middle = form.mouth[0]
    closing = np.sqrt(np.maximum(1.0 - t**4, 0.0)) * upper
    pouch_x = x * 1.10
    ring7 = np.stack([x * 0.98, line + 0.03 * closing, depth - 0.20], 1)
    ring8 = np.stack([x * 0.965, line + 0.36 * closing, np.maximum(depth - 0.42, front + 0.22)], 1)
    ring9 = np.stack([pouch_x, middle + 1.15 * closing, np.interp(pouch_x, half[:, 0], half[:, 2]) + 0.26], 1)
    ring10 = np.stack([3.05 * t, middle + np.where(upper > 0, 1.5, 1.6) * closing, front * 0.0 - 0.4 - 1.4 * t**2], 1)
    ring11 = np.stack([2.7 * t, middle + np.where(upper > 0, 1.35, 1.7) * closing, -2.9 - 0.9 * t**2], 1)
    ring12 = np.stack([1.7 * t, middle - 0.3 + 1.0 * closing, -5.0 - 0.3 * t**2], 1)
    return np.stack([ring7, ring8, ring9, ring10, ring11, ring12])
