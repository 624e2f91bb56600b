"""Placing lights by what they do: drag the highlight, the lit spot or the edge of a shadow to where it shall be.

A lighter thinks of the glint on a cheek, not of the coordinates of a lamp. The tool takes the surface under the
pointer and works out where the light has to stand for it:

- highlight: on the mirror direction of the view, so that the reflection of the light lies under the pointer;
- illumination: along the surface's normal, so that the spot is lit straight on;
- shadow: on the line from the pointer through a point of what casts the shadow (the pivot, set by the first click or
  with Shift), so that the pivot's shadow falls under the pointer;
- orbit: around a target, which stays in the middle of its beam.

The distance is kept; the wheel changes it while dragging, with Shift it changes the exposure. The light selected last
is placed, other selected lights go along as if they were bolted to it. A distant light is turned only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Id
from studio.scene.lights import Light
from studio.scene.placement import placement
from studio.scene.transforms import rigid
from studio.viewport.navigation import rotation
from studio.viewport.overlay_records import BARE, FRONT, ICON, Drawing, Label, joined, lines
from studio.viewport.overlays import GLYPHS
from studio.viewport.tools.aiming import aimed
from studio.viewport.tools.events import PointerEvent, WheelEvent
from studio.viewport.tools.placing import Fields, Movers, movers, stood
from studio.viewport.tools.settings import Placing, ToolSettings
from studio.viewport.tools.stroke import Stroke
from studio.viewport.tools.stroke_tool import StrokeTool
from studio.viewport.tools.tool import Viewer

F64 = NDArray[np.float64]
_COLOUR = (1.0, 0.78, 0.28)
_LABELS: dict[Placing, str] = {
    "highlight": "Place highlight",
    "illumination": "Place illumination",
    "shadow": "Place shadow",
    "orbit": "Orbit light",
}
_NEAREST_M = 1e-3
_NOTCH = 1.1  # by which a notch of the wheel changes the distance
_STOPS = 1.0 / 6.0  # of exposure to a notch
_TURN = np.radians(0.4)  # of an orbit to a logical pixel


def highlight_place(at: F64, normal: F64, view: F64, distance: float) -> F64:
    """(3,) where a light at `distance` metres of `at` is mirrored to the eye; `view` is the unit direction of sight."""
    n = normal if float(normal @ view) < 0 else -normal
    return np.asarray(at + (view - 2.0 * float(view @ n) * n) * distance)


def illumination_place(at: F64, normal: F64, view: F64, distance: float) -> F64:
    """(3,) the place `distance` metres straight above the side of a surface that is seen."""
    n = normal if float(normal @ view) < 0 else -normal
    return np.asarray(at + n * distance)


def shadow_place(at: F64, pivot: F64, distance: float) -> F64 | None:
    """(3,) the place `distance` metres beyond `pivot` from which its shadow falls on `at`; None when they are one."""
    way = pivot - at
    length = float(np.linalg.norm(way))
    return np.asarray(pivot + way * (distance / length)) if length > _NEAREST_M else None


@dataclass(slots=True, eq=False)
class _Drag:
    """A gesture. `lead` is the row of `them` that is placed, `at` and `normal` what was last under the pointer."""

    placing: Placing
    them: Movers
    lead: int
    stroke: Stroke
    start: tuple[float, float]
    at: F64
    normal: F64
    distance: float
    stops: float = 0.0
    turn: F64 = field(default_factory=lambda: np.zeros(2))  # of an orbit: sideways, up


class PlaceTool(StrokeTool[_Drag]):
    """The place tool. It is at work while `settings.mode` is "place"."""

    def __init__(self, viewer: Viewer, settings: ToolSettings) -> None:
        super().__init__(viewer, settings)
        self.pivot: F64 | None = None  # of shadows
        self.named: tuple[Id, float] | None = None  # the light that brings most under the pointer, and its share
        self._pointer = (0.0, 0.0)  # in logical pixels: a picture may be drawn with fewer pixels than it is shown with

    @property
    def on(self) -> bool:
        """Whether the tool is the chosen one."""
        return self.settings.mode == "place"

    # --- events ------------------------------------------------------------------------------------------------------
    def hover(self, event: PointerEvent) -> bool:
        """Name the light that brings most to the surface under the pointer."""
        if not self.on or event.kind == "leave":
            found = None
        else:
            found = self.viewer.dominant(event.x, event.y)
        ratio = self.viewer.pixel_ratio
        self._pointer = (event.x / ratio, event.y / ratio)
        if found != self.named:
            self.named = found
            self.viewer.redraw()
        return self.on and found is not None

    def press(self, event: PointerEvent) -> bool:
        """Begin to place what is selected; over no selected light, or with Ctrl, take the light that dominates here."""
        if not self.on or event.button != "left":
            return False
        hit = self.viewer.pick(event.x, event.y)
        if hit is None or not np.isfinite(hit.position).all():
            return False
        at, normal = np.asarray(hit.position, np.float64), np.asarray(hit.normal, np.float64)
        them = movers(self.viewer.flat, self._lamps())
        if "ctrl" in event.modifiers or not them.ids:
            return self._take(event, them)
        shadow = self.settings.placing == "shadow"
        if shadow and ("shift" in event.modifiers or self.pivot is None):
            self.pivot = at
            self.viewer.status("Drag to where the shadow of this point shall fall.")
            self.viewer.redraw()
            return True
        lead = len(them.ids) - 1
        stand = them.origins[lead]
        away = float(np.linalg.norm(stand - (self.pivot if shadow and self.pivot is not None else at)))
        stroke = Stroke(self.viewer, _LABELS[self.settings.placing], them.ids)
        self._drag = _Drag(
            self.settings.placing, them, lead, stroke, (event.x, event.y), at, normal, max(away, _NEAREST_M)
        )
        self.named = None
        self.viewer.cursor("cross")
        if self._drag.placing != "orbit":
            self._update()
        return True

    def _lamps(self) -> list[Id]:
        """Selected lights that have a place or at least a direction."""
        entities = self.viewer.document.posed.entities
        chosen = [entities.get(id_) for id_ in self.viewer.document.selection]
        return [e.id for e in chosen if isinstance(e, Light) and e.light not in ("dome", "portal")]

    def _take(self, event: PointerEvent, them: Movers) -> bool:
        if them.refused and "ctrl" not in event.modifiers:
            self.viewer.status("; ".join(them.refused))
            return True
        found = self.viewer.dominant(event.x, event.y)
        if found is None:
            return False
        self.viewer.document.select([found[0]])
        return True

    def move(self, event: PointerEvent) -> bool:
        """Drag."""
        drag = self._drag
        if drag is None:
            return False
        if drag.placing == "orbit":
            by = np.array([event.x - drag.start[0], event.y - drag.start[1]]) / self.viewer.pixel_ratio
            drag.turn = -by * _TURN * (0.1 if "shift" in event.modifiers else 1.0)
        else:
            hit = self.viewer.pick(event.x, event.y)
            if hit is None or not np.isfinite(hit.position).all():
                return True  # over nothing the light stays where it was
            drag.at, drag.normal = np.asarray(hit.position, np.float64), np.asarray(hit.normal, np.float64)
        self._update()
        return True

    def wheel(self, event: WheelEvent) -> bool:
        """While dragging: nearer or farther, with Shift brighter or darker."""
        drag = self._drag
        if drag is None:
            return False
        if "shift" in event.modifiers:
            drag.stops += event.dy * _STOPS
        else:
            drag.distance = max(drag.distance * _NOTCH**-event.dy, _NEAREST_M)
        self._update()
        return True

    # --- what a drag does --------------------------------------------------------------------------------------------
    def _placed(self, drag: _Drag) -> F64 | None:
        """The rigid matrix (3, 4) of the light that leads; None where it has no answer."""
        own = rigid(drag.them.world[drag.lead][None])[0]
        eye = self._eye()
        view, target = -eye.towards(drag.at), drag.at
        place: F64 | None
        if drag.placing == "highlight":
            place = highlight_place(drag.at, drag.normal, view, drag.distance)
        elif drag.placing == "illumination":
            place = illumination_place(drag.at, drag.normal, view, drag.distance)
        elif drag.placing == "shadow" and self.pivot is not None:
            place, target = shadow_place(drag.at, self.pivot, drag.distance), self.pivot
        else:
            arm = own[:, 3] - drag.at
            right = np.asarray(self.viewer.camera.world[:, 0], np.float64)
            arm = rotation(right, float(drag.turn[1])) @ rotation(np.array([0.0, 1.0, 0.0]), float(drag.turn[0])) @ arm
            place = drag.at + arm * (drag.distance / max(float(np.linalg.norm(arm)), _NEAREST_M))
        if place is None:
            return None
        own[:, 3] = place
        return aimed(own, target)

    def _update(self) -> None:
        drag = self._drag
        world = self._placed(drag) if drag is not None else None
        if drag is None or world is None:
            return
        before = np.vstack([rigid(drag.them.world[drag.lead][None])[0], [0.0, 0.0, 0.0, 1.0]])
        moved = np.vstack([world, [0.0, 0.0, 0.0, 1.0]]) @ np.linalg.inv(before)
        out: Fields = {}
        for i, entity in enumerate(drag.them.entities):
            assert isinstance(entity, Light)
            own = np.vstack([rigid(drag.them.world[i][None])[0], [0.0, 0.0, 0.0, 1.0]])
            fields = stood(drag.them, i, (moved @ own)[:3])[entity.id]
            if entity.light == "distant":
                fields["translation"] = entity.translation
            if drag.stops:
                fields["exposure"] = entity.exposure + drag.stops
            out[entity.id] = fields
        drag.stroke.write(out)
        stops = f", {drag.stops:+.2f} EV" if drag.stops else ""
        self.viewer.status(f"{_LABELS[drag.placing]}: {drag.distance:.2f} m{stops}")
        self.viewer.redraw()

    # --- drawing -----------------------------------------------------------------------------------------------------
    def draw(self) -> tuple[Drawing, ...]:
        """Where the light goes and what it is tied to; the name of the light under the pointer."""
        if not self.on:
            return ()
        ratio, drag = self.viewer.pixel_ratio, self._drag
        pieces = []
        if self.settings.placing == "shadow" and self.pivot is not None:
            pieces.append(Drawing(icons=_dot(self.pivot, "target", 16 * ratio)))
        if drag is not None:
            places = placement(self.viewer.flat)
            stand = places.world[places.row[drag.them.ids[drag.lead]]][:, 3]
            pieces.append(
                Drawing(
                    lines=lines(drag.at, stand, (*_COLOUR, 0.8), width=1.4 * ratio, mode=FRONT, dash=6 * ratio),
                    icons=_dot(drag.at, "dot", 12 * ratio),
                )
            )
        elif self.named is not None:
            places = placement(self.viewer.flat)
            row = places.row.get(self.named[0], -1)
            if row >= 0:
                name = places.entities[row].name or self.named[0]
                text = f"{name}  {self.named[1]:.0%}"
                x, y = ((at + by) * ratio for at, by in zip(self._pointer, (16.0, -16.0), strict=True))
                pieces.append(Drawing(labels=(Label(x, y, text, (*_COLOUR, 1.0)),)))
        return (joined(pieces),) if pieces else ()


def _dot(at: F64, glyph: str, size: float) -> NDArray[np.void]:
    dot = np.zeros(1, ICON)
    dot["at"], dot["rgba"], dot["mode"], dot["flags"] = at, (*_COLOUR, 1.0), FRONT, BARE
    dot["size"], dot["glyph"] = size, GLYPHS[glyph]
    return dot
