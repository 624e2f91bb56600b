"""Finished frames as they are looked at: an image sequence, or a movie, as numbered pictures for a player.

    reel = open_reel(Path("out/shot.0001.exr"))
    picture = reel.read(12)

A sequence is what a folder holds of one name with different frame numbers, at the moment; `refreshed` looks again,
since a render may still be adding to it. Scene-linear files (EXR, HDR) come as floats in nits, to be developed by the
artist's view; the others are shown as they are. Readers keep nothing open between frames, except for a movie, whose
frames can be had only in order: one reader decodes ahead and is made anew when the hand jumps back.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset, Unsupported

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
LINEAR = (".exr", ".hdr")
STILLS = (*LINEAR, ".png", ".jpg", ".jpeg", ".tif", ".tiff")
MOVIES = (".mp4", ".mov", ".mkv")
_NUMBER = re.compile(r"(-?\d+)(?!.*\d)")
_LARGEST_PX = 1 << 28  # of a frame; a header that claims more is not believed


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture. `linear` floats (h, w, 3) in nits, or `shown` bytes (h, w, 3) as a screen has them."""

    number: int
    linear: F32 | None = None
    shown: U8 | None = None
    camera_ev: float = 0.0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        held = self.linear if self.linear is not None else self.shown
        assert held is not None
        return held.shape[1], held.shape[0]


@dataclass(frozen=True, slots=True, eq=False)
class Stills:
    """Numbered files. `files` rises by frame."""

    name: str
    files: dict[int, Path]
    fps: float = 24.0
    pattern: Path | None = None

    @property
    def frames(self) -> tuple[int, ...]:
        """The numbers that there are."""
        return tuple(self.files)

    def read(self, number: int, *, step: int = 1) -> Frame:
        """A frame, every `step`-th pixel of it. Raises BadAsset, naming the file, for one that cannot be read."""
        path = self.files.get(number)
        if path is None:
            raise BadAsset(f"{self.name} has no frame {number}; render it, or open the sequence again.")
        return read_still(path, number, step=step)

    def refreshed(self) -> Stills:
        """The same with what is there now."""
        return self if self.pattern is None else replace(self, files=_siblings(self.pattern))

    def close(self) -> None:
        """Nothing is open."""


class Movie:
    """Frames of a movie, counted from 1. Belongs to whoever holds it; may be read from any one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Raises BadAsset for a file that is no movie and Unsupported when the video extra is not installed."""
        self._path, self.name, self.pattern = path, path.name, None
        self._guard = threading.Lock()
        self._container: Any = None
        self._next = 1
        self._decoder: Iterator[Any] = iter(())
        with self._opened() as stream:
            rate = stream.average_rate or 24
            self.fps = float(rate)
            lasts = float(stream.duration * stream.time_base) if stream.duration else 0.0
            count = stream.frames or round(lasts * self.fps)
        if not 0 < count < 10_000_000:
            raise BadAsset(f"{path} does not say how many frames it has; export it again as MP4 or MOV.")
        self.frames = tuple(range(1, count + 1))

    def _opened(self) -> Any:
        av = _av(self._path)
        self.close()
        try:
            self._container = av.open(str(self._path))
            stream = self._container.streams.video[0]
        except (OSError, IndexError, ValueError) as fault:
            raise BadAsset(f"{self._path} is not a movie that can be read ({_reason(fault)}); open another.") from None
        stream.thread_type = "AUTO"
        self._decoder, self._next = self._container.decode(stream), 1
        return _Held(stream)

    def read(self, number: int, *, step: int = 1) -> Frame:
        """A frame; going on is quick, going back begins anew."""
        with self._guard:
            if self._container is None or number < self._next:
                self._opened()
            found: Any = None
            try:
                while self._next <= number:
                    found = next(self._decoder)
                    self._next += 1
            except (StopIteration, OSError, ValueError) as fault:
                raise BadAsset(f"{self._path} breaks off at frame {self._next} ({_reason(fault)}).") from None
            rgb = found.to_ndarray(format="rgb24")
            return Frame(number, shown=np.ascontiguousarray(rgb[::step, ::step]))

    def refreshed(self) -> Movie:
        """The same; a movie is written whole."""
        return self

    def close(self) -> None:
        """Close the file."""
        if self._container is not None:
            self._container.close()
            self._container = None


class _Held:
    """A stream for the length of a block."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __enter__(self) -> Any:
        return self.stream

    def __exit__(self, *_: object) -> None:
        return None


Reel = Stills | Movie


def open_reel(path: Path, *, fps: float = 24.0) -> Reel:
    """The sequence that a file belongs to, or the movie that it is.

    Raises BadAsset for what is neither, in a sentence, and Unsupported for a movie without the video extra.
    """
    suffix = path.suffix.lower()
    if suffix in MOVIES:
        if not path.is_file():
            raise BadAsset(f"{path} is missing; open another.")
        return Movie(path)
    if suffix not in STILLS:
        raise BadAsset(f"{path.name} is no picture or movie; open one of {', '.join((*STILLS, *MOVIES))}.")
    files = _siblings(path)
    if not files:
        raise BadAsset(f"{path} is missing; open another.")
    return Stills(_title(path), files, fps, path)


def reel_of(name: str, files: dict[int, Path], *, fps: float = 24.0) -> Stills:
    """A sequence of known files, as a queue knows those of a job."""
    return Stills(name, dict(sorted(files.items())), fps)


def _siblings(path: Path) -> dict[int, Path]:
    """Files of the folder that differ from `path` in the last number of their name only."""
    match = _NUMBER.search(path.stem)
    if match is None:
        return {1: path} if path.is_file() else {}
    head, tail = path.stem[: match.start()], path.stem[match.end() :]
    found: dict[int, Path] = {}
    try:
        names = list(path.parent.iterdir())
    except OSError:
        return {}
    for file in names:
        stem = file.stem
        if file.suffix.lower() != path.suffix.lower() or not stem.startswith(head) or not stem.endswith(tail):
            continue
        number = stem[len(head) : len(stem) - len(tail)]
        if re.fullmatch(r"-?\d+", number):
            found[int(number)] = file
    return dict(sorted(found.items()))


def _title(path: Path) -> str:
    match = _NUMBER.search(path.stem)
    if match is None:
        return path.name
    return f"{path.stem[: match.start()]}{'#' * len(match[0])}{path.stem[match.end() :]}{path.suffix}"


def read_still(path: Path, number: int = 1, *, step: int = 1) -> Frame:
    """A picture file. Raises BadAsset in a sentence that names it."""
    import OpenImageIO as oiio  # noqa: N813  # its own name is long

    try:
        source = oiio.ImageInput.open(str(path))
    except (RuntimeError, UnicodeEncodeError) as fault:
        raise BadAsset(f"{path.name} cannot be read ({_reason(fault)}).") from None
    if source is None:
        raise BadAsset(f"{path.name} cannot be read ({_reason(oiio.geterror())}); render the frame again.")
    try:
        spec = source.spec()
        if spec.width * spec.height > _LARGEST_PX:
            raise BadAsset(
                f"{path.name} claims {spec.width} x {spec.height} pixels, which is more than a player shows."
            )
        names = list(spec.channelnames)
        rows = source.read_image(oiio.FLOAT)
        problem = source.geterror()
    finally:
        source.close()
    if rows is None:
        raise BadAsset(f"{path.name} is not whole ({_reason(problem)}); render the frame again.")
    rows = np.asarray(rows, np.float32).reshape(spec.height, spec.width, -1)
    picked = [names.index(c) for c in ("R", "G", "B")] if {"R", "G", "B"} <= set(names) else [0, 0, 0]
    rgb = np.ascontiguousarray(rows[::step, ::step, picked if rows.shape[2] > 2 or picked == [0, 0, 0] else [0, 0, 0]])
    if path.suffix.lower() in LINEAR:
        rgb = _placed(rgb, spec, step)
        return Frame(number, linear=rgb, camera_ev=_exposure(spec))
    return Frame(number, shown=np.rint(np.clip(rgb, 0.0, 1.0) * 255).astype(np.uint8))


def _placed(rgb: F32, spec: Any, step: int) -> F32:
    """A crop in its place within the whole picture."""
    whole = (spec.full_height, spec.full_width)
    if whole == (spec.height, spec.width) or not 0 < whole[0] * whole[1] <= _LARGEST_PX:
        return rgb
    out = np.zeros((-(-whole[0] // step), -(-whole[1] // step), 3), np.float32)
    top, left = (spec.y - spec.full_y) // step, (spec.x - spec.full_x) // step
    if top < 0 or left < 0:
        return rgb
    part = out[top : top + rgb.shape[0], left : left + rgb.shape[1]]
    part[:] = rgb[: part.shape[0], : part.shape[1]]
    return out


def _exposure(spec: Any) -> float:
    """The exposure that our own files say their camera had."""
    value = spec.getattribute("myriad:exposure")
    return float(value) if isinstance(value, (int, float)) and abs(value) < 100 else 0.0


def _av(path: Path) -> Any:
    try:
        import av
    except ImportError:
        need = 'pip install "myriad-studio[video]"'
        raise Unsupported(f"{path.name}: movies need the video extra; install it by {need}.") from None
    return av


def _reason(fault: object) -> str:
    return " ".join(str(fault).split()).rstrip(".")[:120] or type(fault).__name__


def differing(a: Frame, b: Frame) -> U8:
    """Bytes (h, w, 3) of where two pictures of one size differ: of floats relative to both, of bytes ten times over.

    Raises BadAsset when their sizes differ.
    """
    if a.size != b.size:
        sizes = " and ".join(f"{w} x {h}" for w, h in (a.size, b.size))
        raise BadAsset(f"Pictures of {sizes} pixels cannot be compared; open one of the same size.")
    if a.linear is not None and b.linear is not None:
        from studio.render.compare import difference

        off = np.clip(difference(a.linear, b.linear, kind="relative"), 0, 1)
        return np.asarray(np.rint(off * 255), np.uint8)
    x, y = _bytes(a), _bytes(b)
    off = np.abs(x.astype(np.int16) - y.astype(np.int16)) * 10
    return np.asarray(np.clip(off, 0, 255), np.uint8)


def _bytes(frame: Frame) -> U8:
    if frame.shown is not None:
        return frame.shown
    assert frame.linear is not None
    return np.asarray(np.clip(frame.linear, 0, 255), np.uint8)


def longest(reels: Sequence[Reel]) -> tuple[int, int]:
    """First and last frame of several."""
    numbers = [n for reel in reels for n in (reel.frames[:1] + reel.frames[-1:])]
    return (min(numbers), max(numbers)) if numbers else (1, 1)
