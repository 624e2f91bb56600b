"""Files broken in a thousand ways: each loads or is refused with one sentence, and none fills the memory.

`STUDIO_FUZZ` multiplies the number of files, for a longer hunt than a test run has time for.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from studio.assets.gltf.writer import save_gltf
from studio.assets.images import read_image
from studio.assets.load import load_scene
from studio.errors import StudioError
from tests.assets.everything import everything
from tests.assets.gltf_maker import glb
from tests.assets.mutations import damaged_bytes, damaged_json, damaged_text

TIMES = int(os.environ.get("STUDIO_FUZZ", "1"))
SEED = int(os.environ.get("STUDIO_FUZZ_SEED", "20260704"))

OBJ = """mtllib scene.mtl
o box
v 0 0 0
v 1 0 0 0.5 0.5 0.5
v 1 1 0
v 0 1 0
v 0.5 0.5 1
vt 0 0
vt 1 0
vt 1 1
vn 0 0 1
g front
usemtl wood
f 1/1/1 2/2/1 3/3/1 4
s 1
usemtl glass
f -5//1 -4//1 -1//1
f 1 2 3 4 5
o other
f 1/1 2/2 \\
 5/3
l 1 2
"""
MTL = """newmtl wood
Kd 0.5 0.4 0.3
Ns 200
map_Kd -s 2 2 2 -o 0.1 0.2 -clamp on wood.png
norm wood.png
map_Bump -bm 0.2 wood.png
newmtl glass
illum 7
d 0.2
Ni 1.4
Ke 1 2 3
Pr 0.3
Pm 0.1
"""


def peak_bytes() -> int:
    """The most memory this process ever held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def survives(path: Path, data: bytes, load: Callable[[Path], object], seed: object) -> bool:
    """Whether the file loads; a refusal must be one sentence that names it."""
    path.write_bytes(data)
    before = peak_bytes()
    try:
        load(path)
        loaded = True
    except StudioError as error:
        sentence = str(error)
        assert path.name in sentence or "scene.mtl" in sentence or "wood.png" in sentence, (seed, sentence)
        assert "\n" not in sentence and len(sentence) < 1200, (seed, sentence)
        loaded = False
    except BaseException as error:
        error.add_note(f"seed {seed}; the file is kept at {path.rename(path.with_suffix('.crash' + path.suffix))}")
        raise
    assert peak_bytes() - before < 20 * len(data) + 500_000_000, seed
    return loaded


def hunt(path: Path, count: int, damage: Callable[[random.Random], bytes], load: Callable[[Path], object]) -> None:
    """`count` damaged files; some must load and some must be refused, or the damage tests nothing."""
    loaded = 0
    for number in range(count * TIMES):
        seed = f"{SEED}-{path.name}-{number}"
        loaded += survives(path, damage(random.Random(seed)), load, seed)
    assert 0 < loaded < count * TIMES


@pytest.fixture(scope="module")
def base() -> tuple[bytes, dict[str, object], bytes]:
    maker = everything()
    data = maker.glb()
    length = int.from_bytes(data[12:16], "little")
    return data, json.loads(data[20 : 20 + length]), data[28 + length :]


def load_with_variant(path: Path) -> object:
    return load_scene(path, variant="red")


def test_damaged_glb_bytes_never_crash(tmp_path: Path, base: tuple[bytes, dict[str, object], bytes]) -> None:
    hunt(tmp_path / "scene.glb", 300, lambda rng: damaged_bytes(base[0], rng), load_scene)


def test_damaged_json_in_a_glb_never_crashes(tmp_path: Path, base: tuple[bytes, dict[str, object], bytes]) -> None:
    _, document, chunk = base

    def damage(rng: random.Random) -> bytes:
        return glb(json.dumps(damaged_json(document, rng)).encode(errors="surrogatepass"), chunk)

    hunt(tmp_path / "scene.glb", 700, damage, load_with_variant)


def test_a_sound_document_over_damaged_data_never_crashes(
    tmp_path: Path, base: tuple[bytes, dict[str, object], bytes]
) -> None:
    _, document, chunk = base
    text = json.dumps(document).encode()

    def damage(rng: random.Random) -> bytes:
        return glb(text, damaged_bytes(chunk, rng).ljust(len(chunk), b"\1"))

    hunt(tmp_path / "scene.glb", 200, damage, load_scene)


def test_damaged_gltf_text_never_crashes(tmp_path: Path) -> None:
    source = everything().save_gltf(tmp_path, "base.gltf", embed=True).read_bytes()
    hunt(tmp_path / "scene.gltf", 150, lambda rng: damaged_bytes(source, rng), load_scene)


def test_damaged_files_of_our_own_writer_never_crash(tmp_path: Path) -> None:
    save_gltf(load_scene(everything().save(tmp_path))[0], tmp_path / "written.gltf")
    document = json.loads((tmp_path / "written.gltf").read_text())

    def damage(rng: random.Random) -> bytes:
        return json.dumps(damaged_json(document, rng)).encode(errors="surrogatepass")

    hunt(tmp_path / "scene.gltf", 150, damage, load_scene)


def test_damaged_obj_and_mtl_never_crash(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (2, 2), (200, 100, 50)).save(tmp_path / "wood.png")
    (tmp_path / "scene.mtl").write_text(MTL)
    hunt(tmp_path / "scene.obj", 150, lambda rng: damaged_text(OBJ, rng).encode(), load_scene)
    hunt(tmp_path / "scene.obj", 60, lambda rng: damaged_bytes(OBJ.encode(), rng), load_scene)
    (tmp_path / "scene.obj").write_text(OBJ)

    def load_beside(path: Path) -> object:
        return load_scene(tmp_path / "scene.obj")

    for number in range(100 * TIMES):
        seed = f"{SEED}-mtl-{number}"
        rng = random.Random(seed)
        text = damaged_text(MTL, rng).encode()
        survives(tmp_path / "scene.mtl", text if number % 3 else damaged_bytes(text, rng), load_beside, seed)


@pytest.mark.parametrize("suffix", [".hdr", ".exr", ".tif", ".png", ".jpg", ".webp"])
def test_damaged_images_never_crash(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"source{suffix}"
    pixels = np.random.default_rng(3).random((9, 12, 3), np.float32)
    if suffix in (".hdr", ".exr", ".tif"):
        import OpenImageIO

        output = OpenImageIO.ImageOutput.create(str(source))
        assert output.open(str(source), OpenImageIO.ImageSpec(12, 9, 3, OpenImageIO.FLOAT))
        assert output.write_image(pixels)
        output.close()
    else:
        PIL.Image.fromarray((pixels * 255).astype(np.uint8)).save(source)
    data = source.read_bytes()
    hunt(tmp_path / f"scene{suffix}", 40, lambda rng: damaged_bytes(data, rng), read_image)
