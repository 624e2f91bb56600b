"""Paths: curves through points, walked at an even speed."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from studio.scene.entities import Path
from studio.scene.paths import circle_points, make_spline, spline_of, upright

numbers = st.floats(-100.0, 100.0, allow_nan=False, width=32)
points = st.lists(st.tuples(numbers, numbers, numbers), min_size=2, max_size=12)


def walked(spline, n=1201):
    """Length by adding up small steps, from 0 to 1."""
    return np.linalg.norm(np.diff(spline.at(np.linspace(0.0, 1.0, n)), axis=0), axis=1)


def test_two_points_are_a_straight_line_walked_evenly():
    spline = make_spline([(0, 0, 0), (0, 0, 10)])
    assert spline.length == pytest.approx(10.0, abs=1e-12)
    assert spline.at([0.0, 0.25, 1.0]) == pytest.approx(np.array([(0, 0, 0), (0, 0, 2.5), (0, 0, 10)]), abs=1e-12)
    assert spline.tangents(0.3) == pytest.approx(np.array([(0, 0, 1)]))


def test_points_on_a_line_are_walked_evenly_however_they_are_spaced():
    spline = make_spline([(0, 0, 0), (1, 0, 0), (1.5, 0, 0), (10, 0, 0)])
    assert spline.at(np.linspace(0, 1, 11))[:, 0] == pytest.approx(np.linspace(0, 10, 11), abs=1e-9)


def test_a_closed_path_of_many_points_on_a_circle_is_that_circle():
    spline = make_spline(np.reshape(circle_points(64, 2.0), (-1, 3)), closed=True)
    assert spline.length == pytest.approx(4 * np.pi, rel=1e-5)
    quarter = spline.at([0.0, 0.25, 0.5, 1.0, 1.25, -0.75])
    assert quarter[:3] == pytest.approx(np.array([(2, 0, 0), (0, 0, -2), (-2, 0, 0)]), abs=1e-4)
    assert quarter[3] == pytest.approx(quarter[0]) and quarter[4] == pytest.approx(quarter[1])
    assert quarter[5] == pytest.approx(quarter[1]), "a closed path goes round both ways"


@settings(max_examples=40, deadline=None)
@example([(61.5, 0, 2), (0, 91.5, 0), (0, 0, 0), (94.625, 57.875, 0), (0, 9.5, 0), (94.625, 57.875, 0)], False)
@given(points, st.booleans())
def test_the_curve_goes_through_its_points_at_an_even_speed(listed, closed):
    spline = make_spline(listed, closed=closed)
    assert spline is not None
    if len(spline.points) < 2 or spline.length < 1e-3:
        return
    for i in range(len(spline.points)):
        assert spline.at(spline.progress_of(i))[0] == pytest.approx(spline.points[i], abs=1e-6 * (1 + spline.length))
    # as far along the curve as was asked for: halves, thirds and tenths of it measured by small steps
    steps = walked(spline)
    assert steps.sum() == pytest.approx(spline.length, rel=5e-3)
    run = np.cumsum(steps) / steps.sum()
    assert np.abs(run - np.linspace(0, 1, len(steps) + 1)[1:]).max() < 5e-3


@settings(max_examples=60, deadline=None)
@given(points)
def test_directions_are_unit_and_those_of_the_curve(listed):
    spline = make_spline(listed)
    way = spline.tangents(np.linspace(0, 1, 33))
    assert np.linalg.norm(way, axis=1) == pytest.approx(np.ones(33))


def test_equal_speed_is_exact_to_many_digits():
    spline = make_spline([(0, 0, 0), (1, 2, 0), (5, 2, 3), (5.2, 2.1, 3), (9, -4, 1)])
    fine = spline.at(np.linspace(0.3, 0.4, 20001))
    assert np.linalg.norm(np.diff(fine, axis=0), axis=1).sum() == pytest.approx(0.1 * spline.length, rel=1e-7)


@pytest.mark.parametrize(
    "listed", [[], [(1.0, 2.0, 3.0)], [(1.0, 2.0, 3.0)] * 5, [(np.nan, 0, 0), (1, 0, 0)], [(np.inf, 0, 0)]]
)
@pytest.mark.parametrize("closed", [False, True])
def test_what_is_no_curve_does_no_harm(listed, closed):
    spline = make_spline(np.array(listed).reshape(-1, 3), closed=closed)
    if spline is None:
        assert not listed or not np.isfinite(listed).all()
        return
    assert spline.length == 0.0
    assert spline.at([0.0, 0.5, np.nan]) == pytest.approx(np.tile((1.0, 2.0, 3.0), (3, 1)))
    assert np.isfinite(spline.tangents(0.5)).all() and len(spline.drawn()) == 1


def test_points_that_follow_each_other_in_one_place_count_once():
    plain = make_spline([(0, 0, 0), (1, 1, 0), (3, 0, 0)])
    double = make_spline([(0, 0, 0), (0, 0, 0), (1, 1, 0), (1, 1, 0), (3, 0, 0)])
    assert double.at(np.linspace(0, 1, 9)) == pytest.approx(plain.at(np.linspace(0, 1, 9)))


def test_ends_of_an_open_path_hold():
    spline = make_spline([(0, 0, 0), (1, 0, 0)])
    assert spline.at([-3.0, 7.0]) == pytest.approx(np.array([(0, 0, 0), (1, 0, 0)]))


def test_a_very_long_path_is_measured_in_fewer_pieces():
    t = np.linspace(0, 100, 40001)
    spline = make_spline(np.stack([t, np.sin(t), np.zeros_like(t)], axis=1))
    assert len(spline.reached) <= (1 << 16) + 1
    assert spline.at(1.0)[0] == pytest.approx((100.0, np.sin(100.0), 0.0), abs=1e-6)


def test_a_stretched_curve_is_measured_as_it_is_then():
    spline = make_spline([(0, 0, 0), (1, 0, 0), (1, 0, 1), (2, 0, 1)])
    wide = spline.stretched(np.diag([4.0, 1.0, 1.0]))
    assert wide.at([0.0, 1.0])[1] == pytest.approx((8.0, 0.0, 1.0))
    steps = walked(wide)
    assert steps.max() == pytest.approx(steps.min(), rel=1e-2)


def test_a_point_or_odd_numbers_of_a_path_entity_are_harmless():
    assert spline_of(Path(id="p", points=())) is None
    spline = spline_of(Path(id="p", points=(0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 5.0)))
    assert spline is not None and spline.length == pytest.approx(1.0)
    assert spline_of(Path(id="q", points=(0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 5.0))) is spline, "measured once"


def test_what_goes_along_stands_upright():
    axes = upright(np.array([1.0, 0.0, 0.0]))
    assert -axes[:, 2] == pytest.approx((1.0, 0.0, 0.0)) and axes[:, 1] == pytest.approx((0.0, 1.0, 0.0))
    assert np.isfinite(upright(np.array([0.0, 1.0, 0.0]))).all()


def test_the_nearest_place_of_a_curve_is_found():
    spline = make_spline([(0, 0, 0), (10, 0, 0)])
    assert spline.nearest((3.0, 5.0, 0.0)) == pytest.approx(0.3, abs=2e-3)
