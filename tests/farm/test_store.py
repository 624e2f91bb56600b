"""Stores: what is put is got, one of many creators wins, and what fails for a moment is tried again, for a while."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.exceptions import GenericError, PermissionDeniedError

from studio.errors import BadAsset, CannotWrite, Unsupported, UsageError
from studio.farm.bundles.bundle import NodeCache
from studio.farm.bundles.cas import blob_key, digest_of
from studio.farm.store import Store, open_store
from tests.farm.bundle_files import content, make_files, send, some_files
from tests.farm.faulty_store import Faults, FaultyBucket, faulty, hasty


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return open_store(tmp_path / "store" if request.param == "folder" else "memory://")


def test_what_is_put_is_got_listed_and_removed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    store.put("a/b/one", b"12345")
    store.send("a/two", tmp_path / "file")
    assert store.get("a/b/one") == b"12345" and store.get_range("a/b/one", 1, 3) == b"23"
    assert store.size("a/two") == 100_000 and store.size("a/none") is None
    assert sorted(store.list("a")) == [("a/b/one", 5), ("a/two", 100_000)]
    store.copy_to(tmp_path / "copy", "a/two")
    assert (tmp_path / "copy").read_bytes() == b"x" * 100_000
    store.delete("a/two", "a/none")
    assert list(store.list("a")) == [("a/b/one", 5)]
    store.probe()
    assert list(store.list("probe")) == []


def test_of_many_who_create_an_object_one_wins(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda i: store.put("key", f"{i}".encode(), once=True), range(24)))
    assert sum(won) == 1 and store.get("key") == f"{won.index(True)}".encode()


def test_what_is_not_there_is_said(store: Store) -> None:
    with pytest.raises(BadAsset, match="there is no jobs/x"):
        store.get("jobs/x")


def test_an_object_larger_than_it_should_be_is_not_read() -> None:
    store, bucket = faulty()
    store.put("key", b"x" * 1_000_000)
    with pytest.raises(BadAsset, match="more than the 1,000"):
        store.get("key", most=1000)
    assert bucket.parts_read == 0


def test_a_disk_that_is_full_is_no_fault_of_the_store(tmp_path: Path) -> None:
    store, bucket = faulty()
    store.put("key", b"x" * 1000)
    with pytest.raises(FileNotFoundError):
        store.copy_to(tmp_path / "none" / "file", "key")
    assert bucket.calls["get"] == 1
    if Path("/dev/full").exists():
        with pytest.raises(OSError, match="No space"):
            store.copy_to(Path("/dev/full"), "key")


# --- trying again ----------------------------------------------------------------------------------------------------
def test_a_busy_store_is_asked_again_after_growing_pauses() -> None:
    pauses: list[float] = []
    bucket = FaultyBucket(Faults(busy=1.0, calls=3))
    store = Store(bucket, "the store", patience=hasty(slept=pauses.append))
    store.put("key", b"data")
    assert store.get("key") == b"data"
    assert pauses == [0.2, 0.4, 0.8]


def test_patience_ends_and_says_so_without_the_signature_of_the_address() -> None:
    pauses: list[float] = []
    store = Store(FaultyBucket(Faults(busy=1.0)), "the store", patience=hasty(tries=7, slept=pauses.append))
    with pytest.raises(CannotWrite, match=r"the store: cannot write key: .*503") as told:
        store.put("key", b"data")
    assert "hush" not in str(told.value) and "\n" not in str(told.value)
    assert len(pauses) == 6 and max(pauses) == 5.0


@pytest.mark.parametrize(
    "fault",
    [
        PermissionDeniedError("no"),
        ValueError("a key that is none"),
        GenericError("status code: 400 Bad Request"),
        GenericError("Unable to open file: No space left on device (os error 28)"),
    ],
)
def test_what_will_fail_again_is_not_tried_again(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    store, bucket = faulty()
    calls = []

    def fail(key: str) -> int:
        calls.append(key)
        raise fault

    monkeypatch.setattr(bucket, "head", fail)
    with pytest.raises(CannotWrite):
        store.size("key")
    assert len(calls) == 1


def test_a_read_that_ends_early_is_read_again() -> None:
    bucket = FaultyBucket(Faults(short=1.0, calls=2))
    store = Store(bucket, "the store", patience=hasty())
    store.put("key", b"data" * 100)
    assert store.get("key") == b"data" * 100


def test_an_answer_that_did_not_come_does_not_lose_what_was_won() -> None:
    store, bucket = faulty(silent=1.0, calls=1)
    assert store.put("key", b"mine", once=True)
    assert bucket.calls["put"] == 2
    assert not store.put("key", b"theirs", once=True) and store.get("key") == b"mine"


def test_an_answer_that_did_not_come_wins_nothing_from_others() -> None:
    store, bucket = faulty()
    store.put("key", b"theirs", once=True)
    bucket.faults = Faults(busy=1.0, calls=2)
    assert not store.put("key", b"mine", once=True) and store.get("key") == b"theirs"


def test_a_torn_upload_is_made_whole() -> None:
    store, _ = faulty(torn=1.0, calls=1)
    assert store.put("key", b"0123456789", once=True)
    assert store.get("key") == b"0123456789"


@given(seed=st.integers(0, 1 << 30), busy=st.floats(0, 0.5), silent=st.floats(0, 0.5), torn=st.floats(0, 0.5))
def test_whatever_fails_at_most_one_creator_believes_that_it_won(
    seed: int, busy: float, silent: float, torn: float
) -> None:
    store, bucket = faulty(seed, busy=busy, silent=silent, torn=torn, tries=4)
    won = []
    for name in ("one!!", "two!!", "three"):
        try:
            if store.put("key", name.encode(), once=True):
                won.append(name)
        except CannotWrite:
            continue
    assert len(won) <= 1
    if won:
        assert b"".join(bucket.inner.get("key")[1]) == won[0].encode()


def test_a_store_without_conditional_creation_is_refused() -> None:
    store, _ = faulty(create=False)
    with pytest.raises(Unsupported, match="conditionally"):
        store.probe()


# --- addresses -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "place", ["ftp://host/x", "s3://user:secret@bucket/x", "https://host/x?X-Amz-Signature=secret"]
)
def test_addresses_of_other_kinds_or_with_secrets_are_refused(place: str) -> None:
    with pytest.raises(UsageError) as told:
        open_store(place)
    assert "secret" not in str(told.value)


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CannotWrite, match="choose another"):
        open_store(tmp_path / "file" / "store")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, Store]]:
    """A folder, and a store that reads it over HTTP."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield folder, open_store(f"http://127.0.0.1:{server.server_address[1]}", patience=hasty(tries=1))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_node_fetches_a_bundle_over_http_and_says_what_is_damaged(served: tuple[Path, Store], tmp_path: Path) -> None:
    folder, store = served
    files = some_files()
    sent = send(make_files(tmp_path / "a", files), open_store(folder))
    assert content(NodeCache(tmp_path / "cache", floor=0).fetch(store, sent.bundle)) == files
    picture = folder / blob_key(digest_of(files["assets/picture.npy"]))
    picture.write_bytes(b"?" + picture.read_bytes()[1:])
    with pytest.raises(BadAsset, match="damaged in the store"):
        NodeCache(tmp_path / "other", floor=0).fetch(store, sent.bundle)


def test_a_store_over_http_is_read_even_from_a_server_that_gives_no_parts(served: tuple[Path, Store]) -> None:
    folder, store = served
    (folder / "blobs").mkdir()
    (folder / "blobs" / "x").write_bytes(b"0123456789")
    assert store.get("blobs/x") == b"0123456789" and store.size("blobs/x") == 10
    assert store.get_range("blobs/x", 2, 5) == b"234"
    with pytest.raises(BadAsset, match="there is no"):
        store.get("blobs/y")
    with pytest.raises(Unsupported, match="only be read"):
        store.put("blobs/z", b"data", once=True)
