"""The mixer's commands, by a script without a window: a frame is mixed, saved, and goes back to the scene."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studio.commands.face import Headless
from studio.commands.mix import session_of
from studio.commands.studio import Studio
from studio.errors import BadAsset, UsageError
from studio.render.lightmix import Mix, channels_of
from studio.render.lightmix_scene import presets_of, to_scene
from studio.scene import keying
from studio.scene.animation import make_curve
from studio.scene.clips import Clip, Strip
from studio.scene.entities import Group, MeshObject
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.project import load_project, save_project
from studio.scene.scene import Scene
from tests.render.layers_made import MadeLayers, spots, write_layers

IDS = ("key", "fill", "tube", "gone")


def scene() -> Scene:
    return Scene(name="shot").add(
        Material(id="glow", name="Glow", emission_luminance=10.0),
        Group(id="rig", name="Rig", exposure=0.5, tint=(1.0, 0.5, 1.0)),
        Light(id="key", name="Key", parent="rig", exposure=1.0, color=(0.5, 1.0, 1.0)),
        Light(id="fill", name="Fill", group="fills"),
        MeshObject(id="tube", name="Tube", materials=("glow",)),
        MeshObject(id="sign", name="Sign", materials=("glow",)),
    )


@pytest.fixture
def layers() -> MadeLayers:
    return MadeLayers(spots(4), ids=IDS, groups=("", "fills", "", ""))


@pytest.fixture
def studio(tmp_path: Path, layers: MadeLayers) -> Studio:
    made = Studio(face=Headless(), scene=scene())
    made.run("mix.open", path=str(write_layers(tmp_path / "shot.0001.lights.exr", layers)))
    return made


def channels(layers: MadeLayers, of: Scene) -> tuple:
    return channels_of(layers.lights, of)


def test_a_script_mixes_and_saves(studio: Studio, tmp_path: Path) -> None:
    studio.run("mix.set", ids=("key",), gain=-1.0)
    studio.run("mix.set", ids=("rig",), color=(1.0, 0.5, 0.5))
    assert session_of(studio).factors()[0].tolist() == [0.5, 0.25, 0.25]
    studio.run("mix.save", path=str(tmp_path / "a.png"))
    assert (tmp_path / "a.png").is_file() and studio.face.notices[-1][0] == "info"
    studio.run("mix.undo")
    studio.run("mix.undo")
    assert session_of(studio).mix.is_neutral
    with pytest.raises(UsageError, match="nobody"):
        studio.run("mix.set", ids=("nobody",), gain=1.0)


def test_a_mix_goes_to_lights_and_masters_in_one_step(studio: Studio) -> None:
    studio.run("mix.set", ids=("key",), gain=-1.5, color=(1.0, 0.5, 0.25), solo=True)
    studio.run("mix.set", ids=("rig",), gain=1.0, color=(1.0, 2.0, 1.0), muted=True)
    steps = len(studio.document.history[0])
    studio.run("mix.to_scene")
    key, rig = studio.scene.entities["key"], studio.scene.entities["rig"]
    assert key.exposure == -0.5 and key.color == (0.5, 0.5, 0.25) and key.solo and not key.muted
    assert rig.exposure == 1.5 and rig.tint == (1.0, 1.0, 1.0) and rig.muted
    assert len(studio.document.history[0]) == steps + 1 and session_of(studio).mix.is_neutral
    studio.run("edit.undo")
    assert studio.scene.entities["key"].exposure == 1.0


def test_lights_that_are_gone_are_named_in_one_sentence(studio: Studio) -> None:
    studio.run("mix.set", ids=("gone",), gain=1.0)
    studio.run("mix.set", ids=("tube",), solo=True)
    studio.run("mix.to_scene")
    kind, sentence = studio.face.notices[-1]
    assert kind == "warning" and '"Lamp gone"' in sentence and '"Tube"' in sentence and sentence.count(".") == 1


def test_an_object_that_shines_gets_a_material_of_its_own(layers: MadeLayers) -> None:
    mix = Mix().change(["tube"], gain=1.0, color=(0.5, 1.0, 0.25))
    lit, _ = to_scene(scene(), mix, channels(layers, scene()))
    (own,) = lit.entities["tube"].materials
    assert own != "glow" and lit.entities["sign"].materials == ("glow",)
    assert lit.materials["glow"].emission_luminance == 10.0
    assert lit.materials[own].emission_luminance == 20.0
    assert lit.materials[own].emission_color == (0.5, 1.0, 0.25)
    alone = scene().replace("sign", materials=())
    lit, _ = to_scene(alone, mix, channels(layers, alone))
    assert lit.entities["tube"].materials == ("glow",) and lit.materials["glow"].emission_luminance == 20.0


def test_a_light_group_that_is_no_entity_goes_to_its_lights(layers: MadeLayers) -> None:
    mix = Mix().change(["group:fills"], gain=2.0).change(["fill"], gain=-0.5)
    lit, written = to_scene(scene(), mix, channels(layers, scene()))
    assert lit.entities["fill"].exposure == 1.5 and written.sentence() == ""


def test_curves_move_as_a_whole(studio: Studio) -> None:
    with studio.document.edit("keys") as edit:
        for frame, stops, tint in ((1.0, 0.0, (1.0, 1.0, 1.0)), (20.0, 3.0, (0.5, 0.5, 0.5))):
            edit.apply(keying.set_key, "key", "exposure", frame, stops)
            edit.apply(keying.set_key, "key", "color", frame, tint)
    studio.frame = 7.0
    studio.run("mix.set", ids=("key",), gain=-1.0, color=(1.0, 0.5, 1.0))
    studio.run("mix.to_scene")
    exposure, color = studio.scene.tracks["key.exposure"], studio.scene.tracks["key.color"]
    assert exposure.values[:, 0].tolist() == [-1.0, 2.0] and exposure.times.tolist() == [1.0, 20.0]
    assert np.allclose(color.values, [[1.0, 0.5, 1.0], [0.5, 0.25, 0.5]])


def test_curves_of_a_glow_move_as_a_whole_and_go_along_with_a_copy(studio: Studio) -> None:
    with studio.document.edit("keys") as edit:
        for frame, nits in ((1.0, 10.0), (20.0, 40.0)):
            edit.apply(keying.set_key, "glow", "emission_luminance", frame, nits)
    studio.frame = 7.0
    studio.run("mix.set", ids=("tube",), gain=1.0, color=(1.0, 0.5, 1.0))
    studio.run("mix.to_scene")
    (own,) = studio.scene.entities["tube"].materials
    tracks = studio.scene.tracks
    assert tracks[f"{own}.emission_luminance"].values[:, 0].tolist() == [20.0, 80.0]
    assert tracks["glow.emission_luminance"].values[:, 0].tolist() == [10.0, 40.0]
    assert studio.scene.materials[own].emission_color == (1.0, 0.5, 1.0)


def test_what_a_clip_plays_is_named(layers: MadeLayers) -> None:
    curve = make_curve([1.0, 20.0], [[0.0], [3.0]])
    played = replace(
        scene(),
        clips={"fade": Clip(id="fade", name="fade", start=1.0, end=20.0, tracks={"key.exposure": curve})},
        strips={"s": Strip(id="s", clip="fade", clip_in=1.0, clip_out=20.0)},
    )
    _, written = to_scene(played, Mix().change(["key"], gain=1.0), channels(layers, played))
    assert written.played == ("Key",) and "clips" in written.sentence()
    _, written = to_scene(played, Mix().change(["key"], color=(1.0, 0.5, 1.0)), channels(layers, played))
    assert written.played == ()


def test_presets_are_kept_with_the_project_and_undone(studio: Studio, tmp_path: Path) -> None:
    studio.run("mix.set", ids=("key",), gain=-2.0)
    studio.run("mix.keep", name="Dusk")
    studio.run("mix.set", ids=("key",), gain=1.0)
    studio.run("mix.keep", name="Dawn")
    studio.run("mix.use", name="Dusk")
    assert session_of(studio).mix.of("key").gain == -2.0
    save_project(studio.scene, tmp_path / "p.studio")
    assert [mix.name for mix in presets_of(load_project(tmp_path / "p.studio"))] == ["Dusk", "Dawn"]
    studio.run("mix.export_presets", path=str(tmp_path / "mixes.json"))
    studio.run("mix.forget", name="Dusk")
    assert [mix.name for mix in presets_of(studio.scene)] == ["Dawn"]
    with pytest.raises(UsageError, match="Dawn"):
        studio.run("mix.use", name="Dusk")
    other = Studio(face=Headless(), scene=Scene())
    other.run("mix.import_presets", path=str(tmp_path / "mixes.json"))
    assert [mix.name for mix in presets_of(other.scene)] == ["Dusk", "Dawn"]
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(BadAsset, match=r"bad\.json"):
        other.run("mix.import_presets", path=str(tmp_path / "bad.json"))
    assert len(presets_of(other.scene)) == 2


def test_the_latest_render_with_layers_is_found(studio: Studio, tmp_path: Path, layers: MadeLayers) -> None:
    studio.run("export.set", name="output", value=str(tmp_path / "out" / "{scene}.####.exr"))
    with pytest.raises(UsageError, match="light layers on"):
        studio.run("mix.latest")
    (tmp_path / "out").mkdir()
    write_layers(tmp_path / "out" / "shot.0003.lights.exr", layers)
    studio.run("mix.latest")
    assert session_of(studio).frame is not None and session_of(studio).frame.path.name == "shot.0003.lights.exr"
    studio.run("mix.close")
    assert session_of(studio).frame is None


def test_a_file_that_is_none_is_notified_and_what_was_open_stays(studio: Studio, tmp_path: Path) -> None:
    studio.run("mix.open", path=str(tmp_path / "nothing.lights.exr"))
    assert studio.face.notices[-1][0] == "error" and session_of(studio).frame is not None
