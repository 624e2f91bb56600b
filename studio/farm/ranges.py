"""Sets of sample indices as disjoint ranges."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator

from studio.farm.model import Range


class Ranges:
    """A set of integers, kept as sorted half-open ranges that neither touch nor overlap."""

    __slots__ = ("_ends", "_starts", "size")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.size = 0  # how many integers it holds
        for each in ranges:
            self.add(each)

    def __iter__(self) -> Iterator[Range]:
        return iter(list(zip(self._starts, self._ends, strict=True)))

    def __len__(self) -> int:
        return len(self._starts)

    def __bool__(self) -> bool:
        return bool(self._starts)

    def add(self, added: Range) -> None:
        """Add a range; what is there already is no fault."""
        first, last = added
        if first >= last:
            return
        i = bisect.bisect_left(self._ends, first)
        j = bisect.bisect_right(self._starts, last)
        if i < j:
            first, last = min(first, self._starts[i]), max(last, self._ends[j - 1])
        self.size += last - first - sum(b - a for a, b in zip(self._starts[i:j], self._ends[i:j], strict=True))
        self._starts[i:j], self._ends[i:j] = [first], [last]

    def discard(self, removed: Range) -> None:
        """Remove a range; what is not there is no fault."""
        first, last = removed
        if first >= last:
            return
        i = bisect.bisect_right(self._ends, first)
        j = bisect.bisect_left(self._starts, last)
        if i >= j:
            return
        left, right = (self._starts[i], first), (last, self._ends[j - 1])
        self.size -= sum(b - a for a, b in zip(self._starts[i:j], self._ends[i:j], strict=True))
        kept = [part for part in (left, right) if part[0] < part[1]]
        self.size += sum(b - a for a, b in kept)
        self._starts[i:j] = [a for a, _ in kept]
        self._ends[i:j] = [b for _, b in kept]

    def meets(self, other: Range) -> bool:
        """Whether any integer of a range is in the set."""
        i = bisect.bisect_right(self._ends, other[0])
        return other[0] < other[1] and i < len(self._starts) and self._starts[i] < other[1]

    def covers(self, other: Range) -> bool:
        """Whether every integer of a range is in the set."""
        i = bisect.bisect_right(self._starts, other[0]) - 1
        return other[0] >= other[1] or (i >= 0 and other[1] <= self._ends[i])

    def head(self, count: int) -> Range | None:
        """The first range, cut to `count` integers; None of an empty set."""
        if not self._starts or count <= 0:
            return None
        return self._starts[0], min(self._ends[0], self._starts[0] + count)
