"""Tools on what moves: a hand takes it where it is seen, and what it leaves is a key at that frame."""

from __future__ import annotations

import numpy as np
import pytest

from studio.scene.animation import make_curve
from studio.scene.entities import Camera, Constraint, Group, Path
from studio.scene.lights import Light
from studio.scene.timeline import Cut, Timeline
from studio.viewport.tools.events import KeyEvent
from studio.viewport.tools.settings import ToolSettings
from studio.viewport.tools.toolset import ViewportTools
from tests.viewport.test_tools_transform import drag, handle_pixel, send, type_in
from tests.viewport.viewers import FakeViewer, camera_at


def moving(*, tracks: dict[str, object] | None = None, handles: bool = False) -> ViewportTools:
    """A lamp that goes from 0 to 4 along x and from 10 to 20 cd over frames 1 to 11, seen at frame 6."""
    viewer = FakeViewer(
        Light(id="l", light="spot", unit="cd", intensity=10.0), camera=camera_at((2.0, 4.0, 12.0), (2, 0, 0))
    )
    made = tracks if tracks is not None else {
        "l.translation": make_curve([1.0, 11.0], [[0.0, 0.0, 0.0], [4.0, 0.0, 0.0]]),
        "l.exposure": make_curve([1.0, 11.0], [0.0, 2.0]),
    }  # fmt: skip
    with viewer.document.edit("Animate") as edit:
        edit.scene = type(edit.scene)(
            entities=edit.scene.entities,
            tracks=made,
            frame_start=1.0,
            frame_end=11.0,  # type: ignore[arg-type]
        )
    viewer.document.frame = 6.0
    viewer.document.select(["l"])
    return ViewportTools(viewer, ToolSettings(light_handles=handles))  # type: ignore[arg-type]


def test_a_drag_begins_where_the_lamp_is_seen_and_leaves_one_key():
    tools = moving()
    document, steps = tools.viewer.document, tools.viewer.steps
    assert tools.transform.gizmo().origin == pytest.approx((2.0, 0.0, 0.0))
    start = handle_pixel(tools, "x")
    way = tools.viewer.pixel((3.0, 0.0, 0.0)) - tools.viewer.pixel((2.0, 0.0, 0.0))
    drag(tools, start, start + way)
    curve = document.scene.tracks["l.translation"]
    assert curve.times.tolist() == [1.0, 6.0, 11.0]
    assert curve.values[1] == pytest.approx((3.0, 0.0, 0.0), abs=0.02)
    assert document.scene.entities["l"].translation == (0.0, 0.0, 0.0), "the field beside the curve is left alone"
    assert tools.viewer.steps == steps + 1
    document.undo()
    assert document.scene.tracks["l.translation"].times.tolist() == [1.0, 11.0]


def test_a_cancelled_drag_leaves_no_key():
    tools = moving()
    before, start = tools.viewer.document.scene.tracks, handle_pixel(tools, "x")
    drag(tools, start, np.add(start, (60.0, 0.0)), release=False)
    assert len(tools.viewer.document.scene.tracks["l.translation"].times) == 3
    tools.key(KeyEvent("press", "escape"))
    assert {k: v.times.tolist() for k, v in tools.viewer.document.scene.tracks.items()} == {
        k: v.times.tolist() for k, v in before.items()
    }


def test_a_drag_that_comes_back_leaves_no_key():
    tools = moving()
    steps, start = tools.viewer.steps, handle_pixel(tools, "x")
    send(tools, "press", start, "left")
    send(tools, "move", np.add(start, (50.0, 0.0)))
    send(tools, "move", start)
    send(tools, "release", start, "left")
    assert tools.viewer.steps == steps and len(tools.viewer.document.scene.tracks["l.translation"].times) == 2


def test_numbers_move_from_where_it_is_seen():
    tools = moving()
    tools.begin("move")
    type_in(tools, "0 tab 1 enter")
    assert tools.viewer.document.posed.entities["l"].translation == pytest.approx((2.0, 1.0, 0.0))


def test_a_handle_pulls_from_the_present_value():
    tools = moving(handles=True)
    grip = next(g for g in tools.handles.grips() if g.name == "strength")
    assert grip.value == pytest.approx(1.0)
    pixel = tools.viewer.pixel(grip.at)
    drag(tools, pixel, np.add(pixel, (90.0, 0.0)))
    assert tools.viewer.document.posed.entities["l"].exposure == pytest.approx(2.0, abs=0.02)
    assert tools.viewer.document.scene.tracks["l.exposure"].times.tolist() == [1.0, 6.0, 11.0]


def test_autokey_gives_a_curve_to_what_is_moved():
    tools = moving(tracks={})
    tools.viewer.document.autokey = True
    tools.begin("move")
    type_in(tools, "1 enter")
    assert tools.viewer.document.scene.tracks["l.translation"].times.tolist() == [6.0]


def shot() -> ViewportTools:
    """Two cameras and a cut between them at frame 5."""
    viewer = FakeViewer(Camera(id="a", translation=(0, 0, 5)), Camera(id="b", translation=(5, 0, 5)), Group(id="t"))
    with viewer.document.edit("Cuts") as edit:
        edit.scene = type(edit.scene)(
            entities=edit.scene.entities,
            camera="a",
            frame_end=10.0,
            timeline=Timeline(cuts=(Cut(frame=5.0, camera="b"),)),
        )
    return ViewportTools(viewer, ToolSettings())  # type: ignore[arg-type]


def at(tools: ViewportTools, frame: float) -> str:
    tools.viewer.document.frame = frame
    tools.refresh()
    assert tools.viewer.camera.eye == pytest.approx(tools.viewer.document.posed.world_matrix(tools.through)[:, 3])
    return tools.through


def test_looking_through_the_active_camera_follows_the_cuts():
    tools = shot()
    tools.toggle_through()
    assert [at(tools, frame) for frame in (1.0, 4.0, 5.0, 9.0, 2.0)] == ["a", "a", "b", "b", "a"]
    tools.toggle_through()
    assert tools.through == ""


def test_looking_through_a_chosen_camera_stays_with_it():
    tools = shot()
    tools.look_through("a")
    assert [at(tools, frame) for frame in (1.0, 9.0)] == ["a", "a"]


# --- points of paths -------------------------------------------------------------------------------------------------
def path_tools() -> ViewportTools:
    viewer = FakeViewer(
        Group(id="g", translation=(1.0, 0.0, 0.0), scale=(2.0, 2.0, 2.0)),
        Path(id="p", parent="g", points=(0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0)),
    )
    viewer.document.select(["p"])
    return ViewportTools(viewer, ToolSettings(mode="select"))  # type: ignore[arg-type]


def test_a_point_of_a_path_is_dragged_where_the_pointer_goes():
    tools = path_tools()
    assert tools.points.points()[1] == pytest.approx((3.0, 0.0, 0.0))
    start, steps = tools.viewer.pixel((3.0, 0.0, 0.0)), tools.viewer.steps
    end = np.add(start, (40.0, -30.0))
    drag(tools, start, end)
    assert tools.viewer.steps == steps + 1 and tools.points.selected("p") == 1
    assert tools.viewer.pixel(tools.points.points()[1]) == pytest.approx(end, abs=1e-6)
    assert tools.viewer.document.scene.entities["p"].points[6:] == (1.0, 0.0, 1.0)
    away = tools.points.points()[1] - (3.0, 0.0, 0.0)
    assert away @ tools.viewer.camera.forward == pytest.approx(0.0, abs=1e-9), "in the plane that faces the eye"


def test_escape_puts_the_point_back_and_coming_back_leaves_no_step():
    tools = path_tools()
    points, start = tools.viewer.document.scene.entities["p"].points, tools.viewer.pixel((3.0, 0.0, 0.0))
    steps = tools.viewer.steps
    drag(tools, start, np.add(start, (40.0, 0.0)), release=False)
    tools.key(KeyEvent("press", "escape"))
    send(tools, "release", start, "left")
    assert tools.viewer.document.scene.entities["p"].points == points and tools.viewer.steps == steps
    send(tools, "press", start, "left")
    send(tools, "move", np.add(start, (9.0, 0.0)))
    send(tools, "move", start)
    send(tools, "release", start, "left")
    assert tools.viewer.document.scene.entities["p"].points == points and tools.viewer.steps == steps


def test_points_show_only_for_the_path_selected_last_and_with_overlays_on():
    tools = path_tools()
    assert len(tools.points.draw()[0].icons) == 3
    tools.viewer.document.select(["p", "g"])
    assert not tools.points.draw()
    tools.viewer.document.select(["p"])
    with tools.viewer.document.edit("Lock") as edit:
        edit.replace("p", locked=True)
    assert not tools.points.draw() and not send(tools, "hover", tools.viewer.pixel((3.0, 0.0, 0.0)))


def test_what_a_constraint_places_is_seen_there_by_the_tools():
    viewer = FakeViewer(
        Path(id="p", points=(0.0, 0.0, 0.0, 4.0, 0.0, 0.0)), Group(id="g"),
        Constraint(id="c", parent="g", constraint="follow_path", target="p", progress=0.5),
    )  # fmt: skip
    viewer.document.select(["g"])
    tools = ViewportTools(viewer, ToolSettings())  # type: ignore[arg-type]
    assert np.allclose(tools.transform.gizmo().origin, (2.0, 0.0, 0.0))


def test_what_a_constraint_holds_says_so_when_it_is_moved():
    viewer = FakeViewer(
        Path(id="p", points=(0.0, 0.0, 0.0, 4.0, 0.0, 0.0)), Group(id="g", name="Rider"),
        Constraint(id="c", parent="g", constraint="follow_path", target="p", progress=0.5),
    )  # fmt: skip
    viewer.document.select(["g"])
    tools = ViewportTools(viewer, ToolSettings())  # type: ignore[arg-type]
    tools.begin("move")
    type_in(tools, "1")
    assert '"Rider" is held by a constraint.' in viewer.said
    type_in(tools, "enter")


def test_a_path_is_taken_by_its_curve():
    viewer = FakeViewer(Path(id="p", points=(-2.0, 0.0, 0.0, 2.0, 0.0, 0.0), translation=(0.0, 1.0, 0.0)))
    tools = ViewportTools(viewer, ToolSettings(mode="select"))  # type: ignore[arg-type]
    tools.overlay()
    on, off = viewer.pixel((1.3, 1.0, 0.0)), viewer.pixel((1.3, 2.0, 0.0))
    send(tools, "hover", on)
    assert tools.hovered == "p"
    send(tools, "press", on, "left")
    send(tools, "release", on, "left")
    assert viewer.document.selection == ("p",)
    send(tools, "press", off, "left")
    send(tools, "release", off, "left")
    assert viewer.document.selection == ()
