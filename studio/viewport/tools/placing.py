"""Moving, turning and sizing entities in the world, whatever hangs above them.

A gesture is given in the world; fields are given below a parent, which may itself be turned, scaled unevenly or
mirrored. Where a field can say the result exactly it alone is changed: a move touches no rotation, a turn below a
parent of even scale touches no scale, so a thousand gestures leave no rounding behind. Where it cannot, the local
matrix is taken apart anew, with its shear, and the thing still stands in the world exactly where the hand put it.

A light has no use for a scale: scaling it changes its size fields. A camera only changes its place.

All take `Movers` as they were when the gesture began, so that every motion is computed from there and a gesture that
comes back to its start changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.scene.animation import quaternion_product
from studio.scene.entities import Camera, Entity, Id
from studio.scene.flat import FlatScene
from studio.scene.lights import Light
from studio.scene.placement import Placement, placement
from studio.scene.scene import Scene
from studio.scene.transforms import Bool, columns, decompose, inverse, multiply, rigid, sound, units

F64 = NDArray[np.float64]
Fields = dict[Id, dict[str, Any]]  # new values of fields, by entity
_SMALLEST_M = 1e-4  # no light is scaled below a tenth of a millimetre, or it would be lost


@dataclass(frozen=True, slots=True, eq=False)
class Movers:
    """Entities that a gesture moves, each without any other of them above it, as they stood when it began.

    Columns: the matrix `above` (n, 3, 4) that maps an entity's own translation to the world, its world matrix, and
    its fields with animation applied. `refused` are names of what was selected and cannot be moved, with why.
    """

    ids: tuple[Id, ...]
    entities: tuple[Entity, ...]
    above: F64
    world: F64
    parent_frames: F64  # (n, 3, 3) square axes of the parents
    refused: tuple[str, ...] = ()

    @property
    def origins(self) -> F64:
        """(n, 3) where they stand in the world."""
        return self.world[:, :, 3]

    @property
    def frames(self) -> F64:
        """(n, 3, 3) their own axes in the world, square and right-handed."""
        return square(self.world)


def movers(flat: FlatScene, ids: Iterable[Id]) -> Movers:
    """What of `ids` can be moved: no entity below another of them, none that is locked, itself or from above."""
    places = placement(flat)
    chosen = [id_ for id_ in dict.fromkeys(ids) if id_ in places.row]
    wanted = set(chosen)
    rows, refused = [], []
    for id_ in chosen:
        chain = ancestors(places, id_)
        name = places.entities[places.row[id_]].name or id_
        if any(places.entities[row].locked for row in chain):
            refused.append(f'"{name}" is locked')
        elif not any(places.ids[row] in wanted for row in chain[1:]):
            above = places.world[chain[1]] if len(chain) > 1 else np.eye(3, 4)
            if sound(above[None])[0] and np.isfinite(places.world[chain[0]]).all():
                rows.append(chain[0])
            else:
                refused.append(f'"{name}" has a transform that cannot be used')
    up = places.parents[rows].astype(np.intp) if rows else np.zeros(0, np.intp)
    above = np.where((up < 0)[:, None, None], np.eye(3, 4), places.world[up]) if rows else np.zeros((0, 3, 4))
    return Movers(
        ids=tuple(places.ids[row] for row in rows),
        entities=tuple(places.entities[row] for row in rows),
        above=above,
        world=places.world[rows].copy(),
        parent_frames=square(above),
        refused=tuple(refused),
    )


def ancestors(places: Placement, id_: Id) -> list[int]:
    """Rows of an entity and of all above it, from the bottom up."""
    out: list[int] = []
    row = places.row.get(id_, -1)
    while row >= 0 and len(out) <= len(places.ids):
        out.append(row)
        row = int(places.parents[row])
    return out


def square(matrices: F64) -> F64:
    """(n, 3, 3) right-handed unit axes nearest to matrices (n, 3, 4); the world's axes where they have none."""
    return rigid(_usable(matrices))[:, :, :3]


def _usable(matrices: F64) -> F64:
    """Matrices (n, 3, 4) with the identity for those that have no axes."""
    return np.where(sound(matrices)[:, None, None], matrices, np.eye(3, 4))


# --- motions ---------------------------------------------------------------------------------------------------------
def moved(them: Movers, offsets: ArrayLike) -> Fields:
    """Translations after moving by `offsets` (3,) or (n, 3) metres in the world."""
    shift = np.broadcast_to(np.asarray(offsets, np.float64), them.origins.shape)
    return _columns_of(them, translation=_translations(them, shift))


def turned(them: Movers, axes: ArrayLike, angle: float, pivots: ArrayLike) -> Fields:
    """Fields after turning by `angle` radians about `axes` (3,) or (n, 3), unit, through `pivots` (3,) or (n, 3)."""
    n = len(them.ids)
    if angle == 0.0:
        return _as_they_were(them)
    axis = np.broadcast_to(np.asarray(axes, np.float64), (n, 3))
    pivot = np.broadcast_to(np.asarray(pivots, np.float64), (n, 3))
    turn = rotations(axis, angle)
    arm = them.origins - pivot
    translation = _translations(them, np.einsum("nij,nj->ni", turn, arm) - arm)
    linear = them.above[:, :, :3]
    even, size = _even(linear)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = np.einsum("nji,nj->ni", linear / size[:, None, None], axis)
    own *= np.where(np.linalg.det(linear) < 0, -1.0, 1.0)[:, None]  # a mirrored parent turns the other way round
    step = np.concatenate([own * np.sin(angle / 2), np.full((n, 1), np.cos(angle / 2))], axis=1)
    before = columns([e.rotation for e in them.entities], n, 4)
    out = _columns_of(them, translation=translation, rotation=units(quaternion_product(step, before)), where=even)
    for i in np.flatnonzero(~even).tolist():
        to = (them.origins[i] + turn[i] @ arm[i] - arm[i])[:, None]
        world = np.concatenate([turn[i] @ them.world[i, :, :3], to], axis=1)
        out.update(_stood_anew(them, i, world))
    return out


def scaled(them: Movers, axes: ArrayLike, factors: ArrayLike, pivots: ArrayLike, *, own: bool = False) -> Fields:
    """Fields after scaling by `factors` (3,) along `axes` (3, 3) or (n, 3, 3), as columns, from `pivots`.

    With `own` the axes are each entity's own, so that its scale simply multiplies.
    """
    n = len(them.ids)
    s = np.asarray(factors, np.float64)
    if (s == 1.0).all():
        return _as_they_were(them)
    frame = np.broadcast_to(np.asarray(axes, np.float64), (n, 3, 3))
    pivot = np.broadcast_to(np.asarray(pivots, np.float64), (n, 3))
    stretch = frame @ (s[:, None] * frame.transpose(0, 2, 1))
    arm = them.origins - pivot
    translation = _translations(them, np.einsum("nij,nj->ni", stretch, arm) - arm)
    even = own or bool(np.all(s == s[0]))
    sizes = np.linalg.norm(stretch @ rigid(_usable(them.world))[:, :, :3], axis=1)  # what became of their own axes
    stays = np.abs(arm).max(axis=1, initial=0.0) <= 0.0
    out: Fields = {}
    for i, entity in enumerate(them.entities):
        values: dict[str, Any] = {} if stays[i] else {"translation": tuple(translation[i].tolist())}
        if isinstance(entity, Light):
            values |= _resized(entity, *sizes[i].tolist())
        elif not isinstance(entity, Camera):
            along = s if even else _along_own(frame[i], s, them.world[i])
            if along is not None:
                values["scale"] = tuple((np.array(entity.scale) * along).tolist())
            else:
                to = (them.origins[i] + stretch[i] @ arm[i] - arm[i])[:, None]
                world = np.concatenate([stretch[i] @ them.world[i, :, :3], to], axis=1)
                values = _stood_anew(them, i, world).get(entity.id, {})
        if values:
            out[entity.id] = values
    return out


def stood(them: Movers, index: int, world: F64) -> Fields:
    """Translation and rotation that put an entity's own place and look (a rigid (3, 4), see `transforms.rigid`) into
    the world; its scale and shear stay, and whatever is above it."""
    entity, above = them.entities[index], them.above[index]
    down = np.linalg.inv(above[:, :3])
    axes = down @ world[:, :3]
    z = _unit(axes[:, 2])
    y = _unit(axes[:, 1] - z * float(z @ axes[:, 1]))
    own = np.stack([np.cross(y, z), y, z], axis=1)
    rotation = decompose(np.concatenate([own, np.zeros((3, 1))], axis=1))[1]
    translation = down @ (world[:, 3] - above[:, 3])
    return {entity.id: {"translation": tuple(translation.tolist()), "rotation": tuple(rotation.tolist())}}


def written(scene: Scene, fields: Fields) -> Scene:
    """The scene with these fields. An edit scope makes keys of those that curves drive."""
    new: dict[Id, Entity] = {}
    for id_, values in fields.items():
        entity = scene.entities[id_]
        changed = {name: value for name, value in values.items() if getattr(entity, name) != value}
        if changed:
            new[id_] = msgspec.structs.replace(entity, **changed)
    return scene.put(new)


def _as_they_were(them: Movers) -> Fields:
    """Every field that a gesture may change, as it was when it began."""
    names = ("translation", "rotation", "scale", "shear")
    sizes = ("width_m", "height_m", "radius_m", "length_m")
    return {
        e.id: {name: getattr(e, name) for name in (names + sizes if isinstance(e, Light) else names)}
        for e in them.entities
    }


# --- how -------------------------------------------------------------------------------------------------------------
def rotations(axes: F64, angle: float) -> F64:
    """(n, 3, 3) rotations by one angle about unit axes (n, 3) (Rodrigues)."""
    k = np.zeros((len(axes), 3, 3))
    k[:, 0, 1], k[:, 0, 2], k[:, 1, 2] = -axes[:, 2], axes[:, 1], -axes[:, 0]
    k[:, 1, 0], k[:, 2, 0], k[:, 2, 1] = axes[:, 2], -axes[:, 1], axes[:, 0]
    return np.asarray(np.eye(3) + np.sin(angle) * k + (1.0 - np.cos(angle)) * (k @ k))


def _translations(them: Movers, shift: F64) -> F64:
    """(n, 3) own translations after a displacement (n, 3) in the world; exactly as before where that is 0."""
    before = columns([e.translation for e in them.entities], len(them.ids), 3)
    return np.asarray(before + np.einsum("nij,nj->ni", np.linalg.inv(them.above[:, :, :3]), shift))


def _even(linear: F64) -> tuple[Bool, F64]:
    """Which matrices (n, 3, 3) scale all directions alike, and by how much (n,)."""
    square_ = np.einsum("nji,njk->nik", linear, linear)
    size = np.einsum("nii->n", square_) / 3.0
    even = np.abs(square_ - size[:, None, None] * np.eye(3)).max(axis=(1, 2), initial=0.0) <= 1e-9 * size
    return even, np.sqrt(size)


def _along_own(frame: F64, factors: F64, world: F64) -> F64 | None:
    """(3,) factors along an entity's own axes, when these are the frame's up to order and sign; else None."""
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = world[:, :3] / np.linalg.norm(world[:, :3], axis=0)
    match = np.abs(frame.T @ unit)
    along = match.argmax(axis=0)
    match[along, range(3)] = 0.0
    if not np.isfinite(match).all() or (match > 1e-9).any():
        return None
    return np.asarray(factors[along])


def _resized(light: Light, x: float, y: float, z: float) -> dict[str, Any]:
    """Size fields of a light that is stretched by x, y and z along its own axes."""
    if light.light == "rectangle":
        parts = {"width_m": x, "height_m": y}
    elif light.light == "disk":
        parts = {"radius_m": float(np.sqrt(x * y))}
    elif light.light in ("sphere", "point"):
        parts = {"radius_m": float(np.cbrt(x * y * z))}
    elif light.light == "cylinder":
        parts = {"length_m": x, "radius_m": float(np.sqrt(y * z))}
    else:
        return {}
    sized = {name: getattr(light, name) for name in parts}
    return {n: max(sized[n] * factor, _SMALLEST_M) if sized[n] > 0 else sized[n] for n, factor in parts.items()}


def _stood_anew(them: Movers, index: int, world: F64) -> Fields:
    """All four fields for a world matrix, below a parent of uneven scale; {} when they would be degenerate."""
    entity = them.entities[index]
    if isinstance(entity, (Light, Camera)):
        return stood(them, index, rigid(world[None])[0])
    local = multiply(inverse(them.above[index][None]), world[None])
    if not sound(local)[0]:
        return {}
    parts = (tuple(part.tolist()) for part in decompose(local[0]))
    return {entity.id: dict(zip(("translation", "rotation", "scale", "shear"), parts, strict=True))}


def _columns_of(them: Movers, *, where: Bool | None = None, **columns_: F64) -> Fields:
    rows = range(len(them.ids)) if where is None else np.flatnonzero(where).tolist()
    listed = {name: column.tolist() for name, column in columns_.items()}
    return {them.ids[i]: {name: tuple(column[i]) for name, column in listed.items()} for i in rows}


def _unit(v: F64) -> F64:
    return np.asarray(v / np.linalg.norm(v))
