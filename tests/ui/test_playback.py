"""The playback clock, without waiting: which frame a moment shows, what is dropped, how it ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytestqt.qtbot import QtBot

from studio.commands.preferences import Preferences
from studio.commands.studio import Studio
from studio.scene.scene import Scene
from studio.ui.playback import Clock, Playback, Player


def clock(**values: Any) -> Clock:
    return replace(Clock(0.0, 1.0, 1.0, 24.0, 24.0), **values)


def test_each_frame_is_shown_for_its_whole_time() -> None:
    c = clock()
    assert [c.shown(t / 24 / 4) for t in range(9)] == [1, 1, 1, 1, 2, 2, 2, 2, 3]


def test_a_loop_shows_its_last_frame_as_long_as_the_others() -> None:
    c = clock(last=4.0)
    assert [c.shown(n / 24 + 0.001) for n in range(10)] == [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]


def test_back_and_forth_shows_the_ends_once() -> None:
    c = clock(last=4.0, mode="pingpong")
    assert [c.shown(n / 24 + 0.001) for n in range(8)] == [1, 2, 3, 4, 3, 2, 1, 2]
    assert c.forward(1 / 24) and not c.forward(4 / 24) and c.forward(7 / 24)


def test_once_ends_after_the_last_frame_was_shown() -> None:
    c = clock(last=4.0, mode="once", frame=3.0)
    assert c.shown(1 / 24) == 4 and not c.ended(1.9 / 24)
    assert c.ended(2 / 24)


def test_a_range_of_one_frame_stays_there() -> None:
    for mode in ("loop", "pingpong", "once"):
        assert clock(last=1.0, mode=mode).shown(7.3) == 1.0


@given(
    st.floats(0, 1e4),
    st.floats(1, 500),
    st.floats(0, 300),
    st.sampled_from(("loop", "pingpong", "once")),
    st.sampled_from((23.976, 24.0, 60.0)),
)
def test_what_is_shown_lies_in_the_range_and_agrees_with_the_position(
    now: float, first: float, span: float, mode: str, fps: float
) -> None:
    c = Clock(0.0, first, first, first + span, fps, mode)
    assert first <= c.shown(now) <= first + span
    assert first <= c.position(now) < first + span + 1.0


def test_a_slow_machine_drops_frames_and_stays_in_time() -> None:
    player = Player(clock(last=100.0))
    shown = [player.tick(n * 0.1) for n in range(1, 11)]  # ten looks a second at 24 frames a second
    assert shown == [3, 5, 8, 10, 13, 15, 17, 20, 22, 25]
    assert player.dropped == 24 - 10
    assert abs(player.rate() - 10.0) < 0.01


def test_every_frame_is_shown_when_that_is_asked_for() -> None:
    player = Player(clock(last=100.0), every=True)
    assert [player.tick(n * 0.1) for n in range(1, 6)] == [2, 3, 4, 5, 6]
    assert player.dropped == 0


def test_every_frame_never_runs_ahead_of_the_rate() -> None:
    player = Player(clock(last=100.0), every=True)
    seen = [f for n in range(1, 25) if (f := player.tick(n / 48)) is not None]
    assert seen == list(range(2, 14))


def test_a_look_too_early_shows_nothing_new() -> None:
    player = Player(clock())
    assert player.tick(0.01) is None and player.tick(0.05) == 2 and player.tick(0.06) is None


# --- in a studio -----------------------------------------------------------------------------------------------------
class Time:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def played(qtbot: QtBot) -> Any:
    studio = Studio(scene=Scene(frame_start=1.0, frame_end=10.0), preferences=Preferences())
    held = [False]
    time = Time()
    playback = Playback(studio, waits=lambda: held[0], now=time)
    yield studio, playback, time, held
    playback.close()


def test_the_frame_follows_the_time(played: Any) -> None:
    studio, playback, time, _ = played
    studio.playing = True
    seen = []
    for _ in range(12):
        time.now += 1 / 24
        playback.tick()
        seen.append(studio.frame)
    assert seen == [2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 2, 3]


def test_a_view_is_asked_for_no_more_frames_than_it_draws(played: Any) -> None:
    studio, playback, time, held = played
    told: list[float] = []
    studio.watch(lambda update: told.append(studio.frame) if "frame" in update.parts else None)
    studio.playing = True
    held[0] = True
    for _ in range(5):
        time.now += 1 / 24
        playback.tick()
    assert told == []
    held[0] = False
    playback.tick()
    assert told == [6.0] and playback.player.dropped == 4


def test_once_ends_cleanly_and_plays_from_the_start_again(played: Any) -> None:
    studio, playback, time, _ = played
    studio.prefer(playback_loop="once")
    studio.frame = 9.0
    studio.playing = True
    for _ in range(4):
        time.now += 1 / 24
        playback.tick()
    assert not studio.playing and studio.frame == 10.0 and playback.player is None
    studio.playing = True
    assert studio.frame == 1.0


def test_edits_and_scrubbing_do_not_stop_it(played: Any) -> None:
    studio, playback, time, _ = played
    studio.playing = True
    studio.edit("Set range", lambda s: replace(s, frame_end=4.0, fps=12.0))
    studio.frame = 3.0
    seen = []
    for _ in range(3):
        time.now += 1 / 12
        playback.tick()
        seen.append(studio.frame)
    assert studio.playing and seen == [4, 1, 2]


def test_the_preview_range_is_what_is_played(played: Any) -> None:
    studio, playback, time, _ = played
    studio.edit("p", lambda s: replace(s, timeline=msgspec.structs.replace(s.timeline, preview=(5.0, 6.0))))
    studio.playing = True
    seen = [studio.frame]
    for _ in range(3):
        time.now += 1 / 24
        playback.tick()
        seen.append(studio.frame)
    assert seen == [5, 6, 5, 6]


def test_another_scene_stops_it(played: Any) -> None:
    studio, playback, *_ = played
    studio.playing = True
    studio.show_scene(Scene(), None)
    assert not studio.playing and playback.player is None
