"""What a load did, told to the artist: what was read, how foreign features were mapped, what was dropped.

A reader collects into a `Notes` while it works and freezes it into a `LoadReport` at its end. Sentences are counted,
so a thousand meshes with the same fault give one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What was read (counts by kind, singular), what was mapped, what was dropped and what to look at."""

    read: Mapping[str, int] = field(default_factory=dict)
    mapped: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """The report as sentences: the counts first, then what was mapped, dropped and warned about."""
        counts = ", ".join(_count(number, kind) for kind, number in self.read.items() if number)
        return [f"Read {counts or 'an empty scene'}.", *self.mapped, *self.dropped, *self.warnings]


class Notes:
    """A report being collected. The same sentence is kept once, with how often it was said."""

    def __init__(self) -> None:
        self.read: dict[str, int] = {}
        self._said: dict[str, dict[str, int]] = {"mapped": {}, "dropped": {}, "warnings": {}}

    def mapped(self, sentence: str) -> None:
        """Note how a feature was mapped to ours."""
        self._add("mapped", sentence)

    def dropped(self, sentence: str) -> None:
        """Note something of the file that the scene does not hold."""
        self._add("dropped", sentence)

    def warn(self, sentence: str) -> None:
        """Note something that the artist should look at."""
        self._add("warnings", sentence)

    def _add(self, kind: str, sentence: str) -> None:
        said = self._said[kind]
        said[sentence] = said.get(sentence, 0) + 1

    def report(self) -> LoadReport:
        """The finished report."""
        return LoadReport(
            read=dict(self.read),
            mapped=_told(self._said["mapped"]),
            dropped=_told(self._said["dropped"]),
            warnings=_told(self._said["warnings"]),
        )


def _told(said: dict[str, int]) -> tuple[str, ...]:
    return tuple(text if times == 1 else f"{text} ({times} times)" for text, times in said.items())


def _count(number: int, kind: str) -> str:
    plural = kind if number == 1 else kind + ("es" if kind.endswith("sh") else "s")
    return f"{number:,} {plural}"
