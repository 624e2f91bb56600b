"""Commands of expressions, and the library of poses on disk."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from studio.commands.expression_desk import desk_of
from studio.commands.face import Headless
from studio.commands.pose_library import SUFFIX, PoseLibrary, read_poses, write_poses
from studio.commands.studio import Studio
from studio.errors import BadAsset, UsageError
from studio.scene import expression_edits as edits
from studio.scene.entities import Figure
from studio.scene.expression_edits import Pose
from studio.scene.lights import Light
from tests.face_scene import FACE, HEAD, face_scene


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))


def made(*answers: Any) -> Studio:
    studio = Studio(face=Headless(answers=deque(answers)), scene=face_scene())
    studio.document.frame = 1.0
    return studio


def weights(studio: Studio) -> dict[str, float]:
    figure = studio.posed.entities[FACE]
    assert isinstance(figure, Figure)
    return edits.weights(figure)


def active(studio: Studio) -> dict[str, float]:
    return {name: value for name, value in weights(studio).items() if value}


def test_a_script_sets_mirrors_and_resets() -> None:
    studio = made()
    studio.run("expressions.set", values={"mouthSmileLeft": 0.5, "jawOpen": 0.2})
    studio.run("expressions.mirror_left")
    assert active(studio) == {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5, "jawOpen": 0.2}
    studio.run("expressions.reset", region="jaw")
    studio.run("expressions.reset", names=("mouthSmileLeft",))
    studio.run("expressions.mirror")
    assert active(studio) == {"mouthSmileLeft": 0.5}
    studio.run("expressions.reset")
    assert active(studio) == {}


def test_unknown_names_are_told_and_nothing_changes() -> None:
    studio = made()
    with pytest.raises(UsageError, match='no control "smirk"'):
        studio.run("expressions.set", values={"smirk": 1.0})
    with pytest.raises(UsageError, match='no region "chin"'):
        studio.run("expressions.reset", region="chin")
    assert active(studio) == {}


def test_the_figure_is_that_of_what_is_selected_and_stays_in_hand() -> None:
    studio = made()
    studio.document.load(studio.scene.add(Figure(id="second", name="Second"), Light(id="lamp")))
    faces = desk_of(studio)
    assert faces.id == FACE
    studio.select(["second"])
    assert faces.id == "second"
    studio.select(["lamp"])
    assert faces.id == "second"
    studio.select([HEAD])
    assert faces.id == FACE


def test_keys_of_all_in_use_and_of_what_is_animated() -> None:
    studio = made()
    studio.run("expressions.set", values={"jawOpen": 0.2})
    studio.run("expressions.key_active")
    assert len(studio.scene.tracks) == 1
    studio.frame = 5.0
    studio.run("expressions.key_keyed")
    assert len(next(iter(studio.scene.tracks.values())).times) == 2
    studio.run("expressions.key")
    assert len(studio.scene.tracks) == 53, "52 controls and the head"
    studio.run("expressions.unkey")
    assert len(studio.scene.tracks) == 1


def test_a_face_is_copied_to_another_figure_and_mirrored() -> None:
    studio = made()
    studio.document.load(studio.scene.add(Figure(id="second", name="Second")))
    studio.run("expressions.set", values={"eyeBlinkLeft": 0.8})
    studio.run("expressions.copy")
    studio.select(["second"])
    studio.run("expressions.paste_mirrored")
    other = studio.scene.entities["second"]
    assert isinstance(other, Figure) and edits.active(other) == ("eyeBlinkRight",)


def test_the_figure_looks_at_what_is_selected_beside_it() -> None:
    studio = made()
    studio.document.load(studio.scene.add(Light(id="lamp", name="Lamp")))
    studio.select([FACE, "lamp"])
    studio.run("expressions.look_at")
    figure = studio.scene.entities[FACE]
    assert isinstance(figure, Figure) and figure.look_at == "lamp"
    studio.run("expressions.look_ahead")
    studio.select([HEAD])
    with pytest.raises(UsageError, match="select what the figure shall look at"):
        studio.run("expressions.look_at")


# --- poses -----------------------------------------------------------------------------------------------------------
def test_a_pose_is_stored_applied_renamed_and_deleted() -> None:
    studio = made("Grin", "Delete")
    studio.run("expressions.set", values={"mouthSmileLeft": 0.5})
    studio.run("expressions.store_pose")
    studio.run("expressions.reset")
    studio.run("expressions.pose", name="grin", share=0.5)
    assert active(studio) == {"mouthSmileLeft": 0.25}
    studio.run("expressions.rename_pose", name="Grin", to="Half grin")
    assert [kept.pose.name for kept in PoseLibrary().poses if kept.own] == ["Half grin"]
    studio.run("expressions.delete_pose", name="Half grin")
    assert not any(kept.own for kept in PoseLibrary().poses)


def test_built_in_poses_stay_as_they_are() -> None:
    library = PoseLibrary()
    for wrong in (
        lambda: library.store(Pose(name="smile")),
        lambda: library.delete("Smile"),
        lambda: library.rename("Smile", "Mine"),
    ):
        with pytest.raises(UsageError, match="every studio has"):
            wrong()
    with pytest.raises(UsageError, match="no pose"):
        library.find("Gri")


def test_poses_go_out_and_in_under_free_names(tmp_path: Path) -> None:
    studio = made()
    for name in ("One", "Two / weird: name", "三"):
        studio.run("expressions.store_pose", name=name)
    studio.run("expressions.export_poses", path=str(tmp_path / "all.json"))
    assert [pose.name for pose in read_poses(tmp_path / "all.json")] == ["One", "Two / weird: name", "三"]
    studio.run("expressions.import_poses", path=str(tmp_path / "all.json"))
    own = {kept.pose.name for kept in desk_of(studio).library.poses if kept.own}
    assert own == {"One", "Two / weird: name", "三", "One 2", "Two / weird: name 2", "三 2"}


BROKEN = {
    "empty": b"",
    "text": b"hello",
    "list": b"[]",
    "other json": b'{"poses": []}',
    "another format": b'{"format": "other", "version": 1, "poses": [{"name": "a"}]}',
    "newer": b'{"format": "myriad-studio poses", "version": 99, "poses": [{"name": "a"}]}',
    "no poses": b'{"format": "myriad-studio poses", "version": 1, "poses": []}',
    "no name": b'{"format": "myriad-studio poses", "version": 1, "poses": [{"weights": {"jawOpen": 1}}]}',
    "wild": b'{"format": "myriad-studio poses", "version": 1, "poses": [{"name": "a", "weights": {"jawOpen": 1e30}}]}',
    "words": b'{"format": "myriad-studio poses", "version": 1, "poses": [{"name": "a", "weights": {"jawOpen": "x"}}]}',
    "short turn": b'{"format": "myriad-studio poses", "version": 1, "poses": [{"name": "a", "head_turn": [1]}]}',
    "deep": b"[" * 100_000,
    "not utf-8": b'{"format": "\xff\xfe"}',
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_sentence_and_the_others_are_there(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "poses"
    write_poses(folder / f"good{SUFFIX}", [Pose(name="Good", weights={"jawOpen": 0.5})])
    (folder / f"bad{SUFFIX}").write_bytes(BROKEN[name])
    library = PoseLibrary(folder)
    assert [kept.pose.name for kept in library.poses if kept.own] == ["Good"]
    assert len(library.sentences) == 1 and library.sentences[0].startswith(f"bad{SUFFIX}")
    assert "\n" not in library.sentences[0] and len(library.sentences[0]) < 400
    with pytest.raises(BadAsset):
        read_poses(folder / f"bad{SUFFIX}")


def test_weights_beyond_what_a_control_may_are_brought_within(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    pose = {"name": " A  pose ", "weights": {"jawOpen": 7.0}}
    file.write_text(json.dumps({"format": "myriad-studio poses", "version": 1, "poses": [pose]}))
    assert read_poses(file) == (Pose(name="A pose", weights={"jawOpen": edits.MOST}),)
