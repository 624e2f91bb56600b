"""The mixer's picture: from factors to bytes on a thread of its own, so that a fader never waits for its picture.

A step adds one layer to the sum and looks the view up in OCIO's table (`studio.render.video_view`): 9 ms of processor
time for 960x540. Steps that come while one is at work become one. At rest the sum is rebuilt when rounding has
drifted, the parts of groups are made ready, and the picture is denoised where that is wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage, QMouseEvent
from PySide6.QtWidgets import QWidget

from studio.render.denoise import Denoiser, measured_scale
from studio.render.lightmix_session import Frame, MixSession
from studio.render.lightmix_store import F32
from studio.render.lightmix_sum import DRIFT, PARTS, Mixer
from studio.render.video_view import View
from studio.scene import color
from studio.ui.bridge import Bridge
from studio.ui.picture_canvas import PictureCanvas

REST_MS = 250
_CLICK_PX = 4


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What is to be shown: factors (n, 3), those of the other picture or None, and how they are developed."""

    frame: Frame
    factors: NDArray[np.float32]
    other: NDArray[np.float32] | None
    view: str
    display: str
    exposure_ev: float
    groups: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What came of a step: bytes (h, w, 3) of both pictures, and whether the first one is without its noise."""

    step: Step
    picture: NDArray[np.uint8]
    other: NDArray[np.uint8] | None
    clean: bool = False


class Developer:
    """Sums and views of one frame. Lives on the thread of `MixPicture`, and in the benchmark on any other."""

    def __init__(self) -> None:
        self._frame: Frame | None = None
        self._mixer: Mixer | None = None
        self._other: Mixer | None = None
        self._view: View | None = None
        self._viewed: tuple[str, str] = ("", "")
        self._denoiser: Denoiser | None = None

    def mixer(self, frame: Frame) -> Mixer:
        """The mixer of a frame."""
        if self._frame is not frame or self._mixer is None:
            self.forget()
            self._frame, self._mixer = frame, Mixer(frame.store)
        return self._mixer

    def show(self, step: Step) -> Shown:
        """Mix and develop."""
        picture = self._developed(self.mixer(step.frame).update(step.factors), step)
        other = None
        if step.other is not None:
            if self._other is None:
                self._other = Mixer(step.frame.store)
            other = self._developed(self._other.update(step.other), step)
        return Shown(step, picture, other)

    def settle(self, step: Step) -> tuple[bool, Shown | None]:
        """A piece of what is done at rest, so that no hand waits for all of it: whether more is to be done, and a
        picture where it looks other than before."""
        mixer = self.mixer(step.frame)
        mixer.update(step.factors)
        if mixer.drift > DRIFT:
            mixer.rebuild()
            return True, self.show(step)
        return any(mixer.warm(rows) for rows in step.groups), None

    def clean(self, step: Step) -> Shown:
        """The picture of a step without its noise, by the guides of the file where it has them."""
        noisy = self.mixer(step.frame).update(step.factors)
        if self._denoiser is None:
            self._denoiser = Denoiser(noisy.shape[1], noisy.shape[0])
            guides = step.frame.guides or (np.ones_like(noisy), np.zeros_like(noisy))
            self._denoiser.guide(*guides)
        scale = measured_scale(step.frame.beauty[..., :3], color.luminance_weights())
        found = self.show(step)
        picture = self._developed(self._denoiser.clean(noisy, input_scale=scale), step)
        return Shown(step, picture, found.other, clean=True)

    def _developed(self, pixels: F32, step: Step) -> NDArray[np.uint8]:
        if self._view is None or self._viewed != (step.view, step.display):
            if self._view is not None:
                self._view.close()
            view = color.find_view(step.view or color.DEFAULT_VIEW, step.display or color.DISPLAY)
            self._view = View(view=view, display=step.display or color.DISPLAY, bits=8)
            self._viewed = (step.view, step.display)
        return np.asarray(self._view.show(pixels, step.exposure_ev), np.uint8)

    def forget(self) -> None:
        """Let go of the frame."""
        self._frame = self._mixer = self._other = None
        if self._denoiser is not None:
            self._denoiser.close()
            self._denoiser = None

    def close(self) -> None:
        """End its threads."""
        self.forget()
        if self._view is not None:
            self._view.close()
            self._view = None


def image_of(rows: NDArray[np.uint8]) -> QImage:
    """The image of RGB bytes (h, w, 3)."""
    height, width = rows.shape[:2]
    return QImage(rows.data, width, height, width * 3, QImage.Format.Format_RGB888).copy()


class MixPicture(QObject):
    """Keeps a picture up with a session. `shown` brings what is to be seen; `failed` an exception."""

    shown = Signal(object)  # Shown
    failed = Signal(object)

    def __init__(self, session: MixSession, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._bridge = session, bridge
        self.developer = Developer()
        self.compared: Callable[[], NDArray[np.float32] | None] = lambda: None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="studio-mix")
        self._busy = self._again = self._more = False  # the last is set on the thread, before it tells its end
        self._last: Step | None = None
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        self._rest.timeout.connect(self._settle)

    def close(self) -> None:
        """End the thread; nothing is shown any more."""
        self._rest.stop()
        self._thread.submit(self.developer.close)
        self._thread.shutdown(wait=True)

    def want(self) -> None:
        """Show the session as it is now, soon."""
        if self._session.frame is None:
            self._last = None
            if not self._busy:
                self._thread.submit(self.developer.forget)
            return
        if self._busy:
            self._again = True
            return
        step = self._step()
        self._last = step
        self._give(lambda: self.developer.show(step))
        self._rest.start()

    def _step(self) -> Step:
        session = self._session
        frame = session.need_frame()
        groups = sorted((rows for rows in session.groups.values() if len(rows) > 2), key=len, reverse=True)
        return Step(
            frame,
            session.factors(),
            self.compared(),
            session.view,
            session.display,
            session.shown_ev,
            tuple(groups[:PARTS]),
        )

    def _give(self, work: Callable[[], Shown | None]) -> None:
        self._busy = True

        def job() -> None:
            found: Any
            try:
                found = work()
            except Exception as fault:  # told on the window's thread
                found = fault
            self._bridge.post(lambda: self._taken(found))

        self._thread.submit(job)

    def _taken(self, found: Shown | Exception | None) -> None:
        self._busy = False
        if isinstance(found, Exception):
            if self._session.frame is not None:
                self.failed.emit(found)
        elif found is not None and found.step.frame is self._session.frame:
            self.shown.emit(found)
        if self._again:
            self._again = self._more = False
            self.want()
        elif self._more:
            self._more = False
            self._settle()

    def _settle(self) -> None:
        """At rest: what there was no time for."""
        step = self._last
        if step is None or step.frame is not self._session.frame:
            return
        if self._busy:
            self._rest.start()
            return
        denoise = self._session.denoise

        def work() -> Shown | None:
            self._more, found = self.developer.settle(step)
            return self.developer.clean(step) if denoise and not self._more else found

        self._give(work)

    @property
    def settled(self) -> bool:
        """Whether nothing is under way."""
        return not self._busy and not self._rest.isActive()


class MixCanvas(PictureCanvas):
    """A canvas on which a plain drag marks a region, and on which files are dropped."""

    dropped = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("mixer-canvas")
        self.setAcceptDrops(True)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A press is a click until it moves."""
        super().mousePressEvent(event)
        if self._drag == "click":
            self._drag = "mark"

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """What did not move was a click."""
        if self._drag == "mark" and (event.position() - self._from).manhattanLength() <= _CLICK_PX:
            self._drag = "click"
        super().mouseReleaseEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take EXRs."""
        urls = event.mimeData().urls()
        if len(urls) == 1 and urls[0].toLocalFile().lower().endswith(".exr"):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what is dropped."""
        self.dropped.emit(event.mimeData().urls()[0].toLocalFile())
        event.acceptProposedAction()
