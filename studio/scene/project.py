"""A project on disk: a folder `name.studio/`.

    scene.json   the scene, readable and diffable
    assets/      meshes, images, skins and long tracks, each under the hash of its bytes, written once
    originals/   the files that images came from, once collected
    versions/    numbered copies of scene.json that the artist asked for
    backups/     the ring of autosaves
    renders/     what was rendered

Everything is written under a temporary name and renamed, scene.json last, so a project is whole at every moment.
Assets are never changed, hence a version or a backup is one small file. A backup names the scene.json that it was
made on top of by its content; that, not a date, tells whether it holds something that was not saved.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from studio.errors import BadAsset, CannotWrite
from studio.scene.project_paths import meant, told, with_paths
from studio.scene.scene import Scene
from studio.scene.scene_file import ASSET, asset_name, read_contents, read_scene, write_scene

SCENE = "scene.json"
_NUMBERED = re.compile(r"scene\.(\d{4,9})\.json")
_FOLDERS = ("versions", "backups")


def is_project(path: Path | str) -> bool:
    """Whether a path is a project: its folder, or a scene file of it."""
    folder, text = _locate(Path(path))
    return text.is_file() and text.suffix == ".json" and (folder / "assets").is_dir()


def load_project(path: Path | str) -> Scene:
    """The scene of a project folder, or of one of the scene files in it (a version, a backup).

    Raises BadAsset, in a sentence, for anything that is not a whole project of this or an older studio.
    """
    folder, text = _locate(Path(path))
    scene = read_scene(_read(text), lambda name: _fetch(folder, name), where=str(text))
    return with_paths(scene, meant, folder)


def fingerprint(path: Path | str) -> str:
    """A hash of the scene that a project holds on disk, "" when there is none: it tells whether somebody saved."""
    return _hash(Path(path) / SCENE)


def save_project(scene: Scene, path: Path | str) -> None:
    """Write a scene as the project at `path`, making the folder when it is not there.

    Raises CannotWrite when the disk does not let us, leaving what was there as it was.
    """
    folder = Path(path)
    _write(folder / SCENE, _text(scene, folder))
    _make(folder / "renders")


def save_version(scene: Scene, path: Path | str) -> Path:
    """Save the project, and keep a numbered copy of this state, whose path it gives; `load_project` opens it."""
    save_project(scene, path)
    return copy_version(path)


def copy_version(path: Path | str) -> Path:
    """Keep a numbered copy of the project as it is on disk; gives its path."""
    folder = Path(path)
    target = _next(folder / "versions")
    _write(target, _read(folder / SCENE))
    return target


def keep_version(scene: Scene, path: Path | str) -> Path:
    """Keep a scene as a numbered version of a project and leave the project itself as it is; gives its path."""
    folder = Path(path)
    target = _next(folder / "versions")
    _write(target, _text(scene, folder))
    return target


def versions(path: Path | str) -> tuple[Path, ...]:
    """Scene files of the versions of a project, oldest first."""
    return tuple(file for _, file in _numbered(Path(path) / "versions"))


@dataclass(frozen=True, slots=True)
class State:
    """A state of a project that is kept on disk: a "version" or a "backup", when it was written (seconds since the
    epoch) and the bytes of its scene file."""

    path: Path
    kind: str
    written: float
    size: int


def states(path: Path | str) -> tuple[State, ...]:
    """Versions and backups of a project, the newest first."""
    found = []
    for folder, kind in zip(_FOLDERS, ("version", "backup"), strict=True):
        for _, file in _numbered(Path(path) / folder):
            told_of = file.stat()
            found.append(State(file, kind, told_of.st_mtime, told_of.st_size))
    return tuple(sorted(found, key=lambda state: (state.written, state.path.name), reverse=True))


def newest_whole(path: Path | str) -> tuple[State, Scene] | None:
    """The newest version or backup of a project that can be opened, with its scene; None when there is none."""
    for state in states(path):
        try:
            return state, load_project(state.path)
        except BadAsset:
            continue
    return None


def is_newer(path: Path | str) -> bool:
    """Whether a project was written by a newer studio than this one."""
    from studio.scene.schema import VERSION

    class Heading(msgspec.Struct):
        version: int

    try:
        return msgspec.json.decode(_read(_locate(Path(path))[1]), type=Heading).version > VERSION
    except (BadAsset, ValueError, RecursionError):
        return False


def set_aside(path: Path | str) -> Path:
    """Keep a copy of a project's damaged scene file beside it; gives its path. CannotWrite when that cannot be."""
    folder = Path(path)
    target = folder / f"scene.damaged-{time.strftime('%Y%m%d-%H%M%S')}.json"
    _write(target, _read(folder / SCENE))
    return target


# --- autosave and recovery -------------------------------------------------------------------------------------------
def autosave(scene: Scene, path: Path | str, *, keep: int = 10) -> Path | None:
    """Write a backup of a scene beside its project and drop all but the newest `keep`.

    Gives the backup's path, or None when the newest backup, or the project itself, holds this very scene.
    """
    folder = Path(path)
    base = _hash(folder / SCENE)
    text = _text(scene, folder, base=base)
    latest = [file for _, file in _numbered(folder / "backups")[-1:]]
    if base:
        latest.append(folder / SCENE)
    if any(_content(_read(file)) == _content(text) for file in latest):
        return None
    target = _next(folder / "backups")
    _write(target, text)
    for _, file in _numbered(folder / "backups")[: -max(keep, 1)]:
        file.unlink(missing_ok=True)
    return target


def recoverable(path: Path | str) -> Path | None:
    """The newest backup that holds work which was not saved, or None.

    That is the last backup made on top of the project as it is on disk, if it differs. One made on top of an older
    state was saved over since.
    """
    folder = Path(path)
    base = _hash(folder / SCENE)
    saved = _content(_read(folder / SCENE)) if base else b""
    for _, file in reversed(_numbered(folder / "backups")):
        text = _read(file)
        try:
            made_on = read_contents(text, where=str(file)).base
        except BadAsset:  # a damaged backup hides none of the others
            continue
        if made_on == base:
            return file if _content(text) != saved else None
    return None


# --- files that went missing or lie elsewhere ------------------------------------------------------------------------
def missing_files(path: Path | str) -> tuple[str, ...]:
    """Names of assets that a project needs and that are gone or damaged."""
    folder, text = _locate(Path(path))
    contents = read_contents(_read(text), where=str(text))
    return tuple(sorted(name for name in contents.assets() if not _is_whole(folder / name, name)))


def relink(path: Path | str, folders: Iterable[Path | str]) -> tuple[str, ...]:
    """Look for a project's missing assets in other folders, by name and then by content, and copy them in.

    Gives the names that are still missing.
    """
    folder, _ = _locate(Path(path))
    wanted = {name for name in missing_files(path) if ASSET.fullmatch(name)}
    for by_name in (True, False):
        for file in _files(folders) if wanted else ():
            for name in tuple(wanted):
                fits = file.name == Path(name).name if by_name else file.suffix == Path(name).suffix
                if fits and _is_whole(file, name):
                    _write(folder / name, _read(file))
                    wanted.discard(name)
    return tuple(sorted(set(missing_files(path))))


def collect(scene: Scene, path: Path | str) -> Scene:
    """Copy the files that images and sound came from into the project, and make the scene name the copies.

    Gives the scene to save. A file that is gone is passed over: the pixels of images are in the project anyway.
    """
    folder = Path(path)
    kept: dict[str, str] = {}

    def collected(name: str, folder: Path) -> str:
        if name not in kept:
            kept[name] = _collected(name, folder)
        return kept[name]

    return with_paths(scene, collected, folder)


def _collected(name: str, folder: Path) -> str:
    """Where a file lies in the project, once it does; its own path when there is no such file."""
    try:
        source = Path(name)
        if not name or not source.is_file() or source.resolve().is_relative_to(folder.resolve()):
            return name
    except (OSError, ValueError):
        return name
    data = _read(source)
    digest = hashlib.blake2b(data, digest_size=4).hexdigest()
    target = folder.absolute() / "originals" / f"{source.stem}-{digest}{source.suffix}"
    if not target.is_file():
        _write(target, data)
    return str(target)


def sweep(path: Path | str) -> int:
    """Delete assets that neither the project nor any version or backup of it needs; gives how many.

    Raises BadAsset, and deletes nothing, when one of those cannot be read.
    """
    folder = Path(path)
    texts = [folder / SCENE, *(file for name in _FOLDERS for _, file in _numbered(folder / name))]
    needed = {name for text in texts for name in read_contents(_read(text), where=str(text)).assets()}
    spare = [f for f in (folder / "assets").iterdir() if ASSET.fullmatch(f"assets/{f.name}")]
    spare = [f for f in spare if f"assets/{f.name}" not in needed]
    for file in spare:
        file.unlink()
    return len(spare)


# --- the folder ------------------------------------------------------------------------------------------------------
def _locate(path: Path) -> tuple[Path, Path]:
    """The project's folder and the scene file meant by a path."""
    if path.suffix == ".json":
        return (path.parent.parent if path.parent.name in _FOLDERS else path.parent), path
    return path, path / SCENE


def _text(scene: Scene, folder: Path, *, base: str = "") -> bytes:
    """The text of a scene whose assets are in the folder; those that are there already are not packed again."""
    stored: dict[str, str] = {}
    try:
        contents = read_contents(_read(folder / SCENE), where=str(folder / SCENE))
        names = {**contents.meshes, **{image.key: image.file for image in contents.images}}
        stored = {key: name for key, name in names.items() if ASSET.fullmatch(name) and (folder / name).is_file()}
    except BadAsset:  # no project there yet, or one that is about to be replaced
        stored = {}

    def store(data: bytes, suffix: str) -> str:
        name = asset_name(data, suffix)
        if not _is_whole(folder / name, name):
            _write(folder / name, data)
        return name

    _make(folder / "assets")
    return write_scene(with_paths(scene, told, folder), store, base=base, stored=stored)


def _fetch(folder: Path, name: str) -> bytes:
    data = _read(folder / name)
    if asset_name(data, Path(name).suffix[1:]) != name:
        raise BadAsset(f"{folder / name} is damaged; restore it from a backup or relink it.")
    return data


def _is_whole(file: Path, name: str) -> bool:
    return file.is_file() and asset_name(_read(file), Path(name).suffix[1:]) == name


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise BadAsset(f"{path} is missing; choose a project, restore the file or relink it.")
        return path.read_bytes()
    except (OSError, ValueError) as fault:
        raise BadAsset(f"{path} cannot be read: {_reason(fault)}.") from None


def _write(path: Path, data: bytes) -> None:
    """Write under a temporary name, then rename; a reader sees the old file or the new one, never half of one."""
    _make(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as fault:
        temporary.unlink(missing_ok=True)
        raise CannotWrite(f"{path} could not be written: {_reason(fault)}; free the disk or save elsewhere.") from None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise CannotWrite(f"The folder {folder} could not be made: {_reason(fault)}; save elsewhere.") from None


def _reason(fault: OSError | ValueError) -> str:
    return (fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)).lower()


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    found = [(_NUMBERED.fullmatch(file.name), file) for file in folder.iterdir()] if folder.is_dir() else []
    return sorted((int(match[1]), file) for match, file in found if match)


def _next(folder: Path) -> Path:
    numbers = [n for n, _ in _numbered(folder)]
    return folder / f"scene.{max(numbers, default=0) + 1:04d}.json"


def _hash(path: Path) -> str:
    return hashlib.blake2b(_read(path), digest_size=16).hexdigest() if path.is_file() else ""


def _content(text: bytes) -> bytes:
    """A scene's text without the line that tells a backup's base."""
    return b"\n".join(line for line in text.split(b"\n") if not line.startswith(b'"base": '))


def _files(folders: Iterable[Path | str]) -> Iterator[Path]:
    """Regular files below folders, in a stable order; links are not followed."""
    for folder in folders:
        for root, _, names in os.walk(folder):
            for name in sorted(names):
                file = Path(root) / name
                if file.is_file() and not file.is_symlink():
                    yield file
