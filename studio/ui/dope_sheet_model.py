"""What the dope sheet lists: a row for everything, one for each entity or material with keys, one for each curve.

No Qt in it. Rows are made when what is listed changes, not when a key moves; the times of a row are made when it is
drawn and kept as long as its curves are the same objects, so a sheet of a thousand curves costs what is seen of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.commands.registry import N_
from studio.scene.animation import Curve
from studio.scene.entities import Id
from studio.scene.key_modes import NEAR, modes_of
from studio.scene.pose import split_track
from studio.scene.scene import Scene
from studio.scene.schema import fields

F64 = NDArray[np.float64]
Picks = dict[str, tuple[int, ...]]
_AXES = "XYZW"


@dataclass(frozen=True, slots=True)
class Row:
    """A row: "summary", "entity" or "track"; `label` is English, `item` names one of a vector's numbers."""

    kind: str
    id: Id
    label: str
    tracks: tuple[str, ...]
    item: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """When a row has keys: (k,) rising frames; of one curve with the (k,) modes of its keys."""

    frames: F64
    modes: NDArray[np.uint8] | None


class DopeSheetModel:
    """Rows of a scene. `closed` holds the ids whose curves are folded away."""

    def __init__(self) -> None:
        self.rows: tuple[Row, ...] = ()
        self.closed: set[Id] = set()
        self._tracks: Mapping[str, Curve] = {}
        self._of: object = None
        self._times: dict[tuple[str, ...], tuple[tuple[Curve, ...], Times]] = {}

    def follow(self, scene: Scene, ids: Collection[Id] | None, text: str = "") -> bool:
        """Take what a scene has of these (None: all of it) whose names or fields hold a text. Whether rows changed."""
        self._tracks = scene.tracks
        words = text.strip().casefold()
        of = (tuple(scene.tracks), scene.entities, scene.materials, None if ids is None else tuple(ids), words)
        if self._of is not None and self._same(of):
            return False
        self._of = of
        self.remake(scene, ids, words)
        return True

    def _same(self, of: tuple[object, ...]) -> bool:
        was = self._of
        assert isinstance(was, tuple)
        return was[0] == of[0] and was[1] is of[1] and was[2] is of[2] and was[3:] == of[3:]

    def refold(self, id_: Id) -> None:
        """Fold an entity's curves away, or show them."""
        self.closed ^= {id_}
        self._of = None

    def remake(self, scene: Scene, ids: Collection[Id] | None, words: str) -> None:
        """Make the rows."""
        by_id: dict[Id, list[Row]] = {}
        for track in scene.tracks:
            target, field_name, item = split_track(track)
            record = scene.entities.get(target) or scene.materials.get(target)
            if ids is not None and target not in ids:
                continue
            known = fields(type(record)).get(field_name) if record is not None else None
            axis = "" if item < 0 else (_AXES[item] if item < 4 and known and known.width <= 4 else f"[{item + 1}]")
            label = known.label if known is not None else field_name
            by_id.setdefault(target, []).append(Row("track", target, label, (track,), axis))
        order = {id_: n for n, id_ in enumerate((*scene.entities, *scene.materials))}
        rows: list[Row] = []
        for target in sorted(by_id, key=lambda id_: order.get(id_, len(order))):
            record = scene.entities.get(target) or scene.materials.get(target)
            name = (record.name or target) if record is not None else target
            below = by_id[target]
            if words and words not in name.casefold():
                below = [row for row in below if words in f"{row.label} {row.item}".casefold()]
            if below:
                rows.append(Row("entity", target, name, tuple(t for row in below for t in row.tracks)))
                rows += below if target not in self.closed else []
        every = tuple(t for row in rows if row.kind == "entity" for t in row.tracks)
        self.rows = (Row("summary", "", N_("All keys"), every), *rows) if every else ()

    def times(self, row: Row) -> Times:
        """When a row has keys."""
        curves = tuple(self._tracks[t] for t in row.tracks if t in self._tracks)
        held = self._times.get(row.tracks)
        if (
            held is not None
            and len(held[0]) == len(curves)
            and all(a is b for a, b in zip(held[0], curves, strict=True))
        ):
            return held[1]
        if not curves:
            made = Times(np.zeros(0), None)
        elif row.kind == "track":
            made = Times(curves[0].times, modes_of(curves[0]))
        else:
            made = Times(np.unique(np.concatenate([c.times for c in curves])), None)
        self._times[row.tracks] = (curves, made)
        if len(self._times) > 4 * len(self.rows) + 100:  # of rows that are gone
            self._times = {row.tracks: self._times[row.tracks] for row in self.rows if row.tracks in self._times}
        return made

    def keys_in(self, rows: Iterable[Row], first: float, last: float) -> Picks:
        """The keys that rows have from one frame to another."""
        found: Picks = {}
        for row in rows:
            for track in row.tracks:
                if track in found or track not in self._tracks:
                    continue
                a, b = np.searchsorted(self._tracks[track].times, (first - NEAR, last + NEAR), side="left").tolist()
                if b > a:
                    found[track] = tuple(range(a, b))
        return found

    def picked_mask(self, row: Row, picked: Mapping[str, tuple[int, ...]]) -> NDArray[np.bool_]:
        """Which of a row's times have all their keys picked."""
        frames = self.times(row).frames
        if row.kind == "track":
            mask = np.zeros(len(frames), np.bool_)
            mask[[i for i in picked.get(row.tracks[0], ()) if i < len(mask)]] = True
            return mask
        any_picked = [t for t in row.tracks if t in picked]
        if not any_picked:
            return np.zeros(len(frames), np.bool_)
        chosen = np.unique(np.concatenate([self._tracks[t].times[list(picked[t])] for t in any_picked]))
        mask = np.isin(frames, chosen)
        for track in row.tracks:  # a frame with a key that is not picked is not picked
            times = self._tracks[track].times
            free = np.ones(len(times), np.bool_)
            free[list(picked.get(track, ()))] = False
            if mask.any():
                mask &= ~np.isin(frames, times[free])
        return mask

    def span(self, picked: Mapping[str, tuple[int, ...]]) -> tuple[float, float] | None:
        """First and last frame of picked keys; None when they are on one frame."""
        ends = [self._tracks[t].times[list(rows)] for t, rows in picked.items() if t in self._tracks and rows]
        if not ends:
            return None
        first, last = min(float(e.min()) for e in ends), max(float(e.max()) for e in ends)
        return (first, last) if last - first > NEAR else None


def merged(a: Mapping[str, tuple[int, ...]], b: Mapping[str, tuple[int, ...]], *, toggle: bool = False) -> Picks:
    """Keys of either pick; with `toggle` those of `b` go where all of them are in `a`."""
    if toggle and all(set(rows) <= set(a.get(t, ())) for t, rows in b.items()):
        left = {t: tuple(i for i in rows if i not in b.get(t, ())) for t, rows in a.items()}
        return {t: rows for t, rows in left.items() if rows}
    return {t: tuple(sorted({*a.get(t, ()), *b.get(t, ())})) for t in (*a, *(t for t in b if t not in a))}
