"""The camera of the flat scene: chosen, resolved, or framed around a scene that has none."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from studio.errors import BadAsset
from studio.scene.entities import Camera, Entity, Id
from studio.scene.flat import FlatCamera
from studio.scene.flat_objects import Moment, Objects, bounds
from studio.scene.scene import Scene
from studio.scene.timeline import camera_at
from studio.scene.transforms import FARTHEST_M, look_at, rigid

_DEFAULT_HALF_WIDTH = 0.36  # 50 mm on a 36 mm gate
_DEFAULT_ASPECT = 16 / 9
_LARGEST = 1e6  # a field of view, lens or shift beyond this takes no picture


def active_camera(scene: Scene, frame: float) -> Id:
    """The camera that the picture at a frame is taken by, "" for none: that of the timeline's cut, as long as it is
    there, else the scene's."""
    chosen = camera_at(scene.timeline, scene.camera, frame)
    for id_ in (chosen, scene.camera):
        if isinstance(scene.entities.get(id_), Camera):
            return id_
    return ""


def find_camera(scene: Scene, entities: Mapping[Id, Entity], wanted: Id, frame: float) -> Camera | None:
    """The camera that is asked for by id or name, else the active one at the frame, else None.

    Raises BadAsset when `wanted` is no camera of the scene; an active camera that is gone is no camera.
    """
    found = entities.get(wanted or active_camera(scene, frame))
    if isinstance(found, Camera):
        return found
    if not wanted:
        return None
    cameras = [e for e in entities.values() if isinstance(e, Camera)]
    for entity in cameras:
        if entity.name == wanted:
            return entity
    names = ", ".join(f'"{e.name or e.id}"' for e in cameras[:10]) or "none"
    raise BadAsset(f'There is no camera "{wanted}" in the scene; its cameras are: {names}.')


def resolve_camera(camera: Camera | None, moment: Moment) -> FlatCamera | None:
    """The camera as a renderer reads it, or None when there is none or its numbers cannot be used."""
    if camera is None:
        return None
    tree = moment.tree
    row = next(i for i in tree.cameras.tolist() if tree.entities[i] is camera)
    if any(t.broken[row] for t in (tree, moment.opened, moment.closed)):
        return None
    orthographic = camera.projection == "orthographic"
    vertical = orthographic or camera.fit == "vertical"
    side_mm = camera.sensor_height_mm if vertical else camera.sensor_width_mm
    half = camera.ortho_height_m / 2 if orthographic else side_mm / (2 * max(camera.focal_length_mm, 1e-3))
    radius = camera.focal_length_mm / 2000 / camera.f_stop if camera.f_stop > 0 and not orthographic else 0.0
    numbers = (half, radius, camera.shift_x, camera.shift_y, camera.exposure_ev, camera.blade_rotation_deg)
    if not (np.abs(numbers) < _LARGEST).all() or half <= 0:  # NaN is not less either
        return None
    matrices = rigid(np.stack([moment.opened.world[row], moment.closed.world[row]])).astype(np.float32)
    matrices.flags.writeable = False
    return FlatCamera(
        name=camera.name or camera.id,
        open=matrices[0],
        close=matrices[1],
        orthographic=orthographic,
        half_width=float(half),
        fit="vertical" if vertical else "horizontal",
        shift=(camera.shift_x, camera.shift_y),
        lens_radius_m=float(radius),
        focus_distance_m=float(np.clip(np.nan_to_num(camera.focus_distance_m, nan=5.0), 1e-4, FARTHEST_M)),
        blades=min(camera.blades, 32) if camera.blades >= 3 else 0,
        blade_rotation=float(np.radians(camera.blade_rotation_deg)),
        exposure_ev=camera.exposure_ev,
        shutter=(camera.shutter_open, camera.shutter_close),
    )


def framing(objects: Objects) -> FlatCamera:
    """A camera in three-quarter view that holds everything rendered, whatever the image's proportions up to 16:9."""
    low, high = bounds(objects)
    centre, radius = (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, 1e-3)
    distance = 1.05 * radius / np.sin(np.arctan(_DEFAULT_HALF_WIDTH / _DEFAULT_ASPECT))
    direction = np.array([1.0, 0.6, 1.0])
    eye = centre + direction / np.linalg.norm(direction) * distance
    matrix = look_at(eye.tolist(), centre.tolist()).astype(np.float32)
    matrix.flags.writeable = False
    return FlatCamera(
        name="framed",
        open=matrix,
        close=matrix,
        orthographic=False,
        half_width=_DEFAULT_HALF_WIDTH,
        fit="horizontal",
        shift=(0.0, 0.0),
        lens_radius_m=0.0,
        focus_distance_m=float(distance),
        blades=0,
        blade_rotation=0.0,
        exposure_ev=0.0,
    )
