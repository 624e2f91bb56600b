"""The audit panel: what a quick render found about the lights of the shot, and one press to act on it.

The render and its analysis run off the window's thread (`studio.commands.audit`); this panel shows how far they are
and what came of them. Choosing rows selects their lights and says what muting all of them together would change.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, Qt, QTimer
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QProgressBar,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from studio.commands import audit as commands
from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.ui import bars, theme
from studio.ui.audit_model import ACT, ERROR, GAIN, LIGHT, SAMPLES, WHAT, WHO, AuditModel, Index, error_text, percent
from studio.ui.flow import flow_bar
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk, panel

_LOOK_MS = 100
_WIDTHS = {WHO: 170, WHAT: 340, LIGHT: 66, SAMPLES: 72, ERROR: 126, GAIN: 66, ACT: 108}


class _Proposal(QStyledItemDelegate):
    """Draws what is proposed as a button."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """A cell."""
        table = self.parent()
        assert isinstance(table, AuditTable)
        row = index.row()
        finding = table.rows.findings[row]
        if not finding.act or table.rows.done[row]:
            super().paint(painter, option, index)
            return
        self.initStyleOption(option, index)
        option.text = ""
        style = option.widget.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        edge = theme.size(3)
        box = QRectF(option.rect).adjusted(edge, edge, -edge, -edge)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(theme.color("accent" if table.hovered == row else "border"))
        painter.setBrush(theme.color("raised"))
        painter.drawRoundedRect(box, 3, 3)
        painter.setPen(theme.color("strong"))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, str(index.data(Qt.ItemDataRole.DisplayRole)))
        painter.restore()


class AuditTable(QTableView):
    """The findings. A press on a proposal does it, as Return does for all that are chosen."""

    def __init__(self, studio: Studio, rows: AuditModel) -> None:
        super().__init__()
        self._studio, self.rows = studio, rows
        self.hovered = -1
        self.setObjectName("audit-findings")
        say(self.setAccessibleName, N_("Findings"))
        self.setModel(rows)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setMouseTracking(True)
        self.verticalHeader().hide()
        self.setItemDelegateForColumn(ACT, _Proposal(self))
        self.fit()

    def fit(self) -> None:
        """Sizes at the interface's scale."""
        self.verticalHeader().setDefaultSectionSize(theme.size(24))
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        for column, width in _WIDTHS.items():
            self.setColumnWidth(column, theme.size(width))
        header.setSectionResizeMode(WHAT, QHeaderView.ResizeMode.Stretch)

    @property
    def chosen(self) -> list[int]:
        """Rows that are selected, from the top."""
        return sorted(index.row() for index in self.selectionModel().selectedRows())

    def _proposal_at(self, event: QMouseEvent) -> int:
        index = self.indexAt(event.position().toPoint())
        if not index.isValid() or index.column() != ACT:
            return -1
        free = self.rows.findings[index.row()].act and not self.rows.done[index.row()]
        return index.row() if free else -1

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A proposal does not select; it is done when it is let go."""
        if event.button() == Qt.MouseButton.LeftButton and self._proposal_at(event) >= 0:
            event.accept()
            return
        super().mousePressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Do what is proposed."""
        row = self._proposal_at(event) if event.button() == Qt.MouseButton.LeftButton else -1
        if row >= 0:
            self._studio.attempt("audit.apply", rows=(row,))
            return
        super().mouseReleaseEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Show what would be pressed."""
        self._hover(self._proposal_at(event))
        super().mouseMoveEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is under the pointer."""
        self._hover(-1)
        super().leaveEvent(event)

    def _hover(self, row: int) -> None:
        if row != self.hovered:
            self.hovered = row
            self.viewport().update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return does what is proposed for the chosen rows."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.chosen:
            self._studio.attempt("audit.apply", rows=tuple(self.chosen))
            return
        super().keyPressEvent(event)


@panel("audit", N_("Light audit"), "bottom", "audit", default=False)
class AuditPanel(QWidget):
    """See the module."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("audit")
        self._studio, self._desk = studio, desk
        self.session = commands.session_of(studio)
        self.model = AuditModel(self.session)
        self.table = AuditTable(studio, self.model)
        self._make()
        self._looking = QTimer(self)
        self._looking.setInterval(_LOOK_MS)
        self._looking.timeout.connect(self._show_progress)
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._chosen())
        self.session.watchers.append(self._follow)
        self._forget = studio.watch(self._heard)
        theme.signals().changed.connect(self.table.fit)
        translated(self._follow)

    def close_panel(self) -> None:
        """Stop listening, and the audit that nobody would see."""
        self._forget()
        self._looking.stop()
        self.session.watchers.remove(self._follow)
        if self.session.running is not None:
            self.session.running.cancelled = True

    def _make(self) -> None:
        head, top = flow_bar()
        give = self._desk.give
        self.run_button = bars.button("audit-run", "audit", N_("Audit the shot"), lambda: give("audit.run"), text=True)
        self.cancel_button = bars.button("audit-cancel", "stop", N_("Cancel the audit"), lambda: give("audit.cancel"))
        self.mute_button = bars.button("audit-mute", "mute", N_("Mute all of these"), self.mute_chosen, text=True)
        self.apply_button = bars.button(
            "audit-apply", "check", N_("Do what is proposed for the chosen rows"), self.apply_chosen
        )
        self.progress = QProgressBar()
        self.progress.setObjectName("audit-progress")
        self.progress.setTextVisible(False)
        self.progress.setFixedSize(theme.size(140), theme.size(6))
        say(self.progress.setAccessibleName, N_("Progress"))
        self.stale = QLabel()
        self.stale.setObjectName("audit-stale")
        self.stale.setProperty("role", "heading")
        for widget in (self.run_button, self.cancel_button, self.progress, self.stale):
            top.addWidget(widget)
        top.add_end(top.together(self.apply_button, self.mute_button))
        self.told = QLabel()
        self.told.setObjectName("audit-told")
        self.told.setTextFormat(Qt.TextFormat.PlainText)
        self.told.setWordWrap(True)
        self.told.setProperty("role", "dim")
        self.told.setContentsMargins(theme.size(8), theme.size(3), theme.size(8), theme.size(4))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(head)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.told)

    # --- what is shown -----------------------------------------------------------------------------------------------
    def _heard(self, update: Update) -> None:
        if update.change is not None or "frame" in update.parts:
            self._follow()

    def _follow(self) -> None:
        """Bring everything to the session and the scene."""
        running = self.session.running is not None
        self.model.show_audit(self._studio.scene)
        self.run_button.setEnabled(not running)
        self.cancel_button.setVisible(running)
        self.progress.setVisible(running)
        if running and not self._looking.isActive():
            self._looking.start()
        elif not running:
            self._looking.stop()
        stale = self.session.is_stale(self._studio)
        self.stale.setVisible(stale and not running)
        self.stale.setText(tr("The scene has changed since the audit."))
        self._show_progress()
        self._tell()

    def _show_progress(self) -> None:
        running = self.session.running
        if running is not None:
            self.progress.setRange(0, 0 if running.share <= 0.0 else 1000)
            self.progress.setValue(round(1000 * running.share))

    def _meant(self) -> list[int]:
        """The chosen rows, or else those that nobody would miss."""
        chosen = self.table.chosen
        if chosen:
            return chosen
        weak = [row for row, f in enumerate(self.session.findings) if f.kind == "weak"]
        return weak or [row for row, f in enumerate(self.session.findings) if f.kind == "nothing"]

    def _tell(self) -> None:
        """What muting the meant lights would do, or what there is to see."""
        chosen = self.table.chosen
        self.apply_button.setEnabled(any(self.session.findings[row].act for row in chosen))
        effect = self.session.effect(self._meant()) if self.session.findings else None
        self.mute_button.setEnabled(bool(effect and effect[0]))
        if self.session.running is not None:
            self.told.setText(tr("Rendering small and quickly, with every light apart…"))
        elif self.session.auditor is None:
            self.told.setText(tr("Audit the shot to see which of its lights it could do without."))
        elif not self.session.findings:
            self.told.setText(tr("Every light earns its keep: nothing was found."))
        elif effect is None or not effect[0]:
            self.told.setText(tr("No light can go without being missed."))
        else:
            ids, error, gain = effect
            text = N_("Muting these {count} lights changes {error} and frees {gain} of the light samples.")
            if len(ids) == 1:
                text = N_("Muting this light changes {error} and frees {gain} of the light samples.")
            told = tr(text, count=len(ids), error=error_text(error), gain=percent(gain))
            acts = [f for row in chosen if (f := self.session.findings[row]).act not in ("", "mute")]
            if acts and self.session.auditor is not None:
                whole = self.session.auditor.proposed([self.session.findings[row] for row in chosen])
                told += "  " + tr("Doing what is proposed changes {error}.", error=error_text(whole))
            self.told.setText(told)

    # --- doing -------------------------------------------------------------------------------------------------------
    def _chosen(self) -> None:
        """Chosen findings choose their lights."""
        rows = self.table.chosen
        if rows:
            commands.select(self._studio, rows)
        self._tell()

    def mute_chosen(self) -> None:
        """Mute the lights of the chosen rows together, or all that nobody would miss, in one step."""
        effect = self.session.effect(self._meant())
        if effect is not None and effect[0]:
            self._studio.attempt("audit.mute", ids=effect[0])

    def apply_chosen(self) -> None:
        """Do what is proposed for the chosen rows, in one step."""
        self._studio.attempt("audit.apply", rows=tuple(self.table.chosen))
