"""Lights that are shapes, each in its own frame: a point on it, and the density with which that point is made.

The receiver `o` and the point `s` are told in the light's frame (it shines along -z; a cylinder lies along x). Sampling
makes a point, `shape_pdf` tells the density per solid angle of any point, and both forms are as close to uniform over
the solid angle as single precision allows: the spherical rectangle of Urena et al. 2013, the cone of a sphere, and for
a cylinder the angle across and the sine of the angle along. A disk is sampled by area.
"""

import taichi as ti
import taichi.math as tm

from studio.render.tracer.light_rows import CYLINDER, DISK, RECTANGLE, SPHERE

PI = 3.14159265358979
# Below this solid angle (sr) the spherical rectangle loses digits and gains nothing over sampling by area.
RECTANGLE_BY_ANGLE = 4e-3


@ti.func
def basis(n: tm.vec3):
    """Two unit vectors that complete `n` (Duff et al. 2017, Building an Orthonormal Basis, Revisited)."""
    s = ti.select(n.z >= 0.0, 1.0, -1.0)
    a = -1.0 / (s + n.z)
    b = n.x * n.y * a
    return tm.vec3(1.0 + s * n.x * n.x * a, s * b, -s * n.x), tm.vec3(b, s + n.y * n.y * a, -n.y)


@ti.func
def around(n: tm.vec3, one_minus_cos: ti.f32, phi: ti.f32) -> tm.vec3:
    """The direction at a small angle from `n`; told by 1 - cos because that keeps its digits for a sun."""
    s, t = basis(n)
    sine = ti.sqrt(ti.max(0.0, one_minus_cos * (2.0 - one_minus_cos)))
    return tm.normalize(n * (1.0 - one_minus_cos) + (s * ti.cos(phi) + t * ti.sin(phi)) * sine)


@ti.func
def rectangle_corners(size: tm.vec2, o: tm.vec3):
    """Edges relative to the receiver and z of the four edge planes' normals (Urena et al. 2013)."""
    x0, x1 = -0.5 * size.x - o.x, 0.5 * size.x - o.x
    y0, y1 = -0.5 * size.y - o.y, 0.5 * size.y - o.y
    z2 = ti.max(o.z * o.z, 1e-20)
    edges = tm.vec4(x0, x1, y0, y1)
    slopes = tm.vec4(
        -y0 / ti.sqrt(z2 + y0 * y0), x1 / ti.sqrt(z2 + x1 * x1), y1 / ti.sqrt(z2 + y1 * y1), -x0 / ti.sqrt(z2 + x0 * x0)
    )
    return edges, slopes


@ti.func
def corner_turn(a: ti.f32, b: ti.f32) -> tm.vec2:
    """Cosine and sine of acos(-a b), the inner angle of two edge planes that are square to each other."""
    a2, b2 = 1.0 - a * a, 1.0 - b * b
    return tm.vec2(-a * b, ti.sqrt(ti.max(0.0, a2 + b2 - a2 * b2)))


@ti.func
def sum_of_turns(a: tm.vec2, b: tm.vec2) -> ti.f32:
    """The sum of two angles in 0 .. pi by one arc tangent; near a full turn the cosines tell 0 from 2 pi."""
    angle = ti.atan2(a.y * b.x + a.x * b.y, a.x * b.x - a.y * b.y)
    over = angle < 0.0
    if ti.abs(angle) < 1.0:
        over = a.x + b.x < 0.0
    return ti.select(over, angle + 2.0 * PI, angle)


@ti.func
def rectangle_angle(k: tm.vec4):
    """Solid angle of the rectangle and the sampling offset of Urena et al."""
    offset = 2.0 * PI - sum_of_turns(corner_turn(k.z, k.w), corner_turn(k.w, k.x))
    return sum_of_turns(corner_turn(k.x, k.y), corner_turn(k.y, k.z)) - offset, offset


@ti.func
def rectangle_point(size: tm.vec2, o: tm.vec3, u: tm.vec2):
    s = tm.vec3((u.x - 0.5) * size.x, (u.y - 0.5) * size.y, 0.0)
    e, k = rectangle_corners(size, o)
    omega, offset = rectangle_angle(k)
    if omega > RECTANGLE_BY_ANGLE:
        z = ti.max(ti.abs(o.z), 1e-10)
        angle = u.x * omega + offset
        sine = ti.sin(angle)
        if ti.abs(sine) < 1e-7:
            sine = ti.select(sine >= 0.0, 1e-7, -1e-7)
        f = (ti.cos(angle) * k.x - k.z) / sine
        cosine = tm.clamp(ti.select(f >= 0.0, 1.0, -1.0) / ti.sqrt(f * f + k.x * k.x), -1.0, 1.0)
        x = tm.clamp(cosine * z / ti.sqrt(ti.max(1.0 - cosine * cosine, 1e-12)), e.x, e.y)
        d2 = x * x + z * z
        h0, h1 = e.z / ti.sqrt(d2 + e.z * e.z), e.w / ti.sqrt(d2 + e.w * e.w)
        h = h0 + u.y * (h1 - h0)
        y = tm.clamp(h * ti.sqrt(d2 / ti.max(1.0 - h * h, 1e-7)), e.z, e.w)
        s = tm.vec3(o.x + x, o.y + y, 0.0)
    return s, omega


@ti.func
def shape_angle(kind: ti.i32, size: tm.vec2, o: tm.vec3) -> ti.f32:
    """Solid angle of a rectangle, which its density asks for; 0 for other kinds."""
    omega = 0.0
    if kind == RECTANGLE:
        _edges, k = rectangle_corners(size, o)
        omega, _offset = rectangle_angle(k)
    return omega


@ti.func
def cylinder_span(size: tm.vec2, x: ti.f32, m: ti.f32) -> tm.vec2:
    """Sines of the angles at which a cylinder's line of length size.y ends, for an eye at `x` along and `m` beside."""
    xa, xb, m2 = -0.5 * size.y - x, 0.5 * size.y - x, ti.max(m * m, 1e-20)
    return tm.vec2(xa / ti.sqrt(xa * xa + m2), xb / ti.sqrt(xb * xb + m2))


@ti.func
def cylinder_sweep(size: tm.vec2, o: tm.vec3) -> ti.f32:
    """Half the angle that the cylinder fills in its cross-section, as seen from `o`; pi from inside."""
    axis2 = o.y * o.y + o.z * o.z
    sweep = PI
    if axis2 > size.x * size.x:
        sweep = ti.asin(size.x / ti.sqrt(axis2))
    return sweep


@ti.func
def cylinder_point(size: tm.vec2, o: tm.vec3, u: tm.vec2) -> tm.vec3:
    """Uniform in the angle across, then in the sine of the angle along: all but uniform by solid angle."""
    turn = (2.0 * u.y - 1.0) * cylinder_sweep(size, o)
    axis = ti.sqrt(o.y * o.y + o.z * o.z)
    angle = ti.atan2(-o.z, -o.y) + turn
    reach = ti.sqrt(ti.max(0.0, size.x * size.x - axis * axis * ti.sin(turn) ** 2))
    m = axis * ti.cos(turn) + ti.select(axis > size.x, -reach, reach)
    span = cylinder_span(size, o.x, m)
    sine = tm.mix(span.x, span.y, u.x)
    x = o.x + m * sine / ti.sqrt(ti.max(1.0 - sine * sine, 1e-12))
    return tm.vec3(tm.clamp(x, -0.5 * size.y, 0.5 * size.y), o.y + m * ti.cos(angle), o.z + m * ti.sin(angle))


@ti.func
def shape_point(kind: ti.i32, size: tm.vec2, o: tm.vec3, u: tm.vec2):
    """A point of a shape, with the density that `shape_pdf` tells, and the shape's `shape_angle`."""
    s, omega = tm.vec3(0.0), 0.0
    phi = 2.0 * PI * u.y
    if kind == RECTANGLE:
        s, omega = rectangle_point(size, o, u)
    elif kind == DISK:
        r = size.x * ti.sqrt(u.x)
        s = tm.vec3(r * ti.cos(phi), r * ti.sin(phi), 0.0)
    elif kind == SPHERE:
        d2 = o.dot(o)
        if d2 > size.x * size.x:
            d = ti.sqrt(d2)
            sine2 = size.x * size.x / d2
            away = u.x * sine2 / (1.0 + ti.sqrt(ti.max(0.0, 1.0 - sine2)))
            w = around(-o / d, away, phi)
            depth = ti.sqrt(ti.max(0.0, size.x * size.x - d2 * away * (2.0 - away)))
            s = o + w * (d * (1.0 - away) - depth)
        else:
            s = size.x * around(tm.vec3(0.0, 0.0, 1.0), 2.0 * u.x, phi)
    else:
        s = cylinder_point(size, o, u)
    return s, omega


@ti.func
def shape_normal(kind: ti.i32, size: tm.vec2, s: tm.vec3) -> tm.vec3:
    n = tm.vec3(0.0, 0.0, -1.0)
    if kind == SPHERE:
        n = s / size.x
    elif kind == CYLINDER:
        n = tm.vec3(0.0, s.y, s.z) / size.x
    return n


@ti.func
def lat_long(d: tm.vec3) -> tm.vec2:
    """Direction to image coordinates: y up, -z in the middle."""
    flat = ti.sqrt(d.x * d.x + d.z * d.z)
    return tm.vec2(0.5 + ti.atan2(d.x, -d.z) / (2.0 * PI), ti.atan2(flat, d.y) / PI)


@ti.func
def shape_uv(kind: ti.i32, size: tm.vec2, s: tm.vec3) -> tm.vec2:
    """Where an image lies on a shape: upright and not mirrored for who looks into the light."""
    uv = tm.vec2(0.0)
    if kind == RECTANGLE:
        uv = tm.vec2(0.5 - s.x / size.x, 0.5 - s.y / size.y)
    elif kind == DISK:
        uv = tm.vec2(0.5 - 0.5 * s.x / size.x, 0.5 - 0.5 * s.y / size.x)
    elif kind == SPHERE:
        uv = lat_long(s / size.x)
    elif kind == CYLINDER:
        uv = tm.vec2(0.5 + ti.atan2(s.y, s.z) / (2.0 * PI), 0.5 - s.x / size.y)
    return uv


@ti.func
def shape_pdf(kind: ti.i32, size: tm.vec2, sides: ti.i32, o: tm.vec3, s: tm.vec3, omega: ti.f32) -> ti.f32:
    """Density per solid angle at `o` of `shape_point` making `s`; 0 where the shape does not radiate towards `o`.

    `omega` is the shape's `shape_angle` from `o`.
    """
    v = s - o
    d2, r2 = v.dot(v), size.x * size.x
    pdf = 0.0
    if kind == CYLINDER:
        # from outside the wall that was met is the near one, from inside only a two-sided light is seen
        across = v.y * v.y + v.z * v.z
        if d2 > 0.0 and (sides == 2 or o.y * o.y + o.z * o.z > r2):
            span = cylinder_span(size, o.x, ti.sqrt(across))
            pdf = 0.5 / ti.max(cylinder_sweep(size, o) * (span.y - span.x), 1e-20)
    elif kind == SPHERE and o.dot(o) > r2:
        sine2 = r2 / o.dot(o)
        pdf = (1.0 + ti.sqrt(ti.max(0.0, 1.0 - sine2))) / (2.0 * PI * sine2)
    else:
        facing = -v.dot(shape_normal(kind, size, s))
        facing = ti.abs(facing) if sides == 2 else facing
        if facing > 1e-7 * ti.sqrt(d2):
            pdf = d2 * ti.sqrt(d2) / facing
            if kind == RECTANGLE:
                pdf /= size.x * size.y
                if omega > RECTANGLE_BY_ANGLE:
                    pdf = 1.0 / omega
            elif kind == DISK:
                pdf /= PI * r2
            else:
                pdf /= 4.0 * PI * r2
    return pdf
