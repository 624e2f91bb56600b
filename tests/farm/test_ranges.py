"""Sets of sample indices, held against Python's own sets."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from studio.farm.ranges import Ranges

RANGE = st.tuples(st.integers(0, 30), st.integers(0, 30))


@given(st.lists(st.tuples(st.booleans(), RANGE), max_size=30), RANGE)
def test_ranges_are_sets_of_integers(steps: list[tuple[bool, tuple[int, int]]], probe: tuple[int, int]) -> None:
    ranges, model = Ranges(), set[int]()
    for add, (a, b) in steps:
        if add:
            ranges.add((a, b))
            model |= set(range(a, b))
        else:
            ranges.discard((a, b))
            model -= set(range(a, b))
        found = list(ranges)
        assert {i for a, b in found for i in range(a, b)} == model and ranges.size == len(model)
        assert all(a < b for a, b in found)
        assert all(end < start for (_, end), (start, _) in itertools.pairwise(found)), "sorted, apart"
    wanted = set(range(*probe))
    assert ranges.meets(probe) == bool(wanted & model)
    assert ranges.covers(probe) == (wanted <= model)
    assert bool(ranges) == bool(model)


def test_the_head_is_the_first_part_of_the_first_range() -> None:
    assert Ranges().head(4) is None and Ranges([(3, 9)]).head(0) is None
    assert Ranges([(3, 9), (20, 30)]).head(4) == (3, 7) and Ranges([(3, 9)]).head(40) == (3, 9)
