"""Stories of a look developer: presets, a texture, a shared edit, and the pictures that they leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import PIL.Image
import pytest
from PySide6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from studio.scene.materials import Texture
from studio.ui import material_preview, material_swatches
from studio.ui.material_editor import MaterialEditor
from studio.viewport.camera import ViewCamera
from tests.ui.drags import drop, files

pytestmark = pytest.mark.slow
WAIT_MS = 240_000
PRESETS = ("gold", "car_paint", "velvet", "linen")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A PNG of diagonal stripes."""
    y, x = np.mgrid[0:256, 0:256]
    stripes = ((x + y) // 32 % 2)[..., None]
    pixels = np.where(stripes == 1, (214, 82, 40), (28, 64, 120)).astype(np.uint8)
    path = tmp_path / "stripes.png"
    PIL.Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def set_(window: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A floor, a ball and a block under two lights, dressed from presets; the editor beside them."""
    monkeypatch.setattr(material_swatches, "swatch_folder", lambda: tmp_path / "swatches")
    smaller = msgspec.structs.replace(material_preview._SETTINGS, width=160, height=160)
    monkeypatch.setattr(material_preview, "_SETTINGS", smaller)
    monkeypatch.setattr(material_preview, "_SAMPLES", 8)
    monkeypatch.setattr(material_preview, "_SWATCH_SAMPLES", 2)
    monkeypatch.setattr(material_preview, "_NICENESS", 5)
    studio = window.application.studio
    studio.prefer(device="cpu")
    for name in ("plane", "sphere", "cube", "dome_light", "rectangle_light"):
        studio.run(f"create.{name}")
    with studio.document.edit("place") as edit:
        edit.replace("cube", translation=(1.4, 0.0, -0.4))
        edit.replace("rectangle", translation=(-1.5, 2.5, 1.5), intensity=40.0)
        edit.apply(lambda scene: scene.replace("dome", intensity=0.4))
    for name in PRESETS:
        studio.run("materials.preset", name=name)
    studio.run("materials.assign", material="car_paint", to=("sphere",))
    studio.run("materials.assign", material="velvet", to=("cube",))
    studio.run("materials.assign", material="linen", to=("plane",))
    view = window.views[0]
    view.camera = ViewCamera()
    studio.select(["sphere", "cube"])
    view.tools.frame_selected()
    studio.select(["sphere"])
    return window


def quiet(editor: MaterialEditor) -> bool:
    return not editor.preview.busy and not editor._later.isActive() and not editor.preview._wanted


def test_a_set_is_dressed_and_a_texture_dropped(set_: Any, qtbot: QtBot, shot: Any, picture: Path) -> None:
    studio = set_.application.studio
    editor = set_.show_panel("materials")
    qtbot.waitUntil(editor.isVisible)
    assert editor.materials == ("car_paint",)
    qtbot.waitUntil(lambda: quiet(editor), timeout=WAIT_MS)
    qtbot.wait(300)
    shot(set_, "materials")
    assert drop(editor.findChild(QToolButton, "slot-base_color"), files(picture))
    qtbot.waitUntil(lambda: "base_color" in studio.scene.materials["car_paint"].textures)
    editor.fields.boxes[0].cards["base_color"].open()
    qtbot.waitUntil(lambda: quiet(editor), timeout=WAIT_MS)
    qtbot.wait(300)
    shot(set_, "materials-texture")
    lost = {"base_color": Texture(image="", path="/old/disk/oak.png")}
    with studio.document.edit("lose") as edit:
        edit.replace("linen", textures=lost)
    editor.choose(("linen",))
    qtbot.waitUntil(lambda: quiet(editor), timeout=WAIT_MS)
    qtbot.wait(300)
    shot(set_, "materials-lost")
    editor.choose(("gold", "velvet"))
    editor.choose_shape("cloth")
    studio.prefer(language="zh_CN")
    qtbot.waitUntil(lambda: quiet(editor), timeout=WAIT_MS)
    qtbot.wait(300)
    shot(set_, "materials-chinese")
    studio.prefer(language="en")
    assert [m.name for m in studio.scene.materials.values()][:2] == ["Gold", "Car paint"]
