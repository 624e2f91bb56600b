"""Keys of the three hands: what Blender's, Maya's and Houdini's fingers expect of a viewport.

Data, not code: a keymap of the window may take them over; what no shortcut took comes to `ViewportTools.key`, which
looks here. A binding names a method of `ViewportTools` and its argument.
"""

from __future__ import annotations

from collections.abc import Mapping

from studio.viewport.tools.settings import Preset

Chord = tuple[str, frozenset[str]]
Call = tuple[str, str]  # a method of ViewportTools, and its argument or ""


def _chord(text: str) -> Chord:
    *modifiers, key = text.split("+") if text != "num+" else ["num+"]
    return key, frozenset(modifiers)


_VIEWS: Mapping[str, Call] = {
    "num1": ("view", "front"),
    "ctrl+num1": ("view", "back"),
    "num3": ("view", "right"),
    "ctrl+num3": ("view", "left"),
    "num7": ("view", "top"),
    "ctrl+num7": ("view", "bottom"),
    "num9": ("view", "opposite"),
    "num5": ("toggle_orthographic", ""),
    "num0": ("toggle_through", ""),
    "num4": ("nudge", "left"),
    "num6": ("nudge", "right"),
    "num8": ("nudge", "up"),
    "num2": ("nudge", "down"),
    "num+": ("nudge", "in"),
    "num-": ("nudge", "out"),
    "num.": ("frame_selected", ""),
    "num/": ("isolate", ""),
    "f": ("frame_selected", ""),
    "home": ("frame_all", ""),
    "[": ("undo_view", ""),
    "]": ("redo_view", ""),
}
_OWN: Mapping[Preset, Mapping[str, Call]] = {
    "blender": {
        "g": ("begin", "move"),
        "r": ("begin", "rotate"),
        "s": ("begin", "scale"),
        "/": ("isolate", ""),
        "h": ("hide_selected", ""),
        "shift+h": ("hide_unselected", ""),
        "alt+h": ("unhide_all", ""),
        "a": ("select_all", ""),
        "alt+a": ("select_none", ""),
        "ctrl+i": ("select_inverse", ""),
    },
    "maya": {
        "q": ("set_mode", "select"),
        "w": ("set_mode", "move"),
        "e": ("set_mode", "rotate"),
        "r": ("set_mode", "scale"),
        "a": ("frame_all", ""),
        "ctrl+1": ("isolate", ""),
        "ctrl+h": ("hide_selected", ""),
        "alt+h": ("hide_unselected", ""),
        "ctrl+shift+h": ("unhide_all", ""),
        "ctrl+shift+i": ("select_inverse", ""),
    },
    "houdini": {
        "s": ("set_mode", "select"),
        "t": ("set_mode", "move"),
        "r": ("set_mode", "rotate"),
        "e": ("set_mode", "scale"),
        "space+f": ("frame_selected", ""),
        "space+g": ("frame_selected", ""),
        "space+a": ("frame_all", ""),
        "space+h": ("frame_all", ""),
        "space+1": ("toggle_orthographic", ""),
        "space+2": ("view", "top"),
        "space+3": ("view", "front"),
        "space+4": ("view", "right"),
        "a": ("select_all", ""),
        "n": ("select_all", ""),
    },
}
KEYS: Mapping[Preset, Mapping[Chord, Call]] = {
    preset: {_chord(text): call for text, call in {**_VIEWS, **own}.items()} for preset, own in _OWN.items()
}
