"""The solver of face posing: known answers, bounds, and the least motion of the rest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.scene.expression_solve import bounded, following


def test_one_control_goes_as_far_as_the_point_wants() -> None:
    way = np.array([[0.01], [0.0]])
    found = following(way, np.array([0.004, 0.0]), np.zeros(1), np.ones(1), np.zeros((1, 1)), fewness=0.0)
    assert found == pytest.approx([0.4], rel=1e-3)


def test_what_the_controls_cannot_do_is_done_as_well_as_can_be() -> None:
    way = np.array([[0.01], [0.0]])
    lo, hi, none = np.zeros(1), np.ones(1), np.zeros((1, 1))
    assert following(way, np.array([0.05, 0.03]), lo, hi, none) == pytest.approx([1.0])
    assert following(way, np.array([-0.05, 0.0]), lo, hi, none) == pytest.approx([0.0])


def test_two_ways_are_told_apart() -> None:
    way = np.array([[0.01, 0.0], [0.0, 0.02]])
    found = following(way, np.array([0.005, 0.01]), np.zeros(2), np.ones(2), np.zeros((2, 2)), fewness=0.0)
    assert found == pytest.approx([0.5, 0.5], rel=1e-3)


def test_of_two_that_do_the_same_the_one_that_moves_less_of_the_face_goes() -> None:
    """A smile and a jaw that both lift the corner: the jaw moves all of the face."""
    way = np.array([[0.0, 0.0], [0.01, 0.01]])
    gram = np.diag([1e-6, 1e-4])
    found = following(way, np.array([0.0, 0.005]), np.zeros(2), np.ones(2), gram)
    assert found[0] > 0.45 and found[1] < 0.02


def test_the_one_that_moves_more_helps_out_where_the_other_ends() -> None:
    way = np.array([[0.0, 0.0], [0.01, 0.01]])
    gram = np.diag([1e-6, 1e-5])
    found = following(way, np.array([0.0, 0.016]), np.zeros(2), np.ones(2), gram, fewness=0.0)
    assert found[0] == 1.0
    assert 0.5 < found[1] < 0.61


def test_going_back_undoes_what_is_there_before_it_does_the_contrary() -> None:
    """The corner is down by a frown at 0.5; lifted a little, the frown goes and no smile comes."""
    way = np.array([[0.0, 0.0], [-0.01, 0.01]])  # frown, smile
    lo, hi = np.array([-0.5, 0.0]), np.array([0.5, 1.0])
    gram = np.array([[1e-6, -1e-6], [-1e-6, 1.0e-5]])
    found = following(way, np.array([0.0, 0.004]), lo, hi, gram)
    assert found[0] == pytest.approx(-0.4, abs=0.06)
    assert found[1] < 0.06


def test_what_goes_across_takes_no_part() -> None:
    """Two that cancel each other aside could help a little; with few wanted, they do not."""
    way = np.array([[0.0, 0.01, -0.01], [0.01, 0.002, 0.002]])
    gram = np.diag([1e-5, 1e-5, 1e-5])
    target, lo, hi = np.array([0.0, 0.005]), np.zeros(3), np.ones(3)
    assert following(way, target, lo, hi, gram, fewness=0.0)[1:].min() > 0.0
    few = following(way, target, lo, hi, gram, fewness=0.25)
    assert few[0] > 0.3 and few[1:].tolist() == [0.0, 0.0]


def test_a_face_that_does_not_move_gives_nothing() -> None:
    assert following(np.zeros((2, 3)), np.ones(2), np.zeros(3), np.ones(3), np.zeros((3, 3))).tolist() == [0, 0, 0]
    assert following(np.zeros((2, 0)), np.ones(2), np.zeros(0), np.zeros(0), np.zeros((0, 0))).tolist() == []


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 12), st.integers(0, 10_000))
def test_the_answer_is_within_bounds_and_no_step_from_it_is_better(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(count, count))
    hessian = root @ root.T + 0.05 * np.eye(count)
    slope = rng.normal(size=count) * 3
    lo, hi = -rng.random(count) * rng.integers(0, 2, count), rng.random(count)
    x = bounded(hessian, slope, lo, hi)
    assert ((x >= lo - 1e-12) & (x <= hi + 1e-12)).all()
    gradient = hessian @ x - slope
    inside = (x > lo + 1e-9) & (x < hi - 1e-9)
    assert np.abs(gradient[inside]).max(initial=0.0) < 1e-8
    assert (gradient[(x <= lo + 1e-9) & ~inside & (lo < hi)] > -1e-8).all() or (x >= hi - 1e-9).any()
    assert (gradient[x >= hi - 1e-9] < 1e-8).all() or (lo >= hi - 1e-9).any()
