"""Strips on their layers: bars that are moved, trimmed, faded, looped and sped up by hand.

Drag a bar to move it along and between layers, its ends to trim it, its upper corners to fade it in and out, the grip
at its lower right to loop it; with Alt its right end changes the speed. Places are whole frames but with Ctrl.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QContextMenuEvent, QFontMetricsF, QMouseEvent, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.errors import StudioError
from studio.scene import strips
from studio.scene.clips import Strip
from studio.scene.entities import Id
from studio.scene.scene import Scene
from studio.ui import theme
from studio.ui.i18n import say, tr
from studio.ui.panel import Desk
from studio.ui.sheet_canvas import CLICK_PX, SheetCanvas, whole
from studio.ui.timeline_paint import faded

_EDGE, _CORNER = 6.0, 11.0


@dataclass(frozen=True, slots=True)
class StripHit:
    """What of a strip lies under the pointer: "body", "start", "end", "in", "out", "loop", or "" for none."""

    id: Id = ""
    part: str = ""


class StripView(SheetCanvas):
    """Layers from top to bottom, the one that acts last first; an empty one above takes strips that are dragged up."""

    row_units, label_units = 34.0, 110.0

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(studio, desk, parent)
        self.place = "strips"
        self.setObjectName("strip-view")
        say(self.setAccessibleName, N_("Strips"))
        self._moving = ""

    # --- where things are --------------------------------------------------------------------------------------------
    def layers(self) -> int:
        """How many layers there are to see: one more than are used."""
        return max((s.layer for s in self._studio.scene.strips.values()), default=-1) + 2

    def rows_count(self) -> int:
        """A row a layer."""
        return self.layers()

    def layer_of(self, row: int) -> int:
        """The layer of a row; the upper row is the highest layer."""
        return self.layers() - 1 - row

    def bar_of(self, strip: Strip) -> QRectF:
        """Where a strip is drawn."""
        top = self.row_top(self.layers() - 1 - strip.layer)
        left, right = self.x_of(strip.start), self.x_of(strip.end)
        return QRectF(left, top + theme.size(2), max(right - left, 2.0), self.row_height - theme.size(4))

    def hit(self, at: QPointF) -> StripHit:
        """What lies at a place; what was selected lies on top."""
        chosen = self._studio.chosen_strips
        listed = sorted(self._studio.scene.strips.values(), key=lambda s: s.id in chosen, reverse=True)
        edge, corner = theme.size(_EDGE), theme.size(_CORNER)
        for strip in listed:
            box = self.bar_of(strip)
            if self.in_labels(at) or not box.adjusted(-edge / 2, 0, edge / 2, 0).contains(at):
                continue
            if box.width() > 3 * corner:
                fade_in = box.left() + strip.blend_in * self.scale.per_frame
                fade_out = box.right() - strip.blend_out * self.scale.per_frame
                if at.y() < box.top() + corner * 0.8:
                    if abs(at.x() - max(fade_in, box.left() + edge)) <= edge:
                        return StripHit(strip.id, "in")
                    if abs(at.x() - min(fade_out, box.right() - edge)) <= edge:
                        return StripHit(strip.id, "out")
                if at.y() > box.bottom() - corner and box.right() - corner <= at.x() <= box.right():
                    return StripHit(strip.id, "loop")
            if at.x() <= box.left() + edge / 2 + 1:
                return StripHit(strip.id, "start")
            if at.x() >= box.right() - edge / 2 - 1:
                return StripHit(strip.id, "end")
            return StripHit(strip.id, "body")
        return StripHit()

    def tip_cursor(self, at: QPointF) -> Qt.CursorShape:
        """What a press would do."""
        shapes = {
            "body": Qt.CursorShape.OpenHandCursor,
            "start": Qt.CursorShape.SizeHorCursor,
            "end": Qt.CursorShape.SizeHorCursor,
            "in": Qt.CursorShape.SplitHCursor,
            "out": Qt.CursorShape.SplitHCursor,
            "loop": Qt.CursorShape.DragCopyCursor,
        }
        return shapes.get(self.hit(at).part, Qt.CursorShape.ArrowCursor)

    def whole_range(self) -> tuple[float, float]:
        """The scene's range and all strips."""
        first, last = super().whole_range()
        ends = [f for s in self._studio.scene.strips.values() for f in (s.start, s.end)]
        return min([first, *ends]), max([last, *ends])

    # --- drawing -----------------------------------------------------------------------------------------------------
    def paint_row(self, painter: QPainter, row: int, label: QRectF, area: QRectF) -> None:
        """A layer, then its strips."""
        layer = self.layer_of(row)
        painter.fillRect(label, theme.color("window"))
        if row % 2:
            painter.fillRect(area, theme.color("stripe"))
        painter.setPen(QPen(theme.color("line"), 1))
        painter.drawLine(QLineF(label.left(), area.bottom() - 0.5, area.right(), area.bottom() - 0.5))
        used = [s for s in self._studio.scene.strips.values() if s.layer == layer]
        painter.setPen(theme.color("text" if used else "disabled"))
        room = label.adjusted(theme.size(10), 0, -theme.size(4), 0)
        text = tr("Layer {number}", number=layer + 1)
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
        painter.save()
        painter.setClipRect(area)
        for strip in sorted(used, key=lambda s: s.start):
            self._paint_strip(painter, strip)
        painter.restore()

    def _paint_strip(self, painter: QPainter, strip: Strip) -> None:
        box = self.bar_of(strip)
        chosen = strip.id in self._studio.chosen_strips
        painter.setPen(QPen(theme.color("accent" if chosen else "border"), theme.size(1.5) if chosen else 1))
        painter.setBrush(theme.color("window" if strip.muted else "selection" if chosen else "raised"))
        painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), theme.size(3), theme.size(3))
        if strip.muted:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(faded("border", 130))
            painter.save()
            painter.setBrush(Qt.BrushStyle.BDiagPattern)
            painter.drawRect(box)
            painter.restore()
        self._paint_runs(painter, strip, box)
        self._paint_fades(painter, strip, box)
        clip = self._studio.scene.clips.get(strip.clip)
        name = strip.name or (clip.name if clip else strip.clip)
        parts = [name]
        if abs(strip.speed - 1.0) > 1e-6:
            parts.append(f"{strip.speed * 100:.0f} %")
        if abs(strip.loops - 1.0) > 1e-6:
            parts.append(f"× {strip.loops:.3g}")
        if strip.mix == "add":
            parts.append("+")
        if strip.muted:
            parts.append(tr("Muted"))
        painter.setPen(theme.color("disabled" if strip.muted else "selection_text" if chosen else "text"))
        room = box.adjusted(theme.size(12), theme.size(4), -theme.size(14), 0)
        text = QFontMetricsF(self.font()).elidedText("  ".join(parts), Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)

    def _paint_runs(self, painter: QPainter, strip: Strip, box: QRectF) -> None:
        """Where a run ends and the next begins; the grip that makes more of them."""
        run = (strip.clip_out - strip.clip_in) / strip.speed * self.scale.per_frame
        if strip.loops > 1.0 and run > 4.0:
            painter.setPen(QPen(theme.color("disabled"), 1, Qt.PenStyle.DashLine))
            count = min(int(strip.loops + 0.999), 2000)
            places = [x for n in range(1, count) if (x := box.left() + n * run) < box.right() - 1]
            painter.drawLines([QLineF(x, box.top() + 2, x, box.bottom() - 2) for x in places])
        side = theme.size(7)
        if box.width() > 3 * theme.size(_CORNER):
            at = QPointF(box.right() - theme.size(2), box.bottom() - theme.size(2))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("dim"))
            painter.drawPolygon(QPolygonF([at, QPointF(at.x() - side, at.y()), QPointF(at.x(), at.y() - side)]))

    def _paint_fades(self, painter: QPainter, strip: Strip, box: QRectF) -> None:
        """Slopes of fading in and out, with a knob at each upper corner."""
        if box.width() <= 3 * theme.size(_CORNER):
            return
        knob = theme.size(3)
        for frames, edge, way in ((strip.blend_in, box.left(), 1.0), (strip.blend_out, box.right(), -1.0)):
            x = edge + way * frames * self.scale.per_frame
            if frames > 0.0:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(faded("well", 130))
                painter.drawPolygon(
                    QPolygonF([QPointF(edge, box.top()), QPointF(x, box.top()), QPointF(edge, box.bottom())])
                )
                painter.setPen(QPen(theme.color("dim"), 1))
                painter.drawLine(QLineF(edge, box.bottom(), x, box.top()))
            painter.setPen(QPen(theme.color("line"), 1))
            painter.setBrush(theme.color("dim"))
            inset = theme.size(_EDGE)
            x = max(x, edge + inset) if way > 0 else min(x, edge - inset)
            painter.drawEllipse(QPointF(x, box.top() + knob + 1.0), knob, knob)

    def paint_over(self, painter: QPainter, area: QRectF) -> None:
        """What to do where there is nothing."""
        if self._studio.scene.strips:
            return
        painter.setPen(theme.color("dim"))
        text = (
            tr("Add a strip of a clip with the button above.")
            if self._studio.scene.clips
            else tr("No clips yet. Import a file with animation, or make a clip of keys by the Time menu.")
        )
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, text)

    # --- the hand ----------------------------------------------------------------------------------------------------
    def press(self, at: QPointF, row: int, event: QMouseEvent) -> None:
        """Select, and begin what the part under the pointer stands for."""
        studio, modifiers = self._studio, event.modifiers()
        hit, adds = self.hit(at), bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        if not hit.id:
            if not adds:
                studio.chosen_strips = ()
            return
        if hit.id not in studio.chosen_strips:
            studio.chosen_strips = (*studio.chosen_strips, hit.id) if adds else (hit.id,)
        elif adds:
            studio.chosen_strips = tuple(i for i in studio.chosen_strips if i != hit.id)
            return
        part = "speed" if hit.part == "end" and modifiers & Qt.KeyboardModifier.AltModifier else hit.part
        self.drag = partial(self._drag, part, hit.id, at, studio.scene, studio.chosen_strips)

    def _drag(
        self,
        part: str,
        id_: Id,
        begun: QPointF,
        scene: Scene,
        chosen: tuple[Id, ...],
        at: QPointF,
        modifiers: Qt.KeyboardModifier,
    ) -> None:
        if self._moving != self.token:
            if (at - begun).manhattanLength() < CLICK_PX:
                return
            self._moving = self.token
        strip, way = scene.strips[id_], (at.x() - begun.x()) / self.scale.per_frame
        if part == "body":
            up = round((begun.y() - at.y()) / self.row_height)
            by = whole(strip.start + way, modifiers) - strip.start
            self._changed(N_("Move strips"), lambda: _moved(scene, chosen, by, up))
            return
        calls: dict[str, tuple[str, Callable[[], Scene]]] = {
            "start": (
                N_("Trim strip"),
                lambda: strips.trim_strip(scene, id_, start=whole(strip.start + way, modifiers)),
            ),
            "end": (N_("Trim strip"), lambda: strips.trim_strip(scene, id_, end=whole(strip.end + way, modifiers))),
            "in": (N_("Fade strip"), lambda: _faded(scene, strip, "blend_in", whole(strip.blend_in + way, modifiers))),
            "out": (
                N_("Fade strip"),
                lambda: _faded(scene, strip, "blend_out", whole(strip.blend_out - way, modifiers)),
            ),
            "loop": (N_("Loop strip"), lambda: _looped(scene, strip, strip.end + way, modifiers)),
            "speed": (N_("Speed of the strip"), lambda: _sped(scene, strip, whole(strip.end + way, modifiers))),
        }
        self._changed(*calls[part])

    def _changed(self, label: str, operation: Callable[[], Scene]) -> None:
        try:
            out = operation()
            with self._studio.document.edit(label, coalesce=self.token) as edit:
                edit.scene = replace(edit.scene, strips=out.strips)
        except StudioError as fault:  # a place that cannot be; the strip stays at the last one that could
            self._desk.status(str(fault))
        else:
            self._desk.status("")

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """What can be done with strips."""
        hit = self.hit(QPointF(event.pos()))
        if hit.id and hit.id not in self._studio.chosen_strips:
            self._studio.chosen_strips = (hit.id,)
        self._desk.context_menu("strips", self).popup(event.globalPos())


def _moved(scene: Scene, ids: tuple[Id, ...], frames: float, layers: int) -> Scene:
    lowest = min(scene.strips[id_].layer for id_ in ids)
    up = max(layers, -lowest)
    for id_ in ids:
        strip = scene.strips[id_]
        scene = strips.change_strip(scene, id_, start=strip.start + frames, layer=strip.layer + up)
    return scene


def _faded(scene: Scene, strip: Strip, name: str, frames: float) -> Scene:
    other = strip.blend_out if name == "blend_in" else strip.blend_in
    return strips.change_strip(scene, strip.id, **{name: min(max(frames, 0.0), max(strip.frames - other, 0.0))})


def _looped(scene: Scene, strip: Strip, end: float, modifiers: Qt.KeyboardModifier) -> Scene:
    """As many runs as reach an end: whole ones but with Ctrl."""
    run = (strip.clip_out - strip.clip_in) / strip.speed
    loops = (end - strip.start) / run if run > 0 else 1.0
    if not modifiers & Qt.KeyboardModifier.ControlModifier:
        loops = float(max(round(loops), 1))
    return strips.change_strip(scene, strip.id, loops=max(loops, 0.01))


def _sped(scene: Scene, strip: Strip, end: float) -> Scene:
    """The same part of the clip, up to another end."""
    frames = max(end - strip.start, 1.0)
    speed = (strip.clip_out - strip.clip_in) * strip.loops / frames
    return strips.change_strip(scene, strip.id, speed=min(max(speed, 0.01), 100.0))
