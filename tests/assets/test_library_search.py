"""Searching the library: in English, in Chinese, in pinyin, and by what is said of assets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studio.assets.library_index import Asset, filed
from studio.assets.library_search import parse, search, sort_key, words_of


def asset(id_: int, name: str, kind: str = "model", **values: object) -> Asset:
    made = Asset(id_, f"/lib/set/{name}.glb", 1, kind, name, 1, 1, f"{id_:032x}")
    return filed(replace(made, **values))  # type: ignore[arg-type]


ASSETS = [
    asset(1, "OakTable_02"),
    asset(2, "木头", "material"),
    asset(3, "Old_wood-floor", "image", tags=("木地板", "warm tones"), rating=4),
    asset(4, "长城 全景", "hdri", favourite=True),
    asset(5, "Café chair 10"),
    asset(6, "Chair 2", note="needs a retopo"),
    asset(7, "绿色玻璃", "material", tags=("glass",)),
    asset(8, "重庆夜景4K", "hdri"),
]


def names(text: str, sort: str = "relevance") -> list[str]:
    return [found.name for found in search(ASSETS, text, sort=sort)]


@pytest.mark.parametrize("text", ["木头", "木", "头", "mutou", "mu", "tou", "mt", "MUTOU", "ｍｔ"])
def test_wood_in_chinese_is_found_as_written_in_pinyin_and_by_initials(text: str) -> None:
    assert "木头" in names(text)


@pytest.mark.parametrize("text", ["changcheng", "zhangcheng", "cc", "quanjing", "qj", "cc qj", "长城 全"])
def test_characters_of_several_readings_are_found_by_each(text: str) -> None:
    assert names(text)[0] == "长城 全景"


@pytest.mark.parametrize("text", ["chongqing", "cqyj", "yejing 4k", "夜景"])
def test_places_are_found_by_the_reading_that_they_have(text: str) -> None:
    assert "重庆夜景4K" in names(text)


@pytest.mark.parametrize("text", ["lvse", "lüse", "lsbl", "boli"])
def test_u_with_dots_is_typed_as_v_or_as_it_is(text: str) -> None:
    assert "绿色玻璃" in names(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("oak", "OakTable_02"),
        ("table", "OakTable_02"),
        ("oaktable", "OakTable_02"),
        ("tab 02", "OakTable_02"),
        ("cafe", "Café chair 10"),
        ("floor wood", "Old_wood-floor"),
        ("retopo", "Chair 2"),
    ],
)
def test_words_are_found_by_their_beginnings_whatever_stands_between(text: str, found: str) -> None:
    assert names(text)[0] == found


def test_every_word_must_be_met() -> None:
    assert set(names("chair")) == {"Café chair 10", "Chair 2"}
    assert names("chair 10") == ["Café chair 10"]
    assert names("chair oak") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("kind:hdri", {"长城 全景", "重庆夜景4K"}),
        ("类型:环境", {"长城 全景", "重庆夜景4K"}),
        ("kind：材质", {"木头", "绿色玻璃"}),
        ("tag:warm", {"Old_wood-floor"}),
        ("tag:mdb", {"Old_wood-floor"}),
        ("fav", {"长城 全景"}),
        ("收藏", {"长城 全景"}),
        ("rating:3", {"Old_wood-floor"}),
        ("kind:material boli", {"绿色玻璃"}),
    ],
)
def test_filters_narrow_by_kind_tag_liking_and_rating(text: str, found: set[str]) -> None:
    assert set(names(text)) == found


def test_a_name_comes_before_a_tag_and_a_whole_word_before_a_beginning() -> None:
    pool = [asset(1, "Glassware"), asset(2, "Bottle", tags=("glass",)), asset(3, "Glass")]
    assert [found.id for found in search(pool, "glass")] == [3, 1, 2]


def test_sorting_by_name_counts_numbers_and_spells_chinese() -> None:
    assert names("chair", "name") == ["Café chair 10", "Chair 2"]
    assert sort_key("Chair 2") < sort_key("Chair 10")
    assert sort_key("板") < sort_key("c") < sort_key("绿")


def test_sorting_by_use_brings_the_last_used_first() -> None:
    pool = [asset(1, "a", used=5.0), asset(2, "b", added=9.0), asset(3, "c", used=7.0)]
    assert [found.id for found in search(pool, "", sort="recent")] == [2, 3, 1]


@pytest.mark.parametrize("text", ["", "   ", ":", "tag:", "kind:", "***", "rating:x", '"', "木" * 200, "\0"])
def test_odd_queries_are_no_fault(text: str) -> None:
    parse(text)
    search(ASSETS, text)


def test_a_long_chinese_name_stays_short_to_search() -> None:
    assert len(words_of("长重行乐" * 50)) < 600
