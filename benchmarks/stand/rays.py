"""Kernels that only trace rays, for measuring the traversal by itself.

Taichi reads the annotations of a kernel, so this file does without `from __future__ import annotations`.
"""

import taichi as ti  # noqa: TID253  imported by benchmarks that have started the runtime

from studio.render.tracer import traverse

f32_2d = ti.types.ndarray(dtype=ti.f32, ndim=2)
i32_2d = ti.types.ndarray(dtype=ti.i32, ndim=2)
u32_1d = ti.types.ndarray(dtype=ti.u32, ndim=1)
i32_1d = ti.types.ndarray(dtype=ti.i32, ndim=1)
vec3 = ti.math.vec3


@ti.func
def _row(
    nodes: ti.template(), tris: ti.template(), indices: ti.template(), vertices: ti.template(), inst: ti.template(),
    parts: ti.template(), materials: ti.template(), slots: ti.template(), texels: ti.template(),
    images: ti.template(), root, rays: ti.template(), i, any_hit: ti.template(),
):  # fmt: skip
    o = vec3(rays[i, 0], rays[i, 1], rays[i, 2])
    d = vec3(rays[i, 3], rays[i, 4], rays[i, 5])
    _t, row, _k, _u, _v = traverse.trace(
        nodes, tris, indices, vertices, inst, parts, materials, slots, texels, images,
        root, o, d, 0.0, traverse.FAR, 0, ti.cast(i, ti.u32), any_hit, parts, 0,
    )  # fmt: skip
    return row


@ti.kernel
def closest(
    nodes: traverse.NODES, tris: f32_2d, indices: i32_2d, vertices: f32_2d, inst: f32_2d, parts: i32_2d,
    materials: f32_2d, slots: f32_2d, texels: u32_1d, images: i32_2d, root: ti.i32, rays: f32_2d, out: i32_1d,
):  # fmt: skip
    """The triangle row that each ray (n, 6) meets first, -1 for none."""
    for i in range(rays.shape[0]):
        out[i] = _row(
            nodes, tris, indices, vertices, inst, parts, materials, slots, texels, images, root, rays, i, False
        )


@ti.kernel
def occluded(
    nodes: traverse.NODES, tris: f32_2d, indices: i32_2d, vertices: f32_2d, inst: f32_2d, parts: i32_2d,
    materials: f32_2d, slots: f32_2d, texels: u32_1d, images: i32_2d, root: ti.i32, rays: f32_2d, out: i32_1d,
):  # fmt: skip
    """A triangle row that each ray (n, 6) meets, -1 for none."""
    for i in range(rays.shape[0]):
        out[i] = _row(
            nodes, tris, indices, vertices, inst, parts, materials, slots, texels, images, root, rays, i, True
        )
