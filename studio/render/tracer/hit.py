"""What a ray met: the geometry of a hit, its shading frame, and its material with textures applied."""

import taichi as ti

from studio.render.tracer import eye, surface, traverse
from studio.render.tracer.textures import slot_value
from studio.scene.materials import OFFSET, SLOTS

vec2 = ti.math.vec2
vec3 = ti.math.vec3

_SLOT_START = OFFSET["slot_start"]
_SLOT_COUNT = OFFSET["slot_count"]
_BUMP = OFFSET["bump_scale"]
_NORMAL_SCALE = OFFSET["normal_scale"]
_EYE = OFFSET["eye_iris_radius"]
_WRINKLES = OFFSET["wrinkle_1"]  # the other two follow
_WRINKLE_NORMALS, _WRINKLE_COLORS = SLOTS["wrinkle_1_normal"], SLOTS["wrinkle_1_color"]


@ti.func
def to_local(x: vec3, y: vec3, z: vec3, v: vec3) -> vec3:
    return vec3(x.dot(v), y.dot(v), z.dot(v))


@ti.func
def frame_of(n: vec3):
    """Orthonormal basis around n (Duff et al., "Building an Orthonormal Basis, Revisited", JCGT 2017)."""
    s = 1.0 if n[2] >= 0.0 else -1.0
    a = -1.0 / (s + n[2])
    b = n[0] * n[1] * a
    return vec3(1.0 + s * n[0] * n[0] * a, s * b, -s * n[0]), vec3(b, s + n[1] * n[1] * a, -n[1])


@ti.func
def offset_origin(p: vec3, n: vec3) -> vec3:
    """Move p off its surface along n by more than the error of computing p (a few ulps of its largest coordinate)."""
    return p + n * (4.0e-6 * ti.max(ti.abs(p[0]), ti.abs(p[1]), ti.abs(p[2])) + 1.0e-7)


@ti.dataclass
class Hit:
    """Where a ray met a surface: position, geometric normal (outward by winding), shading frame, coordinates."""

    p: vec3
    ng: vec3
    x: vec3
    y: vec3
    z: vec3
    coat: vec3  # normal of the coat: the smooth one, or its own map's
    uv: vec2
    uv1: vec2
    color: ti.types.vector(4, ti.f32)
    material: ti.i32
    part: ti.i32
    local: ti.i32


@ti.func
def hit_geometry(
    tris: ti.template(),
    indices: ti.template(),
    vertices: ti.template(),
    inst: ti.template(),
    parts: ti.template(),
    tri,
    k,
    u: ti.f32,
    v: ti.f32,
    time: ti.f32,
):
    """Everything geometric about a hit; the frame is the smooth one with given or derived tangents."""
    h = Hit()
    shift = ti.bit_cast(inst[k, traverse.SHIFT], ti.i32)
    p0 = traverse.corner(tris, tri, 0, shift, time)
    p1 = traverse.corner(tris, tri, 1, shift, time)
    p2 = traverse.corner(tris, tri, 2, shift, time)
    e1 = p1 - p0
    e2 = p2 - p0
    w = 1.0 - u - v
    h.p = p0 * w + p1 * u + p2 * v
    code = ti.bit_cast(tris[tri, 9], ti.i32) & traverse.PART_MASK
    h.part = code + ti.bit_cast(inst[k, traverse.PARTS], ti.i32)
    h.material = parts[h.part, traverse.PART_MATERIAL]
    h.local = indices[tri, 3]
    flags = parts[h.part, traverse.PART_VERTEX_FLAGS]
    i0 = indices[tri, 0]
    i1 = indices[tri, 1]
    i2 = indices[tri, 2]
    a0 = vec2(vertices[i0, 3], vertices[i0, 4])
    a1 = vec2(vertices[i1, 3], vertices[i1, 4])
    a2 = vec2(vertices[i2, 3], vertices[i2, 4])
    h.uv = a0 * w + a1 * u + a2 * v
    for c in ti.static(range(2)):
        h.uv1[c] = vertices[i0, 5 + c] * w + vertices[i1, 5 + c] * u + vertices[i2, 5 + c] * v
    h.color = ti.Vector([1.0, 1.0, 1.0, 1.0])
    if flags & traverse.HAS_COLORS:
        for c in ti.static(range(4)):
            h.color[c] = (
                vertices[i0, traverse.V_COLOR + c] * w
                + vertices[i1, traverse.V_COLOR + c] * u
                + vertices[i2, traverse.V_COLOR + c] * v
            )
    ng = e1.cross(e2)
    n = ng
    if flags & traverse.HAS_NORMALS:
        for c in ti.static(range(3)):
            n[c] = vertices[i0, c] * w + vertices[i1, c] * u + vertices[i2, c] * v
    # tangent: given, or along u of the texture
    d1 = a1 - a0
    d2 = a2 - a0
    det = d1[0] * d2[1] - d1[1] * d2[0]
    t = e1 * d2[1] - e2 * d1[1]
    hand = -1.0 if det < 0.0 else 1.0
    t *= hand
    hand = -hand  # v runs down: an image that is not mirrored turns the other way than u and v do
    if flags & traverse.HAS_TANGENTS:
        for c in ti.static(range(3)):
            t[c] = (
                vertices[i0, traverse.V_TANGENT + c] * w
                + vertices[i1, traverse.V_TANGENT + c] * u
                + vertices[i2, traverse.V_TANGENT + c] * v
            )
        hand = vertices[i0, traverse.V_TANGENT + 3]
    if k > 0:
        x, y, z, o = traverse.object_matrix(inst, k, time)
        h.p = x * h.p[0] + y * h.p[1] + z * h.p[2] + o
        t = x * t[0] + y * t[1] + z * t[2]
        yz = y.cross(z)
        s = 1.0 if x.dot(yz) >= 0.0 else -1.0
        zx = z.cross(x)
        xy = x.cross(y)
        ng = (yz * ng[0] + zx * ng[1] + xy * ng[2]) * s
        n = (yz * n[0] + zx * n[1] + xy * n[2]) * s
    h.ng = ng / ti.max(ng.norm(), 1e-30)
    h.z = n / ti.max(n.norm(), 1e-30)
    if n.norm() < 1e-20:
        h.z = h.ng
    t = t - h.z * t.dot(h.z)
    length = t.norm()
    if length > 1e-12:
        h.x = t / length
        h.y = h.z.cross(h.x) * hand
    else:
        h.x, h.y = frame_of(h.z)
    return h


@ti.func
def resolve(
    h: ti.template(),
    wo: vec3,
    instance,
    time: ti.f32,
    inst: ti.template(),
    materials: ti.template(),
    slots: ti.template(),
    texels: ti.template(),
    images: ti.template(),
):
    """The material at a hit seen from `wo`, with its textures applied, and the frame bent by normal and bump maps.

    An eye (`eye`) turns the hit into that of the iris where the cornea is: place, normals and coordinates change.
    """
    m = h.material
    s = surface.load_surface(materials, m)
    s.base_color *= h.color.xyz
    h.coat = h.z
    e = eye.Eye(iris=0.0, ring=1.0)
    is_eye = materials[m, _EYE] > 0.0
    if is_eye:
        e = eye.look(h, wo, materials, inst, instance, time)
        h.uv, h.uv1 = e.uv, e.uv
        h.p, h.ng = e.p, e.ng
        h.x, h.y, h.z = e.x, e.y, e.normal
        s.specular_weight *= 1.0 - e.iris
        s.subsurface_weight *= 1.0 - ti.math.smoothstep(0.0, 0.05, e.iris)
    x0, y0, z0 = h.x, h.y, h.z
    start = ti.cast(materials[m, _SLOT_START], ti.i32)
    count = ti.cast(materials[m, _SLOT_COUNT], ti.i32)
    for k in range(start, start + count):
        target = ti.cast(slots[k, 0], ti.i32)
        taps = 3 if target == SLOTS["bump"] else 1
        wrinkle = 0.0
        if target >= _WRINKLE_NORMALS:
            wrinkle = materials[m, _WRINKLES + (target - _WRINKLE_NORMALS) % 3]
            if wrinkle <= 0.0:
                taps = 0
        step = 1.0 / 1024.0
        first = ti.Vector([0.0, 0.0, 0.0, 0.0])
        slope = vec2(0.0)
        for tap in range(taps):
            d = vec2(step if tap == 1 else 0.0, step if tap == 2 else 0.0)
            val = slot_value(texels, images, slots, k, h.uv + d, h.uv1 + d)
            if tap == 0:
                first = val
            elif tap == 1:
                slope[0] = (val[0] - first[0]) / step
            else:
                slope[1] = (val[0] - first[0]) / step
        rgb = first.xyz
        if target == SLOTS["base_color"]:
            s.base_color *= rgb
        elif target == SLOTS["base_metalness"]:
            s.base_metalness *= first[0]
        elif target == SLOTS["specular_roughness"]:
            s.specular_roughness *= first[0]
        elif target == SLOTS["specular_weight"]:
            s.specular_weight *= first[0]
        elif target == SLOTS["specular_color"]:
            s.specular_color *= rgb
        elif target == SLOTS["specular_roughness_anisotropy"]:
            s.specular_roughness_anisotropy *= first[0]
        elif target == SLOTS["specular_rotation"]:
            s.specular_rotation += 6.283185307 * first[0]
        elif target == SLOTS["transmission_weight"]:
            s.transmission_weight *= first[0]
        elif target == SLOTS["coat_weight"]:
            s.coat_weight *= first[0]
        elif target == SLOTS["coat_roughness"]:
            s.coat_roughness *= first[0]
        elif target == SLOTS["coat_color"]:
            s.coat_color *= rgb
        elif target == SLOTS["fuzz_weight"]:
            s.fuzz_weight *= first[0]
        elif target == SLOTS["fuzz_color"]:
            s.fuzz_color *= rgb
        elif target == SLOTS["fuzz_roughness"]:
            s.fuzz_roughness *= first[0]
        elif target == SLOTS["emission_color"]:
            s.emission *= rgb
        elif target == SLOTS["thin_film_weight"]:
            s.thin_film_weight *= first[0]
        elif target == SLOTS["thin_film_thickness"]:
            s.thin_film_thickness *= first[0]
        elif target == SLOTS["subsurface_weight"]:
            s.subsurface_weight *= first[0]
        elif target == SLOTS["subsurface_color"]:
            s.subsurface_color *= rgb
        elif target >= _WRINKLE_COLORS:
            if wrinkle > 0.0:
                tint = vec3(1.0) + (rgb - 1.0) * wrinkle
                s.base_color *= tint
                s.subsurface_color *= tint
        elif target == SLOTS["geometry_coat_normal"]:
            q = rgb * 2.0 - 1.0
            h.coat = (x0 * q[0] + y0 * q[1] + z0 * ti.max(q[2], 1e-3)).normalized()
        elif target == SLOTS["geometry_normal"] or target == SLOTS["bump"] or wrinkle > 0.0:
            q = vec3(0.0, 0.0, 1.0)
            if target == SLOTS["bump"]:
                q = vec3(-slope[0], slope[1], 1.0 / ti.max(ti.abs(materials[m, _BUMP]), 1e-9))
                q[0] *= ti.math.sign(materials[m, _BUMP])
                q[1] *= ti.math.sign(materials[m, _BUMP])
            else:
                q = rgb * 2.0 - 1.0
                strength = materials[m, _NORMAL_SCALE]
                if target >= _WRINKLE_NORMALS:  # laid over what bends the surface already, by how far it shows
                    strength *= wrinkle
                q[0] *= strength
                q[1] *= strength
            n = h.x * q[0] + h.y * q[1] + h.z * ti.max(q[2], 1e-3)
            h.z = n.normalized()
            h.x = (h.x - h.z * h.x.dot(h.z)).normalized()
            h.y = h.z.cross(h.x) * (1.0 if h.y.dot(h.z.cross(h.x)) >= 0.0 else -1.0)
    if is_eye:
        tint = eye.colour(e, materials, m)
        s.base_color *= tint
        s.subsurface_color *= tint
    return s


@ti.func
def face_viewer(h: ti.template(), wo: vec3):
    """Turn the frame toward wo; returns whether the back side was hit. A bent normal never faces away from wo."""
    back = 0
    if h.ng.dot(wo) < 0.0:
        back = 1
        h.ng = -h.ng
    if h.z.dot(h.ng) < 0.0:
        h.z = -h.z
    if h.coat.dot(h.ng) < 0.0:
        h.coat = -h.coat
    d = h.coat.dot(wo)
    if d < 1.0e-3:
        h.coat = (h.coat + wo * (2.0e-3 - d)).normalized()
    d = h.z.dot(wo)
    if d < 1.0e-3:
        h.z = (h.z + wo * (2.0e-3 - d)).normalized()
    t = h.x - h.z * h.x.dot(h.z)
    if t.norm() > 1e-6:
        h.x = t.normalized()
        h.y = h.z.cross(h.x)
    else:
        h.x, h.y = frame_of(h.z)
    return back
