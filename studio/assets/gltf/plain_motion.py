"""A scene as glTF can say it: nothing but keys, made of what constraints, strips and figures drive.

glTF has animations and no rule that places one node by another, no mixing of clips over time, no faces, no timeline. So
before a scene is written, every field that a constraint, a strip or a figure drives is sampled frame by frame and
becomes an ordinary curve; constraints and strips go, clips stay, a figure becomes the group that it also is. A scene
without any is handed on as it is, so its file is the same to the byte. What the timeline holds beside the keys has no
place in the file and is named in the report.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from studio.assets.report import Notes
from studio.scene.animation import F64, Curve, make_curve
from studio.scene.constraints import constrained, owners_of
from studio.scene.entities import Constraint, Entity, Figure, Group, Id, MeshObject, Path
from studio.scene.figure_casts import driven_by_figures
from studio.scene.figures import acted
from studio.scene.key_conversions import continuous
from studio.scene.key_values import target_of
from studio.scene.pose import Posing, is_rotation, split_track
from studio.scene.scene import Scene
from studio.scene.schema import Field
from studio.scene.tree import listing

MOST_FRAMES = 100_000  # that are sampled; of a longer scene, so many evenly spread
_TIMELINE = {
    "markers": "marker",
    "cuts": "cut between cameras",
    "bookmarks": "bookmark",
    "key_sets": "key set",
}
_Driven = tuple[Id, Field]


def plain_motion(scene: Scene, notes: Notes) -> Scene:
    """The scene with keys in the place of constraints, strips and figures, over its range of frames (one of a single
    frame: over its strips and keys); itself where it has none.

    `notes` gets what was made into keys and what is left out. Raises BadAsset where what is driven
    leaves all numbers behind.
    """
    _note_left_out(scene, notes)
    rules = [e for e in scene.entities.values() if isinstance(e, Constraint)]
    strips = [strip for strip in scene.strips.values() if strip.clip in scene.clips]
    figures = [e for e in scene.entities.values() if isinstance(e, Figure)]
    if not rules and not strips and not figures:
        return scene
    frames = _frames(scene)
    out = _with_keys(scene, _driven(scene), frames)
    span = f"frame {frames[0]:g}" if len(frames) == 1 else f"frames {frames[0]:g} to {frames[-1]:g}"
    if rules:
        owners = listing([scene.entities[id_] for id_ in owners_of(scene.entities)])
        notes.mapped(f"What constraints do to {owners or 'nothing'} is written as keys of {span}; they are left out.")
    if strips:
        notes.mapped(f"What strips play is written as keys of {span}; they are left out, their clips are kept.")
    if figures:
        notes.mapped(f"What figures do is written as keys of {span}, without their controls: {listing(figures)}.")
        out = _without_controls(out, figures)
    return _without_rules(replace(out, strips={}), rules)


def _note_left_out(scene: Scene, notes: Notes) -> None:
    counts = {what: len(getattr(scene.timeline, name)) for name, what in _TIMELINE.items()}
    counts["sound"] = int(scene.timeline.audio is not None)
    counts["preview range"] = int(scene.timeline.preview is not None)
    paths = [e for e in scene.entities.values() if isinstance(e, Path)]
    if paths:
        notes.dropped(f"Paths are written as empty nodes, without their curves: {listing(paths)}.")
    told = [f"{n} {_plural(what) if n > 1 else what}" for what, n in counts.items() if n]
    if told:
        notes.dropped(f"The timeline is left out, which glTF does not have: {', '.join(told)}.")


def _plural(what: str) -> str:
    first, space, rest = what.partition(" between")
    return f"{first}s{space}{rest}"


def _frames(scene: Scene) -> F64:
    """Whole frames of the scene's range and its ends; of a scene of one frame, of what moves in it."""
    first, last = scene.frame_start, scene.frame_end
    if last <= first:
        ends = [float(t) for curve in scene.tracks.values() for t in (curve.times[0], curve.times[-1])]
        ends += [end for strip in scene.strips.values() for end in (strip.start, strip.end)]
        first, last = min([first, *ends]), max([first, *ends])
    if last - first > MOST_FRAMES:
        return np.linspace(first, last, MOST_FRAMES + 1)
    return np.unique(np.concatenate([[first], np.arange(np.ceil(first), np.floor(last) + 1.0), [last]]))


def _driven(scene: Scene) -> list[_Driven]:
    """Whole fields that strips, constraints and figures drive."""
    named = [track for s in scene.strips.values() if s.clip in scene.clips for track in scene.clips[s.clip].tracks]
    named += [f"{id_}.{field}" for id_ in owners_of(scene.entities) for field in ("translation", "rotation")]
    named += [f"{id_}.{field}" for id_, field in driven_by_figures(scene.entities, scene.meshes)]
    found: dict[tuple[Id, str], _Driven] = {}
    for track in named:
        target, name, _ = split_track(track)
        what = target_of(scene, f"{target}.{name}")
        if what is not None and not isinstance(what[0], Constraint):
            found[target, name] = target, what[1]
    return list(found.values())


def _with_keys(scene: Scene, driven: list[_Driven], frames: F64) -> Scene:
    """The scene with what is seen of these fields as curves, or as values where they stay the same."""
    posing, memo = Posing(scene), None
    rows: list[list[Any]] = [[] for _ in driven]
    for frame in frames.tolist():
        at_frame = posing.at(scene, frame)
        entities, materials, _, memo = acted(*at_frame, scene.meshes, frame, fps=scene.fps, memo=memo)
        shown = replace(scene, entities=constrained(entities)[0], materials=materials)
        for row, (target, field) in zip(rows, driven, strict=True):
            row.append(_value(shown, target, field.name))
    gone = {(target, field.name) for target, field in driven}
    tracks = {name: curve for name, curve in scene.tracks.items() if split_track(name)[:2] not in gone}
    out = scene
    for row, (target, field) in zip(rows, driven, strict=True):
        if all(value == row[0] for value in row):
            out = out.replace(target, **{field.name: row[0]})
        else:
            name = f"{target}.{field.name}"
            tracks[name] = _curve(name, field, frames, row)
    return replace(out, tracks=tracks)


def _value(shown: Scene, target: Id, name: str) -> Any:
    record = shown.get(target)
    value = getattr(record, name)
    mesh = shown.meshes.get(record.mesh) if isinstance(record, MeshObject) else None
    if name != "morph_weights" or mesh is None:
        return value
    return (*value, *(0.0,) * len(mesh.morphs))[: max(len(mesh.morphs), len(value))]  # a short row ends in zeros


def _without_controls(scene: Scene, figures: list[Figure]) -> Scene:
    """The scene with groups in the place of figures; what moves them in space stays."""
    shared = Entity.__struct_fields__
    groups: dict[Id, Entity] = {e.id: Group(**{name: getattr(e, name) for name in shared}) for e in figures}
    kept = set(shared)
    tracks = {k: v for k, v in scene.tracks.items() if split_track(k)[0] not in groups or split_track(k)[1] in kept}
    clips = {
        id_: replace(
            clip,
            tracks={
                k: v for k, v in clip.tracks.items() if split_track(k)[0] not in groups or split_track(k)[1] in kept
            },
        )
        for id_, clip in scene.clips.items()
    }
    return replace(scene.put(groups), tracks=tracks, clips=clips)


def _curve(name: str, field: Field, frames: F64, row: list[Any]) -> Curve:
    values = np.array(row, np.float64)
    if is_rotation(field):
        return make_curve(frames, continuous(values), rotation=True, where=name)
    way = "step" if field.shape in ("bool", "int") else "linear"
    return make_curve(frames, values, interpolation=way, where=name)


def _without_rules(scene: Scene, rules: list[Constraint]) -> Scene:
    """The scene without constraints; one that something hangs below becomes a group in its place."""
    parents = {e.parent for e in scene.entities.values()}
    groups = {
        rule.id: Group(**{name: getattr(rule, name) for name in Entity.__struct_fields__})
        for rule in rules
        if rule.id in parents
    }
    stripped = [rule.id for rule in rules if rule.id not in groups]
    fields = set(Group.__struct_fields__)
    left = {k: v for k, v in scene.tracks.items() if split_track(k)[0] not in groups or split_track(k)[1] in fields}
    return replace(scene.put(groups), tracks=left).remove(stripped)
