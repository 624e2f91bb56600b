"""The window's own commands: what one can ask of windows, panels and layouts. Registered when a window is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.ui import renderview_commands as _renderview_commands
from studio.ui.face import WindowFace
from studio.ui.i18n import LANGUAGES, tr

if TYPE_CHECKING:
    from studio.ui.application import Application
    from studio.ui.window import Window

del _renderview_commands  # imported to register the commands of the Render menu


def windowed(studio: Studio) -> bool:
    """The condition of commands that need a window."""
    return isinstance(studio.face, WindowFace) and studio.face.application.window is not None


def _application(studio: Studio) -> Application:
    if not isinstance(studio.face, WindowFace):
        raise UsageError("this needs a window")
    return studio.face.application


def _window(studio: Studio) -> Window:
    window = _application(studio).window
    if window is None:
        raise UsageError("open a window first")
    return window


# --- Edit ------------------------------------------------------------------------------------------------------------
@command(
    "edit.copy_as_python",
    N_("Copy as Python"),
    menu="Edit",
    group=8,
    when=lambda s: bool(s.calls) and windowed(s),
    recorded=False,
)
def copy_as_python(studio: Studio, *, count: int = 20) -> None:
    """Put the last commands on the clipboard, as lines of a script."""
    lines = [call.as_python() for call in list(studio.calls)[-count:]]
    _application(studio).qt.clipboard().setText("\n".join(lines) + "\n")
    studio.face.notify(tr("{count} commands copied as Python.", count=len(lines)))


@command("edit.preferences", N_("Preferences…"), menu="Edit", group=9, keys="Ctrl+,", when=windowed, recorded=False)
def preferences(studio: Studio) -> None:
    """Language, scale, navigation, saving, devices."""
    from studio.ui.preferences import show

    show(studio, _window(studio))


@command("edit.keymap", N_("Keyboard shortcuts…"), menu="Edit", group=9, when=windowed, recorded=False)
def keymap(studio: Studio) -> None:
    """See and change which keys give which command."""
    from studio.ui.keymap_editor import show

    show(studio, _window(studio))


# --- Window ----------------------------------------------------------------------------------------------------------
@command(
    "window.palette", N_("Find command…"), menu="Window", keys=("Ctrl+Shift+P", "F3"), when=windowed, recorded=False
)
def palette(studio: Studio) -> None:
    """Find a command by its name and give it."""
    from studio.ui.palette import show

    show(studio, _window(studio))


@command("window.new", N_("New window"), menu="Window", group=1, keys="Ctrl+Shift+N", when=windowed, recorded=False)
def new_window(studio: Studio) -> None:
    """Open another window over the same scene."""
    _application(studio).new_window()


@command(
    "window.new_viewport", N_("New viewport"), menu="Window", group=1, when=windowed, recorded=False, icon="viewport"
)
def new_viewport(studio: Studio) -> None:
    """Open one more viewport, with its own camera and mode."""
    _window(studio).new_viewport()


@command("window.close", N_("Close window"), menu="Window", group=1, keys="Ctrl+W", when=windowed, recorded=False)
def close_window(studio: Studio) -> None:
    """Close this window; the last one leaves the studio."""
    _window(studio).close()


@command(
    "window.fullscreen",
    N_("Full screen"),
    menu="Window",
    group=1,
    keys="F11",
    when=windowed,
    checked=lambda s: windowed(s) and _window(s).isFullScreen(),
    recorded=False,
)
def fullscreen(studio: Studio) -> None:
    """Let the window fill the screen, or not any more."""
    window = _window(studio)
    if window.isFullScreen():
        window.showNormal()
    else:
        window.showFullScreen()


@command("window.save_layout", N_("Keep layout…"), menu="Window", group=2, when=windowed, recorded=False)
def save_layout(studio: Studio, *, name: str = "") -> None:
    """Keep the arrangement of the panels under a name."""
    chosen = name or studio.face.ask_text(N_("Name of the layout"))
    if chosen:
        kept = {**studio.preferences.layouts, chosen: _window(studio).layout_text()}
        studio.prefer(layouts=kept)


@command(
    "window.layout",
    N_("Take layout…"),
    menu="Window",
    group=2,
    when=lambda s: bool(s.preferences.layouts) and windowed(s),
    recorded=False,
)
def take_layout(studio: Studio, *, name: str = "") -> None:
    """Arrange the panels as they were kept under a name."""
    names = tuple(sorted(studio.preferences.layouts))
    chosen = name or studio.face.ask(N_("Which layout?"), names)
    if not chosen:
        return
    if chosen not in names:
        raise UsageError(f"there is no layout {chosen!r}; there are {', '.join(names) or 'none yet'}")
    _window(studio).take_layout(studio.preferences.layouts[chosen])


@command(
    "window.delete_layout",
    N_("Delete layout…"),
    menu="Window",
    group=2,
    when=lambda s: bool(s.preferences.layouts) and windowed(s),
    recorded=False,
)
def delete_layout(studio: Studio, *, name: str = "") -> None:
    """Forget a layout that was kept."""
    chosen = name or studio.face.ask(N_("Which layout?"), tuple(sorted(studio.preferences.layouts)))
    if chosen:
        studio.prefer(layouts={k: v for k, v in studio.preferences.layouts.items() if k != chosen})


@command("window.default_layout", N_("Default layout"), menu="Window", group=2, when=windowed, recorded=False)
def default_layout(studio: Studio) -> None:
    """Arrange the panels as at the first start."""
    _window(studio).default_layout()


@command("window.show_panel", N_("Show panel…"), when=windowed, recorded=False)
def show_panel(studio: Studio, *, panel: str = "") -> None:
    """Open a panel, or bring it forward."""
    from studio.ui.panel import panels

    titles = {entry.title: id_ for id_, entry in panels().items()}
    chosen = panel or titles.get(studio.face.ask(N_("Which panel?"), tuple(titles)), "")
    if chosen and _window(studio).show_panel(chosen) is None:
        raise UsageError(f"there is no panel {chosen!r}; there are {', '.join(panels())}")


@command("window.language", N_("Language…"), menu="Window", group=3, when=windowed, recorded=False)
def language(studio: Studio, *, name: str = "") -> None:
    """Show the window in another language."""
    names = {title: key for key, title in LANGUAGES.items()}
    chosen = name or names.get(studio.face.ask(N_("Language"), tuple(names)), "")
    if chosen:
        studio.prefer(language=chosen)


# --- Help ------------------------------------------------------------------------------------------------------------
@command("help.about", N_("About Myriad"), menu="Help", when=windowed, recorded=False)
def about(studio: Studio) -> None:
    """The version of the studio, and what it draws with."""
    import studio as package

    info = _application(studio).stage.device.info
    studio.face.notify(
        tr(
            "Myriad {version}, drawn by {renderer}, OpenGL {gl}.",
            version=package.__version__,
            renderer=info.renderer,
            gl=info.version,
        )
    )


@command("help.log", N_("Show log"), menu="Help", when=windowed, recorded=False)
def log(studio: Studio) -> None:
    """What was told so far, and the details of faults."""
    _window(studio).show_panel("log")
