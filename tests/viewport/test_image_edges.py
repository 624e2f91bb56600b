"""Textures that end at an edge: however small they are and at any slant, nothing leaks in from the opposite edge."""

from __future__ import annotations

import moderngl
import numpy as np
import pytest
from numpy.typing import NDArray

from studio.scene.geometry import make_image
from studio.viewport import programs
from studio.viewport.device import Device
from studio.viewport.texturestore import ARRAYS, TextureStore

F32 = NDArray[np.float32]
REPEAT, MIRROR, CLAMP = 0, 1, 2
_ASK = """
#include "images.glsl"
uniform sampler2D questions;
out vec4 f_color;
vec4 ask(int k) { return texelFetch(questions, ivec2(int(gl_FragCoord.x), k), 0); }
void main() {
    vec4 at = ask(1), steps = ask(2);
    f_color = image_at(ask(0), at.zw, at.xy, steps.xy, steps.zw, ivec2(ask(3).xy), true);
}
"""


def looked_up(device: Device, pixels: NDArray[np.generic], uv: F32, dx: F32, dy: F32, wrap: int) -> F32:
    """(n,) red of an image at coordinates (n, 2), whose steps from pixel to pixel are dx and dy (n, 2)."""
    store, context = TextureStore(device.context, 8), device.context
    store.sync([make_image(pixels, colour_space="data", name="edge")], lambda *_: None)
    program = programs.build(context, "ask", snippets={"ask.frag": _ASK})
    place = np.broadcast_to(store.places[0], (len(uv), store.places.shape[1]))
    lines = [place[:, :4], np.hstack([uv, place[:, 4:6]]), np.hstack([dx, dy]), np.full((len(uv), 4), wrap)]
    table = context.texture((len(uv), 4), 4, np.ascontiguousarray(lines, np.float32).tobytes(), dtype="f4")
    table.filter = (moderngl.NEAREST, moderngl.NEAREST)
    out = context.texture((len(uv), 1), 4, dtype="f4")
    buffer = context.framebuffer([out])
    store.use(1)
    for k in range(ARRAYS):
        if f"images_{k}" in program:
            program[f"images_{k}"] = k + 1
    table.use(0)
    program["questions"] = 0
    buffer.use()
    context.enable_only(moderngl.NOTHING)
    array = context.vertex_array(program, [])
    array.render(moderngl.TRIANGLES, vertices=3)
    found = np.frombuffer(out.read(), np.float32).reshape(-1, 4)[:, 0].copy()
    for thing in (array, buffer, out, table, program, store):
        thing.release()
    return found


def slanted(count: int, seed: int) -> tuple[F32, F32]:
    """Steps of 0.2 to 60 texels of 256, one many times as long as the other, along any directions."""
    rng = np.random.default_rng(seed)
    steps = []
    for length in 10.0 ** rng.uniform(-0.7, 1.78, (2, count)):
        angle = rng.choice([0.0, 0.5 * np.pi, *rng.uniform(0.0, np.pi, 6)], count)
        steps.append(np.stack([np.cos(angle), np.sin(angle)], axis=1) * (length / 256.0)[:, None])
    return steps[0].astype(np.float32), steps[1].astype(np.float32)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shape", [(256, 256), (100, 40), (512, 700)])
def test_a_clamped_image_ends_in_its_own_edge_at_any_slant(device: Device, shape: tuple[int, int], axis: int) -> None:
    """One quarter at the edge is white, the rest black: levels whose texels are no wider than that have pure edges."""
    pixels = np.zeros((*shape, 4), np.uint8)
    quarter = shape[1 - axis] // 4
    pixels[(slice(None), slice(quarter))[:: 1 if axis == 0 else -1]] = 255
    count = 400
    dx, dy = slanted(count, 3)
    uv = np.random.default_rng(5).random((count, 2)).astype(np.float32)
    for wrap, at, expected in (
        (CLAMP, -0.3, 1.0), (CLAMP, 0.0, 1.0), (CLAMP, 1.0, 0.0), (CLAMP, 1.4, 0.0), (MIRROR, 2.0, 1.0),
        (MIRROR, 0.0, 1.0), (MIRROR, 1.0, 0.0),
    ):  # fmt: skip
        uv[:, axis] = at
        found = looked_up(device, pixels, uv, dx, dy, wrap)
        np.testing.assert_allclose(found, expected, atol=0.02, err_msg=f"{wrap} {at}")


def test_an_edge_of_a_repeated_image_meets_the_opposite_one(device: Device) -> None:
    pixels = np.zeros((256, 256, 4), np.uint8)
    pixels[:, :128] = 255
    dx, dy = slanted(100, 4)
    found = looked_up(device, pixels, np.tile(np.float32([0.0, 0.5]), (100, 1)), dx, dy, REPEAT)
    np.testing.assert_allclose(found, 0.5, atol=0.02)


def test_what_is_drawn_larger_than_it_is_goes_to_the_middle_of_the_last_texel(device: Device) -> None:
    """As numpy has it: linear between texels, level 0 alone."""
    rng = np.random.default_rng(9)
    pixels = np.repeat(rng.integers(0, 256, (256, 256, 1)), 4, axis=2).astype(np.uint8)
    uv = rng.uniform(-0.01, 1.01, (300, 2)).astype(np.float32)
    step = np.full((300, 2), 1e-4, np.float32)
    found = looked_up(device, pixels, uv, step, -step, CLAMP)
    x = np.clip(uv * 256.0 - 0.5, 0.0, 255.0)
    low = np.minimum(x.astype(np.int64), 254)
    (fx, fy), values = (x - low).T, pixels[..., 0] / 255.0
    corner = [values[low[:, 1] + j, low[:, 0] + i] for j in (0, 1) for i in (0, 1)]
    expected = (corner[0] * (1 - fx) + corner[1] * fx) * (1 - fy) + (corner[2] * (1 - fx) + corner[3] * fx) * fy
    np.testing.assert_allclose(found, expected, atol=0.01)
