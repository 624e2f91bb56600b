"""Small files in packs: one object of a store for hundreds of them, because a store counts objects, not bytes.

A pack is files one after the other, in the order of their hashes, and is never written again: a file that was edited
goes into a new pack, whatever else is in the old one. What an edit sends is therefore what it changed. Where a bundle
needs less than half of a pack, its nodes fetch the parts. When many packs of a bundle have become small ones they are
made into one, at most 16 MiB at once, so that the number of packs stays bounded and no submission is large for it.

`plan` is a pure function: which packs that are known hold what is wanted, and which new ones are to be made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

SMALL = 1 << 20  # bytes below which a file goes into a pack
LEAST, USUAL, MOST = 16 << 20, 32 << 20, 64 << 20  # bytes of a pack; one of the last edits is smaller than the least
MOST_SMALL = 32  # packs of a bundle that are smaller than that
MADE_OF = 16 << 20  # bytes of small packs that are written again at once

Entries = Mapping[str, tuple[int, int]]  # hash of a file -> where it begins in the pack, its bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """Where each small file of a bundle is found. `old` are packs that are there with the files to be taken from each;
    `new` are packs to be made, each of these files in this order."""

    old: dict[str, list[str]]
    new: list[list[str]]


def plan(wanted: Mapping[str, int], known: Mapping[str, Entries]) -> Plan:
    """Find packs for files of these hashes and sizes. The same arguments give the same plan."""
    old: dict[str, list[str]] = {}
    left = set(wanted)
    # Those of which the most is wanted come first, so that few packs are opened.
    for pack in sorted(known, key=lambda name: (-_bytes_of(known[name], wanted.keys()), name)):
        found = sorted(left & known[pack].keys())
        found = [hash_ for hash_ in found if known[pack][hash_][1] == wanted[hash_]]
        if found:
            old[pack] = found
            left.difference_update(found)
    small = sorted((_size(known[pack]), pack) for pack in old if _size(known[pack]) < LEAST)
    if len(small) > MOST_SMALL:
        room = MADE_OF
        for _, pack in small:
            room -= sum(wanted[hash_] for hash_ in old[pack])
            if room < 0:
                break
            left.update(old.pop(pack))
    return Plan(old, _shared_out(sorted(left), wanted))


def entries_of(hashes: Iterable[str], sizes: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Where files lie in a pack of them, in this order."""
    at, out = 0, {}
    for hash_ in hashes:
        out[hash_] = at, sizes[hash_]
        at += sizes[hash_]
    return out


def runs(entries: Entries, wanted: Collection[str]) -> list[tuple[int, int]]:
    """The parts [from, to) of a pack that hold the files wanted: all of it when that is half of it or more, else
    stretches, which are joined where less than 64 KiB lie between them, as a request costs more than those."""
    size = _size(entries)
    if _bytes_of(entries, wanted) * 2 >= size:
        return [(0, size)]
    out: list[tuple[int, int]] = []
    for at, count in sorted(entries[hash_] for hash_ in wanted):
        if out and at - out[-1][1] < 64 << 10:
            out[-1] = out[-1][0], max(out[-1][1], at + count)
        else:
            out.append((at, at + count))
    return out


def _shared_out(hashes: list[str], sizes: Mapping[str, int]) -> list[list[str]]:
    """Packs of about `USUAL` bytes out of files in order, as even as can be."""
    total = sum(sizes[hash_] for hash_ in hashes)
    count = max(1, round(total / USUAL))
    packs: list[list[str]] = [[]]
    filled = 0
    for hash_ in hashes:
        if filled >= total * len(packs) / count and len(packs) < count:
            packs.append([])
        packs[-1].append(hash_)
        filled += sizes[hash_]
    return [pack for pack in packs if pack]


def _size(entries: Entries) -> int:
    return max((at + size for at, size in entries.values()), default=0)


def _bytes_of(entries: Entries, wanted: Collection[str]) -> int:
    if len(wanted) < len(entries):
        return sum(entries[hash_][1] for hash_ in wanted if hash_ in entries)
    return sum(size for hash_, (_, size) in entries.items() if hash_ in wanted)
