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
import traceback
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import StudioError
from studio.render import live_layers
from studio.render.device import cache_folder, candidates
from studio.render.film import Crop, Film, Layout, check_aovs
from studio.render.live_frame import LiveFrame
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
        self._forget_worker()

    def _forget_worker(self) -> None:
        self._warm = False
        self._device_asked = ""
        self._packer = ScenePacker()
        self._sent_flat: FlatScene | None = None
        self._sent: Wish | None = None  # the wish of the scene at work
        self._steered: Wish | None = None
        self._busy = False  # a scene was sent and nothing of it shown yet
        self._layout: Layout | None = None
        self._channels: tuple[str, ...] = ()
        self._pictures: Block | None = None
        self._outdated: list[Block] = []  # of pictures, until a newer one was used
        self._parcel: Block | None = None
        self._takes: dict[int, tuple[Block, FilmTaken]] = {}
        self._rebuilt: tuple[str, ...] = ()
        self._cover: dict[str, NDArray[np.float32]] = {}

    # --- the loop ----------------------------------------------------------------------------------------------------
    def work(self) -> None:
        """Until the view is closed."""
        while True:
            turn, word = self._desk.inbox.get()
            if self._desk.closed.is_set():
                break
            try:
                if turn == 0 and word is not None:
                    self._take(word)
                elif turn == self._turn and turn:
                    self._hear(word)
                if self._desk.inbox.empty():
                    self._act(self._desk.wish)
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
        if sent is None or _another_picture(sent, wish):
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
        self._sent, self._steered, self._busy = wish, wish, True
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
            )
        )

    def _steer(self, wish: Wish) -> None:
        """Tell the worker what needs no new film."""
        before = self._steered
        assert self._worker is not None and self._sent is not None and self._layout is not None
        assert before is not None and before.settings is not None and wish.settings is not None
        told = ("region", "paused", "interacting", "wanted")
        same = all(getattr(before, name) == getattr(wish, name) for name in told)
        self._steered = wish
        if wish.generation != before.generation:
            self._follow(wish)
        if same and before.settings.samples == wish.settings.samples:
            return
        if wish.region != before.region:
            self._cover = dict(self._desk.frame.layers) if wish.region is not None else {}
        channels = _channels(wish, self._layout)
        pictures = self._picture_block(self._layout, channels)
        self._worker.send(
            Steer(channels, pictures.ref, wish.settings.samples, wish.region, wish.paused, wish.interacting)
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
        rate = event.samples / event.seconds if event.seconds > 0 else 0.0
        state = "paused" if steered.paused else "done" if event.complete else "rendering"
        self._say(
            generation=steered.generation,
            shows=steered.generation,
            number=self._desk.frame.number + 1,
            layers=layers,
            guides=guides,
            counts=counts,
            samples=event.samples,
            of=event.of,
            seconds=event.seconds,
            eta=(event.of - event.samples) / rate if rate > 0 else 0.0,
            rays=event.rays,
            rays_per_second=event.rays / event.seconds if event.seconds > 0 else 0.0,
            state=state,
            message="",
            complete=event.complete,
            exact=event.exact,
            step=event.step,
            region=steered.region,
            rebuilt=self._rebuilt,
            flat=sent.flat,
            settings=steered.settings,
        )

    def _seen(self, number: int) -> None:
        if self._worker is not None:
            self._worker.send(Seen(number))

    def _take(self, done: FilmTaken) -> None:
        if self._worker is None or self._layout is None or self._busy:
            done(None, self._desk.frame)
            return
        block = Block.create(self._layout.nbytes)
        number = max(self._takes, default=0) + 1
        self._takes[number] = (block, done)
        self._worker.send(Take(number, block.ref))

    def _taken(self, event: Taken) -> None:
        block, done = self._takes.pop(event.number)
        block.unlink()
        film = None
        if event.layout is not None:
            film = Film.of(event.layout)
            Film.over(film_buffers(block, event.layout), event.layout).merge_into(film)
            film.settle()
        done(film, self._desk.frame)

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
        for block, done in takes:
            block.unlink()
            done(None, self._desk.frame)


class _Ended:
    """The end of a worker's words."""


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
