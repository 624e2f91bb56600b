"""The rows of an export that every panel has which asks for pictures: what they are called, which frames, through which
camera, how large. The panel of the export and the one that sends to the farm show the same settings by them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit, QMenu, QToolButton

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.render.export import FORMATS, ExportSettings
from studio.scene.entities import Camera
from studio.ui import bars
from studio.ui.form_rows import Change, FormRows, fill_row, tool, word
from studio.ui.i18n import say, tr
from studio.ui.number_edit import NumberEdit, Range

S = TypeVar("S")
SIZES = ((640, 360), (1280, 720), (1920, 1080), (2048, 858), (2560, 1440), (3840, 2160), (1080, 1920), (1080, 1080))
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


class ExportFields(Generic[S]):
    """Makes the rows, of a panel that shows `S` and knows the export in it."""

    def __init__(
        self, studio: Studio, rows: FormRows[S], change: Change, export_in: Callable[[S], ExportSettings]
    ) -> None:
        self._studio, self._rows, self._change, self._export_in = studio, rows, change, export_in
        self._settings = ExportSettings()
        rows.follow(lambda shown: setattr(self, "_settings", export_in(shown)))

    def _of(self, name: str) -> Callable[[S], object]:
        return lambda shown: getattr(self._export_in(shown), name)

    # --- files -------------------------------------------------------------------------------------------------------
    def output(self, text: str, label: str, *, asks: str) -> QLineEdit:
        """The name, with a button that lists the tokens and one that browses, and below it what files will be called.
        `asks` is the question of the browser."""
        rows, prefix = self._rows, self._rows.prefix
        line = rows.line("output", label, self._change, lambda shown: self._export_in(shown).output)
        tokens = QToolButton()
        tokens.setObjectName(f"{prefix}-tokens")
        tokens.setText("{ }")
        tokens.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        say(tokens.setToolTip, N_("Insert a token"))
        say(tokens.setAccessibleName, N_("Insert a token"))
        tokens.clicked.connect(lambda: self._list_tokens(tokens, line))
        chooses = N_("Choose the folder and name…")
        browse = tool(f"{prefix}-browse", "folder", chooses, lambda: self._browse(asks, line))
        rows.row(text, rows.beside("output-row", line, tokens, browse, grows=line))
        self.names = rows.text("names")
        say(self.names.setAccessibleName, N_("Names of the files"))
        rows.row("", self.names)
        return line

    def show_names(self, names: Sequence[str]) -> None:
        """The first and the last file as they will be called."""
        self.names.setText("\n".join(dict.fromkeys(Path(name).name for name in names)))
        self.names.setToolTip("\n".join(names))

    def _list_tokens(self, button: QToolButton, line: QLineEdit) -> None:
        menu = QMenu(button)
        menu.setObjectName(f"{self._rows.prefix}-token-menu")
        menu.aboutToHide.connect(menu.deleteLater)
        for token, told in TOKENS.items():
            action = menu.addAction(f"{{{token}}}   {tr(told)}")
            action.setObjectName(f"{self._rows.prefix}-token-{token}")
            action.triggered.connect(lambda _=False, t=token: self._insert(line, t))
        menu.popup(button.mapToGlobal(button.rect().bottomLeft()))

    def _insert(self, line: QLineEdit, token: str) -> None:
        line.insert(f"{{{token}}}")
        line.setModified(False)
        self._change(output=line.text())

    def _browse(self, asks: str, line: QLineEdit) -> None:
        kinds = FORMATS[self._settings.format].suffixes
        found = self._studio.face.ask_save(tr(asks), line.text(), kinds)
        if found is not None:
            self._change(output=str(found))

    # --- frames ------------------------------------------------------------------------------------------------------
    def frames(self) -> QLineEdit:
        """The frames, with buttons for the current one and for all."""
        rows, prefix = self._rows, self._rows.prefix
        hint = N_("All, or 1-24,30x2")
        line = rows.line("frames", N_("Frames"), self._change, lambda shown: self._export_in(shown).frames, hint=hint)
        now = tool(f"{prefix}-this-frame", "pin", N_("Only the current frame"), self._this_frame)
        every = tool(f"{prefix}-all-frames", "reset", N_("All frames of the scene"), lambda: self._change(frames=""))
        rows.row(N_("Frames"), rows.beside("frames-row", line, now, every, grows=line))
        return line

    def _this_frame(self) -> None:
        self._change(frames=str(round(self._studio.frame)))

    def camera(self) -> bars.Menu:
        """The camera."""
        menu = self._rows.menu("camera", N_("Camera"), (), self._change, self._of("camera"))

        def cameras(shown: S) -> None:
            found = [each for each in self._studio.scene.entities.values() if isinstance(each, Camera)]
            items: list[tuple[str, object]] = [(N_("The scene's camera"), "")]
            menu.fill([*items, *((bars.Given(each.name or each.id), each.id) for each in found)])
            menu.choose(self._export_in(shown).camera)

        self._rows.follow(cameras)
        self._rows.row(N_("Camera"), menu)
        return menu

    # --- size --------------------------------------------------------------------------------------------------------
    def size(self) -> tuple[NumberEdit, NumberEdit]:
        """Width and height."""
        rows, sides = self._rows, Range(lo=1.0, hi=65536.0, whole=True)
        width = rows.number("width", N_("Width"), sides, self._change, lambda shown: self._export_in(shown).width)
        height = rows.number("height", N_("Height"), sides, self._change, lambda shown: self._export_in(shown).height)
        rows.row(N_("Size"), rows.beside("size-row", width, word("x"), height))
        return width, height

    def usual_sizes(self, *, fills: bool = False) -> bars.Menu:
        """Sizes to choose from; "–" where the size is another."""
        items = [(f"{w} x {h}", (w, h)) for w, h in SIZES]
        menu = bars.Menu(f"{self._rows.prefix}-sizes", N_("Usual sizes"), items)
        menu.setPlaceholderText("–")
        if fills:
            fill_row(menu)
        menu.activated.connect(lambda: self._preset(menu))

        def sized(shown: S) -> None:
            size = (self._export_in(shown).width, self._export_in(shown).height)
            menu.setCurrentIndex(bars.row_of(menu, size))

        self._rows.follow(sized)
        self._rows.row(N_("Usual sizes"), menu)
        return menu

    def _preset(self, menu: bars.Menu) -> None:
        width, height = menu.currentData()
        self._change(width=width, height=height)
