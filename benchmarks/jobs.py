"""What the queue's bookkeeping costs beside the render: the same frames by a queue's job and by a plain render.

    python benchmarks/jobs.py [--json] [--size 320x180] [--samples 64] [--frames 3] [--runs 2]

Both use one worker that has compiled, and take turns. The wall clock of both stands there; on a machine that does other
things too, what the queue adds is told by processor time (Linux): of the process that keeps the books (database,
thumbnails, checkpoints), and of the worker, whose rounds are cut for a look at the film. The target is 1 % of the
render for both together.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import studio
from benchmarks.stand.measure import Row, machine, options, tell
from studio.render.export import ExportSettings, look_of, render_settings
from studio.render.queue import Queue
from studio.render.queue_run import Runner
from studio.render.sequence import Job, render_job
from studio.render.session import RenderSession
from studio.scene.scene import Scene

TARGET = 1.0
COLUMNS = {
    "what": "what",
    "plain_s": "alone, s",
    "queue_s": "by the queue, s",
    "wall_percent": "longer by %",
    "bookkeeping_percent": "bookkeeping, cpu %",
    "worker_percent": "cut rounds, cpu %",
    "target": "at most",
    "met": "met",
}


def worker_seconds(session: RenderSession) -> float:
    """Processor time that the worker has used; 0 where the system does not say."""
    stat = Path(f"/proc/{session.worker_pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


Spent = tuple[float, float, float]  # seconds of the wall clock, of this process and of the worker


def by_queue(session: RenderSession, scene: Scene, settings: ExportSettings, folder: Path) -> Spent:
    """What a job of a fresh queue takes, without submitting it."""
    queue = Queue(folder / "queue.sqlite")
    queue.add(scene, settings)
    runner = Runner(queue)
    runner._fitting = lambda asked: session  # type: ignore[method-assign]
    wall, cpu, worker = time.perf_counter(), time.process_time(), worker_seconds(session)
    runner.run()
    spent = time.perf_counter() - wall, time.process_time() - cpu, worker_seconds(session) - worker
    states = {job.state for job in queue.jobs()}
    queue.store.close()
    if states != {"done"}:
        raise SystemExit(f"the job ended as {states}")
    return spent


def plain(session: RenderSession, scene: Scene, settings: ExportSettings, folder: Path) -> Spent:
    """The same by `render_job`."""
    job = Job(
        scene=scene,
        output=folder / "plain.####.exr",
        frames=range(1, int(settings.frames.partition("-")[2]) + 1),
        settings=render_settings(settings),
        look=look_of(settings),
    )
    wall, cpu, worker = time.perf_counter(), time.process_time(), worker_seconds(session)
    render_job(session, job)
    return time.perf_counter() - wall, time.process_time() - cpu, worker_seconds(session) - worker


def main() -> int:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--runs", type=int, default=2)
    args = parser.parse_args()
    width, height = (int(n) for n in args.size.split("x"))
    scene = studio.demo("hall")
    times: dict[str, list[Spent]] = {"queue": [], "plain": []}
    with RenderSession(device="cpu") as session, tempfile.TemporaryDirectory() as name:
        session.warm_up()
        for run in range(args.runs):
            folder = Path(name) / str(run)
            settings = ExportSettings(
                output=str(folder / "queue.####.exr"),
                frames=f"1-{args.frames}",
                width=width,
                height=height,
                samples=args.samples,
                device="cpu",
            )
            times["plain"].append(plain(session, scene, settings, folder))
            times["queue"].append(by_queue(session, scene, settings, folder))
    alone, queued = min(times["plain"]), min(times["queue"])
    cpu, worker = (min(t[i] for t in times["queue"]) - min(t[i] for t in times["plain"]) for i in (1, 2))
    render = min(t[2] for t in times["plain"]) or alone[0]
    row: Row = {
        "what": f"{args.frames} frames of {args.size}, {args.samples} samples",
        "plain_s": round(alone[0], 2),
        "queue_s": round(queued[0], 2),
        "wall_percent": round((queued[0] / alone[0] - 1) * 100, 2),
        "bookkeeping_ms_a_frame": round(cpu / args.frames * 1e3, 1),
        "bookkeeping_percent": round(cpu / render * 100, 2),
        "worker_percent": round(worker / render * 100, 2),
        "target": TARGET,
        "met": queued[0] / alone[0] - 1 <= TARGET / 100,
        **machine(),
    }
    tell([row], COLUMNS, args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
