"""Scatter: one rule makes many lamps, goes on making them when it is edited, and lets a hand change single ones."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from studio.errors import BadAsset
from studio.scene import edits, scatter
from studio.scene.document import Document
from studio.scene.entities import Group, Id, MeshObject, Path
from studio.scene.flatten import flatten
from studio.scene.geometry import make_mesh
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.scene.transforms import rigid

DOWN = (-np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5))


def quad(side: float = 4.0) -> Any:
    h = side / 2
    positions = np.array([(-h, 0, h), (h, 0, h), (h, 0, -h), (-h, 0, -h)], np.float32)
    return make_mesh(positions, np.array([(0, 1, 2), (0, 2, 3)], np.uint32))


def desk(rule: str = "grid", **values: Any) -> tuple[Document, Id]:
    mesh = quad()
    scene = Scene().add(
        mesh,
        Light(id="key", name="Key", light="spot", unit="cd", translation=(0.0, 5.0, 0.0), rotation=DOWN, exposure=1.0),
        MeshObject(id="floor", mesh=mesh.key, translation=(0.0, 1.0, 0.0)),
        Path(id="rail", points=(0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 6.0, 0.0, 0.0), translation=(0.0, 2.0, 0.0)),
    )
    document = Document(scene)
    source = {"curve": "rail", "surface": "floor", "instances": "floor"}.get(rule, "")
    with document.edit("Scatter") as edit:
        group = edit.apply(scatter.make, "key", rule, source=source, **values)
    return document, group


def made(document: Document, group: Id) -> list[Light]:
    entity = document.scene.entities[group]
    assert isinstance(entity, Group)
    found = [document.scene.entities.get(id_) for id_ in entity.made if id_]
    return [light for light in found if isinstance(light, Light)]


def world(document: Document, light: Light) -> np.ndarray:
    return np.asarray(document.scene.world_matrix(light.id))


def change(document: Document, id_: Id, **values: Any) -> None:
    with document.edit("Change") as edit:
        for name, value in values.items():
            edit.apply(edits.set_field, [id_], name, value)


# --- rules -----------------------------------------------------------------------------------------------------------
def test_a_grid_has_columns_rows_and_layers_around_its_middle() -> None:
    document, group = desk("grid", columns=3, rows=2, layers=2, spacing=(2.0, 1.0, 4.0))
    lights = made(document, group)
    at = np.array([world(document, light)[:, 3] for light in lights])
    assert len(lights) == 12
    assert np.allclose(at.mean(axis=0), (0.0, 5.0, 0.0))
    assert np.allclose(np.ptp(at, axis=0), (4.0, 1.0, 4.0))
    assert all(np.allclose(rigid(world(document, light)[None])[0][:, 2], (0.0, 1.0, 0.0)) for light in lights)


def test_the_template_shines_in_its_copies_alone() -> None:
    document, group = desk("grid", columns=4, rows=5)
    assert len(flatten(document.scene, 1.0).lights) == 20
    assert not document.scene.entities["key"].visible
    assert all(light.parent == group and light.exposure == 1.0 for light in made(document, group))


def test_lamps_along_a_path_are_evenly_apart() -> None:
    document, group = desk("curve", count=7, lift_m=0.5)
    at = np.array([world(document, light)[:, 3] for light in made(document, group)])
    assert np.allclose(at[:, 1], 2.5)
    assert np.allclose(np.diff(at[:, 0]), 1.0, atol=1e-6)


def test_lamps_follow_their_path_when_it_moves() -> None:
    document, group = desk("curve", count=5)
    change(document, "rail", translation=(0.0, 7.0, -3.0))
    at = np.array([world(document, light)[:, 3] for light in made(document, group)])
    assert np.allclose(at[:, 1:], (7.0, -3.0))


def test_lamps_on_a_surface_lie_on_it_and_keep_their_distance() -> None:
    document, group = desk("surface", count=60)
    at = np.array([world(document, light)[:, 3] for light in made(document, group)])
    assert np.allclose(at[:, 1], 1.0)
    assert (np.abs(at[:, (0, 2)]) <= 2.0).all()
    apart = np.linalg.norm(at[:, None] - at[None], axis=2) + np.eye(60) * 9
    # 60 points at random on 16 square metres would have a closest pair of some 5 cm
    assert apart.min() > 0.12


def test_instances_carry_a_lamp_each() -> None:
    document, group = desk("instances", lift_m=0.25)
    assert len(made(document, group)) == 1
    with document.edit("More") as edit:
        edit.apply(edits.duplicate, ["floor"], offset=(3.0, 0.0, 0.0))
    at = sorted(world(document, light)[0, 3] for light in made(document, group))
    assert np.allclose(at, (0.0, 3.0))
    assert all(np.isclose(world(document, light)[1, 3], 1.25) for light in made(document, group))


def test_lamps_of_a_ring_look_in_out_or_along() -> None:
    for facing, expected in (("in", -1.0), ("out", 1.0), ("along", 0.0)):
        document, group = desk("ring", count=8, ring_m=2.0, facing=facing)
        for light in made(document, group):
            local = np.asarray(light.translation) / np.linalg.norm(light.translation)
            shines = -rigid(world(document, light)[None])[0][:, 2]
            assert float(shines @ local) == pytest.approx(expected, abs=1e-9)


def test_out_of_a_surface_is_along_its_normal() -> None:
    document, group = desk("surface", count=5, facing="in")
    for light in made(document, group):
        assert np.allclose(-rigid(world(document, light)[None])[0][:, 2], (0.0, -1.0, 0.0), atol=1e-9)


# --- variation -------------------------------------------------------------------------------------------------------
def test_variation_is_seeded_bounded_and_different_for_every_lamp() -> None:
    values: dict[str, Any] = {"exposure_jitter": 0.5, "temperature_jitter_k": 300.0, "jitter_m": (0.1, 0.0, 0.1)}
    lists = [made(*desk("grid", columns=10, rows=10, seed=seed, **values)) for seed in (3, 3, 4)]
    assert lists[0] == lists[1]
    assert lists[0] != lists[2]
    stops = np.array([light.exposure for light in lists[0]])
    assert len(set(stops.tolist())) == 100
    assert (np.abs(stops - 1.0) <= 0.5).all()
    assert np.ptp(stops) > 0.8
    assert all(light.use_temperature and abs(light.temperature_k - 6500) <= 300 for light in lists[0])


def test_one_more_lamp_leaves_the_others_as_they_are() -> None:
    document, group = desk("surface", count=20, exposure_jitter=1.0, missing=0.2)
    before = {light.id: light for light in made(document, group)}
    change(document, group, count=21)
    after = {light.id: light for light in made(document, group)}
    assert before.items() <= after.items()


# --- editing ---------------------------------------------------------------------------------------------------------
def test_editing_the_template_edits_all() -> None:
    document, group = desk("grid")
    change(document, "key", outer_cone_deg=20.0, intensity=55.0)
    assert {(light.outer_cone_deg, light.intensity) for light in made(document, group)} == {(20.0, 55.0)}
    document.undo()
    assert {light.outer_cone_deg for light in made(document, group)} == {45.0}


def test_a_lamp_edited_by_hand_keeps_its_edit_and_follows_the_rest() -> None:
    document, group = desk("grid", columns=3, rows=3)
    one = made(document, group)[4].id
    change(document, one, color=(1.0, 0.0, 0.0), muted=True)
    change(document, "key", intensity=7.0)
    change(document, group, spacing=(5.0, 1.0, 5.0))
    light = document.scene.entities[one]
    assert isinstance(light, Light)
    assert (light.color, light.muted, light.intensity) == ((1.0, 0.0, 0.0), True, 7.0)
    assert {other.color for other in made(document, group) if other.id != one} == {(1.0, 1.0, 1.0)}


def test_a_deleted_lamp_stays_away() -> None:
    document, group = desk("grid", columns=3, rows=3)
    one = made(document, group)[4].id
    with document.edit("Delete") as edit:
        edit.apply(edits.delete, [one])
    change(document, group, spacing=(5.0, 1.0, 5.0))
    change(document, group, exposure_jitter=0.5)
    assert len(made(document, group)) == 8
    assert one not in document.scene.entities


def test_fewer_lamps_go_and_more_come() -> None:
    document, group = desk("ring", count=12)
    change(document, group, count=5)
    assert len(made(document, group)) == 5
    assert len(flatten(document.scene, 1.0).lights) == 5
    change(document, group, count=30)
    assert len(made(document, group)) == 30


def test_everything_is_one_step() -> None:
    document, group = desk("ring", count=12)
    document.undo()
    assert group not in document.scene.entities
    assert document.scene.entities["key"].visible
    assert len(document.scene.entities) == 3


def test_a_group_without_its_rule_keeps_its_lamps_as_lights() -> None:
    document, group = desk("ring", count=6)
    with document.edit("Release") as edit:
        edit.apply(scatter.release, [group])
    assert len([e for e in document.scene.entities.values() if isinstance(e, Light)]) == 6
    assert "key" not in document.scene.entities
    entity = document.scene.entities[group]
    assert isinstance(entity, Group)
    assert entity.made == ()


def test_an_edit_elsewhere_touches_no_lamp() -> None:
    document, group = desk("surface", count=50)
    before = {light.id: light for light in made(document, group)}
    change(document, "rail", translation=(9.0, 9.0, 9.0))
    assert all(light is before[light.id] for light in made(document, group))


def test_a_copy_of_a_scatter_has_a_rule_of_its_own() -> None:
    document, group = desk("ring", count=4)
    with document.edit("Copy") as edit:
        (copy,) = edit.apply(edits.duplicate, [group], offset=(10.0, 0.0, 0.0))
    change(document, copy, count=6)
    assert len(made(document, copy)) == 6
    assert len(made(document, group)) == 4
    assert not {light.id for light in made(document, copy)} & {light.id for light in made(document, group)}


def test_what_was_deleted_stays_away_in_a_copy_too() -> None:
    document, group = desk("ring", count=4)
    with document.edit("Delete") as edit:
        edit.apply(edits.delete, [made(document, group)[1].id, made(document, group)[3].id])
    with document.edit("Copy") as edit:
        (copy,) = edit.apply(edits.duplicate, [group])
    assert len(made(document, copy)) == 2
    change(document, copy, ring_m=7.0)
    assert len(made(document, copy)) == 2


def test_a_rule_of_too_many_lights_from_a_file_can_be_lowered() -> None:
    document, group = desk("grid", columns=3, rows=3)
    scene = document.scene
    document.load(scene.put({group: msgspec.structs.replace(scene.entities[group], columns=900, rows=900)}))
    with pytest.raises(BadAsset, match="lower its counts"):
        change(document, group, seed=3)
    with document.edit("Lower") as edit:
        edit.apply(edits.set_field, [group], "columns", 2)
        edit.apply(edits.set_field, [group], "rows", 2)
    assert len(made(document, group)) == 4


@pytest.mark.parametrize("values", [{"count": 10**9}, {"count": -3}, {"scatter": "grid", "rows": -3}])
def test_a_file_cannot_make_a_rule_that_eats_all_memory(values: dict[str, Any]) -> None:
    document, group = desk("ring", count=4)
    scene = document.scene
    document.load(scene.put({group: msgspec.structs.replace(scene.entities[group], **values)}))
    with pytest.raises(BadAsset, match="lower its counts"):
        change(document, group, ring_m=2.0)


# --- bad input -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("rule", ["curve", "surface", "instances"])
def test_a_rule_without_its_source_says_what_it_needs(rule: str) -> None:
    with pytest.raises(BadAsset, match="Select"):
        scatter.make(Scene().add(Light(id="l")), "l", rule)


def test_what_is_no_light_and_no_rule_is_refused() -> None:
    scene = Scene().add(Group(id="g"), Light(id="l"))
    with pytest.raises(BadAsset, match="not a light"):
        scatter.make(scene, "g", "grid")
    with pytest.raises(BadAsset, match="no rule"):
        scatter.make(scene, "l", "spiral")


def test_too_many_lights_are_refused_and_nothing_is_lost() -> None:
    document, group = desk("grid")
    with pytest.raises(BadAsset, match="20,000"):
        change(document, group, columns=1000, rows=1000)
    assert len(made(document, group)) == 20


def test_a_source_that_goes_takes_the_lamps_along_and_undo_brings_them_back() -> None:
    document, group = desk("surface", count=10)
    with document.edit("Delete") as edit:
        edit.apply(edits.delete, ["floor"])
    assert made(document, group) == []
    document.undo()
    assert len(made(document, group)) == 10
