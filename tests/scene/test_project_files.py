"""Files around a project: named relative to it, collected into it, whole states of it that are kept."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from studio.scene import project
from studio.scene.comparison import compare
from studio.scene.geometry import Image, make_image
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.project_paths import meant, told
from studio.scene.scene import Scene
from studio.scene.timeline import Audio, Timeline


def image_of(path: Path, value: int = 7) -> Image:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"not decoded here")
    return make_image(np.full((2, 2, 3), value, np.uint8), name=path.stem, path=str(path))


def paths(scene: Scene) -> list[str]:
    return sorted(image.path for image in scene.images.values())


def test_files_in_and_near_a_project_are_named_relative_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "show" / "shot" / "hall.studio"
    assert told(str(folder / "originals" / "a.png"), folder) == "originals/a.png"
    assert told(str(tmp_path / "show" / "textures" / "a.png"), folder) == "../../textures/a.png"
    assert told(str(tmp_path / "a.png"), folder) == str(tmp_path / "a.png")
    assert told("/elsewhere/a.png", Path("/hall.studio")) == "/elsewhere/a.png"
    assert told("C:\\art\\a.png", folder) == "C:\\art\\a.png"
    assert told("", folder) == ""


def test_what_a_relative_name_means_is_absolute(tmp_path: Path) -> None:
    assert meant("../a.png", tmp_path / "hall.studio") == str(tmp_path / "a.png")
    assert meant("/x/a.png", tmp_path) == "/x/a.png"
    assert meant("C:\\art\\a.png", tmp_path) == "C:\\art\\a.png"


def test_a_project_that_is_moved_with_its_neighbours_finds_them(tmp_path: Path) -> None:
    old = tmp_path / "old"
    sound = old / "sound" / "take.wav"
    sound.parent.mkdir(parents=True)
    sound.write_bytes(b"RIFF")
    scene = Scene().add(image_of(old / "textures" / "wood.png"))
    scene = replace(scene, timeline=Timeline(audio=Audio(path=str(sound))))
    project.save_project(scene, old / "hall.studio")
    text = (old / "hall.studio" / "scene.json").read_text()
    assert str(tmp_path) not in text
    shutil.move(old, tmp_path / "new")
    back = project.load_project(tmp_path / "new" / "hall.studio")
    assert paths(back) == [str(tmp_path / "new" / "textures" / "wood.png")]
    assert back.timeline.audio is not None and Path(back.timeline.audio.path).is_file()


def test_what_was_collected_goes_along_to_another_machine(tmp_path: Path) -> None:
    sound = tmp_path / "far" / "away" / "take.wav"
    scene = Scene().add(image_of(tmp_path / "far" / "away" / "wood.png"))
    sound.write_bytes(b"RIFF")
    scene = replace(scene, timeline=Timeline(audio=Audio(path=str(sound), start=3.0)))
    hall = tmp_path / "a" / "b" / "c" / "hall.studio"
    project.save_project(scene, hall)
    collected = project.collect(scene, hall)
    project.save_project(collected, hall)
    shutil.rmtree(tmp_path / "far")
    shutil.move(hall, tmp_path / "elsewhere.studio")
    back = project.load_project(tmp_path / "elsewhere.studio")
    assert all(Path(path).is_file() for path in paths(back))
    assert back.timeline.audio is not None and back.timeline.audio.start == 3.0
    assert Path(back.timeline.audio.path).read_bytes() == b"RIFF"
    assert project.collect(back, tmp_path / "elsewhere.studio") is back


def test_the_fingerprint_tells_whether_somebody_saved(tmp_path: Path) -> None:
    hall = tmp_path / "hall.studio"
    assert project.fingerprint(hall) == ""
    project.save_project(Scene(), hall)
    before = project.fingerprint(hall)
    project.save_project(Scene(), hall)
    assert project.fingerprint(hall) == before
    project.save_project(Scene().add(Light(id="key")), hall)
    assert project.fingerprint(hall) != before


def test_versions_and_backups_are_listed_with_the_newest_first(tmp_path: Path) -> None:
    hall = tmp_path / "hall.studio"
    project.save_version(Scene(), hall)
    project.autosave(Scene().add(Light(id="key")), hall)
    for age, state in enumerate(project.states(hall)):
        os.utime(state.path, (1000.0 + age, 1000.0 + age))
    states = project.states(hall)
    assert {state.kind for state in states} == {"version", "backup"}
    assert states[0].written > states[1].written and all(state.size for state in states)


def test_a_version_can_be_kept_beside_what_is_on_disk(tmp_path: Path) -> None:
    hall = tmp_path / "hall.studio"
    project.save_project(Scene(), hall)
    before = project.fingerprint(hall)
    kept = project.keep_version(Scene().add(Light(id="mine")), hall)
    assert project.fingerprint(hall) == before
    assert "mine" in project.load_project(kept).entities


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_the_newest_whole_state_of_a_project_cut_in_half_is_found(tmp_path: Path, share: float) -> None:
    hall = tmp_path / "hall.studio"
    project.save_version(Scene().add(Light(id="old")), hall)
    project.save_version(Scene().add(Light(id="newer")), hall)
    text = (hall / "scene.json").read_bytes()
    (hall / "scene.json").write_bytes(text[: int(len(text) * share)])
    for age, name in enumerate(("scene.0001.json", "scene.0002.json")):
        os.utime(hall / "versions" / name, (1000.0 + age, 1000.0 + age))
    found = project.newest_whole(hall)
    assert found is not None and "newer" in found[1].entities
    (hall / "versions" / "scene.0002.json").write_bytes(b"{")
    found = project.newest_whole(hall)
    assert found is not None and "old" in found[1].entities
    shutil.rmtree(hall / "versions")
    assert project.newest_whole(hall) is None
    assert project.set_aside(hall).is_file()


def test_a_newer_project_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    hall = tmp_path / "hall.studio"
    project.save_project(Scene(), hall)
    assert not project.is_newer(hall)
    text = (hall / "scene.json").read_text().replace('"version": 1', '"version": 99')
    (hall / "scene.json").write_text(text)
    assert project.is_newer(hall)
    (hall / "scene.json").write_text(text[:40])
    assert not project.is_newer(hall)


def test_scenes_are_compared_by_what_came_went_and_changed() -> None:
    one = Scene().add(Light(id="a"), Light(id="b"), Material(id="m"))
    two = one.remove(["a"]).add(Light(id="c"), Light(id="d"))
    two = two.put({"b": msgspec.structs.replace(two.entities["b"], muted=True)})
    found = compare(one, two)
    assert (found.added["lights"], found.removed["lights"], found.changed["lights"]) == (2, 1, 1)
    assert not found.changed["materials"]
    assert not compare(one, one)
