"""Who a head of ICT-FaceKit is: weights of principal components, kept in files and in the figure, and changed later.

A figure remembers in its own record from which folder and with which weights it was made, so another person can be put
into it while its place, expression, keys and materials stay: only meshes, bindings and joints are those of the other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from studio.assets.files import is_file, read_file
from studio.errors import BadAsset, UsageError
from studio.figure.capture.retarget import write_whole
from studio.scene.entities import Entity, Figure, Id, MeshObject
from studio.scene.figure_rigs import renamed_figure
from studio.scene.materials import Material
from studio.scene.scene import Scene

MOST_SIGMA = 10.0  # a weight beyond that is no face any more
_KEY = "facekit"  # of the figure's record
_NAME = re.compile(r"identity\d{3}")
_MOST_BYTES = 1 << 20
_ROLES = ("head", "neck", "jaw", "left_eye", "right_eye")


class Origin(msgspec.Struct, frozen=True):
    """Where a figure came from."""

    folder: str
    identity: dict[str, float] = {}


class _Coefficients(msgspec.Struct):
    identity_coefficients: list[float]


# --- weights ---------------------------------------------------------------------------------------------------------
def checked_identity(weights: Mapping[str, float], where: str) -> dict[str, float]:
    """Weights by name without those that are 0; BadAsset, naming `where`, for names or numbers that cannot be."""
    for name, weight in weights.items():
        if not _NAME.fullmatch(name):
            raise BadAsset(f'{where} weighs "{name[:40]}"; identities are called identity000 to identity099.')
        if not (math.isfinite(weight) and abs(weight) <= MOST_SIGMA):
            raise BadAsset(f"{where} gives {name} a weight beyond {MOST_SIGMA:g} standard deviations; lower it.")
    return {name: float(weights[name]) for name in sorted(weights) if weights[name] != 0.0}


def random_identity(names: Iterable[str], *, seed: int = 0, sigma: float = 1.0) -> dict[str, float]:
    """Normally distributed weights for identities, none beyond `sigma` (up to 3) standard deviations."""
    if not 0.0 < sigma <= 3.0:
        raise UsageError("an identity at random reaches more than 0 and up to 3 standard deviations")
    if seed < 0:
        raise UsageError("the seed of an identity is a number from 0")
    some = sorted(names)
    drawn = np.clip(np.random.default_rng(seed).standard_normal(len(some)), -sigma, sigma)
    return dict(zip(some, (round(float(w), 4) for w in drawn), strict=True))


def load_identity(path: Path | str) -> dict[str, float]:
    """The weights of a JSON file: by name, or the list `identity_coefficients` of the toolkit's own scripts, of which
    the light model knows the first hundred. BadAsset in a sentence for anything else."""
    file = Path(path)
    if is_file(file) and file.stat().st_size > _MOST_BYTES:
        raise BadAsset(f"{file.name}: is too large for an identity; choose another file.")
    data = read_file(file, file.name)
    try:
        raw = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        if "identity_coefficients" in raw:
            found = msgspec.json.decode(data, type=_Coefficients).identity_coefficients[:100]
            weights = {f"identity{i:03d}": weight for i, weight in enumerate(found)}
        else:
            weights = msgspec.json.decode(data, type=dict[str, float])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise BadAsset(f"{file.name}: is no identity ({fault}); it holds weights by the names of shapes.") from fault
    return checked_identity(weights, file.name)


def save_identity(weights: Mapping[str, float], path: Path | str) -> None:
    """Write weights by name as JSON, whole or not at all; CannotWrite when the disk does not let us."""
    plain = checked_identity(weights, "the identity")
    write_whole(Path(path), msgspec.json.format(msgspec.json.encode(plain)) + b"\n")


# --- what a figure remembers -----------------------------------------------------------------------------------------
def remembering(figure: Figure, folder: Path, identity: Mapping[str, float]) -> Figure:
    """The figure with where it came from in its record."""
    origin = Origin(folder=str(folder), identity=dict(identity))
    return msgspec.structs.replace(figure, extra={**figure.extra, _KEY: msgspec.Raw(msgspec.json.encode(origin))})


def origin_of(figure: Entity | None) -> Origin | None:
    """Where a figure came from; None for one that did not come from ICT-FaceKit."""
    if not isinstance(figure, Figure) or _KEY not in figure.extra:
        return None
    try:
        return msgspec.json.decode(bytes(figure.extra[_KEY]), type=Origin)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # somebody else's note under the same name


# --- another person --------------------------------------------------------------------------------------------------
def with_identity(scene: Scene, figure: Id, made: Scene) -> Scene:
    """The scene with a figure's shape that of the only figure in `made`, which has the same faces.

    Raises UsageError where the figure's meshes or joints are no longer those that it came with.
    """
    old = scene.entities[figure]
    other = next(e for e in made.entities.values() if isinstance(e, Figure))
    assert isinstance(old, Figure)
    names = _matched(scene, old, made, other)
    new: dict[Id, Entity] = {}
    skins, meshes = dict(scene.skins), dict(scene.meshes)
    materials = dict(scene.materials)
    for theirs, mine in names.items():
        entity, there = scene.entities[mine], made.entities[theirs]
        if isinstance(entity, MeshObject) and isinstance(there, MeshObject):
            meshes[there.mesh] = made.meshes[there.mesh]
            values: dict[str, Any] = {"mesh": there.mesh}
            if there.skin:
                values["skin"] = _free(skins, entity.skin or there.skin)
                skins[values["skin"]] = made.skins[there.skin]
            new[mine] = msgspec.structs.replace(entity, **values)
            if entity.parent in (old.rig.left_eye, old.rig.right_eye):
                _scale_eye(scene, made, entity, there, materials)
        elif mine != figure:
            new[mine] = msgspec.structs.replace(entity, translation=there.translation)
    rig = renamed_figure(other, names)["rig"]
    new[figure] = msgspec.structs.replace(old, rig=rig, extra={**old.extra, _KEY: other.extra[_KEY]})
    out = replace(scene, meshes=meshes, skins=skins, materials=materials).put(new)
    gone = {e.mesh for e in map(scene.entities.__getitem__, names.values()) if isinstance(e, MeshObject)}
    bound = {e.skin for e in map(scene.entities.__getitem__, names.values()) if isinstance(e, MeshObject)}
    worn = [e for e in out.entities.values() if isinstance(e, MeshObject)]
    gone -= {e.mesh for e in worn}
    bound -= {e.skin for e in worn}
    return replace(
        out,
        meshes={key: mesh for key, mesh in out.meshes.items() if key not in gone},
        skins={key: skin for key, skin in out.skins.items() if key not in bound},
    )


def _matched(scene: Scene, old: Figure, made: Scene, other: Figure) -> dict[Id, Id]:
    """Ids of the scene by those of what was made: joints by what they are, meshes by their faces and joint."""
    changed = UsageError("the head is not as it came from its folder any more; make a new figure of that instead")
    names = {other.id: old.id}
    for role in _ROLES:
        theirs, mine = getattr(other.rig, role), getattr(old.rig, role)
        if bool(theirs) != bool(mine) or (mine and mine not in scene.entities):
            raise changed
        if theirs:
            names[theirs] = mine
    if len(old.rig.hinges) != len(other.rig.hinges) or set(old.controls) != set(other.controls):
        raise changed
    free = [e for i in scene.descendants([old.id]) if isinstance(e := scene.entities[i], MeshObject)]
    for theirs, object_ in made.entities.items():
        if isinstance(object_, MeshObject):
            above = names.get(object_.parent, "")
            faces = made.meshes[object_.mesh].triangles
            joints = tuple(names.get(j, "") for j in object_.joints)
            same = (
                e
                for e in free
                if e.parent == above and e.joints == joints and e.mesh in scene.meshes
                if np.array_equal(scene.meshes[e.mesh].triangles, faces)
            )
            found = next(same, None)
            if found is None:
                raise changed
            names[theirs] = found.id
            free.remove(found)
    return names


def _scale_eye(scene: Scene, made: Scene, mine: MeshObject, theirs: MeshObject, materials: dict[Id, Material]) -> None:
    """Let the iris of an eye's material grow with the ball that wears it."""
    before, after = _size(scene, mine), _size(made, theirs)
    for id_ in mine.materials:
        worn = scene.materials.get(id_)
        if worn is not None and worn.eye_iris_radius > 0.0 and before > 0.0 and after > 0.0:
            share = after / before
            values = {name: getattr(worn, name) * share for name in ("eye_iris_radius", "eye_iris_plane")}
            materials[id_] = msgspec.structs.replace(worn, **values)


def _size(scene: Scene, object_: MeshObject) -> float:
    return float(np.median(np.linalg.norm(scene.meshes[object_.mesh].positions, axis=1)))


def _free(skins: Mapping[str, object], wish: str) -> str:
    out, n = wish, 1
    while out in skins:
        n += 1
        out = f"{wish}.{n}"
    return out
