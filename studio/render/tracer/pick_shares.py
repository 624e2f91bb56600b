"""How often each light is drawn: the share of all light samples of a frame that it takes, by the learned table.

Every surface that a path meets draws lamps from its cell's table, so the expected share of a light is the mean of its
probability over the surfaces that were met while learning. Nothing is rendered for it, and nothing counted: it is the
sum that `lightpick.light_share` would give at those points.
"""

import numpy as np
from numpy.typing import NDArray

from studio.render.tracer.lightpick import DEFENSIVE, Learned, power_shares


def pick_shares(
    learned: Learned | None,
    met: NDArray[np.int32],
    power: NDArray[np.float32],
    allowed: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Shares (sets, lights) that add up to 1: of all draws, those for a light on surfaces of a set of receivers.

    `met` are the hashes (points, 2) of the cells of all surface points that the learning met. `power` and `allowed`
    are as in `lightpick.make_table`. Without a table picks are by power, and count for the first set.
    """
    lights = len(power)
    sets = 1 if allowed is None else len(allowed)
    by_power = np.diff(power_shares(power, allowed).astype(np.float64).reshape(sets, -1), axis=1, prepend=0.0)
    if learned is None or not len(met):
        return np.concatenate([by_power[:1], np.zeros_like(by_power[1:])])
    visits = np.unique(_keys(met), return_counts=True)[1].astype(np.float64)  # cells are numbered in this order
    visits /= visits.sum()
    links = np.minimum(learned.links, sets - 1) if allowed is not None else np.zeros(learned.n_cells, np.intp)
    pairs, value = learned.pairs, learned.value.astype(np.float64)
    if allowed is not None:
        mine = allowed[links[pairs[:, 0]], pairs[:, 1]]
        pairs, value = pairs[mine], value[mine]
    total = np.bincount(pairs[:, 0], value, learned.n_cells)
    lit = total > 0.0
    weight = value / np.maximum(total, 1e-300)[pairs[:, 0]]
    mixed = (visits * (1.0 - DEFENSIVE))[pairs[:, 0]]
    at = links[pairs[:, 0]].astype(np.int64) * lights + pairs[:, 1]
    out = np.bincount(at, mixed * weight, sets * lights)
    # cells without light: by their coarse cell where that has some
    _, parent = np.unique(_keys(learned.coarse), return_inverse=True)
    around = np.bincount(parent, lit) > 0.0
    dim = ~lit & around[parent]
    dark = np.bincount(parent, visits * dim)
    ways = np.bincount(parent, lit)  # each lit cell counts alike in its coarse cell, whose cells are of one set
    spread = dark * (1.0 - DEFENSIVE) / np.maximum(ways, 1.0)
    out += np.bincount(at, spread[parent[pairs[:, 0]]] * weight, sets * lights)
    plain = np.where(lit | dim, DEFENSIVE, 1.0) * visits
    return np.asarray(out.reshape(sets, lights) + np.bincount(links, plain, sets)[:, None] * by_power)


def _keys(hashes: NDArray[np.int32]) -> NDArray[np.uint64]:
    return (hashes[:, 0].astype(np.uint32).astype(np.uint64) << np.uint64(32)) | hashes[:, 1].astype(np.uint32)
