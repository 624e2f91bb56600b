"""What a job has cost so far, by the books of this machine: billed, held and given back, and each node's part of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QStackedWidget, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.errors import StudioError
from studio.farm.money import statements
from studio.farm.money.bill import Bill
from studio.farm.money.ledger import Ledger
from studio.farm.seen.states import Detail, JobState
from studio.ui import bars, theme
from studio.ui import farm_words as words
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk
from studio.ui.queue_model import duration

_FIGURES = (
    ("captured", N_("Billed")),
    ("held", N_("Held for the rest")),
    ("released", N_("Released")),
    ("rejected", N_("Given back")),
    ("cap", N_("Cap")),
)
_COLUMNS = (N_("Node"), N_("Units"), N_("Not charged"), N_("Core-hours"), N_("Device-hours"), N_("Amount"))


class LedgerPage(QWidget):
    """See the module."""

    def __init__(self, studio: Studio, desk: Desk) -> None:
        super().__init__()
        self.setObjectName("farm-ledger-page")
        self._studio, self._desk = studio, desk
        self._job: JobState | None = None
        self._detail: Detail | None = None
        self.why = QLabel()
        self.why.setObjectName("farm-ledger-why")
        self.why.setProperty("role", "empty")
        self.why.setWordWrap(True)
        self.why.setTextFormat(Qt.TextFormat.PlainText)
        self.why.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.figures: dict[str, QLabel] = {}
        self.table = QTreeWidget()
        self.stack = QStackedWidget()
        self.stack.addWidget(self.why)
        self.stack.addWidget(self._make_books())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.stack)
        translated(self._tell)

    def _make_books(self) -> QWidget:
        page = QWidget()
        grid = QGridLayout()
        grid.setContentsMargins(theme.size(8), theme.size(6), theme.size(8), theme.size(4))
        grid.setHorizontalSpacing(theme.size(18))
        grid.setVerticalSpacing(0)
        for column, (name, label) in enumerate(_FIGURES):
            head, value = QLabel(), QLabel()
            head.setProperty("role", "dim")
            say(head.setText, label)
            value.setObjectName(f"farm-ledger-{name}")
            value.setProperty("role", "heading")
            say(value.setAccessibleName, label)
            grid.addWidget(head, 0, column)
            grid.addWidget(value, 1, column)
            self.figures[name] = value
        grid.setColumnStretch(len(_FIGURES), 1)
        self.invoice_button = bars.button(
            "farm-ledger-invoice", "export", N_("Save the invoice…"), self.save_invoice, text=True
        )
        grid.addWidget(self.invoice_button, 0, len(_FIGURES) + 1, 2, 1)
        self.table.setObjectName("farm-ledger-nodes")
        say(self.table.setAccessibleName, N_("What each node cost"))
        self.table.setRootIsDecorated(False)
        self.table.setUniformRowHeights(True)
        self.table.setAlternatingRowColors(True)
        self.table.setColumnCount(len(_COLUMNS))
        for column, width in enumerate((150, 60, 90, 90, 90, 90)):
            self.table.setColumnWidth(column, theme.size(width))
        translated(self._head)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(grid)
        layout.addWidget(self.table, 1)
        return page

    def _head(self) -> None:
        self.table.setHeaderLabels([tr(text) for text in _COLUMNS])
        head = self.table.headerItem()
        for column in range(1, len(_COLUMNS)):
            head.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def take(self, job: JobState | None, detail: Detail | None) -> None:
        """Show what stands in the books of a job."""
        before = self._detail.bill if self._detail is not None else None
        self._job, self._detail = job, detail
        bill = detail.bill if detail is not None else None
        if bill is not None and bill != before:
            self._fill(bill)
        self._tell()

    def _tell(self) -> None:
        bill = self._detail.bill if self._detail is not None else None
        self.stack.setCurrentIndex(0 if bill is None else 1)
        if bill is not None:
            amounts = {"captured": bill.captured - bill.rejected, "held": bill.held}
            amounts |= {"released": bill.released, "rejected": bill.rejected}
            for name, amount in amounts.items():
                self.figures[name].setText(words.money(amount, bill.currency))
            cap = self._job.cap_micros if self._job is not None else 0
            self.figures["cap"].setText(words.money(cap, bill.currency) if cap else tr("No cap"))
            self.invoice_button.setEnabled(bill.captured > 0)
            return
        parts = [tr("No books are kept here for this job: a farm keeps them where it is run with a price list.")]
        busy = sum(node.busy_s for node in self._detail.nodes) if self._detail is not None else 0.0
        if busy:
            count = sum(node.units > 0 for node in self._detail.nodes) if self._detail is not None else 0
            parts.append(
                tr("By its log {count} nodes worked at it for {time} together.", count=count, time=duration(busy))
            )
        self.why.setText("\n".join(parts))

    def _fill(self, bill: Bill) -> None:
        self.table.clear()
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        rows = []
        for node in bill.nodes:
            texts = (
                node.node,
                f"{node.units:,}",
                f"{node.unpaid_units:,}" if node.unpaid_units else "",
                f"{node.core_s / 3600:.4f}",
                f"{node.device_s / 3600:.4f}" if node.device_s else "",
                words.money(node.amount, bill.currency),
            )
            row = QTreeWidgetItem(list(texts))
            for column in range(1, len(texts)):
                row.setTextAlignment(column, right)
            rows.append(row)
        self.table.addTopLevelItems(rows)

    def save_invoice(self) -> None:
        """Write the invoice of the job as a page or as text."""
        job, detail = self._job, self._detail
        if job is None or detail is None or detail.bill is None:
            return
        name = f"{job.standing.name or job.id} {job.id[-6:]}.html"
        path = self._studio.face.ask_save(N_("Save the invoice"), name, (".html", ".txt", ".csv", ".json"))
        if path is None:
            return
        file, id_ = Path(detail.bill.file), job.id
        self._desk.bridge.run(
            lambda: write_invoice(file, id_, path),
            then=lambda made: self._studio.face.notify(tr("The invoice is {path}.", path=str(made))),
            failed=self._failed,
        )

    def _failed(self, fault: Exception) -> None:
        if not isinstance(fault, StudioError):
            raise fault
        self._studio.face.notify(str(fault), kind="error")


def write_invoice(books: Path, job: str, path: Path, *, issuer: str = "Myriad") -> Path:
    """Write the invoice of a job to a file: a page for .html, text for .txt; .csv and .json are the whole books.
    Raises StudioError."""
    from studio.render.output import replacing

    writers: dict[str, Callable[[Ledger, Path], None]] = {
        ".csv": statements.export_csv,
        ".json": statements.export_json,
    }
    with Ledger(books) as ledger:
        whole = writers.get(path.suffix.lower())
        if whole is not None:
            whole(ledger, path)
            return path
        made = statements.invoice(ledger, job, issuer=issuer)
        text = statements.invoice_text(made) if path.suffix.lower() == ".txt" else statements.invoice_html(made)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return path
