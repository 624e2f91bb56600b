"""Sound: read, drawn as it is, heard in step with the frames; a file that cannot be read is one sentence."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from studio.commands.studio import Studio
from studio.errors import BadAsset
from studio.scene.scene import Scene
from studio.scene.timeline import Audio
from studio.ui.audio import RATE, Sound, Voice, decode, frame_of_sample, sample_of
from studio.ui.audio_track import NO_DEVICE, AudioTrack
from studio.ui.bridge import Bridge
from studio.ui.playback import Clock, Playback
from studio.ui.waveform import Peaks


def sine(path: Path, *, seconds: float = 2.0, hz: float = 100.0, loud: float = 0.5, rate: int = RATE) -> Path:
    t = np.arange(round(seconds * rate)) / rate
    rows = np.round(np.sin(2 * np.pi * hz * t) * loud * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(rows.tobytes())
    return path


def test_a_file_of_any_rate_is_read_at_the_studio_s(tmp_path: Path) -> None:
    sound = decode(sine(tmp_path / "a.wav", rate=22050))
    assert sound.samples.shape[1] == 2 and abs(sound.seconds - 2.0) < 0.01
    assert abs(np.abs(sound.samples).max() / 32767 - 0.5) < 0.02


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"no sound at all" * 100, b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\x7f"]
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    with pytest.raises(BadAsset, match=r"broken\.wav"):
        decode(path)


def test_what_is_gone_or_no_sound_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadAsset, match="not there"):
        decode(tmp_path / "gone.wav")
    (tmp_path / "text.txt").write_text("a")
    with pytest.raises(BadAsset, match="no sound that can be read"):
        decode(tmp_path / "text.txt")


def test_a_header_that_claims_more_than_there_is_gives_what_there_is(tmp_path: Path) -> None:
    path = sine(tmp_path / "a.wav", seconds=1.0)
    path.write_bytes(path.read_bytes()[: 44 + RATE])  # half of the samples
    assert abs(decode(path).seconds - 0.5) < 0.01


# --- the waveform ----------------------------------------------------------------------------------------------------
def test_peaks_of_a_sine_reach_its_amplitude_at_every_zoom(tmp_path: Path) -> None:
    peaks = Peaks.of(decode(sine(tmp_path / "a.wav")))
    for columns in (1, 7, 100, 190):
        edges = np.linspace(0, peaks.count, columns + 1)
        found = peaks.columns(edges)
        assert np.allclose(found[:, 1], 0.5, atol=0.01) and np.allclose(found[:, 0], -0.5, atol=0.01)


def test_peaks_follow_loudness_and_are_silent_outside() -> None:
    rows = np.zeros((4096, 2), np.int16)
    rows[1024:2048] = 16384
    peaks = Peaks.of(Sound("a", rows))
    found = peaks.columns(np.arange(-2048.0, 6000.0, 1024.0))
    assert found[:, 1].tolist() == [0, 0, 0, 0.5, 0, 0, 0]


def test_no_single_sample_is_lost_in_the_pyramid() -> None:
    rows = np.zeros((1_000_000, 2), np.int16)
    rows[777_777] = -32768
    found = Peaks.of(Sound("a", rows)).columns(np.linspace(0, 1_000_000, 11))
    assert found[:, 0].min() == -1.0 and int(found[:, 0].argmin()) == 7


# --- what is heard ---------------------------------------------------------------------------------------------------
def ramp(seconds: float = 1.0) -> Sound:
    """A sound whose sample says where it is, so that what was heard can be told."""
    n = round(seconds * RATE)
    values = (np.arange(n) % 30000).astype(np.int16)
    return Sound("ramp", np.stack((values, values), axis=1))


def test_frames_and_samples_belong_together() -> None:
    audio = Audio(path="a", start=11.0, trim_s=0.5)
    assert sample_of(audio, 35.0, 24.0) == 1.5 * RATE
    assert frame_of_sample(audio, 1.5 * RATE, 24.0) == 35.0


def test_blocks_follow_each_other_without_a_gap_whatever_their_length() -> None:
    voice = Voice(lambda: 0.0)
    voice.follow(Clock(0.0, 7.0, 1.0, 100.0, 23.976), Audio(path="a"), ramp(2.0))
    heard = np.concatenate([voice.block(n)[:, 0] for n in (480, 511, 1, 4096, 2880)]).astype(int)
    assert set(np.diff(heard).tolist()) == {1}
    assert abs(heard[0] - 6.0 / 23.976 * RATE) <= 1


def test_a_loop_is_heard_from_its_first_frame_again() -> None:
    voice = Voice(lambda: 0.0)
    voice.follow(Clock(0.0, 1.0, 1.0, 4.0, 24.0), Audio(path="a"), ramp(2.0))
    heard = voice.block(20000)[:, 0].astype(int)
    turn = 4 * RATE // 24
    assert heard[0] == 0 and heard[turn - 1] == turn - 1
    assert abs(heard[turn + 100] - 100) <= 1 and abs(heard[2 * turn + 5] - 5) <= 1


def test_back_and_forth_is_silent_backwards_and_once_is_silent_after_its_end() -> None:
    voice = Voice(lambda: 0.0)
    voice.follow(Clock(0.0, 1.0, 1.0, 5.0, 24.0, "pingpong"), Audio(path="a"), ramp(2.0))
    heard = voice.block(8 * 2000 + 500)[:, 0].astype(int)
    assert heard[7999] == 7999 and not heard[8001:15999].any() and heard[16400] > 0
    voice = Voice(lambda: 0.0)
    voice.follow(Clock(0.0, 1.0, 1.0, 2.0, 24.0, "once"), Audio(path="a"), ramp(2.0))
    heard = voice.block(8000)[:, 0].astype(int)
    assert heard[3999] == 3999 and not heard[4001:].any()


def test_gain_and_silence_outside_of_the_sound() -> None:
    sound = Sound("flat", np.full((4800, 2), 1000, np.int16))
    voice = Voice(lambda: 0.0)
    voice.follow(Clock(0.0, 1.0, 1.0, 240.0, 24.0), Audio(path="a", start=2.0, gain_db=6.0206), sound)
    heard = voice.block(12000)[:, 0]
    assert not heard[:1999].any() and set(heard[2001:6700].tolist()) == {2000} and not heard[6801:].any()


def test_the_voice_s_time_never_goes_back_and_stays_within_what_it_gave() -> None:
    now = [0.0]
    voice = Voice(lambda: now[0])
    seen = []
    for step in (0.0, 0.01, 0.2, 0.0, 0.03, 0.5):
        now[0] += step
        seen.append(voice.seconds())
        voice.block(2400)
        seen.append(voice.seconds())
    assert seen == sorted(seen) and seen[-1] <= 6 * 2400 / RATE


# --- in a studio -----------------------------------------------------------------------------------------------------
@pytest.fixture
def tracked(qtbot: QtBot) -> Any:
    import miniaudio

    studio, bridge = Studio(scene=Scene(frame_end=48.0)), Bridge()
    track = AudioTrack(studio, bridge, backends=[miniaudio.Backend.NULL])
    yield studio, track
    track.close()
    bridge.close()


def test_playback_keeps_step_with_a_sound_device(tracked: Any, tmp_path: Path, qtbot: QtBot) -> None:
    studio, track = tracked
    playback = Playback(studio, sound=track)
    studio.run("time.import_sound", path=str(sine(tmp_path / "a.wav")))
    qtbot.waitUntil(lambda: track.sound is not None and track._device is not None)
    studio.playing = True
    assert track.seconds() is not None
    for _ in range(3):
        was = studio.frame
        qtbot.waitUntil(lambda was=was: studio.frame != was)
        clock, now = playback.player.clock, track.seconds()
        assert (
            abs(clock.position(now) - studio.frame) < 6 or clock.number(now) > 40
        )  # of the same clock, whatever it is
    studio.run("time.mute_sound")
    assert track.seconds() is None and studio.playing
    studio.run("time.mute_sound")
    assert track.seconds() is not None
    studio.playing = False
    assert track.seconds() is None
    playback.close()


def test_scrubbing_sounds_a_moment_and_rests(tracked: Any, tmp_path: Path, qtbot: QtBot) -> None:
    studio, track = tracked
    studio.run("time.import_sound", path=str(sine(tmp_path / "a.wav")))
    qtbot.waitUntil(lambda: track.sound is not None and track._device is not None)
    track.scrub(12.0)
    assert track.seconds() is not None
    qtbot.waitUntil(lambda: track.seconds() is None)
    studio.prefer(scrub_sound=False)
    track.scrub(13.0)
    assert track.seconds() is None


def test_a_sound_that_goes_is_told_and_everything_else_stays(tracked: Any, tmp_path: Path, qtbot: QtBot) -> None:
    studio, track = tracked
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF no")
    studio.run("time.import_sound", path=str(broken))
    qtbot.waitUntil(lambda: bool(track.fault))
    assert studio.scene.timeline.audio is not None and len(studio.face.notices) == 1
    assert "broken.wav" in studio.face.notices[0][1] and track.peaks is None
    studio.run("edit.undo")
    assert studio.scene.timeline.audio is None and track.fault == ""


def test_without_a_device_the_artist_is_told_once_and_time_goes_on(
    tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.errors import Unsupported
    from studio.ui import audio_track

    def none(backends: Any) -> Any:
        raise Unsupported(NO_DEVICE)

    monkeypatch.setattr(audio_track, "open_device", none)
    studio, bridge = Studio(scene=Scene(frame_end=48.0)), Bridge()
    track = AudioTrack(studio, bridge)
    for name in ("a.wav", "b.wav"):
        studio.run("time.import_sound", path=str(sine(tmp_path / name, seconds=0.1)))
        qtbot.waitUntil(lambda: track.peaks is not None and not bridge.busy)
    assert [told for _, told in studio.face.notices] == [NO_DEVICE]
    playback = Playback(studio, sound=track)
    studio.playing = True
    qtbot.waitUntil(lambda: studio.frame > 3.0)
    playback.close()
    track.close()
    bridge.close()


def test_offset_and_gain_are_the_sound_s(tmp_path: Path) -> None:
    studio = Studio(scene=Scene(frame_start=5.0, frame_end=48.0))
    path = sine(tmp_path / "a.wav", seconds=0.1)
    studio.run("time.import_sound", path=str(path))
    assert studio.scene.timeline.audio == Audio(path=str(path), start=5.0)
    studio.frame = 12.0
    studio.run("time.sound_start")
    studio.run("time.sound_gain", db=-6.0)
    audio = studio.scene.timeline.audio
    assert audio is not None and (audio.start, audio.gain_db) == (12.0, -6.0)
    studio.run("time.remove_sound")
    assert studio.scene.timeline.audio is None
    assert replace(studio.scene, name="a").timeline.audio is None
