"""Drags over the light table: a value filled over cells, numbers scrubbed, switches painted.

A drag lives from the press to the release; Escape takes it back. Scrubbing and painting edit at every move under one
token, so each is one step of the history; filling marks the cells and edits them at the release.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QPoint, Qt

from studio.errors import StudioError
from studio.scene.schema import Field
from studio.ui.field_rows import range_of
from studio.ui.light_cells import place
from studio.ui.light_cells_edit import changed_since, operations
from studio.ui.light_table_columns import column
from studio.ui.light_table_rows import GROUP, Row
from studio.ui.number_edit import pace, scrubbed

if TYPE_CHECKING:
    from studio.ui.light_table import LightTable

_tokens = itertools.count()
_STILL_PX = 2


class Drag(Protocol):
    """What a press begins."""

    def move(self, at: QPoint, modifiers: Qt.KeyboardModifier) -> None:
        """The mouse is here now, in pixels of the table's viewport."""

    def end(self) -> None:
        """The button was let go."""

    def cancel(self) -> None:
        """Make it as though it had never been."""


class Fill:
    """A cell's value goes to the cells that the mouse comes over, those of its column and of columns alike."""

    def __init__(self, table: LightTable, row: Row, name: str) -> None:
        self._table, self._row, self._name = table, row, name
        self.rows: list[Row] = [row]
        self.columns: list[str] = [name]

    def move(self, at: QPoint, modifiers: Qt.KeyboardModifier) -> None:
        """Mark from the first cell to the one below the mouse."""
        table = self._table
        rows = table.visible_rows()
        here = table.row_below(at)
        if here is None or self._row not in rows:
            return
        first, last = sorted((rows.index(self._row), rows.index(here)))
        of_groups = self._row.kind == GROUP
        self.rows = [row for row in rows[first : last + 1] if (row.kind == GROUP) == of_groups]
        names = table.visible_columns()
        over = table.column_below(at) or self._name
        left, right = sorted((names.index(self._name), names.index(over)))
        mine = column(self._name)
        self.columns = [n for n in names[left : right + 1] if n == self._name or column(n).alike(mine)]
        table.viewport().update()

    def end(self) -> None:
        """Give the value to what is marked."""
        model = self._table.lights
        held = model.value(self._row, self._name)
        made = []
        for name in self.columns:
            rows = [row for row in self.rows if (row is not self._row or name != self._name) and place(row, name)]
            if rows:
                made += operations(rows, name, held, strict=False)
        self._table.viewport().update()
        model.apply(column(self._name).label, made)

    def cancel(self) -> None:
        """Unmark."""
        self._table.viewport().update()


class Scrub:
    """Numbers of a column run with the mouse, each from what it was; finely with Shift, coarsely with Ctrl."""

    def __init__(self, table: LightTable, row: Row, name: str, field: Field, at: QPoint) -> None:
        self._table, self._row, self._name, self._from = table, row, name, at
        self._range = range_of(field)
        model = table.lights
        self._rows = list(model.targets(row, name)[name])
        self._value = float(model.value(row, name))
        self._since = table.studio.posed
        self._token = f"lights-scrub-{next(_tokens)}"
        self._moved = False
        model.hold_order(True)

    def move(self, at: QPoint, modifiers: Qt.KeyboardModifier) -> None:
        """Change everything by the way from the press."""
        way = at.x() - self._from.x()
        if not self._moved and abs(way) <= _STILL_PX:
            return
        self._moved = True
        entry = scrubbed(self._range, way * pace(modifiers), self._value)
        made = changed_since(self._rows, self._name, entry.new, self._since)
        self._table.lights.apply(column(self._name).label, made, coalesce=self._token)

    def end(self) -> None:
        """Keep it."""
        self._table.lights.hold_order(False)

    def cancel(self) -> None:
        """Everything is as it was."""
        if self._moved:
            self._table.studio.document.abandon(self._token)
        self._table.lights.hold_order(False)


class Paint:
    """A switch is turned, and those that the mouse comes over are turned the same way."""

    def __init__(self, table: LightTable, row: Row, name: str) -> None:
        self._table, self._name = table, name
        self._on, self._of_groups = not table.lights.value(row, name), row.kind == GROUP
        self._done: set[Row] = set()
        self._token = f"lights-switch-{next(_tokens)}"
        table.lights.hold_order(True)
        self._turn(table.lights.targets(row, name)[name])

    def move(self, at: QPoint, modifiers: Qt.KeyboardModifier) -> None:
        """Turn the switch below the mouse."""
        here = self._table.row_below(at)
        if here is not None and here not in self._done and (here.kind == GROUP) == self._of_groups:
            self._turn([here])

    def _turn(self, rows: Iterable[Row]) -> None:
        them = [row for row in rows if place(row, self._name) is not None]
        self._done.update(them)
        try:
            made = operations(them, self._name, self._on) if them else []
        except StudioError as fault:
            self._table.studio.face.notify(str(fault), kind="error")
            return
        self._table.lights.apply(column(self._name).label, made, coalesce=self._token)

    def end(self) -> None:
        """Keep it."""
        self._table.lights.hold_order(False)

    def cancel(self) -> None:
        """Turn them back."""
        self._table.studio.document.abandon(self._token)
        self._table.lights.hold_order(False)
