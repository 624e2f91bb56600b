"""A frame on the mixing desk: the file, its layers at the size of the view, the mix with its history, and the demands.

The session knows no window. `load` is slow and belongs on a thread; everything else is quick and belongs to the thread
of whoever holds the session. Pictures are made of `factors` by a `Mixer` on a thread of the panel.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.errors import Cancelled, UsageError
from studio.render.lightmix import Channel, LayerInfo, Layers, Mix, channels_of, factors, members, shares
from studio.render.lightmix_full import Open, base_exposure, layer, open_file
from studio.render.lightmix_solve import MOST_STOPS, Demand, Kind, Solution, solve
from studio.render.lightmix_store import BUDGET_BYTES, F32, F64, Rect, Store
from studio.scene import color
from studio.scene.entities import Id
from studio.scene.scene import Scene

VIEW_SIZE = (960, 540)
_HISTORY = 200
_READ_AHEAD = 3  # layers
_REGIONS = 64  # whose means are remembered


@dataclass(slots=True)
class Loading:
    """How far a load is; whoever waits may set `cancelled`. Read and written by both threads."""

    path: Path
    share: float = 0.0
    cancelled: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What is shown of a file of layers, at the size of the view. The file itself is closed again."""

    path: Path
    size: tuple[int, int]  # of the file's pixels
    lights: tuple[LayerInfo, ...]
    store: Store
    beauty: F32  # (h, w, 3) nits, as rendered
    exposure_ev: float  # of the camera, or what brings its middle to middle grey
    guides: tuple[F32, F32] | None

    def close(self) -> None:
        """Free the layers."""
        self.store.close()


def view_size(size: tuple[int, int], most: tuple[int, int] = VIEW_SIZE) -> tuple[int, int]:
    """The size at which a picture is mixed for the eye: its own, or as large as fits `most`."""
    scale = min(most[0] / size[0], most[1] / size[1], 1.0)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def load(loading: Loading, *, opener: Open = open_file, budget_bytes: int = BUDGET_BYTES) -> Frame:
    """Read the layers of a file at the size of the view. Raises `Cancelled` and what the opener raises."""
    layers = opener(loading.path)
    store: Store | None = None
    try:
        size = view_size(layers.size)
        store = Store((size[1], size[0]), budget_bytes=budget_bytes)
        beauty = layers.beauty(size)
        for row, pixels in enumerate(_ahead(layers, size, beauty)):
            if loading.cancelled:
                raise Cancelled("opening the light layers was cancelled")
            store.append(pixels)
            loading.share = (row + 1) / len(layers.lights)
        exposure, guides = base_exposure(layers, size), layers.guides(size)
        return Frame(loading.path, layers.size, tuple(layers.lights), store, beauty, exposure, guides)
    except BaseException:
        if store is not None:
            store.close()
        raise
    finally:
        layers.close()


def _ahead(layers: Layers, size: tuple[int, int], beauty: F32) -> Iterator[F32]:
    """The layers in their order, some read ahead while one is stored."""
    coming: deque[Future[F32]] = deque()
    with ThreadPoolExecutor(2, thread_name_prefix="mix-reader") as pool:
        for row in range(len(layers.lights)):
            coming.append(pool.submit(layer, layers, row, size, beauty=beauty))
            if len(coming) > _READ_AHEAD:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


@dataclass(frozen=True, slots=True)
class Ranked:
    """A light in a place: `nits` of luminance that it brings, its `share`, and the stops that it lies below all."""

    channel: Channel
    nits: float
    share: float
    stops: float


@dataclass(frozen=True, slots=True)
class Wish:
    """A demand as it was put in: about a region of the picture, or about lights in the whole of it.

    `region` None is the whole picture. `ids` are the lights or groups that are meant, none for all. `other` is the
    second side of a ratio. `before` are the nits that it had when the wish was made.
    """

    kind: Kind
    region: Rect | None = None
    ids: tuple[Id, ...] = ()
    value: float = 0.0
    weight: float = 1.0
    other: tuple[Rect | None, tuple[Id, ...]] | None = None
    before: float | None = None
    name: str = ""


@dataclass(slots=True, eq=False)
class MixSession:
    """See the module."""

    frame: Frame | None = None
    channels: tuple[Channel, ...] = ()
    groups: dict[Id, tuple[int, ...]] = field(default_factory=dict)
    mix: Mix = field(default_factory=Mix)
    loading: Loading | None = None
    saving: list[Loading] = field(default_factory=list)
    exposure_ev: float = 0.0  # on top of the frame's
    view: str = color.DEFAULT_VIEW
    display: str = color.DISPLAY
    denoise: bool = False
    wishes: list[Wish] = field(default_factory=list)
    locked: set[Id] = field(default_factory=set)
    bounds: tuple[float, float] = (-MOST_STOPS, MOST_STOPS)
    watchers: list[Callable[[], None]] = field(default_factory=list)
    _past: list[tuple[Mix, str]] = field(default_factory=list)
    _future: list[Mix] = field(default_factory=list)
    _seen: dict[Rect, F64] = field(default_factory=dict)  # regions with the means of the layers there

    # --- the frame ---------------------------------------------------------------------------------------------------
    def show(self, frame: Frame | None, scene: Scene | None = None) -> None:
        """Take a frame, or none, in the place of the one there is. The mix stays: its strips are by id."""
        if self.frame is not None and self.frame is not frame:
            self.frame.close()
        self.frame = frame
        self.channels = channels_of(frame.lights, scene) if frame is not None else ()
        self.groups = members(self.channels)
        self.wishes.clear()
        self._seen.clear()
        self.tell()

    def regroup(self, scene: Scene) -> None:
        """Follow the scene's names and groups."""
        if self.frame is None:
            return
        new = channels_of(self.frame.lights, scene)
        if new != self.channels:
            self.channels, self.groups = new, members(new)
            self.tell()

    def need_frame(self) -> Frame:
        """The frame; `UsageError` where there is none."""
        if self.frame is None:
            raise UsageError("open the light layers of a picture first; a render with light layers writes them")
        return self.frame

    def tell(self) -> None:
        """Tell the watchers that something changed."""
        for watcher in tuple(self.watchers):
            watcher()

    @property
    def shown_ev(self) -> float:
        """Stops by which the picture is shown brighter than its nits."""
        return (self.frame.exposure_ev if self.frame is not None else 0.0) + self.exposure_ev

    # --- the mix -----------------------------------------------------------------------------------------------------
    def set_mix(self, mix: Mix, *, coalesce: str = "") -> None:
        """Mix otherwise. Changes with the same `coalesce` token are one step back."""
        if mix == self.mix:
            return
        if not (coalesce and self._past and self._past[-1][1] == coalesce):
            self._past.append((self.mix, coalesce))
            del self._past[:-_HISTORY]
        self._future.clear()
        self.mix = mix
        self.tell()

    def undo(self) -> None:
        """Take back the last change of the mix."""
        if self._past:
            self._future.append(self.mix)
            self.mix = self._past.pop()[0]
            self.tell()

    def redo(self) -> None:
        """Do again what was taken back."""
        if self._future:
            self._past.append((self.mix, ""))
            self.mix = self._future.pop()
            self.tell()

    @property
    def can_undo(self) -> bool:
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        return bool(self._future)

    def factors(self, mix: Mix | None = None) -> NDArray[np.float32]:
        """(n, 3) Factors of the layers, of the present mix or another."""
        return factors(self.mix if mix is None else mix, self.channels)

    # --- looking closely ---------------------------------------------------------------------------------------------
    def brought(self, region: Rect | None = None) -> tuple[F64, F64]:
        """Luminances (n,) in nits that the lights bring to a region of the view as it is mixed, and their shares."""
        frame = self.need_frame()
        means = frame.store.means if region is None else self._seen.get(region)
        if means is None:
            while len(self._seen) >= _REGIONS:
                del self._seen[next(iter(self._seen))]
            assert region is not None
            means = self._seen[region] = frame.store.region(region)
        return shares(means, self.factors(), color.luminance_weights())

    def ranking(self, region: Rect | None = None) -> list[Ranked]:
        """The lights of a region, the brightest first; without those that bring nothing."""
        light, share = self.brought(region)
        order = np.argsort(-light, kind="stable")
        return [
            Ranked(self.channels[n], float(light[n]), float(share[n]), math.log2(share[n]))
            for n in order.tolist()
            if self.channels[n].id and light[n] > 0 and share[n] > 0
        ]

    # --- solving -----------------------------------------------------------------------------------------------------
    def wish(self, wish: Wish) -> None:
        """Add a wish; what it changes is measured from now."""
        if wish.before is None and wish.kind in ("stops", "keep"):
            wish = replace(wish, before=float(self._lights(wish.region, wish.ids).sum()))
        self.wishes.append(wish)
        self.tell()

    def unwish(self, row: int | None = None) -> None:
        """Take back a wish, or all."""
        if row is None:
            self.wishes.clear()
        elif 0 <= row < len(self.wishes):
            del self.wishes[row]
        self.tell()

    def _lights(self, region: Rect | None, ids: Sequence[Id]) -> F64:
        """(n,) Luminance that the lights bring to a region; of those that are not meant, 0."""
        light = self.brought(region)[0]
        if not ids:
            return light
        rows = {row for id_ in ids for row in self.groups.get(id_, ())}
        rows |= {channel.row for channel in self.channels if channel.id in ids}
        out = np.zeros_like(light)
        out[sorted(rows)] = light[sorted(rows)]
        return out

    def solve(self, *, few: bool = True) -> Solution:
        """Gains that meet the wishes as well as can be, on top of the present mix. Silent lights stay silent."""
        self.need_frame()
        demands = [
            Demand(
                kind=wish.kind,
                lights=self._lights(wish.region, wish.ids),
                value=wish.value,
                other=self._lights(*wish.other) if wish.other is not None else None,
                before=wish.before,
                weight=wish.weight,
                name=wish.name,
            )
            for wish in self.wishes
        ]
        locked = frozenset(
            channel.id
            for channel in self.channels
            if not channel.id or channel.id in self.locked or self.locked & set(channel.groups)
        )
        return solve([channel.id for channel in self.channels], demands, locked=locked, bounds=self.bounds, few=few)
