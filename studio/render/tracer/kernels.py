"""The path tracer's kernels: rays in, one bounce at a time, radiance out.

Path states are columns of one array, one path per slot and no compaction, so nothing depends on scheduling. A bounce
is three kernels: `extend` finds what the ray hits, `shade` turns the hit into radiance, a shadow ray and the next ray,
`connect` tests the shadow ray. Each closure, each intersection and each light routine has one call site per kernel,
because Taichi inlines every call and compile time is what a first start costs.

Estimator: unidirectional with multiple importance sampling. A light is drawn from the learned table (`lightpick`);
`candidates` points on lights compete by resampling (Talbot, Cline & Egbert 2005) on what they would contribute without
visibility, and one shadow ray is traced. Both sides of the MIS use pick share times solid-angle density as the
light technique's density; any such pair of positive weights that sums to one is unbiased.
"""

import taichi as ti

from studio.render.tracer import camera as cam_
from studio.render.tracer import emitters, lightpick, sampler, surface, traverse
from studio.render.tracer.sampler import sample_2d
from studio.render.tracer.textures import slot_value
from studio.scene.lights import CASTS_SHADOWS, SEEN_BY_CAMERA, SEEN_IN_REFLECTIONS
from studio.scene.materials import OFFSET, SLOTS

vec2 = ti.math.vec2
vec3 = ti.math.vec3
f32_2d = ti.types.ndarray(dtype=ti.f32, ndim=2)
f32_1d = ti.types.ndarray(dtype=ti.f32, ndim=1)
i32_1d = ti.types.ndarray(dtype=ti.i32, ndim=1)
i32_2d = ti.types.ndarray(dtype=ti.i32, ndim=2)
u32_1d = ti.types.ndarray(dtype=ti.u32, ndim=1)

# rows of the path state (f32; integers as bits)
ORIGIN, DIRECTION, TIME, THROUGHPUT, PDF, CELL, FLAGS = 0, 3, 6, 7, 10, 11, 12
HIT_T, HIT_TRI, HIT_INST, HIT_U, HIT_V, HIT_SHAPE = 13, 14, 15, 16, 17, 18
RADIANCE = 19
SHADOW_ORIGIN, SHADOW_DIRECTION, SHADOW_T, SHADOW_VALUE = 22, 25, 28, 29
SEED, INDEX = 32, 33
VERTEX, NORMAL = 34, 37  # of the last surface hit, for learning
ALPHA = 40
LAYER = 41  # lobe class of the first bounce: 0 none yet, 1 diffuse, 2 specular, 3 transmission
SHADOW_LAYER = 42  # layer and light of the pending shadow ray
SHADOW_LIGHT = 43
MEDIUM = 44  # material + 1 of the medium the ray is in, 0 outside
SHARE = 45  # of the first bounce's throughput: what went into the diffuse class, per channel
SHADOW_DIFFUSE = 48  # diffuse-class part of the pending contribution (first bounce)
VISITED = 51  # 1 when the last bounce shaded a surface
RAYS = 52  # traced so far
LAST_SHARE = 53  # diffuse share of the last scattering, per channel, for lights with unequal gains
STATE_ROWS = 56

# layers of the split film, three rows each
DIRECT_DIFFUSE, INDIRECT_DIFFUSE, DIRECT_SPECULAR, INDIRECT_SPECULAR = 0, 1, 2, 3
DIRECT_TRANSMISSION, INDIRECT_TRANSMISSION, EMISSION_LAYER, LAYERS = 4, 5, 6, 7

ALIVE = 1
MONOCHROME = 2  # a dispersive surface left one colour channel

_EMISSION = OFFSET["emission"]
_SLOT_START = OFFSET["slot_start"]
_SLOT_COUNT = OFFSET["slot_count"]
_DOUBLE_SIDED = OFFSET["double_sided"]
_UNLIT = OFFSET["unlit"]
_BUMP = OFFSET["bump_scale"]
_NORMAL_SCALE = OFFSET["normal_scale"]
_DEPTH = OFFSET["transmission_depth"]
_TRANSMISSION_COLOR = OFFSET["transmission_color"]
_DISPERSION = OFFSET["transmission_dispersion_scale"]
_ABBE = OFFSET["transmission_dispersion_abbe_number"]
_SCATTER = OFFSET["transmission_scatter"]
_ANISOTROPY = OFFSET["transmission_scatter_anisotropy"]
PI = 3.14159265358979


@ti.func
def load3(ps: ti.template(), row: ti.template(), i) -> vec3:
    return vec3(ps[row, i], ps[row + 1, i], ps[row + 2, i])


@ti.func
def store3(ps: ti.template(), row: ti.template(), i, v: vec3):
    ps[row, i] = v[0]
    ps[row + 1, i] = v[1]
    ps[row + 2, i] = v[2]


@ti.func
def load_bits(ps: ti.template(), row: ti.template(), i) -> ti.i32:
    return ti.bit_cast(ps[row, i], ti.i32)


@ti.func
def store_bits(ps: ti.template(), row: ti.template(), i, v: ti.i32):
    ps[row, i] = ti.bit_cast(v, ti.f32)


@ti.func
def path_key(ps: ti.template(), i, bounce) -> ti.u32:
    """Hash for coins that are not worth a Sobol dimension, pure in pixel, sample and bounce."""
    a = ti.bit_cast(ps[SEED, i], ti.u32)
    b = ti.bit_cast(ps[INDEX, i], ti.u32)
    return sampler.hash_u32(a ^ sampler.hash_u32(b + ti.cast(bounce, ti.u32)))


@ti.kernel
def start_paths(
    ps: f32_2d,
    cam: f32_1d,
    pixels: i32_1d,
    n_pixels: ti.i32,
    first_sample: ti.i32,
    n_samples: ti.i32,
    width: ti.i32,
    height: ti.i32,
    frame: ti.i32,
    seed: ti.i32,
    shutter: ti.i32,
):
    """Path s * n_pixels + k is sample first_sample + s of pixel pixels[k] (= y * width + x of the full image)."""
    for i in range(n_pixels * n_samples):
        pixel = pixels[i % n_pixels]
        sample = first_sample + i // n_pixels
        x = pixel % width
        y = pixel // width
        key = sampler.pixel_seed(x, y, frame, seed)
        index = sampler.reverse_bits(ti.cast(sample, ti.u32))
        u = sample_2d(key, index, sampler.PAIR_PIXEL)
        px = ti.cast(x, ti.f32) + 0.5 + cam_.filter_offset(cam, u[0])
        py = ti.cast(y, ti.f32) + 0.5 + cam_.filter_offset(cam, u[1])
        u_lens = vec2(0.5)
        if cam[cam_.LENS] > 0.0:
            u_lens = sample_2d(key, index, sampler.PAIR_LENS)
        time = 0.0
        if shutter == 1:
            time = sample_2d(key, index, sampler.PAIR_TIME)[0]
        o, d = cam_.camera_ray(cam, px, py, ti.cast(width, ti.f32), ti.cast(height, ti.f32), u_lens, time)
        store3(ps, ORIGIN, i, o)
        store3(ps, DIRECTION, i, d)
        ps[TIME, i] = time
        store3(ps, THROUGHPUT, i, vec3(1.0))
        ps[PDF, i] = 0.0
        store_bits(ps, CELL, i, -1)
        store_bits(ps, FLAGS, i, ALIVE)
        store3(ps, RADIANCE, i, vec3(0.0))
        ps[SHADOW_T, i] = 0.0
        ps[SEED, i] = ti.bit_cast(key, ti.f32)
        ps[INDEX, i] = ti.bit_cast(index, ti.f32)
        ps[ALPHA, i] = 1.0
        store_bits(ps, LAYER, i, 0)
        store_bits(ps, MEDIUM, i, 0)
        ps[RAYS, i] = 0.0


@ti.kernel
def extend(
    ps: f32_2d,
    n: ti.i32,
    bounce: ti.i32,
    nodes: f32_2d,
    tris: f32_2d,
    indices: i32_2d,
    vertices: f32_2d,
    inst: f32_2d,
    parts: i32_2d,
    materials: f32_2d,
    slots: f32_2d,
    texels: u32_1d,
    images: i32_2d,
    root: ti.i32,
    shape_nodes: f32_2d,
    shape_ids: i32_1d,
    n_shapes: ti.i32,
    rows: f32_2d,
    info: f32_2d,
):
    ti.loop_config(block_dim=256)
    for i in range(n):
        if load_bits(ps, FLAGS, i) & ALIVE:
            o = load3(ps, ORIGIN, i)
            d = load3(ps, DIRECTION, i)
            time = ps[TIME, i]
            hidden = traverse.HIDDEN_CAMERA if bounce == 0 else traverse.HIDDEN_REFLECTION
            t, tri, k, u, v = traverse.trace(
                nodes,
                tris,
                indices,
                vertices,
                inst,
                parts,
                materials,
                slots,
                texels,
                images,
                root,
                o,
                d,
                time,
                traverse.FAR,
                hidden,
                path_key(ps, i, bounce),
                False,
            )
            shape = -1
            if n_shapes > 0:
                seen = SEEN_BY_CAMERA if bounce == 0 else SEEN_IN_REFLECTIONS
                shape, t = nearest_shape(shape_nodes, shape_ids, rows, info, o, d, time, t, seen)
            ps[RAYS, i] += 1.0
            ps[HIT_T, i] = t
            store_bits(ps, HIT_TRI, i, tri if shape < 0 else -1)
            store_bits(ps, HIT_INST, i, k)
            ps[HIT_U, i] = u
            ps[HIT_V, i] = v
            store_bits(ps, HIT_SHAPE, i, shape)


@ti.func
def nearest_shape(
    nodes: ti.template(),
    ids: ti.template(),
    rows: ti.template(),
    info: ti.template(),
    o: vec3,
    d: vec3,
    time: ti.f32,
    tmax: ti.f32,
    seen,
):
    """Nearest analytic area light before tmax that carries the `seen` flag: light (or -1) and distance."""
    inv = traverse.inverse_direction(d)
    stack = ti.Vector([0] * traverse.MAX_DEPTH, dt=ti.i32)
    sp = 1
    best = tmax
    hit = -1
    while sp > 0:
        sp -= 1
        node = stack[sp]
        for side in range(2):
            b = side * 6
            p = (vec3(nodes[node, b], nodes[node, b + 1], nodes[node, b + 2]) - o) * inv
            q = (vec3(nodes[node, b + 3], nodes[node, b + 4], nodes[node, b + 5]) - o) * inv
            lo = ti.min(p, q)
            hi = ti.max(p, q)
            if ti.max(lo[0], lo[1], lo[2], 0.0) <= ti.min(ti.min(hi[0], hi[1], hi[2]) * traverse.WIDEN, best):
                ref = ti.bit_cast(nodes[node, 12 + side], ti.i32)
                if ref >= 0:
                    stack[sp] = ref
                    sp += 1
                else:
                    first = (~ref) >> 3
                    for j in range(first, first + ((~ref) & 7) + 1):
                        l = ids[j]
                        if light_bits(info, l, 0) & seen:
                            t = emitters.intersect_shape(rows, l, o, d, best, time)
                            if t < best:
                                best = t
                                hit = l
    return hit, best


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
    code = ti.bit_cast(tris[tri, 9], ti.i32) & (traverse.ALPHA_BIT - 1)
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
    h: ti.template(), materials: ti.template(), slots: ti.template(), texels: ti.template(), images: ti.template()
):
    """The material at a hit with its textures applied, and the frame bent by normal and bump maps."""
    m = h.material
    s = surface.load_surface(materials, m)
    s.base_color *= h.color.xyz
    start = ti.cast(materials[m, _SLOT_START], ti.i32)
    count = ti.cast(materials[m, _SLOT_COUNT], ti.i32)
    for k in range(start, start + count):
        target = ti.cast(slots[k, 0], ti.i32)
        taps = 3 if target == SLOTS["bump"] else 1
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
        elif target == SLOTS["geometry_normal"] or target == SLOTS["bump"]:
            q = vec3(0.0, 0.0, 1.0)
            if target == SLOTS["bump"]:
                q = vec3(-slope[0], slope[1], 1.0 / ti.max(ti.abs(materials[m, _BUMP]), 1e-9))
                q[0] *= ti.math.sign(materials[m, _BUMP])
                q[1] *= ti.math.sign(materials[m, _BUMP])
            else:
                q = rgb * 2.0 - 1.0
                q[0] *= materials[m, _NORMAL_SCALE]
                q[1] *= materials[m, _NORMAL_SCALE]
            n = h.x * q[0] + h.y * q[1] + h.z * ti.max(q[2], 1e-3)
            h.z = n.normalized()
            h.x = (h.x - h.z * h.x.dot(h.z)).normalized()
            h.y = h.z.cross(h.x) * (1.0 if h.y.dot(h.z.cross(h.x)) >= 0.0 else -1.0)
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


@ti.func
def add_split(split: ti.template(), i, layer, group, value: vec3, n_layers, n_groups):
    """Add radiance to its layer and light group; rows of `split` are layers, then groups, three each."""
    if n_layers > 0:
        for c in ti.static(range(3)):
            split[layer * 3 + c, i] += value[c]
    if n_groups > 0:
        for c in ti.static(range(3)):
            split[(n_layers + group) * 3 + c, i] += value[c]


@ti.func
def layer_of(klass, direct):
    """Film layer of light that left the first surface by lobe class 1 diffuse, 2 specular, 3 transmission."""
    return (klass - 1) * 2 + (1 - direct)


@ti.kernel
def shade(
    ps: f32_2d,
    n: ti.i32,
    bounce: ti.i32,
    depth: ti.i32,
    candidates: ti.i32,
    roulette: ti.i32,
    patience: ti.f32,
    tris: f32_2d,
    indices: i32_2d,
    vertices: f32_2d,
    inst: f32_2d,
    parts: i32_2d,
    materials: f32_2d,
    slots: f32_2d,
    texels: u32_1d,
    images: i32_2d,
    tables: f32_1d,
    rows: f32_2d,
    table: f32_1d,
    info: f32_2d,
    infinite: i32_1d,
    n_infinite: ti.i32,
    n_lights: ti.i32,
    grid: f32_1d,
    keys: i32_2d,
    start: i32_1d,
    light: i32_1d,
    cdf: f32_1d,
    power_cdf: f32_1d,
    compensate: ti.f32,
    split: f32_2d,
    n_layers: ti.i32,
    n_groups: ti.i32,
):
    """One bounce: emission met, next-event estimate prepared, next ray drawn. `candidates` 0 learns vertices only."""
    ti.loop_config(block_dim=256)
    for i in range(n):
        ps[SHADOW_T, i] = 0.0
        ps[VISITED, i] = 0.0
        flags = load_bits(ps, FLAGS, i)
        if flags & ALIVE:
            o = load3(ps, ORIGIN, i)
            d = load3(ps, DIRECTION, i)
            time = ps[TIME, i]
            throughput = load3(ps, THROUGHPUT, i)
            pdf_before = ps[PDF, i]
            cell_before = load_bits(ps, CELL, i)
            t = ps[HIT_T, i]
            tri = load_bits(ps, HIT_TRI, i)
            shape = load_bits(ps, HIT_SHAPE, i)
            key = path_key(ps, i, bounce)
            medium = load_bits(ps, MEDIUM, i) - 1
            klass = load_bits(ps, LAYER, i)
            scattered = 0
            alive = 1
            if medium >= 0:
                throughput, scattered, t = through_medium(materials, medium, throughput, t, key)
                if scattered == 1:
                    # inside glass every light is behind a refracting surface: no light sampling, full weight later
                    g = materials[medium, _ANISOTROPY]
                    u = sample_2d(
                        ti.bit_cast(ps[SEED, i], ti.u32),
                        ti.bit_cast(ps[INDEX, i], ti.u32),
                        sampler.FIRST_BOUNCE + bounce * sampler.PAIRS_PER_BOUNCE + sampler.PAIR_MEDIUM,
                    )
                    store3(ps, ORIGIN, i, o + d * t)
                    store3(ps, DIRECTION, i, henyey_greenstein(d, g, u))
                    ps[PDF, i] = 0.0
            if scattered == 0:
                h = Hit()
                s = surface.Surface()
                emitted = vec3(0.0)
                first_light = 0
                n_hit = 0
                local = -1
                if tri >= 0:
                    h = hit_geometry(
                        tris,
                        indices,
                        vertices,
                        inst,
                        parts,
                        tri,
                        load_bits(ps, HIT_INST, i),
                        ps[HIT_U, i],
                        ps[HIT_V, i],
                        time,
                    )
                    s = resolve(h, materials, slots, texels, images)
                    facing = h.ng.dot(d) < 0.0 or materials[h.material, _DOUBLE_SIDED] > 0.5
                    if materials[h.material, _UNLIT] > 0.5:
                        s.emission = s.base_color
                        facing = True
                        alive = 0
                    if facing and s.emission.max() > 0.0:
                        emitted = s.emission
                        first_light = parts[h.part, traverse.PART_LIGHT]
                        local = h.local
                        n_hit = 1
                elif shape >= 0:
                    first_light = shape
                    n_hit = 1
                    alive = 0
                else:
                    n_hit = n_infinite
                    alive = 0
                    if bounce == 0:
                        ps[ALPHA, i] = 0.0
                for j in range(n_hit):
                    l = first_light
                    value = emitted
                    if tri < 0:
                        if shape < 0:
                            l = infinite[j]
                        if shape >= 0 or light_bits(info, l, 0) & (
                            SEEN_BY_CAMERA if bounce == 0 else SEEN_IN_REFLECTIONS
                        ):
                            value = emitters.emission_toward(rows, table, texels, images, l, o, d, t, time)
                    if value.max() > 0.0:
                        if pdf_before > 0.0 and l >= 0:
                            q = lightpick.light_share(start, light, cdf, power_cdf, cell_before, l)
                            q *= emitters.light_pdf(rows, table, texels, images, l, o, d, t, local, time)
                            value *= pdf_before * pdf_before / (pdf_before * pdf_before + q * q)
                        if l >= 0 and bounce > 0 and (info[l, 2] != 1.0 or info[l, 3] != 1.0):
                            last = load3(ps, LAST_SHARE, i)
                            value *= last * info[l, 2] + (1.0 - last) * info[l, 3]
                        value *= throughput
                        for c in ti.static(range(3)):
                            ps[RADIANCE + c, i] += value[c]
                        if n_layers + n_groups > 0:
                            group = light_bits(info, l, 1) if l >= 0 else 0
                            direct = ti.cast(bounce == 1, ti.i32)
                            if bounce == 0:
                                add_split(split, i, EMISSION_LAYER, group, value, n_layers, n_groups)
                            else:
                                share = load3(ps, SHARE, i)
                                other = ti.max(klass, 2)
                                add_split(split, i, layer_of(1, direct), group, value * share, n_layers, n_groups)
                                add_split(
                                    split, i, layer_of(other, direct), group, value * (1.0 - share), n_layers, n_groups
                                )
                if bounce + 1 >= depth:
                    alive = 0
                if alive == 1:
                    wo_world = -d
                    s.inside = face_viewer(h, wo_world)
                    s.compensate = compensate
                    s.separable = 1.0 - compensate
                    if materials[h.material, _DISPERSION] > 0.0 and s.transmission_weight > 0.0 and s.thin_walled == 0:
                        channel = path_key(ps, i, -1) % ti.u32(3)
                        s.specular_ior = dispersed_ior(
                            s.specular_ior, materials[h.material, _ABBE] / materials[h.material, _DISPERSION], channel
                        )
                        if (flags & MONOCHROME) == 0:
                            flags |= MONOCHROME
                            for c in ti.static(range(3)):
                                throughput[c] *= 3.0 if channel == ti.u32(c) else 0.0
                    ca = ti.cos(s.specular_rotation)
                    sa = ti.sin(s.specular_rotation)
                    tx = h.x * ca + h.y * sa
                    ty = h.y * ca - h.x * sa
                    wo = to_local(tx, ty, h.z, wo_world)
                    s = surface.prepare(s, wo, tables)
                    cell = lightpick.find_cell(grid, keys, h.p, h.z)
                    if n_lights == 0:
                        cell = -1
                    store_bits(ps, CELL, i, cell)
                    store3(ps, VERTEX, i, h.p)
                    store3(ps, NORMAL, i, h.z)
                    ps[VISITED, i] = 1.0
                    origin = offset_origin(h.p, h.ng)
                    below = offset_origin(h.p, -h.ng)
                    seed = ti.bit_cast(ps[SEED, i], ti.u32)
                    index = ti.bit_cast(ps[INDEX, i], ti.u32)
                    pair = sampler.FIRST_BOUNCE + bounce * sampler.PAIRS_PER_BOUNCE
                    u_pick = sample_2d(seed, index, pair + sampler.PAIR_LIGHT_PICK)
                    u_point = sample_2d(seed, index, pair + sampler.PAIR_LIGHT_POINT)
                    u_lobe = sample_2d(seed, index, pair + sampler.PAIR_LOBE)
                    u_dir = sample_2d(seed, index, pair + sampler.PAIR_DIRECTION)
                    wi_next, lobe = surface.sample(s, wo, u_lobe[0], u_dir)
                    rounds = ti.min(candidates, n_lights)
                    # reservoir over light candidates
                    sum_w = 0.0
                    best_f = vec3(0.0)
                    best_diffuse = vec3(0.0)
                    best_target = 0.0
                    best_dir = vec3(0.0)
                    best_dist = 0.0
                    best_light = 0
                    coin = u_pick[1]
                    next_f = vec3(0.0)
                    next_diffuse = vec3(0.0)
                    next_pdf = 0.0
                    next_world = vec3(0.0)
                    for c in range(rounds + 1):
                        wi = wi_next
                        world = vec3(0.0)
                        dist = 0.0
                        emission = vec3(0.0)
                        density = 0.0
                        delta = 0
                        l = 0
                        go = 1
                        if c < rounds:
                            u = (u_pick[0] + ti.cast(c, ti.f32)) / ti.cast(rounds, ti.f32)
                            l, q = lightpick.pick_light(start, light, cdf, power_cdf, cell, ti.min(u, 0.99999994))
                            shift = ti.cast(c, ti.f32)
                            up = vec2(u_point[0] + shift * 0.7548776662, u_point[1] + shift * 0.5698402910)
                            up -= ti.floor(up)
                            # rescaled below the next float of one, so that no table runs over its end
                            up = ti.min(up, vec2(0.99999994))
                            u1 = u_lobe[1] + shift * 0.6180339887
                            u1 -= ti.floor(u1)
                            world, dist, emission, density, delta = emitters.sample_light(
                                rows, table, texels, images, l, origin, time, up, ti.min(u1, 0.99999994)
                            )
                            density *= q
                            wi = to_local(tx, ty, h.z, world)
                            go = ti.cast(density > 0.0 and emission.max() > 0.0, ti.i32)
                            if wi[2] * world.dot(h.ng) <= 0.0:
                                go = 0
                        elif lobe == 0:
                            go = 0
                        if go == 1:
                            f_diffuse, f_specular, pdf = surface.evaluate(s, wo, wi, tables)
                            if c < rounds:
                                f_diffuse *= info[l, 2]
                                f_specular *= info[l, 3]
                                weight = 1.0
                                if delta == 0:
                                    weight = density * density / (density * density + pdf * pdf)
                                value = (f_diffuse + f_specular) * emission * weight
                                target = value.dot(vec3(0.2126, 0.7152, 0.0722))
                                if target > 0.0:
                                    w = target / density
                                    sum_w += w
                                    p = w / sum_w
                                    if coin < p:
                                        coin /= p
                                        best_f = value
                                        best_diffuse = f_diffuse * emission * weight
                                        best_target = target
                                        best_dir = world
                                        best_dist = dist
                                        best_light = l
                                    else:
                                        coin = (coin - p) / ti.max(1.0 - p, 1e-20)
                            else:
                                next_f = f_diffuse + f_specular
                                next_diffuse = f_diffuse
                                next_pdf = pdf
                                next_world = tx * wi[0] + ty * wi[1] + h.z * wi[2]
                    if best_target > 0.0:
                        scale = sum_w / (best_target * ti.cast(rounds, ti.f32))
                        value = throughput * best_f * scale
                        store3(ps, SHADOW_ORIGIN, i, origin if best_dir.dot(h.ng) > 0.0 else below)
                        store3(ps, SHADOW_DIRECTION, i, best_dir)
                        ps[SHADOW_T, i] = best_dist * 0.9999
                        store3(ps, SHADOW_VALUE, i, value)
                        store_bits(ps, SHADOW_LIGHT, i, best_light)
                        if n_layers > 0:
                            if bounce == 0:
                                store3(ps, SHADOW_DIFFUSE, i, throughput * best_diffuse * scale)
                                trans = ti.cast(best_dir.dot(h.ng) < 0.0, ti.i32)
                                store_bits(ps, SHADOW_LAYER, i, layer_of(2 + trans, 1))
                            else:
                                store3(ps, SHADOW_DIFFUSE, i, value * load3(ps, SHARE, i))
                                store_bits(ps, SHADOW_LAYER, i, layer_of(ti.max(klass, 2), 0))
                    # the next ray
                    side = next_world.dot(h.ng)
                    if next_pdf > 0.0 and side * wi_next[2] > 0.0:
                        share = vec3(0.0)
                        for ch in ti.static(range(3)):
                            if next_f[ch] > 0.0:
                                share[ch] = next_diffuse[ch] / next_f[ch]
                        store3(ps, LAST_SHARE, i, share)
                        if klass == 0:
                            store_bits(ps, LAYER, i, lobe)
                            store3(ps, SHARE, i, share)
                        throughput *= next_f / next_pdf
                        keep = 1.0
                        if bounce >= roulette:
                            keep = ti.min(1.0, ti.max(throughput.max() * patience, 0.05))
                            u = sample_2d(seed, index, pair + sampler.PAIR_ROULETTE)[0]
                            if u >= keep:
                                alive = 0
                        throughput /= keep
                        if not throughput.max() > 0.0:
                            alive = 0
                        store3(ps, ORIGIN, i, origin if side > 0.0 else below)
                        store3(ps, DIRECTION, i, next_world)
                        ps[PDF, i] = next_pdf
                        if side < 0.0 and s.thin_walled == 0:
                            inside = 0
                            if s.inside == 0 and materials[h.material, _DEPTH] > 0.0:
                                inside = h.material + 1
                            store_bits(ps, MEDIUM, i, inside)
                    else:
                        alive = 0
            store3(ps, THROUGHPUT, i, throughput)
            store_bits(ps, FLAGS, i, alive | (flags & MONOCHROME))


@ti.func
def light_bits(info: ti.template(), l, k: ti.template()) -> ti.i32:
    """Column k of a light's info row: 0 flags, 1 group (columns 2 and 3 are the diffuse and specular gain)."""
    return ti.bit_cast(info[l, k], ti.i32)


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
def through_medium(materials: ti.template(), m, throughput: vec3, t: ti.f32, key: ti.u32):
    """Beer-Lambert absorption, or a scattering event before t: throughput, 1 if scattered, distance.

    Coefficients as OpenPBR: extinction -ln(transmission_color) / depth, scattering transmission_scatter / depth. A
    channel is picked evenly and the three densities are averaged (spectral MIS; Wilkie et al. 2014).
    """
    depth = ti.max(materials[m, _DEPTH], 1e-9)
    extinction = vec3(0.0)
    scatter = vec3(0.0)
    for c in ti.static(range(3)):
        extinction[c] = -ti.log(ti.max(materials[m, _TRANSMISSION_COLOR + c], 1e-4)) / depth
        scatter[c] = materials[m, _SCATTER + c] / depth
    extinction = ti.max(extinction, scatter)
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


@ti.kernel
def connect(
    ps: f32_2d,
    n: ti.i32,
    bounce: ti.i32,
    nodes: f32_2d,
    tris: f32_2d,
    indices: i32_2d,
    vertices: f32_2d,
    inst: f32_2d,
    parts: i32_2d,
    materials: f32_2d,
    slots: f32_2d,
    texels: u32_1d,
    images: i32_2d,
    root: ti.i32,
    info: f32_2d,
    split: f32_2d,
    n_layers: ti.i32,
    n_groups: ti.i32,
):
    """Trace the pending shadow rays and add what they bring."""
    ti.loop_config(block_dim=256)
    for i in range(n):
        tmax = ps[SHADOW_T, i]
        if tmax > 0.0:
            l = load_bits(ps, SHADOW_LIGHT, i)
            tri = -1
            if light_bits(info, l, 0) & CASTS_SHADOWS:
                ps[RAYS, i] += 1.0
                _t, tri, _k, _u, _v = traverse.trace(
                    nodes,
                    tris,
                    indices,
                    vertices,
                    inst,
                    parts,
                    materials,
                    slots,
                    texels,
                    images,
                    root,
                    load3(ps, SHADOW_ORIGIN, i),
                    load3(ps, SHADOW_DIRECTION, i),
                    ps[TIME, i],
                    tmax,
                    traverse.HIDDEN_SHADOW,
                    path_key(ps, i, bounce + 64),
                    True,
                )
            if tri < 0:
                value = load3(ps, SHADOW_VALUE, i)
                for c in ti.static(range(3)):
                    ps[RADIANCE + c, i] += value[c]
                if n_layers + n_groups > 0:
                    diffuse = load3(ps, SHADOW_DIFFUSE, i)
                    if n_layers == 0:
                        diffuse = vec3(0.0)
                    direct = ti.cast(bounce == 0, ti.i32)
                    add_split(split, i, layer_of(1, direct), light_bits(info, l, 1), diffuse, n_layers, n_groups)
                    add_split(
                        split,
                        i,
                        load_bits(ps, SHADOW_LAYER, i),
                        light_bits(info, l, 1),
                        value - diffuse,
                        n_layers,
                        n_groups,
                    )


@ti.kernel
def visited_vertices(ps: f32_2d, n: ti.i32, out: f32_2d):
    """out (n, 7): 1 if the last bounce shaded a surface, its position and shading normal."""
    for i in range(n):
        out[i, 0] = ps[VISITED, i]
        for c in ti.static(range(3)):
            out[i, 1 + c] = ps[VERTEX + c, i]
            out[i, 4 + c] = ps[NORMAL + c, i]


@ti.kernel
def gather_mean(ps: f32_2d, n_pixels: ti.i32, n_samples: ti.i32, out: f32_2d):
    """Add the radiance of a wave to out (n_pixels, 3), for measurements without a film."""
    for k in range(n_pixels):
        for s in range(n_samples):
            for c in ti.static(range(3)):
                out[k, c] += ps[RADIANCE + c, s * n_pixels + k]
