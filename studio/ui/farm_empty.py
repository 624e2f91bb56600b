"""What the farm panel shows while there is no job: how to get one, or why none can be seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.farm.seen.states import StoreState
from studio.ui import theme
from studio.ui.i18n import say, tr


class EmptyPage(QWidget):
    """See the module."""

    def __init__(self, send: Callable[[], object], add: Callable[[], object]) -> None:
        super().__init__()
        self.setObjectName("farm-empty")
        sign = QLabel()
        sign.setPixmap(theme.icon("farm", "disabled").pixmap(QSize(theme.size(40), theme.size(40))))
        sign.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.head, self.text = QLabel(), QLabel()
        self.head.setProperty("role", "heading")
        self.text.setProperty("role", "dim")
        for label, name in ((self.head, "farm-empty-head"), (self.text, "farm-empty-text")):
            label.setObjectName(name)
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setWordWrap(True)
        self.text.setMaximumWidth(theme.size(520))
        self.send, self.add = _button("farm-empty-send", send), _button("farm-empty-add", add)
        say(self.send.setText, N_("Send to farm…"))
        say(self.add.setText, N_("Look at a store…"))
        column = QVBoxLayout(self)
        column.setSpacing(theme.size(8))
        column.addStretch(1)
        column.addWidget(sign)
        column.addWidget(self.head)
        column.addLayout(_centred(self.text, stretch=8))
        column.addLayout(_centred(self.send, self.add))
        column.addStretch(2)

    def tell(self, stores: Mapping[str, StoreState]) -> None:
        """Say why there is nothing to see."""
        faults = [state.fault for state in stores.values() if state.fault]
        if faults:
            head, text = tr("The store does not answer"), faults[0]
        elif stores:
            head = tr("No jobs yet")
            text = tr(
                "What you send to the farm is watched here, frame by frame, from any machine that reaches the store."
            )
        else:
            head = tr("No farm yet")
            text = tr(
                "Send this scene, and this machine renders it as a farm of its own; or look at a store, a folder or "
                "bucket that other machines work at."
            )
        self.head.setText(head)
        self.text.setText(text)


def _button(name: str, press: Callable[[], object]) -> QPushButton:
    made = QPushButton()
    made.setObjectName(name)
    made.clicked.connect(lambda: press())
    return made


def _centred(*widgets: QWidget, stretch: int = 0) -> QHBoxLayout:
    row = QHBoxLayout()
    row.addStretch(1)
    for widget in widgets:
        row.addWidget(widget, stretch)
    row.addStretch(1)
    return row
