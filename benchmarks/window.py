"""What the window adds to an edit: light by light in a drag, and three hundred at once from the inspector.

    python benchmarks/window.py [--steps 40] [--json | --markdown]

A whole window (outliner, inspector, light list, viewport) shows `hall300p`, 300 point lights. For a drag, one light is
moved step by step as a gizmo does it and the viewport repaints at once; the picture itself is not drawn, so what is
left is everything around it: edit, flatten, upload, overlays, panels, blit. For the inspector, an exposure is typed
for 300 selected lights until every panel has been told. Medians; nothing waits for the event loop. Needs a display;
starts Xvfb where there is none.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stand import scenes
from benchmarks.stand.display import on_a_display, own_folders
from benchmarks.stand.measure import TARGET_COLUMNS, Row, machine, options, targets, tell

DRAG_MS, INSPECTOR_MS = 8.0, 16.0
_WARM_UP = 5


def timed(act: Callable[[int], object], steps: int) -> float:
    """Median milliseconds of `act`, the first few left out."""
    seconds = []
    for step in range(steps + _WARM_UP):
        begun = time.perf_counter()
        act(step)
        seconds.append(time.perf_counter() - begun)
    return 1e3 * statistics.median(seconds[_WARM_UP:])


def measure(steps: int) -> list[Row]:
    """The rows of the table."""
    from studio.assets.load import load_scene
    from studio.scene import edits
    from studio.scene.lights import Light
    from studio.ui.app import Options, start
    from studio.ui.number_edit import NumberEdit
    from studio.viewport.view import Statistics

    qt, application = start(Options())
    window = application.new_window()
    window.resize(1440, 900)
    window.default_layout()
    scene, _ = load_scene(scenes.shared() / "hall300p.glb")
    application.studio.show_scene(scene, None)
    application.settle()
    studio, view = application.studio, application.viewport
    lights = [id_ for id_, entity in studio.scene.entities.items() if isinstance(entity, Light)]
    canvas = next(w for w in window.findChildren(object) if getattr(w, "view", None) is view and hasattr(w, "repaint"))
    renderer = view._renderer()
    drawn: Any = renderer.draw

    def undrawn(target: Any, *arguments: Any, **named: Any) -> Statistics:
        return Statistics()

    def drag(step: int) -> None:
        with studio.document.edit("Move", coalesce="benchmark") as edit:
            edit.apply(edits.translate, lights[:1], (0.001, 0.0, 0.0))
        canvas.repaint()

    try:
        studio.select(lights[:1])
        renderer.draw = undrawn
        alone = timed(drag, steps)
    finally:
        renderer.draw = drawn
    studio.select(lights)
    qt.processEvents()
    number = window.show_panel("inspector").findChild(NumberEdit, "field-exposure")

    def typed(step: int) -> None:
        from studio.ui.expressions import understand

        number.began.emit()
        number.changed.emit(understand("+=0.01"))
        number.ended.emit(True)

    many = timed(typed, steps)
    application.close()
    rows = [
        targets(
            {}, what="light drag: edit to repainted viewport, without the draw", unit="ms", value=alone, target=DRAG_MS
        ),
        targets(
            {}, what=f"{len(lights)} lights at once from the inspector", unit="ms", value=many, target=INSPECTOR_MS
        ),
    ]
    return [row | machine() for row in rows]


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--steps", type=int, default=40)
    args = parser.parse_args()
    if not on_a_display():
        return
    with own_folders():
        rows = measure(args.steps)
    tell(rows, TARGET_COLUMNS, args)


if __name__ == "__main__":
    main()
