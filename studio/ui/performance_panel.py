"""The performance panel: who performs, recording it, and the takes.

What is live stands above, with how late it is; below it the takes and the calibration are two pages. Devices and their
form are `performance_devices`, calibration `performance_channels`, takes `performance_takes`; time goes on in
`performance_clock`, sixty times a second and only while somebody acts.
"""

from __future__ import annotations

import math

from PySide6.QtCore import Qt
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QTabBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.scene.entities import Figure
from studio.ui import key_dots, menus, theme
from studio.ui.bars import Given, Menu, bar, button
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk, panel
from studio.ui.performance_channels import CalibrationPage
from studio.ui.performance_clock import clock_of
from studio.ui.performance_devices import DeviceForm, DeviceList
from studio.ui.performance_strip import clock as told_time
from studio.ui.performance_takes import TakesPage

_COUNTS = ((N_("At once"), 0.0), (N_("In 3 s"), 3.0), (N_("In 5 s"), 5.0))
_METERS, _TEXTS = 2, 15  # ticks between two looks at meters, and at texts
_PAGES = (N_("Takes"), N_("Calibration"))


@panel("performance", N_("Performance"), "right", "performance", default=False)
class PerformancePanel(QWidget):
    """See the module."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("performance")
        self._studio, self._window = studio, desk
        self.clock = clock_of(studio, desk.bridge)
        self.desk = self.clock.desk
        self._ticks = 0
        self.devices = DeviceList(studio, self.desk)
        self.form = DeviceForm(studio)
        self.takes = TakesPage(studio, desk, self.desk)
        self.calibration = CalibrationPage(studio, desk, self.desk)
        self._build()
        self.devices.closing.connect(lambda key: studio.attempt("capture.close", device=key))
        self.clock.ticked.connect(self._ticked)
        self._forget = (studio.watch(self._updated), self.desk.watch(self._heard))
        translated(self.refresh)

    # --- building ----------------------------------------------------------------------------------------------------
    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(self._top())
        self._intro = QLabel()
        self._intro.setProperty("role", "dim")
        self._intro.setWordWrap(True)
        self._intro.setContentsMargins(theme.size(9), theme.size(2), theme.size(9), theme.size(2))
        layout.addWidget(self._intro)
        layout.addWidget(self.form)
        layout.addWidget(self.devices)
        self._late = QLabel()
        self._late.setObjectName("performance.late")
        self._late.setProperty("role", "dim")
        self._late.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        say(
            self._late.setToolTip,
            N_("From the arrival of a packet to the viewport's picture of it, with what is waited for uneven ones"),
        )
        self._late.setContentsMargins(theme.size(9), theme.size(3), theme.size(9), theme.size(3))
        layout.addWidget(self._late)
        layout.addWidget(self._counter())
        layout.addLayout(self._recording())
        self.tabs = QTabBar()
        self.tabs.setObjectName("performance.tabs")
        say(self.tabs.setAccessibleName, N_("Pages of the performance"))
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(True)
        for _ in _PAGES:
            self.tabs.addTab("")
        self.pages = QStackedWidget()
        self.pages.addWidget(self.takes)
        self.pages.addWidget(self.calibration)
        self.tabs.currentChanged.connect(self.pages.setCurrentIndex)
        layout.addWidget(self.tabs)
        layout.addWidget(self.pages, 1)

    def _top(self) -> QHBoxLayout:
        self.figures = Menu("performance.figure", N_("Whom the device moves"), ())
        self.figures.activated.connect(lambda row: self._assign(str(self.figures.itemData(row))))
        self.demo = button(
            "performance.demo", "play", N_("Demo"), lambda: self._give("capture.demo"), text=True, checkable=True
        )
        say(self.demo.setToolTip, N_("Have an actor made by code perform, sent as a phone's packets on this computer"))
        self.adding = button("performance.add", "phone", N_("Listen to another device"), checkable=True)
        self.adding.toggled.connect(self._opened)
        self.closing = button("performance.close", "close", N_("Close the device"), self._close)
        more = button("performance.more", "more", N_("More"))
        more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        more.setMenu(menus.CommandMenu("Figure/Performance", self._studio, self._window.give, more))
        top = bar()
        top.addWidget(self.figures, 1)
        for widget in (self.demo, self.adding, self.closing, more):
            top.addWidget(widget)
        return top

    def _counter(self) -> QWidget:
        """The countdown, seen from where the actor sits."""
        self._counting = QWidget()
        self._counting.setObjectName("page")
        self._left = QLabel()
        self._left.setObjectName("performance.countdown")
        self._left.setAlignment(Qt.AlignmentFlag.AlignCenter)
        font = self._left.font()
        font.setPointSizeF(font.pointSizeF() * 3.4)
        self._left.setFont(font)
        self._left.setStyleSheet(f"color: {theme.COLORS['accent']}; font-size: {theme.size(40)}px;")
        self._why = QLabel()
        self._why.setWordWrap(True)
        cancel = QPushButton()
        cancel.setObjectName("performance.cancel")
        say(cancel.setText, N_("Cancel"))
        cancel.clicked.connect(self.desk.cancel)
        line = QHBoxLayout(self._counting)
        line.setContentsMargins(theme.size(14), theme.size(4), theme.size(8), theme.size(4))
        line.setSpacing(theme.size(12))
        line.addWidget(self._left)
        line.addWidget(self._why, 1)
        line.addWidget(cancel)
        self._counting.hide()
        return self._counting

    def _recording(self) -> QHBoxLayout:
        self.record = button("performance.record", "record", N_("Record"), self._record, text=True, checkable=True)
        self.name = QLineEdit()
        self.name.setObjectName("performance.name")
        say(self.name.setPlaceholderText, N_("Name of the take"))
        say(self.name.setAccessibleName, N_("Name of the take"))
        self.count = Menu("performance.count", N_("Count in"), _COUNTS)
        self.count.choose(3.0)
        self._time = QLabel()
        self._time.setObjectName("performance.time")
        self._time.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        line = bar()
        line.addWidget(self.record)
        line.addWidget(self.name, 1)
        line.addWidget(self.count)
        line.addWidget(self._time)
        return line

    def close_panel(self) -> None:
        """Stop listening; devices stay open and figures go on acting."""
        for forget in self._forget:
            forget()
        self.clock.ticked.disconnect(self._ticked)

    def showEvent(self, event: QShowEvent) -> None:
        """What went on unseen is said now."""
        super().showEvent(event)
        self.form.look()
        self.refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        """A take that is looked at is looked at from here."""
        super().hideEvent(event)
        self.desk.put_away()

    # --- following ---------------------------------------------------------------------------------------------------
    def _updated(self, update: Update) -> None:
        if "baked" in update.parts and self.takes.opens:
            opens, self.takes.opens = self.takes.opens, ""
            self._open(opens)
        if update.change is not None or update.parts & {"path", "frame"}:
            self._show_figures()

    def _heard(self, what: str) -> None:
        if what == "take":
            self.takes.taken()
        elif what == "count":
            self._show_count()
        else:
            self.refresh()

    def _ticked(self) -> None:
        if not self.isVisible():
            return
        self._ticks += 1
        if self.desk.counting is not None:
            self._show_count()
        if self._ticks % _METERS == 0 and self.pages.currentWidget() is self.calibration:
            self.calibration.show_live()
        if self.desk.hub.recording:
            self._time.setText(told_time(self.desk.hub.recorded_s))
        if self._ticks % _TEXTS == 0 or not self.desk.busy:
            self._show_live()

    def refresh(self) -> None:
        """Say what is true now."""
        hub = self.desk.hub
        there = bool(hub.listening)
        for row, text in enumerate(_PAGES):
            self.tabs.setTabText(row, tr(text))
        self._show_figures()
        self.demo.setChecked(bool(self.desk.rehearsing))
        self.demo.setIcon(theme.icon("stop" if self.desk.rehearsing else "play"))
        self.closing.setEnabled(there)
        self.devices.setVisible(there)
        self.form.setVisible(not there or self.adding.isChecked())
        self.adding.setEnabled(there)
        self._intro.setVisible(not there)
        self._intro.setText(tr("A phone acts, and a figure of the scene does the same. None at hand? Press Demo."))
        self.record.setEnabled(there)
        self.record.setChecked(hub.recording)
        self.record.setText(tr("Stop") if hub.recording else tr("Record"))
        self.record.setIcon(theme.icon("stop" if hub.recording else "record", "error"))
        self._time.setVisible(hub.recording)
        self._time.setText(told_time(hub.recorded_s))
        self.count.setVisible(not hub.recording)
        self.name.setEnabled(there and not hub.recording)
        self.count.setEnabled(there)
        self.takes.follow()
        self.calibration.follow()
        self._show_live()
        self._show_count()

    def _show_figures(self) -> None:
        entities = self._studio.scene.entities
        there = [(Given(e.name or id_), id_) for id_, e in entities.items() if isinstance(e, Figure)]
        self.figures.fill([*there, (N_("Moves nobody"), "")])
        found = self.desk.hub.listening.get(self.desk.device)
        self.figures.setEnabled(found is not None and bool(there))
        if found is not None:
            self.figures.choose(found.figure if found.figure in entities else "")

    def _show_live(self) -> None:
        self.devices.follow(self.desk.hub.statuses())
        late = self.clock.late_ms()
        self._late.setVisible(bool(self.desk.hub.listening))
        self._late.setText(
            tr("Packet to picture: {half} ms (95 %: {most} ms)", half=f"{late[0]:.0f}", most=f"{late[1]:.0f}")
            if late is not None
            else tr("Packet to picture: nothing drawn yet")
        )
        if self.pages.currentWidget() is self.calibration:
            self.calibration.show_live()

    def _show_count(self) -> None:
        counting = self.desk.counting
        self._counting.setVisible(counting is not None)
        if counting is not None:
            self._left.setText(str(max(math.ceil(counting.ends - self.desk.hub.clock()), 1)))
            calm = counting.command == "capture.calibrate"
            why = tr("Look straight ahead with a calm face.") if calm else tr("Recording begins.")
            self._why.setText(why)

    # --- doing -------------------------------------------------------------------------------------------------------
    def _give(self, id_: str) -> None:
        self._window.give(id_)
        self.refresh()

    def _opened(self, on: bool) -> None:
        self.form.look()
        self.refresh()

    def _close(self) -> None:
        self._studio.attempt("capture.close", device=self.desk.device)

    def _assign(self, figure: str) -> None:
        self._studio.attempt("capture.assign", device=self.desk.device, figure=figure)

    def _record(self) -> None:
        hub = self.desk.hub
        if hub.recording:
            self._studio.attempt("capture.stop_recording")
        elif self.desk.counting is not None:
            self.desk.cancel()
        else:
            name = self.name.text().strip() or "take"
            self.desk.count_in(float(self.count.currentData()), "capture.record", name=name)
        self.refresh()

    def _open(self, what: str) -> None:
        """What was baked is cleaned up in the curve editor, or laid out among the strips."""
        if what == "clip":
            self._window.show_panel("strips")
            return
        moved = {name.partition(".")[0] for name in self._studio.scene.tracks}
        found = [id_ for id_ in self._studio.selection if id_ in moved]
        found = found or [
            id_ for id_, e in self._studio.scene.entities.items() if isinstance(e, Figure) and id_ in moved
        ]
        if found:
            if found[0] not in self._studio.selection:
                self._studio.select([found[0]])
            key_dots.show_curves(self._studio, self._window, [found[0]], "expression")
