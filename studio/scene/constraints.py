"""Constraints: rules that place what they hang below, resolved after animation and before everything else.

`constrained` takes the entities of a moment and gives them back with the translation and rotation that their
constraints ask for, so that whoever comes after (the tree, renderers, tools, an edit) sees a plain scene and knows
nothing of rules. A scene without constraints gets its own mapping back.

What a constraint reads may itself be constrained, or hang below what is. So owners are resolved in the order in which
they need each other (R. Tarjan's strongly connected components, 1972). Whatever needs itself in a circle has no answer:
those constraints are left out and named, whichever of them comes first in the scene.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.scene.animation import slerp
from studio.scene.entities import CONSTRAINTS, Constraint, Entity, Id, Path
from studio.scene.paths import spline_of
from studio.scene.transforms import columns, local_matrices, quaternions, rigid, rotation_matrices, sound, units
from studio.scene.tree import listing

F64 = NDArray[np.float64]
_IDENTITY = np.eye(3, 4)
Entities = Mapping[Id, Entity]


def constrained(entities: Entities) -> tuple[Entities, tuple[str, ...]]:
    """The entities with their constraints carried out, and sentences about those that could not be.

    The same mapping where there is nothing to do. A hidden constraint is switched off; one of influence 0, or below
    or towards something that is not there, does nothing.
    """
    if Constraint not in set(map(type, entities.values())):
        return entities, ()
    plan = _planned(entities)
    if not plan.order:
        return entities, plan.warnings
    solver = _Solver(entities, plan)
    for batch in plan.batches():
        solver.apply(batch)
    warnings = list(plan.warnings)
    if solver.failed:
        warnings.append(f"Constraints that cannot be carried out here do nothing: {listing(solver.failed)}.")
    return ({**entities, **solver.changed} if solver.changed else entities), tuple(warnings)


def owners_of(entities: Entities) -> dict[Id, list[Constraint]]:
    """The constraints of every entity that has some, in the order of the outliner."""
    out: dict[Id, list[Constraint]] = {}
    for entity in entities.values():
        if isinstance(entity, Constraint) and entity.parent in entities:
            out.setdefault(entity.parent, []).append(entity)
    return out


def released(before: Entities, after: Entities) -> dict[Id, set[str]]:
    """Fields, by entity, that a constraint drove `before` and that stays with what it gave them `after` it went."""
    if before is after or Constraint not in set(map(type, before.values())):
        return {}
    gone = (e for id_, e in before.items() if isinstance(e, Constraint) and id_ not in after)
    return {c.parent: {"translation", "rotation"} for c in gone if c.parent in after}


def carried(shown: Entities, after: Entities) -> Entities:
    """What an edit made of the entities it was `shown`, where it moved something that a "parent" constraint carries:
    the constraint's offset is another then, so that it stays where it was put, and its own fields are as they were."""
    if shown is after or Constraint not in set(map(type, after.values())):
        return after
    out: dict[Id, Entity] = {}
    for owner, rules in owners_of(after).items():
        last = next((r for r in reversed(rules) if r.visible and r.influence > 0 and r.constraint != "look_at"), None)
        before, now = shown.get(owner), after[owner]
        if last is None or last.constraint != "parent" or last.influence < 1.0 or shown.get(last.id) is not last:
            continue
        if before is None or (before.translation, before.rotation) == (now.translation, now.rotation):
            continue
        world, target = _world_of(after, owner), _world_of(after, last.target)
        if before.parent == now.parent and sound(np.stack([world, target])).all():
            out[last.id] = msgspec.structs.replace(last, **parent_offset(world, target))
            out[owner] = msgspec.structs.replace(now, translation=before.translation, rotation=before.rotation)
    return {**after, **out} if out else after


def _world_of(entities: Entities, id_: Id) -> F64:
    """(3, 4) matrix of an entity to the world by its fields and those above it."""
    out = np.eye(4)
    for local in local_matrices([entities[i] for i in lineage(entities, id_)]):
        out = np.concatenate([local, [[0.0, 0.0, 0.0, 1.0]]]) @ out
    return out[:3]


def lineage(entities: Entities, id_: Id) -> list[Id]:
    """An entity and all above it, from the bottom up; what hangs below itself ends where it would begin again."""
    out: list[Id] = []
    seen: set[Id] = set()
    while id_ in entities and id_ not in seen:
        seen.add(id_)
        out.append(id_)
        id_ = entities[id_].parent
    return out


# --- the order of things ---------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Plan:
    order: list[Id]  # owners, each after all that it needs
    rules: dict[Id, list[Constraint]]
    needs: Mapping[Id, list[Id]]  # by owner, the owners that must be resolved before
    warnings: tuple[str, ...]

    def batches(self) -> Iterator[list[Constraint]]:
        """Constraints of one kind that can be carried out together, in their order."""
        level: dict[Id, int] = {}
        levels: list[list[Id]] = []
        for owner in self.order:
            level[owner] = at = max((level[i] + 1 for i in self.needs[owner]), default=0)
            if at == len(levels):
                levels.append([])
            levels[at].append(owner)
        for owners in levels:
            for turn in range(max(len(self.rules[o]) for o in owners)):
                now = [self.rules[o][turn] for o in owners if turn < len(self.rules[o])]
                for kind in CONSTRAINTS:
                    if some := [rule for rule in now if rule.constraint == kind]:
                        yield some


def _planned(entities: Entities) -> _Plan:
    aimless: list[Entity] = []
    rules: dict[Id, list[Constraint]] = {}
    for entity in entities.values():
        if not isinstance(entity, Constraint) or not entity.visible or not entity.influence > 0.0:
            continue
        owner, target = entities.get(entity.parent), entities.get(entity.target)
        fits = isinstance(target, Path) if entity.constraint == "follow_path" else target is not None
        if owner is None or isinstance(owner, Constraint) or isinstance(target, Constraint) or not fits:
            aimless.append(entity)
        else:
            rules.setdefault(owner.id, []).append(entity)
    warnings = []
    if aimless:
        warnings.append(f"Constraints without a target that they can use do nothing: {listing(aimless)}.")
    nearest = _Nearest(entities, rules)
    wanted = {c.id: nearest(c.target) for listed in rules.values() for c in listed}

    def graph() -> dict[Id, list[Id]]:
        return {
            o: [i for i in (nearest(entities[o].parent), *(wanted[c.id] for c in listed)) if i]
            for o, listed in rules.items()
        }

    needs = graph()
    order, component = _components(needs)
    circular = [
        c for o, listed in rules.items() for c in listed if wanted[c.id] and component[wanted[c.id]] == component[o]
    ]
    if circular:
        left_out = {c.id for c in circular}
        rules = {o: [c for c in listed if c.id not in left_out] for o, listed in rules.items()}
        needs = graph()
        order = _components(needs)[0]
        warnings.append(f"Constraints that need each other in a circle do nothing: {listing(circular)}.")
    return _Plan(order, rules, needs, tuple(warnings))


class _Nearest:
    """Finds the first owner among an entity and all above it, each entity walked over once."""

    def __init__(self, entities: Entities, rules: Mapping[Id, list[Constraint]]) -> None:
        self._entities, self._found = entities, {owner: owner for owner in rules}

    def __call__(self, id_: Id) -> Id:
        walked: list[Id] = []
        while id_ in self._entities and id_ not in self._found:
            self._found[id_] = ""  # what hangs below itself comes by here again and has no owner above
            walked.append(id_)
            id_ = self._entities[id_].parent
        owner = self._found.get(id_, "")
        self._found.update(dict.fromkeys(walked, owner))
        return owner


def _components(graph: Mapping[Id, list[Id]]) -> tuple[list[Id], dict[Id, int]]:
    """Nodes, each after those that it points to, and the strongly connected component of each."""
    order: list[Id] = []
    component: dict[Id, int] = {}
    index: dict[Id, int] = {}
    low: dict[Id, int] = {}
    stack: list[Id] = []
    for root in graph:
        if root in index:
            continue
        work = [(root, iter(graph[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        while work:
            node, rest = work[-1]
            following = next(rest, None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    while True:
                        member = stack.pop()
                        component[member] = index[node]
                        order.append(member)
                        if member == node:
                            break
            elif following not in index:
                index[following] = low[following] = len(index)
                stack.append(following)
                work.append((following, iter(graph[following])))
            elif following not in component:
                low[node] = min(low[node], index[following])
    return order, component


# --- carrying out ----------------------------------------------------------------------------------------------------
class _Solver:
    """World matrices of what the plan reads, and the entities that it changed so far."""

    def __init__(self, entities: Entities, plan: _Plan) -> None:
        self.entities = entities
        self.changed: dict[Id, Entity] = {}
        self.failed: list[Entity] = []
        self._world: dict[Id, F64] = {}
        read: dict[Id, None] = {}
        for id_ in (*plan.order, *(c.target for listed in plan.rules.values() for c in listed)):
            while id_ in entities and id_ not in read:
                read[id_] = None
                id_ = entities[id_].parent
        self._local = dict(zip(read, local_matrices([entities[i] for i in read]), strict=True))

    def world(self, id_: Id) -> F64:
        """(3, 4) matrix of an entity to the world, as it stands by now; the identity for what is not there."""
        above: dict[Id, None] = {}
        while (out := self._world.get(id_)) is None and id_ in self._local and id_ not in above:
            above[id_] = None
            id_ = self.entities[id_].parent
        for one in reversed(above):
            local = self._local[one]
            if out is not None:
                local = out[:, :3] @ local
                local[:, 3] += out[:, 3]
            out = self._world[one] = local
        return _IDENTITY if out is None else out

    def apply(self, rules: Sequence[Constraint]) -> None:
        """Carry out constraints of one kind and of different owners; one that has no answer is noted and leaves its
        owner where it is."""
        owners = [rule.parent for rule in rules]
        held = [self.changed.get(o, self.entities[o]) for o in owners]
        above, world, target = (
            np.stack([self.world(i) for i in ids])
            for ids in ([e.parent for e in held], owners, [rule.target for rule in rules])
        )
        with np.errstate(all="ignore"):
            good = sound(above) & sound(world)
            now = rigid(world)
            then = _RULES[rules[0].constraint](rules, [self.entities[rule.target] for rule in rules], target, now)
            good &= np.isfinite(then).all(axis=(1, 2))
        self.failed += [rule for rule, fine in zip(rules, good.tolist(), strict=True) if not fine]
        rows = np.flatnonzero(good).tolist()
        if not rows:
            return
        influence = np.array([min(rules[i].influence, 1.0) for i in rows])
        then = _blended(now[rows], then[rows], influence)
        moves = rules[0].constraint != "look_at"
        stood = stand_each([held[i] for i in rows], above[rows], then, moves=moves)
        for entity, local in zip(stood, local_matrices(stood), strict=True):
            self.changed[entity.id] = entity
            self._local[entity.id] = local
            del self._world[entity.id]


def _look_at(rules: Sequence[Constraint], targets: Sequence[Entity], at: F64, now: F64) -> F64:
    """-z towards where the target stands, y up, then rolled against the clock as seen from behind."""
    way = now[:, :, 3] - at[:, :, 3]
    far = np.linalg.norm(way, axis=1)
    near = ~(far > 1e-9 * (1.0 + np.abs(now[:, :, 3]).max(axis=1)))
    out = now.copy()
    out[:, :, :3] = _facing(way / far[:, None]) @ _rolls(rules)
    out[near] = np.nan
    return out


def _follow_path(rules: Sequence[Constraint], targets: Sequence[Entity], at: F64, now: F64) -> F64:
    """On the path at a fraction of its length in the world; `offset_translation` is along the path's own axes, or
    right, up and back of the way where it turns."""
    out = np.full(now.shape, np.nan)
    by_path: dict[Id, list[int]] = {}
    for row, target in enumerate(targets):
        by_path.setdefault(target.id, []).append(row)
    rolls, offsets = _rolls(rules), np.array([rule.offset_translation for rule in rules])
    for listed in by_path.values():
        rows, path = np.array(listed), targets[listed[0]]
        assert isinstance(path, Path)
        world = at[listed[0]]
        spline = spline_of(path)
        if spline is None or not np.isfinite(world).all():
            continue
        linear = world[:, :3]
        square = linear.T @ linear
        if np.abs(square - square[0, 0] * np.eye(3)).max() > 1e-9 * max(square[0, 0], 1e-30):
            spline = spline.stretched(linear)  # stretched unevenly, lengths are others in the world
            linear = np.eye(3)
        progress = np.array([rules[row].progress for row in listed])
        way = spline.tangents(progress) @ linear.T
        length = np.linalg.norm(way, axis=1)
        turns = np.array([rules[row].turn for row in listed]) & (spline.length > 0) & (length > 1e-12)
        along = _facing(-way / length[:, None])
        axes = np.where(turns[:, None, None], along, world[:, :3])
        out[rows, :, :3] = np.where(turns[:, None, None], along, now[rows, :, :3]) @ rolls[rows]
        out[rows, :, 3] = spline.at(progress) @ linear.T + world[:, 3] + (axes @ offsets[rows, :, None])[:, :, 0]
    return out


def _parent(rules: Sequence[Constraint], targets: Sequence[Entity], at: F64, now: F64) -> F64:
    """The target's world matrix times the offset; the target's scale moves the owner and does not size it."""
    out: F64 = rigid(at)
    out[:, :, :3] = out[:, :, :3] @ rotation_matrices(np.array([rule.offset_rotation for rule in rules]))
    offsets = np.array([rule.offset_translation for rule in rules])
    out[:, :, 3] = (at[:, :, :3] @ offsets[:, :, None])[:, :, 0] + at[:, :, 3]
    out[~sound(at)] = np.nan
    return out


_RULES = {"look_at": _look_at, "follow_path": _follow_path, "parent": _parent}


def parent_offset(world: F64, target: F64) -> dict[str, tuple[float, ...]]:
    """Offset fields of a "parent" constraint that leaves what stands at `world` (3, 4) where it is; `target` must be
    `sound`."""
    turn = rigid(target[None])[0][:, :3].T @ rigid(world[None])[0][:, :3]
    translation = np.linalg.solve(target[:, :3], world[:, 3] - target[:, 3])
    return {
        "offset_translation": tuple(translation.tolist()),
        "offset_rotation": tuple(quaternions(turn[None])[0].tolist()),
    }


def stand(entity: Entity, above: F64, world: F64) -> Entity:
    """The entity turned and moved so that its place and look are a rigid matrix (3, 4) of the world, `above` (3, 4)
    being that of its parent; its scale and shear stay."""
    return stand_each([entity], above[None], world[None])[0]


def stand_each(entities: Sequence[Entity], above: F64, world: F64, *, moves: bool = True) -> list[Entity]:
    """Like `stand`, for matrices (n, 3, 4); without `moves` they are turned alone."""
    n = len(entities)
    down = np.linalg.inv(above[:, :, :3])
    # what is scaled to its mirror image looks the other way
    signs = np.where(columns(map(attrgetter("scale"), entities), n, 3) < 0, -1.0, 1.0)
    axes = down @ (world[:, :, :3] * signs[:, None, :])
    z = units(axes[:, :, 2])
    y = axes[:, :, 1]
    y = units(y - z * np.einsum("ij,ij->i", z, y)[:, None])
    rotations = map(tuple, quaternions(np.stack([np.cross(y, z), y, z], axis=2)).tolist())
    replaced = msgspec.structs.replace
    if not moves:
        return [replaced(e, rotation=r) for e, r in zip(entities, rotations, strict=True)]
    places = map(tuple, (down @ (world[:, :, 3] - above[:, :, 3])[:, :, None])[:, :, 0].tolist())
    both = zip(entities, places, rotations, strict=True)
    return [replaced(e, translation=t, rotation=r) for e, t, r in both]


# --- turning ---------------------------------------------------------------------------------------------------------
def _facing(z: F64) -> F64:
    """Axes (n, 3, 3), as columns, of what looks along -z for unit z (n, 3): y up; as `look_at` where there is no up."""
    x = np.stack([z[:, 2], np.zeros(len(z)), -z[:, 0]], axis=1)  # up cross z
    steep = np.einsum("ij,ij->i", x, x) < 1e-18
    x[steep] = np.cross((0.0, 0.0, 1.0), z[steep])
    x = units(x)
    return np.stack([x, np.cross(z, x), z], axis=2)


def _rolls(rules: Sequence[Constraint]) -> F64:
    """(n, 3, 3) turns about their own z."""
    angle = np.radians([rule.roll_deg for rule in rules])
    out = np.zeros((len(rules), 3, 3))
    out[:, 0, 0] = out[:, 1, 1] = np.cos(angle)
    out[:, 1, 0], out[:, 0, 1] = np.sin(angle), -np.sin(angle)
    out[:, 2, 2] = 1.0
    return out


def _blended(now: F64, then: F64, influence: F64) -> F64:
    """Rigid matrices (n, 3, 4) the part `influence` (n,) of the way from some to others, turning the short way."""
    part = np.flatnonzero(influence < 1.0)
    if not len(part):
        return then
    out, u = then.copy(), influence[part]
    turn = slerp(quaternions(now[part, :, :3]), quaternions(then[part, :, :3]), u)
    out[part, :, :3] = rotation_matrices(turn)
    out[part, :, 3] = now[part, :, 3] + (then[part, :, 3] - now[part, :, 3]) * u[:, None]
    return out
