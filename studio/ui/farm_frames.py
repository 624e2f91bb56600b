"""The frames of a farm's job as a strip: what there is of each, refined while it is looked at.

Pictures are small files that the watch writes. One is read when its cell is painted and again when it changed, so a
strip of a thousand frames reads what is seen.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QImageReader, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

from studio.farm.seen.states import FrameState
from studio.ui import farm_words as words
from studio.ui import theme
from studio.ui.i18n import tr, translated

FRAME = Qt.ItemDataRole.UserRole
PICTURE = Qt.ItemDataRole.UserRole + 1
_WIDE, _HIGH = 128, 72
_MOST_KEPT = 600  # pictures
_NOWHERE = QModelIndex()
Index = QModelIndex | QPersistentModelIndex


class FrameModel(QAbstractListModel):
    """Frames in their order. A frame that changed changes its row alone."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[FrameState] = []
        self.reads = 0  # of pictures
        self._job: tuple[str, str] = ("", "")
        self._pictures: OrderedDict[float, tuple[int, QPixmap]] = OrderedDict()
        translated(self.relabel)

    def relabel(self) -> None:
        """Say the states again."""
        if self.frames:
            self.dataChanged.emit(self.index(0), self.index(len(self.frames) - 1))

    def take(self, job: tuple[str, str], frames: Sequence[FrameState]) -> None:
        """Show the frames of a job."""
        if job != self._job or [f.frame for f in frames] != [f.frame for f in self.frames]:
            self.beginResetModel()
            if job != self._job:
                self._pictures.clear()
            self._job, self.frames = job, list(frames)
            self.endResetModel()
            return
        for row, (old, new) in enumerate(zip(self.frames, frames, strict=True)):
            if old != new:
                self.frames[row] = new
                self.dataChanged.emit(self.index(row), self.index(row))

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        """Frames."""
        return 0 if parent.isValid() else len(self.frames)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The number, how far it is, its picture and what there is to say."""
        if not index.isValid() or index.row() >= len(self.frames):
            return None
        frame = self.frames[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return f"{frame.frame:g}"
        if role == FRAME:
            return frame
        if role == PICTURE:
            return self._picture(frame)
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            lines = [
                tr("Frame {frame}", frame=f"{frame.frame:g}"),
                words.mark_text(frame),
                tr("{done} of {total} samples", done=f"{frame.done:,}", total=f"{frame.samples:,}"),
                ", ".join(frame.nodes),
                str(frame.path) if frame.path is not None and frame.mark in ("here", "missing") else "",
            ]
            return "\n".join(line for line in lines if line)
        return None

    def _picture(self, frame: FrameState) -> QPixmap | None:
        kept = self._pictures.get(frame.frame)
        if frame.preview is None:
            return None
        if kept is not None and kept[0] == frame.stamp:
            self._pictures.move_to_end(frame.frame)
            return kept[1]
        reader = QImageReader(str(frame.preview))
        size = reader.size()
        if size.isValid():
            reader.setScaledSize(size.scaled(QSize(480, 480), Qt.AspectRatioMode.KeepAspectRatio))
        image = reader.read()
        self.reads += 1
        if image.isNull():  # being written anew; the one before stays
            return kept[1] if kept is not None else None
        picture = QPixmap.fromImage(image)
        self._pictures[frame.frame] = (frame.stamp, picture)
        self._pictures.move_to_end(frame.frame)
        while len(self._pictures) > _MOST_KEPT:
            self._pictures.popitem(last=False)
        return picture


class FrameDelegate(QStyledItemDelegate):
    """A cell of the strip: the picture, its sign and number below it, a line of how far it is."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """All cells are alike."""
        return QSize(theme.size(_WIDE + 10), theme.size(_HIGH + 28))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """See the class."""
        frame: FrameState = index.data(FRAME)
        rect: QRect = option.rect
        chosen = bool(option.state & option.state.__class__.State_Selected)
        hover = bool(option.state & option.state.__class__.State_MouseOver)
        painter.save()
        if chosen or hover:
            painter.fillRect(rect.adjusted(1, 1, -1, -1), theme.color("selection" if chosen else "row_hover"))
        box = QRect(rect.x() + theme.size(5), rect.y() + theme.size(5), theme.size(_WIDE), theme.size(_HIGH))
        painter.fillRect(box, theme.color("pressed"))
        self._paint_picture(painter, box, index.data(PICTURE), frame)
        share = frame.done / max(frame.samples, 1)
        line = QRect(box.x(), box.bottom() + 1, box.width(), theme.size(3))
        painter.fillRect(line, theme.color("raised"))
        tone = {"here": "good", "done": "info", "missing": "warning"}.get(frame.mark, "accent")
        painter.fillRect(QRect(line.x(), line.y(), round(line.width() * share), line.height()), theme.color(tone))
        foot = QRect(box.x(), line.bottom() + theme.size(2), box.width(), theme.size(15))
        side = theme.size(12)
        sign = theme.icon(*words.MARK_ICONS[frame.mark])
        sign.paint(painter, QRect(foot.right() - side, foot.center().y() - side // 2, side, side))
        painter.setPen(theme.color("selection_text" if chosen else "text"))
        number = QRect(foot.x() + theme.size(1), foot.y(), foot.width() // 2, foot.height())
        align = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawText(number, align, index.data())
        if 0 < frame.done < frame.samples:
            painter.setPen(theme.color("dim"))
            room = foot.adjusted(0, 0, -side - theme.size(4), 0)
            painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, f"{int(share * 100)} %")
        painter.restore()

    def _paint_picture(self, painter: QPainter, box: QRect, picture: QPixmap | None, frame: FrameState) -> None:
        if picture is None:
            painter.setPen(QPen(theme.color("border"), 1, Qt.PenStyle.DotLine))
            painter.drawRect(box.adjusted(0, 0, -1, -1))
            side = theme.size(20)
            place = QRect(0, 0, side, side)
            place.moveCenter(box.center())
            name = "play" if frame.mark == "working" else "picture" if frame.done else "more"
            theme.icon(name, "disabled").paint(painter, place)
            return
        size = picture.size().scaled(box.size(), Qt.AspectRatioMode.KeepAspectRatio)
        place = QRect(0, 0, size.width(), size.height())
        place.moveCenter(box.center())
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawPixmap(place, picture)
