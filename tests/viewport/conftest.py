"""The device of the viewport's tests: OpenGL 4.1 by EGL, whatever newer version the driver has."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

os.environ["MESA_GL_VERSION_OVERRIDE"] = "4.1"
os.environ["MESA_GLSL_VERSION_OVERRIDE"] = "410"

from studio.errors import Unsupported
from studio.viewport.device import Device

_made: list[Device] = []


@pytest.fixture(scope="session")
def one_device() -> Iterator[Device]:
    """One device for all tests, as the studio has one for all viewports; skips where there is no EGL."""
    try:
        made = Device.offscreen(kind="egl")
    except Unsupported as reason:
        pytest.skip(str(reason))
    _made.append(made)
    yield made
    _made.clear()
    made.release()


@pytest.fixture(scope="module", autouse=True)
def thread_of_the_device() -> Iterator[None]:
    """The thread is the device's for as long as a file's tests run; a window may want it afterwards."""
    for device in _made:
        device.use()
    yield
    for device in _made:
        device.rest()


@pytest.fixture
def device(one_device: Device) -> Device:
    """The device, its context current whatever another test made."""
    one_device.use()
    return one_device
