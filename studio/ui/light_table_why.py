"""Why a cell of the light table has its value: told in a tool tip, and in a popup with ways to what decides it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QPushButton, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.scene import origins
from studio.scene.keyed_edit import posed
from studio.scene.light_filter import STRENGTH
from studio.scene.origins import Origin, Step
from studio.scene.pose import split_track
from studio.ui import theme
from studio.ui.color_edit import seen
from studio.ui.field_rows import spoken_unit
from studio.ui.i18n import tr
from studio.ui.key_dots import show_curves
from studio.ui.light_cells import place
from studio.ui.light_table_columns import column
from studio.ui.light_table_rows import LIGHT, OBJECT, Row
from studio.ui.number_edit import shown
from studio.ui.panel import Desk

_SAID = {
    origins.DEFAULT: N_("Default"),
    origins.SET: N_("Set here"),
    origins.CURVE: N_("Animated; no key at this frame"),
    origins.KEYED: N_("Animated; key at this frame"),
    origins.STRIP: N_("Strip “{name}” plays over it"),
    origins.CONSTRAINT: N_("Constraint “{name}” places it"),
    origins.MASTER: N_("Master of the group “{name}”"),
    origins.MUTED: N_("“{name}” is muted"),
    origins.HIDDEN: N_("“{name}” is hidden"),
    origins.SOLO: N_("“{name}” is soloed"),
    origins.OTHERS: N_("Silent: {count} others are soloed ({name})"),
    origins.MEANINGLESS: N_("Means nothing for a light of this kind ({name})"),
    origins.UNUSED: N_("Not used: “Use temperature” is off"),
    origins.LINKED: N_("Not used: the light is linked to everything"),
}
_SELECT = (origins.MASTER, origins.MUTED, origins.HIDDEN, origins.SOLO, origins.OTHERS, origins.CONSTRAINT)
_CURVES = (origins.CURVE, origins.KEYED)


def origin_of(studio: Studio, row: Row, name: str) -> Origin:
    """The causes of a cell's value; of an object that glows those of its material and of the groups above it."""
    scene, frame = studio.scene, studio.frame
    if name == STRENGTH:
        found = origins.origin(scene, row.id, "intensity", frame) if row.kind == LIGHT else _emission(studio, row, name)
        return Origin(row.id, name, found.value, found.steps)
    if row.kind == OBJECT and name in ("intensity", "color"):
        return _emission(studio, row, name)
    at = place(row, name)
    field = at[1] if at is not None else name
    return origins.origin(scene, row.id, field, frame)


def _emission(studio: Studio, row: Row, name: str) -> Origin:
    field = "emission_color" if name == "color" else "emission_luminance"
    found = origins.origin(studio.scene, row.emitters[0], field, studio.frame)
    above = origins.above(posed(studio.scene, studio.frame), row.id, name)
    return Origin(row.id, name, found.value, (*found.steps, *above))


def sentence(step: Step) -> str:
    """A cause in words."""
    name = tr(step.value.capitalize()) if step.kind == origins.MEANINGLESS else step.name
    return tr(_SAID[step.kind], name=name, count=step.value) if "{" in _SAID[step.kind] else tr(_SAID[step.kind])


def written(step: Step, name: str) -> str:
    """The value after a cause, as a cell writes it; "" where the words say it all."""
    held = step.value
    if step.kind in (origins.DEFAULT, origins.SET, *_CURVES, origins.CONSTRAINT):
        return written_value(held, column(name).unit if name != STRENGTH else "")
    if step.kind == origins.MASTER:
        return f"{held:+g} {spoken_unit('stops')}" if isinstance(held, float) else written_value(held, "")
    return f"{held:.0%}" if step.kind == origins.STRIP else ""


def written_value(held: Any, unit: str) -> str:
    """A value as it is read."""
    if isinstance(held, bool):
        return tr("On") if held else tr("Off")
    if isinstance(held, (int, float)):
        return f"{shown(float(held))} {spoken_unit(unit)}".strip()
    if isinstance(held, tuple):
        return ", ".join(f"{part:.3g}" if isinstance(part, float) else str(part) for part in held)
    return str(held)


def told(studio: Studio, row: Row, name: str) -> str:
    """The tool tip of a cell: its column, and what has made its value."""
    if row.kind != LIGHT and place(row, name) is None and name != STRENGTH:
        return ""
    lines = [tr(column(name).label)]
    if name == "name":
        return f"{row.name}  ({row.id})"
    for step in origin_of(studio, row, name).steps:
        after = written(step, name)
        lines.append(f"{sentence(step)}: {after}" if after else sentence(step))
    return "\n".join(lines)


class WhyPopup(QFrame):
    """The causes of a value, the last at the bottom in full ink, each with a button to where it comes from."""

    def __init__(self, studio: Studio, desk: Desk, row: Row, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("why")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._studio, self._desk = studio, desk
        grid = QGridLayout(self)
        grid.setContentsMargins(theme.size(12), theme.size(10), theme.size(12), theme.size(10))
        grid.setHorizontalSpacing(theme.size(14))
        grid.setVerticalSpacing(theme.size(4))
        heading = QLabel(f"{row.name}  ·  {tr(column(name).label)}")
        heading.setTextFormat(Qt.TextFormat.PlainText)
        heading.setProperty("role", "heading")
        grid.addWidget(heading, 0, 0, 1, 3)
        found = origin_of(studio, row, name)
        for number, step in enumerate(found.steps, 1):
            self._add(grid, number, step, name, last=step is found.last)
        if name == STRENGTH or found.last.kind in _SELECT:
            self._result(grid, len(found.steps) + 1, row, name)

    def _add(self, grid: QGridLayout, number: int, step: Step, name: str, *, last: bool) -> None:
        words, after = QLabel(sentence(step)), QLabel(written(step, name))
        for label in (words, after):
            label.setTextFormat(Qt.TextFormat.PlainText)
            if not last:
                label.setProperty("role", "dim")
        after.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if isinstance(step.value, tuple) and (step.kind == origins.MASTER or column(name).shape == "colour"):
            colour = seen(step.value).name()
            after.setStyleSheet(f"border-left: {theme.size(12)}px solid {colour}; padding-left: {theme.size(5)}px;")
        grid.addWidget(words, number, 0)
        grid.addWidget(after, number, 1)
        jump = self._jump(step)
        if jump is not None:
            text, act = jump
            button = QPushButton(tr(text))
            button.setObjectName(f"why-{number}")
            button.clicked.connect(lambda: (self.close(), act()))
            grid.addWidget(button, number, 2)

    def _result(self, grid: QGridLayout, number: int, row: Row, name: str) -> None:
        """What comes of it all."""
        text = N_("It counts") if row.counts else N_("It does not count now")
        label = QLabel(tr(text))
        label.setProperty("role", "heading")
        grid.addWidget(label, number, 0, 1, 3)

    def _jump(self, step: Step) -> tuple[str, Callable[[], object]] | None:
        if step.kind in _SELECT and step.id:
            return N_("Select it"), lambda: self._studio.select([step.id])
        if step.kind in _CURVES:
            target, field, _ = split_track(step.id)
            return N_("Show curve"), lambda: show_curves(self._studio, self._desk, [target], field)
        if step.kind == origins.STRIP:
            return N_("Show strip"), lambda: self._strip(step.id)
        return None

    def _strip(self, id_: str) -> None:
        self._desk.show_panel("strips")
        self._studio.chosen_strips = (id_,)

    def popup(self, at: QPoint) -> None:
        """Show beside a place of the screen, wholly on it."""
        self.adjustSize()
        room = self.screen().availableGeometry()
        x = max(room.left(), min(at.x(), room.right() - self.width()))
        y = at.y() if at.y() + self.height() <= room.bottom() else max(room.top(), at.y() - self.height())
        self.move(x, y)
        self.show()
