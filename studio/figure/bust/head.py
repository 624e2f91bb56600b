"""A head as a mesh: the net wrapped on an identity, its texture, its shapes, and what rigs and skins need to know.

The head is built symmetric, shapes and all, and bent by its asymmetry last, so both halves share every computation
and an asymmetry of 0 is an exact mirror image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.errors import UsageError
from studio.figure.bust import expressions, regions
from studio.figure.bust.asymmetry import bent
from studio.figure.bust.form import Form
from studio.figure.bust.landmarks import Anatomy, anatomy
from studio.figure.bust.layout import Layout
from studio.figure.bust.shape import Identity
from studio.figure.bust.wrap import Wrapped, wrap
from studio.scene.entities import Corrective

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
MOST_DETAIL = 2
_STILL = 2e-6  # metres; what moves less does not move


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A head's mesh, metres, in the space of its `anatomy`. Vertices on seams of the texture stand twice."""

    identity: Identity
    anatomy: Anatomy
    positions: F32  # (v, 3)
    normals: F32  # (v, 3)
    uv0: F32  # (v, 2), v runs down
    triangles: NDArray[np.uint32]  # (t, 3)
    morphs: Mapping[str, tuple[NDArray[np.uint32], F32]]  # name -> vertices (k,) and their offsets (k, 3)
    correctives: tuple[Corrective, ...]  # what drives the morphs that are not one of ARKit's
    masks: Mapping[str, F32]  # region -> (v,) 0 to 1
    joints: Mapping[str, F32]  # "neck", "head", "jaw" -> (v,); what is missing to 1 stays with the chest
    mirror: I64  # (v,) the vertex on the other side
    welded: I64  # (v,) the vertex of the net, the same for all that share a place
    layout: Layout


def build_head(identity: Identity, *, detail: int = 1) -> Head:
    """The head of an identity: 6,520 triangles at detail 0, 26,080 at 1, 104,320 at 2, with all its shapes.

    The net, its texture and the order of vertices depend on `detail` alone. Raises UsageError for another detail.
    """
    if detail not in range(MOST_DETAIL + 1):
        raise UsageError(f"a head's detail is 0, 1 or 2, not {detail}")
    form = Form.of(identity)
    wrapped = wrap(form, detail)
    layout = wrapped.layout
    flesh = regions.flesh_of_net(layout, wrapped.positions, form)
    rest = bent(wrapped.positions * 0.01, identity)
    welded, corners, uv = _split(layout)
    triangles = np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])
    morphs = {}
    for name, offsets in expressions.shapes(wrapped, form, flesh).items():
        moved = bent((wrapped.positions + offsets) * 0.01, identity) - rest
        morphs[name] = _sparse(moved[welded])

    def spread(weights: dict[str, F64]) -> dict[str, F32]:
        return {name: weight[welded].astype(np.float32) for name, weight in weights.items()}

    return Head(
        identity=identity,
        anatomy=anatomy(identity),
        positions=rest[welded].astype(np.float32),
        normals=smooth_normals(layout, rest)[welded].astype(np.float32),
        uv0=uv.astype(np.float32),
        triangles=triangles.astype(np.uint32),
        morphs=morphs,
        correctives=expressions.CORRECTIVES,
        masks=spread(regions.masks(layout, wrapped.positions, form, flesh)),
        joints=spread(regions.joints(wrapped.positions, form, flesh)),
        mirror=_split_mirror(layout, welded, uv),
        welded=welded,
        layout=layout,
    )


def _sparse(offsets: F64) -> tuple[NDArray[np.uint32], F32]:
    where = np.nonzero(np.abs(offsets).max(axis=1) > _STILL)[0]
    return where.astype(np.uint32), offsets[where].astype(np.float32)


def _split(layout: Layout) -> tuple[I64, I64, F64]:
    """Vertices doubled along seams: of each its vertex in the net, the quads (q, 4), and texture coordinates."""
    both = layout.quads.reshape(-1) * len(layout.uvs) + layout.uv_quads.reshape(-1)
    pairs, corners = np.unique(both, return_inverse=True)
    return pairs // len(layout.uvs), corners.reshape(-1, 4), layout.uvs[pairs % len(layout.uvs)]


def _split_mirror(layout: Layout, welded: I64, uv: F64) -> I64:
    """The mirror of vertices that were doubled: same place mirrored, texture mirrored."""
    across, down = np.round((uv[:, 0] - 0.5) * 1.0173e6), np.round(uv[:, 1] * 1.0173e6)
    here = np.stack([welded, across, down], 1)
    there = np.stack([layout.mirror[welded], -across, down], 1)
    _, codes = np.unique(np.concatenate([here, there]).astype(np.int64), axis=0, return_inverse=True)
    codes = codes.reshape(-1)
    place = np.full(codes.max() + 1, -1)
    place[codes[: len(here)]] = np.arange(len(here))
    return place[codes[len(here) :]]


def smooth_normals(layout: Layout, positions: F64) -> F64:
    """Unit normals (n, 3) of the net's vertices: of the quads around them by area."""
    a, b, c, d = (positions[layout.quads[:, k]] for k in range(4))
    faces = np.cross(c - a, d - b)
    total = np.stack(
        [
            np.bincount(layout.quads.ravel(), weights=np.repeat(faces[:, axis], 4), minlength=layout.count)
            for axis in range(3)
        ],
        1,
    )
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1), 1e-20)[:, None])


__all__ = ["Head", "Wrapped", "build_head"]
