"""The points of a path: taken and dragged where they are seen.

The points of the path that was selected last show as dots. A press takes one, a drag moves it in the plane that faces
the eye (with Ctrl, to the grid; with Shift, slowly), and it stays the chosen one that commands insert after or remove.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Id, Path
from studio.scene.placement import placement
from studio.scene.transforms import inverse, sound
from studio.viewport.overlay_motion import PATH
from studio.viewport.overlay_records import BARE, FRONT, ICON, Drawing, Label
from studio.viewport.overlays import ACTIVE, GLYPHS, HOVERED
from studio.viewport.snapping import grid_spacing, rounded
from studio.viewport.tools.events import PointerEvent
from studio.viewport.tools.settings import ToolSettings
from studio.viewport.tools.stroke import Stroke
from studio.viewport.tools.stroke_tool import StrokeTool
from studio.viewport.tools.tool import Viewer

F64 = NDArray[np.float64]
_REACH_PX, _DOT_PX = 9.0, 11.0


@dataclass(slots=True, eq=False)
class _Drag:
    """A drag of one point; positions are of the world."""

    path: Id
    index: int
    points: F64  # (k, 3) of the path's own space, as they were
    world: F64  # of the path
    from_: F64
    grabbed: F64
    pointer: F64
    last: F64
    stroke: Stroke


class PointTool(StrokeTool[_Drag]):
    """The points of the path that was selected last."""

    def __init__(self, viewer: Viewer, settings: ToolSettings) -> None:
        super().__init__(viewer, settings)
        self.hot = -1
        self._chosen: tuple[Id, int] = ("", -1)

    def active(self) -> Id:
        """The path whose points show, "" for none."""
        document, overlays = self.viewer.document, self.viewer.overlays
        if not (document.selection and overlays.paths and overlays.gizmo):
            return ""
        id_, places = document.selection[-1], placement(self.viewer.flat)
        row = places.row.get(id_, -1)
        if row < 0 or places.hidden[row] or places.broken[row]:
            return ""
        entity = places.entities[row]
        return id_ if isinstance(entity, Path) and not entity.locked else ""

    def selected(self, path: Id) -> int:
        """The chosen point of a path, -1 for none."""
        return self._chosen[1] if self._chosen[0] == path else -1

    def points(self) -> F64:
        """(k, 3) points in the world, of the path that is active."""
        id_ = self.active()
        if not id_:
            return np.zeros((0, 3))
        places = placement(self.viewer.flat)
        world = places.world[places.row[id_]]
        return np.asarray(_own(places.entities[places.row[id_]]) @ world[:, :3].T + world[:, 3])

    def _under(self, x: float, y: float) -> int:
        points = self.points()
        if not len(points):
            return -1
        at = self._eye().pixels(points)
        away = np.hypot(at[:, 0] - x, at[:, 1] - y)
        away = np.where(np.isfinite(away) & ((at[:, 2] > 0) | self.viewer.camera.orthographic), away, np.inf)
        nearest = int(np.argmin(away))
        return nearest if away[nearest] <= _REACH_PX * self.viewer.pixel_ratio else -1

    # --- events ------------------------------------------------------------------------------------------------------
    def hover(self, event: PointerEvent) -> bool:
        """Light up the point under the pointer."""
        hot = self._under(event.x, event.y) if event.kind != "leave" else -1
        if hot != self.hot:
            self.hot = hot
            self.viewer.redraw()
        return hot >= 0

    def press(self, event: PointerEvent) -> bool:
        """Take a point."""
        index = self._under(event.x, event.y) if event.button == "left" else -1
        if index < 0:
            return False
        id_ = self.active()
        self._chosen, self.hot = (id_, index), index
        places = placement(self.viewer.flat)
        world = places.world[places.row[id_]]
        if not sound(world[None])[0]:
            self.viewer.status("The path has a transform in which points cannot be moved.")
            return True
        place = self.points()[index]
        at = np.array([event.x, event.y])
        held = self._eye().on_plane(event.x, event.y, place, self.viewer.camera.forward)
        points = _own(places.entities[places.row[id_]])
        stroke = Stroke(self.viewer, "Move point", (id_,))
        grabbed = place if held is None else held
        self._drag = _Drag(id_, index, points, world.copy(), place, grabbed, at, at, stroke)
        self.viewer.cursor("move")
        self.viewer.redraw()
        return True

    def move(self, event: PointerEvent) -> bool:
        """Move the point."""
        drag = self._drag
        if drag is None:
            return False
        now = np.array([event.x, event.y])
        drag.pointer = drag.pointer + (now - drag.last) * (0.1 if "shift" in event.modifiers else 1.0)
        drag.last = now
        eye = self._eye()
        x, y = drag.pointer.tolist()
        held = eye.on_plane(x, y, drag.from_, eye.camera.forward)
        if held is None:
            return True
        place = drag.from_ + held - drag.grabbed
        if self.settings.snapping.active("ctrl" in event.modifiers):
            step = self.settings.snapping.move_m or grid_spacing(eye.metres(drag.from_) * self.viewer.pixel_ratio)
            place = np.array([rounded(v, step) for v in place.tolist()])
        down = inverse(drag.world[None])[0]
        points = drag.points.copy()
        if float(np.linalg.norm(place - drag.from_)) > 1e-6 * eye.metres(drag.from_):  # else it is back where it was
            points[drag.index] = down[:, :3] @ place + down[:, 3]
        drag.stroke.write({drag.path: {"points": tuple(points.reshape(-1).tolist())}})
        where = ", ".join(f"{v:.3f}" for v in place.tolist())
        self.viewer.status(f"Point {drag.index + 1}: {where} m")
        self.viewer.redraw()
        return True

    # --- drawing -----------------------------------------------------------------------------------------------------
    def draw(self) -> tuple[Drawing, ...]:
        """Dots to take, the chosen one brighter and with its number."""
        points = self.points()
        if not len(points):
            return ()
        ratio, chosen = self.viewer.pixel_ratio, self.selected(self.active())
        dots = np.zeros(len(points), ICON)
        dots["at"], dots["rgba"], dots["mode"], dots["flags"] = points, (*PATH, 1.0), FRONT, BARE
        dots["size"], dots["glyph"] = _DOT_PX * ratio, GLYPHS["dot"]
        labels: tuple[Label, ...] = ()
        for index, colour in ((chosen, ACTIVE), (self.hot, HOVERED)):
            if 0 <= index < len(points):
                dots["rgba"][index], dots["size"][index] = (*colour, 1.0), (_DOT_PX + 3.0) * ratio
                x, y = self._eye().pixel(points[index]).tolist()
                if np.isfinite(x) and np.isfinite(y):
                    labels = (Label(x + 12 * ratio, y - 12 * ratio, str(index + 1), (1.0, 1.0, 1.0, 1.0)),)
        return (Drawing(icons=dots, labels=labels),)


def _own(entity: object) -> F64:
    points = entity.points if isinstance(entity, Path) else ()
    return np.array(points[: len(points) // 3 * 3], np.float64).reshape(-1, 3)
