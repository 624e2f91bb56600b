"""Playblasts: what a viewport shows, frame by frame, as pictures or a film, without a window.

The same renderer as in the window, on a device of its own. What is timed is what the viewport would do for a frame:
taking over the flat scene and drawing it until the last pixel is there; reading it back and writing files is not.
"""

from __future__ import annotations

import math
import os
import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import CannotWrite, Unsupported, UsageError
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.lights import KINDS
from studio.scene.scene import Scene
from studio.viewport.camera import ViewCamera
from studio.viewport.device import Device
from studio.viewport.renderer import Renderer
from studio.viewport.targets import Target
from studio.viewport.view import Look, Quality

PICTURES = (".png",)
FILMS = {".mp4": ("libx264", "yuv420p"), ".mov": ("prores_ks", "yuv422p10le"), ".webm": ("libvpx-vp9", "yuv420p")}
Pixels = NDArray[np.uint8]
Progress = Callable[[int, int, float], None]


@dataclass(frozen=True, slots=True)
class PlayblastResult:
    """What was drawn: files in order, milliseconds of every frame, what drew them and what there was to draw.

    `passes` are seconds of the last frame by pass, `first_ms` what the first frame took with its programs to compile.
    """

    files: tuple[Path, ...]
    frame_ms: tuple[float, ...]
    first_ms: float
    lights: int
    triangles: int
    renderer: str
    passes: Mapping[str, float] = field(default_factory=dict)
    shadowed: int = 0  # lights of the last frame whose shadows were drawn

    @property
    def median_ms(self) -> float:
        """The median over the frames."""
        return statistics.median(self.frame_ms) if self.frame_ms else 0.0

    @property
    def p95_ms(self) -> float:
        """What 95 of 100 frames do not exceed."""
        return float(np.percentile(self.frame_ms, 95)) if self.frame_ms else 0.0


def is_film(path: Path) -> bool:
    """Whether a file name asks for a film."""
    return path.suffix.lower() in FILMS


def check_output(path: Path, size: tuple[int, int]) -> None:
    """Refuse what cannot be written before anything is drawn: UsageError, or Unsupported without the video extra."""
    suffix = path.suffix.lower()
    if suffix not in PICTURES and suffix not in FILMS:
        raise UsageError(f"cannot write {path.name!r}: a playblast is {', '.join((*PICTURES, *FILMS))}")
    if is_film(path):
        if size[0] % 2 or size[1] % 2:
            raise UsageError(f"a film has even sides, not {size[0]}x{size[1]}; change --size")
        _av(path)


def playblast(
    scene: Scene,
    outputs: Sequence[Path],
    frames: Sequence[int],
    *,
    size: tuple[int, int] = (1280, 720),
    device: Device,
    look: Look | Callable[[FlatScene], Look] | None = None,
    camera: str = "",
    samples: int = 1,
    turns: int = 1,
    progress: Progress = lambda frame, done, ms: None,
) -> PlayblastResult:
    """Draw frames of a scene into `outputs`: one file for each frame, or one film of all.

    `look` is the camera's exposure over black, or over the dome if there is one, by default; a function of the flat
    scene makes one for each frame, as cuts go from camera to camera. `samples` above 1 smooths
    edges by that many jittered pictures a frame; `turns` draws every frame so often and times each, for measurements.
    Afterwards the device rests, so a script may do this in a process that shows a window.
    Raises CannotWrite, UsageError, and what `flatten` raises.
    """
    if not is_film(outputs[0]) and len(outputs) != len(frames):
        raise UsageError(f"{len(frames)} frames need as many files, not {len(outputs)}")
    device.use()
    renderer, target = Renderer(device), Target(device, *size)
    milliseconds: list[float] = []
    flat: FlatScene | None = None
    first = 0.0
    try:
        with ExitStack() as files:
            write = files.enter_context(_writer(outputs, scene.fps, size))
            for k, frame in enumerate(frames):
                flat = flatten(scene, frame, previous=flat, camera=camera)
                view = ViewCamera.of(flat.camera)
                seen = look(flat) if callable(look) else look or default_look(flat)
                if k == 0:  # compiles programs and fills caches
                    first = _drawn(renderer, target, flat, view, seen, samples)
                    target.state = None
                for _ in range(max(turns, 1)):
                    milliseconds.append(_drawn(renderer, target, flat, view, seen, samples))
                write(k, target.read())
                progress(frame, k + 1, milliseconds[-1])
        return PlayblastResult(
            files=tuple(outputs),
            frame_ms=tuple(milliseconds),
            first_ms=first,
            lights=len(flat.lights) if flat else 0,
            triangles=renderer.scene.triangles,
            renderer=device.info.renderer,
            passes=renderer.pass_seconds(),
            shadowed=renderer.shadows.counts[0] if seen.shadows else 0,
        )
    finally:
        target.release()
        renderer.release()
        device.rest()


def default_look(flat: FlatScene) -> Look:
    """The camera's exposure; behind everything the dome, or black."""
    dome = bool((flat.lights["kind"] == KINDS["dome"]).any())
    return Look(exposure_ev=flat.camera.exposure_ev, background=None if dome else (0.0, 0.0, 0.0))


def _drawn(renderer: Renderer, target: Target, flat: FlatScene, camera: ViewCamera, look: Look, samples: int) -> float:
    """Draw a frame to the end; returns its milliseconds."""
    begun = time.perf_counter()
    renderer.sync(flat)
    if samples <= 1:
        renderer.draw(target, camera, look, quality=Quality.MOVING, shadow_seconds=math.inf)
    else:
        target.state = None
        for _ in range(samples):
            renderer.draw(target, camera, look, quality=Quality.STILL, samples=samples, shadow_seconds=math.inf)
    renderer.device.flush()
    return (time.perf_counter() - begun) * 1e3


# --- files -----------------------------------------------------------------------------------------------------------
Write = Callable[[int, Pixels], None]


def _writer(outputs: Sequence[Path], fps: float, size: tuple[int, int]) -> AbstractContextManager[Write]:
    return _film(outputs[0], fps, size) if is_film(outputs[0]) else _pictures(outputs)


@contextmanager
def _pictures(outputs: Sequence[Path]) -> Iterator[Write]:
    from PIL import Image

    def write(k: int, pixels: Pixels) -> None:
        with _replacing(outputs[k]) as path:
            Image.fromarray(np.ascontiguousarray(pixels[..., :3])).save(path, "PNG")

    yield write


@contextmanager
def _film(output: Path, fps: float, size: tuple[int, int]) -> Iterator[Write]:
    av = _av(output)
    codec, pixel_format = FILMS[output.suffix.lower()]
    with _replacing(output) as path:
        container = av.open(str(path), "w")
        try:
            stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
            stream.width, stream.height, stream.pix_fmt = *size, pixel_format
            if codec == "libx264":
                stream.options = {"crf": "16"}

            def write(k: int, pixels: Pixels) -> None:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[..., :3]), format="rgb24")
                container.mux(stream.encode(frame))

            yield write
            container.mux(stream.encode())
        finally:
            container.close()


def _av(output: Path) -> Any:
    try:
        import av
    except ImportError as fault:
        raise Unsupported(
            f"{output.name} needs the video extra; install it with pip install 'myriad-studio[video]', or write PNG"
        ) from fault
    return av


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to, which becomes `path` when the block ends well."""
    temporary = path.with_name(f".{path.stem[:60]}.{uuid.uuid4().hex[:12]}{path.suffix}")
    try:
        if path.is_dir():
            raise CannotWrite(f"cannot write {path}: it is a folder; name a file")
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CannotWrite(f"cannot write {path}: {reason}; choose another folder or make room") from error
    finally:
        temporary.unlink(missing_ok=True)
