"""Writing glTF: what goes out comes back, in glTF's own words where it has them, in extras where it has none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from studio.assets.gltf.plain_motion import plain_motion
from studio.assets.gltf.writer import save_gltf
from studio.assets.ies import load_profile
from studio.assets.load import load_scene
from studio.assets.report import Notes
from studio.errors import CannotWrite, UsageError
from studio.scene import edits, rigs, scatter
from studio.scene.animation import make_curve
from studio.scene.clips import Clip, Strip
from studio.scene.document import Document
from studio.scene.entities import Camera, Constraint, Entity, Group, MeshObject
from studio.scene.entities import Path as Curved
from studio.scene.geometry import Morph, make_image, make_mesh
from studio.scene.insert import insert
from studio.scene.keyed_edit import posed
from studio.scene.keying import set_key
from studio.scene.lights import Light
from studio.scene.materials import Material, Texture
from studio.scene.scene import Scene
from studio.scene.timeline import Bookmark, Cut, Marker, Timeline
from tests.assets.everything import everything
from tests.assets.gltf_maker import QUAD, QUAD_UV
from tests.assets.ies_maker import lobe, made

F = np.float32


def scene_of(*entities: Entity, **parts: object) -> Scene:
    return replace(Scene(entities={e.id: e for e in entities}), **parts)


def back(scene: Scene, folder: Path, suffix: str = ".glb") -> Scene:
    save_gltf(scene, folder / f"out{suffix}")
    return load_scene(folder / f"out{suffix}")[0]


def document(folder: Path) -> dict[str, object]:
    data = (folder / "out.glb").read_bytes()
    return json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])


def plain(entity: Entity, ids: dict[str, str]) -> Entity:
    """The entity with links renamed, for comparing scenes whose ids differ."""
    changes: dict[str, object] = {"id": ids[entity.id], "parent": ids.get(entity.parent, "")}
    if isinstance(entity, MeshObject):
        changes["materials"] = ()
        changes["joints"] = tuple(ids[joint] for joint in entity.joints)
        changes["skin"] = "s" if entity.skin else ""
    return msgspec.structs.replace(entity, **changes)


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_a_scene_of_everything_comes_back_the_same(tmp_path: Path, suffix: str) -> None:
    scene, _ = load_scene(everything().save(tmp_path))
    again = back(scene, tmp_path, suffix)
    assert set(again.meshes) == set(scene.meshes) and set(again.images) == set(scene.images)
    assert list(again.materials.values()) == list(scene.materials.values())
    names = {key: str(row) for row, key in enumerate(scene.entities)}
    names_again = {key: str(row) for row, key in enumerate(again.entities)}
    for one, two in zip(scene.entities.values(), again.entities.values(), strict=True):
        a, b = plain(one, names), plain(two, names_again)
        for field in a.__struct_fields__:
            x, y = getattr(a, field), getattr(b, field)
            assert x == y or np.allclose(x, y, atol=1e-12), (field, x, y)
    assert len(again.tracks) == len(scene.tracks)
    for one_curve, two_curve in zip(scene.tracks.values(), again.tracks.values(), strict=True):
        assert np.allclose(one_curve.values, two_curve.values) and np.allclose(one_curve.times, two_curve.times)
        assert one_curve.interpolation == two_curve.interpolation
    assert again.skins.keys() == scene.skins.keys()
    assert (again.fps, again.frame_start, again.frame_end, again.name) == (24, 0, 24, scene.name)


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    scene, _ = load_scene(everything().save(tmp_path))
    save_gltf(scene, tmp_path / "a.glb")
    save_gltf(load_scene(tmp_path / "a.glb")[0], tmp_path / "b.glb")
    assert load_scene(tmp_path / "b.glb")[0].meshes.keys() == scene.meshes.keys()


LIGHTS = [
    Light(id="a", name="lamp", intensity=40, color=(1, 0.5, 0.25), radius_m=0, unit="cd"),
    Light(id="a", light="point", intensity=800, unit="lm", radius_m=0.05, use_temperature=True, temperature_k=2700),
    Light(id="a", light="spot", intensity=9, unit="cd", exposure=2, inner_cone_deg=5, outer_cone_deg=30, radius_m=0),
    Light(id="a", light="distant", intensity=1000, unit="lx", angle_deg=0.53),
    Light(id="a", light="rectangle", intensity=500, unit="lm", width_m=2, height_m=0.5, two_sided=True, group="key"),
    Light(id="a", light="disk", intensity=30, unit="nt", radius_m=0.4, muted=True),
    Light(id="a", light="sphere", intensity=30, unit="nt", seen_by_camera=False, diffuse_gain=0.5),
    Light(id="a", light="cylinder", intensity=30, unit="nt", length_m=1.5),
    Light(id="a", light="dome", intensity=2, unit="nt", rotation=(0, 1, 0, 0)),
]


@pytest.mark.parametrize("light", LIGHTS, ids=lambda light: f"{light.light}-{light.unit}")
def test_every_light_comes_back(tmp_path: Path, light: Light) -> None:
    (got,) = back(scene_of(light), tmp_path).entities.values()
    assert msgspec.structs.replace(got, id="a", name=light.name) == light


def test_what_shapes_and_links_a_light_comes_back(tmp_path: Path) -> None:
    profile = load_profile(made(lobe), "washer").image
    gobo = make_image(np.full((2, 2, 3), 9, np.uint8), name="leaves")
    mesh = make_mesh(QUAD, [[0, 1, 2]])
    scene = Scene().add(
        profile,
        gobo,
        mesh,
        Group(id="rig", name="rig", exposure=1.5, tint=(1.0, 0.5, 0.25), rig=True),
        MeshObject(id="wall", name="wall", mesh=mesh.key),
        Light(
            id="key", name="key", parent="rig", light="spot", unit="W", ies=profile.key, gobo=gobo.key,
            barn_left_deg=20.0, shadow_color=(0.5, 0.0, 0.0), light_link_mode="except", light_links=("wall", "rig"),
        ),
        Light(id="window", name="window", light="portal", unit="nt", width_m=2.0),
    )  # fmt: skip
    read = back(scene, tmp_path)
    by_name = {entity.name: entity for entity in read.entities.values()}
    key, wanted = by_name["key"], scene.entities["key"]
    assert isinstance(key, Light)
    same = {"id": "key", "parent": "rig", "ies": profile.key, "gobo": gobo.key, "light_links": ("wall", "rig")}
    assert msgspec.structs.replace(key, **same) == wanted
    assert key.light_links == (by_name["wall"].id, by_name["rig"].id)
    np.testing.assert_array_equal(read.images[key.ies].pixels, profile.pixels)
    assert read.images[key.gobo].name == "leaves"
    assert by_name["rig"].exposure == 1.5 and by_name["rig"].rig
    assert by_name["window"].light == "portal"


def test_a_scatter_and_the_states_of_a_rig_speak_of_their_own_lights(tmp_path: Path) -> None:
    mesh = make_mesh(QUAD, [[0, 1, 2]])
    scene = Scene().add(
        mesh,
        MeshObject(id="wall", name="wall", mesh=mesh.key),
        Curved(id="rail", name="rail", points=(0.0, 0.0, 0.0, 1.0, 0.0, 0.0)),
        *[Light(id=id_, name=id_) for id_ in ("a", "b", "c")],
    )
    document = Document(scene)
    groups = {}
    for light, rule, source in (("a", "ring", ""), ("b", "surface", "wall"), ("c", "curve", "rail")):
        with document.edit("Scatter") as edit:
            groups[rule] = edit.apply(scatter.make, light, rule, source=source, count=3)
    with document.edit("Store") as edit:
        edit.apply(rigs.store_state, groups["ring"], rigs.rig_state(document.scene, groups["ring"], "A"))
    read = Document(back(document.scene, tmp_path))
    by_name = {entity.name: entity for entity in read.scene.entities.values()}
    ring, over, along = (by_name[groups[rule]] for rule in ("ring", "surface", "curve"))
    assert (ring.template, over.source) == (by_name["a"].id, by_name["wall"].id)
    assert all(isinstance(read.scene.entities[id_], Light) for id_ in (*ring.made, *over.made)) and len(over.made) == 3
    assert set(ring.states[0].values) == {ring.id, ring.template, *ring.made} and ring.states[0].groups == (ring.id,)
    assert (along.scatter, along.made) == ("none", ()), "a path is no node, so its lamps are lights like others"
    with read.edit("Import again") as edit:
        edit.apply(insert, read.scene)
    with read.edit("Edit") as edit:
        edit.apply(edits.set_field, [ring.id, over.id], "seed", 4)
    assert len([e for e in read.scene.entities.values() if isinstance(e, Light)]) == 2 * (3 + 9)


def test_point_lights_are_written_in_candela_for_other_programs(tmp_path: Path) -> None:
    back(scene_of(Light(id="a", intensity=4 * np.pi * 25, unit="lm", exposure=1, radius_m=0)), tmp_path)
    extension = document(tmp_path)["extensions"]["KHR_lights_punctual"]["lights"][0]
    assert extension["type"] == "point" and extension["intensity"] == pytest.approx(50)


def test_masters_and_mute_of_groups_reach_other_programs_and_come_back(tmp_path: Path) -> None:
    scene = scene_of(
        Group(id="g", name="g", exposure=1.0, tint=(1.0, 0.5, 1.0)),
        Light(id="a", name="a", parent="g", intensity=3.0, radius_m=0.0),
        Group(id="off", name="off", muted=True),
        Light(id="b", name="b", parent="off", intensity=3.0, radius_m=0.0),
    )
    read = {entity.name: entity for entity in back(scene, tmp_path).entities.values()}
    lights = document(tmp_path)["extensions"]["KHR_lights_punctual"]["lights"]
    assert (lights[0]["intensity"], lights[0]["color"], lights[1]["intensity"]) == (6.0, [1.0, 0.5, 1.0], 0.0)
    assert [(read[name].intensity, read[name].color) for name in "ab"] == [(3.0, (1.0, 1.0, 1.0))] * 2


def test_a_plain_light_needs_no_extras(tmp_path: Path) -> None:
    back(scene_of(LIGHTS[0]), tmp_path)
    assert "extras" not in document(tmp_path)["nodes"][0]


def test_a_dome_keeps_its_floating_point_image(tmp_path: Path) -> None:
    sky = make_image(np.random.default_rng(1).random((4, 8, 3), F) * 50, colour_space="linear", name="sky")
    dome = Light(id="a", light="dome", unit="nt", image=sky.key)
    again = back(scene_of(dome, images={sky.key: sky}), tmp_path)
    (got,) = again.entities.values()
    assert isinstance(got, Light) and got.image == sky.key and np.array_equal(again.images[sky.key].pixels, sky.pixels)


CAMERAS = [
    Camera(id="a"),
    Camera(id="a", focal_length_mm=85, f_stop=2.8, focus_distance_m=2, blades=7, shutter_close=0.5, shift_x=0.1),
    Camera(id="a", projection="orthographic", ortho_height_m=4, fit="vertical", exposure_ev=1.5),
]


@pytest.mark.parametrize("camera", CAMERAS, ids=("plain", "lens", "ortho"))
def test_every_camera_comes_back(tmp_path: Path, camera: Camera) -> None:
    again = back(scene_of(camera, camera="a"), tmp_path)
    (got,) = again.entities.values()
    assert again.camera == got.id
    for field in set(camera.__struct_fields__) - {"id", "name"}:
        wanted, value = getattr(camera, field), getattr(got, field)
        assert wanted == (pytest.approx(value, rel=1e-9) if isinstance(wanted, float) else value), field


def test_the_active_camera_is_the_one_that_was_active(tmp_path: Path) -> None:
    again = back(scene_of(Camera(id="a", name="first"), Camera(id="b", name="hero"), camera="b"), tmp_path)
    assert again.entities[again.camera].name == "hero"


def test_flags_shear_and_groups_come_back(tmp_path: Path) -> None:
    group = Group(id="g", name="set", muted=True, visible=False, shear=(0.5, 0, 0.1), scale=(1, 2, 3))
    child = Group(id="c", name="child", parent="g", locked=True, solo=True)
    one, two = back(scene_of(group, child), tmp_path).entities.values()
    assert isinstance(one, Group) and one.muted and not one.visible
    assert one.shear == pytest.approx(group.shear) and one.scale == pytest.approx(group.scale)
    assert isinstance(two, Group) and two.locked and two.solo and two.parent == one.id


TEXTURED = Texture(image="?", uv=1, offset=(0.1, 0.2), rotation_deg=30, scale=(2, 3), wrap_u="clamp", filter="nearest")
MATERIALS = [
    Material(id="m"),
    Material(id="m", base_color=(0.3, 0.2, 0.1), base_weight=0.5, base_metalness=1, specular_roughness=0.2),
    Material(id="m", specular_weight=0, base_diffuse_roughness=0.4, alpha_mode="opaque"),
    Material(id="m", specular_weight=1.5, specular_color=(1, 0.5, 0.2), specular_ior=1.8),
    Material(id="m", specular_roughness=0.5, specular_roughness_anisotropy=0.6, specular_rotation_deg=30),
    Material(id="m", transmission_weight=1, transmission_color=(1, 0.5, 0.2), transmission_depth=0.3),
    Material(id="m", transmission_weight=0.5, geometry_thin_walled=True, transmission_scatter=(0.1, 0.2, 0.3)),
    Material(id="m", transmission_weight=1, transmission_dispersion_scale=0.5),
    Material(id="m", coat_weight=1, coat_roughness=0.1, coat_color=(1, 0.9, 0.8)),
    Material(id="m", fuzz_weight=0.5, fuzz_color=(0.5, 0.4, 0.3), fuzz_roughness=0.7),
    Material(id="m", thin_film_weight=1, thin_film_thickness=0.35, thin_film_ior=1.6),
    Material(id="m", emission_luminance=500, emission_color=(1, 0.5, 0.2), double_sided=True, unlit=True),
    Material(id="m", geometry_opacity=0.5, alpha_mode="mask", alpha_cutoff=0.25, normal_scale=0.5, bump_scale=0.01),
    Material(id="m", textures={"base_color": TEXTURED, "emission_color": TEXTURED}, emission_luminance=3),
    Material(id="m", textures={"geometry_normal": TEXTURED}, normal_scale=2),
    Material(id="m", textures={"specular_roughness": msgspec.structs.replace(TEXTURED, channel="r", gain=0.5)}),
    Material(id="m", textures={"bump": TEXTURED, "specular_rotation": TEXTURED, "base_metalness": TEXTURED}),
    Material(id="m", base_metalness=0, textures={"specular_roughness": msgspec.structs.replace(TEXTURED, channel="g")}),
]


@pytest.mark.parametrize("material", MATERIALS, ids=range(len(MATERIALS)))
def test_every_material_comes_back(tmp_path: Path, material: Material) -> None:
    pixels = np.random.default_rng(2).integers(0, 255, (4, 4, 3), np.uint8)
    spaces = {name: make_image(pixels, colour_space=name) for name in ("srgb", "data")}
    textures = {
        slot: msgspec.structs.replace(t, image=spaces["srgb" if slot.endswith("color") else "data"].key)
        for slot, t in material.textures.items()
    }
    material = msgspec.structs.replace(material, textures=textures)
    images = {image.key: image for image in spaces.values()}
    again = back(scene_of(materials={"m": material}, images=images), tmp_path)
    got = again.materials["m0"]
    for field in material.__struct_fields__:
        wanted, value = getattr(material, field), getattr(got, field)
        if field == "textures":
            assert wanted.keys() == value.keys()
            for slot, texture in wanted.items():
                assert msgspec.structs.astuple(texture)[:3] == msgspec.structs.astuple(value[slot])[:3]
                assert value[slot].rotation_deg == pytest.approx(texture.rotation_deg)
                assert msgspec.structs.replace(value[slot], rotation_deg=texture.rotation_deg) == texture
        elif field != "id":
            assert np.allclose(wanted, value) if isinstance(wanted, float | tuple) else wanted == value, field


def test_a_material_that_gltf_can_say_needs_no_extras(tmp_path: Path) -> None:
    material = Material(
        id="m",
        base_color=(0.5, 0.4, 0.3),
        base_metalness=0.0,
        alpha_mode="opaque",
        specular_weight=0.5,
        emission_luminance=100.0,
        emission_color=(1.0, 0.5, 0.25),
    )
    back(scene_of(materials={"m": material}), tmp_path)
    assert "extras" not in document(tmp_path)["materials"][0]


def test_instances_are_written_once_and_materials_may_differ(tmp_path: Path) -> None:
    mesh = make_mesh(np.array(QUAD, F), np.array([[0, 1, 2], [0, 2, 3]]), uv0=np.array(QUAD_UV, F), parts=(0, 1, 2))
    people = [MeshObject(id=f"p{i}", mesh=mesh.key, materials=("a", "b") if i % 2 else ("b", "")) for i in range(4)]
    materials = {key: Material(id=key, name=key) for key in "ab"}
    again = back(scene_of(*people, meshes={mesh.key: mesh}, materials=materials), tmp_path)
    assert list(again.meshes) == [mesh.key]
    assert [e.materials for e in again.entities.values() if isinstance(e, MeshObject)] == [("m1", ""), ("m0", "m1")] * 2
    assert len(document(tmp_path)["accessors"]) == 4 and len(document(tmp_path)["meshes"]) == 2


def test_morphs_and_their_weights_come_back(tmp_path: Path) -> None:
    few = Morph("few", np.array([3], np.uint32), np.array([[0, 0, 1]], F))
    many = Morph("many", np.arange(9, dtype=np.uint32), np.ones((9, 3), F), np.full((9, 3), 0.5, F))
    mesh = make_mesh(np.random.default_rng(3).random((9, 3)), [[0, 1, 2], [3, 4, 5], [6, 7, 8]], morphs=(few, many))
    face = MeshObject(id="f", mesh=mesh.key, morph_weights=(0.25, 0.5))
    again = back(scene_of(face, meshes={mesh.key: mesh}), tmp_path)
    assert list(again.meshes) == [mesh.key]
    (got,) = again.entities.values()
    assert isinstance(got, MeshObject) and got.morph_weights == (0.25, 0.5)


def test_tracks_that_gltf_has_and_has_not_come_back(tmp_path: Path) -> None:
    handles = np.tile([[[1.0, 0.0]] * 3], (2, 1, 1))
    tracks = {
        "g.translation": make_curve([1, 5, 9], np.arange(9).reshape(3, 3)),
        "g.scale": make_curve([1, 5], np.ones((2, 3)), pre="loop"),
        "g.rotation": make_curve([2, 3], [[0, 0, 0, 1], [0, 0, 1, 0]], rotation=True),
        "l.intensity": make_curve([1, 20], [1.0, 5.0], interpolation="step"),
        "m.base_color": make_curve(
            [1, 2], np.zeros((2, 3)), interpolation="bezier", in_tangents=handles, out_tangents=handles
        ),
        "gone.intensity": make_curve([1], [1.0]),
    }
    parts = {"materials": {"m": Material(id="m")}, "tracks": tracks, "fps": 30.0, "frame_start": 3.0, "frame_end": 9.0}
    again = back(scene_of(Group(id="g"), Light(id="l"), **parts), tmp_path)
    assert (again.fps, again.frame_start, again.frame_end) == (30, 3, 9)
    assert set(again.tracks) == {"n0.translation", "n0.scale", "n0.rotation", "n1.intensity", "m0.base_color"}
    for name, curve in again.tracks.items():
        wanted = tracks[name.replace("n0", "g").replace("n1", "l").replace("m0", "m")]
        assert np.allclose(curve.times, wanted.times) and np.allclose(curve.values, wanted.values)
        assert (curve.interpolation, curve.pre, curve.rotation) == (wanted.interpolation, wanted.pre, wanted.rotation)


def test_what_the_format_cannot_hold_is_written_frame_by_frame_for_others(tmp_path: Path) -> None:
    scene = set_key(set_key(scene_of(Group(id="g")), "g", "rotation", 1.0, (0, 0, 0)), "g", "rotation", 9.0, (0, 90, 0))
    again = back(scene, tmp_path)
    assert again.tracks["n0.rotation"].euler and again.tracks["n0.rotation"].modes is not None
    said = document(tmp_path)
    sampler = said["animations"][0]["samplers"][0]
    assert sampler["interpolation"] == "LINEAR" and said["accessors"][sampler["output"]]["count"] == 9
    save_gltf(scene, tmp_path / "plain.gltf")
    text = json.loads((tmp_path / "plain.gltf").read_text())
    del text["scenes"][0]["extras"]
    (tmp_path / "plain.gltf").write_text(json.dumps(text))
    strange = load_scene(tmp_path / "plain.gltf")[0]
    for frame in (1.0, 3.0, 9.0):
        wanted, seen = (posed(s, frame).entities["n0"].rotation for s in (again, strange))
        assert seen == pytest.approx(wanted, abs=1e-6)


def test_clips_come_back_and_are_animations_for_others(tmp_path: Path) -> None:
    walk = {"g.translation": make_curve([0, 5], [[0, 0, 0], [1, 2, 3]]), "l.intensity": make_curve([0, 5], [1, 2])}
    run = {"g.translation": make_curve([0, 5], np.zeros((2, 3)), interpolation="bezier", modes=[2, 2])}
    scene = replace(
        scene_of(Group(id="g"), Light(id="l")),
        tracks={"g.scale": make_curve([1, 5], np.ones((2, 3)))},
        clips={
            "walk": Clip(id="walk", name="walk", end=5.0, tracks=walk),
            "run": Clip(id="run", name="run", end=5.0, tracks=run),
        },
    )
    again = back(scene, tmp_path)
    assert [a["name"] for a in document(tmp_path)["animations"]] == ["scene", "walk", "run"]
    assert list(again.tracks) == ["n0.scale"] and not again.strips
    assert [(c.id, c.name, c.end, set(c.tracks)) for c in again.clips.values()] == [
        ("walk", "walk", 5.0, {"n0.translation", "n1.intensity"}),
        ("run", "run", 5.0, {"n0.translation"}),
    ]
    assert again.clips["run"].tracks["n0.translation"].interpolation == "bezier"


# --- what glTF does not know -----------------------------------------------------------------------------------------
def ride(**rule: object) -> Scene:
    """A box below a turned group that follows a path over frames 1 to 25, watched by a camera, with a cone on it."""
    path = Curved(id="p", name="rail", points=(0, 0, 0, 2, 1, 0, 4, 0, 3), translation=(1, 0, 0))
    follow = Constraint(id="k", parent="b", constraint="follow_path", target="p", turn=True, **rule)
    watch = Constraint(id="w", parent="c", constraint="look_at", target="b")
    parts = (
        Group(id="g", name="set", rotation=(0, 0.6, 0, 0.8), scale=(2, 2, 2)),
        Group(id="b", name="box", parent="g"),
    )
    cone, camera = Group(id="cone", name="cone", parent="b", translation=(0, 1, 0)), Camera(id="c", name="eye")
    tracks = {"k.progress": make_curve([1, 25], [0.0, 1.0])}
    return scene_of(path, *parts, follow, cone, camera, watch, tracks=tracks, frame_start=1.0, frame_end=25.0)


def worlds(scene: Scene, frame: float) -> dict[str, np.ndarray]:
    shown = posed(scene, frame)
    return {e.name: shown.world_matrices()[id_] for id_, e in shown.entities.items() if e.name}


def test_what_follows_a_path_stands_where_it_stood_when_read_back(tmp_path: Path) -> None:
    scene = ride()
    report = save_gltf(scene, tmp_path / "out.glb")
    again = load_scene(tmp_path / "out.glb")[0]
    assert not any(isinstance(e, Constraint) for e in again.entities.values()) and len(again.entities) == 5
    for frame in (1.0, 10.0, 25.0):
        was, now = worlds(scene, frame), worlds(again, frame)
        for name in ("box", "cone", "eye"):
            assert np.allclose(now[name], was[name], atol=1e-5), (frame, name)
    assert not np.allclose(worlds(again, 1.0)["box"], worlds(again, 25.0)["box"], atol=0.1)
    told = " ".join((*report.mapped, *report.dropped))
    assert 'What constraints do to "box", "eye" is written as keys of frames 1 to 25' in told and '"rail"' in told
    assert scene.tracks.keys() == {"k.progress"} and "k" in scene.entities  # the scene itself is as it was


def test_other_programs_find_the_keys_in_the_animation(tmp_path: Path) -> None:
    save_gltf(ride(), tmp_path / "out.glb")
    said = document(tmp_path)
    moved = {said["nodes"][c["target"]["node"]]["name"] for c in said["animations"][0]["channels"]}
    assert moved == {"box", "eye"}
    assert {said["accessors"][s["input"]]["count"] for s in said["animations"][0]["samplers"]} == {25}


def test_a_rule_that_moves_nothing_leaves_values_and_no_keys(tmp_path: Path) -> None:
    scene = replace(ride(progress=0.5), tracks={})
    again = back(scene, tmp_path)
    assert not again.tracks and "animations" not in document(tmp_path)
    assert np.allclose(worlds(again, 1.0)["eye"], worlds(scene, 1.0)["eye"], atol=1e-6)


def test_what_hangs_below_a_rule_stays(tmp_path: Path) -> None:
    scene = ride().add(Group(id="odd", name="odd", parent="k", translation=(0, 0, 1)))
    again = back(scene, tmp_path)
    for frame in (1.0, 13.0):
        assert np.allclose(worlds(again, frame)["odd"], worlds(scene, frame)["odd"], atol=1e-5)


@pytest.mark.parametrize("mix", ["replace", "add"])
def test_strips_are_written_as_keys_of_what_is_seen(tmp_path: Path, mix: str) -> None:
    handles = np.zeros((2, 3, 2))
    curve = make_curve(
        [0, 8], [[0, 0, 0], [1, 2, 3]], interpolation="bezier", in_tangents=handles, out_tangents=handles
    )
    turn = make_curve([0, 8], [[0, 0, 0], [0, 300, 0]], euler=True)
    clip = Clip(id="walk", name="walk", end=8.0, tracks={"g.translation": curve, "g.rotation": turn})
    strip = Strip(id="s", clip="walk", start=3.5, clip_out=8.0, weight=0.5, mix=mix, blend_in=2.0)
    own = {"g.translation": make_curve([1, 20], [[5, 0, 0], [6, 0, 0]]), "g.scale[1]": make_curve([1, 9], [1, 2])}
    group = Group(id="g", name="walker")
    scene = scene_of(group, tracks=own, clips={"walk": clip}, strips={"s": strip}, frame_start=1.0, frame_end=20.0)
    report = save_gltf(scene, tmp_path / "out.glb")
    again = load_scene(tmp_path / "out.glb")[0]
    assert not again.strips and set(again.clips) == {"walk"}
    for frame in (1.0, 5.0, 8.0, 11.0, 20.0):
        assert np.allclose(worlds(again, frame)["walker"], worlds(scene, frame)["walker"], atol=1e-5), frame
    assert any("What strips play is written as keys of frames 1 to 20" in told for told in report.mapped)


def test_a_scene_of_one_frame_is_written_over_its_strips(tmp_path: Path) -> None:
    clip = Clip(id="c", end=5.0, tracks={"g.translation": make_curve([0, 5], [[0, 0, 0], [1, 0, 0]])})
    strip = Strip(id="s", clip="c", start=3.0, clip_out=5.0)
    again = back(scene_of(Group(id="g"), clips={"c": clip}, strips={"s": strip}), tmp_path)
    assert posed(again, 5.5).entities["n0"].translation == pytest.approx((0.5, 0, 0), abs=1e-6)


def test_the_timeline_is_left_out_and_named(tmp_path: Path) -> None:
    timeline = Timeline(
        markers=(Marker(frame=1.0), Marker(frame=2.0)),
        cuts=(Cut(frame=1.0, camera="c"), Cut(frame=3.0, camera="c")),
        bookmarks=(Bookmark(name="here", translation=(0, 0, 0), rotation=(0, 0, 0, 1)),),
    )
    report = save_gltf(scene_of(Camera(id="c"), timeline=timeline), tmp_path / "out.glb")
    assert report.dropped == (
        "The timeline is left out, which glTF does not have: 2 markers, 2 cuts between cameras, 1 bookmark.",
    )


def test_a_scene_of_plain_keys_is_written_as_it_is(tmp_path: Path) -> None:
    scene, _ = load_scene(everything().save(tmp_path))
    notes = Notes()
    assert plain_motion(scene, notes) is scene and notes.report().sentences() == ["Read an empty scene."]


def test_an_empty_scene_is_a_valid_file(tmp_path: Path) -> None:
    assert not back(Scene(), tmp_path).entities


def test_pygltflib_reads_what_we_write(tmp_path: Path) -> None:
    pygltflib = pytest.importorskip("pygltflib")
    save_gltf(load_scene(everything().save(tmp_path))[0], tmp_path / "out.glb")
    read = pygltflib.GLTF2().load(str(tmp_path / "out.glb"))
    views = [view.byteOffset + view.byteLength <= read.buffers[0].byteLength for view in read.bufferViews]
    assert all(views) and all(view.byteOffset % 4 == 0 for view in read.bufferViews)
    assert set(read.extensionsUsed) >= {"KHR_lights_punctual", "KHR_materials_clearcoat", "KHR_texture_transform"}


def test_what_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.glb"):
        save_gltf(Scene(), tmp_path / "scene.fbx")
    with pytest.raises(CannotWrite, match="cannot be written"):
        save_gltf(Scene(), tmp_path / "none" / "scene.glb")
    assert not list(tmp_path.iterdir())
