"""The gizmo of a transform: where its handles are on the screen, which one is under the pointer, how it is drawn.

It keeps its size on the screen whatever the distance. A handle that would be useless is faded and cannot be grabbed:
an arrow that points at the eye, a plane seen edge-on. Solid parts are drawn as the outline of what they look like, so
that they get the same smooth edges as lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from studio.viewport.overlay_records import FRONT, RIM, ROUND, SCREEN, Drawing, Rgba, fan, joined, polyline
from studio.viewport.tools.rays import Eye, hull, inside, segment_distance

F64 = NDArray[np.float64]
Kind = Literal["move", "rotate", "scale"]
# "x", "y", "z": along or about an axis; "yz", "zx", "xy": in a plane; "free": the middle; "view": the outer ring
Handle = Literal["", "x", "y", "z", "yz", "zx", "xy", "free", "view"]

AXES: tuple[Handle, ...] = ("x", "y", "z")
PLANES: tuple[Handle, ...] = ("yz", "zx", "xy")
COLOURS: dict[str, tuple[float, float, float]] = {
    "x": (0.94, 0.29, 0.33),
    "y": (0.50, 0.76, 0.22),
    "z": (0.27, 0.55, 0.97),
    "yz": (0.94, 0.29, 0.33),
    "zx": (0.50, 0.76, 0.22),
    "xy": (0.27, 0.55, 0.97),
    "free": (0.92, 0.92, 0.94),
    "view": (0.78, 0.78, 0.82),
}
HOT = (0.30, 0.88, 1.0)
_DARK = (0.10, 0.10, 0.11, 1.0)
LENGTH_PX, REACH_PX = 92.0, 8.0  # logical pixels: of an arrow, and how near the pointer must come
_INNER, _TIP, _PLANE, _PLANE_SIDE, _MIDDLE, _RING = 0.15, 0.82, 0.34, 0.17, 0.11, 1.16
_CIRCLE = np.linspace(0.0, 2 * np.pi, 72, endpoint=False)
_UNIT = np.stack([np.cos(_CIRCLE), np.sin(_CIRCLE)], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Gizmo:
    """A gizmo at `origin` (3,) with unit `axes` (columns of a (3, 3)), seen by `eye`."""

    kind: Kind
    origin: F64
    axes: F64
    eye: Eye
    ratio: float

    @property
    def length(self) -> float:
        """Metres of an arrow."""
        return self.eye.metres(self.origin) * LENGTH_PX * self.ratio

    @property
    def usable(self) -> bool:
        """Whether it is before the eye, at a place that exists."""
        if not (np.isfinite(self.origin).all() and np.isfinite(self.axes).all()):
            return False
        ahead = float((self.origin - self.eye.camera.eye) @ self.eye.camera.forward)
        return (ahead > self.eye.camera.near_m or self.eye.camera.orthographic) and np.isfinite(self.length)

    def strength(self, handle: Handle) -> float:
        """How much a handle shows, 0 (cannot be used from here) to 1."""
        towards = self.eye.towards(self.origin)
        if handle in AXES:
            sine = float(np.linalg.norm(np.cross(self.axes[:, AXES.index(handle)], towards)))
            return 1.0 if self.kind == "rotate" else _ramp(sine, 0.10, 0.25)
        if handle in PLANES:
            return _ramp(abs(float(self.axes[:, PLANES.index(handle)] @ towards)), 0.12, 0.30)
        return 1.0

    def handles(self) -> tuple[Handle, ...]:
        """The handles that this kind of gizmo has."""
        return (*AXES, "view") if self.kind == "rotate" else (*AXES, *PLANES, "free")

    def under(self, x: float, y: float) -> Handle:
        """The handle at a pixel, "" for none; the nearest one wins, and a small one before a long one."""
        if not self.usable:
            return ""
        reach = REACH_PX * self.ratio
        best, found = reach, ""
        for rank, handle in enumerate(self.handles()):
            if self.strength(handle) <= 0.05:
                continue
            distance = self._distance(handle, x, y) + (1e-3 * rank if handle in AXES else 0.0)
            if handle in PLANES:
                distance *= 0.6
            if handle == "free":
                distance *= 0.5
            if distance < best:
                best, found = distance, handle
        return found  # type: ignore[return-value]

    def _distance(self, handle: Handle, x: float, y: float) -> float:
        """Pixels from a position to a handle; 0 within a filled one."""
        if handle in PLANES or handle == "free":
            outline = self.eye.pixels(self._outline(handle))[:, :2]
            if inside((x, y), outline):
                return 0.0
            return float(segment_distance((x, y), outline, np.roll(outline, -1, axis=0)).min())
        if self.kind == "rotate":
            points, front = self._ring(handle)
            at = self.eye.pixels(points)[:, :2]
            away = segment_distance((x, y), at, np.roll(at, -1, axis=0))
            return float(np.where(front, away, np.inf).min())
        a, b = self._shaft(handle)
        ends = self.eye.pixels(np.stack([a, b]))[:, :2]
        return float(segment_distance((x, y), ends[:1], ends[1:])[0])

    # --- shapes ------------------------------------------------------------------------------------------------------
    def _shaft(self, handle: Handle) -> tuple[F64, F64]:
        axis = self.axes[:, AXES.index(handle)] * self.length
        return self.origin + axis * _INNER, self.origin + axis

    def _outline(self, handle: Handle) -> F64:
        """(n, 3) the border of a plane handle or of the middle."""
        if handle == "free":
            right, up = self.eye.camera.world[:, 0], self.eye.camera.world[:, 1]
            return self.origin + (_UNIT[::3] @ np.stack([right, up])) * (self.length * _MIDDLE)
        k = PLANES.index(handle)
        u, v = self.axes[:, (k + 1) % 3], self.axes[:, (k + 2) % 3]
        near, far = _PLANE, _PLANE + _PLANE_SIDE
        square = np.array([(near, near), (far, near), (far, far), (near, far)])
        return self.origin + (square @ np.stack([u, v])) * self.length

    def _ring(self, handle: Handle) -> tuple[F64, NDArray[np.bool_]]:
        """(n, 3) a ring, and which of its pieces are on the side of the eye."""
        towards = self.eye.towards(self.origin)
        if handle == "view":
            camera = self.eye.camera.world
            points = self.origin + (_UNIT @ camera[:, :2].T) * (self.length * _RING)
            return points, np.ones(len(points), np.bool_)
        k = AXES.index(handle)
        u, v = self.axes[:, (k + 1) % 3], self.axes[:, (k + 2) % 3]
        off = _UNIT @ np.stack([u, v])
        facing = abs(float(self.axes[:, k] @ towards)) > 0.985  # face on, all of it is in front
        return self.origin + off * self.length, facing | (off @ towards > -0.05)

    # --- drawing -----------------------------------------------------------------------------------------------------
    def draw(self, hot: Handle = "", only: Handle = "") -> tuple[Drawing, ...]:
        """The gizmo, far parts first, with the handle `hot` lit up; during a drag `only` that one."""
        if not self.usable:
            return ()
        shown = [h for h in self.handles() if not only or h == only]
        towards = self.eye.towards(self.origin)
        depth = {h: float(self.axes[:, AXES.index(h)] @ towards) for h in shown if h in AXES}
        order = sorted(shown, key=lambda h: depth.get(h, -2.0 if h in PLANES else 2.0))
        return tuple(self._part(h, h == hot) for h in order if self.strength(h) > 0.02)

    def _part(self, handle: Handle, hot: bool) -> Drawing:
        colour = HOT if hot else COLOURS[handle]
        alpha = self.strength(handle)
        rgba = (*colour, alpha)
        if handle in PLANES:
            outline = self._outline(handle)
            return Drawing(
                lines=polyline(outline, rgba, closed=True, width=1.6 * self.ratio, mode=FRONT),
                corners=fan(outline, (*colour, alpha * (0.55 if hot else 0.28)), mode=FRONT),
            )
        if handle == "free":
            outline = self._outline(handle)
            dark = polyline(outline, _DARK, closed=True, width=3.6 * self.ratio, mode=FRONT | ROUND)
            ring = polyline(outline, rgba, closed=True, width=1.8 * self.ratio, mode=FRONT | ROUND)
            fill = fan(outline, (*colour, 0.45 if hot else 0.10), mode=FRONT)
            return Drawing(lines=np.concatenate([dark, ring]), corners=fill)
        if self.kind == "rotate":
            return self._drawn_ring(handle, rgba, hot)
        a, b = self._shaft(handle)
        axis = b - a
        tip = _TIP if self.kind == "move" else 0.97
        end = self.origin + self.axes[:, AXES.index(handle)] * self.length * tip
        width = (3.0 if hot else 2.4) * self.ratio
        shaft = Drawing(lines=polyline(np.stack([a, end]), rgba, width=width, mode=FRONT | RIM))
        head = self._cone(end, b, rgba) if self.kind == "move" else self._cube(b, axis, rgba)
        return joined([shaft, head])

    def _drawn_ring(self, handle: Handle, rgba: Rgba, hot: bool) -> Drawing:
        points, front = self._ring(handle)
        rows = polyline(points, rgba, closed=True, width=(3.4 if hot else 2.4) * self.ratio, mode=FRONT | ROUND)
        if handle == "view":
            rows["width"] = (2.4 if hot else 1.4) * self.ratio
            rows["rgba"][:, :3] *= 1.0 if hot else 0.75
            return Drawing(lines=rows)
        rows["rgba"][~front, 3] *= 0.10
        rows["width"][~front] = 1.2 * self.ratio
        rows["mode"][~front] = FRONT
        return Drawing(lines=rows)

    def _cone(self, base: F64, tip: F64, rgba: Rgba) -> Drawing:
        axis = (tip - base) / np.linalg.norm(tip - base)
        side = np.cross(axis, (0.0, 0.0, 1.0) if abs(axis[2]) < 0.9 else (1.0, 0.0, 0.0))
        side = side / np.linalg.norm(side)
        disc = base + (_UNIT[::4] @ np.stack([side, np.cross(axis, side)])) * self.length * 0.055
        return self._solid(np.concatenate([disc, tip[None]]), rgba)

    def _cube(self, centre: F64, axis: F64, rgba: Rgba) -> Drawing:
        signs = np.array(np.meshgrid((-1, 1), (-1, 1), (-1, 1))).reshape(3, -1).T
        return self._solid(centre + (signs * self.length * 0.05) @ self.axes.T, rgba)

    def _solid(self, points: F64, rgba: Rgba) -> Drawing:
        """A convex body as the outline that it has on the screen, filled."""
        seen = self.eye.pixels(points)
        if not (seen[:, 2] > 0).all() and not self.eye.camera.orthographic:
            return Drawing()
        flat = hull(seen[:, :2])
        if len(flat) < 3:
            return Drawing()
        outline = np.concatenate([flat, np.zeros((len(flat), 1))], axis=1)
        return Drawing(
            lines=polyline(outline, rgba, closed=True, width=1.2 * self.ratio, mode=SCREEN | ROUND),
            corners=fan(outline, rgba, mode=SCREEN),
        )


def _ramp(value: float, low: float, high: float) -> float:
    t = float(np.clip((value - low) / (high - low), 0.0, 1.0))
    return t * t * (3.0 - 2.0 * t)
