"""The export panel: which frames become which files, with what they will be called and what stands against it.

Every control shows a field of the scene's `ExportSettings` and changes it through `commands.export.change_export`, so
undo, scripts and saved projects see the same. Names and obstacles are looked up on a thread, a moment after the last
change: the disk may be slow.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.commands import export
from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.errors import StudioError
from studio.render.export import CORNERS, FORMATS, ExportSettings
from studio.render.export_names import preview_name
from studio.render.film import AOVS
from studio.render.output import COMPRESSIONS
from studio.render.queue_check import Finding, check_export
from studio.scene import color
from studio.scene.entities import Camera
from studio.ui import bars, theme
from studio.ui.i18n import say, tr, translated
from studio.ui.number_edit import NumberEdit, Range
from studio.ui.panel import Desk, panel

SIZES = ((640, 360), (1280, 720), (1920, 1080), (2048, 858), (2560, 1440), (3840, 2160), (1080, 1920), (1080, 1080))
_LOOK_AFTER_MS = 250
_OVERWRITE = (
    (N_("Ask"), "ask"),
    (N_("Keep them and render the rest"), "skip"),
    (N_("Replace them"), "replace"),
)
_MARKS = {"error": "notice-error", "warning": "notice-warning", "info": "notice-info"}
_CORNERS = (
    N_("Top left"),
    N_("Top"),
    N_("Top right"),
    N_("Bottom left"),
    N_("Bottom"),
    N_("Bottom right"),
)
assert len(_CORNERS) == len(CORNERS)
# What `studio.render.naming` puts in the place of each token of a file name.
TOKENS = {
    "project": N_("the project's name"),
    "scene": N_("the scene's name"),
    "camera": N_("the camera's name"),
    "version": N_("the version, as v001"),
    "frame": N_("the frame number, with four digits"),
    "date": N_("the day of submission, as 20250131"),
    "time": N_("the time of submission, as 1745"),
    "user": N_("who is logged in"),
    "artist": N_("the artist of the export"),
    "width": N_("pixels across"),
    "height": N_("pixels down"),
    "samples": N_("samples a pixel"),
    "format": N_("the format, as exr"),
    "view": N_("the view"),
    "fps": N_("frames a second"),
    "first": N_("the first frame"),
    "last": N_("the last frame"),
}
_SWITCHED = ("lights", "crypto_object", "crypto_material")  # layers that have a switch of their own


@panel("export", N_("Export"), "right", "export", default=False)
class ExportPanel(QWidget):
    """See the module."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("export")
        self._studio, self._desk = studio, desk
        self._refreshing: list[Callable[[ExportSettings], None]] = []
        self._rows: list[tuple[QWidget, Callable[[ExportSettings], bool]]] = []
        self._forms: list[QFormLayout] = []
        self.findings: tuple[Finding, ...] = ()
        self._looking = QTimer(self)
        self._looking.setSingleShot(True)
        self._looking.setInterval(_LOOK_AFTER_MS)
        self._looking.timeout.connect(self.look)
        self._turn = 0
        body = QWidget()
        body.setObjectName("export-body")
        self._body = QVBoxLayout(body)
        self._body.setContentsMargins(theme.size(8), theme.size(6), theme.size(8), theme.size(6))
        self._body.setSpacing(theme.size(4))
        self._make()
        self._body.addStretch(1)
        scroll = QScrollArea()
        scroll.setObjectName("export-scroll")
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setWidget(body)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(scroll, 1)
        layout.addWidget(self._make_foot())
        self._forget = studio.watch(self._heard)
        translated(self.refresh)

    def close_panel(self) -> None:
        """Stop listening."""
        self._forget()
        self._looking.stop()

    @property
    def settings(self) -> ExportSettings:
        """The scene's export settings."""
        return export.export_of(self._studio.scene, self._studio.render_size, project=self._studio.path)

    def set(self, *, coalesce: str = "", **values: Any) -> None:
        """Change settings; what cannot be is told, and the controls show what is."""
        try:
            export.change_export(self._studio, coalesce=coalesce, **values)
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="error")
            self.refresh()

    def choose(self, name: str, value: object) -> None:
        """Change one setting by its name."""
        values: dict[str, Any] = {name: value}
        self.set(**values)

    # --- building ----------------------------------------------------------------------------------------------------
    def _make(self) -> None:
        self._section(N_("Files"))
        self.output = self._line("output", N_("Name"))
        self._row(N_("Name"), self._with_buttons(self.output))
        self.names = QLabel()
        self.names.setObjectName("export-names")
        self.names.setWordWrap(True)
        self.names.setTextFormat(Qt.TextFormat.PlainText)
        self.names.setProperty("role", "dim")
        self.names.setMinimumWidth(1)
        self.names.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.MinimumExpanding)
        say(self.names.setAccessibleName, N_("Names of the files"))
        self._row("", self.names)
        self.format = self._menu("format", N_("Format"), [(f.label, name) for name, f in FORMATS.items()])
        self._row(N_("Format"), self.format)

        def exr(settings: ExportSettings) -> bool:
            return settings.format == "exr"

        def movie(settings: ExportSettings) -> bool:
            return FORMATS[settings.format].movie

        lossy = self._menu("compression", N_("Compression"), [(c.upper(), c) for c in COMPRESSIONS])
        self._row(N_("Compression"), lossy, exr)
        self._row(
            N_("DWA level"),
            self._number("dwa_level", N_("DWA level"), Range(lo=0.0, hi=500.0)),
            lambda s: exr(s) and s.compression.startswith("dwa"),
        )
        self._row("", self._switch("half", N_("Half floats")), exr)
        self._row("", self._switch("multi_part", N_("A part for each layer")), exr)
        self._row(
            N_("Quality"),
            self._number("quality", N_("Quality"), Range(lo=1.0, hi=100.0, whole=True)),
            lambda s: s.format == "jpeg" or s.format.startswith("h26"),
        )
        self._row(
            N_("Bit rate"),
            self._number("bitrate_mbps", N_("Bit rate"), Range(lo=0.0, hi=10_000.0), unit="Mbit/s"),
            lambda s: s.format.startswith("h26"),
        )
        self._row("", self._switch("alpha", N_("Transparent background")), lambda s: FORMATS[s.format].alpha)
        self._row("", self._switch("audio", N_("Sound of the timeline")), movie)
        self.overwrite = self._menu("overwrite", N_("Files that are there already"), _OVERWRITE)
        self._row(N_("If there already"), self.overwrite)

        self._section(N_("Frames"))
        self.frames = self._line("frames", N_("Frames"))
        self._row(N_("Frames"), self._frame_row())
        self.camera = bars.Menu("export-camera", N_("Camera"), ())
        self.camera.activated.connect(lambda: self.set(camera=str(self.camera.currentData())))
        self._row(N_("Camera"), self.camera)
        self._row(N_("Size"), self._size_row())
        self._row(N_("Usual sizes"), self._sizes_menu())

        self._section(N_("Quality of the picture"))
        self._row(
            N_("Samples"),
            self._number("samples", N_("Samples"), Range(lo=1.0, hi=65536.0, whole=True, soft_hi=4096.0)),
        )
        error = self._number("error", N_("Noise that may stay"), Range(lo=0.0, hi=10.0, soft_hi=0.2))
        self._row(N_("Noise target"), error)
        limit = self._number("time_limit_s", N_("Longest time of a frame"), Range(lo=0.0, hi=1e9), unit="s")
        self._row(N_("Time limit"), limit)
        self._row(N_("Depth"), self._number("depth", N_("Path segments"), Range(lo=1.0, hi=64.0, whole=True)))
        self._row(N_("Seed"), self._number("seed", N_("Seed"), Range(lo=0.0, hi=2147483647.0, whole=True)))
        self._row("", self._switch("denoise", N_("Denoise")))
        self._row(N_("Device"), self._menu("device", N_("Device"), [(d, d) for d in _DEVICES]))

        self._section(N_("Layers"), exr)
        self._row("", self._switch("light_groups", N_("Light groups")), exr)
        self._row("", self._switch("light_layers", N_("A layer for every light")), exr)
        self._row("", self._switch("cryptomatte", N_("Cryptomatte")), exr)
        for name in AOVS:
            if name not in _SWITCHED:
                self._row("", self._aov(name), exr)

        self._section(N_("Look"))

        def shown(settings: ExportSettings) -> bool:
            return settings.format != "exr"

        self.view_menu = self._menu("view", N_("View"), [(v, v) for v in color.views()])
        self.view_menu.setSizeAdjustPolicy(bars.Menu.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.view_menu.setMinimumContentsLength(8)
        self.view_menu.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._row(N_("View"), self.view_menu)
        self._row(N_("Exposure"), self._exposure_row())
        for corner, title in enumerate(_CORNERS):
            self._row(title, self._corner(corner, title), shown)
        self._row("", self._switch("slate", N_("Slate before the first frame")), shown)
        self._row(N_("Artist"), self._line("artist", N_("Artist")))

    def _section(self, title: str, when: Callable[[ExportSettings], bool] | None = None) -> None:
        head = QLabel()
        head.setObjectName(f"export-section-{len(self._forms)}")
        head.setProperty("role", "section")
        say(head.setText, title)
        self._body.addWidget(head)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, theme.size(6))
        form.setHorizontalSpacing(theme.size(8))
        form.setVerticalSpacing(theme.size(4))
        form.setLabelAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self._body.addLayout(form)
        self._forms.append(form)
        if when is not None:
            self._rows.append((head, when))

    def _row(self, text: str, field: QWidget, when: Callable[[ExportSettings], bool] | None = None) -> None:
        label = QLabel()
        label.setProperty("role", "dim")
        label.setFixedWidth(theme.size(92))
        label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        label.setBuddy(field)
        if text:
            say(label.setText, text)
        self._forms[-1].addRow(label, field)
        if when is not None:
            self._rows += [(label, when), (field, when)]

    def _line(self, name: str, label: str) -> QLineEdit:
        line = QLineEdit()
        line.setObjectName(f"export-{name}")
        line.setMinimumWidth(theme.size(60))
        say(line.setAccessibleName, label)
        line.editingFinished.connect(lambda: self._typed(name, line))
        self._refreshing.append(lambda s: _show_text(line, str(getattr(s, name))))
        return line

    def _typed(self, name: str, line: QLineEdit) -> None:
        if line.text() != getattr(self.settings, name):
            self.set(**{name: line.text()})

    def _menu(self, name: str, label: str, items: Sequence[tuple[str, object]]) -> bars.Menu:
        menu = bars.Menu(f"export-{name}", label, items)
        menu.activated.connect(lambda: self.set(**{name: menu.currentData()}))
        self._refreshing.append(lambda s: menu.choose(getattr(s, name)))
        return menu

    def _number(self, name: str, label: str, range_: Range, *, unit: str = "") -> QWidget:
        number = bars.number(self._studio, f"export-{name}", label, range_, 0.0, unit=unit)
        whole = range_.whole
        self._edited(number, lambda value, token: self.set(coalesce=token, **{name: round(value) if whole else value}))
        self._refreshing.append(lambda s: number.set_value(float(getattr(s, name))))
        return number

    def _edited(self, number: NumberEdit, act: Callable[[float, str], object]) -> None:
        """Hand on the values of a number with a token that makes a drag of it one step of the history."""
        token = [""]
        number.began.connect(lambda: token.__setitem__(0, f"export-{next(_STROKES)}"))
        bars.edited(number, lambda value: act(value, token[0]))

    def _switch(self, name: str, label: str) -> QCheckBox:
        switch = QCheckBox()
        switch.setObjectName(f"export-{name}")
        say(switch.setText, label)
        say(switch.setAccessibleName, label)
        switch.clicked.connect(lambda on: self.choose(name, bool(on)))
        self._refreshing.append(lambda s: switch.setChecked(bool(getattr(s, name))))
        return switch

    def _aov(self, name: str) -> QCheckBox:
        switch = QCheckBox(name)
        switch.setObjectName(f"export-aov-{name}")
        switch.setAccessibleName(name)
        switch.clicked.connect(lambda on: self._choose_aov(name, bool(on)))
        self._refreshing.append(lambda s: switch.setChecked(name in s.aovs))
        return switch

    def _choose_aov(self, name: str, on: bool) -> None:
        chosen = {*self.settings.aovs, name} if on else set(self.settings.aovs) - {name}
        self.set(aovs=[aov for aov in AOVS if aov in chosen])

    def _corner(self, corner: int, title: str) -> QLineEdit:
        line = QLineEdit()
        line.setObjectName(f"export-burn-in-{corner}")
        say(line.setAccessibleName, title)
        say(line.setPlaceholderText, N_("No text"))
        line.editingFinished.connect(lambda: self._burn_in(corner, line.text()))
        self._refreshing.append(lambda s: _show_text(line, s.burn_ins[corner] if corner < len(s.burn_ins) else ""))
        return line

    def _burn_in(self, corner: int, text: str) -> None:
        texts = [*self.settings.burn_ins, *[""] * len(CORNERS)][: len(CORNERS)]
        if texts[corner] != text:
            texts[corner] = text
            self.set(burn_ins=texts)

    def _with_buttons(self, line: QLineEdit) -> QWidget:
        """The name, with a button that browses and one that lists the tokens."""
        box, layout = _box("export-output-row")
        browse = bars.button("export-browse", "folder", N_("Choose the folder and name…"), self.browse)
        tokens = QToolButton()
        tokens.setObjectName("export-tokens")
        tokens.setText("{ }")
        say(tokens.setToolTip, N_("Insert a token"))
        say(tokens.setAccessibleName, N_("Insert a token"))
        tokens.clicked.connect(lambda: self._list_tokens(tokens))
        for widget in (line, tokens, browse):
            layout.addWidget(widget, 1 if widget is line else 0)
        return box

    def _list_tokens(self, button: QToolButton) -> None:
        from PySide6.QtWidgets import QMenu

        menu = QMenu(button)
        menu.setObjectName("export-token-menu")
        for token, told in TOKENS.items():
            action = menu.addAction(f"{{{token}}}   {tr(told)}")
            action.setObjectName(f"export-token-{token}")
            action.triggered.connect(lambda _=False, t=token: self._insert(t))
        menu.popup(button.mapToGlobal(button.rect().bottomLeft()))

    def _insert(self, token: str) -> None:
        self.output.insert(f"{{{token}}}")
        self._typed("output", self.output)

    def browse(self) -> None:
        """Choose where files go."""
        kinds = FORMATS[self.settings.format].suffixes
        path = self._studio.face.ask_save(tr("Export to"), self.settings.output, kinds)
        if path is not None:
            self.set(output=str(path))

    def _frame_row(self) -> QWidget:
        box, layout = _box("export-frames-row")
        say(self.frames.setPlaceholderText, N_("All of the scene, or like 1-24,30x2"))
        now = bars.button("export-this-frame", "pin", N_("Only the current frame"), self._this_frame)
        every = bars.button("export-all-frames", "reset", N_("All frames of the scene"), lambda: self.set(frames=""))
        for widget in (self.frames, now, every):
            layout.addWidget(widget, 1 if widget is self.frames else 0)
        return box

    def _this_frame(self) -> None:
        self.set(frames=str(round(self._studio.frame)))

    def _size_row(self) -> QWidget:
        box, layout = _box("export-size-row")
        self.width_edit = self._number("width", N_("Width"), Range(lo=1.0, hi=65536.0, whole=True))
        self.height_edit = self._number("height", N_("Height"), Range(lo=1.0, hi=65536.0, whole=True))
        for widget in (self.width_edit, QLabel("x"), self.height_edit):
            layout.addWidget(widget)
        layout.addStretch(1)
        return box

    def _sizes_menu(self) -> bars.Menu:
        presets = bars.Menu("export-sizes", N_("Usual sizes"), [(f"{w} x {h}", (w, h)) for w, h in SIZES])
        presets.setPlaceholderText("–")
        presets.activated.connect(lambda: self._preset(presets))

        def show(settings: ExportSettings) -> None:
            presets.setCurrentIndex(bars.row_of(presets, (settings.width, settings.height)))

        self._refreshing.append(show)
        return presets

    def _preset(self, menu: bars.Menu) -> None:
        width, height = menu.currentData()
        self.set(width=width, height=height)

    def _exposure_row(self) -> QWidget:
        box, layout = _box("export-exposure-row")
        own = QCheckBox()
        own.setObjectName("export-own-exposure")
        say(own.setText, N_("Own"))
        say(own.setAccessibleName, N_("Exposure of the export instead of the camera's"))
        own.clicked.connect(lambda on: self.set(exposure_ev=0.0 if on else None))
        number = bars.number(
            self._studio, "export-exposure", N_("Exposure"), Range(soft_lo=-8.0, soft_hi=8.0), 0.0, unit="stops"
        )
        self._edited(number, lambda value, token: self.set(coalesce=token, exposure_ev=value))

        def show(settings: ExportSettings) -> None:
            own.setChecked(settings.exposure_ev is not None)
            number.setEnabled(settings.exposure_ev is not None)
            number.set_value(settings.exposure_ev or 0.0)

        self._refreshing.append(show)
        layout.addWidget(own)
        layout.addWidget(number)
        layout.addStretch(1)
        return box

    def _make_foot(self) -> QWidget:
        foot = QWidget()
        foot.setObjectName("export-foot")
        layout = QVBoxLayout(foot)
        layout.setContentsMargins(theme.size(8), theme.size(4), theme.size(8), theme.size(8))
        layout.setSpacing(theme.size(6))
        self.obstacles = QVBoxLayout()
        self.obstacles.setSpacing(theme.size(2))
        layout.addLayout(self.obstacles)
        self.add_button = QPushButton()
        self.add_button.setObjectName("export-add")
        self.add_button.setIcon(theme.icon("render"))
        self.add_button.setProperty("role", "primary")
        say(self.add_button.setText, N_("Add to the queue"))
        say(self.add_button.setAccessibleName, N_("Add to the queue"))
        self.add_button.clicked.connect(self.add)
        layout.addWidget(self.add_button)
        return foot

    # --- following ---------------------------------------------------------------------------------------------------
    def _heard(self, update: Update) -> None:
        if update.change is not None or update.parts & {"path", "frame", "render size"}:
            before = update.change.before if update.change is not None else None
            if before is not None and update.change is not None and update.change.selected and not update.change.ids:
                return
            self.refresh()

    def refresh(self) -> None:
        """Show the settings as they are now."""
        settings = self.settings
        cameras = [e for e in self._studio.scene.entities.values() if isinstance(e, Camera)]
        self.camera.fill([(N_("The scene's camera"), ""), *((bars.Given(e.name or e.id), e.id) for e in cameras)])
        self.camera.choose(settings.camera)
        for show in self._refreshing:
            show(settings)
        for widget, when in self._rows:
            widget.setVisible(when(settings))
        self._looking.start()

    def look(self) -> None:
        """Look up names and obstacles."""
        scene, settings, path, frame = self._studio.scene, self.settings, self._studio.path, self._turn + 1
        self._turn = frame
        self._desk.bridge.run(
            lambda: _looked(scene, settings, path),
            then=lambda found: self._looked(found, frame),
            failed=self._desk.tell_fault,
        )

    def _looked(self, found: tuple[list[str], tuple[Finding, ...]], turn: int) -> None:
        if turn != self._turn:
            return
        names, self.findings = found
        self.names.setText("\n".join(dict.fromkeys(Path(name).name for name in names)))
        self.names.setToolTip("\n".join(names))
        while (item := self.obstacles.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        for number, finding in enumerate(self.findings):
            self.obstacles.addWidget(_Obstacle(finding, number))
        self.add_button.setEnabled(not any(f.severity == "error" for f in self.findings))

    def add(self) -> None:
        """Put the scene into the queue and show it there."""
        if self._studio.attempt("export.add"):
            self._desk.show_panel("queue")


_STROKES = itertools.count()
_DEVICES = ("auto", "cuda", "vulkan", "metal", "cpu")


def _looked(scene: Any, settings: ExportSettings, path: Path | None) -> tuple[list[str], tuple[Finding, ...]]:
    """Names and obstacles; on a thread. A name that cannot be made is an obstacle among the others."""
    findings = check_export(scene, settings, project=path)
    try:
        names = preview_name(settings, scene, path)
    except StudioError:
        names = []
    return names, findings


class _Obstacle(QWidget):
    """What stands against an export: a sign and a sentence."""

    def __init__(self, finding: Finding, number: int) -> None:
        super().__init__()
        self.setObjectName(f"export-finding-{number}")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        sign, text = QLabel(), QLabel(finding.sentence)
        sign.setPixmap(theme.icon(_MARKS[finding.severity]).pixmap(theme.size(14), theme.size(14)))
        sign.setAccessibleName(finding.severity)
        text.setObjectName(f"export-finding-text-{number}")
        text.setWordWrap(True)
        text.setTextFormat(Qt.TextFormat.PlainText)
        layout.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(text, 1)


def _box(name: str) -> tuple[QWidget, QHBoxLayout]:
    box = QWidget()
    box.setObjectName(name)
    layout = QHBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(theme.size(4))
    return box, layout


def _show_text(line: QLineEdit, text: str) -> None:
    if line.text() != text and not (line.hasFocus() and line.isModified()):
        line.setText(text)
