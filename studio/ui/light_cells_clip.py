"""Cells of the light table on the clipboard, as spreadsheets exchange them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QGuiApplication

from studio.commands.registry import N_
from studio.ui.light_cells import copied
from studio.ui.light_cells_edit import from_text, pasted, to_text
from studio.ui.light_table_rows import GROUP, Row

if TYPE_CHECKING:
    from studio.ui.light_table import LightTable

_REFUSED = N_("{count} could not take what was pasted: {first}")


def block(table: LightTable) -> tuple[list[Row], list[str]]:
    """The rows and columns that hold all selected cells, in the order in which they are seen."""
    rows = [row for row in table.visible_rows() if row.number in table.cells]
    chosen = {number for row in rows for number in table.cells[row.number]}
    columns = table.lights.columns
    return rows, [name for name in table.visible_columns() if columns.index(name) in chosen]


def copy_cells(table: LightTable) -> None:
    """Put the selected cells on the clipboard; what is not selected between them is empty."""
    rows, names = block(table)
    numbers = {name: table.lights.columns.index(name) for name in names}
    grid = [
        [copied(table.lights.rows, row, name) if numbers[name] in table.cells[row.number] else "" for name in names]
        for row in rows
    ]
    if grid:
        QGuiApplication.clipboard().setText(to_text(grid))


def paste_cells(table: LightTable) -> None:
    """Put the clipboard's cells into the selected ones, again and again where it holds fewer; a larger block goes down
    and to the right from the first. One step of the history; what was refused is told."""
    text = QGuiApplication.clipboard().text()
    rows, names = block(table)
    if not text or not rows:
        return
    grid = from_text(text)
    width = max(map(len, grid))
    all_rows = [row for row in table.visible_rows() if (row.kind == GROUP) == (rows[0].kind == GROUP)]
    all_names = table.visible_columns()
    if len(rows) < len(grid):
        first = all_rows.index(rows[0])
        rows = all_rows[first : first + len(grid)]
    if len(names) < width:
        first = all_names.index(names[0])
        names = all_names[first : first + width]
    made, refused = pasted([[*line, *[""] * (width - len(line))] for line in grid], rows, names)
    if refused:
        kind = "warning" if made else "error"
        table.studio.face.notify(_REFUSED, kind=kind, count=len(refused), first=refused[0])
    table.lights.apply(N_("Paste cells"), made)
