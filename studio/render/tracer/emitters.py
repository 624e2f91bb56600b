"""Lights on the device: sampling them, hitting them, and guessing how bright they are.

Every light answers the same five questions: give me a direction towards you, with which density would you have given
this one, what do you radiate along it, does a ray meet you, and roughly how bright are you here. One function computes
a density for the sampled and for the met direction, so the two cannot disagree. A shape's dark side is not there: rays
pass through the back of a one-sided rectangle as through air. The rows are described in `light_rows`, the table in
`light_tables` and `mesh_lights`, shapes in `light_shapes`.
"""

import taichi as ti
import taichi.math as tm

from studio.render.tracer import light_rows as lr
from studio.render.tracer import portals
from studio.render.tracer.distributions import first_above, mass_at, step_at
from studio.render.tracer.light_rows import (
    CYLINDER,
    DISK,
    DISTANT,
    DOME,
    LIGHT_STRIDE,
    MESH,
    RECTANGLE,
    SPHERE,
    SPOT,
)
from studio.render.tracer.light_shapes import (
    PI,
    around,
    lat_long,
    shape_angle,
    shape_normal,
    shape_pdf,
    shape_point,
    shape_uv,
)
from studio.render.tracer.light_shaping import brightest, filtered, spot_falloff
from studio.render.tracer.light_tables import LightTables, build_light_tables
from studio.render.tracer.mesh_lights import (
    mesh_pick,
    mesh_uv,
    shown_flux,
    triangle_angle,
    triangle_at,
    triangle_pdf,
    triangle_vector,
)

__all__ = [
    "FAR",
    "LIGHT_STRIDE",
    "LightTables",
    "build_light_tables",
    "emission_toward",
    "estimate",
    "intersect_shape",
    "light_pdf",
    "sample_light",
]

FAR = 1e30


@ti.func
def emits(rows: ti.template(), l: ti.i32) -> ti.i32:
    """Whether light `l` can send out anything (it has a size where it needs one)."""
    return ti.cast(rows[l, lr.ALIVE], ti.i32)


@ti.func
def dome_cell_pdf(table: ti.template(), start: ti.i32, w: ti.i32, h: ti.i32, column: ti.i32, line: ti.i32) -> ti.f32:
    """Density per solid angle in one cell of the dome's table; directions are uniform within a cell."""
    top, bottom = PI * line / h, PI * (line + 1) / h
    area = 2.0 * PI / w * 2.0 * ti.sin(0.5 * (top + bottom)) * ti.sin(0.5 * (bottom - top))
    return mass_at(table, start, w * h, w, line * w + column) / area


@ti.func
def dome_pdf(
    rows: ti.template(), table: ti.template(), l: ti.i32, p: tm.vec3, wi: tm.vec3, uv: tm.vec2, cell: ti.i32
) -> ti.f32:
    """Density of a direction `wi` towards a dome, which leads to `uv` of its image.

    `cell` of its table is known where the direction was made in it, else -1.
    """
    pdf = 0.25 / PI
    if ti.cast(rows[l, lr.IMAGE], ti.i32) != lr.NO_IMAGE:
        width, height = ti.cast(rows[l, lr.TABLE_WIDTH], ti.i32), ti.cast(rows[l, lr.TABLE_HEIGHT], ti.i32)
        column = tm.clamp(ti.cast(uv.x * width, ti.i32), 0, width - 1)
        line = tm.clamp(ti.cast(uv.y * height, ti.i32), 0, height - 1)
        if cell >= 0:
            column, line = cell % width, cell // width
        pdf = dome_cell_pdf(table, lr.table_start(rows, l), width, height, column, line)
    if rows[l, lr.PORTALS] > 0.0:
        through = portals.portals_pdf(rows, table, l, p, wi)
        if through >= 0.0:
            pdf = 0.5 * (pdf + through)
    return pdf


@ti.func
def sample_light(
    rows: ti.template(),
    table: ti.template(),
    texels: ti.template(),
    images: ti.template(),
    l: ti.i32,
    p: tm.vec3,
    time: ti.f32,
    u: tm.vec2,
    u1: ti.f32,
):
    """A direction from `p` to light `l`: (wi, dist, emission, pdf, delta).

    `emission` is the radiance (nits) arriving along `wi` if nothing is in between; for delta lights the illuminance at
    normal incidence (lx) with pdf = 1 and delta = 1. `dist` is FAR for distant and dome. pdf is per solid angle, 0 when
    the sample is worthless. `u1` picks within a mesh light or among portals, `u` within the chosen element.
    """
    kind, sides = ti.cast(rows[l, lr.KIND], ti.i32), ti.cast(rows[l, lr.SIDES], ti.i32)
    size = tm.vec2(rows[l, lr.SIZE], rows[l, lr.SIZE + 1])
    emission, image = lr.vec_at(rows, l, lr.EMISSION), ti.cast(rows[l, lr.IMAGE], ti.i32)
    wi, dist, pdf, delta = tm.vec3(0.0, 0.0, 1.0), FAR, 0.0, 0
    uv, w = tm.vec2(0.0), tm.vec3(0.0, 0.0, 1.0)
    if kind == MESH:
        tri, mass, angle = mesh_pick(rows, table, l, p, time, -1, u1)
        if mass > 0.0:
            a, b, c = triangle_at(rows, table, l, tri, time)
            omega = triangle_angle(a - p, b, c, angle)
            v = triangle_vector(a - p, b, c, omega, u)
            dist = v.norm()
            if dist > 0.0:
                wi = v / dist
                pdf = mass * triangle_pdf(b, c, omega, wi, dist, sides)
            if image != lr.NO_IMAGE:
                uv = mesh_uv(rows, table, l, tri, p + v - a, b, c)
    elif emits(rows, l) == 1:
        x, y, z, origin = lr.frame_at(rows, l, time)
        portal = -1
        if kind == DOME and rows[l, lr.PORTALS] > 0.0 and u1 < 0.5:
            portal = portals.pick_portal(rows, table, l, p, 2.0 * u1)
        shape = kind
        if portal >= 0:  # sampled as a rectangle
            shape, sides = RECTANGLE, 1
            size = tm.vec2(table[portal + portals.SIZE], table[portal + portals.SIZE + 1])
            x, y = portals.three(table, portal + portals.AXES), portals.three(table, portal + portals.AXES + 3)
            z, origin = x.cross(y), portals.three(table, portal + portals.ORIGIN)
        q, cell = p - origin, -1
        o = tm.vec3(q.dot(x), q.dot(y), q.dot(z))
        if kind <= SPOT:
            dist = o.norm()
            if dist > 0.0:
                w, pdf, delta = -o / dist, 1.0, 1
                emission *= spot_falloff(rows, l, kind, w.z) / (dist * dist)
        elif kind == DISTANT:
            pdf, delta = 1.0, 1
            if rows[l, lr.CONE] > 0.0:
                w, delta = around(w, u.x * rows[l, lr.CONE], 2.0 * PI * u.y), 0
                pdf = 1.0 / (2.0 * PI * rows[l, lr.CONE])
        elif shape == DOME:
            top, lift, turn = 0.0, 2.0 * u.x, u.y
            if image != lr.NO_IMAGE:
                width, height = ti.cast(rows[l, lr.TABLE_WIDTH], ti.i32), ti.cast(rows[l, lr.TABLE_HEIGHT], ti.i32)
                start = lr.table_start(rows, l)
                line = first_above(table, start, height, u.y)
                step = step_at(table, start, line)
                inner = start + height + line * width
                column = first_above(table, inner, width, u.x)
                step2 = step_at(table, inner, column)
                cell = line * width + column
                turn = (column + tm.clamp((u.x - step2.x) / step2.y, 0.0, 1.0)) / width
                # 1 - cos of the polar angle, uniform between the cell's edges
                sine, sine2 = ti.sin(0.5 * PI * line / height), ti.sin(0.5 * PI * (line + 1) / height)
                top = 2.0 * sine * sine
                lift = tm.clamp((u.y - step.x) / step.y, 0.0, 1.0) * (2.0 * sine2 * sine2 - top)
            away = tm.clamp(top + lift, 0.0, 2.0)
            sine = ti.sqrt(away * (2.0 - away))
            phi = 2.0 * PI * (turn - 0.5)
            w = tm.vec3(sine * ti.sin(phi), 1.0 - away, -sine * ti.cos(phi))
        else:
            s, omega = shape_point(shape, size, o, u)
            pdf = shape_pdf(shape, size, sides, o, s, omega)
            dist = (s - o).norm()
            w = (s - o) / ti.max(dist, 1e-30)
            if image != lr.NO_IMAGE:
                uv = shape_uv(shape, size, s)
        wi = x * w.x + y * w.y + z * w.z
        if kind == DOME:
            dist = FAR
            if portal >= 0:
                x, y, z, origin = lr.frame_at(rows, l, time)
                w = tm.vec3(wi.dot(x), wi.dot(y), wi.dot(z))
            if image != lr.NO_IMAGE:
                uv = lat_long(w)
            pdf = dome_pdf(rows, table, l, p, wi, uv, cell)
    if pdf > 0.0 and rows[l, lr.FILTERED] > 0.0 and emission.max() > 0.0:
        emission *= filtered(rows, texels, images, l, -w, uv)
    if not pdf > 0.0:
        emission = tm.vec3(0.0)
    return wi, dist, emission, pdf, delta


@ti.func
def light_pdf(
    rows: ti.template(),
    table: ti.template(),
    texels: ti.template(),
    images: ti.template(),
    l: ti.i32,
    p: tm.vec3,
    wi: tm.vec3,
    dist: ti.f32,
    tri: ti.i32,
    time: ti.f32,
) -> ti.f32:
    """Density per solid angle with which `sample_light` from `p` makes `wi`, given that a ray met the light at `dist`.

    `tri` is the triangle within the mesh light's part; other kinds ignore it. Delta lights have density 0.
    """
    kind, sides = ti.cast(rows[l, lr.KIND], ti.i32), ti.cast(rows[l, lr.SIDES], ti.i32)
    pdf = 0.0
    if kind == MESH:
        if tri >= 0 and tri < ti.cast(rows[l, lr.COUNT], ti.i32):
            _, mass, angle = mesh_pick(rows, table, l, p, time, tri, 0.0)
            if mass > 0.0:
                a, b, c = triangle_at(rows, table, l, tri, time)
                pdf = mass * triangle_pdf(b, c, triangle_angle(a - p, b, c, angle), wi, dist, sides)
    elif kind > SPOT and emits(rows, l) == 1:
        size = tm.vec2(rows[l, lr.SIZE], rows[l, lr.SIZE + 1])
        x, y, z, origin = lr.frame_at(rows, l, time)
        q = p - origin
        o, w = tm.vec3(q.dot(x), q.dot(y), q.dot(z)), tm.vec3(wi.dot(x), wi.dot(y), wi.dot(z))
        if kind == DISTANT:
            if in_cone(rows, l, w) == 1:
                pdf = 1.0 / (2.0 * PI * rows[l, lr.CONE])
        elif kind == DOME:
            pdf = dome_pdf(rows, table, l, p, wi, lat_long(w), -1)
        else:
            pdf = shape_pdf(kind, size, sides, o, o + w * dist, shape_angle(kind, size, o))
    return pdf


@ti.func
def in_cone(rows: ti.template(), l: ti.i32, w: tm.vec3) -> ti.i32:
    """Whether a direction in the light's frame points into the disk of a distant light of some size."""
    cone = rows[l, lr.CONE]
    return ti.cast(cone > 0.0 and w.z > 0.0 and w.x * w.x + w.y * w.y <= cone * (2.0 - cone), ti.i32)


@ti.func
def emission_toward(
    rows: ti.template(),
    table: ti.template(),
    texels: ti.template(),
    images: ti.template(),
    l: ti.i32,
    p: tm.vec3,
    wi: tm.vec3,
    dist: ti.f32,
    time: ti.f32,
) -> tm.vec3:
    """Radiance (nits) of a shape, distant or dome light that a ray from `p` along `wi` meets at `dist`.

    Delta lights and mesh lights give 0: the former cannot be met, the latter's surface knows its own emission.
    """
    kind, sides = ti.cast(rows[l, lr.KIND], ti.i32), ti.cast(rows[l, lr.SIDES], ti.i32)
    size = tm.vec2(rows[l, lr.SIZE], rows[l, lr.SIZE + 1])
    image = ti.cast(rows[l, lr.IMAGE], ti.i32)
    emission = tm.vec3(0.0)
    if kind > SPOT and kind != MESH and emits(rows, l) == 1:
        x, y, z, origin = lr.frame_at(rows, l, time)
        q = p - origin
        o, w = tm.vec3(q.dot(x), q.dot(y), q.dot(z)), tm.vec3(wi.dot(x), wi.dot(y), wi.dot(z))
        uv, seen = tm.vec2(0.0), 1
        if kind == DISTANT:
            seen = in_cone(rows, l, w)
        elif kind == DOME:
            if image != lr.NO_IMAGE:
                uv = lat_long(w)
        else:
            s = o + w * dist
            if image != lr.NO_IMAGE:
                uv = shape_uv(kind, size, s)
            facing = -w.dot(shape_normal(kind, size, s))
            if kind >= SPHERE:  # told by where the eye is, which does not flicker along the limb
                facing = o.dot(o) - size.x * size.x
                if kind == CYLINDER:
                    facing -= o.x * o.x
            seen = ti.cast(facing > 0.0 or sides == 2, ti.i32)
        if seen == 1:
            emission = lr.vec_at(rows, l, lr.EMISSION)
            if rows[l, lr.FILTERED] > 0.0:
                emission *= filtered(rows, texels, images, l, -w, uv)
    return emission


@ti.func
def intersect_shape(rows: ti.template(), l: ti.i32, o: tm.vec3, d: tm.vec3, tmax: ti.f32, time: ti.f32) -> ti.f32:
    """Distance along a unit direction to the radiating side of shape `l`, or FAR when it is not met before `tmax`."""
    kind, sides = ti.cast(rows[l, lr.KIND], ti.i32), ti.cast(rows[l, lr.SIDES], ti.i32)
    size = tm.vec2(rows[l, lr.SIZE], rows[l, lr.SIZE + 1])
    x, y, z, origin = lr.frame_at(rows, l, time)
    q = o - origin
    e, w = tm.vec3(q.dot(x), q.dot(y), q.dot(z)), tm.vec3(d.dot(x), d.dot(y), d.dot(z))
    t = FAR
    if emits(rows, l) == 0:
        t = FAR
    elif kind == RECTANGLE or kind == DISK:
        if (w.z > 0.0 and sides >= 1) or (w.z < 0.0 and sides == 2):
            hit = -e.z / w.z
            sx, sy = e.x + hit * w.x, e.y + hit * w.y
            within = ti.abs(sx) <= 0.5 * size.x and ti.abs(sy) <= 0.5 * size.y
            if kind == DISK:
                within = sx * sx + sy * sy <= size.x * size.x
            if within and hit > 0.0:
                t = hit
    elif kind == SPHERE or kind == CYLINDER:
        # the quadric a t^2 + 2 b t + c = 0, with the discriminant taken from the closest point (Haines et al. 2019)
        k = ti.select(kind == CYLINDER, 0.0, 1.0)
        ee, ww = tm.vec3(e.x * k, e.y, e.z), tm.vec3(w.x * k, w.y, w.z)
        a, b = ww.dot(ww), ee.dot(ww)
        if a > 1e-12:
            c = ee.dot(ee) - size.x * size.x
            closest = ee - ww * (b / a)
            disc = a * (size.x * size.x - closest.dot(closest))
            if disc >= 0.0:
                r = -b - ti.select(b >= 0.0, 1.0, -1.0) * ti.sqrt(disc)
                t0, t1 = r / a, FAR
                if r != 0.0:
                    t1 = c / r
                enter, leave = ti.min(t0, t1), ti.max(t0, t1)
                fits = kind == SPHERE or ti.abs(e.x + enter * w.x) <= 0.5 * size.y
                if enter > 0.0 and fits and c > 0.0:
                    t = enter
                elif (
                    sides == 2
                    and c <= 0.0
                    and leave > 0.0
                    and (kind == SPHERE or ti.abs(e.x + leave * w.x) <= 0.5 * size.y)
                ):
                    t = leave
    return t if t < tmax else FAR


@ti.func
def horizon(n: tm.vec3, wi: tm.vec3, sine: ti.f32) -> ti.f32:
    """Receiver's cosine for a source of angular radius asin(`sine`): clipped softly, 0 when all of it is below."""
    c = n.dot(wi)
    value = ti.max(c, sine)
    if c < sine:
        rise = ti.max(c + sine, 0.0)
        value = rise * rise / ti.max(4.0 * sine, 1e-6)
    return 1.0 if n.dot(n) == 0.0 else value


@ti.func
def estimate(rows: ti.template(), table: ti.template(), l: ti.i32, p: tm.vec3, n: tm.vec3) -> ti.f32:
    """Roughly the luminance of the irradiance (lx) of light `l` at `p` with unit normal `n`, if nothing is in between.

    With n = 0 the receiver takes light from all sides. Positive wherever the light can contribute at all.
    """
    return estimate_around(rows, table, l, p, n, 0.0)


@ti.func
def estimate_around(
    rows: ti.template(), table: ti.template(), l: ti.i32, p: tm.vec3, n: tm.vec3, reach: ti.f32
) -> ti.f32:
    """`estimate` where the receiver may lie up to `reach` metres beside `p`: no spot that can be seen there is dark."""
    kind, sides = ti.cast(rows[l, lr.KIND], ti.i32), ti.cast(rows[l, lr.SIDES], ti.i32)
    strength, radius = rows[l, lr.STRENGTH], rows[l, lr.RADIUS]
    z = lr.axis_at(rows, l, lr.OPEN + 2)
    value = 0.0
    if kind == DISTANT:
        value = strength * horizon(n, z, rows[l, lr.SINE])
    elif kind == DOME:
        value = strength * (4.0 if n.dot(n) == 0.0 else ti.max(1.0 + n.dot(lr.vec_at(rows, l, lr.LEAN)), 0.1))
    else:
        v = lr.vec_at(rows, l, lr.CENTRE) - p
        d2 = ti.max(v.dot(v), 1e-20)
        d = ti.sqrt(d2)
        wi = v / d
        value = strength / (d2 + rows[l, lr.SOFTEN]) * horizon(n, wi, ti.min(radius / d, 1.0))
        slope = wi.dot(z)  # 1 when the receiver is straight ahead of the light
        if kind == SPOT:
            aside = ti.min(reach / d, 1.0)  # sine of the angle by which the cone may be nearer
            ahead = ti.sqrt(1.0 - aside * aside)
            nearer = slope * ahead + ti.sqrt(ti.max(1.0 - slope * slope, 0.0)) * aside
            nearer = 1.0 if slope > ahead else nearer
            value *= ti.max(spot_falloff(rows, l, kind, nearer), 1e-3 * rows[l, lr.VARIES])
        elif kind == RECTANGLE or kind == DISK:
            front = ti.abs(slope) if sides == 2 else slope
            value *= ti.max(front, rows[l, lr.BLUR])
        elif kind == CYLINDER:
            along = wi.dot(lr.axis_at(rows, l, lr.OPEN))
            value *= ti.sqrt(ti.max(1.0 - along * along, 0.01))
        elif kind == MESH:
            if rows[l, lr.CELLS] > 0.0 and rows[l, lr.COUNT] > 2.0 and d > lr.NEAR_RADII * radius:
                value *= shown_flux(rows, table, l, -wi)
            else:
                # a closed mesh shows a quarter of its area to every side, a flat one the cosine of its front
                lean = -wi.dot(lr.vec_at(rows, l, lr.LEAN))
                lean = ti.abs(lean) if sides == 2 else ti.max(lean, 0.0)
                value *= rows[l, lr.BLUR] + lean
        if rows[l, lr.FILTERED] == lr.SHAPED:
            wider = 1.0 if rows[l, lr.VARIES] > 0.5 else (reach + radius) / d
            value *= brightest(rows, l, slope, wider)
    return value
