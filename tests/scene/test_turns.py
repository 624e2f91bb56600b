"""Turns one at a time against matrices of many."""

from __future__ import annotations

import math

import numpy as np
import pytest

from studio.scene.transforms import quaternions, rotation_matrices
from studio.scene.turns import UNTURNED, about, conjugate, product, rotated, unit


def test_two_quarter_turns_make_a_half_turn() -> None:
    quarter = about((0, 2, 0), 90)
    assert product(quarter, quarter) == pytest.approx(about((0, 1, 0), 180))
    assert about((0, 0, 0), 90) == about((0, 1, 0), 0) == UNTURNED


def test_turns_are_those_of_their_matrices_and_come_back_from_them() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        a, b = (unit(rng.normal(size=4).tolist()) for _ in range(2))
        x, y, z = rng.normal(size=3).tolist()
        ma, mb = rotation_matrices(np.array([a, b]))
        np.testing.assert_allclose(rotated(a, (x, y, z)), ma @ (x, y, z), atol=1e-12)
        np.testing.assert_allclose(rotation_matrices(np.array([product(a, b)]))[0], ma @ mb, atol=1e-12)
        np.testing.assert_allclose(rotated(conjugate(a), rotated(a, (x, y, z))), (x, y, z), atol=1e-12)
        again = quaternions(ma[None])[0]
        np.testing.assert_allclose(again, np.array(a) * math.copysign(1.0, a[3]), atol=1e-12)


def test_what_is_no_turn_turns_nothing() -> None:
    assert unit((0.0, 0.0, 0.0, 0.0)) == unit((math.nan, 0.0, 0.0, 1.0)) == UNTURNED
    assert unit((0.0, 0.0, 0.0, 5.0)) == UNTURNED
