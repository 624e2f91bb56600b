"""The rows of the expression panel: regions, and in them controls, both halves of one in one row. No Qt in it.

A control is found by its English and Chinese name, by pinyin, and by the name that capture knows it by.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from studio.assets.library_search import MARK, folded, haystack, words_of
from studio.commands.expression_names import REGION_LABELS, base_label, base_of, half_label
from studio.scene.arkit import REGIONS, mirrored, region
from studio.scene.expression_edits import is_side
from studio.ui.i18n import catalogue, tr


@dataclass(frozen=True, slots=True)
class Row:
    """A region (`names` are all of its controls), a pair (left, right), or a control alone."""

    region: str
    names: tuple[str, ...]
    header: bool = False
    folded: bool = False

    @property
    def pair(self) -> bool:
        """Whether it has two sliders."""
        return not self.header and len(self.names) == 2

    @property
    def label(self) -> str:
        """What it is called, in the present language."""
        return tr(REGION_LABELS[self.region]) if self.header else tr(base_label(self.names[0]))


def spoken(name: str) -> str:
    """A control with its side, in the present language."""
    half = half_label(name)
    return tr(half, control=tr(base_label(name))) if half else tr(base_label(name))


def rows_of(
    controls: Sequence[str], *, search: str = "", only: Collection[str] | None = None, closed: Collection[str] = ()
) -> tuple[Row, ...]:
    """The rows of a face. `only` are controls that may be shown, None for all; what is searched for opens regions."""
    terms = tuple(folded(search).split())
    out: list[Row] = []
    pairs = tuple(_pairs(controls))
    for where in REGIONS:
        here = [names for names in pairs if region(names[0]) == where]
        here = [names for names in here if _wanted(names, terms, only)]
        if not here:
            continue
        shut = where in closed and not terms
        out.append(Row(where, tuple(name for names in here for name in names), header=True, folded=shut))
        if not shut:
            out += [Row(where, names) for names in here]
    return tuple(out)


def _pairs(controls: Sequence[str]) -> Iterator[tuple[str, ...]]:
    known, done = set(controls), set()
    for name in controls:
        other = mirrored(name)
        if name in done:
            continue
        done |= {name, other}
        if other == name or other not in known:
            yield (name,)
        else:
            yield (name, other) if is_side(name, "left") else (other, name)


def _wanted(names: tuple[str, ...], terms: Sequence[str], only: Collection[str] | None) -> bool:
    if only is not None and not any(name in only for name in names):
        return False
    hay = _haystack(names)
    return all(MARK + term in hay or (len(term) > 2 and term in hay) for term in terms)


@cache
def _haystack(names: tuple[str, ...]) -> str:
    english = [base_label(names[0]), REGION_LABELS[region(names[0])], base_of(names[0])]
    chinese = [catalogue("zh_CN").get(text, "") for text in english]
    return haystack([*(folded(name) for name in names), *words_of(" ".join([*english, *chinese]))])
