"""Flatten again: what did not change is the same object, so nothing is uploaded that is not new."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.scene import edits
from studio.scene.animation import make_curve
from studio.scene.entities import Camera, Group, MeshObject
from studio.scene.flatten import flatten
from studio.scene.lights import LINK_MODES, Light
from studio.scene.materials import Material
from tests.scene.rigs import bending_mesh, scene_of, square, studio_scene

SECTIONS = (
    "camera", "meshes", "instances", "instance_materials", "object_names", "materials", "slots", "material_names",
    "textures", "lights", "light_names", "light_groups", "light_links", "shadow_links", "portals", "light_ids",
    "warnings",
)  # fmt: skip


def rebuilt(before, after):
    return {name for name in SECTIONS if getattr(before, name) is not getattr(after, name)}


def edited(edit):
    scene = studio_scene()
    flat = flatten(scene, 1.0)
    return rebuilt(flat, flatten(edit(scene), 1.0, previous=flat))


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        (lambda s: s, set()),
        (lambda s: s.replace("key", intensity=5.0), {"lights"}),
        (lambda s: s.replace("key", locked=True), set()),
        (lambda s: s.replace("key", translation=(1.0, 2.0, 3.0)), {"lights"}),
        (lambda s: s.replace("rig", translation=(1.0, 2.0, 3.0)), {"lights"}),
        (lambda s: s.replace("key", muted=True), {"lights"}),
        (lambda s: s.replace("key", name="Key 2"), {"light_names"}),
        (lambda s: s.replace("key", group="a"), {"lights", "light_groups"}),
        (lambda s: s.replace("set", translation=(2.0, 0.0, 0.0)), {"instances", "lights"}),  # lights: a mesh glows
        (lambda s: s.replace("wall", translation=(2.0, 0.0, 0.0)), {"instances"}),
        (lambda s: s.replace("wall", visible_shadow=False), {"instances"}),
        (lambda s: s.replace("wall", name="Wall 2"), {"object_names"}),
        (lambda s: s.replace("wall", materials=("wood", "glow")),
         {"instance_materials", "lights", "light_names", "light_ids"}),
        (lambda s: s.replace("wood", specular_roughness=0.9), {"materials"}),
        (lambda s: s.replace("wood", name="Oak"), {"material_names"}),
        (lambda s: s.replace("wood", textures={}), {"materials", "slots", "textures"}),
        (lambda s: s.replace("glow", emission_luminance=9.0), {"materials", "lights"}),
        (lambda s: s.replace("camera", focal_length_mm=35.0), {"camera"}),
        (lambda s: s.replace("camera", translation=(0.0, 0.0, 9.0)), {"camera"}),
        (lambda s: s.replace("fill", solo=True), {"lights", "materials", "material_names", "instance_materials",
                                                   "light_names", "light_ids"}),
        (lambda s: s.add(Group(id="new")), set()),
        (lambda s: s.add(Light(id="new")), {"lights", "light_names", "light_ids"}),
        (lambda s: s.add(Light(id="new", light="portal", unit="nt")),
         {"lights", "light_names", "light_ids", "portals"}),
        (lambda s: s.replace("key", light_link_mode="except", light_links=("wall",)),
         {"instances", "light_links"}),
        (lambda s: s.replace("key", shadow_link_mode="only", shadow_links=("set",)), set()),  # which is all there is
        (lambda s: s.replace("key", shadow_link_mode="only", shadow_links=("wall",)),
         {"lights", "instances", "shadow_links"}),
        (lambda s: s.replace("rig", exposure=1.0), {"lights"}),
        (lambda s: s.replace("set", tint=(1.0, 0.5, 0.5)), {"lights", "materials", "material_names",
                                                           "instance_materials"}),
        (lambda s: s.add(Material(id="new")), {"materials", "material_names"}),
        (lambda s: edits.reorder(s, ["key"]), {"lights", "light_names", "light_ids"}),
        (lambda s: s.remove(["wall"]), {"meshes", "instances", "instance_materials", "object_names"}),
        (lambda s: s.replace("wall", visible=False), {"meshes", "instances", "instance_materials"}),
        (lambda s: s.replace("wall", scale=(0.0, 0.0, 0.0)), {"meshes", "instances", "instance_materials", "warnings"}),
    ],
)  # fmt: skip
def test_an_edit_rebuilds_only_what_it_touches(edit, changed):
    assert edited(edit) == changed


def test_the_same_scene_made_anew_rebuilds_nothing():
    flat = flatten(studio_scene(), 1.0)
    again = studio_scene()
    again = replace(again, meshes=flat.cache.objects.mesh_source, images=flat.cache.surfaces.images)
    assert rebuilt(flat, flatten(again, 2.0, previous=flat)) == set()


def test_meshes_at_rest_are_kept_when_others_come_and_go():
    scene = studio_scene()
    flat = flatten(scene, 1.0)
    mesh = square(3.0)
    more = flatten(scene.add(mesh, MeshObject(id="new", mesh=mesh.key)), 1.0, previous=flat)
    assert more.meshes[:2] == flat.meshes
    assert all(a is b for a, b in zip(more.meshes[:2], flat.meshes, strict=True))


def two_bodies():
    mesh = bending_mesh()
    bodies = [MeshObject(id=i, mesh=mesh.key, morph_weights=(1.0,)) for i in "ab"]
    return scene_of(mesh, *bodies, Camera(id="camera"), camera="camera")


def test_only_the_body_that_bends_gets_new_vertices():
    scene = two_bodies()
    flat = flatten(scene, 1.0)
    after = flatten(scene.replace("a", morph_weights=(0.5,)), 1.0, previous=flat)
    assert after.meshes[0] is not flat.meshes[0]
    assert after.meshes[1] is flat.meshes[1]
    assert rebuilt(flat, after) == {"meshes"}


def test_a_body_that_only_moves_keeps_its_vertices():
    scene = two_bodies()
    flat = flatten(scene, 1.0)
    assert rebuilt(flat, flatten(scene.replace("a", translation=(1.0, 0.0, 0.0)), 1.0, previous=flat)) == {"instances"}


def test_playing_back_still_parts_rebuilds_nothing_of_them():
    scene = studio_scene()
    scene = replace(
        scene, tracks={"key.intensity": make_curve([1, 10], [1, 10]), "set.scale": make_curve([1], [[1, 1, 1]])}
    )
    flat = flatten(scene, 1.0)
    later = flatten(scene, 5.0, previous=flat)
    assert rebuilt(flat, later) == {"lights"}
    assert rebuilt(later, flatten(scene, 5.0, previous=later)) == set()


def test_sections_cannot_be_written():
    flat = flatten(studio_scene(), 1.0)
    names = (
        "instances",
        "instance_materials",
        "materials",
        "slots",
        "lights",
        "light_links",
        "shadow_links",
        "portals",
    )
    for name in names:
        assert not getattr(flat, name).flags.writeable
    assert not flat.camera.open.flags.writeable


def test_a_flat_scene_travels_to_another_process_without_what_only_flatten_needs():
    flat = flatten(studio_scene(), 1.0)
    flat.meshes[0].cache["tracer.tree"] = object()
    sent = pickle.loads(pickle.dumps(flat))
    assert sent.cache is None
    assert sent.meshes[0].cache == {}
    assert sent.digest() == flat.digest()


def test_the_digest_tells_pictures_apart():
    scene = studio_scene()
    digest = flatten(scene, 1.0).digest()
    assert digest == flatten(studio_scene(), 7.0).digest()
    for field in ({"intensity": 5.0}, {"translation": (0.0, 0.0, 1.0)}, {"name": "other"}):
        assert flatten(scene.replace("key", **field), 1.0).digest() != digest
    bent = two_bodies()
    assert flatten(bent, 1.0).digest() != flatten(bent.replace("a", morph_weights=(0.5,)), 1.0).digest()


# any edit, in any order, must give what a flatten from nothing gives
LIGHTS, OBJECTS, GROUPS = ["key", "fill", "rim", "sun"], ["floor", "wall"], ["set", "rig"]
MODES = st.sampled_from(LINK_MODES)
LINKS = st.lists(st.sampled_from([*OBJECTS, *GROUPS, "gone"]), max_size=2).map(tuple)
number = st.floats(-3, 3).map(lambda x: round(x, 2))
EDITS = st.one_of(
    st.tuples(st.just("replace"), st.sampled_from(LIGHTS), st.fixed_dictionaries({"intensity": st.floats(0, 10)})),
    st.tuples(
        st.just("replace"), st.sampled_from(LIGHTS), st.fixed_dictionaries({"group": st.sampled_from(["", "a", "b"])})
    ),
    st.tuples(
        st.just("replace"),
        st.sampled_from(LIGHTS + GROUPS),
        st.one_of(st.fixed_dictionaries({"muted": st.booleans()}), st.fixed_dictionaries({"solo": st.booleans()})),
    ),
    st.tuples(
        st.just("replace"),
        st.sampled_from(LIGHTS + OBJECTS + GROUPS),
        st.one_of(
            st.fixed_dictionaries({"translation": st.tuples(number, number, number)}),
            st.fixed_dictionaries({"scale": st.tuples(number, number, number)}),
            st.fixed_dictionaries({"visible": st.booleans()}),
        ),
    ),
    st.tuples(
        st.just("replace"),
        st.sampled_from(OBJECTS),
        st.fixed_dictionaries({"materials": st.tuples(*[st.sampled_from(["", "wood", "glow"])] * 2)}),
    ),
    st.tuples(
        st.just("replace"), st.just("glow"), st.fixed_dictionaries({"emission_luminance": st.sampled_from([0.0, 7.0])})
    ),
    st.tuples(
        st.just("replace"),
        st.sampled_from(LIGHTS),
        st.one_of(
            st.fixed_dictionaries({"light_link_mode": MODES, "light_links": LINKS}),
            st.fixed_dictionaries({"shadow_link_mode": MODES, "shadow_links": LINKS}),
        ),
    ),
    st.tuples(
        st.just("replace"),
        st.sampled_from(GROUPS),
        st.one_of(
            st.fixed_dictionaries({"exposure": st.sampled_from([0.0, 1.0, -1.0])}),
            st.fixed_dictionaries({"tint": st.sampled_from([(1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.5, 1.0, 2.0)])}),
        ),
    ),
    st.tuples(st.just("kind"), st.sampled_from(LIGHTS), st.sampled_from(["point", "portal", "dome"])),
    st.tuples(st.just("parent"), st.sampled_from(LIGHTS + OBJECTS), st.sampled_from(["", *GROUPS])),
    st.tuples(st.just("reorder"), st.sampled_from(LIGHTS + OBJECTS + GROUPS), st.none()),
    st.tuples(st.just("twin"), st.sampled_from(LIGHTS + OBJECTS), st.none()),
)


def applied(scene, edit):
    what, id_, more = edit
    if what == "replace":
        return scene.replace(id_, **more)
    if what == "kind":
        return edits.set_light_kind(scene, [id_], more)
    if what == "parent":
        return scene.reparent([id_], more, keep_world=False)
    return edits.reorder(scene, [id_]) if what == "reorder" else edits.duplicate(scene, [id_])[0]


@settings(max_examples=120, deadline=None)
@given(st.lists(st.lists(EDITS, min_size=1, max_size=3), min_size=1, max_size=6))
def test_flatten_upon_flatten_equals_flatten_from_nothing(rounds):
    scene = studio_scene()
    flat = flatten(scene, 1.0)
    for batch in rounds:
        for edit in batch:
            scene = applied(scene, edit)
        flat = flatten(scene, 1.0, previous=flat)
        fresh = flatten(scene, 1.0)
        for name in SECTIONS:
            mine, theirs = getattr(flat, name), getattr(fresh, name)
            if name == "camera":
                assert mine.same(theirs)
            elif name == "meshes":
                assert [d.mesh.key for d in mine] == [d.mesh.key for d in theirs]
            elif isinstance(mine, np.ndarray):
                assert mine.tobytes() == theirs.tobytes(), name
            else:
                assert mine == theirs, name
