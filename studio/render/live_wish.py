"""What is wished for of a live render, and the desk between the caller, who wishes, and the thread that carries out."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from studio.render import live_layers
from studio.render.film import Film, Layout, check_aovs
from studio.render.live_frame import LiveFrame
from studio.render.live_share import Lending, Offer, Offered
from studio.render.session import film_aovs
from studio.render.settings import RenderSettings

GUIDES = ("albedo", "normal")  # what the denoiser wants; a film has them at no cost that could be measured
FilmTaken = Callable[[Film | None, LiveFrame], None]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller wants. The thread brings the worker there."""

    device: str
    threads: int
    generation: int = 0
    flat: Any = None
    settings: RenderSettings | None = None
    region: Any = None
    wanted: tuple[str, ...] = ("beauty",)
    paused: bool = False
    interacting: bool = False
    warm: bool = False
    held: bool = False  # by `stop`
    tries: int = 0
    lending: Lending = ""
    share: float = 0.5  # of the samples of a film that this machine renders itself, while it lends

    @property
    def lends(self) -> Lending:
        """What is lent now: a region is rendered by this machine alone."""
        return self.lending if self.region is None and self.settings is not None and self.settings.samples > 1 else ""

    def film_settings(self) -> RenderSettings:
        """The settings with the AOVs that the layers and the denoiser need, as the film has them."""
        assert self.settings is not None
        more = live_layers.aovs_for(self.wanted) + GUIDES
        aovs = check_aovs((*film_aovs(self.settings), *more))
        quick = [name for name in aovs if name not in ("crypto_object", "crypto_material")]
        matte = [name for name in aovs if name not in quick]
        return msgspec.structs.replace(
            self.settings, aovs=(*quick, *matte), light_groups=False, cryptomatte=False, error=0.0, time_limit_s=0.0
        )

    def channels(self, layout: Layout) -> tuple[str, ...]:
        """Channels of the wanted layers and of the denoiser's guides, as far as a film has them."""
        layers = live_layers.shown((*self.wanted, *GUIDES), layout)
        return tuple(dict.fromkeys(name for layer in layers for name in live_layers.channels_of(layer)))

    def another_picture(self, wish: Wish) -> bool:
        """Whether another wish needs another film than this one."""
        assert self.settings is not None and wish.settings is not None
        if self.flat is not wish.flat:
            return True
        # the guides and layers that a film has beyond what is wanted do no harm
        mine, theirs = self.film_settings(), wish.film_settings()
        fewer = set(theirs.aovs) <= set(mine.aovs)
        even = msgspec.structs.replace(theirs, samples=mine.samples, aovs=mine.aovs if fewer else theirs.aovs)
        return mine != even

    def attempt(self, *, any_scene: bool) -> tuple[int, str, int]:
        """What has to differ before something that failed is tried again."""
        return self.tries, self.device, -1 if any_scene else self.generation


class Desk:
    """What the caller and the thread share: wishes one way, frames the other. `inbox` also takes the worker's words,
    with the number of the worker; 0 is the caller's."""

    def __init__(self, wish: Wish, notify: Callable[[], None]) -> None:
        self.notify = notify
        self.lock = threading.Lock()  # of `wish`, which callers replace
        self.wish = wish
        self.frame = LiveFrame(0)
        self.inbox: queue.Queue[tuple[int, Any]] = queue.Queue()
        self.closed = threading.Event()
        self.worker_pid = 0
        self.device_class = ""
        self.lent_generation = 0  # of the film to which others add; 0: to none
        self.offered: Offered = _unheard

    def change(self, **wishes: Any) -> None:
        """Wish for something else."""
        with self.lock:
            self.wish = msgspec.structs.replace(self.wish, **wishes)
        self.wake()

    def wake(self) -> None:
        """Have the thread look at the wishes."""
        self.inbox.put((0, None))

    def say(self, *, unless: str = "", **changes: Any) -> None:
        """Another frame, with these changes; none where its state is `unless`."""
        frame = self.frame
        if unless and frame.state == unless:
            return
        self.frame = frame.having(**changes)
        self.notify()


def _unheard(offer: Offer | None) -> None:
    return
