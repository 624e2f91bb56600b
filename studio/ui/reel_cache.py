"""Frames of a flipbook made ready ahead of the playhead, within a budget of memory.

Reading and developing a frame takes longer than showing it, so playing at rate means to have it already. The cache
reads on the bridge's threads from the playhead onward, keeps what it made as long as there is room, and when there is
none gives up what the playhead will come to last.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from studio.errors import StudioError
from studio.render import reel as reels
from studio.render.reel import Frame, Movie, Reel
from studio.ui.bridge import Bridge
from studio.ui.developing import Developing, develop

U8 = NDArray[np.uint8]
BUDGET = 1 << 30
_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Way:
    """How frames are shown: every `step`-th pixel, developed so, and against the second reel by `compare` ("off",
    "wipe", "difference", "other")."""

    step: int = 1
    how: Developing = field(default_factory=Developing)
    compare: str = "off"


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A frame for the screen, and what stands right of the wipe line; a `fault` stands for one that is missing."""

    image: QImage | None
    other: QImage | None = None
    fault: str = ""

    @property
    def nbytes(self) -> int:
        """What it takes of memory."""
        return sum(i.sizeInBytes() for i in (self.image, self.other) if i is not None)


class ReelCache(QObject):
    """See the module. `loaded` tells the number of a frame that is there now."""

    loaded = Signal(int)

    def __init__(self, bridge: Bridge, *, budget: int = BUDGET, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._budget = bridge, budget
        self._first: Reel | None = None
        self._second: Reel | None = None
        self._way = Way()
        self._made: dict[int, Shown] = {}
        self._asked: set[int] = set()
        self._turn = 0  # what was asked before the last change of reels or way is dropped when it comes
        self._at, self._span = 1, (1, 1)

    @property
    def numbers(self) -> frozenset[int]:
        """Frames that are ready."""
        return frozenset(self._made)

    @property
    def nbytes(self) -> int:
        """Memory of the frames that are ready."""
        return sum(shown.nbytes for shown in self._made.values())

    def show(self, first: Reel | None, second: Reel | None, way: Way) -> None:
        """Take other reels, or show them another way; what was ready is dropped if that matters for it."""
        if (first, second, way) != (self._first, self._second, self._way):
            self._made.clear()
            self._asked.clear()
            self._turn += 1
        self._first, self._second, self._way = first, second, way

    def forget(self, numbers: frozenset[int]) -> None:
        """Read these anew: their files are others now."""
        for number in numbers:
            self._made.pop(number, None)
        self._turn += bool(numbers & self._asked)
        self._asked -= numbers if not numbers & self._asked else self._asked

    def get(self, number: int) -> Shown | None:
        """A frame, if it is ready."""
        return self._made.get(number)

    def go(self, at: int, span: tuple[int, int]) -> None:
        """The playhead stands here and will run through this span: make ready what comes next."""
        self._at, self._span = at, span
        self._fill()

    def _order(self) -> list[int]:
        """Frames of the span in the order that the playhead comes to them."""
        first, last = self._span
        at = min(max(self._at, first), last)
        return [*range(at, last + 1), *range(first, at)]

    def _fill(self) -> None:
        if self._first is None:
            return
        limit = 1 if isinstance(self._first, Movie) or isinstance(self._second, Movie) else _AT_ONCE
        size = max((s.nbytes for s in self._made.values()), default=0)
        room = max(2, self._budget // size) if size else 2 * limit
        for number in self._order()[:room]:
            if len(self._asked) >= limit:
                return
            if number not in self._made and number not in self._asked:
                self._ask(number)

    def _ask(self, number: int) -> None:
        first, second, way, turn = self._first, self._second, self._way, self._turn
        assert first is not None
        self._asked.add(number)
        self._bridge.run(
            lambda: _made(first, second, number, way),
            then=lambda shown: self._have(number, shown, turn),
            failed=lambda fault: self._missed(number, fault, turn),
        )

    def _missed(self, number: int, fault: Exception, turn: int) -> None:
        if not isinstance(fault, StudioError):
            raise fault
        self._have(number, Shown(None, fault=str(fault)), turn)

    def _have(self, number: int, shown: Shown, turn: int) -> None:
        if turn != self._turn:
            return
        self._asked.discard(number)
        self._made[number] = shown
        self._trim()
        self.loaded.emit(number)
        self._fill()

    def _trim(self) -> None:
        """Give up what comes last until the rest fits."""
        over = self.nbytes - self._budget
        if over <= 0:
            return
        order = self._order()
        beyond = [n for n in self._made if n not in set(order)]
        for number in (*beyond, *reversed(order)):
            if over <= 0 or number == self._at:
                return
            gone = self._made.pop(number, None)
            over -= gone.nbytes if gone is not None else 0


def _made(first: Reel, second: Reel | None, number: int, way: Way) -> Shown:
    """Read and develop a frame; on a thread."""
    a = first.read(number, step=way.step) if number in first.frames else None
    wants_other = second is not None and way.compare != "off" and number in second.frames
    b = second.read(number, step=way.step) if second is not None and wants_other else None
    if way.compare == "other" and b is not None:
        return Shown(_image(_developed(b, way)))
    if way.compare == "difference" and a is not None and b is not None:
        return Shown(_image(_opaque(reels.differing(a, b))))
    if a is None:
        first.read(number)  # says what is missing
        return Shown(None)
    other = _image(_developed(b, way)) if b is not None else None
    return Shown(_image(_developed(a, way)), other)


def _developed(frame: Frame, way: Way) -> U8:
    if frame.linear is not None:
        return develop(frame.linear, "beauty", way.how, camera_ev=frame.camera_ev)
    assert frame.shown is not None
    return _opaque(frame.shown)


def _opaque(rgb: U8) -> U8:
    out = np.full((*rgb.shape[:2], 4), 255, np.uint8)
    out[..., :3] = rgb
    return out


def _image(rows: U8) -> QImage:
    height, width = rows.shape[:2]
    return QImage(np.ascontiguousarray(rows).data, width, height, width * 4, QImage.Format.Format_RGBX8888).copy()
