"""Partial renders: files, exact merging, and what is refused by name."""

from __future__ import annotations

import hashlib
import json
import random
import resource
import struct

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from studio.errors import BadAsset, CannotWrite, StudioError, UsageError
from studio.render import partial
from studio.render.film import Film
from studio.render.partial import Header, merge_partials, read_header, read_partial, settings_digest, write_partial
from studio.render.settings import RenderSettings
from tests.render.synthetic import expose, layout, rendered, same
from tests.render.test_film import WHOLE, splits

AOVS = ("depth", "albedo", "crypto_object")
HEADER = Header(
    scene="5ce0e", build="0.1.0-abc", backend="cpu", device="x86-64", frame=24.0, settings="d1", ranges=((0, 4),)
)


def header(*ranges, **changes) -> Header:
    return msgspec.structs.replace(HEADER, ranges=ranges or HEADER.ranges, **changes)


def part(folder, name, first=0, end=4, *, crop=None, aovs=AOVS, **changes):
    """A partial with samples [first, end) of the synthetic render."""
    path = folder / name
    write_partial(path, rendered(layout(aovs=aovs, crop=crop), first, end), header((first, end), **changes))
    return path


def resigned(data: bytes) -> bytes:
    """The file with a checksum that fits, as a forger would leave it."""
    return data[:-32] + hashlib.blake2b(data[:-32], digest_size=32).digest()


def with_contents(data: bytes, change) -> bytes:
    """The file with its JSON header changed and signed again."""
    (length,) = struct.unpack_from("<I", data, 8)
    contents = json.loads(data[12 : 12 + length])
    change(contents)
    text = json.dumps(contents).encode()
    return resigned(data[:8] + struct.pack("<I", len(text)) + text + data[12 + length :])


# files


def test_a_partial_survives_the_disk(tmp_path):
    film = rendered(layout(crop=(3, 2, 17, 11)), 4, 9, ids=40)
    said = header((4, 9), region=(3, 2, 17, 11), total=(4, 9), state={"pass": 3, "names": ["a", "é"]})
    write_partial(tmp_path / "a.part", film, said)
    again, heard = read_partial(tmp_path / "a.part")
    assert same(again, film)
    assert heard == said
    assert read_header(tmp_path / "a.part") == (said, film.layout)
    assert [p.name for p in tmp_path.iterdir()] == ["a.part"]


def test_the_same_film_gives_the_same_file(tmp_path):
    one, two = part(tmp_path, "1.part"), part(tmp_path, "2.part")
    assert one.read_bytes() == two.read_bytes()


def test_a_film_of_many_blocks_survives_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(partial, "_BLOCK", 4096)
    film = rendered(layout(160, 60), 0, 2)
    write_partial(tmp_path / "a.part", film, header((0, 2)))
    assert same(read_partial(tmp_path / "a.part")[0], film)


def test_what_would_unpack_a_thousandfold_is_stored(tmp_path, monkeypatch):
    monkeypatch.setattr(partial, "_FREE_BYTES", 0)
    film = Film.of(layout(64, 64))
    write_partial(tmp_path / "a.part", film, header((0, 1), complete=False))
    assert same(read_partial(tmp_path / "a.part")[0], film)
    assert (tmp_path / "a.part").stat().st_size * 20 > film.layout.nbytes / 2


def test_a_film_that_is_not_what_its_header_says_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="promises 5 samples"):
        write_partial(tmp_path / "a.part", rendered(layout(), 0, 4), header((0, 5)))
    assert not list(tmp_path.iterdir())


def test_an_unwritable_place_is_a_sentence_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "a.part", tmp_path, tmp_path / "a\0.part"):
        with pytest.raises(CannotWrite):
            write_partial(path, rendered(layout(), 0, 4), HEADER)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_checkpoint_goes_on_to_the_same_bits(tmp_path):
    write_partial(tmp_path / "a.part", rendered(layout(), 0, 5), header((0, 5)))
    film, heard = read_partial(tmp_path / "a.part")
    assert heard.ranges == ((0, 5),)
    assert same(expose(film, 5, 9), rendered(layout(), 0, 9))


def test_the_digest_of_settings_leaves_out_what_each_partial_covers():
    base = RenderSettings(samples=64)
    for change in ({"samples": 4, "first_sample": 8}, {"crop": (0, 0, 8, 8)}, {"time_limit_s": 3.0}):
        assert settings_digest(msgspec.structs.replace(base, **change)) == settings_digest(base)
    for change in ({"depth": 3}, {"seed": 1}, {"filter": "box"}, {"error": 0.1}, {"aovs": ("depth",)}, {"width": 4}):
        assert settings_digest(msgspec.structs.replace(base, **change)) != settings_digest(base)


# merging


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(splits())
def test_any_split_written_and_merged_in_any_order_has_the_bits_of_the_whole(tmp_path, parts):
    paths = []
    for index, (crop, a, b) in enumerate(parts):
        paths.append(tmp_path / f"{index}.part")
        write_partial(paths[-1], rendered(layout(crop=crop), a, b, ids=40), header((a, b), region=(0, 0, 20, 13)))
    film, merged = merge_partials(paths)
    assert same(film, WHOLE)
    assert merged.ranges == (merged.total,) == ((0, 9),)
    assert merged.complete and merged.region == (0, 0, 20, 13)
    write_partial(tmp_path / "all.part", film, merged)
    write_partial(tmp_path / "one.part", WHOLE, merged)
    assert (tmp_path / "all.part").read_bytes() == (tmp_path / "one.part").read_bytes()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"scene": "other"}, "scene"),
        ({"build": "0.2.0"}, "renderer build"),
        ({"backend": "cuda"}, "backend"),
        ({"device": "sm_90"}, "device class"),
        ({"frame": 25.0}, "frame"),
        ({"settings": "d2"}, "render settings"),
        ({"adaptive": True}, "adaptive"),
    ],
)
def test_partials_of_different_renders_are_refused_by_name(tmp_path, change, named):
    one, two = part(tmp_path, "1.part", 0, 4), part(tmp_path, "2.part", 4, 8, **change)
    with pytest.raises(UsageError, match=named) as fault:
        merge_partials([one, two])
    assert str(one) in str(fault.value) and str(two) in str(fault.value)


def test_partials_of_another_size_or_other_layers_are_refused_by_name(tmp_path):
    one = part(tmp_path, "1.part")
    small = tmp_path / "small.part"
    write_partial(small, rendered(layout(10, 10, aovs=AOVS), 4, 8), header((4, 8)))
    with pytest.raises(UsageError, match=r"size \(20x13 and 10x10\)"):
        merge_partials([one, small])
    with pytest.raises(UsageError, match="channels"):
        merge_partials([one, part(tmp_path, "2.part", 4, 8, aovs=("depth", "crypto_object"))])
    with pytest.raises(UsageError, match="mattes"):
        merge_partials([one, part(tmp_path, "3.part", 4, 8, aovs=("depth", "albedo"))])


def test_overlaps_are_refused_by_name(tmp_path):
    left = part(tmp_path, "left.part", 0, 4, crop=(0, 0, 11, 13))
    right = part(tmp_path, "right.part", 3, 8, crop=(10, 4, 20, 13))
    with pytest.raises(UsageError, match=r"sample 3 of pixels 10,4 to 11,13"):
        merge_partials([left, right], allow_gaps=True)
    with pytest.raises(UsageError, match="both hold sample 0"):
        merge_partials([left, left])


def test_gaps_are_refused_by_name_unless_allowed(tmp_path):
    early, late = part(tmp_path, "1.part", 0, 2), part(tmp_path, "2.part", 5, 8)
    with pytest.raises(UsageError, match=r"samples 2:5 of pixels 0,0 to 20,13"):
        merge_partials([early, late])
    film, merged = merge_partials([late, early], allow_gaps=True)
    assert not merged.complete and merged.ranges == ((0, 2), (5, 8)) and merged.total == (0, 8)
    assert film.counts.min() == film.counts.max() == 5
    write_partial(tmp_path / "both.part", film, merged)
    assert same(merge_partials([tmp_path / "both.part", part(tmp_path, "3.part", 2, 5)], allow_gaps=True)[0],
                rendered(layout(aovs=AOVS), 0, 8))  # fmt: skip


@pytest.mark.parametrize("adaptive", [False, True])
def test_a_render_that_has_its_upper_lines_alone_is_no_picture(tmp_path, adaptive):
    film = rendered(layout(aovs=AOVS), 0, 4)
    for buffer in (film.sums, film.squares, film.halves, film.half_counts, film.counts):
        buffer[8:] = 0
    film.matte_ids[:, 8:] = film.matte_counts[:, 8:] = 0
    film.matte_lost[8:] = 0
    write_partial(tmp_path / "cut.part", film, header((0, 4), complete=False, adaptive=adaptive))
    with pytest.raises(UsageError, match=r"lines 8 to 12 lack samples.*--resume"):
        merge_partials([tmp_path / "cut.part"])
    merged = merge_partials([tmp_path / "cut.part"], allow_gaps=True)
    assert not merged[1].complete and (merged[0].counts[8:] == 0).all()


def test_a_missing_tile_or_range_at_the_edge_is_noticed(tmp_path):
    whole = {"region": (0, 0, 20, 13), "total": (0, 4)}
    tile = part(tmp_path, "1.part", crop=(0, 0, 10, 13), **whole)
    with pytest.raises(UsageError, match=r"samples 0:4 of pixels 10,0 to 20,13"):
        merge_partials([tile])
    half = part(tmp_path, "2.part", 0, 3, **whole)
    with pytest.raises(UsageError, match=r"samples 3:4"):
        merge_partials([half])
    hole = [
        part(tmp_path, f"{i}.part", crop=crop)
        for i, crop in enumerate([(0, 0, 20, 5), (0, 5, 8, 8), (12, 5, 20, 8), (0, 8, 20, 13)])
    ]
    with pytest.raises(UsageError, match=r"pixels 8,5 to 12,8"):
        merge_partials(hole)


def test_adaptive_tiles_merge_and_adaptive_ranges_do_not(tmp_path):
    paths = []
    for index, (crop, n) in enumerate([((0, 0, 8, 13), 3), ((8, 0, 20, 13), 6)]):
        film = rendered(layout(aovs=AOVS, crop=crop), 0, n)
        paths.append(tmp_path / f"{index}.part")
        write_partial(paths[-1], film, header((0, 8), adaptive=True))
    film, merged = merge_partials(paths)
    assert merged.adaptive and merged.complete
    assert film.counts[0, 0] == 3 and film.counts[0, 19] == 6
    late = tmp_path / "late.part"
    write_partial(late, rendered(layout(aovs=AOVS, crop=(0, 0, 8, 13)), 8, 9), header((8, 16), adaptive=True))
    with pytest.raises(UsageError, match="adaptive samples cannot be split"):
        merge_partials([*paths, late], allow_gaps=True)


def test_nothing_to_merge_is_refused():
    with pytest.raises(UsageError, match="no partial"):
        merge_partials([])


# hostile files


def read_or_refuse(path) -> None:
    try:
        read_partial(path)
    except BadAsset as fault:
        assert "\n" not in str(fault)


def test_what_is_no_partial_is_refused(tmp_path):
    path = tmp_path / "a.part"
    for data in (b"", b"MYRDPRT1", b"P" * 5000, b"MYRDPRT1\xff\xff\xff\xff", b"PK\x03\x04" + bytes(100)):
        path.write_bytes(data)
        with pytest.raises(BadAsset, match=r"a\.part"):
            read_partial(path)
    for missing in (tmp_path / "none.part", tmp_path, tmp_path / "a\0b"):
        with pytest.raises(BadAsset, match="no partial"):
            read_partial(missing)


def test_every_mutated_file_is_refused(tmp_path):
    """400 damaged files: flipped bits, runs of noise, cuts, insertions. The checksum must catch every one."""
    data = part(tmp_path, "good.part").read_bytes()
    rng, path = random.Random(11), tmp_path / "bad.part"
    for index in range(400):
        bad, at = bytearray(data), rng.randrange(len(data))
        if index % 4 == 0:
            bad[at] ^= 1 << rng.randrange(8)
        elif index % 4 == 1:
            del bad[at:]
        elif index % 4 == 2:
            bad[at : at + rng.randrange(1, 40)] = rng.randbytes(rng.randrange(1, 40))
        else:
            bad[at:at] = rng.randbytes(rng.randrange(1, 9))
        if bytes(bad) == data:
            continue
        path.write_bytes(bytes(bad))
        with pytest.raises(BadAsset):
            read_partial(path)


def test_forged_files_with_a_fitting_checksum_give_a_film_or_a_sentence(tmp_path):
    """400 files mutated and signed again, so that what lies behind the checksum is reached."""
    data = part(tmp_path, "good.part").read_bytes()
    rng, path = random.Random(12), tmp_path / "bad.part"
    header_end = 12 + struct.unpack_from("<I", data, 8)[0]
    for index in range(400):
        bad = bytearray(data)
        at = rng.randrange(8, header_end + 30) if index % 2 else rng.randrange(8, len(data) - 32)
        if index % 3 == 0:
            bad[at] = rng.randrange(256)
        elif index % 3 == 1:
            del bad[at : at + rng.randrange(1, 30)]
        else:
            bad[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"9999", b"-111", bytes(4), b"1e99"])
        path.write_bytes(resigned(bytes(bad)))
        read_or_refuse(path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("layout.width", 0),
        ("layout.width", -5),
        ("layout.width", 10**30),
        ("layout.height", 1 << 60),
        ("layout.crop", [0, 0, 0, 13]),
        ("layout.crop", [5, 0, 2, 13]),
        ("layout.crop", [0, 0, 20, 99]),
        ("layout.crop", [0, 0, 20]),
        ("layout.channels", []),
        ("layout.channels", [{"name": "R", "exponent": 26}] * 4),
        ("layout.exponent", 10**6),
        ("layout.minima", ["z"] * 10_000),
        ("layout.mattes", ["m"] * 10_000),
        ("header.ranges", [[0, 4], [2, 6]]),
        ("header.ranges", [[4, 0]]),
        ("header.ranges", [[-4, 0]]),
        ("header.ranges", [[0, 1 << 40]]),
        ("header.ranges", [[0, 5]]),
        ("header.region", [0, 0, 1 << 20, 13]),
        ("header.total", [3, 3]),
        ("header.frame", "x"),
        ("slots", 0),
        ("slots", 99),
        ("layout", None),
    ],
)
def test_impossible_headers_are_refused(tmp_path, path, value):
    data = part(tmp_path, "good.part").read_bytes()

    def change(contents):
        *parents, last = path.split(".")
        for name in parents:
            contents = contents[name]
        contents[last] = value

    (tmp_path / "bad.part").write_bytes(with_contents(data, change))
    with pytest.raises(BadAsset, match=r"bad\.part"):
        read_partial(tmp_path / "bad.part")


def test_a_huge_claim_allocates_nothing(tmp_path):
    data = part(tmp_path, "good.part").read_bytes()

    def grow(contents):
        contents["layout"].update(width=100_000, height=100_000, crop=[0, 0, 100_000, 100_000])

    (tmp_path / "bad.part").write_bytes(with_contents(data, grow))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadAsset, match="claims"):
        read_partial(tmp_path / "bad.part")
    with pytest.raises(StudioError):
        merge_partials([tmp_path / "bad.part"], allow_gaps=True)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_gaps_do_not_make_a_small_file_fill_the_memory(tmp_path):
    data = part(tmp_path, "good.part", crop=(0, 0, 4, 4)).read_bytes()

    def spread(contents):
        contents["layout"].update(width=100_000, height=100_000)
        contents["header"]["region"] = [0, 0, 100_000, 100_000]

    (tmp_path / "bad.part").write_bytes(with_contents(data, spread))
    with pytest.raises(UsageError, match="too little"):
        merge_partials([tmp_path / "bad.part"], allow_gaps=True)


def test_nested_json_is_refused(tmp_path):
    data = part(tmp_path, "good.part").read_bytes()
    (length,) = struct.unpack_from("<I", data, 8)
    text = data[12 : 12 + length].replace(b'"state":{}', b'"state":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    (tmp_path / "bad.part").write_bytes(resigned(data[:8] + struct.pack("<I", len(text)) + text + data[12 + length :]))
    with pytest.raises(BadAsset, match="header cannot be read"):
        read_partial(tmp_path / "bad.part")


def test_forged_sums_that_contradict_themselves_are_refused(tmp_path):
    def forge(change):
        film = rendered(layout(aovs=AOVS), 0, 4)
        change(film)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(partial, "_fault", lambda film, header: "")
            write_partial(tmp_path / "bad.part", film, HEADER)
        with pytest.raises(BadAsset, match="inconsistent"):
            read_partial(tmp_path / "bad.part")

    forge(lambda film: film.counts.fill(-1))
    forge(lambda film: film.counts.fill(3))
    forge(lambda film: film.half_counts.fill(5))
    forge(lambda film: film.minima.fill(np.nan))
    forge(lambda film: film.matte_counts.fill(0))
    forge(lambda film: film.matte_lost.fill(-3))


def test_a_mutated_part_among_good_ones_is_named(tmp_path):
    good, bad = part(tmp_path, "good.part", 0, 4), part(tmp_path, "bad.part", 4, 8)
    data = bytearray(bad.read_bytes())
    data[-100] ^= 1
    bad.write_bytes(bytes(data))
    with pytest.raises(BadAsset, match=r"bad\.part"):
        merge_partials([good, bad])
