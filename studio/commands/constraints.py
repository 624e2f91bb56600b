"""Commands that constrain what is selected to what was selected last, and that make and change paths."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from studio.commands.cameras import move_range
from studio.commands.registry import N_, command, selected
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene import camera_moves, edits, motion, path_edits
from studio.scene.constraints import owners_of
from studio.scene.entities import Constraint, Entity, Id, Path
from studio.scene.paths import circle_points
from studio.scene.scene import Scene
from studio.viewport.framing import bounds_of

anything = selected(Entity)
_POINTS = 8  # of a circle: a path through so many is round to a few thousandths


def _pair(studio: Studio, target: Id, kind: type[Entity] = Entity) -> tuple[list[Id], Id]:
    """What to constrain, and to what."""
    entities = studio.scene.entities
    ids = [i for i in studio.selection if i in entities and not isinstance(entities[i], Constraint)]
    to = target or (ids[-1] if len(ids) > 1 else "")
    owners = [i for i in ids if i != to and not entities[i].locked]
    if not to or not owners:
        raise UsageError("select what to constrain, then what to constrain it to")
    if not isinstance(entities.get(to), kind):
        raise UsageError("select what to constrain, then the path")
    return owners, to


def _constrain(studio: Studio, label: str, kind: str, owners: list[Id], target: Id, **values: object) -> tuple[Id, ...]:
    with studio.document.edit(label) as edit:
        made = [edit.apply(camera_moves.add_constraint, owner, kind, target, **values) for owner in owners]
    return tuple(str(id_) for id_ in made)


@command("constraints.look_at", N_("Look at last selected"), menu="Edit/Constrain", when=anything)
def look_at(studio: Studio, *, target: Id = "") -> tuple[Id, ...]:
    """Keep what is selected turned towards what was selected last, upright."""
    owners, to = _pair(studio, target)
    return _constrain(studio, N_("Look at"), "look_at", owners, to)


@command("constraints.follow_path", N_("Follow path"), menu="Edit/Constrain", when=anything)
def follow_path(studio: Studio, *, target: Id = "", turn: bool = True, frames: int = 0) -> tuple[Id, ...]:
    """Move what is selected along the path that was selected last, from its start to its end over the range of
    frames."""
    owners, to = _pair(studio, target, Path)
    first, last = move_range(studio, frames)
    with studio.document.edit(N_("Follow path")) as edit:
        made: list[Id] = []
        for owner in owners:
            id_ = edit.apply(camera_moves.add_constraint, owner, "follow_path", to, turn=turn)
            edit.apply(camera_moves.key_between, id_, {"progress": (0.0, 1.0)}, first, last)
            made.append(str(id_))
    return tuple(made)


@command("constraints.parent", N_("Parent with offset"), menu="Edit/Constrain", when=anything)
def parent(studio: Studio, *, target: Id = "") -> tuple[Id, ...]:
    """Move what is selected with what was selected last; everything stays where it is now."""
    owners, to = _pair(studio, target)
    return _constrain(studio, N_("Parent with offset"), "parent", owners, to)


def _owners(studio: Studio) -> list[Id]:
    """Selected entities that are constrained, and those that selected constraints act on."""
    entities, rules = studio.scene.entities, owners_of(studio.scene.entities)
    found = []
    for id_ in studio.selection:
        entity = entities.get(id_)
        found.append(entity.parent if isinstance(entity, Constraint) else id_)
    return [id_ for id_ in dict.fromkeys(found) if id_ in rules]


def constrained_selected(studio: Studio) -> bool:
    """The condition: something selected is constrained."""
    return bool(_owners(studio))


@command("constraints.remove", N_("Remove constraints"), menu="Edit/Constrain", group=1, when=constrained_selected)
def remove(studio: Studio) -> None:
    """Take all constraints off what is selected; it stays where it is now."""
    rules = owners_of(studio.scene.entities)
    gone = [rule.id for owner in _owners(studio) for rule in rules[owner]]
    studio.edit(N_("Remove constraints"), edits.delete, gone)


@command("constraints.bake", N_("Bake constraints to keys"), menu="Edit/Constrain", group=1, when=constrained_selected)
def bake(studio: Studio, *, step: float = 1.0) -> None:
    """Turn what the constraints of what is selected do over the range of frames into keys, and remove them."""
    if not step > 0:
        raise UsageError("the step of baking must be more than 0 frames")
    scene = studio.scene
    first, last = scene.timeline.preview or (scene.frame_start, scene.frame_end)
    frames = np.arange(first, last + 1e-6, step)
    owners = _owners(studio)
    # worked out on the scene itself: the edit's own one shows one frame in its fields
    done = motion.baked(scene, owners, frames.tolist())

    def put(shown: Scene) -> Scene:
        rules = [rule.id for owner in owners for rule in owners_of(shown.entities)[owner]]
        places = {i: {f: getattr(done.entities[i], f) for f in ("translation", "rotation")} for i in owners}
        out = edits.delete(shown, rules)
        for id_, values in places.items():
            out = out.replace(id_, **values)
        return motion.with_tracks(out, done.tracks)

    studio.edit(N_("Bake constraints"), put)


# --- paths -----------------------------------------------------------------------------------------------------------
def _add(studio: Studio, points: ArrayLike, *, closed: bool = False, name: str = "path") -> Id:
    with studio.document.edit(N_("Add path")) as edit:
        id_ = edit.apply(path_edits.add_path, name, points, closed=closed)
        edit.selection = (id_,)
    return str(id_)


@command("create.path_line", N_("Straight path"), menu="Create/Path", icon="path")
def path_line(studio: Studio, *, length_m: float = 4.0) -> Id:
    """Add a straight path where the viewport looks."""
    viewer = studio.face.viewport()
    at = np.zeros(3) if viewer is None else np.asarray(viewer.camera.pivot, np.float64)
    half = np.array([length_m / 2, 0.0, 0.0])
    return _add(studio, [at - half, at + half])


@command("create.path_circle", N_("Circular path"), menu="Create/Path", icon="path")
def path_circle(studio: Studio, *, radius_m: float = 0.0, points: int = _POINTS) -> Id:
    """Add a closed path around what is selected, or where the viewport looks."""
    bounds = bounds_of(studio.flat, [i for i in studio.selection if i in studio.scene.entities])
    viewer = studio.face.viewport()
    at = np.zeros(3) if viewer is None else np.asarray(viewer.camera.pivot, np.float64)
    radius = 2.0
    if studio.selection and bounds is not None:
        at = (bounds[0] + bounds[1]) / 2
        radius = max(1.5 * float(np.linalg.norm((bounds[1] - bounds[0])[[0, 2]])) / 2, 0.5)
    ring = np.reshape(circle_points(max(points, 3), radius_m or radius), (-1, 3))
    return _add(studio, ring + at, closed=True, name="circle")


@command("create.path_selection", N_("Path through selection"), menu="Create/Path", icon="path", when=anything)
def path_selection(studio: Studio, *, closed: bool = False) -> Id:
    """Add a path through the places of what is selected, in the order of selection."""
    ids = [i for i in studio.selection if i in studio.scene.entities]
    if len(ids) < 2:
        raise UsageError("select two things or more to lay a path through")
    worlds = studio.posed.world_matrices()
    return _add(studio, [worlds[i][:, 3] for i in ids], closed=closed)


def _path(studio: Studio) -> Id:
    entities = studio.scene.entities
    found = [i for i in studio.selection if isinstance(entities.get(i), Path)]
    if not found:
        raise UsageError("select a path")
    return found[-1]


def _point(studio: Studio, path: Id, index: int) -> int:
    """The point meant: a number from 0, else the one selected in the viewport, else the last."""
    viewer = studio.face.viewport()
    held = viewer.tools.points.selected(path) if viewer is not None else -1
    count = len(path_edits.points_of(studio.scene, path))
    return index if index >= 0 else held if 0 <= held < count else count - 1


@command("paths.add_point", N_("Add point to path"), menu="Edit/Path", when=selected(Path))
def add_point(studio: Studio, *, at: tuple[float, float, float] | None = None) -> None:
    """Lengthen the selected path by a point.

    `at` is a place of the path's own space; without it the path goes on as it ends.
    """
    path = _path(studio)
    studio.edit(N_("Add point to path"), path_edits.append_point, path, at)


@command("paths.insert_point", N_("Insert point"), menu="Edit/Path", when=selected(Path))
def insert_point(studio: Studio, *, after: int = -1) -> None:
    """Add a point on the curve, half way behind the chosen one."""
    path = _path(studio)
    index = _point(studio, path, after)
    entity = studio.scene.entities[path]
    last = len(path_edits.points_of(studio.scene, path)) - 1
    if after < 0 and index == last and isinstance(entity, Path) and not entity.closed:
        index -= 1
    studio.edit(N_("Insert point"), path_edits.insert_point, path, index)


@command("paths.remove_point", N_("Remove point"), menu="Edit/Path", when=selected(Path))
def remove_point(studio: Studio, *, index: int = -1) -> None:
    """Remove the chosen point of the selected path, or its last one."""
    path = _path(studio)
    studio.edit(N_("Remove point"), path_edits.remove_point, path, _point(studio, path, index))


@command("paths.close", N_("Closed path"), menu="Edit/Path", when=selected(Path))
def close(studio: Studio) -> None:
    """Close the selected path into a loop, or open it."""
    path = _path(studio)
    entity = studio.scene.entities[path]
    assert isinstance(entity, Path)
    studio.edit(N_("Closed path"), edits.set_field, [path], "closed", not entity.closed)
