"""Bounding volume hierarchy: binned SAH, built in parallel, the same bits on any number of threads.

Large ranges are split from the host (bins are filled by chunks in parallel and reduced in order); ranges of at most
`TASK` primitives are then built whole, one thread each. The subtree over n primitives owns the n - 1 node slots from
its base on (left subtree first), so no counter is shared and the layout depends on nothing but the input. Slots that
stay unused are squeezed out at the end. A node holds both children's boxes (Aila & Laine, "Understanding the
Efficiency of Ray Traversal on GPUs", 2009): 16 floats, 64 bytes.
"""

import gc
import math
from dataclasses import dataclass

import numpy as np
import taichi as ti
from numpy.typing import NDArray

vec3 = ti.math.vec3
f32_2d = ti.types.ndarray(dtype=ti.f32, ndim=2)
f32_1d = ti.types.ndarray(dtype=ti.f32, ndim=1)
i32_1d = ti.types.ndarray(dtype=ti.i32, ndim=1)
i32_2d = ti.types.ndarray(dtype=ti.i32, ndim=2)

BINS = 12
BIN_FLOATS = 3 * BINS * 7  # per axis and bin: lo, hi, count
LEFT_COSTS = BIN_FLOATS  # BINS more floats of scratch
SCRATCH = BIN_FLOATS + BINS
LEAF_MAX = 4
MAX_DEPTH = 28  # of one hierarchy: near it, ranges are halved by count; it bounds the traversal's stack
CHUNK = 4096
TASK = 16384
STACK = 5 * (MAX_DEPTH + 4)
LARGE = 1 << 16  # from here on memory is given back at once: Taichi's arrays sit in reference cycles until a collection
BIG = 3.0e38
NOWHERE = 3.0e37  # both corners of an empty child: a point that no ray reaches


WIDTH = 4
WIDE_FLOATS = 32  # of a wide node: lo and hi of its children per axis (24), their references (4), four spare
WIDE_REFS = slice(24, 28)


@dataclass(frozen=True, slots=True)
class Bvh:
    """`nodes` (m, 16) f32: child 0 lo, hi, child 1 lo, hi, the two references (i32 bits), two spare; root is row 0.

    A reference >= 0 is a node, < 0 a leaf: ~reference = first << 3 | count - 1, where `first` counts in `order`.
    """

    nodes: NDArray[np.float32]
    order: NDArray[np.int32]
    lo: NDArray[np.float32]
    hi: NDArray[np.float32]


@ti.func
def _half_area(lo: vec3, hi: vec3) -> ti.f32:
    d = hi - lo
    return d[0] * d[1] + d[1] * d[2] + d[2] * d[0]


@ti.func
def _clear_bins(bins: ti.template(), row):
    for k in range(BIN_FLOATS):
        m = k % 7
        bins[row, k] = 0.0 if m == 6 else (BIG if m < 3 else -BIG)


@ti.func
def _fill_bins(boxes: ti.template(), p, clo: vec3, scale: vec3, bins: ti.template(), row):
    for ax in ti.static(range(3)):
        m = 0.5 * (boxes[p, ax] + boxes[p, ax + 3])
        base = (ax * BINS + ti.min(ti.cast((m - clo[ax]) * scale[ax], ti.i32), BINS - 1)) * 7
        for k in ti.static(range(3)):
            bins[row, base + k] = ti.min(bins[row, base + k], boxes[p, k])
            bins[row, base + 3 + k] = ti.max(bins[row, base + 3 + k], boxes[p, 3 + k])
        bins[row, base + 6] += 1.0


@ti.func
def _goes_left(boxes: ti.template(), p, axis, clo: ti.f32, scale: ti.f32, cut):
    m = 0.5 * (boxes[p, axis] + boxes[p, axis + 3])
    return ti.min(ti.cast((m - clo) * scale, ti.i32), BINS - 1) <= cut


@ti.kernel
def _bounds_chunks(boxes: f32_2d, order: i32_1d, start: ti.i32, end: ti.i32, out: f32_2d):
    for c in range((end - start + CHUNK - 1) // CHUNK):
        lo = vec3(BIG)
        hi = vec3(-BIG)
        clo = vec3(BIG)
        chi = vec3(-BIG)
        for i in range(start + c * CHUNK, ti.min(end, start + (c + 1) * CHUNK)):
            p = order[i]
            a = vec3(boxes[p, 0], boxes[p, 1], boxes[p, 2])
            b = vec3(boxes[p, 3], boxes[p, 4], boxes[p, 5])
            m = 0.5 * (a + b)
            lo = ti.min(lo, a)
            hi = ti.max(hi, b)
            clo = ti.min(clo, m)
            chi = ti.max(chi, m)
        for k in ti.static(range(3)):
            out[c, k] = lo[k]
            out[c, 3 + k] = hi[k]
            out[c, 6 + k] = clo[k]
            out[c, 9 + k] = chi[k]


@ti.kernel
def _bin_chunks(boxes: f32_2d, order: i32_1d, start: ti.i32, end: ti.i32, clo: vec3, scale: vec3, bins: f32_2d):
    for c in range((end - start + CHUNK - 1) // CHUNK):
        _clear_bins(bins, c)
        for i in range(start + c * CHUNK, ti.min(end, start + (c + 1) * CHUNK)):
            _fill_bins(boxes, order[i], clo, scale, bins, c)


@ti.kernel
def _count_left(
    boxes: f32_2d,
    order: i32_1d,
    start: ti.i32,
    end: ti.i32,
    axis: ti.i32,
    clo: ti.f32,
    scale: ti.f32,
    cut: ti.i32,
    counts: i32_1d,
):
    for c in range((end - start + CHUNK - 1) // CHUNK):
        n = 0
        for i in range(start + c * CHUNK, ti.min(end, start + (c + 1) * CHUNK)):
            n += ti.cast(_goes_left(boxes, order[i], axis, clo, scale, cut), ti.i32)
        counts[c] = n


@ti.kernel
def _scatter(
    boxes: f32_2d,
    order: i32_1d,
    start: ti.i32,
    end: ti.i32,
    axis: ti.i32,
    clo: ti.f32,
    scale: ti.f32,
    cut: ti.i32,
    before: i32_1d,
    n_left: ti.i32,
    out: i32_1d,
):
    for c in range((end - start + CHUNK - 1) // CHUNK):
        a = start + before[c]
        b = start + n_left + c * CHUNK - before[c]
        for i in range(start + c * CHUNK, ti.min(end, start + (c + 1) * CHUNK)):
            p = order[i]
            if _goes_left(boxes, p, axis, clo, scale, cut):
                out[a] = p
                a += 1
            else:
                out[b] = p
                b += 1


@ti.kernel
def _copy_range(src: i32_1d, dst: i32_1d, start: ti.i32, end: ti.i32):
    for i in range(start, end):
        dst[i] = src[i]


@ti.kernel
def _build_tasks(
    boxes: f32_2d,
    order: i32_1d,
    tasks: i32_2d,
    n_tasks: ti.i32,
    leaf_max: ti.i32,
    nodes: f32_2d,
    bins: f32_2d,
    stack: i32_2d,
):
    """tasks[t] = start, end, base slot, parent slot * 2 + side, depth; every range writes itself into its parent."""
    ti.loop_config(block_dim=1)
    for t in range(n_tasks):
        for k in ti.static(range(5)):
            stack[t, k] = tasks[t, k]
        sp = 1
        while sp > 0:
            sp -= 1
            s = stack[t, sp * 5]
            e = stack[t, sp * 5 + 1]
            base = stack[t, sp * 5 + 2]
            parent = stack[t, sp * 5 + 3] // 2
            side = stack[t, sp * 5 + 3] % 2
            depth = stack[t, sp * 5 + 4]
            n = e - s
            lo = vec3(BIG)
            hi = vec3(-BIG)
            clo = vec3(BIG)
            chi = vec3(-BIG)
            for i in range(s, e):
                p = order[i]
                a = vec3(boxes[p, 0], boxes[p, 1], boxes[p, 2])
                b = vec3(boxes[p, 3], boxes[p, 4], boxes[p, 5])
                lo = ti.min(lo, a)
                hi = ti.max(hi, b)
                m = 0.5 * (a + b)
                clo = ti.min(clo, m)
                chi = ti.max(chi, m)
            ext = chi - clo
            scale = vec3(BINS) / ti.max(ext, 1e-30)
            cost = BIG
            axis = -1
            cut = 0
            halvings = ti.cast(ti.ceil(ti.log(ti.cast(n, ti.f32)) * 1.442695), ti.i32)
            if n > 1 and depth + halvings < MAX_DEPTH - 1:
                _clear_bins(bins, t)
                for i in range(s, e):
                    _fill_bins(boxes, order[i], clo, scale, bins, t)
                for ax in range(3):
                    wide = ti.max(ext[0] * (ax == 0), ext[1] * (ax == 1), ext[2] * (ax == 2))
                    if wide > 0.0:
                        l = vec3(BIG)
                        h = vec3(-BIG)
                        c = 0.0
                        for q in range(BINS - 1):
                            b = (ax * BINS + q) * 7
                            l = ti.min(l, vec3(bins[t, b], bins[t, b + 1], bins[t, b + 2]))
                            h = ti.max(h, vec3(bins[t, b + 3], bins[t, b + 4], bins[t, b + 5]))
                            c += bins[t, b + 6]
                            bins[t, LEFT_COSTS + q] = _half_area(l, h) * c if c > 0.0 else BIG
                        l = vec3(BIG)
                        h = vec3(-BIG)
                        c = 0.0
                        for r in range(BINS - 1):
                            q = BINS - 2 - r
                            b = (ax * BINS + q + 1) * 7
                            l = ti.min(l, vec3(bins[t, b], bins[t, b + 1], bins[t, b + 2]))
                            h = ti.max(h, vec3(bins[t, b + 3], bins[t, b + 4], bins[t, b + 5]))
                            c += bins[t, b + 6]
                            if c > 0.0 and bins[t, LEFT_COSTS + q] < BIG:
                                k = bins[t, LEFT_COSTS + q] + _half_area(l, h) * c
                                if k < cost:
                                    cost = k
                                    axis = ax
                                    cut = q
            area = _half_area(lo, hi)
            whole = ti.cast(n, ti.f32) * area
            leaf = n <= leaf_max and (n == 1 or axis < 0 or cost + 0.8 * area >= whole)
            for k in ti.static(range(3)):
                nodes[parent, side * 6 + k] = lo[k]
                nodes[parent, side * 6 + 3 + k] = hi[k]
            if leaf:
                nodes[parent, 12 + side] = ti.bit_cast(~((s << 3) | (n - 1)), ti.f32)
            else:
                nodes[parent, 12 + side] = ti.bit_cast(base, ti.f32)
                mid = (s + e) // 2
                if axis >= 0:
                    cl = clo[0]
                    sc = scale[0]
                    if axis == 1:
                        cl = clo[1]
                        sc = scale[1]
                    elif axis == 2:
                        cl = clo[2]
                        sc = scale[2]
                    a = s
                    b = e - 1
                    while a <= b:
                        p = order[a]
                        if _goes_left(boxes, p, axis, cl, sc, cut):
                            a += 1
                        else:
                            order[a] = order[b]
                            order[b] = p
                            b -= 1
                    if a > s and a < e:
                        mid = a
                stack[t, sp * 5] = mid
                stack[t, sp * 5 + 1] = e
                stack[t, sp * 5 + 2] = base + mid - s
                stack[t, sp * 5 + 3] = base * 2 + 1
                stack[t, sp * 5 + 4] = depth + 1
                sp += 1
                stack[t, sp * 5] = s
                stack[t, sp * 5 + 1] = mid
                stack[t, sp * 5 + 2] = base + 1
                stack[t, sp * 5 + 3] = base * 2
                stack[t, sp * 5 + 4] = depth + 1
                sp += 1


def _best_split(bins: NDArray[np.float32], clo: NDArray[np.float32], chi: NDArray[np.float32]) -> tuple[int, int]:
    """Axis and cut of least SAH cost over reduced bins (3, BINS, 7); axis -1 when no cut separates anything."""
    best = (math.inf, -1, 0)
    for ax in range(3):
        if chi[ax] <= clo[ax]:
            continue
        b = bins[ax].astype(np.float64)
        cost = np.zeros(BINS - 1)
        for cells, at in ((b, 0), (b[::-1], 1)):
            lo = np.minimum.accumulate(cells[:, 0:3], 0)[:-1]
            hi = np.maximum.accumulate(cells[:, 3:6], 0)[:-1]
            n = np.cumsum(cells[:, 6])[:-1]
            d = np.maximum(hi - lo, 0.0)
            part = np.where(n > 0, n * (d[:, 0] * d[:, 1] + d[:, 1] * d[:, 2] + d[:, 2] * d[:, 0]), np.inf)
            cost += part[::-1] if at else part
        k = int(np.argmin(cost))
        if cost[k] < best[0]:
            best = (float(cost[k]), ax, k)
    return best[1], best[2]


def build(boxes: NDArray[np.float32], *, leaf_max: int = LEAF_MAX, task: int = TASK) -> Bvh:
    """Build over `boxes` (n, 6) f32: lo xyz, hi xyz, finite. n may be 0: then one node with two empty children."""
    n = len(boxes)
    if n == 0:
        empty = np.zeros((1, 16), np.float32)
        empty[0, :12] = NOWHERE
        empty[0, 12:14].view(np.int32)[:] = ~0
        zero = np.zeros(3, np.float32)
        return Bvh(empty, np.zeros(0, np.int32), zero, zero)
    d_boxes = ti.ndarray(ti.f32, (n, 6))
    d_boxes.from_numpy(np.ascontiguousarray(boxes, np.float32))
    lo, hi = boxes[:, :3].min(0), boxes[:, 3:].max(0)
    del boxes
    order = ti.ndarray(ti.i32, n)
    order.from_numpy(np.arange(n, dtype=np.int32))
    nodes = ti.ndarray(ti.f32, (n + 1, 16))  # slot n is the parent of the root
    nodes.fill(0.0)
    tasks, top = _split_large(d_boxes, order, nodes, n, task)
    if tasks:
        rows = np.array(tasks, np.int32)
        d_tasks = ti.ndarray(ti.i32, rows.shape)
        d_tasks.from_numpy(rows)
        bins = ti.ndarray(ti.f32, (len(rows), SCRATCH))
        stack = ti.ndarray(ti.i32, (len(rows), STACK))
        _build_tasks(d_boxes, order, d_tasks, len(rows), leaf_max, nodes, bins, stack)
        del d_tasks, bins, stack
    del d_boxes
    if top:
        made = np.empty((len(top), 9), np.float32)
        made[:, 2:5] = [row[2] for row in top]
        made[:, 5:8] = [row[3] for row in top]
        made[:, [0, 1, 8]] = np.array([(row[0], row[1], row[4]) for row in top], np.int32).view(np.float32)
        d_top = ti.ndarray(ti.f32, made.shape)
        d_top.from_numpy(made)
        _write_top(d_top, nodes)
    live, count = _live(nodes, n)
    if count == 0:  # everything is in one leaf: the root's parent becomes the root
        root = nodes.to_numpy()[n:].copy()
        root[0, 6:12] = NOWHERE
        root[0, 13] = root[0, 12]
        return Bvh(root, order.to_numpy(), lo, hi)
    out = ti.ndarray(ti.f32, (count, 16))
    _compact(nodes, n, live, out)
    del nodes, live
    if n >= LARGE:
        gc.collect()
    ti.sync()
    return Bvh(out.to_numpy(), order.to_numpy(), lo, hi)


def widen(tree: Bvh) -> NDArray[np.float32]:
    """`tree` with up to four children a node: (m, WIDE_FLOATS) f32, root in row 0, parents before children.

    A node takes the place of up to three: its largest inner child is replaced by that one's children, twice. Columns
    are lo x of the four children, hi x, lo y, hi y, lo z, hi z, then their references (i32 bits) as in `Bvh`; children
    that are not there have their corners swapped, so that no ray enters them however an instance scales it.
    """
    n = len(tree.nodes)
    boxes = tree.nodes[:, :12].reshape(2 * n, 6)  # of child `side` of node k in row 2 k + side
    refs = tree.nodes[:, 12:14].view(np.int32).reshape(2 * n)
    d = boxes[:, 3:] - boxes[:, :3]
    area = np.where(refs >= 0, d[:, 0] * d[:, 1] + d[:, 1] * d[:, 2] + d[:, 2] * d[:, 0], np.float32(-1.0))
    level, wholes, rows = np.zeros(1, np.int32), [], []
    while len(level):
        slots = np.full((len(level), WIDTH), -1, np.int32)
        slots[:, 0], slots[:, 1] = 2 * level, 2 * level + 1
        for free in range(2, WIDTH):
            size = np.where(slots >= 0, area[slots], np.float32(-1.0))
            k = np.argmax(size, axis=1)
            open_ = np.flatnonzero(size[np.arange(len(level)), k] >= 0.0)
            inner = refs[slots[open_, k[open_]]]
            slots[open_, k[open_]] = 2 * inner
            slots[open_, free] = 2 * inner + 1
        wholes.append(level)
        rows.append(slots)
        below = refs[slots]
        level = below[(slots >= 0) & (below >= 0)]
    node, slot = np.concatenate(wholes), np.concatenate(rows)
    del wholes, rows, area
    order = np.argsort(node)
    node, slot = node[order], slot[order]
    place = np.zeros(n, np.int32)
    place[node] = np.arange(len(node), dtype=np.int32)
    there = (slot >= 0) & (boxes[slot, 0] < NOWHERE)
    out = np.empty((len(node), WIDE_FLOATS), np.float32)
    for axis in range(3):
        for end in range(2):
            out[:, (2 * axis + end) * 4 : (2 * axis + end) * 4 + 4] = np.where(
                there, boxes[slot, 3 * end + axis], np.float32(-NOWHERE if end else NOWHERE)
            )
    ref = np.where(there, refs[slot], ~0)
    out[:, 24:28].view(np.int32)[:] = np.where(ref >= 0, place[np.maximum(ref, 0)], ref)
    out[:, 28:] = 0.0
    return out


@ti.kernel
def _write_top(rows: f32_2d, nodes: f32_2d):
    """rows = slot, side (bits), lo, hi, reference (bits): children that the host made."""
    for i in range(rows.shape[0]):
        slot = ti.bit_cast(rows[i, 0], ti.i32)
        side = ti.bit_cast(rows[i, 1], ti.i32)
        for k in range(6):
            nodes[slot, side * 6 + k] = rows[i, 2 + k]
        nodes[slot, 12 + side] = rows[i, 8]


@ti.kernel
def _mark_live(nodes: f32_2d, n: ti.i32, live: i32_1d):
    """A built node has at least one child that is not slot 0, which is the root and nobody's child."""
    for i in range(n):
        live[i] = ti.cast(ti.bit_cast(nodes[i, 12], ti.i32) != 0 or ti.bit_cast(nodes[i, 13], ti.i32) != 0, ti.i32)


@ti.kernel
def _compact(nodes: f32_2d, n: ti.i32, place: i32_1d, out: f32_2d):
    """Copy live rows to place[i] - 1 (place counts the live rows up to and with i), with references renumbered."""
    for i in range(n):
        before = 0
        if i > 0:
            before = place[i - 1]
        if place[i] > before:
            for k in range(16):
                out[before, k] = nodes[i, k]
            for side in ti.static(range(2)):
                ref = ti.bit_cast(nodes[i, 12 + side], ti.i32)
                if ref >= 0:
                    out[before, 12 + side] = ti.bit_cast(place[ref] - 1, ti.f32)


def _split_large(d_boxes, order, nodes, n: int, task: int):
    """Split ranges above `task` from the host; returns the remaining tasks and the rows of the nodes made."""
    todo = [(0, n, 0, n * 2, 0)]
    tasks: list[tuple[int, int, int, int, int]] = []
    top: list[tuple[int, int, NDArray[np.float32], NDArray[np.float32], int]] = []
    if n <= task:
        return todo, top
    chunks = (n + CHUNK - 1) // CHUNK
    bounds = ti.ndarray(ti.f32, (chunks, 12))
    bins = ti.ndarray(ti.f32, (chunks, SCRATCH))
    counts = ti.ndarray(ti.i32, chunks)
    spare = ti.ndarray(ti.i32, n)
    while todo:
        s, e, base, owner, depth = todo.pop()
        if e - s <= task:
            tasks.append((s, e, base, owner, depth))
            continue
        c = (e - s + CHUNK - 1) // CHUNK
        _bounds_chunks(d_boxes, order, s, e, bounds)
        b = bounds.to_numpy()[:c]
        lo, hi, clo, chi = b[:, 0:3].min(0), b[:, 3:6].max(0), b[:, 6:9].min(0), b[:, 9:12].max(0)
        scale = (np.float32(BINS) / np.maximum(chi - clo, np.float32(1e-30))).astype(np.float32)
        _bin_chunks(d_boxes, order, s, e, vec3(*clo), vec3(*scale), bins)
        cells = bins.to_numpy()[:c, :BIN_FLOATS].reshape(c, 3, BINS, 7)
        whole = np.concatenate(
            [cells[..., 0:3].min(0), cells[..., 3:6].max(0), cells[..., 6:7].sum(0, dtype=np.float64)], -1
        )
        axis, cut = _best_split(whole, clo, chi) if depth < MAX_DEPTH // 2 - 4 else (-1, 0)
        mid = (s + e) // 2
        if axis >= 0:
            _count_left(d_boxes, order, s, e, axis, float(clo[axis]), float(scale[axis]), cut, counts)
            per = counts.to_numpy()
            left = int(per[:c].sum())
            if 0 < left < e - s:
                per[:c] = np.cumsum(per[:c]) - per[:c]
                counts.from_numpy(per)
                _scatter(d_boxes, order, s, e, axis, float(clo[axis]), float(scale[axis]), cut, counts, left, spare)
                _copy_range(spare, order, s, e)
                mid = s + left
        top.append((owner // 2, owner % 2, lo, hi, base))
        todo.append((mid, e, base + mid - s, base * 2 + 1, depth + 1))
        todo.append((s, mid, base + 1, base * 2, depth + 1))
    return tasks, top


def _live(nodes, n: int):
    """Running count of used slots, on the device, and their number; kept in order, so that the root stays row 0."""
    marks = ti.ndarray(ti.i32, n)
    _mark_live(nodes, n, marks)
    place = np.cumsum(marks.to_numpy(), dtype=np.int32)
    marks.from_numpy(place)
    return marks, int(place[-1])
