"""Drags as Qt sends them: something is carried over a widget and let go."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDragMoveEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QWidget

from studio.ui.material_model import MIME

_HOW = (Qt.DropAction.CopyAction,)
_NONE, _LEFT = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton


def hover(widget: QWidget, data: QMimeData, at: QPoint | None = None) -> bool:
    """Carry something over a place of a widget; whether it would be taken there."""
    place = QPointF(at if at is not None else widget.rect().center())
    entering = QDragEnterEvent(place, *_HOW, data, _LEFT, _NONE)
    entering.ignore()
    QApplication.sendEvent(widget, entering)
    if not entering.isAccepted():
        return False
    moving = QDragMoveEvent(place, *_HOW, data, _LEFT, _NONE)
    moving.accept()  # as Qt sends it to who took the entering
    QApplication.sendEvent(widget, moving)
    return moving.isAccepted()


def drop(widget: QWidget, data: QMimeData, at: QPoint | None = None) -> bool:
    """Carry something over a widget and let go there; whether it was taken."""
    if not hover(widget, data, at):
        QApplication.sendEvent(widget, QDragLeaveEvent())
        return False
    dropping = QDropEvent(QPointF(at if at is not None else widget.rect().center()), *_HOW, data, _LEFT, _NONE)
    QApplication.sendEvent(widget, dropping)
    return dropping.isAccepted()


def files(*paths: Path) -> QMimeData:
    """Files as a file manager drags them."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def material(id_: str) -> QMimeData:
    """A material as the editor's list drags it."""
    data = QMimeData()
    data.setData(MIME, id_.encode())
    return data
