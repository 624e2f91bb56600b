"""Files that a scene names and that are gone: which they are, and where they may be found.

The pixels of an image are in the project, so nothing is lost while its file is away; but it can be neither reloaded
nor collected. A file is looked for by its name first, then by what is in it: pictures whose pixels are those of the
image, whatever they are called now.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from studio.assets.library_kinds import IES, IMAGE, is_passed_over, kind_of
from studio.errors import StudioError
from studio.scene.geometry import Image
from studio.scene.project_paths import with_paths
from studio.scene.scene import Scene

_MOST_FILES = 200_000


@dataclass(frozen=True, slots=True)
class Missing:
    """A file that is gone: its path as the scene has it, "image" or "sound", and the keys of the images from it."""

    path: str
    kind: str
    images: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's name, whatever system the path is of."""
        return PureWindowsPath(self.path).name if "\\" in self.path else PurePosixPath(self.path).name


def missing(scene: Scene) -> tuple[Missing, ...]:
    """Files that a scene names and that are not there, by path. Looks at the disk."""
    images: dict[str, list[str]] = {}
    for key, image in scene.images.items():
        if image.path and not _is_there(image.path):
            images.setdefault(image.path, []).append(key)
    out = [Missing(path, "image", tuple(keys)) for path, keys in images.items()]
    audio = scene.timeline.audio
    if audio is not None and audio.path and not _is_there(audio.path):
        out.append(Missing(audio.path, "sound"))
    return tuple(sorted(out, key=lambda each: each.path))


def look_for(scene: Scene, folders: Iterable[Path | str]) -> dict[str, str]:
    """Where the missing files of a scene lie now, as far as they are found below folders: old path to new one."""
    wanted = {each.path: each for each in missing(scene)}
    files = list(_files(folders)) if wanted else []
    by_name: dict[str, list[str]] = {}
    for file in files:
        by_name.setdefault(os.path.basename(file).casefold(), []).append(file)
    found: dict[str, str] = {}
    for path, each in wanted.items():
        candidates = by_name.get(each.name.casefold(), [])
        if candidates:
            found[path] = max(candidates, key=lambda file: (_same(scene, each, file), _shared(file, path)))
    rest = {key: path for path, each in wanted.items() if path not in found for key in each.images}
    for file in files if rest else ():
        key = next((key for key in rest if _holds(scene.images[key], file)), "")
        if key:
            path = rest.pop(key)
            found.setdefault(path, file)
            if not rest:
                break
    return found


def relinked(scene: Scene, found: dict[str, str]) -> Scene:
    """The scene with paths replaced as `look_for` found them."""
    return with_paths(scene, lambda path, _: found.get(path, path), Path())


def _same(scene: Scene, each: Missing, file: str) -> bool:
    return any(_holds(scene.images[key], file) for key in each.images)


def _shared(file: str, path: str) -> int:
    """How many parts two paths have in common at their ends: the one whose folders are called the same is meant."""
    ours, theirs = Path(file).parts[::-1], path.replace("\\", "/").split("/")[::-1]
    return next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a.casefold() != b.casefold()), len(ours))


def _holds(image: Image, file: str) -> bool:
    """Whether a picture or IES file holds the pixels of an image; its size is looked at before it is compared whole."""
    kind = kind_of(file)
    if kind not in (IMAGE, IES):
        return False
    from studio.assets.ies import read_profile
    from studio.assets.images import read_image, with_colour_space

    try:
        found = read_image(file) if kind == IMAGE else read_profile(file).image
    except StudioError:
        return False
    if found.pixels.shape[:2] != image.pixels.shape[:2]:
        return False
    return with_colour_space(found, image.colour_space).key == image.key


def _files(folders: Iterable[Path | str]) -> Iterator[str]:
    """Files below folders, in a stable order; links and hidden folders are not followed."""
    count = 0
    for folder in folders:
        for root, below, names in os.walk(folder):
            below[:] = sorted(name for name in below if not is_passed_over(name))
            for name in sorted(names):
                file = os.path.join(root, name)
                count += 1
                if count > _MOST_FILES:
                    return
                if os.path.isfile(file) and not os.path.islink(file):
                    yield file


def _is_there(path: str) -> bool:
    try:
        return os.path.isfile(path)
    except ValueError:  # a name that no file can have
        return False
