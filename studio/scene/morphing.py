"""Morphs at work: the rest shape plus its morph targets by weight.

A face has fifty shapes and more, nearly all of them at work at once, at every frame that is scrubbed over. Adding them
up where they are stored, vertex by vertex, costs most in finding the vertices. So the first time a mesh is morphed it
is worked out, for each of its shapes, how it is added fastest: a run of vertices as it is, a scattered one as a run
that is 0 in between, as long as all of that takes no more memory than dense shapes twice over; the rest where it is.

The sums are made shape by shape, in the order of the mesh, by plain multiplications and additions of single floats: so
the result is the same to the bit on every machine and whatever the pose was before.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studio.scene.geometry import F32, Mesh, Morph
from studio.scene.smooth_normals import Smooth, smoothing

Live = list[tuple[int, np.float32]]  # numbers of morphs at work and their weights
_SPARSE = 16  # a shape that moves fewer vertices than one in so many of its span is added where they are


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Offsets (n, width) of the vertices from `start` on."""

    start: int
    offsets: F32


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """How the morphs of a mesh are added: per array of the mesh, for each morph its run, or None to add it where it
    is; and how the normals follow where morphs do not say."""

    positions: tuple[Run | None, ...]
    normals: tuple[Run | None, ...]
    tangents: tuple[Run | None, ...]
    smooth: Smooth | None


_SHAPES: weakref.WeakKeyDictionary[Mesh, Shapes] = weakref.WeakKeyDictionary()


def shapes_of(mesh: Mesh) -> Shapes:
    """How the morphs of a sound mesh are added; made once."""
    found = _SHAPES.get(mesh)
    if found is None:
        found = _SHAPES[mesh] = _shapes(mesh)
    return found


def morphed(mesh: Mesh, weights: Sequence[float]) -> tuple[F32, F32 | None, F32 | None]:
    """Positions, normals and tangents of a sound mesh under weights of its morphs; the mesh's own where none is at
    work. Normals and tangents need not be unit; where `Shapes.smooth` says how normals follow they are those at rest.
    A weight that is not a number counts as 0."""
    live: Live = [(i, np.float32(w)) for i, w in enumerate(weights[: len(mesh.morphs)]) if w and np.isfinite(w)]
    if not live:
        return mesh.positions, mesh.normals, mesh.tangents
    shapes = shapes_of(mesh)
    positions = _added(mesh.positions, mesh.morphs, "positions", shapes.positions, live)
    normals, tangents = mesh.normals, mesh.tangents
    if shapes.smooth is None and normals is not None:
        normals = _added(normals, mesh.morphs, "normals", shapes.normals, live)
    if shapes.smooth is None and tangents is not None:
        tangents = _added(tangents, mesh.morphs, "tangents", shapes.tangents, live)
    return positions, normals, tangents


def _added(rest: F32, morphs: Sequence[Morph], name: str, runs: Sequence[Run | None], live: Live) -> F32:
    """An array (v, 3 or 4) plus the offsets of that name; itself where no morph at work has any."""
    if all(getattr(morphs[i], name) is None for i, _ in live):
        return rest
    out = rest.copy()
    space = np.empty((len(rest), 3), np.float32)
    for i, weight in live:
        offsets, run = getattr(morphs[i], name), runs[i]
        if offsets is None:
            continue
        if run is None:
            out[morphs[i].indices, :3] += offsets * weight
        else:
            part = np.multiply(run.offsets, weight, out=space[: len(run.offsets)])
            out[run.start : run.start + len(part), :3] += part
    return out


# --- once per mesh ---------------------------------------------------------------------------------------------------
def _shapes(mesh: Mesh) -> Shapes:
    moving = np.zeros(len(mesh.positions), np.bool_)
    silent = False
    for morph in mesh.morphs:
        moving[morph.indices[np.any(morph.positions, axis=1)]] = True
        silent |= morph.normals is None and bool(len(morph.indices))
    return Shapes(
        positions=_runs(mesh, "positions"),
        normals=_runs(mesh, "normals"),
        tangents=_runs(mesh, "tangents"),
        smooth=smoothing(mesh, moving) if silent else None,
    )


def _runs(mesh: Mesh, name: str) -> tuple[Run | None, ...]:
    dense = len(mesh.positions) * 12
    budget = 2 * dense * sum(getattr(m, name) is not None for m in mesh.morphs)
    for morph in mesh.morphs:
        if getattr(morph, name) is not None:
            budget -= getattr(morph, name).nbytes + (morph.indices.nbytes if name == "positions" else 0)
    out: list[Run | None] = []
    for morph in mesh.morphs:
        run, taken = _run(morph, getattr(morph, name), budget)
        out.append(run)
        budget -= taken
    return tuple(out)


def _run(morph: Morph, offsets: F32 | None, budget: int) -> tuple[Run | None, int]:
    """A morph's run and how many bytes it takes."""
    if offsets is None or not len(offsets):
        return None, 0
    indices = morph.indices.astype(np.intp)
    start, span = int(indices.min()), int(indices.max()) - int(indices.min()) + 1
    if span == len(indices) and bool((np.diff(indices) == 1).all()):
        return Run(start, offsets), 0
    if len(np.unique(indices)) < len(indices):
        return None, 0  # a vertex that is named twice: only the last of its offsets counts, as numpy adds them
    if len(indices) * _SPARSE < span or span * 12 > budget:
        return None, 0
    filled = np.zeros((span, 3), np.float32)
    filled[indices - start] = offsets
    return Run(start, filled), filled.nbytes
