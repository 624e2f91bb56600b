"""Rigs and the looks that are kept of them: stored, recalled, mixed, compared, saved and undone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import BadAsset
from studio.scene import edits, rigs
from studio.scene.document import Document
from studio.scene.entities import Group, MeshObject, RigState
from studio.scene.insert import insert
from studio.scene.lights import Light
from studio.scene.photometry import blackbody
from studio.scene.scene import Scene
from studio.scene.scene_file import read_scene, write_scene


@pytest.fixture
def scene() -> Scene:
    return Scene().add(
        Group(id="rig", name="Stage", rig=True),
        Group(id="back", parent="rig", name="Back"),
        Light(id="key", parent="rig", name="Key", intensity=400.0, exposure=1.0),
        Light(id="rim", parent="back", name="Rim", light="spot", color=(0.2, 0.4, 1.0)),
        Light(id="other", name="Other"),
        MeshObject(id="stand", parent="rig"),
    )


def light(scene: Scene, id_: str) -> Light:
    found = scene.entities[id_]
    assert isinstance(found, Light)
    return found


def group(scene: Scene, id_: str) -> Group:
    found = scene.entities[id_]
    assert isinstance(found, Group)
    return found


# --- making ----------------------------------------------------------------------------------------------------------
def test_lights_become_a_rig_where_they_stand() -> None:
    scene = Scene().add(Light(id="a", translation=(1.0, 2.0, 3.0)), Light(id="b"))
    made, id_ = rigs.make_rig(scene, ["a", "b"], "Pair")
    assert group(made, id_).rig and made.children(id_) == ("a", "b")
    assert light(made, "a").translation == (1.0, 2.0, 3.0)
    assert rigs.rigs(made) == (id_,) and rigs.rig_above(made, "b") == id_


def test_a_group_of_lights_becomes_a_rig_itself(scene: Scene) -> None:
    made, id_ = rigs.make_rig(scene, ["back"], "ignored")
    assert id_ == "back" and group(made, "back").rig and len(made.entities) == len(scene.entities)


def test_what_is_no_light_makes_no_rig(scene: Scene) -> None:
    with pytest.raises(BadAsset, match="made of lights"):
        rigs.make_rig(scene, ["stand"])


# --- states ----------------------------------------------------------------------------------------------------------
def test_a_state_speaks_of_lights_and_groups_of_the_rig_alone(scene: Scene) -> None:
    state = rigs.rig_state(scene, "rig", "A")
    assert set(state.values) == {"rig", "back", "key", "rim"}
    assert state.values["key"] == {"intensity": 400.0, "exposure": 1.0}
    assert not {"solo", "light_links", "translation", "name", "group"} & set(state.fields)


def test_what_was_stored_comes_back_as_it_was(scene: Scene) -> None:
    state = rigs.rig_state(scene, "rig")
    moved = scene.replace("key", exposure=-3.0, muted=True, translation=(1.0, 0.0, 0.0), solo=True)
    moved = moved.replace("back", exposure=2.0, tint=(1.0, 0.5, 0.5)).replace("rim", outer_cone_deg=20.0)
    back = rigs.apply_state(moved, "rig", state)
    assert back.entities["rim"] == scene.entities["rim"] and back.entities["back"] == scene.entities["back"]
    key = light(back, "key")
    assert (key.exposure, key.muted) == (1.0, False)
    assert key.translation == (1.0, 0.0, 0.0) and key.solo, "where it stands and solo are no part of a look"


def test_a_state_with_transforms_puts_back_what_moved_but_not_the_rig(scene: Scene) -> None:
    state = rigs.rig_state(scene, "rig", transforms=True)
    moved = scene.replace(["key", "rig"], translation=(1.0, 2.0, 3.0))
    back = rigs.apply_state(moved, "rig", state)
    assert light(back, "key").translation == (0.0, 0.0, 0.0)
    assert back.entities["rig"].translation == (1.0, 2.0, 3.0)


def test_what_came_later_and_what_went_do_not_matter(scene: Scene) -> None:
    state = rigs.rig_state(scene, "rig")
    later = edits.delete(scene, ["rim"]).add(Light(id="new", parent="rig", exposure=5.0))
    assert rigs.apply_state(later, "rig", state).entities == later.entities


def test_states_are_kept_by_name(scene: Scene) -> None:
    a = rigs.rig_state(scene, "rig", "A")
    kept = rigs.store_state(rigs.store_state(scene, "rig", a), "rig", RigState(name="B"))
    again = rigs.store_state(kept, "rig", rigs.rig_state(scene.replace("key", exposure=4.0), "rig", "A"))
    assert [s.name for s in group(again, "rig").states] == ["A", "B"]
    assert rigs.find_state(again, "rig", "A").values["key"]["exposure"] == 4.0
    assert rigs.free_name(again, "rig") == "C"
    named = rigs.rename_state(again, "rig", "A", "Night")
    with pytest.raises(BadAsset, match="taken"):
        rigs.rename_state(named, "rig", "Night", "B")
    with pytest.raises(BadAsset, match='"Night", "B"'):
        rigs.find_state(named, "rig", "A")
    assert [s.name for s in group(rigs.delete_state(named, "rig", "Night"), "rig").states] == ["B"]
    with pytest.raises(BadAsset, match="needs a name"):
        rigs.store_state(scene, "rig", RigState(name="  "))


def test_a_state_with_values_that_cannot_be_is_refused(scene: Scene) -> None:
    bad = RigState(name="bad", fields=("intensity",), values={"key": {"intensity": -1.0}})
    with pytest.raises(BadAsset, match='Light "Key": Intensity'):
        rigs.apply_state(scene, "rig", bad)
    wrong = RigState(name="bad", fields=("unit",), values={"key": {"unit": "furlong"}})
    with pytest.raises(BadAsset, match="furlong"):
        rigs.apply_state(scene, "rig", wrong)


def test_storing_and_recalling_are_undone(scene: Scene) -> None:
    document = Document(scene)
    with document.edit("Store") as edit:
        edit.apply(rigs.store_state, "rig", rigs.rig_state(edit.scene, "rig", "A"))
    with document.edit("Dim") as edit:
        edit.replace("key", exposure=-5.0)
    with document.edit("Recall") as edit:
        edit.apply(rigs.apply_state, "rig", rigs.find_state(edit.scene, "rig", "A"))
    assert light(document.scene, "key").exposure == 1.0
    document.undo()
    assert light(document.scene, "key").exposure == -5.0
    document.undo()
    document.undo()
    assert group(document.scene, "rig").states == ()


# --- mixing ----------------------------------------------------------------------------------------------------------
def mixed(a: Light, b: Light, t: float) -> Light:
    scene = Scene().add(Group(id="rig"), a)
    first = rigs.rig_state(scene, "rig")
    second = rigs.rig_state(scene.put({a.id: b}), "rig")
    out = rigs.apply_state(scene.put({a.id: b}), "rig", rigs.mix_states(first, second, t))
    return light(out, a.id)


def test_strength_goes_in_stops_and_temperature_in_mired() -> None:
    a = Light(id="l", parent="rig", exposure=-2.0, intensity=100.0, use_temperature=True, temperature_k=2500.0)
    b = msgspec.structs.replace(a, exposure=2.0, intensity=400.0, temperature_k=10000.0)
    half = mixed(a, b, 0.5)
    assert half.exposure == 0.0 and half.intensity == pytest.approx(200.0)
    assert half.temperature_k == pytest.approx(4000.0), "400 and 100 mired meet at 250"


def test_colours_go_in_light_and_a_temperature_becomes_its_colour() -> None:
    a = Light(id="l", parent="rig", color=(1.0, 0.0, 0.0))
    assert mixed(a, msgspec.structs.replace(a, color=(0.0, 1.0, 0.0)), 0.25).color == (0.75, 0.25, 0.0)
    warm = msgspec.structs.replace(a, color=(1.0, 1.0, 1.0), use_temperature=True, temperature_k=2000.0)
    half = mixed(warm, a, 0.5)
    expected = (blackbody(np.array([2000.0]))[0] + (1.0, 0.0, 0.0)) / 2
    assert not half.use_temperature and np.allclose(half.color, expected)


def test_a_light_fades_to_black_before_it_is_muted() -> None:
    a = Light(id="l", parent="rig", intensity=100.0)
    b = msgspec.structs.replace(a, muted=True, exposure=8.0)
    steps = [mixed(a, b, t) for t in (0.0, 0.5, 0.99, 1.0)]
    assert [s.muted for s in steps] == [False, False, False, True]
    assert [s.intensity for s in steps[:3]] == pytest.approx([100.0, 50.0, 1.0])
    assert steps[1].exposure == 0.0, "what it would be muted does not brighten it on the way"
    back = mixed(b, a, 0.25)
    assert not back.muted and back.intensity == pytest.approx(25.0)


def test_a_group_fades_by_its_tint() -> None:
    scene = Scene().add(Group(id="rig"), Group(id="g", parent="rig", tint=(1.0, 0.5, 0.25)))
    a = rigs.rig_state(scene, "rig")
    b = rigs.rig_state(scene.replace("g", muted=True), "rig")
    half = group(rigs.apply_state(scene, "rig", rigs.mix_states(a, b, 0.5)), "g")
    assert not half.muted and half.tint == (0.5, 0.25, 0.125)


def test_a_light_that_becomes_another_kind_dips_to_black() -> None:
    a = Light(id="l", parent="rig", light="point", unit="lm", intensity=800.0)
    b = Light(id="l", parent="rig", light="rectangle", unit="nt", intensity=50.0)
    kinds = [(m.light, m.unit, m.intensity) for m in (mixed(a, b, t) for t in (0.25, 0.5, 0.75))]
    assert kinds == [("point", "lm", 400.0), ("rectangle", "nt", 0.0), ("rectangle", "nt", 25.0)]


def test_where_things_stand_is_mixed_too(scene: Scene) -> None:
    a = rigs.rig_state(scene, "rig", transforms=True)
    turned = scene.replace("key", translation=(2.0, 0.0, 0.0), rotation=(0.0, 1.0, 0.0, 0.0))
    b = rigs.rig_state(turned, "rig", transforms=True)
    half = light(rigs.apply_state(scene, "rig", rigs.mix_states(a, b, 0.5)), "key")
    assert half.translation == (1.0, 0.0, 0.0)
    assert np.allclose(np.abs(half.rotation), (0.0, np.sqrt(0.5), 0.0, np.sqrt(0.5)))


numbers = st.floats(-6.0, 6.0)


@settings(max_examples=60, deadline=None)
@given(numbers, numbers, st.booleans(), st.booleans(), st.sampled_from(["point", "spot"]), st.floats(0.0, 1.0))
def test_any_mix_can_be_applied_and_its_ends_are_the_states(
    x: float, y: float, m: bool, n: bool, kind: str, t: float
) -> None:
    scene = Scene().add(Group(id="rig"), Light(id="l", parent="rig", exposure=x, muted=m))
    other = scene.replace("l", exposure=y, muted=n, light=kind)
    a, b = rigs.rig_state(scene, "rig"), rigs.rig_state(other, "rig")
    between = light(rigs.apply_state(scene, "rig", rigs.mix_states(a, b, t)), "l")
    assert min(x, y) - 1e-9 <= between.exposure <= max(x, y) + 1e-9
    assert rigs.apply_state(other, "rig", rigs.mix_states(a, b, 0.0)).entities == scene.entities
    assert rigs.apply_state(scene, "rig", rigs.mix_states(a, b, 1.0)).entities == other.entities


def test_a_crossfade_to_nowhere_is_refused() -> None:
    with pytest.raises(BadAsset, match="0 to 1"):
        rigs.mix_states(RigState(name="a"), RigState(name="b"), float("nan"))


# --- differences -----------------------------------------------------------------------------------------------------
def test_the_difference_lists_what_differs_with_both_values(scene: Scene) -> None:
    a = rigs.rig_state(scene, "rig")
    b = rigs.rig_state(scene.replace("key", exposure=0.0).replace("back", tint=(1.0, 0.0, 0.0)), "rig")
    rows = {(d.id, d.field): (d.a, d.b) for d in rigs.difference(a, b)}
    assert rows == {("key", "exposure"): (1.0, 0.0), ("back", "tint"): ((1.0, 1.0, 1.0), (1.0, 0.0, 0.0))}
    assert rigs.difference(a, a) == ()


def test_a_light_that_only_one_state_knows_is_one_row(scene: Scene) -> None:
    a = rigs.rig_state(scene, "rig")
    b = rigs.rig_state(edits.delete(scene, ["rim"]), "rig")
    assert rigs.difference(a, b) == (rigs.Difference("rim", "", True, None),)


def test_a_single_value_is_taken(scene: Scene) -> None:
    out = rigs.apply_values(scene, {"key": {"exposure": 3.0, "no_such": 1.0}, "gone": {"exposure": 1.0}})
    assert light(out, "key").exposure == 3.0
    assert [id_ for id_ in scene.entities if out.entities[id_] != scene.entities[id_]] == ["key"]


# --- files and copies ------------------------------------------------------------------------------------------------
def written(scene: Scene) -> tuple[bytes, dict[str, bytes]]:
    store: dict[str, bytes] = {}

    def keep(data: bytes, suffix: str) -> str:
        name = f"assets/{len(store):032x}.{suffix}"
        store[name] = data
        return name

    return write_scene(scene, keep), store


def test_states_survive_a_file(scene: Scene) -> None:
    kept = rigs.store_state(scene, "rig", rigs.rig_state(scene, "rig", "A", transforms=True))
    text, store = written(kept)
    back = read_scene(text, store.__getitem__, where="scene.json")
    assert back.entities == kept.entities


def test_a_file_from_before_there_were_states_is_read(scene: Scene) -> None:
    text, store = written(scene)
    assert b'"states"' not in text
    assert group(read_scene(text, store.__getitem__, where="scene.json"), "rig").states == ()


@pytest.mark.parametrize("states", ['[{"name": 3}]', '[{"name": "A", "values": {"key": {"x": {}}}}]', '"A"', "[[1]]"])
def test_states_of_a_broken_file_are_told_in_a_sentence(scene: Scene, states: str) -> None:
    text, store = written(scene)
    broken = text.replace(b'"rig":true', b'"rig":true,"states":' + states.encode())
    assert broken != text
    with pytest.raises(BadAsset, match="restore it from a backup"):
        read_scene(broken, store.__getitem__, where="scene.json")


def test_copies_of_a_rig_have_states_of_their_own_lights(scene: Scene) -> None:
    kept = rigs.store_state(scene, "rig", rigs.rig_state(scene, "rig", "A"))
    copied, (copy,) = edits.duplicate(kept, ["rig"])
    state = rigs.find_state(copied, copy, "A")
    assert set(state.values) == set(rigs.members(copied, copy)) and not set(state.values) & set(scene.entities)
    assert set(state.groups) == {i for i in state.values if isinstance(copied.entities[i], Group)}
    inserted, (top,) = insert(kept, replace(kept, name="again"), name="again")
    (inner,) = (id_ for id_ in rigs.rigs(inserted) if id_ != "rig")
    assert inserted.entities[inner].parent == top
    assert set(rigs.find_state(inserted, inner, "A").values) == set(rigs.members(inserted, inner))


def test_a_project_keeps_states(scene: Scene, tmp_path: Path) -> None:
    from studio.scene import project

    kept = rigs.store_state(scene, "rig", rigs.rig_state(scene, "rig", "A"))
    kept = replace(kept, entities={k: v for k, v in kept.entities.items() if k != "stand"})
    project.save_project(kept, tmp_path / "p.studio")
    assert project.load_project(tmp_path / "p.studio").entities == kept.entities


def test_a_file_with_a_state_that_cannot_be_is_refused_by_name(scene: Scene) -> None:
    files: dict[str, bytes] = {}

    def store(data: bytes, kind: str) -> str:
        files[f"x.{kind}"] = data
        return f"x.{kind}"

    for value, told in ((-3.0, "less than 0"), ("bright", "a number"), ((1.0, 2.0), "a number")):
        state = RigState(name="A", fields=("intensity",), values={"key": {"intensity": value}})
        broken = scene.put({"rig": msgspec.structs.replace(scene.entities["rig"], states=(state,))})
        with pytest.raises(BadAsset, match=f'scene.json, state "A" of "rig".*{told}'):
            read_scene(write_scene(broken, store), files.__getitem__, where="scene.json")


def test_fields_of_a_newer_studio_are_passed_over(scene: Scene) -> None:
    newer = RigState(name="A", fields=("exposure", "sparkle"), values={"key": {"exposure": 2.0, "sparkle": 1.0}})
    older = RigState(name="B", fields=("exposure", "sparkle"), values={"key": {}})
    assert [row.field for row in rigs.difference(newer, older)] == ["exposure"]
    assert rigs.mix_states(newer, older, 0.5).values["key"] == {"exposure": 1.0}
    assert light(rigs.apply_state(scene, "rig", newer), "key").exposure == 2.0
