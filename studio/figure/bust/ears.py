"""The rings of an ear: up its back from the skull, over the helix, through the hollow and the antihelix to the concha.

The ear is modelled in its own plane, which leans back and stands off the skull like a door that is hinged at the
tragus: `back` and `up` in the plane, `rise` out of it. Angles run from the top over the back. Rings are numbered as
the net does; ring 0 is free. Lengths are centimetres.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.figure.bust.form import Form
from studio.figure.bust.landmarks import onto_skin
from studio.figure.bust.primitives import smooth_step

F64 = NDArray[np.float64]
FIRST = 1
STEPS = 20
# ring: size and rise at the helix, at the lobe, at the front
_PROFILE = (
    (2, (0.88, -0.32), (0.84, -0.26), (1.08, 0.05)),
    (3, (1.00, -0.04), (1.00, -0.06), (1.00, 0.12)),
    (4, (0.975, 0.17), (0.97, 0.10), (0.92, 0.17)),
    (5, (0.885, 0.17), (0.88, 0.16), (0.85, 0.24)),
    (6, (0.800, -0.10), (0.78, 0.14), (0.76, 0.32)),
    (7, (0.640, 0.06), (0.66, 0.10), (0.66, 0.26)),
    (8, (0.520, -0.06), (0.54, 0.04), (0.58, -0.05)),
    (9, (0.430, -0.40), (0.45, -0.34), (0.46, -0.42)),
    (10, (0.250, -0.52), (0.26, -0.50), (0.26, -0.60)),
)


def ear_rings(form: Form, along: F64) -> F64:
    """Places (11, n, 3) of the rings of the left ear; nan for ring 0."""
    angle = 2.0 * np.pi * (along - 3.0) / STEPS
    front = np.clip((-np.sin(angle) - 0.40) / 0.55, 0.0, 1.0)
    front = front * front * (3.0 - 2.0 * front)
    lobe = np.clip((-np.cos(angle) - 0.45) / 0.45, 0.0, 1.0) * (1.0 - front)
    helix = 1.0 - front - lobe
    outline = _outline(form, angle)
    found = np.full((11, len(along), 3), np.nan)
    hollow = np.array([1.02, -0.35]) * form.ear_height / 3.0
    middle = np.array([1.25, 0.0])
    for ring, at_helix, at_lobe, at_front in _PROFILE:
        size = at_helix[0] * helix + at_lobe[0] * lobe + at_front[0] * front
        rise = at_helix[1] * helix + at_lobe[1] * lobe + at_front[1] * front
        inward = np.clip((1.0 - size) / 0.5, 0.0, 1.0)[:, None]
        centre = middle + (hollow - middle) * inward
        found[ring] = in_plane(form, centre + (outline - centre) * size[:, None], rise)
    fore = smooth_step(-0.15, 0.85, -np.sin(angle))
    flat = middle + (outline - middle) * (0.88 * helix + 0.84 * lobe + 1.05 * front)[:, None]
    away = flat - middle
    away /= np.linalg.norm(away, axis=1)[:, None]
    foot = flat + away * (0.20 * fore - (0.45 * helix + 0.30 * lobe) * (1.0 - fore))[:, None]
    found[1] = onto_skin(form, in_plane(form, foot, np.full(len(along), -0.3)))
    return found


def _outline(form: Form, angle: F64) -> F64:
    """The ear's outer edge in its plane, (n, 2): back and up."""
    high = form.ear_height
    up, back = np.cos(angle), np.sin(angle)
    lobe = np.maximum(-up, 0.0)
    wide = (1.62 + 0.30 * up - 0.12 * lobe) * high / 3.0
    reach = np.where(back > 0, 1.0, 0.82)
    hang = 1.0 + 0.10 * form.identity.ear_lobe * lobe
    return np.stack([1.25 + wide * reach * back - 0.42 * lobe**1.5, high * up * hang], 1)


def in_plane(form: Form, flat: F64, rise: F64) -> F64:
    """Points of the ear's plane, (n, 2) back and up, and their rise, in the head's space (n, 3)."""
    stand = np.radians(27.0 + 9.0 * form.identity.ear_angle)
    lean = np.radians(13.0)
    up = np.array([0.09, np.cos(lean), -np.sin(lean)])
    up /= np.linalg.norm(up)
    back = np.array([np.sin(stand), 0.0, -np.cos(stand)])
    back -= up * (back @ up)
    back /= np.linalg.norm(back)
    out = np.cross(up, -back)
    out = out if out[0] > 0 else -out
    x, y, z = form.ear
    hinge = onto_skin(form, np.array([[x + 0.05, y - 0.4, z + 1.45]]))[0] + np.array([0.04, 0.4, 0.0])
    return np.asarray(hinge + flat[:, :1] * back + flat[:, 1:] * up + rise[:, None] * out)
