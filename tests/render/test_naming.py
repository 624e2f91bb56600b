"""Names of files: tokens become one safe part of a path, and what cannot be a name is refused in a sentence."""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import UsageError
from studio.render.naming import FILE_TOKENS, expand_name, expand_text, has_place, literal, preview, with_suffix

VALUES = {
    "project": "Night Hall",
    "scene": "hall_010",
    "camera": "Main",
    "version": 7,
    "date": "20250131",
    "time": "1745",
    "user": "lin",
    "artist": "林",
    "width": 1920,
    "height": 1080,
    "samples": 64,
    "format": "exr",
    "view": "ACES",
    "fps": 23.976,
    "first": 1,
    "last": 48,
}


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("{scene}_{camera}_{version}.####.exr", "hall_010_Main_v007.0012.exr"),
        ("{scene}.{frame}.exr", "hall_010.0012.exr"),
        ("{scene}.{frame:06}.exr", "hall_010.000012.exr"),
        ("v{version:04}.%05d.exr", "v0007.00012.exr"),
        ("take#2.####.exr", "take#2.0012.exr"),
        ("{{x}}_{#}.##.exr", "{x}_#.12.exr"),
        ("{ Scene }.{width}x{height}.{date}-{time}.{user}.exr", "hall_010.1920x1080.20250131-1745.lin.exr"),
        ("{artist}_{fps}.exr", "林_23.976.exr"),
        ("still.exr", "still.exr"),
    ],
)
def test_tokens_are_filled_in(pattern, name):
    assert expand_name(pattern, VALUES, frame=12) == Path(name)


def test_frames_may_be_negative():
    assert expand_name("a.####.exr", VALUES, frame=-3) == Path("a.-0003.exr")


def test_folders_have_tokens_too():
    assert expand_name("{project}/{scene}/v{version:02}/f.###.png", VALUES, frame=5) == Path(
        "Night Hall/hall_010/v07/f.005.png"
    )


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ('a/b:"final"?', "a_b__final__"),
        ("..", "_"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("ends. ", "ends"),
        ("", "_"),
        ("take#2", "take#2"),
        ("a\x00b\n", "a_b_"),
    ],
)
def test_values_become_one_safe_part_of_a_path(value, part):
    path = expand_name("{scene}.####.exr", {**VALUES, "scene": value}, frame=1)
    assert path == Path(f"{part}.0001.exr")


def test_a_sign_in_a_value_is_not_the_place_of_the_frame():
    assert expand_name("{scene}.####.exr", {**VALUES, "scene": "####"}, frame=1) == Path("####.0001.exr")


@pytest.mark.parametrize(
    ("pattern", "word"),
    [
        ("{scne}.####.exr", "{scene}"),
        ("{}.exr", "no token"),
        ("{scene.exr", "stray"),
        ("scene}.exr", "stray"),
        ("{scene:4}.exr", "no number"),
        ("{frame:wide}.exr", "digits"),
        ("{frame:99}.exr", "digits"),
        ("a.#############.exr", "digits"),
        ("../up.exr", "leaves"),
        ("a/../../b.exr", "leaves"),
        ("what?.exr", "'?'"),
        ("a:b.exr", "':'"),
        ("con.exr", "device"),
        ("folder./a.exr", "dot"),
        ("folder/", "folder"),
        ("", "folder"),
        ("a\0b.exr", "zero"),
        ("x" * 300 + ".exr", "bytes"),
        ("\udcff.exr", "not text"),
    ],
)
def test_what_is_no_name_is_one_sentence(pattern, word):
    with pytest.raises(UsageError) as told:
        expand_name(pattern, VALUES, frame=1)
    assert word in str(told.value) and "\n" not in str(told.value)


def test_folders_that_are_there_may_have_names_that_windows_lacks(tmp_path):
    folder = tmp_path / "a b.c"
    folder.mkdir()
    if os.name != "nt":
        folder = tmp_path / "12:30"
        folder.mkdir()
    assert expand_name(f"{folder}/x.exr", VALUES) == folder / "x.exr"


def test_a_folder_with_braces_can_be_written_literally():
    assert expand_name(literal("/a{b}c") + "/{scene}.exr", VALUES) == Path("/a{b}c/hall_010.exr")


def test_a_place_for_the_frame_is_seen():
    assert has_place("{scene}.####.exr") and has_place("a.{frame}.exr") and has_place("a.%04d.exr")
    assert not has_place("{scene}.exr") and not has_place("####/a.exr") and not has_place("{#}.exr")


def test_the_preview_shows_the_first_and_the_last():
    assert preview("{scene}.####.exr", VALUES, [1, 2, 48]) == ["hall_010.0001.exr", "hall_010.0048.exr"]
    assert preview("{scene}.exr", VALUES, [1]) == ["hall_010.exr"]


@pytest.mark.parametrize(
    ("pattern", "whole"),
    [("a", "a.png"), ("a.exr", "a.png"), ("a.PNG", "a.PNG"), ("b/shot.v2", "b/shot.v2.png"), ("f.####", "f.####.png")],
)
def test_the_extension_follows_the_format(pattern, whole):
    assert with_suffix(pattern, (".png",), (".exr", ".png")) == whole


def test_texts_have_tokens_of_the_frame_and_signs_are_themselves():
    values = {**VALUES, "timecode": "00:00:00:12", "lens": "50 mm f/2"}
    assert expand_text("#1 {frame}/{last} {timecode} {lens} {{x}}", values, frame=12) == (
        "#1 0012/48 00:00:00:12 50 mm f/2 {x}"
    )


@given(st.text(max_size=40))
def test_any_value_stays_one_part(value):
    path = expand_name("out/{scene}.exr", {**VALUES, "scene": value.encode("utf-8", "replace").decode()})
    assert path.parts[0] == "out" and len(path.parts) == 2
    assert len(PureWindowsPath(str(path)).parts) == 2


@given(st.text(st.sampled_from("{}#%:d0a./\\ ") | st.characters(), max_size=30))
def test_any_pattern_is_a_path_or_a_sentence(pattern):
    try:
        path = expand_name(pattern, VALUES, frame=3)
    except UsageError as fault:
        assert str(fault)
    else:
        assert ".." not in path.parts and path.name


def test_every_token_is_explained():
    assert all(FILE_TOKENS.values())
