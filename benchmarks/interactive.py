"""How soon the live render answers: light, material and camera edits, the first picture, and drags.

    python benchmarks/interactive.py [SCENE.glb] [--size 640x360] [--turns 5] [--device cpu] [--json | --markdown]

Times run from the edit of the scene, `flatten` included, to the moment at which the window is told of a picture with
new samples; medians of the turns. The artist rests between two turns until every pixel has a sample. A light edit
doubles and halves the strength of one lamp, of a mesh as of a light entity. The worker is warm and its kernels were
compiled before, but for the row that says otherwise. Targets: 0.6 s for an edit, 1 s for the start.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import studio
from benchmarks.stand import scenes
from benchmarks.stand.measure import TARGET_COLUMNS, Row, machine, options, say, targets, tell
from studio.render.interactive import InteractiveRender
from studio.render.live_frame import LiveFrame
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.lights import Light
from studio.scene.scene import Scene

EDIT_S, START_S = 0.6, 1.0
PATIENCE_S = 300.0
DRAG_S, DRAG_HZ = 4.0, 30.0


class Bench:
    """A live render whose pictures are timed as they come."""

    def __init__(self, *, device: str, threads: int) -> None:
        self._condition = threading.Condition()
        self.heard: list[tuple[float, LiveFrame]] = []
        self._warm = False
        begun = time.perf_counter()
        self.view = InteractiveRender(device=device, threads=threads, notify=self._hear)
        self.view.prewarm()
        with self._condition:
            if not self._condition.wait_for(lambda: self._warm, PATIENCE_S):
                raise RuntimeError("the renderer did not start")
        self.start_s = time.perf_counter() - begun

    def _hear(self) -> None:
        with self._condition:
            frame = self.view.latest()
            if frame is None:
                return
            self._warm |= frame.state == "idle" and bool(frame.device)
            self.heard.append((time.perf_counter(), frame))
            self._condition.notify_all()

    def seconds_to(self, what: Callable[[LiveFrame], bool], begun: float, first: int) -> float:
        """Seconds from `begun` to the first frame, of those from number `first` on, that is as wanted."""

        def found() -> float | None:
            return next((at for at, frame in self.heard[first:] if what(frame)), None)

        with self._condition:
            if not self._condition.wait_for(lambda: found() is not None, PATIENCE_S):
                raise RuntimeError(f"no such picture came: {self.heard[-1][1].state} {self.heard[-1][1].message}")
            at = found()
        assert at is not None
        return at - begun

    def edit(
        self, change: Callable[[], FlatScene], settings: RenderSettings
    ) -> tuple[FlatScene, dict[str, float], tuple[str, ...]]:
        """Seconds to the first samples, the first even picture and a sample of every pixel; and what was rebuilt."""
        first, begun = len(self.heard), time.perf_counter()
        flat = change()
        generation = self.view.show(flat, settings)
        wanted: dict[str, Callable[[LiveFrame], bool]] = {
            "first new samples": lambda f: f.shows == generation,
            "coarse picture": lambda f: f.shows == generation and f.step >= 1,
            "a sample of every pixel": lambda f: f.shows == generation and f.step == 1,
        }
        times = {name: self.seconds_to(what, begun, first) for name, what in wanted.items()}
        rebuilt = next(frame.rebuilt for _, frame in self.heard[first:] if frame.shows == generation)
        self.seconds_to(lambda f: f.shows == generation and f.exact and f.step == 1, begun, first)
        return flat, times, rebuilt


def brighter(scene: Scene, turn: int) -> Scene:
    """One lamp, another in every turn, twice or half as strong."""
    factor = 2.0 if turn % 2 == 0 else 0.5
    lights = [e for e in scene.entities.values() if isinstance(e, Light)]
    if lights:
        light = lights[turn // 2 % len(lights)]
        return scene.replace(light.id, intensity=light.intensity * factor)
    glowing = [m for m in scene.materials.values() if m.emission_luminance > 0]
    material = glowing[turn // 2 % len(glowing)]
    return scene.replace(material.id, emission_luminance=material.emission_luminance * factor)


def moved_camera(scene: Scene, turn: int) -> Scene:
    """The camera a little to the side."""
    x, y, z = scene.get(scene.camera).translation  # type: ignore[union-attr]
    return scene.replace(scene.camera, translation=(x + 0.05 * (1 + turn % 3), y, z))


def repainted(scene: Scene, turn: int) -> Scene:
    """The first material that does not glow in another colour."""
    plain = next(m for m in scene.materials.values() if m.emission_luminance == 0)
    return scene.replace(plain.id, base_color=(0.2 + 0.1 * (turn % 5), 0.4, 0.4))


def measure(path: Path, *, size: tuple[int, int], turns: int, device: str, threads: int) -> list[Row]:
    """All rows."""
    settings = RenderSettings(width=size[0], height=size[1], samples=1024, depth=8)
    scene = studio.load(str(path))
    bench = Bench(device=device, threads=threads)
    rows: list[Row] = [{"what": "worker: start to warm", "unit": "s", "value": bench.start_s}]
    try:
        flat, times, _ = bench.edit(lambda: flatten(scene, 1.0), settings)
        what = "start: show to first picture"
        rows.append(targets({}, what=what, unit="s", value=times["first new samples"], target=START_S))
        rows.append({"what": "start: show to a sample of every pixel", "unit": "s", "value": times[_EVERY]})
        for name, change in (("light", brighter), ("material", repainted), ("camera", moved_camera)):
            found = []
            for turn in range(turns):
                scene = change(scene, turn)
                flat, times, rebuilt = bench.edit(lambda s=scene, f=flat: flatten(s, 1.0, previous=f), settings)
                found.append(times)
                if "geometry" in rebuilt:
                    raise RuntimeError(f"a {name} edit rebuilt the geometry")
            say(f"{name} edit: {', '.join(rebuilt) or 'nothing'} rebuilt")
            for key in found[0]:
                value = statistics.median(times[key] for times in found)
                row = {"what": f"{name} edit to {key}", "unit": "s", "value": value}
                rows.append(row | ({"target": EDIT_S, "met": value <= EDIT_S} if key == "first new samples" else {}))
        rows += drag(bench, scene, flat, settings)
    finally:
        bench.view.close()
    return [row | machine() for row in rows]


_EVERY = "a sample of every pixel"


def drag(bench: Bench, scene: Scene, flat: FlatScene, settings: RenderSettings) -> list[Row]:
    """Edits of one lamp as fast as a mouse sends them, and the pictures that are shown meanwhile."""
    first, begun, edits = len(bench.heard), time.perf_counter(), 0
    waiting = threading.Event()
    bench.view.interacting = True
    shown_at: dict[int, float] = {}
    while (now := time.perf_counter()) - begun < DRAG_S:
        scene, edits = brighter(scene, edits % 2), edits + 1
        flat = flatten(scene, 1.0, previous=flat)
        shown_at[bench.view.show(flat, settings)] = now
        waiting.wait(max(0.0, 1.0 / DRAG_HZ - (time.perf_counter() - now)))
    bench.view.interacting = False
    seconds = time.perf_counter() - begun
    pictures = {f.shows: at for at, f in reversed(bench.heard[first:]) if f.shows in shown_at}
    lag = [at - shown_at[generation] for generation, at in pictures.items()]
    return [
        {
            "what": f"drag at {edits / seconds:.0f} edits a second: scenes shown",
            "unit": "1/s",
            "value": len(lag) / seconds,
        },
        {"what": "drag: edit to its picture", "unit": "s", "value": statistics.median(lag) if lag else float("inf")},
    ]


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("scene", nargs="?", type=Path, default=scenes.shared() / "hall300.glb")
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    if not args.scene.is_file():
        say(f"there is no {args.scene}, so nothing was measured")
        return
    width, height = (int(n) for n in args.size.split("x"))
    rows = measure(args.scene, size=(width, height), turns=args.turns, device=args.device, threads=args.threads)
    tell(rows, TARGET_COLUMNS, args)


if __name__ == "__main__":
    main()
