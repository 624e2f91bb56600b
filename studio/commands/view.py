"""Commands of the View menu. They act on the viewport that was used last.

Keys of navigation presets (G, R, S in Blender's; W, E, R in Maya's) belong to the tools, which know the preset.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from studio.commands.face import Viewport
from studio.commands.registry import N_, command, selected
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene import edits
from studio.scene.entities import Camera, Id
from studio.scene.lights import Light
from studio.viewport.tools.settings import Mode as ToolMode
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
    """Look through the scene's active camera; once more goes back to the free view."""
    tools = _viewport(studio).tools
    if tools.through:
        tools.look_through("")
        return
    if not studio.scene.camera:
        raise UsageError("the scene has no active camera; add one, or select one and make it active")
    tools.look_through(studio.scene.camera)


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
}


def _register_overlay(name: str, title: str) -> None:
    @command(
        f"view.show_{name}",
        title,
        menu="View/Overlays",
        when=has_viewport,
        checked=lambda s: bool(s.face.viewport() and getattr(_viewport(s).overlays, name)),
        help=N_("Show or hide this over the picture."),
    )
    def toggle(studio: Studio, *, on: bool | None = None) -> None:
        view = _viewport(studio)
        wanted = not getattr(view.overlays, name) if on is None else on
        view.set_overlays(replace(view.overlays, **{name: wanted}))


for _field in fields(Overlays):
    _register_overlay(_field.name, _OVERLAYS[_field.name])


def _register_effect(name: str, title: str) -> None:
    @command(
        f"view.{name}",
        title,
        menu="View/Effects",
        when=has_viewport,
        checked=lambda s: bool(s.face.viewport() and getattr(_viewport(s).look, name)),
        help=N_("Draw the viewport with or without this."),
    )
    def toggle(studio: Studio, *, on: bool | None = None) -> None:
        view = _viewport(studio)
        values: dict[str, Any] = {name: not getattr(view.look, name) if on is None else on}
        view.look = replace(view.look, **values)


for _effect, _effect_title in (("ambient_occlusion", N_("Ambient occlusion")), ("bloom", N_("Bloom"))):
    _register_effect(_effect, _effect_title)


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
}


def _register_tool(mode: ToolMode, title: str) -> None:
    @command(
        f"view.tool_{mode}", title, menu="View/Tool", when=has_viewport, icon=f"tool-{mode}", help=N_("Take this tool.")
    )
    def take(studio: Studio) -> None:
        _viewport(studio).tools.set_mode(mode)


for _tool, _tool_title in _TOOLS.items():
    _register_tool(_tool, _tool_title)
