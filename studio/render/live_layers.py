"""The layers of a live picture: which channels each is made of, and those that have to be worked out from the film.

A layer has the name of its AOV ("beauty", "albedo", "depth", "direct_diffuse", "light_keys", ...). Most are means of
channels of the film, which the device makes quickly. Variance and the Cryptomatte layers are not: they are made of the
whole film, on demand. A Cryptomatte layer is shown as one flat colour for each name.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from studio.errors import UsageError
from studio.render.film import AOVS, RADIANCE_LAYERS, Film, Layout, light_layers

SLOW = ("variance", "crypto_object", "crypto_material")
_DATA = {
    "position": ("P.X", "P.Y", "P.Z"),
    "normal": ("N.X", "N.Y", "N.Z"),
    "albedo": ("albedo.R", "albedo.G", "albedo.B"),
    "uv": ("UV.U", "UV.V"),
    "motion": ("motion.X", "motion.Y"),
}


def available(light_groups: Sequence[str]) -> tuple[str, ...]:
    """Names of all layers that can be shown of a scene with these light groups."""
    return ("beauty", *(name for name in AOVS if name != "lights"), *light_layers(light_groups))


def channels_of(layer: str) -> tuple[str, ...]:
    """Channels of a film (or names of SLOW) that make a layer; none for "samples", which every picture has.

    Raises `UsageError` for a name that is none.
    """
    if layer == "beauty":
        return ("R", "G", "B", "A")
    if layer == "alpha":
        return ("A",)
    if layer == "samples":
        return ()
    if layer == "depth" or layer in SLOW:
        return (layer,)
    if layer in _DATA:
        return _DATA[layer]
    if layer in RADIANCE_LAYERS or layer.startswith("light_"):
        return tuple(f"{layer}.{c}" for c in "RGB")
    raise UsageError(f"there is no layer {layer!r} to show; choose beauty, a light group, or one of {', '.join(AOVS)}")


def aovs_for(layers: Sequence[str]) -> tuple[str, ...]:
    """AOVs that a film has to sum for layers to be shown."""
    wanted = {"lights" if layer.startswith("light_") else layer for layer in layers}
    return tuple(name for name in AOVS if name in wanted)


def shown(layers: Sequence[str], layout: Layout) -> tuple[str, ...]:
    """Those of `layers` that a film of this layout has."""
    there = {c.name for c in layout.channels} | set(layout.minima) | {"variance"}
    there |= {f"crypto_{kind}" for kind in layout.mattes}
    return tuple(layer for layer in layers if all(name in there for name in channels_of(layer)))


def width_of(channel: str) -> int:
    """Floats of a channel in a picture: a Cryptomatte layer is a colour."""
    return 3 if channel.startswith("crypto_") else 1


def layer_slices(channels: Sequence[str]) -> dict[str, slice]:
    """Where the channels lie in a picture's last axis."""
    out, at = {}, 0
    for name in channels:
        out[name] = slice(at, at + width_of(name))
        at += width_of(name)
    return out


def split(
    picture: NDArray[np.float32], counts: NDArray[np.int32], channels: Sequence[str], layers: Sequence[str]
) -> dict[str, NDArray[np.float32]]:
    """Layers (h, w, channels of the layer) of a picture (h, w, all channels), as copies."""
    at = layer_slices(channels)
    out: dict[str, NDArray[np.float32]] = {}
    for layer in layers:
        names = channels_of(layer)
        if layer == "samples":
            out[layer] = counts.astype(np.float32)[..., None]
        elif all(name in at for name in names):
            out[layer] = np.concatenate([picture[..., at[name]] for name in names], axis=-1)
    return out


def slow_layer(name: str, film: Film) -> NDArray[np.float32]:
    """A layer of SLOW, (h, w, 1) or (h, w, 3), filled where there is no sample yet."""
    if name == "variance":
        picture = film.variance()[..., None]
    else:
        picture = id_colours(film, name.removeprefix("crypto_"))
    return filled(picture, film.counts)


def id_colours(film: Film, kind: str) -> NDArray[np.float32]:
    """A colour for the matte ("object" or "material") with the most samples of each pixel, black where none is."""
    layer = film.mattes.index(kind)
    best = film.matte_counts[layer].argmax(axis=-1)[..., None]
    ids = np.take_along_axis(film.matte_ids[layer], best, axis=-1)[..., 0]
    mixed = ids * np.uint32(0x9E3779B1)
    mixed ^= mixed >> np.uint32(15)
    channels = [((mixed >> np.uint32(shift)) & np.uint32(0xFF)).astype(np.float32) / 255.0 for shift in (0, 8, 16)]
    return np.where((ids > 0)[..., None], 0.15 + 0.8 * np.stack(channels, axis=-1), 0.0).astype(np.float32)


def filled(picture: NDArray[np.float32], counts: NDArray[np.int32], coarsest: int = 32) -> NDArray[np.float32]:
    """`picture` (h, w, c) with pixels that have no sample like the nearest of the finest grid that has one."""
    h, w = counts.shape
    out, open_ = picture.copy(), counts == 0
    step = 2
    while step <= coarsest and open_.any():
        y, x = np.nonzero(open_)
        sy, sx = ((v + step // 2) // step * step for v in (y, x))
        sy, sx = np.where(sy >= h, sy - step, sy), np.where(sx >= w, sx - step, sx)
        known = counts[sy, sx] > 0
        out[y[known], x[known]] = picture[sy[known], sx[known]]
        open_[y[known], x[known]] = False
        step *= 2
    return out
