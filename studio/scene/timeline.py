"""What stands on the timeline beside the keys: markers, cuts between cameras, bookmarks, sound, sets of fields to key.

One frozen value of the scene, so all of it is undone, saved and compared like the rest.
"""

from __future__ import annotations

import msgspec

from studio.scene.entities import Id, Quat, Vec3

AUDIO_FILES = (".wav", ".flac", ".mp3", ".ogg")


class Marker(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A named frame."""

    frame: float
    name: str = ""
    color: str = "yellow"


class Cut(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From this frame on the picture is this camera's, up to the next cut."""

    frame: float
    camera: Id


class Bookmark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A place that a camera was once looked at from: its world position, rotation and lens."""

    name: str
    translation: Vec3
    rotation: Quat
    focal_length_mm: float = 50.0
    focus_distance_m: float = 5.0


class Audio(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A sound file, heard from frame `start` of the timeline on; its first `trim_s` seconds are left out."""

    path: str = ""
    start: float = 1.0
    trim_s: float = 0.0
    gain_db: float = 0.0
    muted: bool = False


class KeySet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Fields that are keyed together, "<id>.<field>"; of an id "" the fields are the selection's."""

    name: str
    fields: tuple[str, ...] = ()


class Timeline(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Markers and cuts rise by frame. The preview range is what playback loops over; None plays the whole scene."""

    markers: tuple[Marker, ...] = ()
    cuts: tuple[Cut, ...] = ()
    bookmarks: tuple[Bookmark, ...] = ()
    audio: Audio | None = None
    key_sets: tuple[KeySet, ...] = ()
    preview: tuple[float, float] | None = None


def camera_at(timeline: Timeline, camera: Id, frame: float) -> Id:
    """The camera that the picture at a frame is taken by: of the last cut at or before it, else `camera`."""
    for cut in reversed(timeline.cuts):
        if cut.frame <= frame:
            return cut.camera
    return camera
