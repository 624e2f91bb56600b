"""Cryptomatte 1.2.0 (Psyop, 2018): mattes for every object and material, with soft edges, in the picture itself.

The id of a matte is the MurmurHash3 of its name, stored as the bits of a float; a pixel holds its six strongest ids
with their coverage, two to an RGBA layer `CryptoObject00` to `02`. The header carries a manifest from names to ids, so
a compositor picks "chair" by clicking on it. The film counts samples per id exactly; the ranking happens here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from studio.render.film import Film

RANKS = 6
TYPE_NAMES = {"object": "CryptoObject", "material": "CryptoMaterial"}


def murmur3_32(data: bytes, seed: int = 0) -> int:
    """MurmurHash3_x86_32 of bytes (Austin Appleby's public-domain algorithm)."""
    mask = 0xFFFFFFFF

    def mix(k: int) -> int:
        k = k * 0xCC9E2D51 & mask
        return (k << 15 | k >> 17) * 0x1B873593 & mask

    h, whole = seed, len(data) // 4 * 4
    for at in range(0, whole, 4):
        h ^= mix(int.from_bytes(data[at : at + 4], "little"))
        h = ((h << 13 | h >> 19) & mask) * 5 + 0xE6546B64 & mask
    if data[whole:]:
        h ^= mix(int.from_bytes(data[whole:], "little"))
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85EBCA6B & mask
    h = (h ^ h >> 13) * 0xC2B2AE35 & mask
    return h ^ h >> 16


def matte_id(name: str) -> int:
    """The id of a name as u32. It is never 0 and its bits are a normal float: no zero, denormal, infinity or NaN."""
    value = murmur3_32(name.encode("utf-8", "surrogateescape"))
    if value >> 23 & 255 in (0, 255):
        value ^= 1 << 23
    return value


def matte_ids(names: Sequence[str]) -> NDArray[np.uint32]:
    """Ids of names in order, what the tracer writes for the object or material with that index."""
    return np.array([matte_id(name) for name in names], np.uint32).reshape(len(names))


def metadata(kind: str, names: Sequence[str]) -> dict[str, str]:
    """Header entries of a layer ("object" or "material") with the manifest of the names that may occur in it."""
    layer = TYPE_NAMES[kind]
    key = f"cryptomatte/{murmur3_32(layer.encode()):08x}"[: len("cryptomatte/") + 7]
    manifest = {name: f"{matte_id(name):08x}" for name in names}
    return {
        f"{key}/name": layer,
        f"{key}/hash": "MurmurHash3_32",
        f"{key}/conversion": "uint32_to_float32",
        f"{key}/manifest": json.dumps(manifest, separators=(",", ":"), ensure_ascii=True),
    }


def channel_names(kind: str) -> tuple[str, ...]:
    """CryptoObject00.R, .G, .B, .A, CryptoObject01.R ...: id and coverage of rank 0, of rank 1, ..."""
    return tuple(f"{TYPE_NAMES[kind]}{level:02d}.{c}" for level in range(RANKS // 2) for c in "RGBA")


def ranked(film: Film, kind: str) -> NDArray[np.float32]:
    """Ids (as floats) and coverages by falling coverage, (h, w, 2 * RANKS), in the order of `channel_names`.

    Coverage is the share of the pixel's samples. Of equal coverages the smaller id comes first, so that the picture
    depends on nothing but the counts.
    """
    layer = film.mattes.index(kind)
    ids, counts = film.matte_ids[layer], film.matte_counts[layer]
    # one key sorts by falling count, then by rising id
    keys = (~counts).astype(np.uint64) << np.uint64(32) | ids
    keys = np.sort(keys, axis=-1)[..., :RANKS]
    best = ~(keys >> np.uint64(32)).astype(np.uint32)
    out = np.zeros((*keys.shape[:2], 2 * RANKS), np.float32)
    out[..., 0::2] = np.where(best > 0, keys.astype(np.uint32), np.uint32(0)).view(np.float32)
    out[..., 1::2] = best / np.maximum(film.counts, 1)[..., None].astype(np.float32)
    return out
