"""Importing a scene into another."""

import numpy as np

from studio.scene.animation import make_curve
from studio.scene.entities import Camera, Group, MeshObject
from studio.scene.geometry import make_mesh
from studio.scene.insert import insert
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene


def _prop() -> Scene:
    mesh = make_mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    entities = [
        Group(id="prop"),
        Group(id="bone.1", parent="prop"),
        MeshObject(id="body", parent="prop", mesh=mesh.key, materials=("red", ""), joints=("bone.1",), skin="rig"),
        Camera(id="cam"),
    ]
    return Scene(
        entities={e.id: e for e in entities},
        materials={"red": Material(id="red", name="red")},
        meshes={mesh.key: mesh},
        skins={"rig": np.eye(4, dtype=np.float32)[None]},
        tracks={
            "bone.1.translation[1]": make_curve([0.0, 10.0], [0.0, 1.0]),
            "red.base_weight": make_curve([0.0], [0.5]),
        },
        camera="cam",
        fps=30.0,
        frame_end=10.0,
    )


def test_an_empty_scene_takes_time_and_camera_of_what_comes_in():
    scene, tops = insert(Scene(), _prop())
    assert tops == ("prop", "cam")
    assert (scene.camera, scene.fps, scene.frame_end) == ("cam", 30.0, 10.0)


def test_a_second_import_is_an_independent_copy_with_every_reference_renamed():
    once, _ = insert(Scene(), _prop())
    scene, (top,) = insert(once, _prop(), name="prop")
    body = scene.entities["body.2"]
    assert isinstance(body, MeshObject)
    assert scene.entities[top] == Group(id=top, name="prop") and top == "prop.2"
    assert body.materials == ("red.2", "") and scene.materials["red.2"].id == "red.2"
    (joint,) = body.joints
    assert scene.entities[joint].name == "" and scene.entities[body.parent].parent == top
    assert f"{joint}.translation[1]" in scene.tracks and "red.2.base_weight" in scene.tracks
    assert body.skin != "rig" and np.array_equal(scene.skins[body.skin], scene.skins["rig"])
    assert len(scene.meshes) == 1  # geometry is shared by content
    assert scene.camera == "cam"


def test_what_was_there_stays_the_very_same():
    lamp = Light(id="prop", name="lamp")
    before = Scene(entities={"prop": lamp})
    scene, _ = insert(before, _prop(), name="")
    assert scene.entities["prop"] is lamp
    assert scene.camera == "" and scene.fps == before.fps
