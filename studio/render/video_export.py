"""A movie of frames that were rendered before: linear EXRs through the view, with texts, slate and sound, to one file.

A frame is read by a thread while the one before it is encoded. Asking to stop ends it between two frames and leaves
nothing behind; the frames stay, so encoding can begin again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset
from studio.render.burnin import PQ_WHITE, slate_card, stamp_of
from studio.render.export import ExportSettings, display_of, exact_rate, format_of
from studio.render.export_names import Names
from studio.render.video import bits_of, movie
from studio.render.video_audio import audio_file, sound_of
from studio.render.video_tags import is_hdr, tags_of
from studio.render.video_view import View
from studio.scene import color
from studio.scene.scene import Scene


class Stopped(Exception):
    """Somebody asked to stop."""


class BadFrame(BadAsset):
    """A frame that waited for its movie cannot be read; `frame` is its number."""

    def __init__(self, sentence: str, frame: int) -> None:
        super().__init__(sentence)
        self.frame = frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Reel:
    """What a movie is made of. `measured` is the job's measured scale, for cameras without an exposure."""

    scene: Scene
    settings: ExportSettings
    names: Names
    frames: Sequence[tuple[int, Path]]
    output: Path
    measured: float = 0.0
    project: str = ""
    threads: int = 0


def encode(
    reel: Reel, *, progress: Callable[[int, int], None] = lambda done, of: None, stop: Callable[[], object] = bool
) -> None:
    """Write the movie of a reel; `progress` hears of frames done. Raises `Stopped` when `stop` says so, `BadFrame`,
    `BadAsset` for the sound, and `CannotWrite`."""
    settings, kind = reel.settings, format_of(reel.settings)
    display = display_of(settings)
    view = color.find_view(settings.view, display)
    rate, bits = exact_rate(reel.scene.fps), bits_of(kind)
    alpha = settings.alpha and kind.alpha
    lead = settings.slate_frames if settings.slate else 0
    white = PQ_WHITE if is_hdr(display) else 1.0
    shown = View(view=view, display=display, bits=bits, alpha=alpha, threads=reel.threads)
    try:
        with movie(
            reel.output,
            kind=kind,
            size=(settings.width, settings.height),
            rate=rate,
            tags=tags_of(display, view),
            quality=settings.quality,
            bitrate_mbps=settings.bitrate_mbps,
            alpha=alpha,
            sound=_sound(reel, lead),
            threads=reel.threads,
            metadata={"title": str(reel.names.get("scene", ""))},
        ) as made:
            if lead:
                card = slate_card(reel.scene, settings, reel.names, reel.frames[0][0], white=white)
                whole = _whole(card, bits, alpha)
                for _ in range(lead):
                    if stop():
                        raise Stopped
                    made.write(whole)
            for done, (frame, beauty, camera_ev) in enumerate(_read(reel.frames)):
                if stop():
                    raise Stopped
                pixels = shown.show(beauty, _exposure(reel, camera_ev))
                stamp = stamp_of(reel.scene, settings, reel.names, frame, white=white)
                made.write(pixels if stamp is None else stamp.draw(pixels))
                progress(done + 1, len(reel.frames))
    finally:
        shown.close()


def _exposure(reel: Reel, camera_ev: float) -> float:
    if reel.settings.exposure_ev is not None:
        return reel.settings.exposure_ev
    if camera_ev or reel.measured <= 0:
        return camera_ev
    return round(math.log2(reel.measured), 2)


def _sound(reel: Reel, lead: int) -> NDArray[np.float32] | None:
    audio = reel.scene.timeline.audio
    if not reel.settings.audio or audio is None or not audio.path or audio.muted:
        return None
    return sound_of(
        audio,
        audio_file(audio, reel.project or None),
        rate=exact_rate(reel.scene.fps),
        first=reel.frames[0][0],
        frames=len(reel.frames),
        lead=lead,
    )


def _whole(card: NDArray[np.float32], bits: int, alpha: bool) -> Any:
    if alpha:
        card = np.concatenate([card, np.ones((*card.shape[:2], 1), np.float32)], axis=-1)
    kind = np.uint8 if bits == 8 else np.uint16
    return np.rint(card * np.iinfo(kind).max).astype(kind)


def _read(frames: Sequence[tuple[int, Path]]) -> Iterator[tuple[int, NDArray[Any], float]]:
    """Frames in order, the next one read ahead: number, beauty (h, w, 4), exposure of the camera."""
    with ThreadPoolExecutor(1, thread_name_prefix="reader") as pool:
        ahead = [pool.submit(_beauty, *one) for one in frames[:1]]
        for index, (frame, _) in enumerate(frames):
            beauty, exposure = ahead.pop().result()
            if index + 1 < len(frames):
                ahead.append(pool.submit(_beauty, *frames[index + 1]))
            yield frame, beauty, exposure


def _beauty(frame: int, path: Path) -> tuple[NDArray[Any], float]:
    import OpenImageIO

    file = OpenImageIO.ImageInput.open(str(path))
    if file is None:
        raise BadFrame(f"the frame {path} cannot be read ({OpenImageIO.geterror()}); it is rendered again", frame)
    try:
        spec = file.spec()
        pixels = file.read_image(0, 0, 0, min(spec.nchannels, 4), "half")
        if pixels is None or spec.nchannels < 4:
            raise BadFrame(f"the frame {path} is damaged; it is rendered again", frame)
        return pixels, float(spec.get_float_attribute("myriad:exposure", 0.0))
    finally:
        file.close()
