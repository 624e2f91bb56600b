"""What the preflight found, a line each with its sign. A line that names lights, objects or materials selects them; one
that is about a field leads to it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QEnterEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QLabel, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.render.queue_check import Finding
from studio.ui import theme
from studio.ui.farm_submit_rows import PREFIX
from studio.ui.i18n import say, tr

_MARKS = {
    "error": ("notice-error", "error"),
    "warning": ("notice-warning", "warning"),
    "info": ("notice-info", "info"),
}
_SEVERITIES = {"error": N_("Error"), "warning": N_("Warning"), "info": N_("Note")}
_MOST = 148  # units of height before the list scrolls


class FindingRow(QAbstractButton):
    """One finding."""

    def __init__(self, finding: Finding, number: int, *, leads: bool) -> None:
        super().__init__()
        self.finding = finding
        self.setObjectName(f"{PREFIX}-finding-{number}")
        self.setAccessibleName(f"{tr(_SEVERITIES[finding.severity])}: {finding.sentence}")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme.size(4), theme.size(2), theme.size(4), theme.size(2))
        layout.setSpacing(theme.size(6))
        sign, text = QLabel(), QLabel(finding.sentence)
        icon, tint = _MARKS[finding.severity]
        sign.setPixmap(theme.icon(icon, tint).pixmap(theme.size(14), theme.size(14)))
        text.setObjectName(f"{PREFIX}-finding-text-{number}")
        text.setWordWrap(True)
        text.setTextFormat(Qt.TextFormat.PlainText)
        text.setMinimumWidth(1)
        text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.MinimumExpanding)
        if finding.severity == "info":
            text.setProperty("role", "dim")
        for label in (sign, text):
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        layout.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(text, 1)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self._over = False
        if leads:
            self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            self.setCursor(Qt.CursorShape.PointingHandCursor)
            tip = N_("Select what it is about") if finding.ids else N_("Go to the field")
            say(self.setToolTip, tip)
        else:
            self.setEnabled(False)

    def sizeHint(self) -> QSize:
        """As its texts need it."""
        layout = self.layout()
        return layout.totalSizeHint() if layout is not None else QSize()

    def enterEvent(self, event: QEnterEvent) -> None:
        self._over = self.isEnabled()
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        self._over = False
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        if self.isDown():
            painter.fillRect(self.rect(), theme.color("pressed"))
        elif self._over:
            painter.fillRect(self.rect(), theme.color("hover"))
        if self.hasFocus():
            painter.setPen(theme.color("accent"))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))


class FindingList(QScrollArea):
    """All of them, as high as they need to be up to a third of a screen. `chosen` comes with a `Finding`."""

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName(f"{PREFIX}-findings")
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._body = QWidget()
        self._body.setObjectName(f"{PREFIX}-findings-body")
        self._column = QVBoxLayout(self._body)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self.setWidget(self._body)
        self.findings: tuple[Finding, ...] = ()
        self.rows: list[FindingRow] = []
        self.hide()

    def take(self, findings: Sequence[Finding], fields: frozenset[str]) -> None:
        """Show findings; `fields` are those that a line can lead to."""
        if tuple(findings) == self.findings:
            return
        self.findings = tuple(findings)
        while (item := self._column.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self.rows = []
        for number, finding in enumerate(self.findings):
            row = FindingRow(finding, number, leads=bool(finding.ids) or finding.field in fields)
            row.clicked.connect(lambda _=False, f=finding: self.chosen.emit(f))
            self._column.addWidget(row)
            self.rows.append(row)
        self._column.addStretch(1)
        self.setVisible(bool(self.findings))
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        """As high as its lines are at its width, within reason."""
        # as wide as beside its scroll bar, so that it needs none for the lines that break because of one
        width = max(self.width(), theme.size(160)) - theme.size(12)
        high = self._column.totalHeightForWidth(width) + 2 * self.frameWidth() + theme.size(2)
        return QSize(width, min(high, theme.size(_MOST)))

    def minimumSizeHint(self) -> QSize:
        """The same: it is not to be squeezed."""
        return QSize(theme.size(60), self.sizeHint().height())

    def resizeEvent(self, event: object) -> None:
        super().resizeEvent(event)  # type: ignore[arg-type]  # as Qt gives it
        self.updateGeometry()
