"""The nodes of a store as a table: who they are, how fast against what they promised, what each did at a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Qt

from studio.commands.registry import N_
from studio.farm.seen.states import NodeState
from studio.ui import farm_words as words
from studio.ui import theme
from studio.ui.farm_log import frame_of
from studio.ui.i18n import tr
from studio.ui.queue_model import duration
from studio.ui.record_model import RIGHT, Index, RecordModel

COLUMNS = (
    N_("Node"),
    N_("State"),
    N_("Device"),
    N_("Trust"),
    N_("Speed"),
    N_("Frame and samples"),
    N_("Samples/s"),
    N_("Units done"),
    N_("Time at work"),
    N_("Faults"),
)
NAME, STATE, DEVICE, TRUST, SPEED, UNIT, RATE, UNITS, BUSY, FAULTS = range(len(COLUMNS))
WIDTHS = (112, 76, 118, 88, 84, 124, 68, 66, 80, 52)
_HELP = {
    SPEED: N_("What it shows at its work, of what its bench promised"),
    UNIT: N_("What it works at now"),
    UNITS: N_("Results of this job that it delivered"),
    BUSY: N_("Time that led to results of this job"),
    FAULTS: N_("Units of this job that failed, or were lost with it"),
}
_ICONS = {
    "idle": ("pause", "dim"),
    "working": ("play", "accent"),
    "draining": ("pause", "accent"),
    "distrusted": ("notice-error", "error"),
    "": ("close", "dim"),
}
_NUMBERS = (SPEED, RATE, UNITS, BUSY, FAULTS)
_SLOW = 0.5  # of what was promised


class NodeModel(RecordModel):
    """Nodes by their ids."""

    def __init__(self) -> None:
        super().__init__(COLUMNS, lambda node: node.id, right=_NUMBERS, help=_HELP)
        self._by, self._falls = NAME, False

    @property
    def nodes(self) -> list[NodeState]:
        """The nodes that are shown."""
        return self.records

    def take(self, records: Sequence[NodeState]) -> None:
        """Show these nodes, in their order."""
        super().take(records)
        self._arrange()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Stand in the order of a column from now on. Done here and not by a proxy, which would ask for every value
        twenty times."""
        self._by, self._falls = max(column, 0), order == Qt.SortOrder.DescendingOrder
        self._arrange()

    def _arrange(self) -> None:
        after = sorted(self.nodes, key=lambda node: (_order(node, self._by), node.id), reverse=self._falls)
        if all(old is new for old, new in zip(self.nodes, after, strict=True)):
            return
        self.layoutAboutToBeChanged.emit()
        held = self.persistentIndexList()
        ids = [self.nodes[index.row()].id for index in held]
        self.records = after
        rows = {node.id: row for row, node in enumerate(after)}
        moved = [self.index(rows[id_], index.column()) for index, id_ in zip(held, ids, strict=True)]
        self.changePersistentIndexList(held, moved)
        self.layoutChanged.emit()

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts, signs and what to sort by."""
        if not index.isValid() or index.row() >= len(self.nodes):
            return None
        node, column = self.nodes[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(node, column)
        if role == Qt.ItemDataRole.DecorationRole and column == STATE:
            return theme.icon(*_ICONS.get(_state(node), ("close", "dim")))
        if role == Qt.ItemDataRole.TextAlignmentRole and column in _NUMBERS:
            return RIGHT
        if role == Qt.ItemDataRole.ForegroundRole:
            slow = column == SPEED and node.row is not None and node.row.speed < _SLOW * node.row.score
            if slow or (column == FAULTS and node.faults):
                return theme.color("warning")
            return theme.color("dim") if node.row is None else None
        if role == Qt.ItemDataRole.ToolTipRole:
            lines = [node.id, _text(node, DEVICE), node.last_fault if column == FAULTS else ""]
            return "\n".join(line for line in lines if line)
        return None


def _state(node: NodeState) -> str:
    return node.row.state if node.row is not None else ""


def _text(node: NodeState, column: int) -> str:
    row = node.row
    match column:
        case 0:
            return (row.name if row is not None else "") or node.id
        case 1:
            return tr(words.NODE_STATES.get(_state(node), _state(node)))
        case 2:
            return (row.device or row.backend) if row is not None else ""
        case 3:
            return tr(words.TRUSTS[min(max(row.trust, 0), 3)]) if row is not None else ""
        case 4:
            return f"{row.speed:.3g} / {row.score:.3g}" if row is not None else ""
        case 5:
            return _unit(node)
        case 6:
            return f"{row.samples_s:.2f}" if row is not None and row.samples_s > 0 else ""
        case 7:
            return f"{node.units:,}" if node.units else ""
        case 8:
            return duration(node.busy_s) if node.busy_s else ""
        case _:
            return f"{node.faults:,}" if node.faults else ""


def _unit(node: NodeState) -> str:
    """The frame and samples of what a node works at, and how far it is."""
    parts = node.unit.split(" ")
    if len(parts) != 3:
        return node.unit
    frame, samples = frame_of(parts[1]), parts[2].replace("-", "–")
    share = f"  {int(node.row.done * 100)} %" if node.row is not None and node.row.done > 0 else ""
    return (f"{frame:g}" if frame is not None else parts[1]) + f" · {samples}{share}"


def _order(node: NodeState, column: int) -> Any:
    row = node.row
    match column:
        case 4:
            return row.speed if row is not None else -1.0
        case 6:
            return row.samples_s if row is not None else -1.0
        case 7:
            return node.units
        case 8:
            return node.busy_s
        case 9:
            return node.faults
        case 3:
            return row.trust if row is not None else 9
        case _:
            return _text(node, column).lower()
