"""Shadows of every light: cached maps in one atlas, drawn anew only where a light or a caster moved.

Each light has a block of the atlas as large as its light is on the screen, and keeps what was drawn there. `sync`
finds out which maps went stale: all of a light that moved, and those in whose sight a caster came, went or changed.
`update` then draws as many as a frame has time for, the edited light first, then those that were never drawn, then by
size on the screen; what had no turn shows its old shadow, or none if it never had any, and the next frame goes on.
A light is never left out: where memory is short the tiles of all lights are halved (`coarser` says how often).

While a view rests, lamps with a size are drawn from another point of them for every sample (`resample`), so that what
adds up are true penumbrae.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.scene.flat import CASTS_SHADOWS, SEEN_BY_CAMERA, FlatScene
from studio.scene.lights import KINDS
from studio.viewport.camera import ViewCamera
from studio.viewport.device import Device
from studio.viewport.environment import DomeTile
from studio.viewport.gpuscene import FREE_UNIT, GpuScene
from studio.viewport.shadow_casters import identities
from studio.viewport.shadow_drawing import MapDrawer
from studio.viewport.shadow_maps import CUBE, SLAB, Sources, in_sight, maps_of, slab, sources_of
from studio.viewport.shadow_points import posed
from studio.viewport.shadow_records import Held, record_of, records
from studio.viewport.shadow_sky import DRAWS, Sky, draws_of, frame_along, sky_of
from studio.viewport.shadow_tiles import Tiles

F64 = NDArray[np.float64]
Ints = NDArray[np.int64]

ATLAS_UNIT, AHEAD_UNIT = FREE_UNIT + 2, FREE_UNIT + 5
MOST_SIDE = 8192  # of the atlas in texels
_AT_ONCE = 48  # sources drawn together, before the clock is looked at
_TRIANGLES_A_SECOND = 1.5e9  # on graphics cards, whose clock is not waited for
_STATE = ("_stale", "_edited", "_by_chance", "_origin", "_axes", "_near")


@dataclass(frozen=True, slots=True)
class Update:
    """What an update drew: `maps` as (key of the light, side of its cube) in order, and triangles."""

    maps: tuple[tuple[tuple[object, ...], int], ...] = ()
    triangles: int = 0


class Shadows:
    """The shadows of one scene on one device. `most_side` bounds the atlas, a power of two."""

    def __init__(self, device: Device, scene: GpuScene, *, most_side: int = MOST_SIDE) -> None:
        self._device, self._scene, self._context = device, scene, device.context
        self._drawer = MapDrawer(device, scene)
        self._tiles = Tiles(device, min(most_side, device.limits.texture_side))
        self.sources: Sources | None = None
        self.revision = 0  # counts updates that drew what had gone stale
        self.last = Update()
        self._flat: FlatScene | None = None
        self._bounds: tuple[F64, F64] = (np.zeros(3), np.zeros(3))
        self._written = (-1, -1)  # which table of lights and placing of tiles the records were written for
        self._turn = -1  # sample of a view at rest that sized lamps were last drawn for, -1: from their middles
        self._sky: Sky | None = None
        self.sky_count = self.sky_first = 0  # draws of the sky in this sample, and the texel of the first's record
        self.sky_toward = self.sky_light = np.zeros((0, 3))
        self.sky_lamps = np.zeros(0, np.int64)  # the dome of each draw, among the lights without bounds
        self._next = 0  # whose turn it is to be drawn from another point
        self._forget(0)

    def _forget(self, count: int) -> None:
        """State of so many sources, nothing of it drawn."""
        self._stale = np.ones((count, 6), np.bool_)
        self._edited = np.zeros(count, np.bool_)
        self._by_chance = np.zeros(count, np.bool_)  # sees casters that block a share of light only
        self._origin = np.zeros((count, 3))  # where each map was drawn from, along which axes
        self._axes = np.zeros((count, 3, 3))
        self._near = np.ones(count)

    # --- what there is ------------------------------------------------------------------------------------------------
    @property
    def bytes(self) -> int:
        """Memory on the card."""
        return self._tiles.bytes + self._drawer.bytes

    @property
    def coarser(self) -> int:
        """How often all tiles are halved because memory is short."""
        return self._tiles.coarser

    @property
    def ready(self) -> bool:
        """Whether there is a scene with shadows to look up."""
        return self._flat is not None

    @property
    def contacts(self) -> bool:
        """Whether there are parallel lights with shadows, and what a camera sees in their way is truly in their way:
        where some lights or some things that are seen go without shadows, a march over the picture could not tell."""
        if self._flat is None or self.sources is None or len(self._flat.shadow_links) > 1:
            return False
        lamps = slice(self._scene.lamps.count)
        flags = self._flat.instances["flags"]
        alike = (flags[flags & SEEN_BY_CAMERA != 0] & CASTS_SHADOWS != 0).all()
        return bool(alike and (self.sources.casts & (self.sources.form == SLAB))[lamps].any())

    @property
    def counts(self) -> tuple[int, int]:
        """Lights whose shadow is as it should be, and lights that cast shadows."""
        if self.sources is None:
            return 0, 0
        casts = self.sources.casts.copy()
        casts[self._scene.lamps.count :] = False
        return int((casts & ~self._waiting()).sum()), int(casts.sum())

    @property
    def done(self) -> bool:
        """Whether every light's shadow is as it should be."""
        return self.sources is None or not self._waiting().any()

    def _waiting(self) -> NDArray[np.bool_]:
        """Sources with a map that has to be drawn."""
        assert self.sources is not None
        tiles = self._tiles
        sides = np.arange(6) < np.where(self.sources.form == CUBE, 6, 1)[:, None]
        missing = ((self._stale | ~tiles.drawn) & sides).any(axis=1) | (tiles.side != tiles.wanted)
        return np.asarray(missing & self.sources.casts & ~self.sources.sky)

    # --- taking over --------------------------------------------------------------------------------------------------
    def sync(self, flat: FlatScene) -> None:
        """Find out what went stale. The scene has taken the same flat scene over already.

        Whatever goes wrong, nothing is kept of either scene: there are no shadows until the next `sync`, which begins
        anew.
        """
        if self._flat is flat:
            return
        taken = False
        try:
            self._take(flat)
            taken = True
        finally:
            if not taken:
                self.release()

    def _take(self, flat: FlatScene) -> None:
        before, scene = self._flat, self._scene
        listed = ("meshes", "instances", "instance_materials", "materials", "slots", "textures", "shadow_links")
        if before is None or any(getattr(flat, n) is not getattr(before, n) for n in listed):
            self._sync_casters(flat, before)
        self._widen(scene.bounds)
        pictures = self._pictures(flat)
        self._sky = sky_of(flat, pictures) if len(scene.lamps.infinite) else None
        self._sync_sources(sources_of(flat, scene.lamps, self._bounds, pictures))
        if before is not None and not np.array_equal(flat.shadow_links, before.shadow_links):
            self._stale[:] = True
        self._flat, self._written = flat, (-1, -1)

    def _pictures(self, flat: FlatScene) -> dict[int, DomeTile]:
        """The pictures of domes by their row."""
        out = {}
        for row in np.flatnonzero((flat.lights["kind"] == KINDS["dome"]) & (flat.lights["image"] >= 0)).tolist():
            tile = self._scene.lighting.dome(flat.textures[flat.lights["image"][row]])
            if tile is not None:
                out[row] = tile
        return out

    def _widen(self, bounds: tuple[F64, F64]) -> None:
        """The box of parallel maps: changed only when things leave it or leave most of it empty."""
        low, high = self._bounds
        size, new = high - low, bounds[1] - bounds[0]
        inside = (bounds[0] >= low).all() and (bounds[1] <= high).all()
        if not inside or (new.max() < 0.5 * size.max()):
            margin = 0.02 * (new + new.max())
            self._bounds = (bounds[0] - margin, bounds[1] + margin)

    def _sync_sources(self, new: Sources) -> None:
        """Take over lights: what is still the same keeps its maps, whatever came, went or changed places."""
        old, self.sources = self.sources, new
        if old is not None and old.keys == new.keys and (old.form == new.form).all():
            moved = (old.shape != new.shape).any(axis=1)
            self._stale[moved] = True
            if moved.sum() < max(len(moved), 2):
                self._edited |= moved
            return
        where = {key: k for k, key in enumerate(old.keys)} if old is not None else {}
        at = np.array([where.get(key, -1) for key in new.keys], np.int64).reshape(-1)
        kept = at >= 0
        moved = np.ones(new.count, np.bool_)
        if old is not None:
            kept[kept] = old.form[at[kept]] == new.form[kept]
            moved[kept] = (old.shape[at[kept]] != new.shape[kept]).any(axis=1)
        self._tiles.keep(new.count, kept, at)
        before = {name: getattr(self, name) for name in _STATE}
        self._forget(new.count)
        for name, values in before.items():
            getattr(self, name)[kept] = values[at[kept]]
        self._stale[moved] = True
        self._edited |= kept & moved

    def _sync_casters(self, flat: FlatScene, before: FlatScene | None) -> None:
        """Take over casters, and mark the maps that see what changed."""
        old = self._drawer.boxes
        self._drawer.list(flat)
        if before is None or self.sources is None or not self.sources.count:
            return
        a, b = identities(before), identities(flat)
        if len(a) == len(b):
            changed = np.array([x != y for x, y in zip(a, b)], np.bool_)
            old_at = new_at = np.flatnonzero(changed)
        else:
            had, has = set(a), set(b)
            old_at = np.flatnonzero([x not in has for x in a])
            new_at = np.flatnonzero([y not in had for y in b])
        if not len(old_at) and not len(new_at):
            return
        centre, half = (np.concatenate([a[old_at], b[new_at]]) for a, b in zip(old, self._drawer.boxes))
        self._see(centre, half)

    def _see(self, centre: F64, half: F64) -> None:
        """What lies in these boxes (n, 3) changed: maps in whose sight they are go stale."""
        assert self.sources is not None
        source, side = np.nonzero(self._tiles.drawn)
        maps = maps_of(self.sources, source, side, self._origin)
        for start in range(0, len(source), 2048):
            part = maps.part(start, start + 2048)
            seen = in_sight(part, centre, half).any(axis=1)
            self._stale[part.source[seen], part.side[seen]] = True

    def _hide(self, hidden: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Let these objects (n,) cast no shadows; returns the maps (sources, 6) that this alone makes stale."""
        assert self._flat is not None
        before, fresh = self._drawer.hidden, ~self._stale
        now = self._drawer.hidden = hidden[self._flat.instances["object"].astype(np.int64)]
        if len(before) != len(now):
            self._stale |= before.any()
            before = np.zeros(len(now), np.bool_)
        changed = np.flatnonzero(before != now)
        if len(changed):
            self._see(*(side[changed] for side in self._drawer.boxes))
        return np.asarray(fresh & self._stale)

    # --- drawing ------------------------------------------------------------------------------------------------------
    def update(
        self,
        view: Any,
        camera: ViewCamera,
        width: int,
        height: int,
        *,
        seconds: float,
        hidden: NDArray[np.bool_] | None = None,
    ) -> None:
        """Draw what is stale for a view, for about so many seconds, and one light at least. `hidden` are the objects of
        FlatScene.object_names that the view does not show at all: they cast no shadows in it.

        Views that hide different things draw the maps in which it shows anew in turns, all at once and uncounted, so
        that each of them comes to rest.
        """
        if self.sources is None or self._flat is None or not self.sources.count:
            return
        if hidden is None or not hidden.any():
            hidden = np.zeros(len(self._flat.object_names), np.bool_)
        turned = self._hide(hidden)
        self._tiles.want(self.sources, view, camera, (width, height), self._scene.bounds)
        self._turn = -1
        self.last = Update()
        order = np.flatnonzero(self._waiting())
        if len(order):
            self._stale &= ~turned
            counts = self._waiting().any()
            self._stale |= turned
            self.revision += int(counts)
            drawn = self._tiles.drawn[order].any(axis=1)
            fresh = ~self._stale[order].any(axis=1) & drawn  # only its size is wrong
            order = order[np.lexsort((-self._tiles.kept[order], fresh, drawn, ~self._edited[order]))]
            self._draw_in_turn(order, self.sources, 60.0 if turned.any() else seconds)
        if self._written != (self._scene.light_puts, self._tiles.starts):
            self._write_records()

    def resample(self, turn: int, *, seconds: float) -> None:
        """Draw lamps with a size from point `turn` of them, as many as there is time for, in turns; -1: the middle."""
        self.sky_count = 0
        if self.sources is None or self._flat is None or not self.done:
            return
        if turn >= 0 and self._sky is not None and self.sources.sky.any():
            self._draw_sky(turn)
        wanted = self.sources.sized if turn < 0 else self.sources.sized | self._by_chance
        sized = np.flatnonzero(wanted & self.sources.casts)
        if turn < 0:
            sized = sized[self._elsewhere(self.sources)[sized]]
        if not len(sized):
            return
        self._turn = turn
        order = np.roll(sized, -(self._next % len(sized)))
        self._next += self._draw_in_turn(order, posed(self._flat, self.sources, order, turn, self._bounds), seconds)
        self._write_records()

    def resample_sky(self, turn: int) -> bool:
        """Draw the sky alone from the directions of sample `turn`; returns whether there is a sky and it is drawn."""
        self.sky_count = 0
        if self.sources is None or not self.done or self._sky is None or not self.sources.sky.any():
            return False
        self._draw_sky(turn)
        return True

    def _draw_sky(self, turn: int) -> None:
        """Draw the maps of this sample's directions of the sky."""
        assert self.sources is not None and self._sky is not None
        at = np.flatnonzero(self.sources.sky)
        toward, self.sky_light, domes = draws_of(self._sky, turn)
        self.sky_lamps = np.searchsorted(self._scene.lamps.infinite, domes)
        centre, axes, near = self.sources.centre.copy(), self.sources.axes.copy(), self.sources.near.copy()
        for i, d in zip(at.tolist(), toward):
            centre[i], axes[i], near[i] = slab(*frame_along(-d), self._bounds)
        self._stale[at] = True
        self._draw_in_turn(at, replace(self.sources, centre=centre, axes=axes, near=near), 60.0)
        self.sky_count, self.sky_toward = len(at), toward
        self.sky_first = record_of(len(self._scene.lamps.points), int(at[0]))
        self._write_records()

    def _elsewhere(self, sources: Sources) -> NDArray[np.bool_]:
        """Which are drawn from another place or along other axes than these."""
        there = (self._origin == sources.centre).all(axis=1) & (self._axes == sources.axes).all(axis=(1, 2))
        return np.asarray(~there)

    def _draw_in_turn(self, order: Ints, sources: Sources, seconds: float) -> int:
        begun = time.perf_counter()
        software = self._device.info.software
        triangles = done = 0
        at_once = 1 if seconds <= 0.0 else _AT_ONCE if len(order) > _AT_ONCE else len(order)
        for start in range(0, len(order), at_once):
            some = order[start : start + at_once]
            if not self._tiles.place(sources, some):
                some = some[self._tiles.side[some] > 0]
            triangles += self._draw_sources(some, sources)
            done += len(some)
            if software:
                self._context.finish()
            spent = time.perf_counter() - begun + (0.0 if software else triangles / _TRIANGLES_A_SECOND)
            if spent >= seconds:
                break
        return done

    def _draw_sources(self, some: Ints, sources: Sources) -> int:
        """Draw the maps of sources that must be; all of them where the source is drawn from another place."""
        sides = np.arange(6) < np.where(sources.form == CUBE, 6, 1)[:, None]
        moved = self._elsewhere(sources)[some] | (self._by_chance[some] & (self._turn >= 0))
        need = (self._stale[some] | ~self._tiles.drawn[some] | moved[:, None]) & sides[some]
        local, side = np.nonzero(need)
        source = some[local]
        self._origin[some], self._axes[some], self._near[some] = (
            sources.centre[some], sources.axes[some], sources.near[some]
        )  # fmt: skip
        assert self._flat is not None
        maps = maps_of(sources, source, side, sources.centre)
        triangles, doubtful = self._drawer.draw(self._flat, maps, self._tiles.places, sources.row, chance=self._turn)
        self._by_chance[doubtful] = True
        self._stale[some] = False
        self._tiles.drawn[some] = sides[some]
        self._edited[some] = False
        self._written = (-1, -1)
        names = tuple((sources.keys[s], f) for s, f in zip(source.tolist(), side.tolist()))
        self.last = Update(self.last.maps + names, self.last.triangles + triangles)
        return triangles

    # --- what shaders read --------------------------------------------------------------------------------------------
    def _write_records(self) -> None:
        """Tell shaders where everything is."""
        assert self.sources is not None and self._flat is not None
        lamps, tiles = self._scene.lamps, self._tiles
        shown = (tiles.side > 0) & tiles.drawn[:, 0]
        held = Held(shown, tiles.side, tiles.corner, self._origin, self._axes, self._near)
        self._scene.write_shadows(records(self._flat, self.sources, len(lamps.points), lamps.count, held))
        self._written = (self._scene.light_puts, tiles.starts)

    def uniforms(self) -> dict[str, Any]:
        """What shaders have to be told."""
        return {
            "sky_count": self.sky_count,
            "sky_first": self.sky_first,
            "sky_toward": _padded(self.sky_toward),
            "sky_light": _padded(self.sky_light),
            "sky_lamps": tuple(np.resize(self.sky_lamps, DRAWS).tolist()),
        }

    def use(self) -> None:
        """Bind the atlas."""
        self._tiles.use(ATLAS_UNIT)

    def release(self) -> None:
        """Give everything back; a `sync` begins anew."""
        self._drawer.release()
        self._tiles.release()
        self._flat = self.sources = self._sky = None
        self._bounds = (np.zeros(3), np.zeros(3))
        self.sky_count = 0
        self._forget(0)


def _padded(rows: F64) -> list[tuple[float, ...]]:
    out = np.zeros((DRAWS, 3))
    out[: len(rows)] = rows
    return [tuple(row) for row in out.tolist()]
