"""A store that speaks as S3 does: everything the farm asks of one works there, over HTTP and in several parts."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from studio.errors import BadAsset, CannotWrite
from studio.farm.bundles.bundle import NodeCache
from studio.farm.store import Store, open_store
from tests.farm.bundle_files import MIB, content, make_files, noise, send, some_files
from tests.farm.fake_s3 import FakeS3
from tests.farm.faulty_store import hasty


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    with FakeS3() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def store(server: FakeS3) -> Store:
    return open_store("s3://bucket/farm", patience=hasty())


def test_the_verbs_work(store: Store, server: FakeS3) -> None:
    store.probe()
    assert store.put("a/x", b"0123456789", once=True) and not store.put("a/x", b"other", once=True)
    assert store.get("a/x") == b"0123456789" and store.get_range("a/x", 2, 5) == b"234"
    assert store.size("a/x") == 10 and store.size("a/y") is None
    assert list(store.list("a")) == [("a/x", 10)] and "farm/a/x" in server.objects
    store.delete("a/x", "a/y")
    with pytest.raises(BadAsset, match="there is no a/x"):
        store.get("a/x")


def test_of_many_who_create_an_object_one_wins(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda i: store.put("key", f"{i}".encode(), once=True), range(16)))
    assert sum(won) == 1 and store.get("key") == f"{won.index(True)}".encode()


def test_a_bundle_goes_there_and_comes_back(store: Store, server: FakeS3, tmp_path: Path) -> None:
    files = some_files() | {"assets/large.npy": noise(12 * MIB + 5, 5)}
    sent = send(make_files(tmp_path / "a", files), store)
    assert any("partNumber=3" in request for request in server.requests)  # a large file in several parts
    lists = [request for request in server.requests if "list-type" in request]
    assert len(lists) < 8 and sum(request.startswith("HEAD") for request in server.requests) < 24
    assert content(NodeCache(tmp_path / "cache", floor=0).fetch(store, sent.bundle)) == files


def test_a_server_that_is_busy_is_asked_again(store: Store, server: FakeS3) -> None:
    server.busy = 3
    store.put("key", b"data")
    server.busy = 2
    assert store.get("key") == b"data"


def test_a_server_that_stays_away_is_one_sentence_without_secrets(store: Store, server: FakeS3) -> None:
    server.busy = 1 << 30
    impatient = open_store("s3://bucket/farm", patience=hasty(tries=1))
    with pytest.raises(CannotWrite, match=r"s3://bucket/farm: cannot write key") as told:
        impatient.put("key", b"data")
    assert "hush" not in str(told.value) and "\n" not in str(told.value)
