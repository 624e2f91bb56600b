"""The widget that shows a viewport: it blits the view's picture, writes over it, and hands events to the tools.

Nothing of ours lives in the widget's GL context but the blitter, which is made anew whenever Qt makes a new context
(undocking, another window). Text is Qt's, so any script and any pixel ratio is drawn well. Input methods are off:
under Pinyin, single keys must stay shortcuts.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QEnterEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPen,
    QWheelEvent,
)
from PySide6.QtOpenGL import QOpenGLPaintDevice, QOpenGLTextureBlitter
from PySide6.QtOpenGLWidgets import QOpenGLWidget
from PySide6.QtWidgets import QApplication, QWidget

from studio.errors import StudioError
from studio.ui import qt_events, theme
from studio.ui.i18n import tr
from studio.ui.log import sentence
from studio.ui.view import View
from studio.ui.viewport_drops import ViewportDrops

REST_MS = 150  # without a change, before the still view is refined
_TICK_MS = 16
_GL_TEXTURE_2D = 0x0DE1
_GL_DEPTH_TEST, _GL_BLEND, _GL_SCISSOR_TEST = 0x0B71, 0x0BE2, 0x0C11
_GL_COLOR_BUFFER_BIT = 0x4000
_EMPTY = (0.055, 0.055, 0.06)  # where nothing can be drawn


class Canvas(QOpenGLWidget):
    """Shows a `View` and feeds it. `used` is emitted when a hand turns to it."""

    used = Signal()
    menu_wanted = Signal(QPoint)
    drawn = Signal()
    failed = Signal(object)  # an exception that kept a frame from being drawn

    def __init__(self, view: View, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.view = view
        self.place = "viewport"  # whose shortcuts apply while it has the focus
        self._blitter: QOpenGLTextureBlitter | None = None
        self._fault = ""
        self.setObjectName("canvas")
        self.setMinimumSize(1, 1)
        self.setAcceptDrops(True)
        self.drops = ViewportDrops(self, view)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_InputMethodEnabled, False)
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        self._rest.timeout.connect(self.update)
        self._ticks = QTimer(self, interval=_TICK_MS)
        self._ticks.timeout.connect(self._tick)
        view.on_redraw = self.update
        view.seen = lambda: self.isVisible() and not self.window().isMinimized()
        view.on_cursor = lambda name: self.setCursor(qt_events.cursor(name))

    def sizeHint(self) -> QSize:
        return QSize(640, 360)

    # --- drawing -----------------------------------------------------------------------------------------------------
    def initializeGL(self) -> None:
        self._blitter = QOpenGLTextureBlitter()
        if not self._blitter.create():
            self._fault = tr("The graphics driver cannot show pictures in this window.")

    def paintGL(self) -> None:
        ratio = self.devicePixelRatioF()
        width, height = qt_events.device_size(self.width(), self.height(), ratio)
        self.view.resize(width, height, ratio)
        texture = self._picture()
        self.makeCurrent()
        self._show(texture, width, height)
        # not QPainter(self): while Qt grabs the window that paints elsewhere, and the picture lies over it
        surface = QOpenGLPaintDevice(width, height)
        surface.setDevicePixelRatio(ratio)
        painter = QPainter(surface)
        painter.setFont(self.font())
        self._write(painter)
        painter.end()
        if texture:
            self._go_on()
        self.drawn.emit()

    def _show(self, texture: int, width: int, height: int) -> None:
        """Blit a texture over the whole widget; nothing over nothing."""
        functions = self.context().functions()
        functions.glViewport(0, 0, width, height)
        for state in (_GL_DEPTH_TEST, _GL_BLEND, _GL_SCISSOR_TEST):
            functions.glDisable(state)
        functions.glClearColor(*_EMPTY, 1.0)
        functions.glClear(_GL_COLOR_BUFFER_BIT)
        if texture and self._blitter is not None:
            area = QRectF(0, 0, width, height)
            self._blitter.bind(_GL_TEXTURE_2D)
            self._blitter.blit(
                texture,
                QOpenGLTextureBlitter.targetTransform(area, area.toRect()),
                QOpenGLTextureBlitter.Origin.OriginBottomLeft,
            )
            self._blitter.release()

    def _picture(self) -> int:
        """The texture of the next frame; 0, with the reason in `_fault`, when it cannot be drawn."""
        try:
            target = self.view.draw()
        except Exception as fault:  # told once, and in place of the picture; the next frame tries again
            text = sentence(fault)
            if text != self._fault:
                self._fault = text
                self.failed.emit(fault)
            return 0
        self._fault = ""
        return int(target.color_texture.glo)

    def _go_on(self) -> None:
        """Refine a view at rest by one more frame, as long as there is something to refine."""
        if self.view.moved:
            self.update()
        elif not self.view.converged:
            self._rest.start(REST_MS if self.view.statistics.samples <= 1 else 0)

    def _write(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
        if self._fault:
            painter.setPen(theme.color("error"))
            painter.drawText(self.rect().adjusted(24, 24, -24, -24), Qt.AlignmentFlag.AlignCenter | _WRAP, self._fault)
            return
        ratio = self.view.label_ratio
        for label in self.view.batch.labels:
            self._label(painter, QPointF(label.x / ratio, label.y / ratio), label.text, QColor.fromRgbF(*label.rgba))
        if not self.view.document.scene.entities:
            self._invite(painter)
        elif self.view.overlays.hud:
            self._figures(painter)
        self.drops.paint(painter)
        if self.hasFocus():
            painter.setPen(QPen(theme.color("accent_dim"), 1))
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))

    def _label(self, painter: QPainter, at: QPointF, text: str, ink: QColor) -> None:
        metrics = painter.fontMetrics()
        base = QPointF(at.x(), at.y() + (metrics.ascent() - metrics.descent()) / 2.0)
        painter.setPen(QColor(0, 0, 0, 170))
        for step in (QPointF(1, 1), QPointF(0, 1)):
            painter.drawText(base + step, text)
        painter.setPen(ink)
        painter.drawText(base, text)

    def _figures(self, painter: QPainter) -> None:
        """The head-up display on its plate: what is drawn, how fast, how much memory it takes."""
        texts, metrics = self.figures(), painter.fontMetrics()
        line, edge, pad = metrics.height(), theme.size(8), theme.size(6)
        width = max((metrics.horizontalAdvance(text) for text in texts), default=0)
        plate = QRectF(edge, edge, width + 2 * pad, line * len(texts) + 2 * pad)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(20, 20, 20, 150))
        painter.drawRoundedRect(plate, theme.size(3), theme.size(3))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for row, text in enumerate(texts):
            painter.setPen(theme.color("strong" if row == 0 else "text"))
            painter.drawText(QPointF(edge + pad, edge + pad + row * line + metrics.ascent()), text)

    def _invite(self, painter: QPainter) -> None:
        """What an empty scene says."""
        painter.setPen(theme.color("dim"))
        text = tr("Drop a scene here, or add a light by the Create menu.")
        painter.drawText(self.rect().adjusted(24, 24, -24, -24), Qt.AlignmentFlag.AlignCenter | _WRAP, text)

    def figures(self) -> list[str]:
        """Lines of the head-up display."""
        s = self.view.statistics
        through = self.view.tools.through
        entity = self.view.document.scene.entities.get(through)
        name = entity.name or through if entity else _direction(self.view)
        speed = (
            tr(
                "{ms} ms, {fps} fps",
                ms=f"{s.seconds * 1000:.1f}",
                fps=f"{1 / s.seconds:.{0 if s.seconds < 0.1 else 1}f}",
            )
            if s.seconds
            else ""
        )
        lights = tr("Lights {count}", count=f"{s.lights:,}")
        triangles = tr("Triangles {count}", count=f"{s.triangles:,}")
        memory = tr("{count} MB", count=f"{s.gpu_bytes / 1e6:.1f}")
        samples = tr("Samples {count}", count=s.samples) if s.samples > 1 else ""
        done, of = s.shadowed
        shadows = tr("Shadows {count}/{of}", count=f"{done:,}", of=f"{of:,}") if of else ""
        if s.shadows_coarser:
            coarser = tr("coarser by {count}, memory is short", count=2**s.shadows_coarser)
            shadows = f"{shadows} ({coarser})"
        lines = [name, "   ".join((lights, triangles, memory)), shadows, "   ".join(filter(None, (speed, samples)))]
        if self.view.look.isolated:
            lines.append(tr("Isolated"))
        return [text for text in lines if text]

    # --- events ------------------------------------------------------------------------------------------------------
    def _tick(self) -> None:
        if not self.view.tools.tick(_TICK_MS / 1000.0):
            self._ticks.stop()

    def _after(self) -> None:
        if self.view.tools.wants_ticks and not self._ticks.isActive():
            self._ticks.start()

    def _point(self, event: QMouseEvent, kind: str) -> bool:
        told = qt_events.pointer(event, kind, self.devicePixelRatioF())
        handled = told is not None and self.view.tools.pointer(told)
        self._after()
        return handled

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.used.emit()
        self._point(event, "press")

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._point(event, "move")

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if not self._point(event, "release") and event.button() == Qt.MouseButton.RightButton:
            self.menu_wanted.emit(event.globalPosition().toPoint())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._point(event, "double")

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            self.menu_wanted.emit(event.globalPos())

    def wheelEvent(self, event: QWheelEvent) -> None:
        self.used.emit()
        self.view.tools.wheel(qt_events.wheel(event, self.devicePixelRatioF()))
        self._after()
        event.accept()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if self.drops.enter(event):
            self.used.emit()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        self.drops.move(event)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self.drops.leave()

    def dropEvent(self, event: QDropEvent) -> None:
        taken = self.drops.drop(event)
        if taken is not None:
            try:
                taken()
            except StudioError as fault:
                self.view.studio.face.notify(str(fault), kind="error")

    def enterEvent(self, event: QEnterEvent) -> None:
        # as in Blender: keys go where the pointer is, unless a text is being typed or another window has the keyboard
        focused = QApplication.focusWidget()
        if isinstance(focused, Canvas) and self.window().isActiveWindow():
            self.setFocus(Qt.FocusReason.MouseFocusReason)
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        at = QPointF(self.mapFromGlobal(self.cursor().pos()))
        self.view.tools.pointer(qt_events.leaving(self.devicePixelRatioF(), at))
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        self._key(event, "press")

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        self._key(event, "release")

    def _key(self, event: QKeyEvent, kind: str) -> None:
        told = qt_events.key(event, kind)
        used = told is not None and self.view.tools.key(told)
        self._after()
        event.setAccepted(used)

    def event(self, event: QEvent) -> bool:
        kind = event.type()
        if kind == QEvent.Type.ShortcutOverride and self.view.tools.claims_keys:
            event.accept()
            return True
        if kind == QEvent.Type.KeyPress and self.view.tools.claims_keys and isinstance(event, QKeyEvent):
            self._key(event, "press")  # Tab too, which Qt would take to move the focus
            return True
        if kind == QEvent.Type.DevicePixelRatioChange:
            self.update()
        return super().event(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        self.used.emit()
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self.view.tools.focus_out()
        super().focusOutEvent(event)
        self.update()


_WRAP = Qt.TextFlag.TextWordWrap


def _direction(view: View) -> str:
    """How a free view looks: along an axis, or not."""
    x, y, z = (float(v) for v in view.camera.forward)
    kind = tr("orthographic") if view.camera.orthographic else tr("perspective")
    sides = {
        (0, 0, -1): tr("Front"),
        (0, 0, 1): tr("Back"),
        (1, 0, 0): tr("Left"),
        (-1, 0, 0): tr("Right"),
        (0, -1, 0): tr("Top"),
        (0, 1, 0): tr("Bottom"),
    }
    along = next((n for d, n in sides.items() if x * d[0] + y * d[1] + z * d[2] > 0.99999), tr("Free view"))
    return tr("{view}, {kind}", view=along, kind=kind)
