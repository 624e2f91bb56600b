"""The light list as a model: every lamp a row, its strength and colour in columns.

A lamp is a light, or an object that wears a material with emission: scenes of many tools are lit by such objects alone.
What a cell of an object shows and edits belongs to those of its materials that emit, so objects that share a material
change together. What an object does not have (mute, solo, exposure, temperature, group) is an empty cell.

Values are those of the present frame (`Studio.posed`); rows that move follow it by `follow_frame`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QBrush

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.errors import StudioError
from studio.scene import edits
from studio.scene.document import Change
from studio.scene.entities import Id, MeshObject
from studio.scene.lights import Light
from studio.scene.pose import split_track
from studio.scene.scene import Scene
from studio.scene.schema import Touches, fields
from studio.ui import theme
from studio.ui.color_edit import seen
from studio.ui.expressions import understand
from studio.ui.field_rows import spoken_unit
from studio.ui.i18n import tr
from studio.ui.key_dots import KEY, state_of
from studio.ui.number_edit import shown

# columns in their order; all of them are fields of a light
COLUMNS = (
    "muted",
    "solo",
    "name",
    "light",
    "intensity",
    "unit",
    "exposure",
    "color",
    "temperature_k",
    "group",
)
SWITCHES = ("muted", "solo")
SORT_ROLE = Qt.ItemDataRole.UserRole + 1
KEY_ROLE = Qt.ItemDataRole.UserRole + 2  # what its key dot says, None for what cannot move
KEYED = ("intensity", "exposure", "color", "temperature_k")  # columns with key dots
Index = QModelIndex | QPersistentModelIndex
_EMISSION = {"intensity": "emission_luminance", "color": "emission_color"}  # what stands for it on a material
_MESH, _MESH_UNIT = N_("Mesh"), "nt"
_TEXTS = ("name", "light", "unit", "group")
_ROOT = QModelIndex()
# made once: a view asks for them thousands of times
_SELECTABLE = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemNeverHasChildren
_EDITABLE = _SELECTABLE | Qt.ItemFlag.ItemIsEditable
_RELISTED = Touches.HIERARCHY | Touches.MATERIAL


def lamps(scene: Scene) -> dict[Id, tuple[Id, ...]]:
    """What lights a scene, in its order: lights, and objects with the materials by which they emit.

    A material whose emission is black for now counts, so that a row does not go while its colour is being dragged.
    """
    glowing = {id_ for id_, material in scene.materials.items() if material.emission_luminance > 0.0}
    found: dict[Id, tuple[Id, ...]] = {}
    for id_, entity in scene.entities.items():
        if isinstance(entity, Light):
            found[id_] = ()
        elif glowing and isinstance(entity, MeshObject) and not glowing.isdisjoint(entity.materials):
            found[id_] = tuple(dict.fromkeys(m for m in entity.materials if m in glowing))
    return found


class LightModel(QAbstractTableModel):
    """Lamps of the scene in its order, see `lamps`."""

    def __init__(self, studio: Studio, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._studio = studio
        self._scene = studio.posed
        self._list(lamps(self._scene))
        self.selected_ids: Callable[[], Sequence[Id]] = lambda: studio.selection

    def _list(self, found: Mapping[Id, tuple[Id, ...]]) -> None:
        self._emitters = found
        self.ids: list[Id] = list(found)
        self._row = {id_: row for row, id_ in enumerate(self.ids)}

    def heard(self, change: Change) -> None:
        """The document changed: repaint the rows that differ, or lay out anew when lamps came or went."""
        posed = self._studio.posed if change.after is self._studio.scene else change.after
        if posed is self._scene:
            return
        before, self._scene = self._scene, posed
        if change.touches & _RELISTED or change.source not in ("edit", "undo", "redo"):
            found = lamps(self._scene)
            if list(found) != self.ids:
                self.beginResetModel()
                self._list(found)
                self.endResetModel()
                return
            self._emitters = found
        rows = [self._row[id_] for id_ in change.ids if id_ in self._row and self._differs(before, id_)]
        materials = change.ids & self._scene.materials.keys()
        if materials:
            worn = (getattr(self._scene.entities[id_], "materials", ()) for id_ in self.ids)
            rows += [row for row, ids in enumerate(worn) if not materials.isdisjoint(ids)]
        if rows:
            self.dataChanged.emit(self.index(min(rows), 0), self.index(max(rows), len(COLUMNS) - 1))

    def follow_frame(self) -> None:
        """The frame changed: repaint the rows that move."""
        before, self._scene = self._scene, self._studio.posed
        tracks = self._scene.tracks
        moved = {split_track(track)[0] for track in tracks}
        rows = [row for id_ in moved if (row := self._row.get(id_, -1)) >= 0 and id_ in self._scene.entities]
        moving = moved & self._scene.materials.keys()
        if moving:
            rows += [row for row, id_ in enumerate(self.ids) if not moving.isdisjoint(self._emitters[id_])]
        if rows and (before is not self._scene or tracks):
            self.dataChanged.emit(self.index(min(rows), 0), self.index(max(rows), len(COLUMNS) - 1))

    def key_target(self, row: int, name: str) -> tuple[tuple[Id, ...], str] | None:
        """Whose field, and which, the key dot of a cell keys; None where there is none."""
        lamp = self.lamp(row)
        if name not in KEYED:
            return None
        if isinstance(lamp, Light):
            return (lamp.id,), name
        return (self._emitters[lamp.id], _EMISSION[name]) if name in _EMISSION else None

    def toggle_key(self, row: int, name: str) -> None:
        """Press the key dot of a cell: of all selected lamps when the row is one of them."""
        id_ = self.ids[row]
        chosen = [i for i in self.selected_ids() if i in self._row]
        found: dict[str, list[Id]] = {}
        for each in chosen if id_ in chosen else [id_]:
            target = self.key_target(self._row[each], name)
            if target is not None:
                found.setdefault(target[1], []).extend(target[0])
        on = self.key_state(row, name) != KEY
        for field, ids in found.items():
            self._studio.attempt("keys.field", field=field, ids=tuple(dict.fromkeys(ids)), on=on)

    def key_state(self, row: int, name: str) -> str | None:
        """What the key dot of a cell says, None where there is none."""
        target = self.key_target(row, name)
        return None if target is None else state_of(self._scene, *target, self._studio.frame)

    def _differs(self, before: Scene, id_: Id) -> bool:
        return before.entities.get(id_) is not self._scene.entities[id_] or before.tracks is not self._scene.tracks

    def lamp(self, row: int) -> Light | MeshObject:
        """The light or object of a row."""
        found = self._scene.entities[self.ids[row]]
        assert isinstance(found, (Light, MeshObject))
        return found

    def value(self, row: int, name: str) -> Any:
        """What a lamp has in a column, None where it has nothing."""
        lamp = self.lamp(row)
        if isinstance(lamp, Light) or name == "name":
            return getattr(lamp, name)
        if name in _EMISSION:
            return getattr(self._scene.materials[self._emitters[lamp.id][0]], _EMISSION[name])
        return {"light": "mesh", "unit": _MESH_UNIT}.get(name)

    def row_of(self, id_: Id) -> int:
        """The row of a lamp, -1 for what is none."""
        return self._row.get(id_, -1)

    def rowCount(self, parent: Index = _ROOT) -> int:
        """How many lamps."""
        return 0 if parent.isValid() else len(self.ids)

    def columnCount(self, parent: Index = _ROOT) -> int:
        """How many columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Labels of the fields; switches have icons."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(COLUMNS):
            return None
        name = COLUMNS[section]
        if role == Qt.ItemDataRole.DisplayRole and name not in SWITCHES:
            return tr(fields(Light)[name].label)
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return tr(fields(Light)[name].label)
        if role == Qt.ItemDataRole.DecorationRole and name in SWITCHES:
            return theme.icon("mute" if name == "muted" else "solo", "dim")
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell shows."""
        if not index.isValid():
            return None
        lamp, name = self.lamp(index.row()), COLUMNS[index.column()]
        value = self.value(index.row(), name)
        if role == Qt.ItemDataRole.EditRole:
            return value
        if role == SORT_ROLE:
            return _order(name, value)
        if role == KEY_ROLE:
            return self.key_state(index.row(), name)
        if role == Qt.ItemDataRole.ForegroundRole:
            return self._ink(lamp, name)
        if value is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(lamp, name, value)
        if role == Qt.ItemDataRole.DecorationRole:
            if name in SWITCHES:
                icon = "mute" if name == "muted" else "solo"
                return theme.icon(icon, "accent" if value else "disabled")
            return theme.icon(f"light-{self.value(index.row(), 'light')}") if name == "name" else None
        if role == Qt.ItemDataRole.BackgroundRole and name == "color":
            return QBrush(seen(value))
        if role == Qt.ItemDataRole.TextAlignmentRole and not isinstance(value, (str, tuple)):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.AccessibleTextRole and name in SWITCHES:
            return f"{tr(fields(Light)[name].label)}: {tr('On') if value else tr('Off')}"
        return None

    def _ink(self, lamp: Light | MeshObject, name: str) -> Any:
        """The colour of what does not count now, None for the usual one."""
        if not lamp.visible or (isinstance(lamp, Light) and lamp.muted):
            return theme.color("disabled")
        if isinstance(lamp, Light) and name == "temperature_k" and not lamp.use_temperature:
            return theme.color("disabled")
        return None

    def _text(self, lamp: Light | MeshObject, name: str, value: Any) -> str:
        if name in SWITCHES or name == "color":
            return ""
        if name == "name":
            return str(value or lamp.id)
        if name == "light":
            return tr(_MESH if value == "mesh" else str(value).capitalize())
        if isinstance(value, str):
            return value
        unit = spoken_unit(fields(Light)[name].spec.unit)
        return f"{shown(value)} {unit}".rstrip()

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Everything but the switches can be edited; those are clicked. Of an object: its name and emission."""
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        name = COLUMNS[index.column()]
        if isinstance(self.lamp(index.row()), MeshObject):
            return _EDITABLE if name == "name" or name in _EMISSION else _SELECTABLE
        return _SELECTABLE if name in SWITCHES else _EDITABLE

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Edit a field of the lamp, and of all selected lamps when it is one of them."""
        if not index.isValid() or role != Qt.ItemDataRole.EditRole or value is None:
            return False
        return self.set_field(self.ids[index.row()], COLUMNS[index.column()], value)

    def set_field(self, id_: Id, name: str, value: Any, *, coalesce: str = "") -> bool:
        """Edit one field of a lamp, and of all selected lamps when it is one of them; a text for a number may be an
        expression or relative. Whether it was done: not for what the lamp does not have."""
        row = self._row[id_]
        old = self.value(row, name)
        chosen = [i for i in self.selected_ids() if i in self._row]
        ids = chosen if id_ in chosen else [id_]
        if old is None or (value == old and len(ids) == 1):
            return False
        unit = _MESH_UNIT if name in _EMISSION and not isinstance(self.lamp(row), Light) else ""
        try:
            with self._studio.document.edit(fields(Light)[name].label, coalesce=coalesce) as edit:
                for operation, *arguments in self._operations(ids, name, value, unit):
                    edit.apply(operation, *arguments)
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="error")
            return False
        return True

    def _operations(self, ids: Sequence[Id], name: str, value: Any, unit: str) -> list[tuple[Any, ...]]:
        """The edits that give lamps a value: operations of `edits` with their arguments."""
        if name == "name":
            numbered = [(each, str(value) if len(ids) == 1 else f"{value} {n}") for n, each in enumerate(ids, 1)]
            return [(edits.rename, each, new) for each, new in numbered]
        lights = [each for each in ids if not self._emitters[each]]
        if name == "light":
            return [(edits.set_light_kind, lights, value)]
        targets = [(lights, name)]
        if name in _EMISSION:
            materials = dict.fromkeys(m for each in ids for m in self._emitters[each])
            targets.append((list(materials), _EMISSION[name]))
        targets = [(them, field) for them, field in targets if them]
        if not isinstance(value, str) or fields(Light)[name].shape != "float":
            return [(edits.set_field, them, field, value) for them, field in targets]
        entry = understand(value, unit=unit or fields(Light)[name].spec.unit)
        out: list[tuple[Any, ...]] = [(edits.change_numbers, them, field, entry.new) for them, field in targets]
        if name == "temperature_k":
            out.append((edits.set_field, lights, "use_temperature", True))
        return out

    def toggle(self, row: int, name: str) -> bool:
        """Turn a switch over, for all selected lamps when the row is one of them; False where there is none."""
        on = self.value(row, name)
        return on is not None and self.set_field(self.ids[row], name, not on)


def _order(name: str, value: Any) -> str | float:
    """What a column sorts by: empty cells first."""
    if value is None:
        return "" if name in _TEXTS else float("-inf")
    if name == "color":
        return float(sum(value))
    return value.lower() if isinstance(value, str) else float(value)
