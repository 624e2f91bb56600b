"""Making a figure of a loaded head: names, joints, eyes, jaw and lips found in what a file happened to hold.

A head comes from a file as meshes with morphs, with or without a skeleton. `rigged` puts a `Figure` above it, gives its
morphs the names of the controls that drive them, and finds what turns: joints of a skeleton by their names, or, where
there is none, eyeballs and jaw by their shape. What it makes looks the same at rest as what it was made of, and each
shape by itself does what it did; what it did not find it says in sentences, and all else works.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from studio.errors import BadAsset
from studio.figure.dressing import dressed
from studio.figure.from_names import controls_of, joint_of
from studio.figure.headwork import Headwork, Parts
from studio.scene.animation import Curve
from studio.scene.arkit import ARKIT
from studio.scene.entities import Entity, Figure, FigureRig, Id, MeshObject
from studio.scene.figure_casts import figure_of
from studio.scene.geometry import Mesh, mesh_key
from studio.scene.pose import split_track
from studio.scene.scene import Scene
from studio.scene.transforms import F64, sound

_NAMED = {"head": "head", "neck": "neck", "jaw": "jaw", "left_eye": "left eye", "right_eye": "right eye"}


@dataclass(frozen=True, slots=True)
class Rigged:
    """A scene with a new figure in it; `report` says in sentences what was found and what was not."""

    scene: Scene
    figure: Id
    report: tuple[str, ...]


def rigged(scene: Scene, ids: Iterable[Id], *, name: str = "", dress: bool = True) -> Rigged:
    """Make a figure of entities and all below them: it hangs where the first of them hung and they hang in it.

    With `dress`, materials without pictures that bear the names of skin, teeth, eyes and the like become such. Raises
    BadAsset where there is nothing with a mesh to make a figure of, or where it is a figure already.
    """
    tops = _topmost(scene, ids)
    below = scene.descendants(tops)
    objects = [e for i in below if isinstance(e := scene.entities[i], MeshObject) and e.mesh in scene.meshes]
    if not objects:
        raise BadAsset("There is no mesh to make a figure of; select a head first.")
    for id_ in below:
        if owner := (figure_of(scene.entities, id_)):
            said = scene.entities[owner].name or owner
            raise BadAsset(f'"{said}" is a figure already; select its Figure to change it.')
    first = scene.entities[tops[0]]
    id_ = scene.free_id("figure")
    label = name or first.name or "Figure"
    scene = scene.add(Figure(id=id_, name=label, parent=first.parent))
    beside = [i for i in tops if scene.entities[i].parent == first.parent]
    scene = scene.reparent(beside, id_, keep_world=False)  # the figure stands where its parent does
    scene = scene.reparent([i for i in tops if i not in beside], id_)
    report: list[str] = []
    kept = scene.meshes.keys() - {e.mesh for e in objects}
    scene, controls = _with_controls(scene, [o.id for o in objects], report)
    performed = {o.id: tuple(m.name for m in scene.meshes[_object(scene, o.id).mesh].morphs) for o in objects}
    joints = {j: i for i in below if (j := joint_of(scene.entities[i].name or i)) and not _drawn(scene, i)}
    bound = any(isinstance(e := scene.entities[i], MeshObject) and e.skin for i in below)
    rig = FigureRig()
    if bound or joints.keys() & {"head", "jaw"}:
        rig = _with_skeleton(scene, id_, joints, report)
    else:
        work = Headwork(scene, id_, [o.id for o in objects], report)
        scene, rig = work.scene_and_rig(Parts(scene))
    scene = scene.put({id_: msgspec.structs.replace(scene.entities[id_], controls=controls, rig=rig)})
    scene = _with_performance(scene, id_, performed, report)
    if dress:
        scene = dressed(scene, id_, report)
    worn = kept | {e.mesh for e in scene.entities.values() if isinstance(e, MeshObject)}
    scene = replace(scene, meshes={key: mesh for key, mesh in scene.meshes.items() if key in worn})
    return Rigged(scene, id_, tuple(report))


def rig_figure(scene: Scene, ids: Iterable[Id] | Id, *, name: str = "", dress: bool = True) -> Scene:
    """The scene of `rigged`, of one entity or several."""
    return rigged(scene, [ids] if isinstance(ids, str) else ids, name=name, dress=dress).scene


def make_figure(scene: Scene, ids: Iterable[Id], *, name: str = "", dress: bool = True) -> tuple[Scene, Id]:
    """The scene of `rigged` and the id of its new figure."""
    made = rigged(scene, ids, name=name, dress=dress)
    return made.scene, made.figure


def _topmost(scene: Scene, ids: Iterable[Id]) -> list[Id]:
    chosen = [i for i in dict.fromkeys(ids) if scene.get(i) is scene.entities.get(i)]
    covered = {i for top in chosen for i in scene.descendants([top]) if i != top}
    out = [i for i in chosen if i not in covered]
    if not out:
        raise BadAsset("Select the head that a figure is to be made of.")
    return out


def _drawn(scene: Scene, id_: Id) -> bool:
    """Whether an entity is an object that draws something: a head's mesh may be called "head" as a joint is."""
    return isinstance(scene.entities[id_], MeshObject)


# --- names -----------------------------------------------------------------------------------------------------------
def _with_controls(scene: Scene, objects: Sequence[Id], report: list[str]) -> tuple[Scene, tuple[str, ...]]:
    """The scene with morphs under the names of their controls, and the controls: Apple's, then the others."""
    keys = dict.fromkeys(_object(scene, id_).mesh for id_ in objects)
    names = [m.name for key in keys for m in scene.meshes[key].morphs]
    controls = controls_of(names)
    renamed = {key: mesh for key in keys if (mesh := _renamed(scene.meshes[key], controls)) is not scene.meshes[key]}
    if renamed:
        meshes = {**scene.meshes, **{mesh.key: mesh for mesh in renamed.values()}}
        new: dict[Id, Entity] = {
            id_: msgspec.structs.replace(o, mesh=renamed[o.mesh].key)
            for id_ in objects
            if (o := _object(scene, id_)).mesh in renamed
        }
        scene = replace(scene, meshes=meshes).put(new)
    have = set(controls.values())
    extra = tuple(dict.fromkeys(n for n in controls.values() if n not in ARKIT))
    lacking = [n for n in ARKIT if n not in have]
    if not have & set(ARKIT):
        report.append("None of its morphs bears the name of a shape of a face; they became controls of their own.")
    elif lacking:
        report.append(f"Shapes that it lacks do nothing: {_list(lacking)}.")
    return scene, (*ARKIT, *extra)


def _with_performance(scene: Scene, figure: Id, morphs: Mapping[Id, Sequence[str]], report: list[str]) -> Scene:
    """The scene with the weights and curves of objects' morphs, which had these names, as those of the controls."""
    record = scene.entities[figure]
    assert isinstance(record, Figure)
    row = {name: i for i, name in enumerate(record.controls)}
    expression = [0.0] * len(record.controls)
    for object_ in map(scene.entities.get, morphs):
        if isinstance(object_, MeshObject):
            now = [m.name for m in scene.meshes[object_.mesh].morphs]
            for name, weight in zip(now, object_.morph_weights, strict=False):
                if name in row and np.isfinite(weight):
                    expression[row[name]] = expression[row[name]] or min(max(weight, -1.0), 2.0)
    tracks: dict[str, Curve] = {}
    for track, curve in scene.tracks.items():
        target, field, item = split_track(track)
        if target not in morphs or field != "morph_weights":
            tracks[track] = curve
            continue
        names = morphs[target] if item < 0 else morphs[target][item : item + 1]
        for column, name in enumerate(names[: curve.values.shape[1]]):
            if name in row:
                tracks.setdefault(f"{figure}.expression[{row[name]}]", _column(curve, column))
    if any(split_track(t)[0] in morphs for clip in scene.clips.values() for t in clip.tracks):
        report.append("Clips that move its morphs move them no more; play them on its expression instead.")
    if any(expression):
        scene = scene.put({figure: msgspec.structs.replace(record, expression=tuple(expression))})
    return replace(scene, tracks=tracks) if tracks.keys() != scene.tracks.keys() else scene


def _column(curve: Curve, column: int) -> Curve:
    """One component of a curve as a curve of its own."""
    parts: dict[str, Any] = {"values": curve.values[:, column : column + 1]}
    for name in ("in_tangents", "out_tangents"):
        tangents = getattr(curve, name)
        parts[name] = None if tangents is None else tangents[:, column : column + 1]
    return replace(curve, **parts)


def _renamed(mesh: Mesh, controls: Mapping[str, str]) -> Mesh:
    morphs = tuple(replace(m, name=controls.get(m.name, m.name)) for m in mesh.morphs)
    if all(a.name == b.name for a, b in zip(morphs, mesh.morphs, strict=True)):
        return mesh
    out = replace(mesh, morphs=morphs)
    return replace(out, key=mesh_key(out))


def _object(scene: Scene, id_: Id) -> MeshObject:
    found = scene.entities[id_]
    assert isinstance(found, MeshObject)
    return found


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


# --- skeletons -------------------------------------------------------------------------------------------------------
def _with_skeleton(scene: Scene, figure: Id, joints: Mapping[str, Id], report: list[str]) -> FigureRig:
    """The rig of a head that has its joints."""
    values: dict[str, Any] = dict(joints)
    worlds = scene.world_matrices()
    for eye in ("left_eye", "right_eye"):
        if eye in values and not _looks_ahead(worlds[values[eye]], worlds[figure]):
            report.append(f"The {_NAMED[eye]} does not look along its joint's z axis, so the gaze leaves it alone.")
            del values[eye]
    lacking = [said for joint, said in _NAMED.items() if joint not in joints]
    if lacking:
        report.append(f"Joints that its skeleton lacks stay still: {_list(lacking)}.")
    return FigureRig(**values)


def _looks_ahead(joint: F64, figure: F64) -> bool:
    if not sound(np.stack([joint, figure])).all():
        return False
    ahead = figure[:, :3] @ (0.0, 0.0, 1.0)
    way = joint[:, 2]
    return bool(ahead @ way > 0.9 * np.linalg.norm(ahead) * np.linalg.norm(way))
