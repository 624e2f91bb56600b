"""The renderer of viewports and playblasts: from a flat scene and a view of it to a picture.

One renderer holds one scene on the graphics card and draws any number of targets of it, each with its own camera and
look. A frame is a row of passes: depth, light, what lets light through, what blends, then the display transform, and
the overlays on top, which exposure does not touch. While a view rests, jittered frames are added up until its edges
are smooth; whatever changes starts that over, but for what only the display is concerned with.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Id
from studio.scene.flat import FlatScene
from studio.viewport.camera import ViewCamera
from studio.viewport.device import Device
from studio.viewport.display import Display
from studio.viewport.dominant import Dominance
from studio.viewport.frames import Frame, Grids, make_frame
from studio.viewport.gpuscene import UNITS, GpuScene, SyncReport
from studio.viewport.passes import Passes
from studio.viewport.picking import Hit, Picker
from studio.viewport.shadows import MOST_SIDE, Shadows
from studio.viewport.states import HIDDEN, ObjectStates
from studio.viewport.targets import Target
from studio.viewport.view import Look, Mode, Quality, Statistics

if TYPE_CHECKING:
    from studio.viewport.overlay_pass import OverlayPass
    from studio.viewport.overlay_records import OverlayBatch

STILL_SAMPLES = 32
MOVING_S, STILL_S = 0.03, 0.25  # about how long shadows may take of a frame while things move, and at rest
_LIT = (Mode.LIT, Mode.CLAY, Mode.EXPOSURE, Mode.DOMINANT)
_DISPLAYED = (Mode.NORMALS, Mode.COMPLEXITY, Mode.DOMINANT, Mode.WIREFRAME)  # not made of light; they are not added up


class Renderer:
    """Draws one scene. All of it happens in the thread of the device."""

    def __init__(self, device: Device, *, shadow_side: int = MOST_SIDE) -> None:
        self.device = device
        self.scene = GpuScene(device)
        self.display = Display(device)
        self._states = ObjectStates(device.context)
        self._shadowed: WeakKeyDictionary[Target, bool] = WeakKeyDictionary()  # views that wait for their shadows
        self.shadows = Shadows(device, self.scene, most_side=shadow_side)
        self._grids = Grids(device.context)
        self._passes = Passes(device, self.scene, self.display, self._states, self.shadows)
        self._picker = Picker(device, self.scene, self._passes, self._states)
        self._dominance = Dominance(device, self.scene, self._passes, self._picker, self.shadows)
        self._overlays: OverlayPass | None = None

    def sync(self, flat: FlatScene) -> SyncReport:
        """Take over a flat scene; uploads sections that are not the same objects as last time.

        Raises OutOfDeviceMemory when it does not fit.
        """
        self.device.clean()
        report = self.scene.sync(flat)
        self.shadows.sync(flat)
        return report

    def draw(
        self,
        target: Target,
        camera: ViewCamera,
        look: Look,
        *,
        quality: Quality = Quality.MOVING,
        selected: frozenset[Id] = frozenset(),
        hovered: Id = "",
        overlay: OverlayBatch | None = None,
        wires: bool = False,
        samples: int = STILL_SAMPLES,
        shadow_seconds: float | None = None,
    ) -> Statistics:
        """Draw the scene of the last `sync` into a target; what a display shows is then in `target.color_texture`.

        With Quality.STILL every call adds one jittered sample until there are `samples`; after that only the display
        and what lies over the picture are drawn. `shadow_seconds` is about how long shadows may take, else what suits
        the quality; what has no turn follows in the next frames. `wires` draws the edges of triangles over the picture.
        Raises UsageError for a view that the display does not have.
        """
        begun = time.perf_counter()
        flat = self.scene.flat
        assert flat is not None, "sync a scene before drawing it"
        self.device.clean()
        self._passes.timers.begin()
        self._states.show(flat, isolated=look.isolated, selected=selected, hovered=hovered)
        lamps = self.scene.lamps
        self._shadowed[target] = look.shadows and look.mode in _LIT
        if self._shadowed[target]:
            with self._passes.timers("shadows"):
                moving = quality == Quality.MOVING
                seconds = shadow_seconds if shadow_seconds is not None else MOVING_S if moving else STILL_S
                self.shadows.update(target, camera, *target.size, seconds=seconds, hidden=self._hidden(look))
                if moving or look.mode in _DISPLAYED:
                    self.shadows.resample(-1, seconds=seconds)
        still = quality == Quality.STILL and look.mode not in _DISPLAYED
        self._accumulate(target, camera, look, samples) if still else self._once(target, camera, look)
        frame = self._frame(target, camera)
        with self._passes.timers("display"):
            self._passes.show(target, look, lights=lamps.count, smooth=not still)
        if wires and look.mode != Mode.WIREFRAME:
            with self._passes.timers("wires"):
                self._passes.draw_wires(frame, target)
        if selected or hovered:
            with self._passes.timers("outlines"):
                self._passes.draw_outlines(frame, target)
        if overlay is not None:
            with self._passes.timers("overlay"):
                self._overlay_pass().draw(overlay, target.display, target.depth_texture, camera, target.size)
        return Statistics(
            lights=lamps.count,
            triangles=self.scene.triangles,
            instances=len(flat.instances),
            gpu_bytes=self.scene.bytes + self.shadows.bytes + target.bytes,
            samples=target.samples,
            shadowed=self.shadows.counts if look.shadows else (0, 0),
            shadows_coarser=self.shadows.coarser if look.shadows else 0,
            seconds=time.perf_counter() - begun,
            passes=tuple(self._passes.timers.seconds.items()),
        )

    def still_done(self, target: Target, *, samples: int = STILL_SAMPLES) -> bool:
        """Whether a view at rest has all its samples, so that drawing it again changes nothing."""
        return target.samples >= samples and (self.shadows.done or not self._shadowed.get(target, False))

    def pass_seconds(self) -> dict[str, float]:
        """Seconds of the last frame by pass, waiting for the graphics card."""
        return self._passes.timers.finish()

    # --- picking ------------------------------------------------------------------------------------------------------
    def pick(self, target: Target, camera: ViewCamera, look: Look, x: float, y: float) -> Hit | None:
        """What the pixel at x, y (device pixels, y down) shows, None for the background."""
        return self._picker.hit(self._looked(target, camera, look), int(np.floor(x)), int(np.floor(y)))

    def pick_rectangle(
        self, target: Target, camera: ViewCamera, look: Look, x0: float, y0: float, x1: float, y1: float
    ) -> frozenset[Id]:
        """The mesh objects that show in a rectangle of pixels; icons are the tools' business."""
        corners = (int(np.floor(v)) for v in (x0, y0, x1, y1))
        return self._picker.rectangle(self._looked(target, camera, look), *corners)

    def pick_all(self, target: Target, camera: ViewCamera, look: Look, x: float, y: float) -> list[Id]:
        """The mesh objects behind one another at a pixel, front to back."""
        return self._picker.all(self._looked(target, camera, look), int(np.floor(x)), int(np.floor(y)))

    def dominant(self, target: Target, camera: ViewCamera, look: Look, x: float, y: float) -> tuple[Id, float] | None:
        """The light (or emissive object) that brings most luminance to the pixel at x, y (device pixels, y down), and
        its share of what the pixel shows; None where nothing is lit. Whatever mode the look has."""
        frame = self._looked(target, camera, look)
        if look.shadows:
            self.shadows.update(target, camera, *target.size, seconds=MOVING_S, hidden=self._hidden(look))
            self.shadows.resample(-1, seconds=MOVING_S)
        return self._dominance.at(frame, look, int(np.floor(x)), int(np.floor(y)))

    def release(self) -> None:
        """Give everything on the graphics card back, but not the device."""
        if self._overlays is not None:
            self._overlays.release()
            self._overlays = None
        self._passes.release()
        self._grids.release()
        self.shadows.release()
        self._states.release()
        self.display.release()
        self.scene.release()

    # --- pieces -------------------------------------------------------------------------------------------------------
    def _frame(
        self, target: Target, camera: ViewCamera, jitter: tuple[float, float] = (0.0, 0.0), turn: int = 0
    ) -> Frame:
        grid = self._grids.grid(camera, target.width, target.height, self.scene.lamps)
        self._grids.use(UNITS["masks_table"])
        return make_frame(camera, target.width, target.height, grid, self.scene, jitter=jitter, turn=turn)

    def _once(self, target: Target, camera: ViewCamera, look: Look) -> None:
        target.samples, target.state = 0, None
        self._passes.draw_scene(self._frame(target, camera), target, look)

    def _accumulate(self, target: Target, camera: ViewCamera, look: Look, samples: int) -> None:
        """Add a sample, the first of a new sum if anything changed that light or geometry depend on."""
        state = (self.scene.changes, self.shadows.revision, id(self.scene), _camera_key(camera), *_look_key(look))
        if target.state != state:
            target.state, target.samples = state, 0
        if target.samples >= samples:
            return
        if look.shadows:
            with self._passes.timers("shadows"):
                self.shadows.resample(target.samples, seconds=STILL_S)
        frame = self._frame(target, camera, jitter(target.samples), target.samples)
        self._passes.draw_scene(frame, target, look, turn=target.samples)
        with self._passes.timers("sum"):
            self._passes.add_up(target)

    def _looked(self, target: Target, camera: ViewCamera, look: Look) -> Frame:
        """The frame of a view, for picking in it: with what it isolates, without a thought of what is selected."""
        flat = self.scene.flat
        assert flat is not None, "sync a scene before picking in it"
        self.device.clean()
        self._states.show(flat, isolated=look.isolated, selected=frozenset(), hovered="")
        return self._frame(target, camera)

    def _hidden(self, look: Look) -> NDArray[np.bool_] | None:
        """The objects that the view does not show, by the states that are in place."""
        return self._states.bits & HIDDEN > 0 if look.isolated else None

    def _overlay_pass(self) -> OverlayPass:
        if self._overlays is None:
            from studio.viewport.overlay_pass import OverlayPass

            self._overlays = OverlayPass(self.device)
        return self._overlays


def jitter(sample: int) -> tuple[float, float]:
    """Where in its pixel (-0.5 .. 0.5) a sample lies: the middle first, then the R2 sequence (Roberts 2018)."""
    if sample == 0:
        return 0.0, 0.0
    x, y = (0.5 + sample * step for step in (0.7548776662466927, 0.5698402909980532))
    return x % 1.0 - 0.5, y % 1.0 - 0.5


def _camera_key(camera: ViewCamera) -> tuple[Any, ...]:
    numbers = (camera.orthographic, camera.half_width, camera.fit, camera.shift, camera.near_m, camera.far_m)
    return (np.asarray(camera.world, np.float64).tobytes(), *numbers)


def _look_key(look: Look) -> tuple[Any, ...]:
    """What of a look the sum of samples depends on."""
    return look.mode, look.shadows, look.contact_shadows, look.ambient_occlusion, look.background is None, look.isolated
