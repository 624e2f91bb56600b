"""Figures in the inspector: what they look at is chosen by name; their controls have a panel of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QComboBox
from pytestqt.qtbot import QtBot

from studio.commands.studio import Studio
from studio.scene.entities import Constraint, Figure, Group
from studio.scene.scene import Scene
from studio.ui.field_values import sections
from studio.ui.inspector import Inspector
from tests.ui.desk import PlainDesk


@pytest.fixture
def studio() -> Studio:
    lamp, rule = Group(id="lamp", name="Lamp"), Constraint(id="c", parent="lamp")
    return Studio(scene=Scene().add(Figure(id="ada", name="Ada"), lamp, rule))


@pytest.fixture
def inspector(qtbot: QtBot, studio: Studio) -> Iterator[Inspector]:
    panel = Inspector(studio, PlainDesk(studio))
    qtbot.addWidget(panel)
    panel.resize(320, 700)
    panel.show()
    yield panel
    panel.close_panel()


def test_a_figure_has_a_section_without_its_controls(studio: Studio) -> None:
    (place, figure) = sections(studio.scene, ["ada"])
    assert figure.kind is Figure
    assert [shared.field.name for shared in figure.fields] == [
        "head_turn",
        "look_at",
        "look_weight",
        "lids_follow",
        "idle",
        "idle_seed",
    ]
    assert "translation" in {shared.field.name for shared in place.fields}


def test_what_it_looks_at_is_chosen_by_name(studio: Studio, inspector: Inspector) -> None:
    studio.select(["ada"])
    menu = inspector.findChild(QComboBox, "field-look_at")
    assert menu is not None
    menu.showPopup()
    menu.hidePopup()
    assert [menu.itemText(i) for i in range(menu.count())] == ["None", "Lamp"]
    menu.setCurrentIndex(1)
    menu.activated.emit(1)
    found = studio.scene.entities["ada"]
    assert isinstance(found, Figure) and found.look_at == "lamp"
