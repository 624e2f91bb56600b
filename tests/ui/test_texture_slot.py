"""Texture slots: a real file is dropped, placed, read as another space, lost and found again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QLabel, QToolButton
from pytestqt.qtbot import QtBot

from studio.commands.studio import Studio
from studio.scene.materials import Material, Texture
from studio.scene.scene import Scene
from studio.ui.material_editor import MaterialEditor
from studio.ui.number_edit import NumberEdit
from studio.ui.texture_button import SlotButton
from studio.ui.texture_slot import TextureCard
from tests.ui.desk import PlainDesk
from tests.ui.drags import drop, files, hover


@pytest.fixture
def studio() -> Studio:
    lost = {"base_color": Texture(image="", path="/old/disk/wood.png")}
    return Studio(scene=Scene().add(Material(id="a"), Material(id="b"), Material(id="lost", textures=lost)))


@pytest.fixture
def editor(qtbot: QtBot, studio: Studio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[MaterialEditor]:
    monkeypatch.setenv("MYRIAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("studio.ui.material_preview.MaterialPreview.wake", lambda self, on: None)
    desk = PlainDesk(studio)
    panel = MaterialEditor(studio, desk)
    qtbot.addWidget(panel)
    panel.resize(340, 900)
    panel.show()
    panel.choose(("a",))
    yield panel
    panel.close_panel()
    desk.bridge.close()


@pytest.fixture
def png(tmp_path: Path) -> Path:
    path = tmp_path / "wood.png"
    PIL.Image.fromarray(np.full((8, 16, 3), (200, 90, 30), np.uint8)).save(path)
    return path


def button(editor: MaterialEditor, slot: str) -> SlotButton:
    found = editor.fields.findChild(SlotButton, f"slot-{slot}")
    assert isinstance(found, SlotButton)
    return found


def bind(editor: MaterialEditor, qtbot: QtBot, slot: str, path: Path) -> TextureCard:
    """Drop a file on a slot; the card that came of it."""
    assert drop(button(editor, slot), files(path))
    qtbot.waitUntil(lambda: button(editor, slot).bound)
    found = editor.fields.findChild(TextureCard, f"card-{slot}")
    assert isinstance(found, TextureCard)
    return found


def notices(studio: Studio) -> list[str]:
    return [sentence for _, sentence in studio.face.notices]  # type: ignore[attr-defined]


def test_a_dropped_picture_is_bound_in_one_step(
    editor: MaterialEditor, studio: Studio, qtbot: QtBot, png: Path
) -> None:
    editor.choose(("a", "b"))
    card = bind(editor, qtbot, "base_color", png)
    assert card.isVisible() and any("16 × 8" in label.text() for label in card.findChildren(QLabel))
    scene = studio.scene
    assert {scene.materials[i].textures["base_color"].image for i in ("a", "b")} == set(scene.images)
    assert len(studio.document.history[0]) == 1
    studio.document.undo()
    assert not studio.scene.images and not card.isVisible()


def test_a_picture_may_be_dropped_anywhere_on_the_row(
    editor: MaterialEditor, studio: Studio, qtbot: QtBot, png: Path
) -> None:
    row = next(r for r in editor.fields.boxes[0].rows if r.shared.field.name == "base_color")
    assert drop(row, files(png))
    qtbot.waitUntil(lambda: button(editor, "base_color").bound)
    assert studio.scene.images


def test_only_pictures_are_taken(editor: MaterialEditor, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    assert not hover(button(editor, "base_color"), files(text))


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\nbroken", b"no picture at all"])
def test_a_broken_picture_is_one_sentence_and_the_scene_is_untouched(
    editor: MaterialEditor, studio: Studio, qtbot: QtBot, tmp_path: Path, data: bytes
) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(data)
    before = studio.scene
    assert drop(button(editor, "base_color"), files(path))
    qtbot.waitUntil(lambda: bool(notices(studio)))
    assert len(notices(studio)) == 1 and "broken.png" in notices(studio)[0] and "\n" not in notices(studio)[0]
    assert studio.scene is before and editor.host.reading == 0


def test_the_placement_is_edited_by_its_rows(editor: MaterialEditor, studio: Studio, qtbot: QtBot, png: Path) -> None:
    card = bind(editor, qtbot, "base_color", png)
    qtbot.mouseClick(button(editor, "base_color"), Qt.MouseButton.LeftButton)
    assert card.opened
    scale = card.findChild(NumberEdit, "field-scale-u")
    scale.start_typing()
    scale.selectAll()
    qtbot.keyClicks(scale, "4")
    qtbot.keyClick(scale, Qt.Key.Key_Return)
    assert studio.scene.materials["a"].textures["base_color"].scale == (4.0, 1.0)
    space = card.findChild(QComboBox, "field-colour_space")
    space.activated.emit(space.findData("linear"))
    (key,) = studio.scene.images
    assert studio.scene.images[key].colour_space == "linear"
    wrap = card.findChild(QComboBox, "field-wrap_u")
    wrap.activated.emit(wrap.findData("clamp"))
    assert studio.scene.materials["a"].textures["base_color"].wrap_u == "clamp"


def test_a_drag_of_a_number_is_one_step_and_escape_takes_it_back(
    editor: MaterialEditor, studio: Studio, qtbot: QtBot, png: Path
) -> None:
    card = bind(editor, qtbot, "base_color", png)
    card.open()
    steps, before = len(studio.document.history[0]), studio.scene
    gain = card.findChild(NumberEdit, "field-gain")
    from studio.ui.expressions import Entry

    gain.began.emit()
    for k in range(1, 6):
        gain.changed.emit(Entry(lambda old, k=k: old + 0.1 * k, True))
    gain.ended.emit(True)
    assert studio.scene.materials["a"].textures["base_color"].gain == pytest.approx(1.5)
    assert len(studio.document.history[0]) == steps + 1
    studio.document.undo()
    assert studio.scene.materials["a"].textures == before.materials["a"].textures
    gain.began.emit()
    gain.changed.emit(Entry(lambda old: 9.0, True))
    gain.ended.emit(False)
    assert studio.scene.materials["a"].textures["base_color"].gain == 1.0


def test_a_normal_map_is_data_and_its_strength_has_a_row(
    editor: MaterialEditor, studio: Studio, qtbot: QtBot, png: Path
) -> None:
    editor.fields.boxes[-1].head.setChecked(True)
    bind(editor, qtbot, "geometry_normal", png)
    (key,) = studio.scene.images
    assert studio.scene.images[key].colour_space == "data"
    assert editor.fields.findChild(NumberEdit, "field-normal_scale") is not None


def test_an_image_of_the_scene_is_offered(editor: MaterialEditor, studio: Studio, qtbot: QtBot, png: Path) -> None:
    bind(editor, qtbot, "base_color", png)
    editor.choose(("b",))
    menu = button(editor, "base_color").menu_of_images()
    menu.actions()[-1].trigger()
    assert studio.scene.materials["b"].textures["base_color"].image in studio.scene.images


def test_a_lost_image_is_said_and_relinked_by_file(
    editor: MaterialEditor, studio: Studio, qtbot: QtBot, png: Path
) -> None:
    editor.choose(("lost",))
    card = editor.fields.findChild(TextureCard, "card-base_color")
    assert any("magenta" in label.text() and label.isVisible() for label in card.findChildren(QLabel))
    assert button(editor, "base_color").lost
    studio.face.answers.append(png)  # type: ignore[attr-defined]
    qtbot.mouseClick(card.findChild(QToolButton, "card-base_color-relink"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not button(editor, "base_color").lost)
    assert studio.scene.materials["lost"].textures["base_color"].image in studio.scene.images


def test_lost_images_are_found_in_a_folder(editor: MaterialEditor, studio: Studio, qtbot: QtBot, png: Path) -> None:
    deep = png.parent / "textures" / "deep"
    deep.mkdir(parents=True)
    png.rename(deep / "WOOD.png")
    editor.choose(("lost",))
    editor.host.relink_in(png.parent)
    qtbot.waitUntil(lambda: not button(editor, "base_color").lost)
    assert not notices(studio)


def test_a_file_that_is_gone_is_said_while_its_pixels_stay(
    editor: MaterialEditor, studio: Studio, qtbot: QtBot, png: Path
) -> None:
    card = bind(editor, qtbot, "base_color", png)
    png.unlink()
    editor.host.look_again()
    editor.refresh()
    qtbot.waitUntil(lambda: any("gone" in label.text() and label.isVisible() for label in card.findChildren(QLabel)))
    assert studio.scene.images


def test_a_texture_is_removed(editor: MaterialEditor, studio: Studio, qtbot: QtBot, png: Path) -> None:
    card = bind(editor, qtbot, "base_color", png)
    qtbot.mouseClick(card.findChild(QToolButton, "card-base_color-clear"), Qt.MouseButton.LeftButton)
    assert not studio.scene.materials["a"].textures and not studio.scene.images
