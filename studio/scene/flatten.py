"""The waist: Scene -> FlatScene at a frame.

`flatten` resolves hierarchy, animation, mute and solo, units, instances and deformation into arrays. The viewport and
the tracer read a `FlatScene` and nothing else. A section that did not change since the last flatten keeps its
identity (`is`), so a consumer uploads only what is not the same object.

Identity comes in two steps. Each stage (tree, materials, objects, lights) keeps what it made in `FlatScene.cache` and
reads anew only the records that are not the same object. Whatever a stage did make anew is then compared with the
previous section by content, so that even a wholly different way to the same scene uploads nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from studio.scene.constraints import constrained
from studio.scene.entities import Camera, Entity, Id
from studio.scene.figure_casts import lively
from studio.scene.figures import Memo, acted
from studio.scene.flat import (
    CASTS_SHADOWS,
    INSTANCE,
    MOVES,
    SEEN_BY_CAMERA,
    SEEN_IN_REFLECTIONS,
    FlatCamera,
    FlatScene,
)
from studio.scene.flat_camera import find_camera, framing, resolve_camera
from studio.scene.flat_lights import Lamps, light_images, light_rows
from studio.scene.flat_links import Links, link_up
from studio.scene.flat_masters import dim
from studio.scene.flat_objects import Moment, Objects, place_objects
from studio.scene.flat_surfaces import Surfaces, pack_surfaces
from studio.scene.materials import Material
from studio.scene.pose import Posing, posing_of
from studio.scene.scene import Scene
from studio.scene.tree import Tree, grow

__all__ = [
    "CASTS_SHADOWS",
    "INSTANCE",
    "MOVES",
    "SEEN_BY_CAMERA",
    "SEEN_IN_REFLECTIONS",
    "FlatCamera",
    "FlatScene",
    "flatten",
]


@dataclass(frozen=True, slots=True, eq=False)
class Stages:
    """What the next flatten builds on: every stage's result, and the posing of the scene's tracks."""

    posing: Posing
    acting: tuple[Memo | None, ...]  # of figures at the frame, and at both ends of the shutter
    tree: Tree
    surfaces: Surfaces
    objects: Objects
    lamps: Lamps
    links: Links


def flatten(scene: Scene, frame: float, *, previous: FlatScene | None = None, camera: Id = "") -> FlatScene:
    """The scene at `frame` as a renderer reads it.

    `camera` (an id, or a name) overrides the scene's active camera, which is that of the timeline's cut at the frame
    where there is one. `previous` is an earlier result for this scene or any other: its sections are kept where they
    hold the same, and the work of making them is saved.
    Things that cannot be rendered (degenerate transforms, meshes with bad indices, lights without size) are left out
    and named in `warnings`; so are a missing camera or missing lights. Raises BadAsset for a camera that does not
    exist and for a light whose unit does not fit its kind.
    """
    # a number too large for its place becomes infinite, and what holds it is left out and named
    with np.errstate(over="ignore", invalid="ignore"):
        new = _flattened(scene, frame, previous.cache if previous is not None else None, camera)
    return new if previous is None else _keeping(new, previous)


def _flattened(scene: Scene, frame: float, before: Stages | None, camera: Id) -> FlatScene:
    posing = _posing(scene, before)
    acting = _Acting(scene, posing, before.acting if before else ())
    entities, materials, badly_acted = acting.at(frame, 0)
    entities, broken_rules = constrained(entities)
    tree = grow(entities, before.tree if before else None)
    chosen = find_camera(scene, entities, camera, frame)
    moment = _shutter(scene, frame, acting, tree, chosen)

    images = light_images(tree, scene.images, before.lamps if before else None)
    dimming = dim(tree)
    surfaces = pack_surfaces(scene, materials, images, dimming, before.surfaces if before else None)
    objects = place_objects(scene, moment, surfaces, dimming, before.objects if before else None)
    lamps = light_rows(scene.images, moment, images, surfaces, objects, before.lamps if before else None)
    links = link_up(tree, lamps, objects, before.links if before else None)

    warnings = [
        *posing.warnings,
        *badly_acted,
        *broken_rules,
        *tree.warnings(),
        *surfaces.warnings,
        *objects.warnings,
        *objects.pose_warnings,
        *lamps.warnings,
        *links.warnings,
    ]
    flat_camera = resolve_camera(chosen, moment)
    if flat_camera is None:
        flat_camera = framing(objects)
        warnings.append("There is no usable camera, so the scene was framed from above to the right; add a camera.")
    if not len(lamps.rows):
        warnings.append("There are no lights, so the picture will be black; add a light or an emissive material.")
    return FlatScene(
        frame=float(frame),
        fps=scene.fps,
        camera=flat_camera,
        meshes=objects.meshes,
        instances=links.instances,
        instance_materials=objects.materials,
        object_names=objects.names,
        materials=surfaces.rows,
        slots=surfaces.slots,
        material_names=surfaces.names,
        textures=surfaces.textures,
        lights=links.lights,
        light_names=lamps.names,
        light_groups=lamps.groups,
        light_links=links.light.links,
        shadow_links=links.shadow.links,
        portals=lamps.portals,
        light_ids=lamps.ids,
        warnings=tuple(warnings),
        cache=Stages(posing, acting.memos(), tree, surfaces, objects, lamps, links),
    )


def _posing(scene: Scene, before: Stages | None) -> Posing:
    """The tracks bound to their fields; kept while tracks, ids and kinds stay."""
    return posing_of(scene, before.posing if before is not None else None)


class _Acting:
    """Entities and materials of moments, animated and with figures acting; each moment builds on its own memory."""

    def __init__(self, scene: Scene, posing: Posing, memos: tuple[Memo | None, ...]) -> None:
        self.scene, self.posing = scene, posing
        self._memos: list[Memo | None] = [*memos] or [None, None, None]

    def at(self, frame: float, place: int) -> tuple[Mapping[Id, Entity], Mapping[Id, Material], tuple[str, ...]]:
        """The records at a frame; `place` is 0 for the frame itself, 1 and 2 for the ends of the shutter."""
        scene, memo = self.scene, self._memos[place]
        entities, materials = self.posing.at(scene, frame)
        entities, materials, warnings, self._memos[place] = acted(
            entities, materials, scene.meshes, frame, fps=scene.fps, memo=memo
        )
        return entities, materials, warnings

    def memos(self) -> tuple[Memo | None, ...]:
        """What the next flatten may build on."""
        return tuple(self._memos)


def _shutter(scene: Scene, frame: float, acting: _Acting, tree: Tree, camera: Camera | None) -> Moment:
    """The trees at shutter open and close; `tree` itself where nothing can differ from the frame."""
    if camera is None or not (scene.tracks or scene.strips or lively(scene.entities)):
        return Moment(tree, tree, tree)
    trees = []
    for place, offset in enumerate((camera.shutter_open, camera.shutter_close)):
        if offset == 0.0 or not np.isfinite(offset):
            trees.append(tree)
        else:
            trees.append(grow(constrained(acting.at(frame + offset, 1 + place)[0])[0], tree))
    opened, closed = trees
    return Moment(tree, opened, opened if camera.shutter_open == camera.shutter_close else closed)


_SECTIONS = (
    "instances",
    "instance_materials",
    "object_names",
    "materials",
    "slots",
    "material_names",
    "lights",
    "light_names",
    "light_groups",
    "light_links",
    "shadow_links",
    "portals",
    "light_ids",
    "warnings",
)


def _keeping(new: FlatScene, old: FlatScene) -> FlatScene:
    """`new` with the sections of `old` that hold the same."""
    kept: dict[str, Any] = {name: _kept(getattr(new, name), getattr(old, name)) for name in _SECTIONS}
    kept["camera"] = old.camera if new.camera.same(old.camera) else new.camera
    for name in ("meshes", "textures"):  # tuples of objects that are compared by identity
        mine, theirs = getattr(new, name), getattr(old, name)
        same = len(mine) == len(theirs) and all(a is b for a, b in zip(mine, theirs, strict=True))
        kept[name] = theirs if same else mine
    return FlatScene(frame=new.frame, fps=new.fps, cache=new.cache, **kept)


def _kept(new: Any, old: Any) -> Any:
    if new is old:
        return old
    if isinstance(new, tuple):
        return old if new == old else new
    return old if new.shape == old.shape and _bytes(new) == _bytes(old) else new


def _bytes(array: Any) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
