"""The library on disk: folders scanned and watched, files that move, damaged files, two studios at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.assets.library import Library
from studio.assets.library_kinds import HDRI, IMAGE, picture_size
from studio.assets.library_parts import rig_part
from studio.assets.library_watch import wants_polling
from studio.errors import BadAsset, CannotWrite, UsageError
from studio.scene import edits, scatter
from studio.scene.document import Document
from studio.scene.entities import Group
from studio.scene.entities import Path as CurvedPath
from studio.scene.insert import insert
from studio.scene.lights import Light
from studio.scene.project import save_project
from studio.scene.scene import Scene
from tests.assets.made import write_hdr
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "assets"
    (place / "furniture").mkdir(parents=True)
    (place / "furniture" / "chair.glb").write_bytes(b"chair")
    (place / "wood.png").write_bytes(b"wood")
    write_hdr(place / "sky.hdr")
    write_hdr(place / "card.hdr", width=4)
    (place / "square.hdr").write_bytes(b"#?RADIANCE\n\n-Y 8 +X 8\n")
    return place


class Heard:
    """Waits for what threads tell, without sleeping."""

    def __init__(self) -> None:
        self._news = threading.Condition()

    def __call__(self) -> None:
        with self._news:
            self._news.notify_all()

    def until(self, holds: Callable[[], bool], timeout_s: float = 30.0) -> None:
        with self._news:
            assert self._news.wait_for(holds, timeout_s), "it never came"


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def library(heard: Heard) -> Iterator[Library]:
    made = Library(heard=heard, quiet_s=0.05, poll_s=0.2)
    yield made
    made.close()


@pytest.fixture
def filled(library: Library, folder: Path) -> Library:
    library.add_folder(folder)
    assert library.settle(30)
    return library


def names(library: Library, text: str = "") -> set[str]:
    return {asset.name for asset in library.search(text)}


def one(library: Library, name: str) -> int:
    return next(asset.id for asset in library.search() if asset.name == name)


# --- scanning --------------------------------------------------------------------------------------------------------
def test_a_folder_is_scanned_and_its_kinds_are_told(filled: Library) -> None:
    kinds = {asset.name: asset.kind for asset in filled.search()}
    assert kinds == {"chair": "model", "wood": IMAGE, "sky": HDRI, "card": HDRI, "square": IMAGE}
    assert filled.search(folder=str(Path(filled.folders[0].path) / "furniture"))[0].name == "chair"


def test_a_project_is_one_asset_and_parts_of_scenes_are_of_their_kind(library: Library, tmp_path: Path) -> None:
    save_project(Scene().add(Light(id="key")), tmp_path / "all" / "hall.studio")
    library.add_folder(tmp_path / "all")
    assert library.settle(30)
    assert [(asset.name, asset.kind) for asset in library.search()] == [("hall", "project")]


def test_hidden_and_passing_files_are_passed_over(filled: Library, folder: Path) -> None:
    for name in (".hidden.png", "~$doc.png", "half.png.part", "copy.glb.tmp", "notes.txt"):
        (folder / name).write_bytes(b"x")
    (folder / ".git").mkdir()
    (folder / ".git" / "a.png").write_bytes(b"x")
    filled.rescan()
    assert filled.settle(30)
    assert len(filled.search()) == 5


def test_links_that_leave_the_folder_are_not_followed(filled: Library, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "secret.png").write_bytes(b"secret")
    try:
        (folder / "out.png").symlink_to(tmp_path / "secret" / "secret.png")
        (folder / "away").symlink_to(tmp_path / "secret", target_is_directory=True)
        (folder / "round").symlink_to(folder, target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no links")
    filled.rescan()
    assert filled.settle(30)
    assert len(filled.search()) == 5


def test_a_file_that_moves_keeps_what_was_said_of_it(filled: Library, folder: Path) -> None:
    chair = one(filled, "chair")
    filled.tag([chair], add=["seating"])
    filled.rate([chair], 4)
    filled.set_favourite([chair])
    filled.annotate([chair], "from the old show")
    (folder / "props").mkdir()
    shutil.move(folder / "furniture" / "chair.glb", folder / "props" / "throne.glb")
    filled.rescan()
    assert filled.settle(30)
    (throne,) = filled.search("throne")
    assert (throne.id, throne.tags, throne.rating, throne.favourite) == (chair, ("seating",), 4, True)
    assert "chair" not in names(filled) and throne.note == "from the old show"


def test_a_file_that_comes_back_has_its_tags_again(filled: Library, folder: Path) -> None:
    filled.tag([one(filled, "wood")], add=["oak"])
    os.replace(folder / "wood.png", folder / "wood.off")
    filled.rescan()
    assert filled.settle(30)
    assert "wood" not in names(filled) and not filled.tags()
    os.replace(folder / "wood.off", folder / "wood.png")
    filled.rescan()
    assert filled.settle(30)
    assert names(filled, "tag:oak") == {"wood"}


def test_a_file_with_other_contents_keeps_its_tags_and_gets_a_new_hash(filled: Library, folder: Path) -> None:
    filled.tag([one(filled, "wood")], add=["oak"])
    before = filled.get(one(filled, "wood")).hash
    (folder / "wood.png").write_bytes(b"another picture")
    filled.rescan()
    assert filled.settle(30)
    (wood,) = filled.search("tag:oak")
    assert wood.hash != before


def test_a_folder_inside_another_is_part_of_it(filled: Library, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="part of"):
        filled.add_folder(folder / "furniture")
    filled.tag([one(filled, "chair")], add=["kept"])
    filled.add_folder(tmp_path)
    assert filled.settle(30)
    assert [place.path for place in filled.folders] == [str(tmp_path)]
    assert names(filled, "tag:kept") == {"chair"}


def test_tags_survive_a_folder_that_is_removed_and_added_again(filled: Library, folder: Path) -> None:
    filled.tag([one(filled, "chair")], add=["kept"])
    filled.remove_folder(str(folder))
    assert not filled.search()
    filled.add_folder(folder)
    assert filled.settle(30)
    assert names(filled, "tag:kept") == {"chair"}


def test_what_is_no_folder_is_a_sentence(library: Library, tmp_path: Path) -> None:
    with pytest.raises(BadAsset, match="is no folder"):
        library.add_folder(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="no asset"):
        library.get(99)


def test_a_folder_that_is_gone_is_told_and_loses_nothing(filled: Library, folder: Path) -> None:
    said: list[str] = []
    filled.told = said.append
    filled.tag([one(filled, "chair")], add=["kept"])
    os.replace(folder, folder.with_name("away"))
    filled.rescan()
    assert filled.settle(30)
    assert not filled.search() and "is not there" in said[0]
    os.replace(folder.with_name("away"), folder)
    filled.rescan()
    assert filled.settle(30)
    assert names(filled, "tag:kept") == {"chair"}


# --- watching --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("polling", [False, True])
def test_files_that_come_change_move_and_go_are_noticed(
    library: Library, heard: Heard, folder: Path, polling: bool
) -> None:
    library.add_folder(folder, polling=polling)
    library.watch()
    assert library.settle(30)
    (folder / "new.png").write_bytes(b"new")
    heard.until(lambda: "new" in names(library))
    library.tag([one(library, "new")], add=["mine"])
    os.replace(folder / "new.png", folder / "renamed.png")
    heard.until(lambda: names(library, "tag:mine") == {"renamed"})
    before = library.get(one(library, "renamed")).hash
    (folder / "renamed.png").write_bytes(b"something longer")
    heard.until(lambda: library.get(one(library, "renamed")).hash != before)
    (folder / "renamed.png").unlink()
    heard.until(lambda: "renamed" not in names(library))
    (folder / "set").mkdir()
    for i in range(20):
        (folder / "set" / f"prop{i}.glb").write_bytes(b"%d" % i)
    heard.until(lambda: len(library.search("prop")) == 20)
    os.replace(folder / "set", folder / "stage")
    heard.until(lambda: len(library.search("prop", folder=str(folder / "stage"))) == 20)
    shutil.rmtree(folder / "stage")
    heard.until(lambda: not library.search("prop"))


def test_a_folder_on_the_network_would_be_looked_at_in_turns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not wants_polling(str(tmp_path))


# --- the file --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("damage", ["cut", "garbage", "flipped", "other tables"])
def test_a_damaged_database_is_set_aside_and_begun_anew(tmp_path: Path, folder: Path, damage: str) -> None:
    path = tmp_path / "library.sqlite"
    first = Library(path)
    first.add_folder(folder)
    assert first.settle(30)
    first.close()
    data = bytearray(path.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "garbage":
        data = bytearray(b"not a database at all" * 100)
    elif damage == "flipped":
        data[4096:8192] = bytes(255 - byte for byte in data[4096:8192])
    else:
        import sqlite3

        path.unlink()
        link = sqlite3.connect(path)
        link.execute("CREATE TABLE assets (x)")
        link.commit()
        link.close()
        data = bytearray(path.read_bytes())
    path.write_bytes(data)
    again = Library(path)
    assert "was damaged" in again.warning and "damaged-1" in again.warning
    assert (tmp_path / "library.sqlite.damaged-1").exists()
    again.add_folder(folder)
    assert again.settle(30) and len(again.search()) == 5
    again.close()


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CannotWrite, match="cannot be written"):
        Library(tmp_path / "file" / "library.sqlite")


OTHER = """
import sys
from studio.assets.library import Library
library = Library()
for line in sys.stdin:
    id_, tag = line.split()
    library.refresh()
    library.tag([int(id_)], add=[tag])
    print("done", flush=True)
library.close()
"""


def test_two_processes_work_on_one_library(filled: Library) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert other.stdin and other.stdout
    ids = sorted(asset.id for asset in filled.search())
    for round_ in range(10):
        for id_ in ids:
            other.stdin.write(f"{id_} theirs{round_}\n")
        other.stdin.flush()
        for id_ in ids:
            filled.refresh()
            filled.tag([id_], add=[f"ours{round_}"])
        for _ in ids:
            assert other.stdout.readline() == "done\n"
    other.communicate()
    assert other.returncode == 0
    filled.refresh()
    assert all({"ours9", "theirs9"} <= set(asset.tags) for asset in filled.search())


def test_five_thousand_assets_are_filed_and_found(library: Library, tmp_path: Path) -> None:
    for i in range(50):
        (tmp_path / "many" / f"set{i:02d}").mkdir(parents=True)
        for j in range(100):
            (tmp_path / "many" / f"set{i:02d}" / f"{('Oak', '木头', 'Brass')[j % 3]}_{i:02d}_{j:02d}.png").write_bytes(
                b"%d %d" % (i, j)
            )
    library.add_folder(tmp_path / "many")
    assert library.settle(120)
    assert len(library.search()) == 5000
    assert len(library.search("mutou")) == len(library.search("mt")) == len(library.search("木")) == 1650
    assert len(library.search("oak 07 set07")) >= 1
    began = time.process_time()
    again = Library()
    assert len(again.search("brass")) == 1650
    again.close()
    assert time.process_time() - began < 60  # it ends; how soon is measured in benchmarks/library.py


# --- headers ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "data",
    [b"", b"#?", b"#?RADIANCE\n\n-Y a +X b\n", b"\x76\x2f\x31\x01", b"\x76\x2f\x31\x01\2\0\0\0name", b"\x89PNG"],
)
def test_a_header_that_says_nothing_has_no_size(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.exr").write_bytes(data)
    assert picture_size(str(tmp_path / "a.exr")) is None


def test_the_size_of_an_exr_is_read_from_its_header(tmp_path: Path) -> None:
    import numpy as np
    import OpenImageIO

    path = str(tmp_path / "a.exr")
    out = OpenImageIO.ImageOutput.create(path)
    assert out.open(path, OpenImageIO.ImageSpec(64, 32, 3, "half"))
    assert out.write_image(np.zeros((32, 64, 3), np.float32))
    out.close()
    assert picture_size(path) == (64, 32)


def test_a_rig_that_is_kept_needs_nothing_of_its_scene() -> None:
    rail = CurvedPath(id="rail", points=(0.0, 0.0, 0.0, 3.0, 0.0, 0.0))
    document = Document(Scene().add(rail, Light(id="a", name="a"), Light(id="b", name="b")))
    for light, rule, source in (("a", "curve", "rail"), ("b", "ring", "")):
        with document.edit("Scatter") as edit:
            edit.apply(scatter.make, light, rule, source=source, count=3)
    part = rig_part(document.scene, ["a curve", "b ring"], "Stage")
    desk = Document(Scene())
    with desk.edit("Drop") as edit:
        edit.apply(insert, part)
    with desk.edit("Edit") as edit:
        edit.apply(edits.set_field, ["a curve", "b ring"], "seed", 4)
    along, ring = desk.scene.entities["a curve"], desk.scene.entities["b ring"]
    assert isinstance(along, Group) and isinstance(ring, Group)
    assert (along.scatter, along.source, along.made) == ("none", "", ())
    assert (ring.scatter, len(ring.made)) == ("ring", 3)
    assert len([e for e in desk.scene.entities.values() if isinstance(e, Light)]) == 8
