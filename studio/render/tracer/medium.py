"""Inside transmissive objects: homogeneous absorption and scattering, and indices that disperse."""

import taichi as ti

from studio.render.tracer import sampler
from studio.render.tracer.hit import frame_of
from studio.scene.materials import OFFSET

vec2 = ti.math.vec2
vec3 = ti.math.vec3

_DEPTH = OFFSET["transmission_depth"]
_TRANSMISSION_COLOR = OFFSET["transmission_color"]
_SCATTER = OFFSET["transmission_scatter"]
PI = 3.14159265358979


@ti.func
def dispersed_ior(n_d: ti.f32, abbe: ti.f32, channel: ti.u32) -> ti.f32:
    """Index of refraction for red, green or blue (611, 549, 465 nm) by Cauchy's two terms.

    Through n_d at 587.6 nm, with the Abbe number (n_d - 1) / (n_F - n_C); wavelengths in micrometres.
    """
    wavelength = 0.611
    if channel == ti.u32(1):
        wavelength = 0.549
    elif channel == ti.u32(2):
        wavelength = 0.465
    b = (n_d - 1.0) / (ti.max(abbe, 1.0) * (1.0 / (0.4861 * 0.4861) - 1.0 / (0.6563 * 0.6563)))
    return n_d + b * (1.0 / (wavelength * wavelength) - 1.0 / (0.5876 * 0.5876))


@ti.func
def henyey_greenstein(d: vec3, g: ti.f32, u: vec2) -> vec3:
    """Direction after scattering from d (Henyey & Greenstein 1941)."""
    c = 1.0 - 2.0 * u[0]
    if ti.abs(g) > 1e-3:
        q = (1.0 - g * g) / (1.0 + g - 2.0 * g * u[0])
        c = ti.max(-1.0, ti.min(1.0, (1.0 + g * g - q * q) / (2.0 * g)))
    x, y = frame_of(d)
    r = ti.sqrt(ti.max(0.0, 1.0 - c * c))
    return (x * (r * ti.cos(2.0 * PI * u[1])) + y * (r * ti.sin(2.0 * PI * u[1])) + d * c).normalized()


@ti.func
def extinction_of(materials: ti.template(), m) -> vec3:
    """Extinction per metre inside material m, never below its scattering."""
    out = vec3(0.0)
    for c in ti.static(range(3)):
        absorbed = -ti.log(ti.max(materials[m, _TRANSMISSION_COLOR + c], 1e-4))
        out[c] = ti.max(absorbed, materials[m, _SCATTER + c]) / ti.max(materials[m, _DEPTH], 1e-9)
    return out


@ti.func
def through_medium(materials: ti.template(), m, throughput: vec3, t: ti.f32, key: ti.u32):
    """Beer-Lambert absorption, or a scattering event before t: throughput, 1 if scattered, distance.

    Coefficients as OpenPBR: extinction -ln(transmission_color) / depth, scattering transmission_scatter / depth. A
    channel is picked evenly and the three densities are averaged (spectral MIS; Wilkie et al. 2014).
    """
    depth = ti.max(materials[m, _DEPTH], 1e-9)
    extinction = extinction_of(materials, m)
    scatter = vec3(0.0)
    for c in ti.static(range(3)):
        scatter[c] = materials[m, _SCATTER + c] / depth
    distance = t
    event = 0
    out = throughput
    if scatter.max() > 0.0:
        pick = sampler.to_unit(sampler.hash_u32(key ^ ti.u32(0x1B873593))) * 3.0
        rate = extinction[0]
        if pick >= 2.0:
            rate = extinction[2]
        elif pick >= 1.0:
            rate = extinction[1]
        u = sampler.to_unit(sampler.hash_u32(key ^ ti.u32(0xCC9E2D51)))
        s = -ti.log(1.0 - u) / ti.max(rate, 1e-9)
        if s < t:
            event = 1
            distance = s
            e = ti.exp(-extinction * s)
            out *= scatter * e / ti.max((extinction * e).sum() / 3.0, 1e-30)
        else:
            e = ti.exp(-extinction * t)
            out *= e / ti.max(e.sum() / 3.0, 1e-30)
    else:
        out *= ti.exp(-extinction * t)
    return out, event, distance
