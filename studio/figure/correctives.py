"""Shapes under joints: what is left of a morph when a joint does the turning, and the lips that must meet.

A morph that opens a jaw moves every vertex along a chord, and half an opening cuts the corner of the arc. So a joint
turns what follows the jaw, and the morph keeps the rest: under the joint at weight 1 the vertices are where the morph
alone would have brought them, and between they go round. Vertices follow the jaw as far as the morph moved them along
with it.

Lips part where the jaw opens; a shape that closes them again, added to it, rarely does so wholly. What it leaves open
is measured between the two rims, and a shape that follows both takes it away.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.figure.anatomy import Swing
from studio.scene.geometry import Morph

F64 = NDArray[np.float64]
Index = NDArray[np.intp]
Bool = NDArray[np.bool_]
_SPREADS = (0.09, 0.06, 0.045, 0.03, 0.02, 0.015, 0.015)  # of the distance of the eyes: coarse first, then what is left
SMALLEST_M = 2e-6  # an offset less than this is not kept


def following(points: F64, offsets: F64, swing: Swing, edges: Index, place: Index, *, rounds: int = 6) -> F64:
    """(n,) how far points follow a joint, 0 to 1, by how far a morph's offsets (n, 3) go along with its motion.

    Smoothed along `edges` between the `place`s of points, but for points that follow wholly or not at all with all
    around them. Near the axis, where nothing moves much, nothing follows.
    """
    motion = _carried(swing.matrix(), points) - points
    least = 0.1 * float(np.linalg.norm(motion, axis=1).max(initial=0.0)) + 1e-9
    along = np.einsum("ij,ij->i", offsets, motion) / (np.einsum("ij,ij->i", motion, motion) + least**2)
    # what the bound near the axis takes from those far away is given back: at the teeth 1 is 1
    raw = np.clip(along * (1.0 + (least / np.maximum(np.linalg.norm(motion, axis=1), least)) ** 2), 0.0, 1.0)
    share = np.bincount(place, raw) / np.maximum(np.bincount(place), 1)
    count = np.bincount(edges.reshape(-1), minlength=len(share))
    for _ in range(rounds):
        around = np.bincount(edges[:, 0], share[edges[:, 1]], len(share))
        around += np.bincount(edges[:, 1], share[edges[:, 0]], len(share))
        share = np.where(count > 0, 0.5 * share + 0.5 * around / np.maximum(count, 1), share)
    share[share < 0.01] = 0.0
    share[share > 0.995] = 1.0
    return np.asarray(share[place])


def under_joint(points: F64, share: F64, swing: Swing, weight: float) -> F64:
    """Points (n, 3) where a joint at a weight carries them, each by its share."""
    return np.asarray(points + share[:, None] * (_carried(swing.matrix(weight), points) - points))


def before_joint(points: F64, share: F64, swing: Swing, weight: float) -> F64:
    """Where points (n, 3) must be for the joint to carry them to where they are."""
    matrix = swing.matrix(weight)
    linear = np.eye(3) + share[:, None, None] * (matrix[:, :3] - np.eye(3))
    return np.asarray(np.linalg.solve(linear, (points - share[:, None] * matrix[:, 3])[:, :, None])[:, :, 0])


def turned_back(offsets: F64, share: F64, swing: Swing, weight: float) -> F64:
    """Offsets (n, 3) as they must be for the joint to turn them to what they are."""
    linear = np.eye(3) + share[:, None, None] * (swing.matrix(weight)[:, :3] - np.eye(3))
    return np.asarray(np.linalg.solve(linear, offsets[:, :, None])[:, :, 0])


def residual(points: F64, offsets: F64, share: F64, swing: Swing) -> F64:
    """(n, 3) offsets that, under the joint at weight 1, bring points where their `offsets` alone would."""
    return before_joint(points + offsets, share, swing, 1.0) - points


def as_morph(name: str, offsets: F64) -> Morph | None:
    """A sparse morph of offsets (n, 3); None where nothing moves."""
    rows = np.flatnonzero(np.abs(offsets).max(axis=1, initial=0.0) > SMALLEST_M)
    if not len(rows):
        return None
    return Morph(name, rows.astype(np.uint32), np.ascontiguousarray(offsets[rows], np.float32))


def _carried(matrix: F64, points: F64) -> F64:
    return np.asarray(points @ matrix[:, :3].T + matrix[:, 3])


# --- lips ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, eq=False)
class Lips:
    """The two rims of a mouth: vertices of the upper and of the lower one that belong together, how they stand apart at
    rest, from the lower to the upper, and the directions in which they part."""

    upper: Index  # (k,)
    lower: Index  # (k,)
    apart: F64  # (k, 3)
    way: F64  # (k, 3)


def lips_of(points: F64, opening: F64, share: F64, skin: Bool, *, size: float) -> Lips | None:
    """The rims: pairs of points of the skin that touch at rest and part when the jaw opens; None where there are none.

    `opening` (n, 3) is what opens the mouth, `share` how far points follow the jaw, `size` the distance of the eyes.
    """
    far = np.linalg.norm(opening, axis=1)
    most = float(far[skin].max(initial=0.0))
    near = 0.035 * size
    lower = np.flatnonzero(skin & (share > 0.3) & (far > 0.3 * most))
    upper = np.flatnonzero(skin & (share < 0.3) & (far < 0.5 * most))
    if not len(lower) or not len(upper):
        return None
    front = float(points[lower, 2].max())
    lower = lower[points[lower, 2] > front - 0.6 * size]
    pairs = _nearest(points, lower, upper, near)
    back = _nearest(points, upper, lower, near)
    both = [(i, j) for i, j in pairs.items() if back.get(j) == i or back.get(j) in pairs]
    both = [(i, j) for i, j in both if np.linalg.norm(opening[i] - opening[j]) > 0.15 * most]
    if len(both) < 6:
        return None
    low, up = np.array(both, np.intp).T
    way = opening[up] - opening[low]
    return Lips(up, low, points[up] - points[low], way / np.linalg.norm(way, axis=1, keepdims=True))


def _nearest(points: F64, some: Index, others: Index, near: float) -> dict[int, int]:
    """For each of `some` the nearest of the `others`, where one is as near as that. Space is cut into cells."""
    cells: dict[tuple[int, int, int], list[int]] = {}
    for row, cell in zip(others.tolist(), np.floor(points[others] / near).astype(np.int64).tolist(), strict=True):
        cells.setdefault((cell[0], cell[1], cell[2]), []).append(row)
    out: dict[int, int] = {}
    steps = [(a, b, c) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1)]
    for row, (x, y, z) in zip(some.tolist(), np.floor(points[some] / near).astype(np.int64).tolist(), strict=True):
        found = [j for a, b, c in steps for j in cells.get((x + a, y + b, z + c), ())]
        if found:
            off = np.linalg.norm(points[found] - points[row], axis=1)
            best = int(off.argmin())
            if off[best] <= near:
                out[row] = found[best]
    return out


def gap(points: F64, lips: Lips) -> F64:
    """(k, 3) what is open between the rims beyond what is at rest, from the lower to the upper one; nothing where one
    lip has come over the other, as lips do."""
    open_ = np.einsum("ij,ij->i", points[lips.upper] - points[lips.lower] - lips.apart, lips.way)
    return np.asarray(np.maximum(open_, 0.0)[:, None] * lips.way)


def sealing(
    points: F64,
    lips: Lips,
    edges: Index,
    place: Index,
    *,
    size: float,
    moved: Callable[[F64], F64],
    back: Callable[[F64], F64],
) -> F64:
    """(n, 3) offsets that close lips, fading out over them. `points` are at rest; `moved` gives them with offsets
    added, where the mouth is to be shut, and `back` gives the offsets that move them by others there. The lower lip
    comes most of the way."""
    reach = 0.28 * size
    around = _neighbours(edges, int(place.max()) + 1)
    far = [_distances(points, place, around, rim, reach) for rim in (lips.upper, lips.lower)]
    t = np.clip(1.0 - np.minimum(*far) / reach, 0.0, 1.0)
    rows = np.flatnonzero(t > 0.0)
    fade = (t * t * (3.0 - 2.0 * t))[rows, None]
    pull = [1.0 / (side[rows, None] ** 2 + (0.02 * size) ** 2) for side in far]  # each point goes with the nearer lip
    upper = pull[0] / (pull[0] + pull[1])
    out = np.zeros_like(points)
    for spread in _SPREADS:
        left = gap(moved(out), lips)
        up = _spread(points, rows, points[lips.upper], -0.35 * left, spread * size)
        down = _spread(points, rows, points[lips.lower], 0.65 * left, spread * size)
        step = np.zeros_like(points)
        step[rows] = fade * (upper * up + (1.0 - upper) * down)
        out += back(step)
    return out


def _spread(points: F64, rows: Index, at: F64, values: F64, width: float) -> F64:
    """Values (k, 3) given at places `at`, averaged by a Gaussian for the points of `rows`."""
    out = np.zeros((len(rows), 3))
    for start in range(0, len(rows), 512):
        part = points[rows[start : start + 512]]
        square = ((part[:, None, :] - at[None, :, :]) ** 2).sum(axis=2)
        weight = np.exp(-(square - square.min(axis=1, keepdims=True)) / width**2)
        out[start : start + 512] = weight @ values / weight.sum(axis=1, keepdims=True)
    return out


def _neighbours(edges: Index, count: int) -> list[list[int]]:
    out: list[list[int]] = [[] for _ in range(count)]
    for a, b in edges.tolist():
        out[a].append(b)
        out[b].append(a)
    return out


def _distances(points: F64, place: Index, around: list[list[int]], rim: Index, reach: float) -> F64:
    """(n,) distances along edges from the vertices of a rim (E. W. Dijkstra, 1959), `reach` where it is farther."""
    where = np.zeros((len(around), 3))
    where[place] = points
    best = dict.fromkeys(place[rim].tolist(), 0.0)
    queue = [(0.0, node) for node in best]
    while queue:
        far, node = heapq.heappop(queue)
        if far > best[node]:
            continue
        for other in around[node]:
            to = far + float(np.linalg.norm(where[other] - where[node]))
            if to < reach and to < best.get(other, reach):
                best[other] = to
                heapq.heappush(queue, (to, other))
    out = np.full(len(around), reach)
    out[list(best)] = list(best.values())
    return np.asarray(out[place])
