"""The export panel: which frames become which files, with what they will be called and what stands against it.

Every control shows a field of the scene's `ExportSettings` and changes it through `commands.export.change_export`, so
undo, scripts and saved projects see the same. Names and obstacles are looked up on a thread, a moment after the last
change: the disk may be slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
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
from studio.ui import bars, theme
from studio.ui.export_fields import ExportFields
from studio.ui.form_rows import FormRows, fill_row
from studio.ui.i18n import say, translated
from studio.ui.number_edit import Range
from studio.ui.panel import Desk, panel

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
_SWITCHED = ("lights", "crypto_object", "crypto_material")  # layers that have a switch of their own
_LABEL_PX = 92


@panel("export", N_("Export"), "right", "export", default=False)
class ExportPanel(QWidget):
    """See the module."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("export")
        self._studio, self._desk = studio, desk
        self.findings: tuple[Finding, ...] = ()
        self._looking = QTimer(self)
        self._looking.setSingleShot(True)
        self._looking.setInterval(_LOOK_AFTER_MS)
        self._looking.timeout.connect(self.look)
        self._turn = 0
        body = QWidget()
        body.setObjectName("export-body")
        column = QVBoxLayout(body)
        column.setContentsMargins(theme.size(8), theme.size(6), theme.size(8), theme.size(6))
        column.setSpacing(theme.size(4))
        self._make(column)
        column.addStretch(1)
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
    def _make(self, column: QVBoxLayout) -> None:
        self.rows: FormRows[ExportSettings] = FormRows(
            self._studio, column, prefix="export", label_px=_LABEL_PX, gap_px=6
        )
        self._fields: ExportFields[ExportSettings] = ExportFields(
            self._studio, self.rows, self.set, lambda settings: settings
        )
        self._make_files()
        self._make_frames()
        self._make_quality()
        self._make_layers()
        self._make_look()

    def _make_files(self) -> None:
        row = self.rows.row
        self.rows.section(N_("Files"))
        self.output = self._fields.output(N_("Name"), N_("Name"), asks=N_("Export to"))
        self.names = self._fields.names
        self.format = self._menu("format", N_("Format"), [(f.label, name) for name, f in FORMATS.items()])
        row(N_("Format"), self.format)
        row(
            N_("Compression"),
            self._menu("compression", N_("Compression"), [(c.upper(), c) for c in COMPRESSIONS]),
            _exr,
        )
        row(
            N_("DWA level"),
            self._number("dwa_level", N_("DWA level"), Range(lo=0.0, hi=500.0)),
            lambda s: _exr(s) and s.compression.startswith("dwa"),
        )
        row("", self._switch("half", N_("Half floats")), _exr)
        row("", self._switch("multi_part", N_("A part for each layer")), _exr)
        row(
            N_("Quality"),
            self._number("quality", N_("Quality"), Range(lo=1.0, hi=100.0, whole=True)),
            lambda s: s.format == "jpeg" or s.format.startswith("h26"),
        )
        row(
            N_("Bit rate"),
            self._number("bitrate_mbps", N_("Bit rate"), Range(lo=0.0, hi=10_000.0), unit="Mbit/s"),
            lambda s: s.format.startswith("h26"),
        )
        row("", self._switch("alpha", N_("Transparent background")), lambda s: FORMATS[s.format].alpha)
        row("", self._switch("audio", N_("Sound of the timeline")), lambda s: FORMATS[s.format].movie)
        self.overwrite = self._menu("overwrite", N_("Files that are there already"), _OVERWRITE)
        row(N_("If there already"), self.overwrite)

    def _make_frames(self) -> None:
        self.rows.section(N_("Frames"))
        self.frames = self._fields.frames()
        self.camera = self._fields.camera()
        self.width_edit, self.height_edit = self._fields.size()
        self._fields.usual_sizes()

    def _make_quality(self) -> None:
        row = self.rows.row
        self.rows.section(N_("Quality of the picture"))
        row(
            N_("Samples"),
            self._number("samples", N_("Samples"), Range(lo=1.0, hi=65536.0, whole=True, soft_hi=4096.0)),
        )
        row(N_("Noise target"), self._number("error", N_("Noise that may stay"), Range(lo=0.0, hi=10.0, soft_hi=0.2)))
        limit = self._number("time_limit_s", N_("Longest time of a frame"), Range(lo=0.0, hi=1e9), unit="s")
        row(N_("Time limit"), limit)
        row(N_("Depth"), self._number("depth", N_("Path segments"), Range(lo=1.0, hi=64.0, whole=True)))
        row(N_("Seed"), self._number("seed", N_("Seed"), Range(lo=0.0, hi=2147483647.0, whole=True)))
        row("", self._switch("denoise", N_("Denoise")))
        row(N_("Device"), self._menu("device", N_("Device"), [(d, d) for d in _DEVICES]))

    def _make_layers(self) -> None:
        row = self.rows.row
        self.rows.section(N_("Layers"), _exr)
        row("", self._switch("light_groups", N_("Light groups")), _exr)
        row("", self._switch("light_layers", N_("A layer for every light")), _exr)
        row("", self._switch("cryptomatte", N_("Cryptomatte")), _exr)
        for name in AOVS:
            if name not in _SWITCHED:
                row("", self._aov(name), _exr)

    def _make_look(self) -> None:
        row = self.rows.row
        self.rows.section(N_("Look"))
        self.view_menu = self._menu("view", N_("View"), [(v, v) for v in color.views()])
        fill_row(self.view_menu)
        row(N_("View"), self.view_menu)
        row(N_("Exposure"), self._exposure_row())
        for corner, title in enumerate(_CORNERS):
            row(title, self._corner(corner, title), _shown)
        row("", self._switch("slate", N_("Slate before the first frame")), _shown)
        row(N_("Artist"), self.rows.line("artist", N_("Artist"), self.set, lambda settings: settings.artist))

    # --- controls that show a setting by its name --------------------------------------------------------------------
    def _menu(self, name: str, label: str, items: Sequence[tuple[str, object]]) -> bars.Menu:
        return self.rows.menu(name, label, items, self.set, lambda settings: getattr(settings, name))

    def _number(self, name: str, label: str, range_: Range, *, unit: str = "") -> QWidget:
        return self.rows.number(name, label, range_, self.set, lambda settings: getattr(settings, name), unit=unit)

    def _switch(self, name: str, label: str) -> QCheckBox:
        return self.rows.switch(name, label, self.set, lambda settings: bool(getattr(settings, name)))

    def _aov(self, name: str) -> QCheckBox:
        switch = QCheckBox(name)
        switch.setObjectName(f"export-aov-{name}")
        switch.setAccessibleName(name)
        switch.clicked.connect(lambda on: self._choose_aov(name, bool(on)))
        self.rows.follow(lambda settings: switch.setChecked(name in settings.aovs))
        return switch

    def _choose_aov(self, name: str, on: bool) -> None:
        chosen = {*self.settings.aovs, name} if on else set(self.settings.aovs) - {name}
        self.set(aovs=[aov for aov in AOVS if aov in chosen])

    def _corner(self, corner: int, title: str) -> QLineEdit:
        name = f"burn-in-{corner}"

        def change(**texts: str) -> None:
            shown = [*self.settings.burn_ins, *[""] * len(CORNERS)][: len(CORNERS)]
            shown[corner] = texts[name]
            self.set(burn_ins=shown)

        def read(settings: ExportSettings) -> str:
            return settings.burn_ins[corner] if corner < len(settings.burn_ins) else ""

        return self.rows.line(name, title, change, read, hint=N_("No text"))

    def _exposure_row(self) -> QWidget:
        own = QCheckBox()
        own.setObjectName("export-own-exposure")
        say(own.setText, N_("Own"))
        say(own.setAccessibleName, N_("Exposure of the export instead of the camera's"))
        own.clicked.connect(lambda on: self.set(exposure_ev=0.0 if on else None))
        number = self.rows.number(
            "exposure",
            N_("Exposure"),
            Range(soft_lo=-8.0, soft_hi=8.0),
            self.set,
            lambda settings: settings.exposure_ev or 0.0,
            key="exposure_ev",
            unit="stops",
        )

        def show(settings: ExportSettings) -> None:
            own.setChecked(settings.exposure_ev is not None)
            number.setEnabled(settings.exposure_ev is not None)

        self.rows.follow(show)
        return self.rows.beside("exposure-row", own, number)

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
        self.rows.refresh(self.settings)
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
        self._fields.show_names(names)
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


def _exr(settings: ExportSettings) -> bool:
    return settings.format == "exr"


def _shown(settings: ExportSettings) -> bool:
    """Whether files hold what a screen shows."""
    return settings.format != "exr"
