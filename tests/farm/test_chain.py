"""The rounds of a piece by the names of what was decided, and in the state machine."""

from __future__ import annotations

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from studio.farm.chain import chain_of, decision
from studio.farm.coordinator import Coordinator
from studio.farm.jobs import RenderJob, is_adaptive
from studio.farm.model import JobSpec, Lease, NodeInfo, Piece, Result, Round, Usage
from studio.farm.policy import Policy
from studio.render.adaptive import round_end, round_start
from studio.render.settings import RenderSettings


@given(st.integers(1, 1 << 19), st.integers(0, 12), st.booleans())
def test_a_chain_is_told_by_names(samples: int, rounds: int, ends: bool) -> None:
    piece = Piece(frame=1.0, samples=samples)
    names, at, blocks = ["notes.txt", "7"], round_end(0, samples), [""]
    while rounds and at < samples:
        blocks.append(f"{at:064x}")
        names.append(decision(at, blocks[-1]))
        at, rounds = round_end(at, samples), rounds - 1
    if ends and at < samples:
        names.append(decision(at, ""))
    random.Random(samples).shuffle(names)
    chain = chain_of(piece, names)
    assert chain.blocks == tuple(blocks) and chain.target == at and chain.final == (at == samples or ends)
    start = 0
    for end, name in zip(chain.ends, chain.blocks, strict=True):
        assert chain.blocks_of((start, end)) == name and round_start(end - 1) == start
        start = end
    assert chain.blocks_of((start, start + 1)) is None
    if len(chain.ends) > 1:
        assert chain.blocks_of((chain.ends[0] - 1, chain.ends[0] + 1)) is None


def test_a_piece_that_begins_later_begins_in_the_round_of_its_first_sample() -> None:
    """As only a job that somebody wrote into the store by hand has it; it ends all the same."""
    chain = chain_of(Piece(frame=1.0, first=20, samples=64), [decision(32, "")])
    assert (chain.ends, chain.count, chain.final, chain.blocks_of((20, 32))) == ((32,), 12, True, "")


# --- the state machine -----------------------------------------------------------------------------------------------
@given(st.integers(0, 1 << 30))
def test_whatever_happens_every_sample_of_the_last_rounds_counts_once(seed: int) -> None:
    rng = random.Random(seed)
    now = 0.0
    most = rng.choice([20, 64, 100])
    c = Coordinator(lambda: now, policy=Policy(lease_s=30.0, blocks_after=1000))
    asked = Round(samples=16, more=True)
    c.submit(
        JobSpec(id="j", name="j", bundle="b", pieces=(Piece(frame=1.0, samples=most),), expected_s=1.0, retries=1000),
        rounds={0: asked},
    )
    held: dict[str, Lease] = {}
    for name in "abc":
        c.join(NodeInfo(id=name, memory_bytes=1 << 30))
    back = 3
    for _ in range(3000):
        now += rng.random() * 4
        name = rng.choice("abc")
        for id_, row in c.due():
            current = c.round_of(id_, row)
            assert current is not None
            end = round_end(current.samples, most)
            if rng.random() < 0.2:
                c.suffice(id_, row)
            else:
                c.extend(id_, row, Round(samples=end, blocks=f"{end}", share=0.5, more=end < most), cost=1.0)
        results = c.results("j", 0)
        if back and results and rng.random() < 0.05:
            back -= 1
            wrong = rng.choice(results)
            end = round_end(round_start(wrong.range[0]), most)
            current = c.round_of("j", 0)
            assert current is not None
            if end != current.samples or current.more != (end < most):
                blocks = "" if end == 16 else f"{end}"
                c.rewind("j", 0, Round(samples=end, blocks=blocks, more=end < most), cost=1.0)
            assert c.retract("j", 0, wrong)
        lease = held.pop(name, None)
        if lease is None:
            lease = c.ask(name)
            if lease is not None:
                held[name] = lease
                end = round_end(round_start(lease.range[0]), most)
                assert lease.blocks == ("" if end == 16 else f"{end}")
            elif c.over("j") and not back:
                break
        elif rng.random() < 0.2:
            c.fail(lease.attempt, 12, "it broke")
        else:
            _hand_in(c, lease)
    while not c.over("j"):
        now += 1.0
        for id_, row in c.due():
            c.suffice(id_, row)
        for name in "abc":
            lease = held.pop(name, None) or c.ask(name)
            if lease is not None:
                _hand_in(c, lease)
    target = c.round_of("j", 0)
    assert target is not None
    ranges = sorted(result.range for result in c.results("j", 0))
    assert ranges[0][0] == 0 and ranges[-1][1] == target.samples
    assert all(a[1] == b[0] for a, b in itertools.pairwise(ranges)), "none twice, none missing"


def _hand_in(c: Coordinator, lease: Lease) -> None:
    c.deliver(
        lease.attempt,
        Result(range=lease.range, key=f"{lease.attempt}.part", digest="d", usage=Usage(render_s=1.0), node=lease.node),
    )


def test_a_job_without_an_error_limit_has_one_round() -> None:
    piece = Piece(frame=1.0, samples=100)
    job = RenderJob(spec=JobSpec(id="j", name="j", bundle="b", pieces=(piece,)), settings=RenderSettings())
    chain = chain_of(piece, None)
    assert not is_adaptive(job) and chain.final and chain.ends == (100,) and chain.blocks_of((0, 100)) == ""
