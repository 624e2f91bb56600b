"""The light table as Qt's views read it: lights below their groups and rigs, fields as columns.

A lamp is a light, or an object that wears a material with emission: scenes of many tools are lit by such objects alone.
What a cell of an object shows and edits belongs to those of its materials that emit, so objects that share a material
change together. Groups show their masters and switches (`studio.ui.light_cells`).

Values are those of the present frame (`Studio.posed`); rows that move follow it by `follow_frame`. Sorting and
filtering are the model's own: a proxy would ask Python for every cell, twice. Rows stand where they are while values
change; `arrange` puts them in order again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QBrush

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.errors import StudioError, UsageError
from studio.scene.document import Change
from studio.scene.entities import Id
from studio.scene.light_filter import Filter
from studio.scene.pose import split_track
from studio.scene.schema import Touches
from studio.ui import theme
from studio.ui.color_edit import seen
from studio.ui.i18n import tr
from studio.ui.key_dots import KEY, state_of
from studio.ui.light_cells import Cell, asked, cell, order, place, value
from studio.ui.light_cells_edit import Operation, applied, operations
from studio.ui.light_table_columns import COLUMNS, SWITCHES, column
from studio.ui.light_table_rows import Row, Rows, lamps

__all__ = ["COLUMNS", "KEY_ROLE", "SWITCHES", "LightModel", "lamps"]

KEY_ROLE = Qt.ItemDataRole.UserRole + 2  # what its key dot says, None for what cannot move
Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
# made once: a view asks for them thousands of times
_SELECTABLE = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
_EDITABLE = _SELECTABLE | Qt.ItemFlag.ItemIsEditable
_RELISTED = Touches.HIERARCHY | Touches.MATERIAL
_SCRUB = N_("Drag a number with the middle button to run all selected ones; Shift finely, Ctrl coarsely")
Chosen = Mapping[str, Sequence[Row]]


class LightModel(QAbstractItemModel):
    """Rows of the scene (`studio.ui.light_table_rows`) in the columns of the present set."""

    def __init__(self, studio: Studio, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._studio = studio
        self.rows = Rows()
        self.columns: tuple[str, ...] = COLUMNS
        self._sorted: tuple[str, bool] | None = None  # column and whether it falls
        self._filter: Filter | None = None
        self.targets: Callable[[Row, str], Chosen] = self._selected_rows
        self._held = False
        self.rows.build(studio.posed)
        self._arranged()

    # --- following ---------------------------------------------------------------------------------------------------
    def heard(self, change: Change) -> None:
        """The document changed: repaint the rows that differ, or lay out anew when lamps or groups came or went."""
        posed = self._studio.posed if change.after is self._studio.scene else change.after
        if posed is self.rows.scene:
            return
        relisted = change.touches & _RELISTED or change.source not in ("edit", "undo", "redo")
        if relisted and self.rows.shape_of(posed) != self.rows.shape:
            with self._laid_out_anew():
                self.rows.build(posed)
                self._arranged()
            return
        self._told(self.rows.refresh(posed, change.ids))
        self._follow_order()

    def follow_frame(self) -> None:
        """The frame changed: repaint the rows that move."""
        before, posed = self.rows.scene, self._studio.posed
        moved = {split_track(track)[0] for track in posed.tracks}
        if before is not posed and posed.strips:
            moved |= {id_ for id_, record in posed.entities.items() if record is not before.entities.get(id_)}
        if moved:
            self._told(
                self.rows.refresh(posed, (id_ for id_ in moved if id_ in posed.entities or id_ in posed.materials))
            )
        self._follow_order()

    def _told(self, changed: Iterable[Row]) -> None:
        """Tell views which rows to draw: one range below each row."""
        last = len(self.columns) - 1
        spans: dict[int, tuple[Row, Row]] = {}
        for row in changed:
            above = row.above.number if row.above is not None else 0
            if (
                row.place >= len(self.rows.by_number[above].shown)
                or self.rows.by_number[above].shown[row.place] is not row
            ):
                continue  # filtered away
            first, final = spans.get(above, (row, row))
            spans[above] = (row if row.place < first.place else first, row if row.place > final.place else final)
        for first, final in spans.values():
            self.dataChanged.emit(
                self.createIndex(first.place, 0, first.number), self.createIndex(final.place, last, final.number)
            )

    # --- order -------------------------------------------------------------------------------------------------------
    def hold_order(self, on: bool) -> None:
        """Keep rows where they are, though values by which they are sorted or filtered change: while a drag lasts."""
        self._held = on
        if not on:
            self._follow_order()

    def set_filter(self, wanted: Filter | None) -> None:
        """Show only what passes, and what holds it."""
        if wanted != self._filter:
            self._filter = wanted
            with self._laid_out_anew():
                self._arranged()

    @property
    def filtering(self) -> bool:
        """Whether rows may be filtered away."""
        return bool(self._filter)

    def sort(self, number: int, order_: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort what hangs below each row by a column; -1 for the order of the scene."""
        falling = order_ == Qt.SortOrder.DescendingOrder
        wanted = (self.columns[number], falling) if 0 <= number < len(self.columns) else None
        if wanted != self._sorted:
            self._sorted = wanted
            with self._laid_out_anew():
                self._arranged()

    @property
    def sorted_by(self) -> tuple[str, bool] | None:
        """The column by which rows are sorted and whether it falls; None for the order of the scene."""
        return self._sorted

    def set_flat(self, on: bool) -> None:
        """List lamps alone, or below what holds them."""
        if on != self.rows.flat:
            with self._laid_out_anew():
                self.rows.flat = on
                self.rows.build(self._studio.posed)
                self._arranged()

    def set_columns(self, names: Sequence[str]) -> None:
        """Show these columns."""
        if tuple(names) != self.columns:
            with self._laid_out_anew():
                self.columns = tuple(names)
                if self._sorted is not None and self._sorted[0] not in self.columns:
                    self._sorted = None
                    self._arranged()

    def _arranged(self) -> bool:
        rows = self.rows
        key = None
        if self._sorted is not None:
            name = self._sorted[0]

            def key(row: Row) -> Any:
                return order(rows, row, name)

        falling = self._sorted is not None and self._sorted[1]
        return rows.arrange(self._filter, key, descending=falling, value=lambda row, field: asked(rows, row, field))

    def _follow_order(self) -> None:
        """Bring rows into their order where an edit changed what they are sorted or filtered by."""
        if self._held or (self._filter is None and self._sorted is None):
            return
        before = [row.number for row in self.rows.walk()]
        if self._arranged() and before != [row.number for row in self.rows.walk()]:
            with self._laid_out_anew():
                pass  # it is

    def relabel(self) -> None:
        """Say everything again, in another language or with another font."""
        for row in self.rows.by_id.values():
            row.cells.clear()
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(self.columns) - 1)

    @contextmanager
    def _laid_out_anew(self) -> Iterator[None]:
        self.beginResetModel()
        try:
            yield
        finally:
            self.endResetModel()

    # --- structure ---------------------------------------------------------------------------------------------------
    def row_at(self, index: Index) -> Row:
        """The row of an index; the root for none."""
        return self.rows.by_number[int(index.internalId())] if index.isValid() else self.rows.root

    def row_of(self, id_: Id) -> Row | None:
        """The row of an entity that is listed, shown or not."""
        return self.rows.by_id.get(id_)

    def index_of(self, row: Row, name: str = "name") -> QModelIndex:
        """The index of a cell; an invalid one when the row is filtered away or there is no such column."""
        above = row.above or self.rows.root
        if name not in self.columns or row.place >= len(above.shown) or above.shown[row.place] is not row:
            return QModelIndex()
        return self.createIndex(row.place, self.columns.index(name), row.number)

    def cell_index(self, id_: Id, name: str) -> QModelIndex:
        """The index of a cell by its entity."""
        row = self.rows.by_id.get(id_)
        return self.index_of(row, name) if row is not None else QModelIndex()

    @property
    def ids(self) -> list[Id]:
        """The lamps, in the scene's order."""
        return [row.id for row in self.rows.lamps]

    def index(self, row: int, number: int, parent: Index = _ROOT) -> QModelIndex:
        """Qt's way down."""
        if number < 0 or number >= len(self.columns) or (parent.isValid() and parent.column() > 0):
            return QModelIndex()
        above = self.rows.by_number.get(int(parent.internalId())) if parent.isValid() else self.rows.root
        if above is None or not 0 <= row < len(above.shown):
            return QModelIndex()
        return self.createIndex(row, number, above.shown[row].number)

    def parent(self, index: Index = _ROOT) -> Any:
        """Qt's way up."""
        row = self.rows.by_number.get(int(index.internalId())) if index.isValid() else None
        above = row.above if row is not None else None
        return self.createIndex(above.place, 0, above.number) if above is not None and above.number else QModelIndex()

    def rowCount(self, parent: Index = _ROOT) -> int:
        """How many are shown below."""
        if parent.isValid() and parent.column() > 0:
            return 0
        row = self.rows.by_number.get(int(parent.internalId())) if parent.isValid() else self.rows.root
        return len(row.shown) if row is not None else 0

    def hasChildren(self, parent: Index = _ROOT) -> bool:
        """Whether anything is shown below."""
        return self.rowCount(parent) > 0

    def columnCount(self, parent: Index = _ROOT) -> int:
        """How many columns."""
        return 0 if parent.isValid() and parent.column() > 0 else len(self.columns)

    # --- data --------------------------------------------------------------------------------------------------------
    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Labels of the fields; switches have icons."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self.columns):
            return None
        name = self.columns[section]
        label = tr(column(name).label)
        if role == Qt.ItemDataRole.DisplayRole:
            return "" if name in SWITCHES else label
        if role == Qt.ItemDataRole.ToolTipRole:
            field = column(name).field
            lines = [label, tr(field.spec.help)] if field is not None and field.spec.help else [label]
            return "\n".join([*lines, tr(_SCRUB)] if column(name).shape in ("float", "int") else lines)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return label
        if role == Qt.ItemDataRole.DecorationRole and name in SWITCHES:
            return theme.icon("mute" if name == "muted" else "solo", "dim")
        if role == Qt.ItemDataRole.TextAlignmentRole:
            left = column(name).shape in ("str", "choice", "ids")
            side = Qt.AlignmentFlag.AlignLeft if left else Qt.AlignmentFlag.AlignRight
            centred = column(name).shape in ("bool", "colour")
            return (Qt.AlignmentFlag.AlignHCenter if centred else side) | Qt.AlignmentFlag.AlignVCenter
        return None

    def cell(self, row: Row, name: str) -> Cell:
        """What a cell holds, see `studio.ui.light_cells`."""
        return cell(self.rows, row, name)

    def value(self, row: Row, name: str) -> Any:
        """The value of a cell, None where there is none."""
        return value(self.rows, row, name)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell shows, for tests and screen readers; the table paints cells itself."""
        if not index.isValid():
            return None
        row, name = self.row_at(index), self.columns[index.column()]
        if role == KEY_ROLE:
            return self.key_state(row, name)
        held = self.cell(row, name)
        if role == Qt.ItemDataRole.DisplayRole:
            return held.text if name == "name" else f"{held.text} {held.unit}".strip()
        if role == Qt.ItemDataRole.EditRole:
            return held.value
        if role == Qt.ItemDataRole.ForegroundRole:
            return theme.color(held.ink) if held.ink else None
        if role == Qt.ItemDataRole.BackgroundRole and column(name).shape == "colour" and held.value is not None:
            return QBrush(seen(held.value))
        if role == Qt.ItemDataRole.AccessibleTextRole and column(name).shape == "bool" and held.value is not None:
            return f"{tr(column(name).label)}: {tr('On') if held.value else tr('Off')}"
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Everything can be selected; what a row has and is no switch can be typed."""
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        name = self.columns[index.column()]
        editable = column(name).shape not in ("bool", "strength", "ids") and place(self.row_at(index), name) is not None
        return _EDITABLE if editable else _SELECTABLE

    # --- keys --------------------------------------------------------------------------------------------------------
    def key_target(self, row: Row, name: str) -> tuple[tuple[Id, ...], str] | None:
        """Whose field, and which, the key dot of a cell keys; None where there is none."""
        if not column(name).keyed:
            return None
        return place(row, name)

    def key_state(self, row: Row, name: str) -> str | None:
        """What the key dot of a cell says, None where there is none."""
        target = self.key_target(row, name)
        return None if target is None else state_of(self.rows.scene, *target, self._studio.frame)

    def toggle_key(self, row: Row, name: str) -> None:
        """Press the key dot of a cell: of all selected cells of its column when it is one of them."""
        found: dict[str, list[Id]] = {}
        for each in self.targets(row, name)[name]:
            target = self.key_target(each, name)
            if target is not None:
                found.setdefault(target[1], []).extend(target[0])
        on = self.key_state(row, name) != KEY
        for field, ids in found.items():
            self._studio.attempt("keys.field", field=field, ids=tuple(dict.fromkeys(ids)), on=on)

    # --- editing -----------------------------------------------------------------------------------------------------
    def _selected_rows(self, row: Row, name: str) -> Chosen:
        """Without a view: the cells of that column of all that is selected, when the row is among it."""
        chosen = [self.rows.by_id[id_] for id_ in self._studio.selection if id_ in self.rows.by_id]
        return {name: chosen if row in chosen else [row]}

    def setData(self, index: Index, new: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Edit a cell, and all cells that are selected with it."""
        if not index.isValid() or role != Qt.ItemDataRole.EditRole or new is None:
            return False
        return self.enter(self.row_at(index), self.columns[index.column()], new)

    def enter(self, row: Row, name: str, new: Any, *, coalesce: str = "") -> bool:
        """Give a value, or a text as it was typed, to a cell and all that are selected with it. Whether it was done:
        not for a cell that is empty."""
        if place(row, name) is None:
            return False
        chosen = self.targets(row, name)
        if len(chosen) == 1 and len(chosen[name]) == 1 and new == self.value(row, name):
            return False
        made: list[Operation] = []
        try:
            made += operations(chosen[name], name, new)
            for other, them in chosen.items():
                if other != name:
                    made += _where_it_parses(them, other, new)
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="error")
            return False
        return self.apply(column(name).label, made, coalesce=coalesce)

    def apply(self, label: str, made: Sequence[Operation], *, coalesce: str = "") -> bool:
        """One step of the history; a fault is told as its sentence. Whether it was done."""
        if not made:
            return False
        try:
            with self._studio.document.edit(label, coalesce=coalesce) as edit:
                edit.apply(applied, made)
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="error")
            return False
        return True

    def toggle(self, row: Row, name: str) -> bool:
        """Turn a switch over, for all that are selected when it is one of them; False where there is none."""
        on = self.value(row, name)
        return on is not None and self.enter(row, name, not on)


def _where_it_parses(rows: Sequence[Row], name: str, new: Any) -> list[Operation]:
    try:
        return operations(rows, name, new, strict=False)
    except UsageError:
        return []
