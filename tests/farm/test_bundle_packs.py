"""Packs: every small file is in one, an edit makes no old pack anew, and their number stays bounded."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from studio.farm.bundles.cas import digest_of
from studio.farm.bundles.packs import LEAST, MADE_OF, MOST, MOST_SMALL, SMALL, USUAL, entries_of, plan, runs


def names(count: int, *, of: str = "file") -> list[str]:
    return [digest_of(f"{of} {i}".encode()) for i in range(count)]


def known_from(new: list[list[str]], sizes: dict[str, int]) -> dict[str, dict[str, tuple[int, int]]]:
    return {digest_of("".join(hashes).encode()): entries_of(hashes, sizes) for hashes in new}


@given(st.lists(st.integers(0, SMALL - 1), max_size=400))
def test_every_file_is_in_one_pack_of_a_fair_size(listed: list[int]) -> None:
    sizes = dict(zip(names(len(listed)), listed, strict=True))
    made = plan(sizes, {})
    assert sorted(h for pack in made.new for h in pack) == sorted(sizes) and not made.old
    totals = [sum(sizes[h] for h in pack) for pack in made.new]
    assert all(total <= MOST for total in totals)
    if len(totals) > 1:
        assert min(totals) >= LEAST and max(totals) <= 2 * USUAL
    assert plan(sizes, {}) == made


@given(st.integers(0, 1 << 30), st.integers(1, 40))
def test_an_edit_sends_the_files_it_changed_and_nothing_else(seed: int, edited: int) -> None:
    rng = random.Random(seed)
    sizes = {h: rng.randrange(SMALL) for h in names(300)}
    known = known_from(plan(sizes, {}).new, sizes)
    changed = {h: rng.randrange(SMALL) for h in names(edited, of="new")}
    kept = dict(rng.sample(sorted(sizes.items()), 250))
    made = plan(kept | changed, known)
    assert sorted(h for pack in made.new for h in pack) == sorted(changed)
    assert sorted(h for hashes in made.old.values() for h in hashes) == sorted(kept)


def test_a_thousand_edits_leave_few_packs_and_each_sends_little() -> None:
    rng = random.Random(1)
    sizes = dict.fromkeys(names(1000), 100_000)
    known = known_from(plan(sizes, {}).new, sizes)
    for edit in range(1000):
        sizes.pop(rng.choice(sorted(sizes)))
        sizes[digest_of(f"edit {edit}".encode())] = 100_000
        made = plan(sizes, known)
        sent = sum(sizes[h] for hashes in made.new for h in hashes)
        assert sent <= MADE_OF + 100_000
        known |= known_from(made.new, sizes)
        assert len(made.old) + len(made.new) <= MOST_SMALL + 12


def test_a_file_of_another_size_in_a_pack_is_not_it() -> None:
    (name,) = names(1)
    assert plan({name: 5}, {"f" * 64: {name: (0, 4)}}).new == [[name]]


@given(st.lists(st.integers(0, SMALL - 1), min_size=1, max_size=200), st.integers(0, 1 << 30))
def test_the_stretches_of_a_pack_hold_what_is_wanted_and_little_else(listed: list[int], seed: int) -> None:
    sizes = dict(zip(names(len(listed)), listed, strict=True))
    entries = entries_of(sizes, sizes)
    wanted = random.Random(seed).sample(sorted(sizes), random.Random(seed).randint(1, len(sizes)))
    found = runs(entries, wanted)
    for h in wanted:
        at, size = entries[h]
        assert any(first <= at and at + size <= last for first, last in found)
    assert all(a[1] <= b[0] for a, b in pairwise(found))
    read = sum(last - first for first, last in found)
    assert read <= 2 * sum(sizes[h] for h in wanted) + (64 << 10) * len(wanted)
