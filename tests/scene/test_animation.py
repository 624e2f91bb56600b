"""Animation: curves between keys, outside them, and many at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import BadAsset
from studio.scene.animation import (
    AUTO,
    FREE,
    INTERPOLATIONS,
    OUTSIDE,
    STEP,
    Tracks,
    evaluate,
    make_curve,
    quaternion_power,
    quaternion_product,
    slerp,
)


def at(curve, *frames):
    return evaluate(curve, frames)[:, 0].tolist()


@st.composite
def curves(draw, dim=2):
    k = draw(st.integers(1, 5))
    steps = draw(st.lists(st.floats(0.1, 10), min_size=k, max_size=k))
    numbers = st.lists(st.floats(-100, 100), min_size=k * dim, max_size=k * dim)
    values = np.array(draw(numbers)).reshape(k, dim)
    interpolation = draw(st.sampled_from(INTERPOLATIONS))
    shape = (k, dim, 2) if interpolation == "bezier" else (k, dim)
    size = int(np.prod(shape))
    tangents = [np.array(draw(st.lists(st.floats(-5, 5), min_size=size, max_size=size))).reshape(shape) for _ in "io"]
    return make_curve(
        np.cumsum(steps),
        values,
        interpolation=interpolation,
        in_tangents=tangents[0],
        out_tangents=tangents[1],
        pre=draw(st.sampled_from(OUTSIDE)),
        post=draw(st.sampled_from(OUTSIDE)),
    )


def test_step_holds_and_linear_mixes():
    assert at(make_curve([0, 10], [1, 3], interpolation="step"), 0, 9.999, 10) == [1, 1, 3]
    assert at(make_curve([0, 10], [1, 3]), 0, 5, 10) == [1, 2, 3]


@given(curves())
def test_a_curve_passes_through_its_keys(curve):
    np.testing.assert_allclose(evaluate(curve, curve.times), curve.values, atol=1e-9)


@given(curves(), st.floats(-50, 80))
def test_many_curves_at_once_are_each_alone(curve, frame):
    other = make_curve([3.0, 4.0, 9.0], [[1.0, 2.0]] * 3, interpolation=curve.interpolation)
    tracks = Tracks({"a.x": other, "b.y": curve, "c.z": other})
    assert tracks.names == ("a.x", "b.y", "c.z")
    np.testing.assert_allclose(tracks.at(frame)[1], evaluate(curve, frame)[0], atol=1e-12)


@given(curves(), st.floats(-50, 80))
def test_every_value_is_finite(curve, frame):
    assert np.isfinite(evaluate(curve, frame)).all()


def test_cubic_is_the_hermite_spline_with_slopes_per_frame():
    # the cubic t^3 from 0 to 2 has slopes 0 and 12
    curve = make_curve([0, 2], [0, 8], interpolation="cubic", in_tangents=[[0], [12]], out_tangents=[[0], [12]])
    np.testing.assert_allclose(at(curve, 0.5, 1.0, 1.5), [0.125, 1.0, 3.375])


def test_bezier_with_thirds_for_handles_is_the_straight_line():
    handle = np.array([[[1.0, 2.0]], [[1.0, 2.0]]])
    curve = make_curve([0, 3], [0, 6], interpolation="bezier", in_tangents=-handle, out_tangents=handle)
    np.testing.assert_allclose(at(curve, 0.3, 1.0, 2.9), [0.6, 2.0, 5.8], atol=1e-9)


def test_bezier_lies_on_the_curve_of_its_parameter():
    out, into = np.array([[[0.9, 0.2]], [[0, 0]]]), np.array([[[0, 0]], [[-0.1, -3.0]]])
    curve = make_curve([0, 1], [0, 1], interpolation="bezier", in_tangents=into, out_tangents=out)
    s = np.linspace(0, 1, 21)
    r = 1 - s
    x = 3 * r * r * s * 0.9 + 3 * r * s * s * 0.9 + s**3
    y = 3 * r * r * s * 0.2 + 3 * r * s * s * -2.0 + s**3
    np.testing.assert_allclose(evaluate(curve, x)[:, 0], y, atol=1e-7)


def test_handles_that_overshoot_do_not_turn_time_back():
    out, into = np.array([[[50.0, 1.0]], [[0, 0]]]), np.array([[[0, 0]], [[-50.0, 0.0]]])
    curve = make_curve([0, 1], [0, 1], interpolation="bezier", in_tangents=into, out_tangents=out)
    values = evaluate(curve, np.linspace(0, 1, 101))[:, 0]
    assert np.isfinite(values).all()
    assert values[0] == 0
    assert values[-1] == pytest.approx(1)


RAMP = {"times": [10, 20], "values": [0, 5]}


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [("hold", 0, 5), ("linear", -1, 6), ("loop", 4, 1), ("pingpong", 1, 4), ("offset", -1, 6)],
)
def test_outside_its_keys_a_curve_follows_its_rule(rule, before, after):
    curve = make_curve(**RAMP, pre=rule, post=rule)
    assert at(curve, 8, 22) == pytest.approx([before, after])
    assert at(curve, 10, 15, 20) == pytest.approx([0, 2.5, 5])


def test_offset_accumulates_over_cycles():
    assert at(make_curve(**RAMP, post="offset", pre="offset"), 45, -15) == pytest.approx([17.5, -12.5])


def test_linear_follows_the_end_tangent_of_a_cubic():
    curve = make_curve(
        [0, 1],
        [0, 0],
        interpolation="cubic",
        in_tangents=[[0], [3]],
        out_tangents=[[-2], [0]],
        pre="linear",
        post="linear",
    )
    assert at(curve, -1, 2) == pytest.approx([2, 3])


def test_a_single_key_holds_whatever_its_rules():
    for rule in OUTSIDE:
        assert at(make_curve([5], [2], pre=rule, post=rule), -1, 5, 100) == [2, 2, 2]


def turn(degrees):
    half = np.radians(degrees) / 2
    return np.array([0, np.sin(half), 0, np.cos(half)])


def test_rotations_turn_at_an_even_rate_the_short_way():
    curve = make_curve([0, 10], [turn(0), -turn(90)], rotation=True)
    for frame in (0, 1, 5, 9, 10):
        assert abs(evaluate(curve, frame)[0] @ turn(9 * frame)) == pytest.approx(1)


@given(st.floats(-400, 400), st.sampled_from(["linear", "offset"]))
def test_a_turntable_goes_on_turning(frame, rule):
    curve = make_curve([0, 10], [turn(0), turn(90)], rotation=True, pre=rule, post=rule)
    assert abs(evaluate(curve, frame)[0] @ turn(9 * frame)) == pytest.approx(1, abs=1e-9)


@settings(max_examples=50)
@given(st.lists(st.floats(-1, 1), min_size=8, max_size=8), st.floats(0, 1))
def test_slerp_gives_unit_quaternions(numbers, u):
    a, b = np.array([numbers[:4]]) + 1e-3, np.array([numbers[4:]]) + 1e-3
    assert np.linalg.norm(slerp(a, b, np.array([u]))) == pytest.approx(1)


def test_cubic_rotations_are_normalised():
    zero = np.zeros((2, 4))
    curve = make_curve(
        [0, 1], [turn(0), turn(120)], interpolation="cubic", in_tangents=zero, out_tangents=zero, rotation=True
    )
    assert np.linalg.norm(evaluate(curve, 0.5)) == pytest.approx(1)


@pytest.mark.parametrize(
    "broken",
    [
        {"times": [], "values": []},
        {"times": [0, 0], "values": [1, 2]},
        {"times": [1, 0], "values": [1, 2]},
        {"times": [0, np.nan], "values": [1, 2]},
        {"times": [0, 1], "values": [1, np.inf]},
        {"times": [0, 1], "values": [1]},
        {"times": [0], "values": [1], "interpolation": "spline"},
        {"times": [0], "values": [1], "post": "forever"},
        {"times": [0], "values": [1], "rotation": True},
        {"times": [0], "values": [1], "interpolation": "cubic", "in_tangents": [[1, 2]]},
    ],
)
def test_broken_curves_are_refused_by_name(broken):
    with pytest.raises(BadAsset, match="lamp"):
        make_curve(**broken, where="lamp.intensity")


def test_the_arrays_of_a_curve_cannot_be_written():
    curve = make_curve([0, 1], [0, 1])
    with pytest.raises(ValueError, match="read-only"):
        curve.values[0] = 3


@given(
    st.floats(0, 2), st.floats(-5, 5), st.floats(0, 2), st.floats(-5, 5), st.floats(0.001, 0.999), st.floats(0.5, 20)
)  # fmt: skip
@settings(max_examples=200)
def test_bezier_is_what_a_root_finder_gives(reach_out, rise_out, reach_in, rise_in, share, span):
    """Handles up to twice as long as their segment, which count as far as it goes, in their direction."""
    brentq = pytest.importorskip("scipy.optimize").brentq
    out, into = [[reach_out * span, rise_out]], [[-reach_in * span, -rise_in]]
    curve = make_curve(
        [0.0, span], [1.0, 2.0], interpolation="bezier",
        in_tangents=[[[0.0, 0.0]], into], out_tangents=[out, [[0.0, 0.0]]], modes=[FREE, FREE],
    )  # fmt: skip
    fit_out, fit_in = 1 / max(reach_out, 1.0), 1 / max(reach_in, 1.0)
    px = [0.0, reach_out * fit_out * span, (1.0 - reach_in * fit_in) * span, span]
    py = [1.0, 1.0 + rise_out * fit_out, 2.0 - rise_in * fit_in, 2.0]

    def point(p, s):
        r = 1 - s
        return r**3 * p[0] + 3 * r * r * s * p[1] + 3 * r * s * s * p[2] + s**3 * p[3]

    s = brentq(lambda s: point(px, s) - share * span, 0.0, 1.0, xtol=1e-15)
    slack = 1e-9 + 40 * 1e-5 * float(abs(point(px, s + 1e-5) - point(px, s - 1e-5)) < 1e-6 * span)
    assert evaluate(curve, share * span)[0, 0] == pytest.approx(point(py, s), abs=slack)


def test_after_a_step_key_the_value_holds():
    curve = make_curve([0, 10, 20], [1, 5, 9], interpolation="bezier", modes=[STEP, AUTO, AUTO])
    assert at(curve, 0, 5, 9.999, 10) == [1, 1, 1, 5] and at(curve, 15)[0] not in (5.0, 9.0)
    tracks = Tracks({"a.x": curve, "b.x": make_curve([0, 10], [0, 1], interpolation="bezier")})
    assert tracks.at(9.0)[0].tolist() == [1.0] and 0.0 < tracks.at(9.0)[1][0] < 1.0


def test_angles_are_curves_of_three_numbers():
    curve = make_curve([0, 10], [[0, 0, 0], [0, 720, 0]], interpolation="bezier", euler=True, modes=[AUTO, AUTO])
    assert evaluate(curve, 5.0)[0].tolist() == [0, 360, 0]
    for wrong in ({"euler": True}, {"euler": True, "rotation": True}):
        with pytest.raises(BadAsset):
            make_curve([0], [[0, 0, 0, 1]], **wrong)


@pytest.mark.parametrize("modes", [[1], [6, 0], [0x40, 0], [-1, 0], [0.5, 0], [np.nan, 0], [[0], [0]], ["a", "b"]])
def test_modes_that_are_none_are_refused(modes):
    with pytest.raises(BadAsset):
        make_curve([0, 1], [0, 1], interpolation="bezier", modes=modes)


def test_half_a_turn_twice_is_the_turn():
    q = np.array([[0.5, 0.5, 0.5, 0.5], [0.0, 0.0, 0.0, 1.0]])
    half = quaternion_power(q, np.array([0.5, 0.5]))
    np.testing.assert_allclose(quaternion_product(half, half), q, atol=1e-12)
