"""What all viewports of all windows share: the GL device, the renderer on it, and the settings of their tools."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from studio.commands.preferences import Preferences
from studio.ui.gl import GlDevice
from studio.viewport.tools.settings import ToolSettings

if TYPE_CHECKING:
    from studio.viewport.device import Device
    from studio.viewport.renderer import Renderer


def _control_name(name: str) -> str:
    """What a control of a face is called in the present language."""
    from studio.ui.expression_rows import spoken

    return spoken(name)


class Stage:
    """One renderer for every viewport, made when the first of them draws."""

    def __init__(self) -> None:
        self.gl = GlDevice()
        self.tools = ToolSettings(control_name=_control_name)
        self._renderer: Renderer | None = None

    @property
    def device(self) -> Device:
        """The device, its context current."""
        return self.gl.device

    @property
    def renderer(self) -> Renderer:
        """The renderer, the device's context current. `Unsupported` when OpenGL does not let us."""
        device = self.gl.device
        if self._renderer is None:
            from studio.viewport.renderer import Renderer

            self._renderer = Renderer(device)
        return self._renderer

    def prefer(self, preferences: Preferences) -> None:
        """Set the tools as preferred."""
        self.tools.preset = preferences.navigation  # type: ignore[assignment]  # one of NAVIGATIONS, checked there
        self.tools.snapping = replace(
            self.tools.snapping,
            move_m=preferences.snap_move_m,
            rotate_deg=preferences.snap_rotate_deg,
            scale=preferences.snap_scale,
        )

    def release(self) -> None:
        """Give everything back, before the application goes."""
        if self._renderer is not None:
            self.gl.make_current()
            self._renderer.release()
            self._renderer = None
        self.gl.release()
