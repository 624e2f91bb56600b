"""The worker's part of the live view: a render that goes on by itself in small waves and looks up between them.

A wave takes a few hundredths of a second, so a command never waits longer than that. Pictures go into memory that the
studio maps too, one at a time: the next is put there when the last was read, so a slow reader costs pictures and never
samples. What the tracer needs to know of commands while it learns its lights comes in as functions.

A newer scene begins with the lights as they were learned before (`tracer.live.LightMemory`). When the artist has
rested for REST_S, all lights are learned as for a final frame and the film starts anew: from then on it holds the very
bits of a final render. What was shown stays on the screen below it until every pixel has a sample again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from studio.render import live_layers
from studio.render.film import Film, Layout
from studio.render.live_schedule import Schedule
from studio.render.protocol import BlockRef, Event, Learning, Pictured, Steer, Take, Taken, Watch
from studio.render.settings import RenderSettings
from studio.render.transfer import Block, film_buffers

if TYPE_CHECKING:
    from studio.scene.flat import FlatScene

REST_S = 0.4  # without a newer scene before lights are learned fully
WAVE_S = {"cpu": 0.04}  # a wave at rest and, a GPU shares with the window, on all others:
GPU_WAVE_S = 0.015
_INTERACTING = 0.5  # of that while something is dragged
_FIRST_S = 0.25  # until a first picture with gaps is better than none
_SHOW_S = (0.1, 0.25)  # between two pictures: in the first seconds, and later
_SMALLEST_WAVE = 2048
_FIRST_RATE = {"cpu": 1e5}  # paths a second, before any were timed
_GPU_FIRST_RATE = 4e6

Tell = Callable[[Event], None]


class Abandoned(Exception):
    """Learning was given up for a newer scene."""


class Tools(Protocol):
    """What the live view takes of `studio.render.tracer.live`."""

    Developer: Any
    LightMemory: Any


class LiveView:
    """A live render in the worker. `newest` tells the generation of the newest scene that was sent."""

    def __init__(self, tracer: Any, tools: Tools, backend: str, tell: Tell, newest: Callable[[], int]) -> None:
        self._tracer, self._tools, self._tell, self._newest = tracer, tools, tell, newest
        self._wave_s = WAVE_S.get(backend, GPU_WAVE_S)
        self._rate = _FIRST_RATE.get(backend, _GPU_FIRST_RATE)
        self._memory = tools.LightMemory()
        tracer.hasty = True
        self._learned_for: tuple[Any, ...] = ()  # scene and settings of the table; () when it is carried over
        self._work: _Work | None = None
        self._block: Block | None = None
        self._block_ref: BlockRef | None = None

    def warm_up(self) -> None:
        """Compile what makes pictures."""
        self._developer(("R", "G", "B", "A")).picture(self._tracer)

    @property
    def exact(self) -> bool:
        """Whether the film will have the bits of a final render's."""
        return self._work is not None and self._work.exact

    # --- commands ----------------------------------------------------------------------------------------------------
    def suspend(self) -> None:
        """The tracer gets another scene: forget what was rendered."""
        self._work = None

    def watch(self, command: Watch) -> None:
        """Begin. The film is `exact` when the lights were learned for this very scene."""
        settings, tracer = command.settings, self._tracer
        tracer.aim(settings)
        key = table_key(tracer.flat, settings)
        exact = key == self._learned_for
        if exact and self._memory.learned is not None:
            tracer.use_table(self._memory.learned)
        elif not exact:
            self._learned_for = ()
            if not self._memory.carry_over(tracer, command.lamps):
                self._learn_a_little(command)
        tracer.begin(command.layout, settings)
        self._attach(command.pictures)
        self._work = _Work(command, (exact or tracer.n_lights < 2) and not (tracer.scaled or command.look))
        self._work.developer = self._developer(command.channels)

    def steer(self, command: Steer) -> None:
        """Take another region, other channels, a pause or another number of samples."""
        work = self._work
        if work is None:
            return
        if command.channels != work.channels:
            work.channels = command.channels
            work.developer, work.stale = self._developer(command.channels), True
        self._attach(command.pictures)
        if command.region != work.region:
            work.region, work.stale = command.region, True
            work.schedule.begin_again(command.region)
        work.stale |= work.schedule.steer(command.samples, command.own) or command.claim != work.claim
        work.claim = command.claim
        work.paused, work.interacting = command.paused, command.interacting

    def seen(self, number: int) -> None:
        """The studio has read a picture."""
        if self._work is not None and number == self._work.shown:
            self._work.free = True

    def take(self, command: Take) -> None:
        """Copy the film as it is."""
        work, block = self._work, Block.attach(command.block)
        if work is None or work.layout.nbytes > command.block.nbytes:
            self._tell(Taken(command.number, 0, None))
            return
        film = self._tracer.developed()
        for name, array in film_buffers(block, work.layout).items():
            array[...] = film.buffers()[name]
        self._tell(Taken(command.number, work.generation, work.layout))

    # --- at work -----------------------------------------------------------------------------------------------------
    def wait_s(self) -> float | None:
        """Seconds until there is something to do: 0 is now, None is never, unless a command comes."""
        work = self._work
        if work is None or work.paused:
            return 0.0 if work is not None and work.stale and work.free else None
        rest = None if work.exact or work.interacting or work.look else max(work.rests_at - time.monotonic(), 0.0)
        if not work.schedule.complete or rest == 0.0 or (work.stale and work.free):
            return 0.0
        return rest

    def step(self) -> None:
        """Learn if the artist rests, else render one wave, and show the picture when it is time to."""
        work = self._work
        assert work is not None
        if not (work.paused or work.exact or work.interacting or work.look) and time.monotonic() >= work.rests_at:
            self._settle(work)
        elif not work.paused and not work.schedule.complete:
            self._wave(work)
        if work.free and work.stale and work.ready:
            self._show(work)

    def _wave(self, work: _Work) -> None:
        target = self._wave_s * (_INTERACTING if work.interacting else 1.0)
        capacity = int(np.clip(self._rate * target, _SMALLEST_WAVE, self._tracer.batch))
        wave = work.schedule.next(capacity)
        if wave is None:
            return
        begun = time.perf_counter()
        self._tracer.render(wave.pixels, wave.first, wave.count, go_on=lambda done: True)
        took = time.perf_counter() - begun
        paths = len(wave.pixels) * wave.count
        work.seconds += took
        if paths >= _SMALLEST_WAVE // 2:
            self._rate += 0.3 * (paths / max(took, 1e-6) - self._rate)
        work.stale = True

    def _settle(self, work: _Work) -> None:
        """Learn the lights as for a final frame and begin the film anew, over the picture that there is."""
        key = table_key(self._tracer.flat, work.settings)
        under, counts = work.developer.picture(self._tracer)
        if not self._learn(work.command, key):
            work.rests_at = time.monotonic() + REST_S
            return
        self._tracer.begin(work.layout, work.settings)
        fresh = _Work(work.command, True)
        fresh.take_over(work)
        fresh.developer = self._developer(work.channels)
        if (counts > 0).all():
            fresh.developer.cover(under)
        self._work = fresh

    def _learn_a_little(self, command: Watch) -> None:
        """Where nothing can be carried over, enough for a first picture."""
        self._tracer.quick = True
        try:
            self._tracer.prepare(command.settings)
        finally:
            self._tracer.quick = False
        self._memory.keep(self._tracer, command.lamps)

    def _learn(self, command: Watch, key: tuple[Any, ...]) -> bool:
        """Learn all lights; False when a newer scene came, and the table is then as it was."""
        tracer, before = self._tracer, self._tracer.learned
        self._tell(Learning(command.generation))

        def go_on() -> None:
            if self._newest() > command.generation:
                raise Abandoned

        tracer.pause_point = go_on
        try:
            tracer.settle_lights()
            tracer.forget_table()
            tracer.prepare(command.settings)
        except Abandoned:
            if before is not None:
                tracer.use_table(before)
            return False
        finally:
            tracer.pause_point = _nothing
        self._memory.keep(tracer, command.lamps)
        self._learned_for = key
        return True

    # --- pictures ----------------------------------------------------------------------------------------------------
    def _developer(self, channels: tuple[str, ...]) -> Any:
        return self._tools.Developer(self._tracer, tuple(c for c in channels if c not in live_layers.SLOW))

    def _attach(self, ref: BlockRef) -> None:
        if ref != self._block_ref:
            self._block, self._block_ref = Block.attach(ref), ref

    def _show(self, work: _Work) -> None:
        quick, counts = work.developer.picture(self._tracer)
        picture, count = picture_in(self._block, counts.shape, work.channels)
        at = live_layers.layer_slices(work.channels)
        names = [name for name in work.channels if name not in live_layers.SLOW]
        for k, name in enumerate(names):
            picture[..., at[name]] = quick[..., k : k + 1]
        if len(names) < len(work.channels):
            film: Film = self._tracer.developed()
            for name in set(work.channels) - set(names):
                picture[..., at[name]] = live_layers.slow_layer(name, film)
        count[...] = counts
        rays = int(self._tracer.device.film_rays.to_numpy().sum())
        work.shown += 1
        work.free = work.stale = False
        work.show_at = time.monotonic() + _SHOW_S[work.shown > 20]
        active = work.schedule.active
        samples = float(active.mean()) if active.size else 0.0
        event = Pictured(
            generation=work.generation,
            number=work.shown,
            step=work.schedule.step,
            samples=samples,
            of=work.schedule.samples,
            seconds=work.seconds,
            rays=rays,
            complete=work.schedule.complete,
            exact=work.exact,
            channels=work.channels,
            claim=work.claim,
        )
        self._tell(event)


class _Work:
    """What is rendered: a film that fills."""

    def __init__(self, command: Watch, exact: bool) -> None:
        self.command, self.exact = command, exact
        self.generation, self.layout, self.channels = command.generation, command.layout, command.channels
        self.settings: RenderSettings = command.settings
        self.region, self.paused, self.interacting = command.region, command.paused, command.interacting
        first = command.settings.first_sample
        self.look, self.claim = command.look, 0
        self.schedule = Schedule(
            command.layout, command.settings.samples, first_sample=first, region=command.region, own=command.own
        )
        self.rests_at = time.monotonic() + REST_S
        self.developer: Any = None
        self.seconds = 0.0
        self.shown = 0
        self.free = True  # the studio has read the last picture
        self.stale = True  # there is more to show than was shown; at first, that there is nothing
        self.show_at = time.monotonic() + _FIRST_S

    @property
    def ready(self) -> bool:
        """Whether it is time for a picture: the first is the first even one, and the last does not wait."""
        done = self.paused or self.schedule.complete or (not self.shown and self.schedule.step > 0)
        return done or time.monotonic() >= self.show_at

    def take_over(self, before: _Work) -> None:
        """Stand in for an earlier film of the same scene."""
        self.channels, self.region = before.channels, before.region
        self.paused, self.interacting, self.claim = before.paused, before.interacting, before.claim
        self.schedule.own = before.schedule.own
        self.schedule.begin_again(before.region)
        self.shown, self.free, self.show_at, self.stale = before.shown, before.free, before.show_at, False


def picture_in(
    block: Block | None, shape: tuple[int, ...], channels: tuple[str, ...]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The picture (h, w, floats) and the samples (h, w) that lie in a block."""
    assert block is not None
    h, w = shape
    floats = sum(live_layers.width_of(name) for name in channels)
    memory = memoryview(block.memory)
    picture: NDArray[np.float32] = np.ndarray((h, w, floats), np.float32, memory)
    return picture, np.ndarray((h, w), np.int32, memory, 4 * h * w * floats)


def picture_bytes(layout: Layout, channels: tuple[str, ...]) -> int:
    """Size of the block that `picture_in` lays out."""
    x0, y0, x1, y1 = layout.crop
    return 4 * (x1 - x0) * (y1 - y0) * (1 + sum(live_layers.width_of(name) for name in channels))


def table_key(flat: FlatScene, settings: RenderSettings) -> tuple[Any, ...]:
    """What a learned table depends on; the scene's sections by identity, which holding them here makes safe."""
    sections = (flat.meshes, flat.instances, flat.instance_materials, flat.materials, flat.slots, flat.textures)
    lamps = (flat.lights, flat.light_links, flat.shadow_links, flat.portals)
    parts = [_Same(section) for section in (*sections, *lamps, flat.camera)]
    asked = (settings.width, settings.height, settings.depth, settings.filter, settings.filter_width_px)
    return (*parts, flat.frame, *asked)


class _Same:
    """Equal to another when both hold the same object."""

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.thing is other.thing

    __hash__ = object.__hash__


def _nothing() -> None:
    return
