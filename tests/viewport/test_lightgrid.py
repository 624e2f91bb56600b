"""The light grid: its masks never miss a light that reaches a cell, and a cut-off cannot be seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from studio.viewport import lightgrid
from studio.viewport.camera import ViewCamera
from studio.viewport.lamps import packed_colour
from tests.viewport.stages import looking

WIDTH, HEIGHT = 320, 180


def cells_of(camera: ViewCamera, grid: lightgrid.LightGrid, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Column, row and slice (n, 3) of world places, as the shader finds them, and which are in the picture."""
    at = camera.project(places, WIDTH, HEIGHT)
    inside = (at[:, 2] > camera.near_m) & (at[:, 0] >= 0) & (at[:, 0] < WIDTH) & (at[:, 1] >= 0) & (at[:, 1] < HEIGHT)
    scale, shift = grid.slice_terms()
    depth = np.maximum(at[:, 2], 1e-30)
    depth = depth if grid.linear else np.log2(depth)
    column = np.floor(at[:, 0] * lightgrid.COLUMNS / WIDTH)
    row = np.floor((HEIGHT - at[:, 1]) * lightgrid.ROWS / HEIGHT)
    slice_ = np.clip(np.floor(depth * scale + shift), 0, lightgrid.SLICES - 1)
    sizes = np.array([lightgrid.COLUMNS, lightgrid.ROWS, lightgrid.SLICES])
    return np.clip(np.stack([column, row, slice_], 1), 0, sizes - 1).astype(int), inside


def lights_of(grid: lightgrid.LightGrid, cell: np.ndarray) -> np.ndarray:
    """(words * 32,) bits of a cell."""
    x, y, z = cell
    words = grid.masks[x] & grid.masks[lightgrid.COLUMNS + y] & grid.masks[lightgrid.COLUMNS + lightgrid.ROWS + z]
    return np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little").astype(bool)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), orthographic=st.booleans(), shifted=st.booleans(), vertical=st.booleans())
def test_a_mask_never_misses_a_light_that_reaches_a_cell(
    seed: int, orthographic: bool, shifted: bool, vertical: bool
) -> None:
    rng = np.random.default_rng(seed)
    camera = looking(
        tuple(rng.uniform(-5, 5, 3)),
        (20.0, 0.3, 0.1),
        orthographic=orthographic,
        half_width=float(rng.uniform(0.2, 3.0)) * (4.0 if orthographic else 1.0),
        shift=(0.3, -0.2) if shifted else (0.0, 0.0),
        fit="vertical" if vertical else "horizontal",
        near_m=float(rng.uniform(0.01, 0.5)),
        far_m=200.0,
    )
    count = int(rng.integers(1, 80))
    centres = rng.uniform(-15, 15, (count, 3))
    radii = np.where(rng.random(count) < 0.1, np.inf, rng.lognormal(0.5, 1.0, count))
    first = int(rng.integers(0, count + 1))
    grid = lightgrid.build(camera, WIDTH, HEIGHT, centres, radii, first=first)
    # places inside the spheres, where a missing light would show
    directions = rng.normal(size=(40, count, 3))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    far = np.minimum(radii, 30.0) * rng.random((40, count)) ** (1 / 3) * 0.9999
    places = centres + directions * far[..., None]
    owners = np.tile(np.arange(count), 40)
    bit = np.where(owners < first, owners, owners - first + 32 * lightgrid.words_of(first))
    cells, inside = cells_of(camera, grid, places.reshape(-1, 3))
    for k in np.flatnonzero(inside)[:400]:
        assert lights_of(grid, cells[k])[bit[k]]


def test_small_lights_are_left_out_of_most_cells() -> None:
    rng = np.random.default_rng(5)
    camera = looking((0.0, 0.0, 12.0), (0.0, 0.0, 0.0))
    centres = rng.uniform(-4, 4, (512, 3))
    grid = lightgrid.build(camera, WIDTH, HEIGHT, centres, np.full(512, 0.6))
    cells = rng.integers(0, (lightgrid.COLUMNS, lightgrid.ROWS, lightgrid.SLICES), (500, 3))
    counts = [lights_of(grid, cell).sum() for cell in cells]
    assert np.mean(counts) < 30


def test_any_number_of_lights_has_its_bits() -> None:
    camera = looking((0.0, 0.0, 12.0), (0.0, 0.0, 0.0))
    for count in (0, 1, 31, 32, 33, 5000):
        grid = lightgrid.build(camera, WIDTH, HEIGHT, np.zeros((count, 3)), np.full(count, np.inf))
        assert grid.words == -(-count // 32)
        assert lights_of(grid, np.array([3, 4, 5])).sum() == count


def test_what_a_cut_off_takes_away_cannot_be_seen() -> None:
    rng = np.random.default_rng(11)
    low, high = np.array([-6.0, 0.0, -14.0]), np.array([6.0, 5.0, 14.0])
    positions, strengths = rng.uniform(low, high, (300, 3)), rng.lognormal(-0.7, 1.0, 300)
    radii = lightgrid.reach(positions, strengths, (low, high))
    places = rng.uniform(low, high, (2000, 3))
    far = np.linalg.norm(places[:, None] - positions, axis=2)
    arriving = strengths / np.maximum(far, 0.05) ** 2
    lost = np.where(far > radii, arriving, 0.0).sum(axis=1) / arriving.sum(axis=1)
    assert lost.max() < 0.01 and lost.mean() < 0.003


def test_the_lamps_of_one_village_do_not_reach_the_next() -> None:
    rng = np.random.default_rng(12)
    here = rng.uniform((-50.0, 0.0, -50.0), (50.0, 10.0, 50.0), (500, 3))
    far = here + np.array([100_000.0, 0.0, 0.0])
    positions = np.concatenate([here, far])
    bounds = positions.min(axis=0), positions.max(axis=0)
    radii = lightgrid.reach(positions, np.full(1000, 100.0), bounds)
    reached = (np.linalg.norm(here[:50, None] - positions, axis=2) < radii).sum(axis=1)
    assert (reached <= 500).all()


def test_the_only_light_of_a_scene_is_never_cut_off() -> None:
    assert np.isinf(lightgrid.reach(np.zeros((1, 3)), np.ones(1), (np.zeros(3), np.ones(3)))).all()


@given(st.lists(st.tuples(*[st.floats(0.0, 1e8)] * 3), min_size=1, max_size=20))
@example([(0.0, 0.0, 5e-305)])
def test_packed_colours_keep_their_strongest_part(colours: list[tuple[float, float, float]]) -> None:
    rgb = np.array(colours)
    peak = rgb.max()
    scale = 2.0 ** (np.ceil(np.log2(peak)) - 40) if peak > 0 else 1.0
    words = packed_colour(rgb, scale)
    exponent = (words >> 27).astype(float)
    back = np.stack([(words >> s) & 511 for s in (0, 9, 18)], 1) * (scale * 2.0**exponent)[:, None]
    strong = rgb.max(axis=1) > peak * 2.0**-30
    error = np.abs(back - rgb).max(axis=1)
    assert (error[strong] <= rgb.max(axis=1)[strong] * 2.0**-9 + 1e-300).all()


def test_the_depth_range_of_a_grid_follows_what_its_lights_reach() -> None:
    camera = looking((0.0, 0.0, 12.0), (0.0, 0.0, 0.0))
    grid = lightgrid.build(camera, WIDTH, HEIGHT, np.zeros((1, 3)), np.array([2.0]))
    assert grid.far_m == pytest.approx(14.0)
