"""Asking the shaders: a program that runs an expression of GLSL once for every row of numbers."""

from __future__ import annotations

import moderngl
import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.scene.flat import FlatScene
from studio.viewport import layouts, programs
from studio.viewport.device import Device
from studio.viewport.lighting import Lighting

_HEAD = """
#include "lights.glsl"
uniform sampler2D questions;
out vec4 f_color;
vec4 ask(int k) { return texelFetch(questions, ivec2(int(gl_FragCoord.x), k), 0); }
"""


class Probe:
    """Answers (n, 4) to questions (n, k, 4), with the lights of a flat scene at hand."""

    def __init__(self, device: Device, flat: FlatScene) -> None:
        self.context = device.context
        self.lighting = Lighting(self.context)
        self.lighting.sync(flat)
        words = layouts.as_words(flat.lights) if len(flat.lights) else np.zeros((1, 44), np.uint32)
        size = layouts.size_of(len(words), words.shape[1] // 4)
        padded = np.zeros((size[1] * layouts.PER_LINE, words.shape[1]), np.uint32)
        padded[: len(words)] = words
        self.lights = self.context.texture(size, 4, padded.tobytes(), dtype="u4")
        self.lights.filter = (moderngl.NEAREST, moderngl.NEAREST)

    def ask(self, body: str, questions: ArrayLike, *, family: int = 2, declarations: str = "") -> NDArray[np.float32]:
        """Run `body`, which sets `vec4 answer` from `ask(0)`, `ask(1)`, ..."""
        asked = np.asarray(questions, np.float32)
        asked = asked.reshape(len(asked), -1, 4)
        text = f"{_HEAD}\n{declarations}\nvoid main() {{\nvec4 answer = vec4(0.0);\n{body}\nf_color = answer;\n}}\n"
        program = programs.build(
            self.context, "probe", defines={"SURFACE_FAMILY": family, "SHAPED": 1}, snippets={"probe.frag": text}
        )
        lines = np.ascontiguousarray(asked.transpose(1, 0, 2))
        table = self.context.texture((len(asked), asked.shape[1]), 4, lines.tobytes(), dtype="f4")
        table.filter = (moderngl.NEAREST, moderngl.NEAREST)
        out = self.context.texture((len(asked), 1), 4, dtype="f4")
        buffer = self.context.framebuffer([out])
        self.lighting.use(2)
        self.lighting.wire(program, 2)
        for unit, (name, texture) in enumerate((("questions", table), ("lights_table", self.lights))):
            texture.use(unit)
            if name in program:
                program[name] = unit
        buffer.use()
        self.context.enable_only(moderngl.NOTHING)
        array = self.context.vertex_array(program, [])
        array.render(moderngl.TRIANGLES, vertices=3)
        answers = np.frombuffer(out.read(), np.float32).reshape(-1, 4).copy()
        for thing in (array, buffer, out, table, program):
            thing.release()
        return answers

    def release(self) -> None:
        """Give the textures back."""
        self.lights.release()
        self.lighting.release()
