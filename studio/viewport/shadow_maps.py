"""From lights to shadow maps: from where each is drawn, along which axes, and what lies in its sight.

Every light is one source, and a source has one of three forms, whatever its kind and however many there are:

    CUBE   six maps around a point, along the axes of the world: points, spheres, areas, meshes, wide spots
    CONE   one map around the axis of a spot of up to MOST_CONE degrees to either side
    SLAB   one map of parallel rays over the whole scene: distant lights and the suns of domes

A map's axes are rows x', y', z: a place d away from its origin lies at x' . d / z . d and y' . d / z . d in -1..1, or
without the division in a slab. The depth is 1 - near / z, which has no far end, or z / length. A lamp with a size is
drawn from its middle while the view moves and from points spread over it while the view rests (`sampled`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from studio.scene.flat import FlatScene
from studio.scene.lights import CASTS_SHADOWS, KINDS
from studio.viewport.environment import DomeTile
from studio.viewport.lamps import Lamps
from studio.viewport.shadow_sky import DRAWS, frame_along

F64 = NDArray[np.float64]
Ints = NDArray[np.int64]

CUBE, CONE, SLAB = 0, 1, 2
MOST_CONE = 60.0
MAPS = {CUBE: 6, CONE: 1, SLAB: 1}
NEAREST = 5e-3  # metres before which a map sees nothing, at most: the wire of a lampshade is seen
_WIDER = 1.03  # of a cone's map, so that its rim has neighbours
_SIZED = tuple(KINDS[name] for name in ("rectangle", "disk", "sphere", "cylinder", "mesh"))
# axes of the maps of a cube: -x, +x, -y, +y, -z, +z, in the order in which their tiles stand (column by axis, row by
# sign); the other two axes keep their order, as `shadows.glsl` has them
CUBE_AXES: F64 = np.array(
    [
        [[0, 1, 0], [0, 0, 1], [-1, 0, 0]],
        [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
        [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
        [[1, 0, 0], [0, 0, 1], [0, 1, 0]],
        [[1, 0, 0], [0, 1, 0], [0, 0, -1]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    ],
    np.float64,
)


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Lights as sources of shadows, in the order of the passes' lamps, then suns of domes. Arrays have a row each."""

    row: Ints  # of FlatScene.lights
    form: Ints
    casts: NDArray[np.bool_]
    sized: NDArray[np.bool_]  # has an extent, so its shadows have penumbrae
    centre: F64  # (n, 3)
    axes: F64  # (n, 3, 3) of cones and slabs
    near: F64  # metres; for slabs 1 / length
    strength: F64  # candela, as the greatest to any side; 0 for slabs
    angle: F64  # radians across of a slab's light
    sky: NDArray[np.bool_]  # draws of the sky, which are drawn for every sample of a view at rest and never else
    keys: tuple[tuple[object, ...], ...] = field(default=())

    @property
    def count(self) -> int:
        """How many."""
        return len(self.row)

    @property
    def shape(self) -> F64:
        """(n, 20) all numbers that a change of the drawing shows in."""
        return np.concatenate(
            [
                self.form[:, None], self.casts[:, None], self.sized[:, None], self.centre,
                self.axes.reshape(-1, 9), self.near[:, None],
            ],
            axis=1,
        )  # fmt: skip


def sources_of(flat: FlatScene, lamps: Lamps, bounds: tuple[F64, F64], tiles: dict[int, DomeTile]) -> Sources:
    """The sources of a scene's lamps, then the suns of its domes, then the draws of its sky. `bounds` are the corners
    of what casts and receives, `tiles` the pictures of domes by their row."""
    row = np.concatenate([lamps.points, lamps.local, lamps.infinite]).astype(np.int64)
    lights = flat.lights[row]
    kind, count = lights["kind"], len(row)
    placed = len(lamps.points) + len(lamps.local)
    frame = lights["open"][:, :, :3].astype(np.float64)
    centre = lights["open"][:, :, 3].astype(np.float64)
    centre[:placed] = lamps.centres
    form = np.full(count, CUBE, np.int64)
    outer = lights["cone"][:, 1].astype(np.float64)
    cone = (kind == KINDS["spot"]) & (outer > np.cos(np.radians(MOST_CONE)))
    form[cone] = CONE
    axes = np.stack([frame[:, :, 0], frame[:, :, 1], -frame[:, :, 2]], axis=1)
    tangent = np.sqrt(np.maximum(1.0 - outer**2, 1e-12)) / np.maximum(outer, 1e-6) * _WIDER
    axes[cone, :2] /= tangent[cone, None, None]
    low, high = bounds
    diagonal = float(np.linalg.norm(high - low))
    near = np.full(count, float(np.clip(3e-4 * diagonal, NEAREST / 25.0, NEAREST)))
    for i in np.flatnonzero(kind == KINDS["distant"]).tolist():
        form[i] = SLAB
        centre[i], axes[i], near[i] = slab(axes[i, 0], axes[i, 1], axes[i, 2], bounds)
    casts = (lights["flags"] & CASTS_SHADOWS != 0) & (kind != KINDS["dome"])
    sized = np.isin(kind, _SIZED) | ((kind == KINDS["distant"]) & (lights["size"][:, 0] > 1e-4))
    strength = np.concatenate([lamps.strengths, np.zeros(count - placed)])
    names = flat.light_ids or flat.light_names
    keys = tuple(
        (names[e] if 0 <= e < len(names) else e, i, p)
        for e, i, p in zip(lights["entity"].tolist(), lights["instance"].tolist(), lights["part"].tolist())
    )
    angle = np.where(kind == KINDS["distant"], lights["size"][:, 0], 0.0).astype(np.float64)
    sky = np.zeros(count, np.bool_)
    placed_ = Sources(row, form, casts, sized, centre, axes, near, strength, angle, sky, keys)
    domes = row[kind == KINDS["dome"]].tolist()
    return joined([placed_, *_suns(flat, domes, bounds, tiles), *_draws(flat, domes, bounds)])


def _suns(flat: FlatScene, domes: list[int], bounds: tuple[F64, F64], tiles: dict[int, DomeTile]) -> list[Sources]:
    """Sources of the suns of domes, in the order of their rows and of `DomeTile.suns`."""
    out = []
    for row in domes:
        light = flat.lights[row]
        suns = tiles[row].suns if row in tiles else np.zeros((0, 7))
        for k, sun in enumerate(suns):
            z = -(light["open"][:, :3].astype(np.float64) @ sun[:3])
            out.append(_parallel(row, z, bounds, ("sun", row, k), casts=bool(light["flags"] & CASTS_SHADOWS),
                                 angle=2.0 * float(np.arcsin(min(sun[3], 1.0)))))  # fmt: skip
    return out


def _draws(flat: FlatScene, domes: list[int], bounds: tuple[F64, F64]) -> list[Sources]:
    """Sources of the draws of the sky, wherever they are drawn from next."""
    casts = any(flat.lights["flags"][row] & CASTS_SHADOWS for row in domes)
    down = np.array([0.0, -1.0, 0.0])
    return [_parallel(domes[0], down, bounds, ("sky", k), sky=True) for k in range(DRAWS if casts else 0)]


def _parallel(
    row: int,
    z: F64,
    bounds: tuple[F64, F64],
    key: tuple[object, ...],
    *,
    casts: bool = True,
    angle: float = 0.0,
    sky: bool = False,
) -> Sources:
    centre, axes, near = slab(*frame_along(z), bounds)
    return Sources(
        np.array([row]), np.array([SLAB]), np.array([casts]), np.array([angle > 1e-4]), centre[None], axes[None],
        np.array([near]), np.zeros(1), np.array([angle]), np.array([sky]), (key,),
    )  # fmt: skip


def joined(parts: list[Sources]) -> Sources:
    """Sources one after the other."""
    names = [f.name for f in fields(Sources) if f.name != "keys"]
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Sources(**columns, keys=tuple(key for part in parts for key in part.keys))


def slab(x: F64, y: F64, z: F64, bounds: tuple[F64, F64]) -> tuple[F64, F64, float]:
    """Origin, axes and 1 / length of parallel rays along z through everything in a box."""
    low, high = bounds
    middle, half = (low + high) / 2, (high - low) / 2 + 1e-3
    axes = np.stack([x, y, z])
    extent = np.abs(axes) @ half
    origin = middle - z * extent[2]
    return origin, np.stack([x / extent[0], y / extent[1], z]), 1.0 / (2.0 * float(extent[2]))


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """Maps to draw: origins (m, 3), axes (m, 3, 3), near (m,), whether their rays are parallel, and their sources."""

    origin: F64
    axes: F64
    near: F64
    parallel: NDArray[np.bool_]
    source: Ints
    side: Ints  # which of a cube's

    def part(self, start: int, end: int) -> Maps:
        """Some of them."""
        cut = slice(start, end)
        return Maps(
            self.origin[cut], self.axes[cut], self.near[cut], self.parallel[cut], self.source[cut], self.side[cut]
        )


def maps_of(sources: Sources, source: Ints, side: Ints, origins: F64) -> Maps:
    """The maps `side` of the sources `source`; `origins` (n, 3) are where all sources are drawn from."""
    cube = sources.form[source] == CUBE
    axes = np.where(cube[:, None, None], CUBE_AXES[side], sources.axes[source])
    return Maps(origins[source], axes, sources.near[source], sources.form[source] == SLAB, source, side)


def in_sight(maps: Maps, centre: F64, half: F64) -> NDArray[np.bool_]:
    """(m, n) whether a map may see any of a box: centres and half extents (n, 3) in the world."""
    x, y, z = (maps.axes[:, k] for k in range(3))
    offset = [(maps.origin * a).sum(axis=1) for a in (x, y, z)]
    px, py, pz = ((a @ centre.T) - o[:, None] for a, o in zip((x, y, z), offset))

    def spread(a: F64) -> F64:
        return np.asarray(np.abs(a) @ half.T)

    flat_x, flat_y = spread(x), spread(y)
    parallel = maps.parallel[:, None]
    point = (pz + spread(z) > 0.0) & (pz + px + spread(z + x) >= 0.0) & (pz - px + spread(z - x) >= 0.0)
    point &= (pz + py + spread(z + y) >= 0.0) & (pz - py + spread(z - y) >= 0.0)
    slab_ = (np.abs(px) <= 1.0 + flat_x) & (np.abs(py) <= 1.0 + flat_y)
    return np.asarray(np.where(parallel, slab_, point))
