"""The thread of the live render: it brings the worker to what is wished for, and its pictures to the desk.

It waits on one queue, into which the worker's words and the caller's wishes go alike, and after each of them compares
what is wished for with what the worker was told. A newer scene is sent when something of the last one was shown, so a
drag always shows pictures however fast its edits come; whatever came in between is never sent. A worker that dies is
replaced once; it is forgiven when its successor has shown a whole sample.
"""

from __future__ import annotations

import os
import queue
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import StudioError
from studio.render import live_layers
from studio.render.device import cache_folder, candidates
from studio.render.film import Crop, Film, Layout, check_aovs
from studio.render.live_frame import LiveFrame
from studio.render.live_share import Came, Lending, Offer, Offered, Share, film_layers
from studio.render.live_worker import picture_bytes, picture_in
from studio.render.process import WorkerGone, WorkerProcess
from studio.render.protocol import (
    Compiling,
    Event,
    Failed,
    Learning,
    Loaded,
    Pictured,
    Ready,
    Seen,
    Start,
    Steer,
    Take,
    Taken,
    Warm,
    Watch,
    Watching,
)
from studio.render.session import fault_of, film_aovs, layout_of
from studio.render.settings import RenderSettings
from studio.render.transfer import Block, ScenePacker, film_buffers
from studio.scene.flat import FlatScene
from studio.scene.placement import light_ids

GUIDES = ("albedo", "normal")  # what the denoiser wants; a film has them at no cost that could be measured
_PATIENCE_S = 12.0  # with a worker that keeps its kernels for the next time
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
        self.lent_generation = 0  # of the film of which samples are lent; 0: of none
        self.offered: Offered = lambda offer: None

    def change(self, **wishes: Any) -> None:
        """Wish for something else."""
        with self.lock:
            self.wish = msgspec.structs.replace(self.wish, **wishes)
        self.wake()

    def wake(self) -> None:
        """Have the thread look at the wishes."""
        self.inbox.put((0, None))


class Hand:
    """The thread's side: the worker, and what it was told."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._worker: WorkerProcess | None = None
        self._turn = 0  # counts workers: words of one that ended are not listened to
        self._deaths = 0
        self._failed: tuple[int, str, int] | None = None  # the wish that failed: tries, device, generation (-1: any)
        self._share: Share | None = None  # who renders what of the film of
        self._share_of: Wish | None = None
        self._offer: Offer | None = None
        self._offered: tuple[tuple[int, int], ...] = ()  # what was lent when it was made
        self._begun = time.monotonic()  # when the film of now began
        self._claims = 0  # how often samples of this machine were lent in the middle of a film
        self._forget_worker()

    def _forget_worker(self) -> None:
        self._warm = False
        self._device_asked = ""
        self._packer = ScenePacker()
        self._sent_flat: FlatScene | None = None
        self._sent: Wish | None = None  # the wish of the scene at work
        self._steered: Wish | None = None
        self._steered_own: tuple[tuple[int, int], ...] = ()
        self._steered_claim = 0
        self._busy = False  # a scene was sent and nothing of it shown yet
        self._layout: Layout | None = None
        self._channels: tuple[str, ...] = ()
        self._pictures: Block | None = None
        self._outdated: list[Block] = []  # of pictures, until a newer one was used
        self._parcel: Block | None = None
        self._takes: dict[int, _Taking] = {}
        self._rebuilt: tuple[str, ...] = ()
        self._cover: dict[str, NDArray[np.float32]] = {}
        self._shown: _Shown | None = None

    # --- the loop ----------------------------------------------------------------------------------------------------
    def work(self) -> None:
        """Until the view is closed."""
        while True:
            turn, word = self._desk.inbox.get()
            if self._desk.closed.is_set():
                break
            try:
                if turn == 0 and isinstance(word, Came):
                    self._came(word)
                elif turn == 0 and word is not None:
                    self._take(word)
                elif turn == self._turn and turn:
                    self._hear(word)
                if self._desk.inbox.empty():
                    self._act(self._desk.wish)
                    self._make_offer(self._desk.wish)
            except WorkerGone:
                self._died()
            except StudioError as fault:
                self._fail(str(fault))
            except Exception as fault:  # of ours: said to the artist with what we need to mend it
                self._drop()
                where = traceback.extract_tb(fault.__traceback__)[-1]
                place = f"{type(fault).__name__} in {where.name}, line {where.lineno}: {fault}"
                self._fail(f"The live render failed ({place}); start it again, and report this.")
        self._drop(patience_s=_PATIENCE_S if self._warm else 0.0)

    def _act(self, wish: Wish) -> None:
        """Bring the worker towards a wish."""
        if self._failed is not None and self._failed != _attempt(wish, any_scene=self._failed[2] < 0):
            self._failed, self._deaths = None, 0
        if self._worker is not None and (wish.held or wish.device != self._device_asked):
            self._drop()
            if wish.held:
                self._say(state="paused", message="Stopped. The device is free; resume to go on.")
        if wish.held or self._failed is not None or (wish.flat is None and not wish.warm):
            return
        if self._worker is None:
            self._start(wish)
        elif self._warm and wish.flat is not None:
            self._direct(wish)

    def _start(self, wish: Wish) -> None:
        restarting = self._desk.frame.state == "restarting"
        backends = candidates(wish.device)
        threads = wish.threads
        if not threads and backends == ("cpu",) and (os.cpu_count() or 1) > 2:
            threads = (os.cpu_count() or 1) - 1
        self._turn += 1
        turn, inbox = self._turn, self._desk.inbox
        self._worker = WorkerProcess(heard=lambda event: inbox.put((turn, event or _Ended())))
        self._device_asked = wish.device
        self._desk.worker_pid = self._worker.process.pid
        if not restarting:
            self._say(state="starting", message="Starting the renderer.")
        self._worker.send(Start(backends, threads, str(cache_folder()), every_aov=True, live=True))

    def _direct(self, wish: Wish) -> None:
        """Send a newer scene when the last one has shown something, else what can change on the way."""
        sent = self._sent
        if sent is None or self._another(sent, wish):
            if wish.paused and sent is not None:
                self._steer(wish)
            elif not self._busy:
                self._send(wish)
        elif not self._busy:
            self._steer(wish)

    def _send(self, wish: Wish) -> None:
        assert self._worker is not None and wish.settings is not None
        settings = wish.film_settings()
        layout = layout_of(wish.flat, settings)
        channels = _channels(wish, layout)
        self._divide(wish)
        self._sent, self._steered, self._busy, self._shown = wish, wish, True, None
        self._begun = time.monotonic()
        self._steered_own = self._share.own if self._share is not None else ()
        if self._sent_flat is not wish.flat:
            message, block = self._packer.pack(wish.flat, "current")
            self._unlink_parcel()
            self._parcel, self._sent_flat = block, wish.flat
            self._say(generation=wish.generation, state="building", message="")
            self._worker.send(message)
        frame = self._desk.frame
        same_size = frame.counts is not None and frame.counts.shape == layout.shapes()["counts"][1]
        self._cover = dict(frame.layers) if same_size and wish.region is not None else {}
        pictures = self._picture_block(layout, channels)
        self._worker.send(
            Watch(
                wish.generation,
                layout,
                settings,
                channels,
                lamp_names(wish.flat),
                pictures.ref,
                region=wish.region,
                paused=wish.paused,
                interacting=wish.interacting,
                own=self._steered_own,
                look=self._share is not None and self._share.look,
            )
        )

    def _divide(self, wish: Wish) -> None:
        """Who renders which samples of the film that begins. One that begins again keeps what came for it."""
        assert wish.settings is not None
        share, before = self._share, self._share_of
        if share is not None and before is not None and not self._another(before, wish):
            share.claiming = False  # another worker has begun nothing
        elif wish.lends:
            total = wish.settings.samples
            self._share = Share(total, wish.lends, min(round(total * wish.share), total - 1))
        else:
            self._share = None
        self._share_of = wish

    def _another(self, sent: Wish, wish: Wish) -> bool:
        """Whether a wish needs another film than that of an earlier one."""
        assert sent.settings is not None and wish.settings is not None
        if self._share is not None and sent.settings.samples != wish.settings.samples:
            return True  # the samples are dealt out, and would have to be dealt anew
        return _another_picture(sent, wish)

    def _redivide(self, wish: Wish) -> bool:
        """Lend, or take back, in the middle of a film; whether that needs a film of its own."""
        share, lends = self._share, wish.lends
        assert self._sent is not None and wish.settings is not None
        mode = share.mode if share is not None else ""
        if lends == mode:
            return False
        if share is not None and not lends:
            look = share.look
            share.withdraw()
            return look
        if share is not None and mode:  # from one way of lending to another
            self._share = None
            return True
        counts = self._shown.counts if self._shown is not None else None
        begun = int(counts.max(initial=0)) if counts is not None else 0
        if not begun and lends == "all":
            self._share = None
            return True
        self._share = share or Share(wish.settings.samples, "share", wish.settings.samples)
        self._share.claim(lends, begun, wish.share)
        self._claims += 1
        return False

    def _steer(self, wish: Wish) -> None:
        """Tell the worker what needs no new film."""
        before = self._steered
        assert self._worker is not None and self._sent is not None and self._layout is not None
        assert before is not None and before.settings is not None and wish.settings is not None
        if self._redivide(wish):
            self._send(wish)
            return
        told = ("region", "paused", "interacting", "wanted")
        own = self._share.own if self._share is not None else ()
        same = all(getattr(before, name) == getattr(wish, name) for name in told)
        same = same and (own, self._claims) == (self._steered_own, self._steered_claim)
        self._steered, self._steered_own, self._steered_claim = wish, own, self._claims
        if wish.generation != before.generation:
            self._follow(wish)
        if same and before.settings.samples == wish.settings.samples:
            return
        if wish.region != before.region:
            self._cover = dict(self._desk.frame.layers) if wish.region is not None else {}
        channels = _channels(wish, self._layout)
        pictures = self._picture_block(self._layout, channels)
        self._worker.send(
            Steer(
                channels,
                pictures.ref,
                wish.settings.samples,
                wish.region,
                wish.paused,
                wish.interacting,
                own,
                self._claims,
            )
        )
        if wish.paused != before.paused:
            self._say(state="paused" if wish.paused else "rendering", message="")

    def _follow(self, wish: Wish) -> None:
        """The picture at work is also that of a newer `show`."""
        assert wish.settings is not None
        samples, frame = wish.settings.samples, self._desk.frame
        complete = frame.samples >= samples
        state = "paused" if wish.paused else "done" if complete else "rendering"
        generation, settings = wish.generation, wish.settings
        self._say(
            generation=generation, shows=generation, settings=settings, of=samples, complete=complete, state=state
        )

    def _picture_block(self, layout: Layout, channels: tuple[str, ...]) -> Block:
        if self._pictures is None or layout != self._layout or channels != self._channels:
            if self._pictures is not None:  # which the worker may not have met yet
                self._outdated.append(self._pictures)
            self._pictures = Block.create(picture_bytes(layout, channels))
        self._layout, self._channels = layout, channels
        return self._pictures

    # --- what the worker says ----------------------------------------------------------------------------------------
    def _hear(self, event: Event | _Ended) -> None:
        match event:
            case _Ended():
                raise WorkerGone
            case Ready():
                self._desk.device_class = event.device_class
                self._say(device=event.device)
            case Compiling():
                step = f"{event.step + 1} of {event.steps}: {event.what}"
                self._say(state="compiling", message=f"Compiling the renderer, {step}.", unless="restarting")
            case Warm():
                self._warm = True
                self._say(state="idle" if self._desk.wish.flat is None else "building", message="")
            case Loaded():
                self._unlink_parcel()
                self._rebuilt = event.rebuilt
            case Learning():
                self._say(message="Learning where each light matters.")
            case Watching():
                pass  # its first picture says all
            case Pictured():
                self._pictured(event)
            case Taken():
                self._taken(event)
            case Failed():
                self._worker_failed(event)

    def _pictured(self, event: Pictured) -> None:
        sent, steered = self._sent, self._steered
        if sent is None or steered is None or event.generation != sent.generation or event.channels != self._channels:
            self._seen(event.number)
            return  # a picture of other layers than are wanted by now
        assert self._layout is not None and self._pictures is not None
        self._unlink(self._outdated)
        picture, counts = picture_in(self._pictures, self._layout.shapes()["counts"][1], self._channels)
        self._busy = False
        if not counts.any():  # paused before the first sample, or a region beside the picture
            self._seen(event.number)
            self._say(generation=steered.generation, state="paused" if steered.paused else "done", message="")
            return
        counts = counts.copy()
        layers = live_layers.split(picture, counts, self._channels, steered.wanted)
        guides = live_layers.split(picture, counts, self._channels, GUIDES)
        self._seen(event.number)
        if steered.region is not None:
            layers = _covered(layers, self._cover, counts, self._layout.crop, steered.region)
        for array in (*layers.values(), *guides.values(), counts):
            array.flags.writeable = False
        if event.step == 1:
            self._deaths = 0
        self._shown = _Shown(layers, guides, counts, event)
        claimed = self._share is not None and self._share.claiming and event.claim == self._claims
        if claimed and self._share is not None and not self._share.confirm(int(counts.max(initial=0))):
            self._claims += 1
            self._steer(steered)
        if self._share is not None and self._share.film is not None:
            self._show_joined(self._share)
            return
        rate = event.samples / event.seconds if event.seconds > 0 else 0.0
        complete = event.complete and (self._share is None or not self._share.missing)
        of = event.of if self._share is None else self._share.total
        state = "paused" if steered.paused else "done" if complete else "rendering"
        self._say(
            generation=steered.generation,
            shows=steered.generation,
            number=self._desk.frame.number + 1,
            layers=layers,
            guides=guides,
            counts=counts,
            samples=event.samples,
            borrowed=0,
            of=of,
            seconds=event.seconds,
            eta=(of - event.samples) / rate if rate > 0 else 0.0,
            rays=event.rays,
            rays_per_second=event.rays / event.seconds if event.seconds > 0 else 0.0,
            state=state,
            message="",
            complete=complete,
            exact=event.exact,
            step=event.step,
            region=steered.region,
            rebuilt=self._rebuilt,
            flat=sent.flat,
            settings=steered.settings,
        )

    # --- what comes from elsewhere -----------------------------------------------------------------------------------
    def _make_offer(self, wish: Wish) -> None:
        """Offer what is lent, as long as it is; the same offer is the same object."""
        share, sent, before = self._share, self._sent, self._offer
        idle = wish.paused or wish.held or self._failed is not None
        offer = None
        if share is not None and sent is not None and share.mode and not (share.claiming or idle):
            same = before is not None and before.generation == sent.generation and self._offered is share.lent
            missing = share.missing
            if same:
                offer = before
            elif missing:
                offer = Offer(sent.generation, sent.flat, sent.film_settings(), missing)
                self._offered = share.lent
        if offer is not before:
            self._offer = offer
            self._desk.lent_generation = offer.generation if offer is not None else 0
            self._desk.offered(offer)

    def _came(self, came: Came) -> None:
        share, sent = self._share, self._sent
        if share is None or sent is None or self._layout is None or came.generation != sent.generation:
            return  # it is of a scene that nobody looks at any more
        if share.take(came, self._layout):
            self._show_joined(share)

    def _show_joined(self, share: Share) -> None:
        """Show this machine's samples and those that came."""
        sent, steered = self._sent, self._steered
        assert sent is not None and steered is not None and self._layout is not None and share.film is not None
        mine = self._shown or _nothing_shown(self._layout, steered.wanted)
        event = mine.event
        layers = {name: share.joined(name, layer, mine.counts) for name, layer in mine.layers.items()}
        guides = {name: share.joined(name, layer, mine.counts) for name, layer in mine.guides.items()}
        counts = share.film.counts if share.look else mine.counts + share.film.counts
        own = event.samples if event is not None and not share.look else 0.0
        samples = own + share.count
        local_done = share.look or (event is not None and event.complete)
        complete = local_done and not share.missing
        exact = share.look or (event is not None and event.exact)
        alike = len(share.devices | (set() if share.look else {self._desk.device_class})) == 1
        seconds = time.monotonic() - self._begun
        for array in (*layers.values(), *guides.values()):
            array.flags.writeable = False
        self._say(
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
            rebuilt=self._rebuilt,
            flat=sent.flat,
            settings=steered.settings,
        )
        if complete and exact and alike:
            self._take(lambda film, frame: self._show_final(film, share))

    def _show_final(self, film: Film | None, share: Share) -> None:
        """A film that is whole is shown in the very numbers that a file would have."""
        if film is None or share is not self._share or self._steered is None or not self._desk.frame.complete:
            return
        layers, guides = film_layers(film, self._steered.wanted), film_layers(film, GUIDES)
        for array in (*layers.values(), *guides.values()):
            array.flags.writeable = False
        self._say(layers=layers, guides=guides, counts=film.counts, number=self._desk.frame.number + 1)

    def _seen(self, number: int) -> None:
        if self._worker is not None:
            self._worker.send(Seen(number))

    def _take(self, done: FilmTaken) -> None:
        share = self._share
        if share is not None and share.look:
            film = None
            if share.film is not None:
                film = Film.of(share.film.layout)
                share.film.merge_into(film)
                film.settle()
            done(film, self._desk.frame)
            return
        if self._worker is None or self._layout is None or self._busy:
            done(None, self._desk.frame)
            return
        block = Block.create(self._layout.nbytes)
        number = max(self._takes, default=0) + 1
        self._takes[number] = _Taking(block, done, share, self._sent.generation if self._sent is not None else 0)
        self._worker.send(Take(number, block.ref))

    def _taken(self, event: Taken) -> None:
        taking = self._takes.pop(event.number)
        block, share = taking.block, taking.share
        block.unlink()
        film = None
        if event.layout is not None:
            film = Film.of(event.layout)
            Film.over(film_buffers(block, event.layout), event.layout).merge_into(film)
            if share is not None and share.film is not None and event.generation == taking.generation:
                share.film.merge_into(film)
            film.settle()
        taking.done(film, self._desk.frame)

    def _worker_failed(self, event: Failed) -> None:
        self._sent_flat = None  # whatever the worker has of it by now
        if not event.kind:  # nobody knows what state it is in
            self._drop()
        self._fail(str(fault_of(event)))

    def _died(self) -> None:
        worker = self._worker
        words = worker.last_words() if worker is not None else "it did not start"
        self._drop()
        self._deaths += 1
        if self._deaths > 1:
            self._fail(
                f"The renderer ended twice ({words}); choose another device or a smaller size, then start it again.",
                any_scene=True,
            )
            return
        self._say(state="restarting", message=f"The renderer ended ({words}); it is being started again.")
        self._desk.wake()

    def _fail(self, sentence: str, *, any_scene: bool = False) -> None:
        """Say what is wrong and wait until the artist asks again, or changes the scene unless it was `any_scene`."""
        self._failed = _attempt(self._desk.wish, any_scene=any_scene)
        self._busy = False
        self._say(generation=self._desk.wish.generation, state="failed", message=sentence)

    def _say(self, *, unless: str = "", **changes: Any) -> None:
        frame = self._desk.frame
        if unless and frame.state == unless:
            return
        self._desk.frame = frame.having(**changes)
        self._desk.notify()

    # --- the end of a worker -----------------------------------------------------------------------------------------
    def _unlink_parcel(self) -> None:
        if self._parcel is not None:
            self._parcel.unlink()
            self._parcel = None

    def _unlink(self, blocks: list[Block]) -> None:
        for block in blocks:
            block.unlink()
        blocks.clear()

    def _drop(self, *, patience_s: float = 0.0) -> None:
        """End the worker, its shared memory, and whoever waits for a film of it."""
        if self._worker is not None:
            self._worker.close(patience_s=patience_s)
            self._worker = None
        self._desk.worker_pid = 0
        self._unlink_parcel()
        self._unlink([*self._outdated, *([self._pictures] if self._pictures is not None else [])])
        takes = list(self._takes.values())
        self._forget_worker()
        for taking in takes:
            taking.block.unlink()
            taking.done(None, self._desk.frame)


class _Ended:
    """The end of a worker's words."""


@dataclass(frozen=True, slots=True, eq=False)
class _Taking:
    """A film that was asked of the worker: by then it may be at another one, dealt out anew, of the same scene."""

    block: Block
    done: FilmTaken
    share: Share | None
    generation: int


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """The last picture of this machine's own samples. Without `event` there is none yet."""

    layers: dict[str, NDArray[np.float32]]
    guides: dict[str, NDArray[np.float32]]
    counts: NDArray[np.int32]
    event: Pictured | None


def _nothing_shown(layout: Layout, wanted: Sequence[str]) -> _Shown:
    """A picture without samples."""
    shape = layout.shapes()["counts"][1]

    def blank(layers: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        widths = {name: sum(map(live_layers.width_of, live_layers.channels_of(name))) or 1 for name in layers}
        return {name: np.zeros((*shape, width), np.float32) for name, width in widths.items()}

    wanted, guides = live_layers.shown(wanted, layout), live_layers.shown(GUIDES, layout)
    return _Shown(blank(wanted), blank(guides), np.zeros(shape, np.int32), None)


def lamp_names(flat: FlatScene) -> tuple[str, ...]:
    """Who each row of lights is: the entity's id, with the part and the number of its instance for a mesh's."""
    count: dict[tuple[str, int], int] = {}
    out = []
    if flat.cache is None:  # a flat scene that was sent has only names
        ids = [flat.light_names[k] if 0 <= k < len(flat.light_names) else "" for k in flat.lights["entity"].tolist()]
    else:
        ids = light_ids(flat)
    for id_, part in zip(ids, flat.lights["part"].tolist(), strict=True):
        nth = count[id_, part] = count.get((id_, part), -1) + 1
        out.append(f"{id_}\n{part}\n{nth}")
    return tuple(out)


def _attempt(wish: Wish, *, any_scene: bool) -> tuple[int, str, int]:
    """What has to differ before something that failed is tried again."""
    return wish.tries, wish.device, -1 if any_scene else wish.generation


def _another_picture(sent: Wish, wish: Wish) -> bool:
    """Whether a wish needs another film than the one at work."""
    assert sent.settings is not None and wish.settings is not None
    if sent.flat is not wish.flat:
        return True
    # the guides and layers that a film has beyond what is wanted do no harm
    mine, theirs = sent.film_settings(), wish.film_settings()
    fewer = set(theirs.aovs) <= set(mine.aovs)
    even = msgspec.structs.replace(theirs, samples=mine.samples, aovs=mine.aovs if fewer else theirs.aovs)
    return mine != even


def _channels(wish: Wish, layout: Layout) -> tuple[str, ...]:
    """Channels of the wanted layers and of the denoiser's guides, as far as the film has them."""
    layers = live_layers.shown((*wish.wanted, *GUIDES), layout)
    return tuple(dict.fromkeys(name for layer in layers for name in live_layers.channels_of(layer)))


def _covered(
    layers: dict[str, NDArray[np.float32]],
    before: dict[str, NDArray[np.float32]],
    counts: NDArray[np.int32],
    crop: Crop,
    region: Crop,
) -> dict[str, NDArray[np.float32]]:
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
