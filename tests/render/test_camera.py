"""Camera rays: projection, shift, lens, pixel filter, and crops.

Taichi reads the annotations of a kernel, so this file does without `from __future__ import annotations`.
"""

from typing import Any

import numpy as np
import pytest
import taichi as ti

from studio.render.film import Film
from studio.render.tracer import camera as cam_
from studio.scene.flatten import flatten
from studio.scene.lights import Light
from tests.render.scenes import (
    eye,
    film_of,
    flat_of,
    floor,
    matte,
    pixels_of,
    quad,
    repeats,
    scene_of,
    settings,
    thing,
)

f32_2d = ti.types.ndarray(dtype=ti.f32, ndim=2)
f32_1d = ti.types.ndarray(dtype=ti.f32, ndim=1)
vec2 = ti.math.vec2
W, H = 160, 90


@ti.kernel
def shoot(cam: f32_1d, rays: f32_2d, width: ti.f32, height: ti.f32, out: f32_2d):
    """rays (n, 5): film x, y, lens u, v, time -> origin and direction."""
    for i in range(rays.shape[0]):
        o, d = cam_.camera_ray(cam, rays[i, 0], rays[i, 1], width, height, vec2(rays[i, 2], rays[i, 3]), rays[i, 4])
        for c in ti.static(range(3)):
            out[i, c] = o[c]
            out[i, 3 + c] = d[c]


@ti.kernel
def filtered(cam: f32_1d, u: f32_1d, out: f32_1d):
    for i in range(u.shape[0]):
        out[i] = cam_.filter_offset(cam, u[i])


@ti.kernel
def lens(cam: f32_1d, u: f32_2d, out: f32_2d):
    for i in range(u.shape[0]):
        p = cam_.lens_point(cam, vec2(u[i, 0], u[i, 1]))
        out[i, 0] = p[0]
        out[i, 1] = p[1]


@pytest.fixture(scope="module", autouse=True)
def _runtime(taichi_cpu):
    return taichi_cpu


def packed(camera: Any, **more: Any) -> np.ndarray:
    flat = flatten(scene_of(camera=camera), 0.0)
    return cam_.pack_camera(flat.camera, settings(W, H, 1, **more))


def rays(camera: Any, x: Any, y: Any, u: Any = 0.5, v: Any = 0.5, time: Any = 0.0) -> tuple[np.ndarray, np.ndarray]:
    columns = np.stack(np.broadcast_arrays(*(np.asarray(c, np.float32).ravel() for c in (x, y, u, v, time))), 1)
    out = np.zeros((len(columns), 6), np.float32)
    shoot(packed(camera), np.ascontiguousarray(columns), float(W), float(H), out)
    return out[:, :3].astype(np.float64), out[:, 3:].astype(np.float64)


def uniform(n: int, dim: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, dim)).astype(np.float32)


@pytest.mark.parametrize("fit", ["vertical", "horizontal"])
def test_the_gate_spans_the_side_that_it_fits(fit):
    camera = eye((0, 0, 0), (0, 0, -1), fit=fit, focal_length_mm=40.0, sensor_width_mm=36.0, sensor_height_mm=24.0)
    x, y = np.array([0, W, W / 2, W / 2, W / 2]), np.array([H / 2, H / 2, 0, H, H / 2])
    o, d = rays(camera, x, y)
    slope = d[:, :2] / -d[:, 2:]
    half = 18.0 / 40.0 if fit == "horizontal" else 12.0 / 40.0 * W / H
    assert slope == pytest.approx(
        np.array([(-half, 0), (half, 0), (0, half * H / W), (0, -half * H / W), (0, 0)]), abs=1e-6
    )
    assert (o == 0).all()
    assert np.linalg.norm(d, axis=1) == pytest.approx(1.0)


def test_a_turned_and_moved_camera_looks_where_it_is_aimed():
    position, target = np.array([1.0, 2.0, 3.0]), np.array([-0.5, 0.2, 0.7])
    o, d = rays(eye(position, target), [W / 2], [H / 2])
    assert o[0] == pytest.approx(position)
    assert d[0] == pytest.approx((target - position) / np.linalg.norm(target - position), abs=1e-6)
    o, d = rays(eye(position, target), [W / 2], [0.0])
    assert d[0, 1] > (target - position)[1] / np.linalg.norm(target - position)  # the top row looks up


def test_an_orthographic_camera_sends_parallel_rays():
    camera = eye((0, 0, 5), (0, 0, 0), projection="orthographic", ortho_height_m=3.0, f_stop=1.0)
    o, d = rays(camera, [0, W, W / 2], [H / 2, H / 2, 0], u=[0.1, 0.9, 0.3])
    assert d == pytest.approx(np.tile([0.0, 0.0, -1.0], (3, 1)))
    assert o == pytest.approx(np.array([(-1.5 * W / H, 0, 5), (1.5 * W / H, 0, 5), (0, 1.5, 5)]), abs=1e-5)


@pytest.mark.parametrize("fit", ["vertical", "horizontal"])
def test_shift_moves_the_gate_in_units_of_the_fitted_side(fit):
    plain, moved = (
        rays(eye((0, 0, 0), (0, 0, -1), fit=fit, sensor_width_mm=36.0, shift_x=x, shift_y=y), [W / 2], [H / 2])[1]
        for x, y in ((0.0, 0.0), (0.5, 0.25))
    )
    edge = rays(eye((0, 0, 0), (0, 0, -1), fit=fit, sensor_width_mm=36.0), [W, W / 2], [H / 2, 0])[1]
    corner = edge[0, 0] / -edge[0, 2] if fit == "horizontal" else edge[1, 1] / -edge[1, 2]
    assert plain[0, :2] == pytest.approx((0, 0), abs=1e-7)
    assert moved[0, :2] / -moved[0, 2] == pytest.approx((corner, 0.5 * corner), abs=1e-6)


def test_all_rays_of_a_pixel_meet_in_the_plane_of_focus_and_spread_as_a_thin_lens_does():
    """Circle of confusion at distance z of a lens of radius r focused at f: r |z - f| / f."""
    camera = eye((0, 0, 0), (0, 0, -1), fov_y=30, f_stop=2.0, focus_distance_m=4.0)
    radius = camera.focal_length_mm / 1000.0 / 2.0 / 2.0
    u = uniform(20000, 2)
    o, d = rays(camera, np.full(20000, 100.0), np.full(20000, 20.0), u[:, 0], u[:, 1])
    for z, blur in ((4.0, 0.0), (2.0, radius * 0.5), (12.0, radius * 2.0), (0.0, radius)):
        at = (o + d * ((-z - o[:, 2]) / d[:, 2])[:, None])[:, :2]
        away = np.linalg.norm(at - at.mean(0), axis=1)
        assert away.max() == pytest.approx(blur, rel=0.02, abs=2e-6)
        if blur:
            assert (away**2).mean() == pytest.approx(blur**2 / 2, rel=0.03)  # evenly filled


@pytest.mark.parametrize("blades", [3, 5, 6, 8])
def test_blades_make_an_evenly_filled_regular_polygon(blades):
    camera = eye((0, 0, 0), (0, 0, -1), f_stop=2.0, blades=blades, blade_rotation_deg=17.0)
    u = uniform(50000, 2, 3)
    out = np.zeros((50000, 2), np.float32)
    lens(packed(camera), u, out)
    phi = np.arctan2(out[:, 1], out[:, 0]) - np.radians(17.0)
    step = 2 * np.pi / blades
    side = np.cos(np.pi / blades) / np.cos((phi % step) - step / 2)  # the polygon's edge in that direction
    reach = np.hypot(out[:, 0], out[:, 1]) / side
    assert reach.max() <= 1.0 + 1e-5
    # a uniform fill has reach**2 uniform; five sigma of its mean and of every blade's share
    assert (reach**2).mean() == pytest.approx(0.5, abs=5 * (1 / 12 / 50000) ** 0.5)
    share = np.bincount(((phi % (2 * np.pi)) / step).astype(int) % blades, minlength=blades) / 50000
    assert share == pytest.approx(1 / blades, abs=5 * (1 / blades / 50000) ** 0.5)


@pytest.mark.parametrize(("name", "width"), [("box", 3.0), ("blackman-harris", 3.0), ("blackman-harris", 2.0)])
def test_the_pixel_filter_has_the_moments_of_its_window(name, width):
    u = (np.arange(200000, dtype=np.float64) + 0.5) / 200000
    out = np.zeros(200000, np.float32)
    filtered(packed(eye((0, 0, 0), (0, 0, -1)), filter=name, filter_width_px=width), u.astype(np.float32), out)
    x = out.astype(np.float64)
    if name == "box":
        second, fourth, reach = 1 / 12, 1 / 80, 0.5
    else:
        t = (np.arange(100000) + 0.5) / 100000
        a = (0.35875, -0.48829, 0.14128, -0.01168)
        w = sum(c * np.cos(2 * np.pi * k * t) for k, c in enumerate(a))
        second, fourth = ((((t - 0.5) * width) ** p * w).sum() / w.sum() for p in (2, 4))
        reach = width / 2
    assert abs(x.mean()) < 1e-4
    # 512 straight pieces reach a little further into the tails than the window does
    assert (x**2).mean() == pytest.approx(second, rel=1e-2)
    assert (x**4).mean() == pytest.approx(fourth, rel=5e-2)
    assert np.abs(x).max() <= reach
    assert (np.diff(x) >= 0).all()


def test_a_small_lamp_out_of_focus_becomes_a_disk_of_the_right_size(tracer):
    """Second moment of its picture: a disk of radius R pixels has R**2 / 4 along each axis; 3 %."""
    camera = eye((0, 0, 4), (0, 0, 0), fov_y=30, f_stop=0.02, focus_distance_m=8.0)
    dot = thing(quad((0, 0, 0), (0.05, 0, 0), (0, 0.05, 0)), matte(1.0, unlit=True))
    s = settings(60, 60, 256)
    image = repeats(tracer, flat_of([dot], camera=camera), s, 4).mean(0)[..., 0]
    y, x = np.mgrid[:60, :60] + 0.5
    cx, cy = ((image * a).sum() / image.sum() for a in (x, y))
    assert (cx, cy) == pytest.approx((30, 30), abs=0.3)
    lens_radius = camera.focal_length_mm / 1000 / 0.02 / 2
    blur_m = lens_radius * (8.0 - 4.0) / 8.0  # in the plane of the dot
    pixel_m = 4.0 * np.tan(np.radians(15)) / 30
    radius = blur_m / pixel_m
    assert 8 < radius < 25
    for axis, centre in ((x, cx), (y, cy)):
        moment = (image * (axis - centre) ** 2).sum() / image.sum() - 1 / 12 - (0.1 / pixel_m) ** 2 / 12
        assert moment == pytest.approx(radius**2 / 4, rel=0.03)


def test_a_crop_is_that_part_of_the_whole_picture(tracer):
    flat = flat_of([thing(floor(), matte(0.5))], [Light(translation=(0, 1, 0)), Light(translation=(1, 1, 0))],
                   camera=eye((0, 1, 3), (0, 0, 0), f_stop=1.0))  # fmt: skip
    whole = film_of(tracer, flat, settings(40, 30, 6, filter="blackman-harris"))
    crop = settings(40, 30, 6, filter="blackman-harris", crop=(7, 11, 30, 24))
    part = film_of(tracer, flat, crop)
    assert isinstance(part, Film) and len(pixels_of(crop)) == 23 * 13
    assert (part.sums == whole.sums[11:24, 7:30]).all()
    assert (part.squares == whole.squares[11:24, 7:30]).all()


def test_pixels_see_what_lies_before_them(tracer):
    """The left half of the picture sees the left, the top half the top."""
    camera = eye((0, 0, 2), (0, 0, 0), fov_y=40)
    left = thing(quad((-1.0, 0, 0), (1, 0, 0), (0, 3, 0)), matte(1.0, 0.0, 0.0, unlit=True))
    top = thing(quad((1.0, 1.5, 0), (1, 0, 0), (0, 1.5, 0)), matte(0.0, 1.0, 0.0, unlit=True))
    image = repeats(tracer, flat_of([left, top], camera=camera), settings(16, 16, 4), 1)[0]
    assert (image[:, :8] == (1, 0, 0)).all()
    assert (image[:8, 8:] == (0, 1, 0)).all()
    assert (image[8:, 8:] == 0).all()
