"""Commands on the animation of fields and curves, wherever they were chosen: what the key dots of the inspector do, and
what is done to whole curves of the selection.

Keys in time (setting a key set, copying, shifting) are commands of the timeline's, in `time_keys`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene import keying
from studio.scene.animation import OUTSIDE
from studio.scene.entities import Id, MeshObject
from studio.scene.pose import split_track
from studio.scene.scene import Scene
from studio.scene.schema import fields

_OUTSIDE_TITLES = {
    "hold": N_("Hold"),
    "linear": N_("Go on straight"),
    "loop": N_("Repeat"),
    "pingpong": N_("Repeat there and back"),
    "offset": N_("Repeat and add up"),
}


# --- asking ----------------------------------------------------------------------------------------------------------
def driving(scene: Scene, ids: Iterable[Id]) -> tuple[str, ...]:
    """Tracks that drive ids, and the materials that they wear."""
    wanted = set(ids)
    worn = (scene.entities.get(id_) for id_ in tuple(wanted))
    wanted |= {m for e in worn if isinstance(e, MeshObject) for m in e.materials if m}
    return keying.tracks_of(scene, wanted) if wanted else ()


def tracks_of_field(scene: Scene, id_: Id, field: str) -> tuple[str, ...]:
    """Tracks of a field of a record: its own, or those of its items."""
    name = f"{id_}.{field}"
    if name in scene.tracks:
        return (name,)
    return tuple(
        track for track in scene.tracks if track.startswith(name + "[") and split_track(track)[:2] == (id_, field)
    )


def animated(studio: Studio) -> bool:
    """The condition of commands on curves of what is selected."""
    return bool(studio.selection) and bool(driving(studio.scene, studio.selection))


def _meant(studio: Studio) -> tuple[str, ...]:
    """Tracks of the picked keys, else all of what is selected."""
    return tuple(studio.picked) or driving(studio.scene, studio.selection)


def _able(studio: Studio, ids: Iterable[Id], field: str) -> list[Id]:
    scene = studio.scene
    found = []
    for id_ in ids:
        record = scene.entities.get(id_) or scene.materials.get(id_)
        info = fields(type(record)).get(field) if record is not None else None
        if record is not None and info is not None and info.animatable and info.means_something(record):
            found.append(id_)
    return found


# --- one field -------------------------------------------------------------------------------------------------------
@command("keys.field", N_("Key a field"))
def key_field(studio: Studio, *, field: str = "", ids: Sequence[Id] = (), on: bool = True) -> None:
    """Set a key of one field of everything selected that has it, at this frame, or remove it; for scripts."""
    if not field:
        raise UsageError('name the field: studio.run("keys.field", field="intensity")')
    able = _able(studio, ids or studio.selection, field)
    if not able:
        raise UsageError(f'nothing that is selected has a field "{field}" that can be keyed')
    frame = studio.frame
    if on:
        studio.edit(N_("Set key"), keying.key_fields, able, (field,), frame)
        return
    with studio.document.edit(N_("Delete key")) as edit:
        for id_ in able:
            if keying.keyed(edit.scene, id_, field, frame) == "key":
                edit.apply(keying.remove_key, id_, field, frame)


@command("keys.remove_field", N_("Remove animation of a field"))
def remove_field(studio: Studio, *, field: str = "", ids: Sequence[Id] = ()) -> None:
    """Remove all keys of one field of everything selected; it keeps its present value; for scripts."""
    if not field:
        raise UsageError('name the field: studio.run("keys.remove_field", field="intensity")')
    with studio.document.edit(N_("Remove animation")) as edit:
        for id_ in ids or studio.selection:
            for track in tracks_of_field(edit.scene, id_, field):
                edit.apply(keying.remove_track, track, studio.frame)


@command("keys.remove", N_("Remove animation"), menu="Time/Curves", when=animated)
def remove(studio: Studio) -> None:
    """Remove all curves of what is selected; fields keep their present values."""
    with studio.document.edit(N_("Remove animation")) as edit:
        for track in driving(studio.scene, studio.selection):
            edit.apply(keying.remove_track, track, studio.frame)


def neighbour(scene: Scene, tracks: Iterable[str], frame: float, *, later: bool) -> float | None:
    """The next frame with a key of these tracks, or the one before; None when there is none."""
    times = [t for name in tracks for t in scene.tracks[name].times.tolist()]
    found = [t for t in times if t > frame + 1e-4] if later else [t for t in times if t < frame - 1e-4]
    return (min(found) if later else max(found)) if found else None


# --- whole curves ----------------------------------------------------------------------------------------------------
def _register_outside(side: str, rule: str) -> None:
    title = _OUTSIDE_TITLES[rule]
    before = side == "pre"

    @command(
        f"keys.{side}_{rule}",
        title,
        menu="Time/Curves/Before the first key" if before else "Time/Curves/After the last key",
        when=animated,
        checked=lambda s: _all_outside(s, side, rule),
        help=N_("What curves of the picked keys, or of what is selected, do before their first key.")
        if before
        else N_("What curves of the picked keys, or of what is selected, do after their last key."),
    )
    def change(studio: Studio) -> None:
        rules = {"pre": rule} if before else {"post": rule}
        studio.edit(N_("Extrapolation"), keying.set_outside, _meant(studio), **rules)


def _all_outside(studio: Studio, side: str, rule: str) -> bool:
    found = {getattr(studio.scene.tracks[track], side) for track in _meant(studio)}
    return found == {rule}


for _rule in OUTSIDE:
    _register_outside("pre", _rule)
for _rule in OUTSIDE:
    _register_outside("post", _rule)


@command("keys.euler_filter", N_("Euler filter"), menu="Time/Curves", group=1, when=animated)
def euler_filter(studio: Studio) -> None:
    """Take whole turns and flips out of rotations: each key's angles nearest to those before."""
    studio.edit(N_("Euler filter"), keying.euler_filter, _meant(studio))


@command("keys.to_euler", N_("Rotations as angles"), menu="Time/Curves", group=1, when=animated)
def to_euler(studio: Studio) -> None:
    """Turn rotations of quaternions into curves of three angles, which can turn more than once round."""
    _each_rotation(studio, N_("Rotations as angles"), euler=True)


@command("keys.to_quaternion", N_("Rotations as quaternions"), menu="Time/Curves", group=1, when=animated)
def to_quaternion(studio: Studio) -> None:
    """Turn rotations of three angles into quaternions, which go the short way."""
    _each_rotation(studio, N_("Rotations as quaternions"), euler=False)


def _each_rotation(studio: Studio, label: str, *, euler: bool) -> None:
    tracks = studio.scene.tracks
    found = [t for t in _meant(studio) if (tracks[t].rotation if euler else tracks[t].euler)]
    if not found:
        raise UsageError("nothing that is selected has such a rotation")
    with studio.document.edit(label) as edit:
        for track in found:
            edit.apply(keying.to_euler if euler else keying.to_quaternion, track)


@command("keys.to_bezier", N_("Make curves Bezier"), menu="Time/Curves", group=1, when=animated)
def to_bezier(studio: Studio) -> None:
    """Give imported curves handles that draw the same."""
    studio.edit(N_("Make curves Bezier"), keying.to_bezier, _meant(studio))


def _asked(studio: Studio, question: str, given: float | None, usual: str) -> float | None:
    if given is not None:
        return float(given)
    answer = studio.face.ask_text(question, usual).strip()
    if not answer:
        return None
    try:
        return float(answer)
    except ValueError:
        raise UsageError(f"{answer!r} is no number") from None


@command("keys.bake", N_("Bake curves…"), menu="Time/Curves", group=2, when=animated)
def bake(studio: Studio, *, step: float | None = None, first: float | None = None, last: float | None = None) -> None:
    """Put a key on every so many frames of the scene's range, with the values that curves have there."""
    by = _asked(studio, N_("A key on every how many frames?"), step, "1")
    if by is not None:
        begin = studio.scene.frame_start if first is None else float(first)
        end = studio.scene.frame_end if last is None else float(last)
        studio.edit(N_("Bake curves"), keying.bake, _meant(studio), begin, end, by)


@command("keys.thin", N_("Thin out keys…"), menu="Time/Curves", group=2, when=animated)
def thin(studio: Studio, *, tolerance: float | None = None) -> None:
    """Leave out keys as long as no value of a curve moves by more than a tolerance."""
    by = _asked(studio, N_("By how much may values move?"), tolerance, "0.01")
    if by is not None:
        studio.edit(N_("Thin out keys"), keying.thin, _meant(studio), by)
