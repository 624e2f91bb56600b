"""Two studios on one project, projects that are not whole, and files that went missing, by the commands alone."""

from __future__ import annotations

import shutil
from collections import deque
from pathlib import Path

import numpy as np
import pytest

from studio.commands.face import Headless
from studio.commands.studio import Studio
from studio.errors import BadAsset
from studio.scene import project
from studio.scene.geometry import make_image
from studio.scene.lights import Light
from studio.scene.project_lock import LOCK
from studio.scene.scene import Scene


@pytest.fixture
def hall(tmp_path: Path) -> Path:
    project.save_project(Scene().add(Light(id="lamp")), tmp_path / "hall.studio")
    return tmp_path / "hall.studio"


def studio(*answers: object) -> Studio:
    return Studio(face=Headless(answers=deque(answers)))


def asked(who: Studio) -> list[str]:
    assert isinstance(who.face, Headless)
    return who.face.questions


def test_an_open_project_is_locked_until_it_is_left(hall: Path) -> None:
    one = studio()
    one.run("file.open", path=str(hall))
    assert (hall / LOCK).exists()
    one.run("file.new")
    assert not (hall / LOCK).exists()


def test_a_second_studio_is_told_and_may_take_a_copy(hall: Path) -> None:
    one, two = studio(), studio("Open a copy")
    one.run("file.open", path=str(hall))
    two.run("file.open", path=str(hall))
    assert "is open in another studio" in asked(two)[0]
    assert two.path is None and "lamp" in two.scene.entities
    assert one.lock is not None and one.lock.held


def test_never_mind_leaves_the_open_scene(hall: Path) -> None:
    one, two = studio(), studio("Cancel")
    one.run("file.open", path=str(hall))
    two.run("file.open", path=str(hall))
    assert two.path is None and not two.scene.entities


def test_what_another_studio_saved_is_not_overwritten_unasked(hall: Path) -> None:
    one, two = studio("Cancel"), studio("Open anyway")
    one.run("file.open", path=str(hall))
    two.run("file.open", path=str(hall))
    two.run("create.spot_light")
    two.run("file.save")
    one.run("create.point_light")
    before = project.fingerprint(hall)
    one.run("file.save")
    assert "was saved by somebody else" in asked(one)[-1]
    assert project.fingerprint(hall) == before and one.document.modified


def test_overwriting_keeps_the_other_s_work_as_a_version(hall: Path) -> None:
    one, two = studio("Overwrite"), studio("Open anyway")
    one.run("file.open", path=str(hall))
    two.run("file.open", path=str(hall))
    two.run("create.spot_light")
    two.run("file.save")
    one.run("create.point_light")
    one.run("file.save")
    assert "point" in project.load_project(hall).entities and not one.document.modified
    (kept,) = project.versions(hall)
    assert "spot" in project.load_project(kept).entities


def test_mine_may_be_kept_as_a_version_beside_the_other_s(hall: Path) -> None:
    one, two = studio("Save as a version"), studio("Open anyway")
    one.run("file.open", path=str(hall))
    two.run("file.open", path=str(hall))
    two.run("create.spot_light")
    two.run("file.save")
    one.run("create.point_light")
    one.run("file.save")
    assert "spot" in project.load_project(hall).entities
    (kept,) = project.versions(hall)
    assert "point" in project.load_project(kept).entities and not one.document.modified


def test_saving_again_and_again_asks_nothing(hall: Path) -> None:
    one = studio()
    one.run("file.open", path=str(hall))
    for _ in range(3):
        one.run("create.point_light")
        one.run("file.save")
    assert asked(one) == []


def test_a_project_cut_in_half_offers_its_newest_whole_state(hall: Path) -> None:
    project.save_version(Scene().add(Light(id="kept")), hall)
    text = (hall / "scene.json").read_bytes()
    (hall / "scene.json").write_bytes(text[: len(text) // 2])
    one = studio("Open that state")
    one.run("file.open", path=str(hall))
    assert "scene.0001.json" in asked(one)[0] and asked(one)[0].count("\n") == 0
    assert "kept" in one.scene.entities and one.path == hall and one.document.modified
    assert list(hall.glob("scene.damaged-*.json"))
    one.run("file.save")
    assert "kept" in project.load_project(hall).entities


def test_a_project_cut_in_half_without_other_states_is_a_sentence(hall: Path) -> None:
    (hall / "scene.json").write_bytes(b'{"format": ')
    with pytest.raises(BadAsset, match=r"scene\.json"):
        studio().run("file.open", path=str(hall))


def test_a_newer_project_is_refused_in_a_sentence_and_offers_nothing(hall: Path) -> None:
    project.save_version(Scene(), hall)
    text = (hall / "scene.json").read_text().replace('"version": 1', '"version": 99')
    (hall / "scene.json").write_text(text)
    one = studio()
    with pytest.raises(BadAsset, match="newer studio"):
        one.run("file.open", path=str(hall))
    assert asked(one) == []


def test_missing_assets_are_looked_for_in_a_folder_and_the_project_opens(tmp_path: Path) -> None:
    hall = tmp_path / "hall.studio"
    image = make_image(np.full((2, 2, 3), 9, np.uint8))
    dome = Light(id="dome", light="dome", unit="nt", image=image.key)
    project.save_project(Scene().add(image, dome), hall)
    shutil.move(hall / "assets", tmp_path / "lost")
    (hall / "assets").mkdir()
    one = studio("Look in a folder…", str(tmp_path / "lost"))
    one.run("file.open", path=str(hall))
    assert one.path == hall and image.key in one.scene.images


def write_png(path: Path, value: int) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 3), (value, 2, 3)).save(path)


def test_missing_images_are_found_by_name_and_by_what_is_in_them(tmp_path: Path) -> None:
    from studio.assets.images import read_image
    from studio.assets.missing import missing

    for name, value in (("wood.png", 10), ("brick.png", 20)):
        write_png(tmp_path / "old" / name, value)
    images = [read_image(tmp_path / "old" / name) for name in ("wood.png", "brick.png")]
    one = studio()
    one.show_scene(Scene().add(*images), None)
    shutil.rmtree(tmp_path / "old")
    write_png(tmp_path / "new" / "deep" / "WOOD.png", 10)
    write_png(tmp_path / "new" / "other name.png", 20)
    write_png(tmp_path / "new" / "decoy.png", 30)
    assert len(missing(one.scene)) == 2
    one.run("file.relink", folder=str(tmp_path / "new"))
    assert missing(one.scene) == ()
    by_key = {image.key: Path(one.scene.images[image.key].path).name for image in images}
    assert by_key == {images[0].key: "WOOD.png", images[1].key: "other name.png"}
    one.document.undo()
    assert len(missing(one.scene)) == 2


def test_of_several_files_of_a_name_the_one_with_the_same_pixels_is_taken(tmp_path: Path) -> None:
    from studio.assets.images import read_image

    write_png(tmp_path / "old" / "wood.png", 10)
    image = read_image(tmp_path / "old" / "wood.png")
    one = studio()
    one.show_scene(Scene().add(image), None)
    shutil.rmtree(tmp_path / "old")
    write_png(tmp_path / "new" / "a" / "wood.png", 99)
    write_png(tmp_path / "new" / "b" / "wood.png", 10)
    one.run("file.relink", folder=str(tmp_path / "new"))
    assert one.scene.images[image.key].path == str(tmp_path / "new" / "b" / "wood.png")
