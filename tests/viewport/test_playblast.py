"""`studio playblast`: pictures, films, JSON, and sentences for what cannot be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio import cli
from studio.errors import Unsupported, UsageError
from studio.scene.project import save_project
from studio.viewport.device import Device
from studio.viewport.playblast import check_output, is_film, playblast
from tests.viewport.stages import room, scene_of, sheet, thing


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A room with a few lamps on disk."""
    path = tmp_path_factory.mktemp("scene") / "room.studio"
    save_project(room(60), path)
    return path


def events(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_picture_and_its_numbers(
    device: Device, project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "p.png"
    assert cli.main(["playblast", str(project), "-o", str(out), "--size", "96x64", "--json"]) == 0
    told = events(capsys.readouterr().out)
    done = told[-1]
    assert done["event"] == "done" and done["frames"] == 1 and done["lights"] == 60 and done["shadowed_lights"] == 60
    assert {"median", "p95"} <= set(done["ms_per_frame"]) and done["renderer"]  # type: ignore[arg-type]
    picture = np.asarray(Image.open(out))
    assert picture.shape == (64, 96, 3) and picture.std() > 10
    assert [p.name for p in out.parent.iterdir()] == ["p.png"]


def test_a_sequence_has_a_file_a_frame(device: Device, project: Path, tmp_path: Path) -> None:
    pattern = tmp_path / "f.####.png"
    assert cli.main(["playblast", str(project), "-o", str(pattern), "--size", "32x32", "--frames", "1-5x2"]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f.0001.png", "f.0003.png", "f.0005.png"]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm"])
def test_a_film_holds_every_frame(device: Device, project: Path, tmp_path: Path, suffix: str) -> None:
    av = pytest.importorskip("av", reason="the video extra is not installed")
    out = tmp_path / f"film{suffix}"
    assert cli.main(["playblast", str(project), "-o", str(out), "--size", "64x48", "--frames", "1-4"]) == 0
    with av.open(str(out)) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == 4 and frames[0].shape == (48, 64, 3)
    assert frames[0].std() > 5


def test_animation_is_drawn_frame_by_frame(device: Device, tmp_path: Path) -> None:
    wall = sheet(0.5, 0.5)
    from studio.scene.materials import Material

    glow = Material(id="grey", emission_luminance=1.0, base_color=(0.0,) * 3, specular_weight=0.0)
    scene = scene_of(wall, glow, thing("wall", wall))
    still = playblast(scene, [tmp_path / "a.png", tmp_path / "b.png"], [1, 2], size=(32, 32), device=device)
    first, second = (np.asarray(Image.open(path)) for path in still.files)
    assert (first == second).all() and first.max() > 100
    assert len(still.frame_ms) == 2 and still.p95_ms >= still.median_ms > 0


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["nowhere.glb", "-o", "p.png"], 10, "there is no scene"),
        (["{scene}", "-o", "p.exr"], 2, "a playblast is .png"),
        (["{scene}", "-o", "p.png", "--frames", "1-3"], 2, "####"),
        (["{scene}", "-o", "p.png", "--size", "0x5"], 2, "width x height"),
        (["{scene}", "-o", "film.mp4", "--size", "33x32"], 2, "even sides"),
        (["{scene}", "-o", "p.png", "--mode", "sepia"], 2, "no mode 'sepia'"),
        (["{scene}", "-o", "p.png", "--view", "Sepia"], 2, "Sepia"),
        (["{scene}", "-o", "p.png", "--device", "vulkan"], 2, "egl, x11"),
        (["{scene}", "-o", "p.png", "--samples", "0"], 2, "--samples"),
        (["{scene}", "-o", "p.png", "--exposure", "nan"], 2, "--exposure"),
        (["{scene}", "-o", "p.png", "--camera", "None"], 10, 'no camera "None"'),
        (["{scene}", "-o", "folder/"], 2, "is a folder"),
        (["{scene}", "-o", "{scene}/scene.json/p.png"], 14, "cannot write"),
        (["{scene}", "-o", "p.png", "--size", "60000x30000"], 11, "pixels a side"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(
    device: Device,
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["playblast", *(a.replace("{scene}", str(project)) for a in arguments)]) == code
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence in told and told.startswith("studio: ")
    assert list(tmp_path.iterdir()) == []


def test_a_film_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(Unsupported, match="video extra"):
        check_output(Path("film.mp4"), (64, 64))
    assert is_film(Path("A.MOV")) and not is_film(Path("a.png"))


def test_pictures_need_a_file_each(device: Device, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="2 frames need as many files"):
        playblast(scene_of(), [tmp_path / "p.png"], [1, 2], size=(8, 8), device=device)


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from studio import cli\n"
        "try: cli.main(['playblast', '--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('numpy', 'moderngl', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]") and "--frames" in done.stdout


def test_shaders_are_part_of_the_package() -> None:
    from importlib import resources

    names = {file.name for file in (resources.files("studio.viewport") / "shaders").iterdir()}
    assert {"mesh.vert", "mesh_lit.frag", "surface.glsl", "lights.glsl", "display.frag"} <= names
