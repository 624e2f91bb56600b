"""What stands between a light and the world: its image, its cone, an IES profile, a gobo, barn doors, a grid.

All but the image look only at w, the direction in which light leaves, in the light's frame (-z is the axis), and none
adds light. One function on the device reads all of them, so that sampling and meeting a light cannot disagree; a light
without any of them pays for one look at its row. For the estimates, numpy tells once how bright each shaping is in
bands of equal angle away from the axis, and what share of the flux it lets through. What the columns mean is said at
`scene.lights.LIGHT`.
"""

from collections.abc import Sequence

import numpy as np
import taichi as ti
import taichi.math as tm
from numpy.typing import NDArray

from studio.render.tracer import light_rows as lr
from studio.render.tracer.light_rows import DISK, POINT, RECTANGLE, SPHERE, SPOT
from studio.render.tracer.textures import CLAMP, HEIGHT, REPEAT, WIDTH, component, fetch, luminance_of
from studio.scene.geometry import Image

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_WIDEST = 1e6  # tangent of doors that are open
_FLOOR = 1e-3  # of a band's estimate, where the grid of directions met nothing bright but something may lie between
_STEPS = 8  # directions looked at within a band
_AROUND = 96  # and around the axis
_KEYS = slice(lr.PROFILE, lr.SPREAD + 1)  # columns that make two shapings the same, with kind, cone and sides


# --- on the device ---------------------------------------------------------------------------------------------------
@ti.func
def spot_falloff(rows: ti.template(), l: ti.i32, kind: ti.i32, cosine: ti.f32) -> ti.f32:
    """Angular attenuation of KHR_lights_punctual; `cosine` between the axis and the ray away from the light."""
    value = 1.0
    if kind == SPOT:
        inner, outer = rows[l, lr.CONE], rows[l, lr.CONE + 1]
        value = tm.clamp((cosine - outer) / ti.max(inner - outer, 1.0e-6), 0.0, 1.0)
    return value * value


@ti.func
def filtered(
    rows: ti.template(), texels: ti.template(), images: ti.template(), l: ti.i32, w: tm.vec3, uv: tm.vec2
) -> tm.vec3:
    """What image and shaping (but for a spot's cone) multiply the emission of light `l` by, where it leaves along `w`.

    `uv` is where the image is read. Up to three images meet in one loop, because every call of `fetch` is inlined.
    """
    value = tm.vec3(1.0)
    taps = ti.cast(rows[l, lr.FILTERED], ti.i32)
    x, y = 0.0, 0.0
    if taps == lr.SHAPED:
        taps = 3
        ahead = ti.max(-w.z, 1e-12)
        x, y = w.x / ahead, w.y / ahead
        spread = rows[l, lr.SPREAD]
        if spread > 0.0:  # a two-sided light has a grid on either side
            value *= ti.max(0.0, 1.0 - spread * ti.sqrt(w.x * w.x + w.y * w.y) / ti.max(ti.abs(w.z), 1e-12))
        if rows[l, lr.DOORED] > 0.0:
            for k in range(4):  # left, right, bottom, top
                side = x if k < 2 else y
                t = tm.clamp(
                    (ti.select(k % 2 == 0, side, -side) + rows[l, lr.BARN + k]) * rows[l, lr.DOORED] + 0.5, 0.0, 1.0
                )
                value *= t * t * (3.0 - 2.0 * t)
            if w.z >= 0.0:
                value *= 0.0
    for tap in range(taps):
        image, at, channel, gain, bias = ti.cast(rows[l, lr.IMAGE], ti.i32), uv, 4, 1.0, 0.0
        wrap_u, wrap_v, mode = CLAMP, CLAMP, 1
        if tap == 0:
            wrap_u, wrap_v = ti.cast(rows[l, lr.WRAP_U], ti.i32), ti.cast(rows[l, lr.WRAP_V], ti.i32)
            mode, channel = ti.cast(rows[l, lr.FILTER], ti.i32), ti.cast(rows[l, lr.CHANNEL], ti.i32)
            gain, bias = rows[l, lr.GAIN], rows[l, lr.BIAS]
        elif tap == 1:
            image, channel, wrap_u = ti.cast(rows[l, lr.PROFILE], ti.i32), 0, REPEAT
            if image >= 0:  # its first and last lines lie on the axis, its columns at whole steps
                width, height = ti.cast(images[image, WIDTH], ti.f32), ti.cast(images[image, HEIGHT], ti.f32)
                away = ti.atan2(ti.sqrt(w.x * w.x + w.y * w.y), -w.z) / tm.pi
                at = tm.vec2(ti.atan2(w.y, w.x) / (2.0 * tm.pi) + 0.5 / width, (away * (height - 1.0) + 0.5) / height)
        else:
            image, k = ti.cast(rows[l, lr.GOBO], ti.i32), lr.GOBO_TURN
            at = tm.vec2(0.5 + rows[l, k] * x + rows[l, k + 1] * y, 0.5 - (rows[l, k + 2] * x + rows[l, k + 3] * y))
            inside = at.x >= 0.0 and at.x <= 1.0 and at.y >= 0.0 and at.y <= 1.0 and w.z < 0.0
            if image != lr.NO_IMAGE and not inside:
                value *= 0.0
        if image != lr.NO_IMAGE and value.max() > 0.0:
            read = fetch(texels, images, image, at, wrap_u, wrap_v, mode)
            rgb = read.xyz
            if channel < 4:
                rgb = tm.vec3(component(read, channel))
            value *= ti.max(rgb * gain + bias, 0.0)
    return value


@ti.func
def brightest(rows: ti.template(), l: ti.i32, cosine: ti.f32, aside: ti.f32) -> ti.f32:
    """At least the shaping within an angle of asin(`aside`) of a direction that lies at `cosine` to the axis."""
    value = 1.0
    if aside < 1.0:
        angle, reach = ti.acos(tm.clamp(cosine, -1.0, 1.0)), ti.asin(aside)
        step = lr.N_BANDS / tm.pi
        first = tm.clamp(ti.cast((angle - reach) * step - 1e-3, ti.i32), 0, lr.N_BANDS - 1)
        last = tm.clamp(ti.cast((angle + reach) * step + 1e-3, ti.i32), 0, lr.N_BANDS - 1)
        value = 0.0
        for k in range(first, last + 1):
            value = ti.max(value, rows[l, lr.BANDS + k])
    return value


# --- in numpy --------------------------------------------------------------------------------------------------------
def fill_shaping(row: F32, light: np.void, textures: Sequence[Image], known: dict[bytes, tuple[F32, float]]) -> None:
    """The columns of a light's shaping, and its estimates scaled by it; `known` remembers what was worked out.

    Numbers that are not finite are no shaping: the light's other numbers decide whether it shines.
    """
    kind = int(row[lr.KIND])
    row[lr.PROFILE] = light["profile"] if light["profile"] >= 0 and kind in (POINT, SPOT, SPHERE) else lr.NO_IMAGE
    row[lr.GOBO] = light["gobo"] if light["gobo"] >= 0 and kind == SPOT else lr.NO_IMAGE
    turn, barn = light["gobo_turn"], light["barn"]
    row[lr.GOBO_TURN : lr.GOBO_TURN + 4] = turn if np.isfinite(turn).all() else 0.0
    if kind in (SPOT, RECTANGLE, DISK):
        row[lr.BARN : lr.BARN + 4] = np.nan_to_num(barn, nan=_WIDEST).clip(-_WIDEST, _WIDEST) if barn.any() else 0.0
        soft = float(np.nan_to_num(light["barn_soft"], nan=0.0).clip(1e-6, _WIDEST))
        row[lr.DOORED] = 1.0 / soft if row[lr.BARN : lr.BARN + 4].any() else 0.0
    if kind in (RECTANGLE, DISK):
        row[lr.SPREAD] = np.nan_to_num(light["spread"], nan=0.0).clip(0.0, _WIDEST)
    shaped = row[lr.PROFILE] >= 0 or row[lr.GOBO] >= 0 or row[lr.DOORED] > 0.0 or row[lr.SPREAD] > 0.0
    if not shaped or not row[lr.ALIVE]:
        return
    row[lr.FILTERED] = lr.SHAPED
    key = row[[lr.KIND, lr.SIDES, lr.CONE, lr.CONE + 1]].tobytes() + row[_KEYS].tobytes()
    if key not in known:
        known[key] = _summary(row, textures)
    row[lr.BANDS : lr.BANDS + lr.N_BANDS], share = known[key]
    row[lr.POWER] *= share


def _summary(row: F32, textures: Sequence[Image]) -> tuple[F32, float]:
    """Brightest of each band, and the share of the flux that passes."""
    n = lr.N_BANDS * _STEPS
    away = np.pi * np.arange(n + 1) / n  # the edges of bands belong to both sides
    around = 2.0 * np.pi * (np.arange(_AROUND) + 0.5) / _AROUND
    bound, value = _bound(row, away, textures), _value(row, away, around, textures)
    value = np.minimum(value, bound[:, None])
    seen = np.maximum(value.max(1), _FLOOR * bound)
    bands = np.stack([seen[k * _STEPS : (k + 1) * _STEPS + 1].max() for k in range(lr.N_BANDS)])
    weight = np.sin(away)[:, None]
    if row[lr.KIND] == SPOT:
        t = (np.cos(away) - row[lr.CONE + 1]) / max(float(row[lr.CONE] - row[lr.CONE + 1]), 1e-6)
        weight = weight * np.clip(t, 0.0, 1.0)[:, None] ** 2
    elif row[lr.KIND] in (RECTANGLE, DISK):
        cosine = np.cos(away)[:, None]
        weight = weight * (np.abs(cosine) if row[lr.SIDES] == 2 else np.maximum(cosine, 0.0))
    share = float((value * weight).sum() / max(float(weight.sum()) * _AROUND, 1e-30))
    return bands.astype(np.float32), max(share, _FLOOR)


def _bound(row: F32, away: F64, textures: Sequence[Image]) -> F64:
    """What no direction at an angle `away` can exceed: where this is 0, nothing passes."""
    bound = np.ones(len(away))
    if row[lr.PROFILE] >= 0:
        peaks = luminance_of(textures[int(row[lr.PROFILE])]).max(1).astype(float)
        half = np.pi / (2.0 * lr.N_BANDS * _STEPS)  # and none between this angle and the next
        lines = np.linspace(0.0, np.pi, len(peaks))
        first = np.clip(np.searchsorted(lines, away - half, "right") - 1, 0, len(peaks) - 1)
        last = np.clip(np.searchsorted(lines, away + half), 0, len(peaks) - 1)
        bound *= [peaks[a : b + 1].max() for a, b in zip(first, last, strict=True)]
    if row[lr.SPREAD] > 0.0:
        nearer = np.maximum(np.minimum(away, np.pi - away) - np.pi / (2.0 * lr.N_BANDS * _STEPS), 0.0)
        bound *= np.maximum(0.0, 1.0 - row[lr.SPREAD] * np.tan(np.minimum(nearer, 1.5707)))
    if row[lr.DOORED] > 0.0 or row[lr.GOBO] >= 0:
        bound[away > 0.5 * np.pi + 1e-3] = 0.0
    return bound


def _value(row: F32, away: F64, around: F64, textures: Sequence[Image]) -> F64:
    """(angles, around) of the shaping, but for a spot's cone."""
    value = np.ones((len(away), len(around)))
    slope = np.where(away < 0.5 * np.pi, np.tan(np.minimum(away, 1.5707)), np.inf)[:, None]
    x, y = slope * np.cos(around), slope * np.sin(around)
    if row[lr.SPREAD] > 0.0:
        tangent = np.tan(np.minimum(np.minimum(away, np.pi - away), 1.5707))
        value *= np.maximum(0.0, 1.0 - row[lr.SPREAD] * tangent)[:, None]
    if row[lr.PROFILE] >= 0:
        light = luminance_of(textures[int(row[lr.PROFILE])])
        line = np.rint(away / np.pi * (light.shape[0] - 1)).astype(np.int64)
        column = np.rint(around / (2.0 * np.pi) * light.shape[1]).astype(np.int64) % light.shape[1]
        value *= light[line[:, None], column]
    if row[lr.DOORED] > 0.0:
        left, right, low, high = row[lr.BARN : lr.BARN + 4].astype(float)
        for side, at in ((x, left), (-x, right), (y, low), (-y, high)):
            t = np.clip((side + at) * float(row[lr.DOORED]) + 0.5, 0.0, 1.0)
            value *= t * t * (3.0 - 2.0 * t)
    if row[lr.GOBO] >= 0:
        light = luminance_of(textures[int(row[lr.GOBO])])
        a, b, c, d = row[lr.GOBO_TURN : lr.GOBO_TURN + 4].astype(float)
        finite = np.isfinite(x)
        x, y = np.where(finite, x, 0.0), np.where(finite, y, 0.0)
        u, v = 0.5 + a * x + b * y, 0.5 - (c * x + d * y)
        inside = (u >= 0.0) & (u <= 1.0) & (v >= 0.0) & (v <= 1.0) & finite
        h, w = light.shape
        column, line = (np.clip(np.floor(k * n), 0, n - 1).astype(np.int64) for k, n in ((u, w), (v, h)))
        value *= np.where(inside, light[line, column], 0.0)
    return value
