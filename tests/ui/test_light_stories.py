"""Stories of the light table and the links in a whole window: 300 lights in rigs are found, typed, muted and linked."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit
from pytestqt.qtbot import QtBot

from studio.scene import linking
from studio.scene.entities import Group, MeshObject
from studio.scene.geometry import make_mesh
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.ui.light_list import LightList
from studio.ui.link_panel import LinkPanel

CONTROL, NONE = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.NoModifier


def hall() -> Scene:
    """300 lights: a key rig, a fill group, and practicals in groups of 32."""
    mesh = make_mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    kinds = (("spot", "cd"), ("rectangle", "lm"), ("disk", "nt"))
    records: list[Any] = [mesh, Group(id="key", name="Key rig", rig=True, exposure=1.5, tint=(1.0, 0.85, 0.7))]
    for n in range(6):
        kind, unit = kinds[n % 3]
        records.append(
            Light(
                id=f"k{n}", name=f"Key {n}", light=kind, unit=unit, intensity=400.0 * (n + 1), parent="key", group="key"
            )
        )
    records.append(Group(id="fill", name="Fill"))
    for n in range(6):
        records.append(
            Light(
                id=f"f{n}", name=f"Fill {n}", light="rectangle", unit="nt", intensity=90.0, parent="fill", exposure=-1.0
            )
        )
    for g in range(9):
        records.append(Group(id=f"g{g}", name=f"Chandelier {g}", muted=g == 3))
        for n in range(32):
            colour = (1.0, 0.6 + n * 0.01, 0.3 + g * 0.05)
            records.append(
                Light(id=f"b{g}.{n}", name=f"Bulb {g}.{n}", intensity=12.0 + n, color=colour, parent=f"g{g}")
            )
    records += [MeshObject(id=id_, name=id_.capitalize(), mesh=mesh.key) for id_ in ("floor", "wall", "statue")]
    return Scene(frame_end=48.0).add(*records)


@pytest.fixture
def desk(active_window: Any, qtbot: QtBot) -> Any:
    active_window.application.studio.show_scene(hall(), None)
    QApplication.processEvents()
    return active_window


def table_of(window: Any) -> LightList:
    panel = window.panel("light_list")
    assert isinstance(panel, LightList)
    return panel


def click(panel: LightList, id_: str, name: str, modifiers: Qt.KeyboardModifier = NONE) -> None:
    index = panel.model.cell_index(id_, name)
    panel.table.scrollTo(index)
    at = panel.table.visualRect(index).center() + QPoint(8, 0)
    QTest.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, modifiers, at)


def test_lights_are_found_and_typed_relative_to_each_ones_own(desk: Any, qtbot: QtBot, shot: Any) -> None:
    studio, panel = desk.application.studio, table_of(desk)
    assert len(panel.model.ids) == 300 and "300" in panel._count.text()
    panel.search.setFocus()
    qtbot.keyClicks(panel.search, "chandelier intensity>=40")
    found = [row.id for row in panel.model.rows.walk() if row.kind == "light"]
    assert len(found) == 9 * 4
    click(panel, "b0.28", "intensity")
    last = panel.model.cell_index("b8.31", "intensity")
    panel.table.scrollTo(last)
    at = panel.table.visualRect(last).center() + QPoint(8, 0)
    QTest.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, at)
    assert {id_ for id_ in studio.selection if id_ in panel.model.ids} == set(found)
    steps = len(studio.document.history[0])
    qtbot.keyClick(panel.table, "*")
    editor = panel.table.findChild(QLineEdit, "cell-intensity")
    qtbot.keyClicks(editor, "1.5")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(studio.document.history[0]) == steps + 1)
    assert studio.scene.entities["b0.28"].intensity == 60.0 and studio.scene.entities["b4.31"].intensity == 64.5
    shot(desk, "table-story-typed")
    qtbot.keyClick(panel.table, Qt.Key.Key_Z, CONTROL)
    assert studio.scene.entities["b0.28"].intensity == 40.0


def test_a_group_is_muted_and_every_light_below_shows_it(desk: Any, qtbot: QtBot, shot: Any) -> None:
    studio, panel = desk.application.studio, table_of(desk)
    desk.resize(1440, 980)
    panel.table.scrollToTop()
    at = panel.table.visualRect(panel.model.cell_index("fill", "muted")).center()
    QTest.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, NONE, at)
    assert studio.scene.entities["fill"].muted
    assert not any(panel.model.row_of(f"f{n}").counts for n in range(6))
    click(panel, "k1", "exposure")
    QApplication.processEvents()
    shot(desk, "table-story-muted")
    popup = panel.explain(panel.model.row_of("f2"), "exposure")
    QApplication.processEvents()
    shot(popup, "table-story-why")
    popup.close()


def test_a_light_is_unlinked_from_an_object_in_the_linking_panel(desk: Any, qtbot: QtBot, shot: Any) -> None:
    studio, panel = desk.application.studio, table_of(desk)
    studio.prefer(light_column_set="Linking")
    click(panel, "k0", "name")
    links = desk.show_panel("links")
    assert isinstance(links, LinkPanel)
    QApplication.processEvents()
    box = links.objects.tree.visualRect(links.objects.model.index_of("statue"))
    QTest.mouseClick(
        links.objects.tree.viewport(), Qt.MouseButton.LeftButton, NONE, QPoint(box.left() + 9, box.center().y())
    )
    assert linking.linked(studio.scene, "k0") == {"floor", "wall"}
    row = panel.model.row_of("k0")
    assert (
        panel.model.cell(row, "light_links").text == "Statue"
        and panel.model.cell(row, "light_link_mode").text == "Except"
    )
    panel.table.scrollToTop()
    QApplication.processEvents()
    shot(desk, "table-story-links")
    studio.prefer(language="zh_CN", light_column_set="Essentials")
    QApplication.processEvents()
    shot(desk, "table-story-chinese")
    studio.prefer(language="en")
