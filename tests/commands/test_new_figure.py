"""New figure: who is asked for comes in where the viewport looks, as one step, selected."""

from __future__ import annotations

from collections import deque

import pytest

from studio.commands.face import Headless
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.figure.bust import assemble
from studio.figure.bust.identities import identities, person
from studio.scene.entities import Figure, Group
from studio.scene.scene import Scene


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the bust, which takes seconds and has its own tests."""

    def build_bust(identity: str) -> Scene:
        person(identity)
        return Scene().add(Figure(id=identity, name=identity), Group(id=f"{identity} head", parent=identity))

    monkeypatch.setattr(assemble, "build_bust", build_bust)


def test_a_named_person_comes_in_selected_and_can_be_undone() -> None:
    studio = Studio(scene=Scene().add(Group(id="set")))
    studio.run("figures.new", identity="emi")
    figure = studio.scene.entities["emi"]
    assert isinstance(figure, Figure) and studio.selection == ("emi",)
    assert figure.translation == pytest.approx((0.0, 0.27, 0.0)), "it stands where the viewport looks"
    studio.document.undo()
    assert set(studio.scene.entities) == {"set"}


def test_the_same_person_can_come_twice() -> None:
    studio = Studio(scene=Scene())
    studio.run("figures.new", identity="ada")
    studio.run("figures.new", identity="ada")
    assert sum(isinstance(e, Figure) for e in studio.scene.entities.values()) == 2


def test_without_a_name_the_twelve_are_asked_for() -> None:
    studio = Studio(scene=Scene(), face=Headless(answers=deque([person("hugo").label])))
    studio.run("figures.new")
    assert "hugo" in studio.scene.entities


def test_no_answer_changes_nothing() -> None:
    studio = Studio(scene=Scene(), face=Headless(answers=deque([""])))
    studio.run("figures.new")
    assert not studio.scene.entities


def test_an_unknown_person_is_refused_with_the_known_names() -> None:
    with pytest.raises(UsageError, match=", ".join(identities()[:3])):
        Studio(scene=Scene()).run("figures.new", identity="nobody")
