"""Selecting: click, Shift and Ctrl, the marquee, and clicking again through what lies behind.

Icons and paths are found here, by where they are drawn; objects by the renderer's id buffer. What is locked, itself
or from above, cannot be picked. A click takes what is nearest the eye; clicking again at the same spot takes what is
behind it, and after the last one the first again.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from studio.scene.entities import Id
from studio.scene.paths import spline_of
from studio.scene.placement import placement
from studio.viewport.overlay_motion import path_places
from studio.viewport.overlay_records import SCREEN, Drawing, fan, polyline
from studio.viewport.overlays import Icons
from studio.viewport.tools.events import KeyEvent, Modifiers, PointerEvent
from studio.viewport.tools.placing import ancestors
from studio.viewport.tools.rays import Eye, segment_distance
from studio.viewport.tools.tool import Viewer

_CURVE_PX = 5.0  # logical pixels that a click may lie beside a path
STILL_PX = 4.0  # logical pixels that a click may slip
_EDGE = (0.35, 0.85, 1.0, 0.95)


class SelectTool:
    """Selection by pointer. `icons` gives where icons are drawn now."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.icons = Icons()  # set at every drawing: what can be clicked is what was seen
        self.hovered: Id = ""
        self._pressed: tuple[float, float] | None = None
        self._corner: tuple[float, float] | None = None  # the other corner, once it is a marquee
        self._double = False
        self._last: tuple[float, float] | None = None  # where the click before was

    @property
    def busy(self) -> bool:
        """Whether a button is down."""
        return self._pressed is not None

    # --- what is where -----------------------------------------------------------------------------------------------
    def _free(self, ids: Iterable[Id]) -> list[Id]:
        """Those that are not locked, each once."""
        places = placement(self.viewer.flat)
        return [
            id_
            for id_ in dict.fromkeys(ids)
            if id_ in places.row and not any(places.entities[row].locked for row in ancestors(places, id_))
        ]

    def candidates(self, x: float, y: float) -> list[Id]:
        """What a click here may mean: icons by distance, then objects front to back."""
        return self._free([*self._drawn(x, y), *self.viewer.pick_all(x, y)])

    def _drawn(self, x: float, y: float) -> list[Id]:
        """What is drawn over the picture at a pixel: icons by distance, then paths."""
        ratio = self.viewer.pixel_ratio
        found = self.icons.under(x, y, ratio)
        if self.viewer.overlays.paths:
            eye = Eye(self.viewer.camera, *self.viewer.size)
            for id_, path, world in path_places(placement(self.viewer.flat)):
                spline = spline_of(path)
                if spline is not None and len(spline.cubics):
                    at = eye.pixels(spline.drawn() @ world[:, :3].T + world[:, 3])
                    at[(at[:, 2] <= 0) & (not eye.camera.orthographic)] = np.nan
                    if segment_distance((x, y), at[:-1, :2], at[1:, :2]).min() <= _CURVE_PX * ratio:
                        found.append(id_)
        return found

    def first(self, x: float, y: float) -> Id:
        """What a click here would take first, "" for nothing."""
        drawn = self._free(self._drawn(x, y))
        if drawn:
            return drawn[0]
        hit = self.viewer.pick(x, y)
        return next(iter(self._free([hit.id])), "") if hit is not None else ""

    # --- events ------------------------------------------------------------------------------------------------------
    def hover(self, event: PointerEvent) -> bool:
        """Outline what a click would take."""
        found = self.first(event.x, event.y) if event.kind != "leave" else ""
        if found != self.hovered:
            self.hovered = found
            self.viewer.redraw()
        return bool(found)

    def press(self, event: PointerEvent) -> bool:
        """Begin a click or a marquee."""
        if event.button != "left":
            return False
        self._pressed, self._corner, self._double = (event.x, event.y), None, event.kind == "double"
        return True

    def move(self, event: PointerEvent) -> bool:
        """Open the marquee."""
        if self._pressed is None:
            return False
        slip = np.hypot(event.x - self._pressed[0], event.y - self._pressed[1])
        if self._corner is not None or slip > STILL_PX * self.viewer.pixel_ratio:
            if self.hovered:
                self.hovered = ""
            self._corner = (event.x, event.y)
            self.viewer.redraw()
        return True

    def release(self, event: PointerEvent) -> bool:
        """Select what was clicked or enclosed."""
        if self._pressed is None or event.button != "left":
            return False
        start, corner = self._pressed, self._corner
        self._pressed = self._corner = None
        if corner is not None:
            self._last = None
            self._enclose(start, (event.x, event.y), event.modifiers)
        else:
            self._click(event.x, event.y, event.modifiers)
        self.viewer.redraw()
        return True

    def key(self, event: KeyEvent) -> bool:
        """Esc ends a marquee."""
        if self._pressed is not None and event.kind == "press" and event.key == "escape":
            self.cancel()
            return True
        return False

    def cancel(self) -> None:
        """Forget the marquee."""
        self._pressed = self._corner = None
        self.viewer.redraw()

    # --- what happens ------------------------------------------------------------------------------------------------
    def _click(self, x: float, y: float, modifiers: Modifiers) -> None:
        document, found = self.viewer.document, self.candidates(x, y)
        again = self._last is not None and np.hypot(x - self._last[0], y - self._last[1]) <= (
            STILL_PX * self.viewer.pixel_ratio
        )
        self._last = (x, y)
        selection = document.selection
        if "ctrl" in modifiers:
            if found:
                out = [id_ for id_ in selection if id_ != found[0]]
                document.select(out if len(out) < len(selection) else [*selection, found[0]])
        elif "shift" in modifiers:
            if found:  # what is added last is the active one
                document.select([*(id_ for id_ in selection if id_ != found[0]), found[0]])
        elif not found:
            document.select(())
        elif again and not self._double and len(selection) == 1 and selection[0] in found:
            document.select([found[(found.index(selection[0]) + 1) % len(found)]])
        elif not (self._double and len(selection) == 1 and selection[0] in found):
            document.select([found[0]])

    def _enclose(self, a: tuple[float, float], b: tuple[float, float], modifiers: Modifiers) -> None:
        x0, x1 = sorted((a[0], b[0]))
        y0, y1 = sorted((a[1], b[1]))
        objects = self.viewer.pick_rectangle(x0, y0, x1, y1)
        order = placement(self.viewer.flat).row
        known = sorted((id_ for id_ in objects if id_ in order), key=order.__getitem__)
        found = self._free([*known, *self.icons.within(x0, y0, x1, y1)])
        document = self.viewer.document
        if "ctrl" in modifiers:
            gone = set(found)
            document.select([id_ for id_ in document.selection if id_ not in gone])
        elif "shift" in modifiers:
            document.select([*document.selection, *found])
        else:
            document.select(found)

    def draw(self) -> tuple[Drawing, ...]:
        """The marquee."""
        if self._pressed is None or self._corner is None:
            return ()
        (x0, y0), (x1, y1) = self._pressed, self._corner
        outline = [(x0, y0, 0.0), (x1, y0, 0.0), (x1, y1, 0.0), (x0, y1, 0.0)]
        ratio = self.viewer.pixel_ratio
        border = polyline(outline, _EDGE, closed=True, width=1.2 * ratio, mode=SCREEN, dash=6.0 * ratio)
        return (Drawing(lines=border, corners=fan(outline, (*_EDGE[:3], 0.10), mode=SCREEN)),)
