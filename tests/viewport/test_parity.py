"""The viewport against the tracer, one bounce: every kind of light on a matte and on a glossy ball, every option on the
glossy one, which shows what scatters and what mirrors.

`benchmarks/parity.py` does the same with more surfaces and less noise. Targets: mean luminance within 2 %, FLIP within
0.05. The tracer's noise, with 128 samples a pixel over some 1,800 pixels, is below 0.2 % of the mean luminance, but for
a sun's sharp highlight, a few pixels that hold a fifth of the light.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks import parity
from benchmarks.stand import balls
from studio.render.session import RenderSession
from studio.viewport.device import Device
from studio.viewport.renderer import Renderer

SIZE, SAMPLES = 48, 128
SLOW = ("coated", "metal", "clay", "fuzzy")


pytestmark = pytest.mark.usefixtures("device")


@pytest.fixture(scope="module")
def session() -> Iterator[RenderSession]:
    with RenderSession(device="cpu") as made:
        yield made


@pytest.fixture(scope="module")
def renderer(one_device: Device) -> Iterator[Renderer]:
    made = Renderer(one_device)
    yield made
    made.release()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("light", "ball"),
    [(light, "glossy") for light in balls.stages()]
    + [(light, "matte") for light in balls.stages() if light not in balls.options()],
)
def test_a_light_looks_as_in_the_final_frame(session: RenderSession, renderer: Renderer, light: str, ball: str) -> None:
    pytest.importorskip("flip_evaluator", reason="FLIP is measured by the package flip-evaluator")
    flat = balls.scene_of(light, ball)
    tracer = parity.tracer_picture(session, flat, SIZE, SAMPLES)
    ratio, flip = parity.compared(parity.viewport_picture(renderer, flat, SIZE), tracer)
    assert ratio == pytest.approx(1.0, abs=parity.RATIO)
    assert flip <= parity.FLIP


@pytest.mark.slow
@pytest.mark.parametrize("ball", SLOW)
@pytest.mark.parametrize("light", ["spot", "rectangle", "dome with a sky"])
def test_so_do_other_surfaces(session: RenderSession, renderer: Renderer, light: str, ball: str) -> None:
    pytest.importorskip("flip_evaluator", reason="FLIP is measured by the package flip-evaluator")
    flat = balls.scene_of(light, ball)
    tracer = parity.tracer_picture(session, flat, SIZE, 4 * SAMPLES)  # a sun on a coat is a pixel
    ratio, flip = parity.compared(parity.viewport_picture(renderer, flat, SIZE), tracer)
    assert ratio == pytest.approx(1.0, abs=parity.RATIO)
    assert flip <= 0.06
