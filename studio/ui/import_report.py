"""The import report: what was read of each file, what was mapped to something like it, and what was dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.ui import theme
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk, panel

if TYPE_CHECKING:
    from studio.assets.report import LoadReport

_PARTS = (
    ("warnings", N_("To look at"), "notice-warning", "warning"),
    ("dropped", N_("Not in the scene"), "remove", "warning"),
    ("mapped", N_("Mapped"), "notice-info", "info"),
)


@panel("import_report", N_("Import report"), "bottom", "import_report", default=False)
class ImportReport(QWidget):
    """Reports of this session, the newest first."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("import-report")
        self._studio, self._desk = studio, desk
        self.tree = QTreeWidget()
        self.tree.setObjectName("import-report-tree")
        self.tree.setHeaderHidden(True)
        self.tree.setWordWrap(True)
        self.tree.setSelectionMode(QTreeWidget.SelectionMode.ExtendedSelection)
        say(self.tree.setAccessibleName, N_("Import report"))
        self.empty = QLabel()
        self.empty.setProperty("role", "empty")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        say(self.empty.setText, N_("What an import reads, maps and drops is told here."))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.empty, 1)
        layout.addWidget(self.tree, 1)
        self._forget = studio.watch(self._heard)
        translated(self.refresh)

    def close_panel(self) -> None:
        """Stop listening."""
        self._forget()

    def _heard(self, update: Update) -> None:
        if "reports" in update.parts:
            self.refresh()

    def refresh(self) -> None:
        """Show every report that there is."""
        reports = self._desk.reports()
        self.tree.clear()
        for title, report in reversed(reports):
            self._add(title, report)
        self.tree.setVisible(bool(reports))
        self.empty.setVisible(not reports)

    def _add(self, title: str, report: LoadReport) -> None:
        first, *_ = report.sentences()
        top = QTreeWidgetItem([f"{title}: {first}"])
        top.setIcon(0, theme.icon("import"))
        self.tree.addTopLevelItem(top)
        for name, label, icon, tint in _PARTS:
            sentences: tuple[str, ...] = getattr(report, name)
            if not sentences:
                continue
            part = QTreeWidgetItem([f"{tr(label)} ({len(sentences)})"])
            part.setIcon(0, theme.icon(icon, tint))
            top.addChild(part)
            for sentence in sentences:
                item = QTreeWidgetItem([sentence])
                item.setToolTip(0, sentence)
                part.addChild(item)
            part.setExpanded(name != "mapped")
        top.setExpanded(True)
