"""Constraints: look at, follow a path, move with a parent; in order, in part, and never in a circle."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.scene import edits
from studio.scene.animation import make_curve
from studio.scene.constraints import constrained, parent_offset
from studio.scene.document import Document
from studio.scene.entities import Camera, Constraint, Group, MeshObject, Path
from studio.scene.euler import to_quaternion
from studio.scene.flatten import flatten
from studio.scene.insert import insert
from studio.scene.keyed_edit import posed
from studio.scene.placement import placement
from studio.scene.scene import Scene
from studio.scene.transforms import rigid
from tests.scene.rigs import scene_of, square, studio_scene


def rule(owner: str, kind: str, target: str, **more: Any) -> Constraint:
    return Constraint(id=more.pop("id", f"{owner}.{kind}.{target}"), name="Rule", parent=owner, constraint=kind,
                      target=target, **more)  # fmt: skip


def world(scene: Scene, id_: str, frame: float = 1.0) -> np.ndarray:
    return posed(scene, frame).world_matrix(id_)


def ahead(matrix: np.ndarray) -> np.ndarray:
    return -matrix[:, 2] / np.linalg.norm(matrix[:, 2])


# --- look at ---------------------------------------------------------------------------------------------------------
def test_look_at_turns_the_owner_upright_towards_its_target():
    scene = scene_of(
        Camera(id="c", translation=(0, 0, 5)), Group(id="t", translation=(3, 4, 5)), rule("c", "look_at", "t")
    )
    matrix = world(scene, "c")
    assert ahead(matrix) == pytest.approx((0.6, 0.8, 0.0))
    assert matrix[:, 1] == pytest.approx((-0.8, 0.6, 0.0)), "upright"
    assert matrix[:, 3] == pytest.approx((0, 0, 5))


def test_roll_turns_about_the_line_of_sight():
    scene = scene_of(Camera(id="c"), Group(id="t", translation=(0, 0, -5)), rule("c", "look_at", "t", roll_deg=90.0))
    matrix = world(scene, "c")
    assert ahead(matrix) == pytest.approx((0, 0, -1)) and matrix[:, 1] == pytest.approx((-1, 0, 0))


finite = st.floats(-5.0, 5.0, allow_nan=False)
angles = st.tuples(finite.map(lambda v: v * 30), finite.map(lambda v: v * 15), finite.map(lambda v: v * 30))
sizes = st.floats(0.2, 3.0)


@settings(max_examples=80, deadline=None)
@given(
    st.tuples(finite, finite, finite), angles, st.tuples(sizes, sizes, sizes), angles,
    st.sampled_from([(1, 1, 1), (-1, 1, 1), (1, 1, -1), (2, 3, 1), (1, -1, 1)]), st.tuples(finite, finite, finite),
)  # fmt: skip
def test_what_hangs_below_turned_and_stretched_parents_looks_at_its_target_all_the_same(
    place, turn, size, own, scale, at
):
    target = np.add(at, (20.0, 0.0, 0.0))
    scene = scene_of(
        Group(id="p", translation=place, rotation=to_quaternion(turn), scale=size),
        Camera(id="c", parent="p", rotation=to_quaternion(own), scale=scale, translation=(0.3, 0.2, 0.1)),
        Group(id="t", translation=tuple(target.tolist())),
        rule("c", "look_at", "t"),
    )
    matrix = rigid(world(scene, "c")[None])[0]
    way = target - matrix[:, 3]
    assert ahead(matrix) == pytest.approx(way / np.linalg.norm(way), abs=1e-9)


def test_a_target_straight_above_is_looked_at():
    scene = scene_of(Camera(id="c"), Group(id="t", translation=(0, 3, 0)), rule("c", "look_at", "t"))
    assert ahead(world(scene, "c")) == pytest.approx((0, 1, 0))


# --- follow path -----------------------------------------------------------------------------------------------------
LINE = (0.0, 0.0, 0.0, 4.0, 0.0, 0.0)


def test_follow_path_places_its_owner_by_length():
    scene = scene_of(
        Path(id="p", points=LINE, translation=(0, 1, 0), scale=(2, 2, 2)),
        Group(id="g", translation=(9, 9, 9)),
        rule("g", "follow_path", "p", progress=0.25),
    )
    assert world(scene, "g")[:, 3] == pytest.approx((2, 1, 0))


def test_a_path_stretched_unevenly_is_followed_by_its_length_in_the_world():
    points = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 2.0, 0.0, 1.0)
    base = scene_of(Path(id="p", points=points, scale=(5, 1, 1)), Group(id="g"), rule("g", "follow_path", "p"))
    at = np.array([world(base.replace("g.follow_path.p", progress=t), "g")[:, 3] for t in np.linspace(0, 1, 201)])
    steps = np.linalg.norm(np.diff(at, axis=0), axis=1)
    assert steps.max() == pytest.approx(steps.min(), rel=0.02)


def test_turning_along_the_path_keeps_upright_and_offsets_go_along_the_way():
    scene = scene_of(
        Path(id="p", points=LINE), Group(id="g", rotation=to_quaternion((10, 20, 30))),
        rule("g", "follow_path", "p", progress=0.5, turn=True, offset_translation=(0.0, 1.0, 0.5)),
    )  # fmt: skip
    matrix = world(scene, "g")
    assert ahead(matrix) == pytest.approx((1, 0, 0)) and matrix[:, 1] == pytest.approx((0, 1, 0))
    assert matrix[:, 3] == pytest.approx((2 - 0.5, 1, 0))


def test_without_turning_the_owner_keeps_its_own_rotation():
    turn = to_quaternion((10, 20, 30))
    scene = scene_of(Path(id="p", points=LINE), Group(id="g", rotation=turn), rule("g", "follow_path", "p"))
    assert posed(scene, 1.0).entities["g"].rotation == pytest.approx(turn)


def test_a_path_of_one_point_places_and_does_not_turn():
    scene = scene_of(Path(id="p", points=(1.0, 2.0, 3.0)), Group(id="g"), rule("g", "follow_path", "p", turn=True))
    assert world(scene, "g")[:, 3] == pytest.approx((1, 2, 3))
    assert not flatten(scene, 1.0).warnings[0].startswith("Constraints")


# --- parent ----------------------------------------------------------------------------------------------------------
def test_a_parent_constraint_moves_its_owner_with_the_target_without_sizing_it():
    scene = scene_of(
        Group(id="t", translation=(1, 0, 0), rotation=to_quaternion((0, 90, 0)), scale=(2, 2, 2)),
        Group(id="g"),
        rule("g", "parent", "t", offset_translation=(0.0, 0.0, -1.0)),
    )
    matrix = world(scene, "g")
    assert matrix[:, 3] == pytest.approx((1 - 2, 0, 0))
    assert ahead(matrix) == pytest.approx((-1, 0, 0)) and np.linalg.norm(matrix[:, 0]) == pytest.approx(1)


@settings(max_examples=50, deadline=None)
@given(st.tuples(finite, finite, finite), angles, st.tuples(sizes, sizes, sizes), angles)
def test_the_offset_of_where_it_stands_leaves_it_there(place, turn, size, own):
    scene = scene_of(
        Group(id="t", translation=place, rotation=to_quaternion(turn), scale=size),
        Group(id="g", translation=(1, 2, 3), rotation=to_quaternion(own)),
    )
    offset = parent_offset(scene.world_matrix("g"), scene.world_matrix("t"))
    tied = scene.add(rule("g", "parent", "t", **offset))
    assert world(tied, "g") == pytest.approx(scene.world_matrix("g"), abs=1e-8)


# --- influence, order, circles ---------------------------------------------------------------------------------------
def test_influence_goes_part_of_the_way_on_the_sphere():
    scene = scene_of(Camera(id="c"), Group(id="t", translation=(-5, 0, 0)), rule("c", "look_at", "t", influence=1 / 3))
    assert ahead(world(scene, "c")) == pytest.approx((-np.sin(np.pi / 6), 0, -np.cos(np.pi / 6)))
    line = scene_of(Path(id="p", points=LINE), Group(id="g", translation=(0, 4, 0)),
                    rule("g", "follow_path", "p", progress=1.0, influence=0.25))  # fmt: skip
    assert world(line, "g")[:, 3] == pytest.approx((1, 3, 0))


def test_constraints_of_one_owner_act_in_the_order_of_the_outliner():
    parts = [Path(id="p", points=LINE), Group(id="t", translation=(4, 0, -9)), Camera(id="c")]
    follow, look = rule("c", "follow_path", "p", progress=1.0, turn=True), rule("c", "look_at", "t")
    assert ahead(world(scene_of(*parts, follow, look), "c")) == pytest.approx((0, 0, -1))
    assert ahead(world(scene_of(*parts, look, follow), "c")) == pytest.approx((1, 0, 0))


def test_what_a_target_is_constrained_by_comes_first_wherever_it_stands():
    scene = scene_of(
        Camera(id="c"), rule("c", "look_at", "child"),
        Group(id="child", parent="t", translation=(0, 1, 0)), Group(id="t"),
        rule("t", "follow_path", "p", progress=1.0),
        Path(id="p", points=(0.0, 0.0, 0.0, 0.0, 0.0, 7.0), parent="base"),
        Group(id="base"), rule("base", "parent", "mast"), Group(id="mast", translation=(0, 2, 0)),
    )  # fmt: skip
    assert ahead(world(scene, "c")) == pytest.approx(np.array((0, 3, 7)) / np.sqrt(58))


@pytest.mark.parametrize("flip", [False, True])
def test_constraints_in_a_circle_are_left_out_and_named_whichever_comes_first(flip):
    parts = [
        Group(id="a", name="A"), Group(id="b", name="B", translation=(1, 0, 0)),
        rule("a", "look_at", "b"), rule("b", "parent", "a"), Group(id="x"), rule("x", "parent", "b"),
    ]  # fmt: skip
    scene = scene_of(*(reversed(parts) if flip else parts))
    entities, warnings = constrained(scene.entities)
    assert entities["a"] is scene.entities["a"] and entities["b"] is scene.entities["b"]
    assert entities["x"].translation == pytest.approx((1, 0, 0)), "what only depends on the circle goes on"
    assert len(warnings) == 1 and "circle" in warnings[0]


def test_looking_at_what_hangs_below_itself_is_a_circle():
    scene = scene_of(Group(id="a"), Group(id="b", parent="a", translation=(1, 0, 0)), rule("a", "look_at", "b"))
    entities, warnings = constrained(scene.entities)
    assert entities is scene.entities and "circle" in warnings[0]


def test_a_child_constrained_to_its_parent_is_no_circle():
    scene = scene_of(Group(id="a", translation=(0, 3, 0)), Camera(id="b", parent="a", translation=(0, 0, 2)),
                     rule("b", "look_at", "a"))  # fmt: skip
    entities, warnings = constrained(scene.entities)
    assert not warnings and entities["b"].rotation == pytest.approx((0, 0, 0, 1))


@pytest.mark.parametrize(
    "bad",
    [
        rule("c", "look_at", ""), rule("c", "look_at", "gone"), rule("c", "follow_path", "t"),
        rule("gone", "look_at", "t"),
        rule("c", "follow_path", "empty"), rule("c", "look_at", "here"), rule("c", "parent", "flat"),
        rule("", "look_at", "t"),
    ],
)  # fmt: skip
def test_what_cannot_be_carried_out_is_a_warning(bad):
    scene = scene_of(
        Camera(id="c"), Group(id="t", translation=(1, 1, 1)), Group(id="here"), Path(id="empty", points=()),
        Group(id="flat", scale=(0, 1, 1)), bad,
    )  # fmt: skip
    entities, warnings = constrained(scene.entities)
    assert entities is scene.entities and len(warnings) == 1 and '"Rule"' in warnings[0]
    assert any("Constraints" in w for w in flatten(scene, 1.0).warnings)


def test_a_hidden_constraint_or_one_without_influence_is_off():
    for more in ({"visible": False}, {"influence": 0.0}):
        scene = scene_of(Camera(id="c"), Group(id="t", translation=(1, 0, 0)), rule("c", "look_at", "t", **more))
        assert constrained(scene.entities) == (scene.entities, ())


def test_hostile_chains_are_resolved_without_recursion():
    n = 3000
    parts: list[Any] = [Group(id="g0")]
    for i in range(1, n):
        above = f"g{i - 1}"
        parts += [Group(id=f"g{i}", parent=above), rule(f"g{i}", "parent", above, offset_translation=(1, 0, 0))]
    entities, warnings = constrained(scene_of(*parts).entities)
    assert not warnings and len(entities) == 2 * n - 1
    ring = [rule(f"g{i}", "look_at", f"g{(i + 1) % n}", id=f"r{i}") for i in range(n)]
    assert "circle" in constrained(scene_of(*(Group(id=f"g{i}") for i in range(n)), *ring).entities)[1][0]


# --- where it is used ------------------------------------------------------------------------------------------------
def test_without_constraints_the_mapping_is_the_same_object():
    scene = studio_scene()
    assert constrained(scene.entities)[0] is scene.entities
    assert posed(scene, 1.0) is scene


def following() -> Scene:
    mesh = square()
    scene = scene_of(
        mesh, Path(id="p", points=(0.0, 0.0, 0.0, 10.0, 0.0, 0.0)), MeshObject(id="m", mesh=mesh.key),
        rule("m", "follow_path", "p", id="r"), Camera(id="c", shutter_open=-0.25, shutter_close=0.25), camera="c",
        frame_end=11.0,
    )  # fmt: skip
    return Scene(**{**{f: getattr(scene, f) for f in scene.__slots__},
                    "tracks": {"r.progress": make_curve([1.0, 11.0], [0.0, 1.0])}})  # fmt: skip


def test_what_follows_a_path_is_blurred_by_its_motion():
    flat = flatten(following(), 6.0)
    row = flat.instances[0]
    assert row["open"][:, 3] == pytest.approx((4.75, 0, 0)) and row["close"][:, 3] == pytest.approx((5.25, 0, 0))
    assert placement(flat).world_of("m")[:, 3] == pytest.approx((5, 0, 0))


def test_flattening_again_keeps_sections_that_constraints_left_alone():
    scene = studio_scene().add(Group(id="t", translation=(0, 0, -3)), rule("rim", "look_at", "t"))
    first = flatten(scene, 1.0)
    again = flatten(scene, 2.0, previous=first)
    for name in ("instances", "materials", "lights", "camera", "light_names", "warnings"):
        assert getattr(again, name) is getattr(first, name), name
    moved = flatten(edits.translate(scene, ["t"], (1.0, 0.0, 0.0)), 2.0, previous=again)
    assert moved.lights is not again.lights and moved.instances is again.instances


def test_adding_a_path_changes_nothing_that_is_drawn():
    scene = studio_scene()
    first = flatten(scene, 1.0)
    again = flatten(scene.add(Path(id="p")), 1.0, previous=first)
    assert again.instances is first.instances and again.lights is first.lights and again.camera is first.camera


def test_an_edit_sees_what_is_constrained_and_leaves_the_rest_alone():
    document = Document(following())
    document.frame = 6.0
    assert document.posed.entities["m"].translation == pytest.approx((5, 0, 0))
    with document.edit("Scale") as edit:
        edit.replace("m", scale=(2.0, 2.0, 2.0))
    assert document.scene.entities["m"].translation == (0.0, 0.0, 0.0)
    assert document.scene.entities["m"].scale == (2.0, 2.0, 2.0)


def test_what_loses_its_constraint_stays_where_it_is_seen():
    document = Document(following())
    document.frame = 6.0
    with document.edit("Delete") as edit:
        edit.apply(edits.delete, ["r"])
    assert document.scene.entities["m"].translation == pytest.approx((5, 0, 0))
    document.undo()
    assert document.scene.entities["m"].translation == (0.0, 0.0, 0.0)


def test_copies_are_constrained_to_the_copies_of_their_targets():
    scene = scene_of(Group(id="all"), Group(id="t", parent="all", translation=(1, 0, 0)), Camera(id="c", parent="all"),
                     rule("c", "look_at", "t", id="r"))  # fmt: skip
    copied, (top,) = edits.duplicate(scene, ["all"])
    new = next(e for e in copied.entities.values() if isinstance(e, Constraint) and e.id != "r")
    assert copied.entities[new.target].parent == top
    alone, _ = edits.duplicate(scene, ["c"])
    assert [e.target for e in alone.entities.values() if isinstance(e, Constraint)] == ["t", "t"]
    twice, _ = insert(scene, scene)
    targets = [e.target for e in twice.entities.values() if isinstance(e, Constraint)]
    assert targets[0] == "t" and targets[1] != "t" and targets[1] in twice.entities


def test_moving_what_a_parent_constraint_carries_changes_its_offset():
    scene = scene_of(Group(id="t", translation=(1, 0, 0), rotation=to_quaternion((0, 90, 0)), scale=(2, 2, 2)),
                     Group(id="g"), Group(id="child", parent="g"), rule("g", "parent", "t", id="r"))  # fmt: skip
    document = Document(scene)
    with document.edit("Move") as edit:
        edit.apply(edits.translate, ["g"], (0.0, 3.0, 0.0))
    assert document.posed.world_matrix("g")[:, 3] == pytest.approx((1, 3, 0))
    assert document.scene.entities["g"] is scene.entities["g"]
    assert document.scene.entities["r"].offset_translation == pytest.approx((0, 1.5, 0))
    with document.edit("Move both") as edit:
        edit.apply(edits.translate, ["g", "t"], (5.0, 0.0, 0.0))
    assert document.posed.world_matrix("g")[:, 3] == pytest.approx((6, 3, 0))
    assert document.scene.entities["r"].offset_translation == pytest.approx((0, 1.5, 0))
    document.undo()
    document.undo()
    assert document.scene.entities["r"].offset_translation == (0.0, 0.0, 0.0)
