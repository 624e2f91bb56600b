"""What may be typed where a number is asked for."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import UsageError
from studio.ui.expressions import evaluate, understand


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("1/3", "", 1 / 3),
        ("2*pi", "", math.tau),
        ("2^10", "", 1024.0),
        ("sqrt(2)*3", "", 3 * math.sqrt(2)),
        ("max(1, 2)", "", 2.0),
        ("12 cm", "m", 0.12),
        ("12cm + 3mm", "m", 0.123),
        ("1m", "mm", 1000.0),
        ("0.25 turn", "deg", 90.0),
        ("6500 K", "K", 6500.0),
        ("1e3", "", 1000.0),
        ("-.5", "", -0.5),
    ],
)
def test_arithmetic_and_units_give_a_number_in_the_fields_unit(text, unit, value):
    assert evaluate(text, unit=unit) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [("+=1", 2, 3), ("-=10%", 200, 180), ("*=2", 3, 6), ("/=4", 2, 0.5), ("*=50%", 8, 4), ("7", 2, 7)],
)
def test_relative_entries_act_on_the_old_value(text, old, new):
    entry = understand(text)
    assert entry.new(old) == pytest.approx(new)
    assert entry.relative == ("=" in text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "1 +",
        "__import__('os')",
        "(1).real",
        "[1]",
        "1 if 1 else 2",
        "10 parsec",
        "5%",
        "9**9**9**9",
        "1/0",
        "(-8)**0.5",
        "x" * 500,
        "lambda: 1",
        "True",
        "1,2",
        "min()",
        "sqrt('a')",
        "'a'*9",
        "0x",
    ],
)
def test_what_gives_no_number_is_refused_in_a_sentence(text):
    with pytest.raises(UsageError):
        evaluate(text, unit="m")


def test_dividing_by_nothing_is_refused_when_it_is_done():
    with pytest.raises(UsageError):
        understand("/=0").new(1.0)


@given(st.text(max_size=60))
def test_no_text_does_anything_but_give_a_number_or_a_sentence(text):
    with contextlib.suppress(UsageError):
        assert math.isfinite(evaluate(text, unit="m"))


@given(st.floats(-1e12, 1e12, allow_subnormal=False))
def test_a_number_that_was_shown_is_understood_as_itself(number):
    assert evaluate(repr(number)) == number
