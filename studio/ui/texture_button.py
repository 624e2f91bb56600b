"""The button of a texture slot, beside its parameter in the material editor.

It shows whether a texture is bound, takes an image file that is dropped on it or on its row, and offers the images of
the scene. What it does acts on all materials that are edited together.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QIcon, QImage, QPixmap
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from studio.commands.registry import N_
from studio.scene import texturing
from studio.scene.materials import Material
from studio.scene.schema import fields
from studio.ui import theme
from studio.ui.i18n import tr, translated
from studio.ui.texture_host import TextureHost, dropped_image

_OWN_TITLES = {
    "geometry_normal": N_("Normal map"),
    "geometry_coat_normal": N_("Coat normal map"),
    "bump": N_("Bump map"),
    "wrinkle_1_normal": N_("Wrinkles 1, normal map"),
    "wrinkle_2_normal": N_("Wrinkles 2, normal map"),
    "wrinkle_3_normal": N_("Wrinkles 3, normal map"),
    "wrinkle_1_color": N_("Wrinkles 1, colour map"),
    "wrinkle_2_color": N_("Wrinkles 2, colour map"),
    "wrinkle_3_color": N_("Wrinkles 3, colour map"),
}


def title_of(slot: str) -> str:
    """The English title of a slot."""
    field = fields(Material).get(texturing.field_of(slot))
    return _OWN_TITLES.get(slot) or (field.label if field is not None else slot)


class SlotButton(QToolButton):
    """The button beside a parameter. `pressed_bound` asks to show the card of a slot that has a texture."""

    asked_card = Signal()

    def __init__(self, host: TextureHost, slot: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._host, self.slot = host, slot
        self.bound = self.lost = False
        self.setObjectName(f"slot-{slot}")
        self.setProperty("role", "quiet")
        self.setAcceptDrops(True)
        self.setIconSize(QSize(theme.size(14), theme.size(14)))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.clicked.connect(self._clicked)
        translated(self._name)

    def _name(self) -> None:
        text = tr("Texture of {name}", name=tr(title_of(self.slot)))
        self.setAccessibleName(text)
        self.setToolTip(f"{text}\n{tr('Click to choose, or drop an image here.')}")

    def show_state(self, image: QImage | None, *, bound: bool, lost: bool) -> None:
        """Show whether there is a texture, with its picture."""
        self.bound, self.lost = bound, lost
        if image is not None:
            self.setIcon(QIcon(QPixmap.fromImage(image)))
        elif lost:
            self.setIcon(theme.icon("texture", "error"))
        else:
            self.setIcon(theme.icon("texture", "accent" if bound else "disabled"))

    def _clicked(self) -> None:
        if self.bound:
            self.asked_card.emit()
        else:
            self.menu_of_images().popup(self.mapToGlobal(self.rect().bottomLeft()))

    def menu_of_images(self) -> QMenu:
        """A menu of the images of the scene, and of a file."""
        return image_menu(self._host, self.slot, self)

    def take_drops_of(self, widget: QWidget) -> None:
        """Have images that are dropped on another widget, too."""
        widget.setAcceptDrops(True)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Drags over what stands for this slot."""
        if isinstance(event, QDragEnterEvent):
            self.dragEnterEvent(event)
        elif event.type() == QEvent.Type.DragLeave:
            self.setDown(False)
        elif event.type() == QEvent.Type.Drop and isinstance(event, QDropEvent):
            self.dropEvent(event)
        else:
            return False
        return True

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if dropped_image(event.mimeData()) is not None:
            event.acceptProposedAction()
            self.setDown(True)
        else:
            event.ignore()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self.setDown(False)

    def dropEvent(self, event: QDropEvent) -> None:
        self.setDown(False)
        path = dropped_image(event.mimeData())
        if path is not None:
            event.acceptProposedAction()
            self._host.bind_file(self.slot, path)


def image_menu(host: TextureHost, slot: str, parent: QWidget) -> QMenu:
    """What can be bound to a slot: a file, or an image that the scene has."""
    menu = QMenu(parent)
    menu.setObjectName("slot-menu")
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    menu.addAction(theme.icon("open"), tr("Image file…"), lambda: host.ask_file(slot))
    found = host.images()
    if found:
        menu.addSeparator()
    for key, name in found[:40]:
        picture = host.thumbnail(key)
        icon = QIcon(QPixmap.fromImage(picture)) if picture is not None else QIcon()
        menu.addAction(icon, name.replace("&", "&&"), lambda key=key: host.bind_image(slot, key))
    return menu
