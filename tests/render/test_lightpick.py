"""Picking lights: shares are probabilities, picks follow them, and a wrong table costs noise but never the mean.

Taichi reads the annotations of a kernel, so this file does without `from __future__ import annotations`.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import taichi as ti
from scipy import stats

from studio.render.tracer import lightpick
from studio.scene.lights import Light
from studio.scene.materials import Material
from tests.render.scenes import BLACK, aimed, ball, blocks, box, eye, flat_of, floor, matte, settings, smallest_p, thing

f32_2d = ti.types.ndarray(dtype=ti.f32, ndim=2)
f32_1d = ti.types.ndarray(dtype=ti.f32, ndim=1)
i32_1d = ti.types.ndarray(dtype=ti.i32, ndim=1)
i32_2d = ti.types.ndarray(dtype=ti.i32, ndim=2)
vec3 = ti.math.vec3


@ti.kernel
def shares(start: i32_1d, light: i32_1d, cdf: f32_1d, power_cdf: f32_1d, first: ti.i32, power: ti.i32, out: f32_2d):
    """out (cells, lights): light_share in cell first + row; shares of power from `power` on."""
    for k in range(out.shape[0] * out.shape[1]):
        c = k // out.shape[1]
        l = k % out.shape[1]
        out[c, l] = lightpick.light_share(start, light, cdf, power_cdf, first + c, l, power)


@ti.kernel
def picks(
    start: i32_1d,
    light: i32_1d,
    cdf: f32_1d,
    power_cdf: f32_1d,
    cell: ti.i32,
    power: ti.i32,
    lights: ti.i32,
    u: f32_1d,
    out: f32_2d,
):
    for i in range(u.shape[0]):
        l, q = lightpick.pick_light(start, light, cdf, power_cdf, cell, u[i], power, lights)
        out[i, 0] = ti.cast(l, ti.f32)
        out[i, 1] = q


@ti.kernel
def cells_of(grid: f32_1d, keys: i32_2d, points: f32_2d, out: i32_1d):
    for i in range(points.shape[0]):
        out[i] = lightpick.find_cell(
            grid,
            keys,
            vec3(points[i, 0], points[i, 1], points[i, 2]),
            vec3(points[i, 3], points[i, 4], points[i, 5]),
            0,
        )


@pytest.fixture(scope="module", autouse=True)
def _runtime(taichi_cpu):
    return taichi_cpu


def rooms(count: int = 60) -> Any:
    """Two rooms with a wall between, lamps in both, of very uneven power."""
    rng = np.random.default_rng(2)
    lights = []
    for _ in range(count):
        at = rng.uniform((-2, 0.5, -1), (2, 1.8, 1))
        lights.append(
            Light(
                intensity=float(rng.exponential(1.0)),
                radius_m=0.0 if rng.random() < 0.5 else 0.03,
                translation=tuple(at),
                seen_by_camera=False,
            )
        )
    lights.append(Light(light="dome", unit="nt", intensity=0.05))
    things = [
        thing(floor(2.5), matte(0.6)),
        thing(box((0.02, 1.5, 2.0), (0, 1.5, 0)), matte(0.7)),
        thing(ball(0.3, smooth=True, centre=(-1, 0.3, 0)), Material(specular_roughness=0.3)),
    ]
    return flat_of(things, lights, camera=eye((0.0, 4.0, 3.0), (0, 0.3, 0), fov_y=45))


def learned(tracer: Any, flat: Any, s: Any = None) -> None:
    tracer.load(flat)
    tracer.prepare(s or settings(24, 16, 1))


def test_the_shares_of_all_lights_sum_to_one_in_every_cell(tracer):
    flat = rooms()
    learned(tracer, flat)
    d = tracer.device
    n = len(flat.lights)
    cells = d.start.shape[0] - 1
    assert cells > 100
    out = np.zeros((cells + 1, n), np.float32)
    shares(d.start, d.light, d.cdf, d.power_cdf, -1, 0, out)
    assert out.min() > 0.0  # no light is out of reach anywhere
    assert np.abs(out.astype(np.float64).sum(1) - 1.0).max() < 1e-5


@pytest.mark.parametrize("count", [2, 3, 60, 2000])
def test_picks_come_as_often_as_their_share_says(tracer, count):
    """Chi-square of 200,000 stratified picks in five cells and outside any; significance 1e-3 over all."""
    flat = rooms(count - 1)
    learned(tracer, flat)
    d = tracer.device
    cells = d.start.shape[0] - 1
    for cell in (-1, 0, cells // 3, cells // 2, cells - 1):
        out = np.zeros((1, count), np.float32)
        shares(d.start, d.light, d.cdf, d.power_cdf, cell, 0, out)
        u = np.random.default_rng(cell + 7).random(200_000).astype(np.float32)
        u[:3] = (0.0, 0.1, 0.99999994)
        drawn = np.zeros((len(u), 2), np.float32)
        picks(d.start, d.light, d.cdf, d.power_cdf, cell, 0, d.power_cdf.shape[0], u, drawn)
        light = drawn[:, 0].astype(int)
        assert (drawn[:, 1] == out[0, light]).all()
        expected = out[0].astype(np.float64) * len(u)
        seen = np.bincount(light, minlength=count).astype(float)
        large = expected >= 5
        e = np.append(expected[large], max(expected[~large].sum(), 1e-9))
        o = np.append(seen[large], seen[~large].sum())
        if e[-1] < 5:
            e, o = e[:-1], o[:-1]
        if len(e) > 1:
            assert stats.chisquare(o, e * o.sum() / e.sum()).pvalue > 1e-3 / 20


def test_dead_ends_of_the_cumulative_shares_pick_a_light_that_can_be_picked(tracer):
    """u at the very ends, and lights of zero power among the first and last."""
    lights = [Light(intensity=1e-12, radius_m=0.0, translation=(0, 1, 0))] * 3 + [
        Light(radius_m=0.0, translation=(0, 1, 0))
    ]
    lights += [Light(intensity=1e-12, radius_m=0.0, translation=(0, 1, 0))] * 3
    learned(tracer, flat_of([thing(floor(), matte(0.5))], lights))
    d = tracer.device
    u = np.array([0.0, 1e-7, 0.0999999, 0.1, 0.1000001, 0.5, 0.99999994], np.float32)
    for cell in range(-1, d.start.shape[0] - 1):
        out = np.zeros((len(u), 2), np.float32)
        picks(d.start, d.light, d.cdf, d.power_cdf, cell, 0, d.power_cdf.shape[0], u, out)
        assert ((out[:, 0] >= 0) & (out[:, 0] < len(lights)) & (out[:, 1] > 0)).all()


def test_learning_twice_finds_the_same_cells_and_shares(tracer):
    flat = rooms()
    learned(tracer, flat)
    one = {n: getattr(tracer.device, n).to_numpy() for n in ("keys", "start", "light", "cdf", "power_cdf", "grid")}
    learned(tracer, flat_of([thing(floor(), BLACK)], [Light()] * 2))
    learned(tracer, rooms())
    for name, array in one.items():
        assert array.tobytes() == getattr(tracer.device, name).to_numpy().tobytes(), name


def test_what_was_learned_does_not_hang_on_samples_seed_or_crop(tracer):
    flat = rooms()
    learned(tracer, flat, settings(24, 16, 1))
    one = tracer.device.cdf.to_numpy()
    learned(tracer, flat, settings(24, 16, 64, seed=5, first_sample=9, crop=(3, 3, 9, 9)))
    assert one.tobytes() == tracer.device.cdf.to_numpy().tobytes()


def test_most_points_of_the_picture_find_a_cell(tracer):
    learned(tracer, rooms())
    d = tracer.device
    rng = np.random.default_rng(1)
    points = np.zeros((2000, 6), np.float32)
    points[:, 0], points[:, 2] = rng.uniform(0.1, 1.5, 2000), rng.uniform(-0.8, 0.8, 2000)
    points[:, 4] = 1.0
    out = np.zeros(2000, np.int32)
    cells_of(d.grid, d.keys, points, out)
    assert (out >= 0).mean() > 0.5
    assert out.max() < d.start.shape[0] - 1
    points[:, 1] = 1000.0
    cells_of(d.grid, d.keys, points, out)
    assert (out == -1).all()


def found_cells(tracer: Any, points: Any) -> Any:
    d = tracer.device
    out = np.zeros(len(points), np.int32)
    cells_of(d.grid, d.keys, np.ascontiguousarray(points, np.float32), out)
    return out


def shares_at(tracer: Any, points: Any) -> Any:
    """Probability of every light (columns) at points with normals (rows)."""
    d = tracer.device
    n = len(tracer.flat.lights)
    out = np.zeros((d.start.shape[0], n), np.float32)
    shares(d.start, d.light, d.cdf, d.power_cdf, -1, 0, out)
    return out[1 + found_cells(tracer, points)]


def test_a_narrow_spot_has_a_share_wherever_it_shines(tracer):
    """Fifty pools of light of a few centimetres among strong lamps: points of a cell seldom fall into one."""
    rng = np.random.default_rng(4)
    at = np.stack([rng.uniform(-1, 1, 50), np.full(50, 2.0), rng.uniform(-1, 1, 50)], 1)
    cone = {"inner_cone_deg": 1.0, "outer_cone_deg": 1.5, "radius_m": 0.0, "intensity": 300.0}
    spots = [Light(light="spot", unit="cd", **aimed(p, (p[0], 0.0, p[2]), (0, 0, 1)), **cone) for p in at]
    lamps = [Light(intensity=5.0, radius_m=0.0, translation=(x, 1.5, 0.0)) for x in (-0.7, 0.7)]
    learned(tracer, flat_of([thing(floor(3), matte(0.5))], spots + lamps, camera=eye((0, 3, 2), (0, 0, 0), fov_y=45)))
    pools = np.zeros((50, 6), np.float32)
    pools[:, ::2][:, :1], pools[:, 2], pools[:, 4] = at[:, :1], at[:, 2], 1.0
    share = shares_at(tracer, pools)[np.arange(50), np.arange(50)]
    assert share.min() > 0.01  # by power alone it would be 0.002


def test_lamps_beside_a_sun_stay_in_the_table(tracer):
    """In the shade of a roof a lamp is everything, though in the open the sun is ten thousand times stronger."""
    sun = Light(light="distant", unit="lx", intensity=1e5, **aimed((0, 9, 0.01), (0, 0, 0)))
    lamps = [Light(intensity=2.0, radius_m=0.0, translation=(x, 0.5, 0.0)) for x in np.linspace(-0.9, 0.9, 50)]
    things = [thing(floor(3), matte(0.5)), thing(box((3, 0.01, 3), (0, 1.0, 0)), matte(0.5))]
    learned(tracer, flat_of(things, [sun, *lamps], camera=eye((0, 0.8, 2.5), (0, 0.2, 0), fov_y=60)))
    under = np.array([(x, 0.0, z, 0, 1, 0) for x in (-0.5, 0.5) for z in (-0.3, 0.0, 0.3)])
    assert shares_at(tracer, under)[:, 1:].sum(1).min() > 0.015  # by power alone it would be 0.005


def test_points_that_no_path_of_the_learning_met_use_a_coarse_cell(tracer):
    learned(tracer, rooms())
    point = np.array([(1.0, 0.0, 0.5, 0, 1, 0)])
    own = found_cells(tracer, point)[0]
    keys = tracer.device.keys.to_numpy()
    row = np.flatnonzero((keys[:, 0] != 0) & (keys[:, 1] == own))
    keys[row, 0] ^= 2  # another fingerprint: the slot stays taken
    tracer.device.put("keys", keys)
    coarse = found_cells(tracer, point)[0]
    assert coarse not in (-1, own)
    assert found_cells(tracer, np.array([(1.0, 0.0, 0.5, 1, 0, 0)]))[0] >= 0


def test_coarse_cells_hold_the_mean_of_their_cells():
    hashes = np.array([(7, 9), (5, 3), (7, 9)], np.int32)
    pairs = np.array([(0, 1, 8), (0, 3, 8), (1, 0, 8), (2, 1, 8)], np.int32)
    prints, slots, own, value = lightpick.parents(hashes, pairs, np.array([1, 3, 2, 9], np.float32), 4)
    assert prints.tolist() == [3, 9] and slots.tolist() == [5, 7]
    assert own[:, :2].tolist() == [[3, 0], [4, 1], [4, 3]]
    assert value.tolist() == [1.0, 1.25, 0.75]


def test_a_distant_sea_leaves_the_cells_at_hand_as_fine_as_they_were():
    points = np.random.default_rng(5).uniform(-1, 1, (1000, 6)).astype(np.float32)
    camera = np.array([0, 0, 5], np.float32)
    near = lightpick.uniform_grid(camera, points, np.full(3, -1e0), np.full(3, 1e0))
    far = lightpick.uniform_grid(camera, points, np.full(3, -1e4), np.full(3, 1e4))
    assert near[3] <= far[3] < 1.0
    assert far[3] * 2.0 ** far[5] == pytest.approx(2e4 * 3**0.5 / lightpick.COARSEST, rel=1e-5)


def test_full_hash_tables_leave_keys_unlearned_and_never_confuse_them():
    rng = np.random.default_rng(3)
    prints = (rng.permutation(50000) * 2 + 1).astype(np.uint32)
    slots = rng.integers(0, 64, 50000).astype(np.uint32)  # all want the same few places
    table = lightpick.hash_table(prints, slots)
    used = table[:, 0] != 0
    assert 64 <= used.sum() <= 64 + lightpick.PROBES
    assert (table[used, 0].view(np.uint32) == prints[table[used, 1]]).all()


def test_the_mean_does_not_move_whatever_was_learned(tracer):
    """The honest table, nothing learned, shares shuffled between cells, and each cell's shares turned round.

    Sixteen renders of each, Welch's t test over 6 x 4 blocks and channels, Sidak corrected; significance 1e-3 each.
    """
    flat = rooms(24)
    s = settings(24, 16, 32, depth=3)
    tracer.load(flat)
    tracer.prepare(s)
    honest = {n: getattr(tracer.device, n).to_numpy() for n in ("keys", "start", "light", "cdf", "power_cdf", "grid")}
    table = lightpick.LightTable(**honest)
    truth = _renders(tracer, s)
    spreads = []
    for wrong in _wrong(table, tracer.lights.power):
        tracer._put_table(wrong)
        got = _renders(tracer, s)
        assert smallest_p(blocks(got, 4), blocks(truth, 4)) > 1e-3
        spreads.append(np.median(got.var(0)))
    assert np.median(truth.var(0)) < 0.9 * min(spreads)  # and honesty pays


def _renders(tracer: Any, s: Any, n: int = 16) -> Any:
    import msgspec

    images = [tracer.mean_image(msgspec.structs.replace(s, seed=1000 + k)) for k in range(n)]
    return np.stack(images).astype(np.float64)


def _wrong(table: lightpick.LightTable, power: Any) -> list[lightpick.LightTable]:
    """Tables that tell lies: nothing, another cell's shares, and shares turned round within each cell."""
    rng = np.random.default_rng(8)
    keys = table.keys.copy()
    used = keys[:, 0] != 0
    keys[used, 1] = rng.permutation(keys[used, 1])
    cdf = table.cdf.astype(np.float64)
    for a, b in zip(table.start[:-1], table.start[1:]):
        if b > a:
            share = np.diff(np.concatenate([[0.0], cdf[a:b]]))
            cdf[a:b] = np.cumsum(share[np.argsort(np.argsort(-share))[::-1]][::-1] if b - a < 3 else share[::-1])
            cdf[b - 1] = 1.0
    return [
        lightpick.empty_table(power),
        replace(table, keys=keys),
        replace(table, cdf=cdf.astype(np.float32)),
    ]


def test_cost_of_a_pick_is_bounded_by_what_matters_not_by_the_number_of_lights(tracer):
    """Cells keep the lights that matter there: far dim ones are left to the picks by power."""
    near = [Light(intensity=1.0, radius_m=0.0, translation=(x, 1.0, 0.0)) for x in (-0.5, 0.5)]
    far = [Light(intensity=1e-3, radius_m=0.0, translation=(x, 30.0, 0.0)) for x in np.linspace(-50, 50, 500)]
    learned(tracer, flat_of([thing(floor(), matte(0.5))], near + far, camera=eye((0, 1.5, 2), (0, 0, 0))))
    assert np.diff(tracer.device.start.to_numpy()).max() <= 50
