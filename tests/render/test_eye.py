"""The eye closure in the tracer: where the map is looked up, against a ray trace by numpy, and what is done with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from studio.render.session import RenderSession
from studio.render.settings import RenderSettings
from studio.scene.animation import make_curve
from studio.scene.flatten import flatten
from studio.scene.geometry import make_image
from studio.scene.scene import Scene
from tests.render.eye_stage import camera_at, coordinates, differences, eye_scene

SIZE = 96
TEXEL = 1.0 / 512.0
VIEWS: dict[str, dict[str, Any]] = {
    "front": {"camera": camera_at(0.0)},
    "forty degrees": {"camera": camera_at(40.0, 10.0)},
    "seventy degrees": {"camera": camera_at(-70.0)},
    "past the side": {"camera": camera_at(100.0)},
    "from behind": {"camera": camera_at(180.0)},
    "stretched": {"camera": camera_at(30.0, far=0.3), "where": {"scale": (2.0, 2.5, 3.0)}},
    "mirrored and turned": {
        "camera": camera_at(30.0, 5.0),
        "where": {"scale": (-1.0, 1.0, 1.0), "rotation": (0.1, 0.2, 0.0, 0.9747)},
    },
    "wide pupil": {"camera": camera_at(25.0), "eye_pupil": 0.6},
    "narrow pupil": {"camera": camera_at(10.0), "eye_pupil": 0.2},
}


@pytest.fixture(scope="module")
def session() -> Iterator[RenderSession]:
    with RenderSession(device="cpu") as made:
        yield made


def picture(session: RenderSession, scene: Scene, *, samples: int = 64, frame: float = 1.0) -> np.ndarray:
    settings = RenderSettings(width=SIZE, height=SIZE, samples=samples, depth=2, filter="box")
    return np.asarray(session.render_frame(flatten(scene, frame), settings).film.beauty()[..., :3])


def white() -> Any:
    return make_image(np.ones((4, 4, 3), np.float32), colour_space="linear", name="white")


@pytest.mark.parametrize("view", VIEWS)
def test_the_map_is_looked_up_where_a_refracted_ray_ends(session: RenderSession, view: str) -> None:
    scene = eye_scene(coordinates(), **VIEWS[view])
    off, reach = differences(picture(session, scene), scene, pupil=VIEWS[view].get("eye_pupil", 0.35))
    off = np.abs(off).max(axis=1)
    assert len(off) > 30 and (view in ("past the side", "from behind") or (reach > 0.5).any())
    assert np.percentile(off, 95) < 0.5 * TEXEL  # what is left are pixels over the pupil's kink
    assert off.max() < 4.0 * TEXEL


def test_what_lies_behind_the_cornea_shifts_with_the_view(session: RenderSession) -> None:
    """The iris has depth: seen from aside it lies elsewhere in the picture than it would if it were on the surface."""
    deep = picture(session, eye_scene(coordinates(), camera=camera_at(40.0)))
    painted = picture(session, eye_scene(coordinates(), camera=camera_at(40.0), coat_ior=1.0, eye_iris_plane=0.02))
    middle = np.abs(deep[..., :2] - 0.5).sum(axis=-1) < 0.02
    assert middle.any() and np.abs(painted[middle][:, :2] - 0.5).sum(axis=-1).min() > 0.05


def test_an_edit_makes_an_eye_of_a_ball_and_a_ball_of_an_eye(session: RenderSession) -> None:
    """A ball that stands still is baked into the world; as an eye it needs its own space."""
    where = {"translation": (0.002, -0.001, 0.003), "rotation": (0.0, 0.1, 0.0, 0.995)}
    scene = eye_scene(coordinates(), camera=camera_at(0.0), where=where)
    plain = scene.replace("eye", eye_iris_radius=0.0)
    first = picture(session, plain)
    off, _ = differences(picture(session, scene), scene)
    assert np.percentile(np.abs(off), 95) < 0.5 * TEXEL
    np.testing.assert_array_equal(picture(session, plain), first)


def test_a_turning_eye_is_blurred_as_its_moments_are(session: RenderSession) -> None:
    scene = eye_scene(coordinates(), camera=camera_at(0.0))
    turned = [(0.0, np.sin(a / 2), 0.0, np.cos(a / 2)) for a in np.radians((-6.0, 6.0))]
    scene = replace(scene, tracks={"ball.rotation": make_curve([0, 1], turned)})
    open_ = scene.replace("camera", shutter_open=0.0, shutter_close=1.0)
    blurred = picture(session, open_, samples=256, frame=0.0)
    stills = np.mean([picture(session, scene, samples=16, frame=(k + 0.5) / 12) for k in range(12)], axis=0)
    inside = slice(SIZE // 4, 3 * SIZE // 4)
    difference = (blurred - stills)[inside, inside, :2]
    assert np.abs(difference).mean() < 0.006
    assert np.abs(difference.mean(axis=(0, 1))).max() < 0.001


def test_the_limbus_is_dark_and_the_iris_takes_its_colour(session: RenderSession) -> None:
    scene = eye_scene(white(), camera=camera_at(0.0), eye_limbus=0.6, eye_iris_color=(1.0, 0.5, 0.25))
    seen = picture(session, scene)
    middle, edge = seen[SIZE // 2, SIZE // 2], seen[SIZE // 2, 8]
    np.testing.assert_allclose(middle, (1.0, 0.5, 0.25), atol=1e-3)
    np.testing.assert_allclose(edge, 1.0, atol=1e-3)
    row = seen[SIZE // 2, SIZE // 2 : SIZE - 8, 0]
    assert row.min() == pytest.approx(0.4, abs=0.06)
    assert np.abs(np.diff(row)).max() < 0.3  # soft over some pixels


ODD: tuple[dict[str, Any], ...] = (
    {"coat_ior": 1.0},
    {"coat_ior": 3.0, "eye_iris_plane": 0.0},
    {"eye_iris_radius": 1e-9},
)


def test_no_view_gives_what_is_not_a_number(session: RenderSession) -> None:
    for yaw in (0.0, 85.0, 90.0, 95.0):
        for values in ODD:
            assert np.isfinite(
                picture(session, eye_scene(coordinates(), camera=camera_at(yaw), **values), samples=4)
            ).all()
    flat = eye_scene(coordinates(), camera=camera_at(20.0), where={"scale": (1.0, 1.0, 1e-12)})
    assert np.isfinite(picture(session, flat, samples=4)).all()


def test_a_scene_without_eyes_bakes_as_before() -> None:
    from studio.render.tracer.buffers import eye_instances

    scene = eye_scene(white(), camera=camera_at(0.0))
    assert eye_instances(flatten(scene, 1.0)).tolist() == [True]
    assert eye_instances(flatten(scene.replace("eye", eye_iris_radius=0.0), 1.0)).tolist() == [False]


def test_both_evaluators_hold_the_same_numbers() -> None:
    import re

    from studio.render.tracer import eye
    from studio.viewport.programs import read

    text = read("eye.glsl")
    pairs = dict(re.findall(r"EYE_(REACH|RIM) = vec2\(([^)]*)\)", text))
    assert {name: tuple(map(float, found.split(","))) for name, found in pairs.items()} == {
        "REACH": eye.REACH,
        "RIM": eye.RIM,
    }
    numbers = {name: float(value) for name, value in re.findall(r"EYE_([A-Z_]+) = ([\d.]+)", text)}
    assert numbers == {name: getattr(eye, name) for name in numbers} and len(numbers) == 9
