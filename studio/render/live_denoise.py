"""Denoising what the live view shows, in a thread of its own: OIDN takes a good part of a second."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from studio.errors import StudioError
from studio.render.denoise import Denoiser, measured_scale
from studio.render.film import REC709_LUMINANCE
from studio.render.live_frame import Denoised, LiveFrame


class DenoiseThread:
    """Denoises one frame after the other; a frame that waits gives its place to a newer one."""

    def __init__(self, notify: Callable[[], None]) -> None:
        self._notify = notify
        self._condition = threading.Condition()
        self._next: LiveFrame | None = None
        self._closed = False
        self._thread: threading.Thread | None = None
        self.result: Denoised | None = None

    def ask(self, frame: LiveFrame) -> None:
        """Denoise this frame next. The thread starts with the first."""
        with self._condition:
            if self._closed:
                return
            self._next = frame
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="denoise", daemon=True)
                self._thread.start()
            self._condition.notify()

    def close(self) -> None:
        """End the thread after the frame at work."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        denoiser: Denoiser | None = None
        size = (0, 0)
        try:
            while (frame := self._wait()) is not None:
                try:
                    if frame.size != size or denoiser is None:
                        if denoiser is not None:
                            denoiser.close()
                        denoiser, size = None, frame.size
                        denoiser = Denoiser(*size)
                    self.result = Denoised(frame, _clean(denoiser, frame))
                except StudioError as fault:
                    self.result = Denoised(frame, None, str(fault))
                self._notify()
        finally:
            if denoiser is not None:
                denoiser.close()

    def _wait(self) -> LiveFrame | None:
        with self._condition:
            while self._next is None and not self._closed:
                self._condition.wait()
            frame, self._next = self._next, None
            return None if self._closed else frame


def _clean(denoiser: Denoiser, frame: LiveFrame) -> NDArray[np.float32]:
    beauty = frame.layers["beauty"]
    color = beauty[..., :3]
    nothing = np.zeros_like(color)
    clean = denoiser.denoise(
        color,
        frame.guides.get("albedo", nothing),
        frame.guides.get("normal", nothing),
        input_scale=measured_scale(color, REC709_LUMINANCE),
    )
    return np.concatenate([clean, beauty[..., 3:]], axis=-1)
