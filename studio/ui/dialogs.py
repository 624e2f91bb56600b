"""Questions to whoever sits before the window, one small function each. They block until answered, and a test replaces
them; nothing else in the window runs a dialog's loop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtWidgets import QAbstractButton, QFileDialog, QInputDialog, QLineEdit, QMessageBox, QWidget

from studio.scene.project import is_project
from studio.ui.i18n import tr

PROJECT = ".studio"


class _Files(QFileDialog):
    """A file dialog that also takes a project, which is a folder."""

    def __init__(self, parent: QWidget | None, title: str, kinds: Sequence[str], *, save: bool) -> None:
        super().__init__(parent, title)
        self._save, self._projects = save, PROJECT in kinds
        self.setOption(QFileDialog.Option.DontUseNativeDialog, self._projects)
        self.setAcceptMode(QFileDialog.AcceptMode.AcceptSave if save else QFileDialog.AcceptMode.AcceptOpen)
        if kinds:
            self.setFileMode(QFileDialog.FileMode.AnyFile if save else QFileDialog.FileMode.ExistingFile)
            self.setNameFilters([_filter(kinds), tr("All files (*)")])
        else:
            self.setFileMode(QFileDialog.FileMode.Directory)

    def accept(self) -> None:
        chosen = self.selectedFiles()
        if self._projects and chosen:
            path = Path(chosen[0])
            if is_project(path) and path.is_dir():
                question = tr('"{name}" is there already. Replace what it holds?', name=path.name)
                if not self._save or ask(self, question, (tr("Replace"), tr("Cancel"))) == tr("Replace"):
                    self.done(int(QFileDialog.DialogCode.Accepted))
                return
        super().accept()


def _filter(kinds: Sequence[str]) -> str:
    patterns = [f"*{kind}" for kind in kinds] + (["scene.json"] if PROJECT in kinds else [])
    return tr("Scenes and projects ({patterns})", patterns=" ".join(patterns))


def ask_open(parent: QWidget | None, title: str, kinds: Sequence[str]) -> Path | None:
    """An existing file of one of these suffixes (a folder, when there are none); None for never mind."""
    dialog = _Files(parent, title, kinds, save=False)
    return _chosen(dialog)


def ask_save(parent: QWidget | None, title: str, suggestion: str, kinds: Sequence[str]) -> Path | None:
    """A path to write to; None for never mind."""
    dialog = _Files(parent, title, kinds, save=True)
    place = Path(suggestion)
    if place.is_absolute():
        dialog.setDirectory(str(place.parent))
    dialog.selectFile(place.name)
    if kinds and kinds[0] != PROJECT:
        dialog.setDefaultSuffix(kinds[0].lstrip("."))
    return _chosen(dialog)


def _chosen(dialog: QFileDialog) -> Path | None:
    accepted = dialog.exec() == int(QFileDialog.DialogCode.Accepted)
    chosen = dialog.selectedFiles()
    dialog.deleteLater()
    return project_folder(Path(chosen[0])) if accepted and chosen else None


def project_folder(path: Path) -> Path:
    """The project that a path means: its folder, when it is the scene file in it."""
    return path.parent if path.name == "scene.json" and is_project(path) else path


def ask(parent: QWidget | None, question: str, choices: Sequence[str], *, detail: str = "") -> str:
    """One of the choices, "" for never mind. The first is the default, the last what Esc means."""
    box = QMessageBox(parent)
    box.setObjectName("question")
    box.setWindowTitle(tr("Myriad"))
    box.setText(question)
    box.setInformativeText(detail)
    buttons: dict[QAbstractButton, str] = {}
    for i, choice in enumerate(choices):
        role = QMessageBox.ButtonRole.RejectRole if i == len(choices) - 1 else QMessageBox.ButtonRole.AcceptRole
        button = box.addButton(choice, role)
        button.setObjectName(f"choice.{i}")
        buttons[button] = choice
        if i == 0:
            box.setDefaultButton(button)
        if i == len(choices) - 1:
            box.setEscapeButton(button)
    box.exec()
    answer = buttons.get(box.clickedButton(), "")
    box.deleteLater()
    return answer


def ask_text(parent: QWidget | None, question: str, text: str) -> str:
    """A line of text, "" for never mind."""
    found, accepted = QInputDialog.getText(parent, tr("Myriad"), question, QLineEdit.EchoMode.Normal, text)
    return found if accepted else ""


def ask_choice(parent: QWidget | None, question: str, choices: Sequence[str]) -> str:
    """One of many choices, from a list; "" for never mind."""
    found, accepted = QInputDialog.getItem(parent, tr("Myriad"), question, list(choices), 0, False)
    return found if accepted else ""
