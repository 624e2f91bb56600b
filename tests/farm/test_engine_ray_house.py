"""The coordinator of a job on a rented Ray cluster, without a cluster: who forges is found, also after the coordinator
was restarted, and all it did is rendered again by others.

The renderer is that of the tests of trust: a few lines of numpy in which a sample is a function of its number.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from studio.errors import BadAsset, CannotWrite, DeviceFault
from studio.farm.desk import OK, REFUSED
from studio.farm.engines import ray_house
from studio.farm.engines.ray_actors import Coordinator
from studio.farm.engines.ray_house import ClusterHouse, node_name
from studio.farm.engines.ray_jobs import DriverOrder
from studio.farm.jobs import RenderJob, claimed, part_key, write_job
from studio.farm.merge import merged
from studio.farm.model import JobSpec, Lease, Needs, NodeInfo, Piece, Range, Result, Usage, maker_of
from studio.farm.orders import works
from studio.farm.policy import Policy
from studio.farm.session import log_of
from studio.farm.store import open_store
from studio.farm.trust.inspection import read_reputations
from studio.farm.trust.inspector import Rerender, TrustPolicy
from studio.farm.verify import digest_of
from studio.render.film import Crop, Film
from studio.render.partial import Header, write_partial
from tests.farm.test_trust import JOB, PIECE, header, render, rerender

Make = Callable[[Range], Film]
POLICY = Policy(longest_s=1.0, first_s=1.0, tail_s=1.0, steal_s=1e9, copy_ratio=1e9, lease_s=1e6)  # a sample a unit
OFTEN = TrustPolicy(first=(0.0, 0.0, 0.2, 0.2), least=(0.0, 0.0, 0.2, 0.2))
HEAD, EVIL, GOOD = (node_name(f"{number:02d}" * 28, 0) for number in range(3))  # a machine's name is 56 digits


def made_up(samples: Range) -> Film:
    """A picture of the right scene with noise of its own: nothing but rendering it again shows that it is none."""
    return render(samples, seed=7)


class Cluster:
    """A job's coordinator on a clock of its own, and nodes whose films may be doctored."""

    def __init__(
        self,
        folder: Path,
        *,
        level: int = 2,
        trust: TrustPolicy = OFTEN,
        rerender: Rerender = rerender,
        house: Path | None = None,
    ) -> None:
        self.folder, self.trust, self.rerender = folder, trust, rerender
        self.house_folder = house or folder / "house"
        self.house_folder.mkdir(exist_ok=True)
        (self.house_folder / "secret").write_bytes(b"the same for every run of the test")
        (self.house_folder / "secret").chmod(0o600)
        self.store = open_store(folder / "store")
        spec = JobSpec(
            id="j", name="hall", bundle="b", pieces=(PIECE,), needs=Needs(trust=level), expected_s=1.0, retries=99
        )
        self.job = RenderJob(spec=spec, settings=JOB.settings)
        write_job(self.store, self.job)
        self.order = DriverOrder(store=str(folder / "store"), job="j", policy=POLICY, trust=level)
        self.now = 1_700_000_000.0
        self.house = self.opened()

    def opened(self) -> ClusterHouse:
        return ClusterHouse(
            self.order,
            here="00" * 28,
            folder=self.house_folder,
            rerender=self.rerender,
            trust=self.trust,
            wait_s=60.0,
            clock=lambda: self.now,
        )

    def join(self, *nodes: str, trust: int = 2) -> None:
        for node in nodes:
            self.house.service.join(NodeInfo(id=node, trust=trust, device="cpu-a", build="1+x", memory_bytes=1 << 30))

    def made(self, lease: Lease, film: Film) -> Result:
        path = self.folder / "unit.part"
        write_partial(path, film, header(lease.range))
        key = part_key("j", PIECE, lease.range, lease.attempt)
        self.store.put(key, path.read_bytes())
        return Result(range=lease.range, key=key, digest=digest_of(path.read_bytes()), usage=Usage(render_s=1.0))

    def unit(self, node: str, make: Make = render) -> str:
        """One unit of a node: "taken", "bad", or "" when there is none."""
        lease = self.house.service.ask(node)
        if lease is None:
            return ""
        self.now += 1.0
        verdict = self.house.service.deliver(lease, self.made(lease, make(lease.range)))
        self.house.tick()
        return verdict

    def finish(self, node: str) -> None:
        while self.house.state()[0] != "done":
            assert self.unit(node) == "taken"

    def makers(self) -> set[str]:
        return {maker_of(result.node) for result in claimed(self.store, self.job).get(0, [])}

    def kinds(self) -> list[str]:
        self.house.service.flush()
        return [event.kind for event in log_of(self.store, "j")]

    def check_picture(self, *nodes: str) -> None:
        """The picture is that of one honest node, and no sample of it is of anybody but these."""
        assert self.makers() <= {maker_of(node) for node in nodes}
        film, _ = merged(self.store, self.job, 0, claimed(self.store, self.job)[0])
        for name, array in render((0, 64)).buffers().items():
            assert np.array_equal(film.buffers()[name], array), name


def test_a_node_that_forges_from_the_first_unit_on_is_caught_before_any_of_it_counts(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, trust=TrustPolicy())
    cluster.join(EVIL, GOOD)
    assert cluster.unit(EVIL, made_up) == "bad"
    assert claimed(cluster.store, cluster.job) == {} and cluster.unit(EVIL) == ""
    assert read_reputations(cluster.house_folder / "reputations.json")[maker_of(EVIL)].blocked
    cluster.finish(GOOD)
    cluster.check_picture(GOOD)
    texts = [event.text for event in log_of(cluster.store, "j") if event.kind == "checked"]
    assert "made up" in texts[0] and "sound" in texts


def test_all_that_a_machine_delivered_before_it_was_caught_is_rendered_by_others(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    second = EVIL.replace("/0", "/1")
    cluster.join(EVIL, second, GOOD)
    for _ in range(8):
        assert (cluster.unit(EVIL), cluster.unit(second), cluster.unit(GOOD)) == ("taken",) * 3
    while cluster.unit(EVIL, made_up) == "taken":
        continue
    assert cluster.makers() == {maker_of(GOOD)}, "what its other device delivered is gone too"
    assert cluster.unit(EVIL) == cluster.unit(second) == "" and cluster.kinds().count("retracted") >= 16
    cluster.finish(GOOD)
    cluster.check_picture(GOOD)


def test_a_job_is_not_done_while_something_is_to_be_taken_back(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.join(EVIL, GOOD)
    while cluster.house.service.status("j").done < 63:
        assert cluster.unit(GOOD if cluster.house.service.status("j").done else EVIL) == "taken"
    lease = cluster.house.service.ask(GOOD)
    assert lease is not None
    cluster.house.service.distrust(EVIL, "it was seen")
    assert cluster.house.service.deliver(lease, cluster.made(lease, render(lease.range))) == "taken"
    assert cluster.house.service.status("j").state == "done", "there is a moment in which it seems so"
    assert cluster.house.state()[0] != "done"
    cluster.finish(GOOD)
    cluster.check_picture(GOOD)


def test_a_coordinator_that_was_restarted_knows_whom_the_one_before_has_caught(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.join(EVIL, GOOD)
    for _ in range(4):
        assert (cluster.unit(EVIL), cluster.unit(GOOD)) == ("taken", "taken")
    slipped = cluster.makers()
    cluster.house = cluster.opened()  # the actor was killed and closed nothing
    cluster.join(EVIL, GOOD)
    assert cluster.makers() == slipped == {maker_of(EVIL), maker_of(GOOD)}
    while cluster.unit(EVIL, made_up) == "taken":
        continue
    cluster.house = cluster.opened()
    cluster.join(EVIL, GOOD)
    assert cluster.unit(EVIL) == "" and cluster.makers() == {maker_of(GOOD)}
    cluster.finish(GOOD)
    cluster.check_picture(GOOD)


def test_whom_one_jobs_coordinator_catches_the_others_on_that_head_catch_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_house, "TIDY_S", 0.0)
    (tmp_path / "another").mkdir()
    cluster, other = Cluster(tmp_path), Cluster(tmp_path / "another", house=tmp_path / "house")
    for each in (cluster, other):
        each.join(EVIL, GOOD)
        assert (each.unit(EVIL), each.unit(GOOD)) == ("taken", "taken")
    while cluster.unit(EVIL, made_up) == "taken":
        continue
    other.house.tick()
    other.house.tick()
    assert other.unit(EVIL) == "" and other.makers() == {maker_of(GOOD)}


def test_no_node_of_a_rented_cluster_says_its_way_past_the_checks(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, trust=TrustPolicy())
    cluster.join(EVIL, trust=0)
    assert {row.trust for row in cluster.house.service.coordinator.rows()} == {2}
    assert cluster.unit(EVIL, made_up) == "bad"


def test_where_the_head_renders_too_units_whose_answer_is_known_catch_who_forges_a_corner(tmp_path: Path) -> None:
    trust = TrustPolicy(first=(0.0,) * 4, least=(0.0,) * 4, probation=(0,) * 4, canaries=(0.0, 0.0, 1.0, 1.0))
    cluster = Cluster(tmp_path, trust=trust)
    cluster.join(HEAD)
    for _ in range(4):
        assert cluster.unit(HEAD) == "taken"
    cluster.join(GOOD, EVIL)
    assert cluster.unit(GOOD) == "taken" and cluster.makers() == {maker_of(HEAD)}, "which counted for nothing"

    def corner(samples: Range) -> Film:
        film = render(samples)
        film.sums[:8, :8, :3] //= 2
        film.halves[:8, :8] //= 2
        return film

    assert cluster.unit(EVIL, corner) == "bad" and cluster.unit(EVIL) == ""
    cluster.finish(HEAD)
    cluster.check_picture(HEAD)


def test_a_cluster_of_the_studios_own_machines_has_a_plain_coordinator(tmp_path: Path) -> None:
    def never(*asked: object) -> tuple[Film, Header]:
        raise AssertionError("nobody renders anything again")

    cluster = Cluster(tmp_path, level=1, trust=TrustPolicy(first=(1.0,) * 4), rerender=never)
    cluster.join(GOOD, trust=1)
    cluster.finish(GOOD)
    cluster.check_picture(GOOD)
    cluster.house.close()
    assert [path.name for path in cluster.house_folder.iterdir()] == ["secret"]


def test_what_cannot_be_checked_waits_and_the_job_says_for_what(tmp_path: Path) -> None:
    broken = [True]

    def rendered(job: RenderJob, piece: Piece, samples: Range, crop: Crop, blocks: str = "") -> tuple[Film, Header]:
        if broken:
            raise DeviceFault("the head has no memory left")
        return rerender(job, piece, samples, crop)

    cluster = Cluster(tmp_path, trust=TrustPolicy(), rerender=rendered)
    cluster.join(GOOD)
    lease = cluster.house.service.ask(GOOD)
    assert lease is not None
    result = cluster.made(lease, render(lease.range))
    with pytest.raises(CannotWrite, match="cannot be checked now"):
        cluster.house.service.deliver(lease, result)
    assert cluster.house.state()[3] == "deliveries cannot be checked: the head has no memory left"
    broken.clear()
    assert cluster.house.service.deliver(lease, result) == "taken"
    assert cluster.house.state()[3] == ""


def test_the_end_of_a_coordinator_is_written_down(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, trust=TrustPolicy())
    cluster.join(GOOD)
    assert cluster.unit(GOOD) == "taken" and works(cluster.store)
    cluster.house.close()
    assert read_reputations(cluster.house_folder / "reputations.json")[maker_of(GOOD)].sound == 1
    assert not works(cluster.store) and "delivered" in {event.kind for event in log_of(cluster.store, "j")}


def test_a_coordinator_that_has_ended_gives_no_sign_of_life_more(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.house.close()
    cluster.house.service._beat = -1e9  # it would be time for one
    cluster.house.tick()  # of the thread that ticks, or of who asks how the job stands
    assert not works(cluster.store)


def test_the_actor_begins_once_it_can_and_says_until_then_why_it_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))
    order = DriverOrder(store=str(tmp_path / "store"), job="j", policy=POLICY, trust=2)
    actor = Coordinator(msgspec.json.encode(order), "00" * 28)
    info = msgspec.json.encode([NodeInfo(id=GOOD, device="cpu-a", build="1+x", memory_bytes=1 << 30)])
    with pytest.raises(BadAsset, match="never arrived"):
        actor.state()
    status, said = actor.call("join", info)
    assert status == REFUSED and b"never arrived" in said
    Cluster(tmp_path)  # which puts the job there
    assert actor.state()[:3] == ("waiting", 0, 64)
    assert actor.call("join", info) == (OK, b"null")
    status, said = actor.call("ask", msgspec.json.encode([GOOD]))
    assert status == OK and msgspec.json.decode(said, type=Lease).node == GOOD
    store, until = open_store(tmp_path / "store"), time.monotonic() + 30.0
    while not any(event.kind == "leased" for event in log_of(store, "j")):  # its own clock writes it down
        assert time.monotonic() < until
        time.sleep(0.01)
    actor.close()
    assert {path.name for path in (tmp_path / "data" / "farm" / "ray").iterdir()} == {"secret"}
