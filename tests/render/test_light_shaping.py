"""What stands before a light: grids, barn doors, gobos and IES profiles take away what they should, and no more."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from studio.render.tracer import light_rows as lr
from studio.scene.geometry import Image, make_image
from studio.scene.lights import PROFILE_COLUMNS, PROFILE_ROWS, TWO_SIDED, Light
from tests.render.light_stage import IDENTITY, Stage, compiled, flat_scene, light, picture, placed
from tests.render.scenes import aimed, eye, flat_of, floor, matte, repeats, settings, thing

TURNED = placed((0.3, 1.2, -0.4), (0.3, -0.8, 0.5), roll=0.4)
OUTER = np.radians(40.0)
CONE = (np.cos(OUTER) + 2e-6, np.cos(OUTER))  # a hard edge
FIT = 0.5 / np.tan(OUTER)  # the image spans the cone's square
TURN = (FIT, 0.0, 0.0, FIT)
DOORS = (0.2, 0.5, 0.1, 0.8)


def profile(value, key="ies"):
    """An IES image of value(angle to the axis, angle around it), in radians."""
    away = np.linspace(0.0, np.pi, PROFILE_ROWS)[:, None]
    around = 2.0 * np.pi * np.arange(PROFILE_COLUMNS) / PROFILE_COLUMNS
    pixels = np.broadcast_to(value(away, around), (PROFILE_ROWS, PROFILE_COLUMNS))
    return Image(key, np.ascontiguousarray(pixels[..., None], np.float32), "data")


def lobes(away, around):
    """Brighter towards +x, dark behind."""
    return np.maximum(np.cos(away), 0.0) ** 3 * (0.6 + 0.4 * np.cos(around))


LOBES = profile(lobes)
GOBO = picture(24, 24, peak=1.0, key="gobo")

SHAPED = {
    "point with profile": (light("point", at=TURNED, profile=0), LOBES),
    "sphere with profile": (light("sphere", size=(0.2, 0), at=TURNED, profile=0), LOBES),
    "spot with profile": (light("spot", cone=CONE, at=TURNED, profile=0), LOBES),
    "spot with gobo": (light("spot", cone=CONE, at=TURNED, gobo=0, gobo_turn=TURN), GOBO),
    "spot with doors": (light("spot", cone=CONE, at=TURNED, barn=DOORS, barn_soft=0.2), GOBO),
    "rectangle with grid": (light("rectangle", size=(0.4, 0.6), at=TURNED, spread=1.5), GOBO),
    "rectangle with all": (
        light("rectangle", size=(0.4, 0.6), at=TURNED, spread=0.8, barn=DOORS, barn_soft=0.1, image=0),
        GOBO,
    ),
    "two-sided disk with grid": (light("disk", size=(0.3, 0), at=TURNED, spread=0.7, flags=TWO_SIDED), GOBO),
}


@pytest.fixture(scope="module")
def kernels(taichi_cpu):
    return compiled(taichi_cpu)


def stage_of(kernels, name):
    row, image = SHAPED[name]
    return Stage(kernels, flat_scene([row], (), [image]))


def leaving(stage, points):
    """Emission of the first light, a point or spot, at points given in its frame, times the squared distance."""
    points = np.asarray(points, float)
    at = stage.flat.lights["open"][0]
    world = points @ at[:, :3].T.astype(float) + at[:, 3]
    _, dist, emission, _, _ = stage.sample(0, world, np.full((len(points), 3), 0.5))
    return emission * dist[:, None] ** 2


def directions(n, seed=3):
    """Unit vectors all over the sphere."""
    w = np.random.default_rng(seed).normal(size=(n, 3))
    return w / np.linalg.norm(w, axis=1)[:, None]


@pytest.mark.parametrize("name", SHAPED)
def test_sampling_a_shaped_light_and_meeting_it_tell_the_same(kernels, name):
    """And the estimate is positive wherever light arrives, at 60,000 receivers with three samples each."""
    stage, rng, n = stage_of(kernels, name), np.random.default_rng(2), 60000
    p = TURNED[:, 3] + rng.normal(size=(n, 3)) * np.exp(rng.uniform(-2, 3, (n, 1)))
    normal = directions(n)
    guess, everywhere = stage.estimate(0, p, normal), stage.estimate(0, p, np.zeros(3))
    lit = 0
    for _ in range(3):
        wi, dist, emission, pdf, delta = stage.sample(0, p, rng.random((n, 3)))
        sent = (pdf > 0) & (emission.max(1) > 0)
        lit += sent.sum()
        assert (everywhere[sent] > 0).all()
        assert (guess[sent & ((wi * normal).sum(1) > 1e-5)] > 0).all()
        if not delta.any():
            _, seen = stage.meet(0, p[sent], wi[sent], dist[sent])
            off = np.abs(seen - emission[sent]).max(1)
            assert np.quantile(off, 0.999) < 2e-3
            told = stage.pdf(0, p[sent], wi[sent], dist[sent])
            assert np.quantile(np.abs(told / pdf[sent] - 1), 0.99) < 1e-3
    assert 0.005 * n < lit < 3 * n


@pytest.mark.parametrize("spread", [0.3, 1.0, 4.0])
def test_a_grid_leaves_what_its_tangent_law_says(kernels, spread):
    """At single directions, and in all: 2 pi A L times the integral of (cos - spread sin) sin up to its edge."""
    side = 1e-3
    stage = Stage(kernels, flat_scene([light("rectangle", size=(side, side), spread=spread)]))
    w = directions(200000)
    w[:, 2] = -np.abs(w[:, 2])
    _, _, emission, pdf, _ = stage.sample(0, w, np.full((len(w), 3), 0.5))
    angle = np.arccos(-w[:, 2])
    expected = np.maximum(0.0, 1.0 - spread * np.tan(angle))
    sure = angle < 1.5
    assert np.abs(emission[sure, 0] - expected[sure]).max() < 2e-3
    flux = (np.where(pdf > 0, emission[:, 0] / np.where(pdf > 0, pdf, 1.0), 0.0)).mean() * 2.0 * np.pi
    edge = np.arctan(1.0 / spread)
    truth = 2.0 * np.pi * side**2 * (0.5 * np.sin(edge) ** 2 - spread * (0.5 * edge - 0.25 * np.sin(2.0 * edge)))
    assert flux == pytest.approx(truth, rel=0.02)
    assert stage.tables.power[0] == pytest.approx(truth, rel=0.05)


def test_doors_cut_where_their_tangents_say(kernels):
    spot = light("spot", cone=(0.1, 0.05), at=TURNED, barn=DOORS, barn_soft=0.0)
    stage = Stage(kernels, flat_scene([spot]))
    x, y = np.random.default_rng(1).uniform(-1.2, 1.2, (2, 5000))
    left, right, low, high = DOORS
    inside = (x > -left) & (x < right) & (y > -low) & (y < high)
    got = leaving(stage, np.stack((x, y, -np.ones(5000)), 1))[:, 0]
    clear = np.min([np.abs(x + left), np.abs(x - right), np.abs(y + low), np.abs(y - high)], 0) > 1e-4
    assert np.allclose(got[clear & inside], 1.0, rtol=1e-5)
    assert (got[clear & ~inside] == 0.0).all()
    assert (leaving(stage, [(0.0, 0.0, 1.0), (0.3, 0.0, 0.1)]) == 0.0).all()


def test_soft_doors_are_a_smoothstep_centred_on_their_edge(kernels):
    spot = light("spot", cone=(0.1, 0.05), barn=(9.0, 0.5, 9.0, 9.0), barn_soft=0.2)
    stage = Stage(kernels, flat_scene([spot]))
    x = np.array((0.39, 0.45, 0.5, 0.55, 0.61))
    got = leaving(stage, np.stack((x, 0 * x, 0 * x - 1.0), 1))[:, 0]
    t = np.clip((0.5 - x) / 0.2 + 0.5, 0.0, 1.0)
    assert np.allclose(got, t * t * (3.0 - 2.0 * t), atol=1e-5)


def test_a_door_may_close_beyond_the_axis(kernels):
    """A left door at -0.3 (over the axis) leaves what lies to its right alone."""
    stage = Stage(kernels, flat_scene([light("spot", cone=(0.1, 0.05), barn=(-0.3, 9.0, 9.0, 9.0))]))
    assert leaving(stage, [(0.2, 0, -1), (0.0, 0, -1), (0.4, 0, -1)])[:, 0] == pytest.approx([0.0, 0.0, 1.0])


@pytest.mark.parametrize("angle", [0.0, 0.7])
def test_a_gobo_lies_in_the_cone_as_its_turn_says(kernels, angle):
    c, s = FIT * np.cos(angle), FIT * np.sin(angle)
    turn = (c, s, -s, c)
    pixels = np.zeros((4, 4, 3), np.float32)
    pixels[0, 0], pixels[0, 3], pixels[3, 0], pixels[3, 3] = (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0)
    spot = light("spot", cone=(0.1, 0.05), at=TURNED, gobo=0, gobo_turn=turn)
    stage = Stage(kernels, flat_scene([spot], (), [Image("g", pixels, "linear")]))
    u = np.array((0.125, 0.875, 0.125, 0.875, 0.5, -0.05, 0.5))
    v = np.array((0.125, 0.125, 0.875, 0.875, 0.5, 0.5, 1.1))
    x, y = np.linalg.solve(np.reshape(turn, (2, 2)), (u - 0.5, 0.5 - v))
    got = leaving(stage, np.stack((x, y, 0 * x - 1.0), 1))
    assert np.allclose(got, [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0)], atol=1e-3)
    assert (leaving(stage, [(0.0, 0.0, 1.0)]) == 0.0).all()


def test_a_white_gobo_lights_a_square_and_takes_nothing_from_it(kernels):
    white = Image("w", np.ones((2, 2, 3), np.float32), "linear")
    plain = light("spot", cone=CONE)
    stage = Stage(kernels, flat_scene([light("spot", cone=CONE, gobo=0, gobo_turn=TURN)], (), [white]))
    w = directions(3000)
    bare = leaving(Stage(kernels, flat_scene([plain])), w)
    assert np.allclose(leaving(stage, w), bare, atol=1e-6)


@pytest.mark.parametrize("n", [1, 4])
def test_a_cosine_profile_is_a_cosine(kernels, n):
    """Of any direction to 2e-3 (half floats, lines a degree apart), and in all 2 pi / (n + 1)."""
    image = profile(lambda away, around: np.maximum(np.cos(away), 0.0) ** n + 0.0 * around)
    stage = Stage(kernels, flat_scene([light("point", at=TURNED, profile=0)], (), [image]))
    w = directions(200000)
    got = leaving(stage, w)[:, 0]
    assert np.abs(got - np.maximum(-w[:, 2], 0.0) ** n).max() < 2e-3
    assert got.mean() * 4.0 * np.pi == pytest.approx(2.0 * np.pi / (n + 1), rel=0.02)
    assert stage.tables.power[0] == pytest.approx(2.0 * np.pi / (n + 1), rel=0.02)


def test_a_profile_turns_from_x_towards_y_and_is_linear_between_its_lines(kernels):
    """Against numpy's bilinear reading of noise, which repeats around the axis."""
    noise = np.random.default_rng(4).random((PROFILE_ROWS, PROFILE_COLUMNS)).astype(np.float16).astype(np.float32)
    noise[:, 0] = 1.0
    noise[0], noise[-1] = 0.5, 0.25
    stage = Stage(kernels, flat_scene([light("point", profile=0)], (), [Image("n", noise[..., None], "data")]))
    w = directions(4000)
    away = np.arccos(-w[:, 2]) / np.pi * (PROFILE_ROWS - 1)
    around = np.arctan2(w[:, 1], w[:, 0]) / (2.0 * np.pi) * PROFILE_COLUMNS % PROFILE_COLUMNS
    i, j = np.floor(away).astype(int), np.floor(around).astype(int)
    fi, fj = away - i, around - j
    i2, j2 = np.minimum(i + 1, PROFILE_ROWS - 1), (j + 1) % PROFILE_COLUMNS
    j = j % PROFILE_COLUMNS
    top, low = noise[i, j] * (1 - fj) + noise[i, j2] * fj, noise[i2, j] * (1 - fj) + noise[i2, j2] * fj
    assert np.abs(leaving(stage, w)[:, 0] - (top * (1 - fi) + low * fi)).max() < 3e-3
    assert leaving(stage, [(0, 0, -1.0), (0, 0, 1.0), (1.0, 0, 0)])[:, 0] == pytest.approx((0.5, 0.25, 1.0), abs=1e-3)


def test_estimates_follow_a_profile(kernels):
    """A downlight is not taken to light the ceiling: a tenth of a degree inside its dark half the estimate is 0."""
    image = profile(lambda away, around: np.where(away < np.radians(30.0), 1.0, 0.0) + 0.0 * around)
    stage = Stage(kernels, flat_scene([light("point", profile=0)], (), [image]))
    ahead, aside, behind = stage.estimate(0, np.array([(0, 0, -2), (2, 0, -0.5), (0, 0, 2)], float), np.zeros(3))
    assert ahead == pytest.approx(0.25)
    assert aside == behind == 0.0


def test_lights_without_shaping_are_told_by_one_number():
    from studio.render.tracer.light_tables import build_light_tables

    bare = [light(k, size=(1, 1), cone=CONE) for k in ("point", "spot", "rectangle", "disk", "sphere", "dome")]
    rows = build_light_tables(flat_scene([*bare, light("rectangle", size=(1, 1), image=0)], (), [GOBO])).rows
    assert rows[:, lr.FILTERED].tolist() == [0.0] * len(bare) + [lr.IMAGED]


def test_broken_shaping_is_none(kernels):
    bad = {"barn": (np.nan,) * 4, "barn_soft": np.nan, "spread": np.inf, "gobo_turn": (np.inf,) * 4}
    rows = [light(k, size=(1, 1), cone=CONE, gobo=0, **bad) for k in ("spot", "disk")]
    stage = Stage(kernels, flat_scene(rows, (), [GOBO]))
    for k in (0, 1):
        out = stage.sample(k, directions(500), np.random.default_rng(1).random((500, 3)))
        assert all(np.isfinite(value).all() for value in out)
        assert np.isfinite(stage.estimate(k, directions(500), np.zeros(3))).all()
    assert np.isfinite(stage.tables.rows).all()


def test_the_frame_of_a_shaped_light_turns_with_it(kernels):
    """What leaves along a direction of the light's frame is the same wherever the light stands."""
    w = directions(500)
    for name in ("spot with gobo", "spot with doors", "point with profile"):
        row, image = SHAPED[name]
        still = row.copy()
        still["open"] = still["close"] = IDENTITY
        one, other = (leaving(Stage(kernels, flat_scene([r], (), [image])), w) for r in (row, still))
        assert np.quantile(np.abs(one - other).max(1), 0.99) < 2e-3, name


# --- in pictures -----------------------------------------------------------------------------------------------------
HEIGHT_M = 2.0
DOWN = aimed((0.0, HEIGHT_M, 0.0), (0.0, 0.0, 0.0), up=(0.0, 0.0, -1.0))  # x to the right of who looks down, y away


def under(tracer, light, images=(), half=0.7):
    """4 x 4 pixels of a white floor seen from above, spanning tangents of +-`half` of the light 2 m over it."""
    fov = float(2.0 * np.degrees(np.arctan(half * HEIGHT_M / 10.0)))
    camera = eye((0.0, 10.0, 0.0), (0.0, 0.0, 1.0), fov_y=fov)
    camera = msgspec.structs.replace(camera, **aimed((0.0, 10.0, 0.0), (0.0, 0.0, 0.0), up=(0.0, 0.0, -1.0)))
    flat = flat_of([thing(floor(9.0), matte(1.0))], [light], camera=camera, images=images)
    return flat, repeats(tracer, flat, settings(4, 4, 256, depth=2), 8)


def tangents(half=0.7, n=64):
    """Tangents x, y of the light over the picture of `under`, (4 n, 4 n) each, and what a candela brings there."""
    t = half * ((np.arange(4 * n) + 0.5) / (2 * n) - 1.0)
    x, y = np.meshgrid(t, -t)
    d2 = HEIGHT_M**2 * (1.0 + x * x + y * y)
    return x, y, HEIGHT_M / np.sqrt(d2) / d2 / np.pi


def pixels(values):
    """Means of (4 n, 4 n) or (4 n, 4 n, 3) over the 4 x 4 pixels."""
    n = len(values) // 4
    return values.reshape(4, n, 4, n, -1).mean((1, 3))


def close(got, truth):
    """Welch-like: within 4.5 standard errors and half a percent of the brightest pixel."""
    error = got.std(0, ddof=1) / len(got) ** 0.5
    return bool((np.abs(got.mean(0) - truth) < 4.5 * error + 5e-3 * truth.max()).all())


def test_a_gobo_throws_its_picture_on_the_floor(tracer):
    """Upright for who looks along the light, as wide as the cone; numbers from the picture and the inverse square."""
    image = make_image(np.random.default_rng(6).random((4, 4, 3), np.float32), colour_space="linear")
    spot = Light(
        light="spot", intensity=10.0, radius_m=0.0, outer_cone_deg=50, inner_cone_deg=50, gobo=image.key, **DOWN
    )
    _, got = under(tracer, spot, [image])
    x, y, candela = tangents()
    span = 2.0 * np.tan(np.radians(50.0))
    u, v = (0.5 + x / span) * 4 - 0.5, (0.5 - y / span) * 4 - 0.5
    i, j = np.clip(np.floor(v).astype(int), 0, 2), np.clip(np.floor(u).astype(int), 0, 2)
    fv, fu = (v - i)[..., None], (u - j)[..., None]
    p = image.pixels.astype(float)
    shown = (p[i, j] * (1 - fu) + p[i, j + 1] * fu) * (1 - fv) + (p[i + 1, j] * (1 - fu) + p[i + 1, j + 1] * fu) * fv
    assert close(got, pixels(10.0 * shown * candela[..., None]))


def test_doors_cast_straight_edges_on_the_floor(tracer):
    """Left at 10 degrees, top closed to 0: light lies right of one line and below another."""
    doors = {"barn_left_deg": 10.0, "barn_top_deg": 0.0, "barn_softness_deg": 0.0}
    spot = Light(light="spot", intensity=10.0, radius_m=0.0, outer_cone_deg=60, inner_cone_deg=60, **doors, **DOWN)
    _, got = under(tracer, spot)
    x, y, candela = tangents()
    lit = (x > -np.tan(np.radians(10.0))) & (y < 0.0)
    assert close(got, np.repeat(pixels(10.0 * lit * candela), 3, axis=-1))


def test_a_profile_lights_the_floor_as_it_says(tracer):
    """A point with a cosine-cubed profile against the same told by numpy, however the unit scales it."""
    image = profile(lobes)
    image = make_image(image.pixels, colour_space="data")
    point = Light(light="point", intensity=10.0, radius_m=0.0, ies=image.key, **DOWN)
    flat, got = under(tracer, point, [image])
    x, y, candela = tangents()
    cosine = 1.0 / np.sqrt(1.0 + x * x + y * y)
    strength = float(flat.lights["emission"][0, 0])
    shape = lobes(np.arccos(cosine), np.arctan2(y, x))
    assert close(got, np.repeat(pixels(strength * shape * candela), 3, axis=-1))


def test_a_grid_before_a_panel_narrows_it_and_hides_it_from_the_side(tracer):
    """A floor point off its axis against numpy's sum over the panel, and a camera beside it that sees it black."""
    panel = Light(light="rectangle", unit="nt", intensity=50.0, width_m=0.5, height_m=0.5, spread_deg=60.0, **DOWN)
    flat, got = under(tracer, panel)
    spread = float(flat.lights["spread"][0])
    assert spread > 0.0
    x, y, _ = tangents(n=16)
    p = np.stack((x, y), -1).reshape(-1, 1, 2) * HEIGHT_M
    s = (np.stack(np.meshgrid(np.arange(24), np.arange(24)), -1).reshape(1, -1, 2) + 0.5) / 24.0 * 0.5 - 0.25
    r2 = ((p - s) ** 2).sum(-1)
    value = np.maximum(0.0, 1.0 - spread * np.sqrt(r2) / HEIGHT_M) * HEIGHT_M**2 / (r2 + HEIGHT_M**2) ** 2
    truth = (50.0 * 0.25 / np.pi * value.mean(1)).reshape(64, 64)
    assert close(got, np.repeat(pixels(truth), 3, axis=-1))
    beside = replace(flat, camera=flat_of(camera=eye((3.0, 1.9, 0.0), (0.0, 2.0, 0.0), fov_y=5)).camera)
    assert (repeats(tracer, beside, settings(8, 8, 16, depth=1), 1)[0, 2:5] == 0.0).all()
