"""The engine of this machine, for real: node processes that are killed and frozen, a coordinator that is killed, and
the picture's bits at the end, which are those of one process."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import numpy as np
import pytest

from studio.errors import CannotWrite, DeviceFault
from studio.farm.bundles.bundle import NodeCache, make_bundle
from studio.farm.house import House, open_house
from studio.farm.jobs import RenderJob, claimed, read_job
from studio.farm.local import LocalFarm, start_node
from studio.farm.merge import merged
from studio.farm.model import Event, JobSpec, Needs, Piece
from studio.farm.node import FarmNode
from studio.farm.policy import Policy
from studio.farm.service import Service
from studio.farm.store import Store, open_store
from studio.farm.trust.inspection import Darkroom
from studio.farm.trust.inspector import TrustPolicy
from studio.farm.wire import Server
from studio.farm.work import WorkOrder
from studio.render.film import Film
from studio.render.session import FrameResult, RenderSession
from studio.render.settings import RenderSettings
from studio.scene.flatten import flatten
from studio.scene.project import load_project, save_project
from tests.render.scenes import ball, eye, floor, lamp, matte, scene_of, thing

pytestmark = pytest.mark.slow
SAMPLES = 600
SETTINGS = RenderSettings(width=64, height=48, samples=SAMPLES, depth=4)
POLICY = Policy(longest_s=2.0, tail_s=0.3, first_s=0.5, report_s=0.3, lease_s=4.0, steal_s=0.5)


def sha(film: Film) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in film.buffers().values())).hexdigest()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("farm") / "scene.studio"
    things = (
        thing(floor(3.0), matte(0.6)),
        thing(ball(0.5), matte(0.7, 0.3, 0.2)),
        thing(floor(0.4, 2.0), lamp(40.0, double_sided=True)),
    )
    save_project(scene_of(things, camera=eye((0.0, 1.0, 3.0), (0.0, 0.3, 0.0))), folder)
    return folder


@pytest.fixture(scope="module")
def session() -> Iterator[RenderSession]:
    with RenderSession(device="cpu") as made:
        yield made


@pytest.fixture(scope="module")
def alone(project: Path, session: RenderSession) -> str:
    """What one process makes of it."""
    return sha(session.render_frame(flatten(load_project(project), 1.0), SETTINGS).film)


def job_in(store: Store, project: Path, **more: object) -> RenderJob:
    bundle, _ = make_bundle(project, store)
    pieces = (Piece(frame=1.0, samples=SAMPLES),)
    spec = JobSpec(id="j", name="j", bundle=bundle, pieces=pieces, retries=50, **more)  # type: ignore[arg-type]
    return RenderJob(spec=spec, settings=SETTINGS)


def wait_until(what: Callable[[], bool], *, seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.02)


def film_of(store: Store) -> Film:
    job = read_job(store, "j")
    return merged(store, job, 0, claimed(store, job)[0])[0]


def test_nodes_that_die_and_freeze_cost_nothing_but_time(tmp_path: Path, project: Path, alone: str) -> None:
    events: list[Event] = []
    with LocalFarm(
        tmp_path, nodes=2, threads=1, device="cpu", policy=POLICY, checkpoint_s=0.3, listener=events.append
    ) as farm:
        farm.submit(job_in(farm.store, project))
        wait_until(lambda: sum(e.kind == "delivered" for e in events) >= 3)
        os.kill(farm.pids[0], signal.SIGKILL)
        wait_until(lambda: any(e.kind == "left" for e in events))  # it may have been between two units
        frozen = farm.pids[1]
        os.kill(frozen, signal.SIGSTOP)
        try:
            wait_until(lambda: any(e.kind in ("expired", "cut") for e in events) or farm.wait("j", timeout_s=0))
        finally:
            os.kill(frozen, signal.SIGCONT)
        assert farm.wait("j", timeout_s=120)
        assert sha(film_of(farm.store)) == alone


STARTER = """
import sys, time
from pathlib import Path
from studio.farm.jobs import read_job
from studio.farm.local import LocalFarm, start_node
from tests.farm.test_local import POLICY
with LocalFarm(Path(sys.argv[1]), nodes=1, threads=1, device="cpu", policy=POLICY, checkpoint_s=0.2) as farm:
    farm.submit(read_job(farm.store, "j"))
    farm.wait("j")
"""


def test_a_farm_that_is_killed_is_continued_from_its_store(tmp_path: Path, project: Path, alone: str) -> None:
    from studio.farm.jobs import write_job

    store = open_store(tmp_path)
    job = job_in(store, project)
    write_job(store, job)
    claims = 0
    for _ in range(2):
        whole = subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path)], cwd=Path(__file__).parents[2])
        wait_until(lambda more=claims: len(claimed(store, job).get(0, ())) > more)  # type: ignore[misc]
        claims = len(claimed(store, job)[0])
        whole.kill()  # the desktop, with the coordinator in it; the node ends as its input is closed
        whole.wait()
    with LocalFarm(tmp_path, nodes=1, device="cpu", policy=POLICY, checkpoint_s=0.5) as farm:
        assert farm.service.recover() == ["j"]
        assert farm.service.coordinator.status("j").done > 0, "what was delivered is not rendered again"
        assert farm.wait("j", timeout_s=120)
        assert sha(film_of(farm.store)) == alone


def test_a_node_at_work_goes_on_under_a_coordinator_that_begins_anew(tmp_path: Path, project: Path, alone: str) -> None:
    store, token = open_store(tmp_path / "store"), secrets.token_urlsafe(32)
    job = job_in(store, project)
    first = Service(store, policy=POLICY)
    server = Server(first, token)
    order = WorkOrder(
        url=server.url,
        token=token,
        store=str(tmp_path / "store"),
        node="n",
        cache=str(tmp_path / "cache"),
        device="cpu",
        threads=1,
        report_s=POLICY.report_s,
        checkpoint_s=0.3,
    )
    node = start_node(order)
    try:
        first.submit(job)
        wait_until(lambda: first.status("j").done > 0)
        server.close()  # the machine of the coordinator is gone; the node renders on
        events: list[Event] = []
        second = Service(store, policy=POLICY, listener=events.append)
        assert second.recover() == ["j"]
        kept = second.status("j").done
        assert 0 < kept < SAMPLES
        with Server(second, token, port=urlsplit(order.url).port or 0):
            wait_until(lambda: second.coordinator.over("j"))
            assert node.stdin is not None
            node.stdin.close()
            assert node.wait(60) == 0
    finally:
        node.kill()
        node.wait()
    told = [event.kind for event in events]
    assert "joined" in told and "lost" not in told and "failed" not in told
    assert sum(e.range[1] - e.range[0] for e in events if e.kind == "delivered" and e.range) == SAMPLES - kept
    assert second.status("j").state == "done" and sha(film_of(store)) == alone


def test_a_job_that_cannot_be_rendered_fails_with_its_sentence(tmp_path: Path, project: Path) -> None:
    with LocalFarm(tmp_path / "store", nodes=1, device="cpu", policy=POLICY, cache=tmp_path / "cache") as farm:
        job = job_in(farm.store, project)
        broken = farm.store.get(f"bundles/{job.spec.bundle}")
        farm.store.put(f"bundles/{job.spec.bundle}", broken[:-20])
        farm.submit(job)
        assert farm.wait("j", timeout_s=120)
        status = farm.service.coordinator.status("j")
        assert status.state == "failed" and "damaged" in status.why


# --- checks by a real renderer ---------------------------------------------------------------------------------------
class Shared:
    """A session that several use, and that one of them cannot close; it may doctor what it gives."""

    def __init__(self, session: RenderSession) -> None:
        self.session, self.forges, self.closed, self.rendered = session, False, 0, 0
        self.info = session.info

    def render_frame(self, *frame, **more) -> FrameResult:
        result = self.session.render_frame(*frame, **more)
        self.rendered += 1
        if self.forges:
            result.film.sums[..., 0] += 1  # the last digit of forty
        return result

    def close(self) -> None:
        self.closed += 1


def test_a_part_that_is_rendered_again_has_the_same_bits_and_a_changed_digit_shows(
    tmp_path: Path, project: Path, session: RenderSession
) -> None:
    """One session stands for the node's device and the coordinator's, which are of one class."""
    store, events = open_store(tmp_path / "store"), list[Event]()
    bundle, _ = make_bundle(project, store)
    pieces = (Piece(frame=1.0, samples=12), Piece(frame=1.0, samples=12, crop=(8, 4, 40, 28)))
    spec = JobSpec(id="j", name="j", bundle=bundle, pieces=pieces, needs=Needs(trust=1), expected_s=1.0)
    settings = msgspec.structs.replace(SETTINGS, samples=12)
    always = TrustPolicy(first=(0.0, 1.0, 1.0, 1.0), least=(0.0, 1.0, 1.0, 1.0), part=0.3)
    node_session, ours = Shared(session), Shared(session)
    darkroom = Darkroom(store, tmp_path / "cache", open_session=lambda: ours, idle_s=0.0)  # type: ignore[arg-type, return-value]
    cache = NodeCache(tmp_path / "cache")

    def work(house: House, name: str) -> None:
        node = FarmNode(
            house.service,
            store,
            node_session,  # type: ignore[arg-type]
            node_id=name,
            fetch=lambda where, job: cache.scene(where, job.spec.bundle, job.scene),
            memory_bytes=1 << 30,
            trust=1,
        )
        node.run(until_idle=True)

    policy = Policy(first_s=4.0, longest_s=4.0, tail_s=4.0)
    with open_house(
        tmp_path / "house", store=store, policy=policy, trust=always, rerender=darkroom, listener=events.append
    ) as house:
        house.service.submit(RenderJob(spec=spec, settings=settings))
        work(house, "good")
        assert house.service.status("j").state == "done"
        checks = [e.text for e in events if e.kind == "checked"]
        assert checks and set(checks) == {"sound"} and ours.rendered == len(checks)
        darkroom.rest()
        assert ours.closed == 1, "the session is ended when nobody needs it"
        forged = RenderJob(spec=msgspec.structs.replace(spec, id="k"), settings=settings)
        house.service.submit(forged)
        node_session.forges = True
        work(house, "evil")
        assert any(e.kind == "distrusted" and e.node == "evil" for e in events)
        assert claimed(store, forged) == {}
    darkroom.close()
    with pytest.raises(CannotWrite, match="about to end"):
        darkroom(forged, pieces[0], (0, 1), (0, 0, 8, 8))
    cache.close()


def test_an_adaptive_frame_has_the_bits_of_one_process_and_checks_of_chosen_blocks_are_sound(
    tmp_path: Path, project: Path, session: RenderSession
) -> None:
    settings = msgspec.structs.replace(SETTINGS, samples=64, error=0.04)
    store, events = open_store(tmp_path / "store"), list[Event]()
    bundle, _ = make_bundle(project, store)
    spec = JobSpec(
        id="j", name="j", bundle=bundle, pieces=(Piece(frame=1.0, samples=64),), needs=Needs(trust=1), expected_s=1.0
    )
    always = TrustPolicy(first=(0.0, 1.0, 1.0, 1.0), least=(0.0, 1.0, 1.0, 1.0), part=0.2)
    shared = Shared(session)
    darkroom = Darkroom(store, tmp_path / "cache", open_session=lambda: shared)  # type: ignore[arg-type, return-value]
    cache = NodeCache(tmp_path / "cache")
    policy = Policy(first_s=9.0, longest_s=9.0, tail_s=9.0)
    with open_house(
        tmp_path / "house", store=store, policy=policy, trust=always, rerender=darkroom, listener=events.append
    ) as house:
        house.service.submit(RenderJob(spec=spec, settings=settings))
        node = FarmNode(
            house.service,
            store,
            shared,  # type: ignore[arg-type]
            node_id="n",
            fetch=lambda where, job: cache.scene(where, job.spec.bundle, job.scene),
            memory_bytes=1 << 30,
            trust=1,
        )
        working = threading.Thread(target=node.run)
        working.start()
        try:
            wait_until(lambda: bool(house.service.tick()) or house.service.coordinator.over("j"))
        finally:
            node.stop()
            working.join()
    darkroom.close()
    cache.close()
    film = film_of(store)
    assert {16, 64} <= set(np.unique(film.counts).tolist()), "some blocks end at once, some never"
    assert sha(film) == sha(session.render_frame(flatten(load_project(project), 1.0), settings).film)
    checks = [e for e in events if e.kind == "checked"]
    assert {e.text for e in checks} == {"sound"} and any(e.range and e.range[0] >= 16 for e in checks)


def test_a_node_that_ends_before_it_is_told_what_to_do_can_be_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = subprocess.Popen

    def ends(command: list[str], **more: object) -> subprocess.Popen[bytes]:
        process = begin([sys.executable, "-I", "-S", "-c", ""], stdin=subprocess.PIPE)
        process.wait()  # as where a library is missing
        return process

    monkeypatch.setattr(subprocess, "Popen", ends)
    process = start_node(WorkOrder(url="", token="", store="", node="n", cache=str(tmp_path)))
    assert process.stdin is not None
    process.stdin.close()  # as LocalFarm does, on a thread that must go on


def test_a_node_that_cannot_be_started_is_a_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {thread.name for thread in threading.enumerate()}
    monkeypatch.setattr("studio.farm.local.sys.executable", str(tmp_path / "no python"))
    with pytest.raises(DeviceFault, match="cannot be started: no such file"):
        LocalFarm(tmp_path / "store", nodes=1, device="cpu")
    assert {thread.name for thread in threading.enumerate()} - before == set()
