"""Light below surfaces in the view at rest against the tracer's random walk: balls, slabs and two lobes of gloss.

The tracer renders whole paths. Its noise at these sizes is below 1 % of a picture's mean. `benchmarks/head_view.py`
holds a face against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.render.session import RenderSession
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.geometry import Mesh, make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene
from studio.viewport.camera import ViewCamera
from studio.viewport.device import Device
from studio.viewport.renderer import Renderer
from studio.viewport.targets import Target
from studio.viewport.view import Look, Quality
from tests.viewport.stages import ball, lamp, scene_of, thing

F32 = NDArray[np.float32]
COLOUR = (0.8, 0.5, 0.3)
SIZE, SAMPLES = 48, 128


@pytest.fixture(scope="module")
def session() -> Iterator[RenderSession]:
    with RenderSession(device="cpu") as made:
        yield made


@pytest.fixture
def renderer(device: Device) -> Iterator[Renderer]:
    made = Renderer(device)
    yield made
    made.release()


def waxen(radius: float, **more: Any) -> Material:
    fields: dict[str, Any] = {
        "base_color": COLOUR,
        "subsurface_weight": 1.0,
        "subsurface_color": COLOUR,
        "subsurface_radius": radius,
        "subsurface_radius_scale": (1.0, 1.0, 1.0),
        "specular_weight": 0.0,
    }
    return Material(id="wax", name="wax", **{**fields, **more})


def slab(thickness: float) -> Mesh:
    """A closed box, one metre wide and high."""
    x = np.array([[i, j, k] for i in (-0.5, 0.5) for j in (-0.5, 0.5) for k in (-0.5, 0.5)]) * (1.0, 1.0, thickness)
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    corners = np.array([[a, b, c, a, c, d] for a, b, c, d in sides]).reshape(-1)
    return make_mesh(x[corners].astype(np.float32), np.arange(36, dtype=np.uint32).reshape(-1, 3))


def body(mesh: Mesh, material: Material, light: Light) -> Scene:
    return scene_of(mesh, material, light, thing("body", mesh, "wax"))


def pair(session: RenderSession, renderer: Renderer, flat: FlatScene) -> tuple[F32, F32]:
    """Pixels (n, 3) of the body, in the tracer's picture and in the view at rest."""
    settings = RenderSettings(width=SIZE, height=SIZE, samples=SAMPLES, depth=8, filter="box")
    beauty = np.asarray(session.render_frame(flat, settings).film.beauty())
    renderer.sync(flat)
    target, look = Target(renderer.device, SIZE, SIZE), Look(background=(0.0, 0.0, 0.0))
    while not renderer.still_done(target) or not target.samples:
        renderer.draw(target, ViewCamera.of(flat.camera), look, quality=Quality.STILL, shadow_seconds=60.0)
    view = target.read_linear()
    target.release()
    there = beauty[..., 3] > 0.999
    return beauty[there][:, :3], view[there]


def ratio(session: RenderSession, renderer: Renderer, scene: Scene) -> NDArray[np.float64]:
    """(3,) mean of the view over that of the tracer."""
    tracer, view = pair(session, renderer, flatten(scene, 1.0))
    return np.asarray(view.mean(axis=0, dtype=np.float64) / tracer.mean(axis=0, dtype=np.float64))


@pytest.mark.slow
@pytest.mark.parametrize("radius", [0.003, 0.01, 0.03])
@pytest.mark.parametrize(
    "light", [lamp("p", (3.0, 1.0, 4.0), 50.0), Light(id="p", light="dome", unit="nt", intensity=1.0)]
)
def test_a_ball_is_as_bright_as_in_the_final_frame(
    session: RenderSession, renderer: Renderer, radius: float, light: Light
) -> None:
    found = ratio(session, renderer, body(ball(0.5, 48, 96), waxen(radius), light))
    np.testing.assert_allclose(found, 1.0, atol=0.04)


@pytest.mark.slow
@pytest.mark.parametrize("thickness", [0.06, 0.1])
def test_a_slab_lit_from_behind_glows_as_in_the_final_frame(
    session: RenderSession, renderer: Renderer, thickness: float
) -> None:
    found = ratio(session, renderer, body(slab(thickness), waxen(0.03), lamp("p", (1.5, 1.0, -4.0), 50.0)))
    np.testing.assert_allclose(found, 1.0, atol=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("lobes", [{}, {"specular_second_weight": 0.5, "specular_second_scale": 2.0}])
@pytest.mark.parametrize(
    "light",
    [
        lamp("p", (3.0, 1.0, 4.0), 50.0),
        Light(
            id="p", light="rectangle", unit="nt", intensity=20.0, width_m=1.5, height_m=1.5, translation=(0.0, 0.0, 4.0)
        ),
        Light(id="p", light="dome", unit="nt", intensity=1.0),
    ],
    ids=["point", "rectangle", "dome"],
)
def test_the_gloss_of_skin_is_that_of_the_final_frame(
    session: RenderSession, renderer: Renderer, light: Light, lobes: dict[str, float]
) -> None:
    black = Material(id="wax", base_color=(0.0, 0.0, 0.0), specular_roughness=0.3, **lobes)
    found = ratio(session, renderer, body(ball(0.5, 48, 96), black, light))
    np.testing.assert_allclose(found, 1.0, atol=0.03)
