"""Finding assets by what one types, in English, in Chinese, and in Chinese typed without an input method.

Every asset carries two haystacks made when it is filed: words of its name, and words of everything else (tags, kind,
folder, note). A Chinese word stands in them as it is written, as its pinyin and as the initials of its pinyin, from
each of its characters on; so 木头 is found by 木, 头, mutou, tou and mt. A search is then a look for "a word that
begins so" in short texts that are in memory: five thousand assets take milliseconds and no index has to be kept.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio.assets.library_index import Asset

SORTS = ("relevance", "recent", "name")
MARK = "\x1f"  # stands before every word of a haystack, and at its end
_PIECES = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"\d+(?:[a-zA-Z](?![a-zA-Z]))?|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+")
_CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+")
_LONGEST = 24  # characters of a Chinese run that are spelled
_READINGS = 8  # of a run with characters that are read in several ways
_INFIX = 3  # letters that a term needs to be found inside a word
_KEYS = {"tag": "tag", "kind": "kind", "rating": "rating", "标签": "tag", "类型": "kind", "评分": "rating"}
_FAVOURITE = frozenset({"fav", "fav:", "is:fav", "favourite", "favorite", "收藏"})
# what an artist may call a kind, besides its own name
KIND_WORDS: Mapping[str, tuple[str, ...]] = {
    "model": ("model", "mesh", "object", "模型"),
    "hdri": ("hdri", "environment", "sky", "环境", "天空"),
    "image": ("image", "texture", "picture", "图片", "贴图", "纹理"),
    "material": ("material", "材质"),
    "rig": ("rig", "lights", "灯光", "灯组"),
    "ies": ("ies", "photometric", "光域网"),
    "project": ("project", "scene", "工程", "场景"),
}


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for: every term must be met by some word; so must every one of the filters."""

    terms: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    favourite: bool = False
    rating: int = 0


def folded(text: str) -> str:
    """A text as it is compared: full-width forms made plain, without accents and case; ü is v, as it is typed."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("ü", "v")
    decomposed = unicodedata.normalize("NFKD", text)
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not unicodedata.combining(c)))


def parse(text: str) -> Query:
    """A query from what was typed: words, `tag:wood`, `kind:hdri`, `rating:3` (and more), `fav`."""
    terms: list[str] = []
    found: dict[str, list[str]] = {"tag": [], "kind": [], "rating": []}
    favourite = False
    for word in folded(text).split():
        key, colon, value = word.partition(":")
        if word in _FAVOURITE:
            favourite = True
        elif colon and key in _KEYS:
            found[_KEYS[key]] += [value] if value else []
        else:
            terms += _PIECES.findall(word)
    ratings = [int(value) for value in found["rating"] if value.isdecimal()]
    return Query(tuple(terms), tuple(found["tag"]), tuple(found["kind"]), favourite, max(ratings, default=0))


def words_of(text: str) -> list[str]:
    """Words under which a text is found, in order, each once."""
    out: list[str] = []
    for piece in _PIECES.findall(unicodedata.normalize("NFKC", text)):
        out.append(folded(piece))
        out += [folded(part) for part in _CAMEL.findall(piece)]
        for run in _CHINESE.findall(piece):
            out += _spellings(run[:_LONGEST])
    return list(dict.fromkeys(filter(None, out)))


def haystack(words: Iterable[str]) -> str:
    """Words as one text to search in."""
    joined = MARK.join(dict.fromkeys(words))
    return f"{MARK}{joined}{MARK}" if joined else ""


def sort_key(name: str) -> str:
    """What names are ordered by: numbers by value, Chinese by its pinyin."""
    text = name
    if _CHINESE.search(name):
        from pypinyin import lazy_pinyin

        text = "".join(lazy_pinyin(name))
    return re.sub(r"\d+", lambda digits: digits[0].lstrip("0").rjust(12, "0"), folded(text))


def _spellings(run: str) -> list[str]:
    """A Chinese run from each of its characters on: as written, in pinyin, by initials."""
    from pypinyin import Style, lazy_pinyin, pinyin

    usual = lazy_pinyin(run)
    every = [pinyin(character, style=Style.NORMAL, heteronym=True)[0] for character in run]
    if len(usual) != len(run):  # something in it is not a character with a reading
        return [run[i:] for i in range(len(run))]
    readings = [list(dict.fromkeys((folded(first), *map(folded, others)))) for first, others in zip(usual, every)]
    out = []
    for i in range(len(run)):
        out.append(run[i:])
        for chosen in itertools.islice(itertools.product(*readings[i:]), _READINGS):
            out += ["".join(chosen), "".join(reading[:1] for reading in chosen)]
    return out


# --- searching -------------------------------------------------------------------------------------------------------
def search(assets: Iterable[Asset], query: Query | str, *, sort: str = "relevance") -> list[Asset]:
    """Assets that a query fits, the best first; without terms "relevance" is by name, favourites first."""
    wanted = parse(query) if isinstance(query, str) else query
    pool = _filtered(list(assets), wanted)
    if not wanted.terms:
        return _sorted(pool, {}, "favourites" if sort == "relevance" else sort)
    scores: dict[int, float] = {}
    for term in wanted.terms:
        pool = _matching(pool, term, scores)
    return _sorted(pool, scores, sort)


def _filtered(pool: list[Asset], wanted: Query) -> list[Asset]:
    if wanted.favourite:
        pool = [asset for asset in pool if asset.favourite]
    if wanted.rating:
        pool = [asset for asset in pool if asset.rating >= wanted.rating]
    for kind in wanted.kinds:
        fitting = {name for name, words in KIND_WORDS.items() if any(word.startswith(kind) for word in words)}
        pool = [asset for asset in pool if asset.kind in fitting]
    for tag in wanted.tags:
        pool = [asset for asset in pool if any(MARK + tag in _tag_haystack(own) for own in asset.tags)]
    return pool


@cache
def _tag_haystack(tag: str) -> str:
    return haystack(words_of(tag))


def _matching(pool: list[Asset], term: str, scores: dict[int, float]) -> list[Asset]:
    """Those of a pool that have a word beginning with a term; their scores grow by how well it fits."""
    begin, whole = MARK + term, MARK + term + MARK
    infix = len(term) >= _INFIX
    out = []
    for asset in pool:
        if begin in asset.names:
            gained = 8.0 if whole in asset.names else 6.0
            gained += 1.0 if asset.names.startswith(begin) else 0.0
        elif begin in asset.others:
            gained = 4.0 if whole in asset.others else 3.0
        elif infix and term in asset.names:
            gained = 1.0
        else:
            continue
        scores[asset.id] = scores.get(asset.id, 0.0) + gained
        out.append(asset)
    return out


def _sorted(pool: Sequence[Asset], scores: Mapping[int, float], sort: str) -> list[Asset]:
    if sort == "recent":
        return sorted(pool, key=lambda asset: (-max(asset.used, asset.added), asset.sort))
    if sort == "relevance":
        return sorted(pool, key=lambda asset: (-scores[asset.id], not asset.favourite, -asset.rating, asset.sort))
    if sort == "favourites":
        return sorted(pool, key=lambda asset: (not asset.favourite, asset.sort))
    return sorted(pool, key=lambda asset: asset.sort)
