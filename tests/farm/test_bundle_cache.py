"""The cache of a node: what is least used goes first, nothing that is in use goes, and processes share it."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import studio
from studio.errors import BadAsset, CannotWrite
from studio.farm.bundles import node_cache
from studio.farm.bundles.bundle import NodeCache, send_bundle
from studio.farm.bundles.cas import Blobs, blob_key, digest_of
from studio.farm.bundles.manifest import BundleFile
from studio.farm.store import Store, open_store
from studio.render.queue_store import locked
from studio.scene.project import save_project
from tests.farm.bundle_files import MIB, content, make_files, noise, put_blob, put_bundle, send, some_files
from tests.farm.faulty_store import faulty

ROOT = Path(__file__).resolve().parents[2]
FETCH = """
import sys
from pathlib import Path
from studio.farm.bundles.bundle import NodeCache
from studio.farm.store import open_store
cache = NodeCache(Path(sys.argv[1]), floor=0)
print(cache.fetch(open_store(sys.argv[2]), sys.argv[3]), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def bundle(store: Store, name: str, *, size: int = MIB) -> str:
    """A bundle of one file of its own, beside one that all have."""
    own, shared = noise(size, int(name)), b"shared" * 1000
    return put_bundle(
        store,
        (
            BundleFile(path="own", size=size, hash=put_blob(store, own)),
            BundleFile(path="shared", size=6000, hash=put_blob(store, shared)),
        ),
    )


def kept(folder: Path) -> set[str]:
    place = folder / "bundles"
    return {path.name for path in place.iterdir()} if place.is_dir() else set()


def rested(folder: Path, hash_: str, seconds: float) -> None:
    """A bundle was last used so long ago."""
    os.utime(folder / "bundles" / hash_, (time.time() - seconds,) * 2)


def test_fetching_twice_fetches_once(tmp_path: Path) -> None:
    store, bucket = faulty()
    hash_ = bundle(store, "1")
    folder = NodeCache(tmp_path, floor=0).fetch(store, hash_)
    calls = dict(bucket.calls)
    assert NodeCache(tmp_path, floor=0).fetch(store, hash_) == folder
    assert bucket.calls == calls


def test_what_bundles_share_is_on_the_disk_once_and_cannot_be_written_to(tmp_path: Path, store: Store) -> None:
    cache = NodeCache(tmp_path / "cache", floor=0)
    one, two = (cache.fetch(store, bundle(store, name)) for name in "12")
    assert cache.size() == 2 * MIB + 6000
    assert os.path.samefile(one / "shared", two / "shared")
    assert not (one / "shared").stat().st_mode & 0o222


def test_a_disk_without_links_is_copied_to(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*paths: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    hash_ = bundle(store, "1")
    assert content(NodeCache(tmp_path / "cache", floor=0).fetch(store, hash_))["own"] == noise(MIB, 1)


# --- room ------------------------------------------------------------------------------------------------------------
def test_the_bundle_that_was_not_used_for_longest_goes_first(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "cache"
    a, b, c, d = (bundle(store, name) for name in "1234")
    cache = NodeCache(folder, limit=3 * MIB + 20_000, floor=0)
    for age, hash_ in enumerate((a, b, c)):
        cache.fetch(store, hash_)
        rested(folder, hash_, 100.0 - age)
    cache.fetch(store, a)  # used again
    cache.fetch(store, d)
    assert kept(folder) == {a, c, d}
    assert cache.size() <= 3 * MIB + 20_000
    assert (cache.fetch(store, c) / "shared").read_bytes() == b"shared" * 1000


def test_what_no_bundle_uses_goes_before_any_bundle(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "cache"
    a, b = (bundle(store, name) for name in "12")
    cache = NodeCache(folder, limit=2 * MIB + 20_000, floor=0)
    cache.fetch(store, a)
    loose = noise(MIB - 10_000, 9)
    blob = folder / blob_key(digest_of(loose))
    make_files(folder, {blob_key(digest_of(loose)): loose})
    cache.fetch(store, b)
    assert kept(folder) == {a, b} and not blob.exists()


def test_a_bundle_in_use_stays_and_the_other_is_refused(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "cache"
    a, b = (bundle(store, name) for name in "12")
    other = NodeCache(folder, limit=2 * MIB, floor=0)  # as another process
    other.fetch(store, a)
    cache = NodeCache(folder, limit=2 * MIB, floor=0)
    with pytest.raises(CannotWrite, match="beside the bundles in use"):
        cache.fetch(store, b)
    assert kept(folder) == {a}
    other.close()
    cache.fetch(store, b)
    assert kept(folder) == {b}


def test_a_bundle_is_pinned_for_as_long_as_it_is_asked_for(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "cache"
    a, b, c = (bundle(store, name) for name in "123")
    cache = NodeCache(folder, limit=2 * MIB + 20_000, floor=0)
    with cache.pinned(a):
        for hash_ in (a, b, c):
            cache.fetch(store, hash_)
        assert kept(folder) == {a, c}
    cache.fetch(store, b)
    assert kept(folder) == {b, c}


def test_the_disk_is_never_filled_to_its_floor(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "cache"
    a, b = (bundle(store, name) for name in "12")
    room = 10 * MIB

    def free(place: Path) -> int:
        return room - cache.size()

    cache = NodeCache(folder, floor=8 * MIB, free=free)
    cache.fetch(store, a)
    rested(folder, a, 10.0)
    cache.fetch(store, b)
    assert kept(folder) == {b}
    with pytest.raises(CannotWrite, match="has no room"):
        cache.fetch(store, bundle(store, "3", size=3 * MIB))
    assert kept(folder) == {b}


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_made(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    sent = send(make_files(tmp_path / "a", some_files()), store)
    writing = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        writing(path, bytes(data)[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CannotWrite, match="takes no more: no space left on device; free its disk"):
        NodeCache(folder, floor=0).fetch(store, sent.bundle)
    monkeypatch.undo()
    assert kept(folder) == set()
    assert [p for p in folder.rglob("*") if p.is_file() and (".tmp" in p.name or "making" in p.parts)] == []
    assert content(NodeCache(folder, floor=0).fetch(store, sent.bundle)) == some_files()


# --- damage ----------------------------------------------------------------------------------------------------------
def test_what_the_disk_damaged_is_fetched_again(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "cache"
    scene = studio.demo("hall")
    save_project(scene, tmp_path / "hall.studio")
    sent = send_bundle(tmp_path / "hall.studio", store)
    cache = NodeCache(folder, floor=0)
    cache.fetch(store, sent.bundle)
    for file in sent.manifest.files[:2] + sent.manifest.files[-1:]:
        blob = folder / blob_key(file.hash)
        blob.chmod(0o644)
        data = bytearray(blob.read_bytes())
        data[len(data) // 2] ^= 0x55
        with blob.open("r+b") as opened:
            opened.write(data)
    assert cache.scene(store, sent.bundle, "scene.json").entities == scene.entities
    assert not cache.recheck(store, sent.bundle)
    shutil.rmtree(folder / "bundles" / sent.bundle / "assets")  # somebody cleaned up
    assert cache.scene(store, sent.bundle, "scene.json").entities == scene.entities


def test_a_scene_that_was_sent_broken_is_said_and_not_fetched_for_ever(tmp_path: Path, store: Store) -> None:
    sent = send(make_files(tmp_path / "a", {"scene.json": b"{"}), store)
    with pytest.raises(BadAsset, match=r"scene\.json cannot be read"):
        NodeCache(tmp_path / "cache", floor=0).scene(store, sent.bundle, "scene.json")


def test_a_file_cut_short_by_a_power_failure_is_not_used(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "cache"
    sent = send(make_files(tmp_path / "a", some_files()), store)
    cache = NodeCache(folder, floor=0)
    shutil.rmtree(cache.fetch(store, sent.bundle))
    for path, _ in Blobs(folder):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-1])
    for beside in folder.rglob("*.chunks"):
        beside.write_bytes(b"[[")
    assert content(cache.fetch(store, sent.bundle)) == some_files()


# --- several at once -------------------------------------------------------------------------------------------------
def start(folder: Path, place: Path, hash_: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FETCH, str(folder), str(place), hash_]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_processes_share_a_cache_and_a_dead_one_pins_nothing(tmp_path: Path) -> None:
    folder, place = tmp_path / "cache", tmp_path / "store"
    store = open_store(place)
    files = some_files()
    sent = send(make_files(tmp_path / "a", files), store)
    others = [start(folder, place, sent.bundle) for _ in range(3)]
    try:
        for other in others:
            assert other.stdout is not None
            assert other.stdout.readline().strip() == str(folder / "bundles" / sent.bundle)
        assert content(folder / "bundles" / sent.bundle) == files
        cache = NodeCache(folder, floor=0)
        assert cache._is_pinned(sent.bundle)
        for other in others:
            other.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
            other.wait()
        assert not cache._is_pinned(sent.bundle)
        assert not list((folder / "pins" / sent.bundle).iterdir())
    finally:
        for other in others:
            other.kill()
            other.communicate()


def test_pins_of_the_dead_are_swept(tmp_path: Path, store: Store) -> None:
    dead = tmp_path / "cache" / "pins" / ("0" * 64) / "pin"
    dead.parent.mkdir(parents=True)
    dead.write_bytes(b"")
    NodeCache(tmp_path / "cache", floor=0).fetch(store, bundle(store, "1"))
    assert not dead.exists()


def test_threads_of_many_caches_fetch_at_once(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "cache"
    hashes = [bundle(store, str(i % 3)) for i in range(9)]
    caches = [NodeCache(folder, floor=0) for _ in hashes]
    faults: list[BaseException] = []

    def fetch(cache: NodeCache, hash_: str) -> None:
        try:
            cache.fetch(store, hash_)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=fetch, args=pair) for pair in zip(caches, hashes, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == [] and kept(folder) == set(hashes)
    for cache in caches:
        cache.close()


def test_a_cache_held_by_one_who_makes_no_headway_is_used_all_the_same(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setattr(node_cache, "STALLED_S", 0.2)
    with locked(folder / "cache.lock"):  # as a process that is stopped
        hash_ = bundle(store, "1")
        assert NodeCache(folder, floor=0).fetch(store, hash_).is_dir()


def test_what_a_killed_process_left_half_made_is_swept(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "cache"
    make_files(
        folder,
        {"making/dead/scene.json": b"{", "making/dead.lock": b"", "making/gone-1/x": b"", "blobs/ab/.x.tmp": b""},
    )
    os.utime(folder / "blobs" / "ab" / ".x.tmp", (time.time() - 7200,) * 2)
    with locked(folder / "making" / "alive.lock"):
        (folder / "making" / "alive").mkdir()
        NodeCache(folder, floor=0).fetch(store, bundle(store, "1"))
        assert sorted(path.name for path in (folder / "making").iterdir()) == ["alive", "alive.lock"]
    assert not (folder / "blobs" / "ab" / ".x.tmp").exists()


def test_a_blob_that_somebody_removes_in_this_very_moment_is_fetched_again(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    hash_ = bundle(store, "1")
    cache = NodeCache(folder, floor=0)
    shutil.rmtree(cache.fetch(store, hash_))
    linking, gone = os.link, []

    def link(source: Path, target: Path) -> None:
        if not gone:
            gone.append(source)
            Path(source).unlink()
        linking(source, target)

    monkeypatch.setattr(os, "link", link)
    assert content(cache.fetch(store, hash_))["own"] == noise(MIB, 1)
    assert gone
