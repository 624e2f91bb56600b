"""Deformation: morphs, skins and what may be deformed at all."""

from __future__ import annotations

import numpy as np
import pytest

from studio.scene.deform import Pose, deform, fault, skin_fault
from studio.scene.geometry import Mesh, make_mesh
from tests.scene.rigs import SQUARE, TWO, bending_mesh, square

STILL = np.stack([np.eye(3, 4)] * 2)


def lifted(by):
    joints = STILL.copy()
    joints[1, 1, 3] = by
    return joints


def test_a_pose_at_rest_is_the_mesh_itself():
    mesh = bending_mesh()
    deformed = deform(mesh, Pose(), Pose())
    assert deformed.positions is mesh.positions
    assert deformed.positions_close is None


def test_morphs_are_added_by_weight():
    deformed = deform(bending_mesh(), Pose((0.5,)), Pose((0.5,)))
    np.testing.assert_allclose(deformed.positions, np.add(SQUARE, [[0, 0, 0], [0, 0, 0], [0, 0.5, 0], [0, 0.5, 0]]))


def test_a_skin_moves_each_vertex_by_its_joints():
    deformed = deform(bending_mesh(), Pose((), lifted(2.0)), Pose((), lifted(2.0)))
    np.testing.assert_allclose(deformed.positions[:2], SQUARE[:2])
    np.testing.assert_allclose(deformed.positions[2:], np.add(SQUARE[2:], [0, 2, 0]))


def test_morphs_come_before_the_skin():
    joints = STILL.copy()
    joints[1, :, :3] *= 2
    deformed = deform(bending_mesh(), Pose((1.0,), joints), Pose((1.0,), joints))
    np.testing.assert_allclose(deformed.positions[2], [2, 4, 0])


def test_shutter_close_is_kept_only_when_vertices_move():
    mesh = bending_mesh()
    assert deform(mesh, Pose((1.0,)), Pose((1.0,))).positions_close is None
    moving = deform(mesh, Pose((0.0,)), Pose((1.0,)))
    np.testing.assert_allclose(moving.positions_close[2], [1, 2, 0])


def test_normals_are_carried_by_the_inverse_transpose_and_stay_unit():
    mesh = bending_mesh()
    joints = np.stack([np.array([[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0]], np.float64)] * 2)  # z grows with x
    deformed = deform(mesh, Pose((), joints), Pose((), joints))
    tangent = joints[0, :, :3] @ [1, 0, 0]
    np.testing.assert_allclose(deformed.normals @ tangent, 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(deformed.normals, axis=1), 1, rtol=1e-6)


def test_vertices_without_weights_follow_their_first_joint():
    mesh = bending_mesh()
    bare = Mesh(key="bare", positions=mesh.positions, triangles=mesh.triangles, parts=(0, 2), joints=mesh.joints,
                weights=np.zeros((4, 4), np.float32))  # fmt: skip
    np.testing.assert_allclose(deform(bare, Pose((), lifted(3.0)), Pose()).positions[2:], np.add(SQUARE[2:], [0, 3, 0]))


def test_a_skin_is_the_weighted_sum_of_its_joints_whatever_the_pose_before():
    rng = np.random.default_rng(9)
    count, bones = 200, 7
    joints = rng.integers(0, bones, (count, 4)).astype(np.uint16)
    weights = rng.random((count, 4)).astype(np.float32)
    weights[:50, 3], joints[:50, 3] = 0.0, 900  # no weight, so the joint need not exist
    normals, tangents = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in rng.normal(size=(2, count, 3)))
    mesh = make_mesh(
        rng.normal(size=(count, 3)), [[0, 1, 2]], normals=normals,
        tangents=np.concatenate([tangents, np.ones((count, 1))], axis=1), joints=joints, weights=weights,
    )  # fmt: skip
    earlier = None
    for _ in range(2):
        matrices = rng.normal(size=(bones, 3, 4))
        earlier = deform(mesh, Pose((), matrices), Pose((), matrices), earlier=earlier)
        share = weights.astype(np.float64) / weights.sum(1, keepdims=True)
        blend = np.einsum("vk,vkij->vij", share, matrices[np.minimum(joints, bones - 1)])
        moved = np.einsum("vij,vj->vi", blend[:, :, :3], mesh.positions) + blend[:, :, 3]
        np.testing.assert_allclose(earlier.positions, moved, atol=1e-4)
        carried = np.einsum("vji,vj->vi", np.linalg.inv(blend[:, :, :3]), normals)
        carried *= np.sign(np.linalg.det(blend[:, :, :3]))[:, None] / np.linalg.norm(carried, axis=1, keepdims=True)
        assert np.abs((earlier.normals * carried).sum(axis=1) - 1).max() < 1e-3
        turned = np.einsum("vij,vj->vi", blend[:, :, :3], tangents)
        turned /= np.linalg.norm(turned, axis=1, keepdims=True)
        np.testing.assert_allclose(earlier.tangents[:, :3], turned, atol=1e-3)


def test_deformed_arrays_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        deform(bending_mesh(), Pose((1.0,)), Pose((1.0,))).positions[0] = 0


def test_faulty_meshes_are_told_from_sound_ones():
    def mesh(**more):
        return Mesh(**{"key": "k", "positions": SQUARE, "triangles": TWO, "parts": (0, 2)} | more)

    assert fault(square()) == ""
    assert "no triangles" in fault(mesh(triangles=TWO[:0], parts=(0, 0)))
    assert "not finite" in fault(mesh(positions=SQUARE * np.float32(np.nan)))
    assert "beyond its 4" in fault(mesh(triangles=TWO + np.uint32(5)))
    assert "parts" in fault(mesh(parts=(0, 1)))
    assert "skin" in skin_fault(square(), 2)
    assert "joints beyond" in skin_fault(bending_mesh(), 1)
    assert skin_fault(bending_mesh(), 2) == ""
