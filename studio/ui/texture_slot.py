"""The card of a texture slot in the material editor: everything about the texture that is bound.

It says what the image is and where it came from, that it is missing if it is, and has the rows of its placement. It
acts on all materials that are edited together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.scene import texturing
from studio.scene.entities import Id
from studio.scene.materials import Texture
from studio.scene.schema import Field, Spec
from studio.ui import theme
from studio.ui.expressions import Entry
from studio.ui.field_rows import MenuRow, NumberRow, Row, VectorRow
from studio.ui.field_values import Shared
from studio.ui.i18n import say, tr, translated
from studio.ui.material_list import draw_picture
from studio.ui.texture_button import image_menu, title_of
from studio.ui.texture_host import TextureHost, dropped_image

_MAGENTA = "#d63bd6"
_SPACES = {"srgb": N_("sRGB colour"), "linear": N_("Linear colour"), "data": N_("Data")}
_CHANNELS = {"rgb": "RGB", "r": N_("Red"), "g": N_("Green"), "b": N_("Blue"), "a": N_("Alpha")}
_WRAPS = {"repeat": N_("Repeat"), "mirror": N_("Mirror"), "clamp": N_("Clamp")}
_FILTERS = {"linear": N_("Smooth"), "nearest": N_("Pixels")}
_SETS = {0: N_("First set"), 1: N_("Second set")}
_CHOICES: dict[str, dict[Any, str]] = {
    "colour_space": _SPACES,
    "channel": _CHANNELS,
    "uv": _SETS,
    "wrap_u": _WRAPS,
    "wrap_v": _WRAPS,
    "filter": _FILTERS,
}


def _field(name: str, label: str, shape: str, default: Any, **spec: Any) -> Field:
    width = len(default) if isinstance(default, tuple) else 1
    return Field(name, Spec(label=label, animatable=False, **spec), shape, width, default)


TEXTURE_FIELDS = (
    _field("colour_space", N_("Colour space"), "str", "srgb"),
    _field("channel", N_("Channel"), "str", "rgb"),
    _field("uv", N_("UV set"), "int", 0),
    _field("offset", N_("Offset"), "vector", (0.0, 0.0), soft_lo=-1.0, soft_hi=1.0),
    _field("rotation_deg", N_("Rotation"), "float", 0.0, unit="deg", soft_lo=-180.0, soft_hi=180.0),
    _field("scale", N_("Repeats"), "vector", (1.0, 1.0), soft_lo=0.0, soft_hi=10.0),
    _field("wrap_u", N_("Wrap across"), "str", "repeat"),
    _field("wrap_v", N_("Wrap down"), "str", "repeat"),
    _field("filter", N_("Filter"), "str", "linear"),
    _field("gain", N_("Gain"), "float", 1.0, soft_lo=0.0, soft_hi=2.0),
    _field("bias", N_("Bias"), "float", 0.0, soft_lo=-1.0, soft_hi=1.0),
)


class _InSlot(Row):
    """What makes a row edit a texture of materials instead of a field of them."""

    slot = ""

    def set_all(self, value: Any) -> None:
        """Set the whole field in the slot of every material."""
        ids, name = self.shared.ids, self.shared.field.name
        if name == "colour_space":
            self.apply(lambda scene: texturing.set_colour_space(scene, ids, self.slot, value))
        else:
            value = tuple(value) if isinstance(value, list) else value
            self.apply(lambda scene: texturing.change_texture(scene, ids, self.slot, **{name: value}))

    def change(self, entry: Entry, item: int = -1) -> None:
        """Change a number of every material's texture from what it was when the drag began."""
        ids, name, since = self.shared.ids, self.shared.field.name, self._since
        self.apply(
            lambda scene: texturing.change_texture_numbers(
                scene, ids, self.slot, name, entry.new, item=item, since=since
            )
        )

    def reset(self) -> None:
        """Give the field its default."""
        self.set_all(self.shared.default)


class _SlotNumber(_InSlot, NumberRow):
    """A number of a texture."""


class _SlotVector(_InSlot, VectorRow):
    """Two numbers of a texture."""


class _SlotMenu(_InSlot, MenuRow):
    """A choice of a texture."""


def _row(studio: Studio, slot: str, shared: Shared) -> _InSlot:
    name = shared.field.name
    row: _InSlot
    if name in _CHOICES:
        choices = _CHOICES[name]

        def offered() -> Sequence[tuple[Any, str]]:
            return [(value, tr(text)) for value, text in choices.items()]

        row = _SlotMenu(studio, shared, choices=offered)
    elif shared.field.shape == "vector":
        row = _SlotVector(studio, shared, names=("U", "V"))
    else:
        row = _SlotNumber(studio, shared)
    row.slot = slot
    return row


class _Thumbnail(QWidget):
    """The picture of an image; magenta where it is missing."""

    def __init__(self) -> None:
        super().__init__()
        self.image: QImage | None = None
        self.setFixedSize(theme.size(48), theme.size(48))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        frame = QRect(0, 0, self.width(), self.height())
        if self.image is None:
            painter.fillRect(frame, _MAGENTA)
        else:
            painter.fillRect(frame, theme.color("well"))
            size = self.image.size().scaled(frame.size(), Qt.AspectRatioMode.KeepAspectRatio)
            inner = QRect(0, 0, size.width(), size.height())
            inner.moveCenter(frame.center())
            draw_picture(painter, inner, self.image)
        painter.end()


class TextureCard(QFrame):
    """Everything about the textures of one slot. `refresh` shows what the materials have now."""

    def __init__(self, host: TextureHost, slot: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._host, self.slot = host, slot
        self._key, self._path = "", ""
        self.setObjectName(f"card-{slot}")
        self.setAcceptDrops(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self._picture = _Thumbnail()
        self._title, self._facts, self._notice = QLabel(), QLabel(), QLabel()
        self._title.setProperty("role", "field")
        self._facts.setProperty("role", "dim")
        self._notice.setWordWrap(True)
        for label in (self._title, self._facts, self._notice):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setMinimumWidth(1)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(theme.size(1))
        self._more = self._button("fold", "fold-closed", N_("Placement of the texture"), self._toggle)
        self._button("replace", "open", N_("Replace the image…"), self._replace)
        self._relink = self._button("relink", "relink", N_("Relink to a file…"), self._relink_file)
        self._folder = self._button("relink-folder", "search", N_("Look for missing textures in a folder…"), None)
        self._folder.clicked.connect(host.relink_folder)
        self._reveal = self._button("reveal", "folder", N_("Show the file in its folder"), self._show_file)
        self._button("clear", "close", N_("Remove a texture"), lambda: self._host.clear(self.slot))
        self._body = QWidget()
        self._grid = QGridLayout(self._body)
        self._grid.setContentsMargins(0, theme.size(4), 0, 0)
        self._grid.setColumnStretch(1, 1)
        self._grid.setHorizontalSpacing(theme.size(6))
        self._grid.setVerticalSpacing(theme.size(3))
        self._rows: dict[str, _InSlot] = {}
        self._body.setVisible(False)
        self._lay_out()
        translated(self.refresh)

    def _lay_out(self) -> None:
        words = QVBoxLayout()
        words.setSpacing(theme.size(1))
        words.addWidget(self._title)
        words.addWidget(self._facts)
        head = QHBoxLayout()
        head.setSpacing(theme.size(8))
        head.addWidget(self._picture, 0, Qt.AlignmentFlag.AlignTop)
        right = QVBoxLayout()
        right.setSpacing(theme.size(2))
        right.addLayout(words)
        self._buttons.addStretch(1)
        right.addLayout(self._buttons)
        head.addLayout(right, 1)
        layout = QVBoxLayout(self)
        edge = theme.size(6)
        layout.setContentsMargins(edge, edge, edge, edge)
        layout.setSpacing(theme.size(2))
        layout.addLayout(head)
        layout.addWidget(self._notice)
        layout.addWidget(self._body)

    def _button(self, name: str, icon: str, text: str, call: Any) -> QToolButton:
        button = QToolButton()
        button.setObjectName(f"{self.objectName()}-{name}")
        button.setProperty("role", "quiet")
        button.setIcon(theme.icon(icon))
        button.setIconSize(QSize(theme.size(14), theme.size(14)))
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        say(button.setAccessibleName, text)
        say(button.setToolTip, text)
        if call is not None:
            button.clicked.connect(call)
        self._buttons.addWidget(button)
        return button

    # --- showing -----------------------------------------------------------------------------------------------------
    @property
    def bearers(self) -> tuple[Id, ...]:
        """The edited materials that have a texture in this slot."""
        materials = self._host.studio.scene.materials
        return tuple(id_ for id_ in self._host.ids() if id_ in materials and self.slot in materials[id_].textures)

    @property
    def opened(self) -> bool:
        """Whether the rows of its placement are shown."""
        return not self._body.isHidden()

    def open(self, on: bool = True) -> None:
        """Show the rows, or fold them away."""
        self._body.setVisible(on)
        self._more.setIcon(theme.icon("fold-open" if on else "fold-closed"))
        self.refresh()

    def _toggle(self) -> None:
        self.open(not self.opened)

    def refresh(self) -> None:
        """Show what the materials have now."""
        ids = self.bearers
        if not ids:
            return
        scene = self._host.studio.scene
        textures = [scene.materials[id_].textures[self.slot] for id_ in ids]
        self._key = textures[0].image
        image = scene.images.get(self._key)
        self._picture.image = self._host.thumbnail(self._key)
        self._picture.update()
        self._title.setText(tr(title_of(self.slot)))
        several = len({texture.image for texture in textures}) > 1
        lost = image is None
        self._path = textures[0].path if image is None else image.path
        if several:
            self._facts.setText(tr("Several images"))
        elif image is not None:
            height, width = image.pixels.shape[:2]
            self._facts.setText(f"{image.name or tr('Image')}  ·  {width} × {height}")
        else:
            self._facts.setText(texturing.file_name(self._path) or tr("Image"))
        self.setToolTip(self._path)
        gone = not lost and bool(self._path) and not self._host.is_there(self._path)
        self._notice.setVisible(lost or gone)
        self._notice.setStyleSheet(f"color: {theme.COLORS['error' if lost else 'warning']}")
        if lost:
            self._notice.setText(tr("The image is missing and drawn magenta. Relink it to its file."))
        elif gone:
            self._notice.setText(tr("The file is gone; its pixels are kept with the scene."))
        self._relink.setVisible(lost or gone)
        self._folder.setVisible(lost and bool(self._path))
        self._reveal.setVisible(bool(self._path) and not lost and not gone)
        if self.opened:
            self._refresh_rows(ids, textures)

    def _refresh_rows(self, ids: tuple[Id, ...], textures: list[Texture]) -> None:
        for field in TEXTURE_FIELDS:
            shared = self._shared(field, ids, textures)
            row = self._rows.get(field.name)
            if row is None:
                row = self._rows[field.name] = _row(self._host.studio, self.slot, shared)
                label = QLabel()
                label.setProperty("role", "field")
                label.setBuddy(row)
                say(label.setText, field.label)
                at = self._grid.rowCount()
                self._grid.addWidget(label, at, 0)
                self._grid.addWidget(row, at, 1)
            else:
                row.show_value(shared)
            if field.name == "colour_space":
                row.setEnabled(texturing.is_colour(self.slot))

    def _shared(self, field: Field, ids: tuple[Id, ...], textures: list[Texture]) -> Shared:
        if field.name == "colour_space":
            images = self._host.studio.scene.images
            colour = texturing.is_colour(self.slot)
            values: list[Any] = [
                images[t.image].colour_space if colour and t.image in images else "data" for t in textures
            ]
        else:
            values = [getattr(texture, field.name) for texture in textures]
        first = values[0]
        if field.shape == "vector":
            mixed = tuple(any(v[i] != first[i] for v in values) for i in range(len(first)))
        else:
            mixed = (any(v != first for v in values),)
        return Shared(field, ids, first, mixed, field.default)

    def paintEvent(self, event: QPaintEvent) -> None:
        """A well of its own, so that it is seen to be one thing."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("chrome"))
        painter.drawRoundedRect(self.rect(), theme.size(4), theme.size(4))
        painter.end()

    # --- hands -------------------------------------------------------------------------------------------------------
    def _replace(self) -> None:
        image_menu(self._host, self.slot, self).popup(self.mapToGlobal(self._picture.geometry().bottomLeft()))

    def _relink_file(self) -> None:
        self._host.relink_file(self.slot, self._key)

    def _show_file(self) -> None:
        self._host.reveal(self._path)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if dropped_image(event.mimeData()) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        path = dropped_image(event.mimeData())
        if path is not None:
            event.acceptProposedAction()
            self._host.bind_file(self.slot, path)
