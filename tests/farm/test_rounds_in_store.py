"""What of an adaptive job lies in a store: which partials count, which blocks were chosen, and what is done where that
cannot be read."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from studio.errors import BadAsset
from studio.farm.chain import decided_end, decision
from studio.farm.jobs import RenderJob, claim, claimed, claimed_in, job_key
from studio.farm.model import JobSpec, Needs, Piece, Result
from studio.farm.results import Collector
from studio.farm.rounds import Choices, Lost, Sums, crop_of, film_of, read_blocks, write_blocks
from studio.farm.rounds_at_work import MOST_AT_ONCE
from studio.farm.session import made_of, standing
from studio.farm.store import open_store
from studio.farm.submission import look_of
from studio.farm.trust.gate import Gate
from studio.farm.verify import check_sane
from studio.farm.wire import Forbidden, Guest
from studio.render.film import Film, plan_layout
from studio.render.session import FrameResult, layout_of
from studio.scene.flatten import flatten
from tests.farm.adaptive_farm import MOST, SETTINGS, Farm, NoisySession, same
from tests.render.stage import stage

PLAN = plan_layout(16, 16, aovs=("depth", "crypto_object"), exponent=20)


def test_a_partial_of_other_pixels_does_not_count(farm: Farm) -> None:
    farm.work(farm.node("a"), rounds=1)

    class Greedy(NoisySession):
        def render_frame(self, flat, settings, *, only=None, **more):
            return super().render_frame(flat, settings, only=None, **more)

    node = farm.node("b", Greedy())
    farm.service.join(node.info)
    lease = farm.service.ask("b")
    assert lease is not None and lease.blocks and lease.range[0] == 16
    node._work(lease)
    failed = [event.text for event in farm.events if event.kind == "failed"]
    assert failed and "pixels" in failed[-1]


@pytest.mark.parametrize("name", list(Film.of(PLAN).buffers()))
def test_a_partial_with_anything_in_other_pixels_does_not_count(name: str) -> None:
    film, pixels = Film.of(PLAN), np.zeros((16, 16), bool)
    pixels[:, :8] = True
    film.counts[pixels] = 4
    check_sane(film, 4, pixels)
    touched = getattr(film, name)
    touched[(0, 3, 12, 0) if touched.ndim == 4 else (3, 12)] = 1
    with pytest.raises(BadAsset, match="samples"):
        check_sane(film, 4, pixels)


def test_a_partial_that_does_not_add_up_is_rendered_again_before_its_round_is_decided(farm: Farm, alone: Film) -> None:
    class Other(NoisySession):
        def render_frame(self, flat, settings, **more):
            made = super().render_frame(flat, settings, **more)
            layout = msgspec.structs.replace(made.film.layout, exponent=made.film.exponent + 1)
            return FrameResult(Film.over(made.film.buffers(), layout), "", made.seconds, 0, 0, self.info)

    evil = farm.node("evil", Other())
    farm.service.join(evil.info)
    lease = farm.service.ask("evil")
    assert lease is not None and evil._work(lease) and len(farm.results()) == 1
    farm.service.leave("evil")
    farm.work(farm.node("good"))
    assert same(farm.film(), alone) and "evil" not in {result.node for result in farm.results()}


def test_a_choice_of_nothing_and_a_claim_of_other_blocks_are_damaged(tmp_path: Path) -> None:
    store, piece = open_store(tmp_path), Piece(frame=1.0, samples=64)
    job = RenderJob(spec=JobSpec(id="j", name="j", bundle="b", pieces=(piece,)), settings=SETTINGS)
    name = write_blocks(store, job, piece, 16, np.zeros((4, 6), bool))
    with pytest.raises(BadAsset, match="damaged"):
        read_blocks(store, job, piece, 16, name)
    name = write_blocks(store, job, piece, 16, np.ones((4, 6), bool))
    claim(store, "j", piece, Result(range=(16, 32), key="k", digest="d", blocks=name))
    (key,) = (key for key, _ in store.list(job_key("j", "done")))
    assert [r.blocks for r in claimed_in(store, job, 0, (16, 32), name)] == [name] and claimed_in(
        store, job, 0, (32, 64), name
    ) == []
    store.put(key, msgspec.json.encode(Result(range=(16, 32), key="k", digest="d", blocks="other")))
    assert claimed(store, job) == {} and claimed_in(store, job, 0, (16, 32), name) == []


# --- many frames -----------------------------------------------------------------------------------------------------
def test_a_round_is_decided_by_what_lies_there_of_its_own_piece(tmp_path: Path) -> None:
    farm = Farm(tmp_path, frames=(1.0, 2.0, 3.0))
    aside: list = []
    farm.service._rounds._aside = aside.append
    node = farm.node("a")
    farm.service.join(node.info)
    while (lease := farm.service.ask("a")) is not None:
        node._work(lease)
    for _ in range(3):
        farm.service.tick()
    assert len(aside) == MOST_AT_ONCE < 3, "each holds films in memory"
    lists, listed = farm.store.list, []
    farm.store.list = lambda prefix="": listed.append(prefix) or lists(prefix)  # type: ignore[method-assign,func-returns-value]
    aside.pop()()
    farm.store.list = lists  # type: ignore[method-assign]
    assert farm.decided == 2 and listed, "and then that of which nobody is at work"
    assert all(prefix.count("/") == 3 for prefix in listed), "never all of the job"


def test_a_picture_is_fetched_when_nothing_is_to_be_decided_any_more(farm: Farm, tmp_path: Path) -> None:
    options = {"home": tmp_path / "home", "cache": tmp_path / "cache"}
    with Collector(farm.store, farm.job, tmp_path / "f.####.exr", look_of(farm.job), **options) as collector:  # type: ignore[arg-type]
        node = farm.node("a")
        farm.service.join(node.info)
        farm.service._rounds._aside = lambda work: None
        while (lease := farm.service.ask("a")) is not None:
            node._work(lease)
        assert made_of(farm.store, farm.job)[0].done == 16 and collector.poll() == []
        farm.begin()
        farm.work(farm.node("b"))
        (picture,) = collector.poll()
        assert picture.samples == MOST and picture.path.is_file()
        made = made_of(farm.store, farm.job)[0]
        assert made.whole and made.done == made.all == MOST


def test_blocks_come_back_as_they_were_written_and_damage_is_told(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    piece = Piece(frame=1.0, samples=64, crop=(5, 3, 43, 28))
    job = RenderJob(spec=JobSpec(id="j", name="j", bundle="b", pieces=(piece,)), settings=SETTINGS)
    blocks = np.random.default_rng(1).random((4, 6)) < 0.5
    name = write_blocks(store, job, piece, 16, blocks)
    assert np.array_equal(read_blocks(store, job, piece, 16, name), blocks)
    pixels = Choices(store).pixels(job, piece, (20, 24), name)
    assert pixels is not None and pixels.shape == (25, 38) and crop_of(job, piece) == (5, 3, 43, 28)
    assert bool(pixels[0, 0]) == bool(blocks[0, 0]) and bool(pixels[-1, -1]) == bool(blocks[-1, -1])
    store.put(job_key("j", "rounds", piece.name, decision(16, name)), b"\xff\xff\xff")
    with pytest.raises(BadAsset, match="damaged"):
        read_blocks(store, job, piece, 16, name)


@pytest.mark.parametrize("trust", [0, 2])
def test_a_node_without_the_store_reads_what_was_chosen_for_jobs_that_it_may_see(tmp_path: Path, trust: int) -> None:
    farm = Farm(tmp_path, needs=Needs(trust=2))
    farm.work(farm.node("a"), rounds=1)
    (key,) = (key for key, _ in farm.store.list(job_key(farm.job.spec.id, "rounds")))
    gate, most = Gate(farm.service), farm.store.size(key)
    assert most is not None
    assert b"".join(gate.read(Guest(node="n", trust=trust), key, 0, most)) == farm.store.get(key)
    with pytest.raises(Forbidden):
        gate.size(Guest(node="n", trust=3), key)
    with pytest.raises(Forbidden):
        gate.size(Guest(node="n", trust=trust), key.replace("rounds", "orders"))


@pytest.mark.parametrize("ends", [(16, 32), (16,), (32,)])
def test_what_was_decided_and_cannot_be_read_any_more_is_decided_anew(
    farm: Farm, alone: Film, ends: tuple[int, ...]
) -> None:
    farm.work(farm.node("a"), rounds=2)
    for key, _ in list(farm.store.list(job_key(farm.job.spec.id, "rounds"))):
        if decided_end(key.rsplit("/", 1)[-1]) in ends:
            farm.store.put(key, b"no blocks")
    farm.begin()
    session = NoisySession()
    farm.work(farm.node("b", session))
    assert same(farm.film(), alone)
    assert session.samples == int((alone.counts - np.minimum(alone.counts, 32)).sum()), "what was there counts again"


def test_a_job_that_is_forgotten_while_a_choice_of_it_cannot_be_read_is_nobodys_fault(farm: Farm) -> None:
    farm.service._rounds._aside = lambda work: None
    node = farm.node("a")
    farm.service.join(node.info)
    while (lease := farm.service.ask("a")) is not None:
        node._work(lease)
    place, whole = (farm.job.spec.id, 0), farm.service._rounds._decided

    def meanwhile(*place: object) -> None:
        farm.service.forget(farm.job.spec.id)
        raise Lost(16, "it is damaged")

    farm.service._rounds._decided = meanwhile  # type: ignore[method-assign]
    farm.service._rounds._decide_all(place)
    farm.service._rounds._decided = whole  # type: ignore[method-assign]
    farm.service._rounds._decide_all(place)
    assert farm.decided == 0


@pytest.mark.parametrize("gone", [True, False])
def test_blocks_that_a_node_cannot_read_are_decided_anew_and_end_no_job(farm: Farm, alone: Film, gone: bool) -> None:
    farm.work(farm.node("a"), rounds=2)
    keys = [key for key, _ in farm.store.list(job_key(farm.job.spec.id, "rounds"))]
    (key,) = (key for key in keys if decided_end(key.rsplit("/", 1)[-1]) == 32)
    if gone:
        farm.store.delete(key)
    else:
        farm.store.put(key, b"no blocks")
    session = NoisySession()
    farm.work(farm.node("b", session))  # which has read none of them, as the coordinator has
    assert same(farm.film(), alone) and standing(farm.store, farm.job).state == "done"
    assert session.samples == int((alone.counts - np.minimum(alone.counts, 32)).sum()), "what was there counts again"


def test_a_partial_is_read_for_its_check_and_for_its_round_and_not_for_those_after_it(
    farm: Farm, alone: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    copy = farm.store.copy_to
    monkeypatch.setattr(farm.store, "copy_to", lambda path, key, **more: (read.append(key), copy(path, key, **more)))
    farm.work(farm.node("a"), farm.node("b"))
    assert same(farm.film(), alone) and farm.decided == 3
    assert {read.count(result.key) for result in farm.results() if result.range[1] <= 64} == {2}


def test_a_sum_with_a_part_that_was_taken_back_is_not_gone_on_from(farm: Farm) -> None:
    farm.work(farm.node("a"), rounds=1)
    results, piece = farm.results(), farm.job.spec.pieces[0]
    sums, film = Sums(), film_of(farm.store, farm.job, piece, results, Choices(farm.store))
    sums.keep(farm.job, piece, results, film)
    assert sums.take(farm.job, piece, results[1:]) == (None, [])
    assert sums.take(farm.job, piece, results) == (None, []), "what was taken is its taker's"
    sums.keep(farm.job, piece, results, film)
    more = [*results, msgspec.structs.replace(results[0], digest="another")]
    assert sums.take(farm.job, piece, more) == (film, results)
    small = Sums(most_bytes=1)
    small.keep(farm.job, piece, results, film)
    assert small.take(farm.job, piece, results) == (None, [])


def test_sums_are_kept_as_far_as_they_fit(tmp_path: Path) -> None:
    farm = Farm(tmp_path, frames=(1.0, 2.0, 3.0))
    film = Film.of(layout_of(flatten(stage(), 1.0), SETTINGS))
    sums = Sums(most_bytes=2 * film.layout.nbytes)
    parts = [Result(range=(0, 16), key="k", digest=name) for name in "abc"]
    for piece, part in zip(farm.job.spec.pieces, parts, strict=True):
        sums.keep(farm.job, piece, [part], film)
    there = [sums.take(farm.job, piece, [part])[0] for piece, part in zip(farm.job.spec.pieces, parts, strict=True)]
    assert there == [None, film, film]
