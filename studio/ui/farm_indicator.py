"""The farm in the status bar: how many jobs run and how far all of them are; a click opens the panel."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QToolButton, QWidget

from studio.commands.registry import N_
from studio.ui import farm_words as words
from studio.ui import theme
from studio.ui.farm_link import FarmLink
from studio.ui.i18n import say, tr, translated


class FarmIndicator(QToolButton):
    """See the module. It is there as soon as this machine knows of a job."""

    def __init__(self, link: FarmLink, show: Callable[[], object], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("status.farm")
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAutoRaise(True)
        say(self.setAccessibleName, N_("Farm"))
        self._link, self._show = link, show
        self.clicked.connect(self._open)
        link.changed.connect(self._tell)
        link.asked.connect(self._asked)
        theme.signals().changed.connect(self._dress)
        self._dress()
        translated(self._tell)

    def _dress(self) -> None:
        self.setIconSize(QSize(theme.size(15), theme.size(15)))

    def _open(self) -> None:
        self._show()

    def _asked(self) -> None:
        """A message of the desktop was clicked."""
        window = self.window()
        window.showNormal() if window.isMinimized() else window.show()
        window.raise_()
        window.activateWindow()
        self._show()

    def _tell(self, state: object = None) -> None:
        jobs = self._link.jobs()
        self.setVisible(bool(jobs))
        going = [job for job in jobs if words.state_of(job) in ("running", "draining")]
        alone = [job for job in jobs if words.state_of(job) == "alone"]
        bad = any(each.fault for each in self._link.states.values()) or any(job.fault for job in jobs)
        total = sum(job.standing.total for job in going)
        done = sum(job.standing.done for job in going)
        share = min(int(100 * done / total), 99 if done < total else 100) if total else 0
        self.setText(f"{len(going)} · {share} %" if going else "")
        self.setIcon(theme.icon("farm", "warning" if bad or alone else "accent" if going else "dim"))
        lines = (
            [tr("{count} farm jobs run; {share} % of them is rendered.", count=len(going), share=share)]
            if going
            else []
        )
        lines += [tr("{count} jobs have no nodes.", count=len(alone))] if alone else []
        lines += [each.fault for each in self._link.states.values() if each.fault]
        self.setToolTip("\n".join(lines) or tr("No farm job runs."))
