"""Light below surfaces in the viewport: what it must equal without any tracer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from numpy.typing import NDArray

from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.viewport.camera import ViewCamera
from studio.viewport.device import Device
from studio.viewport.drawlist import SECOND_LOBE, SUBSURFACE, features_of
from studio.viewport.renderer import Renderer
from studio.viewport.subsurface import TAPS, draws, profile_distances
from studio.viewport.targets import Target
from studio.viewport.view import Look, Mode, Quality
from tests.viewport.probe import Probe
from tests.viewport.stages import ball, lamp, looking, matte, scene_of, sheet, thing

F32 = NDArray[np.float32]
COLOUR = (0.8, 0.45, 0.3)
SIZE = 48
BLACK = Look(background=(0.0, 0.0, 0.0))


def waxen(key: str = "wax", radius: float = 0.05, **more: Any) -> Material:
    """A surface that light goes below, without gloss."""
    fields: dict[str, Any] = {
        "base_color": (0.1, 0.9, 0.1),
        "subsurface_weight": 1.0,
        "subsurface_color": COLOUR,
        "subsurface_radius": radius,
        "subsurface_radius_scale": (1.0, 0.5, 0.25),
        "specular_weight": 0.0,
    }
    return Material(id=key, name=key, **{**fields, **more})


def sun(lux: float = 3.0) -> Light:
    return Light(id="sun", name="sun", light="distant", intensity=lux, unit="lx")


@pytest.fixture
def renderer(device: Device) -> Iterator[Renderer]:
    made = Renderer(device)
    yield made
    made.release()


def seen(
    renderer: Renderer, flat: FlatScene, *, look: Look = BLACK, camera: ViewCamera | None = None, still: int = 0
) -> F32:
    """The picture in nits; after `still` samples, or as it is while the view moves."""
    renderer.sync(flat)
    target = Target(renderer.device, SIZE, SIZE)
    camera = camera or ViewCamera.of(flat.camera)
    for _ in range(max(still, 1)):
        renderer.draw(
            target, camera, look, quality=Quality.STILL if still else Quality.MOVING, samples=still or 1,
            shadow_seconds=60.0,
        )  # fmt: skip
    picture = target.read_linear()
    target.release()
    return picture


def plate(material: Material, *more: Any) -> FlatScene:
    big = sheet(4.0, 4.0)
    return flatten(scene_of(big, material, *more, thing("plate", big, material.id)), 1.0)


@pytest.mark.parametrize("radius", [0.0, 1e-4, 0.05, 0.3])
@pytest.mark.parametrize("still", [0, 8])
def test_a_flat_plate_under_even_light_shows_its_subsurface_colour(
    renderer: Renderer, radius: float, still: int
) -> None:
    picture = seen(renderer, plate(waxen(radius=radius), sun()), still=still)
    expected = np.array(COLOUR) * 3.0 / np.pi
    np.testing.assert_allclose(picture, np.broadcast_to(expected, picture.shape), rtol=2e-3)


def test_an_orthographic_view_shows_it_as_well(renderer: Renderer) -> None:
    flat = plate(waxen(), sun())
    camera = replace(ViewCamera.of(flat.camera), orthographic=True, half_width=1.0)
    expected = np.array(COLOUR) * 3.0 / np.pi
    picture = seen(renderer, flat, camera=camera, still=4)
    np.testing.assert_allclose(picture, np.broadcast_to(expected, picture.shape), rtol=2e-3)


def test_half_the_weight_is_half_the_base(renderer: Renderer) -> None:
    picture = seen(renderer, plate(waxen(subsurface_weight=0.5), sun()))
    expected = (np.array(COLOUR) + np.array([0.1, 0.9, 0.1])) * 1.5 / np.pi
    np.testing.assert_allclose(picture.mean(axis=(0, 1)), expected, rtol=2e-3)


def test_less_than_a_pixel_is_plain_diffuse(renderer: Renderer) -> None:
    """On a ball under a lamp, where every pixel is lit otherwise."""
    round_ = ball(0.8)
    pictures = []
    for material in (waxen("a", 1e-5), matte("a", COLOUR)):
        flat = flatten(scene_of(round_, material, lamp("p", (2.0, 2.0, 4.0), 40.0), thing("b", round_, "a")), 1.0)
        pictures.append(seen(renderer, flat, look=replace(BLACK, shadows=False)))
    np.testing.assert_allclose(pictures[0], pictures[1], rtol=0.01, atol=1e-3 * pictures[1].max())


def test_light_spreads_as_the_profile_says(renderer: Renderer) -> None:
    """Across the edge of a shadow; the integral of Burley's profile over a half plane, summed by numbers."""
    # a card between sun and plate leaves the left half dark
    card, material = sheet(2.0, 4.0), waxen(radius=0.12, subsurface_radius_scale=(1.0, 1.0, 1.0))
    flat = plate(
        material, sun(), card, matte("dark", (0.0, 0.0, 0.0)), thing("card", card, "dark", translation=(-1.0, 0.0, 5.5))
    )
    picture = seen(renderer, flat, still=32)[SIZE // 2] / (np.array(COLOUR) * 3.0 / np.pi)
    x = (np.arange(SIZE) + 0.5) / SIZE * 2.0 - 1.0
    for channel, colour in enumerate(COLOUR):
        width = 0.12 / (1.9 - colour + 3.5 * (colour - 0.8) ** 2)
        r = profile_distances((np.arange(4000) + 0.5) / 4000) * width
        # share of a circle of radius r around x that is right of 0
        share = 1.0 - np.arccos(np.clip(x[:, None] / r[None], -1.0, 1.0)) / np.pi
        np.testing.assert_allclose(picture[:, channel], share.mean(axis=1), atol=0.05)


def test_other_objects_keep_their_light(renderer: Renderer) -> None:
    """Two plates side by side, one lit and one in the dark."""
    half, card = sheet(1.9, 4.0), sheet(2.0, 4.0)
    records = [
        half, waxen(radius=0.3), sun(), matte("dark", (0.0, 0.0, 0.0)), card,
        thing("left", half, "wax", translation=(-1.0, 0.0, 0.0)),
        thing("right", half, "wax", translation=(0.98, 0.0, 0.0)),
        thing("card", card, "dark", translation=(-1.0, 0.0, 5.5)),
    ]  # fmt: skip
    picture = seen(renderer, flatten(scene_of(*records), 1.0))
    edge = SIZE // 2
    assert picture[:, : edge - 2].max() < 1e-3
    np.testing.assert_allclose(picture[:, edge + 2 :].mean(axis=(0, 1)), np.array(COLOUR) * 3.0 / np.pi, rtol=0.02)


def test_a_thin_slab_glows_when_it_is_lit_from_behind_and_a_thick_one_does_not(renderer: Renderer) -> None:
    def glow(thickness: float) -> F32:
        card = sheet(1.0, 1.0)
        sides = [
            thing("front", card, "wax", translation=(0.0, 0.0, thickness / 2)),
            thing("back", card, "wax", translation=(0.0, 0.0, -thickness / 2), rotation=(0.0, 1.0, 0.0, 0.0)),
        ]
        flat = flatten(scene_of(card, waxen(radius=0.02), lamp("p", (0.0, 0.0, -3.0), 50.0), *sides), 1.0)
        return np.asarray(seen(renderer, flat, still=4)[20:28, 20:28].mean(axis=(0, 1)), np.float32)

    thin, thick = glow(0.06), glow(0.6)
    assert thin[0] > 0.05 and thin[0] > thin[1] > thin[2] > 0.0
    assert thick.max() < 0.01 * thin[0]


@pytest.mark.parametrize("albedo", [0.4, 0.8])
def test_folds_light_each_other_over_and_over(renderer: Renderer, albedo: float) -> None:
    """A floor under the sun and a wall beside it that the sun does not reach, against the radiosities of patches."""
    side, lux, count = 0.4, 3.0, 16
    grey = waxen(radius=0.01, subsurface_color=(albedo,) * 3, subsurface_radius_scale=(1.0, 1.0, 1.0))
    card, half = sheet(side, side), np.sqrt(0.5)
    floor = thing("floor", card, "wax", translation=(side / 2, 0.0, 0.0), rotation=(-half, 0.0, 0.0, half))
    wall = thing("wall", card, "wax", translation=(0.0, side / 2, 0.0), rotation=(0.0, half, 0.0, half))
    down = Light(id="sun", name="sun", light="distant", intensity=lux, unit="lx", rotation=(-half, 0.0, 0.0, half))
    flat = flatten(scene_of(card, grey, down, floor, wall), 1.0)
    eye = looking((2.5, 2.5, 0.0), (0.1, 0.1, 0.0))
    picture = seen(renderer, flat, camera=eye, still=32).mean(axis=2)

    middle = (np.arange(count) + 0.5) / count * side
    a, b = (m.reshape(-1) for m in np.meshgrid(middle, middle - side / 2, indexing="ij"))
    d2 = a[:, None] ** 2 + a[None] ** 2 + (b[:, None] - b[None]) ** 2
    form = a[:, None] * a[None] / (np.pi * d2**2) * (side / count) ** 2  # of wall and floor, which are alike
    below, beside = np.full(count**2, lux), np.zeros(count**2)
    for _ in range(40):
        below, beside = lux + albedo * form @ beside, albedo * form @ below
    line = picture[:, SIZE // 2] * np.pi / albedo  # a column: the wall above, the floor below
    dark = line[(line > 0.0) & (line < 0.6 * lux)]
    lit = line[line > 0.8 * lux]
    shown = [(values.reshape(count, count)[:, count // 2 - 1 : count // 2 + 1]).mean() for values in (beside, below)]
    assert dark.mean() == pytest.approx(shown[0], rel=0.2)
    assert lit.mean() == pytest.approx(shown[1], rel=0.1)


def test_views_without_it_are_drawn_as_ever(renderer: Renderer) -> None:
    """The same bits with a waxen thing in the scene that the camera does not see."""
    round_ = ball(0.6)
    records = [round_, Material(id="m"), lamp("p", (2.0, 2.0, 4.0), 40.0), thing("b", round_, "m")]
    plain = seen(renderer, flatten(scene_of(*records), 1.0))
    away = thing("away", round_, "wax", translation=(0.0, 0.0, 50.0))
    np.testing.assert_array_equal(plain, seen(renderer, flatten(scene_of(*records, waxen(), away), 1.0)))


@pytest.mark.parametrize("mode", list(Mode))
def test_every_mode_draws_it(renderer: Renderer, mode: Mode) -> None:
    round_ = ball(0.6)
    materials = [
        waxen("opaque", specular_weight=1.0, specular_second_weight=0.3),
        waxen("masked", alpha_mode="mask", geometry_opacity=0.7),
        waxen("blended", alpha_mode="blend", geometry_opacity=0.7),
        waxen("coated", coat_weight=1.0, fuzz_weight=0.5),
    ]
    things = [
        thing(f"a {m.id} ball", round_, m.id, translation=(0.5 * k - 0.75, 0.0, 0.0)) for k, m in enumerate(materials)
    ]
    flat = flatten(scene_of(round_, *materials, lamp("p", (2.0, 2.0, 4.0), 40.0), *things), 1.0)
    picture = seen(renderer, flat, look=replace(BLACK, mode=mode, ambient_occlusion=True), still=2)
    assert np.isfinite(picture).all() and picture.max() > 0.0


def test_clay_is_not_waxen(renderer: Renderer) -> None:
    pictures = [
        seen(renderer, plate(material, sun()), look=replace(BLACK, mode=Mode.CLAY))
        for material in (waxen("m"), matte("m"))
    ]
    np.testing.assert_array_equal(*pictures)


def test_two_views_do_not_disturb_each_other(renderer: Renderer) -> None:
    round_ = ball(0.6)
    flat = flatten(scene_of(round_, waxen(), lamp("p", (2.0, 2.0, 4.0), 40.0), thing("b", round_, "wax")), 1.0)
    alone = seen(renderer, flat, still=3)
    targets = [Target(renderer.device, SIZE, SIZE), Target(renderer.device, 31, 17)]
    cameras = [ViewCamera.of(flat.camera), looking((3.0, 1.0, 2.0), (0.0, 0.0, 0.0))]
    for _ in range(3):
        for target, camera in zip(targets, cameras):
            renderer.draw(target, camera, BLACK, quality=Quality.STILL, shadow_seconds=60.0)
    np.testing.assert_allclose(targets[0].read_linear(), alone, rtol=1e-5, atol=1e-6)
    targets[0].resize(20, 20)
    renderer.draw(targets[0], cameras[0], BLACK)
    assert targets[0].read_linear().max() > 0.0
    for target in targets:
        target.release()


def test_features_tell_who_pays_for_what() -> None:
    round_ = ball()
    kinds = {
        "plain": Material(id="plain"),
        "wax": waxen("wax"),
        "thin": waxen("thin", geometry_thin_walled=True),
        "two": Material(id="two", specular_second_weight=0.4),
        "both": waxen("both", specular_weight=1.0, specular_second_weight=0.4),
    }
    flat = flatten(scene_of(round_, *kinds.values(), *(thing(f"t{k}", round_, k) for k in kinds)), 1.0)
    found = dict(zip(flat.material_names, features_of(flat).tolist(), strict=True))
    names = {m.id: m.name for m in kinds.values()}
    assert {k: found[n] for k, n in names.items() if n in ("wax", "thin", "both")} == {
        "wax": SUBSURFACE, "thin": 0, "both": SUBSURFACE | SECOND_LOBE,
    }  # fmt: skip


@given(some.floats(0.0, 0.999))
def test_distances_invert_the_profile(u: float) -> None:
    r = float(profile_distances(np.array(u)))
    assert 1.0 - 0.25 * np.exp(-r) - 0.75 * np.exp(-r / 3.0) == pytest.approx(u, abs=1e-9)


def test_draws_of_a_view_at_rest_fill_the_profile() -> None:
    """Their mean of r is the profile's: d/4 + 9 d/4 = 2.5 d."""
    r = np.concatenate([draws(turn)[:, 0] for turn in range(32)])
    assert len(r) == 32 * TAPS
    assert r.mean() == pytest.approx(2.5, rel=0.03)  # what is furthest is cut off


def test_what_comes_through_a_slab_is_within_a_few_percent_of_random_walks(device: Device) -> None:
    """Walks of isotropic scattering between two planes, which light enters like a cosine: share that comes through over
    the colour, by colour and thickness in mean free paths (60,000 walks each; standard deviation below 0.4 %)."""
    walks = [
        (0.2, 1.0, 1.702), (0.2, 2.0, 0.652), (0.5, 0.5, 1.329), (0.5, 1.0, 0.970), (0.5, 2.0, 0.555),
        (0.5, 4.0, 0.198), (0.8, 0.5, 0.875), (0.8, 1.0, 0.683), (0.8, 2.0, 0.468),
        (0.8, 4.0, 0.273), (0.8, 8.0, 0.124),
    ]  # fmt: skip
    probe = Probe(device, flatten(scene_of(), 1.0))
    answers = probe.ask(
        "Below b = below_of(vec3(1.0), vec3(ask(0).x), 0.0); answer = vec4(slab_passes(b, ask(0).y), 0.0);",
        [[[colour, thick, 0.0, 0.0]] for colour, thick, _ in walks],
        declarations='#include "subsurface.glsl"',
    )
    probe.release()
    np.testing.assert_allclose(answers[:, 0], [share for _, _, share in walks], rtol=0.08)
