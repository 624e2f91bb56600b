"""How fast linear frames become a movie: through the OCIO view, to Y'CbCr, through the encoder.

    python benchmarks/video.py [--json] [--size 1920x1080] [--frames 72]

Frames are half floats of a moving picture with 4 % of noise, in memory and, in the last row, read from the EXRs that
the queue keeps. The target is 10 frames a second of H.264 at 1080p on two cores. `error` is how far the view from the
table is from the exact one on random colours of 20 stops, in steps of 255: mean, 99th percentile and most.
"""

from __future__ import annotations

import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stand.measure import Row, machine, options, say, tell
from studio.render.export import FORMATS, ExportSettings
from studio.render.export_names import export_names
from studio.render.output import Part, Picture, write_image
from studio.render.video import bits_of, movie
from studio.render.video_export import Reel, encode
from studio.render.video_tags import tags_of
from studio.render.video_view import View
from studio.scene import color
from studio.scene.scene import Scene

TARGET = 10.0
COLUMNS = {
    "what": "what",
    "frames_per_s": "frames a second",
    "view_ms": "view, ms",
    "encode_ms": "encoder, ms",
    "cpu_ms": "cpu ms a frame",
    "kb_a_frame": "kB a frame",
    "target": "at least",
    "met": "met",
}


def pictures(width: int, height: int, count: int = 8) -> list[NDArray[np.float16]]:
    """A moving picture, over and over."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    base = np.stack([np.sin(x / 97) + 1.1, np.cos(y / 53) + 1.1, np.sin((x + y) / 171) + 1.1, np.ones_like(x)], -1)
    noise = (1 + np.float32(0.04) * rng.standard_normal((height, width, 1), np.float32) for _ in range(count))
    return [(np.roll(base, 8 * i, 1) * n).astype(np.float16) for i, n in enumerate(noise)]


def measured(name: str, frames: list[NDArray[np.float16]], count: int, folder: Path) -> Row:
    """A format's frames a second, and where the time goes."""
    kind = FORMATS[name]
    height, width = frames[0].shape[:2]
    path = folder / f"{name}{kind.suffix}"
    view = View(view=color.DEFAULT_VIEW, display=color.DISPLAY, bits=bits_of(kind))
    seen = written = 0.0
    begun, cpu = time.perf_counter(), time.process_time()
    tags = tags_of(color.DISPLAY, color.DEFAULT_VIEW)
    with movie(path, kind=kind, size=(width, height), rate=Fraction(24), tags=tags) as made:
        for i in range(count):
            a = time.perf_counter()
            shown = view.show(frames[i % len(frames)])
            b = time.perf_counter()
            made.write(shown)
            seen, written = seen + b - a, written + time.perf_counter() - b
    seconds = time.perf_counter() - begun
    view.close()
    return {
        "what": name,
        "frames_per_s": round(count / seconds, 2),
        "view_ms": round(seen / count * 1e3, 1),
        "encode_ms": round(written / count * 1e3, 1),
        "cpu_ms": round((time.process_time() - cpu) / count * 1e3, 1),
        "kb_a_frame": round(path.stat().st_size / count / 1e3, 1),
    }


def from_files(frames: list[NDArray[np.float16]], count: int, folder: Path) -> Row:
    """H.264 from the EXRs of a queue's job."""
    height, width = frames[0].shape[:2]
    files = []
    for i, frame in enumerate(frames):
        part = Part("beauty", ("R", "G", "B", "A"), frame.astype(np.float32))
        write_image(Picture(width, height, (0, 0, width, height), (part,)), folder / f"{i}.exr")
        files.append(folder / f"{i}.exr")
    settings = ExportSettings(width=width, height=height, format="h264", frames=f"1-{count}", exposure_ev=0.0)
    scene = Scene()
    reel = Reel(
        scene=scene,
        settings=settings,
        names=export_names(settings, scene),
        frames=[(i + 1, files[i % len(files)]) for i in range(count)],
        output=folder / "reel.mp4",
    )
    begun, cpu = time.perf_counter(), time.process_time()
    encode(reel)
    seconds = time.perf_counter() - begun
    cpu_ms = (time.process_time() - cpu) / count * 1e3
    return {"what": "h264, frames from EXR", "frames_per_s": round(count / seconds, 2), "cpu_ms": round(cpu_ms, 1)}


def error() -> Row:
    """How exact the table is."""
    rng = np.random.default_rng(1)
    rgb = (np.exp2(rng.uniform(-12, 8, (400, 500, 1))) * rng.uniform(0, 1, (400, 500, 3)) ** 1.5).astype(np.float32)
    view = View(view=color.DEFAULT_VIEW, display=color.DISPLAY, bits=16)
    off = np.abs(view.show(rgb) / 65535 - color.display_transform(rgb)) * 255
    view.close()
    percentile = float(np.percentile(off, 99))
    return {"mean": round(float(off.mean()), 3), "p99": round(percentile, 3), "most": round(float(off.max()), 2)}


def main() -> int:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--frames", type=int, default=72)
    args = parser.parse_args()
    width, height = (int(n) for n in args.size.split("x"))
    frames = pictures(width, height)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [measured("h264", frames, args.frames, folder)]
        rows += [measured(name, frames, max(args.frames // 4, 8), folder) for name in ("h265-10", "prores-422hq")]
        rows.append(from_files(frames, args.frames, folder))
    off = error()
    for row in rows:
        row |= {"target": TARGET if row["what"].startswith("h264") else None, "error": off, **machine()}
        row["met"] = row["target"] and row["frames_per_s"] >= row["target"]
    tell(rows, COLUMNS, args)
    say(f"The view's table is off by {off['mean']} of 255 in the mean, {off['p99']} at 99 %, {off['most']} at most.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
