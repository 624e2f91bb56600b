"""What would go wrong on the farm is said before anything is sent, one sentence each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from studio.farm.preflight import memory_of, preflight, worst
from studio.farm.submission import Submission
from studio.render.settings import RenderSettings
from studio.scene.flatten import flatten
from studio.scene.lights import Light
from studio.scene.materials import Material, Texture
from studio.scene.project import save_project
from studio.scene.scene import Scene
from tests.render.stage import stage

UP = (0.7071068, 0.0, 0.0, 0.7071068)  # what looks along -z looks along +y
SMALL = RenderSettings(width=64, height=40, samples=4)


def request(**more: object) -> Submission:
    return Submission(**{"settings": SMALL, "frames": (1.0, 2.0), **more})  # type: ignore[arg-type]


def said(scene: Scene, ask: Submission | None = None, **more: object) -> list[tuple[str, str]]:
    found = preflight(scene, ask or request(), **more)  # type: ignore[arg-type]
    for finding in found:
        assert finding.sentence.endswith(".") and "\n" not in finding.sentence
    return [(finding.severity, finding.sentence) for finding in found]


def has(found: list[tuple[str, str]], severity: str, words: str) -> bool:
    return any(s == severity and words in sentence for s, sentence in found)


def test_a_good_scene_has_nothing_but_its_memory_to_tell() -> None:
    found = said(stage())
    assert len(found) == 1 and has(found, "info", "GB of memory")


def test_a_project_that_lacks_an_asset_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "a.studio"
    save_project(stage(), folder)
    assert worst(preflight(stage(), request(), source=folder)) == "info"
    next(iter(sorted((folder / "assets").iterdir()))).unlink()
    assert has(said(stage(), source=folder), "error", "lacks 'assets/")


def test_missing_textures_are_named() -> None:
    material = Material(id="wood", name="wood", textures={"base_color": Texture(image="", path="oak.png")})
    assert has(said(stage().add(material)), "warning", "'oak.png' are missing")


def test_materials_with_values_that_are_no_numbers_are_an_error_and_suns_a_warning() -> None:
    bad = msgspec.structs.replace(Material(id="bad", name="bad"), specular_roughness=float("nan"))
    sun = Material(id="sun", name="hot", emission_luminance=1e12)
    broken = replace(stage(), materials={**stage().materials, "bad": bad})
    assert has(said(broken), "error", "'bad' have values that are no numbers")
    assert has(said(stage().add(sun)), "warning", "'hot' shine brighter than the sun")


def test_a_camera_that_sees_nothing_and_one_that_is_not_there() -> None:
    turned = stage().replace("camera", translation=(0.0, 1.0, -40.0))
    assert has(said(turned), "warning", "sees no surface")
    assert has(said(stage(), request(camera="nobody")), "error", '"nobody"')
    assert has(said(stage().remove(["camera"])), "warning", "has no camera")


def test_lights_that_reach_nothing_are_named() -> None:
    scene = stage().add(
        Light(id="far", name="far", translation=(0.0, 9e4, 0.0), intensity=10.0),
        Light(id="away", name="away", light="spot", translation=(0.0, 9.0, 9.0), outer_cone_deg=10.0, rotation=UP),
        Light(id="off", name="off", muted=True),
        Light(id="dark", name="dark", intensity=0.0),
        Light(id="lonely", name="lonely", light_link_mode="only"),
    )
    found = said(scene)
    assert has(found, "warning", "2 lights reach nothing") and has(found, "warning", "'far', 'away'")
    assert has(found, "info", "1 light is muted: 'off'")
    assert has(found, "warning", "gives nothing: 'dark'")
    assert has(found, "warning", "and nothing is: 'lonely'")


def test_a_scene_without_light_is_told() -> None:
    dark = stage().remove(["key", "fill", "panel"])
    assert has(said(dark), "warning", "Nothing in the scene gives light")


def test_frames_outside_the_scene_and_frames_that_are_all_the_same() -> None:
    assert has(said(stage(), request(frames=(1.0, 7.0))), "info", "Frame 7 lies outside")
    still = replace(stage(), tracks={})
    assert has(said(still), "warning", "Nothing in the scene moves")
    assert has(said(stage(), request(frames=())), "error", "no frames")


def test_outputs_that_cannot_be_or_are_there_already(tmp_path: Path) -> None:
    assert has(said(stage(), output=tmp_path / "a.exr"), "error", "place for the frame number")
    (tmp_path / "a.0001.exr").touch()
    assert has(said(stage(), output=tmp_path / "a.####.exr"), "info", "a.0001.exr is there already")


def test_more_memory_than_a_node_has_is_told_and_tiles_help() -> None:
    large = request(settings=msgspec.structs.replace(SMALL, width=16384, height=16384))
    flat = flatten(stage(), 1.0)
    needed = memory_of(flat, large)
    assert needed > 16384 * 16384 * 8 * 4
    assert has(said(stage(), large, memory_bytes=needed // 3), "error", "the largest node has")
    assert has(said(stage(), large, memory_bytes=int(needed / 1.5)), "warning", "the largest node has")
    assert memory_of(flat, replace(large, tiles=(4, 4))) < needed / 8


@pytest.mark.parametrize("change", [{"time_limit_s": 5.0}, {"light_layers": True}, {"first_sample": 4}])
def test_what_cannot_be_split_is_an_error(change: dict[str, object]) -> None:
    assert worst(preflight(stage(), request(settings=msgspec.structs.replace(SMALL, **change)))) == "error"
