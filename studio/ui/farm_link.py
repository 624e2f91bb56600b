"""The window's way to the farms: one watch for the whole studio, whose states arrive here on the window's thread.

The watch looks for stores a while after the start, whose time belongs to the artist, or as soon as a panel wants to
see them. What becomes of jobs is told wherever the artist is: by a notice, and by the desktop when no window of the
studio is active.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QApplication, QSystemTrayIcon

from studio.commands.farm import author_of
from studio.commands.studio import Studio, Update
from studio.errors import StudioError
from studio.farm.model import JobId
from studio.farm.seen import known
from studio.farm.seen.states import JobState, News, StoreState
from studio.farm.seen.watch import FarmWatch
from studio.ui import farm_words, theme
from studio.ui.bridge import Bridge
from studio.ui.i18n import tr

if TYPE_CHECKING:
    from studio.farm.trust.credits import Author

_BEGIN_MS = 3000
_TRAY_MS = 15_000  # that the desktop shows a message


class FarmLink(QObject):
    """See the module. `changed` comes with every new `StoreState`, "" place for one that is looked at no more."""

    changed = Signal(object)
    asked = Signal()  # somebody wants to see the panel

    def __init__(self, studio: Studio, bridge: Bridge) -> None:
        super().__init__()
        self._studio, self._bridge = studio, bridge
        self.states: dict[str, StoreState] = {}
        self.watch = FarmWatch(self._heard, failed=self._fell, author=self._author)
        self.tell_desktop: Callable[[str, str], None] = DesktopMessages(self).show
        self._lookers: set[int] = set()
        self._begun = self._closed = False
        self._forget = studio.watch(self._updated)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_BEGIN_MS)
        self._later.timeout.connect(self.begin)
        self._later.start()

    # --- which stores ------------------------------------------------------------------------------------------------
    def begin(self) -> None:
        """Look at the stores that this machine knows, and at those that came since."""
        if self._closed:
            return
        self._begun = True
        for place in known.places():
            if place not in self.watch.places:
                self.watch.add(place)

    def add(self, place: str) -> None:
        """Look at a store from now on, also after the next start. Raises CannotWrite."""
        known.remember(place)
        self.begin()

    def remove(self, place: str) -> None:
        """Look at a store no more. What lies in it stays. Raises CannotWrite."""
        known.forget(place)
        self.watch.remove(place)
        if self.states.pop(place, None) is not None:
            self.changed.emit(None)

    # --- who looks ---------------------------------------------------------------------------------------------------
    def look(self, who: QObject, on: bool) -> None:
        """Somebody begins or ends to look; while nobody does, stores are read rarely."""
        (self._lookers.add if on else self._lookers.discard)(id(who))
        self.watch.seen = bool(self._lookers)
        if on:
            self._later.stop()
            self.begin()

    def follow(self, place: str, job: JobId) -> None:
        """Say more of one job."""
        self.watch.follow(place, job)

    def fetch(self, job: JobState, output: Path | None = None) -> None:
        """Bring the pictures of a job home now."""
        self.watch.fetch(job.place, job.id, output)

    def _author(self) -> Author | None:
        """Who signs the pictures that come home, by the preferences. On the watch's threads."""
        return author_of(self._studio.preferences)

    # --- what comes --------------------------------------------------------------------------------------------------
    def _heard(self, state: StoreState) -> None:
        """On the watch's threads."""
        self._bridge.post(lambda: self._take(state))

    def _fell(self, fault: Exception) -> None:
        """On the watch's threads: nobody foresaw it, and the window's own net catches it."""

        def fall() -> None:
            raise fault

        self._bridge.post(fall)

    def _take(self, state: StoreState) -> None:
        if self._closed or state.place not in self.watch.places:
            return
        self.states[state.place] = state
        self.changed.emit(state)
        for news in state.news:
            self._tell(news)

    def _tell(self, news: News) -> None:
        text, kind = farm_words.news_text(news)
        self._studio.face.notify(text, kind=kind)
        if not any(window.isActiveWindow() for window in QApplication.topLevelWidgets()):
            self.tell_desktop(tr("Farm"), text)

    def _updated(self, update: Update) -> None:
        if "farm" in update.parts:  # somebody sent a job, or wants something of one
            self._later.stop()
            self.begin()
            self.watch.hurry()

    def jobs(self) -> list[JobState]:
        """The jobs of all stores, the newest last."""
        found = [job for state in self.states.values() for job in state.jobs]
        return sorted(found, key=lambda job: (job.standing.submitted_at, job.id))

    def close(self) -> None:
        """Look no more."""
        self._closed = True
        self._later.stop()
        self._forget()
        self.watch.close()


class DesktopMessages(QObject):
    """Messages of the desktop, where it has a place for them."""

    def __init__(self, link: FarmLink) -> None:
        super().__init__(link)
        self._link = link
        self._icon: QSystemTrayIcon | None = None
        self._gone = QTimer(self)
        self._gone.setSingleShot(True)
        self._gone.setInterval(2 * _TRAY_MS)
        self._gone.timeout.connect(self._hide)

    def show(self, title: str, text: str) -> None:
        """Show a message; nothing happens where the desktop shows none."""
        if not QSystemTrayIcon.isSystemTrayAvailable() or not QSystemTrayIcon.supportsMessages():
            return
        if self._icon is None:
            self._icon = QSystemTrayIcon(theme.icon("farm"), self)
            self._icon.messageClicked.connect(self._link.asked)
            self._icon.activated.connect(lambda _: self._link.asked.emit())
        self._icon.setToolTip(text)
        self._icon.show()
        self._icon.showMessage(title, text, theme.icon("farm"), _TRAY_MS)
        self._gone.start()

    def _hide(self) -> None:
        if self._icon is not None:
            self._icon.hide()


def link_of(studio: Studio, bridge: Bridge) -> FarmLink:
    """The studio's one link to the farms."""
    return studio.own(FarmLink, studio, bridge)


def attempt(studio: Studio, act: Callable[[], object]) -> bool:
    """Do something that may be refused; a fault is told. Whether it was done."""
    try:
        act()
    except StudioError as fault:
        studio.face.notify(str(fault), kind="error")
        return False
    return True
