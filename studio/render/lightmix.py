"""Mixing a finished frame: what every light brought to it, each with a gain, a colour, mute and solo, added up anew.

Light adds up, so a picture whose lamps are dimmed is the sum of the lamps' own layers, dimmed. A `Mix` says how;
`factors` turns it into numbers for `lightmix_sum.Mixer` (at the size of the view) and `lightmix_full` (files).

Groups are a scene's groups above a light, or else the light group that the file names. Mute and solo mean what they
mean in a scene: muted is silent, whatever is above or below; where anything is solo, only that and what hangs below it
shines.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset
from studio.render.lightmix_store import F32, F64
from studio.scene.constraints import lineage
from studio.scene.entities import Group, Id, Vec3
from studio.scene.scene import Scene

MOST_STOPS = 24.0  # of a gain, up or down
BRIGHTEST = 64.0  # component of a colour
NAMED_GROUP = "group:"  # before the name of a light group that is no entity of the scene


class LayerInfo(Protocol):
    """A light of a file of layers; `id` "" is the rest, which is of no lamp."""

    @property
    def id(self) -> Id: ...
    @property
    def name(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def index(self) -> int: ...


class Layers(Protocol):
    """A file with a layer per light, see `studio.render.light_layers.open_layers`."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""

    @property
    def crop(self) -> tuple[int, int, int, int]:
        """Where these pixels lie in the frame, end excluded."""

    @property
    def frame_size(self) -> tuple[int, int]:
        """Width and height of the frame."""

    @property
    def about(self) -> Mapping[str, Any]:
        """What the header says of the frame; "myriad:exposure" are the camera's stops."""

    @property
    def lights(self) -> Sequence[LayerInfo]:
        """The lights, one a layer."""

    def read(self, index: int, size: tuple[int, int] | None = None) -> F32:
        """(h, w, 3) nits of a light, averaged to `size` (w, h)."""

    def beauty(self, size: tuple[int, int] | None = None) -> F32:
        """(h, w, 3) of all of them."""

    def guides(self, size: tuple[int, int] | None = None) -> tuple[F32, F32] | None:
        """Albedo and normals (h, w, 3) for denoising, where the file has them."""

    def close(self) -> None:
        """Let go of the file."""


# --- what is mixed ---------------------------------------------------------------------------------------------------
class Strip(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A light or a group on the desk: `gain` in stops, a linear `color` that multiplies, and its two switches."""

    gain: float = 0.0
    color: Vec3 = (1.0, 1.0, 1.0)
    muted: bool = False
    solo: bool = False

    @property
    def factor(self) -> NDArray[np.float32]:
        """(3,) What the strip multiplies light by, its switches left aside."""
        return np.array(self.color, np.float32) * np.float32(2.0**self.gain)


NEUTRAL = Strip()


class Mix(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Strips by the id of a light or a group; whatever has none is as it was rendered."""

    name: str = ""
    strips: dict[Id, Strip] = {}

    def of(self, id_: Id) -> Strip:
        """The strip of a light or a group."""
        return self.strips.get(id_, NEUTRAL)

    def change(self, ids: Iterable[Id], **values: object) -> Mix:
        """A mix with fields of strips set; a strip that does nothing any more is left out."""
        strips = dict(self.strips)
        for id_ in ids:
            new = _limited(msgspec.structs.replace(self.of(id_), **values))
            strips[id_] = new
            if new == NEUTRAL:
                del strips[id_]
        return msgspec.structs.replace(self, strips=strips)

    def louder(self, stops: Mapping[Id, float]) -> Mix:
        """A mix with gains changed by stops, each from its own."""
        out = self
        for id_, by in stops.items():
            out = out.change((id_,), gain=self.of(id_).gain + by)
        return out

    @property
    def is_neutral(self) -> bool:
        """Whether it changes nothing."""
        return not self.strips


def _limited(strip: Strip) -> Strip:
    gain = strip.gain if math.isfinite(strip.gain) else 0.0
    r, g, b = (min(max(c, 0.0), BRIGHTEST) if math.isfinite(c) else 1.0 for c in strip.color)
    return msgspec.structs.replace(strip, gain=min(max(gain, -MOST_STOPS), MOST_STOPS), color=(r, g, b))


def write_mixes(mixes: Sequence[Mix]) -> bytes:
    """Presets as JSON."""
    return msgspec.json.format(msgspec.json.encode({"mixes": mixes}), indent=1) + b"\n"


def read_mixes(text: bytes | object, where: str) -> tuple[Mix, ...]:
    """Presets of JSON, or of what JSON made; `BadAsset` naming `where`. Numbers out of bounds are brought into them."""
    try:
        found = msgspec.json.decode(text, type=_Presets) if isinstance(text, bytes) else msgspec.convert(text, _Presets)
    except msgspec.MsgspecError as fault:
        raise BadAsset(f"{where} holds no mixes that can be read ({fault}); save them again") from fault
    return tuple(
        Mix(name=mix.name, strips={k: _limited(s) for k, s in mix.strips.items() if _limited(s) != NEUTRAL})
        for mix in found.mixes
    )


class _Presets(msgspec.Struct):
    mixes: list[Mix]


# --- who is mixed ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Channel:
    """A light of the file with the groups above it, the nearest first. `row` is its place among the layers. The rest,
    which is of no lamp, has the id "": nothing changes it, and a solo silences it."""

    id: Id
    name: str
    row: int
    groups: tuple[Id, ...] = ()


def channels_of(lights: Sequence[LayerInfo], scene: Scene | None = None) -> tuple[Channel, ...]:
    """The channels of a file, named and grouped as `scene` has them now, or else as the file says."""
    out = []
    for row, light in enumerate(lights):
        entity = scene.entities.get(light.id) if scene is not None else None
        above = _groups_above(scene, light.id) if scene is not None and entity is not None else ()
        groups = above or ((f"{NAMED_GROUP}{light.group}",) if light.group else ())
        name = (entity.name if entity is not None else "") or light.name or light.id
        out.append(Channel(light.id, name, row, groups))
    return tuple(out)


def _groups_above(scene: Scene, id_: Id) -> tuple[Id, ...]:
    return tuple(i for i in lineage(scene.entities, id_)[1:] if isinstance(scene.entities[i], Group))


def members(channels: Sequence[Channel]) -> dict[Id, tuple[int, ...]]:
    """Group id -> rows of the lights below it."""
    out: dict[Id, list[int]] = {}
    for channel in channels:
        for group in channel.groups:
            out.setdefault(group, []).append(channel.row)
    return {group: tuple(rows) for group, rows in out.items()}


def factors(mix: Mix, channels: Sequence[Channel]) -> NDArray[np.float32]:
    """(n, 3) What the layer of each channel is multiplied by."""
    out = np.ones((len(channels), 3), np.float32)
    strips = mix.strips
    if not strips:
        return out
    times = {id_: strip.factor for id_, strip in strips.items() if strip.gain or strip.color != NEUTRAL.color}
    muted = {id_ for id_, strip in strips.items() if strip.muted}
    present = {id_ for channel in channels for id_ in (channel.id, *channel.groups)}
    solo = {id_ for id_, strip in strips.items() if strip.solo and id_ in present}
    for row, channel in enumerate(channels):
        chain = (channel.id, *channel.groups)
        if any(id_ in muted for id_ in chain) or (solo and not any(id_ in solo for id_ in chain)):
            out[row] = 0.0
            continue
        for id_ in chain:
            if id_ in times:
                out[row] *= times[id_]
    return out


def shares(means: F64, times: NDArray[np.float32], weights: Sequence[float]) -> tuple[F64, F64]:
    """Luminances (n,) in nits that lights bring and their shares (n,) of the whole, of `means` (n, 3) and factors."""
    light = (means * times) @ np.array(weights, np.float64)
    whole = float(light.sum())
    return light, light / whole if whole > 0 else np.zeros_like(light)
