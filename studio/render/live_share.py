"""A live film that is rendered in several places: which samples this machine renders, which are lent out, what came.

Every sample of a film belongs to one place. At first this machine has the first ones and lends the rest; what it has
begun it never gives away, and what it takes back it renders itself, so no sample is ever rendered for the film twice,
and when all of [0, N) are there their sum has the bits of a render on one machine, as films are sums of integers.

What came may turn out to be made up, and a sum with it cannot be mended: of the nearest depths nobody knows whose they
were. So all that came is forgotten then and comes again but for that; until it has, the picture of before stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from studio.render import live_layers
from studio.render.film import Film, Layout
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene

Range = tuple[int, int]  # [first, last)
Lending = Literal["", "share", "all"]  # nothing, what this machine does not render itself, or everything
F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """Samples of a live film that others may render: of `flat` with `settings`, whose film they are added to.
    `generation` is the film's, and that of what is added. The same offer is the same object."""

    generation: int
    flat: FlatScene
    settings: RenderSettings
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Came:
    """Samples that somebody else has rendered. `device` is the class of device that did."""

    film: Film
    range: Range
    generation: int
    device: str


@dataclass(frozen=True, slots=True, eq=False)
class Anew:
    """What came for a film counts no more, and comes again as far as it does (`begun`); or all of that has come."""

    generation: int
    begun: bool


Offered = Callable[[Offer | None], None]


class Share:
    """Who renders which samples of a film of `total`, and what came from elsewhere."""

    def __init__(self, total: int, mode: Lending, own: int) -> None:
        """`own` samples are this machine's; with mode "all" it only takes a first look, which counts for nothing."""
        self.total, self.mode = total, mode
        self.look = mode == "all"
        self.own: tuple[Range, ...] = ((0, 1),) if self.look else ((0, min(max(own, 1), total)),)
        self.lent: tuple[Range, ...] = _without(((0, total),), () if self.look else self.own)
        self.taken: tuple[Range, ...] = ()
        self.claiming = False  # the worker has not yet said that it goes no further than `own`
        self._doubtful: tuple[Range, ...] = ()  # samples that it goes on to until then, in its order
        self.anew = False  # what came is forgotten and comes again
        self.film: Film | None = None
        self.devices: set[str] = set()

    @property
    def count(self) -> int:
        """Samples that came."""
        return length(self.taken)

    @property
    def missing(self) -> tuple[Range, ...]:
        """Samples that are lent and have not come."""
        return _without(self.lent, self.taken)

    def withdraw(self) -> None:
        """Render here what has not come."""
        rest = self.missing if not self.look else _without(((0, self.total),), self.taken)
        rest = (*self._doubtful, *_without(rest, self._doubtful))
        self.own = _joined((*(() if self.look else self.own), *rest))
        self.lent, self.mode, self.look, self.anew, self._doubtful = self.taken, "", False, False, ()

    def claim(self, mode: Lending, begun: int, share: float) -> None:
        """Lend again what is this machine's and not begun: the first `begun` of its samples are, in their order. Of the
        others it keeps a share. Whoever calls this has the worker say that it has gone no further."""
        rest = length(self.own) - begun
        keep = begun + (0 if mode == "all" else round(rest * share))
        own = _first(self.own, max(keep, 1))
        self._doubtful = _without(self.own, own)
        self.lent = _sorted((*self.lent, *self._doubtful))
        self.own, self.mode, self.claiming = own, mode, True

    def confirm(self, begun: int) -> bool:
        """The worker goes no further than its own samples now, of which it has begun so many. False where it has gone
        beyond them, which are its own then, and is asked again."""
        if begun > length(self.own):
            self.own = (*self.own, *_first(self._doubtful, begun - length(self.own)))
            self._doubtful = _without(self._doubtful, self.own)
            self.lent = _sorted(_without(self.lent, self.own))
            return False
        self.claiming, self._doubtful = False, ()
        return True

    def begin_again(self) -> None:
        """Another worker begins, which has begun nothing."""
        self.claiming, self._doubtful = False, ()

    def forget(self) -> None:
        """What came counts no more, and comes again as far as it does."""
        self.film, self.taken, self.devices, self.anew = None, (), set(), True

    def came_again(self) -> None:
        """All that counts has come again. What nobody renders then, as nothing is lent any more, this machine does."""
        self.anew = False
        if not self.mode:
            self.withdraw()

    def take(self, came: Came, layout: Layout) -> bool:
        """Add samples; False for such as are not wanted."""
        first, last = came.range
        if came.film.layout != layout or _without((came.range,), self.missing) or first >= last:
            return False
        if meets((came.range,), self._doubtful):
            return False
        if self.film is None:
            self.film = Film.of(layout)
        came.film.merge_into(self.film)
        self.taken = _sorted((*self.taken, came.range))
        self.devices.add(came.device)
        return True

    def joined(self, layer: str, local: F32, counts: NDArray[np.int32]) -> F32:
        """A layer (h, w, n) of this machine's samples, `counts` (h, w) of them, and of those that came."""
        film = self.film
        if film is None:
            return local
        counts = np.zeros_like(counts) if self.look else counts
        if layer == "samples":
            return (counts + film.counts).astype(np.float32)[..., None]
        if layer in live_layers.SLOW:
            return live_layers.slow_layer(layer, film) if self.count > counts.mean() else local
        columns = {channel.name: i for i, channel in enumerate(film.channels)}
        out = np.empty_like(local)
        total = np.maximum(counts + film.counts, 1).astype(np.float32)
        for k, name in enumerate(live_layers.channels_of(layer)):
            if name in film.minima_names:
                theirs = film.minima[..., film.minima_names.index(name)]
                out[..., k] = np.where(counts > 0, np.minimum(local[..., k], theirs), theirs)
                continue
            sums = film.sums[..., columns[name]] * np.float64(2.0 ** -film.channels[columns[name]].exponent)
            out[..., k] = (np.where(counts > 0, local[..., k], 0.0) * counts + sums) / total
        return out


def film_layers(film: Film, layers: Sequence[str]) -> dict[str, F32]:
    """Layers of a whole film, in the very numbers that are written to files."""
    out: dict[str, F32] = {}
    for layer in live_layers.shown(layers, film.layout):
        if layer in live_layers.SLOW:
            out[layer] = live_layers.slow_layer(layer, film)
        else:
            names = live_layers.channels_of(layer) or ("samples",)
            out[layer] = np.stack([film.value(name) for name in names], axis=-1)
    return out


# --- sets of samples -------------------------------------------------------------------------------------------------
def length(ranges: Sequence[Range]) -> int:
    """How many samples are in disjoint ranges."""
    return sum(last - first for first, last in ranges)


def meets(ranges: Sequence[Range], others: Sequence[Range]) -> bool:
    """Whether any sample is in both."""
    return length(_without(ranges, others)) < length(ranges)


def sample_at(ranges: Sequence[Range], place: int) -> tuple[int, int]:
    """The sample at a place in the order of ranges, and how many follow it without a gap, itself counted."""
    for first, last in ranges:
        if place < last - first:
            return first + place, last - first - place
        place -= last - first
    raise IndexError("there are fewer samples than that")


def _first(ranges: Sequence[Range], count: int) -> tuple[Range, ...]:
    """The first so many samples of ranges, in their order."""
    out = []
    for first, last in ranges:
        if count > 0:
            out.append((first, min(last, first + count)))
            count -= last - first
    return tuple(out)


def _without(ranges: Sequence[Range], others: Sequence[Range]) -> tuple[Range, ...]:
    """Ranges less the samples of others, in their order."""
    out = list(ranges)
    for first, last in others:
        out = [part for a, b in out for part in ((a, min(b, first)), (max(a, last), b)) if part[0] < part[1]]
    return tuple(out)


def _joined(ranges: Sequence[Range]) -> tuple[Range, ...]:
    """The same samples in the same order, in as few ranges as that order allows."""
    out: list[Range] = []
    for first, last in ranges:
        if out and out[-1][1] == first:
            out[-1] = out[-1][0], last
        else:
            out.append((first, last))
    return tuple(out)


def _sorted(ranges: Sequence[Range]) -> tuple[Range, ...]:
    return _joined(sorted(ranges))
