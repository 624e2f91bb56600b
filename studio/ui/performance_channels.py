"""The calibration page: what an actor's face shows at rest, how calm it is, and each shape in `performance_shapes`.

Everything here is the profile of the device that is chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QGridLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.commands.performance_desk import PerformanceDesk
from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.errors import StudioError
from studio.figure.capture.retarget import Profile, checked
from studio.scene.arkit import INDEX
from studio.ui import theme
from studio.ui.bars import bar, button, edited, number
from studio.ui.i18n import say, tr, translated
from studio.ui.number_edit import NumberEdit, Range
from studio.ui.panel import Desk
from studio.ui.performance_shapes import COLUMNS, ChannelTable

_COUNT_S = 3.0  # from the button to the neutral face
_SMOOTHED = (
    ("face_hz", N_("Face"), N_("Smoothing of the face at rest in hertz: the lower, the calmer and the later")),
    ("quick_hz", N_("Lids, jaw"), N_("Smoothing of lids and jaw in hertz; they need to be quick")),
    ("gaze_hz", N_("Gaze"), N_("Smoothing of the gaze in hertz")),
    ("head_hz", N_("Head"), N_("Smoothing of the head in hertz")),
)


def _changed(profile: Profile, **values: Any) -> Profile:
    return msgspec.structs.replace(profile, **values)


class CalibrationPage(QWidget):
    """See the module."""

    def __init__(self, studio: Studio, desk: Desk, faces: PerformanceDesk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("performance.calibration")
        self._studio, self._window, self._desk = studio, desk, faces
        self.table = ChannelTable(self._change)
        self._numbers: dict[str, NumberEdit] = {}
        self._build()
        translated(self._relabel)

    def _build(self) -> None:
        self.neutral = button("performance.neutral", "neutral-face", N_("Neutral face"), self._neutral, text=True)
        say(self.neutral.setToolTip, N_("Count to three, then take what the face shows as its rest"))
        self.straight = button("performance.straight", "head-straight", N_("Head straight"), self._straight, text=True)
        say(self.straight.setToolTip, N_("Take how the head is held now as looking straight ahead"))
        self.mirrored = button("performance.mirror", "mirror", N_("Mirror the performance"), checkable=True)
        self.mirrored.clicked.connect(lambda on: self._change(lambda profile: _changed(profile, mirror=on)))
        self.smooth = button("performance.smooth", "handles-auto", N_("Smooth the performance"), checkable=True)
        self.smooth.clicked.connect(self._smooth)
        more = button("performance.profile_more", "more", N_("Profile"))
        more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(more)
        menu.setObjectName("performance.profile_menu")
        for text, act in (
            (N_("Load capture profile…"), lambda: self._command("capture.load_profile")),
            (N_("Save capture profile…"), lambda: self._command("capture.save_profile")),
            (N_("Begin anew with the plain profile"), lambda: self._change(lambda _: Profile())),
        ):
            action = menu.addAction("")
            say(action.setText, text)
            action.triggered.connect(act)
        more.setMenu(menu)
        top = bar()
        for widget in (self.neutral, self.straight):
            top.addWidget(widget)
        top.addStretch(1)
        top.addWidget(more)
        self.search = QLineEdit()
        self.search.setObjectName("performance.search")
        self.search.setClearButtonEnabled(True)
        say(self.search.setPlaceholderText, N_("Search shapes"))
        say(self.search.setAccessibleName, N_("Search shapes"))
        self.search.textChanged.connect(self.table.channels.search)
        find = bar()
        find.addWidget(self.search, 1)
        find.addWidget(self.mirrored)
        find.addWidget(self.smooth)
        self._controls = QWidget()
        column = QVBoxLayout(self._controls)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(top)
        column.addLayout(self._settings())
        column.addLayout(find)
        column.addWidget(self.table, 1)
        self._hint = QLabel()
        self._hint.setProperty("role", "empty")
        self._hint.setWordWrap(True)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._controls, 1)
        layout.addWidget(self._hint, 1)

    def _settings(self) -> QGridLayout:
        """What counts for all shapes: gain, the share of the neutral face, smoothing of each group."""
        grid = QGridLayout()
        grid.setContentsMargins(theme.size(6), theme.size(2), theme.size(6), theme.size(3))
        grid.setHorizontalSpacing(theme.size(4))
        grid.setVerticalSpacing(theme.size(1))
        gain, share = Range(lo=0.0, hi=10.0, soft_hi=2.0), Range(lo=0.0, hi=1.0)
        left_out = N_("How much of the face at rest is left out")
        rows = [
            ("gain", N_("Gain"), N_("Gain of all shapes"), gain),
            ("neutral_share", N_("Rest"), left_out, share),
        ]
        rows += [(name, text, tip, Range(lo=0.1, hi=120.0, soft_hi=60.0)) for name, text, tip in _SMOOTHED]
        for column, (name, text, tip, range_) in enumerate(rows):
            label = QLabel()
            label.setProperty("role", "dim")
            say(label.setText, text)
            made = number(self._studio, f"performance.{name}", tip, range_, 1.0)
            made.setMinimumWidth(theme.size(40))
            made.setMaximumWidth(theme.size(200))
            label.setBuddy(made)
            edited(made, partial(self._number, name))
            self._numbers[name] = made
            line, place = divmod(column, 3)
            grid.addWidget(label, line, 2 * place)
            grid.addWidget(made, line, 2 * place + 1)
            grid.setColumnStretch(2 * place + 1, 1)
        return grid

    def _relabel(self) -> None:
        self.table.channels.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(COLUMNS) - 1)
        self.follow()

    # --- following ---------------------------------------------------------------------------------------------------
    def follow(self) -> None:
        """Show the profile of the device that is chosen."""
        key = self._desk.device
        profile = self._desk.hub.profile(key) if key else None
        self._controls.setVisible(profile is not None)
        self._hint.setVisible(profile is None)
        self._hint.setText(tr("Listen to a device, then calibrate it here."))
        model = self.table.channels
        if profile is not model.profile:
            model.profile = profile
            if model.names:
                model.dataChanged.emit(model.index(0, 0), model.index(len(model.names) - 1, len(COLUMNS) - 1))
        if profile is None:
            return
        self.mirrored.setChecked(profile.mirror)
        self.smooth.setChecked(profile.smoothing.on)
        values = {"gain": profile.gain, "neutral_share": profile.neutral_share}
        values |= {name: getattr(profile.smoothing, name) for name, _, _ in _SMOOTHED}
        for name, made in self._numbers.items():
            made.setEnabled(profile.smoothing.on or name in ("gain", "neutral_share"))
            if not made.hasFocus():
                made.set_value(values[name])

    def show_live(self) -> None:
        """Move the meters."""
        found = self._desk.hub.listening.get(self._desk.device)
        if found is None or not found.face.raw:
            self.table.show_values({}, {})
            return
        raw = found.face.raw[-1].weights
        worn = found.pose.weights if found.pose is not None else raw
        names = self.table.channels.names
        self.table.show_values(
            {name: round(float(raw[INDEX[name]]), 3) for name in names},
            {name: round(float(worn[INDEX[name]]), 3) for name in names},
        )

    # --- doing -------------------------------------------------------------------------------------------------------
    def _change(self, change: Callable[[Profile], Profile]) -> None:
        key = self._desk.device
        if not key:
            return
        try:
            self._desk.hub.set_profile(key, checked(change(self._desk.hub.profile(key))))
        except StudioError as fault:
            self._window.tell_fault(fault)
        self.follow()

    def _number(self, name: str, value: float) -> None:
        if name in ("gain", "neutral_share"):
            self._change(lambda profile: _changed(profile, **{name: value}))
        else:
            self._change(
                lambda profile: _changed(profile, smoothing=msgspec.structs.replace(profile.smoothing, **{name: value}))
            )

    def _smooth(self, on: bool) -> None:
        self._change(lambda profile: _changed(profile, smoothing=msgspec.structs.replace(profile.smoothing, on=on)))

    def _neutral(self) -> None:
        self._desk.count_in(_COUNT_S, "capture.calibrate", device=self._desk.device)

    def _straight(self) -> None:
        self._command("capture.calibrate_head")

    def _command(self, id_: str) -> None:
        self._studio.attempt(id_, device=self._desk.device)
