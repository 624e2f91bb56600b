"""Motion blur: a picture over the shutter is the average of the moments in it, whatever it is that moves.

Every test compares renders with the shutter open against stills evenly spread over it: Welch's t test over blocks of
pixels, Sidak corrected, significance 1e-3 each, fixed seeds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studio.scene.animation import make_curve
from studio.scene.geometry import Morph, make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material
from tests.render.scenes import (
    ball,
    blocks,
    box,
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

WHITE = matte(1.0, unlit=True)
MOMENTS = 24


def blurred_and_stills(
    tracer: Any,
    things: Any,
    lights: Any = (),
    *,
    camera: Any,
    tracks: Any,
    size: int = 24,
    spp: int = 32,
    depth: int = 2,
):
    """Renders over the shutter [0, 1] frames, and averages of stills in the middles of its parts: (n, h, w, 3) each."""
    import msgspec

    open_ = msgspec.structs.replace(camera, shutter_open=0.0, shutter_close=1.0)
    s = settings(size, size, spp, depth=depth)
    blurred = repeats(tracer, flat_of(things, lights, camera=open_, tracks=tracks, frame=0.0), s, 8)
    few = settings(size, size, 2, depth=depth)
    stills = [
        repeats(tracer, flat_of(things, lights, camera=camera, tracks=tracks, frame=(k + 0.5) / MOMENTS), few, 8)
        for k in range(MOMENTS)
    ]
    return blurred, np.mean(stills, axis=0)


def same(pair: Any, block: int = 6) -> bool:
    blurred, stills = pair
    assert blurred.mean() > 0.0
    return smallest_p(blocks(blurred, block), blocks(stills, block)) > 1e-3


FRONT = eye((0, 0, 4), (0, 0, 0), fov_y=40)


def test_an_object_that_moves(tracer):
    tracks = {"thing0.translation": make_curve([0, 1], [[-0.8, -0.3, 0], [0.8, 0.3, 0]])}
    assert same(blurred_and_stills(tracer, [thing(box((0.4, 0.4, 0.1)), WHITE)], camera=FRONT, tracks=tracks))


def test_an_object_that_grows(tracer):
    tracks = {"thing0.scale": make_curve([0, 1], [[0.5, 0.5, 0.5], [2.0, 1.0, 1.0]])}
    assert same(blurred_and_stills(tracer, [thing(box((0.5, 0.5, 0.1)), WHITE)], camera=FRONT, tracks=tracks))


def test_a_mesh_that_deforms(tracer):
    plain = quad((0, 0, 0), (0.4, 0, 0), (0, 0.4, 0))
    shift = np.array([[-0.6, 0, 0], [0.7, 0, 0], [0.7, 0.6, 0], [-0.2, 0, 0]], np.float32)
    mesh = make_mesh(plain.positions, plain.triangles, morphs=[Morph("wide", np.arange(4, dtype=np.uint32), shift)])
    tracks = {"thing0.morph_weights": make_curve([0, 1], [[0.0], [1.0]])}
    pair = blurred_and_stills(tracer, [thing(mesh, WHITE, morph_weights=(0.0,))], camera=FRONT, tracks=tracks)
    assert same(pair)
    assert pair[0].mean() > 1.2 * 0.64 / (2 * 4 * np.tan(np.radians(20))) ** 2  # it did move


def test_a_camera_that_moves(tracer):
    tracks = {"camera.translation": make_curve([0, 1], [[-0.7, 0, 4], [0.7, 0.4, 4]])}
    things = [thing(box((0.4, 0.4, 0.1)), WHITE), thing(box((0.2, 0.2, 0.1), (0.9, 0.5, -1)), WHITE)]
    assert same(blurred_and_stills(tracer, things, camera=FRONT, tracks=tracks))


OVER = eye((0, 3, 0.01), (0, 0, 0), fov_y=40)
LAMPS = {
    "point": Light(intensity=5.0, radius_m=0.0),
    "sphere": Light(light="sphere", unit="nt", intensity=20.0, radius_m=0.2, seen_by_camera=False),
    "rectangle": Light(
        light="rectangle", unit="nt", intensity=20.0, width_m=0.4, height_m=0.3, seen_by_camera=False,
        rotation=(-0.70710678, 0, 0, 0.70710678),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(LAMPS))
@pytest.mark.parametrize("crowd", [1, 2])
def test_a_light_that_moves_alone(tracer, name, crowd):
    """Nothing but the light moves; with and without a second one that has to be told from it."""
    tracks = {"light0.translation": make_curve([0, 1], [[-0.8, 0.6, 0], [0.8, 0.6, 0.3]])}
    lights = [LAMPS[name], Light(intensity=1.0, radius_m=0.0, translation=(0.5, 1.0, 0.5))][:crowd]
    assert same(blurred_and_stills(tracer, [thing(floor(3.0), matte(0.5))], lights, camera=OVER, tracks=tracks, spp=64))


def test_a_light_that_turns(tracer):
    turn = make_curve([0, 1], [[-0.70710678, 0, 0, 0.70710678], [-0.66446, 0.24184, 0.24184, 0.66446]], rotation=True)
    spot = Light(light="spot", intensity=5.0, radius_m=0.0, inner_cone_deg=10, outer_cone_deg=25, translation=(0, 1, 0))
    pair = blurred_and_stills(
        tracer, [thing(floor(3.0), matte(0.5))], [spot], camera=OVER, tracks={"light0.rotation": turn}, spp=64
    )
    assert abs(pair[0].mean() / pair[1].mean() - 1) < 0.02  # matrices are interpolated, which bends the turn a little


def test_a_lamp_of_triangles_that_moves(tracer):
    sheet = quad((0, 0, 0), (0.2, 0, 0), (0, 0, 0.2))
    tracks = {"thing1.translation": make_curve([0, 1], [[-0.8, 0.6, 0], [0.8, 0.6, 0.3]])}
    things = [thing(floor(3.0), matte(0.5)), thing(sheet, lamp(10.0), visible_camera=False)]
    assert same(blurred_and_stills(tracer, things, camera=OVER, tracks=tracks, spp=64))


def test_a_shadow_that_moves(tracer):
    tracks = {"thing1.translation": make_curve([0, 1], [[-0.8, 0.5, 0], [0.8, 0.5, 0]])}
    things = [thing(floor(3.0), matte(0.5)), thing(box((0.3, 0.02, 0.3)), matte(0.2), visible_camera=False)]
    lights = [Light(intensity=5.0, radius_m=0.0, translation=(0, 1.5, 0))]
    assert same(blurred_and_stills(tracer, things, lights, camera=OVER, tracks=tracks, spp=64))


def test_a_reflection_in_a_ball_that_moves(tracer):
    """Normals of a moving mirror turn nothing and bend nothing."""
    tracks = {"thing0.translation": make_curve([0, 1], [[-0.3, 0, 0], [0.3, 0, 0]])}
    mirror = Material(base_metalness=1.0, base_color=(1, 1, 1), specular_roughness=0.3)
    things = [
        thing(ball(0.8, smooth=True), mirror),
        thing(quad((0, 3, 0), (2, 0, 0), (0, 0, 2)), matte(1.0, unlit=True)),
    ]
    assert same(blurred_and_stills(tracer, things, camera=FRONT, tracks=tracks, spp=64))


def test_a_closed_shutter_freezes_everything(tracer):
    tracks = {"thing0.translation": make_curve([0, 1], [[-0.8, 0, 0], [0.8, 0, 0]])}
    s = settings(16, 16, 4)
    box_ = [thing(box((0.4, 0.4, 0.1)), WHITE)]
    moving = film_of(tracer, flat_of(box_, camera=FRONT, tracks=tracks, frame=0.5), s)
    still = film_of(tracer, flat_of(box_, camera=FRONT, frame=0.5), s)
    assert (moving.sums == still.sums).all()
    assert len(pixels_of(s)) == 256
