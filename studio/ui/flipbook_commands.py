"""Commands of the flipbook, by keys where it has the focus, by palette and script anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.ui.renderview_commands import windowed

if TYPE_CHECKING:
    from studio.ui.flipbook import Flipbook

PLACE = "flipbook"


def _book(studio: Studio, *, needed: bool = True) -> Flipbook | None:
    """The open flipbook; with `needed` it is opened."""
    from studio.ui.face import WindowFace
    from studio.ui.flipbook import Flipbook

    if not isinstance(studio.face, WindowFace) or studio.face.application.window is None:
        return None
    window = studio.face.application.window
    found = window.show_panel("flipbook") if needed else window.panel("flipbook")
    return found if isinstance(found, Flipbook) else None


def _open_book(studio: Studio) -> Flipbook:
    found = _book(studio)
    if found is None:
        raise UsageError("this needs a window")
    return found


def _has_reel(studio: Studio) -> bool:
    book = _book(studio, needed=False)
    return book is not None and book.reel is not None


def _plays(studio: Studio) -> bool:
    book = _book(studio, needed=False)
    return book is not None and book.playing


@command("flipbook.open", N_("Open frames in the flipbook…"), menu="Render", group=3, when=windowed, icon="flipbook")
def open_frames(studio: Studio, *, path: str = "", compare: bool = False) -> None:
    """Look at rendered frames or a movie in the flipbook, or hold them against those that it shows."""
    book = _open_book(studio)
    if path:
        book.open(Path(path), other=compare)
    elif compare:
        book.ask_other()
    else:
        book.ask_open()


@command("flipbook.play", N_("Play or pause the flipbook"), keys="Space", place=PLACE, when=_has_reel, checked=_plays)
def play(studio: Studio) -> None:
    """Play the flipbook, or pause it."""
    _open_book(studio).toggle()


@command("flipbook.next", N_("Next frame of the flipbook"), keys="Right", place=PLACE, when=_has_reel)
def next_frame(studio: Studio, *, by: int = 1) -> None:
    """Go on by frames, round the end."""
    _open_book(studio).step(int(by))


@command("flipbook.previous", N_("Previous frame of the flipbook"), keys="Left", place=PLACE, when=_has_reel)
def previous_frame(studio: Studio) -> None:
    """Go back by a frame, round the beginning."""
    _open_book(studio).step(-1)


@command("flipbook.first", N_("First frame of the flipbook"), keys="Home", place=PLACE, when=_has_reel)
def first(studio: Studio) -> None:
    """Go to the first frame."""
    _open_book(studio).to_first()


@command("flipbook.last", N_("Last frame of the flipbook"), keys="End", place=PLACE, when=_has_reel)
def last(studio: Studio) -> None:
    """Go to the last frame."""
    _open_book(studio).to_last()


@command("flipbook.fit", N_("Fit the flipbook's picture"), keys="F", place=PLACE, when=_has_reel)
def fit(studio: Studio) -> None:
    """Show the whole picture."""
    _open_book(studio).canvas.fit()
