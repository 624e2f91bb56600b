"""What the curve editor shows and has chosen: lines, which of them are hidden, locked, isolated or active, and the
keys that are picked. No Qt in it.

It follows the scene by identity: a curve that is the same object did not change. Lines are remembered by what they are
and not by where they stand, so hiding one outlives a change of the selection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from studio.scene.animation import Curve
from studio.scene.entities import Id
from studio.scene.scene import Scene
from studio.ui.curve_lines import Key, Line, kept, lines_of, tracks_of_picks

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]
MOST_PAINTED = 96  # lines that a painter draws smoothly; more than these are one picture


class CurveState:
    """Lines by number, in the order of the list."""

    def __init__(self) -> None:
        self.lines: tuple[Line, ...] = ()
        self.curves: list[Curve] = []
        self.number: dict[Key, int] = {}
        self.hidden: set[Key] = set()
        self.locked: set[Key] = set()
        self.isolated: set[Key] = set()
        self.active: set[Key] = set()
        self.picks: dict[Key, NDArray[np.intp]] = {}
        self.normalised = False
        self.weighted = True
        self.snap_frames = True
        self.snap_values = False
        self.scale_box = False
        self.stored: dict[str, Curve] = {}  # buffer curves by track
        self.held_gains: tuple[F64, F64] | None = None  # while something is dragged
        self._gains: tuple[F64, F64] | None = None
        self._tracks: Mapping[str, Curve] = {}
        self._ids: tuple[Id, ...] | None = ()

    # --- following ---------------------------------------------------------------------------------------------------
    def follow(self, scene: Scene, ids: Sequence[Id] | None, *, anew: bool = False) -> list[int] | None:
        """Take what a scene holds of these ids (None: of everything). The numbers of the lines whose curves changed,
        or None when the lines are others. `anew`: what wears what, or is of which kind, may be other too."""
        before, tracks = self._tracks, scene.tracks
        wanted = None if ids is None else tuple(ids)
        if anew or wanted != self._ids or not _alike(before, tracks):
            lines = lines_of(scene, wanted)
        else:
            lines = self.lines
        self._tracks, self._ids = tracks, wanted
        if before is not tracks:
            self.picks = kept(self.picks, before, tracks)
            self._gains = None
        if lines != self.lines:
            self.lines = lines
            self.curves = [tracks[line.track] for line in lines]
            self.number = {line.key: n for n, line in enumerate(lines)}
            self.active &= self.number.keys()
            self.isolated &= self.number.keys()
            self.picks = {key: rows for key, rows in self.picks.items() if key in self.number}
            self._gains = None
            return None
        new = [tracks[line.track] for line in lines]
        changed = [n for n, (a, b) in enumerate(zip(self.curves, new, strict=True)) if a is not b]
        self.curves = new
        return changed

    def adopt(self, picked: Mapping[str, Sequence[int]]) -> bool:
        """Take keys that were picked elsewhere, by track: all their components that are shown. Whether they differ."""
        mine = tracks_of_picks(self.picks)
        theirs = {track: sorted(rows) for track, rows in picked.items() if rows}
        ours = {line.track for line in self.lines}
        if mine == {track: rows for track, rows in theirs.items() if track in ours}:
            return False
        self.picks = {
            line.key: np.array(theirs[line.track], np.intp)
            for n, line in enumerate(self.lines)
            if line.track in theirs and self.may_edit(n)
        }
        return True

    # --- which -------------------------------------------------------------------------------------------------------
    def shows(self, number: int) -> bool:
        """Whether a line is drawn."""
        key = self.lines[number].key
        return key in self.isolated if self.isolated else key not in self.hidden

    def may_edit(self, number: int) -> bool:
        """Whether keys of a line can be picked."""
        return self.shows(number) and self.lines[number].key not in self.locked

    def shown(self) -> Bools:
        """Which lines are drawn."""
        return np.fromiter((self.shows(n) for n in range(len(self.lines))), np.bool_, len(self.lines))

    def painted(self) -> list[int]:
        """Lines that a painter draws: all when they are few, else the active ones and those with picked keys, if those
        are few. The rest is the backdrop's."""
        shown = [n for n in range(len(self.lines)) if self.shows(n)]
        if len(shown) <= MOST_PAINTED:
            return shown
        moving = {track for track, _ in self.picks}  # other components change along
        hot = [n for n in shown if (line := self.lines[n]).track in moving or line.key in self.active]
        return hot if len(hot) <= MOST_PAINTED + 32 else []

    def pick(self, picks: Mapping[Key, NDArray[np.intp]]) -> None:
        """Choose keys, and nothing else."""
        self.picks = {key: np.unique(rows) for key, rows in picks.items() if len(rows)}

    def pick_more(self, picks: Mapping[Key, NDArray[np.intp]], *, toggle: bool = False) -> None:
        """Choose keys besides those that are; with `toggle` those that are chosen are dropped."""
        new = dict(self.picks)
        for key, rows in picks.items():
            old = new.get(key, np.empty(0, np.intp))
            new[key] = np.setxor1d(old, rows) if toggle else np.union1d(old, rows)
        self.pick(new)

    def picked_count(self) -> int:
        """How many keys are picked; components of one key count each."""
        return sum(len(rows) for rows in self.picks.values())

    def curve(self, key: Key) -> Curve:
        """The curve of a line."""
        return self.curves[self.number[key]]

    def picked_points(self) -> tuple[F64, F64, NDArray[np.intp]]:
        """Frames, values as shown, and line numbers of the picked keys."""
        frames, values, numbers = [np.empty(0)], [np.empty(0)], [np.empty(0, np.intp)]
        gain, shift = self.gains()
        for key, rows in self.picks.items():
            n = self.number[key]
            if not self.shows(n):
                continue
            curve = self.curves[n]
            frames.append(curve.times[rows])
            values.append(curve.values[rows, key[1]] * gain[n] + shift[n])
            numbers.append(np.full(len(rows), n, np.intp))
        return np.concatenate(frames), np.concatenate(values), np.concatenate(numbers)

    def targets(self) -> list[int]:
        """Lines that an action on curves means: those with picked keys, else the active ones, else all shown."""
        for chosen in (self.picks.keys(), self.active):
            found = [self.number[key] for key in chosen if self.may_edit(self.number[key])]
            if found:
                return sorted(found)
        return [n for n in range(len(self.lines)) if self.may_edit(n)]

    def target_tracks(self) -> tuple[str, ...]:
        """Tracks of `targets`, each once."""
        return tuple(dict.fromkeys(self.lines[n].track for n in self.targets()))

    # --- heights -----------------------------------------------------------------------------------------------------
    def gains(self) -> tuple[F64, F64]:
        """What values are multiplied by, and what is added, to be shown: per line. Normalised, each fills 0 to 1."""
        if self.held_gains is not None and len(self.held_gains[0]) == len(self.lines):
            return self.held_gains
        if self._gains is None:
            gain, shift = np.ones(len(self.lines)), np.zeros(len(self.lines))
            if self.normalised:
                for n, (line, curve) in enumerate(zip(self.lines, self.curves, strict=True)):
                    values = curve.values[:, line.item]
                    lo, hi = float(values.min()), float(values.max())
                    level = hi - lo <= max(abs(lo), abs(hi)) * 1e-9
                    gain[n] = 1.0 if level else 1.0 / (hi - lo)
                    shift[n] = 0.5 - lo if level else -lo * gain[n]
            self._gains = gain, shift
        return self._gains

    def set_normalised(self, on: bool) -> None:
        """Show each line from 0 to 1, or values as they are."""
        self.normalised, self._gains = on, None

    def extent(self, numbers: Iterable[int]) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """Frames and shown values that lines span by their keys; None without any."""
        gain, shift = self.gains()
        first, last, lo, hi = [], [], [], []
        for n in numbers:
            curve = self.curves[n]
            values = curve.values[:, self.lines[n].item] * gain[n] + shift[n]
            first.append(curve.times[0])
            last.append(curve.times[-1])
            lo.append(values.min())
            hi.append(values.max())
        if not first:
            return None
        return (float(min(first)), float(max(last))), (float(min(lo)), float(max(hi)))


def _alike(a: Mapping[str, Curve], b: Mapping[str, Curve]) -> bool:
    """Whether tracks have the same names and widths, so that the same lines stand for them."""
    if a is b:
        return True
    if list(a) != list(b):
        return False
    return all(p is q or p.values.shape[1] == q.values.shape[1] for p, q in zip(a.values(), b.values(), strict=True))
