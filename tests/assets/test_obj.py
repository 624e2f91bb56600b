"""Wavefront .obj and .mtl files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from studio.assets.load import load_scene
from studio.assets.polygons import Triangulator
from studio.assets.report import LoadReport, Notes
from studio.errors import BadAsset
from studio.scene.entities import MeshObject
from studio.scene.materials import Material
from studio.scene.scene import Scene

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


def loaded(text: str, folder: Path, *, mtl: str = "", strict: bool = False) -> tuple[Scene, LoadReport]:
    if mtl:
        (folder / "scene.mtl").write_text(mtl)
        text = "mtllib scene.mtl\n" + text
    (folder / "scene.obj").write_text(text)
    return load_scene(folder / "scene.obj", strict=strict)


def material(lines: str, folder: Path) -> Material:
    scene, _ = loaded(SQUARE + "usemtl a\nf 1 2 3\n", folder, mtl=f"newmtl a\n{lines}\n")
    return scene.materials["m0"]


def test_a_quad_is_two_triangles_with_v_running_down(tmp_path: Path) -> None:
    scene, report = loaded(SQUARE + "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nvn 0 0 2\nf 1/1/1 2/2/1 3/3/1 4/4/1\n", tmp_path)
    (mesh,) = scene.meshes.values()
    assert mesh.triangles.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert mesh.uv0 is not None and mesh.uv0.tolist() == [[0, 1], [1, 1], [1, 0], [0, 0]]
    assert mesh.normals is not None and mesh.normals.tolist() == [[0, 0, 1]] * 4
    assert report.read["triangle"] == 2


@pytest.mark.parametrize(
    "face", ["-4 -3 -2 -1", "1 2 3 4", "1// 2// 3// 4//", "1 2 \\\n3 4", "1/ 2/ 3/ 4/", "1 2 3 4 # quad"]
)
def test_faces_are_understood_however_they_are_written(tmp_path: Path, face: str) -> None:
    (mesh,) = loaded(SQUARE + f"f {face}\n", tmp_path)[0].meshes.values() if "#" not in face else (None,)
    if mesh is None:
        with pytest.raises(BadAsset):
            loaded(SQUARE + f"f {face}\n", tmp_path)
    else:
        assert mesh.positions[mesh.triangles].reshape(-1, 3)[:, :2].tolist() == [
            [0, 0],
            [1, 0],
            [1, 1],
            [0, 0],
            [1, 1],
            [0, 1],
        ]


def test_negative_numbers_count_back_from_where_they_stand(tmp_path: Path) -> None:
    text = "v 9 9 9\n" + SQUARE.replace("v ", "v ") + "f -4 -3 -2\nv 5 5 5\nf -1 -2 -3\n"
    (mesh,) = loaded(text, tmp_path)[0].meshes.values()
    corners = mesh.positions[mesh.triangles]
    assert corners[0].tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert corners[1].tolist() == [[5, 5, 5], [0, 1, 0], [1, 1, 0]]


def test_objects_are_entities_and_materials_their_parts(tmp_path: Path) -> None:
    text = SQUARE + "o one\nusemtl a\nf 1 2 3\nusemtl b\nf 1 3 4\nusemtl a\nf 2 3 4\no two\nf 1 2 4\n"
    scene, _ = loaded(text, tmp_path, mtl="newmtl a\nnewmtl b\n")
    one, two = scene.entities.values()
    assert isinstance(one, MeshObject) and isinstance(two, MeshObject)
    assert (one.name, one.materials, two.name, two.materials) == ("one", ("m0", "m1"), "two", ("m0",))
    assert scene.meshes[one.mesh].parts == (0, 2, 3)


def test_groups_are_parts(tmp_path: Path) -> None:
    (mesh,) = loaded(SQUARE + "g left\nf 1 2 3\ng right\nf 1 3 4\n", tmp_path)[0].meshes.values()
    assert mesh.parts == (0, 1, 2)


def test_smoothing_without_normals_gives_smooth_ones(tmp_path: Path) -> None:
    roof = "v 0 0 0\nv 0 0 1\nv 1 1 0\nv 1 1 1\nv 2 0 0\nv 2 0 1\n"
    faces = "f 1 2 4 3\nf 3 4 6 5\n"
    (faceted,) = loaded(roof + faces, tmp_path)[0].meshes.values()
    (smooth,) = loaded(roof + "s 1\n" + faces, tmp_path)[0].meshes.values()
    assert faceted.normals is None and smooth.normals is not None
    ridge = smooth.normals[smooth.positions[:, 1] == 1]
    assert np.allclose(ridge, [0, 1, 0], atol=1e-6)


def area(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    p = points[triangles]
    return np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]) / 2


@pytest.mark.parametrize(
    "outline",
    [
        [(0, 0), (4, 0), (4, 4), (2, 1)],
        [(2, 1), (0, 0), (4, 0), (4, 4)],
        [(0, 0), (4, 0), (4, 1), (1, 1), (1, 4), (0, 4)],
        [(0, 0), (5, 0), (5, 5), (4, 5), (4, 1), (3, 1), (3, 5), (2, 5), (2, 1), (1, 1), (1, 5), (0, 5)],
    ],
)
@pytest.mark.parametrize("plane", [0, 1, 2])
def test_concave_polygons_are_covered_exactly_once(outline: list[tuple[int, int]], plane: int) -> None:
    flat = np.array(outline, np.float32)
    points = np.insert(flat, plane, 7.0, axis=1).astype(np.float32)
    for turn in (points, points[::-1].copy()):
        rows = np.zeros((len(turn), 3), np.int32)
        rows[:, 0] = np.arange(1, len(turn) + 1)
        triangles = Triangulator(turn, Notes(), "test")(rows, np.array([len(turn)]))[:, :, 0] - 1
        areas = area(turn.astype(float), triangles)
        whole = area(turn.astype(float), np.array([[0, i, i + 1] for i in range(1, len(turn) - 1)])).sum(axis=0)
        assert len(triangles) == len(turn) - 2
        assert np.allclose(areas.sum(axis=0), whole)
        assert (areas @ whole >= 0).all()


def test_polygons_with_too_many_corners_to_cut_are_fanned_and_said() -> None:
    angle = np.linspace(0, 2 * np.pi, 4000, endpoint=False)
    radius = np.where(np.arange(4000) % 2, 1.0, 0.5)
    star = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], 1).astype(np.float32)
    rows = np.zeros((4000, 3), np.int32)
    rows[:, 0] = np.arange(1, 4001)
    notes = Notes()
    assert len(Triangulator(star, notes, "star.obj")(rows, np.array([4000]))) == 3998
    assert any("fans" in line for line in notes.report().warnings)


def test_vertex_colours_are_made_linear(tmp_path: Path) -> None:
    (mesh,) = loaded("v 0 0 0 1 0 0.5\nv 1 0 0 1 0 0.5\nv 0 1 0 1 0 0.5\nf 1 2 3\n", tmp_path)[0].meshes.values()
    assert mesh.colors is not None and mesh.colors[0].tolist() == pytest.approx([1, 0, 0.21404, 1], abs=1e-4)


def test_classic_materials_become_openpbr(tmp_path: Path) -> None:
    m = material("Kd 0.1 0.2 0.3\nKs 0.25 0.25 0.25\nNs 200\nNi 1.33\nd 0.5\nKe 4 2 0", tmp_path)
    assert m.base_color == (0.1, 0.2, 0.3) and m.specular_weight == 0.5 and m.specular_ior == 1.33
    assert m.specular_roughness == pytest.approx((2 / 202) ** 0.25)
    assert (m.geometry_opacity, m.alpha_mode) == (0.5, "blend")
    assert (m.emission_luminance, m.emission_color) == (4, (1, 0.5, 0))


def test_pbr_lines_of_materials_are_read(tmp_path: Path) -> None:
    m = material("Pr 0.4\nPm 0.9\nPc 0.5\nPcr 0.1\nPs 0.3\naniso 0.2\nanisor 0.25", tmp_path)
    assert (m.specular_roughness, m.base_metalness, m.coat_weight, m.coat_roughness) == (0.4, 0.9, 0.5, 0.1)
    assert (m.fuzz_weight, m.specular_roughness_anisotropy, m.specular_rotation_deg) == (0.3, 0.2, 90)


def test_glass_lets_light_through_and_tr_is_the_opposite_of_d(tmp_path: Path) -> None:
    glass = material("illum 7\nd 0.1\nNi 1.5", tmp_path)
    assert glass.transmission_weight == 0.9 and glass.geometry_opacity == 1
    assert material("Tr 0.25", tmp_path).geometry_opacity == 0.75
    assert material("illum 1", tmp_path).specular_weight == 0


def test_maps_are_read_with_their_options(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (2, 2), (10, 20, 30)).save(tmp_path / "a wood.png")
    lines = "map_Kd -s 2 4 1 -o 0.5 0 0 -clamp on a wood.png\nnorm a wood.png\nmap_Bump -bm 0.5 a wood.png\n"
    scene, _ = loaded(SQUARE + "vt 0 0\nusemtl a\nf 1/1 2/1 3/1\n", tmp_path, mtl="newmtl a\n" + lines)
    m = scene.materials["m0"]
    base = m.textures["base_color"]
    assert base.scale == (2, 4) and base.offset == (0.5, -3) and base.wrap_u == "clamp"
    assert scene.images[base.image].colour_space == "srgb"
    assert scene.images[m.textures["geometry_normal"].image].colour_space == "data"
    assert m.bump_scale == 0.005 and "bump" in m.textures
    (mesh,) = scene.meshes.values()
    assert mesh.tangents is not None


def test_a_missing_library_or_texture_is_a_warning_or_refused_when_strict(tmp_path: Path) -> None:
    text = "mtllib gone.mtl\n" + SQUARE + "usemtl a\nf 1 2 3\n"
    _, report = loaded(text, tmp_path)
    assert any("gone.mtl" in line for line in report.warnings)
    with pytest.raises(BadAsset, match=r"gone\.mtl"):
        loaded(text, tmp_path, strict=True)
    text = SQUARE + "usemtl a\nf 1 2 3\n"
    scene, report = loaded(text, tmp_path, mtl="newmtl a\nmap_Kd C:\\tex\\wood.png\n")
    assert scene.materials["m0"].textures["base_color"].image == "" and "magenta" in report.warnings[0]
    with pytest.raises(BadAsset, match=r"wood\.png"):
        loaded(text, tmp_path, mtl="newmtl a\nmap_Kd ../../wood.png\n", strict=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no faces"),
        ("v 0 0 0\n", "no faces"),
        (SQUARE + "f 1 2 9\n", "names vertex 9 of 4"),
        (SQUARE + "f 1 2 -9\n", "before the first"),
        (SQUARE + "f 0 1 2\n", "names vertex 0"),
        (SQUARE + "f 1/7 2/7 3/7\n", "names texture vertex 7 of 0"),
        (SQUARE + "f 1 two 3\n", "line 5"),
        ("v 0 zero 0\n" + SQUARE + "f 1 2 3\n", "line 6"),
        (SQUARE + "f 1 2 99999999999999999999\n", "line 5"),
        ("mtllib ../../etc/passwd\n" + SQUARE + "f 1 2 3\n", "folder"),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadAsset, match=told):
        loaded(text, tmp_path)


def test_vertices_that_are_no_numbers_lose_their_triangles(tmp_path: Path) -> None:
    scene, report = loaded(SQUARE + "v nan 0 0\nf 1 2 3\nf 1 2 5\n", tmp_path)
    (mesh,) = scene.meshes.values()
    assert len(mesh.triangles) == 1 and any("no number" in line for line in report.warnings)
