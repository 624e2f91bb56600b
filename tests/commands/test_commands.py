"""What commands do to the studio, without a window."""

from pathlib import Path

import numpy as np
import pytest

from studio.assets.gltf.writer import save_gltf
from studio.commands.face import Headless
from studio.commands.studio import Studio, Update
from studio.errors import StudioError, UsageError
from studio.scene.entities import Camera, Group, MeshObject
from studio.scene.lights import Light


@pytest.fixture
def face() -> Headless:
    return Headless()


@pytest.fixture
def studio(face: Headless) -> Studio:
    return Studio(face=face)


def _with_lights(studio: Studio, count: int = 3) -> list[str]:
    return [str(studio.run("create.light", name="lamp")) for _ in range(count)]


def test_undo_covers_creating_renaming_and_deleting(studio: Studio):
    start = studio.scene
    (id_,) = _with_lights(studio, 1)
    studio.run("edit.rename", name="key")
    studio.run("edit.delete")
    assert not studio.scene.entities
    for _ in range(3):
        studio.run("edit.undo")
    assert studio.scene is not None and studio.scene.entities == start.entities
    studio.run("edit.redo")
    assert list(studio.scene.entities) == [id_]


def test_several_are_renamed_with_numbers(studio: Studio):
    ids = _with_lights(studio)
    studio.select(ids)
    studio.run("edit.rename", name="bulb")
    assert [e.name for e in studio.scene.entities.values()] == ["bulb 1", "bulb 2", "bulb 3"]


def test_locked_entities_are_neither_deleted_nor_moved(studio: Studio):
    ids = _with_lights(studio)
    studio.select(ids[:1])
    studio.run("edit.lock")
    studio.select(ids)
    studio.run("edit.delete")
    assert list(studio.scene.entities) == ids[:1]
    with pytest.raises(UsageError, match="locked"):
        studio.run("edit.delete")


def test_copy_and_paste_bring_everything_below_along_where_it_stood(studio: Studio):
    studio.run("create.group", name="rig")
    studio.run("edit.set", field="translation", value=(0.0, 3.0, 0.0))
    studio.run("create.cube")
    cube = studio.scene.entities["cube"]
    assert isinstance(cube, MeshObject) and cube.parent == "rig"
    before = studio.scene.world_matrix("cube")
    studio.run("edit.copy")
    studio.run("edit.paste")
    assert studio.selection == ("cube.2",) and studio.scene.entities["cube.2"].parent == ""
    assert np.allclose(studio.scene.world_matrix("cube.2"), before)


def test_mute_toggles_and_solo_ends_everywhere(studio: Studio):
    ids = _with_lights(studio)
    studio.select(ids[:2])
    studio.run("lights.mute")
    assert [studio.scene.entities[i].muted for i in ids] == [True, True, False]
    studio.run("lights.mute")
    assert not any(studio.scene.entities[i].muted for i in ids)
    studio.run("lights.solo")
    studio.run("lights.clear_solo")
    assert not any(studio.scene.entities[i].solo for i in ids)


def test_exposure_is_raised_relative_to_each_lights_own(studio: Studio):
    ids = _with_lights(studio, 2)
    studio.select(ids[:1])
    studio.run("edit.set", field="exposure", value=2.0)
    studio.select(ids)
    studio.run("lights.expose", stops=-1.0)
    assert [studio.scene.entities[i].exposure for i in ids] == [1.0, -1.0]


def test_lights_are_aimed_at_what_was_selected_last(studio: Studio):
    studio.run("create.light", kind="spot")
    studio.run("create.cube")
    studio.run("edit.set", field="translation", value=(4.0, 2.0, 0.0))
    studio.select(["spot", "cube"])
    studio.run("lights.aim")
    look = -studio.scene.world_matrix("spot")[:, 2]
    toward = studio.scene.world_matrix("cube")[:, 3] - studio.scene.world_matrix("spot")[:, 3]
    assert np.allclose(look, toward / np.linalg.norm(toward), atol=1e-6)


def test_every_kind_of_light_can_be_made_and_shines(studio: Studio):
    for kind in ("point", "spot", "rectangle", "disk", "sphere", "cylinder", "distant", "dome"):
        studio.select(())
        studio.run(f"create.{kind}_light")
    assert {e.light for e in studio.scene.entities.values() if isinstance(e, Light)} >= {"point", "dome", "cylinder"}
    assert len(studio.flat.lights) == 8


def test_bodies_have_an_outside_that_faces_outward(studio: Studio):
    for name in ("plane", "cube", "sphere", "cylinder"):
        studio.select(())
        studio.run(f"create.{name}")
        mesh = studio.scene.meshes[studio.scene.entities[name].mesh]  # type: ignore[union-attr]
        a, b, c = (mesh.positions[mesh.triangles[:, k]] for k in range(3))
        facing = np.cross(b - a, c - a)
        assert (np.einsum("ij,ij->i", facing, mesh.normals[mesh.triangles[:, 0]]) > 0).all(), name


def test_a_scene_is_saved_opened_and_remembered(studio: Studio, face: Headless, tmp_path: Path):
    _with_lights(studio)
    assert studio.document.modified
    face.answers.append(tmp_path / "shot")
    studio.run("file.save")
    assert studio.path == tmp_path / "shot.studio" and not studio.document.modified
    studio.run("file.new")
    assert not studio.scene.entities and studio.path is None
    studio.run("file.open", path=str(tmp_path / "shot.studio"))
    assert len(studio.scene.entities) == 3 and studio.path == tmp_path / "shot.studio"
    assert studio.preferences.recent[0].endswith("shot.studio")


def test_unsaved_work_is_asked_about_and_kept_when_the_answer_is_never_mind(studio: Studio, face: Headless):
    _with_lights(studio)
    studio.run("file.new")  # no answer: never mind
    assert len(studio.scene.entities) == 3 and "not saved" in face.questions[0]
    face.answers.append("Discard")
    studio.run("file.new")
    assert not studio.scene.entities


def test_versions_are_kept_and_gone_back_to_undoably(studio: Studio, face: Headless, tmp_path: Path):
    _with_lights(studio, 1)
    studio.run("file.save_as", path=str(tmp_path / "a.studio"))
    studio.run("file.save_version")
    _with_lights(studio, 2)
    studio.run("file.open_version", name="scene.0001.json")
    assert len(studio.scene.entities) == 1
    studio.run("edit.undo")
    assert len(studio.scene.entities) == 3


def test_a_broken_file_leaves_the_open_scene_untouched(studio: Studio, tmp_path: Path):
    _with_lights(studio)
    before = studio.scene
    broken = tmp_path / "broken.glb"
    broken.write_bytes(b"glTF\x02\x00\x00\x00garbage")
    for name in ("file.import", "file.open"):
        studio.document.mark_saved()
        with pytest.raises(StudioError, match=r"broken\.glb"):
            studio.run(name, path=str(broken))
        assert studio.scene is before
    assert not studio.attempt("file.import", path=str(broken))
    assert studio.face.notices[-1][0] == "error"  # type: ignore[attr-defined]


def test_an_import_hangs_in_a_group_named_after_its_file(studio: Studio, face: Headless, tmp_path: Path):
    other = Studio()
    other.run("create.cube")
    other.run("create.camera")
    save_gltf(other.scene, tmp_path / "prop.glb")
    _with_lights(studio, 1)
    studio.run("file.import", path=str(tmp_path / "prop.glb"))
    (top,) = studio.selection
    assert isinstance(studio.scene.entities[top], Group) and studio.scene.entities[top].name == "prop"
    assert len(face.reports) == 1
    studio.run("edit.undo")
    assert len(studio.scene.entities) == 1


def test_a_picture_becomes_a_dome_or_the_image_of_the_selected_one(studio: Studio, tmp_path: Path):
    from PIL import Image

    Image.fromarray(np.full((4, 8, 3), 200, np.uint8)).save(tmp_path / "sky.png")
    studio.run("file.import", path=str(tmp_path / "sky.png"))
    (dome,) = studio.selection
    light = studio.scene.entities[dome]
    assert isinstance(light, Light) and light.light == "dome" and light.image in studio.scene.images
    studio.run("file.import", path=str(tmp_path / "sky.png"))
    assert len(studio.scene.entities) == 1


def test_watchers_hear_of_changes_and_of_the_studio_once_each(studio: Studio):
    heard: list[Update] = []
    forget = studio.watch(heard.append)
    studio.run("create.light")
    studio.frame = 12.0
    studio.frame = 12.0
    forget()
    studio.frame = 13.0
    assert [u.change is not None for u in heard] == [True, False]
    assert heard[1].parts == {"frame"}


def test_the_flat_scene_is_made_once_and_keeps_sections_that_did_not_change(studio: Studio):
    studio.run("create.cube")
    studio.run("create.light")
    flat = studio.flat
    assert studio.flat is flat
    studio.run("edit.set", field="intensity", value=5.0)
    assert studio.flat is not flat
    assert studio.flat.instances is flat.instances and studio.flat.lights is not flat.lights


def test_a_new_camera_is_the_active_one(studio: Studio):
    studio.run("create.camera")
    assert isinstance(studio.scene.entities[studio.scene.camera], Camera)
