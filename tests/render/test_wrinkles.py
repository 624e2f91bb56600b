"""Wrinkle maps in both renderers: none at weight 0, a normal map at weight 1, a tint in between."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from benchmarks.materials import tracer_picture, viewport_picture
from studio.errors import Unsupported
from studio.render.session import RenderSession
from studio.scene.flatten import flatten
from studio.scene.geometry import Image, make_image, make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material, Texture
from studio.scene.scene import Scene
from studio.viewport.device import Device
from studio.viewport.renderer import Renderer
from tests.viewport.stages import scene_of, thing

SIZE = 24


def folds(turns: float, seed: int = 0) -> Image:
    """Normals of waves."""
    at = np.arange(32) / 32 * 2.0 * np.pi
    slope = 0.6 * np.sin(turns * at + seed)
    x, y = np.broadcast_arrays(slope[None, :], 0.5 * slope[:, None])
    normals = np.stack([x, y, np.ones_like(x)], -1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    return make_image(
        np.round((normals * 0.5 + 0.5) * 255).astype(np.uint8), colour_space="data", name=f"folds {turns}"
    )


def colour(red: float, green: float, blue: float) -> Image:
    return make_image(np.full((2, 2, 3), (red, green, blue), np.float32), colour_space="linear", name="colour")


PORES, FROWN, FLUSH, PLAIN = folds(5.0), folds(2.0, 1), colour(0.8, 0.4, 0.2), colour(0.5, 0.6, 0.7)


def scene(slots: dict[str, Image], **values: Any) -> Scene:
    """A sheet with textures under a lamp."""
    mesh = make_mesh(
        [[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]],
        [[0, 1, 2], [0, 2, 3]],
        normals=np.array([[0, 0, 1]] * 4, np.float32),
        uv0=np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32),
    )
    images = {"base_color": PLAIN, **slots}
    textures = {slot: Texture(image=image.key) for slot, image in images.items()}
    skin = Material(id="skin", base_color=(1.0, 1.0, 1.0), specular_weight=0.4, textures=textures, **values)
    lamp = Light(id="lamp", translation=(1.5, 1.0, 2.0), intensity=30.0, radius_m=0.0)
    return scene_of(mesh, skin, thing("sheet", mesh, "skin"), lamp, *images.values())


@pytest.fixture(scope="module")
def session() -> Iterator[RenderSession]:
    with RenderSession(device="cpu") as made:
        yield made


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    try:
        device = Device.offscreen(kind="egl")
    except Unsupported as reason:
        pytest.skip(str(reason))
    with device:
        made = Renderer(device)
        yield made
        made.release()


@pytest.fixture(params=["tracer", "viewport"])
def picture(request: pytest.FixtureRequest) -> Any:
    """What takes a picture of a scene."""
    if request.param == "tracer":
        take: Any = partial(tracer_picture, request.getfixturevalue("session"), size=SIZE, samples=8, depth=2)
    else:
        take = partial(viewport_picture, request.getfixturevalue("renderer"), size=SIZE, samples=4)
    return lambda made: take(flatten(made, 1.0))


def test_smooth_wrinkles_change_no_bit(picture: Any) -> None:
    maps = {f"wrinkle_{n}_{what}": image for n in (1, 2, 3) for what, image in (("normal", FROWN), ("color", FLUSH))}
    plain = picture(scene({"geometry_normal": PORES}))
    np.testing.assert_array_equal(picture(scene({"geometry_normal": PORES, **maps})), plain)
    assert plain.std() > 0.0


@pytest.mark.parametrize("number", [1, 2, 3])
def test_whole_wrinkles_are_the_map_as_a_normal_map(picture: Any, number: int) -> None:
    as_map = picture(scene({"geometry_normal": FROWN}))
    as_wrinkles = picture(scene({f"wrinkle_{number}_normal": FROWN}, **{f"wrinkle_{number}": 1.0}))
    np.testing.assert_allclose(as_wrinkles, as_map, rtol=1e-5, atol=1e-6)
    half = picture(scene({f"wrinkle_{number}_normal": FROWN}, **{f"wrinkle_{number}": 0.5}))
    flat = picture(scene({}))
    assert 0.2 < np.abs(half - flat).mean() / np.abs(as_map - flat).mean() < 0.8


def test_wrinkles_lie_over_the_pores(picture: Any) -> None:
    """Both show: what is left without either is far from what both make."""
    both = picture(scene({"geometry_normal": PORES, "wrinkle_1_normal": FROWN}, wrinkle_1=1.0))
    for alone in (scene({"geometry_normal": PORES}), scene({"geometry_normal": FROWN})):
        assert np.abs(both - picture(alone)).mean() > 0.05 * both.mean()


def test_a_flush_multiplies_the_colour_by_how_far_it_shows(picture: Any) -> None:
    matte = {"specular_weight": 0.0}
    plain = picture(scene({}).replace("skin", **matte))
    half = picture(scene({"wrinkle_2_color": FLUSH}, wrinkle_2=0.5).replace("skin", **matte))
    whole = picture(scene({"wrinkle_2_color": FLUSH}, wrinkle_2=1.0).replace("skin", **matte))
    seen = plain.sum(axis=-1) > 0.0
    np.testing.assert_allclose(
        whole[seen] / plain[seen], np.broadcast_to((0.8, 0.4, 0.2), whole[seen].shape), rtol=5e-3
    )
    np.testing.assert_allclose(half[seen] / plain[seen], np.broadcast_to((0.9, 0.7, 0.6), half[seen].shape), rtol=5e-3)


def test_normal_maps_without_tangents_are_read_green_up(picture: Any) -> None:
    """A map whose green leans up turns the surface up: it catches more of a lamp from above than of one from below."""
    up = make_image(np.full((2, 2, 3), (128, 200, 230), np.uint8), colour_space="data", name="up")
    values = {}
    for name, y in (("above", 2.0), ("below", -2.0)):
        lit = scene({"geometry_normal": up}, specular_roughness=1.0).replace("lamp", translation=(0.0, y, 2.0))
        values[name] = picture(lit).mean()
    assert values["above"] > 1.5 * values["below"]
