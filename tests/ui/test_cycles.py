"""Garbage with widgets in it goes on the window's thread, whichever thread makes the most of it."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from studio.ui import cycles
from studio.ui.cycles import CycleCollector


class Knot:
    """Garbage that only the collector finds; it says on which thread it went."""

    def __init__(self, held: Any, went: list[str]) -> None:
        self.itself, self.held = self, held
        weakref.finalize(self, lambda: went.append(threading.current_thread().name))


def test_widgets_in_cycles_go_on_the_thread_of_the_window(
    qapp: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cycles, "EVERY_MS", 5)
    gc.collect()
    went: list[str] = []
    collector = CycleCollector()
    try:
        Knot(QWidget(), went)

        def allocate() -> None:
            for _ in range(20_000):
                Knot(None, [])

        busy = threading.Thread(target=allocate, name="busy")
        busy.start()
        busy.join()
        assert went == [], "no other thread collects"
        qtbot.waitUntil(lambda: bool(went))
        assert went == [threading.main_thread().name]
    finally:
        collector.close()
    assert gc.isenabled()


def test_the_last_to_go_gives_python_s_own_back(qapp: Any) -> None:
    assert gc.isenabled()
    one, other = CycleCollector(), CycleCollector()
    one.close()
    one.close()
    assert not gc.isenabled()
    other.close()
    assert gc.isenabled()


def test_a_studio_collects_while_it_is_open(application: Any) -> None:
    assert not gc.isenabled()
    application.close()
    assert gc.isenabled()
