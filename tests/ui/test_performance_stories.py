"""The performance panel, with real packets on loopback. Each story leaves a picture where MYRIAD_SHOTS says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.commands.capture import hub_of
from studio.figure.capture.live_link_csv import write_csv
from studio.figure.capture.rehearsal import Rehearsal
from studio.figure.capture.simulator import performance
from studio.figure.capture.take_files import load_take, save_take
from studio.scene.arkit import INDEX
from studio.scene.entities import Figure
from studio.ui.curve_editor import CurveEditor
from studio.ui.performance_panel import PerformancePanel
from tests.face_scene import FACE, face_scene

NONE = Qt.KeyboardModifier.NoModifier
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def panel(window: Any, qtbot: QtBot) -> PerformancePanel:
    """The panel over a window with one figure."""
    return panel_of(window, qtbot)


@pytest.fixture
def active_panel(active_window: Any, qtbot: QtBot) -> PerformancePanel:
    """The same in a window that gets keys."""
    return panel_of(active_window, qtbot)


def panel_of(window: Any, qtbot: QtBot) -> PerformancePanel:
    window.application.studio.show_scene(face_scene(), None)
    made: PerformancePanel = window.show_panel("performance")
    qtbot.waitUntil(made.isVisible)
    return made


def figure_of(panel: PerformancePanel) -> Figure:
    return next(e for e in panel._studio.scene.entities.values() if isinstance(e, Figure))


def worn(panel: PerformancePanel) -> Figure:
    """The figure as viewports draw it."""
    studio = panel._studio
    seen = studio.performance(studio.scene) if studio.performance is not None else studio.scene
    return seen.entities[figure_of(panel).id]


def a_take(panel: PerformancePanel, qtbot: QtBot, seconds: float = 4.0, name: str = "hello") -> Path:
    """A take in the list, without a device."""
    path = hub_of(panel._studio).keep(performance(seconds, seed=3))
    path = hub_of(panel._studio).rename(path, name)
    qtbot.waitUntil(lambda: panel.takes.list.take is not None and panel.takes.list.take.path == path)
    return path


def press(panel: PerformancePanel, name: str) -> None:
    found = panel.findChild(object, name)
    assert found is not None and found.isEnabled(), name
    QTest.mouseClick(found, LEFT)


def test_the_demo_performs_is_recorded_trimmed_baked_and_taken_back(
    panel: PerformancePanel, qtbot: QtBot, shot: Any
) -> None:
    studio, hub = panel._studio, hub_of(panel._studio)
    before = studio.scene
    shot(panel.window(), "performance-empty")
    press(panel, "performance.demo")
    qtbot.waitUntil(lambda: [s.state for s in hub.statuses()] == ["live"])
    qtbot.waitUntil(lambda: any(worn(panel).expression))
    assert studio.scene is before, "a performance is not the document's"
    qtbot.waitUntil(lambda: panel.clock.late_ms() is not None)

    panel.count.choose(0.0)
    panel.name.setText("first")
    press(panel, "performance.record")
    assert hub.recording
    qtbot.waitUntil(lambda: hub.statuses()[0].recorded >= 60)
    shot(panel.window(), "performance-recording")
    press(panel, "performance.record")
    qtbot.waitUntil(lambda: panel.takes.list.take is not None and panel.takes.list.take.path.stem == "first")
    press(panel, "performance.close")
    assert not hub.listening and studio.performance is None

    info = panel.takes.list.take.info
    studio.attempt("capture.trim_take", path=str(panel.takes.list.take.path), first=0.2, last=info.seconds - 0.1)
    qtbot.waitUntil(lambda: panel.takes.list.take.info.trim is not None)
    press(panel, "performance.bake")
    qtbot.waitUntil(lambda: bool(studio.scene.tracks))
    assert f"{figure_of(panel).id}.expression[{INDEX['jawOpen']}]" in studio.scene.tracks
    qtbot.waitUntil(lambda: isinstance(panel.window().panel("curve_editor"), CurveEditor))
    shot(panel.window(), "performance-baked")
    studio.document.undo()
    assert not studio.scene.tracks


def test_nothing_ticks_while_nobody_acts(panel: PerformancePanel, qtbot: QtBot) -> None:
    hub, clock = hub_of(panel._studio), panel.clock
    qtbot.waitUntil(lambda: not clock.running)
    panel._studio.run("capture.listen", kind="live_link", port=0)
    qtbot.waitUntil(lambda: not clock.running)
    (key,) = hub.listening
    phone = Rehearsal(hub.listening[key].receiver.address[1])
    try:
        qtbot.waitUntil(lambda: clock.running and hub.statuses()[0].state == "live")
    finally:
        phone.close()
    qtbot.waitUntil(lambda: not clock.running)
    assert hub.statuses()[0].state == "resting"
    assert not any(worn(panel).expression)


def test_what_is_no_packet_is_told_and_disturbs_nobody(panel: PerformancePanel, qtbot: QtBot, shot: Any) -> None:
    import socket

    hub = hub_of(panel._studio)
    press(panel, "performance.demo")
    (key,) = hub.listening
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for text in (b"", b"\x06abc", b"hello" * 20):
            stranger.sendto(text, hub.listening[key].receiver.address)
    qtbot.waitUntil(lambda: "refused" in panel.devices.devices.data(panel.devices.devices.index(0), 3))
    qtbot.waitUntil(lambda: hub.statuses()[0].state == "live")


def test_a_take_is_scrubbed_on_the_figure_and_let_go(panel: PerformancePanel, qtbot: QtBot, shot: Any) -> None:
    studio = panel._studio
    a_take(panel, qtbot)
    strip = panel.takes.strip
    qtbot.waitUntil(lambda: strip._activity is not None)
    middle = QPoint(round(strip.x_of(2.9)), strip.height() // 2)
    QTest.mousePress(strip, LEFT, NONE, middle)
    QTest.mouseRelease(strip, LEFT, NONE, middle)
    qtbot.waitUntil(lambda: panel.desk.playing is not None)
    assert panel.desk.playing.at == pytest.approx(2.9, abs=0.05) and panel.desk.playing.since is None
    smiling = worn(panel)
    assert smiling.expression[INDEX["mouthSmileLeft"]] > 0.5 and not any(figure_of(panel).expression)
    press(panel, "performance.play")
    qtbot.waitUntil(lambda: panel.desk.playing.at > 3.1)
    shot(panel.window(), "performance-take")
    qtbot.waitUntil(lambda: panel.desk.playing.since is None)
    assert panel.desk.playing.at == pytest.approx(panel.desk.playing.posed.take.seconds)
    press(panel, "performance.end")
    assert panel.desk.playing is None and studio.performance is None


def test_handles_trim_and_a_double_click_takes_all_again(panel: PerformancePanel, qtbot: QtBot) -> None:
    path = a_take(panel, qtbot)
    strip = panel.takes.strip
    y = strip.height() // 2
    start = QPoint(round(strip.x_of(0.0)) - 3, y)
    QTest.mousePress(strip, LEFT, NONE, start)
    QTest.mouseMove(strip, QPoint(round(strip.x_of(1.0)), y))
    QTest.mouseRelease(strip, LEFT, NONE, QPoint(round(strip.x_of(1.0)), y))
    qtbot.waitUntil(lambda: load_take(path).trim is not None)
    assert load_take(path).trim[0] == pytest.approx(1.0, abs=0.05)
    assert len(load_take(path).times) == 240, "no frame is lost"
    qtbot.waitUntil(lambda: panel.takes.first.value == pytest.approx(load_take(path).trim[0], abs=1e-3))
    QTest.mouseDClick(strip, LEFT, NONE, QPoint(strip.width() // 2, y))
    qtbot.waitUntil(lambda: load_take(path).trim is None)


def test_a_clip_is_baked_as_a_strip(panel: PerformancePanel, qtbot: QtBot) -> None:
    studio = panel._studio
    a_take(panel, qtbot, 1.5)
    panel.takes.kind.choose("clip")
    press(panel, "performance.bake")
    qtbot.waitUntil(lambda: bool(studio.scene.clips))
    assert studio.scene.strips and not studio.scene.tracks


def test_takes_are_renamed_exported_imported_and_deleted(
    active_panel: PerformancePanel, qtbot: QtBot, tmp_path: Path, answers: list[Any]
) -> None:
    panel = active_panel
    studio, rows = panel._studio, panel.takes.list
    a_take(panel, qtbot, 1.0)
    answers.append("hello again")
    qtbot.keyClick(rows, Qt.Key.Key_F2)
    qtbot.waitUntil(lambda: rows.take is not None and rows.take.path.stem == "hello again")
    studio.run("capture.export_take", path=str(rows.take.path), to=str(tmp_path / "out.csv"))
    qtbot.waitUntil((tmp_path / "out.csv").exists)
    studio.run("capture.import_take", path=str(tmp_path / "out.csv"))
    qtbot.waitUntil(lambda: len(rows.takes.takes) == 2)
    answers.append("Delete")
    qtbot.keyClick(rows, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: len(rows.takes.takes) == 1)


def test_a_broken_take_is_told_in_the_list(panel: PerformancePanel, qtbot: QtBot) -> None:
    path = a_take(panel, qtbot, 1.0)
    path.with_name("broken.take").write_bytes(path.read_bytes()[:300])
    hub_of(panel._studio).tell()
    faults = [take.fault for take in panel.takes.list.takes.takes]
    assert sum(bool(fault) for fault in faults) == 1
    write_csv(load_take(path), path.with_suffix(".csv"))  # not a take: it is not listed
    hub_of(panel._studio).tell()
    assert len(panel.takes.list.takes.takes) == 2


def test_the_actor_is_counted_in_and_calibrated(panel: PerformancePanel, qtbot: QtBot, shot: Any) -> None:
    hub = hub_of(panel._studio)
    press(panel, "performance.demo")
    qtbot.waitUntil(lambda: [s.state for s in hub.statuses()] == ["live"])
    panel.tabs.setCurrentIndex(1)
    press(panel, "performance.neutral")
    assert panel.desk.counting is not None
    qtbot.waitUntil(lambda: bool(panel._left.text()) and panel._counting.isVisible())
    shot(panel.window(), "performance-counting")
    qtbot.waitUntil(lambda: panel.desk.counting is None)
    profile = hub.profile(panel.desk.device)
    assert profile.neutral and any(profile.neutral_head_deg)
    press(panel, "performance.straight")
    assert hub.profile(panel.desk.device).neutral == profile.neutral


def test_gain_deadzone_and_what_a_shape_drives_are_typed_for_all_that_is_selected(
    panel: PerformancePanel, qtbot: QtBot, shot: Any
) -> None:
    hub = hub_of(panel._studio)
    press(panel, "performance.demo")
    qtbot.waitUntil(lambda: [s.state for s in hub.statuses()] == ["live"])
    panel.tabs.setCurrentIndex(1)
    panel.calibration.search.setText("smile")
    table = panel.calibration.table
    model = table.channels
    assert set(model.names) == {"mouthSmileLeft", "mouthSmileRight"}
    selection = table.selectionModel()
    for row in (0, 1):
        selection.select(model.index(row, 1), selection.SelectionFlag.Select)
    model.setData(model.index(0, 1), "*=1.5")
    profile = hub.profile(panel.desk.device)
    assert {name: c.gain for name, c in profile.channels.items()} == {"mouthSmileLeft": 1.5, "mouthSmileRight": 1.5}
    model.setData(model.index(0, 2), "5")  # no deadzone can be that
    assert hub.profile(panel.desk.device) == profile
    model.setData(model.index(0, 4), "mouthFrownLeft")
    assert [r.target for r in hub.profile(panel.desk.device).remaps] == ["mouthFrownLeft"]
    model.setData(model.index(0, 4), model.names[0])
    assert hub.profile(panel.desk.device).remaps == ()
    panel.calibration.search.clear()
    press(panel, "performance.mirror")
    assert hub.profile(panel.desk.device).mirror
    qtbot.waitUntil(lambda: any(model.worn.values()))
    shot(panel.window(), "performance-calibration")


def test_a_device_is_opened_by_the_form_and_kept_from_a_port_that_is_taken(
    active_panel: PerformancePanel, qtbot: QtBot
) -> None:
    panel = active_panel
    hub = hub_of(panel._studio)
    panel.form.kind.choose("vmc")
    panel.form._other_kind()
    assert panel.form.port.value == 39539
    panel.form.port.set_value(0)
    assert panel.form.host.currentData() == "127.0.0.1", "nobody else is let in by default"
    QTest.mouseClick(panel.form.open, LEFT)
    (key,) = hub.listening
    assert hub.listening[key].source.kind == "vmc" and hub.listening[key].figure == figure_of(panel).id
    panel.adding.setChecked(True)
    panel.form.kind.choose("live_link")
    panel.form.port.set_value(hub.listening[key].receiver.address[1])
    QTest.mouseClick(panel.form.open, LEFT)
    assert len(hub.listening) == 1
    assert any("another program has that port" in n.sentence for n in panel.window().application.notices.kept)
    panel.figures.setCurrentIndex(panel.figures.findData(""))
    panel.figures.activated.emit(panel.figures.currentIndex())
    assert hub.listening[key].figure == ""
    qtbot.keyClick(panel.devices, Qt.Key.Key_Delete)
    assert not hub.listening


def test_a_recording_is_kept_when_the_studio_ends(panel: PerformancePanel, qtbot: QtBot, tmp_path: Path) -> None:
    application = panel.window().application
    hub = hub_of(panel._studio)
    press(panel, "performance.demo")
    panel._studio.run("capture.record", name="last")
    qtbot.waitUntil(lambda: bool(hub.statuses()) and hub.statuses()[0].recorded >= 5)
    receiver = next(iter(hub.listening.values())).receiver
    application.close()
    assert receiver.closed and not hub.listening
    (kept,) = hub.takes()
    assert kept.path.stem == "last" and kept.info is not None


def test_saving_as_another_project_takes_the_takes_along(panel: PerformancePanel, qtbot: QtBot, tmp_path: Path) -> None:
    studio = panel._studio
    a_take(panel, qtbot, 1.0)
    studio.run("file.save_as", path=str(tmp_path / "one.studio"))
    assert [t.path for t in hub_of(studio).takes()] == [tmp_path / "one.studio" / "takes" / "hello.take"]
    save_take(performance(0.5), tmp_path / "one.studio" / "takes" / "more.take")
    studio.run("file.save_as", path=str(tmp_path / "two.studio"))
    assert {t.path.stem for t in hub_of(studio).takes()} == {"hello", "more"}
    qtbot.waitUntil(lambda: len(panel.takes.list.takes.takes) == 2)


def test_chinese_is_spoken(panel: PerformancePanel, qtbot: QtBot, shot: Any) -> None:
    a_take(panel, qtbot)
    press(panel, "performance.demo")
    qtbot.waitUntil(lambda: [s.state for s in hub_of(panel._studio).statuses()] == ["live"])
    panel._studio.prefer(language="zh_CN")
    panel.tabs.setCurrentIndex(1)
    qtbot.waitUntil(lambda: any(panel.calibration.table.channels.worn.values()))
    shot(panel.window(), "performance-chinese")
    assert panel.record.text() == "录制"
    panel._studio.prefer(language="en")
    assert panel.record.text() == "Record"


def test_space_and_letters_work_on_the_strip(active_panel: PerformancePanel, qtbot: QtBot) -> None:
    panel = active_panel
    path = a_take(panel, qtbot)
    strip = panel.takes.strip
    strip.setFocus()
    strip.seeked.emit(1.0)
    qtbot.waitUntil(lambda: panel.desk.playing is not None)
    qtbot.keyClick(strip, Qt.Key.Key_I)
    qtbot.waitUntil(lambda: load_take(path).trim is not None)
    qtbot.keyClick(strip, Qt.Key.Key_Right)
    assert panel.desk.playing.at == pytest.approx(1.0 + 1 / 30)
    qtbot.keyClick(strip, Qt.Key.Key_Space)
    assert panel.desk.playing.since is not None
    assert strip._grip_at(QPointF(strip.x_of(1.0) - 3, 20)) == "first"
    assert figure_of(panel).id == FACE
