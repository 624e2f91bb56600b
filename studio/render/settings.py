"""What an artist asks of a final render. One frozen record; its JSON is part of a partial's identity."""

from __future__ import annotations

import msgspec

MOST_SAMPLES = 1 << 19  # the film's sums have room for so many
DEEPEST = 1024  # path segments


class RenderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a render. Sizes in pixels; `crop` is x0, y0, x1, y1 with the top-left origin, end excluded."""

    width: int = 1280
    height: int = 720
    crop: tuple[int, int, int, int] | None = None
    samples: int = 256
    first_sample: int = 0  # with `samples` the half-open range [first_sample, first_sample + samples)
    depth: int = 8  # path segments; a lamp seen directly is 1
    seed: int = 0
    filter: str = "blackman-harris"  # or "box"
    filter_width_px: float = 3.0  # full width of the Blackman-Harris filter; the box is one pixel
    error: float = 0.0  # 0: every pixel gets `samples`; else adaptive to this relative error
    time_limit_s: float = 0.0
    aovs: tuple[str, ...] = ()
    light_groups: bool = False
    cryptomatte: bool = False
    light_layers: bool = False  # a layer for every light, in a file of their own beside the picture
    clamp_indirect: float = 0.0  # nits that one contribution past the first bounce may bring; 0: no limit (and no bias)


def shared_settings(settings: RenderSettings) -> RenderSettings:
    """What all parts of a render have in common: the settings without those that say which part it is."""
    return msgspec.structs.replace(settings, crop=None, samples=0, first_sample=0, time_limit_s=0.0)
