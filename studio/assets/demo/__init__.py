"""Scenes made by code: for a first picture, and for measuring on something of our own.

Each is a module with one `build()`; nothing is loaded from a file, so they look the same everywhere and forever.
"""

from __future__ import annotations

import importlib

from studio.errors import UsageError
from studio.scene.scene import Scene

NAMES: tuple[str, ...] = ("hall", "rooms", "dome", "rig", "practicals")  # of many lamps
PORTRAITS: tuple[str, ...] = ("head",)


def build(name: str) -> Scene:
    """The demo scene of one of `NAMES` or `PORTRAITS`; raises UsageError for another name."""
    if name not in NAMES + PORTRAITS:
        raise UsageError(f'There is no demo called "{name}"; choose one of {", ".join(NAMES + PORTRAITS)}.')
    scene = importlib.import_module(f"studio.assets.demo.{name}").build()
    assert isinstance(scene, Scene)
    return scene
