"""Figures that act: what hangs below a `Figure`, with its expression, gaze and idle life carried out.

`acted` takes the entities and materials of a moment and gives them back with the morphs of the figure's meshes set by
the names of its controls, its joints turned and its wrinkles brought out. It comes after animation and before
constraints, so that whoever follows (the tree, renderers, tools) sees plain objects and joints and knows nothing of
faces. A scene without figures gets its own mappings back, and what did not change since the last time stays the same
object.

Nothing here looks at the frame before: the face at frame 900 is a function of the scene and the number 900.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import is_not
from typing import Any

import msgspec
import numpy as np

from studio.scene.constraints import constrained, lineage
from studio.scene.entities import Entity, Figure, Id, MeshObject
from studio.scene.face_rules import (
    LEAST,
    MOST,
    SIDES,
    Face,
    Gaze,
    agreeing,
    gaze_of,
    looking,
    said,
    shaped,
    within,
    wrinkled,
)
from studio.scene.figure_binds import bound
from studio.scene.figure_casts import Cast, casts_of
from studio.scene.geometry import Mesh
from studio.scene.idle_life import STILL, Life, life_at
from studio.scene.materials import Material
from studio.scene.transforms import F64, local_matrices
from studio.scene.turns import UNTURNED, Quat, Vec3, about, conjugate, product, rotated, unit

Entities = Mapping[Id, Entity]
Materials = Mapping[Id, Material]
_NECK_SHARE = 0.4  # of a turn of the head, where there is a neck
_AWAY_DEG = (110.0, 160.0)  # a target this far aside is followed less, and then not at all
_WIDEST_DEG = 60.0  # beyond which a gaze is only stopped, whichever way it would go


@dataclass(frozen=True, slots=True, eq=False)
class Memo:
    """What was made the last time, and of what: handed back to `acted` it saves the making."""

    entities: Entities
    materials: Materials
    listed: list[Entity]
    ids: list[Id]
    meshes: Mapping[str, Mesh]
    casts: tuple[Cast, ...]
    made: Mapping[Id, tuple[Any, Any]]  # by id, a record as it came and as it was made
    acted: tuple[Entities, Materials]


def weights_of(figure: Figure, frame: float, fps: float) -> dict[str, float]:
    """Weights of morphs by name, after blinks, lids, lips and correctives, as far as the figure alone decides them:
    a target that it looks at is not known here."""
    life = _life(figure, frame, fps)
    return dict(_face(figure, said(figure, life), life, None, None).shapes)


def acted(
    entities: Entities,
    materials: Materials,
    meshes: Mapping[str, Mesh],
    frame: float,
    *,
    fps: float,
    memo: Memo | None = None,
) -> tuple[Entities, Materials, tuple[str, ...], Memo | None]:
    """Entities and materials with all figures carried out at a frame, sentences about what could not be, and what the
    next call may build on. The same mappings where nothing is moved."""
    listed = list(entities.values())
    if Figure not in set(map(type, listed)):
        return entities, materials, (), None
    follows = memo is not None and _follows(memo, entities, listed, meshes)
    casts = memo.casts if memo is not None and follows else casts_of(entities, meshes)
    stage = _Stage(entities, materials)
    actors = [_Actor(stage, cast, frame, fps) for cast in casts]
    for actor in actors:
        actor.stand()
    for actor in actors:
        actor.look()
    for actor in actors:
        actor.act()
    made = stage.made(memo.made if memo is not None else {})
    new = (_merged(entities, made), _merged(materials, made))
    if memo is not None:
        new = _kept(new, memo, made, entities is memo.entities, materials is memo.materials)
    warnings = tuple(w for actor in actors for w in (*actor.cast.warnings, *actor.warnings))
    ids = memo.ids if memo is not None and follows else list(entities)
    return *new, warnings, Memo(entities, materials, listed, ids, meshes, casts, made, new)


def _merged(source: Any, made: Mapping[Id, tuple[Any, Any]]) -> Any:
    """The records of a section with those that were made in their places; itself where there are none."""
    changed = {id_: new for id_, (base, new) in made.items() if new is not base and id_ in source}
    return {**source, **changed} if changed else source


def _kept(
    new: tuple[Entities, Materials], memo: Memo, made: Mapping[Id, tuple[Any, Any]], entities: bool, materials: bool
) -> tuple[Entities, Materials]:
    """Both sections, those of the last time where they were made of the same ones and hold the same."""
    same = made.keys() == memo.made.keys() and all(pair[1] is memo.made[id_][1] for id_, pair in made.items())
    return (memo.acted[0] if same and entities else new[0]), (memo.acted[1] if same and materials else new[1])


def _follows(memo: Memo, entities: Entities, listed: list[Entity], meshes: Mapping[str, Mesh]) -> bool:
    """Whether the casts of a memo are still those of the entities."""
    if memo.meshes is not meshes or len(listed) != len(memo.listed):
        return False
    if entities is memo.entities:
        return True
    if list(entities) != memo.ids:
        return False
    differs = [i for i, other in enumerate(map(is_not, listed, memo.listed)) if other]
    return all(_same_part(memo.listed[i], listed[i]) for i in differs)


def _same_part(old: Entity, new: Entity) -> bool:
    """Whether a record plays the part that it did, wherever it stands."""
    if type(old) is not type(new) or old.parent != new.parent:
        return False
    if isinstance(old, MeshObject) and isinstance(new, MeshObject):
        return old.mesh == new.mesh
    if isinstance(old, Figure) and isinstance(new, Figure):
        return old.rig is new.rig and old.controls is new.controls and old.name == new.name
    return True


# --- acting ----------------------------------------------------------------------------------------------------------
class _Stage:
    """The records of a moment with what has been made of them so far."""

    def __init__(self, entities: Entities, materials: Materials) -> None:
        self.source, self.source_materials = entities, materials
        self._now: dict[Id, Entity] = {}
        self._surfaces: dict[Id, Material] = {}
        self._resolved: Entities | None = None

    def get(self, id_: Id) -> Entity:
        """An entity as it stands by now."""
        return self._now.get(id_) or self.source[id_]

    def put(self, id_: Id, **values: Any) -> None:
        """Set fields of an entity."""
        self._now[id_] = msgspec.structs.replace(self.get(id_), **values)

    def surface(self, id_: Id) -> Material | None:
        """A material as it is by now."""
        return self._surfaces.get(id_) or self.source_materials.get(id_)

    def paint(self, id_: Id, material: Material) -> None:
        """Put a material in the place of that with its id."""
        self._surfaces[id_] = material

    def world(self, id_: Id) -> F64:
        """(4, 4) of an entity to the world, with what has been turned so far and with constraints as they are before
        figures act."""
        if self._resolved is None:
            self._resolved = constrained(self.source)[0]
        out = np.eye(4)
        for i in lineage(self._resolved, id_):
            local = np.eye(4)
            local[:3] = local_matrices([self._now.get(i) or self._resolved[i]])[0]
            out = local @ out
        return out

    def made(self, earlier: Mapping[Id, tuple[Any, Any]]) -> dict[Id, tuple[Any, Any]]:
        """Records that were made, with what they were made of; those of `earlier` where they are the same."""
        out: dict[Id, tuple[Any, Any]] = {}
        parts: tuple[tuple[Mapping[Id, Any], Mapping[Id, Any]], ...] = (
            (self.source, self._now),
            (self.source_materials, self._surfaces),
        )
        for source, new in parts:
            for id_, record in new.items():
                base, before = source[id_], earlier.get(id_)
                if record == base:
                    record = base
                elif before is not None and before[0] is base and before[1] == record:
                    record = before[1]
                out[id_] = (base, record)
        return out


class _Actor:
    """One figure at one moment."""

    def __init__(self, stage: _Stage, cast: Cast, frame: float, fps: float) -> None:
        figure = stage.source[cast.figure]
        assert isinstance(figure, Figure)
        self.stage, self.cast, self.figure = stage, cast, figure
        self.warnings: list[str] = []
        if not all(map(math.isfinite, figure.expression)):
            self.warnings.append(f'Weights of the figure "{figure.name or figure.id}" that are no numbers count as 0.')
        self.life = _life(figure, frame, fps)
        self.said = said(figure, self.life)
        self.face = _face(figure, self.said, self.life, None, cast.shapes)

    def stand(self) -> None:
        """Turn head and neck, and the joints that controls move."""
        stage, cast, figure = self.stage, self.cast, self.figure
        turn = [t if math.isfinite(t) else 0.0 for t in figure.head_turn]
        down, left, roll = (a + b for a, b in zip(turn, self.life.head_deg, strict=True))
        share = _NECK_SHARE if cast.neck and cast.head else 1.0
        for joint, part in ((cast.neck, share), (cast.head, 1.0 - share if cast.neck else 1.0)):
            if joint and (down or left or roll or self.life.lift_m):
                axes = self._axes(joint)
                by = product(
                    product(about((0.0, 1.0, 0.0), left * part), about((1.0, 0.0, 0.0), down * part)),
                    about((0.0, 0.0, 1.0), roll * part),
                )
                by = product(product(conjugate(axes), by), axes)
                values: dict[str, Any] = {"rotation": product(by, unit(stage.get(joint).rotation))}
                if self.life.lift_m and joint == (cast.neck or cast.head):
                    up = rotated(conjugate(axes), (0.0, self.life.lift_m, 0.0))
                    values["translation"] = _sum(stage.get(joint).translation, up)
                stage.put(joint, **values)
        self._stood = {joint: stage.get(joint) for joint, _ in cast.hinges}
        self._hinge()

    def _axes(self, joint: Id) -> Quat:
        """The turn from the space of a joint's parent to that of the figure, as the records came."""
        out = UNTURNED
        for id_ in lineage(self.stage.source, joint)[1:]:
            if id_ == self.cast.figure:
                break
            out = product(unit(self.stage.source[id_].rotation), out)
        return out

    def _hinge(self) -> None:
        for joint, hinges in self.cast.hinges:
            stood = self._stood[joint]
            rotation, place = unit(stood.rotation), stood.translation
            for hinge in hinges:
                weight = self.face.controls.get(hinge.control, 0.0)
                numbers = (*hinge.axis, *hinge.shift, hinge.angle_deg)
                if not weight or not all(map(math.isfinite, numbers)):
                    continue
                rotation = product(about(hinge.axis, hinge.angle_deg * weight), rotation)
                place = _sum(place, tuple(s * weight for s in hinge.shift))
            if rotation != unit(stood.rotation) or place != stood.translation:
                self.stage.put(joint, rotation=rotation, translation=place)

    def look(self) -> None:
        """Let the eyes follow what the figure looks at; the lids and the eyeLook shapes with them."""
        figure, rig = self.figure, self.figure.rig
        by = min(max(figure.look_weight, 0.0), 1.0) if math.isfinite(figure.look_weight) else 0.0
        if not figure.look_at or by == 0.0:
            return
        if figure.look_at not in self.stage.source:
            self.warnings.append(f'What the figure "{figure.name or figure.id}" looks at is not in the scene.')
            return
        target = self.stage.world(figure.look_at)[:3, 3]
        looks = []
        for side, joint, now in zip(SIDES, self.cast.eyes, self.face.gaze, strict=True):
            aim = self._aimed(joint, target) if joint else None
            if aim is not None:
                aim = Gaze(aim.left_deg + self.life.left_deg, aim.down_deg + self.life.down_deg)
                aim = within(aim, rig, side)
                left, down = now.left_deg - self.life.left_deg, now.down_deg - self.life.down_deg
                now = Gaze(left + (aim.left_deg - left) * by, down + (aim.down_deg - down) * by)
            looks.append(now)
        self.face = _face(figure, self.said, self.life, (looks[0], looks[1]), self.cast.shapes)
        if any(h.control.startswith("eyeLook") for _, hinges in self.cast.hinges for h in hinges):
            for joint, stood in self._stood.items():
                self.stage.put(joint, rotation=stood.rotation, translation=stood.translation)
            self._hinge()

    def _aimed(self, joint: Id, target: F64) -> Gaze | None:
        """The angles at which an eye sees a point of the world; None where there is no telling."""
        world = self.stage.world(joint)
        with np.errstate(all="ignore"):
            try:
                x, y, z = (np.linalg.inv(world[:3, :3]) @ (target - world[:3, 3])).tolist()
            except np.linalg.LinAlgError:
                return None
        if not all(map(math.isfinite, (x, y, z))) or math.hypot(x, y, z) < 1e-6:
            return None
        left, down = math.degrees(math.atan2(x, z)), math.degrees(math.atan2(-y, math.hypot(x, z)))
        aside = math.degrees(math.acos(min(max(z / math.hypot(x, y, z), -1.0), 1.0)))
        near, far = _AWAY_DEG
        t = min(max((far - aside) / (far - near), 0.0), 1.0)
        fade = t * t * (3.0 - 2.0 * t)
        return Gaze(min(max(left, -_WIDEST_DEG), _WIDEST_DEG) * fade, min(max(down, -_WIDEST_DEG), _WIDEST_DEG) * fade)

    def act(self) -> None:
        """Turn the eyes, set the morphs and bring out the wrinkles."""
        stage, face = self.stage, self.face
        for joint, gaze in zip(self.cast.eyes, face.gaze, strict=True):
            if joint and (gaze.left_deg or gaze.down_deg):
                turn = product(about((0.0, 1.0, 0.0), gaze.left_deg), about((1.0, 0.0, 0.0), gaze.down_deg))
                stage.put(joint, rotation=product(unit(stage.get(joint).rotation), turn))
        for id_, named in self.cast.morphs:
            object_ = stage.get(id_)
            assert isinstance(object_, MeshObject)
            weights = list(object_.morph_weights)
            weights += [0.0] * (named[-1][0] + 1 - len(weights))
            for row, name in named:
                weights[row] = min(max(face.shapes.get(name, 0.0), LEAST), MOST)
            if tuple(weights) != object_.morph_weights and (any(weights) or any(object_.morph_weights)):
                stage.put(id_, morph_weights=tuple(weights))
        self._colour()

    def _colour(self) -> None:
        rig, stage = self.figure.rig, self.stage
        if rig.materials:
            now = {b.material: m for b in rig.materials if (m := stage.surface(b.material)) is not None}
            for id_, material in bound(now, rig, self.face.controls).items():
                stage.paint(id_, material)
        shown: dict[tuple[Id, int], float] = {}
        for wrinkle in rig.wrinkles:
            if wrinkle.slot in (1, 2, 3):
                key = (wrinkle.material, wrinkle.slot)
                shown[key] = min(shown.get(key, 0.0) + wrinkled(wrinkle, self.face.shapes), 1.0)
        for (id_, slot), amount in shown.items():
            surface, name = stage.surface(id_), f"wrinkle_{slot}"
            if surface is not None and amount > getattr(surface, name):  # two figures may wear one skin
                stage.paint(id_, msgspec.structs.replace(surface, **{name: amount}))


def _life(figure: Figure, frame: float, fps: float) -> Life:
    if not figure.idle > 0.0 or not math.isfinite(frame):
        return STILL
    seconds = frame / fps if math.isfinite(fps) and fps > 0.0 else frame / 24.0
    return life_at(seconds, figure.idle_seed, figure.idle, held=figure.look_weight if figure.look_at else 0.0)


def _face(
    figure: Figure,
    controls: Mapping[str, float],
    life: Life,
    gaze: tuple[Gaze, Gaze] | None,
    shapes: frozenset[str] | None,
) -> Face:
    """The face by what is said of it, and by a gaze in place of that of its own."""
    found = gaze or gaze_of(controls, figure.rig, life)
    if gaze is not None or life.left_deg or life.down_deg:
        controls = looking(controls, found, figure.rig)
    controls = agreeing(controls)
    return Face(controls, shaped(controls, found, figure, shapes), found)


def _sum(a: Iterable[float], b: Iterable[float]) -> Vec3:
    x, y, z = (p + q for p, q in zip(a, b, strict=True))
    return x, y, z
