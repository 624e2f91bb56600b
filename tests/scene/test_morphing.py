"""Morphs at work: sums, the same bits always, memory, and normals that follow."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.scene.deform import Pose, deform
from studio.scene.geometry import Mesh, Morph, make_mesh
from studio.scene.morphing import morphed, shapes_of

RNG = np.random.default_rng(11)


def ball(rings: int = 12, segments: int = 16, *, seam: bool = True, flat: bool = False) -> Mesh:
    """A sphere of quads with a seam of doubled vertices, and five morphs without normals, sparse and dense."""
    u = np.linspace(0, 2 * np.pi, segments + 1)
    v = np.linspace(0.05, np.pi - 0.05, rings)
    points = np.array([[np.sin(b) * np.cos(a), np.cos(b), np.sin(b) * np.sin(a)] for b in v for a in u])
    points = points.reshape(rings, segments + 1, 3)
    points[:, -1] = points[:, 0]
    points = points.reshape(-1, 3)
    w = segments + 1
    cells = [
        (r * w + s, r * w + s + 1, (r + 1) * w + s, (r + 1) * w + s + 1)
        for r in range(rings - 1)
        for s in range(segments)
    ]
    triangles = np.array([t for a, b, c, d in cells for t in ((a, b, c), (b, d, c))], np.uint32)
    rng = np.random.default_rng(4)
    count = len(points)
    smooth = [points * 0.3 * np.cos(3 * points[:, [k]]) for k in range(3)]
    some = np.flatnonzero(points[:, 1] > 0.2)
    scattered = np.sort(rng.choice(count, count // 3, replace=False))
    morphs = [
        Morph("dense", np.arange(count, dtype=np.uint32), smooth[0].astype(np.float32)),
        Morph("run", some.astype(np.uint32), smooth[1][some].astype(np.float32)),
        Morph("few", np.array([3, 100], np.uint32), np.ones((2, 3), np.float32) * np.float32(0.01)),
        Morph("scattered", scattered.astype(np.uint32), smooth[2][scattered].astype(np.float32) * np.float32(0.02)),
        Morph("none", np.zeros(0, np.uint32), np.zeros((0, 3), np.float32)),
    ]
    return make_mesh(
        points, triangles, normals=brute_normals(points, points, triangles), morphs=morphs,
        tangents=np.concatenate([rng.normal(size=(count, 3)), np.ones((count, 1))], axis=1),
    )  # fmt: skip


def brute_normals(points, rest, triangles):
    """Area-weighted normals, vertices of one place at rest being one."""
    place = np.unique(np.asarray(rest, np.float32), axis=0, return_inverse=True)[1].reshape(-1)
    corners = np.asarray(points, np.float64)[triangles.astype(np.intp)]
    face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    out = np.zeros((place.max() + 1, 3))
    for k in range(3):
        np.add.at(out, place[triangles[:, k].astype(np.intp)], face)
    return (out / np.linalg.norm(out, axis=1, keepdims=True))[place]


def plain_sum(mesh: Mesh, weights):
    out = mesh.positions.copy()
    for morph, weight in zip(mesh.morphs, weights, strict=False):
        out[morph.indices] += morph.positions * np.float32(weight)
    return out


@given(st.lists(st.floats(-1, 2, width=32), min_size=5, max_size=5))
@settings(deadline=None, max_examples=40)
def test_shapes_add_up_to_the_bit_as_one_by_one(weights):
    mesh = ball()
    assert morphed(mesh, weights)[0].tobytes() == plain_sum(mesh, weights).tobytes()


def test_a_vertex_that_a_morph_names_twice_counts_as_it_always_did():
    mesh = ball()
    twice = Morph("twice", np.array([5, 5, 9], np.uint32), np.ones((3, 3), np.float32))
    made = make_mesh(mesh.positions, mesh.triangles, morphs=[twice])
    assert morphed(made, (1.0,))[0].tobytes() == plain_sum(made, (1.0,)).tobytes()


def test_what_was_posed_before_leaves_no_trace():
    mesh, other = ball(), ball()
    weights = (0.3, -0.2, 1.0, 0.7, 0.5)
    for _ in range(5):
        morphed(mesh, RNG.uniform(-1, 2, 5).tolist())
    a, b = deform(mesh, Pose(weights), Pose(weights)), deform(other, Pose(weights), Pose(weights))
    assert a.positions.tobytes() == b.positions.tobytes()
    assert a.normals.tobytes() == b.normals.tobytes() and a.tangents.tobytes() == b.tangents.tobytes()


def test_another_process_with_another_number_of_threads_finds_the_same_bits():
    script = (
        "import hashlib\nfrom tests.scene.test_morphing import ball\nfrom studio.scene.deform import Pose, deform\n"
        "d = deform(ball(), p := Pose((0.3, -0.2, 1.0, 0.7, 0.5)), p)\n"
        "print(hashlib.sha256(d.positions.tobytes() + d.normals.tobytes()).hexdigest())"
    )
    told = set()
    for threads in ("1", "2"):
        env = {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, "PATH": "/usr/bin:/bin"}
        done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
        told.add(done.stdout)
    assert len(told) == 1


def test_a_weight_that_is_not_a_number_counts_as_none():
    mesh = ball()
    assert morphed(mesh, (np.nan, np.inf, 0.0))[0] is mesh.positions


@pytest.mark.parametrize("share", [0.2, 0.6, 0.9, 1.0])
def test_shapes_take_no_more_than_twice_the_memory_of_dense_ones(share):
    count, rng = 4000, np.random.default_rng(2)
    morphs = []
    for i in range(52):
        rows = np.sort(rng.choice(count, int(share * count), replace=False)).astype(np.uint32)
        morphs.append(Morph(f"m{i}", rows, rng.normal(size=(len(rows), 3)).astype(np.float32)))
    mesh = make_mesh(rng.normal(size=(count, 3)), [[0, 1, 2]], morphs=morphs)
    weights = rng.uniform(0, 1, 52).tolist()
    assert morphed(mesh, weights)[0].tobytes() == plain_sum(mesh, weights).tobytes()
    own = sum(m.positions.nbytes + m.indices.nbytes for m in mesh.morphs)
    runs = shapes_of(mesh).positions
    kept = {id(m.positions) for m in mesh.morphs}
    more = sum(run.offsets.nbytes for run in runs if run is not None and id(run.offsets) not in kept)
    assert own + more <= 2 * 52 * count * 12


# --- normals ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("weights", [(1.0,), (0.0, 1.0), (0.5, 0.5, 1.0, 1.0), (-0.7, 0.2)])
def test_normals_without_offsets_follow_the_surface(weights):
    mesh = ball()
    deformed = deform(mesh, Pose(weights), Pose(weights))
    wanted = brute_normals(deformed.positions, mesh.positions, mesh.triangles)
    cosines = np.einsum("ij,ij->i", deformed.normals, wanted)
    assert np.degrees(np.arccos(np.clip(cosines.min(), -1, 1))) < 0.1
    np.testing.assert_allclose(np.linalg.norm(deformed.normals, axis=1), 1.0, atol=1e-6)


def test_a_seam_stays_smooth_and_a_crease_stays_sharp():
    mesh = ball()
    deformed = deform(mesh, Pose((1.0,)), Pose((1.0,)))
    seam = deformed.normals.reshape(12, 17, 3)
    np.testing.assert_array_equal(seam[:, 0], seam[:, -1])
    # a roof: both slopes share the places of the ridge and not its normals
    points = np.array(
        [[-1, 0, 0], [0, 1, 0], [0, 1, 1], [-1, 0, 1], [0, 1, 0], [1, 0, 0], [1, 0, 1], [0, 1, 1]], np.float32
    )
    triangles = [[0, 2, 1], [0, 3, 2], [4, 6, 5], [4, 7, 6]]
    normals = np.array([[-1, 1, 0]] * 4 + [[1, 1, 0]] * 4) / np.sqrt(2)
    lift = Morph("lift", np.array([1, 2, 4, 7], np.uint32), np.tile(np.array([[0, 1, 0]], np.float32), (4, 1)))
    roof = make_mesh(points, triangles, normals=normals, morphs=[lift])
    steep = deform(roof, Pose((1.0,)), Pose((1.0,))).normals
    np.testing.assert_allclose(np.abs(steep), np.tile([2 / np.sqrt(5), 1 / np.sqrt(5), 0], (8, 1)), atol=1e-6)
    assert (np.sign(steep[:4, 0]) == -1).all() and (np.sign(steep[4:, 0]) == 1).all()


def test_normals_bent_on_purpose_stay_bent():
    mesh = ball()
    bent = mesh.normals + np.array([0.0, 0.3, 0.0], np.float32)
    bent /= np.linalg.norm(bent, axis=1, keepdims=True)
    turn = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], np.float32)  # a quarter, as a morph
    whole = Morph("turn", np.arange(len(bent), dtype=np.uint32), mesh.positions @ turn.T - mesh.positions)
    made = make_mesh(mesh.positions, mesh.triangles, normals=bent, morphs=[whole])
    deformed = deform(made, Pose((1.0,)), Pose((1.0,)))
    between = np.einsum("ij,ij->i", deformed.normals, brute_normals(deformed.positions, mesh.positions, mesh.triangles))
    rest = np.einsum("ij,ij->i", bent, brute_normals(mesh.positions, mesh.positions, mesh.triangles))
    np.testing.assert_allclose(between, rest, atol=1e-4)


def test_morphs_that_say_how_normals_move_are_obeyed():
    mesh = ball()
    given_ = Morph(
        "n", np.array([7], np.uint32), np.array([[0.1, 0, 0]], np.float32), np.array([[0, 0, 5]], np.float32)
    )
    made = make_mesh(mesh.positions, mesh.triangles, normals=mesh.normals, morphs=[given_])
    deformed = deform(made, Pose((1.0,)), Pose((1.0,)))
    wanted = mesh.normals[7] + np.array([0, 0, 5], np.float32)
    np.testing.assert_allclose(deformed.normals[7], wanted / np.linalg.norm(wanted), atol=1e-6)
    np.testing.assert_allclose(deformed.normals[8], mesh.normals[8], atol=1e-6)


def test_under_a_skin_normals_are_those_of_where_the_vertices_end():
    mesh = ball()
    count = len(mesh.positions)
    share = np.clip(mesh.positions[:, 1] * 2, 0, 1)
    weights = np.stack([1 - share, share, 0 * share, 0 * share], axis=1)
    skinned = make_mesh(
        mesh.positions, mesh.triangles, normals=mesh.normals, tangents=mesh.tangents, morphs=mesh.morphs,
        joints=np.tile([0, 1, 0, 0], (count, 1)), weights=weights,
    )  # fmt: skip
    turn = np.eye(3, 4)
    angle = 0.8
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    for shapes in ((0.4, 0.2), ()):
        pose = Pose(shapes, np.stack([np.eye(3, 4), turn]))
        deformed = deform(skinned, pose, pose)
        wanted = brute_normals(deformed.positions, mesh.positions, mesh.triangles)
        assert np.einsum("ij,ij->i", deformed.normals, wanted).min() > np.cos(np.radians(0.1))


def test_a_fan_of_thousands_of_triangles_is_summed_in_no_time_and_right():
    count = 5000
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    rim = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], axis=1)
    points = np.concatenate([[[0.0, 1.0, 0.0]], rim])
    triangles = np.array([[0, 1 + (i + 1) % count, 1 + i] for i in range(count)], np.uint32)
    push = Morph("push", np.array([0], np.uint32), np.array([[1.0, 1.0, 0.0]], np.float32))
    mesh = make_mesh(points, triangles, normals=brute_normals(points, points, triangles), morphs=[push])
    deformed = deform(mesh, Pose((1.0,)), Pose((1.0,)))
    wanted = brute_normals(deformed.positions, mesh.positions, mesh.triangles)
    np.testing.assert_allclose(deformed.normals, wanted, atol=1e-3)
    smooth = shapes_of(mesh).smooth
    assert smooth is not None and len(smooth.meeting.slots) < 100


def test_a_surface_that_vanishes_keeps_normals_that_are_numbers():
    mesh = ball()
    gone = Morph("gone", np.arange(len(mesh.positions), dtype=np.uint32), -mesh.positions)
    made = make_mesh(mesh.positions, mesh.triangles, normals=mesh.normals, morphs=[gone])
    for weight in (1.0, 2.0, -1.0, 1e30):
        deformed = deform(made, Pose((weight,)), Pose((weight,)))
        assert np.isfinite(deformed.normals).all()
