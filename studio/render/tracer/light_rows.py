"""The row of a light: where each number lies in the array that `light_tables` fills and the device reads.

A light is one row of LIGHT_STRIDE floats; what does not fit a row lies in one flat table, from the row's offset on.
"""

from dataclasses import dataclass, field

import numpy as np
import taichi as ti
import taichi.math as tm
from numpy.typing import NDArray

from studio.render.tracer.textures import LUMINANCE
from studio.scene.lights import KINDS

POINT, SPOT, RECTANGLE, DISK, SPHERE = (KINDS[k] for k in ("point", "spot", "rectangle", "disk", "sphere"))
CYLINDER, DISTANT, DOME, MESH = (KINDS[k] for k in ("cylinder", "distant", "dome", "mesh"))
SHAPES = (RECTANGLE, DISK, SPHERE, CYLINDER)  # what rays can hit and is no mesh

# columns of a light's row
KIND, FILTERED, EMISSION, SIZE = 0, 1, 2, 5  # FILTERED: 0, IMAGED (an image alone), or SHAPED by direction as well
CONE = 7  # spot: cosine of inner and outer half angle; distant: 1 - cos of the half angle
CENTRE, RADIUS = 9, 12  # bounding sphere over the shutter
IMAGE = 13  # NO_IMAGE, -1 for a missing one (magenta), or its index
OFFSET_HI, OFFSET_LO = 14, 15  # start in the table: hi * 65536 + lo, because a float counts only to 2^24
COUNT, CELLS, TRIANGLE_STRIDE = 16, 17, 18  # mesh: triangles, cells of the direction grid per side (0: none)
SIDES, VARIES, ALIVE = 19, 20, 21  # 1 or 2 sides radiate; moves in the shutter; can radiate at all
POWER, STRENGTH, SOFTEN, SINE, BLUR, LEAN = 22, 23, 24, 25, 26, 27  # for estimates; LEAN has three
PICKS_HI, PICKS_LO = 38, 39  # mesh: start of the distributions, as above; lamps of one form share them
TABLE_WIDTH, TABLE_HEIGHT = 30, 31  # dome
WRAP_U, WRAP_V, FILTER, CHANNEL, GAIN, BIAS = 32, 33, 34, 35, 36, 37  # how the image is read
OPEN, CLOSE = 40, 52
# what shapes the light by the direction in which it leaves, as columns of the same names of scene.lights.LIGHT
PROFILE, GOBO, GOBO_TURN, BARN, SPREAD = 64, 65, 66, 70, 75  # GOBO_TURN and BARN have four
DOORED = 74  # with doors the inverse of their softness, else 0
PORTALS, PORTALS_HI, PORTALS_LO = 76, 77, 78  # dome: how many, and where in the table (see `portals`)
FLAGS = 79
BANDS = 80  # brightest of the shaping in each of N_BANDS bands of equal angle away from the axis
N_BANDS = 16
LIGHT_STRIDE = BANDS + N_BANDS

NO_IMAGE = -2
IMAGED, SHAPED = 1, 2
NEAR_RADII = 1.5  # receivers within so many bounding radii of a mesh light take its distribution by area


@dataclass(slots=True)
class Blocks:
    """The table while it grows."""

    parts: list[NDArray[np.float32]] = field(default_factory=list)
    size: int = 0

    def place(self, row: NDArray[np.float32], block: NDArray[np.float32]) -> None:
        """Append a light's block and note in its row where it starts."""
        row[OFFSET_HI], row[OFFSET_LO] = divmod(self.append(block), 65536)

    def append(self, block: NDArray[np.float32]) -> int:
        """Append a block and return where it starts."""
        self.parts.append(block)
        self.size += block.size
        return self.size - block.size


def luminance(row: NDArray[np.float32]) -> float:
    """Luminance of a row's emission."""
    return float(LUMINANCE @ row[EMISSION : EMISSION + 3])


@ti.func
def vec_at(rows: ti.template(), l: ti.i32, k: ti.i32) -> tm.vec3:
    return tm.vec3(rows[l, k], rows[l, k + 1], rows[l, k + 2])


@ti.func
def axis_at(rows: ti.template(), l: ti.i32, k: ti.i32) -> tm.vec3:
    """Column of a 3x4 matrix stored row by row."""
    return tm.vec3(rows[l, k], rows[l, k + 4], rows[l, k + 8])


@ti.func
def frame_at(rows: ti.template(), l: ti.i32, time: ti.f32):
    """Axes and origin of light `l`; orthonormal again after blending the shutter's two ends."""
    x, y = axis_at(rows, l, OPEN), axis_at(rows, l, OPEN + 1)
    z, c = axis_at(rows, l, OPEN + 2), axis_at(rows, l, OPEN + 3)
    if rows[l, VARIES] > 0.5:
        z = tm.normalize(tm.mix(z, axis_at(rows, l, CLOSE + 2), time))
        x = tm.mix(x, axis_at(rows, l, CLOSE), time)
        x = tm.normalize(x - z * x.dot(z))
        y = z.cross(x)
        c = tm.mix(c, axis_at(rows, l, CLOSE + 3), time)
    return x, y, z, c


@ti.func
def linked(links: ti.template(), group, l) -> ti.i32:
    """Whether the bit of light `l` is set in row `group` of links, 32 lights a word."""
    return (links[group, l >> 5] >> (l & 31)) & 1


@ti.func
def picks_start(rows: ti.template(), l: ti.i32) -> ti.i32:
    """Where the distributions of a mesh light lie."""
    return ti.cast(rows[l, PICKS_HI], ti.i32) * 65536 + ti.cast(rows[l, PICKS_LO], ti.i32)


@ti.func
def table_start(rows: ti.template(), l: ti.i32) -> ti.i32:
    return ti.cast(rows[l, OFFSET_HI], ti.i32) * 65536 + ti.cast(rows[l, OFFSET_LO], ti.i32)
