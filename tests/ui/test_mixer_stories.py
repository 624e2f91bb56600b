"""Stories with the light mixer in a whole window: a frame is opened, lit anew, looked into, solved and kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.render.lightmix import factors
from studio.scene.entities import Camera, Group
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.ui import i18n
from studio.ui.mixer import MixerPanel
from studio.ui.mixer_model import GAIN, MUTE, NAME, SHARE, SOLO
from tests.render.layers_made import MadeLayers, spots, write_layers

LEFT = Qt.MouseButton.LeftButton
COUNT = 14


def scene() -> Scene:
    lights = [
        Light(id=f"l{n}", name=f"Practical {n + 1}", parent="hall" if n < 6 else "stage" if n < 10 else "")
        for n in range(COUNT)
    ]
    return Scene(name="shot", camera="cam").add(
        Camera(id="cam", name="Camera"),
        Group(id="hall", name="Hall"),
        Group(id="stage", name="Stage", parent="hall"),
        *lights,
    )


@pytest.fixture
def made() -> MadeLayers:
    return MadeLayers(spots(COUNT, width=480, height=272) * 0.05, groups=("",) * 10 + ("keys",) * 4)


@pytest.fixture
def mixer(window: Any, qtbot: QtBot, made: MadeLayers, tmp_path: Path) -> MixerPanel:
    studio = window.application.studio
    studio.document.load(scene())
    panel = window.show_panel("mixer")
    assert isinstance(panel, MixerPanel)
    studio.run("mix.open", path=str(write_layers(tmp_path / "shot.0007.lights.exr", made, exposure_ev=0.5)))
    qtbot.waitUntil(lambda: panel.last is not None)
    return panel


def strip_place(mixer: MixerPanel, id_: str, column: int) -> QPoint:
    index = mixer.model.index(mixer.model.row_of(id_), column)
    mixer.list.scrollTo(index)
    return mixer.list.visualRect(index).center()


def drag_fader(mixer: MixerPanel, id_: str, way: int) -> None:
    at = strip_place(mixer, id_, GAIN)
    view = mixer.list.viewport()
    QTest.mousePress(view, LEFT, Qt.KeyboardModifier.NoModifier, at)
    for step in range(1, 5):
        QTest.mouseMove(view, QPoint(at.x() + way * step // 4, at.y()))
    QTest.mouseRelease(view, LEFT, Qt.KeyboardModifier.NoModifier, QPoint(at.x() + way, at.y()))


def settled(mixer: MixerPanel, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: mixer.picture.settled)


def test_a_fader_relights_the_picture_and_the_scene_gets_it_in_one_step(
    mixer: MixerPanel, window: Any, qtbot: QtBot, shot: Callable[[Any, str], None]
) -> None:
    studio = window.application.studio
    session = mixer.session
    assert [row.id for row in mixer.model.rows][:2] == ["hall", "l0"]
    qtbot.waitUntil(lambda: mixer.list.columnWidth(GAIN) > 60)
    before = mixer.last.picture.copy()
    drag_fader(mixer, "l3", -24)
    gain = session.mix.of("l3").gain
    assert gain < -1.0
    qtbot.waitUntil(lambda: not np.array_equal(mixer.last.picture, before))
    drag_fader(mixer, "stage", 14)
    QTest.mouseClick(mixer.list.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, strip_place(mixer, "l12", MUTE))
    session.set_mix(session.mix.change(["l1"], color=(1.0, 0.4, 0.1)))
    settled(mixer, qtbot)
    exact = session.frame.beauty * 0
    for n in range(len(session.channels)):
        exact += session.frame.store.layer(n) * session.factors()[n]
    assert np.allclose(mixer.picture.developer.mixer(session.frame).sum, exact, rtol=1e-4, atol=1e-4)
    shot(window, "mixer")
    studio.select(["l3"])
    assert [row.id for row in mixer.list.selected_rows()] == ["l3"]
    steps = len(studio.document.history[0])
    mix, channels = session.mix, session.channels
    qtbot.mouseClick(mixer.scene_button, LEFT)
    lit = studio.scene.entities
    assert lit["l3"].exposure == pytest.approx(gain) and lit["stage"].exposure == pytest.approx(mix.of("stage").gain)
    assert lit["l12"].muted and lit["l1"].color == (1.0, 0.4, 0.1)
    assert len(studio.document.history[0]) == steps + 1 and session.mix.is_neutral
    assert factors(mix, channels)[3, 0] == pytest.approx(2.0**gain * (2.0 ** mix.of("hall").gain), rel=1e-5)
    studio.run("edit.undo")
    assert studio.scene.entities["l3"].exposure == 0.0


def test_solo_and_sorting_and_filter_find_a_light(mixer: MixerPanel, qtbot: QtBot) -> None:
    QTest.mouseClick(mixer.list.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, strip_place(mixer, "l2", SOLO))
    assert np.flatnonzero(mixer.session.factors().any(axis=1)).tolist() == [2]
    mixer.session.undo()
    mixer.list.sortByColumn(SHARE, Qt.SortOrder.DescendingOrder)
    shares = [mixer.model.share(row) for row in mixer.model.rows]
    assert shares == sorted(shares, reverse=True)
    mixer.list.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
    mixer.search.setText("practical 14")
    assert [row.id for row in mixer.model.rows] == ["l13"]
    mixer.search.clear()
    hall = next(row for row in mixer.model.rows if row.id == "hall")
    mixer.model.fold(hall)
    assert "l0" not in [row.id for row in mixer.model.rows] and "l12" in [row.id for row in mixer.model.rows]


def test_the_inspector_names_the_lights_of_a_place_and_solves_a_wish(
    mixer: MixerPanel, window: Any, qtbot: QtBot, made: MadeLayers, shot: Callable[[Any, str], None]
) -> None:
    studio, canvas, session = window.application.studio, mixer.canvas, mixer.session
    light = made.pixels[4] @ np.array([0.2126, 0.7152, 0.0722])
    y, x = np.unravel_index(int(light.argmax()), light.shape)
    QTest.mouseClick(canvas, LEFT, Qt.KeyboardModifier.NoModifier, canvas.position_of(x + 0.5, y + 0.5).toPoint())
    inspector = mixer.inspector
    assert inspector.region == (x, y, x + 1, y + 1) and mixer.tabs.currentWidget() is inspector
    first = inspector.model.ranks[0]
    everyone = made.pixels[:, y, x] @ np.array([0.2126, 0.7152, 0.0722])
    assert first.channel.row == int(everyone.argmax())
    assert first.nits == pytest.approx(float(everyone.max()), rel=2e-3)
    assert sum(rank.share for rank in inspector.model.ranks) == pytest.approx(1.0, abs=1e-3)
    QTest.mouseClick(
        inspector.ranking.viewport(),
        LEFT,
        Qt.KeyboardModifier.NoModifier,
        inspector.ranking.visualRect(inspector.model.index(0, 0)).center(),
    )
    assert studio.selection == (first.channel.id,)
    a, b = canvas.position_of(x - 6, y - 6), canvas.position_of(x + 7, y + 7)
    _drag(canvas, a, b)
    assert inspector.region is not None and inspector.region[2] - inspector.region[0] >= 10
    before = float(session.brought(inspector.region)[0].sum())
    inspector.value.set_value(-2.0)
    inspector.add_wish()
    inspector.inspect((0, 0, 40, 40))
    inspector.kind.setCurrentIndex(inspector.kind.findData("keep"))
    kept = float(session.brought((0, 0, 40, 40))[0].sum())
    inspector.add_wish()
    qtbot.mouseClick(inspector.solve_button, LEFT)
    qtbot.wait(400)
    shot(window, "mixer-inspector")
    assert inspector.solution is not None and inspector.solution.met
    dark = session.wishes[0].region
    assert float(session.brought(dark)[0].sum()) == pytest.approx(before / 4, rel=0.04)
    assert float(session.brought((0, 0, 40, 40))[0].sum()) == pytest.approx(kept, rel=0.04)
    qtbot.mouseClick(inspector.discard_button, LEFT)
    assert session.mix.is_neutral and len(session.wishes) == 2
    qtbot.mouseClick(inspector.solve_button, LEFT)
    qtbot.mouseClick(inspector.accept_button, LEFT)
    assert not session.mix.is_neutral and not session.wishes


def _drag(widget: Any, a: QPointF, b: QPointF) -> None:
    QTest.mousePress(widget, LEFT, Qt.KeyboardModifier.NoModifier, a.toPoint())
    QTest.mouseMove(widget, ((a + b) / 2).toPoint())
    QTest.mouseMove(widget, b.toPoint())
    QTest.mouseRelease(widget, LEFT, Qt.KeyboardModifier.NoModifier, b.toPoint())


def test_presets_are_kept_with_the_scene_and_compared(
    mixer: MixerPanel, window: Any, qtbot: QtBot, shot: Callable[[Any, str], None]
) -> None:
    studio, session = window.application.studio, mixer.session
    session.set_mix(session.mix.change(["hall"], gain=-2.0, color=(0.3, 0.5, 1.0)))
    studio.run("mix.keep", name="Night")
    session.set_mix(session.mix.change(["hall"], gain=1.0))
    mixer.compare_menu.setCurrentIndex(mixer.compare_menu.findData("=Night"))
    mixer._compare()
    qtbot.waitUntil(lambda: mixer.last is not None and mixer.last.other is not None)
    settled(mixer, qtbot)
    shot(window, "mixer-compare")
    studio.run("mix.use", name="Night")
    assert session.mix.of("hall").gain == -2.0
    studio.run("mix.forget", name="Night")
    assert mixer.compare_menu.findData("=Night") < 0
    studio.run("edit.undo")
    assert mixer.compare_menu.findData("=Night") > 0


def test_the_picture_is_denoised_at_rest_and_saved_as_mixed(
    mixer: MixerPanel, window: Any, qtbot: QtBot, made: MadeLayers, tmp_path: Path
) -> None:
    studio = window.application.studio
    studio.run("mix.set", ids=("l3", "l4"), gain=1.0)
    mixer.denoise_button.click()
    qtbot.waitUntil(lambda: mixer.last is not None and mixer.last.clean)
    mixer.denoise_button.click()
    qtbot.waitUntil(lambda: mixer.last is not None and not mixer.last.clean)
    settled(mixer, qtbot)
    studio.run("mix.save", path=str(tmp_path / "out.exr"))
    qtbot.waitUntil(lambda: not mixer.session.saving and (tmp_path / "out.exr").is_file())
    wanted = made.pixels.sum(axis=0) + made.pixels[3] + made.pixels[4]
    got = OpenImageIO.ImageBuf(str(tmp_path / "out.exr")).get_pixels(OpenImageIO.FLOAT)[..., :3]
    assert np.allclose(got, wanted, rtol=2e-3, atol=1e-4)
    studio.run("mix.save_sequence", path=str(tmp_path / "seq.####.png"))
    qtbot.waitUntil(lambda: not mixer.session.saving)
    assert (tmp_path / "seq.0007.png").is_file()


def test_it_speaks_chinese(mixer: MixerPanel, window: Any, qtbot: QtBot, shot: Callable[[Any, str], None]) -> None:
    i18n.set_language("zh_CN")
    qtbot.wait(100)
    shot(window, "mixer-zh")
    assert mixer.model.headerData(NAME, Qt.Orientation.Horizontal) == "灯光"


def test_a_file_that_is_no_layers_is_told_and_the_picture_stays(
    mixer: MixerPanel, window: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.lights.exr"
    broken.write_bytes(b"no picture")
    window.application.studio.attempt("mix.open", path=str(broken))
    qtbot.waitUntil(lambda: mixer.session.loading is None)
    assert mixer.session.frame is not None
    assert "broken.lights.exr" in window.application.notices.kept[-1].sentence
    window.application.studio.run("mix.close")
    assert mixer.session.frame is None and mixer.canvas.picture is None
