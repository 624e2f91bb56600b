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
with probability 1 - (1 - q f)^m at a rate of checks q: pay late (`studio.farm.money.settlement`).
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from studio.errors import CannotWrite, StudioError
from studio.farm.chain import place_of
from studio.farm.jobs import RenderJob
from studio.farm.model import JobId, Lease, NodeId, NodeInfo, Piece, Range, Record, Result, maker_of
from studio.farm.trust.likeness import BLOCK as BLOCK
from studio.farm.trust.likeness import (
    Forged,
    check_plausible,
    check_same,
    content_of,
    contradicted,
)
from studio.render.film import Crop, Film
from studio.render.partial import Header

Level = Literal[0, 1, 2, 3]
Kind = Literal["spot", "canary", "sanity", "replay"]
LEVELS: dict[int, str] = {0: "own machine", 1: "studio network", 2: "contracted cloud", 3: "public node"}
MOST_CANARIES, LONGEST_CANARY_S = 256, 60.0  # remembered at once; so that a node delivers it in one piece

Rerender = Callable[[RenderJob, Piece, Range, Crop, str], tuple[Film, Header]]  # of blocks of pixels; "": all


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustPolicy:
    """How much is checked. Rates are shares of units, by level: of a node that was never checked, and of one that was
    always right; between them it falls with every sound check, `settles` of which bring it most of the way."""

    first: tuple[float, ...] = (0.0, 0.02, 0.05, 0.05)
    least: tuple[float, ...] = (0.0, 0.02, 0.02, 0.02)
    probation: tuple[int, ...] = (0, 0, 1, 3)  # units of a new node that are checked whatever the rate
    settles: float = 20.0
    part: float = 0.0625  # of a unit's pixels that a check renders again
    canaries: tuple[float, ...] = (0.0, 0.0, 0.01, 0.01)  # of units that are handed out, those whose answer is known


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


def check_crop(secret: bytes, unit: str, whole: Crop, part: float, pixels: NDArray[np.bool_] | None = None) -> Crop:
    """The pixels of a unit that are rendered again: whole blocks, about so large a part, anywhere; around one of
    `pixels`, (height, width) of the unit, where those are not all."""
    x0, y0, x1, y1 = whole
    share = math.sqrt(min(max(part, 0.0), 1.0))
    width, height = (min(max(BLOCK, math.ceil(size * share / BLOCK) * BLOCK), size) for size in (x1 - x0, y1 - y0))
    if pixels is not None and not pixels.all():
        rows, columns = np.nonzero(pixels)
        one = int(_draw(secret, unit + "/pixel") * len(rows))
        left = min(max(x0 + int(columns[one]) - width // 2, x0), x1 - width)
        top = min(max(y0 + int(rows[one]) - height // 2, y0), y1 - height)
        return left, top, left + width, top + height
    left = x0 + int(_draw(secret, unit + "/x") * (x1 - x0 - width + 1))
    top = y0 + int(_draw(secret, unit + "/y") * (y1 - y0 - height + 1))
    return left, top, left + width, top + height


def _draw(secret: bytes, what: str) -> float:
    digest = hashlib.blake2b(what.encode(), key=secret[:64], digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2.0**64


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
    kind: Kind
    sound: bool
    text: str = ""
    piece: int = -1
    range: Range = (0, 0)
    attempt: int = 0
    seconds: float = 0.0  # that rendering again took here


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A delivery: where its samples belong, and whose it is."""

    unit: str
    row: int  # of its piece
    range: Range
    node: NodeId
    attempt: int
    blocks: str


@dataclass(slots=True)
class _Seen:
    """What was delivered of a job."""

    contents: dict[str, _Made] = field(default_factory=dict)  # of samples -> where they were delivered
    slices: dict[str, Film] = field(default_factory=dict)  # merged, by piece


class Inspector:
    """Looks at every partial before it counts; `Service` calls `inspect` with each. Any thread may.

    `rerender` renders a part of a unit on a machine that is trusted. `secret` decides what is checked and is told to
    nobody. `slices` are kept in memory for pictures of at most so many bytes. A node is known by its machine
    (`model.maker_of`): what one device forges is counted against all.
    """

    def __init__(
        self,
        *,
        node: Callable[[NodeId], NodeInfo | None],
        rerender: Rerender,
        secret: bytes,
        policy: TrustPolicy | None = None,
        reputations: Mapping[str, Reputation] | None = None,
        listener: Callable[[Check], None] = lambda check: None,
        slice_bytes: int = 256 << 20,
    ) -> None:
        self.policy = policy or TrustPolicy()
        self.reputations = dict(reputations or {})
        self._node, self._rerender, self._secret, self._listener = node, rerender, secret, listener
        self._canaries: dict[tuple[JobId, str, Range], tuple[Canary, int, Result]] = {}
        self._slice_bytes = slice_bytes
        self._seen: dict[JobId, _Seen] = {}
        self._lock = threading.Lock()

    def inspect(self, job: RenderJob, lease: Lease, result: Result, film: Film, header: Header) -> None:
        """Raises Forged for a partial that must not count; its node is not believed any more. Raises CannotWrite where
        it cannot be checked now."""
        info = self._node(lease.node)
        trust = info.trust if info is not None else 3
        piece = job.spec.pieces[lease.piece]
        unit = f"{job.spec.id}/{place_of(piece, result.blocks)}/{result.range[0]}-{result.range[1]}"
        maker = maker_of(lease.node)
        made = _Made(
            unit=unit,
            row=lease.piece,
            range=result.range,
            node=lease.node,
            attempt=lease.attempt,
            blocks=result.blocks,
        )
        with self._lock:
            before = self.reputations.get(maker, Reputation())
        if before.blocked:
            raise Forged(f'the node "{maker}" has forged a partial before; nothing of it is taken')
        if trust <= 0:  # one's own machine, whose answers are those that others are measured by
            if result.usage.render_s <= LONGEST_CANARY_S:
                self._know(job.spec.id, lease.piece, piece, result, film, header)
            return
        kind: Kind = "sanity"
        seconds = 0.0

        def told(sound: bool, text: str = "") -> None:
            self._listener(
                Check(
                    job=job.spec.id,
                    node=lease.node,
                    unit=unit,
                    kind=kind,
                    sound=sound,
                    text=text,
                    piece=lease.piece,
                    range=result.range,
                    attempt=lease.attempt,
                    seconds=seconds,
                )
            )

        try:
            check_plausible(film)
            kind = "replay"
            seconds = self._check_new(job, made, film, header)
            proved = seconds > 0
            strange = self._strange(job.spec.id, piece, film)
            kind = "canary"
            canary = self._canaries.get((job.spec.id, place_of(piece, result.blocks), result.range))
            known = canary is not None and check_canary(canary[0], film, header)
            kind = "spot"
            rate = 1.0 if strange else rate_of(before, trust, self.policy)
            spot = not known and not proved and chosen(self._secret, f"{unit}.{lease.attempt}", rate)
            if spot:
                again, same, seconds = self._rendered(job, made, film, header)
                check_same(film, again, same_class=same)
        except Forged as fault:
            self._caught(maker)
            told(False, str(fault))
            raise
        self._judged(maker, sound=int(spot or proved or known), strange=int(strange))
        if spot or proved or known:
            kind = "canary" if known else "spot"
            told(True)
        if not known:  # else it is there already
            self._keep(job.spec.id, piece, film)

    def probe(self, node: NodeId, turn: str) -> tuple[JobId, int, Result] | None:
        """What a node is to be given though its answer is known; None mostly. The same turn gives the same."""
        info = self._node(node)
        level = min(max(info.trust if info is not None else 3, 0), 3)
        if not chosen(self._secret, f"{node}/canary/{turn}", self.policy.canaries[level]):
            return None
        with self._lock:
            known = [(job, row, result) for (job, _, _), (_, row, result) in self._canaries.items()]
        return known[int(_draw(self._secret, f"{node}/which/{turn}") * len(known))] if known else None

    def _know(self, job: JobId, row: int, piece: Piece, result: Result, film: Film, header: Header) -> None:
        canary = canary_of(job, piece, film, header)
        with self._lock:
            if len(self._canaries) >= MOST_CANARIES:
                del self._canaries[next(iter(self._canaries))]
            self._canaries[job, place_of(piece, result.blocks), result.range] = canary, row, result

    def forget(self, jobs: Container[JobId]) -> None:
        """Forget what was delivered of all jobs but these."""
        with self._lock:
            self._seen = {id_: seen for id_, seen in self._seen.items() if id_ in jobs}
            self._canaries = {key: canary for key, canary in self._canaries.items() if key[0] in jobs}

    def _check_new(self, job: RenderJob, made: _Made, film: Film, header: Header) -> float:
        """Raise Forged for samples that were delivered before under another name, and are not those of this one. Only
        within a job: another one of the same scene has the same samples.

        Whoever was first is not right for that: it may have had the samples of a unit that it foresaw others to render,
        who would then be accused. So both are rendered again; 0 where nothing had to be, else the seconds that it took.
        """
        content = content_of(film)
        if not content:
            return 0.0
        with self._lock:  # known from here on, or two that come at once would not know of each other
            first = self._seen.setdefault(job.spec.id, _Seen()).contents.setdefault(content, made)
        if first.unit == made.unit:
            return 0.0
        sound, seconds = self._is_render(job, made, film, header)
        if not sound:
            raise Forged(f"the partial has the samples of {first.unit} under another name; it was not rendered")
        innocent, more = self._is_render(job, first, film, header)
        if not innocent:
            self._caught(maker_of(first.node))
            with self._lock:
                self._seen.setdefault(job.spec.id, _Seen()).contents[content] = made
            self._listener(
                Check(
                    job=job.spec.id,
                    node=first.node,
                    unit=first.unit,
                    kind="replay",
                    sound=False,
                    text=f"the partial has the samples of {made.unit} under another name; it was not rendered",
                    piece=first.row,
                    range=first.range,
                    attempt=first.attempt,
                )
            )
        return seconds + more

    def _is_render(self, job: RenderJob, made: _Made, film: Film, header: Header) -> tuple[bool, float]:
        """Whether a film is that of a unit to the bit, as far as can be told here, and the seconds that it took."""
        if tuple(job.spec.pieces[made.row].crop or job.settings.crop or film.crop) != film.crop:
            return False, 0.0  # other pixels have other samples
        again, same, seconds = self._rendered(job, made, film, header)
        try:
            check_same(film, again, same_class=True)
        except Forged:
            return False, seconds
        return same, seconds

    def _strange(self, job: JobId, piece: Piece, film: Film) -> bool:
        with self._lock:
            seen = self._seen.get(job)
            others = seen.slices.get(piece.name) if seen is not None else None
            return others is not None and others.layout == film.layout and contradicted(film, others)

    def _rendered(self, job: RenderJob, made: _Made, film: Film, header: Header) -> tuple[Film, bool, float]:
        """Some pixels of a unit, rendered again: their film, whether it is of the same class of device, and seconds."""
        crop = check_crop(self._secret, f"{made.unit}.{made.attempt}", film.crop, self.policy.part, film.counts > 0)
        begun = time.perf_counter()
        try:
            again, theirs = self._rerender(job, job.spec.pieces[made.row], made.range, crop, made.blocks)
        except StudioError as fault:  # says nothing of the partial: its node delivers it again
            raise CannotWrite(f"the unit {made.unit} cannot be checked now ({fault}); try again") from fault
        same = (header.backend, header.device, header.build) == (theirs.backend, theirs.device, theirs.build)
        return again, same, time.perf_counter() - begun

    def _keep(self, job: JobId, piece: Piece, film: Film) -> None:
        if film.layout.nbytes > self._slice_bytes:
            return
        with self._lock:
            seen = self._seen.setdefault(job, _Seen())
            others = seen.slices.get(piece.name)
            if others is None or others.layout != film.layout:
                others = seen.slices[piece.name] = Film.of(film.layout)
            film.merge_into(others)

    def _caught(self, maker: str) -> None:
        self._judged(maker, forged=1)
        with self._lock:  # what it delivered before is in some of them
            for seen in self._seen.values():
                seen.slices.clear()

    def _judged(self, maker: str, *, sound: int = 0, forged: int = 0, strange: int = 0) -> None:
        with self._lock:
            before = self.reputations.get(maker, Reputation())
            self.reputations[maker] = Reputation(
                units=before.units + 1,
                sound=before.sound + sound,
                forged=before.forged + forged,
                strange=before.strange + strange,
            )
