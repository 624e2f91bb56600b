"""Light linking and the dominant light in the viewport: who lights what, and who brings most."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.stand.balls import round_mesh, sheet
from studio.scene.entities import Camera, MeshObject
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.geometry import Mesh
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene
from studio.scene.turns import about
from studio.viewport.camera import ViewCamera
from studio.viewport.device import Device
from studio.viewport.lamps import Lamps, key_colour, lamp_keys, link_words
from studio.viewport.renderer import Renderer
from studio.viewport.targets import Target
from studio.viewport.view import Look, Mode, Quality
from tests.render.light_stage import flat_scene, light

SIZE = 64
LEFT, RIGHT = (12, 32), (52, 32)  # pixels on either ball
STILL = 64  # samples of a view at rest
LOOK = Look(background=(0.0, 0.0, 0.0), shadows=False)


def two_balls(*lights: Light | Mesh | MeshObject, glossy: bool = False) -> FlatScene:
    """Two balls side by side, seen from the front."""
    shape = round_mesh(24, 32, radius=0.8)
    grey = Material(id="grey", specular_weight=float(glossy))
    scene = Scene(camera="camera").add(
        shape,
        grey,
        *(MeshObject(id=n, mesh=shape.key, materials=("grey",), translation=(x, 0.0, 0.0)) for n, x in BALLS.items()),
        Camera(id="camera", translation=(0.0, 0.0, 6.0), focal_length_mm=50.0, sensor_width_mm=36.0),
        *lights,
    )
    return flatten(scene, scene.frame_start)


BALLS = {"left": -1.2, "right": 1.2}


def lamp(name: str, kind: str = "point", *, at: tuple[float, float, float] = (0.0, 0.0, 5.0), **more: object) -> Light:
    unit, sizes = {"point": ("cd", {"radius_m": 0.0}), "dome": ("nt", {}), "distant": ("lx", {})}.get(kind, ("nt", {}))
    return Light(id=name, light=kind, unit=unit, translation=at, seen_by_camera=False, **(sizes | more))


pytestmark = pytest.mark.usefixtures("device")


@pytest.fixture(scope="module")
def renderer(one_device: Device) -> Iterator[Renderer]:
    made = Renderer(one_device)
    yield made
    made.release()


@pytest.fixture(scope="module")
def target(one_device: Device) -> Iterator[Target]:
    made = Target(one_device, SIZE, SIZE)
    yield made
    made.release()


def shown(renderer: Renderer, target: Target, flat: FlatScene, look: Look = LOOK) -> np.ndarray:
    renderer.sync(flat)
    renderer.draw(target, ViewCamera.of(flat.camera), look)
    return target.read_linear()


def at(picture: np.ndarray, pixel: tuple[int, int]) -> float:
    return float(picture[pixel[1] - 2 : pixel[1] + 3, pixel[0] - 2 : pixel[0] + 3].mean())


@pytest.mark.parametrize("kind", ["point", "sphere", "rectangle", "distant", "dome"])
def test_a_light_linked_to_one_ball_lights_that_one_as_before_and_no_other(
    renderer: Renderer, target: Target, kind: str
) -> None:
    """Plain points, other lights of a place and lights without bounds go by three words of links."""
    free = shown(renderer, target, two_balls(lamp("key", kind)))
    linked = shown(renderer, target, two_balls(lamp("key", kind, light_link_mode="only", light_links=("left",))))
    assert at(free, RIGHT) > 0.0
    assert at(linked, LEFT) == pytest.approx(at(free, LEFT), rel=1e-5)
    assert at(linked, RIGHT) == 0.0


def test_lights_linked_apart_do_not_mix(renderer: Renderer, target: Target) -> None:
    """Forty points, every other one for the left ball alone, and one that leaves it out, on a glossy surface."""
    lamps = [
        lamp(f"p{k}", at=(np.sin(k), np.cos(k), 5.0), intensity=10.0 + k, light_link_mode="only",
             light_links=("left" if k % 2 else "right",))
        for k in range(40)
    ]  # fmt: skip
    lamps.append(lamp("area", "rectangle", light_link_mode="except", light_links=("left",)))
    both = shown(renderer, target, two_balls(*lamps, glossy=True))
    change = {"light_link_mode": "all", "light_links": ()}
    for pixel, name, kept in ((LEFT, "left", lamps[1:40:2]), (RIGHT, "right", [*lamps[0:40:2], lamps[40]])):
        alone = shown(
            renderer, target, two_balls(*(Light(**_fields(one) | change) for one in kept), glossy=True)
        )  # fmt: skip
        assert at(both, pixel) == pytest.approx(at(alone, pixel), rel=5e-3), name


@pytest.mark.parametrize("ratio", [1.0, 3.0])
def test_what_is_blocked_of_a_dome_is_taken_from_those_that_it_shines_on(
    renderer: Renderer, target: Target, ratio: float
) -> None:
    """A roof over both balls; beside the dome of the right one there is another, of the left one alone."""
    roof = sheet(5.0, 5.0, 1)
    turned = about((1.0, 0.0, 0.0), 90.0)
    over = MeshObject(id="roof", mesh=roof.key, materials=("grey",), translation=(0.0, 1.2, 0.0), rotation=turned)

    def rest(*lights: Light) -> np.ndarray:
        flat = two_balls(*lights, roof, over)
        renderer.sync(flat)
        look = dataclasses.replace(LOOK, shadows=True)
        for _ in range(STILL):
            camera = ViewCamera.of(flat.camera)
            renderer.draw(target, camera, look, quality=Quality.STILL, shadow_seconds=60.0, samples=STILL)
        return target.read_linear()

    right = lamp("cool", "dome", light_link_mode="only", light_links=("right",))
    left = lamp("warm", "dome", light_link_mode="only", light_links=("left",), intensity=100.0 * ratio)
    top = RIGHT[0], RIGHT[1] - 8
    alone, both = at(rest(right), top), at(rest(right, left), top)
    open_air = at(shown(renderer, target, two_balls(right)), top)
    assert alone < 0.7 * open_air, "the roof takes some of it"
    assert both == pytest.approx(alone, abs=0.15 * open_air), (
        "some 256 draws, of which this dome has a half or a quarter"
    )


def _fields(one: Light) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__struct_fields__}


def test_how_many_lights_counts_links(renderer: Renderer, target: Target) -> None:
    lamps = [lamp("a"), lamp("b", light_link_mode="only", light_links=("left",)), lamp("c", "distant")]
    picture = shown(renderer, target, two_balls(*lamps), dataclasses.replace(LOOK, mode=Mode.COMPLEXITY))
    assert (at(picture, LEFT), at(picture, RIGHT)) == (3.0, 2.0)


def test_words_of_links_follow_the_order_of_lamps() -> None:
    """A bit for every light, points first, then others, then those without bounds, each from a word of its own on."""
    count = 70
    flat = flat_scene([light("point") for _ in range(count)])
    rng = np.random.default_rng(4)
    bits = rng.integers(0, 2, (3, 96)).astype(np.uint8)
    links = np.packbits(bits, axis=1, bitorder="little").view("<u4").astype(np.uint32)
    rows = rng.permutation(count)
    lamps = Lamps(points=rows[:40], local=rows[40:68], infinite=rows[68:])
    words = link_words(dataclasses.replace(flat, light_links=links), lamps)
    assert words.shape == (3, 4)
    for start, some in ((0, rows[:40]), (64, rows[40:68]), (96, rows[68:])):
        for k, row in enumerate(some.tolist()):
            assert ((words[:, (start + k) // 32] >> ((start + k) % 32)) & 1).tolist() == bits[:, row].tolist()
    assert (link_words(flat, lamps)[0, 0] & 1) == 1  # one set: all of them


def test_the_dominant_light_of_a_pixel_is_told_by_its_id_and_share(renderer: Renderer, target: Target) -> None:
    flat = two_balls(
        lamp("warm", at=(-3.0, 0.0, 3.0), intensity=40.0),
        lamp("cool", at=(3.0, 0.0, 3.0), intensity=40.0),
        lamp("fill", "dome", intensity=0.1),
    )
    camera = ViewCamera.of(flat.camera)
    full = shown(renderer, target, flat)
    told = {pixel: renderer.dominant(target, camera, LOOK, *pixel) for pixel in (LEFT, RIGHT)}
    assert (told[LEFT][0], told[RIGHT][0]) == ("warm", "cool")  # type: ignore[index]
    for pixel, name in ((LEFT, "warm"), (RIGHT, "cool")):
        row = [i for i, light_ in enumerate(flat.lights) if flat.light_ids[light_["entity"]] == name]
        alone = shown(renderer, target, dataclasses.replace(flat, lights=flat.lights[row]))
        x, y = pixel
        assert told[pixel][1] == pytest.approx(float(alone[y, x].mean() / full[y, x].mean()), rel=1e-3)  # type: ignore[index]


def test_links_and_what_is_outside_count_for_dominance(renderer: Renderer, target: Target) -> None:
    flat = two_balls(
        lamp("strong", intensity=500.0, light_link_mode="except", light_links=("left",)), lamp("weak", intensity=5.0)
    )
    camera = ViewCamera.of(flat.camera)
    renderer.sync(flat)
    found = [renderer.dominant(target, camera, LOOK, *pixel) for pixel in (LEFT, RIGHT, (0, 0), (-1, 5), (5, SIZE))]
    assert [f and f[0] for f in found] == ["weak", "strong", None, None, None]
    assert found[0] == ("weak", pytest.approx(1.0))


def test_a_lamp_and_an_emissive_object_are_their_own_brightest(renderer: Renderer, target: Target) -> None:
    plate = sheet(0.8, 0.8, 1)
    glow = Material(id="glow", emission_luminance=50.0, double_sided=True)
    scene = Scene(camera="camera").add(
        plate,
        glow,
        MeshObject(id="screen", mesh=plate.key, materials=("glow",), translation=(-1.2, 0.0, 0.0)),
        Light(id="soft", light="rectangle", unit="nt", intensity=20.0, translation=(1.2, 0.0, 0.0), two_sided=True),
        Camera(id="camera", translation=(0.0, 0.0, 6.0), focal_length_mm=50.0, sensor_width_mm=36.0),
    )
    flat = flatten(scene, scene.frame_start)
    renderer.sync(flat)
    camera = ViewCamera.of(flat.camera)
    found = [renderer.dominant(target, camera, LOOK, *pixel) for pixel in (LEFT, RIGHT)]
    assert [f and f[0] for f in found] == ["screen", "soft"]


def test_false_colours_are_those_of_the_ids_and_do_not_depend_on_other_lights(
    renderer: Renderer, target: Target
) -> None:
    look = dataclasses.replace(LOOK, mode=Mode.DOMINANT)
    one, more = lamp("one"), [lamp(f"x{k}", intensity=0.001) for k in range(3)]
    first = shown(renderer, target, two_balls(one), look)[LEFT[1], LEFT[0]]
    second = shown(renderer, target, two_balls(*more, one), look)[LEFT[1], LEFT[0]]
    assert first == pytest.approx(np.array(key_colour("one")), abs=4e-3)
    assert second == pytest.approx(first, rel=1e-3)
    keys = lamp_keys(flat_scene([light("point")] * 3), Lamps(points=np.arange(3)))
    assert len(set(keys.tolist())) == 3


def test_light_ids_name_the_entities_of_rows() -> None:
    flat = two_balls(lamp("b"), lamp("a", muted=True), lamp("c", "dome"))
    assert [flat.light_ids[row["entity"]] for row in flat.lights] == ["b", "c"]
