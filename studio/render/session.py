"""A render session: the studio's side of the render worker.

The session starts the worker, sends it scenes and asks for samples in rounds that end at 16, 32, 64, ... samples; the
worker's film of each round is added to the session's. So the session always holds a film that is whole up to its last
round: a worker that dies costs that round and is replaced once, and whoever interrupts a render gets a film that can
be written, resumed and merged. Because films add up exactly, none of this shows in the picture.

Adaptive sampling is decided here at the end of each round (`studio.render.adaptive`), by the film alone, which hence
says where a render stands: its unfinished blocks are those with the most samples.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio import errors
from studio.errors import DeviceFault, OutOfDeviceMemory, StudioError
from studio.render.adaptive import noisy_blocks, per_pixel, round_end, round_start
from studio.render.device import DeviceInfo, cache_folder, candidates, system_memory
from studio.render.film import Array, Crop, Film, Layout, plan_layout, scene_exponent, scene_glare
from studio.render.layer_plan import LayerPlan, strips
from studio.render.process import WorkerGone, WorkerProcess
from studio.render.protocol import (
    Begin,
    Begun,
    Compiling,
    Develop,
    Developed,
    Event,
    Failed,
    Loaded,
    Progress,
    Ready,
    Render,
    Rendered,
    Start,
    Stop,
    Warm,
    Weigh,
    Weighed,
    crop_pixels,
)
from studio.render.settings import RenderSettings, shared_settings
from studio.render.transfer import Block, ScenePacker, film_buffers
from studio.scene.flat import FlatScene

INTERRUPTED, OUT_OF_TIME = "interrupted", "time"
_POLL_S = 0.05
_PATIENCE_S = 12.0  # with a worker that is to end by itself
_LARGEST_ARRAY = (1 << 31) - 1  # elements that a kernel can address
_COPIES = 3  # of a film: the device's, the block's and the session's

StopReason = Callable[[], str]  # "", INTERRUPTED or OUT_OF_TIME
E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class FrameProgress:
    """How far a frame is: samples a pixel of those wanted (fewer in finished blocks), and seconds since it began."""

    frame: float
    samples: float
    of: int
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class FrameResult:
    """A film and how it came to be. `stopped` is "" when it has everything that was asked for."""

    film: Film
    stopped: str
    seconds: dict[str, float]  # build, render
    rays: int
    peak_bytes: int
    device: DeviceInfo


class LayerSink(Protocol):
    """Who takes the layers of a frame, strip by strip from the top (`studio.render.layer_writer`)."""

    @property
    def plan(self) -> LayerPlan:
        """Which light is in which layer."""

    def holds(self, strip: Crop, film: Film) -> bool:
        """Whether the layers of a strip are there that belong to this film of it."""

    def take(self, strip: Crop, cell: Crop, halves: Array, floats: Array) -> None:
        """The layers of a cell of a strip, as `LayerPlan.carve` lays them out."""

    def strip_done(self, strip: Crop, film: Film) -> None:
        """All cells of a strip were taken; this is its film. The arrays of the strip before are not read any more
        once this returns."""


class _GivenUp(Exception):
    """The caller wants to stop while the worker is busy with something that cannot be cut short."""


def film_aovs(settings: RenderSettings) -> tuple[str, ...]:
    """AOVs of a render, with those that its switches for light groups and Cryptomatte stand for."""
    extra = ("lights",) if settings.light_groups else ()
    return settings.aovs + extra + (("crypto_object", "crypto_material") if settings.cryptomatte else ())


def layout_of(flat: FlatScene, settings: RenderSettings) -> Layout:
    """The layout of a frame's film; OutOfDeviceMemory for one that no machine like this one could hold."""
    glare = scene_glare(flat)
    layout = plan_layout(
        settings.width,
        settings.height,
        aovs=film_aovs(settings),
        light_groups=flat.light_groups,
        exponent=scene_exponent(flat.lights) - glare,
        glare=glare,
        crop=settings.crop,
    )
    needed, there = layout.nbytes * _COPIES, system_memory()
    largest = max(int(np.prod([float(n) for n in shape])) for _, shape in layout.shapes().values())
    size = f"{settings.width}x{settings.height} with {len(layout.channels)} channels"
    if largest > _LARGEST_ARRAY:
        raise OutOfDeviceMemory(f"a film of {size} is more than a device can address; render it in crops")
    if there and needed > there:
        need = f"{needed / 1e9:.1f} GB and this machine has {there / 1e9:.1f} GB"
        raise OutOfDeviceMemory(f"a film of {size} needs {need}; render smaller, in crops, or with fewer AOVs")
    return layout


class RenderSession:
    """A worker and what it is doing. Use it in a `with`, or close it.

    `device` is auto, cuda, metal, vulkan or cpu, `threads` limits the CPU's (0: all). `listener` hears the worker's
    `Ready`, `Compiling` and `Warm`. The worker starts at once, so that it imports and
    compiles while the caller loads; `every_aov` includes the kernels that a plain picture does without.
    Raises `UsageError` or `Unsupported` for a device that there is not.
    """

    def __init__(
        self,
        *,
        device: str = "auto",
        threads: int = 0,
        every_aov: bool = False,
        listener: Callable[[Event], None] | None = None,
    ) -> None:
        self._backends = candidates(device)
        self._threads = threads
        self._every_aov = every_aov
        self._listener = listener or (lambda event: None)
        self._ready: Ready | None = None
        self._renders = 0
        self._deaths = 0
        self.compile_seconds = 0.0
        self._start()

    def _start(self) -> None:
        self._worker = WorkerProcess()
        self._packer = ScenePacker()
        self._blocks: list[Block] = []
        self._warm = self._gone = False
        self._aimed: _Aim | None = None  # what the worker has loaded and learned the lights of
        self._worker.send(Start(self._backends, self._threads, str(cache_folder()), every_aov=self._every_aov))

    @property
    def worker_pid(self) -> int:
        """The process id of the worker."""
        return self._worker.process.pid

    @property
    def info(self) -> DeviceInfo:
        """The device; waits until the worker has it."""
        while self._ready is None:
            self._revived(lambda: self._wait(Ready, lambda: ""))
        return DeviceInfo(self._ready.backend, self._ready.device, self._ready.device_class)

    def warm_up(self) -> float:
        """Wait until all kernels are compiled; the seconds that it took."""
        while not self._warm:
            self._revived(lambda: self._wait(Warm, lambda: ""))
        return self.compile_seconds

    def render_frame(
        self,
        flat: FlatScene,
        settings: RenderSettings,
        *,
        following: FlatScene | None = None,
        film: Film | None = None,
        stop: StopReason = lambda: "",
        progress: Callable[[FrameProgress], None] = lambda progress: None,
        due: Callable[[], bool] = lambda: False,
        look: Callable[[Film], None] = lambda film: None,
        layers: LayerSink | None = None,
        only: NDArray[np.bool_] | None = None,
    ) -> FrameResult:
        """Render `settings.samples` samples of a frame, or go on with a `film` that has some of them.

        `following` is the next frame's flat scene, for motion vectors. `stop` is asked many times a second; when it
        gives a reason, the samples at work are finished and the result says it. Running out of time leaves at least
        one more sample than before, so that resuming always gets on. When `due` says so, the samples at work are
        finished, `look` gets the film as it is, and rendering goes on: nothing has to be prepared again.
        With `layers` the frame is made strip by strip, all samples of one and then the next; a strip counts when it is
        whole and its layers were taken, so `stop` gives up the one at work, and of `film` only those strips are kept
        whose layers are there. With `only`, (height, width) of the crop, those pixels get all samples and the others
        none: whoever sees more of the frame than this render has decided (`studio.farm.rounds`).
        Raises `DeviceFault` when the worker dies twice,
        `OutOfDeviceMemory`, or whatever `StudioError` the worker met.
        """
        layout = layout_of(flat, settings)
        work = _Frame(flat, following, settings, layout, film or Film.of(layout), stop, progress, due, only)
        if self._gone:
            self._start()
        info = self.info
        try:
            self._revived(lambda: self._render_frame(work, look, layers))
        except _GivenUp:
            work.stopped = work.stop()
            self._give_up()
        except BaseException:
            self._give_up()  # what the worker still has to say belongs to this frame, whatever cut it short
            raise
        work.film.settle()
        return FrameResult(work.film, work.stopped, work.seconds, work.rays, work.peak_bytes, info)

    def pick_shares(self) -> NDArray[np.float64]:
        """(sets, lights) The share of all light samples that each row of lights takes on surfaces of each set of
        receivers (`FlatScene.light_links`), as expected, of the frame rendered last."""
        try:
            self._worker.send(Weigh())
            return np.array(self._wait(Weighed, lambda: "").shares)
        except WorkerGone:
            self._give_up()
            raise DeviceFault("the render worker ended before it was asked about its lights; start again") from None

    def _revived(self, attempt: Callable[[], E]) -> E:
        """Do something with the worker; when it dies, with another, once."""
        while True:
            try:
                return attempt()
            except WorkerGone:
                self._deaths += 1
                words = self._worker.last_words()
                self._drop()
                if self._deaths > 1:
                    self._deaths = 0
                    raise DeviceFault(
                        f"the render worker ended twice ({words}); try --device cpu, or a smaller size"
                    ) from None
                self._start()

    def _render_frame(self, work: _Frame, look: Callable[[Film], None], layers: LayerSink | None) -> None:
        aim = _Aim(work.flat, work.following, shared_settings(work.settings)) if layers is None else None
        if aim is not None and self._aimed is not None and aim.same(self._aimed):
            self._render_crop(work, look, again=True)  # more samples, or another crop, of the frame begun last
            return
        self._aimed = None
        work.seconds["build"] += self._load(work.flat, "current", work.stop)
        if work.following is not None:
            work.seconds["build"] += self._load(work.following, "following", work.stop)
        if layers is None:
            self._render_crop(work, look)
            self._aimed = aim
        else:
            pages: list[Block] = []  # two take turns, as the layers of one strip are written while the next is made
            self._render_strips(work, look, layers, pages)
            for block in pages:
                self._blocks.remove(block)

    def _render_strips(self, work: _Frame, look: Callable[[Film], None], layers: LayerSink, pages: list[Block]) -> None:
        """A frame whose lights are kept apart: strip by strip, each cell of it a small frame of its own."""
        again, work.pixels = False, 0
        for strip, cells in strips(work.layout.crop, layers.plan.count):
            if layers.holds(strip, work.film.cut(strip)):
                work.pixels += _area(strip)
                continue
            if work.stop() == INTERRUPTED:
                work.stopped = INTERRUPTED
                return
            made = Film.of(msgspec.structs.replace(work.layout, crop=strip))
            for cell in cells:
                part = work.part(cell)
                self._render_crop(part, lambda film: None, layers.plan, again=again)
                again = True
                work.take(part)
                if work.stopped:
                    return
                part.film.merge_into(made)
                layers.take(strip, cell, *self._developed(pages, cell, layers.plan, work.stop))
                work.pixels += _area(cell)
            made.settle()
            layers.strip_done(strip, made)
            work.film.put(made)
            if work.due() and not work.stop():
                work.film.settle()
                look(work.film)

    def _developed(self, pages: list[Block], cell: Crop, plan: LayerPlan, stop: StopReason) -> tuple[Array, Array]:
        """The layers of the crop that was rendered last, the largest of the frame at first."""
        width, height = cell[2] - cell[0], cell[3] - cell[1]
        if len(pages) < 2:
            pages.append(self._share(Block.create(pages[0].ref.nbytes if pages else plan.nbytes(width, height))))
        else:
            pages.reverse()
        block = pages[-1]
        self._worker.send(Develop(block.ref))
        self._wait(Developed, stop)
        block.unlink()
        return plan.carve(memoryview(block.memory), width, height)

    def _render_crop(
        self, work: _Frame, look: Callable[[Film], None], layers: LayerPlan | None = None, *, again: bool = False
    ) -> None:
        """Rounds of samples of a film, until it is whole or there is a reason to stop."""
        block = self._share(Block.create(work.layout.nbytes))
        whole = msgspec.structs.replace(work.settings, aovs=film_aovs(work.settings))
        self._worker.send(Begin(work.layout, whole, block.ref, work.following is not None, layers, again))
        work.seconds["build"] += self._wait(Begun, work.stop).seconds
        block.unlink()
        delta = Film.over(film_buffers(block, work.layout), work.layout)
        begun = work.began = time.perf_counter()
        fresh = True
        while (plan := work.next_round()) is not None:
            reason = work.stop()
            if reason == INTERRUPTED or (reason and not fresh):
                work.stopped = reason
                break
            done = self._round(work, *plan)
            delta.merge_into(work.film)
            work.rays += done.rays
            work.peak_bytes = max(work.peak_bytes, done.peak_bytes)
            work.seconds["render"] += time.perf_counter() - begun
            fresh = False
            self._deaths = 0
            if work.due() and not work.stop():
                work.film.settle()
                look(work.film)
            begun = time.perf_counter()
        self._blocks.remove(block)

    def _load(self, flat: FlatScene, slot: str, stop: StopReason) -> float:
        """Bring a slot of the worker to a flat scene; the seconds that the worker took."""
        message, block = self._packer.pack(flat, slot)
        if block is not None:
            self._share(block)
        self._worker.send(message)
        loaded = self._wait(Loaded, stop)
        if block is not None:
            block.unlink()
            self._blocks.remove(block)
        return loaded.seconds

    def _share(self, block: Block) -> Block:
        self._blocks.append(block)
        return block

    def _round(self, work: _Frame, done: int, count: int, pixels: NDArray[np.int32] | None) -> Rendered:
        """One `Render`; a reason to stop is passed on once."""
        self._renders += 1
        area = work.layout.shapes()["counts"][1]
        paths = len(pixels) if pixels is not None else area[0] * area[1]
        self._worker.send(
            Render(
                self._renders,
                work.settings.first_sample + done,
                count,
                b"" if pixels is None else pixels.tobytes(),
            )
        )
        told = False
        while True:
            event = self._next()
            if isinstance(event, Rendered):
                work.tell(done + event.samples)
                return event
            if isinstance(event, Progress):
                work.tell(done + event.done / max(paths, 1))
            if not told and (work.stop() or work.due()):
                told = True
                self._worker.send(Stop(self._renders))

    def _wait(self, kind: type[E], stop: StopReason) -> E:
        """The next event of a kind."""
        while True:
            event = self._next()
            if isinstance(event, kind):
                return event
            if stop() == INTERRUPTED:
                raise _GivenUp

    def _next(self) -> Event | None:
        """The next event, or None when nothing happens for a moment."""
        try:
            event = self._worker.events.get(timeout=_POLL_S)
        except queue.Empty:
            return None
        match event:
            case None:
                raise WorkerGone
            case Failed():
                raise fault_of(event)
            case Ready():
                self._ready = event
                self._backends = (event.backend,)  # another worker must not end up on another device
                self._listener(event)
            case Warm():
                self._warm = True
                self.compile_seconds = event.seconds
                self._listener(event)
            case Compiling():
                self._listener(event)
        return event

    def _give_up(self) -> None:
        """End the worker; another is started when it is needed."""
        self._drop()
        self._gone = True

    def _drop(self, *, patience_s: float = 0.0) -> None:
        self._worker.close(patience_s=patience_s)
        for block in self._blocks:
            block.unlink()
        self._blocks.clear()

    def close(self) -> None:
        """End the worker. One that has compiled is given the time to keep its kernels for the next time."""
        while not self._worker.events.empty():
            event = self._worker.events.get()
            self._warm = self._warm or isinstance(event, Warm)
        self._drop(patience_s=_PATIENCE_S if self._warm else 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None and not issubclass(kind, Exception):  # somebody is in a hurry
            self._drop()
        else:
            self.close()


@dataclass(frozen=True, slots=True, eq=False)
class _Aim:
    """A frame that the worker is ready to render samples of."""

    flat: FlatScene
    following: FlatScene | None
    settings: RenderSettings

    def same(self, other: _Aim) -> bool:
        return self.flat is other.flat and self.following is other.following and self.settings == other.settings


class _Frame:
    """A frame at work: its film, what is still to do, and what it has cost."""

    def __init__(
        self,
        flat: FlatScene,
        following: FlatScene | None,
        settings: RenderSettings,
        layout: Layout,
        film: Film,
        stop: StopReason,
        progress: Callable[[FrameProgress], None],
        due: Callable[[], bool],
        only: NDArray[np.bool_] | None = None,
    ) -> None:
        self.flat, self.following, self.settings, self.layout = flat, following, settings, layout
        self.film, self.stop, self.progress, self.due = film, stop, progress, due
        self.only = only
        self.stopped = ""
        self.seconds: dict[str, float] = {"build": 0.0, "render": 0.0}
        self.rays = self.peak_bytes = 0
        self.pixels = 0  # of the strips that are done, and the seconds of rendering that they took
        self.spent = 0.0
        self.began = time.perf_counter()

    def next_round(self) -> tuple[int, int, NDArray[np.int32] | None] | None:
        """Samples done, how many more, and of which pixels (None: all); None when the film is finished."""
        done = int(self.film.counts.max(initial=0))
        if done >= self.settings.samples:
            return None
        count = round_end(done, self.settings.samples) - done
        if self.only is None and (self.settings.error <= 0 or done == 0):
            return done, count, None
        active = self.film.counts == done if self.only is None else self.only
        if self.only is None and done == round_start(done):  # a round has just ended: decide
            active &= per_pixel(noisy_blocks(self.film, self.settings.error), self.layout.crop)
        if active.all():
            return done, count, None
        pixels = crop_pixels(self.layout)[active.ravel()]
        return (done, count, pixels) if len(pixels) else None

    def tell(self, samples: float) -> None:
        seconds = time.perf_counter() - self.began
        self.progress(FrameProgress(self.flat.frame, samples, self.settings.samples, seconds))

    def part(self, crop: Crop) -> _Frame:
        """A crop of the frame as a frame of its own, without samples, that tells its progress as this one's."""
        layout = msgspec.structs.replace(self.layout, crop=crop)
        begun, whole = time.perf_counter() - self.spent, _area(self.layout.crop)

        def told(now: FrameProgress) -> None:
            samples = (self.pixels * now.of + _area(crop) * now.samples) / whole
            self.progress(FrameProgress(now.frame, samples, now.of, time.perf_counter() - begun))

        film = Film.of(layout)
        return _Frame(self.flat, self.following, self.settings, layout, film, self.stop, told, lambda: False)

    def take(self, part: _Frame) -> None:
        """Count what a part has cost."""
        self.stopped = part.stopped
        for name, seconds in part.seconds.items():
            self.seconds[name] += seconds
        self.spent = self.seconds["render"]
        self.rays += part.rays
        self.peak_bytes = max(self.peak_bytes, part.peak_bytes)


def _area(crop: Crop) -> int:
    return (crop[2] - crop[0]) * (crop[3] - crop[1])


def fault_of(event: Failed) -> StudioError:
    """The worker's failure as the exception that it was."""
    kind: Any = getattr(errors, event.kind, None)
    if isinstance(kind, type) and issubclass(kind, StudioError):
        return kind(event.sentence)
    fault = DeviceFault(f"the renderer failed: {event.sentence}; try --device cpu, or a smaller size")
    fault.add_note(event.trace)
    return fault
