"""What a hand does in a viewport: pointer, wheel and key events without a window system.

Positions are DEVICE pixels of the viewport, x right and y down from its top left corner; whoever makes an event
converts once, at the widget's edge (logical position times the device pixel ratio). Keys are named by what is printed
on them, so that a shortcut is the same on every platform.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Button = Literal["", "left", "middle", "right"]
Modifiers = frozenset[str]  # of "shift", "ctrl", "alt", "meta" (command on a Mac is "ctrl", as Qt has it)

NONE: Modifiers = frozenset()
SHIFT: Modifiers = frozenset({"shift"})
CTRL: Modifiers = frozenset({"ctrl"})
ALT: Modifiers = frozenset({"alt"})


@dataclass(frozen=True, slots=True)
class PointerEvent:
    """A mouse or pen. `button` is the one pressed or released, "" otherwise; "move" is a motion with a button held,
    "hover" one without, "double" a second press shortly after the first, "leave" the pointer going elsewhere."""

    kind: Literal["press", "move", "release", "double", "hover", "leave"]
    x: float
    y: float
    button: Button = ""
    modifiers: Modifiers = NONE
    pressure: float = 1.0
    time_s: float = 0.0  # of any steady clock; only differences count


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """A key. `key` is a lower-case letter or digit ("g", "7"), the same with "num" before it on the number pad
    ("num7", "num.", "num+", "num-"), the character of a punctuation key (".", "[", "`"), or one of "escape", "enter"
    (both of them), "tab", "space", "backspace", "delete", "home", "end", "left", "right", "up", "down", "shift",
    "ctrl", "alt", "f1"... `text` is what typing it gives. `repeat` marks what a held key sends by itself."""

    kind: Literal["press", "release"]
    key: str
    text: str = ""
    modifiers: Modifiers = NONE
    repeat: bool = False
    time_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WheelEvent:
    """A wheel or a two-finger scroll: `dy` in notches (Qt's angle delta / 120), positive away from the hand."""

    x: float
    y: float
    dx: float = 0.0
    dy: float = 0.0
    modifiers: Modifiers = NONE
    time_s: float = 0.0
