"""The Scene value: entities, materials, geometry, images and animation, immutable.

An edit makes a new Scene that shares everything it did not touch. Nothing here knows documents, undo or files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from studio.scene.animation import Curve
from studio.scene.entities import Entity, Id
from studio.scene.geometry import Image, Mesh
from studio.scene.materials import Material


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A scene. Mappings are read as immutable; the order of `entities` is the order of siblings in the outliner."""

    name: str = "scene"
    entities: Mapping[Id, Entity] = field(default_factory=dict)
    materials: Mapping[Id, Material] = field(default_factory=dict)
    meshes: Mapping[str, Mesh] = field(default_factory=dict)  # by content key
    images: Mapping[str, Image] = field(default_factory=dict)  # by content key
    skins: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)  # (joints, 4, 4) inverse bind matrices
    tracks: Mapping[str, Curve] = field(default_factory=dict)  # "<id>.<field>" or "<id>.<field>[i]"
    camera: Id = ""  # the active camera; "" lets the studio frame the scene
    fps: float = 24.0
    frame_start: float = 1.0
    frame_end: float = 1.0
    extra: Mapping[str, object] = field(default_factory=dict)
