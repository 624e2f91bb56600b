"""Bundles from an enemy: one sentence each, nothing is written outside of the cache, and no half of one stays."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.errors import BadAsset, CannotWrite, StudioError
from studio.farm.bundles.bundle import NodeCache, read_manifest
from studio.farm.bundles.cas import blob_key, digest_of
from studio.farm.bundles.manifest import BundleFile, Layout, bundle_key, layout_key
from studio.farm.store import Store, open_store
from tests.farm.bundle_files import put_blob, put_bundle
from tests.farm.faulty_store import faulty
from tests.farm.test_bundle_paths import HOSTILE, SECRETS

DATA = b"some bytes"
HASH = digest_of(DATA)


@pytest.fixture
def store() -> Store:
    store = open_store("memory://")
    put_blob(store, DATA)
    return store


def left(folder: Path) -> list[str]:
    """What lies in a folder, but for locks and pins and empty folders."""
    names = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() or p.is_symlink()]
    return sorted(name for name in names if not name.startswith(("cache/pins/", "cache/cache.lock")))


def refused(store: Store, hash_: str, tmp_path: Path, *, kind: type[StudioError] = BadAsset, **limits: int) -> str:
    """The sentence with which a bundle is refused; nothing of it is left."""
    with pytest.raises(kind) as told:
        NodeCache(tmp_path / "cache", **({"floor": 0} | limits)).fetch(store, hash_)
    assert left(tmp_path) == []
    assert "\n" not in str(told.value) and len(str(told.value)) < 500
    return str(told.value)


@pytest.mark.parametrize("path", [p for p in HOSTILE if "\udcff" not in p] + SECRETS)
def test_paths_that_lead_elsewhere_are_refused(store: Store, tmp_path: Path, path: str) -> None:
    hash_ = put_bundle(store, (BundleFile(path=path, size=len(DATA), hash=HASH),))
    assert "do not trust it" in refused(store, hash_, tmp_path)


@pytest.mark.parametrize("paths", [("a", "a"), ("A", "a"), ("a", "a/b"), ("a/x", "A/y"), ("é", "e\u0301")])
def test_paths_that_clash_are_refused(store: Store, tmp_path: Path, paths: tuple[str, str]) -> None:
    hash_ = put_bundle(store, tuple(BundleFile(path=p, size=len(DATA), hash=HASH) for p in paths))
    assert "one on some systems" in refused(store, hash_, tmp_path)


@pytest.mark.parametrize(
    ("size", "hash_"),
    [(-1, HASH), (1 << 60, HASH), (10, "../../etc/passwd"), (10, "A" * 64), (10, "0" * 63), (10, ""), (10, "é" * 64)],
)
def test_hashes_and_sizes_that_cannot_be_are_refused(store: Store, tmp_path: Path, size: int, hash_: str) -> None:
    bundle = put_bundle(store, (BundleFile(path="scene.json", size=size, hash=hash_),))
    assert "no true hash and size" in refused(store, bundle, tmp_path)


def test_two_sizes_of_one_hash_are_refused(store: Store, tmp_path: Path) -> None:
    files = (BundleFile(path="a", size=10, hash=HASH), BundleFile(path="b", size=11, hash=HASH))
    assert "two sizes" in refused(store, put_bundle(store, files), tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"[]", b"{}", b"null", b'{"files": 5}', b'{"files": [5]}',
        b'{"files": [{"path": 5, "size": 1, "hash": "x"}]}', b'{"files": [{"path": "a", "size": "1", "hash": "x"}]}',
        b'{"files": [{"path": "a", "size": 1e400, "hash": "x"}]}',
        b'{"files": [{"path": "a", "size": NaN, "hash": "x"}]}', b"\xff\xfe", b'{"files": [{"path": "\\ud800"}]}',
        b"[" * 100_000, b'{"files": [' + b"[" * 5000, b'{"files": null}', b'{"files": [{"size": 1, "hash": "x"}]}',
        b'{"files": [{"path": "a", "size": ' + b"9" * 5000 + b', "hash": "x"}]}',
    ],
)  # fmt: skip
def test_manifests_of_odd_types_are_refused(store: Store, tmp_path: Path, text: bytes) -> None:
    hash_ = digest_of(text)
    store.put(bundle_key(hash_), text)
    assert "cannot be read" in refused(store, hash_, tmp_path)


@pytest.mark.parametrize("name", ["", "..", "../../x", "a" * 64 + "/../x", "/etc/passwd", "A" * 64, "\0", "é" * 64])
def test_names_that_no_bundle_has_are_refused(store: Store, tmp_path: Path, name: str) -> None:
    refused(store, name, tmp_path)
    with pytest.raises(BadAsset):
        read_manifest(store, name)


def test_a_manifest_of_another_bundle_is_refused(store: Store, tmp_path: Path) -> None:
    hash_ = put_bundle(store, (BundleFile(path="scene.json", size=len(DATA), hash=HASH),))
    store.put(bundle_key("0" * 64), store.get(bundle_key(hash_)))
    assert "damaged" in refused(store, "0" * 64, tmp_path)


# --- bombs -----------------------------------------------------------------------------------------------------------
def test_an_object_larger_than_declared_is_not_read(tmp_path: Path) -> None:
    store, bucket = faulty()
    store.put(blob_key(HASH), b"x" * 50_000_000)
    hash_ = put_bundle(store, (BundleFile(path="scene.json", size=10, hash=HASH),))
    bucket.parts_read = 0
    assert "more than the 10" in refused(store, hash_, tmp_path)
    assert bucket.parts_read < 5  # of 64 KiB: the manifest and the layout


def test_a_bundle_larger_than_the_disk_or_the_cache_is_refused_before_it_is_fetched(tmp_path: Path) -> None:
    store, bucket = faulty()
    files = tuple(BundleFile(path=f"f{i}", size=1 << 41, hash=digest_of(b"%d" % i)) for i in range(100))
    hash_ = put_bundle(store, files)
    assert "has no room for 219902.3 GB" in refused(store, hash_, tmp_path, kind=CannotWrite, limit=1 << 50)
    assert "has no room" in refused(store, hash_, tmp_path, kind=CannotWrite, limit=1 << 30)
    assert bucket.calls["get"] == 2  # the manifest, each time


def test_a_bundle_of_too_many_files_is_refused(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.farm.bundles.manifest.MOST_FILES", 100)
    files = tuple(BundleFile(path=f"f{i}", size=10, hash=HASH) for i in range(101))
    assert "more than 100 files" in refused(store, put_bundle(store, files), tmp_path)


def test_a_manifest_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.farm.bundles.manifest.LARGEST_MANIFEST", 1000)
    store, bucket = faulty()
    text = b" " * 100_000
    store.put(bundle_key(digest_of(text)), text)
    assert "more than the 1,000" in refused(store, digest_of(text), tmp_path)
    assert bucket.parts_read == 0


# --- layouts ---------------------------------------------------------------------------------------------------------
OTHER = digest_of(b"other")


@pytest.mark.parametrize(
    "layout",
    [
        Layout(packs={"../x": {HASH: (0, 10)}}),
        Layout(packs={OTHER: {"../x": (0, 10)}}),
        Layout(packs={OTHER: {HASH: (-1, 10)}}),
        Layout(packs={OTHER: {HASH: (1 << 40, 10)}}),
        Layout(packs={OTHER: {HASH: (0, 11)}}),
        Layout(packs={OTHER: {HASH: (0, 1 << 40)}}),
        Layout(chunks={HASH: ((OTHER, 9),)}),
        Layout(chunks={HASH: ((OTHER, -1), (OTHER, 11))}),
        Layout(chunks={HASH: (("../x", 10),)}),
        Layout(chunks={HASH: ()}),
        Layout(chunks={OTHER: ((OTHER, 10),)}),
    ],
)
def test_layouts_that_cannot_be_are_refused(store: Store, tmp_path: Path, layout: Layout) -> None:
    hash_ = put_bundle(store, (BundleFile(path="scene.json", size=10, hash=HASH),), layout)
    assert "submit the job again" in refused(store, hash_, tmp_path)


@pytest.mark.parametrize("kind", ["pack", "chunk", "whole"])
def test_a_layout_that_leads_to_other_bytes_is_refused(store: Store, tmp_path: Path, kind: str) -> None:
    wrong = put_blob(store, b"ten bytes!")
    layouts = {
        "pack": Layout(packs={wrong: {HASH: (0, 10)}}),
        "chunk": Layout(chunks={HASH: ((wrong, 10),)}),
        "whole": Layout(),
    }
    store.put(blob_key(HASH), b"ten bytes!")
    hash_ = put_bundle(store, (BundleFile(path="scene.json", size=10, hash=HASH),), layouts[kind])
    assert "damaged" in refused(store, hash_, tmp_path)


# --- anything --------------------------------------------------------------------------------------------------------
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.floats() | st.text(max_size=8) | st.just(HASH),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["files", "path", "size", "hash", "packs", "chunks", HASH]) | st.text(max_size=4), inner
        )
    ),
    max_leaves=12,
)
HAND = st.fixed_dictionaries(
    {
        "files": st.lists(
            st.fixed_dictionaries(
                {
                    "path": st.sampled_from(["a", "b", "a/b", "../a", "A"]) | JSON,
                    "size": st.just(10) | JSON,
                    "hash": st.just(HASH) | JSON,
                }
            ),
            max_size=3,
        )
    }
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(manifest=st.binary(max_size=60) | (JSON | HAND).map(msgspec.json.encode), layout=JSON.map(msgspec.json.encode))
def test_any_manifest_and_layout_give_a_bundle_or_a_sentence(tmp_path: Path, manifest: bytes, layout: bytes) -> None:
    store = open_store("memory://")
    put_blob(store, DATA)
    hash_ = digest_of(manifest)
    store.put(bundle_key(hash_), manifest)
    store.put(layout_key(hash_), layout)
    cache = NodeCache(tmp_path / "cache", floor=0)
    try:
        folder = cache.fetch(store, hash_)
    except StudioError as told:
        assert "\n" not in str(told)
        assert not (tmp_path / "cache" / "bundles" / hash_).exists()
    else:
        assert all(path.read_bytes() == DATA for path in folder.rglob("*") if path.is_file())
    finally:
        cache.close()
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}
