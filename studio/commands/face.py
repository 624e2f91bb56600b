"""The studio's face: what a command may ask of whoever sits before it.

A window answers with dialogs and panels; `Headless` answers for scripts and tests without one: questions get the
answers it was given beforehand, notices are kept in a list.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from studio.errors import StudioError
from studio.scene.scene import Scene
from studio.viewport.tools.tool import Viewer

if TYPE_CHECKING:
    from studio.assets.report import LoadReport
    from studio.viewport.tools.toolset import ViewportTools
    from studio.viewport.view import Overlays


T = TypeVar("T")


class Viewport(Viewer, Protocol):
    """A viewport as commands see it: what tools may ask of it, the tools themselves, and its overlays."""

    @property
    def tools(self) -> ViewportTools:
        """The tools that work in it."""

    def set_overlays(self, overlays: Overlays) -> None:
        """Choose what is drawn over the picture."""


class Face(Protocol):
    """What a window does for commands. Questions block until they are answered; "" and None mean "never mind"."""

    def ask_open(self, title: str, kinds: Sequence[str]) -> Path | None:
        """An existing file (or project folder) of one of these suffixes."""

    def ask_save(self, title: str, suggestion: str, kinds: Sequence[str]) -> Path | None:
        """A path to write to."""

    def ask(self, question: str, choices: Sequence[str], **values: object) -> str:
        """One of the choices, or "". `values` replace the `{name}`s of the question once it is translated."""

    def ask_text(self, question: str, text: str = "") -> str:
        """A line of text, or ""."""

    def notify(self, sentence: str, *, kind: str = "info", **values: object) -> None:
        """Tell something that needs no answer; `kind` is info, warning or error, `values` as in `ask`."""

    def report(self, title: str, report: LoadReport) -> None:
        """Show what an import read, mapped and dropped."""

    def load(self, path: Path, then: Callable[[Scene, LoadReport], None]) -> None:
        """Read a scene file, without stopping the window meanwhile, and hand over what it holds. A file that cannot be
        read is notified as an error and nothing else happens."""

    def work(
        self,
        work: Callable[[], T],
        then: Callable[[T], object],
        *,
        doing: str = "",
        failed: Callable[[Exception], object] | None = None,
    ) -> None:
        """Do something slow without stopping the window, and hand over what it gives; `doing` names what is read. A
        `StudioError` is notified and nothing else happens, unless `failed` takes it."""

    def show_panel(self, id_: str) -> bool:
        """Open a panel, or bring it forward; whether there is a window to do it in."""

    def reveal(self, folder: Path) -> None:
        """Show a folder as the system shows folders."""

    def viewport(self) -> Viewport | None:
        """The viewport that was used last."""

    def quit(self) -> None:
        """Close every window."""


@dataclass(slots=True)
class Headless:
    """A face for scripts and tests. `answers` are given to the questions in their order, "" when they run out."""

    answers: deque[Any] = field(default_factory=deque)
    notices: list[tuple[str, str]] = field(default_factory=list)
    reports: list[LoadReport] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    revealed: list[Path] = field(default_factory=list)
    viewer: Viewport | None = None
    closed: bool = False

    def _answer(self, question: str, none: Any) -> Any:
        self.questions.append(question)
        return self.answers.popleft() if self.answers else none

    def ask_open(self, title: str, kinds: Sequence[str]) -> Path | None:
        """The next answer."""
        found = self._answer(title, None)
        return None if found is None else Path(found)

    def ask_save(self, title: str, suggestion: str, kinds: Sequence[str]) -> Path | None:
        """The next answer."""
        found = self._answer(title, None)
        return None if found is None else Path(found)

    def ask(self, question: str, choices: Sequence[str], **values: object) -> str:
        """The next answer."""
        return str(self._answer(question.format(**values) if values else question, ""))

    def ask_text(self, question: str, text: str = "") -> str:
        """The next answer."""
        return str(self._answer(question, ""))

    def notify(self, sentence: str, *, kind: str = "info", **values: object) -> None:
        """Keep the notice."""
        self.notices.append((kind, sentence.format(**values) if values else sentence))

    def report(self, title: str, report: LoadReport) -> None:
        """Keep the report."""
        self.reports.append(report)

    def load(self, path: Path, then: Callable[[Scene, LoadReport], None]) -> None:
        """Read it here and now; raises what the reader raises."""
        from studio.assets.load import load_scene

        then(*load_scene(path))

    def work(
        self,
        work: Callable[[], T],
        then: Callable[[T], object],
        *,
        doing: str = "",
        failed: Callable[[Exception], object] | None = None,
    ) -> None:
        """Do it here and now; raises what it raises, unless `failed` takes it."""
        try:
            found = work()
        except StudioError as fault:
            if failed is None:
                raise
            failed(fault)
        else:
            then(found)

    def show_panel(self, id_: str) -> bool:
        """There is no window."""
        return False

    def reveal(self, folder: Path) -> None:
        """Note it."""
        self.revealed.append(folder)

    def viewport(self) -> Viewport | None:
        """The one that was given."""
        return self.viewer

    def quit(self) -> None:
        """Note it."""
        self.closed = True
