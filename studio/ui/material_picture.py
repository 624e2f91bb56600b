"""The picture of the material in hand, as the preview renders it."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from studio.ui import theme
from studio.ui.material_preview import MaterialPreview


class PreviewPicture(QWidget):
    """The picture of the material in hand, with a thin line that says how far it is."""

    def __init__(self, preview: MaterialPreview, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("material-picture")
        self._preview = preview
        self.image = QImage()
        self.stands_in = False  # it is a quick one, or of what was before
        self.fit(theme.size(280))
        preview.shown.connect(self.show_image)
        preview.told.connect(self.update)

    def fit(self, width: int) -> None:
        """Take a good part of a panel's width, and leave room for what stands beside it."""
        side = max(theme.size(104), min(round(width * 0.45), width - theme.size(160), theme.size(256)))
        self.setFixedSize(side, side)

    def show_image(self, image: QImage, *, stands_in: bool = False) -> None:
        """Show a picture."""
        self.image, self.stands_in = image, stands_in
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The picture, what the renderer says, the line."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        box = QRectF(self.rect())
        painter.fillRect(box, theme.color("well"))
        if not self.image.isNull():
            inner = box.adjusted(12, 12, -12, -12) if self.stands_in else box
            painter.drawImage(inner, self.image)
        text = self._preview.state_text()
        if text:
            painter.setPen(theme.color("error" if self._preview.fault else "dim"))
            flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom | Qt.TextFlag.TextWordWrap
            painter.drawText(box.adjusted(6, 6, -6, -6), flags, text)
        if self._preview.busy:
            line = QRectF(0, box.height() - 2, box.width() * self._preview.progress, 2)
            painter.fillRect(line, theme.color("accent"))
        painter.end()
