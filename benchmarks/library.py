"""The asset library with five thousand assets: filed, found, scrolled.

    python benchmarks/library.py [--assets 5000] [--steps 200] [--json | --markdown]

Files are made for it, in fifty folders, with English and Chinese names, and a thumbnail of 192 px for each. Filing is
a first scan with hashing, a rescan finds nothing new. A search is parsed, matched and sorted; the slowest of the
queries counts. A scroll step moves the grid by a tenth of its height and paints it at once, on an X server; "cold" is
the first way down, while thumbnails are read and come in (the event loop's turn after each step is counted), "warm"
the second. Medians, and the 95th percentile beside them. Needs a display; starts Xvfb where there is none.
"""

from __future__ import annotations

import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stand.display import on_a_display, own_folders
from benchmarks.stand.measure import TARGET_COLUMNS, Row, machine, options, targets, tell

FRAME_MS, SEARCH_MS = 1000.0 / 60.0, 5.0
QUERIES = ("", "oak", "oak chair", "mutou", "mt", "木", "kind:hdri", "tag:wood chair", "set07 brass", "fav")
_WORDS = ("Oak", "Brass", "Chair", "Lamp", "Studio", "Sky", "木头", "金属", "沙发", "灯光", "Marble", "Rough", "Wood")
_SUFFIXES = (".glb", ".png", ".ies", ".jpg", ".obj")


def make_files(folder: Path, count: int) -> None:
    """Files that are told from each other by what is in them."""
    random = np.random.default_rng(1)
    for i in range(count):
        place = folder / f"set{i % 50:02d}"
        place.mkdir(parents=True, exist_ok=True)
        first, second = random.choice(_WORDS, 2)
        (place / f"{first} {second} {i:04d}{_SUFFIXES[i % len(_SUFFIXES)]}").write_bytes(b"asset %d" % i * 40)


def make_thumbnails(assets: list[Any], thumbnails: Any) -> None:
    """A picture of 192 px for each asset, in place of rendering five thousand."""
    from PIL import Image

    noise = (np.random.default_rng(2).random((192, 192, 3)) * 60).astype(np.uint8)
    ramp = np.linspace(0, 150, 192, dtype=np.uint8)[None, :, None]
    for i, asset in enumerate(assets):
        place = thumbnails.place(asset)
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.roll(noise + ramp, i, axis=1)).save(place, "PNG", compress_level=1)


def seconds(act: Any) -> float:
    """How long something takes."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def measure(count: int, steps: int, folder: Path) -> list[Row]:
    """The rows of the table."""
    from studio.assets.library import Library
    from studio.ui.app import Options, start

    make_files(folder / "assets", count)
    qt, application = start(Options())
    library: Library = application.studio.library

    def scan() -> None:
        library.add_folder(folder / "assets")
        library.settle()

    def rescan() -> None:
        library.rescan()
        library.settle()

    filed, again = seconds(scan), seconds(rescan)
    library.tag([asset.id for asset in library.search("wood")[:200]], add=["wood", "floor"])
    rows: list[Row] = [
        {"what": f"{count:,} files filed for the first time", "unit": "s", "value": filed},
        {"what": "looked through again, nothing new", "unit": "ms", "value": again * 1e3},
    ]
    found = {query: statistics.median(seconds(partial(library.search, query)) for _ in range(9)) for query in QUERIES}
    slowest = max(found, key=lambda query: found[query])
    what = f"search, the slowest of {len(QUERIES)} queries ({slowest or 'everything'})"
    rows.append(targets({}, what=what, unit="ms", value=found[slowest] * 1e3, target=SEARCH_MS))
    rows += scrolled(qt, application, steps)
    application.close()
    return [row | machine() for row in rows]


def scrolled(qt: Any, application: Any, steps: int) -> list[Row]:
    """Down the grid once while thumbnails come in, and once more."""
    window = application.new_window()
    window.resize(1440, 900)
    panel = window.show_panel("library")
    grid = panel.grid
    while panel._library.busy or len(panel.model.assets) < 1000:
        qt.processEvents()
    make_thumbnails(list(panel.model.assets), panel.shelf.maker)
    grid.setParent(None)  # a window of its own, as large as one likes it to be
    grid.resize(1400, 850)
    grid.show()
    for _ in range(20):
        qt.processEvents()
    bar, rows = grid.verticalScrollBar(), []
    step = grid.viewport().height() // 10

    def once() -> None:
        bar.setValue(bar.value() + step)
        grid.viewport().repaint()

    for name, turn in (("thumbnails coming in", True), ("all there", False)):
        bar.setValue(0)
        taken, worked = [], []
        for _ in range(steps):
            begun, busy = time.perf_counter(), time.thread_time()
            once()
            if turn:
                qt.processEvents()
            taken.append((time.perf_counter() - begun) * 1e3)
            worked.append((time.thread_time() - busy) * 1e3)
        tiles = len(grid.seen())
        what = f"scroll step of {tiles} tiles, {name}"
        rows.append(targets({}, what=what, unit="ms", value=statistics.median(taken), target=FRAME_MS))
        rows.append({"what": "95th percentile of that", "unit": "ms", "value": float(np.percentile(taken, 95))})
        rows.append({"what": "processor time of it", "unit": "ms", "value": statistics.median(worked)})
        deadline = time.monotonic() + 20
        while turn and application.bridge.busy and time.monotonic() < deadline:
            qt.processEvents()
    grid.setParent(panel)
    return rows


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--assets", type=int, default=5000)
    parser.add_argument("--steps", type=int, default=200)
    args = parser.parse_args()
    if not on_a_display():
        return
    with own_folders() as folder:
        rows = measure(args.assets, args.steps, folder)
    tell(rows, TARGET_COLUMNS, args)


if __name__ == "__main__":
    main()
