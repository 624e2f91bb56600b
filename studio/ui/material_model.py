"""The list of materials as Qt's views read it: names, pictures, and how many objects wear each.

Rows follow the scene's materials. A material is dragged out under `MIME` with its id, to be dropped on an object in a
viewport or in the outliner.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QMimeData, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QImage

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.errors import StudioError
from studio.scene import edits, material_edits
from studio.scene.document import Change
from studio.scene.entities import Id
from studio.scene.materials import Material
from studio.scene.schema import Touches
from studio.scene.texturing import lost_textures
from studio.ui.i18n import tr
from studio.ui.material_swatches import Swatches, swatch_key

MIME = "application/x-myriad-material"
ID_ROLE = Qt.ItemDataRole.UserRole
USERS_ROLE = Qt.ItemDataRole.UserRole + 1  # how many objects wear it
PICTURE_ROLE = Qt.ItemDataRole.UserRole + 2
LOST_ROLE = Qt.ItemDataRole.UserRole + 3  # whether a texture of it is missing
Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_FLAGS = (
    Qt.ItemFlag.ItemIsEnabled
    | Qt.ItemFlag.ItemIsSelectable
    | Qt.ItemFlag.ItemIsDragEnabled
    | Qt.ItemFlag.ItemIsEditable
    | Qt.ItemFlag.ItemNeverHasChildren
)


class MaterialModel(QAbstractListModel):
    """See the module."""

    def __init__(self, studio: Studio, swatches: Swatches, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._studio, self._swatches = studio, swatches
        self._scene = studio.scene
        self.ids: list[Id] = list(self._scene.materials)
        self._users = material_edits.users(self._scene)
        self._lost = {lost.material for lost in lost_textures(self._scene)}
        self._keys: dict[Id, tuple[Material, str]] = {}
        swatches.came.connect(self._picture_came)

    # --- following ---------------------------------------------------------------------------------------------------
    def heard(self, change: Change) -> None:
        """The document changed."""
        before = self._scene
        relisted = list(change.after.materials) != self.ids
        if relisted:
            self.layoutAboutToBeChanged.emit()
        self._scene = change.after
        if before.materials is not self._scene.materials or before.images is not self._scene.images:
            self._lost = {lost.material for lost in lost_textures(self._scene)}
        if relisted:
            self._relist()
            return
        if before.entities is not self._scene.entities and change.touches & (Touches.MATERIAL | Touches.HIERARCHY):
            self._count()
        if before.materials is not self._scene.materials:
            for row, id_ in enumerate(self.ids):
                if before.materials.get(id_) is not self._scene.materials[id_]:
                    self.dataChanged.emit(self.index(row), self.index(row))

    def _count(self) -> None:
        before, self._users = self._users, material_edits.users(self._scene)
        for row, id_ in enumerate(self.ids):
            if len(before.get(id_, ())) != len(self._users.get(id_, ())):
                self.dataChanged.emit(self.index(row), self.index(row), [USERS_ROLE])

    def _relist(self) -> None:
        """Other materials: what is selected stays so as far as it is there."""
        kept = self.persistentIndexList()
        ids = [self.ids[index.row()] for index in kept]
        self.ids = list(self._scene.materials)
        self._users = material_edits.users(self._scene)
        self._keys = {id_: found for id_, found in self._keys.items() if id_ in self._scene.materials}
        rows = {id_: row for row, id_ in enumerate(self.ids)}
        moved = [self.createIndex(rows[id_], 0) if id_ in rows else QModelIndex() for id_ in ids]
        self.changePersistentIndexList(kept, moved)
        self.layoutChanged.emit()

    def _picture_came(self, key: str) -> None:
        for row, id_ in enumerate(self.ids):
            found = self._keys.get(id_)
            if found is not None and found[1] == key:
                self.dataChanged.emit(self.index(row), self.index(row), [PICTURE_ROLE])

    def relabel(self) -> None:
        """Another language."""
        if self.ids:
            self.dataChanged.emit(self.index(0), self.index(len(self.ids) - 1))

    # --- reading -----------------------------------------------------------------------------------------------------
    def material(self, id_: Id) -> Material:
        """A material as it stands at the frame."""
        shown = self._studio.posed.materials.get(id_)
        return shown if shown is not None else self._scene.materials[id_]

    def users_of(self, id_: Id) -> Sequence[Id]:
        """Objects that wear a material."""
        return self._users.get(id_, ())

    def row_of(self, id_: Id) -> int:
        """The row of a material, -1 when it is not there."""
        return self.ids.index(id_) if id_ in self.ids else -1

    def rowCount(self, parent: Index = _ROOT) -> int:
        """How many materials there are."""
        return 0 if parent.isValid() else len(self.ids)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a row shows."""
        if not index.isValid() or index.row() >= len(self.ids):
            return None
        id_ = self.ids[index.row()]
        material = self.material(id_)
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return material.name or id_
        if role == ID_ROLE:
            return id_
        if role == USERS_ROLE:
            return len(self._users.get(id_, ()))
        if role == LOST_ROLE:
            return id_ in self._lost
        if role == PICTURE_ROLE:
            return self.picture(material)
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{material.name or id_}\n{used_text(len(self._users.get(id_, ())))}"
        return None

    def picture(self, material: Material) -> QImage:
        """The rendered picture of a material, or the quick one until there is one."""
        held = self._keys.get(material.id)
        if held is None or held[0] is not material:
            held = self._keys[material.id] = (material, swatch_key(material, self._scene.images))
        return self._swatches.get(held[1]) or self._swatches.quick(material)

    def preset_picture(self, material: Material) -> QImage:
        """The picture of a material that the scene does not have, if there is one, else the quick one."""
        return self._swatches.get(swatch_key(material, {})) or self._swatches.quick(material)

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Materials can be renamed and dragged out."""
        return _FLAGS if index.isValid() else Qt.ItemFlag.NoItemFlags

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Rename."""
        if not index.isValid() or role != Qt.ItemDataRole.EditRole:
            return False
        id_, text = self.ids[index.row()], str(value).strip()
        if text == (self._scene.materials[id_].name or id_):
            return False
        try:
            self._studio.edit(N_("Rename material"), edits.rename, id_, text)
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="error")
            return False
        return True

    # --- dragging ----------------------------------------------------------------------------------------------------
    def mimeTypes(self) -> list[str]:
        """Materials of this scene."""
        return [MIME]

    def supportedDragActions(self) -> Qt.DropAction:
        """A material is worn by one object more; it stays where it is."""
        return Qt.DropAction.CopyAction

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        """The id of what is dragged; of several, the first one's."""
        out = QMimeData()
        if indexes:
            out.setData(MIME, self.ids[indexes[0].row()].encode())
        return out


def dragged(data: QMimeData) -> Id:
    """The material of a drag, "" for anything else."""
    return bytes(data.data(MIME).data()).decode(errors="replace") if data.hasFormat(MIME) else ""


def used_text(count: int) -> str:
    """How many objects wear a material, in words."""
    if count == 0:
        return tr("Unused")
    return tr("Used by one object") if count == 1 else tr("Used by {count} objects", count=count)
