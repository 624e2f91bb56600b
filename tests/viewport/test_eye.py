"""The eye closure in the viewport: the same place of the map, the same picture as in the final frame."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.materials import flip_map, tracer_picture, viewport_picture
from benchmarks.parity import displayed
from studio.figure.eye_maps import eye_image
from studio.render.session import RenderSession
from studio.scene.body_presets import sclera
from studio.scene.flatten import flatten
from studio.scene.geometry import make_image
from studio.scene.lights import Light
from studio.scene.scene import Scene, placed
from studio.scene.transforms import look_at
from studio.viewport.device import Device
from studio.viewport.drawlist import EYE, features_of
from studio.viewport.renderer import Renderer
from tests.render.eye_stage import camera_at, coordinates, differences, eye_scene
from tests.render.test_eye import TEXEL, VIEWS

SIZE = 96


@pytest.fixture(scope="module")
def session() -> Iterator[RenderSession]:
    with RenderSession(device="cpu") as made:
        yield made


@pytest.fixture
def renderer(device: Device) -> Iterator[Renderer]:
    made = Renderer(device)
    yield made
    made.release()


def test_only_eyes_pay_for_eyes() -> None:
    scene = eye_scene(coordinates(4), camera=camera_at(0.0))
    assert (features_of(flatten(scene, 1.0)) & EYE).any()
    assert not (features_of(flatten(scene.replace("eye", eye_iris_radius=0.0), 1.0)) & EYE).any()


@pytest.mark.parametrize("view", VIEWS)
def test_the_map_is_looked_up_where_a_refracted_ray_ends(renderer: Renderer, view: str) -> None:
    """Jitter of a view at rest is not centred to the last bit, hence a texel."""
    scene = eye_scene(coordinates(), **VIEWS[view])
    picture = viewport_picture(renderer, flatten(scene, 1.0), SIZE)
    off, _ = differences(picture, scene, pupil=VIEWS[view].get("eye_pupil", 0.35))
    off = np.abs(off).max(axis=1)
    assert len(off) > 30
    assert np.percentile(off, 90) < TEXEL
    assert off.max() < 5.0 * TEXEL


def lit(yaw: float, light: tuple[float, float, float]) -> Scene:
    """A brown eye under a softbox and a dim dome, its sclera without what scatters below."""
    image = make_image(eye_image(256, iris="hazel"), colour_space="srgb", name="eye")
    values = {**sclera(), "base_color": (1.0, 1.0, 1.0), "subsurface_weight": 0.0, "eye_limbus": 0.6, "unlit": False}
    softbox = Light(
        id="key", light="rectangle", unit="nt", intensity=9.0, width_m=0.5, height_m=0.5, seen_by_camera=False
    )
    return eye_scene(image, camera=camera_at(yaw), **values).add(
        Light(id="dome", light="dome", unit="nt", intensity=0.35, seen_by_camera=False),
        placed(softbox, look_at(light, (0.0, 0.0, 0.0))),
    )


@pytest.mark.slow
@pytest.mark.parametrize(("yaw", "light"), [(0.0, (-0.45, 0.5, 0.8)), (35.0, (-0.95, 0.1, 0.25))])
def test_an_eye_looks_as_in_the_final_frame(
    session: RenderSession, renderer: Renderer, yaw: float, light: tuple[float, float, float]
) -> None:
    pytest.importorskip("flip_evaluator", reason="FLIP is measured by the package flip-evaluator")
    flat = flatten(lit(yaw, light), 1.0)
    final, preview = tracer_picture(session, flat, 64, 96, 5), viewport_picture(renderer, flat, 64)
    covered = final.sum(axis=-1) > 0.0
    assert preview[covered].mean() == pytest.approx(final[covered].mean(), rel=0.02)
    shown = [displayed(p * (0.3 / final[covered].mean())) for p in (preview, final)]
    assert flip_map(*shown)[covered].mean() < 0.05
    assert final[covered].max() > 2.0 * np.median(final[covered])  # a wet catchlight
    assert preview[covered].max() == pytest.approx(final[covered].max(), rel=0.15)
