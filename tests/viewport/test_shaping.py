"""What shapes a light by direction, against the same formulas in numpy, and lights of a size against many points."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.stand.balls import profile, slide
from studio.scene.flat import FlatScene
from studio.scene.geometry import make_image
from studio.scene.light_pixels import linear_pixels
from studio.viewport import lighting as module
from studio.viewport.device import Device
from studio.viewport.lighting import Lighting
from tests.render.light_stage import flat_scene, light, placed
from tests.viewport.probe import Probe

F64 = NDArray[np.float64]

AT = placed((0.3, 0.2, 2.0), (0.1, -0.2, -1.0), roll=0.4)
DOORS = {"barn": (0.2, 0.5, 0.1, 1e6), "barn_soft": 0.3}
GOBO = {"gobo": 1, "gobo_turn": (0.8, 0.3, -0.3, 0.8)}
ROWS = {
    "profile": light("point", at=AT, profile=0),
    "gobo": light("spot", cone=(0.9, 0.2), at=AT, **GOBO),
    "doors": light("spot", cone=(0.9, 0.2), at=AT, **DOORS),
    "hard doors": light("spot", cone=(0.9, 0.2), at=AT, barn=(0.2, 0.5, 0.1, 0.3), barn_soft=0.0),
    "spread": light("rectangle", size=(1.0, 0.5), at=AT, spread=1.5),
    "all": light("spot", cone=(0.9, 0.2), at=AT, profile=0, **GOBO, **DOORS),
}


@pytest.fixture(scope="module")
def flat() -> FlatScene:
    rows = list(ROWS.values())
    for row in rows:
        row["flags"] = 7
    return flat_scene(rows, textures=[profile(), slide()])


@pytest.fixture(scope="module")
def probe(one_device: Device, flat: FlatScene) -> Iterator[Probe]:
    made = Probe(one_device, flat)
    yield made
    made.release()


def bilinear(pixels: NDArray[np.float32], x: F64, y: F64, *, around: bool) -> F64:
    """Between texels whose middles lie at whole numbers."""
    h, w = pixels.shape[:2]
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - x0)[:, None], (y - y0)[:, None]

    def texel(i: NDArray[np.int64], j: NDArray[np.int64]) -> F64:
        return np.asarray(pixels[np.clip(j, 0, h - 1), i % w if around else np.clip(i, 0, w - 1)], np.float64)

    upper = texel(x0, y0) * (1 - fx) + texel(x0 + 1, y0) * fx
    lower = texel(x0, y0 + 1) * (1 - fx) + texel(x0 + 1, y0 + 1) * fx
    return np.asarray(upper * (1 - fy) + lower * fy)


def step(x: F64, soft: float) -> F64:
    t = np.clip(x / max(soft, 1e-6) + 0.5, 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t))


def expected(flat: FlatScene, row: np.void, w: F64) -> F64:
    """(n, 3) shaping along directions w (n, 3) in the light's frame, as scene.lights.LIGHT says it."""
    value = np.ones((len(w), 3))
    ahead, aside = -w[:, 2], np.hypot(w[:, 0], w[:, 1])
    x, y = w[:, 0] / np.maximum(ahead, 1e-6), w[:, 1] / np.maximum(ahead, 1e-6)
    if row["profile"] >= 0:
        pixels = linear_pixels(flat.textures[row["profile"]])
        turn = np.arctan2(w[:, 1], w[:, 0]) / (2 * np.pi) % 1.0 * pixels.shape[1]
        value *= bilinear(pixels, turn, np.arctan2(aside, ahead) / np.pi * (pixels.shape[0] - 1), around=True)[:, :1]
    if row["gobo"] >= 0:
        pixels = linear_pixels(flat.textures[row["gobo"]])
        a, b, c, d = row["gobo_turn"].astype(np.float64)
        u, v = 0.5 + a * x + b * y, 0.5 - (c * x + d * y)
        inside = (ahead > 0) & (np.minimum(u, v) >= 0) & (np.maximum(u, v) <= 1)
        shown = bilinear(
            pixels, u.clip(0, 1) * pixels.shape[1] - 0.5, v.clip(0, 1) * pixels.shape[0] - 0.5, around=False
        )
        value *= np.where(inside[:, None], shown, 0.0)
    if row["barn"].any():
        left, right, low, high = row["barn"].astype(np.float64)
        soft = float(row["barn_soft"])
        passes = step(x + left, soft) * step(right - x, soft) * step(y + low, soft) * step(high - y, soft)
        value *= np.where(ahead > 0, passes, 0.0)[:, None]
    value *= np.maximum(1.0 - row["spread"] * aside / np.maximum(np.abs(ahead), 1e-6), 0.0)[:, None]
    return value


@pytest.mark.parametrize("name", ROWS)
def test_shaping_is_what_the_layout_says(probe: Probe, flat: FlatScene, name: str) -> None:
    number = list(ROWS).index(name)
    w = np.random.default_rng(5).normal(size=(2000, 3))
    w[:1500, 2] = -np.abs(w[:1500, 2])
    w /= np.linalg.norm(w, axis=1)[:, None]
    asked = np.zeros((len(w), 1, 4))
    asked[:, 0, :3] = w
    seen = probe.ask(f"answer.rgb = shaping({number}, normalize(ask(0).xyz));", asked)[:, :3]
    right = expected(flat, flat.lights[number], w)
    assert right.max() > 0.2
    off = np.abs(seen - right).max(axis=1)
    assert (off < 2e-3).mean() > 0.995  # but where a hard edge rounds to the other side
    assert off.mean() < 1e-3


LAMBERT = """
    Surface s = no_surface();
    s.base_color = vec3(1.0);
    s.specular_weight = 0.0;
    s.N = s.Ng = s.coat_N = normalize(ask(1).xyz);
    frame_around(s.N, s.T, s.B);
    answer.rgb = shade_light(prepare(s, s.N), ask(0).xyz, int(ask(0).w));
"""


def irradiance(flat: FlatScene, row: np.void, place: F64, normal: F64) -> F64:
    """(3,) irradiance over pi from 200 x 200 points of a rectangle."""
    side = (np.arange(200) + 0.5) / 200 - 0.5
    x, y = (k.ravel() for k in np.meshgrid(side * row["size"][0], side * row["size"][1]))
    frame = row["open"].astype(np.float64)
    at = np.stack([x, y, 0 * x], axis=1) @ frame[:, :3].T + frame[:, 3]
    d = place - at
    distance2 = (d * d).sum(axis=1)
    d /= np.sqrt(distance2)[:, None]
    facing = np.maximum(d @ -frame[:, 2], 0.0) * np.maximum(-(d @ normal), 0.0) / distance2
    area = float(row["size"][0] * row["size"][1])
    return np.asarray((expected(flat, row, d @ frame[:, :3]) * facing[:, None]).mean(axis=0) * area / np.pi)


@pytest.mark.parametrize("options", [{"spread": 1.2}, {"barn": (0.2, 0.6, 0.3, 0.5), "barn_soft": 0.4}, {}])
def test_light_of_a_shaped_rectangle_is_that_of_its_points(device: Device, options: dict[str, object]) -> None:
    """Even while a view moves, sixteen points tell soft edges to some percent of the brightest place."""
    row = light("rectangle", size=(1.2, 0.8), at=AT, **options)
    row["flags"] = 7
    flat = flat_scene([row])
    made = Probe(device, flat)
    places = np.random.default_rng(2).uniform(-1.0, 1.0, (40, 3)) * (1.5, 1.5, 0.5)
    normals = AT[:, 3].astype(np.float64) - places + np.random.default_rng(3).normal(size=(40, 3)) * 0.3
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    asked = np.zeros((40, 2, 4))
    asked[:, 0, :3], asked[:, 1, :3] = places, normals
    seen = made.ask(LAMBERT, asked, family=0)[:, 0]
    made.release()
    right = np.array([irradiance(flat, flat.lights[0], p, n)[0] for p, n in zip(places, normals, strict=True)])
    assert np.abs(seen - right).max() < 0.05 * right.max()
    assert abs(seen.mean() / right.mean() - 1.0) < 0.02


def test_a_light_that_is_not_shaped_has_the_row_it_had(device: Device) -> None:
    tables = Lighting(device.context)
    flat = flat_scene([light("spot", cone=(0.9, 0.2), flags=7, **more) for more in ({}, DOORS)])
    tables.sync(flat)
    rows = tables.rows(flat)
    assert rows[[0, 2], 6].tolist() == [0.0, 1.0]
    assert rows[[1, 3], 3].tolist() == [module.SPOT, module.SHAPED_SPOT]
    assert tables.shaped
    tables.sync(flat_scene([light("spot", cone=(0.9, 0.2))]))
    assert not tables.shaped
    tables.release()


def test_a_picture_too_large_for_its_share_comes_as_means(device: Device) -> None:
    pixels = np.random.default_rng(1).random((90, 130, 3), np.float32)
    tile = module.flat_tile(make_image(pixels, colour_space="linear"), 50)
    assert tile.pixels.shape == (30, 44, 4)
    assert tile.pixels[0, 0, :3] == pytest.approx(pixels[:3, :3].mean(axis=(0, 1)), rel=1e-5)
    assert tile.pixels[-1, -1, :3] == pytest.approx(pixels[87:, 129:].mean(axis=(0, 1)), rel=1e-5)
    whole = module.flat_tile(make_image(pixels, colour_space="linear"), 130)
    assert (whole.pixels[..., :3] == pixels).all()


def test_lamps_that_share_a_profile_share_its_tile(device: Device) -> None:
    seen: list[str] = []
    tables = Lighting(device.context, lambda what, size: seen.append(what))
    rows = [light("point", profile=0) for _ in range(50)]
    tables.sync(flat_scene(rows, textures=[profile()]))
    assert seen.count("light picture") == 1
    tables.release()
