"""The tree of the scene as Qt's views read it.

Rows follow the scene's entities; names of siblings stand in the scene's order. The model is told every change and does
as little as that needs: an edit of fields tells which rows to repaint, an edit of the tree lays it out anew while what
is selected, opened and scrolled to stays. Editing goes through commands and edits of the document like everything
else, so each is one step of the history.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import (
    QAbstractItemModel,
    QMimeData,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
)
from PySide6.QtGui import QFont

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.errors import StudioError
from studio.scene import edits
from studio.scene.document import Change
from studio.scene.entities import Camera, Constraint, Entity, Figure, Group, Id, MeshObject, Path
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.ui import theme
from studio.ui.i18n import tr

NAME, VISIBLE, LOCKED = range(3)
_HEADERS = (N_("Name"), N_("Visible"), N_("Locked"))
MIME = "application/x-myriad-entities"
ID_ROLE = Qt.ItemDataRole.UserRole
_ROOT = QModelIndex()
# made once: a view asks for them thousands of times
_PLAIN = (
    Qt.ItemFlag.ItemIsEnabled
    | Qt.ItemFlag.ItemIsSelectable
    | Qt.ItemFlag.ItemIsDragEnabled
    | Qt.ItemFlag.ItemIsDropEnabled
)
_NAMED = _PLAIN | Qt.ItemFlag.ItemIsEditable
Index = QModelIndex | QPersistentModelIndex


@dataclass(slots=True)
class _Node:
    id: Id
    parent: int  # number of a node, 0 is the root
    row: int
    children: list[int] = field(default_factory=list)


class OutlinerModel(QAbstractItemModel):
    """See the module."""

    def __init__(self, studio: Studio, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._studio = studio
        self._nodes: list[_Node] = [_Node("", 0, 0)]
        self._number: dict[Id, int] = {}
        self._scene = studio.scene
        self._lay_out()

    # --- structure ---------------------------------------------------------------------------------------------------
    def _lay_out(self) -> None:
        """Number the entities. Those below a missing parent or below themselves stand at the top."""
        entities = self._scene.entities
        numbers = {id_: i for i, id_ in enumerate(entities, 1)}
        nodes = [_Node("", 0, 0), *(_Node(id_, numbers.get(e.parent, 0), 0) for id_, e in entities.items())]
        for number in _looping(nodes):
            nodes[number].parent = 0
        for number, node in enumerate(nodes[1:], 1):
            above = nodes[node.parent].children
            node.row = len(above)
            above.append(number)
        self._nodes, self._number = nodes, numbers

    def heard(self, change: Change) -> None:
        """The document changed."""
        if change.after is self._scene:
            return
        before, self._scene = self._scene, change.after
        if _same_tree(before, self._scene):
            self._repaint(change.ids, before)
        else:
            self.layoutAboutToBeChanged.emit()
            kept = self.persistentIndexList()
            ids = [self._nodes[index.internalId()].id for index in kept]
            self._lay_out()
            moved = [
                self.createIndex(self._nodes[n].row, index.column(), n) if (n := self._number.get(id_, 0)) else _ROOT
                for index, id_ in zip(kept, ids, strict=True)
            ]
            self.changePersistentIndexList(kept, moved)
            self.layoutChanged.emit()

    def _repaint(self, ids: Iterable[Id], before: Scene) -> None:
        shown = ("name", "visible", "locked", "muted", "solo", "light")
        now, old = self._scene.entities, before.entities
        for id_ in ids:
            if id_ in now and any(getattr(now[id_], f, None) != getattr(old[id_], f, None) for f in shown):
                node = self._nodes[self._number[id_]]
                self.dataChanged.emit(
                    self.createIndex(node.row, NAME, self._number[id_]),
                    self.createIndex(node.row, LOCKED, self._number[id_]),
                )
        if before.camera != self._scene.camera:
            for id_ in (before.camera, self._scene.camera):
                if id_ in self._number:
                    self.dataChanged.emit(self.index_of(id_), self.index_of(id_))

    def index_of(self, id_: Id, column: int = NAME) -> QModelIndex:
        """The index of an entity; an invalid one when it is not there."""
        number = self._number.get(id_, 0)
        return self.createIndex(self._nodes[number].row, column, number) if number else QModelIndex()

    def id_of(self, index: Index) -> Id:
        """The entity of an index, "" for the root."""
        return self._nodes[index.internalId()].id if index.isValid() else ""

    def index(self, row: int, column: int, parent: Index = _ROOT) -> QModelIndex:
        """Qt's way down."""
        if not self.hasIndex(row, column, parent):
            return QModelIndex()
        above = self._nodes[parent.internalId() if parent.isValid() else 0]
        return self.createIndex(row, column, above.children[row])

    def parent(self, index: Index = _ROOT) -> Any:
        """Qt's way up."""
        if not index.isValid():
            return QModelIndex()
        above = self._nodes[index.internalId()].parent
        return self.createIndex(self._nodes[above].row, 0, above) if above else QModelIndex()

    def rowCount(self, parent: Index = _ROOT) -> int:
        """How many hang below."""
        if parent.column() > 0:
            return 0
        return len(self._nodes[parent.internalId() if parent.isValid() else 0].children)

    def columnCount(self, parent: Index = _ROOT) -> int:
        """Name, visible, locked."""
        return 3

    # --- data --------------------------------------------------------------------------------------------------------
    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell shows."""
        if not index.isValid():
            return None
        entity = self._scene.entities[self.id_of(index)]
        if role == ID_ROLE:
            return entity.id
        if index.column() == NAME:
            return self._name_data(self._seen(entity), role)
        on = self._seen(entity).visible if index.column() == VISIBLE else entity.locked
        if role == Qt.ItemDataRole.DecorationRole:
            names = ("visible", "hidden") if index.column() == VISIBLE else ("locked", "unlocked")
            strong = on if index.column() == LOCKED else not on
            return theme.icon(names[0] if on else names[1], "" if strong else "disabled")
        if role == Qt.ItemDataRole.CheckStateRole:
            return None
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            states = (N_("Visible"), N_("Hidden")) if index.column() == VISIBLE else (N_("Locked"), N_("Unlocked"))
            return tr(states[0] if on else states[1])
        return None

    def _seen(self, entity: Entity) -> Entity:
        """An entity at the present frame, where its visibility may be animated."""
        posed = self._studio.posed.entities
        return posed.get(entity.id, entity) if self._scene is self._studio.scene else entity

    @property
    def moves(self) -> bool:
        """Whether anything that is shown here is animated."""
        return any(track.endswith((".visible", ".muted")) for track in self._scene.tracks)

    def _name_data(self, entity: Entity, role: int) -> Any:
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return entity.name or entity.id
        if role == Qt.ItemDataRole.DecorationRole:
            return theme.icon(icon_of(entity), "disabled" if getattr(entity, "muted", False) else "")
        if role == Qt.ItemDataRole.ForegroundRole and (not entity.visible or getattr(entity, "muted", False)):
            return theme.color("dim" if entity.visible else "disabled")
        if role == Qt.ItemDataRole.FontRole and entity.id == self._scene.camera:
            font = QFont()
            font.setBold(True)
            return font
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{entity.name or entity.id}  ({entity.id})"
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Names of the columns; the switches have their icons."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole and section == NAME:
            return tr(_HEADERS[section])
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return tr(_HEADERS[section])
        if role == Qt.ItemDataRole.DecorationRole and section != NAME:
            return theme.icon("visible" if section == VISIBLE else "locked", "dim")
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Everything can be selected, dragged and dropped on; names can be edited."""
        if not index.isValid():
            return Qt.ItemFlag.ItemIsDropEnabled
        return _NAMED if index.column() == NAME else _PLAIN

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Rename."""
        if not index.isValid() or role != Qt.ItemDataRole.EditRole or index.column() != NAME:
            return False
        text = str(value).strip()
        if text == (self._scene.entities[self.id_of(index)].name or self.id_of(index)):
            return False
        return self._edited(N_("Rename"), edits.rename, self.id_of(index), text)

    def toggle(self, index: Index, selection: Sequence[Id]) -> None:
        """Turn a switch over, of all that is selected when the entity is among it."""
        id_ = self.id_of(index)
        ids = [i for i in selection if i in self._scene.entities] if id_ in selection else [id_]
        entity = self._seen(self._scene.entities[id_])
        if index.column() == VISIBLE:
            self._edited(N_("Hide") if entity.visible else N_("Show"), edits.show, ids, on=not entity.visible)
        elif index.column() == LOCKED:
            self._edited(N_("Unlock") if entity.locked else N_("Lock"), edits.lock, ids, on=not entity.locked)

    def _edited(self, label: str, operation: Any, *arguments: Any, **named: Any) -> bool:
        try:
            self._studio.edit(label, operation, *arguments, **named)
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="error")
            return False
        return True

    # --- drag and drop -----------------------------------------------------------------------------------------------
    def supportedDropActions(self) -> Qt.DropAction:
        """Entities are moved."""
        return Qt.DropAction.MoveAction

    def mimeTypes(self) -> list[str]:
        """Entities of this scene."""
        return [MIME]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        """The ids of what is dragged."""
        ids = dict.fromkeys(self.id_of(index) for index in indexes)
        out = QMimeData()
        out.setData(MIME, "\n".join(ids).encode())
        return out

    def canDropMimeData(self, data: QMimeData, action: Qt.DropAction, row: int, column: int, parent: Index) -> bool:
        """Not onto itself or below itself."""
        ids = _dragged(data)
        target = self.id_of(parent)
        return bool(ids) and (not target or target not in self._scene.descendants(ids))

    def dropMimeData(self, data: QMimeData, action: Qt.DropAction, row: int, column: int, parent: Index) -> bool:
        """Hang what was dragged below `parent`, in front of its row `row` (-1: at the end), staying where it is."""
        if not self.canDropMimeData(data, action, row, column, parent):
            return False
        ids = [id_ for id_ in _dragged(data) if id_ in self._scene.entities]
        target = self.id_of(parent)
        siblings = self._nodes[parent.internalId() if parent.isValid() else 0].children
        follows = [self._nodes[n].id for n in siblings[row:]] if row >= 0 else []
        before = next((id_ for id_ in follows if id_ not in ids), "")
        tops = [id_ for id_ in ids if not _above(self._scene, id_) & set(ids)]

        def drop(scene: Scene) -> Scene:
            moved = [id_ for id_ in tops if scene.entities[id_].parent != target]
            out = edits.reparent(scene, moved, target) if moved else scene
            return edits.reorder(out, tops, before) if row >= 0 or not moved else out

        self._edited(N_("Reparent"), drop)
        return False  # Qt would remove the rows that it thinks were moved


def _dragged(data: QMimeData) -> list[Id]:
    return bytes(data.data(MIME).data()).decode().split("\n") if data.hasFormat(MIME) else []


def _above(scene: Scene, id_: Id) -> set[Id]:
    found: set[Id] = set()
    at = scene.entities[id_].parent
    while at in scene.entities and at not in found:
        found.add(at)
        at = scene.entities[at].parent
    return found


def _same_tree(before: Scene, after: Scene) -> bool:
    """Whether the same entities hang in the same places in the same order."""
    old, new = before.entities, after.entities
    if old is new:
        return True
    return len(old) == len(new) and all(
        a == b and old[a].parent == new[b].parent for a, b in zip(old, new, strict=True)
    )


def _looping(nodes: list[_Node]) -> list[int]:
    """Nodes that hang below themselves."""
    done = bytearray(len(nodes))
    done[0] = 1
    out = []
    for start in range(1, len(nodes)):
        path, at = [], start
        while not done[at]:
            done[at] = 2
            path.append(at)
            at = nodes[at].parent
        if path and done[at] == 2 and at in path:
            out.append(at)
        for number in path:
            done[number] = 1
    return out


def icon_of(entity: Entity) -> str:
    """The icon of a kind of entity."""
    if isinstance(entity, Light):
        return f"light-{entity.light}"
    if isinstance(entity, Camera):
        return "camera"
    if isinstance(entity, (Path, Constraint)):
        return "path" if isinstance(entity, Path) else "constraint"
    if isinstance(entity, Figure):
        return "figure"
    return "mesh" if isinstance(entity, MeshObject) else "group" if isinstance(entity, Group) else ""
