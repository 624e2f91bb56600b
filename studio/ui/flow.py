"""A layout that goes on in the next line where a line is full, so that a bar of a narrow panel cuts nothing off."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QHBoxLayout, QLayout, QLayoutItem, QSizePolicy, QWidget


class FlowLayout(QLayout):
    """Items from left to right at their preferred widths, each line as high as its highest; alike ones stay in order.

    An item wider than the whole layout gets its width. What `add_end` adds stands at the right of its line.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self._ends: set[int] = set()

    def together(self, *widgets: QWidget) -> QWidget:
        """Widgets that stay beside each other on one line, as one, which is still to be added."""
        group = QWidget()
        row = QHBoxLayout(group)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(self.spacing())
        for widget in widgets:
            row.addWidget(widget)
        return group

    def add_end(self, widget: QWidget) -> None:
        """Add a widget at the right end of its line."""
        self._ends.add(len(self._items))
        self.addWidget(widget)

    # --- what Qt asks of a layout ------------------------------------------------------------------------------------
    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._arrange(QRect(0, 0, width, 0), place=False)

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        self._arrange(rect, place=True)

    def sizeHint(self) -> QSize:
        margins = self.contentsMargins()
        width = sum(item.sizeHint().width() for item in self._items) + self.spacing() * max(len(self._items) - 1, 0)
        height = max((item.sizeHint().height() for item in self._items), default=0)
        return QSize(width + margins.left() + margins.right(), height + margins.top() + margins.bottom())

    def minimumSize(self) -> QSize:
        margins = self.contentsMargins()
        sizes = [item.minimumSize() for item in self._items]
        width, height = max((s.width() for s in sizes), default=0), max((s.height() for s in sizes), default=0)
        return QSize(width + margins.left() + margins.right(), height + margins.top() + margins.bottom())

    def _arrange(self, rect: QRect, *, place: bool) -> int:
        """Put the items in lines; the height that they take."""
        inner = rect.marginsRemoved(self.contentsMargins())
        lines: list[list[int]] = [[]]
        used = 0
        for k, item in enumerate(self._items):
            if item.isEmpty():
                continue
            width = min(item.sizeHint().width(), inner.width())
            if lines[-1] and used + width > inner.width():
                lines.append([])
                used = 0
            lines[-1].append(k)
            used += width + self.spacing()
        y = inner.y()
        for line in lines:
            y += self._put(line, inner, y, place=place) + self.spacing()
        return y - self.spacing() - rect.y() + self.contentsMargins().bottom()

    def _put(self, line: list[int], inner: QRect, y: int, *, place: bool) -> int:
        sizes = [self._items[k].sizeHint() for k in line]
        height = max((size.height() for size in sizes), default=0)
        widths = [min(size.width(), inner.width()) for size in sizes]
        free = inner.width() - sum(widths) - self.spacing() * max(len(line) - 1, 0)
        x, moved = inner.x(), False
        for k, size, width in zip(line, sizes, widths, strict=True):
            if k in self._ends and not moved:
                x, moved = x + max(free, 0), True
            if place:
                at = QPoint(x, y + (height - size.height()) // 2)
                self._items[k].setGeometry(QRect(at, QSize(width, size.height())))
            x += width + self.spacing()
        return height


def flow_bar() -> tuple[QWidget, FlowLayout]:
    """A widget as wide as it may be and as high as its lines need, and the layout in it."""
    bar = QWidget()
    policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    policy.setHeightForWidth(True)
    bar.setSizePolicy(policy)
    return bar, FlowLayout(bar)
