"""The curve editor with a thousand curves: pan, zoom, and keys that are dragged, each until the paper is painted.

    python benchmarks/curves.py [--steps 60] [--json | --markdown]

125 lights have keys on place, rotation, intensity and exposure: 500 tracks, 1,000 curves of 100 keys each, all shown.
A step is what a hand does once (a pixel of a pan, a notch of the wheel, a move of the mouse with keys in it) and the
widget's own paint event after it, on an X server; a drag includes the whole edit of the document. Medians over the
steps, the first few left out, with the 95th percentile and the processor's time beside them. Needs a display; starts
Xvfb where there is none.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stand.display import on_a_display, own_folders
from benchmarks.stand.measure import TARGET_COLUMNS, Row, machine, options, targets, tell

FRAME_MS = 1000.0 / 60.0
LIGHTS, KEYS = 125, 100
_FIELDS = (("translation", 3, 2.0), ("rotation", 3, 30.0), ("intensity", 1, 9.0), ("exposure", 1, 1.0))
_WARM_UP = 5


def moving_scene() -> Any:
    """A scene of 125 lights whose eight numbers each have a hundred keys."""
    from studio.scene.animation import AUTO, make_curve
    from studio.scene.key_modes import curve_of
    from studio.scene.lights import Light
    from studio.scene.scene import Scene

    random = np.random.default_rng(7)
    times = np.arange(KEYS) * 10.0
    modes = np.full(KEYS, AUTO, np.uint8)
    tracks = {}
    for n in range(LIGHTS):
        for field, width, size in _FIELDS:
            values = np.cumsum(random.normal(0.0, size / 4, (KEYS, width)), axis=0) + random.normal(0.0, size, width)
            values = np.abs(values) if field == "intensity" else values
            like = make_curve(times, values, interpolation="bezier", modes=modes, euler=field == "rotation")
            none = np.zeros((KEYS, width, 2))
            parts = {"times": times, "values": values, "in_tangents": none, "out_tangents": none, "modes": modes}
            tracks[f"l{n}.{field}"] = curve_of(parts, like, where=field)
    lights = (Light(id=f"l{n}", name=f"Lamp {n}") for n in range(LIGHTS))
    return replace(Scene(frame_end=KEYS * 10.0).add(*lights), tracks=tracks)


def timed(act: Callable[[int], object], steps: int, between: Callable[[], object]) -> tuple[float, float, float]:
    """Median and 95th percentile in milliseconds of `act`, and the median of the processor's time that it took, which
    other programs disturb less; `between` is what the event loop does while a hand rests."""
    spent = []
    for step in range(steps + _WARM_UP):
        begun, worked = time.perf_counter(), time.thread_time()
        act(step)
        spent.append((1e3 * (time.perf_counter() - begun), 1e3 * (time.thread_time() - worked)))
        between()
    clock, worked_ms = np.array(spent[_WARM_UP:]).T
    return float(np.median(clock)), float(np.percentile(clock, 95)), float(np.median(worked_ms))


def measure(steps: int) -> list[Row]:
    """The rows of the table."""
    from PySide6.QtCore import QPointF, Qt

    from studio.ui.app import Options, start
    from studio.ui.curve_drags import MoveKeys
    from studio.ui.curve_editor import CurveEditor
    from studio.ui.curve_picking import Hit

    qt, application = start(Options())
    studio = application.studio
    studio.show_scene(moving_scene(), None)

    class Desk:
        give = application.give

    editor = CurveEditor(studio, Desk())  # type: ignore[arg-type]
    editor.resize(1440, 420)
    editor.show()
    begun = time.perf_counter()
    studio.select(list(studio.scene.entities))
    opened = 1e3 * (time.perf_counter() - begun)
    canvas, state = editor.canvas, editor.state
    for _ in range(60):
        qt.processEvents()
        time.sleep(0.005)
    assert len(state.lines) == LIGHTS * 8

    def pan(step: int) -> None:
        canvas.look(canvas.view.panned(3.0 if step % 40 < 20 else -3.0, 1.0 if step % 2 else -1.0))
        canvas.repaint()

    def zoom(step: int) -> None:
        by = 1.08 if step % 48 < 24 else 1 / 1.08
        canvas.look(canvas.view.zoomed(by, by, x=canvas.width() * 0.6, y=canvas.height() * 0.5))
        canvas.repaint()

    def scrub(step: int) -> None:
        studio.frame = float(step + 1)
        canvas.repaint()

    def drag_of(picks: dict[tuple[str, int], Any]) -> Callable[[int], None]:
        canvas.pick(picks)
        key, rows = next(iter(picks.items()))
        drag = MoveKeys(canvas, QPointF(400.0, 200.0), Hit(key, int(rows[0])))

        def act(step: int) -> None:
            drag.move(QPointF(400.0 + 5 * np.sin(step), 205.0 + step), Qt.KeyboardModifier.NoModifier)
            canvas.repaint()

        return act

    one = np.array([50], np.intp)
    cases: list[tuple[str, Callable[[], Callable[[int], None]]]] = [
        ("pan", lambda: pan),
        ("zoom", lambda: zoom),
        ("scrub", lambda: scrub),
        ("drag one key", lambda: drag_of({("l3.exposure", 0): one})),
        ("drag 100 keys of one curve", lambda: drag_of({("l3.translation", 1): np.arange(KEYS)})),
        ("drag 100 keys, one of each of 100 curves", lambda: drag_of({(f"l{n}.exposure", 0): one for n in range(100)})),
    ]
    rows = []
    for name, make in cases:
        median, high, worked = timed(make(), steps, qt.processEvents)
        canvas.state.held_gains = None
        extra = {"p95": round(high, 1), "cpu": round(worked, 1)}
        rows.append(targets(extra, what=name, unit="ms", value=median, target=FRAME_MS))
    rows.append(targets({}, what="1,000 curves first shown", unit="ms", value=opened, target=500.0))
    editor.close_panel()
    editor.close()
    application.close()
    return [row | machine() for row in rows]


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--steps", type=int, default=60)
    args = parser.parse_args()
    if not on_a_display():
        return
    with own_folders():
        rows = measure(args.steps)
    columns = dict(TARGET_COLUMNS) | {"p95": "95th percentile", "cpu": "processor"}
    tell(rows, columns, args)


if __name__ == "__main__":
    main()
