"""One side of the linking panel: lights or objects below their groups, with check marks where they are asked for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from studio.scene.entities import Entity, Group, Id, MeshObject
from studio.scene.lights import Light
from studio.scene.origins import lineage
from studio.scene.scene import Scene
from studio.ui import theme
from studio.ui.outliner_model import icon_of

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_PLAIN = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
_CHECKED = _PLAIN | Qt.ItemFlag.ItemIsUserCheckable


@dataclass(slots=True)
class _Node:
    id: Id
    above: int  # number of a node, 0 is the root
    row: int = 0
    children: list[int] = field(default_factory=list)
    listed: bool = True  # not only there for what hangs below


def is_light(entity: Entity) -> bool:
    """Whether it can be linked to objects."""
    return isinstance(entity, Light) and entity.light != "portal"


def is_object(entity: Entity) -> bool:
    """Whether lights can be linked to it."""
    return isinstance(entity, MeshObject)


class LinkModel(QAbstractItemModel):
    """Entities of a kind in the scene's tree. `turned` tells that the mark of an entity or group was pressed."""

    turned = Signal(str, bool)

    def __init__(self, wanted: Callable[[Entity], bool], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.wanted = wanted
        self._nodes: list[_Node] = [_Node("", 0)]
        self._number: dict[Id, int] = {}
        self._scene = Scene()
        self._text = ""
        self._shape: tuple[Any, ...] = ()
        self._marks: Mapping[Id, Qt.CheckState] | None = None

    # --- building ----------------------------------------------------------------------------------------------------
    def show_scene(self, scene: Scene, text: str | None = None) -> bool:
        """List what a scene has whose name, or that of something above it, holds the text; whether that differs."""
        self._scene, self._text = scene, self._text if text is None else text.strip().lower()
        found: dict[Id, tuple[Id, ...]] = {}
        for id_, entity in scene.entities.items():
            if self.wanted(entity):
                groups = [above for above in lineage(scene, id_) if isinstance(above, Group)]
                if not self._text or any(self._text in (e.name or e.id).lower() for e in (entity, *groups)):
                    found[id_] = tuple(group.id for group in groups)
        listed = set(found).union(*found.values())
        shape = (found, tuple(id_ for id_ in scene.entities if id_ in listed))
        if shape == self._shape:
            return False
        self.beginResetModel()
        self._shape = shape
        self._lay_out(found, shape[1])
        self.endResetModel()
        return True

    def _lay_out(self, found: Mapping[Id, tuple[Id, ...]], order: Iterable[Id]) -> None:
        nodes, number = [_Node("", 0)], {}
        for id_ in order:
            number[id_] = len(nodes)
            nodes.append(_Node(id_, 0, listed=id_ in found))
        for groups in found.values():
            for group, above in itertools.pairwise(groups):
                nodes[number[group]].above = number[above]
        for id_, groups in found.items():
            nodes[number[id_]].above = number[groups[0]] if groups else 0
        for n, node in enumerate(nodes[1:], 1):
            among = nodes[node.above].children
            node.row = len(among)
            among.append(n)
        self._nodes, self._number = nodes, number

    def show_marks(self, marks: Mapping[Id, Qt.CheckState] | None) -> None:
        """Take the marks of what is listed; those of groups follow from what is in them. None: there are none."""
        full = None if marks is None else self._with_groups(marks)
        if full != self._marks:
            self._marks = full
            for node in self._nodes:
                if node.children:
                    first, last = node.children[0], node.children[-1]
                    self.dataChanged.emit(self._index(first), self._index(last))

    def _with_groups(self, marks: Mapping[Id, Qt.CheckState]) -> dict[Id, Qt.CheckState]:
        out = dict(marks)

        def mark(number: int) -> Qt.CheckState | None:
            node = self._nodes[number]
            states = {found for child in node.children if (found := mark(child)) is not None}
            if node.listed:
                return out.get(node.id)
            whole = states.pop() if len(states) == 1 else Qt.CheckState.PartiallyChecked
            out[node.id] = whole
            return whole

        for top in self._nodes[0].children:
            mark(top)
        return out

    def listed_below(self, id_: Id) -> list[Id]:
        """What is listed in a group, or the entity itself."""
        open_, out = [self._number.get(id_, 0)], []
        while open_:
            node = self._nodes[open_.pop()]
            if node.listed and node.id:
                out.append(node.id)
            open_ += reversed(node.children)
        return out

    # --- Qt's questions ----------------------------------------------------------------------------------------------
    def _index(self, number: int) -> QModelIndex:
        return self.createIndex(self._nodes[number].row, 0, number)

    def _node(self, index: Index) -> _Node:
        number = int(index.internalId()) if index.isValid() else 0
        return self._nodes[number] if number < len(self._nodes) else self._nodes[0]

    def index_of(self, id_: Id) -> QModelIndex:
        """The index of an entity; an invalid one when it is not listed."""
        return self._index(self._number[id_]) if id_ in self._number else QModelIndex()

    def id_of(self, index: Index) -> Id:
        """The entity of an index."""
        return self._node(index).id

    def index(self, row: int, column: int, parent: Index = _ROOT) -> QModelIndex:
        """Qt's way down."""
        among = self._node(parent).children
        return self._index(among[row]) if column == 0 and 0 <= row < len(among) else QModelIndex()

    def parent(self, index: Index = _ROOT) -> Any:
        """Qt's way up."""
        above = self._node(index).above if index.isValid() else 0
        return self._index(above) if above else QModelIndex()

    def rowCount(self, parent: Index = _ROOT) -> int:
        """How many hang below."""
        return len(self._node(parent).children) if parent.column() <= 0 else 0

    def columnCount(self, parent: Index = _ROOT) -> int:
        """The name."""
        return 1

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Name, icon and mark."""
        entity = self._scene.entities.get(self.id_of(index)) if index.isValid() else None
        if entity is None:
            return None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return entity.name or entity.id
        if role == Qt.ItemDataRole.DecorationRole:
            return theme.icon(icon_of(entity), "dim")
        if role == Qt.ItemDataRole.CheckStateRole and self._marks is not None:
            return self._marks.get(entity.id)
        if role == Qt.ItemDataRole.ForegroundRole and self._marks is not None:
            off = self._marks.get(entity.id) == Qt.CheckState.Unchecked
            return theme.color("disabled") if off else None
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Rows are selected, marks are pressed."""
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        return _PLAIN if self._marks is None else _CHECKED

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """A press on a mark: what is not wholly on becomes on."""
        if not index.isValid() or role != Qt.ItemDataRole.CheckStateRole or self._marks is None:
            return False
        self.turned.emit(self.id_of(index), self._marks.get(self.id_of(index)) != Qt.CheckState.Checked)
        return True
