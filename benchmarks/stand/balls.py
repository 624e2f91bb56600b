"""A ball under one light: the stage on which the viewport is held against the tracer.

The camera sees nothing but a ball of radius 1 at the origin; light comes from one lamp of a kind, once (two segments of
path: camera to ball, ball to lamp). A single convex ball shadows nothing, so the tracer's shadow rays change nothing.
"""

from __future__ import annotations

import functools
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Camera, MeshObject
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.geometry import Image, Mesh, make_image, make_mesh
from studio.scene.light_shaping import PROFILE_COLUMNS, PROFILE_ROWS
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene
from studio.scene.transforms import look_at

F32 = NDArray[np.float32]

BALLS: dict[str, Material] = {
    "matte": Material(id="ball", base_color=(0.6, 0.5, 0.4), specular_weight=0.0),
    "glossy": Material(id="ball", base_color=(0.2, 0.35, 0.6), specular_roughness=0.2),
    "satin": Material(id="ball", base_color=(0.6, 0.2, 0.2), specular_roughness=0.5),
    "polished": Material(id="ball", base_color=(0.02, 0.02, 0.02), specular_roughness=0.1),
    "metal": Material(id="ball", base_color=(0.9, 0.6, 0.3), base_metalness=1.0, specular_roughness=0.3),
    "rough metal": Material(
        id="ball", base_color=(0.6, 0.6, 0.65), base_metalness=1.0, specular_roughness=0.7,
        specular_color=(0.5, 0.7, 0.9),
    ),
    "coated": Material(
        id="ball", base_color=(0.7, 0.1, 0.05), specular_roughness=0.5, coat_weight=1.0, coat_roughness=0.1,
        coat_color=(0.9, 0.95, 0.8),
    ),
    "fuzzy": Material(
        id="ball", base_color=(0.1, 0.2, 0.4), specular_weight=0.0, fuzz_weight=1.0, fuzz_color=(0.9, 0.8, 0.7)
    ),
    "clay": Material(id="ball", base_color=(0.7, 0.6, 0.5), specular_weight=0.0, base_diffuse_roughness=1.0),
    "film": Material(
        id="ball", base_color=(0.8, 0.8, 0.8), base_metalness=1.0, specular_roughness=0.25, thin_film_weight=1.0,
        thin_film_thickness=0.4, thin_film_ior=1.5,
    ),
    "brushed": Material(
        id="ball", base_color=(0.8, 0.7, 0.6), base_metalness=1.0, specular_roughness=0.4,
        specular_roughness_anisotropy=0.7,
    ),
}  # fmt: skip

_PLACE = (1.6, 1.7, 1.8)


def _light(
    kind: str, unit: str, intensity: float, *, place: tuple[float, float, float] = _PLACE, **more: object
) -> Light:
    """A light at `place` that looks at the ball, from which the camera and reflections do not differ."""
    turn = look_at(place, (0.0, 0.0, 0.0))
    return Light(
        id="light", light=kind, unit=unit, intensity=intensity, translation=place, rotation=_quaternion(turn),
        seen_by_camera=False, **more,
    )  # fmt: skip


def _quaternion(matrix: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """x, y, z, w of a rotation that is no half turn."""
    m = matrix[:, :3]
    w = np.sqrt(max(1.0 + np.trace(m), 1e-12)) / 2.0
    x, y, z = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]
    return float(x / (4 * w)), float(y / (4 * w)), float(z / (4 * w)), float(w)


def sky() -> Image:
    """A sky with a sun of four degrees, a bright horizon and a dark ground, at a thousandth of its nits: the film holds
    samples to 64 times a light's emission, so the emission has to be near the sun's."""
    h, w = 128, 256
    theta = np.pi * (np.arange(h) + 0.5)[:, None] / h
    phi = 2.0 * np.pi * (np.arange(w) + 0.5)[None, :] / w
    up = np.cos(theta) + 0.0 * phi
    blue = np.stack([0.25 + 0.2 * (1 - up), 0.4 + 0.15 * (1 - up), 0.8 + 0.0 * up], axis=-1)
    ground = np.stack([0.12 + 0.05 * np.sin(3 * phi) + 0.0 * up, 0.1 + 0.0 * up, 0.07 + 0.0 * up], axis=-1)
    pixels = np.where(up[..., None] > 0.0, blue, ground).astype(np.float32)
    sun = np.array([0.55, 0.75, 0.37])
    d = np.stack(
        np.broadcast_arrays(np.sin(theta) * np.sin(phi - np.pi), up, -np.sin(theta) * np.cos(phi - np.pi)), axis=-1
    )
    pixels[d @ (sun / np.linalg.norm(sun)) > np.cos(np.radians(2.0))] = (900.0, 800.0, 650.0)
    return make_image(pixels / np.float32(1000.0), colour_space="linear", name="sky")


def profile() -> Image:
    """An IES profile, brightest a little beside the axis and uneven around it."""
    away = np.radians(np.arange(PROFILE_ROWS))[:, None]
    turn = 2.0 * np.pi * np.arange(PROFILE_COLUMNS)[None, :] / PROFILE_COLUMNS
    values = (0.15 + np.cos(2.5 * (away - 0.15)) ** 2) * (0.65 + 0.35 * np.cos(3.0 * turn + 0.4))
    values = np.where(away < np.pi / 2, values, 0.1 * values)
    return make_image((values / values.max()).astype(np.float32)[..., None], colour_space="data", name="profile")


def slide() -> Image:
    """A gobo of coloured fields with a dark frame, eight bits a channel."""
    y, x = np.mgrid[0:64, 0:64] / 64.0
    rings = 0.5 + 0.5 * np.sin(20.0 * np.hypot(x - 0.4, y - 0.55))
    pixels = np.stack([rings, 0.3 + 0.7 * x, np.where(y > 0.5, 0.9, 0.25)], axis=-1)
    pixels[(x < 0.1) | (y > 0.9)] = 0.02
    return make_image(np.rint(pixels * 255.0).astype(np.uint8), colour_space="srgb", name="slide")


def sheet(width: float, height: float, cells: int) -> Mesh:
    """A flat lamp in xy that faces -z."""
    line = np.linspace(-0.5, 0.5, cells + 1)
    x, y = np.meshgrid(line * width, line * height)
    points = np.stack([x, y, 0.0 * x], axis=-1).reshape(-1, 3)
    first = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).reshape(-1, 1)
    corners = np.array([[0, cells + 2, 1], [0, cells + 1, cells + 2]])
    return make_mesh(points.astype(np.float32), (first[:, None] + corners).reshape(-1, 3).astype(np.uint32))


def round_mesh(rings: int, segments: int, *, radius: float = 1.0, stretch: float = 1.0, smooth: bool = True) -> Mesh:
    """A ball; `stretch` lengthens it along x."""
    theta = np.pi * np.arange(rings + 1)[:, None] / rings
    phi = 2.0 * np.pi * np.arange(segments + 1)[None, :] / segments
    normals = np.stack(
        np.broadcast_arrays(np.sin(theta) * np.cos(phi), np.cos(theta), -np.sin(theta) * np.sin(phi)), axis=-1
    ).reshape(-1, 3)
    wide = segments + 1
    first = (np.arange(rings)[:, None] * wide + np.arange(segments)).reshape(-1)
    upper = np.stack([first, first + wide, first + 1], axis=1)[segments:]
    lower = np.stack([first + 1, first + wide, first + wide + 1], axis=1)[:-segments]
    triangles = np.concatenate([upper, lower]).astype(np.uint32)
    points = (normals * radius * (stretch, 1.0, 1.0)).astype(np.float32)
    return make_mesh(points, triangles, normals=normals.astype(np.float32) if smooth else None)


def _mesh_light(mesh: Mesh, nits: float, place: tuple[float, float, float] = _PLACE) -> tuple[object, ...]:
    turn = look_at(place, (0.0, 0.0, 0.0))
    glow = Material(id="glow", emission_luminance=nits, base_color=(0.0, 0.0, 0.0), specular_weight=0.0)
    shape = MeshObject(
        id="lamp", mesh=mesh.key, materials=("glow",), translation=place, rotation=_quaternion(turn),
        visible_camera=False,
    )  # fmt: skip
    return mesh, glow, shape


@functools.cache
def options() -> dict[str, tuple[object, ...]]:
    """Lights that are shaped by direction, have a picture, are counted in other units or shine on some things only."""
    rays, picture = profile(), slide()
    doors: dict[str, Any] = {
        "barn_left_deg": 6.0, "barn_right_deg": 9.0, "barn_top_deg": 90.0, "barn_bottom_deg": 4.0,
        "barn_softness_deg": 5.0,
    }  # fmt: skip
    spot: dict[str, Any] = {"inner_cone_deg": 8.0, "outer_cone_deg": 20.0}
    sides: dict[str, Any] = {"width_m": 1.6, "height_m": 0.8}
    plate = sheet(0.1, 0.1, 1)
    other = MeshObject(id="other", mesh=plate.key, materials=("ball",), translation=(0.0, 0.0, 50.0))
    lit, unlit = _light("spot", "cd", 60.0, **spot), _light("point", "cd", 40.0, place=(-2.0, 1.0, 1.5), radius_m=0.0)
    soft = _light("rectangle", "nt", 20.0, place=(-1.6, 1.0, 1.8), **sides)
    change = msgspec.structs.replace
    return {
        "point, profile": (rays, _light("point", "cd", 60.0, radius_m=0.0, ies=rays.key)),
        "spot, profile": (rays, _light("spot", "cd", 90.0, ies=rays.key, **spot)),
        "sphere, profile": (rays, _light("point", "cd", 60.0, radius_m=0.5, ies=rays.key)),
        "spot, gobo": (
            picture,
            _light("spot", "cd", 90.0, gobo=picture.key, gobo_scale=0.8, gobo_rotation_deg=25.0, **spot),
        ),
        "spot, barn doors": (_light("spot", "cd", 60.0, **spot, **doors),),
        "rectangle, barn doors": (_light("rectangle", "nt", 30.0, **sides, **doors),),
        "disk, barn doors": (_light("disk", "nt", 30.0, radius_m=0.7, **doors),),
        "rectangle, spread": (_light("rectangle", "nt", 40.0, spread_deg=50.0, **sides),),
        "disk, spread": (_light("disk", "nt", 40.0, radius_m=0.5, spread_deg=35.0),),
        "rectangle, picture": (picture, _light("rectangle", "nt", 40.0, image=picture.key, **sides)),
        "disk, picture": (picture, _light("disk", "nt", 40.0, radius_m=0.7, image=picture.key)),
        "rectangle, watts": (_light("rectangle", "W", 0.1, **sides),),
        "sphere, normalised": (_light("sphere", "nt", 60.0, radius_m=0.5, normalize=True),),
        "sphere, gains": (_light("sphere", "nt", 20.0, radius_m=0.5, diffuse_gain=0.6, specular_gain=2.0),),
        "cylinder, unseen in reflections": (
            _light("cylinder", "nt", 30.0, radius_m=0.15, length_m=2.0, seen_in_reflections=False),
        ),
        "linked, only others": (
            plate, other, lit, change(unlit, id="unlit", light_link_mode="only", light_links=("other",)),
        ),
        "linked, all but this": (
            plate, other, lit, change(soft, id="unlit", light_link_mode="except", light_links=("ball_object",)),
        ),
        "linked, only this": (
            plate, other, change(soft, light_link_mode="only", light_links=("ball_object",)),
        ),
    }  # fmt: skip


@functools.cache
def stages() -> dict[str, tuple[object, ...]]:
    """What makes the light, by name."""
    picture = sky()
    dome = Light(id="light", light="dome", unit="nt", intensity=1.0, seen_by_camera=False)
    return {
        "point": (_light("point", "cd", 40.0, radius_m=0.0),),
        "spot": (_light("spot", "cd", 60.0, inner_cone_deg=8.0, outer_cone_deg=18.0),),
        "rectangle": (_light("rectangle", "nt", 20.0, width_m=1.6, height_m=0.8),),
        "rectangle, large and near": (
            _light("rectangle", "nt", 4.0, place=(1.2, 0.6, 0.4), width_m=4.0, height_m=3.0),
        ),
        "disk": (_light("disk", "nt", 20.0, radius_m=0.7),),
        "sphere": (_light("sphere", "nt", 20.0, radius_m=0.5),),
        "sphere, near": (_light("sphere", "nt", 5.0, place=(0.9, 1.2, 0.6), radius_m=0.55),),
        "cylinder": (_light("cylinder", "nt", 30.0, radius_m=0.15, length_m=2.0),),
        "distant": (_light("distant", "lx", 4.0, angle_deg=0.53),),
        "distant, wide": (_light("distant", "lx", 4.0, angle_deg=40.0),),
        "dome": (dome,),
        "dome with a sky": (picture, msgspec.structs.replace(dome, image=picture.key, intensity=1000.0)),
        **options(),
        "mesh, a sheet": _mesh_light(sheet(1.6, 0.8, 6), 20.0),
        "mesh, a ball": _mesh_light(round_mesh(5, 6, radius=0.5, smooth=False), 20.0),
        "mesh, a tube": _mesh_light(round_mesh(6, 8, radius=0.15, stretch=7.0, smooth=False), 30.0),
    }


def scene_of(stage: str, ball: str) -> FlatScene:
    """One of BALLS under one of `stages()`."""
    shape = round_mesh(96, 192)
    scene = Scene(camera="camera").add(
        shape,
        BALLS[ball],
        MeshObject(id="ball_object", mesh=shape.key, materials=("ball",)),
        Camera(id="camera", translation=(0.0, 0.0, 6.0), focal_length_mm=100.0, sensor_width_mm=36.0),
        *stages()[stage],  # type: ignore[arg-type]
    )
    return flatten(scene, scene.frame_start)
