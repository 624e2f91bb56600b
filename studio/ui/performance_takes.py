"""The takes page: the list, and below it the take that is chosen, to look at on the figure, to trim and to bake."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QMenu, QPushButton, QToolButton, QVBoxLayout, QWidget

from studio.commands.performance_desk import PerformanceDesk
from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.figure.capture.hub import Kept
from studio.figure.capture.recording import TOLERANCE
from studio.ui import theme
from studio.ui.bars import Menu, bar, button, edited, labelled, number
from studio.ui.i18n import say, tr
from studio.ui.number_edit import Range
from studio.ui.panel import Desk
from studio.ui.performance_list import TakeList, fill_menu
from studio.ui.performance_strip import TakeStrip, clock

_AS = ((N_("Keys"), "keys"), (N_("Clip"), "clip"))


class TakesPage(QWidget):
    """See the module."""

    def __init__(self, studio: Studio, desk: Desk, faces: PerformanceDesk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("performance.takes_page")
        self._studio, self._window, self._desk = studio, desk, faces
        self.list = TakeList(studio, desk.bridge)
        self.strip = TakeStrip()
        self.opens = ""  # what a bake that was asked for here opens: "keys" or "clip"
        self._seeking: float | None = None
        self._loading: Path | None = None
        self._build()
        self.list.chosen.connect(self.refresh)
        self.list.doubleClicked.connect(lambda _: self.play())
        self.strip.seeked.connect(self.seek)
        self.strip.toggled.connect(self.play)
        self.strip.trimmed.connect(self._trim)

    def _build(self) -> None:
        self.playing = button("performance.play", "play", N_("Play take"), self.play)
        self.ending = button(
            "performance.end", "stop", N_("End looking at the take"), lambda: self._window.give("capture.stop_take")
        )
        self._at = QLabel()
        self._at.setObjectName("performance.at")
        self.first = number(self._studio, "performance.in", N_("Begins at"), Range(lo=0.0), 0.0, unit="s", width=62)
        self.last = number(self._studio, "performance.out", N_("Ends at"), Range(lo=0.0), 0.0, unit="s", width=62)
        for edit in (self.first, self.last):
            edited(edit, lambda _: self._preview())
            edit.ended.connect(lambda kept: self._trim(self.first.value, self.last.value) if kept else self.refresh())
        more = button("performance.take_more", "more", N_("More"))
        more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu = QMenu(more)
        self._menu.setObjectName("performance.take_more_menu")
        self._menu.aboutToShow.connect(self._fill)
        more.setMenu(self._menu)
        play = bar()
        play.addWidget(self.playing)
        play.addWidget(self.ending)
        play.addWidget(self._at, 1)
        play.addWidget(more)
        ends = bar()
        labelled(ends, N_("Begin"), self.first)
        labelled(ends, N_("End"), self.last)
        ends.addStretch(1)
        self.kind = Menu("performance.bake_as", N_("Bake to keys of the figure, or to a clip with a strip"), _AS)
        self.tolerance = number(
            self._studio, "performance.tolerance", N_("How far keys may be from the take, in weights"),
            Range(lo=0.0, hi=0.2, soft_hi=0.05), TOLERANCE, width=62,
        )  # fmt: skip
        edited(self.tolerance, lambda _: None)
        self.bake_button = QPushButton()
        self.bake_button.setObjectName("performance.bake")
        self.bake_button.setIcon(theme.icon("bake"))
        say(self.bake_button.setText, N_("Bake"))
        say(self.bake_button.setToolTip, N_("Put the take on the figure from this frame on, and open its curves"))
        self.bake_button.clicked.connect(self.bake)
        bake = bar()
        labelled(bake, N_("Tolerance"), self.tolerance)
        bake.addStretch(1)
        bake.addWidget(self.kind)
        bake.addWidget(self.bake_button)
        self._hint = QLabel()
        self._hint.setProperty("role", "empty")
        self._hint.setWordWrap(True)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._lower = QWidget()
        lower = QVBoxLayout(self._lower)
        lower.setContentsMargins(0, 0, 0, theme.size(4))
        lower.setSpacing(0)
        lower.addWidget(self.strip)
        lower.addLayout(play)
        lower.addLayout(ends)
        lower.addLayout(bake)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.list, 1)
        layout.addWidget(self._hint, 1)
        layout.addWidget(self._lower)

    # --- following ---------------------------------------------------------------------------------------------------
    def follow(self) -> None:
        """Show the takes that there are."""
        self.list.follow(self._desk.hub.takes())
        self.refresh()

    def refresh(self) -> None:
        """Say what is true of the chosen take now."""
        take, there = self.list.take, bool(self.list.takes.takes)
        self.list.setVisible(there)
        self._lower.setVisible(there)
        self._hint.setVisible(not there)
        self._hint.setText(tr("No takes yet. Record one, or import a recording."))
        info = take.info if take is not None else None
        inside = (0.0, 0.0) if info is None else info.trim or (0.0, info.seconds)
        seconds = 0.0 if info is None else info.seconds
        found = self.list.pictures.of(take.path) if take is not None and info is not None else None
        self.strip.show_take(seconds, inside, found)
        for edit, value in ((self.first, inside[0]), (self.last, inside[1])):
            edit.setEnabled(info is not None)
            if not edit.hasFocus():
                edit.set_value(round(value, 2))
        self.bake_button.setEnabled(info is not None)
        self.playing.setEnabled(info is not None)
        self.show_time()

    def show_time(self) -> None:
        """Say where the take stands."""
        take, playing = self.list.take, self._desk.playing
        here = playing is not None and take is not None and playing.path == take.path
        self.strip.show_at(playing.at if here and playing is not None else None)
        runs = playing is not None and playing.since is not None
        self.playing.setIcon(theme.icon("pause" if runs else "play"))
        self.ending.setEnabled(playing is not None)
        seconds = self.strip.seconds
        at = playing.at if here and playing is not None else self.strip.inside[0]
        self._at.setText(f"{clock(at)} / {clock(seconds)}" if seconds else "")

    def _fill(self) -> None:
        self._menu.clear()
        fill_menu(self._menu, self._studio, self.list.take)

    # --- doing -------------------------------------------------------------------------------------------------------
    def _whole(self) -> Kept | None:
        take = self.list.take
        return take if take is not None and take.info is not None else None

    def play(self) -> None:
        """Have the chosen take run on the figure, or stand."""
        take, playing = self._whole(), self._desk.playing
        if take is None:
            return
        if playing is not None and playing.path == take.path:
            self._desk.play(on=playing.since is None)
        else:
            self._studio.attempt("capture.play_take", path=str(take.path))

    def seek(self, at: float) -> None:
        """Look at a moment of the chosen take on the figure."""
        take, playing = self._whole(), self._desk.playing
        if take is None:
            return
        if playing is not None and playing.path == take.path:
            self._desk.seek(at)
            return
        self._seeking = at
        if self._loading != take.path:  # all of it is filtered once; what is scrubbed meanwhile is looked at then
            self._loading = take.path
            if not self._studio.attempt("capture.play_take", path=str(take.path), at=at, stand=True):
                self._loading = None

    def taken(self) -> None:
        """A take came onto the figure, moved or left it."""
        self._loading = None
        at, self._seeking = self._seeking, None
        playing, take = self._desk.playing, self.list.take
        if at is not None and playing is not None and take is not None and playing.path == take.path:
            self._desk.seek(at)
        self.show_time()

    def _preview(self) -> None:
        self.strip.inside = (self.first.value, max(self.last.value, self.first.value))
        self.strip.update()

    def _trim(self, first: float, last: float) -> None:
        take = self._whole()
        if take is not None:
            self._studio.attempt("capture.trim_take", path=str(take.path), first=first, last=last)

    def bake(self) -> None:
        """Put the chosen take on the figure."""
        take = self._whole()
        if take is None:
            return
        self.opens = str(self.kind.currentData())
        self._desk.put_away()
        self._studio.attempt(
            "capture.bake",
            path=str(take.path),
            figure=self._figure(take.path),
            as_clip=self.opens == "clip",
            tolerance=self.tolerance.value,
        )

    def _figure(self, path: Path) -> str:
        """Whom the device moves, where several could be meant; "" for who is selected or alone."""
        there = self._desk.hub.listening.get(self._desk.device)
        return there.figure if there is not None and there.figure in self._studio.scene.entities else ""
