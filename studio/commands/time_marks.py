"""Commands of what stands on the timeline beside the keys: markers and the sound. Cuts are those of `cameras`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.commands.time import retimed
from studio.errors import BadAsset, UsageError
from studio.scene.timeline import AUDIO_FILES, Audio, Marker, changed_marker, with_marker, without_marker


def has_markers(studio: Studio) -> bool:
    """The condition of commands that act on markers."""
    return bool(studio.scene.timeline.markers)


def has_sound(studio: Studio) -> bool:
    """The condition of commands that act on the sound."""
    return studio.scene.timeline.audio is not None


def nearest_marker(studio: Studio) -> int:
    """The number of the marker nearest to the present frame; `UsageError` when there is none."""
    markers = studio.scene.timeline.markers
    if not markers:
        raise UsageError("there are no markers; add one first")
    return min(range(len(markers)), key=lambda i: abs(markers[i].frame - studio.frame))


# --- markers ---------------------------------------------------------------------------------------------------------
@command("time.add_marker", N_("Add marker"), menu="Time/Markers", keys="Shift+M", icon="marker")
def add_marker(studio: Studio, *, frame: float | None = None, name: str = "", color: str = "yellow") -> None:
    """Mark this frame."""
    at = studio.frame if frame is None else float(frame)
    made = Marker(frame=at, name=name, color=color)
    retimed(studio, N_("Add marker"), lambda t: with_marker(t, made))


@command("time.rename_marker", N_("Rename marker…"), menu="Time/Markers", when=has_markers)
def rename_marker(studio: Studio, *, index: int | None = None, name: str | None = None) -> None:
    """Name the marker that is nearest to this frame."""
    which = nearest_marker(studio) if index is None else index
    if name is None:
        old = studio.scene.timeline.markers[which].name
        name = studio.face.ask_text(N_("Name of the marker"), old)
        if not name.strip():
            return
    given = name.strip()
    retimed(studio, N_("Rename marker"), lambda t: changed_marker(t, which, name=given))


@command("time.remove_marker", N_("Delete marker"), menu="Time/Markers", when=has_markers)
def remove_marker(studio: Studio, *, index: int | None = None) -> None:
    """Delete the marker that is nearest to this frame."""
    which = nearest_marker(studio) if index is None else index
    retimed(studio, N_("Delete marker"), lambda t: without_marker(t, which))


@command("time.remove_markers", N_("Delete all markers"), menu="Time/Markers", when=has_markers)
def remove_markers(studio: Studio) -> None:
    """Delete every marker."""
    retimed(studio, N_("Delete all markers"), lambda t: msgspec.structs.replace(t, markers=()))


# --- sound -----------------------------------------------------------------------------------------------------------
@command("time.import_sound", N_("Import sound…"), menu="Time/Sound")
def import_sound(studio: Studio, *, path: str = "", start: float | None = None) -> None:
    """Put a sound file (WAV, FLAC, MP3, Ogg) on the timeline, from the first frame of the scene on."""
    chosen = Path(path) if path else studio.face.ask_open(N_("Import sound"), AUDIO_FILES)
    if chosen is None:
        return
    if chosen.suffix.lower() not in AUDIO_FILES:
        raise BadAsset(f"{chosen.name}: this is no sound that can be read; use {', '.join(AUDIO_FILES)}.")
    if not chosen.is_file():
        raise BadAsset(f"{chosen}: there is no such file; check the path.")
    at = studio.scene.frame_start if start is None else float(start)
    made = Audio(path=str(chosen.resolve()), start=at)
    retimed(studio, N_("Import sound"), lambda t: msgspec.structs.replace(t, audio=made))


@command("time.remove_sound", N_("Remove sound"), menu="Time/Sound", when=has_sound)
def remove_sound(studio: Studio) -> None:
    """Take the sound off the timeline; its file stays."""
    retimed(studio, N_("Remove sound"), lambda t: msgspec.structs.replace(t, audio=None))


def sound_changed(studio: Studio, label: str, *, coalesce: str = "", **values: object) -> None:
    """Set fields of the sound on the timeline."""
    audio = studio.scene.timeline.audio
    if audio is None:
        raise UsageError("there is no sound on the timeline; import one first")
    new = msgspec.structs.replace(audio, **values)
    retimed(studio, label, lambda t: msgspec.structs.replace(t, audio=new), coalesce=coalesce)


@command(
    "time.mute_sound",
    N_("Mute sound"),
    menu="Time/Sound",
    when=has_sound,
    checked=lambda s: s.scene.timeline.audio is not None and s.scene.timeline.audio.muted,
)
def mute_sound(studio: Studio, *, on: bool | None = None) -> None:
    """Play without the sound, or with it again."""
    audio = studio.scene.timeline.audio
    sound_changed(studio, N_("Mute sound"), muted=not (audio and audio.muted) if on is None else on)


@command("time.sound_start", N_("Sound starts here"), menu="Time/Sound", when=has_sound)
def sound_start(studio: Studio, *, frame: float | None = None) -> None:
    """Let the sound start at this frame."""
    sound_changed(studio, N_("Move sound"), start=studio.frame if frame is None else float(frame))


@command("time.sound_gain", N_("Loudness of the sound…"), menu="Time/Sound", when=has_sound)
def sound_gain(studio: Studio, *, db: float | None = None) -> None:
    """Make the sound louder or softer, in decibels."""
    if db is None:
        audio = studio.scene.timeline.audio
        text = studio.face.ask_text(N_("Decibels; 0 is as it is in the file"), f"{audio.gain_db if audio else 0.0:g}")
        if not text.strip():
            return
        try:
            db = float(text)
        except ValueError:
            raise UsageError(f"{text!r} is no number") from None
    if not -60.0 <= db <= 24.0:
        raise UsageError("a sound is made softer by up to 60 decibels and louder by up to 24")
    sound_changed(studio, N_("Loudness of the sound"), gain_db=float(db))


@command(
    "time.scrub_sound",
    N_("Sound while scrubbing"),
    menu="Time/Sound",
    group=1,
    checked=lambda s: s.preferences.scrub_sound,
    recorded=False,
)
def scrub_sound(studio: Studio, *, on: bool | None = None) -> None:
    """Hear a moment of the sound at every frame that is scrubbed to."""
    studio.prefer(scrub_sound=not studio.preferences.scrub_sound if on is None else on)
