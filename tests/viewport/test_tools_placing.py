"""Moving, turning and scaling land exactly where the hand put them, whatever hangs above."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.scene.animation import make_curve
from studio.scene.document import Document
from studio.scene.entities import Camera, Entity, Group
from studio.scene.flatten import flatten
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.scene.transforms import look_at, rigid
from studio.viewport.navigation import rotation
from studio.viewport.tools.placing import Fields, moved, movers, rotations, scaled, stood, turned, written

numbers = st.floats(-4, 4)
sizes = st.floats(0.2, 4)
triples = st.tuples(numbers, numbers, numbers)


@st.composite
def quaternions(draw: st.DrawFn) -> tuple[float, ...]:
    q = np.array([draw(st.floats(-1, 1)) for _ in range(4)])
    length = float(np.linalg.norm(q))
    return tuple((q / length).tolist()) if length > 0.1 else (0.0, 0.0, 0.0, 1.0)


@st.composite
def parents(draw: st.DrawFn, *, even: bool = False) -> Group:
    x, y, z = (draw(sizes) for _ in range(3))
    scale = (x, x, x) if even else (x * draw(st.sampled_from([1, -1])), y, z)
    return Group(id="p", translation=draw(triples), rotation=draw(quaternions()), scale=scale)


@st.composite
def children(draw: st.DrawFn) -> Group:
    scale = (draw(sizes), draw(sizes), draw(sizes))
    return Group(id="c", parent="p", translation=draw(triples), rotation=draw(quaternions()), scale=scale)


def after(scene: Scene, fields: Fields) -> Scene:
    return written(scene, fields)


def world(scene: Scene, id_: str) -> np.ndarray:
    return scene.world_matrix(id_)


def around(pivot: Any, linear: np.ndarray) -> np.ndarray:
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = linear, np.asarray(pivot) - linear @ np.asarray(pivot)
    return out


def expected(matrix: np.ndarray, scene: Scene, id_: str) -> np.ndarray:
    whole = np.vstack([world(scene, id_), (0, 0, 0, 1)])
    return (matrix @ whole)[:3]


@settings(deadline=None)
@given(parents(), children(), triples)
def test_a_move_is_a_move_of_the_world_and_touches_only_the_translation(p: Group, c: Group, by: Any) -> None:
    scene = Scene().add(p, c)
    out = after(scene, moved(movers(flatten(scene, 1.0), ["c"]), by))
    want = world(scene, "c")
    want[:, 3] += by
    assert np.allclose(world(out, "c"), want, atol=1e-9)
    assert out.entities["p"] is p
    assert msgspec.structs.replace(out.entities["c"], translation=c.translation) == c


@settings(deadline=None)
@given(parents(), children(), quaternions(), st.floats(-3, 3), triples)
def test_a_turn_is_a_turn_of_the_world_under_any_parent(
    p: Group, c: Group, q: tuple[float, ...], angle: float, pivot: Any
) -> None:
    scene = Scene().add(p, c)
    axis = rotation((0.0, 0.0, 1.0), q[0] * 3) @ np.array([1.0, 0.0, 0.0])
    out = after(scene, turned(movers(flatten(scene, 1.0), ["c"]), axis, angle, pivot))
    assert np.allclose(world(out, "c"), expected(around(pivot, rotation(axis, angle)), scene, "c"), atol=1e-7)


@settings(deadline=None)
@given(parents(even=True), children(), st.floats(-3, 3), triples)
def test_a_turn_below_an_even_parent_leaves_scale_and_shear_to_the_bit(
    p: Group, c: Group, angle: float, pivot: Any
) -> None:
    scene = Scene().add(p, c)
    out = after(scene, turned(movers(flatten(scene, 1.0), ["c"]), np.array([0.0, 1.0, 0.0]), angle, pivot))
    assert out.entities["c"].scale == c.scale and out.entities["c"].shear == c.shear


@settings(deadline=None)
@given(parents(), children(), st.tuples(sizes, sizes, sizes), triples)
def test_a_scale_is_a_scale_of_the_world_under_any_parent(p: Group, c: Group, by: Any, pivot: Any) -> None:
    scene = Scene().add(p, c)
    out = after(scene, scaled(movers(flatten(scene, 1.0), ["c"]), np.eye(3), by, pivot))
    assert np.allclose(world(out, "c"), expected(around(pivot, np.diag(by)), scene, "c"), atol=1e-6)


def test_an_even_scale_multiplies_the_field_and_nothing_else() -> None:
    p = Group(id="p", scale=(1.0, 3.0, 0.5), rotation=(0.0, 0.6, 0.0, 0.8))
    c = Group(id="c", parent="p", rotation=(0.6, 0.0, 0.0, 0.8), scale=(1.0, 2.0, 3.0))
    scene = Scene().add(p, c)
    them = movers(flatten(scene, 1.0), ["c"])
    out = after(scene, scaled(them, np.eye(3), (2.0, 2.0, 2.0), them.origins[0])).entities["c"]
    assert out.scale == (2.0, 4.0, 6.0)
    assert (out.rotation, out.shear, out.translation) == (c.rotation, c.shear, c.translation)


def test_a_scale_along_its_own_axes_multiplies_the_field_even_in_the_world() -> None:
    quarter = (0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5))  # its x is the world's y
    c = Group(id="c", rotation=quarter, scale=(1.0, 2.0, 3.0))
    scene = Scene().add(c)
    them = movers(flatten(scene, 1.0), ["c"])
    out = after(scene, scaled(them, np.eye(3), (5.0, 1.0, 1.0), them.origins[0])).entities["c"]
    assert out.scale == (1.0, 10.0, 3.0) and out.shear == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("light", "unit", "by", "fields"),
    [
        ("rectangle", "nt", (2.0, 3.0, 1.0), {"width_m": 2.0, "height_m": 3.0}),
        ("disk", "nt", (4.0, 1.0, 1.0), {"radius_m": 0.2}),
        ("sphere", "nt", (2.0, 2.0, 2.0), {"radius_m": 0.2}),
        ("cylinder", "nt", (3.0, 2.0, 2.0), {"length_m": 3.0, "radius_m": 0.2}),
        ("spot", "cd", (3.0, 2.0, 2.0), {}),
    ],
)
def test_scaling_a_light_changes_its_size_and_never_its_scale(
    light: str, unit: str, by: Any, fields: dict[str, float]
) -> None:
    scene = Scene().add(Light(id="l", light=light, unit=unit))
    them = movers(flatten(scene, 1.0), ["l"])
    out = after(scene, scaled(them, np.eye(3), by, them.origins[0])).entities["l"]
    assert out.scale == (1.0, 1.0, 1.0)
    for name, value in fields.items():
        assert getattr(out, name) == pytest.approx(value)


def test_a_light_that_is_scaled_away_keeps_a_size() -> None:
    scene = Scene().add(Light(id="l", light="rectangle", unit="nt"))
    them = movers(flatten(scene, 1.0), ["l"])
    out = after(scene, scaled(them, np.eye(3), (1e-9, 1e-9, 1e-9), them.origins[0])).entities["l"]
    assert out.width_m > 0


@pytest.mark.parametrize("kind", [Light, Camera])
def test_lights_and_cameras_below_uneven_parents_turn_without_shear(kind: type[Entity]) -> None:
    p = Group(id="p", scale=(1.0, 3.0, 0.5), rotation=(0.0, 0.6, 0.0, 0.8))
    thing = kind(id="c", parent="p", rotation=(0.6, 0.0, 0.0, 0.8), translation=(1.0, 2.0, 3.0))
    scene = Scene().add(p, thing)
    turn = rotation((0.0, 1.0, 0.0), 0.7)
    out = after(scene, turned(movers(flatten(scene, 1.0), ["c"]), np.array([0.0, 1.0, 0.0]), 0.7, (0, 0, 0)))
    assert out.entities["c"].shear == (0.0, 0.0, 0.0)
    was, now = (rigid(world(s, "c")[None])[0] for s in (scene, out))
    assert np.allclose(now[:, :3], turn @ was[:, :3], atol=1e-9)
    assert np.allclose(now[:, 3], turn @ was[:, 3], atol=1e-9)


@settings(deadline=None)
@given(parents(), triples)
def test_standing_somewhere_puts_the_eye_and_the_look_there(p: Group, eye: Any) -> None:
    scene = Scene().add(p, Camera(id="c", parent="p"))
    matrix = look_at(eye, (5.0, 6.0, 7.0))
    out = after(scene, stood(movers(flatten(scene, 1.0), ["c"]), 0, matrix))
    assert np.allclose(rigid(world(out, "c")[None])[0], matrix, atol=1e-7)


def test_children_of_what_moves_move_once() -> None:
    scene = Scene().add(Group(id="p"), Group(id="c", parent="p", translation=(1.0, 0.0, 0.0)))
    them = movers(flatten(scene, 1.0), ["c", "p"])
    assert them.ids == ("p",)
    out = after(scene, moved(them, (1.0, 0.0, 0.0)))
    assert np.allclose(world(out, "c")[:, 3], (2.0, 0.0, 0.0))


def test_what_is_locked_itself_or_from_above_is_not_moved_and_named() -> None:
    scene = Scene().add(
        Group(id="a", name="Ann", locked=True),
        Group(id="p", locked=True),
        Group(id="b", name="Bob", parent="p"),
        Group(id="c"),
    )
    them = movers(flatten(scene, 1.0), ["a", "b", "c"])
    assert them.ids == ("c",)
    assert len(them.refused) == 2 and "Ann" in them.refused[0] and "Bob" in them.refused[1]


def test_what_hangs_below_nothing_usable_is_refused() -> None:
    scene = Scene().add(Group(id="p", scale=(0.0, 1.0, 1.0)), Group(id="c", parent="p"))
    them = movers(flatten(scene, 1.0), ["c"])
    assert them.ids == () and len(them.refused) == 1


def test_what_is_itself_scaled_to_nothing_can_still_be_moved_and_turned() -> None:
    scene = Scene().add(Group(id="c", scale=(0.0, 1.0, 1.0)))
    them = movers(flatten(scene, 1.0), ["c"])
    out = after(after(scene, moved(them, (1.0, 2.0, 3.0))), turned(them, np.array([0.0, 1.0, 0.0]), 1.0, (5, 0, 0)))
    assert out.entities["c"].scale == (0.0, 1.0, 1.0)
    assert np.isfinite(world(out, "c")).all()


def test_coming_back_to_the_start_gives_back_every_field() -> None:
    c = Group(id="c", translation=(0.1, 0.2, 0.3), rotation=(0.1, 0.2, 0.3, 0.9), scale=(0.7, 0.7, 0.9))
    scene = Scene().add(c)
    them = movers(flatten(scene, 1.0), ["c"])
    away = after(scene, turned(them, np.array([0.0, 1.0, 0.0]), 1.0, (5, 0, 0)))
    assert after(away, turned(them, np.array([0.0, 1.0, 0.0]), 0.0, (5, 0, 0))).entities["c"] == c
    away = after(scene, scaled(them, np.eye(3), (2.0, 1.0, 1.0), (5, 0, 0)))
    assert after(away, scaled(them, np.eye(3), (1.0, 1.0, 1.0), (5, 0, 0))).entities["c"] == c


def test_what_a_curve_drives_gets_a_key_where_it_was_put() -> None:
    curve = make_curve([1.0, 11.0], [[0.0, 0.0, 0.0], [10.0, 0.0, 0.0]])
    scene = Scene(tracks={"c.translation": curve}).add(Group(id="c"))
    them = movers(flatten(scene, 6.0), ["c"])
    assert np.allclose(them.origins[0], (5.0, 0.0, 0.0))
    document = Document(scene)
    document.frame = 6.0
    with document.edit("Move") as edit:
        edit.apply(written, moved(them, (0.0, 2.0, 0.0)))
    assert document.scene.entities["c"] is scene.entities["c"]
    assert np.allclose(document.scene.tracks["c.translation"].values[1], (5.0, 2.0, 0.0))


def test_rotations_agree_with_the_single_one() -> None:
    axes = np.array([(1.0, 0.0, 0.0), (0.0, 0.6, 0.8)])
    for one, axis in zip(rotations(axes, 0.4), axes, strict=True):
        assert np.allclose(one, rotation(axis, 0.4))
