"""The light mixer at 960x540 with 300 lights: a step of a fader until its picture is painted, and what is around it.

    python benchmarks/mixer.py [--steps 40] [--lights 300] [--json | --markdown]

Every one of the layers is lit everywhere, with noise, so that nothing can be left out. A step sets a gain, adds up,
looks up the ACES 2.0 view, and paints the widget on an X server; the panel does all but the painting on a thread, here
it is one after the other. Medians, the first few left out, with the 95th percentile and the processor's time (of all
threads) beside them. Needs a display; starts Xvfb where there is none.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stand.display import on_a_display, own_folders
from benchmarks.stand.measure import TARGET_COLUMNS, Row, machine, options, targets, tell

SIZE = (960, 540)
STEP_MS = 16.0
GROUP = 100
COLUMNS = dict(TARGET_COLUMNS) | {"p95": "95th percentile", "cpu": "processor"}
_WARM_UP = 4


def timed(act: Callable[[int], object], steps: int) -> tuple[float, dict[str, float]]:
    """Median in milliseconds of `act`, with its 95th percentile and the median of the processor's time."""
    spent = []
    for step in range(steps + _WARM_UP):
        begun, worked = time.perf_counter(), time.process_time()
        act(step)
        spent.append((1e3 * (time.perf_counter() - begun), 1e3 * (time.process_time() - worked)))
    clock, cpu = np.array(spent[_WARM_UP:]).T
    return float(np.median(clock)), {
        "p95": round(float(np.percentile(clock, 95)), 1),
        "cpu": round(float(np.median(cpu)), 1),
    }


class Noise:
    """Layers of `count` lights behind the face of a file."""

    def __init__(self, count: int) -> None:
        random = np.random.default_rng(1)
        self._noise = random.gamma(0.5, 0.002, (SIZE[1], SIZE[0], 3)).astype(np.float32)
        self._tints = random.uniform(0.3, 1.0, (count, 3)).astype(np.float32)
        self.size = self.frame_size = SIZE
        self.crop = (0, 0, *SIZE)
        self.about: dict[str, float] = {}
        self.lights = tuple(Lamp(f"l{n}", f"Lamp {n}", "keys" if n < GROUP else "", n) for n in range(count))

    def read(self, index: int, size: Any = None) -> Any:
        return np.roll(self._noise, index * 7, axis=1) * self._tints[index]

    def beauty(self, size: Any = None) -> Any:
        return self._noise * len(self.lights)

    def guides(self, size: Any = None) -> None:
        return None

    def close(self) -> None:
        return None


class Lamp:
    """A light of `Noise`."""

    def __init__(self, id_: str, name: str, group: str, index: int) -> None:
        self.id, self.name, self.group, self.index = id_, name, group, index


def measure(steps: int, count: int) -> list[Row]:
    """The rows of the table."""
    from studio.render.lightmix_session import Loading, MixSession, Wish, load
    from studio.ui.app import Options, start
    from studio.ui.mixer_picture import Developer, MixCanvas, Step, image_of

    qt, application = start(Options())
    begun = time.perf_counter()
    frame = load(Loading(Path("noise")), opener=lambda path: Noise(count))
    loaded = 1e3 * (time.perf_counter() - begun)
    session = MixSession()
    session.show(frame)
    canvas = MixCanvas()
    canvas.resize(*SIZE)
    canvas.show()
    developer = Developer()
    groups = tuple(session.groups.values())

    def show() -> None:
        step = Step(frame, session.factors(), None, session.view, session.display, session.shown_ev, groups)
        canvas.show_picture(image_of(developer.show(step).picture))
        canvas.repaint()

    begun = time.perf_counter()
    show()
    first = 1e3 * (time.perf_counter() - begun)
    for _ in range(30):
        qt.processEvents()
        time.sleep(0.005)
    still = Step(frame, session.factors(), None, session.view, session.display, session.shown_ev, groups)
    while developer.settle(still)[0]:
        pass  # the parts of groups, one at a time

    def change(id_: str, **values: Any) -> None:
        session.set_mix(session.mix.change([id_], **values), coalesce="drag")
        show()

    middle, last = f"l{count // 2}", f"l{count - 1}"
    mixer = developer.mixer(frame)
    cases: list[tuple[str, Callable[[int], object], float]] = [
        (f"one gain of {count}", lambda n: change(middle, gain=np.sin(n) * 3), STEP_MS),
        ("one gain, of a layer beyond the budget of memory", lambda n: change(last, gain=np.sin(n) * 3), STEP_MS),
        ("one colour", lambda n: change(middle, color=(1.0, 0.5 + 0.4 * np.sin(n), 0.3)), STEP_MS),
        (f"the gain of a group of {min(GROUP, count)}", lambda n: change("group:keys", gain=np.sin(n) * 3), STEP_MS),
        ("everything from black, at rest", lambda n: mixer.rebuild(), 2000.0),
        ("solo of one and back", lambda n: change(middle, solo=n % 2 == 0), STEP_MS),
        ("lights of a pixel ranked", lambda n: session.ranking((n, n, n + 1, n + 1)), STEP_MS),
    ]
    rows = []
    for name, act, target in cases:
        fewer = 3 if target > STEP_MS else steps
        median, extra = timed(act, fewer)
        rows.append(targets(extra, what=name, unit="ms", value=median, target=target))
    session.wish(Wish(kind="stops", region=(100, 100, 180, 180), value=-2.0))
    session.wish(Wish(kind="keep", region=(600, 300, 700, 400)))
    median, extra = timed(lambda n: session.solve(), 5)
    rows.append(targets(extra, what="two wishes solved", unit="ms", value=median, target=2000.0))
    rows.append(targets({}, what="the first picture", unit="ms", value=first, target=3000.0))
    rows.append(targets({}, what="layers put in memory", unit="ms", value=loaded, target=60_000.0))
    megabytes = frame.store.held_bytes / 1e6
    extra = {"spilled_mb": round(frame.store.spilled_bytes / 1e6)}
    rows.append(targets(extra, what="layers in memory, the rest in a file", unit="MB", value=megabytes, target=537.0))
    developer.close()
    canvas.close()
    frame.close()
    application.close()
    return [row | machine() for row in rows]


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--lights", type=int, default=300)
    args = parser.parse_args()
    if not on_a_display():
        return
    with own_folders():
        rows = measure(args.steps, args.lights)
    tell(rows, COLUMNS, args)


if __name__ == "__main__":
    main()
