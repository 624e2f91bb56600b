"""Random numbers as a pure function of (seed, frame, pixel, sample index, dimension).

Owen-scrambled Sobol points in two dimensions, padded: every pair of dimensions is the same (0,2)-sequence, shuffled
and scrambled by its own hash (Burley, "Practical Hash-based Owen Scrambling", JCGT 2020; the constants of the
permutation are those of that paper as improved by N. Vegdahl). Nothing depends on the total number of samples, on the
order of evaluation or on control flow, so any range of samples rendered anywhere is the same bits. Only u32
arithmetic, hence the same on every backend.
"""

import taichi as ti

vec2 = ti.math.vec2

# Dimension pairs of a path: a fixed number of pairs per bounce, never a running counter.
PAIR_PIXEL = 0  # position inside the pixel filter
PAIR_LENS = 1
PAIR_TIME = 2
FIRST_BOUNCE = 4
PAIRS_PER_BOUNCE = 8
PAIR_LIGHT_PICK = 0
PAIR_LIGHT_POINT = 1
PAIR_LOBE = 2
PAIR_DIRECTION = 3
PAIR_ROULETTE = 4
PAIR_MEDIUM = 6
PAIR_WALK = 7  # how light walks below the surface, and its first step
PAIR_WALK_TURN = 5  # and its first turn
PAIRS_BELOW = 1 << 15  # of a bounce's second vertex, where light comes out that went below the surface


@ti.func
def hash_u32(x: ti.u32) -> ti.u32:
    """A bijective mix of 32 bits (C. Wellons, "lowbias32")."""
    x ^= x >> ti.u32(16)
    x *= ti.u32(0x7FEB352D)
    x ^= x >> ti.u32(15)
    x *= ti.u32(0x846CA68B)
    x ^= x >> ti.u32(16)
    return x


@ti.func
def reverse_bits(x: ti.u32) -> ti.u32:
    x = ((x >> ti.u32(1)) & ti.u32(0x55555555)) | ((x & ti.u32(0x55555555)) << ti.u32(1))
    x = ((x >> ti.u32(2)) & ti.u32(0x33333333)) | ((x & ti.u32(0x33333333)) << ti.u32(2))
    x = ((x >> ti.u32(4)) & ti.u32(0x0F0F0F0F)) | ((x & ti.u32(0x0F0F0F0F)) << ti.u32(4))
    x = ((x >> ti.u32(8)) & ti.u32(0x00FF00FF)) | ((x & ti.u32(0x00FF00FF)) << ti.u32(8))
    return (x >> ti.u32(16)) | (x << ti.u32(16))


@ti.func
def owen_reversed(n: ti.u32, seed: ti.u32) -> ti.u32:
    """Nested uniform scramble of a bit-reversed number: bit k depends only on the bits below it."""
    n ^= n * ti.u32(0x3D20ADEA)
    n += seed
    n *= (seed >> ti.u32(16)) | ti.u32(1)
    n ^= n * ti.u32(0x05526C56)
    n ^= n * ti.u32(0x53A22864)
    return n


@ti.func
def pascal(x: ti.u32) -> ti.u32:
    """Second Sobol dimension, both sides bit-reversed: the polynomial x evaluated at (x + 1) over GF(2)."""
    x ^= x >> ti.u32(16)
    x ^= (x >> ti.u32(8)) & ti.u32(0x00FF00FF)
    x ^= (x >> ti.u32(4)) & ti.u32(0x0F0F0F0F)
    x ^= (x >> ti.u32(2)) & ti.u32(0x33333333)
    x ^= (x >> ti.u32(1)) & ti.u32(0x55555555)
    return x


@ti.func
def to_unit(x: ti.u32) -> ti.f32:
    """u32 to [0, 1): the top 24 bits, so that 1.0 never comes out."""
    return ti.cast(x >> ti.u32(8), ti.f32) * ti.f32(1.0 / 16777216.0)


@ti.func
def pixel_seed(x, y, frame, seed) -> ti.u32:
    a = hash_u32(ti.cast(seed, ti.u32) ^ ti.u32(0x68E31DA4))
    a = hash_u32(a ^ ti.cast(frame, ti.u32))
    a = hash_u32(a ^ ti.cast(y, ti.u32))
    return hash_u32(a ^ ti.cast(x, ti.u32))


@ti.func
def sample_2d(pixel: ti.u32, reversed_index: ti.u32, pair) -> vec2:
    """The pair's point for this pixel and (bit-reversed) sample index."""
    key = hash_u32(pixel ^ (ti.cast(pair, ti.u32) * ti.u32(0x9E3779B9)))
    index = reverse_bits(owen_reversed(reversed_index, key))
    a = reverse_bits(owen_reversed(index, key ^ ti.u32(0xA511E9B3)))
    b = reverse_bits(owen_reversed(pascal(index), hash_u32(key ^ ti.u32(0x63D83595))))
    return vec2(to_unit(a), to_unit(b))
