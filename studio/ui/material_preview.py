"""A material rendered by the tracer while its parameters are dragged, and the small pictures of all the others.

The tracer runs in a worker of its own beside that of the render view, at a lower priority, so neither waits for the
other. It is started when there is something to show to somebody and ended a while after the last picture, for it holds
a few hundred megabytes. The material in hand goes first; when its picture is clean, those of the list that have none
yet are rendered one by one, each to be kept. Nothing here waits: pictures come by the bridge.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QImage

from studio.assets.preview_stage import SHAPES, preview_scene
from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.errors import StudioError
from studio.render.interactive import InteractiveRender
from studio.render.live_frame import LiveFrame
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.geometry import Image
from studio.scene.materials import Material
from studio.ui.bridge import Bridge
from studio.ui.developing import Developing, develop
from studio.ui.i18n import tr
from studio.ui.live_render import image_of
from studio.ui.material_swatches import Swatches, swatch_key

SIDE_PX = 256
_SAMPLES, _SWATCH_SAMPLES = 48, 16
_NICENESS = 12  # below the window, and below the render view's worker
_IDLE_MS, _HIDDEN_MS = 180_000, 30_000  # without anything to do, before the worker is ended
_SETTINGS = RenderSettings(width=SIDE_PX, height=SIDE_PX, depth=10, clamp_indirect=20.0, samples=_SAMPLES)


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    key: str
    material: Material
    images: Mapping[str, Image]
    shape: str
    swatch: bool


class MaterialPreview(QObject):
    """See the module. `shown` brings pictures of the material in hand, `told` that the state changed."""

    shown = Signal(QImage)
    told = Signal()

    def __init__(self, studio: Studio, bridge: Bridge, swatches: Swatches, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._studio, self._bridge, self.swatches = studio, bridge, swatches
        self._render: InteractiveRender | None = None
        self._flat: FlatScene | None = None
        self._main: _Job | None = None
        self._main_done = ""  # key of the last main picture that is clean
        self._wanted: list[_Job] = []
        self._job: _Job | None = None
        self._generation = 0
        self._clean_asked = -1
        self._developing = self._again = self._closed = False
        self._awake = False
        self.fault = ""
        self._nice: set[int] = set()
        self._idle = QTimer(self, singleShot=True)
        self._idle.timeout.connect(self.rest)
        swatches.came.connect(self._swatch_came)

    # --- wishes ------------------------------------------------------------------------------------------------------
    def show_material(self, material: Material | None, images: Mapping[str, Image], *, shape: str = SHAPES[0]) -> None:
        """Show this material from now on; None shows nothing."""
        if material is None:
            self._main = None
            self._begin_next()
            return
        key = swatch_key(material, images, shape=shape)
        if self._main is not None and key == self._main.key:
            return
        self._main = _Job(key, material, images, shape, swatch=False)
        self.fault = "" if key else tr("This material holds a number that is not finite.")
        if self._awake and key:
            self._begin(self._main)

    def want(self, materials: Sequence[Material], images: Mapping[str, Image]) -> None:
        """Have pictures of these, as there is time."""
        self._wanted = []
        for material in materials:
            key = swatch_key(material, images)
            if key and self.swatches.get(key) is None:
                self._wanted.append(_Job(key, material, images, SHAPES[0], swatch=True))
        self._begin_next()

    def wake(self, on: bool) -> None:
        """Somebody looks, or nobody: then nothing is rendered, and after a while the worker goes."""
        if on == self._awake:
            return
        self._awake = on
        if on:
            if self._main is not None and self._main.key != self._main_done and self._main.key:
                self._begin(self._main)
            else:
                self._begin_next()
        else:
            self._job = None
            if self._render is not None:
                self._render.pause()
            self._idle.start(_HIDDEN_MS)

    @property
    def busy(self) -> bool:
        """Whether something is being rendered."""
        return self._job is not None

    @property
    def progress(self) -> float:
        """How far the picture in hand is, 0 to 1."""
        frame = self._latest()
        if self._job is None:
            return 1.0
        if frame is None or frame.shows != self._generation or not frame.of:
            return 0.0
        return min(frame.samples / frame.of, 1.0)

    @property
    def worker_pid(self) -> int:
        """Process id of the worker, 0 when there is none."""
        return self._render.worker_pid if self._render is not None else 0

    def state_text(self) -> str:
        """What the renderer is doing, in the present language; "" when there is nothing to say."""
        if self.fault:
            return self.fault
        frame = self._latest()
        if self._job is None or frame is None:
            return ""
        if frame.state in ("starting", "compiling", "restarting"):
            return tr("Preparing the preview…")
        return ""

    # --- rendering ---------------------------------------------------------------------------------------------------
    def _begin_next(self) -> None:
        """Go on with what is most wanted, if the worker is free."""
        if self._job is not None or not self._awake or self._closed:
            return
        if self._main is not None and self._main.key and self._main.key != self._main_done:
            self._begin(self._main)
            return
        while self._wanted:
            job = self._wanted[0]
            if not self.swatches.known(job.key):
                self._begin(job)
                return
            if self.swatches.get(job.key) is None:  # still being looked for on disk
                return
            self._wanted.pop(0)
        self._idle.start(_IDLE_MS)
        self.told.emit()

    def _begin(self, job: _Job) -> None:
        self._idle.stop()
        self._job = job
        self.fault = ""
        try:
            scene = preview_scene(job.material, job.images, shape=job.shape)
            self._flat = flatten(scene, 1.0, previous=self._flat)
            render = self._renderer()
            settings = _settings(_SWATCH_SAMPLES if job.swatch else _SAMPLES)
            self._generation = render.show(self._flat, settings)
            if render.paused:
                render.resume()
        except StudioError as fault:
            self._job, self.fault = None, str(fault)
            self._wanted = [other for other in self._wanted if other is not job]
        self.told.emit()

    def _renderer(self) -> InteractiveRender:
        if self._render is None:
            preferences = self._studio.preferences
            self._render = InteractiveRender(
                device=preferences.device,
                threads=preferences.threads,
                notify=lambda: self._bridge.post(self._notified),
            )
            self._render.interacting = True  # short waves, and no learning: the picture is small and soon another
        return self._render

    def _latest(self) -> LiveFrame | None:
        return self._render.latest() if self._render is not None else None

    def _notified(self) -> None:
        """The render's thread has something new."""
        frame, job = self._latest(), self._job
        if frame is None or self._closed:
            return
        self._lower(self.worker_pid)
        if job is not None and frame.state == "failed":
            self._job, self.fault = None, tr(frame.message)
            self._wanted = []
        elif job is not None and frame.shows == self._generation and "beauty" in frame.layers:
            self._develop(job, frame)
        self.told.emit()

    def _lower(self, pid: int) -> None:
        """Have the worker give way. Its threads are made after this and inherit it."""
        if pid and pid not in self._nice and hasattr(os, "setpriority"):
            self._nice.add(pid)
            try:
                os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)
            except OSError:  # it ended meanwhile
                self._nice.discard(pid)

    def _develop(self, job: _Job, frame: LiveFrame) -> None:
        """Bring a picture to the screen; a complete one is freed of its noise first."""
        render = self._render
        assert render is not None
        pixels = frame.layers["beauty"]
        final = False
        if frame.complete:
            done = render.denoised()
            if done is not None and done.frame.number == frame.number:
                pixels, final = (pixels if done.pixels is None else done.pixels), True
            elif self._clean_asked != frame.number:
                self._clean_asked = frame.number
                render.denoise(frame)
        if job.swatch and not final:
            return
        if self._developing:
            self._again = True
            return
        self._developing = True
        generation = self._generation
        self._bridge.run(
            lambda: _printed(pixels, final), then=lambda rows: self._developed(job, generation, rows, final)
        )

    def _developed(self, job: _Job, generation: int, rows: NDArray[np.uint8], final: bool) -> None:
        self._developing = False
        if self._closed:
            return
        image = image_of(rows)
        if not job.swatch and job is self._main:
            self.shown.emit(image)
        if final:
            self._finished(job, generation, image)
        if self._again:
            self._again = False
            self._notified()

    def _finished(self, job: _Job, generation: int, image: QImage) -> None:
        """A clean picture: kept, and the next begun."""
        if job.shape == SHAPES[0]:
            self.swatches.put(job.key, image)
        if not job.swatch:
            self._main_done = job.key
        if self._job is job and generation == self._generation:
            self._job = None
            self._wanted = [other for other in self._wanted if other.key != job.key]
            self._begin_next()
        self.told.emit()

    def _swatch_came(self, key: str) -> None:
        self._begin_next()

    # --- leaving -----------------------------------------------------------------------------------------------------
    def rest(self) -> None:
        """End the worker, which keeps its kernels for the next time; it is started again when it is needed."""
        render, self._render = self._render, None
        self._job = None
        if render is not None:
            self._bridge.run(render.close, then=lambda _: self.told.emit())

    def close(self) -> None:
        """End the worker and show nothing any more."""
        self._closed = True
        self._idle.stop()
        self._job = None
        render, self._render = self._render, None
        if render is not None:
            render.close()


def _settings(samples: int) -> RenderSettings:
    import msgspec

    made: Any = msgspec.structs.replace(_SETTINGS, samples=samples)
    assert isinstance(made, RenderSettings)
    return made


def _printed(pixels: NDArray[np.float32], exact: bool) -> NDArray[np.uint8]:
    return develop(pixels, "beauty", Developing(), exact=exact)


SHAPE_NAMES = {"ball": N_("Ball"), "cloth": N_("Cloth"), "cube": N_("Block"), "plane": N_("Board")}
