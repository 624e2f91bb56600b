"""Sound as samples: reading a file, and what of it is heard at a moment.

A file is decoded whole, once, off the window's thread, to 48 kHz stereo; a shot's sound is minutes long, and any place
of it can then be played at once. Decoding goes block by block and stops at a limit, because a small file can claim,
or unpack to, any length. Nothing here knows Qt.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset
from studio.scene.timeline import AUDIO_FILES, Audio
from studio.ui.playback import Clock

I16 = NDArray[np.int16]
RATE = 48000
CHANNELS = 2
PERIOD_MS = 60  # of the sound device: long enough to live through a busy window
MOST_S = 3600.0
_BLOCK = 65536


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A decoded file: samples (n, 2) of int16 at `RATE`."""

    name: str
    samples: I16

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / RATE


def decode(path: Path) -> Sound:
    """Read a WAV, FLAC, MP3 or Ogg Vorbis file. `BadAsset` in a sentence when it cannot be read or is over an hour."""
    import miniaudio

    if path.suffix.lower() not in AUDIO_FILES:
        raise BadAsset(f"{path.name}: this is no sound that can be read; use {', '.join(AUDIO_FILES)}.")
    if not path.is_file():
        raise BadAsset(f"{path}: the sound is not there; choose the file again by Time, Import sound.")
    blocks: list[I16] = []
    count, most = 0, int(MOST_S * RATE)
    try:
        for block in miniaudio.stream_file(
            str(path), miniaudio.SampleFormat.SIGNED16, CHANNELS, RATE, frames_to_read=_BLOCK
        ):
            rows = np.frombuffer(block, np.int16).reshape(-1, CHANNELS)
            blocks.append(rows)
            count += len(rows)
            if count > most:
                raise BadAsset(f"{path.name}: the sound is longer than {MOST_S / 60:.0f} minutes; cut it first.")
    except (miniaudio.MiniaudioError, OSError, ValueError) as fault:
        raise BadAsset(f"{path.name}: the sound cannot be read ({fault}); convert it to WAV.") from None
    if not count:
        raise BadAsset(f"{path.name}: there is no sound in the file.")
    samples = np.concatenate(blocks)
    samples.flags.writeable = False
    return Sound(path.name, samples)


def sample_of(audio: Audio, frame: float, fps: float) -> float:
    """The sample of a sound that is heard at a frame; it may lie outside of the sound."""
    return ((frame - audio.start) / fps + audio.trim_s) * RATE


def frame_of_sample(audio: Audio, sample: float, fps: float) -> float:
    """The frame at which a sample is heard."""
    return (sample / RATE - audio.trim_s) * fps + audio.start


def gathered(sound: Sound, at: NDArray[np.float64], gain_db: float = 0.0) -> I16:
    """Samples (n, 2) at (n,) places, silence outside of the sound. Places a whole number apart come out unbroken."""
    first = np.round(at[0]) if len(at) else 0.0
    index = (first + np.round(at - at[0])).astype(np.int64) if len(at) else np.zeros(0, np.int64)
    inside = (index >= 0) & (index < len(sound.samples))
    out = np.where(inside[:, None], sound.samples[np.where(inside, index, 0)], np.int16(0))
    if gain_db:
        louder = out.astype(np.float32) * 10.0 ** (gain_db / 20.0)
        out = np.clip(np.round(louder), -32768, 32767).astype(np.int16)
    return np.ascontiguousarray(out)


class Voice:
    """What a device asks for the next samples; also the clock that it keeps. What to give out is set by the window's
    thread and read by the device's, as one value."""

    def __init__(self, now: object = time.perf_counter) -> None:
        self._now = now if callable(now) else time.perf_counter
        self._given = 0  # samples handed out
        self._last = (0, 0, 0.0)  # samples before the last block, its length, when it was asked for
        self._followed: tuple[Clock, Audio, Sound] | None = None
        self._slice: tuple[Sound, float, int, float] | None = None

    def follow(self, clock: Clock | None, audio: Audio | None = None, sound: Sound | None = None) -> None:
        """Give out the sound as a clock of this voice's `seconds` has it; None for silence."""
        self._followed = (clock, audio, sound) if clock and audio and sound else None

    def play_slice(self, sound: Sound, first: float, count: int, gain_db: float) -> None:
        """Give out a short part once."""
        self._slice = (sound, first, count, gain_db)

    def seconds(self) -> float:
        """How much has been heard. It never goes back."""
        before, length, asked = self._last
        return (before + min(max((self._now() - asked) * RATE, 0.0), length)) / RATE

    def block(self, count: int) -> I16:
        """The next samples (count, 2)."""
        begun = self._given
        self._given += count
        self._last = (begun, count, self._now())
        part, followed = self._slice, self._followed
        if part is not None:
            sound, first, length, gain_db = part
            at = first + np.arange(count, dtype=np.float64)
            out = gathered(sound, at, gain_db)
            out[max(min(length, count), 0) :] = 0
            self._slice = (sound, first + count, length - count, gain_db) if length > count else None
            return out
        if followed is None:
            return np.zeros((count, CHANNELS), np.int16)
        clock, audio, sound = followed
        times = (begun + np.arange(count)) / RATE
        return self._along(clock, audio, sound, times)

    @staticmethod
    def _along(clock: Clock, audio: Audio, sound: Sound, times: NDArray[np.float64]) -> I16:
        """Samples at moments of the clock: parts of the block between which it turns or begins anew."""
        out = np.zeros((len(times), CHANNELS), np.int16)
        start = 0
        while start < len(times):
            now = float(times[start])
            here, end = clock.position(now), len(times)
            if clock.forward(now):
                room = clock.first + (clock.last - clock.first) + (1.0 if clock.mode != "pingpong" else 0.0) - here
                end = min(end, start + max(1, round(room / clock.fps * RATE)))
                places = sample_of(audio, here, clock.fps) + np.arange(end - start, dtype=np.float64)
                if not clock.ended(now):
                    out[start:end] = gathered(sound, places, audio.gain_db)
            else:
                end = min(end, start + max(1, round((here - clock.first) / clock.fps * RATE)))
            start = end
        return out

    def run(self) -> Generator[I16 | bytes, int, None]:
        """The generator that a device plays; it is started already."""
        made = self._generator()
        next(made)
        return made

    def _generator(self) -> Generator[I16 | bytes, int, None]:
        count = yield b""
        while True:
            count = yield self.block(count)
