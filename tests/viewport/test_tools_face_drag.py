"""The face tool: a point of the face that is held follows the pointer, by controls that are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from studio.scene.document import Document
from studio.scene.entities import Figure, MeshObject
from studio.scene.expression_edits import weights
from studio.scene.expression_probe import Probe
from studio.viewport.tools.events import CTRL, NONE, KeyEvent, PointerEvent
from studio.viewport.tools.face_drag import triangle_at
from studio.viewport.tools.rays import Eye
from studio.viewport.tools.settings import ToolSettings
from studio.viewport.tools.toolset import ViewportTools
from tests.face_scene import FACE, HEAD, RADIUS, face_scene
from tests.viewport.viewers import FakeHit, FakeViewer, camera_at


def stage(**values: Any) -> tuple[ViewportTools, FakeViewer]:
    viewer = FakeViewer(camera=camera_at((0.0, 0.0, 0.6)))
    viewer.document = Document(face_scene(**values))
    tools = ViewportTools(viewer, ToolSettings(mode="face", control_name=str.upper))
    return tools, viewer


def on_face(x: float, y: float) -> np.ndarray:
    """A point of the ball's front."""
    return np.array([x, y, np.sqrt(RADIUS**2 - x * x - y * y)])


def pixel(viewer: FakeViewer, at: np.ndarray) -> tuple[float, float]:
    x, y = Eye(viewer.camera, *viewer.size).pixel(at).tolist()
    return x, y


def take(tools: ViewportTools, viewer: FakeViewer, at: np.ndarray) -> tuple[float, float]:
    viewer.surface = FakeHit(HEAD, at)
    x, y = pixel(viewer, at)
    assert tools.pointer(PointerEvent("press", x, y, "left"))
    return x, y


def face(viewer: FakeViewer) -> dict[str, float]:
    figure = viewer.document.posed.entities[FACE]
    assert isinstance(figure, Figure)
    return weights(figure)


def point_now(viewer: FakeViewer, share: np.ndarray, corners: np.ndarray) -> np.ndarray:
    figure = viewer.document.posed.entities[FACE]
    assert isinstance(figure, Figure)
    probe = Probe(viewer.document.posed, FACE, HEAD, corners, 1.0)
    return np.asarray(share @ probe.at(figure.expression or (0.0,) * 52))


def test_the_corner_of_the_mouth_follows_the_pointer() -> None:
    tools, viewer = stage()
    at = on_face(0.028, -0.035)
    found = triangle_at(viewer.flat, HEAD, at)
    assert found is not None
    x, y = take(tools, viewer, at)
    end = at + np.array([0.002, 0.003, 0.0])
    tools.pointer(PointerEvent("move", *pixel(viewer, end)))
    assert np.allclose(point_now(viewer, found[1], found[0])[:2], end[:2], atol=2e-4)
    assert face(viewer)["mouthSmileLeft"] > 0.05
    assert face(viewer)["mouthSmileRight"] == 0.0
    assert "MOUTHSMILELEFT" in " ".join(viewer.said)
    tools.pointer(PointerEvent("move", x, y))
    tools.pointer(PointerEvent("release", x, y, "left"))
    assert viewer.steps == 0, "what came back leaves no step"


def test_a_drag_is_one_step_and_escape_takes_it_back() -> None:
    tools, viewer = stage()
    at = on_face(0.028, -0.035)
    x, y = take(tools, viewer, at)
    for k in range(1, 4):
        tools.pointer(PointerEvent("move", x + 2 * k, y - 3 * k))
    tools.pointer(PointerEvent("release", x + 6, y - 9, "left"))
    assert viewer.steps == 1
    kept = face(viewer)
    x, y = take(tools, viewer, at)
    tools.pointer(PointerEvent("move", x + 9, y))
    tools.key(KeyEvent("press", "escape"))
    assert face(viewer) == kept and viewer.steps == 1


def test_with_ctrl_the_other_half_does_the_same() -> None:
    tools, viewer = stage()
    at = on_face(0.028, -0.035)
    x, y = take(tools, viewer, at)
    tools.pointer(PointerEvent("move", x + 3, y - 6, modifiers=CTRL))
    now = face(viewer)
    assert now["mouthSmileLeft"] == pytest.approx(now["mouthSmileRight"]) and now["mouthSmileLeft"] > 0.0


def test_the_chin_opens_the_jaw_and_leaves_the_brows() -> None:
    tools, viewer = stage()
    at = on_face(0.0, -0.07)
    take(tools, viewer, at)
    tools.pointer(PointerEvent("move", *pixel(viewer, at + np.array([0.0, -0.01, 0.0])), modifiers=NONE))
    now = face(viewer)
    assert now["jawOpen"] > 0.2
    assert not any(value for name, value in now.items() if name.startswith("brow"))


def test_a_place_that_no_control_moves_says_so() -> None:
    tools, viewer = stage()
    viewer.surface = FakeHit(HEAD, np.array([0.0, 0.0, -RADIUS]))
    assert tools.pointer(PointerEvent("press", 400.0, 300.0, "left"))
    assert viewer.said[-1] == "No control moves this place."
    assert viewer.steps == 0


def test_elsewhere_a_press_is_not_the_tools() -> None:
    tools, viewer = stage()
    lamp = MeshObject(id="other")
    viewer.document = Document(viewer.document.scene.add(lamp))
    viewer.surface = FakeHit("other", np.zeros(3))
    assert not tools.face.press(PointerEvent("press", 400.0, 300.0, "left"))


def test_a_keyed_control_gets_a_key_and_another_none() -> None:
    from studio.scene import expression_edits as edits

    tools, viewer = stage()
    document = viewer.document
    with document.edit("Key") as edit:
        edit.apply(edits.key_controls, FACE, ["mouthSmileLeft", "browDownLeft"], 1.0)
    document.frame = 10.0
    at = on_face(0.028, -0.035)
    x, y = take(tools, viewer, at)
    tools.pointer(PointerEvent("move", x + 3, y - 6))
    tools.pointer(PointerEvent("release", x + 3, y - 6, "left"))
    scene, numbers = document.scene, face(viewer)
    i = list(numbers).index("mouthSmileLeft")
    assert len(scene.tracks[f"{FACE}.expression[{i}]"].times) == 2
    brow = list(numbers).index("browDownLeft")
    assert len(scene.tracks[f"{FACE}.expression[{brow}]"].times) == 1, "what did not move is left in peace"


def test_a_turned_and_moved_figure_is_posed_as_it_is_seen() -> None:
    turned = (0.0, 0.38268343, 0.0, 0.92387953)  # 45 degrees about y
    tools, viewer = stage(translation=(0.3, 0.1, 0.0), rotation=turned)
    viewer.camera = replace(camera_at((0.3, 0.1, 0.6), (0.3, 0.1, 0.0)))
    world = np.asarray(viewer.document.scene.world_matrix(FACE))
    at = world[:, :3] @ on_face(-0.028, -0.035) + world[:, 3]
    found = triangle_at(viewer.flat, HEAD, at)
    assert found is not None
    take(tools, viewer, at)
    end = at + np.array([0.0, 0.003, 0.0])
    tools.pointer(PointerEvent("move", *pixel(viewer, end)))
    assert point_now(viewer, found[1], found[0])[1] == pytest.approx(end[1], abs=3e-4)
    assert face(viewer)["mouthSmileRight"] > 0.05
