"""Catmull-Clark subdivision of a net: the new net, and the weights that carry positions over.

Places on the sheet, steps along rings and texture corners are carried linearly, so a refined vertex still knows
exactly where on a lid or a lip it lies; positions take the smooth rule (Catmull and Clark 1978).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.figure.bust.layout import EAR, EYE, HOLES, NOSTRIL, Layout

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
_PERIODS = {hole.feature: hole.steps for hole in HOLES if hole.feature in (EYE, EAR, NOSTRIL)}


@dataclass(frozen=True, slots=True, eq=False)
class Refinement:
    """How a net's vertices come from the coarser net's: first the old vertices, then edges' middles, then faces'."""

    quads: I64  # of the coarser net
    edges: I64  # (e, 2)
    edge_faces: I64  # (e, 2); an edge at a border has its only face twice
    border: NDArray[np.bool_]  # (e,)
    count: int  # vertices of the coarser net

    def smooth(self, values: F64) -> F64:
        """Positions (n, d) by the rule of Catmull and Clark; borders as cubic curves."""
        faces = values[self.quads].mean(axis=1)
        ends = values[self.edges]
        middles = np.where(
            self.border[:, None], ends.mean(axis=1), 0.5 * (ends.mean(axis=1) + faces[self.edge_faces].mean(axis=1))
        )
        return np.concatenate([self._moved(values, faces), middles, faces])

    def _moved(self, values: F64, faces: F64) -> F64:
        valence = np.bincount(self.edges.ravel(), minlength=self.count)
        face_sum, edge_sum = np.zeros_like(values), np.zeros_like(values)
        face_count = np.bincount(self.quads.ravel(), minlength=self.count)
        for corner in range(4):
            np.add.at(face_sum, self.quads[:, corner], faces)
        halves = values[self.edges].mean(axis=1)
        for end in range(2):
            np.add.at(edge_sum, self.edges[:, end], halves)
        n = valence[:, None].astype(float)
        moved = (face_sum / face_count[:, None] + 2.0 * edge_sum / n + (n - 3.0) * values) / n
        rim = self.edges[self.border]
        if len(rim):
            rim_sum, rim_count = np.zeros_like(values), np.bincount(rim.ravel(), minlength=self.count)
            for end in range(2):
                np.add.at(rim_sum, rim[:, end], values[rim].mean(axis=1))
            on_rim = rim_count == 2
            moved[on_rim] = 0.5 * values[on_rim] + 0.25 * rim_sum[on_rim]
        return np.asarray(moved)

    def linear(self, values: F64) -> F64:
        """Values (n, ...) by plain means, nan where any of them is."""
        return np.concatenate([values, values[self.edges].mean(axis=1), values[self.quads].mean(axis=1)])

    def around(self, values: F64, periods: F64) -> F64:
        """Steps (n,) along closed rings, of so many steps each (0 for open ones), by plain means."""

        def mean(groups: I64) -> F64:
            steps = values[groups]
            period = periods[groups].max(axis=1)[:, None]
            apart = steps - steps[:, :1]
            wrapped = apart - period * np.round(apart / np.maximum(period, 1.0))
            found = steps[:, 0] + wrapped.mean(axis=1)
            return np.asarray(np.where(period[:, 0] > 0, np.mod(found, np.maximum(period[:, 0], 1.0)), found))

        return np.concatenate([values, mean(self.edges), mean(self.quads)])


def edges_of(quads: I64) -> tuple[I64, I64, NDArray[np.bool_], I64]:
    """Edges (e, 2), their faces (e, 2), which are borders (e,), and every quad's four edges (q, 4)."""
    ends = np.stack([quads, np.roll(quads, -1, axis=1)], -1).reshape(-1, 2)
    edges, inverse = np.unique(np.sort(ends, axis=1), axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    owner = np.repeat(np.arange(len(quads)), 4)
    order = np.argsort(inverse, kind="stable")
    first = np.searchsorted(inverse[order], np.arange(len(edges)))
    last = np.searchsorted(inverse[order], np.arange(len(edges)), side="right") - 1
    faces = np.stack([owner[order[first]], owner[order[last]]], 1)
    return edges, faces, first == last, inverse.reshape(-1, 4)


def split(quads: I64, count: int) -> tuple[I64, Refinement]:
    """The quads of the refined net and its refinement."""
    edges, faces, border, of_quad = edges_of(quads)
    middles = count + of_quad
    centres = (count + len(edges) + np.arange(len(quads)))[:, None]
    parts = [
        np.concatenate([quads[:, k : k + 1], middles[:, k : k + 1], centres, middles[:, k - 1 : k or None][:, :1]], 1)
        for k in range(4)
    ]
    return np.stack(parts, 1).reshape(-1, 4), Refinement(quads, edges, faces, border, count)


def refined(layout: Layout) -> tuple[Layout, Refinement]:
    """The net with every quad in four."""
    quads, rule = split(layout.quads, layout.count)
    uv_quads, uv_rule = split(layout.uv_quads, len(layout.uvs))
    periods = np.array([_PERIODS.get(int(f), 0) for f in layout.feature], float)
    feature = _common_feature(layout, rule)
    mirror = _refined_mirror(layout, rule)
    side = np.sign(rule.linear(layout.side.astype(float)))
    side[mirror == np.arange(len(mirror))] = 0
    return Layout(
        quads=quads,
        uv_quads=uv_quads,
        uvs=uv_rule.linear(layout.uvs),
        sheet=rule.linear(layout.sheet),
        feature=feature,
        along=rule.around(layout.along, periods),
        ring=rule.linear(layout.ring),
        mirror=mirror,
        side=side.astype(np.int8),
        cap=rule.linear(layout.cap),
    ), rule


def _common_feature(layout: Layout, rule: Refinement) -> NDArray[np.int8]:
    """Of a new vertex: the feature in the hole of which it lies; skin on the sheet around."""

    def deepest(groups: I64) -> NDArray[np.int8]:
        features = layout.feature[groups]
        same = (features == features[:, :1]).all(axis=1)
        return np.where(same, features[:, 0], np.int8(0)).astype(np.int8)

    return np.concatenate([layout.feature, deepest(rule.edges), deepest(rule.quads)])


def _refined_mirror(layout: Layout, rule: Refinement) -> I64:
    """Edges and faces mirror as their corners do."""

    def partner(groups: I64) -> I64:
        here = np.sort(groups, axis=1)
        there = np.sort(layout.mirror[groups], axis=1)
        _, codes = np.unique(np.concatenate([here, there]), axis=0, return_inverse=True)
        codes = codes.reshape(-1)
        place = np.empty(codes.max() + 1, np.int64)
        place[codes[: len(here)]] = np.arange(len(here))
        return place[codes[len(here) :]]

    count, edges = layout.count, len(rule.edges)
    return np.concatenate([layout.mirror, count + partner(rule.edges), count + edges + partner(rule.quads)])
