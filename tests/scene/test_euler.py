"""Angles and quaternions say the same rotation."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from studio.scene.euler import to_angles, to_quaternion
from studio.scene.transforms import rotation_matrices

ANGLE = st.floats(-720, 720) | st.sampled_from([0.0, 90.0, -90.0, 180.0, 270.0])


def _matrix(quaternion) -> np.ndarray:
    return rotation_matrices(np.array([quaternion]))[0]


def _axis(axis: int, degrees: float) -> np.ndarray:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    out = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out[i, i] = out[j, j] = c
    out[i, j], out[j, i] = -s, s
    return out


@given(ANGLE, ANGLE, ANGLE)
def test_angles_turn_about_x_then_y_then_z(a, b, c):
    assert np.allclose(_matrix(to_quaternion((a, b, c))), _axis(2, c) @ _axis(1, b) @ _axis(0, a), atol=1e-9)


@given(ANGLE, ANGLE, ANGLE)
def test_the_angles_of_a_quaternion_give_its_rotation_back(a, b, c):
    rotation = to_quaternion((a, b, c))
    assert np.allclose(_matrix(to_quaternion(to_angles(rotation))), _matrix(rotation), atol=1e-6)


@given(ANGLE, ANGLE, ANGLE)
def test_near_the_angles_typed_the_same_angles_are_shown(a, b, c):
    shown = to_angles(to_quaternion((a, b, c)), near=(a, b, c))
    assert np.allclose(_matrix(to_quaternion(shown)), _matrix(to_quaternion((a, b, c))), atol=1e-6)
    if abs(math.cos(math.radians(b))) > 1e-3:
        assert np.allclose(shown, (a, b, c), atol=1e-4)


def test_a_quaternion_of_no_length_is_no_turn():
    assert to_angles((0.0, 0.0, 0.0, 0.0)) == (0.0, 0.0, 0.0)
