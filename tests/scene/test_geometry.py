"""Geometry: content keys and the checks that meshes and images pass."""

from __future__ import annotations

import numpy as np
import pytest

from studio.errors import BadAsset
from studio.scene.geometry import Morph, content_key, make_image, make_mesh, mesh_key
from tests.scene.rigs import SQUARE, TWO, bending_mesh, square


def test_the_same_bytes_have_the_same_key_and_others_another():
    assert square().key == square().key
    assert square().key != square(2.0).key
    assert square().key != make_mesh(SQUARE, TWO).key  # other parts
    assert bending_mesh().key != make_mesh(SQUARE, TWO).key
    assert mesh_key(bending_mesh()) == bending_mesh().key


def test_keys_tell_types_shapes_and_gaps_apart():
    a = np.arange(6, dtype=np.int32)
    keys = {
        content_key(a),
        content_key(a.reshape(2, 3)),
        content_key(a.astype(np.uint32)),
        content_key(a, None),
        content_key(None, a),
    }
    assert len(keys) == 5


def test_arrays_are_copied_frozen_and_of_the_right_type():
    mine = SQUARE.astype(np.float64)
    mesh = make_mesh(mine, TWO.tolist())
    mine[0] = 9
    assert mesh.positions.dtype == np.float32
    assert mesh.positions[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        mesh.positions[0] = 1


def test_numbers_that_are_not_finite_are_refused_in_positions_and_zero_elsewhere():
    with pytest.raises(BadAsset, match=r"hall\.glb"):
        make_mesh(SQUARE + np.float32(np.inf), TWO, where="hall.glb")
    assert not make_mesh(SQUARE, TWO, uv0=np.full((4, 2), np.nan)).uv0.any()


MORPH = Morph("m", np.array([9], np.uint32), np.zeros((1, 3), np.float32))


@pytest.mark.parametrize(
    "more",
    [
        {"parts": (0, 1)},
        {"parts": (0, 2, 1, 2)},
        {"parts": (1, 2)},
        {"parts": (0,)},
        {"normals": SQUARE[:3]},
        {"uv0": SQUARE},
        {"joints": np.zeros((4, 4), np.uint16)},
        {"joints": np.zeros((4, 3)), "weights": np.zeros((4, 3))},
        {"joints": np.full((4, 4), 70000), "weights": np.ones((4, 4))},
        {"morphs": [MORPH]},
        {"morphs": [Morph("m", np.array([0], np.uint32), np.zeros((2, 3), np.float32))]},
        {"morphs": [Morph("m", np.array([0], np.uint32), np.full((1, 3), np.nan, np.float32))]},
    ],
)
def test_meshes_that_do_not_fit_together_are_refused_by_name(more):
    with pytest.raises(BadAsset, match=r"hall\.glb"):
        make_mesh(SQUARE, TWO, where="hall.glb", **more)


@pytest.mark.parametrize("triangles", [TWO + 7, -TWO.astype(np.int64) - 1, TWO.astype(np.float32), TWO[:, :2]])
def test_triangles_must_name_vertices(triangles):
    with pytest.raises(BadAsset, match="mesh"):
        make_mesh(SQUARE, triangles)


def test_an_empty_mesh_is_a_mesh():
    mesh = make_mesh(np.zeros((0, 3)), np.zeros((0, 3), np.uint32))
    assert mesh.parts == (0, 0)


def test_images_have_one_to_four_channels_and_a_key_with_their_colour_space():
    grey = make_image(np.zeros((2, 3), np.uint8))
    assert grey.pixels.shape == (2, 3, 1)
    assert grey.key != make_image(np.zeros((2, 3), np.uint8), colour_space="data").key
    for pixels in (np.zeros((2, 3, 5), np.uint8), np.zeros((0, 3, 3), np.uint8), np.zeros((2, 3), np.float64)):
        with pytest.raises(BadAsset, match="wood"):
            make_image(pixels, where="wood.png")
    with pytest.raises(BadAsset, match="colour space"):
        make_image(np.zeros((2, 3), np.uint8), colour_space="cmyk")
