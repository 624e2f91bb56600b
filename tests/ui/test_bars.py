"""Pieces of bars that panels share."""

from __future__ import annotations

from typing import Any

from pytestqt.qtbot import QtBot

from studio.ui import i18n
from studio.ui.bars import Given, Menu


def test_a_menu_follows_the_language_but_names_that_were_given_stay(qapp: Any, qtbot: QtBot) -> None:
    menu = Menu("menu", "Camera", ())
    qtbot.addWidget(menu)
    menu.fill([("Camera", 1), (Given("Camera"), 2), (Given("Ball"), 3)])
    menu.choose(3)
    i18n.set_language("zh_CN")
    menu.relabel()
    shown = [menu.itemText(row) for row in range(menu.count())]
    assert shown[0] != "Camera" and shown[1:] == ["Camera", "Ball"] and menu.currentData() == 3
    menu.fill([("Camera", 1), (Given("Camera"), 2), (Given("Ball"), 3)])
    assert menu.currentData() == 3
