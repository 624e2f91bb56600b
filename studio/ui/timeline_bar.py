"""The bar over the timeline: transport, the frame, keys, and what is played at which rate."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QMenu, QSizePolicy, QToolButton, QWidget

from studio.commands import registry
from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.commands.time import preview, set_fps, set_range, shown_rates
from studio.commands.time_keys import SETS
from studio.errors import StudioError
from studio.ui import menus, theme
from studio.ui.frame_edit import FrameEdit
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk

_TRANSPORT = ("time.start", "time.previous_key", "time.previous", "time.play", "time.next", "time.next_key", "time.end")
_LOOPS = ("time.loop_loop", "time.loop_pingpong", "time.loop_once")


class TimelineBar(QWidget):
    """Follows the studio; everything in it is a command or a field."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("timelineBar")
        self._studio, self._desk = studio, desk
        self._buttons: dict[str, QToolButton] = {}
        self._row = QHBoxLayout(self)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._transport()
        self._row.addStretch(1)
        self._keys()
        self._row.addStretch(1)
        self._ranges()
        theme.signals().changed.connect(self._fit)
        self._forget = studio.watch(self._heard)
        desk.playback.told.connect(self._tell_rate)
        self._fit()
        translated(self.refresh)

    def close_panel(self) -> None:
        """Stop listening."""
        self._forget()

    # --- building ----------------------------------------------------------------------------------------------------
    def _button(self, id_: str) -> QToolButton:
        button = QToolButton(self)
        button.setObjectName(f"timeline.{id_}")
        command = registry.find(id_)
        button.setIcon(theme.icon(command.icon))
        button.setCheckable(command.checked is not None)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(partial(self._give, id_))
        self._buttons[id_] = button
        self._row.addWidget(button)
        return button

    def _give(self, id_: str) -> None:
        self._desk.give(id_)
        self._tell_buttons()

    def _field(self, name: str, label: str) -> FrameEdit:
        field = FrameEdit(f"timeline.{name}", self)
        say(field.setAccessibleName, label)
        say(field.setToolTip, label)
        field.refused.connect(lambda sentence: self._studio.face.notify(sentence, kind="warning"))
        self._row.addWidget(field)
        return field

    def _transport(self) -> None:
        for id_ in _TRANSPORT:
            self._button(id_)
        self._frame = self._field("frame", N_("Frame"))
        self._frame.entered.connect(lambda frame: setattr(self._studio, "frame", frame))
        self._code = self._button("time.timecode")
        self._code.setText("TC")
        self._rates = QComboBox(self)
        self._rates.setObjectName("timeline.fps")
        self._rates.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._rates.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        say(self._rates.setAccessibleName, N_("Frames a second"))
        say(self._rates.setToolTip, N_("Frames a second"))
        for text, rate in shown_rates():
            self._rates.addItem(f"{text} fps", rate)
        self._rates.activated.connect(self._choose_rate)
        self._row.addWidget(self._rates)
        self._rate = QLabel(self)
        self._rate.setObjectName("timeline.rate")
        self._rate.setProperty("role", "dim")
        self._row.addWidget(self._rate)

    def _keys(self) -> None:
        self._autokey = self._button("time.autokey")
        self._button("time.key")
        self._sets = QComboBox(self)
        self._sets.setObjectName("timeline.key-set")
        self._sets.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._sets.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        say(self._sets.setAccessibleName, N_("Key set"))
        say(self._sets.setToolTip, N_("What Set key keys"))
        self._sets.activated.connect(self._choose_set)
        self._row.addWidget(self._sets)
        self._button("time.add_marker")

    def _ranges(self) -> None:
        self._loop = QToolButton(self)
        self._loop.setObjectName("timeline.loop")
        self._loop.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._loop.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        menu = QMenu(self._loop)
        menu.setObjectName("timeline.loop.menu")
        menu.aboutToShow.connect(partial(self._fill_loop, menu))
        self._loop.setMenu(menu)
        say(self._loop.setAccessibleName, N_("Playback"))
        self._row.addWidget(self._loop)
        self._mute = self._button("time.mute_sound")
        range_name = self._named(N_("Range"))
        self._first = self._field("first", N_("First frame"))
        self._last = self._field("last", N_("Last frame"))
        preview_name = self._named(N_("Preview"))
        self._from = self._field("preview-first", N_("First frame of the preview range"))
        self._to = self._field("preview-last", N_("Last frame of the preview range"))
        for field, call, name in (
            (self._first, set_range, "first"),
            (self._last, set_range, "last"),
            (self._from, preview, "first"),
            (self._to, preview, "last"),
        ):
            field.entered.connect(partial(self._set, call, name))
        self._clear = self._button("time.clear_preview")
        self._clear.setIcon(theme.icon("close"))
        buttons = self._buttons
        self._spare: tuple[tuple[QWidget, ...], ...] = (  # what goes first where there is little room
            (preview_name, self._from, self._to, self._clear),
            (self._rate,),
            (buttons["time.add_marker"],),
            (range_name,),
            (self._rates,),
            (self._first, self._last),
            (self._sets,),
            (self._mute,),
            (self._loop,),
            (self._code,),
            (buttons["time.previous_key"], buttons["time.next_key"]),
            (buttons["time.start"], buttons["time.end"]),
            (buttons["time.previous"], buttons["time.next"]),
        )

    def _named(self, text: str) -> QLabel:
        label = QLabel(self)
        label.setProperty("role", "dim")
        label.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        say(label.setText, text)
        self._row.addWidget(label)
        return label

    def _set(self, call: object, name: str, frame: float) -> None:
        assert callable(call)
        try:
            call(self._studio, **{name: frame})
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="error")
        self.refresh()

    def _fill_loop(self, menu: QMenu) -> None:
        menu.clear()
        made = menus.CommandMenu("Time/Playback", self._studio, self._give, menu)
        made.fill()
        menu.addActions(made.actions())

    def _choose_rate(self, row: int) -> None:
        try:
            set_fps(self._studio, fps=float(self._rates.itemData(row)))
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="error")
        self.refresh()

    def _choose_set(self, row: int) -> None:
        self._studio.prefer(key_set=self._sets.itemData(row))

    # --- room --------------------------------------------------------------------------------------------------------
    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where there is little room, the fields that are needed least go first."""
        super().resizeEvent(event)
        self._make_room()

    def _make_room(self) -> None:
        timeline = self._studio.scene.timeline
        wanted = {widget: True for group in self._spare for widget in group}
        wanted[self._mute] = timeline.audio is not None
        wanted[self._clear] = timeline.preview is not None
        spacing = self._row.spacing()
        margins = self._row.contentsMargins()
        items = [self._row.itemAt(i) for i in range(self._row.count())]
        always = [w for item in items if item is not None and (w := item.widget()) and w not in wanted]
        room = self.width() - margins.left() - margins.right() - 4 * spacing
        room -= sum(_width(w) + spacing for w in always)
        for group in reversed(self._spare):  # the last to go is the first to be given room
            needs = sum(_width(w) + spacing for w in group if wanted[w])
            room -= needs
            for widget in group:
                widget.setVisible(wanted[widget] and room >= 0)

    # --- following ---------------------------------------------------------------------------------------------------
    def _fit(self) -> None:
        self._row.setContentsMargins(theme.size(6), theme.size(3), theme.size(6), theme.size(3))
        self._row.setSpacing(theme.size(3))
        for button in (*self._buttons.values(), self._loop):
            button.setIconSize(QSize(theme.size(16), theme.size(16)))
        self._rate.setMinimumWidth(self._rate.fontMetrics().horizontalAdvance("00.0 fps  −0000"))

    def _heard(self, update: Update) -> None:
        if update.change is None and update.parts == {"frame"}:
            self._tell_frame()
        elif update.change is not None or update.parts & {"playing", "autokey", "preferences", "path", "frame"}:
            self.refresh()

    def refresh(self) -> None:
        """Say what is true now."""
        scene = self._studio.scene
        code = self._studio.preferences.timecode
        self._tell_frame()
        self._first.show_frame(scene.frame_start, scene.fps, timecode=code)
        self._last.show_frame(scene.frame_end, scene.fps, timecode=code)
        first, last = scene.timeline.preview or (None, None)
        self._from.show_frame(first, scene.fps, timecode=code)
        self._to.show_frame(last, scene.fps, timecode=code)
        for field, frame in ((self._from, scene.frame_start), (self._to, scene.frame_end)):
            field.setPlaceholderText(f"{frame:g}")
        self._tell_fps(scene.fps)
        self._tell_sets()
        self._tell_buttons()
        self._tell_rate()
        self._make_room()

    def _tell_frame(self) -> None:
        studio = self._studio
        self._frame.show_frame(studio.frame, studio.scene.fps, timecode=studio.preferences.timecode)

    def _tell_fps(self, fps: float) -> None:
        row = next((r for r in range(self._rates.count()) if abs(self._rates.itemData(r) - fps) < 1e-6), -1)
        if row < 0:
            self._rates.addItem(f"{fps:g} fps", fps)
            row = self._rates.count() - 1
        self._rates.setCurrentIndex(row)

    def _tell_sets(self) -> None:
        rows = [(tr(title), name) for name, (title, _) in SETS.items()]
        rows += [(kept.name, f"set:{kept.name}") for kept in self._studio.scene.timeline.key_sets]
        if rows != [(self._sets.itemText(r), self._sets.itemData(r)) for r in range(self._sets.count())]:
            self._sets.clear()
            for text, name in rows:
                self._sets.addItem(text, name)
        self._sets.setCurrentIndex(max(self._sets.findData(self._studio.preferences.key_set), 0))

    def _tell_buttons(self) -> None:
        studio, commands, keymap = self._studio, registry.load(), menus.keymap_of(self._studio)
        for id_, button in self._buttons.items():
            command = commands[id_]
            button.setToolTip(menus.tip(command, keymap))
            button.setAccessibleName(tr(command.title))
            button.setEnabled(studio.enabled(command))
            if command.checked is not None:
                button.setChecked(bool(command.checked(studio)))
        self._buttons["time.play"].setIcon(theme.icon("pause" if studio.playing else "play"))
        self._autokey.setIcon(theme.icon("autokey", "error" if studio.autokey else ""))
        audio = studio.scene.timeline.audio
        self._mute.setIcon(theme.icon("sound-off" if audio is not None and audio.muted else "sound"))
        loop = next((commands[i] for i in _LOOPS if i.endswith(f"_{studio.preferences.playback_loop}")), None)
        if loop is not None:
            self._loop.setIcon(theme.icon(loop.icon))
            self._loop.setToolTip(f"{tr('Playback')}: {tr(loop.title)}")

    def _tell_rate(self) -> None:
        player = self._desk.playback.player
        if player is None:
            self._rate.setText("")
            self._rate.setToolTip("")
            return
        text = f"{player.rate():.1f} fps" if player.rate() else ""
        self._rate.setText(f"{text}  −{player.dropped}" if player.dropped else text)
        self._rate.setToolTip(tr("{count} frames dropped", count=player.dropped))


def _width(widget: QWidget) -> int:
    """How wide a widget will be."""
    return max(min(widget.sizeHint().width(), widget.maximumWidth()), widget.minimumWidth())
