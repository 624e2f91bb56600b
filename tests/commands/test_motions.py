"""Bringing motions of bodies onto figures by command."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.commands.studio import Studio
from studio.errors import StudioError, UsageError
from tests.figure.test_body import bvh, figure_scene, row


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    made = Studio()
    with made.document.edit("Figure") as edit:
        edit.scene = edit.scene.add(*figure_scene().entities.values())
    (tmp_path / "walk.bvh").write_bytes(bvh(row(), row(c3=20.0), row(c3=40.0)))
    return made


def test_the_only_figure_plays_the_file_from_here_on_in_one_step(studio: Studio, tmp_path: Path) -> None:
    studio.frame = 7.0
    studio.run("figures.import_motion", path=str(tmp_path / "walk.bvh"))
    (strip,) = studio.scene.strips.values()
    assert strip.start == 7.0 and strip.name == "walk" and strip.frames == pytest.approx(2.0, rel=1e-4)
    studio.frame = 9.0
    assert studio.posed.entities["hips"].rotation != studio.scene.entities["hips"].rotation
    studio.document.undo()
    assert not studio.scene.strips and not studio.scene.clips


def test_without_a_figure_it_asks_for_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="select one figure"):
        Studio().run("figures.import_motion", path=str(tmp_path / "walk.bvh"))


def test_another_file_is_refused_in_a_sentence(studio: Studio, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"scene\.abc: is no motion"):
        studio.run("figures.import_motion", path=str(tmp_path / "scene.abc"))
    assert not studio.scene.clips
