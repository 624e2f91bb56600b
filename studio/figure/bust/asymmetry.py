"""What keeps a face from being its own mirror image: a slow bending of space by a millimetre or two.

Bending space instead of features moves eyes, teeth and hair with the skin. Around each eye the bending is constant, so
that lids keep their hold on the globe.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.figure.bust.form import Form
from studio.figure.bust.shape import Identity

F64 = NDArray[np.float64]
_LARGEST = 0.0021  # metres at asymmetry 1: 1.5 % of a face's width
_STEPS = 3  # of the fixed point; a step shrinks the error thirtyfold


def bent(points: F64, identity: Identity) -> F64:
    """Points (n, 3) of the mirrored head, metres, where asymmetry moves them."""
    if identity.asymmetry == 0.0:
        return points
    return points + _offsets(points, identity)


def straightened(points: F64, identity: Identity) -> F64:
    """The inverse of `bent`."""
    if identity.asymmetry == 0.0:
        return points
    found = points
    for _ in range(_STEPS):
        found = points - _offsets(found, identity)
    return found


def _offsets(points: F64, identity: Identity) -> F64:
    form = Form.of(identity)
    mouth_y, chin_y = form.mouth[0] * 0.01, form.chin[0] * 0.01
    eye_x = form.eye[0] * 0.01
    # centre, width of the bell, its flat top: features that drift on their own
    spots = (
        ((eye_x, 0.0, 0.0), 0.026, 0.024),
        ((0.035, 0.030, 0.0), 0.026, 0.0),
        ((0.0, -0.030, 0.035), 0.024, 0.0),
        ((0.024, mouth_y, 0.010), 0.022, 0.0),
        ((0.0, chin_y, 0.0), 0.034, 0.0),
        ((0.052, -0.030, -0.010), 0.030, 0.0),
        ((0.072, -0.017, -0.080), 0.040, 0.0),
    )
    rng = np.random.default_rng(identity.asymmetry_seed)
    drift = rng.uniform(-1.0, 1.0, (len(spots), 3)) * np.array([1.0, 0.9, 0.5]) * _LARGEST * identity.asymmetry * 0.6
    total = np.zeros_like(points)
    for (centre, width, flat), move in zip(spots, drift, strict=True):
        away = np.maximum(np.linalg.norm(points - np.array(centre), axis=1) - flat, 0.0) / width
        total += np.exp(-(away**2))[:, None] * move
    return total
