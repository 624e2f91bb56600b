"""The path tracer's kernels: rays in, one bounce at a time, radiance out.

A bounce is three kernels: `extend` finds what the ray hits, `shade` turns the hit into radiance, a shadow ray and the
next ray, `connect` tests the shadow ray. Each closure, intersection and light routine has one call site per kernel,
because Taichi inlines every call and compile time is what a first start costs.

Estimator: unidirectional with multiple importance sampling. A light is drawn from the learned table (`lightpick`);
`candidates` points on lights compete by resampling (Talbot, Cline & Egbert 2005) on what they would contribute without
visibility, and one shadow ray is traced. Both sides of the MIS use pick share times solid-angle density as the
light technique's density; any such pair of positive weights that sums to one is unbiased.

Lamps that are shapes (rectangles, disks, spheres, cylinders) are light and no matter: a camera ray that meets one ends
there, every other ray takes its light along and goes on, and shadow rays pass. So two lamps, or a lamp and a sky, light
a scene as the sum of each alone, which is what relighting by light groups relies on. Lamps of triangles are surfaces.
"""

import taichi as ti

from studio.render.tracer import camera as cam_
from studio.render.tracer import emitters, lightpick, sampler, surface, traverse
from studio.render.tracer import light_rows as lr
from studio.render.tracer.hit import Hit, face_viewer, frame_of, hit_geometry, offset_origin, resolve, to_local
from studio.render.tracer.medium import dispersed_ior, extinction_of, henyey_greenstein, through_medium
from studio.render.tracer.paths import (
    ALIVE,
    ALPHA,
    BOTH_WAYS,
    CELL,
    DIRECTION,
    EMISSION_LAYER,
    ENTRIES,
    FLAGS,
    HIT_INST,
    HIT_SHAPE,
    HIT_T,
    HIT_TRI,
    HIT_U,
    HIT_V,
    INDEX,
    LAST_SHARE,
    LAYER,
    LEFT,
    LINK,
    MEDIUM,
    MONOCHROME,
    NORMAL,
    ORIGIN,
    PDF,
    RADIANCE,
    RAYS,
    SEED,
    SHADOW_DIFFUSE,
    SHADOW_DIRECTION,
    SHADOW_LAYER,
    SHADOW_LIGHT,
    SHADOW_ORIGIN,
    SHADOW_T,
    SHADOW_VALUE,
    SHAPE_ODDS,
    SHAPE_T,
    SHARE,
    THROUGHPUT,
    TIME,
    VERTEX,
    VISITED,
    WALK_COLOR,
    WALK_NORMAL,
    WALKING,
    load3,
    load_bits,
    path_key,
    store3,
    store_bits,
)
from studio.render.tracer.sampler import hash_u32, sample_2d, to_unit
from studio.scene.lights import CASTS_SHADOWS, SEEN_BY_CAMERA, SEEN_IN_REFLECTIONS
from studio.scene.materials import OFFSET

vec2 = ti.math.vec2
vec3 = ti.math.vec3
f32_2d = ti.types.ndarray(dtype=ti.f32, ndim=2)
f32_1d = ti.types.ndarray(dtype=ti.f32, ndim=1)
i32_1d = ti.types.ndarray(dtype=ti.i32, ndim=1)
i32_2d = ti.types.ndarray(dtype=ti.i32, ndim=2)
u32_1d = ti.types.ndarray(dtype=ti.u32, ndim=1)

_DOUBLE_SIDED = OFFSET["double_sided"]
_UNLIT = OFFSET["unlit"]
_DEPTH = OFFSET["transmission_depth"]
_DISPERSION = OFFSET["transmission_dispersion_scale"]
_ABBE = OFFSET["transmission_dispersion_abbe_number"]
_ANISOTROPY = OFFSET["transmission_scatter_anisotropy"]


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
        store_bits(ps, ENTRIES, i, 0)


@ti.kernel
def extend(
    ps: f32_2d,
    n: ti.i32,
    bounce: ti.i32,
    nodes: traverse.NODES,
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
    links: i32_2d,
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
                links,
                -1,
            )
            shape = -1
            if n_shapes > 0:
                coin = path_key(ps, i, bounce + 128)
                link = 0
                if links.shape[0] > 1 and bounce > 0:
                    link = load_bits(ps, LINK, i)
                shape, far, odds = shape_met(
                    shape_nodes, shape_ids, rows, info, links, link, o, d, time, t, bounce == 0, coin
                )
                if shape >= 0:
                    ps[SHAPE_T, i] = far
                    ps[SHAPE_ODDS, i] = odds
                    if bounce == 0:
                        tri = -1
            ps[RAYS, i] += 1.0
            ps[HIT_T, i] = t
            store_bits(ps, HIT_TRI, i, tri)
            store_bits(ps, HIT_INST, i, k)
            ps[HIT_U, i] = u
            ps[HIT_V, i] = v
            store_bits(ps, HIT_SHAPE, i, shape)


@ti.func
def shape_met(
    nodes: ti.template(),
    ids: ti.template(),
    rows: ti.template(),
    info: ti.template(),
    links: ti.template(),
    link,
    o: vec3,
    d: vec3,
    time: ti.f32,
    tmax: ti.f32,
    by_camera,
    coin: ti.u32,
):
    """A lamp that is a shape and that the ray meets before tmax: light (or -1), distance, and odds.

    The camera sees the nearest. Other rays go through all of them that light the set `link`, of the surface they left,
    and draw one by its emission: what it sends along the ray, times the odds, is what all of them send on average.
    """
    seen = SEEN_BY_CAMERA if by_camera else SEEN_IN_REFLECTIONS
    sets = links.shape[0]
    inv = traverse.inverse_direction(d)
    stack = ti.Vector([0] * traverse.MAX_DEPTH, dt=ti.i32)
    sp = 1
    best = tmax
    hit = -1
    far = tmax
    drawn = 1.0
    total = 0.0
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
                        met = light_bits(info, l, 0) & seen
                        if sets > 1 and not by_camera:
                            met *= lr.linked(links, link, l)
                        if met:
                            t = emitters.intersect_shape(rows, l, o, d, best, time)
                            if t < best and by_camera:
                                best = t
                                far = t
                                hit = l
                            elif t < best:
                                weight = lr.vec_at(rows, l, lr.EMISSION).max()
                                total += weight
                                coin = hash_u32(coin)
                                if to_unit(coin) * total < weight:
                                    drawn = weight
                                    far = t
                                    hit = l
    return hit, far, 1.0 if by_camera else total / drawn


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
def keep_apart(ps: ti.template(), entries: ti.template(), i, l, value: vec3):
    """Append what light l brought to the path's list; four rows an entry, and room for all (`light_sums.capacity`)."""
    row = load_bits(ps, ENTRIES, i) * 4
    if row + 4 <= entries.shape[0]:
        store_bits(entries, row, i, l)
        store3(entries, row + 1, i, value)
        store_bits(ps, ENTRIES, i, row // 4 + 1)


@ti.func
def layer_of(klass, direct):
    """Film layer of light that left the first surface by lobe class 1 diffuse, 2 specular, 3 transmission."""
    return (klass - 1) * 2 + (1 - direct)


@ti.kernel
def shade(
    ps: f32_2d,
    n: ti.i32,
    stage: ti.i32,
    bounce: ti.i32,
    depth: ti.i32,
    candidates: ti.i32,
    roulette: ti.i32,
    patience: ti.f32,
    clamp: ti.f32,
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
    links: i32_2d,
    split: f32_2d,
    n_layers: ti.i32,
    n_groups: ti.i32,
    entries: f32_2d,
    apart: ti.i32,
):
    """One bounce: emission met, next-event estimate prepared, next ray drawn. `candidates` 0 learns vertices only.

    `stage` is ALIVE for paths that `extend` brought to a surface, or LEFT for those that `walk` brought to one from
    below: they meet no emission there and belong to the same bounce, so what reaches them is as direct as what reaches
    a diffuse surface.
    """
    ti.loop_config(block_dim=256)
    for i in range(n):
        ps[SHADOW_T, i] = 0.0
        if candidates == 0:
            ps[VISITED, i] = 0.0
        flags = load_bits(ps, FLAGS, i)
        if flags & stage:
            left = stage == LEFT
            o = load3(ps, ORIGIN, i)
            d = load3(ps, DIRECTION, i)
            time = ps[TIME, i]
            throughput = load3(ps, THROUGHPUT, i)
            pdf_before = ps[PDF, i]
            cell_before = load_bits(ps, CELL, i)
            linking = links.shape[0] > 1
            link_before = 0
            if linking and bounce > 0:
                link_before = load_bits(ps, LINK, i)
            t = ps[HIT_T, i]
            tri = load_bits(ps, HIT_TRI, i)
            shape = load_bits(ps, HIT_SHAPE, i)
            if left:
                shape = -1
            key = path_key(ps, i, bounce)
            medium = load_bits(ps, MEDIUM, i) - 1
            klass = load_bits(ps, LAYER, i)
            scattered = 0
            alive = 1
            walking = 0
            # what a lamp that the ray goes through adds, whether or not the ray is scattered afterwards
            n_lamps = 0
            glow = throughput
            shape_t = t
            if shape >= 0:
                n_lamps = 1
                shape_t = ps[SHAPE_T, i]
                glow *= ps[SHAPE_ODDS, i]
                if medium >= 0:
                    glow *= ti.exp(-extinction_of(materials, medium) * shape_t)
            if medium >= 0 and not left:
                throughput, scattered, t = through_medium(materials, medium, throughput, t, key)
            wo_world = -d
            h = Hit()
            s = surface.Surface()
            emitted = vec3(0.0)
            first_light = 0
            n_hit = 0
            local = -1
            if scattered == 0:
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
                    if left:  # the way out is where the walk was going
                        wo_world = h.ng if h.ng.dot(d) > 0.0 else -h.ng
                    s = resolve(h, wo_world, load_bits(ps, HIT_INST, i), time, inst, materials, slots, texels, images)
                    facing = not left and (h.ng.dot(d) < 0.0 or materials[h.material, _DOUBLE_SIDED] > 0.5)
                    if materials[h.material, _UNLIT] > 0.5 and not left:
                        s.emission = s.base_color
                        facing = True
                        alive = 0
                    if facing and s.emission.max() > 0.0:
                        emitted = s.emission
                        first_light = parts[h.part, traverse.PART_LIGHT]
                        local = h.local
                        n_hit = 1
                else:
                    alive = 0
                    if bounce > 0:
                        n_hit = n_infinite
                    elif shape < 0:  # a lamp that the camera sees covers the sky
                        n_hit = n_infinite
                        ps[ALPHA, i] = 0.0
            for j in range(n_lamps + n_hit):
                l = shape
                value = vec3(0.0)
                dist = shape_t
                carried = glow
                shown = 1
                if j >= n_lamps:
                    l = first_light
                    value = emitted
                    dist = t
                    carried = throughput
                    shown = 0
                    if tri < 0:
                        l = infinite[j - n_lamps]
                        shown = light_bits(info, l, 0) & (SEEN_BY_CAMERA if bounce == 0 else SEEN_IN_REFLECTIONS)
                if linking and bounce > 0 and l >= 0:
                    if lr.linked(links, link_before, l) == 0:
                        value = vec3(0.0)
                        shown = 0
                if shown != 0:
                    value = emitters.emission_toward(rows, table, texels, images, l, o, d, dist, time)
                if value.max() > 0.0:
                    if pdf_before > 0.0 and l >= 0 and (light_bits(info, l, 0) & BOTH_WAYS) == 0:
                        value *= 1.0 - load3(ps, LAST_SHARE, i)
                    elif pdf_before > 0.0 and l >= 0:
                        q = lightpick.light_share(start, light, cdf, power_cdf, cell_before, l, link_before * n_lights)
                        q *= emitters.light_pdf(rows, table, texels, images, l, o, d, dist, local, time)
                        value *= pdf_before * pdf_before / (pdf_before * pdf_before + q * q)
                    if l >= 0 and bounce > 0 and (info[l, 2] != 1.0 or info[l, 3] != 1.0):
                        last = load3(ps, LAST_SHARE, i)
                        value *= last * info[l, 2] + (1.0 - last) * info[l, 3]
                    value *= carried
                    if bounce > 1:
                        value = clamped(value, clamp)
                    for c in ti.static(range(3)):
                        ps[RADIANCE + c, i] += value[c]
                    if apart == 1 and l >= 0:
                        keep_apart(ps, entries, i, l, value)
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
                store3(ps, LAST_SHARE, i, vec3(0.0))
            else:
                if bounce + 1 >= depth:
                    alive = 0
                if alive == 1:
                    s.inside = face_viewer(h, wo_world)
                    s.compensate = compensate
                    s.separable = 1.0 - compensate
                    if (
                        materials[h.material, _DISPERSION] > 0.0
                        and s.transmission_weight > 0.0
                        and s.thin_walled == 0
                        and not left
                    ):
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
                    if s.coat_weight > 0.0:
                        s.coat_normal = to_local(tx, ty, h.z, h.coat).normalized()
                    if left:
                        s = surface.emerge(s)
                    else:
                        s = surface.prepare(s, wo, tables)
                    link = 0
                    if linking:
                        link = parts[h.part, traverse.PART_LINK]
                        store_bits(ps, LINK, i, link)
                    cell = lightpick.find_cell(grid, keys, h.p, h.z, link)
                    if n_lights == 0:
                        cell = -1
                    store_bits(ps, CELL, i, cell)
                    if candidates == 0:
                        store3(ps, VERTEX, i, h.p)
                        store3(ps, NORMAL, i, h.z)
                        ps[VISITED, i] = 1.0
                    origin = offset_origin(h.p, h.ng)
                    below = offset_origin(h.p, -h.ng)
                    seed = ti.bit_cast(ps[SEED, i], ti.u32)
                    index = ti.bit_cast(ps[INDEX, i], ti.u32)
                    pair = sampler.FIRST_BOUNCE + bounce * sampler.PAIRS_PER_BOUNCE
                    if left:
                        pair += sampler.PAIRS_BELOW
                    u_pick = sample_2d(seed, index, pair + sampler.PAIR_LIGHT_PICK)
                    u_point = sample_2d(seed, index, pair + sampler.PAIR_LIGHT_POINT)
                    u_lobe = sample_2d(seed, index, pair + sampler.PAIR_LOBE)
                    u_dir = sample_2d(seed, index, pair + sampler.PAIR_DIRECTION)
                    wi_next, lobe = surface.sample(s, wo, u_lobe[0], u_dir)
                    rounds = ti.min(candidates, n_lights)
                    first_pick = link * n_lights
                    if linking and rounds > 0:
                        if power_cdf[first_pick + n_lights - 1] <= 0.0:  # no light is for this surface
                            rounds = 0
                    if s.p_subsurface > 0.0 and s.p_diffuse + s.p_fuzz + s.p_base + s.p_coat <= 0.0:
                        rounds = 0  # all light goes below first
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
                            u = ti.min(u, 0.99999994)
                            l, q = lightpick.pick_light(start, light, cdf, power_cdf, cell, u, first_pick, n_lights)
                            if linking:
                                q *= ti.cast(lr.linked(links, link, l), ti.f32)  # a table may be older than the links
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
                        elif lobe == 0 or lobe == surface.SUBSURFACE:
                            go = 0
                        if go == 1:
                            f_diffuse, f_specular, pdf = surface.evaluate(s, wo, wi, tables)
                            if c < rounds:
                                f_diffuse *= info[l, 2]
                                f_specular *= info[l, 3]
                                weight = 1.0
                                switches = light_bits(info, l, 0)
                                if (switches & SEEN_IN_REFLECTIONS) == 0 or (
                                    delta == 0 and (switches & BOTH_WAYS) == 0
                                ):
                                    f_specular = vec3(0.0)
                                elif delta == 0:
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
                        way = medium
                        if best_dir.dot(h.ng) < 0.0 and s.thin_walled == 0:
                            way = h.material if s.inside == 0 and materials[h.material, _DEPTH] > 0.0 else -1
                        reach = throughput
                        if way >= 0:
                            reach *= ti.exp(-extinction_of(materials, way) * best_dist)
                        value = reach * best_f * scale
                        store3(ps, SHADOW_ORIGIN, i, origin if best_dir.dot(h.ng) > 0.0 else below)
                        store3(ps, SHADOW_DIRECTION, i, best_dir)
                        ps[SHADOW_T, i] = best_dist * 0.9999
                        store3(ps, SHADOW_VALUE, i, value)
                        store_bits(ps, SHADOW_LIGHT, i, best_light)
                        if n_layers > 0:
                            if bounce == 0:
                                store3(ps, SHADOW_DIFFUSE, i, reach * best_diffuse * scale)
                                trans = ti.cast(best_dir.dot(h.ng) < 0.0, ti.i32)
                                store_bits(ps, SHADOW_LAYER, i, layer_of(2 + trans, 1))
                            else:
                                store3(ps, SHADOW_DIFFUSE, i, value * load3(ps, SHARE, i))
                                store_bits(ps, SHADOW_LAYER, i, layer_of(ti.max(klass, 2), 0))
                    if lobe == surface.SUBSURFACE:
                        # below; spread like a cosine about the geometric normal
                        bx, by = frame_of(h.ng)
                        r = ti.sqrt(u_dir[0])
                        a = 6.283185307 * u_dir[1]
                        down = (
                            bx * (r * ti.cos(a)) + by * (r * ti.sin(a)) - h.ng * ti.sqrt(ti.max(1.0 - u_dir[0], 1e-7))
                        )
                        throughput *= s.w_subsurface / s.p_subsurface
                        walking = 1
                        if bounce >= roulette:
                            keep = ti.min(1.0, ti.max((throughput * s.subsurface_color).max() * patience, 0.05))
                            if sample_2d(seed, index, pair + sampler.PAIR_ROULETTE)[0] >= keep:
                                walking = 0
                            throughput /= keep
                        if not throughput.max() > 0.0:
                            walking = 0
                        store3(ps, ORIGIN, i, h.p)
                        store3(ps, DIRECTION, i, down.normalized())
                        store3(ps, WALK_COLOR, i, s.subsurface_color)
                        store3(ps, WALK_NORMAL, i, h.ng)
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
                            u = u_pick[1]  # free where no candidates compete
                            if rounds > 1:
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
            if walking == 1:
                alive = WALKING
            store_bits(ps, FLAGS, i, alive | (flags & MONOCHROME))


@ti.func
def clamped(value: vec3, limit: ti.f32) -> vec3:
    """One contribution held at `limit` nits, its colour kept; 0 lets everything through."""
    peak = value.max()
    return value * (limit / peak) if limit > 0.0 and peak > limit else value


@ti.func
def light_bits(info: ti.template(), l, k: ti.template()) -> ti.i32:
    """Column k of a light's info row: 0 flags, 1 group (2 and 3 are the diffuse and specular gain, 4 to 6 the shadow
    colour)."""
    return ti.bit_cast(info[l, k], ti.i32)


@ti.kernel
def connect(
    ps: f32_2d,
    n: ti.i32,
    bounce: ti.i32,
    clamp: ti.f32,
    nodes: traverse.NODES,
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
    shadow_links: i32_2d,
    asked: i32_1d,
    split: f32_2d,
    n_layers: ti.i32,
    n_groups: ti.i32,
    entries: f32_2d,
    apart: ti.i32,
):
    """Trace the pending shadow rays and add what they bring. Surfaces stop them, lamps that are shapes do not.

    `asked` counts them by light, in the entry after the light's; it has one entry alone where nobody wants to know.
    """
    ti.loop_config(block_dim=256)
    for i in range(n):
        tmax = ps[SHADOW_T, i]
        if tmax > 0.0:
            l = load_bits(ps, SHADOW_LIGHT, i)
            tri = -1
            if light_bits(info, l, 0) & CASTS_SHADOWS:
                ps[RAYS, i] += 1.0
                if asked.shape[0] > 1:
                    asked[l + 1] += 1
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
                    shadow_links,
                    l,
                )
            passed = vec3(1.0)  # the share that gets past what is in the way
            if tri >= 0:
                passed = vec3(info[l, 4], info[l, 5], info[l, 6])
            value = load3(ps, SHADOW_VALUE, i) * passed
            if value.max() > 0.0:
                kept = 1.0
                if bounce > 0:
                    kept = clamped(value, clamp).max() / value.max()
                value *= kept
                for c in ti.static(range(3)):
                    ps[RADIANCE + c, i] += value[c]
                if apart == 1:
                    keep_apart(ps, entries, i, l, value)
                if n_layers + n_groups > 0:
                    diffuse = load3(ps, SHADOW_DIFFUSE, i) * passed * kept
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
def visited_vertices(ps: f32_2d, n: ti.i32, linking: ti.i32, out: f32_2d):
    """out (n, 8): 1 if the last bounce shaded a surface, its position, shading normal and set of receivers."""
    for i in range(n):
        out[i, 0] = ps[VISITED, i]
        out[i, 7] = 0.0
        if linking == 1:
            out[i, 7] = ti.cast(load_bits(ps, LINK, i), ti.f32)
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
