"""Light below surfaces: what a pass of `mesh_lit.frag` kept apart of it is spread in the picture and added to it.

Burley's normalised diffusion is sampled on a disc around every pixel, in the plane of the surface
(`shaders/subsurface.frag`). The distances are the same for all pixels of a frame and turn around each by noise; a view
at rest draws other distances and turns in every sample, so that what adds up is the true integral. Views without such
surfaces never come here.
"""

from __future__ import annotations

import moderngl
import numpy as np
from numpy.typing import NDArray

from studio.viewport.device import Device
from studio.viewport.frames import Frame
from studio.viewport.gpuscene import set_uniform
from studio.viewport.targets import BELOW, Target

TAPS = 16


def profile_distances(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances over the profile's width below which the share u (0 .. 1) of its light lies: the inverse of
    1 - e^(-r) / 4 - 3 e^(-r/3) / 4, a cubic in e^(-r/3) (Golubev 2019)."""
    c = 2.0 * (1.0 - np.asarray(u, np.float64))
    w = np.cbrt(c + np.sqrt(1.0 + c * c))
    return np.asarray(-3.0 * np.log(np.maximum(w - 1.0 / w, 1e-12)))


def draws(turn: int) -> NDArray[np.float64]:
    """(TAPS, 2) distances over the width for sample `turn` of a view at rest (0 while it moves), and one over
    e^(-r) + e^(-r/3) there."""
    shift = (0.5 + turn * 0.7548776662466927) % 1.0
    r = profile_distances((np.arange(TAPS) + shift) / TAPS)
    r = np.clip(r, 1e-4, 16.0)
    return np.stack([r, 1.0 / (np.exp(-r) + np.exp(-r / 3.0))], axis=1)


class Scattering:
    """Spreads light below the surfaces of one target after another."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def spread(self, frame: Frame, target: Target, *, still: int) -> None:
        """Add what comes out of surfaces to the target's scene buffer. `still` is the sample of a view at rest."""
        context = self._device.context
        program = self._device.program("subsurface", TAPS=TAPS)
        frame.tell(program)
        for unit, (uniform, (name, dtype)) in enumerate(zip(("below_map", "weight_map", "profile_map"), BELOW)):
            target.extra(name, 4, dtype)[0].use(unit)
            set_uniform(program, uniform, unit)
        turn = np.asarray(frame.camera.world[:, :3], np.float64)  # columns are the axes of the view
        set_uniform(program, "view_turn", tuple(turn.reshape(-1).tolist()))
        set_uniform(program, "draws", [tuple(row) for row in draws(still).tolist()])
        set_uniform(program, "turn", float(still))
        target.light.use()
        context.enable_only(moderngl.BLEND)
        context.blend_func = moderngl.ONE, moderngl.ONE
        self._device.screen(program).render(vertices=3)
        context.enable_only(moderngl.NOTHING)
