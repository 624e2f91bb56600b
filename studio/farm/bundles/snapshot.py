"""A scene as it stands, laid out as a project for a bundle to be made of.

What is sent is the value that an artist sees, saved or not, and the project's own files are never touched. The folder
that it is laid out in is kept from one time to the next: assets are hard links of the project's (copies, where the
disk has no links), so an edit of a large project writes its text and the assets that are new, and what the journal
remembers of files still holds. How pictures are exported is left out. It is no part of what nodes render, it may name
folders of this machine, and a job would be another one for every word of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from studio.errors import BadAsset, CannotWrite
from studio.farm.bundles.portable import OWN
from studio.farm.session import farm_folder
from studio.render.queue_store import locked
from studio.scene.project import SCENE, save_project, sweep
from studio.scene.project_paths import told, with_paths
from studio.scene.scene import Scene
from studio.scene.scene_file import ASSET, read_contents


def plain_scene(scene: Scene) -> Scene:
    """The scene without what only its artist's machine needs."""
    kept = {name: value for name, value in scene.extra.items() if name not in OWN}
    return scene if len(kept) == len(scene.extra) else replace(scene, extra=kept)


@contextlib.contextmanager
def laid_out(scene: Scene, project: Path | None) -> Iterator[Path]:
    """A folder with the scene as a project, which is nobody else's meanwhile; `project` is the one that it belongs to,
    whose assets are used. Raises CannotWrite."""
    plain = plain_scene(scene)
    if project is None:
        with tempfile.TemporaryDirectory(prefix="myriad-farm-") as temporary:
            folder = Path(temporary) / "scene.studio"
            save_project(plain, folder)
            yield folder
        return
    home = project.absolute()
    place = farm_folder() / "sending" / hashlib.blake2b(str(home).encode(), digest_size=8).hexdigest()
    folder = place / "scene.studio"
    _make(folder / "assets")
    with locked(place / "lock"):
        _borrow(home, folder)
        # paths stand in the text as they do in the project's own, wherever this folder lies
        save_project(with_paths(plain, told, home), folder)
        sweep(folder)
        yield folder


def _borrow(project: Path, folder: Path) -> None:
    """Link the assets that the project names, and take its text, by which those are known that need no packing."""
    try:
        text = (project / SCENE).read_bytes()
        names = read_contents(text, where=str(project / SCENE)).assets()
    except (OSError, BadAsset):
        return  # it is not there, or is damaged: everything is written anew
    for name in sorted(names):
        source, target = project / name, folder / name
        if ASSET.fullmatch(name) and source.is_file() and not _is_same(source, target):
            _link(source, target)
    _write(folder / SCENE, text)


def _is_same(source: Path, target: Path) -> bool:
    """Whether an asset is there already: assets are named by their content, so size tells a whole one."""
    try:
        return target.stat().st_size == source.stat().st_size
    except OSError:
        return False


def _link(source: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        try:
            os.link(source, temporary)
        except OSError:  # another disk, or one without links
            shutil.copyfile(source, temporary)
        temporary.replace(target)
    except OSError as fault:
        temporary.unlink(missing_ok=True)
        raise CannotWrite(f"cannot prepare {target.name} in {target.parent}: {_reason(fault)}; make room") from fault


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as fault:
        raise CannotWrite(f"cannot write {path}: {_reason(fault)}; make room") from fault


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise CannotWrite(f"the folder {folder} cannot be made: {_reason(fault)}; make room") from fault


def _reason(fault: OSError) -> str:
    return (fault.strerror or str(fault)).lower()
