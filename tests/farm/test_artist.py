"""The artist's name under jobs and bundles: whose they are, whether that holds, and nodes that work for few."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec
import pytest

from studio.errors import BadAsset, Unsupported, UsageError
from studio.farm.jobs import RenderJob, job_key, read_job
from studio.farm.node import FarmNode
from studio.farm.service import Service
from studio.farm.store import Store, open_store
from studio.farm.submission import Submission, plan_job, send_scene, submit_job
from studio.farm.trust import artist
from studio.farm.trust.signing import Key, Member, Roster
from studio.render.device import DeviceInfo
from studio.render.settings import RenderSettings
from studio.scene.project import save_project
from tests.render.stage import stage

ANN, EVE = Key.of(b"a" * 32), Key.of(b"e" * 32)
KNOWN = Roster().with_member(ANN.public, Member(name="Ann", role="artist", since=0.0))


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))

    def none(name: str) -> None:
        raise Unsupported("there is no keyring here")

    monkeypatch.setattr(artist, "kept_key", none)
    monkeypatch.setattr(artist, "keep_key", lambda name, key: none(name))
    return tmp_path / "data"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def submitted(store: Store, folder: Path, key: Key | None, **more: object) -> RenderJob:
    """A job of the stage, by whoever has the key."""
    if not (folder / "a.studio").is_dir():
        save_project(stage(), folder / "a.studio")
    sent = send_scene(store, folder / "a.studio", stage())
    settings = RenderSettings(width=16, height=8, samples=4)
    asked = Submission(**{"settings": settings, "frames": (1.0,), **more})  # type: ignore[arg-type]
    return submit_job(store, plan_job(asked, sent), key=key)[0]


def test_a_key_is_made_once_for_its_owner_alone_and_is_on_the_list(data: Path) -> None:
    assert artist.own_key() is None
    key, place = artist.make_key(" Ann ")
    assert Path(place) == data / "farm" / "artist.key"
    if os.name == "posix":
        assert stat.S_IMODE(Path(place).stat().st_mode) == 0o600
    kept = artist.own_key()
    assert kept is not None and kept.public == key.public
    assert artist.artists().members[key.public].name == "Ann"
    with pytest.raises(UsageError, match="there is a key already"):
        artist.make_key("Bob")
    for name in ("", "\n", "x" * 81):
        with pytest.raises(UsageError, match="--name"):
            artist.make_key(name)


def test_a_keyring_is_preferred_where_there_is_one(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring: dict[str, Key] = {}
    monkeypatch.setattr(artist, "kept_key", ring.get)
    monkeypatch.setattr(artist, "keep_key", ring.__setitem__)
    key, place = artist.make_key("Ann")
    kept = artist.own_key()
    assert place == "the keyring" and kept is not None and kept.public == key.public
    assert not (data / "farm" / "artist.key").exists()


def test_what_is_signed_says_whose_it_is_and_holds(tmp_path: Path, store: Store) -> None:
    job = submitted(store, tmp_path, ANN)
    found = artist.signed_by(store, job, KNOWN)
    assert found is not None and (found.by, found.holds) == ("Ann", True)
    artist.guard(store, job, KNOWN)
    assert artist.signed_by(store, submitted(store, tmp_path, None, frames=(2.0,)), KNOWN) is None


def test_without_a_key_nothing_is_signed_and_the_store_is_as_ever(tmp_path: Path, store: Store) -> None:
    submitted(store, tmp_path, None)
    assert not [key for key, _ in store.list() if key.endswith(".sig")]


def test_the_signature_is_there_before_the_job(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put, order = Store.put, []

    def noting(self: Store, key: str, data: bytes, **more: bool) -> bool:
        order.append(key.rsplit("/", 1)[-1])
        return put(self, key, data, **more)

    monkeypatch.setattr(Store, "put", noting)
    submitted(store, tmp_path, ANN)
    assert order.index("job.sig") < order.index("job.json") and order[-2] == "job.sig"


@pytest.mark.parametrize("change", ["priority", "samples", "bundle", "sig", "cut", "list"])
def test_what_was_changed_after_it_was_signed_is_told_and_refused(tmp_path: Path, store: Store, change: str) -> None:
    job = submitted(store, tmp_path, ANN)
    other = submitted(store, tmp_path, EVE, frames=(3.0,))
    place = job_key(job.spec.id, "job.sig")
    roster = KNOWN
    match change:
        case "priority":
            job = msgspec.structs.replace(job, spec=msgspec.structs.replace(job.spec, priority=99))
        case "samples":
            job = msgspec.structs.replace(job, settings=msgspec.structs.replace(job.settings, samples=9))
        case "bundle":
            job = msgspec.structs.replace(job, spec=msgspec.structs.replace(job.spec, bundle="0" * 64))
        case "sig":
            store.put(place, store.get(job_key(other.spec.id, "job.sig")))
        case "cut":
            store.put(place, store.get(place)[:-9])
        case _:
            roster = KNOWN.without(ANN.public, at=1.0, why="she left")
    found = artist.signed_by(store, job, roster)
    assert found is not None and not found.holds and found.why and "\n" not in found.why
    with pytest.raises(Unsupported, match="artists that it knows"):
        artist.guard(store, job, roster)


def test_who_sends_a_job_again_puts_their_own_name_under_it(tmp_path: Path, store: Store) -> None:
    both = KNOWN.with_member(EVE.public, Member(name="Eve", role="artist", since=0.0))
    for key, name in ((ANN, "Ann"), (EVE, "Eve")):
        job = submitted(store, tmp_path, key, priority=70)
        found = artist.signed_by(store, job, both)
        assert found is not None and (found.by, found.holds, found.files) == (name, True, "Ann")
    place = f"bundles/{job.spec.bundle}.sig"
    for damaged in (store.get(place)[:-5], msgspec.json.encode(ANN.sign("bundle", {"bundle": "1" * 64}, at=1e9))):
        store.put(place, damaged)
        found = artist.signed_by(store, job, both)
        assert found is not None and found.holds and found.files == "", "the job names its files itself"
        submitted(store, tmp_path, EVE)
        found = artist.signed_by(store, job, both)
        assert found is not None and found.files == "Eve", "what does not hold makes room"


def test_only_an_artist_of_the_roster_counts(tmp_path: Path, store: Store) -> None:
    job = submitted(store, tmp_path, EVE)
    found = artist.signed_by(store, job, KNOWN)
    assert found is not None and not found.holds and found.by == ""
    node = Roster().with_member(EVE.public, Member(name="n1", role="node", since=0.0))
    with pytest.raises(Unsupported, match="no artist"):
        artist.guard(store, job, node)
    with pytest.raises(Unsupported, match="nobody has signed"):
        artist.guard(store, submitted(store, tmp_path, None, frames=(9.0,)), KNOWN)


def test_lists_of_artists(tmp_path: Path) -> None:
    file = tmp_path / "artists.json"
    artist.trust(EVE.public, "Eve", file=file)
    assert artist.artists(file).members[EVE.public].role == "artist"
    with pytest.raises(UsageError, match="no public key"):
        artist.trust("nonsense", "Eve", file=file)
    with pytest.raises(UsageError, match="no keys"):
        artist.revoke("Bob", file=file)
    artist.revoke("Eve", file=file)
    assert EVE.public in artist.artists(file).revoked
    with pytest.raises(UsageError, match="revoked"):
        artist.trust(EVE.public, "Eve", file=file)
    with pytest.raises(BadAsset, match="no list of artists"):
        artist.artists(tmp_path / "none.json")


class Session:
    """What a node needs of a renderer, as far as it comes here."""

    info = DeviceInfo(backend="cpu", name="a test", device_class="test")


def test_a_node_passes_a_job_of_nobody_it_knows_on_to_others(tmp_path: Path, store: Store) -> None:
    mine, others = submitted(store, tmp_path, ANN), submitted(store, tmp_path, EVE, frames=(2.0,))
    service = Service(store)
    for job in (mine, others):
        service.submit(job)
    asked = []

    def fetch(where: Store, job: RenderJob) -> None:
        asked.append(job.spec.id)
        raise BadAsset("enough for this test")

    node = FarmNode(
        service, store, Session(), node_id="n1", fetch=fetch, allow=lambda job: artist.guard(store, job, KNOWN)  # type: ignore[arg-type]
    )  # fmt: skip
    node.run(until_idle=True)
    assert asked == [mine.spec.id], "it never even fetches the other's scene"
    assert service.status(others.spec.id).state in ("waiting", "running"), "another node may still do it"
    assert read_job(store, others.spec.id) == others
