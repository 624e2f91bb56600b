"""A figure that acts: what deforming its face costs, a frame of a whole figure, and the memory of its shapes.

    python benchmarks/figure.py [--head FILE] [--turns 60] [--json | --markdown]

27,000 vertices with 52 dense shapes, all at work: positions alone, and with normals that follow where no shape says how
they move. Beside it stand what numpy needs for the plain sum over one matrix in the same run (a matrix times a vector,
of which nothing is kept sparse and whose bits depend on the machine), and what the sum needs shape by shape over stored
indices. With a head (`--head`, by default that of the shared assets where they are) it is made a figure of, and a frame
is `flatten` with another expression each time: controls, joints, skin, normals, and the same with 52 shapes resting.
Medians, each beside the best; the machine does other things too.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stand.measure import TARGET_COLUMNS, Row, options, say, targets, tell
from studio.scene.arkit import ARKIT
from studio.scene.deform import Pose, deform
from studio.scene.entities import Camera
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.geometry import Mesh, Morph, make_mesh
from studio.scene.morphing import morphed, shapes_of
from studio.scene.scene import Scene, placed
from studio.scene.transforms import look_at

VERTICES, SHAPES = 27_000, 52
TARGET_MS = 2.0
SHARED = Path(os.environ.get("MYRIAD_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def timed(act: Callable[[], object], turns: int) -> tuple[float, float]:
    """Median and least of the milliseconds that something takes."""
    spent = []
    for _ in range(turns + 3):
        begun = time.perf_counter()
        act()
        spent.append(1e3 * (time.perf_counter() - begun))
    return float(np.median(spent[3:])), min(spent[3:])


def dense_face() -> Mesh:
    """A sheet of 27,000 vertices under 52 shapes that move every one of them, without normals of their own."""
    rng = np.random.default_rng(7)
    wide, high = 180, VERTICES // 180
    x, y = np.meshgrid(np.arange(wide), np.arange(high))
    points = np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3) * 0.001
    corner = (y[:-1, :-1] * wide + x[:-1, :-1]).reshape(-1)
    triangles = np.concatenate(
        [np.stack([corner, corner + 1, corner + wide], 1), np.stack([corner + 1, corner + wide + 1, corner + wide], 1)]
    )
    rows = np.arange(VERTICES, dtype=np.uint32)
    rows.flags.writeable = False
    morphs = [Morph(n, rows, rng.normal(0, 0.001, (VERTICES, 3)).astype(np.float32)) for n in ARKIT]
    return make_mesh(points, triangles, normals=np.tile([0.0, 0.0, 1.0], (VERTICES, 1)), morphs=morphs)


def memory(mesh: Mesh) -> float:
    """Bytes of a mesh's shapes, and of what is kept to add them, over those of dense shapes."""
    arrays = {id(a): a.nbytes for m in mesh.morphs for a in (m.positions, m.indices)}
    arrays |= {id(r.offsets): r.offsets.nbytes for r in shapes_of(mesh).positions if r is not None}
    return sum(arrays.values()) / (len(mesh.morphs) * len(mesh.positions) * 12)


def of_shapes(turns: int) -> list[Row]:
    """Rows about the dense face."""
    mesh = dense_face()
    rng = np.random.default_rng(1)
    weights = tuple(rng.uniform(0.1, 0.9, SHAPES).tolist())
    vector = np.array(weights, np.float32)
    matrix = np.stack([m.positions.reshape(-1) for m in mesh.morphs])
    bare = replace(mesh, normals=None)
    pose = Pose(weights)

    def by_index() -> object:
        out = mesh.positions.copy()
        for morph, weight in zip(mesh.morphs, vector, strict=True):
            out[morph.indices] += morph.positions * weight
        return out

    positions, best = timed(lambda: morphed(bare, weights), turns)
    whole, _ = timed(lambda: deform(mesh, pose, pose), turns)
    naive, _ = timed(by_index, max(turns // 4, 3))
    product, _ = timed(lambda: mesh.positions.reshape(-1) + vector @ matrix, turns)
    same = morphed(bare, weights)[0].tobytes() == morphed(mesh, weights)[0].tobytes()
    assert same
    return [
        targets({}, what="27,000 vertices, 52 dense shapes: positions", value=positions, target=TARGET_MS, unit="ms"),
        targets({}, what="the same, at best", value=best, target=TARGET_MS, unit="ms"),
        {"what": "with normals that follow", "value": whole, "unit": "ms"},
        {"what": "the plain sum over stored indices", "value": naive, "unit": "ms"},
        targets({}, what="positions over that", value=positions / naive, target=1.0, unit="x"),
        {"what": "one matrix times a vector", "value": product, "unit": "ms"},
        targets({}, what="memory of 52 dense shapes over their size", value=memory(mesh), target=2.0, unit="x"),
    ]


def of_head(path: Path, turns: int) -> list[Row]:
    """Rows about a head of a file, made a figure."""
    import studio
    from studio.figure.rigging import rigged

    scene = studio.load(path)
    begun = time.perf_counter()
    made = rigged(scene, [id_ for id_, e in scene.entities.items() if not e.parent])
    rigging = time.perf_counter() - begun
    scene = made.scene.add(placed(Camera(id="seen"), look_at((0.0, 0.0, 1.0), (0.0, 0.0, 0.0))))
    scene = replace(scene, camera="seen")
    last: list[FlatScene] = [flatten(scene, 1.0)]
    turn = [0]

    def frame(scene_at: Callable[[int], Scene]) -> None:
        turn[0] += 1
        last[0] = flatten(scene_at(turn[0]), 1.0, previous=last[0])

    def acting(n: int) -> Scene:
        expression = tuple(0.3 + 0.1 * np.sin(n + np.arange(SHAPES)))
        return scene.replace(made.figure, expression=tuple(map(float, expression)))

    def turning(n: int) -> Scene:
        return scene.replace(made.figure, head_turn=(0.0, float(n % 30), 0.0))

    whole, best = timed(lambda: frame(acting), turns)
    still, _ = timed(lambda: frame(lambda n: scene), turns)
    head, _ = timed(lambda: frame(turning), turns)
    mesh = max((d.mesh for d in last[0].meshes), key=lambda m: len(m.morphs))
    weights = tuple(0.3 for _ in mesh.morphs)
    positions, _ = timed(lambda: morphed(mesh, weights), turns)
    pose = Pose(weights)
    bare = replace(mesh, joints=None, weights=None)
    followed, _ = timed(lambda: deform(bare, pose, pose), turns)
    size = f"{path.stem}: {len(mesh.positions):,} vertices, {len(mesh.morphs)} shapes"
    return [
        targets({}, what=f"{size}: positions", value=positions, target=TARGET_MS, unit="ms"),
        {"what": "with normals that follow", "value": followed, "unit": "ms"},
        {"what": "a frame, all controls at work: all of flatten", "value": whole, "unit": "ms"},
        {"what": "the same, at best", "value": best, "unit": "ms"},
        {"what": "a frame that only turns the head", "value": head, "unit": "ms"},
        {"what": "a frame with nothing changed", "value": still, "unit": "ms"},
        targets({}, what="memory of its shapes over dense ones", value=memory(mesh), target=2.0, unit="x"),
        {"what": "making the figure, once", "value": 1e3 * rigging, "unit": "ms"},
    ]


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--head", type=Path, default=SHARED / "assets" / "ict_head" / "ict_head.glb")
    parser.add_argument("--turns", type=int, default=60, help="how often each thing is done")
    args = parser.parse_args()
    rows = of_shapes(args.turns)
    if args.head.is_file():
        rows += of_head(args.head, args.turns)
    else:
        say(f"there is no {args.head}; give a head with --head to measure a whole figure")
    tell(rows, TARGET_COLUMNS, args)


if __name__ == "__main__":
    main()
