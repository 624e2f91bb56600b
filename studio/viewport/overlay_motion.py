"""What moves, drawn over the picture: paths, the ways that things go over time, ghosts, lines of constraints.

A motion path is a line through the places that an entity has over the range of frames, with a dot for every frame, a
larger one for every key, and one for now; what lies before is blue, what comes after orange. Ghosts are the contours
of what is selected (as the eye sees them, see `contours`) some frames before and after, tinted in the same way; boxes
where a mesh is too large for that, pyramids for cameras and arrows for lights. Skinned objects have no ghosts: their
joints move, not they.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from studio.scene.constraints import owners_of
from studio.scene.entities import Camera, Constraint, Entity, Id, MeshObject, Path
from studio.scene.flat import FlatScene
from studio.scene.lights import Light
from studio.scene.motion import Motion, key_frames, motion_of, moves, moving_part
from studio.scene.paths import spline_of
from studio.scene.placement import Placement, placement
from studio.scene.scene import Scene
from studio.scene.transforms import rigid, sound
from studio.viewport.camera import ViewCamera
from studio.viewport.contours import MOST_TRIANGLES, contour
from studio.viewport.framing import below, mesh_box
from studio.viewport.overlay_records import DIMMED, FRONT, NO_LINES, RIM, ROUND, Drawing, Rows, lines, polyline
from studio.viewport.overlay_shapes import frustum
from studio.viewport.overlays import ACTIVE, HOVERED, SELECTED

F64 = NDArray[np.float64]

PATH = (0.36, 0.80, 0.74)
RULE = (0.74, 0.62, 0.98)
BEFORE = (0.36, 0.62, 1.0)
AFTER = (1.0, 0.56, 0.30)
KEY = (1.0, 0.86, 0.30)
NOW = (1.0, 1.0, 1.0)
_MOST_FRAMES = 240  # of a motion path; a longer range is drawn in larger steps
_SLOW_S = 0.02
_MOST_GHOSTS = 64  # objects that are ghosted
_MOST_PATHS = 32  # entities whose motion is drawn
_BOX = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)])
_BOX_EDGES = np.array([(a, b) for a in range(8) for b in range(a + 1, 8) if bin(a ^ b).count("1") == 1])


@dataclass(slots=True, eq=False)
class MotionCache:
    """Motion of the selection, worked out anew only when what it depends on is not the same.

    `path` is over the range of frames, `around` at the frames of the ghosts. While a hand is at work (`held`), a path
    that takes long to work out stays as it was, so that the hand is not slowed down.
    """

    held: bool = False
    _scene: Scene | None = None
    _of: tuple[object, ...] = ()
    _part: Scene | None = None
    _path: Motion | None = None
    _around: Motion | None = None
    _seconds: float = 0.0  # that the last path took

    def part(self, scene: Scene, ids: Sequence[Id]) -> Scene | None:
        """The part of the scene that the places of `ids` depend on; None when nothing in it moves."""
        same = self._of == tuple(ids)
        if same and (scene is self._scene or (self.held and self._seconds > _SLOW_S)):
            return self._part
        part = moving_part(scene, ids)
        new = part if moves(part) else None
        if not same or not _alike(new, self._part):
            self._path = self._around = None
            self._part = new
        self._scene, self._of = scene, tuple(ids)
        return self._part

    def path(self, scene: Scene, ids: Sequence[Id]) -> Motion | None:
        """Motion over the preview range or that of the scene, at the keys too; None when nothing moves."""
        part = self.part(scene, ids)
        if part is None:
            return None
        first, last = scene.timeline.preview or (scene.frame_start, scene.frame_end)
        step = max(1.0, np.ceil((last - first) / _MOST_FRAMES))
        keys = [key_frames(part, id_) for id_ in ids]
        frames = np.unique(np.concatenate([np.arange(first, last + 0.5, step), *keys]))
        frames = frames[(frames >= first) & (frames <= last)][: 4 * _MOST_FRAMES]
        if self._path is None or not np.array_equal(self._path.frames, frames):
            begun = time.perf_counter()
            self._path = motion_of(part, ids, frames)
            self._seconds = time.perf_counter() - begun
        return self._path

    def around(self, scene: Scene, ids: Sequence[Id], frames: F64) -> Motion | None:
        """Motion at some frames; None when nothing moves."""
        part = self.part(scene, ids)
        if part is None:
            return None
        if self._around is None or not np.array_equal(self._around.frames, frames):
            self._around = motion_of(part, ids, frames)
        return self._around


@dataclass(frozen=True, slots=True, eq=False)
class MotionCaches:
    """What one viewport keeps: motion of what is selected for its path, and of all below that for ghosts."""

    paths: MotionCache = field(default_factory=MotionCache)
    ghosts: MotionCache = field(default_factory=MotionCache)


def _alike(a: Scene | None, b: Scene | None) -> bool:
    """Whether two parts hold the same records and curves."""
    if a is None or b is None:
        return a is b
    pairs = ((a.entities, b.entities), (a.tracks, b.tracks))
    same = all(len(x) == len(y) and all(x[k] is y.get(k) for k in x) for x, y in pairs)
    return same and a.strips is b.strips and a.clips is b.clips


# --- paths and constraints -------------------------------------------------------------------------------------------
def path_places(places: Placement) -> list[tuple[Id, Path, F64]]:
    """The paths that are shown, with their world matrices."""
    if Path not in set(map(type, places.entities)):
        return []
    out = []
    for row, entity in enumerate(places.entities):
        if isinstance(entity, Path) and not places.hidden[row] and not places.broken[row]:
            out.append((places.ids[row], entity, places.world[row]))
    return out


def path_rows(places: Placement, selection: Sequence[Id], hovered: Id, ratio: float) -> Rows:
    """LINE rows of all paths."""
    parts = []
    for id_, path, world in path_places(places):
        spline = spline_of(path)
        if spline is None or not len(spline.cubics):
            continue
        colour = ACTIVE if id_ in selection[-1:] else SELECTED if id_ in selection else PATH
        colour = HOVERED if id_ == hovered and id_ not in selection else colour
        at = spline.drawn() @ world[:, :3].T + world[:, 3]
        parts.append(polyline(at, (*colour, 0.95), width=2.0 * ratio, mode=DIMMED | ROUND))
    return np.concatenate(parts) if parts else NO_LINES


def rule_rows(places: Placement, selection: Sequence[Id], ratio: float) -> Rows:
    """LINE rows from what is constrained to what it is constrained to, stronger where either is selected."""
    if Constraint not in set(map(type, places.entities)):
        return NO_LINES
    entities = dict(zip(places.ids, places.entities, strict=True))
    parts = []
    for owner, rules in owners_of(entities).items():
        for rule in rules:
            if not (rule.visible and rule.influence > 0 and rule.target in places.row and owner in places.row):
                continue
            ends = [places.row[owner], places.row[rule.target]]
            if places.hidden[ends].any() or places.broken[ends].any():
                continue
            a, b = places.world[ends][:, :, 3]
            target = entities[rule.target]
            spline = spline_of(target) if isinstance(target, Path) else None
            if spline is not None:
                b = places.world[ends[1]][:, :3] @ spline.at(rule.progress)[0] + b
            strong = bool({owner, rule.target, rule.id}.intersection(selection))
            parts.append(lines(a, b, (*RULE, 0.9 if strong else 0.4), width=1.2 * ratio, dash=5.0 * ratio))
    return np.concatenate(parts) if parts else NO_LINES


# --- over time -------------------------------------------------------------------------------------------------------
def motion_rows(motion: Motion, frame: float, ratio: float) -> Rows:
    """LINE rows of the ways of all entities of a motion that go somewhere."""
    parts = []
    for column in range(len(motion.ids)):
        at = motion.world[:, column, :, 3]
        good = np.isfinite(at).all(axis=1)
        at, frames = at[good], motion.frames[good]
        if len(at) < 2 or float(np.ptp(at, axis=0).max()) < 1e-9:
            continue
        later = (frames[:-1] + frames[1:]) / 2 > frame
        colour = np.where(later[:, None], (*AFTER, 0.9), (*BEFORE, 0.9))
        parts.append(lines(at[:-1], at[1:], colour, width=1.6 * ratio, mode=DIMMED | ROUND))
        tint = np.where((frames > frame)[:, None], (*AFTER, 1.0), (*BEFORE, 1.0))
        parts.append(_dots(at, tint, 3.2 * ratio))
        keyed = np.isin(frames, motion.keys[column])
        parts.append(_dots(at[keyed], (*KEY, 1.0), 7.0 * ratio, mode=FRONT | ROUND | RIM))
        now = np.array([np.interp(frame, frames, at[:, k]) for k in range(3)])
        parts.append(_dots(now[None], (*NOW, 1.0), 8.0 * ratio, mode=FRONT | ROUND | RIM))
    return np.concatenate(parts) if parts else NO_LINES


def _dots(at: F64, rgba: object, width: float, mode: int = DIMMED | ROUND) -> Rows:
    """Lines of no length with round ends."""
    return lines(at, at, rgba, width=width, mode=mode)  # type: ignore[arg-type]


def ghost_frames(frame: float, count: int, step: float) -> F64:
    """Frames of ghosts around one, rising, that one left out."""
    steps = np.arange(1, max(0, min(count, 32)) + 1) * max(step, 1e-3)
    return np.concatenate([frame - steps[::-1], frame + steps])


def ghost_rows(
    flat: FlatScene, motion: Motion, frame: float, camera: ViewCamera, size: tuple[int, int], ratio: float
) -> Rows:
    """LINE rows of what a motion moves, at all its frames, fainter the farther away in time."""
    places = placement(flat)
    meshes = {places.object_id(int(row["object"])): int(row["mesh"]) for row in flat.instances}
    reach = float(np.abs(motion.frames - frame).max(initial=1.0))
    parts = []
    for k, at in enumerate(motion.frames.tolist()):
        alpha = 0.75 - 0.5 * abs(at - frame) / reach
        rgba = (*(AFTER if at > frame else BEFORE), alpha)
        for column, id_ in enumerate(motion.ids):
            world, entity = motion.world[k, column], motion.entities[k][column]
            now = places.world_of(id_)
            if not sound(world[None])[0] or np.allclose(world, now, atol=1e-9):
                continue  # nothing to tell from how it stands now
            mesh = meshes.get(id_, -1)
            parts.append(_ghost(flat, entity, mesh, world, camera, rgba, size, ratio))
    return np.concatenate(parts) if parts else NO_LINES


def _ghost(
    flat: FlatScene,
    entity: Entity,
    mesh: int,
    world: F64,
    camera: ViewCamera,
    rgba: tuple[float, ...],
    size: tuple[int, int],
    ratio: float,
) -> Rows:
    metres = camera.metres_per_pixel(world[:, 3], *size) * ratio
    if isinstance(entity, Camera):
        return frustum(entity, world, metres, rgba, 1.2 * ratio)
    if isinstance(entity, Light):
        axes = rigid(world[None])[0]
        tip = world[:, 3] - axes[:, 2] * 30.0 * metres
        shaft = lines(world[:, 3], tip, rgba, width=1.4 * ratio, mode=DIMMED | ROUND)
        return np.concatenate([shaft, _dots(world[None, :, 3], rgba, 8.0 * ratio)])
    if mesh < 0:
        return NO_LINES
    shape = flat.meshes[mesh]
    if len(shape.mesh.triangles) > MOST_TRIANGLES:
        low, high = mesh_box(shape)
        corners = (low + _BOX * (high - low)) @ world[:, :3].T + world[:, 3]
        a, b = corners[_BOX_EDGES[:, 0]], corners[_BOX_EDGES[:, 1]]
    else:
        a, b = contour(shape, world, camera.eye, forward=camera.forward if camera.orthographic else None)
    return lines(a, b, rgba, width=1.3 * ratio, mode=DIMMED)


def ghosted(places: Placement, selection: Sequence[Id]) -> list[Id]:
    """What of the selection, and of what hangs below it, is ghosted: objects without a skin, lights and cameras."""
    if not selection:
        return []
    rows = np.flatnonzero(below(places, selection) & ~places.hidden)
    kinds = (MeshObject, Light, Camera)
    out = [places.ids[r] for r in rows.tolist() if isinstance(places.entities[r], kinds)]
    skinned = {i for i in out if getattr(places.entities[places.row[i]], "skin", "")}
    return [id_ for id_ in out if id_ not in skinned][:_MOST_GHOSTS]


# --- all of it -------------------------------------------------------------------------------------------------------
def motion_drawing(
    scene: Scene,
    flat: FlatScene,
    camera: ViewCamera,
    caches: MotionCaches,
    *,
    selection: Sequence[Id],
    hovered: Id,
    size: tuple[int, int],
    ratio: float,
    paths: bool,
    motion_paths: bool,
    ghosts: tuple[int, float] | None,
) -> Drawing:
    """Everything of this module that is switched on, for one picture; `ghosts` are their count and step."""
    places = placement(flat)
    parts: list[Rows] = [NO_LINES]
    if paths:
        parts.append(path_rows(places, selection, hovered, ratio))
        parts.append(rule_rows(places, selection, ratio))
    chosen = [i for i in selection if i in scene.entities and not isinstance(scene.entities[i], Constraint)]
    chosen = chosen[-_MOST_PATHS:]
    if ghosts is not None and chosen:
        frames = ghost_frames(flat.frame, *ghosts)
        around = caches.ghosts.around(scene, ghosted(places, chosen), frames)
        if around is not None:
            parts.append(ghost_rows(flat, around, flat.frame, camera, size, ratio))
    if motion_paths and chosen:
        motion = caches.paths.path(scene, chosen)
        if motion is not None:
            parts.append(motion_rows(motion, flat.frame, ratio))
    return Drawing(lines=np.concatenate(parts))
