"""A figure of which only some points of one object are left, to ask quickly how its controls move them.

Morphs, the jaw's hinge, eyes that turn, correctives and skins all have a say in where a point of a face goes. So it is
asked of `flatten` itself, on a scene that holds the figure, its joints and a few hundred points: exact, and a
millisecond where the whole head takes many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset
from studio.scene.constraints import lineage
from studio.scene.entities import Entity, Figure, Id, MeshObject
from studio.scene.expression_edits import figure_named
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.geometry import Mesh, Morph, make_mesh
from studio.scene.scene import Scene

F64 = NDArray[np.float64]
_STEP = 0.1  # of a weight, by which motion is measured


class Probe:
    """See the module. `scene` is as it is seen at `frame`; `vertices` (k,) are those of the object's mesh to keep."""

    def __init__(self, scene: Scene, figure: Id, object_: Id, vertices: NDArray[np.integer], frame: float) -> None:
        entity = scene.entities.get(object_)
        if not isinstance(entity, MeshObject) or entity.mesh not in scene.meshes:
            raise BadAsset(f'"{object_}" is no object whose face could be moved.')
        self._figure, self._frame = figure, frame
        self._scene = _reduced(scene, figure_named(scene, figure), entity, _part(scene.meshes[entity.mesh], vertices))
        self._count = len(vertices)
        self._last: FlatScene | None = None

    def at(self, expression: Sequence[float]) -> F64:
        """(k, 3) where the points are in the world, with the figure's controls at these weights."""
        scene = self._scene.replace(self._figure, expression=tuple(expression))
        self._last = flat = flatten(scene, self._frame, previous=self._last)
        if not len(flat.instances):
            raise BadAsset("The object is hidden or cannot be drawn.")
        row = flat.instances[0]
        matrix = row["open"].astype(np.float64)
        points = flat.meshes[int(row["mesh"])].positions.astype(np.float64)
        return np.asarray(points[: self._count] @ matrix[:, :3].T + matrix[:, 3])

    def motion(self, expression: Sequence[float], controls: Sequence[int]) -> F64:
        """(n, k, 3) metres that the points go by each of n controls, given by their numbers, per weight."""
        start = list(expression)
        here = self.at(start)
        out = np.zeros((len(controls), *here.shape))
        for i, control in enumerate(controls):
            step = _STEP if start[control] + _STEP <= 1.0 else -_STEP
            there = list(start)
            there[control] += step
            out[i] = (self.at(there) - here) / step
        return out


def _part(mesh: Mesh, vertices: NDArray[np.integer]) -> Mesh:
    """A mesh of some vertices alone, in triangles that mean nothing."""
    count = len(vertices)
    new = np.full(len(mesh.positions), -1, np.int64)
    new[vertices] = np.arange(count)
    morphs = []
    for morph in mesh.morphs:
        rows = new[morph.indices]
        kept = rows >= 0
        morphs.append(Morph(morph.name, rows[kept].astype(np.uint32), morph.positions[kept]))
    around = np.arange(count)
    triangles = np.stack([around, np.roll(around, -1), np.roll(around, -2)], axis=1)
    skin = {} if mesh.joints is None or mesh.weights is None else {
        "joints": mesh.joints[vertices], "weights": mesh.weights[vertices]
    }  # fmt: skip
    return make_mesh(mesh.positions[vertices], triangles, morphs=morphs, where="face", **skin)


def _reduced(scene: Scene, figure: Figure, entity: MeshObject, part: Mesh) -> Scene:
    """The figure, what hangs above it, its joints, what it looks at, and the one object."""
    entities = scene.entities
    below = (id_ for id_ in scene.descendants([figure.id]) if not isinstance(entities[id_], MeshObject))
    wanted = {*lineage(entities, figure.id), *below, *lineage(entities, entity.id), *lineage(entities, figure.look_at)}
    kept: dict[Id, Entity] = {}
    for id_ in wanted & entities.keys():
        other = entities[id_]
        bare = msgspec.structs.replace(other, mesh="", skin="", joints=()) if isinstance(other, MeshObject) else other
        kept[id_] = bare
    kept[entity.id] = msgspec.structs.replace(entity, mesh=part.key, materials=(), visible=True)
    skins = {entity.skin: scene.skins[entity.skin]} if entity.skin in scene.skins else {}
    return replace(
        Scene(name="probe", fps=scene.fps, frame_start=scene.frame_start),
        entities={id_: kept[id_] for id_ in entities if id_ in kept},
        meshes={part.key: part},
        skins=skins,
    )
