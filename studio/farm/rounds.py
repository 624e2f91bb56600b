"""Adaptive sampling of a frame that many nodes render: rounds, decided on the merged picture.

A node that stopped pixels by itself would judge by the few samples that it has, and its sums would lean to the dark
where rare bright samples are what is missing. So nodes render what they are told, all samples of a unit for the blocks
of pixels that its round is of, and what goes on is decided here at the end of a round, by the film of all its parts
(`studio.render.adaptive`). That is a function of the film, so the picture has the bits of `studio render --error`.

    jobs/<id>/rounds/<piece>/<end>.<digest>.blocks   the blocks that go on, a bit each
    jobs/<id>/rounds/<piece>/<end>.end               none does

Claims of a round lie under the blocks that it is of. When samples of an earlier round are taken back, what was decided
after it is taken back too and decided anew, and mostly comes out the same: then what was rendered since counts again.
Where it does not, what is there of the other blocks is in nobody's way.
"""

from __future__ import annotations

import math
import tempfile
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset, CannotWrite
from studio.farm.bundles.cas import digest_of
from studio.farm.chain import decided_end, decision
from studio.farm.jobs import RenderJob, crop_of, job_key
from studio.farm.model import JobId, Piece, Range, Result, Round
from studio.farm.store import Store
from studio.farm.verify import check_partial, largest_part
from studio.render.adaptive import BLOCK_PX, noisy_blocks, per_pixel, round_start
from studio.render.film import Crop, Film, Layout

Blocks = NDArray[np.bool_]  # (rows, columns) of the aligned blocks that a piece touches
_MOST_KEPT = 64  # choices in memory


def cut_out(pixels: NDArray[np.bool_], crop: Crop, part: Crop) -> NDArray[np.bool_]:
    """Of pixels of a crop those of a part of it."""
    x0, y0 = crop[:2]
    return pixels[part[1] - y0 : part[3] - y0, part[0] - x0 : part[2] - x0]


class Choices:
    """Which pixels the rounds of a store's jobs are of, each read once. Any thread may ask."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[JobId, str, str], Blocks] = {}
        self._lock = threading.Lock()

    def blocks(self, job: RenderJob, piece: Piece, start: int, name: str) -> Blocks:
        """The blocks that go on after the round that ends at a sample. Raises Lost where that cannot be read."""
        key = job.spec.id, piece.name, name
        with self._lock:
            found = self._known.get(key)
        if found is None:
            found = read_blocks(self._store, job, piece, start, name)
            self.keep(job, piece, name, found)
        return found

    def keep(self, job: RenderJob, piece: Piece, name: str, blocks: Blocks) -> None:
        """Know a choice that is written, for whoever asks next."""
        with self._lock:
            while len(self._known) >= _MOST_KEPT:
                del self._known[next(iter(self._known))]
            self._known[job.spec.id, piece.name, name] = blocks

    def pixels(self, job: RenderJob, piece: Piece, samples: Range, name: str) -> NDArray[np.bool_] | None:
        """(height, width) of a piece: those that samples of some blocks are of; None for all."""
        if not name:
            return None
        return per_pixel(self.blocks(job, piece, round_start(samples[0]), name), crop_of(job, piece))

    def round(self, job: RenderJob, piece: Piece, end: int, name: str) -> Round:
        """What the round of a piece asks for that ends at a sample and is of some blocks."""
        pixels = self.pixels(job, piece, (round_start(end - 1), end), name)
        share = 1.0 if pixels is None else float(pixels.mean())
        return Round(samples=end, blocks=name, share=share, more=end < piece.samples)


def read_blocks(store: Store, job: RenderJob, piece: Piece, start: int, name: str) -> Blocks:
    """The blocks that go on after the round that ends at a sample. Raises Lost for what is not those."""
    key = job_key(job.spec.id, "rounds", piece.name, decision(start, name))
    shape = _grid(crop_of(job, piece))
    try:
        data = store.get(key, most=math.prod(shape) // 8 + 1)
    except BadAsset as fault:
        raise Lost(start, str(fault)) from fault
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    if digest_of(data) != name or not 0 <= bits.size - math.prod(shape) < 8 or not bits[: math.prod(shape)].any():
        raise Lost(start, f"{store.name}: {key} is damaged; it is decided anew while a coordinator works")
    return bits[: math.prod(shape)].reshape(shape).astype(np.bool_)


def write_blocks(store: Store, job: RenderJob, piece: Piece, end: int, blocks: Blocks | None) -> str:
    """Say which blocks go on after the round that ends at a sample, or that none does; the name of the choice."""
    data = np.packbits(blocks).tobytes() if blocks is not None else b""
    name = digest_of(data) if blocks is not None else ""
    mine = decision(end, name)
    if any(decided_end(other) == end and other != mine for other in _decisions(store, job, piece)):
        undecide(store, job, piece, end)  # as a list from a while ago left it: two would be one too many
    store.put(f"{_folder(job, piece)}/{mine}", data)
    return name


def undecide(store: Store, job: RenderJob, piece: Piece, end: int, *, known: Iterable[str] = ()) -> None:
    """Take back what was decided after the round that ends at a sample, and after those that follow, the last first.
    `known` are names of decisions that may be there, whatever a list says, which may be from a while ago."""
    found = ((decided_end(name), name) for name in {*_decisions(store, job, piece), *known})
    for _, name in sorted(((at, name) for at, name in found if at is not None and at >= end), reverse=True):
        store.delete(f"{_folder(job, piece)}/{name}")


def _decisions(store: Store, job: RenderJob, piece: Piece) -> list[str]:
    return [key.rsplit("/", 1)[-1] for key, _ in store.list(_folder(job, piece))]


def _folder(job: RenderJob, piece: Piece) -> str:
    return job_key(job.spec.id, "rounds", piece.name)


def _grid(crop: Crop) -> tuple[int, int]:
    x0, y0, x1, y1 = crop
    return -(-y1 // BLOCK_PX) - y0 // BLOCK_PX, -(-x1 // BLOCK_PX) - x0 // BLOCK_PX


class Lost(BadAsset):
    """What was decided after the round that ends at `end` cannot be read."""

    def __init__(self, end: int, why: str) -> None:
        super().__init__(why)
        self.end = end


class Unsound(BadAsset):
    """Partials in the store that are not what their claims say, or of which nobody can say which are."""

    def __init__(self, results: Sequence[Result], why: str) -> None:
        super().__init__(why)
        self.results = results


class Sums:
    """What was added up at the end of a round, for the next one to go on from: the last ones, as many as fit into so
    many bytes. Any thread may use it."""

    def __init__(self, most_bytes: int = 1 << 29) -> None:
        self._most = most_bytes
        self._kept: dict[tuple[JobId, str], tuple[frozenset[str], Film]] = {}
        self._lock = threading.Lock()

    def take(self, job: RenderJob, piece: Piece, results: Sequence[Result]) -> tuple[Film | None, list[Result]]:
        """A sum of some of these parts, which is the caller's from here on, and those that are in it."""
        with self._lock:
            parts, film = self._kept.pop((job.spec.id, piece.name), (frozenset[str](), None))
        inside = [result for result in results if result.digest in parts]
        return (film, inside) if len(inside) == len(parts) else (None, [])

    def keep(self, job: RenderJob, piece: Piece, results: Sequence[Result], film: Film) -> None:
        """Keep the sum of these parts, which nobody else changes from here on."""
        if film.layout.nbytes > self._most:
            return
        with self._lock:
            self._kept[job.spec.id, piece.name] = frozenset(result.digest for result in results), film
            while sum(kept.layout.nbytes for _, kept in self._kept.values()) > self._most:
                del self._kept[next(iter(self._kept))]


def film_of(
    store: Store, job: RenderJob, piece: Piece, results: Sequence[Result], choices: Choices, sums: Sums | None = None
) -> Film:
    """The sum of some parts of a piece, from what was added up before where `sums` has that. Raises Unsound for some
    that are damaged or do not add up, Lost where it is not known any more of which pixels one is, CannotWrite when that
    cannot be said now."""
    film, inside = sums.take(job, piece, results) if sums is not None else (None, [])
    kinds: dict[Layout, list[Result]] = {film.layout: inside} if film is not None else {}
    for result in (result for result in results if result not in inside):
        pixels = choices.pixels(job, piece, result.range, result.blocks)
        try:
            with tempfile.TemporaryDirectory(prefix="myriad-farm-") as folder:
                path = Path(folder) / "unit.part"
                store.copy_to(path, result.key, most=largest_part(job, piece))
                part, _ = check_partial(path, job, piece, result, pixels)
        except BadAsset as fault:
            raise Unsound([result], str(fault)) from fault
        except OSError as fault:
            reason = (fault.strerror or str(fault)).lower()
            raise CannotWrite(f"partials cannot be merged: {reason}; make room for temporary files") from fault
        kinds.setdefault(part.layout, []).append(result)
        if film is None:
            film = part
        elif len(kinds) == 1:
            part.merge_into(film)
    if film is None:
        raise ValueError("a round without samples decides nothing")
    if len(kinds) > 1:
        raise Unsound(_outvoted(list(kinds.values())), f"partials of {piece.name} do not add up")
    return film


def _outvoted(kinds: list[list[Result]]) -> list[Result]:
    """The results that differ from most samples; all of them where there is no majority, or whoever lied would have
    those who did not render again and again."""
    counts = [sum(last - first for first, last in (r.range for r in kind)) for kind in kinds]
    most = max(range(len(kinds)), key=counts.__getitem__)
    kept = most if 2 * counts[most] > sum(counts) else -1
    return [result for number, kind in enumerate(kinds) if number != kept for result in kind]


def next_blocks(job: RenderJob, piece: Piece, film: Film, asked: Round, before: Blocks | None) -> Blocks | None:
    """Which blocks go on after a round whose film, with all rounds before, is whole; None when none does."""
    if asked.samples >= piece.samples:
        return None
    noisy = noisy_blocks(film, job.settings.error)
    if before is not None:
        noisy &= before
    return noisy if noisy.any() else None
