"""Who plays in a figure: the morphs and joints that its rig and its controls reach, found by name once.

What hangs below a figure is its own, and what hangs below a figure below it is the lower one's. Whatever a rig names
that is not there, or not below, is left still and said in a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from studio.scene.constraints import lineage
from studio.scene.entities import Constraint, Entity, Figure, Hinge, Id, MeshObject
from studio.scene.face_rules import MOST_CORRECTIVES, SIDES
from studio.scene.geometry import Mesh

Entities = Mapping[Id, Entity]


@dataclass(frozen=True, slots=True, eq=False)
class Cast:
    """What a figure moves: morphs by object as (morph, control), joints that can be turned, and what is amiss."""

    figure: Id
    morphs: tuple[tuple[Id, tuple[tuple[int, str], ...]], ...]
    shapes: frozenset[str]
    hinges: tuple[tuple[Id, tuple[Hinge, ...]], ...]
    head: Id
    neck: Id
    eyes: tuple[Id, Id]
    warnings: tuple[str, ...]


def lively(entities: Entities) -> bool:
    """Whether a figure moves by itself, without any animation."""
    return Figure in set(map(type, entities.values())) and any(
        isinstance(e, Figure) and e.idle > 0.0 for e in entities.values()
    )


def figure_of(entities: Entities, id_: Id) -> Id:
    """The figure that an entity belongs to: itself or the nearest above it; "" for none."""
    return next((i for i in lineage(entities, id_) if isinstance(entities[i], Figure)), "")


def driven_by_figures(entities: Entities, meshes: Mapping[str, Mesh]) -> list[tuple[Id, str]]:
    """Fields, by entity, that figures drive at one frame or another, besides materials."""
    out: dict[tuple[Id, str], None] = {}
    for cast in casts_of(entities, meshes):
        out |= dict.fromkeys((id_, "morph_weights") for id_, _ in cast.morphs)
        joints = dict.fromkeys(filter(None, (cast.neck, cast.head, *(joint for joint, _ in cast.hinges))))
        out |= dict.fromkeys((joint, name) for joint in joints for name in ("rotation", "translation"))
        out |= dict.fromkeys((joint, "rotation") for joint in cast.eyes if joint)
    return list(out)


def casts_of(entities: Entities, meshes: Mapping[str, Mesh]) -> tuple[Cast, ...]:
    """The cast of every figure; what hangs below a figure below a figure is the lower one's."""
    mine: dict[Id, list[Entity]] = {id_: [] for id_, e in entities.items() if isinstance(e, Figure)}
    owner: dict[Id, Id] = {id_: id_ for id_ in mine}
    for id_ in entities:
        walked = []
        at = id_
        while at in entities and at not in owner:
            owner[at] = ""  # until it is known, so that what hangs below itself ends here
            walked.append(at)
            at = entities[at].parent
        found = owner.get(at, "")
        owner.update(dict.fromkeys(walked, found))
        if found and found != id_:
            mine[found].append(entities[id_])
    return tuple(_cast(entities, id_, parts, meshes) for id_, parts in mine.items())


def _cast(entities: Entities, id_: Id, parts: list[Entity], meshes: Mapping[str, Mesh]) -> Cast:
    figure = entities[id_]
    assert isinstance(figure, Figure)
    rig = figure.rig
    driven = {*figure.controls, *(c.shape for c in rig.correctives[:MOST_CORRECTIVES])}
    driven |= {f"eyeBlink{side}" for side in SIDES}
    morphs: list[tuple[Id, tuple[tuple[int, str], ...]]] = []
    shapes: set[str] = set()
    for part in parts:
        mesh = meshes.get(part.mesh) if isinstance(part, MeshObject) else None
        named = tuple((i, m.name) for i, m in enumerate(mesh.morphs) if m.name in driven) if mesh is not None else ()
        if named:
            morphs.append((part.id, named))
            shapes.update(name for _, name in named)
    below = {part.id for part in parts if not isinstance(part, Constraint)}
    hinges: dict[Id, list[Hinge]] = {}
    for hinge in rig.hinges:
        if hinge.joint in below:
            hinges.setdefault(hinge.joint, []).append(hinge)
    wanted = (rig.head, rig.neck, rig.jaw, rig.left_eye, rig.right_eye, *(h.joint for h in rig.hinges))
    head, neck, left, right = (i if i in below else "" for i in (rig.head, rig.neck, rig.left_eye, rig.right_eye))
    return Cast(
        figure=id_,
        morphs=tuple(morphs),
        shapes=frozenset(shapes),
        hinges=tuple((joint, tuple(some)) for joint, some in hinges.items()),
        head=head,
        neck=neck,
        eyes=(left, right),
        warnings=_amiss(figure, [i for i in dict.fromkeys(wanted) if i and i not in below]),
    )


def _amiss(figure: Figure, lost: list[Id]) -> tuple[str, ...]:
    name, out = figure.name or figure.id, []
    if lost:
        shown = ", ".join(f'"{id_}"' for id_ in lost[:5]) + (" and more" if len(lost) > 5 else "")
        out.append(f'Joints of the figure "{name}" that do not hang below it stay still: {shown}.')
    if (many := len(figure.rig.correctives)) > MOST_CORRECTIVES:
        out.append(f'The figure "{name}" has {many} correctives; those after the first {MOST_CORRECTIVES} do nothing.')
    return tuple(out)
