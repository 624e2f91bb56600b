"""The skin's maps: colour, roughness and pores, painted by code in the head's own space.

Even skin looks like plastic. Colour is painted as melanin and blood (`pigments`), region by region: blood under nose,
cheeks, ears and lips, less of it on the forehead, a blue-grey beard, darker lids, freckles where the sun falls, and
soft mottling everywhere. Roughness follows oil: low on forehead, nose and chin, high on the cheeks, wet on the lips.
Pores are cells stretched along the lines of tension, deep on nose and cheeks, fine elsewhere; the lips have furrows.
All is a function of the complexion and its seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.figure.bust.identities import Complexion
from studio.figure.bust.landmarks import Anatomy
from studio.figure.bust.noise import cell_tile, laid, soft
from studio.figure.bust.pieces import from_line
from studio.figure.bust.pigments import skin_color
from studio.figure.bust.uv_bake import Baked, metres_per_texel, normal_map

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
_EDGE_M = 0.0065  # noise of wider cells is smooth from vertex to vertex


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """The head's surface at the covered texels of a map: places (n, 3) in metres and masks (n,), and how the surface
    moves from texel to texel. `flat` (n, 2) are the two coordinates of a place across the axis it faces most: a
    picture laid over them is stretched by no more than a half anywhere."""

    baked: Baked
    vertices: F32  # (v, 3)
    places: F32
    flat: F32
    masks: Mapping[str, F32]
    anatomy: Anatomy
    along_u: F32
    along_v: F32

    @staticmethod
    def of(
        baked: Baked,
        positions: NDArray[np.floating],
        normals: NDArray[np.floating],
        masks: Mapping[str, F32],
        anatomy: Anatomy,
    ) -> Canvas:
        """A canvas of a mesh's positions and normals (v, 3) and masks (v,)."""
        along_u, along_v = metres_per_texel(baked, positions)
        at = {name: np.clip(baked.at_texels(mask), 0, 1) for name, mask in masks.items()}
        places = baked.at_texels(positions)
        axis = np.abs(baked.at_texels(normals)).argmax(axis=1)
        flat = np.where(
            (axis == 0)[:, None], places[:, [2, 1]], np.where((axis == 1)[:, None], places[:, [0, 2]], places[:, :2])
        )
        flat = flat + np.array([0.37, 0.71], np.float32) * axis[:, None]
        return Canvas(
            baked, np.asarray(positions, np.float32), places, flat.astype(np.float32), at, anatomy, along_u, along_v
        )

    def mask(self, name: str) -> F32:
        """A mask (n,), 0 everywhere when the head has none of the name."""
        found = self.masks.get(name)
        return np.zeros(len(self.places), np.float32) if found is None else found

    def noise(self, cell_m: float, seed: int, *, octaves: int = 1) -> F32:
        """`noise.soft` at the texels; octaves wider than the mesh's edges are taken at its vertices, which is fast."""
        total = np.zeros(len(self.places), np.float32)
        for octave in range(octaves):
            size, weight = cell_m * 0.5**octave, np.float32(0.5**octave)
            if size > _EDGE_M:
                total += weight * self.baked.at_texels(soft(self.vertices, size, seed + 101 * octave))
            else:
                total += weight * soft(self.places, size, seed + 101 * octave)
        return np.asarray(total / np.float32(2.0 - 0.5 ** (octaves - 1)), np.float32)

    def cells(self, size_m: float, seed: int) -> tuple[F32, F32, F32]:
        """Cellular noise at the texels in cells of a size: see `noise.cell_tile`."""
        return laid(cell_tile(seed), self.flat, size_m)

    def spot(self, centre: object, radius: float, *, flat: float = 1.0) -> F32:
        """(n,) a soft round spot about a point, 1 in its middle; `flat` above 1 makes it less high than wide."""
        away = (self.places - np.asarray(centre, np.float32)) * np.array([1.0, flat, 1.0], np.float32)
        return np.asarray(np.exp(-np.sum(away * away, axis=1) / np.float32(radius * radius)), np.float32)

    def pair(self, left: object, radius: float, *, flat: float = 1.0) -> F32:
        """The same spot on both sides, given that of the left."""
        x, y, z = np.asarray(left, np.float64)
        return np.maximum(self.spot((x, y, z), radius, flat=flat), self.spot((-x, y, z), radius, flat=flat))


@dataclass(frozen=True, slots=True, eq=False)
class SkinMaps:
    """Pictures of a skin: `color` (h, w, 3) sRGB, `roughness` (h, w, 1) and `normal` (2 h, 2 w, 3) data, all 8 bit."""

    color: U8
    roughness: U8
    normal: U8


def skin_maps(canvas: Canvas, look: Complexion, *, age: float = 0.0, lines: tuple[F32, F32] | None = None) -> SkinMaps:
    """The maps of a complexion on a head; `age` as in `Identity`, `lines` as `wrinkle_maps.age_lines` gives them."""
    colour = _color(canvas, look, age)
    relief = _relief(canvas, look) * (1.0 + 1.2 * max(age, 0.0))
    if lines is not None:
        relief = relief + lines[0]
        colour = colour * (1 - lines[1][:, None] * np.array([0.16, 0.26, 0.28], np.float32))
    rough = _roughness(canvas, look)
    height = doubled(canvas.baked.picture(relief)) + _pores(canvas, look)
    normal = normal_map(height, 0.5 * doubled(canvas.along_u), 0.5 * doubled(canvas.along_v))
    return SkinMaps(
        srgb(canvas.baked.picture(colour)),
        np.asarray(np.round(255 * np.clip(canvas.baked.picture(rough), 0, 1))[..., None], np.uint8),
        normal,
    )


def srgb(linear: F32) -> U8:
    """8-bit sRGB of linear colours."""
    clipped = np.clip(linear, 0, 1)
    encoded = np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055)
    return np.asarray(np.round(255 * encoded), np.uint8)


def _color(canvas: Canvas, look: Complexion, age: float) -> F32:
    a = canvas.anatomy
    mottle = canvas.noise(0.016, look.seed + 1, octaves=3)
    fine = canvas.noise(0.0035, look.seed + 2, octaves=2)
    blotch = canvas.noise(0.03, look.seed + 3, octaves=2)
    melanin = look.melanin * (1 + 0.14 * mottle + 0.07 * fine + 0.10 * blotch)
    blood = look.blood * (1 + 0.22 * blotch + 0.20 * canvas.noise(0.009, look.seed + 4, octaves=3) + 0.10 * fine)
    lips, nose, ears = canvas.mask("lips"), canvas.mask("nose"), canvas.mask("ears")
    cheeks = np.maximum(0.55 * canvas.mask("cheeks"), _cheek(canvas))
    tip = canvas.spot(a.nose_tip, 0.013)
    wings = canvas.pair(a.nostrils[0] + np.array([0.008, 0.004, -0.002]), 0.009)
    chin = canvas.spot(a.chin, 0.013)
    knuckle = canvas.pair(a.eyes[0] + np.array([-0.012, -0.012, 0.008]), 0.010, flat=1.3)
    blood *= 1 + look.flush * (
        0.55 * cheeks + 0.75 * tip + 0.8 * wings + 0.15 * nose + 0.45 * ears + 0.3 * chin + 0.3 * knuckle
    )
    forehead = canvas.spot((0.0, 0.045, 0.0), 0.05, flat=1.3)
    blood *= 1 - 0.22 * forehead - 0.12 * canvas.mask("neck")
    melanin *= 1 + 0.08 * forehead - 0.06 * canvas.mask("neck")
    lids = canvas.mask("lids")
    melanin *= 1 + 0.22 * lids * look.lids + 0.5 * look.circles * _under_eye(canvas)
    blood *= 1 + 0.6 * lids + 0.7 * look.circles * _under_eye(canvas)
    blood = blood * (1 - lips) + lips * (look.lips * (1 + 0.25 * mottle + 0.12 * fine))
    melanin = melanin * (1 - lips) + lips * (0.7 * look.melanin + 0.003 + look.lip_melanin)
    inner = canvas.mask("inner_mouth")
    blood = blood * (1 - inner) + inner * 0.075
    melanin = melanin * (1 - inner) + inner * (0.004 + 0.2 * look.melanin)
    melanin += look.freckles * _freckles(canvas, look)
    if age > 0:
        melanin += 0.25 * age * look.melanin * np.clip(canvas.noise(0.006, look.seed + 5, octaves=2) * 3 - 1.35, 0, 1)
        blood *= 1 + 0.25 * age * np.clip(canvas.noise(0.004, look.seed + 6, octaves=2), 0, 1) * cheeks
    out = skin_color(melanin, blood)
    out *= 1 - 0.05 * np.clip(_veins(canvas, look), 0, 1)[:, None] * np.array([1.0, 0.45, 0.2], np.float32)
    out = _lash_lines(canvas, look, _browed(canvas, look, _bearded(canvas, look, out)))
    return _scalped(canvas, look, out)


def _cheek(canvas: Canvas) -> F32:
    """The apple of the cheeks."""
    eye = canvas.anatomy.eyes[0]
    return canvas.pair(eye + np.array([0.012, -0.030, 0.008]), 0.021)


def _under_eye(canvas: Canvas) -> F32:
    eye = canvas.anatomy.eyes[0]
    hollow = canvas.pair(eye + np.array([-0.007, -0.0125, 0.013]), 0.0095, flat=1.7)
    return np.asarray(np.maximum(0.5 * canvas.mask("under_eye"), hollow), np.float32)


def _freckles(canvas: Canvas, look: Complexion) -> F32:
    """Freckles over nose and cheeks, of different sizes and strengths."""
    if look.freckles <= 0:
        return np.zeros(len(canvas.places), np.float32)
    where = np.maximum(canvas.spot(canvas.anatomy.nose_tip + np.array([0, 0.018, -0.01]), 0.024), 0.9 * _cheek(canvas))
    where = np.maximum(where, 0.35 * canvas.spot((0.0, 0.04, 0.0), 0.05))
    total = np.zeros(len(canvas.places), np.float32)
    for size, share, seed in ((0.0042, 0.55, 11), (0.0027, 0.45, 12), (0.0018, 0.3, 13)):
        near, _, number = canvas.cells(size, look.seed + seed)
        there = number < share * where
        total += there * np.clip(1.15 - near / (0.16 + 0.20 * number / np.maximum(share, 1e-6)), 0, 1) * (0.5 + number)
    return np.asarray(total * (0.6 + 0.4 * where), np.float32)


def _veins(canvas: Canvas, look: Complexion) -> F32:
    """Thin lines where veins shine through: temples and under the eyes."""
    eye = canvas.anatomy.eyes[0]
    where = np.maximum(canvas.pair(eye + np.array([0.030, 0.016, -0.022]), 0.018), 0.7 * _under_eye(canvas))
    ridge = 1 - np.abs(canvas.noise(0.012, look.seed + 21, octaves=2)) * 9
    return np.asarray(np.clip(ridge, 0, 1) * where, np.float32)


def _bearded(canvas: Canvas, look: Complexion, color: F32) -> F32:
    """Shaven beard: a cool shade with dots where hairs are cut."""
    if look.beard <= 0:
        return color
    zone = canvas.mask("beard") * (1 - canvas.mask("lips"))
    zone = zone * (0.75 + 0.25 * canvas.noise(0.012, look.seed + 31, octaves=2))
    near, _, number = canvas.cells(0.00115, look.seed + 32)
    dots = np.clip(1.3 - near / 0.26, 0, 1) * (number > 0.25)
    shade = look.beard * zone
    cool = color * np.array([0.78, 0.85, 0.93], np.float32)
    color = color + (cool - color) * np.clip(0.9 * shade, 0, 1)[:, None]
    dark = np.minimum(color, np.asarray(look.hair_color, np.float32) * 0.9 + 0.02)
    return np.asarray(color + (dark - color) * np.clip(0.75 * shade * dots, 0, 1)[:, None], np.float32)


def _browed(canvas: Canvas, look: Complexion, color: F32) -> F32:
    """A shade under the brows, where hairs too short to be strands stand."""
    near = np.flatnonzero((canvas.places[:, 2] > -0.03) & (np.abs(canvas.places[:, 1] - 0.022) < 0.03))
    dark = np.asarray(look.brow_color or look.hair_color, np.float32) * 0.8 + 0.03 * color[near]
    amount = np.zeros(len(near), np.float32)
    for line in canvas.anatomy.brows:
        away, t = from_line(canvas.places[near], np.asarray(line, np.float64))
        half = look.brow_thickness * np.interp(t, (0.0, 0.1, 0.4, 0.7, 1.0), (0.0022, 0.0040, 0.0040, 0.0028, 0.0008))
        amount = np.maximum(
            amount, np.clip(1.25 - away / half, 0, 1) * np.interp(t, (0, 0.12, 0.9, 1), (0.25, 0.8, 0.8, 0.2))
        )
    amount *= 0.62 * look.brow_density * (0.75 + 0.35 * canvas.noise(0.0016, look.seed + 45)[near])
    out = color.copy()
    out[near] += (dark - color[near]) * np.clip(amount, 0, 0.85)[:, None]
    return out


def _lash_lines(canvas: Canvas, look: Complexion, color: F32) -> F32:
    """The shade along the lids' edges where lashes are rooted."""
    dark = np.asarray(look.brow_color or look.hair_color, np.float32) * 0.5 + np.float32(0.004)
    out = color.copy()
    a = canvas.anatomy
    for lines, strength, wide in ((a.upper_lids, 0.75, 0.0011), (a.lower_lids, 0.30, 0.0008)):
        for line in np.asarray(lines, np.float64):
            near = np.flatnonzero(
                ((canvas.places > line.min(axis=0) - 0.003) & (canvas.places < line.max(axis=0) + 0.003)).all(axis=1)
            )
            away, share = from_line(canvas.places[near], line)
            fade = np.interp(share, (0.0, 0.12, 0.5, 1.0), (0.1, 0.5, 0.85, 1.0))
            amount = strength * fade * np.clip(1.35 - away / wide, 0, 1)
            out[near] += (dark - out[near]) * amount[:, None].astype(np.float32)
    return out


def _scalped(canvas: Canvas, look: Complexion, color: F32) -> F32:
    """The scalp in the shade of its hair, so that no skin shines through, softly at the hairline; or shaven."""
    zone = canvas.mask("scalp")
    ragged = np.clip(zone * 1.25 - 0.22 + 0.22 * canvas.noise(0.004, look.seed + 41, octaves=2), 0, 1)
    near, _, number = canvas.cells(0.0011, look.seed + 42)
    dots = np.clip(1.3 - near / 0.3, 0, 1) * (number > 0.2)
    amount = ragged * (look.scalp + (1 - look.scalp) * 0.6 * dots * (look.scalp > 0))
    dark = np.asarray(look.hair_color, np.float32) * 0.5 + 0.03 * color
    return np.asarray(color + (dark - color) * np.clip(amount, 0, 1)[:, None], np.float32)


def _roughness(canvas: Canvas, look: Complexion) -> F32:
    a = canvas.anatomy
    oily = np.maximum.reduce(
        [
            0.9 * canvas.spot((0.0, 0.042, 0.01), 0.032, flat=1.2),
            canvas.spot(a.nose_tip + np.array([0, 0.010, -0.004]), 0.017),
            0.6 * canvas.spot(a.chin, 0.014),
            0.55 * canvas.pair(a.eyes[0] + np.array([0.012, -0.022, 0.004]), 0.014),
        ]
    )
    out = 0.50 - 0.13 * look.oil * oily + 0.05 * canvas.noise(0.012, look.seed + 51, octaves=3)
    out = out + 0.04 * canvas.noise(0.002, look.seed + 52, octaves=2) + 0.03 * canvas.mask("neck")
    lids = canvas.mask("lids")
    out = out - 0.07 * lids
    lips = canvas.mask("lips")
    out = out * (1 - lips) + lips * (0.33 + 0.05 * canvas.noise(0.003, look.seed + 53, octaves=2))
    inner = canvas.mask("inner_mouth")
    out = out * (1 - inner) + 0.22 * inner
    return np.asarray(out + 0.2 * canvas.mask("scalp") * look.scalp, np.float32)


def _relief(canvas: Canvas, look: Complexion) -> F32:
    """The height of the skin's soft unevenness and of the lips' furrows, metres (n,)."""
    lips, lids = canvas.mask("lips"), canvas.mask("lids")
    height = 1.2e-5 * canvas.noise(0.0028, look.seed + 64, octaves=2) * _plain(canvas) * (1 - canvas.mask("scalp"))
    height += 3.0e-5 * canvas.noise(0.0085, look.seed + 65, octaves=2) * np.clip(1 - 1.2 * lids - lips, 0, 1)
    return np.asarray(height + _lip_furrows(canvas, look, lips), np.float32)


def _plain(canvas: Canvas) -> F32:
    """Where skin has pores: not on lips, little on lids."""
    bare = canvas.mask("lips") + 0.6 * canvas.mask("lids") + 0.7 * canvas.mask("inner_mouth")
    return np.asarray(np.clip(1 - bare, 0, 1), np.float32)


def _pores(canvas: Canvas, look: Complexion) -> F32:
    """(2 size, 2 size) the height of pores and of the net of fine lines between them, metres, in twice the map's
    size: they are finer than anything else."""
    a = canvas.anatomy
    nose = np.maximum(canvas.mask("nose"), canvas.spot(a.nose_tip + np.array([0, 0.008, -0.004]), 0.017))
    cheeks = np.maximum(canvas.pair(a.eyes[0] + np.array([-0.006, -0.028, 0.010]), 0.019), 0.6 * nose)
    plain = _plain(canvas)
    depth, net = (0.30 + 1.0 * cheeks + 0.5 * nose) * plain, plain * (1 - 0.5 * nose)
    size = 2 * canvas.baked.size
    flat = doubled(canvas.baked.picture(canvas.flat)).reshape(-1, 2)
    near, second, number = laid(cell_tile(look.seed + 62), flat, 0.00125)
    pore = -(np.clip(1 - near / (0.20 + 0.10 * number), 0, 1) ** 1.5)
    lines = np.clip((second - near) * 2.2, 0, 1)
    height = 8.5e-5 * pore.reshape(size, size) * doubled(canvas.baked.picture(depth))
    near, second, _ = laid(cell_tile(look.seed + 63), flat, 0.00062)
    finer = np.clip((second - near) * 2.0, 0, 1)
    return np.asarray(
        height + (1.5e-5 * lines + 0.7e-5 * finer).reshape(size, size) * doubled(canvas.baked.picture(net)), np.float32
    )


def doubled(picture: F32) -> F32:
    """A picture (h, w, ...) in twice its size, linearly between texels."""
    for axis in (0, 1):
        before = np.concatenate([picture.take([0], axis), picture.take(range(picture.shape[axis] - 1), axis)], axis)
        after = np.concatenate([picture.take(range(1, picture.shape[axis]), axis), picture.take([-1], axis)], axis)
        pair = np.stack([0.75 * picture + 0.25 * before, 0.75 * picture + 0.25 * after], axis + 1)
        shape = list(picture.shape)
        shape[axis] *= 2
        picture = pair.reshape(shape)
    return picture


def _lip_furrows(canvas: Canvas, look: Complexion, lips: F32) -> F32:
    """Fine upright furrows of the lips, that fan out to the corners."""
    x, y = canvas.places[:, 0], canvas.places[:, 1]
    bent = x * (1 + 0.12 * ((y - canvas.anatomy.mouth_line[16, 1]) / 0.01) ** 2 * 0.3)
    stretched = np.stack([bent, 0.16 * y, 0.16 * canvas.places[:, 2]], 1)
    furrow = np.abs(soft(stretched, 0.0017, look.seed + 71, octaves=2))
    fine = np.abs(soft(stretched, 0.0008, look.seed + 72))
    return np.asarray(
        lips * (-1.5e-4 * np.clip(1 - 3.2 * furrow, 0, 1) - 4e-5 * np.clip(1 - 3 * fine, 0, 1)), np.float32
    )
