"""Which light brings most to a pixel: the lit surface drawn once more for that pixel alone, as numbers.

The same program that shows lights in false colours weighs them one by one, shadows and links included, and tells the
place of the strongest in the table of lamps and its share of what the pixel shows. What a surface emits itself counts
as a light too, and so do the shapes of lamps that the camera sees. What of domes does not arrive is drawn for a few
samples of the sky first, for a single one's four directions may say that more is blocked than there is.
"""

from __future__ import annotations

from dataclasses import replace

import moderngl
import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Id
from studio.viewport.device import Device
from studio.viewport.frames import Frame
from studio.viewport.gpuscene import GpuScene
from studio.viewport.lamps import light_id
from studio.viewport.passes import Passes
from studio.viewport.picking import Picker
from studio.viewport.shadows import Shadows
from studio.viewport.view import Look, Mode

SKIES = 4  # samples of the sky


class Dominance:
    """Asks pixels of frames of one scene."""

    def __init__(self, device: Device, scene: GpuScene, passes: Passes, picker: Picker, shadows: Shadows) -> None:
        self._context, self._scene, self._passes, self._picker = device.context, scene, passes, picker
        self._shadows = shadows

    def at(self, frame: Frame, look: Look, x: int, y: int) -> tuple[Id, float] | None:
        """Id of the light, or of the object that emits, which brings most luminance to the pixel x, y (y down), and its
        share, 0 .. 1. None for the background, a pixel outside the picture and one that no light reaches.

        The object states (what is hidden, what is isolated) are those that are in place. Parts of one emissive object
        count each for itself.
        """
        flat = self._scene.flat
        if flat is None or not (0 <= x < frame.width and 0 <= y < frame.height):
            return None
        lamp, share, own = self._told(frame, look, x, y)
        if max(share, own) <= 0.0:
            return None
        if own > share:
            hit = self._picker.hit(frame, x, y)
            return None if hit is None or not hit.id else (hit.id, own)
        return light_id(flat, int(self._scene.lamps.rows[lamp])), share

    def _told(self, frame: Frame, look: Look, x: int, y: int) -> tuple[int, float, float]:
        """Place of the strongest lamp, its share and the share of the surface's own light; 0 each for no surface."""
        drawn = np.zeros(2)
        for turn in range(SKIES if look.shadows else 0):
            if not self._shadows.resample_sky(turn):
                break
            drawn += self._numbers(frame, look, x, y, told=2)[:2]
        self._shadows.sky_count = 0
        blocked = float(drawn[0] / drawn[1]) if drawn[1] > 0.0 else 0.0
        lamp, share, own, _ = self._numbers(frame, look, x, y, told=1, sky_blocked=blocked).tolist()
        return max(round(lamp) - 1, 0), share, own

    def _numbers(
        self, frame: Frame, look: Look, x: int, y: int, *, told: int, sky_blocked: float = 0.0
    ) -> NDArray[np.float32]:
        """What the pixel tells as `Passes.draw_surfaces` has it (4,)."""
        origin = (float(x), float(frame.height - y - 1))
        here = replace(frame, uniforms=frame.uniforms | {"grid_origin": origin})
        context = self._context
        texture = context.texture((1, 1), 4, dtype="f4")
        depth = context.depth_renderbuffer((1, 1))
        buffer = context.framebuffer([texture], depth)
        try:
            buffer.use()
            buffer.clear()
            buffer.viewport = (-x, y + 1 - frame.height, frame.width, frame.height)
            context.enable_only(moderngl.DEPTH_TEST)
            context.depth_func = "<="
            self._passes.bind()
            look = replace(look, mode=Mode.DOMINANT)
            self._passes.draw_surfaces(here, look, self._scene.batches, told=told, sky_blocked=sky_blocked)
            if told == 1:
                self._passes.draw_lamps(here, look, told=True)
            return np.frombuffer(texture.read(), np.float32)
        finally:
            for made in (buffer, depth, texture):
                made.release()
