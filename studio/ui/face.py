"""The window's face: how it answers what commands ask. See `studio.commands.face.Face`.

Texts come in English and are shown in the window's language; answers go back as they were offered. Files are read on
a thread, and what they hold comes back by the bridge, so a large scene never stops the window and a broken one leaves
the open scene as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

from studio.errors import StudioError
from studio.scene.scene import Scene
from studio.ui import dialogs
from studio.ui.i18n import tr

if TYPE_CHECKING:
    from studio.assets.report import LoadReport
    from studio.ui.application import Application
    from studio.ui.view import View

T = TypeVar("T")
_BUTTONS = 4  # more choices than these are a list


class WindowFace:
    """Answers by dialogs over the window that is active."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def ask_open(self, title: str, kinds: Sequence[str]) -> Path | None:
        """An existing file or project, by a dialog."""
        return dialogs.ask_open(self.application.window, tr(title), kinds)

    def ask_save(self, title: str, suggestion: str, kinds: Sequence[str]) -> Path | None:
        """A path to write to, by a dialog."""
        return dialogs.ask_save(self.application.window, tr(title), suggestion, kinds)

    def ask(self, question: str, choices: Sequence[str], **values: object) -> str:
        """One of the choices, by buttons or, when there are many, from a list."""
        shown = {tr(choice): choice for choice in choices}
        few = len(choices) <= _BUTTONS
        answer = (dialogs.ask if few else dialogs.ask_choice)(
            self.application.window, tr(question, **values), tuple(shown)
        )
        return shown.get(answer, "")

    def ask_text(self, question: str, text: str = "") -> str:
        """A line of text, by a dialog."""
        return dialogs.ask_text(self.application.window, tr(question), text)

    def notify(self, sentence: str, *, kind: str = "info", **values: object) -> None:
        """Show a notice that goes by itself, and keep it in the log."""
        self.application.notices.add(tr(sentence, **values), kind=kind)

    def report(self, title: str, report: LoadReport) -> None:
        """Show what an import read, mapped and dropped."""
        self.application.show_report(title, report)

    def load(self, path: Path, then: Callable[[Scene, LoadReport], None]) -> None:
        """Read a scene on a thread; `then` gets it on this one."""
        from studio.assets.load import load_scene

        application = self.application
        application.loading(+1, path.name)

        def read(found: tuple[Scene, LoadReport]) -> None:
            application.loading(-1)
            application.arriving = path.stem
            application.guarded(lambda: then(*found))
            application.arriving = ""

        def failed(fault: Exception) -> None:
            application.loading(-1)
            if not isinstance(fault, StudioError):
                raise fault
            self.notify(str(fault), kind="error")

        application.bridge.run(lambda: load_scene(path), then=read, failed=failed)

    def work(
        self,
        work: Callable[[], T],
        then: Callable[[T], object],
        *,
        doing: str = "",
        failed: Callable[[Exception], object] | None = None,
    ) -> None:
        """Do something slow on a thread; `then`, or `failed`, gets what it gave on this one."""
        application = self.application
        application.loading(+1, doing)

        def done(found: T) -> None:
            application.loading(-1)
            application.guarded(lambda: then(found))

        def fell(fault: Exception) -> None:
            application.loading(-1)
            if failed is not None and isinstance(fault, StudioError):
                application.guarded(lambda: failed(fault))
            else:
                application.tell_fault(fault)

        application.bridge.run(work, then=done, failed=fell)

    def show_panel(self, id_: str) -> bool:
        """Open a panel of the window that was used last, or bring it forward."""
        window = self.application.window
        return window is not None and window.show_panel(id_) is not None

    def reveal(self, folder: Path) -> None:
        """Show a folder in the system's own window of files."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def viewport(self) -> View | None:
        """The viewport that was used last."""
        return self.application.viewport

    def quit(self) -> None:
        """Close every window."""
        self.application.quit()
