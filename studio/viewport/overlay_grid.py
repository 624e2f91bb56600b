"""The grid: lines at every power of ten of metres, of a size that suits each distance.

Every level of lines follows one rule: the farther apart its lines stand on the screen, the stronger they are, from
nothing at a few pixels on. So the grid looks alike from a millimetre and from a kilometre, fades towards the horizon
by itself, and nothing jumps when one zooms. It is made of line segments rather than by a shader over the whole picture,
because a picture has a hundred times more pixels than the lines have, and a processor that draws must pay for each.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from studio.viewport.camera import ViewCamera
from studio.viewport.overlay_records import BEHIND, HIDDEN, LINE, NO_LINES, Rows
from studio.viewport.snapping import grid_spacing

F64 = NDArray[np.float64]
AXIS_COLOURS = ((0.90, 0.27, 0.31), (0.47, 0.72, 0.20), (0.26, 0.52, 0.94))
_GREY = (0.60, 0.60, 0.64)
_FINEST_PX = 18.0  # logical pixels: the finest level is that far apart where it is seen best
_GONE_PX, _FULL_PX, _FAINT, _FULL = 6.0, 260.0, 0.10, 0.34
_LEVELS, _MOST = 4, 160  # levels of lines; lines of a level to each side
_CUTS = np.array([-1.0, -0.6, -0.36, -0.2, -0.1, -0.04, 0.0, 0.04, 0.1, 0.2, 0.36, 0.6, 1.0])


def plane_of(camera: ViewCamera) -> tuple[int, int]:
    """Axes of the plane that the grid lies in: the floor's, or in a flat view from a side those that face it."""
    facing = np.abs(camera.forward)
    if camera.orthographic and facing.max() > 0.9999:
        return ((1, 2), (0, 2), (0, 1))[int(facing.argmax())]
    return 0, 2


def strength(spacing_px: F64) -> F64:
    """How strong lines are that stand so many logical pixels apart."""
    with np.errstate(divide="ignore"):
        t = np.log(np.maximum(spacing_px, 1e-9) / _GONE_PX) / np.log(_FULL_PX / _GONE_PX)
    soft = np.clip(t / 0.35, 0.0, 1.0)
    return np.asarray(soft * soft * (3 - 2 * soft) * (_FAINT + (_FULL - _FAINT) * np.clip(t, 0.0, 1.0)))


@functools.lru_cache(maxsize=16)  # a camera is known by its identity: nothing is made anew while it rests
def grid_lines(camera: ViewCamera, size: tuple[int, int], ratio: float, *, lines: bool, axes: bool) -> Rows:
    """LINE rows of the grid and of the two axes in its plane; they stay behind what lies in the same plane."""
    view = _View(camera, size, ratio)
    if not view.usable:
        return NO_LINES
    parts: list[Rows] = []
    if lines:
        for level in range(_LEVELS):
            cell = view.finest * 10.0**level
            last = level == _LEVELS - 1
            for across in (0, 1):
                parts.append(view.level(cell, across, coarser=not last))
    if axes:
        parts += [view.axis(0), view.axis(1)]
    out = np.concatenate(parts) if parts else NO_LINES
    out.flags.writeable = False
    return out


class _View:
    """The plane as a camera sees it: where its foot is, how large things on it are."""

    def __init__(self, camera: ViewCamera, size: tuple[int, int], ratio: float) -> None:
        self.u, self.v = plane_of(camera)
        self.ratio, self.camera, self.size = ratio, camera, size
        normal = 3 - self.u - self.v
        hx, hy = camera.half_extents(*size)
        self.height = abs(float(camera.eye[normal]))
        if camera.orthographic:
            slope = abs(float(camera.forward[normal]))
            self.pixel = 2.0 * hx / size[0] * ratio
            steps = camera.eye[normal] / camera.forward[normal] if slope > 1e-3 else 0.0
            self.foot = camera.eye - camera.forward * steps
            self.reach = float(np.hypot(hx, hy)) / max(slope, 0.05)
            self.slope, self.finest = slope, grid_spacing(self.pixel, pixels=_FINEST_PX)
            self.usable = slope > 0.02
        else:
            self.focal = size[0] / (2.0 * hx) / ratio
            self.foot = camera.eye
            self.finest = grid_spacing(self.height / self.focal, pixels=_FINEST_PX)
            self.usable = self.height > 1e-6
        self.middle = self.foot[[self.u, self.v]]
        self.usable = self.usable and bool(np.isfinite(self.middle).all()) and np.isfinite(self.finest)

    def _far(self, cell: float) -> float:
        """How far from the foot lines of a cell can still be told apart."""
        if self.camera.orthographic:
            return self.reach
        return float(np.sqrt(cell * self.focal * self.height / _GONE_PX))

    def _spacing(self, cell: float, off: F64, across: int) -> F64:
        """(n,) logical pixels between neighbours of lines that `across` counts, at offsets (n, 2) from the foot.

        The plane's picture is shrunk by the height over the distance along the way from the foot, and not square to
        it; parallel lines stand as far apart as the inverse of that shrinking makes of their normal.
        """
        if self.camera.orthographic:
            return np.full(len(off), cell / self.pixel * max(self.slope, 1e-3))
        away = np.hypot(off[:, 0], off[:, 1])
        distance = np.hypot(away, self.height)
        along = np.abs(off[:, across]) / np.maximum(away, 1e-12)
        shrunk = np.hypot(along * distance / self.height, np.sqrt(np.maximum(1.0 - along**2, 0.0)))
        return np.asarray(cell * self.focal / distance / np.maximum(shrunk, 1e-12))

    def level(self, cell: float, across: int, *, coarser: bool) -> Rows:
        """Lines at multiples of `cell` of coordinate `across`, without those that a coarser level has."""
        far = self._far(cell)
        count = min(int(far / cell) + 1, _MOST)
        index = np.round(self.middle[across] / cell) + np.arange(-count, count + 1)
        if coarser:
            index = index[np.mod(index, 10.0) != 0]
        index = index[index != 0]  # there the axis is
        at = index * cell - self.middle[across]
        return self._rows(at, far, across, cell, _GREY)

    def axis(self, across: int) -> Rows:
        """The line where coordinate `across` is 0."""
        far = self._far(self.finest * 10.0 ** (_LEVELS - 1))
        rows = self._rows(-self.middle[across : across + 1], far, across, self.finest * 1000.0,
                          AXIS_COLOURS[self.v if across == 0 else self.u])  # fmt: skip
        alpha = rows["rgba"][:, 3] * 2.0
        rows["fade"] = np.minimum(alpha * rows["fade"], 0.9) / np.maximum(np.minimum(alpha, 0.9), 1e-9)
        rows["rgba"][:, 3] = np.minimum(alpha, 0.9)
        rows["width"] = 1.5 * self.ratio
        return rows

    def _rows(self, at: F64, far: float, across: int, cell: float, rgb: tuple[float, float, float]) -> Rows:
        """Lines `at` offsets (n,) from the foot, cut into pieces whose ends fade by themselves."""
        cuts = _CUTS[[0, -1]] if self.camera.orthographic else _CUTS
        n, k = len(at), len(cuts)
        off = np.empty((n, k, 2))
        off[:, :, across] = at[:, None]
        off[:, :, 1 - across] = cuts * far
        alpha = strength(self._spacing(cell, off.reshape(-1, 2), across)).reshape(n, k)
        if not self.camera.orthographic:
            away = np.hypot(off[:, :, 0], off[:, :, 1])
            # none along the horizon, nor where the lines of this level end
            alpha *= np.clip(self.height / np.maximum(away, 1e-12) / 0.05, 0.0, 1.0)
            alpha *= np.clip(2.0 - 2.2 * away / far, 0.0, 1.0)
        first, last = alpha[:, :-1], alpha[:, 1:]
        shown = np.maximum(first, last) > 0.006
        a, b = self._points(off[:, :-1][shown]), self._points(off[:, 1:][shown])
        seen = in_view(a, b, self.camera, self.size)
        return self._drawn(a[seen], b[seen], first[shown][seen], last[shown][seen], rgb)

    def _points(self, off: F64) -> F64:
        """(n, 3) points of the world at offsets (n, 2) from the foot."""
        out = np.zeros((len(off), 3))
        out[:, self.u], out[:, self.v] = (off + self.middle).T
        return out

    def _drawn(self, a: F64, b: F64, first: F64, last: F64, rgb: tuple[float, float, float]) -> Rows:
        """LINE rows whose stronger end comes first, so that the other is a part of it."""
        out = np.empty(len(a), LINE)
        swap = (last > first)[:, None]
        out["a"], out["b"] = np.where(swap, b, a), np.where(swap, a, b)
        strong = np.maximum(first, last)
        out["rgba"][:, :3], out["rgba"][:, 3] = rgb, strong
        out["fade"] = np.minimum(first, last) / np.maximum(strong, 1e-9)
        out["width"], out["dash"], out["mode"] = self.ratio, 0.0, HIDDEN | BEHIND
        return out


def in_view(a: F64, b: F64, camera: ViewCamera, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which lines from `a` to `b` (n, 3) are not wholly beyond one side of the view."""
    x, y = camera.half_extents(*size)
    ends = (a - camera.eye) @ camera.world[:, :3], (b - camera.eye) @ camera.world[:, :3]
    out = np.ones(len(a), np.bool_)
    across = 2.0 * (x if camera.fit != "vertical" else y)
    depth = [np.ones(len(p)) if camera.orthographic else -p[:, 2] for p in ends]
    for axis, half in ((0, x), (1, y)):
        middle = camera.shift[axis] * across
        off = [p[:, axis] - middle * d for p, d in zip(ends, depth, strict=True)]
        out &= ~((off[0] > half * depth[0]) & (off[1] > half * depth[1]))
        out &= ~((off[0] < -half * depth[0]) & (off[1] < -half * depth[1]))
    return out if camera.orthographic else out & ~((depth[0] < 0) & (depth[1] < 0))
