"""The scene of a live view as a store has it: sent once as a bundle, and after that told by what was edited.

Only what brings new geometry or pictures is sent as a bundle again, and of that only what the store has not.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from studio.farm.bundles.manifest import bundle_key
from studio.farm.bundles.portable import portable_changes
from studio.farm.live.job import Base
from studio.farm.store import Store
from studio.farm.submission import send_scene
from studio.scene.project import save_project
from studio.scene.scene import Scene
from studio.scene.scene_changes import SceneChanges, changes


class SentScene:
    """See the module. `folder` is where scenes are written before they are sent; one that is made here goes by
    `remove`."""

    def __init__(self, store: Store, folder: Path | None = None) -> None:
        self._store = store
        self._made = folder is None
        self._folder = folder or Path(tempfile.mkdtemp(prefix="myriad-live-"))
        self.base: Base | None = None
        self._doubtful = False

    def doubt(self) -> None:
        """Send it whole the next time: nodes have seen another."""
        self._doubtful = True

    def bring(self, scene: Scene, progress: Callable[[int, int], None]) -> tuple[Base, SceneChanges | None, int]:
        """What is in the store, what differs from that (None: nothing, it was sent for this), and the bytes that were
        sent. It is sent when there is none, as after a cleaning, or when too much of it has changed."""
        base = self.base
        if base is not None and not self._doubtful and self._store.size(bundle_key(base.bundle)) is not None:
            told = changes(base.scene, scene)
            if told is not None:
                return base, portable_changes(told, where="the edit"), 0
        self._doubtful = False
        folder = self._folder / "scene.studio"
        save_project(scene, folder)
        sent = send_scene(self._store, folder, scene, progress=progress, journal=self._folder / "journal")
        self.base = Base(bundle=sent.bundle, file=sent.scene, scene=scene)
        return self.base, None, sent.sent

    def remove(self) -> None:
        """Remove what was written here, where the folder is of this object's making."""
        if self._made:
            shutil.rmtree(self._folder, ignore_errors=True)
