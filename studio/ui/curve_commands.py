"""Commands of the curve editor. They stand in the palette and the keymap like all others; their keys work in its place.

An editor says here that it is there; a command goes to the one of its studio. What picks keys or curves is the
editor's; what changes them is one undoable step, an operation of `studio.scene.keying` on what is picked.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene import keying
from studio.scene.animation import AUTO, BREAKDOWN, BROKEN, FLAT, FREE, LINEAR, STEP
from studio.scene.scene import Scene

if TYPE_CHECKING:
    from studio.ui.curve_editor import CurveEditor

PLACE = "curve editor"
_editors: weakref.WeakKeyDictionary[Studio, list[CurveEditor]] = weakref.WeakKeyDictionary()


def attach(studio: Studio, editor: CurveEditor) -> None:
    """An editor is there; commands go to the one that was used or opened last."""
    there = _editors.setdefault(studio, [])
    if editor in there:
        there.remove(editor)
    there.append(editor)


def detach(studio: Studio, editor: CurveEditor) -> None:
    """An editor is going."""
    if editor in _editors.get(studio, ()):
        _editors[studio].remove(editor)


def editor_of(studio: Studio) -> CurveEditor:
    """The editor that commands go to; UsageError when none is open."""
    there = _editors.get(studio)
    if not there:
        raise UsageError("open the curve editor first")
    there[-1].catch_up()
    return there[-1]


def opened(studio: Studio) -> bool:
    """The condition of commands that need an editor."""
    return bool(_editors.get(studio))


def has_lines(studio: Studio) -> bool:
    """The condition of commands that need curves."""
    return opened(studio) and bool(editor_of(studio).state.lines)


def has_picks(studio: Studio) -> bool:
    """The condition of commands on picked keys."""
    return opened(studio) and bool(editor_of(studio).state.picks)


def _is(name: str) -> Callable[[Studio], bool]:
    return lambda studio: opened(studio) and bool(getattr(editor_of(studio).state, name))


# --- looking ---------------------------------------------------------------------------------------------------------
@command(
    "curves.frame_all", N_("Frame all curves"), keys=("A", "Home"), place=PLACE, when=has_lines, icon="frame-all",
    recorded=False,
)  # fmt: skip
def frame_all(studio: Studio) -> None:
    """Show all curves whole."""
    editor = editor_of(studio)
    editor.canvas.frame_lines([n for n in range(len(editor.state.lines)) if editor.state.shows(n)])


@command(
    "curves.frame_selected", N_("Frame picked keys"), keys="F", place=PLACE, when=has_lines, icon="frame-selected",
    recorded=False,
)  # fmt: skip
def frame_selected(studio: Studio) -> None:
    """Show the picked keys, else the curves that are selected in the list, else all."""
    editor = editor_of(studio)
    if not editor.canvas.frame_picked():
        editor.canvas.frame_lines(editor.state.targets())


@command(
    "curves.normalise", N_("Normalised view"), keys="N", place=PLACE, when=opened, checked=_is("normalised"),
    icon="normalise", recorded=False,
)  # fmt: skip
def normalise(studio: Studio, *, on: bool | None = None) -> None:
    """Show every curve from 0 to 1, so that small movements stand beside large ones."""
    editor = editor_of(studio)
    editor.normalise(not editor.state.normalised if on is None else on)


@command(
    "curves.everything", N_("All animated"), place=PLACE, when=opened, checked=lambda s: _everything(s), icon="group",
    recorded=False,
)  # fmt: skip
def everything(studio: Studio, *, on: bool | None = None) -> None:
    """Show everything that is animated, not what is selected only."""
    editor = editor_of(studio)
    editor.show_everything(not editor.everything if on is None else on)


def _everything(studio: Studio) -> bool:
    return opened(studio) and editor_of(studio).everything


@command("curves.isolate", N_("Isolate curves"), keys="Shift+I", place=PLACE, when=has_lines, icon="solo",
         checked=_is("isolated"), recorded=False)  # fmt: skip
def isolate(studio: Studio, *, on: bool | None = None) -> None:
    """Show only the curves that are selected in the list or have picked keys; once more shows all again."""
    editor_of(studio).isolate(on)


@command("curves.hide", N_("Hide curves"), keys="H", place=PLACE, when=has_lines, icon="hidden", recorded=False)
def hide(studio: Studio) -> None:
    """Hide the curves that are selected in the list or have picked keys."""
    editor_of(studio).hide_lines()


@command("curves.show_all", N_("Show all curves"), keys="Alt+H", place=PLACE, when=has_lines, icon="visible",
         recorded=False)  # fmt: skip
def show_all(studio: Studio) -> None:
    """Show hidden curves again, and end isolating."""
    editor_of(studio).show_all()


@command("curves.snap_frames", N_("Snap to frames"), place=PLACE, when=opened, checked=_is("snap_frames"),
         icon="snap-frames", recorded=False)  # fmt: skip
def snap_frames(studio: Studio, *, on: bool | None = None) -> None:
    """Keep dragged keys on whole frames; Ctrl does the opposite while dragging."""
    editor_of(studio).set_option("snap_frames", on)


@command("curves.snap_values", N_("Snap to values"), place=PLACE, when=opened, checked=_is("snap_values"),
         icon="snap-values", recorded=False)  # fmt: skip
def snap_values(studio: Studio, *, on: bool | None = None) -> None:
    """Keep dragged keys on the fifths of the value ruler; Ctrl does the opposite while dragging."""
    editor_of(studio).set_option("snap_values", on)


@command("curves.weighted", N_("Weighted handles"), keys="W", place=PLACE, when=opened, checked=_is("weighted"),
         icon="weighted", recorded=False)  # fmt: skip
def weighted(studio: Studio, *, on: bool | None = None) -> None:
    """Let handles have any length; off, they only turn."""
    editor_of(studio).set_option("weighted", on)


@command("curves.scale_box", N_("Scale box"), keys="T", place=PLACE, when=opened, checked=_is("scale_box"),
         icon="scale-box", recorded=False)  # fmt: skip
def scale_box(studio: Studio, *, on: bool | None = None) -> None:
    """Draw a box around the picked keys, whose grips scale them."""
    editor_of(studio).set_option("scale_box", on)


# --- keys ------------------------------------------------------------------------------------------------------------
@command("curves.pick_all", N_("Pick all keys"), keys="Ctrl+A", place=PLACE, when=has_lines, recorded=False)
def pick_all(studio: Studio) -> None:
    """Pick every key of the curves that are shown, or of those that are selected in the list."""
    editor_of(studio).canvas.pick_all()


@command("curves.insert", N_("Insert key"), keys="I", place=PLACE, when=has_lines, icon="key")
def insert(studio: Studio, *, frame: float | None = None) -> None:
    """Put a key on every curve that is meant, at this frame, where the curve runs."""
    editor_of(studio).insert(frame)


@command("curves.delete", N_("Delete picked keys"), keys=("Delete", "X"), place=PLACE, when=has_picks, icon="delete")
def delete(studio: Studio) -> None:
    """Delete the keys that are picked; with the last key of a field its animation goes."""
    editor_of(studio).apply(N_("Delete keys"), lambda scene, picked: keying.remove_keys(scene, picked))


@command("curves.copy", N_("Copy picked keys"), keys="Ctrl+C", place=PLACE, when=has_picks, icon="copy", recorded=False)
def copy(studio: Studio) -> None:
    """Keep the picked keys for pasting at another frame or onto another curve."""
    editor_of(studio).copy()


@command("curves.paste", N_("Paste keys here"), keys="Ctrl+V", place=PLACE, when=has_lines)
def paste(studio: Studio) -> None:
    """Put copied keys in, the first at this frame: into their own curves, or the selected one of the list."""
    editor_of(studio).paste()


_MODES = (
    ("auto", AUTO, N_("Auto handles"), "1", N_("Let handles of the picked keys make themselves.")),
    ("linear", LINEAR, N_("Linear handles"), "2", N_("Go straight from the picked keys to their neighbours.")),
    ("flat", FLAT, N_("Flat handles"), "3", N_("Keep the curve level at the picked keys.")),
    ("step", STEP, N_("Step"), "4", N_("Hold the value of the picked keys until the next key.")),
    ("free", FREE, N_("Free handles"), "5", N_("Let handles of the picked keys be pulled, both in one line.")),
    ("broken", BROKEN, N_("Break handles"), "6", N_("Let both handles of the picked keys go their own ways.")),
)  # fmt: skip


def _register(name: str, mode: int, title: str, key: str, told: str) -> None:
    def holds(studio: Studio) -> bool:
        return has_picks(studio) and editor_of(studio).mode_of_picks() == mode

    @command(
        f"curves.{name}", title, keys=key, place=PLACE, when=has_picks, checked=holds, help=told, icon=f"handles-{name}"
    )
    def change(studio: Studio) -> None:
        editor_of(studio).apply(title, lambda scene, picked: keying.set_modes(scene, picked, mode))


for _entry in _MODES:
    _register(*_entry)


@command("curves.unify", N_("Unify handles"), keys="7", place=PLACE, when=has_picks, icon="handles-unify")
def unify(studio: Studio) -> None:
    """Bring both handles of the picked keys into one line."""
    editor_of(studio).apply(N_("Unify handles"), lambda scene, picked: keying.break_handles(scene, picked, False))


@command("curves.even", N_("Even handles"), keys="8", place=PLACE, when=has_picks)
def even(studio: Studio) -> None:
    """Give handles of the picked keys a third of their segment as their length."""
    editor_of(studio).apply(N_("Even handles"), lambda scene, picked: keying.unweight(scene, picked))


def _all_breakdowns(studio: Studio) -> bool:
    if not has_picks(studio):
        return False
    state = editor_of(studio).state
    for key, rows in state.picks.items():
        modes = state.curve(key).modes
        if modes is None or not (modes[rows] & BREAKDOWN).all():
            return False
    return True


@command("curves.breakdown", N_("Breakdown keys"), keys="B", place=PLACE, when=has_picks, checked=_all_breakdowns,
         icon="breakdown")  # fmt: skip
def breakdown(studio: Studio, *, on: bool | None = None) -> None:
    """Make the picked keys breakdowns, which keep their place between their neighbours, or keys again."""
    wanted = not _all_breakdowns(studio) if on is None else on
    editor_of(studio).apply(
        N_("Breakdown keys"), lambda scene, picked: keying.set_breakdown(_bezier(scene, picked), picked, wanted)
    )


def _bezier(scene: Scene, picked: keying.Picked) -> Scene:
    return keying.to_bezier(scene, [t for t in picked if scene.tracks[t].interpolation != "bezier"])


@command("curves.snap_picked", N_("Snap picked keys"), keys="Shift+S", place=PLACE, when=has_picks)
def snap_picked(studio: Studio) -> None:
    """Bring the picked keys to whole frames."""
    editor_of(studio).apply(N_("Snap picked keys"), lambda scene, picked: keying.snap_keys(scene, picked))


# --- buffer ----------------------------------------------------------------------------------------------------------
@command("curves.store", N_("Store buffer curves"), keys="Shift+B", place=PLACE, when=has_lines, icon="buffer-store",
         recorded=False)  # fmt: skip
def store(studio: Studio) -> None:
    """Keep the curves as they are now; they stay as ghosts behind what is changed."""
    editor_of(studio).store()


@command("curves.swap", N_("Swap buffer curves"), keys="Ctrl+Shift+B", place=PLACE, icon="buffer-swap",
         when=lambda s: opened(s) and bool(editor_of(s).state.stored))  # fmt: skip
def swap(studio: Studio) -> None:
    """Exchange the curves and their buffers, to compare two versions; once more exchanges them back."""
    editor_of(studio).swap()


@command("curves.forget", N_("Forget buffer curves"), place=PLACE, recorded=False,
         when=lambda s: opened(s) and bool(editor_of(s).state.stored))  # fmt: skip
def forget(studio: Studio) -> None:
    """Show no ghosts any more."""
    editor_of(studio).forget()
