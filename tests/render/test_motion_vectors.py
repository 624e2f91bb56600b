"""Motion vectors of what deforms: every hit moves with its own corners, whatever else moves the object or the camera.

The deformations are affine over a plane that faces the camera, so a pixel's mean vector is known exactly from the mean
of the positions that its samples hit.
"""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
import pytest

from studio.scene.animation import make_curve
from studio.scene.entities import Group
from studio.scene.flatten import flatten
from studio.scene.geometry import Morph, make_mesh
from studio.scene.lights import Light
from tests.render.scenes import eye, film_of, flat_of, matte, quad, scene_of, settings, thing

S = settings(24, 24, 4)
FRONT = eye((0, 0, 4), (0, 0, 0), fov_y=30)
SUN = Light(light="distant", unit="lx", intensity=1.0, angle_deg=0.0)
PIXEL_M = 2 * 4 * np.tan(np.radians(15)) / 24  # of the plane z = 0
GROWING = make_curve([0, 10], [[0.0], [1.0]])
GREY = matte(0.5)


def stretching(half: float = 9.0):
    """A square that a morph makes wider by a tenth and lifts by a twentieth of its width where it is wide."""
    plain = quad((0, 0, 0), (half, 0, 0), (0, half, 0))
    x = plain.positions[:, :1]
    wide = np.concatenate([0.1 * x, 0.05 * x, 0 * x], 1).astype(np.float32)
    return make_mesh(plain.positions, plain.triangles, morphs=[Morph("wide", np.arange(4, dtype=np.uint32), wide)])


def motion(tracer, one, then):
    """Mean motion in metres of the plane, y up, and mean positions: (h, w, 2) each."""
    film = film_of(tracer, one, S, aovs=("motion", "position"), following=then)
    vectors = np.stack([film.value("motion.X"), -film.value("motion.Y")], -1) * PIXEL_M
    return vectors, film.rgb("P")[..., :2]


def frames(things, *, tracks, camera=FRONT, at=(2.0, 3.0)):
    return [flat_of(things, [SUN], camera=camera, tracks=tracks, frame=f) for f in at]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("baked", {}),
        ("reached through an instance", {"visible_reflection": False}),
        ("mirrored", {"scale": (-1.0, 1.0, 1.0)}),
        ("turned", {"rotation": (0.0, 0.0, 0.38268343, 0.92387953)}),
    ],
)
def test_a_morph_moves_each_point_by_its_own_way(tracer, kind, fields):
    tracks = {"thing0.morph_weights": GROWING}
    vectors, at = motion(tracer, *frames([thing(stretching(), GREY, morph_weights=(0.0,), **fields)], tracks=tracks))
    turn = {"turned": np.radians(45)}.get(kind, 0.0)
    axes = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    local = at @ axes  # a mirrored square grows away from its middle as any other, and is lifted the other way
    lift = -0.05 if kind == "mirrored" else 0.05
    expected = np.stack([0.1 * local[..., 0], lift * local[..., 0]], -1) * 0.1 / 1.02 @ axes.T
    assert np.abs(expected).max() > 0.005
    assert vectors == pytest.approx(expected, abs=2e-5)


def test_an_open_shutter_does_not_change_what_is_said_of_the_next_frame(tracer):
    camera = msgspec.structs.replace(FRONT, shutter_open=0.0, shutter_close=0.5)
    tracks = {"thing0.morph_weights": GROWING}
    things = [thing(stretching(), GREY, morph_weights=(0.0,))]
    vectors, at = motion(tracer, *frames(things, tracks=tracks, camera=camera))
    assert vectors[..., 0] == pytest.approx(at[..., 0] * 0.01 / 1.02, rel=0.06, abs=1e-4)


def test_deformation_and_placement_add_up(tracer):
    tracks = {
        "thing0.morph_weights": GROWING,
        "thing0.translation": make_curve([0, 10], [[0, 0, 0], [1.0, 0.5, 0]]),
        "camera.translation": make_curve([0, 10], [[0, 0, 4], [0.2, 0, 4]]),
    }
    vectors, at = motion(tracer, *frames([thing(stretching(), GREY, morph_weights=(0.0,))], tracks=tracks))
    grown = (at[..., 0] - 0.2) * 0.01 / 1.02
    assert vectors[..., 0] == pytest.approx(grown + 0.1 - 0.02, abs=2e-5)
    assert vectors[..., 1] == pytest.approx(0.5 * grown + 0.05, abs=2e-5)


@pytest.mark.parametrize("fields", [{}, {"visible_reflection": False}])
def test_copies_of_a_mesh_deform_each_for_itself(tracer, fields):
    """Both look the same in this frame, so they share their vertices; in the next frame only the right one moved."""
    mesh = stretching(0.5)
    things = [
        thing(mesh, GREY, morph_weights=(0.0,), translation=(x, 0.0, 0.0), name=name, **fields)
        for x, name in ((-0.5, "left"), (0.5, "right"))
    ]
    vectors, at = motion(tracer, *frames(things, tracks={"thing1.morph_weights": GROWING}, at=(0.0, 1.0)))
    row, column = (np.mgrid[:24, :24] - 11.5) * PIXEL_M
    # well inside, as the filter is three pixels wide
    left, right = ((np.abs(row) < 0.3) & (np.abs(column - middle) < 0.3) for middle in (-0.5, 0.5))
    assert left.sum() > 10 and right.sum() > 10
    assert vectors[left] == pytest.approx(0.0, abs=2e-5)
    assert vectors[right][:, 0] == pytest.approx((at[right][:, 0] - 0.5) * 0.01, abs=2e-5)


def test_a_skin_moves_its_vertices(tracer):
    plain = quad((0, 0, 0), (9, 0, 0), (0, 9, 0))
    part = (plain.positions[:, 0] / 18 + 0.5).astype(np.float32)  # of the second joint: 0 at the left, 1 at the right
    weights = np.stack([1 - part, part, 0 * part, 0 * part], 1)
    mesh = make_mesh(plain.positions, plain.triangles, joints=np.tile([0, 1, 0, 0], (4, 1)), weights=weights)
    tracks = {"tip.translation": make_curve([0, 10], [[0, 0, 0], [0, 9.0, 0]])}
    scene = scene_of([thing(mesh, GREY, skin="rig", joints=("root", "tip"))], [SUN], camera=FRONT, tracks=tracks)
    skins = {"rig": np.stack([np.eye(4, dtype=np.float32)] * 2)}
    scene = dataclasses.replace(scene.add(Group(id="root"), Group(id="tip")), skins=skins)
    vectors, at = motion(tracer, flatten(scene, 0.0), flatten(scene, 1.0))
    assert vectors[..., 0] == pytest.approx(0.0, abs=2e-5)
    assert vectors[..., 1] == pytest.approx(0.9 * (at[..., 0] / 18 + 0.5), abs=2e-5)
