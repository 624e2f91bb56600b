"""Draws an overlay over a finished picture: lines as quads that the shader widens, icons as distances.

It runs after the view transform, so its colours are the screen's own and no exposure touches them. It never uses the
depth test: a shader compares with the scene's depth and dims what is hidden, and nothing is cut off by the clipping
planes that suit the scene. Positions are told from the eye, in single precision made of double.
"""

from __future__ import annotations

import moderngl
import numpy as np
from numpy.typing import NDArray

from studio.viewport.camera import ViewCamera
from studio.viewport.device import Device
from studio.viewport.overlay_records import SCREEN, Drawing, OverlayBatch, Rows

_LINE = np.dtype([("a", "f4", (3,)), ("b", "f4", (3,)), ("rgba", "f4", (4,)), ("width", "f4"), ("dash", "f4"),
                  ("fade", "f4"), ("mode", "i4")])  # fmt: skip
_CORNER = np.dtype([("at", "f4", (3,)), ("rgba", "f4", (4,)), ("mode", "i4")])
_ICON = np.dtype([("at", "f4", (3,)), ("rgba", "f4", (4,)), ("size", "f4"), ("glyph", "i4"), ("flags", "i4"),
                  ("mode", "i4")])  # fmt: skip
_FORMATS = {"line": "3f 3f 4f 1f 1f 1f 1i/i", "fill": "3f 4f 1i", "icon": "3f 4f 1f 1i 1i 1i/i"}


class OverlayPass:
    """The buffers and programs of overlays, of one device."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._buffers: dict[str, moderngl.Buffer] = {}
        self._arrays: dict[str, moderngl.VertexArray] = {}
        self._nothing: moderngl.Texture | None = None

    def draw(
        self,
        batch: OverlayBatch,
        framebuffer: moderngl.Framebuffer,
        depth: moderngl.Texture | None,
        camera: ViewCamera,
        size: tuple[int, int],
    ) -> None:
        """Draw over the framebuffer's picture of `size` pixels. `depth` is the scene's depth as `camera` wrote it, of
        the same size and not attached to the framebuffer; None hides nothing."""
        context = self._device.context
        framebuffer.use()
        context.viewport = (0, 0, *size)
        context.enable_only(moderngl.BLEND)
        context.blend_equation = moderngl.FUNC_ADD  # type: ignore[assignment]  # the stubs know only pairs
        context.blend_func = moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA
        if depth is not None and depth.compare_func:
            depth.compare_func = ""  # it is read as numbers, not as comparisons
        (depth if depth is not None else self._blank()).use(0)
        view = _view(camera, size, batch.pixel_ratio, depth is not None)
        self._lines(batch.lines, camera, view)
        self._icons(batch.icons, camera, view)
        self._fill(batch.corners, camera, view)
        for drawing in batch.top:
            self._drawing(drawing, camera, view)
        context.enable_only(moderngl.NOTHING)

    def release(self) -> None:
        """Give the buffers back; the programs are the device's."""
        for array in self._arrays.values():
            array.release()
        for buffer in self._buffers.values():
            buffer.release()
        if self._nothing is not None:
            self._nothing.release()
        self._arrays.clear()
        self._buffers.clear()
        self._nothing = None

    # --- parts -------------------------------------------------------------------------------------------------------
    def _drawing(self, drawing: Drawing, camera: ViewCamera, view: dict[str, object]) -> None:
        self._fill(drawing.corners, camera, view)
        self._lines(drawing.lines, camera, view)
        self._icons(drawing.icons, camera, view)

    def _lines(self, rows: Rows, camera: ViewCamera, view: dict[str, object]) -> None:
        if len(rows):
            out = np.empty(len(rows), _LINE)
            for name in ("a", "b"):
                out[name] = _from_eye(rows[name], rows["mode"], camera)
            for name in ("rgba", "width", "dash", "fade", "mode"):
                out[name] = rows[name]
            self._render("line", out, view, moderngl.TRIANGLE_STRIP, 4, len(out))

    def _fill(self, rows: Rows, camera: ViewCamera, view: dict[str, object]) -> None:
        if len(rows):
            out = np.empty(len(rows), _CORNER)
            out["at"], out["rgba"], out["mode"] = (
                _from_eye(rows["at"], rows["mode"], camera),
                rows["rgba"],
                rows["mode"],
            )
            self._render("fill", out, view, moderngl.TRIANGLES, len(out), 1)

    def _icons(self, rows: Rows, camera: ViewCamera, view: dict[str, object]) -> None:
        if len(rows):
            out = np.empty(len(rows), _ICON)
            out["at"] = _from_eye(rows["at"], rows["mode"], camera)
            for name in ("rgba", "size", "glyph", "flags", "mode"):
                out[name] = rows[name]
            self._render("icon", out, view, moderngl.TRIANGLE_STRIP, 4, len(out))

    def _render(self, name: str, rows: Rows, view: dict[str, object], mode: int, vertices: int, instances: int) -> None:
        program = self._device.program(f"overlay_{name}")
        _set(program, view)
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < rows.nbytes:
            if buffer is not None:
                self._arrays.pop(name).release()
                buffer.release()
            buffer = self._buffers[name] = self._device.context.buffer(
                reserve=max(rows.nbytes * 2, 1 << 14), dynamic=True
            )
            known = [f"in_{field}" for field in rows.dtype.names or () if f"in_{field}" in program]
            self._arrays[name] = self._device.context.vertex_array(program, [(buffer, _FORMATS[name], *known)])
        buffer.orphan()
        buffer.write(rows.tobytes())
        self._arrays[name].render(mode, vertices=vertices, instances=instances)

    def _blank(self) -> moderngl.Texture:
        if self._nothing is None:
            self._nothing = self._device.context.texture((1, 1), 1, b"\xff")
        return self._nothing


def _from_eye(points: NDArray[np.float64], mode: NDArray[np.int32], camera: ViewCamera) -> NDArray[np.float64]:
    """Positions from the eye, or as they are where they are pixels."""
    world = (mode & 3) != SCREEN
    return np.asarray(points - np.where(world[:, None], camera.eye, 0.0))


def _view(camera: ViewCamera, size: tuple[int, int], ratio: float, has_depth: bool) -> dict[str, object]:
    """Uniforms that all overlay programs share."""
    x, y = camera.half_extents(*size)
    across = 2.0 * (x if camera.fit != "vertical" else y)
    return {
        "turn": tuple(camera.world[:, :3].reshape(-1).tolist()),  # rows of the inverse, so columns as they stand
        "extent": (x, y),
        "centre": (camera.shift[0] * across, camera.shift[1] * across),
        "size": tuple(map(float, size)),
        "flat_view": int(camera.orthographic),
        "planes": (camera.near_m, camera.far_m),
        "depth": 0,
        "has_depth": int(has_depth),
        "ratio": float(ratio),
    }


def _set(program: moderngl.Program, values: dict[str, object]) -> None:
    for name, value in values.items():
        if name in program:  # compilers drop what a shader does not use
            program[name] = value
