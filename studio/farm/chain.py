"""Adaptive sampling of a piece as a chain of rounds, told by the names of what was decided alone.

Rounds end at 16, 32, 64, ... samples, as in a render on one machine (`studio.render.adaptive`). After each it is
decided which blocks of pixels go on, and what was decided has a name:

    <end>.<digest>.blocks    those blocks go on after the round that ends there
    <end>.end                none does: the piece is as good as was asked

A piece that is not adaptive is a chain of one round with all its samples.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from studio.farm.model import Piece, Range
from studio.render.adaptive import round_end

_DECIDED = re.compile(r"([0-9]{1,12})\.(?:end|([0-9a-f]{64})\.blocks)")
_PLACE_LETTERS = 16  # of a digest that tell the blocks of a piece apart


@dataclass(frozen=True, slots=True)
class Chain:
    """The rounds of a piece that there are: where each ends and of which blocks its samples are ("": all). `final` says
    that nothing comes after the last."""

    first: int
    ends: tuple[int, ...]
    blocks: tuple[str, ...]
    final: bool

    @property
    def target(self) -> int:
        """The sample up to which is rendered by now."""
        return self.ends[-1]

    @property
    def count(self) -> int:
        """How many samples that is."""
        return self.target - self.first

    def cut(self, end: int) -> Chain:
        """The chain up to a round, with nothing decided after it."""
        count = self.ends.index(end) + 1
        return Chain(self.first, self.ends[:count], self.blocks[:count], False)

    def blocks_of(self, samples: Range) -> str | None:
        """Of which blocks a range is; None for a range that lies in no round."""
        start = self.first
        for end, blocks in zip(self.ends, self.blocks, strict=True):
            if start <= samples[0] and samples[1] <= end:
                return blocks
            start = end
        return None


def chain_of(piece: Piece, names: Iterable[str] | None) -> Chain:
    """The chain of a piece by the names of its decisions; None for a piece that is not adaptive."""
    if names is None:
        return Chain(piece.first, (piece.samples,), ("",), True)
    decided: dict[int, str] = {}
    for name in sorted(names):
        found = _DECIDED.fullmatch(name)
        if found is not None:
            decided.setdefault(int(found[1]), found[2] or "")
    ends, blocks = [round_end(piece.first, piece.samples)], [""]
    while ends[-1] < piece.samples:
        chosen = decided.get(ends[-1])
        if not chosen:
            return Chain(piece.first, tuple(ends), tuple(blocks), chosen is not None)
        blocks.append(chosen)
        ends.append(round_end(ends[-1], piece.samples))
    return Chain(piece.first, tuple(ends), tuple(blocks), True)


def decision(end: int, blocks: str) -> str:
    """The name of what was decided after a round; without blocks nothing goes on."""
    return f"{end}.{blocks}.blocks" if blocks else f"{end}.end"


def decided_end(name: str) -> int | None:
    """The end of the round that a decision is of; None for another name."""
    found = _DECIDED.fullmatch(name)
    return int(found[1]) if found is not None else None


def place_of(piece: Piece, blocks: str) -> str:
    """The folder of claims on samples of some blocks of a piece."""
    return f"{piece.name}~{blocks[:_PLACE_LETTERS]}" if blocks else piece.name
