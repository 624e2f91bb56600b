"""Transforms: matrices of fields, the tree folded at once, and back to fields."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.scene.transforms import (
    compose,
    decompose,
    inherit,
    inverse,
    look_at,
    multiply,
    on_cycles,
    rigid,
    sound,
    world_matrices,
)

number = st.floats(-10, 10, allow_nan=False)
scales = st.floats(0.1, 5).flatmap(lambda s: st.sampled_from([s, -s]))


def one(translation=(0, 0, 0), rotation=(0, 0, 0, 1), scale=(1, 1, 1), shear=(0, 0, 0)):
    parts = (np.array([p], np.float64) for p in (translation, rotation, scale, shear))
    return compose(*parts)[0]


def random_locals(n, seed=1):
    rng = np.random.default_rng(seed)
    return compose(
        rng.normal(size=(n, 3)), rng.normal(size=(n, 4)), rng.uniform(0.5, 2, (n, 3)), rng.normal(size=(n, 3))
    )


def test_a_quarter_turn_about_y_takes_z_to_x():
    m = one(rotation=(0, np.sin(np.pi / 4), 0, np.cos(np.pi / 4)))
    np.testing.assert_allclose(m[:, :3] @ [0, 0, 1], [1, 0, 0], atol=1e-15)


def test_a_quaternion_need_not_be_unit():
    np.testing.assert_allclose(one(rotation=(0, 3, 0, 4)), one(rotation=(0, 0.6, 0, 0.8)))
    np.testing.assert_allclose(one(rotation=(0, 3e-200, 0, 4e-200)), one(rotation=(0, 0.6, 0, 0.8)))


def test_order_is_translate_rotate_shear_scale():
    m = one(translation=(5, 0, 0), scale=(2, 3, 4), shear=(0.5, 0, 0))
    np.testing.assert_allclose(m[:, :3] @ [0, 1, 0] + m[:, 3], [5 + 0.5 * 3, 3, 0])


@pytest.mark.parametrize(
    "values",
    [
        {"rotation": (0, 0, 0, 0)},
        {"rotation": (np.nan, 0, 0, 1)},
        {"scale": (0, 1, 1)},
        {"scale": (1e-12, 1, 1)},
        {"translation": (np.inf, 0, 0)},
        {"translation": (1e13, 0, 0)},
        {"shear": (1e9, 0, 0)},
    ],
)
def test_degenerate_and_infinite_transforms_are_not_sound(values):
    assert not sound(one(**values)[None])[0]


@pytest.mark.parametrize(
    "values", [{}, {"scale": (-1, 1, 1)}, {"scale": (1e-3, 1, 1000)}, {"translation": (1e6, 0, 0)}]
)
def test_usable_transforms_are_sound(values):
    assert sound(one(**values)[None])[0]


@given(st.tuples(number, number, number), st.tuples(number, number, number, number), st.tuples(scales, scales, scales))
def test_decompose_gives_fields_that_make_the_same_matrix(translation, rotation, scale):
    if np.linalg.norm(rotation) < 1e-3:
        return
    m = one(translation, rotation, scale, (0.3, -0.2, 0.7))
    np.testing.assert_allclose(one(*decompose(m)), m, atol=1e-9)


def test_inverse_undoes():
    m = random_locals(50)
    np.testing.assert_allclose(multiply(inverse(m), m), np.broadcast_to(np.eye(3, 4), m.shape), atol=1e-9)


def test_world_matrices_of_a_chain_are_the_product_along_it():
    local = random_locals(100)
    parents = np.arange(-1, 99, dtype=np.int32)
    world = world_matrices(local, parents)
    expected = local[:1]
    for i in range(1, 12):
        expected = multiply(expected, local[i : i + 1])
        np.testing.assert_allclose(world[i], expected[0], rtol=1e-9, atol=1e-9)


def test_the_order_of_nodes_does_not_matter():
    rng = np.random.default_rng(3)
    n = 60
    parents = np.array([-1] + [int(rng.integers(0, i)) for i in range(1, n)], np.int32)
    local = random_locals(n)
    order = rng.permutation(n)
    place = np.empty(n, np.int32)
    place[order] = np.arange(n)
    shuffled = np.where(parents[order] < 0, -1, place[parents[order]]).astype(np.int32)
    np.testing.assert_allclose(
        world_matrices(local[order], shuffled), world_matrices(local, parents)[order], rtol=1e-9, atol=1e-9
    )


def test_cycles_and_what_hangs_below_them_are_found():
    #                      0   1  2  3  4  5 (3 -> 4 -> 3, 5 below 3, 0..2 a chain)
    parents = np.array([-1, 0, 1, 4, 3, 3], np.int32)
    assert on_cycles(parents).tolist() == [False, False, False, True, True, True]
    assert on_cycles(np.array([0], np.int32)).tolist() == [True]
    for n in (2, 3, 5, 8, 9, 1000):
        ring = np.roll(np.arange(n, dtype=np.int32), 1)
        assert on_cycles(ring).all()
        assert not on_cycles(np.arange(-1, n - 1, dtype=np.int32)).any()


def test_bits_are_inherited():
    parents = np.array([-1, 0, 1, -1], np.int32)
    assert inherit(np.array([1, 0, 2, 4], np.uint8), parents).tolist() == [1, 1, 3, 4]


def test_rigid_keeps_the_direction_of_z_and_never_mirrors():
    m = random_locals(50)
    m[::2, :, 0] *= -1
    r = rigid(m)
    z = m[:, :, 2] / np.linalg.norm(m[:, :, 2], axis=1, keepdims=True)
    np.testing.assert_allclose(r[:, :, 2], z)
    np.testing.assert_allclose(np.linalg.det(r[:, :, :3]), 1.0)
    np.testing.assert_allclose(r[:, :, 3], m[:, :, 3])


@pytest.mark.parametrize("target", [(1, 2, 3), (0, 9, 0), (0, -9, 0)])
def test_look_at_points_minus_z_at_the_target(target):
    m = look_at((0, 0, 0), target)
    np.testing.assert_allclose(-m[:, 2], np.array(target) / np.linalg.norm(target))
    np.testing.assert_allclose(np.linalg.det(m[:, :3]), 1.0)
