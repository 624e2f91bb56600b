"""The pose library: expressions that every studio has, and those that a person keeps, each a small JSON file.

The files lie in the studio's data folder, one for each pose, named after it, so that they can be copied and mailed; a
file that was exported may hold several. A file that is broken is told in one sentence and the others are still there.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from studio.errors import BadAsset, CannotWrite, UsageError
from studio.resources import data_folder
from studio.scene.expression_edits import LEAST, MOST, Pose
from studio.scene.expression_poses import BUILT_IN

FORMAT, VERSION = "myriad-studio poses", 1
SUFFIX = ".pose.json"
_LARGEST = 4 << 20  # bytes of a file
_MOST_POSES, _MOST_CONTROLS, _LONGEST = 2000, 4000, 120
_WILD = 1000.0  # a weight beyond this is no weight
_UNFIT = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')


class PoseFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds."""

    format: str = ""
    version: int = 0
    poses: tuple[Pose, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """A pose of the library; `path` is its file, None for one that is built in."""

    pose: Pose
    path: Path | None = None

    @property
    def own(self) -> bool:
        """Whether a person keeps it, and so may change it."""
        return self.path is not None


def read_poses(path: Path) -> tuple[Pose, ...]:
    """The poses of a file. BadAsset in a sentence for anything that holds none."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as fault:
        raise BadAsset(f"{path.name} cannot be read ({fault.strerror or fault}).") from None
    if len(data) > _LARGEST:
        raise BadAsset(f"{path.name} is larger than any file of poses ({_LARGEST >> 20} MB); choose another.")
    try:
        found = msgspec.json.decode(data, type=PoseFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise BadAsset(f"{path.name} is no file of poses ({str(fault).rstrip('.')}); export it again.") from None
    if found.format != FORMAT:
        raise BadAsset(f"{path.name} is no file of poses; choose one that was exported from a pose library.")
    if found.version > VERSION:
        raise BadAsset(f"{path.name} is of a newer studio (version {found.version}); update this one to read it.")
    if not found.poses or len(found.poses) > _MOST_POSES:
        raise BadAsset(f"{path.name} holds {len(found.poses)} poses; a file has 1 to {_MOST_POSES}.")
    return tuple(_checked(pose, path.name) for pose in found.poses)


def _checked(pose: Pose, where: str) -> Pose:
    name = " ".join(pose.name.split())[:_LONGEST]
    if not name:
        raise BadAsset(f"{where}: a pose has no name; give it one.")
    if len(pose.weights) > _MOST_CONTROLS:
        raise BadAsset(f'{where}: the pose "{name}" names {len(pose.weights)} controls; no face has so many.')
    numbers = (*pose.weights.items(), *(("the head's turn", v) for v in pose.head_turn or ()))
    for control, value in numbers:
        if not math.isfinite(value) or abs(value) > _WILD:
            raise BadAsset(f'{where}: the pose "{name}" has {value} for {control:.60}; that is no weight.')
    kept = {control: min(max(value, LEAST), MOST) for control, value in pose.weights.items()}
    return msgspec.structs.replace(pose, name=name, weights=kept)


def write_poses(path: Path, poses: Sequence[Pose]) -> None:
    """Write poses to a file, whole or not at all. CannotWrite when that fails."""
    text = msgspec.json.format(msgspec.json.encode(PoseFile(format=FORMAT, version=VERSION, poses=tuple(poses))))
    passing = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        passing.write_bytes(text + b"\n")
        os.replace(passing, path)
    except OSError as fault:
        with contextlib.suppress(OSError):
            passing.unlink(missing_ok=True)
        raise CannotWrite(f"cannot write {path}: {(fault.strerror or str(fault)).lower()}; choose another place") from (
            fault
        )


class PoseLibrary:
    """Built-in poses and those of a folder. It is read when it is first asked for, and again after `forget`."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder if folder is not None else data_folder() / "poses"
        self.sentences: tuple[str, ...] = ()  # why files of the folder are not among the poses
        self._kept: tuple[Kept, ...] | None = None

    @property
    def poses(self) -> tuple[Kept, ...]:
        """Built-in poses, then a person's own by their names."""
        if self._kept is None:
            self._kept = (*(Kept(pose) for pose in BUILT_IN), *self._own())
        return self._kept

    def forget(self) -> None:
        """Read the folder anew when it is asked for next."""
        self._kept = None

    def _own(self) -> list[Kept]:
        found: dict[str, Kept] = {}
        sentences = []
        try:
            files = sorted(self.folder.glob(f"*{SUFFIX}"))[:_MOST_POSES] if self.folder.is_dir() else []
        except OSError as fault:
            files = []
            sentences.append(f"{self.folder} cannot be read ({fault.strerror or fault}).")
        for path in files:
            try:
                for pose in read_poses(path)[:1]:
                    found.setdefault(pose.name.casefold(), Kept(pose, path))
            except BadAsset as fault:
                sentences.append(str(fault))
        self.sentences = tuple(sentences)
        return sorted(found.values(), key=lambda kept: kept.pose.name.casefold())

    def find(self, name: str) -> Kept:
        """The pose of a name; UsageError naming the nearest ones when there is none."""
        wanted = name.casefold()
        for kept in reversed(self.poses):  # a person's own before one that is built in
            if kept.pose.name.casefold() == wanted:
                return kept
        import difflib

        near = ", ".join(difflib.get_close_matches(name, [k.pose.name for k in self.poses], n=3)) or "none is similar"
        raise UsageError(f'there is no pose "{name}" ({near})')

    # --- keeping -----------------------------------------------------------------------------------------------------
    def store(self, pose: Pose) -> Kept:
        """Keep a pose under its name, in the place of an own one that has it."""
        pose = _checked(pose, "A pose")
        built_in = {known.name.casefold() for known in BUILT_IN}
        if pose.name.casefold() in built_in:
            raise UsageError(f'"{pose.name}" is a pose that every studio has; choose another name')
        path = self.folder / f"{_stem(pose.name)}{SUFFIX}"
        for kept in self.poses:
            if kept.path is not None and kept.pose.name.casefold() == pose.name.casefold():
                path = kept.path
        write_poses(path, [pose])
        self.forget()
        return Kept(pose, path)

    def rename(self, name: str, to: str) -> Kept:
        """Call an own pose something else."""
        kept = self._mine(name)
        if to.casefold() != name.casefold() and any(k.pose.name.casefold() == to.casefold() for k in self.poses):
            raise UsageError(f'there is a pose "{to}" already; choose another name')
        new = self.store(msgspec.structs.replace(kept.pose, name=to))
        if kept.path is not None and new.path != kept.path:
            self._unlink(kept.path)
        return new

    def delete(self, name: str) -> None:
        """Forget an own pose."""
        kept = self._mine(name)
        assert kept.path is not None
        self._unlink(kept.path)

    def _mine(self, name: str) -> Kept:
        kept = self.find(name)
        if not kept.own:
            raise UsageError(f'"{kept.pose.name}" is a pose that every studio has; it stays as it is')
        return kept

    def _unlink(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as fault:
            raise CannotWrite(f"cannot delete {path}: {(fault.strerror or str(fault)).lower()}") from fault
        self.forget()

    def take_in(self, path: Path) -> tuple[str, ...]:
        """Keep the poses of a file, under names that are free; gives the names."""
        names = []
        for pose in read_poses(path):
            names.append(self.store(msgspec.structs.replace(pose, name=self.free_name(pose.name))).pose.name)
        return tuple(names)

    def give_out(self, path: Path, names: Iterable[str]) -> None:
        """Write poses to one file."""
        poses = [self.find(name).pose for name in names]
        if not poses:
            raise UsageError("choose the poses to export first")
        write_poses(path, poses)

    def free_name(self, wanted: str) -> str:
        """A name that no pose has yet."""
        taken = {kept.pose.name.casefold() for kept in self.poses}
        if wanted.casefold() not in taken:
            return wanted
        return next(name for n in range(2, 10**6) if (name := f"{wanted} {n}").casefold() not in taken)


def _stem(name: str) -> str:
    """A file name for a pose: its own name as far as file systems take it, told apart by a hash."""
    plain = _UNFIT.sub("-", name).strip(" .-")[:48] or "pose"
    return f"{plain}-{hashlib.blake2b(name.casefold().encode(), digest_size=3).hexdigest()}"
