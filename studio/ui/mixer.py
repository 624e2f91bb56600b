"""The light mixer: a finished frame lit anew, without rendering again.

| part | file |
|---|---|
| the session: file, mix, history, wishes | `studio.render.lightmix_session`, held by `studio.commands.mix` |
| from a mix to the screen, on a thread | `studio.ui.mixer_picture` |
| the strips | `studio.ui.mixer_model`, `studio.ui.mixer_list` |
| which lights make a place, and the solver | `studio.ui.inspect_pixel` |
| this panel: the bars, the presets, the state | here |
"""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtWidgets import (
    QLabel,
    QLineEdit,
    QMenu,
    QProgressBar,
    QSplitter,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.commands import mix as commands
from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.render.lightmix import Mix
from studio.render.lightmix_scene import presets_of
from studio.render.lightmix_store import Rect
from studio.scene import color
from studio.scene.entities import Id
from studio.scene.schema import Touches
from studio.ui import bars, theme
from studio.ui.flow import flow_bar
from studio.ui.i18n import say, tr, translated
from studio.ui.inspect_pixel import PixelInspector
from studio.ui.mixer_list import MixList
from studio.ui.mixer_model import MixModel
from studio.ui.mixer_picture import MixCanvas, MixPicture, Shown, image_of
from studio.ui.number_edit import Range
from studio.ui.panel import Desk, panel

_LOOK_MS = 100
_RENDERED = Mix(name="rendered")


@panel("mixer", N_("Light mixer"), "centre", "mixer", default=False)
class MixerPanel(QWidget):
    """See the module."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("mixer")
        self._studio, self._desk = studio, desk
        self.session = commands.session_of(studio)
        self._frame = self.session.frame
        self.other: Mix | None = None
        self.wipe_at = 0.5
        self._at: tuple[int, int] | None = None
        self.last: Shown | None = None
        self.canvas = MixCanvas()
        say(self.canvas.setAccessibleName, N_("Mixed picture"))
        self.picture = MixPicture(self.session, desk.bridge, self)
        self.model = MixModel(studio, self.session, self)
        self.list = MixList(self.model)
        self.inspector = PixelInspector(studio, self.session)
        self._make_layout()
        self._connect()
        self._looking = QTimer(self, interval=_LOOK_MS)
        self._looking.timeout.connect(self._show_progress)
        self._forget = studio.watch(self._heard)
        self.session.watchers.append(self._follow)
        translated(self._relabel)
        self._follow()

    def close_panel(self) -> None:
        """Stop listening, and end the thread. The session stays with the studio."""
        self._forget()
        self._looking.stop()
        self.session.watchers.remove(self._follow)
        self.picture.close()

    # --- building ----------------------------------------------------------------------------------------------------
    def _make_layout(self) -> None:
        self.search = QLineEdit()
        self.search.setObjectName("mixer-search")
        self.search.setClearButtonEnabled(True)
        say(self.search.setPlaceholderText, N_("Filter lights"))
        say(self.search.setAccessibleName, N_("Filter lights"))
        strips = QWidget()
        column = QVBoxLayout(strips)
        column.setContentsMargins(0, theme.size(4), 0, 0)
        column.setSpacing(theme.size(4))
        column.addWidget(self.search)
        column.addWidget(self.list, 1)
        self.tabs = QTabWidget()
        self.tabs.setObjectName("mixer-tabs")
        self.tabs.tabBar().setDrawBase(False)
        self.tabs.addTab(strips, "")
        self.tabs.addTab(self.inspector, "")
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setObjectName("mixer-split")
        split.addWidget(self.canvas)
        split.addWidget(self.tabs)
        split.setStretchFactor(0, 1)
        split.setSizes([theme.size(520), theme.size(480)])
        split.setChildrenCollapsible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._make_bar())
        layout.addWidget(split, 1)
        layout.addLayout(self._make_foot())

    def _make_bar(self) -> QWidget:
        bar, row = flow_bar()
        bar.setObjectName("mixer-bar")
        row.setContentsMargins(theme.size(6), theme.size(3), theme.size(6), theme.size(2))
        row.setSpacing(theme.size(4))
        give = self._desk.give
        self.open_button = bars.button("mixer-open", "open", N_("Open light layers…"), lambda: give("mix.open"))
        self.latest_button = bars.button("mixer-latest", "picture", N_("Latest render"), lambda: give("mix.latest"))
        self.presets_button = bars.button("mixer-presets", "favourite", N_("Mix presets"), text=True)
        self.presets_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.presets_menu = QMenu(self)
        self.presets_menu.setObjectName("mixer-presets-menu")
        self.presets_menu.aboutToShow.connect(self._fill_presets)
        self.presets_button.setMenu(self.presets_menu)
        self.compare_menu = bars.Menu("mixer-compare", N_("Compare with another mix"), ((N_("No comparison"), ""),))
        self.undo_button = bars.button("mixer-undo", "undo", N_("Undo mix"), lambda: give("mix.undo"))
        self.redo_button = bars.button("mixer-redo", "redo", N_("Redo mix"), lambda: give("mix.redo"))
        self.reset_button = bars.button("mixer-reset", "reset", N_("Reset mix"), lambda: give("mix.reset"))
        self.view_menu = bars.Menu("mixer-view", N_("Display and view"), [(view, view) for view in color.views()])
        self.view_menu.setSizeAdjustPolicy(bars.Menu.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.view_menu.setMinimumContentsLength(12)
        self.exposure = bars.number(
            self._studio,
            "mixer-exposure",
            N_("Exposure"),
            Range(soft_lo=-8.0, soft_hi=8.0),
            0.0,
            unit="stops",
            width=76,
        )
        self.denoise_button = bars.button(
            "mixer-denoise", "denoise", N_("Denoise the mix"), self._denoise, checkable=True
        )
        self.scene_button = bars.button(
            "mixer-to-scene", "to-scene", N_("To scene"), lambda: give("mix.to_scene"), text=True
        )
        self.save_button = bars.button("mixer-save", "save", N_("Save mixed picture…"), lambda: give("mix.save"))
        self.sequence_button = bars.button(
            "mixer-sequence", "flipbook", N_("Save mixed sequence…"), lambda: give("mix.save_sequence")
        )
        for widget in (self.open_button, self.latest_button, self.presets_button, self.compare_menu):
            row.addWidget(widget)
        row.addWidget(row.together(self.undo_button, self.redo_button, self.reset_button))
        row.addWidget(self.view_menu)
        label = QLabel()
        label.setProperty("role", "dim")
        label.setBuddy(self.exposure)
        say(label.setText, N_("Exposure"))
        row.addWidget(row.together(label, self.exposure))
        row.addWidget(self.denoise_button)
        row.add_end(row.together(self.scene_button, self.save_button, self.sequence_button))
        return bar

    def _make_foot(self) -> QVBoxLayout:
        foot = bars.bar()
        self._state, self._probe = QLabel(), QLabel()
        self._state.setObjectName("mixer-state")
        self._probe.setFont(theme.monospace())
        for label in (self._state, self._probe):
            label.setProperty("role", "dim")
        self._progress = QProgressBar()
        self._progress.setObjectName("mixer-progress")
        self._progress.setTextVisible(False)
        self._progress.setFixedSize(theme.size(110), theme.size(6))
        say(self._progress.setAccessibleName, N_("Progress"))
        self.cancel_button = bars.button("mixer-cancel", "close", N_("Cancel"), self.cancel)
        self.cancel_button.setProperty("role", "quiet")
        foot.addWidget(self._state)
        foot.addWidget(self._progress)
        foot.addWidget(self.cancel_button)
        foot.addStretch(1)
        foot.addWidget(self._probe)
        outer = QVBoxLayout()
        outer.addLayout(foot)
        return outer

    def _connect(self) -> None:
        self.picture.compared = lambda: self.session.factors(self.other) if self.other is not None else None
        self.picture.shown.connect(self._show)
        self.picture.failed.connect(self._desk.tell_fault)
        self.search.textChanged.connect(self.model.relist)
        self.list.chosen.connect(self._chosen)
        self.list.refused.connect(lambda sentence: self._studio.face.notify(sentence, kind="warning"))
        self.list.customContextMenuRequested.connect(self._menu)
        self.compare_menu.activated.connect(self._compare)
        self.view_menu.activated.connect(self._looks)
        self.view_menu.choose(self.session.view)
        self.exposure.set_value(self.session.exposure_ev)
        bars.edited(self.exposure, lambda value: self._looks())
        self.canvas.hovered.connect(self._hover)
        self.canvas.clicked.connect(lambda x, y: self.inspect((x, y, x + 1, y + 1)))
        self.canvas.marked.connect(self.inspect)
        self.canvas.wiped.connect(lambda at: setattr(self, "wipe_at", at))
        self.canvas.dropped.connect(lambda path: self._studio.attempt("mix.open", path=path))
        self.inspector.placed.connect(self.canvas.show_area)
        self.inspector.hovered.connect(self._light_hovered)

    def _relabel(self) -> None:
        self.exposure.say_unit(tr("stops"))
        self.tabs.setTabText(0, tr("Faders"))
        self.tabs.setTabText(1, tr("Pixel inspector"))
        self.model.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, self.model.columnCount() - 1)
        self._fill_compared()
        self._tell_state()

    # --- following ---------------------------------------------------------------------------------------------------
    def _heard(self, update: Update) -> None:
        change = update.change
        if change is None:
            return
        if change.touches & Touches.HIERARCHY or change.source != "select":
            self.session.regroup(self._studio.scene)
            if change.before.extra is not change.after.extra:
                self._fill_compared()
        if change.selected:
            self.list.select(set(self._studio.selection))

    def _follow(self) -> None:
        """The session changed."""
        session = self.session
        if session.frame is not self._frame:
            self._frame = session.frame
            self.last = None
            self.canvas.show_area(None)
            self.inspector.forget()
            if session.frame is None:
                self.canvas.show_picture(None)
                self.canvas.compare(None)
        there, mixed = session.frame is not None, not session.mix.is_neutral
        for widget in (self.save_button, self.sequence_button, self.denoise_button, self.exposure, self.compare_menu):
            widget.setEnabled(there)
        self.scene_button.setEnabled(there and mixed)
        self.reset_button.setEnabled(mixed)
        self.undo_button.setEnabled(session.can_undo)
        self.redo_button.setEnabled(session.can_redo)
        self.denoise_button.setChecked(session.denoise)
        self.picture.want()
        self.model.follow()
        self.inspector.follow()
        self._tell_state()

    def _tell_state(self) -> None:
        session = self.session
        busy = session.loading or (session.saving[0] if session.saving else None)
        self._progress.setVisible(busy is not None)
        self.cancel_button.setVisible(busy is not None)
        if busy is not None and not self._looking.isActive():
            self._looking.start()
        if session.loading is not None:
            self._state.setText(tr("Reading {name}", name=session.loading.path.name))
        elif busy is not None:
            self._state.setText(tr("Writing {name}", name=busy.path.name))
        elif session.frame is not None:
            self._state.setText(self._figures())
        else:
            self._state.setText("")
        empty = session.frame is None and session.loading is None
        self.canvas.say(
            tr("Open the light layers of a picture, or drop them here. A render with light layers writes them.")
            if empty
            else ""
        )

    def _figures(self) -> str:
        frame = self.session.need_frame()
        (width, height), (h, w) = frame.size, frame.store.shape
        count = sum(1 for channel in self.session.channels if channel.id)
        parts = [
            frame.path.name,
            tr("1 light") if count == 1 else tr("{count} lights", count=count),
            f"{width} x {height}"
            if (w, h) == (width, height)
            else tr("{size} shown at {view}", size=f"{width} x {height}", view=f"{w} x {h}"),
        ]
        if self.last is not None and self.last.clean:
            parts.append(tr("denoised"))
        return "   ".join(parts)

    def _show_progress(self) -> None:
        session = self.session
        busy = session.loading or (session.saving[0] if session.saving else None)
        if busy is None:
            self._looking.stop()
            self._tell_state()
            return
        self._progress.setValue(round(100 * busy.share))

    def cancel(self) -> None:
        """End what is being read or written."""
        for busy in (self.session.loading, *self.session.saving):
            if busy is not None:
                busy.cancelled = True

    # --- the picture -------------------------------------------------------------------------------------------------
    def _show(self, found: Shown) -> None:
        was_clean = self.last is not None and self.last.clean
        self.last = found
        self.canvas.show_picture(image_of(found.picture))
        other = image_of(found.other) if found.other is not None else None
        self.canvas.compare(other, wipe=self.wipe_at if other is not None else None)
        if found.clean != was_clean:
            self._tell_state()
        self._tell_probe()

    def _looks(self) -> None:
        self.session.view = str(self.view_menu.currentData())
        self.session.exposure_ev = self.exposure.value
        self.picture.want()

    def _denoise(self) -> None:
        self.session.denoise = self.denoise_button.isChecked()
        self.picture.want()

    def _fill_compared(self) -> None:
        names = [mix.name for mix in presets_of(self._studio.scene)]
        rows = [
            (N_("No comparison"), ""),
            (N_("Against the render"), "rendered"),
            *((bars.Given(name), f"={name}") for name in names),
        ]
        self.compare_menu.fill(rows)

    def _compare(self) -> None:
        chosen = str(self.compare_menu.currentData() or "")
        self.other = None
        if chosen == "rendered":
            self.other = _RENDERED
        elif chosen:
            self.other = next((m for m in presets_of(self._studio.scene) if f"={m.name}" == chosen), None)
        self.picture.want()

    def _hover(self, x: int, y: int) -> None:
        self._at = (x, y) if x >= 0 else None
        self._tell_probe()

    def _tell_probe(self) -> None:
        if self._at is None or self.last is None:
            self._probe.setText("")
            return
        x, y = self._at
        rows = self.last.picture
        if y < rows.shape[0] and x < rows.shape[1]:
            self._probe.setText(f"{x}, {y}   →  " + "  ".join(str(v) for v in rows[y, x].tolist()))

    # --- lights ------------------------------------------------------------------------------------------------------
    def inspect(self, region: Rect) -> None:
        """Ask which lights make a region."""
        if self.session.frame is not None:
            self.tabs.setCurrentIndex(1)
            self.inspector.inspect(region)

    def _light_hovered(self, id_: Id) -> None:
        self.list.hover(id_)
        name = next((c.name for c in self.session.channels if c.id == id_), "") if id_ else ""
        self._desk.status(name)

    def _chosen(self, ids: tuple[Id, ...]) -> None:
        self._studio.select([id_ for id_ in ids if id_ in self._studio.scene.entities])

    def _menu(self, at: QPoint) -> None:
        """What can be done with the selected strips."""
        rows = self.list.selected_rows()
        if not rows:
            return
        menu = QMenu(self)
        menu.setObjectName("context.mixer")
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(tr("Make neutral"), lambda: self.model.reset(rows))
        menu.addAction(tr("Select in the scene"), lambda: self._chosen(tuple(row.id for row in rows)))
        menu.popup(self.list.viewport().mapToGlobal(at))

    # --- presets -----------------------------------------------------------------------------------------------------
    def _fill_presets(self) -> None:
        menu, studio = self.presets_menu, self._studio
        menu.clear()
        mixes = presets_of(studio.scene)
        for mix in mixes:
            action = menu.addAction(mix.name, partial(studio.attempt, "mix.use", name=mix.name))
            action.setEnabled(self.session.frame is not None)
        if mixes:
            menu.addSeparator()
        keep = menu.addAction(tr("Keep mix as preset…"), lambda: self._desk.give("mix.keep"))
        keep.setEnabled(self.session.frame is not None)
        if mixes:
            forget = menu.addMenu(tr("Forget mix preset"))
            for mix in mixes:
                forget.addAction(mix.name, partial(studio.attempt, "mix.forget", name=mix.name))
        menu.addSeparator()
        menu.addAction(tr("Import mix presets…"), lambda: self._desk.give("mix.import_presets"))
        export = menu.addAction(tr("Export mix presets…"), lambda: self._desk.give("mix.export_presets"))
        export.setEnabled(bool(mixes))
