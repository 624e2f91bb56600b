"""How far a node is trusted, and how what it sends is checked beyond `studio.farm.verify`.

Levels (docs/farm-trust.md): 0 the artist's own machine, 1 the studio's network, 2 a contracted cloud, 3 public nodes.

Every partial is looked at as numbers: sums that no samples can have, samples that were delivered before under another
name, and blocks that the other slices of the same picture contradict. Some units, chosen by a secret so that nobody
knows which, are then rendered again in part by a node that is trusted: a few blocks of pixels with all samples of the
unit. A sample is a function of its pixel and number, so within one class of device the same bits must come out. Across
classes paths may part in the last digit, and means of blocks are compared instead, in units of the error that the
trusted render shows; what the suspect says of its own error counts for nothing. Canaries are units whose answer is
known beforehand.

A node that is new, or is caught, is checked more, one that was always right less. A forged partial is refused before
its range is claimed, so it never reaches a merge. A node that forges a share f of its units is caught after m of them
with probability 1 - (1 - q f)^m at a rate of checks q: pay late (`studio.farm.settlement`).
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset, CannotWrite, StudioError
from studio.farm.jobs import RenderJob
from studio.farm.model import JobId, Lease, NodeId, NodeInfo, Piece, Range, Record, Result
from studio.render.film import SAMPLE_BITS, Crop, Film
from studio.render.partial import Header

Level = Literal[0, 1, 2, 3]
LEVELS: dict[int, str] = {0: "own machine", 1: "studio network", 2: "contracted cloud", 3: "public node"}
BLOCK = 16  # pixels wide
Z_FORGED = 5.0  # of the whole, or of two blocks: 6e-7 for normal errors
Z_BLOCK = 8.0  # of one block alone: fireflies give errors longer tails than normal ones
Z_STRANGE = 8.0  # between slices, where fireflies are of one and not of the other
_TOLERANCE = 1e-3  # of a mean: what devices differ by without any noise

Rerender = Callable[[RenderJob, Piece, Range, Crop], tuple[Film, Header]]


class Forged(BadAsset):
    """A partial that is not the render that it says it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustPolicy:
    """How much is checked. Rates are shares of units, by level: of a node that was never checked, and of one that was
    always right; between them it falls with every sound check, `settles` of which bring it most of the way."""

    first: tuple[float, ...] = (0.0, 0.02, 0.05, 0.05)
    least: tuple[float, ...] = (0.0, 0.02, 0.02, 0.02)
    probation: tuple[int, ...] = (0, 0, 1, 3)  # units of a new node that are checked whatever the rate
    settles: float = 20.0
    part: float = 0.0625  # of a unit's pixels that a check renders again


class Reputation(Record, frozen=True):
    """What is known of a node."""

    units: int = 0
    sound: int = 0  # checks
    forged: int = 0
    strange: int = 0  # units that other slices contradicted and a check did not

    @property
    def blocked(self) -> bool:
        """Whether nothing of it is taken any more."""
        return self.forged > 0


def rate_of(reputation: Reputation, trust: int, policy: TrustPolicy) -> float:
    """The share of a node's units that are checked now: 1 on probation, then from `first` towards `least`."""
    level = min(max(trust, 0), 3)
    if reputation.sound < policy.probation[level]:
        return 1.0
    first, least = policy.first[level], policy.least[level]
    rate = least + (first - least) * math.exp(-reputation.sound / policy.settles)
    return min(rate * (1.0 + 5.0 * reputation.strange), 1.0)


def detection(rate: float, forged: float, units: int) -> float:
    """The probability that a node which forges a share of its units is caught within so many."""
    return 1.0 - (1.0 - rate * forged) ** units


def chosen(secret: bytes, unit: str, rate: float) -> bool:
    """Whether a unit is checked: a coin that only who knows the secret can foresee, the same whenever it is tossed."""
    return _draw(secret, unit) < rate


def check_crop(secret: bytes, unit: str, whole: Crop, part: float) -> Crop:
    """The pixels of a unit that are rendered again: whole blocks, about so large a part, anywhere."""
    x0, y0, x1, y1 = whole
    share = math.sqrt(min(max(part, 0.0), 1.0))
    width, height = (min(max(BLOCK, math.ceil(size * share / BLOCK) * BLOCK), size) for size in (x1 - x0, y1 - y0))
    left = x0 + int(_draw(secret, unit + "/x") * (x1 - x0 - width + 1))
    top = y0 + int(_draw(secret, unit + "/y") * (y1 - y0 - height + 1))
    return left, top, left + width, top + height


def _draw(secret: bytes, what: str) -> float:
    digest = hashlib.blake2b(what.encode(), key=secret[:64], digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2.0**64


# --- one film by itself ----------------------------------------------------------------------------------------------
def check_plausible(film: Film) -> None:
    """Raise Forged for sums that no samples of a renderer add up to."""
    counts = film.counts.astype(np.float64)
    square = film.squares.astype(np.float64) * math.ldexp(1.0, -film.square_exponent) / np.maximum(counts, 1)
    luminance = film.luminance()
    quantum = math.ldexp(1.0, -film.square_exponent)
    faults = (
        (np.isnan(film.minima).any(), "has distances that are no numbers"),
        ((film.minima < 0).any(), "has distances behind the camera"),
        (
            (np.abs(film.sums.astype(np.float64)).max(axis=-1, initial=0.0) > counts * 2.0**SAMPLE_BITS).any(),
            _TOO_BRIGHT,
        ),
        ((film.squares < 0).any(), "has squares below 0"),
        ((luminance**2 > square * (1.0 + _TOLERANCE) + 4.0 * quantum).any(), "has less spread than none"),
        ((film.half_counts < 0).any() or (film.half_counts > film.counts).any(), "has halves larger than the whole"),
    )
    for wrong, what in faults:
        if wrong:
            raise Forged(f"the partial {what}; it was damaged or made up")


_TOO_BRIGHT = "has samples brighter than any sample can be"


def content_of(film: Film) -> str:
    """A name of a film's samples, whatever its header says; "" where two ranges may well have the same, as in pictures
    without noise."""
    if np.count_nonzero(film.variance()) < 0.05 * film.counts.size:
        return ""
    digest = hashlib.blake2b(digest_size=16)
    for array in (film.sums, film.squares, film.halves):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


# --- two films of the same -------------------------------------------------------------------------------------------
def check_same(claimed: Film, trusted: Film, *, same_class: bool) -> None:
    """Raise Forged unless a film agrees with a trusted render of some of its pixels and all of its samples: to the bit
    within a class of device, else in the means of its blocks."""
    part = claimed.cut(trusted.crop)
    if same_class:
        for name, array in part.buffers().items():
            if not np.array_equal(array, trusted.buffers()[name]):
                raise Forged(f"the partial has other {name} than the same samples rendered again; it was made up")
        return
    worst = strangeness(block_z(part, trusted))
    if not worst <= 1.0:
        errors = worst * Z_FORGED
        raise Forged(f"the partial is {errors:.0f} standard errors off the same samples rendered again; it was made up")


def strangeness(z: NDArray[np.float64]) -> float:
    """How far differences of blocks and of the whole, as of `block_z`, are beyond what a sound film has: 1 is the
    limit."""
    *blocks, whole = np.abs(z).max(axis=1)
    highest = sorted(blocks)[-2:]
    second = highest[0] if len(highest) == 2 else 0.0
    return float(max(highest[-1] / Z_BLOCK, second / Z_FORGED, (whole if second else 0.0) / Z_FORGED))


def block_z(film: Film, trusted: Film) -> NDArray[np.float64]:
    """Differences of block means, and of the whole, in standard errors by the trusted film; (blocks + 1, 3).

    The error of a block is that of the difference of its two half buffers, whose pixels are independent; where there
    are no two halves, the spread of its pixels stands for it, which is more.
    """
    ratio = float(trusted.counts.mean()) / max(float(film.counts.mean()), 1.0)
    ours, theirs = film.rgb("").astype(np.float64), trusted.rgb("").astype(np.float64)
    halved = bool((trusted.half_counts > 0).all() and (trusted.half_counts < trusted.counts).all())
    if halved:
        # of a pixel: Var(mean) = E[(a - b)^2] / 4 for two halves of one size
        noise = (trusted.half(0).astype(np.float64) - trusted.half(1)) ** 2 / 4.0
    else:
        noise = np.zeros_like(theirs)
    rows = []
    for block in _blocks(ours.shape[0], ours.shape[1]):
        n = ours[block].shape[0] * ours[block].shape[1]
        variance = noise[block].sum(axis=(0, 1)) / n**2 if halved else theirs[block].var(axis=(0, 1)) / n
        mean = theirs[block].mean(axis=(0, 1))
        floor = _TOLERANCE * (np.abs(mean) + np.abs(theirs).mean()) + math.ldexp(1.0, -trusted.exponent)
        rows.append((ours[block].mean(axis=(0, 1)) - mean) / np.sqrt(variance * (1.0 + ratio) + floor**2))
    return np.array(rows)


def _blocks(height: int, width: int) -> list[tuple[slice, slice]]:
    """Blocks of an image, and all of it."""
    return [
        *((slice(y, y + BLOCK), slice(x, x + BLOCK)) for y in range(0, height, BLOCK) for x in range(0, width, BLOCK)),
        (slice(0, height), slice(0, width)),
    ]


def contradicted(film: Film, others: Film) -> bool:
    """Whether other slices of the same picture speak against a film: a reason to check it, not to refuse it."""
    z = np.abs(block_z(film, others))
    return bool(z[-1].max() > Z_STRANGE or np.mean(z.max(axis=1) > Z_STRANGE) > 0.1)


# --- canaries --------------------------------------------------------------------------------------------------------
class Canary(Record, frozen=True):
    """A unit whose answer is known: the digest of its film for a class of device."""

    job: JobId
    piece: str
    range: Range
    backend: str
    device: str
    build: str
    content: str


def film_digest(film: Film) -> str:
    """A digest of every array of a film."""
    digest = hashlib.blake2b(digest_size=32)
    for name, array in film.buffers().items():
        digest.update(name.encode() + b"\0")
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def canary_of(job: JobId, piece: Piece, film: Film, header: Header) -> Canary:
    """The canary of a unit that a trusted node rendered."""
    return Canary(
        job=job,
        piece=piece.name,
        range=header.ranges[0],
        backend=header.backend,
        device=header.device,
        build=header.build,
        content=film_digest(film),
    )


def check_canary(canary: Canary, film: Film, header: Header) -> bool:
    """Whether a canary said anything: it does of its own class of device. Raises Forged for another answer."""
    if (canary.backend, canary.device, canary.build) != (header.backend, header.device, header.build):
        return False
    if film_digest(film) != canary.content:
        raise Forged("the partial is another answer than the one that was known; it was made up")
    return True


# --- all of it -------------------------------------------------------------------------------------------------------
class Check(Record, frozen=True):
    """A check that was made, for the log and for whoever is paid for it."""

    job: JobId
    node: NodeId
    unit: str
    kind: Literal["spot", "canary", "sanity", "replay"]
    sound: bool
    text: str = ""


@dataclass(slots=True)
class _Seen:
    contents: dict[str, str] = field(default_factory=dict)  # of samples -> where they were delivered
    slices: dict[tuple[JobId, str], Film] = field(default_factory=dict)  # merged, by piece


class Inspector:
    """Looks at every partial before it counts; `Service` calls `inspect` with each. Any thread may.

    `rerender` renders a part of a unit on a machine that is trusted. `secret` decides what is checked and is told to
    nobody. `slices` are kept in memory for pictures of at most so many bytes.
    """

    def __init__(
        self,
        *,
        node: Callable[[NodeId], NodeInfo | None],
        rerender: Rerender,
        secret: bytes,
        policy: TrustPolicy | None = None,
        canaries: Iterable[Canary] = (),
        reputations: dict[NodeId, Reputation] | None = None,
        listener: Callable[[Check], None] = lambda check: None,
        slice_bytes: int = 256 << 20,
    ) -> None:
        self.policy = policy or TrustPolicy()
        self.reputations = dict(reputations or {})
        self._node, self._rerender, self._secret, self._listener = node, rerender, secret, listener
        self._canaries = {(c.job, c.piece, c.range): c for c in canaries}
        self._slice_bytes = slice_bytes
        self._seen = _Seen()
        self._makers: dict[int, NodeId] = {}
        self._lock = threading.Lock()

    def inspect(self, job: RenderJob, lease: Lease, result: Result, film: Film, header: Header) -> None:
        """Raises Forged for a partial that must not count; its node is not believed any more."""
        info = self._node(lease.node)
        trust = info.trust if info is not None else 3
        piece = job.spec.pieces[lease.piece]
        unit = f"{job.spec.id}/{piece.name}/{result.range[0]}-{result.range[1]}"
        with self._lock:
            before = self.reputations.get(lease.node, Reputation())
        if before.blocked:
            raise Forged(f'the node "{lease.node}" has forged a partial before; nothing of it is taken')
        if trust <= 0:
            return  # one's own machine
        kind: Literal["spot", "canary", "sanity", "replay"] = "sanity"
        try:
            check_plausible(film)
            kind = "replay"
            self._check_new(unit, film)
            strange = self._strange(job.spec.id, piece, film)
            kind = "canary"
            canary = self._canaries.get((job.spec.id, piece.name, result.range))
            known = canary is not None and check_canary(canary, film, header)
            kind = "spot"
            rate = 1.0 if strange else rate_of(before, trust, self.policy)
            spot = not known and chosen(self._secret, f"{unit}.{lease.attempt}", rate)
            if spot:
                self._check_spot(job, piece, unit, lease, result, film, header)
        except Forged as fault:
            self._judged(lease.node, forged=1)
            self._listener(Check(job=job.spec.id, node=lease.node, unit=unit, kind=kind, sound=False, text=str(fault)))
            raise
        self._judged(lease.node, sound=int(spot or known), strange=int(strange))
        if spot or known:
            kind = "spot" if spot else "canary"
            self._listener(Check(job=job.spec.id, node=lease.node, unit=unit, kind=kind, sound=True))
        self._keep(job.spec.id, piece, unit, lease, film)

    def distrusted(self, results: Iterable[Result]) -> list[Result]:
        """Of results, those whose nodes were caught since: render them again, or check them whole, before a merge."""
        with self._lock:
            bad = {n for n, who in self._makers.items() if self.reputations.get(who, Reputation()).blocked}
        return [r for r in results if _attempt_of(r) in bad]

    def _check_new(self, unit: str, film: Film) -> None:
        content = content_of(film)
        with self._lock:
            known = self._seen.contents.get(content, unit) if content else unit
        if known != unit:
            raise Forged(f"the partial has the samples of {known} under another name; it was not rendered")

    def _strange(self, job: JobId, piece: Piece, film: Film) -> bool:
        with self._lock:
            others = self._seen.slices.get((job, piece.name))
            return others is not None and others.layout == film.layout and contradicted(film, others)

    def _check_spot(
        self, job: RenderJob, piece: Piece, unit: str, lease: Lease, result: Result, film: Film, header: Header
    ) -> None:
        crop = check_crop(self._secret, f"{unit}.{lease.attempt}", film.crop, self.policy.part)
        try:
            again, theirs = self._rerender(job, piece, result.range, crop)
        except StudioError as fault:  # says nothing of the partial: its node delivers it again
            raise CannotWrite(f"the unit {unit} cannot be checked now ({fault}); try again") from fault
        same = (header.backend, header.device, header.build) == (theirs.backend, theirs.device, theirs.build)
        check_same(film, again, same_class=same)

    def _keep(self, job: JobId, piece: Piece, unit: str, lease: Lease, film: Film) -> None:
        content = content_of(film)
        with self._lock:
            self._makers[lease.attempt] = lease.node
            if content:
                self._seen.contents.setdefault(content, unit)
            if film.layout.nbytes > self._slice_bytes:
                return
            key = (job, piece.name)
            others = self._seen.slices.get(key)
            if others is None or others.layout != film.layout:
                others = self._seen.slices[key] = Film.of(film.layout)
            film.merge_into(others)

    def _judged(self, node: NodeId, *, sound: int = 0, forged: int = 0, strange: int = 0) -> None:
        with self._lock:
            before = self.reputations.get(node, Reputation())
            self.reputations[node] = Reputation(
                units=before.units + 1,
                sound=before.sound + sound,
                forged=before.forged + forged,
                strange=before.strange + strange,
            )


def _attempt_of(result: Result) -> int:
    number = result.key.removesuffix(".part").rpartition(".")[2]
    return int(number) if number.isdecimal() and len(number) < 16 else 0
