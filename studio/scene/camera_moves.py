"""Camera moves: turntable, dolly, push-in, dolly zoom, tracks, bookmarks, as keys that an artist goes on editing.

Each is a pure function of the scene as it is seen at a frame (as in an edit scope) and leaves ordinary things behind:
a group that turns, a path with a constraint that follows it, keys at the first and the last frame. Nothing remembers
that a move made them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.errors import BadAsset
from studio.scene.animation import AUTO, LINEAR
from studio.scene.constraints import parent_offset, stand
from studio.scene.entities import Camera, Constraint, Entity, Group, Id
from studio.scene.keying import set_key, set_outside
from studio.scene.path_edits import add_path
from studio.scene.pose import split_track
from studio.scene.scene import Scene
from studio.scene.timeline import Bookmark
from studio.scene.transforms import compose, decompose, inverse, rigid, sound

F64 = NDArray[np.float64]


def key_between(
    scene: Scene, id_: Id, values: Mapping[str, tuple[Any, Any]], first: float, last: float, *, mode: int = AUTO
) -> Scene:
    """Keys of fields at two frames, field -> (value at the first, value at the last). All ease alike, so what is in
    proportion at both ends is so all the way."""
    if not last > first:
        raise BadAsset("A move needs a last frame after its first one.")
    for name, (start, end) in values.items():
        scene = set_key(scene, id_, name, first, start, mode=mode)
        scene = set_key(scene, id_, name, last, end, mode=mode)
    return scene


def camera_of(scene: Scene, id_: Id) -> Camera:
    """The camera of an id; BadAsset when it is none."""
    found = scene.get(id_)
    if not isinstance(found, Camera):
        raise BadAsset(f'"{found.name or id_}" is not a camera.')
    return found


# --- turntable -------------------------------------------------------------------------------------------------------
def turntable(
    scene: Scene, camera: Id, pivot: ArrayLike, first: float, last: float, *, turns: float = 1.0
) -> tuple[Scene, Id]:
    """Carry a camera round a point of the world, once (or `turns` times, negative: the other way) from the first to
    the last frame; gives the group that turns.

    The frame after the last one is the first again, so that a loop neither stops nor doubles a picture; the group goes
    on turning outside. A camera with curves of its own keeps them and moves within the turning.
    """
    entity = camera_of(scene, camera)
    if not last > first:
        raise BadAsset("A turntable needs a last frame after its first one.")
    moves = any(split_track(name)[0] == camera for name in scene.tracks)
    above = scene.world_matrix(entity.parent) if moves else np.eye(3, 4)
    if not sound(above[None])[0]:
        raise BadAsset(f'"{entity.name or camera}" hangs below a degenerate transform and cannot be carried round.')
    down = inverse(above[None])[0]
    at = down[:, :3] @ np.asarray(pivot, np.float64) + down[:, 3]
    id_ = scene.free_id("turntable")
    x, y, z = at.tolist()
    scene = scene.add(Group(id=id_, name=id_, translation=(x, y, z), parent=entity.parent if moves else ""))
    if moves:  # its curves are of a place below what it hung in, which a second group gives back to it
        arm = scene.free_id("turntable_arm")
        scene = scene.add(Group(id=arm, name=arm, parent=id_, translation=(-x, -y, -z)))
        scene = scene.reparent([camera], arm, keep_world=False)
    else:
        scene = scene.reparent([camera], id_)
    level = (0.0, 0.0, 0.0)
    scene = key_between(scene, id_, {"rotation": (level, (0.0, 360.0 * turns, 0.0))}, first, last + 1.0, mode=LINEAR)
    return set_outside(scene, [f"{id_}.rotation"], pre="offset", post="offset"), id_


# --- dolly -----------------------------------------------------------------------------------------------------------
def dolly(
    scene: Scene, camera: Id, metres: float, first: float, last: float, *, focus: bool = False, zoom: bool = False
) -> Scene:
    """Move a camera ahead along its line of sight (back, when negative) from the first to the last frame.

    With `focus` the focus stays on what it is on; with `zoom` the lens changes so that what is in focus keeps its
    size. Raises BadAsset for a way that goes through what is in focus then.
    """
    entity = camera_of(scene, camera)
    above = scene.world_matrix(entity.parent)
    if not sound(above[None])[0]:
        raise BadAsset(f'"{entity.name or camera}" hangs below a degenerate transform and cannot be moved.')
    way = -rigid(scene.world_matrix(camera)[None])[0][:, 2] * metres
    start = np.array(entity.translation)
    end = start + np.linalg.solve(above[:, :3], way)
    values: dict[str, tuple[Any, Any]] = {"translation": (tuple(start.tolist()), tuple(end.tolist()))}
    away = entity.focus_distance_m
    if (focus or zoom) and not away - metres > 1e-3:
        raise BadAsset(
            f"The way of {metres:g} m goes through what is in focus {away:g} m away; focus farther or go less."
        )
    if focus or zoom:
        values["focus_distance_m"] = (away, away - metres)
    if zoom:
        if entity.projection != "perspective":
            raise BadAsset("A dolly zoom needs a camera with perspective.")
        values["focal_length_mm"] = (entity.focal_length_mm, entity.focal_length_mm * (away - metres) / away)
    return key_between(scene, camera, values, first, last)


def track(scene: Scene, camera: Id, start: Bookmark, end: Bookmark, first: float, last: float) -> tuple[Scene, Id]:
    """Send a camera from one bookmark to another along a path, which it gives: bend it by adding points to it."""
    camera_of(scene, camera)
    if start.translation == end.translation:
        raise BadAsset(f'"{start.name}" and "{end.name}" are the same place.')
    scene, path = add_path(scene, "track", [start.translation, end.translation])
    scene, rule = add_constraint(scene, camera, "follow_path", path)
    scene = key_between(scene, rule, {"progress": (0.0, 1.0)}, first, last)
    ends: list[Camera] = []
    for mark in (start, end):
        there = recalled(scene, camera, mark).get(camera)
        assert isinstance(there, Camera)
        ends.append(there)
    names = ("rotation", "focal_length_mm", "focus_distance_m")
    values = {name: (getattr(ends[0], name), getattr(ends[1], name)) for name in names}
    return key_between(scene, camera, values, first, last), path


# --- bookmarks -------------------------------------------------------------------------------------------------------
def bookmark_of(scene: Scene, camera: Id, name: str) -> Bookmark:
    """Where a camera stands now, its lens and focus, under a name."""
    entity = camera_of(scene, camera)
    return bookmark(name, scene.world_matrix(camera), entity.focal_length_mm, entity.focus_distance_m)


def bookmark(name: str, world: F64, focal_length_mm: float, focus_distance_m: float) -> Bookmark:
    """A bookmark of a world matrix (3, 4). Raises BadAsset for a degenerate one."""
    if not sound(world[None])[0]:
        raise BadAsset("That place has a degenerate transform and cannot be kept.")
    translation, rotation, _, _ = (tuple(part.tolist()) for part in decompose(rigid(world[None])[0]))
    return Bookmark(
        name=name,
        translation=translation,
        rotation=rotation,
        focal_length_mm=focal_length_mm,
        focus_distance_m=focus_distance_m,
    )


def world_of(mark: Bookmark) -> F64:
    """(3, 4) world matrix of a bookmark."""
    parts = (mark.translation, mark.rotation, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    return np.asarray(compose(*(np.array([part], np.float64) for part in parts))[0])


def with_bookmark(scene: Scene, mark: Bookmark) -> Scene:
    """The scene with a bookmark, in the place of the one of its name or at the end."""
    listed = list(scene.timeline.bookmarks)
    at = next((i for i, b in enumerate(listed) if b.name == mark.name), len(listed))
    listed[at : at + 1] = [mark]
    return replace(scene, timeline=msgspec.structs.replace(scene.timeline, bookmarks=tuple(listed)))


def without_bookmark(scene: Scene, name: str) -> Scene:
    """The scene without a bookmark; BadAsset when there is none of that name."""
    find_bookmark(scene, name)
    kept = tuple(b for b in scene.timeline.bookmarks if b.name != name)
    return replace(scene, timeline=msgspec.structs.replace(scene.timeline, bookmarks=kept))


def renamed_bookmark(scene: Scene, name: str, new: str) -> Scene:
    """The scene with a bookmark under another name, which must be free."""
    mark = find_bookmark(scene, name)
    if not new.strip() or (new != name and any(b.name == new for b in scene.timeline.bookmarks)):
        raise BadAsset(f'A bookmark needs a name of its own; "{new}" is empty or taken.')
    listed = tuple(msgspec.structs.replace(b, name=new) if b is mark else b for b in scene.timeline.bookmarks)
    return replace(scene, timeline=msgspec.structs.replace(scene.timeline, bookmarks=listed))


def find_bookmark(scene: Scene, name: str) -> Bookmark:
    """The bookmark of a name; BadAsset naming those that there are when there is none."""
    for mark in scene.timeline.bookmarks:
        if mark.name == name:
            return mark
    known = ", ".join(f'"{b.name}"' for b in scene.timeline.bookmarks[:10]) or "none"
    raise BadAsset(f'There is no bookmark "{name}"; there are: {known}.')


def recalled(scene: Scene, camera: Id, mark: Bookmark) -> Scene:
    """The scene with a camera at a bookmark, with its lens and focus."""
    entity = camera_of(scene, camera)
    above = scene.world_matrix(entity.parent)
    if not sound(above[None])[0]:
        raise BadAsset(f'"{entity.name or camera}" hangs below a degenerate transform and cannot be moved.')
    there = stand(entity, above, world_of(mark))
    return scene.put({camera: there}).replace(
        camera, focal_length_mm=mark.focal_length_mm, focus_distance_m=mark.focus_distance_m
    )


# --- constraints -----------------------------------------------------------------------------------------------------
def add_constraint(scene: Scene, /, owner: Id, kind: str, target: Id, **values: Any) -> tuple[Scene, Id]:
    """A new constraint below its owner, acting after those that it has; a "parent" one leaves its owner where it is."""
    entity, aim = scene.get(owner), scene.get(target)
    if not isinstance(entity, Entity) or isinstance(entity, Constraint) or owner == target:
        raise BadAsset(f'"{entity.name or owner}" cannot be constrained to "{aim.name or target}".')
    if kind == "parent":
        at, to = scene.world_matrix(owner), scene.world_matrix(target)
        if not sound(np.stack([at, to])).all():
            raise BadAsset(f'"{aim.name or target}" has a degenerate transform; nothing can move with it.')
        values = {**parent_offset(at, to), **values}
    id_ = scene.free_id(f"{owner}_{kind}")
    name = f"{kind.replace('_', ' ')}: {aim.name or target}"
    rule = Constraint(id=id_, name=name, parent=owner, constraint=kind, target=target, **values)
    return scene.add(rule), id_
