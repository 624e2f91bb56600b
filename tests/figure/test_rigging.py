"""Making a figure of a head: names, eyeballs, jaw, lips and joints, on a head made here and on a real one."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from studio.errors import BadAsset
from studio.figure import make_figure, rig_figure
from studio.figure.anatomy import about, rigid_motion
from studio.figure.correctives import Lips, gap, sealing
from studio.figure.from_names import arkit_name, controls_of, joint_of, part_of
from studio.figure.islands import cut, edges_of, islands, welded
from studio.figure.rigging import rigged
from studio.scene.animation import make_curve
from studio.scene.arkit import ARKIT, INDEX
from studio.scene.entities import Figure, Group, MeshObject
from studio.scene.flatten import flatten
from studio.scene.geometry import Morph, make_mesh
from studio.scene.materials import Material
from studio.scene.placement import placement
from studio.scene.scene import Scene

PIVOT, ANGLE = np.array([0.0, -0.01, 0.01]), 20.0


# --- a head made here ------------------------------------------------------------------------------------------------
def sphere(centre, radius, rings=14, segments=20):
    v = np.linspace(0.0, np.pi, rings)
    u = np.linspace(0.0, 2 * np.pi, segments, endpoint=False)
    points = [[np.sin(b) * np.sin(a), np.cos(b), np.sin(b) * np.cos(a)] for b in v[1:-1] for a in u]
    points = np.array([[0, 1, 0], *points, [0, -1, 0]]) * radius + centre
    triangles = [[0, 1 + i, 1 + (i + 1) % segments] for i in range(segments)]
    for r in range(rings - 3):
        for i in range(segments):
            a, b = 1 + r * segments + i, 1 + r * segments + (i + 1) % segments
            triangles += [[a, a + segments, b], [b, a + segments, b + segments]]
    last = len(points) - 1
    triangles += [[last, last - segments + (i + 1) % segments, last - segments + i] for i in range(segments)]
    return points, np.array(triangles)


def opened(points, share):
    """Where an opening jaw brings points, by a share of the turn."""
    turned = (points - PIVOT) @ about((1.0, 0.0, 0.0), ANGLE).T + PIVOT
    return points + np.asarray(share)[:, None] * (turned - points)


def head_parts():
    """Points, triangles and material of each part, and how far its points follow the jaw."""
    skull = sphere((0.0, 0.0, 0.0), 0.1, 28, 40)
    neck = sphere((0.0, -0.17, -0.01), 0.07)
    front = np.clip((skull[0][:, 2] - 0.02) / 0.04, 0, 1) * np.clip((-0.03 - skull[0][:, 1]) / 0.02, 0, 1)
    out = [("skin", *skull, front), ("skin", *neck, np.zeros(len(neck[0])))]
    for x in (0.032, -0.032):
        ball = sphere((x, 0.03, 0.08), 0.012)
        out.append(("Sclera", *ball, np.zeros(len(ball[0]))))
    for y, share in ((-0.03, 0.0), (-0.045, 1.0)):
        teeth = sphere((0.0, y, 0.07), 0.008)
        out.append(("Teeth", teeth[0] * (2.5, 1.0, 1.0), teeth[1], np.full(len(teeth[0]), share)))
    return out


def made_head(*, names=None, scale=1.0) -> Scene:
    """A scene of one object with eyeballs, teeth, a jaw that opens, lids that blink and look down."""
    parts = head_parts()
    points = np.concatenate([p for _, p, _, _ in parts])
    starts = np.cumsum([0, *(len(p) for _, p, _, _ in parts)])
    triangles = np.concatenate([t + s for (_, _, t, _), s in zip(parts, starts, strict=False)])
    runs = np.cumsum([0, *(len(t) for _, _, t, _ in parts)])
    share = np.concatenate([s for _, _, _, s in parts])
    moves = {"jawOpen": opened(points, share) - points}
    for side, x in (("Left", 0.032), ("Right", -0.032)):
        near = np.exp(-((np.linalg.norm(points - (x, 0.03, 0.09), axis=1) / 0.015) ** 2))
        near[starts[2] : starts[4]] = 0.0
        moves[f"eyeBlink{side}"] = near[:, None] * np.array([0.0, -0.008, 0.0])
        moves[f"eyeLookDown{side}"] = near[:, None] * np.array([0.0, -0.004, 0.0])
    moves["smirk"] = np.where(points[:, :1] > 0.05, 0.003, 0.0) * np.array([1.0, 0.0, 0.0])
    morphs = []
    for name, offsets in moves.items():
        rows = np.flatnonzero(np.abs(offsets).max(axis=1) > 1e-7)
        told = (names or {}).get(name, name)
        morphs.append(Morph(told, rows.astype(np.uint32), (offsets[rows] / scale).astype(np.float32)))
    mesh = make_mesh(points / scale, triangles, parts=runs.tolist(), morphs=morphs)
    worn = [material for material, _, _, _ in parts]
    return Scene().add(
        mesh,
        Group(id="top", name="Bust", scale=(scale,) * 3),
        MeshObject(id="bust", name="Bust mesh", parent="top", mesh=mesh.key, materials=tuple(worn)),
        *(Material(id=m, name=m, base_color=(0.5, 0.4, 0.3)) for m in dict.fromkeys(worn)),
    )


def cloud(scene: Scene, frame: float = 1.0):
    """All vertices in the world, (n, 3), in an order that does not depend on objects."""
    flat = flatten(scene, frame)
    parts = []
    for row in flat.instances:
        local = flat.meshes[int(row["mesh"])].positions.astype(np.float64)
        parts.append(local @ row["open"][:, :3].astype(np.float64).T + row["open"][:, 3])
    return np.concatenate(parts)


def farthest(some, others) -> float:
    """The greatest distance of a point of either cloud from the nearest of the other."""

    def one(a, b):
        return max(float(np.sqrt(((b - p) ** 2).sum(axis=1).min())) for p in a)

    return max(one(some, others), one(others, some))


def weighted(scene: Scene, object_: str, **weights: float) -> Scene:
    names = [m.name for m in scene.meshes[scene.entities[object_].mesh].morphs]
    return scene.replace(object_, morph_weights=tuple(weights.get(n, 0.0) for n in names))


def acting(scene: Scene, figure: str, **weights: float) -> Scene:
    controls = scene.entities[figure].controls
    return scene.replace(figure, expression=tuple(weights.get(n, 0.0) for n in controls))


def figure_in(scene: Scene) -> Figure:
    (found,) = [e for e in scene.entities.values() if isinstance(e, Figure)]
    return found


# --- names -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ARKIT)
def test_apple_s_names_are_known_however_they_are_spelt(name):
    stem, side = (
        (name[:-4], "L") if name.endswith("Left") else (name[:-5], "R") if name.endswith("Right") else (name, "")
    )
    whole = {"jawLeft", "jawRight", "mouthLeft", "mouthRight"}
    spelt = [name, name.upper(), f"head|{name}", f"blendShape1.{name}"]
    if side and name not in whole:
        snake = "".join(f"_{c}" if c.isupper() else c for c in stem)
        spelt += [f"{stem}_{side}", f"{stem}.{side.lower()}", f"{snake}_{side}".title(), f"{stem}{side}"]
    assert {arkit_name(s) for s in spelt} == {name}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("AU12_L", "mouthSmileLeft"),
        ("au01", "browInnerUp"),
        ("browInnerUp_R", "browInnerUp"),
        ("Lip_Corner_Puller_R", "mouthSmileRight"),
        ("Left_Blink", "eyeBlinkLeft"),
        ("JawDrop", "jawOpen"),
        ("AU12", ""),  # both sides in one shape are neither
        ("nose", ""),
        ("", ""),
    ],
)
def test_other_names_are_looked_up(given, wanted):
    assert arkit_name(given) == wanted


def test_an_alias_gives_way_to_the_name_itself():
    told = controls_of(["cheekRaiser_L", "cheekSquint_L", "cheekRaiser_R"])
    assert told == {
        "cheekSquint_L": "cheekSquintLeft",
        "cheekRaiser_L": "cheekRaiser_L",
        "cheekRaiser_R": "cheekSquintRight",
    }


def test_joints_and_parts_are_known_by_name():
    assert [joint_of(n) for n in ("Head", "mixamorig:Neck", "J_Adj_L_FaceEye", "eye.R", "CC_Base_JawRoot")] == [
        "head", "neck", "left_eye", "right_eye", "jaw",
    ]  # fmt: skip
    assert [part_of(n) for n in ("EyeLashes", "ScleraLeft", "GumsTongue", "BackHead", "wood")] == [
        "lashes", "sclera", "gums", "skin", "",
    ]  # fmt: skip


# --- cutting and measuring -------------------------------------------------------------------------------------------
def test_islands_are_what_shares_no_place():
    scene = made_head()
    mesh = scene.meshes[scene.entities["bust"].mesh]
    assert int(islands(mesh).max()) + 1 == 6


def test_a_cut_keeps_parts_morphs_and_places():
    scene = made_head()
    mesh = scene.meshes[scene.entities["bust"].mesh]
    island = islands(mesh)
    lower = island[mesh.triangles[:, 0]] == island[mesh.triangles[-1, 0]]
    to = np.array([[2.0, 0, 0, 1], [0, 2, 0, 0], [0, 0, 2, 0]])
    piece = cut(mesh, lower, to=to)
    assert piece.parts == (5,) and [m.name for m in piece.mesh.morphs] == ["jawOpen"]
    wanted = mesh.positions[piece.vertices] * 2 + (1, 0, 0)
    np.testing.assert_allclose(piece.mesh.positions, wanted, atol=1e-6)
    moved = piece.mesh.morphs[0]
    np.testing.assert_allclose(moved.positions, 2 * mesh.morphs[0].positions[-len(moved.indices) :], atol=1e-6)


def test_a_rigid_motion_is_found_again():
    rng = np.random.default_rng(1)
    points = rng.normal(size=(40, 3))
    turn = about((0.6, 0.0, 0.8), 70.0)
    found, shift = rigid_motion(points, points @ turn.T + (1.0, 2.0, 3.0))
    np.testing.assert_allclose(found, turn, atol=1e-12)
    np.testing.assert_allclose(shift, (1.0, 2.0, 3.0), atol=1e-12)


def test_open_lips_are_sealed_and_what_is_far_stays():
    # two strips of skin, joined at their ends, whose inner rims stand 4 mm apart in the middle
    x = np.linspace(-0.025, 0.025, 41)
    rows = []
    for y in (0.0, 0.002, 0.006, 0.012, 0.03):
        rows += [np.stack([x, np.full_like(x, y), 0 * x], 1), np.stack([x, np.full_like(x, -y - 1e-4), 0 * x], 1)]
    points = np.concatenate(rows)
    triangles = []
    for a, b in ((0, 2), (2, 4), (4, 6), (6, 8), (1, 3), (3, 5), (5, 7), (7, 9)):
        for i in range(40):
            p, q = a * 41 + i, b * 41 + i
            triangles += [[p, p + 1, q], [p + 1, q + 1, q]]
    mesh = make_mesh(points, triangles)
    points = mesh.positions.astype(np.float64)
    upper, lower = np.arange(41), 41 + np.arange(41)
    way = np.tile([0.0, 1.0, 0.0], (41, 1))
    lips = Lips(upper, lower, points[upper] - points[lower], way)
    hole = np.zeros_like(points)
    hole[:, 1] = np.where(
        points[:, 1] < 0, -0.004 * np.cos(np.pi * points[:, 0] / 0.05) * np.exp(points[:, 1] / 0.01), 0
    )
    place = welded(mesh.positions)
    shut = sealing(
        points, lips, edges_of(mesh, place), place, size=0.06, moved=lambda o: points + hole + o, back=lambda o: o
    )
    before = np.linalg.norm(gap(points + hole, lips), axis=1).max()
    after = np.linalg.norm(gap(points + hole + shut, lips), axis=1).max()
    assert before > 0.0035 and after < 0.0003
    assert np.abs(shut[np.abs(points[:, 1]) > 0.025]).max() < 1e-4


# --- a whole head ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_a_head_becomes_a_figure_that_looks_the_same_at_rest(scale):
    scene = made_head(scale=scale)
    made = rigged(scene, ["top"], dress=False)
    rig = figure_in(made.scene).rig
    assert rig.head and rig.neck and rig.jaw and rig.left_eye and rig.right_eye
    assert farthest(cloud(scene), cloud(made.scene)) < 1e-6
    assert flatten(made.scene, 1.0).warnings == flatten(scene, 1.0).warnings


def test_eyeballs_turn_about_their_middles_and_look_ahead():
    made = rigged(made_head(), ["top"], dress=False)
    figure = figure_in(made.scene)
    for id_, x in ((figure.rig.left_eye, 0.032), (figure.rig.right_eye, -0.032)):
        matrix = placement(flatten(made.scene, 1.0)).world_of(id_)
        np.testing.assert_allclose(matrix[:, 3], (x, 0.03, 0.08), atol=1e-5)
        (ball,) = [e for e in made.scene.entities.values() if e.parent == id_]
        reach = np.linalg.norm(made.scene.meshes[ball.mesh].positions, axis=1)
        np.testing.assert_allclose(reach, 0.012, atol=1e-5)
    before = cloud(made.scene)
    after = cloud(acting(made.scene, made.figure, eyeLookOutLeft=1.0))
    assert farthest(before, after) > 1e-3 or not np.allclose(before, after)


def test_the_jaw_swings_about_its_hinge_and_every_shape_alone_does_what_it_did():
    scene = made_head()
    made = rigged(scene, ["top"], dress=False)
    (hinge,) = figure_in(made.scene).rig.hinges
    assert hinge.angle_deg == pytest.approx(ANGLE, abs=0.01)
    np.testing.assert_allclose(hinge.axis, (1, 0, 0), atol=1e-6)
    matrix = placement(flatten(made.scene, 1.0)).world_of(hinge.joint)
    np.testing.assert_allclose(matrix[1:, 3], PIVOT[1:], atol=1e-4)
    for name in ("jawOpen", "eyeBlinkLeft", "smirk"):
        wanted = cloud(weighted(scene, "bust", **{name: 1.0}))
        assert farthest(wanted, cloud(acting(made.scene, made.figure, **{name: 1.0}))) < 2e-6


def test_half_an_opening_follows_the_arc():
    made = rigged(made_head(), ["top"], dress=False)
    parts = head_parts()
    teeth = parts[-1][1]
    turn = about((1.0, 0.0, 0.0), ANGLE / 2)
    wanted = (teeth - PIVOT) @ turn.T + PIVOT
    now = cloud(acting(made.scene, made.figure, jawOpen=0.5))
    assert max(np.linalg.norm(now - p, axis=1).min() for p in wanted) < 1e-5
    chord = teeth + 0.5 * (opened(teeth, np.ones(len(teeth))) - teeth)
    assert max(np.linalg.norm(now - p, axis=1).min() for p in chord) > 1e-4


def test_a_head_turns_with_all_that_is_in_it_and_the_shoulders_stay():
    made = rigged(made_head(), ["top"], dress=False)
    before, after = cloud(made.scene), cloud(made.scene.replace(made.figure, head_turn=(0.0, 40.0, 0.0)))
    low = before[:, 1] < -0.2
    np.testing.assert_allclose(after[low], before[low], atol=1e-6)
    high = before[:, 1] > 0.0
    turn, _ = rigid_motion(before[high], after[high])
    np.testing.assert_allclose(turn, about((0.0, 1.0, 0.0), 40.0), atol=1e-6)


def test_lids_follow_a_target_that_the_eyes_look_down_at():
    made = rigged(made_head(), ["top"], dress=False)
    scene = made.scene.add(Group(id="t", translation=(0.0, -0.2, 0.5))).replace(made.figure, look_at="t")
    face = next(e for e in flatten(scene, 1.0).cache.tree.entities if isinstance(e, MeshObject) and e.skin)
    names = [m.name for m in scene.meshes[face.mesh].morphs]
    assert face.morph_weights[names.index("eyeLookDownLeft")] > 0.5


def test_names_of_other_programs_become_controls_and_what_lacks_is_said():
    spelt = {"jawOpen": "Jaw_Open", "eyeBlinkLeft": "Eye_Blink_L", "eyeBlinkRight": "AU45_R"}
    made = rigged(made_head(names=spelt), ["top"], dress=False)
    figure = figure_in(made.scene)
    assert figure.controls == (*ARKIT, "smirk")
    assert any("lacks" in said and "eyeLookInLeft" in said for said in made.report)
    assert figure.rig.jaw


def test_a_performance_on_morphs_becomes_one_of_the_expression():
    scene = weighted(made_head(), "bust", smirk=0.5)
    names = [m.name for m in scene.meshes[scene.entities["bust"].mesh].morphs]
    keys = np.zeros((2, len(names)))
    keys[1, names.index("jawOpen")] = 1.0
    scene = replace(scene, tracks={"bust.morph_weights": make_curve([0.0, 10.0], keys)})
    made = rigged(scene, ["top"], dress=False)
    figure = figure_in(made.scene)
    assert figure.expression[figure.controls.index("smirk")] == 0.5
    assert set(made.scene.tracks) == {f"{made.figure}.expression[{figure.controls.index(n)}]" for n in names}
    assert farthest(cloud(scene, 10.0), cloud(made.scene, 10.0)) < 2e-6


def test_materials_become_what_their_names_say_and_pictures_stay():
    scene = made_head()
    made = rigged(scene, ["top"])
    skin, teeth = made.scene.materials["skin"], made.scene.materials["Teeth"]
    assert skin.subsurface_weight > 0 and skin.base_color == (0.5, 0.4, 0.3) and teeth.subsurface_weight > 0
    eyes = [e for e in made.scene.entities.values() if isinstance(e, MeshObject) and "eye" in e.name]
    worn = {m for e in eyes for m in e.materials}
    assert all(made.scene.materials[m].eye_iris_radius == pytest.approx(0.00585, rel=0.01) for m in worn)
    worked = msgspec.structs.replace(scene.materials["skin"], subsurface_weight=0.1)
    kept = rigged(replace(scene, materials={**scene.materials, "skin": worked}), ["top"])
    assert kept.scene.materials["skin"] == worked


def test_meshes_that_nothing_wears_any_more_are_gone():
    scene = made_head()
    other = make_mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    made = rigged(scene.add(other), ["top"], dress=False)
    worn = {e.mesh for e in made.scene.entities.values() if isinstance(e, MeshObject)}
    assert set(made.scene.meshes) == worn | {other.key}


def test_a_skeleton_is_found_by_the_names_of_its_joints():
    mesh = make_mesh(
        [[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]], joints=[[0, 0, 0, 0]] * 3, weights=[[1, 0, 0, 0]] * 3,
        morphs=[Morph("jawOpen", np.array([0], np.uint32), np.array([[0, -1, 0]], np.float32))],
    )  # fmt: skip
    away = (0.0, math.sin(math.pi / 4), 0.0, math.cos(math.pi / 4))
    scene = Scene().add(
        mesh,
        Group(id="root", name="Armature"),
        Group(id="h", name="mixamorig:Head", parent="root"),
        Group(id="el", name="LeftEye", parent="h"),
        Group(id="er", name="RightEye", parent="h", rotation=away),
        MeshObject(id="m", parent="root", mesh=mesh.key, skin="s", joints=("h",)),
    )
    scene = replace(scene, skins={"s": np.eye(4, dtype=np.float32)[None]})
    made = rigged(scene, ["root"])
    rig = figure_in(made.scene).rig
    assert rig.head == "h" and rig.left_eye == "el" and rig.right_eye == "" and rig.jaw == ""
    assert any("right eye" in said for said in made.report) and any("jaw" in said for said in made.report)
    assert made.scene.entities["m"].skin == "s"


def test_what_is_no_head_becomes_a_figure_all_the_same():
    mesh = make_mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    scene, id_ = make_figure(Scene().add(mesh, MeshObject(id="m", name="Thing", mesh=mesh.key)), ["m"])
    assert scene.entities[id_].name == "Thing" and scene.entities["m"].parent == id_
    flatten(scene, 1.0)


def test_nothing_to_make_a_figure_of_is_said_in_a_sentence():
    with pytest.raises(BadAsset, match="no mesh"):
        make_figure(Scene().add(Group(id="g")), ["g"])
    with pytest.raises(BadAsset, match="Select the head"):
        make_figure(made_head(), [])
    done = rig_figure(made_head(), "top")
    with pytest.raises(BadAsset, match="figure already"):
        make_figure(done, ["top"])


@pytest.mark.parametrize("harm", ["flat", "nan", "behind", "still"])
def test_a_broken_head_is_no_fault(harm):
    scene = made_head()
    bust = scene.entities["bust"]
    if harm == "flat":
        scene = scene.put({"bust": msgspec.structs.replace(bust, scale=(1.0, 0.0, 1.0))})
    elif harm == "nan":
        scene = scene.put({"bust": msgspec.structs.replace(bust, morph_weights=(math.nan,) * 9)})
    elif harm == "behind":
        scene = scene.put({"bust": msgspec.structs.replace(bust, parent="bust")})
    else:
        mesh = scene.meshes[bust.mesh]
        still = make_mesh(mesh.positions, mesh.triangles, parts=mesh.parts)
        scene = scene.add(still).put({"bust": msgspec.structs.replace(bust, mesh=still.key)})
    try:
        scene = rigged(scene, ["bust"]).scene
    except BadAsset as fault:
        assert harm == "behind" and "cannot hang below itself" in str(fault)
    else:
        flatten(scene, 1.0)


# --- a real one ------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def real(shared: Path) -> Scene:
    path = shared / "assets" / "ict_head" / "ict_head.glb"
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    import studio

    return studio.load(path)


@pytest.fixture(scope="module")
def double(real: Scene):
    return rigged(real, [i for i, e in real.entities.items() if not e.parent])


def test_the_real_head_has_its_hinge_eyes_and_whole_rig(double):
    figure = figure_in(double.scene)
    (hinge,) = figure.rig.hinges
    assert hinge.angle_deg == pytest.approx(25.3, abs=0.1)
    places = placement(flatten(double.scene, 1.0))
    assert places.world_of(hinge.joint)[2, 3] == pytest.approx(0.0182, abs=2e-4)
    left = places.world_of(figure.rig.left_eye)[:, 3]
    np.testing.assert_allclose(left[[0, 2]], (0.0312, 0.0798), atol=3e-4)
    assert any("tongueOut" in said for said in double.report)
    assert figure.controls[52:] == ("PupilDilateLeft", "PupilDilateRight", "cheekRaiserLeft", "cheekRaiserRight")


@pytest.mark.parametrize("name", ["jawOpen", "mouthSmileLeft", "eyeBlinkRight", "jawLeft", "cheekPuff"])
def test_each_shape_of_the_real_head_is_what_it_was(real, double, name):
    (id_,) = [i for i, e in real.entities.items() if isinstance(e, MeshObject)]
    mesh = real.meshes[real.entities[id_].mesh]
    morph = next(m for m in mesh.morphs if m.name == name)
    rows = np.random.default_rng(0).choice(morph.indices, 400, replace=False).astype(int)
    wanted = cloud(weighted(real, id_, **{name: 1.0}))[rows]
    now = cloud(acting(double.scene, double.figure, **{name: 1.0}))
    assert max(np.linalg.norm(now - p, axis=1).min() for p in wanted) < 1e-5


def test_lips_of_the_real_head_meet_over_an_open_jaw(real, double):
    (id_,) = [i for i, e in real.entities.items() if isinstance(e, MeshObject)]
    wanted = cloud(weighted(real, id_, jawOpen=1.0, mouthClose=1.0))
    now = cloud(acting(double.scene, double.figure, jawOpen=1.0, mouthClose=1.0))
    mouth = np.flatnonzero((np.abs(wanted[:, 0]) < 0.03) & (wanted[:, 2] > 0.09) & (np.abs(wanted[:, 1] + 0.04) < 0.03))
    rows = np.random.default_rng(0).choice(mouth, 300, replace=False)
    assert max(np.linalg.norm(now - p, axis=1).min() for p in wanted[rows]) < 5e-4
    assert figure_in(double.scene).rig.correctives[0].drivers == ("jawOpen", "mouthClose")


def test_the_real_head_s_expression_by_index_is_apple_s(double):
    assert double.scene.entities[double.figure].controls.index("jawOpen") == INDEX["jawOpen"]
