"""A scene as it stands becomes a project to be sent: the bytes of the project's own, and only what is new is made."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from studio.errors import CannotWrite
from studio.farm.bundles.collect import scene_files
from studio.farm.bundles.snapshot import laid_out, plain_scene
from studio.scene.project import SCENE, load_project, save_project
from tests.render.stage import stage


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))


@pytest.fixture
def project(tmp_path) -> Path:
    path = tmp_path / "stage.studio"
    save_project(stage(), path)
    return path


def texts(folder: Path) -> dict[str, bytes]:
    """What would be sent of a folder."""
    return {name: (folder / name).read_bytes() for name in scene_files(folder)}


def test_an_unchanged_project_is_sent_as_it_lies(project):
    with laid_out(load_project(project), project) as folder:
        assert texts(folder) == texts(project) and folder != project


def test_assets_are_the_project_s_own_and_stay_from_one_time_to_the_next(project):
    scene = load_project(project)
    for _ in range(2):
        with laid_out(scene, project) as folder:
            for name in scene_files(project):
                same = (folder / name).stat().st_ino == (project / name).stat().st_ino
                assert same == (name != SCENE), name


def test_a_change_that_is_not_saved_is_sent_and_leaves_the_project_alone(project):
    before = texts(project)
    scene = load_project(project).replace_each(["key"], intensity=99.0)
    with laid_out(scene, project) as folder:
        assert load_project(folder).entities["key"].intensity == 99.0
        assert [name for name, data in texts(folder).items() if before.get(name) != data] == [SCENE]
    assert texts(project) == before


def test_how_pictures_are_asked_for_stays_here(project):
    scene = load_project(project)
    own = {"export": {"output": "/home/me/x"}, "farm": {"cap_micros": 1}}
    asked = replace(scene, extra={**scene.extra, **own, "mix": 1})
    assert plain_scene(asked).extra == {**scene.extra, "mix": 1} and plain_scene(scene) is scene
    with laid_out(replace(scene, extra={**scene.extra, "export": {"samples": 7}}), project) as folder:
        assert texts(folder) == texts(project)


def test_a_scene_without_a_project_is_laid_out_and_goes(tmp_path):
    with laid_out(stage(), None) as folder:
        assert load_project(folder).entities.keys() == stage().entities.keys()
    assert not folder.exists()


def test_what_the_scene_needs_no_more_is_not_kept(project):
    scene = load_project(project)
    with laid_out(scene, project) as folder:
        many = len(list((folder / "assets").iterdir()))
    slim = replace(scene, meshes=dict(list(scene.meshes.items())[:1]), entities={})
    with laid_out(slim, project) as folder:
        assert len(list((folder / "assets").iterdir())) < many


def test_a_project_that_is_damaged_or_gone_is_sent_from_memory(project):
    scene = load_project(project)
    before = texts(project)
    (project / SCENE).write_text("{]")
    with laid_out(scene, project) as folder:
        assert texts(folder) == before
    shutil.rmtree(project)
    with laid_out(scene, project) as folder:
        assert texts(folder) == before


def test_a_disk_without_links_gets_copies(project, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    with laid_out(load_project(project), project) as folder:
        assert texts(folder) == texts(project)


def test_a_place_that_cannot_be_written_is_one_sentence(project, tmp_path):
    scene = load_project(project)
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(CannotWrite, match="make room"), laid_out(scene, project):
        raise AssertionError("nothing is laid out")
