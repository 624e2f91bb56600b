"""The rig panel: looks of a rig, a crossfade between two of them, and what they do not share."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QKeyEvent, QMouseEvent, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QSlider,
    QSplitter,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from studio.commands.board import new_token
from studio.commands.crossfader import crossfader_of
from studio.commands.registry import N_
from studio.commands.rigs import NOW
from studio.commands.studio import Studio, Update
from studio.errors import StudioError
from studio.scene.entities import Group
from studio.scene.lights import Light
from studio.scene.rigs import Difference, rigs
from studio.scene.schema import fields
from studio.ui import theme
from studio.ui.bars import Given, Menu, bar, button, labelled
from studio.ui.color_edit import seen
from studio.ui.field_rows import spoken_unit
from studio.ui.i18n import say, tr, translated
from studio.ui.number_edit import shown
from studio.ui.panel import Desk, panel

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_COLUMNS = (N_("Light"), N_("Field"), "A", "B")
_STEPS = 1000  # of the slider


class Differences(QAbstractTableModel):
    """What two states do not share, a value a row."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self._studio = studio
        self.rows: tuple[Difference, ...] = ()

    def set_rows(self, rows: tuple[Difference, ...]) -> None:
        """Show other rows."""
        if rows != self.rows:
            self.beginResetModel()
            self.rows = rows
            self.endResetModel()

    def rowCount(self, parent: Index = _ROOT) -> int:
        """How many differences."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = _ROOT) -> int:
        """Light, field, A, B."""
        return 0 if parent.isValid() else len(_COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Titles of the columns."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return tr(_COLUMNS[section]) if section < 2 else _COLUMNS[section]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """What a cell says; colours are shown as such."""
        if not index.isValid():
            return None
        row, column = self.rows[index.row()], index.column()
        value = row.a if column == 2 else row.b
        entity = self._studio.scene.entities.get(row.id)
        if role == Qt.ItemDataRole.DisplayRole:
            if column == 0:
                return (entity.name or row.id) if entity is not None else row.id
            return self._field(row) if column == 1 else self._said(row, value)
        if role == Qt.ItemDataRole.DecorationRole and column == 0:
            rig = isinstance(entity, Group) and entity.rig
            kind = f"light-{entity.light}" if isinstance(entity, Light) else "rigs" if rig else "group"
            return theme.icon(kind).pixmap(theme.size(14))  # an icon would take the room of a swatch
        if role == Qt.ItemDataRole.DecorationRole and column >= 2 and self._is_colour(row) and isinstance(value, tuple):
            return _swatch(seen((value[0], value[1], value[2])))
        if role == Qt.ItemDataRole.ToolTipRole and column >= 2:
            return str(value)
        return None

    def _is_colour(self, row: Difference) -> bool:
        info = fields(Group if row.field == "tint" else Light).get(row.field)
        return info is not None and info.spec.colour

    def _field(self, row: Difference) -> str:
        if not row.field:
            return tr("In the state")
        info = fields(Group if row.field == "tint" else Light).get(row.field)
        return tr(info.label) if info is not None else row.field

    def _said(self, row: Difference, value: object) -> str:
        if value is None:
            return tr("No") if not row.field else "—"
        if isinstance(value, bool):
            return tr("Yes") if not row.field else tr("On") if value else tr("Off")
        if isinstance(value, (int, float)):
            info = fields(Light).get(row.field)
            unit = spoken_unit(info.spec.unit) if info is not None else ""
            return f"{shown(float(value))} {unit}".rstrip()
        if isinstance(value, tuple):
            return "" if self._is_colour(row) else "  ".join(shown(float(v)) for v in value)
        return self._text(row.field, str(value))

    def _text(self, field: str, value: str) -> str:
        """A text of a field: a choice in the language, a picture by its name."""
        if field in ("image", "ies", "gobo"):
            image = self._studio.scene.images.get(value)
            return image.name if image is not None and image.name else value[:8] or "—"
        info = fields(Light).get(field)
        choices = info.spec.choices if info is not None else ()
        return tr(value.replace("_", " ").capitalize()) if value in choices else value


def _swatch(colour: QColor) -> QIcon:
    """A colour that a selected row does not tint."""
    made = QPixmap(theme.size(32), theme.size(14))
    made.fill(colour)
    icon = QIcon(made)
    icon.addPixmap(made, QIcon.Mode.Selected)
    return icon


class Slider(QSlider):
    """A slider whose drag can be taken back by Escape, and that goes to where it is clicked."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setObjectName("rigs.crossfade")
        self.setRange(0, _STEPS)
        self.setPageStep(_STEPS // 10)
        self.setSingleStep(_STEPS // 100)
        self.token = ""
        self.taken_back = False

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A gesture begins."""
        self.token, self.taken_back = new_token(), False
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """It goes on, unless it was taken back."""
        if not self.taken_back:
            super().mouseMoveEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """And ends."""
        super().mouseReleaseEvent(event)
        self.token = ""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape takes a drag back."""
        if event.key() == Qt.Key.Key_Escape and self.token:
            self.taken_back = True
            self.setSliderDown(False)
            self.sliderReleased.emit()
        else:
            super().keyPressEvent(event)


@panel("rigs", N_("Rigs"), "right", "rigs", default=False)
class RigPanel(QWidget):
    """A rig, its states, and the way from one to another."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("rigs")
        self.place = "lights"
        self._studio, self._desk = studio, desk
        self.fader = crossfader_of(studio)
        self._filling = False
        self._before = 0.0
        self._build()
        self._forget = (studio.watch(self._heard), self.fader.watch(self.refresh))
        translated(self.refresh)

    def _build(self) -> None:
        desk = self._desk
        self.rig_menu = Menu("rigs.rig", N_("Rig"), ())
        self.rig_menu.activated.connect(lambda row: self._choose_rig(self.rig_menu.itemData(row)))
        top = bar()
        top.addWidget(self.rig_menu, 1)
        self._make = button("rigs.make", "add", N_("Make rig…"), lambda: desk.give("rigs.make"))
        self._keep = button("rigs.keep", "library", N_("Keep rig in the library"), lambda: self._do("rigs.keep"))
        top.addWidget(self._make)
        top.addWidget(self._keep)
        self._hint = QLabel()
        self._hint.setProperty("role", "dim")
        self._hint.setWordWrap(True)
        self._hint.setContentsMargins(theme.size(8), theme.size(2), theme.size(8), theme.size(4))
        split = QSplitter(Qt.Orientation.Vertical)
        split.setChildrenCollapsible(False)
        split.addWidget(self._state_list())
        split.addWidget(self._comparison())
        split.setStretchFactor(1, 1)
        split.setSizes([theme.size(150), theme.size(400)])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(self._hint)
        layout.addWidget(split, 1)

    def _state_list(self) -> QWidget:
        self.states = QListWidget()
        self.states.setObjectName("rigs.states")
        say(self.states.setAccessibleName, N_("States"))
        say(self.states.setToolTip, N_("Double click puts the rig back as the state has it"))
        self.states.itemActivated.connect(lambda item: self._do("rigs.recall"))
        self.states.currentRowChanged.connect(lambda row: self._enable())
        self.states.setMinimumHeight(theme.size(60))
        line = bar()
        self._buttons = {}
        for id_, icon, label, text in (
            ("rigs.store", "state-store", N_("Store"), True),
            ("rigs.recall", "check", N_("Recall"), True),
            ("rigs.update", "reset", N_("Update to how the rig stands"), False),
            ("rigs.rename_state", "notes", N_("Rename state…"), False),
            ("rigs.delete_state", "delete", N_("Delete state…"), False),
        ):
            made = button(f"{id_}.button", icon, label, partial(self._do, id_), text=text)
            self._buttons[id_] = made
            line.addWidget(made)
        line.addStretch(1)
        out = QWidget()
        column = QVBoxLayout(out)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(line)
        column.addWidget(self.states, 1)
        return out

    def _comparison(self) -> QWidget:
        self.a = Menu("rigs.a", N_("State A"), ())
        self.b = Menu("rigs.b", N_("State B"), ())
        for side, menu in (("a", self.a), ("b", self.b)):
            menu.activated.connect(lambda row, side=side, menu=menu: self.fader.choose(side, str(menu.itemData(row))))
        self.slider = Slider()
        say(self.slider.setAccessibleName, N_("Crossfade"))
        say(self.slider.setToolTip, N_("From A to B; a drag is one step of the history, Escape takes it back"))
        self.slider.sliderPressed.connect(self._began)
        self.slider.sliderReleased.connect(self._ended)
        self.slider.valueChanged.connect(self._slid)
        self._share = QLabel()
        self._share.setMinimumWidth(theme.size(40))
        line, fade = bar(), bar()
        for text, menu in (("A", self.a), ("B", self.b)):
            labelled(line, text, menu)
            line.setStretch(line.count() - 1, 1)
        fade.addWidget(self.slider, 1)
        fade.addWidget(self._share)
        self.model = Differences(self._studio)
        self.table = QTableView()
        self.table.setObjectName("rigs.differences")
        say(self.table.setAccessibleName, N_("Differences of A and B"))
        self.table.setModel(self.model)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setShowGrid(False)
        self.table.setAlternatingRowColors(True)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(theme.size(22))
        self.table.setIconSize(QSize(theme.size(32), theme.size(14)))
        say(self.table.setToolTip, N_("Double click a value of A or B to give it to the scene"))
        self.table.doubleClicked.connect(self._take_cell)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._enable())
        self._count = QLabel()
        self._count.setProperty("role", "dim")
        low = bar()
        low.addWidget(self._count, 1)
        self._take = {
            side: button(f"rigs.take_{side}", icon, label, partial(self._taken, side), text=True)
            for side, icon, label in (
                ("a", "", N_("Take from A")),
                ("b", "", N_("Take from B")),
            )
        }
        for made in self._take.values():
            say(made.setToolTip, N_("Give the scene the values of the selected rows, of all when none is selected"))
            low.addWidget(made)
        out = QWidget()
        column = QVBoxLayout(out)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(line)
        column.addLayout(fade)
        column.addLayout(low)
        column.addWidget(self.table, 1)
        return out

    def close_panel(self) -> None:
        """Stop listening."""
        for forget in self._forget:
            forget()

    # --- following ---------------------------------------------------------------------------------------------------
    def _heard(self, update: Update) -> None:
        change = update.change
        if (change is not None and (change.selected or change.ids)) or update.parts & {"path"}:
            self.refresh()

    def refresh(self) -> None:
        """Say what is true now."""
        scene, fader = self._studio.scene, self.fader
        there = rigs(scene)
        self._filling = True
        self.rig_menu.fill([(Given(scene.entities[id_].name or id_), id_) for id_ in there])
        self.rig_menu.choose(fader.rig)
        self.rig_menu.setEnabled(bool(there))
        names = fader.states()
        held = [self.states.item(row).text() for row in range(self.states.count())]
        if held != list(names):
            current = self._state()
            self.states.clear()
            for name in names:
                self.states.addItem(QListWidgetItem(theme.icon("rigs"), name))
            self.states.setCurrentRow(names.index(current) if current in names else len(names) - 1)
        for side, menu in (("a", self.a), ("b", self.b)):
            menu.fill([(N_("As it stood"), NOW), *((Given(name), name) for name in names)])
            menu.choose(fader.name(side))
        self.slider.setValue(round(fader.share * _STEPS))
        self._share.setText(f"{fader.share * 100:.0f} %")
        rows = fader.differences()
        self.model.set_rows(rows)
        self._count.setText(tr("1 difference") if len(rows) == 1 else tr("{count} differences", count=len(rows)))
        self._hint.setVisible(not there or not names)
        self._hint.setText(
            tr("Select lights or a group and make a rig of them.")
            if not there
            else tr("Store how the rig stands, change it, and store it again: then fade between the two.")
        )
        self._filling = False
        self._enable()

    def _enable(self) -> None:
        fader, scene = self.fader, self._studio.scene
        chosen = bool(self._state())
        lit = any(isinstance(scene.entities.get(id_), (Light, Group)) for id_ in self._studio.selection)
        self._make.setEnabled(lit)
        self._keep.setEnabled(bool(fader.rig))
        for id_, made in self._buttons.items():
            made.setEnabled(bool(fader.rig) and (chosen or id_ == "rigs.store"))
        able = bool(fader.rig) and bool(self.model.rows)
        self.slider.setEnabled(able)
        for made in self._take.values():
            made.setEnabled(able)

    def _state(self) -> str:
        row = self.states.currentRow()
        return self.states.item(row).text() if row >= 0 else ""

    # --- doing -------------------------------------------------------------------------------------------------------
    def _choose_rig(self, rig: object) -> None:
        self.fader.choose_rig(str(rig))

    def _do(self, id_: str) -> None:
        """A command about the chosen rig, and its chosen state."""
        arguments = {"rig": self.fader.rig}
        if id_ not in ("rigs.store", "rigs.keep"):
            arguments["name"] = self._state()
        before = self.fader.states()
        self._studio.attempt(id_, **arguments)
        if id_ == "rigs.store":  # the first two states are what one fades between
            names = self.fader.states()
            new = [name for name in names if name not in before]
            if new:
                self.states.setCurrentRow(names.index(new[0]))
            for side, row in (("a", 0), ("b", 1)):
                if new and len(names) > row and names[row] == new[0]:
                    self.fader.choose(side, new[0])

    def _began(self) -> None:
        self._before = self.fader.share

    def _ended(self) -> None:
        if self.slider.taken_back:
            self._studio.document.abandon(self.slider.token)
            self.fader.share = self._before
            self.slider.token = ""
            self.refresh()

    def _slid(self, value: int) -> None:
        if self._filling:
            return
        try:
            self.fader.go(value / _STEPS, token=self.slider.token)
        except StudioError as fault:
            self._desk.tell_fault(fault)

    def _take_cell(self, index: QModelIndex) -> None:
        """A double click on a value takes it."""
        if index.column() >= 2:
            self._give("a" if index.column() == 2 else "b", (self.model.rows[index.row()],))

    def _taken(self, side: str) -> None:
        rows = sorted({index.row() for index in self.table.selectionModel().selectedRows()})
        self._give(side, tuple(self.model.rows[row] for row in rows) or self.model.rows)

    def _give(self, side: str, rows: tuple[Difference, ...]) -> None:
        try:
            self.fader.take(side, rows)
        except StudioError as fault:
            self._desk.tell_fault(fault)
