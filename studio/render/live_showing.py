"""What is shown of the film at work: this machine's picture, what came from elsewhere, and both together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.render import live_layers
from studio.render.film import Crop, Film, Layout
from studio.render.live_share import Share, film_layers, length
from studio.render.live_wish import GUIDES, Desk, Wish
from studio.render.protocol import Pictured

Layers = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A picture of this machine's own samples. Without `event` there is none yet."""

    layers: Layers
    guides: Layers
    counts: NDArray[np.int32]
    event: Pictured | None

    @property
    def begun(self) -> int:
        """Samples that were begun of it."""
        return int(self.counts.max(initial=0))


class Showing:
    """See the module. `own` is the last picture of this machine's samples, `rebuilt` what the device made anew for
    the scene at work, and `cover` what is shown outside of a region."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.own: Shown | None = None
        self.rebuilt: tuple[str, ...] = ()
        self.cover: Layers = {}
        self._begun = time.monotonic()  # when the film of now began

    def begin(self, layout: Layout, region: Crop | None) -> None:
        """Another film."""
        self.own, self._begun = None, time.monotonic()
        frame = self._desk.frame
        same_size = frame.counts is not None and frame.counts.shape == layout.shapes()["counts"][1]
        self.cover = dict(frame.layers) if same_size and region is not None else {}

    def narrow(self, region: Crop | None) -> None:
        """Another region of the same film."""
        self.cover = dict(self._desk.frame.layers) if region is not None else {}

    def follow(self, wish: Wish) -> None:
        """The picture at work is also that of a newer `show`."""
        assert wish.settings is not None
        samples, frame = wish.settings.samples, self._desk.frame
        complete = frame.samples >= samples
        state = "paused" if wish.paused else "done" if complete else "rendering"
        generation, settings = wish.generation, wish.settings
        self._desk.say(
            generation=generation, shows=generation, settings=settings, of=samples, complete=complete, state=state
        )

    def take(
        self, layers: Layers, guides: Layers, counts: NDArray[np.int32], event: Pictured, layout: Layout, steered: Wish
    ) -> None:
        """A picture of this machine's samples has come."""
        if steered.region is not None:
            layers = _covered(layers, self.cover, counts, layout.crop, steered.region)
        _freeze(*layers.values(), *guides.values(), counts)
        self.own = Shown(layers, guides, counts, event)

    def show(self, share: Share | None, sent: Wish, steered: Wish, layout: Layout) -> bool:
        """Show what there is; whether that is the whole film, every sample the one that a final render would take."""
        if share is not None and share.anew:
            return False  # what is shown stands until what counts has come again
        if share is not None and share.film is not None:
            return self._show_joined(share, sent, steered, layout)
        if self.own is not None and self.own.event is not None:
            self._show_own(self.own, self.own.event, share, sent, steered)
        return False

    def _show_own(self, own: Shown, event: Pictured, share: Share | None, sent: Wish, steered: Wish) -> None:
        rate = event.samples / event.seconds if event.seconds > 0 else 0.0
        complete = _done(event, share) and (share is None or not share.missing)
        of = event.of if share is None else share.total
        self._desk.say(
            generation=steered.generation,
            shows=steered.generation,
            number=self._desk.frame.number + 1,
            layers=own.layers,
            guides=own.guides,
            counts=own.counts,
            samples=event.samples,
            borrowed=0,
            of=of,
            seconds=event.seconds,
            eta=(of - event.samples) / rate if rate > 0 else 0.0,
            rays=event.rays,
            rays_per_second=event.rays / event.seconds if event.seconds > 0 else 0.0,
            state="paused" if steered.paused else "done" if complete else "rendering",
            message="",
            complete=complete,
            exact=event.exact,
            step=event.step,
            region=steered.region,
            rebuilt=self.rebuilt,
            flat=sent.flat,
            settings=steered.settings,
        )

    def _show_joined(self, share: Share, sent: Wish, steered: Wish, layout: Layout) -> bool:
        """Show this machine's samples and those that came."""
        assert share.film is not None
        mine = self.own or _nothing_shown(layout, steered.wanted)
        event = mine.event
        layers = {name: share.joined(name, layer, mine.counts) for name, layer in mine.layers.items()}
        guides = {name: share.joined(name, layer, mine.counts) for name, layer in mine.guides.items()}
        counts = share.film.counts if share.look else mine.counts + share.film.counts
        own = event.samples if event is not None and not share.look else 0.0
        samples = own + share.count
        complete = (share.look or _done(event, share)) and not share.missing
        exact = share.look or (event is not None and event.exact)
        alike = len(share.devices | (set() if share.look else {self._desk.device_class})) == 1
        seconds = time.monotonic() - self._begun
        _freeze(*layers.values(), *guides.values())
        self._desk.say(
            generation=steered.generation,
            shows=steered.generation,
            number=self._desk.frame.number + 1,
            layers=layers,
            guides=guides,
            counts=counts.copy(),
            samples=samples,
            borrowed=share.count,
            of=share.total,
            seconds=event.seconds if event is not None else seconds,
            eta=(share.total - samples) * seconds / samples,
            rays=event.rays if event is not None else 0,
            rays_per_second=event.rays / event.seconds if event is not None and event.seconds > 0 else 0.0,
            state="paused" if steered.paused else "done" if complete else "rendering",
            message="",
            complete=complete,
            exact=exact and alike,
            step=1,
            region=steered.region,
            rebuilt=self.rebuilt,
            flat=sent.flat,
            settings=steered.settings,
        )
        return complete and exact and alike

    def show_final(self, film: Film, wanted: Sequence[str]) -> None:
        """Show a film that is whole in the very numbers that a file would have."""
        layers, guides = film_layers(film, wanted), film_layers(film, GUIDES)
        _freeze(*layers.values(), *guides.values())
        self._desk.say(layers=layers, guides=guides, counts=film.counts, number=self._desk.frame.number + 1)


def _done(event: Pictured | None, share: Share | None) -> bool:
    """Whether this machine has rendered its samples: those that are its by now, not when the picture was made."""
    return event is not None and event.complete and (share is None or event.of == length(share.own))


def _freeze(*arrays: NDArray[np.generic]) -> None:
    for array in arrays:
        array.flags.writeable = False


def _nothing_shown(layout: Layout, wanted: Sequence[str]) -> Shown:
    """A picture without samples."""
    shape = layout.shapes()["counts"][1]

    def blank(layers: Sequence[str]) -> Layers:
        widths = {name: sum(map(live_layers.width_of, live_layers.channels_of(name))) or 1 for name in layers}
        return {name: np.zeros((*shape, width), np.float32) for name, width in widths.items()}

    wanted, guides = live_layers.shown(wanted, layout), live_layers.shown(GUIDES, layout)
    return Shown(blank(wanted), blank(guides), np.zeros(shape, np.int32), None)


def _covered(layers: Layers, before: Layers, counts: NDArray[np.int32], crop: Crop, region: Crop) -> Layers:
    """Layers with what was shown before outside the region, where this film has no samples."""
    outside = counts == 0
    x0, y0, x1, y1 = region
    outside[max(y0 - crop[1], 0) : max(y1 - crop[1], 0), max(x0 - crop[0], 0) : max(x1 - crop[0], 0)] = False
    for name, layer in layers.items():
        old = before.get(name)
        if old is not None and old.shape == layer.shape:
            layer[outside] = old[outside]
        else:
            layer[outside] = 0.0
    return layers
