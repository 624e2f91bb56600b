"""A farm that takes members: who forges is caught before it counts, what it delivered before is rendered again by
others, the books follow, and the picture's bits are those of one honest node.

The renderer is that of the tests of trust: a few lines of numpy in which a sample is a function of its number.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from studio.errors import BadAsset, CannotWrite, StudioError, UsageError
from studio.farm import house as house_module
from studio.farm import service as service_module
from studio.farm import session
from studio.farm.desk import Forbidden
from studio.farm.house import House, open_house
from studio.farm.jobs import RenderJob, claimed, part_key, withdraw
from studio.farm.merge import merged
from studio.farm.model import Event, JobSpec, Lease, Needs, NodeInfo, Range, Result, Usage
from studio.farm.money.prices import MILLION, PriceList, Row
from studio.farm.orders import JobOrder, give_order
from studio.farm.policy import Policy
from studio.farm.store import Store, open_store
from studio.farm.trust import inspection as inspection_module
from studio.farm.trust.inspection import Inspection, Looks, read_reputations, secret_of
from studio.farm.trust.inspector import Reputation, TrustPolicy, detection
from studio.farm.trust.signing import Key, enrolment, signed
from studio.farm.verify import digest_of
from studio.render.film import Film
from studio.render.partial import write_partial
from tests.farm.test_trust import JOB, PIECE, header, render, rerender

Make = Callable[[Range], Film]
POLICY = Policy(longest_s=1.0, first_s=1.0, tail_s=1.0, steal_s=1e9, copy_ratio=1e9, lease_s=1e6)  # a sample a unit
OFTEN = TrustPolicy(first=(0.0, 0.2, 0.2, 0.2), least=(0.0, 0.2, 0.2, 0.2))
BY_SCORE = PriceList(version="1", currency="EUR", rows={"": Row(score_hour=3600 * MILLION)})
BY_CORES = PriceList(version="1", currency="EUR", rows={"": Row(core_hour=3600 * MILLION)}, fee=100_000)  # 1 EUR a s


def made_up(samples: Range) -> Film:
    """A picture of the right scene with noise of its own: nothing but rendering it again shows that it is none."""
    return render(samples, seed=7)


class Farm:
    """A house on a clock of its own, and members whose films may be doctored."""

    def __init__(
        self,
        folder: Path,
        *,
        prices: PriceList | None = None,
        trust: TrustPolicy = OFTEN,
        wait_s: float | None = None,
    ) -> None:
        self.folder, self.prices, self.trust, self.wait_s = folder, prices, trust, wait_s
        self.store: Store = open_store(folder / "store")
        (folder / "house").mkdir(exist_ok=True)
        secret = folder / "house" / "secret"
        if not secret.exists():
            secret.write_bytes(b"the same for every run of the test")
            secret.chmod(0o600)
        self.now = 1_700_000_000.0
        self.events: list[Event] = []
        self.keys: dict[str, Key] = {}
        self.house = self.opened()

    def opened(self, house: str = "house") -> House:
        return open_house(
            self.folder / house,
            store=self.store,
            prices=self.prices,
            policy=POLICY,
            trust=self.trust,
            rerender=rerender,
            listener=self.events.append,
            clock=lambda: self.now,
            wait_s=self.wait_s,
        )

    def again(self) -> None:
        """The coordinator ends, and another one begins."""
        self.house.service.flush()
        self.house.close()
        self.house = self.opened()

    def job(self, **more: object) -> RenderJob:
        spec = JobSpec(
            id="j", name="hall", bundle="b", pieces=(PIECE,), needs=Needs(trust=3), expected_s=1.0, retries=99, **more
        )  # type: ignore[arg-type]
        return RenderJob(spec=spec, settings=JOB.settings)

    def member(self, name: str, trust: int = 2) -> None:
        if name not in self.keys:
            key = self.keys[name] = Key.made()
            code = self.house.members.invite(name, trust)
            self.house.members.enrol(enrolment(key, code, at=self.now))
        info = NodeInfo(id=name, trust=trust, device="cpu-a", build="1+x", memory_bytes=1 << 30)
        self.house.service.join(info)

    def deliver(self, lease: Lease, samples: Range, film: Film, *, sign: bool = True, took: float = 1.0) -> str:
        return self.house.service.deliver(lease, self.made(lease, samples, film, sign=sign, took=took))

    def made(self, lease: Lease, samples: Range, film: Film, *, sign: bool = True, took: float = 1.0) -> Result:
        path = self.folder / "unit.part"
        write_partial(path, film, header(samples))
        data = path.read_bytes()
        key = part_key("j", PIECE, samples, lease.attempt)
        self.store.put(key, data)
        result = Result(range=samples, key=key, digest=digest_of(data), usage=Usage(render_s=took))
        job = self.house.service.job("j")
        if sign and job is not None and lease.node in self.keys:
            result = signed(result, lease, job, self.keys[lease.node])
        return result

    def at_last(self, lease: Lease, result: Result) -> str:
        """What becomes of a delivery by who asks again while it is checked."""
        until = time.monotonic() + 30.0
        while True:
            try:
                return self.house.service.deliver(lease, result)
            except CannotWrite:
                assert time.monotonic() < until
                time.sleep(0.01)

    def wait_for(self, kind: str) -> None:
        until = time.monotonic() + 30.0
        while kind not in self.kinds():
            assert time.monotonic() < until
            time.sleep(0.01)

    def unit(self, node: str, make: Make = render) -> str:
        """One unit of a node: "taken", "bad", or "" when there is none."""
        lease = self.house.service.ask(node)
        if lease is None:
            return ""
        self.now += 1.0
        verdict = self.deliver(lease, lease.range, make(lease.range))
        self.house.service.tick()
        self.house.tick()
        return verdict

    def finish(self, node: str) -> None:
        while not self.house.service.coordinator.over("j"):
            assert self.unit(node) == "taken"

    def check_picture(self, *makers: str) -> None:
        """The picture is that of one honest node, and no sample of it is of anybody but `makers`."""
        results = claimed(self.store, self.job())[0]
        assert {r.node for r in results} <= set(makers)
        film, _ = merged(self.store, self.job(), 0, results)
        for name, array in render((0, 64)).buffers().items():
            assert np.array_equal(film.buffers()[name], array), name

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


def paid_farm(folder: Path, *members: str, **more: Any) -> Farm:
    """A farm that bills by cores, with a job whose customer has the money for its cap."""
    farm = Farm(folder, prices=BY_CORES, **more)
    assert farm.house.settlement is not None
    farm.house.settlement.top_up("customer", 100 * MILLION, key="bank/1")
    farm.house.service.submit(farm.job(cap_micros=80 * MILLION))
    for name in members:
        farm.member(name)
    return farm


def test_a_forger_is_caught_on_probation_before_any_of_it_counts(tmp_path: Path) -> None:
    farm = Farm(tmp_path, trust=TrustPolicy())
    farm.house.service.submit(farm.job())
    farm.member("evil")
    assert farm.unit("evil", made_up) == "bad"
    assert claimed(farm.store, farm.job()) == {}
    assert farm.house.inspection.reputations["evil"].blocked and farm.house.service.ask("evil") is None
    (told,) = (e for e in farm.events if e.kind == "checked")
    assert told.node == "evil" and told.range == (0, 1) and "made up" in told.text
    farm.member("good")
    farm.finish("good")
    farm.check_picture("good")
    assert "sound" in {e.text for e in farm.events if e.kind == "checked"}
    farm.house.service.flush()
    assert "checked" in {e.kind for e in session.log_of(farm.store, "j")}


def test_one_that_begins_to_forge_later_is_caught_and_all_it_did_is_rendered_again(tmp_path: Path) -> None:
    farm = Farm(tmp_path)
    farm.house.service.submit(farm.job())
    farm.member("evil")
    farm.member("good")
    for _ in range(12):
        assert farm.unit("evil") == "taken" and farm.unit("good") == "taken"
    slipped = 0  # forgeries that were not chosen to be checked
    while farm.unit("evil", made_up) == "taken":
        slipped += 1
    promised = next(n for n in range(1, 1000) if detection(0.2, 1.0, n) >= 0.99)
    assert 0 < slipped < promised
    assert farm.kinds().count("retracted") == 12 + slipped, "what it delivered before is taken back too"
    assert {r.node for r in claimed(farm.store, farm.job())[0]} == {"good"}
    assert farm.house.service.status("j").done == 12
    farm.finish("good")
    farm.check_picture("good")


def test_a_check_vouches_for_nothing_but_what_was_looked_at(tmp_path: Path) -> None:
    farm = Farm(tmp_path, trust=TrustPolicy(), wait_s=0.0)
    farm.house.service.submit(farm.job())
    farm.member("box")
    farm.member("pal")
    honest, lazy = farm.house.service.ask("box"), farm.house.service.ask("pal")
    assert honest is not None and lazy is not None
    farm.now += 1.0
    sound = farm.made(honest, honest.range, render(honest.range))
    with pytest.raises(CannotWrite, match="being checked"):
        farm.house.service.deliver(honest, sound)
    farm.wait_for("checked")
    borrowed = Result(range=lazy.range, key=sound.key, digest=sound.digest, usage=sound.usage)
    assert farm.at_last(lazy, borrowed) == "bad", "a partial of another's, under another range, signed by nobody"
    dearer = msgspec.structs.replace(sound, usage=Usage(render_s=0.5))
    assert farm.at_last(honest, dearer) == "bad", "what it took is signed too"
    assert claimed(farm.store, farm.job()) == {}


def test_who_is_caught_loses_what_it_delivered_though_it_never_asks_what_became_of_the_rest(tmp_path: Path) -> None:
    farm = Farm(tmp_path, trust=TrustPolicy(first=(1.0,) * 4, least=(1.0,) * 4), wait_s=0.0)
    farm.house.service.submit(farm.job())
    farm.member("sly")
    lease = farm.house.service.ask("sly")
    assert lease is not None
    assert farm.at_last(lease, farm.made(lease, lease.range, render(lease.range))) == "taken"
    lease = farm.house.service.ask("sly")
    assert lease is not None
    with pytest.raises(CannotWrite, match="being checked"):
        farm.deliver(lease, lease.range, made_up(lease.range))
    farm.wait_for("distrusted")
    farm.house.service.tick()
    assert claimed(farm.store, farm.job()) == {} and farm.house.service.ask("sly") is None


def test_what_cannot_be_removed_keeps_no_order_from_being_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = Farm(tmp_path)
    farm.house.service.submit(farm.job())
    farm.member("evil")
    assert farm.unit("evil") == "taken"

    def refused(*keys: str) -> None:
        raise CannotWrite("nothing is removed here")

    monkeypatch.setattr(farm.house.service, "_looked", -service_module.ORDERS_S)
    monkeypatch.setattr(farm.store, "delete", refused)
    farm.house.service.distrust("evil", "it was seen")
    give_order(farm.store, "j", JobOrder(kind="pause", at=farm.now))
    farm.house.service.tick()
    assert farm.house.service.status("j").state == "paused"


def test_a_house_whose_disk_is_full_closes_its_books_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = Farm(tmp_path, prices=BY_CORES)
    closed: list[str] = []
    assert farm.house.ledger is not None
    end = farm.house.ledger.close
    monkeypatch.setattr(farm.house.ledger, "close", lambda: (closed.append("books"), end()))

    def full() -> None:
        raise CannotWrite("the disk is full")

    monkeypatch.setattr(farm.house.inspection, "close", full)
    with pytest.raises(CannotWrite, match="full"):
        farm.house.close()
    assert closed == ["books"]


@pytest.mark.parametrize("fault", [CannotWrite("the disk is full"), BadAsset("the ledger is damaged")])
def test_books_that_cannot_be_written_keep_nothing_else_from_being_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: StudioError
) -> None:
    farm = Farm(tmp_path, prices=BY_CORES)
    farm.member("good")
    farm.house.inspection._inspector.reputations["evil"] = Reputation(forged=1)

    def fails() -> int:
        raise fault

    monkeypatch.setattr(farm.house.settlement, "mature", fails)
    assert look(farm.house) == [str(fault)] and look(farm.house) == [], "which is said once"
    assert read_reputations(tmp_path / "house" / "reputations.json")["evil"].blocked
    assert (tmp_path / "house" / "nodes.json").is_file()


def test_a_machine_floods_nobody_with_nodes_or_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "MOST_DEVICES", 3)
    monkeypatch.setattr(service_module, "MOST_KNOWN", 5)
    monkeypatch.setattr(house_module, "MOST_NODES", 5)
    farm = Farm(tmp_path)
    farm.member("box")
    farm.member("good")
    for number in range(9):
        farm.house.service.join(NodeInfo(id=f"box/{number}", trust=2, device="cpu-a", build="1+x"))
    rows = {row.id for row in farm.house.service.coordinator.rows()}
    assert rows == {"good", "box/6", "box/7", "box/8"}
    assert len(farm.house.service._infos) == len(farm.house._nodes) == 5
    for words in ("x" * 201, "\x1b[2J"):
        with pytest.raises(Forbidden, match="no machine"):
            farm.house.service.join(NodeInfo(id="box", trust=2, device=words))


def test_what_a_forger_delivered_to_an_earlier_coordinator_is_taken_back_too(tmp_path: Path) -> None:
    farm = Farm(tmp_path)
    farm.house.service.submit(farm.job())
    farm.member("evil")
    for _ in range(5):
        assert farm.unit("evil") == "taken"
    farm.again()
    farm.house.service.submit(farm.job())
    farm.member("evil")
    assert farm.house.service.status("j").done == 5
    while farm.unit("evil", made_up) == "taken":
        continue
    assert claimed(farm.store, farm.job()) == {}
    farm.again()  # who knows it from its own files
    farm.house.service.submit(farm.job())
    farm.member("evil")
    farm.member("good")
    assert farm.house.service.ask("evil") is None
    farm.finish("good")
    farm.check_picture("good")


def test_claims_that_do_not_say_who_made_them_are_known_by_the_log(tmp_path: Path) -> None:
    farm = Farm(tmp_path)
    farm.house.service.submit(farm.job())
    farm.member("evil")
    farm.member("good")
    for _ in range(3):
        assert farm.unit("evil") == "taken" and farm.unit("good") == "taken"
    for key, _ in list(farm.store.list("jobs/j/done")):  # as an earlier studio wrote them
        result = msgspec.json.decode(farm.store.get(key), type=Result)
        farm.store.put(key, msgspec.json.encode(msgspec.structs.replace(result, node="")))
    farm.again()
    farm.house.service.submit(farm.job())
    farm.house.service.distrust("evil", "somebody found out")
    farm.house.service.tick()
    results = farm.house.service.coordinator.results("j", 0)
    assert len(results) == 3 and {r.node for r in results} == {"good"}
    assert len(claimed(farm.store, farm.job())[0]) == 3


def test_a_coordinator_that_died_while_it_took_things_back_goes_on_with_it(tmp_path: Path) -> None:
    farm = Farm(tmp_path)
    farm.house.service.submit(farm.job())
    farm.member("evil")
    for _ in range(4):
        assert farm.unit("evil") == "taken"
    farm.house.close()
    file = tmp_path / "house" / "reputations.json"
    file.write_bytes(msgspec.json.encode({"evil": Reputation(units=5, forged=1)}))
    farm.house = farm.opened()
    farm.house.service.submit(farm.job())
    farm.house.service.tick()
    assert claimed(farm.store, farm.job()) == {} and farm.house.service.status("j").done == 0


def test_a_member_has_to_sign_and_a_stranger_of_its_level_is_not_let_in(tmp_path: Path) -> None:
    farm = Farm(tmp_path)
    farm.house.service.submit(farm.job())
    with pytest.raises(Forbidden, match="no member"):
        farm.house.service.join(NodeInfo(id="stranger", trust=2, memory_bytes=1 << 30))
    for absurd in ({"score": 0.0}, {"score": 1e9}, {"cores": 10**6}):
        with pytest.raises(Forbidden, match="no machine is"):
            farm.house.service.join(NodeInfo(id="braggart", **absurd))  # type: ignore[arg-type]
    farm.member("good")
    lease = farm.house.service.ask("good")
    assert lease is not None
    assert farm.deliver(lease, lease.range, render(lease.range), sign=False) == "bad"
    assert not farm.house.inspection.reputations.get("good", Reputation()).blocked, "which is no forgery"
    assert farm.unit("good") == "taken"
    farm.house.members.revoke("good", "left")
    lease = farm.house.service.ask("good")
    assert lease is not None
    assert farm.deliver(lease, lease.range, render(lease.range)) == "bad"


def test_a_node_cannot_deliver_in_the_name_of_another(tmp_path: Path) -> None:
    farm = Farm(tmp_path)
    farm.house.service.submit(farm.job())
    farm.member("good")
    farm.member("evil")
    lease = farm.house.service.ask("evil")
    assert lease is not None
    stolen = msgspec.structs.replace(lease, node="good")
    assert farm.deliver(stolen, lease.range, made_up(lease.range)) == "wrong"
    assert "good" not in farm.house.inspection.reputations


def test_units_whose_answer_is_known_catch_who_forges_a_corner_and_count_for_nothing(tmp_path: Path) -> None:
    trust = TrustPolicy(first=(0.0,) * 4, least=(0.0,) * 4, probation=(0,) * 4, canaries=(0.0, 0.0, 1.0, 1.0))
    farm = paid_farm(tmp_path, trust=trust)
    assert farm.house.settlement is not None
    own = NodeInfo(id="own", device="cpu-a", build="1+x", memory_bytes=1 << 30)
    farm.house.service.join(own)
    for _ in range(5):
        assert farm.unit("own") == "taken"
    farm.member("good")
    farm.member("evil")
    assert farm.unit("good") == "taken"
    results = claimed(farm.store, farm.job())[0]
    assert {r.node for r in results} == {"own"} and farm.kinds().count("probed") == 1
    assert {key for key, _ in farm.store.list("jobs/j/units")} == {r.key for r in results}, "and nothing of it is left"
    assert balance(farm, "good", "node_payable") == MILLION, "the farm pays for it"
    assert farm.house.settlement.billed("j") == 5 * MILLION

    def corner(samples: Range) -> Film:
        film = render(samples)
        film.sums[:8, :8, :3] //= 2
        film.halves[:8, :8] //= 2
        return film

    assert farm.unit("evil", corner) == "bad"
    assert farm.house.inspection.reputations["evil"].blocked
    farm.finish("own")
    farm.check_picture("own")


# --- money -----------------------------------------------------------------------------------------------------------
def balance(farm: Farm, owner: str, account: str) -> int:
    assert farm.house.ledger is not None
    return farm.house.ledger.balance(owner, account, currency="EUR")  # type: ignore[arg-type]


def test_a_job_without_cap_or_money_is_refused_and_taken_when_both_are_there(tmp_path: Path) -> None:
    farm = Farm(tmp_path, prices=BY_CORES)
    assert farm.house.settlement is not None
    with pytest.raises(UsageError, match="has no cap"):
        farm.house.service.submit(farm.job())
    farm.house.service.flush()
    stands = session.standing(farm.store, farm.job())
    assert stands.state == "failed" and "no cap" in stands.why
    give_order(farm.store, "j", JobOrder(kind="cap", value=100 * MILLION, at=farm.now + 1))
    give_order(farm.store, "j", JobOrder(kind="resume", at=farm.now + 1))
    farm.house.service._looked = -100.0
    farm.house.service.tick()
    assert "lacks 100.00 EUR" in session.standing(farm.store, farm.job()).why or farm.events[-1].text.count("lacks")
    farm.house.settlement.top_up("customer", 100 * MILLION, key="bank/1")
    give_order(farm.store, "j", JobOrder(kind="resume", at=farm.now + 2))
    farm.house.service._looked = -100.0
    farm.house.service.tick()
    assert farm.house.service.job("j") is not None and balance(farm, "customer", "customer_held") == 100 * MILLION


def test_every_unit_that_counts_is_billed_once_and_a_forgers_not_at_all(tmp_path: Path) -> None:
    farm = Farm(tmp_path, prices=BY_CORES)
    assert farm.house.settlement is not None and farm.house.ledger is not None
    farm.house.settlement.top_up("customer", 200 * MILLION, key="bank/1")
    farm.house.service.submit(farm.job(cap_micros=100 * MILLION))
    farm.member("evil")
    farm.member("good")
    for _ in range(8):
        assert farm.unit("evil") == "taken" and farm.unit("good") == "taken"
    assert balance(farm, "evil", "node_pending") == 8 * 900_000
    while farm.unit("evil", made_up) == "taken":
        continue
    assert balance(farm, "evil", "node_pending") == 0
    assert farm.house.service.status("j").spent_micros == 8 * MILLION
    farm.finish("good")
    farm.house.tick()
    assert balance(farm, "good", "node_pending") == 64 * 900_000 and balance(farm, "evil", "node_pending") == 0
    assert balance(farm, "customer", "customer_available") == (200 - 64) * MILLION
    assert balance(farm, "customer", "customer_held") == 0
    farm.house.ledger.verify()
    checks = [u for u in farm.house.ledger.usages(job="j") if u.reason == "verification"]
    assert checks and not any(u.accepted for u in checks)
    farm.now += 72 * 3600.0  # and nobody has said anything
    farm.house._tidied = -1e9
    farm.house.tick()
    assert balance(farm, "good", "node_payable") == 64 * 900_000
    farm.check_picture("good")


def test_what_a_node_says_it_took_is_believed_as_far_as_the_clock_goes(tmp_path: Path) -> None:
    farm = paid_farm(tmp_path)
    assert farm.house.settlement is not None
    info = NodeInfo(id="boaster", trust=1, device="cpu-a", build="1+x", memory_bytes=1 << 30)
    farm.house.service.join(info)
    lease = farm.house.service.ask("boaster")
    assert lease is not None
    farm.now += 2.0
    long_ago = msgspec.structs.replace(lease, begun=0.0)
    assert farm.deliver(long_ago, lease.range, render(lease.range), took=1e9) == "taken"
    assert farm.house.settlement.billed("j") == 2 * MILLION == farm.house.service.status("j").spent_micros
    assert claimed(farm.store, farm.job())[0][0].usage.render_s == 2.0


def test_a_job_that_was_done_is_held_for_again_when_results_are_taken_back(tmp_path: Path) -> None:
    farm = paid_farm(tmp_path, "a", "good")
    assert farm.house.settlement is not None
    for _ in range(10):
        farm.unit("a")
    farm.finish("good")
    assert balance(farm, "customer", "customer_available") == 36 * MILLION
    farm.house.service.distrust("a", "somebody found out")
    farm.house.service.tick()
    farm.house.tick()
    assert farm.house.settlement.billed("j") == 54 * MILLION
    assert balance(farm, "customer", "customer_held") == 26 * MILLION, "up to the cap, as before"
    farm.finish("good")
    assert balance(farm, "customer", "customer_available") == 36 * MILLION
    farm.check_picture("good")


def test_books_that_missed_the_end_of_a_coordinator_are_put_right_by_the_next(tmp_path: Path) -> None:
    farm = paid_farm(tmp_path, "evil", "good")
    assert farm.house.settlement is not None
    for _ in range(3):
        assert farm.unit("evil") == "taken" and farm.unit("good") == "taken"
    # it dies after it took back what was evil's and counted one more of the good one's; neither is in the books
    for result in claimed(farm.store, farm.job())[0]:
        if result.node == "evil":
            withdraw(farm.store, "j", PIECE, result)
    farm.house.settlement.heard = lambda event: None  # type: ignore[method-assign]
    assert farm.unit("good") == "taken"
    farm.house.close()
    (tmp_path / "house" / "reputations.json").write_bytes(msgspec.json.encode({"evil": Reputation(forged=1)}))
    farm.house = farm.opened()
    farm.house.service.submit(farm.job(cap_micros=80 * MILLION))
    assert balance(farm, "evil", "node_pending") == 0
    assert balance(farm, "good", "node_pending") == 4 * 900_000
    assert balance(farm, "customer", "customer_held") == 76 * MILLION
    assert farm.house.service.status("j").spent_micros == 4 * MILLION


def test_a_stranger_does_not_choose_its_price(tmp_path: Path) -> None:
    prices = msgspec.structs.replace(BY_CORES, rows={"cpu": Row(core_hour=1), "dear": Row(core_hour=10**9)})
    farm = Farm(tmp_path, prices=prices)
    farm.member("m")
    info = NodeInfo(id="m", trust=2, price="dear", memory_bytes=1 << 30)
    farm.house.service.join(info)
    found = farm.house.node("m")
    assert found is not None and found.price == "cpu"
    farm.house.service.join(msgspec.structs.replace(info, id="own", trust=0))
    own = farm.house.node("own")
    assert own is not None and own.price == "dear"
    with pytest.raises(Forbidden, match="no row"):
        farm.house.service.join(msgspec.structs.replace(info, id="gpu", trust=0, price="", backend="cuda"))


def test_checks_of_the_houses_own_machine_need_no_row_of_the_price_list(tmp_path: Path) -> None:
    farm = Farm(tmp_path, prices=msgspec.structs.replace(BY_CORES, rows={"cpu": Row(core_hour=3600 * MILLION)}))
    assert farm.house.settlement is not None and farm.house.ledger is not None
    farm.house.settlement.top_up("customer", 100 * MILLION, key="bank/1")
    farm.house.service.submit(farm.job(cap_micros=80 * MILLION))
    farm.member("good")
    assert farm.unit("good") == "taken", "which was rendered again, as it is the first"
    assert [u.node for u in farm.house.ledger.usages() if u.reason == "verification"] == ["house"]
    assert balance(farm, "good", "node_pending") == 900_000 and farm.kinds().count("failed") == 0


def test_of_a_score_that_is_not_borne_out_no_more_counts_against_the_cap_than_is_paid(tmp_path: Path) -> None:
    farm = Farm(tmp_path, prices=BY_SCORE, trust=TrustPolicy(first=(0.0,) * 4, least=(0.0,) * 4, probation=(0,) * 4))
    assert farm.house.settlement is not None
    farm.house.settlement.top_up("customer", 5000 * MILLION, key="bank/1")
    farm.house.service.submit(farm.job(cap_micros=4000 * MILLION))
    for name in ("a", "b", "boaster"):
        farm.member(name)
    boast = NodeInfo(id="boaster", trust=2, device="cpu-a", build="1+x", memory_bytes=1 << 30, score=100.0)
    farm.house.service.join(boast)
    assert farm.unit("a") == farm.unit("b") == "taken"
    lease = farm.house.service.ask("boaster")
    assert lease is not None and lease.range == (2, 64), "whose score promises a hundred samples a second"
    farm.now += 62.0  # as many as the others
    assert farm.deliver(lease, lease.range, render(lease.range), took=62.0) == "taken"
    assert balance(farm, "a", "node_pending") == balance(farm, "b", "node_pending") == MILLION
    assert balance(farm, "boaster", "node_pending") == 62 * 1.5 * MILLION
    cost = farm.house._priced(BY_SCORE, "")
    assert cost(boast, 1.0) == 1.5 * MILLION and cost(msgspec.structs.replace(boast, id="a", score=1.0), 1.0) == MILLION


def test_a_machine_whose_clock_is_set_takes_nobodys_lease_or_pay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_house(tmp_path / "house", store=open_store(tmp_path / "store"), rerender=rerender) as house:
        assert house.service._clock is not house._clock, "members sign by the time of day, and leases end by another"
        before = house.service._clock()
        for told in (0.0, 4e9):
            monkeypatch.setattr(time, "time", lambda told=told: told)
            assert before <= house.service._clock() < before + 3600.0
        monkeypatch.undo()


# --- another coordinator at the same store ---------------------------------------------------------------------------
def look(house: House) -> list[str]:
    """What a house says when it is time for everything that it does now and then."""
    house._tidied = -1e9
    house._compared = dict.fromkeys(house._compared, -1e9)
    notes = house.tick()
    house.service.tick()
    return notes


@pytest.mark.parametrize("folder", ["house", "another"])
def test_what_another_coordinator_has_taken_back_is_rendered_again(tmp_path: Path, folder: str) -> None:
    farm = Farm(tmp_path)
    farm.house.service.submit(farm.job())
    farm.member("evil")
    farm.member("good")
    for _ in range(4):
        assert farm.unit("evil") == "taken" and farm.unit("good") == "taken"
    first, farm.house = farm.house, farm.opened(folder)
    farm.house.service.submit(farm.job())
    assert look(farm.house) == [] and farm.house.service.status("j").done == 8
    if folder == "house":  # whose members are both's
        farm.member("evil")
    first.inspection._inspector.reputations["evil"] = Reputation(forged=1)
    first.inspection.save()
    first.service.distrust("evil", "it was seen")
    first.service.tick()
    assert len(claimed(farm.store, farm.job())[0]) == 4 and farm.house.service.status("j").done == 8
    assert look(farm.house) == []
    assert farm.house.service.status("j").done == 4
    assert farm.house.service.coordinator.trusts("evil") == (folder != "house")
    if folder == "house":
        assert farm.house.service.ask("evil") is None and farm.house.inspection.reputations["evil"].blocked
        farm.member("good")
        assert [farm.unit("good") for _ in range(4)] == ["taken"] * 4
        assert {r.range for r in claimed(farm.store, farm.job())[0]} == {(n, n + 1) for n in range(8)}


def test_a_store_whose_disk_is_gone_takes_nothing_back(tmp_path: Path) -> None:
    farm = Farm(tmp_path)
    farm.house.service.submit(farm.job())
    farm.member("good")
    for _ in range(3):
        assert farm.unit("good") == "taken"
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    (tmp_path / "store").mkdir()
    look(farm.house)
    assert farm.house.service.status("j").done == 3
    shutil.rmtree(tmp_path / "store")
    (tmp_path / "elsewhere").rename(tmp_path / "store")
    farm.store.delete(claimed(farm.store, farm.job())[0][1].key)
    look(farm.house)
    assert farm.house.service.status("j").done == 2, "a partial that is lost is rendered again"


def test_what_others_render_again_is_not_given_back_with_what_was_forged(tmp_path: Path) -> None:
    farm = paid_farm(tmp_path, "evil", "good")
    assert farm.house.settlement is not None
    assert farm.unit("evil") == "taken"
    farm.house.service.distrust("evil", "it was seen")
    farm.house.service.tick()
    (event,) = (event for event in farm.events if event.kind == "retracted")
    assert farm.unit("good") == "taken"
    assert balance(farm, "good", "node_pending") == 900_000
    farm.house.settlement.heard(event)  # of another coordinator of this house, which has heard of it only now
    assert balance(farm, "good", "node_pending") == 900_000 and balance(farm, "evil", "node_pending") == 0


# --- checks that take their time -------------------------------------------------------------------------------------
def test_a_check_runs_once_however_often_the_same_is_delivered_and_who_waits_too_long_asks_again() -> None:
    looks = Looks(wait_s=0.05)
    go, runs = threading.Event(), list[int]()

    def check() -> None:
        runs.append(1)
        go.wait(10.0)
        raise BadAsset("made up")

    for _ in range(3):
        with pytest.raises(CannotWrite, match="being checked"):
            looks.look("k", 1, check)
    with pytest.raises(CannotWrite, match="another partial of this attempt"):
        looks.look("a version of it", 1, check)
    go.set()
    patient = Looks(wait_s=10.0)
    patient._running, patient._pool = looks._running, looks._pool
    with pytest.raises(BadAsset, match="made up"):
        patient.look("k", 1, check)
    assert len(runs) == 1
    with pytest.raises(BadAsset):
        patient.look("k", 1, check)
    assert len(runs) == 2, "its outcome was told; what is delivered again later is looked at again"
    looks.close()
    with pytest.raises(CannotWrite, match="about to end"):
        looks.look("k", 1, check)


def test_outcomes_that_nobody_comes_for_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection_module, "MOST_WAITING", 4)
    looks = Looks(wait_s=0.0)
    for number in range(40):
        try:
            looks.look(str(number), number, lambda: None)
        except CannotWrite:
            continue
    looks._pool.shutdown(wait=True)
    looks._tidy()
    assert len(looks._running) <= 4


# --- what the house keeps --------------------------------------------------------------------------------------------
def test_the_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret"
    secret = secret_of(path)
    assert len(secret) == 32 and path.stat().st_mode & 0o077 == 0 and secret_of(path) == secret
    path.chmod(0o644)
    with pytest.raises(UsageError, match="can be read by others"):
        secret_of(path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(BadAsset, match="cut short"):
        secret_of(path)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"a": 3}', b"\xff\xff"])
def test_reputations_that_are_damaged_are_not_taken_for_none(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "reputations.json"
    assert read_reputations(path) == {}
    path.write_bytes(damage)
    with pytest.raises(BadAsset, match="put back a copy"):
        read_reputations(path)


@pytest.mark.parametrize("learns", [False, True])
def test_a_file_that_is_damaged_while_a_coordinator_runs_is_kept_aside_and_written_anew(
    tmp_path: Path, learns: bool
) -> None:
    farm = Farm(tmp_path)
    known, file = farm.house.inspection._inspector.reputations, tmp_path / "house" / "reputations.json"
    known["evil"] = Reputation(forged=1)
    assert look(farm.house) == [] and read_reputations(file) == known
    file.write_bytes(b'{"evil": {"for')
    if learns:
        known["good"] = Reputation(sound=3)
    (note,) = look(farm.house)
    assert "was damaged and is kept as reputations.damaged-1.json" in note
    assert (tmp_path / "house" / "reputations.damaged-1.json").read_bytes() == b'{"evil": {"for'
    assert read_reputations(file) == known and farm.house.inspection.reputations == known
    assert look(farm.house) == [], "which is said once"
    file.write_bytes(b"[]")
    assert "damaged-2" in look(farm.house)[0]
    file.write_bytes(b"")
    farm.house.close()
    assert "damaged-3" in farm.house.notes()[0], "what came of the end is said after it"
    file.write_bytes(b"{")
    with pytest.raises(BadAsset, match="put back a copy"):
        farm.opened()
    assert file.read_bytes() == b"{"


def test_a_file_that_cannot_be_read_just_now_is_left_where_it_is(tmp_path: Path) -> None:
    farm = Farm(tmp_path)
    file = tmp_path / "house" / "reputations.json"
    file.mkdir()
    assert "cannot be read (is a directory)" in look(farm.house)[0]
    assert file.is_dir() and not list(file.parent.glob("*damaged*"))
    file.rmdir()
    farm.house.inspection._inspector.reputations["evil"] = Reputation(forged=1)
    assert look(farm.house) == [] and read_reputations(file)["evil"].blocked


def test_two_coordinators_of_a_house_forget_nobody_whom_the_other_caught(tmp_path: Path) -> None:
    one, two = (Inspection(tmp_path, rerender, node=lambda id_: None) for _ in range(2))
    one._inspector.reputations["evil"] = Reputation(forged=1)
    two._inspector.reputations["good"] = Reputation(sound=3)
    one.save()
    two.save()
    found = read_reputations(tmp_path / "reputations.json")
    assert found == {"evil": Reputation(forged=1), "good": Reputation(sound=3)}
    one.close()
    two.close()


def test_who_is_caught_while_the_file_is_written_is_in_it_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Inspection(tmp_path, rerender, node=lambda id_: None)
    known._inspector.reputations["good"] = Reputation(sound=3)

    def meanwhile(path: Path) -> dict[str, Reputation]:
        known._inspector.reputations["evil"] = Reputation(forged=1)
        return read_reputations(path)

    monkeypatch.setattr(inspection_module, "read_reputations", meanwhile)
    known.save()
    known.save()  # as whoever caught it does, who had to wait
    assert read_reputations(tmp_path / "reputations.json")["evil"].blocked
    known.close()
