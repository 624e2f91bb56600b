"""Light linking, shadow linking and the colour of shadows: who lights whom, and what blocks whom, by the bits.

A light is found in two ways, by sampling it and by meeting it; linking has to hold in both, and what is left has to be
whole in both together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from studio.render.film import AOVS
from studio.render.tracer import lightpick
from studio.scene.flat import FlatScene
from studio.scene.lights import PORTAL, SHADOW_LINKED, Light
from studio.scene.materials import Material
from tests.render.scenes import (
    BLACK,
    aimed,
    ball,
    eye,
    film_of,
    flat_of,
    floor,
    lamp,
    matte,
    pixels_of,
    quad,
    repeats,
    settings,
    smallest_p,
    thing,
)
from tests.render.test_determinism import digest
from tests.render.test_integrator import FLOOR, GREY, SPOT, agrees
from tests.render.test_lightpick import picks, shares

SIGNIFICANCE = 1e-3
GLOSSY = Material(base_metalness=1.0, base_color=(0.9, 0.9, 0.9), specular_roughness=0.3)
MIRROR = Material(base_metalness=1.0, base_color=(1, 1, 1), specular_roughness=0.0)
SURFACES = {"grey": GREY, "glossy": GLOSSY, "mirror": MIRROR}
OVER = aimed((0.3, 0.9, 0.4), (0, 0, 0))
OFF = {"seen_by_camera": False}
LIGHTS = {
    "point": Light(intensity=1.0, radius_m=0.0, translation=(0.3, 0.9, 0.4)),
    "sphere": Light(light="sphere", unit="nt", intensity=4.0, radius_m=0.3, translation=(0.3, 0.9, 0.4), **OFF),
    "rectangle": Light(light="rectangle", unit="nt", intensity=4.0, **OVER, **OFF),
    "dome": Light(light="dome", unit="nt", intensity=1.0, **OFF),
    "distant": Light(light="distant", unit="lx", intensity=3.0, angle_deg=20.0, **OVER, **OFF),
}
SECOND = Light(light="rectangle", unit="nt", intensity=2.0, **OFF, **aimed((-0.5, 1.2, 0.3), (0, 0, 0)))
BALL = eye((0.4, 1.6, 2.2), (0.0, 0.0, 0.0), fov_y=13.0)
TOWARD = np.eye(3, 4, dtype=np.float32)
SCREEN = quad((0, 0.3, 0), (90, 0, 0), (0, 0, 90))


def bits(rows: Any) -> Any:
    """(sets, words) links of (sets, lights) truths."""
    rows = np.atleast_2d(np.asarray(rows, bool))
    padded = np.zeros((len(rows), -(-rows.shape[1] // 32) * 32), bool)
    padded[:, : rows.shape[1]] = rows
    return np.packbits(padded, axis=1, bitorder="little").view("<u4").astype(np.uint32)


def linked(flat: FlatScene, *, receivers: Any = (), links: Any = None, blockers: Any = (), shadows: Any = None):
    """The scene with sets for its instances; `links` and `shadows` (sets - 1, lights) come after the set of all."""
    instances, lights = flat.instances.copy(), flat.lights.copy()
    everyone = np.ones((1, len(lights)), bool)
    changes: dict[str, Any] = {}
    for name, sets, field, rows in (
        ("light_links", receivers, "link", links),
        ("shadow_links", blockers, "shadow_link", shadows),
    ):
        if rows is not None:
            instances[field][: len(sets)] = sets
            changes[name] = bits(np.concatenate((everyone, np.atleast_2d(rows))))
    if shadows is not None:
        lights["flags"][~np.atleast_2d(np.asarray(shadows, bool)).all(0)] |= SHADOW_LINKED
    return replace(flat, instances=instances, lights=lights, **changes)


def tinted(flat: FlatScene, color: Any, which: int = 0) -> FlatScene:
    lights = flat.lights.copy()
    lights["shadow_color"][which] = color
    return replace(flat, lights=lights)


def shown(tracer: Any, flat: FlatScene, *, depth: int = 2, n: int = 8, spp: int = 64):
    """Mean of the picture and its standard error, as `seen`."""
    r = repeats(tracer, flat, settings(8, 8, spp, depth=depth), n).mean((1, 2))
    return r.mean(0), r.std(0, ddof=1) / n**0.5


def alike(tracer: Any, one: FlatScene, other: FlatScene, *, spp: int = 64, **more: Any) -> bool:
    """A Welch test of independent pictures, and whether it could have seen a few percent."""
    pictures = [
        repeats(tracer, f, settings(8, 8, spp, seed=s, **more), 12).mean((1, 2)) for f, s in ((one, 0), (other, 50))
    ]
    assert (pictures[0].std(0, ddof=1) / 12**0.5 < 2e-2 * pictures[0].mean(0) + 1e-6).all()
    return smallest_p(*pictures) > SIGNIFICANCE


# --- light linking ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("surface", list(SURFACES))
@pytest.mark.parametrize("kind", list(LIGHTS))
def test_a_ball_that_a_light_leaves_out_is_lit_by_the_others_alone(tracer, kind, surface):
    things = [thing(ball(0.4, smooth=True), SURFACES[surface])]
    both = flat_of(things, [LIGHTS[kind], SECOND], camera=BALL)
    out = linked(both, receivers=[1], links=[False, True])
    assert alike(tracer, out, flat_of(things, [SECOND], camera=BALL), depth=2)


@pytest.mark.parametrize("surface", list(SURFACES))
@pytest.mark.parametrize("kind", list(LIGHTS))
def test_a_ball_without_any_light_is_black(tracer, kind, surface):
    flat = flat_of(
        [thing(ball(0.4, smooth=True), SURFACES[surface])], [LIGHTS[kind]], camera=eye((0, 0, 2), (0, 0, 0), fov_y=8)
    )
    assert (shown(tracer, linked(flat, receivers=[1], links=[False]), n=2)[0] == 0.0).all()


def test_others_are_lit_as_before(tracer):
    """Of two balls one is left out by the lamp; the other's pixels do not change."""
    things = [thing(ball(0.4, centre=(x, 0, 0)), GREY) for x in (-0.5, 0.5)]
    camera = eye((0, 0, 4), (0, 0, 0), fov_y=25)
    flat = flat_of(things, [Light(intensity=1.0, radius_m=0.2, translation=(0, 1, 2))], camera=camera)
    s = settings(24, 12, 64, depth=2)
    plain, some = (repeats(tracer, f, s, 6) for f in (flat, linked(flat, receivers=[0, 1], links=[False])))
    assert (some[:, :, 13:] == 0.0).all()
    assert smallest_p(some[:, :, :11].mean((1, 2)), plain[:, :, :11].mean((1, 2))) > SIGNIFICANCE


def test_light_that_reaches_by_way_of_another_surface_still_does(tracer):
    """A lit wall beside a floor that the lamp leaves out: the floor is lit by the wall, and by no more."""
    wall = thing(quad((0, 0.5, -0.3), (0.5, 0, 0), (0, 0.5, 0)), GREY)
    source = Light(intensity=1.0, radius_m=0.0, translation=(0, 0.4, 0.3))
    flat = flat_of([FLOOR, wall], [source], camera=SPOT)
    out = linked(flat, receivers=[1, 0], links=[False])
    whole, direct, rest = shown(tracer, flat, depth=3), shown(tracer, flat, depth=2), shown(tracer, out, depth=3)
    error = np.sqrt(whole[1] ** 2 + direct[1] ** 2 + rest[1] ** 2)
    assert (rest[0] > 10 * error).all()
    # the wall's own light from the floor is of a higher depth
    assert (np.abs(whole[0] - direct[0] - rest[0]) < 4.5 * error + 1e-3 * whole[0]).all()


def test_the_camera_sees_a_lamp_that_lights_nothing(tracer):
    source = Light(
        light="rectangle", unit="nt", intensity=3.0, width_m=9.0, height_m=9.0, **aimed((0, 0, 0), (0, 0, 5))
    )
    flat = flat_of([thing(floor(9.0, y=-1.0), GREY)], [source], camera=eye((0, 0, 3), (0, 0, 0), fov_y=20.0))
    film = film_of(tracer, linked(flat, receivers=[1], links=[False]), settings(8, 8, 4))
    assert film.rgb("") == pytest.approx(3.0, rel=1e-5)


def crowd(n: int = 70) -> FlatScene:
    """Two floors side by side under many lamps of all sizes."""
    rng = np.random.default_rng(3)
    lights = [
        Light(
            intensity=rng.uniform(0.2, 2.0),
            radius_m=0.0 if k % 2 else 0.05,
            translation=tuple(rng.uniform((-1, 0.3, -1), (1, 1, 1))),
            **OFF,
        )
        for k in range(n)
    ]
    halves = [thing(quad((x, 0, 0), (0.5, 0, 0), (0, 0, -1)), matte(0.6)) for x in (-0.5, 0.5)]
    return flat_of(halves, lights, camera=eye((0, 3, 0.01), (0, 0, 0), fov_y=40))


ALLOWED = np.random.default_rng(5).random((2, 70)) < 0.4


def test_sets_of_many_lights_are_lit_by_theirs(tracer):
    """Against scenes that have only those lights; over blocks of pixels."""
    flat = crowd()
    out = linked(flat, receivers=[1, 2], links=ALLOWED)
    s = settings(16, 16, 32, depth=2)
    got = repeats(tracer, out, s, 10)
    for half, allowed in enumerate(ALLOWED):
        mine = slice(1, 7) if half == 0 else slice(9, 15)
        alone = replace(flat, lights=flat.lights[allowed], light_names=tuple(np.array(flat.light_names)[allowed]))
        truth = repeats(tracer, alone, replace_seed(s, 77), 10)
        columns = [p[:, 2:14, mine].reshape(10, 6, 2, 6, 3).mean((2, 3)).reshape(10, -1) for p in (got, truth)]
        assert smallest_p(*columns) > SIGNIFICANCE


def replace_seed(s: Any, seed: int) -> Any:
    import msgspec

    return msgspec.structs.replace(s, seed=seed)


def test_no_pick_is_spent_on_a_light_that_is_not_linked(tracer):
    """In every cell that was learned, and by power alone: shares are 0 and 20,000 draws meet none."""
    out = linked(crowd(), receivers=[1, 2], links=ALLOWED)
    tracer.load(out)
    tracer.prepare(settings(32, 32, 1, depth=3))
    d, table = tracer.device, (tracer.device.start, tracer.device.light, tracer.device.cdf, tracer.device.power_cdf)
    cells = tracer.learned.links
    assert set(cells) == {1, 2} and tracer.learned.n_cells > 20
    u = np.random.default_rng(1).random(20000).astype(np.float32)
    drawn = np.zeros((len(u), 2), np.float32)
    for cell in (-1, *np.flatnonzero(cells == 1)[:3].tolist(), *np.flatnonzero(cells == 2)[:3].tolist()):
        for set_ in (1, 2) if cell < 0 else (int(cells[cell]),):
            own = np.zeros((1, 70), np.float32)
            shares(*table, cell, set_ * 70, own)
            assert own[0, ~ALLOWED[set_ - 1]].max() == 0.0
            assert own.sum() == pytest.approx(1.0, abs=1e-4)
            picks(*table, cell, set_ * 70, 70, u, drawn)
            assert ALLOWED[set_ - 1][drawn[:, 0].astype(int)].all()
            assert (drawn[:, 1] > 0).all()
    assert d.power_cdf.shape == (210,)


def test_surfaces_without_lights_cost_no_shadow_rays(tracer):
    flat = flat_of([FLOOR], [LIGHTS["point"], SECOND], camera=SPOT)
    s = settings(8, 8, 16, depth=3)
    before = tracer.rays
    film_of(tracer, linked(flat, receivers=[1], links=[False, False]), s)
    assert tracer.rays - before == 8 * 8 * 16 * 2  # the camera's ray and the next, which meets nothing


def test_shadow_rays_are_counted_by_light(tracer):
    """All rays of a frame are those of the paths and those counted; a light that nothing is linked to has none."""
    rows = np.ones((2, 70), bool)
    rows[:, 7:70:3] = False
    out = linked(crowd(), receivers=[1, 2], links=rows)
    s = settings(16, 16, 8, depth=2)
    tracer.load(out)
    tracer.prepare(s)
    assert tracer.counts.size == 0
    tracer.count_shadow_rays()
    tracer.mean_image(s)
    assert (tracer.counts[~rows[0]] == 0).all() and tracer.counts.shape == (70,)
    assert 0.3 * 16 * 16 * 8 < tracer.counts.sum() <= 16 * 16 * 8
    tracer.load(out)
    assert tracer.counts.size == 0


def test_cells_of_one_place_are_apart_by_their_sets(taichi_cpu):
    points = np.zeros((4, 7), np.float32)
    points[:, 4], points[:, 6] = 1.0, (0, 1, 2, 70)
    out = np.zeros((4, 2), np.int32)
    lightpick.hash_vertices(points, np.array([0, 0, 0, 0.1, 0.1, 5], np.float32), 0, out)
    assert len({tuple(row) for row in out.tolist()}) == 4


def test_links_that_change_need_no_new_hierarchy(tracer):
    flat = flat_of([FLOOR], [LIGHTS["point"], SECOND], camera=SPOT)
    tracer.load(flat)
    tracer.load(linked(flat, receivers=[1], links=[False, True]))
    assert "geometry" not in tracer.rebuilt and "surfaces" in tracer.rebuilt
    s = settings(8, 8, 16, depth=2)
    tracer.prepare(s)
    changed = tracer.mean_image(s)
    tracer.load(flat_of([FLOOR], [SECOND]))
    tracer.load(linked(flat, receivers=[1], links=[False, True]))
    tracer.prepare(s)
    assert (tracer.mean_image(s) == changed).all()


# --- shadow linking --------------------------------------------------------------------------------------------------
KEPT = {"baked": {}, "an instance": {"visible_camera": False}}


@pytest.mark.parametrize("kind", list(LIGHTS))
@pytest.mark.parametrize("how", list(KEPT))
def test_a_blocker_blocks_the_lights_of_its_set_alone(tracer, how, kind):
    """A black screen over the floor stops the second lamp and lets the first pass."""
    camera = eye((0.0, 0.2, 0.02), (0.0, 0.0, 0.0), fov_y=0.5)
    things = [FLOOR, thing(SCREEN, BLACK, **KEPT[how])]
    flat = flat_of(things, [LIGHTS[kind], SECOND], camera=camera)
    assert (shown(tracer, flat, n=2, spp=16)[0] < 1e-3).all()
    out = linked(flat, blockers=[0, 1], shadows=[False, True])
    assert alike(tracer, out, flat_of([FLOOR], [LIGHTS[kind]], camera=camera), depth=2)


def test_a_blocker_with_holes_blocks_its_share_of_the_lights_of_its_set(tracer):
    half = matte(0.0, geometry_opacity=0.5, alpha_mode="blend")
    camera = eye((0.0, 0.2, 0.02), (0.0, 0.0, 0.0), fov_y=0.5)
    lights = [LIGHTS["point"], Light(intensity=2.0, radius_m=0.0, translation=(-0.3, 0.8, 0.2))]
    one, two = (shown(tracer, flat_of([FLOOR], [light], camera=camera))[0] for light in lights)
    flat = flat_of([FLOOR, thing(SCREEN, half)], lights, camera=camera)
    assert agrees(shown(tracer, linked(flat, blockers=[0, 1], shadows=[False, True])), one + 0.5 * two, 2e-3)
    assert agrees(shown(tracer, flat), 0.5 * (one + two), 2e-3)


@pytest.mark.parametrize("surface", list(SURFACES))
@pytest.mark.parametrize("kind", ["sphere", "rectangle", "dome", "distant"])
def test_a_light_with_links_or_coloured_shadows_is_whole_where_nothing_is_in_the_way(tracer, kind, surface):
    """Matte light by light sampling, specular light by scattered rays, against both weighed."""
    things = [thing(ball(0.4, smooth=True), SURFACES[surface]), thing(ball(0.1, centre=(0, 50, 0)), GREY)]
    flat = flat_of(things, [LIGHTS[kind]], camera=BALL)
    assert alike(tracer, linked(flat, blockers=[0, 1], shadows=[False]), flat, depth=2, spp=256)
    assert alike(tracer, tinted(flat, (0.5, 0.5, 0.5)), flat, depth=2, spp=256)


# --- the colour of shadows -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", list(LIGHTS))
def test_a_shadow_holds_the_share_of_the_light_that_its_colour_says(tracer, kind):
    camera = eye((0.0, 0.2, 0.02), (0.0, 0.0, 0.0), fov_y=0.5)
    color = np.array((0.25, 0.5, 1.0))
    lit = shown(tracer, flat_of([FLOOR], [LIGHTS[kind]], camera=camera), n=12)
    under = tinted(flat_of([FLOOR, thing(SCREEN, BLACK)], [LIGHTS[kind]], camera=camera), color)
    got = shown(tracer, under, n=12)
    assert (np.abs(got[0] - color * lit[0]) < 4.5 * np.hypot(got[1], color * lit[1]) + 1e-3 * lit[0]).all()


def test_a_half_shadow_is_half_way(tracer):
    """Under a screen over one half of the lamp's light: what is lit plus the shadow's share of the rest."""
    camera = eye((0.0, 0.2, 0.02), (0.0, 0.0, 0.0), fov_y=0.5)
    half = thing(quad((1.0, 0.3, 0), (1, 0, 0), (0, 0, 2)), BLACK)
    source = Light(light="rectangle", unit="nt", intensity=4.0, **aimed((0, 0.9, 0), (0, 0, 0)))
    lit, dark = (shown(tracer, flat_of(things, [source], camera=camera))[0] for things in ([FLOOR], [FLOOR, half]))
    got = shown(tracer, tinted(flat_of([FLOOR, half], [source], camera=camera), (0.3, 0.3, 0.3)))
    assert agrees(got, dark + 0.3 * (lit - dark), 4e-3)


def test_a_shadow_colour_that_shares_no_channel_with_its_light_is_black(tracer):
    source = Light(intensity=1.0, radius_m=0.0, color=(1.0, 0.0, 0.0), translation=(0.3, 0.9, 0.4))
    camera = eye((0.0, 0.2, 0.02), (0.0, 0.0, 0.0), fov_y=0.5)
    flat = tinted(flat_of([FLOOR, thing(SCREEN, BLACK)], [source], camera=camera), (0.0, 1.0, 0.0))
    assert (shown(tracer, flat, n=2)[0] == 0.0).all()


def test_a_glowing_mesh_may_colour_its_shadows_too(tracer):
    """And is met by scattered rays as before."""
    camera = eye((0.0, 0.2, 0.02), (0.0, 0.0, 0.0), fov_y=0.5)
    panel = thing(quad((0, 0.9, 0), (0.5, 0, 0), (0, 0, 0.5)), lamp(3.0))
    lit = shown(tracer, flat_of([FLOOR, panel], camera=camera))[0]
    under = tinted(flat_of([FLOOR, panel, thing(SCREEN, BLACK)], camera=camera), (0.5, 0.5, 0.5))
    assert agrees(shown(tracer, under), 0.5 * lit, 3e-3)


# --- everything at once ----------------------------------------------------------------------------------------------
def test_links_portals_and_coloured_shadows_leave_no_trace_of_how_a_frame_was_split(tracer):
    """Permuted pixels and ranges of samples give the same bits as the whole at once."""
    flat = crowd()
    lights = flat.lights.copy()
    lights["shadow_color"][5:9] = (0.2, 0.5, 0.1)
    lights["barn"][10:20], lights["barn_soft"][10:20] = (0.5, 0.2, 0.3, 0.9), 0.1
    sky = flat_of([FLOOR], [LIGHTS["dome"]]).lights
    flat = replace(flat, lights=np.concatenate((lights, sky)), light_names=(*flat.light_names, "sky"))
    flat = replace(flat, portals=np.array([((1.0, 1.0), TOWARD, TOWARD)], PORTAL))
    rng = np.random.default_rng(8)
    flat = linked(
        flat, receivers=[1, 2], links=rng.random((2, 71)) < 0.5, blockers=[1, 0], shadows=rng.random(71) < 0.5
    )
    s = settings(24, 16, 8, depth=4)
    whole = film_of(tracer, flat, s, aovs=AOVS)
    pixels = rng.permutation(pixels_of(s))
    parts = [(cut, first, 4) for first in (4, 0) for cut in np.array_split(pixels, 3)]
    again = film_of(tracer, flat, s, aovs=AOVS, parts=parts)
    assert digest(again) == digest(whole)
    assert np.isfinite(whole.rgb("")).all() and whole.rgb("").max() > 0.0
