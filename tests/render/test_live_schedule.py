"""The order of the live view: coarse first, each sample once, regions by themselves, and how gaps are filled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import UsageError
from studio.render import live_layers
from studio.render.film import AOVS, Film, plan_layout
from studio.render.live_schedule import Schedule


def layout_of(width: int, height: int, crop=None, aovs=()):
    return plan_layout(width, height, aovs=aovs, exponent=20, crop=crop)


def taken(schedule: Schedule, layout, capacity: int, waves: int = 10**6):
    """Samples of each pixel of the image that so many waves take; every one exactly the next of its pixel."""
    x0, y0, x1, y1 = layout.crop
    have = np.zeros((layout.height, layout.width), int)
    for _ in range(waves):
        wave = schedule.next(capacity)
        if wave is None:
            break
        assert len(wave.pixels) == len(set(wave.pixels.tolist())) > 0
        assert (have.flat[wave.pixels] == wave.first).all()
        have.flat[wave.pixels] += wave.count
    inside = np.zeros_like(have, bool)
    inside[y0:y1, x0:x1] = True
    assert not have[~inside].any()
    return have


@settings(deadline=None, max_examples=40)
@given(
    width=st.integers(1, 70),
    height=st.integers(1, 50),
    samples=st.integers(1, 9),
    capacity=st.integers(1, 5000),
    data=st.data(),
)
def test_every_pixel_gets_each_of_its_samples_once(width, height, samples, capacity, data):
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    crop = (x0, y0, data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height)))
    layout = layout_of(width, height, crop)
    schedule = Schedule(layout, samples)
    have = taken(schedule, layout, capacity)
    assert (have[y0 : crop[3], x0 : crop[2]] == samples).all()
    assert schedule.complete and schedule.step == 1 and schedule.next(capacity) is None


def test_the_first_pictures_are_coarse_grids():
    layout = layout_of(640, 360)
    schedule = Schedule(layout, 4)
    assert schedule.step == 0
    have = taken(schedule, layout, 3600, waves=1)
    assert np.array_equal(np.argwhere(have)[:, 0] % 8, np.zeros(3600)) and have[::8, ::8].all()
    assert schedule.step == 8
    while schedule.step == 8:
        schedule.next(2000)
    assert (schedule.done[::4, ::4] == 1).all()


def test_the_first_grid_of_a_large_picture_is_coarser():
    layout = layout_of(3840, 2160)
    first = Schedule(layout, 1).next(10**6)
    assert len(first.pixels) == 120 * 68


def test_a_device_that_takes_many_samples_gets_them():
    layout = layout_of(20, 10)
    schedule = Schedule(layout, 64)
    counts = []
    while (wave := schedule.next(10**6)) is not None:
        counts.append(wave.count)
    assert len(counts) < 20 and max(counts) >= 16


def test_a_region_is_rendered_alone_and_the_rest_catches_up():
    layout = layout_of(40, 30)
    schedule = Schedule(layout, 5, region=(10, 5, 20, 15))
    have = taken(schedule, layout, 64)
    assert have[5:15, 10:20].min() == 5 and have.sum() == 500 and schedule.complete
    schedule.begin_again(None)
    assert not schedule.complete
    while (wave := schedule.next(333)) is not None:
        assert (have.flat[wave.pixels] == wave.first).all()
        have.flat[wave.pixels] += wave.count
    assert (have == 5).all()


def test_a_region_beside_the_picture_asks_for_nothing():
    schedule = Schedule(layout_of(40, 30), 5, region=(50, 5, 60, 15))
    assert schedule.complete and schedule.next(100) is None


def test_more_samples_are_asked_for_where_fewer_ended():
    layout = layout_of(8, 8)
    schedule = Schedule(layout, 2, first_sample=10)
    while schedule.next(1000) is not None:
        pass
    schedule.samples = 3
    wave = schedule.next(1000)
    assert (wave.first, wave.count, len(wave.pixels)) == (12, 1, 64)


# --- layers ----------------------------------------------------------------------------------------------------------
def test_every_aov_is_a_layer_and_nonsense_is_none():
    for name in live_layers.available(("", "keys")):
        live_layers.channels_of(name)
    assert {*AOVS, "beauty", "light_keys"} - {"lights"} <= set(live_layers.available(("", "keys")))
    with pytest.raises(UsageError, match="no layer 'nothing'"):
        live_layers.channels_of("nothing")


def test_layers_are_what_the_film_has():
    layout = layout_of(4, 4, aovs=("albedo", "crypto_object"))
    shown = live_layers.shown(("beauty", "albedo", "depth", "crypto_object", "light_keys", "variance"), layout)
    assert shown == ("beauty", "albedo", "crypto_object", "variance")


def test_a_picture_is_split_into_its_layers():
    channels = ("R", "G", "B", "A", "crypto_object", "depth")
    picture = np.arange(2 * 3 * 8, dtype=np.float32).reshape(2, 3, 8)
    counts = np.full((2, 3), 7, np.int32)
    found = live_layers.split(picture, counts, channels, ("beauty", "crypto_object", "depth", "samples", "albedo"))
    assert np.array_equal(found["beauty"], picture[..., :4]) and np.array_equal(found["depth"], picture[..., 7:])
    assert np.array_equal(found["crypto_object"], picture[..., 4:7]) and (found["samples"] == 7).all()
    assert "albedo" not in found


def test_gaps_take_the_nearest_sample_of_the_finest_grid():
    counts = np.zeros((16, 24), np.int32)
    counts[::8, ::8] = 1
    counts[4, 4] = 1
    picture = np.arange(16 * 24, dtype=np.float32).reshape(16, 24, 1)
    out = live_layers.filled(picture, counts)
    assert out[0, 3] == picture[0, 0] and out[1, 6] == picture[0, 8] and out[5, 5] == picture[4, 4]
    assert out[15, 23] == picture[8, 16]
    assert np.array_equal(out[counts > 0], picture[counts > 0])


def test_mattes_are_shown_in_colours_of_their_own():
    film = Film.of(layout_of(4, 2, aovs=("crypto_object",)))
    film.matte_ids[0, :, :2, 0], film.matte_counts[0, :, :2, 0] = 77, 3
    film.matte_ids[0, :, 2, 0], film.matte_counts[0, :, 2, 0] = 78, 1
    film.matte_ids[0, :, 2, 1], film.matte_counts[0, :, 2, 1] = 79, 2
    film.counts[...] = 3
    found = live_layers.slow_layer("crypto_object", film)
    assert not found[:, 3].any() and len(np.unique(found.reshape(-1, 3), axis=0)) == 3
