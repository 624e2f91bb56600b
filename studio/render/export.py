"""What an artist asks of an export: which frames of a scene become which files, and in which format.

One frozen record says all of it. It is kept as JSON in the queue's database and typed into panels and the command
line, so every value is checked where it comes in (`read_export`, `check_values`), and a broken record is a sentence.

A format is a line of `FORMATS`. Pictures are written frame by frame; a movie's frames are kept as linear EXRs until
all of them are there and become one file at the end, so that a movie survives whatever happens meanwhile and its view
or texts can be changed without rendering again. Burn-ins and slates are drawn on what is shown: an EXR is data and
never has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from studio.errors import UsageError
from studio.render.film import check_aovs
from studio.render.finish import Look
from studio.render.frames import parse_frames
from studio.render.output import COMPRESSIONS
from studio.render.settings import DEEPEST, MOST_SAMPLES, RenderSettings
from studio.scene import color
from studio.scene.scene import Scene

OVERWRITE = ("ask", "skip", "replace")
CORNERS = ("top left", "top", "top right", "bottom left", "bottom", "bottom right")
LARGEST_SIDE = 1 << 16
MOST_SEQUENCE = 100_000
_NTSC = 1001

Text = Annotated[str, Meta(max_length=2000)]
Name = Annotated[str, Meta(max_length=300)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format of files. `codec` and `pixels` are FFmpeg's names, of movies alone."""

    suffixes: tuple[str, ...]
    label: str
    bits: int = 8
    codec: str = ""
    pixels: str = ""
    alpha: bool = False  # whether it can keep transparency
    profile: str = ""

    @property
    def movie(self) -> bool:
        return bool(self.codec)

    @property
    def suffix(self) -> str:
        return self.suffixes[0]

    @property
    def shown(self) -> bool:
        """Whether it holds what a screen shows instead of scene-linear data."""
        return self.suffix != ".exr"


FORMATS: dict[str, Format] = {
    "exr": Format(suffixes=(".exr",), label="OpenEXR", bits=16, alpha=True),
    "png8": Format(suffixes=(".png",), label="PNG, 8 bit", alpha=True),
    "png16": Format(suffixes=(".png",), label="PNG, 16 bit", bits=16, alpha=True),
    "jpeg": Format(suffixes=(".jpg", ".jpeg"), label="JPEG"),
    "tiff8": Format(suffixes=(".tif", ".tiff"), label="TIFF, 8 bit", alpha=True),
    "tiff16": Format(suffixes=(".tif", ".tiff"), label="TIFF, 16 bit", bits=16, alpha=True),
    "h264": Format(suffixes=(".mp4", ".mov"), label="H.264", codec="libx264", pixels="yuv420p", profile="high"),
    "h264-10": Format(suffixes=(".mp4", ".mov"), label="H.264, 10 bit", bits=10, codec="libx264", pixels="yuv420p10le"),
    "h265": Format(suffixes=(".mp4", ".mov"), label="H.265", codec="libx265", pixels="yuv420p"),
    "h265-10": Format(suffixes=(".mp4", ".mov"), label="H.265, 10 bit", bits=10, codec="libx265", pixels="yuv420p10le"),
    "prores-422hq": Format(
        suffixes=(".mov",), label="ProRes 422 HQ", bits=10, codec="prores_ks", pixels="yuv422p10le", profile="hq"
    ),
    "prores-4444": Format(
        suffixes=(".mov",),
        label="ProRes 4444",
        bits=10,
        codec="prores_ks",
        pixels="yuva444p10le",
        alpha=True,
        profile="4444",
    ),
}


MOVIES = (".mp4", ".mov")


def is_movie(path: Path) -> bool:
    """Whether a file name asks for a movie."""
    return path.suffix.lower() in MOVIES


class ExportSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An export. `output` is a path with tokens (`studio.render.naming`); a relative one starts at the project's
    renders, or where the program was started. "" of `frames` is the scene's range, of `camera` the scene's camera, of
    `display` the sRGB screen."""

    output: Text = "{scene}.####.exr"
    frames: Annotated[str, Meta(max_length=20_000)] = ""
    camera: Name = ""
    width: Annotated[int, Meta(ge=1, le=LARGEST_SIDE)] = 1920
    height: Annotated[int, Meta(ge=1, le=LARGEST_SIDE)] = 1080
    samples: Annotated[int, Meta(ge=1, le=MOST_SAMPLES)] = 256
    error: Annotated[float, Meta(ge=0, le=10)] = 0.0  # 0: every pixel gets `samples`
    time_limit_s: Annotated[float, Meta(ge=0, le=1e9)] = 0.0  # a frame; it is written with the samples it has
    depth: Annotated[int, Meta(ge=1, le=DEEPEST)] = 8
    seed: Annotated[int, Meta(ge=0, lt=1 << 31)] = 0
    clamp_indirect: Annotated[float, Meta(ge=0, le=1e12)] = 0.0
    aovs: Annotated[tuple[Name, ...], Meta(max_length=64)] = ()
    light_groups: bool = False
    light_layers: bool = False  # of EXR: a layer for every light, in a file of their own
    cryptomatte: bool = False
    denoise: bool = False
    view: Name = color.DEFAULT_VIEW
    display: Name = ""
    exposure_ev: Annotated[float, Meta(ge=-100, le=100)] | None = None  # None: the camera's, or measured
    format: Name = "exr"
    compression: Name = "zip"  # of EXR
    dwa_level: Annotated[float, Meta(ge=0, le=500)] = 45.0  # of DWAA and DWAB
    half: bool = True
    multi_part: bool = True  # EXR: a part a layer; False: one part with all channels
    quality: Annotated[int, Meta(ge=1, le=100)] = 90  # JPEG, H.264 and H.265
    bitrate_mbps: Annotated[float, Meta(ge=0, le=10_000)] = 0.0  # H.264 and H.265; 0: by `quality`
    alpha: bool = False
    burn_ins: Annotated[tuple[Text, ...], Meta(max_length=len(CORNERS))] = ()  # texts at CORNERS, in that order
    slate: bool = False
    slate_texts: Annotated[tuple[Text, ...], Meta(max_length=12)] = ()  # lines below the slate's own
    slate_frames: Annotated[int, Meta(ge=1, le=1000)] = 24  # how long a movie shows its slate
    artist: Name = ""
    version: Annotated[int, Meta(ge=0, le=9999)] = 0  # 0: the project's
    audio: bool = True
    overwrite: Name = "ask"
    device: Name = "auto"
    threads: Annotated[int, Meta(ge=0, le=1024)] = 0


def read_export(text: bytes | str) -> ExportSettings:
    """Settings of their JSON; raises `UsageError`, one sentence that names the field, for anything else."""
    try:
        found = msgspec.json.decode(text, type=ExportSettings)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as fault:
        raise UsageError(f"the export's settings cannot be read: {str(fault)[:200]}; set them again") from None
    check_values(found)
    return found


def check_values(settings: ExportSettings) -> None:
    """Refuse names that mean nothing: UsageError. Ranges are checked too, as a record made in code is not yet."""
    try:
        msgspec.convert(msgspec.to_builtins(settings), ExportSettings)
    except msgspec.ValidationError as fault:
        raise UsageError(f"the export cannot be: {fault}; change that value") from None
    _choice("format", settings.format, tuple(FORMATS))
    _choice("overwrite", settings.overwrite, OVERWRITE)
    _choice("compression", settings.compression, COMPRESSIONS)
    _choice("device", settings.device, ("auto", "cuda", "vulkan", "metal", "cpu"))
    check_aovs(settings.aovs)
    if settings.light_layers and settings.format == "exr" and settings.time_limit_s > 0:
        raise UsageError("light layers and a time limit do not go together; leave one of them out")
    color.find_view(settings.view, display_of(settings))
    if settings.frames.strip():
        parse_frames(settings.frames)


def _choice(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"there is no {what} {value[:40]!r}; choose from {', '.join(known)}")


def format_of(settings: ExportSettings) -> Format:
    """The format; raises `UsageError` for a name that is none."""
    _choice("format", settings.format, tuple(FORMATS))
    return FORMATS[settings.format]


def display_of(settings: ExportSettings) -> str:
    """The full name of the display; raises `UsageError` for one that there is not."""
    if not settings.display:
        return color.DISPLAY
    names = color.displays()
    found = [name for name in names if name.lower() == settings.display.lower()] or [
        name for name in names if settings.display.lower() in name.lower()
    ]
    if len(found) != 1:
        raise UsageError(f"there is no display {settings.display[:60]!r}; choose from {', '.join(names)}")
    return found[0]


def frames_of(settings: ExportSettings, scene: Scene) -> list[int]:
    """The frames of an export: those written, or the scene's. Raises `UsageError`."""
    if settings.frames.strip():
        return parse_frames(settings.frames)
    first, last = int(scene.frame_start), int(scene.frame_end)
    if last - first >= MOST_SEQUENCE:
        raise UsageError(f"the scene has {last - first + 1} frames; say which to render")
    return list(range(first, last + 1)) if last >= first else [first]


def render_settings(settings: ExportSettings) -> RenderSettings:
    """What the renderer is asked for. Only an EXR has room for layers; a movie or PNG is rendered without them."""
    layered = settings.format == "exr"
    return RenderSettings(
        width=settings.width,
        height=settings.height,
        samples=settings.samples,
        error=settings.error,
        depth=settings.depth,
        seed=settings.seed,
        clamp_indirect=settings.clamp_indirect,
        aovs=check_aovs(settings.aovs) if layered else (),
        light_groups=settings.light_groups and layered,
        light_layers=settings.light_layers and layered,
        cryptomatte=settings.cryptomatte and layered,
    )


def look_of(settings: ExportSettings, *, kept: bool = False) -> Look:
    """How a film becomes a file. `kept` frames of a movie are the linear beauty, whatever the movie looks like."""
    kind = format_of(settings)
    return Look(
        view=color.find_view(settings.view, display_of(settings)),
        display=display_of(settings),
        exposure_ev=settings.exposure_ev,
        half=settings.half or kept,
        compression="zip" if kept else settings.compression,
        dwa_level=settings.dwa_level,
        multi_part=settings.multi_part or kept,
        quality=settings.quality,
        bits=8 if kind.bits <= 8 else 16,
        alpha=settings.alpha and kind.alpha,
        denoise=settings.denoise,
    )


def exact_rate(fps: float) -> Fraction:
    """Frames a second as the exact number that is meant: 23.976 is 24000/1001, 29.97 is 30000/1001, 25 is 25.

    Rates of NTSC are a whole number times 1000/1001 (SMPTE ST 12-1). A rate that is neither is taken as written, to a
    thousandth of a frame.
    """
    whole = Fraction(round(fps))
    if fps > 0 and abs(fps - whole) < 1e-6 and whole > 0:
        return whole
    drop = Fraction(round(fps * _NTSC / 1000) * 1000, _NTSC)
    if drop > 0 and abs(float(drop) - fps) < 0.005:
        return drop
    return Fraction(max(round(fps * 1000), 1), 1000)
