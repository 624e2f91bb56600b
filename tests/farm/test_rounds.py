"""Adaptive frames on a farm have the pixels, to the bit, of a render on one machine that decides the same way: for any
number of nodes, whoever dies, and whatever was forged on the way."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

import msgspec
import numpy as np
import pytest

from studio.errors import CannotWrite
from studio.farm.chain import chain_of, decided_end
from studio.farm.jobs import RenderJob, chains, claimed, job_key
from studio.farm.model import JobSpec, NodeInfo, Piece, Report
from studio.farm.results import Collector
from studio.farm.rounds import Choices, film_of, write_blocks
from studio.farm.service import Service
from studio.farm.session import standing
from studio.farm.store import open_store
from studio.farm.submission import look_of
from studio.render.checkpoint import build_id
from studio.render.film import Film
from tests.farm.adaptive_farm import POLICY, SETTINGS, Farm, NoisySession, one_machine, same


# --- the same picture ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("nodes", [1, 2, 5])
def test_any_number_of_nodes_makes_the_picture_of_one_machine(farm: Farm, alone: Film, nodes: int) -> None:
    sessions = [NoisySession() for _ in range(nodes)]
    farm.work(*(farm.node(f"n{i}", session) for i, session in enumerate(sessions)))
    assert same(farm.film(), alone)
    assert sum(session.samples for session in sessions) == int(alone.counts.sum()), "nobody renders what is good enough"
    asked = [e.range for e in farm.events if e.kind == "extended"]
    assert asked == [(16, 32), (32, 64), (64, 128)] and farm.kinds()[-1] == "done"


def test_tiles_decide_as_the_whole_picture_does(tmp_path: Path, alone: Film) -> None:
    farm = Farm(tmp_path, tiles=(2, 2))
    farm.work(farm.node("a"), farm.node("b"))
    film = Film.of(alone.layout)
    for row, results in claimed(farm.store, farm.job).items():
        film_of(farm.store, farm.job, farm.job.spec.pieces[row], results, Choices(farm.store)).merge_into(film)
    assert same(film, alone)


def test_tiles_that_end_after_other_rounds_make_the_file_of_the_whole_frame(farm: Farm, tmp_path: Path) -> None:
    tiled = Farm(tmp_path / "tiled", tiles=(2, 2))
    files = []
    for name, each in (("whole", farm), ("tiled", tiled)):
        each.work(each.node("a"), each.node("b"))
        options = {"home": tmp_path / name / "home", "cache": tmp_path / "cache"}
        with Collector(each.store, each.job, tmp_path / f"{name}.exr", look_of(each.job), **options) as collector:  # type: ignore[arg-type]
            (picture,) = collector.poll(looks=True)
            files.append(picture.path.read_bytes())
    assert len({chain.target for chain in chains(tiled.store, tiled.job)}) > 1
    assert files[0] == files[1]


def test_a_picture_that_is_good_enough_ends_early(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, error=5.0)
    farm = Farm(tmp_path, settings=settings)
    farm.work(farm.node("a"))
    assert same(farm.film(), one_machine(settings)) and int(farm.film().counts.max()) == 16
    stands = standing(farm.store, farm.job)
    assert (stands.state, stands.done, stands.total) == ("done", 16, 16)
    assert farm.kinds()[-2:] == ["sufficed", "done"]


def test_a_limit_between_two_rounds_is_where_it_ends(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, samples=50)
    farm = Farm(tmp_path, settings=settings)
    farm.work(farm.node("a"), farm.node("b"))
    assert same(farm.film(), one_machine(settings)) and int(farm.film().counts.max()) == 50


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_coordinator_that_is_killed_is_continued(farm: Farm, alone: Film, at: int) -> None:
    farm.work(farm.node("a"), farm.node("b"), rounds=at)
    spent = len(claimed(farm.store, farm.job).get(0, ()))
    farm.begin()
    assert len(farm.results()) == spent, "nothing that was rendered is asked for again"
    farm.work(farm.node("c"), farm.node("d"))
    assert same(farm.film(), alone)


def test_a_round_that_was_whole_when_the_coordinator_died_is_decided_by_the_next(farm: Farm, alone: Film) -> None:
    farm.service._rounds._aside = lambda work: None  # it dies before it decides
    node = farm.node("a")
    farm.service.join(node.info)
    while (lease := farm.service.ask("a")) is not None:
        node._work(lease)
    assert farm.service.status(farm.job.spec.id).done == 16 and not farm.service.coordinator.over(farm.job.spec.id)
    assert standing(farm.store, farm.job).state != "done"
    farm.begin()
    farm.work(farm.node("b"))
    assert same(farm.film(), alone)


# --- what is taken back ----------------------------------------------------------------------------------------------
def test_what_is_taken_back_of_an_earlier_round_is_decided_anew_and_the_rest_counts_again(
    farm: Farm, alone: Film
) -> None:
    farm.work(farm.node("a"), farm.node("b"))
    first = next(result for result in farm.results() if result.range[0] == 0)
    session = NoisySession()
    farm.service.retract(farm.job.spec.id, 0, first)
    farm.service.tick()
    assert not farm.service.coordinator.over(farm.job.spec.id) and standing(farm.store, farm.job).state != "done"
    farm.work(farm.node("c", session))
    assert same(farm.film(), alone)
    assert session.samples == SETTINGS.width * SETTINGS.height * (first.range[1] - first.range[0])
    assert farm.kinds().count("rewound") == 1


def test_blocks_that_were_chosen_by_forged_samples_are_chosen_anew(farm: Farm, alone: Film) -> None:
    """A forger whose samples have no noise has the blocks end early; when it is found out, they go on."""
    forger = NoisySession(calm=True)
    farm.work(farm.node("evil", forger), farm.node("good"), rounds=2)
    before = chains(farm.store, farm.job)[0].blocks
    farm.service.distrust("evil", "it was caught")
    farm.work(farm.node("good"), farm.node("other"))
    assert chains(farm.store, farm.job)[0].blocks != before
    assert same(farm.film(), alone) and "evil" not in {result.node for result in farm.results()}


def test_a_job_that_ended_by_forged_samples_goes_on(farm: Farm, alone: Film) -> None:
    farm.work(farm.node("evil", NoisySession(calm=True)))
    assert standing(farm.store, farm.job).state == "done" and int(farm.film().counts.max()) == 16
    farm.service.distrust("evil", "it was caught")
    farm.work(farm.node("good"))
    assert same(farm.film(), alone)


def test_a_coordinator_that_was_killed_while_it_took_back_is_continued(farm: Farm, alone: Film) -> None:
    """The claim of an earlier round is gone, what was decided by it is still there."""
    from studio.farm.jobs import withdraw

    farm.work(farm.node("a"), farm.node("b"), rounds=2)
    first = next(result for result in farm.results() if result.range[0] == 0)
    withdraw(farm.store, farm.job.spec.id, farm.job.spec.pieces[0], first)
    farm.begin()
    assert farm.decided == 0
    farm.work(farm.node("c"))
    assert same(farm.film(), alone)


def test_all_that_a_forger_delivered_is_taken_back_also_of_rounds_that_were_decided_after_it(
    farm: Farm, alone: Film
) -> None:
    """What is told is what is billed; a unit of a round that is decided anew counts no more, but was paid."""
    farm.work(farm.node("evil"), farm.node("good"), rounds=2)
    made = {event.text for event in farm.events if (event.kind, event.node) == ("delivered", "evil")}
    assert any("/0-" in key for key in made) and any("/16-" in key for key in made)
    farm.service.distrust("evil", "it was caught")
    farm.work(farm.node("good"))
    assert {event.text for event in farm.events if event.kind == "retracted"} == made
    assert same(farm.film(), alone) and "evil" not in {result.node for result in claimed(farm.store, farm.job)[0]}


def test_who_lost_trust_while_a_round_was_decided_anew_does_not_count_again(farm: Farm, alone: Film) -> None:
    from studio.farm.jobs import withdraw

    farm.work(farm.node("good"), rounds=1)
    farm.work(farm.node("evil", NoisySession(calm=True)), rounds=2)
    first = next(result for result in farm.results() if result.range[0] == 0)
    withdraw(farm.store, farm.job.spec.id, farm.job.spec.pieces[0], first)  # by a coordinator that was killed then
    farm.begin()
    farm.service.distrust("evil", "it was caught")
    farm.work(farm.node("good"))
    assert same(farm.film(), alone) and "evil" not in {result.node for result in claimed(farm.store, farm.job)[0]}


def test_a_unit_of_a_round_that_is_gone_back_from_is_over_for_whoever_keeps_the_books(farm: Farm) -> None:
    farm.work(farm.node("a"), rounds=1)
    farm.service.join(farm.node("b").info)
    lease = farm.service.ask("b")
    assert lease is not None and lease.range[0] >= 16
    farm.service.retract(farm.job.spec.id, 0, farm.results()[0])
    farm.service.tick()
    assert ("cut", lease.attempt, lease.range) in [(e.kind, e.attempt, e.range) for e in farm.events]
    assert farm.service.report(lease.attempt, Report(done=1))[0] == "drop"


def test_a_job_that_drains_is_paused_when_its_last_unit_is_of_a_round_that_is_gone_back_from(farm: Farm) -> None:
    farm.work(farm.node("a"), rounds=1)
    farm.service.join(farm.node("b").info)
    lease, id_ = farm.service.ask("b"), farm.job.spec.id
    assert lease is not None
    farm.service.coordinator.drain(id_)
    farm.service.retract(id_, 0, farm.results()[0])
    farm.service.tick()
    assert farm.service.status(id_).state == "paused"


def test_what_cannot_be_read_is_no_hindrance_to_taking_back(farm: Farm, alone: Film) -> None:
    farm.work(farm.node("a"), rounds=2)
    for key, _ in list(farm.store.list(job_key(farm.job.spec.id, "rounds"))):
        farm.store.put(key, b"no blocks")
    farm.service._rounds.choices._known.clear()  # as a job of many frames has it
    later = next(result for result in farm.results() if result.range[0] >= 16)
    farm.service.retract(farm.job.spec.id, 0, later)
    farm.service.tick()
    assert later.key in {event.text for event in farm.events if event.kind == "retracted"}
    farm.work(farm.node("b"))
    assert same(farm.film(), alone)


def test_a_job_that_is_sent_again_while_it_is_at_work_keeps_what_was_decided(
    farm: Farm, alone: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm.work(farm.node("a"), rounds=2)
    with monkeypatch.context() as old:
        old.setattr("studio.farm.jobs.claims_of", lambda *_: [])  # a list from a while ago
        farm.service.submit(farm.job)
    assert farm.decided == 2
    farm.work(farm.node("a"))
    assert same(farm.film(), alone)


def test_another_coordinator_that_looks_while_this_one_decides_takes_nothing_back(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm.work(farm.node("a"), rounds=1)
    first = farm.service

    def meanwhile(*asked: object) -> object:
        found = claimed(*asked)  # type: ignore[arg-type]
        if farm.decided == 1:
            farm.work(farm.node("a"), rounds=2)
        return found

    monkeypatch.setattr("studio.farm.rounds_at_work.claimed", meanwhile)
    other = Service(farm.store, policy=POLICY, aside=lambda work: work())
    other.submit(farm.job)
    assert farm.decided == 2 and farm.service is first


def test_a_decision_that_a_list_forgot_is_taken_back_all_the_same(farm: Farm) -> None:
    farm.work(farm.node("a"), rounds=2)
    lists = farm.store.list
    farm.store.list = lambda prefix="": (each for each in lists(prefix) if "/rounds/" not in each[0])  # type: ignore[method-assign]
    farm.service.retract(farm.job.spec.id, 0, farm.results()[0])
    farm.service.tick()
    farm.store.list = lists  # type: ignore[method-assign]
    assert list(farm.store.list(job_key(farm.job.spec.id, "rounds"))) == []


def test_there_is_one_decision_after_a_round(tmp_path: Path) -> None:
    store, piece = open_store(tmp_path), Piece(frame=1.0, samples=64)
    job = RenderJob(spec=JobSpec(id="j", name="j", bundle="b", pieces=(piece,)), settings=SETTINGS)
    some, others = (np.random.default_rng(seed).random((4, 6)) < 0.5 for seed in (1, 2))
    for blocks in (some, others, None, some):
        write_blocks(store, job, piece, 16, blocks)
        write_blocks(store, job, piece, 16, blocks)
        found = [key.rsplit("/", 1)[-1] for key, _ in store.list(job_key("j", "rounds"))]
        assert [decided_end(name) for name in found] == [16]
        assert chain_of(piece, found).final == (blocks is None)


@pytest.mark.parametrize("left", range(0, 40, 3))
@pytest.mark.parametrize("killed", [True, False])
def test_wherever_the_store_stops_answering_or_the_coordinator_is_killed_the_picture_is_the_same(
    tmp_path: Path, alone: Film, left: int, killed: bool
) -> None:
    """While a result of the first round is taken back: after so many calls, each of the next few fails."""
    farm = Farm(tmp_path)
    farm.work(farm.node("a"), farm.node("b"), rounds=2)
    store, calls = farm.store, itertools.count()
    whole = {verb: getattr(store, verb) for verb in ("put", "get", "list", "delete", "size", "copy_to")}

    def refused(verb: str):
        def call(*asked: object, **how: object) -> object:
            if left <= next(calls) and (killed or next(calls) < left + 12):
                raise CannotWrite("the store does not answer")
            return whole[verb](*asked, **how)

        return call

    for verb in whole:
        setattr(store, verb, refused(verb))
    farm.service.retract(farm.job.spec.id, 0, farm.results()[0])
    for node in ("c", "d"):
        farm.service.join(NodeInfo(id=node, memory_bytes=1 << 30, device="fake", build=build_id()))
    for _ in range(8):
        with contextlib.suppress(CannotWrite):
            farm.service.tick()
            lease = farm.service.ask("c")
            if lease is not None:
                farm.service.fail(lease.attempt, 143, "stopped")
    for verb, call in whole.items():
        setattr(store, verb, call)
    if killed:
        farm.begin()
    farm.service._rounds._later.clear()
    farm.work(farm.node("c"), farm.node("d"))
    assert same(farm.film(), alone) and standing(farm.store, farm.job).state == "done"


def test_a_partial_that_is_damaged_in_the_store_is_rendered_again_before_its_round_is_decided(
    farm: Farm, alone: Film
) -> None:
    aside = farm.service._rounds._aside
    farm.service._rounds._aside = lambda work: None
    node = farm.node("a")
    farm.service.join(node.info)
    while (lease := farm.service.ask("a")) is not None:
        node._work(lease)
    damaged = farm.results()[0]
    farm.store.put(damaged.key, b"no film any more")
    farm.service._rounds._aside = aside
    farm.service._rounds._at_work.clear()
    farm.work(node)
    assert "retracted" in farm.kinds() and same(farm.film(), alone)


def test_a_store_that_does_not_answer_is_asked_again(
    tmp_path: Path, alone: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = Farm(tmp_path)
    tries = []

    def refuse(*_: object, **__: object) -> str:
        tries.append(1)
        if len(tries) < 3:
            raise CannotWrite("the store does not answer")
        return write_blocks(*_, **__)  # type: ignore[arg-type]

    monkeypatch.setattr("studio.farm.rounds.write_blocks", refuse)
    monkeypatch.setattr("studio.farm.rounds_at_work.AGAIN_S", 0.0)
    farm.work(farm.node("a"))
    assert len(tries) > 3 and same(farm.film(), alone)
