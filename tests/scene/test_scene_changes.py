"""Edits as text: what was changed is told in a line, and what has to be sent anew is not told so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from studio.errors import BadAsset
from studio.scene.animation import make_curve
from studio.scene.entities import Group
from studio.scene.flatten import flatten
from studio.scene.geometry import make_mesh
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.scene.scene_changes import LONGEST, SceneChanges, changed, changes
from studio.scene.scene_file import read_scene, write_scene
from tests.render.stage import stage


@pytest.fixture(scope="module")
def scene() -> Scene:
    """A scene as somebody else has it: read from what was written."""
    kept: dict[str, bytes] = {}

    def store(data: bytes, suffix: str) -> str:
        name = f"assets/{len(kept):032x}.{suffix}"
        kept[name] = data
        return name

    return read_scene(write_scene(stage(), store), kept.__getitem__, where="there")


@pytest.mark.parametrize(
    "edit",
    [
        lambda s: s.replace("key", intensity=55.5),
        lambda s: s.replace("key", translation=(0.1, 1 / 3, 2e-7)).replace("red", base_color=(0.1, 0.2, 0.3)),
        lambda s: s.add(Light(id="rim", translation=(0.0, 3.0, -1.0), intensity=5.0)),
        lambda s: replace(s, entities={k: e for k, e in s.entities.items() if k != "fill"}),
        lambda s: replace(s, tracks={"key.intensity": make_curve([1, 2], [[10.0], [40.0]])}),
        lambda s: replace(s, tracks={}),
        lambda s: s.add(Group(id="rig", translation=(0.0, 1.0, 0.0))).replace("key", parent="rig"),
    ],
)
def test_what_is_told_makes_the_same_picture_elsewhere(scene: Scene, edit) -> None:
    mine = stage()
    after = edit(mine)
    told = changes(mine, after)
    assert told is not None and told.size < 1000
    theirs = changed(scene, told, where="the job j")
    for frame in (1.0, 1.25):
        assert flatten(theirs, frame).digest() == flatten(after, frame).digest() != flatten(mine, frame).digest()


def test_a_dimmed_light_is_a_line() -> None:
    before = stage()
    told = changes(before, before.replace("key", intensity=7.0))
    assert told is not None and told.size < 150 and '"intensity":7.0' in told.entities
    nothing = changes(before, before)
    assert nothing == SceneChanges()


def test_geometry_and_another_order_are_not_told_so() -> None:
    before = stage()
    mesh = make_mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    assert changes(before, before.add(mesh)) is None
    turned = replace(before, entities=dict(reversed(before.entities.items())))
    assert changes(before, turned) is None
    assert changes(before, replace(before, fps=30.0)) is None
    many = {f"t{i}.intensity": make_curve(np.arange(2000.0), np.ones((2000, 1))) for i in range(60)}
    assert changes(before, replace(before, tracks=many)) is None, "longer than a scene's text"


def test_geometry_that_is_used_no_more_may_stay_where_it_is(scene: Scene) -> None:
    before = stage()
    keys = {k: e for k, e in before.entities.items() if k not in ("box", "panel")}
    used = {e.mesh for e in keys.values() if hasattr(e, "mesh")}
    after = replace(before, entities=keys, meshes={k: m for k, m in before.meshes.items() if k in used}, tracks={})
    told = changes(before, after)
    assert told is not None
    assert flatten(changed(scene, told, where="j"), 1.0).digest() == flatten(after, 1.0).digest()


@pytest.mark.parametrize(
    "told",
    [
        SceneChanges(entities="[{]"),
        SceneChanges(entities='[{"kind":"nothing"}]'),
        SceneChanges(entities='[{"kind":"mesh","id":"m","mesh":"none"}]'),
        SceneChanges(entities='[{"kind":"group","id":"key","parent":"key"}]'),
        SceneChanges(materials='[{"id":"red","base_color":"blue"}]'),
        SceneChanges(tracks='[{"track":"key.intensity","keys":"assets/x.npz"}]'),
        SceneChanges(tracks='[{"track":"key.intensity","times":[1],"values":[["x"]]}]'),
        SceneChanges(removed={"materials": ["red"]}),
        SceneChanges(removed={"meshes": ["m"]}),
        SceneChanges(camera="nobody"),
        SceneChanges(entities="[" + " " * LONGEST + "]"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(scene: Scene, told: SceneChanges) -> None:
    with pytest.raises(BadAsset, match="the job j"):
        changed(scene, told, where="the job j")
