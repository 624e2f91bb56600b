"""Frame ranges and sequence names."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import UsageError
from studio.render.frames import MOST_FRAMES, frame_path, frame_paths, has_frame, parse_frames, said_frames


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("7", [7]),
        ("1-4,30-40x5,2", [1, 2, 3, 4, 30, 35, 40]),
        ("1-4, 9", [1, 2, 3, 4, 9]),
        ("-3--1", [-3, -2, -1]),
        ("-2-2x2", [-2, 0, 2]),
        ("5-5x9", [5]),
        ("9,3,9", [9, 3]),
    ],
)
def test_ranges_are_read(text, frames):
    assert parse_frames(text) == frames


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "1,", "a", "1-", "-", "1--", "4-1", "1-4x0", "1-4x-1", "1.5", "1x2x3", "1 2", "1:5", "0x10x", "٣"),
        *("1-9999999", "99999999", "9" * 5000, "1-99999," * 2 + "100000-200000"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(text):
    with pytest.raises(UsageError) as fault:
        parse_frames(text)
    assert len(str(fault.value)) < 250
    assert "\n" not in str(fault.value)


def test_no_range_gives_more_frames_than_the_limit():
    assert len(parse_frames(f"1-{MOST_FRAMES}")) == MOST_FRAMES
    with pytest.raises(UsageError, match=str(MOST_FRAMES)):
        parse_frames(f"0-{MOST_FRAMES}")


@given(st.lists(st.integers(-30, 30), min_size=1, max_size=20, unique=True))
def test_what_is_said_of_frames_is_read_as_them(frames):
    assert parse_frames(said_frames(frames)) == frames
    assert said_frames([1, 2, 3, 7, 9, 10]) == "1-3,7,9-10"


@given(st.text(alphabet="0123456789-,x ", max_size=20))
def test_any_text_gives_frames_or_a_sentence(text):
    try:
        frames = parse_frames(text)
    except UsageError:
        return
    assert frames and len(set(frames)) == len(frames)


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=20, unique=True))
def test_a_list_of_frames_survives_being_written(frames):
    assert parse_frames(",".join(map(str, frames))) == frames


@pytest.mark.parametrize(
    ("pattern", "frame", "path"),
    [
        ("out/a.####.exr", 7, "out/a.0007.exr"),
        ("a.##.exr", 1234, "a.1234.exr"),
        ("a.####.exr", -3, "a.-0003.exr"),
        ("take#2.####.exr", 5, "take#2.0005.exr"),
        ("a.%04d.exr", 12, "a.0012.exr"),
        ("a.%d.exr", 12, "a.12.exr"),
        ("out##/a.exr", 12, "out##/a.exr"),
        ("a.exr", 12, "a.exr"),
    ],
)
def test_the_frame_number_takes_its_place(pattern, frame, path):
    assert frame_path(pattern, frame) == Path(path)


def test_absurd_padding_is_refused():
    with pytest.raises(UsageError, match="digits"):
        frame_path("a.%0999d.exr", 1)


def test_many_frames_need_a_place_for_the_number():
    assert not has_frame("shots##/a.exr")
    assert frame_paths("a.exr", [3]) == [Path("a.exr")]
    assert frame_paths("a.##.exr", [3, 4]) == [Path("a.03.exr"), Path("a.04.exr")]
    with pytest.raises(UsageError, match=r"a\.####\.exr"):
        frame_paths("a.exr", [3, 4])
