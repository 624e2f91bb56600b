"""Motions of bodies, from BVH and VRMA files onto figures whose joints stand otherwise."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.errors import BadAsset, StudioError
from studio.figure.body import BodyMotion, applied, bones_of
from studio.figure.bvh import bones_by_name, parse_bvh, read_bvh
from studio.figure.vrma import read_vrma
from studio.scene.entities import Figure, FigureRig, Group, Quat, Vec3
from studio.scene.euler import to_quaternion
from studio.scene.flatten import flatten
from studio.scene.pose import posing_of
from studio.scene.scene import Scene
from studio.scene.transforms import local_matrices, parent_rows, rotation_matrices, world_matrices
from tests.assets.gltf_maker import Maker

F64 = NDArray[np.float64]

BVH = """HIERARCHY
ROOT mixamorig:Hips
{
  OFFSET 0 90 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT LeftUpLeg
  {
    OFFSET 10 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT LeftFoot
    {
      OFFSET 0 -90 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      End Site
      {
        OFFSET 0 0 10
      }
    }
  }
  JOINT LeftArm
  {
    OFFSET 20 50 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT LeftForeArm
    {
      OFFSET 30 0 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      JOINT LeftHand
      {
        OFFSET 25 0 0
        CHANNELS 3 Zrotation Xrotation Yrotation
      }
    }
  }
  JOINT Tail
  {
    OFFSET 0 0 -5
    CHANNELS 1 Xrotation
  }
}
MOTION
Frames: 3
Frame Time: 0.0416667
"""
REST = [0.0] * 22


def bvh(*rows: list[float]) -> bytes:
    return (BVH.replace("Frames: 3", f"Frames: {len(rows)}") + "\n".join(" ".join(map(str, r)) for r in rows)).encode()


def row(**changes: float) -> list[float]:
    """Numbers of a frame: those of the rest pose, but for the named columns (`c6` is the seventh)."""
    out = list(REST)
    out[1] = 90.0
    for name, value in changes.items():
        out[int(name[1:])] = value
    return out


def figure_scene(turns: dict[str, Vec3] | None = None) -> Scene:
    """A figure with lowered arms, its joints turned at rest in any way, itself turned and moved."""
    turns = turns or {}

    def joint(id_: str, parent: str, at: Vec3) -> Group:
        return Group(id=id_, name=id_, parent=parent, translation=at, rotation=to_quaternion(turns.get(id_, (0, 0, 0))))

    bones = {b: b for b in ("hips", "leftUpperArm", "leftLowerArm", "leftHand", "leftUpperLeg", "leftFoot")}
    figure = Figure(
        id="f",
        name="f",
        translation=(3.0, 0.0, 1.0),
        rotation=to_quaternion((0.0, 40.0, 0.0)),
        controls=("smile", "frown"),
        rig=FigureRig(bones={**bones, "leftEye": "lost"}),
    )
    joints = (
        joint("hips", "f", (0.0, 1.0, 0.0)),
        joint("leftUpperArm", "hips", (0.2, 0.5, 0.0)),
        joint("leftLowerArm", "leftUpperArm", (0.2, -0.2, 0.05)),
        joint("leftHand", "leftLowerArm", (0.1, -0.2, 0.0)),
        joint("leftUpperLeg", "hips", (0.1, 0.0, 0.0)),
        joint("leftFoot", "leftUpperLeg", (0.0, -0.9, 0.0)),
    )
    return Scene(entities={e.id: e for e in (figure, *joints)}, fps=24.0)


def places_at(scene: Scene, frame: float) -> dict[str, F64]:
    """Where all joints are in the space of the figure."""
    entities = list(posing_of(scene, None).at(scene, frame)[0].values())
    parents, _ = parent_rows(entities, {e.id: i for i, e in enumerate(entities)})
    world = world_matrices(local_matrices(entities), parents)
    base = world[[e.id for e in entities].index("f")]
    return {e.id: (m[:, 3] - base[:, 3]) @ base[:, :3] for e, m in zip(entities, world, strict=True)}


def direction(places: dict[str, F64], a: str, b: str) -> F64:
    d = places[b] - places[a]
    return np.asarray(d / np.linalg.norm(d))


def motion_of(turns: dict[str, list[Quat]]) -> BodyMotion:
    places = {"leftUpperArm": (0.2, 1.4, 0.0), "leftLowerArm": (0.5, 1.4, 0.0), "leftHand": (0.8, 1.4, 0.0)}
    frames = len(next(iter(turns.values())))
    return BodyMotion(
        "test",
        np.arange(frames) / 24.0,
        {name: np.array(values, np.float64) for name, values in turns.items()},
        {name: np.array(place) for name, place in places.items()},
    )


def test_limbs_point_where_they_point_in_the_motion_whatever_the_rest_poses() -> None:
    rng = np.random.default_rng(3)
    quaternions = rng.normal(size=(3, 5, 4))
    quaternions /= np.linalg.norm(quaternions, axis=2, keepdims=True)
    names = ("leftUpperArm", "leftLowerArm", "leftHand")
    motion = motion_of({n: [tuple(q) for q in rows] for n, rows in zip(names, quaternions, strict=True)})
    twisted = {"hips": (20.0, -70.0, 10.0), "leftUpperArm": (80.0, 5.0, 33.0), "leftLowerArm": (0.0, 90.0, -120.0)}
    scene = applied(figure_scene(twisted), "f", motion, start_frame=10.0)  # type: ignore[arg-type]
    for k in range(5):
        places = places_at(scene, 10.0 + k)
        for i, (a, b) in enumerate((("leftUpperArm", "leftLowerArm"), ("leftLowerArm", "leftHand"))):
            wanted = rotation_matrices(quaternions[i, k][None])[0] @ [1.0, 0.0, 0.0]
            assert direction(places, a, b) == pytest.approx(wanted, abs=1e-6)


def test_a_motion_at_rest_brings_the_arms_to_its_own_rest_pose_and_leaves_the_rest() -> None:
    still = [(0.0, 0.0, 0.0, 1.0)] * 2
    scene = applied(figure_scene(), "f", motion_of({"hips": still, "leftUpperArm": still, "leftLowerArm": still}))
    places, before = places_at(scene, 1.0), places_at(figure_scene(), 1.0)
    assert direction(places, "leftUpperArm", "leftLowerArm") == pytest.approx([1, 0, 0], abs=1e-6)
    assert places["leftFoot"] == pytest.approx(before["leftFoot"])


def test_bones_that_are_not_there_hand_their_turn_on() -> None:
    half = np.sqrt(0.5)
    turned = [(0.0, half, 0.0, half)] * 2  # the spine, which the figure lacks, carries the arm round by 90 degrees
    scene = applied(figure_scene(), "f", motion_of({"spine": turned, "leftUpperArm": turned}))
    assert direction(places_at(scene, 1.0), "leftUpperArm", "leftLowerArm") == pytest.approx([0, 0, -1], abs=1e-6)


def test_bvh_turns_bones_about_its_channels_in_their_order() -> None:
    # hips: z 90 then (in its own axes) x 90; what points along x ends along y, what points along y along z
    motion = parse_bvh(bvh(row(), row(c3=90.0, c4=90.0)), name="m", where="m.bvh")
    matrix = rotation_matrices(motion.turns["hips"][1:])[0]
    assert matrix @ [1, 0, 0] == pytest.approx([0, 1, 0], abs=1e-6)
    assert matrix @ [0, 1, 0] == pytest.approx([0, 0, 1], abs=1e-6)
    assert matrix == pytest.approx(rotation_matrices(motion.turns["leftHand"][1:])[0]), "children go along"


def test_bvh_in_centimetres_walks_as_far_as_the_figure_is_tall(tmp_path: Path) -> None:
    path = tmp_path / "walk.bvh"
    path.write_bytes(bvh(row(c0=5.0), row(c0=5.0, c2=45.0), row(c0=5.0, c2=90.0, c1=80.0)))
    motion = read_bvh(path)
    assert motion.places["hips"][1] == pytest.approx(90.0) and any("1 joints" in said for said in motion.report)
    scene = applied(figure_scene(), "f", motion)
    walked = places_at(scene, 3.0)["hips"] - places_at(figure_scene(), 1.0)["hips"]
    assert walked == pytest.approx([0.0, -1 / 9, 1.0], abs=1e-6), "the figure's hips are 1 m high, the file's 90 cm"


def test_names_of_bones_of_several_makers_are_known() -> None:
    found = bones_by_name(["Hips", "LeftCollar", "LeftShoulder", "LeftElbow", "LeftWrist", "lThigh", "r_shin", "head"])
    assert found == {
        "hips": 0,
        "leftShoulder": 1,
        "leftUpperArm": 2,
        "leftLowerArm": 3,
        "leftHand": 4,
        "leftUpperLeg": 5,
        "rightLowerLeg": 6,
        "head": 7,
    }
    assert bones_by_name(["mixamorig:LeftShoulder", "mixamorig:LeftArm"]) == {"leftShoulder": 0, "leftUpperArm": 1}


def test_a_bvh_cut_anywhere_or_damaged_is_read_or_refused_in_a_sentence() -> None:
    whole = bvh(row(), row(c3=10.0), row(c3=20.0))
    refused = 0
    rng = random.Random(9)
    damaged = [whole[:end] for end in range(0, len(whole), 7)]
    for _ in range(300):
        broken = bytearray(whole)
        for _ in range(rng.randint(1, 8)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        damaged.append(bytes(broken))
    for data in damaged:
        try:
            parse_bvh(data, name="m", where="m.bvh")
        except StudioError as fault:
            refused += 1
            assert str(fault).startswith("m.bvh") and "\n" not in str(fault)
    assert refused > 100


def vrma(folder: Path, **more: Any) -> Path:
    m = Maker()
    m.node(name="hips", children=[1], rotation=[0, 1, 0, 0], translation=[0, 1, 0])
    m.node(name="head", root=False, rotation=[0, 0, np.sqrt(0.5), np.sqrt(0.5)])
    m.node(name="smile")
    times = m.array([0.0, 1.0])
    samplers = [
        {"input": times, "output": m.array([[0, 0, np.sqrt(0.5), np.sqrt(0.5)], [0, 0, 1, 0]])},
        {"input": times, "output": m.array([[0, 0, 0], [0.75, 0, 0]])},
        {"input": times, "output": m.array([[0, 1, 0], [0, 1, 0.5]])},
    ]
    channels = [
        {"sampler": 0, "target": {"node": 1, "path": "rotation"}},
        {"sampler": 1, "target": {"node": 2, "path": "translation"}},
        {"sampler": 2, "target": {"node": 0, "path": "translation"}},
    ]
    m.add("animations", {"samplers": samplers, "channels": channels})
    record = {
        "specVersion": "1.0",
        "humanoid": {"humanBones": {"hips": {"node": 0}, "head": {"node": 1}}},
        "expressions": {"custom": {"smile": {"node": 2}}},
        **more,
    }
    m.extension("VRMC_vrm_animation", record)
    return m.save(folder, "wave.vrma")


def test_vrma_moves_bones_expressions_and_hips(tmp_path: Path) -> None:
    motion = read_vrma(vrma(tmp_path, lookAt={"node": 1}))
    assert motion.seconds.tolist() == [0.0, 1.0]
    assert motion.turns["head"][0] == pytest.approx([0, 0, 0, 1]), "at rest"
    # a quarter about the node's z, whose parent looks back: a quarter the other way about the world's z
    assert rotation_matrices(motion.turns["head"][1:])[0] @ [1, 0, 0] == pytest.approx([0, -1, 0], abs=1e-6)
    assert motion.expressions["smile"].tolist() == pytest.approx([0.0, 0.75])
    assert motion.hips is not None and motion.hips[1] == pytest.approx([0, 0, 0.5])
    assert "gaze" in motion.report[0]
    scene = applied(figure_scene(), "f", motion)
    assert "f.expression[0]" in next(iter(scene.clips.values())).tracks
    flatten(scene, 5.0)


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    motion = motion_of({"rightToes": [(0.0, 0.0, 0.0, 1.0)]})
    with pytest.raises(BadAsset, match="Nothing of the motion"):
        applied(figure_scene(), "f", motion)
    with pytest.raises(BadAsset, match="There is no figure"):
        applied(figure_scene(), "hips", motion)
    m = Maker()
    m.node(mesh=m.mesh())
    with pytest.raises(BadAsset, match="is no animation of VRM"):
        read_vrma(m.save(tmp_path))
    assert set(bones_of(figure_scene(), figure_scene().entities["f"])) == {  # type: ignore[arg-type]
        *("hips", "leftUpperArm", "leftLowerArm", "leftHand", "leftUpperLeg", "leftFoot")
    }
