"""The state of paths in flight: columns of one f32 array, one path per slot, and how its rows are read and written.

A path keeps its slot from the camera to its end and nothing is compacted, so no result depends on scheduling.
"""

import taichi as ti

from studio.render.tracer import sampler

vec3 = ti.math.vec3

# rows of the path state (f32; integers as bits)
ORIGIN, DIRECTION, TIME, THROUGHPUT, PDF, CELL, FLAGS = 0, 3, 6, 7, 10, 11, 12
HIT_T, HIT_TRI, HIT_INST, HIT_U, HIT_V, HIT_SHAPE = 13, 14, 15, 16, 17, 18
RADIANCE = 19
SHADOW_ORIGIN, SHADOW_DIRECTION, SHADOW_T, SHADOW_VALUE = 22, 25, 28, 29
SEED, INDEX = 32, 33
VERTEX, NORMAL = 34, 37  # of the last surface hit, for learning
ALPHA = 40
LAYER = 41  # lobe class of the first bounce: 0 none yet, 1 diffuse, 2 specular, 3 transmission
SHADOW_LAYER = 42  # layer and light of the pending shadow ray
SHADOW_LIGHT = 43
MEDIUM = 44  # material + 1 of the medium the ray is in, 0 outside
SHARE = 45  # of the first bounce's throughput: what went into the diffuse class, per channel
SHADOW_DIFFUSE = 48  # diffuse-class part of the pending contribution (first bounce)
VISITED = 51  # 1 when the last bounce shaded a surface
RAYS = 52  # traced so far
LAST_SHARE = 53  # diffuse share of the last scattering, per channel, for lights with unequal gains
SHAPE_T, SHAPE_ODDS = 56, 57  # of HIT_SHAPE: how far it is, and how many lamps as bright it stands for
ENTRIES = 58  # contributions kept apart so far, of the path's list of them (see `light_sums`)
LINK = 59  # set of receivers of the last surface, where there is more than one
WALK_COLOR = 60  # of the body that the path went into
WALK_NORMAL = 63  # of its surface there
STATE_ROWS = 66
# Slots that rows are longer than a wave: a wave is a power of two, and rows so far apart would all fall on the same
# lines of the processor's caches (measured on cornell: 11 % of a sample).
SKEW = 80

# layers of the split film, three rows each
DIRECT_DIFFUSE, INDIRECT_DIFFUSE, DIRECT_SPECULAR, INDIRECT_SPECULAR = 0, 1, 2, 3
DIRECT_TRANSMISSION, INDIRECT_TRANSMISSION, EMISSION_LAYER, LAYERS = 4, 5, 6, 7

# beside the flags of LIGHT: rays that scatter meet this light just as shadow rays reach it, so the two are weighed
# against each other. Where they do not (it is hidden from reflections, something's shadow or reflection is switched
# off, or what blocks it lets some of it through), diffuse light comes from light sampling alone and specular light from
# scattered rays alone.
BOTH_WAYS = 1 << 8

ALIVE = 1
MONOCHROME = 2  # a dispersive surface left one colour channel
WALKING = 4  # went below a surface, see `walk`
LEFT = 8  # has come out again, and is to be shaded there


@ti.func
def load3(ps: ti.template(), row: ti.template(), i) -> vec3:
    return vec3(ps[row, i], ps[row + 1, i], ps[row + 2, i])


@ti.func
def store3(ps: ti.template(), row: ti.template(), i, v: vec3):
    ps[row, i] = v[0]
    ps[row + 1, i] = v[1]
    ps[row + 2, i] = v[2]


@ti.func
def load_bits(ps: ti.template(), row: ti.template(), i) -> ti.i32:
    return ti.bit_cast(ps[row, i], ti.i32)


@ti.func
def store_bits(ps: ti.template(), row: ti.template(), i, v: ti.i32):
    ps[row, i] = ti.bit_cast(v, ti.f32)


@ti.func
def path_key(ps: ti.template(), i, bounce) -> ti.u32:
    """Hash for coins that are not worth a Sobol dimension, pure in pixel, sample and bounce."""
    a = ti.bit_cast(ps[SEED, i], ti.u32)
    b = ti.bit_cast(ps[INDEX, i], ti.u32)
    return sampler.hash_u32(a ^ sampler.hash_u32(b + ti.cast(bounce, ti.u32)))
