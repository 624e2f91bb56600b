"""A film set while it is being dressed: the short way for a demo's builder to say what stands where.

Builders are code that people read as examples, so they should speak of lamps and plinths and not of ids, keys and
quaternions. A `Stage` collects entities, materials, meshes and images and hands them over as an immutable `Scene`.
Equal shapes share one mesh. Everything is deterministic: the ids are the names, numbered in the order of placing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.assets.demo.shapes import Shape
from studio.scene.animation import Curve
from studio.scene.entities import Camera, Entity, Group, MeshObject
from studio.scene.geometry import Image, Mesh, make_image, make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material, Texture
from studio.scene.scene import Scene
from studio.scene.transforms import look_at, quaternions
from studio.scene.turns import UNTURNED, Quat, Vec3


def aim(eye: Sequence[float], target: Sequence[float]) -> Quat:
    """The rotation that makes -z look from `eye` to `target`, with y as near to up as can be."""
    x, y, z, w = quaternions(look_at(eye, target)[None, :, :3])[0].tolist()
    return x, y, z, w


class Stage:
    """A set being dressed; what is placed lies in the group that was started last."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._entities: dict[str, Entity] = {}
        self._materials: dict[str, Material] = {}
        self._meshes: dict[str, Mesh] = {}
        self._images: dict[str, Image] = {}
        self._tracks: dict[str, Curve] = {}
        self._numbers: dict[str, int] = {}
        self._group = ""

    def group(self, name: str) -> str:
        """Start a group of the outliner; what is placed from now on lies in it."""
        self._group = ""
        self._group = self._add(Group, name)
        return self._group

    def material(self, name: str, **fields: Any) -> str:
        """A new OpenPBR material; returns its id."""
        self._materials[name] = Material(id=name, name=name, **fields)
        return name

    def image(self, name: str, pixels: NDArray[Any], colour_space: str = "data") -> str:
        """A new image (h, w, c), top row first; returns its key."""
        image = make_image(pixels, colour_space=colour_space, name=name, where=name)
        self._images[image.key] = image
        return image.key

    def texture(self, name: str, pixels: NDArray[Any], colour_space: str = "data", **fields: Any) -> Texture:
        """A texture of a new image."""
        return Texture(image=self.image(name, pixels, colour_space), **fields)

    def place(
        self, name: str, shape: Shape, material: str, *, at: Vec3 = (0, 0, 0), rotation: Quat = UNTURNED, **fields: Any
    ) -> str:
        """A mesh of one material at a place; returns its id."""
        mesh = make_mesh(shape.positions, shape.triangles, normals=shape.normals, uv0=shape.uv, where=name)
        self._meshes.setdefault(mesh.key, mesh)
        return self._add(
            MeshObject, name, mesh=mesh.key, materials=(material,), translation=_vec3(at), rotation=rotation, **fields
        )

    def lamp(self, kind: str, name: str, *, at: Vec3 = (0, 0, 0), rotation: Quat = UNTURNED, **fields: Any) -> str:
        """A light of one of the kinds of `studio.scene.lights`; a temperature_k given is used. Returns its id."""
        if "temperature_k" in fields:
            fields["use_temperature"] = True
        return self._add(Light, name, light=kind, translation=_vec3(at), rotation=rotation, **fields)

    def camera(self, name: str, *, eye: Vec3, target: Vec3, **fields: Any) -> str:
        """A camera at `eye` that looks at `target`; returns its id."""
        self._group = ""
        return self._add(Camera, name, translation=_vec3(eye), rotation=aim(eye, target), **fields)

    def animate(
        self,
        entity: str,
        field: str,
        frames: ArrayLike,
        values: ArrayLike,
        *,
        rotation: bool = False,
        post: str = "hold",
    ) -> None:
        """Linear keys of a field of an entity: frames (k,) and values (k,) or (k, dim)."""
        times = np.asarray(frames, np.float64)
        rows = np.asarray(values, np.float64).reshape(len(times), -1)
        self._tracks[f"{entity}.{field}"] = Curve(times=times, values=rows, rotation=rotation, pre=post, post=post)

    def scene(self, *, camera: str, frames: int = 1) -> Scene:
        """The set as a scene of so many frames, seen by one of its cameras."""
        return Scene(
            name=self.name,
            entities=self._entities,
            materials=self._materials,
            meshes=self._meshes,
            images=self._images,
            tracks=self._tracks,
            camera=camera,
            frame_start=1.0,
            frame_end=float(frames),
        )

    def _add(self, kind: type[Entity], name: str, **fields: Any) -> str:
        number = self._numbers[name] = self._numbers.get(name, 0) + 1
        entity = kind(id=f"{name}-{number:03d}", name=f"{name} {number}", parent=self._group, **fields)
        self._entities[entity.id] = entity
        return entity.id


def _vec3(v: ArrayLike) -> Vec3:
    x, y, z = (float(c) for c in np.asarray(v, np.float64))
    return (x, y, z)
