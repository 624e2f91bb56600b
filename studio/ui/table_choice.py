"""What is chosen in a table whose rows hold their records under a role."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QAbstractItemView


def current_in(table: QAbstractItemView, role: int) -> Any:
    """The record of the current row; None where there is none."""
    index = table.currentIndex()
    return index.data(role) if index.isValid() else None


def chosen_in(table: QAbstractItemView, role: int) -> list[Any]:
    """The records of the selected rows."""
    return [index.data(role) for index in table.selectionModel().selectedRows()]
