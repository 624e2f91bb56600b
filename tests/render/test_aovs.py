"""Data layers of a known plane, and sums that must add up to the beauty."""

from __future__ import annotations

import numpy as np
import pytest

from studio.render.cryptomatte import matte_ids
from studio.render.film import AOVS, RADIANCE_LAYERS, light_layers
from studio.scene.animation import make_curve
from studio.scene.geometry import make_image
from studio.scene.lights import Light
from studio.scene.materials import Material, Texture
from tests.render.scenes import (
    aimed,
    ball,
    box,
    eye,
    film_of,
    flat_of,
    floor,
    lamp,
    matte,
    quad,
    settings,
    thing,
)
from tests.render.test_surface import EVERYTHING, GLASS, having

S = settings(32, 24, 8)
FRONT = eye((0, 0, 4), (0, 0, 0), fov_y=30)
SUN = Light(light="distant", unit="lx", intensity=1.0, angle_deg=0.0)


def plane_points(s=S, z: float = 0.0, distance: float = 4.0) -> np.ndarray:
    """Where the middles of the pixels of FRONT meet the plane z: (h, w, 2)."""
    half = distance * np.tan(np.radians(15))
    y, x = np.mgrid[: s.height, : s.width] + 0.5
    return np.stack([(x / s.width * 2 - 1) * half * s.width / s.height, (1 - y / s.height * 2) * half], -1)


def test_the_data_layers_of_a_plane(tracer):
    plane = thing(quad((0, 0, 0), (4, 0, 0), (0, 4, 0)), matte(0.2, 0.4, 0.6))
    film = film_of(tracer, flat_of([plane], [SUN], camera=FRONT), S, aovs=AOVS)
    at = plane_points()
    assert film.rgb("P")[..., :2] == pytest.approx(at, abs=0.05)  # jitter of eight samples in a pixel
    assert film.rgb("P")[..., 2] == pytest.approx(0.0, abs=1e-5)
    assert film.rgb("N") == pytest.approx(np.broadcast_to((0.0, 0.0, 1.0), (24, 32, 3)), abs=1e-6)
    assert film.rgb("albedo") == pytest.approx(np.broadcast_to((0.2, 0.4, 0.6), (24, 32, 3)), rel=1e-3)
    uv = np.stack([film.value("UV.U"), film.value("UV.V")], -1)
    assert uv == pytest.approx(np.stack([at[..., 0] / 8 + 0.5, 0.5 - at[..., 1] / 8], -1), abs=0.01)
    assert film.value("A") == pytest.approx(1.0)
    depth = film.value("depth")
    nearest = np.sqrt(16 + (at**2).sum(-1))
    assert (depth <= nearest + 0.01).all() and (depth > nearest - 0.06).all()  # along the ray, nearest of its samples
    assert film.value("motion.X") == pytest.approx(0.0, abs=1e-4)
    assert (film.value("samples") == 8).all()


def test_the_normal_faces_the_camera_and_follows_instances(tracer):
    turned = thing(
        quad((0, 0, 0), (4, 0, 0), (0, -4, 0)), matte(0.5), scale=(1.0, 2.0, -3.0), rotation=(0.0, 0.2588, 0.0, 0.9659)
    )
    film = film_of(tracer, flat_of([turned], [SUN], camera=FRONT), S, aovs=("normal",))
    n = film.rgb("N")[12, 16]
    assert n == pytest.approx((np.sin(np.radians(30)), 0.0, np.cos(np.radians(30))), abs=1e-3)


def test_textures_show_in_the_albedo(tracer):
    pixels = np.zeros((2, 2, 3), np.float32)
    pixels[0, 0], pixels[1, 1] = (1, 0, 0), (0, 0, 1)
    image = make_image(pixels, colour_space="linear")
    painted = matte(1.0, textures={"base_color": Texture(image=image.key, filter="nearest")})
    plane = thing(quad((0, 0, 0), (1, 0, 0), (0, 1, 0)), painted)
    film = film_of(tracer, flat_of([plane], [SUN], camera=FRONT, images=[image]), S, aovs=("albedo",))
    albedo = film.rgb("albedo")
    assert albedo[4, 8] == pytest.approx((1, 0, 0), abs=2e-3)  # top left
    assert albedo[20, 24] == pytest.approx((0, 0, 1), abs=2e-3)
    assert albedo[4, 24] == pytest.approx((0, 0, 0), abs=2e-3)


def test_what_nothing_covers_has_no_alpha_and_no_depth(tracer):
    half = thing(quad((-4, 0, 0), (4, 0, 0), (0, 4, 0)), matte(0.5))
    sky = Light(light="dome", unit="nt", intensity=1.0)
    film = film_of(tracer, flat_of([half], [sky], camera=FRONT), S, aovs=("depth",))
    assert (film.value("A")[:, :15] == 1.0).all() and (film.value("A")[:, 17:] == 0.0).all()
    assert np.isinf(film.value("depth")[:, 17:]).all()
    assert film.rgb("")[:, 17:] == pytest.approx(1.0, rel=1e-5)


def test_partial_opacity_shows_in_alpha(tracer):
    """A share of 64 samples over 768 pixels; the bound is five sigma of the mean."""
    veil = thing(quad((0, 0, 0), (9, 0, 0), (0, 9, 0)), matte(0.5, geometry_opacity=0.25))
    film = film_of(tracer, flat_of([veil], [SUN], camera=FRONT), settings(32, 24, 64))
    assert film.value("A").mean() == pytest.approx(0.25, abs=5 * (0.1875 / 64 / 768) ** 0.5)


def rich():
    """Every kind of light and lobe, in groups."""
    lights = [
        Light(intensity=3.0, radius_m=0.05, translation=(1, 2, 1), group="key"),
        Light(light="dome", unit="nt", intensity=0.2, group="sky"),
        Light(light="rectangle", unit="nt", intensity=3.0, **aimed((-2, 2, 1), (0, 0, 0)), group="key"),
        Light(
            light="distant", unit="lx", intensity=1.0, angle_deg=1.0, **aimed((1, 2, 2), (0, 0, 0)), group="sun: a.b c"
        ),
    ]
    things = [
        thing(floor(3.0), matte(0.5)),
        thing(ball(0.5, smooth=True, centre=(-0.6, 0.5, 0)), EVERYTHING),
        thing(ball(0.5, smooth=True, centre=(0.6, 0.5, 0)), having(GLASS, specular_roughness=0.2)),
        thing(box((0.2, 0.2, 0.2), (0, 0.2, 0.8)), lamp(2.0)),
        thing(box((0.2, 0.2, 0.2), (0, 1.5, 0)), Material(base_metalness=1.0, specular_roughness=0.1)),
        thing(
            quad((-1.2, 0.4, 1.0), (0.2, 0, 0), (0, 0.3, 0)),
            having(GLASS, geometry_thin_walled=True, specular_roughness=0.6),
        ),
    ]
    return flat_of(things, lights, camera=eye((0, 1.2, 4), (0, 0.5, 0), fov_y=40))


def test_layers_and_light_groups_add_up_to_the_beauty(tracer):
    flat = rich()
    film = film_of(tracer, flat, settings(48, 32, 16, depth=8), aovs=(*RADIANCE_LAYERS, "lights"))
    beauty = film.rgb("").astype(np.float64)
    layers = {name: film.rgb(name).astype(np.float64) for name in RADIANCE_LAYERS}
    groups = {name: film.rgb(name).astype(np.float64) for name in light_layers(flat.light_groups)}
    assert len(groups) == 4
    for parts in (layers, groups):
        assert sum(parts.values()) == pytest.approx(beauty, rel=1e-4, abs=1e-5 * beauty.max())
        for name, part in parts.items():
            assert part.min() > -1e-6 * beauty.max(), name
            assert part.max() > 1e-3 * beauty.max(), name


def test_each_light_group_is_the_picture_with_that_group_alone(tracer):
    """Mean of the picture within 3 %: the same light with noise of its own."""

    def lit(*keep):
        lights = [
            Light(intensity=3.0, radius_m=0.0, translation=(1, 2, 1), group="a"),
            Light(light="dome", unit="nt", intensity=0.2, group="b"),
        ]
        things = [thing(floor(2.0), matte(0.5)), thing(ball(0.5, centre=(0, 0.5, 0)), Material(specular_roughness=0.3))]
        return flat_of(things, [light for light in lights if light.group in keep], camera=eye((0, 1.2, 4), (0, 0.5, 0)))

    s = settings(24, 24, 64, depth=5)
    film = film_of(tracer, lit("a", "b"), s, aovs=("lights",))
    for group in ("a", "b"):
        alone = film_of(tracer, lit(group), s).rgb("")
        assert film.rgb(f"light_{group}").mean() == pytest.approx(alone.mean(), rel=0.03)


def test_light_goes_to_the_layer_of_the_first_surface_it_left(tracer):
    s = settings(16, 16, 16, depth=5)
    camera = eye((0, 2, 0.01), (0, 0, 0), fov_y=10)
    key = Light(intensity=1.0, radius_m=0.0, translation=(0.5, 1, 0.5))

    def shares(material, lights=(key,), extra=()):
        film = film_of(
            tracer, flat_of([thing(floor(3.0), material), *extra], lights, camera=camera), s, aovs=RADIANCE_LAYERS
        )
        total = film.rgb("").mean()
        return {name: float(film.rgb(name).mean() / total) for name in RADIANCE_LAYERS}

    assert shares(matte(0.5))["direct_diffuse"] == pytest.approx(1.0, abs=1e-4)
    metal = Material(base_metalness=1.0, specular_roughness=0.4)
    assert shares(metal)["direct_specular"] == pytest.approx(1.0, abs=1e-3)
    assert shares(lamp(1.0), lights=())["emission"] == pytest.approx(1.0, abs=1e-4)
    under = thing(floor(3.0, -1.0), matte(0.5))
    pane = shares(
        Material(transmission_weight=1.0, geometry_thin_walled=True, specular_roughness=0.0, specular_ior=1.2),
        extra=[under],
    )
    assert pane["indirect_transmission"] + pane["direct_transmission"] > 0.9
    lid = thing(quad((0, 1.5, 0), (1, 0, 0), (0, 0, 1)), matte(0.9), visible_camera=False)
    bounced = shares(matte(0.5), extra=[lid])
    assert bounced["indirect_diffuse"] > 0.02
    assert bounced["indirect_diffuse"] + bounced["direct_diffuse"] == pytest.approx(1.0, abs=1e-4)


def test_motion_vectors_point_to_where_things_are_in_the_next_frame(tracer):
    tracks = {"thing0.translation": make_curve([0, 10], [[0, 0, 0], [1.0, 0.5, 0]])}
    plane = [thing(quad((0, 0, 0), (9, 0, 0), (0, 9, 0)), matte(0.5))]
    one, then = (flat_of(plane, [SUN], camera=FRONT, tracks=tracks, frame=float(f)) for f in (2, 3))
    film = film_of(tracer, one, S, aovs=("motion",), following=then)
    pixel = 2 * 4 * np.tan(np.radians(15)) / 24
    assert film.value("motion.X") == pytest.approx(0.1 / pixel, rel=1e-3)
    assert film.value("motion.Y") == pytest.approx(-0.05 / pixel, rel=1e-3)


def test_motion_vectors_follow_the_camera(tracer):
    tracks = {"camera.translation": make_curve([0, 10], [[0, 0, 4], [1.0, 0.5, 4]])}
    plane = [thing(quad((0, 0, 0), (9, 0, 0), (0, 9, 0)), matte(0.5))]
    one, then = (flat_of(plane, [SUN], camera=FRONT, tracks=tracks, frame=float(f)) for f in (2, 3))
    film = film_of(tracer, one, S, aovs=("motion",), following=then)
    pixel = 2 * 4 * np.tan(np.radians(15)) / 24
    assert film.value("motion.X") == pytest.approx(-0.1 / pixel, rel=1e-3)
    assert film.value("motion.Y") == pytest.approx(0.05 / pixel, rel=1e-3)


@pytest.mark.parametrize("kind", ["object", "material"])
def test_cryptomatte_counts_the_samples_of_each_object(tracer, kind):
    left = thing(quad((-4, 0, 0), (4, 0, 0), (0, 4, 0)), matte(0.5), name="left")
    right = thing(quad((2, 0, 0), (2, 0, 0), (0, 0.5, 0)), matte(0.2), name="right")
    flat = flat_of([left, right], [SUN], camera=FRONT)
    film = film_of(tracer, flat, S, aovs=(f"crypto_{kind}",))
    names = flat.object_names if kind == "object" else flat.material_names
    ids = dict(zip(names, matte_ids(names)))
    wanted = ("left", "right") if kind == "object" else ("material0", "material1")
    cover = [
        np.where(film.matte_ids[0] == np.uint32(ids[name]), film.matte_counts[0], 0).sum(-1) / 8.0 for name in wanted
    ]
    assert (cover[0][:, :15] == 1).all() and (cover[0][:, 17:] == 0).all()
    assert (cover[1][11:13, 18:] == 1).all() and (cover[1][:4] == 0).all() and (cover[1][:, :15] == 0).all()
    assert (cover[0] + cover[1] <= 1.0).all()
    assert film.matte_lost.max() == 0


def test_the_variance_of_the_film_is_that_of_its_samples(tracer):
    """Half opacity before black: every sample is 1 or 0, so the variance of the mean is p (1 - p) / (n - 1)."""
    veil = thing(quad((0, 0, 0), (9, 0, 0), (0, 9, 0)), matte(1.0, geometry_opacity=0.5, unlit=True))
    film = film_of(tracer, flat_of([veil], [SUN], camera=FRONT), settings(32, 24, 64))
    p = film.value("R").astype(np.float64)
    assert film.variance() == pytest.approx(p * (1 - p) / 63, rel=1e-4, abs=1e-8)
    assert film.half(0).mean() == pytest.approx(film.half(1).mean(), rel=0.05)
