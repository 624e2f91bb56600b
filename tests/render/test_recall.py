"""Learning lights after an edit: what is taken from the time before is what would be found again, to the last bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from studio.scene import linking
from studio.scene.flatten import flatten
from studio.scene.lights import Light
from studio.scene.scene import Scene
from tests.render.scenes import ball, eye, floor, lamp, matte, scene_of, settings, thing

S = settings(32, 24, 16, depth=4)
SPOT_DOWN = (-0.7071068, 0, 0, 0.7071068)


@pytest.fixture(scope="module")
def scene() -> Scene:
    lights = [
        Light(light="point", unit="cd", intensity=5.0, translation=(1.0, 1.5, 0.0)),
        Light(light="spot", unit="cd", intensity=9.0, translation=(-1.0, 2.0, 0.0), rotation=SPOT_DOWN),
        Light(light="rectangle", unit="lm", intensity=40.0, translation=(0.0, 2.0, -1.5)),
        Light(light="sphere", unit="lm", intensity=30.0, radius_m=0.2, translation=(-1.5, 1.0, 1.0)),
        Light(light="distant", unit="lx", intensity=0.5, angle_deg=4.0),
    ]
    things = [
        thing(floor(2.0), matte(0.5)),
        thing(ball(0.4, centre=(0.0, 0.5, 0.0)), matte(0.7)),
        thing(ball(0.15, rings=4, segments=6), lamp(20.0), translation=(0.9, 0.6, 0.6)),
        thing(ball(0.1, rings=4, segments=6), lamp(9.0), translation=(-0.9, 0.9, 0.6)),
    ]
    return scene_of(things, lights, camera=eye((0, 2, 4), (0, 0.3, 0)))


def glowing(scene: Scene) -> str:
    return next(id_ for id_, m in scene.materials.items() if m.emission_luminance > 0)


# each follows the one before; and whether most of what was known holds
EDITS = {
    "a point dimmed": (lambda s: s.replace("light0", intensity=1.3), True),
    "a sun dimmed": (lambda s: s.replace("light4", intensity=0.1), True),
    "a spot turned": (lambda s: s.replace("light1", rotation=(-0.5, 0.0, 0.0, 0.8660254)), True),
    "a lamp moved that rays meet": (lambda s: s.replace("light3", translation=(-1.4, 1.1, 1.0)), True),
    "a mesh that glows more": (lambda s: s.replace(glowing(s), emission_luminance=31.0), True),
    "a lamp without shadows": (lambda s: s.replace("light2", casts_shadows=False), True),
    "nothing": (lambda s: s, True),
    "a lamp linked": (lambda s: linking.link_only(s, ["light0"], ["thing0"]), False),
    "a linked lamp dimmed": (lambda s: s.replace("light0", intensity=4.0), True),
    "another lamp linked to the same": (lambda s: linking.link_only(s, ["light3"], ["thing0"]), True),
    "a lamp that the camera does not see": (lambda s: s.replace("light3", seen_by_camera=False), True),
    "a lamp whose shadows things cast no more": (
        lambda s: linking.link_only(s, ["light2"], ["thing0"], shadows=True),
        False,
    ),
    "a surface darker": (lambda s: s.replace(next(iter(s.materials)), base_color=(0.1, 0.1, 0.1)), False),
    "a thing moved": (lambda s: s.replace("thing1", translation=(0.2, 0.0, 0.0)), False),
    "a lamp more": (
        lambda s: s.add(Light(id="new", light="point", unit="cd", intensity=3.0, translation=(1.0, 1.0, -1.0))),
        False,
    ),
    "a camera moved": (lambda s: s.replace("camera", translation=(0.3, 2.0, 4.0)), False),
}


def found(tracer: Any) -> list[np.ndarray]:
    """Everything that was learned, and the table that light is picked by."""
    learned = [getattr(tracer.learned, name) for name in tracer.learned.__slots__]
    table = [getattr(tracer.device, name).to_numpy() for name in ("keys", "start", "light", "cdf", "power_cdf", "grid")]
    return [*map(np.asarray, learned), *table, tracer.met]


def test_what_is_learned_after_edits_is_what_a_worker_learns_that_has_just_begun(
    tracer, scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.render.tracer import tracer as module

    monkeypatch.setattr(module, "LEARN_PATHS", 1 << 12)
    asked: list[int] = []
    measure = tracer.measure_pairs

    def counted(pairs, unshadowed):
        asked.append(len(pairs))
        return measure(pairs, unshadowed)

    monkeypatch.setattr(tracer, "measure_pairs", counted)
    tracer.recall = None
    flat = flatten(scene, 1)
    tracer.load(flat)
    tracer.prepare(S)
    for name, (edit, most) in EDITS.items():
        scene = edit(scene)
        flat = flatten(scene, 1, previous=flat)
        tracer.load(flat)
        asked.clear()
        tracer.prepare(S)
        after, few = found(tracer), sum(asked)
        tracer.recall = None
        asked.clear()
        tracer.prepare(S)
        for one, other in zip(after, found(tracer), strict=True):
            assert one.tobytes() == other.tobytes(), name
        assert (few < 0.6 * sum(asked)) == most, (name, few, sum(asked))


def test_a_learning_that_was_given_up_leaves_what_was_known(tracer, scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.render.tracer import tracer as module

    monkeypatch.setattr(module, "LEARN_PATHS", 1 << 12)

    class GivenUp(Exception):
        """A newer scene came."""

    def give_up() -> None:
        raise GivenUp

    tracer.recall = None
    flat = flatten(scene, 1)
    tracer.load(flat)
    tracer.prepare(S)
    before = tracer.recall
    dimmed = flatten(scene.replace("light0", intensity=1.0), 1, previous=flat)
    tracer.load(dimmed)
    monkeypatch.setattr(tracer, "pause_point", give_up)
    with pytest.raises(GivenUp):
        tracer.prepare(S)
    assert tracer.recall is before
    monkeypatch.undo()
    monkeypatch.setattr(module, "LEARN_PATHS", 1 << 12)
    tracer.prepare(S)
    after = found(tracer)
    tracer.recall = None
    tracer.prepare(S)
    assert all(one.tobytes() == other.tobytes() for one, other in zip(after, found(tracer), strict=True))


def test_a_learning_that_was_given_up_leaves_the_cells_in_which_lamps_are_measured(
    tracer, scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A live view measures the lamps of its next edits in the cells of what it shows meanwhile."""
    from studio.render.tracer import tracer as module

    monkeypatch.setattr(module, "LEARN_PATHS", 1 << 12)
    flat = flatten(scene, 1)
    tracer.load(flat)
    tracer.prepare(S)
    cells = [getattr(tracer.device, name).to_numpy() for name in ("grid", "reps", "count")]

    def give_up(*_: object) -> None:
        raise InterruptedError

    tracer.load(flatten(scene.replace("camera", translation=(0.3, 2.0, 9.0)), 1, previous=flat))
    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(tracer, "measure_pairs", give_up)
        tracer.prepare(S)
    left = [getattr(tracer.device, name).to_numpy() for name in ("grid", "reps", "count")]
    assert all(one.tobytes() == other.tobytes() for one, other in zip(cells, left, strict=True))


def test_where_paths_visit_nothing_lights_are_picked_as_by_a_worker_that_has_just_begun(
    tracer, scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.render.tracer import tracer as module

    monkeypatch.setattr(module, "LEARN_PATHS", 1 << 12)
    tracer.load(flatten(scene, 1))
    tracer.prepare(S)
    assert tracer.learned is not None
    tracer.prepare(settings(32, 24, 16, depth=1))
    assert tracer.learned is None and not tracer.device.keys.to_numpy().any()


def test_nothing_is_kept_of_a_scene_that_is_gone(tracer, scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.render.tracer import tracer as module

    monkeypatch.setattr(module, "LEARN_PATHS", 1 << 12)
    flat = flatten(scene, 1)
    tracer.load(flat)
    tracer.prepare(S)
    tracer.load(flatten(scene.replace("light0", intensity=2.0), 1, previous=flat))
    assert tracer.recall is not None
    tracer.load(flatten(scene_of([thing(floor(1.0), matte(0.5))]), 1))  # without lights nothing is learned
    tracer.prepare(S)
    assert tracer.recall is None


def test_surfaces_are_compared_to_the_last_bit(tracer, scene) -> None:
    flat = flatten(scene, 1)
    tracer.load(flat)
    tracer.aim(S)
    lit = tracer._lit(S)
    materials = flat.materials.copy()
    assert lit.same_solids(replace(lit, flat=replace(flat, materials=materials)))
    materials[tuple(np.argwhere(materials == 0.0)[0])] = -0.0
    assert not lit.same_solids(replace(lit, flat=replace(flat, materials=materials)))


def test_what_mesh_lamps_show_is_worked_out_again_where_they_turned_alone(
    scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.render.tracer import mesh_lights
    from studio.render.tracer.light_tables import build_light_tables

    asked: list[int] = []
    shares = mesh_lights._shares
    monkeypatch.setattr(mesh_lights, "_kept_shares", {})
    monkeypatch.setattr(mesh_lights, "_shares", lambda *given: (asked.append(1), shares(*given))[1])
    build_light_tables(flatten(scene, 1))
    assert asked
    glow = scene.replace(glowing(scene), emission_luminance=31.0)
    turned = glow.replace("thing2", rotation=(0.2, 0.0, 0.0, 0.9797959))
    for edited, anew in ((glow, 0), (turned, 1)):
        asked.clear()
        found = build_light_tables(flatten(edited, 1))
        assert len(asked) == anew
        mesh_lights._kept_shares.clear()
        again = build_light_tables(flatten(edited, 1))
        assert found.table.tobytes() == again.table.tobytes() and found.rows.tobytes() == again.rows.tobytes()
