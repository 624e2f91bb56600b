"""Animations of VRM (.vrma): a glTF animation of a skeleton whose bones, expressions and gaze an extension names.

Source: VRMC_vrm_animation 1.0 (https://github.com/vrm-c/vrm-specification, specification/VRMC_vrm_animation-1.0). The
weight of an expression is the x translation of its node. The node of the gaze is not read: it is said in the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.assets.gltf.container import Source, open_gltf
from studio.assets.gltf.reader import read_gltf
from studio.assets.report import Notes
from studio.errors import BadAsset
from studio.figure.body import PARENTS, BodyMotion
from studio.scene.animation import Curve, evaluate, quaternion_product
from studio.scene.entities import Id
from studio.scene.scene import Scene
from studio.scene.transforms import local_matrices, parent_rows, rotation_matrices, world_matrices

F64 = NDArray[np.float64]
MOST_KEYS = 1_000_000


class _Node(msgspec.Struct, frozen=True):
    node: int


class _Humanoid(msgspec.Struct, frozen=True, rename="camel"):
    human_bones: dict[str, _Node] = {}


class _Expressions(msgspec.Struct, frozen=True):
    preset: dict[str, _Node] = {}
    custom: dict[str, _Node] = {}


class _Animation(msgspec.Struct, frozen=True, rename="camel"):
    humanoid: _Humanoid = _Humanoid()
    expressions: _Expressions = _Expressions()
    look_at: _Node | None = None


def read_vrma(path: Path) -> BodyMotion:
    """The motion of a .vrma file; raises BadAsset, in one sentence, for one that is broken or holds none."""
    source = open_gltf(path, Notes())
    record = source.extension(source.document.extensions, "VRMC_vrm_animation", _Animation, "the file")
    if record is None:
        raise BadAsset(f"{path.name}: is no animation of VRM (it lacks VRMC_vrm_animation); load it as a scene.")
    scene, _ = read_gltf(path)
    tracks = scene.tracks or next((clip.tracks for clip in scene.clips.values()), {})
    if not tracks:
        raise BadAsset(f"{path.name}: holds no animation; export it again.")
    frames = _key_times(tracks, path.name)
    report = ["The gaze of the file is not read."] if record.look_at is not None else []
    return _motion(source, record, scene, tracks, frames, tuple(f"{path.name}: {said}" for said in report))


def _key_times(tracks: Mapping[str, Curve], where: str) -> F64:
    """(k,) the frames of all keys of all tracks."""
    total = sum(len(curve.times) for curve in tracks.values())
    if total > MOST_KEYS:
        raise BadAsset(f"{where}: has {total:,} keys, more than {MOST_KEYS:,}; shorten the animation.")
    return np.unique(np.round(np.concatenate([curve.times for curve in tracks.values()]), 6))


def _motion(
    source: Source, record: _Animation, scene: Scene, tracks: Mapping[str, Curve], frames: F64, report: tuple[str, ...]
) -> BodyMotion:
    listed = list(scene.entities.values())
    row = {entity.id: i for i, entity in enumerate(listed)}
    parents, _ = parent_rows(listed, row)
    places = world_matrices(local_matrices(listed), parents)[:, :, 3]
    posed, rest = _World(scene, tracks, frames), _World(scene, {}, frames[:1])
    turns, spots = {}, {}
    for bone, record_ in record.humanoid.human_bones.items():
        id_ = f"n{record_.node}"
        if id_ in row and bone in PARENTS:
            turns[bone] = quaternion_product(posed.turn(id_), rest.turn(id_) * [-1.0, -1.0, -1.0, 1.0])
            spots[bone] = places[row[id_]]
    hips = None
    if "hips" in turns:
        id_ = f"n{record.humanoid.human_bones['hips'].node}"
        curve = tracks.get(f"{id_}.translation")
        if curve is not None:
            above = scene.entities[id_].parent
            moved = evaluate(curve, frames) - np.asarray(scene.entities[id_].translation)
            hips = rest.carried(above, moved)
    expressions = {}
    for name, record_ in {**record.expressions.custom, **record.expressions.preset}.items():
        curve = tracks.get(f"n{record_.node}.translation")
        if curve is not None:
            expressions[name] = np.clip(evaluate(curve, frames)[:, 0], 0.0, 1.0)
    if not turns and not expressions:
        raise source.bad("VRMC_vrm_animation", "moves no bone and no expression; export it again")
    seconds = frames / scene.fps
    return BodyMotion(source.path.stem, seconds - seconds[0], turns, spots, hips, expressions, report)


class _World:
    """Rotations of nodes in the world at frames, each made once."""

    def __init__(self, scene: Scene, tracks: Mapping[str, Curve], frames: F64) -> None:
        self._scene, self._tracks, self._frames = scene, tracks, frames
        self._known: dict[Id, F64] = {}

    def turn(self, id_: Id) -> F64:
        """(k, 4) the rotation of a node in the world; the reader has refused trees with cycles."""
        chain = []
        while id_ and id_ not in self._known:
            chain.append(id_)
            id_ = self._scene.entities[id_].parent
        turn = self._known[id_] if id_ else np.tile([0.0, 0.0, 0.0, 1.0], (len(self._frames), 1))
        for below in reversed(chain):
            curve = self._tracks.get(f"{below}.rotation")
            if curve is not None:
                local = evaluate(curve, self._frames)
            else:
                local = np.tile(np.asarray(self._scene.entities[below].rotation), (len(self._frames), 1))
            turn = self._known[below] = quaternion_product(turn, local)
        return turn

    def carried(self, above: Id, vectors: F64) -> F64:
        """(k, 3) vectors of a node's space in the world, by its rotation at rest."""
        return vectors if not above else np.asarray(vectors @ rotation_matrices(self.turn(above))[0].T)
