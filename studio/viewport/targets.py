"""The buffers of one viewport. A renderer draws into them; a widget shows `color_texture` and nothing else."""

from __future__ import annotations

from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from studio.errors import OutOfDeviceMemory, Unsupported
from studio.viewport.device import Device

# light below surfaces: what arrives and where, what it is multiplied by, how wide it spreads
BELOW = (("below", "f4"), ("below weight", "f2"), ("below profile", "f2"))


class Target:
    """Offscreen buffers of a size in pixels.

    `scene` is the picture in nits before exposure, premultiplied by its coverage; `sum` adds samples up while the view
    is at rest; `color_texture` is what a display shows (RGBA8). `state` is the renderer's note of what `sum` holds.
    """

    def __init__(self, device: Device, width: int, height: int) -> None:
        self.device = device
        self.width = self.height = 0
        self.samples = 0  # in `sum`; 0: the picture is in `scene` alone
        self.state: Any = None
        self._textures: list[moderngl.Texture] = []
        self._buffers: list[moderngl.Framebuffer] = []
        self._extra: dict[str, tuple[moderngl.Texture, moderngl.Framebuffer]] = {}
        self._below: moderngl.Framebuffer | None = None
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        """Change the size; what was drawn is lost. Sizes below 1 become 1."""
        width, height = max(int(width), 1), max(int(height), 1)
        if (width, height) == (self.width, self.height):
            return
        side = self.device.limits.texture_side
        if max(width, height) > side:
            raise Unsupported(f"this graphics card draws pictures of at most {side} pixels a side; ask for less")
        self.release()
        self.width, self.height = width, height
        try:
            self.scene_texture, self.depth_texture = self._texture(4, "f4"), self._depth()
            self.color_texture = self._texture(4, "f1")
        except moderngl.Error as fault:
            raise OutOfDeviceMemory(f"the graphics card has no room for a picture of {width}x{height}") from fault
        self.scene = self._framebuffer([self.scene_texture], self.depth_texture)
        self.light = self._framebuffer([self.scene_texture], None)
        self.depth = self._framebuffer([], self.depth_texture)
        self.display = self._framebuffer([self.color_texture], None)
        self.over = self._framebuffer([self.color_texture], self.depth_texture)
        self.samples, self.state = 0, None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height

    @property
    def bytes(self) -> int:
        """Memory of the buffers."""
        pixels = self.width * self.height
        extra = sum(t.width * t.height * t.components * int(t.dtype[1]) for t, _ in self._extra.values())
        return pixels * (16 + 4 + 4) + extra

    def extra(
        self, name: str, components: int, dtype: str, *, size: tuple[int, int] | None = None, mipmaps: bool = False
    ) -> tuple[moderngl.Texture, moderngl.Framebuffer]:
        """A buffer that only some views need, made when it is first asked for and kept until the size changes."""
        found = self._extra.get(name)
        if found is None:
            texture = self.device.context.texture(size or self.size, components, dtype=dtype)
            linear = dtype[0] == "f"
            texture.filter = (moderngl.LINEAR, moderngl.LINEAR) if linear else (moderngl.NEAREST, moderngl.NEAREST)
            if mipmaps:
                texture.build_mipmaps()
                texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
            texture.repeat_x = texture.repeat_y = False
            found = self._extra[name] = (texture, self.device.context.framebuffer([texture]))
        return found

    def begin_below(self) -> moderngl.Framebuffer:
        """The scene buffer with what `mesh_lit.frag` says of light below surfaces, emptied."""
        textures = [self.extra(name, 4, dtype)[0] for name, dtype in BELOW]
        if self._below is None:
            self._below = self.device.context.framebuffer([self.scene_texture, *textures], self.depth_texture)
        self.extra(BELOW[0][0], 4, BELOW[0][1])[1].clear()
        return self._below

    def read(self) -> NDArray[np.uint8]:
        """The displayed picture (h, w, 4), top row first."""
        data = np.frombuffer(self.display.read(components=4, alignment=1), np.uint8)
        return np.ascontiguousarray(data.reshape(self.height, self.width, 4)[::-1])

    def read_linear(self) -> NDArray[np.float32]:
        """The picture (h, w, 3) in nits before exposure and view, top row first, black where nothing was drawn."""
        source = self._extra["sum"][1] if self.samples else self.scene
        data = np.frombuffer(source.read(components=4, dtype="f4", alignment=1), np.float32)
        rgb = data.reshape(self.height, self.width, 4)[::-1, :, :3]
        return np.ascontiguousarray(rgb / np.float32(max(self.samples, 1)))

    def release(self) -> None:
        """Give the buffers back."""
        if self._below is not None:
            self._below.release()
            self._below = None
        for texture, buffer in self._extra.values():
            buffer.release()
            texture.release()
        for framebuffer in self._buffers:
            framebuffer.release()
        for made in self._textures:
            made.release()
        self._extra.clear()
        self._buffers.clear()
        self._textures.clear()
        self.width = self.height = 0

    def _texture(self, components: int, dtype: str) -> moderngl.Texture:
        texture = self.device.context.texture(self.size, components, dtype=dtype)
        texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
        texture.repeat_x = texture.repeat_y = False
        self._textures.append(texture)
        return texture

    def _depth(self) -> moderngl.Texture:
        texture = self.device.context.depth_texture(self.size)
        texture.compare_func = ""
        texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
        texture.repeat_x = texture.repeat_y = False
        self._textures.append(texture)
        return texture

    def _framebuffer(self, colors: list[moderngl.Texture], depth: moderngl.Texture | None) -> moderngl.Framebuffer:
        buffer = self.device.context.framebuffer(colors, depth)
        self._buffers.append(buffer)
        return buffer
