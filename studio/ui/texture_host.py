"""What texture slots of the material editor share: reading image files beside the window, binding them, thumbnails.

Files are read on a thread and bound when they have come, to the materials that were meant when the hand let go. A
broken file is one sentence, and nothing changes. Whether a file is still where it was is asked on a thread too: it may
lie on a disk that answers slowly.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QMimeData, QUrl
from PySide6.QtGui import QDesktopServices, QImage

from studio.commands.materials import IMAGES, find_images, take_found
from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.errors import StudioError
from studio.scene import texturing
from studio.scene.entities import Id
from studio.scene.geometry import Image
from studio.scene.scene import Scene
from studio.ui.bridge import Bridge
from studio.ui.i18n import tr

_THUMBNAIL_PX = 96


class TextureHost:
    """See the module. `ids` gives the materials that are edited now."""

    def __init__(self, studio: Studio, bridge: Bridge, ids: Callable[[], tuple[Id, ...]]) -> None:
        self.studio, self.bridge, self.ids = studio, bridge, ids
        self.on_files: Callable[[], object] = lambda: None  # called when more is known of files
        self._there: dict[str, bool | None] = {}  # None: being asked
        self._thumbnails: dict[str, QImage] = {}
        self.reading = 0

    # --- edits -------------------------------------------------------------------------------------------------------
    def edit(self, label: str, operation: Callable[[Scene], Scene]) -> None:
        """One step of the history; a fault is told as its sentence."""
        try:
            self.studio.edit(label, operation)
        except StudioError as fault:
            self.studio.face.notify(str(fault), kind="error")

    def bind_file(self, slot: str, path: Path) -> None:
        """Read a file and bind it to a slot of the materials that are edited now."""
        ids = self.ids()
        self._read(path, lambda image: self._bind(slot, image, ids))

    def _bind(self, slot: str, image: Image, ids: tuple[Id, ...]) -> None:
        here = [id_ for id_ in ids if id_ in self.studio.scene.materials]
        self._there[image.path] = True
        if here:
            self.edit(N_("Set a texture"), lambda scene: texturing.set_texture(scene, here, slot, image))

    def bind_image(self, slot: str, key: str) -> None:
        """Bind an image of the scene."""
        ids = self.ids()
        self.edit(N_("Set a texture"), lambda scene: texturing.set_texture(scene, ids, slot, key))

    def clear(self, slot: str) -> None:
        """Take the texture out of a slot."""
        ids = self.ids()
        self.edit(N_("Remove a texture"), lambda scene: texturing.clear_texture(scene, ids, slot))

    def ask_file(self, slot: str) -> None:
        """Choose a file and bind it."""
        path = self.studio.face.ask_open(N_("Choose an image"), IMAGES)
        if path is not None:
            self.bind_file(slot, path)

    # --- files -------------------------------------------------------------------------------------------------------
    def _read(self, path: Path, then: Callable[[Image], object]) -> None:
        from studio.assets.images import read_image

        self.reading += 1

        def read(image: Image) -> None:
            self.reading -= 1
            then(image)

        self.bridge.run(lambda: read_image(path), then=read, failed=self._failed)

    def _failed(self, fault: Exception) -> None:
        self.reading -= 1
        if not isinstance(fault, StudioError):
            raise fault
        self.studio.face.notify(str(fault), kind="error")

    def relink_file(self, slot: str, key: str) -> None:
        """Choose the file of a missing image, or of one whose file is gone; all that showed it shows it again."""
        path = self.studio.face.ask_open(N_("Choose an image"), IMAGES)
        if path is not None:
            self.relink_to(slot, key, path)

    def relink_to(self, slot: str, key: str, path: Path) -> None:
        """The same with the file given."""
        ids = self.ids()

        def relinked(image: Image) -> None:
            self._there[image.path] = True
            if key in self.studio.scene.images:
                self.edit(N_("Relink textures"), lambda scene: texturing.replace_image(scene, key, image))
                return
            lost = {
                lost.path
                for lost in texturing.lost_textures(self.studio.scene)
                if lost.slot == slot and lost.path and lost.material in ids
            }
            if lost:
                self.edit(N_("Relink textures"), lambda scene: texturing.relink(scene, dict.fromkeys(lost, image)))
            else:
                self._bind(slot, image, ids)

        self._read(path, relinked)

    def relink_folder(self) -> None:
        """Look for every missing image in a folder and below it."""
        folder = self.studio.face.ask_open(N_("Look for missing textures in"), ())
        if folder is not None:
            self.relink_in(folder)

    def relink_in(self, folder: Path) -> None:
        """The same with the folder given."""
        wanted = tuple(lost.path for lost in texturing.lost_textures(self.studio.scene) if lost.path)
        self.reading += 1

        def found(result: tuple[dict[str, Image], tuple[str, ...]]) -> None:
            self.reading -= 1
            take_found(self.studio, *result)

        self.bridge.run(lambda: find_images(folder, wanted), then=found, failed=self._failed)

    def is_there(self, path: str) -> bool:
        """Whether a file is where it was, as far as is known: it is until a thread has found otherwise."""
        if path and path not in self._there:
            self._there[path] = None

            def told(there: bool) -> None:
                self._there[path] = there
                if not there:
                    self.on_files()

            self.bridge.run(lambda: Path(path).is_file(), then=told, failed=lambda fault: told(False))
        return self._there.get(path) is not False

    def look_again(self) -> None:
        """Forget what is known of files: they may have come or gone."""
        self._there.clear()

    def reveal(self, path: str) -> None:
        """Open the folder of a file in the system's own window."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(Path(path).parent)))

    # --- pictures ----------------------------------------------------------------------------------------------------
    def thumbnail(self, key: str) -> QImage | None:
        """A small picture of an image of the scene; None when it is missing."""
        image = self.studio.scene.images.get(key)
        if image is None:
            return None
        found = self._thumbnails.get(key)
        if found is None:
            found = self._thumbnails[key] = thumbnail(image)
            if len(self._thumbnails) > 512:
                self._thumbnails.pop(next(iter(self._thumbnails)))
        return found

    def images(self) -> list[tuple[str, str]]:
        """Key and name of every image of the scene."""
        return [(key, image.name or tr("Image")) for key, image in self.studio.scene.images.items()]


def thumbnail(image: Image) -> QImage:
    """A small picture of an image, as it would look on a screen."""
    step = max(1, -(-max(image.pixels.shape[:2]) // _THUMBNAIL_PX))
    pixels: NDArray[Any] = image.pixels[::step, ::step]
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    elif pixels.dtype == np.float32:
        linear = np.clip(np.nan_to_num(pixels), 0.0, 1.0)
        pixels = (linear ** (1 / 2.2) * 255.0 + 0.5).astype(np.uint8)
    height, width, channels = pixels.shape
    rgb = np.empty((height, width, 4), np.uint8)
    rgb[..., :3] = pixels[..., :3] if channels >= 3 else pixels[..., :1]
    rgb[..., 3] = 255
    return QImage(rgb.data, width, height, 4 * width, QImage.Format.Format_RGBX8888).copy()


def dropped_image(data: QMimeData) -> Path | None:
    """The first image file of a drop, None when there is none."""
    for url in data.urls():
        if url.isLocalFile() and Path(url.toLocalFile()).suffix.lower() in IMAGES:
            return Path(url.toLocalFile())
    return None
