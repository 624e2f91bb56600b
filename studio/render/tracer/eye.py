"""The eye closure: what is seen through a cornea, by one formula here and in `studio/viewport/shaders/eye.glsl`.

An eyeball's object space has its centre of rotation at 0, looks along +z with +y up, and its iris lies on the plane
z = eye_iris_plane. A ray that meets the surface over the iris is refracted there, by the mesh's normal and the coat's
index, and runs straight to that plane: what it shows is the map's point there, so the iris has depth and shifts under
the cornea as it does in life. The map is planar and spans two iris radii R to each side: u = 1/2 + x / 4R,
v = 1/2 - y / 4R. Elsewhere it is looked up where the surface itself is. Over the limbus both points are mixed by
`REACH`, so that the seam is as soft as it is in life (about half a millimetre), and a ray that leaves the iris's disc
below the cornea sees the white that the map has there.

Inside the iris the surface that is lit is not the cornea but a shallow bowl (`BOWL`), which brightens opposite the
light as caustics do there. It is lit from before the cornea (`LIFT`): the cornea would else throw a shadow of its own
mesh on what it lets all light pass to. The coat keeps the mesh's normal; the geometric normal goes most of the way to
the eye's axis (`LEAN`), so that the bowl is not cut by the cornea's horizon.
"""

import taichi as ti

from studio.render.tracer import traverse
from studio.scene.materials import OFFSET

vec2 = ti.math.vec2
vec3 = ti.math.vec3

# In shares of the iris's radius. eye.glsl has the same numbers under the same names.
REACH = (0.94, 1.04)  # distance from the axis over which the surface stops to be cornea
RIM = (0.94, 1.04)  # radius over which the iris ends
RING_AT, RING_WIDTH = 0.98, 0.1  # the dark ring of the limbus
DRAWN_PUPIL = 0.35  # radius of the pupil in the map
WIDEST = 1.9  # what is seen beyond is shown as if it were here, within the map
LIFT = 0.65  # the lit iris lies this far before its plane
BOWL = 0.25
LEAN = 0.85
FLATTEST = 0.05  # cosine to the plane below which a ray within the cornea goes no further
EDGE = 0.0005  # of the map, which textures would else repeat at

_RADIUS = OFFSET["eye_iris_radius"]
_PLANE = OFFSET["eye_iris_plane"]
_PUPIL = OFFSET["eye_pupil"]
_LIMBUS = OFFSET["eye_limbus"]
_IRIS = OFFSET["eye_iris_color"]
_COAT_IOR = OFFSET["coat_ior"]


@ti.dataclass
class Eye:
    """What the closure found: the map's coordinates, how far the iris shows, how light the limbus leaves it, and the
    iris as it is lit (world): its place, its normal, and the geometric normal."""

    uv: vec2
    iris: ti.f32
    ring: ti.f32
    p: vec3
    normal: vec3
    ng: vec3
    x: vec3  # along u and against v of the map
    y: vec3


@ti.func
def drawn_radius(r: ti.f32, pupil: ti.f32):
    """Where the map has what is seen at radius r (shares of the iris's) when the pupil is as wide as `pupil`."""
    m = r
    if r < pupil:
        m = r * (DRAWN_PUPIL / pupil)
    elif r < 1.0:
        m = DRAWN_PUPIL + (r - pupil) * ((1.0 - DRAWN_PUPIL) / (1.0 - pupil))
    return m


@ti.func
def look(h: ti.template(), wo: vec3, materials: ti.template(), inst: ti.template(), k, time: ti.f32):
    """The eye at a hit on instance k, seen from `wo` (unit, towards the viewer)."""
    m = h.material
    e = Eye(iris=0.0, ring=1.0, p=h.p, normal=h.z, ng=h.ng)
    x, y, z, o = traverse.object_matrix(inst, k, time)
    yz, zx, xy = y.cross(z), z.cross(x), x.cross(y)
    det = x.dot(yz)
    side = -1.0 if det < 0.0 else 1.0
    scale = 1.0 / det if ti.abs(det) > 1e-30 else 0.0
    d = h.p - o
    at = vec3(yz.dot(d), zx.dot(d), xy.dot(d)) * scale
    radius = materials[m, _RADIUS]
    place = at.xy
    reach = 0.0
    axis = (xy * side).normalized()
    n = h.z if h.z.dot(h.ng) >= 0.0 else -h.z
    if at[2] > 0.0 and h.ng.dot(wo) > 0.0:
        reach = 1.0 - ti.math.smoothstep(REACH[0], REACH[1], place.norm() / radius)
        if reach > 0.0:
            # Snell's law, and on to the plane in the object's space
            eta = 1.0 / ti.max(materials[m, _COAT_IOR], 1.0)
            c = ti.max(n.dot(wo), 0.0)
            t = n * (eta * c - ti.sqrt(ti.max(1.0 - eta * eta * (1.0 - c * c), 0.0))) - wo * eta
            ray = (vec3(yz.dot(t), zx.dot(t), xy.dot(t)) * scale).normalized()
            q = place + ray.xy * (ti.max(at[2] - materials[m, _PLANE], 0.0) / ti.max(-ray[2], FLATTEST))
            q *= ti.min(WIDEST * radius / ti.max(q.norm(), 1e-12), 1.0)
            place += (q - place) * reach
        r = place.norm() / radius
        e.iris = reach * (1.0 - ti.math.smoothstep(RIM[0], RIM[1], r))
        ring = (r - RING_AT) / RING_WIDTH
        e.ring = 1.0 - materials[m, _LIMBUS] * ti.exp(-ring * ring)
    share = place / radius
    r = share.norm()
    pupil = ti.math.clamp(materials[m, _PUPIL], 0.1, 0.9)
    drawn = share * (drawn_radius(r, pupil) / ti.max(r, 1e-6))
    e.uv = ti.math.clamp(vec2(0.5 + 0.25 * drawn[0], 0.5 - 0.25 * drawn[1]), EDGE, 1.0 - EDGE)
    if e.iris > 0.0:
        bowl = (yz * (-BOWL * share[0]) + zx * (-BOWL * share[1]) + xy) * side
        e.normal = (n + (bowl.normalized() - n) * e.iris).normalized()
        lean = LEAN * e.iris * ti.math.clamp(4.0 * axis.dot(wo), 0.0, 1.0)
        e.ng = (h.ng + (axis - h.ng) * lean).normalized()
        lifted = o + x * place[0] + y * place[1] + z * (materials[m, _PLANE] + LIFT * radius)
        e.p = h.p + (lifted - h.p) * ti.math.smoothstep(0.05, 0.35, e.iris)
    # the map's axes on the surface that is lit
    t = x - e.normal * x.dot(e.normal)
    length = t.norm()
    if length > 1e-12:
        e.x = t / length
        e.y = e.normal.cross(e.x) * side
    else:
        e.x, e.y = h.x, h.y
    return e


@ti.func
def colour(e: ti.template(), materials: ti.template(), m):
    """What the closure multiplies the map's colour by."""
    tint = vec3(materials[m, _IRIS], materials[m, _IRIS + 1], materials[m, _IRIS + 2])
    return (vec3(1.0) + (tint - 1.0) * e.iris) * e.ring
