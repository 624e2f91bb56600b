"""Fields that only lights have: profiles and gobos by name, links taken from the selection."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QLabel, QToolButton

from studio.assets.ies import load_profile
from studio.commands.studio import Studio
from studio.scene import linking
from studio.scene.entities import Group, MeshObject
from studio.scene.geometry import make_image, make_mesh
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.ui.inspector import Inspector
from tests.assets.ies_maker import lobe, made
from tests.ui.desk import PlainDesk


@pytest.fixture
def studio():
    mesh = make_mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    return Studio(
        scene=Scene().add(
            mesh,
            load_profile(made(lobe), "washer").image,
            make_image(np.zeros((4, 4, 3), np.uint8), name="leaves"),
            Light(id="spot", light="spot"),
            Light(id="panel", light="rectangle", unit="nt"),
            Group(id="props", name="Props"),
            MeshObject(id="ball", name="Ball", parent="props", mesh=mesh.key),
            MeshObject(id="wall", name="Wall", mesh=mesh.key),
        )
    )


@pytest.fixture
def inspector(qtbot, studio):
    panel = Inspector(studio, PlainDesk(studio))
    qtbot.addWidget(panel)
    panel.resize(320, 900)
    panel.show()
    yield panel
    panel.close_panel()


def texts(menu):
    return [menu.itemText(i) for i in range(menu.count())]


def pick(menu, text):
    menu.setCurrentIndex(menu.findText(text))
    menu.activated.emit(menu.currentIndex())


def test_profiles_and_pictures_are_offered_where_they_belong(studio, inspector):
    studio.select(["spot"])
    assert texts(inspector.findChild(QComboBox, "field-ies")) == ["None", "washer"]
    assert texts(inspector.findChild(QComboBox, "field-gobo")) == ["None", "leaves"]
    studio.select(["panel"])
    assert texts(inspector.findChild(QComboBox, "field-image")) == ["None", "leaves"]
    assert "ies" not in {row.shared.field.name for box in inspector._boxes for row in box.rows}


def test_a_profile_is_chosen_and_taken_off_by_name(studio, inspector):
    studio.select(["spot"])
    pick(inspector.findChild(QComboBox, "field-ies"), "washer")
    assert studio.scene.images[studio.scene.entities["spot"].ies].name == "washer"
    pick(inspector.findChild(QComboBox, "field-ies"), "None")
    assert studio.scene.entities["spot"].ies == ""


def test_the_button_brings_a_file_in(qtbot, studio, inspector, tmp_path):
    (tmp_path / "street.ies").write_bytes(made(lambda v, h: 70.0))
    studio.select(["spot"])
    studio.face.answers.append(tmp_path / "street.ies")
    qtbot.mouseClick(inspector.findChild(QToolButton, "load-ies"), Qt.MouseButton.LeftButton)
    assert studio.scene.entities["spot"].intensity == pytest.approx(70.0)
    assert inspector.findChild(QComboBox, "field-ies").currentText() == "street"


def test_links_are_taken_from_the_selection_and_cleared(qtbot, studio, inspector):
    studio.select(["spot", "props"])
    told = inspector.findChild(QLabel, "field-light_links")
    assert told.text() == "all objects"
    qtbot.mouseClick(inspector.findChild(QToolButton, "light_links-use"), Qt.MouseButton.LeftButton)
    assert linking.linked(studio.scene, "spot") == {"ball"}
    told = inspector.findChild(QLabel, "field-light_links")
    assert told.text() == "only 1: Props"
    pick(inspector.findChild(QComboBox, "field-light_link_mode"), "Except")
    assert linking.linked(studio.scene, "spot") == {"wall"}
    assert inspector.findChild(QLabel, "field-light_links").text() == "except 1: Props"
    qtbot.mouseClick(inspector.findChild(QToolButton, "light_links-clear"), Qt.MouseButton.LeftButton)
    assert studio.scene.entities["spot"] == Light(id="spot", light="spot")


def test_shadow_links_are_apart_and_one_step_back_takes_them_off(qtbot, studio, inspector):
    before = studio.scene
    studio.select(["spot", "panel", "wall"])
    qtbot.mouseClick(inspector.findChild(QToolButton, "shadow_links-use"), Qt.MouseButton.LeftButton)
    assert [linking.linked(studio.scene, i, shadows=True) for i in ("spot", "panel")] == [{"wall"}] * 2
    assert linking.linked(studio.scene, "spot") == {"ball", "wall"}
    studio.document.undo()
    assert studio.scene.entities == before.entities


def test_lights_linked_differently_say_so(studio, inspector):
    with studio.document.edit("Link") as edit:
        edit.scene = linking.link(edit.scene, ["spot"], ["wall"], on=False)
    studio.select(["spot", "panel"])
    assert inspector.findChild(QLabel, "field-light_links").text() == "—"


def test_without_objects_the_button_says_what_it_needs(qtbot, studio, inspector):
    studio.select(["spot"])
    qtbot.mouseClick(inspector.findChild(QToolButton, "light_links-use"), Qt.MouseButton.LeftButton)
    assert studio.face.notices[-1][0] == "warning"
