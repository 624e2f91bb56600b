"""Figures by command: made, rested, looking at things, alive."""

from __future__ import annotations

import pytest

from studio.commands.studio import Studio
from studio.errors import BadAsset, UsageError
from studio.scene.entities import Figure, Group
from tests.figure.test_rigging import made_head


@pytest.fixture
def studio() -> Studio:
    made = Studio()
    with made.document.edit("Head") as edit:
        edit.scene = made_head().add(Group(id="thing", name="Thing", translation=(0.0, 0.0, 1.0)))
    return made


def make(studio: Studio) -> str:
    studio.select(["bust"])
    return str(studio.run("figures.make"))


def figure(studio: Studio, id_: str) -> Figure:
    found = studio.scene.entities[id_]
    assert isinstance(found, Figure)
    return found


def test_making_a_figure_is_one_step_that_selects_it_and_says_what_it_found(studio: Studio) -> None:
    before = studio.scene
    id_ = make(studio)
    assert studio.selection == (id_,) and figure(studio, id_).rig.jaw
    assert any("eye" in sentence for _, sentence in studio.face.notices)  # type: ignore[attr-defined]
    studio.document.undo()
    assert studio.scene.entities == before.entities


def test_what_is_a_figure_already_is_not_made_one_again(studio: Studio) -> None:
    make(studio)
    with pytest.raises(UsageError, match="does not apply"):
        make(studio)
    studio.select(["top", "thing"])  # one of them is free, the other is not
    with pytest.raises(BadAsset, match="figure already"):
        studio.run("figures.make")


def test_a_figure_rests_with_all_that_it_does(studio: Studio) -> None:
    id_ = make(studio)
    with studio.document.edit("Act") as edit:
        edit.replace(id_, expression=(0.5, 0.2), head_turn=(1.0, 2.0, 3.0), look_at="thing", idle=0.5)
    studio.select(["bust"])  # any part of it will do
    studio.run("figures.reset")
    rested = figure(studio, id_)
    assert not any(rested.expression) and rested.head_turn == (0.0, 0.0, 0.0) and rested.look_at == ""
    assert rested.idle == 0.5


def test_a_figure_looks_at_what_else_is_selected_and_ahead_again(studio: Studio) -> None:
    id_ = make(studio)
    studio.select([id_, "thing"])
    studio.run("figures.look_at")
    assert figure(studio, id_).look_at == "thing"
    studio.select([id_])
    studio.run("figures.look_at")
    assert figure(studio, id_).look_at == ""
    with pytest.raises(UsageError, match="nothing called"):
        studio.run("figures.look_at", target="ghost")


def test_idle_life_is_switched_on_and_off(studio: Studio) -> None:
    id_ = make(studio)
    studio.run("figures.idle")
    assert figure(studio, id_).idle == 1.0
    studio.run("figures.idle")
    assert figure(studio, id_).idle == 0.0
    studio.run("figures.idle", on=True)
    assert figure(studio, id_).idle == 1.0


def test_between_two_figures_it_asks_for_one(studio: Studio) -> None:
    make(studio)
    with studio.document.edit("Another") as edit:
        edit.scene = edit.scene.add(Figure(id="other"))
    studio.select(["thing"])
    with pytest.raises(UsageError, match="select a figure"):
        studio.run("figures.reset")
    with pytest.raises(UsageError, match="does not apply"):
        Studio().run("figures.reset")
