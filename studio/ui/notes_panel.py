"""Notes on the scene: a page of plain text that is kept in the project and undone like everything else."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtWidgets import QPlainTextEdit, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.scene.scene import Scene
from studio.ui.i18n import say
from studio.ui.panel import Desk, panel

_LONGEST = 200_000  # characters: a page, not a book


@panel("notes", N_("Notes"), "right", "notes", default=False)
class NotesPanel(QWidget):
    """The page."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("notes-panel")
        self._studio = studio
        self.page = QPlainTextEdit(self)
        self.page.setObjectName("notes-page")
        self.page.setUndoRedoEnabled(False)  # the document has the only history
        self.page.setTabChangesFocus(True)
        say(self.page.setPlaceholderText, N_("What is to be done, what was agreed, what the director said…"))
        say(self.page.setAccessibleName, N_("Notes on the scene"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.page)
        self._run = 0  # of typing: a pause in the page's focus or somebody else's edit begins a new step of undo
        self._writing = False
        self.page.textChanged.connect(self._typed)
        self._forget = studio.watch(self._heard)
        self._show()

    def close_panel(self) -> None:
        """Stop listening."""
        self._forget()

    def _typed(self) -> None:
        text = self.page.toPlainText()[:_LONGEST]
        if text == self._studio.scene.notes:
            return

        def write(scene: Scene) -> Scene:
            return replace(scene, notes=text)

        self._writing = True
        try:
            with self._studio.document.edit(N_("Write notes"), coalesce=f"notes.{self._run}") as edit:
                edit.apply(write)
        finally:
            self._writing = False

    def _heard(self, update: Update) -> None:
        if self._writing or (update.change is None and "path" not in update.parts):
            return
        self._run += 1
        self._show()

    def _show(self) -> None:
        """Show what the scene says, with the cursor where it was."""
        notes = self._studio.scene.notes
        if self.page.toPlainText() == notes:
            return
        at = self.page.textCursor().position()
        blocked = self.page.blockSignals(True)
        self.page.setPlainText(notes)
        self.page.blockSignals(blocked)
        cursor = self.page.textCursor()
        cursor.setPosition(min(at, len(notes)))
        self.page.setTextCursor(cursor)
