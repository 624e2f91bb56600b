"""Curves as they are drawn agree with curves as they are evaluated, alone and in the table of a thousand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.scene.animation import AUTO, OUTSIDE, STEP, Curve, evaluate, make_curve
from studio.ui.curve_backdrop import Backdrop
from studio.ui.curve_shapes import after_keys, before_keys, polylines, whole
from studio.ui.curve_view import View, tick_step, tick_text, ticks


def _curve(kind: str, *, seed: int = 3, keys: int = 7, **named: object) -> Curve:
    random = np.random.default_rng(seed)
    times = np.cumsum(random.uniform(2.0, 9.0, keys))
    values = random.normal(0.0, 4.0, (keys, 2))
    into = random.normal(0.0, 1.0, (keys, 2, 2))
    out = random.normal(0.0, 1.0, (keys, 2, 2))
    into[..., 0], out[..., 0] = -random.uniform(0.5, 14.0, (keys, 2)), random.uniform(0.5, 14.0, (keys, 2))
    tangents = {"cubic": (into[..., 1], out[..., 1]), "bezier": (into, out)}.get(kind, (None, None))
    return make_curve(times, values, interpolation=kind, in_tangents=tangents[0], out_tangents=tangents[1], **named)  # type: ignore[arg-type]


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal, but for the few points where a curve stands upright and no value is the right one."""
    return bool(np.mean(np.abs(a - b) < 1e-5) > 0.97) and bool(np.abs(a - b).max() < 0.5)


@pytest.mark.parametrize("kind", ["linear", "cubic", "bezier"])
def test_a_polyline_lies_on_its_curve(kind: str) -> None:
    curve = _curve(kind)
    for item in (0, 1):
        x, y = polylines([(curve, item)], curve.times[0], curve.times[-1], steps=24).line(0)
        assert np.all(np.diff(x) >= -1e-9)
        assert _same(evaluate(curve, x)[:, item], y)


def test_steps_hold_and_jump() -> None:
    for curve in (_curve("step"), make_curve([0, 10, 20], [1.0, 5.0, 2.0], interpolation="bezier", modes=[STEP] * 3)):
        x, y = polylines([(curve, 0)], curve.times[0], curve.times[-1], steps=8).line(0)
        middle = (curve.times[:-1] + curve.times[1:]) / 2
        assert np.allclose(np.interp(middle, x, y), curve.values[:-1, 0])


def test_a_rotation_is_drawn_as_it_turns() -> None:
    q = np.array([[0, 0, 0, 1], [0.8, 0, 0, 0.6], [0, 1, 0, 0]], float)
    curve = make_curve([0, 10, 30], q, rotation=True)
    x, y = polylines([(curve, 3)], 0.0, 30.0, steps=8).line(0)
    assert np.allclose(evaluate(curve, x)[:, 3], y, atol=5e-3)


@pytest.mark.parametrize("rule", OUTSIDE)
def test_what_is_drawn_outside_follows_the_rule(rule: str) -> None:
    curve = _curve("bezier", pre=rule, post=rule)
    for x, y in (
        before_keys(curve, 1, float(curve.times[0]) - 70.0, steps=64),
        after_keys(curve, 1, float(curve.times[-1]) + 70.0, steps=64),
    ):
        if rule == "loop":  # but for where it begins again
            phase = (x - curve.times[0]) % (curve.times[-1] - curve.times[0])
            inside = (phase > 1e-6) & (phase < curve.times[-1] - curve.times[0] - 1e-6)
            x, y = x[inside], y[inside]
        assert _same(evaluate(curve, x)[:, 1], y)


@given(
    times=st.lists(st.integers(-50, 50), min_size=1, max_size=9, unique=True).map(sorted),
    first=st.floats(-80, 80),
    span=st.floats(0.5, 90),
)
def test_any_range_of_any_curve_can_be_drawn(times: list[int], first: float, span: float) -> None:
    curve = make_curve(times, [float(t % 7) for t in times], interpolation="bezier", modes=[AUTO] * len(times))
    x, y = whole(curve, 0, first, first + span, steps=5)
    assert len(x) == len(y) and np.all(np.isfinite(y)) and np.all(np.diff(x) >= -1e-9)


def test_ticks_are_round_and_told_apart() -> None:
    assert tick_step(10.0, 72.0) == 10.0 and tick_step(1000.0, 72.0) == 0.1
    assert tick_step(1000.0, 72.0, whole=True) == 1.0
    assert ticks(-0.3, 0.3, 0.1) == pytest.approx([-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3])
    assert [tick_text(t, 0.25) for t in (0.0, 0.25)] == ["0", "0.2"] or tick_text(0.25, 0.05) == "0.25"


def test_a_view_keeps_what_is_under_the_pointer_when_it_zooms() -> None:
    view = View(50, 20, 400, 200).fitted((1.0, 100.0), (-3.0, 5.0))
    frame, value = view.frame_at(180.0), view.value_at(90.0)
    near = view.zoomed(3.0, 0.5, x=180.0, y=90.0)
    assert (near.frame_at(180.0), near.value_at(90.0)) == pytest.approx((frame, value))
    assert near.panned(11.0, -7.0).frame_at(191.0) == pytest.approx(frame)
    assert view.x(1.0) > 50 and view.x(100.0) < 450 and view.y(5.0) > 20 and view.y(-3.0) < 220


# --- the picture of many ---------------------------------------------------------------------------------------------
def _covered(pixels: np.ndarray) -> np.ndarray:
    return (pixels >> 24) > 0


def test_the_picture_of_many_shows_each_curve_where_it_runs() -> None:
    curves = [(_curve("bezier", seed=n), n % 2) for n in range(12)]
    view = View(0, 0, 300, 200).fitted((2.0, 40.0), (-12.0, 12.0))
    backdrop = Backdrop()
    backdrop.set_lines(curves, [n % 4 for n in range(12)])
    for number in (0, 5, 11):
        shown = np.zeros(12, np.bool_)
        shown[number] = True
        pixels = backdrop.picture(view, shown, [0xFFFFFFFF] * 4)
        assert pixels is not None
        curve, item = curves[number]
        columns = np.arange(5, 295, 10)
        frames = view.frame + (columns + 0.5) / view.per_frame
        inside = (frames > curve.times[0]) & (frames < curve.times[-1])
        rows = view.ys(evaluate(curve, frames)[:, item])
        for x, y in zip(columns[inside], rows[inside], strict=True):
            if 3 < y < 196:
                assert _covered(pixels)[int(y) - 2 : int(y) + 3, x].any(), (number, x, y)


def test_hidden_lines_are_not_in_the_picture_and_changed_ones_are_as_they_are_now() -> None:
    low, high = make_curve([0, 100], [0.0, 0.0]), make_curve([0, 100], [10.0, 10.0])
    backdrop = Backdrop()
    backdrop.set_lines([(low, 0), (high, 0)], [0, 1])
    view = View(0, 0, 200, 100, frame=0, value=-5, per_frame=2, per_value=5)
    both = np.array([True, True])
    pixels = backdrop.picture(view, np.array([True, False]), [0xFFFF0000, 0xFF00FF00])
    assert pixels is not None and _covered(pixels).any(axis=1).nonzero()[0].tolist() in ([74, 75], [75], [75, 76])
    backdrop.change([0], [(replace(low, values=np.array([[5.0], [5.0]])), 0)])
    pixels = backdrop.picture(view, both, [0xFFFF0000, 0xFF00FF00])
    assert pixels is not None
    rows = _covered(pixels).any(axis=1).nonzero()[0]
    assert 50 in rows and 25 in rows and 75 not in rows


def test_refining_ends_and_makes_a_zoomed_picture_exact() -> None:
    curve = make_curve([0, 1, 2, 1000], [0.0, 8.0, 0.0, 0.0])
    backdrop = Backdrop()
    backdrop.set_lines([(curve, 0)] * 70, [0] * 70)
    view = View(0, 0, 200, 100, frame=0, value=-1, per_frame=100, per_value=10)
    slices = 0
    while backdrop.refine(view, 1.0):
        slices += 1
        assert slices < 10
    pixels = backdrop.picture(view, np.ones(70, np.bool_), [0xFFFFFFFF] * 4)
    assert pixels is not None and slices == 2
    rows = _covered(pixels)[:, 50].nonzero()[0]  # half way up at frame 0.5
    assert abs(rows.mean() - view.y(4.0)) < 3
