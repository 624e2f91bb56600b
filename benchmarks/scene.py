"""How fast the scene is: an edit, a flatten after it, a whole flatten and a project's loading, against their targets.

    python benchmarks/scene.py [--json]

Times are medians of several runs, in milliseconds of wall clock, with the processor time beside them: on a machine
that does other things at once the two part ways.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from studio.scene.document import Document
from studio.scene.entities import Camera, Entity, Group, MeshObject
from studio.scene.flatten import flatten
from studio.scene.geometry import make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.project import load_project, save_project
from studio.scene.scene import Scene


def rig(objects: int, lights: int) -> Scene:
    """A stage of instances of 20 meshes in groups, wearing 100 materials, under lights of three kinds."""
    rng = random.Random(1)
    arrays = np.random.default_rng(1)
    triangles = [[0, 1, 2], [3, 4, 5], [5, 6, 7]]
    meshes = [make_mesh(arrays.random((8, 3)), triangles, parts=(0, 1, 3)) for _ in range(20)]

    def place() -> tuple[float, float, float]:
        return (rng.uniform(-20, 20), rng.uniform(0, 6), rng.uniform(-20, 20))

    def turn() -> tuple[float, float, float, float]:
        q = arrays.normal(size=4)
        x, y, z, w = (q / np.linalg.norm(q)).tolist()
        return (x, y, z, w)

    groups = max(1, (objects + lights) // 50)
    entities: list[Entity] = [Group(id=f"group{i}", translation=place(), rotation=turn()) for i in range(groups)]
    entities += [
        MeshObject(
            id=f"object{i}",
            name=f"Object {i}",
            parent=f"group{i % groups}",
            translation=place(),
            rotation=turn(),
            scale=(rng.uniform(0.5, 2), 1.0, 1.0),
            mesh=meshes[i % 20].key,
            materials=(f"material{i % 100}", f"material{i % 7}"),
        )
        for i in range(objects)
    ]
    entities += [
        Light(
            id=f"light{i}",
            name=f"Lamp {i}",
            parent=f"group{i % groups}",
            light=("spot", "rectangle", "sphere")[i % 3],
            unit="lm",
            intensity=rng.uniform(100, 2000),
            translation=place(),
            rotation=turn(),
            use_temperature=True,
            temperature_k=rng.uniform(2000, 9000),
            group=f"rig {i % 5}",
        )
        for i in range(lights)
    ]
    entities.append(Camera(id="camera", translation=(0.0, 2.0, 10.0)))
    materials = [Material(id=f"material{i}", emission_luminance=100.0 * (i % 10 == 0)) for i in range(100)]
    return Scene(
        entities={e.id: e for e in entities},
        materials={m.id: m for m in materials},
        meshes={m.key: m for m in meshes},
        camera="camera",
    )


def filled(scene: Scene, count: int) -> Scene:
    """The scene with groups added until it has `count` entities."""
    return scene.add(*(Group(id=f"spare{i}") for i in range(count - len(scene.entities))))


def timed(run: Callable[[], object], *, runs: int = 11) -> tuple[float, float]:
    """Median wall-clock and processor time of a call in milliseconds, after one call to warm up."""
    run()
    wall, processor = [], []
    for _ in range(runs):
        start, started = time.perf_counter(), time.process_time()
        run()
        wall.append((time.perf_counter() - start) * 1e3)
        processor.append((time.process_time() - started) * 1e3)
    return statistics.median(wall), statistics.median(processor)


def measure() -> list[dict[str, object]]:
    """The four numbers, each with its target."""
    out: list[dict[str, object]] = []

    def add(what: str, target: float, times: tuple[float, float]) -> None:
        out.append({"what": what, "target_ms": target, "wall_ms": times[0], "cpu_ms": times[1]})

    scene = filled(rig(3500, 1400), 5000)
    lights = [f"light{i}" for i in range(300)]
    document = Document(scene)
    strengths = iter(range(1, 10_000))

    def edit() -> None:
        with document.edit("Dim") as scope:
            scope.replace(lights, intensity=float(next(strengths)))

    add("edit of 300 lights among 5,000 entities", 4.0, timed(edit))

    flat = flatten(scene, 1.0)
    brighter = scene.replace_each(lights, intensity=1.0)
    add("flatten after that edit", 4.0, timed(lambda: flatten(brighter, 1.0, previous=flat)))

    stage = rig(10_000, 300)
    add("whole flatten of 10,000 instances", 60.0, timed(lambda: flatten(stage, 1.0)))

    large = filled(rig(9000, 800), 10_000)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stage.studio"
        save_project(large, path)
        add("loading a project of 10,000 entities", 150.0, timed(lambda: load_project(path)))
        assert len(load_project(path).entities) == 10_000
    return out


def main() -> None:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    as_json = parser.parse_args().json
    if not as_json:
        print(f"{'':42}  target      wall       cpu")
    for row in measure():
        if as_json:
            print(json.dumps(row))
        else:
            numbers = (row["target_ms"], row["wall_ms"], row["cpu_ms"])
            print(f"{row['what']:42}" + "".join(f"{number:7.2f} ms" for number in numbers))


if __name__ == "__main__":
    main()
