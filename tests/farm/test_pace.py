"""What a score counts for: no more than what the same samples took others says, and all of it where nobody can tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.farm.money.pace import JOB_TOLERANCE, PIECE_TOLERANCE, SURE_TOLERANCE, Pace
from studio.farm.money.prices import MILLION

HERE, THERE, FEW = (0, ""), (1, ""), (0, "ab")


def pace_of(*shown: tuple[str, float], pilot_s: float = 0.0) -> Pace:
    """Machines, each with ten samples of a piece at so many score-seconds each."""
    pace = Pace(pilot_s)
    for row, (maker, seconds) in enumerate(shown):
        pace.learn(HERE, maker, (10 * row, 10 * row + 10), cost=1.0, score_s=round(10 * seconds * MILLION))
    return pace


def bound(pace: Pace, maker: str = "me", place: tuple[int, str] = HERE, *, cost: float = 1.0) -> float | None:
    """Score-seconds that a sample counts for at the most."""
    most = pace.most(place, maker, 1, cost=cost)
    return None if most is None else most / MILLION


def test_one_other_says_nothing_and_two_do() -> None:
    assert bound(Pace()) is None and bound(pace_of(("a", 1.0))) is None
    assert bound(pace_of(("a", 1.0), ("me", 50.0))) is None, "one does not bear witness for oneself"
    assert bound(pace_of(("a", 1.0), ("b", 2.0))) == pytest.approx(PIECE_TOLERANCE * 2.0), "the higher of two"
    assert bound(pace_of(("a", 1.0), ("b", 2.0), ("c", 30.0))) == pytest.approx(PIECE_TOLERANCE * 2.0)


def test_the_pilot_bears_witness_beside_another_and_never_alone() -> None:
    assert bound(pace_of(pilot_s=1.0)) is None
    assert bound(pace_of(("a", 1.0), pilot_s=0.2)) == pytest.approx(PIECE_TOLERANCE * 1.0)
    assert bound(pace_of(("a", 0.001), pilot_s=2.0)) == pytest.approx(PIECE_TOLERANCE * 2.0)


def test_other_frames_of_the_job_bound_it_loosely_and_by_their_cost() -> None:
    pace = pace_of(("a", 1.0), ("b", 1.0))
    assert bound(pace, place=THERE) == pytest.approx(JOB_TOLERANCE)
    assert bound(pace, place=THERE, cost=3.0) == pytest.approx(3.0 * JOB_TOLERANCE)


def test_a_frame_that_is_far_dearer_than_the_others_is_paid_as_it_is_where_two_others_have_rendered_it() -> None:
    pace = pace_of()
    for row, name in enumerate("abef"):
        pace.learn(HERE, name, (1000 * row, 1000 * row + 1000), cost=1.0, score_s=1000 * MILLION)
    for row, name in enumerate("ab"):
        pace.learn(THERE, name, (10 * row, 10 * row + 10), cost=1.0, score_s=100 * MILLION)
    assert bound(pace, place=THERE) == pytest.approx(PIECE_TOLERANCE * 10.0)
    for row, name in enumerate("cd"):  # who are of one mind at one frame are believed there, within reason
        pace.learn(THERE, name, (20 + 10 * row, 30 + 10 * row), cost=1.0, score_s=10**6 * MILLION)
    assert bound(pace, place=THERE) == pytest.approx(SURE_TOLERANCE, rel=0.1)


def test_samples_of_some_pixels_are_measured_by_the_same_pixels_alone() -> None:
    pace = pace_of(("a", 1.0), ("b", 1.0))
    assert bound(pace, place=FEW) is None, "nobody knows here how many they are"
    pace.learn(FEW, "a", (0, 10), cost=1.0, score_s=MILLION)
    pace.learn(FEW, "b", (10, 20), cost=1.0, score_s=MILLION)
    assert bound(pace, place=FEW) == pytest.approx(PIECE_TOLERANCE * 0.1)
    assert bound(pace) == pytest.approx(PIECE_TOLERANCE)


def test_what_is_heard_twice_or_was_forged_says_nothing() -> None:
    pace = pace_of(("a", 1.0), ("b", 1.0), ("c", 9.0))
    for _ in range(5):
        pace.learn(HERE, "c", (20, 30), cost=1.0, score_s=900 * MILLION)
    assert bound(pace, "a") == pytest.approx(PIECE_TOLERANCE * 9.0)
    pace.forget("c")
    assert bound(pace, "a") is None and bound(pace, "c") == pytest.approx(PIECE_TOLERANCE)


@given(st.lists(st.floats(1.0, 1.4), min_size=2, max_size=9), st.floats(1e-6, 1e6), st.sampled_from([0.0, 1e-3, 1e3]))
def test_no_one_machine_takes_anything_from_who_is_like_the_others(
    honest: list[float], lie: float, pilot_s: float
) -> None:
    """Machines whose scores are within 1.4 of each other are paid in full, whatever one more says and the pilot."""
    shown = [(f"n{row}", seconds) for row, seconds in enumerate(honest)]
    pace = pace_of(*shown, ("liar", lie), pilot_s=pilot_s if len(honest) > 2 else 0.0)
    for name, seconds in shown:
        most = bound(pace, name)
        assert most is None or most >= seconds * (1 - 1e-9)
