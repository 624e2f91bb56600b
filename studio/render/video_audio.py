"""The sound of a movie: the scene's audio track, cut to the pictures.

The track says at which frame it begins, how much of the file is left out before that, and how loud it is. The result is
exactly as long as the picture: silence before the sound starts and after it ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset
from studio.scene.timeline import Audio

RATE, CHANNELS = 48_000, 2
_MOST_S = 6 * 3600


def audio_file(audio: Audio, project: Path | str | None = None) -> Path:
    """The file of a track; a relative path is the project's."""
    file = Path(audio.path)
    return file if file.is_absolute() or project is None else Path(project) / file


def sound_of(
    audio: Audio, file: Path, *, rate: Fraction, first: float, frames: int, lead: int = 0
) -> NDArray[np.float32]:
    """The samples (n, 2) at 48 kHz for `frames` pictures from frame `first` on, after `lead` silent ones of a slate.

    Raises `BadAsset` when the file is missing or holds no sound that can be read.
    """
    length = round(Fraction(lead + frames) / rate * RATE)
    if length > _MOST_S * RATE:
        raise BadAsset(f"the movie is longer than {_MOST_S // 3600} hours; export it in parts")
    out = np.zeros((length, CHANNELS), np.float32)
    ahead = float((Fraction(first) - Fraction(audio.start)) / rate)  # seconds into the sound at the first picture
    begin = round(float(Fraction(lead) / rate) * RATE)
    if ahead < 0:
        begin, ahead = begin + round(-ahead * RATE), 0.0
    room = length - begin
    if room <= 0:
        return out
    found = _decoded(file, skip=round((audio.trim_s + ahead) * RATE), most=room)
    out[begin : begin + len(found)] = found * np.float32(10.0 ** (audio.gain_db / 20.0))
    return np.clip(out, -1.0, 1.0)


def _decoded(file: Path, *, skip: int, most: int) -> NDArray[np.float32]:
    import av

    if not file.is_file():
        raise BadAsset(f"the sound {file} is not there; relink it, or export without sound")
    blocks: list[NDArray[np.float32]] = []
    seen = taken = 0
    try:
        with av.open(str(file)) as container:
            if not container.streams.audio:
                raise BadAsset(f"{file} holds no sound; choose another file, or export without sound")
            # FFmpeg would make mono 3 dB quieter on two channels; playback in the studio does not
            alone = container.streams.audio[0].codec_context.channels == 1
            to_stereo = av.AudioResampler(format="flt", layout="mono" if alone else "stereo", rate=RATE)
            for frame in _frames(container, to_stereo):
                block = (
                    frame.to_ndarray().reshape(-1, 1 if alone else CHANNELS).repeat(CHANNELS if alone else 1, axis=1)
                )
                start = max(skip - seen, 0)
                seen += len(block)
                if start < len(block):
                    blocks.append(np.asarray(block[start : start + most - taken], np.float32))
                    taken += len(blocks[-1])
                if taken >= most:
                    break
    except (av.FFmpegError, OSError) as fault:
        raise BadAsset(f"the sound {file} cannot be read: {fault}; convert it to WAV") from None
    return np.concatenate(blocks) if blocks else np.zeros((0, CHANNELS), np.float32)


def _frames(container: Any, to_stereo: Any) -> Iterator[Any]:
    for frame in container.decode(audio=0):
        yield from to_stereo.resample(frame)
    yield from to_stereo.resample(None)
