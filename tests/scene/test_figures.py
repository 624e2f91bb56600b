"""Figures that act: morphs, joints, gaze, lids, wrinkles and idle life by the expression of a figure."""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import BadAsset
from studio.scene import edits
from studio.scene.animation import make_curve
from studio.scene.arkit import ARKIT, INDEX
from studio.scene.entities import (
    Camera,
    Constraint,
    Corrective,
    Figure,
    FigureRig,
    Group,
    Hinge,
    MeshObject,
    Wrinkle,
)
from studio.scene.figure_casts import figure_of
from studio.scene.figure_rigs import check_figure
from studio.scene.figures import acted, weights_of
from studio.scene.flatten import flatten
from studio.scene.geometry import Morph, make_mesh
from studio.scene.idle_life import life_at
from studio.scene.insert import insert
from studio.scene.lights import Light
from studio.scene.materials import OFFSET, Material
from studio.scene.placement import placement
from studio.scene.scene import Scene

NAMES = ("jawOpen", "mouthClose", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeWideLeft", "eyeSquintLeft")
EXTRA = ("seal", "half", "own")


def expression(**weights: float) -> tuple[float, ...]:
    out = [0.0] * len(ARKIT)
    for name, weight in weights.items():
        out[INDEX[name]] = weight
    return tuple(out)


def face_mesh():
    """Twelve vertices in a strip; the n-th morph lifts vertex n."""
    points = np.array([[x, y, 0] for x in range(6) for y in range(2)], np.float32) * np.float32(0.01)
    triangles = [[2 * i, 2 * i + 2, 2 * i + 1] for i in range(5)] + [
        [2 * i + 1, 2 * i + 2, 2 * i + 3] for i in range(5)
    ]
    morphs = [
        Morph(name, np.array([i], np.uint32), np.array([[0, 0, 0.01]], np.float32))
        for i, name in enumerate((*NAMES, *EXTRA))
    ]
    normals = np.tile(np.array([[0, 0, 1]], np.float32), (12, 1))
    return make_mesh(points, triangles, normals=normals, morphs=morphs)


def head_scene(rig: FigureRig | None = None, **values: object) -> Scene:
    """A figure with a face, a jaw, a neck, a head and two eyes, and something to look at."""
    mesh = face_mesh()
    rig = rig or FigureRig(
        hinges=(Hinge(joint="jaw", control="jawOpen", axis=(1.0, 0.0, 0.0), angle_deg=30.0, shift=(0.0, 0.0, 0.01)),),
        correctives=(Corrective(shape="seal", drivers=("jawOpen", "mouthClose")),),
        wrinkles=(Wrinkle(material="skin", slot=2, controls=("eyeSquintLeft",), gains=(0.5,)),),
        head="head",
        neck="neck",
        jaw="jaw",
        left_eye="left",
        right_eye="right",
    )
    return Scene().add(
        mesh,
        Figure(id="ada", name="Ada", rig=rig, **values),  # type: ignore[arg-type]
        Group(id="neck", parent="ada", translation=(0.0, 1.4, 0.0)),
        Group(id="head", parent="neck", translation=(0.0, 0.1, 0.0)),
        Group(id="jaw", parent="head", translation=(0.0, 0.02, 0.02)),
        Group(id="left", parent="head", translation=(0.031, 0.05, 0.08)),
        Group(id="right", parent="head", translation=(-0.031, 0.05, 0.08)),
        MeshObject(id="face", name="Face", parent="head", mesh=mesh.key, materials=("skin",)),
        MeshObject(id="far", name="Far", mesh=mesh.key, materials=("skin",), translation=(9.0, 0.0, 0.0)),
        Group(id="target", translation=(0.0, 1.55, 1.0)),
        Material(id="skin", name="Skin"),
        Light(id="key", name="Key", translation=(0.0, 3.0, 3.0)),
        Camera(id="camera", translation=(0.0, 1.5, 2.0)),
    )


def act(scene: Scene, frame: float = 1.0, memo=None):
    return acted(scene.entities, scene.materials, scene.meshes, frame, fps=scene.fps, memo=memo)


def shapes(scene: Scene, frame: float = 1.0) -> dict[str, float]:
    weights = act(scene, frame)[0]["face"].morph_weights
    return dict(zip((*NAMES, *EXTRA), (*weights, *(0.0,) * 10), strict=False))


def world(scene: Scene, id_: str, frame: float = 1.0):
    return placement(flatten(scene, frame)).world_of(id_)


# --- what acts and what does not -------------------------------------------------------------------------------------
def test_a_scene_without_figures_gets_its_own_mappings_back():
    scene = Scene().add(Group(id="g"))
    entities, materials, warnings, memo = act(scene)
    assert entities is scene.entities and materials is scene.materials and warnings == () and memo is None


def test_a_figure_at_rest_changes_nothing():
    scene = head_scene()
    entities, materials, warnings, _ = act(scene)
    assert entities is scene.entities and materials is scene.materials and warnings == ()


def test_controls_drive_the_morphs_of_their_names_below_the_figure_alone():
    scene = head_scene(expression=expression(eyeWideLeft=0.4, jawOpen=0.7))
    scene = scene.replace(["face", "far"], morph_weights=(0.1,) * 10)
    entities = act(scene)[0]
    assert shapes(scene)["eyeWideLeft"] == 0.4 and shapes(scene)["jawOpen"] == 0.7
    assert shapes(scene)["own"] == 0.1  # no control bears its name
    assert entities["far"] is scene.entities["far"]


def test_the_flat_scene_has_the_vertices_of_a_plain_sum():
    rng = np.random.default_rng(3)
    weights = {name: float(rng.uniform(0, 0.5)) for name in NAMES}
    weights["mouthClose"] = min(weights["mouthClose"], weights["jawOpen"])
    scene = head_scene(rig=FigureRig(), expression=expression(**weights))
    flat = flatten(scene, 1.0)
    mesh = scene.meshes[scene.entities["face"].mesh]
    wanted = mesh.positions.astype(np.float64)
    told = weights_of(scene.entities["ada"], 1.0, scene.fps)
    for morph in mesh.morphs:
        wanted[morph.indices] += morph.positions.astype(np.float64) * told.get(morph.name, 0.0)
    deformed = flat.meshes[int(flat.instances["mesh"][flat.object_names.index("Face")])]
    np.testing.assert_allclose(deformed.positions, wanted, atol=1e-8)


def test_the_nearest_figure_above_owns_a_mesh():
    scene = head_scene(expression=expression(jawOpen=1.0))
    scene = scene.add(Figure(id="inner", parent="head")).reparent(["face"], "inner")
    assert figure_of(scene.entities, "face") == "inner"
    assert shapes(scene)["jawOpen"] == 0.0


def test_a_flatten_with_nothing_changed_keeps_every_section():
    scene = head_scene(
        expression=expression(jawOpen=0.5, eyeSquintLeft=1.0), look_at="target", head_turn=(5.0, 9.0, 0.0)
    )
    first = flatten(scene, 1.0)
    again = flatten(scene, 2.0, previous=first)
    names = [n for n in first.__dataclass_fields__ if getattr(first, n) is not getattr(again, n)]
    assert names == ["frame", "cache"]


def test_an_edit_elsewhere_leaves_the_deformed_face_alone():
    scene = head_scene(expression=expression(jawOpen=0.5))
    first = flatten(scene, 1.0)
    again = flatten(scene.replace("far", translation=(8.0, 0.0, 0.0)), 1.0, previous=first)
    assert again.meshes is first.meshes


def test_a_memo_of_another_scene_does_no_harm():
    scene = head_scene(expression=expression(jawOpen=0.5))
    memo = act(scene)[3]
    other = scene.remove(["face"]).replace("ada", expression=expression(jawOpen=0.25))
    assert act(other, memo=memo)[0]["jaw"].rotation == act(other)[0]["jaw"].rotation
    moved = scene.reparent(["face"], "")
    assert act(moved, memo=memo)[0]["face"] is moved.entities["face"]


def test_curves_of_controls_are_acted_at_both_ends_of_the_shutter():
    scene = head_scene().replace("camera", shutter_open=-0.25, shutter_close=0.25)
    curve = make_curve([0.0, 10.0], [0.0, 1.0])
    scene = replace(scene, camera="camera", tracks={f"ada.expression[{INDEX['jawOpen']}]": curve})
    flat = flatten(scene, 5.0)
    deformed = flat.meshes[int(flat.instances["mesh"][flat.object_names.index("Face")])]
    assert deformed.positions_close is not None
    np.testing.assert_allclose(
        [deformed.positions[0, 2], deformed.positions_close[0, 2]], [0.00475, 0.00525], atol=1e-7
    )


# --- rules of a face -------------------------------------------------------------------------------------------------
def test_a_shut_eye_neither_squints_nor_is_wide():
    done = shapes(head_scene(expression=expression(eyeBlinkLeft=1.0, eyeSquintLeft=0.8, eyeWideLeft=0.6)))
    assert done["eyeBlinkLeft"] == 1.0 and done["eyeSquintLeft"] == 0.0 and done["eyeWideLeft"] == 0.0


def test_lips_close_no_further_than_the_jaw_is_open():
    assert shapes(head_scene(expression=expression(jawOpen=0.3, mouthClose=0.9)))["mouthClose"] == 0.3
    assert shapes(head_scene(expression=expression(mouthClose=0.9)))["mouthClose"] == 0.0


def test_lids_follow_eyes_that_look_down_as_far_as_they_are_told():
    down = expression(eyeLookDownLeft=1.0, eyeLookDownRight=1.0)
    assert shapes(head_scene(expression=down))["eyeLookDownLeft"] == 1.0
    assert shapes(head_scene(expression=down, lids_follow=0.25))["eyeLookDownLeft"] == 0.25
    # on the right there is no shape for it: the lid comes down by a part of a blink
    assert 0.2 < shapes(head_scene(expression=down))["eyeBlinkRight"] < 0.6
    assert shapes(head_scene(expression=down, lids_follow=0.0))["eyeBlinkRight"] == 0.0


def test_correctives_follow_by_product_least_and_between():
    rig = FigureRig(
        correctives=(
            Corrective(shape="seal", drivers=("jawOpen", "mouthClose")),
            Corrective(shape="own", drivers=("jawOpen", "mouthClose"), how="least"),
            Corrective(shape="half", drivers=("jawOpen",), peak=0.5),
        )
    )
    done = shapes(head_scene(rig=rig, expression=expression(jawOpen=0.75, mouthClose=0.5)))
    assert done["seal"] == pytest.approx(0.375) and done["own"] == 0.5 and done["half"] == pytest.approx(0.5)
    assert shapes(head_scene(rig=rig, expression=expression(jawOpen=0.5)))["half"] == 1.0
    assert shapes(head_scene(rig=rig, expression=expression(jawOpen=1.0)))["half"] == 0.0


def test_a_corrective_may_follow_one_before_it():
    rig = FigureRig(
        correctives=(
            Corrective(shape="seal", drivers=("jawOpen",)),
            Corrective(shape="half", drivers=("seal",), peak=0.5),
        )
    )
    assert shapes(head_scene(rig=rig, expression=expression(jawOpen=0.25)))["half"] == 0.5


def test_wrinkles_show_by_their_controls_and_go_again():
    scene = head_scene(expression=expression(eyeSquintLeft=1.0))
    assert act(scene)[1]["skin"].wrinkle_2 == 0.5
    assert act(scene.replace("ada", expression=()))[1] is scene.materials
    assert flatten(scene, 1.0).materials[:, OFFSET["wrinkle_2"]].max() == 0.5


# --- joints ----------------------------------------------------------------------------------------------------------
def test_a_hinge_turns_its_joint_about_its_own_place_and_shifts_it():
    scene = head_scene(expression=expression(jawOpen=0.5))
    rest, now = world(head_scene(), "jaw"), world(scene, "jaw")
    np.testing.assert_allclose(now[:, 3] - rest[:, 3], [0, 0, 0.005], atol=1e-12)
    angle = math.radians(15.0)
    np.testing.assert_allclose(now[:, 2], [0, -math.sin(angle), math.cos(angle)], atol=1e-12)
    # half the weight is half the angle: a tooth goes along the arc and not the chord
    tooth = np.array([0.0, 0.0, 0.08])
    np.testing.assert_allclose(np.linalg.norm(now[:, :3] @ tooth), 0.08)


def test_hinges_of_one_joint_follow_each_other():
    rig = FigureRig(
        hinges=(
            Hinge(joint="jaw", control="jawOpen", axis=(1.0, 0.0, 0.0), angle_deg=90.0),
            Hinge(joint="jaw", control="jawLeft", axis=(0.0, 1.0, 0.0), angle_deg=90.0),
        )
    )
    scene = head_scene(rig=rig, expression=expression(jawOpen=1.0, jawLeft=1.0))
    np.testing.assert_allclose(world(scene, "jaw")[:, 1], [1, 0, 0], atol=1e-9)  # y to z, and z to x


def test_a_turn_of_the_head_is_shared_with_the_neck():
    scene = head_scene(head_turn=(0.0, 50.0, 0.0))
    head, neck = world(scene, "head"), world(scene, "neck")
    np.testing.assert_allclose(math.degrees(math.atan2(neck[0, 2], neck[2, 2])), 20.0)
    np.testing.assert_allclose(math.degrees(math.atan2(head[0, 2], head[2, 2])), 50.0)


def test_a_head_whose_bones_lie_askew_turns_as_the_figure_means_it():
    askew = (math.sin(0.4), 0.0, 0.0, math.cos(0.4))
    back = (-math.sin(0.4), 0.0, 0.0, math.cos(0.4))
    scene = head_scene(head_turn=(0.0, 30.0, 0.0)).replace("neck", rotation=askew).replace("head", rotation=back)
    rest = world(scene.replace("ada", head_turn=(0.0, 0.0, 0.0)), "head")
    now = world(scene, "head")
    angle = math.radians(30.0)
    turn = np.array([[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]])
    np.testing.assert_allclose(now[:, :3], turn @ rest[:, :3], atol=1e-9)


def test_eye_look_shapes_turn_the_eyes_towards_nose_and_ear():
    scene = head_scene(expression=expression(eyeLookInLeft=1.0, eyeLookOutRight=1.0))
    left, right = world(scene, "left")[:, 2], world(scene, "right")[:, 2]
    assert math.degrees(math.atan2(left[0], left[2])) == pytest.approx(-32.0)
    assert math.degrees(math.atan2(right[0], right[2])) == pytest.approx(-38.0)
    down = world(head_scene(expression=expression(eyeLookDownLeft=1.0)), "left")[:, 2]
    assert math.degrees(math.asin(down[1])) == pytest.approx(-30.0)


def test_eyes_that_look_at_something_meet_in_it_through_all_parents():
    scene = head_scene(look_at="target", head_turn=(4.0, 10.0, 3.0)).replace("target", translation=(0.3, 1.6, 0.7))
    scene = scene.replace("ada", translation=(0.2, -0.1, 0.1), rotation=(0.0, math.sin(0.1), 0.0, math.cos(0.1)))
    target = world(scene, "target")[:, 3]
    for eye in ("left", "right"):
        matrix = world(scene, eye)
        way = target - matrix[:, 3]
        assert matrix[:, 2] @ way / np.linalg.norm(way) > 1 - 1e-9
    left, right = (world(scene, eye)[:, 2] for eye in ("left", "right"))
    assert left @ right < 1 - 1e-4  # vergence


def test_looking_at_something_low_lowers_the_lids():
    scene = head_scene(look_at="target").replace("target", translation=(0.0, 1.3, 0.7))
    assert shapes(scene)["eyeLookDownLeft"] > 0.3


def test_eyes_turn_no_further_than_they_can_and_not_after_what_is_behind():
    scene = head_scene(look_at="target").replace("target", translation=(5.0, 1.55, 0.5))
    left = world(scene, "left")[:, 2]
    assert math.degrees(math.atan2(left[0], left[2])) == pytest.approx(38.0)
    behind = world(scene.replace("target", translation=(0.001, 1.55, -5.0)), "left")[:, 2]
    np.testing.assert_allclose(behind, [0, 0, 1], atol=1e-9)


def test_half_a_look_is_half_way():
    scene = head_scene(look_at="target", look_weight=0.5).replace("target", translation=(0.031, 1.2, 0.58))
    whole = world(scene.replace("ada", look_weight=1.0), "left")[:, 2]
    half = world(scene, "left")[:, 2]
    assert math.asin(half[1]) == pytest.approx(0.5 * math.asin(whole[1]))


def test_a_target_that_a_constraint_moves_is_followed():
    scene = head_scene(look_at="target").add(
        Group(id="anchor", translation=(0.2, 1.55, 0.6)),
        Constraint(id="rule", parent="target", constraint="parent", target="anchor"),
    )
    matrix = world(scene, "left")
    way = np.array([0.2, 1.55, 0.6]) - matrix[:, 3]
    assert matrix[:, 2] @ way / np.linalg.norm(way) > 1 - 1e-9


# --- idle life -------------------------------------------------------------------------------------------------------
def test_a_figure_that_idles_moves_without_any_animation():
    scene = head_scene(idle=1.0)
    flats = [flatten(scene, float(frame)) for frame in (1, 13, 25)]
    assert len({flat.instances.tobytes() for flat in flats}) == 3
    assert flatten(head_scene(), 1.0).instances.tobytes() == flatten(head_scene(), 25.0).instances.tobytes()


def test_a_frame_alone_is_that_frame_of_the_sequence():
    scene = head_scene(idle=1.0, idle_seed=5, look_at="target")
    flat = None
    for frame in range(40, 61):
        flat = flatten(scene, float(frame), previous=flat)
    alone = flatten(scene, 60.0)
    assert flat is not None and flat.instances.tobytes() == alone.instances.tobytes()
    assert all(a.positions.tobytes() == b.positions.tobytes() for a, b in zip(flat.meshes, alone.meshes, strict=True))


@pytest.mark.parametrize("seed", range(6))
def test_blinks_are_as_many_and_as_long_as_people_s(seed):
    rate = 200.0
    blinks = np.array([life_at(t / rate, seed, 1.0).blink for t in range(int(600 * rate))])
    shut = np.diff(np.concatenate([[0], (blinks > 0.0).astype(int), [0]]))
    begin, end = np.flatnonzero(shut == 1), np.flatnonzero(shut == -1)
    assert 110 <= len(begin) <= 220  # in ten minutes; some of them are double
    seconds = (end - begin) / rate
    assert 0.15 < np.median(seconds) < 0.32
    assert blinks.max() == 1.0
    rising = [np.argmax(blinks[a:b] > 0.99) for a, b in zip(begin, end, strict=True)]
    assert np.median(rising) / rate < 0.11  # lids close faster than they open


def test_eyes_rest_between_jumps():
    rate = 100.0
    gaze = np.array([(l.left_deg, l.down_deg) for l in (life_at(t / rate, 2, 1.0) for t in range(int(120 * rate)))])
    moving = np.linalg.norm(np.diff(gaze, axis=0), axis=1) > 1e-9
    jumps = int((np.diff(np.concatenate([[0], moving.astype(int)])) == 1).sum())
    assert 2.0 <= jumps / 120.0 <= 3.5
    assert moving.mean() < 0.2
    assert np.abs(gaze).max() < 12.0


def test_both_eyes_glance_alike_and_keep_their_vergence():
    scene = head_scene(idle=1.0, look_at="target").replace("target", translation=(0.0, 1.55, 0.5))
    for frame in (10.0, 55.0, 130.0):
        angles = [math.degrees(math.atan2(*world(scene, e, frame)[[0, 2], 2])) for e in ("left", "right")]
        head = math.degrees(math.atan2(*world(scene, "head", frame)[[0, 2], 2]))
        assert angles[0] - head < 0.0 < angles[1] - head
        assert angles[1] - angles[0] == pytest.approx(2 * math.degrees(math.atan(0.031 / 0.42)), abs=0.5)


def test_less_life_blinks_more_rarely_and_never_by_half():
    some = [life_at(t / 50.0, 1, 0.3).blink for t in range(50 * 300)]
    many = [life_at(t / 50.0, 1, 1.0).blink for t in range(50 * 300)]
    assert 0 < sum(b > 0.5 for b in some) < sum(b > 0.5 for b in many)
    assert max(some) == 1.0


# --- bad data --------------------------------------------------------------------------------------------------------
def test_what_is_not_there_is_named_and_all_else_acts():
    rig = FigureRig(
        hinges=(Hinge(joint="ghost", control="jawOpen", angle_deg=9.0), Hinge(joint="far", control="jawOpen")),
        wrinkles=(Wrinkle(material="none", slot=1, controls=("jawOpen",), gains=(1.0,)),),
        head="head",
        left_eye="camera",
    )
    scene = head_scene(rig=rig, expression=(*expression(jawOpen=0.5)[:-1], math.nan), look_at="gone")
    _, _, warnings, _ = act(scene)
    assert [w for w in warnings if '"camera", "ghost", "far"' in w]
    assert [w for w in warnings if "looks at is not in the scene" in w]
    assert [w for w in warnings if "no numbers" in w]
    assert shapes(scene)["jawOpen"] == 0.5


numbers = st.floats(width=64) | st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.0])
names = st.sampled_from(["jawOpen", "mouthClose", "seal", "eyeBlinkLeft", "eyeLookUpLeft", "", "nothing", "half"])
ids = st.sampled_from(["", "jaw", "head", "neck", "left", "face", "ada", "far", "ghost", "key", "skin"])
vectors = st.tuples(numbers, numbers, numbers)
rigs = st.builds(
    FigureRig,
    hinges=st.lists(
        st.builds(Hinge, joint=ids, control=names, axis=vectors, angle_deg=numbers, shift=vectors), max_size=5
    ).map(tuple),
    correctives=st.lists(
        st.builds(
            Corrective,
            shape=names,
            drivers=st.lists(names, max_size=4).map(tuple),
            how=st.sampled_from(["product", "least", "nonsense"]),
            peak=numbers,
        ),
        max_size=6,
    ).map(tuple),
    wrinkles=st.lists(
        st.builds(
            Wrinkle,
            material=ids,
            slot=st.integers(-2, 9),
            controls=st.lists(names, max_size=3).map(tuple),
            gains=st.lists(numbers, max_size=4).map(tuple),
        ),
        max_size=4,
    ).map(tuple),
    head=ids,
    neck=ids,
    jaw=ids,
    left_eye=ids,
    right_eye=ids,
    gaze_deg=st.tuples(numbers, numbers, numbers, numbers),
)


@settings(max_examples=80, deadline=None)
@given(
    rig=rigs,
    weights=st.lists(numbers, max_size=60).map(tuple),
    turn=vectors,
    look=ids,
    looks=st.tuples(numbers, numbers, numbers),
    frame=numbers,
    fps=numbers,
)
def test_no_rig_however_hostile_breaks_a_flatten(rig, weights, turn, look, looks, frame, fps):
    by, follow, idle = looks
    scene = head_scene(
        rig=rig, expression=weights, head_turn=turn, look_at=look, look_weight=by, lids_follow=follow, idle=idle
    )
    scene = replace(scene, camera="camera", fps=fps)
    flat = flatten(scene, frame)
    flatten(scene, frame, previous=flat)


def test_a_figure_that_hangs_below_itself_ends():
    scene = head_scene(expression=expression(jawOpen=1.0), look_at="target")
    looped = msgspec.structs.replace(scene.entities["ada"], parent="jaw")
    flatten(scene.put({"ada": looped}), 1.0)


def test_thousands_of_correctives_are_bounded_and_said():
    rig = FigureRig(correctives=tuple(Corrective(shape="seal", drivers=("jawOpen",)) for _ in range(5000)))
    _, _, warnings, _ = act(head_scene(rig=rig, expression=expression(jawOpen=0.001)))
    assert any("5000 correctives" in w for w in warnings)


# --- copies and files ------------------------------------------------------------------------------------------------
def test_a_copy_moves_its_own_joints_and_looks_at_the_same_thing():
    scene, (copy,) = edits.duplicate(head_scene(look_at="target", expression=expression(jawOpen=1.0)), ["ada"])
    figure = scene.entities[copy]
    joints = {figure.rig.head, figure.rig.jaw, figure.rig.left_eye, figure.rig.hinges[0].joint}
    assert joints == {"head.2", "jaw.2", "left.2"} and figure.look_at == "target"
    assert act(scene)[2] == ()
    inside, (other,) = edits.duplicate(head_scene(look_at="jaw"), ["ada"])
    assert inside.entities[other].look_at == "jaw.2"


def test_a_figure_that_comes_in_twice_keeps_to_itself():
    first = insert(Scene(), head_scene())[0]
    scene, _ = insert(first, head_scene())
    figure = scene.entities["ada.2"]
    assert figure.rig.jaw == "jaw.2" and figure.rig.wrinkles[0].material == "skin.2"
    assert act(scene)[2] == ()


def test_what_is_deleted_leaves_the_rig():
    scene = edits.delete(head_scene(look_at="target"), ["jaw", "target", "skin"])
    figure = scene.entities["ada"]
    assert figure.rig.jaw == "" and figure.rig.hinges == () and figure.rig.wrinkles == () and figure.look_at == ""
    assert act(scene)[2] == ()
    assert edits.delete(head_scene(), ["far"]).entities["ada"] == head_scene().entities["ada"]


@pytest.mark.parametrize(
    ("rig", "said"),
    [
        (FigureRig(correctives=(Corrective(shape="a", drivers=("b",), how="max"),)), "unknown"),
        (FigureRig(correctives=(Corrective(shape="a", drivers=("b",) * 99),)), "99 drivers"),
        (FigureRig(correctives=(Corrective(shape="a", drivers=("b",), peak=1.5),)), "1.5"),
        (FigureRig(wrinkles=(Wrinkle(material="m", slot=4, controls=(), gains=()),)), "map 4"),
        (FigureRig(wrinkles=(Wrinkle(material="m", slot=1, controls=("a",), gains=()),)), "gains"),
        (FigureRig(correctives=(Corrective(shape="a", drivers=("b",)),) * 5000), "5000 correctives"),
    ],
)
def test_a_file_with_a_rig_that_cannot_be_meant_is_refused_in_a_sentence(rig, said):
    with pytest.raises(BadAsset, match=said):
        check_figure(Figure(id="ada", name="Ada", rig=rig), "scene.json")


def test_a_figure_survives_its_file():
    from studio.scene.scene_file import read_scene, write_scene

    store: dict[str, bytes] = {}

    def keep(data: bytes, suffix: str) -> str:
        from studio.scene.scene_file import asset_name

        name = asset_name(data, suffix)
        store[name] = data
        return name

    scene = head_scene(expression=expression(jawOpen=0.5), idle=0.5)
    text = write_scene(scene, keep)
    assert read_scene(text, store.__getitem__, where="scene.json").entities["ada"] == scene.entities["ada"]
    broken = text.replace(b'"slot":2', b'"slot":7')
    with pytest.raises(BadAsset, match=r"scene\.json, figure"):
        read_scene(broken, store.__getitem__, where="scene.json")
