"""The light mixer: what a mix means, and that its quick sums are the slow ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import BadAsset
from studio.render.lightmix import (
    NEUTRAL,
    Mix,
    channels_of,
    factors,
    members,
    read_mixes,
    shares,
    write_mixes,
)
from studio.render.lightmix_store import Store
from studio.render.lightmix_sum import DRIFT, Mixer
from studio.scene.entities import Group
from studio.scene.lights import Light
from studio.scene.scene import Scene
from tests.render.layers_made import MadeLayers, spots


def store_of(pixels: np.ndarray, **options: int) -> Store:
    store = Store(pixels.shape[1:3], **options)
    for layer in pixels:
        store.append(layer)
    return store


def whole(store: Store, times: np.ndarray) -> np.ndarray:
    return sum((store.layer(n).astype(np.float64) * times[n] for n in range(len(store))), np.zeros((*store.shape, 3)))


def grouped() -> tuple:
    """Six lights: two below "inner" below "outer", two more below "outer", one below neither, one gone."""
    scene = Scene().add(
        Group(id="outer", name="Outer"),
        Group(id="inner", name="Inner", parent="outer"),
        *(
            Light(id=f"l{n}", name=f"Lamp {n}", parent=p)
            for n, p in enumerate(("inner", "inner", "outer", "outer", ""))
        ),
    )
    return channels_of(MadeLayers(spots(6), groups=("",) * 5 + ("old",)).lights, scene)


# --- what a mix means ------------------------------------------------------------------------------------------------
def test_groups_come_from_the_scene_and_else_from_the_file() -> None:
    channels = grouped()
    assert channels[0].groups == ("inner", "outer") and channels[2].groups == ("outer",)
    assert channels[4].groups == () and channels[5].groups == ("group:old",)
    assert members(channels) == {"inner": (0, 1), "outer": (0, 1, 2, 3), "group:old": (5,)}


def test_gains_and_colours_multiply_along_the_groups() -> None:
    mix = Mix().change(["l0"], gain=1.0).change(["inner"], color=(1.0, 0.5, 0.25)).change(["outer"], gain=-2.0)
    got = factors(mix, grouped())
    assert got[0].tolist() == [0.5, 0.25, 0.125]
    assert got[1].tolist() == [0.25, 0.125, 0.0625]
    assert got[2].tolist() == [0.25] * 3 and got[4].tolist() == [1.0] * 3


def test_muted_wins_over_solo_and_solo_holds_for_what_is_below() -> None:
    channels = grouped()
    solo = factors(Mix().change(["outer"], solo=True), channels)
    assert solo.any(axis=1).tolist() == [True] * 4 + [False] * 2
    both = factors(Mix().change(["outer"], solo=True).change(["inner"], muted=True), channels)
    assert both.any(axis=1).tolist() == [False, False, True, True, False, False]


def test_solo_of_what_is_not_in_the_file_silences_nothing() -> None:
    assert factors(Mix().change(["gone"], solo=True), grouped()).all()


def test_a_strip_that_does_nothing_is_left_out() -> None:
    mix = Mix().change(["a"], gain=2.0).change(["a"], gain=0.0)
    assert mix.is_neutral and mix.of("a") is NEUTRAL


def test_presets_come_back_from_json() -> None:
    mixes = (
        Mix(name="Night").change(["a"], gain=-3.0, color=(0.2, 0.3, 1.0)),
        Mix(name="Day").change(["b"], solo=True),
    )
    assert read_mixes(write_mixes(mixes), "x") == mixes


@pytest.mark.parametrize("text", [b"", b"[]", b'{"mixes": 3}', b'{"mixes": [{"strips": {"a": {"gain": "x"}}}]}'])
def test_what_holds_no_mixes_is_refused_in_a_sentence(text: bytes) -> None:
    with pytest.raises(BadAsset, match="here"):
        read_mixes(text, "here")


def test_numbers_out_of_bounds_are_brought_into_them() -> None:
    (mix,) = read_mixes(b'{"mixes": [{"strips": {"a": {"gain": 1e300, "color": [-1, 1e300, 2]}}}]}', "here")
    assert mix.of("a").gain == 24.0 and mix.of("a").color == (0.0, 64.0, 2.0)


# --- the store -------------------------------------------------------------------------------------------------------
def test_layers_are_kept_as_half_floats_hold_them_and_dark_parts_cost_nothing() -> None:
    pixels = np.zeros((2, 54, 96, 3), np.float32)
    pixels[0, 10:20, 30:40] = np.random.default_rng(1).random((10, 10, 3))
    store = store_of(pixels)
    assert np.array_equal(store.layer(0), pixels[0].astype(np.float16).astype(np.float32))
    assert store.held_bytes == 10 * 10 * 3 * 2 and not store.layer(1).any()


def test_what_is_beyond_the_budget_lies_in_a_file_and_adds_up_the_same() -> None:
    pixels = spots(8)
    small, large = store_of(pixels, budget_bytes=2 * 54 * 96 * 6), store_of(pixels)
    assert small.held_bytes <= 2 * 54 * 96 * 6 and small.spilled_bytes == large.held_bytes - small.held_bytes
    times = np.random.default_rng(2).random((8, 3)).astype(np.float32)
    assert np.array_equal(Mixer(small).update(times), Mixer(large).update(times))
    assert np.allclose(small.region((3, 4, 50, 40)), pixels[:, 4:40, 3:50].mean(axis=(1, 2)), rtol=1e-3)
    small.close()


def test_what_is_no_number_or_too_bright_is_brought_to_what_can_be_mixed() -> None:
    pixels = np.ones((1, 4, 4, 3), np.float32)
    pixels[0, 0, 0], pixels[0, 0, 1], pixels[0, 0, 2] = np.nan, np.inf, 1e9
    layer = store_of(pixels).layer(0)
    assert layer[0, 0, 0] == 0.0 and layer[0, 1, 0] == 65504.0 and layer[0, 2, 0] == 65504.0


def test_regions_are_means_cut_to_the_picture() -> None:
    pixels = spots(3)
    store = store_of(pixels)
    assert np.allclose(store.region((90, 50, 200, 200)), pixels[:, 50:, 90:].mean(axis=(1, 2)), rtol=1e-3)
    assert not store.region((200, 200, 300, 300)).any()
    light, share = shares(store.means, np.ones((3, 3), np.float32), (0.2126, 0.7152, 0.0722))
    assert share.sum() == pytest.approx(1.0) and light.sum() == pytest.approx(
        float((pixels.sum(0) @ np.array([0.2126, 0.7152, 0.0722])).mean()), rel=1e-3
    )


# --- the sum ---------------------------------------------------------------------------------------------------------
def test_one_light_changed_touches_one_layer() -> None:
    store = store_of(spots(12))
    mixer = Mixer(store)
    times = np.ones((12, 3), np.float32)
    mixer.update(times)
    touched: list[int] = []
    plain = store.layer
    store.layer = lambda row: (touched.append(row), plain(row))[1]  # type: ignore[method-assign]
    store.add_to = lambda *_, **__: pytest.fail("another layer was read")  # type: ignore[method-assign]
    for gain in (0.25, 0.5):
        times = times.copy()
        times[7] = gain
        mixer.update(times)
    assert touched == [7]  # once for the whole drag
    store.layer = plain  # type: ignore[method-assign]
    assert np.allclose(mixer.sum, whole(store, times), rtol=1e-5, atol=1e-5)


def test_a_warm_group_moves_and_is_muted_without_touching_a_layer() -> None:
    store = store_of(spots(12))
    mixer = Mixer(store)
    times = np.ones((12, 3), np.float32)
    mixer.update(times)
    rows = [1, 3, 4, 8, 9]
    mixer.warm(rows)
    store.add_to = lambda *_, **__: pytest.fail("a layer was read")  # type: ignore[method-assign]
    for ratio in ((0.5, 0.5, 0.5), (2.0, 1.0, 0.1), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)):
        wanted = times.copy()
        wanted[rows] *= np.float32(ratio)
        mixer.update(wanted)
        assert np.allclose(mixer.sum, whole(store, wanted), rtol=1e-4, atol=1e-4)


def test_solo_and_back_is_where_it_was() -> None:
    store = store_of(spots(12))
    mixer, times = Mixer(store), np.full((12, 3), 0.7, np.float32)
    before = mixer.update(times).copy()
    alone = np.zeros_like(times)
    alone[5] = 0.7
    assert np.allclose(mixer.update(alone), store.layer(5) * np.float32(0.7), rtol=1e-6)
    assert np.array_equal(mixer.update(times), before)


_STEP = st.tuples(
    st.sampled_from(["l0", "l1", "l2", "l3", "l4", "l5", "inner", "outer", "group:old"]),
    st.one_of(
        st.fixed_dictionaries({"gain": st.floats(-6, 6)}),
        st.fixed_dictionaries({"color": st.tuples(*[st.floats(0, 2)] * 3)}),
        st.fixed_dictionaries({"muted": st.booleans()}),
        st.fixed_dictionaries({"solo": st.booleans()}),
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_STEP, max_size=25), st.booleans())
def test_any_series_of_changes_ends_at_the_sum_from_scratch(steps: list, warm: bool) -> None:
    pixels = spots(6, width=32, height=18)
    store, channels, mix = store_of(pixels), grouped(), Mix()
    mixer = Mixer(store)
    peak = np.zeros((*store.shape, 3))
    mixer.update(factors(mix, channels))
    for id_, values in steps:
        if warm:
            mixer.warm([0, 1])
            mixer.warm([0, 1, 2, 3])
        mix = mix.change([id_], **values)
        got = mixer.update(factors(mix, channels))
        exact = whole(store, factors(mix, channels))
        peak = np.maximum(peak, exact)
        assert np.abs(got - exact).max() <= 2e-5 * max(peak.max(), 1e-6)


def test_drift_is_bounded_and_ends_with_a_rebuild() -> None:
    store = store_of(spots(4))
    mixer, random = Mixer(store), np.random.default_rng(5)
    times = np.ones((4, 3), np.float32)
    mixer.update(times)
    peak = mixer.sum.copy()
    for _ in range(300):
        times = times.copy()
        times[random.integers(4)] = np.float32(random.uniform(0.0, 4.0))
        peak = np.maximum(peak, mixer.update(times))
    error = np.abs(mixer.sum - whole(store, times)) / peak.max()
    assert 0 < error.max() <= mixer.drift
    assert mixer.drift > DRIFT / 10
    mixer.rebuild()
    assert mixer.drift == 0.0 and np.allclose(mixer.sum, whole(store, times), rtol=2e-6)


def test_a_store_without_lights_is_black(tmp_path: Path) -> None:
    mixer = Mixer(Store((4, 6)))
    assert not mixer.update(np.ones((0, 3), np.float32)).any()
