"""The thread of the live render: it brings the worker to what is wished for, and its pictures to the desk.

It waits on one queue, into which the worker's words and the caller's wishes go alike, and after each of them compares
what is wished for with what the worker was told. A newer scene is sent when something of the last one was shown, so a
drag always shows pictures however fast its edits come; whatever came in between is never sent. A worker that dies is
replaced once; it is forgiven when its successor has shown a whole sample.

| part | file |
|---|---|
| wishes, and the desk | `live_wish` |
| what the two processes share | `live_memory` |
| who renders what | `live_share`, `live_deal` |
| what is shown | `live_showing` |
"""

from __future__ import annotations

import os
import traceback

from studio.errors import StudioError
from studio.render import live_layers
from studio.render.device import cache_folder, candidates
from studio.render.film import Film
from studio.render.live_deal import Deal
from studio.render.live_frame import LiveFrame
from studio.render.live_lamps import lamp_names
from studio.render.live_memory import PictureMemory, Takes
from studio.render.live_share import Anew, Came, Range
from studio.render.live_showing import Showing
from studio.render.live_wish import GUIDES, Desk, FilmTaken, Wish
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
    Taken,
    Warm,
    Watch,
    Watching,
)
from studio.render.session import fault_of, layout_of
from studio.render.transfer import Block, ScenePacker
from studio.scene.flat import FlatScene

_PATIENCE_S = 12.0  # with a worker that keeps its kernels for the next time


class Hand:
    """The thread's side: the worker, and what it was told."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._worker: WorkerProcess | None = None
        self._turn = 0  # counts workers: words of one that ended are not listened to
        self._deaths = 0
        self._failed: tuple[int, str, int] | None = None  # the wish that failed: tries, device, generation (-1: any)
        self._deal = Deal()
        self._takes = Takes()
        self._memory = PictureMemory()
        self._forget_worker()

    def _forget_worker(self) -> None:
        self._warm = False
        self._device_asked = ""
        self._packer = ScenePacker()
        self._sent_flat: FlatScene | None = None
        self._sent: Wish | None = None  # the wish of the scene at work
        self._steered: Wish | None = None
        self._steered_own: tuple[Range, ...] = ()
        self._steered_claim = 0
        self._busy = False  # a scene was sent and nothing of it shown yet
        self._parcel: Block | None = None
        self._showing = Showing(self._desk)

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
                elif turn == 0 and isinstance(word, Anew):
                    self._renew(word)
                elif turn == 0 and word is not None:
                    self._take(word)
                elif turn == self._turn and turn:
                    self._hear(word)
                if self._desk.inbox.empty():
                    self._act(self._desk.wish)
                    self._offer(self._desk.wish)
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
        if self._failed is not None and self._failed != wish.attempt(any_scene=self._failed[2] < 0):
            self._failed, self._deaths = None, 0
        if self._worker is not None and (wish.held or wish.device != self._device_asked):
            self._drop()
            if wish.held:
                self._desk.say(state="paused", message="Stopped. The device is free; resume to go on.")
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
            self._desk.say(state="starting", message="Starting the renderer.")
        self._worker.send(Start(backends, threads, str(cache_folder()), every_aov=True, live=True))

    def _direct(self, wish: Wish) -> None:
        """Send a newer scene when the last one has shown something, else what can change on the way."""
        sent = self._sent
        if sent is None or self._deal.another(sent, wish):
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
        channels = wish.channels(layout)
        self._deal.begin(wish)
        self._sent, self._steered, self._busy = wish, wish, True
        self._steered_own = self._deal.own
        if self._sent_flat is not wish.flat:
            message, block = self._packer.pack(wish.flat, "current")
            self._unlink_parcel()
            self._parcel, self._sent_flat = block, wish.flat
            self._desk.say(generation=wish.generation, state="building", message="")
            self._worker.send(message)
        self._showing.begin(layout, wish.region)
        pictures = self._memory.take(layout, channels)
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
                look=self._deal.look,
            )
        )

    def _steer(self, wish: Wish) -> None:
        """Tell the worker what needs no new film."""
        before, layout = self._steered, self._memory.layout
        assert self._worker is not None and self._sent is not None and layout is not None
        assert before is not None and before.settings is not None and wish.settings is not None
        if self._deal.change(wish, self._showing.own.begun if self._showing.own is not None else 0):
            self._send(wish)
            return
        told = ("region", "paused", "interacting", "wanted")
        own, claims = self._deal.own, self._deal.claims
        same = all(getattr(before, name) == getattr(wish, name) for name in told)
        same = same and (own, claims) == (self._steered_own, self._steered_claim)
        self._steered, self._steered_own, self._steered_claim = wish, own, claims
        if wish.generation != before.generation:
            self._showing.follow(wish)
        if same and before.settings.samples == wish.settings.samples:
            return
        if wish.region != before.region:
            self._showing.narrow(wish.region)
        channels = wish.channels(layout)
        pictures = self._memory.take(layout, channels)
        self._worker.send(
            Steer(
                channels,
                pictures.ref,
                wish.settings.samples,
                wish.region,
                wish.paused,
                wish.interacting,
                own,
                claims,
            )
        )
        if wish.paused != before.paused:
            self._desk.say(state="paused" if wish.paused else "rendering", message="")

    # --- what the worker says ----------------------------------------------------------------------------------------
    def _hear(self, event: Event | _Ended) -> None:
        match event:
            case _Ended():
                raise WorkerGone
            case Ready():
                self._desk.device_class = event.device_class
                self._desk.say(device=event.device)
            case Compiling():
                step = f"{event.step + 1} of {event.steps}: {event.what}"
                self._desk.say(state="compiling", message=f"Compiling the renderer, {step}.", unless="restarting")
            case Warm():
                self._warm = True
                self._desk.say(state="idle" if self._desk.wish.flat is None else "building", message="")
            case Loaded():
                self._unlink_parcel()
                self._showing.rebuilt = event.rebuilt
            case Learning():
                self._desk.say(message="Learning where each light matters.")
            case Watching():
                pass  # its first picture says all
            case Pictured():
                self._pictured(event)
            case Taken():
                self._takes.came(event, self._desk.frame)
            case Failed():
                self._worker_failed(event)

    def _pictured(self, event: Pictured) -> None:
        sent, steered, layout = self._sent, self._steered, self._memory.layout
        if (
            sent is None
            or steered is None
            or (event.generation, event.channels)
            != (
                sent.generation,
                self._memory.channels,
            )
        ):
            self._seen(event.number)
            return  # a picture of other layers than are wanted by now
        assert layout is not None
        picture, counts = self._memory.read()
        self._busy = False
        if not counts.any():  # paused before the first sample, or a region beside the picture
            self._seen(event.number)
            self._desk.say(generation=steered.generation, state="paused" if steered.paused else "done", message="")
            return
        counts = counts.copy()
        layers = live_layers.split(picture, counts, self._memory.channels, steered.wanted)
        guides = live_layers.split(picture, counts, self._memory.channels, GUIDES)
        self._seen(event.number)
        self._showing.take(layers, guides, counts, event, layout, steered)
        if event.step == 1:
            self._deaths = 0
        if not self._deal.confirmed(event.claim, int(counts.max(initial=0))):
            self._steer(steered)
        self._show()

    def _show(self) -> None:
        """Show the film at work as it is by now."""
        sent, steered, layout, share = self._sent, self._steered, self._memory.layout, self._deal.share
        if sent is None or steered is None or layout is None or not self._showing.show(share, sent, steered, layout):
            return

        def whole(film: Film | None, frame: LiveFrame) -> None:
            if film is not None and share is self._deal.share and self._steered is not None and frame.complete:
                self._showing.show_final(film, self._steered.wanted)

        self._take(whole)

    def _seen(self, number: int) -> None:
        if self._worker is not None:
            self._worker.send(Seen(number))

    # --- what comes from elsewhere -----------------------------------------------------------------------------------
    def _offer(self, wish: Wish) -> None:
        """Offer what is lent of the film at work."""
        self._deal.offer(self._sent, self._desk, idle=wish.paused or wish.held or self._failed is not None)

    def _came(self, came: Came) -> None:
        share, sent, layout = self._deal.share, self._sent, self._memory.layout
        if share is None or sent is None or layout is None or came.generation != sent.generation:
            return  # it is of a scene that nobody looks at any more
        if share.take(came, layout):
            self._show()

    def _renew(self, news: Anew) -> None:
        """What came is forgotten, and comes again as far as it counts; or it has."""
        share = self._deal.share
        if share is None or not self._deal.is_of(news.generation):
            return
        if news.begun:
            share.forget()
            if self._steered is not None:
                self._desk.say(complete=False, state="paused" if self._steered.paused else "rendering")
        else:
            share.came_again()
            self._show()

    def _take(self, done: FilmTaken) -> None:
        share, layout = self._deal.share, self._memory.layout
        if share is not None and share.look:
            film = None
            if share.film is not None:
                film = Film.of(share.film.layout)
                share.film.merge_into(film)
                film.settle()
            done(film, self._desk.frame)
            return
        if self._worker is None or self._sent is None or layout is None or self._busy:
            done(None, self._desk.frame)
            return
        self._takes.ask(self._worker.send, layout, done, share, self._sent.generation)

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
        self._desk.say(state="restarting", message=f"The renderer ended ({words}); it is being started again.")
        self._desk.wake()

    def _fail(self, sentence: str, *, any_scene: bool = False) -> None:
        """Say what is wrong and wait until the artist asks again, or changes the scene unless it was `any_scene`."""
        self._failed = self._desk.wish.attempt(any_scene=any_scene)
        self._busy = False
        self._desk.say(generation=self._desk.wish.generation, state="failed", message=sentence)

    # --- the end of a worker -----------------------------------------------------------------------------------------
    def _unlink_parcel(self) -> None:
        if self._parcel is not None:
            self._parcel.unlink()
            self._parcel = None

    def _drop(self, *, patience_s: float = 0.0) -> None:
        """End the worker, its shared memory, and whoever waits for a film of it."""
        if self._worker is not None:
            self._worker.close(patience_s=patience_s)
            self._worker = None
        self._desk.worker_pid = 0
        self._unlink_parcel()
        self._memory.remove()
        self._forget_worker()
        self._takes.give_up(self._desk.frame)


class _Ended:
    """The end of a worker's words."""
