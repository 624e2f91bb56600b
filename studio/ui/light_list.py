"""The panel of the light table (`studio.ui.light_table`): its filter, its sets of columns, and how much there is."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QItemSelectionModel, QPoint, Qt, QTimer
from PySide6.QtGui import QActionGroup, QCursor
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QMenu, QToolButton, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.scene.light_filter import Fault, Filter, known_fields, parse
from studio.scene.schema import Touches
from studio.ui import theme
from studio.ui.i18n import say, tr, translated
from studio.ui.light_cells_clip import copy_cells, paste_cells
from studio.ui.light_model import LightModel
from studio.ui.light_table import LightTable, dot_box
from studio.ui.light_table_columns import ESSENTIALS, HEAD, column, every, is_own, placed, sets
from studio.ui.light_table_rows import GROUP, Row
from studio.ui.light_table_why import WhyPopup
from studio.ui.panel import Desk, panel

__all__ = ["LightList", "LightTable", "dot_box"]

_PLAYING_MS = 100  # between refreshes while the timeline plays
_FAULTS = {
    "field": N_("There is no field “{term}”."),
    "value": N_("“{term}” needs a value behind it."),
    "number": N_("“{term}” is no number."),
    "switch": N_("“{term}”: a switch is on or off."),
    "order": N_("“{term}”: texts are equal (=) or not (!=)."),
    "before": N_("“{term}” needs a field before it."),
}
_NEAR = N_("Did you mean “{near}”?")
_HOW = N_('Words, and conditions: intensity>100  kind=spot,point  group=key*  muted  -solo  "Lamp 3"')


@panel("light_list", N_("Lights"), "bottom", "lights")
class LightList(QWidget):
    """The table with its bar."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("light-list")
        self._studio, self._desk = studio, desk
        self.model = LightModel(studio, self)
        self.table = LightTable(studio, self.model)
        say(self.table.setAccessibleName, N_("Lights"))
        self._make_bar()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(self._bar)
        layout.addWidget(self._fault)
        layout.addWidget(self.table, 1)
        self._behind = QTimer(self)
        self._behind.setSingleShot(True)
        self._behind.setInterval(_PLAYING_MS)
        self._behind.timeout.connect(self._follow_frame)
        self.search.textChanged.connect(self._search)
        self.table.selectionModel().selectionChanged.connect(self._selected)
        self.table.customContextMenuRequested.connect(self._menu)
        self.table.asked.connect(self._asked)
        self.table.header().customContextMenuRequested.connect(self._columns_menu)
        self.table.header().sectionMoved.connect(self._moved)
        theme.signals().changed.connect(self.table.fit)
        self._forget = studio.watch(self._heard)
        self._take_set()
        translated(self._relabel)
        self._follow()

    def _make_bar(self) -> None:
        self.search = QLineEdit()
        self.search.setObjectName("light-search")
        self.search.setClearButtonEnabled(True)
        self.search.addAction(theme.icon("filter", "dim"), QLineEdit.ActionPosition.LeadingPosition)
        say(self.search.setPlaceholderText, N_("Filter: words, intensity>100, kind=spot, -muted"))
        say(self.search.setAccessibleName, N_("Filter lights"))
        self._fault = QLabel()
        self._fault.setObjectName("light-filter-fault")
        self._fault.setTextFormat(Qt.TextFormat.PlainText)
        self._fault.setContentsMargins(theme.size(10), 0, theme.size(6), theme.size(4))
        self._fault.setStyleSheet(f"color: {theme.COLORS['warning']};")
        self._fault.hide()
        self.groups = QToolButton()
        self.groups.setObjectName("light-groups")
        self.groups.setCheckable(True)
        self.groups.setChecked(True)
        self.groups.setIcon(theme.icon("outliner"))
        say(self.groups.setToolTip, N_("List lights below their groups and rigs"))
        say(self.groups.setAccessibleName, N_("List lights below their groups and rigs"))
        self.groups.toggled.connect(lambda on: self.model.set_flat(not on))
        self.columns = QToolButton()
        self.columns.setObjectName("light-columns")
        self.columns.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.columns.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.columns.setLayoutDirection(Qt.LayoutDirection.RightToLeft)  # the arrow behind the name
        self.columns.setIcon(theme.icon("fold-open", "dim"))
        say(self.columns.setToolTip, N_("Columns that are shown"))
        say(self.columns.setAccessibleName, N_("Columns that are shown"))
        menu = QMenu(self.columns)
        menu.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        menu.setObjectName("light-columns-menu")
        menu.aboutToShow.connect(partial(self._fill_sets, menu))
        self.columns.setMenu(menu)
        self._count = QLabel()
        self._count.setObjectName("light-count")
        self._count.setProperty("role", "dim")
        bar = self._bar = QHBoxLayout()
        bar.setContentsMargins(theme.size(6), theme.size(4), theme.size(6), theme.size(4))
        bar.setSpacing(theme.size(4))
        bar.addWidget(self.search, 1)
        bar.addWidget(self.groups)
        bar.addWidget(self.columns)
        bar.addSpacing(theme.size(6))
        bar.addWidget(self._count)

    def close_panel(self) -> None:
        """Stop listening."""
        self._forget()

    # --- words -------------------------------------------------------------------------------------------------------
    def _relabel(self) -> None:
        self.model.relabel()
        self._search(self.search.text())
        self._name_set()
        self.table.fit()
        self._tell_count()

    def _tell_count(self) -> None:
        lamps = self.model.rows.lamps
        chosen_ids = set(self._studio.selection)
        chosen = sum(row.id in chosen_ids for row in lamps)
        silent = sum(not row.counts for row in lamps)
        shown = sum(row.kind != GROUP for row in self.model.rows.walk()) if self.model.filtering else len(lamps)
        total = len(lamps)
        parts = [tr("1 light") if total == 1 else tr("{count} lights", count=total)]
        if shown != total:
            parts.append(tr("{count} shown", count=shown))
        if chosen:
            parts.append(tr("{count} selected", count=chosen))
        if silent:
            parts.append(tr("{count} silent", count=silent))
        self._count.setText("  ·  ".join(parts))

    # --- following ---------------------------------------------------------------------------------------------------
    def _heard(self, update: Update) -> None:
        if "frame" in update.parts and not self._studio.playing:
            self._follow_frame()
        elif "frame" in update.parts and not self._behind.isActive():
            self._behind.start()
        if "autokey" in update.parts:
            self.table.viewport().update()
        if "preferences" in update.parts:
            self._take_set()
        if update.change is None:
            return
        self.model.heard(update.change)
        if update.change.selected or update.change.touches & (Touches.HIERARCHY | Touches.MATERIAL):
            self._follow()
        self._tell_count()

    def _follow_frame(self) -> None:
        """Show the values of the present frame."""
        self._behind.stop()
        self.model.follow_frame()

    def _search(self, text: str) -> None:
        names = {tr(column(name).label).lower().replace(" ", ""): name for name in known_fields().values() if name}
        wanted: Filter = parse(text, names)
        self.model.set_filter(wanted if wanted else None)
        told = "  ".join(self._told(fault) for fault in wanted.faults)
        self._fault.setText(told)
        self._fault.setVisible(bool(told))
        self.search.setToolTip(told or tr(_HOW))
        self._tell_count()
        self._follow()

    @staticmethod
    def _told(fault: Fault) -> str:
        text = tr(_FAULTS[fault.kind], term=fault.term)
        return f"{text} {tr(_NEAR, near=fault.near)}" if fault.near else text

    # --- selection ---------------------------------------------------------------------------------------------------
    def _selected(self, *_: object) -> None:
        """Rows of the selected cells become the document's selection, the current one last."""
        if self.table.following:
            return
        ids = [row.id for row in self.table.rows_of_cells()]
        current = self.table.currentIndex()
        last = self.model.row_at(current).id if current.isValid() else ""
        if last in ids:
            ids = [*(id_ for id_ in ids if id_ != last), last]
        self._studio.select(ids)

    def _follow(self) -> None:
        """The document's selection becomes the table's, in whole rows, unless its cells are of those rows already."""
        chosen = self._studio.selection
        rows = {
            id_ for id_ in chosen if (row := self.model.row_of(id_)) is not None and self.model.index_of(row).isValid()
        }
        numbers = self.model.rows.by_number
        if rows == {numbers[number].id for number in self.table.cells if number in numbers}:
            return
        self.table.following = True
        try:
            self.table.select_rows(rows)
            last = next((id_ for id_ in reversed(chosen) if id_ in rows), "")
            index = self.model.cell_index(last, "name")
            if index.isValid():
                self.table.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
                if len(rows) == 1:
                    self.table.scrollTo(index)
        finally:
            self.table.following = False

    # --- menus -------------------------------------------------------------------------------------------------------
    def _menu(self, at: QPoint) -> None:
        """What can be done with the lights, and why the value of this cell is so."""
        cell = self.table.cell_at(at)
        menu = self._desk.context_menu("lights", self.table)
        if cell is not None:
            first = menu.actions()[0] if menu.actions() else None
            why = menu.addAction(tr("Why this value?"))
            why.setObjectName("light-why")
            why.triggered.connect(lambda: self.explain(*cell))
            copy = menu.addAction(tr("Copy cells"))
            copy.setObjectName("light-copy-cells")
            copy.triggered.connect(lambda: copy_cells(self.table))
            paste = menu.addAction(tr("Paste cells"))
            paste.setObjectName("light-paste-cells")
            paste.triggered.connect(lambda: paste_cells(self.table))
            line = menu.addSeparator()
            if first is not None:
                for action in (why, copy, paste, line):
                    menu.removeAction(action)
                    menu.insertAction(first, action)
        menu.popup(self.table.viewport().mapToGlobal(at))

    def explain(self, row: Row, name: str) -> WhyPopup:
        """Tell why a cell has its value, beside it."""
        popup = WhyPopup(self._studio, self._desk, row, name, self)
        index = self.model.index_of(row, name)
        box = self.table.visualRect(index)
        popup.popup(
            self.table.viewport().mapToGlobal(box.bottomLeft() + QPoint(0, 2)) if index.isValid() else QCursor.pos()
        )
        return popup

    def _asked(self, row: Row, name: str) -> None:
        """A cell of links was opened: they are edited in their own panel."""
        self._studio.select([row.id])
        self._desk.show_panel("links")
        shown = self._desk.panel("links")
        if shown is not None and hasattr(shown, "show_shadows"):
            shown.show_shadows(name.startswith("shadow"))

    # --- sets of columns ---------------------------------------------------------------------------------------------
    @property
    def set_name(self) -> str:
        """The set of columns that is shown."""
        name = self._studio.preferences.light_column_set
        return name if name in sets(self._studio.preferences) else ESSENTIALS

    def _take_set(self) -> None:
        """Show the columns that the preferences ask for."""
        self.model.set_columns(sets(self._studio.preferences)[self.set_name])
        self._name_set()

    def _name_set(self) -> None:
        name = self.set_name
        self.columns.setText(tr(name) if is_own(name) else name)

    def _fill_sets(self, menu: QMenu) -> None:
        """The sets, and what can be done with them."""
        menu.clear()
        several = QActionGroup(menu)
        for name in sets(self._studio.preferences):
            action = menu.addAction(tr(name) if is_own(name) else name)
            action.setObjectName(f"light-set-{name}")
            action.setCheckable(True)
            action.setChecked(name == self.set_name)
            several.addAction(action)
            action.triggered.connect(lambda *_, name=name: self._studio.prefer(light_column_set=name))
        menu.addSeparator()
        self._add_set_actions(menu)

    def _add_set_actions(self, menu: QMenu) -> None:
        keep = menu.addAction(tr("Keep these columns as a set…"))
        keep.setObjectName("light-keep-set")
        keep.triggered.connect(self._keep_set)
        changed = self.set_name in self._studio.preferences.light_columns
        if is_own(self.set_name):
            back = menu.addAction(tr("Put this set back"))
            back.setEnabled(changed)
        else:
            back = menu.addAction(tr("Remove this set"))
        back.setObjectName("light-drop-set")
        back.triggered.connect(self._drop_set)

    def _keep_set(self) -> None:
        name = self._studio.face.ask_text(N_("Name of the set of columns")).strip()
        if name:
            own = {**self._studio.preferences.light_columns, name: self.model.columns}
            self._studio.prefer(light_columns=own, light_column_set=name)

    def _drop_set(self) -> None:
        name = self.set_name
        own = {n: columns for n, columns in self._studio.preferences.light_columns.items() if n != name}
        self._studio.prefer(light_columns=own, light_column_set=name if is_own(name) else ESSENTIALS)

    def _columns_menu(self, at: QPoint) -> None:
        """Every column with a tick where it is shown."""
        menu = QMenu(self)
        menu.setObjectName("light-header-menu")
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for name in every():
            if name in HEAD:
                continue
            action = menu.addAction(tr(column(name).label))
            action.setObjectName(f"light-column-{name}")
            action.setCheckable(True)
            action.setChecked(name in self.model.columns)
            action.triggered.connect(lambda on, name=name: self.show_column(name, on))
        menu.addSeparator()
        self._add_set_actions(menu)
        menu.popup(self.table.header().mapToGlobal(at))

    def show_column(self, name: str, on: bool) -> None:
        """Add a column to the present set, or take it away."""
        present = self.model.columns
        new = placed(present, name) if on else tuple(each for each in present if each != name)
        if new != present and (name not in present) == on:
            self._keep_columns(new)

    def _keep_columns(self, names: tuple[str, ...]) -> None:
        own = self._studio.preferences.light_columns
        self._studio.prefer(light_columns={**own, self.set_name: names})

    def _moved(self, number: int, old: int, new: int) -> None:
        """A column was dragged elsewhere: the set keeps that order."""
        names = tuple(self.table.visible_columns())
        if names[: len(HEAD)] != HEAD:
            names = (*HEAD, *(name for name in names if name not in HEAD))
        if names != self.model.columns:
            header = self.table.header()
            header.blockSignals(True)
            header.moveSection(new, old)  # the model has the new order itself
            header.blockSignals(False)
            self._keep_columns(names)
