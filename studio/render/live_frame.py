"""What the live view shows at a moment: pictures, how far they are, and what the worker is doing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from studio.render.film import Crop
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene

# what the worker is doing, in the order in which it usually happens; "idle" is before there is anything to render
STATES = ("idle", "starting", "compiling", "building", "rendering", "paused", "done", "restarting", "failed")


@dataclass(frozen=True, slots=True, eq=False)
class LiveFrame:
    """A picture of the live view. `layers` may still be of the scene before: `shows` says of which generation."""

    generation: int  # counts scenes and settings given to `show`
    shows: int = 0  # the generation of the pictures; 0: there are none yet
    number: int = 0  # counts pictures
    layers: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)  # (h, w, n), read-only; "beauty" in nits
    guides: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)  # "albedo" and "normal", for denoising
    counts: NDArray[np.int32] | None = None  # (h, w) samples of each pixel
    samples: float = 0.0  # mean over the pixels at work, with those that came from nodes
    borrowed: int = 0  # of them, samples that came from nodes
    of: int = 0
    seconds: float = 0.0  # of rendering
    eta: float = 0.0  # seconds until it is finished; 0 when that is not known
    rays: int = 0
    rays_per_second: float = 0.0
    device: str = ""
    state: str = "idle"
    message: str = ""  # a sentence for the artist, "" when there is nothing to say
    complete: bool = False
    exact: bool = False  # every sample is the one that a final render would take, to the bit
    step: int = 0  # 8: a sample every 8 pixels, the others filled; 1: every pixel has one; 0: no picture
    region: Crop | None = None
    rebuilt: tuple[str, ...] = ()  # what the device had to make anew: of textures, lights, geometry, surfaces
    flat: FlatScene | None = None  # what the pictures show, for picking and snapshots
    settings: RenderSettings | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures in pixels; 0, 0 when there are none."""
        beauty = next(iter(self.layers.values()), None)
        return (0, 0) if beauty is None else (beauty.shape[1], beauty.shape[0])

    def having(self, **changes: object) -> LiveFrame:
        """The frame with other fields."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, eq=False)
class Denoised:
    """A live frame without its noise: `pixels` (h, w, 4) in nits and alpha. `fault` is a sentence when it failed."""

    frame: LiveFrame
    pixels: NDArray[np.float32] | None
    fault: str = ""
