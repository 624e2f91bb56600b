"""What is to be said of an export before it starts: what stops it, what the artist should decide, what it will take.

Sentences with a severity and the field that they are about, so that a panel can show each beside its control. Nothing
is written and nothing rendered; an estimate of disk space is just that, from what such pictures usually take.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from studio.errors import StudioError
from studio.render import cryptomatte
from studio.render.burnin import LACKING_CJK, check_texts, has_cjk, has_cjk_font
from studio.render.export import ExportSettings, check_values, display_of, format_of, frames_of, render_settings
from studio.render.export_names import Names, export_names, find_camera, job_pattern, output_files
from studio.render.film import AOVS, plan_channels
from studio.render.naming import has_place
from studio.render.queue_store import queue_file
from studio.render.session import film_aovs
from studio.render.video_audio import audio_file
from studio.render.video_tags import is_hdr, video_missing
from studio.scene.entities import Camera
from studio.scene.lights import Light
from studio.scene.scene import Scene

Severity = Literal["error", "warning", "info"]

# of the bytes of a picture that are left after compression, as noisy renders of halls and heads come out
_EXR_LEFT = {"none": 1.0, "rle": 0.95, "zips": 0.65, "zip": 0.6, "piz": 0.5, "pxr24": 0.5, "b44": 0.45, "b44a": 0.45}
_LAYERS_LEFT = 0.3  # of a light's layer, most of which is black
_DWA_LEFT = 0.15
_SHOWN_BYTES = {"png8": 1.9, "png16": 5.2, "tiff8": 2.2, "tiff16": 5.5}  # a pixel
_MOVIE_BYTES = {"prores-422hq": 0.46, "prores-4444": 0.70}  # a pixel, of Apple's white paper's rates for 1080p24
_HUGE = 1 << 40


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence about an export. An "error" stops it, a "warning" may be unwanted, a "info" is good to know; `field`
    is the name of the setting that it is about, `ids` the entities and materials. Of the kind "exists" somebody has to
    decide: skip or replace?"""

    severity: Severity
    sentence: str
    field: str = ""
    kind: str = ""
    ids: tuple[str, ...] = ()


def check_export(
    scene: Scene, settings: ExportSettings, project: Path | str | None = None, *, queue: Path | None = None
) -> tuple[Finding, ...]:
    """All that can be said of an export before it starts, the worst first. `queue` is the queue's database."""
    found = list(_findings(scene, settings, project, queue))
    order = ("error", "warning", "info")
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def movie_findings(
    scene: Scene, settings: ExportSettings, names: Names, project: Path | str | None = None
) -> tuple[Finding, ...]:
    """What is to be said of a movie and its texts, whoever renders its frames."""
    return (*_format(scene, settings, project), *_texts(settings, names))


def _findings(
    scene: Scene, settings: ExportSettings, project: Path | str | None, queue: Path | None
) -> Iterator[Finding]:
    try:
        check_values(settings)
        frames = frames_of(settings, scene)
    except StudioError as fault:
        yield Finding(severity="error", sentence=_sentence(fault), field=_field_of(str(fault)))
        return
    yield from _camera(scene, settings, frames)
    yield from _format(scene, settings, project)
    try:
        names = export_names(settings, scene, project)
        pattern = job_pattern(settings, project)
        files = output_files(settings, pattern, names, frames)
    except StudioError as fault:
        yield Finding(severity="error", sentence=_sentence(fault), field="output")
        return
    yield from _files(settings, pattern, files)
    yield from _texts(settings, names)
    yield from _space(scene, settings, files, len(frames), queue)


def _sentence(fault: Exception) -> str:
    text = str(fault)
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _field_of(text: str) -> str:
    known = ("frame range", "format", "view", "AOV", "compression", "device", "display")
    names = ("frames", "format", "view", "aovs", "compression", "device", "display")
    return next((name for word, name in zip(known, names, strict=True) if word in text), "")


def _camera(scene: Scene, settings: ExportSettings, frames: Sequence[int]) -> Iterator[Finding]:
    if settings.camera and find_camera(settings, scene, frames[0]) is None:
        there = [e.name or e.id for e in scene.entities.values() if isinstance(e, Camera)]
        choose = f"choose from {', '.join(there[:8])}" if there else "the scene has none"
        yield Finding(severity="error", sentence=f"There is no camera {settings.camera!r}; {choose}.", field="camera")
    elif not settings.camera and find_camera(settings, scene, frames[0]) is None:
        sentence = "The scene has no camera; the studio frames everything."
        yield Finding(severity="warning", sentence=sentence, field="camera")
    lit = any(isinstance(e, Light) for e in scene.entities.values())
    if not lit and not any(material.emission_luminance > 0 for material in scene.materials.values()):
        yield Finding(severity="warning", sentence="Nothing in the scene gives light; the pictures will be black.")
    outside = [f for f in frames if not scene.frame_start <= f <= scene.frame_end]
    if outside and scene.frame_end > scene.frame_start:
        span = f"{scene.frame_start:g} to {scene.frame_end:g}"
        many = f"{len(outside)} frames lie" if len(outside) > 1 else f"Frame {outside[0]} lies"
        yield Finding(severity="info", sentence=f"{many} outside the scene's {span}.", field="frames")


def _format(scene: Scene, settings: ExportSettings, project: Path | str | None) -> Iterator[Finding]:
    kind = format_of(settings)
    if settings.format != "exr":
        layered = settings.aovs or settings.light_groups or settings.light_layers or settings.cryptomatte
        if layered:
            sentence = f"{kind.label} has no layers; the AOVs are left out."
            yield Finding(severity="warning", sentence=sentence, field="aovs")
    else:
        if any(settings.burn_ins) or settings.slate:
            yield Finding(
                severity="info", sentence="Burn-ins and the slate are never drawn into EXR data.", field="burn_ins"
            )
        if settings.compression in ("dwaa", "dwab", "b44", "b44a", "pxr24"):
            sentence = f"The compression {settings.compression} loses a little; depth, positions and mattes stay exact."
            yield Finding(severity="info", sentence=sentence, field="compression")
    if settings.alpha and not kind.alpha:
        yield Finding(severity="warning", sentence=f"{kind.label} keeps no transparency.", field="alpha")
    if kind.movie:
        yield from _movie(scene, settings, project)


def _movie(scene: Scene, settings: ExportSettings, project: Path | str | None) -> Iterator[Finding]:
    kind = format_of(settings)
    if missing := video_missing(kind.codec):
        yield Finding(severity="error", sentence=missing, field="format")
    if settings.width % 2 or settings.height % 2:
        sentence = f"A movie's sides are even, not {settings.width}x{settings.height}; change the size by one pixel."
        yield Finding(severity="error", sentence=sentence, field="width")
    if settings.width < 16 or settings.height < 16:
        yield Finding(severity="error", sentence="A movie is at least 16 pixels wide and high.", field="width")
    if is_hdr(display_of(settings)) and kind.bits < 10:
        sentence = f"{display_of(settings)} needs 10 bits; choose a format with 10 bits."
        yield Finding(severity="error", sentence=sentence, field="format")
    sound = scene.timeline.audio
    if settings.audio and sound is not None and sound.path and not sound.muted:
        file = audio_file(sound, project)
        if not file.is_file():
            sentence = f"The sound {file} is not there; relink it, or export without sound."
            yield Finding(severity="error", sentence=sentence, field="audio")


def _files(settings: ExportSettings, pattern: str, files: Sequence[Path]) -> Iterator[Finding]:
    home = _there(files[0].parent)
    if home is None or not os.access(home, os.W_OK):
        sentence = f"The folder {files[0].parent} takes no files; choose another."
        yield Finding(severity="error", sentence=sentence, field="output")
        return
    if format_of(settings).movie and has_place(pattern):
        sentence = "A movie is one file; the frame in its name is that of its first frame."
        yield Finding(severity="warning", sentence=sentence, field="output")
    if folder := next((file for file in files if file.is_dir()), None):
        yield Finding(severity="error", sentence=f"{folder} is a folder; name a file.", field="output")
        return
    taken = [file for file in dict.fromkeys(files) if file.exists()]
    if taken:
        count = f"{taken[0].name} is" if len(taken) == 1 else f"{len(taken)} of {len(set(files))} files are"
        what = {"ask": "skip or replace?", "skip": "skipped.", "replace": "replaced."}[settings.overwrite]
        asked = settings.overwrite == "ask"
        yield Finding(
            severity="warning" if asked else "info",
            sentence=f"{count} there already{';' if asked else ' and will be'} {what}",
            field="overwrite",
            kind="exists",
        )


def _texts(settings: ExportSettings, names: Names) -> Iterator[Finding]:
    if not format_of(settings).shown:
        return
    try:
        check_texts(settings)
    except StudioError as fault:
        yield Finding(severity="error", sentence=_sentence(fault), field="burn_ins")
        return
    drawn = [*settings.burn_ins, *(settings.slate_texts if settings.slate else ())]
    drawn += [str(names["scene"]), str(names["camera"]), settings.artist] if drawn or settings.slate else []
    if any(has_cjk(text) for text in drawn) and not has_cjk_font():
        yield Finding(severity="warning", sentence=LACKING_CJK, field="burn_ins")


# --- how much room it takes ------------------------------------------------------------------------------------------
def estimate_bytes(scene: Scene, settings: ExportSettings, frames: int) -> tuple[int, int]:
    """About how many bytes an export leaves at its place, and how many it needs for a while in the queue's folder."""
    pixels = settings.width * settings.height
    kind = format_of(settings)
    if settings.format == "exr":
        return int(pixels * _exr_bytes(scene, settings)) * frames, 0
    if not kind.movie:
        jpeg = 0.08 + 0.9 * (settings.quality / 100) ** 4
        return int(pixels * _SHOWN_BYTES.get(settings.format, jpeg)) * frames, 0
    kept = int(pixels * 4 * 2 * _EXR_LEFT["zip"]) * frames
    if settings.bitrate_mbps and settings.format not in _MOVIE_BYTES:
        return int(settings.bitrate_mbps * 1e6 / 8 * frames / max(scene.fps, 1.0)), kept
    usual = 0.02 + 0.25 * (settings.quality / 100) ** 4
    return int(pixels * _MOVIE_BYTES.get(settings.format, usual)) * frames, kept


def _exr_bytes(scene: Scene, settings: ExportSettings) -> float:
    """Bytes of a pixel of an EXR."""
    wanted = render_settings(settings)
    aovs = film_aovs(wanted)
    groups = {e.group for e in scene.entities.values() if isinstance(e, Light)} if settings.light_groups else set()
    colours = 4 + (3 if settings.denoise else 0)
    exact = 0
    for channel in plan_channels([name for name in aovs if name in AOVS], sorted(groups), 0)[4:]:
        exact, colours = (exact + 1, colours) if channel.name[:2] in ("P.", "UV", "mo") else (exact, colours + 1)
    exact += sum(name in aovs for name in ("depth", "samples", "variance"))
    exact += sum(len(cryptomatte.channel_names(name[7:])) * 0.2 for name in aovs if name.startswith("crypto_"))  # type: ignore[assignment]
    left = _EXR_LEFT.get(settings.compression, _DWA_LEFT)
    lamps = sum(isinstance(e, Light) for e in scene.entities.values()) if wanted.light_layers else 0
    layers = lamps * 3 * 2 * _LAYERS_LEFT
    return float(colours * (2 if settings.half else 4) * left + exact * 4 * max(left, _EXR_LEFT["zip"]) + layers)


def _space(
    scene: Scene, settings: ExportSettings, files: Sequence[Path], frames: int, queue: Path | None
) -> Iterator[Finding]:
    there, meanwhile = estimate_bytes(scene, settings, frames)
    wanted: dict[int, tuple[Path, int]] = {}
    for folder, size in ((files[0].parent, there), (queue_file(queue).parent, meanwhile)):
        home = _there(folder)
        if size and home is not None:
            volume = home.stat().st_dev
            first, so_far = wanted.get(volume, (folder, 0))
            wanted[volume] = (first, so_far + size)
    yield Finding(severity="info", sentence=f"About {_size(there)} will be written.", field="output")
    for folder, size in wanted.values():
        home = _there(folder)
        free = shutil.disk_usage(home).free if home is not None else _HUGE
        if size > free:
            sentence = f"About {_size(size)} are needed and {folder} has {_size(free)} free; make room."
            yield Finding(severity="error" if size > 4 * free else "warning", sentence=sentence, field="output")


def _there(folder: Path) -> Path | None:
    """The folder, or the nearest one above it that is there."""
    for home in (folder, *folder.parents):
        try:
            if home.is_dir():
                return home
            if home.exists():
                return None  # a file is in the way
        except OSError:
            return None
    return None


def _size(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit in ("bytes", "kB") or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
