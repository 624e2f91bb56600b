"""The flipbook: finished frames played at rate, looked at closely, and held against another take.

It plays what is on the disk, not what the scene would give now. Frames that are not ready when their time comes are
dropped, never waited for, so motion is judged at the speed that it will have; the line below shows which are ready.
A reel of a job of the queue grows while it is looked at.
"""

from __future__ import annotations

import time
from pathlib import Path

from PySide6.QtCore import QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.errors import StudioError
from studio.render import reel as reels
from studio.render.reel import Reel
from studio.ui import bars, flipbook_commands, theme
from studio.ui.developing import Developing
from studio.ui.i18n import say, tr, translated
from studio.ui.number_edit import Range
from studio.ui.panel import Desk, panel
from studio.ui.picture_canvas import PictureCanvas
from studio.ui.playback import Clock
from studio.ui.reel_cache import ReelCache, Way

_STEPS = ((N_("Fits"), 0), ("1:1", 1), ("1:2", 2), ("1:4", 4))
_COMPARING = (
    (N_("No comparison"), "off"),
    (N_("Wipe"), "wipe"),
    (N_("Difference"), "difference"),
    (N_("Other take"), "other"),
)
_KINDS = (*reels.STILLS, *reels.MOVIES)


@panel("flipbook", N_("Flipbook"), "centre", "flipbook", default=False)
class Flipbook(QWidget):
    """See the module."""

    place = flipbook_commands.PLACE

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("flipbook")
        self._studio, self._desk = studio, desk
        self.reel: Reel | None = None
        self.other: Reel | None = None
        self.frame = 1
        self.wipe_at = 0.5
        self._clock: Clock | None = None
        self._fps = studio.scene.fps
        self._shown: tuple[int, object] | None = None
        self._step_kept = 1
        self._drawn: list[float] = []  # when frames were shown, for the true rate
        self.dropped = 0
        self.cache = ReelCache(desk.bridge, parent=self)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.canvas = PictureCanvas()
        say(self.canvas.setAccessibleName, N_("Picture of the flipbook"))
        self.track = ReelTrack()
        self._title, self._figures, self._fault = QLabel(), QLabel(), QLabel()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.tick)
        self._make()
        self._connect()
        self._forget = studio.watch(self._heard)
        translated(self._relabel)

    def close_panel(self) -> None:
        """Stop, and close what is open."""
        self._forget()
        self._timer.stop()
        for reel in (self.reel, self.other):
            if reel is not None:
                reel.close()

    # --- building ----------------------------------------------------------------------------------------------------
    def _make(self) -> None:
        top, foot = bars.bar(), bars.bar()
        self.open_button = bars.button("flipbook-open", "open", N_("Open frames…"), self.ask_open, text=True)
        self.with_button = bars.button("flipbook-with", "compare", N_("Compare with…"), self.ask_other)
        self.compare_menu = bars.Menu("flipbook-compare", N_("Compare"), _COMPARING)
        self.compare_menu.setEnabled(False)
        self.step_menu = bars.Menu("flipbook-size", N_("Resolution of playback"), _STEPS)
        self.exposure = bars.number(
            self._studio, "flipbook-exposure", N_("Exposure"), Range(soft_lo=-8.0, soft_hi=8.0), 0.0
        )
        self._title.setObjectName("flipbook-title")
        self._title.setTextFormat(Qt.TextFormat.PlainText)
        for widget in (self.open_button, self.with_button, self.compare_menu):
            top.addWidget(widget)
        top.addWidget(self._title, 1)
        bars.labelled(top, N_("Exposure"), self.exposure)
        top.addWidget(self.step_menu)

        self.first_button = bars.button("flipbook-first", "to-start", N_("To the first frame"), self.to_first)
        self.back_button = bars.button("flipbook-back", "previous-frame", N_("Previous frame"), lambda: self.step(-1))
        self.play_button = bars.button("flipbook-play", "play", N_("Play"), self.toggle, checkable=True)
        self.next_button = bars.button("flipbook-next", "next-frame", N_("Next frame"), lambda: self.step(1))
        self.last_button = bars.button("flipbook-last", "to-end", N_("To the last frame"), self.to_last)
        self.loop_menu = bars.Menu(
            "flipbook-loop",
            N_("At the end"),
            ((N_("Loop"), "loop"), (N_("There and back"), "pingpong"), (N_("Stop at the end"), "once")),
        )
        self.rate = bars.number(
            self._studio, "flipbook-rate", N_("Frames per second"), Range(lo=1.0, hi=240.0), self._fps, unit="fps"
        )
        for name, label in (("figures", self._figures), ("fault", self._fault)):
            label.setObjectName(f"flipbook-{name}")
            label.setProperty("role", "dim")
            label.setTextFormat(Qt.TextFormat.PlainText)
        transport = (self.first_button, self.back_button, self.play_button, self.next_button, self.last_button)
        for control in (*transport, self.loop_menu, self.rate):
            foot.addWidget(control)
        foot.addWidget(self._fault, 1)
        foot.addWidget(self._figures)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(self.canvas, 1)
        layout.addWidget(self.track)
        layout.addLayout(foot)

    def _connect(self) -> None:
        self.cache.loaded.connect(self._loaded)
        self.track.scrubbed.connect(self.scrub)
        self.compare_menu.activated.connect(self._look)
        self.step_menu.activated.connect(self._look)
        bars.edited(self.exposure, lambda value: self._look())
        bars.edited(self.rate, self.set_rate)
        self.loop_menu.activated.connect(self._restart)
        self.canvas.wiped.connect(self._wiped)

    def _relabel(self) -> None:
        if self.reel is None:
            self.canvas.say(tr("Open frames, or choose “Show in flipbook” in the queue."))
        self._tell()

    def _heard(self, update: Update) -> None:
        if "preferences" in update.parts:
            self._look()

    # --- what is shown -----------------------------------------------------------------------------------------------
    def ask_open(self) -> None:
        """Choose frames."""
        path = self._studio.face.ask_open(tr("Open frames"), _KINDS)
        if path is not None:
            self.open(path)

    def ask_other(self) -> None:
        """Choose what to compare with."""
        path = self._studio.face.ask_open(tr("Compare with"), _KINDS)
        if path is not None:
            self.open(path, other=True)

    def open(self, path: Path, *, other: bool = False) -> None:
        """Show the sequence of a file, or the movie that it is. A fault is told and nothing changes."""
        fps = self._studio.scene.fps
        self._desk.bridge.run(
            lambda: reels.open_reel(path, fps=fps),
            then=lambda reel: self.show_other(reel) if other else self.show_reel(reel),
            failed=self._failed,
        )

    def _failed(self, fault: Exception) -> None:
        if not isinstance(fault, StudioError):
            raise fault
        self._studio.face.notify(str(fault), kind="error")

    def show_reel(self, reel: Reel, *, frame: int | None = None) -> None:
        """Show frames, from the first one on."""
        if self.reel is not None and self.reel is not reel:
            self.reel.close()
        self.reel = reel
        self.canvas.say("")
        self.set_rate(reel.fps)
        self.rate.set_value(reel.fps)
        first, last = self._span()
        self._title.setText(reel.name)
        self._title.setToolTip(reel.name)
        self.frame = min(max(frame if frame is not None else first, first), last)
        self._look()

    def grow(self, reel: Reel) -> None:
        """Take the same reel with more frames, or frames that were rendered again, without moving the playhead."""
        old = self.reel
        self.reel = reel
        if old is not None:
            fresh = set(reel.frames) - set(old.frames)
            self.cache.show(reel, self.other, self._way())
            self.cache.forget(frozenset(fresh))
        self._look()

    def show_other(self, reel: Reel | None) -> None:
        """Compare with other frames; None ends it."""
        if self.other is not None and self.other is not reel:
            self.other.close()
        self.other = reel
        self.compare_menu.setEnabled(reel is not None)
        self.compare_menu.choose("wipe" if reel is not None else "off")
        self._look()

    def _way(self) -> Way:
        step = int(self.step_menu.currentData())
        if step == 0:
            step = self._fitting_step()
        compare = str(self.compare_menu.currentData()) if self.other is not None else "off"
        return Way(step, Developing(exposure_ev=self.exposure.value), compare)

    def _fitting_step(self) -> int:
        """The coarsest reading that still has a pixel for each of the screen's."""
        shown = self.cache.get(self.frame)
        if shown is None or shown.image is None or self.reel is None:
            return self._step_kept
        width = shown.image.width() * self._step_kept
        room = max(self.canvas.width() * self.canvas.devicePixelRatioF(), 64.0)
        wanted = 1
        while width / (wanted * 2) >= room and wanted < 8:
            wanted *= 2
        self._step_kept = wanted
        return wanted

    def _span(self) -> tuple[int, int]:
        return reels.longest([reel for reel in (self.reel,) if reel is not None])

    def _look(self) -> None:
        """Show the present frame by the present settings."""
        if self.reel is None:
            return
        self.cache.show(self.reel, self.other, self._way())
        self._shown = None
        self._show()

    def _show(self) -> bool:
        """Draw the present frame if it is ready; whether it was."""
        self.cache.go(self.frame, self._span())
        self._draw_track()
        shown = self.cache.get(self.frame)
        if shown is None:
            self._tell()
            return False
        if self._shown != (self.frame, shown):
            self._shown = (self.frame, shown)
            self.canvas.show_picture(shown.image)
            self.canvas.compare(shown.other, wipe=self.wipe_at)
            self.canvas.say("" if shown.image is not None else shown.fault)
            self._drawn.append(time.perf_counter())
            del self._drawn[:-64]
        self._tell()
        return True

    def _loaded(self, number: int) -> None:
        if number == self.frame and self._clock is None:
            step = self._step_kept
            self._show()
            if int(self.step_menu.currentData()) == 0 and self._fitting_step() != step:
                self._look()
        else:
            self._draw_track()

    def _draw_track(self) -> None:
        there = frozenset(self.reel.frames) if self.reel is not None else frozenset()
        self.track.look(self._span(), self.frame, self.cache.numbers, there)

    def _wiped(self, at: float) -> None:
        self.wipe_at = at

    # --- moving ------------------------------------------------------------------------------------------------------
    @property
    def playing(self) -> bool:
        """Whether it plays."""
        return self._clock is not None

    def toggle(self) -> None:
        """Play or pause."""
        if self.playing or self.reel is None:
            self.pause()
        else:
            self._start()

    def pause(self) -> None:
        """Stop where it is."""
        self._clock = None
        self._timer.stop()
        self._draw_play()
        self._show()

    def _start(self, now: float | None = None) -> None:
        first, last = self._span()
        mode = str(self.loop_menu.currentData())
        at = first if self.frame >= last and mode == "once" else self.frame
        begun = time.perf_counter() if now is None else now
        self._clock = Clock(begun, float(at), float(first), float(last), self._fps, mode)
        self.dropped = 0
        self._drawn.clear()
        self._timer.start(max(1, round(500.0 / self._fps)))
        self._draw_play()

    def _restart(self) -> None:
        if self.playing:
            self._start()

    def _draw_play(self) -> None:
        self.play_button.setChecked(self.playing)
        self.play_button.setIcon(theme.icon("pause" if self.playing else "play"))

    def set_rate(self, fps: float) -> None:
        """Play at so many frames a second."""
        self._fps = min(max(fps, 1.0), 240.0)
        self._restart()

    def tick(self, now: float | None = None) -> None:
        """Look which frame it is time for."""
        if self._clock is None:
            return
        moment = time.perf_counter() if now is None else now
        number = round(self._clock.shown(moment))
        first, last = self._span()
        if number == self.frame:
            if self._clock.mode == "once" and moment - self._clock.begun_s > (last - first + 1) / self._fps:
                self.pause()
            return
        passed = number - self.frame if number > self.frame else 1
        self.dropped += max(passed - 1, 0)
        self.frame = number
        if not self._show():
            self.dropped += 1

    def scrub(self, number: int) -> None:
        """Go to a frame by hand; it stops playing."""
        if self.reel is None:
            return
        self._clock = None
        self._timer.stop()
        self._draw_play()
        first, last = self._span()
        self.frame = min(max(number, first), last)
        self._show()

    def step(self, by: int) -> None:
        """Go some frames on or back, round the ends."""
        first, last = self._span()
        self.scrub(first + (self.frame + by - first) % (last - first + 1))

    def to_first(self) -> None:
        """Go to the first frame."""
        self.scrub(self._span()[0])

    def to_last(self) -> None:
        """Go to the last frame."""
        self.scrub(self._span()[1])

    def _tell(self) -> None:
        if self.reel is None:
            self._figures.setText("")
            return
        first, last = self._span()
        parts = [tr("Frame {frame} of {first} to {last}", frame=self.frame, first=first, last=last)]
        if self.playing and len(self._drawn) > 4:
            rate = (len(self._drawn) - 1) / max(self._drawn[-1] - self._drawn[0], 1e-6)
            parts.append(tr("{rate} fps shown, {count} dropped", rate=f"{rate:.1f}", count=self.dropped))
        self._figures.setText("  ·  ".join(parts))
        missing = self.frame not in self.reel.frames
        self._fault.setText(tr("This frame is not rendered yet.") if missing else "")


class ReelTrack(QWidget):
    """The line of frames: which there are, which are ready, where the playhead is. Press and drag scrubs."""

    scrubbed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("flipbook-track")
        say(self.setAccessibleName, N_("Frames"))
        self._span, self._at = (1, 1), 1
        self._ready: frozenset[int] = frozenset()
        self._there: frozenset[int] = frozenset()
        self.setFixedHeight(theme.size(20))
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:
        """A line."""
        return QSize(theme.size(200), theme.size(20))

    def look(self, span: tuple[int, int], at: int, ready: frozenset[int], there: frozenset[int]) -> None:
        """Draw a span with its playhead, the frames that are ready, and those that there are."""
        self._span, self._at, self._ready, self._there = span, at, ready, there
        self.update()

    def _x(self, number: float) -> float:
        first, last = self._span
        return (number - first) / max(last - first + 1, 1) * self.width()

    def frame_at(self, x: float) -> int:
        """The frame at a position."""
        first, last = self._span
        return min(max(first + int(x / max(self.width(), 1) * (last - first + 1)), first), last)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go there."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.scrubbed.emit(self.frame_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go along."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.scrubbed.emit(self.frame_at(event.position().x()))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Frames that there are as a line, ready ones brighter, the playhead as a bar with its number."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.color("well"))
        height, line = self.height(), max(2, theme.size(3))
        for numbers, color, thick in ((self._there, "border", line), (self._ready, "accent", line)):
            for start, end in _runs(numbers):
                box = QRectF(self._x(start), height - thick, max(self._x(end + 1) - self._x(start), 1.0), thick)
                painter.fillRect(box, theme.color(color))
        first = self._span[0]
        at = QRectF(self._x(self._at), 0, max(self._x(first + 1), 2.0), height)
        painter.fillRect(at, theme.color("selection"))
        painter.setPen(theme.color("text"))
        text = str(self._at)
        wide = painter.fontMetrics().horizontalAdvance(text) + theme.size(6)
        left = min(max(at.center().x() - wide / 2, 0.0), self.width() - wide)
        painter.drawText(QRectF(left, 0, wide, height - line), Qt.AlignmentFlag.AlignCenter, text)
        painter.end()


def _runs(numbers: frozenset[int]) -> list[tuple[int, int]]:
    """Frames that follow one another, as first and last."""
    out: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if out and number == out[-1][1] + 1:
            out[-1] = (out[-1][0], number)
        else:
            out.append((number, number))
    return out
