"""Objects by the coordinator: what a guest may read and write, all that it may not, and a node that has no store."""

from __future__ import annotations

import errno
import http.client
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.exceptions import AlreadyExistsError

from studio.errors import BadAsset, CannotWrite, StudioError, Unsupported, UsageError
from studio.farm.bundles.bundle import NodeCache, make_bundle
from studio.farm.bundles.cas import blob_key, digest_of
from studio.farm.bundles.journal import Journal
from studio.farm.bundles.manifest import bundle_key, layout_key, read_layout, read_manifest
from studio.farm.bundles.transfer import upload
from studio.farm.jobs import RenderJob, claim, claimed, job_key, part_key, write_job
from studio.farm.model import JobSpec, Lease, Needs, NodeInfo, Piece, Report, Result
from studio.farm.node import FarmNode
from studio.farm.policy import Policy
from studio.farm.service import Service
from studio.farm.store import Objects, Patience, Store, open_store
from studio.farm.trust import gate as gate_module
from studio.farm.trust.gate import BLOCK, Gate, GateBucket, Refused
from studio.farm.verify import largest_part
from studio.farm.wire import Forbidden, Guest, Remote, Server, Stranger
from studio.render.device import DeviceInfo
from studio.render.film import Film
from studio.render.session import FrameProgress, FrameResult, layout_of
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene
from studio.scene.project import save_project
from tests.farm.bundle_files import make_files, noise, some_files
from tests.farm.faulty_store import Faults, FaultyBucket
from tests.render.stage import stage

MEMBER, OTHER, OWN, HOUSE = (f"the token of {name} with many letters" for name in ("n", "m", "own", "the house"))
SETTINGS = RenderSettings(width=64, height=40, samples=64)
PATIENCE = Patience(tries=3, sleep=lambda seconds: None)


class Keeper:
    """A doorkeeper of three members and the house."""

    def admit(self, token: str) -> Guest | None:
        guests = {
            MEMBER: Guest(node="n", trust=3),
            OTHER: Guest(node="m", trust=3),
            OWN: Guest(node="own", trust=0),
            HOUSE: Guest(),
        }
        return guests.get(token)


@dataclass
class Farm:
    """A coordinator with a job for all to see, one for its own machines, and their bundles."""

    service: Service
    server: Server
    public: RenderJob
    private: RenderJob
    files: dict[str, bytes]
    buckets: list[GateBucket] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return self.service.store

    def bucket(self, token: str = MEMBER) -> GateBucket:
        self.buckets.append(GateBucket(self.server.url, token))
        return self.buckets[-1]

    def lease(self, node: str = "n") -> Lease:
        self.service.join(NodeInfo(id=node, trust=3, memory_bytes=1 << 40))
        lease = self.service.ask(node)
        assert lease is not None
        return lease

    def part_of(self, lease: Lease, samples: tuple[int, int] | None = None) -> str:
        return part_key(lease.job, self.public.spec.pieces[lease.piece], samples or lease.range, lease.attempt)

    def raw(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes, dict[str, str]]:
        parts = urlsplit(self.server.url)
        link = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        sent = {"Authorization": f"Bearer {MEMBER}", **headers}
        link.putrequest(method, path, skip_host=True)
        for name, value in sent.items():
            link.putheader(name, value)
        link.endheaders(body or None)
        answer = link.getresponse()
        out = answer.status, answer.read(), dict(answer.getheaders())
        link.close()
        return out


def job_of(id_: str, bundle: str, trust: int) -> RenderJob:
    pieces = (Piece(frame=1.0, samples=SETTINGS.samples), Piece(frame=2.0, samples=SETTINGS.samples))
    needs = Needs(trust=trust)
    spec = JobSpec(id=id_, name=id_, bundle=bundle, pieces=pieces, needs=needs, expected_s=0.01)
    return RenderJob(spec=spec, settings=SETTINGS)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str, dict[str, bytes]]:
    """A store with two bundles, of which the second is an edit of the first, with whose packs it shares files."""
    folder = tmp_path_factory.mktemp("gate")
    store = open_store(folder / "store")
    files = some_files()
    project = make_files(folder / "a", files)
    names = sorted(files)
    with Journal(folder / "journal") as journal:
        first = upload(project, names, store, journal=journal)
        edited = {**files, "scene.json": b'{"scene": 2}'}
        edited = {name: data for name, data in edited.items() if not name.startswith("assets/small1")}
        make_files(project, edited)
        second = upload(project, sorted(edited), store, journal=journal)
    return folder / "store", first.bundle, second.bundle, edited


@pytest.fixture
def farm(bundles: tuple[Path, str, str, dict[str, bytes]], tmp_path: Path) -> Iterator[Farm]:
    place, secret, shown, files = bundles
    shutil.copytree(place, tmp_path / "store", copy_function=os.link)
    service = Service(open_store(tmp_path / "store"), policy=Policy(longest_s=1000.0, first_s=1000.0))
    public, private = job_of("public", shown, 3), job_of("private", secret, 0)
    service.submit(public)
    service.submit(private)
    with Server(service, Keeper(), gate=Gate(service)) as server:
        made = Farm(service, server, public, private, files)
        yield made
        for bucket in made.buckets:
            bucket.close()


# --- reading ---------------------------------------------------------------------------------------------------------
def test_a_node_fetches_a_whole_bundle_by_the_gate(farm: Farm, tmp_path: Path) -> None:
    cache = NodeCache(tmp_path / "cache", floor=0)
    folder = cache.fetch(Store(farm.bucket(), "the coordinator", patience=PATIENCE), farm.public.spec.bundle)
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == farm.files


def test_of_a_pack_that_bundles_share_a_guest_sees_its_own_files(farm: Farm) -> None:
    bundle, secret = farm.public.spec.bundle, farm.private.spec.bundle
    layout = read_layout(farm.store, bundle, read_manifest(farm.store, bundle))
    before = read_layout(farm.store, secret, read_manifest(farm.store, secret))
    pack = next(name for name in before.packs if name in layout.packs)
    hidden = before.packs[pack].keys() - layout.packs[pack].keys()
    assert hidden, "the bundles share a pack of which one has more"
    with_holes = Store(farm.bucket(), "gate").get(blob_key(pack))
    whole = farm.store.get(blob_key(pack))
    assert len(with_holes) == len(whole)
    for hash_, (at, size) in before.packs[pack].items():
        seen = with_holes[at : at + size]
        assert (seen == bytes(size)) if hash_ in hidden else (digest_of(seen) == hash_), hash_
    assert Store(farm.bucket(OWN), "gate").get(blob_key(pack)) == whole, "one's own machine may see both jobs"


def test_what_is_not_there_is_no_object(farm: Farm) -> None:
    bucket = farm.bucket()
    with pytest.raises(FileNotFoundError):
        bucket.head(job_key("public", "job.sig"))
    assert Store(bucket, "gate").size(f"{bundle_key(farm.public.spec.bundle)}.sig") is None
    with pytest.raises(BadAsset, match="there is no"):
        Store(bucket, "gate").get(job_key("public", "job.sig"))


def forbidden_keys(farm: Farm) -> list[str]:
    secret = farm.private.spec.bundle
    own = {digest_of(data) for data in farm.files.values()}
    others = [key for key, _ in farm.store.list("blobs") if key.rsplit("/", 1)[-1] not in own]
    return [
        *("jobs/private/job.json", "jobs/private/job.sig", "jobs/nowhere/job.json"),
        *(bundle_key(secret), f"{bundle_key(secret)}.sig", layout_key(secret)),
        *("jobs/public/events/0001-000000.json", "jobs/public/done/f1/0-64.json", "jobs/public/orders/1.json"),
        *(
            "jobs/public/preview/f1.jpg",
            "generations/1",
            "nodes/1.json",
            "roster.json",
            "suspects/x",
            "probe/x",
            "jobs",
        ),
        *("", "/", ".", "jobs/public", "blobs", "packs", blob_key("0" * 64), "blobs/zz/" + secret),
        f"packs/{others[0].rsplit('/', 1)[-1]}",
    ]


def test_a_guest_reads_nothing_else(farm: Farm) -> None:
    bucket = farm.bucket()
    for key in forbidden_keys(farm):
        assert farm.raw("GET", f"/v1/objects/{quote(key)}")[0] == 403, key
        with pytest.raises(Refused):
            bucket.head(key)
    scene = next(digest for digest in (digest_of(b'{"scene": 1}'),))
    assert farm.raw("GET", f"/v1/objects/{blob_key(scene)}")[0] == 403, "the file of another job"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/objects/jobs/public/../private/job.json",
        "/v1/objects/jobs/public/%2e%2e/private/job.json",
        "/v1/objects/jobs/public%2f..%2fprivate%2fjob.json",
        "/v1/objects/jobs/public/%252e%252e/private/job.json",
        "/v1/objects//jobs/private/job.json",
        "/v1/objects/jobs//public/job.json",
        "/v1/objects/jobs/public/job.json/",
        "/v1/objects/jobs/public/job.json%00",
        "/v1/objects/jobs/public/job.json%0a",
        "/v1/objects/jobs/public/job.json?x=1",
        "/v1/objects/jobs/public/./job.json",
        "/v1/objects/jobs\\public\\job.json",
        "/v1/objects/JOBS/public/job.json",
        "/v1/objects/jobs/publi\u0441/job.json",
        "/v1/objects/%2fetc/passwd",
        "/v1/objects//etc/passwd",
        "/v1/objects/../../../../etc/passwd",
        "/v1/objects/file:///etc/passwd",
        "/v1/objects/C:/secret",
    ],
)
def test_no_path_leads_out(farm: Farm, path: str) -> None:
    if not path.isascii():
        path = quote(path)
    for method in ("GET", "HEAD", "DELETE"):
        assert farm.raw(method, path)[0] in (403, 404), method
    assert farm.raw("PUT", path, b"x", **{"Content-Length": "1"})[0] == 403


WORDS = ("jobs", "public", "private", "job.json", "job.sig", "units", "done", "events", "bundles", "layouts", "blobs")
HOSTILE = ("", ".", "..", "%2e%2e", "\0", "\\", "jobs/private", "0" * 64, "00", "f1", "0-64.1.part", "é", "~", "*")


@given(parts=st.lists(st.sampled_from(WORDS + HOSTILE) | st.text(max_size=5), max_size=7))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_guest_asks_for_it_sees_what_it_may_or_nothing(farm: Farm, parts: list[str]) -> None:
    gate, guest, key = Gate(farm.service), Guest(node="n", trust=3), "/".join(parts)
    try:
        gate.size(guest, key)
    except (Forbidden, Stranger, FileNotFoundError):
        assert key != job_key("public", "job.json")
    else:
        assert key == job_key("public", "job.json")
    with pytest.raises((Forbidden, Stranger)):
        gate.take(guest, key, 1, lambda count: b"x")


def test_a_name_that_is_no_text_is_told(farm: Farm) -> None:
    assert farm.raw("GET", "/v1/objects/%ff%fe")[0] == 400
    assert farm.raw("GET", "/v2/objects/jobs/public/job.json")[0] == 404
    assert farm.raw("GET", "http://elsewhere/v1/objects/jobs/public/job.json")[0] == 404


def test_without_a_token_that_counts_nothing_is_shown(farm: Farm) -> None:
    key = quote(job_key("public", "job.json"))
    for token in ("", "Bearer", "Bearer wrong", f"Basic {MEMBER}x", f"Bearer {MEMBER}x"):
        assert farm.raw("GET", f"/v1/objects/{key}", Authorization=token)[0] == 401
        assert (
            farm.raw("PUT", f"/v1/objects/{key}", b"abc", **{"Authorization": token, "Content-Length": "3"})[0] == 401
        )
    with pytest.raises(UsageError, match="counts no more"):
        farm.bucket("a token of nobody at all").head(job_key("public", "job.json"))
    with (
        Server(farm.service, HOUSE) as server,  # without a gate
        GateBucket(server.url, HOUSE) as bucket,
        pytest.raises(FileNotFoundError),
    ):
        bucket.head(job_key("public", "job.json"))


def test_a_job_that_is_over_is_shown_no_more(farm: Farm) -> None:
    bucket = farm.bucket()
    assert bucket.head(job_key("public", "job.json")) > 0
    farm.service.coordinator.cancel("public")
    with pytest.raises(Refused, match="nothing that a node like this"):
        bucket.get(job_key("public", "job.json"))
    assert Store(farm.bucket(OWN), "gate").size(job_key("private", "job.json"))


@pytest.mark.parametrize(
    ("asked", "status", "shown"),
    [
        ("bytes=0-0", 206, (0, 1)),
        ("bytes=5-", 206, (5, None)),
        ("bytes=-7", 206, (-7, None)),
        ("bytes=2-999999999", 206, (2, None)),
        ("bytes=999999999-", 416, None),
        ("bytes=9-3", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=0-1,4-5", 416, None),
        ("bytes=a-b", 416, None),
        ("bytes=" + "9" * 40 + "-", 416, None),
        ("furlongs=0-1", 416, None),
        ("", 416, None),
    ],
)
def test_ranges_are_those_of_http(farm: Farm, asked: str, status: int, shown: tuple[int, int | None] | None) -> None:
    key = job_key("public", "job.json")
    whole = farm.store.get(key)
    got, data, headers = farm.raw("GET", f"/v1/objects/{key}", Range=asked)
    assert got == status
    if shown is not None:
        wanted = whole[slice(*shown)]
        assert data == wanted and headers["Content-Range"].endswith(f"/{len(whole)}")
        head = farm.raw("HEAD", f"/v1/objects/{key}", Range=asked)
        assert head[:2] == (206, b"") and head[2]["Content-Length"] == str(len(wanted))


def test_large_objects_go_in_blocks(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    plain = Store.get_range

    def noted(self: Store, key: str, start: int, end: int) -> bytes:
        asked.append(end - start)
        return plain(self, key, start, end)

    picture = farm.files["assets/picture.npy"]
    monkeypatch.setattr(Store, "get_range", noted)
    size, parts = farm.bucket().get(blob_key(digest_of(picture)))
    assert size == len(picture) and b"".join(parts) == picture
    assert max(asked) <= BLOCK and sum(asked) == size


def test_a_read_that_is_given_up_does_not_spoil_the_next(farm: Farm) -> None:
    bucket = farm.bucket()
    picture = blob_key(digest_of(farm.files["assets/picture.npy"]))
    _, parts = bucket.get(picture)
    next(iter(parts))
    assert b"".join(bucket.get(job_key("public", "job.json"))[1]) == farm.store.get(job_key("public", "job.json"))
    store = Store(bucket, "the coordinator", patience=PATIENCE)
    with pytest.raises(BadAsset, match="more than"):
        store.get(picture, most=10)
    assert store.size(picture) == len(farm.files["assets/picture.npy"])


def test_a_damaged_bundle_of_one_job_hides_no_other(farm: Farm) -> None:
    broken = job_of("broken", "f" * 64, 3)
    farm.service.submit(broken)
    scene = digest_of(farm.files["assets/picture.npy"])
    assert farm.bucket().head(blob_key(scene)) > 0


# --- writing ---------------------------------------------------------------------------------------------------------
def test_a_part_is_written_once_by_who_holds_the_attempt(farm: Farm) -> None:
    lease = farm.lease()
    key, bucket = farm.part_of(lease), farm.bucket()
    bucket.put(key, b"a film", create=False)
    assert farm.store.get(key) == b"a film" == b"".join(bucket.get(key)[1])
    bucket.put(key, b"a film", create=False)  # no answer came, and it is sent again
    with pytest.raises(AlreadyExistsError):
        bucket.put(key, b"another", create=False)
    assert farm.store.get(key) == b"a film"


def test_parts_of_others_and_other_places_are_not_written(farm: Farm) -> None:
    lease = farm.lease()
    first, last = lease.range
    number = lease.attempt
    key = farm.part_of(lease)
    bucket, folder = farm.bucket(), key.rpartition("/")[0]
    with pytest.raises(Refused, match="does not hold"):
        farm.bucket(OTHER).put(key, b"x", create=False)
    for wrong in (
        *(f"{folder}/{first}-{last + 1}.{number}.part", f"{folder}/{last}-{first}.{number}.part"),
        *(f"{folder}/{first}-{first}.{number}.part", f"{folder}/0{first}-{last}.{number}.part"),
        *(f"{folder}/{first}-{last}.0{number}.part", f"{folder}/{first}-{last}.{number}.json"),
        *(key.replace("/f", "/g"), key.replace("public", "private"), f"x/{key}", f"{key}/x", f"{folder}/x/{key[-9:]}"),
        *("jobs/public/job.json", "jobs/public/done/f1/0-64.json", "bundles/" + "0" * 64, "roster.json"),
        f"jobs/public/units/../units/f1/{first}-{last}.{number}.part",
    ):
        with pytest.raises(StudioError):
            bucket.put(wrong, b"x", create=True)
    assert not [key for key, _ in farm.store.list("jobs/public/units")]


def test_a_part_of_an_attempt_that_is_over_is_a_strangers(farm: Farm) -> None:
    lease = farm.lease()
    key, bucket = farm.part_of(lease), farm.bucket()
    farm.service.leave("n")
    for data in (b"a film", noise(3 << 20, 1)):
        with pytest.raises(Stranger):
            bucket.put(key, data, create=False)
    assert farm.store.size(key) is None


def test_a_part_is_no_larger_than_its_film(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = farm.lease()
    most = largest_part(farm.public, farm.public.spec.pieces[lease.piece])
    monkeypatch.setattr(gate_module, "largest_part", lambda job, piece: 1000)
    with pytest.raises(Refused, match="1,000 bytes at the most"):
        farm.bucket().put(farm.part_of(lease), noise(3 << 20, 2), create=False)
    farm.bucket().put(farm.part_of(lease), bytes(1000), create=False)
    path = f"/v1/objects/{farm.part_of(lease)}"
    assert farm.raw("PUT", path)[0] == 413, "no length"
    assert farm.raw("PUT", path, **{"Content-Length": "9" * 30})[0] == 413
    assert most < 16 << 20


def test_one_part_at_a_time_lies_there_until_it_is_handed_in(farm: Farm) -> None:
    lease = farm.lease()
    first, last = lease.range
    bucket, middle = farm.bucket(), (lease.range[0] + lease.range[1]) // 2
    assert first < middle < last
    bucket.put(farm.part_of(lease, (first, middle)), b"one", create=False)
    with pytest.raises(Refused, match="hand it in first"):
        bucket.put(farm.part_of(lease, (first, middle + 1)), b"two", create=False)
    made = Result(range=(first, middle), key=farm.part_of(lease, (first, middle)), digest="")
    assert claim(farm.store, "public", farm.public.spec.pieces[lease.piece], made)
    bucket.put(farm.part_of(lease, (middle, last)), b"two", create=False)


def test_what_was_handed_in_and_thrown_away_does_not_hold_up_the_next_part(farm: Farm) -> None:
    lease = farm.lease()
    first, last = lease.range
    bucket, middle = farm.bucket(), (lease.range[0] + lease.range[1]) // 2
    bucket.put(farm.part_of(lease, (first, middle)), b"one", create=False)
    farm.store.delete(farm.part_of(lease, (first, middle)))  # as the coordinator does with what it knew before
    bucket.put(farm.part_of(lease, (middle, last)), b"two", create=False)
    assert farm.store.size(farm.part_of(lease, (middle, last))) == 3


def test_a_coordinator_without_room_for_a_partial_says_so(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = farm.lease()

    def full(**more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(ConnectionError, match="no space left"):
        patch.setattr(gate_module.tempfile, "TemporaryDirectory", full)
        farm.bucket().put(farm.part_of(lease), b"a film", create=False)
    farm.bucket().put(farm.part_of(lease), b"a film", create=False)


def test_a_part_that_nobody_took_can_be_removed_and_one_that_may_count_cannot(farm: Farm) -> None:
    lease, bucket = farm.lease(), farm.bucket()
    key = farm.part_of(lease)
    bucket.put(key, b"a film", create=False)
    with pytest.raises(FileNotFoundError):
        bucket.delete("jobs/public/job.json")
    bucket.delete(key)
    assert farm.store.size(key) == 6, "it may be looked at right now, and what was looked at is what counts"
    farm.service.leave("n")
    farm.bucket(OTHER).delete(key)
    assert farm.store.size(key) == 6, "it is another's"
    bucket.delete(key)
    assert farm.store.size(key) is None
    lease = farm.lease()
    key = farm.part_of(lease)
    bucket.put(key, b"a film", create=False)
    made = Result(range=lease.range, key=key, digest="")
    assert claim(farm.store, "public", farm.public.spec.pieces[lease.piece], made)
    farm.service.leave("n")
    bucket.delete(key)
    assert farm.store.size(key) == 6, "it was taken"


def test_what_nobody_took_of_an_attempt_that_is_over_is_swept(farm: Farm) -> None:
    lease = farm.lease()
    farm.bucket().put(farm.part_of(lease), b"a film", create=False)
    farm.service.leave("n")
    after = farm.lease("m")
    farm.bucket(OTHER).put(farm.part_of(after), b"a film", create=False)
    assert farm.store.size(farm.part_of(lease)) is None and farm.store.size(farm.part_of(after)) == 6


def test_half_a_part_is_none(farm: Farm) -> None:
    lease = farm.lease()
    key = farm.part_of(lease)
    parts = urlsplit(farm.server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as link:
        head = f"PUT /v1/objects/{key} HTTP/1.1\r\nAuthorization: Bearer {MEMBER}\r\nContent-Length: 100\r\n\r\n"
        link.sendall(head.encode() + b"half")
        link.shutdown(socket.SHUT_WR)
        assert link.recv(1) == b""
    assert farm.store.size(key) is None
    farm.bucket().put(key, b"whole", create=False)
    assert farm.store.get(key) == b"whole"


def test_a_store_that_fails_is_tried_again_and_said(farm: Farm) -> None:
    key = job_key("public", "job.json")
    inner = farm.store._inner
    assert isinstance(inner, Objects)
    farm.store._inner = FaultyBucket(Faults(busy=1.0), inner=inner)
    farm.store._patience = PATIENCE
    with pytest.raises(CannotWrite, match="the coordinator: cannot read"):
        Store(farm.bucket(), "the coordinator", patience=PATIENCE).get(key)
    farm.store._inner = inner
    assert farm.bucket().head(key) > 0


def test_nobody_lists_through_a_gate(farm: Farm) -> None:
    with pytest.raises(Unsupported):
        list(Store(farm.bucket(), "the coordinator").list("jobs"))
    with pytest.raises(UsageError, match="in the open"):
        GateBucket("http://farm.example", MEMBER)


# --- a node that has nothing else ------------------------------------------------------------------------------------
class Session:
    """A session that renders noise, the same for the same samples."""

    info = DeviceInfo(backend="cpu", name="a test", device_class="test")

    def render_frame(
        self,
        flat: FlatScene,
        settings: RenderSettings,
        *,
        stop: Callable[[], str],
        progress: Callable[[FrameProgress], None],
        **more: Any,
    ) -> FrameResult:
        film = Film.of(layout_of(flat, settings))
        for sample in range(settings.first_sample, settings.first_sample + settings.samples):
            drawn = np.random.default_rng([int(flat.frame), sample])
            film.sums[...] += drawn.integers(0, 1 << 40, film.sums.shape)
            film.squares[...] += drawn.integers(0, 1 << 30, film.squares.shape)
        film.counts[...] = settings.samples
        progress(FrameProgress(flat.frame, settings.samples, settings.samples, 0.0))
        return FrameResult(film, "", {"render": 0.01}, 0, 0, self.info)


def test_a_node_without_a_store_does_what_one_with_it_does(tmp_path: Path) -> None:
    save_project(stage(), tmp_path / "stage.studio")
    claims: list[dict[int, list[tuple[object, ...]]]] = []
    for place in ("with", "without"):
        store = open_store(tmp_path / place)
        bundle, _ = make_bundle(tmp_path / "stage.studio", store)
        job = job_of("j", bundle, 3)
        write_job(store, job)
        service = Service(store, policy=Policy(longest_s=0.2, first_s=0.1, tail_s=0.05))
        assert service.recover() == ["j"]
        cache = NodeCache(tmp_path / f"{place} cache", floor=0)
        with Server(service, Keeper(), gate=Gate(service)) as server, Remote(server.url, MEMBER) as desk:
            bucket = GateBucket(server.url, MEMBER)
            node = FarmNode(
                desk,
                store if place == "with" else Store(bucket, "the coordinator"),
                Session(),  # type: ignore[arg-type]
                node_id="n/0",
                fetch=lambda where, job, cache=cache: cache.scene(where, job.spec.bundle, job.scene),  # type: ignore[misc]
                memory_bytes=1 << 40,
                checkpoint_s=60.0,
            )
            assert node.run(until_idle=True) > 1
            bucket.close()
        cache.close()
        assert service.status("j").state == "done"
        assert not [key for key, _ in store.list("suspects")]
        claims.append(
            {row: [(r.range, r.key, r.digest) for r in results] for row, results in claimed(store, job).items()}
        )
    samples = [sum(b - a for (a, b), *_ in claims[0][row]) for row in (0, 1)]
    assert samples == [64, 64]
    assert claims[0] == claims[1]


def test_a_node_goes_on_by_the_gate_of_the_next_coordinator(farm: Farm) -> None:
    """A coordinator that began anew knows no attempt: the node is told so where it writes, and offers its unit."""
    lease = farm.lease()
    after = Service(farm.store, policy=Policy(longest_s=1000.0))
    after.recover()
    with Server(after, Keeper(), gate=Gate(after)) as server, Remote(server.url, MEMBER) as desk:
        bucket = GateBucket(server.url, MEMBER)
        with pytest.raises(Stranger):
            bucket.put(farm.part_of(lease), b"a film", create=False)
        desk.join(NodeInfo(id="n", memory_bytes=1 << 40))
        assert desk.adopt(lease, Report())[0] == "go"
        bucket.put(farm.part_of(lease), b"a film", create=False)
        bucket.close()
    assert farm.store.get(farm.part_of(lease)) == b"a film"


def test_a_member_takes_over_no_job_that_it_may_not_see(farm: Farm) -> None:
    lease = farm.lease()
    after = Service(farm.store)
    after.recover()
    with Server(after, Keeper(), gate=Gate(after)) as server, Remote(server.url, MEMBER) as desk:
        desk.join(NodeInfo(id="n", memory_bytes=1 << 40))
        made_up = msgspec.structs.replace(lease, job="private")
        assert desk.adopt(made_up, Report()) == ("drop", 0)


def test_a_node_whose_token_is_revoked_ends_with_the_sentence(tmp_path: Path) -> None:
    save_project(stage(), tmp_path / "stage.studio")
    store = open_store(tmp_path / "store")
    bundle, _ = make_bundle(tmp_path / "stage.studio", store)
    service = Service(store, policy=Policy(report_s=0.02))
    service.submit(job_of("j", bundle, 3))
    tokens = {MEMBER: Guest(node="n", trust=3)}
    begun = threading.Event()

    class Forgetful:
        def admit(self, token: str) -> Guest | None:
            return tokens.get(token)

    class Endless(Session):
        def render_frame(self, flat: FlatScene, settings: RenderSettings, **more: Any) -> FrameResult:
            tokens.clear()
            begun.set()
            stop = more["stop"]
            waited = threading.Event()
            while not stop():
                waited.wait(0.01)
            return super().render_frame(flat, msgspec.structs.replace(settings, samples=1), **more)

    with (
        Server(service, Forgetful(), gate=Gate(service)) as server,
        Remote(server.url, MEMBER) as desk,
        GateBucket(server.url, MEMBER) as bucket,
    ):
        cache = NodeCache(tmp_path / "cache", floor=0)
        node = FarmNode(
            desk,
            Store(bucket, "the coordinator", patience=PATIENCE),
            Endless(),  # type: ignore[arg-type]
            node_id="n",
            fetch=lambda where, job: cache.scene(where, job.spec.bundle, job.scene),
            policy=Policy(report_s=0.02),
            memory_bytes=1 << 40,
        )
        with pytest.raises(UsageError, match="counts no more"):
            node.run()
        cache.close()
    assert begun.is_set() and not [key for key, _ in store.list("jobs/j/units")]
