"""The flipbook: finished frames at rate, ready ahead of the playhead, against another take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.commands.studio import Studio
from studio.errors import BadAsset
from studio.render import reel
from studio.ui.flipbook import Flipbook
from studio.ui.reel_cache import ReelCache, Way
from tests.ui.desk import PlainDesk

SIZE = (48, 27)
COUNT = 12


def write_still(path: Path, level: float, *, exposure: float | None = None) -> None:
    import OpenImageIO as oiio

    rows = np.full((SIZE[1], SIZE[0], 3), level, np.float32)
    rows[:, : SIZE[0] // 2, 0] *= 0.5  # so that a swapped side or channel shows
    spec = oiio.ImageSpec(*SIZE, 3, oiio.HALF if path.suffix == ".exr" else oiio.UINT8)
    if exposure is not None:
        spec.attribute("myriad:exposure", exposure)
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec) and out.write_image(rows) and out.close()


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    for number in range(1, COUNT + 1):
        write_still(tmp_path / f"shot.{number:04d}.exr", number / COUNT)
    return tmp_path / "shot.0001.exr"


@pytest.fixture
def book(qtbot: QtBot, frames: Path) -> Iterator[Any]:
    studio = Studio()
    desk = PlainDesk(studio)
    made = Flipbook(studio, desk)
    qtbot.addWidget(made)
    made.resize(480, 320)
    made.show()
    made.open(frames)
    qtbot.waitUntil(lambda: made.reel is not None and made.canvas.picture is not None)
    yield made
    made.close_panel()
    desk.bridge.close()


def grey(image: QImage, x: float = 0.75) -> int:
    return image.pixelColor(int(image.width() * x), image.height() // 2).green()


# --- reading ---------------------------------------------------------------------------------------------------------
def test_a_file_stands_for_its_sequence(frames: Path) -> None:
    made = reel.open_reel(frames.with_name("shot.0005.exr"))
    assert made.frames == tuple(range(1, COUNT + 1))
    assert made.name == "shot.####.exr"
    picture = made.read(6)
    assert picture.linear is not None and picture.size == SIZE
    np.testing.assert_allclose(picture.linear[0, -1], 0.5, rtol=1e-3)
    np.testing.assert_allclose(picture.linear[0, 0], (0.25, 0.5, 0.5), rtol=1e-3)
    assert made.read(6, step=2).size == (24, 14)


def test_what_is_no_sequence_is_refused_in_a_sentence(tmp_path: Path, frames: Path) -> None:
    (tmp_path / "cut.0001.exr").write_bytes(frames.read_bytes()[:200])
    (tmp_path / "text.0001.png").write_text("no picture")
    for name, words in (("cut.0001.exr", "cut.0001.exr"), ("text.0001.png", "cannot be read")):
        with pytest.raises(BadAsset, match=words):
            reel.open_reel(tmp_path / name).read(1)
    with pytest.raises(BadAsset, match=r"notes\.txt is no picture"):
        reel.open_reel(tmp_path / "notes.txt")
    with pytest.raises(BadAsset, match="missing"):
        reel.open_reel(tmp_path / "gone.0001.exr")
    with pytest.raises(BadAsset, match="has no frame 99"):
        reel.open_reel(frames).read(99)


def test_the_exposure_of_the_camera_comes_with_the_file(tmp_path: Path) -> None:
    write_still(tmp_path / "a.exr", 1.0, exposure=-9.5)
    assert reel.read_still(tmp_path / "a.exr").camera_ev == -9.5


def test_frames_of_a_movie_are_read_in_any_order(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="the extra [video] is not installed")
    path = tmp_path / "m.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
        for number in range(10):
            rows = np.full((36, 64, 3), 20 + number * 20, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rows, format="rgb24")))
        out.mux(stream.encode())
    made = reel.open_reel(path)
    assert made.frames == tuple(range(1, 11)) and made.fps == 24
    for number in (1, 2, 7, 3, 10):
        shown = made.read(number).shown
        assert shown is not None and abs(int(shown[18, 32, 1]) - (20 + (number - 1) * 20)) <= 4
    made.close()


# --- the panel -------------------------------------------------------------------------------------------------------
def test_frames_are_made_ready_and_shown(book: Any, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: len(book.cache.numbers) == COUNT)
    levels = []
    for number in (1, 6, 12):
        book.scrub(number)
        qtbot.waitUntil(lambda: book._shown is not None and book._shown[0] == book.frame)
        levels.append(grey(book.canvas.picture))
    assert levels == sorted(levels) and levels[0] < levels[-1] - 20


def test_playing_keeps_the_rate_and_drops_what_is_late(book: Any, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: len(book.cache.numbers) == COUNT)
    book.set_rate(10.0)
    book._start(now=100.0)
    book._timer.stop()
    book.tick(100.1)
    assert book.frame == 2 and book.dropped == 0
    book.tick(100.55)
    assert book.frame == 6 and book.dropped == 3
    book.tick(101.25)
    assert book.frame == 1, "round the end"
    book.pause()
    assert not book.playing


def test_once_stops_at_the_end(book: Any) -> None:
    book.loop_menu.choose("once")
    book.set_rate(10.0)
    book._start(now=0.0)
    book._timer.stop()
    book.tick(1.15)
    assert book.frame == COUNT and book.playing
    book.tick(1.3)
    assert not book.playing and book.frame == COUNT


def test_the_buttons_and_the_line_of_frames_move_the_playhead(book: Any, qtbot: QtBot) -> None:
    def press(button: Any) -> None:
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    press(book.next_button)
    assert book.frame == 2
    press(book.last_button)
    assert book.frame == COUNT
    press(book.next_button)
    assert book.frame == 1
    press(book.back_button)
    assert book.frame == COUNT
    QTest.mouseClick(book.track, Qt.MouseButton.LeftButton, pos=QPoint(book.track.width() // 2 + 2, 5))
    assert book.frame == COUNT // 2 + 1
    press(book.play_button)
    assert book.playing
    press(book.play_button)
    assert not book.playing


def test_another_take_is_wiped_and_its_difference_shown(book: Any, qtbot: QtBot, tmp_path: Path) -> None:
    for number in range(1, COUNT + 1):
        write_still(tmp_path / f"other.{number:04d}.exr", 1.0 - (number - 1) / COUNT)
    book.open(tmp_path / "other.0001.exr", other=True)
    qtbot.waitUntil(lambda: book.other is not None)
    book.scrub(3)
    qtbot.waitUntil(lambda: book.cache.get(3) is not None)
    shown = book.cache.get(3)
    assert shown.other is not None and grey(shown.other) > grey(shown.image) + 20
    book.compare_menu.choose("difference")
    book._look()
    qtbot.waitUntil(lambda: book.cache.get(3) is not None)
    assert grey(book.cache.get(3).image) > 20
    book.show_other(None)
    assert book.compare_menu.currentData() == "off" and not book.compare_menu.isEnabled()


def test_a_reel_grows_while_it_is_looked_at(book: Any, qtbot: QtBot, frames: Path) -> None:
    book.scrub(COUNT)
    write_still(frames.with_name(f"shot.{COUNT + 1:04d}.exr"), 1.0)
    book.grow(book.reel.refreshed())
    assert book.frame == COUNT
    book.step(1)
    qtbot.waitUntil(lambda: book.cache.get(COUNT + 1) is not None and book._shown[0] == COUNT + 1)
    assert book.cache.get(COUNT + 1).image is not None


def test_a_frame_that_is_missing_is_said(book: Any, qtbot: QtBot, frames: Path) -> None:
    frames.with_name("shot.0004.exr").unlink()
    book.show_reel(book.reel.refreshed(), frame=4)
    qtbot.waitUntil(lambda: book.canvas.message != "")
    assert "has no frame 4" in book.canvas.message


def test_a_fault_leaves_what_is_shown(book: Any, qtbot: QtBot, tmp_path: Path) -> None:
    before = book.reel
    book.open(tmp_path / "notes.txt")
    qtbot.waitUntil(lambda: bool(book._studio.face.notices))
    assert "is no picture" in book._studio.face.notices[0][1] and book.reel is before


def test_memory_stays_within_the_budget(qtbot: QtBot, frames: Path) -> None:
    desk = PlainDesk(Studio())
    cache = ReelCache(desk.bridge, budget=SIZE[0] * SIZE[1] * 4 * 5)
    cache.show(reel.open_reel(frames), None, Way())
    cache.go(8, (1, COUNT))
    qtbot.waitUntil(lambda: len(cache.numbers) == 5)
    desk.bridge.close()
    assert cache.numbers == {8, 9, 10, 11, 12} and cache.nbytes <= SIZE[0] * SIZE[1] * 4 * 5
