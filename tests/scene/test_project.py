"""Projects on disk: what is saved is what is loaded, nothing is lost, and nothing half-written is ever seen."""

from __future__ import annotations

import os
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from studio.errors import BadAsset, CannotWrite
from studio.scene import schema
from studio.scene.animation import make_curve
from studio.scene.clips import Clip, Strip
from studio.scene.entities import Group, MeshObject
from studio.scene.flatten import flatten
from studio.scene.geometry import make_image
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.project import (
    autosave,
    collect,
    is_project,
    load_project,
    missing_files,
    recoverable,
    relink,
    save_project,
    save_version,
    sweep,
    versions,
)
from studio.scene.scene import Scene
from studio.scene.timeline import Audio, Bookmark, Cut, KeySet, Marker, Timeline
from tests.scene.rigs import bending_mesh, scene_of, square, studio_scene


def whole_scene():
    """Everything that a project stores."""
    scene, mesh = studio_scene(), bending_mesh()
    rng = np.random.default_rng(2)
    keyed = make_curve([0, 5, 9], [0, 1, 2], interpolation="bezier", modes=[2, 0x80, 3])
    long = make_curve(np.arange(200), rng.normal(size=(200, 3)))
    handles = rng.normal(size=(2, 1, 2))
    tracks = {
        "rig.translation": long,
        "key.intensity": make_curve(
            [0, 1], [0, 1], interpolation="bezier", in_tangents=handles, out_tangents=handles, post="loop"
        ),
        "rig.rotation": make_curve(
            [0, 5], [[0, 0, 0], [0, 360, 0]], interpolation="bezier", euler=True, modes=[5, 0x82]
        ),
        "camera.rotation": make_curve([0, 5], [[0, 0, 0, 1], [0, 1, 0, 0]], rotation=True),
    }
    scene = scene.add(
        mesh, MeshObject(id="body", mesh=mesh.key, skin="bones", joints=("set", "rig"), morph_weights=(0.5,))
    )
    return replace(
        scene,
        name="Halle 1 \u2013 \u8857",
        tracks=tracks,
        skins={"bones": np.stack([np.eye(4, dtype=np.float32)] * 2)},
        fps=25.0,
        frame_end=48.0,
        clips={"walk": Clip(id="walk", name="\u8d70", end=9.5, tracks={"rig.scale": long, "key.exposure": keyed})},
        strips={"s": Strip(id="s", name="first", clip="walk", start=4.0, clip_out=9.5, loops=2.0, mix="add")},
        timeline=Timeline(
            markers=(Marker(frame=3.0, name="hit"),),
            cuts=(Cut(frame=12.0, camera="camera"),),
            bookmarks=(Bookmark(name="wide", translation=(1.0, 2.0, 3.0), rotation=(0.0, 0.0, 0.0, 1.0)),),
            audio=Audio(path="/elsewhere/a.wav", start=2.0),
            key_sets=(KeySet(name="place", fields=(".translation",)),),
            preview=(2.0, 20.0),
        ),
        extra={"notes": {"shot": [1, 2]}},
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "hall.studio"


def assert_same(a, b):
    assert list(a.entities.items()) == list(b.entities.items())
    assert list(a.materials.items()) == list(b.materials.items())
    for name in ("name", "camera", "fps", "frame_start", "frame_end", "extra", "timeline", "notes", "strips"):
        assert getattr(a, name) == getattr(b, name)
    assert set(a.meshes) == set(b.meshes)
    assert {k: (i.pixels.tobytes(), i.colour_space, i.name, i.path) for k, i in a.images.items()} == {
        k: (i.pixels.tobytes(), i.colour_space, i.name, i.path) for k, i in b.images.items()
    }
    assert_same_curves(a.tracks, b.tracks)
    assert list(a.clips) == list(b.clips)
    for clip, other in zip(a.clips.values(), b.clips.values(), strict=True):
        assert (clip.id, clip.name, clip.start, clip.end) == (other.id, other.name, other.start, other.end)
        assert_same_curves(clip.tracks, other.tracks)
    assert flatten(a, 3.0).digest() == flatten(b, 3.0).digest()


def assert_same_curves(a, b):
    assert set(a) == set(b)
    for name, curve in a.items():
        for part in ("times", "values", "in_tangents", "out_tangents", "modes"):
            np.testing.assert_array_equal(getattr(curve, part), getattr(b[name], part))
        for part in ("interpolation", "pre", "post", "rotation", "euler"):
            assert getattr(curve, part) == getattr(b[name], part)


def test_a_project_loads_as_it_was_saved(path):
    scene = whole_scene()
    save_project(scene, path)
    assert is_project(path)
    assert (path / "renders").is_dir()
    assert_same(load_project(path), scene)


def test_loaded_geometry_is_shared_and_read_only(path):
    save_project(whole_scene(), path)
    scene = load_project(path)
    assert all(mesh.key == key for key, mesh in scene.meshes.items())
    assert not any(mesh.positions.flags.writeable for mesh in scene.meshes.values())
    assert not next(iter(scene.images.values())).pixels.flags.writeable


def test_an_edit_of_one_entity_changes_one_line(path):
    scene = whole_scene()
    save_project(scene, path)
    before = (path / "scene.json").read_text().splitlines()
    save_project(scene.replace("key", intensity=7.0), path)
    after = (path / "scene.json").read_text().splitlines()
    assert len(before) == len(after)
    (changed,) = [line for line, old in zip(after, before, strict=True) if line != old]
    assert '"id":"key"' in changed


def test_saving_the_same_scene_writes_the_same_bytes(path, tmp_path):
    save_project(whole_scene(), path)
    save_project(whole_scene(), tmp_path / "other")
    for file in path.rglob("*.*"):
        if file.is_file():
            assert file.read_bytes() == (tmp_path / "other" / file.relative_to(path)).read_bytes()


def test_assets_are_written_once(path):
    save_project(whole_scene(), path)
    dates = {file: file.stat().st_mtime_ns for file in (path / "assets").iterdir()}
    save_project(whole_scene().replace("key", intensity=1.0), path)
    assert {file: file.stat().st_mtime_ns for file in (path / "assets").iterdir()} == dates


def test_what_a_newer_studio_wrote_survives(path):
    save_project(studio_scene(), path)
    document = msgspec.json.decode((path / "scene.json").read_bytes())
    document["weather"] = {"fronts": [1, 2]}
    document["entities"][0]["weather"] = "rain"
    document["materials"][0]["velvet"] = 0.25
    (path / "scene.json").write_bytes(msgspec.json.encode(document))
    scene = load_project(path)
    with_edit = scene.replace("set", translation=(1.0, 1.0, 1.0))
    save_project(with_edit, path)
    again = msgspec.json.decode((path / "scene.json").read_bytes())
    assert again["weather"] == {"fronts": [1, 2]}
    assert again["entities"][0]["weather"] == "rain"
    assert again["materials"][0]["velvet"] == 0.25


def test_a_newer_version_is_refused_in_a_sentence(path):
    save_project(studio_scene(), path)
    text = (path / "scene.json").read_bytes().replace(b'"version": 1', b'"version": 99')
    (path / "scene.json").write_bytes(text)
    with pytest.raises(BadAsset, match=r"newer studio \(version 99, .*update"):
        load_project(path)


def test_an_older_version_is_upgraded(path, monkeypatch):
    save_project(studio_scene(), path)

    def lamps_became_lights(document):
        return document | {"name": "upgraded", "version": 2}

    monkeypatch.setattr(schema, "VERSION", 2)
    monkeypatch.setattr(schema, "UPGRADES", (lamps_became_lights,))
    assert load_project(path).name == "upgraded"


def test_numbered_versions_are_kept_and_open(path):
    scene = studio_scene()
    first = save_version(scene, path)
    second = save_version(scene.replace("key", intensity=7.0), path)
    assert versions(path) == (first, second)
    assert [file.name for file in versions(path)] == ["scene.0001.json", "scene.0002.json"]
    assert is_project(first)
    assert load_project(first).entities["key"].intensity == 100.0
    assert load_project(path).entities["key"].intensity == 7.0


def test_references_to_what_is_gone_are_dropped_when_saving(path):
    scene = scene_of(
        MeshObject(id="a", mesh="gone", materials=("gone",), skin="gone", joints=("gone",)),
        Group(id="b", parent="gone"),
        camera="gone",
    )
    save_project(scene, path)
    loaded = load_project(path)
    assert loaded.entities["a"] == MeshObject(id="a", materials=("",))
    assert loaded.entities["b"].parent == ""
    assert loaded.camera == ""


def test_numbers_that_are_not_finite_are_refused_before_anything_is_overwritten(path):
    save_project(studio_scene(), path)
    before = (path / "scene.json").read_bytes()
    bad = studio_scene().put({"key": Light(id="key", name="Key", intensity=float("nan"))})
    with pytest.raises(BadAsset, match="Key"):
        save_project(bad, path)
    assert (path / "scene.json").read_bytes() == before
    assert not list(path.rglob("*.tmp"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(CannotWrite):
        save_project(studio_scene(), tmp_path / "new.studio")
    tmp_path.chmod(0o700)


def test_a_file_in_the_way_is_told(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(CannotWrite, match="taken"):
        save_project(studio_scene(), tmp_path / "taken")


def test_a_full_disk_leaves_the_old_project(path, monkeypatch):
    save_project(studio_scene(), path)
    before = (path / "scene.json").read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWrite, match="no space left"):
        save_project(studio_scene().replace("key", intensity=1.0), path)
    assert (path / "scene.json").read_bytes() == before
    assert not list(path.rglob("*.tmp"))


@pytest.mark.parametrize("name", ["nothing.studio", "nothing.json"])
def test_what_is_not_there_is_told(tmp_path, name):
    assert not is_project(tmp_path / name)
    with pytest.raises(BadAsset, match="nothing"):
        load_project(tmp_path / name)


# --- autosave and recovery -------------------------------------------------------------------------------------------
def test_autosave_keeps_a_ring_and_skips_what_is_known(path):
    scene = studio_scene()
    save_project(scene, path)
    assert autosave(scene, path) is None
    for n in range(6):
        assert autosave(scene.replace("key", intensity=float(n)), path, keep=3) is not None
    assert autosave(scene.replace("key", intensity=5.0), path, keep=3) is None
    assert sorted(f.name for f in (path / "backups").iterdir()) == [f"scene.000{n}.json" for n in (4, 5, 6)]


def test_work_that_was_not_saved_is_recovered_by_content(path):
    scene = studio_scene()
    save_project(scene, path)
    assert recoverable(path) is None
    lost = scene.replace("key", intensity=77.0)
    backup = autosave(lost, path)
    os.utime(path / "scene.json", (2e9, 2e9))  # dates lie
    assert recoverable(path) == backup
    assert load_project(recoverable(path)).entities["key"].intensity == 77.0


def test_a_backup_that_was_saved_over_is_not_offered(path):
    scene = studio_scene()
    save_project(scene, path)
    autosave(scene.replace("key", intensity=77.0), path)
    save_project(scene.replace("key", intensity=5.0), path)
    os.utime(path / "scene.json", (0, 0))
    assert recoverable(path) is None


def test_a_backup_of_what_was_saved_then_is_not_offered(path):
    scene = studio_scene()
    save_project(scene, path)
    autosave(scene.replace("key", intensity=77.0), path)
    save_project(scene.replace("key", intensity=77.0), path)
    assert recoverable(path) is None


def test_a_scene_that_was_never_saved_is_recovered(path):
    autosave(studio_scene(), path)
    assert not is_project(path)
    assert_same(load_project(recoverable(path)), studio_scene())


def test_a_damaged_backup_hides_no_other(path):
    scene = studio_scene()
    save_project(scene, path)
    good = autosave(scene.replace("key", intensity=1.0), path)
    autosave(scene.replace("key", intensity=2.0), path).write_bytes(b"{")
    assert recoverable(path) == good


# --- missing and external files --------------------------------------------------------------------------------------
def test_missing_and_damaged_assets_are_named_and_relinked(path, tmp_path):
    save_project(whole_scene(), path)
    assert missing_files(path) == ()
    files = sorted((path / "assets").iterdir())
    elsewhere = tmp_path / "elsewhere" / "deep"
    elsewhere.mkdir(parents=True)
    files[0].rename(elsewhere / files[0].name)
    files[1].rename(elsewhere / f"renamed{files[1].suffix}")
    content = files[2].read_bytes()
    (elsewhere / files[2].name).write_bytes(content)
    files[2].write_bytes(content[:-1])
    assert missing_files(path) == tuple(f"assets/{file.name}" for file in files[:3])
    with pytest.raises(BadAsset, match="relink"):
        load_project(path)
    assert relink(path, [tmp_path / "elsewhere"]) == ()
    assert_same(load_project(path), whole_scene())


def test_what_cannot_be_found_stays_missing(path, tmp_path):
    save_project(whole_scene(), path)
    file = sorted((path / "assets").iterdir())[0]
    file.unlink()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / file.name).write_bytes(b"not it")
    assert relink(path, [tmp_path / "other"]) == (f"assets/{file.name}",)


def textured(tmp_path):
    source = tmp_path / "textures" / "wood.png"
    source.parent.mkdir(exist_ok=True)
    source.write_bytes(b"pretend")
    return Scene().add(make_image(np.zeros((2, 2), np.uint8), path=str(source))), source


def test_files_of_images_are_collected_into_the_project(path, tmp_path):
    scene, source = textured(tmp_path)
    collected = collect(scene, path)
    (image,) = collected.images.values()
    assert image.path.startswith(str(path / "originals"))
    source.unlink()
    with open(image.path, "rb") as file:
        assert file.read() == b"pretend"
    assert collect(collected, path).images == collected.images


def test_sweeping_deletes_only_what_nothing_needs(path):
    mesh = square(7.0)
    scene = studio_scene()
    save_version(scene.add(mesh, MeshObject(id="old", mesh=mesh.key)), path)
    save_project(scene, path)
    assert sweep(path) == 0  # the version needs it
    versions(path)[0].unlink()
    assert sweep(path) == 1
    assert_same(load_project(path), scene)


def test_materials_without_names_and_empty_scenes_are_projects_too(path):
    save_project(Scene().add(Material(id="m", name="")), path)
    assert load_project(path).materials["m"].name == ""
    save_project(Scene(), path)
    assert_same(load_project(path), Scene())


def test_strips_and_cuts_of_what_is_gone_are_not_written(path):
    scene = whole_scene()
    save_project(replace(scene, clips={}, entities=scene.remove(["camera"]).entities, camera=""), path)
    loaded = load_project(path)
    assert not loaded.strips and not loaded.timeline.cuts and loaded.timeline.markers == scene.timeline.markers


@pytest.mark.parametrize(
    "wrong",
    [
        lambda s: replace(s, strips={"s": msgspec.structs.replace(s.strips["s"], start=float("nan"))}),
        lambda s: replace(s, clips={"walk": replace(s.clips["walk"], end=float("inf"))}),
        lambda s: replace(s, timeline=Timeline(markers=(Marker(frame=float("nan")),))),
        lambda s: replace(s, timeline=Timeline(preview=(0.0, float("inf")))),
    ],
)
def test_motion_that_no_file_can_hold_is_refused_before_anything_is_written(path, wrong):
    save_project(whole_scene(), path)
    before = (path / "scene.json").read_bytes()
    with pytest.raises(BadAsset):
        save_project(wrong(whole_scene()), path)
    assert (path / "scene.json").read_bytes() == before
