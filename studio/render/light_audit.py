"""The audit of a shot's lights: which bring nothing, burn out, leak or cost more samples than they bring light.

It works on what a quick render keeps apart (`studio.render.audit_render`): the light of every lamp in every pixel, as
two independent halves. Light adds up, so what muting any set of lamps does to the picture is not guessed: the picture
without them is the picture less their layers, seen through the shot's exposure and view. Two halves give the noise, and
their product an unbiased square: E[a b] = E[x]^2 where a and b are independent estimates of x. What a pixel sees of a
lamp is likewise what both halves have (`agreed`): a highlight is in both, a lucky path of one is noise.

A change is said in three ways: root mean square of luminance relative to the picture's mean (what is over white counts
as white), the largest change of any pixel in levels of an 8-bit display (where less than half a level changes no
picture), and in stops at that pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from studio.scene import color
from studio.scene.entities import Id

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

NO_LEVELS = 0.5  # a light that changes no pixel by as much brings nothing
VISIBLE_LEVELS = 1.0  # what a set may change together and stay unseen
_CHUNK = 32  # layers seen through the view at once
_WHITE = 250.0 / 255.0  # of a display: what views that roll off leave hardly below white
_HOT_SHARE = 2e-4  # of the picture's pixels that one has at least
_HOT_PIXELS = 4
_LAMP_SEEN = 0.5  # share of a pixel's light that is the lamp itself, seen by the camera
_LEAK_SHARE = 0.05  # of a lamp's light that comes through what stands between
_SIGMA = 3.0
_FEW = 0.2  # share of the seen surface that a light must miss before it is worth linking
_MOST_LINKS = 40  # those that are likely to free most; the others follow when these are made
_WHOLE = 0.99  # of a pixel
_COST, _COSTLY, _WORTH = 0.10, 0.02, 2.0  # shares of the samples that are much, and enough beside too little light
_MANY = 1.5  # times the samples of a light, if all had as many
_DEAREST = 8


@dataclass(frozen=True, slots=True)
class Effect:
    """A change of the picture: relative RMS of luminance, and of the pixel that changes most 8-bit levels and stops.

    `noise` is the standard error of `rms`. `place` is that pixel, x and y as shares of the picture from its top left.
    """

    rms: float = 0.0
    levels: float = 0.0
    stops: float = 0.0
    noise: float = 0.0
    place: tuple[float, float] = (0.5, 0.5)


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """What a quick render found. `halves` (2, n, h, w, 3) nits are two independent renders of each light's layer, in
    the order of `ids`; `beauty` (2, h, w, 3) the pictures, of which `seen` (h, w) nits of luminance are emission that
    the camera sees. `coverage` (k, h, w) is the share of each pixel that shows the objects `objects`; `costs` (n,) the
    lights' shares of all light samples. `unblocked` are the lights whose shadows are switched off or linked, with
    `blocked` (m, h, w, 3) what they bring when everything blocks them.
    """

    ids: tuple[Id, ...]
    halves: F32
    beauty: F32
    costs: F64
    exposure_ev: float = 0.0
    view: str = color.DEFAULT_VIEW
    display: str = color.DISPLAY
    seen: F32 | None = None
    objects: tuple[Id, ...] = ()
    coverage: F32 | None = None
    unblocked: tuple[Id, ...] = ()
    blocked: F32 | None = None
    inside: tuple[tuple[Id, Id], ...] = ()  # lights that stand inside of closed objects
    fixed: frozenset[Id] = frozenset()  # lights that are no light entities, or must not be linked: emissive objects
    linked: tuple[tuple[Id, frozenset[Id]], ...] = ()  # objects that each light lights now, all where it is not named


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. `act` is what is proposed: "mute", "link" (from `objects`), "shadows", "dim" (by `stops`) or "".

    `share` is the share of the picture's light that the lights bring, `error` what the act changes, `gain` the share
    of all light samples that it frees (an estimate, see `studio.render.tracer.pick_shares`).
    """

    kind: str  # nothing, weak, hotspot, leak, link, cost
    ids: tuple[Id, ...]
    act: str
    share: float
    cost: float
    error: Effect
    gain: float
    objects: tuple[Id, ...] = ()
    stops: float = 0.0
    part: float = 0.0  # of the light that leaks, of the pixels that are too bright, of the surfaces that are missed
    inside: Id = ""


KINDS = ("nothing", "weak", "link", "cost", "hotspot", "leak")


class Auditor:
    """Asks a shot. Made once, as it sees the whole picture and every light through the view."""

    def __init__(self, shot: Shot, *, stop: Callable[[], bool] = lambda: False) -> None:
        self.shot = shot
        self._stop = stop
        self._weights = np.array(color.luminance_weights(), np.float32)
        self.picture = shot.beauty.mean(0)
        self.layers = shot.halves.mean(0)
        self.row = {id_: row for row, id_ in enumerate(shot.ids)}
        self.luminance = self._light(self.picture)
        self.white = white_of(shot.view, shot.display) * 2.0**-shot.exposure_ev  # nits that the view shows as white
        clipped = np.minimum(self.luminance, self.white)
        self._mean = float(clipped.mean())
        self._weight = clipped / np.maximum(self.luminance, 1e-30)  # what is over white counts as white
        self._shown = self._through(self.picture)
        total = max(float(self.luminance.mean()), 1e-30)
        self.shares = self._light(self.layers).mean(axis=(1, 2)) / total if shot.ids else np.zeros(0)
        self.levels = self._levels()  # (n, h, w) that each light alone changes

    # --- the view ----------------------------------------------------------------------------------------------------
    def _light(self, pixels: F32) -> F64:
        return np.asarray(pixels @ self._weights, np.float64)

    def _through(self, pixels: F32) -> F32:
        """Pixels (..., w, 3) as 8-bit levels, unrounded."""
        flat = np.ascontiguousarray(pixels.reshape(-1, pixels.shape[-2], 3))
        shot = self.shot
        shown = color.display_transform(
            np.maximum(flat, 0.0), view=shot.view, exposure_ev=shot.exposure_ev, display=shot.display
        )
        return np.asarray(shown.reshape(pixels.shape) * 255.0, np.float32)

    def _levels(self) -> F32:
        out = np.zeros(self.layers.shape[:-1], np.float32)
        for first in range(0, len(out), _CHUNK):
            if self._stop():
                return out
            part = self._through(self.picture - agreed(self.shot.halves[:, first : first + _CHUNK]))
            out[first : first + _CHUNK] = np.abs(part - self._shown).max(-1)
        return out

    # --- what a change does ------------------------------------------------------------------------------------------
    def removed(self, ids: Sequence[Id]) -> Effect:
        """What muting these lights together changes; exact but for the noise of the quick render."""
        rows = [self.row[id_] for id_ in ids if id_ in self.row]
        if not rows:
            return Effect()
        halves = self.shot.halves[:, rows].sum(axis=1, dtype=np.float32)
        return self.taken(halves)

    def taken(self, halves: F32) -> Effect:
        """What taking (2, h, w, 3) nits, two independent estimates of the same, away from the picture changes."""
        a, b = self._light(halves[0]), self._light(halves[1])
        product = a * b * self._weight**2
        square = float(product.mean())
        rms = math.sqrt(max(square, 0.0)) / max(self._mean, 1e-30)
        spread = float(product.std()) / math.sqrt(product.size)
        noise = math.sqrt(max(square, 0.0) + spread) / max(self._mean, 1e-30) - rms
        gone = agreed(halves)
        levels = np.abs(self._through(self.picture - gone) - self._shown).max(-1)
        y, x = np.unravel_index(int(levels.argmax()), levels.shape)
        had, has = self.luminance[y, x], self.luminance[y, x] - self._light(gone)[y, x]
        stops = math.log2(had / has) if has > had * 2.0**-24 and had > 0 else (24.0 if had > 0 else 0.0)
        place = ((float(x) + 0.5) / levels.shape[1], (float(y) + 0.5) / levels.shape[0])
        return Effect(rms, float(levels[y, x]), stops if levels[y, x] > 0 else 0.0, noise, place)

    def proposed(self, found: Sequence[Finding]) -> Effect:
        """What doing all that is proposed changes together: for muting and dimming exact, for links what the objects
        lose that is seen of them, not the little that they pass on."""
        gone = np.zeros_like(self.shot.beauty)
        muted = {id_ for finding in found if finding.act == "mute" for id_ in finding.ids}
        for id_ in muted:
            if id_ in self.row:
                gone += self.shot.halves[:, self.row[id_]]
        for finding in found:
            if finding.act in ("link", "dim", "shadows") and not muted & set(finding.ids):
                gone += self._gone(finding)
        return self.taken(gone)

    def _gone(self, finding: Finding) -> F32:
        """(2, h, w, 3) what a proposal about one light takes away."""
        shot, id_ = self.shot, finding.ids[0]
        mine = shot.halves[:, self.row[id_]]
        if finding.act == "dim":
            return np.asarray(mine * np.float32(1.0 - 2.0**-finding.stops), np.float32)
        if finding.act == "shadows" and shot.blocked is not None:
            return np.asarray(mine - shot.blocked[shot.unblocked.index(id_)], np.float32)
        assert shot.coverage is not None
        rows = [k for k, object_ in enumerate(shot.objects) if object_ in finding.objects]
        whole = shot.coverage[rows].sum(0) > _WHOLE  # light in the pixels of an edge is the neighbour's
        thin = [k for k in rows if shot.coverage[k].max() <= _WHOLE]
        share = np.where(whole, np.float32(1.0), shot.coverage[thin].sum(0))
        return np.asarray(mine * share[None, :, :, None], np.float32)

    def cost(self, ids: Sequence[Id]) -> float:
        """Share of all light samples that lights take."""
        return float(sum(self.shot.costs[self.row[id_]] for id_ in ids if id_ in self.row))

    def share(self, ids: Sequence[Id]) -> float:
        """Share of the picture's light that lights bring."""
        return float(sum(self.shares[self.row[id_]] for id_ in ids if id_ in self.row))

    def _finding(self, kind: str, ids: tuple[Id, ...], act: str, error: Effect, **more: object) -> Finding:
        cost = self.cost(ids)
        gain = cost if act == "mute" else 0.0
        found = Finding(kind, ids, act, self.share(ids), cost, error, gain, inside=self._inside(ids))
        return replace(found, **more) if more else found  # type: ignore[arg-type]

    def _inside(self, ids: tuple[Id, ...]) -> Id:
        return next((object_ for id_, object_ in self.shot.inside if id_ in ids), "")

    # --- the kinds ---------------------------------------------------------------------------------------------------
    def nothing(self) -> list[Finding]:
        """Lights without which the picture has the same bits on any 8-bit display."""
        most = self.levels.max(axis=(1, 2), initial=0.0)
        found = [id_ for id_ in self.shot.ids if most[self.row[id_]] < NO_LEVELS and id_ not in self.shot.fixed]
        return [self._finding("nothing", (id_,), "mute", self.removed((id_,))) for id_ in found]

    def weak(self, visible: float = VISIBLE_LEVELS) -> list[Finding]:
        """The set of lights that stays unseen when all are muted together, by two greedy ways of which the one that
        frees more samples is taken: the dearest first, and those first that free most for what they change."""
        most = self.levels.max(axis=(1, 2), initial=0.0)
        costs = self.shot.costs
        rows = [row for row, id_ in enumerate(self.shot.ids) if most[row] < visible and id_ not in self.shot.fixed]
        orders = (
            sorted(rows, key=lambda row: (-costs[row], most[row])),
            sorted(rows, key=lambda row: most[row] / max(costs[row], 1e-9)),
        )
        chosen = max((self._unseen(order, visible) for order in orders), key=lambda found: float(costs[found].sum()))
        if len(chosen) < 2:
            return []
        ids = tuple(self.shot.ids[row] for row in chosen)
        return [self._finding("weak", ids, "mute", self.removed(ids))]

    def _unseen(self, order: Sequence[int], visible: float) -> list[int]:
        """Those of these rows, tried in their order, that together change less than can be seen."""
        chosen: list[int] = []
        gone = np.zeros_like(self.shot.beauty)
        for row in order:
            if self._stop():
                break
            more = gone + self.shot.halves[:, row]
            if np.abs(self._through(self.picture - agreed(more)) - self._shown).max() < visible:
                chosen.append(row)
                gone = more
        return chosen

    def hotspots(self) -> list[Finding]:
        """Lights that burn places out, with the stops by which they must be dimmed."""
        shot, count = self.shot, self.luminance.size
        if not shot.ids:
            return []
        hot = (self._light(shot.beauty[0]) > self.white) & (self._light(shot.beauty[1]) > self.white)
        if shot.seen is not None:
            hot &= shot.seen < _LAMP_SEEN * self.luminance
        light = self._light(self.layers)
        strongest = light.argmax(0)
        out = []
        for row, id_ in enumerate(shot.ids):
            mine = hot & (strongest == row)
            if mine.sum() < max(_HOT_PIXELS, _HOT_SHARE * count) or id_ in shot.fixed:
                continue
            over = np.log2(self.luminance[mine] / self.white)
            at = float(np.quantile(over, 0.9))
            own = float((light[row][mine] / self.luminance[mine]).mean())  # the others' light stays
            keep = max(1.0 - (1.0 - 2.0**-at) / own, 2.0**-10)
            error = self.taken(shot.halves[:, row] * np.float32(1.0 - keep))
            y, x = np.nonzero(mine)
            place = ((float(x.mean()) + 0.5) / mine.shape[1], (float(y.mean()) + 0.5) / mine.shape[0])
            stops = -math.log2(keep)
            part = float(mine.sum()) / count
            out.append(self._finding("hotspot", (id_,), "dim", replace(error, place=place), stops=stops, part=part))
        return out

    def leaks(self) -> list[Finding]:
        """Lights that arrive although something stands between."""
        shot = self.shot
        if shot.blocked is None:
            return []
        out = []
        for k, id_ in enumerate(shot.unblocked):
            if id_ not in self.row:
                continue
            halves = shot.halves[:, self.row[id_]] - shot.blocked[k]
            own = self._light(self.layers[self.row[id_]])
            through = own - self._light(shot.blocked[k])
            part = float(through.sum()) / max(float(own.sum()), 1e-30)
            apart = self._light(shot.halves[0, self.row[id_]] - shot.halves[1, self.row[id_]])
            sure = float(through.sum()) > _SIGMA * math.sqrt(float((apart**2).sum()) / 2.0)  # both renders' noise
            error = self.taken(halves)
            if part >= _LEAK_SHARE and sure and error.levels >= VISIBLE_LEVELS:
                out.append(self._finding("leak", (id_,), "shadows", error, part=part))
        return out

    def links(self) -> list[Finding]:
        """Lights that bring something to a few of the objects that are seen and nothing to the others."""
        shot = self.shot
        if shot.coverage is None or not shot.objects:
            return []
        matrix = self.matrix()
        area = shot.coverage.sum(axis=(1, 2), dtype=np.float64)
        now = dict(shot.linked)
        out = []
        for row, id_ in enumerate(shot.ids):
            if id_ in shot.fixed or self.levels[row].max() < NO_LEVELS:
                continue
            lit = np.array([object_ in now[id_] if id_ in now else True for object_ in shot.objects])
            missed = (matrix[row] < NO_LEVELS) & lit
            part = float(area[missed].sum() / max(area[lit].sum(), 1e-9))
            if not missed.any() or part < _FEW:
                continue
            objects = tuple(shot.objects[k] for k in np.flatnonzero(missed))
            out.append(self._finding("link", (id_,), "link", Effect(), objects=objects, part=part))
        out = sorted(out, key=lambda found: -found.cost * found.part)[:_MOST_LINKS]
        return [replace(found, error=self.taken(self._gone(found))) for found in out]

    def matrix(self) -> F32:
        """(n, k) The largest change in levels that each light brings to each object that is seen."""
        shot = self.shot
        assert shot.coverage is not None
        out = np.zeros((len(shot.ids), len(shot.objects)), np.float32)
        for k, share in enumerate(shot.coverage):
            mine = share > 0.5 if (share > 0.5).any() else share > 0.0  # edges belong to neighbours too
            if mine.any():
                out[:, k] = self.levels[:, mine].max(axis=1, initial=0.0)
        return out

    def costs(self) -> list[Finding]:
        """Lights that take most of the samples, or more than they bring light."""
        shot = self.shot
        found = [
            id_
            for row, id_ in enumerate(shot.ids)
            if shot.costs[row] >= max(_COST, _MANY / max(len(shot.ids), 1))
            or (shot.costs[row] >= _COSTLY and shot.costs[row] > _WORTH * max(float(self.shares[row]), 0.0))
        ]
        found.sort(key=lambda id_: -shot.costs[self.row[id_]])
        some = len(shot.ids) > 1  # one light takes all samples, whatever it is
        return [self._finding("cost", (id_,), "", self.removed((id_,))) for id_ in found[:_DEAREST] if some]


def audit(shot: Shot, *, stop: Callable[[], bool] = lambda: False) -> tuple[Finding, ...]:
    """Everything that is found about a shot, the largest gain first. `stop` is asked between the steps."""
    auditor = Auditor(shot, stop=stop)
    return findings(auditor)


def findings(auditor: Auditor) -> tuple[Finding, ...]:
    """The same of an `Auditor` that is kept, so that it may be asked for the effect of any choice later."""
    found: list[Finding] = []
    for kind in (
        auditor.nothing,
        auditor.weak,
        auditor.links,
        auditor.costs,
        auditor.hotspots,
        auditor.leaks,
    ):
        found += kind()
    muted = {id_ for finding in found if finding.kind == "nothing" for id_ in finding.ids}
    found = [f for f in found if f.kind != "cost" or not set(f.ids) <= muted]
    return in_order(found)


def in_order(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """The largest gain first."""
    return tuple(sorted(found, key=lambda f: (-f.gain, -f.error.levels, KINDS.index(f.kind), f.ids)))


def white_of(view: str, display: str = color.DISPLAY) -> float:
    """The least grey, after exposure, that a view shows as white; where it never does, its highest value."""
    ramp = np.exp2(np.linspace(-2.0, 12.0, 561, dtype=np.float32))
    shown = color.display_transform(
        np.repeat(ramp[None, :, None], 3, 2), view=view, exposure_ev=0.0, display=display
    ).min(-1)[0]
    top = float(shown.max())
    return float(ramp[int(np.argmax(shown >= min(_WHITE, top * 0.998)))])


def agreed(halves: F32) -> F32:
    """(..., h, w, 3) what two halves (2, ..., h, w, 3) both have: of each pixel the lesser, or the geometric mean of
    their surroundings where that is more, within what the pixel itself has."""
    a, b = halves[0], halves[1]
    around = np.sqrt(np.maximum(_around(a) * _around(b), 0.0))
    return np.asarray(np.maximum(np.minimum(a, b), np.minimum(around, np.maximum(a, b))), np.float32)


def _around(pixels: F32) -> F32:
    """Means over 3 x 3 pixels."""
    for axis in (-3, -2):
        n = pixels.shape[axis]
        before = np.take(pixels, np.maximum(np.arange(n) - 1, 0), axis)
        after = np.take(pixels, np.minimum(np.arange(n) + 1, n - 1), axis)
        pixels = (before + pixels + after) * np.float32(1.0 / 3.0)
    return pixels
