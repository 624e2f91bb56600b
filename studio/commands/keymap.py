"""Which keys give which command: the commands' own, replaced by the person's, with conflicts named.

A shortcut is text like "Ctrl+Shift+S" or "G"; two are the same when their parts are, in any order and case. The keys
of a place ("viewport") go before those that work everywhere, so "F" may frame in a viewport and find elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from studio.commands.registry import Command
from studio.errors import UsageError

_MODIFIERS = ("Ctrl", "Alt", "Shift", "Meta")


def normal(shortcut: str) -> str:
    """The one spelling of a shortcut: modifiers first, in one order; `UsageError` for what is none."""
    text = shortcut.strip()
    if text.endswith("++") or text == "+":
        parts, key = text[:-2].split("+") if text != "+" else [], "+"
    else:
        *parts, key = text.split("+")
    found = {part.strip().capitalize() for part in parts if part.strip()}
    if not key.strip() or not found <= set(_MODIFIERS):
        raise UsageError(f"{shortcut!r} is no shortcut; write it like Ctrl+Shift+S")
    key = key.strip()
    return "+".join([*(m for m in _MODIFIERS if m in found), key.upper() if len(key) == 1 else key.capitalize()])


@dataclass(frozen=True, slots=True)
class Conflict:
    """A shortcut that two commands of one place ask for."""

    shortcut: str
    place: str
    commands: tuple[str, ...]


class Keymap:
    """Shortcuts by command and commands by shortcut. `own` replaces the default keys of the commands it names."""

    def __init__(self, commands: Mapping[str, Command], own: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self._commands = commands
        self._keys: dict[str, tuple[str, ...]] = {}
        for id_, command in commands.items():
            wanted = (own or {}).get(id_, command.keys)
            self._keys[id_] = tuple(dict.fromkeys(_usable(wanted)))
        self._by_key: dict[tuple[str, str], list[str]] = {}
        for id_, keys in self._keys.items():
            for key in keys:
                self._by_key.setdefault((commands[id_].place, key), []).append(id_)

    def keys(self, id_: str) -> tuple[str, ...]:
        """Shortcuts of a command."""
        return self._keys.get(id_, ())

    def find(self, shortcut: str, place: str = "") -> tuple[str, ...]:
        """Commands that a shortcut gives in a place, those of the place itself first."""
        key = normal(shortcut)
        found = list(self._by_key.get((place, key), ()))
        if place:
            found += self._by_key.get(("", key), ())
        return tuple(found)

    def conflicts(self) -> tuple[Conflict, ...]:
        """Shortcuts that more than one command of the same place asks for."""
        return tuple(
            Conflict(key, place, tuple(ids)) for (place, key), ids in sorted(self._by_key.items()) if len(ids) > 1
        )


def _usable(shortcuts: tuple[str, ...]) -> list[str]:
    """Shortcuts in their normal spelling; one that a hand-edited file got wrong is passed over."""
    out = []
    for shortcut in shortcuts:
        try:
            out.append(normal(shortcut))
        except UsageError:
            continue
    return out
