"""How late a face is: from a phone's packet on loopback to the drawn frame, stage by stage, and what parsers take.

    python benchmarks/capture.py [--frames 120] [--lights 3] [--size 640x360] [--no-draw] [--json | --markdown]

A packet of Live Link Face is sent to a receiver's socket; the stages are: sent and parsed (by the receiver's thread),
filtered and retargeted, put on the figure, flattened (the figure acts and its meshes are deformed), taken over by the
viewport, drawn by EGL until the device is done. Each packet is sent when the frame before it is drawn; p50 and p95 are
over the packets. The head is that of the sample files, where they are there, made a figure; without them a figure of a
small mesh stands for it, and rows say so. Then the packets a second that each parser takes, of one thread. Budget from
glass to glass is 100 ms; of that 10 ms are the filter's and 17 ms are for deforming and drawing.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stand.measure import Row, machine, options, say, tell
from studio.figure.capture.live import LiveFace
from studio.figure.capture.malformed import Stream
from studio.figure.capture.receiver import STREAMS, open_receiver
from studio.figure.capture.simulator import BUILDERS, performance, schedule
from studio.figure.capture.sources import KINDS, LIVE_LINK, TITLES
from studio.figure.capture.wearing import Wearing
from studio.scene import edits
from studio.scene.entities import Camera, Entity, Figure, Id, MeshObject
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.geometry import Morph, make_mesh
from studio.scene.lights import Light
from studio.scene.scene import Scene

COLUMNS = {"what": "what", "unit": "unit", "p50": "p50", "p95": "p95"}
_HEAD = "ict_head/ict_head.glb"
_STAGES = ("sent and parsed", "filtered", "put on the figure", "flattened", "taken over", "drawn")


def stage(lights: int) -> tuple[Scene, Id, str]:
    """A figure under lights with a camera, its id, and what it is."""
    shared = Path(os.environ.get("MYRIAD_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    file = shared / "assets" / _HEAD
    if file.exists():
        import studio
        from studio.figure import make_figure

        scene = studio.load(str(file))
        scene, figure = make_figure(scene, [id_ for id_, e in scene.entities.items() if not e.parent])
        told = "the sample head"
    else:
        scene, figure = _small()
        told = "a small mesh, for want of the sample head"
    rng = np.random.default_rng(1)
    around = rng.uniform((-1.0, -0.6, 0.0), (1.0, 1.4, 2.0), (lights, 3))
    lamps: list[Entity] = [
        Light(id=f"l{i}", unit="lm", intensity=300.0 / max(lights, 1), translation=(float(x), float(y), float(z)))
        for i, (x, y, z) in enumerate(around)
    ]
    camera = Camera(id="camera", translation=(0.0, 0.0, 0.9), focal_length_mm=60.0)
    return edits.set_camera(scene.add(*lamps, camera), "camera"), figure, told


def _small() -> tuple[Scene, Id]:
    from studio.scene.arkit import ARKIT

    grid = np.stack(np.meshgrid(np.linspace(-0.1, 0.1, 40), np.linspace(-0.1, 0.1, 40)), -1).reshape(-1, 2)
    at = np.column_stack([grid, np.zeros(len(grid))])
    k = np.arange(39 * 39) + np.arange(39 * 39) // 39
    triangles = np.concatenate([np.stack([k, k + 1, k + 40], 1), np.stack([k + 1, k + 41, k + 40], 1)])
    every = np.arange(len(at), dtype=np.uint32)
    rng = np.random.default_rng(2)
    morphs = [Morph(name, every, 0.01 * rng.normal(size=at.shape).astype(np.float32), None) for name in ARKIT]
    mesh = make_mesh(at, triangles, normals=np.tile((0.0, 0.0, 1.0), (len(at), 1)), morphs=morphs)
    face = MeshObject(id="face", parent="figure", mesh=mesh.key, morph_weights=(0.0,) * len(morphs))
    return Scene(entities={"figure": Figure(id="figure"), "face": face}, meshes={mesh.key: mesh}), "figure"


def latency(frames: int, lights: int, size: tuple[int, int], *, draw: bool) -> list[Row]:
    """Rows of the stages."""
    import socket

    scene, figure, told = stage(lights)
    packets = schedule(performance(frames / 60.0 + 1.0), LIVE_LINK)[: frames + 10]
    wearing, flat = Wearing(), flatten(scene, 1.0)
    taken, drawn, renderer = _viewport(flat, size) if draw else (_nothing, lambda: None, "")
    times: list[list[float]] = []
    with (
        open_receiver(LIVE_LINK, port=0) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone,
    ):
        face = LiveFace(receiver)
        for _, data in packets:
            marks = [time.perf_counter()]
            phone.sendto(data, receiver.address)
            if not receiver.wait(10.0):
                raise SystemExit("a packet got lost on loopback")
            marks.append(time.perf_counter())
            pose = face.sample(time.monotonic())
            assert pose is not None
            marks.append(time.perf_counter())
            wearing.poses[figure] = pose
            worn = wearing(scene)
            marks.append(time.perf_counter())
            flat = flatten(worn, 1.0, previous=flat)
            marks.append(time.perf_counter())
            taken(flat)
            marks.append(time.perf_counter())
            drawn()
            marks.append(time.perf_counter())
            times.append(marks)
    spans = np.diff(np.array(times[10:]), axis=1) * 1e3
    used = len(_STAGES) if draw else len(_STAGES) - 2
    rows = [_row(stage, "ms", spans[:, i]) for i, stage in enumerate(_STAGES[:used])]
    where = f"{size[0]}x{size[1]} on {renderer}, {lights} lights" if draw else "not drawn"
    rows.append(_row(f"packet to {'drawn frame' if draw else 'flat scene'}: {told}, {where}", "ms", spans.sum(axis=1)))
    return rows


def _row(what: str, unit: str, values: np.ndarray) -> Row:
    p50, p95 = np.percentile(values, (50, 95)).tolist()
    return {"what": what, "unit": unit, "p50": p50, "p95": p95} | machine()


def _nothing(flat: FlatScene) -> None:
    """Nobody draws."""


def _viewport(flat: FlatScene, size: tuple[int, int]) -> tuple[Callable[[FlatScene], None], Callable[[], None], str]:
    """What takes a scene over, what draws it and waits for it, and on what."""
    from studio.viewport.camera import ViewCamera
    from studio.viewport.device import Device
    from studio.viewport.renderer import Renderer
    from studio.viewport.targets import Target
    from studio.viewport.view import Look, Quality

    device = Device.offscreen()
    renderer, target = Renderer(device), Target(device, *size)
    camera, look = ViewCamera.of(flat.camera), Look()

    def take(flat: FlatScene) -> None:
        renderer.sync(flat)

    def draw() -> None:
        renderer.draw(target, camera, look, quality=Quality.MOVING)
        device.context.finish()

    take(flat)
    draw()
    return take, draw, str(device.context.info["GL_RENDERER"])


def throughput() -> list[Row]:
    """Packets a second of each parser: the median and the least of five turns."""
    rows = []
    take = performance(2.0)
    for kind in KINDS:
        if kind.endswith("_tcp"):
            continue  # the same text
        packets = [BUILDERS[kind](take.frame(i)) for i in range(100)]
        rates = []
        for _ in range(5):
            stream: Stream = STREAMS[kind]()
            begun = time.perf_counter()
            for data in packets * 5:
                stream.feed(data, begun)
            rates.append(500 / (time.perf_counter() - begun))
        row = {"what": f"{TITLES[kind]}, {len(packets[0])} bytes a packet", "unit": "packets/s"}
        rows.append(row | {"p50": float(np.median(rates)), "p95": min(rates)} | machine())
    return rows


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--lights", type=int, default=3)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--no-draw", action="store_true", help="stop at the flat scene")
    args = parser.parse_args()
    width, _, height = args.size.partition("x")
    say("Sending packets ...")
    rows = latency(args.frames, args.lights, (int(width), int(height)), draw=not args.no_draw)
    tell([*rows, *throughput()], COLUMNS, args)


if __name__ == "__main__":
    main()
