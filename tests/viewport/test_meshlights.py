"""Emissive meshes as patches: few, of the right size, the same for copies of one lamp."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.stand.balls import sheet
from studio.scene.materials import OFFSET, STRIDE
from studio.viewport import meshlights
from studio.viewport.meshlights import MOST, mesh_patches, turned
from tests.render.light_stage import (
    ball,
    emissive_slot,
    flat_scene,
    light,
    mesh_instance,
    mesh_of,
    picture,
    placed,
    quad,
)


def materials(**values: float) -> np.ndarray:
    rows = np.zeros((1, STRIDE), np.float32)
    rows[0, OFFSET["geometry_opacity"]] = 1.0
    for name, value in values.items():
        rows[0, OFFSET[name]] = value
    return rows


def lamp(mesh, at=None, **more):
    at = placed() if at is None else at
    return flat_scene([light("mesh", at=at, instance=0)], [mesh_instance(mesh, at)], materials=materials(), **more)


def shown(patch: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Area of a blob to directions (n, 3), as the shader works it out."""
    x, y, z = d.T
    return (
        patch[7] + d @ patch[4:7] + patch[8] * (x * x - z * z) + patch[9] * (y * y - z * z)
        + patch[10] * x * y + patch[11] * x * z + patch[15] * y * z
    )  # fmt: skip


def some_directions(count: int = 50) -> np.ndarray:
    d = np.random.default_rng(3).normal(size=(count, 3))
    return d / np.linalg.norm(d, axis=1, keepdims=True)


def test_a_ball_is_one_blob_that_shows_its_disk_to_every_side() -> None:
    mesh = ball(rings=24, segments=48, radius=0.7)
    patches = mesh_patches(lamp(mesh), 0)
    assert len(patches) == 1
    assert patches[0, 3] == 0.0
    assert shown(patches[0], some_directions()) == pytest.approx(np.pi * 0.49, rel=0.02)


def test_few_triangles_are_kept() -> None:
    patches = mesh_patches(lamp(quad(2.0, 1.0)), 0)
    assert patches[:, 3].tolist() == [3.0, 3.0]
    for patch in patches:
        centre, a, b = patch[:3], patch[4:7], patch[8:11]
        turn = 2.0 * np.pi * np.arange(3) / 3
        corners = centre + np.cos(turn)[:, None] * a + np.sin(turn)[:, None] * b
        area = 0.5 * np.cross(corners[1] - corners[0], corners[2] - corners[0])
        assert area == pytest.approx((0.0, 0.0, -1.0), abs=1e-6)


def test_a_flat_lamp_of_many_triangles_is_one_rectangle() -> None:
    patches = mesh_patches(lamp(sheet(2.0, 1.0, 8)), 0)
    assert len(patches) == 1
    a, b = patches[0, 4:7], patches[0, 8:11]
    assert 2.0 * np.cross(a, b) == pytest.approx((0.0, 0.0, -2.0), abs=1e-6)
    # half axes of a rectangle stand at its corners' odd multiples of 45 degrees
    assert sorted(np.linalg.norm([a, b], axis=1) * np.sqrt(2.0)) == pytest.approx([1.0, 2.0], rel=1e-5)


def test_a_long_lamp_is_cut_along_its_length_and_never_into_too_many() -> None:
    mesh = ball(rings=12, segments=16)
    stretched = mesh_of(mesh.positions * (1.0, 20.0, 1.0), mesh.triangles)
    patches = mesh_patches(lamp(stretched), 0)
    assert 4 < len(patches) <= MOST
    assert np.ptp(patches[:, 1]) > 20.0


def test_a_turned_and_scaled_copy_has_turned_patches() -> None:
    rng = np.random.default_rng(9)
    mesh = mesh_of(rng.normal(size=(30, 3)), rng.permutation(30).reshape(-1, 3))
    here = mesh_patches(lamp(mesh), 0)
    at = placed((3.0, 2.0, 1.0), (0.3, -0.2, 1.0), roll=0.7).astype(float)
    at[:, :3] *= 1.7
    there = mesh_patches(lamp(mesh, at.astype(np.float32)), 0)
    assert there == pytest.approx(turned(here, at, 1.7), rel=1e-4, abs=1e-5)
    d = some_directions()
    local = d @ (at[:, :3] / 1.7)
    for a, b in zip(here, there, strict=True):
        if a[3] == 0.0:
            assert shown(b, d) == pytest.approx(shown(a, local) * 1.7**2, rel=1e-4, abs=1e-4)


def test_the_image_of_an_emission_tints_its_patches_by_its_mean() -> None:
    rows, slots = emissive_slot(0)
    image = picture(peak=3.0)
    at = placed()
    rows[0, OFFSET["geometry_opacity"]] = 1.0
    flat = flat_scene(
        [light("mesh", at=at, instance=0)], [mesh_instance(quad(), at)], textures=[image], materials=rows, slots=slots
    )
    patches = mesh_patches(flat, 0)
    assert patches[:, 12:15].mean(axis=0) == pytest.approx(image.pixels.mean(axis=(0, 1)), rel=0.1)


def test_opacity_dims_a_lamp_where_it_blends() -> None:
    rows = materials(geometry_opacity=0.25, alpha_mode=2.0)
    at = placed()
    flat = flat_scene([light("mesh", at=at, instance=0)], [mesh_instance(quad(), at)], materials=rows)
    assert mesh_patches(flat, 0)[:, 12:15] == pytest.approx(0.25)


def test_broken_and_empty_lamps_have_no_patches_or_finite_ones() -> None:
    points = np.full((3, 3), np.nan, np.float32)
    assert len(mesh_patches(lamp(mesh_of(points, [(0, 1, 2)])), 0)) == 0
    at = placed()
    at[:, :3] = 0.0
    assert np.isfinite(mesh_patches(lamp(quad(), at), 0)).all()
    assert meshlights.patches_of(
        meshlights._Triangles(np.zeros((0, 3, 3)), np.zeros((0, 3)), np.zeros((0, 3)), 1)
    ).shape == (0, 16)
