"""The light table with 300 and with 1,000 lights: what a hand does once, until the table is painted.

    python benchmarks/table.py [--steps 60] [--json | --markdown]

The lights hang in groups of 20, all of them opened, in a table of 1,440 by 900. "Edit" is one value typed for all
selected cells: the edit of the document with its undo step, every watcher told, the rows made anew and the widget's own
paint event, on an X server. The whole window is not measured here (`benchmarks/window.py`). Medians over the steps, the
first few left out, with the 95th percentile and the processor's time beside them. Needs a display; starts Xvfb where
there is none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.curves import FRAME_MS, timed
from benchmarks.stand.display import on_a_display, own_folders
from benchmarks.stand.measure import TARGET_COLUMNS, Row, machine, options, targets, tell

EDIT_MS = 16.0
COLUMNS = dict(TARGET_COLUMNS) | {"p95": "95th percentile", "cpu": "processor"}
_KINDS = (("point", "cd"), ("spot", "cd"), ("rectangle", "nt"), ("disk", "lm"), ("sphere", "nt"))


def lit_scene(count: int) -> Any:
    """A scene of so many lights of five kinds in groups of 20."""
    from studio.scene.entities import Entity, Group
    from studio.scene.lights import Light
    from studio.scene.scene import Scene

    records: list[Entity] = []
    for n in range(count):
        if n % 20 == 0:
            records.append(Group(id=f"g{n // 20}", name=f"Group {n // 20}"))
        kind, unit = _KINDS[n % 5]
        intensity = 10.0 + (n * 37) % 900
        records.append(
            Light(id=f"l{n}", name=f"Lamp {n}", light=kind, unit=unit, intensity=intensity, parent=f"g{n // 20}")
        )
    return Scene().add(*records)


def measure(steps: int) -> list[Row]:
    """The rows of the table."""
    from studio.ui.app import Options, start

    qt, application = start(Options())
    rows = [row for count in (300, 1000) for row in _measured(qt, application, count, steps)]
    application.close()
    return [row | machine() for row in rows]


def _measured(qt: Any, application: Any, count: int, steps: int) -> list[Row]:
    from PySide6.QtCore import Qt

    from studio.ui.light_list import LightList

    studio = application.studio
    studio.show_scene(lit_scene(count), None)

    class Desk:
        give = application.give

    panel = LightList(studio, Desk())  # type: ignore[arg-type]
    panel.resize(1440, 900)
    panel.show()
    table, model = panel.table, panel.model
    lights = [row for row in model.rows.by_id.values() if row.id.startswith("l")][:300]
    bar = table.verticalScrollBar()
    for _ in range(20):
        qt.processEvents()

    def painted(act: Callable[[int], object]) -> Callable[[int], None]:
        def both(step: int) -> None:
            act(step)
            table.viewport().repaint()

        return both

    def chosen(ids: list[str]) -> None:
        studio.select(ids)
        qt.processEvents()

    def text(step: int) -> None:
        panel.search.setText(("intensity>400", "intensity>400 kind=spot", "")[step % 3])

    ids = [row.id for row in lights]
    cases: list[tuple[str, float, Callable[[int], object], list[str]]] = [
        ("paint", FRAME_MS, lambda step: None, []),
        ("scroll by a third of a page", FRAME_MS, lambda step: bar.setValue((step * 300) % max(bar.maximum(), 1)), []),
        ("select another row", FRAME_MS, lambda step: studio.select([ids[step % 300]]), []),
        ("select 300 rows", FRAME_MS, lambda step: studio.select(ids if step % 2 else ids[1:]), []),
        ("edit one cell", EDIT_MS, lambda step: model.enter(lights[0], "exposure", str(step)), []),
        ("edit 300 cells: a number", EDIT_MS, lambda step: model.enter(lights[0], "exposure", str(step)), ids),
        ("edit 300 cells: +0.5", EDIT_MS, lambda step: model.enter(lights[0], "exposure", "+0.5"), ids),
        ("edit 300 cells: mute", EDIT_MS, lambda step: model.toggle(lights[0], "muted"), ids),
        ("mute a group", EDIT_MS, lambda step: model.toggle(model.rows.by_id["g0"], "muted"), []),
        ("undo 300 cells", EDIT_MS, lambda step: studio.run("edit.redo" if step % 2 else "edit.undo"), []),
        ("filter", 50.0, text, []),
        ("sort", 50.0, lambda step: table.sortByColumn(4, list(Qt.SortOrder)[step % 2]), []),
    ]
    rows = []
    for name, target, act, wanted in cases:
        if name.startswith("undo"):
            chosen(ids)
            model.enter(lights[0], "exposure", "1")
        chosen(wanted)
        median, high, worked = timed(painted(act), steps, qt.processEvents)
        extra = {"p95": round(high, 1), "cpu": round(worked, 1)}
        rows.append(targets(extra, what=f"{count:,} lights: {name}", unit="ms", value=median, target=target))
        panel.search.setText("")
    panel.close_panel()
    panel.close()
    return rows


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--steps", type=int, default=60)
    args = parser.parse_args()
    if not on_a_display():
        return
    with own_folders():
        rows = measure(args.steps)
    tell(rows, COLUMNS, args)


if __name__ == "__main__":
    main()
