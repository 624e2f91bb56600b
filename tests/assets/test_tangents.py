"""Tangents after MikkTSpace: directions, signs, splits and what has no texture space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.assets.load import load_scene
from studio.assets.tangents import mikktspace
from tests.assets.gltf_maker import QUAD, QUAD_INDICES, QUAD_UV, Maker

F = np.float32
TRIANGLES = np.array(QUAD_INDICES, np.uint32).reshape(-1, 3)
UP = np.array([[0, 0, 1]] * 4, F)


def test_a_quad_has_the_tangent_along_u_and_the_bitangent_up_the_image() -> None:
    rows, triangles, tangents = mikktspace(np.array(QUAD, F), UP, np.array(QUAD_UV, F), TRIANGLES)
    assert rows.tolist() == [0, 1, 2, 3] and triangles.tolist() == TRIANGLES.tolist()
    assert tangents.tolist() == [[1, 0, 0, 1]] * 4
    bitangent = np.cross(UP, tangents[:, :3]) * tangents[:, 3:]
    assert bitangent.tolist() == [[0, 1, 0]] * 4  # v runs down the image, and up is +y here


def test_a_mirrored_image_flips_the_sign() -> None:
    mirrored = np.array(QUAD_UV, F) * F([-1, 1])
    tangents = mikktspace(np.array(QUAD, F), UP, mirrored, TRIANGLES)[2]
    assert tangents.tolist() == [[-1, 0, 0, -1]] * 4


def test_a_seam_of_mirrored_halves_splits_its_vertices() -> None:
    positions = np.array([[-1, 0, 0], [0, 0, 0], [0, 1, 0], [-1, 1, 0], [1, 0, 0], [1, 1, 0]], F)
    uv = np.array([[1, 1], [0, 1], [0, 0], [1, 0], [1, 1], [1, 0]], F)
    triangles = np.array([[0, 1, 2], [0, 2, 3], [1, 4, 5], [1, 5, 2]], np.uint32)
    rows, split, tangents = mikktspace(positions, np.array([[0, 0, 1]] * 6, F), uv, triangles)
    assert sorted(rows.tolist()) == [0, 1, 1, 2, 2, 3, 4, 5]
    assert np.array_equal(positions[rows][split], positions[triangles])
    signs = {row: sorted(tangents[rows == row, 3].tolist()) for row in range(6)}
    assert signs[1] == signs[2] == [-1, 1] and signs[0] == [-1] and signs[4] == [1]


def test_the_sum_is_weighted_by_the_corner_angle() -> None:
    # two triangles at one corner: one of 90 degrees along +x, one of 45 degrees whose u runs along -y
    positions = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [-1, 1, 0]], F)
    uv = np.array([[0, 1], [1, 1], [0, 0], [-1, 1]], F)
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.uint32)
    _, split, tangents = mikktspace(positions, UP, uv, triangles)
    edges, texture = positions[3] - positions[0], positions[2] - positions[0]
    # second triangle: d(position) = a du + b dv', with v' = 1 - v up: (0,1,0) at (0,1), (-1,1,0) at (-1,0)
    second = -(edges - 0 * texture) / np.linalg.norm(edges)
    wanted = np.array([1, 0, 0]) * np.pi / 2 + second * np.pi / 4
    got = tangents[split[0, 0], :3]
    assert np.allclose(got, wanted / np.linalg.norm(wanted), atol=1e-6)


def test_without_texture_space_tangents_are_still_unit_and_across_the_normal() -> None:
    rng = np.random.default_rng(5)
    positions = rng.random((60, 3)).astype(F)
    normals = rng.normal(size=(60, 3))
    normals = (normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(F)
    triangles = rng.integers(0, 60, (80, 3)).astype(np.uint32)
    for uv in (np.zeros((60, 2), F), rng.random((60, 2)).astype(F)):
        rows, split, tangents = mikktspace(positions, normals, uv, triangles)
        assert np.allclose(np.linalg.norm(tangents[:, :3], axis=1), 1, atol=1e-5)
        assert np.allclose(np.einsum("ij,ij->i", tangents[:, :3], normals[rows]), 0, atol=1e-5)
        assert np.array_equal(rows[split], triangles) and set(np.unique(tangents[:, 3])) <= {-1.0, 1.0}


def test_a_sphere_has_tangents_along_its_parallels() -> None:
    u, v = np.meshgrid(np.linspace(0, 1, 33), np.linspace(0.1, 0.9, 17))
    phi, theta = 2 * np.pi * u, np.pi * v
    p = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], -1).reshape(-1, 3)
    i = np.arange(33 * 17).reshape(17, 33)
    a, b, c, d = i[:-1, :-1], i[:-1, 1:], i[1:, 1:], i[1:, :-1]
    triangles = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, d, c), (a, c, b))]).astype(np.uint32)
    uv = np.stack([u, v], -1).reshape(-1, 2)
    rows, _, tangents = mikktspace(p.astype(F), p.astype(F), uv.astype(F), triangles)
    angle = phi.reshape(-1)[rows]
    along = np.stack([-np.sin(angle), np.cos(angle), np.zeros(len(rows))], 1)
    assert np.einsum("ij,ij->i", along, tangents[:, :3]).min() > 0.99
    assert (tangents[:, 3] == 1).all()


def normal_mapped(**texture: object) -> Maker:
    m = Maker()
    index = m.texture([[[128, 128, 255]]])
    m.material({"normalTexture": {"index": index, **texture}})
    m.doc["meshes"][0]["primitives"][0]["attributes"]["NORMAL"] = m.array([[0, 0, 1]] * 4)
    return m


def test_a_normal_map_without_tangents_gets_them(tmp_path: Path) -> None:
    scene, _ = load_scene(normal_mapped().save(tmp_path))
    (mesh,) = scene.meshes.values()
    assert mesh.tangents is not None and mesh.tangents.tolist() == [[1, 0, 0, 1]] * 4


def test_given_tangents_are_kept(tmp_path: Path) -> None:
    m = normal_mapped()
    m.doc["meshes"][0]["primitives"][0]["attributes"]["TANGENT"] = m.array([[0, 1, 0, -1]] * 4)
    (mesh,) = load_scene(m.save(tmp_path))[0].meshes.values()
    assert mesh.tangents is not None and mesh.tangents.tolist() == [[0, 1, 0, -1]] * 4


def test_a_mesh_without_normal_map_has_no_tangents(tmp_path: Path) -> None:
    m = Maker()
    m.material({})
    (mesh,) = load_scene(m.save(tmp_path))[0].meshes.values()
    assert mesh.tangents is None


def test_morphs_follow_vertices_that_were_split_for_tangents(tmp_path: Path) -> None:
    m = normal_mapped()
    primitive = m.doc["meshes"][0]["primitives"][0]
    del primitive["attributes"]["NORMAL"]  # faceted: every triangle gets its own corners
    primitive["targets"] = [{"POSITION": m.array([[0, 0, 0], [0, 0, 0], [0, 0, 5], [0, 0, 0]])}]
    (mesh,) = load_scene(m.save(tmp_path))[0].meshes.values()
    moved = mesh.positions[mesh.morphs[0].indices]
    assert moved.tolist() == [[1, 1, 0]] * len(moved) and len(moved) >= 1
    assert mesh.morphs[0].positions.tolist() == [[0, 0, 5]] * len(moved)
    assert pytest.approx(1.0) == float(np.linalg.norm(mesh.tangents[0, :3])) if mesh.tangents is not None else False
