"""What lies under a pixel of the render: one ray through the middle of the pixel, against everything that it can meet.

It is traced here, with numpy, and not by the worker: a click is answered while the worker is busy, starting or dead,
and the answer names entities. A ray costs a few milliseconds for a hundred thousand triangles, as the meshes whose
bounds it misses are left out. Lens, shutter and filter do not count, nor do holes that opacity cuts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.render.settings import RenderSettings
from studio.scene.entities import Id
from studio.scene.flat import SEEN_BY_CAMERA, FlatCamera, FlatScene
from studio.scene.lights import KINDS
from studio.scene.placement import light_ids, placement
from studio.scene.transforms import F64

_EPSILON = 1e-12


@dataclass(frozen=True, slots=True)
class Picked:
    """An object or a light that shows. `instance` and `part` are rows of the flat scene, -1 for a light."""

    id: Id
    name: str
    position: tuple[float, float, float]
    distance_m: float
    instance: int = -1
    part: int = -1
    material: str = ""


def pixel_ray(camera: FlatCamera, settings: RenderSettings, x: float, y: float) -> tuple[F64, F64]:
    """Origin and unit direction (3,) of the ray through a point of the image, in pixels from its top left corner."""
    hx, hy = camera.half_extents(settings.width, settings.height)
    fitted = 2.0 * (hy if camera.fit == "vertical" else hx)
    u = (2.0 * x / settings.width - 1.0) * hx + camera.shift[0] * fitted
    v = (1.0 - 2.0 * y / settings.height) * hy + camera.shift[1] * fitted
    world = camera.open.astype(np.float64)
    if camera.orthographic:
        return world[:, :3] @ np.array([u, v, 0.0]) + world[:, 3], -world[:, 2]
    direction = world[:, :3] @ np.array([u, v, -1.0])
    return world[:, 3], direction / np.linalg.norm(direction)


def pick(flat: FlatScene, settings: RenderSettings, x: int, y: int) -> Picked | None:
    """What the pixel x, y of the image shows, None for the background. `flat` comes from `flatten`."""
    origin, direction = pixel_ray(flat.camera, settings, x + 0.5, y + 0.5)
    mesh, light = _mesh_hit(flat, origin, direction), _light_hit(flat, origin, direction)
    if light is not None and (mesh is None or light[0] < mesh[0]):
        t, row = light
        entity = int(flat.lights["entity"][row])
        name = flat.light_names[entity] if 0 <= entity < len(flat.light_names) else ""
        return Picked(light_ids(flat)[row], name, _point(origin, direction, t), t)
    if mesh is None:
        return None
    t, instance, part = mesh
    row = flat.instances[instance]
    worn = int(flat.instance_materials[int(row["material_start"]) + part])
    index = int(row["object"])
    return Picked(
        placement(flat).object_id(index),
        flat.object_names[index],
        _point(origin, direction, t),
        t,
        instance,
        part,
        flat.material_names[worn] if 0 <= worn < len(flat.material_names) else "",
    )


def _point(origin: F64, direction: F64, t: float) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in origin + t * direction)
    return x, y, z


# --- meshes ----------------------------------------------------------------------------------------------------------
def _mesh_hit(flat: FlatScene, origin: F64, direction: F64) -> tuple[float, int, int] | None:
    """Distance, instance and part of the nearest triangle that the camera can see."""
    best: tuple[float, int, int] | None = None
    boxes: dict[int, tuple[F64, F64]] = {}
    for index, row in enumerate(flat.instances):
        if not row["flags"] & SEEN_BY_CAMERA:
            continue
        matrix = row["open"].astype(np.float64)
        if not abs(np.linalg.det(matrix[:, :3])) > 0.0:
            continue
        inverse = np.linalg.inv(matrix[:, :3])
        o, d = inverse @ (origin - matrix[:, 3]), inverse @ direction  # t stays what it is in the world
        number = int(row["mesh"])
        mesh = flat.meshes[number]
        if number not in boxes:
            points = mesh.positions
            some = len(points) > 0
            boxes[number] = (points.min(0), points.max(0)) if some else (np.full(3, np.inf), np.full(3, -np.inf))
        if not _meets(*boxes[number], o, d, best[0] if best else np.inf):
            continue
        found = _nearest(mesh.positions, mesh.mesh.triangles, o, d)
        if found is not None and (best is None or found[0] < best[0]):
            part = int(np.searchsorted(mesh.mesh.parts, found[1], side="right")) - 1
            best = found[0], index, part
    return best


def _meets(low: F64, high: F64, origin: F64, direction: F64, limit: float) -> bool:
    """Whether a ray meets a box before `limit`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        near, far = (low - origin) / direction, (high - origin) / direction
    inside = (origin >= low) & (origin <= high)
    still = direction == 0.0
    near, far = np.minimum(near, far), np.maximum(near, far)
    enter = np.where(still, np.where(inside, -np.inf, np.inf), near).max()
    leave = np.where(still, np.where(inside, np.inf, -np.inf), far).min()
    return bool(max(enter, 0.0) <= min(leave, limit) + 1e-6)


def _nearest(points: NDArray[np.float32], triangles: NDArray[np.uint32], o: F64, d: F64) -> tuple[float, int] | None:
    """Distance and number of the nearest triangle along a ray (Moeller and Trumbore 1997)."""
    corners = points[triangles].astype(np.float64)
    a, b, c = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    p = np.cross(d, c)
    det = np.einsum("ij,ij->i", b, p)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1.0 / det
        s = o - a
        u = np.einsum("ij,ij->i", s, p) * inverse
        q = np.cross(s, b)
        v = q @ d * inverse
        t = np.einsum("ij,ij->i", c, q) * inverse
        hit = (np.abs(det) > 0.0) & (u >= 0.0) & (v >= 0.0) & (u + v <= 1.0) & (t > 1e-9) & np.isfinite(t)
    if not hit.any():
        return None
    number = int(np.flatnonzero(hit)[t[hit].argmin()])
    return float(t[number]), number


# --- lights ----------------------------------------------------------------------------------------------------------
def _light_hit(flat: FlatScene, origin: F64, direction: F64) -> tuple[float, int] | None:
    """Distance and row of the nearest light with a shape that the camera can see."""
    best: tuple[float, int] | None = None
    shapes = {KINDS[name] for name in ("rectangle", "disk", "sphere", "cylinder")}
    for row, light in enumerate(flat.lights):
        if int(light["kind"]) not in shapes or not light["flags"] & SEEN_BY_CAMERA:
            continue
        matrix = light["open"].astype(np.float64)
        o, d = matrix[:, :3].T @ (origin - matrix[:, 3]), matrix[:, :3].T @ direction
        t = _shape_hit(int(light["kind"]), float(light["size"][0]), float(light["size"][1]), o, d)
        if t is not None and (best is None or t < best[0]):
            best = t, row
    return best


def _shape_hit(kind: int, a: float, b: float, o: F64, d: F64) -> float | None:
    """Distance to a light in its own frame: flat ones lie in the plane of x and y, a cylinder along x."""
    if kind in (KINDS["rectangle"], KINDS["disk"]):
        if abs(d[2]) < _EPSILON:
            return None
        t = float(-o[2] / d[2])
        x, y = (float(v) for v in (o + t * d)[:2])
        inside = max(abs(x) / a, abs(y) / b) <= 0.5 if kind == KINDS["rectangle"] else np.hypot(x, y) <= a
        return t if t > 0.0 and inside else None
    axes = slice(0, 3) if kind == KINDS["sphere"] else slice(1, 3)
    square, half, rest = float(d[axes] @ d[axes]), float(o[axes] @ d[axes]), float(o[axes] @ o[axes]) - a * a
    root: float = half * half - square * rest
    if root < 0.0 or square < _EPSILON:
        return None
    reach = float(np.sqrt(root))
    for t in ((-half - reach) / square, (-half + reach) / square):
        if t > 0.0 and (kind == KINDS["sphere"] or abs(o[0] + t * d[0]) <= 0.5 * b):
            return t
    return None
