"""Which light to sample: a table learned from the scene before the first beauty sample, then frozen.

The scene around the camera's paths is cut into cells (position, size by distance from the camera, main axis of the
normal). For every cell and every light that could matter there, a few shadow rays measure what the light really
brings: distance, orientation, emission profile and visibility together. A lamp is then drawn from its cell's table
mixed with a small share of power-proportional picking, so that whatever was learned wrongly stays unbiased.
The table is made from the whole frame with a seed of its own, never from a tile, and is not touched while rendering:
every worker that renders any part of the frame derives the same bits.

Ideas: "locally optimal" tables at cache points over receivers (Li et al., "Cache Points for Production-Scale Occlusion-
Aware Many-Lights Sampling and Volumetric Scattering", DigiPro 2024); freezing before use avoids the bias that reading a
table while it learns brings.
"""

from dataclasses import dataclass

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from studio.render.tracer import emitters, traverse
from studio.render.tracer import light_rows as lr
from studio.render.tracer.sampler import hash_u32, to_unit

vec3 = ti.math.vec3
vec2 = ti.math.vec2
f32_2d = ti.types.ndarray(dtype=ti.f32, ndim=2)
f32_1d = ti.types.ndarray(dtype=ti.f32, ndim=1)
i32_1d = ti.types.ndarray(dtype=ti.i32, ndim=1)
i32_2d = ti.types.ndarray(dtype=ti.i32, ndim=2)
u32_1d = ti.types.ndarray(dtype=ti.u32, ndim=1)

PROBES = 8  # slots looked at before a key counts as absent
REPRESENTATIVES = 32  # points kept of a cell
ASKED = 8  # of them where a light is measured at least; a spot, which costs a ray only within its cone, at all of them
MORE = 4  # times as many where the scene has few lights
DEFENSIVE = 0.05  # share of power-proportional picks in a learned cell
DOUBT = 0.02  # rays that count as having found the unshadowed estimate, however dark the others found a light
SPREAD = 1.0  # of a cell's edge: how far around a representative a spot's cone is looked for
WIDER = 1.5  # the same where a cell has fewer than ASKED of them
MINOR = 0.05  # lights below this share of the cell's strongest are measured at FEW of its points
FEW = 2
STRONG = 0.25  # lights above this share are measured at all its points, unless the first ASKED see nothing of them
COARSER = 4.0  # edge of a coarse cell, for points whose own cell no path of the learning met
RELEVANT = 5e-4  # lights whose unshadowed estimate is below this share of the cell's sum are not traced

# the grid's parameters, an f32 vector: camera position, finest cell, angle of a cell, coarsest level
GRID_FLOATS = 6


@dataclass(frozen=True, slots=True)
class LightTable:
    """`keys` (slots, 2) u32 bits as i32: fingerprint and cell; per cell a run of lights with cumulative shares."""

    keys: NDArray[np.int32]
    start: NDArray[np.int32]  # (cells + 1,)
    light: NDArray[np.int32]  # ascending within a cell
    cdf: NDArray[np.float32]  # cumulative within a cell, the last of a run is 1
    power_cdf: NDArray[np.float32]  # (sets * lights,) cumulative shares of emitted power, for each set of receivers
    grid: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Learned:
    """What a table was made of: `make_table`'s arguments but for the power of the lights and the coarse cells, which
    `parents` makes of `coarse`, the hashes (cells, 2) of the coarse cell around each."""

    prints: NDArray[np.uint32]
    slots: NDArray[np.uint32]
    pairs: NDArray[np.int32]
    value: NDArray[np.float32]
    n_cells: int
    grid: NDArray[np.float32]
    coarse: NDArray[np.int32]
    links: NDArray[np.int32]  # the set of receivers of each cell


@ti.func
def cell_size(grid: ti.template(), p: vec3):
    """Level and edge (m) of the cells around p: they double with the distance from the camera."""
    d = (p - vec3(grid[0], grid[1], grid[2])).norm()
    level = ti.max(0.0, ti.min(grid[5], ti.floor(ti.log(ti.max(d * grid[4] / grid[3], 1.0)) * 1.442695041)))
    return level, grid[3] * ti.exp(level * 0.6931471806)


@ti.func
def cell_hash(grid: ti.template(), p: vec3, n: vec3, link, coarse):
    """Two hashes of the cell around p, normal n, of receivers of set `link`: slot and fingerprint (never 0).

    A coarse cell knows no normal.
    """
    level, size = cell_size(grid, p)
    if coarse == 1:
        size *= COARSER
    q = ti.floor(p / size + 0.5 / 1024.0)
    a = ti.abs(n)
    axis = 0
    if a[1] > a[0] and a[1] >= a[2]:
        axis = 1
    elif a[2] > a[0] and a[2] > a[1]:
        axis = 2
    side = n[0]
    if axis == 1:
        side = n[1]
    elif axis == 2:
        side = n[2]
    face = ti.cast(6 if coarse == 1 else axis * 2 + ti.cast(side > 0.0, ti.i32), ti.u32)
    h = hash_u32(ti.bit_cast(ti.cast(q[0], ti.i32), ti.u32) + ti.u32(0x9E3779B9))
    h = hash_u32(h ^ ti.bit_cast(ti.cast(q[1], ti.i32), ti.u32))
    h = hash_u32(h ^ ti.bit_cast(ti.cast(q[2], ti.i32), ti.u32))
    h = hash_u32(h ^ (ti.cast(link, ti.u32) * ti.u32(4096) + ti.cast(level, ti.u32) * ti.u32(8) + face))
    return h, hash_u32(h ^ ti.u32(0x5BD1E995)) | ti.u32(1)


@ti.func
def find_cell(grid: ti.template(), keys: ti.template(), p: vec3, n: vec3, link):
    """Cell of a surface point of set `link`, a coarse one where the fine one is unknown, or -1 if none was learned."""
    mask = ti.cast(keys.shape[0] - 1, ti.u32)
    found = -1
    for coarse in range(2):
        if found < 0:
            slot, print_ = cell_hash(grid, p, n, link, coarse)
            for k in range(PROBES):
                s = ti.cast((slot + ti.cast(k, ti.u32)) & mask, ti.i32)
                f = ti.bit_cast(keys[s, 0], ti.u32)
                if f == print_:
                    found = keys[s, 1]
                    break
                if f == ti.u32(0):
                    break
    return found


@ti.func
def _search(cdf: ti.template(), lo, hi, u: ti.f32):
    """First entry of [lo, hi) whose cumulative share exceeds u."""
    last = hi - 1
    a = lo
    b = last
    while a < b:
        m = (a + b) // 2
        if cdf[m] <= u:
            a = m + 1
        else:
            b = m
    return a


@ti.func
def _share(cdf: ti.template(), lo, k):
    p = cdf[k]
    if k > lo:
        p -= cdf[k - 1]
    return p


@ti.func
def light_share(
    start: ti.template(), light: ti.template(), cdf: ti.template(), power_cdf: ti.template(), cell, l, first
):
    """Probability with which `pick_light` returns light l in `cell`; `first` is where its shares of power start."""
    p = _share(power_cdf, first, first + l)
    if cell >= 0:
        a = start[cell]
        b = start[cell + 1]
        learned = 0.0
        lo = a
        hi = b
        while lo < hi:
            m = (lo + hi) // 2
            if light[m] < l:
                lo = m + 1
            else:
                hi = m
        if lo < b and light[lo] == l:
            learned = _share(cdf, a, lo)
        p = DEFENSIVE * p + (1.0 - DEFENSIVE) * learned
    return p


@ti.func
def pick_light(
    start: ti.template(),
    light: ti.template(),
    cdf: ti.template(),
    power_cdf: ti.template(),
    cell,
    u: ti.f32,
    first,
    lights,
):
    """Draw one of `lights` lights with u in [0, 1); its probability is `light_share`'s."""
    l = 0
    share = DEFENSIVE if cell >= 0 else 1.0
    p = 0.0
    if u < share:
        l = _search(power_cdf, first, first + lights, u / share) - first
        p = light_share(start, light, cdf, power_cdf, cell, l, first)
    else:
        a = start[cell]
        k = _search(cdf, a, start[cell + 1], (u - share) / (1.0 - share))
        l = light[k]
        p = share * _share(power_cdf, first, first + l) + (1.0 - share) * _share(cdf, a, k)
    return l, p


@ti.kernel
def hash_vertices(points: f32_2d, grid: f32_1d, coarse: ti.i32, out: i32_2d):
    """points (n, 7): position, normal and set of receivers -> slot hash and fingerprint."""
    for i in range(points.shape[0]):
        p = vec3(points[i, 0], points[i, 1], points[i, 2])
        link = ti.cast(points[i, 6], ti.i32)
        h, f = cell_hash(grid, p, vec3(points[i, 3], points[i, 4], points[i, 5]), link, coarse)
        out[i, 0] = ti.bit_cast(h, ti.i32)
        out[i, 1] = ti.bit_cast(f, ti.i32)


@ti.kernel
def estimate_cells(
    rows: f32_2d,
    table: f32_1d,
    grid: f32_1d,
    reps: f32_2d,
    count: i32_1d,
    reps_used: ti.i32,
    first: ti.i32,
    n: ti.i32,
    out: f32_2d,
):
    """Mean unshadowed estimate of each light around representatives of cells first .. first + n."""
    for k in range(n * out.shape[1]):
        c = k // out.shape[1]
        l = k % out.shape[1]
        e = 0.0
        n_reps = ti.min(count[first + c], reps_used)
        spread = SPREAD if count[first + c] >= ASKED else WIDER
        for r in range(n_reps):
            i = (first + c) * REPRESENTATIVES + r
            p = vec3(reps[i, 0], reps[i, 1], reps[i, 2])
            _level, size = cell_size(grid, p)
            normal = vec3(reps[i, 3], reps[i, 4], reps[i, 5])
            e += emitters.estimate_around(rows, table, l, p, normal, spread * size)
        out[c, l] = e / ti.cast(ti.max(n_reps, 1), ti.f32)


@ti.kernel
def measure_pairs(
    pairs: i32_2d,
    unshadowed: f32_1d,
    reps: f32_2d,
    count: i32_1d,
    n_pairs: ti.i32,
    doubt: ti.f32,
    rows: f32_2d,
    table: f32_1d,
    info: f32_2d,
    nodes: traverse.NODES,
    tris: f32_2d,
    indices: i32_2d,
    vertices: f32_2d,
    inst: f32_2d,
    parts: i32_2d,
    materials: f32_2d,
    slots: f32_2d,
    texels: u32_1d,
    images: i32_2d,
    root: ti.i32,
    shadow_links: i32_2d,
    out: f32_1d,
):
    """pairs[k] = cell, light, points to ask -> root mean square of its sampled, shadowed irradiance there.

    `doubt` is the weight of one more ray that found what `unshadowed` says.
    """
    ti.loop_config(block_dim=64)
    for k in range(n_pairs):
        cell = pairs[k, 0]
        l = pairs[k, 1]
        sum_2 = 0.0
        n = 0
        narrow = rows[l, lr.KIND] == lr.SPOT or rows[l, lr.FILTERED] == lr.SHAPED
        for r in range(ti.min(count[cell], pairs[k, 2])):
            i = cell * REPRESENTATIVES + (r + l) % count[cell]  # other points for other lights
            p = vec3(reps[i, 0], reps[i, 1], reps[i, 2])
            normal = vec3(reps[i, 3], reps[i, 4], reps[i, 5])
            key = hash_u32(hash_u32(ti.cast(i, ti.u32)) ^ ti.cast(l * 64, ti.u32))
            k2 = hash_u32(key ^ ti.u32(0x9E3779B9))
            k3 = hash_u32(k2 ^ ti.u32(0x85EBCA6B))
            wi, dist, emission, pdf, _delta = emitters.sample_light(
                rows, table, texels, images, l, p, 0.0, vec2(to_unit(key), to_unit(k2)), to_unit(k3)
            )
            cosine = normal.dot(wi)
            e = 0.0
            if pdf > 0.0 and cosine > 0.0:
                e = emission.dot(vec3(0.2126, 0.7152, 0.0722)) * cosine / pdf
            if r >= ASKED and sum_2 == 0.0 and not narrow:
                break
            n += 1
            if e > 0.0:
                tri = -1
                if ti.bit_cast(info[l, 0], ti.i32) & 4:  # casts shadows
                    _t, tri, _k, _u, _v = traverse.trace(
                        nodes,
                        tris,
                        indices,
                        vertices,
                        inst,
                        parts,
                        materials,
                        slots,
                        texels,
                        images,
                        root,
                        p,
                        wi,
                        0.0,
                        dist * 0.9999,
                        traverse.HIDDEN_SHADOW,
                        key,
                        True,
                        shadow_links,
                        l,
                    )
                if tri >= 0:
                    e *= vec3(info[l, 4], info[l, 5], info[l, 6]).dot(vec3(0.2126, 0.7152, 0.0722))
                sum_2 += e * e
        guess = unshadowed[k]
        out[k] = ti.sqrt((sum_2 + doubt * guess * guess) / (ti.cast(n, ti.f32) + doubt))


def uniform_grid(
    camera: NDArray[np.float32], points: NDArray[np.float32], lo: NDArray[np.float32], hi: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Cell sizes for visited points (n, 7) in bounds lo, hi seen from `camera`: about CELL_ANGLE of the view.

    The finest cells are those of the nearest points, so a sea around a terrace does not make the terrace coarse.
    """
    diagonal = max(float(np.linalg.norm(hi - lo)), 1e-3)
    near = float(np.quantile(np.linalg.norm(points[:, :3] - camera, axis=1), NEAREST))
    finest = min(max(CELL_ANGLE * near, diagonal * 2.0**-20), diagonal / FINEST)
    return np.array([*camera, finest, CELL_ANGLE, np.log2(diagonal / COARSEST / finest)], np.float32)


CELL_ANGLE = 1.0 / 8.0  # radians of view that a cell spans
NEAREST = 0.01  # quantile of the points' distances that sets the finest cells
FINEST, COARSEST = 512.0, 16.0  # cells per diagonal of the scene


def gather_cells(points: NDArray[np.float32], hashes: NDArray[np.int32]) -> tuple[NDArray[np.int32], ...]:
    """Distinct cells of visited points: fingerprints, slot hashes, representatives (cells * R, 7), counts.

    Points of a cell are ranked by a hash of their own bits, so the choice does not depend on their order.
    """
    key = (hashes[:, 0].astype(np.uint32).astype(np.uint64) << np.uint64(32)) | hashes[:, 1].astype(np.uint32)
    bits = points.view(np.uint32)
    rank = np.zeros(len(points), np.uint32)
    with np.errstate(over="ignore"):
        for c in range(3):
            rank = (rank ^ bits[:, c]) * np.uint32(0x9E3779B1)
            rank ^= rank >> np.uint32(15)
    order = np.lexsort((rank, key))
    key = key[order]
    new = np.concatenate([[True], key[1:] != key[:-1]])
    cell = np.cumsum(new) - 1
    place = np.arange(len(key)) - np.flatnonzero(new)[cell]
    keep = place < REPRESENTATIVES
    n = int(cell[-1]) + 1
    reps = np.zeros((n * REPRESENTATIVES, points.shape[1]), np.float32)
    reps[cell[keep] * REPRESENTATIVES + place[keep]] = points[order[keep]]
    count = np.bincount(cell[keep], minlength=n).astype(np.int32)
    first = key[new]
    return (first & np.uint64(0xFFFFFFFF)).astype(np.uint32), (first >> np.uint64(32)).astype(np.uint32), reps, count


def hash_table(prints: NDArray[np.uint32], slots: NDArray[np.uint32]) -> NDArray[np.int32]:
    """Open addressing with PROBES probes, filled in order of the keys; a key without room is left unlearned."""
    size = 1 << max(int(np.ceil(np.log2(max(len(prints), 1) * 2 + 16))), 4)
    table = np.zeros((size, 2), np.int32)
    left = np.arange(len(prints))
    for probe in range(PROBES):
        if not len(left):
            break
        at = (slots[left].astype(np.int64) + probe) & (size - 1)
        free = table[at, 0] == 0
        spot, first = np.unique(at[free], return_index=True)
        winners = left[free][first]
        table[spot, 0] = prints[winners].view(np.int32)
        table[spot, 1] = winners
        left = np.setdiff1d(left, winners, assume_unique=True)
    return table


def parents(
    hashes: NDArray[np.int32], pairs: NDArray[np.int32], value: NDArray[np.float32], lights: int
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.int32], NDArray[np.float32]]:
    """Coarse cells of cells with `hashes` (cells, 2): fingerprints, slot hashes, pairs numbered after them, values.

    A coarse cell holds the mean of its cells, each weighed alike whatever its brightness.
    """
    n = len(hashes)
    key = (hashes[:, 0].astype(np.uint32).astype(np.uint64) << np.uint64(32)) | hashes[:, 1].astype(np.uint32)
    first, parent = np.unique(key, return_inverse=True)
    total = np.bincount(pairs[:, 0], value, n)
    at = parent[pairs[:, 0]].astype(np.int64) * lights + pairs[:, 1]
    sums = np.bincount(at, value / np.maximum(total, 1e-30)[pairs[:, 0]], len(first) * lights)
    own = np.flatnonzero(sums > 0.0)
    return (
        (first & np.uint64(0xFFFFFFFF)).astype(np.uint32),
        (first >> np.uint64(32)).astype(np.uint32),
        np.stack([n + own // lights, own % lights, 0 * own], 1).astype(np.int32),
        sums[own].astype(np.float32),
    )


def power_shares(power: NDArray[np.float32], allowed: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Cumulative shares of power with a small uniform part, so that no light is ever out of reach.

    `allowed` (sets, lights) gives a run of shares for every set: a light that does not light the set has none, and a
    set without any light has zeros.
    """
    if allowed is not None:
        return np.concatenate([_allowed_shares(power.astype(np.float64), row) for row in allowed])
    n = max(len(power), 1)
    p = np.maximum(power.astype(np.float64), 0.0) if len(power) else np.ones(1)
    total = p.sum()
    share = (0.9 * p / total if total > 0 else 0.9 / n) + 0.1 / n
    cdf = np.cumsum(np.broadcast_to(share, n))
    cdf /= cdf[-1]
    return cdf.astype(np.float32)


def _allowed_shares(power: NDArray[np.float64], allowed: NDArray[np.bool_]) -> NDArray[np.float32]:
    p = np.where(allowed, np.maximum(power, 0.0), 0.0)
    total, count = p.sum(), max(int(allowed.sum()), 1)
    share = (0.9 * p / total if total > 0 else 0.9 * allowed / count) + 0.1 * allowed / count
    cdf = np.cumsum(share)
    return (cdf / cdf[-1] if cdf[-1] > 0 else cdf).astype(np.float32)


def empty_table(power: NDArray[np.float32], allowed: NDArray[np.bool_] | None = None) -> LightTable:
    """Nothing learned: every pick is by power."""
    return LightTable(
        keys=np.zeros((16, 2), np.int32),
        start=np.zeros(2, np.int32),
        light=np.zeros(1, np.int32),
        cdf=np.ones(1, np.float32),
        power_cdf=power_shares(power, allowed),
        grid=np.array([0, 0, 0, 1, 1, 0], np.float32),
    )


def make_table(
    prints,
    slots,
    pairs: NDArray[np.int32],
    value: NDArray[np.float32],
    n_cells: int,
    power,
    grid,
    allowed: NDArray[np.bool_] | None = None,
) -> LightTable:
    """Normalise the values of (cell, light) pairs per cell; `pairs` (n, 3) is sorted by cell, then light."""
    start = np.searchsorted(pairs[:, 0], np.arange(n_cells + 1)).astype(np.int32)
    v = value.astype(np.float64)
    total = np.add.reduceat(np.append(v, 0.0), start[:-1]) if len(v) else np.zeros(n_cells)
    total[start[1:] == start[:-1]] = 0.0
    running = np.cumsum(v)
    before = np.concatenate([[0.0], running])[start[:-1]]
    count = np.diff(start)
    share = (running - np.repeat(before, count)) / np.repeat(np.maximum(total, 1e-300), count)
    share[start[1:][count > 0] - 1] = 1.0
    dark = total <= 0.0  # nothing reaches these cells: leave them to the power-proportional picks
    keep = ~dark
    return LightTable(
        keys=hash_table(np.where(keep, prints, 0).astype(np.uint32)[keep], slots[keep])
        if dark.any()
        else hash_table(prints, slots),
        start=start if not dark.any() else np.concatenate([[0], np.cumsum(count[keep])]).astype(np.int32),
        light=np.ascontiguousarray(pairs[:, 1][np.repeat(keep, count)]) if len(pairs) else np.zeros(1, np.int32),
        cdf=share[np.repeat(keep, count)].astype(np.float32) if len(pairs) else np.ones(1, np.float32),
        power_cdf=power_shares(power, allowed),
        grid=grid,
    )
