"""The shapes of lights and cameras as lines: cone, rectangle, disk, cylinder, sphere, arrow, frustum.

A scene has hundreds of lights and they are drawn anew with every frame, so there is no loop over lights: each kind
has a template of segments in a unit space, stretched by a size per light and carried to the world in one product.
A shape that would be smaller than its own icon is left out. Lines are
opaque, so that the round ends in which they meet do not show.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Camera
from studio.scene.lights import KINDS
from studio.scene.transforms import Bool, rigid
from studio.viewport.overlay_records import DIMMED, LINE, NO_LINES, ROUND, Rows, lines

F64 = NDArray[np.float64]
Segments = tuple[F64, F64]  # ends (k, 3)
SMALLEST_PX = 9.0  # logical pixels of a shape's radius: less is hidden behind its icon
_CONE_M, _CONE_PX = 1.0, (44.0, 190.0)


def _circle(n: int, u: int, v: int) -> F64:
    t = np.linspace(0.0, 2 * np.pi, n, endpoint=False)
    out = np.zeros((n, 3))
    out[:, u], out[:, v] = np.cos(t), np.sin(t)
    return out


def _loop(points: F64) -> Segments:
    return points, np.roll(points, -1, axis=0)


def _along(*pairs: tuple[Sequence[float], Sequence[float]]) -> Segments:
    return np.array([a for a, _ in pairs], np.float64), np.array([b for _, b in pairs], np.float64)


def _all(*parts: Segments) -> Segments:
    return np.concatenate([a for a, _ in parts]), np.concatenate([b for _, b in parts])


_Z = np.array([0.0, 0.0, -1.0])
_QUARTERS = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))
CONE = _all(_loop(_circle(40, 0, 1) + _Z), _along(*(((0, 0, 0), (x, y, -1)) for x, y in _QUARTERS)))
INNER = _loop(_circle(32, 0, 1) + _Z)
SQUARE = _loop(np.array([(-0.5, -0.5, 0), (0.5, -0.5, 0), (0.5, 0.5, 0), (-0.5, 0.5, 0)], np.float64))
CROSSED = _along(((-0.5, -0.5, 0), (0.5, 0.5, 0)), ((-0.5, 0.5, 0), (0.5, -0.5, 0)))
DISC = _loop(_circle(40, 0, 1))
BALL = _all(_loop(_circle(36, 0, 1)), _loop(_circle(36, 1, 2)), _loop(_circle(36, 2, 0)))
_CAP = _circle(24, 1, 2)
_X = np.array([0.5, 0.0, 0.0])
TUBE = _all(
    _loop(_CAP + _X), _loop(_CAP - _X), _along(*(((-0.5, y, z), (0.5, y, z)) for y, z in _QUARTERS))
)  # fmt: skip
ARROW = _along(((0, 0, 0), (0, 0, -1)), ((0, 0, -1), (0.09, 0, -0.8)), ((0, 0, -1), (-0.09, 0, -0.8)),
               ((0, 0, -1), (0, 0.09, -0.8)), ((0, 0, -1), (0, -0.09, -0.8)))  # fmt: skip
SUN = _all(
    _along(*(((x, y, 0), (x, y, -3.0)) for x, y in _QUARTERS), ((0, 0, 0), (0, 0, -4.0))),
    _loop(_circle(24, 0, 1)),
)


def placed(segments: Segments, matrices: F64, size: F64, rgba: Any, width: Any) -> Rows:
    """LINE rows of a template stretched by `size` (n, 3) and carried by `matrices` (n, 3, 4); `rgba` (n, 4) and
    `width` (n,) belong to each copy."""
    n, k = len(matrices), len(segments[0])
    out = np.empty((n, k), LINE)
    for name, ends in zip(("a", "b"), segments, strict=True):
        out[name] = (ends[None] * size[:, None]) @ matrices[:, :, :3].transpose(0, 2, 1) + matrices[:, None, :, 3]
    out["rgba"], out["width"] = rgba[:, None], np.asarray(width)[:, None]
    out["mode"], out["dash"], out["fade"] = DIMMED | ROUND, 0.0, 1.0
    return out.reshape(-1)


def cone_length(metres_per_px: F64) -> F64:
    """(n,) how long the cone of a spot is drawn, between limits of logical pixels so that it can always be grabbed."""
    return np.asarray(np.clip(_CONE_M, _CONE_PX[0] * metres_per_px, _CONE_PX[1] * metres_per_px))


def light_shapes(
    packed: Rows, matrices: F64, metres_per_px: F64, rgba: F64, width: F64, strong: Bool, facing: F64
) -> Rows:
    """LINE rows of lights: `packed` LIGHT rows at `matrices` (n, 3, 4) rigid, with `metres_per_px` (n,) of a logical
    pixel there; `strong` (n,) ones are selected or hovered and are drawn in full. `facing` (3, 3) are the axes of the
    camera, in which a ball is a circle."""
    kind, size = packed["kind"], packed["size"].astype(np.float64)
    radius = np.where(kind == KINDS["spot"], np.inf, size.max(axis=1, initial=0.0))
    radius = np.where(np.isin(kind, [KINDS[k] for k in ("rectangle", "cylinder", "portal")]), radius / 2, radius)
    large = (radius > SMALLEST_PX * metres_per_px) | (kind == KINDS["distant"])
    parts: list[Rows] = []

    def add(which: Bool, template: Segments, sizes: F64, fade: float = 1.0, alpha: float = 1.0) -> None:
        colour = rgba[which] * (fade, fade, fade, alpha)
        parts.append(placed(template, matrices[which], sizes[which], colour, width[which]))

    ones = np.ones(len(packed))
    arrow = np.clip(radius, 18.0 * metres_per_px, 60.0 * metres_per_px)
    by = {name: (kind == code) & (large | strong) for name, code in KINDS.items()}
    if by["spot"].any():
        length = cone_length(metres_per_px)
        outer, inner = packed["cone"][:, 1].astype(np.float64), packed["cone"][:, 0].astype(np.float64)
        wide, narrow = np.sqrt(np.maximum(1 - outer**2, 0)), np.sqrt(np.maximum(1 - inner**2, 0))
        add(by["spot"], CONE, np.stack([length * wide, length * wide, length * outer], axis=1))
        both = by["spot"] & (inner - outer > 1e-4) & strong
        add(both, INNER, np.stack([length * narrow, length * narrow, length * inner], axis=1), 0.55)
    framed = by["rectangle"] | by["portal"]
    if framed.any():
        add(framed, SQUARE, np.stack([size[:, 0], size[:, 1], ones], axis=1))
        add(framed & (strong | by["portal"]), CROSSED, np.stack([size[:, 0], size[:, 1], ones], axis=1), alpha=0.3)
    if by["disk"].any():
        add(by["disk"], DISC, np.repeat(size[:, :1], 3, axis=1))
    if by["sphere"].any():
        add(by["sphere"] & strong, BALL, np.repeat(size[:, :1], 3, axis=1))
        circles = matrices[by["sphere"]].copy()
        circles[:, :, :3] = facing
        at = by["sphere"]
        parts.append(placed(DISC, circles, np.repeat(size[at, :1], 3, axis=1), rgba[at], width[at]))
    if by["cylinder"].any():
        add(by["cylinder"], TUBE, np.stack([size[:, 1], size[:, 0], size[:, 0]], axis=1))
    flat = framed | by["disk"]
    if flat.any():
        add(flat, ARROW, np.repeat(arrow[:, None], 3, axis=1), 0.8)
    if by["distant"].any():
        add(by["distant"], SUN, np.repeat(metres_per_px[:, None] * 15.0, 3, axis=1))
    return np.concatenate(parts) if parts else NO_LINES


def frustum(camera: Camera, world: F64, metres_per_px: float, rgba: tuple[float, ...], width: float) -> Rows:
    """LINE rows of a camera: its pyramid, the triangle over its upper side, and where it is focused when it has a
    lens. `world` (3, 4)."""
    matrix = rigid(world[None])[0]
    corners, depth = frustum_corners(camera, metres_per_px)
    eyes = corners * (1, 1, 0) if camera.projection == "orthographic" else np.zeros((4, 3))
    top, high = corners[3] + corners[2], np.array([0.0, float(corners[2, 1] - corners[1, 1]), 0.0])
    roof = np.array([corners[3] * (0.7, 1, 1), top / 2 + 0.3 * high, corners[2] * (0.7, 1, 1)])
    roof += 0.06 * high
    a = np.concatenate([corners, corners, roof])
    b = np.concatenate([np.roll(corners, -1, axis=0), eyes, np.roll(roof, -1, axis=0)])
    if camera.f_stop > 0 and camera.projection != "orthographic":
        far = np.array([0.0, 0.0, -camera.focus_distance_m])
        across, upright = np.array([0.1 * depth, 0.0, 0.0]), np.array([0.0, 0.1 * depth, 0.0])
        a = np.concatenate([a, [far - across, far - upright, np.array([0.0, 0.0, -depth])]])
        b = np.concatenate([b, [far + across, far + upright, far]])
    carry = matrix[:, :3].T
    return lines(a @ carry + matrix[:, 3], b @ carry + matrix[:, 3], rgba, width=width, mode=DIMMED | ROUND)


def frustum_corners(camera: Camera, metres_per_px: float) -> tuple[F64, float]:
    """(4, 3) corners of a camera's picture in its own space, from the lower left against the clock, and how far
    ahead they are drawn."""
    ratio = camera.sensor_width_mm / max(camera.sensor_height_mm, 1e-6)
    if camera.projection == "orthographic":
        y, depth = camera.ortho_height_m / 2, float(np.clip(0.6, 40.0 * metres_per_px, 160.0 * metres_per_px))
        x = y * ratio
    else:
        depth = float(np.clip(0.6, 40.0 * metres_per_px, 130.0 * metres_per_px))
        x = depth * camera.sensor_width_mm / (2 * max(camera.focal_length_mm, 1e-3))
        y = x / ratio
    dx, dy = camera.shift_x * 2 * x, camera.shift_y * 2 * x
    return np.array([(dx - x, dy - y, -depth), (dx + x, dy - y, -depth), (dx + x, dy + y, -depth),
                     (dx - x, dy + y, -depth)]), depth  # fmt: skip
