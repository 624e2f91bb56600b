"""The audit panel: a shot is audited, findings are acted on in one step, and what is old says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QItemSelectionModel, QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.commands import audit as commands
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.render import audit_render
from studio.render.light_audit import Auditor, Shot, findings
from studio.scene import color, linking
from studio.scene.entities import MeshObject
from studio.scene.geometry import make_mesh
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.ui.audit_model import ACT, ERROR, GAIN, WHAT, WHO, AuditModel
from studio.ui.audit_panel import AuditPanel
from tests.render.scenes import aimed, box, eye, floor, matte, scene_of, thing
from tests.ui.desk import PlainDesk

LEFT = Qt.MouseButton.LeftButton
ROWS = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows


def made_scene() -> Scene:
    mesh = make_mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    lights = ("key", "dead", "weak", "rim", "leak")
    return Scene().add(
        mesh,
        MeshObject(id="near", name="Near", mesh=mesh.key),
        MeshObject(id="far", name="Far", mesh=mesh.key),
        *(Light(id=id_, name=id_.title(), casts_shadows=id_ != "leak") for id_ in lights),
    )


def made_audit() -> tuple[Auditor, Any]:
    """Five lights: one for all, one for nothing, one hardly, one for half of the picture that is too bright there, and
    one that only the lack of shadows lets in."""
    layers = np.zeros((5, 16, 32, 3), np.float32)
    layers[0], layers[2], layers[3, :, :8], layers[4, :, 20:] = 0.3, 0.0008, 3.0, 0.2
    coverage = np.zeros((2, 16, 32), np.float32)
    coverage[0, :, :8] = coverage[1, :, 8:] = 1.0
    halves = np.stack([layers, layers])
    shot = Shot(
        ids=("key", "dead", "weak", "rim", "leak"),
        halves=halves,
        beauty=halves.sum(1),
        costs=np.array([0.5, 0.15, 0.05, 0.2, 0.1]),
        view=color.PLAIN_VIEW,
        objects=("near", "far"),
        coverage=coverage,
        unblocked=("leak",),
        blocked=layers[4:] * np.float32(0.1),
    )
    auditor = Auditor(shot)
    return auditor, findings(auditor)


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setattr(audit_render, "run_audit", lambda scene, frame, **more: made_audit())
    return Studio(scene=made_scene())


@pytest.fixture
def panel(qtbot: QtBot, studio: Studio) -> Any:
    made = AuditPanel(studio, PlainDesk(studio))
    qtbot.addWidget(made)
    made.resize(1000, 300)
    made.show()
    yield made
    made.close_panel()


def row_of(studio: Studio, kind: str, id_: str = "") -> int:
    found = commands.session_of(studio).findings
    return next(row for row, f in enumerate(found) if f.kind == kind and (not id_ or id_ in f.ids))


def press(panel: AuditPanel, row: int) -> None:
    place = panel.table.visualRect(panel.model.index(row, ACT)).center()
    QTest.mouseClick(panel.table.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, QPoint(place))


def test_the_model_keeps_qts_rules(qtmodeltester: Any, studio: Studio) -> None:
    studio.run("audit.run")
    model = AuditModel(commands.session_of(studio))
    model.show_audit(studio.scene)
    assert model.rowCount() >= 5
    qtmodeltester.check(model)


def test_findings_are_listed_by_what_they_save(
    panel: AuditPanel, studio: Studio, shot: Callable[[Any, str], None]
) -> None:
    assert "Audit the shot" in panel.told.text() and not panel.mute_button.isEnabled()
    panel.run_button.click()
    model = panel.model
    gains = [finding.gain for finding in model.findings]
    assert gains == sorted(gains, reverse=True) and len(gains) == model.rowCount()
    row = row_of(studio, "nothing", "dead")
    texts = {column: model.data(model.index(row, column)) for column in (WHO, WHAT, ERROR, GAIN, ACT)}
    assert texts[WHO] == "Dead" and texts[ERROR] == "0 %, 0.0 levels" and texts[GAIN] == "15 %" and texts[ACT] == "Mute"
    assert "Unseen together" in model.data(model.index(row_of(studio, "weak"), WHAT))
    assert "20 %" in panel.told.text() and "2 lights" in panel.told.text()
    shot(panel, "audit-panel")


def test_a_press_on_a_proposal_does_it_in_one_step_and_undo_takes_it_back(panel: AuditPanel, studio: Studio) -> None:
    studio.run("audit.run")
    steps = len(studio.document.history[0])
    row = row_of(studio, "nothing", "dead")
    press(panel, row)
    assert studio.scene.entities["dead"].muted and len(studio.document.history[0]) == steps + 1
    assert panel.model.done[row] and not panel.stale.isVisible()
    press(panel, row)  # what is done is no button any more
    assert len(studio.document.history[0]) == steps + 1
    studio.run("edit.undo")
    assert not studio.scene.entities["dead"].muted and not panel.model.done[row]


def test_all_that_nobody_would_miss_goes_in_one_step(panel: AuditPanel, studio: Studio) -> None:
    studio.run("audit.run")
    steps = len(studio.document.history[0])
    panel.mute_button.click()
    muted = {id_ for id_, e in studio.scene.entities.items() if getattr(e, "muted", False)}
    assert muted == {"dead", "weak"} and len(studio.document.history[0]) == steps + 1


def test_each_kind_of_finding_has_its_act(studio: Studio) -> None:
    studio.run("audit.run")
    studio.run("audit.apply", rows=(row_of(studio, "leak"),))
    assert studio.scene.entities["leak"].casts_shadows
    hot = row_of(studio, "hotspot")
    before = studio.scene.entities["rim"].exposure
    studio.run("audit.apply", rows=(hot,))
    stops = commands.session_of(studio).findings[hot].stops
    assert studio.scene.entities["rim"].exposure == pytest.approx(before - stops) and stops > 1.0
    studio.run("audit.apply", rows=(row_of(studio, "link", "rim"),))
    assert linking.linked(studio.scene, "rim") == {"near"}
    session = commands.session_of(studio)
    assert all(session.is_done(f, studio.scene) for f in session.findings if f.kind in ("leak", "hotspot"))


def test_choosing_rows_selects_lights_and_says_what_muting_them_together_does(
    panel: AuditPanel, studio: Studio
) -> None:
    studio.run("audit.run")
    model = panel.table.selectionModel()
    for kind in ("hotspot", "leak"):
        flag = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        model.select(panel.model.index(row_of(studio, kind), 0), flag)
    assert set(studio.selection) == {"rim", "leak"}
    session = commands.session_of(studio)
    assert session.auditor is not None
    joint = session.auditor.removed(("rim", "leak"))
    assert f"{joint.levels:.1f} levels" in panel.told.text() and "30 %" in panel.told.text()
    panel.mute_button.click()
    assert studio.scene.entities["rim"].muted and studio.scene.entities["leak"].muted


def test_a_scene_that_changed_makes_the_audit_old(panel: AuditPanel, studio: Studio) -> None:
    studio.run("audit.run")
    assert not panel.stale.isVisible()
    studio.select(["key"])
    assert not panel.stale.isVisible()
    studio.run("lights.brighter")
    assert panel.stale.isVisible() and "changed" in panel.stale.text()
    studio.run("audit.run")
    assert not panel.stale.isVisible()


def test_commands_refuse_rows_that_there_are_not(studio: Studio) -> None:
    assert not studio.enabled(commands_of("audit.apply"))
    studio.run("audit.run")
    with pytest.raises(UsageError, match="no finding 99"):
        studio.run("audit.apply", rows=(99,))


def commands_of(id_: str) -> Any:
    from studio.commands import registry

    return registry.find(id_)


def test_a_fault_of_the_render_is_told_and_the_last_audit_stays(
    panel: AuditPanel, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.run("audit.run")
    count = panel.model.rowCount()

    def fail(*_: Any, **__: Any) -> Any:
        raise UsageError("nothing shines in this frame")

    monkeypatch.setattr(audit_render, "run_audit", fail)
    studio.run("audit.run")
    assert ("error", "nothing shines in this frame") in studio.face.notices
    assert panel.model.rowCount() == count and panel.run_button.isEnabled()


# --- in the window ---------------------------------------------------------------------------------------------------
def story_scene() -> Scene:
    things = [
        thing(floor(4.0), matte(0.6, 0.5, 0.4), name="Floor"),
        thing(box((1.5, 1.0, 0.05), (0.0, 1.0, -2.0)), matte(0.7), name="Wall"),
        thing(box((0.3, 0.3, 0.3), (-1.2, 0.3, 0.0)), matte(0.8, 0.2, 0.2), name="Red box"),
        thing(box((0.3, 0.3, 0.3), (1.2, 0.3, 0.0)), matte(0.2, 0.3, 0.8), name="Blue box"),
        thing(box((0.5, 0.5, 0.5), (0.0, -3.0, 0.0)), matte(0.5), name="Plinth"),
    ]
    point: dict[str, Any] = {"light": "point", "unit": "cd", "seen_by_camera": False, "radius_m": 0.0}
    leaky: dict[str, Any] = {"light": "spot", "unit": "cd", "intensity": 60.0, "casts_shadows": False}
    key: dict[str, Any] = {"light": "rectangle", "unit": "nt", "intensity": 200.0, "seen_by_camera": False}
    lights = [
        Light(name="Key", **key, **aimed((1.5, 3.5, 2.5), (0, 0, 0))),
        Light(name="Buried", **point, intensity=5.0, translation=(0.0, -3.0, 0.0)),
        Light(name="Weak left", **point, intensity=0.008, translation=(-1.0, 1.0, 1.0)),
        Light(name="Weak right", **point, intensity=0.008, translation=(1.0, 1.0, 1.0)),
        Light(name="Kicker", **point, intensity=400.0, translation=(1.0, 0.35, 1.2)),
        Light(name="Back", **leaky, outer_cone_deg=25.0, **aimed((0.0, 1.0, -3.5), (0.0, 0.2, 0.0))),
    ]
    return scene_of(things, lights, camera=eye((0.0, 1.6, 5.0), (0.0, 0.6, 0.0), fov_y=45.0, exposure_ev=-3.0))


def test_a_shot_is_audited_in_the_window(window: Any, qtbot: QtBot, shot: Callable[[Any, str], None]) -> None:
    studio = window.application.studio
    studio.prefer(device="cpu")
    studio.document.load(story_scene())
    panel = window.show_panel("audit")
    assert isinstance(panel, AuditPanel)
    panel.run_button.click()
    assert not panel.cancel_button.isHidden() and not panel.run_button.isEnabled()
    shot(window, "audit-running")
    qtbot.waitUntil(lambda: commands.session_of(studio).running is None, timeout=120_000)
    kinds = {finding.kind for finding in panel.model.findings}
    assert {"nothing", "weak", "hotspot", "leak"} <= kinds
    panel.table.selectRow(row_of(studio, "weak"))
    shot(window, "audit")
    buried = next(id_ for id_, e in studio.scene.entities.items() if e.name == "Buried")
    assert buried in studio.selection
    press(panel, row_of(studio, "leak"))
    panel.mute_button.click()
    assert studio.scene.entities[buried].muted and not panel.stale.isVisible()
    studio.prefer(language="zh_CN")
    shot(window, "audit-chinese")


def test_closing_the_panel_ends_its_audit(window: Any, qtbot: QtBot) -> None:
    studio = window.application.studio
    studio.prefer(device="cpu")
    studio.document.load(story_scene())
    panel = window.show_panel("audit")
    panel.run_button.click()
    running = commands.session_of(studio).running
    panel.close_panel()
    panel.close_panel = lambda: None
    assert running is not None and running.cancelled
    qtbot.waitUntil(lambda: commands.session_of(studio).running is None, timeout=120_000)
    assert commands.session_of(studio).findings == ()
