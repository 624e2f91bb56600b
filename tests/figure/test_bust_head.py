"""The default head: sealed, mirrored, without holes or folds, and its shapes move what they should."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.errors import UsageError
from studio.figure.bust import curves, lids, lips
from studio.figure.bust.form import Form
from studio.figure.bust.head import Head, build_head
from studio.figure.bust.layout import EYE, MOUTH, cage
from studio.figure.bust.shape import Identity, Pose, Side, distance
from studio.figure.bust.subdivide import edges_of
from studio.scene.arkit import ARKIT, mirrored, region

F64 = NDArray[np.float64]
GAZE_DEG = (32.0, 38.0, 28.0, 30.0)  # in, out, up, down: those of FigureRig


@pytest.fixture(scope="module")
def head() -> Head:
    return build_head(Identity(asymmetry=0.0), detail=1)


@pytest.fixture(scope="module")
def other() -> Head:
    return build_head(
        Identity(age=0.9, nose_length=1.0, mouth_width=-0.8, jaw_width=1.0, eye_spacing=0.7, ear_size=1.0, weight=0.8),
        detail=1,
    )


def weights_with_correctives(head: Head, weights: Mapping[str, float]) -> dict[str, float]:
    """Weights of all morphs, as a figure drives them."""
    found = {name: float(weight) for name, weight in weights.items()}
    for corrective in head.correctives:
        drivers = [found.get(name, 0.0) for name in corrective.drivers]
        if corrective.peak:
            here, peak = drivers[0], corrective.peak
            value = here / peak if here < peak else max(0.0, (1.0 - here) / (1.0 - peak))
        else:
            value = min(drivers) if corrective.how == "least" else float(np.prod(drivers))
        found[corrective.shape] = value
    return found


def posed(head: Head, **weights: float) -> F64:
    """Positions (v, 3) of a head under weights."""
    positions = head.positions.astype(np.float64)
    for name, weight in weights_with_correctives(head, weights).items():
        if weight:
            where, offsets = head.morphs[name]
            positions[where] += weight * offsets
    return positions


def on_ring(head: Head, feature: int, ring: float) -> NDArray[np.int64]:
    """Vertices of the left half on a ring, in the order of their steps."""
    layout = head.layout
    mine = (layout.feature == feature) & (layout.ring == ring) & (layout.side >= 0)
    found = np.nonzero(mine[head.welded])[0]
    return found[np.argsort(layout.along[head.welded[found]], kind="stable")]


def gap_of_lips(head: Head, positions: F64) -> float:
    """The widest gap between the lines of the upper and the lower lip."""
    line = positions[on_ring(head, MOUTH, 6.0)]
    return float(np.linalg.norm(line - line[::-1], axis=1).max())


def test_lips_are_sealed_at_rest(head: Head, other: Head) -> None:
    for each in (head, other):
        assert gap_of_lips(each, each.positions.astype(np.float64)) < 0.2e-3


@pytest.mark.parametrize("open_by", [0.25, 0.5, 1.0])
def test_lips_close_over_an_open_jaw(head: Head, open_by: float) -> None:
    assert gap_of_lips(head, posed(head, jawOpen=open_by)) > 8e-3 * open_by
    assert gap_of_lips(head, posed(head, jawOpen=open_by, mouthClose=open_by)) < 0.5e-3


@pytest.mark.parametrize("name", ["mouthPucker", "mouthSmileLeft", "mouthFrownRight", "mouthStretchLeft", "cheekPuff"])
def test_shapes_of_closed_lips_keep_them_closed(head: Head, name: str) -> None:
    assert gap_of_lips(head, posed(head, **{name: 1.0})) < 0.5e-3


@pytest.mark.parametrize("ring", [5.0, 6.0])
@pytest.mark.parametrize("more", [{}, {"eyeLookDownLeft": 1.0}, {"eyeSquintLeft": 0.7}, {"eyeWideLeft": 1.0}])
def test_lids_meet_in_a_blink(head: Head, ring: float, more: dict[str, float]) -> None:
    positions = posed(head, eyeBlinkLeft=1.0, **more)
    edge = on_ring(head, EYE, ring)
    t, upper = lids.along_lids(head.layout.along[head.welded[edge]])
    top, low = (edge[mask][np.argsort(t[mask])] for mask in (upper, ~upper))
    across = np.interp(np.sort(t[~upper]), np.sort(t[upper]), np.arange(upper.sum()))
    nearest = np.round(across).astype(int)
    gap = np.linalg.norm(positions[top[nearest]] - positions[low], axis=1)
    assert float(gap.max()) < 0.2e-3


def random_pose(rng: np.random.Generator) -> dict[str, float]:
    """Weights of all shapes within 0 and 1, of opposites only one."""
    weights = {name: float(rng.uniform(0.0, 1.0) * (rng.uniform() < 0.5)) for name in ARKIT}
    for side in ("Left", "Right"):
        for pair in (("eyeLookIn", "eyeLookOut"), ("eyeLookUp", "eyeLookDown")):
            weights[pair[int(rng.integers(2))] + side] = 0.0
        closing = weights["eyeBlink" + side] + weights["eyeSquint" + side]
        weights["eyeWide" + side] *= float(closing == 0.0)
    return weights


def test_lids_never_enter_the_eyes(head: Head) -> None:
    form = Form.of(head.identity)
    layout = head.layout
    lid = (layout.feature == EYE) & (layout.ring >= lids.FIRST)
    rng = np.random.default_rng(6)
    deepest = 0.0
    for _ in range(200):
        weights = random_pose(rng)
        positions = posed(head, **weights)
        for n, (side, name) in enumerate(((1, "Left"), (-1, "Right"))):
            turns = [weights[f"eyeLook{way}{name}"] for way in ("In", "Out", "Up", "Down")]
            out, up = np.dot(turns, [-GAZE_DEG[0], GAZE_DEG[1], 0, 0]), np.dot(turns, [0, 0, GAZE_DEG[2], -GAZE_DEG[3]])
            gaze = lids.LidPose(gaze_out_deg=float(out), gaze_up_deg=float(up)).gaze
            mine = (lid & (layout.side == side))[head.welded]
            away = (positions[mine] - head.anatomy.eyes[n]) * 100.0
            reach = curves.eye_reach(form, away, (side * gaze[0], gaze[1], gaze[2]))
            deepest = max(deepest, float((reach - np.linalg.norm(away, axis=1)).max()))
    assert deepest * 0.01 < 0.1e-3


def test_neutral_is_exactly_zero(head: Head) -> None:
    assert (posed(head) == head.positions).all()
    assert all(value == 0.0 for value in weights_with_correctives(head, dict.fromkeys(ARKIT, 0.0)).values())


def test_halves_are_mirror_images(head: Head) -> None:
    flip = np.array([-1.0, 1.0, 1.0])
    assert (head.mirror[head.mirror] == np.arange(len(head.mirror))).all()
    np.testing.assert_allclose(head.positions[head.mirror] * flip, head.positions, atol=1e-7)
    np.testing.assert_allclose(head.uv0[head.mirror] * [-1, 1] + [1, 0], head.uv0, atol=1e-6)
    for name in ARKIT:
        np.testing.assert_allclose(
            posed(head, **{name: 1.0})[head.mirror] * flip, posed(head, **{mirrored(name): 1.0}), atol=2e-6
        )


def test_asymmetry_moves_a_millimetre_or_two() -> None:
    even, uneven = (build_head(Identity(asymmetry=amount), detail=0) for amount in (0.0, 1.0))
    moved = np.linalg.norm(even.positions - uneven.positions, axis=1)
    assert 0.5e-3 < float(moved.max()) < 4e-3
    flip = uneven.positions[uneven.mirror] * [-1, 1, 1]
    assert float(np.abs(flip - uneven.positions).max()) > 0.5e-3


@pytest.mark.parametrize("which", ["head", "other"])
def test_no_triangle_is_flipped_or_degenerate(which: str, request: pytest.FixtureRequest) -> None:
    head: Head = request.getfixturevalue(which)
    corners = head.positions.astype(np.float64)[head.triangles]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = 0.5 * np.linalg.norm(faces, axis=1)
    assert float(area.min()) > 1e-9
    # A flipped triangle looks against the one that shares its quad or against all of its vertices' normals.
    unit = faces / (2.0 * area)[:, None]
    half = len(unit) // 2
    assert float((np.sum(unit[:half] * unit[half:], axis=1) < -0.2).sum()) == 0
    against = np.sum(unit[:, None] * head.normals[head.triangles], axis=2).max(axis=1)
    assert int((against < -0.2).sum()) == 0


def test_net_is_closed_but_for_the_eyes_and_the_bust() -> None:
    layout = cage()
    edges, _, border, _ = edges_of(layout.quads)
    rims = layout.feature[edges[border]].max(axis=1)
    assert set(rims.tolist()) == {0, EYE}
    assert len(np.unique(layout.quads)) == layout.count


def test_texture_coordinates_do_not_overlap(head: Head) -> None:
    uv = head.uv0.astype(np.float64)
    assert uv.min() >= 0.0 and uv.max() <= 1.0
    a, b, c = (uv[head.triangles[:, k]] for k in range(3))
    area = 0.5 * ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])
    assert (area < 0).all() or (area > 0).all()
    # Triangles of one orientation that cover a square's area once: count them at random points.
    points = np.random.default_rng(3).uniform(0.0, 1.0, (400, 2))
    covered = np.zeros(len(points), int)
    for n, p in enumerate(points):
        sides = [_cross(q - o, p - o) for o, q in ((a, b), (b, c), (c, a))]
        inside = (np.stack(sides) * np.sign(area[0]) > 0.0).all(axis=0)
        covered[n] = int(inside.sum())
    assert covered.max() <= 1 and covered.mean() > 0.7


def _cross(a: F64, b: F64) -> F64:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def test_identities_share_one_net(other: Head) -> None:
    plain = build_head(Identity(asymmetry=0.0), detail=1)
    assert (plain.triangles == other.triangles).all() and (plain.uv0 == other.uv0).all()
    assert plain.morphs.keys() == other.morphs.keys() and plain.masks.keys() == other.masks.keys()
    assert float(np.linalg.norm(plain.positions - other.positions, axis=1).max()) > 3e-3


# Where on the face (metres: from, to) a region's shapes may move most.
PLACES = {
    "eyes": ((-0.02, 0.025), 0.055),
    "gaze": ((-0.02, 0.025), 0.055),
    "brows": ((0.005, 0.06), 0.06),
    "nose": ((-0.07, 0.01), 0.04),
    "cheeks": ((-0.095, 0.0), 0.07),
    "jaw": ((-0.13, -0.03), 0.07),
    "mouth": ((-0.11, -0.03), 0.06),
}


@pytest.mark.parametrize("name", [name for name in ARKIT if name != "tongueOut"])
def test_every_shape_moves_mostly_its_own_region(head: Head, name: str) -> None:
    where, offsets = head.morphs[name]
    length = np.linalg.norm(offsets, axis=1)
    assert 0.4e-3 < float(length.max()) < 50e-3
    (low, high), wide = PLACES[region(name)]
    at = head.positions[where]
    inside = (at[:, 1] > low) & (at[:, 1] < high) & (np.abs(at[:, 0]) < wide)
    assert float((length[inside] ** 2).sum()) > 0.8 * float((length**2).sum())
    if name.endswith(("Left", "Right")) and name not in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
        own = at[:, 0] > 0 if name.endswith("Left") else at[:, 0] < 0
        assert float((length[own] ** 2).sum()) > 0.85 * float((length**2).sum())


def test_weights_of_joints_and_masks_are_shares(head: Head) -> None:
    total = np.sum([head.joints[name] for name in ("neck", "head", "jaw")], axis=0)
    assert total.max() <= 1.0 + 1e-6 and min(weight.min() for weight in head.joints.values()) >= -1e-6
    for name, weight in head.masks.items():
        assert weight.min() >= 0.0 and weight.max() <= 1.0 and weight.max() > 0.9, name
    chin = int(np.argmin(np.linalg.norm(head.positions - head.anatomy.chin, axis=1)))
    crown = int(np.argmax(head.positions[:, 1]))
    assert head.joints["jaw"][chin] > 0.95 and head.joints["head"][crown] > 0.99


def test_distance_is_zero_on_the_skin_and_signed(head: Head) -> None:
    skin = np.isnan(head.layout.ring) & (head.layout.feature == 0)
    points = head.positions[skin[head.welded]].astype(np.float64)
    assert float(np.abs(distance(points, head.identity, openings=False)).max()) < 0.5e-3
    outside = distance(np.array([[0.0, 0.0, 0.2], [0.0, 0.0, -0.07]]), head.identity)
    assert outside[0] > 0.05 and outside[1] < -0.03


def test_distance_follows_a_pose(head: Head) -> None:
    chin = head.anatomy.chin + np.array([0.0, 0.0, 0.002])
    at_rest = distance(chin, head.identity)[0]
    opened = distance(chin, head.identity, Pose(jaw_open=0.6))[0]
    assert abs(at_rest) < 4e-3 and opened > at_rest + 4e-3
    shut = Pose(left=Side(blink=1.0), right=Side(blink=1.0))
    before_eye = head.anatomy.eyes[0] + np.array([0.0, 0.001, head.anatomy.eye_radius + 0.0008])
    assert distance(before_eye, head.identity)[0] > 0.0 > distance(before_eye, head.identity, shut)[0]


def test_an_unknown_detail_is_told() -> None:
    with pytest.raises(UsageError, match="detail is 0, 1 or 2"):
        build_head(Identity(), detail=7)


def test_steps_of_rings_stand_for_lids_and_lips() -> None:
    t, upper = lids.along_lids(np.array([22.0, 4.0, 10.0, 16.0]))
    np.testing.assert_allclose(t, [-1.0, 0.0, 1.0, 0.0], atol=1e-12)
    assert upper.tolist() == [True, True, True, False]
    t, side = lips.along_lips(np.array([0.0, 7.0, 14.0]))
    np.testing.assert_allclose(t, [0.0, 1.0, 0.0], atol=1e-12)
    assert side.tolist() == [1.0, 0.0, -1.0]
