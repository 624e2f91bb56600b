"""Motion of a body from one skeleton to another.

A motion says, for each bone of a humanoid (by its name in VRM 1.0), how it is turned in the world against its own rest
pose, and how far the hips have moved. That is free of how either skeleton's joints are turned at rest. What remains is
the rest poses themselves: arms stretched out in one, lowered in the other. So limbs are also turned by the difference
between the directions in which they point at rest. Bones that the figure lacks hand their turn on to those below.

The formulas are those of VRMC_vrm_animation 1.0, "Pose retargeting"
(https://github.com/vrm-c/vrm-specification), written for turns in the world instead of from joint to joint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset
from studio.scene.animation import Curve, make_curve, quaternion_product
from studio.scene.clips import Clip
from studio.scene.entities import Figure, Id
from studio.scene.scene import Scene, free_id
from studio.scene.strips import add_strip
from studio.scene.transforms import decompose, local_matrices, parent_rows, rotation_matrices, world_matrices

F64 = NDArray[np.float64]

# Bones of a humanoid and the nearest bones above them that every humanoid may have, from the hips outwards.
PARENTS: Mapping[str, str] = {
    "hips": "",
    "spine": "hips",
    "chest": "spine",
    "upperChest": "chest",
    "neck": "upperChest",
    "head": "neck",
    "jaw": "head",
    "leftEye": "head",
    "rightEye": "head",
    **{
        f"{side}{bone}": above.replace("*", side)
        for side in ("left", "right")
        for bone, above in (
            *(("Shoulder", "upperChest"), ("UpperArm", "*Shoulder"), ("LowerArm", "*UpperArm"), ("Hand", "*LowerArm")),
            *(("UpperLeg", "hips"), ("LowerLeg", "*UpperLeg"), ("Foot", "*LowerLeg"), ("Toes", "*Foot")),
            *(
                (f"{finger}{part}", "*Hand" if first else f"*{finger}{before}")
                for finger, parts in (
                    ("Thumb", ("Metacarpal", "Proximal", "Distal")),
                    *((f, ("Proximal", "Intermediate", "Distal")) for f in ("Index", "Middle", "Ring", "Little")),
                )
                for part, before, first in zip(parts, ("", *parts), (True, False, False), strict=False)
            ),
        )
    },
}
# The bone whose place says in which direction a limb points.
_TIPS: Mapping[str, str] = {
    f"{side}{bone}": f"{side}{tip}"
    for side in ("left", "right")
    for bone, tip in (
        *(("UpperArm", "LowerArm"), ("LowerArm", "Hand"), ("UpperLeg", "LowerLeg"), ("LowerLeg", "Foot")),
        *(("Foot", "Toes"), ("Hand", "MiddleProximal")),
    )
}


@dataclass(frozen=True, slots=True, eq=False)
class BodyMotion:
    """Motion of a humanoid that faces +z. Quaternions are x, y, z, w."""

    name: str
    seconds: F64  # (k,) strictly rising
    turns: Mapping[str, F64]  # bone -> (k, 4) from its rest pose, in the world
    places: Mapping[str, F64]  # bone -> (3,) where it is at rest, in the motion's own unit of length
    hips: F64 | None = None  # (k, 3) how far the hips are from their place at rest, same unit
    expressions: Mapping[str, F64] = field(default_factory=dict)  # control -> (k,) weights
    report: tuple[str, ...] = ()


def applied(scene: Scene, figure: Id, motion: BodyMotion, *, start_frame: float | None = None) -> Scene:
    """The scene with a motion played by a figure: a clip of it and a strip that begins at `start_frame` (the scene's
    first frame by default).

    Raises BadAsset when there is no such figure or nothing of the motion fits it.
    """
    entity = scene.entities.get(figure)
    if not isinstance(entity, Figure):
        raise BadAsset(f'There is no figure "{figure}" to play the motion "{motion.name}"; select one.')
    frames = motion.seconds * scene.fps
    bones = bones_of(scene, entity)
    tracks = _bone_tracks(scene, entity, bones, motion, frames)
    for i, control in enumerate(entity.controls):
        if control in motion.expressions:
            tracks[f"{figure}.expression[{i}]"] = make_curve(frames, motion.expressions[control], where=motion.name)
    if not tracks:
        raise BadAsset(f'Nothing of the motion "{motion.name}" fits the figure "{entity.name}"; it has other bones.')
    id_ = free_id("body", scene.clips.__contains__)
    clip = Clip(id=id_, name=motion.name, start=float(frames[0]), end=float(frames[-1]), tracks=tracks)
    start = scene.frame_start if start_frame is None else start_frame
    return add_strip(replace(scene, clips={**scene.clips, id_: clip}), id_, start=start)[0]


def bones_of(scene: Scene, figure: Figure) -> dict[str, Id]:
    """The joints of a figure by their bones' names, those that are in the scene."""
    rig = figure.rig
    own = {"head": rig.head, "neck": rig.neck, "jaw": rig.jaw, "leftEye": rig.left_eye, "rightEye": rig.right_eye}
    return {name: id_ for name, id_ in {**own, **rig.bones}.items() if id_ in scene.entities and name in PARENTS}


def _bone_tracks(
    scene: Scene, figure: Figure, bones: Mapping[str, Id], motion: BodyMotion, frames: F64
) -> dict[str, Curve]:
    listed = list(scene.entities.values())
    row = {entity.id: i for i, entity in enumerate(listed)}
    parents, _ = parent_rows(listed, row)
    world = world_matrices(local_matrices(listed), parents)
    inside = _inverse(_rotation(world[row[figure.id]]))  # rest rotations as seen by the figure, which faces +z
    places = {name: world[row[id_], :, 3] for name, id_ in bones.items()}
    seen = _rotation_matrix(inside)
    turns = _world_turns(motion, {name: seen @ place for name, place in places.items()})
    tracks: dict[str, Curve] = {}
    for name, id_ in bones.items():
        if name not in turns:
            continue
        above = _present_above(name, bones)
        before = turns.get(above, np.broadcast_to([0.0, 0.0, 0.0, 1.0], (len(frames), 4))) if above else None
        step = turns[name] if before is None else quaternion_product(_inverse(before), turns[name])
        parent = parents[row[id_]]
        at = quaternion_product(inside, _rotation(world[parent])) if parent >= 0 else inside
        rest = np.asarray([scene.entities[id_].rotation], np.float64)
        local = quaternion_product(quaternion_product(quaternion_product(_inverse(at), step), at), rest)
        tracks[f"{id_}.rotation"] = make_curve(frames, _continuous(local), rotation=True, where=motion.name)
    if motion.hips is not None and "hips" in bones and "hips" in motion.places:
        tracks |= _hips_track(scene, bones["hips"], motion, frames, places["hips"], world, row, parents, figure)
    return tracks


def _world_turns(motion: BodyMotion, places: Mapping[str, F64]) -> dict[str, F64]:
    """The motion's turns against the figure's own rest pose: (k, 4) by bone.

    What lies beyond a limb, a hand or a finger, takes over how the limb lies at rest.
    """
    aligned: dict[str, F64] = {}
    for name in PARENTS:
        tip = _TIPS.get(name, "")
        if all(bone in side for bone in (name, tip) for side in (places, motion.places)):
            here = places[tip] - places[name]
            there = motion.places[tip] - motion.places[name]
            aligned[name] = _between(here, there)[None]
        elif PARENTS[name] in aligned:
            aligned[name] = aligned[PARENTS[name]]
    return {
        name: quaternion_product(turn, aligned[name]) if name in aligned else turn
        for name, turn in motion.turns.items()
    }


def _hips_track(
    scene: Scene,
    id_: Id,
    motion: BodyMotion,
    frames: F64,
    place: F64,
    world: F64,
    row: Mapping[Id, int],
    parents: NDArray[np.int32],
    figure: Figure,
) -> dict[str, Curve]:
    """The way of the hips, as long against their height as in the motion."""
    base = world[row[figure.id]]
    height = float(place[1] - base[1, 3])
    theirs = float(motion.places["hips"][1])
    ratio = height / theirs if abs(theirs) > 1e-9 and height > 0 else 1.0
    assert motion.hips is not None
    facing = _rotation_matrix(_rotation(base))
    moved = motion.hips * ratio @ facing.T
    parent = parents[row[id_]]
    if parent >= 0:
        inverse = np.linalg.pinv(world[parent, :, :3])
        moved = moved @ inverse.T
    rest = np.asarray(scene.entities[id_].translation)
    return {f"{id_}.translation": make_curve(frames, rest + moved, where=motion.name)}


def _present_above(name: str, bones: Mapping[str, Id]) -> str:
    above = PARENTS[name]
    while above and above not in bones:
        above = PARENTS[above]
    return above


# --- quaternions -----------------------------------------------------------------------------------------------------
def _inverse(q: F64) -> F64:
    return np.asarray(q * [-1.0, -1.0, -1.0, 1.0])


def _rotation(matrix: F64) -> F64:
    """(1, 4) the rotation of a (3, 4) matrix."""
    return np.asarray(decompose(np.asarray(matrix, np.float64))[1])[None]


def _rotation_matrix(q: F64) -> F64:
    return np.asarray(rotation_matrices(q)[0])


def _between(a: F64, b: F64) -> F64:
    """(4,) the shortest rotation from the direction a to the direction b; none where one has no length."""
    la, lb = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if la < 1e-9 or lb < 1e-9:
        return np.array([0.0, 0.0, 0.0, 1.0])
    a, b = a / la, b / lb
    w = 1.0 + float(a @ b)
    if w < 1e-6:  # opposite: about any axis across
        axis = np.cross(a, [1.0, 0.0, 0.0] if abs(a[0]) < 0.9 else [0.0, 1.0, 0.0])
        return np.array([*(axis / np.linalg.norm(axis)), 0.0])
    q = np.array([*np.cross(a, b), w])
    return np.asarray(q / np.linalg.norm(q))


def _continuous(q: F64) -> F64:
    """The same rotations with signs that do not jump, and of unit length."""
    q = q / np.linalg.norm(q, axis=1, keepdims=True)
    flips = np.cumprod(np.where((q[1:] * q[:-1]).sum(axis=1) < 0, -1.0, 1.0))
    q[1:] *= flips[:, None]
    return np.asarray(q)
