"""What becomes of a raw frame: calibration, gain, remapping, rules, smoothing."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import BadAsset
from studio.figure.capture import simulator
from studio.figure.capture.retarget import Chain, Channel, Profile, Remap, Smoothing, calibrated
from studio.figure.capture.smoothing import OneEuro, Pipeline, posed
from studio.figure.capture.turns import composed, relative, rotation_of, taken_apart, turn_of
from studio.scene.arkit import ARKIT, INDEX, mirrored
from studio.scene.turns import product

STILL = Smoothing(on=False)


def scalar_one_euro(times, values, min_hz, beta, speed_hz):
    """The filter as its paper writes it, for one number."""
    out, speed, last = [], 0.0, None
    for t, x in zip(times, values, strict=True):
        if last is None:
            shown = x
        else:
            te = t - last
            a = 1.0 / (1.0 + 1.0 / (2 * math.pi * speed_hz * te))
            speed = a * (x - shown) / te + (1 - a) * speed
            cutoff = min_hz + beta * abs(speed)
            a = 1.0 / (1.0 + 1.0 / (2 * math.pi * cutoff * te))
            shown = a * x + (1 - a) * shown
        last = t
        out.append(shown)
    return out


def test_the_filter_of_many_channels_is_that_of_each():
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.001, 0.05, 200))
    rows = np.cumsum(rng.normal(0, 0.1, (200, 7)), axis=0)
    hz, beta = rng.uniform(0.5, 10, 7), rng.uniform(0, 3, 7)
    got = OneEuro(hz, beta, speed_hz=1.3).run(times, rows)
    for i in range(7):
        expected = scalar_one_euro(times, rows[:, i], hz[i], beta[i], 1.3)
        assert np.allclose(got[:, i], expected, rtol=0, atol=1e-12)


def test_a_time_that_does_not_pass_changes_nothing():
    f = OneEuro(1.0, 0.0)
    f.step(0.0, np.zeros(2))
    there = f.step(0.1, np.ones(2))
    assert np.array_equal(f.step(0.1, np.full(2, 9.0)), there)
    assert np.array_equal(f.step(0.05, np.full(2, 9.0)), there)


def test_a_face_at_rest_trembles_less_and_a_blink_is_not_late():
    rng = np.random.default_rng(1)
    times = np.arange(240) / 60
    rows = 0.01 * rng.standard_normal((240, 52))
    blink = INDEX["eyeBlinkLeft"]
    rows[120:126, blink] = 1.0
    w, _, _ = Pipeline(Profile(least=-1.0)).run(times, rows, np.zeros((240, 6)), np.zeros((240, 6)))
    smile = INDEX["mouthSmileLeft"]
    assert w[60:, smile].std() < 0.75 * rows[60:, smile].std()
    assert w[121, blink] > 0.9


def test_live_and_afterwards_give_the_same():
    take = simulator.performance(2.0, seed=2)
    profile = Profile(
        neutral={"jawOpen": 0.1}, neutral_head_deg=(3.0, -2.0, 1.0), channels={"browInnerUp": Channel(curve=1.5)}
    )
    w, h, e = posed(take, profile)
    pipeline = Pipeline(profile)
    for row, time in enumerate(take.times.tolist()):
        a, b, c = pipeline.step(time, take.weights[row], take.head[row], take.eyes[row])
        assert np.allclose(a, w[row], atol=1e-12) and np.allclose(b, h[row], atol=1e-12)
        assert np.allclose(c, e[row], atol=1e-12)


def one(profile, head=(0.0,) * 6, eyes=(0.0,) * 6, names=ARKIT, **weights):
    """One frame through a profile without smoothing."""
    row = np.array([weights.get(name, 0.0) for name in names])
    profile = msgspec.structs.replace(profile, smoothing=STILL)
    w, h, e = Pipeline(profile, names).step(0.0, row, np.array(head), np.array(eyes))
    return dict(zip(names, w.tolist(), strict=True)), h, e


def test_the_neutral_face_becomes_rest_and_a_whole_shape_stays_whole():
    profile = Profile(neutral={"browDownLeft": 0.2})
    assert one(profile, browDownLeft=0.2)[0]["browDownLeft"] == pytest.approx(0.0)
    assert one(profile, browDownLeft=1.0)[0]["browDownLeft"] == pytest.approx(1.0)
    half = Profile(neutral={"browDownLeft": 0.2}, neutral_share=0.5)
    assert one(half, browDownLeft=0.2)[0]["browDownLeft"] == pytest.approx(0.1 / 0.9)


def test_deadzone_gain_and_curve_follow_each_other():
    channel = Channel(deadzone=0.2, gain=1.5, curve=2.0)
    profile = Profile(channels={"jawOpen": channel})
    assert one(profile, jawOpen=0.2)[0]["jawOpen"] == 0.0
    assert one(profile, jawOpen=0.6)[0]["jawOpen"] == pytest.approx((0.5 * 1.5) ** 2)
    assert one(profile, jawOpen=1.0)[0]["jawOpen"] == 1.0


def test_remaps_move_other_shapes():
    names = (*ARKIT, "happy")
    profile = Profile(remaps=(Remap(source="happy", target="mouthSmileLeft", factor=0.5),
                              Remap(source="happy", target="cheekSquintLeft", factor=0.25)))  # fmt: skip
    weights = one(profile, names=names, happy=0.8, mouthSmileLeft=0.1)[0]
    assert weights["mouthSmileLeft"] == pytest.approx(0.5)
    assert weights["cheekSquintLeft"] == pytest.approx(0.2)
    assert weights["happy"] == 0.0


def test_rules_between_shapes_hold():
    weights = one(Profile(), mouthClose=0.8, jawOpen=0.3, eyeBlinkLeft=0.75, eyeSquintLeft=1.0, eyeWideLeft=0.4)[0]
    assert weights["mouthClose"] == pytest.approx(0.3)
    assert weights["eyeSquintLeft"] == pytest.approx(0.25) and weights["eyeWideLeft"] == pytest.approx(0.1)
    assert one(Profile(rules=False), mouthClose=0.8)[0]["mouthClose"] == 0.8


@given(st.lists(st.floats(-3, 3), min_size=52, max_size=52), st.booleans())
def test_whatever_is_sent_stays_within_limits(row, mirror):
    profile = Profile(mirror=mirror, smoothing=STILL, gain=2.0, neutral={"jawOpen": 0.3})
    w, _, _ = Pipeline(profile).step(0.0, np.array(row), np.zeros(6), np.zeros(6))
    assert (w >= 0).all() and (w <= 1).all()
    assert w[INDEX["mouthClose"]] <= w[INDEX["jawOpen"]]


def test_a_mirror_swaps_sides_of_everything():
    profile = Profile(mirror=True, neutral={"browDownLeft": 0.5}, neutral_head_deg=(0.0, 10.0, 0.0), rules=False)
    head, eyes = (5.0, 20.0, 0.0, 0.1, 0.2, 0.3), (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    weights, h, e = one(profile, head, eyes, mouthSmileLeft=0.7, browDownLeft=0.5, jawLeft=0.2)
    assert weights["mouthSmileRight"] == 0.7 and weights["mouthSmileLeft"] == 0.0
    assert weights["jawRight"] == 0.2 and weights["browDownRight"] == 0.0
    plain = relative(np.array([[5.0, 20.0, 0.0]]), (0.0, 10.0, 0.0))[0]
    assert h[:3] == pytest.approx(plain * (1, -1, -1)) and h[3:].tolist() == [-0.1, 0.2, 0.3]
    assert e.tolist() == [4.0, -5.0, -6.0, 1.0, -2.0, -3.0]
    assert all(mirrored(mirrored(name)) == name for name in ARKIT)


def test_calibration_takes_what_the_face_does_most_of_the_time():
    weights = np.zeros((30, 52))
    weights[:, INDEX["browDownLeft"]] = 0.2
    weights[10:14, INDEX["eyeBlinkLeft"]] = 1.0
    head = np.tile((4.0, -3.0, 1.0, 0, 0, 0), (30, 1))
    profile = calibrated(Profile(gain=1.5), ARKIT, weights, head)
    assert profile.neutral == {"browDownLeft": 0.2} and profile.neutral_head_deg == (4.0, -3.0, 1.0)
    assert profile.gain == 1.5
    with pytest.raises(BadAsset, match="Nothing was heard"):
        calibrated(Profile(), ARKIT, weights[:0], head[:0])


@pytest.mark.parametrize(
    "profile",
    [Profile(gain=math.nan), Profile(least=2.0), Profile(channels={"a": Channel(curve=0.0)}),
     Profile(smoothing=Smoothing(head_hz=0.0)), Profile(neutral={"a": math.inf}), Profile(neutral_share=2.0)],
)  # fmt: skip
def test_profiles_that_cannot_be_are_refused(profile):
    with pytest.raises(BadAsset):
        Chain(profile)


@given(st.tuples(*[st.floats(-80, 80)] * 3))
def test_turns_are_taken_apart_as_they_were_composed(angles):
    for order in ("zxy", "zyx"):
        assert taken_apart(composed(angles, order), order) == pytest.approx(angles, abs=1e-6)
    assert turn_of(rotation_of(angles)) == pytest.approx(angles, abs=1e-6)


@given(st.tuples(*[st.floats(-60, 60)] * 3), st.tuples(*[st.floats(-40, 40)] * 3))
def test_a_turn_seen_from_neutral_leads_from_it(turn, neutral):
    x, y, z, w = rotation_of(neutral)
    expected = turn_of(product((-x, -y, -z, w), rotation_of(turn)))
    got = relative(np.array([turn]), neutral)[0].tolist()
    a, b = rotation_of(expected), rotation_of(got)
    assert abs(sum(p * q for p, q in zip(a, b, strict=True))) == pytest.approx(1.0, abs=1e-9)
