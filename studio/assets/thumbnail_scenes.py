"""Small stages that assets are photographed on for their thumbnails.

Every stage is built about what stands on it: lights and camera scale with it, so a ring and a cathedral are lit alike.
Light is given in nits on surfaces that grow with the subject, which keeps the exposure the same for every size.
"""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.assets.demo import shapes
from studio.errors import BadAsset
from studio.scene.entities import Camera, MeshObject
from studio.scene.geometry import Mesh, make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene, placed
from studio.scene.transforms import look_at

F64 = NDArray[np.float64]
_KEY_NITS, _FILL_NITS, _DOME_NITS = 6.0, 1.2, 0.26
_FOCAL_MM, _SENSOR_MM = 60.0, 36.0
_SHADES = ((0.055, 0.055, 0.06), (0.30, 0.30, 0.31))  # the dark and the light squares of a backdrop


def bounds_of(scene: Scene) -> tuple[F64, F64] | None:
    """Lowest and highest corner (3,) of the visible meshes of a scene in the world, None when it has none.

    As the fields stand: neither animation nor skins nor morphs are asked.
    """
    worlds, lows, highs = scene.world_matrices(), [], []
    for id_, entity in scene.entities.items():
        if not isinstance(entity, MeshObject) or not entity.visible or entity.mesh not in scene.meshes:
            continue
        positions = scene.meshes[entity.mesh].positions
        if not len(positions):
            continue
        low, high = positions.min(axis=0).astype(np.float64), positions.max(axis=0).astype(np.float64)
        matrix = worlds[id_]
        centre = matrix[:, :3] @ ((low + high) / 2) + matrix[:, 3]
        half = np.abs(matrix[:, :3]) @ ((high - low) / 2)
        if np.isfinite(centre).all() and np.isfinite(half).all():
            lows.append(centre - half)
            highs.append(centre + half)
    return (np.min(lows, axis=0), np.max(highs, axis=0)) if lows else None


def model_stage(scene: Scene) -> Scene:
    """A model alone under a key, a fill and a soft dome, seen from the front at three quarters. Its own lights stay
    off, so that every model of a library is seen in the same light. BadAsset when there is nothing to see."""
    bounds = bounds_of(scene)
    if bounds is None:
        raise BadAsset("There is no mesh in it that could be shown.")
    dark = {
        id_: msgspec.structs.replace(entity, muted=True)
        for id_, entity in scene.entities.items()
        if isinstance(entity, Light)
    }
    return lit(scene.put(dark), *bounds)


def project_stage(scene: Scene) -> Scene:
    """A project as its camera sees it, or like a model under the stage's lights when it has no camera or no light."""
    lit = any(isinstance(entity, Light) for entity in scene.entities.values())
    glows = any(material.emission_luminance > 0 for material in scene.materials.values())
    camera = scene.entities.get(scene.camera) or next(
        (e for e in scene.entities.values() if isinstance(e, Camera)), None
    )
    if isinstance(camera, Camera) and (lit or glows):
        square = min(camera.sensor_width_mm, camera.sensor_height_mm)
        shot = msgspec.structs.replace(camera, sensor_width_mm=square, sensor_height_mm=square)
        return replace(scene.put({camera.id: shot}), camera=camera.id)
    return model_stage(scene)


def material_stage(part: Scene) -> Scene:
    """A ball of a material before a chequered backdrop, which glass and gloss need to be told apart by."""
    material = next(iter(part.materials))
    ball = _ball(64)
    back = _backdrop()
    dark = Material(id="thumbnail.dark", base_color=_SHADES[0], specular_weight=0.0)
    light = Material(id="thumbnail.light", base_color=_SHADES[1], specular_weight=0.0)
    scene = part.add(ball, back, dark, light).add(
        MeshObject(id="thumbnail.ball", mesh=ball.key, materials=(material,), translation=(0.0, 1.0, 0.0)),
        MeshObject(id="thumbnail.back", mesh=back.key, materials=(dark.id, light.id)),
    )
    return lit(scene, np.array([-1.0, 0.0, -1.0]), np.array([1.0, 2.0, 1.0]), azimuth_deg=0.0, elevation_deg=12.0)


def rig_stage(part: Scene) -> Scene:
    """Two balls, one matt and one polished, on a floor under the lights of a rig."""
    grey = Material(id="thumbnail.grey", base_color=(0.5, 0.5, 0.5), specular_roughness=0.6)
    chrome = Material(id="thumbnail.chrome", base_color=(0.9, 0.9, 0.9), base_metalness=1.0, specular_roughness=0.05)
    floor_grey = Material(id="thumbnail.floor", base_color=(0.3, 0.3, 0.3), specular_roughness=0.7)
    ball, floor = _ball(48), _floor(12.0)
    scene = part.add(ball, floor, grey, chrome, floor_grey).add(
        MeshObject(id="thumbnail.matt", mesh=ball.key, materials=(grey.id,), translation=(-0.62, 0.55, 0.0)),
        MeshObject(id="thumbnail.gloss", mesh=ball.key, materials=(chrome.id,), translation=(0.62, 0.55, 0.0)),
        MeshObject(id="thumbnail.ground", mesh=floor.key, materials=(floor_grey.id,)),
    )
    halves = {
        id_: msgspec.structs.replace(scene.entities[id_], scale=(0.55, 0.55, 0.55))
        for id_ in ("thumbnail.matt", "thumbnail.gloss")
    }
    low, high = np.array([-1.3, 0.0, -0.6]), np.array([1.3, 1.3, 0.6])
    return _seen(scene.put(halves), low, high, azimuth_deg=0.0, elevation_deg=16.0)


def lit(scene: Scene, low: F64, high: F64, *, azimuth_deg: float = 32.0, elevation_deg: float = 18.0) -> Scene:
    """A scene with a key, a fill, a rim and a dim dome about a box, and a camera that holds it as its active one."""
    centre = (low + high) / 2
    reach = max(float(np.linalg.norm(high - low)) / 2, 1e-6)

    def lamp(id_: str, azimuth: float, elevation: float, size: float, nits: float) -> Light:
        at = centre + _direction(azimuth_deg + azimuth, elevation) * reach * 3.2
        light = Light(id=id_, name=id_, light="rectangle", unit="nt", intensity=nits, seen_by_camera=False)
        light = msgspec.structs.replace(light, width_m=reach * size, height_m=reach * size)
        moved = placed(light, look_at(at.tolist(), centre.tolist()))
        assert isinstance(moved, Light)
        return moved

    dome = Light(id="thumbnail.dome", light="dome", unit="nt", intensity=_DOME_NITS, seen_by_camera=False)
    lamps = (
        lamp("thumbnail.key", -55.0, 42.0, 2.2, _KEY_NITS),
        lamp("thumbnail.fill", 60.0, 12.0, 2.6, _FILL_NITS),
        lamp("thumbnail.rim", 165.0, 38.0, 1.6, _KEY_NITS),
    )
    lit = scene.add(dome, *lamps)
    return _seen(lit, low, high, azimuth_deg=azimuth_deg, elevation_deg=elevation_deg)


def _seen(scene: Scene, low: F64, high: F64, *, azimuth_deg: float, elevation_deg: float) -> Scene:
    """The scene with a camera that holds a box, as its active one."""
    centre = (low + high) / 2
    corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    backward = _direction(azimuth_deg, elevation_deg)
    world = look_at((centre + backward).tolist(), centre.tolist())
    axes = world[:, :3]
    local = (corners - centre) @ axes
    slope = _SENSOR_MM / 2 / _FOCAL_MM * 0.92
    away = max(float((np.abs(local[:, :2]).max(axis=1) / slope + local[:, 2]).max()), 1e-6)
    camera = Camera(
        id="thumbnail.camera",
        focal_length_mm=_FOCAL_MM,
        sensor_width_mm=_SENSOR_MM,
        sensor_height_mm=_SENSOR_MM,
        near_m=away * 0.01,
        far_m=away * 100.0,
    )
    stood = placed(camera, look_at((centre + backward * away).tolist(), centre.tolist()))
    return replace(scene.add(stood), camera="thumbnail.camera", frame_start=scene.frame_start)


def _direction(azimuth_deg: float, elevation_deg: float) -> F64:
    """Unit vector from the middle: azimuth 0 is +z (the front), positive to +x."""
    a, e = math.radians(azimuth_deg), math.radians(elevation_deg)
    return np.array([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])


# --- bodies ----------------------------------------------------------------------------------------------------------
def _ball(segments: int) -> Mesh:
    """A ball of radius 1 about the origin."""
    shape = shapes.sphere(1.0, segments=segments)
    return make_mesh(shape.positions, shape.triangles, normals=shape.normals, uv0=shape.uv)


def _floor(half: float) -> Mesh:
    positions = np.array([[-half, 0, -half], [half, 0, -half], [half, 0, half], [-half, 0, half]], np.float32)
    return make_mesh(positions, [[0, 2, 1], [0, 3, 2]])


def _backdrop() -> Mesh:
    """A chequered floor that bends up into a wall behind the ball: dark squares, then light ones."""
    half, squares, run = 6.0, 24, 36
    across = np.linspace(-half, half, squares + 1)
    along = np.linspace(0.0, 9.0, run + 1)
    bend, radius = 4.0, 1.5  # metres of floor before it bends
    angle = np.clip((along - bend) / radius, 0.0, math.pi / 2)
    rest = np.maximum(along - bend - radius * math.pi / 2, 0.0)
    z = 3.0 - np.minimum(along, bend) - radius * np.sin(angle)
    y = radius * (1.0 - np.cos(angle)) + rest
    grid = np.stack([np.tile(across, run + 1), np.repeat(y, squares + 1), np.repeat(z, squares + 1)], axis=1).astype(
        np.float32
    )
    i, j = (a.ravel() for a in np.meshgrid(np.arange(run), np.arange(squares), indexing="ij"))
    a, b = i * (squares + 1) + j, i * (squares + 1) + j + 1
    c, d = a + squares + 1, b + squares + 1
    both = np.stack([np.stack([a, b, d], axis=1), np.stack([a, d, c], axis=1)], axis=1)
    light = (i + j) % 2 == 1
    triangles = np.concatenate([both[~light].reshape(-1, 3), both[light].reshape(-1, 3)])
    dark = 2 * int((~light).sum())
    return make_mesh(grid, triangles, parts=(0, dark, len(triangles)))
