"""The flat scene: what a renderer reads. Records and layouts only; `studio.scene.flatten` makes them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.scene.geometry import Deformed, Image, mesh_key
from studio.scene.lights import PORTAL

# flags of INSTANCE
SEEN_BY_CAMERA, SEEN_IN_REFLECTIONS, CASTS_SHADOWS, MOVES = 1, 2, 4, 8

INSTANCE = np.dtype(
    [
        ("mesh", "i4"),  # row of FlatScene.meshes
        ("object", "i4"),  # index into FlatScene.object_names
        ("material_start", "i4"),  # part p has material FlatScene.instance_materials[material_start + p]
        ("flags", "u4"),
        ("link", "u4"),  # row of FlatScene.light_links: the set of receivers it belongs to
        ("shadow_link", "u4"),  # row of FlatScene.shadow_links: the set of blockers it belongs to
        ("open", "f4", (3, 4)),  # object to world at shutter open
        ("close", "f4", (3, 4)),  # and at shutter close
    ]
)


def all_linked(lights: int) -> NDArray[np.uint32]:
    """(1, words) links of a scene without linking."""
    return np.full((1, max(1, -(-lights // 32))), 0xFFFFFFFF, np.uint32)


@dataclass(frozen=True, slots=True)
class FlatCamera:
    """A camera resolved at a frame. Matrices are rigid camera-to-world (3, 4), at shutter open and close."""

    name: str
    open: NDArray[np.float32]
    close: NDArray[np.float32]
    orthographic: bool
    half_width: float  # tangent of half the angle (perspective) or half the size in metres (orthographic) along `fit`
    fit: str  # "horizontal": half_width spans the image's width; "vertical": its height
    shift: tuple[float, float]  # in units of the fitted side's full length, x right, y up
    lens_radius_m: float
    focus_distance_m: float
    blades: int
    blade_rotation: float  # radians
    exposure_ev: float
    shutter: tuple[float, float] = (0.0, 0.0)  # frames, relative to the frame

    def half_extents(self, width: int, height: int) -> tuple[float, float]:
        """Half the image plane at distance 1 (perspective) or in metres (orthographic), for an image in pixels."""
        if self.fit == "vertical":
            return self.half_width * width / height, self.half_width
        return self.half_width, self.half_width * height / width

    def same(self, other: FlatCamera) -> bool:
        """Whether both take the same picture."""
        return all(np.array_equal(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))


@dataclass(frozen=True, slots=True, eq=False)
class FlatScene:
    """Everything a renderer needs for one frame. Arrays are read-only; sections keep identity when unchanged.

    `lights` holds what shines: muted, hidden and dark lights have no row. First come the light entities, in the
    scene's order, then a "mesh" row for every part of an instance whose material emits. A mesh silenced by mute or
    solo wears a copy of its material without emission.
    """

    frame: float
    fps: float
    camera: FlatCamera
    meshes: tuple[Deformed, ...]
    instances: NDArray[np.void]  # INSTANCE
    instance_materials: NDArray[np.int32]
    object_names: tuple[str, ...]
    materials: NDArray[np.float32]  # (m, materials.STRIDE), see materials.pack
    slots: NDArray[np.float32]  # (s, materials.SLOT_STRIDE)
    material_names: tuple[str, ...]
    textures: tuple[Image, ...]
    lights: NDArray[np.void]  # lights.LIGHT
    light_names: tuple[str, ...]
    light_groups: tuple[str, ...]  # group 0 is "" (no group)
    # Linking: a row of bits for every set of objects that lights treat alike, bit l (word l // 32, least first) for
    # row l of `lights`. A light shines on the objects whose set has its bit, and is blocked by those whose shadow set
    # has it. Row 0 has all bits; where it is the only one there is no linking.
    light_links: NDArray[np.uint32] = field(default_factory=lambda: all_linked(0))  # (sets, words)
    shadow_links: NDArray[np.uint32] = field(default_factory=lambda: all_linked(0))
    portals: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, PORTAL))  # lights.PORTAL, of all domes
    light_ids: tuple[str, ...] = ()  # entity ids in the order of `light_names`: who a light is; no part of the digest
    warnings: tuple[str, ...] = ()
    cache: Any = field(default=None, repr=False)  # what the next flatten builds on; no concern of a renderer's

    def __reduce__(self) -> tuple[Any, ...]:
        """What goes to another process: all but the cache. (Slotted dataclasses of Python 3.11.2 lose __getstate__.)"""
        return FlatScene, tuple(None if f.name == "cache" else getattr(self, f.name) for f in fields(self))

    def digest(self) -> str:
        """The scene hash: 32 hexadecimal digits over everything that shows in the picture of this frame.

        Meshes and images count by their content keys, deformed meshes by their vertices too. The frame's number and
        the warnings do not count.
        """
        total = hashlib.blake2b(digest_size=16)
        names = (self.object_names, self.material_names, self.light_names, self.light_groups)
        for name in (f.name for f in fields(FlatCamera)):
            value = getattr(self.camera, name)
            total.update(value.tobytes() if isinstance(value, np.ndarray) else f"{name}={value!r};".encode())
        total.update(msgspec.json.encode([[i.key, i.colour_space] for i in self.textures]))
        total.update(msgspec.json.encode(names))
        arrays = (self.instances, self.instance_materials, self.materials, self.slots, self.lights)
        for array in (*arrays, self.light_links, self.shadow_links, self.portals):
            total.update(f"{array.shape};".encode())
            total.update(np.ascontiguousarray(array).tobytes())
        for deformed in self.meshes:
            mesh = deformed.mesh
            total.update((mesh.key or mesh_key(mesh)).encode())
            for moved, rest in (
                (deformed.positions, mesh.positions),
                (deformed.normals, mesh.normals),
                (deformed.tangents, mesh.tangents),
                (deformed.positions_close, None),
            ):
                total.update(b";" if moved is None or moved is rest else np.ascontiguousarray(moved).tobytes())
        return total.hexdigest()
