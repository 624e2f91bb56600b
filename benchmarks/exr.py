"""How fast multilayer EXRs are written: ours beside OpenEXR's own Python writer and OpenImageIO's, in the same run.

    python benchmarks/exr.py [--json] [--size 1920x1080] [--layers 12] [--runs 3]

A picture of twelve layers (smooth shading with 5 % of noise) goes to ZIP and DWAA with half floats. All writers get
float32 arrays and the same number of threads: all cores, which OpenEXR wants to be told, and one. Seconds are the best
of the runs, wall clock and processor; `openexr_over_ours` is how many times our seconds OpenEXR takes. Files are read
back and compared. In a job none of this is waited for: a thread writes a frame while the next one renders.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenEXR
import OpenImageIO

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stand.measure import Row, machine, options, tell
from studio.render.output import Part, Picture, write_image


def layers(width: int, height: int, count: int) -> Picture:
    """A beauty and other layers of colours, as a noisy render has them."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    parts = []
    for i in range(count):
        shade = np.sin(x / 97 + i) + np.cos(y / 53 * (i + 1) / 4) + np.float32(2.2)
        rgb = shade[..., None] * np.array([1.0, 0.7, 0.5], np.float32)
        rgb *= 1 + np.float32(0.05) * rng.standard_normal(rgb.shape, np.float32)
        if i == 0:
            parts.append(Part("beauty", ("R", "G", "B", "A"), np.dstack([rgb, np.ones_like(shade)])))
        else:
            parts.append(Part(f"layer{i}", tuple(f"layer{i}.{c}" for c in "RGB"), rgb))
    return Picture(width, height, (0, 0, width, height), tuple(parts))


def ours(shown: Picture, path: Path, compression: str, threads: int) -> None:
    """By `studio.render.output`."""
    OpenEXR.set_global_thread_count(threads)
    write_image(shown, path, compression=compression)


def by_openimageio(shown: Picture, path: Path, compression: str, threads: int) -> None:
    """By OpenImageIO, which is given halves, so that it has nothing to convert."""
    OpenImageIO.attribute("threads", threads)
    specs = []
    for part in shown.parts:
        spec = OpenImageIO.ImageSpec(shown.width, shown.height, len(part.channels), "half")
        spec.channelnames = part.channels
        spec.attribute("oiio:subimagename", part.name)
        spec.attribute("compression", compression)
        specs.append(spec)
    out = OpenImageIO.ImageOutput.create(str(path))
    out.open(str(path), tuple(specs))
    for index, part in enumerate(shown.parts):
        if index:
            out.open(str(path), specs[index], "AppendSubimage")
        out.write_image(part.pixels.astype(np.float16))
    out.close()


def theirs(shown: Picture, path: Path, compression: str, threads: int) -> None:
    """By the package OpenEXR: arrays of half floats, a part a layer."""
    OpenEXR.set_global_thread_count(threads)
    kind = {"zip": OpenEXR.ZIP_COMPRESSION, "dwaa": OpenEXR.DWAA_COMPRESSION}[compression]
    parts = []
    for part in shown.parts:
        half = part.pixels.astype(np.float16)
        channels = {name: np.ascontiguousarray(half[..., i]) for i, name in enumerate(part.channels)}
        header = {"compression": kind, "type": OpenEXR.scanlineimage}
        parts.append(OpenEXR.Part(header, channels, part.name))
    OpenEXR.File(parts).write(str(path))


TARGET = 1.0  # OpenEXR's seconds over ours
COLUMNS = {
    "what": "what",
    "ours_s": "ours, s",
    "ours_cpu_s": "cpu s",
    "openexr_s": "OpenEXR, s",
    "openexr_cpu_s": "cpu s",
    "openimageio_s": "OpenImageIO, s",
    "openimageio_cpu_s": "cpu s",
    "openexr_over_ours": "OpenEXR / ours",
    "target": "at least",
    "met": "met",
}
Write = Callable[[Picture, Path, str, int], None]


def timed(write: Write, shown: Picture, path: Path, compression: str, threads: int) -> tuple[float, float]:
    """Seconds of the wall clock and of the processor that a file takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    write(shown, path, compression, threads)
    return time.perf_counter() - wall, time.process_time() - cpu


def same(one: Path, other: Path) -> float:
    """The largest relative difference between the layers of two files."""
    worst = 0.0
    for part in range(len(OpenEXR.File(str(one), separate_channels=True).parts)):
        a, b = (OpenImageIO.ImageBuf(str(f), part, 0).get_pixels(OpenImageIO.FLOAT) for f in (one, other))
        worst = max(worst, float(np.max(np.abs(a - b) / (np.abs(b) + 1e-2))))
    return worst


def main() -> int:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    width, height = (int(n) for n in args.size.split("x"))
    shown = layers(width, height, args.layers)
    told: list[Row] = []
    cores = machine()["cores"]
    with tempfile.TemporaryDirectory() as folder:
        for compression in ("zip", "dwaa"):
            for threads in (cores, 1):
                a, b, c = (Path(folder) / f"{name}.exr" for name in ("ours", "theirs", "third"))
                how = (compression, threads)
                # by turns, so that both see the same load
                runs = [
                    [timed(write, shown, path, *how) for write, path in ((ours, a), (theirs, b), (by_openimageio, c))]
                    for _ in range(args.runs)
                ]
                mine, other, third = (min(run[i] for run in runs) for i in range(3))
                row = {
                    "what": f"{compression}, {threads} threads",
                    "ours_s": round(mine[0], 3),
                    "openexr_s": round(other[0], 3),
                    "openimageio_s": round(third[0], 3),
                    "ours_cpu_s": round(mine[1], 3),
                    "openexr_cpu_s": round(other[1], 3),
                    "openimageio_cpu_s": round(third[1], 3),
                    "openexr_over_ours": round(other[0] / mine[0], 2),
                    "ours_mb": round(a.stat().st_size / 1e6, 1),
                    "openexr_mb": round(b.stat().st_size / 1e6, 1),
                    "largest_difference": round(same(a, b), 6),
                    "target": TARGET,
                    "met": other[0] / mine[0] >= TARGET,
                    **machine(),
                }
                told.append(row)
    tell(told, COLUMNS, args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
