"""One viewport: where it looks from, how, and the picture of it. A widget shows it; it knows no widget.

It is what tools and commands call their viewer. A change of anything asks for one frame, drawn at the quality of
motion; when nothing has asked for a while, the same view is drawn again and again and averages out (edges, soft
lights) until the renderer says that it is done. So a still view costs nothing, and no timer runs freely. Where a frame
would take longer than a hand waits, it is drawn with fewer pixels, so the window answers on any device.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from studio.commands.studio import Studio, Update
from studio.scene.document import Document
from studio.scene.entities import Id
from studio.scene.flat import FlatScene
from studio.scene.flat_camera import active_camera
from studio.scene.lights import KINDS
from studio.scene.scene import Scene
from studio.ui.stage import Stage
from studio.viewport.camera import ViewCamera
from studio.viewport.overlay_records import OverlayBatch
from studio.viewport.tools.toolset import ViewportTools
from studio.viewport.view import Look, Overlays, Quality, Statistics

if TYPE_CHECKING:
    from studio.viewport.picking import Hit
    from studio.viewport.renderer import Renderer
    from studio.viewport.targets import Target

# Seconds that a frame may take while something moves, and while the view rests but a hand may come back any time. A
# device that is slower draws fewer pixels, which the widget enlarges.
_MOVING_S, _STILL_S = 0.12, 0.6
_SCALES = (1.0, 0.707, 0.5, 0.354, 0.25, 0.177, 0.125)
# A scene whose lights weigh more than this, and twice as much as those of the last frame, is drawn coarsely first, to
# learn what a frame of it takes before one holds the window up for seconds. A light with a size weighs as many points.
_HEAVY, _SIZED = 600, 20


def _nothing(*_: object) -> None:
    return None


def _weight(flat: FlatScene) -> int:
    """How much the lights of a scene have to be thought about, in point lights."""
    sized = int((flat.lights["kind"] > KINDS["spot"]).sum())
    return len(flat.lights) + (_SIZED - 1) * sized


class View:
    """A viewport of a studio, drawn by a stage.

    Whoever shows it sets `on_redraw`, `on_status`, `on_cursor` and `seen`, gives it its `size` by `resize`, and asks
    `draw` for the picture. Not to be used after `close`.
    """

    def __init__(self, studio: Studio, stage: Stage) -> None:
        self.studio, self.stage = studio, stage
        self.on_redraw: Callable[[], object] = _nothing
        self.on_status: Callable[[str], object] = _nothing
        self.on_cursor: Callable[[str], object] = _nothing
        self.seen: Callable[[], bool] = lambda: False  # whether it is on the screen, and so will be drawn
        self.statistics = Statistics()
        self.batch = OverlayBatch()
        self.frames = 0  # drawn so far
        self._camera = ViewCamera()
        self._look = Look()
        self._overlays = Overlays()
        self._size = (1, 1)
        self._ratio = 1.0
        self._scale = 1.0  # of the picture that is being drawn or was drawn last
        self._pixel_s = {Quality.MOVING: 0.0, Quality.STILL: 0.0}  # seconds of a pixel, as the last frames took
        self._rested = False  # whether the last frame was one of a view at rest, so that its time is that of the next
        self._lowered = False  # whether a view at rest took too long, and so stays as coarse as it is
        self._known = 0  # how much the lights weighed whose frames were timed
        self._compiled = False  # whether the last frame was a coarse one, which compiles what it needs
        self._target: Target | None = None
        self._moved = True
        self._drawing = False
        self._finished = False  # the picture is as good as it gets; it is shown again as it is
        self._begun_with: Scene | None = None
        self.tools = ViewportTools(self, stage.tools)
        self._forget = studio.watch(self._updated)
        self.begin()

    def begin(self) -> None:
        """Stand where the scene wants to be seen from: at its camera, with its exposure, else far enough to see all."""
        self._begun_with = self.studio.scene
        if self.tools.through:
            self.tools.look_through("")
        if active_camera(self.studio.scene, self.studio.frame):
            camera = self.flat.camera
            self._camera = ViewCamera.of(camera)
            self._look = replace(self._look, exposure_ev=camera.exposure_ev, isolated=frozenset())
        elif self.studio.scene.entities:
            self._look = replace(self._look, isolated=frozenset())
            self.tools.frame_all()
        self.redraw()

    def close(self) -> None:
        """Stop watching, and give the picture's memory back."""
        self._forget()
        if self._target is not None:
            self.stage.gl.make_current()
            self._target.release()
            self._target = None

    def _updated(self, update: Update) -> None:
        if "path" in update.parts and update.change is None and self.studio.scene is not self._begun_with:
            self.begin()
        if update.change is not None or update.parts & {"frame", "path", "render size", "performance"}:
            self.tools.refresh()
            self.redraw()

    # --- Viewer ------------------------------------------------------------------------------------------------------
    @property
    def document(self) -> Document:
        """The open document."""
        return self.studio.document

    @property
    def flat(self) -> FlatScene:
        """The flat scene at the frame shown."""
        return self.studio.flat

    @property
    def camera(self) -> ViewCamera:
        """What is looked through now."""
        return self._camera

    @camera.setter
    def camera(self, camera: ViewCamera) -> None:
        self._camera = camera
        self.redraw()

    @property
    def look(self) -> Look:
        """How the view is drawn."""
        return self._look

    @look.setter
    def look(self, look: Look) -> None:
        self._look = look
        self.redraw()

    @property
    def overlays(self) -> Overlays:
        """What is drawn over the picture."""
        return self._overlays

    def set_overlays(self, overlays: Overlays) -> None:
        """Choose what is drawn over the picture."""
        self._overlays = overlays
        self.redraw()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in device pixels; while a picture with fewer pixels is drawn, in those."""
        return self._drawn_size() if self._drawing else self._size

    @property
    def pixel_ratio(self) -> float:
        """Device pixels per logical pixel."""
        return self._ratio * self._scale if self._drawing else self._ratio

    @property
    def label_ratio(self) -> float:
        """Pixels of the picture that was drawn last per logical pixel: what positions of its labels are in."""
        return self._ratio * self._scale

    @property
    def aspect(self) -> float:
        """Width over height of the picture that will be rendered."""
        width, height = self.studio.render_size
        return width / height

    def pick(self, x: float, y: float) -> Hit | None:
        """The surface under a pixel."""
        k = self._scale
        return self._renderer().pick(self._picked(), self._camera, self._look, x * k, y * k)

    def pick_all(self, x: float, y: float) -> Sequence[Id]:
        """Every object under a pixel, front to back."""
        k = self._scale
        return self._renderer().pick_all(self._picked(), self._camera, self._look, x * k, y * k)

    def pick_rectangle(self, x0: float, y0: float, x1: float, y1: float) -> frozenset[Id]:
        """Objects that show in a rectangle."""
        k = self._scale
        box = (x0 * k, y0 * k, x1 * k, y1 * k)
        return self._renderer().pick_rectangle(self._picked(), self._camera, self._look, *box)

    def dominant(self, x: float, y: float) -> tuple[Id, float] | None:
        """The light that brings most to the surface under a pixel, and its share."""
        k = self._scale
        return self._renderer().dominant(self._picked(), self._camera, self._look, x * k, y * k)

    def redraw(self) -> None:
        """Ask for a new frame; many asks make one."""
        self._moved, self._finished = True, False
        if not self._drawing:
            self.on_redraw()

    def status(self, text: str) -> None:
        """A line about the gesture going on, "" when it is over."""
        self.on_status(text)

    def cursor(self, name: str) -> None:
        """The pointer's shape."""
        self.on_cursor(name)

    # --- drawing -----------------------------------------------------------------------------------------------------
    def resize(self, width: int, height: int, ratio: float) -> None:
        """Take a size in device pixels and the pixel ratio of the screen."""
        if (width, height, ratio) != (*self._size, self._ratio):
            self._size, self._ratio = (width, height), ratio
            self.tools.refresh()
            self.redraw()

    def draw(self, *, whole: bool = False) -> Target:
        """Draw the next frame: of the motion if anything changed since the last, else one more of the still view.
        `whole` draws every pixel, however long it takes."""
        if self._finished and self._target is not None:
            return self._target
        renderer = self._renderer()
        weight = _weight(self.flat)
        coarse = not whole and weight > max(_HEAVY, 2 * self._known)
        quality = Quality.MOVING if self._moved or coarse else Quality.STILL
        self._moved = False
        self._scale = _SCALES[-1] if coarse else 1.0 if whole else self._affordable(quality)
        self._drawing = True
        try:
            target = self._made_target(self._drawn_size())
            begun = time.perf_counter()
            self.batch = self.tools.overlay()
            self.statistics = renderer.draw(
                target,
                self._camera,
                self._look,
                quality=quality,
                selected=frozenset(self.document.selection) if self._overlays.outlines else frozenset(),
                hovered=self.tools.hovered,
                overlay=self.batch,
                shadow_seconds=math.inf if whole else None,  # a picture that is kept has all of its shadows
            )
            self.stage.device.flush()
        finally:
            self._drawing = False
        self._time(quality, time.perf_counter() - begun, coarse=coarse, weight=weight)
        self._rested = quality is Quality.STILL
        self._lowered = self._lowered and self._rested
        self.frames += 1
        self._finished = not self._moved and renderer.still_done(target)
        return target

    def _time(self, quality: Quality, seconds: float, *, coarse: bool, weight: int) -> None:
        """Remember what a frame took. The next follows at once where this one told little: it was coarse, or, as the
        first of all and the first of a heavy scene do, it compiled programs."""
        width, height = self._drawn_size()
        if self.frames and not (coarse and seconds > _MOVING_S and not self._compiled):
            # shadows take what they take, however large the picture
            shadows = dict(self.statistics.passes).get("shadows", 0.0)
            self._pixel_s[quality] = max(seconds - shadows, 0.25 * seconds) / (width * height)
            self._known = weight
        self._compiled = coarse
        self._moved = self._moved or coarse

    def _affordable(self, quality: Quality) -> float:
        """The largest scale whose frame is drawn in the time that there is."""
        seconds = self._pixel_s[quality] or max(self._pixel_s.values())
        rested = quality is Quality.STILL and self._rested
        if quality is Quality.STILL and not rested:  # the frame of motion before it knows the scene as it is now
            seconds = max(self._pixel_s.values())
        whole = seconds * self._size[0] * self._size[1]
        budget = _MOVING_S if quality is Quality.MOVING else _STILL_S
        if rested:  # a picture that refines begins anew when its size changes, so it does that with reason only
            slow = whole * self._scale**2 > 4 * budget
            self._lowered = self._lowered or slow
            if not slow and (self._lowered or whole * self._scale**2 > 0.5 * budget):
                return self._scale
        return next((scale for scale in _SCALES if whole * scale * scale <= budget), _SCALES[-1])

    def _drawn_size(self) -> tuple[int, int]:
        return max(1, round(self._size[0] * self._scale)), max(1, round(self._size[1] * self._scale))

    @property
    def moved(self) -> bool:
        """Whether something changed since the last frame."""
        return self._moved

    @property
    def converged(self) -> bool:
        """Whether drawing again would change nothing."""
        return self._finished

    def settle(self, *, seconds: float = 20.0) -> None:
        """Draw every pixel until the still view has averaged out, or for so long; for screenshots."""
        begun = time.monotonic()
        while True:
            self.draw(whole=True)
            if self._finished or time.monotonic() - begun > seconds:
                self._finished = True
                return

    def _renderer(self) -> Renderer:
        renderer = self.stage.renderer
        renderer.sync(self.studio.flat)
        return renderer

    def _picked(self) -> Target:
        return self._made_target(self._drawn_size())

    def _made_target(self, size: tuple[int, int]) -> Target:
        if self._target is None:
            from studio.viewport.targets import Target

            self._target = Target(self.stage.device, *size)
        elif (self._target.width, self._target.height) != size:
            self._target.resize(*size)
        return self._target

    # --- kept with the layout ----------------------------------------------------------------------------------------
    def state(self) -> dict[str, object]:
        """What a layout remembers of the view: its mode, effects, view transform and overlays."""
        look = self._look
        return {
            "mode": look.mode.value,
            "display": look.display,
            "view": look.view,
            "ambient_occlusion": look.ambient_occlusion,
            "bloom": look.bloom,
            "shadows": look.shadows,
            "contact_shadows": look.contact_shadows,
            "overlays": [name for name in Overlays.__dataclass_fields__ if getattr(self._overlays, name)],
        }

    def restore(self, state: dict[str, object]) -> None:
        """Take what `state` gave, as far as it still means something."""
        from studio.viewport.view import Mode

        modes = {mode.value: mode for mode in Mode}
        self._look = replace(
            self._look,
            mode=modes.get(str(state.get("mode")), self._look.mode),
            display=str(state.get("display", "")),
            view=str(state.get("view", "")),
            ambient_occlusion=state.get("ambient_occlusion") is True,
            bloom=state.get("bloom") is True,
            shadows=state.get("shadows") is not False,
            contact_shadows=state.get("contact_shadows") is not False,
        )
        shown = state.get("overlays")
        if isinstance(shown, list):
            self._overlays = Overlays(**{name: name in shown for name in Overlays.__dataclass_fields__})
        self.redraw()
