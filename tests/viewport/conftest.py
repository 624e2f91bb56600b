"""The device of the viewport's tests: OpenGL 4.1 by EGL, whatever newer version the driver has."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

os.environ["MESA_GL_VERSION_OVERRIDE"] = "4.1"
os.environ["MESA_GLSL_VERSION_OVERRIDE"] = "410"

from studio.errors import Unsupported
from studio.viewport.device import Device


@pytest.fixture(scope="session")
def one_device() -> Iterator[Device]:
    """One device for all tests, as the studio has one for all viewports; skips where there is no EGL."""
    try:
        made = Device.offscreen(kind="egl")
    except Unsupported as reason:
        pytest.skip(str(reason))
    yield made
    made.release()


@pytest.fixture
def device(one_device: Device) -> Device:
    """The device, its context current whatever another test made."""
    one_device.use()
    return one_device
