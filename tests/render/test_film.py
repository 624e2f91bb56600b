"""The film: exact sums, means, errors and merging."""

from __future__ import annotations

import itertools
import math
import random
from multiprocessing.shared_memory import SharedMemory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import UsageError
from studio.render.film import (
    AOVS,
    MATTE_SLOTS,
    MOST_GLARE,
    Film,
    check_aovs,
    in_half,
    light_layers,
    plan_channels,
    plan_layout,
    scene_glare,
)
from tests.render.synthetic import EXPONENT, expose, layout, rendered, same


@st.composite
def splits(draw):
    """A way to cut a 20 x 13 image of 9 samples in tiles and sample ranges, in some order."""
    xs = sorted({0, 20, *draw(st.lists(st.integers(1, 19), max_size=2))})
    ys = sorted({0, 13, *draw(st.lists(st.integers(1, 12), max_size=2))})
    parts = []
    for x0, x1 in itertools.pairwise(xs):
        for y0, y1 in itertools.pairwise(ys):
            at = sorted({0, 9, *draw(st.lists(st.integers(1, 8), max_size=2))})
            parts += [((x0, y0, x1, y1), a, b) for a, b in itertools.pairwise(at)]
    return draw(st.permutations(parts))


WHOLE = rendered(layout(), 0, 9, ids=40)


@settings(max_examples=25, deadline=None)
@given(splits())
def test_any_split_merged_in_any_order_has_the_bits_of_the_whole(parts):
    film = Film.of(layout())
    for crop, a, b in parts:
        rendered(layout(crop=crop), a, b, ids=40).merge_into(film)
    assert same(film, WHOLE)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(1, 60), max_size=40), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_full_pixels_lose_the_same_ids_in_any_order_and_grouping(groups, order):
    of = plan_layout(1, 1, aovs=("crypto_object",), exponent=EXPONENT)

    def matte(ids: list[int]) -> Film:
        film = Film.of(of)
        for value in ids:
            one = Film.of(of)
            one.matte_ids[0, 0, 0, 0] = value
            one.matte_counts[0, 0, 0, 0] = 1
            one.merge_into(film)
        return film

    flat = [value for group in groups for value in group]
    merged = Film.of(of)
    for group in order.sample(groups, len(groups)):
        matte(group).merge_into(merged)
    assert same(merged, matte(flat))
    kept = sorted(set(flat))[:MATTE_SLOTS]
    assert merged.matte_ids[0, 0, 0][: len(kept)].tolist() == kept
    assert merged.matte_counts[0, 0, 0][: len(kept)].tolist() == [flat.count(value) for value in kept]
    assert merged.matte_lost[0, 0] == sum(value not in kept for value in flat)


def test_settling_sorts_slots_by_id_with_empty_ones_last():
    film = rendered(layout(), 0, 30, ids=12)
    shuffled = Film.over({name: array.copy() for name, array in film.buffers().items()}, film.layout)
    order = np.random.default_rng(5).permutation(MATTE_SLOTS)
    shuffled.matte_ids[...] = film.matte_ids[..., order]
    shuffled.matte_counts[...] = film.matte_counts[..., order]
    assert not same(film, shuffled)
    shuffled.settle()
    assert same(film, shuffled)


def test_a_film_lives_over_shared_memory():
    of = layout()
    block = SharedMemory(create=True, size=of.nbytes)
    try:
        film = Film.over(of.carve(block.buf), of)
        film.clear()
        expose(film, 0, 3)
        again = Film.over(of.carve(block.buf), of)
        assert same(again, rendered(of, 0, 3))
        assert list(again.buffers()) == list(of.shapes())
        del film, again
    finally:
        block.close()
        block.unlink()


def test_buffers_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="sums"):
        Film.over(Film.of(layout(8, 8)).buffers(), layout(9, 8))


def test_values_are_means():
    of = plan_layout(2, 1, aovs=("albedo", "depth", "normal"), exponent=EXPONENT)
    film = Film.of(of)
    film.counts[...] = [[4, 0]]
    film.sums[0, 0, 0] = 10 << EXPONENT
    film.sums[0, 0, 3] = 2 << 40
    film.minima[0, 0, 0] = 3.5
    assert film.value("R").tolist() == [[2.5, 0.0]]
    assert film.beauty().tolist() == [[[2.5, 0.0, 0.0, 0.5], [0.0] * 4]]
    assert film.value("depth").tolist() == [[3.5, np.inf]]
    assert film.value("samples").tolist() == [[4, 0]]
    assert film.rgb("").shape == film.rgb("albedo").shape == film.rgb("N").shape == (1, 2, 3)
    with pytest.raises(UsageError, match=r"'albedo\.Q'"):
        film.value("albedo.Q")
    with pytest.raises(UsageError, match="'P'"):
        film.rgb("P")


def test_the_two_halves_make_the_whole():
    film = rendered(layout(), 0, 16)
    a, b, whole = film.half(0), film.half(1), film.rgb("")
    n = film.half_counts[..., None].astype(np.float32)
    assert film.half_counts.min() == film.half_counts.max() == 8
    np.testing.assert_allclose((a * (16 - n) + b * n) / 16, whole, rtol=1e-5)
    assert np.abs(a - b).mean() > 0.1


def test_half_the_samples_of_every_aligned_run_are_in_the_half():
    for run in (4, 16, 64, 256):
        for start in range(0, 1024, run):
            assert sum(in_half(s) for s in range(start, start + run)) == run // 2


def test_the_variance_is_that_of_the_mean():
    """4096 pixels of one distribution, 32 samples each: the estimate against the truth, at 5 standard errors."""
    of = plan_layout(64, 64, aovs=(), exponent=EXPONENT)
    film = rendered(of, 0, 32)
    weights = np.array(of.luminance)
    one = (np.exp(6) - 1) / 6 - ((np.exp(3) - 1) / 3) ** 2  # E[exp(6u)] - E[exp(3u)]^2, u uniform
    truth = one * (weights**2).sum() / 32
    estimate = film.variance().astype(np.float64)
    assert abs(estimate.mean() - truth) < 5 * estimate.std() / 64
    spread = film.luminance().var()
    assert abs(spread - truth) < 5 * truth * np.sqrt(2 / 4095)


def test_the_error_halves_with_four_times_the_samples():
    of = plan_layout(64, 32, aovs=(), exponent=EXPONENT)
    ratio = rendered(of, 0, 16).error().mean() / rendered(of, 0, 64).error().mean()
    assert 1.9 < ratio < 2.1


def test_the_error_of_a_tile_is_that_of_the_whole_image():
    whole = rendered(layout(48, 40, aovs=()), 0, 8).error()
    for crop in ((0, 0, 16, 40), (16, 8, 40, 24), (40, 32, 48, 40), (8, 0, 48, 8)):
        tile = rendered(layout(48, 40, aovs=(), crop=crop), 0, 8).error()
        part = whole[crop[1] // 8 : crop[3] // 8, crop[0] // 8 : crop[2] // 8]
        assert tile.tobytes() == part.tobytes()


def test_blocks_are_aligned_to_the_image_and_not_to_the_crop():
    film = rendered(layout(48, 40, aovs=(), crop=(5, 7, 17, 9)), 0, 4)
    assert film.error().shape == (2, 3)
    assert np.isfinite(film.error()).all()


def test_a_block_with_a_starved_pixel_has_no_finite_error():
    film = rendered(layout(16, 8, aovs=()), 0, 4)
    film.counts[3, 12] = 1
    assert np.isfinite(film.error()).tolist() == [[True, False]]


def test_a_black_film_has_no_error():
    film = Film.of(layout(16, 16, aovs=()))
    film.counts.fill(2)
    assert film.error().tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("field", ["size", "channels", "crop", "exponent"])
def test_films_that_do_not_fit_are_refused(field):
    base = {"aovs": ("depth",), "exponent": EXPONENT}
    target = Film.of(plan_layout(16, 16, **base, crop=(0, 0, 8, 8)))
    other = {
        "size": plan_layout(17, 16, **base, crop=(0, 0, 8, 8)),
        "channels": plan_layout(16, 16, aovs=("depth", "uv"), exponent=EXPONENT, crop=(0, 0, 8, 8)),
        "crop": plan_layout(16, 16, **base, crop=(4, 0, 12, 8)),
        "exponent": plan_layout(16, 16, aovs=("depth",), exponent=20, crop=(0, 0, 8, 8)),
    }[field]
    with pytest.raises(UsageError):
        Film.of(other).merge_into(target)
    assert not target.counts.any()


def test_the_plan_does_not_depend_on_the_order_of_the_request():
    wanted = list(AOVS)
    plan = plan_channels(wanted, ("", "key"), EXPONENT)
    random.Random(3).shuffle(wanted)
    assert plan_channels(wanted, ("", "key"), EXPONENT) == plan
    assert [c.name for c in plan[:4]] == ["R", "G", "B", "A"]
    names = {c.name for c in plan}
    assert {"albedo.R", "N.X", "P.Z", "UV.U", "motion.Y", "indirect_transmission.B", "light_key.G"} <= names
    assert len(names) == len(plan)


def test_an_unknown_aov_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match=r"'colour'.*albedo.*crypto_material"):
        check_aovs(["depth", "colour"])


def test_light_groups_get_names_that_readers_accept_and_that_differ():
    assert light_layers(("", "key", "key.left", "key left", "key_left_2")) == (
        "light_ungrouped",
        "light_key",
        "light_key_left",
        "light_key_left_2",
        "light_key_left_2_2",
    )


def test_a_sample_at_the_limit_fits_half_a_million_times():
    of = plan_layout(1, 1, aovs=(), exponent=EXPONENT)
    assert int(of.limit * 2**of.exponent) << 19 <= 2**63
    assert int(of.limit**2 * 2**of.square_exponent) << 14 < 2**63


def _lit_by(kind: str, *, size: float = 0.0, picture: float = 0.0):
    from types import SimpleNamespace

    from studio.scene.geometry import make_image
    from studio.scene.lights import KINDS, LIGHT

    rows = np.zeros(2, LIGHT)
    rows["emission"], rows["image"] = 2.0, -1
    rows["kind"] = KINDS["rectangle"], KINDS[kind]
    rows["size"][1, 0] = size
    pixels = np.full((2, 4, 3), 0.5, np.float32)
    pixels[0, 0] = picture
    rows["image"][1] = 0 if picture else -1
    return SimpleNamespace(lights=rows, textures=(make_image(pixels, colour_space="linear"),))


def test_a_sun_in_a_picture_and_a_suns_disk_have_room_and_leave_the_floor_of_errors_alone():
    assert scene_glare(_lit_by("point")) == 0
    assert scene_glare(_lit_by("dome", picture=4096.0)) == 12
    sun = scene_glare(_lit_by("distant", size=math.radians(0.53)))
    assert sun == math.ceil(math.log2(1 / (math.pi * math.sin(math.radians(0.265)) ** 2)))
    assert scene_glare(_lit_by("distant")) == 0
    assert scene_glare(_lit_by("dome", picture=1e30)) == MOST_GLARE
    plain = Film.of(plan_layout(8, 8, aovs=(), exponent=EXPONENT))
    roomy = Film.of(plan_layout(8, 8, aovs=(), exponent=EXPONENT - 12, glare=12))
    assert roomy.layout.limit == plain.layout.limit * 2**12
    for film in (plain, roomy):
        film.counts[:], film.squares[:] = 4, 1 << (film.square_exponent + 20)
    assert np.allclose(plain.error(), roomy.error(), rtol=1e-6)
