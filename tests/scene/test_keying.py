"""Keys: set, moved, copied, shaped, converted, and curves that are none the worse for it."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import BadAsset
from studio.scene import keying, strips
from studio.scene.animation import OUTSIDE, Curve, evaluate, make_curve
from studio.scene.entities import Camera, Group, MeshObject, Path
from studio.scene.euler import to_quaternion, to_quaternions
from studio.scene.key_copies import HOW
from studio.scene.key_modes import auto_slopes, curve_of, parts_of
from studio.scene.keyed_edit import posed
from studio.scene.keying import AUTO, BREAKDOWN, BROKEN, FLAT, FREE, LINEAR, STEP
from studio.scene.lights import Light
from studio.scene.scene import Scene
from tests.scene.rigs import scene_of

NAME = "l.intensity"


def lamp(*keys: tuple[float, float], modes: tuple[int, ...] = ()) -> Scene:
    """A lamp whose intensity has these keys (frame, value)."""
    scene = scene_of(Light(id="l"), Light(id="m"), Group(id="g"), Camera(id="c"))
    for i, (frame, value) in enumerate(keys):
        scene = keying.set_key(scene, "l", "intensity", frame, value, mode=modes[i] if modes else AUTO)
    return scene


def times(scene: Scene, name: str = NAME) -> list[float]:
    return scene.tracks[name].times.tolist()


def at(scene: Scene, *frames: float, name: str = NAME) -> list[float]:
    return evaluate(scene.tracks[name], frames)[:, 0].tolist()


def same(a: Curve, b: Curve) -> bool:
    parts = ("times", "values", "in_tangents", "out_tangents", "modes")
    return all(np.array_equal(getattr(a, p), getattr(b, p)) for p in parts) and (a.pre, a.post) == (b.pre, b.post)


@st.composite
def lamps(draw, least=1, modes=(AUTO, LINEAR, FLAT, STEP)):
    """A lamp with keys on quarter frames, and the number of them."""
    quarters = sorted(draw(st.sets(st.integers(0, 400), min_size=least, max_size=8)))
    values = draw(st.lists(st.floats(-50, 50), min_size=len(quarters), max_size=len(quarters)))
    kinds = draw(st.lists(st.sampled_from(modes), min_size=len(quarters), max_size=len(quarters)))
    scene = lamp(*zip([q / 4 for q in quarters], values, strict=True), modes=tuple(kinds))
    return scene, len(quarters)


# --- setting ---------------------------------------------------------------------------------------------------------
def test_new_curves_are_bezier_and_switches_hold():
    scene = keying.set_key(lamp((1, 5.0)), "l", "visible", 1.0, True)
    scene = keying.set_key(scene, "l", "visible", 9.0, False)
    assert scene.tracks[NAME].interpolation == "bezier" and scene.tracks[NAME].modes.tolist() == [AUTO]
    assert scene.tracks["l.visible"].modes.tolist() == [STEP, STEP]
    assert posed(scene, 8.9).entities["l"].visible and not posed(scene, 9.0).entities["l"].visible


def test_a_key_that_is_there_keeps_its_mode_and_handles():
    scene = keying.set_handle(lamp((1, 0), (11, 5), (21, 0)), NAME, 1, 0, "out", (2.0, 3.0))
    again = keying.set_key(scene, "l", "intensity", 11.0, 7.0)
    assert again.tracks[NAME].modes.tolist() == [AUTO, FREE, AUTO]
    assert again.tracks[NAME].out_tangents[1].tolist() == [[2.0, 3.0]]


@pytest.mark.parametrize("interpolation", ["step", "linear", "cubic", "bezier"])
def test_a_key_in_an_imported_curve_is_of_its_kind(interpolation):
    scene = lamp()
    curve = make_curve([0, 10], [[0.0, 1, 2], [3, 4, 5]], interpolation=interpolation)
    scene = Scene(entities=scene.entities, tracks={"l.translation": curve})
    new = keying.set_key(scene, "l", "translation", 4.0, (7.0, 8.0, 9.0)).tracks["l.translation"]
    assert new.interpolation == interpolation and new.times.tolist() == [0, 4, 10]
    assert evaluate(new, [0, 4, 10]).tolist() == [[0, 1, 2], [7, 8, 9], [3, 4, 5]]


def test_a_rotation_is_keyed_near_the_angles_that_it_has():
    scene = keying.set_key(lamp(), "g", "rotation", 1.0, (0.0, 350.0, 0.0))
    scene = keying.set_key(scene, "g", "rotation", 10.0, to_quaternion((0.0, 20.0, 0.0)))
    assert scene.tracks["g.rotation"].values[1] == pytest.approx([0.0, 380.0, 0.0])
    scene = keying.set_key(scene, "g", "rotation[1]", 10.0, 400.0)
    assert scene.tracks["g.rotation"].values[1] == pytest.approx([0.0, 400.0, 0.0])


def test_a_quaternion_curve_takes_quaternions_and_angles_on_its_own_side():
    curve = make_curve([0.0, 10.0], [[0, 0, 0, -1.0], [0, 0, 0, -1.0]], rotation=True)
    scene = Scene(entities=lamp().entities, tracks={"g.rotation": curve})
    for value in (to_quaternion((0.0, 20.0, 0.0)), (0.0, 20.0, 0.0)):
        new = keying.set_key(scene, "g", "rotation", 5.0, value).tracks["g.rotation"]
        assert new.rotation and new.values[1] == pytest.approx([-v for v in to_quaternion((0.0, 20.0, 0.0))])


def test_a_vector_whose_items_have_curves_is_keyed_in_those():
    scene = keying.set_key(lamp(), "l", "translation[1]", 1.0, 5.0)
    assert list(scene.tracks) == ["l.translation[1]"]
    scene = keying.set_key(scene, "l", "translation", 9.0, (1.0, 2.0, 3.0))
    assert list(scene.tracks) == ["l.translation[1]"]
    assert scene.tracks["l.translation[1]"].values[:, 0].tolist() == [5.0, 2.0]
    assert keying.keyed(scene, "l", "translation", 9.0) == "key"
    assert keying.keyed(scene, "l", "translation[0]", 9.0) == ""
    whole = keying.set_key(lamp(), "l", "translation", 1.0, (1.0, 2.0, 3.0))
    whole = keying.set_key(whole, "l", "translation[2]", 5.0, 9.0)
    assert whole.tracks["l.translation"].values.tolist() == [[1, 2, 3], [0, 0, 9]]


def test_fields_say_whether_they_are_keyed():
    scene = lamp((1, 0), (11, 5))
    told = [keying.keyed(scene, "l", field, f) for field, f in (("intensity", 11), ("intensity", 5), ("exposure", 1))]
    assert told == ["key", "animated", ""]
    assert keying.tracks_of(scene, ["l"]) == (NAME,) and keying.tracks_of(scene, ["g"]) == ()


def test_fields_are_keyed_together_where_they_are():
    scene = keying.key_fields(lamp(), ["l", "g", "c"], ["translation", "intensity", "focal_length_mm"], 3.0)
    assert set(scene.tracks) == {"l.translation", NAME, "g.translation", "c.translation", "c.focal_length_mm"}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda s: keying.set_key(s, "l", "unit", 1.0),
        lambda s: keying.set_key(s, "l", "nothing", 1.0),
        lambda s: keying.set_key(s, "nobody", "intensity", 1.0),
        lambda s: keying.set_key(s, "l", "translation[3]", 1.0, 2.0),
        lambda s: keying.set_key(s, "l", "translation", 1.0, (1.0, 2.0)),
        lambda s: keying.set_key(s, "l", "intensity", 1.0, (1.0, 2.0)),
        lambda s: keying.set_key(s, "l", "intensity", float("nan"), 1.0),
        lambda s: keying.set_key(s, "l", "intensity", 1.0, float("inf")),
        lambda s: keying.remove_key(s, "l", "intensity", 77.0),
        lambda s: keying.remove_track(s, "l.exposure", 1.0),
        lambda s: keying.remove_keys(s, {NAME: [9]}),
        lambda s: keying.move_keys(s, {NAME: [-1]}, frames=1.0),
        lambda s: keying.move_keys(s, {NAME: [0]}, frames=float("nan")),
        lambda s: keying.move_keys(s, {NAME: [0]}, item=1),
        lambda s: keying.scale_keys(s, {NAME: [0]}, about=0.0, times=0.0),
        lambda s: keying.place_key(s, NAME, 0, value=(1.0, 2.0)),
        lambda s: keying.set_modes(s, {NAME: [0]}, 6),
        lambda s: keying.set_handle(s, NAME, 0, 0, "up", (1.0, 1.0)),
        lambda s: keying.set_handle(s, NAME, 0, 0, "in", (1.0, float("nan"))),
        lambda s: keying.set_outside(s, [NAME], pre="sometimes"),
        lambda s: keying.to_euler(s, NAME),
        lambda s: keying.to_quaternion(s, NAME),
        lambda s: keying.bake(s, [NAME], 1.0, 9.0, 0.0),
        lambda s: keying.bake(s, [NAME], 1.0, 1e12),
        lambda s: keying.thin(s, [NAME], -1.0),
        lambda s: keying.paste_keys(s, keying.copy_keys(s, {NAME: [0]}), 1.0, how="gently"),
        lambda s: keying.paste_keys(s, keying.copy_keys(s, {NAME: [0]}), 1.0, onto={NAME: "g.translation"}),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_a_sentence(wrong):
    with pytest.raises(BadAsset) as told:
        wrong(lamp((1, 0), (11, 5)))
    assert str(told.value).endswith(".") and "\n" not in str(told.value)


# --- removing --------------------------------------------------------------------------------------------------------
def test_with_its_last_key_a_curve_goes_and_the_value_stays():
    scene = keying.remove_keys(lamp((1, 3), (11, 5)), {NAME: [0]})
    assert times(scene) == [11]
    scene = keying.remove_keys(scene, {NAME: [0]})
    assert not scene.tracks and scene.entities["l"].intensity == 5.0


def test_a_removed_rotation_leaves_a_quaternion():
    scene = keying.set_key(lamp(), "g", "rotation", 1.0, (0.0, 90.0, 0.0))
    scene = keying.remove_track(scene, "g.rotation", 1.0)
    assert scene.entities["g"].rotation == pytest.approx(to_quaternion((0.0, 90.0, 0.0)))


def test_a_curve_of_what_is_gone_can_be_removed():
    scene = Scene(tracks={"ghost.intensity": make_curve([1.0], [1.0])})
    assert not keying.remove_track(scene, "ghost.intensity", 1.0).tracks


# --- moving ----------------------------------------------------------------------------------------------------------
@given(lamps(), st.integers(-200, 200), st.integers(-16, 16), st.data())
def test_moving_and_moving_back_is_nothing(made, quarters, value, data):
    scene, count = made
    picked = {NAME: range(count)}
    if data.draw(st.booleans()):  # a part of them, by so little that none meets another
        picked = {NAME: sorted(data.draw(st.sets(st.integers(0, count - 1))))}
        quarters = 0
    moved, now = keying.move_keys(scene, picked, frames=quarters / 4, value=float(value))
    back, _ = keying.move_keys(moved, now, frames=-quarters / 4, value=-float(value))
    a, b = scene.tracks[NAME], back.tracks[NAME]
    assert a.times.tolist() == b.times.tolist()
    np.testing.assert_allclose(b.values, a.values, atol=1e-12)
    np.testing.assert_allclose(b.out_tangents, a.out_tangents, atol=1e-9)


def test_a_key_takes_the_place_of_the_one_that_it_meets():
    scene, now = keying.move_keys(lamp((1, 0), (5, 5), (9, 7)), {NAME: [0]}, frames=4)
    assert times(scene) == [5, 9] and at(scene, 5, 9) == [0, 7] and now == {NAME: (0,)}
    scene, now = keying.move_keys(lamp((1, 0), (5, 5), (9, 7)), {NAME: [0]}, frames=6.4, whole=True)
    assert times(scene) == [5, 7, 9] and now == {NAME: (1,)}


def test_breakdowns_keep_their_share_of_the_way():
    scene = keying.set_breakdown(lamp((0, 0), (5, 3), (20, 9)), {NAME: [1]})
    assert scene.tracks[NAME].modes.tolist() == [AUTO, AUTO | BREAKDOWN, AUTO]
    assert times(keying.move_keys(scene, {NAME: [2]}, frames=20)[0]) == [0, 10, 40]
    assert times(keying.move_keys(scene, {NAME: [1]}, frames=1)[0]) == [0, 6, 20]
    assert times(keying.move_keys(keying.set_breakdown(scene, {NAME: [1]}, False), {NAME: [2]}, frames=20)[0]) == [
        0, 5, 40,
    ]  # fmt: skip


def test_scaling_stretches_handles_and_a_negative_scale_turns_keys_round():
    scene = keying.set_handle(lamp((0, 0), (10, 10)), NAME, 0, 0, "out", (5.0, 1.0))
    wide, now = keying.scale_keys(scene, {NAME: [0, 1]}, about=0.0, times=2.0, by=3.0)
    assert times(wide) == [0, 20] and now == {NAME: (0, 1)}
    frames = np.linspace(0, 10, 21)
    np.testing.assert_allclose(at(wide, *(2 * frames)), 3 * np.array(at(scene, *frames)), atol=1e-9)
    turned, _ = keying.scale_keys(scene, {NAME: [0, 1]}, about=5.0, times=-1.0)
    np.testing.assert_allclose(at(turned, *(10 - frames)), at(scene, *frames), atol=1e-9)


def test_a_key_is_placed_by_numbers():
    scene, index = keying.place_key(lamp((0, 0), (10, 10)), NAME, 0, frame=12.0, value=4.0)
    assert index == 1 and times(scene) == [10, 12] and at(scene, 12) == [4]


def test_keys_snap_to_whole_frames():
    assert times(keying.snap_keys(lamp((0.6, 0), (1.2, 4), (5.5, 1)), {NAME: [0, 1, 2]})) == [1, 6]


def test_time_is_put_in_and_taken_out():
    scene = lamp((1, 0), (10, 5), (20, 7))
    assert times(keying.shift_time(scene, 5.0, after=10.0)) == [1, 15, 25]
    assert times(keying.shift_time(scene, -12.0, after=20.0)) == [1, 8]
    assert times(keying.shift_time(scene, 3.0, tracks=[NAME])) == [4, 13, 23]


@st.composite
def choirs(draw):
    """Curves of all kinds, and picks of their keys: some keys lie as close together as keys may."""
    tracks, picked = {}, {}
    for n in range(draw(st.integers(1, 6))):
        keys, width = draw(st.integers(1, 7)), draw(st.sampled_from((1, 1, 3, 4)))
        rng = np.random.default_rng(draw(st.integers(0, 2**32)))
        kind = draw(st.sampled_from(("bezier", "bezier", "bezier", "cubic", "linear", "step")))
        shape = (keys, width, 2) if kind == "bezier" else (keys, width)
        tangents = rng.normal(size=(2, *shape)) if draw(st.booleans()) else (None, None)
        modes = rng.choice(draw(st.sampled_from(((AUTO,), (FREE, BROKEN), range(6)))), keys)
        modes += rng.choice((0, BREAKDOWN), keys, p=(0.75, 0.25))
        values = rng.normal(size=(keys, width)) if draw(st.booleans()) else rng.integers(-2, 3, (keys, width))
        tracks[f"l{n}.x"] = make_curve(
            np.cumsum(rng.choice((5e-5, 0.25, 1.0, 3.0), keys)), values, interpolation=kind, in_tangents=tangents[0],
            out_tangents=tangents[1], modes=modes if draw(st.booleans()) else None, pre=draw(st.sampled_from(OUTSIDE)),
            post=draw(st.sampled_from(OUTSIDE)), rotation=width == 4, euler=width == 3 and draw(st.booleans()),
        )  # fmt: skip
        picked[f"l{n}.x"] = sorted(draw(st.sets(st.integers(0, keys - 1), min_size=1)))
    return Scene(tracks=tracks), picked


STEPS = st.sampled_from((0.0, 0.25, 1.0, -1.0, 2.75, -7.0, 1e-5, 11.0))
TOGETHER = (
    lambda s, p, a, b: keying.move_keys(s, p, frames=a, value=b),
    lambda s, p, a, b: keying.move_keys(s, p, frames=a, value=b, item=0, whole=True),
    lambda s, p, a, b: keying.move_keys(s, p, value={name: b * n for n, name in enumerate(s.tracks)}),
    lambda s, p, a, b: keying.scale_keys(s, p, about=1.0, times=a or 2.0, about_value=0.5, by=b),
)


@given(choirs(), STEPS, STEPS, st.sampled_from(TOGETHER))
@settings(max_examples=300, deadline=None)
def test_curves_moved_together_are_to_the_bit_what_they_are_moved_one_by_one(choir, a, b, operation):
    scene, picked = choir
    together, now = operation(scene, picked, a, b)
    alone, then = scene, {}
    for name in picked:
        alone, found = operation(alone, {name: picked[name]}, a, b)
        then |= found
    assert now == then and list(together.tracks) == list(alone.tracks)
    for name, curve in together.tracks.items():
        for part in (f.name for f in fields(Curve)):
            mine, its = getattr(curve, part), getattr(alone.tracks[name], part)
            if isinstance(mine, np.ndarray):
                assert mine.shape == its.shape and mine.tobytes() == its.tobytes() and mine.base is None
                assert not mine.flags.writeable
            else:
                assert mine == its


@given(choirs(), STEPS)
@settings(max_examples=100, deadline=None)
def test_handles_of_curves_end_to_end_are_those_of_each_made_alone(choir, value):
    scene, picked = choir
    moved, _ = keying.move_keys(scene, picked, value=value)
    for name, curve in scene.tracks.items():
        parts = parts_of(curve)
        if not curve.rotation:
            parts["values"] = curve.values.copy()
            parts["values"][picked[name]] += value
        assert bytes_of(moved.tracks[name]) == bytes_of(curve_of(parts, curve, where=name))


def bytes_of(curve: Curve) -> list[bytes | None]:
    parts = (curve.times, curve.values, curve.in_tangents, curve.out_tangents, curve.modes)
    return [None if part is None else part.tobytes() for part in parts]


def test_a_curve_that_cannot_be_moved_is_named_and_nothing_is_changed():
    scene = lamp((0, 0), (5, 1e308))
    scene = keying.set_key(keying.set_key(scene, "m", "intensity", 0.0, 1.0), "m", "intensity", 9.0, 2.0)
    with np.errstate(over="ignore"), pytest.raises(BadAsset, match=NAME):
        keying.move_keys(scene, {"m.intensity": [0], NAME: [1]}, value=1.7e308)


# --- copies ----------------------------------------------------------------------------------------------------------
@given(lamps(least=2))
def test_copied_and_pasted_in_place_is_the_same_curve(made):
    scene, count = made
    first = times(scene)[0]
    pasted, now = keying.paste_keys(scene, keying.copy_keys(scene, {NAME: range(count)}), first)
    assert now == {NAME: tuple(range(count))}
    a, b = scene.tracks[NAME], pasted.tracks[NAME]
    np.testing.assert_allclose(b.times, a.times, atol=1e-12)
    assert b.values.tolist() == a.values.tolist() and b.modes.tolist() == a.modes.tolist()
    other, _ = keying.paste_keys(
        scene, keying.copy_keys(scene, {NAME: range(count)}), 500.0, onto={NAME: "m.intensity"}
    )
    frames = np.linspace(0, 100, 50)
    np.testing.assert_allclose(
        at(other, *(500.0 + frames), name="m.intensity"), at(scene, *(first + frames)), atol=1e-6
    )


def test_pasting_merges_replaces_or_makes_room():
    scene = lamp((0, 0), (5, 5), (8, 8), (20, 1))
    clip = keying.copy_keys(scene, {NAME: [0, 2]})
    assert clip.length == 8
    pasted = {how: keying.paste_keys(scene, clip, 5.0, how=how) for how in ("merge", "replace", "insert")}
    assert times(pasted["merge"][0]) == [0, 5, 8, 13, 20] and pasted["merge"][1] == {NAME: (1, 3)}
    assert times(pasted["replace"][0]) == [0, 5, 13, 20]
    assert times(pasted["insert"][0]) == [0, 5, 13, 14, 17, 29]


def test_pasted_keys_become_of_the_kind_that_is_there():
    linear = make_curve([0.0, 30.0], [0.0, 3.0])
    scene = lamp((0, 0), (5, 5))
    scene = Scene(entities=scene.entities, tracks={**scene.tracks, "m.intensity": linear})
    clip = keying.copy_keys(scene, {NAME: [0, 1]})
    out, _ = keying.paste_keys(scene, clip, 10.0, onto={NAME: "m.intensity"})
    assert out.tracks["m.intensity"].interpolation == "linear" and times(out, "m.intensity") == [0, 10, 15, 30]
    back, _ = keying.paste_keys(scene, keying.copy_keys(scene, {"m.intensity": [0]}), 2.0, onto={"m.intensity": NAME})
    assert back.tracks[NAME].modes.tolist() == [AUTO, LINEAR, AUTO]


# --- handles ---------------------------------------------------------------------------------------------------------
@given(lamps(least=2, modes=(AUTO,)))
def test_auto_never_overshoots(made):
    scene, _ = made
    curve = scene.tracks[NAME]
    for i in range(len(curve.times) - 1):
        low, high = np.sort(curve.values[i : i + 2, 0])
        inside = evaluate(curve, np.linspace(curve.times[i], curve.times[i + 1], 33))
        assert inside.min() >= low - 1e-9 and inside.max() <= high + 1e-9


def test_auto_slopes_are_those_of_an_independent_implementation():
    interpolate = pytest.importorskip("scipy.interpolate")
    rng = np.random.default_rng(5)
    t, v = np.cumsum(rng.uniform(0.5, 4, 30)), rng.normal(size=(30, 2)).cumsum(0)
    wanted = interpolate.PchipInterpolator(t, v).derivative()(t)
    np.testing.assert_allclose(auto_slopes(t, v)[1:-1], wanted[1:-1], atol=1e-12)
    assert not auto_slopes(t, v)[[0, -1]].any()


def test_the_ends_of_what_goes_on_go_on_smoothly():
    scene = keying.set_outside(lamp((0, 0), (10, 10)), [NAME], post="linear")
    assert at(scene, 20) == pytest.approx([20.0])
    scene = keying.set_outside(lamp((0, 0), (10, 3), (20, 10)), [NAME], pre="offset", post="offset")
    curve = scene.tracks[NAME]
    slopes = [float(h[0, 1] / h[0, 0]) for h in (curve.in_tangents[-1], curve.out_tangents[0])]
    assert slopes[0] == pytest.approx(slopes[1]) and slopes[0] > 0


@given(
    lamps(least=2),
    st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
    st.sampled_from(["in", "out"]),
    st.data(),
)
def test_handles_stay_in_their_segment_and_time_runs_forward(made, offset, side, data):
    scene, count = made
    index = data.draw(st.integers(0, count - 1))
    curve = keying.set_handle(scene, NAME, index, 0, side, offset).tracks[NAME]
    spans = np.diff(curve.times)
    assert (curve.out_tangents[:-1, 0, 0] >= 0).all() and (curve.out_tangents[:-1, 0, 0] <= spans + 1e-9).all()
    assert (curve.in_tangents[1:, 0, 0] <= 0).all() and (-curve.in_tangents[1:, 0, 0] <= spans + 1e-9).all()
    np.testing.assert_allclose(evaluate(curve, curve.times), curve.values, atol=1e-9)


def test_handles_of_free_keys_lie_in_one_line_and_those_of_broken_ones_do_not():
    scene = lamp((0, 0), (10, 5), (20, 0))
    free = keying.set_handle(scene, NAME, 1, 0, "out", (4.0, 2.0)).tracks[NAME]
    assert free.in_tangents[1, 0] == pytest.approx([-10 / 3, -5 / 3]) and free.modes[1] == FREE
    broken = keying.set_handle(keying.break_handles(scene, {NAME: [1]}), NAME, 1, 0, "out", (4.0, 2.0))
    assert (
        broken.tracks[NAME].in_tangents[1, 0] == pytest.approx([-10 / 3, 0]) and broken.tracks[NAME].modes[1] == BROKEN
    )
    joined = keying.break_handles(broken, {NAME: [1]}, False).tracks[NAME]
    a, b = joined.in_tangents[1, 0], joined.out_tangents[1, 0]
    assert a[0] * b[1] == pytest.approx(a[1] * b[0]) and joined.modes[1] == FREE


def test_unweighted_handles_are_a_third_long_and_keep_their_slopes():
    scene = keying.set_handle(lamp((0, 0), (9, 5), (30, 0)), NAME, 1, 0, "out", (2.0, 3.0))
    curve = keying.unweight(scene, {NAME: [1]}).tracks[NAME]
    assert curve.out_tangents[1, 0] == pytest.approx([7.0, 10.5]) and curve.in_tangents[1, 0] == pytest.approx(
        [-3, -4.5]
    )


def test_modes_make_their_handles_again_when_a_neighbour_moves():
    scene = keying.set_modes(lamp((0, 0), (10, 5), (20, 0)), {NAME: [0, 1, 2]}, LINEAR)
    assert at(scene, 5) == pytest.approx([2.5])
    moved, _ = keying.move_keys(scene, {NAME: [2]}, frames=10, value=-15.0)
    assert at(moved, 20) == pytest.approx([-5.0])
    assert at(keying.set_modes(scene, {NAME: [0]}, STEP), 9.99) == [0.0]
    assert keying.set_modes(scene, {NAME: [1]}, FLAT).tracks[NAME].in_tangents[1, 0, 1] == 0.0


def test_a_step_key_holds_its_value_until_the_next():
    scene = lamp((0, 1), (10, 5), (20, 0), modes=(AUTO, STEP, AUTO))
    assert at(scene, 10, 15, 19.99, 20) == [5, 5, 5, 0]
    assert at(keying.set_outside(scene, [NAME], post="linear"), 40) == [0.0]


# --- conversions -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("interpolation", ["step", "linear", "cubic"])
def test_a_curve_made_bezier_is_the_same_curve(interpolation):
    rng = np.random.default_rng(6)
    tangents = [rng.normal(size=(6, 3)) for _ in "io"]
    curve = make_curve(
        np.cumsum(rng.uniform(1, 5, 6)), rng.normal(size=(6, 3)), interpolation=interpolation,
        in_tangents=tangents[0], out_tangents=tangents[1],
    )  # fmt: skip
    scene = keying.to_bezier(Scene(entities=lamp().entities, tracks={"g.translation": curve}), ["g.translation"])
    assert scene.tracks["g.translation"].interpolation == "bezier"
    frames = np.linspace(curve.times[0], curve.times[-1], 200)
    np.testing.assert_allclose(evaluate(scene.tracks["g.translation"], frames), evaluate(curve, frames), atol=1e-9)


angles = st.tuples(*[st.floats(-720, 720)] * 3)


@given(st.lists(angles, min_size=1, max_size=6))
def test_the_euler_filter_keeps_rotations_and_leaves_no_flips(rows):
    curve = make_curve(np.arange(len(rows)) * 5.0, rows, interpolation="bezier", euler=True, modes=[AUTO] * len(rows))
    scene = keying.euler_filter(Scene(entities=lamp().entities, tracks={"g.rotation": curve}), ["g.rotation"])
    new = scene.tracks["g.rotation"].values
    dots = np.abs((to_quaternions(new) * to_quaternions(curve.values)).sum(axis=1))
    np.testing.assert_allclose(dots, 1.0, atol=1e-9)
    for a, b in pairwise(new):  # no spelling of a key lies nearer to the one before
        other = np.array([b[0] + 180.0, 180.0 - b[1], b[2] + 180.0])
        other += 360.0 * np.round((a - other) / 360.0)
        assert np.abs(b - a).max() <= 180.0 + 1e-6 and np.abs(b - a).sum() <= np.abs(other - a).sum() + 1e-6
    assert same(keying.euler_filter(scene, ["g.rotation"]).tracks["g.rotation"], scene.tracks["g.rotation"])


@given(st.lists(angles, min_size=1, max_size=5))
def test_rotations_go_to_quaternions_and_back(rows):
    curve = make_curve(np.arange(len(rows)) * 5.0, rows, interpolation="bezier", euler=True, modes=[LINEAR] * len(rows))
    scene = keying.to_quaternion(Scene(entities=lamp().entities, tracks={"g.rotation": curve}), "g.rotation")
    assert scene.tracks["g.rotation"].rotation
    back = keying.to_euler(scene, "g.rotation").tracks["g.rotation"]
    dots = np.abs((to_quaternions(back.values) * to_quaternions(curve.values)).sum(axis=1))
    np.testing.assert_allclose(dots, 1.0, atol=1e-9)


@given(lamps(least=2), st.sampled_from([0.5, 1.0, 3.0]))
def test_baked_keys_are_what_the_curve_was(made, step):
    scene, _ = made
    first, last = times(scene)[0], times(scene)[-1]
    baked = keying.bake(scene, [NAME], first, last, step)
    frames = np.arange(first, last + 1e-9, step)
    np.testing.assert_allclose(at(baked, *frames), at(scene, *frames), atol=1e-9)
    assert times(baked) == pytest.approx(frames.tolist())


@given(lamps(least=3, modes=(AUTO, LINEAR)), st.floats(0, 20))
@settings(max_examples=50)
def test_thinned_curves_stay_within_the_tolerance(made, tolerance):
    scene, _ = made
    thinned = keying.thin(scene, [NAME], tolerance)
    assert set(times(thinned)) <= set(times(scene))
    assert np.abs(np.subtract(at(thinned, *times(scene)), at(scene, *times(scene)))).max() <= tolerance + 1e-9


def test_a_baked_curve_is_thinned_to_few_keys():
    scene = lamp((0, 0), (20, 9), (50, -4))
    thinned = keying.thin(keying.bake(scene, [NAME], 0, 50), [NAME], 0.05)
    assert len(times(thinned)) < 14
    frames = np.linspace(0, 50, 200)
    assert np.abs(np.subtract(at(thinned, *frames), at(scene, *frames))).max() < 0.2


def test_morphs_and_any_other_vector_are_keyed_whole():
    scene = scene_of(MeshObject(id="face", morph_weights=(0.0, 0.5)), Path(id="way"))
    scene = keying.set_key(scene, "face", "morph_weights", 1.0)
    scene = keying.set_key(scene, "face", "morph_weights[1]", 5.0, 1.0)
    assert scene.tracks["face.morph_weights"].values.tolist() == [[0, 0.5], [0, 1.0]]


FIELDS = ("intensity", "translation", "translation[1]", "rotation", "rotation[2]", "visible")
frames = st.floats(-50, 50)
OPERATIONS = (
    lambda s, d, p: keying.set_key(s, "l", d(st.sampled_from(FIELDS)), d(frames)),
    lambda s, d, p: keying.remove_keys(s, p),
    lambda s, d, p: keying.move_keys(s, p, frames=d(frames), value=d(frames), whole=d(st.booleans())),
    lambda s, d, p: keying.scale_keys(s, p, about=d(frames), times=d(st.floats(-3, 3)), by=d(frames)),
    lambda s, d, p: keying.paste_keys(s, keying.copy_keys(s, p), d(frames), how=d(st.sampled_from(HOW))),
    lambda s, d, p: keying.set_modes(s, p, d(st.integers(0, 5))),
    lambda s, d, p: keying.set_breakdown(s, p, d(st.booleans())),
    lambda s, d, p: keying.set_handle(s, *next((n, r[0], 0) for n, r in p.items()), "out", (d(frames), d(frames))),
    lambda s, d, p: keying.unweight(s, p),
    lambda s, d, p: keying.set_outside(s, p, pre=d(st.sampled_from(OUTSIDE)), post=d(st.sampled_from(OUTSIDE))),
    lambda s, d, p: keying.snap_keys(s, p),
    lambda s, d, p: keying.shift_time(s, d(frames), after=d(frames)),
    lambda s, d, p: keying.euler_filter(s, p),
    lambda s, d, p: keying.to_quaternion(s, next(iter(p))),
    lambda s, d, p: keying.to_euler(s, next(iter(p))),
    lambda s, d, p: keying.to_bezier(s, p),
    lambda s, d, p: keying.bake(s, p, -10.0, 10.0, d(st.floats(0.5, 9))),
    lambda s, d, p: keying.thin(s, p, d(st.floats(0, 5))),
    lambda s, d, p: strips.clip_from_tracks(s, p, "c"),
    lambda s, d, p: strips.bake_strips(s),
)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_is_done_to_keys_leaves_curves_or_a_sentence(data):
    scene = lamp((1, 0), (9, 5), (20, -3))
    for field, value in (("translation", (1.0, 2.0, 3.0)), ("rotation", (0.0, 300.0, 10.0)), ("visible", False)):
        scene = keying.set_key(keying.set_key(scene, "l", field, 1.0), "l", field, 12.0, value)
    for _ in range(data.draw(st.integers(1, 8))):
        names = [name for name in scene.tracks if data.draw(st.booleans())] or list(scene.tracks)[:1]
        picked = {n: [data.draw(st.integers(0, len(scene.tracks[n].times) - 1))] for n in names}
        try:
            out = data.draw(st.sampled_from(OPERATIONS))(scene, data.draw, picked)
        except BadAsset as told:
            assert str(told).endswith(".")
            continue
        except StopIteration:  # nothing was left to pick
            continue
        scene, now = out if isinstance(out, tuple) else (out, {})
        for name, rows in now.items() if isinstance(now, dict) else ():
            assert all(0 <= row < len(scene.tracks[name].times) for row in rows)
        for curve in scene.tracks.values():
            assert (np.diff(curve.times) > 0).all() and np.isfinite(evaluate(curve, np.linspace(-99, 99, 40))).all()
        assert posed(scene, data.draw(frames)).entities["l"].id == "l"
