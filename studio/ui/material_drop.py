"""Materials dropped on what they are to be worn by: on an object in a viewport, or on a row of the outliner.

A viewport asks the taker that is registered here (`studio.ui.viewport_drops`): what the pointer is over is outlined and
a label says what would wear what. An object of several parts gets the material on the part under the pointer, with
Shift on all of it. What is locked is not dressed. The outliner, whose own drags move entities, is helped by a filter of
its events, so that it need not know of materials.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QMimeData, QObject, QPoint, Qt
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QApplication, QFrame

from studio.commands.studio import Studio
from studio.scene.entities import Id, MeshObject
from studio.ui import theme
from studio.ui.i18n import tr
from studio.ui.material_model import MIME, dragged
from studio.ui.viewport_drops import Ghost, Spot, Taker, register

if TYPE_CHECKING:
    from studio.ui.outliner import OutlinerTree


@dataclass(frozen=True, slots=True)
class Target:
    """What would wear the material: an object, and a part of it or (-1) all."""

    id: Id
    part: int = -1


def target_of(studio: Studio, id_: Id, part: int = -1) -> Target | None:
    """What a drop on an object (and a part of its mesh) would dress; None for what has no surface or is locked."""
    entities = studio.scene.entities
    entity = entities.get(id_)
    if not isinstance(entity, MeshObject):
        return None
    at, steps = id_, 0
    while at in entities and steps <= len(entities):
        if entities[at].locked:
            return None
        at, steps = entities[at].parent, steps + 1
    mesh = studio.scene.meshes.get(entity.mesh)
    several = mesh is not None and len(mesh.parts) > 2
    whole = bool(QApplication.keyboardModifiers() & Qt.KeyboardModifier.ShiftModifier)
    return Target(id_, part if several and not whole else -1)


def _told(studio: Studio, material: Id, target: Target) -> str:
    """What a drop would do, in words."""
    scene = studio.scene
    name = scene.entities[target.id].name or target.id
    worn = scene.materials[material].name or material
    if target.part < 0:
        return tr("{material} on {name}", material=worn, name=name)
    number = target.part + 1
    return tr("{material} on part {part} of {name}; Shift for all of it", material=worn, part=number, name=name)


def _hover(studio: Studio, data: QMimeData, spot: Spot) -> Ghost | None:
    material = dragged(data)
    target = target_of(studio, spot.id, spot.part)
    if target is None or material not in studio.scene.materials:
        return None
    return Ghost(_told(studio, material, target), place=False, outline=target.id)


def _drop(studio: Studio, data: QMimeData, spot: Spot) -> None:
    material, target = dragged(data), target_of(studio, spot.id, spot.part)
    if target is not None and material in studio.scene.materials:
        dress(studio, material, target)


def dress(studio: Studio, material: Id, target: Target) -> None:
    """Put a material on what it was dropped on."""
    studio.attempt("materials.assign", material=material, to=(target.id,), part=target.part)


register(MIME, Taker(_hover, _drop))


class OutlinerDrop(QObject):
    """Hears drags of materials over the outliner's rows, and frames the row that would be dressed."""

    def __init__(self, studio: Studio, tree: OutlinerTree) -> None:
        super().__init__(tree)
        self._studio, self._tree = studio, tree
        self._frame = QFrame(tree.viewport())
        self._frame.setObjectName("material-drop-frame")
        self._frame.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._frame.setStyleSheet(f"border: 1px solid {theme.COLORS['accent']}; background: transparent;")
        self._frame.hide()
        tree.viewport().installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Drags of materials; everything else is the tree's."""
        kind = event.type()
        if kind == QEvent.Type.DragLeave:
            self._frame.hide()
            return False
        if kind not in (QEvent.Type.DragEnter, QEvent.Type.DragMove, QEvent.Type.Drop):
            return False
        assert isinstance(event, QDropEvent)
        if not event.mimeData().hasFormat(MIME):
            return False
        material = dragged(event.mimeData())
        target = self._under(event.position().toPoint()) if material in self._studio.scene.materials else None
        if kind == QEvent.Type.Drop:
            self._frame.hide()
            if target is not None:
                dress(self._studio, material, target)
        else:
            self._show(target)
        event.setDropAction(Qt.DropAction.CopyAction)
        event.setAccepted(target is not None or kind == QEvent.Type.DragEnter)
        return True

    def _under(self, at: QPoint) -> Target | None:
        id_ = self._tree.id_at(self._tree.indexAt(at))
        return target_of(self._studio, id_) if id_ else None

    def _show(self, target: Target | None) -> None:
        if target is None:
            self._frame.hide()
            return
        row = self._tree.visualRect(self._tree.index_of(target.id))
        self._frame.setGeometry(0, row.top(), self._tree.viewport().width(), row.height())
        self._frame.show()
