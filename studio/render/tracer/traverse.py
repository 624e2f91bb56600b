"""Rays through the scene: one loop over two levels, closest hit or any hit.

Triangles of objects that stand still and are not shared lie in one world-space hierarchy whose root is an ordinary
child of the top level, so a scene without instances pays nothing for having them. A leaf of the top level that is an
instance moves the ray into the object's space and leaves a mark on the stack.

A node has four children, whose boxes are tested side by side. The loop is written for how LLVM makes vectors of it:
planes lie four abreast, the answers are first summed into one number (else the tests of later children are moved behind
branches and each is done alone), and minima are Taichi's own (comparisons of ours would be paired across axes instead).

Triangles are tested with Pluecker coordinates relative to the ray's origin: an edge shared by two triangles is
evaluated from the same two vertices with opposite sign, so no ray slips between them (watertight, as Embree's robust
mode). Boxes are tested with a far plane widened by a few ulps (Ize, "Robust BVH Ray Traversal", JCGT 2013).
"""

import taichi as ti

from studio.render.tracer.bvh import MAX_DEPTH, WIDTH
from studio.render.tracer.light_rows import linked
from studio.render.tracer.sampler import hash_u32, to_unit
from studio.render.tracer.textures import slot_value
from studio.scene.materials import OFFSET, SLOTS

vec3 = ti.math.vec3
vec2 = ti.math.vec2

STACK = 2 * (WIDTH - 1) * MAX_DEPTH + 2
INSTANCE_BIT = 1 << 29  # in ~reference of a top-level leaf: an instance, not triangles
RETURN = -2147483647  # stack mark: back to world space
FAR = 1.0e30
WIDEN = 1.0 + 5.0e-7

# nodes of `bvh.widen`, eight vectors each: lo x of the four children, hi x, lo y, hi y, lo z, hi z, references, unused
NODES = ti.types.ndarray(dtype=ti.types.vector(4, ti.f32), ndim=1)

# columns of an instance row (f32; integers as bits)
INV = 0  # world to object, 3x4, at shutter open
OPEN = 12  # object to world, 3x4
CLOSE = 24
ROOT = 36  # node
PARTS = 37  # first row of the parts table
FLAGS = 38
SHIFT = 39  # triangle rows from open to close vertices, 0 when the shape is still
INSTANCE_STRIDE = 40
MOVING = 1  # flag: open and close differ
HIDDEN_CAMERA, HIDDEN_REFLECTION, HIDDEN_SHADOW = 2, 4, 8

# columns of a triangle row (f32): nine coordinates, then part | ALPHA_BIT | LINK_BIT as bits
TRIANGLE_STRIDE = 10
ALPHA_BIT = 1 << 30  # may let rays through
LINK_BIT = 1 << 29  # does not block all lights
PART_MASK = LINK_BIT - 1

# columns of a triangle's index row (i32)
INDEX_STRIDE = 4  # three vertices, number of the triangle within its part

# columns of a row of the parts table (i32)
PART_MATERIAL = 0
PART_OBJECT = 1
PART_LIGHT = 2  # light index or -1
PART_VERTEX_FLAGS = 3  # HAS_*
PART_LINK = 4  # its set of receivers, a row of the light links
PART_SHADOW = 5  # its set of blockers, a row of the shadow links
PART_STRIDE = 6
HAS_NORMALS, HAS_TANGENTS, HAS_COLORS = 1, 2, 4

# columns of a vertex row (f32)
V_NORMAL, V_UV0, V_UV1, V_TANGENT, V_COLOR = 0, 3, 5, 7, 11
VERTEX_STRIDE = 7  # normals and both uvs; the wide form adds tangent and colour
VERTEX_STRIDE_WIDE = 15

_ALPHA_MODE = OFFSET["alpha_mode"]
_ALPHA_CUTOFF = OFFSET["alpha_cutoff"]
_OPACITY = OFFSET["geometry_opacity"]
_SLOT_START = OFFSET["slot_start"]
_SLOT_COUNT = OFFSET["slot_count"]
_OPACITY_SLOT = SLOTS["geometry_opacity"]


@ti.func
def affine_point(rows: ti.template(), i, base, p: vec3) -> vec3:
    return vec3(
        rows[i, base] * p[0] + rows[i, base + 1] * p[1] + rows[i, base + 2] * p[2] + rows[i, base + 3],
        rows[i, base + 4] * p[0] + rows[i, base + 5] * p[1] + rows[i, base + 6] * p[2] + rows[i, base + 7],
        rows[i, base + 8] * p[0] + rows[i, base + 9] * p[1] + rows[i, base + 10] * p[2] + rows[i, base + 11],
    )


@ti.func
def affine_vector(rows: ti.template(), i, base, v: vec3) -> vec3:
    return vec3(
        rows[i, base] * v[0] + rows[i, base + 1] * v[1] + rows[i, base + 2] * v[2],
        rows[i, base + 4] * v[0] + rows[i, base + 5] * v[1] + rows[i, base + 6] * v[2],
        rows[i, base + 8] * v[0] + rows[i, base + 9] * v[1] + rows[i, base + 10] * v[2],
    )


@ti.func
def object_matrix(inst: ti.template(), k, time: ti.f32):
    """Columns x, y, z and origin of the object-to-world matrix of instance k at `time` in [0, 1] of the shutter."""
    m = ti.Matrix.zero(ti.f32, 3, 4)
    for r in ti.static(range(3)):
        for c in ti.static(range(4)):
            m[r, c] = inst[k, OPEN + r * 4 + c] * (1.0 - time) + inst[k, CLOSE + r * 4 + c] * time
    return (
        vec3(m[0, 0], m[1, 0], m[2, 0]),
        vec3(m[0, 1], m[1, 1], m[2, 1]),
        vec3(m[0, 2], m[1, 2], m[2, 2]),
        vec3(m[0, 3], m[1, 3], m[2, 3]),
    )


@ti.func
def into_object(inst: ti.template(), k, time: ti.f32, o: vec3, d: vec3):
    """Ray in the space of instance k; the direction keeps its length's meaning, so t is the same in both spaces."""
    oo = vec3(0.0)
    od = vec3(0.0)
    if ti.bit_cast(inst[k, FLAGS], ti.i32) & MOVING:
        x, y, z, w = object_matrix(inst, k, time)
        yz = y.cross(z)
        zx = z.cross(x)
        xy = x.cross(y)
        s = 1.0 / x.dot(yz)
        p = o - w
        oo = vec3(yz.dot(p), zx.dot(p), xy.dot(p)) * s
        od = vec3(yz.dot(d), zx.dot(d), xy.dot(d)) * s
    else:
        oo = affine_point(inst, k, INV, o)
        od = affine_vector(inst, k, INV, d)
    return oo, od


@ti.func
def inverse_direction(d: vec3) -> vec3:
    """1/d with zeros pushed off zero, so that slabs never see 0 * inf."""
    tiny = 1.0e-18
    return vec3(
        1.0 / (d[0] if ti.abs(d[0]) > tiny else tiny),
        1.0 / (d[1] if ti.abs(d[1]) > tiny else tiny),
        1.0 / (d[2] if ti.abs(d[2]) > tiny else tiny),
    )


@ti.func
def corner(tris: ti.template(), i, k: ti.template(), shift, time: ti.f32) -> vec3:
    """Corner k of triangle row i, moved through the shutter when its shape deforms."""
    p = vec3(tris[i, k * 3], tris[i, k * 3 + 1], tris[i, k * 3 + 2])
    if shift != 0:
        j = i + shift
        p += (vec3(tris[j, k * 3], tris[j, k * 3 + 1], tris[j, k * 3 + 2]) - p) * time
    return p


@ti.func
def hit_triangle(v0: vec3, v1: vec3, v2: vec3, d: vec3):
    """Distance (or -1) and the weights of corners 1 and 2; corners are relative to the ray's origin."""
    e0 = v2 - v0
    e1 = v0 - v1
    e2 = v1 - v2
    a = (v2 + v0).cross(e0).dot(d)  # weight of corner 1
    b = (v0 + v1).cross(e1).dot(d)  # weight of corner 2
    c = (v1 + v2).cross(e2).dot(d)
    t = -1.0
    u = 0.0
    v = 0.0
    lo = ti.min(a, b, c)
    hi = ti.max(a, b, c)
    if lo >= 0.0 or hi <= 0.0:
        n = e1.cross(e0)
        den = n.dot(d)
        s = a + b + c
        if den != 0.0 and s != 0.0:
            t = v0.dot(n) / den
            u = a / s
            v = b / s
    return t, u, v


@ti.func
def opacity_at(
    i,
    part,
    u,
    v,
    indices: ti.template(),
    vertices: ti.template(),
    parts: ti.template(),
    materials: ti.template(),
    slots: ti.template(),
    texels: ti.template(),
    images: ti.template(),
) -> ti.f32:
    """Opacity of triangle row i at weights u, v, after alpha mode and textures."""
    m = parts[part, PART_MATERIAL]
    i0 = indices[i, 0]
    i1 = indices[i, 1]
    i2 = indices[i, 2]
    w = 1.0 - u - v
    uv0 = vec2(0.0)
    uv1 = vec2(0.0)
    for k in ti.static(range(2)):
        uv0[k] = vertices[i0, V_UV0 + k] * w + vertices[i1, V_UV0 + k] * u + vertices[i2, V_UV0 + k] * v
        uv1[k] = vertices[i0, V_UV1 + k] * w + vertices[i1, V_UV1 + k] * u + vertices[i2, V_UV1 + k] * v
    alpha = materials[m, _OPACITY]
    start = ti.cast(materials[m, _SLOT_START], ti.i32)
    for s in range(start, start + ti.cast(materials[m, _SLOT_COUNT], ti.i32)):
        if ti.cast(slots[s, 0], ti.i32) == _OPACITY_SLOT:
            alpha *= slot_value(texels, images, slots, s, uv0, uv1)[0]
    if parts[part, PART_VERTEX_FLAGS] & HAS_COLORS:
        alpha *= vertices[i0, V_COLOR + 3] * w + vertices[i1, V_COLOR + 3] * u + vertices[i2, V_COLOR + 3] * v
    if materials[m, _ALPHA_MODE] == 1.0:
        alpha = ti.select(alpha >= materials[m, _ALPHA_CUTOFF], 1.0, 0.0)
    return alpha


@ti.func
def behind(inv: vec3):
    """Per axis 1 where the ray goes down, so that it enters boxes by their upper plane."""
    return ti.cast(inv[0] < 0.0, ti.i32), ti.cast(inv[1] < 0.0, ti.i32), ti.cast(inv[2] < 0.0, ti.i32)


@ti.func
def trace(
    nodes: ti.template(),
    tris: ti.template(),
    indices: ti.template(),
    vertices: ti.template(),
    inst: ti.template(),
    parts: ti.template(),
    materials: ti.template(),
    slots: ti.template(),
    texels: ti.template(),
    images: ti.template(),
    root,
    o: vec3,
    d: vec3,
    time: ti.f32,
    tmax: ti.f32,
    hidden,
    key: ti.u32,
    any_hit: ti.template(),
    shadow_links: ti.template(),
    light,
):
    """Closest (or any) opaque hit in (0, tmax): distance, triangle row (-1: none), instance row, weights u, v.

    `hidden` is the HIDDEN_* flag of this kind of ray; `key` seeds the coin for partial opacity. A ray for any hit is a
    shadow ray of `light` and passes what that light's bit of `shadow_links` says does not block it; others ignore both.
    """
    ro = o
    rd = d
    inv = inverse_direction(d)
    sx, sy, sz = behind(inv)
    far = inv * WIDEN
    stack = ti.Vector([0] * STACK, dt=ti.i32)
    sp = 0
    node = root
    best = tmax
    prim = -1
    here = 0
    shift = 0
    hit_inst = 0
    hit_u = 0.0
    hit_v = 0.0
    run = 1
    while run == 1:
        pop = 0
        if node >= 0:
            n = node * 8
            ax = (nodes[n + sx] - ro[0]) * inv[0]
            ay = (nodes[n + 2 + sy] - ro[1]) * inv[1]
            az = (nodes[n + 4 + sz] - ro[2]) * inv[2]
            bx = (nodes[n + 1 - sx] - ro[0]) * far[0]
            by = (nodes[n + 3 - sy] - ro[1]) * far[1]
            bz = (nodes[n + 5 - sz] - ro[2]) * far[2]
            enter = ti.max(ti.max(ax, ay), ti.max(az, 0.0))
            leave = ti.min(ti.min(bx, by), ti.min(bz, best))
            bits = nodes[n + 6]
            met = 0  # bit k: child k
            for k in ti.static(range(WIDTH)):
                met += ti.select(enter[k] <= leave[k], 1 << k, 0)
            pop = 1
            first = FAR
            for k in ti.static(range(WIDTH)):
                if met & (1 << k):
                    ref = ti.bit_cast(bits[k], ti.i32)  # the nearest is next, the others wait
                    if pop == 1:
                        node = ref
                        first = enter[k]
                        pop = 0
                    elif ti.static(any_hit):
                        stack[sp] = ref
                        sp += 1
                    elif enter[k] < first:
                        stack[sp] = node
                        sp += 1
                        node = ref
                        first = enter[k]
                    else:
                        stack[sp] = ref
                        sp += 1
        elif node == RETURN:
            ro = o
            rd = d
            inv = inverse_direction(d)
            sx, sy, sz = behind(inv)
            far = inv * WIDEN
            here = 0
            shift = 0
            pop = 1
        else:
            leaf = ~node
            if leaf & INSTANCE_BIT:
                k = leaf & (INSTANCE_BIT - 1)
                pop = 1
                if (ti.bit_cast(inst[k, FLAGS], ti.i32) & hidden) == 0:
                    ro, rd = into_object(inst, k, time, o, d)
                    inv = inverse_direction(rd)
                    sx, sy, sz = behind(inv)
                    far = inv * WIDEN
                    here = k
                    shift = ti.bit_cast(inst[k, SHIFT], ti.i32)
                    stack[sp] = RETURN
                    sp += 1
                    node = ti.bit_cast(inst[k, ROOT], ti.i32)
                    pop = 0
            else:
                first = leaf >> 3
                for i in range(first, first + (leaf & 7) + 1):
                    v0 = corner(tris, i, 0, shift, time) - ro
                    v1 = corner(tris, i, 1, shift, time) - ro
                    v2 = corner(tris, i, 2, shift, time) - ro
                    t, u, v = hit_triangle(v0, v1, v2, rd)
                    if t > 0.0 and t < best:
                        part = ti.bit_cast(tris[i, 9], ti.i32)
                        keep = 1
                        if part > PART_MASK:
                            row = (part & PART_MASK) + ti.bit_cast(inst[here, PARTS], ti.i32)
                            if ti.static(any_hit):
                                if part & LINK_BIT:
                                    keep = linked(shadow_links, parts[row, PART_SHADOW], light)
                            if keep == 1 and part & ALPHA_BIT:
                                alpha = opacity_at(
                                    i, row, u, v, indices, vertices, parts, materials, slots, texels, images
                                )
                                coin = to_unit(hash_u32(key ^ hash_u32(ti.cast(i * 31 + here, ti.u32))))
                                keep = ti.cast(coin < alpha, ti.i32)
                        if keep == 1:
                            best = t
                            prim = i
                            hit_inst = here
                            hit_u = u
                            hit_v = v
                pop = 1
                if ti.static(any_hit):
                    if prim >= 0:
                        sp = 0
        if pop == 1:
            if sp == 0:
                run = 0
            else:
                sp -= 1
                node = stack[sp]
    return best, prim, hit_inst, hit_u, hit_v
