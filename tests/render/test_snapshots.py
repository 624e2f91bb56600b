"""Snapshots: kept with their lights and camera, restored by id, and safe against broken files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from studio.errors import BadAsset, UsageError
from studio.render import snapshots
from studio.render.live_frame import LiveFrame
from studio.scene.animation import make_curve
from studio.scene.entities import Group
from studio.scene.flatten import flatten
from studio.scene.lights import Light
from tests.render.stage import settings, stage


@pytest.fixture
def scene():
    rig = Group(id="rig", name="Rig", translation=(0.0, 1.0, 0.0))
    made = stage().add(rig).reparent(["key"], "rig")
    return made.add(Light(id="rim", translation=(0.0, 2.0, -3.0), intensity=5.0))


def frame_of(scene, **more) -> LiveFrame:
    rng = np.random.default_rng(2)
    layers = {
        "beauty": rng.exponential(1.0, (40, 64, 4)).astype(np.float32),
        "depth": rng.exponential(1.0, (40, 64, 1)).astype(np.float32),
        "albedo": rng.random((40, 64, 3), np.float32),
    }
    frame = LiveFrame(1, shows=1, layers=layers, samples=8.0, seconds=1.5, device="A CPU")
    return frame.having(flat=flatten(scene, 1), settings=settings(), **more)


@pytest.fixture
def snapshot(scene):
    return snapshots.take(scene, frame_of(scene), name="Warm key", note="The director's favourite")


def test_a_snapshot_holds_picture_lights_camera_and_settings(scene, snapshot):
    held = {e.id for e in snapshot.entities}
    assert {"key", "fill", "rim", "rig", "camera"} == held
    assert snapshot.settings == settings() and snapshot.camera == "camera" and snapshot.samples == 8.0
    assert snapshot.emission["glow"].luminance == 4.0
    assert snapshot.layers["beauty"].shape == (40, 64, 4)


def test_restoring_brings_every_light_back_as_it_was(scene, snapshot):
    edited = scene.replace(["key", "fill"], intensity=1.0, color=(1.0, 0.0, 0.0)).replace(
        "glow", emission_luminance=9.0
    )
    edited = edited.replace("key", translation=(9.0, 9.0, 9.0)).remove(["rim"]).replace("red", base_color=(0, 0, 1))
    back = snapshots.restore_lights(edited, snapshot)
    for id_ in ("key", "fill", "rim"):
        assert back.entities[id_] == scene.entities[id_]
    assert back.materials["glow"] == scene.materials["glow"]
    assert back.materials["red"] == edited.materials["red"]  # what is no light stays
    assert back.entities["box"] is edited.entities["box"]


def test_restoring_to_the_same_lights_changes_no_row(scene, snapshot):
    before = flatten(scene, 1)
    assert flatten(snapshots.restore_lights(scene, snapshot), 1, previous=before).lights is before.lights


def test_a_light_stands_where_it_stood_though_its_group_has_moved(scene, snapshot):
    moved = scene.replace("rig", translation=(5.0, 0.0, 2.0), scale=(2.0, 2.0, 2.0))
    back = snapshots.restore_lights(moved, snapshot)
    assert back.entities["rig"] == moved.entities["rig"] and back.entities["key"].parent == "rig"
    assert np.allclose(back.world_matrix("key")[:, 3], scene.world_matrix("key")[:, 3])


def test_lights_that_came_later_are_muted_and_not_removed(scene, snapshot):
    later = scene.add(Light(id="kicker", solo=True)).replace("rig", muted=True)
    back = snapshots.restore_lights(later, snapshot)
    assert back.entities["kicker"].muted and not back.entities["kicker"].solo
    assert not back.entities["rig"].muted


def test_a_light_comes_back_to_the_top_when_its_group_is_gone(scene, snapshot):
    gone = scene.remove(["key", "rig"])
    back = snapshots.restore_lights(gone, snapshot)
    assert back.entities["key"].parent == ""
    assert np.allclose(back.world_matrix("key")[:, 3], scene.world_matrix("key")[:, 3])


def test_the_animation_of_lights_comes_back_and_other_animation_stays(scene):
    from dataclasses import replace

    pulse = make_curve([1, 2], [10.0, 20.0])
    animated = replace(scene, tracks={**scene.tracks, "key.intensity": pulse})
    kept = snapshots.take(animated, frame_of(animated), name="pulse")
    without = snapshots.restore_lights(scene, kept)
    assert without.tracks["key.intensity"] is pulse and without.tracks["box.translation"]
    other = snapshots.take(scene, frame_of(scene), name="still")
    assert "key.intensity" not in snapshots.restore_lights(animated, other).tracks


def test_the_camera_comes_back_where_it_stood(scene, snapshot):
    moved = scene.replace("camera", translation=(0.0, 9.0, 0.0), focal_length_mm=80.0)
    back = snapshots.restore_camera(moved, snapshot)
    assert back.camera == "camera" and back.entities["camera"].focal_length_mm == 35.0
    assert np.allclose(back.world_matrix("camera"), scene.world_matrix("camera"))


def test_a_snapshot_survives_the_disk_to_the_bit(scene, snapshot, tmp_path):
    snapshots.save(snapshot, tmp_path)
    (listed,), faults = snapshots.listed(tmp_path)
    assert not faults and not listed.layers and listed.name == "Warm key" and listed.note == snapshot.note
    loaded = snapshots.load(tmp_path, snapshot.id)
    assert list(loaded.layers) == list(snapshot.layers)
    assert all(np.array_equal(loaded.layers[name], layer) for name, layer in snapshot.layers.items())
    assert loaded.entities == snapshot.entities and loaded.view == snapshot.view
    assert loaded.emission == snapshot.emission and loaded.settings == snapshot.settings
    dark = scene.replace_each(["key", "fill"], intensity=0.0)
    assert snapshots.restore_lights(dark, loaded).entities == snapshots.restore_lights(dark, snapshot).entities


def test_snapshots_are_listed_by_age_renamed_and_deleted(scene, tmp_path):
    made = [snapshots.take(scene, frame_of(scene), name=f"n{k}") for k in range(3)]
    for one in made:
        snapshots.save(one, tmp_path)
    renamed = snapshots.rename(made[1], tmp_path, name="the one", note="n")
    snapshots.delete(tmp_path, made[0].id)
    found, faults = snapshots.listed(tmp_path)
    assert not faults and {s.name for s in found} == {"the one", "n2"} and renamed.name == "the one"
    assert sorted(p.suffix for p in (tmp_path / snapshots.FOLDER).iterdir()) == [".exr", ".exr", ".json", ".json"]
    assert np.array_equal(snapshots.load(tmp_path, made[1].id).layers["beauty"], made[1].layers["beauty"])
    snapshots.delete(tmp_path, made[0].id)


def test_a_project_without_snapshots_has_none(tmp_path):
    assert snapshots.listed(tmp_path) == ((), ())


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe\x00",
        b'{"format": "something else"}',
        b"[" * 100_000,
    ],
)
def test_a_broken_file_is_named_and_the_others_are_listed(snapshot, scene, tmp_path, damage):
    snapshots.save(snapshot, tmp_path)
    broken = tmp_path / snapshots.FOLDER / "0123456789ab.json"
    broken.write_bytes(damage)
    found, (fault,) = snapshots.listed(tmp_path)
    assert [s.id for s in found] == [snapshot.id] and str(broken) in fault
    with pytest.raises(BadAsset, match="0123456789ab"):
        snapshots.load(tmp_path, "0123456789ab")


@pytest.mark.parametrize(
    "change",
    [
        {"version": 99},
        {"size": [1 << 20, 1 << 20]},
        {"size": [63, 40]},
        {"size": [-5, 40]},
        {"layers": {"beauty": 4, "depth": 1, "normal": 3}},
        {"layers": {"beauty": 1 << 30}},
        {"entities": [{"kind": "light"}, {"kind": "dragon"}]},
        {"emission": {"glow": {"luminance": -1.0, "color": [1, 1, 1]}}},
        {"tracks": [{"track": "key.intensity", "times": [2, 1], "values": [[1], [1, 2]]}]},
    ],
)
def test_a_file_that_lies_is_refused_in_a_sentence(snapshot, tmp_path, change):
    path = snapshots.save(snapshot, tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BadAsset) as fault:
        snapshots.load(tmp_path, snapshot.id)
    assert snapshot.id in str(fault.value) and "\n" not in str(fault.value)


def test_a_damaged_or_missing_picture_is_refused_in_a_sentence(snapshot, tmp_path):
    path = snapshots.save(snapshot, tmp_path).with_suffix(".exr")
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"no picture", b""):
        path.write_bytes(damaged)
        with pytest.raises(BadAsset, match=snapshot.id):
            snapshots.load(tmp_path, snapshot.id)
    path.unlink()
    with pytest.raises(BadAsset, match="missing"):
        snapshots.load(tmp_path, snapshot.id)


def test_a_name_cannot_lead_out_of_the_folder(tmp_path):
    for wrong in ("../../secret", "", "x", "0123456789AB"):
        with pytest.raises(BadAsset):
            snapshots.load(tmp_path, wrong)
        with pytest.raises(BadAsset):
            snapshots.delete(tmp_path, wrong)


def test_there_is_nothing_to_keep_before_the_first_picture(scene):
    with pytest.raises(UsageError, match="no picture"):
        snapshots.take(scene, LiveFrame(1), name="early")
