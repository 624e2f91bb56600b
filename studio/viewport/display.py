"""The display transform on the graphics card: the same OCIO views as in stills, as a shader.

OCIO writes the GLSL of a view and gives the tables that it reads. The text is a snippet of `display.frag`, so one
program is compiled for each view that is looked at; exposure and gamma are uniforms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import moderngl
import numpy as np

from studio.scene import color
from studio.viewport.device import Device
from studio.viewport.gpuscene import set_uniform

VIEW, PLAIN, STOPS, HEAT = range(4)
_NO_VIEW = "vec4 view_transform(vec4 c) { return c; }"
FIRST_UNIT = 3  # of the view's tables; below stand the picture, the glow and one spare


@dataclass(frozen=True, slots=True, eq=False)
class ViewShader:
    """A view as GLSL, and its tables by the names of their samplers."""

    text: str
    tables: tuple[tuple[str, moderngl.Texture | moderngl.Texture3D], ...]


class Display:
    """The views of one device, each made once."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._views: dict[tuple[str, str, str], ViewShader] = {}

    def program(self, kind: int, *, view: str = "", display: str = "", space: str = color.REC709) -> moderngl.Program:
        """The program that shows a picture, its tables bound. Raises UsageError for an unknown view or display."""
        shader = self._view(display or color.DISPLAY, view, space) if kind == VIEW else ViewShader(_NO_VIEW, ())
        program = self._device.program("display", snippets={"view.glsl": shader.text}, KIND=kind)
        for unit, (name, table) in enumerate(shader.tables, FIRST_UNIT):
            table.use(unit)
            set_uniform(program, name, unit)
        return program

    def release(self) -> None:
        """Give the tables back."""
        for view in self._views.values():
            for _, table in view.tables:
                table.release()
        self._views.clear()

    def _view(self, display: str, view: str, space: str) -> ViewShader:
        names = color.views(display)
        name = color.find_view(view, display) if view else _default_view(names)
        key = (display, name, space)
        found = self._views.get(key)
        if found is None:
            found = self._views[key] = _made(self._device.context, *key)
        return found


def _default_view(names: tuple[str, ...]) -> str:
    return color.DEFAULT_VIEW if color.DEFAULT_VIEW in names else names[0]


def _made(context: moderngl.Context, display: str, view: str, space: str) -> ViewShader:
    import PyOpenColorIO

    forward = PyOpenColorIO.TransformDirection.TRANSFORM_DIR_FORWARD
    processor = color.config().getProcessor(color.WORKING_SPACES[color.working_space(space)], display, view, forward)
    description = PyOpenColorIO.GpuShaderDesc.CreateShaderDesc(
        language=PyOpenColorIO.GPU_LANGUAGE_GLSL_4_0, functionName="view_transform", resourcePrefix="ocio_"
    )
    description.setAllowTexture1D(False)
    processor.getDefaultGPUProcessor().extractGpuShaderInfo(description)
    tables: list[tuple[str, Any]] = []
    for table in description.getTextures():
        channels = 1 if table.channel == PyOpenColorIO.GpuShaderDesc.TextureType.TEXTURE_RED_CHANNEL else 3
        values = np.ascontiguousarray(table.getValues(), np.float32)
        made: Any = context.texture((table.width, max(table.height, 1)), channels, values.tobytes(), dtype="f4")
        tables.append((table.samplerName, _filtered(made, table.interpolation, PyOpenColorIO)))
    for cube in description.get3DTextures():
        values = np.ascontiguousarray(cube.getValues(), np.float32)
        edge = cube.edgeLen
        made = context.texture3d((edge, edge, edge), 3, values.tobytes(), dtype="f4")
        made.repeat_z = False
        tables.append((cube.samplerName, _filtered(made, cube.interpolation, PyOpenColorIO)))
    return ViewShader(description.getShaderText(), tuple(tables))


def _filtered(texture: Any, interpolation: Any, ocio: Any) -> Any:
    nearest = interpolation == ocio.Interpolation.INTERP_NEAREST
    mode = moderngl.NEAREST if nearest else moderngl.LINEAR
    texture.filter = (mode, mode)
    texture.repeat_x = texture.repeat_y = False
    return texture
