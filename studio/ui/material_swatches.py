"""Small pictures of materials, kept by what the materials are and not by their names.

The key of a picture covers everything that it shows: the parameters, the images' content, the body, the stage. So two
equal materials share one, an undo finds the old one again, and the next start of the studio finds those of the last on
disk. Until a material was rendered it shows a ball shaded by a few lines of numpy, which is there at once.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QImage

from studio.assets.preview_stage import STAGE
from studio.errors import BadAsset
from studio.scene.materials import Material
from studio.scene.schema import encode
from studio.ui.bridge import Bridge

SIDE_PX = 112  # of a picture that is kept
_IN_MEMORY, _ON_DISK = 512, 2000
_QUICK_PX = 64
_MARGIN = 0.13


def swatch_key(material: Material, images: Mapping[str, object], *, shape: str = "ball") -> str:
    """A key for the picture of a material; "" when it cannot be drawn. `images` are those of the scene, by key."""
    plain = msgspec.structs.replace(material, id="", name="", extra={})
    try:
        text = encode(plain)
    except BadAsset:  # a number that is not finite
        return ""
    here = sorted(t.image for t in material.textures.values() if t.image in images)
    return hashlib.blake2b(f"{STAGE};{shape};{here};".encode() + text, digest_size=16).hexdigest()


def swatch_folder() -> Path:
    """Where pictures are kept for the next time."""
    from studio.render.device import cache_root

    return cache_root() / "materials"


class Swatches(QObject):
    """Pictures by key. `came` tells the key of one that has just come."""

    came = Signal(str)

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._pictures: OrderedDict[str, QImage] = OrderedDict()
        self._quick_pictures: OrderedDict[str, QImage] = OrderedDict()
        self._looked: set[str] = set()  # keys that were looked for on disk
        self._looking: set[str] = set()

    def get(self, key: str) -> QImage | None:
        """The picture of a key, if it is in memory; else it is looked for on disk, and `came` tells if it was there."""
        found = self._pictures.get(key)
        if found is not None:
            self._pictures.move_to_end(key)
        elif key and key not in self._looked:
            self._looked.add(key)
            self._looking.add(key)
            path = swatch_folder() / f"{key}.png"
            self._bridge.run(lambda: _read(path), then=lambda image: self._found(key, image))
        return found

    def known(self, key: str) -> bool:
        """Whether a picture is there, or still being looked for: nobody needs to render it now."""
        return key in self._pictures or key in self._looking

    def _found(self, key: str, image: QImage) -> None:
        self._looking.discard(key)
        if not image.isNull():
            self._keep(key, image)
        self.came.emit(key)

    def put(self, key: str, image: QImage) -> None:
        """Keep a picture, here and on disk."""
        edge = round(image.width() * _MARGIN)  # the body fills the picture
        body = image.copy(edge, edge, image.width() - 2 * edge, image.height() - 2 * edge)
        small = body.scaled(
            SIDE_PX, SIDE_PX, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        self._keep(key, small)
        self._looked.add(key)
        folder = swatch_folder()
        self._bridge.run(lambda: _write(folder, key, small), then=lambda _: None)
        self.came.emit(key)

    def _keep(self, key: str, image: QImage) -> None:
        self._pictures[key] = image
        while len(self._pictures) > _IN_MEMORY:
            gone, _ = self._pictures.popitem(last=False)
            self._looked.discard(gone)

    def quick(self, material: Material) -> QImage:
        """A ball that looks roughly like the material, at once."""
        plain = msgspec.structs.replace(material, id="", name="", textures={}, extra={})
        key = repr(plain)
        found = self._quick_pictures.get(key)
        if found is None:
            found = self._quick_pictures[key] = _ball(plain)
            while len(self._quick_pictures) > _IN_MEMORY:
                self._quick_pictures.popitem(last=False)
        return found


def _read(path: Path) -> QImage:
    return QImage(str(path)) if path.is_file() else QImage()


def _write(folder: Path, key: str, image: QImage) -> None:
    """Keep a picture for the next time; the oldest go. A disk that refuses costs nothing but time."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{key}.{os.getpid()}.png"
        if image.save(str(temporary)):
            temporary.replace(folder / f"{key}.png")
        files = sorted(folder.glob("*.png"), key=lambda file: file.stat().st_mtime)
        for file in files[: max(0, len(files) - _ON_DISK)]:
            file.unlink(missing_ok=True)
    except OSError:  # a cache: what cannot be kept is rendered again
        return


def _ball(m: Material) -> QImage:
    """The ball by hand: a Lambert and a Blinn lobe from a key, a rim by Schlick, encoded for the screen."""
    at = (np.arange(_QUICK_PX) + 0.5) / _QUICK_PX * 2.2 - 1.1
    x, y = np.meshgrid(at, -at)
    inside = x * x + y * y
    z = np.sqrt(np.maximum(1.0 - inside, 0.0))
    n = np.stack([x, y, z], -1)
    key = np.array([-0.5, 0.62, 0.6])
    half = (key + np.array([0.0, 0.0, 1.0])) / np.linalg.norm(key + np.array([0.0, 0.0, 1.0]))
    lit = np.maximum(n @ key, 0.0)[..., None]
    base = np.asarray(m.base_color) * m.base_weight
    metal, clear = m.base_metalness, m.transmission_weight
    rough = max(m.specular_roughness, 0.08)
    power = 2.0 / rough**3
    f0 = ((m.specular_ior - 1.0) / (m.specular_ior + 1.0)) ** 2 * m.specular_weight
    f = np.asarray(m.specular_color) * f0 * (1 - metal) + base * metal
    shine = (np.maximum(n @ half, 0.0) ** power)[..., None] * (0.35 + 0.6 / (rough + 0.2))
    rim = ((1.0 - z) ** 4)[..., None]
    body = base * (1 - metal) * (1 - clear) + np.asarray(m.transmission_color) * clear * 0.5 * (1 - metal)
    out = body * (0.9 * lit + 0.12) + f * (0.25 + 0.5 * lit) + f * shine * 2.5 + 0.25 * rim * (0.3 + f)
    out = out + m.coat_weight * 0.5 * (np.maximum(n @ half, 0.0) ** 300)[..., None]
    out = out + m.fuzz_weight * np.asarray(m.fuzz_color) * 0.6 * ((1.0 - z) ** 2)[..., None]
    if m.emission_luminance > 0:
        out = out + np.asarray(m.emission_color) * min(m.emission_luminance, 1.5)
    out = np.clip(out / (1.0 + 0.25 * out), 0.0, 1.0) ** (1 / 2.2)
    cover = np.clip((1.0 - np.sqrt(inside)) * _QUICK_PX / 2.2 + 0.5, 0.0, 1.0)[..., None]
    rgba: NDArray[np.uint8] = (np.concatenate([out * cover, cover], -1) * 255.0 + 0.5).astype(np.uint8)
    data = np.ascontiguousarray(rgba)
    return QImage(data.data, _QUICK_PX, _QUICK_PX, 4 * _QUICK_PX, QImage.Format.Format_RGBA8888_Premultiplied).copy()
