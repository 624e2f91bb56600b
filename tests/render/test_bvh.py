"""The hierarchy: complete, nested, shallow enough, and the same bits however it is built."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from studio.render.tracer import bvh

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def _runtime(taichi_cpu):
    return taichi_cpu


def random_boxes(n: int, seed: int = 0, size: float = 0.02) -> np.ndarray:
    rng = np.random.default_rng(seed)
    a = rng.uniform(-1, 1, (n, 3))
    return np.concatenate([a, a + rng.exponential(size, (n, 3))], 1).astype(np.float32)


def shapes() -> dict[str, np.ndarray]:
    """name -> boxes that are hard in their own way."""
    rng = np.random.default_rng(3)
    point = np.tile(np.float32([1, 2, 3, 1, 2, 3]), (300, 1))
    half = rng.uniform(0.1, 2.0, (500, 3)).astype(np.float32)
    flat = random_boxes(700, 4)
    flat[:, [1, 4]] = 0.5
    line = random_boxes(600, 5)
    line[:, [1, 4, 2, 5]] = 0.0
    powers = np.float32(2.0) ** -np.arange(100, dtype=np.float32)
    geometric = np.stack([powers, 0 * powers, 0 * powers, powers * 1.1, 0 * powers, 0 * powers], 1)
    far = random_boxes(500, 6)
    far[:, :3] += 1e7
    far[:, 3:] += 1e7
    one_large = random_boxes(400, 7)
    one_large[0] = (-1e9, -1e9, -1e9, 1e9, 1e9, 1e9)
    tiny = random_boxes(400, 8) * np.float32(1e-32)
    return {
        "all the same point": point,
        "nested about one centre": np.concatenate([-half, half], 1),
        "flat": flat,
        "on a line": line,
        "geometric": geometric.astype(np.float32),
        "far from the origin": far,
        "one large": one_large,
        "tiny": tiny,
    }


def check(tree: bvh.Bvh, boxes: np.ndarray) -> int:
    """Walk the tree: every primitive once, in its order; boxes hold what is below. Returns the depth."""
    refs = tree.nodes[:, 12:14].view(np.int32)
    seen = np.zeros(len(boxes), int)
    deepest = 0
    todo = [(0, tree.lo, tree.hi, 1)]
    visited = 0
    while todo:
        node, lo, hi, depth = todo.pop()
        visited += 1
        deepest = max(deepest, depth)
        for side in (0, 1):
            ref = int(refs[node, side])
            a, b = tree.nodes[node, side * 6 : side * 6 + 3], tree.nodes[node, side * 6 + 3 : side * 6 + 6]
            if (a == np.float32(bvh.NOWHERE)).all():
                continue
            assert (a >= lo).all() and (b <= hi).all()
            if ref >= 0:
                assert ref > node  # parents come before children, so there is no cycle
                todo.append((ref, a, b, depth + 1))
            else:
                first, count = ~ref >> 3, (~ref & 7) + 1
                items = tree.order[first : first + count]
                assert len(items) == count
                seen[items] += 1
                assert (boxes[items, :3] >= a).all() and (boxes[items, 3:] <= b).all()
    assert (seen == 1).all()
    assert visited == len(tree.nodes)
    return deepest


def check_wide(tree: bvh.Bvh, boxes: np.ndarray) -> int:
    """As `check`, for the tree with four children a node."""
    nodes = bvh.widen(tree)
    refs = nodes[:, bvh.WIDE_REFS].view(np.int32)
    seen = np.zeros(len(boxes), int)
    todo = [(0, tree.lo, tree.hi, 1)]
    visited, deepest = 0, 0
    while todo:
        node, lo, hi, depth = todo.pop()
        visited, deepest = visited + 1, max(deepest, depth)
        for k in range(bvh.WIDTH):
            a, b, ref = nodes[node, k:24:8], nodes[node, k + 4 : 24 : 8], int(refs[node, k])
            if (a == np.float32(bvh.NOWHERE)).all():
                assert ref < 0
                continue
            assert (a >= lo).all() and (b <= hi).all()
            if ref >= 0:
                assert ref > node
                todo.append((ref, a, b, depth + 1))
            else:
                items = tree.order[~ref >> 3 : (~ref >> 3) + (~ref & 7) + 1]
                seen[items] += 1
                assert (boxes[items, :3] >= a).all() and (boxes[items, 3:] <= b).all()
    assert (seen == 1).all()
    assert visited == len(nodes)
    return deepest


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 9, 100, 1000, 20000])
def test_four_children_a_node_keep_every_primitive_and_every_box(n):
    boxes = random_boxes(n, n)
    tree = bvh.build(boxes)
    assert check_wide(tree, boxes) <= bvh.MAX_DEPTH
    assert len(bvh.widen(tree)) <= 0.55 * len(tree.nodes) + 1


@pytest.mark.parametrize("name", list(shapes()))
def test_hard_shapes_keep_every_primitive_with_four_children_a_node(name):
    boxes = shapes()[name]
    assert check_wide(bvh.build(boxes), boxes) <= bvh.MAX_DEPTH


def test_nothing_gives_four_children_that_no_ray_enters():
    nodes = bvh.widen(bvh.build(np.zeros((0, 6), np.float32)))
    assert nodes.shape == (1, bvh.WIDE_FLOATS)
    lo, hi = nodes[0, :24].reshape(3, 2, 4).swapaxes(0, 1)
    assert (lo > 1e37).all() and (hi < -1e37).all()


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 9, 100, 1000, 20000, 100000])
def test_every_primitive_lies_in_one_leaf_and_every_box_holds_its_children(n):
    boxes = random_boxes(n, n)
    assert check(bvh.build(boxes), boxes) <= bvh.MAX_DEPTH


@pytest.mark.parametrize("name", list(shapes()))
@pytest.mark.parametrize("task", [bvh.TASK, 64])
def test_hard_shapes_are_built_and_stay_shallow(name, task):
    boxes = shapes()[name]
    assert check(bvh.build(boxes, task=task), boxes) <= bvh.MAX_DEPTH


def test_a_crowd_at_one_point_among_many_stays_shallow():
    boxes = random_boxes(60000, 9)
    boxes[1000:50000] = boxes[1000]
    assert check(bvh.build(boxes), boxes) <= bvh.MAX_DEPTH


def test_nothing_gives_a_node_that_no_ray_enters():
    tree = bvh.build(np.zeros((0, 6), np.float32))
    assert tree.nodes.shape == (1, 16)
    assert (tree.nodes[0, :12] > 1e37).all()


@pytest.mark.parametrize("leaf_max", [1, 4])
def test_leaves_hold_at_most_what_is_asked(leaf_max):
    tree = bvh.build(random_boxes(3000, 2), leaf_max=leaf_max)
    refs = tree.nodes[:, 12:14].view(np.int32)
    assert ((~refs[refs < 0] & 7) + 1).max() <= leaf_max


def test_building_again_gives_the_same_bits():
    boxes = random_boxes(50000, 5)
    one, other = bvh.build(boxes), bvh.build(boxes)
    assert one.nodes.tobytes() == other.nodes.tobytes()
    assert one.order.tobytes() == other.order.tobytes()


_DIGEST = """
import hashlib, sys, warnings
warnings.simplefilter("ignore")
import taichi as ti
ti.init(arch=ti.cpu, cpu_max_num_threads=int(sys.argv[1]), advanced_optimization=False, fast_math=False,
        log_level=ti.ERROR)
from studio.render.tracer import bvh
from tests.render.test_bvh import random_boxes
tree = bvh.build(random_boxes(60000, 11))
print(hashlib.sha256(tree.nodes.tobytes() + tree.order.tobytes()).hexdigest())
"""


def test_one_thread_and_many_build_the_same_bits():
    tree = bvh.build(random_boxes(60000, 11))
    here = hashlib.sha256(tree.nodes.tobytes() + tree.order.tobytes()).hexdigest()
    for threads in ("1", "3"):
        ran = subprocess.run(
            [sys.executable, "-c", _DIGEST, threads], cwd=ROOT, env=os.environ, capture_output=True, text=True
        )
        assert ran.stdout.split()[-1:] == [here], ran.stderr


def test_the_hierarchy_is_better_than_halving_by_count():
    """Expected boxes entered by a random ray, by the surface area heuristic, against splits at the median index."""

    def cost(tree: bvh.Bvh) -> float:
        d = np.maximum(tree.nodes[:, [3, 4, 5, 9, 10, 11]] - tree.nodes[:, [0, 1, 2, 6, 7, 8]], 0).astype(float)
        area = (d * np.roll(d.reshape(-1, 2, 3), -1, axis=2).reshape(-1, 6)).sum()
        whole = tree.hi - tree.lo
        return float(area / (whole * np.roll(whole, -1)).sum())

    boxes = random_boxes(20000, 12, 0.01)
    order = np.lexsort(boxes[:, :1].T)
    slabs = np.sort(order.reshape(-1, 4), axis=1)
    # leaves of four neighbours along x alone: what a build that ignores the other axes would make
    bad = np.stack([np.concatenate([boxes[s, :3].min(0), boxes[s, 3:].max(0)]) for s in slabs])
    d = (bad[:, 3:] - bad[:, :3]).astype(float)
    worst = float((d * np.roll(d, -1, axis=1)).sum())
    tree = bvh.build(boxes)
    whole = tree.hi - tree.lo
    assert cost(tree) < 0.25 * worst / float((whole * np.roll(whole, -1)).sum())
