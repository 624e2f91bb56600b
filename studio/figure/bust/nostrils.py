"""The underside of the nose: where its columns lie, and the rings that lead into a nostril. Centimetres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.figure.bust.form import Form
from studio.figure.bust.masses import skin

F64 = NDArray[np.float64]
STEPS = 8


def nostril_middle(form: Form) -> tuple[float, float, float]:
    """The middle of the nostril's rim."""
    base_y, base_z = form.nose_base
    return 0.45 * form.wing, base_y - 0.10, base_z + 0.57 * (form.nose_tip[1] - base_z)


def nose_guess(form: Form, sheet: F64, placed: F64) -> F64:
    """First places of the sheet's vertices, with those of the nose where its tip, wings and base are."""
    tip_y, tip_z = form.nose_tip
    base_y, base_z = form.nose_base
    wing = form.wing
    cx, cy, cz = nostril_middle(form)
    middle = form.nose_root[0], form.nose_root[1]
    steps = np.linspace(0.0, 1.0, 6)
    rows: dict[int, list[tuple[float, float, float]]] = {}
    for row, down, half in ((11, 0.50, 1.28), (12, 0.66, 1.42)):
        y = middle[0] + (tip_y - middle[0]) * down
        z = middle[1] + (tip_z - middle[1]) * down
        rows[row] = [(float(s * half), y - 0.1 * s, z - 1.6 * s**1.5) for s in steps]
    rows[13] = [
        (0.0, tip_y + 0.55, tip_z - 0.25),
        (0.34, tip_y + 0.55, tip_z - 0.35),
        (0.70, tip_y + 0.52, tip_z - 0.75),
        (wing - 0.62, tip_y + 0.50, base_z + 0.60),
        (wing - 0.26, tip_y + 0.48, base_z + 0.05),
        (wing + 0.06, tip_y + 0.42, base_z - 0.55),
    ]
    rows[14] = [
        (0.0, tip_y + 0.05, tip_z),
        (0.36, tip_y + 0.05, tip_z - 0.08),
        (0.74, tip_y + 0.06, tip_z - 0.45),
        (wing - 0.50, base_y + 0.66, base_z + 0.85),
        (wing - 0.14, base_y + 0.66, base_z + 0.22),
        (wing + 0.15, base_y + 0.62, base_z - 0.58),
    ]
    rows[15] = [
        (0.0, tip_y - 0.38, tip_z - 0.16),
        (0.36, tip_y - 0.36, tip_z - 0.25),
        (0.78, tip_y - 0.32, tip_z - 0.55),
        (wing - 0.40, base_y + 0.32, base_z + 0.90),
        (wing - 0.04, base_y + 0.40, base_z + 0.25),
        (wing + 0.19, base_y + 0.32, base_z - 0.60),
    ]
    rows[16] = [
        (0.0, base_y + 0.10, tip_z - 0.52),
        (cx - 0.28, cy, cz + 0.26),
        (cx - 0.18, cy, cz + 0.44),
        (cx + 0.10, cy, cz + 0.40),
        (wing - 0.06, base_y + 0.18, base_z + 0.30),
        (wing + 0.20, base_y + 0.08, base_z - 0.60),
    ]
    rows[17] = [
        (0.0, base_y - 0.08, 0.55 * base_z + 0.45 * tip_z),
        (cx - 0.22, cy, cz),
        (cx, cy, cz),
        (cx + 0.22, cy, cz),
        (wing - 0.08, base_y + 0.06, base_z + 0.08),
        (wing + 0.19, base_y - 0.12, base_z - 0.58),
    ]
    rows[18] = [
        (0.0, base_y - 0.06, base_z + 0.22),
        (cx - 0.10, cy, cz - 0.40),
        (cx + 0.18, cy, cz - 0.44),
        (cx + 0.28, cy, cz - 0.30),
        (wing - 0.20, base_y - 0.06, base_z - 0.16),
        (wing + 0.18, base_y - 0.30, base_z - 0.50),
    ]
    found = placed.copy()
    for n, (column, row) in enumerate(sheet):
        if int(row) in rows and column <= 5:
            found[n] = rows[int(row)][int(column)]
    return found


def nostril_rings(form: Form, along: F64) -> F64:
    """Places (4, n, 3) of the rim and of the rings inside the left nostril."""
    cx, _, cz = nostril_middle(form)
    angle = 2.0 * np.pi * (along - 1.0) / STEPS  # 0 before, then outwards, behind, inwards
    long, wide = 0.32 * np.cos(angle), (0.215 + 0.05 * form.identity.nostril_flare) * np.sin(angle)
    slant = np.radians(12.0)  # the nostril's long way points inwards to the tip
    x = cx + wide * np.cos(slant) - long * np.sin(slant)
    z = cz + wide * np.sin(slant) * 0.4 + long * np.cos(slant)
    rim = on_underside(form, x, z)
    middle = np.array([cx, float(rim[:, 1].mean()), cz])
    inward = np.array([-0.04, 0.28, -0.20])
    rings = [rim]
    for depth, size in ((0.45, 0.92), (1.4, 0.85), (2.6, 0.55)):
        rings.append(middle + (rim - middle) * size + inward * depth)
    return np.stack(rings)


def on_underside(form: Form, x: F64, z: F64) -> F64:
    """The nose's underside (n, 3) at x and z, seen from below."""
    points = np.stack([x, np.full(len(x), form.nose_base[0] - 0.35), z], 1)
    for _ in range(40):
        step = skin(points, form)
        points[:, 1] = np.clip(points[:, 1] + 0.9 * step, form.nose_base[0] - 0.35, form.nose_tip[0])
        if float(np.abs(step).max()) < 1e-4:
            break
    return points
