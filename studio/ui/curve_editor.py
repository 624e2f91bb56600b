"""The curve editor: how values run over time, as lines that are bent by their keys and handles.

The list on the left says which curves there are, the paper on the right shows them. What is picked is shared with the
dope sheet through `Studio.picked`; there a key is a moment of a whole field, here each component is picked by itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import QPoint, QSize, Qt, QTimer
from PySide6.QtGui import QFocusEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QMenu, QSplitter, QToolBar, QVBoxLayout, QWidget

from studio.commands import registry, time_keys
from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.errors import StudioError
from studio.scene import keying
from studio.scene.animation import evaluate
from studio.scene.entities import Id
from studio.scene.scene import Scene
from studio.scene.schema import Touches, fields
from studio.ui import curve_commands, theme
from studio.ui.curve_canvas import CurveCanvas
from studio.ui.curve_lines import Key, by_item, tracks_of_picks, with_tracks
from studio.ui.curve_list import CurveList, CurveModel
from studio.ui.curve_state import CurveState
from studio.ui.expressions import Entry
from studio.ui.i18n import say, tr, translated
from studio.ui.menus import CommandAction, keymap_of
from studio.ui.number_edit import NumberEdit
from studio.ui.panel import Desk, panel

_BAR = (
    "curves.frame_all",
    "curves.frame_selected",
    "curves.normalise",
    "curves.everything",
    "",
    "curves.auto",
    "curves.linear",
    "curves.flat",
    "curves.step",
    "curves.free",
    "curves.broken",
    "curves.unify",
    "curves.breakdown",
    "",
    "curves.weighted",
    "curves.snap_frames",
    "curves.snap_values",
    "curves.scale_box",
    "",
    "curves.store",
    "curves.swap",
)
_KEY_MENU = (
    "curves.insert",
    "curves.delete",
    "curves.copy",
    "curves.paste",
    "",
    "curves.auto",
    "curves.linear",
    "curves.flat",
    "curves.step",
    "curves.free",
    "curves.broken",
    "curves.unify",
    "curves.even",
    "curves.breakdown",
    "curves.snap_picked",
    "",
    "Time/Curves",
    "",
    "curves.isolate",
    "curves.hide",
    "curves.show_all",
    "",
    "curves.store",
    "curves.swap",
    "curves.forget",
)
_tokens = itertools.count()
_TELL_MS = 50  # between what fields and buttons say while something is dragged


@panel("curve_editor", N_("Curves"), "bottom", "curve_editor", default=False)
class CurveEditor(QWidget):
    """See the module."""

    place = curve_commands.PLACE

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("curve-editor")
        self._studio, self._desk = studio, desk
        self.state: CurveState = CurveState()
        self.everything: bool = False
        self._telling = self._stale = False
        self.canvas = CurveCanvas(studio, self.state)
        self.model = CurveModel(studio, self.state, self)
        self.list = CurveList(self.model, self.state)
        self._tell_later = QTimer(self)
        self._tell_later.setSingleShot(True)
        self._tell_later.setInterval(_TELL_MS)
        self._tell_later.timeout.connect(self._tell)
        self._actions: list[CommandAction] = []
        self._make_layout()
        self.canvas.picked.connect(self._picked)
        self.canvas.activated.connect(self._activated)
        self.canvas.inserting.connect(lambda key, frame: self._insert([key], frame))
        self.list.chosen.connect(self._chosen)
        self.model.switched.connect(self._switched)
        self.canvas.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.canvas.customContextMenuRequested.connect(lambda at: self._menu(self.canvas.mapToGlobal(at)))
        self.list.customContextMenuRequested.connect(lambda at: self._menu(self.list.viewport().mapToGlobal(at)))
        theme.signals().changed.connect(self.list.fit)
        self._forget = studio.watch(self._heard)
        curve_commands.attach(studio, self)
        translated(self._relabel)
        self.follow(anew=True)

    def close_panel(self) -> None:
        """Stop listening."""
        curve_commands.detach(self._studio, self)
        self._forget()

    # --- building ----------------------------------------------------------------------------------------------------
    def _make_layout(self) -> None:
        self.search = QLineEdit()
        self.search.setObjectName("curve-search")
        self.search.setClearButtonEnabled(True)
        say(self.search.setPlaceholderText, N_("Filter curves"))
        say(self.search.setAccessibleName, N_("Filter curves"))
        self.search.textChanged.connect(self.model.relist)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(theme.size(4), theme.size(4), theme.size(2), 0)
        column.setSpacing(theme.size(4))
        column.addWidget(self.search)
        column.addWidget(self.list, 1)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setObjectName("curve-split")
        split.addWidget(left)
        split.addWidget(self.canvas)
        split.setStretchFactor(1, 1)
        split.setSizes([theme.size(210), theme.size(900)])
        split.setChildrenCollapsible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(self._make_bar())
        layout.addWidget(split, 1)

    def _make_bar(self) -> QHBoxLayout:
        bar = QToolBar()
        bar.setObjectName("curve-bar")
        bar.setIconSize(QSize(theme.size(16), theme.size(16)))
        commands = registry.load()
        for id_ in _BAR:
            if not id_:
                bar.addSeparator()
                continue
            action = CommandAction(commands[id_], self._give, self)
            self._actions.append(action)
            bar.addAction(action)
            button = bar.widgetForAction(action)
            button.setObjectName(f"bar.{id_}")
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            say(button.setAccessibleName, commands[id_].title)
        self.frame_field = self._number("curve-frame", N_("Frame of the picked keys"), self._type_frame)
        self.value_field = self._number("curve-value", N_("Value of the picked keys"), self._type_value)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, theme.size(6), 0)
        row.setSpacing(theme.size(4))
        row.addWidget(bar, 1)
        for text, field in ((N_("Frame"), self.frame_field), (N_("Key value"), self.value_field)):
            label = QLabel()
            label.setProperty("role", "dim")
            say(label.setText, text)
            row.addWidget(label)
            row.addWidget(field)
        return row

    def _number(self, name: str, label: str, typed: Callable[[Entry], None]) -> NumberEdit:
        field = NumberEdit()
        field.setObjectName(name)
        field.setFixedWidth(theme.size(76))
        say(field.setAccessibleName, label)
        say(field.setToolTip, label)
        field.began.connect(self._begin_typing)
        field.changed.connect(typed)
        field.ended.connect(self._end_typing)
        field.refused.connect(lambda sentence: self._studio.face.notify(sentence, kind="warning"))
        return field

    def minimumSizeHint(self) -> QSize:
        """Low enough for a laptop."""
        return QSize(theme.size(360), theme.size(150))

    def _give(self, id_: str) -> None:
        curve_commands.attach(self._studio, self)
        self._desk.give(id_)
        self._tell()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """The paper is meant."""
        super().focusInEvent(event)
        self.canvas.setFocus(event.reason())

    def _relabel(self) -> None:
        self.model.relist()
        self._tell()

    def _menu(self, at: QPoint) -> None:
        """What can be done with keys and curves."""
        from studio.ui.menus import CommandMenu

        curve_commands.attach(self._studio, self)
        menu = QMenu(self)
        menu.setObjectName("context.curves")
        menu.setToolTipsVisible(True)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        commands, keymap = registry.load(), keymap_of(self._studio)
        for id_ in _KEY_MENU:
            if not id_:
                menu.addSeparator()
            elif "/" in id_:
                submenu = CommandMenu(id_, self._studio, self._give, menu)
                submenu.setTitle(tr(id_.rpartition("/")[2]))
                menu.addMenu(submenu)
            else:
                action = CommandAction(commands[id_], self._give, menu)
                action.refresh(self._studio, keymap)
                menu.addAction(action)
        menu.popup(at)

    # --- following ---------------------------------------------------------------------------------------------------
    def _heard(self, update: Update) -> None:
        if not self.isVisible():
            self._stale = True
            return
        change = update.change
        if change is not None:
            before, after = change.before, change.after
            others = after.entities is not before.entities or after.materials is not before.materials
            anew = others and bool(change.touches & (Touches.HIERARCHY | Touches.MATERIAL))
            if anew or change.selected or after.tracks is not before.tracks:
                self.follow(anew=anew)
            elif (after.frame_start, after.frame_end) != (before.frame_start, before.frame_end):
                self.canvas.update()
        if "picked" in update.parts and not self._telling and self.state.adopt(self._studio.picked):
            self.canvas.update()
            self._tell_soon()
        if "frame" in update.parts:
            self.canvas.update()

    def showEvent(self, event: QShowEvent) -> None:
        """What changed while it was hidden is shown now."""
        self.catch_up()
        super().showEvent(event)

    def catch_up(self) -> None:
        """Follow what was not followed while the editor was hidden."""
        if self._stale:
            self._stale = False
            self.follow(anew=True)
            self.state.adopt(self._studio.picked)

    def follow(self, *, anew: bool = False) -> None:
        """Show what the scene and the selection are now."""
        ids: Sequence[Id] | None = None if self.everything else self._studio.selection
        first = not self.state.lines
        changed = self.state.follow(self._studio.scene, ids, anew=anew)
        if changed is None:
            self.model.relist()
            self.canvas.unit = self._unit()
            self.canvas.lines_replaced()
            if first or not self._in_sight():
                self.canvas.frame_lines(range(len(self.state.lines)))
        elif changed:
            self.canvas.lines_changed(changed)
        if self.state.picks:
            self._share()
        self._tell_soon()

    def _in_sight(self) -> bool:
        """Whether the paper shows something of the lines."""
        found = self.state.extent(range(len(self.state.lines)))
        if found is None:
            return True
        (first, last), (lo, hi) = found
        view = self.canvas.view
        return first < view.last_frame and last > view.frame and lo < view.top_value and hi > view.value

    def _unit(self) -> str:
        """The unit of all lines, "" where they differ."""
        scene, found = self._studio.scene, set()
        for line, curve in zip(self.state.lines, self.state.curves, strict=True):
            record = scene.entities.get(line.id) or scene.materials.get(line.id)
            info = fields(type(record)).get(line.field) if record is not None else None
            found.add("°" if curve.euler else info.spec.unit if info is not None else "")
        return tr(unit) if len(found) == 1 and (unit := found.pop()) else ""

    def _tell_soon(self) -> None:
        if not self._tell_later.isActive():
            self._tell_later.start()

    def _tell(self) -> None:
        """Buttons and fields say what is true."""
        keymap = keymap_of(self._studio)
        for action in self._actions:
            action.refresh(self._studio, keymap, in_menu=False)
        frames, _, _ = self.state.picked_points()
        values = self._picked_values()
        for field, numbers in ((self.frame_field, frames), (self.value_field, values)):
            field.setEnabled(bool(len(numbers)))
            if len(numbers):
                field.set_value(float(numbers[0]), mixed=bool(np.ptp(numbers) > 1e-9))
            elif not field.hasFocus():
                field.clear()

    def _picked_values(self) -> Any:
        found = [self.state.curve(key).values[rows, key[1]] for key, rows in self.state.picks.items()]
        return np.concatenate(found) if found else np.empty(0)

    # --- choosing ----------------------------------------------------------------------------------------------------
    def _picked(self) -> None:
        self._share()
        self._tell_soon()

    def _share(self) -> None:
        """The picked keys are everybody's."""
        self._telling = True
        try:
            self._studio.picked = tracks_of_picks(self.state.picks)
        finally:
            self._telling = False

    def _activated(self) -> None:
        self.list.follow()
        self._tell_soon()

    def _chosen(self) -> None:
        self.canvas.update()
        self._tell_soon()

    def _switched(self) -> None:
        self.state.picks = {k: r for k, r in self.state.picks.items() if self.state.may_edit(self.state.number[k])}
        self._picked()
        self.canvas.update()

    def reveal(self, id_: Id, field: str) -> None:
        """Show the curves of a field, and them alone as active."""
        if not any(line.id == id_ for line in self.state.lines):
            self.show_everything(True)
        wanted = [n for n, line in enumerate(self.state.lines) if (line.id, line.field) == (id_, field)]
        self.state.active.clear()
        self.state.active |= {self.state.lines[n].key for n in wanted}
        self.state.hidden -= self.state.active
        self.list.follow()
        self.canvas.frame_lines(wanted)
        self.canvas.update()

    # --- what commands ask -------------------------------------------------------------------------------------------
    def normalise(self, on: bool) -> None:
        """Show each line from 0 to 1, or values as they are."""
        self.state.set_normalised(on)
        self.canvas.frame_lines([n for n in range(len(self.state.lines)) if self.state.shows(n)])
        self.canvas.update()
        self._tell_soon()

    def show_everything(self, on: bool) -> None:
        """Show all that is animated, or what is selected."""
        self.everything = on
        self.follow(anew=True)

    def set_option(self, name: str, on: bool | None) -> None:
        """Turn a switch of the state over, or to `on`."""
        setattr(self.state, name, not getattr(self.state, name) if on is None else on)
        self.canvas.update()
        self._tell_soon()

    def isolate(self, on: bool | None = None) -> None:
        """Show only lines that are meant, or all again."""
        state = self.state
        turn_on = not state.isolated if on is None else on
        meant = {state.lines[n].key for n in state.targets()}
        state.isolated.clear()
        if turn_on and (state.active or state.picks):
            state.isolated |= meant
        self.model.tell_switches()
        self._switched()

    def hide_lines(self) -> None:
        """Hide the lines that are meant."""
        state = self.state
        if not (state.active or state.picks):
            return
        keys = {state.lines[n].key for n in state.targets()}
        state.hidden |= keys
        state.active -= keys
        self.model.tell_switches()
        self.list.follow()
        self._switched()

    def show_all(self) -> None:
        """Show hidden lines, and end isolating."""
        self.state.hidden.clear()
        self.state.isolated.clear()
        self.model.tell_switches()
        self._switched()

    def mode_of_picks(self) -> int:
        """The tangent mode of the picked keys, -1 where they differ or have none."""
        found: set[int] = set()
        for key, rows in self.state.picks.items():
            modes = self.state.curve(key).modes
            found |= {-1} if modes is None else set((modes[rows] & 0x7F).tolist())
        return found.pop() if len(found) == 1 else -1

    def apply(self, label: str, operation: Callable[[Scene, Mapping[str, Sequence[int]]], Scene]) -> None:
        """An operation on the picked keys, as one step."""
        picked = tracks_of_picks(self.state.picks)
        with self._studio.document.edit(label) as edit:
            edit.apply(lambda scene: operation(scene, picked))

    def insert(self, frame: float | None = None) -> None:
        """Put keys on the lines that are meant."""
        at = self._studio.frame if frame is None else float(frame)
        self._insert([self.state.lines[n].key for n in self.state.targets()], at)

    def _insert(self, keys: Sequence[Key], frame: float) -> None:
        tracks = dict.fromkeys(track for track, _ in keys)
        ids = {line.track: line.id for line in self.state.lines}
        try:
            with self._studio.document.edit(N_("Insert key")) as edit:
                for track in tracks:
                    curve = self._studio.scene.tracks[track]
                    row = evaluate(curve, frame)[0].tolist()
                    value = row[0] if len(row) == 1 else row
                    edit.apply(keying.set_key, ids[track], track[len(ids[track]) + 1 :], frame, value)
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="error")
            return
        picked = {}
        for track, item in keys:
            times = self._studio.scene.tracks[track].times
            picked[(track, item)] = np.array([int(np.abs(times - frame).argmin())], np.intp)
        self.canvas.pick(picked)

    def copy(self) -> None:
        """Keep the picked keys."""
        self._share()
        time_keys.copy_keys(self._studio)

    def paste(self) -> None:
        """Put copied keys in at the present frame; a single curve's onto the active one."""
        clip = time_keys.copied(self._studio)
        active = [self.state.lines[n].track for n in self.state.targets()] if self.state.active else []
        onto = None
        if len(clip.tracks) == 1 and len(set(active)) == 1:
            onto = {next(iter(clip.tracks)): active[0]}
        with self._studio.document.edit(N_("Paste keys")) as edit:
            picked = edit.apply(keying.paste_keys, clip, self._studio.frame, onto=onto)
        lines = [line.key for line in self.state.lines]
        self.canvas.pick(with_tracks(lines, picked))

    # --- buffer curves -----------------------------------------------------------------------------------------------
    def store(self) -> None:
        """Keep the curves of the lines that are meant."""
        for n in self.state.targets():
            self.state.stored[self.state.lines[n].track] = self.state.curves[n]
        self.canvas.update()
        self._tell_soon()

    def swap(self) -> None:
        """Exchange stored curves and present ones."""
        tracks = self._studio.scene.tracks
        both = {track: (tracks[track], old) for track, old in self.state.stored.items() if track in tracks}
        with self._studio.document.edit(N_("Swap buffer curves")) as edit:
            edit.apply(lambda scene: _with_tracks(scene, {track: old for track, (_, old) in both.items()}))
        self.state.stored.update({track: new for track, (new, _) in both.items()})
        self.canvas.update()

    def forget(self) -> None:
        """Keep no curves any more."""
        self.state.stored.clear()
        self.canvas.update()
        self._tell_soon()

    # --- typing ------------------------------------------------------------------------------------------------------
    def _begin_typing(self) -> None:
        self._typed_from = self._studio.scene, dict(self.state.picks)
        self._typing_token = f"curve-fields-{next(_tokens)}"

    def _end_typing(self, keep: bool) -> None:
        if not keep:
            self._studio.document.abandon(self._typing_token)
        self._tell()

    def _type(self, label: str, make: Callable[[Scene], tuple[Scene, dict[Key, Any]]]) -> None:
        try:
            made, picks = make(self._typed_from[0])
            with self._studio.document.edit(label, coalesce=self._typing_token) as edit:
                edit.apply(_with_tracks, made.tracks)
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="error")
            return
        self.canvas.pick(picks)

    def _type_value(self, entry: Entry) -> None:
        def make(scene: Scene) -> tuple[Scene, dict[Key, Any]]:
            picks = self._typed_from[1]
            for item, picked in by_item(picks).items():
                for track, rows in picked.items():
                    old = scene.tracks[track].values
                    for row in rows:
                        new = float(entry.new(float(old[row, item])))
                        scene, _ = keying.place_key(scene, track, row, value=new, item=item)
            return scene, picks

        self._type(N_("Key value"), make)

    def _type_frame(self, entry: Entry) -> None:
        def make(scene: Scene) -> tuple[Scene, dict[Key, Any]]:
            picks = self._typed_from[1]
            wanted = {}
            for track, rows in tracks_of_picks(picks).items():
                old = scene.tracks[track].times[rows]
                new = [float(entry.new(float(t))) for t in old]
                order = np.argsort(new) if float(np.mean(np.subtract(new, old))) < 0 else np.argsort(new)[::-1]
                for place in order.tolist():  # from the side that they go to, so that none is in another's way
                    at = int(np.abs(scene.tracks[track].times - old[place]).argmin())
                    scene, _ = keying.place_key(scene, track, at, frame=new[place])
                times = scene.tracks[track].times
                wanted[track] = sorted({int(np.abs(times - t).argmin()) for t in new})
            return scene, with_tracks(list(picks), wanted)

        self._type(N_("Key frame"), make)


def _with_tracks(scene: Scene, tracks: Mapping[str, Any]) -> Scene:
    return replace(scene, tracks={**scene.tracks, **tracks})
