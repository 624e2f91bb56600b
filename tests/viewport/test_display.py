"""The display transform on the graphics card shows what the one on the processor shows, for every view."""

from __future__ import annotations

import moderngl
import numpy as np
import pytest

from studio.scene import color
from studio.viewport.device import Device
from studio.viewport.display import VIEW, Display
from studio.viewport.gpuscene import set_uniform

PAIRS = [(display, view) for display in color.displays() for view in color.views(display)]


def swatches() -> np.ndarray:
    """(64, 64, 3) greys, primaries and random colours from far below to far above white, zero and negatives too."""
    rng = np.random.default_rng(4)
    rgb = (2.0 ** rng.uniform(-12, 10, (64, 64, 1)) * rng.uniform(0.0, 1.0, (64, 64, 3))).astype(np.float32)
    rgb[0] = np.geomspace(1e-4, 1e4, 64, dtype=np.float32)[:, None]
    for row, axis in enumerate(np.eye(3, dtype=np.float32), 1):
        rgb[row] = np.geomspace(1e-3, 1e3, 64, dtype=np.float32)[:, None] * axis
    rgb[4, :8] = 0.0
    rgb[4, 8:16] = -0.05
    return rgb


def through_gpu(device: Device, rgb: np.ndarray, display: str, view: str, exposure_ev: float) -> np.ndarray:
    height, width = rgb.shape[:2]
    rgba = np.concatenate([rgb, np.ones((height, width, 1), np.float32)], axis=2)
    context = device.context
    picture = context.texture((width, height), 4, rgba.tobytes(), dtype="f4")
    out = context.texture((width, height), 4, dtype="f4")
    buffer = context.framebuffer([out])
    shown = Display(device)
    program = shown.program(VIEW, view=view, display=display)
    picture.use(0)
    for name, value in {"picture": 0, "glow": 1, "glow_share": 0.0, "share": 1.0, "gain": 2.0**exposure_ev,
                        "inverse_gamma": 1.0, "backdrop": (0.0, 0.0, 0.0)}.items():  # fmt: skip
        set_uniform(program, name, value)
    buffer.use()
    context.enable_only(moderngl.NOTHING)
    device.screen(program).render(vertices=3)
    data = np.frombuffer(out.read(), np.float32).reshape(height, width, 4)[..., :3]
    for thing in (buffer, out, picture):
        thing.release()
    shown.release()
    return data


@pytest.mark.parametrize(("display", "view"), PAIRS)
def test_gpu_and_cpu_agree_within_a_code_value(device: Device, display: str, view: str) -> None:
    rgb = swatches()
    expected = color.display_transform(rgb, view=view, display=display, exposure_ev=0.7)
    found = through_gpu(device, rgb, display, view, 0.7)
    assert np.abs(found - expected).max() <= 1.0 / 255.0


def test_values_that_are_no_numbers_are_black_and_infinite_ones_bright(device: Device) -> None:
    rgb = np.full((8, 8, 3), 0.5, np.float32)
    rgb[0, 0], rgb[0, 1] = np.nan, np.inf
    found = through_gpu(device, rgb, color.DISPLAY, color.DEFAULT_VIEW, 0.0)
    assert found[0, 0] == pytest.approx([0.0] * 3, abs=1e-3)
    assert (found[0, 1] > 0.9).all() and np.isfinite(found).all()
