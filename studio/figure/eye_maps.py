"""The picture of an eye, drawn by code: iris, pupil and the white with its veins, in the eye closure's planar map.

The map spans two iris radii to each side of the axis: the pupil is drawn at 0.35 of the iris's radius (the closure
widens and narrows it), the iris reaches to 1, and beyond lies the sclera. `u` runs to +x of the eyeball, `v` down from
+y. All is one function of the seed; a map of 1024 pixels is made in about a second.

What is drawn is what an iris has: a bed of radial fibres whose density tells brown eyes from blue, a brighter zigzag
(the collarette) about a third of the way out, which parts the inner zone from the ciliary one, crypts along it where
the fibres gape, faint furrows near the rim, a dark limbal ring, and the pigmented ruff at the pupil's edge. Colours are
linear Rec.709 reflectances, judged after photographs of irises in even light. Veins start in the corners, branch, thin
and fade towards the limbus.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import UsageError
from studio.scene.geometry import Image, make_image
from studio.scene.materials import Material, Texture

F32 = NDArray[np.float32]
Color = tuple[float, float, float]
PUPIL = 0.35
SPAN = 2.0  # iris radii from the middle to the edge of the map
_END = 1.12  # radius at which nothing is left of the iris


@dataclass(frozen=True, slots=True)
class Iris:
    """Colours of an iris: around the pupil, of the fibres, at the rim; and how open the bed of fibres lies (0 to 1)."""

    inner: Color
    fibres: Color
    rim: Color
    open: float = 0.5


IRISES: Mapping[str, Iris] = {
    "brown": Iris((0.17, 0.066, 0.022), (0.095, 0.038, 0.015), (0.032, 0.014, 0.007), 0.25),
    "hazel": Iris((0.27, 0.125, 0.03), (0.155, 0.125, 0.042), (0.05, 0.055, 0.03), 0.5),
    "green": Iris((0.28, 0.19, 0.06), (0.125, 0.17, 0.08), (0.035, 0.065, 0.042), 0.65),
    "blue": Iris((0.3, 0.31, 0.27), (0.13, 0.235, 0.36), (0.03, 0.07, 0.14), 0.8),
    "grey": Iris((0.3, 0.29, 0.26), (0.19, 0.23, 0.265), (0.055, 0.07, 0.09), 0.85),
    "amber": Iris((0.42, 0.2, 0.04), (0.28, 0.125, 0.026), (0.085, 0.034, 0.01), 0.4),
}
_PUPIL_COLOR = (0.004, 0.0035, 0.0035)
_WHITE: Color = (0.76, 0.71, 0.67)
_PINK: Color = (0.7, 0.5, 0.45)
_YELLOW: Color = (0.74, 0.66, 0.52)
_BLUISH: Color = (0.6, 0.61, 0.64)
_VEIN: Color = (0.5, 0.12, 0.09)
_MOST_VEINS = 600


def iris_of(iris: Color | str) -> Iris:
    """The colours of an iris by its name, or made around one colour; `UsageError` for an unknown name."""
    if isinstance(iris, str):
        found = IRISES.get(iris)
        if found is None:
            raise UsageError(f"there is no iris {iris!r}; there are {', '.join(IRISES)}")
        return found
    r, g, b = (min(max(float(v), 0.0), 1.0) for v in iris)
    warm = (min(1.7 * r + 0.06, 1.0), min(1.4 * g + 0.03, 1.0), b)
    return Iris(warm, (r, g, b), (0.3 * r, 0.3 * g, 0.3 * b), 0.6)


def eye_image(size: int = 1024, *, iris: Color | str = "brown", veins: float = 0.3, seed: int = 0) -> NDArray[np.uint8]:
    """(size, size, 3) picture of an eye in sRGB. `veins` goes from 0, none, to 1, bloodshot."""
    colours = iris_of(iris)
    x, y, r = _grid(size)
    out = _sclera(x, y, r, veins, np.random.default_rng((seed, 1)))
    inside = r < _END
    bed = _bed(x[inside], y[inside], colours.open, np.random.default_rng((seed, 2)))
    shade = _iris(r[inside], bed, colours)
    edge = _step(1.09, 0.93, r[inside])[:, None]
    out[inside] += (shade - out[inside]) * edge
    return _encoded(out)


def eye_relief(
    size: int = 1024, *, iris: Color | str = "brown", seed: int = 0, depth: float = 1.0
) -> NDArray[np.uint8]:
    """(size, size, 3) tangent-space normals (+x right, +y up) of the same iris's fibres; flat over pupil and sclera."""
    colours = iris_of(iris)
    x, y, r = _grid(size)
    inside = r < _END
    bed = _bed(x[inside], y[inside], colours.open, np.random.default_rng((seed, 2)))
    height = np.zeros_like(r)
    fade = _step(PUPIL, PUPIL + 0.04, r[inside]) * _step(1.0, 0.9, r[inside])
    height[inside] = (bed.fibre + 0.8 * bed.ridge - 1.2 * bed.gap) * fade
    slope_v, slope_u = np.gradient(height, 2.0 * SPAN / size)
    scale = np.float32(0.02 * depth)
    normals = np.stack([-slope_u * scale, slope_v * scale, np.ones_like(height)], axis=-1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    return np.asarray(np.round((normals * 0.5 + 0.5) * 255.0), np.uint8)


def painted(material: Material, picture: Image) -> Material:
    """A material of an eye that shows a picture: it is the colour of what reflects and of what scatters below."""
    texture = Texture(image=picture.key, wrap_u="clamp", wrap_v="clamp")
    return msgspec.structs.replace(
        material, textures={**material.textures, "base_color": texture, "subsurface_color": texture}
    )


def eye_picture(size: int = 1024, *, iris: Color | str = "brown", veins: float = 0.3, seed: int = 0) -> Image:
    """`eye_image` as an image of a scene."""
    name = f"eye {iris}" if isinstance(iris, str) else "eye"
    return make_image(eye_image(size, iris=iris, veins=veins, seed=seed), colour_space="srgb", name=name)


# --- the iris --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Bed:
    """What stands out in an iris, each from 0 to 1 for every point."""

    fibre: F32  # bright strands
    ridge: F32  # the collarette
    gap: F32  # crypts
    inner: F32  # the zone within the collarette
    furrow: F32
    cloud: F32  # slow change of colour


def _bed(x: F32, y: F32, openness: float, rng: np.random.Generator) -> _Bed:
    """What stands out in an iris at places in iris radii."""
    r = np.asarray(np.hypot(x, y), np.float32)
    angle = np.asarray(np.arctan2(y, x) / np.float32(2.0 * np.pi), np.float32)
    sway = (_noise(rng, angle, r, 9, 3) - 0.5) * 0.05 + (_noise(rng, angle, r, 31, 5) - 0.5) * 0.016
    turned = angle + sway * (r - PUPIL)
    fibre = np.zeros_like(r)
    for columns, rows, weight in ((70, 2, 0.34), (150, 3, 0.36), (310, 5, 0.3)):
        strand = 1.0 - np.abs(2.0 * _noise(rng, turned, r, columns, rows) - 1.0)
        fibre += np.float32(weight) * strand * strand
    collar = 0.55 + 0.07 * (_noise(rng, angle, r, 26, 1) - 0.5) + 0.06 * (_noise(rng, angle, r, 7, 1) - 0.5)
    inner = _step(collar + 0.06, collar - 0.05, r)
    ridge = np.exp(-(((r - collar) / 0.035) ** 2)).astype(np.float32)
    fine = 1.0 - np.abs(2.0 * _noise(rng, turned, r, 240, 2) - 1.0)
    fibre += inner * (fine * np.float32(0.7) - fibre) * np.float32(0.7)
    gap = np.zeros_like(r)
    for _ in range(int(10 + 26 * openness)):
        at, place = rng.random(), rng.uniform(0.55, 0.76)
        wide, long_ = rng.uniform(0.004, 0.013), rng.uniform(0.05, 0.13)
        near = np.abs(np.mod(turned - at + 0.5, 1.0) - 0.5) / wide
        along = (r - place) / long_
        np.maximum(gap, _step(1.0, 0.25, near + along * along) * np.float32(rng.uniform(0.4, 1.0)), out=gap)
    gap *= 1.0 - 0.6 * fibre
    furrow = np.zeros_like(r)
    for at in (0.74, 0.84, 0.92):
        bend = at + 0.035 * (_noise(rng, angle, r, 8, 1) - 0.5)
        there = _step(0.45, 0.7, _noise(rng, angle, r, 11, 1))
        furrow += np.exp(-(((r - bend) / 0.012) ** 2)).astype(np.float32) * there
    return _Bed(fibre, ridge, gap, inner, furrow, _noise(rng, angle, r, 12, 3))


def _iris(r: F32, bed: _Bed, colours: Iris) -> F32:
    """(n, 3) linear colours of an iris."""
    inner, fibres, rim = (np.array(c, np.float32) for c in (colours.inner, colours.fibres, colours.rim))
    outwards = _step(0.6, 1.0, r)[:, None]
    body = fibres + (rim - fibres) * (outwards * outwards)
    warm = np.clip(bed.inner * 0.55 + _step(0.85, 0.4, r) * 0.5 + (bed.cloud - 0.5) * 0.5, 0.0, 1.0)
    warm *= 0.65 + 0.5 * bed.fibre
    color = body + (inner - body) * warm[:, None]
    light = 0.42 + 1.25 * bed.fibre + 0.4 * bed.ridge * (0.5 + bed.fibre)
    light *= 1.0 - 0.55 * bed.gap * (0.4 + 0.6 * colours.open)
    light *= 1.0 - 0.22 * bed.furrow
    light *= 1.0 - 0.72 * _step(0.82, 1.0, r)
    pale = (np.clip(bed.fibre - 0.55, 0.0, 1.0) * (0.5 * colours.open) * _step(1.0, 0.7, r))[:, None]
    color = color * light[:, None] + pale * np.float32(0.35)
    ruff = np.exp(-(((r - PUPIL - 0.012) / 0.014) ** 2)).astype(np.float32)[:, None]
    color += (np.array((0.03, 0.014, 0.007), np.float32) - color) * (0.75 * ruff)
    pupil = _step(PUPIL + 0.012, PUPIL - 0.008, r)[:, None]
    return np.asarray(color + (np.array(_PUPIL_COLOR, np.float32) - color) * pupil, np.float32)


# --- the white -------------------------------------------------------------------------------------------------------
def _sclera(x: F32, y: F32, r: F32, veins: float, rng: np.random.Generator) -> F32:
    """(h, w, 3) linear colours of the white of an eye."""
    size = len(r)
    base = np.array(_WHITE, np.float32)
    out = np.broadcast_to(base, (*r.shape, 3)).copy()
    corner = _step(1.1, 2.1, np.hypot(x, 0.45 * y))
    patches = _blurred(rng.random((32, 32)).astype(np.float32), size, radius=size // 40)

    def mix(color: Color, amount: F32) -> None:
        out[...] += (np.array(color, np.float32) - out) * amount[..., None]

    mix(_YELLOW, 0.35 * patches * _step(1.0, 1.7, r))
    mix(_PINK, corner * np.float32(0.25 + 0.4 * veins))
    mix(_BLUISH, 0.45 * _step(1.3, 1.0, r))
    if veins > 0.0:
        fine, broad = _veins(size, veins, rng)
        mix(_PINK, np.clip(broad, 0.0, 1.0) * np.float32(0.55))
        mix(_VEIN, np.clip(fine, 0.0, 1.0) * np.float32(0.75))
    return out


def _veins(size: int, amount: float, rng: np.random.Generator) -> tuple[F32, F32]:
    """Veins as coverage, sharp, and the blush around them. They are walked all at once, a step of a pixel at a time.

    A vein is a row: place x, y, heading, how fast it turns, width in pixels, strength, and where it ends (iris radii).
    """
    scale, step = size / 1024.0, 0.75 * 2.0 * SPAN / size
    rows = _roots(int(12 + 70 * amount), scale, rng)
    points, weights = [], []
    for _ in range(int(900 * scale) + 100):
        if not len(rows):
            break
        distance = np.hypot(rows[:, 0], rows[:, 1])
        fade = np.clip((distance - rows[:, 6]) / 0.25, 0.0, 1.0) * rows[:, 5]
        points.append(rows[:, :2].copy())
        weights.append(np.stack([rows[:, 4], fade], axis=-1))
        rows[:, 3] = 0.985 * rows[:, 3] + rng.normal(0.0, 0.0022, len(rows))
        homewards = np.arctan2(-rows[:, 1], -rows[:, 0]) - rows[:, 2]
        rows[:, 2] += rows[:, 3] + 0.004 * (np.mod(homewards + np.pi, 2.0 * np.pi) - np.pi)
        rows[:, 0] += step * np.cos(rows[:, 2])
        rows[:, 1] += step * np.sin(rows[:, 2])
        rows[:, 4] *= 0.9988
        alive = (fade > 0.02) & (rows[:, 4] > 0.3 * scale) & (distance < 2.6)
        parts = alive & (rng.random(len(rows)) < 0.006 / scale) & (rows[:, 4] > 0.5 * scale)
        rows[parts, 4] *= 0.85
        branches = rows[parts]
        lean = rng.normal(0.0, 0.4, len(branches))
        branches[:, 2] += lean
        branches[:, 3] += 0.02 * lean
        branches[:, 4] *= 0.75
        branches[:, 5] *= 0.85
        branches[:, 6] = np.maximum(branches[:, 6] + rng.normal(0.0, 0.1, len(branches)), 1.03)
        rows = np.concatenate([rows[alive], branches])[:_MOST_VEINS]
    at = (np.concatenate(points) * (1.0, -1.0) / (2.0 * SPAN) + 0.5) * size - 0.5
    fine = _stamped(at, np.concatenate(weights), size)
    return fine, _blurred(np.minimum(fine, np.float32(1.0)), size, radius=int(7 * scale) + 1) * np.float32(2.2)


def _roots(count: int, scale: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """(count, 7) veins where they begin: most in the corners, some above and below."""
    start = np.where(rng.random(count) < 0.5, 0.0, np.pi) + rng.normal(0.0, 0.5, count)
    start = np.where(rng.random(count) < 0.2, rng.uniform(0.0, 2.0 * np.pi, count), start)
    far = rng.uniform(1.95, 2.45, count)
    heading = start + np.pi + rng.normal(0.0, 0.35, count)
    turn, width = rng.normal(0.0, 0.008, count), rng.uniform(0.8, 2.0, count) * scale
    ends = rng.uniform(1.04, 1.5, count)
    return np.stack([far * np.cos(start), far * np.sin(start), heading, turn, width, np.ones(count), ends], axis=-1)


def _stamped(at: NDArray[np.float64], weights: NDArray[np.float64], size: int) -> F32:
    """Discs of a width and a strength around points, the strongest one counting."""
    out = np.zeros(size * size, np.float32)
    corner = np.floor(at).astype(int)
    for dy in range(-2, 4):
        for dx in range(-2, 4):
            cell = corner + np.array((dx, dy))
            d = np.hypot(*(cell - at).T)
            cover = np.clip(weights[:, 0] * 0.5 + 0.5 - d, 0.0, 1.0) * np.minimum(weights[:, 0], 1.0) * weights[:, 1]
            kept = ((cell >= 0) & (cell < size)).all(axis=1) & (cover > 0.0)
            np.maximum.at(out, cell[kept, 1] * size + cell[kept, 0], cover[kept].astype(np.float32))
    return out.reshape(size, size)


# --- tools -----------------------------------------------------------------------------------------------------------
def _grid(size: int) -> tuple[F32, F32, F32]:
    """x to the right, y up and the distance from the middle, in iris radii, at the centres of pixels."""
    at = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5) * np.float32(2.0 * SPAN)
    x, y = (np.asarray(a, np.float32) for a in np.meshgrid(at, -at))
    return x, y, np.hypot(x, y)


def _step(low: Any, high: Any, value: F32) -> F32:
    """The smooth step of shaders, from 0 at `low` to 1 at `high`; falling where `low` is the greater."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def _noise(rng: np.random.Generator, angle: F32, r: F32, columns: int, rows: int) -> F32:
    """Smooth noise from 0 to 1 over turns, around which it closes, and radii up to 1.2."""
    table = rng.random((rows + 2, columns)).astype(np.float32)
    u = np.mod(angle, 1.0) * np.float32(columns)
    v = np.clip(r * np.float32(rows / 1.2), 0.0, rows)
    i, j = v.astype(np.intp), u.astype(np.intp) % columns
    fu, fv = u - np.floor(u), v - i
    fu, fv = fu * fu * (3.0 - 2.0 * fu), fv * fv * (3.0 - 2.0 * fv)
    k = (j + 1) % columns
    low = table[i, j] + (table[i, k] - table[i, j]) * fu
    high = table[i + 1, j] + (table[i + 1, k] - table[i + 1, j]) * fu
    return np.asarray(low + (high - low) * fv, np.float32)


def _blurred(values: F32, size: int, radius: int = 0) -> F32:
    """Values brought to size x size, then, with a radius in pixels, blurred by three boxes."""
    if len(values) != size:
        at = np.linspace(0.0, len(values) - 1.001, size)
        i, f = at.astype(np.intp), (at - np.floor(at)).astype(np.float32)
        f = f * f * (3.0 - 2.0 * f)
        across = values[:, i] + (values[:, i + 1] - values[:, i]) * f
        values = across[i] + (across[i + 1] - across[i]) * f[:, None]
    for _ in range(3 if radius else 0):
        for axis in (0, 1):
            padded = np.pad(values, [(radius + 1, radius) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
            total = np.cumsum(padded, axis=axis, dtype=np.float64)
            width = 2 * radius + 1
            high = np.take(total, np.arange(width, width + size), axis=axis)
            low = np.take(total, np.arange(size), axis=axis)
            values = ((high - low) / width).astype(np.float32)
    return values


def _encoded(linear: F32) -> NDArray[np.uint8]:
    """sRGB bytes of linear colours (IEC 61966-2-1)."""
    x = np.clip(linear, 0.0, 1.0)
    coded = np.where(x <= 0.0031308, x * 12.92, 1.055 * np.power(x, 1.0 / 2.4) - 0.055)
    return np.asarray(np.round(coded * 255.0), np.uint8)
