"""Shadows as they look: against the tracer's direct light, and what blocks which light how much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from studio.render.session import RenderSession
from studio.render.settings import RenderSettings
from studio.scene import linking
from studio.scene.flat import CASTS_SHADOWS, SEEN_BY_CAMERA, FlatScene
from studio.scene.flatten import flatten
from studio.scene.geometry import Image, make_image
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.photometry import LUMINANCE
from studio.scene.scene import Scene
from studio.viewport.device import Device
from studio.viewport.view import Mode
from tests.viewport.shadow_stage import LIGHTS, Drawn, around_x, box, stage
from tests.viewport.stages import RAW, lamp, sheet, thing

SIZE = (120, 80)
OPEN = replace(RAW, shadows=False)


@pytest.fixture
def drawn(device: Device) -> Iterator[Drawn]:
    """A renderer with a target."""
    made = Drawn(device, SIZE)
    yield made
    made.release()


@pytest.fixture(scope="module")
def session() -> Iterator[RenderSession]:
    """A tracer."""
    with RenderSession(device="cpu") as made:
        yield made


def luminance(nits: np.ndarray) -> np.ndarray:
    return np.asarray(nits @ LUMINANCE)


@pytest.mark.parametrize("kind", LIGHTS)
def test_at_rest_the_picture_is_the_tracers_direct_light(drawn: Drawn, session: RenderSession, kind: str) -> None:
    flat = flatten(stage(LIGHTS[kind]), 1.0)
    ours = drawn.nits(flat, samples=32)
    settings = RenderSettings(width=SIZE[0], height=SIZE[1], samples=64, depth=2, filter="box")
    theirs = session.render_frame(flat, settings).film.beauty()[..., :3]
    light = drawn.nits(flat, replace(OPEN, mode=Mode.LIT), samples=32)  # without shadows
    lit = luminance(light) > 0.2 * luminance(light).mean()
    shade_ours = (luminance(ours) < 0.5 * luminance(light)) & lit
    shade_theirs = (luminance(theirs) < 0.5 * luminance(light)) & lit
    assert shade_theirs.sum() > 100
    assert (shade_ours & shade_theirs).sum() / (shade_ours | shade_theirs).sum() > 0.85
    assert luminance(ours).mean() == pytest.approx(luminance(theirs).mean(), rel=0.03)


def test_at_rest_a_dome_is_shadowed_as_the_tracer_has_it(drawn: Drawn, session: RenderSession) -> None:
    dome = Light(id="l", light="dome", unit="nt", intensity=10.0, seen_by_camera=False)
    flat = flatten(stage(dome), 1.0)
    ours, plain = drawn.nits(flat, samples=32), drawn.nits(flat, OPEN, samples=32)
    settings = RenderSettings(width=SIZE[0], height=SIZE[1], samples=64, depth=2, filter="box")
    theirs = session.render_frame(flat, settings).film.beauty()[..., :3]
    error, without_any = (np.abs(luminance(p) - luminance(theirs)).mean() for p in (ours, plain))
    assert error < 0.4 * without_any
    assert luminance(ours).mean() == pytest.approx(luminance(theirs).mean(), rel=0.02)


def test_a_moving_view_has_shadows_too_and_can_do_without(drawn: Drawn) -> None:
    scene = stage(LIGHTS["point"])
    shadowed, plain = luminance(drawn.nits(scene)), luminance(drawn.nits(scene, OPEN))
    assert drawn.statistics.shadowed == (0, 0)
    assert 0.03 < (shadowed < 0.1 * plain)[plain > 0].mean() < 0.3
    assert (shadowed <= plain * 1.001 + 1e-6).all()


def test_flat_surfaces_and_balls_do_not_shadow_themselves(drawn: Drawn) -> None:
    scene = stage(LIGHTS["point"]).remove(["box", "ball"])
    assert drawn.nits(scene) == pytest.approx(drawn.nits(scene, OPEN), rel=1e-4)
    scene = stage(LIGHTS["point"]).remove(["box", "floor"])
    shadowed, plain = luminance(drawn.nits(scene)), luminance(drawn.nits(scene, OPEN))
    assert shadowed.sum() > 0.98 * plain.sum()


def test_a_light_that_casts_no_shadow_has_none(drawn: Drawn) -> None:
    scene = stage(lamp("l", (1.2, 1.8, 1.0), 40.0, casts_shadows=False))
    assert drawn.nits(scene) == pytest.approx(drawn.nits(scene, OPEN))
    assert drawn.statistics.shadowed == (0, 0)


def test_a_colour_of_shadow_is_what_is_left_of_the_light(drawn: Drawn) -> None:
    plain = drawn.nits(stage(lamp("l", (1.2, 1.8, 1.0), 40.0)))
    tinted = drawn.nits(stage(lamp("l", (1.2, 1.8, 1.0), 40.0, shadow_color=(0.6, 0.25, 0.0))))
    free = drawn.nits(stage(lamp("l", (1.2, 1.8, 1.0), 40.0)), OPEN)
    dark = (luminance(plain) == 0.0) & (luminance(free) > 0.2)
    assert dark.sum() > 100
    assert (tinted[dark] / free[dark]).mean(axis=0) == pytest.approx([0.6, 0.25, 0.0], abs=0.01)


def test_what_is_unlinked_from_a_lights_shadow_does_not_block_it(drawn: Drawn) -> None:
    scene = stage(LIGHTS["point"])
    free = linking.link(scene, ["l"], ["box", "ball"], on=False, shadows=True)
    assert drawn.nits(free) == pytest.approx(drawn.nits(scene, OPEN), rel=1e-4)
    half = linking.link(scene, ["l"], ["box"], on=False, shadows=True)
    dark = [int((luminance(drawn.nits(s)) == 0.0).sum()) for s in (scene, half, free)]
    assert dark[0] > dark[1] > dark[2]


def without(scene: Scene, flag: int, *names: str) -> FlatScene:
    """The flat scene with a flag of some objects' instances switched off."""
    flat = flatten(scene, 1.0)
    instances = flat.instances.copy()
    of = [flat.object_names[i] in names for i in instances["object"].tolist()]
    instances["flags"][np.array(of)] &= ~np.uint32(flag)
    return replace(flat, instances=instances)


def test_an_object_that_casts_no_shadow_does_not_block(drawn: Drawn) -> None:
    flat = without(stage(LIGHTS["point"]), CASTS_SHADOWS, "box", "ball")
    assert drawn.nits(flat) == pytest.approx(drawn.nits(flat, OPEN), rel=1e-4)


def test_what_the_camera_does_not_see_blocks_light(drawn: Drawn) -> None:
    hidden = without(stage(LIGHTS["point"]), SEEN_BY_CAMERA, "box")
    assert (luminance(drawn.nits(hidden)) < 0.1 * luminance(drawn.nits(hidden, OPEN))).sum() > 100


@pytest.mark.parametrize(("opacity", "mode", "left"), [(0.3, "mask", 1.0), (0.8, "mask", 0.0), (0.4, "blend", 0.6)])
def test_cut_outs_and_what_blends_block_their_share(drawn: Drawn, opacity: float, mode: str, left: float) -> None:
    leaf = Material(
        id="leaf",
        base_color=(0.5,) * 3,
        specular_weight=0.0,
        geometry_opacity=opacity,
        alpha_mode=mode,
        alpha_cutoff=0.5,
    )
    scene = without(stage(LIGHTS["distant"], more=(leaf,), box_surface="leaf"), SEEN_BY_CAMERA, "box")
    solid = without(stage(LIGHTS["distant"]), SEEN_BY_CAMERA, "box")
    free = luminance(drawn.nits(solid, OPEN))
    dark = (luminance(drawn.nits(solid)) == 0.0) & (free > 0.0)
    dark[:, SIZE[0] // 2 :] = False  # of the box alone
    found = luminance(drawn.nits(scene, samples=32))[dark].mean() / free[dark].mean()
    # rays cross the box's two sides
    assert found == pytest.approx(left**2 if mode == "blend" else left, abs=0.08)


def sky_with_a_sun() -> Image:
    """A dim sky with a sun of one texel or so, 45 degrees high to the right and behind the camera."""
    pixels = np.full((128, 256, 3), (0.35, 0.45, 0.6), np.float32)
    pixels[64:] = 0.15
    pixels[30:33, 190:193] = (9000.0, 8000.0, 6500.0)
    return make_image(pixels, colour_space="linear", name="sky")


def test_the_sun_in_a_picture_of_the_sky_casts_a_shadow_as_the_tracer_has_it(
    drawn: Drawn, session: RenderSession
) -> None:
    sky = sky_with_a_sun()
    dome = Light(id="l", light="dome", unit="nt", intensity=1.0, image=sky.key, seen_by_camera=False)
    flat = flatten(stage(dome, more=(sky,)), 1.0)
    moving, plain = luminance(drawn.nits(flat)), luminance(drawn.nits(flat, OPEN, samples=32))
    ours = drawn.nits(flat, samples=32)
    settings = RenderSettings(width=SIZE[0], height=SIZE[1], samples=256, depth=2, filter="box")
    theirs = session.render_frame(flat, settings).film.beauty()[..., :3]
    shade_moving, shade_ours, shade_theirs = (p < 0.5 * plain for p in (moving, luminance(ours), luminance(theirs)))
    assert shade_theirs.sum() > 100
    assert (shade_ours & shade_theirs).sum() / (shade_ours | shade_theirs).sum() > 0.85
    assert (shade_moving & shade_theirs).sum() > 0.8 * shade_theirs.sum()  # the sun's own, before the view rests
    assert luminance(ours).mean() == pytest.approx(luminance(theirs).mean(), rel=0.03)


@pytest.mark.parametrize("span", [8.0, 200.0])
def test_a_shade_of_a_centimetre_around_a_lamp_blocks_it_and_is_open_below(drawn: Drawn, span: float) -> None:
    # the two sides at -x and +x of a small box around a lamp that hangs above the floor, in a room and in a hall
    sides = box(0.02)
    shade, far = replace(sides, triangles=sides.triangles[:4], parts=(0, 4)), sheet(span, span)
    scene = stage(lamp("l", (0.0, 0.5, 0.0), 40.0), more=(shade, far)).remove(["box", "ball"])
    scene = scene.add(
        thing("shade", shade, translation=(0.0, 0.5, 0.0)),
        thing("far", far, rotation=around_x(-90), translation=(0.0, -1.02, 0.0)),
    )
    shadowed, plain = luminance(drawn.nits(scene)), luminance(drawn.nits(scene, OPEN))
    aside, below = np.zeros_like(plain, np.bool_), np.zeros_like(plain, np.bool_)
    aside[40:60, :10] = aside[40:60, -10:] = True  # where the shade stands before the lamp
    below[55:75, 55:65] = True
    assert plain[aside].min() > 0.0 and (shadowed[aside] == 0.0).mean() > 0.99
    assert shadowed[below] == pytest.approx(plain[below], rel=1e-4)


def test_in_a_wide_scene_contact_shadows_find_what_the_map_of_a_distant_light_loses(drawn: Drawn) -> None:
    far = sheet(2000.0, 2000.0)
    ground = thing("far", far, rotation=around_x(-90), translation=(0.0, -1.02, 0.0))
    small = stage(LIGHTS["distant"])
    wide = stage(LIGHTS["distant"], more=(far,)).add(ground)
    alone = replace(RAW, contact_shadows=False)
    wanted = (luminance(drawn.nits(small, alone)) == 0.0) & (luminance(drawn.nits(small, OPEN)) > 0.0)
    wanted[:30] = False  # the horizon
    lit = luminance(drawn.nits(wide, OPEN)) > 0.0
    lost, found = ((luminance(drawn.nits(wide, look)) == 0.0) & lit for look in (alone, RAW))
    assert wanted.sum() > 200 and lost[wanted].mean() < 0.1 and found[wanted].mean() > 0.6
    assert found[30:].sum() < 1.3 * wanted.sum()
    resting = luminance(drawn.nits(wide, samples=16))
    assert (resting[wanted] < 0.1).mean() > 0.6


@pytest.mark.parametrize("kind", LIGHTS)
def test_contact_shadows_leave_fine_maps_as_they_are(drawn: Drawn, kind: str) -> None:
    scene = stage(LIGHTS[kind])
    plain, marched = (drawn.nits(scene, replace(RAW, contact_shadows=on)) for on in (False, True))
    assert (np.abs(marched - plain).max(axis=2) > 1e-3).mean() < 0.002


def test_contact_shadows_heed_links_of_shadows(drawn: Drawn) -> None:
    far = sheet(2000.0, 2000.0)
    ground = thing("far", far, rotation=around_x(-90), translation=(0.0, -1.02, 0.0))
    scene = stage(LIGHTS["distant"], more=(far,)).add(ground)
    free = linking.link(scene, ["l"], ["box", "ball"], on=False, shadows=True)
    alone = replace(RAW, contact_shadows=False)
    assert drawn.nits(free) == pytest.approx(drawn.nits(free, alone))
