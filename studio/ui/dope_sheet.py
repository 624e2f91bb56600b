"""The dope sheet panel: which rows are listed, over the sheet of keys. See `dope_sheet_view`."""

from __future__ import annotations

from functools import partial

from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QToolButton, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.ui import theme
from studio.ui.bars import bar, button
from studio.ui.dope_sheet_view import DopeSheetView
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk, panel


@panel("dope_sheet", N_("Dope sheet"), "bottom", "dope_sheet", default=False)
class DopeSheet(QWidget):
    """Keys of many fields at once, in time."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dope-sheet")
        self.place = "timeline"
        self._studio = studio
        self.sheet = DopeSheetView(studio, desk, self)
        top: QHBoxLayout = bar()
        self.search = QLineEdit()
        self.search.setObjectName("dope-sheet-search")
        self.search.setClearButtonEnabled(True)
        say(self.search.setPlaceholderText, N_("Filter by name or field"))
        say(self.search.setAccessibleName, N_("Filter by name or field"))
        self.search.textChanged.connect(self._filter)
        self.selected = button("dope-sheet-selected", "filter", N_("Selected only"), self._filter, checkable=True)
        top.addWidget(self.search, 1)
        top.addWidget(self.selected)
        for id_, icon in (("time.copy_keys", "copy"), ("time.paste_keys", "paste"), ("time.delete_keys", "delete")):
            top.addWidget(self._command(desk, id_, icon))
        top.addWidget(button("dope-sheet-fit", "fit", N_("Show the whole range"), self.sheet.fit))
        self._count = QLabel()
        self._count.setProperty("role", "dim")
        top.addWidget(self._count)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(self.sheet, 1)
        self.setFocusProxy(self.sheet)
        self._forget = studio.watch(self._heard)
        translated(self._tell_count)

    def _command(self, desk: Desk, id_: str, icon: str) -> QToolButton:
        from studio.commands import registry

        return button(f"dope-sheet.{id_}", icon, registry.find(id_).title, partial(desk.give, id_))

    def close_panel(self) -> None:
        """Stop listening."""
        self._forget()
        self.sheet.close_panel()

    def _filter(self, text: str = "") -> None:
        self.sheet.text = self.search.text()
        self.sheet.only_selected = self.selected.isChecked()
        self.sheet.follow()

    def _heard(self, update: Update) -> None:
        if update.change is not None or "picked" in update.parts:
            self._tell_count()

    def _tell_count(self) -> None:
        count = sum(len(rows) for rows in self._studio.picked.values())
        self._count.setText(tr("{count} keys selected", count=count) if count else "")
        self._count.setMinimumWidth(theme.size(100))
