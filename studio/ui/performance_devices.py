"""Who performs: the devices that are open with how they are, and the form that opens another.

A device is three lines: what it is and how fast it sends, where it is heard and whom it moves, and what went wrong so
far, in words. The dot before it is green while it acts, amber while it is missed, hollow before and after.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractListModel, QEvent, QModelIndex, QPersistentModelIndex, QPointF, QRectF, QSize, Qt
from PySide6.QtCore import Signal as QtSignal
from PySide6.QtGui import QFont, QKeyEvent, QPainter, QPen
from PySide6.QtNetwork import QAbstractSocket, QNetworkInterface
from PySide6.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QLabel,
    QLineEdit,
    QListView,
    QPushButton,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from studio.commands.performance_desk import PerformanceDesk
from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.figure.capture.hub import Status
from studio.figure.capture.receiver import Counters
from studio.figure.capture.sources import IFACIAL, IFACIAL_TCP, KINDS, LIVE_LINK, LOOPBACK, PORTS, TITLES, VMC, sound
from studio.ui import theme
from studio.ui.bars import Menu, number
from studio.ui.i18n import say, tr, translated
from studio.ui.number_edit import Range
from studio.ui.qt_events import claimed

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_ROW = 60
_KEYS = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)
_SHOWN = 3  # devices that are seen without scrolling
STATES = {
    "waiting": N_("Waiting for the first packet"),
    "live": N_("Live"),
    "held": N_("Held: no packet came for a moment"),
    "easing": N_("Easing to rest"),
    "resting": N_("At rest: nothing is heard"),
}
_INKS = {"waiting": "dim", "live": "good", "held": "warning", "easing": "warning", "resting": "dim"}
_HINTS = {
    LIVE_LINK: N_("In the app, choose the ARKit mode and enter this computer's address and the port."),
    IFACIAL: N_("Enter the phone's address; the app shows it. It is asked to send."),
    IFACIAL_TCP: N_("Enter the phone's address; the app shows it. It is asked to send."),
    VMC: N_("In the program that tracks, enter this computer's address and the port."),
}
_REASONS = (  # what parsers say of packets that are none, so that it is translated
    N_("cut short"),
    N_("too long"),
    N_("no text"),
    N_("empty packet"),
    N_("no Live Link Face packet"),
    N_("another version"),
    N_("a name is no text"),
    N_("a shape without a name or value"),
    N_("a start message"),
    N_("a value is no number"),
    N_("bundles too deep"),
    N_("impossible length of a name"),
    N_("impossible size of a part"),
    N_("impossible time"),
    N_("impossible values"),
    N_("no address"),
    N_("no end of a message"),
    N_("no kinds of arguments"),
    N_("no shapes of a face"),
    N_("too many messages"),
    N_("too many names"),
    N_("unknown kind of argument"),
    N_("wrong arguments"),
    N_("wrong number of angles"),
    N_("wrong number of values"),
    N_("the device cannot be asked to send"),
    N_("the socket"),
    N_("too many connections"),
    N_("too many subjects"),
)


def counted(counters: Counters, subject: str = "") -> str:
    """What was heard and what went wrong, as a line; who else than `subject` is heard there too."""
    parts = [tr("{count} frames", count=f"{counters.frames:,}")]
    for count, text in (
        (counters.lost, N_("{count} lost")),
        (counters.late, N_("{count} late")),
        (counters.twice, N_("{count} twice")),
        (counters.dropped, N_("{count} dropped")),
        (counters.silent, N_("{count} without a face")),
    ):
        if count:
            parts.append(tr(text, count=f"{count:,}"))
    if counters.refused:
        worst = sorted(counters.malformed.items(), key=lambda item: -item[1])[:3]
        reasons = ", ".join(f"{_reason(reason)} {count}" for reason, count in worst)
        parts.append(tr("{count} refused ({reasons})", count=f"{counters.refused:,}", reasons=reasons))
    others = [name for name in counters.subjects if name != subject]
    if others and subject:
        parts.append(tr("also {names}", names=", ".join(others[:4])))
    return " · ".join(parts)


def _reason(reason: str) -> str:
    return tr("another version" if reason.startswith("version ") else reason)


class DeviceModel(QAbstractListModel):
    """The open devices."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.statuses: list[Status] = []

    def follow(self, statuses: list[Status]) -> None:
        """Show how they are now."""
        if [s.key for s in statuses] != [s.key for s in self.statuses]:
            self.beginResetModel()
            self.statuses = statuses
            self.endResetModel()
        else:
            self.statuses = statuses

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.statuses)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        status = self.statuses[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return f"{named(status)}: {tr(STATES[status.state])}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{tr(STATES[status.state])}\n{counted(status.counters, status.subject)}"
        return None


def named(status: Status) -> str:
    """A device by its kind and whose face it sends."""
    kind = tr(TITLES[status.source.kind])
    return f"{kind} · {status.subject}" if status.subject else kind


class _Rows(QStyledItemDelegate):
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        view = self.parent()
        assert isinstance(view, DeviceList)
        state: QStyle.StateFlag = option.state
        hovered = bool(state & QStyle.StateFlag.State_MouseOver)
        view.paint_row(painter, QRectF(option.rect), view.devices.statuses[index.row()], hovered=hovered)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(theme.size(160), theme.size(_ROW))


class DeviceList(QListView):
    """The devices; the one that is chosen is calibrated and assigned. Delete closes it."""

    closing = QtSignal(str)

    def __init__(self, studio: Studio, faces: PerformanceDesk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("performance.devices")
        say(self.setAccessibleName, N_("Devices"))
        self._studio, self._desk = studio, faces
        self.devices = DeviceModel(self)
        self.setModel(self.devices)
        self.setItemDelegate(_Rows(self))
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.selectionModel().currentChanged.connect(self._chosen)

    def follow(self, statuses: list[Status]) -> None:
        """Show the devices as they are now."""
        self.devices.follow(statuses)
        keys = [status.key for status in statuses]
        row = keys.index(self._desk.device) if self._desk.device in keys else -1
        if row != self.currentIndex().row():
            self.setCurrentIndex(self.devices.index(row))
        self.setFixedHeight(theme.size(_ROW) * min(len(keys), _SHOWN) + 2 * self.frameWidth())
        self.viewport().update()

    def _chosen(self, index: QModelIndex) -> None:
        if 0 <= index.row() < len(self.devices.statuses):
            self._desk.choose(self.devices.statuses[index.row()].key)

    def event(self, event: QEvent) -> bool:
        """Delete is the list's own key while it has the focus."""
        if claimed(event, lambda key: key.key() in _KEYS):
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete closes the device."""
        if event.key() in _KEYS and self._desk.device:
            self.closing.emit(self._desk.device)
        else:
            super().keyPressEvent(event)

    def paint_row(self, p: QPainter, rect: QRectF, status: Status, *, hovered: bool) -> None:
        """One device."""
        p.save()
        p.setRenderHint(QPainter.RenderHint.Antialiasing)
        chosen = status.key == self._desk.device and len(self.devices.statuses) > 1
        if chosen or hovered:
            p.fillRect(rect, theme.color("selection" if chosen else "row_hover"))
        ink = theme.color(_INKS[status.state])
        dot = QRectF(0, 0, theme.size(9), theme.size(9))
        dot.moveCenter(rect.topLeft() + QPointF(theme.size(12), theme.size(13)))
        p.setPen(QPen(ink, 1.4))
        p.setBrush(ink if status.state in ("live", "held", "easing") else Qt.BrushStyle.NoBrush)
        p.drawEllipse(dot)
        text = rect.adjusted(theme.size(24), theme.size(4), -theme.size(8), -theme.size(4))
        third = text.height() / 3
        bold, small = QFont(self.font()), QFont(self.font())
        bold.setWeight(QFont.Weight.DemiBold)
        small.setPointSizeF(self.font().pointSizeF() * 0.9)
        rate = f"{status.rate:.0f} fps" if status.rate and status.state == "live" else tr(_SHORT[status.state])
        self._line(p, QRectF(text.left(), text.top(), text.width(), third), (bold, "strong", named(status)),
                   (self.font(), _INKS[status.state], rate))  # fmt: skip
        figure = self._studio.scene.entities.get(status.figure)
        whom = (figure.name or status.figure) if figure is not None else tr("nobody")
        host, port = self._desk.hub.listening[status.key].receiver.address
        delay = tr("+{ms} ms buffer", ms=f"{1e3 * status.delay_s:.0f}") if status.delay_s > 5e-4 else ""
        self._line(p, QRectF(text.left(), text.top() + third, text.width(), third),
                   (small, "text", f"{host}:{port} → {whom}"), (small, "dim", delay))  # fmt: skip
        wrong = bool(status.counters.refused or status.counters.lost)
        line = QRectF(text.left(), text.top() + 2 * third, text.width(), third)
        self._line(
            p,
            line,
            (small, "warning" if wrong else "dim", counted(status.counters, status.subject)),
            (small, "dim", ""),
        )
        p.restore()

    def _line(self, p: QPainter, rect: QRectF, left: tuple[QFont, str, str], right: tuple[QFont, str, str]) -> None:
        font, ink, text = right
        p.setFont(font)
        p.setPen(theme.color(ink))
        wide = p.fontMetrics().horizontalAdvance(text) + theme.size(6) if text else 0
        p.drawText(rect, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, text)
        font, ink, text = left
        p.setFont(font)
        p.setPen(theme.color(ink))
        told = p.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(rect.width() - wide))
        p.drawText(rect, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, told)


_SHORT = {
    "waiting": N_("waiting"),
    "live": N_("live"),
    "held": N_("held"),
    "easing": N_("easing"),
    "resting": N_("resting"),
}


def interfaces() -> list[tuple[str, str]]:
    """The addresses of this computer, loopback first, as (text, address)."""
    out = []
    for interface in QNetworkInterface.allInterfaces():
        up = QNetworkInterface.InterfaceFlag.IsUp
        if not interface.flags() & up:
            continue
        for entry in interface.addressEntries():
            address = entry.ip()
            if address.protocol() == QAbstractSocket.NetworkLayerProtocol.IPv4Protocol and not address.isLoopback():
                text = address.toString()
                out.append((f"{text} ({interface.humanReadableName()})", text))
    return [(N_("This computer only"), LOOPBACK), *out]


class DeviceForm(QWidget):
    """What to listen to, and where."""

    def __init__(self, studio: Studio, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("performance.form")
        self._studio = studio
        self.kind = Menu("performance.kind", N_("Device or app"), [(TITLES[kind], kind) for kind in KINDS])
        self.host = Menu("performance.host", N_("Address that listens"), interfaces())
        self.port = number(studio, "performance.port", N_("Port"), Range(lo=0, hi=65535, whole=True), 11111, width=72)
        self.peer = _field("performance.peer", N_("Phone's address"), "192.168.1.20")
        self.subject = _field("performance.subject", N_("Subject"), N_("whoever is heard first"))
        self.open = QPushButton()
        self.open.setObjectName("performance.open")
        say(self.open.setText, N_("Listen"))
        self._hint = QLabel()
        self._hint.setProperty("role", "dim")
        self._hint.setWordWrap(True)
        self._build()
        self.kind.activated.connect(lambda _: self._other_kind())
        self.open.clicked.connect(self.listen)
        self._recall()
        translated(self._relabel)

    def _build(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(theme.size(8), theme.size(6), theme.size(8), theme.size(8))
        grid.setHorizontalSpacing(theme.size(8))
        grid.setVerticalSpacing(theme.size(4))
        grid.setColumnStretch(1, 1)
        self._labels: dict[QWidget, QLabel] = {}
        for row, (text, widget) in enumerate(
            (
                (N_("Device"), self.kind),
                (N_("Listens on"), self.host),
                (N_("Port"), self.port),
                (N_("Phone"), self.peer),
                (N_("Subject"), self.subject),
            )
        ):
            label = self._labels[widget] = QLabel()
            label.setProperty("role", "dim")
            label.setBuddy(widget)
            say(label.setText, text)
            grid.addWidget(label, row, 0)
            span = 1 if widget is self.port else 2
            grid.addWidget(widget, row, 1, 1, span, *(() if span == 2 else (Qt.AlignmentFlag.AlignLeft,)))
        grid.addWidget(self.open, 2, 2)
        grid.addWidget(self._hint, 5, 0, 1, 3)

    def _recall(self) -> None:
        """Begin with the device that was used last."""
        known = sound(self._studio.preferences.capture)
        if known:
            last = known[0]
            self.kind.choose(last.kind)
            self.host.choose(last.host)
            self.port.set_value(PORTS[last.kind] if last.port is None else last.port)
            self.peer.setText(last.peer)
            self.subject.setText(last.subject)

    def _other_kind(self) -> None:
        self.port.set_value(PORTS[str(self.kind.currentData())])
        self._relabel()

    def _relabel(self) -> None:
        kind = str(self.kind.currentData())
        asked = kind in (IFACIAL, IFACIAL_TCP)
        for widget in (self.peer, self._labels[self.peer]):
            widget.setVisible(asked)
        self._hint.setText(tr(_HINTS[kind]))

    def look(self) -> None:
        """See which addresses there are now."""
        self.host.fill(interfaces())

    def listen(self) -> None:
        """Open the device."""
        kind = str(self.kind.currentData())
        self._studio.attempt(
            "capture.listen",
            kind=kind,
            host=str(self.host.currentData()),
            port=round(self.port.value),
            peer=self.peer.text().strip() if kind in (IFACIAL, IFACIAL_TCP) else "",
            subject=self.subject.text().strip(),
        )


def _field(name: str, label: str, hint: str) -> QLineEdit:
    made = QLineEdit()
    made.setObjectName(name)
    made.setClearButtonEnabled(True)
    say(made.setAccessibleName, label)
    say(made.setPlaceholderText, hint)
    return made
