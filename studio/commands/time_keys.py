"""Commands that set, copy and move keys: of what is selected, at the present frame, or of the keys that are picked.

Which fields "Set key" keys is the key set: a name of `SETS`, or "set:NAME" for one that the scene keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.commands.time import retimed, tracks_of
from studio.errors import UsageError
from studio.scene import keying
from studio.scene.animation import AUTO, BREAKDOWN, BROKEN, FLAT, FREE, LINEAR, STEP
from studio.scene.entities import Id
from studio.scene.scene import Scene
from studio.scene.schema import fields
from studio.scene.timeline import KeySet, with_key_set

TRANSFORM = ("translation", "rotation", "scale")
SETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "": (N_("Transform"), TRANSFORM),
    "translation": (N_("Translation"), TRANSFORM[:1]),
    "rotation": (N_("Rotation"), TRANSFORM[1:2]),
    "scale": (N_("Scale"), TRANSFORM[2:]),
    "animated": (N_("What is animated"), ()),
    "all": (N_("All fields"), ()),
}
MODES = {
    AUTO: N_("Automatic"),
    LINEAR: N_("Linear"),
    FLAT: N_("Flat"),
    STEP: N_("Stepped"),
    FREE: N_("Free"),
    BROKEN: N_("Broken"),
}
_LEFT_OUT = ("solo", "muted", "visible", "locked")
_clip: dict[int, Any] = {}  # of each studio: what was copied


def chosen(studio: Studio) -> bool:
    """The condition of commands that key what is selected."""
    return bool(studio.selection)


def picked_keys(studio: Studio) -> Mapping[str, tuple[int, ...]]:
    """The keys that are picked; all keys of what is selected where none is."""
    if studio.picked:
        return studio.picked
    tracks = studio.scene.tracks
    return {name: tuple(range(len(tracks[name].times))) for name in tracks_of(studio.scene, studio.selection)}


def has_keys(studio: Studio) -> bool:
    """The condition of commands that act on keys."""
    return bool(picked_keys(studio))


def fields_of_set(studio: Studio, name: str) -> dict[Id, tuple[str, ...]]:
    """Fields that a key set keys, by the id of their entity or material."""
    scene = studio.scene
    ids = [id_ for id_ in studio.selection if id_ in scene.entities or id_ in scene.materials]
    if name.startswith("set:"):
        kept = next((s for s in scene.timeline.key_sets if s.name == name[4:]), None)
        if kept is None:
            raise UsageError(f'there is no key set "{name[4:]}"')
        found: dict[Id, list[str]] = {}
        for entry in kept.fields:
            target, _, field = entry.rpartition(".")
            for id_ in [target] if target else ids:
                if id_ in scene.entities or id_ in scene.materials:
                    found.setdefault(id_, []).append(field)
        return {id_: names for id_, wanted in found.items() if (names := _able(scene, id_, tuple(wanted)))}
    if name == "animated":
        wanted_by = {id_: tuple(t.rpartition(".")[2].partition("[")[0] for t in tracks_of(scene, [id_])) for id_ in ids}
        return {id_: tuple(dict.fromkeys(names)) for id_, names in wanted_by.items() if names}
    able = {id_: _able(scene, id_, SETS.get(name, SETS[""])[1] if name != "all" else None) for id_ in ids}
    return {id_: names for id_, names in able.items() if names}


def _able(scene: Scene, id_: Id, wanted: tuple[str, ...] | None) -> tuple[str, ...]:
    """Fields of a record that can be keyed: of those wanted, or all but the switches of the desk."""
    record = scene.get(id_)
    known = fields(type(record))
    if wanted is None:
        return tuple(
            n for n, f in known.items() if f.animatable and f.means_something(record) and n not in _LEFT_OUT and f.width
        )
    return tuple(n for n in dict.fromkeys(wanted) if n in known and known[n].animatable)


def copied(studio: Studio) -> keying.KeyClip:
    """The keys that were copied; UsageError when none were."""
    clip = _clip.get(id(studio))
    if clip is None:
        raise UsageError("copy keys first")
    return clip  # type: ignore[no-any-return]


# --- setting keys ----------------------------------------------------------------------------------------------------
def key(studio: Studio, name: str) -> int:
    """Key a set's fields at the present frame with what they are; gives how many fields were keyed."""
    wanted = fields_of_set(studio, name)
    if not wanted:
        raise UsageError("select something with fields that can be keyed")
    with studio.document.edit(N_("Set key")) as edit:
        for id_, names in wanted.items():
            edit.apply(keying.key_fields, [id_], names, studio.frame)
    return sum(len(names) for names in wanted.values())


@command("time.key", N_("Set key"), menu="Time/Keys", keys="I", when=lambda s: _may_key(s), icon="key")
def set_key(studio: Studio, *, name: str | None = None) -> None:
    """Key the fields of the key set, of what is selected, at this frame."""
    wanted = studio.preferences.key_set if name is None else name
    if (
        name is None
        and wanted.startswith("set:")
        and wanted[4:] not in {s.name for s in studio.scene.timeline.key_sets}
    ):
        wanted = ""  # a set of another scene
    key(studio, wanted)


def _may_key(studio: Studio) -> bool:
    return bool(studio.selection) or studio.preferences.key_set.startswith("set:")


def _register_key(name: str, title: str) -> None:
    @command(
        f"time.key_{name or 'transform'}",
        title,
        menu="Time/Keys/Set key of",
        when=chosen,
        help=N_("Key these fields of what is selected, at this frame."),
    )
    def key_these(studio: Studio) -> None:
        key(studio, name)


for _name, (_title, _fields) in SETS.items():
    _register_key(_name, _title)


@command("time.autokey", N_("Autokey"), menu="Time/Keys", checked=lambda s: s.autokey, icon="autokey")
def autokey(studio: Studio, *, on: bool | None = None) -> None:
    """Give every field that is edited a key at this frame, also one without a curve."""
    studio.autokey = not studio.autokey if on is None else on


@command("time.delete_keys_here", N_("Delete keys at this frame"), menu="Time/Keys", keys="Alt+I", when=chosen)
def delete_keys_here(studio: Studio) -> None:
    """Delete all keys that what is selected has at this frame."""
    tracks, frame = studio.scene.tracks, studio.frame
    picked = {
        name: rows
        for name in tracks_of(studio.scene, studio.selection)
        if (rows := tuple(i for i, t in enumerate(tracks[name].times.tolist()) if abs(t - frame) < 1e-6))
    }
    if not picked:
        raise UsageError("nothing that is selected has a key at this frame")
    studio.edit(N_("Delete keys"), keying.remove_keys, picked)


@command("time.make_key_set", N_("Make key set…"), menu="Time/Keys", group=1, when=chosen)
def make_key_set(studio: Studio, *, name: str = "", fields: tuple[str, ...] = ()) -> None:
    """Keep the fields that are animated of what is selected (or named ones, "id.field") as a key set, and use it."""
    given = name or studio.face.ask_text(N_("Name of the key set"))
    if not given.strip():
        return
    animated = (t.partition("[")[0] for t in tracks_of(studio.scene, studio.selection))
    wanted = tuple(fields) or tuple(dict.fromkeys(animated))
    if not wanted:
        wanted = tuple(f"{id_}.{n}" for id_, names in fields_of_set(studio, "").items() for n in names)
    if not wanted:
        raise UsageError("select something with fields that can be keyed")
    retimed(studio, N_("Make key set"), lambda t: with_key_set(t, KeySet(name=given.strip(), fields=wanted)))
    studio.prefer(key_set=f"set:{given.strip()}")


@command("time.delete_key_set", N_("Delete key set…"), menu="Time/Keys", group=1, when=lambda s: _has_sets(s))
def delete_key_set(studio: Studio, *, name: str = "") -> None:
    """Forget a key set; keys stay."""
    names = tuple(s.name for s in studio.scene.timeline.key_sets)
    gone = name or studio.face.ask(N_("Which key set?"), names)
    if not gone:
        return
    if gone not in names:
        raise UsageError(f'there is no key set "{gone}"')
    kept = tuple(s for s in studio.scene.timeline.key_sets if s.name != gone)
    retimed(studio, N_("Delete key set"), lambda t: msgspec.structs.replace(t, key_sets=kept))


def _has_sets(studio: Studio) -> bool:
    return bool(studio.scene.timeline.key_sets)


@command("time.use_key_set", N_("Use key set"), recorded=False)
def use_key_set(studio: Studio, *, name: str = "") -> None:
    """Choose what "Set key" keys: "", translation, rotation, scale, animated, all, or set:NAME."""
    if name not in SETS and not name.startswith("set:"):
        raise UsageError(f"there is no key set {name!r}; there are {', '.join(n or 'transform' for n in SETS)}")
    studio.prefer(key_set=name)


# --- keys in time ----------------------------------------------------------------------------------------------------
def _edited(studio: Studio, label: str, operation: Callable[..., Any], *args: Any, **named: Any) -> None:
    """An operation that gives where the keys are then; they stay picked."""
    again = bool(studio.picked)
    picked = studio.edit(label, operation, *args, **named)
    if again and isinstance(picked, Mapping):
        studio.picked = picked


@command("time.copy_keys", N_("Copy keys"), menu="Time/Keys", group=2, keys="Ctrl+C", place="timeline", when=has_keys)
def copy_keys(studio: Studio) -> None:
    """Keep the picked keys, or all of what is selected, for pasting at another frame."""
    _clip[id(studio)] = keying.copy_keys(studio.scene, picked_keys(studio))


@command(
    "time.paste_keys",
    N_("Paste keys"),
    menu="Time/Keys",
    group=2,
    keys="Ctrl+V",
    place="timeline",
    when=lambda s: id(s) in _clip,
)
def paste_keys(studio: Studio, *, frame: float | None = None, how: str = "merge") -> None:
    """Put copied keys in, the first one at this frame; `how` is merge, replace or insert."""
    clip = _clip.get(id(studio))
    if clip is None:
        raise UsageError("copy keys first")
    if how not in ("merge", "replace", "insert"):
        raise UsageError("how is merge, replace or insert")
    at = studio.frame if frame is None else float(frame)
    studio.picked = studio.edit(N_("Paste keys"), keying.paste_keys, clip, at, how=how)


@command(
    "time.duplicate_keys",
    N_("Duplicate keys"),
    menu="Time/Keys",
    group=2,
    keys=("Ctrl+D", "Shift+D"),
    place="timeline",
    when=lambda s: bool(s.picked),
)
def duplicate_keys(studio: Studio) -> None:
    """Copy the picked keys to this frame."""
    clip = keying.copy_keys(studio.scene, studio.picked)
    studio.picked = studio.edit(N_("Duplicate keys"), keying.paste_keys, clip, studio.frame)


@command(
    "time.delete_keys",
    N_("Delete keys"),
    menu="Time/Keys",
    group=2,
    keys=("Delete", "X"),
    place="timeline",
    when=lambda s: bool(s.picked),
)
def delete_keys(studio: Studio) -> None:
    """Delete the keys that are picked."""
    studio.edit(N_("Delete keys"), keying.remove_keys, dict(studio.picked))


def _number(studio: Studio, question: str, given: float | None, text: str) -> float | None:
    if given is not None:
        return float(given)
    answer = studio.face.ask_text(question, text)
    if not answer.strip():
        return None
    try:
        return float(answer)
    except ValueError:
        raise UsageError(f"{answer!r} is no number") from None


@command("time.shift_keys", N_("Shift keys…"), menu="Time/Keys", group=3, when=has_keys)
def shift_keys(studio: Studio, *, frames: float | None = None) -> None:
    """Move the picked keys, or all of what is selected, by so many frames."""
    by = _number(studio, N_("By how many frames?"), frames, "10")
    if by:
        _edited(studio, N_("Shift keys"), keying.move_keys, picked_keys(studio), frames=by)


@command("time.scale_keys", N_("Scale keys…"), menu="Time/Keys", group=3, when=has_keys)
def scale_keys(studio: Studio, *, times: float | None = None, about: float | None = None) -> None:
    """Stretch the picked keys, or all of what is selected, in time, about this frame; 2 is half as fast."""
    by = _number(studio, N_("By which factor? 2 is half as fast."), times, "2")
    if by is None:
        return
    if not 0.001 <= abs(by) <= 1000.0:
        raise UsageError("keys are scaled by 0.001 to 1000")
    centre = studio.frame if about is None else float(about)
    _edited(studio, N_("Scale keys"), keying.scale_keys, picked_keys(studio), about=centre, times=by)


@command("time.snap_keys", N_("Snap keys to frames"), menu="Time/Keys", group=3, when=has_keys)
def snap_keys(studio: Studio) -> None:
    """Bring the picked keys, or all of what is selected, to whole frames."""
    studio.edit(N_("Snap keys to frames"), keying.snap_keys, picked_keys(studio))


def _register_mode(mode: int, title: str) -> None:
    @command(
        f"time.mode_{title.lower()}",
        title,
        menu="Time/Keys/Interpolation",
        when=has_keys,
        help=N_("Shape the curve at the picked keys, or all of what is selected, in this way."),
    )
    def change(studio: Studio) -> None:
        studio.edit(N_("Interpolation"), keying.set_modes, picked_keys(studio), mode)


for _mode, _title in MODES.items():
    _register_mode(_mode, _title)


@command("time.breakdown", N_("Breakdown"), menu="Time/Keys/Interpolation", group=1, when=has_keys)
def breakdown(studio: Studio, *, on: bool | None = None) -> None:
    """Make the picked keys breakdowns, which keep their place between their neighbours, or keys again."""
    picked = picked_keys(studio)
    tracks = studio.scene.tracks
    if on is None:
        on = not all(
            tracks[name].modes is not None and tracks[name].modes[row] & BREAKDOWN  # type: ignore[index]
            for name, rows in picked.items()
            for row in rows
        )
    studio.edit(N_("Breakdown"), keying.set_breakdown, picked, on)


# --- time itself -----------------------------------------------------------------------------------------------------
@command("time.insert", N_("Insert time…"), menu="Time/Keys", group=4)
def insert_time(studio: Studio, *, frames: float | None = None) -> None:
    """Make room at this frame: every key, marker, cut and strip from here on comes so many frames later."""
    by = _number(studio, N_("How many frames?"), frames, "10")
    if by is not None:
        if by <= 0:
            raise UsageError("insert one frame or more")
        _shift_all(studio, N_("Insert time"), by)


@command("time.remove", N_("Remove time…"), menu="Time/Keys", group=4)
def remove_time(studio: Studio, *, frames: float | None = None) -> None:
    """Close up so many frames from this one on: keys and markers in them go, later ones come earlier."""
    by = _number(studio, N_("How many frames?"), frames, "10")
    if by is None:
        return
    if by <= 0:
        raise UsageError("remove one frame or more")
    _shift_all(studio, N_("Remove time"), -by)


def _shift_all(studio: Studio, label: str, by: float) -> None:
    """Everything from the present frame on (closing up: from the end of what goes) comes `by` frames later."""
    after = studio.frame - min(by, 0.0)

    def shifted(scene: Scene) -> Scene:
        out = keying.shift_time(scene, by, after=after)
        return replace(out, frame_end=max(out.frame_end + by, out.frame_start))

    studio.edit(label, shifted)
