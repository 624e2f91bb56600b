"""One transform from press to release: what the pointer or the keyboard says, and what becomes of the scene.

The gesture begins with a picture of everything it moves and computes every step from there; its edits are one
`Stroke`, so the history gets one step, and none when it is cancelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Id
from studio.viewport.overlay_records import FRONT, SCREEN, Drawing, Label, fan, joined, lines
from studio.viewport.snapping import grid_spacing, rounded, snapped_move
from studio.viewport.tools.events import KeyEvent, PointerEvent
from studio.viewport.tools.gizmo import AXES, COLOURS, PLANES, Handle, Kind
from studio.viewport.tools.numeric import NumericEntry
from studio.viewport.tools.placing import Fields, Movers, moved, movers, scaled, turned
from studio.viewport.tools.rays import Eye, angle_between, wrapped
from studio.viewport.tools.settings import Pivot, Space, ToolSettings
from studio.viewport.tools.stroke import Stroke
from studio.viewport.tools.tool import Viewer

F64 = NDArray[np.float64]
Lock = Literal["free", "axis", "plane"]
_LABELS = {"move": "Move", "rotate": "Rotate", "scale": "Scale"}
_SMALLEST = 1e-4  # a factor nearer to zero than this would flatten things for good
_LEAST_DRAGGED = 1e-3


def pivot_of(them: Movers, pivot: Pivot, bounds: tuple[F64, F64] | None) -> F64:
    """(3,) where the gizmo stands: the middle of the origins, of the bounds, or the origin selected last."""
    if pivot == "active" or len(them.ids) == 1:
        return np.asarray(them.origins[-1])
    if pivot == "bounds" and bounds is not None:
        return (bounds[0] + bounds[1]) / 2
    return np.asarray(them.origins.mean(axis=0))


def axes_of(them: Movers, space: Space, eye: Eye) -> F64:
    """(3, 3) axes, as columns, of a space: of what was selected last where it is its own or its parent's."""
    if space == "local":
        return np.asarray(them.frames[-1])
    if space == "parent":
        return np.asarray(them.parent_frames[-1])
    return np.array(eye.camera.world[:, :3]) if space == "view" else np.eye(3)


class Gesture:
    """A transform of `ids` that is going on. `handle` is what was grabbed of the gizmo, "" when it began by a key."""

    def __init__(
        self,
        viewer: Viewer,
        settings: ToolSettings,
        kind: Kind,
        *,
        ids: Sequence[Id],
        pivot: F64,
        at: tuple[float, float],
        handle: Handle = "",
    ) -> None:
        self.viewer, self.kind, self.handle = viewer, kind, handle
        self.snapping, self.individual = settings.snapping, settings.pivot == "individual"
        self.them = movers(viewer.flat, ids)
        self.pivot = pivot
        self.space: Space = settings.space
        self.stroke = Stroke(viewer, _LABELS[kind], self.them.ids)
        self.lock: Lock = "free"
        self.index = 2  # of the axis of `lock`
        self.numbers = NumericEntry()
        self.pointer = self.start = np.array(at, np.float64)  # where it would be if Shift did not slow it down
        self._last = self.pointer
        self._ratio = viewer.pixel_ratio  # that `pointer` is in
        self._turned, self._before = 0.0, 0.0
        self._value: float | F64 = 0.0
        self._set_lock(handle)

    def _set_lock(self, handle: Handle) -> None:
        if handle in AXES:
            self.lock, self.index = "axis", AXES.index(handle)
        elif handle in PLANES:
            self.lock, self.index = "plane", PLANES.index(handle)
        self.numbers.limit(self._slots())

    @property
    def eye(self) -> Eye:
        """The view, as it is now."""
        return Eye(self.viewer.camera, *self.viewer.size)

    @property
    def axes(self) -> F64:
        """(3, 3) axes that locks and numbers mean."""
        return axes_of(self.them, self.space, self.eye)

    @property
    def _own(self) -> bool:
        """Whether each thing goes along its own axes."""
        return self.individual and self.space in ("local", "parent")

    @property
    def _frames(self) -> F64:
        return self.them.frames if self.space == "local" else self.them.parent_frames

    # --- events ------------------------------------------------------------------------------------------------------
    def move(self, event: PointerEvent) -> None:
        """The pointer went somewhere."""
        now = np.array([event.x, event.y])
        self.pointer = self.pointer + (now - self._last) * (0.1 if "shift" in event.modifiers else 1.0)
        self._last = now
        self.update("ctrl" in event.modifiers)

    def key(self, event: KeyEvent) -> bool:
        """Take digits and axis locks; True when the key meant something."""
        if event.kind == "press" and event.key in AXES and not event.modifiers & {"ctrl", "alt", "meta"}:
            self._toggle_lock(AXES.index(event.key), "plane" if "shift" in event.modifiers else "axis")
        elif event.key == "ctrl":
            self.update(event.kind == "press")
            return True
        elif not self.numbers.key(event):
            return False
        self.update("ctrl" in event.modifiers)
        return True

    def _toggle_lock(self, index: int, lock: Lock) -> None:
        """An axis once: in the axes set; twice: its own axes, or the world's; three times: free again."""
        if (self.lock, self.index) != (lock, index):
            self.lock, self.index, self._turns = lock, index, 1
            self._first_space = self.space if self.space != "view" else "world"
            self.space = self._first_space
        elif self._turns == 1:
            self._turns, self.space = 2, "local" if self._first_space == "world" else "world"
        else:
            self.lock, self.space = "free", self._first_space
        self._turned = self._before = 0.0
        self.numbers.limit(self._slots())

    _turns = 0
    _first_space: Space = "world"

    def _slots(self) -> int:
        if self.kind == "rotate" or self.lock == "axis":
            return 1
        return 2 if self.lock == "plane" else 3

    # --- the value ---------------------------------------------------------------------------------------------------
    def update(self, ctrl: bool) -> None:
        """Bring the scene to what the pointer and the keys say now."""
        snap = self.snapping.active(ctrl)
        fields: Fields
        if self.kind == "move":
            offset = self._typed_vector(0.0) if self.numbers.active else self._dragged(snap)
            self._value = offset
            shifts = self._frames @ (self.axes.T @ offset) if self._own else offset
            fields = moved(self.them, shifts)
        elif self.kind == "rotate":
            angle = np.radians(self.numbers.values()[0]) if self.numbers.active else self._angle(snap)
            self._value = float(angle)
            fields = turned(self.them, self._turn_axes(), float(angle), self._pivots())
        else:
            factors = self._typed_factors() if self.numbers.active else self._factors(snap)
            self._value = factors
            own = self.space == "local" and (self.individual or len(self.them.ids) == 1)
            axes = self._frames if self._own else self.axes
            fields = scaled(self.them, axes, factors, self._pivots(), own=own)
        self.viewer.status(self.describe())
        self.stroke.write(fields)

    def _pivots(self) -> F64:
        return self.them.origins if self.individual else self.pivot

    def _free(self) -> tuple[bool, bool, bool]:
        """Along which axes the gesture goes."""
        if self.lock == "free":
            return True, True, True
        on = [(i == self.index) == (self.lock == "axis") for i in range(3)]
        return on[0], on[1], on[2]

    def _dragged(self, snap: bool) -> F64:
        """(3,) displacement in the world by the pointer."""
        eye, axes = self.eye, self.axes
        offset = self._on_axis(eye, axes[:, self.index]) if self.lock == "axis" else self._on_plane(eye, axes)
        if offset is None:
            return self._value if isinstance(self._value, np.ndarray) else np.zeros(3)
        if not snap:
            return offset
        step = self.snapping.move_m or grid_spacing(eye.metres(self.pivot) * self.viewer.pixel_ratio)
        grid = self.snapping.kind == "grid"
        return snapped_move(offset, self.pivot, axes, self._free(), step, grid=grid)

    def _on_axis(self, eye: Eye, axis: F64) -> F64 | None:
        a = eye.on_axis(*_xy(self.start), self.pivot, axis)
        b = eye.on_axis(*_xy(self.pointer), self.pivot, axis)
        if a is not None and b is not None:
            return axis * (b - a)
        if float(np.linalg.norm(np.cross(axis, eye.towards(self.pivot)))) > 0.05:
            return None
        # it runs into the eye: up on the screen is away from it
        away = -np.sign(float(axis @ eye.towards(self.pivot)))
        return np.asarray(axis * (away * float(self.start[1] - self.pointer[1]) * eye.metres(self.pivot)))

    def _on_plane(self, eye: Eye, axes: F64) -> F64 | None:
        normal = axes[:, self.index] if self.lock == "plane" else eye.camera.forward
        a = eye.on_plane(*_xy(self.start), self.pivot, normal)
        b = eye.on_plane(*_xy(self.pointer), self.pivot, normal)
        return None if a is None or b is None else b - a

    def _turn_axes(self) -> F64:
        if self.lock == "free":
            return self.eye.towards(self.pivot)
        return self._frames[:, :, self.index] if self._own else self.axes[:, self.index]

    def _angle(self, snap: bool) -> float:
        """Radians by the pointer, through as many turns as it goes."""
        now = self._seen_angle()
        self._turned += wrapped(now - self._before)
        self._before = now
        step = float(np.radians(self.snapping.rotate_deg))
        return rounded(self._turned, step) if snap else self._turned

    def _seen_angle(self) -> float:
        eye = self.eye
        axis = eye.towards(self.pivot) if self.lock == "free" else self.axes[:, self.index]
        facing = float(axis @ eye.towards(self.pivot))
        if self.handle and self.lock != "free":
            if abs(facing) > 0.15:
                a, b = (eye.on_plane(*_xy(p), self.pivot, axis) for p in (self.start, self.pointer))
                if a is None or b is None:
                    return self._before
                a, b = a - self.pivot, b - self.pivot
                return float(np.arctan2(np.cross(a, b) @ axis, a @ b))
            return self._along_ring(eye, axis)
        centre = eye.pixel(self.pivot)
        first, last = self.start - centre, self.pointer - centre
        if not np.isfinite(centre).all() or float(np.hypot(*first)) < 4.0 * self.viewer.pixel_ratio:
            return wrapped(float(self.pointer[0] - self.start[0]) * 0.01 / self.viewer.pixel_ratio)
        return -angle_between(first, last) * (1.0 if facing >= 0 else -1.0)

    def _along_ring(self, eye: Eye, axis: F64) -> float:
        """The angle by how far the pointer went along a ring that is seen from its edge."""
        side = np.cross(axis, eye.towards(self.pivot))
        reach = eye.metres(self.pivot) * 92.0 * self.viewer.pixel_ratio
        tangent = eye.pixel(self.pivot + side * reach) - eye.pixel(self.pivot)
        length = float(tangent @ tangent)
        return wrapped(float((self.pointer - self.start) @ tangent) / length) if length > 1.0 else self._before

    def _factors(self, snap: bool) -> F64:
        factor = self._stretch()
        if snap:
            factor = rounded(factor, self.snapping.scale) or self.snapping.scale
        factor = max(factor, _LEAST_DRAGGED)
        return np.where(self._free(), factor, 1.0)

    def _stretch(self) -> float:
        """One factor by the pointer: how much farther from the pivot it is than where it began."""
        eye, ratio = self.eye, self.viewer.pixel_ratio
        if self.handle and self.lock == "axis":
            axis = self.axes[:, self.index]
            a, b = (eye.on_axis(*_xy(p), self.pivot, axis) for p in (self.start, self.pointer))
            if a is not None and b is not None and abs(a) > 8.0 * ratio * eye.metres(self.pivot):
                return b / a
        centre = eye.pixel(self.pivot)
        first = float(np.hypot(*(self.start - centre)))
        if self.handle == "free" or not first > 12.0 * ratio:
            dx, dy = (self.pointer - self.start).tolist()
            return float(2.0 ** ((dx - dy) / (100.0 * ratio)))
        return float(np.hypot(*(self.pointer - centre))) / first

    # --- numbers -----------------------------------------------------------------------------------------------------
    def _typed_vector(self, empty: float) -> F64:
        along = np.full(3, empty)
        along[np.flatnonzero(self._free())[: self.numbers.slots]] = self.numbers.values(empty)
        return np.asarray(self.axes @ along)

    def _typed_factors(self) -> F64:
        values = self.numbers.values(1.0)
        out = np.ones(3)
        free = np.flatnonzero(self._free())
        only_one = not any(self.numbers.texts[1:]) and self.numbers.at == 0
        out[free] = values[0] if only_one else values[: len(free)]
        return np.where(np.abs(out) < _SMALLEST, np.copysign(_SMALLEST, out), out)

    # --- the end -----------------------------------------------------------------------------------------------------
    def finish(self) -> None:
        """Keep what was done; what came back to its start leaves no step."""
        self.stroke.finish()

    def cancel(self) -> None:
        """Put everything back, and leave no step behind."""
        self.stroke.cancel()

    # --- what is shown -----------------------------------------------------------------------------------------------
    def describe(self) -> str:
        """What is being done, in a line."""
        where = {"free": "", "axis": f" along {AXES[self.index]}", "plane": f" in {PLANES[self.index]}"}[self.lock]
        if self.kind == "rotate":
            where = "" if self.lock == "free" else f" about {AXES[self.index]}"
        if where:
            where += f" ({self.space})"
        typed = f"   [{self.numbers.shown()}]" if self.numbers.active else ""
        return f"{_LABELS[self.kind]} {self.amount()}{where}{typed}"

    def amount(self) -> str:
        """The value, short."""
        if isinstance(self._value, float):
            return f"{np.degrees(self._value):.1f}°" if self.kind == "rotate" else "0 m"
        value = np.asarray(self._value)
        if self.kind == "move":
            along = self.axes.T @ value
            return f"{along[self.index]:.3f} m" if self.lock == "axis" else f"{np.linalg.norm(value):.3f} m"
        if self.lock == "axis":
            return f"{value[self.index]:.3f}"
        return f"{value[0]:.3f}" if np.ptp(value) == 0 else " × ".join(f"{v:.3f}" for v in value)

    def draw(self) -> Drawing:
        """Lines along what the gesture is locked to, the angle gone through, the value beside the pointer."""
        eye, ratio, axes = self.eye, self.viewer.pixel_ratio, self.axes
        drawn = ratio / self._ratio  # while a picture with fewer pixels is drawn, less than 1
        parts = []
        if self.lock != "free" and self.kind != "rotate":
            far = max(self.eye.camera.pivot_m, eye.metres(self.pivot) * 1000.0) * 20.0
            which = [i for i in range(3) if self._free()[i]]
            ends = axes[:, which].T * far
            rgba = [(*COLOURS[AXES[i]], 0.55) for i in which]
            parts.append(
                Drawing(lines=lines(self.pivot - ends, self.pivot + ends, rgba, width=1.2 * ratio, mode=FRONT))
            )
        if self.kind == "rotate" and isinstance(self._value, float):
            parts.append(self._pie(eye))
        centre = eye.pixel(self.pivot)
        if self.handle == "" and self.kind != "move" and np.isfinite(centre).all():
            a, b = np.append(centre, 0.0), np.append(self.pointer * drawn, 0.0)
            parts.append(
                Drawing(lines=lines(a, b, (0.9, 0.9, 0.92, 0.8), width=1.2 * ratio, mode=SCREEN, dash=5 * ratio))
            )
        x, y = (self._last * drawn).tolist()
        parts.append(Drawing(labels=(Label(x + 18 * ratio, y + 20 * ratio, self.amount(), (1.0, 1.0, 1.0, 1.0)),)))
        return joined(parts)

    def _pie(self, eye: Eye) -> Drawing:
        """The sector that a turn has gone through."""
        angle = float(self._value)
        axis = eye.towards(self.pivot) if self.lock == "free" else self.axes[:, self.index]
        hit = eye.on_plane(*_xy(self.start), self.pivot, axis)
        if hit is None or abs(angle) < 1e-4 or not np.linalg.norm(hit - self.pivot) > 1e-12:
            return Drawing()
        u = (hit - self.pivot) / np.linalg.norm(hit - self.pivot)
        v = np.cross(axis, u)
        sweep = float(np.clip(angle, -2 * np.pi, 2 * np.pi))
        t = np.linspace(0.0, sweep, 3 + int(abs(sweep) * 16))
        reach = eye.metres(self.pivot) * 92.0 * self.viewer.pixel_ratio
        arc = self.pivot + (np.cos(t)[:, None] * u + np.sin(t)[:, None] * v) * reach
        outline = np.concatenate([self.pivot[None], arc])
        colour = (0.9, 0.9, 0.92) if self.lock == "free" else COLOURS[AXES[self.index]]
        sides = lines([self.pivot, self.pivot], [arc[0], arc[-1]], (*colour, 0.9), width=1.4 * self.viewer.pixel_ratio,
                      mode=FRONT)  # fmt: skip
        return Drawing(lines=sides, corners=fan(outline, (*colour, 0.22), mode=FRONT))


def _xy(pixel: F64) -> tuple[float, float]:
    return float(pixel[0]), float(pixel[1])
