"""The live render of the window: a thread that keeps a worker busy with the newest scene and collects its pictures.

Nothing here makes its caller wait. `show` notes what is to be rendered and returns; the thread sends the worker what
changed, when the worker has shown something of the scene before, so a drag always shows pictures however fast its edits
come. Pictures arrive in memory that both processes map; `latest` gives the newest, and `notify` is called (from the
thread) whenever there is another one or another thing to say.

A worker that dies is replaced and sent the scene again; when the next one dies before it has shown a whole sample, the
view says so and waits to be asked again (`resume`, or another `device`). `live_hand` is the thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import msgspec

from studio.errors import UsageError
from studio.render import live_layers
from studio.render.device import CHOICES
from studio.render.film import Crop, Film, check_aovs
from studio.render.live_denoise import DenoiseThread
from studio.render.live_frame import Denoised, LiveFrame
from studio.render.live_hand import Hand
from studio.render.live_share import Anew, Came, Lending, Offered
from studio.render.live_wish import Desk, FilmTaken, Wish
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene

__all__ = ["FilmTaken", "InteractiveRender"]


class InteractiveRender:
    """A live render. Use it in a `with`, or close it. Everything may be called from any thread and none of it waits.

    `device` is auto, cuda, metal, vulkan or cpu; `threads` limits the CPU's (0: all, but for one that is left to the
    window where there are more than two). `notify` is called from the render's thread when `latest` has something new;
    it must not wait for the caller of any method here.
    """

    def __init__(self, *, device: str = "auto", threads: int = 0, notify: Callable[[], None] = lambda: None) -> None:
        self._desk = Desk(Wish(device=_known(device), threads=threads), notify)
        self._denoiser = DenoiseThread(notify)
        self._hand = Hand(self._desk)
        self._thread = threading.Thread(target=self._hand.work, name="live render", daemon=True)
        self._thread.start()

    # --- what to render ----------------------------------------------------------------------------------------------
    def prewarm(self) -> None:
        """Start the worker, which takes seconds, before there is anything to render."""
        self._desk.change(warm=True)

    def show(self, flat: FlatScene, settings: RenderSettings) -> int:
        """Render this from now on; returns its generation, which `LiveFrame.shows` will have.

        What is the same object as before is not sent again: edits of lights, materials and the camera keep the
        geometry on the device. Adaptive error and time limit of the settings are not regarded. Raises `UsageError`
        for a size, crop or AOV that makes no sense.
        """
        _check(settings)
        with self._desk.lock:
            wish = self._desk.wish
            generation = wish.generation + 1
            self._desk.wish = msgspec.structs.replace(
                wish, flat=flat, settings=settings, generation=generation, held=False
            )
        self._desk.wake()
        return generation

    def pause(self) -> None:
        """Render no more until `resume`; newer scenes are noted and shown then."""
        self._desk.change(paused=True)

    def resume(self) -> None:
        """Go on; after a failure or `stop`, start again."""
        with self._desk.lock:
            wish = self._desk.wish
            self._desk.wish = msgspec.structs.replace(wish, paused=False, held=False, tries=wish.tries + 1)
        self._desk.wake()

    def stop(self) -> None:
        """End the render and free the device; the last picture stays. `show` or `resume` starts again."""
        self._desk.change(held=True, warm=False)

    @property
    def paused(self) -> bool:
        """Whether `pause` was called last."""
        return self._desk.wish.paused

    @property
    def region(self) -> Crop | None:
        """x0, y0, x1, y1 in pixels from the top left, end excluded: only these are rendered. None: all.

        What was rendered stays; outside of it the picture of before is shown.
        """
        region: Crop | None = self._desk.wish.region
        return region

    @region.setter
    def region(self, region: Crop | None) -> None:
        if region is not None and not (region[0] < region[2] and region[1] < region[3]):
            raise UsageError(f"the region {region} is empty; drag from one corner to the other")
        self._desk.change(region=None if region is None else tuple(int(v) for v in region))

    @property
    def wanted(self) -> tuple[str, ...]:
        """Layers that frames have: "beauty", AOVs, light groups ("light_keys"); see `live_layers.available`."""
        return self._desk.wish.wanted

    @wanted.setter
    def wanted(self, layers: Sequence[str]) -> None:
        for layer in layers:
            live_layers.channels_of(layer)
        self._desk.change(wanted=tuple(dict.fromkeys(("beauty", *layers))))

    @property
    def interacting(self) -> bool:
        """Whether something is being dragged: waves are then short, and learning waits for the end."""
        return self._desk.wish.interacting

    @interacting.setter
    def interacting(self, on: bool) -> None:
        self._desk.change(interacting=bool(on))

    @property
    def device(self) -> str:
        """The device asked for; setting another starts a worker on it. `LiveFrame.device` names the real one."""
        return self._desk.wish.device

    @device.setter
    def device(self, device: str) -> None:
        self._desk.change(device=_known(device))

    # --- others that help --------------------------------------------------------------------------------------------
    def lend(self, mode: Lending, *, share: float = 0.5, offered: Offered | None = None) -> None:
        """Have others render samples too: "share" what this machine does not render itself, of a film from now on,
        "all" of them, after a first look of its own, or "" none, and what is out is taken back.

        `offered` hears, from the render's thread, which samples are there to be rendered, and None when there are none;
        what was rendered comes back by `add`. A region is rendered by this machine alone, and while the view is paused
        nothing is offered.
        """
        if offered is not None:
            self._desk.offered = offered
        self._desk.change(lending=mode, share=min(max(share, 0.02), 0.95))

    def add(self, film: Film, samples: tuple[int, int], generation: int, *, device: str) -> bool:
        """Add samples that were rendered elsewhere for the offer of this generation, on a class of device; False, and
        nothing is done, when it is not that of the film any more."""
        if generation != self._desk.lent_generation:
            return False
        self._desk.inbox.put((0, Came(film, samples, generation, device)))
        return True

    def renew(self, generation: int, begun: bool) -> None:
        """Some of what was added to a film turned out not to count. With `begun` all of it is forgotten and what counts
        is added again; without, that has been done. What is shown stands until then."""
        self._desk.inbox.put((0, Anew(generation, begun)))

    # --- what there is -----------------------------------------------------------------------------------------------
    def latest(self) -> LiveFrame | None:
        """The newest picture with what the worker is doing; None before anything was shown or started."""
        frame = self._desk.frame
        return frame if frame.generation or frame.device or frame.state != "idle" else None

    def take_film(self, done: FilmTaken) -> None:
        """Ask for the whole film as it stands, with every layer, for a file or a snapshot.

        `done(film, frame)` is called from the render's thread, with None when there is no film (yet, or any more).
        """
        self._desk.inbox.put((0, done))

    def denoise(self, frame: LiveFrame | None = None) -> None:
        """Denoise a frame (default: the latest) in a thread of its own; `notify` is called when `denoised` has it.

        A frame asked for meanwhile takes the place of one that waits.
        """
        wanted = frame or self._desk.frame
        if "beauty" in wanted.layers:
            self._denoiser.ask(wanted)

    def denoised(self) -> Denoised | None:
        """The last result of `denoise`."""
        return self._denoiser.result

    @property
    def worker_pid(self) -> int:
        """Process id of the worker, 0 when there is none."""
        return self._desk.worker_pid

    def close(self) -> None:
        """End the worker and the threads. A worker that has compiled is given the time to keep its kernels."""
        with self._desk.lock:
            if self._desk.closed.is_set():
                return
            self._desk.closed.set()
        self._desk.wake()
        self._denoiser.close()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _known(device: str) -> str:
    if device not in CHOICES:
        raise UsageError(f"there is no device {device!r}; choose from {', '.join(CHOICES)}")
    return device


def _check(settings: RenderSettings) -> None:
    width, height = settings.width, settings.height
    if not (width > 0 and height > 0 and settings.samples > 0 and settings.depth > 0):
        what = f"{width}x{height} pixels with {settings.samples} samples of depth {settings.depth}"
        raise UsageError(f"cannot render {what}; all of these start at 1")
    x0, y0, x1, y1 = settings.crop or (0, 0, width, height)
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise UsageError(f"the crop {settings.crop} does not lie in an image of {width}x{height}")
    check_aovs(settings.aovs)
