"""Bundles from a project to a node: what arrives is what was sent, and what was sent before is not sent again."""

from __future__ import annotations

import os
import sqlite3
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import studio
from studio.errors import BadAsset, Cancelled, CannotWrite
from studio.farm.bundles import transfer
from studio.farm.bundles.bundle import NodeCache, make_bundle, read_manifest, send_bundle
from studio.farm.bundles.cas import blob_key, digest_of
from studio.farm.bundles.journal import Journal
from studio.farm.bundles.manifest import index_key
from studio.farm.store import Store, open_store
from studio.scene.geometry import make_image
from studio.scene.project import save_project, save_version
from studio.scene.scene import Scene
from tests.farm.bundle_files import MIB, content, make_files, noise, send, some_files
from tests.farm.faulty_store import faulty


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def settled(folder: Path) -> Path:
    """The folder as if it had been written an hour ago."""
    for path in folder.rglob("*"):
        os.utime(path, (time.time() - 3600,) * 2)
    return folder


def a_project(folder: Path) -> Scene:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    scene = studio.demo("hall").add(make_image(pixels, name="picture"))
    save_project(scene, folder)
    return scene


# --- whole scenes ----------------------------------------------------------------------------------------------------
def test_the_scene_of_a_project_arrives_on_a_node(tmp_path: Path, store: Store) -> None:
    scene = a_project(tmp_path / "hall.studio")
    hash_, manifest = make_bundle(tmp_path / "hall.studio", store)
    assert read_manifest(store, hash_) == manifest
    there = NodeCache(tmp_path / "cache", floor=0).scene(store, hash_, "scene.json")
    assert there.entities == scene.entities and there.materials == scene.materials
    assert there.meshes.keys() == scene.meshes.keys() and there.images.keys() == scene.images.keys()


def test_only_what_the_scene_names_is_sent(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "hall.studio"
    a_project(folder)
    make_files(
        folder,
        {
            ".env": b"TOKEN=1",
            "assets/id_rsa": b"key",
            "renders/a.exr": b"x",
            "notes.txt": b"x",
            "originals/b.png": b"x",
        },
    )
    _, manifest = make_bundle(folder, store)
    names = {file.path for file in manifest.files}
    assert "scene.json" in names and all(name == "scene.json" or name.startswith("assets/") for name in names)
    assert not names & {"assets/id_rsa"}


def test_a_version_of_a_project_can_be_sent_and_loaded(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "hall.studio"
    scene = a_project(folder)
    name = save_version(scene, folder).relative_to(folder).as_posix()
    save_project(Scene(), folder)
    sent = send_bundle(folder, store, scene=name)
    cache = NodeCache(tmp_path / "cache", floor=0)
    assert cache.scene(store, sent.bundle, name).entities == scene.entities
    with pytest.raises(BadAsset, match="has no scene"):
        cache.scene(store, sent.bundle, "../../../elsewhere.json")


def test_an_asset_that_is_missing_is_named_before_anything_is_sent(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "hall.studio"
    a_project(folder)
    gone = sorted((folder / "assets").iterdir())[0]
    gone.unlink()
    with pytest.raises(BadAsset, match=gone.name):
        make_bundle(folder, store)
    assert list(store.list()) == []


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="this system has no symbolic links")
def test_links_are_not_followed_out_of_a_project(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "hall.studio"
    a_project(folder)
    secret = tmp_path / "secret"
    secret.write_bytes(b"key")
    asset = sorted((folder / "assets").iterdir())[0]
    asset.unlink()
    asset.symlink_to(secret)
    with pytest.raises(BadAsset, match="is a link"):
        make_bundle(folder, store)
    (folder / "assets").rename(tmp_path / "elsewhere")
    (folder / "assets").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadAsset, match="is a link"):
        make_bundle(folder, store)
    assert list(store.list()) == []


# --- what is sent ----------------------------------------------------------------------------------------------------
def test_every_kind_of_file_arrives_as_it_was(tmp_path: Path, store: Store) -> None:
    files = some_files()
    sent = send(make_files(tmp_path / "a", files), store)
    assert content(NodeCache(tmp_path / "cache", floor=0).fetch(store, sent.bundle)) == files
    assert sent.objects < 30 and sent.manifest.size == sum(map(len, files.values()))


def test_the_same_files_are_the_same_bundle_in_every_store(tmp_path: Path, store: Store) -> None:
    a = make_files(tmp_path / "a", some_files())
    first = send(a, store)
    (a / "scene.json").write_bytes(b'{"scene": 2}')
    assert send(a, store).bundle != first.bundle
    (a / "scene.json").write_bytes(b'{"scene": 1}')
    again = send(a, store)
    assert again.bundle == first.bundle == send(a, open_store("memory://")).bundle
    assert again.sent < 50_000  # the manifest and the layout


def test_an_edit_sends_what_it_changed(tmp_path: Path, store: Store) -> None:
    files = some_files()
    a = make_files(tmp_path / "a", files)
    send(a, store)
    mesh = bytearray(files["assets/mesh.npz"])
    mesh[5 * MIB : 5 * MIB] = b"eleven bytes"  # everything behind it moves
    edited = {"scene.json": b'{"scene": 2}', "assets/small7.npz": noise(4000, 999), "assets/mesh.npz": bytes(mesh)}
    make_files(a, edited)
    sent = send(a, store)
    assert sent.sent < 9 * MIB  # two chunks of at most 4 MiB, the rest small
    assert content(NodeCache(tmp_path / "cache", floor=0).fetch(store, sent.bundle)) == files | edited


def test_a_node_fetches_of_an_edit_what_it_has_not(tmp_path: Path) -> None:
    store, bucket = faulty()
    files = some_files()
    a = make_files(tmp_path / "a", files)
    cache = NodeCache(tmp_path / "cache", floor=0)
    cache.fetch(store, send(a, store).bundle)
    make_files(a, {"scene.json": b"{}", "assets/mesh.npz": files["assets/mesh.npz"] + b"more"})
    second = send(a, store).bundle
    bucket.parts_read = 0
    cache.fetch(store, second)
    assert bucket.parts_read < 100  # of 64 KiB: a chunk or two out of twelve


def test_a_journal_spares_reading_and_never_hides_a_change(tmp_path: Path, store: Store) -> None:
    a = settled(make_files(tmp_path / "a", some_files()))
    journal = tmp_path / "journal.sqlite"
    first = send(a, store, journal=journal)
    assert first.read == first.manifest.size
    assert send(a, store, journal=journal).read == 0
    (a / "scene.json").write_bytes(b'{"scene": 9}')  # as long as before
    changed = send(a, store, journal=journal)
    assert changed.read == 12 and changed.bundle != first.bundle
    # what was written a moment ago may change once more within a tick of the disk's clock
    assert send(a, store, journal=journal).read == 12


@pytest.mark.parametrize("damage", [b"", b"no database at all" * 100, None])
def test_a_damaged_journal_costs_time_only(tmp_path: Path, store: Store, damage: bytes | None) -> None:
    a = settled(make_files(tmp_path / "a", some_files()))
    journal = tmp_path / "journal.sqlite"
    first = send(a, store, journal=journal)
    whole = journal.read_bytes()
    journal.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert send(a, store, journal=journal).bundle == first.bundle
    assert send(a, store, journal=journal).read == 0
    with sqlite3.connect(journal) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def test_a_journal_that_cannot_be_written_is_done_without(tmp_path: Path, store: Store) -> None:
    a = make_files(tmp_path / "a", {"x": b"1"})
    (tmp_path / "file").write_bytes(b"")
    assert send(a, store, journal=tmp_path / "file" / "journal.sqlite").objects == 4


def test_a_file_that_lies_about_its_time_is_told_when_it_is_sent(tmp_path: Path, store: Store) -> None:
    a = settled(make_files(tmp_path / "a", {"x.npy": noise(2 * MIB, 1), "y": b"small"}))
    journal = tmp_path / "journal.sqlite"
    send(a, store, journal=journal)
    before = (a / "x.npy").stat()
    (a / "x.npy").write_bytes(noise(2 * MIB, 2))
    os.utime(a / "x.npy", ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(BadAsset, match="changed while it was sent"):
        send(a, open_store("memory://"), journal=journal)


def test_another_machine_reuses_the_packs_of_a_store(tmp_path: Path, store: Store) -> None:
    files = {f"{i}.npz": noise(200_000, i) for i in range(30)}
    send(make_files(tmp_path / "a", files), store, journal=tmp_path / "one.sqlite")
    sent = send(make_files(tmp_path / "b", files | {"new": b"new"}), store, journal=tmp_path / "other.sqlite")
    assert sent.sent < 20_000
    # an index that is damaged is not believed
    for key, _ in list(store.list("packs")):
        store.put(key, b'{"files": {"' + b"0" * 64 + b'": [-5, 10]}}')
    assert send(tmp_path / "b", store).bundle == sent.bundle


# --- what goes wrong on the way --------------------------------------------------------------------------------------
def test_an_upload_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    store, _ = faulty()
    files = {f"{i}.npy": noise(MIB + i, i) for i in range(12)}
    a = make_files(tmp_path / "a", files)
    heard: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        heard.append((done, total))
        if done > total // 2:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        send(a, store, progress=stop, threads=1)
    assert list(store.list("bundles")) == []
    there = sum(size for _, size in store.list("blobs"))
    assert there > sum(map(len, files.values())) // 2
    sent = send(a, store)
    assert sent.sent < sum(map(len, files.values())) - there + 10_000
    assert content(NodeCache(tmp_path / "cache", floor=0).fetch(store, sent.bundle)) == files
    assert heard[0][0] == 0 and all(x[0] <= y[0] for x, y in pairwise(heard))


def test_progress_ends_with_all(tmp_path: Path, store: Store) -> None:
    heard: list[tuple[int, int]] = []
    a = make_files(tmp_path / "a", some_files())
    for _ in range(2):
        total = send(a, store, progress=lambda done, total: heard.append((done, total))).manifest.size
        assert heard[-1] == (total, total)


@pytest.mark.parametrize("seed", range(6))
def test_a_store_that_fails_now_and_then_gets_and_gives_it_whole(tmp_path: Path, seed: int) -> None:
    store, bucket = faulty(seed, busy=0.1, silent=0.05, torn=0.05, torn_unsaid=0.05, short=0.05, stale=0.5, tries=12)
    files = some_files()
    a = make_files(tmp_path / "a", files)
    sent = send(a, store)
    bucket.faults.torn_unsaid = 0.0
    assert content(NodeCache(tmp_path / "cache", floor=0).fetch(store, sent.bundle)) == files


def test_a_store_that_tears_everything_is_said_and_has_no_bundle(tmp_path: Path) -> None:
    store, _ = faulty(torn_unsaid=1.0)
    with pytest.raises(CannotWrite, match="not arrive whole"):
        send(make_files(tmp_path / "a", some_files()), store)
    assert list(store.list("bundles")) == []


def test_a_torn_object_of_an_earlier_upload_is_sent_again(tmp_path: Path, store: Store) -> None:
    files = some_files()
    a = make_files(tmp_path / "a", files)
    sent = send(a, store)
    for key, size in list(store.list("blobs")):
        store.put(key, store.get(key)[: size // 2])
    assert send(a, store).bundle == sent.bundle
    assert content(NodeCache(tmp_path / "cache", floor=0).fetch(store, sent.bundle)) == files


@pytest.mark.parametrize("name", ["scene.json", "assets/picture.npy", "assets/mesh.npz"])
def test_damage_in_the_store_is_found_by_a_node_and_mended_by_the_next_upload(
    tmp_path: Path, store: Store, name: str
) -> None:
    files = some_files()
    a = settled(make_files(tmp_path / "a", files))
    journal = tmp_path / "journal.sqlite"
    sent = send(a, store, journal=journal)
    for key, size in list(store.list("blobs")):
        data = bytearray(store.get(key))
        if files[name][-16:] in data or digest_of(files[name]) in key:
            data[-1 if size > MIB else data.index(files[name])] ^= 1  # as long as before
            store.put(key, bytes(data))
    cache = NodeCache(tmp_path / "cache", floor=0)
    with pytest.raises(BadAsset, match="damaged in the store; submit the job again"):
        cache.fetch(store, sent.bundle)
    assert not (tmp_path / "cache" / "bundles" / sent.bundle).exists()
    assert len(list(store.list(transfer.SUSPECTS))) == 1
    assert send(a, store, journal=journal).bundle == sent.bundle
    assert content(cache.fetch(store, sent.bundle)) == files
    assert list(store.list(transfer.SUSPECTS)) == []


def test_an_object_that_is_missing_is_said(tmp_path: Path, store: Store) -> None:
    sent = send(make_files(tmp_path / "a", some_files()), store)
    store.delete(blob_key(digest_of(some_files()["assets/picture.npy"])))
    with pytest.raises(BadAsset, match="never arrived"):
        NodeCache(tmp_path / "cache", floor=0).fetch(store, sent.bundle)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_file_that_goes_while_it_is_sent_is_said(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    a = settled(make_files(tmp_path / "a", {"picture.npy": noise(2 * MIB, 1)}))
    journal = tmp_path / "journal.sqlite"
    send(a, open_store("memory://"), journal=journal)  # which need not be read to be known
    put, whole = store.send, transfer._whole

    def sent(key: str, path: Path) -> None:
        put(key, path)
        path.unlink()

    def planned(where: Store, file: transfer._Found):  # type: ignore[no-untyped-def]
        file.path.unlink()
        return whole(where, file)

    monkeypatch.setattr(*((store, "send", sent) if when == "after" else (transfer, "_whole", planned)))
    with pytest.raises(BadAsset, match=r"picture\.npy (changed|cannot be read)"):
        send(a, store, journal=journal)
    assert not list(store.list("blobs")) and not list(store.list("bundles"))


def test_a_file_that_changes_while_it_is_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a = make_files(tmp_path / "a", {"x": b"1"})

    def read(path: Path, wants_cuts: bool) -> tuple[str, tuple[tuple[str, int], ...]]:
        path.write_bytes(b"22")
        return digest_of(b"1"), ()

    monkeypatch.setattr(transfer, "_read", read)
    with pytest.raises(BadAsset, match="changed while it was read"):
        send(a, open_store("memory://"))


def test_packs_are_named_by_what_they_are_and_say_what_they_hold(tmp_path: Path, store: Store) -> None:
    send(make_files(tmp_path / "a", {f"{i}": noise(1000, i) for i in range(50)}), store)
    ((key, size),) = store.list("blobs")
    assert digest_of(store.get(key)) == key.rsplit("/", 1)[-1] and size == 50_000
    assert store.size(index_key(key.rsplit("/", 1)[-1]))
    with Journal(None) as journal:
        assert journal.known(tmp_path / "a" / "0") is None
