"""Thumbnails of real files: made by the renderers in a process of their own, kept by content, broken ones told."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from studio.assets.library import Library
from studio.assets.library_index import Asset
from studio.assets.thumbnails import Thumbnail, Thumbnails
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene
from tests.assets.made import write_hdr, write_model

IES = """IESNA:LM-63-2002
[MANUFAC] nobody
TILT=NONE
1 1000 2.0 4 1 1 2 0 0 0
1.0 1.0 50
0 30 60 90
0
800 600 200 0
"""


@dataclass
class Made:
    """What the queue told, by the name of the asset."""

    library: Library
    answers: queue.Queue[tuple[int, Thumbnail, dict[str, object]]] = field(default_factory=queue.Queue)

    def __call__(self, id_: int, thumbnail: Thumbnail, about: dict[str, object]) -> None:
        self.answers.put((id_, thumbnail, about))

    def collect(self, count: int) -> dict[str, tuple[Thumbnail, dict[str, object]]]:
        out = {}
        for _ in range(count):
            id_, thumbnail, about = self.answers.get(timeout=300)
            out[self.library.get(id_).name] = (thumbnail, about)
        return out


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))
    made = Library()
    yield made
    made.close()


@pytest.fixture
def fill(library: Library, tmp_path: Path) -> Callable[[], list[Asset]]:
    def add() -> list[Asset]:
        library.add_folder(tmp_path / "assets")
        assert library.settle(60)
        return library.search()

    (tmp_path / "assets").mkdir()
    return add


def pixels(thumbnail: Thumbnail) -> np.ndarray:
    from PIL import Image

    assert thumbnail.sentence == ""
    return np.asarray(Image.open(thumbnail.path).convert("RGB"), np.float32) / 255


def test_every_kind_is_photographed_and_broken_ones_say_why(
    library: Library, fill: Callable[[], list[Asset]], tmp_path: Path
) -> None:
    from PIL import Image

    folder = tmp_path / "assets"
    write_model(folder / "crate.glb", size=2.0, colour=(0.8, 0.1, 0.1))
    write_hdr(folder / "sky.hdr")
    Image.new("RGB", (600, 200), (10, 200, 30)).save(folder / "green.png")
    (folder / "lamp.ies").write_text(IES)
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (folder / "empty.glb").write_bytes(b"")
    lamp = Light(id="key", light="rectangle", unit="nt", intensity=9.0, translation=(0.0, 3.0, 0.0))
    brass = Material(id="brass", name="brass", base_color=(0.9, 0.6, 0.2), base_metalness=1.0)
    scene = Scene().add(lamp, brass)
    library.keep_material(scene, "brass")
    library.keep_rig(scene, ["key"], "rig")
    assets = fill()
    made = Made(library)
    thumbnails = Thumbnails(made, idle_s=0.1)
    thumbnails.want(assets)
    found = made.collect(8)
    thumbnails.close()
    assert {name for name, (thumbnail, _) in found.items() if thumbnail.sentence} == {"torn", "empty"}
    assert "torn.png" in found["torn"][0].sentence and "empty.glb" in found["empty"][0].sentence
    crate = pixels(found["crate"][0])
    centre = crate[crate.shape[0] // 2, crate.shape[1] // 2]
    assert centre[0] > 2 * centre[1] and crate[2, 2].max() < 0.2  # red before a dark ground
    low, high = np.array(found["crate"][1]["bounds"])
    assert np.allclose(high - low, 2.0) and np.isclose(low[1], 0.0)
    sky = pixels(found["sky"][0])
    assert sky.shape[1] == 2 * sky.shape[0] and sky[1, 5, 2] > sky[1, 5, 0] and sky[-2, 5, 0] > sky[-2, 5, 2]
    assert np.allclose(pixels(found["green"][0]).mean(axis=(0, 1)), np.array([10, 200, 30]) / 255, atol=0.01)
    assert found["green"][1]["pixels"] == [600, 200] and found["lamp"][1]["candela"] == 1600.0
    ball = pixels(found["brass"][0])
    ball = ball[ball.shape[0] // 2 - 20 : ball.shape[0] // 2 + 20, ball.shape[1] // 2 - 20 : ball.shape[1] // 2 + 20]
    assert ball[..., 0].mean() > 1.3 * ball[..., 2].mean()
    assert pixels(found["rig"][0]).std() > 0.05
    again = Thumbnails(made)
    assert all(again.find(asset) is not None for asset in assets)
    again.close()
    assert again.started == 0


# --- the queue: with a process that answers without drawing ----------------------------------------------------------
ANSWERS = """
import json, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    if "die" in asked["path"]:
        sys.exit(3)
    if "hang" in asked["path"]:
        time.sleep(600)
    print(json.dumps({"id": asked["id"], "sentence": "told" if "bad" in asked["path"] else "seen"}), flush=True)
"""


@pytest.fixture
def assets(library: Library, fill: Callable[[], list[Asset]], tmp_path: Path) -> dict[str, Asset]:
    for name in ("a", "b", "c", "d", "bad", "die", "hang"):
        (tmp_path / "assets" / f"{name}.png").write_bytes(name.encode())
    return {asset.name: asset for asset in fill()}


@pytest.fixture
def thumbnails(library: Library) -> Iterator[tuple[Thumbnails, Made]]:
    made = Made(library)
    queue_ = Thumbnails(made, idle_s=0.1, patience_s=5.0, command=[sys.executable, "-c", ANSWERS])
    yield queue_, made
    queue_.close()


def test_what_is_seen_is_made_first_and_what_is_not_wanted_any_more_never(
    thumbnails: tuple[Thumbnails, Made], assets: dict[str, Asset]
) -> None:
    queue_, made = thumbnails
    queue_.want([assets["a"], assets["b"], assets["c"]])
    queue_.want([assets["d"], assets["c"]])
    order = []
    while queue_.busy or not made.answers.empty():
        id_, _, _ = made.answers.get(timeout=60)
        order.append(made.library.get(id_).name)
    assert order[-2:] == ["d", "c"] and "b" not in order


def test_a_file_at_which_the_process_dies_or_hangs_is_broken_and_the_next_one_is_made(
    thumbnails: tuple[Thumbnails, Made], assets: dict[str, Asset]
) -> None:
    queue_, made = thumbnails
    queue_.want([assets["die"], assets["hang"], assets["a"]])
    found = made.collect(3)
    assert "die.png could not be drawn" in found["die"][0].sentence
    assert "hang.png could not be drawn" in found["hang"][0].sentence
    assert found["a"][0].sentence == "seen" and queue_.started == 3
    known = queue_.find(assets["die"])
    assert known is not None and "could not be drawn" in known.sentence
    queue_.forget(assets["die"])
    assert queue_.find(assets["die"]) is None


def test_the_process_ends_when_there_is_nothing_to_do_and_is_started_again(
    thumbnails: tuple[Thumbnails, Made], assets: dict[str, Asset]
) -> None:
    import threading

    queue_, made = thumbnails
    for name, started in (("a", 1), ("b", 2)):
        queue_.want([assets[name]])
        made.collect(1)
        for thread in threading.enumerate():
            if thread.name == "thumbnails":
                thread.join(30)
        assert not queue_.running and queue_.started == started


def test_closing_does_not_wait_for_what_hangs(thumbnails: tuple[Thumbnails, Made], assets: dict[str, Asset]) -> None:
    queue_, made = thumbnails
    queue_.want([assets["a"], assets["hang"]])
    made.collect(1)
    queue_.close()
    assert not queue_.running and made.answers.empty()
