"""Movies through FFmpeg's libraries (PyAV, the `video` extra): H.264, H.265 and ProRes, with colour tags and sound.

The encoder gets whole numbers of RGB that the OCIO view made (`studio.render.video_view`). They become Y'CbCr of the
limited range by the matrix that the tags name, with FFmpeg's accurate rounding, and the frame rate is the exact
fraction. A movie is written under a temporary name and renamed when it is whole; one that was cut off is begun anew,
from the frames that the queue keeps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import studio
from studio.errors import CannotWrite, Unsupported, UsageError
from studio.render.export import FORMATS, Format
from studio.render.output import replacing
from studio.render.video_audio import CHANNELS, RATE
from studio.render.video_tags import LIMITED, Tags, video_missing
from studio.render.video_view import Whole

_PRORES = {"hq": "3", "4444": "4"}
_SAMPLES = 1024  # of a frame of PCM; AAC has its own
_SRC = {(8, 3): "rgb24", (8, 4): "rgba", (16, 3): "rgb48le", (16, 4): "rgba64le"}
_MATRIX = {1: 1, 9: 9}  # of H.273 -> swscale's tables, which have the same numbers for these


def bits_of(kind: Format) -> int:
    """Bits of the whole numbers that a format's encoder is fed with."""
    return 8 if kind.bits == 8 else 16


class Movie:
    """A movie that is being written; use `movie`. `write` takes frames in order."""

    def __init__(self, container: Any, stream: Any, pixels: str, tags: Tags, audio: _AudioTrack | None) -> None:
        self._container, self._stream, self._pixels, self._tags = container, stream, pixels, tags
        self._audio, self._reformat = audio, _reformatter()
        self._rate = Fraction(stream.codec_context.framerate)
        self._written = 0

    def write(self, pixels: Whole) -> None:
        """Encode a frame, (h, w, 3 or 4) of 8 or 16 bits."""
        import av

        source = _SRC[pixels.dtype.itemsize * 8, pixels.shape[2]]
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=source)
        # swscale reads what the RGB is said to be: full range, and the same primaries on both sides
        frame.color_range = 2
        out = self._reformat.reformat(
            frame,
            format=self._pixels,
            src_colorspace=_MATRIX[self._tags.matrix],
            dst_colorspace=_MATRIX[self._tags.matrix],
            src_color_range=2,
            dst_color_range=LIMITED,
            interpolation=_flags(),
        )
        out.colorspace, out.color_range = self._tags.matrix, LIMITED
        out.color_primaries, out.color_trc = self._tags.primaries, self._tags.transfer
        out.pts, out.time_base = self._written, 1 / self._rate
        self._written += 1
        self._container.mux(self._stream.encode(out))
        if self._audio is not None:
            self._audio.up_to(self._container, round(Fraction(self._written) / self._rate * RATE))

    def finish(self) -> None:
        """Flush the encoders."""
        self._container.mux(self._stream.encode(None))
        if self._audio is not None:
            self._audio.finish(self._container)


class _AudioTrack:
    """Sound that is fed beside the pictures, so that players find both in one place of the file."""

    def __init__(self, stream: Any, samples: NDArray[np.float32]) -> None:
        self._stream, self._samples, self._at = stream, samples, 0

    def up_to(self, container: Any, end: int) -> None:
        step = self._stream.codec_context.frame_size or _SAMPLES
        while self._at + step <= min(end, len(self._samples)):
            self._put(container, step)

    def finish(self, container: Any) -> None:
        step = self._stream.codec_context.frame_size or _SAMPLES
        while self._at < len(self._samples):
            self._put(container, min(step, len(self._samples) - self._at))
        container.mux(self._stream.encode(None))

    def _put(self, container: Any, count: int) -> None:
        import av

        block = self._samples[self._at : self._at + count]
        kind = self._stream.codec_context.format.name
        if kind == "fltp":
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block.T), format=kind, layout="stereo")
        else:  # s32, of which PCM keeps the upper 24 bits
            whole = np.rint(block.astype(np.float64) * (2**31 - 1)).astype(np.int32)
            frame = av.AudioFrame.from_ndarray(whole.reshape(1, -1), format=kind, layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._at, Fraction(1, RATE)
        self._at += count
        container.mux(self._stream.encode(frame))


@contextmanager
def movie(
    path: Path,
    *,
    kind: Format,
    size: tuple[int, int],
    rate: Fraction,
    tags: Tags,
    quality: int = 90,
    bitrate_mbps: float = 0.0,
    alpha: bool = False,
    sound: NDArray[np.float32] | None = None,
    threads: int = 0,
    metadata: dict[str, str] | None = None,
) -> Iterator[Movie]:
    """Write a movie; it is there, whole, when the block ends well.

    `size` is width and height in pixels, even numbers; `rate` frames a second; `quality` 1 to 100 where no
    `bitrate_mbps` is given; `sound` (n, 2) samples at 48 kHz. Raises `UsageError`, `Unsupported` without the `video`
    extra, and `CannotWrite`.
    """
    if missing := video_missing(kind.codec):
        raise Unsupported(missing[:1].lower() + missing[1:].rstrip("."))
    check_movie(path, kind, size)
    import av

    with replacing(path) as temporary:
        try:
            container = av.open(str(temporary), "w", options={"movflags": "+faststart+write_colr"})
            try:
                container.metadata.update({"encoder": f"Myriad {studio.__version__}", **(metadata or {})})
                stream, pixels = _video_stream(
                    container, kind, size, rate, tags, quality, bitrate_mbps, alpha, threads, path.suffix.lower()
                )
                track = _AudioTrack(_audio_stream(container, path), sound) if sound is not None else None
                made = Movie(container, stream, pixels, tags, track)
                yield made
                made.finish()
            finally:
                container.close()
        except (av.FFmpegError, ValueError) as fault:
            if isinstance(fault, OSError):
                raise  # `replacing` tells it
            raise CannotWrite(f"cannot write {path}: {fault}; choose another format or size") from fault


def check_movie(path: Path, kind: Format, size: tuple[int, int]) -> None:
    """Refuse what no encoder takes: UsageError."""
    if not kind.movie or path.suffix.lower() not in kind.suffixes:
        raise UsageError(f"cannot write {path.name!r} as {kind.label}; use {' or '.join(kind.suffixes or ('.mp4',))}")
    if size[0] % 2 or size[1] % 2 or min(size) < 16:
        raise UsageError(f"a movie's sides are even and at least 16 pixels, not {size[0]}x{size[1]}; change the size")


def movie_format(path: Path, codec: str = "") -> str:
    """The format's name of a movie file: of its codec, or the usual one of its extension. Raises `UsageError`."""
    movies = {name: kind for name, kind in FORMATS.items() if kind.movie}
    name = codec or {".mp4": "h264", ".mov": "prores-422hq"}.get(path.suffix.lower(), "")
    if name not in movies:
        raise UsageError(f"there is no movie format {codec or path.suffix!r}; choose from {', '.join(movies)}")
    return name


def _video_stream(
    container: Any,
    kind: Format,
    size: tuple[int, int],
    rate: Fraction,
    tags: Tags,
    quality: int,
    bitrate_mbps: float,
    alpha: bool,
    threads: int,
    suffix: str,
) -> tuple[Any, str]:
    """The stream, and the pixels that its encoder takes."""
    pixels = kind.pixels if alpha or not kind.pixels.startswith("yuva") else kind.pixels.replace("yuva", "yuv")
    stream = container.add_stream(kind.codec, rate=rate, options=_options(kind, quality, bitrate_mbps, threads))
    context = stream.codec_context
    stream.width, stream.height, stream.pix_fmt = *size, pixels
    context.framerate, context.time_base = rate, 1 / rate
    context.color_primaries, context.color_trc = tags.primaries, tags.transfer
    context.colorspace, context.color_range = tags.matrix, LIMITED
    if bitrate_mbps and kind.codec != "prores_ks":
        context.bit_rate = int(bitrate_mbps * 1e6)
    if threads:
        context.thread_count = threads
    if kind.codec == "libx265":
        context.codec_tag = "hvc1"  # what QuickTime plays
    else:
        context.thread_type = "AUTO"
    return stream, pixels


def _options(kind: Format, quality: int, bitrate_mbps: float, threads: int) -> dict[str, str]:
    if kind.codec == "prores_ks":
        profile = {"profile": _PRORES[kind.profile], "vendor": "apl0"}
        return {**profile, "alpha_bits": "16"} if kind.alpha else profile
    rate = {} if bitrate_mbps else {"crf": f"{44 - 0.28 * quality:.1f}"}
    if kind.codec == "libx265":
        how = "log-level=none:range=limited" + (f":pools={threads}" if threads else "")
        # of a movie shorter than its look ahead x265 leaves the times of reordered frames unset: there are none
        how += ":bframes=0"
        return {**rate, "preset": "fast", "x265-params": how}
    return {**rate, "preset": "veryfast" if kind.bits == 8 else "fast"}


def _audio_stream(container: Any, path: Path) -> Any:
    if path.suffix.lower() == ".mov":
        stream = container.add_stream("pcm_s24le", rate=RATE, layout="stereo")
    else:
        stream = container.add_stream("aac", rate=RATE, layout="stereo")
        stream.codec_context.bit_rate = 256_000
    assert stream.codec_context.channels == CHANNELS
    return stream


def _reformatter() -> Any:
    """FFmpeg's scaler, which keeps its tables for the next frame. It works without Python's lock, so each movie has one
    of its own: several may be made at once."""
    from av.video.reformatter import VideoReformatter

    return VideoReformatter()


def _flags() -> Any:
    from av.video.reformatter import Interpolation

    return int(Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP)
