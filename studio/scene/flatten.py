"""The waist: Scene -> FlatScene at a frame.

`flatten` resolves hierarchy, animation, mute and solo, units, instances and deformation into arrays. The viewport and
the tracer read a `FlatScene` and nothing else. A section that did not change since the last flatten keeps its
identity (`is`), so a consumer uploads only what is not the same object.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.scene.geometry import Deformed, Image

# flags of INSTANCE
SEEN_BY_CAMERA, SEEN_IN_REFLECTIONS, CASTS_SHADOWS, MOVES = 1, 2, 4, 8

INSTANCE = np.dtype(
    [
        ("mesh", "i4"),  # row of FlatScene.meshes
        ("object", "i4"),  # index into FlatScene.object_names
        ("material_start", "i4"),  # part p has material FlatScene.instance_materials[material_start + p]
        ("flags", "u4"),
        ("link", "u4"),  # receiver bits for light linking, all ones by default
        ("open", "f4", (3, 4)),  # object to world at shutter open
        ("close", "f4", (3, 4)),  # and at shutter close
    ]
)


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


@dataclass(frozen=True, slots=True, eq=False)
class FlatScene:
    """Everything a renderer needs for one frame. Arrays are read-only; sections keep identity when unchanged."""

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
    warnings: tuple[str, ...] = ()
