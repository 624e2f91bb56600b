"""Layers of lights made up for tests, behind the face of a file of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.render.layer_exr import PartHead, PartsWriter
from studio.render.light_layers import ALBEDO, BEAUTY, NORMAL, REST

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MadeLight:
    id: str
    name: str
    group: str
    index: int


class MadeLayers:
    """Layers (n, h, w, 3) of lights "l0", "l1", ...; sizes must divide the picture's."""

    def __init__(self, pixels: F32, *, groups: tuple[str, ...] = (), ids: tuple[str, ...] = ()) -> None:
        self.pixels = pixels.astype(np.float32)
        ids = ids or tuple(f"l{n}" for n in range(len(pixels)))
        names = groups or ("",) * len(pixels)
        self.lights = tuple(MadeLight(id_, f"Lamp {id_}", names[n], n) for n, id_ in enumerate(ids))
        self.size = self.frame_size = (pixels.shape[2], pixels.shape[1])
        self.crop = (0, 0, *self.size)
        self.about: dict[str, float] = {}
        self.reads = 0
        self.closed = False

    def _at(self, image: F32, size: tuple[int, int] | None) -> F32:
        if size is None or size == self.size:
            return image
        w, h = size
        return image.reshape(h, image.shape[0] // h, w, image.shape[1] // w, image.shape[2]).mean(axis=(1, 3))

    def read(self, index: int, size: tuple[int, int] | None = None) -> F32:
        self.reads += 1
        return self._at(self.pixels[index], size)

    def beauty(self, size: tuple[int, int] | None = None) -> F32:
        return self._at(self.pixels.sum(axis=0), size)

    def guides(self, size: tuple[int, int] | None = None) -> tuple[F32, F32] | None:
        return None

    def close(self) -> None:
        self.closed = True


def spots(count: int = 12, *, width: int = 96, height: int = 54, seed: int = 3, everywhere: float = 0.01) -> F32:
    """Coloured pools of light here and there, over a little of each light everywhere."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    out = np.empty((count, height, width, 3), np.float32)
    for n in range(count):
        place, size = random.uniform(0, 1, 2) * (width, height), random.uniform(0.04, 0.2) * width
        pool = np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * size**2))
        tint = random.uniform(0.3, 1.0, 3)
        out[n] = (pool[..., None] * 10 + everywhere) * tint
    return out


def write_layers(path: Path, made: MadeLayers, *, exposure_ev: float = 0.0, guided: bool = True) -> Path:
    """The file that a render with these layers would have written."""
    guides = [(BEAUTY, made.beauty()), *([(ALBEDO, np.full_like(made.beauty(), 0.5))] * guided)]
    guides += [(NORMAL, np.zeros_like(made.beauty()))] * guided
    heads = [PartHead(name, name == BEAUTY, {"myriad:layer": name}) for name, _ in guides]
    if exposure_ev:
        heads[0] = PartHead(BEAUTY, True, {"myriad:layer": BEAUTY, "myriad:exposure": float(exposure_ev)})
    images = [image for _, image in guides]
    for light in made.lights:
        about = {"myriad:layer": light.index, "myriad:id": light.id, "myriad:name": light.name}
        heads.append(
            PartHead(f"part {light.index}", False, about | {"myriad:group": light.group, "myriad:kind": "point"})
        )
        images.append(made.pixels[light.index])
    stored = sum(image.astype(np.float16).astype(np.float32) for image in images[len(guides) :])
    heads.append(PartHead(REST, True, {"myriad:layer": REST}))
    images.append(made.beauty() - stored)
    with open(path, "w+b") as file:
        writer = PartsWriter(file, heads, made.size, made.crop)
        for part, (head, image) in enumerate(zip(heads, images, strict=True)):
            lines = np.ascontiguousarray(image.transpose(0, 2, 1)[:, ::-1]).astype(head.dtype)
            writer.write(part, 0, lines)
        writer.finish()
    return path
