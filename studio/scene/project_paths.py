"""How a project names files that lie outside of its assets: pictures that images came from, sound.

In memory such a path is absolute. In a project's text it is relative to the project where the file lies in it or near
it (at most two folders up, below a folder that both share), so that a project may be moved together with what lies
around it; anything else keeps its absolute path.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PureWindowsPath

import msgspec

from studio.scene.geometry import Image
from studio.scene.scene import Scene

_UP = 2  # folders above the project in which a file is still near


def told(path: str, folder: Path) -> str:
    """A path as a project's text has it."""
    if not is_absolute(path):
        return path
    try:
        relative = Path(os.path.relpath(path, folder))
        shared = os.path.commonpath([path, folder.absolute()])
    except ValueError:  # on another drive, or no path at all
        return path
    if relative.parts[: _UP + 1] == (os.pardir,) * (_UP + 1) or shared == os.path.dirname(shared):
        return path
    return relative.as_posix()


def meant(path: str, folder: Path) -> str:
    """The absolute path that a project's text means."""
    if not path or is_absolute(path) or "\0" in path:
        return path
    return os.path.normpath(os.path.join(folder.absolute(), path))


def with_paths(scene: Scene, change: Callable[[str, Path], str], folder: Path) -> Scene:
    """The scene with the paths of its images and its sound changed; itself where none differs."""
    images: dict[str, Image] = {}
    for key, image in scene.images.items():
        path = change(image.path, folder)
        if path != image.path:
            images[key] = replace(image, path=path)
    out = replace(scene, images={**scene.images, **images}) if images else scene
    audio = out.timeline.audio
    if audio is not None and (path := change(audio.path, folder)) != audio.path:
        new = msgspec.structs.replace(audio, path=path)
        out = replace(out, timeline=msgspec.structs.replace(out.timeline, audio=new))
    return out


def is_absolute(path: str) -> bool:
    """Whether a path is absolute here or on another system."""
    return bool(path) and (os.path.isabs(path) or PureWindowsPath(path).is_absolute())
