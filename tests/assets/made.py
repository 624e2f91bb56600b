"""Small real files for tests of the library."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from studio.assets.demo.shapes import box
from studio.assets.gltf.writer import save_gltf
from studio.scene.entities import MeshObject
from studio.scene.geometry import make_mesh
from studio.scene.materials import Material
from studio.scene.scene import Scene


def write_model(path: Path, *, size: float = 1.0, colour: tuple[float, float, float] = (0.6, 0.35, 0.15)) -> None:
    """A cube that stands on the ground."""
    shape = box((size, size, size), (0.0, size / 2, 0.0))
    mesh = make_mesh(shape.positions, shape.triangles, normals=shape.normals, uv0=shape.uv)
    material = Material(id="paint", name="paint", base_color=colour)
    scene = Scene().add(mesh, material, MeshObject(id="box", name="box", mesh=mesh.key, materials=("paint",)))
    save_gltf(scene, path)


def write_hdr(path: Path, *, width: int = 64) -> None:
    """An environment in Radiance's format: blue above, brown below, without run lengths (G. Ward, 1991)."""
    height = width // 2
    rgb = np.zeros((height, width, 3), np.float64)
    rgb[: height // 2] = (0.2, 0.4, 1.0)
    rgb[height // 2 :] = (0.4, 0.25, 0.1)
    top = rgb.max(axis=2)
    mantissa, exponent = np.frexp(top)
    scaled = rgb * (mantissa / top * 256.0)[..., None]
    pixels = np.concatenate([scaled, (exponent + 128)[..., None]], axis=2).astype(np.uint8)
    path.write_bytes(f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {height} +X {width}\n".encode() + pixels.tobytes())
