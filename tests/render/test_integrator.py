"""The estimator against pictures that theory knows: furnaces, form factors, falloffs, and light sampling both ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studio.scene.geometry import make_image, make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material, Texture
from tests.render.scenes import (
    BLACK,
    aimed,
    ball,
    box,
    eye,
    flat_of,
    floor,
    lamp,
    matte,
    picture,
    quad,
    repeats,
    settings,
    thing,
)
from tests.render.test_surface import EVERYTHING, GLASS, METAL, having

SPOT = eye((0.0, 0.5, 0.02), (0.0, 0.0, 0.0), fov_y=0.5)  # sees the origin of a floor and next to nothing else
GREY = matte(0.5)
FLOOR = thing(floor(3.0), GREY)


def seen(
    tracer: Any,
    things: Any,
    lights: Any = (),
    *,
    camera: Any = SPOT,
    n: int = 8,
    spp: int = 64,
    depth: int = 2,
    **more: Any,
):
    """Mean of the picture and its standard error, from `n` independent renders of 8 x 8 pixels: (3,), (3,)."""
    flat = flat_of(things, lights, camera=camera, **more)
    r = repeats(tracer, flat, settings(8, 8, spp, depth=depth), n).mean((1, 2))
    return r.mean(0), r.std(0, ddof=1) / n**0.5


def agrees(got: Any, truth: Any, relative: float = 1e-3) -> bool:
    """Within 4.5 standard errors (3e-3 by chance with eight renders) and `relative` for what a scene approximates."""
    mean, error = got
    return bool((np.abs(mean - truth) <= 4.5 * error + relative * np.abs(truth)).all())


# --- furnaces --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("room", ["box", "ball"])
def test_a_closed_room_that_emits_half_and_reflects_half_is_one_everywhere(tracer, room):
    mesh = box((1, 1, 1), inward=True) if room == "box" else ball(1.0)
    walls = matte(0.5, emission_luminance=0.5, double_sided=True)
    camera = eye((0.1, 0.0, 0.3), (0.5, 0.2, -1.0), fov_y=90)
    assert agrees(seen(tracer, [thing(mesh, walls)], camera=camera, depth=40), 1.0)


@pytest.mark.parametrize("count", [1, 4, 300])
def test_a_point_light_in_the_middle_of_a_ball(tracer, count):
    """E = I + rho E on the wall of a unit ball: radiance 1 for I = pi, however many lights share it."""
    lights = [Light(intensity=np.pi / count, radius_m=0.0)] * count
    camera = eye((0.1, 0.0, 0.3), (0.5, 0.2, -1.0), fov_y=90)
    walls = thing(ball(1.0, rings=64, segments=128), GREY)
    assert agrees(seen(tracer, [walls], lights, camera=camera, depth=32, n=6, spp=24), 1.0, 2e-3)


FURNACE = {
    "everything": EVERYTHING,
    "everything smooth": having(EVERYTHING, specular_roughness=0.0, coat_roughness=0.0, fuzz_roughness=0.0),
    "everything at its limits": having(
        EVERYTHING, specular_ior=3.0, coat_ior=3.0, base_diffuse_roughness=1.0, specular_roughness_anisotropy=1.0,
        transmission_dispersion_scale=1.0, specular_weight=1.0, coat_weight=1.0, fuzz_weight=1.0, thin_film_weight=1.0,
    ),
    "no contrast of indices": having(EVERYTHING, specular_ior=1.0, coat_ior=1.0, thin_film_ior=1.0),
}  # fmt: skip


@pytest.mark.parametrize("name", list(FURNACE))
def test_no_mixture_of_lobes_makes_light(tracer, name):
    camera = eye((0, 0, 5), (0, 0, 0), fov_y=18)
    mean, error = seen(
        tracer, [thing(ball(1.0, smooth=True), FURNACE[name])], [Light(light="dome", unit="nt", intensity=1.0)],
        camera=camera, depth=64, spp=32,
    )  # fmt: skip
    assert np.isfinite(mean).all()
    assert (mean <= 1.0 + 4.5 * error).all()
    assert (mean > 0.1).all()


@pytest.mark.parametrize("name", ["smooth glass", "rough glass", "rough metal", "gloss on white", "pane"])
def test_white_materials_vanish_in_a_white_world(tracer, name):
    """Energy compensation makes them white to 1 %."""
    material = {
        "smooth glass": having(GLASS, specular_roughness=0.0),
        "rough glass": having(GLASS, specular_roughness=0.6),
        "rough metal": having(METAL, specular_roughness=0.8),
        "gloss on white": Material(base_color=(1, 1, 1), specular_roughness=0.3),
        "pane": having(GLASS, geometry_thin_walled=True),
    }[name]
    camera = eye((0, 0, 5), (0, 0, 0), fov_y=18)
    got = seen(
        tracer, [thing(ball(1.0), material)], [Light(light="dome", unit="nt", intensity=1.0)], camera=camera,
        depth=64, spp=64,
    )  # fmt: skip
    assert agrees(got, 1.0, 1e-2)


# --- lights over a floor ---------------------------------------------------------------------------------------------
def irradiance(points: np.ndarray, normals: np.ndarray, areas: np.ndarray) -> float:
    """Of a radiator of 1 nit, by quadrature over its pieces, at the origin of a floor facing up."""
    d = np.linalg.norm(points, axis=1)
    w = points / d[:, None]
    return float((np.maximum(w[:, 1], 0) * np.maximum(-(w * normals).sum(1), 0) / d**2 * areas).sum())


def sheet(position: Any, target: Any, half_u: float, half_v: float, n: int = 400, *, disk: bool = False) -> float:
    """Irradiance of a rectangle or disk that shines from `position` to `target`."""
    from studio.scene.transforms import look_at

    m = look_at(position, target)
    g = (np.arange(n) + 0.5) / n * 2 - 1
    u, v = (x.ravel() for x in np.meshgrid(g * half_u, g * half_v))
    if disk:
        keep = u**2 + v**2 <= half_u**2
        u, v = u[keep], v[keep]
    points = u[:, None] * m[:, 0] + v[:, None] * m[:, 1] + m[:, 3]
    return irradiance(points, np.broadcast_to(-m[:, 2], points.shape), np.full(len(u), 4 * half_u * half_v / n**2))


def tube(radius: float, length: float, position: Any, n: int = 600) -> float:
    """Irradiance of a cylinder along x."""
    x = ((np.arange(n) + 0.5) / n - 0.5) * length
    phi = (np.arange(n) + 0.5) / n * 2 * np.pi
    x, phi = (a.ravel() for a in np.meshgrid(x, phi))
    normals = np.stack([0 * x, np.cos(phi), np.sin(phi)], 1)
    points = np.asarray(position) + normals * radius + np.stack([x, 0 * x, 0 * x], 1)
    return irradiance(points, normals, np.full(len(x), 2 * np.pi * radius * length / n**2))


WHERE = (0.4, 1.0, -0.3)
D2 = float(np.dot(WHERE, WHERE))
COS = WHERE[1] / D2**0.5
OVER = {
    "point": (Light(intensity=2.0, radius_m=0.0, translation=WHERE), 2.0 * COS / D2),
    "distant": (Light(light="distant", unit="lx", intensity=3.0, angle_deg=0.0, **aimed(WHERE, (0, 0, 0))), 3.0 * COS),
    "sun": (Light(light="distant", unit="lx", intensity=3.0, angle_deg=10.0, **aimed(WHERE, (0, 0, 0))), 3.0 * COS),
    "dome": (Light(light="dome", unit="nt", intensity=0.7), 0.7 * np.pi),
    "rectangle": (
        Light(light="rectangle", unit="nt", intensity=1.0, width_m=0.8, height_m=0.5, **aimed(WHERE, (0.2, 0, 0))),
        sheet(WHERE, (0.2, 0, 0), 0.4, 0.25),
    ),
    "disk": (
        Light(light="disk", unit="nt", intensity=1.0, radius_m=0.4, **aimed(WHERE, (0.2, 0, 0))),
        sheet(WHERE, (0.2, 0, 0), 0.4, 0.4, disk=True),
    ),
    "sphere": (
        Light(light="sphere", unit="nt", intensity=1.0, radius_m=0.3, translation=WHERE),
        np.pi * 0.09 / D2 * COS,
    ),
    "cylinder": (
        Light(light="cylinder", unit="nt", intensity=1.0, radius_m=0.1, length_m=0.9, translation=WHERE),
        tube(0.1, 0.9, WHERE),
    ),
    "disk right above": (
        Light(light="disk", unit="nt", intensity=1.0, radius_m=0.5, **aimed((0, 1, 0), (0, 0, 0))),
        np.pi * 0.25 / 1.25,
    ),
    "sphere half below the floor": (
        Light(light="sphere", unit="nt", intensity=1.0, radius_m=0.5, translation=(2.0, 0.0, 0.0)),
        None,
    ),
}


@pytest.mark.parametrize("name", [n for n in OVER if OVER[n][1] is not None])
@pytest.mark.parametrize("crowd", [1, 3])
def test_lights_bring_the_irradiance_of_the_books(tracer, name, crowd):
    """Alone, and among two copies in other places that a wall keeps away from the floor."""
    light, truth = OVER[name]
    light = _with(light, seen_by_camera=False)
    things, lights = [FLOOR], [light]
    if crowd > 1 and name != "dome":
        things.append(thing(box((0.5, 0.5, 0.5), (20, 0, 0)), BLACK))
        lights += [
            Light(intensity=1.0, radius_m=0.1, translation=(20, 0, 0)),
            Light(intensity=1.0, translation=(20.1, 0, 0)),
        ]
    assert agrees(seen(tracer, things, lights), 0.5 / np.pi * truth)


def _with(record: Any, **changes: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(record, **changes)


def test_a_spot_falls_off_as_its_cone_says(tracer):
    """KHR_lights_punctual: t squared, t linear in the cosine between the cones."""
    for angle in (0.0, 14.0, 20.0, 27.0, 33.0):
        x = np.tan(np.radians(angle))
        spot = Light(
            light="spot", intensity=5.0, radius_m=0.0, inner_cone_deg=15.0, outer_cone_deg=30.0, seen_by_camera=False,
            **aimed((x, 1.0, 0.0), (x, 0.0, 0.0)),
        )  # fmt: skip
        inner, outer, c = np.cos(np.radians((15.0, 30.0, angle)))
        t = float(np.clip((c - outer) / (inner - outer), 0.0, 1.0))
        truth = 5.0 * t**2 * c / (1.0 + x * x)
        assert agrees(seen(tracer, [FLOOR], [spot], spp=4), 0.5 / np.pi * truth, 3e-3)


@pytest.mark.parametrize("name", ["point", "rectangle", "sphere"])
@pytest.mark.parametrize("count", [300, 2000])
def test_many_lights_that_share_the_power_of_one_give_its_picture(tracer, name, count):
    """Spread a little, so that none hides another; all shares of the picking have to be right for that."""
    rng = np.random.default_rng(count)
    spread = rng.uniform(-0.3, 0.3, (count, 3)) + np.array((0.3, 1.2, -0.2))
    d2 = (spread**2).sum(1)
    if name == "point":
        lights = [Light(intensity=10.0 / count, radius_m=0.0, translation=tuple(p)) for p in spread]
        truth = (10.0 / count * spread[:, 1] / d2**1.5).sum()
    elif name == "sphere":
        r = 2e-4
        lights = [
            Light(light="sphere", unit="cd", intensity=10.0 / count, radius_m=r, translation=tuple(p)) for p in spread
        ]
        truth = (10.0 / count * spread[:, 1] / d2**1.5).sum()
    else:
        side = {"width_m": 2e-4, "height_m": 2e-4, "unit": "cd", "intensity": 10.0 / count}
        lights = [Light(light="rectangle", **side, **aimed(tuple(p), (p[0], 0.0, p[2]))) for p in spread]
        truth = (10.0 / count * spread[:, 1] ** 2 / d2**2).sum()
    got = seen(tracer, [FLOOR], lights, spp=64)
    assert agrees(got, 0.5 / np.pi * truth, 2e-3)
    assert got[1].max() < 0.01 * got[0].min()  # the table was worth learning


def test_no_light_and_a_dark_light_leave_the_floor_black(tracer):
    assert (seen(tracer, [FLOOR])[0] == 0.0).all()
    assert (seen(tracer, [FLOOR], [Light(intensity=0.0), Light(color=(0.0, 0.0, 0.0))])[0] == 0.0).all()


# --- both ways to a light --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("surface", ["matte", "glossy", "metal", "mirror"])
def test_sampling_lights_and_meeting_them_agree(tracer, surface):
    """An unlit sheet is no light, so only scattered rays find it; the same sheet as a lamp is sampled as well."""
    material = {
        "matte": GREY,
        "glossy": Material(base_color=(0.5, 0.5, 0.5), specular_roughness=0.25),
        "metal": Material(base_metalness=1.0, base_color=(0.9, 0.9, 0.9), specular_roughness=0.4),
        "mirror": Material(base_metalness=1.0, base_color=(0.9, 0.9, 0.9), specular_roughness=0.0),
    }[surface]
    ground = thing(floor(3.0), material)
    sheet_ = quad((0.5, 1.0, -0.4), (0.6, 0.2, 0), (0, 0.1, 0.5))
    camera = eye((-0.5, 0.9, 0.6), (0, 0, 0), fov_y=15)
    unlit = seen(tracer, [ground, thing(sheet_, matte(1.0, unlit=True))], camera=camera, spp=256)
    lit = seen(tracer, [ground, thing(sheet_, lamp(1.0, double_sided=True))], camera=camera, spp=256)
    assert (unlit[0] > 0.01).all()
    assert (np.abs(unlit[0] - lit[0]) <= 4.5 * np.hypot(unlit[1], lit[1]) + 1e-6).all()
    assert lit[1].max() <= 2.0 * unlit[1].max()  # errors of errors: eight renders each


def test_a_textured_lamp_brings_the_light_of_its_image(tracer):
    pixels = np.zeros((8, 8, 3), np.float32)
    pixels[2, 1] = (8.0, 0.0, 4.0)
    pixels[5:, 5:] = (0.5, 1.0, 0.0)
    image = make_image(pixels, colour_space="linear")
    picture_ = {"emission_color": Texture(image=image.key, scale=(2.0, 1.0), offset=(0.1, 0.3), rotation_deg=20.0)}
    plain = {"base_color": Texture(image=image.key, scale=(2.0, 1.0), offset=(0.1, 0.3), rotation_deg=20.0)}
    sheet_ = quad((0.1, 0.5, 0.1), (0.5, 0, 0), (0, 0, 0.5))
    lit = seen(tracer, [FLOOR, thing(sheet_, lamp(1.0, textures=picture_))], images=[image], camera=SLANT, spp=256)
    unlit = seen(
        tracer, [FLOOR, thing(sheet_, matte(1.0, unlit=True, textures=plain))], images=[image], camera=SLANT, spp=1024
    )
    assert (np.abs(unlit[0] - lit[0]) <= 4.5 * np.hypot(unlit[1], lit[1])).all()


SLANT = eye((2.0, 0.4, 0.0), (0.0, 0.0, 0.0), fov_y=3.0)


@pytest.mark.parametrize("by", ["number", "texture", "vertex colours", "mask"])
def test_a_lamp_with_holes_gives_the_light_of_what_is_left(tracer, by):
    """Opacity one half, or half of the area cut away, evenly."""
    pixels = np.full((64, 64, 4), 255, np.uint8)
    pixels[:, ::2, 3] = 0
    stripes = make_image(pixels, colour_space="data")
    cut = {"geometry_opacity": Texture(image=stripes.key, channel="a", filter="nearest")}
    plain = quad((0.1, 0.5, 0.1), (0.5, 0, 0), (0, 0, 0.5))
    faded = make_mesh(plain.positions, plain.triangles, colors=np.full((4, 4), (1, 1, 1, 0.5)))
    sheet_, material = {
        "number": (plain, lamp(1.0, geometry_opacity=0.5)),
        "texture": (plain, lamp(1.0, textures=cut)),
        "vertex colours": (faded, lamp(1.0)),
        "mask": (plain, lamp(1.0, textures=cut, alpha_mode="mask")),
    }[by]
    whole = seen(tracer, [FLOOR, thing(plain, lamp(1.0))], camera=SLANT, spp=256)
    half = seen(tracer, [FLOOR, thing(sheet_, material)], camera=SLANT, spp=256, images=[stripes])
    assert (np.abs(half[0] - 0.5 * whole[0]) <= 4.5 * np.hypot(half[1], 0.5 * whole[1]) + 2e-3 * whole[0]).all()


def test_an_unlit_lamp_shows_its_base_colour_and_lights_alike(tracer):
    """Unlit wins over emission, for the eye and for the floor."""
    sheet_ = quad((0.1, 0.5, 0.1), (0.5, 0, 0), (0, 0, 0.5))
    plain = seen(tracer, [FLOOR, thing(sheet_, matte(0.7, unlit=True))], camera=SLANT, spp=256)
    also = seen(tracer, [FLOOR, thing(sheet_, matte(0.7, unlit=True, emission_luminance=5.0))], camera=SLANT, spp=256)
    assert (np.abs(plain[0] - also[0]) <= 4.5 * np.hypot(plain[1], also[1])).all()


# --- everything at once ----------------------------------------------------------------------------------------------
def test_a_sky_with_a_sun_is_the_sum_of_sky_and_sun(tracer):
    """An image of a dim sky with one texel 20,000 times as bright, against quadrature over its texels."""
    h, w = 32, 64
    sky = np.full((h, w, 3), (0.2, 0.3, 0.5), np.float32)
    sky[9, 40] = 6000.0
    image = make_image(sky, colour_space="linear")
    flat = flat_of(
        [FLOOR], [Light(light="dome", unit="nt", intensity=1.0, image=image.key)], images=[image], camera=SPOT
    )
    r = repeats(tracer, flat, settings(8, 8, 64, depth=2), 8).mean((1, 2))
    # the image is interpolated between the centres of its texels
    fine = 16
    y, x = (np.arange(h * fine) + 0.5) / fine - 0.5, (np.arange(w * fine) + 0.5) / fine - 0.5
    y0, x0 = np.floor(y).astype(int), np.floor(x).astype(int)
    fy, fx = (y - y0)[:, None, None], (x - x0)[None, :, None]
    rows = [np.clip(y0 + k, 0, h - 1) for k in (0, 1)]
    columns = [(x0 + k) % w for k in (0, 1)]
    value = sum(
        sky[rows[a]][:, columns[b]].astype(float) * (fy if a else 1 - fy) * (fx if b else 1 - fx)
        for a in (0, 1)
        for b in (0, 1)
    )
    theta = (np.arange(h * fine) + 0.5) / (h * fine) * np.pi
    weight = np.maximum(np.cos(theta), 0) * np.sin(theta) * (np.pi / (h * fine)) * (2 * np.pi / (w * fine))
    truth = 0.5 / np.pi * (value * weight[:, None, None]).sum((0, 1))
    assert agrees((r.mean(0), r.std(0, ddof=1) / 8**0.5), truth, 3e-3)


def test_odd_geometry_and_broken_numbers_never_reach_the_picture(tracer):
    """Zero-area triangles, lights inside walls and at the surface, huge and tiny ones, every lobe at once."""
    p = [(0, 0, 0), (1, 0, 0), (2, 0, 0), (0, 1, -1)]
    sliver = make_mesh(p, [(0, 1, 2), (0, 0, 1), (3, 3, 3), (0, 1, 3)], normals=np.zeros((4, 3)), uv0=np.zeros((4, 2)))
    things = [
        FLOOR,
        thing(sliver, having(EVERYTHING, emission_luminance=3.0)),
        thing(
            box((0.3, 0.3, 0.3), (0.5, 0.0, 0.0)),
            having(EVERYTHING, transmission_depth=0.1, transmission_scatter=(1, 1, 1)),
        ),
        thing(ball(0.3, centre=(-0.5, 0.3, 0)), having(GLASS, specular_roughness=0.0, emission_luminance=1.0)),
    ]
    lights = [
        Light(intensity=1.0, radius_m=0.0, translation=(0.5, 0.0, 0.0)),
        Light(intensity=1.0, radius_m=0.0),  # in the floor
        Light(light="sphere", unit="nt", intensity=1.0, radius_m=100.0, translation=(0, -90, 0)),
        Light(light="rectangle", unit="nt", intensity=1e6, width_m=1e-6, height_m=1e-6, translation=(0, 1, 0)),
        Light(light="rectangle", unit="nt", intensity=1.0, width_m=0.0, translation=(0, 1, 0)),
        Light(light="spot", intensity=float("nan"), translation=(0, 1, 0)),
        Light(light="cylinder", unit="nt", intensity=1.0, radius_m=1e-5, length_m=50.0, translation=(0, 0.1, 0)),
        Light(light="distant", unit="lx", angle_deg=180.0),
        Light(light="dome", unit="nt", intensity=1.0),
        Light(intensity=1e20, translation=(0, 1e7, 0)),
    ]
    flat = flat_of(things, lights, camera=eye((0, 2, 3), (0, 0, 0), fov_y=50))
    image = picture(tracer, flat, settings(48, 48, 16, depth=12))
    assert np.isfinite(image).all()
    assert (image >= 0).all()
    assert image.mean() > 0.01


@pytest.mark.parametrize("shadow", [True, False])
def test_objects_far_from_their_own_origin_do_not_shadow_themselves(tracer, shadow):
    """A floor whose vertices lie a kilometre from its object's origin, which is moved back by as much."""
    ground = thing(
        quad((1000, 0, 1000), (3, 0, 0), (0, 0, -3)),
        GREY,
        translation=(-1000.0, 0.0, -1000.0),
        visible_reflection=shadow,
    )
    dome = Light(light="dome", unit="nt", intensity=1.0)
    assert agrees(seen(tracer, [ground], [dome]), 0.5, 2e-3)
