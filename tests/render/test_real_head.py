"""A real head of 51,000 triangles and 55 morphs, lit by three softboxes through the public API."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import OpenImageIO
import pytest

import studio
from studio.render.sequence import Job, render_job
from studio.render.session import RenderSession
from studio.render.settings import RenderSettings
from studio.scene import edits, keying
from studio.scene.document import Document
from studio.scene.entities import Camera
from studio.scene.lights import Light
from studio.scene.project import save_project
from studio.scene.scene import Scene
from tests.conftest import ROOT
from tests.render.stage import sha256

pytestmark = pytest.mark.slow

SIZE, SAMPLES = 96, 16
FACE = (0.0, -0.02, 0.06)
ON_CPU = {"size": (SIZE, SIZE), "samples": SAMPLES, "device": "cpu", "threads": 2}


@dataclass(frozen=True)
class Head:
    scene: Scene
    id: str
    morphs: tuple[str, ...]

    def with_face(self, **weights: float) -> Scene:
        return self.scene.replace(self.id, morph_weights=self.face(**weights))

    def face(self, **weights: float) -> tuple[float, ...]:
        assert set(weights) <= set(self.morphs)
        return tuple(weights.get(name, 0.0) for name in self.morphs)


@pytest.fixture(scope="module")
def glb(shared):
    path = shared / "assets" / "ict_head" / "ict_head.glb"
    if not path.is_file():
        pytest.skip(f"no head to light: {path} does not exist")
    return path


def softbox(name, at, size_m, nits) -> Light:
    shape = {"light": "rectangle", "unit": "nt", "width_m": size_m, "height_m": size_m, "seen_by_camera": False}
    return Light(id=name, name=name, intensity=nits, translation=at, group=name, **shape)


@pytest.fixture(scope="module")
def head(glb) -> Head:
    document = Document(studio.load(glb))
    (id_,) = document.scene.entities
    (mesh,) = document.scene.meshes.values()
    with document.edit("Three-light rig") as edit:
        edit.scene = edit.scene.add(
            softbox("key", (-0.7, 0.4, 0.6), 0.5, 1500.0),
            softbox("fill", (0.8, 0.1, 0.7), 0.7, 80.0),
            softbox("rim", (0.5, 0.5, -0.7), 0.4, 3000.0),
            Camera(id="portrait", translation=(0.0, 0.0, 1.0), focal_length_mm=85.0),
        )
        edit.apply(edits.aim, ("key", "fill", "rim", "portrait"), FACE)
        edit.apply(edits.set_camera, "portrait")
    return Head(document.scene, id_, tuple(morph.name for morph in mesh.morphs))


@pytest.fixture(scope="module")
def rest(head):
    return studio.render(head.scene, aovs=("position", "normal", "motion", "direct_diffuse"), **ON_CPU)


def luminance(picture) -> np.ndarray:
    return picture.pixels[..., :3] @ np.float32((0.2126, 0.7152, 0.0722))


def regions(rest) -> dict[str, np.ndarray]:
    """Masks of the picture at rest, by where its surface lies; the face looks along +z, its left is +x."""
    x, y, z = np.moveaxis(rest.film.rgb("P"), -1, 0)
    solid = rest.film.value("A") > 0.999
    front = solid & (z > 0.05)
    return {
        "mouth": front & (np.abs(x) < 0.035) & (y > -0.075) & (y < -0.01),
        "forehead": front & (np.abs(x) < 0.05) & (y > 0.07),
        "key side": front & (x < -0.02) & (np.abs(y) < 0.08),
        "fill side": front & (x > 0.02) & (np.abs(y) < 0.08),
        "background": rest.film.value("A") == 0,
    }


def test_every_layer_is_a_number_and_the_head_fills_its_part_of_the_picture(rest):
    for layer in rest.film.layers():
        assert np.isfinite(
            rest.film.rgb(layer) if layer not in ("UV", "motion") else rest.film.value(f"{layer}.X")
        ).all()
    coverage = (rest.film.value("A") > 0.5).mean()
    assert 0.1 < coverage < 0.6
    assert rest.warnings == ()
    assert all(mask.sum() > 20 for mask in regions(rest).values())


def test_the_key_side_is_brighter(rest):
    lit, where = luminance(rest), regions(rest)
    assert lit[where["key side"]].mean() > 1.5 * lit[where["fill side"]].mean()
    assert lit[where["background"]].max() == 0.0


@pytest.mark.parametrize("weights", [{"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}, {"jawOpen": 0.7}])
def test_a_morph_changes_the_mouth_and_leaves_the_rest_alone(head, rest, weights):
    posed = studio.render(head.with_face(**weights), aovs=("position",), **ON_CPU)
    where = regions(rest)
    moved = np.linalg.norm(posed.film.rgb("P") - rest.film.rgb("P"), axis=-1)
    assert moved[where["mouth"]].max() > 0.004 and moved[where["forehead"]].max() < 1e-4
    before, after = luminance(rest), luminance(posed)
    where["background"] &= posed.film.value("A") == 0
    change = {name: np.abs(after - before)[mask].mean() for name, mask in where.items()}
    mean = before[where["mouth"]].mean()
    assert change["mouth"] > 0.1 * mean and change["mouth"] > 4 * change["forehead"]
    assert change["background"] == 0.0


def test_motion_vectors_follow_the_jaw_into_the_next_frame(head, rest):
    document = Document(head.scene)
    with document.edit("Open the jaw") as edit:
        edit.apply(keying.set_key, head.id, "morph_weights", 1, head.face())
        edit.apply(keying.set_key, head.id, "morph_weights", 2, head.face(jawOpen=0.7))
    vectors = studio.render(document.scene, aovs=("motion",), frame=1, **ON_CPU).film
    down, where = vectors.value("motion.Y"), regions(rest)
    assert down[where["mouth"]].max() > 1.0  # pixels
    assert np.abs(down[where["forehead"]]).max() < 1e-3


def test_a_frame_alone_equals_the_frame_of_the_sequence(head, tmp_path):
    document = Document(head.scene)
    with document.edit("Smile") as edit:
        edit.apply(keying.set_key, head.id, "morph_weights", 1, head.face())
        edit.apply(keying.set_key, head.id, "morph_weights", 3, head.face(mouthSmileLeft=1.0, mouthSmileRight=1.0))
    asked = RenderSettings(width=SIZE, height=SIZE, samples=4, aovs=("motion",))
    with RenderSession(device="cpu", threads=2) as session:
        shot = Job(scene=document.scene, output=tmp_path / "f.####.exr", frames=(1, 2, 3), settings=asked)
        assert render_job(session, shot)
    files = [sha256(tmp_path / f"f.000{frame}.exr") for frame in (1, 2, 3)]
    assert len(set(files)) == 3
    alone = studio.render(document.scene, aovs=("motion",), frame=2, **{**ON_CPU, "samples": 4})
    assert sha256(alone.save(tmp_path / "alone.exr")) == files[1]


def test_the_recipe_of_the_documentation_runs(glb, tmp_path, monkeypatch):
    text = (ROOT / "docs" / "head.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    small = program.replace("size=(720, 720), samples=64", 'size=(64, 64), samples=4, device="cpu", threads=2')
    assert small != program and '"ict_head.glb"' in program
    monkeypatch.chdir(tmp_path)
    done: dict[str, object] = {}
    exec(compile(small.replace('"ict_head.glb"', repr(str(glb))), "docs/head.md", "exec"), done)
    rest, laughing = (
        OpenImageIO.ImageBuf(str(tmp_path / f"head.{frame:04d}.png")).get_pixels(OpenImageIO.FLOAT) for frame in (1, 24)
    )
    assert rest.shape == (64, 64, 3) and np.abs(rest - laughing).max() > 0.1
    save_project(done["document"].scene, tmp_path / "head.studio")
    assert studio.load(tmp_path / "head.studio").tracks
