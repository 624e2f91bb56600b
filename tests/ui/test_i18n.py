"""Languages: both are complete, and what is on the screen changes while one looks at it."""

from __future__ import annotations

import string
from typing import Any

from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from studio.ui import i18n


def test_chinese_misses_no_text() -> None:
    known = i18n.catalogue("zh_CN")
    missing = {text: home for text, home in i18n.sources().items() if text not in known}
    assert missing == {}


def test_chinese_holds_no_text_that_is_said_nowhere() -> None:
    assert set(i18n.catalogue("zh_CN")) - set(i18n.sources()) == set()


def test_translations_keep_the_values_of_their_sources() -> None:
    def names(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

    wrong = {text: told for text, told in i18n.catalogue("zh_CN").items() if names(text) != names(told)}
    assert wrong == {}


def test_what_was_said_is_said_again_in_the_other_language(qtbot: QtBot) -> None:
    label = QLabel()
    qtbot.addWidget(label)
    i18n.say(label.setText, "Undo")
    i18n.set_language("zh_CN")
    assert label.text() == "撤销"
    i18n.set_language("en")
    assert label.text() == "Undo"


def test_a_widget_that_is_gone_is_not_spoken_to(qtbot: QtBot) -> None:
    import shiboken6

    label = QLabel()
    i18n.say(label.setText, "Undo")
    shiboken6.delete(label)
    i18n.set_language("zh_CN")


def test_an_unknown_language_is_the_system_s() -> None:
    i18n.set_language("tlh")
    assert i18n.language() == i18n.system_language()


def test_a_window_switches_while_it_is_open(window: Any, qtbot: QtBot, shot: Any) -> None:
    studio = window.application.studio
    studio.run("create.point_light")
    studio.prefer(language="zh_CN")
    titles = [action.text() for action in window.menuBar().actions()]
    assert titles[0] == "文件(&F)"
    assert window.add_dock("outliner").windowTitle() == "大纲"
    counts = window.findChild(QLabel, "status.counts")
    assert "灯光" in counts.text()
    shot(window, "chinese")
    studio.prefer(language="en")
    assert window.menuBar().actions()[0].text() == "&File"


def test_qt_s_own_words_are_translated_too(qapp: Any) -> None:
    from PySide6.QtCore import QCoreApplication

    i18n.set_language("zh_CN")
    assert QCoreApplication.translate("QPlatformTheme", "Cancel") == "取消"
