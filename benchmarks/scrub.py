"""How fast a moving scene is scrubbed: evaluate and flatten per frame, and the posed scene that panels read.

    python benchmarks/scrub.py [--lights 300] [--vertices 20000] [--joints 60] [--frames 40]
                               [--json | --markdown]

The scene: lights with Bezier curves of ten keys each on intensity, translation and colour, half of them with weighted
handles, and a skinned figure with a rotation curve on every joint and eight animated morphs. Frames are visited in
steps of an uneven length, so that no frame is met twice. Times are medians over the frames, wall clock and processor,
and the best of three turns. Target: 8 ms a frame to evaluate and flatten.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stand.measure import TARGET_COLUMNS, Row, machine, options, targets, tell
from studio.scene.animation import AUTO, FREE, Curve, make_curve
from studio.scene.document import Document
from studio.scene.entities import Camera, Entity, Group, MeshObject
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.geometry import Mesh, Morph, make_mesh
from studio.scene.key_modes import curve_of, parts_of
from studio.scene.lights import Light
from studio.scene.scene import Scene

TARGET_MS = 8.0
LAST = 240.0


def curve(
    rng: np.random.Generator, centre: tuple[float, ...], spread: float, *, euler: bool = False, weighted: bool = False
) -> Curve:
    """A Bezier curve of ten keys around a value, with AUTO handles or with FREE ones twice as long."""
    times = np.linspace(1.0, LAST, 10).round()
    values = np.asarray(centre) + spread * rng.normal(size=(10, len(centre)))
    modes = np.full(10, AUTO, np.uint8)
    rough = make_curve(times, values, interpolation="bezier", euler=euler, modes=modes)
    smooth = curve_of(parts_of(rough), rough, where="curve")
    if not weighted:
        return smooth
    assert smooth.in_tangents is not None and smooth.out_tangents is not None
    return replace(
        smooth,
        in_tangents=2.0 * smooth.in_tangents,
        out_tangents=2.0 * smooth.out_tangents,
        modes=np.full(10, FREE, np.uint8),
    )


def figure(
    rng: np.random.Generator, vertices: int, joints: int
) -> tuple[Mesh, list[Entity], np.ndarray, dict[str, Curve]]:
    """A tube along a chain of joints, each vertex bound to four of them, with eight morphs of a tenth of it."""
    around = 40
    rings = vertices // around
    height = np.repeat(np.linspace(0.0, 1.8, rings), around)
    angle = np.tile(np.linspace(0.0, 2 * np.pi, around, endpoint=False), rings)
    normals = np.stack([np.cos(angle), np.zeros_like(angle), np.sin(angle)], axis=1)
    positions = 0.15 * normals + np.stack([np.zeros_like(height), height, np.zeros_like(height)], axis=1)
    ring, step = np.divmod(np.arange((rings - 1) * around), around)
    a, b = ring * around + step, ring * around + (step + 1) % around
    triangles = np.concatenate([np.stack([a, b, a + around], 1), np.stack([b, b + around, a + around], 1)])
    at = height / 1.8 * (joints - 1)
    near = np.clip(np.floor(at)[:, None].astype(int) + np.arange(-1, 3), 0, joints - 1)
    weights = np.maximum(2.0 - np.abs(at[:, None] - near), 0.01)
    morphs = []
    for k in range(8):
        touched = np.sort(rng.choice(len(positions), len(positions) // 10, replace=False)).astype(np.uint32)
        offsets = 0.02 * rng.normal(size=(len(touched), 3)).astype(np.float32)
        morphs.append(Morph(f"morph {k}", touched, offsets, offsets))
    mesh = make_mesh(
        positions, triangles, normals=normals, joints=near, weights=weights / weights.sum(1, keepdims=True),
        morphs=morphs,
    )  # fmt: skip
    length = 1.8 / (joints - 1)
    bones: list[Entity] = [
        Group(id=f"j{k}", parent=f"j{k - 1}" if k else "", translation=(0.0, length if k else 0.0, 0.0))
        for k in range(joints)
    ]
    binds = np.tile(np.eye(4, dtype=np.float32), (joints, 1, 1))
    binds[:, 1, 3] = -length * np.arange(joints)
    tracks = {f"j{k}.rotation": curve(rng, (0.0, 0.0, 0.0), 3.0, euler=True) for k in range(joints)}
    tracks["body.morph_weights"] = curve(rng, (0.5,) * 8, 0.1)
    body = MeshObject(
        id="body", mesh=mesh.key, skin="bones", joints=tuple(f"j{k}" for k in range(joints)), morph_weights=(0.0,) * 8
    )
    return mesh, [*bones, body], binds, tracks


def stage(lights: int, vertices: int, joints: int) -> Scene:
    """The scene that is scrubbed."""
    rng = np.random.default_rng(1)
    mesh, entities, binds, tracks = figure(rng, vertices, joints)
    for k in range(lights):
        place = (float(rng.uniform(-5, 5)), 3.0, float(rng.uniform(-5, 5)))
        kind = ("spot", "rectangle", "sphere")[k % 3]
        entities.append(Light(id=f"l{k}", name=f"Lamp {k}", light=kind, unit="lm", translation=place))
        tracks[f"l{k}.intensity"] = curve(rng, (800.0,), 50.0, weighted=bool(k % 2))
        tracks[f"l{k}.translation"] = curve(rng, place, 0.5, weighted=bool(k % 2))
        tracks[f"l{k}.color"] = curve(rng, (0.8, 0.7, 0.6), 0.05, weighted=bool(k % 2))
    entities.append(Camera(id="camera", translation=(0.0, 1.5, 6.0)))
    return Scene(
        entities={e.id: e for e in entities},
        meshes={mesh.key: mesh},
        skins={"bones": binds},
        tracks=tracks,
        camera="camera",
        frame_end=LAST,
    )


def timed(run: Callable[[float], object], frames: int) -> tuple[float, float]:
    """Milliseconds of wall clock and processor per frame: the best of three turns' medians."""
    run(1.0)
    found = []
    for turn in range(3):
        wall, processor = [], []
        for k in range(frames):
            frame = 1.0 + ((k * 61.8 + turn * 7.3) % (LAST - 1.0))
            begun, started = time.perf_counter(), time.process_time()
            run(frame)
            wall.append((time.perf_counter() - begun) * 1e3)
            processor.append((time.process_time() - started) * 1e3)
        found.append((statistics.median(wall), statistics.median(processor)))
    return min(w for w, _ in found), min(p for _, p in found)


def measure(lights: int, vertices: int, joints: int, frames: int) -> list[Row]:
    """Rows of the whole scene, of its parts, and of the posed scene."""
    rows: list[Row] = []

    def add(what: str, times: tuple[float, float], target: float | None = None) -> None:
        for suffix, value in (("", times[0]), (", processor", times[1])):
            if target is not None:
                rows.append(targets(machine(), what=what + suffix, unit="ms", value=value, target=target))
            else:
                rows.append({"what": what + suffix, "unit": "ms", "value": value} | machine())

    def scrubbing(scene: Scene) -> Callable[[float], object]:
        held: list[FlatScene | None] = [None]

        def step(frame: float) -> None:
            held[0] = flatten(scene, frame, previous=held[0])

        return step

    whole = stage(lights, vertices, joints)
    add(f"{lights} lights and a figure of {vertices:,} vertices", timed(scrubbing(whole), frames), TARGET_MS)
    add(f"{lights} lights alone", timed(scrubbing(stage(lights, 400, 2)), frames))
    add(f"the figure of {vertices:,} vertices alone", timed(scrubbing(stage(0, vertices, joints)), frames))
    document = Document(whole)

    def posed(frame: float) -> Scene:
        document.frame = frame
        return document.posed

    add("the posed scene", timed(posed, frames))
    return rows


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--lights", type=int, default=300)
    parser.add_argument("--vertices", type=int, default=20_000)
    parser.add_argument("--joints", type=int, default=60)
    parser.add_argument("--frames", type=int, default=40)
    args = parser.parse_args()
    rows = measure(args.lights, args.vertices, args.joints, args.frames)
    tell(rows, TARGET_COLUMNS, args)


if __name__ == "__main__":
    main()
