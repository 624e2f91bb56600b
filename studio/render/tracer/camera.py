"""Camera rays: pixel filter, lens with blades, shutter, perspective and orthographic.

The pixel filter is importance sampled (every sample of a pixel weighs the same), never splatted: no sample touches a
neighbour, so crops and tiles are exact and the denoiser sees uncorrelated noise.
"""

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from studio.render.settings import RenderSettings
from studio.scene.flatten import FlatCamera

vec2 = ti.math.vec2
vec3 = ti.math.vec3

# layout of the camera array (f32)
OPEN, CLOSE = 0, 12
HALF_X, HALF_Y, SHIFT_X, SHIFT_Y = 24, 25, 26, 27
LENS, FOCUS, BLADES, BLADE_ROTATION, ORTHO, MOVES = 28, 29, 30, 31, 32, 33
FILTER = 34  # inverse cumulative filter, FILTER_STEPS + 1 offsets in pixels
FILTER_STEPS = 512
CAMERA_FLOATS = FILTER + FILTER_STEPS + 1


def filter_table(name: str, width_px: float) -> NDArray[np.float32]:
    """Offsets (pixels from the centre) at equal steps of the filter's cumulative weight.

    Blackman-Harris: the 4-term window of Harris, "On the Use of Windows for Harmonic Analysis" (1978).
    """
    steps = np.linspace(0.0, 1.0, FILTER_STEPS + 1)
    if name == "box":
        return (steps - 0.5).astype(np.float32)
    x = np.linspace(0.0, 1.0, 8193)
    w = 0.35875 - 0.48829 * np.cos(2 * np.pi * x) + 0.14128 * np.cos(4 * np.pi * x) - 0.01168 * np.cos(6 * np.pi * x)
    cdf = np.concatenate([[0.0], np.cumsum(0.5 * (w[1:] + w[:-1]))])
    return ((np.interp(steps, cdf / cdf[-1], x) - 0.5) * width_px).astype(np.float32)


def pack_camera(camera: FlatCamera, settings: RenderSettings) -> NDArray[np.float32]:
    out = np.zeros(CAMERA_FLOATS, np.float32)
    out[OPEN : OPEN + 12] = np.asarray(camera.open, np.float32).ravel()
    out[CLOSE : CLOSE + 12] = np.asarray(camera.close, np.float32).ravel()
    hx, hy = camera.half_extents(settings.width, settings.height)
    fitted = 2.0 * (hy if camera.fit == "vertical" else hx)
    out[HALF_X], out[HALF_Y] = hx, hy
    out[SHIFT_X], out[SHIFT_Y] = camera.shift[0] * fitted, camera.shift[1] * fitted
    out[LENS], out[FOCUS] = camera.lens_radius_m, camera.focus_distance_m
    out[BLADES], out[BLADE_ROTATION] = camera.blades, camera.blade_rotation
    out[ORTHO] = float(camera.orthographic)
    out[FILTER:] = filter_table(settings.filter, settings.filter_width_px)
    return out


@ti.func
def filter_offset(cam: ti.template(), u: ti.f32) -> ti.f32:
    x = u * FILTER_STEPS
    k = ti.min(ti.cast(x, ti.i32), FILTER_STEPS - 1)
    f = x - ti.cast(k, ti.f32)
    return cam[FILTER + k] * (1.0 - f) + cam[FILTER + k + 1] * f


@ti.func
def lens_point(cam: ti.template(), u: vec2) -> vec2:
    """A point of the unit aperture: a disk (concentric map, Shirley & Chiu 1997) or a regular polygon."""
    out = vec2(0.0)
    blades = ti.cast(cam[BLADES], ti.i32)
    if blades >= 3:
        side = ti.min(ti.cast(u[0] * blades, ti.i32), blades - 1)
        a = ti.sqrt(u[0] * blades - side)
        b = u[1]
        step = 6.283185307 / blades
        t0 = cam[BLADE_ROTATION] + step * side
        t1 = t0 + step
        p0 = vec2(ti.cos(t0), ti.sin(t0))
        p1 = vec2(ti.cos(t1), ti.sin(t1))
        out = a * (p0 * (1.0 - b) + p1 * b)
    else:
        q = u * 2.0 - 1.0
        r = q[0]
        phi = 0.0
        if ti.abs(q[0]) > ti.abs(q[1]):
            phi = 0.785398163 * q[1] / q[0]
        else:
            r = q[1]
            phi = 1.570796327 - 0.785398163 * (q[0] / q[1] if q[1] != 0.0 else 0.0)
        out = vec2(ti.cos(phi), ti.sin(phi)) * r
    return out


@ti.func
def camera_ray(cam: ti.template(), px: ti.f32, py: ti.f32, width: ti.f32, height: ti.f32, u_lens: vec2, time: ti.f32):
    """World ray through film position px, py (pixels, top-left origin) at shutter time in [0, 1]."""
    x = (px / width * 2.0 - 1.0) * cam[HALF_X] + cam[SHIFT_X]
    y = (1.0 - py / height * 2.0) * cam[HALF_Y] + cam[SHIFT_Y]
    o = vec3(0.0)
    d = vec3(x, y, -1.0)
    if cam[ORTHO] > 0.5:
        o = vec3(x, y, 0.0)
        d = vec3(0.0, 0.0, -1.0)
    if cam[LENS] > 0.0:
        focus = o + d * cam[FOCUS]
        l = lens_point(cam, u_lens) * cam[LENS]
        o += vec3(l[0], l[1], 0.0)
        d = focus - o
    wo = vec3(0.0)
    wd = vec3(0.0)
    for r in ti.static(range(3)):
        m = ti.Vector([cam[OPEN + r * 4 + c] * (1.0 - time) + cam[CLOSE + r * 4 + c] * time for c in range(4)])
        wo[r] = m[0] * o[0] + m[1] * o[1] + m[2] * o[2] + m[3]
        wd[r] = m[0] * d[0] + m[1] * d[1] + m[2] * d[2]
    return wo, wd.normalized()
