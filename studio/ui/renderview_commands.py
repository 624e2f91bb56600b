"""Commands of the Render menu: the render view by keys, palette and script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.ui.face import WindowFace

if TYPE_CHECKING:
    from studio.ui.renderview import RenderView


def _view(studio: Studio, *, needed: bool = True) -> RenderView | None:
    """The open render view; with `needed` it is opened."""
    if not isinstance(studio.face, WindowFace) or studio.face.application.window is None:
        return None
    window = studio.face.application.window
    found = window.show_panel("render_view") if needed else window.panel("render_view")
    from studio.ui.renderview import RenderView

    return found if isinstance(found, RenderView) else None


def _open_view(studio: Studio) -> RenderView:
    found = _view(studio)
    if found is None:
        raise UsageError("this needs a window")
    return found


def windowed(studio: Studio) -> bool:
    """The condition of commands that need a window."""
    return isinstance(studio.face, WindowFace) and studio.face.application.window is not None


def has_picture(studio: Studio) -> bool:
    """The condition of commands that need something rendered."""
    view = _view(studio, needed=False)
    return view is not None and view.live.last_print is not None


def _runs(studio: Studio) -> bool:
    view = _view(studio, needed=False)
    return view is not None and view.live.running


def _denoises(studio: Studio) -> bool:
    view = _view(studio, needed=False)
    return view is not None and view.live.denoise


@command("render.toggle", N_("Render or pause"), menu="Render", keys="F5", when=windowed, checked=_runs, icon="render")
def toggle(studio: Studio) -> None:
    """Render the scene in the render view, following every change; once more pauses."""
    _open_view(studio).toggle()


@command("render.stop", N_("Stop rendering"), menu="Render", keys="Shift+F5", when=_runs, icon="stop")
def stop(studio: Studio) -> None:
    """End the render and free the device; the picture stays."""
    _open_view(studio).stop()


@command("render.size", N_("Set render size"), when=windowed)
def size(studio: Studio, *, width: int = 640, height: int = 360) -> None:
    """Set the size of the render view's picture, in pixels."""
    _open_view(studio).choose_size(int(width), int(height))


@command("render.layer", N_("Show layer"), when=windowed)
def layer(studio: Studio, *, name: str = "beauty") -> None:
    """Show a layer of the render: beauty, an AOV or a light group ("light_keys")."""
    _open_view(studio).show_layer(name)


@command("render.clear_region", N_("Render everything again"), menu="Render", group=1, when=windowed, icon="region")
def clear_region(studio: Studio) -> None:
    """End rendering of a region only."""
    _open_view(studio).choose_region(None)


@command("render.denoise", N_("Denoise"), menu="Render", group=1, when=windowed, checked=_denoises, icon="denoise")
def denoise(studio: Studio, *, on: bool | None = None) -> None:
    """Show the render view's picture without its noise, or as it is."""
    view = _open_view(studio)
    view.denoise(not view.live.denoise if on is None else on)


def _borrows(studio: Studio) -> bool:
    view = _view(studio, needed=False)
    return view is not None and view.borrowing.on


@command("render.borrow", N_("Borrow nodes"), menu="Render", group=1, when=windowed, checked=_borrows, icon="borrow")
def borrow(studio: Studio, *, on: bool | None = None, place: str | None = None, alone: bool | None = None) -> None:
    """Have a farm's nodes render for the render view too; `place` is its store ("" is this machine's), and with `alone`
    this machine takes a first look only."""
    view = _open_view(studio)
    view.borrow_bar.borrow(not view.borrowing.on if on is None else on, place=place, alone=alone)


@command("render.fit", N_("Fit picture"), menu="Render", group=1, keys="F", place="render view", when=windowed)
def fit(studio: Studio) -> None:
    """Show the whole picture."""
    _open_view(studio).canvas.fit()


@command(
    "render.snapshot", N_("Keep snapshot"), menu="Render", group=2, keys="Ctrl+F5", when=has_picture, icon="snapshot"
)
def snapshot(studio: Studio, *, name: str = "") -> None:
    """Keep the picture with the lights and camera that made it."""
    _open_view(studio).take_snapshot(name=name)


@command("render.restore_lights", N_("Restore lights of snapshot"), menu="Render", group=2, when=has_picture)
def restore_lights(studio: Studio) -> None:
    """Light the scene as the selected snapshot was lit."""
    shelf = _open_view(studio).shelf
    if shelf.current is None:
        raise UsageError("select a snapshot in the render view first")
    shelf.restore_lights()


@command("render.save", N_("Save picture…"), menu="Render", group=3, when=has_picture, icon="save")
def save(studio: Studio, *, path: str = "") -> None:
    """Write the render view's picture: EXR with all layers, or PNG, TIFF and JPEG as shown."""
    _open_view(studio).save(path)
