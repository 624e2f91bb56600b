"""Small scenes that the tests of the scene share."""

from __future__ import annotations

import numpy as np

from studio.scene.entities import Camera, Entity, Group, MeshObject
from studio.scene.geometry import Mesh, Morph, make_image, make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material, Texture
from studio.scene.scene import Scene

SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
TWO = np.array([[0, 1, 2], [0, 2, 3]], np.uint32)


def square(size: float = 1.0, **more: object) -> Mesh:
    """Two triangles in two parts."""
    return make_mesh(SQUARE * np.float32(size), TWO, parts=(0, 1, 2), **more)  # type: ignore[arg-type]


def scene_of(*records: Entity | Material | Mesh, **values: object) -> Scene:
    """A scene of entities, materials and meshes."""
    return Scene(**values).add(*records)  # type: ignore[arg-type]


def studio_scene() -> Scene:
    """A bit of everything: a tree, two objects, a textured and an emissive material, four lights, a camera."""
    image = make_image(np.full((2, 2, 3), 128, np.uint8), name="wood")
    mesh, other = square(), square(2.0)
    return scene_of(
        mesh,
        other,
        image,  # type: ignore[arg-type]
        Group(id="set", name="Set", translation=(1.0, 0.0, 0.0)),
        MeshObject(id="floor", name="Floor", parent="set", mesh=mesh.key, materials=("wood", "glow")),
        MeshObject(id="wall", name="Wall", parent="set", mesh=other.key, materials=("wood", "wood")),
        Group(id="rig", name="Rig"),
        Light(id="key", name="Key", parent="rig", light="rectangle", unit="nt", group="keys"),
        Light(id="fill", name="Fill", parent="rig", light="point", group="fills"),
        Light(id="rim", name="Rim", light="spot", unit="lm"),
        Light(id="sun", name="Sun", light="distant", unit="lx"),
        Camera(id="camera", name="Main", translation=(0.0, 1.0, 5.0)),
        Material(id="wood", name="Wood", textures={"base_color": Texture(image=image.key)}),
        Material(id="glow", name="Glow", emission_luminance=50.0),
        camera="camera",
    )


def bending_mesh() -> Mesh:
    """A square whose upper edge a morph raises by one and a second joint carries."""
    joints = np.array([[0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]], np.uint16)
    weights = np.array([[1, 0, 0, 0]] * 4, np.float32)
    up = Morph("up", np.array([2, 3], np.uint32), np.array([[0, 1, 0], [0, 1, 0]], np.float32))
    normals = np.array([[0, 0, 1]] * 4, np.float32)
    return make_mesh(SQUARE, TWO, normals=normals, joints=joints, weights=weights, morphs=[up])
