"""Light rows and tables: what `emitters` reads on the device, made from a FlatScene with numpy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.render.tracer import light_rows as lr
from studio.render.tracer.distributions import block_cdfs
from studio.render.tracer.light_rows import CYLINDER, DISK, DISTANT, DOME, RECTANGLE, SHAPES, SPHERE, SPOT
from studio.render.tracer.light_shaping import fill_shaping
from studio.render.tracer.mesh_lights import build_mesh_lights
from studio.render.tracer.portals import portal_block
from studio.render.tracer.textures import CLAMP, REPEAT, luminance_of
from studio.scene.flat import FlatScene
from studio.scene.geometry import Image
from studio.scene.lights import TWO_SIDED

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_BRIGHTEST, _LARGEST_M = 1e12, 1e6
_DOME_WIDTH = 2048  # widest table of a dome; a larger image is averaged down to it


@dataclass(frozen=True, slots=True)
class LightTables:
    """Lights as the device reads them; see the module for the layout."""

    rows: F32  # (max(n, 1), lr.LIGHT_STRIDE)
    table: F32  # (t,)
    shape_boxes: F32  # (s, 6): world minimum and maximum over the shutter of lights that rays can hit
    shape_ids: NDArray[np.int32]  # (s,): their indices
    mesh_light_of: NDArray[np.int32]  # aligned with FlatScene.instance_materials: mesh light of that part, or -1
    power: F32  # (n,): flux, in lumens up to a constant


def build_light_tables(flat: FlatScene) -> LightTables:
    """Rows, distributions and bounds of every light of `flat`."""
    lights = flat.lights
    n = len(lights)
    rows = np.zeros((max(n, 1), lr.LIGHT_STRIDE), np.float32)
    rows[:, lr.IMAGE] = lr.NO_IMAGE
    rows[:, lr.WRAP_U : lr.BIAS + 1] = (CLAMP, CLAMP, 1, 4, 1, 0)
    scene_radius = _scene_radius(flat)
    shapings: dict[bytes, tuple[F32, float]] = {}
    for row, light in zip(rows, lights, strict=False):
        _common(row, light)
        if light["kind"] in SHAPES:
            _shape(row, flat.textures)
        elif light["kind"] <= SPOT:
            _delta(row)
        elif light["kind"] == DISTANT:
            _distant(row, scene_radius)
        fill_shaping(row, light, flat.textures, shapings)
    blocks = lr.Blocks()
    domes = np.flatnonzero(lights["kind"] == DOME)
    for index in domes:
        blocks.place(rows[index], _dome(rows[index], flat.textures, scene_radius))
    if len(domes) and len(flat.portals):
        block = portal_block(flat.portals)
        rows[domes, lr.PORTALS] = len(block)
        rows[domes, lr.PORTALS_HI], rows[domes, lr.PORTALS_LO] = divmod(blocks.append(block.ravel()), 65536)
    mesh_light_of = build_mesh_lights(flat, rows, blocks)
    rows[:, lr.FILTERED] = np.maximum(rows[:, lr.FILTERED], np.where(rows[:, lr.IMAGE] == lr.NO_IMAGE, 0, lr.IMAGED))
    ids = np.array([i for i in range(n) if rows[i, lr.ALIVE] > 0 and lights["kind"][i] in SHAPES], np.int32)
    return LightTables(
        rows=rows,
        table=np.concatenate(blocks.parts) if blocks.size else np.zeros(1, np.float32),
        shape_boxes=np.array([_shape_box(rows[i]) for i in ids], np.float32).reshape(-1, 6),
        shape_ids=ids,
        mesh_light_of=mesh_light_of,
        power=np.ascontiguousarray(rows[:n, lr.POWER]),
    )


# --- lights without tables -------------------------------------------------------------------------------------------
def _common(row: F32, light: np.void) -> None:
    """What all kinds share. A light with a broken number stays dark; absurd strengths are cut to what f32 can carry."""
    row[lr.KIND], row[lr.FLAGS] = light["kind"], light["flags"]
    row[lr.SIDES] = 2 if light["flags"] & TWO_SIDED else 1
    row[lr.OPEN : lr.OPEN + 3 * 5 : 5] = row[lr.CLOSE : lr.CLOSE + 3 * 5 : 5] = 1.0
    numbers = [light[name] for name in ("emission", "size", "cone", "open", "close")]
    if not all(np.isfinite(n).all() for n in numbers) or not (light["emission"] > 0.0).any():
        return
    row[lr.ALIVE] = 1.0
    row[lr.EMISSION : lr.EMISSION + 3] = light["emission"].clip(0.0, _BRIGHTEST)
    row[lr.SIZE : lr.SIZE + 2], row[lr.CONE : lr.CONE + 2] = light["size"].clip(0.0, _LARGEST_M), light["cone"]
    row[lr.OPEN : lr.CLOSE] = light["open"].ravel().clip(-_LARGEST_M, _LARGEST_M)
    row[lr.CLOSE : lr.CLOSE + 12] = light["close"].ravel().clip(-_LARGEST_M, _LARGEST_M)
    row[lr.VARIES] = not np.array_equal(light["open"], light["close"])
    if light["image"] >= 0 and light["kind"] in (*SHAPES, DOME):
        row[lr.IMAGE] = light["image"]
        row[lr.WRAP_U] = REPEAT if light["kind"] in (DOME, SPHERE, CYLINDER) else CLAMP
    first, last = row[lr.OPEN + 3 : lr.CLOSE : 4], row[lr.CLOSE + 3 : lr.CLOSE + 12 : 4]
    row[lr.CENTRE : lr.CENTRE + 3] = 0.5 * (first + last)
    row[lr.RADIUS] = 0.5 * np.linalg.norm((last - first).astype(float))


def _delta(row: F32) -> None:
    row[lr.STRENGTH] = lr.luminance(row)
    solid_angle = 4.0 * np.pi
    if row[lr.KIND] == SPOT:
        solid_angle = 2.0 * np.pi * max(1.0 - 0.5 * float(row[lr.CONE] + row[lr.CONE + 1]), 1e-3)
    row[lr.POWER] = lr.luminance(row) * solid_angle
    row[lr.SOFTEN] = row[lr.RADIUS] ** 2


def _distant(row: F32, scene_radius: float) -> None:
    """The emission column becomes radiance when the light has a size: illuminance over the projected solid angle."""
    lux = lr.luminance(row)
    half = 0.5 * min(float(row[lr.SIZE]), np.pi)
    row[lr.CONE : lr.CONE + 2] = (2.0 * np.sin(0.5 * half) ** 2, 0.0)
    row[lr.SINE] = np.sin(half)
    if row[lr.CONE] > 0.0:
        row[lr.EMISSION : lr.EMISSION + 3] /= np.pi * np.sin(half) ** 2
    row[lr.STRENGTH], row[lr.POWER] = lux, lux * np.pi * scene_radius**2


def _shape(row: F32, textures: tuple[Image, ...]) -> None:
    a, b = (float(v) for v in row[lr.SIZE : lr.SIZE + 2])
    area, shown, reach, sized = {
        RECTANGLE: (a * b, a * b, 0.5 * np.hypot(a, b), a > 0.0 and b > 0.0),
        DISK: (np.pi * a * a, np.pi * a * a, a, a > 0.0),
        SPHERE: (4.0 * np.pi * a * a, np.pi * a * a, a, a > 0.0),
        CYLINDER: (2.0 * np.pi * a * b, 2.0 * a * b, np.hypot(a, 0.5 * b), a > 0.0 and b > 0.0),
    }[int(row[lr.KIND])]
    row[lr.ALIVE] = bool(row[lr.ALIVE]) and sized
    if not row[lr.ALIVE]:
        return
    row[lr.RADIUS] += reach
    bright = lr.luminance(row)
    if row[lr.IMAGE] >= 0:
        light = luminance_of(textures[int(row[lr.IMAGE])])
        bright *= max(float(light.mean()), 1e-3 * float(light.max()), 1e-6)
    row[lr.STRENGTH], row[lr.POWER] = bright * shown, bright * area * np.pi * row[lr.SIDES]
    flat_kind = row[lr.KIND] in (RECTANGLE, DISK)
    row[lr.SOFTEN] = shown / np.pi if flat_kind else 0.1 * a * a
    row[lr.BLUR] = 0.05 * row[lr.VARIES]


def _shape_box(row: F32) -> F64:
    """World bounds of a shape over the shutter; a turning one is bounded by the ball it sweeps."""
    open_, close = (
        row[lr.OPEN : lr.CLOSE].reshape(3, 4).astype(float),
        row[lr.CLOSE : lr.CLOSE + 12].reshape(3, 4).astype(float),
    )
    a, b = (float(v) for v in row[lr.SIZE : lr.SIZE + 2])
    x, y, z = (np.abs(open_[:, k]) for k in range(3))
    if not np.array_equal(open_[:, :3], close[:, :3]):
        half = np.full(3, {RECTANGLE: 0.5 * np.hypot(a, b), CYLINDER: np.hypot(a, 0.5 * b)}.get(int(row[lr.KIND]), a))
    elif row[lr.KIND] == RECTANGLE:
        half = 0.5 * (a * x + b * y)
    elif row[lr.KIND] == DISK:
        half = a * np.hypot(x, y)
    elif row[lr.KIND] == SPHERE:
        half = np.full(3, a)
    else:
        half = 0.5 * b * x + a * np.hypot(y, z)
    ends = np.stack((open_[:, 3], close[:, 3]))
    pad = 1e-5 * (half.max() + np.abs(ends).max())
    return np.concatenate((ends.min(0) - half - pad, ends.max(0) + half + pad))


def _scene_radius(flat: FlatScene) -> float:
    """Radius of a ball around everything, for the flux of lights that have no place."""
    corners: list[F64] = []
    for mesh in np.unique(flat.instances["mesh"]):
        p = flat.meshes[mesh].positions
        p = p[np.isfinite(p).all(1)]
        if not len(p):
            continue
        box = np.stack((p.min(0), p.max(0)))
        eight = np.array([(box[i, 0], box[j, 1], box[k, 2], 1.0) for i in (0, 1) for j in (0, 1) for k in (0, 1)])
        matrices = flat.instances["open"][flat.instances["mesh"] == mesh].astype(float)
        corners.append(np.einsum("nij,kj->nki", matrices, eight).reshape(-1, 3))
    if not corners:
        return 1.0
    points = np.concatenate(corners)
    radius = 0.5 * float(np.linalg.norm(points.max(0) - points.min(0)))
    return min(radius, _LARGEST_M) if np.isfinite(radius) and radius > 0.0 else 1.0


# --- domes ---------------------------------------------------------------------------------------------------
def _dome(row: F32, textures: tuple[Image, ...], scene_radius: float) -> F32:
    """The distribution of a textured dome over cells of equal angles, and its estimates."""
    mean, lean = 1.0, np.zeros(3)
    cdf = np.zeros(0, np.float32)
    if row[lr.IMAGE] >= 0:
        light = luminance_of(textures[int(row[lr.IMAGE])]).astype(float)
        shrink = max(1, -(-light.shape[1] // _DOME_WIDTH), -(-2 * light.shape[0] // _DOME_WIDTH))
        light = _smoothed(light)
        if shrink > 1:
            h, w = (-(-s // shrink) * shrink for s in light.shape)
            light = np.pad(light, ((0, h - light.shape[0]), (0, w - light.shape[1])), "edge")
            light = light.reshape(h // shrink, shrink, w // shrink, shrink).mean((1, 3))
        if light.shape[0] == 1:
            light = np.repeat(light, 2, axis=0)  # the device expects one block a row, so more than one
        h, w = light.shape
        edges = np.cos(np.pi * np.arange(h + 1) / h)
        weight = light * (edges[:-1] - edges[1:])[:, None]
        mean = float(weight.sum() / (2.0 * w))
        phi = 2.0 * np.pi * ((np.arange(w) + 0.5) / w - 0.5)
        theta = np.pi * (np.arange(h) + 0.5) / h
        sine = np.sin(theta)[:, None]
        directions = np.stack((sine * np.sin(phi), np.cos(theta)[:, None] + 0.0 * phi, -sine * np.cos(phi)))
        lean = np.einsum("hw,chw->c", weight, directions) / max(float(weight.sum()), 1e-30)
        # a small uniform part keeps dark places possible
        weight += 1e-3 * (weight.sum() / (2.0 * w) + 1e-30) * (edges[:-1] - edges[1:])[:, None]
        cdf = block_cdfs(weight.reshape(1, -1), w)[0]
        row[lr.TABLE_WIDTH], row[lr.TABLE_HEIGHT] = w, h
    rotation = row[lr.OPEN : lr.CLOSE].reshape(3, 4)[:, :3]
    row[lr.LEAN : lr.LEAN + 3] = 2.0 * rotation @ lean  # E(n) = pi mean (1 + 2 lean . n), the first two bands
    row[lr.STRENGTH] = np.pi * mean * lr.luminance(row)
    row[lr.POWER] = 4.0 * np.pi**2 * mean * lr.luminance(row) * scene_radius**2
    return cdf


def _smoothed(light: F64) -> F64:
    """Mean over each texel of the bilinear reconstruction, so that no bright neighbour leaks into an empty cell."""
    wide = 0.75 * light + 0.125 * (np.roll(light, 1, 1) + np.roll(light, -1, 1))
    tall = np.pad(wide, ((1, 1), (0, 0)), "edge")
    return 0.75 * tall[1:-1] + 0.125 * (tall[:-2] + tall[2:])


# --- mesh lights -----------------------------------------------------------------------------------------------------
