"""A million triangles: seconds to build, bytes a triangle, and rays a second beside Embree's in the same run.

    python benchmarks/bvh.py [--triangles 1000000] [--rays 1000000] [--json | --markdown]

The triangles are bumpy balls scattered through a cube; the rays start anywhere in it and go anywhere, so they are as
incoherent as can be. Building runs from the scene in memory to arrays on the device. "All told" counts what
the process grew by at its worst while building, working memory and device arrays together (on the processor both are
its memory). Embree (embreex) traces in one thread, so both are also given per second of processor time. Targets:
build in 5 s, 220 bytes a triangle.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers.ours import clocks, start
from benchmarks.stand.measure import TARGET_COLUMNS, Row, machine, options, say, targets, tell
from studio.assets.demo.dressing import Stage
from studio.assets.demo.shapes import sheet
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten

BUILD_S, BYTES = 5.0, 220.0
BALLS = 8
TURNS = 3


def balls(triangles: int) -> FlatScene:
    """Bumpy balls of about so many triangles in all, in a cube of 4 m."""
    stage = Stage("balls")
    stage.material("grey", specular_weight=0.0)
    rng = np.random.default_rng(3)
    rows = int(np.sqrt(triangles / BALLS / 4))
    polar, around = np.meshgrid(np.linspace(0, np.pi, rows + 2), np.linspace(0, 2 * np.pi, 2 * rows + 1), indexing="ij")
    way = np.stack([np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)], -1)
    for _ in range(BALLS):
        waves, phase = rng.uniform(4, 16, (6, 3)), rng.uniform(0, 6, 6)
        bumps = np.sin(way @ waves.T + phase).mean(-1, keepdims=True)
        x, y, z = rng.uniform(-1.4, 1.4, 3).tolist()
        stage.place("ball", sheet(way * (0.6 + 0.12 * bumps), closed=True), "grey", at=(x, y, z))
    stage.lamp("point", "lamp")
    return flatten(stage.scene(camera=stage.camera("camera", eye=(0, 0, 5), target=(0, 0, 0))), 1.0)


def memory(key: str) -> int:
    """A line of /proc/self/status in bytes, 0 where there is none."""
    path = Path("/proc/self/status")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(key + ":")), 0)


def forget_peak() -> None:
    """Let the peak of this process's memory start anew."""
    Path("/proc/self/clear_refs").write_text("5")


def rays(count: int) -> np.ndarray:
    """(n, 6) origins anywhere in the cube and directions all round."""
    rng = np.random.default_rng(1)
    d = rng.normal(size=(count, 3))
    return np.concatenate([rng.uniform(-2, 2, (count, 3)), d / np.linalg.norm(d, axis=1, keepdims=True)], 1).astype(
        np.float32
    )


def embree(flat: FlatScene, beams: np.ndarray) -> list[Row]:
    """Rows of Embree's speed on the same rays; none where embreex is not installed."""
    try:
        from embreex import mesh_construction, rtcore_scene
    except ImportError:
        say("embreex is not installed, so there is nothing to compare with")
        return []
    scene = rtcore_scene.EmbreeScene(robust=True)
    for instance in flat.instances:
        mesh = flat.meshes[instance["mesh"]]
        v = (mesh.positions @ instance["open"][:, :3].T + instance["open"][:, 3]).astype(np.float32)
        mesh_construction.TriangleMesh(scene, np.ascontiguousarray(v[mesh.mesh.triangles]))
    o, d = np.ascontiguousarray(beams[:, :3]), np.ascontiguousarray(beams[:, 3:])
    scene.run(o[:100], d[:100])  # builds
    rows = []
    for query, what in (("INTERSECT", "closest hit"), ("OCCLUDED", "any hit")):
        best = min(_seconds(lambda q=query: scene.run(o, d, query=q)) for _ in range(TURNS))
        for clock, value in zip(("", " per processor second"), best, strict=True):
            rows.append({"what": f"Embree, {what}{clock}", "unit": "Mrays/s", "value": len(beams) / value / 1e6})
    return rows


def _seconds(run: object) -> tuple[float, float]:
    wall, cpu = clocks()
    run()  # type: ignore[operator]
    end = clocks()
    return end[0] - wall, end[1] - cpu


def measure(triangles: int, count: int, *, threads: int, device: str) -> list[Row]:
    """All rows."""
    tracer = start(device, threads)
    from benchmarks.stand.rays import closest, occluded

    tracer.load(balls(5000))
    beams = rays(count)
    import taichi as ti

    host, found = ti.ndarray(ti.f32, beams.shape), ti.ndarray(ti.i32, count)
    host.from_numpy(beams)
    _trace(tracer, closest, host, found)
    _trace(tracer, occluded, host, found)
    flat = balls(triangles)
    n = sum(len(flat.meshes[i["mesh"]].mesh.triangles) for i in flat.instances)
    forget_peak()
    before = memory("VmRSS")
    built = _seconds(lambda: tracer.load(flat))
    peak, after = memory("VmHWM") - before, memory("VmRSS") - before
    d = tracer.device
    arrays = sum(int(np.prod(a.shape)) * 4 for a in (d.nodes, d.triangles, d.indices, d.vertices, d.instances, d.parts))
    rows = [
        targets({}, what=f"building {n} triangles", unit="s", value=built[0], target=BUILD_S),
        {"what": "building, processor", "unit": "s", "value": built[1]},
        targets({}, what="all told, at its worst", unit="bytes/triangle", value=peak / n, target=BYTES),
        {"what": "kept by the process", "unit": "bytes/triangle", "value": after / n},
        {"what": "arrays on the device", "unit": "bytes/triangle", "value": arrays / n},
    ]
    for kernel, what in ((closest, "closest hit"), (occluded, "any hit")):
        best = min(_seconds(lambda k=kernel: _trace(tracer, k, host, found)) for _ in range(TURNS))
        for clock, value in zip(("", " per processor second"), best, strict=True):
            rows.append({"what": f"ours, {what}{clock}", "unit": "Mrays/s", "value": count / value / 1e6})
    ours_hits = float((found.to_numpy() >= 0).mean())
    rows.append({"what": "rays that hit", "unit": "share", "value": ours_hits})
    return [row | machine() for row in rows + embree(flat, beams)]


def _trace(tracer: object, kernel: object, beams: object, found: object) -> None:
    d = tracer.device  # type: ignore[attr-defined]
    arrays = (d.nodes, d.triangles, d.indices, d.vertices, d.instances, d.parts, d.materials, d.slots)
    kernel(*arrays, d.texels, d.images, tracer.root, beams, found)  # type: ignore[operator,attr-defined]


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--triangles", type=int, default=1_000_000)
    parser.add_argument("--rays", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    rows = measure(args.triangles, args.rays, threads=args.threads, device=args.device)
    tell(rows, TARGET_COLUMNS, args)


if __name__ == "__main__":
    main()
