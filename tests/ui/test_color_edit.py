"""Swatches and the picker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from studio.ui.color_edit import ColorEdit, decoded, encoded, hsv, rgb, seen

UNIT = st.floats(0.0, 1.0)


@given(UNIT, UNIT, UNIT)
def test_hue_saturation_and_value_give_the_colour_back(r, g, b):
    assert rgb(hsv((r, g, b))) == pytest.approx((r, g, b), abs=1e-9)


@given(UNIT)
def test_encoding_and_decoding_are_inverse(x):
    assert decoded(encoded(x)) == pytest.approx(x, abs=1e-6)


def test_a_colour_brighter_than_one_shows_its_hue():
    assert seen((4.0, 2.0, 0.0)).name() == seen((1.0, 0.5, 0.0)).name()


@pytest.fixture
def swatch(qtbot):
    edit = ColorEdit(limit=None)
    qtbot.addWidget(edit)
    edit.show()
    edit.heard = []
    edit.began.connect(lambda: edit.heard.append("began"))
    edit.changed.connect(edit.heard.append)
    edit.ended.connect(lambda kept: edit.heard.append(kept))
    return edit


def test_a_drag_in_the_square_picks_hue_and_saturation(qtbot, swatch):
    qtbot.mouseClick(swatch, Qt.MouseButton.LeftButton)
    square = swatch._picker._square
    QTest.mousePress(square, Qt.MouseButton.LeftButton, pos=QPoint(1, 0))
    QTest.mouseRelease(square, Qt.MouseButton.LeftButton, pos=QPoint(1, 0))
    assert swatch.heard[0] == "began" and swatch.heard[-1] is True
    assert swatch.heard[1] == pytest.approx((1.0, 0.0, 0.0), abs=0.01)
    swatch._picker.close()


def test_hex_codes_are_understood_and_nonsense_is_put_right(qtbot, swatch):
    swatch.open()
    field = swatch._picker._hex
    field.setText("#ff8000")
    field.editingFinished.emit()
    assert swatch.heard[1] == pytest.approx((1.0, decoded(128 / 255), 0.0), abs=1e-3)
    swatch.heard.clear()
    field.setText("nonsense")
    field.editingFinished.emit()
    assert swatch.heard == [] and field.text() == "#ffffff"
    swatch._picker.close()


def test_components_are_linear_and_may_exceed_one(qtbot, swatch):
    swatch.open()
    number = swatch._picker._numbers[0]
    number.start_typing()
    qtbot.keyClicks(number, "3")
    qtbot.keyClick(number, Qt.Key.Key_Return)
    assert swatch.heard == ["began", (3.0, 1.0, 1.0), True]
    swatch._picker.close()
