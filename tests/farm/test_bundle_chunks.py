"""Chunks: together they are the file, and an edit in the middle makes only a few of them new."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.farm.bundles.cas import digest_of, digest_of_file
from studio.farm.bundles.chunks import FROM, LEAST, MOST, WHOLE_MOST, cut, is_cut
from tests.farm.bundle_files import MIB, noise


def chunks_of(path: Path, data: bytes) -> list[bytes]:
    path.write_bytes(data)
    return [bytes(chunk) for chunk in cut(path)]


@pytest.mark.parametrize("size", [0, 1, LEAST - 1, LEAST, MOST + 1, 20 * MIB + 7])
def test_chunks_are_the_file_in_order(tmp_path: Path, size: int) -> None:
    data = noise(size, size)
    found = chunks_of(tmp_path / "file", data)
    assert b"".join(found) == data
    assert all(LEAST <= len(chunk) <= MOST for chunk in found[:-1])
    assert digest_of_file(tmp_path / "file") == (digest_of(data), size)


def test_chunks_of_one_byte_repeated_are_bounded(tmp_path: Path) -> None:
    assert max(map(len, chunks_of(tmp_path / "file", b"\0" * 20 * MIB))) == MOST


@pytest.mark.parametrize("at", [0, 7 * MIB, 20 * MIB])
def test_what_is_inserted_moves_the_cuts_with_it(tmp_path: Path, at: int) -> None:
    data = noise(20 * MIB, 1)
    before = chunks_of(tmp_path / "file", data)
    after = chunks_of(tmp_path / "file", data[:at] + b"eleven more" + data[at:])
    assert len(set(after) - set(before)) <= 2 < len(before)


@pytest.mark.parametrize(
    ("name", "size", "wanted"),
    [
        ("scene.json", FROM + 1, True),
        ("scene.json", FROM, False),
        ("assets/x.npz", FROM + 1, True),
        ("assets/CACHE.VDB", FROM + 1, True),
        ("assets/x.npy", FROM + 1, False),
        ("assets/x.npy", WHOLE_MOST + 1, True),
    ],
)
def test_what_is_edited_is_cut_and_what_is_replaced_goes_whole(name: str, size: int, wanted: bool) -> None:
    assert is_cut(name, size) == wanted
