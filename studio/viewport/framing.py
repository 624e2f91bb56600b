"""Framing: how large a selection is and where a camera must stand to hold it.

Bounds come from the flat scene by array operations, whatever its size. Everything here survives bounds that are NaN,
infinite, empty or a point: a view must never be lost by framing something odd.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Id, Path
from studio.scene.flat import FlatScene
from studio.scene.geometry import Deformed
from studio.scene.lights import KINDS
from studio.scene.paths import spline_of
from studio.scene.placement import Placement, placement
from studio.scene.transforms import Bool
from studio.viewport.camera import ViewCamera
from studio.viewport.navigation import REMOTEST_M

F64 = NDArray[np.float64]
Bounds = tuple[F64, F64]  # lowest and highest corner (3,)
_BOX = "viewport.box"
_SMALLEST_M = 0.2  # half of what a point is framed as


def below(places: Placement, ids: Iterable[Id]) -> Bool:
    """(n,) True for entities among `ids` or below one of them."""
    out = np.zeros(len(places.ids), np.bool_)
    out[[places.row[id_] for id_ in ids if id_ in places.row]] = True
    ancestor = places.parents.copy()
    for _ in range(64):  # pointer doubling, as in studio.scene.transforms
        live = np.flatnonzero(ancestor >= 0)
        if not len(live):
            break
        out[live] |= out[ancestor[live]]
        ancestor[live] = ancestor[ancestor[live]]
    return out


def bounds_of(flat: FlatScene, ids: Iterable[Id] | None = None) -> Bounds | None:
    """Bounds in the world of entities with all below them, or of everything shown; None when nothing has a place.

    Objects count with their meshes, lights with their size, all else with its origin. What is infinitely far away
    (distant lights and domes) counts only when it is asked for. Rows that are not finite are passed over.
    """
    places = placement(flat)
    chosen = ~places.hidden if ids is None else below(places, ids)
    low, high = [], []
    rows = places.object_rows[flat.instances["object"]] if len(flat.instances) else np.zeros(0, np.intp)
    shown = chosen[rows]
    if shown.any():
        boxes = np.array([mesh_box(m) for m in flat.meshes])[flat.instances["mesh"][shown]]
        matrices = flat.instances["open"][shown].astype(np.float64)
        centre, half = boxes.mean(axis=1), (boxes[:, 1] - boxes[:, 0]) / 2
        centre = np.einsum("nij,nj->ni", matrices[:, :, :3], centre) + matrices[:, :, 3]
        half = np.einsum("nij,nj->ni", np.abs(matrices[:, :, :3]), half)
        low.append(centre - half)
        high.append(centre + half)
    bare = chosen & ~places.broken
    bare[rows] = False
    lamps, packed = places.light_rows, places.lights
    radius = np.zeros(len(bare))
    radius[lamps] = np.where(packed["kind"] == KINDS["distant"], 0.0, packed["size"].max(axis=1, initial=0.0))
    radius[lamps] *= np.where(
        np.isin(packed["kind"], [KINDS[k] for k in ("rectangle", "cylinder", "portal")]), 0.5, 1.0
    )
    if ids is None:
        bare[lamps[np.isin(packed["kind"], (KINDS["distant"], KINDS["dome"]))]] = False
        bare[_groups(places)] = False
    at = places.world[bare][:, :, 3]
    low.append(at - radius[bare, None])
    high.append(at + radius[bare, None])
    if ids is not None:
        for row in np.flatnonzero(bare).tolist():
            entity = places.entities[row]
            spline = spline_of(entity) if isinstance(entity, Path) else None
            if spline is not None:
                along = spline.points @ places.world[row][:, :3].T + places.world[row][:, 3]
                low.append(along)
                high.append(along)
    lows, highs = np.concatenate(low), np.concatenate(high)
    sane = np.isfinite(lows).all(axis=1) & np.isfinite(highs).all(axis=1)
    return (lows[sane].min(axis=0), highs[sane].max(axis=0)) if sane.any() else None


def _groups(places: Placement) -> Bool:
    """(n,) entities that are neither objects, lights nor cameras: a transform of a file is no thing to look at."""
    out = np.ones(len(places.ids), np.bool_)
    out[places.object_rows] = out[places.light_rows] = out[places.camera_rows] = False
    return out


def mesh_box(deformed: Deformed) -> F64:
    """(2, 3) lowest and highest vertex of a mesh in its own space, worked out once."""
    box = deformed.cache.get(_BOX)
    if not isinstance(box, np.ndarray):
        p = deformed.positions
        box = np.stack([p.min(axis=0), p.max(axis=0)]).astype(np.float64) if len(p) else np.zeros((2, 3))
        deformed.cache[_BOX] = box
    return box


def frame(bounds: Bounds, camera: ViewCamera, width: float, height: float, *, margin: float = 1.15) -> ViewCamera:
    """The camera, looking the way it looks, standing so that the bounds fill the view up to a margin; its pivot is
    their middle. The camera as it is for bounds that are not finite."""
    low, high = (np.asarray(corner, np.float64) for corner in bounds)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (high - low >= 0).all()):
        return camera
    centre = low / 2 + high / 2
    half = np.maximum(high / 2 - low / 2, _SMALLEST_M)
    signs = np.array(np.meshgrid((-1, 1), (-1, 1), (-1, 1))).reshape(3, -1).T
    corners = (signs * half) @ camera.world[:, :3]  # in the camera's axes, about the middle
    hx, hy = camera.half_extents(width, height)
    reach = np.abs(corners[:, :2]) * margin
    if camera.orthographic:
        aspect = hx / camera.half_width, hy / camera.half_width
        wide = max(float((reach[:, 0] / aspect[0]).max()), float((reach[:, 1] / aspect[1]).max()))
        distance = 2.0 * float(np.linalg.norm(half))
        out = replace(camera, half_width=min(wide, REMOTEST_M), shift=(0.0, 0.0))
    else:
        away = np.maximum(reach[:, 0] / hx, reach[:, 1] / hy) + corners[:, 2]
        distance = float(away.max())
        out = replace(camera, shift=(0.0, 0.0))
    distance = float(np.clip(distance, 1e-3, 1e12))
    world = camera.world.copy()
    world[:, 3] = centre - camera.forward * distance
    if not np.isfinite(world).all():
        return camera
    return replace(out, world=world, pivot_m=min(distance, REMOTEST_M))


def clipped(camera: ViewCamera, bounds: Bounds | None) -> ViewCamera:
    """The camera with clipping planes around bounds of the world. An orthographic eye steps back until all of them
    lie ahead, which changes nothing that it shows."""
    if bounds is None or not all(np.isfinite(corner).all() for corner in bounds):
        bounds = (camera.pivot - camera.pivot_m, camera.pivot + camera.pivot_m)
    corners = np.array(np.meshgrid(*np.stack(bounds).T)).reshape(3, -1).T
    ahead = (corners - camera.eye) @ camera.forward
    nearest, farthest = float(ahead.min()), float(ahead.max())
    if camera.orthographic:
        depth = max(farthest - nearest, camera.half_width, 1e-3)
        back = max(0.0, 0.05 * depth - min(nearest, camera.pivot_m))
        world = camera.world.copy()
        world[:, 3] -= camera.forward * back
        far = max(farthest, camera.pivot_m) + back + 0.05 * depth
        return replace(camera, world=world, pivot_m=camera.pivot_m + back, near_m=0.01 * depth, far_m=far)
    far = float(np.clip(max(farthest, camera.pivot_m) * 1.1, 1e-2, 1e13))
    # what is close may be cut off only where single precision of depth leaves no other choice
    near = float(np.clip(nearest * 0.5, min(0.02, camera.pivot_m * 0.02), camera.pivot_m * 0.2))
    return replace(camera, near_m=max(near, far * 2e-6), far_m=far)
