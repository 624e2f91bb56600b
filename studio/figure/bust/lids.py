"""The rings around an eye: from the orbit over the fold and the lid to its margin, and in along the globe.

Rings are numbered as the net does, from the sheet inwards: 2 the fold's overhang or the lower lid's fullness, 3 the
fold, 4 the lid's middle, 5 and 6 the outer and inner edge of the margin, 7 and 8 the lid's inside. Rings 0 and 1 are
free and find their own place. Lengths are centimetres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.figure.bust import curves
from studio.figure.bust.form import Form
from studio.figure.bust.landmarks import on_front
from studio.figure.bust.primitives import smooth_step

F64 = NDArray[np.float64]
FIRST = 2  # the first ring that has its place
STEPS = 24
THICKNESS = 0.15
CLEARANCE = 0.028  # between the eye and the lids' inside


def along_lids(along: F64) -> tuple[F64, NDArray[np.bool_]]:
    """Where steps lie on the lids: t from the inner corner (-1) to the outer (1), and whether on the upper."""
    share = np.mod(along + 2.0, STEPS) / (STEPS / 2)
    upper = share <= 1.0
    even = np.where(upper, 2.0 * share - 1.0, 3.0 - 2.0 * share)
    return 0.45 * even + 0.55 * np.sin(0.5 * np.pi * even), upper


def outward(t: F64, upper: NDArray[np.bool_]) -> tuple[F64, F64]:
    """The direction away from the opening, as seen from the front: x, y."""
    nx = t**3
    return nx, np.where(upper, 1.0, -1.0) * np.sqrt(np.maximum(1.0 - nx * nx, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class LidPose:
    """What the lids of one eye do; lengths in centimetres at the middle of a lid."""

    shut: float = 0.0  # 1 brings both margins onto one curve
    raise_upper: float = 0.0
    raise_lower: float = 0.0
    gaze_up_deg: float = 0.0
    gaze_out_deg: float = 0.0

    @property
    def gaze(self) -> tuple[float, float, float]:
        """Where the eye looks, a unit vector."""
        up, out = np.radians(self.gaze_up_deg), np.radians(self.gaze_out_deg)
        return float(np.sin(out) * np.cos(up)), float(np.sin(up)), float(np.cos(out) * np.cos(up))


OPEN = LidPose()


def lid_rings(form: Form, along: F64, pose: LidPose = OPEN) -> F64:
    """Places (9, n, 3) of the rings of the left eye at `along`; nan for rings that are free."""
    t, upper = along_lids(along)
    nx, ny = outward(t, upper)
    x, y = _margin(form, t, upper, OPEN)
    moved_x, moved_y = _margin(form, t, upper, pose)
    drop = moved_y - y
    corner = np.abs(t) ** 5
    eye = np.array(form.eye)
    found = np.full((9, len(along), 3), np.nan)
    crease = form.crease
    # ring: how far out from the margin on the upper lid, the lower, at either corner; how far each follows the margin
    for ring, above, below, inner, outer, up_follows, low_follows in (
        (2, crease + 0.34, 0.86, 0.40, 0.62, 0.10, 0.15),
        (3, crease, 0.42, 0.21, 0.32, 0.24, 0.35),
    ):
        end = np.where(t < 0.0, inner, outer)
        away = np.where(upper, above, below) * (1.0 - corner) + end * corner
        place = on_front(form, x + away * nx + eye[0], y + away * ny + eye[1])
        place[:, 1] += np.where(upper, up_follows, low_follows) * drop
        place[:, 2] += np.where(upper, 0.08, 0.05) * np.abs(drop) * (ring == 3)
        found[ring] = place
    away = np.where(upper, 0.5 * crease, 0.16) * (1.0 - corner) + np.where(t < 0.0, 0.09, 0.12) * corner
    px, py = x + away * nx, y + away * ny + np.where(upper, 0.66, 0.72) * drop
    found[4] = np.stack([px, py, curves.lid_front(form, px, py, THICKNESS + 0.035, pose.gaze)], 1) + eye
    edge = np.stack([moved_x, moved_y, curves.lid_front(form, moved_x, moved_y, THICKNESS, pose.gaze)], 1)
    found[5] = edge + eye
    found[6:] = _inside(form, moved_x, moved_y, t, upper, pose) + eye
    return found


def _margin(form: Form, t: F64, upper: NDArray[np.bool_], pose: LidPose) -> tuple[F64, F64]:
    """The margins' outer edge from the eye's centre: x, y."""
    round_off = np.maximum(1.0 - t * t, 0.0) ** 0.8
    x, top = curves.lid_margin(form, t, upper=True)
    low = curves.lid_margin(form, t, upper=False)[1]
    meet = curves.lid_margin(form, t, upper=True, blink=1.0)[1]
    top, low = top + pose.raise_upper * round_off, low + pose.raise_lower * round_off
    y = np.where(upper, top + (meet - top) * pose.shut, low + (meet - low) * pose.shut)
    return x, y


def _inside(form: Form, x: F64, y: F64, t: F64, upper: NDArray[np.bool_], pose: LidPose) -> F64:
    """Places (3, n, 3) of rings 6 to 8 from the eye's centre, behind margins at x, y."""
    lean = np.where(upper, 0.0, 0.035) * (1.0 - t * t) * (1.0 - pose.shut)
    margin = np.stack([x, y + lean, curves.lid_front(form, x, y + lean, CLEARANCE, pose.gaze)], 1)
    way = margin / np.linalg.norm(margin, axis=1)[:, None]
    nx, ny = outward(t, upper)
    aside = np.stack([nx, ny, np.zeros_like(nx)], 1)
    aside -= way * np.sum(way * aside, axis=1)[:, None]
    aside /= np.linalg.norm(aside, axis=1)[:, None]
    rings = [margin]
    for turn in (0.22, 0.62):
        tilted = way * np.cos(turn) + aside * np.sin(turn)
        rings.append(tilted * (curves.eye_reach(form, tilted, pose.gaze) + CLEARANCE)[:, None])
    # In the inner corner the lids do not reach the globe: a floor, the caruncle's, closes the gap between them.
    nook = smooth_step(-0.62, -0.97, t)[:, None]
    floor = margin + np.array([0.27, 0.02, -0.07])
    rings[2] += (rings[1] - rings[2]) * nook
    rings[1] += (floor - rings[1]) * nook
    for n in (1, 2):
        distance = np.linalg.norm(rings[n], axis=1)
        turned = form.globe * (curves.CORNEA_OFFSET + curves.CORNEA_RADIUS)  # wherever the eye may turn
        least = np.maximum(turned * (1.0 - nook[:, 0]), curves.eye_reach(form, rings[n], pose.gaze)) + CLEARANCE
        rings[n] *= (np.maximum(distance, least) / distance)[:, None]
    return np.stack(rings)
