"""The layers of single lights as the tracer sums them: they add up to the beauty, and each is what its light brings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from scipy import stats

from studio.render.film import Film, plan_layout, scene_exponent, scene_glare
from studio.render.layer_plan import LayerPlan, plan_layers, strips
from studio.render.protocol import crop_pixels
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene
from studio.scene.lights import Light
from studio.scene.materials import Material
from tests.render.scenes import aimed, ball, eye, flat_of, floor, lamp, matte, quad, settings, thing

SIGNIFICANCE = 1e-3  # of each comparison with a render of the light alone, Bonferroni corrected over blocks

MIRROR = Material(base_metalness=1.0, base_color=(0.9, 0.9, 0.9), specular_roughness=0.05)
GLASS = Material(transmission_weight=1.0, specular_ior=1.5, specular_roughness=0.0)
TWO_LAMPS = quad((0, 2.4, 0), (0.3, 0, 0), (0, 0, 0.3))
THINGS = [
    thing(floor(2.5), matte(0.6, 0.5, 0.4)),
    thing(ball(0.4, smooth=True, centre=(-0.7, 0.4, 0)), MIRROR),
    thing(ball(0.4, smooth=True, centre=(0.5, 0.4, 0.4)), GLASS),
    thing(quad((0, 1.5, -2.5), (2.5, 0, 0), (0, 1.5, 0)), matte(0.5)),
    thing(TWO_LAMPS, lamp(20.0)),
    thing(ball(0.1, centre=(1.0, 0.1, 1.0)), lamp(50.0, color=(1.0, 0.3, 0.1))),
]
LIGHTS = [
    Light(light="point", unit="cd", intensity=3.0, translation=(-1.5, 2.0, 1.0)),
    Light(light="spot", unit="cd", intensity=20.0, **aimed((1.5, 2.5, 1.5), (0, 0, 0))),
    Light(light="rectangle", unit="nt", intensity=5.0, width_m=0.8, height_m=0.5, **aimed((-2.2, 1.5, 0), (0, 1, 0))),
    Light(light="disk", unit="nt", intensity=5.0, radius_m=0.3, **aimed((2.2, 1.5, 0), (0, 1, 0))),
    Light(light="sphere", unit="nt", intensity=900.0, radius_m=0.05, translation=(0.0, 1.6, -1.0), group="practicals"),
    Light(light="cylinder", unit="nt", intensity=9.0, radius_m=0.05, length_m=1.0, translation=(0.0, 2.8, -2.0)),
    Light(light="point", unit="cd", intensity=9.0, muted=True),
    Light(light="dome", unit="nt", intensity=0.5, color=(0.4, 0.6, 1.0)),
    Light(light="distant", unit="lx", intensity=3.0, angle_deg=2.0, **aimed((0, 9, 9), (0, 0, 0))),
]
CAMERA = eye((0.0, 1.4, 6.0), (0.0, 1.0, 0.0), fov_y=35.0)


@pytest.fixture(scope="module")
def stage() -> FlatScene:
    """A corner under the sky, with all kinds of lights, a muted one among them."""
    return flat_of(THINGS, LIGHTS, camera=CAMERA)


def layered(
    tracer: Any, flat: FlatScene, asked: RenderSettings, *, steps: tuple[int, ...] = (), budget: int | None = None
) -> tuple[Film, Any, LayerPlan]:
    """A film, layers (n, h, w, 3) float32 and their plan. `steps` splits the samples, `budget` the picture."""
    glare = scene_glare(flat)
    layout = plan_layout(
        asked.width, asked.height, aovs=(), exponent=scene_exponent(flat.lights) - glare, glare=glare, crop=asked.crop
    )
    plan, _ = plan_layers(flat)
    film, h, w = Film.of(layout), asked.height, asked.width
    out = np.zeros((plan.count, h, w, 3), np.float32)
    tracer.load(flat)
    tracer.prepare(asked)
    tiles = (
        [layout.crop]
        if budget is None
        else [c for _, cells in strips(layout.crop, plan.count, budget=budget) for c in cells]
    )
    for n, (x0, y0, x1, y1) in enumerate(tiles):
        part = replace(layout, crop=(x0, y0, x1, y1))
        tracer.begin(part, asked, layers=plan, again=n > 0)
        at = asked.first_sample
        for step in steps or (asked.samples,):
            tracer.render(crop_pixels(part), at, step)
            tracer.collect(film)
            at += step
        halves, floats = plan.carve(memoryview(bytearray(plan.nbytes(x1 - x0, y1 - y0))), x1 - x0, y1 - y0)
        tracer.develop_layers(halves, floats)
        out[list(plan.halves), y0:y1, x0:x1] = halves.transpose(0, 1, 3, 2)[..., ::-1]
        out[list(plan.floats), y0:y1, x0:x1] = floats.transpose(0, 1, 3, 2)[..., ::-1]
    tracer.apart = None
    return film, out, plan


def test_every_emitter_that_shines_has_one_layer(stage):
    plan, entities = plan_layers(stage)
    names = [stage.light_ids[i] for i in entities]
    assert names == ["light0", "light1", "light2", "light3", "light4", "light5", "light7", "light8", "thing4", "thing5"]
    assert len(plan.layers) == len(stage.lights) and plan.count == 10


def test_the_layers_add_up_to_the_beauty(tracer, stage):
    film, layers, _ = layered(tracer, stage, settings(24, 18, 32, depth=8))
    total, beauty = layers.sum(0, dtype=np.float64), film.rgb("")
    assert (layers.reshape(len(layers), -1).max(1) > 0).all()
    # a half float is off by half of its eleventh binary digit; the sums themselves are exact, see the next test
    assert (np.abs(total - beauty) <= layers.sum(0) / 2048 + 1e-5).all()
    assert np.abs(total - beauty).mean() < 2e-4 * beauty.mean()


def test_the_sums_add_up_to_the_beautys_to_a_millionth(tracer, stage):
    asked = settings(16, 12, 16, depth=8)
    film, _, plan = layered(tracer, stage, asked)
    layout = film.layout
    tracer.begin(layout, asked, layers=plan, again=False)
    tracer.render(crop_pixels(layout), 0, asked.samples)
    sums = tracer.apart.sums.to_numpy().reshape(12, 16, plan.count, 3).sum(2)
    tracer.apart = None
    np.testing.assert_allclose(sums, film.sums[..., :3], rtol=1e-6)


def test_any_split_of_samples_and_picture_gives_the_same_bits(tracer, stage):
    asked = settings(24, 40, 6, depth=4)
    film, whole, plan = layered(tracer, stage, asked)
    tracer.batch = 700
    other, split, _ = layered(tracer, stage, asked, steps=(1, 3, 2), budget=16 * 16 * plan.count * 24)
    np.testing.assert_array_equal(whole, split)
    for name, array in film.buffers().items():
        np.testing.assert_array_equal(array, getattr(other, name), err_msg=name)


def test_the_film_is_that_of_a_render_without_layers(tracer, stage):
    asked = settings(16, 12, 4, depth=6)
    film, _, _ = layered(tracer, stage, asked)
    plain = Film.of(film.layout)
    tracer.begin(film.layout, asked)
    tracer.render(crop_pixels(film.layout), 0, 4)
    tracer.collect(plain)
    np.testing.assert_array_equal(film.sums, plain.sums)


@pytest.mark.parametrize("which", [1, 4, 6, 8])
def test_a_layer_is_what_a_render_of_its_light_alone_shows(tracer, stage, which):
    """Over 16 blocks, with means of 24 independent renders of either; light1 is a spot, light4 a sphere that the
    camera sees, light7 the dome, thing4 a panel."""
    _, entities = plan_layers(stage)
    name = stage.light_ids[entities[which]]
    # the others are nearly out and not gone, as to the camera they cover what is behind them
    lights = [x if f"light{i}" == name else replace(x, intensity=x.intensity * 1e-8) for i, x in enumerate(LIGHTS)]
    lamps = [t if f"thing{i}" == name else thing(t.mesh, lamp(1e-7)) for i, t in enumerate(THINGS) if i >= 4]
    alone = flat_of([*THINGS[:4], *lamps], lights, camera=CAMERA)

    def blocks(flat: FlatScene, first: int) -> Any:
        found = []
        for seed in range(first, first + 24):
            _, layers, _ = layered(tracer, flat, settings(16, 16, 16, depth=5, seed=seed))
            found.append(layers[which].mean(-1).reshape(4, 4, 4, 4).mean((1, 3)).ravel())
        return np.array(found, np.float64)

    ours, theirs = blocks(stage, 1), blocks(alone, 1000)
    assert theirs.mean() > 0
    p = np.nan_to_num(stats.ttest_ind(ours, theirs, equal_var=False).pvalue, nan=1.0)
    assert (p > SIGNIFICANCE / 16).all(), ours.mean(0) / theirs.mean(0)


def test_light_of_no_lamp_is_in_no_layer(tracer):
    screen = thing(quad((0, 1, -1), (1, 0, 0), (0, 1, 0)), Material(unlit=True, base_color=(0.5, 0.5, 0.5)))
    flat = flat_of([screen, thing(floor(3.0), matte(0.5))], LIGHTS[:1], camera=CAMERA)
    film, layers, _ = layered(tracer, flat, settings(16, 12, 16, depth=4))
    rest = film.rgb("") - layers.sum(0)
    assert rest[4:7, 6:10].min() > 0.4
    assert (rest > -layers.sum(0) / 4096 - 1e-5).all()


def test_a_sample_that_the_film_clamps_is_clamped_in_its_layers(tracer, stage):
    """At an exponent so high that the sky outshines the limit."""
    asked = settings(24, 18, 8, depth=4)
    plan, _ = plan_layers(stage)
    layout = plan_layout(24, 18, aovs=(), exponent=scene_exponent(stage.lights) + 20)
    assert layout.limit == 0.25
    tracer.load(stage)
    tracer.prepare(asked)
    tracer.begin(layout, asked, layers=plan)
    tracer.render(crop_pixels(layout), 0, 8)
    film = Film.of(layout)
    tracer.collect(film)
    sums = tracer.apart.sums.to_numpy().reshape(18, 24, plan.count, 3).sum(2)
    tracer.apart = None
    assert (film.rgb("") == layout.limit).any()
    np.testing.assert_allclose(sums, film.sums[..., :3], rtol=1e-6)


def test_a_path_has_room_for_all_that_it_meets(tracer):
    """Where it leaves the scene, every sky and sun; and everything else at each vertex of a long path."""
    skies = [Light(light="dome", unit="nt", intensity=0.1 * (k + 1)) for k in range(9)]
    suns = [
        Light(light="distant", unit="lx", intensity=1.0, angle_deg=60.0, **aimed((k, 5, 5), (0, 0, 0)))
        for k in range(4)
    ]
    white = [thing(t.mesh, t.material if k >= 4 else matte(0.95)) for k, t in enumerate(THINGS)]
    flat = flat_of(white, [*LIGHTS, *skies, *suns], camera=CAMERA)
    for depth in (1, 2, 24):
        asked = settings(12, 9, 4, depth=depth)
        film, _, plan = layered(tracer, flat, asked)
        tracer.begin(film.layout, asked, layers=plan)
        tracer.render(crop_pixels(film.layout), 0, asked.samples)
        sums = tracer.apart.sums.to_numpy().reshape(9, 12, plan.count, 3).sum(2)
        tracer.apart = None
        np.testing.assert_allclose(sums, film.sums[..., :3], rtol=1e-6)
