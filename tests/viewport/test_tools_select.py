"""Selecting: what a click, a marquee and a click again take, and what they leave alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studio.scene.entities import Camera, Group, MeshObject
from studio.scene.lights import Light
from studio.viewport.tools.events import CTRL, NONE, SHIFT, KeyEvent, PointerEvent
from studio.viewport.tools.settings import ToolSettings
from studio.viewport.tools.toolset import ViewportTools
from tests.viewport.viewers import FakeViewer

FAR = (20.0, 20.0)


def tools_of(*entities: Any) -> tuple[ViewportTools, FakeViewer]:
    viewer = FakeViewer(*entities)
    tools = ViewportTools(viewer, ToolSettings(mode="select", light_handles=False))
    tools.overlay()
    return tools, viewer


def click(tools: ViewportTools, at: Any, modifiers: frozenset[str] = NONE, kind: Any = "press") -> None:
    x, y = float(at[0]), float(at[1])
    tools.pointer(PointerEvent(kind, x, y, "left", modifiers))
    tools.pointer(PointerEvent("release", x, y, "left", modifiers))


def marquee(tools: ViewportTools, a: Any, b: Any, modifiers: frozenset[str] = NONE) -> None:
    tools.pointer(PointerEvent("press", *a, "left", modifiers))
    tools.pointer(PointerEvent("move", *b, "", modifiers))
    tools.pointer(PointerEvent("release", *b, "left", modifiers))


OBJECTS = (MeshObject(id="a"), MeshObject(id="b"), MeshObject(id="c"))


def test_a_click_takes_the_foremost_and_nothing_empties_the_selection() -> None:
    tools, viewer = tools_of(*OBJECTS)
    viewer.under = ["b", "c"]
    click(tools, FAR)
    assert viewer.document.selection == ("b",)
    viewer.under = []
    click(tools, (60, 60))
    assert viewer.document.selection == ()
    assert viewer.steps == 0


def test_clicking_again_goes_through_what_lies_behind_and_round() -> None:
    tools, viewer = tools_of(*OBJECTS)
    viewer.under = ["b", "c", "a"]
    seen = []
    for _ in range(4):
        click(tools, FAR)
        seen.append(viewer.document.selection)
    assert seen == [("b",), ("c",), ("a",), ("b",)]
    click(tools, (60, 60))  # elsewhere it begins anew
    assert viewer.document.selection == ("b",)


def test_a_double_click_does_not_go_through() -> None:
    tools, viewer = tools_of(*OBJECTS)
    viewer.under = ["b", "c"]
    click(tools, FAR)
    click(tools, FAR, kind="double")
    assert viewer.document.selection == ("b",)


def test_shift_adds_and_makes_active_ctrl_adds_and_takes_away() -> None:
    tools, viewer = tools_of(*OBJECTS)
    for under, modifiers, want in [
        (["a"], NONE, ("a",)),
        (["b"], SHIFT, ("a", "b")),
        (["a"], SHIFT, ("b", "a")),
        (["b"], CTRL, ("a",)),
        (["c"], CTRL, ("a", "c")),
        ([], SHIFT, ("a", "c")),
        ([], CTRL, ("a", "c")),
    ]:
        viewer.under = under
        click(tools, FAR, modifiers)
        assert viewer.document.selection == want


@pytest.mark.parametrize("above", [False, True])
def test_what_is_locked_cannot_be_picked(above: bool) -> None:
    tools, viewer = tools_of(
        Group(id="g", locked=above), MeshObject(id="a", parent="g", locked=not above), MeshObject(id="b")
    )
    viewer.under, viewer.enclosed = ["a", "b"], frozenset({"a", "b"})
    click(tools, FAR)
    assert viewer.document.selection == ("b",)
    marquee(tools, (0, 0), (700, 500))
    assert viewer.document.selection == ("b",)


def test_lights_and_cameras_are_taken_by_their_icons_before_what_is_under_them() -> None:
    tools, viewer = tools_of(
        MeshObject(id="a"), Light(id="l", translation=(1, 0, 0)), Camera(id="k", translation=(-1, 0, 0))
    )
    viewer.under = ["a"]
    click(tools, np.add(viewer.pixel((1, 0, 0)), (5, 5)))
    assert viewer.document.selection == ("l",)
    click(tools, viewer.pixel((-1, 0, 0)))
    assert viewer.document.selection == ("k",)
    click(tools, viewer.pixel((-1, 0, 0)))
    assert viewer.document.selection == ("a",)  # behind the icon
    tools.pointer(PointerEvent("hover", *viewer.pixel((1, 0, 0)).tolist()))
    assert tools.hovered == "l"
    tools.pointer(PointerEvent("leave", 0.0, 0.0))
    assert tools.hovered == ""


def test_icons_that_are_not_drawn_cannot_be_clicked() -> None:
    tools, viewer = tools_of(Light(id="l", visible=False), Light(id="m"))
    click(tools, viewer.pixel((0, 0, 0)))
    assert viewer.document.selection == ("m",)


def test_of_icons_at_one_place_the_nearest_comes_first() -> None:
    tools, viewer = tools_of(Light(id="far", translation=(-3.0, -4.0, -9.0)), Light(id="near"))
    click(tools, viewer.pixel((0, 0, 0)))
    assert viewer.document.selection == ("near",)
    click(tools, viewer.pixel((0, 0, 0)))
    assert viewer.document.selection == ("far",)


def test_a_marquee_takes_objects_and_icons_in_the_order_of_the_scene() -> None:
    tools, viewer = tools_of(*OBJECTS, Light(id="l"), Light(id="away", translation=(4.0, 0.0, 0.0)))
    viewer.enclosed = frozenset({"c", "a"})
    x, y = viewer.pixel((0, 0, 0)).tolist()
    marquee(tools, (x + 40, y + 40), (x - 40, y - 40))
    assert viewer.document.selection == ("a", "c", "l")
    viewer.enclosed = frozenset({"b"})
    marquee(tools, (0, 0), (30, 30), SHIFT)
    assert viewer.document.selection == ("a", "c", "l", "b")
    viewer.enclosed = frozenset({"a", "b"})
    marquee(tools, (0, 0), (30, 30), CTRL)
    assert viewer.document.selection == ("c", "l")


@pytest.mark.parametrize("how", ["escape", "right"])
def test_a_marquee_can_be_given_up(how: str) -> None:
    tools, viewer = tools_of(*OBJECTS)
    viewer.document.select(["b"])
    viewer.enclosed = frozenset({"a"})
    tools.pointer(PointerEvent("press", 10.0, 10.0, "left"))
    tools.pointer(PointerEvent("move", 200.0, 200.0))
    assert any(len(d.corners) for d in tools.overlay().top)
    if how == "escape":
        tools.key(KeyEvent("press", "escape"))
    else:
        tools.pointer(PointerEvent("press", 200.0, 200.0, "right"))
        tools.pointer(PointerEvent("release", 200.0, 200.0, "right"))
    tools.pointer(PointerEvent("release", 200.0, 200.0, "left"))
    assert viewer.document.selection == ("b",)
    assert not tools.claims_keys
    click(tools, FAR)  # and the next click is a click again
    assert viewer.document.selection == ()
