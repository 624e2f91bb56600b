"""The render view with the real worker: it converges, follows edits, survives its worker, keeps snapshots."""

import os
import signal
from pathlib import Path

import numpy as np
import OpenImageIO
import pytest

from studio.assets.demo.shapes import quad, sphere
from studio.commands.studio import Studio
from studio.scene.entities import Camera, MeshObject
from studio.scene.geometry import make_mesh
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.ui.renderview import RenderView
from tests.ui.desk import PlainDesk

pytestmark = pytest.mark.slow
WAIT_MS = 240_000


def _scene() -> Scene:
    ball, floor = sphere(1.0), quad((0.0, -1.0, 0.0), (0.0, 0.0, 8.0), (8.0, 0.0, 0.0))
    meshes = [make_mesh(s.positions, s.triangles, normals=s.normals, uv0=s.uv) for s in (ball, floor)]
    return Scene(camera="cam").add(
        *meshes,
        MeshObject(id="ball", name="Ball", mesh=meshes[0].key),
        MeshObject(id="floor", name="Floor", mesh=meshes[1].key),
        Light(id="key", light="sphere", unit="lm", intensity=4000.0, translation=(3.0, 4.0, 3.0), group="keys"),
        Camera(id="cam", translation=(0.0, 0.0, 6.0), focal_length_mm=35.0),
    )


@pytest.fixture(scope="module")
def shared_view(qapp):
    """One worker for all: its start takes seconds."""
    studio = Studio(scene=_scene())
    studio._preferences = studio.preferences.replace(device="cpu")
    view = RenderView(studio, PlainDesk(studio))
    view.resize(700, 500)
    view.show()
    view.choose_size(64, 36)
    yield view
    view.close_panel()
    view._desk.bridge.close()
    view.close()
    view.deleteLater()


@pytest.fixture
def view(shared_view, qtbot):
    shared_view._studio.show_scene(_scene(), None)
    shared_view.compare_menu.setCurrentIndex(0)
    shared_view.show_layer("beauty")
    if not shared_view.live.running:
        shared_view.toggle()
    shared_view._studio.face.notices.clear()
    qtbot.waitUntil(lambda: _shows_scene(shared_view), timeout=WAIT_MS)
    return shared_view


def _shows_scene(view) -> bool:
    """Whether the screen shows at least one whole sample of the scene as it is now."""
    made = view.live.last_print
    return made is not None and made.frame.flat is view._studio.flat and made.frame.step == 1


def _level(view) -> float:
    return float(view.live.last_print.pixels[..., :3].mean())


def test_an_edit_is_followed_and_only_what_changed_is_built_again(view, qtbot):
    before = _level(view)
    view._studio.select(["key"])
    view._studio.run("edit.set", field="exposure", value=2.0)
    qtbot.waitUntil(lambda: _shows_scene(view), timeout=WAIT_MS)
    assert _level(view) == pytest.approx(4 * before, rel=0.15)
    assert "geometry" not in view.live.frame.rebuilt and "lights" in view.live.frame.rebuilt


def test_the_bar_tells_samples_time_and_device(view, qtbot):
    qtbot.waitUntil(lambda: view.live.frame.samples >= 2, timeout=WAIT_MS)
    text = view._figures.text()
    assert "spp" in text and view.live.frame.device in text


def test_it_renders_what_a_viewport_shows_and_goes_along_with_it(view, qtbot):
    from dataclasses import replace
    from types import SimpleNamespace

    from studio.scene.transforms import look_at
    from studio.viewport.camera import ViewCamera

    viewport = SimpleNamespace(camera=ViewCamera(world=look_at((0.0, 9.0, 0.1), (0.0, 0.0, 0.0))))
    view.live._viewport = lambda: viewport
    view.look_from("viewport")

    def seen_from(y: float) -> bool:
        made = view.live.last_print
        return made is not None and made.frame.step == 1 and made.frame.flat.camera.open[1, 3] == pytest.approx(y)

    qtbot.waitUntil(lambda: seen_from(9.0), timeout=WAIT_MS)
    assert "geometry" not in view.live.frame.rebuilt
    viewport.camera = replace(viewport.camera, world=look_at((0.0, 5.0, 0.1), (0.0, 0.0, 0.0)))
    qtbot.waitUntil(lambda: seen_from(5.0), timeout=WAIT_MS)
    view.look_from("scene")
    qtbot.waitUntil(lambda: _shows_scene(view), timeout=WAIT_MS)
    assert view.live.last_print.frame.flat.camera.open[1, 3] == pytest.approx(0.0)


def test_while_the_timeline_plays_the_render_waits_and_then_takes_up_the_frame(view, qtbot):
    studio = view._studio
    shown = view.live._last_shown
    assert not view.live._showing
    studio.playing = True
    studio.tell("frame")
    assert not view.live._showing and view.live._last_shown is shown
    studio.playing = False
    assert view.live._showing
    qtbot.waitUntil(lambda: not view.live._showing, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: _shows_scene(view), timeout=WAIT_MS)


def test_pausing_keeps_the_picture_and_edits_wait(view, qtbot):
    view.toggle()
    assert not view.live.running and view.render_button.accessibleName() == "Render"
    qtbot.waitUntil(lambda: view.live.frame.state == "paused", timeout=WAIT_MS)
    view.toggle()
    qtbot.waitUntil(lambda: view.live.frame.state in ("rendering", "done"), timeout=WAIT_MS)


def test_layers_and_light_groups_are_switched_while_it_runs(view, qtbot):
    for layer in ("normal", "light_keys", "depth"):
        view.show_layer(layer)
        qtbot.waitUntil(lambda layer=layer: view.live.last_print.layer == layer, timeout=WAIT_MS)
    assert view.live.last_print.pixels.shape[-1] == 1


def test_the_probe_tells_raw_and_shown_values(view):
    view._hover(32, 18)
    raw = view.live.last_print.pixels[18, 32]
    text = view._probe.text()
    assert text.startswith("32, 18") and f"{raw[0]:.4g}" in text
    assert "  ".join(str(v) for v in view.live.last_print.shown[18, 32, :3]) in text


def test_statistics_of_an_area(view):
    view._measure((0, 0, 8, 8))
    mean = view.live.last_print.pixels[0:8, 0:8, 0].mean()
    assert "mean" in view._probe.text() and f"{mean:.4g}" in view._probe.text()
    view.canvas.show_area(None)


def test_a_click_selects_what_the_picture_shows(view):
    view._click(32, 18)
    assert view._studio.selection == ("ball",)
    view._click(32, 34)
    assert view._studio.selection == ("floor",)


def test_a_region_is_rendered_alone_and_everything_again_after(view, qtbot):
    view.choose_region((8, 8, 24, 24))
    assert view.region_button.isEnabled()
    qtbot.waitUntil(lambda: view.live.frame.region == (8, 8, 24, 24), timeout=WAIT_MS)
    view.choose_region(None)
    qtbot.waitUntil(lambda: view.live.frame.region is None, timeout=WAIT_MS)


def test_snapshots_are_compared_and_their_lights_restored_in_one_step(view, qtbot):
    snapshot = view.take_snapshot(name="before")
    view._studio.select(["key"])
    view._studio.run("edit.set", field="exposure", value=3.0)
    qtbot.waitUntil(lambda: _shows_scene(view), timeout=WAIT_MS)
    view.shelf.setCurrentRow(view.shelf.count() - 1)
    for mode, row in (("wipe", 1), ("difference", 2), ("other", 3)):
        view.compare_menu.setCurrentIndex(row)
        view._compare()
        assert view.live.comparison.mode == mode
        qtbot.waitUntil(
            lambda: (view.live.last_print.other is not None) == (view.live.comparison.mode == "wipe"), timeout=WAIT_MS
        )
    assert view.shelf.current is snapshot
    view.shelf.restore_lights()
    assert view._studio.scene.entities["key"].exposure == 0.0
    view._studio.run("edit.undo")
    assert view._studio.scene.entities["key"].exposure == 3.0


def test_snapshots_go_with_the_project(view, qtbot, tmp_path):
    view.take_snapshot(name="kept")
    view._studio.run("file.save_as", path=str(tmp_path / "shot.studio"))
    folder = tmp_path / "shot.studio" / "renders" / "snapshots"
    qtbot.waitUntil(lambda: len(list(folder.glob("*.json"))) == view.shelf.count(), timeout=WAIT_MS)
    view._studio.run("file.new")
    assert view.shelf.count() == 0 and not view.shelf.isVisible()
    view._studio.run("file.open", path=str(tmp_path / "shot.studio"))
    qtbot.waitUntil(lambda: view.shelf.count() == len(list(folder.glob("*.json"))), timeout=WAIT_MS)
    assert "kept" in [s.name for s in view.shelf.snapshots]


def test_pictures_are_saved_as_exr_and_png(view, qtbot, tmp_path):
    for name in ("a.exr", "a.png"):
        path = tmp_path / name
        view.save(str(path))
        qtbot.waitUntil(path.exists, timeout=WAIT_MS)
    pixels = OpenImageIO.ImageBuf(str(tmp_path / "a.exr")).get_pixels(OpenImageIO.FLOAT)
    assert pixels.shape[:2] == (36, 64) and np.isfinite(pixels).all()


def test_a_folder_that_cannot_be_written_is_told(view, qtbot, tmp_path):
    (tmp_path / "file").write_text("")
    view.save(str(tmp_path / "file" / "a.exr"))
    qtbot.waitUntil(lambda: bool(view._studio.face.notices), timeout=WAIT_MS)
    assert view._studio.face.notices[-1][0] == "warning" and not list(Path(tmp_path).glob("*.exr"))


def test_denoising_shows_less_noise(view, qtbot):
    view.choose_region(None)
    view.denoise(True)
    qtbot.waitUntil(
        lambda: view.live._clean is not None and view.live.last_print.pixels is view.live._clean[1], timeout=WAIT_MS
    )
    made = view.live.last_print
    floor = (slice(28, 36), slice(4, 60))  # flat and evenly lit, so what varies from pixel to pixel is noise
    noisy, clean = (
        np.abs(np.diff(p[floor][..., 0], axis=0)).mean() for p in (made.frame.layers["beauty"], made.pixels)
    )
    assert clean < noisy
    view.denoise(False)


def test_a_killed_worker_is_restarted_with_a_notice_and_the_view_goes_on(view, qtbot):
    states: list[str] = []
    view.live.told.connect(lambda frame: states.append(frame.state))
    pid = view.live.worker_pid
    os.kill(pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: "restarting" in states, timeout=WAIT_MS)
    view._studio.select(["key"])
    view._studio.run("edit.set", field="exposure", value=1.0)
    qtbot.waitUntil(lambda: _shows_scene(view), timeout=WAIT_MS)
    assert view.live.worker_pid not in (0, pid)
