"""Timecode: what a frame is called and which frame a label means, drop frame included."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import UsageError
from studio.scene.timecode import frame_of, timecode

NTSC, FAST_NTSC = 30000 / 1001, 60000 / 1001
RATES = (24.0, 25.0, 30.0, 24000 / 1001, NTSC, FAST_NTSC, 60.0, 12.5, 120.0)


@pytest.mark.parametrize(
    ("frame", "fps", "text"),
    [
        (0, 24, "00:00:00:00"),
        (23, 24, "00:00:00:23"),
        (24 * 3661 + 5, 24, "01:01:01:05"),
        (-25, 25, "-00:00:01:00"),
        (24, 24000 / 1001, "00:00:01:00"),
        (1799, NTSC, "00:00:59;29"),
        (1800, NTSC, "00:01:00;02"),
        (17981, NTSC, "00:09:59;29"),
        (17982, NTSC, "00:10:00;00"),
        (107892, NTSC, "01:00:00;00"),
        (3600, FAST_NTSC, "00:01:00;04"),
        (35964, FAST_NTSC, "00:10:00;00"),
    ],
)
def test_known_labels(frame: float, fps: float, text: str) -> None:
    assert timecode(frame, fps) == text
    assert frame_of(text, fps) == frame


@given(st.integers(-(10**7), 10**7), st.sampled_from(RATES))
def test_a_label_means_the_frame_that_it_was_made_of(frame: int, fps: float) -> None:
    assert frame_of(timecode(frame, fps), fps) == frame


@given(st.integers(0, 10**6), st.sampled_from((NTSC, FAST_NTSC)))
def test_drop_frame_never_writes_a_label_that_is_left_out(frame: int, fps: float) -> None:
    minutes, rest = timecode(frame, fps)[3:5], timecode(frame, fps)[6:]
    assert not (int(minutes) % 10 and rest in ("00;00", "00;01"))


def test_leading_parts_may_be_left_out_and_numbers_are_frames() -> None:
    assert frame_of("2:12", 24) == 60
    assert frame_of("1:00:00", 24) == 1440
    assert frame_of("12.5", 24) == 12.5


@pytest.mark.parametrize(
    "wrong", ["", "soon", "1:2:3:4:5", "00:00:00:24", "00:61:00:00", "nan", "1e300", "99999999:00:00:00"]
)
def test_what_is_no_frame_is_refused_in_a_sentence(wrong: str) -> None:
    with pytest.raises(UsageError):
        frame_of(wrong, 24)
