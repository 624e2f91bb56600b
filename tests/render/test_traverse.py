"""Rays through the scene: the hits of Embree, instances as if they were baked, and no leaks between triangles.

Taichi reads the annotations of a kernel, so this file does without `from __future__ import annotations`.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import taichi as ti

from studio.render.tracer import traverse
from studio.render.tracer.buffers import Device, build_host_scene
from studio.render.tracer.textures import pack_textures
from studio.scene.animation import make_curve
from studio.scene.geometry import make_image, make_mesh
from studio.scene.materials import Texture
from tests.render.scenes import ball, box, eye, flat_of, matte, quad, soup, thing

RAYS = 100_000
f32_2d = ti.types.ndarray(dtype=ti.f32, ndim=2)
i32_2d = ti.types.ndarray(dtype=ti.i32, ndim=2)
u32_1d = ti.types.ndarray(dtype=ti.u32, ndim=1)
vec3 = ti.math.vec3
GREY = matte(0.5)


@ti.kernel
def cast(
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
    hidden: ti.i32,
    rays: f32_2d,
    out: f32_2d,
):
    """rays (n, 8): origin, direction, time, tmax -> t, object of the hit or -1, any hit, u, v, triangle."""
    for i in range(rays.shape[0]):
        o = vec3(rays[i, 0], rays[i, 1], rays[i, 2])
        d = vec3(rays[i, 3], rays[i, 4], rays[i, 5])
        t, tri, k, u, v = traverse.trace(
            nodes, tris, indices, vertices, inst, parts, materials, slots, texels, images,
            root, o, d, rays[i, 6], rays[i, 7], hidden, ti.cast(i, ti.u32), False, parts, 0,
        )  # fmt: skip
        _t, some, _k, _u, _v = traverse.trace(
            nodes, tris, indices, vertices, inst, parts, materials, slots, texels, images,
            root, o, d, rays[i, 6], rays[i, 7], hidden, ti.cast(i, ti.u32), True, parts, 0,
        )  # fmt: skip
        out[i, 0] = t
        out[i, 1] = -1.0
        if tri >= 0:
            code = ti.bit_cast(tris[tri, 9], ti.i32) & traverse.PART_MASK
            part = code + ti.bit_cast(inst[k, traverse.PARTS], ti.i32)
            out[i, 1] = ti.cast(parts[part, traverse.PART_OBJECT], ti.f32)
            out[i, 5] = ti.cast(indices[tri, 3], ti.f32)
        out[i, 2] = ti.cast(some >= 0, ti.f32)
        out[i, 3] = u
        out[i, 4] = v


@pytest.fixture(scope="module", autouse=True)
def _runtime(taichi_cpu):
    return taichi_cpu


class Rays:
    """A scene ready to be asked."""

    def __init__(self, flat: Any) -> None:
        self.host = build_host_scene(flat, np.full(len(flat.instance_materials), -1, np.int32))
        texels, images = pack_textures(flat.textures)
        self.device = Device()
        for name in ("nodes", "triangles", "indices", "vertices", "instances", "parts", "materials", "slots"):
            self.device.put(name, getattr(self.host, name))
        self.device.put("texels", texels)
        self.device.put("images", images)

    def __call__(self, o: Any, d: Any, *, time: Any = 0.0, tmax: float = traverse.FAR, hidden: int = 0) -> Any:
        o, d = np.broadcast_arrays(np.asarray(o, np.float32), np.asarray(d, np.float32))
        rays = np.empty((len(o), 8), np.float32)
        rays[:, :3], rays[:, 3:6], rays[:, 6], rays[:, 7] = o, d, time, tmax
        out = np.zeros((len(o), 6), np.float32)
        x = self.device
        cast(
            x.nodes, x.triangles, x.indices, x.vertices, x.instances, x.parts, x.materials, x.slots, x.texels, x.images,
            self.host.root, hidden, rays, out,
        )  # fmt: skip
        hit = out[:, 1] >= 0
        assert (hit == (out[:, 2] > 0)).all(), "any hit and closest hit disagree"
        return SimpleNamespace(
            t=np.where(hit, out[:, 0], np.inf), hit=hit, object=out[:, 1].astype(int), triangle=out[:, 5].astype(int),
            u=out[:, 3], v=out[:, 4],
        )  # fmt: skip


def directions(n: int, seed: int = 0) -> np.ndarray:
    d = np.random.default_rng(seed).normal(size=(n, 3))
    return d / np.linalg.norm(d, axis=1, keepdims=True)


def random_rays(n: int, reach: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rays from a sphere of radius `reach` towards points of the unit cube."""
    rng = np.random.default_rng(seed)
    o = directions(n, seed + 1) * reach
    d = rng.uniform(-1, 1, (n, 3)) - o
    return o.astype(np.float32), (d / np.linalg.norm(d, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("name", ["triangles", "ball", "long triangles"])
def test_closest_hits_are_those_of_embree(name):
    rtcore_scene = pytest.importorskip("embreex.rtcore_scene", reason="embreex is not installed")
    mesh_construction = pytest.importorskip("embreex.mesh_construction")
    mesh = {
        "triangles": soup(20000, 1, 0.05),
        "ball": ball(0.9, rings=80, segments=120),
        "long triangles": soup(3000, 2, 0.7),
    }[name]
    o, d = random_rays(RAYS, 3.0, 7)
    scene = rtcore_scene.EmbreeScene(robust=True)
    corners = np.ascontiguousarray(mesh.positions[mesh.triangles.astype(int)], np.float32)
    mesh_construction.TriangleMesh(scene, corners)
    theirs = scene.run(o, d, output=True)
    ours = Rays(flat_of([thing(mesh, GREY)]))(o, d)
    prim = theirs["primID"]
    hit = prim >= 0
    assert hit.mean() > 0.3
    # a graze of an outermost edge may go either way
    assert (hit != ours.hit).sum() <= 2
    both = hit & ours.hit
    same = ours.triangle[both] == prim[both]
    close = np.abs(ours.t[both] - theirs["tfar"][both]) < 1e-5 * theirs["tfar"][both]
    assert (~same & ~close).sum() <= 2
    assert close.mean() > 0.999


@pytest.mark.parametrize("flip", [1.0, -1.0])
def test_instances_are_hit_as_if_they_were_baked(flip):
    """Rotated, scaled unevenly, sheared and mirrored; hidden from shadows, so that they keep their own hierarchy."""
    rng = np.random.default_rng(5)
    mesh = soup(200, 3, 0.2)
    placed = []
    for _ in range(25):
        q = rng.normal(size=4)
        placed.append(
            {
                "translation": tuple(rng.uniform(-1, 1, 3)),
                "rotation": tuple(q / np.linalg.norm(q)),
                "scale": (flip * rng.uniform(0.05, 0.6), rng.uniform(0.05, 0.6), rng.uniform(0.05, 0.6)),
                "shear": (0.3, -0.2, 0.1),
            }
        )
    kept = Rays(flat_of([thing(mesh, GREY, visible_shadow=False, **p) for p in placed]))
    baked = Rays(flat_of([thing(mesh, GREY, **p) for p in placed]))
    assert len(kept.host.instances) == 26 and len(baked.host.instances) == 1
    o, d = random_rays(RAYS, 3.0, 11)
    one, other = kept(o, d), baked(o, d)
    assert one.hit.mean() > 0.1
    t, truth = np.minimum(one.t, 1e9), np.minimum(other.t, 1e9)
    differs = np.abs(t - truth) > 1e-5 * truth
    same = (one.object == other.object) & (one.triangle == other.triangle)
    # edges of triangles and lines where two meet, rounded in two spaces
    assert differs.sum() <= 1e-4 * RAYS
    assert (same | ~one.hit).mean() > 0.999


def test_rays_end_where_they_are_told_and_start_after_zero():
    rays = Rays(flat_of([thing(box((1, 1, 1)), GREY)]))
    o, d = random_rays(2000, 5.0, 3)
    far = rays(o, d)
    hit = far.hit
    before, after = rays(o[hit], d[hit], tmax=2.0), rays(o[hit], d[hit], tmax=20.0)
    assert not before.hit.any() and after.hit.all()
    inside = rays(np.zeros((1000, 3)), directions(1000))
    assert inside.hit.all()
    assert (inside.t >= 1.0 - 1e-6).all() and (inside.t <= 3**0.5 + 1e-5).all()


def test_rays_along_the_axes_hit():
    """Directions with zeros: slabs must not see zero times infinity."""
    rays = Rays(flat_of([thing(ball(1.0, rings=20, segments=30), GREY)]))
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    for d in axes:
        o = -5.0 * d + np.random.default_rng(1).uniform(-0.5, 0.5, (500, 3)) * (d == 0)
        assert rays(o, np.broadcast_to(d, o.shape)).hit.all()
        o[:] = -5.0 * d  # right at a vertex or along an edge
        assert rays(o[:1], d[None]).hit.all()


@pytest.mark.parametrize("kind", ["baked", "instance", "far away"])
def test_no_ray_leaks_out_of_a_closed_mesh_at_its_edges(kind):
    """Half of the rays go exactly through edges, a quarter through their middles, a quarter through vertices. Rounding
    can turn all edges round a vertex away from a ray that meets it to the last bit (Embree's robust mode as well), so
    of those up to one in a hundred may pass."""
    fields = {
        "baked": {},
        "instance": {"visible_shadow": False, "rotation": (0.1, 0.2, 0.3, 0.927362), "scale": (1.0, 0.3, -2.0)},
        "far away": {"translation": (1000.0, -500.0, 250.0)},
    }[kind]
    mesh = ball(1.0, rings=24, segments=40)
    flat = flat_of([thing(mesh, GREY, **fields)])
    matrix = flat.instances[0]["open"].astype(np.float64)
    corners = (mesh.positions @ matrix[:, :3].T + matrix[:, 3]).astype(np.float32).astype(np.float64)
    triangles = mesh.triangles.astype(int)
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    rng = np.random.default_rng(2)
    pick = edges[rng.integers(0, len(edges), RAYS)]
    w = rng.random((RAYS, 1))
    w[: RAYS // 4] = 0.0  # the vertices themselves
    w[RAYS // 4 : RAYS // 2] = 0.5
    target = corners[pick[:, 0]] * (1 - w) + corners[pick[:, 1]] * w
    centre = corners.mean(0)
    inner = rng.normal(size=(RAYS, 3))
    inner *= 0.25 * rng.random((RAYS, 1)) / np.linalg.norm(inner, axis=1, keepdims=True)
    origin = centre + inner @ matrix[:, :3].T
    d = target - origin
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    hit = Rays(flat)(origin, d).hit
    assert hit[RAYS // 4 :].all()
    assert hit[: RAYS // 4].mean() > 0.99


def test_no_ray_slips_between_the_objects_of_a_floor():
    """Tiles that share vertex positions bit by bit but are separate meshes."""
    tiles = [
        thing(quad((x / 7, 0, z / 7), (0.5 / 7, 0, 0), (0, 0, -0.5 / 7)), GREY)
        for x in range(-7, 8)
        for z in range(-7, 8)
    ]
    rays = Rays(flat_of(tiles))
    corners = np.unique(np.concatenate([t.mesh.positions for t in tiles]), axis=0)
    corners = corners[(np.abs(corners) < 1.0).all(1)]
    rng = np.random.default_rng(4)
    target = corners[rng.integers(0, len(corners), 20000)].astype(np.float64)
    along = rng.integers(0, 2, 20000)
    target[np.arange(20000), along * 2] += rng.uniform(0, 1 / 7, 20000) * (rng.random(20000) < 0.7)
    target = target[(np.abs(target) < 1.0).all(1)]
    origin = target + [0.3, 1.0, 0.2] * rng.uniform(0.5, 2.0, (len(target), 1))
    assert rays(origin, target - origin).hit.mean() > 0.9995  # separate meshes share no edge test, only positions


def test_triangles_without_area_are_never_hit_and_never_poison_a_ray():
    p = [(0, 0, 0), (1, 0, 0), (2, 0, 0), (0, 0, -1), (1, 0, -1), (0, 1, -1)]
    flat = flat_of([thing(make_mesh(p, [(0, 1, 2), (0, 0, 1), (3, 3, 3), (3, 4, 5)]), GREY)])
    rays = Rays(flat)
    o = np.random.default_rng(0).uniform(-0.2, 1.2, (5000, 3)) * [1, 1, 0] + [0, 0, 3]
    r = rays(o, np.broadcast_to([0.0, 0.0, -1.0], o.shape))
    inside = (o[:, 0] > 1e-3) & (o[:, 1] > 1e-3) & (o[:, 0] + o[:, 1] < 0.999)
    assert r.hit[inside].all()
    assert np.isfinite(r.t[r.hit]).all() and (r.triangle[r.hit] == 3).all()


def test_flags_hide_objects_from_their_kind_of_ray_alone():
    front = quad((0, 0, 1), (1, 0, 0), (0, 1, 0))
    for name, flag in (
        ("visible_camera", traverse.HIDDEN_CAMERA),
        ("visible_reflection", traverse.HIDDEN_REFLECTION),
        ("visible_shadow", traverse.HIDDEN_SHADOW),
    ):
        rays = Rays(flat_of([thing(front, GREY, **{name: False}), thing(quad((0, 0, 0), (1, 0, 0), (0, 1, 0)), GREY)]))
        for asked in (traverse.HIDDEN_CAMERA, traverse.HIDDEN_REFLECTION, traverse.HIDDEN_SHADOW):
            r = rays([(0.1, 0.2, 3.0)], [(0.0, 0.0, -1.0)], hidden=asked)
            assert r.t[0] == pytest.approx(3.0 if asked == flag else 2.0)


def test_a_moving_instance_is_where_its_time_says():
    tracks = {"thing0.translation": make_curve([0, 1], [[0, 0, 0], [2, 0, 0]])}
    camera = eye((0, 0, 5), (0, 0, 0), shutter_open=0.0, shutter_close=1.0)
    flat = flat_of([thing(box((0.1, 0.1, 0.1)), GREY)], camera=camera, tracks=tracks, frame=0.0)
    rays = Rays(flat)
    time = np.linspace(0, 1, 1001)
    r = rays(np.tile([(1.0, 0.0, 5.0)], (1001, 1)), np.tile([(0.0, 0.0, -1.0)], (1001, 1)), time=time)
    off = np.abs(2 * time - 1)
    assert r.hit[off < 0.0999].all() and not r.hit[off > 0.1001].any()
    assert r.t[r.hit] == pytest.approx(4.9)


def test_a_masked_texture_cuts_holes_and_partial_opacity_lets_its_share_through():
    """Binomial counts of 40,000 rays; the bounds are five standard deviations."""
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:, :2, 3] = 255
    image = make_image(pixels, colour_space="data")
    leaf = Texture(image=image.key, channel="a", filter="nearest")
    n = 40000
    o = np.random.default_rng(1).uniform(-1, 1, (n, 3)) * [1, 1, 0] + [0, 0, 2]
    d = np.tile([(0.0, 0.0, -1.0)], (n, 1))
    mesh = quad((0, 0, 0), (1, 0, 0), (0, 1, 0))
    cut = Rays(
        flat_of([thing(mesh, matte(0.5, alpha_mode="mask", textures={"geometry_opacity": leaf}))], images=[image])
    )
    assert (cut(o, d).hit == (o[:, 0] < 0)).mean() > 0.9999
    half = Rays(flat_of([thing(mesh, matte(0.5, geometry_opacity=0.3))]))
    assert abs(half(o, d).hit.sum() - 0.3 * n) < 5 * (n * 0.21) ** 0.5
    opaque = Rays(flat_of([thing(mesh, matte(0.5, geometry_opacity=0.3, alpha_mode="opaque"))]))
    assert opaque(o, d).hit.all()


def test_scenes_of_nothing_or_one_triangle_are_traced():
    assert not Rays(flat_of([]))([(0.0, 0.0, 5.0)], [(0.0, 0.0, -1.0)]).hit.any()
    one = make_mesh([(-1, -1, 0), (1, -1, 0), (0, 1, 0)], [(0, 1, 2)])
    assert Rays(flat_of([thing(one, GREY)]))([(0.0, 0.0, 5.0)], [(0.0, 0.0, -1.0)]).hit.all()
    alone = flat_of([thing(one, GREY, visible_shadow=False)])
    assert Rays(alone)([(0.0, 0.0, 5.0)], [(0.0, 0.0, -1.0)]).hit.all()
