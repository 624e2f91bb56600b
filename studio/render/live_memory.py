"""What the live render and its worker share: the memory that pictures come in, and films that are asked for whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.render.film import Film, Layout
from studio.render.live_frame import LiveFrame
from studio.render.live_share import Share
from studio.render.live_wish import FilmTaken
from studio.render.live_worker import picture_bytes, picture_in
from studio.render.protocol import Command, Take, Taken
from studio.render.transfer import Block, film_buffers


class PictureMemory:
    """The block that the worker puts pictures in, of a layout and channels."""

    def __init__(self) -> None:
        self.layout: Layout | None = None
        self.channels: tuple[str, ...] = ()
        self.block: Block | None = None
        self._outdated: list[Block] = []  # until a newer one was used

    def take(self, layout: Layout, channels: tuple[str, ...]) -> Block:
        """The block for pictures of these channels from now on."""
        if self.block is None or layout != self.layout or channels != self.channels:
            if self.block is not None:  # which the worker may not have met yet
                self._outdated.append(self.block)
            self.block = Block.create(picture_bytes(layout, channels))
        self.layout, self.channels = layout, channels
        return self.block

    def read(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """The picture that has come, and its samples, where they lie."""
        assert self.layout is not None and self.block is not None
        self._unlink(self._outdated)
        return picture_in(self.block, self.layout.shapes()["counts"][1], self.channels)

    def remove(self) -> None:
        """Give the memory back."""
        self._unlink([*self._outdated, *([self.block] if self.block is not None else [])])
        self._outdated.clear()
        self.layout, self.channels, self.block = None, (), None

    def _unlink(self, blocks: list[Block]) -> None:
        for block in blocks:
            block.unlink()
        blocks.clear()


@dataclass(frozen=True, slots=True, eq=False)
class _Taking:
    """A film that was asked of the worker: by then it may be at another one, dealt out anew, of the same scene."""

    block: Block
    done: FilmTaken
    share: Share | None
    generation: int


class Takes:
    """Films that the worker was asked for."""

    def __init__(self) -> None:
        self._waiting: dict[int, _Taking] = {}

    def ask(
        self, send: Callable[[Command], None], layout: Layout, done: FilmTaken, share: Share | None, generation: int
    ) -> None:
        """Ask for the film at work; what came for `share` is added to it."""
        block = Block.create(layout.nbytes)
        number = max(self._waiting, default=0) + 1
        self._waiting[number] = _Taking(block, done, share, generation)
        send(Take(number, block.ref))

    def came(self, event: Taken, frame: LiveFrame) -> None:
        """The worker has put a film there, or has none."""
        taking = self._waiting.pop(event.number)
        block, share = taking.block, taking.share
        block.unlink()
        film = None
        if event.layout is not None:
            film = Film.of(event.layout)
            Film.over(film_buffers(block, event.layout), event.layout).merge_into(film)
            if share is not None and share.film is not None and event.generation == taking.generation:
                share.film.merge_into(film)
            film.settle()
        taking.done(film, frame)

    def give_up(self, frame: LiveFrame) -> None:
        """None will come."""
        waiting = list(self._waiting.values())
        self._waiting.clear()
        for taking in waiting:
            taking.block.unlink()
            taking.done(None, frame)
