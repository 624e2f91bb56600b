"""A box and a ball on a floor under one light, seen from above: the scenes of the tests of shadows."""

from __future__ import annotations

import math

import numpy as np

from studio.scene.entities import Entity
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.geometry import Image, Mesh, make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene
from studio.viewport.camera import ViewCamera
from studio.viewport.device import Device
from studio.viewport.renderer import Renderer
from studio.viewport.targets import Target
from studio.viewport.view import Look, Quality
from tests.viewport.stages import RAW, ball, lamp, matte, scene_of, sheet, thing

FLOOR, BALL = sheet(8.0, 8.0), ball(0.4)


def around_x(degrees: float) -> tuple[float, float, float, float]:
    """A turn about x."""
    half = math.radians(degrees) / 2
    return math.sin(half), 0.0, 0.0, math.cos(half)


def box(side: float = 1.0) -> Mesh:
    """A cube with flat sides."""
    corners, normals, faces = [], [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            first = len(corners)
            for u, v in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                at, normal = [0.0] * 3, [0.0] * 3
                at[axis], at[(axis + 1) % 3], at[(axis + 2) % 3] = sign, u * sign, v
                normal[axis] = sign
                corners.append([c * side / 2 for c in at])
                normals.append(normal)
            faces += [[first, first + 1, first + 2], [first, first + 2, first + 3]]
    return make_mesh(np.array(corners, np.float32), np.array(faces, np.uint32), normals=np.array(normals, np.float32))


BOX = box()
LIGHTS: dict[str, Light] = {
    "point": lamp("l", (1.2, 1.8, 1.0), 40.0),
    "spot": Light(
        id="l", light="spot", translation=(0.5, 2.2, 0.5), rotation=around_x(-95), intensity=60,
        outer_cone_deg=40, inner_cone_deg=30, radius_m=0.0,
    ),
    "wide spot": Light(
        id="l", light="spot", translation=(0.5, 2.2, 0.5), rotation=around_x(-95), intensity=60,
        outer_cone_deg=80, inner_cone_deg=60, radius_m=0.0,
    ),
    "rectangle": Light(
        id="l", light="rectangle", unit="nt", translation=(0.8, 1.8, 0.6), rotation=around_x(-100), intensity=60,
        width_m=1.0, height_m=0.6,
    ),
    "sphere": Light(
        id="l", light="sphere", unit="nt", translation=(1.2, 1.8, 0.6), intensity=60, radius_m=0.25,
        seen_by_camera=False,
    ),
    "distant": Light(id="l", light="distant", unit="lx", rotation=around_x(-125), intensity=30, angle_deg=0.5),
}  # fmt: skip


def stage(*lights: Light, more: tuple[Entity | Material | Mesh | Image, ...] = (), box_surface: str = "grey") -> Scene:
    """The scene; the box, whose surface may be another, stands free above the floor a little."""
    scene = scene_of(
        FLOOR, BOX, BALL, matte(), *more, *lights,
        thing("floor", FLOOR, rotation=around_x(-90), translation=(0.0, -1.0, 0.0)),
        thing("box", BOX, box_surface, translation=(-0.5, -0.3, 0.0)),
        thing("ball", BALL, translation=(0.9, -0.6, 0.4)),
    )  # fmt: skip
    return scene.replace(
        "camera", translation=(0.0, 2.4, 4.4), rotation=around_x(-33), sensor_height_mm=24.0, focal_length_mm=30.0
    )


class Drawn:
    """A renderer with a target, and pictures of scenes."""

    def __init__(self, device: Device, size: tuple[int, int] = (120, 80), *, most_side: int = 8192) -> None:
        self.renderer, self.target = Renderer(device, shadow_side=most_side), Target(device, *size)
        self.flat: FlatScene | None = None

    def nits(self, scene: Scene | FlatScene, look: Look = RAW, *, samples: int = 0) -> np.ndarray:
        """The picture in nits (h, w, 3), with all shadows drawn."""
        flat = scene if isinstance(scene, FlatScene) else flatten(scene, 1.0, previous=self.flat)
        self.flat = flat
        self.renderer.sync(flat)
        camera = ViewCamera.of(flat.camera)
        quality = Quality.STILL if samples else Quality.MOVING
        for _ in range(max(samples, 1)):
            self.statistics = self.renderer.draw(
                self.target, camera, look, quality=quality, shadow_seconds=60.0, samples=max(samples, 1)
            )
        return self.target.read_linear()

    def release(self) -> None:
        """Give everything back."""
        self.target.release()
        self.renderer.release()
