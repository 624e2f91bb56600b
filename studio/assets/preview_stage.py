"""The little stage on which a material is shown: a body, a sweep of checks behind it, a key, a fill, a rim, a dim dome.

Everything is made by code, once for each body; only the material differs from picture to picture, so a renderer that
holds the stage is sent a few hundred bytes. The lights are large, as in a photographer's table-top studio: their edges
tell roughness, the checks tell refraction, and the dark between the lights tells colour. Metres, exposure 0.

The bodies are half a metre wide, and what light does below a surface is not: skin is shown as on a ball of a few
centimetres, and an eye as an eyeball, both made larger with all that is in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.assets.demo.shapes import Shape, quad, sheet, sphere
from studio.figure.eyeball import LIMBUS_M, RADIUS_M, eyeball_mesh
from studio.scene.entities import Camera, MeshObject
from studio.scene.geometry import Image, Mesh, make_image, make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material, Texture
from studio.scene.scene import Scene, placed
from studio.scene.transforms import look_at

F64 = NDArray[np.float64]
SHAPES = ("ball", "cloth", "cube", "plane")
STAGE = 3  # of pictures kept on disk: another stage makes other pictures
_SUBJECT, _FLOOR = "preview_subject", "preview_floor"
_EYE, _AIM = (0.0, 0.86, 3.3), (0.0, 0.47, 0.0)
_LIGHTS: tuple[tuple[str, tuple[float, float, float], tuple[float, float], float, tuple[float, float, float]], ...] = (
    ("key", (-1.9, 2.4, 1.9), (1.7, 1.7), 17.0, (1.0, 0.97, 0.93)),
    ("fill", (2.6, 1.2, 1.9), (1.2, 2.2), 5.0, (0.9, 0.95, 1.0)),
    ("rim", (1.5, 1.9, -1.7), (0.8, 1.6), 16.0, (1.0, 1.0, 1.0)),
)
_DOME_NITS = 0.3
_GLOW_NITS = 3.0
_BALL_M = 0.47  # radius of the ball, and of the eyeball
_LARGER = 8.0  # than what a body of a material that light goes below stands for


def preview_scene(
    material: Material, images: Mapping[str, Image] | Iterable[Image] = (), *, shape: str = "ball"
) -> Scene:
    """A scene that shows a material on one of `SHAPES`; `images` are those that its textures name, by their keys."""
    found = images.values() if isinstance(images, Mapping) else images
    eye = material.eye_iris_radius > 0.0 and shape == SHAPES[0]
    stage = _stage("eye" if eye else shape if shape in SHAPES else SHAPES[0])
    glow = min(material.emission_luminance, _GLOW_NITS)  # brighter, and its colour would not be seen
    larger, values = _LARGER, {}
    if eye:  # of whatever size, it is brought to that of the mesh
        fitted = LIMBUS_M / material.eye_iris_radius
        larger = fitted * _BALL_M / RADIUS_M
        values = {"eye_iris_radius": LIMBUS_M, "eye_iris_plane": material.eye_iris_plane * fitted}
    below = material.subsurface_radius * larger
    shown = msgspec.structs.replace(material, id=_SUBJECT, emission_luminance=glow, subsurface_radius=below, **values)
    wanted = {texture.image for texture in material.textures.values()}
    pictures = {image.key: image for image in found if image.key in wanted}
    return replace(
        stage,
        materials={**stage.materials, _SUBJECT: shown},
        images={**stage.images, **pictures},
    )


@cache
def _stage(shape: str) -> Scene:
    checks = _checks()
    floor = Material(
        id=_FLOOR,
        name="floor",
        base_color=(1.0, 1.0, 1.0),
        specular_roughness=0.6,
        textures={"base_color": Texture(image=checks.key, filter="linear")},
    )
    subject, sweep = _mesh(_BODIES[shape]()), _mesh(_sweep())
    scene = Scene(name="preview", camera="camera").add(
        checks,
        floor,
        Material(id=_SUBJECT),
        subject,
        sweep,
        _subject(shape, subject),
        MeshObject(id="floor", mesh=sweep.key, materials=(_FLOOR,)),
        Light(id="dome", light="dome", unit="nt", intensity=_DOME_NITS, seen_by_camera=False),
    )
    for name, at, (width, height), nits, color in _LIGHTS:
        lamp = Light(
            id=name,
            light="rectangle",
            unit="nt",
            intensity=nits,
            color=color,
            width_m=width,
            height_m=height,
            seen_by_camera=False,
        )
        scene = scene.add(placed(lamp, look_at(at, (0.0, 0.5, 0.0))))
    lens = Camera(id="camera", focal_length_mm=85.0, sensor_width_mm=36.0, sensor_height_mm=36.0, focus_distance_m=3.3)
    return scene.add(placed(lens, look_at(_EYE, _AIM)))


def _subject(shape: str, mesh: Mesh) -> MeshObject:
    """The body; an eyeball looks at the camera from where the ball would lie."""
    if shape != "eye":
        return MeshObject(id="subject", mesh=mesh.key, materials=(_SUBJECT,))
    tilt = np.arctan2(_EYE[1] - _BALL_M, _EYE[2])
    turned = (-float(np.sin(tilt / 2)), 0.0, 0.0, float(np.cos(tilt / 2)))
    size = _BALL_M / RADIUS_M
    return MeshObject(
        id="subject",
        mesh=mesh.key,
        materials=(_SUBJECT,),
        translation=(0.0, _BALL_M, 0.0),
        rotation=turned,
        scale=(size, size, size),
    )


def _mesh(shape: Shape) -> Mesh:
    return make_mesh(shape.positions, shape.triangles, normals=shape.normals, uv0=shape.uv)


def _ball() -> Shape:
    """A ball, its texture's seam behind."""
    return sphere(_BALL_M, segments=96).turned("y", 180.0).moved((0.0, _BALL_M, 0.0))


def _eyeball() -> Shape:
    """An eyeball in its own space and size."""
    made = eyeball_mesh(segments=96, rings=72)
    positions, normals, uv = (a.astype(np.float64) for a in (made.positions, made.normals, made.uv))
    return Shape(positions, normals, uv, made.triangles.astype(np.int64))


def _cube() -> Shape:
    """A block with rounded edges, seen over a corner: a superellipsoid, whose edges catch light as made ones do."""
    v, u = np.meshgrid(np.linspace(-np.pi / 2, np.pi / 2, 97), np.linspace(-np.pi, np.pi, 193), indexing="ij")
    power = 0.16

    def bent(value: F64) -> F64:
        return np.asarray(np.sign(value) * np.abs(value) ** power)

    x, y, z = bent(np.cos(v)) * bent(np.sin(u)), bent(np.sin(v)), bent(np.cos(v)) * bent(np.cos(u))
    block = sheet(0.4 * np.stack([x, y, z], -1)[::-1], closed=True)
    return Shape(block.positions, block.normals, _boxed(block), block.triangles).turned("y", 32.0).moved((0, 0.4, 0))


def _boxed(block: Shape) -> F64:
    """Texture coordinates of a block, projected along the axis that each normal leans to most."""
    axis = np.abs(block.normals).argmax(axis=1)
    p = block.positions / 0.8 + 0.5
    across = np.choose(axis, [p[:, 2], p[:, 0], p[:, 0]])
    down = 1.0 - np.choose(axis, [p[:, 1], p[:, 2], p[:, 1]])
    return np.stack([across, down], -1)


def _plane() -> Shape:
    """A board that leans back, its texture upright."""
    return quad((0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (0.0, 0.5, 0.0)).turned("x", -12.0).moved((0.0, 0.5, 0.0))


def _cloth() -> Shape:
    """A round cloth laid over a ball: flat on top, then falling in folds that widen towards the hem."""
    radius, top, reach = 0.34, 0.93, 1.12
    s = np.linspace(0.0, reach, 120)[:, None]
    around = np.linspace(0.0, 2.0 * np.pi, 361)[None, :]
    leaves = 0.44 * np.pi * radius  # arc length on which the cloth still lies on the ball
    bend = np.minimum(s, leaves) / radius
    hang = np.maximum(s - leaves, 0.0)
    t = hang / (reach - leaves)
    wander = 0.35 * np.sin(around + 0.6) + 0.2 * np.sin(2.0 * around + 2.0)
    folds = np.cos(7.0 * (around + 0.25 * wander)) + 0.35 * np.cos(11.0 * around + 1.3)
    ease = t * t * (3.0 - 2.0 * t)
    r = radius * np.sin(bend) + 0.10 * ease + (0.085 * ease + 0.04 * t * t) * folds
    y = top - radius * (1.0 - np.cos(bend)) - 0.93 * hang
    lying = np.minimum(0.0, y - 0.012)  # what would be under the floor lies on it
    r = r - 0.9 * lying
    y = np.maximum(y, 0.012 + 0.02 * (1.0 + folds) * np.minimum(-6.0 * lying, 1.0))
    points = np.stack([r * np.sin(around), y + 0.0 * around, r * np.cos(around)], -1)
    cloth = sheet(points, closed=True)
    flat = np.stack([s * np.sin(around), s * np.cos(around)], -1) / (2.0 * reach) + 0.5
    return Shape(cloth.positions, cloth.normals, flat.reshape(-1, 2), cloth.triangles)


def _sweep() -> Shape:
    """A floor that bends up into a wall."""
    bend = np.linspace(0.0, np.pi / 2, 24)
    z = np.concatenate([[4.0], -1.2 - 0.9 * np.sin(bend), [-2.1]])
    y = np.concatenate([[0.0], 0.9 - 0.9 * np.cos(bend), [4.0]])
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(z), np.diff(y)))])
    x = np.linspace(-4.0, 4.0, 2)
    points = np.stack([np.broadcast_to(x, (len(z), 2)), np.repeat(y[:, None], 2, 1), np.repeat(z[:, None], 2, 1)], -1)
    floor = sheet(points[::-1])
    uv = np.stack([np.broadcast_to(x, (len(z), 2)), np.repeat(length[::-1, None], 2, 1)], -1) * 1.6
    return Shape(floor.positions, floor.normals, uv.reshape(-1, 2), floor.triangles)


def _checks() -> Image:
    """Two by two checks of greys that stay out of the way."""
    side = 32
    dark, light = 104, 158
    row = np.repeat([dark, light], side)
    pixels = np.where((row[:, None] == row[None, :]), dark, light).astype(np.uint8)
    return make_image(np.repeat(pixels[:, :, None], 3, 2), name="checks")


_BODIES = {"ball": _ball, "cloth": _cloth, "cube": _cube, "plane": _plane, "eye": _eyeball}
