"""What stands over the sliders of a face: where the eyes look, how the head is turned, and what lives by itself."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from studio.commands.expression_desk import ExpressionDesk
from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.scene import expression_edits as edits
from studio.scene.entities import Constraint, Figure
from studio.scene.schema import fields
from studio.ui import theme
from studio.ui.bars import button
from studio.ui.expression_gaze import GazePad
from studio.ui.field_rows import MenuRow, NumberRow, Row, VectorRow
from studio.ui.field_values import Shared
from studio.ui.i18n import say, tr
from studio.ui.key_dots import KeyDot
from studio.ui.panel import Desk

_TURNS = ("X", "Y", "Z")
_TOLD_TURNS = (N_("Down"), N_("To its left"), N_("To its right shoulder"))

_SHORT = {"look_weight": N_("By"), "lids_follow": N_("Lids follow"), "idle_seed": N_("Seed")}


class HeadSection(QWidget):
    """The gaze pad and the fields of the figure that are no controls of its face."""

    def __init__(self, studio: Studio, desk: Desk, faces: ExpressionDesk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("expressions.head")
        self._studio, self._desk, self.faces = studio, desk, faces
        self.pad = GazePad(desk, faces)
        self._rows: dict[str, Row] = {}
        self._dots: list[KeyDot] = []
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.size(3))
        self._grid.setVerticalSpacing(theme.size(3))
        self._grid.setColumnStretch(1, 1)
        self._picks = button("expressions.look_at.button", "picker", N_("Look at what is selected"), self._look)
        self._built_for = ""
        self._turn = QHBoxLayout()
        self._turn.setSpacing(theme.size(3))
        beside = QHBoxLayout()
        beside.setSpacing(theme.size(8))
        right = QVBoxLayout()
        right.addLayout(self._grid)
        right.addStretch(1)
        beside.addWidget(self.pad, 0, Qt.AlignmentFlag.AlignTop)
        beside.addLayout(right, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.size(6), theme.size(4), theme.size(2), theme.size(3))
        layout.setSpacing(theme.size(4))
        layout.addLayout(beside)
        layout.addLayout(self._turn)

    def follow(self) -> None:
        """Show the figure as it stands now."""
        figure = self.faces.figure
        self.setVisible(figure is not None)
        self.pad.setEnabled(figure is not None and not (figure.look_at and figure.look_weight >= 1.0))
        self.pad.update()
        if figure is None:
            return
        if figure.id != self._built_for:
            self._build(figure)
        for name, row in self._rows.items():
            row.show_value(_shared(figure, name))
        for dot in self._dots:
            dot.follow((figure.id,))
        self._rows["look_weight"].setEnabled(bool(figure.look_at))

    def _build(self, figure: Figure) -> None:
        """Editors of this figure's fields."""
        self._built_for = figure.id
        for place in (self._grid, self._turn):
            while (item := place.takeAt(0)) is not None:
                widget = item.widget()
                if widget is not None and widget is not self._picks:
                    widget.hide()
                    widget.deleteLater()
        self._dots.clear()
        studio = self._studio
        turn = VectorRow(studio, _shared(figure, "head_turn"), names=_TURNS)
        for number, text in zip(turn.numbers, _TOLD_TURNS, strict=True):
            say(number.setToolTip, text)
        looks = MenuRow(studio, _shared(figure, "look_at"), choices=self._targets)
        self._rows = {"head_turn": turn, "look_at": looks}
        for name in ("look_weight", "lids_follow", "idle", "idle_seed"):
            self._rows[name] = NumberRow(studio, _shared(figure, name))
        for line, name in enumerate(("look_at", "look_weight", "lids_follow", "idle", "idle_seed")):
            row = self._rows[name]
            self._grid.addWidget(_label(name, row), line, 0)
            self._grid.addWidget(row, line, 1)
            if name == "look_at":
                self._grid.addWidget(self._picks, line, 2)
            elif fields(Figure)[name].animatable:
                self._grid.addWidget(self._dot(name), line, 2)
        self._turn.addWidget(_label("head_turn", turn))
        self._turn.addWidget(turn, 1)
        self._turn.addWidget(self._dot("head_turn"))

    def _dot(self, name: str) -> KeyDot:
        dot = KeyDot(self._studio, self._desk, name)
        self._dots.append(dot)
        return dot

    def _targets(self) -> list[tuple[str, str]]:
        """What the figure may look at: anything that is no part of it."""
        scene, own = self._studio.scene, self.faces.id
        found = [
            (id_, entity.name or id_)
            for id_, entity in scene.entities.items()
            if not isinstance(entity, Constraint) and edits.figure_above(scene, id_) != own
        ]
        return [("", tr("None")), *found]

    def _look(self) -> None:
        self._studio.attempt("expressions.look_at")


def _label(name: str, row: Row) -> QLabel:
    """The short label of a field, with what it means as a tip."""
    label = QLabel()
    label.setProperty("role", "dim")
    label.setBuddy(row)
    field = fields(Figure)[name]
    say(label.setText, _SHORT.get(name, field.label))
    say(label.setToolTip, field.spec.help or field.label)
    return label


def _shared(figure: Figure, name: str) -> Shared:
    """One field of one figure, as rows of fields want it."""
    field = fields(Figure)[name]
    value = getattr(figure, name)
    wide = len(value) if field.shape == "vector" else 1
    return Shared(field, (figure.id,), value, (False,) * wide, field.default)
