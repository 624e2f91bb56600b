"""Motion capture files of BioVision (BVH): a skeleton of offsets and a table of angles.

Rotations are degrees about the axes that a joint's channels name, applied in their order; the rest pose is the offsets
alone. Bones are found by the names that the common makers give them. The format has no specification; this follows
M. Meredith and S. Maddock, "Motion Capture File Formats Explained" (University of Sheffield, 2001).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.assets.files import read_file
from studio.errors import BadAsset
from studio.figure.body import BodyMotion
from studio.scene.animation import quaternion_product

F64 = NDArray[np.float64]

MOST_JOINTS = 2_000
_AXES = {"Xrotation": 0, "Yrotation": 1, "Zrotation": 2}
_MOVES = {"Xposition": 0, "Yposition": 1, "Zposition": 2}
# Names of bones in files, in lower case and without a maker's prefix, and what is left of a name without its side.
_MIDDLE: Mapping[str, str] = {
    **dict.fromkeys(("hips", "hip", "pelvis", "root"), "hips"),
    **dict.fromkeys(("spine", "abdomen", "lowerback", "torso", "spinebase"), "spine"),
    **dict.fromkeys(("chest", "spine1", "thorax"), "chest"),
    **dict.fromkeys(("upperchest", "spine2", "chest2"), "upperChest"),
    **dict.fromkeys(("neck", "neck1"), "neck"),
    "head": "head",
    "jaw": "jaw",
}
_SIDED: Mapping[str, str] = {
    **dict.fromkeys(("shoulder", "collar", "clavicle"), "Shoulder"),
    **dict.fromkeys(("arm", "uparm", "upperarm", "shldr", "humerus"), "UpperArm"),
    **dict.fromkeys(("forearm", "lowarm", "lowerarm", "radius", "elbow"), "LowerArm"),
    **dict.fromkeys(("hand", "wrist"), "Hand"),
    **dict.fromkeys(("upleg", "upperleg", "thigh", "femur", "hip", "hipjoint"), "UpperLeg"),
    **dict.fromkeys(("leg", "lowerleg", "lowleg", "shin", "tibia", "knee"), "LowerLeg"),
    **dict.fromkeys(("foot", "ankle"), "Foot"),
    **dict.fromkeys(("toe", "toes", "toebase"), "Toes"),
    "eye": "Eye",
}


@dataclass(slots=True)
class _Joint:
    name: str
    parent: int
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    channels: list[str] = field(default_factory=list)


def read_bvh(path: Path) -> BodyMotion:
    """The motion of a BVH file. Raises BadAsset, naming the file and the line, for a broken one."""
    return parse_bvh(read_file(path, path.name), name=path.stem, where=path.name)


def parse_bvh(data: bytes, *, name: str, where: str) -> BodyMotion:
    """The motion in the bytes of a BVH file; see `read_bvh`."""
    reader = _Reader(data.decode("utf-8", errors="replace"), where)
    joints = reader.skeleton()
    seconds, table = reader.motion(sum(len(j.channels) for j in joints))
    return _motion(joints, seconds, table, name, where)


class _Reader:
    def __init__(self, text: str, where: str) -> None:
        self.where = where
        self._tokens = self._split(text)
        self._line = 1

    def _split(self, text: str) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(text.splitlines(), start=1):
            for token in line.split():
                yield number, token

    def bad(self, what: str) -> BadAsset:
        return BadAsset(f"{self.where}: line {self._line} {what}; export the motion again.")

    def next(self, expected: str = "") -> str:
        found = next(self._tokens, None)
        if found is None:
            raise BadAsset(f"{self.where}: the file ends too early; it is truncated.")
        self._line, token = found
        if expected and token.upper() != expected:
            raise self.bad(f"has {token[:40]!r} where {expected} should stand")
        return token

    def number(self) -> float:
        token = self.next()
        try:
            value = float(token)
        except ValueError:
            raise self.bad(f"has {token[:40]!r} where a number should stand") from None
        if not math.isfinite(value) or abs(value) > 1e9:
            raise self.bad(f"has the number {token[:40]}, which no skeleton has")
        return value

    def count(self, most: int) -> int:
        value = self.number()
        if value != int(value) or not 0 <= value <= most:
            raise self.bad(f"has {value:g} where a count up to {most:,} should stand")
        return int(value)

    def skeleton(self) -> list[_Joint]:
        self.next("HIERARCHY")
        self.next("ROOT")
        joints = [_Joint(self.next(), -1)]
        self.next("{")
        open_ = [0]
        while open_:
            token = self.next()
            joint = joints[open_[-1]] if open_[-1] >= 0 else None
            match token.upper():
                case "OFFSET":
                    offset = (self.number(), self.number(), self.number())
                    if joint is not None:
                        joint.offset = offset
                case "CHANNELS":
                    names = [self.next() for _ in range(self.count(6))]
                    unknown = [n for n in names if n not in _AXES and n not in _MOVES]
                    if unknown or joint is None:
                        raise self.bad(f"has the channel {(unknown or names or [''])[0][:40]!r}, which is unknown here")
                    joint.channels = names
                case "JOINT":
                    if open_[-1] < 0 or len(joints) >= MOST_JOINTS:
                        raise self.bad("has a joint too many")
                    joints.append(_Joint(self.next(), open_[-1]))
                    self.next("{")
                    open_.append(len(joints) - 1)
                case "END":
                    self.next()
                    self.next("{")
                    open_.append(-1)
                case "}":
                    open_.pop()
                case _:
                    raise self.bad(f"has {token[:40]!r}, which no skeleton has")
        return joints

    def motion(self, width: int) -> tuple[F64, F64]:
        """(k,) seconds and (k, width) numbers. A last row that is cut short is left out."""
        self.next("MOTION")
        self.next("FRAMES:")
        wanted = self.count(10_000_000)
        self.next("FRAME")
        self.next("TIME:")
        step = self.number()
        if step <= 0 or not width:
            raise self.bad("gives no time or no channels to the motion")
        numbers = []
        for line, token in self._tokens:
            self._line = line
            try:
                numbers.append(float(token))
            except ValueError:
                raise self.bad(f"has {token[:40]!r} where a number should stand") from None
        rows = min(len(numbers) // width, wanted)
        table = np.array(numbers[: rows * width]).reshape(rows, width)
        if not rows or not np.isfinite(table).all():
            raise BadAsset(f"{self.where}: the motion has no frames, or a number that is none; export it again.")
        return np.asarray(np.arange(rows) * step), np.asarray(table)


def _motion(joints: list[_Joint], seconds: F64, table: F64, name: str, where: str) -> BodyMotion:
    names = bones_by_name([joint.name for joint in joints])
    frames = len(seconds)
    world: list[F64] = []
    places: list[F64] = []
    column = 0
    hips = None
    for i, joint in enumerate(joints):
        turn = np.tile([0.0, 0.0, 0.0, 1.0], (frames, 1))
        moved = np.zeros((frames, 3))
        for channel in joint.channels:
            values = table[:, column]
            column += 1
            if channel in _MOVES:
                moved[:, _MOVES[channel]] = values
                continue
            half = np.radians(values) / 2
            single = np.zeros((frames, 4))
            single[:, _AXES[channel]], single[:, 3] = np.sin(half), np.cos(half)
            turn = quaternion_product(turn, single)
        above = joint.parent
        world.append(turn if above < 0 else quaternion_product(world[above], turn))
        offset = np.asarray(joint.offset)
        places.append(offset if above < 0 else places[above] + offset)
        if names.get("hips") == i and any(c in _MOVES for c in joint.channels):
            hips = moved
    if not names:
        raise BadAsset(f"{where}: none of its {len(joints)} joints has a name of a human bone; rename them.")
    spots = {bone: places[i] for bone, i in names.items()}
    if hips is not None:
        hips, spots = _standing(hips, spots)
    unknown = len(joints) - len(names)
    report = (f"{where}: {unknown} joints have names of no human bone and were left out.",) if unknown else ()
    return BodyMotion(name, seconds, {bone: world[i] for bone, i in names.items()}, spots, hips, report=report)


def _standing(hips: F64, places: Mapping[str, F64]) -> tuple[F64, dict[str, F64]]:
    """The way of the hips from where they are when it stands, and places above the ground on which it does."""
    feet = [places[name][1] for name in ("leftToes", "rightToes", "leftFoot", "rightFoot") if name in places]
    ground = min(feet) if feet else places["hips"][1] - max(float(hips[0, 1]), 1e-6)
    lifted = {name: place - [0.0, ground, 0.0] for name, place in places.items()}
    moved = hips - [hips[0, 0], 0.0, hips[0, 2]]
    return moved - [0.0, lifted["hips"][1], 0.0], lifted


def bones_by_name(names: list[str]) -> dict[str, int]:
    """Which of a skeleton's joints is which human bone: bone -> index of the first that fits."""
    plain = [_plain(name) for name in names]
    collars = any("collar" in name or "clavicle" in name for name in plain)
    found: dict[str, int] = {}
    for i, name in enumerate(plain):
        bone = _MIDDLE.get(name, "")
        for side in ("left", "right"):
            for mark in (side, side[0]):
                rest = name.removeprefix(mark) if name.startswith(mark) else name.removesuffix(mark)
                if bone or rest == name or rest not in _SIDED:
                    continue
                bone = side + _SIDED[rest]
                if rest == "shoulder" and collars:
                    bone = f"{side}UpperArm"
        if bone:
            found.setdefault(bone, i)
    return found


def _plain(name: str) -> str:
    """A name in lower case letters and digits, without what stands before a colon."""
    return re.sub(r"[^a-z0-9]", "", name.rsplit(":", 1)[-1].lower()).removeprefix("mixamorig")
