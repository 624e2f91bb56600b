"""The render view: the final picture, converging while the scene is being lit.

| part | file |
|---|---|
| the render's thread and the document | `studio.ui.live_render` |
| from numbers to the screen | `studio.ui.developing` |
| zoom, pan, wipe, marks | `studio.ui.picture_canvas` |
| snapshots | `studio.ui.snapshot_shelf` |
| this panel: the bar, the probe, the state | here |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QProgressBar, QToolButton, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.errors import StudioError, UsageError
from studio.render import compare, live_layers
from studio.render.film import Film
from studio.render.live_frame import LiveFrame
from studio.render.live_pick import pick
from studio.render.output import write_image
from studio.render.snapshots import Snapshot
from studio.scene import color
from studio.ui import bars, theme
from studio.ui.borrow_bar import BorrowBar
from studio.ui.borrowing import Borrowing
from studio.ui.developing import CHANNELS, COMPARISONS
from studio.ui.flow import FlowLayout, flow_bar
from studio.ui.i18n import say, tr, translated
from studio.ui.live_render import SIZES, Comparison, LiveRender, Print
from studio.ui.number_edit import NumberEdit, Range, shown
from studio.ui.panel import Desk, panel
from studio.ui.picture_canvas import PictureCanvas, Rect
from studio.ui.snapshot_shelf import SnapshotShelf

_COMPARING = {
    "off": N_("No comparison"),
    "wipe": N_("Wipe against snapshot"),
    "difference": N_("Difference to snapshot"),
    "other": N_("Snapshot alone"),
}
_SEEING = {"scene": N_("Scene camera"), "viewport": N_("Viewport camera")}
_PICTURES = (".exr", ".png", ".tif", ".jpg")


@panel("render_view", N_("Render view"), "centre", "render_view")
class RenderView(QWidget):
    """See the module."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("render-view")
        self._studio, self._desk = studio, desk
        self.live = LiveRender(studio, desk.bridge, self, viewport=desk.viewport)
        self.borrowing = Borrowing(studio, desk.bridge, self.live, self)
        self.canvas = PictureCanvas()
        say(self.canvas.setAccessibleName, N_("Rendered picture"))
        self.shelf = SnapshotShelf(studio, desk.bridge)
        self.wipe_at = 0.5
        self._at: tuple[int, int] | None = None
        self._layers: tuple[str, ...] = ()
        self._told_state = ""
        bars = (flow_bar(), flow_bar())
        (_, self._bar), (_, self._second) = bars
        for bar, row in bars:
            bar.setObjectName("render-bar")
            row.setContentsMargins(theme.size(6), theme.size(3), theme.size(6), theme.size(2))
            row.setSpacing(theme.size(4))
        self._make_bars()
        self._state, self._figures, self._probe = QLabel(), QLabel(), QLabel()
        self._progress = QProgressBar()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for bar, _ in bars:
            layout.addWidget(bar)
        layout.addWidget(self.canvas, 1)
        layout.addLayout(self._make_foot())
        layout.addWidget(self.shelf)
        self._connect()
        self._show_size(*studio.render_size)
        self._forget = studio.watch(self._heard)
        translated(self._relabel)
        self._follow_scene()
        self.canvas.say(tr("Press Render to see the final picture here."))

    def close_panel(self) -> None:
        """End the renderer with the panel."""
        self._forget()
        self.shelf.close_panel()
        self.borrowing.close()
        self.live.close()

    # --- building ----------------------------------------------------------------------------------------------------
    def _make_bars(self) -> None:
        self.render_button = self._button("play", N_("Render"), self.toggle, text=True, checkable=True)
        self.stop_button = self._button("stop", N_("Stop, and free the device"), self.stop)
        self.size_menu = self._menu("render-size", N_("Size"), [(f"{w} x {h}", (w, h)) for w, h in SIZES])
        self.samples = self._number("render-samples", N_("Samples"), Range(lo=1.0, hi=65536.0, whole=True), 256.0)
        self.segments = self._number("render-depth", N_("Path segments"), Range(lo=1.0, hi=64.0, whole=True), 8.0)
        self.region_button = self._button("region", N_("Render everything again"), lambda: self.choose_region(None))
        self.region_button.setEnabled(False)
        self.denoise_button = self._button("denoise", N_("Denoise"), self._denoise_pressed, checkable=True)
        self.snapshot_button = self._button("snapshot", N_("Keep snapshot"), self.take_snapshot)
        self.save_button = self._button("save", N_("Save picture…"), self.save)
        self.camera_menu = self._menu("render-camera", N_("What is rendered"), [(_SEEING[c], c) for c in _SEEING])
        for widget in (self.render_button, self.stop_button, self.size_menu, self.camera_menu):
            self._bar.addWidget(widget)
        self._labelled(self._bar, N_("Samples"), self.samples)
        self._labelled(self._bar, N_("Depth"), self.segments)
        self.borrow_bar = BorrowBar(self.borrowing, self._bar, self)
        self.borrow_bar.hide()  # its parts stand in the bar
        buttons = self.region_button, self.denoise_button, self.snapshot_button, self.save_button
        self._bar.add_end(self._bar.together(*buttons))

        self.layer_menu = self._menu("render-layer", N_("Layer"), [("beauty", "beauty")])
        self.channel_menu = self._menu("render-channel", N_("Channel"), [(c, c) for c in CHANNELS])
        self.display_menu = self._menu("render-display", N_("Display and view"), [])
        self.exposure = self._number("render-exposure", N_("Exposure"), Range(soft_lo=-8.0, soft_hi=8.0), 0.0)
        self.gamma = self._number("render-gamma", N_("Gamma"), Range(lo=0.1, hi=8.0, soft_lo=0.5, soft_hi=3.0), 1.0)
        self.false_button = self._button("mode-exposure", N_("False colours"), self._looks, checkable=True)
        self.compare_menu = self._menu("render-compare", N_("Compare"), [(_COMPARING[c], c) for c in COMPARISONS])
        for widget in (self.layer_menu, self.channel_menu, self.display_menu):
            self._second.addWidget(widget)
        self._labelled(self._second, N_("Exposure"), self.exposure)
        self._labelled(self._second, N_("Gamma"), self.gamma)
        self._second.addWidget(self.false_button)
        self._second.add_end(self.compare_menu)

    def _button(
        self, icon: str, name: str, press: Callable[[], object], *, text: bool = False, checkable: bool = False
    ) -> QToolButton:
        return bars.button(f"render-{icon}", icon, name, press, text=text, checkable=checkable)

    def _menu(self, name: str, label: str, items: list[tuple[str, object]]) -> QComboBox:
        menu = QComboBox()
        menu.setObjectName(name)
        menu.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        menu.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        say(menu.setAccessibleName, label)
        say(menu.setToolTip, label)
        for text, value in items:
            menu.addItem(tr(text), value)
        return menu

    def _number(self, name: str, label: str, range_: Range, value: float) -> NumberEdit:
        return bars.number(self._studio, name, label, range_, value, width=56)

    def _labelled(self, bar: FlowLayout, text: str, widget: QWidget) -> None:
        label = QLabel()
        label.setProperty("role", "dim")
        label.setBuddy(widget)
        say(label.setText, text)
        bar.addWidget(bar.together(label, widget))

    def _make_foot(self) -> QHBoxLayout:
        foot = QHBoxLayout()
        foot.setContentsMargins(theme.size(6), theme.size(2), theme.size(6), theme.size(2))
        foot.setSpacing(theme.size(10))
        self._progress.setObjectName("render-progress")
        self._progress.setTextVisible(False)
        self._progress.setFixedSize(theme.size(90), theme.size(6))
        say(self._progress.setAccessibleName, N_("Progress"))
        self._probe.setFont(theme.monospace())
        for label in (self._figures, self._probe):
            label.setProperty("role", "dim")
        foot.addWidget(self._state)
        foot.addWidget(self._progress)
        foot.addWidget(self._figures)
        foot.addWidget(self.borrow_bar.label)
        foot.addStretch(1)
        foot.addWidget(self._probe)
        return foot

    def _connect(self) -> None:
        self.live.printed.connect(self._show_print)
        self.live.told.connect(self._show_state)
        self.size_menu.activated.connect(self._size)
        self.layer_menu.activated.connect(lambda: self.live.choose_layer(self.layer_menu.currentData()))
        for menu in (self.channel_menu, self.display_menu):
            menu.activated.connect(self._looks)
        self.compare_menu.activated.connect(self._compare)
        self.camera_menu.activated.connect(lambda: self.look_from(self.camera_menu.currentData()))
        self.shelf.chosen.connect(lambda snapshot: self._compare())
        bars.edited(self.samples, lambda value: self.live.configure(samples=round(value)))
        bars.edited(self.segments, lambda value: self.live.configure(depth=round(value)))
        bars.edited(self.exposure, lambda value: self._looks())
        bars.edited(self.gamma, lambda value: self._looks())
        self.canvas.hovered.connect(self._hover)
        self.canvas.clicked.connect(self._click)
        self.canvas.marked.connect(self.choose_region)
        self.canvas.measured.connect(self._measure)
        self.canvas.wiped.connect(lambda at: setattr(self, "wipe_at", at))

    def _relabel(self) -> None:
        for row in range(self.compare_menu.count()):
            self.compare_menu.setItemText(row, tr(_COMPARING[COMPARISONS[row]]))
        for row, text in enumerate(_SEEING.values()):
            self.camera_menu.setItemText(row, tr(text))
        self._fill_displays()
        frame = self.live.frame
        if frame is not None:
            self._show_state(frame)

    def _fill_displays(self) -> None:
        chosen = self.display_menu.currentData() or (color.DISPLAY, color.DEFAULT_VIEW)
        self.display_menu.clear()
        for view in color.views(color.DISPLAY):
            self.display_menu.addItem(view, (color.DISPLAY, view))
        for display in color.displays():
            if display != color.DISPLAY:
                for view in color.views(display):
                    self.display_menu.addItem(f"{display}: {view}", (display, view))
        self.display_menu.setCurrentIndex(max(self.display_menu.findData(chosen), 0))
        self.display_menu.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.display_menu.setMinimumContentsLength(14)

    # --- the scene ---------------------------------------------------------------------------------------------------
    def _heard(self, update: Update) -> None:
        if update.change is not None:
            self._follow_scene()

    def _follow_scene(self) -> None:
        """Layers that can be shown follow the scene's light groups."""
        groups = sorted({getattr(e, "group", "") for e in self._studio.scene.entities.values()} - {""})
        layers = live_layers.available(("", *groups))
        if layers == self._layers:
            return
        self._layers = layers
        chosen = self.layer_menu.currentData()
        self.layer_menu.clear()
        for layer in layers:
            self.layer_menu.addItem(layer.replace("_", " "), layer)
        at = self.layer_menu.findData(chosen)
        self.layer_menu.setCurrentIndex(max(at, 0))
        if at < 0:
            self.live.choose_layer("beauty")

    # --- running -----------------------------------------------------------------------------------------------------
    def toggle(self) -> None:
        """Render, or pause."""
        if self.live.running:
            self.live.pause()
        else:
            self.live.start()
        self._show_running()

    def stop(self) -> None:
        """End the render and free the device."""
        self.live.stop()
        self._show_running()

    def _show_running(self) -> None:
        self.render_button.setChecked(self.live.running)
        self.render_button.setIcon(theme.icon("pause" if self.live.running else "play"))
        text = tr("Pause") if self.live.running else tr("Render")
        self.render_button.setText(text)
        self.render_button.setAccessibleName(text)

    def _size(self) -> None:
        self.choose_size(*self.size_menu.currentData())

    def choose_size(self, width: int, height: int) -> None:
        """Render pictures of this size."""
        if not (0 < width <= 16384 and 0 < height <= 16384):
            raise UsageError(f"cannot render {width}x{height} pixels here; each side is from 1 to 16384")
        self.choose_region(None)
        self._show_size(width, height)
        self._studio.render_size = (width, height)

    def _show_size(self, width: int, height: int) -> None:
        at = bars.row_of(self.size_menu, (width, height))
        if at < 0:
            self.size_menu.addItem(f"{width} x {height}", (width, height))
            at = self.size_menu.count() - 1
        self.size_menu.setCurrentIndex(at)
        self.live.configure(width=width, height=height)

    def look_from(self, where: str) -> None:
        """Render what the "scene"'s camera sees, or what the "viewport" shows that was used last."""
        if where not in _SEEING:
            raise UsageError(f"cannot look from {where!r}; choose from {', '.join(_SEEING)}")
        self.camera_menu.setCurrentIndex(self.camera_menu.findData(where))
        self.live.follow_viewport(where == "viewport")

    def show_layer(self, name: str) -> None:
        """Show a layer."""
        at = self.layer_menu.findData(name)
        if at < 0:
            raise UsageError(f"there is no layer {name!r}; there are {', '.join(self._layers)}")
        self.layer_menu.setCurrentIndex(at)
        self.live.choose_layer(name)

    def choose_region(self, region: Rect | None) -> None:
        """Render only these pixels; None: all."""
        self.canvas.show_region(region)
        self.region_button.setEnabled(region is not None)
        self.live.choose_region(region)

    # --- looks -------------------------------------------------------------------------------------------------------
    def _looks(self) -> None:
        display, view = self.display_menu.currentData() or ("", "")
        self.display_menu.setToolTip(f"{tr('Display and view')}: {self.display_menu.currentText()}")
        self.live.develop_anew(
            replace(
                self.live.how,
                display=display,
                view=view,
                exposure_ev=self.exposure.value,
                gamma=self.gamma.value,
                channel=self.channel_menu.currentData(),
                false_colour=self.false_button.isChecked(),
            )
        )

    def denoise(self, on: bool) -> None:
        """Show the picture without its noise, or as it is."""
        self.denoise_button.setChecked(on)
        self.live.denoise = on
        self.live.develop_anew()

    def _denoise_pressed(self) -> None:
        self.denoise(self.denoise_button.isChecked())

    def _compare(self) -> None:
        mode = self.compare_menu.currentData()
        snapshot = self.shelf.current
        if mode == "off" or snapshot is None:
            if mode != "off" and snapshot is None:
                self._desk.status(tr("Select a snapshot to compare with."))
            self.live.develop_anew(comparison=Comparison())
            return
        pixels = snapshot.layers.get(self.live.layer, snapshot.layers.get("beauty"))
        self.live.develop_anew(comparison=Comparison(mode, pixels, snapshot.view.exposure_ev))

    def _show_print(self, made: Print) -> None:
        self.canvas.show_picture(made.image())
        other = made.other_image()
        self.canvas.compare(other, wipe=self.wipe_at if other is not None else None)
        self._tell_probe()

    def _show_state(self, frame: LiveFrame) -> None:
        text = self.live.state_text(frame)
        self._state.setText(text)
        share = frame.samples / frame.of if frame.of else 0.0
        self._progress.setValue(round(100 * share))
        figures = []
        if frame.of:
            figures.append(f"{frame.samples:.3g} / {frame.of} spp")
            if frame.borrowed:
                figures.append(tr("{count} from nodes", count=frame.borrowed))
            figures.append(_clock(frame.seconds))
            if frame.eta > 0 and frame.state == "rendering":
                figures.append(tr("{time} left", time=_clock(frame.eta)))
        if frame.device:
            figures.append(frame.device)
        self._figures.setText("   ".join(figures))
        waits = frame.state in ("starting", "compiling", "restarting", "failed") or not frame.layers
        self.canvas.say(text if waits and frame.state != "idle" else "")
        if frame.state == "restarting" != self._told_state:
            self._desk.status(frame.message)
            self._studio.face.notify(frame.message, kind="warning")
        self._told_state = frame.state
        self._show_running()

    # --- looking closely ---------------------------------------------------------------------------------------------
    def _hover(self, x: int, y: int) -> None:
        self._at = (x, y) if x >= 0 else None
        self._tell_probe()

    def _tell_probe(self) -> None:
        made = self.live.last_print
        if self._at is None or made is None:
            self._probe.setText(self._measured(made) if made is not None else "")
            return
        found = compare.probe(made.pixels, *self._at, shown=made.shown, exposure_ev=self.exposure.value)
        if found is None:
            self._probe.setText("")
            return
        raw = "  ".join(f"{value:.4g}" for value in found.raw)
        bytes_ = "" if found.shown is None else "  ".join(str(v) for v in found.shown)
        self._probe.setText(f"{found.x}, {found.y}   {raw}   →  {bytes_}")

    def _measure(self, area: Rect) -> None:
        self.canvas.show_area(area)
        self._at = None
        self._tell_probe()

    def _measured(self, made: Print) -> str:
        area = self.canvas.area
        if area is None:
            return ""
        try:
            found = compare.area_statistics(made.pixels, area)
        except UsageError:
            return ""
        means = "  ".join(f"{v:.4g}" for v in found.mean[:3])
        text = tr(
            "mean {means}   min {least}   max {most}   deviation {deviation}",
            means=means,
            least=shown(min(found.least[:3])),
            most=shown(max(found.most[:3])),
            deviation=shown(max(found.deviation[:3])),
        )
        wrong = (("NaN", found.nans), ("Inf", found.infinities), ("<0", found.negatives))
        return text + "".join(f"   {name} {count}" for name, count in wrong if count)

    def _click(self, x: int, y: int) -> None:
        """Select what the picture shows there."""
        made = self.live.last_print
        if made is None or made.frame.flat is None or made.frame.settings is None:
            return
        if self.canvas.area is not None:
            self.canvas.show_area(None)
        found = pick(made.frame.flat, made.frame.settings, x, y)
        self._studio.select([found.id] if found is not None and found.id else [])
        self._desk.status(found.name if found is not None else "")

    # --- keeping -----------------------------------------------------------------------------------------------------
    def take_snapshot(self, *, name: str = "") -> Snapshot | None:
        """Keep the picture as a snapshot."""
        frame = self.live.frame
        try:
            if frame is None:
                raise UsageError("there is no picture to keep yet; start the render and take the snapshot then")
            return self.shelf.take(frame, name=name)
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="warning")
            return None

    def save(self, path: str = "") -> None:
        """Write the picture: EXR with every layer of the film, or PNG, TIFF and JPEG as it is shown."""
        where = Path(path) if path else self._studio.face.ask_save(N_("Save picture"), "render.exr", _PICTURES)
        if where is None:
            return
        if self.live.last_print is None:
            self._studio.face.notify(N_("There is no picture to save yet."), kind="warning")
            return
        ev = self.exposure.value + (made.flat.camera.exposure_ev if (made := self.live.last_print.frame).flat else 0.0)
        view = (self.display_menu.currentData() or ("", color.DEFAULT_VIEW))[1]
        bridge = self._desk.bridge

        def write(film: Film | None, frame: LiveFrame) -> None:
            if film is None:
                bridge.post(lambda: self._studio.face.notify(N_("There is no picture to save yet."), kind="warning"))
                return
            bridge.post(
                lambda: bridge.run(
                    lambda: write_image(film, where, view=view, exposure_ev=ev),
                    then=lambda done: self._studio.face.notify(tr("Saved: {path}", path=str(done))),
                    failed=self.shelf.tell_fault,
                )
            )

        self.live.take_film(write)


def _clock(seconds: float) -> str:
    """Minutes and seconds."""
    if not np.isfinite(seconds):
        return "-"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
