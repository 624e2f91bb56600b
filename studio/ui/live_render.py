"""The live render of a window: the document on one side, the render's thread on the other.

It follows the studio while it runs: every change is shown to the renderer once the event loop comes to it, so a storm
of edits is one. Pictures are developed on a thread and come back as images. Nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QImage

from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.errors import StudioError
from studio.render.film import Film
from studio.render.interactive import FilmTaken, InteractiveRender
from studio.render.live_frame import LiveFrame
from studio.render.live_share import Lending, Offered
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatCamera, FlatScene
from studio.scene.scene import Scene
from studio.scene.schema import Touches
from studio.ui.bridge import Bridge
from studio.ui.developing import Developing, develop, differing
from studio.ui.i18n import tr

if TYPE_CHECKING:
    from studio.ui.view import View
    from studio.viewport.camera import ViewCamera

SIZES = ((320, 180), (480, 270), (640, 360), (960, 540), (1280, 720), (1920, 1080))
_CALM_MS = 250  # after the last change, a drag counts as over
_LOOK_MS = 50  # how often it is looked where the viewport stands, while that is what is rendered
_SHOWS = ~Touches.NOTHING
_MOST_SCENES = 8  # that were shown last
F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What the picture is held against: pixels of the same layer, and how ("off", "wipe", "difference", "other")."""

    mode: str = "off"
    pixels: F32 | None = None
    camera_ev: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Print:
    """A developed picture: bytes (h, w, 4) of it and of what it is held against, and the numbers behind it."""

    frame: LiveFrame
    layer: str
    pixels: F32
    shown: NDArray[np.uint8]
    other: NDArray[np.uint8] | None
    fault: str = ""

    def image(self) -> QImage:
        """The picture for a screen."""
        return image_of(self.shown)

    def other_image(self) -> QImage | None:
        """What it is held against."""
        return None if self.other is None else image_of(self.other)


def camera_of(camera: ViewCamera, exposure_ev: float) -> FlatCamera:
    """A free view as a camera: a pinhole that stands still."""
    world = np.asarray(camera.world, np.float32)
    return FlatCamera(
        name="viewport",
        open=world,
        close=world,
        orthographic=camera.orthographic,
        half_width=camera.half_width,
        fit=camera.fit,
        shift=camera.shift,
        lens_radius_m=0.0,
        focus_distance_m=max(camera.pivot_m, 1e-3),
        blades=0,
        blade_rotation=0.0,
        exposure_ev=exposure_ev,
    )


def image_of(rows: NDArray[np.uint8]) -> QImage:
    """The image of RGBX bytes (h, w, 4)."""
    height, width = rows.shape[:2]
    return QImage(rows.data, width, height, width * 4, QImage.Format.Format_RGBX8888).copy()


class LiveRender(QObject):
    """See the module. `printed` brings a `Print`, `told` a `LiveFrame` with what the renderer is doing."""

    printed = Signal(object)
    told = Signal(object)

    def __init__(
        self,
        studio: Studio,
        bridge: Bridge,
        parent: QObject | None = None,
        *,
        viewport: Callable[[], View | None] = lambda: None,
    ) -> None:
        super().__init__(parent)
        self._studio, self._bridge, self._viewport = studio, bridge, viewport
        self._last_shown: FlatScene | None = None
        self._seen: tuple[FlatScene, ViewCamera, FlatScene] | None = None  # a scene, a place, and it seen from there
        self._scenes: tuple[tuple[FlatScene, Scene], ...] = ()  # what was shown last, and what it is of
        self._lending: tuple[Lending, float, Offered | None] = ("", 0.5, None)
        self._render: InteractiveRender | None = None
        self.settings = RenderSettings(width=640, height=360, samples=256)
        self.how = Developing()
        self.layer = "beauty"
        self.comparison = Comparison()
        self.denoise = False
        self.running = False
        self._showing = self._developing = self._again = False
        self._print: Print | None = None
        self._clean: tuple[int, F32] | None = None  # a picture's number, and it without noise
        self._asked_clean = -1
        self._calm = QTimer(self)
        self._calm.setSingleShot(True)
        self._calm.setInterval(_CALM_MS)
        self._calm.timeout.connect(self._rested)
        self._looks = QTimer(self)
        self._looks.setInterval(_LOOK_MS)
        self._looks.timeout.connect(self._look)
        self._forget = studio.watch(self._heard)

    # --- running -----------------------------------------------------------------------------------------------------
    @property
    def frame(self) -> LiveFrame | None:
        """The newest picture with its state."""
        return self._render.latest() if self._render is not None else None

    @property
    def last_print(self) -> Print | None:
        """What is on the screen."""
        return self._print

    @property
    def worker_pid(self) -> int:
        """Process id of the worker, 0 when there is none."""
        return self._render.worker_pid if self._render is not None else 0

    def prewarm(self) -> None:
        """Start the worker before it is needed."""
        self._renderer().prewarm()

    def start(self) -> None:
        """Render and follow the scene; after a pause or a failure, go on."""
        render = self._renderer()
        self.running = True
        frame = render.latest()
        if render.paused or (frame is not None and frame.state in ("failed", "paused")):
            render.resume()
        self._show_soon()

    def pause(self) -> None:
        """Render no more, and keep the picture."""
        self.running = False
        if self._render is not None:
            self._render.pause()

    def stop(self) -> None:
        """Free the device, and keep the picture."""
        self.running = False
        if self._render is not None:
            self._render.stop()

    def close(self) -> None:
        """End the renderer."""
        self._forget()
        self._calm.stop()
        self._looks.stop()
        self.running = False
        if self._render is not None:
            self._render.close()
            self._render = None

    def _renderer(self) -> InteractiveRender:
        preferences = self._studio.preferences
        if self._render is None:
            self._render = InteractiveRender(
                device=preferences.device, threads=preferences.threads, notify=lambda: self._bridge.post(self._notified)
            )
            self.lend(*self._lending)
        return self._render

    # --- others that help --------------------------------------------------------------------------------------------
    def lend(self, mode: Lending, share: float = 0.5, offered: Offered | None = None) -> None:
        """Have others render samples too, see `InteractiveRender.lend`."""
        self._lending = mode, share, offered or self._lending[2]
        if self._render is not None:
            self._render.lend(mode, share=share, offered=offered)

    def add(self, film: Film, samples: tuple[int, int], generation: int, *, device: str) -> bool:
        """Add samples that others rendered, see `InteractiveRender.add`. From any thread."""
        render = self._render
        return render is not None and render.add(film, samples, generation, device=device)

    def renew(self, generation: int, begun: bool) -> None:
        """Samples that others rendered come anew, see `InteractiveRender.renew`. From any thread."""
        render = self._render
        if render is not None:
            render.renew(generation, begun)

    def scene_of(self, flat: FlatScene) -> Scene | None:
        """The scene that was shown as this flat one, while it is among the last. From any thread."""
        return next((scene for shown, scene in self._scenes if shown is flat), None)

    def take_film(self, done: FilmTaken) -> None:
        """The whole film as it stands, see `InteractiveRender.take_film`; None for it before anything was rendered."""
        if self._render is None:
            done(None, LiveFrame(0))
        else:
            self._render.take_film(done)

    # --- what is rendered --------------------------------------------------------------------------------------------
    def configure(self, **values: object) -> None:
        """Change render settings (width, height, samples, depth)."""
        import msgspec

        self.settings = msgspec.structs.replace(self.settings, **values)
        self._show_soon()

    def choose_layer(self, layer: str) -> None:
        """Show another layer of the film; the render goes on where it can."""
        self.layer = layer
        if self._render is not None:
            self._render.wanted = (layer,)
        self._develop()

    def choose_region(self, region: tuple[int, int, int, int] | None) -> None:
        """Render these pixels only; None: all."""
        try:
            self._renderer().region = region
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="warning")

    def follow_viewport(self, on: bool) -> None:
        """Render what the viewport that was used last shows, instead of what the scene's camera sees."""
        if on:
            self._looks.start()
        else:
            self._looks.stop()
        self._show_soon()

    def _flat(self) -> FlatScene:
        """The scene as it is rendered: from the scene's camera, or from where a viewport stands."""
        flat, view = self._studio.flat, self._viewport() if self._looks.isActive() else None
        if view is None:
            return flat
        if self._seen is None or self._seen[0] is not flat or self._seen[1] is not view.camera:
            self._seen = flat, view.camera, replace(flat, camera=camera_of(view.camera, flat.camera.exposure_ev))
        return self._seen[2]

    def _look(self) -> None:
        if self._studio.playing:
            return
        if self.running and self._flat() is not self._last_shown:
            if self._render is not None and not self._calm.isActive():
                self._render.interacting = True
            self._calm.start()
            self._show_soon()

    def _heard(self, update: Update) -> None:
        if "preferences" in update.parts and self._render is not None:
            self._render.device = self._studio.preferences.device
        shows = update.change is not None and (
            update.change.touches & _SHOWS or update.change.before.camera != update.change.after.camera
        )
        # a frame that is gone before its first samples are there is not worth a render: it waits until playback stops
        moved = "frame" in update.parts or "playing" in update.parts
        if (shows or (moved and not self._studio.playing)) and self.running:
            if self._render is not None and update.change is not None and not self._calm.isActive():
                self._render.interacting = True
            self._calm.start()
            self._show_soon()

    def _rested(self) -> None:
        if self._render is not None:
            self._render.interacting = False

    def _show_soon(self) -> None:
        if not self._showing:
            self._showing = True
            QTimer.singleShot(0, self, self._show)

    def _show(self) -> None:
        self._showing = False
        if not self.running or self._render is None:
            return
        try:
            self._render.wanted = (self.layer,)
            self._last_shown = self._flat()
            studio = self._studio
            scene = studio.scene if studio.performance is None else studio.performance(studio.scene)
            self._scenes = (*self._scenes[1 - _MOST_SCENES :], (self._last_shown, scene))
            self._render.show(self._last_shown, self.settings)
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="error")

    # --- pictures ----------------------------------------------------------------------------------------------------
    def _notified(self) -> None:
        """The render's thread has something new; many notes are one look."""
        frame = self.frame
        if frame is None:
            return
        self.told.emit(frame)
        self._take_clean()
        self._develop()

    def _take_clean(self) -> None:
        render = self._render
        if render is None or not self.denoise:
            return
        done = render.denoised()
        if done is not None and done.pixels is not None:
            self._clean = (done.frame.number, done.pixels)
        elif done is not None and done.fault and done.frame.number == self._asked_clean:
            self._studio.face.notify(done.fault, kind="warning")
            self.denoise = False
        frame = render.latest()
        if frame is not None and frame.shows and frame.number != self._asked_clean and frame.step <= 1:
            self._asked_clean = frame.number
            render.denoise(frame)

    def develop_anew(self, how: Developing | None = None, comparison: Comparison | None = None) -> None:
        """Show the same picture in another way."""
        if how is not None:
            self.how = how
        if comparison is not None:
            self.comparison = comparison
        self._take_clean()
        self._develop()

    def _develop(self) -> None:
        """Develop the newest picture on a thread; what comes meanwhile is developed after it, once."""
        frame = self.frame
        if frame is None or not frame.layers:
            return
        if self._developing:
            self._again = True
            return
        self._developing = True
        layer = self.layer if self.layer in frame.layers else "beauty"
        pixels = frame.layers.get(layer)
        if pixels is None:
            self._developing = False
            return
        if self.denoise and layer == "beauty" and self._clean is not None and self._clean[1].shape == pixels.shape:
            pixels = self._clean[1]
        how, comparison, wanted = self.how, self.comparison, pixels
        self._bridge.run(
            lambda: _printed(frame, layer, wanted, how, comparison), then=self._developed, failed=self._undeveloped
        )

    def _developed(self, made: Print) -> None:
        self._developing = False
        self._print = made
        self.printed.emit(made)
        if self._again:
            self._again = False
            self._develop()

    def _undeveloped(self, fault: Exception) -> None:
        self._developing = False
        if not isinstance(fault, StudioError):
            raise fault
        self._studio.face.notify(str(fault), kind="warning")

    def state_text(self, frame: LiveFrame) -> str:
        """What the renderer is doing, in the present language."""
        return (frame.message and tr(frame.message)) or tr(_STATES.get(frame.state, frame.state))


_STATES = {
    "idle": N_("Ready"),
    "starting": N_("Starting"),
    "compiling": N_("Compiling"),
    "building": N_("Building"),
    "rendering": N_("Rendering"),
    "paused": N_("Paused"),
    "done": N_("Finished"),
    "restarting": N_("Starting again"),
    "failed": N_("Failed"),
}


def _printed(frame: LiveFrame, layer: str, pixels: F32, how: Developing, comparison: Comparison) -> Print:
    camera_ev = frame.flat.camera.exposure_ev if frame.flat is not None else 0.0
    stays = frame.complete or frame.state == "paused"
    other = comparison.pixels
    if comparison.mode == "off" or other is None:
        return Print(frame, layer, pixels, develop(pixels, layer, how, camera_ev=camera_ev, exact=stays), None)
    if other.shape[:2] != pixels.shape[:2]:
        sizes = f"{other.shape[1]}x{other.shape[0]}", f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise StudioError(
            f"The snapshot has {sizes[0]} pixels and the render {sizes[1]}; render at one size to compare."
        )
    if comparison.mode == "difference":
        return Print(frame, layer, pixels, differing(other, pixels, how), None)
    shown = develop(other, layer, how, camera_ev=comparison.camera_ev, exact=stays)
    if comparison.mode == "other":
        return Print(frame, layer, other, shown, None)
    return Print(frame, layer, pixels, develop(pixels, layer, how, camera_ev=camera_ev, exact=stays), shown)
