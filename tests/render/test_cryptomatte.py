"""Cryptomatte: hashes, manifest, ranking, and masks recovered from the file as a compositor recovers them."""

from __future__ import annotations

import json

import numpy as np
import OpenEXR
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.render import cryptomatte
from studio.render.film import Film, plan_layout
from studio.render.output import write_image


@pytest.mark.parametrize(
    ("data", "seed", "value"),
    [  # the algorithm's published test vectors
        (b"", 0, 0),
        (b"", 1, 0x514E28B7),
        (b"", 0xFFFFFFFF, 0x81F16F39),
        (b"\xff\xff\xff\xff", 0, 0x76293B50),
        (b"\x21\x43\x65\x87", 0, 0xF55B516B),
        (b"\x21\x43\x65\x87", 0x5082EDEE, 0x2362F9DE),
        (b"\x21\x43\x65", 0, 0x7E4A8634),
        (b"\x21\x43", 0, 0xA0F7B07A),
        (b"\x21", 0, 0x72661CF4),
        (b"\0\0\0\0", 0, 0x2362F9DE),
        (b"\0\0\0", 0, 0x85F0B427),
    ],
)
def test_the_hash_is_murmur3(data, seed, value):
    assert cryptomatte.murmur3_32(data, seed) == value


def test_ids_are_those_of_the_specification():
    # widely published values of MurmurHash3_x86_32; their exponents need no mending
    assert f"{cryptomatte.matte_id('hello'):08x}" == "248bfa47"
    assert f"{cryptomatte.matte_id('hello, world'):08x}" == "149bbb7f"


@given(st.text(max_size=40))
def test_every_name_gives_a_normal_float(name):
    value = np.array([cryptomatte.matte_id(name)], np.uint32).view(np.float32)[0]
    assert np.isfinite(value) and abs(value) >= np.finfo(np.float32).tiny


def test_some_names_need_the_exponent_mended():
    mended = [n for n in map(str, range(3000)) if cryptomatte.matte_id(n) != cryptomatte.murmur3_32(n.encode())]
    assert 5 < len(mended) < 60
    for name in mended:
        assert cryptomatte.murmur3_32(name.encode()) ^ cryptomatte.matte_id(name) == 1 << 23


def test_the_best_six_are_ranked_by_coverage_then_id():
    film = Film.of(plan_layout(1, 1, aovs=("crypto_object",), exponent=26))
    film.counts.fill(100)
    ids = np.array([3, 5, 8, 9, 11, 12, 40, 41], np.uint32) << 25
    film.matte_ids[0, 0, 0, :8] = ids
    film.matte_counts[0, 0, 0, :8] = [5, 30, 1, 30, 9, 2, 20, 3]
    out = cryptomatte.ranked(film, "object")[0, 0]
    assert out[0::2].view(np.uint32).tolist() == ids[[1, 3, 6, 4, 0, 7]].tolist()
    np.testing.assert_allclose(out[1::2], [0.3, 0.3, 0.2, 0.09, 0.05, 0.03])


NAMES = {"object": ["chair", "table", "Lampe à pied", 'say "hi"'], "material": ["wood", "brass"]}


def decode(path, layer: str) -> dict[str, np.ndarray]:
    """Masks by name, from nothing but the file: the steps of the specification's decoder."""
    parts = OpenEXR.File(str(path), separate_channels=True).parts
    header = parts[0].header
    prefix = next(k.rsplit("/", 1)[0] for k, v in header.items() if k.startswith("cryptomatte/") and v == layer)
    assert header[f"{prefix}/hash"] == "MurmurHash3_32"
    assert header[f"{prefix}/conversion"] == "uint32_to_float32"
    assert len(prefix.split("/")[1]) == 7
    channels = {n: c.pixels for p in parts for n, c in p.channels.items() if n.startswith(layer)}
    masks = {}
    for name, code in json.loads(header[f"{prefix}/manifest"]).items():
        wanted = np.array([int(code, 16)], np.uint32).view(np.float32)[0]
        masks[name] = np.zeros(channels[f"{layer}00.R"].shape, np.float32)
        for level in range(3):
            for ident, coverage in ("RG", "BA"):
                hit = channels[f"{layer}{level:02d}.{ident}"] == wanted
                masks[name] += np.where(hit, channels[f"{layer}{level:02d}.{coverage}"], 0)
    return masks


def test_masks_are_recovered_from_the_file(tmp_path):
    rng = np.random.default_rng(7)
    film = Film.of(plan_layout(16, 9, aovs=("crypto_object", "crypto_material"), exponent=26))
    film.counts.fill(64)
    truth = {}
    for k, kind in enumerate(("object", "material")):
        names = NAMES[kind]
        counts = rng.multinomial(50, [1 / len(names)] * len(names), (9, 16)).astype(np.uint32)
        film.matte_ids[k, ..., : len(names)] = np.where(counts > 0, cryptomatte.matte_ids(names), 0)
        film.matte_counts[k, ..., : len(names)] = counts
        truth[cryptomatte.TYPE_NAMES[kind]] = {n: counts[..., i] / 64 for i, n in enumerate(names)}
    film.settle()
    write_image(film, tmp_path / "a.exr", matte_names=NAMES, compression="dwaa")
    for layer, masks in truth.items():
        found = decode(tmp_path / "a.exr", layer)
        assert set(found) == set(masks)
        for name, mask in masks.items():
            np.testing.assert_allclose(found[name], mask, atol=1e-7)


def test_the_manifest_stands_beside_the_channels_too(tmp_path):
    film = Film.of(plan_layout(4, 4, aovs=("crypto_object",), exponent=26))
    film.counts.fill(1)
    write_image(film, tmp_path / "a.exr", matte_names=NAMES)
    parts = OpenEXR.File(str(tmp_path / "a.exr"), separate_channels=True).parts
    keys = [{k for k in p.header if k.startswith("cryptomatte/")} for p in parts]
    assert len(keys) == 2 and keys[0] == keys[1] and len(keys[0]) == 4
    assert set(parts[1].channels) == set(cryptomatte.channel_names("object"))
    assert all(c.pixels.dtype == np.float32 for c in parts[1].channels.values())
