"""Flatten: what a renderer gets of a scene."""

from __future__ import annotations

import numpy as np
import pytest

from studio.errors import BadAsset
from studio.scene.animation import make_curve
from studio.scene.entities import Camera, Group, MeshObject
from studio.scene.flatten import CASTS_SHADOWS, MOVES, SEEN_BY_CAMERA, SEEN_IN_REFLECTIONS, flatten
from studio.scene.geometry import Mesh
from studio.scene.lights import KINDS, Light
from studio.scene.materials import OFFSET, Material, Texture
from studio.scene.scene import Scene
from tests.scene.rigs import SQUARE, TWO, bending_mesh, scene_of, square, studio_scene

EVERYWHERE = SEEN_BY_CAMERA | SEEN_IN_REFLECTIONS | CASTS_SHADOWS


def names(flat):
    return [flat.light_names[i] for i in flat.lights["entity"]]


def test_instances_stand_where_their_tree_has_them():
    flat = flatten(studio_scene(), 1.0)
    assert [flat.object_names[i] for i in flat.instances["object"]] == ["Floor", "Wall"]
    np.testing.assert_array_equal(flat.instances["open"][:, :, 3], [[1, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(flat.instances["open"], flat.instances["close"])
    assert (flat.instances["flags"] == EVERYWHERE).all()
    assert flat.warnings == ()


def test_objects_share_meshes_and_runs_of_materials():
    mesh = square()
    objects = [MeshObject(id=f"o{i}", mesh=mesh.key, materials=("red",)) for i in range(5)]
    flat = flatten(scene_of(mesh, Material(id="red", name="Red"), *objects), 1.0)
    assert len(flat.meshes) == 1
    assert flat.instance_materials.tolist() == [1, 0]  # a part without a material wears the default
    assert set(flat.instances["material_start"].tolist()) == {0}
    assert flat.material_names == ("default", "Red")


def test_flags_follow_visibility():
    mesh = square()
    seen = MeshObject(id="a", mesh=mesh.key, visible_camera=False)
    hidden = MeshObject(id="b", mesh=mesh.key, parent="g")
    flat = flatten(scene_of(mesh, seen, Group(id="g", visible=False), hidden), 1.0)
    assert flat.instances["flags"].tolist() == [SEEN_IN_REFLECTIONS | CASTS_SHADOWS]
    assert flat.object_names == ("a", "b")


def test_lights_come_in_order_then_emissive_parts():
    flat = flatten(studio_scene(), 1.0)
    assert names(flat) == ["Key", "Fill", "Rim", "Sun", "Floor"]
    mesh_light = flat.lights[-1]
    assert mesh_light["kind"] == KINDS["mesh"]
    assert (mesh_light["instance"], mesh_light["part"]) == (0, 1)
    assert mesh_light["emission"].tolist() == [50.0, 50.0, 50.0]
    assert flat.light_groups == ("", "fills", "keys")
    assert [flat.light_groups[g] for g in flat.lights["group"]] == ["keys", "fills", "", "", ""]


def test_every_emissive_part_of_every_instance_is_a_light():
    rng = np.random.default_rng(5)
    mesh = square()
    objects = [
        MeshObject(id=f"o{i}", mesh=mesh.key, materials=tuple(rng.choice(["", "dull", "a", "b"], 2).tolist()))
        for i in range(40)
    ]
    materials = [Material(id="dull"), *(Material(id=m, emission_luminance=1.0) for m in "ab")]
    flat = flatten(scene_of(mesh, *materials, *objects), 1.0)
    expected = [(i, p) for i, o in enumerate(objects) for p, m in enumerate(o.materials) if m in ("a", "b")]
    rows = flat.lights
    assert list(zip(rows["instance"].tolist(), rows["part"].tolist(), strict=True)) == expected
    assert names(flat) == [f"o{i}" for i, _ in expected]


def test_a_mesh_light_names_its_emission_texture():
    scene = studio_scene()
    key = next(iter(scene.images))
    glow = Material(id="glow", emission_luminance=5.0, textures={"emission_color": Texture(image=key)})
    flat = flatten(scene_of(*scene.entities.values(), *scene.meshes.values(), *scene.images.values(), glow,
                            Material(id="wood")), 1.0)  # fmt: skip
    assert flat.lights[-1]["image"] == 0
    assert flat.textures[0].key == key


def test_lights_are_rigid_whatever_is_above_them():
    lamp = Light(id="l", parent="g", translation=(1.0, 0.0, 0.0))
    flat = flatten(scene_of(Group(id="g", scale=(3.0, -2.0, 1.0)), lamp), 1.0)
    np.testing.assert_allclose(np.linalg.det(flat.lights["open"][0][:, :3]), 1.0, rtol=1e-6)
    np.testing.assert_allclose(flat.lights["open"][0][:, 3], [3, 0, 0])


def test_mute_silences_a_light_and_all_below_a_group():
    scene = studio_scene()
    assert names(flatten(scene.replace("key", muted=True), 1.0)) == ["Fill", "Rim", "Sun", "Floor"]
    assert names(flatten(scene.replace("rig", muted=True), 1.0)) == ["Rim", "Sun", "Floor"]


def test_any_solo_silences_all_that_are_not_emissive_meshes_too():
    scene = studio_scene()
    flat = flatten(scene.replace("rig", solo=True), 1.0)
    assert names(flat) == ["Key", "Fill"]
    glow = flat.instance_materials[1]
    assert flat.material_names[glow] == "Glow"
    assert flat.materials[glow, OFFSET["emission"]] == 0
    assert names(flatten(scene.replace("set", solo=True), 1.0)) == ["Floor"]
    assert names(flatten(scene.replace(["rig", "fill"], muted=True).replace("fill", solo=True), 1.0)) == []


def test_a_hidden_group_hides_lights_too():
    assert names(flatten(studio_scene().replace(["rig", "set"], visible=False), 1.0)) == ["Rim", "Sun"]


def test_the_camera_is_resolved_with_its_lens():
    camera = Camera(id="c", name="A cam", focal_length_mm=50.0, f_stop=2.0, focus_distance_m=3.0, shift_x=0.1,
                    blades=6, translation=(0.0, 0.0, 4.0), scale=(2.0, 2.0, 2.0))  # fmt: skip
    flat = flatten(scene_of(camera, camera="c"), 1.0).camera
    assert flat.name == "A cam"
    assert flat.half_width == pytest.approx(0.36)
    assert flat.lens_radius_m == pytest.approx(0.0125)
    np.testing.assert_allclose(flat.open, np.add(np.eye(3, 4), [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 4]]))
    assert flat.half_extents(200, 100) == pytest.approx((0.36, 0.18))


def test_an_orthographic_camera_spans_its_height():
    flat = flatten(scene_of(Camera(id="c", projection="orthographic", ortho_height_m=3.0), camera="c"), 1.0).camera
    assert flat.orthographic
    assert flat.half_extents(200, 100) == pytest.approx((3.0, 1.5))


def test_a_camera_may_be_asked_for_by_id_or_name_and_an_unknown_one_is_refused():
    scene = scene_of(Camera(id="c", name="Wide"), Camera(id="d", name="Close"), camera="c")
    assert flatten(scene, 1.0, camera="d").camera.name == "Close"
    assert flatten(scene, 1.0, camera="Close").camera.name == "Close"
    with pytest.raises(BadAsset, match='"Wide", "Close"'):
        flatten(scene, 1.0, camera="Nowhere")


def test_without_a_camera_the_scene_is_framed_and_said():
    scene = studio_scene().remove(["camera"])
    flat = flatten(scene, 1.0)
    assert any("camera" in w for w in flat.warnings)
    corners = np.concatenate(
        [d.positions + m for d, m in zip(flat.meshes, flat.instances["open"][:, :, 3], strict=True)]
    )
    local = (corners - flat.camera.open[:, 3]) @ flat.camera.open[:, :3]
    wide, high = flat.camera.half_extents(1280, 720)
    assert (np.abs(local[:, 0] / -local[:, 2]) < wide).all()
    assert (np.abs(local[:, 1] / -local[:, 2]) < high).all()


def test_an_empty_scene_flattens_and_says_what_is_missing():
    flat = flatten(Scene(), 1.0)
    assert len(flat.instances) == len(flat.lights) == 0
    assert len(flat.warnings) == 2
    assert len(flat.digest()) == 32


@pytest.mark.parametrize(
    "broken",
    [
        {"scale": (0.0, 1.0, 1.0)},
        {"rotation": (0.0, 0.0, 0.0, 0.0)},
        {"translation": (float("nan"), 0.0, 0.0)},
        {"translation": (1e300, 0.0, 0.0)},
    ],
)
def test_what_has_a_broken_transform_is_left_out_and_named(broken):
    mesh = square()
    scene = scene_of(mesh, MeshObject(id="good", mesh=mesh.key), MeshObject(id="bad", mesh=mesh.key, **broken),
                     Light(id="lamp", parent="bad"))  # fmt: skip
    flat = flatten(scene, 1.0)
    assert [flat.object_names[i] for i in flat.instances["object"]] == ["good"]
    assert not len(flat.lights)
    assert any('"bad", "lamp"' in w for w in flat.warnings)
    assert np.isfinite(flat.instances["open"]).all()


def test_cycles_and_orphans_are_named():
    mesh = square()
    scene = Scene(
        entities={
            "a": Group(id="a", parent="b"),
            "b": Group(id="b", parent="a"),
            "below": MeshObject(id="below", parent="a", mesh=mesh.key),
            "lost": MeshObject(id="lost", parent="nobody", mesh=mesh.key),
        },
        meshes={mesh.key: mesh},
    )
    flat = flatten(scene, 1.0)
    assert [flat.object_names[i] for i in flat.instances["object"]] == ["lost"]
    assert any("below themselves" in w for w in flat.warnings)
    assert any('"lost"' in w for w in flat.warnings)


def test_meshes_that_cannot_be_drawn_are_left_out_and_named():
    bad = Mesh(key="bad", positions=SQUARE + np.float32(np.nan), triangles=TWO, parts=(0, 2))
    far = Mesh(key="far", positions=SQUARE, triangles=TWO + np.uint32(9), parts=(0, 2))
    scene = scene_of(bad, far, MeshObject(id="a", mesh="bad"), MeshObject(id="b", mesh="far"), MeshObject(id="c"))
    flat = flatten(scene, 1.0)
    assert not len(flat.instances)
    assert sum("Left out because it" in w for w in flat.warnings) == 3


def test_missing_images_and_materials_are_said():
    mesh = square()
    material = Material(id="m", textures={"base_color": Texture(image="gone")})
    flat = flatten(scene_of(mesh, material, MeshObject(id="o", mesh=mesh.key, materials=("m", "nothing"))), 1.0)
    assert flat.slots[0, 1] == -1
    assert any("magenta" in w and "gone" in w for w in flat.warnings)
    assert any('"nothing"' in w for w in flat.warnings)


def test_lights_that_cannot_shine_are_named():
    flat = flatten(scene_of(Light(id="l", name="Flat one", light="disk", unit="lm", radius_m=0.0)), 1.0)
    assert any("Flat one" in w for w in flat.warnings)


def test_only_images_in_use_become_textures():
    scene = studio_scene().replace("wood", textures={})
    assert flatten(scene, 1.0).textures == ()
    key = next(iter(scene.images))
    lit = scene.add(Light(id="dome", light="dome", unit="nt", image=key))
    flat = flatten(lit, 1.0)
    assert [t.key for t in flat.textures] == [key]
    assert flat.lights["image"].tolist() == [-1, -1, -1, -1, 0, -1]


# --- time ------------------------------------------------------------------------------------------------------------
def moving():
    scene = studio_scene().replace("camera", shutter_open=-0.25, shutter_close=0.25)
    tracks = {
        "set.translation": make_curve([0, 10], [[0, 0, 0], [10, 0, 0]]),
        "key.intensity": make_curve([0, 10], [0, 100]),
        "camera.translation[1]": make_curve([0, 10], [0, 20]),
        "glow.emission_luminance": make_curve([0, 10], [0, 10]),
        "rim.visible": make_curve([0, 5], [0, 1], interpolation="step"),
    }
    return scene_of(*scene.entities.values(), *scene.materials.values(), *scene.meshes.values(), *scene.images.values(),
                    camera="camera", tracks=tracks)  # fmt: skip


def test_animation_is_evaluated_at_the_frame_and_the_shutter():
    flat = flatten(moving(), 4.0)
    np.testing.assert_allclose(flat.instances["open"][0][:, 3], [3.75, 0, 0])
    np.testing.assert_allclose(flat.instances["close"][0][:, 3], [4.25, 0, 0])
    assert (flat.instances["flags"] & MOVES).all()
    assert flat.camera.open[1, 3] == pytest.approx(7.5)
    assert flat.camera.close[1, 3] == pytest.approx(8.5)
    assert flat.camera.shutter == (-0.25, 0.25)
    assert flat.lights[0]["emission"][0] == pytest.approx(40.0)
    assert flat.lights[-1]["emission"][0] == pytest.approx(4.0)
    assert "Rim" not in names(flat)
    assert "Rim" in names(flatten(moving(), 5.0))


def test_a_closed_shutter_makes_nothing_move():
    flat = flatten(moving().replace("camera", shutter_open=0.0, shutter_close=0.0), 4.0)
    assert not (flat.instances["flags"] & MOVES).any()


def test_a_frame_alone_equals_the_frame_of_a_sequence():
    scene = moving()
    flat = None
    for frame in (1.0, 2.0, 7.0, 4.0):
        flat = flatten(scene, frame, previous=flat)
        assert flat.digest() == flatten(scene, frame).digest()


def test_tracks_that_fit_nothing_are_named():
    tracks = {
        "gone.intensity": make_curve([0], [1]),
        "key.unit": make_curve([0], [1]),
        "key.color": make_curve([0], [1]),
    }
    flat = flatten(Scene(entities=studio_scene().entities, tracks=tracks), 1.0)
    assert any("gone.intensity" in w and "key.unit" in w and "key.color" in w for w in flat.warnings)


# --- deformation -----------------------------------------------------------------------------------------------------
def character(**more):
    mesh = bending_mesh()
    joints = [Group(id="root"), Group(id="tip", parent="root")]
    body = MeshObject(
        id="body", mesh=mesh.key, skin="rig", joints=("root", "tip"), translation=(50.0, 0.0, 0.0), **more
    )
    skins = {"rig": np.stack([np.eye(4, dtype=np.float32)] * 2)}
    return scene_of(mesh, *joints, body, skins=skins)


def test_a_skinned_object_ends_in_the_world_without_a_transform_of_its_own():
    flat = flatten(character().replace("tip", translation=(0.0, 2.0, 0.0)), 1.0)
    np.testing.assert_array_equal(flat.instances["open"][0], np.eye(3, 4))
    np.testing.assert_allclose(flat.meshes[0].positions, np.add(SQUARE, [[0, 0, 0], [0, 0, 0], [0, 2, 0], [0, 2, 0]]))


def test_a_joint_scaled_to_nothing_hides_its_part_and_no_more():
    flat = flatten(character().replace("tip", scale=(0.0, 0.0, 0.0)), 1.0)
    assert len(flat.instances) == 1
    assert not any("degenerate" in w for w in flat.warnings)
    np.testing.assert_allclose(flat.meshes[0].positions[2:], 0)


def test_a_moving_joint_moves_vertices_during_the_shutter():
    scene = character()
    tracks = {"tip.translation": make_curve([0, 1], [[0, 0, 0], [0, 1, 0]])}
    camera = Camera(id="c", shutter_close=0.5)
    scene = Scene(
        entities={**scene.entities, "c": camera}, meshes=scene.meshes, skins=scene.skins, tracks=tracks, camera="c"
    )
    flat = flatten(scene, 0.0)
    assert flat.instances["flags"][0] & MOVES
    np.testing.assert_allclose(flat.meshes[0].positions_close[2], [1, 1.5, 0])


@pytest.mark.parametrize("broken", [{"joints": ("root",)}, {"joints": ("root", "gone")}, {"skin": "gone"}])
def test_a_skin_that_does_not_fit_is_named(broken):
    flat = flatten(character().replace("body", **broken), 1.0)
    assert not len(flat.instances)
    assert any('"body"' in w for w in flat.warnings)


def test_objects_with_morphs_share_the_mesh_until_one_is_at_work():
    mesh = bending_mesh()
    scene = scene_of(mesh, *(MeshObject(id=f"o{i}", mesh=mesh.key, morph_weights=(0.0,)) for i in range(3)))
    assert len(flatten(scene, 1.0).meshes) == 1
    flat = flatten(scene.replace("o1", morph_weights=(1.0,)), 1.0)
    assert len(flat.meshes) == 2
    bent = flat.meshes[flat.instances["mesh"][1]]
    np.testing.assert_allclose(bent.positions[2], [1, 2, 0])
