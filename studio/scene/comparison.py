"""How one scene differs from another, in numbers that a person can use: what came, what went, what changed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from studio.scene.entities import Camera, Group, MeshObject
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene

KINDS = ("lights", "objects", "cameras", "groups", "materials", "others", "keys")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Numbers by kind (`KINDS`) of what is only in the second scene, only in the first, and not the same in both."""

    added: Counter[str]
    removed: Counter[str]
    changed: Counter[str]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def compare(first: Scene, second: Scene) -> Comparison:
    """What one has to do to the first scene to get the second, counted."""
    out = Comparison(Counter(), Counter(), Counter())
    for ours, theirs in ((first.entities, second.entities), (first.materials, second.materials)):
        for id_, record in theirs.items():
            if id_ not in ours:
                out.added[_kind(record)] += 1
            elif ours[id_] != record:
                out.changed[_kind(record)] += 1
        out.removed.update(_kind(record) for id_, record in ours.items() if id_ not in theirs)
    for name, curve in second.tracks.items():
        old = first.tracks.get(name)
        if old is None:
            out.added["keys"] += len(curve.times)
        elif len(old.times) != len(curve.times):
            out.changed["keys"] += abs(len(old.times) - len(curve.times))
        elif not ((old.times == curve.times).all() and (old.values == curve.values).all()):
            out.changed["keys"] += int(((old.times != curve.times) | (old.values != curve.values).any(axis=1)).sum())
    out.removed.update({"keys": sum(len(c.times) for n, c in first.tracks.items() if n not in second.tracks)})
    if not out.removed["keys"]:
        del out.removed["keys"]
    return out


def _kind(record: object) -> str:
    kinds = (
        (Light, "lights"),
        (MeshObject, "objects"),
        (Camera, "cameras"),
        (Group, "groups"),
        (Material, "materials"),
    )
    return next((name for kind, name in kinds if isinstance(record, kind)), "others")
