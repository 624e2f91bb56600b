"""A stage for light tests: small FlatScenes made by hand, and kernels that ask the device functions in bulk."""

from types import SimpleNamespace

import numpy as np

from studio.scene.flat import INSTANCE, FlatCamera, FlatScene
from studio.scene.geometry import Deformed, Image, Mesh
from studio.scene.lights import KINDS, LIGHT
from studio.scene.materials import OFFSET, SLOT_STRIDE, SLOTS, STRIDE

IDENTITY = np.eye(3, 4, dtype=np.float32)


def placed(position=(0.0, 0.0, 0.0), toward=(0.0, 0.0, -1.0), roll=0.0):
    """A rigid light-to-world matrix: the light stands at `position` and shines along `toward`."""
    z = -np.asarray(toward, float) / np.linalg.norm(toward)
    helper = np.array((0.0, 1.0, 0.0)) if abs(z[1]) < 0.9 else np.array((1.0, 0.0, 0.0))
    x = np.cross(helper, z)
    x /= np.linalg.norm(x)
    y = np.cross(z, x)
    c, s = np.cos(roll), np.sin(roll)
    return np.column_stack((c * x + s * y, c * y - s * x, z, position)).astype(np.float32)


def light(kind, emission=(1.0, 1.0, 1.0), *, size=(0.0, 0.0), cone=(1.0, 0.0), at=IDENTITY, close=None, **more):
    """One LIGHT row."""
    row = np.zeros(1, LIGHT)[0]
    row["kind"], row["emission"], row["size"], row["cone"] = KINDS[kind], emission, size, cone
    row["image"], row["profile"], row["gobo"], row["instance"], row["gain"] = -1, -1, -1, -1, 1.0
    row["open"] = at
    row["close"] = at if close is None else close
    for name, value in more.items():
        row[name] = value
    return row


def mesh_instance(mesh, at=IDENTITY, close=None, *, material=0):
    """(Deformed, INSTANCE row, material of its only part)."""
    row = np.zeros(1, INSTANCE)[0]
    row["open"], row["close"] = at, at if close is None else close
    row["flags"] = 7 if close is None else 15
    return Deformed(mesh, mesh.positions, mesh.normals), row, material


def flat_scene(lights, instances=(), textures=(), materials=None, slots=None):
    """A FlatScene with the given LIGHT rows and mesh instances."""
    rows = np.zeros(len(instances), INSTANCE)
    for i, (_, row, _) in enumerate(instances):
        rows[i] = row
        rows[i]["mesh"], rows[i]["material_start"] = i, i
    return FlatScene(
        frame=1.0,
        fps=24.0,
        camera=FlatCamera("c", IDENTITY, IDENTITY, False, 0.5, "horizontal", (0.0, 0.0), 0.0, 1.0, 0, 0.0, 0.0),
        meshes=tuple(d for d, _, _ in instances),
        instances=rows,
        instance_materials=np.array([m for _, _, m in instances], np.int32),
        object_names=("o",) * len(instances),
        materials=np.zeros((1, STRIDE), np.float32) if materials is None else materials,
        slots=np.zeros((0, SLOT_STRIDE), np.float32) if slots is None else slots,
        material_names=("m",),
        textures=tuple(textures),
        lights=np.array(lights, LIGHT),
        light_names=tuple(str(k) for k in range(len(lights))),
        light_groups=("",),
    )


def mesh_of(points, triangles, uv0=None):
    """A mesh of one part."""
    triangles = np.asarray(triangles, np.uint32)
    uv = None if uv0 is None else np.asarray(uv0, np.float32)
    return Mesh("k", np.asarray(points, np.float32), triangles, (0, len(triangles)), uv0=uv)


def ball(rings=5, segments=6, radius=1.0):
    """A faceted sphere of 2 * segments * (rings - 1) triangles, fronts outwards: 48 by default."""
    points = [(0.0, radius, 0.0)]
    for i in range(1, rings):
        t = np.pi * i / rings
        for j in range(segments):
            f = 2 * np.pi * j / segments
            points.append((radius * np.sin(t) * np.cos(f), radius * np.cos(t), -radius * np.sin(t) * np.sin(f)))
    points.append((0.0, -radius, 0.0))
    ring = lambda i, j: 1 + (i - 1) * segments + j % segments  # noqa: E731
    triangles = []
    for j in range(segments):
        triangles.append((0, ring(1, j), ring(1, j + 1)))
        for i in range(1, rings - 1):
            triangles.append((ring(i, j), ring(i + 1, j), ring(i + 1, j + 1)))
            triangles.append((ring(i, j), ring(i + 1, j + 1), ring(i, j + 1)))
        triangles.append((ring(rings - 1, j), len(points) - 1, ring(rings - 1, j + 1)))
    return mesh_of(points, triangles)


def quad(width=1.0, height=1.0):
    """Two triangles in xy that face -z, with image coordinates over the whole image."""
    x, y = 0.5 * width, 0.5 * height
    return mesh_of(
        [(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0)], [(0, 2, 1), (0, 3, 2)], [(1, 1), (0, 1), (0, 0), (1, 0)]
    )


def emissive_slot(image):
    """Materials and slots whose first material's emission reads `image` as it is."""
    materials = np.zeros((1, STRIDE), np.float32)
    materials[0, OFFSET["emission"] : OFFSET["emission"] + 3] = 1.0
    materials[0, OFFSET["slot_count"]] = 1
    slots = np.zeros((1, SLOT_STRIDE), np.float32)
    slots[0, :10] = (SLOTS["emission_color"], image, 0, 4, 0, 0, 1, 1, 1, 0)
    slots[0, 10:] = (1, 0, 0, 0, 1, 0)
    return materials, slots


def picture(width=16, height=8, *, seed=1, peak=20.0, key="p"):
    """A small float image with dark and bright places."""
    random = np.random.default_rng(seed)
    pixels = random.random((height, width, 3), np.float32) ** 4
    pixels[height // 3, width // 4] = peak
    pixels[height // 2 :, : width // 3] = 0.0
    return Image(key, pixels.astype(np.float32), "linear")


def compiled(ti):
    """The kernels of the stage, each compiled once and steered by data alone."""
    import taichi.math as tm

    from studio.render.tracer import emitters as em
    from studio.render.tracer import textures as tx

    floats = ti.types.ndarray(dtype=ti.f32, ndim=2)
    line = ti.types.ndarray(dtype=ti.f32, ndim=1)
    words = ti.types.ndarray(dtype=ti.u32, ndim=1)
    ints = ti.types.ndarray(dtype=ti.i32, ndim=2)

    @ti.kernel
    def sample(
        rows: floats, table: line, texels: words, images: ints, light: ti.i32, time: ti.f32, q: floats, out: floats
    ):
        for i in range(q.shape[0]):
            p, u = tm.vec3(q[i, 0], q[i, 1], q[i, 2]), tm.vec2(q[i, 3], q[i, 4])
            wi, dist, e, pdf, delta = em.sample_light(rows, table, texels, images, light, p, time, u, q[i, 5])
            for k in ti.static(range(3)):
                out[i, k] = wi[k]
                out[i, 4 + k] = e[k]
            out[i, 3] = dist
            out[i, 7] = pdf
            out[i, 8] = delta

    @ti.kernel
    def pdf(
        rows: floats, table: line, texels: words, images: ints, light: ti.i32, time: ti.f32, q: floats, out: floats
    ):
        for i in range(q.shape[0]):
            p, wi = tm.vec3(q[i, 0], q[i, 1], q[i, 2]), tm.vec3(q[i, 3], q[i, 4], q[i, 5])
            tri = ti.cast(q[i, 7], ti.i32)
            out[i, 0] = em.light_pdf(rows, table, texels, images, light, p, wi, q[i, 6], tri, time)

    @ti.kernel
    def meet(
        rows: floats, table: line, texels: words, images: ints, light: ti.i32, time: ti.f32, q: floats, out: floats
    ):
        for i in range(q.shape[0]):
            p, wi = tm.vec3(q[i, 0], q[i, 1], q[i, 2]), tm.vec3(q[i, 3], q[i, 4], q[i, 5])
            t = em.intersect_shape(rows, light, p, wi, 1e20, time)
            if q[i, 6] > 0.0:
                t = q[i, 6]
            e = em.emission_toward(rows, table, texels, images, light, p, wi, t, time)
            out[i, 0] = t
            for k in ti.static(range(3)):
                out[i, 1 + k] = e[k]

    @ti.kernel
    def guess(rows: floats, table: line, light: ti.i32, q: floats, out: floats):
        for i in range(q.shape[0]):
            p, n = tm.vec3(q[i, 0], q[i, 1], q[i, 2]), tm.vec3(q[i, 3], q[i, 4], q[i, 5])
            out[i, 0] = em.estimate(rows, table, light, p, n)

    @ti.kernel
    def read_slot(texels: words, images: ints, slots: floats, q: floats, out: floats):
        for i in range(q.shape[0]):
            uv0, uv1 = tm.vec2(q[i, 1], q[i, 2]), tm.vec2(q[i, 3], q[i, 4])
            value = tx.slot_value(texels, images, slots, ti.cast(q[i, 0], ti.i32), uv0, uv1)
            for k in ti.static(range(4)):
                out[i, k] = value[k]

    return SimpleNamespace(sample=sample, pdf=pdf, meet=meet, guess=guess, read_slot=read_slot)


class Stage:
    """A scene's lights on the device, asked with arrays; positions and directions are (n, 3)."""

    def __init__(self, kernels, flat):
        from studio.render.tracer.emitters import build_light_tables
        from studio.render.tracer.textures import pack_textures

        self.kernels, self.flat = kernels, flat
        self.tables = build_light_tables(flat)
        self.device = (self.tables.rows, self.tables.table, *pack_textures(flat.textures))

    def _ask(self, kernel, light, time, columns, width):
        n = max(np.atleast_2d(c.T if np.ndim(c) == 2 else c).shape[1] for c in columns)
        parts = [np.broadcast_to(c if np.ndim(c) == 2 else np.reshape(c, (-1, 1)), (n, _width(c))) for c in columns]
        q = np.ascontiguousarray(np.concatenate(parts, axis=1), np.float32)
        out = np.zeros((n, width), np.float32)
        if kernel is self.kernels.guess:
            kernel(self.device[0], self.device[1], light, q, out)
        else:
            kernel(*self.device, light, time, q, out)
        return out

    def sample(self, light, p, u, time=0.0):
        """wi, dist, emission, pdf, delta for receivers `p` and random numbers `u` (n, 3)."""
        o = self._ask(self.kernels.sample, light, time, (np.atleast_2d(p), u), 9)
        return o[:, :3], o[:, 3], o[:, 4:7], o[:, 7], o[:, 8]

    def pdf(self, light, p, wi, dist, tri=-1, time=0.0):
        return self._ask(self.kernels.pdf, light, time, (np.atleast_2d(p), wi, np.asarray(dist), np.asarray(tri)), 1)[
            :, 0
        ]

    def meet(self, light, p, wi, dist=0.0, time=0.0):
        """Distance to the shape and its radiance; a positive `dist` is taken as the hit instead."""
        o = self._ask(self.kernels.meet, light, time, (np.atleast_2d(p), wi, np.asarray(dist)), 4)
        return o[:, 0], o[:, 1:]

    def estimate(self, light, p, n):
        return self._ask(self.kernels.guess, light, 0.0, (np.atleast_2d(p), np.atleast_2d(n)), 1)[:, 0]

    def crossings(self, light, p, wi):
        """(ray, distance, triangle) of every radiating crossing of rays from one point with a still light."""
        row = self.flat.lights[light]
        from studio.render.tracer.light_rows import SIDES

        if row["kind"] in (KINDS["distant"], KINDS["dome"]):
            return np.arange(len(wi)), np.full(len(wi), 1e30), np.full(len(wi), -1)
        if row["kind"] != KINDS["mesh"]:
            t, _ = self.meet(light, p, wi)
            rays = np.flatnonzero(t < 1e20)
            return rays, t[rays], np.full(len(rays), -1)
        sides = int(self.tables.rows[light, SIDES])
        found = [_through(*corners, p, wi, sides) for corners in world_triangles(self.flat, light)]
        rays = np.concatenate([r for r, _ in found])
        tri = np.concatenate([np.full(len(r), k) for k, (r, _) in enumerate(found)])
        return rays, np.concatenate([t for _, t in found]), tri


def _width(column):
    return column.shape[1] if np.ndim(column) == 2 else 1


def world_triangles(flat, light):
    """(n, 3, 3) corners of a mesh light at shutter open, fronts counter-clockwise."""
    instance = flat.instances[flat.lights[light]["instance"]]
    deformed = flat.meshes[instance["mesh"]]
    corners = deformed.positions[deformed.mesh.triangles.astype(int)].astype(float)
    world = corners @ instance["open"][:, :3].T.astype(float) + instance["open"][:, 3]
    return world[:, (0, 2, 1)] if np.linalg.det(instance["open"][:, :3]) < 0 else world


def _through(a, b, c, p, wi, sides):
    """Rays from `p` that cross the front of a triangle (or either side), and how far."""
    n = np.cross(b - a, c - a)
    slope = wi @ n
    rays = np.flatnonzero((slope < 0.0) | ((slope > 0.0) & (sides == 2)))
    t = ((a - p) @ n) / slope[rays]
    x = p + wi[rays] * t[:, None]
    inside = t > 0.0
    for s, e in ((a, b), (b, c), (c, a)):
        inside &= np.cross(e - s, x - s) @ n >= 0.0
    return rays[inside], t[inside]
