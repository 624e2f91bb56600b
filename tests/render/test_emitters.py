"""Lights: every sampler follows its density, and what is sampled adds up to the light that theory promises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from studio.render.tracer import light_rows as lr
from studio.scene.geometry import Image
from studio.scene.lights import KINDS, TWO_SIDED
from tests.render.light_stage import (
    Stage,
    ball,
    compiled,
    emissive_slot,
    flat_scene,
    light,
    mesh_instance,
    mesh_of,
    picture,
    placed,
    quad,
    world_triangles,
)

TURNED = placed((0.3, 1.2, -0.4), (0.3, -0.8, 0.5), roll=0.4)
SCALED = np.concatenate((TURNED[:, :3] * np.float32(0.5), TURNED[:, 3:]), axis=1)
MIRRORED = SCALED * np.array((-1, 1, 1, 1), np.float32)


@pytest.fixture(scope="module")
def kernels(taichi_cpu):
    return compiled(taichi_cpu)


def bowl():
    """An open box: from its centre of curvature several fronts overlap, others hide their backs."""
    p = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    return mesh_of(p, [(0, 2, 3), (0, 3, 1), (0, 1, 5), (0, 5, 4), (1, 3, 7), (1, 7, 5), (4, 7, 6), (4, 5, 7)])


def scenes():
    """name -> FlatScene of one light, each with a name that tells what is special."""
    size = {"rectangle": (0.8, 0.5), "disk": (0.4, 0), "sphere": (0.3, 0), "cylinder": (0.1, 0.9)}
    out = {k: flat_scene([light(k, size=s, at=TURNED)]) for k, s in size.items()}
    out |= {
        f"{k}, two-sided": flat_scene([light(k, size=s, at=TURNED, flags=TWO_SIDED)])
        for k, s in size.items()
        if k != "sphere"
    }
    out["sphere from inside"] = flat_scene([light("sphere", size=(9.0, 0), at=TURNED, flags=TWO_SIDED)])
    out["rectangle with image"] = flat_scene([light("rectangle", size=(0.8, 0.5), at=TURNED, image=0)], (), [picture()])
    out["distant"] = flat_scene([light("distant", size=(0.6, 0), at=TURNED)])
    out["dome"] = flat_scene([light("dome", at=TURNED)])
    out["dome with image"] = flat_scene([light("dome", at=TURNED, image=0)], (), [picture()])
    lamp = light("mesh", instance=0)
    out["ball"] = flat_scene([lamp], [mesh_instance(ball(), SCALED)])
    out["mirrored ball"] = flat_scene([lamp], [mesh_instance(ball(), MIRRORED)])
    out["many triangles"] = flat_scene([lamp], [mesh_instance(ball(12, 14), SCALED)])
    out["open box"] = flat_scene([lamp], [mesh_instance(bowl(), SCALED)])
    out["open box, two-sided"] = flat_scene(
        [light("mesh", instance=0, flags=TWO_SIDED)], [mesh_instance(bowl(), SCALED)]
    )
    out["quad"] = flat_scene([lamp], [mesh_instance(quad(0.8, 0.5), TURNED)])
    materials, slots = emissive_slot(0)
    out["quad with image"] = flat_scene(
        [lamp], [mesh_instance(quad(0.8, 0.5), TURNED)], [picture()], materials=materials, slots=slots
    )
    return out


SCENES = scenes()
# receivers in the light's frame (it shines along -z): near, beside and far
PLACES = {"near": (0.15, -0.1, -0.62), "beside": (0.9, 0.3, -0.25), "far": (1.0, 2.0, -4.0)}
CASES = [(s, p) for s in SCENES for p in PLACES if not (s in ("distant", "dome", "dome with image") and p != "near")]


def receiver(place):
    return (TURNED[:, :3] @ np.array(PLACES[place]) + TURNED[:, 3]).astype(np.float32)


def cone_of(stage, p, rng):
    """Axis and 1 - cos of a cone from `p` that holds every sampled direction, with some room."""
    wi, _, _, pdf, _ = stage.sample(0, p, rng.random((20000, 3)))
    wi = wi[pdf > 0]
    axis = wi.mean(0) / np.linalg.norm(wi.mean(0))
    return axis, min(1.1 * float((1.0 - wi @ axis).max()) + 1e-6, 2.0)


def directions(axis, away, phi):
    """Directions at 1 - cos `away` around `axis`, and back (see `bins_of`)."""
    x, y = frame(axis)
    s = np.sqrt(np.maximum(away * (2.0 - away), 0.0))[:, None]
    return s * np.cos(phi)[:, None] * x + s * np.sin(phi)[:, None] * y + (1.0 - away)[:, None] * axis


def frame(axis):
    x = np.cross(axis, (1.0, 0.0, 0.0) if abs(axis[0]) < 0.7 else (0.0, 1.0, 0.0))
    x /= np.linalg.norm(x)
    return x, np.cross(axis, x)


def bins_of(wi, axis, reach, shape):
    x, y = frame(axis)
    away = 1.0 - wi @ axis
    i = np.clip((away / reach * shape[0]).astype(int), 0, shape[0] - 1)
    j = np.clip(((np.arctan2(wi @ y, wi @ x) / (2 * np.pi) % 1.0) * shape[1]).astype(int), 0, shape[1] - 1)
    return i * shape[1] + j


def p_value(observed, expected, drawn):
    """Chi-square with rare bins pooled; the mass that is never drawn (worthless samples) is one more bin."""
    observed = np.append(observed, drawn - observed.sum())
    expected = np.append(expected, max(drawn - expected.sum(), 0.0))
    order = np.argsort(expected)
    rare = np.searchsorted(np.cumsum(expected[order]), 20.0) + 1
    o = np.append(observed[order[rare:]], observed[order[:rare]].sum())
    e = np.append(expected[order[rare:]], expected[order[:rare]].sum())
    keep = e > 0
    assert o[~keep].sum() == 0
    return stats.chi2.sf(((o[keep] - e[keep]) ** 2 / e[keep]).sum(), max(keep.sum() - 1, 1))


@pytest.mark.parametrize(("scene", "place"), CASES)
def test_sampled_directions_follow_the_density(kernels, scene, place):
    """Chi-square at 0.01 over all cases together (Sidak)."""
    rng = np.random.default_rng(7)
    stage, p = Stage(kernels, SCENES[scene]), receiver(place)
    axis, reach = cone_of(stage, p, rng)
    shape, fine, drawn = (12, 16), 28, 40000
    side = (shape[0] * fine, shape[1] * fine)
    i, j = (k.ravel() for k in np.mgrid[: side[0], : side[1]])
    away, phi = (i + rng.random(i.size)) / side[0] * reach, (j + rng.random(i.size)) / side[1] * 2 * np.pi
    grid = directions(axis, away, phi).astype(np.float32)
    rays, dist, tri = stage.crossings(0, p, grid)
    density = stage.pdf(0, p, grid[rays], dist, tri)
    assert np.isfinite(density).all()
    cell = 2 * np.pi * reach / i.size
    bins = (i // fine * shape[1] + j // fine)[rays]
    expected = np.bincount(bins, density, shape[0] * shape[1]) * cell * drawn
    wi, _, _, pdf, _ = stage.sample(0, p, rng.random((drawn, 3)))
    observed = np.bincount(bins_of(wi[pdf > 0], axis, reach, shape), minlength=shape[0] * shape[1])
    assert p_value(observed, expected, drawn) > 1.0 - (1.0 - 0.01) ** (1.0 / len(CASES))


@pytest.mark.parametrize(("scene", "place"), CASES)
def test_the_density_told_with_a_sample_is_the_one_that_the_hit_gets(kernels, scene, place):
    rng = np.random.default_rng(3)
    stage, p = Stage(kernels, SCENES[scene]), receiver(place)
    wi, dist, emission, pdf, delta = stage.sample(0, p, rng.random((3000, 3)))
    good = np.flatnonzero(pdf > 0)
    assert good.size > 300
    assert not delta.any()
    assert np.allclose(np.linalg.norm(wi[good], axis=1), 1.0, atol=1e-5)
    rays, t, tri = stage.crossings(0, p, wi[good])
    same = np.abs(t - dist[good][rays]) <= 1e-3 * np.abs(t)
    rays, t, tri = good[rays[same]], t[same], tri[same]
    assert len(np.unique(rays)) > 0.99 * good.size  # a sample on an edge may miss
    told = stage.pdf(0, p, wi[rays], t, tri)
    assert np.quantile(np.abs(told / pdf[rays] - 1.0), 0.995) < 1e-3
    if SCENES[scene].lights[0]["kind"] != KINDS["mesh"]:
        _, seen = stage.meet(0, p, wi[rays], t)
        assert np.quantile(np.abs(seen - emission[rays]).max(1), 0.99) < 2e-3 * max(emission.max(), 1e-6)


def irradiance(stage, p, n, *, drawn=200000, time=0.0, normal_incidence=False):
    """Mean and standard error of the luminance-free first channel of the irradiance at `p`."""
    u = np.random.default_rng(11).random((drawn, 3))
    wi, _, emission, pdf, _ = stage.sample(0, np.asarray(p, float), u, time)
    cosine = 1.0 if normal_incidence else np.maximum(wi @ np.asarray(n, float), 0.0)
    value = np.where(pdf > 0, emission[:, 0] * cosine / np.where(pdf > 0, pdf, 1.0), 0.0)
    return value.mean(), value.std() / np.sqrt(drawn)


def polygon(corners, p, n):
    """Irradiance from a convex polygon of radiance 1 wholly over the horizon (Lambert 1760)."""
    v = np.asarray(corners, float) - p
    v /= np.linalg.norm(v, axis=1)[:, None]
    w = np.roll(v, -1, 0)
    edge = np.cross(v, w)
    edge /= np.linalg.norm(edge, axis=1)[:, None]
    return 0.5 * abs(float((np.arccos(np.clip((v * w).sum(1), -1, 1))[:, None] * edge).sum(0) @ n))


def local(v, matrix=TURNED):
    return (matrix[:, :3] @ np.asarray(v, float) + matrix[:, 3]).astype(np.float32)


def analytic():
    """(scene, receiver, normal, irradiance) with known answers."""
    back = TURNED[:, 2].astype(float)  # from a receiver in front towards the light
    rows = []
    for name in ("rectangle", "quad"):
        box = [local(c) for c in ((-0.4, -0.25, 0), (0.4, -0.25, 0), (0.4, 0.25, 0), (-0.4, 0.25, 0))]
        for place in ((0.1, 0.05, -0.3), (0.3, -0.2, -4.0), (0.0, 0.1, -0.08)):
            rows.append((name, local(place), back, polygon(box, local(place), back)))
        rows.append((name, local((200, 300, -8e3)), back, 0.4 * 8e3**2 / (8e3**2 + 200**2 + 300**2) ** 2))
        for place in ((0.9, 0.05, -0.002), (0.45, 0.05, -0.01), (0.05, 0.3, -0.02), (2.0, 0.3, -1e-3)):
            toward = TURNED[:, 3] - local(place)  # past the rim, all but in the plane
            toward /= np.linalg.norm(toward)
            rows.append((name, local(place), toward, polygon(box, local(place), toward)))
    for r, h in ((0.0, 0.4), (0.3, 0.2), (1.0, 3.0)):
        z = h * h + 0.4**2 + r * r
        rows.append(
            ("disk", local((r, 0, -h)), back, np.pi / 2 * (1 - (h * h + r * r - 0.16) / np.sqrt(z * z - 0.64 * r * r)))
        )
    for d in (0.35, 1.0, 20.0):
        rows.append(("sphere", local((0, 0, -d)), back, np.pi * (0.3 / d) ** 2))
    rows.append(("sphere from inside", local((0.5, 2, 1)), back, np.pi))
    rows.append(("dome", local((0, 0, 0)), back, np.pi))
    rows.append(("distant", local((0, 0, 0)), back, 1.0))
    for name in ("ball", "many triangles", "mirrored ball"):
        for d in (0.8, 1.5, 20.0):
            p = local((0, 0, -d))
            flat = SCENES[name]
            front = [c for c in world_triangles(flat, 0) if np.cross(c[1] - c[0], c[2] - c[0]) @ (p - c[0]) > 0]
            rows.append((name, p, back, sum(polygon(c, p, back) for c in front)))
    return rows


ANALYTIC = analytic()


@pytest.mark.parametrize("case", range(len(ANALYTIC)), ids=[f"{c[0]}-{k}" for k, c in enumerate(ANALYTIC)])
def test_irradiance_is_what_theory_says(kernels, case):
    """Within 4.5 standard errors plus 0.05 % of single precision."""
    scene, p, n, expected = ANALYTIC[case]
    mean, error = irradiance(Stage(kernels, SCENES[scene]), p, n)
    assert abs(mean - expected) < 4.5 * error + 5e-4 * expected


def test_the_tube_lights_as_its_wall_integrates(kernels):
    x, phi = (k.ravel() for k in np.meshgrid((np.arange(800) + 0.5) / 800 - 0.5, (np.arange(800) + 0.5) / 400 * np.pi))
    s = np.column_stack((0.9 * x, 0.1 * np.cos(phi), 0.1 * np.sin(phi)))
    for p in ((0.1, 0.05, -0.15), (1.0, 0.0, -0.5), (0.0, 3.0, -8.0)):
        v = s - p
        d = np.linalg.norm(v, axis=1)
        facing = np.maximum(-(v * s * (0, 10, 10)).sum(1) / d, 0.0)
        expected = (np.maximum(v[:, 2] / d, 0.0) * facing / d**2).mean() * 0.9 * 0.2 * np.pi
        mean, error = irradiance(Stage(kernels, SCENES["cylinder"]), local(p), TURNED[:, 2])
        assert abs(mean - expected) < 4.5 * error + 1e-3 * expected


def test_point_and_spot_follow_the_inverse_square_and_the_cone(kernels):
    for kind in ("point", "spot"):
        stage = Stage(kernels, flat_scene([light(kind, (2, 3, 4), at=TURNED, cone=np.cos((0.2, 0.6)))]))
        p = np.array([local((x, 0, -2)) for x in np.linspace(0, 2, 50)])
        wi, dist, emission, pdf, delta = stage.sample(0, p, np.full((50, 3), 0.5))
        assert (pdf == 1).sum() == 50
        assert delta.all()
        d = np.hypot(np.linspace(0, 2, 50), 2)
        fall = np.clip((2 / d - np.cos(0.6)) / (np.cos(0.2) - np.cos(0.6)), 0, 1) ** 2 if kind == "spot" else 1.0
        assert np.allclose(emission, ((2, 3, 4) / d[:, None] ** 2) * np.reshape(fall, (-1, 1)), atol=1e-5)
        assert np.allclose(dist, d, rtol=1e-6)
        assert np.allclose(wi, (TURNED[:, 3] - p) / d[:, None], atol=1e-6)


def test_a_sun_without_size_is_a_direction(kernels):
    stage = Stage(kernels, flat_scene([light("distant", (5, 5, 5), at=TURNED)]))
    wi, dist, emission, pdf, delta = stage.sample(0, (1, 2, 3), np.full((1, 3), 0.5))
    assert np.allclose(wi, TURNED[:, 2], atol=1e-6)
    assert (emission == 5).all() and pdf == 1 and delta == 1 and dist > 1e29
    assert stage.pdf(0, (1, 2, 3), wi, dist) == 0
    assert (stage.meet(0, (1, 2, 3), wi, 1e30)[1] == 0).all()


def test_a_small_sun_keeps_its_illuminance(kernels):
    stage = Stage(kernels, flat_scene([light("distant", (7, 7, 7), size=(0.00925, 0), at=TURNED)]))
    assert irradiance(stage, (0, 0, 0), TURNED[:, 2])[0] == pytest.approx(7, rel=1e-4)


def image_mean(image, kind):
    """Mean of the bilinear image over a rectangle, or the irradiance below a dome onto +y."""
    h, w = image.pixels.shape[:2]
    n = 32
    y, x = (np.arange(h * n) + 0.5) / n - 0.5, (np.arange(w * n) + 0.5) / n - 0.5
    value = image.pixels[..., 0].astype(float)
    j, i = np.floor(y).astype(int), np.floor(x).astype(int)
    fy, fx = (y - j)[:, None], x - i
    row = lambda k: value[np.clip(k, 0, h - 1)]  # noqa: E731
    column = (lambda r, k: r[:, k % w]) if kind == "dome" else (lambda r, k: r[:, np.clip(k, 0, w - 1)])
    top = column(row(j), i) * (1 - fx) + column(row(j), i + 1) * fx
    low = column(row(j + 1), i) * (1 - fx) + column(row(j + 1), i + 1) * fx
    full = top * (1 - fy) + low * fy
    if kind != "dome":
        return full.mean()
    theta = np.pi * (y + 0.5) / h
    weight = np.maximum(np.cos(theta), 0.0) * np.sin(theta)
    return (full.mean(1) * weight).sum() / weight.sum() * np.pi


def test_images_modulate_as_they_lie(kernels):
    image = picture()
    for name in ("rectangle with image", "quad with image"):
        p = local((0, 0, -60.0))
        mean, error = irradiance(Stage(kernels, SCENES[name]), p, TURNED[:, 2])
        assert abs(mean * 3600 / 0.4 - image_mean(image, "rectangle")) < 4.5 * error * 9000 + 0.01
    stage = Stage(kernels, flat_scene([light("dome", image=0)], (), [image]))
    mean, error = irradiance(stage, (0, 0, 0), (0, 1, 0))
    assert abs(mean - image_mean(image, "dome")) < 4.5 * error + 2e-3 * mean


@pytest.mark.parametrize("size", [(1, 1), (3, 1), (1, 3), (2, 2)])
def test_tiny_images_light_a_dome(kernels, size):
    pixels = np.full((*size, 3), 2.0, np.float32)
    stage = Stage(kernels, flat_scene([light("dome", image=0)], (), [Image("k", pixels, "linear")]))
    assert irradiance(stage, (0, 0, 0), (0, 1, 0))[0] == pytest.approx(2 * np.pi, rel=0.01)


def test_a_dome_shows_the_middle_of_its_image_straight_ahead(kernels):
    pixels = np.zeros((8, 16, 3), np.float32)
    pixels[3:5, 7:9] = (1, 0, 0)  # -z
    pixels[3:5, 11:13] = (0, 1, 0)  # +x
    pixels[0] = (0, 0, 1)  # up
    flat = flat_scene([light("dome", image=0)], (), [Image("k", pixels, "linear")])
    stage = Stage(kernels, flat)
    _, seen = stage.meet(
        0, (0, 0, 0), np.array([(0, 0, -1), (1, 0, 0), (0, 1, 0), (-1, 0, 0), (0, -1, 0)], float), 1e30
    )
    assert np.allclose(seen, [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0), (0, 0, 0)], atol=1e-5)


def test_an_image_on_a_rectangle_is_upright_for_who_looks_into_the_light(kernels):
    pixels = np.zeros((2, 2, 3), np.float32)
    pixels[0, 0], pixels[0, 1], pixels[1, 0] = (1, 0, 0), (0, 1, 0), (0, 0, 1)
    image = Image("k", pixels, "linear")
    stage = Stage(kernels, flat_scene([light("rectangle", size=(2, 2), image=0)], (), [image]))
    # who stands at z = -5 and looks along +z with y up has +x on the left
    p = np.array([(0.9, 0.9, -5), (-0.9, 0.9, -5), (0.9, -0.9, -5)], float)
    _, seen = stage.meet(0, p, np.tile((0.0, 0.0, 1.0), (3, 1)))
    assert np.allclose(seen, np.eye(3), atol=1e-5)


MOVED = placed((0.9, 1.0, -0.2), (0.5, -0.6, 0.4), roll=0.2)


@pytest.mark.parametrize("kind", ["rectangle", "disk", "sphere", "cylinder", "mesh"])
def test_a_light_on_the_move_is_where_the_shutter_says(kernels, kind):
    rng = np.random.default_rng(5)
    if kind == "mesh":
        flat = flat_scene([light("mesh", instance=0)], [mesh_instance(ball(), SCALED, SCALED + MOVED - TURNED)])
    else:
        flat = flat_scene([light(kind, size=(0.3, 0.4), at=TURNED, close=MOVED, flags=TWO_SIDED)])
    stage, p = Stage(kernels, flat), np.array((0.5, -1.5, 0.5))
    for time in (0.0, 0.4, 1.0):
        wi, dist, _, pdf, _ = stage.sample(0, p, rng.random((2000, 3)), time)
        good = np.flatnonzero(pdf > 0)
        assert good.size > 500
        if kind != "mesh":
            t, _ = stage.meet(0, p, wi[good], time=time)
            hit = t < 1e20
            assert hit.mean() > 0.99
            assert np.allclose(t[hit], dist[good][hit], rtol=1e-3)
            told = stage.pdf(0, p, wi[good][hit], t[hit], time=time)
            assert np.quantile(np.abs(told / pdf[good][hit] - 1), 0.99) < 1e-3
            x = p + wi[good][hit] * t[hit, None]
            boxes = stage.tables.shape_boxes[0]
            assert (x >= boxes[:3]).all() and (x <= boxes[3:]).all()
        centre = SCALED[:, 3] + time * (MOVED - TURNED)[:, 3] if kind == "mesh" else None
        if kind == "mesh" and time == 0.4:
            x = p + wi[good] * dist[good, None]
            assert np.linalg.norm(x - centre, axis=1).max() < 0.6


@pytest.mark.parametrize("scene", [*SCENES, "point", "spot"])
def test_no_light_is_missed_by_its_estimate(kernels, scene):
    """The estimate is positive wherever a sample of the light contributes: 100,000 receivers."""
    flat = SCENES.get(scene) or flat_scene([light(scene, at=TURNED, cone=np.cos((0.2, 0.6)))])
    rng = np.random.default_rng(2)
    stage, n = Stage(kernels, flat), 100000
    p = TURNED[:, 3] + rng.normal(size=(n, 3)) * np.exp(rng.uniform(-2, 3, (n, 1)))
    normal = rng.normal(size=(n, 3))
    normal /= np.linalg.norm(normal, axis=1)[:, None]
    guess, open_guess = stage.estimate(0, p, normal), stage.estimate(0, p, np.zeros(3))
    assert np.isfinite(guess).all() and (guess >= 0).all()
    for _ in range(3):
        wi, _, emission, pdf, _ = stage.sample(0, p, rng.random((n, 3)))
        sent = (pdf > 0) & (emission.max(1) > 0)
        assert sent.sum() > 0.01 * n
        assert (open_guess[sent] > 0).all()
        assert (guess[sent & ((wi * normal).sum(1) > 1e-5)] > 0).all()


@pytest.mark.parametrize("scene", SCENES)
def test_no_place_and_no_random_number_makes_a_light_lose_its_head(kernels, scene):
    """Receivers on, in and at the rims of the light, with the extremes of the random numbers, give finite values."""
    stage = Stage(kernels, SCENES[scene])
    top = np.float32(1) - np.float32(2) ** -24
    u = np.array([(a, b, c) for a in (0, 0.5, top) for b in (0, 0.5, top) for c in (0, 0.3, top)])
    spots = [(0, 0, 0), (0.4, 0.25, 0), (0.4, 0, 0), (0.3, 0, 0), (0, 0.1, 0), (0.45, 0.1, 0), (0, 0, -1e-7), (5, 0, 0)]
    spots += [(0, 0, 1e-20), (0.1, 0.1, 0), (1e6, 0, -1e6), (0, 0.5, 0)]
    p = np.repeat([local(s) for s in spots], len(u), axis=0)
    u = np.tile(u, (len(spots), 1))
    wi, dist, emission, pdf, _ = stage.sample(0, p, u)
    for value in (wi, dist, emission, pdf):
        assert np.isfinite(value).all()
    assert (pdf >= 0).all() and (emission[pdf == 0] == 0).all()
    assert np.isfinite(stage.estimate(0, p, wi)).all()
    for tri in (-1, 0, 1, 10**6):
        told = stage.pdf(0, p, wi, np.minimum(dist, 1e20), tri)
        assert np.isfinite(told).all() and (told >= 0).all()
    t, seen = stage.meet(0, p, wi)
    assert not np.isnan(t).any() and np.isfinite(seen).all()


def test_lights_without_size_or_strength_are_silent(kernels):
    dead = [light(k, size=s) for k in ("rectangle", "disk", "sphere", "cylinder") for s in ((0, 0), (0, 1))]
    dead += [light("dome", (0, 0, 0)), light("point", (0, 0, 0)), light("mesh", instance=0)]
    stage = Stage(kernels, flat_scene(dead, [mesh_instance(mesh_of(np.ones((3, 3)), [(0, 1, 2)]))]))
    assert len(stage.tables.shape_ids) == 0
    for k in range(len(dead)):
        _, _, emission, pdf, _ = stage.sample(k, (0.1, 0.2, -1), np.random.default_rng(1).random((50, 3)))
        assert (pdf == 0).all() and (emission == 0).all()
        assert stage.estimate(k, (0.1, 0.2, -1), (0, 0, 1)) == 0
        assert stage.tables.power[k] == 0


def test_a_lamp_of_48_triangles_is_sampled_almost_evenly(kernels):
    """Radiance over density of a faceted ball varies by a quarter at ten radii; by area alone it is six times that."""
    stage, rng = (
        Stage(kernels, flat_scene([light("mesh", instance=0)], [mesh_instance(ball())])),
        np.random.default_rng(4),
    )
    spread = []
    for _ in range(20):
        d = rng.normal(size=3)
        _, _, e, pdf, _ = stage.sample(0, 10 * d / np.linalg.norm(d), rng.random((20000, 3)))
        value = np.where(pdf > 0, e[:, 0] / np.where(pdf > 0, pdf, 1), 0)
        spread.append(value.std() / value.mean())
    assert np.sqrt(np.mean(np.square(spread))) < 0.3


def test_mesh_lights_are_found_from_what_a_ray_hits(kernels):
    lamps = [mesh_instance(ball(), SCALED), mesh_instance(quad()), mesh_instance(ball(), MIRRORED)]
    tables = Stage(
        kernels, flat_scene([light("point"), light("mesh", instance=2), light("mesh", instance=0)], lamps)
    ).tables
    assert tables.mesh_light_of.tolist() == [2, -1, 1]
    assert tables.power[1] == pytest.approx(tables.power[2], rel=1e-5)
    assert tables.shape_boxes.shape == (0, 6)


def test_a_scene_without_lights_has_tables():
    from studio.render.tracer.emitters import LIGHT_STRIDE, build_light_tables

    tables = build_light_tables(flat_scene([]))
    assert tables.rows.shape == (1, LIGHT_STRIDE) and tables.power.shape == (0,)


def test_the_tables_of_large_lights_stay_bounded():
    from studio.render.tracer.light_tables import build_light_tables

    flat = flat_scene([light("mesh", instance=0)], [mesh_instance(ball(130, 130))])
    count = len(flat.meshes[0].mesh.triangles)
    assert build_light_tables(flat).table.size < 9 * count + (1 << 18) + count


def test_broken_numbers_silence_a_light_and_nothing_else(kernels):
    bad = np.full((3, 4), np.nan, np.float32)
    lights = [light(k, size=(np.nan, 1)) for k in KINDS if k not in ("mesh", "point", "spot")]
    lights += [light(k, (np.nan, np.inf, 1), size=(1, 1)) for k in KINDS if k != "mesh"]
    lights += [light(k, size=(1, 1), at=bad) for k in KINDS if k != "mesh"]
    lights += [light(k, (1e38, 1e38, 1e38), size=(1e30, 1e30)) for k in KINDS if k != "mesh"]
    points = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (np.nan, np.inf, 0)], np.float32)
    first = len(lights)
    lights += [light("mesh", instance=0), light("mesh", instance=1), light("point")]
    flat = flat_scene(lights, [mesh_instance(mesh_of(points, [(0, 1, 2), (1, 2, 3)])), mesh_instance(quad(), bad)])
    stage = Stage(kernels, flat)
    assert np.isfinite(stage.tables.power).all()
    assert np.isfinite(stage.tables.table).all()
    assert np.isfinite(stage.tables.shape_boxes).all()
    u = np.random.default_rng(1).random((20, 3))
    for k in range(len(lights)):
        wi, _, emission, pdf, _ = stage.sample(k, (0.2, 0.1, -1), u)
        assert np.isfinite(wi).all() and np.isfinite(emission).all() and np.isfinite(pdf).all(), k
        assert np.isfinite(stage.estimate(k, (0.2, 0.1, -1), (0, 0, 1))), k
    assert (stage.sample(first, (0.2, 0.2, 1.0), u)[3] > 0).any()


@pytest.mark.parametrize("kind", ["rectangle", "disk", "cylinder", "sphere"])
def test_the_dark_side_of_a_shape_is_not_there(kernels, kind):
    stage = Stage(kernels, flat_scene([light(kind, size=(0.4, 0.5))]))
    inside = kind in ("cylinder", "sphere")
    p, d = ((0, 0, 0), (0, 0.6, 0.8)) if inside else ((0.1, 0.1, 2), (0, 0, -1))
    t, _ = stage.meet(0, p, np.array([d], float))
    assert t[0] > 1e29
    _, _, _, pdf, _ = stage.sample(0, p, np.random.default_rng(1).random((100, 3)))
    assert (pdf == 0).all()


@pytest.mark.parametrize("scene", ["rectangle", "disk", "sphere", "cylinder, two-sided", "sphere from inside"])
def test_rays_that_happen_to_meet_a_shape_bring_as_much_light_as_sampling_it(kernels, scene):
    """Within 4.5 standard errors; and every meeting lies in the box that the hierarchy is built of."""
    rng = np.random.default_rng(9)
    stage, p, n = Stage(kernels, SCENES[scene]), receiver("near"), TURNED[:, 2].astype(float)
    d = rng.normal(size=(300000, 3))
    d /= np.linalg.norm(d, axis=1)[:, None]
    t, seen = stage.meet(0, p, d)
    value = np.where(t < 1e20, seen[:, 0], 0.0) * np.maximum(d @ n, 0.0) * 4 * np.pi
    mean, error = irradiance(stage, p, n)
    assert abs(value.mean() - mean) < 4.5 * np.hypot(error, value.std() / np.sqrt(len(d)))
    x, box = p + d[t < 1e20] * t[t < 1e20, None], stage.tables.shape_boxes[0]
    assert (x >= box[:3]).all() and (x <= box[3:]).all()


def test_lamps_that_differ_in_place_size_and_strength_share_their_distributions(kernels):
    """And only those: a stretched one and a turned one have their own."""
    eye = np.eye(4, dtype=np.float32)[:3]
    moved, large, stretched = eye + np.float32([[0, 0, 0, 3]]), np.diag([2, 2, 2]), np.diag([1, 3, 1])
    turned = np.array(((0.0, 0, 1), (0, 1, 0), (-1, 0, 0)))
    places = [
        eye,
        moved,
        *(np.concatenate((m, [[5], [-2], [4]]), axis=1).astype(np.float32) for m in (large, stretched, turned)),
    ]
    lights = [light("mesh", (k + 1.0,) * 3, instance=k) for k in range(len(places))]
    stage = Stage(kernels, flat_scene(lights, [mesh_instance(bowl(), at) for at in places]))
    starts = [tuple(row[[lr.PICKS_HI, lr.PICKS_LO]]) for row in stage.tables.rows]
    assert starts[0] == starts[1] == starts[2]
    assert len({starts[0], starts[3], starts[4]}) == 3


def test_a_spinning_lamp_is_never_lost(kernels):
    """Half a turn within the shutter: every direction that a still copy lights is lit by the spinning one as well."""
    turn = np.array(((0.0, 0, 1), (0, 1, 0), (-1, 0, 0)), np.float32)
    half = np.concatenate((turn @ SCALED[:, :3], SCALED[:, 3:]), axis=1)
    flat = flat_scene([light("mesh", instance=0)], [mesh_instance(bowl(), SCALED, half)])
    stage, rng = Stage(kernels, flat), np.random.default_rng(6)
    n = 40000
    p = TURNED[:, 3] + rng.normal(size=(n, 3)) * 3
    start = int(stage.tables.rows[0, lr.OFFSET_HI] * 65536 + stage.tables.rows[0, lr.OFFSET_LO])
    corners = stage.tables.table[start : start + 8 * 18].reshape(8, 6, 3).astype(float)
    for time in (0.2, 0.6, 0.9):
        a, b, c = (corners[:, k] * (1 - time) + corners[:, k + 3] * time for k in range(3))
        front = -np.einsum("ntc,tc->nt", a - p[:, None], np.cross(b, c)) > 1e-3
        for tri in range(8):
            there = front[:, tri]
            x = p[there] + 0.0
            v = (a + (b + c) / 3)[tri] - x
            dist = np.linalg.norm(v, axis=1)
            assert (stage.pdf(0, x, v / dist[:, None], dist, tri, time) > 0).all()


def test_no_two_numbers_of_a_lights_row_share_a_column():
    wide = {"EMISSION": 3, "SIZE": 2, "CONE": 2, "CENTRE": 3, "LEAN": 3, "OPEN": 12, "CLOSE": 12}
    wide |= {"GOBO_TURN": 4, "BARN": 4, "BANDS": lr.N_BANDS}
    kinds = {"POINT", "SPOT", "RECTANGLE", "DISK", "SPHERE", "CYLINDER", "DISTANT", "DOME", "MESH"}
    names = [n for n, v in vars(lr).items() if n.isupper() and type(v) is int and n not in kinds]
    taken = [
        c
        for n in names
        if n not in ("LIGHT_STRIDE", "NO_IMAGE", "N_BANDS", "IMAGED", "SHAPED")
        for c in range(vars(lr)[n], vars(lr)[n] + wide.get(n, 1))
    ]
    assert len(taken) > 40 and len(set(taken)) == len(taken) and max(taken) < lr.LIGHT_STRIDE
