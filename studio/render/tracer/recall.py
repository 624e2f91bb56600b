"""What the last learning of the lights found, for the next one: after an edit of one lamp hundreds need not be asked.

Where paths go does not depend on how much lamps shine, so the cells stay as long as nothing but that has changed. What
a lamp brings to a cell depends on the lamp's own row, the cell's points, how many of them are asked, and what stands
between: each a pure function of its arguments, without any sum over lamps. So what it gave then is what it would give
now, to the last bit, and a frame whose lights were learned this way is the one of a worker that has just begun; a lamp
whose row, table or links differ is asked again, and so is any where another number of points is asked.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.render.settings import RenderSettings
from studio.render.tracer import light_rows as lr
from studio.render.tracer.light_tables import LightTables
from studio.scene.flat import FlatScene
from studio.scene.materials import OFFSET

MOST_ESTIMATES = 1 << 23  # cells times lamps that are kept, at 4 bytes each
MOST_POINTS = 1 << 8  # more than are ever asked for a pair
_GLOW = slice(OFFSET["emission"], OFFSET["emission"] + 3)
_FORM = np.setdiff1d(np.arange(lr.LIGHT_STRIDE), [*range(lr.EMISSION, lr.EMISSION + 3), lr.STRENGTH, lr.POWER])
_SOLIDS = ("meshes", "instances", "instance_materials", "slots", "textures")  # sections, which are kept by identity
_STARTS = ((lr.OFFSET_HI, lr.OFFSET_LO), (lr.PICKS_HI, lr.PICKS_LO), (lr.PORTALS_HI, lr.PORTALS_LO))
F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Lit:
    """A scene with its lights as the device has them, and what else the places depend on that paths visit (`view`)."""

    flat: FlatScene
    lights: LightTables
    info: F32  # (lights, 8)
    allowed: NDArray[np.bool_] | None
    view: tuple[Any, ...]

    def same_solids(self, other: "Lit") -> bool:
        """Whether rays are stopped by the same things, which wear the same but for how they glow."""
        if not _same_sections(self.flat, other.flat):
            return False
        mine, theirs = self.flat.materials, other.flat.materials
        if mine.shape != theirs.shape or not np.array_equal(self.flat.shadow_links, other.flat.shadow_links):
            return False
        differ = _bits(mine) != _bits(theirs)
        differ[:, _GLOW] = False
        return not differ.any() and np.array_equal(self.lights.mesh_light_of, other.lights.mesh_light_of)

    def same_places(self, other: "Lit") -> bool:
        """Whether paths of the learning visit the same points."""
        ids = self.lights.shape_ids
        return (
            self.view == other.view
            and (self.allowed is None) == (other.allowed is None)
            and np.array_equal(ids, other.lights.shape_ids)
            and np.array_equal(_bits(self.lights.rows[ids][:, _FORM]), _bits(other.lights.rows[ids][:, _FORM]))
            and np.array_equal(_bits(self.info[ids]), _bits(other.info[ids]))
        )

    def changed(self, other: "Lit") -> NDArray[np.bool_] | None:
        """(lights,) Which lamps are others than they were; None where they cannot be told apart."""
        mine, theirs = self.lights, other.lights
        if mine.rows.shape != theirs.rows.shape or mine.table.shape != theirs.table.shape:
            return None
        if (self.allowed is None) != (other.allowed is None):
            return None
        out = (_bits(mine.rows) != _bits(theirs.rows)).any(1)
        out |= (_bits(self.info) != _bits(other.info)).any(1)
        if self.allowed is not None and other.allowed is not None:
            if self.allowed.shape != other.allowed.shape:
                return None
            out |= (self.allowed != other.allowed).any(0)
        touched = np.flatnonzero(_bits(mine.table) != _bits(theirs.table))
        if len(touched):
            tabled = np.isin(mine.rows[:, lr.KIND], (lr.MESH, lr.DOME))
            starts = [
                mine.rows[:, hi].astype(np.int64) * 65536 + mine.rows[:, lo].astype(np.int64) for hi, lo in _STARTS
            ]
            edges = np.unique(np.concatenate([start[tabled] for start in starts]))
            blocks = np.unique(np.searchsorted(edges, touched, side="right"))
            for start in starts:
                out |= tabled & np.isin(np.searchsorted(edges, start, side="right"), blocks)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The cells that paths visited; see `lightpick.gather_cells`."""

    prints: NDArray[np.uint32]
    slots: NDArray[np.uint32]
    reps: F32
    count: NDArray[np.int32]
    met: NDArray[np.int32]
    grid: F32
    coarse: NDArray[np.int32]

    def same(self, other: "Cells") -> bool:
        """Whether lamps are asked at the same points."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("reps", "count", "grid"))
        return self is other or all(np.array_equal(_bits(mine), _bits(theirs)) for mine, theirs in pairs)


@dataclass(frozen=True, slots=True, eq=False)
class Recall:
    """A learning: of what, where, and what it found."""

    lit: Lit
    cells: Cells
    estimates: F32 | None  # (cells, lights), before links; None where that is too much to keep
    pairs: NDArray[np.int32]
    value: F32

    def serves(self, flat: FlatScene) -> bool:
        """Whether any of it can hold for a scene. Where nothing can, it keeps another scene in memory for nothing."""
        return _same_sections(self.lit.flat, flat)


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What need not be asked: estimates and values of the last learning, of lamps that are as they were."""

    estimates: F32 | None
    changed: NDArray[np.bool_]  # (lights,)
    pairs: NDArray[np.int32]
    value: F32

    def measured(self, pairs: NDArray[np.int32]) -> tuple[NDArray[np.bool_], F32]:
        """Which of (cell, light, points) were measured before, and their values, in their order."""
        if not len(self.pairs):
            return np.zeros(len(pairs), np.bool_), np.zeros(0, np.float32)
        lights = len(self.changed)
        then, now = ((p[:, 0].astype(np.int64) * lights + p[:, 1]) * MOST_POINTS + p[:, 2] for p in (self.pairs, pairs))
        at = np.minimum(np.searchsorted(then, now), len(then) - 1)
        known = (then[at] == now) & ~self.changed[pairs[:, 1]]
        return known, self.value[at[known]]


def known(before: Recall | None, lit: Lit, cells: Cells) -> Known | None:
    """What of an earlier learning holds for these lights and cells."""
    if before is None or not (lit.same_solids(before.lit) and cells.same(before.cells)):
        return None
    changed = lit.changed(before.lit)
    return None if changed is None else Known(before.estimates, changed, before.pairs, before.value)


def cells_of(before: Recall | None, lit: Lit) -> Cells | None:
    """The cells of an earlier learning, where paths would visit the same again."""
    if before is None or not (lit.same_solids(before.lit) and lit.same_places(before.lit)):
        return None
    return before.cells


def view_of(camera: F32, frame: float, settings: RenderSettings, *ways: float) -> tuple[Any, ...]:
    """What paths depend on beyond the scene: the camera, the picture, and how paths are followed."""
    return (camera.tobytes(), float(frame), settings.width, settings.height, settings.depth, *ways)


def _same_sections(one: FlatScene, other: FlatScene) -> bool:
    return all(getattr(one, name) is getattr(other, name) for name in _SOLIDS)


def _bits(array: NDArray[Any]) -> NDArray[np.int32]:
    """Numbers of 4 bytes as integers: zeros of either sign are two, and flags are no fractions too small to tell."""
    return array.view(np.int32)
