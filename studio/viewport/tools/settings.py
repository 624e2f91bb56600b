"""How the tools of a window are set: which tool, in which axes, about which point, with what snapping.

One `ToolSettings` is shared by all viewports of a window, so that switching to Rotate switches everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from studio.viewport.snapping import Snapping

Mode = Literal["select", "move", "rotate", "scale", "place", "face"]
Placing = Literal["highlight", "illumination", "shadow", "orbit"]
Space = Literal["world", "local", "parent", "view"]
Pivot = Literal["median", "bounds", "active", "individual"]
Preset = Literal["blender", "maya", "houdini"]

MODES: tuple[Mode, ...] = ("select", "move", "rotate", "scale", "place", "face")
PLACINGS: tuple[Placing, ...] = ("highlight", "illumination", "shadow", "orbit")
SPACES: tuple[Space, ...] = ("world", "local", "parent", "view")
PIVOTS: tuple[Pivot, ...] = ("median", "bounds", "active", "individual")
PRESETS: tuple[Preset, ...] = ("blender", "maya", "houdini")


@dataclass(slots=True)
class ToolSettings:
    """Set freely at any time; a gesture that is going on keeps what it began with.

    `mode` is the gizmo shown ("place": none, lights are put where their `placing` falls under the pointer; "face":
    none, faces of figures are posed by dragging on them, and `control_name` is how their controls are told), `space`
    its axes, `pivot` what a selection turns and scales about ("individual": each about itself), `preset` the
    navigation. `light_handles` shows manipulators of lights and cameras.
    """

    mode: Mode = "move"
    placing: Placing = "highlight"
    space: Space = "world"
    pivot: Pivot = "median"
    preset: Preset = "blender"
    snapping: Snapping = field(default_factory=Snapping)
    light_handles: bool = True
    orbit_selection: bool = True  # orbit about what is selected instead of the view's own pivot
    zoom_to_cursor: bool = True
    control_name: Callable[[str], str] = str
    ghost_count: int = 3  # ghosts before the current frame, and as many after it
    ghost_step: float = 4.0  # frames from one to the next
