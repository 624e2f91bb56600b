"""Myriad Studio from Python.

    import studio

    scene = studio.load("hall.glb")  # or studio.demo("hall")
    studio.render(scene, size=(1280, 720), samples=64).save("hall.exr")

The names below are the public face; everything else may move. They are fetched when they are first asked for, so
`import studio` costs next to nothing.
"""

from __future__ import annotations

import importlib
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio import render
    from studio.errors import StudioError
    from studio.scene.scene import Scene

__version__ = "0.1.0"
__all__ = ["Scene", "StudioError", "__version__", "demo", "load", "render"]

_HOMES = {"Scene": "studio.scene.scene", "StudioError": "studio.errors"}


def load(path: str | PathLike[str]) -> Scene:
    """The scene of a file (.glb, .gltf, .obj) or a project folder.

    Lengths in metres, light in photometric units, as in glTF. Raises `StudioError`, one sentence that names the file,
    for what is missing, broken or of a format that is not read.
    """
    from studio.assets.load import load_scene

    return load_scene(path)[0]


def demo(name: str = "hall") -> Scene:
    """A scene made by code: one of `studio.assets.demo.NAMES`; raises `StudioError` for another name."""
    from studio.assets.demo import build

    return build(name)


def __getattr__(name: str) -> Any:
    if name == "render":  # a package that can be called
        return importlib.import_module("studio.render")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'studio' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
