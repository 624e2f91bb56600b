"""The preview with the real worker: it follows a drag, fills the list's pictures, gives way, and leaves nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.assets.preview_stage import SHAPES, preview_scene
from studio.commands.studio import Studio
from studio.scene.flatten import flatten
from studio.scene.material_presets import made
from studio.scene.materials import Material
from studio.scene.scene import Scene
from studio.ui import material_preview, material_swatches
from studio.ui.material_editor import MaterialEditor
from studio.ui.material_swatches import Swatches, swatch_key
from studio.ui.number_edit import NumberEdit
from tests.ui.desk import PlainDesk

pytestmark = pytest.mark.slow
WAIT_MS = 240_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("swatches")


@pytest.fixture(scope="module")
def shared(qapp: QApplication, folder: Path) -> Iterator[MaterialEditor]:
    """One worker for all: its start takes seconds. Pictures are kept in a folder of the test and have few samples."""
    patch = pytest.MonkeyPatch()
    patch.setattr(material_swatches, "swatch_folder", lambda: folder)
    small = msgspec.structs.replace(material_preview._SETTINGS, width=96, height=96)
    patch.setattr(material_preview, "_SETTINGS", small)
    patch.setattr(material_preview, "_SAMPLES", 4)
    patch.setattr(material_preview, "_SWATCH_SAMPLES", 2)
    studio = Studio(scene=Scene().add(made("gold", "gold"), made("rubber", "rubber"), Material(id="plain")))
    studio._preferences = studio.preferences.replace(device="cpu")
    panel = MaterialEditor(studio, PlainDesk(studio))
    panel.resize(340, 900)
    panel.show()
    yield panel
    panel.close_panel()
    panel._desk.bridge.close()  # type: ignore[attr-defined]
    panel.close()
    panel.deleteLater()
    patch.undo()
    left = [t.name for t in threading.enumerate() if t.name in ("live render", "denoise")]
    assert left == [], "threads of the preview are left"


@pytest.fixture
def editor(shared: MaterialEditor, qtbot: QtBot) -> MaterialEditor:
    shared.choose(("gold",))
    qtbot.waitUntil(lambda: quiet(shared), timeout=WAIT_MS)
    return shared


def quiet(editor: MaterialEditor) -> bool:
    """Whether every picture that is wanted is there."""
    return not editor.preview.busy and not editor._later.isActive() and not editor.preview._wanted


def test_every_material_of_the_list_gets_a_picture_and_keeps_it(
    editor: MaterialEditor, folder: Path, qtbot: QtBot
) -> None:
    scene = editor._studio.scene
    keys = {swatch_key(m, scene.images) for m in scene.materials.values()}
    assert all(editor.swatches.get(key) is not None for key in keys)
    qtbot.waitUntil(lambda: keys <= {file.stem for file in folder.glob("*.png")})
    fresh = Swatches(editor._desk.bridge)
    key = next(iter(keys))
    assert fresh.get(key) is None
    qtbot.waitUntil(lambda: fresh.get(key) is not None)


def test_the_worker_gives_way_to_everything_else(editor: MaterialEditor) -> None:
    if not hasattr(os, "getpriority"):
        pytest.skip("niceness is a thing of Unix")
    assert os.getpriority(os.PRIO_PROCESS, editor.preview.worker_pid) >= material_preview._NICENESS


def test_a_parameter_is_dragged_while_the_preview_renders(editor: MaterialEditor, qtbot: QtBot) -> None:
    studio, shown = editor._studio, []
    pid = editor.preview.worker_pid
    editor.preview.shown.connect(shown.append)
    number = editor.fields.findChild(NumberEdit, "field-specular_roughness")
    middle = number.rect().center()
    before, steps = editor.picture.image.copy(), len(studio.document.history[0])
    QTest.mousePress(number, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle)
    for k in range(1, 13):
        QTest.mouseMove(number, middle + QPoint(8 * k, 0))
        qtbot.wait(40)
    QTest.mouseRelease(number, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle + QPoint(96, 0))
    assert studio.scene.materials["gold"].specular_roughness > 0.4
    assert len(studio.document.history[0]) == steps + 1
    qtbot.waitUntil(lambda: quiet(editor), timeout=WAIT_MS)
    assert shown and editor.preview.worker_pid == pid
    assert different(before, editor.picture.image) > 2.0
    studio.document.undo()
    qtbot.waitUntil(lambda: quiet(editor), timeout=WAIT_MS)
    assert different(before, editor.picture.image) < 2.0


def different(a: QImage, b: QImage) -> float:
    """Mean difference of two pictures in levels of 255."""

    def rows(image: QImage) -> np.ndarray:
        plain = image.convertToFormat(QImage.Format.Format_RGBX8888)
        return np.frombuffer(plain.constBits(), np.uint8).reshape(plain.height(), plain.width(), 4)[..., :3]

    return float(np.abs(rows(a).astype(float) - rows(b).astype(float)).mean())


def test_another_body_shows_the_same_material(editor: MaterialEditor, qtbot: QtBot) -> None:
    ball = editor.picture.image.copy()
    editor.choose_shape("cloth")
    qtbot.waitUntil(lambda: quiet(editor), timeout=WAIT_MS)
    assert different(ball, editor.picture.image) > 2.0
    editor.choose_shape("ball")


def test_nobody_looking_renders_nothing_and_rest_ends_the_worker(editor: MaterialEditor, qtbot: QtBot) -> None:
    editor.hide()
    editor._studio.run("materials.apply_preset", name="iron", ids=("gold",))
    qtbot.wait(200)
    assert not editor.preview.busy
    pid = editor.preview.worker_pid
    editor.preview.rest()
    qtbot.waitUntil(lambda: not Path(f"/proc/{pid}").exists() or not Path("/proc").exists(), timeout=WAIT_MS)
    editor.show()
    qtbot.waitUntil(lambda: quiet(editor), timeout=WAIT_MS)
    assert editor.preview.worker_pid
    editor._studio.document.undo()


def test_the_stage_stays_the_same_while_materials_change() -> None:
    """So a worker is sent a material and nothing else."""
    for shape in SHAPES:
        first = flatten(preview_scene(made("gold", "m"), shape=shape), 1.0)
        second = flatten(preview_scene(made("glass", "m"), shape=shape), 1.0, previous=first)
        assert second.meshes is first.meshes and second.instances is first.instances and second.lights is first.lights
        assert second.materials is not first.materials
