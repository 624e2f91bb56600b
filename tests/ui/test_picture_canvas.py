"""Zoom, pan, wipe and marks of the picture canvas."""

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QMouseEvent
from PySide6.QtTest import QTest

from studio.ui.picture_canvas import PictureCanvas


def _image(colour: str, width: int = 100, height: int = 50) -> QImage:
    out = QImage(width, height, QImage.Format.Format_RGBX8888)
    out.fill(QColor(colour))
    return out


@pytest.fixture
def canvas(qtbot):
    widget = PictureCanvas()
    qtbot.addWidget(widget)
    widget.resize(200, 100)
    widget.show_picture(_image("red"))
    widget.show()
    widget.heard = []
    return widget


def test_a_picture_fits_and_goes_on_fitting(canvas):
    assert canvas.zoom == 2.0
    canvas.resize(400, 100)
    assert canvas.zoom == 2.0
    canvas.resize(400, 200)
    assert canvas.zoom == 4.0


@pytest.mark.parametrize("at", [QPointF(0, 0), QPointF(150, 30), QPointF(200, 100)])
def test_zooming_keeps_the_point_under_the_cursor(canvas, at):
    before = canvas._share_at(at)
    canvas.set_zoom(7.0, at)
    after = canvas._share_at(at)
    assert (after - before).manhattanLength() < 1e-9 and canvas.zoom == 7.0


def test_pixels_and_positions_are_inverse(canvas):
    canvas.set_zoom(3.0, QPointF(20, 20))
    x, y = canvas.pixel_at(canvas.position_of(31.5, 12.5))
    assert (x, y) == (31, 12)
    assert canvas.pixel_at(QPointF(-5, 50)) is None or canvas.zoom > 2


def test_hovering_and_clicking_tell_picture_pixels(canvas):
    canvas.hovered.connect(lambda x, y: canvas.heard.append((x, y)))
    canvas.clicked.connect(lambda x, y: canvas.heard.append(("click", x, y)))
    at, none = (
        QPointF(21, 11),
        Qt.MouseButton.NoButton,
    )  # sent to the widget: the display's own pointer may be elsewhere
    canvas.mouseMoveEvent(QMouseEvent(QEvent.Type.MouseMove, at, at, none, none, Qt.KeyboardModifier.NoModifier))
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(199, 99))
    assert (10, 5) in canvas.heard and canvas.heard[-1] == ("click", 99, 49)


def _drag(canvas, button, modifiers, start, end):
    QTest.mousePress(canvas, button, modifiers, start)
    # QTest has no move with a button held; the canvas asks its own state
    QTest.mouseMove(canvas, (start + end) / 2)
    QTest.mouseMove(canvas, end)
    QTest.mouseRelease(canvas, button, modifiers, end)


def test_shift_marks_a_region_and_alt_an_area_of_whole_pixels_inside_the_picture(canvas):
    canvas.marked.connect(lambda r: canvas.heard.append(("region", r)))
    canvas.measured.connect(lambda r: canvas.heard.append(("area", r)))
    left = Qt.MouseButton.LeftButton
    _drag(canvas, left, Qt.KeyboardModifier.ShiftModifier, QPoint(60, 40), QPoint(21, 11))
    _drag(canvas, left, Qt.KeyboardModifier.AltModifier, QPoint(100, 50), QPoint(400, 400))
    assert canvas.heard == [("region", (10, 5, 30, 20)), ("area", (50, 25, 100, 50))]


def test_a_drag_of_the_wipe_line_moves_it(canvas):
    canvas.compare(_image("blue"), wipe=0.5)
    canvas.wiped.connect(canvas.heard.append)
    _drag(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(101, 50), QPoint(151, 50))
    assert canvas.heard[-1] == pytest.approx(0.755, abs=0.01)
    shown = canvas.grab().toImage()
    assert shown.pixelColor(100, 50).red() > 200 and shown.pixelColor(190, 50).blue() > 200


def test_the_middle_button_pans(canvas):
    canvas.set_zoom(4.0)
    before = canvas.position_of(0, 0)
    _drag(canvas, Qt.MouseButton.MiddleButton, Qt.KeyboardModifier.NoModifier, QPoint(50, 50), QPoint(80, 40))
    moved = canvas.position_of(0, 0) - before
    assert (moved.x(), moved.y()) == pytest.approx((30, -10))


def test_a_canvas_without_a_picture_is_quiet(qtbot):
    widget = PictureCanvas()
    qtbot.addWidget(widget)
    widget.resize(50, 50)
    widget.set_zoom(3.0)
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)
    widget.say("Press Render")
    assert not widget.grab().isNull()
