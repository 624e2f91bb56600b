"""An eyeball that tells where its map is looked up, and a ray trace by numpy that knows the answer independently.

The map's texels hold their own coordinates and the surface is unlit, so a picture is the map's coordinates themselves.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.figure.eyeball import Eyeball, eyeball_mesh
from studio.scene.entities import Camera, Entity, MeshObject
from studio.scene.geometry import Image, make_image, make_mesh
from studio.scene.materials import Material, Texture
from studio.scene.scene import Scene, placed
from studio.scene.transforms import look_at

F64 = NDArray[np.float64]
IRIS, PLANE, IOR = 0.00585, 0.0095, 1.336
SIDE_MM, LENS_MM, FAR_M = 36.0, 170.0, 0.12


@cache
def ball() -> Eyeball:
    return eyeball_mesh(segments=64, rings=56)


def coordinates(size: int = 512) -> Image:
    """Every texel its own u and v."""
    at = (np.arange(size, dtype=np.float32) + 0.5) / size
    u, v = np.meshgrid(at, at)
    return make_image(np.stack([u, v, np.zeros_like(u)], -1), colour_space="linear", name="coordinates")


def camera_at(yaw_deg: float, pitch_deg: float = 0.0, *, far: float = FAR_M) -> Entity:
    """A camera that looks at an eyeball at the origin from an angle to +z."""
    y, p = math.radians(yaw_deg), math.radians(pitch_deg)
    at = (far * math.sin(y) * math.cos(p), far * math.sin(p), far * math.cos(y) * math.cos(p))
    lens = Camera(
        id="camera", focal_length_mm=LENS_MM, sensor_width_mm=SIDE_MM, sensor_height_mm=SIDE_MM, fit="vertical"
    )
    return placed(lens, look_at(at, (0.0, 0.0, 0.0)))


def eye_scene(image: Image, *, camera: Entity, where: dict[str, Any] | None = None, **values: Any) -> Scene:
    """One eyeball with a map, lit by nothing; `where` places it, `values` are its material's."""
    mesh = make_mesh(ball().positions, ball().triangles, normals=ball().normals, uv0=ball().uv)
    texture = Texture(image=image.key, wrap_u="clamp", wrap_v="clamp")
    made = {"unlit": True, "base_color": (1.0, 1.0, 1.0), "coat_ior": IOR, "eye_iris_radius": IRIS, "eye_limbus": 0.0}
    return Scene(camera="camera").add(
        image,
        mesh,
        camera,
        Material(id="eye", textures={"base_color": texture}, **{**made, "eye_iris_plane": PLANE, **values}),
        MeshObject(id="ball", mesh=mesh.key, materials=("eye",), **(where or {})),
    )


def expected(pixels: ArrayLike, size: int, camera: F64, world: F64, *, pupil: float = 0.35) -> tuple[F64, F64]:
    """Map coordinates (n, 2) at places (n, 2) of a picture of `size`, and how far the cornea reaches there (n,).

    `camera` and `world` are 4x4 matrices of the camera and of the eyeball. Places that miss the ball give NaN.
    """
    xy = (np.asarray(pixels, float) / size * 2.0 - 1.0) * (1.0, -1.0) * (SIDE_MM / 2.0 / LENS_MM)
    rays = np.concatenate([xy, -np.ones((len(xy), 1))], axis=1) @ camera[:3, :3].T
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    place, normal = _met(camera[:3, 3], rays, world)
    facing = -(rays * normal).sum(axis=1, keepdims=True)
    ratio = 1.0 / IOR
    bent = ratio * rays + (ratio * facing - np.sqrt(1.0 - ratio**2 * (1.0 - facing**2))) * normal
    inverse = np.linalg.inv(world)
    at = place @ inverse[:3, :3].T + inverse[:3, 3]
    bent = bent @ inverse[:3, :3].T
    bent /= np.linalg.norm(bent, axis=1, keepdims=True)
    q = at[:, :2] + bent[:, :2] * (np.maximum(at[:, 2] - PLANE, 0.0) / np.maximum(-bent[:, 2], 0.05))[:, None]
    q *= np.minimum(1.9 * IRIS / np.linalg.norm(q, axis=1), 1.0)[:, None]
    t = np.clip((np.linalg.norm(at[:, :2], axis=1) / IRIS - 0.94) / 0.1, 0.0, 1.0)
    reach = np.where(at[:, 2] > 0.0, 1.0 - t * t * (3.0 - 2.0 * t), 0.0)
    seen = at[:, :2] + (q - at[:, :2]) * reach[:, None]
    r = np.linalg.norm(seen, axis=1) / IRIS
    drawn = np.interp(r, [0.0, pupil, 1.0, 9.0], [0.0, 0.35, 1.0, 9.0])
    flat = seen / IRIS * (drawn / np.maximum(r, 1e-9))[:, None] / 4.0 * (1.0, -1.0) + 0.5
    return np.clip(flat, 0.0, 1.0), reach


def _met(origin: F64, rays: F64, world: F64) -> tuple[F64, F64]:
    """Where rays first meet the ball's triangles (Moller and Trumbore 1997), and the smooth normals there."""
    corners = (ball().positions.astype(float) @ world[:3, :3].T + world[:3, 3])[ball().triangles]
    turned = np.linalg.inv(world[:3, :3])
    normals = (ball().normals.astype(float) @ turned)[ball().triangles]
    a, e1, e2 = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    places, found = np.full((len(rays), 3), np.nan), np.full((len(rays), 3), np.nan)
    for k, ray in enumerate(rays):
        h = np.cross(ray, e2)
        det = (e1 * h).sum(axis=1)
        s = origin - a
        with np.errstate(divide="ignore", invalid="ignore"):
            u = (s * h).sum(axis=1) / det
            q = np.cross(s, e1)
            v = (q @ ray) / det
            t = (e2 * q).sum(axis=1) / det
        hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 1e-9)
        if hit.any():
            best = np.flatnonzero(hit)[t[hit].argmin()]
            weights = np.array([1.0 - u[best] - v[best], u[best], v[best]])
            places[k] = origin + ray * t[best]
            n = weights @ normals[best]
            found[k] = n / np.linalg.norm(n)
    return places, found


def spread(pixels: NDArray[np.intp], *, steps: int = 3) -> F64:
    """(n * steps**2, 2) places x, y within pixels (n, 2), evenly."""
    inside = (np.arange(steps) + 0.5) / steps
    x, y = np.meshgrid(inside, inside)
    return np.asarray((pixels[:, None, :] + np.stack([x.ravel(), y.ravel()], -1)).reshape(-1, 2), float)


def differences(picture: NDArray[np.float32], scene: Scene, *, pupil: float = 0.35, seed: int = 3) -> tuple[F64, F64]:
    """How far the map coordinates in a picture are off (n, 2) at places on the eye, and how far the cornea reaches.

    Left out are silhouettes and the rim of the map, which is drawn on the far side of the ball.
    """
    from studio.scene.flatten import flatten

    flat = flatten(scene, 1.0)
    world = np.eye(4)
    world[:3] = flat.instances["open"][0]
    size = len(picture)
    covered = np.argwhere(picture[..., 1] > 0.0)[:, ::-1]
    inner = covered[[bool((picture[y - 2 : y + 3, x - 2 : x + 3, 1] > 0).all()) for x, y in covered]]
    chosen = np.random.default_rng(seed).choice(len(inner), min(90, len(inner)), replace=False)
    pixels = inner[chosen]
    uv, reach = expected(spread(pixels), size, _camera(flat), world, pupil=pupil)
    uv, reach = uv.reshape(len(pixels), -1, 2).mean(axis=1), reach.reshape(len(pixels), -1).mean(axis=1)
    kept = (np.abs(uv - 0.5) < 0.45).all(axis=1)
    return (picture[pixels[:, 1], pixels[:, 0], :2].astype(float) - uv)[kept], reach[kept]


def _camera(flat: Any) -> F64:
    matrix = np.eye(4)
    matrix[:3] = np.asarray(flat.camera.open)[:3]
    return matrix
