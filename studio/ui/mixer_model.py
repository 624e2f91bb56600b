"""The strips of the mixer as a table: groups and lights, what is set on them, and their share of the picture.

In the order of the scene, lights stand below their groups, which fold; sorted by name or by share, all stand alike.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.render.lightmix import NAMED_GROUP, NEUTRAL
from studio.render.lightmix_session import MixSession
from studio.scene.entities import Id
from studio.ui import theme
from studio.ui.i18n import tr
from studio.ui.number_edit import shown

Index = QModelIndex | QPersistentModelIndex
NAME, MUTE, SOLO, LOCK, GAIN, COLOUR, SHARE = range(7)
LABELS = {
    NAME: N_("Light"),
    MUTE: N_("Mute in the mix"),
    SOLO: N_("Solo in the mix"),
    LOCK: N_("Keep from the solver"),
    GAIN: N_("Gain"),
    COLOUR: N_("Colour"),
    SHARE: N_("Share"),
}
ICONS = {MUTE: "mute", SOLO: "solo", LOCK: "locked"}
_ROOT = QModelIndex()
_FLAGS = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemNeverHasChildren
tokens = itertools.count()


@dataclass(frozen=True, slots=True)
class Row:
    """A strip. `rows` are the layers that it moves."""

    id: Id
    name: str
    rows: tuple[int, ...]
    group: bool
    depth: int = 0
    folded: bool = False


class MixModel(QAbstractTableModel):
    """Rows of a session."""

    def __init__(self, studio: Studio, session: MixSession, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._studio, self.session = studio, session
        self.rows: list[Row] = []
        self._shares = np.zeros(0)
        self._folded: set[Id] = set()
        self._text = ""
        self._order: tuple[int, bool] | None = None  # column, falling
        self._listed: object = None

    # --- rows --------------------------------------------------------------------------------------------------------
    def follow(self) -> None:
        """Show the session as it is now."""
        self._shares = self.session.brought()[1] if self.session.frame is not None else np.zeros(0)
        if self._listed is not self.session.channels:
            self.relist()
        elif self.rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.rows) - 1, SHARE))

    def relist(self, text: str | None = None) -> None:
        """Lay out the rows anew; `text` is what names must hold."""
        self._text = self._text if text is None else text.strip().lower()
        self.beginResetModel()
        self._listed = self.session.channels
        rows = list(self._tree()) if self._order is None else self._flat()
        if self._text:
            rows = [row for row in rows if self._text in row.name.lower()]
        self.rows = rows
        self.endResetModel()

    def _group_row(self, id_: Id, depth: int = 0) -> Row:
        entity = self._studio.scene.entities.get(id_)
        name = (entity.name or id_) if entity is not None else id_.removeprefix(NAMED_GROUP)
        return Row(id_, name, self.session.groups[id_], True, depth, id_ in self._folded)

    def _flat(self) -> list[Row]:
        assert self._order is not None
        rows = [self._group_row(id_) for id_ in self.session.groups]
        rows += [Row(c.id, c.name, (c.row,), False) for c in self.session.channels if c.id]
        column, falling = self._order
        key: Callable[[Row], Any] = {
            SHARE: lambda row: self.share(row),
            GAIN: lambda row: self.session.mix.of(row.id).gain,
        }.get(column, lambda row: row.name.lower())
        return sorted(rows, key=key, reverse=falling)

    def _tree(self) -> Iterable[Row]:
        """Groups with what is below them, in the order of their first lights."""
        below: dict[Id, list[Id | int]] = {}
        for channel in self.session.channels:
            if not channel.id:
                continue
            chain = channel.groups[::-1]  # the outermost first
            for depth, group in enumerate(chain):
                among = below.setdefault(chain[depth - 1] if depth else "", [])
                if group not in among:
                    among.append(group)
            below.setdefault(chain[-1] if chain else "", []).append(channel.row)
        return self._below(below, "", 0)

    def _below(self, below: dict[Id, list[Id | int]], group: Id, depth: int) -> Iterable[Row]:
        for each in below.get(group, ()):
            if isinstance(each, int):
                channel = self.session.channels[each]
                yield Row(channel.id, channel.name, (channel.row,), False, depth)
            else:
                row = self._group_row(each, depth)
                yield row
                if not row.folded or self._text:
                    yield from self._below(below, each, depth + 1)

    def fold(self, row: Row) -> None:
        """Fold a group, or open it."""
        self._folded ^= {row.id}
        self.relist()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by name, gain or share; any other column is the order of the scene."""
        falling = order == Qt.SortOrder.DescendingOrder
        self._order = (column, falling) if column in (NAME, GAIN, SHARE) else None
        self.relist()

    def share(self, row: Row) -> float:
        """The share of the whole picture's luminance."""
        return float(self._shares[list(row.rows)].sum()) if len(self._shares) else 0.0

    def row_of(self, id_: Id) -> int:
        """The number of a strip's row, -1 when it is not listed."""
        return next((n for n, row in enumerate(self.rows) if row.id == id_), -1)

    # --- Qt's questions ----------------------------------------------------------------------------------------------
    def rowCount(self, parent: Index = _ROOT) -> int:
        """How many strips are listed."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = _ROOT) -> int:
        """Seven."""
        return 0 if parent.isValid() else len(LABELS)

    def flags(self, index: Index) -> Qt.ItemFlag:
        """A gain can be typed."""
        return _FLAGS | Qt.ItemFlag.ItemIsEditable if index.column() in (GAIN, COLOUR) else _FLAGS

    def headerData(self, section: int, side: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Labels, icons for switches."""
        if side != Qt.Orientation.Horizontal or section not in LABELS:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return "" if section in ICONS else tr(LABELS[section])
        if role == Qt.ItemDataRole.DecorationRole and section in ICONS:
            return theme.icon(ICONS[section], "dim")
        if role == Qt.ItemDataRole.ToolTipRole:
            return tr(LABELS[section])
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts; the delegate paints the rest."""
        if not index.isValid():
            return None
        row, column = self.rows[index.row()], index.column()
        strip = self.session.mix.of(row.id)
        if role == Qt.ItemDataRole.DisplayRole:
            if column == NAME:
                return row.name
            if column == SHARE:
                return f"{100 * self.share(row):.1f} %"
            if column == GAIN:
                return f"{strip.gain:+.2f}" if strip.gain else "0"
        if role == Qt.ItemDataRole.EditRole and column == GAIN:
            return strip.gain
        if role == Qt.ItemDataRole.EditRole and column == COLOUR:
            return strip.color
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return self._spoken(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return row.name if column == NAME else tr(LABELS[column])
        return None

    def _spoken(self, row: Row, column: int) -> str:
        strip = self.session.mix.of(row.id)
        if column in ICONS:
            return f"{tr(LABELS[column])}: {tr('On') if self.is_on(row, column) else tr('Off')}"
        if column == GAIN:
            return tr("{name}: {count} stops", name=row.name, count=shown(strip.gain))
        return row.name

    # --- hands -------------------------------------------------------------------------------------------------------
    def is_on(self, row: Row, column: int) -> bool:
        """Whether a switch is on."""
        strip = self.session.mix.of(row.id)
        return {MUTE: strip.muted, SOLO: strip.solo, LOCK: row.id in self.session.locked}[column]

    def switch(self, rows: Sequence[Row], column: int, *, on: bool) -> None:
        """Turn a switch of strips."""
        ids = [row.id for row in rows]
        session = self.session
        if column == LOCK:
            session.locked = session.locked | set(ids) if on else session.locked - set(ids)
            session.tell()
        elif column == MUTE:
            session.set_mix(session.mix.change(ids, muted=on))
        else:
            session.set_mix(session.mix.change(ids, solo=on))

    def reset(self, rows: Sequence[Row]) -> None:
        """Make strips neutral."""
        self.session.set_mix(
            self.session.mix.change([row.id for row in rows], gain=0.0, color=NEUTRAL.color, muted=False, solo=False)
        )
