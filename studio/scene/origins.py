"""Why a value is so: the steps from a field's default to what is seen at a frame.

What an artist sees in a cell has up to five fathers: the default, what was set, a curve, strips over it, a constraint;
and whether a light shines at all, and how strongly, is also said by the groups above it and by what is soloed anywhere.
`origin` tells them in the order in which they act, each with the entity or track to look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from studio.scene import constraints
from studio.scene.animation import evaluate
from studio.scene.entities import Entity, Group, Id
from studio.scene.keyed_edit import posed
from studio.scene.keying import keyed
from studio.scene.lights import Light
from studio.scene.mixing import in_order
from studio.scene.pose import split_track
from studio.scene.scene import Scene
from studio.scene.schema import fields

DEFAULT, SET, CURVE, KEYED = "default", "set", "curve", "key"
STRIP, CONSTRAINT, MASTER, MUTED, HIDDEN, SOLO, OTHERS = (
    "strip", "constraint", "master", "muted", "hidden", "solo", "others"
)  # fmt: skip
MEANINGLESS, UNUSED, LINKED = "meaningless", "unused", "linked"
_STRENGTH = ("intensity", "exposure", "unit", "strength")
_COLOURED = ("color", "temperature_k", "use_temperature")
_PLACED = ("translation", "rotation", "scale", "shear")


@dataclass(frozen=True, slots=True)
class Step:
    """One cause. `kind` is one of this module's words; `id` the entity, material or strip that it is (for `curve` and
    `key` its track); `value` what the field is after it: stops or a tint for a `master`, a number of others for
    `others`, the kind of light for `meaningless`."""

    kind: str
    value: Any = None
    id: Id = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """The causes of a field's value, in the order in which they act."""

    id: Id
    field: str
    value: Any
    steps: tuple[Step, ...]

    @property
    def last(self) -> Step:
        """What decides."""
        return self.steps[-1]


def origin(scene: Scene, id_: Id, field: str, frame: float) -> Origin:
    """Why a field of an entity or material has its value at a frame.

    For the switches and the strength of lights, what is above them counts too. Raises BadAsset for an id that is not in
    the scene, or a field that it does not have.
    """
    record = scene.get(id_)
    info = fields(type(record)).get(field)
    if info is None:
        scene.replace(id_, **{field: None})  # raises: there is no such field
        raise AssertionError(field)
    stored, seen = getattr(record, field), getattr(posed(scene, frame).get(id_), field)
    steps = [Step(DEFAULT, info.default)]
    if stored != info.default:
        steps.append(Step(SET, stored, id_))
    steps += _moved(scene, id_, field, frame, stored)
    if field in _PLACED:
        steps += [
            Step(CONSTRAINT, seen, rule.id, rule.name) for rule in constraints.owners_of(scene.entities).get(id_, ())
        ]
    if isinstance(record, Light):
        if not info.means_something(record):
            steps.append(Step(MEANINGLESS, record.light))
        elif field == "temperature_k" and not record.use_temperature:
            steps.append(Step(UNUSED, False))
        elif field in ("light_links", "shadow_links") and getattr(record, field.removesuffix("s") + "_mode") == "all":
            steps.append(Step(LINKED, "all"))
    if isinstance(record, Entity):
        steps += above(posed(scene, frame), record.id, field)
    return Origin(id_, field, seen, tuple(steps))


def _moved(scene: Scene, id_: Id, field: str, frame: float, stored: Any) -> Iterator[Step]:
    """Curves and strips that drive a field at a frame."""
    mine = [name for name in scene.tracks if split_track(name)[:2] == (id_, field)]
    for name in mine:
        row = evaluate(scene.tracks[name], [frame])[0]
        value = float(row[0]) if len(row) == 1 else tuple(row.tolist())
        kind = KEYED if keyed(scene, id_, name.rpartition(".")[2], frame) == "key" else CURVE
        yield Step(kind, value, name, field)
    for strip in in_order(list(scene.strips.values())):
        clip = scene.clips.get(strip.clip)
        if clip is None or strip.time_at(frame) is None:
            continue
        if any(split_track(name)[:2] == (id_, field) for name in clip.tracks):
            yield Step(STRIP, strip.weight, strip.id, strip.name or clip.name)


def above(scene: Scene, id_: Id, field: str) -> Iterator[Step]:
    """What is added to a field of an entity by the groups above it, in a posed scene: masters, and whether it counts
    at all. An object that glows asks with the fields of lights, "intensity" and "color"."""
    groups = list(lineage(scene, id_))
    for group in groups:
        if not isinstance(group, Group):
            continue
        if field in _STRENGTH and group.exposure != 0.0:
            yield Step(MASTER, group.exposure, group.id, group.name or group.id)
        if field in (*_STRENGTH, *_COLOURED) and group.tint != (1.0, 1.0, 1.0):
            yield Step(MASTER, group.tint, group.id, group.name or group.id)
    me = scene.entities[id_]
    if not isinstance(me, (Light, Group)) and field != "visible":
        return
    chain = (me, *groups)
    for each in chain if field != "visible" else groups:
        if not each.visible:
            yield Step(HIDDEN, True, each.id, each.name or each.id)
    if field == "visible":
        return
    for each in chain if field not in ("muted",) else groups:
        if getattr(each, "muted", False):
            yield Step(MUTED, True, each.id, each.name or each.id)
    soloed = [e for e in scene.entities.values() if getattr(e, "solo", False)]
    if not soloed:
        return
    mine = [each for each in chain if getattr(each, "solo", False)]
    if mine:
        above = [each for each in mine if each.id != id_ or field != "solo"]
        yield from (Step(SOLO, True, each.id, each.name or each.id) for each in above)
    else:
        named = ", ".join(e.name or e.id for e in soloed[:3]) + (", …" if len(soloed) > 3 else "")
        yield Step(OTHERS, len(soloed), soloed[0].id, named)


def lineage(scene: Scene, id_: Id) -> Iterator[Entity]:
    """What an entity hangs below, the nearest first; ends at the top or where it comes round to itself."""
    return (scene.entities[above] for above in constraints.lineage(scene.entities, id_)[1:])
