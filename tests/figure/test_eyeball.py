"""The eyeball's mesh: closed, smooth, and as large as eyes are."""

from __future__ import annotations

import numpy as np
import pytest

from studio.figure.eyeball import CORNEA_M, LIMBUS_M, RADIUS_M, eyeball_mesh
from studio.scene.geometry import make_mesh


def test_it_is_closed_and_turned_outwards() -> None:
    ball = eyeball_mesh()
    edges = np.concatenate([ball.triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    forward, backward = ({tuple(e) for e in edges.tolist()}, {tuple(e[::-1]) for e in edges.tolist()})
    assert forward == backward and len(forward) == len(edges)
    assert len(ball.positions) - len(edges) // 2 + len(ball.triangles) == 2  # a sphere, by Euler
    corners = ball.positions[ball.triangles].astype(float)
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6.0
    assert volume == pytest.approx(4.0 / 3.0 * np.pi * RADIUS_M**3, rel=0.06)
    make_mesh(ball.positions, ball.triangles, normals=ball.normals, uv0=ball.uv)


def test_its_normals_are_those_of_its_faces() -> None:
    ball = eyeball_mesh()
    assert np.linalg.norm(ball.normals, axis=1) == pytest.approx(1.0, abs=1e-5)
    corners = ball.positions[ball.triangles].astype(float)
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    mean = ball.normals[ball.triangles].mean(axis=1)
    assert np.einsum("ij,ij->i", faces, mean).min() > 0.98


def test_globe_and_cornea_have_their_radii() -> None:
    ball = eyeball_mesh()
    across = np.hypot(ball.positions[:, 0], ball.positions[:, 1])
    along = ball.positions[:, 2]
    assert ball.apex_m == pytest.approx(0.01312, abs=2e-5)
    behind = along < 0.0
    assert np.linalg.norm(ball.positions[behind], axis=1) == pytest.approx(RADIUS_M, rel=1e-5)
    front = (along > 0.0) & (across < 0.7 * LIMBUS_M)
    centre = np.array([0.0, 0.0, ball.apex_m - CORNEA_M])
    assert np.linalg.norm(ball.positions[front] - centre, axis=1) == pytest.approx(CORNEA_M, rel=0.01)
    assert front.sum() > 500  # dense where all that is seen of the iris is bent
    np.testing.assert_allclose(ball.uv[front], ball.positions[front, :2] / (4 * LIMBUS_M) * (1, -1) + 0.5, atol=1e-6)


def test_other_eyes_can_be_made_and_impossible_ones_not() -> None:
    big = eyeball_mesh(radius_m=0.016, limbus_m=0.007, cornea_m=0.01, segments=12, rings=8)
    assert big.positions[:, 2].min() == pytest.approx(-0.016)
    assert len(big.positions) == 12 * 8 + 2
    for wrong in ({"limbus_m": 0.009}, {"cornea_m": 0.013}, {"limbus_m": 0.0}, {"rings": 3}, {"segments": 2}):
        with pytest.raises(ValueError):
            eyeball_mesh(**wrong)
