"""A viewport's frames: how large they are drawn, so that the window answers whatever the scene."""

from __future__ import annotations

from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from studio.scene.lights import Light
from studio.ui import view as view_module
from studio.ui.view import View
from studio.viewport.view import Quality, Statistics
from tests.viewport.stages import room


@pytest.fixture
def scales(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The scale of every frame from here on that shows a scene with lights."""
    drawn: list[float] = []
    told = View._time

    def time(self: View, *args: Any, **more: Any) -> None:
        if len(self.flat.lights):
            drawn.append(self._scale)
        told(self, *args, **more)

    monkeypatch.setattr(View, "_time", time)
    return drawn


def _discs(count: int) -> list[Light]:
    return [
        Light(id=f"disc {i}", light="disk", unit="nt", intensity=5.0, radius_m=0.1, translation=(0.1 * i, 2.0, 0.0))
        for i in range(count)
    ]


def test_a_scene_with_few_lights_is_drawn_whole_at_once(window: Any, qtbot: QtBot, scales: list[float]) -> None:
    window.application.studio.show_scene(room(3), None)
    qtbot.waitUntil(lambda: bool(scales))
    assert scales[0] > view_module._SCALES[-1]


def test_a_suddenly_heavy_scene_is_drawn_coarsely_first_and_goes_on_by_itself(
    window: Any, qtbot: QtBot, scales: list[float]
) -> None:
    window.application.studio.show_scene(room(3).add(*_discs(40)), None)
    qtbot.waitUntil(lambda: len(scales) >= 3)
    assert scales[0] == view_module._SCALES[-1]
    qtbot.waitUntil(lambda: max(scales) > view_module._SCALES[-1])


def test_one_more_lamp_in_a_heavy_scene_is_no_surprise(window: Any, qtbot: QtBot, scales: list[float]) -> None:
    studio = window.application.studio
    studio.show_scene(room(3).add(*_discs(40)), None)
    qtbot.waitUntil(lambda: max(scales, default=0.0) > view_module._SCALES[-1])
    view, known = window.views[0], window.views[0]._known
    assert known >= view_module._HEAVY
    with studio.document.edit("add") as edit:
        edit.scene = edit.scene.add(*_discs(41)[40:])
    assert view_module._weight(view.flat) < 2 * known


def test_a_screenshot_is_drawn_whole_however_heavy_the_scene(window: Any, scales: list[float]) -> None:
    window.application.studio.show_scene(room(3).add(*_discs(40)), None)
    window.views[0].draw(whole=True)
    assert scales[-1] == 1.0


def test_a_view_at_rest_grows_when_it_has_time_and_shrinks_once_when_it_takes_far_too_long(window: Any) -> None:
    view = window.views[0]
    pixels, budget = view._size[0] * view._size[1], view_module._STILL_S
    view._scale, view._rested, view._lowered = 0.125, True, False

    def rests(seconds: float) -> float:
        """The scale of the frame after one that took so long."""
        view._pixel_s = {Quality.MOVING: 1.0, Quality.STILL: seconds / (pixels * view._scale**2)}
        view._scale = view._affordable(Quality.STILL)
        return float(view._scale)

    assert rests(0.25 * budget) == 0.25
    assert rests(2.0 * budget) == 0.25, "what refines is not thrown away for a slow frame"
    lowered = rests(5.0 * budget)
    assert lowered < 0.25
    assert rests(0.1 * budget) == lowered, "and does not swing"


def test_what_shadows_take_does_not_count_for_the_size_of_the_picture(window: Any) -> None:
    view = window.views[0]
    view.frames, view._compiled = 1, True
    width, height = view._drawn_size()
    view.statistics = Statistics(passes=(("shadows", 0.3),))
    view._time(Quality.STILL, 0.5, coarse=False, weight=1)
    assert view._pixel_s[Quality.STILL] == pytest.approx(0.2 / (width * height))
