"""Scenes made by code: complete, sound, the same every time, and with the lamps that they promise."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np
import pytest

from studio.assets import demo
from studio.assets.demo import shapes
from studio.assets.demo.dressing import aim
from studio.errors import UsageError
from studio.scene.entities import Camera, MeshObject
from studio.scene.flatten import flatten
from studio.scene.geometry import content_key
from studio.scene.lights import KINDS, Light
from studio.scene.scene import Scene

LAMPS = {"hall": 300, "rooms": 300, "dome": 300, "rig": 300, "practicals": 301}


@pytest.fixture(scope="module", params=demo.NAMES)
def built(request: pytest.FixtureRequest) -> tuple[str, Scene]:
    return request.param, demo.build(request.param)


def test_an_unknown_demo_is_refused_with_the_known_names() -> None:
    with pytest.raises(UsageError, match="hall, rooms, dome, rig, practicals"):
        demo.build("nowhere")


def test_every_demo_flattens_without_a_warning(built: tuple[str, Scene]) -> None:
    name, scene = built
    for frame in (scene.frame_start, scene.frame_end):
        flat = flatten(scene, frame)
        assert flat.warnings == ()
        assert len(flat.lights) == LAMPS[name]
        assert np.isfinite(flat.lights["emission"]).all()
        assert (flat.lights["emission"].max(axis=1) > 0).all()


def test_every_demo_looks_through_a_camera_of_its_own(built: tuple[str, Scene]) -> None:
    _, scene = built
    assert isinstance(scene.entities[scene.camera], Camera)


def test_every_reference_in_a_demo_leads_somewhere(built: tuple[str, Scene]) -> None:
    _, scene = built
    for entity in scene.entities.values():
        assert not entity.parent or entity.parent in scene.entities
        if isinstance(entity, MeshObject):
            assert entity.mesh in scene.meshes
            assert set(entity.materials) <= set(scene.materials)
        if isinstance(entity, Light):
            assert not entity.image or entity.image in scene.images
    for material in scene.materials.values():
        assert all(texture.image in scene.images for texture in material.textures.values())


def test_every_track_moves_a_field_that_exists(built: tuple[str, Scene]) -> None:
    _, scene = built
    for path, curve in scene.tracks.items():
        owner, _, field = path.rpartition(".")
        assert field in scene.entities[owner].__struct_fields__
        assert (np.diff(curve.times) > 0).all()
        assert np.isfinite(curve.values).all()
        if curve.rotation:
            assert np.linalg.norm(curve.values, axis=1) == pytest.approx(1.0)


def test_a_demo_is_the_same_scene_every_time(built: tuple[str, Scene]) -> None:
    name, scene = built
    again = demo.build(name)
    assert msgspec.json.encode(list(again.entities.values())) == msgspec.json.encode(list(scene.entities.values()))
    assert list(again.meshes) == list(scene.meshes)
    assert list(again.images) == list(scene.images)
    assert [content_key(c.times, c.values) for c in again.tracks.values()] == [
        content_key(c.times, c.values) for c in scene.tracks.values()
    ]


def test_the_hall_holds_every_kind_of_light() -> None:
    kinds = Counter(flatten(demo.build("hall"), 1.0).lights["kind"].tolist())
    assert set(kinds) == set(KINDS.values()) - {KINDS["portal"]}  # portals shine not themselves
    assert kinds[KINDS["mesh"]] == 44


def test_the_hall_keeps_its_subject_sharp() -> None:
    scene = demo.build("hall")
    for frame in (scene.frame_start, scene.frame_end):
        camera = flatten(scene, frame).camera
        distance = np.linalg.norm(camera.open[:, 3] - (0.0, 2.12, -1.6))
        assert abs(distance - camera.focus_distance_m) < 0.85


@pytest.mark.parametrize(
    ("shape", "volume"),
    [
        (shapes.box((1.0, 2.0, 3.0)), 6.0),
        (shapes.sphere(1.0, segments=96), 4 / 3 * np.pi),
        (shapes.torus(1.0, 0.2, segments=128, sides=48), 2 * np.pi**2 * 0.2**2),
        (shapes.lathe([(0, 0), (1, 0), (1, 0), (1, 2), (1, 2), (0, 2)], segments=128), 2 * np.pi),
    ],
    ids=["box", "sphere", "torus", "lathe"],
)
def test_a_closed_shape_faces_outwards_and_has_its_volume(shape: shapes.Shape, volume: float) -> None:
    corners = shape.positions[shape.triangles]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (corners[:, 0] * facing).sum() / 6 == pytest.approx(volume, rel=0.01)


@pytest.mark.parametrize(
    "shape",
    [
        shapes.sphere(0.5),
        shapes.tube(shapes.hanging((0, 1, 0), (3, 1, 1), 0.4), 0.05),
        shapes.quad((0, 0, 0), (1, 0, 0), (0, 0, -1)),
        shapes.drape(1.0, 2.0, folds=5, depth=0.05, seed=3),
        shapes.pierced_wall(4.0, 2.0, 3.0, 0.3, radius=1.5),
        shapes.pierced_wall(4.0, 2.0, 2.0, 0.3, radius=1.5, whole=True),
        shapes.sphere(1.0).scaled((0.2, 1.0, 2.0)).turned("z", 30),
    ],
)
def test_normals_are_unit_and_lie_on_the_front(shape: shapes.Shape) -> None:
    corners = shape.positions[shape.triangles]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert np.linalg.norm(shape.normals, axis=1) == pytest.approx(1.0)
    assert ((facing * shape.normals[shape.triangles].mean(axis=1)).sum(axis=1) > 0).all()


@pytest.mark.parametrize("target", [(0, 0, -5), (3, 1, 2), (0, 9, 0), (0, -9, 0.001), (-4, 0.2, 7)])
def test_aim_looks_at_its_target(target: tuple[float, float, float]) -> None:
    x, y, z, w = aim((0.0, 0.0, 0.0), target)
    forward = -np.array([2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)])
    assert forward == pytest.approx(np.array(target) / np.linalg.norm(target), abs=1e-9)
