"""Any split of a render gives the same bits: tiles, sample ranges, orders, batches and threads."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.render.film import AOVS, Film, plan_layout, scene_exponent
from studio.render.settings import RenderSettings
from studio.scene.animation import make_curve
from studio.scene.flat import FlatScene
from studio.scene.lights import Light
from studio.scene.materials import Material
from tests.render.scenes import (
    BLACK,
    ball,
    box,
    eye,
    film_of,
    flat_of,
    floor,
    lamp,
    matte,
    pixels_of,
    settings,
    thing,
)
from tests.render.test_surface import EVERYTHING

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = 12


def stage(frame: float = 1.0) -> FlatScene:
    """A bit of everything that a film can hold: many lights, glass with a medium, motion, depth of field."""
    rng = np.random.default_rng(1)
    lights = [
        Light(intensity=1.0, radius_m=0.02, translation=tuple(rng.uniform((-2, 0.5, -2), (2, 4.5, 2))))
        for _ in range(40)
    ]
    lights += [
        Light(light="dome", unit="nt", intensity=0.1, group="sky"),
        Light(light="rectangle", unit="nt", intensity=4.0, translation=(0, 3, 0), rotation=(-0.70711, 0, 0, 0.70711)),
    ]
    glass = Material(
        transmission_weight=1.0, transmission_color=(0.5, 0.8, 0.9), transmission_depth=0.5, specular_roughness=0.1
    )
    things = [
        thing(floor(4.0), matte(0.6)),
        thing(ball(0.6, smooth=True, centre=(-0.8, 0.6, 0)), EVERYTHING),
        thing(ball(0.5, smooth=True, centre=(0.8, 0.5, 0.3)), glass),
        thing(box((0.2, 0.2, 0.2), (0, 0.2, 1.0)), matte(0.8, 0.2, 0.1, geometry_opacity=0.6)),
        thing(box((0.1, 0.1, 0.1), (0, 1.5, 0)), lamp(5.0)),
    ]
    tracks = {"thing3.translation": make_curve([0, 4], [[0, 0, 0], [2, 0.4, 0]])}
    camera = eye(
        (0, 1.5, 5), (0, 0.6, 0), fov_y=40, f_stop=2.0, focus_distance_m=5.0, shutter_open=-0.25, shutter_close=0.25
    )
    return flat_of(things, lights, camera=camera, tracks=tracks, frame=frame)


def plan(**more: Any) -> RenderSettings:
    fixed = {"width": 40, "height": 24, "samples": SAMPLES, "filter": "blackman-harris", "depth": 6}
    return RenderSettings(**{**fixed, **more})


def digest(film: Film) -> dict[str, str]:
    film.settle()
    return {name: hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest() for name, a in film.buffers().items()}


@pytest.fixture(scope="module")
def whole(shared_tracer):
    return digest(film_of(shared_tracer, stage(), plan(), aovs=AOVS))


def test_tiles_ranges_and_their_order_leave_no_trace(tracer, whole):
    s = plan()
    pixels = np.random.default_rng(5).permutation(pixels_of(s))
    cuts = [0, 13, 400, 401, 900, len(pixels)]
    parts = [
        (pixels[a:b], first, end - first)
        for a, b in itertools.pairwise(cuts)
        for first, end in ((0, 5), (5, 6), (6, SAMPLES))
    ]
    order = np.random.default_rng(6).permutation(len(parts))
    assert digest(film_of(tracer, stage(), s, aovs=AOVS, parts=[parts[k] for k in order])) == whole


def test_films_of_parts_merge_into_the_film_of_the_whole(tracer, whole):
    s = plan()
    layout = plan_layout(
        s.width, s.height, aovs=AOVS, light_groups=stage().light_groups, exponent=scene_exponent(stage().lights)
    )
    total = Film.of(layout)
    for y0, y1 in ((16, 24), (0, 7), (7, 16)):
        for first, end in ((4, SAMPLES), (0, 4)):
            part = plan(crop=(0, y0, 40, y1), samples=end - first, first_sample=first)
            film_of(tracer, stage(), part, aovs=AOVS).merge_into(total)
    assert digest(total) == whole


def test_rendering_again_gives_the_same_bits(tracer, whole):
    assert digest(film_of(tracer, stage(), plan(), aovs=AOVS)) == whole


def test_what_was_rendered_before_leaves_no_trace(tracer, whole):
    other = flat_of([thing(floor(), BLACK)], [Light(intensity=3.0)] * 7)
    film_of(tracer, other, settings(16, 16, 3))
    film_of(tracer, stage(frame=3.0), plan(seed=9), aovs=("depth",))
    assert digest(film_of(tracer, stage(), plan(), aovs=AOVS)) == whole


def test_a_frame_alone_is_the_frame_of_the_sequence(tracer):
    alone = digest(film_of(tracer, stage(3.0), plan()))
    for frame in (1.0, 2.0):
        film_of(tracer, stage(frame), plan())
    assert digest(film_of(tracer, stage(3.0), plan())) == alone


def test_frames_and_seeds_have_noise_of_their_own(tracer, whole):
    assert digest(film_of(tracer, stage(), plan(seed=1), aovs=AOVS))["sums"] != whole["sums"]
    still = [
        flat_of([thing(floor(), matte(0.5))], [Light(translation=(0, 2, 0), radius_m=0.5)], frame=f) for f in (1, 2)
    ]
    one, other = (film_of(tracer, f, settings(16, 16, 4)).sums for f in still)
    assert (one != other).any()


@pytest.mark.parametrize("batch", [1 << 14, 1 << 15, 40000])
def test_the_number_of_paths_in_flight_leaves_no_trace(taichi_cpu, whole, batch):
    from studio.render.tracer.tracer import Tracer

    assert digest(film_of(Tracer(batch=batch), stage(), plan(), aovs=AOVS)) == whole


_CHILD = """
import json, sys, warnings
warnings.simplefilter("ignore")
import taichi as ti
ti.init(arch=ti.cpu, cpu_max_num_threads=int(sys.argv[1]), advanced_optimization=False, fast_math=False,
        log_level=ti.ERROR)
from studio.render.film import AOVS
from studio.render.tracer.tracer import Tracer
from tests.render.scenes import film_of
from tests.render.test_determinism import digest, plan, stage
print(json.dumps(digest(film_of(Tracer(), stage(), plan(), aovs=AOVS))))
"""


def test_the_number_of_threads_leaves_no_trace(whole):
    ran = subprocess.run(
        [sys.executable, "-c", _CHILD, "1"], cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1]) == whole


def test_scenes_made_anew_have_the_same_bits(tracer, whole):
    """Nothing hangs on object identities: the scene is built a second time from its records."""
    one, other = stage(), stage()
    assert one is not other and one.digest() == other.digest()
    assert digest(film_of(tracer, other, plan(), aovs=AOVS)) == whole
