"""A desk without a window, for panels under test."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QMenu, QWidget

from studio.commands.studio import Studio
from studio.errors import StudioError
from studio.ui.audio_track import AudioTrack
from studio.ui.bridge import Bridge
from studio.ui.playback import Playback


class PlainDesk:
    """Answers what panels ask; remembers which menus and panels were asked for."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.bridge = Bridge()
        self.sound = AudioTrack(studio, self.bridge)
        self.playback = Playback(studio, sound=self.sound)
        self.given: list[str] = []
        self.menus: list[str] = []
        self.hints: list[str] = []
        self.told: list[tuple[str, Any]] = []

    def give(self, id_: str) -> None:
        self.given.append(id_)
        self.studio.attempt(id_)

    @property
    def device(self) -> Any:
        raise AssertionError("this desk has no device")

    def viewport(self) -> None:
        return None

    def show_panel(self, id_: str) -> QWidget | None:
        return None

    def panel(self, id_: str) -> QWidget | None:
        return None

    def context_menu(self, place: str, parent: QWidget) -> QMenu:
        self.menus.append(place)
        return QMenu(parent)

    def reports(self) -> list[tuple[str, Any]]:
        return self.told

    def tell_fault(self, fault: Exception) -> None:
        if not isinstance(fault, StudioError):
            raise fault
        self.studio.face.notify(str(fault), kind="error")

    def status(self, text: str) -> None:
        self.hints.append(text)
