"""Light below the surface: a random walk from where it went in to where it comes out.

A body whose material has a subsurface part is a homogeneous medium behind a boundary that does not bend light. Light
goes in spread like a cosine, as it does from an even sky, is scattered and absorbed until it meets the body's surface
from within, and leaves it spread like a cosine. That is what the albedo inversion of OpenPBR takes for granted, so a
thick body under even light sends back its `subsurface_color` whatever its mean free path is, and a body of colour 1
sends back everything. The layers above the subsurface have taken their part where the light went in.

Two techniques in three channels make six densities of one walk, and what a walk carries is divided by their sum, each
by how often it is tried (the balance heuristic over whole walks; Wilkie et al. 2014, Hero wavelength spectral
sampling). Each step is drawn from one of the six, picked by how likely it made the walk so far, which has that sum as
its density. One technique is that of the medium. The other leads walks back to the side on which they went in
(Krivanek and d'Eon 2014; Meng, Hanika and Dachsbacher 2016, Improving the Dwivedi sampling scheme): in a half-space of
one channel all its walks carry nearly the same, where those of the medium carry anything between 1 and nothing. No walk
weighs more than by the medium's technique alone over that one's part, so thin bodies and corners are in good hands.

The boundary is all that belongs to the object in the one instance the light went into, whatever it is made of, from
either side; only what may be cut out by an opacity is passed, so that lashes do not divide a face, unless the light
went in through such. Neighbours that reach into the body are not seen. A mesh that is open has no other end: it is the
front of a body without bounds, in which light may lose its way. Of light that is still inside after MAX_STEPS, what
would come out of a deep body leaves where it went in, so nothing becomes darker by that.

This is a kernel of its own between two passes of `shade`, launched only for scenes that have such a material.
"""

import taichi as ti
import taichi.math as tm

from studio.render.tracer import sampler, traverse
from studio.render.tracer.hit import frame_of, offset_origin
from studio.render.tracer.medium import PI, henyey_greenstein
from studio.render.tracer.paths import (
    DIRECTION,
    FLAGS,
    HIT_INST,
    HIT_TRI,
    HIT_U,
    HIT_V,
    INDEX,
    LEFT,
    MONOCHROME,
    ORIGIN,
    RAYS,
    SEED,
    THROUGHPUT,
    TIME,
    WALK_COLOR,
    WALK_NORMAL,
    WALKING,
    load3,
    load_bits,
    path_key,
    store3,
    store_bits,
)
from studio.scene.materials import OFFSET

vec2 = tm.vec2
vec3 = tm.vec3
f32_2d = ti.types.ndarray(dtype=ti.f32, ndim=2)
i32_2d = ti.types.ndarray(dtype=ti.i32, ndim=2)

MAX_STEPS = 256
GUIDED = 0.75  # of all walks are led back to the side on which they went in
KEPT = 0.5  # a walk that carries less than this share of what went in ends by chance
NARROW = 0.01  # no channel's mean free path is less than this part of the longest one
_STACK = 3 * traverse.MAX_DEPTH + 2
_RADIUS = OFFSET["subsurface_radius"]
_ANISOTROPY = OFFSET["subsurface_scatter_anisotropy"]
_KEYS = 192  # `path_key` of a walk: bounces, shadow rays and lamps have those before


@ti.func
def single_scattering_albedo(color: vec3, g: ti.f32) -> vec3:
    """Of a medium that sends back `color` (OpenPBR 1.1, "Subsurface"; van de Hulst 1980)."""
    a = tm.clamp(color, 0.0, 1.0)
    s = ti.max(4.09712 + 4.20863 * a - ti.sqrt(9.59217 + 41.6808 * a + 17.7126 * a * a), 0.0)
    return (1.0 - s * s) / (1.0 - g * s * s)


@ti.func
def diffusion_length(albedo: vec3):
    """Of a medium, in mean free paths (the fit of d'Eon 2012), and ln((length + 1) / (length - 1))."""
    a = tm.clamp(albedo, 0.05, 1.0)
    decay = ti.sqrt(ti.max(1.0 - tm.pow(a, 2.44294 - 0.0215813 * a + 0.578637 / a), 1e-4))
    length = 1.0 / tm.min(decay, 0.9999)
    return length, ti.log((length + 1.0) / (length - 1.0))


@ti.func
def still_to_come(albedo: vec3, steps) -> vec3:
    """The share of what is still in a deep body after so many steps that comes out of it in the end.

    Walks return to the surface of a half-space as m^(-3/2) after m steps, whatever their steps are like (Sparre
    Andersen 1954), and each step leaves `albedo` of them: with x = -steps ln(albedo) the integral over m > steps is
    1 - sqrt(pi x) exp(x) erfc(sqrt(x)). The error function is 7.1.26 of Abramowitz and Stegun.
    """
    x = -ti.log(ti.max(albedo, 1e-6)) * steps
    t = 1.0 / (1.0 + 0.3275911 * ti.sqrt(x))
    rest = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return ti.max(1.0 - ti.sqrt(3.14159265 * x) * rest, 0.0)


@ti.func
def boundary(
    nodes: ti.template(),
    tris: ti.template(),
    parts: ti.template(),
    root,
    shift,
    first_part,
    body,
    passed,
    o: vec3,
    d: vec3,
    time: ti.f32,
    tmax: ti.f32,
):
    """Closest hit in (0, tmax) with triangles of object `body` in one hierarchy: distance, triangle row (-1: none),
    weights u, v. Triangles with a bit of `passed` are not there."""
    inv = traverse.inverse_direction(d)
    sx, sy, sz = traverse.behind(inv)
    far = inv * traverse.WIDEN
    stack = ti.Vector([0] * _STACK, dt=ti.i32)
    sp = 0
    node = root
    best = tmax
    prim = -1
    hit_u = 0.0
    hit_v = 0.0
    run = 1
    while run == 1:
        pop = 1
        if node >= 0:
            n = node * 8
            ax = (nodes[n + sx] - o[0]) * inv[0]
            ay = (nodes[n + 2 + sy] - o[1]) * inv[1]
            az = (nodes[n + 4 + sz] - o[2]) * inv[2]
            bx = (nodes[n + 1 - sx] - o[0]) * far[0]
            by = (nodes[n + 3 - sy] - o[1]) * far[1]
            bz = (nodes[n + 5 - sz] - o[2]) * far[2]
            enter = ti.max(ti.max(ax, ay), ti.max(az, 0.0))
            leave = ti.min(ti.min(bx, by), ti.min(bz, best))
            bits = nodes[n + 6]
            met = 0
            for k in ti.static(range(traverse.WIDTH)):
                met += ti.select(enter[k] <= leave[k], 1 << k, 0)
            for k in ti.static(range(traverse.WIDTH)):
                if met & (1 << k):
                    ref = ti.bit_cast(bits[k], ti.i32)
                    if pop == 1:
                        node = ref
                        pop = 0
                    else:
                        stack[sp] = ref
                        sp += 1
        else:
            leaf = ~node
            first = leaf >> 3
            for i in range(first, first + (leaf & 7) + 1):
                v0 = traverse.corner(tris, i, 0, shift, time) - o
                v1 = traverse.corner(tris, i, 1, shift, time) - o
                v2 = traverse.corner(tris, i, 2, shift, time) - o
                t, u, v = traverse.hit_triangle(v0, v1, v2, d)
                if t > 0.0 and t < best:
                    code = ti.bit_cast(tris[i, 9], ti.i32)
                    row = (code & traverse.PART_MASK) + first_part
                    if (code & passed) == 0 and parts[row, traverse.PART_OBJECT] == body:
                        best = t
                        prim = i
                        hit_u = u
                        hit_v = v
        if pop == 1:
            if sp == 0:
                run = 0
            else:
                sp -= 1
                node = stack[sp]
    return best, prim, hit_u, hit_v


@ti.kernel
def walk(
    ps: f32_2d,
    n: ti.i32,
    bounce: ti.i32,
    nodes: traverse.NODES,
    tris: f32_2d,
    inst: f32_2d,
    parts: i32_2d,
    materials: f32_2d,
):
    """Walk every path that went below a surface; those that come out have met it from within, and are to be shaded."""
    ti.loop_config(block_dim=256)
    for i in range(n):
        flags = load_bits(ps, FLAGS, i)
        if flags & WALKING:
            p = load3(ps, ORIGIN, i)
            d = load3(ps, DIRECTION, i)
            time = ps[TIME, i]
            k = load_bits(ps, HIT_INST, i)
            code = ti.bit_cast(tris[load_bits(ps, HIT_TRI, i), 9], ti.i32)
            first_part = ti.bit_cast(inst[k, traverse.PARTS], ti.i32)
            row = (code & traverse.PART_MASK) + first_part
            body = parts[row, traverse.PART_OBJECT]
            m = parts[row, traverse.PART_MATERIAL]
            passed = traverse.ALPHA_BIT & ~code
            root = ti.bit_cast(inst[k, traverse.ROOT], ti.i32)
            shift = ti.bit_cast(inst[k, traverse.SHIFT], ti.i32)
            g = materials[m, _ANISOTROPY]
            albedo = single_scattering_albedo(load3(ps, WALK_COLOR, i), g)
            free = vec3(materials[m, _RADIUS], materials[m, _RADIUS + 1], materials[m, _RADIUS + 2])
            # no shorter than rounding lets a walk be
            least = 1.0e-5 * ti.max(ti.abs(p[0]), ti.abs(p[1]), ti.abs(p[2])) + 1.0e-6
            rate = 1.0 / ti.max(free, NARROW * free.max(), least)
            throughput = load3(ps, THROUGHPUT, i)
            least_kept = KEPT * throughput.max()
            normal = load3(ps, WALK_NORMAL, i)
            length, spread = diffusion_length(albedo)
            # how likely each technique and channel made the walk so far
            plain = throughput * (0.05 + load3(ps, WALK_COLOR, i))
            plain /= plain.sum()
            part = GUIDED * (1.0 - ti.abs(g)) ** 3  # what is led forgets where it came from
            guided = plain * part
            plain *= 1.0 - part
            key = path_key(ps, i, bounce + _KEYS)
            seed = ti.bit_cast(ps[SEED, i], ti.u32)
            index = ti.bit_cast(ps[INDEX, i], ti.u32)
            pair = sampler.FIRST_BOUNCE + bounce * sampler.PAIRS_PER_BOUNCE
            first = sampler.sample_2d(seed, index, pair + sampler.PAIR_WALK)
            turn = sampler.sample_2d(seed, index, pair + sampler.PAIR_WALK_TURN)
            coin = first[0]
            led = coin < part
            share = plain
            if led:
                share = guided
            else:
                coin -= part
            channel = 0
            if coin >= share[0] + share[1]:
                channel = 2
            elif coin >= share[0]:
                channel = 1
            of_length = length[channel]
            steps = 0
            after = 0  # LEFT once it is out
            going = 1
            while going == 1:
                key = sampler.hash_u32(key + ti.u32(0x9E3779B9))
                even = 1.0  # an even spread over that of the medium
                if steps > 0:
                    if steps > 1:
                        turn[0] = sampler.to_unit(sampler.hash_u32(key ^ ti.u32(0xC2B2AE35)))
                        turn[1] = sampler.to_unit(sampler.hash_u32(key ^ ti.u32(0x27D4EB2F)))
                    before = d
                    if led:
                        up = of_length - (of_length + 1.0) * ti.exp(-turn[0] * spread[channel])
                        x, y = frame_of(normal)
                        r = ti.sqrt(ti.max(1.0 - up * up, 0.0))
                        a = 2.0 * PI * turn[1]
                        d = (x * (r * ti.cos(a)) + y * (r * ti.sin(a)) + normal * up).normalized()
                    else:
                        d = henyey_greenstein(d, g, turn)
                    if g != 0.0:
                        q = ti.max(1.0 + g * g - 2.0 * g * before.dot(d), 0.0)
                        even = q * ti.sqrt(q) / (1.0 - g * g)
                up = d.dot(normal)
                stretch = 1.0 - up / length
                of_rate = rate[channel]
                if led:
                    of_rate *= stretch[channel]
                u = first[1]
                if steps > 0:
                    u = sampler.to_unit(sampler.hash_u32(key ^ ti.u32(0xCC9E2D51)))
                far = -ti.log(1.0 - u) / of_rate
                o, towards = p, d
                if steps == 0:  # only the ray is lifted off the surface: paths may be as short as the lift
                    o = offset_origin(p, -normal)
                if k > 0:
                    o, towards = traverse.into_object(inst, k, time, o, d)
                t, tri, hu, hv = boundary(
                    nodes, tris, parts, root, shift, first_part, body, passed, o, towards, time, far
                )
                through = ti.exp(-rate * t)
                through_led = ti.exp(-rate * t * stretch)
                if steps > 0:
                    through_led *= 2.0 * even / ((length - up) * spread)
                if tri < 0:
                    through *= rate
                    through_led *= rate * stretch
                density = ti.max(plain.dot(through) + guided.dot(through_led), 1e-30)
                plain *= through / density
                guided *= through_led / density
                throughput *= through / density
                steps += 1
                if tri >= 0:
                    store_bits(ps, HIT_TRI, i, tri)
                    ps[HIT_U, i] = hu
                    ps[HIT_V, i] = hv
                    store3(ps, DIRECTION, i, d)
                    after = LEFT
                    going = 0
                else:
                    throughput *= albedo
                    p += d * t
                    most = throughput.max()
                    if most < least_kept:
                        if sampler.to_unit(sampler.hash_u32(key ^ ti.u32(0x85EBCA6B))) * least_kept >= most:
                            going = 0
                        throughput *= least_kept / ti.max(most, 1e-30)
                    if going == 1 and steps >= MAX_STEPS:
                        throughput *= still_to_come(albedo, MAX_STEPS)
                        store3(ps, DIRECTION, i, -load3(ps, DIRECTION, i))
                        after = LEFT
                        going = 0
            ps[RAYS, i] += ti.cast(steps, ti.f32)
            store3(ps, THROUGHPUT, i, throughput)
            store_bits(ps, FLAGS, i, after | (flags & MONOCHROME))
