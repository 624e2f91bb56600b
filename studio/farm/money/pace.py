"""What a score counts for when it is paid: no more than the work bears out.

A node says its own score, and seconds times score may have a price. But samples of a piece take as many seconds of the
reference wherever they are rendered. So what a unit is said to have taken is held against what other machines are said
to have taken for samples of the same piece, and, more loosely, of the same job, whose frames differ by themselves; how
loosely depends on whether two others have rendered that piece. The middle one of those others is the measure, of two
the higher, so that neither one machine alone nor the pilot of whoever sent the job can take anything from another by
saying too little. Where there are fewer than two, nobody can tell.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from studio.farm.model import Range
from studio.farm.money.prices import MILLION
from studio.farm.ranges import Ranges

PIECE_TOLERANCE = 1.5  # times what the same samples took others
JOB_TOLERANCE = 4.0  # times what samples of the job took others
SURE_TOLERANCE = 32.0  # the same, where two others have rendered the piece: its frame may be far dearer than the rest
WITNESSES = 2  # that it takes; one of them may be the pilot

Place = tuple[int, str]  # a piece by its index, and the blocks of its pixels that samples are of; "" is all of them


@dataclass(slots=True)
class _Work:
    """What was accepted of a machine: samples times their cost, and millionths of a score-second."""

    cost: float = 0.0
    score_s: int = 0

    def add(self, cost: float, score_s: int) -> None:
        self.cost += cost
        self.score_s += score_s


@dataclass(slots=True)
class _Made:
    """The same at one place, and which samples they were."""

    work: _Work = field(default_factory=_Work)
    samples: Ranges = field(default_factory=Ranges)


class Pace:
    """The machines of one job. `pilot_s` is what a sample of cost 1 takes the reference, as the job says; 0 when it
    does not."""

    def __init__(self, pilot_s: float = 0.0) -> None:
        self._pilot = max(pilot_s, 0.0) * MILLION
        self._places: dict[Place, dict[str, _Made]] = {}
        self._whole: dict[str, _Work] = {}  # where samples are of all pixels: of some it is not known how many

    def learn(self, place: Place, maker: str, samples: Range, *, cost: float, score_s: int) -> None:
        """Samples of a machine were accepted, that cost so much each and took so many millionths of a score-second by
        what it says. Twice is once."""
        made = self._places.setdefault(place, {}).setdefault(maker, _Made())
        if made.samples.meets(samples) or cost <= 0:
            return
        made.samples.add(samples)
        count = samples[1] - samples[0]
        made.work.add(count * cost, score_s)
        if not place[1]:
            self._whole.setdefault(maker, _Work()).add(count * cost, score_s)

    def forget(self, maker: str) -> None:
        """Nothing of a machine says anything any more."""
        self._whole.pop(maker, None)
        for makers in self._places.values():
            makers.pop(maker, None)

    def most(self, place: Place, maker: str, count: int, *, cost: float) -> int | None:
        """The millionths of a score-second that so many samples of a machine count for at the most; None where too few
        others can tell."""
        here = {name: made.work for name, made in self._places.get(place, {}).items()}
        pilot = self._pilot if not place[1] else 0.0
        looks = [(here, PIECE_TOLERANCE)]
        if not place[1]:
            sure = _measure(here, maker, 0.0) is not None
            looks.append((self._whole, SURE_TOLERANCE if sure else JOB_TOLERANCE))
        found = ((_measure(works, maker, pilot), tolerance) for works, tolerance in looks)
        bounds = [round(measure * tolerance * count * cost) for measure, tolerance in found if measure is not None]
        return min(bounds, default=None)


def _measure(works: dict[str, _Work], maker: str, pilot: float) -> float | None:
    """What a sample of cost 1 took the others, in millionths of a score-second; None where they are too few."""
    shown = [work.score_s / work.cost for name, work in works.items() if name != maker and work.score_s > 0]
    if not shown:
        return None
    if pilot > 0:
        shown.append(pilot)
    return sorted(shown)[len(shown) // 2] if len(shown) >= WITNESSES else None
