"""From finished paths to the film: fixed-point sums, halves, minima and matte slots, one thread per pixel.

One thread owns a pixel and walks its samples in order, so no atomics are needed (Metal has none for 64 bits) and the
result is the same on any number of threads. What the film asks of a tracer stands at the head of `render/film.py`.
"""

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from studio.render import film as film_
from studio.render.film import Layout
from studio.render.tracer import drift, hit, paths, surface, traverse
from studio.render.tracer.camera import HALF_X, HALF_Y, OPEN, ORTHO, SHIFT_X, SHIFT_Y
from studio.render.tracer.sampler import hash_u32, reverse_bits, to_unit

vec3 = ti.math.vec3
f32_2d = ti.types.ndarray(dtype=ti.f32, ndim=2)
f32_1d = ti.types.ndarray(dtype=ti.f32, ndim=1)
i32_1d = ti.types.ndarray(dtype=ti.i32, ndim=1)
i32_2d = ti.types.ndarray(dtype=ti.i32, ndim=2)
u32_1d = ti.types.ndarray(dtype=ti.u32, ndim=1)
i64_2d = ti.types.ndarray(dtype=ti.i64, ndim=2)
i64_1d = ti.types.ndarray(dtype=ti.i64, ndim=1)

# rows of the first-hit array (f32)
DEPTH, POSITION, NORMAL, ALBEDO, UV, MOTION, OBJECT, MATERIAL, FIRST_HIT_ROWS = 0, 1, 4, 7, 10, 12, 14, 15, 16

# sources of a channel: which array its value lies in
FROM_STATE, FROM_FIRST_HIT, FROM_SPLIT = 0, 1, 2

_DATA_ROWS = {
    "P.X": POSITION, "P.Y": POSITION + 1, "P.Z": POSITION + 2,
    "N.X": NORMAL, "N.Y": NORMAL + 1, "N.Z": NORMAL + 2,
    "albedo.R": ALBEDO, "albedo.G": ALBEDO + 1, "albedo.B": ALBEDO + 2,
    "UV.U": UV, "UV.V": UV + 1, "motion.X": MOTION, "motion.Y": MOTION + 1,
}  # fmt: skip


class Plan:
    """Where each channel of a layout comes from.

    `columns` (C, 3) i32: array, row, 1 for radiance (clamped); `scales` (C,) f32: powers of two.
    """

    def __init__(self, layout: Layout) -> None:
        layers = [n for n in film_.RADIANCE_LAYERS if any(c.name == f"{n}.R" for c in layout.channels)]
        groups = [
            c.name.rpartition(".")[0] for c in layout.channels if c.name.startswith("light_") and c.name[-1] == "R"
        ]
        self.n_layers = film_.RADIANCE_LAYERS.index("emission") + 1 if layers else 0
        self.n_groups = len(groups)
        columns = []
        for c in layout.channels:
            prefix, _, last = c.name.rpartition(".")
            if not prefix:
                if last == "A":
                    columns.append((FROM_STATE, paths.ALPHA, 0))
                else:
                    columns.append((FROM_STATE, paths.RADIANCE + "RGB".index(last), 1))
            elif prefix in film_.RADIANCE_LAYERS:
                columns.append((FROM_SPLIT, film_.RADIANCE_LAYERS.index(prefix) * 3 + "RGB".index(last), 1))
            elif prefix in groups:
                columns.append((FROM_SPLIT, (self.n_layers + groups.index(prefix)) * 3 + "RGB".index(last), 1))
            else:
                columns.append((FROM_FIRST_HIT, _DATA_ROWS[c.name], 0))
        self.columns: NDArray[np.int32] = np.array(columns, np.int32).reshape(-1, 3)
        self.scales = np.ldexp(1.0, [c.exponent for c in layout.channels]).astype(np.float32)
        data = any(a == FROM_FIRST_HIT for a, _, _ in columns)
        self.first_hit = data or bool(layout.minima) or bool(layout.mattes)
        self.split_rows = 3 * (self.n_layers + self.n_groups)


@ti.kernel
def first_hit(
    ps: f32_2d,
    n: ti.i32,
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
    cam: f32_1d,
    next_cam: f32_1d,
    motion: f32_2d,
    drift_start: i32_1d,
    drifts: f32_2d,
    width: ti.f32,
    height: ti.f32,
    out: f32_2d,
):
    """After the first `extend`: what the camera ray met, for the data AOVs. Nothing hit leaves depth at FAR."""
    ti.loop_config(block_dim=256)
    for i in range(n):
        for r in range(FIRST_HIT_ROWS):
            out[r, i] = 0.0
        out[DEPTH, i] = traverse.FAR
        store = ti.bit_cast(-1, ti.f32)
        out[OBJECT, i] = store
        out[MATERIAL, i] = store
        tri = paths.load_bits(ps, paths.HIT_TRI, i)
        if tri >= 0:
            h = hit.hit_geometry(
                tris,
                indices,
                vertices,
                inst,
                parts,
                tri,
                paths.load_bits(ps, paths.HIT_INST, i),
                ps[paths.HIT_U, i],
                ps[paths.HIT_V, i],
                ps[paths.TIME, i],
            )
            d = paths.load3(ps, paths.DIRECTION, i)
            s = hit.resolve(
                h,
                -d,
                paths.load_bits(ps, paths.HIT_INST, i),
                ps[paths.TIME, i],
                inst,
                materials,
                slots,
                texels,
                images,
            )
            s.inside = hit.face_viewer(h, -d)
            s.compensate = 1.0
            s = surface.prepare(s, hit.to_local(h.x, h.y, h.z, -d), tables)
            tint = surface.albedo(s)
            if s.emission.max() > 0.0:
                tint = ti.min(tint + s.emission, vec3(1.0))
            out[DEPTH, i] = ps[paths.HIT_T, i]
            for c in ti.static(range(3)):
                out[POSITION + c, i] = h.p[c]
                out[NORMAL + c, i] = h.z[c]
                out[ALBEDO + c, i] = ti.max(0.0, ti.min(1.0, tint[c]))
            out[UV, i] = h.uv[0]
            out[UV + 1, i] = h.uv[1]
            obj = parts[h.part, traverse.PART_OBJECT]
            out[OBJECT, i] = ti.bit_cast(obj, ti.f32)
            out[MATERIAL, i] = ti.bit_cast(h.material, ti.f32)
            here, on = project(cam, h.p, width, height)
            p = h.p
            first = drift_start[h.part]
            if first != drift.STILL:  # it deforms: its corners go each their way
                u = ps[paths.HIT_U, i]
                v = ps[paths.HIT_V, i]
                for c in ti.static(range(3)):
                    p[c] += drifts[indices[tri, 0] + first, c] * (1.0 - u - v)
                    p[c] += drifts[indices[tri, 1] + first, c] * u
                    p[c] += drifts[indices[tri, 2] + first, c] * v
            there, on2 = project(next_cam, traverse.affine_point(motion, obj, 0, p), width, height)
            if on == 1 and on2 == 1:
                out[MOTION, i] = there[0] - here[0]
                out[MOTION + 1, i] = there[1] - here[1]


@ti.func
def project(cam: ti.template(), p: vec3, width: ti.f32, height: ti.f32):
    """Film position (pixels, y down) of a world point at shutter open, and 1 if it lies in front of the camera."""
    v = vec3(0.0)
    for r in ti.static(range(3)):
        q = p[r] - cam[OPEN + r * 4 + 3]
        for c in ti.static(range(3)):
            v[c] += cam[OPEN + r * 4 + c] * q
    x = v[0]
    y = v[1]
    front = 1
    if cam[ORTHO] < 0.5:
        front = ti.cast(v[2] < -1e-6, ti.i32)
        z = ti.min(v[2], -1e-6)
        x = -v[0] / z
        y = -v[1] / z
    return ti.math.vec2(
        ((x - cam[SHIFT_X]) / cam[HALF_X] * 0.5 + 0.5) * width,
        (0.5 - 0.5 * (y - cam[SHIFT_Y]) / cam[HALF_Y]) * height,
    ), front


@ti.kernel
def into_film(
    ps: f32_2d,
    hits: f32_2d,
    split: f32_2d,
    pixels: i32_1d,
    n_pixels: ti.i32,
    n_samples: ti.i32,
    width: ti.i32,
    crop_x: ti.i32,
    crop_y: ti.i32,
    crop_w: ti.i32,
    columns: i32_2d,
    scales: f32_1d,
    limit: ti.f32,
    square_scale: ti.f32,
    luminance: vec3,
    sums: i64_2d,
    squares: i64_1d,
    halves: i64_2d,
    half_counts: i32_1d,
    counts: i32_1d,
    rays: i64_1d,
    minima: f32_2d,
    n_minima: ti.i32,
):
    ti.loop_config(block_dim=256)
    for k in range(n_pixels):
        x = pixels[k] % width - crop_x
        y = pixels[k] // width - crop_y
        row = y * crop_w + x
        for s in range(n_samples):
            i = s * n_pixels + k
            key = hash_u32(ti.bit_cast(ps[paths.SEED, i], ti.u32) ^ ti.bit_cast(ps[paths.INDEX, i], ti.u32))
            index = reverse_bits(ti.bit_cast(ps[paths.INDEX, i], ti.u32))
            half = parity(index & ti.u32(0xAAAAAAAA))
            luma = 0.0
            for c in range(columns.shape[0]):
                source = columns[c, 0]
                r = columns[c, 1]
                v = 0.0
                if source == FROM_STATE:
                    v = ps[r, i]
                elif source == FROM_FIRST_HIT:
                    v = hits[r, i]
                else:
                    v = split[r, i]
                if not ti.abs(v) <= 3e38:
                    v = 0.0
                if columns[c, 2] == 1:
                    v = ti.min(v, limit)
                # scaling by a power of two is exact, so this is the true floor; the coin rounds without bias
                scaled = v * scales[c]
                whole = ti.floor(scaled)
                coin = to_unit(hash_u32(key + ti.cast(c, ti.u32)))
                q = ti.cast(whole, ti.i64) + ti.cast(coin < scaled - whole, ti.i64)
                sums[row, c] += q
                if c < 3:
                    luma += v * luminance[c]
                    if half == 1:
                        halves[row, c] += q
            squares[row] += ti.cast(ti.floor(luma * luma * square_scale + 0.5), ti.i64)
            counts[row] += 1
            rays[row] += ti.cast(ps[paths.RAYS, i], ti.i64)
            half_counts[row] += half
            if n_minima > 0:
                if hits[DEPTH, i] < traverse.FAR:
                    minima[row, 0] = ti.min(minima[row, 0], hits[DEPTH, i])


@ti.func
def parity(x: ti.u32):
    x ^= x >> ti.u32(16)
    x ^= x >> ti.u32(8)
    x ^= x >> ti.u32(4)
    x ^= x >> ti.u32(2)
    x ^= x >> ti.u32(1)
    return ti.cast(x & ti.u32(1), ti.i32)


@ti.kernel
def into_mattes(
    hits: f32_2d,
    pixels: i32_1d,
    n_pixels: ti.i32,
    n_samples: ti.i32,
    width: ti.i32,
    crop_x: ti.i32,
    crop_y: ti.i32,
    crop_w: ti.i32,
    crop_size: ti.i32,
    names: u32_1d,
    source: ti.i32,
    layer: ti.i32,
    ids: ti.types.ndarray(dtype=ti.u32, ndim=2),
    uses: ti.types.ndarray(dtype=ti.u32, ndim=2),
    lost: i32_1d,
):
    """Count ids per pixel in ascending slots; a full pixel that meets a smaller id gives up its largest."""
    for k in range(n_pixels):
        place = (pixels[k] // width - crop_y) * crop_w + pixels[k] % width - crop_x
        row = layer * crop_size + place
        for s in range(n_samples):
            which = ti.bit_cast(hits[source, s * n_pixels + k], ti.i32)
            if which >= 0:
                carry = names[which]
                number = ti.u32(1)
                for slot in range(film_.MATTE_SLOTS):
                    if number > ti.u32(0):
                        have = ids[row, slot]
                        if have == carry:
                            uses[row, slot] += number
                            number = ti.u32(0)
                        elif have == ti.u32(0) or carry < have:
                            old = uses[row, slot]
                            ids[row, slot] = carry
                            uses[row, slot] = number
                            carry = have
                            number = old if have != ti.u32(0) else ti.u32(0)
                lost[place] += ti.cast(number, ti.i32)
