"""Lights that follow edits: scaled rows are those made anew, and a table that is carried over stays unbiased."""

from __future__ import annotations

import numpy as np
import pytest

from studio.render.live_lamps import lamp_names
from studio.scene import linking
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.lights import Light
from studio.scene.scene import Scene
from tests.render.scenes import ball, eye, floor, lamp, matte, repeats, scene_of, settings, smallest_p, thing
from tests.render.test_light_links import linked


@pytest.fixture(scope="module")
def scene() -> Scene:
    lights = [
        Light(light="point", unit="cd", intensity=5.0, translation=(1.0, 1.5, 0.0)),
        Light(
            light="spot", unit="cd", intensity=9.0, translation=(-1.0, 2.0, 0.0), rotation=(-0.7071068, 0, 0, 0.7071068)
        ),
        Light(light="rectangle", unit="lm", intensity=40.0, translation=(0.0, 2.0, -1.5)),
        Light(light="sphere", unit="lm", intensity=30.0, radius_m=0.2, translation=(-1.5, 1.0, 1.0)),
        Light(light="distant", unit="lx", intensity=0.5, angle_deg=4.0),
        Light(light="dome", unit="nt", intensity=0.05),
    ]
    things = [
        thing(floor(2.0), matte(0.5)),
        thing(ball(0.4, centre=(0.0, 0.5, 0.0)), matte(0.7)),
        thing(ball(0.15, rings=4, segments=6), lamp(20.0), translation=(0.9, 0.6, 0.6)),
    ]
    return scene_of(things, lights, camera=eye((0, 2, 4), (0, 0.3, 0)))


def edited(scene: Scene) -> Scene:
    """One lamp moved, one dimmed, one gone, one far brighter and one new."""
    scene = scene.replace("light0", translation=(-0.5, 1.0, 1.2)).replace("light3", intensity=4.0).remove(["light1"])
    scene = scene.replace("light2", intensity=400.0)
    return scene.add(Light(id="new", light="point", unit="cd", intensity=3.0, translation=(1.0, 1.0, -1.0)))


def test_lights_that_only_shine_differently_are_those_made_anew(tracer, scene):
    from studio.render.tracer import dimming
    from studio.render.tracer.light_tables import build_light_tables

    scene = scene.replace("light1", barn_left_deg=10.0).replace("light2", spread_deg=90.0)
    before = flatten(scene, 1)
    every = [id_ for id_, e in scene.entities.items() if isinstance(e, Light)]
    changed = scene.replace(every, intensity=7.0, color=(0.2, 0.9, 0.4))
    glowing = next(id_ for id_, m in scene.materials.items() if m.emission_luminance > 0)
    changed = changed.replace(glowing, emission_luminance=3.0, emission_color=(1.0, 0.5, 0.1))
    after = flatten(changed, 1, previous=before)
    scaled, anew = dimming.dimmed(build_light_tables(before), before, after), build_light_tables(after)
    assert np.allclose(scaled.rows, anew.rows, rtol=1e-5, atol=1e-7)
    assert np.allclose(scaled.table, anew.table, rtol=1e-4, atol=1e-6)
    assert np.allclose(scaled.power, anew.power, rtol=1e-5)


def test_lights_that_changed_otherwise_are_not_scaled(scene):
    from studio.render.tracer import dimming
    from studio.render.tracer.light_tables import build_light_tables

    before = flatten(scene, 1)
    lights = build_light_tables(before)
    for changed in (
        scene.replace("light0", translation=(0.0, 1.0, 0.0)),
        scene.replace("light3", radius_m=0.4),
        scene.replace("light0", muted=True),
        scene.replace("light2", casts_shadows=False),
        scene.replace("light0", shadow_color=(0.2, 0.0, 0.0)),
        scene.replace("light1", barn_left_deg=10.0),
        scene.replace("light2", spread_deg=60.0),
        scene.replace("thing2", translation=(0.0, 1.0, 0.9)),
    ):
        assert dimming.dimmed(lights, before, flatten(changed, 1, previous=before)) is None


def carried(tracer, before: FlatScene, after: FlatScene, s) -> bool:
    """Learn one scene and bring the tracer to the other with that table."""
    from studio.render.tracer.live import LightMemory

    memory = LightMemory()
    tracer.load(before)
    tracer.prepare(s)
    memory.keep(tracer, lamp_names(before))
    tracer.load(after)
    tracer.aim(s)
    return memory.carry_over(tracer, lamp_names(after))


@pytest.mark.slow
def test_a_table_that_is_carried_over_gives_the_same_picture(tracer, scene):
    """Significance 1 in 1,000 over blocks of 8 x 8 pixels, Sidak corrected."""
    before = flatten(scene, 1)
    after = flatten(edited(scene), 1, previous=before)
    s = settings(32, 24, 64, depth=4)
    fresh = repeats(tracer, after, s, 8)
    assert carried(tracer, before, after, s)
    table = [np.asarray(getattr(tracer.device, name).to_numpy()) for name in ("start", "light", "cdf")]
    pictures = []
    for k in range(8):
        import msgspec

        pictures.append(tracer.mean_image(msgspec.structs.replace(s, seed=9000 + k)))
    other = np.stack(pictures).astype(np.float64)

    def means(images):
        return images.reshape(8, 3, 8, 4, 8, 3).mean((2, 4)).reshape(8, -1)

    assert smallest_p(means(other), means(fresh)) > 1e-3
    assert table[1].max() < len(after.lights) and np.isfinite(table[2]).all()


@pytest.mark.slow
def test_a_table_that_is_carried_over_is_as_good_as_a_learned_one_where_lights_were_dimmed(tracer, scene):
    before = flatten(scene, 1)
    dimmed = scene.replace(["light0", "light3"], intensity=2.0)
    after = flatten(dimmed, 1, previous=before)
    s = settings(32, 24, 16, depth=3)
    assert carried(tracer, before, after, s)
    ours = tracer.learned
    tracer.load(after)
    tracer.prepare(s)
    theirs = tracer.learned
    assert np.array_equal(ours.prints, theirs.prints)
    mine = {(c, l): v for (c, l, _), v in zip(ours.pairs.tolist(), ours.value.tolist())}
    other = {(c, l): v for (c, l, _), v in zip(theirs.pairs.tolist(), theirs.value.tolist())}
    both = mine.keys() & other.keys()
    assert len(both) > 0.9 * max(len(mine), len(other))
    a, b = (np.array([table[key] for key in sorted(both)]) for table in (mine, other))
    assert np.median(np.abs(a - b) / np.maximum(b, 1e-9)) < 1e-4


def test_a_table_that_is_older_than_the_links_still_gives_the_right_picture(tracer, scene):
    """The floor is taken from two lamps of four after learning. Significance 1 in 1,000 over four quarters."""
    import msgspec

    lamps = scene.remove([id_ for id_ in ("light4", "light5") if id_ in scene.entities])
    before = flatten(lamps, 1)
    rows = np.ones((1, len(before.lights)), bool)
    rows[0, :2] = False
    after = linked(before, receivers=[1], links=rows)
    s = settings(16, 12, 64, depth=3)
    fresh = repeats(tracer, after, s, 8)
    assert carried(tracer, before, after, s)
    other = np.stack([tracer.mean_image(msgspec.structs.replace(s, seed=9000 + k)) for k in range(8)])
    quarters = [p.astype(np.float64).reshape(8, 2, 6, 2, 8, 3).mean((2, 4)).reshape(8, -1) for p in (other, fresh)]
    assert smallest_p(*quarters) > 1e-3


def test_nothing_is_carried_over_between_scenes_of_other_lamps(tracer, scene):
    before = flatten(scene, 1)
    other = flatten(
        scene.remove([f"light{k}" for k in range(6)] + ["thing2"]).add(
            Light(id="a", unit="cd", translation=(0.0, 2.0, 0.0)), Light(id="b", unit="cd", translation=(1.0, 2.0, 0.0))
        ),
        1,
    )
    assert not carried(tracer, before, other, settings(16, 12, 4, depth=3))


def test_a_table_that_was_learned_under_other_links_is_not_exact(scene):
    """Also where linking changes neither the rows of lights nor those of instances."""
    from studio.render.live_worker import table_key

    one = flatten(linking.link_only(scene, ["light0"], ["thing0"]), 1)
    other = flatten(linking.link_only(scene, ["light1"], ["thing0"]), 1, previous=one)
    assert other.lights is one.lights and other.instances is one.instances
    assert table_key(one, settings(8, 8, 1)) == table_key(one, settings(8, 8, 1))
    assert table_key(one, settings(8, 8, 1)) != table_key(other, settings(8, 8, 1))
