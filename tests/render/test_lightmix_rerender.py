"""A mix of light layers is what a render of the scene with these lights would have been."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from msgspec.structs import replace as changed
from scipy import stats

from studio.render.light_layers import layers_path, open_layers
from studio.render.lightmix import Mix, channels_of, factors
from studio.render.lightmix_full import mixed
from studio.render.lightmix_scene import to_scene
from studio.render.sequence import Job, render_job
from studio.render.session import RenderSession
from studio.render.settings import RenderSettings
from studio.scene.entities import Group
from studio.scene.lights import Light
from studio.scene.scene import Scene
from tests.render.scenes import aimed, eye, floor, lamp, matte, quad, scene_of, thing

SEEDS, BLOCK = 6, 8
SETTINGS = RenderSettings(width=48, height=32, samples=16, depth=4, light_layers=True)
SIGNIFICANCE = 1e-4  # of the whole test


def scene() -> Scene:
    """A floor and a wall under a spot, a ball and a dome, of which two hang below a group, and a lamp of a mesh."""
    things = [
        thing(floor(2.0), matte(0.6, 0.5, 0.4)),
        thing(quad((0, 1, -1), (1.5, 0, 0), (0, 1.0, 0)), matte(0.3, 0.5, 0.7)),
        thing(quad((0, 2.2, 0), (0.3, 0, 0), (0, 0, 0.3)), lamp(12.0)),
    ]
    lights = [
        Light(light="spot", unit="cd", intensity=20.0, parent="rig", **aimed((1.5, 2.5, 1.5), (0, 0, 0))),
        Light(light="sphere", unit="nt", intensity=300.0, radius_m=0.1, parent="rig", translation=(-1.0, 1.0, 0.4)),
        Light(light="dome", unit="nt", intensity=0.3),
    ]
    made = scene_of(things, lights, camera=eye((0.0, 1.4, 4.0), (0.0, 0.7, 0.0), fov_y=50.0))
    return made.add(Group(id="rig", name="Rig"))


def blocks(picture: np.ndarray) -> np.ndarray:
    h, w, _ = picture.shape
    return picture.reshape(h // BLOCK, BLOCK, w // BLOCK, BLOCK, 3).mean(axis=(1, 3)).astype(np.float64)


def test_a_mix_equals_a_render_of_the_scene_that_it_was_written_to(tmp_path: Path) -> None:
    mix = (
        Mix()
        .change(["light0"], gain=1.5, color=(1.0, 0.5, 0.2))
        .change(["light1"], gain=-1.0)
        .change(["rig"], gain=-0.5, color=(0.8, 1.0, 1.0))
        .change(["light2"], muted=True)
        .change(["thing2"], gain=2.0, color=(0.5, 1.0, 0.5))
    )
    before = scene()
    with RenderSession(device="cpu", threads=2) as session:

        def rendered(lit: Scene, seed: int) -> Path:
            settings = changed(SETTINGS, seed=seed)
            output = tmp_path / f"{seed}.exr"
            assert render_job(session, Job(scene=lit, output=output, frames=[1], settings=settings))
            return layers_path(output)

        mixes, renders = [], []
        for seed in range(SEEDS):
            with open_layers(rendered(before, seed)) as layers:
                channels = channels_of(layers.lights, before)
                mixes.append(blocks(mixed(layers, factors(mix, channels))))
                np.testing.assert_array_equal(mixed(layers, factors(Mix(), channels)), layers.beauty())
        after, written = to_scene(before, mix, channels)
        assert written.sentence() == ""
        for seed in range(SEEDS):
            with open_layers(rendered(after, 100 + seed)) as layers:
                renders.append(blocks(layers.beauty()))
    a, b = np.array(mixes), np.array(renders)
    lit = b.mean(axis=0) > 0.01
    gap = np.abs(a.mean(axis=0) - b.mean(axis=0))[lit] / b.mean(axis=0)[lit]
    assert np.median(gap) < 0.05, "too noisy to say anything"
    spread = np.sqrt((a.var(axis=0, ddof=1) + b.var(axis=0, ddof=1)) / SEEDS)
    z = (a.mean(axis=0) - b.mean(axis=0)) / np.maximum(spread, 1e-6 * b.mean())
    # channels of a block go together, so each of the three is tested on its own; Welch's test has at least SEEDS - 1
    # degrees of freedom
    p = 2 * stats.t.sf(np.abs(z), SEEDS - 1)
    assert p.min() * p.size > SIGNIFICANCE, float(np.abs(z).max())
    # and over all blocks there is no common drift
    total = (a - b).mean(axis=(1, 2, 3))
    assert abs(stats.ttest_1samp(total, 0.0).pvalue) > SIGNIFICANCE
