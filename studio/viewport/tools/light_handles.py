"""Manipulators of lights and cameras: grab the shape itself and pull.

A handle measures one number of the pointer (an angle, a distance along an axis) when it is grabbed and at every
motion after; the difference changes one field, so nothing jumps under the hand. All selected lights of the same kind
follow: sizes in proportion, angles and stops by the same amount, aims at the same target. Typing a number sets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Camera, Entity, Id
from studio.scene.lights import Light
from studio.scene.placement import placement
from studio.scene.schema import fields
from studio.scene.transforms import rigid
from studio.viewport.overlay_records import BARE, FRONT, ICON, NO_LINES, Drawing, Label, joined, lines
from studio.viewport.overlays import GLYPHS, HOVERED
from studio.viewport.snapping import rounded
from studio.viewport.tools.aiming import aimed
from studio.viewport.tools.events import KeyEvent, PointerEvent
from studio.viewport.tools.handle_shapes import AIMED, Grip, grips_of, strength_shown
from studio.viewport.tools.numeric import NumericEntry
from studio.viewport.tools.placing import Fields, Movers, movers, stood
from studio.viewport.tools.rays import Eye
from studio.viewport.tools.settings import ToolSettings
from studio.viewport.tools.stroke import Stroke
from studio.viewport.tools.stroke_tool import StrokeTool
from studio.viewport.tools.tool import Viewer

F64 = NDArray[np.float64]
_HANDLE = (1.0, 0.62, 0.18)
_REACH_PX, _DOT_PX = 9.0, 12.0
_STEPS = {"deg": 5.0, "m": 0.1, "mm": 5.0, "stops": 1.0 / 3.0}


@dataclass(slots=True, eq=False)
class _Pull:
    """A drag of one handle."""

    grip: Grip
    active: Id
    them: Movers
    stroke: Stroke
    start: F64
    pointer: F64
    last: F64
    numbers: NumericEntry
    target: F64


class HandleTool(StrokeTool[_Pull]):
    """The handles of the light or camera that was selected last."""

    def __init__(self, viewer: Viewer, settings: ToolSettings) -> None:
        super().__init__(viewer, settings)
        self.hot = ""

    def active(self) -> Id:
        """The light or camera whose handles show, "" for none."""
        if not (self.settings.light_handles and self.viewer.overlays.gizmo and self.viewer.document.selection):
            return ""
        id_ = self.viewer.document.selection[-1]
        places = placement(self.viewer.flat)
        row = places.row.get(id_, -1)
        if row < 0 or places.hidden[row] or places.broken[row]:
            return ""
        entity = places.entities[row]
        return id_ if isinstance(entity, (Light, Camera)) and not entity.locked else ""

    def grips(self) -> list[Grip]:
        """The handles as they stand now."""
        id_ = self.active()
        if not id_:
            return []
        places, eye = placement(self.viewer.flat), self._eye()
        row = places.row[id_]
        matrix = rigid(places.world[row][None])[0]
        ahead = float((matrix[:, 3] - eye.camera.eye) @ eye.camera.forward)
        if not (ahead > eye.camera.near_m or eye.camera.orthographic):
            return []
        return grips_of(places.entities[row], matrix, eye, self.viewer.pixel_ratio)

    def _under(self, x: float, y: float) -> Grip | None:
        grips = self.grips()
        if not grips:
            return None
        at = self._eye().pixels([grip.at for grip in grips])
        away = np.hypot(at[:, 0] - x, at[:, 1] - y)
        nearest = int(np.argmin(np.where(np.isfinite(away), away, np.inf)))
        return grips[nearest] if away[nearest] <= _REACH_PX * self.viewer.pixel_ratio else None

    # --- events ------------------------------------------------------------------------------------------------------
    def hover(self, event: PointerEvent) -> bool:
        """Light up the handle under the pointer."""
        grip = self._under(event.x, event.y) if event.kind != "leave" else None
        hot = grip.name if grip is not None else ""
        if hot != self.hot:
            self.hot = hot
            self.viewer.redraw()
        return bool(hot)

    def press(self, event: PointerEvent) -> bool:
        """Grab a handle."""
        grip = self._under(event.x, event.y) if event.button == "left" else None
        if grip is None:
            return False
        id_ = self.active()
        them = movers(self.viewer.flat, self._alike(id_, grip))
        if id_ not in them.ids:
            them = movers(self.viewer.flat, [id_])
        if not them.ids:
            self.viewer.status("; ".join(them.refused))
            return True
        at = np.array([event.x, event.y])
        stroke = Stroke(self.viewer, grip.label, them.ids)
        self._drag = _Pull(grip, id_, them, stroke, at, at, at, NumericEntry(slots=1), grip.at.copy())
        self.hot = grip.name
        self.viewer.cursor("cross" if grip.name == AIMED else "size")
        return True

    def _alike(self, id_: Id, grip: Grip) -> Sequence[Id]:
        """What is pulled along: for an aim every light, else every selected light of the same kind."""
        entities = self.viewer.document.posed.entities
        one = entities[id_]
        if not isinstance(one, Light):
            return [id_]
        chosen = [other for other in self.viewer.document.selection if isinstance(entities.get(other), Light)]
        if grip.name == AIMED or grip.field == "exposure":
            return chosen
        return [other for other in chosen if getattr(entities[other], "light", "") == one.light]

    def move(self, event: PointerEvent) -> bool:
        """Pull."""
        pull = self._drag
        if pull is None:
            return False
        now = np.array([event.x, event.y])
        pull.pointer = pull.pointer + (now - pull.last) * (0.1 if "shift" in event.modifiers else 1.0)
        pull.last = now
        self._update(pull, "ctrl" in event.modifiers)
        return True

    def _typed(self, drag: _Pull, event: KeyEvent) -> None:
        if drag.grip.name != AIMED and drag.numbers.key(event):
            self._update(drag, "ctrl" in event.modifiers)

    def _over(self) -> None:
        self.hot = ""
        super()._over()

    # --- what a pull does --------------------------------------------------------------------------------------------
    def _update(self, pull: _Pull, ctrl: bool) -> None:
        written = self._aim(pull, ctrl) if pull.grip.name == AIMED else self._value(pull, ctrl)
        if written:
            pull.stroke.write(written)
        self.viewer.redraw()

    def _value(self, pull: _Pull, ctrl: bool) -> Fields:
        grip, eye = pull.grip, self._eye()
        before = grip.value
        if pull.numbers.active:
            value = pull.numbers.values(before)[0]
        else:
            first, now = grip.measure(eye, *pull.start.tolist()), grip.measure(eye, *pull.pointer.tolist())
            if first is None or now is None:
                return {}
            value = grip.combine(before, first, now)
            if self.settings.snapping.active(ctrl):
                value = rounded(value, _STEPS[grip.unit])
        out: Fields = {}
        for entity in pull.them.entities:
            own = getattr(entity, grip.field)
            if entity.id == pull.active:
                new = value
            elif grip.relative:
                new = own * value / before if before > 0 else value
            else:
                new = own + (value - before)
            out[entity.id] = _fitted(entity, grip, float(new))
        self.viewer.status(f"{grip.label}: {_shown(grip, out[pull.active][grip.field])}")
        return out

    def _aim(self, pull: _Pull, ctrl: bool) -> Fields:
        """Towards the surface under the pointer; with Ctrl, or over nothing, towards the point on the view's plane."""
        x, y = pull.pointer.tolist()
        hit = None if ctrl else self.viewer.pick(x, y)
        target: F64 | None
        if hit is not None and hit.id not in pull.them.ids and np.isfinite(hit.position).all():
            target = np.asarray(hit.position, np.float64)
        else:
            eye = self._eye()
            target = eye.on_plane(x, y, pull.grip.at, eye.camera.forward)
        if target is None:
            return {}
        pull.target = target
        out: Fields = {}
        for i in range(len(pull.them.ids)):
            world = aimed(rigid(pull.them.world[i][None])[0], target)
            if world is not None:
                out |= {id_: {"rotation": v["rotation"]} for id_, v in stood(pull.them, i, world).items()}
        self.viewer.status("Aim")
        return out

    # --- drawing -----------------------------------------------------------------------------------------------------
    def draw(self) -> tuple[Drawing, ...]:
        """Dots to grab; beside the one in hand, its value."""
        pull, ratio, eye = self._drag, self.viewer.pixel_ratio, self._eye()
        grips = self.grips()
        if pull is not None:
            grips = [grip for grip in grips if grip.name == pull.grip.name]
        return (joined([self._drawn(grip, eye, ratio) for grip in grips]),) if grips else ()

    def _drawn(self, grip: Grip, eye: Eye, ratio: float) -> Drawing:
        hot = grip.name == self.hot
        at = self._drag.target if self._drag is not None and grip.name == AIMED else grip.at
        colour = HOVERED if hot else _HANDLE
        dot = np.zeros(1, ICON)
        dot["at"], dot["rgba"], dot["mode"], dot["flags"] = at, (*colour, 1.0), FRONT, BARE
        dot["size"] = (_DOT_PX + (3.0 if hot else 0.0)) * ratio
        dot["glyph"] = GLYPHS["target" if grip.name == AIMED else "strength" if grip.field == "exposure" else "dot"]
        if grip.name == AIMED:
            dot["size"] *= 1.5
        start = at if grip.tether is None else grip.tether
        rows = lines(start, at, (*colour, 0.75 if hot else 0.5), width=1.2 * ratio, mode=FRONT, dash=6 * ratio)
        labels: tuple[Label, ...] = ()
        pixel = eye.pixel(at)
        if hot and np.isfinite(pixel).all():
            text = grip.label if grip.name == AIMED else f"{grip.label} {self._now(grip)}"
            if self._drag is not None and self._drag.numbers.active:
                text += f"   [{self._drag.numbers.shown()}]"
            labels = (Label(float(pixel[0]) + 14 * ratio, float(pixel[1]) - 14 * ratio, text, (1.0, 1.0, 1.0, 1.0)),)
        return Drawing(lines=rows if grip.tether is not None else NO_LINES, icons=dot, labels=labels)

    def _now(self, grip: Grip) -> str:
        if grip.field != "exposure":
            return _shown(grip, grip.value)
        places = placement(self.viewer.flat)
        return strength_shown(places.entities[places.row[self.active()]])


def _fitted(entity: Entity, grip: Grip, value: float) -> dict[str, Any]:
    """A value within its field's limits, and what must agree with it: the inner cone is never the wider one."""
    spec = fields(type(entity))[grip.field].spec
    value = max(value, spec.lo if spec.lo is not None else -np.inf, grip.least)
    value = min(value, spec.hi if spec.hi is not None else np.inf)
    out: dict[str, Any] = {grip.field: value}
    if isinstance(entity, Light) and entity.light == "spot":
        if grip.field == "inner_cone_deg":
            out[grip.field] = min(value, entity.outer_cone_deg)
        elif grip.field == "outer_cone_deg":
            out["inner_cone_deg"] = min(entity.inner_cone_deg, value)
    return out


def _shown(grip: Grip, value: float) -> str:
    if grip.unit == "deg":
        return f"{value:.1f}°"
    return f"{value:+.2f} EV" if grip.unit == "stops" else f"{value:.3f} m" if grip.unit == "m" else f"{value:.1f} mm"
