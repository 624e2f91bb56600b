"""The render worker: a process of its own that holds the device and does what the session asks.

It is started as `python -m studio.render.worker` and spoken to over its standard input and output, so nothing of the
program that uses the studio is imported or run a second time. A thread listens all the while, as Taichi keeps the
interpreter's lock only for the length of a wave: a `Stop` is seen between waves, and when the studio is gone, however
it went, the worker ends. Signals of the terminal go to every process of a job; the worker leaves them to the session.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from studio.errors import DeviceFault, StudioError, Unsupported
from studio.render.device import info_of
from studio.render.film import Film, Layout, plan_layout, scene_exponent
from studio.render.layer_plan import LayerPlan
from studio.render.live_worker import LiveView
from studio.render.protocol import (
    Begin,
    Begun,
    Channel,
    Command,
    Compiling,
    Develop,
    Developed,
    Event,
    Failed,
    Load,
    Loaded,
    Progress,
    Ready,
    Render,
    Rendered,
    Seen,
    Start,
    Steer,
    Stop,
    Take,
    Warm,
    Watch,
    Watching,
    Weigh,
    Weighed,
    crop_pixels,
)
from studio.render.settings import RenderSettings
from studio.render.transfer import Block, SceneStore, film_buffers

if TYPE_CHECKING:
    from studio.render.tracer.tracer import Tracer
    from studio.scene.flat import FlatScene

PROGRESS_S = 0.1
GIVE_WAY = 5  # steps of niceness: a third of a core that the window wants too
GRACE_S = 10.0  # to finish a wave and keep what was compiled
BATCHES = {"cpu": 1 << 17, "cuda": 1 << 20}  # paths in flight; a GPU needs more of them to be busy
GPU_BATCH = 1 << 18
_EVERY_AOV = ("depth", "albedo", "emission", "crypto_object")  # one of each kind that has a kernel of its own
_OUT_OF_MEMORY = ("out of memory", "out_of_memory", "failed to allocate", "out-of-memory", "bad_alloc")


class Inbox:
    """Commands in order, and the latest `Stop`, which overtakes them; None is the end of the pipe."""

    def __init__(self) -> None:
        self.commands: queue.Queue[Command | None] = queue.Queue()
        self.stopped = 0  # the number of the render that was to be stopped last
        self.newest = 0  # the generation of the live scene that was sent last
        self.closed = False

    def listen(self, channel: Channel) -> None:
        """Take commands in. After the end of the pipe the process has a moment to end by itself."""
        while not self.closed:
            try:
                command = channel.receive()
            except (OSError, msgspec.DecodeError):
                command = None
            if command is None:
                self.closed = True
                self.newest = sys.maxsize  # nobody waits for what is being learned
                self.commands.put(None)
                time.sleep(GRACE_S)
                os._exit(0)
            if isinstance(command, Stop):
                self.stopped = command.number
                continue
            if isinstance(command, Watch):
                self.newest = command.generation
            self.commands.put(command)

    def next(self, wait_s: float | None) -> Command | None:
        """The next command; waits for it `wait_s` seconds (None: for ever) and raises `queue.Empty` after that."""
        if wait_s == 0.0:
            return self.commands.get_nowait()
        return self.commands.get(timeout=wait_s)


class Worker:
    """Carries out commands, one after the other."""

    def __init__(self, inbox: Inbox, tell: Callable[[Event], None]) -> None:
        self.inbox, self.tell = inbox, tell
        self.store = SceneStore()
        self.tracer: Tracer | None = None
        self.backend = ""
        self.layout: Layout | None = None
        self.layers: LayerPlan | None = None
        self.pages: dict[str, Block] = {}  # for the layers of a frame, by their names
        self.block: Block | None = None
        self.live: LiveView | None = None
        self.loaded = False  # whether the last scene that was sent is on the device

    def serve(self) -> None:
        """Do what is asked until nobody asks any more; a command that fails is answered by `Failed`."""
        while True:
            try:
                command = self.inbox.next(self.live.wait_s() if self.live is not None else None)
                if command is None:
                    return
                self._try(partial(self._obey, command))
            except queue.Empty:
                self._try(self._go_on)

    def _try(self, do: Callable[[], None]) -> None:
        try:
            with _told_as_ours():
                do()
            return
        except StudioError as fault:
            failed = Failed(type(fault).__name__, str(fault))
        except Exception as fault:
            failed = Failed("", f"{type(fault).__name__}: {fault}", traceback.format_exc())
        if self.live is not None:
            self.live.suspend()
        self.tell(failed)

    def _go_on(self) -> None:
        if self.live is not None:
            self.live.step()

    def _obey(self, command: Command) -> None:
        match command:
            case Start():
                self._start(command)
            case Load():
                self._load(command)
            case Begin():
                self._begin(command)
            case Render():
                self._render(command)
            case Develop():
                self._develop(command)
            case Weigh():
                self.tell(Weighed(tuple(map(tuple, self._started().pick_shares().tolist()))))
            case Stop():
                return  # the inbox keeps these to itself
            case Watch():
                self._watch(command)
            case Steer() | Seen() | Take():
                self._steer(command)

    def _start(self, command: Start) -> None:
        begun = time.perf_counter()
        if command.live:
            give_way()
        from studio.render.tracer import runtime

        for backend in command.backends:
            if runtime.start(backend, command.threads, command.cache):
                break
        else:
            raise Unsupported(f"{' and '.join(command.backends)} cannot be started on this machine; use --device cpu")
        self.backend, info = backend, info_of(backend)
        self.tell(Ready(os.getpid(), backend, info.name, info.device_class, time.perf_counter() - begun))
        from studio.render.tracer.tracer import Tracer

        self.tracer = Tracer(batch=BATCHES.get(backend, GPU_BATCH))
        if command.live:
            self._start_live(self.tracer)
        if command.warm_up:
            begun = time.perf_counter()
            self._warm_up(self.tracer, _EVERY_AOV if command.every_aov else ())
            self.tell(Warm(time.perf_counter() - begun))

    def _warm_up(self, tracer: Tracer, aovs: tuple[str, ...]) -> None:
        """Render a few pixels of a small scene, which compiles its kernels or fetches them from the cache."""
        flat = _smallest_scene()
        settings = RenderSettings(width=4, height=4, samples=1, depth=3)
        layout = plan_layout(4, 4, aovs=aovs, exponent=scene_exponent(flat.lights))
        film = Film.of(layout)
        steps: list[tuple[str, Callable[[], Any]]] = [
            ("scene", lambda: tracer.load(flat)),
            ("light picking and surfaces", lambda: tracer.prepare(settings)),
            ("film", lambda: tracer.begin(layout, settings)),
            ("paths", lambda: tracer.render(crop_pixels(layout), 0, 1)),
            ("layers", lambda: tracer.collect(film)),
        ]
        if self.live is not None:
            steps.append(("pictures", self.live.warm_up))
        for index, (what, step) in enumerate(steps):
            self.tell(Compiling(index, len(steps), what))
            step()

    def _start_live(self, tracer: Tracer) -> None:
        from studio.render.tracer import live

        self.live = LiveView(tracer, live, self.backend, self.tell, lambda: self.inbox.newest)

    def _watch(self, command: Watch) -> None:
        if self.live is None:
            raise DeviceFault("the render worker was not started for the live view; start the render again")
        if not self.loaded:
            return  # that it could not be loaded was said
        begun = time.perf_counter()
        self.live.watch(command)
        self.tell(Watching(command.generation, time.perf_counter() - begun, self.live.exact))

    def _steer(self, command: Steer | Seen | Take) -> None:
        if self.live is None:
            return
        match command:
            case Steer():
                self.live.steer(command)
            case Seen():
                self.live.seen(command.number)
            case Take():
                self.live.take(command)

    def _started(self) -> Tracer:
        if self.tracer is None:
            raise DeviceFault("the render worker has no device; start the render again")
        return self.tracer

    def _load(self, command: Load) -> None:
        begun = time.perf_counter()
        if self.live is not None:
            self.live.suspend()
        self.loaded = False
        flat = self.store.unpack(command)
        if command.slot == "current":
            self._started().load(flat)
        self.loaded = True
        rebuilt = self._started().rebuilt if command.slot == "current" else ()
        self.tell(Loaded(command.slot, time.perf_counter() - begun, rebuilt))

    def _begin(self, command: Begin) -> None:
        begun = time.perf_counter()
        tracer = self._started()
        self.block = Block.attach(command.block)
        self.layout = command.layout
        self.layers = command.layers
        if not command.again:
            self.pages.clear()
            tracer.prepare(command.settings)
        following = self.store.slots.get("following") if command.following else None
        tracer.begin(command.layout, command.settings, following=following, layers=command.layers, again=command.again)
        self.tell(Begun(time.perf_counter() - begun))

    def _render(self, command: Render) -> None:
        begun = told = time.perf_counter()
        tracer = self._started()
        if self.layout is None or self.block is None:
            raise DeviceFault("the render worker was asked for samples before it had a film")
        pixels = np.frombuffer(command.pixels, np.int32) if command.pixels else crop_pixels(self.layout)
        rays = int(getattr(tracer, "rays", 0))

        def go_on(done: int) -> bool:
            nonlocal told
            now = time.perf_counter()
            if now - told >= PROGRESS_S:
                told = now
                self.tell(Progress(done))
            return self.inbox.stopped != command.number and not self.inbox.closed

        samples = tracer.render(pixels, command.first, command.count, go_on=go_on)
        film = Film.over(film_buffers(self.block, self.layout), self.layout)
        film.clear()
        tracer.collect(film)
        rays = int(getattr(tracer, "rays", 0)) - rays
        self.tell(Rendered(samples, time.perf_counter() - begun, rays, self._peak_bytes(tracer)))

    def _develop(self, command: Develop) -> None:
        begun = time.perf_counter()
        if self.layout is None or self.layers is None:
            raise DeviceFault("the render worker was asked for layers of lights that it did not keep apart")
        x0, y0, x1, y1 = self.layout.crop
        if command.block.path not in self.pages:
            self.pages[command.block.path] = Block.attach(command.block)
        memory = memoryview(self.pages[command.block.path].memory)
        self._started().develop_layers(*self.layers.carve(memory, x1 - x0, y1 - y0))
        self.tell(Developed(time.perf_counter() - begun))

    def _peak_bytes(self, tracer: Tracer) -> int:
        """Memory of the device; on the CPU that of this process at its highest."""
        if self.backend != "cpu" or os.name == "nt":
            return int(tracer.device.bytes())
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def give_way() -> None:
    """Let the window go first where both want the processor; the threads that the device starts inherit it."""
    if hasattr(os, "nice"):
        os.nice(GIVE_WAY)


@contextmanager
def _told_as_ours() -> Iterator[None]:
    """Failures of Taichi and numpy to find memory become `OutOfDeviceMemory`; others pass."""
    from studio.errors import OutOfDeviceMemory

    advice = "the scene and its film do not fit the memory of the device; render smaller, in crops, or with fewer AOVs"
    try:
        yield
    except MemoryError as error:
        raise OutOfDeviceMemory(advice) from error
    except RuntimeError as error:
        if any(mark in str(error).lower() for mark in _OUT_OF_MEMORY):
            raise OutOfDeviceMemory(advice) from error
        raise


def _smallest_scene() -> FlatScene:
    """A floor under two lamps and a sky: enough to run every kernel once."""
    from studio.scene.entities import Camera, MeshObject
    from studio.scene.flatten import flatten
    from studio.scene.geometry import make_mesh
    from studio.scene.lights import Light
    from studio.scene.scene import Scene

    floor = make_mesh([[-9, 0, -9], [9, 0, -9], [9, 0, 9], [-9, 0, 9]], [[0, 2, 1], [0, 3, 2]])
    scene = Scene(camera="camera").add(
        floor,
        MeshObject(id="floor", mesh=floor.key),
        Camera(id="camera", translation=(0.0, 1.0, 4.0)),
        Light(id="key", translation=(1.0, 2.0, 0.0)),
        Light(id="fill", translation=(-1.0, 2.0, 0.0)),
    )
    return flatten(scene, 1.0)


def main() -> None:
    """Run until the studio at the other end of the pipe is gone."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    # what libraries print must not end up between the messages
    answers = Channel(os.fdopen(os.dup(1), "wb"), Event)
    os.dup2(2, 1)
    requests = Channel(os.fdopen(os.dup(0), "rb"), Command)
    inbox = Inbox()
    threading.Thread(target=inbox.listen, args=(requests,), daemon=True).start()

    def tell(event: Event) -> None:
        try:
            answers.send(event)
        except OSError:
            inbox.closed = True  # nobody is there to hear it

    Worker(inbox, tell).serve()
    if "studio.render.tracer.runtime" in sys.modules:
        from studio.render.tracer import runtime

        runtime.stop()
    os._exit(0)


if __name__ == "__main__":
    main()
