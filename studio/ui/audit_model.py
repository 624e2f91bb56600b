"""The findings of an audit as a table: who, what, how much light and how many samples, what the proposal changes."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

from studio.commands.audit import AuditSession
from studio.commands.registry import N_
from studio.render.light_audit import Effect, Finding
from studio.scene.entities import Id
from studio.scene.scene import Scene
from studio.ui import theme
from studio.ui.i18n import tr, translated

COLUMNS = (N_("Lights"), N_("Finding"), N_("Share"), N_("Samples"), N_("Error"), N_("Saves"), N_("Proposal"))
WHO, WHAT, LIGHT, SAMPLES, ERROR, GAIN, ACT = range(len(COLUMNS))
FINDING = Qt.ItemDataRole.UserRole
ACTS = {
    "mute": N_("Mute"),
    "link": N_("Link out"),
    "shadows": N_("Cast shadows"),
    "dim": N_("Reduce"),
}
_ICONS = {
    "nothing": ("mute", "dim"),
    "weak": ("mute", "dim"),
    "link": ("links", "accent"),
    "cost": ("render", "dim"),
    "hotspot": ("notice-warning", "warning"),
    "leak": ("broken", "warning"),
}
_HELP = (
    N_("The lights that are meant"),
    N_("What was found"),
    N_("Share of the picture's light"),
    N_("Share of all light samples, as expected"),
    N_("What the proposal changes: in the mean, and of the pixel that changes most in levels of 255"),
    N_("Share of the light samples that the proposal frees, an estimate"),
    N_("What one press does"),
)
_NOWHERE = QModelIndex()
Index = QModelIndex | QPersistentModelIndex


def percent(share: float) -> str:
    """A share as text, with as many digits as tell."""
    value = 100.0 * share
    if abs(value) < 0.005:
        return "< 0.01 %" if value > 1e-9 else "0 %"
    digits = 0 if abs(value) >= 9.95 else 1 if abs(value) >= 0.95 else 2
    return f"{value:.{digits}f} %"


def error_text(error: Effect) -> str:
    """What a change does, in short."""
    return tr("{rms}, {levels} levels", rms=percent(error.rms), levels=f"{error.levels:.1f}")


def what_text(finding: Finding, scene: Scene) -> str:
    """What was found, in a sentence."""
    values: dict[str, object] = {
        "count": len(finding.ids),
        "part": percent(finding.part),
        "stops": f"{finding.stops:.1f}",
        "objects": len(finding.objects),
        "object": name_of(scene, finding.inside),
    }
    text = {
        "nothing": N_("Brings nothing that can be seen")
        if not finding.inside
        else N_("Brings nothing that can be seen: it is inside {object}"),
        "weak": N_("Unseen together: all {count} can go"),
        "link": N_("Brings nothing to {objects} objects, {part} of what is seen")
        if len(finding.objects) != 1
        else N_("Brings nothing to one object, {part} of what is seen"),
        "cost": N_("Takes more samples than most"),
        "hotspot": N_("Burns out {part} of the picture; {stops} stops less would do"),
        "leak": N_("{part} of its light comes through what stands between")
        if not finding.inside
        else N_("{part} of its light comes through what stands between: it is inside {object}"),
    }[finding.kind]
    return tr(text, **values)


def name_of(scene: Scene, id_: Id) -> str:
    """The name of an entity, or its id."""
    entity = scene.entities.get(id_)
    return (entity.name if entity is not None else "") or id_


def who_text(finding: Finding, scene: Scene) -> str:
    """The lights of a finding."""
    first = name_of(scene, finding.ids[0]) if finding.ids else ""
    if len(finding.ids) < 2:
        return first
    return tr("{name} and {count} more", name=first, count=len(finding.ids) - 1)


class AuditModel(QAbstractTableModel):
    """Findings in their order, the largest gain first."""

    def __init__(self, session: AuditSession) -> None:
        super().__init__()
        self.session = session
        self.scene = Scene()
        self.findings: tuple[Finding, ...] = ()
        self.done: tuple[bool, ...] = ()
        translated(self.relabel)

    def relabel(self) -> None:
        """Say everything again."""
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(COLUMNS) - 1)
        self._touched()

    def _touched(self) -> None:
        if self.findings:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.findings) - 1, len(COLUMNS) - 1))

    def show_audit(self, scene: Scene) -> None:
        """Follow the session and the scene."""
        self.scene = scene
        done = tuple(self.session.is_done(finding, scene) for finding in self.session.findings)
        if self.session.findings is not self.findings:
            self.beginResetModel()
            self.findings, self.done = self.session.findings, done
            self.endResetModel()
            return
        self.done = done
        self._touched()

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        """Findings."""
        return 0 if parent.isValid() else len(self.findings)

    def columnCount(self, parent: Index = _NOWHERE) -> int:
        """What is said of one."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Headings and their help."""
        if orientation == Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return tr(COLUMNS[section])
            if role == Qt.ItemDataRole.ToolTipRole:
                return tr(_HELP[section])
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts and signs."""
        if not index.isValid() or index.row() >= len(self.findings):
            return None
        finding, column = self.findings[index.row()], index.column()
        if role == FINDING:
            return finding
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(index.row(), finding, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(finding, column)
        if role == Qt.ItemDataRole.DecorationRole and column == WHO:
            return theme.icon(*_ICONS[finding.kind])
        if role == Qt.ItemDataRole.TextAlignmentRole and LIGHT <= column <= GAIN:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.ForegroundRole and self.done[index.row()]:
            return theme.color("disabled")
        return None

    def _text(self, row: int, finding: Finding, column: int) -> str:
        if column == WHO:
            return who_text(finding, self.scene)
        if column == WHAT:
            return what_text(finding, self.scene)
        if column == LIGHT:
            return percent(finding.share)
        if column == SAMPLES:
            return percent(finding.cost)
        if column == ERROR:
            return error_text(finding.error) if finding.act else "–"
        if column == GAIN:
            return percent(finding.gain) if finding.gain > 0 else "–"
        if self.done[row]:
            return tr("Done")
        return tr(ACTS[finding.act]) if finding.act else ""

    def _tip(self, finding: Finding, column: int) -> str:
        if column == WHO:
            return "\n".join(name_of(self.scene, id_) for id_ in finding.ids[:24])
        if column == ERROR:
            error = finding.error
            return tr(
                "Changes the picture by {rms} (± {noise}) in the mean, and at most by {levels} of 255 levels or "
                "{stops} stops.",
                rms=percent(error.rms),
                noise=percent(error.noise),
                levels=f"{error.levels:.2f}",
                stops=f"{error.stops:.2f}",
            )
        if column == WHAT and finding.objects:
            return "\n".join(name_of(self.scene, id_) for id_ in finding.objects[:24])
        return self._text(0, finding, WHAT) if column == WHAT else tr(_HELP[column])
