"""What a person prefers: declared once, kept in the user's configuration folder.

The fields are annotated like those of entities, so the preferences window, validation and documentation are read from
them. A file with unknown or unusable entries loses only those; it is never a reason not to start.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec

from studio.commands.midi_map import MidiMap
from studio.errors import BadAsset, CannotWrite
from studio.farm.wish import FarmWish
from studio.figure.capture.sources import Source
from studio.scene.schema import Spec, check, fields

NAVIGATIONS = ("blender", "maya", "houdini")
LANGUAGES = ("", "en", "zh_CN")  # "": the system's
LOOPS = ("loop", "pingpong", "once")
DEVICES = ("auto", "cuda", "metal", "vulkan", "cpu")


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """One person's preferences. An edit makes new ones: `preferences.replace(language="zh_CN")`."""

    language: Annotated[str, Spec(label="Language", choices=LANGUAGES, help="empty: the system's")] = ""
    interface_scale: Annotated[float, Spec(label="Interface scale", lo=0.5, hi=3.0)] = 1.0
    navigation: Annotated[str, Spec(label="Navigation", choices=NAVIGATIONS, help="mouse and keys")] = "blender"
    autosave_minutes: Annotated[float, Spec(label="Autosave every", unit="min", lo=0.1, hi=120.0)] = 5.0
    autosave_count: Annotated[int, Spec(label="Backups kept", lo=1, hi=1000)] = 10
    undo_steps: Annotated[int, Spec(label="Undo steps", lo=10, hi=100000, help="from the next start")] = 1000
    device: Annotated[str, Spec(label="Render device", choices=DEVICES)] = "auto"
    threads: Annotated[int, Spec(label="Render threads", lo=0, hi=1024, help="0: all")] = 0
    content_credentials: Annotated[bool, Spec(label="Content credentials", help="of the farm and studio render")] = (
        False
    )
    rights_holder: Annotated[str, Spec(label="Rights holder", help="empty: whose certificate it is")] = ""
    fly_speed: Annotated[float, Spec(label="Fly speed", unit="m/s", lo=0.01, soft_hi=20.0)] = 3.0
    snap_move_m: Annotated[float, Spec(label="Move snaps to", unit="m", lo=1e-4)] = 0.1
    snap_rotate_deg: Annotated[float, Spec(label="Rotation snaps to", unit="deg", lo=0.01, hi=180.0)] = 15.0
    snap_scale: Annotated[float, Spec(label="Scale snaps to", lo=1e-4)] = 0.1
    playback_loop: Annotated[str, Spec(label="Playback", choices=LOOPS, help="at the end of the range")] = "loop"
    play_every_frame: Annotated[bool, Spec(label="Play every frame", help="drop none, and have no sound")] = False
    scrub_sound: Annotated[bool, Spec(label="Sound while scrubbing")] = True
    timecode: Annotated[bool, Spec(label="Frames as timecode")] = False
    key_set: str = ""  # what "Set key" keys, see studio.commands.time_keys
    confirm_quit: Annotated[bool, Spec(label="Ask before leaving unsaved work")] = True
    keys: dict[str, tuple[str, ...]] = {}  # command id -> shortcuts that replace its own
    midi: MidiMap = MidiMap()  # the surface that moves the board
    capture: tuple[Source, ...] = ()  # devices that were listened to, newest first
    recent: tuple[str, ...] = ()  # paths, newest first
    layouts: dict[str, str] = {}  # name -> docking state, base64
    window: str = ""  # geometry, base64
    farm: FarmWish = FarmWish()  # where jobs go
    light_columns: dict[str, tuple[str, ...]] = {}  # sets of columns of the light table -> names of columns
    light_column_set: str = "Essentials"  # the one that is shown

    def replace(self, **values: Any) -> Preferences:
        """New preferences with these values; `BadAsset` in a sentence for one that cannot be."""
        known = fields(Preferences)
        checked = {
            name: check(Preferences, name, value, where="Preferences") if name in known else value
            for name, value in values.items()
        }
        new: Preferences = msgspec.structs.replace(self, **checked)
        for name, field in known.items():
            if field.spec.choices and getattr(new, name) not in field.spec.choices:
                raise BadAsset(f'Preferences: {field.label} cannot be "{getattr(new, name)}".')
        return new

    def with_recent(self, path: str, *, most: int = 12) -> Preferences:
        """With a path at the front of the recent ones."""
        return self.replace(recent=(path, *(p for p in self.recent if p != path))[:most])


def preferences_file() -> Path:
    """Where preferences are kept; MYRIAD_CONFIG names another folder than the user's."""
    wanted = os.environ.get("MYRIAD_CONFIG")
    if wanted:
        return Path(wanted) / "preferences.json"
    import platformdirs

    return Path(platformdirs.user_config_dir("myriad-studio", appauthor=False)) / "preferences.json"


def load_preferences(path: Path | None = None) -> Preferences:
    """The preferences on disk; what cannot be used of them is left at its default."""
    try:
        found = json.loads((path or preferences_file()).read_bytes())
    except (OSError, ValueError, RecursionError):
        return Preferences()
    out = Preferences()
    for name, value in _entries(found):
        try:
            typed = msgspec.convert({name: value}, Preferences)
            out = out.replace(**{name: getattr(typed, name)})
        except (msgspec.ValidationError, BadAsset):
            continue
    return out


def _entries(found: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(found, dict):
        yield from ((name, value) for name, value in found.items() if name in Preferences.__struct_fields__)


def save_preferences(preferences: Preferences, path: Path | None = None) -> None:
    """Write the preferences, whole or not at all; `CannotWrite` when the disk does not let us."""
    target = path or preferences_file()
    passing = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        passing.write_bytes(msgspec.json.format(msgspec.json.encode(preferences), indent=2))
        os.replace(passing, target)
    except OSError as fault:
        with contextlib.suppress(OSError):  # it may never have come to be
            passing.unlink()
        raise CannotWrite(f"cannot keep the preferences in {target} ({fault.strerror or fault}).") from None
