"""A farm of many nodes with large pictures has them hand in more rarely, so that its coordinator keeps up."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.farm import check_pace
from studio.farm.check_pace import CheckPace
from studio.farm.model import NodeInfo
from studio.farm.node import FarmNode
from studio.farm.service import Service
from studio.farm.store import open_store
from studio.render.session import OUT_OF_TIME
from tests.farm.fake_nodes import FakeSession
from tests.farm.results_of import job_in
from tests.render.stage import stage


def clocked(monkeypatch: pytest.MonkeyPatch, *looks_s: float) -> CheckPace:
    """The pace after looks that took so long."""
    pace, now = CheckPace(), [0.0]
    monkeypatch.setattr(check_pace.time, "thread_time", lambda: now[0])
    for took in looks_s:
        with pace.timed():
            now[0] += took
    return pace


def test_a_small_farm_hands_in_as_it_is_used_to(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CheckPace().every_s(10_000) == 0.0, "nobody knows yet"
    assert clocked(monkeypatch, 0.013).every_s(30) == 0.0


def test_looking_takes_no_more_than_its_share_of_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    every = clocked(monkeypatch, 0.33).every_s(250)
    assert 250 * 0.33 / every == pytest.approx(check_pace.CORE, rel=1e-3)
    slower = clocked(monkeypatch, 0.33, *[0.66] * 20).every_s(250)
    assert slower == pytest.approx(2 * every, rel=0.02), "what was seen last counts"


def test_a_look_that_ends_in_a_fault_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = clocked(monkeypatch, 1.0)
    with pytest.raises(ValueError), pace.timed():
        raise ValueError
    assert pace.every_s(70) == pytest.approx(100.0)


def test_nodes_are_told_with_their_units_and_keep_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(open_store(tmp_path / "store"))
    service.submit(job_in(service.store, tmp_path))
    service.join(NodeInfo(id="a", memory_bytes=1 << 30))
    lease = service.ask("a")
    assert lease is not None and lease.checkpoint_s == 0.0
    monkeypatch.setattr(service._checks, "every_s", lambda nodes: 120.0 * nodes)
    waits: list[float] = []

    class Patient(FakeSession):
        def render_frame(self, *frame, stop=lambda: "", **more):
            monkeypatch.setattr("studio.farm.node.time.monotonic", lambda: clock + 119.0)
            assert stop() == "", "a minute is what it is used to"
            monkeypatch.setattr("studio.farm.node.time.monotonic", lambda: clock + 300.0)
            assert stop() == OUT_OF_TIME
            waits.append(300.0)
            monkeypatch.undo()
            return super().render_frame(*frame, **more)

    node = FarmNode(
        service,
        service.store,
        Patient(),  # type: ignore[arg-type]
        node_id="b",
        fetch=lambda store, job: stage(),
        memory_bytes=1 << 30,
    )
    service.join(node.info)
    lease = service.ask("b")
    assert lease is not None and lease.checkpoint_s == 240.0
    clock = 1000.0
    monkeypatch.setattr("studio.farm.node.time.monotonic", lambda: clock)
    assert node._work(lease) and waits == [300.0]
