"""What is uploaded when something changes, and above all what is not."""

from __future__ import annotations

import numpy as np
import pytest

from studio.scene.entities import MeshObject
from studio.scene.flatten import flatten
from studio.scene.geometry import Morph, make_image, make_mesh
from studio.scene.lights import LIGHT
from studio.scene.materials import Material, Texture
from studio.viewport import layouts
from studio.viewport.device import Device
from studio.viewport.drawlist import BLENDED, MASKED, OPAQUE, THROUGH, kinds_of
from studio.viewport.gpuscene import GpuScene
from tests.viewport.stages import ball, lamp, matte, room, scene_of, sheet, thing


def what(report: object) -> set[str]:
    return {name for name, _ in report.uploads}  # type: ignore[attr-defined]


@pytest.fixture
def gpu(device: Device):  # type: ignore[no-untyped-def]
    made = GpuScene(device)
    yield made
    made.release()


def test_the_first_sync_uploads_everything_and_the_second_nothing(gpu: GpuScene) -> None:
    scene = room(20)
    flat = flatten(scene, 1.0)
    first = gpu.sync(flat)
    assert {"meshes", "instances", "lights", "materials"} <= first.sections and first.meshes == 2
    again = gpu.sync(flatten(scene, 1.0, previous=flat))
    assert again.sections == frozenset() and again.bytes == 0 and again.uploads == ()


def test_moving_one_light_of_300_uploads_one_section_and_no_mesh(gpu: GpuScene) -> None:
    scene = room(300)
    flat = flatten(scene, 1.0)
    gpu.sync(flat)
    moved = flatten(scene.replace_each(["lamp 7"], translation=(0.1, 0.2, 0.3)), 1.0, previous=flat)
    report = gpu.sync(moved)
    assert report.sections == {"lights"} and report.meshes == report.textures == 0
    assert what(report) == {"lights_table", "lighting_table"}
    assert report.bytes < 300 * 640


def test_moving_an_object_uploads_matrices_and_neither_mesh_nor_draws(gpu: GpuScene) -> None:
    scene = room(10)
    flat = flatten(scene, 1.0)
    gpu.sync(flat)
    report = gpu.sync(flatten(scene.replace_each(["gold ball"], translation=(0.0, 0.0, 1.0)), 1.0, previous=flat))
    assert report.sections == {"instances"} and report.meshes == 0
    assert not what(report) & {"indices", "draws_table", "mesh", "materials_table"}


def test_a_slider_on_a_material_uploads_the_materials_alone(gpu: GpuScene) -> None:
    scene = room(10)
    flat = flatten(scene, 1.0)
    gpu.sync(flat)
    report = gpu.sync(flatten(scene.replace_each(["gold"], specular_roughness=0.7), 1.0, previous=flat))
    assert report.sections == {"materials"}
    assert what(report) <= {"materials_table", "lighting_table"}


def test_a_material_that_becomes_glass_is_drawn_anew(gpu: GpuScene) -> None:
    scene = room(10)
    flat = flatten(scene, 1.0)
    gpu.sync(flat)
    assert {b.coverage for b in gpu.batches} == {OPAQUE}
    report = gpu.sync(flatten(scene.replace_each(["gold"], transmission_weight=1.0), 1.0, previous=flat))
    assert "indices" in what(report) and THROUGH in {b.coverage for b in gpu.batches}


def test_a_pose_uploads_the_vertices_of_its_mesh_alone(gpu: GpuScene) -> None:
    base, other = sheet(), ball(0.3)
    up = Morph("up", np.array([2, 3], np.uint32), np.array([[0, 1, 0]] * 2, np.float32))
    mesh = make_mesh(base.positions, base.triangles, normals=base.normals, uv0=base.uv0, morphs=[up])
    scene = scene_of(
        mesh, other, matte(), thing("w", mesh, morph_weights=(0.1,)), thing("b", other), lamp("l", (0, 0, 2))
    )
    flat = flatten(scene, 1.0)
    gpu.sync(flat)
    report = gpu.sync(flatten(scene.replace_each(["w"], morph_weights=(0.5,)), 1.0, previous=flat))
    assert "meshes" in report.sections and report.meshes == 1
    assert [n for n, _ in report.uploads if n.startswith("mesh")] == ["mesh"]  # its layout stays
    assert "indices" not in what(report)


def test_an_object_that_goes_leaves_the_other_meshes_where_they_are(gpu: GpuScene) -> None:
    scene = room(10)
    flat = flatten(scene, 1.0)
    gpu.sync(flat)
    less = flatten(scene.replace_each(["floor"], visible=False), 1.0, previous=flat)
    report = gpu.sync(less)
    assert report.meshes == 0
    back = gpu.sync(flatten(scene, 1.0, previous=less))
    assert back.meshes == 1


def test_textures_are_uploaded_once_and_go_with_their_scene(gpu: GpuScene) -> None:
    rng = np.random.default_rng(1)
    images = [make_image(rng.integers(0, 255, (8 + i, 8, 3), dtype=np.uint8), name=f"i{i}") for i in range(3)]
    wall = sheet()
    materials = [matte(f"m{i}", textures={"base_color": Texture(image=image.key)}) for i, image in enumerate(images)]
    things = [thing(f"t{i}", wall, f"m{i}") for i in range(3)]
    scene = scene_of(wall, *images, *materials, *things)
    flat = flatten(scene, 1.0)
    assert gpu.sync(flat).textures == 3
    moved = flatten(scene.replace_each(["t0"], translation=(1.0, 0.0, 0.0)), 1.0, previous=flat)
    assert gpu.sync(moved).textures == 0
    fewer = scene_of(wall, images[0], materials[0], things[0])
    assert gpu.sync(flatten(fewer, 1.0)).textures == 0
    assert gpu.textures.places.shape[0] == 1


def test_instances_of_a_mesh_share_one_batch_and_single_meshes_another(gpu: GpuScene) -> None:
    shared, alone, second = ball(0.2), sheet(), sheet(parts=2)
    scene = scene_of(
        shared,
        alone,
        second,
        matte(),
        *(thing(f"b{i}", shared) for i in range(5)),
        thing("a", alone),
        MeshObject(id="c", name="c", mesh=second.key, materials=("grey", "grey")),
    )
    gpu.sync(flatten(scene, 1.0))
    assert sorted(b.instances for b in gpu.batches) == [1, 5]
    joined = next(b for b in gpu.batches if b.instances == 1)
    assert joined.base == -1 and joined.count == 3 * (len(alone.triangles) + len(second.triangles))
    assert gpu.triangles == 5 * len(shared.triangles) + 4


def test_coverage_follows_alpha_and_transmission() -> None:
    wall = sheet()
    kinds = {
        "solid": (Material(id="m solid"), OPAQUE),
        "fading": (Material(id="m fading", geometry_opacity=0.5), BLENDED),
        "told opaque": (Material(id="m told opaque", geometry_opacity=0.5, alpha_mode="opaque"), OPAQUE),
        "cut": (Material(id="m cut", geometry_opacity=0.5, alpha_mode="mask"), MASKED),
        "glass": (Material(id="m glass", transmission_weight=0.5), THROUGH),
    }
    things = (thing(name, wall, material.id) for name, (material, _) in kinds.items())
    flat = flatten(scene_of(wall, *(material for material, _ in kinds.values()), *things), 1.0)
    expected = dict(zip(flat.object_names, (coverage for _, coverage in kinds.values())))
    worn = flat.instance_materials[flat.instances["material_start"]]
    found = {flat.object_names[k]: c for k, c in zip(flat.instances["object"], kinds_of(flat)[2][worn].tolist())}
    assert found == expected


def test_tables_read_back_what_the_layouts_say() -> None:
    rows = np.zeros(3, LIGHT)
    rows["kind"] = [0, 1, 2]
    rows["emission"] = np.arange(9).reshape(3, 3)
    words = layouts.as_words(rows)
    assert words.shape[1] % 4 == 0
    first = LIGHT.fields["emission"][1] // 4  # type: ignore[index]
    assert words[:, first : first + 3].view(np.float32).tolist() == rows["emission"].tolist()
    text = layouts.generated()
    for name in LIGHT.names or ():
        assert f" {name};" in text


def test_many_meshes_come_and_go_without_growing_for_ever(gpu: GpuScene) -> None:
    most = 0
    for turn in range(12):
        mesh = ball(0.5 + 0.01 * turn, rows=60, columns=120)
        gpu.sync(flatten(scene_of(mesh, matte(), thing("b", mesh)), 1.0))
        most = max(most, gpu.meshes.bytes)
        assert len(gpu.meshes.placed) == 1
    assert most < 14 * 61 * 121 * 56
