"""A window and offscreen devices share a process, and its one thread that draws: neither takes the other's context."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtGui import QOpenGLContext
from pytestqt.qtbot import QtBot

from studio.errors import Unsupported
from studio.viewport import current
from studio.viewport.device import Device
from tests.viewport.stages import RAW, drawn, room


@pytest.fixture(params=["egl", "x11"])
def device(request: pytest.FixtureRequest, qapp: Any) -> Iterator[Device]:
    try:
        made = Device.offscreen(kind=request.param)
    except Unsupported as reason:
        pytest.skip(str(reason))
    yield made
    made.release()
    assert current.held() == current.Held()


def test_a_window_draws_after_a_device_rested(device: Device, request: pytest.FixtureRequest) -> None:
    first, _ = drawn(device, room(3))
    device.rest()
    window = request.getfixturevalue("window")  # waits until it has drawn
    assert window.views[0].frames
    device.use()
    second, _ = drawn(device, room(3))
    device.rest()
    assert np.array_equal(first, second)


def test_a_device_is_made_and_used_while_the_window_s_context_is_current(
    window: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    """What a script does that makes a playblast inside the studio."""
    from studio.viewport.playblast import playblast

    view, gl = window.views[0], window.views[0].stage.gl
    gl.make_current()
    was = current.held()
    assert was.context
    assert QOpenGLContext.currentContext() is not None
    with Device.offscreen(kind="egl") as device:
        playblast(room(3), [tmp_path / "one.png"], [1], size=(64, 48), device=device, look=RAW)
        assert current.held() == was
    assert current.held() == was
    assert (tmp_path / "one.png").stat().st_size > 200
    frames = view.frames
    view.redraw()
    qtbot.waitUntil(lambda: view.frames > frames)
    assert view.stage.device.context.error == "GL_NO_ERROR"


def test_devices_that_rest_in_any_order_leave_the_thread_free(qapp: Any) -> None:
    assert current.held() == current.Held()
    try:
        first, second = Device.offscreen(), Device.offscreen()
    except Unsupported as reason:
        pytest.skip(str(reason))
    first.rest()
    second.rest()
    assert current.held() == current.Held()
    first.use()
    assert current.held().api == "egl"
    second.release()
    first.release()
    assert current.held() == current.Held()
