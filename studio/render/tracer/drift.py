"""Where the vertices of deforming meshes go until the next frame, for motion vectors.

An object's own motion is one matrix (`tracer.object_motion`). A morph or a skin moves every vertex by itself, so each
instance that deforms has a run of displacements, one a vertex, which a hit weighs as it weighs the corners. They are in
world space at this frame's placement: the object's matrix is applied after them. Instances that do not deform, nearly
all, have none.
"""

import numpy as np
from numpy.typing import NDArray

from studio.scene.flatten import FlatScene

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]

STILL = -(1 << 31) + 1  # instead of a start: the part does not deform


def vertex_drift(flat: FlatScene, following: FlatScene | None, part_start: I32, first_vertex: I32) -> tuple[I32, F32]:
    """Per row of the parts table what to add to a vertex' number to find its displacement, and these (n, 3), metres.

    `part_start` and `first_vertex` are the first parts row and the first vertex of each instance of `flat`.
    """
    parts = [len(flat.meshes[row["mesh"]].mesh.parts) - 1 for row in flat.instances]
    start = np.full(max(1, sum(parts)), STILL, np.int32)
    runs: list[F32] = []
    count = 0
    then_of = _placed(following) if following is not None and following is not flat else {}
    for i, row in enumerate(flat.instances):
        now = flat.meshes[row["mesh"]]
        there = then_of.get(flat.object_names[row["object"]])
        then = following.meshes[there] if following is not None and there is not None else now
        if then is now or then.mesh.key != now.mesh.key or np.array_equal(then.positions, now.positions):
            continue
        runs.append(((then.positions - now.positions) @ row["open"][:, :3].T).astype(np.float32))
        start[part_start[i] : part_start[i] + parts[i]] = count - first_vertex[i]
        count += len(runs[-1])
    return start, np.concatenate(runs) if runs else np.zeros((1, 3), np.float32)


def _placed(flat: FlatScene) -> dict[str, int]:
    return {flat.object_names[row["object"]]: int(row["mesh"]) for row in flat.instances}
