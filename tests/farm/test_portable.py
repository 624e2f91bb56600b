"""A bundle says nothing of the machine that it comes from: no folder, no name of a user, no note."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from studio.errors import BadAsset
from studio.farm.bundles.bundle import NodeCache, read_manifest, send_bundle
from studio.farm.bundles.portable import bare, faults_of, named_homes, outside, portable, portable_changes
from studio.farm.preflight import preflight
from studio.farm.request import hand_in
from studio.farm.store import Store, open_store
from studio.farm.submission import Submission, send_scene
from studio.render.settings import RenderSettings
from studio.scene.flatten import flatten
from studio.scene.geometry import make_image
from studio.scene.materials import Material, Texture
from studio.scene.project import load_project, save_project, save_version
from studio.scene.scene import Scene
from studio.scene.scene_changes import changed, changes
from studio.scene.timeline import Audio
from tests.render.stage import stage

ASKED = Submission(settings=RenderSettings(width=64, height=40, samples=4), frames=(1.0,), output="f.exr")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a user whose name nothing else has."""
    folder = tmp_path / "home" / "adalovelace"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    monkeypatch.setenv("MYRIAD_DATA", str(folder / ".local" / "share" / "myriad"))
    return folder


def lived_in(home: Path) -> Scene:
    """A scene that remembers where all of it came from."""
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    wood = make_image(pixels, name="wood", path=str(home / "Pictures" / "wood.png"))
    brick = make_image(pixels + 1, name="brick", path=str(home / "work" / "brick.png"))
    away = make_image(pixels + 2, name="sky", path="/mnt/clients/secret-brand/sky.exr")
    lost = Material(id="lost", textures={"base_color": Texture(image="", path=str(home / "gone.png"))})
    scene = stage().add(wood, brick, away, lost)
    audio = Audio(path=str(home / "Music" / "song.wav"))
    return replace(
        scene,
        timeline=msgspec.structs.replace(scene.timeline, audio=audio),
        extra={**scene.extra, "export": {"output": str(home / "out" / "f.####.png")}},
        notes=f"ask {home} about the red",
    )


def said(store: Store) -> bytes:
    """Every object of a store, with its key."""
    return b"\n".join(key.encode() + b"\n" + store.get(key) for key, _ in store.list())


@pytest.mark.parametrize("kind", ["project", "version", "value", "handed in"])
def test_no_object_of_a_store_names_a_folder_or_user_of_the_machine_that_submits(
    tmp_path: Path, home: Path, kind: str
) -> None:
    store, scene, folder = open_store(tmp_path / "store"), lived_in(home), home / "work" / "x.studio"
    version = save_version(scene, folder)
    assert b"adalovelace" in (folder / "scene.json").read_bytes(), "the project itself remembers"
    before = (folder / "scene.json").read_bytes()
    match kind:
        case "project":
            sent = send_scene(store, folder, scene)
        case "version":
            sent = send_scene(store, version, scene)
        case "value":
            sent = send_scene(store, home / "x.glb", scene)
        case _:
            sent = hand_in(store, scene, ASKED, project=folder).sent
    everything = said(store)
    for word in (b"adalovelace", b"secret-brand", str(tmp_path).encode(), b"about the red"):
        assert word not in everything
    assert (folder / "scene.json").read_bytes() == before
    there = NodeCache(tmp_path / "cache", floor=0).scene(store, sent.bundle, sent.scene)
    assert {Path(image.path).name for image in there.images.values()} >= {"wood.png", "brick.png", "sky.exr"}
    assert flatten(there, 1.0).digest() == flatten(load_project(folder), 1.0).digest(), "it is the same picture"


def test_an_edit_that_goes_alone_says_no_more_than_a_bundle(home: Path) -> None:
    before = stage()
    box = next(iter(before.materials.values()))
    lost = msgspec.structs.replace(box, textures={"base_color": Texture(image="", path=str(home / "gone.png"))})
    after = replace(before, materials={**before.materials, box.id: lost})
    told = changes(before, after)
    assert told is not None and "adalovelace" in told.materials
    plain = portable_changes(told, where="the edit")
    assert "adalovelace" not in plain.materials and "gone.png" in plain.materials
    seen = flatten(changed(before, plain, where="x"), 1.0)
    assert seen.digest() == flatten(after, 1.0).digest(), "it is the same picture"
    named = changes(before, replace(before, materials={**before.materials, box.id: _named(box, f"{home}/wood")}))
    with pytest.raises(BadAsset, match="a folder of yours"):
        portable_changes(named, where="the edit")


def _named(material: Material, name: str) -> Material:
    return msgspec.structs.replace(material, name=name)


def test_a_project_without_such_paths_is_sent_as_it_lies(tmp_path: Path) -> None:
    store, folder = open_store(tmp_path / "store"), tmp_path / "x.studio"
    save_project(stage(), folder)
    text = (folder / "scene.json").read_bytes()
    sent = send_bundle(folder, store)
    cache = NodeCache(tmp_path / "cache", floor=0)
    assert (cache.fetch(store, sent.bundle) / "scene.json").read_bytes() == text
    assert portable(text, where="x") is text
    assert read_manifest(store, sent.bundle) == sent.manifest


def test_a_folder_of_the_user_in_words_that_are_no_path_is_told_and_not_sent(tmp_path: Path, home: Path) -> None:
    scene = replace(stage(), extra={"tool": {"last": [f"{home}/x.nk"]}})
    found = faults_of(scene)
    assert len(found) == 1 and "extra.tool.last" in found[0] and "collect" in found[0]
    findings = preflight(scene, ASKED)
    assert findings[0].severity == "error" and "x.nk" in findings[0].sentence
    save_project(scene, tmp_path / "x.studio")
    with pytest.raises(BadAsset, match=r"x\.nk"):
        send_bundle(tmp_path / "x.studio", open_store(tmp_path / "store"))


def test_preflight_names_what_lies_outside_and_how_to_collect_it(home: Path) -> None:
    folder = home / "work" / "x.studio"
    save_project(lived_in(home), folder)
    scene = load_project(folder)
    assert len(outside(scene, folder)) == 4 and not faults_of(scene)
    told = [f for f in preflight(scene, ASKED, source=folder) if "outside the project" in f.sentence]
    assert len(told) == 1 and "'wood.png'" in told[0].sentence and "Collect files" in told[0].sentence
    assert str(home) not in told[0].sentence


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("", ""),
        ("originals/wood.png", "originals/wood.png"),
        ("../wood.png", "wood.png"),
        ("textures/../../ada/wood.png", "wood.png"),
        ("/home/ada/wood.png", "wood.png"),
        ("C:\\Users\\ada\\wood.png", "wood.png"),
        ("\\\\server\\ada\\wood.png", "wood.png"),
        ("~/wood.png", "wood.png"),
        ("~ada/wood.png", "wood.png"),
    ],
)
def test_a_path_is_one_below_the_project_or_a_name(path: str, left: str) -> None:
    assert bare(path) == left


def test_names_that_look_like_a_folder_are_not_one() -> None:
    document = {"entities": [{"name": "/World/hall"}, {"name": "home/ada"}], "notes": "/home/adam is another"}
    assert not named_homes(document, ["/home/ada"])
    assert len(named_homes(json.loads('{"a": "see /home/ada for it", "/home/ada/x": 1}'), ["/home/ada"])) == 2
