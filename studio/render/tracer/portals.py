"""Portals: the openings through which the light of domes comes in. They guide sampling and change no picture.

A dome seen through a window is sampled half the time by the window: a portal is drawn by roughly the solid angle that
it fills, then a direction uniformly within that (Bitterli, Novak and Jarosz 2015 compare ways to do this; the spherical
rectangle is that of Urena et al. 2013). The density of any direction, however it was found, is that of the mixture, so
nothing is lost where a dome is seen past its portals. A portal counts from its -z side alone, where its light goes;
where none is seen, the dome is sampled as if there were none. Nothing but noise hangs on where portals are, so one that
moves stays where it is in the middle of the shutter, and what draws one is cheap rather than exact.
"""

import numpy as np
import taichi as ti
import taichi.math as tm
from numpy.typing import NDArray

from studio.render.tracer import light_rows as lr
from studio.render.tracer.light_rows import RECTANGLE
from studio.render.tracer.light_shapes import RECTANGLE_BY_ANGLE, shape_angle

# a portal in the table of lights: size, axes, origin
SIZE, AXES, ORIGIN, FLOATS = 0, 2, 11, 14
_LARGEST_M = 1e6
_SLACK = 1e-5  # of its size, by which a portal is larger for a direction that may have been rounded past its rim


def portal_block(portals: NDArray[np.void]) -> NDArray[np.float32]:
    """(n, FLOATS) of the portals that have a size and a place."""
    rows = []
    for portal in portals:
        middle = 0.5 * (portal["open"].astype(float) + portal["close"])
        numbers = np.concatenate((portal["size"], middle.ravel()))
        if not np.isfinite(numbers).all() or not (portal["size"] > 0.0).all() or np.abs(numbers).max() > _LARGEST_M:
            continue
        z, x = middle[:, 2], np.cross(middle[:, 1], middle[:, 2])
        lengths = np.linalg.norm(z), np.linalg.norm(x)
        if min(lengths) > 1e-6:  # half a turn within the shutter leaves no middle
            z, x = z / lengths[0], x / lengths[1]
            rows.append(np.concatenate((portal["size"], x, np.cross(z, x), z, middle[:, 3])))
    return np.array(rows, np.float32).reshape(-1, FLOATS)


@ti.func
def portals_start(rows: ti.template(), l: ti.i32) -> ti.i32:
    return ti.cast(rows[l, lr.PORTALS_HI], ti.i32) * 65536 + ti.cast(rows[l, lr.PORTALS_LO], ti.i32)


@ti.func
def three(table: ti.template(), k: ti.i32) -> tm.vec3:
    return tm.vec3(table[k], table[k + 1], table[k + 2])


@ti.func
def in_portal(table: ti.template(), at: ti.i32, v: tm.vec3) -> tm.vec3:
    """A vector in the frame of the portal at `at` of the table."""
    k = at + AXES
    return tm.vec3(v.dot(three(table, k)), v.dot(three(table, k + 3)), v.dot(three(table, k + 6)))


@ti.func
def portal_weight(size: tm.vec2, o: tm.vec3) -> ti.f32:
    """What a portal is drawn by: about its solid angle from `o`, the receiver in its frame; 0 from behind."""
    area = size.x * size.y
    d2 = o.dot(o) + area / 4.0
    return area * ti.max(-o.z, 0.0) / (d2 * ti.sqrt(d2))


@ti.func
def pick_portal(rows: ti.template(), table: ti.template(), l: ti.i32, p: tm.vec3, u: ti.f32) -> ti.i32:
    """Where the portal drawn with u in [0, 1) starts in the table, -1 if none is seen from `p`."""
    found, total, coin = -1, 0.0, u
    start = portals_start(rows, l)
    for k in range(ti.cast(rows[l, lr.PORTALS], ti.i32)):
        at = start + k * FLOATS
        size = tm.vec2(table[at + SIZE], table[at + SIZE + 1])
        weight = portal_weight(size, in_portal(table, at, p - three(table, at + ORIGIN)))
        if weight > 0.0:
            total += weight
            share = weight / total
            if coin < share:
                coin /= share
                found = at
            else:
                coin = (coin - share) / (1.0 - share)
    return found


@ti.func
def portals_pdf(rows: ti.template(), table: ti.template(), l: ti.i32, p: tm.vec3, wi: tm.vec3) -> ti.f32:
    """Density per solid angle of `wi` by way of the portals, -1 if none is seen from `p`."""
    total, density = 0.0, 0.0
    start = portals_start(rows, l)
    for k in range(ti.cast(rows[l, lr.PORTALS], ti.i32)):
        at = start + k * FLOATS
        size = tm.vec2(table[at + SIZE], table[at + SIZE + 1])
        o, w = in_portal(table, at, p - three(table, at + ORIGIN)), in_portal(table, at, wi)
        weight = portal_weight(size, o)
        total += weight
        if weight > 0.0 and w.z > 1e-6:
            t = -o.z / w.z
            x, y = ti.abs(o.x + w.x * t), ti.abs(o.y + w.y * t)
            if x <= (0.5 + _SLACK) * size.x and y <= (0.5 + _SLACK) * size.y:
                omega = shape_angle(RECTANGLE, size, o)
                if not omega > RECTANGLE_BY_ANGLE:  # then by area
                    omega = size.x * size.y * w.z / (t * t)
                density += weight / omega
    return density / total if total > 0.0 else -1.0
