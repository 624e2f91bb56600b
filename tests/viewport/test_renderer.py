"""The picture: light in the units of the scene, surfaces with their textures, modes, isolation, accumulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from studio.errors import UsageError
from studio.scene.flatten import flatten
from studio.scene.geometry import make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material, Texture
from studio.viewport.camera import ViewCamera
from studio.viewport.device import Device
from studio.viewport.renderer import Renderer, jitter
from studio.viewport.targets import Target
from studio.viewport.view import Look, Mode, Quality
from tests.viewport.stages import RAW, ball, checker, drawn, lamp, looking, matte, room, scene_of, sheet, thing


def test_a_point_light_of_so_many_candela_gives_lamberts_law(device: Device) -> None:
    wall = sheet()
    scene = scene_of(wall, matte(), thing("wall", wall), lamp("lamp", (0.0, 0.0, 2.0), candela=10.0))
    _, nits = drawn(device, scene, size=(65, 65))
    assert nits[32, 32] == pytest.approx(10.0 / 2.0**2 * 0.5 / np.pi, rel=2e-3)


@pytest.mark.parametrize("gain", [0.0, 0.5, 1.0])
def test_a_light_with_a_gain_takes_the_other_path_to_the_same_light(device: Device, gain: float) -> None:
    wall = sheet()
    scene = scene_of(wall, matte(), thing("wall", wall), lamp("lamp", (0.3, 0.2, 2.0), diffuse_gain=gain))
    plain = scene_of(wall, matte(), thing("wall", wall), lamp("lamp", (0.3, 0.2, 2.0)))
    assert drawn(device, scene)[1] == pytest.approx(drawn(device, plain)[1] * gain, rel=5e-3, abs=1e-6)


def test_hundreds_of_lights_add_up(device: Device) -> None:
    flat = flatten(room(300), 1.0)
    camera = looking((0.0, 2.5, 6.0), (0.0, -0.5, 0.0))
    renderer, target = Renderer(device), Target(device, 80, 60)
    renderer.sync(flat)
    renderer.draw(target, camera, replace(RAW, shadows=False))
    nits = target.read_linear()
    lights = flat.lights
    for x, y in ((40, 55), (8, 40), (70, 50)):
        hit = renderer.pick(target, camera, RAW, x, y)
        assert hit is not None and hit.id == "floor"
        d = lights["open"][:, :, 3].astype(np.float64) - hit.position
        far2 = (d**2).sum(axis=1)
        cosine = np.maximum(d[:, 1] / np.sqrt(far2), 0.0)
        expected = (lights["emission"] * (cosine / far2)[:, None]).sum(axis=0) * 0.5 / np.pi
        assert nits[y, x] == pytest.approx(expected, rel=0.01)
    target.release()
    renderer.release()


def test_faceted_meshes_and_mirrored_instances_face_the_light(device: Device) -> None:
    smooth, faceted = sheet(), sheet(faceted=True)
    lit = drawn(device, scene_of(smooth, matte(), thing("w", smooth), lamp("l", (0.0, 0.0, 2.0))))[1]
    flat_ = drawn(device, scene_of(faceted, matte(), thing("w", faceted), lamp("l", (0.0, 0.0, 2.0))))[1]
    turned = drawn(
        device, scene_of(smooth, matte(), thing("w", smooth, scale=(-1.0, 1.0, 1.0)), lamp("l", (0.0, 0.0, 2.0)))
    )[1]
    assert flat_ == pytest.approx(lit, rel=1e-3, abs=1e-6)
    assert turned == pytest.approx(lit, rel=1e-3, abs=1e-6)


def test_emission_shows_from_the_front_alone_unless_double_sided(device: Device) -> None:
    wall = sheet()
    glow = Material(id="grey", emission_luminance=3.0, base_color=(0.0, 0.0, 0.0), specular_weight=0.0)
    back = {"rotation": (0.0, 1.0, 0.0, 0.0)}
    assert drawn(device, scene_of(wall, glow, thing("w", wall)))[1][32, 32] == pytest.approx(3.0)
    assert drawn(device, scene_of(wall, glow, thing("w", wall, **back)))[1][32, 32] == pytest.approx(0.0)
    both = Material(id="grey", emission_luminance=3.0, base_color=(0.0,) * 3, specular_weight=0.0, double_sided=True)
    assert drawn(device, scene_of(wall, both, thing("w", wall, **back)))[1][32, 32] == pytest.approx(3.0)


# --- textures --------------------------------------------------------------------------------------------------------
def shown(device: Device, texture: Texture, name: str = "base_color", **more: object) -> np.ndarray:
    """Linear albedo of a wall with a texture, (64, 64, 3)."""
    wall = sheet()
    material = matte(colour=(1.0, 1.0, 1.0), textures={name: texture}, **more)
    return drawn(device, scene_of(wall, checker(), material, thing("wall", wall)), Look(mode=Mode.ALBEDO))[1]


def corners(picture: np.ndarray) -> np.ndarray:
    """(2, 2, 3) the middles of the four quarters."""
    return picture[16::32, 16::32][:2, :2]


PLAIN = np.array([[[1, 0, 0], [0, 1, 0]], [[0, 0, 1], [1, 1, 1]]], np.float32)


def test_a_texture_stands_upright(device: Device) -> None:
    assert corners(shown(device, Texture(image=checker().key, filter="nearest"))) == pytest.approx(PLAIN, abs=0.01)


def test_nearest_keeps_edges_and_linear_blends_them(device: Device) -> None:
    nearest = shown(device, Texture(image=checker().key, filter="nearest"))
    assert (np.minimum(nearest, 1.0 - nearest) < 0.02).all()
    linear = shown(device, Texture(image=checker().key))
    assert 0.3 < linear[32, 32, 0] < 0.7


@pytest.mark.parametrize(
    ("wrap", "expected"),
    [("repeat", PLAIN), ("mirror", PLAIN[::-1, ::-1]), ("clamp", np.broadcast_to(PLAIN[1, 1], (2, 2, 3)))],
)
def test_wrapping_beyond_the_image(device: Device, wrap: str, expected: np.ndarray) -> None:
    texture = Texture(image=checker().key, filter="nearest", wrap_u=wrap, wrap_v=wrap, offset=(1.0, 1.0))
    assert corners(shown(device, texture)) == pytest.approx(expected, abs=0.01)


def test_a_texture_is_turned_scaled_and_moved_as_khr_texture_transform_says(device: Device) -> None:
    turned = Texture(image=checker().key, filter="nearest", rotation_deg=90.0, offset=(0.0, 1.0))
    found = corners(shown(device, turned))
    # uv' = offset + R(90) uv with v down: u' = v, v' = 1 - u
    expected = np.stack([[PLAIN[1, 0], PLAIN[0, 0]], [PLAIN[1, 1], PLAIN[0, 1]]])
    assert found == pytest.approx(expected, abs=0.01)


def test_channels_gain_and_bias(device: Device) -> None:
    red = Texture(image=checker().key, filter="nearest", channel="r", gain=0.5, bias=0.25)
    assert corners(shown(device, red))[..., 1] == pytest.approx(np.array([[0.75, 0.25], [0.25, 0.75]]), abs=0.01)


def test_a_missing_image_is_magenta(device: Device) -> None:
    assert shown(device, Texture(image="nowhere"))[32, 32] == pytest.approx([1.0, 0.0, 1.0])


def test_a_normal_map_turns_the_surface_to_the_light(device: Device) -> None:
    from studio.scene.geometry import make_image

    tilt = np.array([0.6, 0.0, 0.8]) * 0.5 + 0.5
    pixels = np.broadcast_to(np.rint(tilt * 255).astype(np.uint8), (4, 4, 3)).copy()
    image = make_image(pixels, colour_space="data", name="tilt")
    wall = sheet()
    material = matte(textures={"geometry_normal": Texture(image=image.key)})
    _, normals = drawn(device, scene_of(wall, image, material, thing("wall", wall)), Look(mode=Mode.NORMALS))
    assert normals[32, 32] == pytest.approx(tilt, abs=0.01)


def test_a_mask_cuts_and_a_blend_shows_what_is_behind(device: Device) -> None:
    front, behind = sheet(), sheet(4.0, 4.0)
    glow = Material(id="glow", emission_luminance=2.0, base_color=(0.0,) * 3, specular_weight=0.0)
    black = {"base_color": (0.0, 0.0, 0.0), "specular_weight": 0.0}
    hole = {"geometry_opacity": Texture(image=checker().key, channel="r", filter="nearest")}

    def middle(material: Material) -> np.ndarray:
        scene = scene_of(
            front, behind, glow, checker(), material, thing("front", front), thing("back", behind, "glow",
            translation=(0.0, 0.0, -1.0)),
        )  # fmt: skip
        return corners(drawn(device, scene)[1])[..., 0]

    cut = middle(Material(id="grey", alpha_mode="mask", textures=hole, **black))
    assert cut == pytest.approx(np.array([[0.0, 2.0], [2.0, 0.0]]), abs=1e-3)
    half = middle(Material(id="grey", alpha_mode="blend", geometry_opacity=0.25, **black))
    assert half == pytest.approx(np.full((2, 2), 1.5), rel=1e-3)


def test_blending_does_not_depend_on_the_order_of_the_scene(device: Device) -> None:
    pane = sheet()
    red = Material(id="red", base_color=(0.0,) * 3, specular_weight=0.0, emission_luminance=1.0,
                   emission_color=(1.0, 0.0, 0.0), geometry_opacity=0.5, double_sided=True)  # fmt: skip
    blue = Material(id="blue", base_color=(0.0,) * 3, specular_weight=0.0, emission_luminance=1.0,
                    emission_color=(0.0, 0.0, 1.0), geometry_opacity=0.5, double_sided=True)  # fmt: skip
    near, far = thing("near", pane, "red", translation=(0, 0, 0.5)), thing("far", pane, "blue")
    first = drawn(device, scene_of(pane, red, blue, near, far))[1][32, 32]
    second = drawn(device, scene_of(pane, red, blue, far, near))[1][32, 32]
    assert first == pytest.approx(second) and first[0] > first[2]


def test_glass_shows_what_is_behind_it(device: Device) -> None:
    pane, behind = sheet(), sheet(4.0, 4.0)
    glow = Material(id="glow", emission_luminance=2.0, base_color=(0.0,) * 3, specular_weight=0.0)
    glass = Material(id="grey", transmission_weight=1.0, geometry_thin_walled=True, specular_roughness=0.0,
                     transmission_color=(1.0, 0.5, 0.25))  # fmt: skip
    scene = scene_of(pane, behind, glow, glass, thing("pane", pane), thing("b", behind, "glow", translation=(0, 0, -1)))
    red, green, blue = drawn(device, scene)[1][32, 32]
    assert (
        1.6 < red <= 2.0 and green / red == pytest.approx(0.5, rel=0.1) and blue / red == pytest.approx(0.25, rel=0.1)
    )


# --- views -----------------------------------------------------------------------------------------------------------
def test_isolation_draws_what_hangs_below_and_nothing_else(device: Device) -> None:
    wall = sheet(1.0, 1.0)
    scene = scene_of(
        wall,
        matte(),
        thing("left", wall, translation=(-0.6, 0.0, 0.0)),
        thing("child", wall, parent="left", translation=(0.0, 0.0, 0.1)),
        thing("right", wall, translation=(0.6, 0.0, 0.0)),
    )
    flat = flatten(scene, 1.0)
    renderer, target = Renderer(device), Target(device, 64, 64)
    renderer.sync(flat)
    camera = ViewCamera.of(flat.camera)
    look = replace(RAW, isolated=frozenset({"left"}))
    assert renderer.pick(target, camera, RAW, 52, 32) is not None
    assert renderer.pick(target, camera, look, 52, 32) is None
    hit = renderer.pick(target, camera, look, 12, 32)
    assert hit is not None and hit.id == "child"
    target.release()
    renderer.release()


def test_every_mode_draws_and_none_needs_light(device: Device) -> None:
    wall = sheet(1.0, 1.0)
    scene = scene_of(wall, matte(colour=(0.2, 0.4, 0.8)), thing("wall", wall))
    for mode in Mode:
        picture, _ = drawn(device, scene, Look(mode=mode, background=(0.0, 0.0, 0.0)))
        assert picture.shape == (64, 64, 3), mode
    albedo, _ = drawn(device, scene, Look(mode=Mode.ALBEDO))
    assert albedo[32, 32].tolist() == [124, 170, 231]  # sRGB of 0.2, 0.4, 0.8
    normals, _ = drawn(device, scene, Look(mode=Mode.NORMALS))
    assert normals[32, 32].tolist() == pytest.approx([128, 128, 255], abs=1)


def test_clay_without_lights_is_lit_from_the_eye(device: Device) -> None:
    round_ = ball(0.8)
    scene = scene_of(round_, matte(), thing("ball", round_))
    clay = drawn(device, scene, replace(RAW, mode=Mode.CLAY))[1][..., 0]
    assert clay[32, 32] == pytest.approx(0.5, abs=0.01) and 0.0 < clay[32, 8] < 0.35
    assert drawn(device, scene)[1].max() == 0.0  # lit mode shows what the final frame would


def test_false_colours_put_middle_grey_in_the_middle(device: Device) -> None:
    wall = sheet()
    for stops, expected in ((0.0, (128, 128, 128)), (-7.0, (0, 0, 0)), (7.0, (255, 255, 255))):
        glow = Material(id="grey", base_color=(0.0,) * 3, specular_weight=0.0, emission_luminance=0.18 * 2.0**stops)
        picture, _ = drawn(device, scene_of(wall, glow, thing("wall", wall)), Look(mode=Mode.EXPOSURE))
        assert picture[32, 32].tolist() == pytest.approx(expected, abs=1)


def test_exposure_acts_on_light_and_not_on_the_background(device: Device) -> None:
    wall = sheet(1.0, 1.0)
    scene = scene_of(wall, matte(), thing("wall", wall), lamp("lamp", (0.0, 0.0, 2.0)))
    look = replace(RAW, background=(0.2, 0.4, 0.6))
    dark, nits = drawn(device, scene, look)
    bright, same = drawn(device, scene, replace(look, exposure_ev=1.0))
    assert dark[0, 0].tolist() == bright[0, 0].tolist() == [51, 102, 153]
    assert bright[32, 32, 0] > dark[32, 32, 0] + 20
    assert nits == pytest.approx(same)


def test_a_view_that_the_display_does_not_have_is_refused(device: Device) -> None:
    wall = sheet()
    with pytest.raises(UsageError, match="Sepia"):
        drawn(device, scene_of(wall, matte(), thing("wall", wall)), Look(view="Sepia"))


def test_a_view_at_rest_smooths_its_edges_and_starts_over_when_something_moves(device: Device) -> None:
    wall = sheet(1.0, 1.0)
    glow = Material(id="grey", base_color=(0.0,) * 3, specular_weight=0.0, emission_luminance=1.0)
    scene = scene_of(wall, glow, thing("wall", wall, rotation=(0.0, 0.0, 0.13, 0.9915)))
    flat = flatten(scene, 1.0)
    camera = ViewCamera.of(flat.camera)
    renderer, target = Renderer(device), Target(device, 64, 64)
    renderer.sync(flat)
    renderer.draw(target, camera, RAW, quality=Quality.STILL)
    assert set(np.unique(target.read_linear()).tolist()) == {0.0, 1.0}
    for sample in range(2, 9):
        assert renderer.draw(target, camera, RAW, quality=Quality.STILL, samples=8).samples == sample
    assert renderer.still_done(target, samples=8)
    edge = target.read_linear()
    assert len(np.unique(np.round(edge, 3))) > 4
    # another exposure does not start over, another camera does
    assert renderer.draw(target, camera, replace(RAW, exposure_ev=2.0), quality=Quality.STILL, samples=8).samples == 8
    moved = replace(camera, half_width=camera.half_width * 1.1)
    assert renderer.draw(target, moved, RAW, quality=Quality.STILL, samples=8).samples == 1
    target.release()
    renderer.release()


def test_jitter_stays_in_its_pixel_and_is_even() -> None:
    places = np.array([jitter(k) for k in range(64)])
    assert np.abs(places).max() <= 0.5
    assert np.abs(places.mean(axis=0)).max() < 0.03


def test_ambient_occlusion_darkens_corners_and_leaves_open_walls(device: Device) -> None:
    wall, box = sheet(6.0, 6.0), ball(0.5)
    scene = scene_of(
        wall, box, matte(), thing("wall", wall), thing("ball", box, translation=(0.0, 0.0, 0.5)),
        lamp("lamp", (0.0, 0.0, 40.0), 4000.0),
    )  # fmt: skip
    view = looking((0.0, -2.0, 5.0), (0.0, 0.0, 0.0))
    _, plain = drawn(device, scene, camera=view)
    _, dark = drawn(device, scene, replace(RAW, ambient_occlusion=True), camera=view)
    share = (dark / np.maximum(plain, 1e-6))[..., 0]
    assert share[2:8, 2:-2].mean() > 0.93
    assert share.min() < 0.8 and (share <= 1.0 + 1e-3).all()


def test_bloom_spreads_light_and_none_is_there_without(device: Device) -> None:
    small = sheet(0.2, 0.2)
    glow = Material(id="grey", base_color=(0.0,) * 3, specular_weight=0.0, emission_luminance=500.0)
    scene = scene_of(small, sheet(4.0, 4.0), glow, matte("black", (0.0, 0.0, 0.0)), thing("lamp", small),
                     thing("wall", sheet(4.0, 4.0), "black", translation=(0, 0, -0.5)))  # fmt: skip
    plain, _ = drawn(device, scene)
    bloomed, _ = drawn(device, scene, replace(RAW, bloom=True))
    assert plain[20, 32].max() == 0
    assert bloomed[20, 32].max() > 5


def test_a_morph_moves_what_is_drawn(device: Device) -> None:
    from studio.scene.geometry import Morph

    base = sheet(1.0, 1.0)
    up = Morph("up", np.arange(4, dtype=np.uint32), np.full((4, 3), (0.0, 0.4, 0.0), np.float32))
    mesh = make_mesh(base.positions, base.triangles, normals=base.normals, morphs=[up])
    glow = Material(id="grey", base_color=(0.0,) * 3, specular_weight=0.0, emission_luminance=1.0)
    low = drawn(device, scene_of(mesh, glow, thing("w", mesh)))[1][..., 0]
    high = drawn(device, scene_of(mesh, glow, thing("w", mesh, morph_weights=(1.0,))))[1][..., 0]
    rows = np.arange(64)[:, None]
    moved = (low * rows).sum() / low.sum() - (high * rows).sum() / high.sum()
    assert moved == pytest.approx(0.4 * 32, abs=1.0)
    assert low.sum() == pytest.approx(high.sum(), rel=0.05)


def test_an_empty_scene_is_background(device: Device) -> None:
    picture, nits = drawn(device, scene_of(), replace(RAW, background=(1.0, 0.0, 0.0)), samples=2)
    assert (picture == [255, 0, 0]).all() and (nits == 0.0).all()


def test_orthographic_views_are_lit_alike(device: Device) -> None:
    scene = room(40)
    flat = flatten(scene, 1.0)
    view = looking((0.0, 2.5, 6.0), (0.0, -0.5, 0.0), orthographic=True, half_width=2.5)
    _, nits = drawn(device, flat, replace(RAW, shadows=False), camera=view, size=(80, 60))
    renderer, target = Renderer(device), Target(device, 80, 60)
    renderer.sync(flat)
    hit = renderer.pick(target, view, RAW, 20, 50)
    assert hit is not None and hit.id == "floor"
    d = flat.lights["open"][:, :, 3].astype(np.float64) - hit.position
    far2 = (d**2).sum(axis=1)
    expected = (flat.lights["emission"] * (np.maximum(d[:, 1], 0.0) / far2**1.5)[:, None]).sum(axis=0) * 0.5 / np.pi
    assert nits[50, 20] == pytest.approx(expected, rel=0.01)
    target.release()
    renderer.release()


def test_area_lights_show_their_own_radiance_whatever_their_place_in_the_list(device: Device) -> None:
    turned = (0.0, 1.0, 0.0, 0.0)  # it shines towards the camera
    colours = [(1.0, 0.5, 0.25), (0.25, 1.0, 0.5), (0.5, 0.25, 1.0)]
    lamps = [
        Light(
            id=f"l{i}",
            light="rectangle",
            unit="nt",
            intensity=8.0,
            color=colour,
            width_m=0.4,
            height_m=0.4,
            translation=(0.6 * (i - 1), 0.0, 0.0),
            rotation=turned,
        )
        for i, colour in enumerate(colours)
    ]
    _, nits = drawn(device, scene_of(*lamps), size=(65, 65))
    for i, colour in enumerate(colours):
        assert nits[32, 32 + round(0.3 * 65 * (i - 1))] == pytest.approx(8.0 * np.array(colour), rel=1e-3)
