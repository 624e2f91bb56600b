"""What stands on the timeline beside the keys: markers, cuts between cameras, bookmarks, sound, sets of fields to key.

One frozen value of the scene, so all of it is undone, saved and compared like the rest.
"""

from __future__ import annotations

import msgspec

from studio.errors import BadAsset
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


# --- markers ---------------------------------------------------------------------------------------------------------
def with_marker(timeline: Timeline, marker: Marker) -> Timeline:
    """With one more marker; one that stands on the same frame goes."""
    rest = [m for m in timeline.markers if m.frame != marker.frame]
    return msgspec.structs.replace(timeline, markers=tuple(sorted([*rest, marker], key=lambda m: m.frame)))


def without_marker(timeline: Timeline, index: int) -> Timeline:
    """Without a marker; BadAsset when there is none of that number."""
    _one_of(timeline.markers, index, "marker")
    return msgspec.structs.replace(timeline, markers=timeline.markers[:index] + timeline.markers[index + 1 :])


def changed_marker(timeline: Timeline, index: int, **values: object) -> Timeline:
    """With other values of a marker (frame, name, color); BadAsset when there is none of that number."""
    _one_of(timeline.markers, index, "marker")
    return with_marker(without_marker(timeline, index), msgspec.structs.replace(timeline.markers[index], **values))


# --- cuts ------------------------------------------------------------------------------------------------------------
def with_cut(timeline: Timeline, cut: Cut) -> Timeline:
    """With one more cut; one on the same frame goes."""
    rest = [c for c in timeline.cuts if c.frame != cut.frame]
    return msgspec.structs.replace(timeline, cuts=tuple(sorted([*rest, cut], key=lambda c: c.frame)))


def without_cut(timeline: Timeline, index: int) -> Timeline:
    """Without a cut, so the one before goes on; BadAsset when there is none of that number."""
    _one_of(timeline.cuts, index, "cut")
    return msgspec.structs.replace(timeline, cuts=timeline.cuts[:index] + timeline.cuts[index + 1 :])


def changed_cut(timeline: Timeline, index: int, **values: object) -> Timeline:
    """With other values of a cut (frame, camera); BadAsset when there is none of that number."""
    _one_of(timeline.cuts, index, "cut")
    return with_cut(without_cut(timeline, index), msgspec.structs.replace(timeline.cuts[index], **values))


def _one_of(things: tuple[object, ...], index: int, what: str) -> None:
    if not 0 <= index < len(things):
        raise BadAsset(f"There is no {what} {index + 1}; there are {len(things)}.")


# --- key sets --------------------------------------------------------------------------------------------------------
def with_key_set(timeline: Timeline, made: KeySet) -> Timeline:
    """With a key set, in the place of one of its name."""
    rest = tuple(s for s in timeline.key_sets if s.name != made.name)
    return msgspec.structs.replace(timeline, key_sets=(*rest, made))
