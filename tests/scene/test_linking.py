"""Linking of lights to objects: asked from both sides, edited by pairs, and the same in the flat scene."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import BadAsset
from studio.scene import edits, linking
from studio.scene.entities import Group, MeshObject
from studio.scene.flatten import flatten
from studio.scene.lights import LINK_MODES, SHADOW_LINKED, Light
from tests.scene.rigs import scene_of, square

LIGHTS = [f"l{i}" for i in range(3)]
OBJECTS = ["ball", "box", "lid", "floor", "wall"]
GROUPS = ["set", "props", "empty"]


def stage():
    mesh = square()
    return scene_of(
        mesh,
        Group(id="set"),
        Group(id="props", parent="set"),
        Group(id="empty"),
        MeshObject(id="ball", parent="props", mesh=mesh.key),
        MeshObject(id="box", parent="props", mesh=mesh.key),
        MeshObject(id="lid", parent="box", mesh=mesh.key),  # below an object, not only below a group
        MeshObject(id="floor", parent="set", mesh=mesh.key),
        MeshObject(id="wall", mesh=mesh.key),
        *[Light(id=id_, radius_m=0.0) for id_ in LIGHTS],
    )


def pairs(scene, shadows=False):
    return {(light, o) for light in LIGHTS for o in linking.linked(scene, light, shadows=shadows)}


def flat_pairs(scene, shadows=False):
    """The same, read as a renderer reads it."""
    flat = flatten(scene, 1.0)
    links, row = (flat.shadow_links, "shadow_link") if shadows else (flat.light_links, "link")
    out = set()
    for instance in flat.instances:
        for light in range(len(flat.lights)):
            if links[instance[row], light // 32] >> np.uint32(light % 32) & 1:
                out.add((flat.light_names[flat.lights[light]["entity"]], flat.object_names[instance["object"]]))
    return out


def test_a_light_lights_everything_until_told_otherwise():
    scene = stage()
    assert linking.linked(scene, "l0") == set(OBJECTS)
    assert linking.lights_of(scene, "ball") == tuple(LIGHTS)
    assert linking.lights_of(scene, "set") == tuple(LIGHTS)


def test_a_group_means_all_below_it_and_what_is_put_there_later():
    scene = linking.link_only(stage(), ["l0"], ["set"])
    assert linking.linked(scene, "l0") == {"ball", "box", "lid", "floor"}
    scene = edits.reparent(scene, ["wall"], "props")
    assert "wall" in linking.linked(scene, "l0")


def test_an_object_means_itself_alone():
    assert linking.linked(linking.link_only(stage(), ["l0"], ["box"]), "l0") == {"box"}


def test_breaking_a_link_of_a_light_that_means_all_makes_an_exception():
    scene = linking.link(stage(), ["l0"], ["wall"], on=False)
    light = scene.entities["l0"]
    assert (light.light_link_mode, light.light_links) == ("except", ("wall",))
    assert linking.lights_of(scene, "wall") == ("l1", "l2")
    assert linking.link(scene, ["l0"], ["wall"]).entities["l0"] == stage().entities["l0"]


def test_taking_one_object_out_of_a_group_keeps_the_rest_as_large_as_can_be():
    scene = linking.link_only(stage(), ["l0"], ["set"])
    scene = linking.link(scene, ["l0"], ["floor"], on=False)
    assert scene.entities["l0"].light_links == ("props",)
    scene = linking.link(scene, ["l0"], ["ball"], on=False)
    assert scene.entities["l0"].light_links == ("box", "lid")


def test_only_nothing_lights_nothing_and_clearing_lights_all():
    scene = linking.link_only(stage(), ["l0"], [])
    assert linking.linked(scene, "l0") == frozenset()
    assert linking.clear_links(scene, ["l0"]).entities["l0"] == stage().entities["l0"]


def test_shadow_links_are_apart_from_light_links():
    scene = linking.link(stage(), ["l0"], ["wall"], on=False, shadows=True)
    assert linking.linked(scene, "l0") == set(OBJECTS)
    assert linking.linked(scene, "l0", shadows=True) == set(OBJECTS) - {"wall"}
    assert linking.lights_of(scene, "wall", shadows=True) == ("l1", "l2")


def test_only_lights_that_something_does_not_block_are_flagged():
    scene = linking.link(stage(), ["l1"], ["wall"], on=False, shadows=True)
    flat = flatten(scene, 1.0)
    assert [bool(row["flags"] & SHADOW_LINKED) for row in flat.lights] == [False, True, False]
    whole = linking.link_only(stage(), ["l1"], OBJECTS, shadows=True)
    assert not (flatten(whole, 1.0).lights["flags"] & SHADOW_LINKED).any()


def test_ids_that_are_not_there_are_told_and_passed_over():
    scene = stage().replace("l0", light_link_mode="except", light_links=("gone", "wall"), name="Key")
    assert linking.linked(scene, "l0") == set(OBJECTS) - {"wall"}
    assert any("Key" in w and "not in the scene" in w for w in flatten(scene, 1.0).warnings)


def test_what_is_no_light_or_no_object_is_refused_by_name():
    scene = stage()
    with pytest.raises(BadAsset, match="wall"):
        linking.link(scene, ["wall"], ["floor"])
    with pytest.raises(BadAsset, match="nothing"):
        linking.link(scene, ["l0"], ["gone"])


def test_objects_treated_alike_share_a_set():
    scene = linking.link(stage(), ["l0", "l2"], ["props"], on=False)
    flat = flatten(scene, 1.0)
    assert flat.light_links.shape == (2, 1)
    assert flat.light_links[0, 0] == 0xFFFFFFFF
    assert flat.light_links[1, 0] == 0xFFFFFFFF ^ 0b101
    assert len(flat.shadow_links) == 1


def test_muted_lights_leave_the_bits_to_those_that_shine():
    scene = linking.link(stage(), ["l2"], ["wall"], on=False).replace("l0", muted=True)
    assert flat_pairs(scene) == {(a, b) for a, b in pairs(scene) if a != "l0"}


def test_more_lights_than_bits_in_a_word():
    scene = stage().add(*[Light(id=f"m{i}", radius_m=0.0) for i in range(100)])
    scene = linking.link(scene, ["m90"], ["wall"], on=False)
    flat = flatten(scene, 1.0)
    assert flat.light_links.shape == (2, 4)
    assert (flat.light_links[1] == [0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF ^ 1 << 29, 0xFFFFFFFF]).all()


def test_deleting_an_object_takes_it_out_of_links():
    scene = linking.link(stage(), ["l0"], ["wall", "ball"], on=False)
    assert edits.delete(scene, ["wall"]).entities["l0"].light_links == ("ball",)


def test_a_copied_object_is_linked_as_the_one_it_is_a_copy_of():
    scene = linking.link(stage(), ["l0"], ["wall"], on=False)
    scene, (copy,) = edits.duplicate(scene, ["wall"])
    assert linking.lights_of(scene, copy) == ("l1", "l2")


def test_a_copied_rig_is_linked_to_its_own_objects():
    scene = linking.link_only(stage().reparent(["l0"], "set"), ["l0"], ["floor"])
    scene, (copy,) = edits.duplicate(scene, ["set"])
    light = next(i for i in scene.descendants([copy]) if isinstance(scene.entities[i], Light))
    assert linking.linked(scene, light).isdisjoint(OBJECTS)
    assert len(linking.linked(scene, light)) == 1
    assert linking.linked(scene, "l0") == {"floor"}


IDS = st.lists(st.sampled_from(OBJECTS + GROUPS), max_size=3)
SOME = st.lists(st.sampled_from(LIGHTS), min_size=1, max_size=3)
STEPS = st.lists(st.tuples(SOME, IDS, st.sampled_from(["on", "off", "only", "clear"]), st.booleans()), max_size=6)


def played(scene, steps):
    for lights, ids, what, shadows in steps:
        if what in ("on", "off"):
            scene = linking.link(scene, lights, ids, on=what == "on", shadows=shadows)
        elif what == "only":
            scene = linking.link_only(scene, lights, ids, shadows=shadows)
        else:
            scene = linking.clear_links(scene, lights, shadows=shadows)
    return scene


@settings(max_examples=150, deadline=None)
@given(STEPS, SOME, IDS, st.booleans(), st.booleans())
def test_a_link_is_made_for_those_pairs_and_no_others(steps, lights, ids, on, shadows):
    scene = played(stage(), steps)
    meant = {(light, o) for light in lights for o in linking.Tree(scene).meant(ids)}
    before = pairs(scene, shadows)
    after = linking.link(scene, lights, ids, on=on, shadows=shadows)
    assert pairs(after, shadows) == (before | meant if on else before - meant)
    assert pairs(after, not shadows) == pairs(scene, not shadows)
    back = linking.link(after, lights, ids, on=not on, shadows=shadows)
    assert pairs(back, shadows) == (before - meant if on else before | meant)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_both_sides_and_the_flat_scene_say_the_same(steps):
    scene = played(stage(), steps)
    for shadows in (False, True):
        asked = pairs(scene, shadows)
        assert {(i, o) for o in OBJECTS for i in linking.lights_of(scene, o, shadows=shadows)} == asked
        assert flat_pairs(scene, shadows) == asked


@pytest.mark.parametrize("mode", LINK_MODES)
def test_every_mode_is_kept_by_a_light(mode):
    scene = stage().replace("l0", light_link_mode=mode, light_links=("wall",))
    assert linking.links(scene.entities["l0"]) == (mode, ("wall",))


def test_masters_multiply_up_the_tree_and_name_who_put_them():
    scene = stage().add(
        Group(id="rig", exposure=1.0, tint=(1.0, 0.5, 1.0)),
        Group(id="bank", parent="rig"),
        Group(id="row", parent="bank", exposure=-3.0),
        Light(id="lamp", parent="row", radius_m=0.0),
    )
    stops, tint, chain = linking.masters(scene, "lamp")
    assert (stops, tint, chain) == (-2.0, (1.0, 0.5, 1.0), ("row", "rig"))
    flat = flatten(scene, 1.0)
    lamp = next(row for row in flat.lights if flat.light_names[row["entity"]] == "lamp")
    np.testing.assert_allclose(lamp["emission"], np.array([25.0, 12.5, 25.0]), rtol=1e-6)


def test_what_hung_in_a_dissolved_group_stays_linked():
    scene = linking.link_only(stage(), ["l0"], ["props"])
    scene = linking.link(scene, ["l1"], ["set"], on=False, shadows=True)
    loose = edits.ungroup(scene, ["props", "set"])
    for shadows in (False, True):
        assert pairs(loose, shadows) == pairs(scene, shadows)
    assert not flatten(loose, 1.0).warnings or all("Links" not in told for told in flatten(loose, 1.0).warnings)
