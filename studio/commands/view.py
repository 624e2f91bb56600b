"""Commands of the View menu. They act on the viewport that was used last.

Keys of navigation presets (G, R, S in Blender's; W, E, R in Maya's) belong to the tools, which know the preset.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from studio.commands.face import Viewport
from studio.commands.registry import N_, command, selected
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene import edits
from studio.scene.entities import Camera, Id
from studio.scene.flat_camera import active_camera as camera_of_the_frame
from studio.scene.lights import Light
from studio.viewport.tools.settings import Mode as ToolMode
from studio.viewport.tools.settings import Placing
from studio.viewport.view import Mode, Overlays


def has_viewport(studio: Studio) -> bool:
    """The condition of commands that need a viewport."""
    return studio.face.viewport() is not None


def _viewport(studio: Studio) -> Viewport:
    found = studio.face.viewport()
    if found is None:
        raise UsageError("open a viewport first")
    return found


# --- framing ---------------------------------------------------------------------------------------------------------
@command("view.frame_selected", N_("Frame selected"), menu="View", keys=("F", "."), place="viewport", when=has_viewport)
def frame_selected(studio: Studio) -> None:
    """Bring what is selected into view; everything when nothing is."""
    _viewport(studio).tools.frame_selected()


@command("view.frame_all", N_("Frame all"), menu="View", keys="Home", place="viewport", when=has_viewport)
def frame_all(studio: Studio) -> None:
    """Bring everything into view."""
    _viewport(studio).tools.frame_all()


@command("view.undo", N_("View before"), menu="View", keys="[", place="viewport", when=has_viewport)
def undo_view(studio: Studio) -> None:
    """Go back to the view before the last navigation."""
    _viewport(studio).tools.undo_view()


@command("view.redo", N_("View after"), menu="View", keys="]", place="viewport", when=has_viewport)
def redo_view(studio: Studio) -> None:
    """Go forward again to the view that was gone back from."""
    _viewport(studio).tools.redo_view()


# --- directions ------------------------------------------------------------------------------------------------------
_SIDES = {
    "front": N_("Front"),
    "back": N_("Back"),
    "left": N_("Left"),
    "right": N_("Right"),
    "top": N_("Top"),
    "bottom": N_("Bottom"),
    "opposite": N_("Opposite"),
}


def _register_side(name: str, title: str) -> None:
    @command(
        f"view.{name}",
        title,
        menu="View/Direction",
        when=has_viewport,
        help=N_("Look from this side, orthographically."),
    )
    def look(studio: Studio) -> None:
        _viewport(studio).tools.view(name)


for _name, _title in _SIDES.items():
    _register_side(_name, _title)


@command("view.orthographic", N_("Perspective or orthographic"), menu="View/Direction", group=1, when=has_viewport)
def orthographic(studio: Studio) -> None:
    """Change between perspective and orthographic."""
    _viewport(studio).tools.toggle_orthographic()


# --- cameras ---------------------------------------------------------------------------------------------------------
@command(
    "view.through_camera",
    N_("Through the active camera"),
    menu="View/Camera",
    keys="C",
    place="viewport",
    when=has_viewport,
    checked=lambda s: bool(s.face.viewport() and _viewport(s).tools.through),
    icon="camera",
)
def through_camera(studio: Studio) -> None:
    """Look through the scene's active camera, over the cuts of the timeline too; once more goes back to the free
    view."""
    tools = _viewport(studio).tools
    if tools.through:
        tools.look_through("")
        return
    active = camera_of_the_frame(studio.scene, studio.frame)
    if not active:
        raise UsageError("the scene has no active camera; add one, or select one and make it active")
    tools.look_through(active, follow=True)


@command(
    "view.through_selected",
    N_("Through what is selected"),
    menu="View/Camera",
    keys="Shift+C",
    place="viewport",
    when=selected(Camera, Light),
)
def through_selected(studio: Studio, *, id: Id = "") -> None:
    """Look through the selected camera, or along the selected light."""
    entities = studio.scene.entities
    able = [i for i in (id, *studio.selection) if isinstance(entities.get(i), (Camera, Light))]
    if not able:
        raise UsageError("select a camera or a light")
    _viewport(studio).tools.look_through(able[0])


@command(
    "view.lock_camera",
    N_("Lock camera to view"),
    menu="View/Camera",
    when=has_viewport,
    checked=lambda s: bool(s.face.viewport() and _viewport(s).tools.lock_camera),
)
def lock_camera(studio: Studio, *, on: bool | None = None) -> None:
    """Let navigation move the camera or light that is looked through."""
    tools = _viewport(studio).tools
    tools.lock_camera = not tools.lock_camera if on is None else on


@command("view.active_camera", N_("Make active camera"), menu="View/Camera", when=selected(Camera))
def active_camera(studio: Studio, *, id: Id = "") -> None:
    """Make the selected camera the one that renders."""
    cameras = [i for i in (id, *studio.selection) if isinstance(studio.scene.entities.get(i), Camera)]
    if not cameras:
        raise UsageError("select a camera")
    studio.edit(N_("Set active camera"), edits.set_camera, cameras[0])


# --- what is shown ---------------------------------------------------------------------------------------------------
_MODES = {
    Mode.WIREFRAME: (N_("Wireframe"), "1"),
    Mode.CLAY: (N_("Clay"), "2"),
    Mode.LIT: (N_("Lit"), "3"),
    Mode.ALBEDO: (N_("Albedo"), "4"),
    Mode.NORMALS: (N_("Normals"), "5"),
    Mode.COMPLEXITY: (N_("Light complexity"), "6"),
    Mode.EXPOSURE: (N_("False-colour exposure"), "7"),
    Mode.DOMINANT: (N_("Dominant light"), "8"),
}


def _register_mode(mode: Mode, title: str, key: str) -> None:
    @command(
        f"view.mode_{mode.value}",
        title,
        menu="View/Mode",
        keys=f"Alt+{key}",
        place="viewport",
        when=has_viewport,
        checked=lambda s: bool(s.face.viewport() and _viewport(s).look.mode is mode),
        help=N_("Draw surfaces in this mode."),
        icon=f"mode-{mode.value}",
    )
    def choose(studio: Studio) -> None:
        view = _viewport(studio)
        view.look = replace(view.look, mode=mode)


for _mode, (_title, _key) in _MODES.items():
    _register_mode(_mode, _title, _key)

_OVERLAYS = {
    "grid": N_("Grid"),
    "axes": N_("Axes"),
    "icons": N_("Light icons"),
    "names": N_("Names"),
    "frusta": N_("Camera frusta"),
    "outlines": N_("Selection outlines"),
    "wireframe": N_("Wireframe over surfaces"),
    "gate": N_("Camera gate"),
    "safe_frames": N_("Safe frames"),
    "gizmo": N_("Gizmo"),
    "hud": N_("Figures"),
    "paths": N_("Paths and constraints"),
    "motion_paths": N_("Motion paths"),
    "ghosts": N_("Ghosts"),
}


_EFFECTS = {
    "shadows": N_("Shadows"),
    "contact_shadows": N_("Contact shadows"),
    "ambient_occlusion": N_("Ambient occlusion"),
    "bloom": N_("Bloom"),
}


def _register_switch(id_: str, title: str, menu: str, told: str, part: str, name: str) -> None:
    """A command that turns one field of a viewport's "overlays" or "look" on and off."""

    def now(studio: Studio) -> bool:
        return bool(getattr(getattr(_viewport(studio), part), name))

    @command(id_, title, menu=menu, when=has_viewport, checked=lambda s: has_viewport(s) and now(s), help=told)
    def toggle(studio: Studio, *, on: bool | None = None) -> None:
        view = _viewport(studio)
        values: dict[str, Any] = {name: not now(studio) if on is None else on}
        if part == "look":
            view.look = replace(view.look, **values)
        else:
            view.set_overlays(replace(view.overlays, **values))


for _field in fields(Overlays):
    _shown = N_("Show or hide this over the picture.")
    _register_switch(
        f"view.show_{_field.name}", _OVERLAYS[_field.name], "View/Overlays", _shown, "overlays", _field.name
    )
for _name, _title in _EFFECTS.items():
    _drawn = N_("Draw the viewport with or without this.")
    _register_switch(f"view.{_name}", _title, "View/Effects", _drawn, "look", _name)


@command("view.set_ghosts", N_("Set ghosts…"), menu="View/Overlays", group=1, when=has_viewport)
def set_ghosts(studio: Studio, *, count: int = 0, step: float = 0.0) -> None:
    """Choose how many ghosts stand before and after the current frame, and how many frames they are apart."""
    settings = _viewport(studio).tools.settings
    if not (count or step):
        text = studio.face.ask_text(
            N_("Ghosts on each side, frames apart"), f"{settings.ghost_count}, {settings.ghost_step:g}"
        )
        if not text:
            return
        count, step = _two_numbers(text)
    settings.ghost_count = int(np.clip(count or settings.ghost_count, 1, 32))
    settings.ghost_step = float(np.clip(step or settings.ghost_step, 0.1, 10_000.0))
    _viewport(studio).redraw()


def _two_numbers(text: str) -> tuple[int, float]:
    try:
        first, _, second = text.replace(";", ",").partition(",")
        count, step = float(first), float(second or 0.0)
    except ValueError:
        raise UsageError(f"{text!r} should be two numbers, like 3, 4") from None
    if not (np.isfinite(count) and np.isfinite(step) and count >= 0 and step >= 0):
        raise UsageError(f"{text!r} should be two numbers, like 3, 4")
    return min(round(count), 32), step


@command("view.isolate", N_("Isolate"), menu="View", group=1, keys="/", place="viewport", when=has_viewport)
def isolate(studio: Studio) -> None:
    """Show only what is selected; once more shows everything again."""
    _viewport(studio).tools.isolate()


@command(
    "view.hide_unselected",
    N_("Hide unselected"),
    menu="View",
    group=1,
    keys="Shift+H",
    place="viewport",
    when=selected(),
)
def hide_unselected(studio: Studio) -> None:
    """Hide every light, camera and object that is not selected."""
    _viewport(studio).tools.hide_unselected()


# --- exposure --------------------------------------------------------------------------------------------------------
@command("view.expose", N_("Set viewport exposure"), when=has_viewport)
def expose(studio: Studio, *, ev: float = 0.0) -> None:
    """Set the exposure of the viewport, in stops."""
    view = _viewport(studio)
    view.look = replace(view.look, exposure_ev=float(ev))


def _register_step(id_: str, title: str, key: str, step: float) -> None:
    @command(
        id_, title, menu="View/Exposure", keys=key, place="viewport", when=has_viewport, help=N_("By half a stop.")
    )
    def change(studio: Studio) -> None:
        view = _viewport(studio)
        view.look = replace(view.look, exposure_ev=view.look.exposure_ev + step)


_register_step("view.brighter", N_("Brighter view"), "Ctrl+]", 0.5)
_register_step("view.darker", N_("Darker view"), "Ctrl+[", -0.5)


# --- tools -----------------------------------------------------------------------------------------------------------
_TOOLS: dict[ToolMode, str] = {
    "select": N_("Select"),
    "move": N_("Move"),
    "rotate": N_("Rotate"),
    "scale": N_("Scale"),
    "place": N_("Place lights"),
    "face": N_("Pose face"),
}


def _register_tool(mode: ToolMode, title: str) -> None:
    @command(
        f"view.tool_{mode}", title, menu="View/Tool", when=has_viewport, icon=f"tool-{mode}", help=N_("Take this tool.")
    )
    def take(studio: Studio) -> None:
        _viewport(studio).tools.set_mode(mode)


for _tool, _tool_title in _TOOLS.items():
    _register_tool(_tool, _tool_title)


_PLACINGS: dict[Placing, tuple[str, str]] = {
    "highlight": (N_("Place highlight"), N_("Drag on a surface: the selected light is mirrored there.")),
    "illumination": (N_("Place illumination"), N_("Drag on a surface: the selected light shines on it straight.")),
    "shadow": (N_("Place shadow"), N_("Click a point that casts a shadow, then drag its shadow.")),
    "orbit": (N_("Orbit light"), N_("Drag: the selected light turns around the point that was pressed.")),
}


def _register_placing(placing: Placing, title: str, told: str) -> None:
    def taken(studio: Studio) -> bool:
        settings = _viewport(studio).tools.settings if has_viewport(studio) else None
        return settings is not None and settings.mode == "place" and settings.placing == placing

    @command(
        f"lights.place_{placing}",
        title,
        menu="Lights/Place",
        when=has_viewport,
        icon="tool-place",
        help=told,
        group=2,
        checked=taken,
    )
    def take(studio: Studio) -> None:
        view = _viewport(studio)
        view.tools.place(placing)
        view.status(told)


for _placing, (_placing_title, _told) in _PLACINGS.items():
    _register_placing(_placing, _placing_title, _told)
