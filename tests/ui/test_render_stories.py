"""Stories of the render view in the real window: the final picture beside the viewport while a hand is at work.

One window and one worker serve all of them, since a worker takes seconds to start. Each leaves a picture where
MYRIAD_SHOTS says.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from studio.assets.demo.shapes import quad, sphere
from studio.commands.preferences import Preferences
from studio.scene.entities import Camera, MeshObject
from studio.scene.geometry import make_mesh
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.viewport.camera import ViewCamera
from tests.ui.conftest import SHOT_SIZE
from tests.ui.test_stories import drawn

pytestmark = pytest.mark.slow
WAIT_MS = 240_000
SIZE = (96, 54)
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


def _scene() -> Scene:
    ball, floor = sphere(1.0), quad((0.0, -1.0, 0.0), (0.0, 0.0, 12.0), (12.0, 0.0, 0.0))
    meshes = [make_mesh(s.positions, s.triangles, normals=s.normals, uv0=s.uv) for s in (ball, floor)]
    return Scene(camera="cam").add(
        *meshes,
        MeshObject(id="ball", name="Ball", mesh=meshes[0].key),
        MeshObject(id="floor", name="Floor", mesh=meshes[1].key),
        Light(id="key", name="Key", light="sphere", unit="lm", intensity=6000.0, translation=(2.0, 2.5, 2.0)),
        Camera(id="cam", translation=(0.0, 0.5, 7.0), focal_length_mm=35.0),
    )


def _wait(true: Callable[[], bool]) -> None:
    """`QtBot.waitUntil` for what lives longer than a test."""
    end = time.monotonic() + WAIT_MS / 1000
    while not true():
        assert time.monotonic() < end, "waited in vain"
        QTest.qWait(20)


@pytest.fixture(scope="module")
def theatre(qapp: QApplication, window_manager: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A window with the render view beside the viewport, rendering."""
    from studio.ui.application import Application

    folder = tmp_path_factory.mktemp("theatre")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYRIAD_CONFIG", str(folder / "config"))
        patch.setenv("MYRIAD_DATA", str(folder / "data"))
        application = Application(qapp, Preferences(language="en", device="cpu", confirm_quit=False))
        window = application.new_window()
        window.resize(*SHOT_SIZE)
        render = window.show_panel("render_view")
        centre = window.add_dock("viewport").dockAreaWidget()
        window.docks.addDockWidget(window.places["right"], window.add_dock("render_view"), centre)
        half = (window.width() - 2 * 260) // 2
        window.docks.setSplitterSizes(centre, [260, half, half])
        application.studio.show_scene(_scene(), None)
        render.choose_size(*SIZE)
        render.live.configure(samples=16384)  # it is still at work when a story wants it to be
        render.toggle()
        _wait(lambda: render.live.last_print is not None)
        yield window
        application.close()
        qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


@pytest.fixture
def stage(theatre: Any, qtbot: QtBot) -> Any:
    """The window over the scene as it began, with the viewport to one side of it and whole samples in the picture."""
    render, studio = theatre.panel("render_view"), theatre.application.studio
    studio.show_scene(_scene(), None)
    theatre.application.notices.kept.clear()
    theatre.activateWindow()
    qtbot.waitUntil(theatre.isActiveWindow, timeout=15000)
    theatre.views[0].camera = ViewCamera()
    theatre.panel("viewport").canvas.setFocus()
    drawn(theatre, qtbot)
    qtbot.waitUntil(lambda: _shows(render, studio.flat), timeout=WAIT_MS)
    return theatre


def _shows(render: Any, flat: Any) -> bool:
    made = render.live.last_print
    return made is not None and made.frame.flat is flat and made.frame.step == 1


def _arrow(window: Any, axis: int, share: float) -> QPoint:
    """A point of an arrow of the gizmo, in logical pixels of the canvas."""
    view = window.views[0]
    gizmo = view.tools.transform.gizmo()
    x, y = gizmo.eye.pixels((gizmo.origin + gizmo.axes[:, axis] * gizmo.length * share)[None])[0, :2].tolist()
    assert gizmo.under(x, y) == "xyz"[axis]
    return QPoint(round(x / view.pixel_ratio), round(y / view.pixel_ratio))


def test_the_picture_follows_a_light_that_is_dragged_by_its_arrow(stage: Any, qtbot: QtBot, shot: Any) -> None:
    studio, canvas, render = stage.application.studio, stage.panel("viewport").canvas, stage.panel("render_view")
    studio.select(["key"])
    drawn(stage, qtbot)
    before, steps = studio.scene.entities["key"].translation, len(studio.document.history[0])
    start, way = _arrow(stage, 0, 0.7), _arrow(stage, 0, 1.0) - _arrow(stage, 0, 0.4)
    QTest.mouseMove(canvas, start)
    QTest.mousePress(canvas, LEFT, NONE, start)
    rebuilt: set[str] = set()
    pictures: list[float] = []  # how bright each is
    for step in range(1, 9):
        QTest.mouseMove(canvas, start + way * step / 4)
        flat = studio.flat
        qtbot.waitUntil(lambda flat=flat: render.live.last_print.frame.flat is flat, timeout=WAIT_MS)
        rebuilt |= set(render.live.last_print.frame.rebuilt)
        pictures.append(float(render.live.last_print.pixels[..., :3].mean()))
    assert stage.views[0].tools.transform.gesture is not None  # the button is still down
    shot(stage, "drag-while-rendering")
    QTest.mouseRelease(canvas, LEFT, NONE, start + way * 2)
    qtbot.waitUntil(lambda: _shows(render, studio.flat), timeout=WAIT_MS)
    after = studio.scene.entities["key"].translation
    assert after[0] > before[0] + 0.5 and after[1:] == pytest.approx(before[1:], abs=1e-6)
    assert len(set(pictures)) > 4 and pictures[-1] < pictures[0]  # the light goes away from the ball
    assert "geometry" not in rebuilt and "lights" in rebuilt
    assert len(studio.document.history[0]) == steps + 1
    qtbot.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert studio.scene.entities["key"].translation == before
    qtbot.waitUntil(lambda: _shows(render, studio.flat), timeout=WAIT_MS)


def test_a_drag_that_is_given_up_leaves_picture_and_history_as_they_were(stage: Any, qtbot: QtBot) -> None:
    studio, canvas, render = stage.application.studio, stage.panel("viewport").canvas, stage.panel("render_view")
    studio.select(["key"])
    drawn(stage, qtbot)
    scene, steps, old = studio.scene, len(studio.document.history[0]), studio.flat
    start = _arrow(stage, 1, 0.7)
    QTest.mouseMove(canvas, start)
    QTest.mousePress(canvas, LEFT, NONE, start)
    QTest.mouseMove(canvas, start - QPoint(0, 60))
    qtbot.waitUntil(lambda: render.live.last_print.frame.flat is not old, timeout=WAIT_MS)
    qtbot.keyClick(canvas, Qt.Key.Key_Escape)
    QTest.mouseRelease(canvas, LEFT, NONE, start - QPoint(0, 60))
    assert studio.scene.entities["key"] == scene.entities["key"] and len(studio.document.history[0]) == steps
    qtbot.waitUntil(lambda: _shows(render, studio.flat), timeout=WAIT_MS)


def test_a_worker_killed_in_the_middle_of_a_frame_is_replaced_with_a_notice(
    stage: Any, qtbot: QtBot, shot: Any
) -> None:
    studio, render = stage.application.studio, stage.panel("render_view")
    qtbot.waitUntil(lambda: render.live.frame.state == "rendering", timeout=WAIT_MS)
    states: list[str] = []
    render.live.told.connect(lambda frame: states.append(frame.state))
    shown, pid = render.live.last_print, render.live.worker_pid
    os.kill(pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: "restarting" in states, timeout=WAIT_MS)
    assert render.live.last_print.pixels.shape == shown.pixels.shape  # the picture stays
    notices = [n for n in stage.application.notices.kept if "it is being started again" in n.sentence]
    assert [n.kind for n in notices] == ["warning"]
    assert "started again" in stage.findChild(QLabel, "status.hint").text()
    studio.select(["key"])  # the window goes on meanwhile, and so does the artist
    studio.run("edit.set", field="exposure", value=1.0)
    drawn(stage, qtbot)
    shot(stage, "worker-killed")
    qtbot.waitUntil(lambda: _shows(render, studio.flat), timeout=WAIT_MS)
    assert render.live.worker_pid not in (0, pid) and render.live.running
    assert np.mean(render.live.last_print.pixels[..., :3]) > 1.5 * np.mean(shown.pixels[..., :3])
    shot(stage, "worker-back")
