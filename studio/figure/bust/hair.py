"""Hair: a few thousand ribbons grown over the scalp by the rules of a haircut.

A haircut is a field of directions (where a strand goes next), a lift (how far above the head it runs), a length, and
locks into which strands gather. Strands are grown together, step by step, pushed out of the head wherever they touch
it, so the same rules fit every skull. Ribbons shade with the normal of the mass of hair, leaned a little by strand,
so the whole reads as a sculpted volume with a silk's gloss and the silhouette has loose ends. The true fibre model
and curves have their place in the tracer later; the guides here can feed them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from studio.figure.bust.landmarks import Anatomy
from studio.figure.bust.pieces import F64, I64, Piece, hairs, join, nearest, unit
from studio.figure.bust.scalp import Scalp

_SCALP_M2 = 0.0275  # a little less than half a scalp: locks overlap
_MIDDLE, _ASIDE = -0.006, 0.030  # partings, metres to the left of the middle
STYLES: tuple[str, ...] = ("shaved", "cropped", "swept back", "side parting", "bob", "bun", "curls")


@dataclass(frozen=True, slots=True, eq=False)
class Growth:
    """Strands as they grow: where they are and began (n, 3), their places among the layers 0..1 (n,) and the share of
    their length that is grown."""

    at: F64
    root: F64
    layer: F64
    grown: float


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A haircut. `flow` gives directions (n, 3), `lift` metres above the head (n,), `length` metres (n,) by roots;
    `cling` is how much strands are drawn back to the head, `clump` how much they gather in locks of `lock` metres."""

    count: int
    steps: int
    width: float
    flow: Callable[[Growth], F64]
    lift: Callable[[Growth], F64]
    length: Callable[[F64], F64]
    cling: float | Callable[[Growth], F64] = 1.0
    clump: float = 0.5
    lock: float = 0.012
    frizz: float = 0.0006
    hem: float | None = None  # metres of height at which it is cut straight
    parting: float | None = None  # x of a parting, metres: more strands begin along it


def hair(style: str, scalp: Scalp, anatomy: Anatomy, *, seed: int = 0, detail: float = 1.0) -> Piece | None:
    """The hair of one of `STYLES`; None for a shaved head. `detail` scales the number of strands."""
    if style == "shaved":
        return None
    rng = np.random.default_rng([seed, 41])
    if style == "curls":
        return _curls(scalp, rng, detail)
    cut = _cut(style, scalp, anatomy)
    cut = replace(cut, count=int(cut.count * detail), width=cut.width / np.sqrt(detail))
    made = _grown(cut, scalp, rng)
    if style == "bun":
        made = join([made, _knot(scalp, rng, detail)])
    return made


def _grown(cut: Cut, scalp: Scalp, rng: np.random.Generator) -> Piece:
    root = scalp.roots(cut.count, rng)
    if cut.parting is not None:
        root = np.concatenate([root, _along_parting(cut, scalp, rng)])
    n = len(root)
    layer = rng.random(n) ** 0.8
    if cut.parting is not None:
        layer = np.maximum(layer, np.clip(0.75 - np.abs(root[:, 0] - cut.parting) / 0.016, 0, 1))
    length = cut.length(root) * rng.uniform(0.86, 1.06, n)
    lock, leader = _locks(root, cut.lock, rng)
    at = root.copy()
    path = [scalp.onto(root, -0.0006)]
    ends = (np.arange(cut.steps + 1) / cut.steps) ** 1.45  # short steps first, where a strand leaves the head
    for k in range(cut.steps):
        growth = Growth(at, root, layer, float(ends[k + 1]))
        way = cut.flow(growth)
        at = at + way * (length * (ends[k + 1] - ends[k]))[:, None]
        floor = scalp.radius(at) + cut.lift(growth)
        ray = at - scalp.centre
        reach = np.linalg.norm(ray, axis=1)
        cling = cut.cling if isinstance(cut.cling, float) else cut.cling(growth)
        wanted = np.maximum(reach, floor) * (1 - cling) + floor * cling
        at = scalp.centre + ray * (np.where(reach > floor, wanted, floor) / reach)[:, None]
        path.append(at)
    paths = np.stack(path, 1)
    paths = _gathered(paths, lock, leader, cut.clump)
    if cut.hem is not None:
        paths = _hemmed(
            paths, cut.hem + rng.normal(0, 0.0035, n) + 0.004 * rng.standard_normal(int(lock.max()) + 1)[lock]
        )
    s = np.linspace(0, 1, cut.steps + 1)
    wave = rng.normal(0, 1, (n, 1, 3)) * np.sin(np.pi * (s[None, :, None] * rng.uniform(0.7, 2.2, (n, 1, 1))))
    paths = paths + wave * cut.frizz * s[None, :, None]
    return _ribbons(paths, cut.width, scalp, rng)


def _along_parting(cut: Cut, scalp: Scalp, rng: np.random.Generator) -> F64:
    """Roots close to a parting: its hair lies over all the rest, and the skin between is a line, not a stripe."""
    some = scalp.roots(int(cut.count * 0.16), rng)
    assert cut.parting is not None
    side = np.where(rng.random(len(some)) < 0.5, -1.0, 1.0)
    some[:, 0] = cut.parting + side * (0.0006 + rng.exponential(0.004, len(some)))
    some = scalp.onto(some)
    rel = some - scalp.centre
    return np.asarray(some[(scalp.inside(some) > 0.0) & (rel[:, 2] > -0.055) & (rel[:, 1] > 0)])


def _locks(root: F64, size: float, rng: np.random.Generator) -> tuple[I64, I64]:
    """The lock (n,) of each strand, and the strand (locks,) at each lock's middle."""
    count = max(int(_SCALP_M2 / size**2), 8)
    leader = rng.choice(len(root), min(count, len(root)), replace=False)
    return nearest(root, root[leader]), leader


def _gathered(paths: F64, lock: I64, leader: I64, amount: float) -> F64:
    s = np.linspace(0, 1, paths.shape[1])[None, :, None]
    middle = paths[leader][lock]
    return np.asarray(paths + (middle - paths) * amount * s**1.4)


def _hemmed(paths: F64, hem: F64) -> F64:
    """Strands (n, k, 3) cut at a height (n,): those that go below end there."""
    n, k, _ = paths.shape
    below = paths[:, :, 1] < hem[:, None]
    first = np.where(below.any(axis=1), below.argmax(axis=1), k - 1)
    last = np.clip(first, 1, k - 1)
    high, low = paths[np.arange(n), last - 1, 1], paths[np.arange(n), last, 1]
    share = np.where(below.any(axis=1), np.clip((high - hem) / np.maximum(high - low, 1e-9), 0, 1), 1.0)
    end = last - 1 + share
    wanted = np.linspace(0, 1, k)[None, :] * end[:, None]
    i = np.clip(wanted.astype(np.intp), 0, k - 2)
    t = (wanted - i)[..., None]
    rows = np.arange(n)[:, None]
    return np.asarray(paths[rows, i] * (1 - t) + paths[rows, i + 1] * t)


def _ribbons(paths: F64, width: float, scalp: Scalp, rng: np.random.Generator) -> Piece:
    n, k, _ = paths.shape
    ahead = unit(np.gradient(paths, axis=1))
    ray = unit(paths - scalp.centre)
    out = unit(ray - np.sum(ray * ahead, -1, keepdims=True) * ahead)
    side = np.cross(ahead, out)
    lean = rng.normal(0, 0.42, (n, 1, 1))
    side = side * np.cos(lean) + out * np.sin(lean)
    taper = np.interp(np.linspace(0, 1, k), (0.0, 0.12, 0.7, 1.0), (0.7, 1.0, 0.85, 0.06))
    widths = width * taper[None, :] * rng.uniform(0.6, 1.3, (n, 1))
    return hairs(paths, widths, -side, flat=True)


# --- haircuts --------------------------------------------------------------------------------------------------------
def _tangent(way: F64, growth: Growth, scalp: Scalp) -> F64:
    """Directions laid along the head."""
    normal = unit(growth.at - scalp.centre)
    return unit(way - np.sum(way * normal, 1, keepdims=True) * normal)


def _bump(x: F64, low: float, high: float) -> F64:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _cut(style: str, scalp: Scalp, anatomy: Anatomy) -> Cut:
    makers: dict[str, Callable[[Scalp, Anatomy], Cut]] = {
        "cropped": _cropped,
        "swept back": _swept,
        "side parting": _parted,
        "bob": _bob,
        "bun": _bun,
    }
    return makers[style](scalp, anatomy)


def _cropped(scalp: Scalp, anatomy: Anatomy) -> Cut:
    """Short all over, shorter at the sides and the nape; grows from a whorl at the crown."""
    crown = scalp.onto(scalp.centre + np.array([[0.012, 0.10, -0.045]]))[0]

    def flow(g: Growth) -> F64:
        away = g.root - crown
        away[:, 1] *= 0.6
        swirl = np.cross(unit(g.root - scalp.centre), unit(away))
        near = np.exp(-((np.linalg.norm(away, axis=1) / 0.035) ** 2))[:, None]
        way = unit(away) * (1 - 0.5 * near) + 0.7 * near * swirl + np.array([0.12, 0.0, 0.0])
        return unit(_tangent(way, g, scalp) + 0.42 * unit(g.at - scalp.centre))

    def high(root: F64) -> F64:
        return _bump(root[:, 1] - scalp.centre[1], -0.02, 0.055)

    return Cut(
        count=7200,
        steps=4,
        width=0.00085,
        flow=flow,
        lift=lambda g: (0.0012 + 0.0075 * g.grown * (0.4 + 0.6 * g.layer)) * (0.3 + 0.7 * high(g.root)),
        length=lambda root: 0.010 + 0.016 * high(root),
        cling=0.15,
        clump=0.35,
        lock=0.007,
        frizz=0.0008,
    )


def _swept(scalp: Scalp, anatomy: Anatomy) -> Cut:
    """Combed back from the forehead with some height over it, close at the sides."""

    def flow(g: Growth) -> F64:
        rel = g.root - scalp.centre
        front = _bump(rel[:, 2], 0.02, 0.075)[:, None]
        down = (
            0.55 * _bump(-(g.at - scalp.centre)[:, 2], 0.03, 0.09)[:, None]
            + 0.22 * _bump(np.abs(rel[:, 0]), 0.05, 0.07)[:, None]
        )
        up = np.array([0.0, 1.0, 0.0]) * front * max(0.9 - 2.2 * g.grown, 0.0)
        way = (
            np.array([0.0, 0.0, -1.0])
            + np.array([0.10, 0.0, 0.0]) * np.sin(rel[:, :1] * 60)
            + up
            - np.array([0.0, 1.0, 0.0]) * down
        )
        return unit(_tangent(way, g, scalp) + 0.5 * front * max(0.6 - 2 * g.grown, 0.0) * unit(g.at - scalp.centre))

    def lift(g: Growth) -> F64:
        rel = g.root - scalp.centre
        top = _bump(rel[:, 1], 0.0, 0.06)
        rise = np.sin(np.pi * min(g.grown * 1.25, 1.0) * 0.62)
        return np.asarray((0.0022 + 0.004 * g.layer + 0.013 * top * (0.35 + 0.65 * g.layer)) * rise)

    def length(root: F64) -> F64:
        rel = root - scalp.centre
        return 0.028 + 0.075 * _bump(rel[:, 1], -0.015, 0.055)

    return Cut(
        count=5200, steps=9, width=0.0012, flow=flow, lift=lift, length=length, cling=0.75, clump=0.55, lock=0.011
    )


def _parted(scalp: Scalp, anatomy: Anatomy) -> Cut:
    """Parted on the left; combed over to the right on top and down at the sides."""

    def flow(g: Growth) -> F64:
        rel = g.root - scalp.centre
        over = np.where(rel[:, 0] < _ASIDE, -1.0, 1.0)[:, None]
        top = _bump(rel[:, 1], 0.015, 0.06)[:, None]
        here = g.at - scalp.centre
        down = _bump(np.abs(here[:, 0]), 0.035, 0.07)[:, None]
        way = np.array([1.0, 0.0, 0.0]) * over * (1 - down) + np.array([0.0, 0.0, 0.35]) * top * (0.6 - g.grown)
        way = way + np.array([0.0, -1.0, -0.35]) * (down + 0.2) + np.array([0.0, 0.0, -0.55]) * (1 - 0.5 * top)
        return _tangent(way, g, scalp)

    def lift(g: Growth) -> F64:
        rel = g.root - scalp.centre
        top = _bump(rel[:, 1], 0.01, 0.06)
        rise = np.sin(np.pi * min(g.grown * 1.5, 1.0) * 0.6)
        return np.asarray((0.002 + 0.003 * g.layer + 0.012 * top * (0.4 + 0.6 * g.layer)) * rise)

    def length(root: F64) -> F64:
        rel = root - scalp.centre
        return 0.024 + 0.062 * _bump(rel[:, 1], -0.005, 0.055)

    return Cut(count=5200, steps=8, width=0.0012, flow=flow, lift=lift, length=length, cling=0.8, clump=0.5, lock=0.010)


def _bob(scalp: Scalp, anatomy: Anatomy) -> Cut:
    """Parted in the middle, off the face, straight to the chin."""
    chin = float(anatomy.chin[1])

    def fallen(g: Growth) -> F64:
        return _bump(0.075 - (g.at - scalp.centre)[:, 1], 0.0, 0.075)

    def flow(g: Growth) -> F64:
        rel, here = g.root - scalp.centre, g.at - scalp.centre
        side = np.where(rel[:, 0] > _MIDDLE, 1.0, -1.0)[:, None]
        down = fallen(g)[:, None]
        front = _bump(rel[:, 2], 0.0, 0.075)[:, None]
        way = np.array([1.0, 0.0, 0.0]) * side + np.array([0.0, 0.0, -0.55]) * front + np.array([0.0, -0.35, 0.0])
        over = _tangent(way, g, scalp)
        # what would hang over the face is drawn aside first
        face = _bump(0.064 - np.abs(here[:, 0]), 0.0, 0.012) * _bump(here[:, 2], 0.015, 0.045)
        aside = (np.array([0.9, 0.0, 0.0]) * side + np.array([0.0, 0.0, -1.0])) * face[:, None]
        tip_in = 0.30 * _bump(chin + 0.035 - g.at[:, 1], 0.0, 0.035)[:, None] * unit(-here * [1.0, 0.0, 1.0])
        return unit(over * (1 - down) + (np.array([0.0, -1.0, 0.0]) + tip_in) * down + aside)

    def lift(g: Growth) -> F64:
        rel = g.root - scalp.centre
        top = _bump(rel[:, 1], -0.02, 0.06)
        body = 0.003 + 0.008 * g.layer + 0.004 * top
        face = _bump(g.at[:, 2], -0.06, -0.02)
        away = np.min([np.linalg.norm(g.at - ear, axis=1) for ear in anatomy.ears], axis=0)
        over_ear = 0.025 * np.exp(-((np.maximum(away - 0.022, 0) / 0.022) ** 2))  # ears are no part of the scalp
        return np.asarray(body * np.sin(np.pi * min(g.grown * 2.5, 1.0) * 0.5) * (1 - 0.55 * face) + over_ear)

    return Cut(
        count=4600,
        steps=13,
        width=0.0017,
        flow=flow,
        lift=lift,
        length=lambda root: np.full(len(root), 0.34),
        cling=lambda g: 0.9 * (1 - fallen(g)) ** 2,
        clump=0.30,
        lock=0.009,
        hem=chin - 0.004,
        parting=scalp.centre[0] + _MIDDLE,
    )


def _bun(scalp: Scalp, anatomy: Anatomy) -> Cut:
    """Drawn back tightly to a knot at the back of the head."""
    knot = _knot_place(scalp)

    def flow(g: Growth) -> F64:
        return _tangent(knot - g.at, g, scalp)

    def lift(g: Growth) -> F64:
        return np.asarray((0.0016 + 0.0045 * g.layer) * np.sin(np.pi * min(g.grown * 3.0, 1.0) * 0.5))

    return Cut(
        count=5200,
        steps=10,
        width=0.0011,
        flow=flow,
        lift=lift,
        length=lambda root: np.linalg.norm(root - knot, axis=1) * 1.22,
        cling=1.0,
        clump=0.35,
        lock=0.010,
        frizz=0.0004,
    )


def _knot_place(scalp: Scalp) -> F64:
    return np.asarray(scalp.onto(scalp.centre + np.array([[0.0, 0.052, -0.10]]))[0])


def _knot(scalp: Scalp, rng: np.random.Generator, detail: float) -> Piece:
    """The knot of a bun: strands wound about a ball, row over row."""
    place = _knot_place(scalp)
    axis = unit(place - scalp.centre)
    middle = place + axis * 0.016
    side = unit(np.cross(axis, [1.0, 0.0, 0.0]))
    other = np.cross(axis, side)
    count, k = int(900 * detail), 14
    begin, level = rng.uniform(0, 2 * np.pi, count), rng.uniform(-0.95, 0.98, count)
    turn = begin[:, None] + np.linspace(0, 2.6, k)[None, :]
    height = (
        level[:, None] + 0.16 * np.sin(np.linspace(0, 1, k)[None, :] * 5 + begin[:, None] * 3) + np.linspace(0, 0.12, k)
    )
    height = np.clip(height, -1, 1)
    ring = np.sqrt(np.maximum(1 - height**2, 0.02))
    groove = 1.0 + 0.055 * np.cos(3 * turn + 5.5 * height) + 0.03 * rng.normal(0, 1, (count, 1))
    radius = 0.031 * groove
    around = np.cos(turn)[..., None] * side + np.sin(turn)[..., None] * other
    paths = middle + radius[..., None] * (ring[..., None] * around + 0.72 * height[..., None] * axis)
    inner = Scalp(middle, scalp.radii, scalp.line)
    return _ribbons(paths, 0.0016 / np.sqrt(detail), inner, rng)


def _curls(scalp: Scalp, rng: np.random.Generator, detail: float) -> Piece:
    """Close curls: each strand winds outwards, longer on top; a round volume with a broken outline."""
    root = scalp.roots(int(3000 * detail), rng)
    n, k = len(root), 18
    out = scalp.normals(root)
    side = unit(np.cross(out, rng.normal(0, 1, (n, 3))))
    other = np.cross(out, side)
    high = _bump(root[:, 1] - scalp.centre[1], -0.06, 0.06)
    length = (0.016 + 0.026 * high) * rng.uniform(0.75, 1.1, n)
    s = np.linspace(0, 1, k)
    turn = rng.uniform(0, 2 * np.pi, (n, 1)) + s[None, :] * rng.uniform(9.0, 15.0, (n, 1))
    radius = (0.0012 + 0.0022 * np.sqrt(s))[None, :] * rng.uniform(0.7, 1.3, (n, 1))
    bend = unit(rng.normal(0, 1, (n, 3)))[:, None] * (0.25 * length[:, None, None] * (s**2)[None, :, None])
    paths = root[:, None] + out[:, None] * (s[None, :, None] * length[:, None, None]) + bend
    paths = paths + radius[..., None] * (
        np.cos(turn)[..., None] * side[:, None] + np.sin(turn)[..., None] * other[:, None]
    )
    floor = scalp.radius(paths.reshape(-1, 3)) + 0.0005
    ray = paths.reshape(-1, 3) - scalp.centre
    reach = np.linalg.norm(ray, axis=1)
    paths = (scalp.centre + ray * (np.maximum(reach, floor) / reach)[:, None]).reshape(n, k, 3)
    return _ribbons(paths, 0.0013 / np.sqrt(detail), scalp, rng)
