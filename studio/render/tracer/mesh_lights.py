"""Mesh lights: parts of meshes whose material emits, sampled triangle by triangle.

Half of a closed lamp always faces away, so area alone is a poor guide to its triangles. A mesh light has several
distributions. The first weighs area times emission and serves receivers that are near. The others belong to the
vertices of a grid over the octahedral map of directions and weigh the area that each triangle shows in that direction;
the device blends the four vertices around the receiver's direction, so the choice follows the projected area closely.
A triangle that any receiver of a vertex's cells can see has a positive share there, so nothing is ever left out.
Few triangles seen from near are weighed by their exact solid angles instead, and a triangle that looks large is sampled
uniformly by solid angle (Arvo 1995).

The block of a light in the table: its triangles (vertex and two edges at shutter open, the same at close when it moves,
three image coordinates when its emission is textured). Its distributions lie elsewhere, each the shown share of the
flux and then the masses; lamps that differ in place, size and strength alone have the same.
"""

import functools
import hashlib
from dataclasses import dataclass

import numpy as np
import taichi as ti
import taichi.math as tm
from numpy.typing import NDArray

from studio.render.tracer import light_rows as lr
from studio.render.tracer.distributions import block_cdfs, blocks_of, mass_at, pick_entry
from studio.render.tracer.textures import luminance_of
from studio.scene.flat import MOVES as INSTANCE_MOVES
from studio.scene.flat import FlatScene
from studio.scene.geometry import Image, Mesh
from studio.scene.materials import OFFSET as MATERIAL
from studio.scene.materials import SLOTS

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

BLOCK = 256  # entries of a block of a distribution of triangles
# Below this solid angle (sr) the spherical triangle loses digits and gains little over sampling by area.
TRIANGLE_BY_ANGLE = 1e-2
# A mesh of at most so many triangles, seen from near, is picked from by the exact solid angles of its triangles.
FEW_TRIANGLES = 8
_REFERENCE_RADII = 16.0  # distance for which the shown area is computed; it changes little from there to infinity
_GRIDS = (8, 6, 4, 2, 0)  # cells per side to choose from
_LIGHT_FLOATS, _SCENE_FLOATS = 1 << 18, 1 << 25
_SHARE_FLOOR = 0.001  # cosine given to triangles that only some receivers of a cell can see
_LARGEST_M = 1e6
_FORMS, _FORM_FLOATS = 64, 1 << 20  # forms that further lamps are compared with, and their numbers
_ALIKE = 2e-3  # largest difference of two lamps of one form, a tenth of the slack of what a receiver might see
_MOST_KEPT = 1 << 22  # numbers of shares that are kept for the next time
_kept_shares: dict[bytes, F64] = {}
_TEXTURE_POINTS = 8192  # looked at over all triangles of a textured lamp (nine each at least)


@dataclass(frozen=True, slots=True)
class _Lamp:
    """The triangles of one mesh light in world space: (n, 3, 3) vertices at shutter open and close."""

    index: int
    open: F64
    close: F64
    uv: F64 | None  # (n, 3, 2), mapped for the emission's image
    luminance: F64  # (n,)


@dataclass(frozen=True, slots=True)
class _Form:
    """What lamps that differ only in place, size and strength share: their distributions."""

    features: F64  # normals, heights of the planes over the centre in radii, sides, shares of the flux
    start: int  # of the distributions in the table


def build_mesh_lights(flat: FlatScene, rows: F32, blocks: lr.Blocks) -> NDArray[np.int32]:
    """Fill the rows and tables of all mesh lights; lamps with equally many triangles are computed together."""
    light_of = np.full(len(flat.instance_materials), -1, np.int32)
    lamps: dict[int, list[_Lamp]] = {}
    which = np.flatnonzero(flat.lights["kind"] == lr.MESH)
    for index in which:
        light = flat.lights[index]
        if light["instance"] < 0:
            continue
        instance = flat.instances[light["instance"]]
        slot = int(instance["material_start"] + light["part"])
        if not _can_be_sampled(flat, int(flat.instance_materials[slot]), flat.meshes[instance["mesh"]].mesh):
            continue
        light_of[slot] = index
        lamp = _lamp(flat, rows[index], int(index), instance, int(light["part"]), int(flat.instance_materials[slot]))
        lamps.setdefault(len(lamp.luminance), []).append(lamp)
    budget = min(_LIGHT_FLOATS, _SCENE_FLOATS // max(len(which), 1))
    for count, group in lamps.items():
        forms: list[_Form] = []
        cells = next(c for c in _GRIDS if c == 0 or (c + 1) ** 2 * count <= budget)
        batch = max(1, (1 << 21) // max(count * (cells + 1) ** 2, 1))
        for k in range(0, len(group) if count else 0, batch):
            _fill(rows, blocks, group[k : k + batch], cells, forms)
    return light_of


def _can_be_sampled(flat: FlatScene, material: int, mesh: Mesh) -> bool:
    """Whether the lamp's emission is known from its row: not unlit, and without holes that vary over it.

    A lamp that is left out is found by scattered rays alone, which is noisier but right.
    """
    if not 0 <= material < len(flat.materials):
        return True
    surface = flat.materials[material]
    first, count = int(surface[MATERIAL["slot_start"]]), int(surface[MATERIAL["slot_count"]])
    holes = mesh.colors is not None or bool((flat.slots[first : first + count, 0] == SLOTS["geometry_opacity"]).any())
    return surface[MATERIAL["unlit"]] < 0.5 and not (holes and surface[MATERIAL["alpha_mode"]] > 0.5)


def _opacity(surface: F32) -> float:
    """The share of rays that meet a surface whose opacity does not vary."""
    opacity, mode = float(surface[MATERIAL["geometry_opacity"]]), surface[MATERIAL["alpha_mode"]]
    if mode == 1.0:
        return float(opacity >= surface[MATERIAL["alpha_cutoff"]])
    return min(max(opacity, 0.0), 1.0) if mode == 2.0 else 1.0


def _lamp(flat: FlatScene, row: F32, index: int, instance: np.void, part: int, material: int) -> _Lamp:
    deformed = flat.meshes[instance["mesh"]]
    mesh = deformed.mesh
    corners = mesh.triangles[mesh.parts[part] : mesh.parts[part + 1]].astype(np.int64)
    if np.linalg.det(np.nan_to_num(instance["open"][:, :3].astype(float))) < 0.0:
        corners = corners[:, (0, 2, 1)]  # a mirrored instance keeps its outside outside
    ends = (deformed.positions, deformed.positions if deformed.positions_close is None else deformed.positions_close)
    world = []
    for p, matrix in zip(ends, (instance["open"], instance["close"]), strict=True):
        safe = np.nan_to_num(p, nan=0.0, posinf=0.0, neginf=0.0).clip(-_LARGEST_M, _LARGEST_M)[corners].astype(float)
        rigid = np.nan_to_num(matrix, nan=0.0, posinf=0.0, neginf=0.0).clip(-_LARGEST_M, _LARGEST_M).astype(float)
        world.append((safe @ rigid[:, :3].T + rigid[:, 3]).clip(-_LARGEST_M, _LARGEST_M))
    row[lr.VARIES] = bool(instance["flags"] & INSTANCE_MOVES) and not np.array_equal(world[0], world[1])
    if 0 <= material < len(flat.materials):
        row[lr.EMISSION : lr.EMISSION + 3] *= _opacity(flat.materials[material])
    luminance, uv = np.full(len(corners), lr.luminance(row)), None
    if 0 <= material < len(flat.materials):
        surface = flat.materials[material]
        if surface[MATERIAL["double_sided"]] > 0.5:
            row[lr.SIDES] = 2
        first, count = int(surface[MATERIAL["slot_start"]]), int(surface[MATERIAL["slot_count"]])
        for slot in flat.slots[first : first + count]:
            if int(slot[0]) == SLOTS["emission_color"]:
                uv = _read_slot(row, slot, mesh.uv1 if slot[2] > 0.5 else mesh.uv0, corners)
                luminance = luminance * _texture_weight(row, flat.textures, uv)
    return _Lamp(index, world[0], world[1], uv, luminance)


def _read_slot(row: F32, slot: F32, uv: F32 | None, corners: NDArray[np.int64]) -> F64:
    """Copy how the emission's image is read into the row; the corners' coordinates with the slot's transform."""
    row[lr.IMAGE] = max(int(slot[1]), -1)
    row[lr.WRAP_U], row[lr.WRAP_V], row[lr.FILTER], row[lr.CHANNEL] = slot[4], slot[5], slot[6], slot[3]
    row[lr.GAIN], row[lr.BIAS] = (slot[8], slot[9]) if slot[1] >= 0 else (1.0, 0.0)
    flat_uv = np.zeros((*corners.shape, 2)) if uv is None else uv[corners].astype(float)
    matrix = slot[10:16].reshape(2, 3).astype(float)
    return np.nan_to_num(flat_uv @ matrix[:, :2].T + matrix[:, 2])


def _texture_weight(row: F32, textures: tuple[Image, ...], uv: F64) -> F64:
    """Roughly the mean texel of each triangle, from points all over it; at least a twentieth of the mean of all."""
    if row[lr.IMAGE] < 0:
        return np.full(len(uv), 0.3)
    light = luminance_of(textures[int(row[lr.IMAGE])])
    h, w = light.shape
    m = int(np.clip(np.sqrt(_TEXTURE_POINTS / max(len(uv), 1)), 3, 64))
    x, y = (k.ravel() for k in np.meshgrid((np.arange(m) + 0.5) / m, (np.arange(m) + 0.5) / m))
    over = x + y > 1.0
    x, y = np.where(over, 1.0 - x, x), np.where(over, 1.0 - y, y)
    points = np.einsum("kc,ncd->nkd", np.stack((1.0 - x - y, x, y), axis=1), uv)
    x, y = (np.floor(points[..., 0] * w).astype(np.int64) % w, np.floor(points[..., 1] * h).astype(np.int64) % h)
    mean = np.maximum(light[y, x].mean(1) * float(row[lr.GAIN]) + float(row[lr.BIAS]), 0.0)
    return np.maximum(mean, 0.05 * max(float(mean.mean()), 1e-3))


def _fill(rows: F32, blocks: lr.Blocks, lamps: list[_Lamp], cells: int, forms: list[_Form]) -> None:
    """Rows and table blocks of lamps with equally many triangles."""
    keys = np.stack([(lamp.open, 0.5 * (lamp.open + lamp.close), lamp.close) for lamp in lamps], axis=1)
    if not rows[[lamp.index for lamp in lamps], lr.VARIES].any():
        keys = keys[:1]
    normals = np.cross(keys[..., 1, :] - keys[..., 0, :], keys[..., 2, :] - keys[..., 0, :])  # (keys, g, n, 3)
    doubled = np.linalg.norm(normals, axis=-1)
    normals = normals / np.where(doubled > 0.0, doubled, 1.0)[..., None]
    points = keys.transpose(1, 0, 2, 3, 4).reshape(len(lamps), -1, 3)
    centres = 0.5 * (points.min(1) + points.max(1))
    radii = np.linalg.norm(points - centres[:, None], axis=-1).max(1)
    flux = 0.5 * doubled.mean(0) * np.stack([lamp.luminance for lamp in lamps])  # area times luminance, (g, n)
    offsets = np.einsum("kgnc,kgnc->kgn", normals, keys[..., 0, :] - centres[:, None])
    sides = np.array([rows[lamp.index, lr.SIDES] for lamp in lamps])
    totals = flux.sum(1)
    starts = _place_picks(
        blocks, normals, offsets, radii, sides, flux / np.maximum(totals, 1e-30)[:, None], cells, forms
    )
    for g, lamp in enumerate(lamps):
        row = rows[lamp.index]
        row[lr.COUNT], row[lr.CELLS] = len(lamp.luminance), cells
        row[lr.CENTRE : lr.CENTRE + 3], row[lr.RADIUS] = centres[g], radii[g] * (1.0 + 1e-5)
        total = float(totals[g])
        row[lr.ALIVE] = bool(row[lr.ALIVE]) and total > 0.0
        lean = (normals[:, g] * flux[g][:, None]).mean(0).sum(0) / max(total, 1e-30)
        row[lr.LEAN : lr.LEAN + 3] = lean
        row[lr.BLUR] = max(0.25 * sides[g] * (1.0 - float(np.linalg.norm(lean))), 1e-4)
        row[lr.STRENGTH], row[lr.POWER] = total, np.pi * sides[g] * total
        row[lr.SOFTEN] = 0.3 * radii[g] ** 2
        row[lr.PICKS_HI], row[lr.PICKS_LO] = divmod(starts[g], 65536)
        triangles = _triangle_block(lamp, moves=bool(row[lr.VARIES]))
        row[lr.TRIANGLE_STRIDE] = triangles.shape[1]
        if not row[lr.ALIVE]:
            row[lr.COUNT] = 0
        blocks.place(row, triangles.ravel())


def _place_picks(
    blocks: lr.Blocks, normals: F64, offsets: F64, radii: F64, sides: F64, weights: F64, cells: int, forms: list[_Form]
) -> list[int]:
    """Where the distributions of each lamp lie; those of a form that was not met before are computed and appended.

    `weights` (g, n) are shares of the flux. A thousand lamps of one form, which is the common case, thus read the same
    few cache lines instead of a thousand tables.
    """
    g, n = weights.shape
    height = offsets / np.maximum(radii, 1e-30)[:, None]
    features = np.concatenate(
        (
            np.moveaxis(normals, 1, 0).reshape(g, -1),
            np.moveaxis(height, 1, 0).reshape(g, -1),
            sides[:, None],
            n * weights,
        ),
        axis=1,
    )
    most = max(1, min(_FORMS, _FORM_FLOATS // features.shape[1]))
    starts, left = np.full(g, -1), np.arange(g)
    for form in (f for f in forms if len(f.features) == features.shape[1]):
        same = np.abs(features[left] - form.features).max(1) < _ALIKE
        starts[left[same]], left = form.start, left[~same]
    new = []  # one lamp whose distributions are computed, and those that share them
    while len(left):
        same = np.zeros(len(left), bool)
        same[0] = True
        if len(forms) + len(new) < most:
            same = np.abs(features[left] - features[left[0]]).max(1) < _ALIKE
        new.append(left[same])
        left = left[~same]
    if new:
        k = np.array([members[0] for members in new])
        flux = weights[k]
        pick = flux[:, None]  # (k, 1 + vertices, n)
        if cells:
            seen = _known_shares(normals[:, k], offsets[:, k], radii[k], sides[k], cells)
            pick = np.append(pick, seen * pick, axis=1)
        for i, members in enumerate(new):
            head = pick[i].sum(1).astype(np.float32)
            picks = np.concatenate((head[:, None], block_cdfs(pick[i], BLOCK)), axis=1)
            starts[members] = blocks.append(picks.ravel())
            if len(forms) < most:
                forms.append(_Form(features[members[0]], int(starts[members[0]])))
    return starts.tolist()


def _triangle_block(lamp: _Lamp, *, moves: bool) -> F32:
    """One line per triangle: vertex and two edges at open, the same at close when it moves, then three uv pairs."""
    parts = []
    for v in (lamp.open, lamp.close) if moves else (lamp.open,):
        parts += [v[:, 0], v[:, 1] - v[:, 0], v[:, 2] - v[:, 0]]
    if lamp.uv is not None:
        parts.append(lamp.uv.reshape(-1, 6))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _known_shares(normals: F64, offsets: F64, radii: F64, sides: F64, cells: int) -> F64:
    """`_shares`, which most edits of lights leave as they are: those computed last are kept, by what they are of."""
    digest = hashlib.blake2b(f"{normals.shape} {cells}".encode())
    for array in (normals, offsets, radii, sides):
        digest.update(np.ascontiguousarray(array).tobytes())
    key = digest.digest()
    found = _kept_shares.pop(key, None)
    if found is None:
        found = _shares(normals, offsets, radii, sides, cells)
    if found.size <= _MOST_KEPT:
        _kept_shares[key] = found  # the last
        while sum(shares.size for shares in _kept_shares.values()) > _MOST_KEPT:
            del _kept_shares[next(iter(_kept_shares))]
    return found


def _shares(normals: F64, offsets: F64, radii: F64, sides: F64, cells: int) -> F64:
    """Shown part of each triangle's area for every vertex of the direction grid: (g, (cells + 1)^2, n).

    `offsets` (keys, g, n) is the height of the triangle's plane over the light's centre: a receiver at distance D along
    d sees the front when cos(normal, d) > offset / D. The test for "some receiver around this vertex sees it" widens
    the angle by the reach of the vertex's cells and by what the triangle turns between the keys, and takes the distance
    that is kindest, so it never misses.
    """
    directions, reach = _grid(cells)
    cosine = np.einsum("kgnc,vc->kgvn", normals, directions)
    height = offsets[:, :, None, :] / np.maximum(radii, 1e-30)[None, :, None, None]
    shown = cosine - height / _REFERENCE_RADII
    turned = (
        np.einsum("kgnc,kgnc->kgn", normals, np.roll(normals, 1, axis=0)) if len(normals) > 1 else np.ones((1, 1, 1))
    )
    turn = np.arccos(np.clip(turned, -1.0, 1.0)).max(0)[:, None]
    widest = np.cos(np.maximum(np.arccos(np.clip(cosine, -1.0, 1.0)) - reach[:, None] - turn, 0.0))
    seen = widest > np.minimum(height / lr.NEAR_RADII, 0.0) - 1e-4
    one = np.where(seen, np.maximum(shown, _SHARE_FLOOR), 0.0)
    two = np.maximum(np.abs(shown), _SHARE_FLOOR)
    return np.where(sides[None, :, None, None] == 2.0, two, one).max(0)


@functools.lru_cache(maxsize=8)
def _grid(cells: int) -> tuple[F64, F64]:
    """Directions of the grid's vertices, row by row, and the largest angle from each to a point of its cells."""
    fine = 8
    line = np.linspace(0.0, 1.0, cells * fine + 1)
    dense = _from_square(np.stack(np.meshgrid(line, line, indexing="xy"), axis=-1))  # (y, x, 3)
    vertices = dense[::fine, ::fine]
    reach = np.zeros(vertices.shape[:2])
    for j in range(cells + 1):
        for i in range(cells + 1):
            near = dense[max(j - 1, 0) * fine : (j + 1) * fine + 1, max(i - 1, 0) * fine : (i + 1) * fine + 1].reshape(
                -1, 3
            )
            reach[j, i] = np.arccos(np.clip(near @ vertices[j, i], -1.0, 1.0)).max()
    return vertices.reshape(-1, 3), reach.ravel() + 0.02


def _from_square(uv: F64) -> F64:
    """Unit directions of points of the octahedral square; the inverse of `octahedral`."""
    x, y = 2.0 * uv[..., 0] - 1.0, 2.0 * uv[..., 1] - 1.0
    z = 1.0 - np.abs(x) - np.abs(y)
    fold = z < 0.0
    fx = np.where(fold, (1.0 - np.abs(y)) * np.where(x >= 0.0, 1.0, -1.0), x)
    fy = np.where(fold, (1.0 - np.abs(x)) * np.where(y >= 0.0, 1.0, -1.0), y)
    d = np.stack((fx, fy, z), axis=-1)
    return d / np.linalg.norm(d, axis=-1, keepdims=True)


# --- on the device --------------------------------------------------------------------------------------------------
@ti.func
def triangle_at(rows: ti.template(), table: ti.template(), l: ti.i32, tri: ti.i32, time: ti.f32):
    """A vertex and two edges in world space, counter-clockwise seen from the emitting side."""
    k = lr.table_start(rows, l) + tri * ti.cast(rows[l, lr.TRIANGLE_STRIDE], ti.i32)
    a = tm.vec3(table[k], table[k + 1], table[k + 2])
    b = tm.vec3(table[k + 3], table[k + 4], table[k + 5])
    c = tm.vec3(table[k + 6], table[k + 7], table[k + 8])
    if rows[l, lr.VARIES] > 0.5:
        a = tm.mix(a, tm.vec3(table[k + 9], table[k + 10], table[k + 11]), time)
        b = tm.mix(b, tm.vec3(table[k + 12], table[k + 13], table[k + 14]), time)
        c = tm.mix(c, tm.vec3(table[k + 15], table[k + 16], table[k + 17]), time)
    return a, b, c


@ti.func
def quick_atan2(y: ti.f32, x: ti.f32) -> ti.f32:
    """`ti.atan2` within 2e-7 of its value and the same bits everywhere; a third of the library's time, and lamps of few
    triangles ask for six of them a hit. A least maximum fit of (atan(t) / t - 1) / t^2 in t^2, our own."""
    ax, ay = ti.abs(x), ti.abs(y)
    t = ti.min(ax, ay) / ti.max(ax, ay, 1e-37)
    s = t * t
    p = -0.016580952 + s * 0.00297452691
    p = 0.106789296 + s * (-0.0758055228 + s * (0.0435531981 + s * p))
    p = -0.33333167 + s * (0.19994137 + s * (-0.142142068 + s * p))
    r = t + t * s * p
    if ay > ax:
        r = 1.57079632679 - r
    if x < 0.0:
        r = 3.14159265359 - r
    return -r if y < 0.0 else r


@ti.func
def solid_angle(a: tm.vec3, b: tm.vec3, c: tm.vec3) -> ti.f32:
    """Signed solid angle of a triangle from a vertex, relative to the eye, and its edges (Van Oosterom, Strackee 1983).

    The volume comes from the edges, whose cross product keeps its digits however far the triangle is.
    """
    v, w = a + b, a + c
    la, lv, lw = a.norm(), v.norm(), w.norm()
    return 2.0 * quick_atan2(a.dot(b.cross(c)), la * lv * lw + a.dot(v) * lw + v.dot(w) * la + w.dot(a) * lv)


@ti.func
def octahedral(d: tm.vec3) -> tm.vec2:
    """A unit direction on the unit square (Cigolle et al. 2014)."""
    s = 1.0 / (ti.abs(d.x) + ti.abs(d.y) + ti.abs(d.z))
    x, y = d.x * s, d.y * s
    if d.z < 0.0:
        fold_x = (1.0 - ti.abs(y)) * ti.select(x >= 0.0, 1.0, -1.0)
        y = (1.0 - ti.abs(x)) * ti.select(y >= 0.0, 1.0, -1.0)
        x = fold_x
    return tm.vec2(0.5 * x + 0.5, 0.5 * y + 0.5)


@ti.func
def mesh_pick(rows: ti.template(), table: ti.template(), l: ti.i32, p: tm.vec3, time: ti.f32, tri: ti.i32, u: ti.f32):
    """A triangle of mesh light `l` for receiver `p`, its probability, and its solid angle if that had to be known, else
    -1; `tri` >= 0 asks for that one's."""
    n, sides = ti.cast(rows[l, lr.COUNT], ti.i32), ti.cast(rows[l, lr.SIDES], ti.i32)
    q = p - lr.vec_at(rows, l, lr.CENTRE)
    d = q.norm()
    near = d < lr.NEAR_RADII * rows[l, lr.RADIUS]
    index, mass, angle, left = tri, 0.0, -1.0, ti.min(u, 0.99999994)
    if (near and n <= FEW_TRIANGLES) or n <= 2:
        total, chosen = 0.0, 0.0
        for i in range(n):
            a, b, c = triangle_at(rows, table, l, i, time)
            w = -solid_angle(a - p, b, c)
            w = ti.abs(w) if sides == 2 else ti.max(w, 0.0)
            total += w
            take = i == tri
            if tri < 0 and w > 0.0:
                share = w / total
                take = left < share
                left = left / share if take else (left - share) / ti.max(1.0 - share, 1e-12)
                left = ti.min(left, 0.99999994)
            if take:
                index, chosen = i, w
        if total > 0.0:
            mass = chosen / total
            angle = chosen
        index = ti.max(index, 0)
    elif n > 0:
        stride = 1 + blocks_of(n, BLOCK) + n
        cells = ti.cast(rows[l, lr.CELLS], ti.i32)
        start = lr.picks_start(rows, l) + 1
        corner, fx, fy, corners = 0, 0.0, 0.0, 1
        if cells > 0 and not near:
            at = octahedral(q / d) * cells
            ix = tm.clamp(ti.cast(at.x, ti.i32), 0, cells - 1)
            iy = tm.clamp(ti.cast(at.y, ti.i32), 0, cells - 1)
            fx, fy = tm.clamp(at.x - ix, 0.0, 1.0), tm.clamp(at.y - iy, 0.0, 1.0)
            corner, corners = 1 + iy * (cells + 1) + ix, 4
        if tri < 0:
            row = start + corner * stride
            if left < fx:
                left /= fx
                row += stride
            else:
                left = (left - fx) / (1.0 - fx)
            if left < fy:
                left /= fy
                row += (cells + 1) * stride
            else:
                left = (left - fy) / (1.0 - fy)
            index = pick_entry(table, row, n, BLOCK, ti.min(left, 0.99999994))
        for k in range(corners):
            kx, ky = k & 1, k >> 1
            weight = (fx if kx == 1 else 1.0 - fx) * (fy if ky == 1 else 1.0 - fy)
            row = start + (corner + kx + ky * (cells + 1)) * stride
            mass += weight * mass_at(table, row, n, BLOCK, index)
    return index, mass, angle


@ti.func
def spherical_triangle_point(a: tm.vec3, b: tm.vec3, c: tm.vec3, omega: ti.f32, u: tm.vec2) -> tm.vec3:
    """A direction uniform in the spherical triangle of unit vectors a, b, c of area `omega` (Arvo 1995)."""
    ab, ca = tm.normalize(a.cross(b)), tm.normalize(c.cross(a))
    cos_alpha = tm.clamp(-ab.dot(ca), -1.0, 1.0)
    sin_alpha = ti.max(ab.cross(ca).norm(), 1e-7)
    alpha = ti.atan2(sin_alpha, cos_alpha)
    part = u.x * omega
    s, t = ti.sin(part - alpha), ti.cos(part - alpha)
    v = t - cos_alpha
    w = s + sin_alpha * a.dot(b)
    above = (w * t - v * s) * cos_alpha - w
    below = (w * s + v * t) * sin_alpha
    cos_side = 1.0
    if ti.abs(below) > 1e-12:
        cos_side = tm.clamp(above / below, -1.0, 1.0)
    edge = c - a * a.dot(c)
    far = cos_side * a + ti.sqrt(1.0 - cos_side * cos_side) * edge / ti.max(edge.norm(), 1e-12)
    one_minus = u.y * (1.0 - far.dot(b))
    side = far - b * far.dot(b)
    sine = ti.sqrt(ti.max(0.0, one_minus * (2.0 - one_minus)))
    return tm.normalize((1.0 - one_minus) * b + sine * side / ti.max(side.norm(), 1e-12))


@ti.func
def triangle_angle(a: tm.vec3, b: tm.vec3, c: tm.vec3, known: ti.f32) -> ti.f32:
    """Solid angle of a triangle by which to sample it, 0 to sample it by area; `known` >= 0 if it was computed before.

    `a` is a vertex relative to the receiver, `b` and `c` are the edges from it. At twice the length of its edges a
    triangle cannot look larger than four times its area over the distance squared, which spares most the exact angle.
    """
    omega = ti.max(known, 0.0)
    d2 = a.dot(a)
    if known < 0.0 and (4.0 * ti.max(b.dot(b), c.dot(c)) > d2 or 2.0 * b.cross(c).norm() > TRIANGLE_BY_ANGLE * d2):
        omega = ti.abs(solid_angle(a, b, c))
    return omega if omega >= TRIANGLE_BY_ANGLE else 0.0


@ti.func
def triangle_pdf(b: tm.vec3, c: tm.vec3, omega: ti.f32, wi: tm.vec3, dist: ti.f32, sides: ti.i32) -> ti.f32:
    """Density per solid angle of sampling a triangle with edges `b` and `c` along `wi`; 0 from behind."""
    normal = b.cross(c)
    facing = -wi.dot(normal)
    if sides == 2:
        facing = ti.abs(facing)
    pdf = 0.0
    if facing > 1e-9 * normal.norm():
        pdf = 2.0 * dist * dist / facing
        if omega > 0.0:
            pdf = 1.0 / omega
    return pdf


@ti.func
def triangle_vector(a: tm.vec3, b: tm.vec3, c: tm.vec3, omega: ti.f32, u: tm.vec2) -> tm.vec3:
    """From the receiver to a point of the triangle: uniform by angle when `omega` says so, else by area."""
    x, y = u.x, u.y  # low-distortion map of the square to the triangle (Heitz 2019)
    if y > x:
        x *= 0.5
        y -= x
    else:
        y *= 0.5
        x -= y
    v = a + b * x + c * y
    if omega > 0.0:
        w = spherical_triangle_point(tm.normalize(a), tm.normalize(a + b), tm.normalize(a + c), omega, u)
        normal = b.cross(c)
        slope = w.dot(normal)
        if ti.abs(slope) > 1e-12 * normal.norm():
            v = w * ti.max(a.dot(normal) / slope, 0.0)
    return v


@ti.func
def shown_flux(rows: ti.template(), table: ti.template(), l: ti.i32, d: tm.vec3) -> ti.f32:
    """Part of the light's area that shows towards `d`, weighed by emission: the nearest vertex of the grid."""
    cells, count = ti.cast(rows[l, lr.CELLS], ti.i32), ti.cast(rows[l, lr.COUNT], ti.i32)
    at = octahedral(d) * cells + 0.5
    row = 1 + ti.cast(at.y, ti.i32) * (cells + 1) + ti.cast(at.x, ti.i32)
    return table[lr.picks_start(rows, l) + row * (1 + blocks_of(count, BLOCK) + count)]


@ti.func
def mesh_uv(
    rows: ti.template(), table: ti.template(), l: ti.i32, tri: ti.i32, v: tm.vec3, b: tm.vec3, c: tm.vec3
) -> tm.vec2:
    """Image coordinates at offset `v` from the first vertex of a triangle with edges `b` and `c`."""
    bb, bc, cc, vb, vc = b.dot(b), b.dot(c), c.dot(c), v.dot(b), v.dot(c)
    det = ti.max(bb * cc - bc * bc, 1e-30)
    s, t = (cc * vb - bc * vc) / det, (bb * vc - bc * vb) / det
    stride = ti.cast(rows[l, lr.TRIANGLE_STRIDE], ti.i32)
    k = lr.table_start(rows, l) + (tri + 1) * stride - 6
    return (
        (1.0 - s - t) * tm.vec2(table[k], table[k + 1])
        + s * tm.vec2(table[k + 2], table[k + 3])
        + t * tm.vec2(table[k + 4], table[k + 5])
    )
