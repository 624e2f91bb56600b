"""Numbers that are dragged, typed and stepped."""

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from studio.ui.number_edit import MIXED, NumberEdit, Range, shown


@pytest.fixture
def number(qtbot):
    edit = NumberEdit(Range(lo=0.0, hi=1.0), "m")
    qtbot.addWidget(edit)
    edit.resize(100, 22)
    edit.show()
    edit.set_value(0.5)
    edit.heard = []
    edit.began.connect(lambda: edit.heard.append("began"))
    edit.changed.connect(lambda entry: edit.heard.append(round(entry.new(0.5), 6)))
    edit.ended.connect(lambda kept: edit.heard.append("kept" if kept else "taken back"))
    return edit


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (0.1, "0.1"),
        (1 / 3, "0.3333"),
        (1234.5, "1234"),
        (2e7, "2e+07"),
        (1e-5, "1e-05"),
        (-2.5, "-2.5"),
    ],
)
def test_numbers_show_as_few_digits_as_tell_them_apart(value, text):
    assert shown(value) == text


def test_a_click_opens_the_field_and_enter_takes_what_was_typed(qtbot, number):
    qtbot.mouseClick(number, Qt.MouseButton.LeftButton)
    assert number.selectedText() == "0.5"
    qtbot.keyClicks(number, "25 cm")
    qtbot.keyClick(number, Qt.Key.Key_Return)
    assert number.heard == ["began", 0.25, "kept"]


def test_escape_gives_up_what_was_typed(qtbot, number):
    qtbot.mouseClick(number, Qt.MouseButton.LeftButton)
    qtbot.keyClicks(number, "9")
    qtbot.keyClick(number, Qt.Key.Key_Escape)
    assert number.heard == [] and number.text() == "0.5 m"


def test_what_is_no_number_is_refused_and_changes_nothing(qtbot, number):
    qtbot.mouseClick(number, Qt.MouseButton.LeftButton)
    qtbot.keyClicks(number, "much")
    with qtbot.waitSignal(number.refused) as told:
        qtbot.keyClick(number, Qt.Key.Key_Return)
    assert "much" in told.args[0] and number.heard == [] and number.text() == "0.5 m"


def test_a_drag_scrubs_from_where_it_began_and_stops_at_the_limits(number):
    QTest.mousePress(number, Qt.MouseButton.LeftButton, pos=QPoint(50, 10))
    for x in (60, 70, 400, 50):
        QTest.mouseMove(number, QPoint(x, 10))
    QTest.mouseRelease(number, Qt.MouseButton.LeftButton, pos=QPoint(50, 10))
    assert number.heard == ["began", 0.55, 0.6, 1.0, 0.5, "kept"]


def test_shift_scrubs_finely(number):
    QTest.mousePress(number, Qt.MouseButton.LeftButton, pos=QPoint(50, 10))
    number._press and QTest.mouseMove(number, QPoint(70, 10))
    assert number.heard[-1] == 0.6
    QTest.mouseRelease(number, Qt.MouseButton.LeftButton, pos=QPoint(70, 10))


def test_escape_during_a_drag_takes_it_back(number):
    QTest.mousePress(number, Qt.MouseButton.LeftButton, pos=QPoint(50, 10))
    QTest.mouseMove(number, QPoint(90, 10))
    QTest.keyClick(number, Qt.Key.Key_Escape)
    assert number.heard[-1] == "taken back"
    QTest.mouseRelease(number, Qt.MouseButton.LeftButton, pos=QPoint(90, 10))
    assert number.heard[-1] == "taken back"


def test_intensities_scrub_by_stops(qtbot):
    edit = NumberEdit(Range(lo=0.0, soft_hi=10000.0))
    qtbot.addWidget(edit)
    assert edit._moved(60).new(100.0) == pytest.approx(200.0)
    assert edit._moved(-120).new(100.0) == pytest.approx(25.0)


def test_arrows_step(qtbot, number):
    qtbot.keyClick(number, Qt.Key.Key_Up)
    assert number.heard == ["began", 0.55, "kept"]


def test_values_that_differ_show_as_a_dash_and_take_a_relative_entry(qtbot, number):
    number.set_value(0.5, mixed=True)
    assert number.text() == MIXED
    qtbot.mouseClick(number, Qt.MouseButton.LeftButton)
    assert number.text() == ""
    qtbot.keyClicks(number, "*=2")
    qtbot.keyClick(number, Qt.Key.Key_Return)
    assert number.heard == ["began", 1.0, "kept"]


def test_leaving_a_mixed_field_without_typing_changes_nothing(qtbot, number):
    number.set_value(0.5, mixed=True)
    qtbot.mouseClick(number, Qt.MouseButton.LeftButton)
    qtbot.keyClick(number, Qt.Key.Key_Return)
    assert number.heard == []


def test_the_wheel_alone_changes_nothing(qtbot, number):
    from PySide6.QtCore import QPointF
    from PySide6.QtGui import QWheelEvent

    def turn(modifiers):
        event = QWheelEvent(
            QPointF(5, 5),
            number.mapToGlobal(QPointF(5, 5)),
            QPoint(0, 0),
            QPoint(0, 120),
            Qt.MouseButton.NoButton,
            modifiers,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        number.wheelEvent(event)

    turn(Qt.KeyboardModifier.NoModifier)
    assert number.heard == []
    turn(Qt.KeyboardModifier.ControlModifier)
    assert number.heard == ["began", 0.55, "kept"]
