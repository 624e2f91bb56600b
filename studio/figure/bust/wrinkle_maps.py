"""Wrinkle maps: what the skin does when the muscles under it shorten, as normals and a tint for each of three moves.

A morph moves the mass of a brow; the creases in it are finer than a mesh. Map 1 is for raised brows (lines across the
forehead), map 2 for frowning and squinting (between the brows, over the bridge, at the eyes' corners), map 3 for the
smile (crow's feet, the fold from the nose, bunched lower lids). The tint is what blood does: it is pressed out of folds
and gathers beside them. Creases are drawn on the head's own surface, so they fit every identity, and deepen with age.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.figure.bust.pieces import F64, from_line, smoothed
from studio.figure.bust.skin_maps import Canvas, srgb
from studio.figure.bust.uv_bake import normal_map

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
Flat = tuple[float, float]
SIDES = ("Left", "Right")
# controls that bring out each map, with their gains
CONTROLS: dict[int, dict[str, float]] = {
    1: {"browInnerUp": 0.75, "browOuterUpLeft": 0.35, "browOuterUpRight": 0.35},
    2: {
        **{f"browDown{s}": 0.5 for s in SIDES},
        **{f"noseSneer{s}": 0.25 for s in SIDES},
        **{f"eyeSquint{s}": 0.2 for s in SIDES},
    },
    3: {
        **{f"mouthSmile{s}": 0.35 for s in SIDES},
        **{f"cheekSquint{s}": 0.3 for s in SIDES},
        **{f"mouthDimple{s}": 0.1 for s in SIDES},
    },
}


@dataclass(frozen=True, slots=True)
class Crease:
    """A fold along points of the face seen from the front, metres, on both sides; `deep` and `wide` in metres."""

    points: tuple[Flat, ...]
    deep: float
    wide: float


def wrinkle_maps(canvas: Canvas, *, age: float = 0.0, seed: int = 0) -> dict[int, tuple[U8, U8]]:
    """Normal (h, w, 3) and tint (h, w, 3, sRGB) of maps 1 to 3."""
    strength = 0.38 + 0.8 * np.clip(age + 0.15, 0.0, 1.2)
    drawn = {1: _forehead(canvas, seed), 2: _creased(canvas, _frown(canvas)), 3: _creased(canvas, _smile(canvas))}
    out = {}
    for slot, (height, fold, flush) in drawn.items():
        height = height * strength
        normal = normal_map(canvas.baked.picture(height), canvas.along_u, canvas.along_v)
        fold = np.clip(fold * strength, 0, 1)[:, None]
        tint = (
            1
            - fold * np.array([0.20, 0.34, 0.36], np.float32)
            - flush[:, None] * np.array([0.0, 0.09, 0.08], np.float32)
        )
        out[slot] = (normal, srgb(canvas.baked.picture(tint.astype(np.float32))))
    return out


def age_lines(canvas: Canvas, *, age: float, seed: int = 0) -> tuple[F32, F32]:
    """Height in metres and depth of fold 0 to 1 (n,) of the lines that stay in a face at rest with the years."""
    share = float(np.clip((age - 0.12) * 0.85, 0.0, 1.0))
    drawn = (_forehead(canvas, seed), _creased(canvas, _frown(canvas)), _creased(canvas, _smile(canvas)))
    height = sum((0.8 * h for h, _, _ in drawn), np.zeros(len(canvas.places), np.float32))
    fold = np.maximum.reduce([f for _, f, _ in drawn])
    return np.asarray(share * height, np.float32), np.asarray(np.clip(share * fold, 0, 1), np.float32)


def _forehead(canvas: Canvas, seed: int) -> tuple[F32, F32, F32]:
    """Lines across the forehead: height, fold and flush (n,)."""
    p = canvas.places
    brow = float(canvas.anatomy.brows[:, :, 1].mean())
    top = float(canvas.anatomy.hairline[0, 1])
    x, y = p[:, 0], p[:, 1]
    sway = 0.0016 * canvas.noise(0.022, seed + 81) + 0.0012 * np.cos(x * 70.0) - 0.9 * x * x
    share = (y + sway - brow - 0.006) / max(top - brow - 0.010, 0.02)
    phase = share * 4.6 + 0.12 * canvas.noise(0.03, seed + 82)
    line = np.clip(0.5 + 0.5 * np.cos(2 * np.pi * phase), 0, 1) ** 5
    roll = 0.5 - 0.5 * np.cos(2 * np.pi * phase)
    broken = np.clip(1.0 + 0.9 * canvas.noise(0.018, seed + 83), 0.25, 1.2)
    zone = (
        _step(0.0, 0.16, share)
        * _step(1.05, 0.82, share)
        * _step(0.052, 0.030, np.abs(x))
        * _step(-0.06, -0.03, p[:, 2])
    )
    zone = zone * (1 - canvas.mask("scalp"))
    height = (3.4e-4 * roll - 3.8e-4 * line * broken) * zone
    return height.astype(np.float32), (line * broken * zone).astype(np.float32), (0.35 * roll * zone).astype(np.float32)


def _frown(canvas: Canvas) -> tuple[Crease, ...]:
    a = canvas.anatomy
    brow = a.brows[0, 0]
    y = float(brow[1])
    return (
        Crease(((0.0052, y - 0.006), (0.0060, y + 0.002), (0.0052, y + 0.011)), 4.5e-4, 0.0011),
        Crease(((0.0105, y + 0.001), (0.0112, y + 0.006), (0.0108, y + 0.012)), 2.0e-4, 0.0010),
        Crease(((0.0, 0.0075), (0.006, 0.0068), (0.0095, 0.0055)), 2.6e-4, 0.0010),
        *(_ray(a.upper_lids[0, -1], angle, 0.013, 1.6e-4) for angle in (24, 2, -20)),
        Crease(((0.0065, -0.008), (0.0085, -0.012), (0.0115, -0.015)), 2.2e-4, 0.0010),
        Crease(((0.0070, -0.013), (0.0095, -0.0165), (0.0120, -0.0185)), 1.8e-4, 0.0010),
    )


def _smile(canvas: Canvas) -> tuple[Crease, ...]:
    a = canvas.anatomy
    wing = a.nostrils[0] + np.array([0.011, 0.006, 0.0])
    corner = a.mouth_line[-1]
    low = a.lower_lids[0]
    fold = tuple(
        (
            float(wing[0] + s * (corner[0] + 0.012 - wing[0]) + 0.004 * np.sin(np.pi * s)),
            float(wing[1] + s * (corner[1] + 0.001 - wing[1])),
        )
        for s in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    )

    def under(drop: float, first: int, last: int, deep: float) -> Crease:
        return Crease(tuple((float(q[0]), float(q[1] - drop)) for q in low[first:last:4]), deep, 0.0010)

    return (
        Crease(fold, 4.2e-4, 0.0016),
        *(
            _ray(a.upper_lids[0, -1], angle, reach, deep)
            for angle, reach, deep in ((34, 0.014, 2e-4), (12, 0.018, 3e-4), (-10, 0.018, 3e-4), (-32, 0.015, 2.2e-4))
        ),
        under(0.0042, 6, 33, 2.0e-4),
        under(0.0075, 10, 33, 1.6e-4),
    )


def _ray(start: F64, angle_deg: float, reach: float, deep: float) -> Crease:
    """A line of the crow's foot, from just outside the corner of the eye."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    x, y = float(start[0]) + 0.0035, float(start[1])
    droop = -0.0015
    steps = (0.15, 0.5, 1.0)
    return Crease(tuple((x + c * reach * k * 0.8, y + s * reach * k + droop * k * k) for k in steps), deep, 0.0009)


def _creased(canvas: Canvas, creases: Sequence[Crease]) -> tuple[F32, F32, F32]:
    """Height, fold and flush (n,) of creases on both sides."""
    n = len(canvas.places)
    height, fold, flush = (np.zeros(n, np.float32) for _ in range(3))
    for crease in creases:
        for side in (1.0, -1.0):
            line = _laid(canvas, np.array(crease.points) * [side, 1.0])
            near = np.flatnonzero(
                ((canvas.places > line.min(0) - 6 * crease.wide) & (canvas.places < line.max(0) + 6 * crease.wide)).all(
                    axis=1
                )
            )
            away, share = from_line(canvas.places[near], line)
            taper = np.sin(np.pi * np.clip(0.08 + 0.84 * share, 0, 1)) ** 0.7
            d = away / crease.wide
            valley = np.exp(-(d**2)) * taper
            ridge = np.exp(-(((d - 2.1) / 1.3) ** 2)) * taper
            height[near] += crease.deep * (0.55 * ridge - valley)
            fold[near] = np.maximum(fold[near], valley * min(crease.deep / 3.5e-4, 1.0))
            flush[near] = np.maximum(flush[near], ridge)
    smooth = 1 - canvas.mask("lips")
    return height * smooth, fold * smooth, flush * smooth


def _laid(canvas: Canvas, flat: F64) -> F64:
    """Points (k, 2) seen from the front laid on the face and made a smooth line (m, 3)."""
    if len(flat) > 2:
        flat = smoothed(flat, 24)
    front = canvas.places[canvas.places[:, 2] > -0.055][::7]
    away = np.linalg.norm(front[None, :, :2] - flat[:, None], axis=-1)
    z = front[np.argpartition(away, 6, axis=1)[:, :6], 2].max(axis=1)
    return np.concatenate([flat, z[:, None]], 1)


def _step(low: float, high: float, x: NDArray[np.floating]) -> NDArray[np.floating]:
    """0 at `low` and 1 at `high`, smooth between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))
