"""What `studio farm serve` runs: a coordinator with all that a farm of more than one's own machines needs.

    roster.json         who may come in (`studio.farm.trust.members`)
    secret              what decides which units are checked (`studio.farm.trust.inspection`)
    reputations.json    what is known of machines that were checked
    nodes.json          what nodes said of themselves, for bills that are made when they have gone
    ledger.sqlite       the books, where there is a price list (`studio.farm.money.settlement`)

Everything a delivery goes through stands in one place: `Service` reads it back and looks at its numbers, `Inspection`
has signatures and samples checked, the claim is written, and the event that says so is what `Settlement` bills. What is
taken back is given back by the same way. The house is a folder of the user; losing all of it but the secret and the
roster's members costs no job anything.

Where another coordinator works at the same store, what that one has taken back is missed here a while later, and whom
one of the same house has caught is caught.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from studio.errors import BadAsset, CannotWrite, StudioError
from studio.farm.coordinator import Price
from studio.farm.desk import Forbidden
from studio.farm.jobs import LIVE, decoded
from studio.farm.missing import missing
from studio.farm.model import Event, JobId, JobSpec, NodeId, NodeInfo, Range, Result, attempt_of, maker_of
from studio.farm.money.ledger import Ledger
from studio.farm.money.prices import PriceList
from studio.farm.money.settlement import Settlement
from studio.farm.policy import Policy
from studio.farm.service import Service
from studio.farm.store import Store
from studio.farm.trust.inspection import SIGNED, WAIT_S, Darkroom, Inspection
from studio.farm.trust.inspector import Check, Rerender, TrustPolicy
from studio.farm.trust.members import Members, house_folder
from studio.render.device import cache_root
from studio.render.output import replacing

LEDGER = "ledger.sqlite"
TIDY_S = 30.0  # between two looks at what is due and what can be forgotten
MISS_S = 60.0  # at the least between two looks at whether the store still has what counts of a job
LARGEST_NODES, MOST_NODES = 256 << 20, 20_000  # bytes of a file, and how many of the last are in it
MOST_TOLD = 1000  # sentences that are not said again
Results = Mapping[int, list[Result]]


class House:
    """A coordinator, who belongs to its farm, what is checked and what is billed. Use it in a `with`, around whatever
    serves its nodes; call `tick` every second or so.

    `token` is what machines of the house come in by. With `prices` work is billed, or, unless it `settles`, only
    reckoned for caps.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        *,
        token: str = "",
        prices: PriceList | None = None,
        settles: bool = True,
        tier: str = "",
        policy: Policy | None = None,
        trust: TrustPolicy | None = None,
        rerender: Rerender | None = None,
        device: str = "auto",
        threads: int = 0,
        cache: Path | None = None,
        listener: Callable[[Event], None] | None = None,
        clock: Callable[[], float] | None = None,
        wait_s: float | None = None,
    ) -> None:
        _make(folder)
        self.folder, self._prices = folder, prices
        self._clock = clock or time.time  # by which others sign and the books are dated; leases go by a steady one
        self._listener = listener or (lambda event: None)
        self._lock = threading.Lock()
        self._told: dict[str, None] = {}
        self._tidied = -TIDY_S
        self._compared: dict[JobId, float] = {}  # jobs, and when they were compared with the store
        self._coming: dict[JobId, Results] = {}  # results of jobs that are just being taken
        self._own = NodeInfo(id="house", cores=threads or os.cpu_count() or 1)
        self.members = Members(folder, house=token, clock=self._clock)
        self._nodes = _read_nodes(folder / "nodes.json")
        self._kept_nodes = dict(self._nodes)
        self._darkroom = None
        if rerender is None:
            rerender = self._darkroom = Darkroom(store, cache or cache_root() / "farm", device=device, threads=threads)
        self.inspection = Inspection(
            folder,
            rerender,
            node=self.node,
            members=self.members,
            policy=trust,
            told=self._checked,
            caught=lambda maker: self.service.distrust(maker, "another coordinator of this house has caught it"),
            clock=self._clock,
            wait_s=WAIT_S if wait_s is None else wait_s,
        )
        self.ledger = Ledger(folder / LEDGER, clock=self._clock) if prices is not None and settles else None
        self.settlement = self._settled(self.ledger, prices, tier) if self.ledger is not None and prices else None
        self.service = Service(
            store,
            policy=policy,
            price=self._priced(prices, tier) if prices is not None else None,
            listener=self._heard,
            inspect=self.inspection.inspect,
            look=self.inspection.look,
            admit=self._admit,
            spent=self.settlement.billed if self.settlement is not None else None,
            welcome=self._welcome,
            probe=self._probe,
            clock=clock,
        )
        for maker, reputation in self.inspection.reputations.items():
            if reputation.blocked:
                self.service.distrust(maker, "it has forged a partial before")

    def _settled(self, ledger: Ledger, prices: PriceList, tier: str) -> Settlement:
        prices.tier(tier)
        return Settlement(ledger, prices, job=self._spec, node=self.node, result=self._result, tier=lambda id_: tier)

    def _priced(self, prices: PriceList, tier: str) -> Price:
        """What seconds of a node cost, for caps: by as much of its score as is paid."""
        prices.tier(tier)
        believed = self.settlement.believed if self.settlement is not None else lambda node: node
        return lambda node, seconds: prices.price_of(believed(node), seconds, tier=tier)

    # --- what others ask ---------------------------------------------------------------------------------------------
    def node(self, id_: NodeId) -> NodeInfo | None:
        """What a node said of itself last, here or to an earlier coordinator of this house."""
        return self.service.node_info(id_) or self._nodes.get(id_)

    def _spec(self, id_: JobId) -> JobSpec | None:
        job = self.service.job(id_)
        return job.spec if job is not None else None

    def _result(self, id_: JobId, piece: int, samples: Range) -> Result | None:
        coming = self._coming.get(id_)
        found = coming.get(piece, ()) if coming is not None else self.service.coordinator.results(id_, piece)
        return next((result for result in found if result.range == samples), None)

    def _welcome(self, info: NodeInfo) -> NodeInfo:
        """A node as it is known here. Raises Forbidden for one that cannot work for this house."""
        if info.trust >= SIGNED and self.members.member_of(info.id) is None:
            raise Forbidden(f'the node "{info.id}" of level {info.trust} is no member; invite and enrol it first')
        if self._prices is not None:
            wanted = (info.price,) if info.trust < SIGNED else ()  # who is paid by others does not choose the price
            row = next((name for name in (*wanted, info.backend, "") if name in self._prices.rows), None)
            if row is None:
                rows = ", ".join(sorted(self._prices.rows))
                raise Forbidden(f'the price list has no row for the node "{info.id}" ({info.backend}); it has {rows}')
            info = msgspec.structs.replace(info, price=row)
        with self._lock:
            self._nodes.pop(info.id, None)
            self._nodes[info.id] = info  # the last
            if len(self._nodes) > MOST_NODES:
                del self._nodes[next(iter(self._nodes))]
        return info

    def _probe(self, node: NodeId) -> tuple[JobId, int, Result] | None:
        return self.inspection.probe(node, str(self.service.coordinator.leases))

    # --- money -------------------------------------------------------------------------------------------------------
    def _admit(self, spec: JobSpec, results: Results, missing: bool) -> None:
        """Hold a job's cap before it is taken; of one that was taken before, see that all that counts is billed, and
        nothing else. Raises UsageError."""
        if self.settlement is None or self.ledger is None:
            return
        if self.ledger.find(f"hold/{spec.id}") is not None:
            self._coming[spec.id] = results
            try:
                self._give_back(spec, results)
                self.settlement.reconcile(spec, results)
            finally:
                del self._coming[spec.id]
        if missing:
            self.settlement.admit(spec)

    def _give_back(self, spec: JobSpec, results: Results) -> None:
        """Reject what was billed of nodes that were caught and is not there any more: whoever took it back died before
        the books heard of it."""
        assert self.settlement is not None
        known = self.inspection.reputations
        blocked = {maker for maker, reputation in known.items() if reputation.blocked}
        there = {(r.range, attempt_of(r)) for found in results.values() for r in found}
        for entry in self.settlement.captures(spec.id):
            makers = {maker_of(posting.owner) for posting in entry.postings if posting.account == "node_pending"}
            first, _, last = entry.unit.rpartition("/")[2].partition("-")
            if makers & blocked and ((int(first), int(last)), entry.attempt) not in there:
                self.settlement.reject(spec.id, [entry.unit], reason="taken back")

    def _heard(self, event: Event) -> None:
        if event.kind == "submitted" and not event.job.startswith(LIVE):  # such last for seconds
            self._compared.pop(event.job, None)
            self._compared[event.job] = time.monotonic()  # the last
        if self.settlement is not None:
            self.settlement.listen(event)
        self._listener(event)

    def _checked(self, check: Check) -> None:
        self.service.checked(check)
        if not check.sound:  # whether or not it ever comes to hear what became of its delivery
            self.service.distrust(check.node, check.text)
        spec = self._spec(check.job)
        if self.settlement is not None and spec is not None and check.seconds > 0:
            unit = check.unit.partition("/")[2]
            self.settlement.checked(
                spec, unit, check.attempt, self._own, seconds=check.seconds, at=self._clock(), pays=False
            )

    # --- now and then ------------------------------------------------------------------------------------------------
    def tick(self) -> list[str]:
        """Settle what waits, approve what is due, end what idles, and write down what was learned; gives sentences for
        whoever runs the farm that were not given before."""
        self._catch_up()
        faults: list[str] = []
        now = time.monotonic()
        if now - self._tidied >= TIDY_S:
            self._tidied = now
            faults += self._tidy()
        with contextlib.suppress(CannotWrite):  # a store that does not answer now is asked the next time
            self._miss(now)
        return self.notes(*faults)

    def notes(self, *faults: str) -> list[str]:
        """Sentences that were not given before, and faults among them; after `close` what came of that."""
        notes = [*faults, *self.inspection.notes(), *(self.settlement.notes if self.settlement is not None else [])]
        fresh = [note for note in dict.fromkeys(notes) if note not in self._told]
        self._told.update(dict.fromkeys(fresh))
        for old in list(self._told)[:-MOST_TOLD]:
            del self._told[old]
        return fresh

    def _catch_up(self) -> None:
        if self.settlement is not None:
            with self.service.alone():  # which asks the service in the middle of an entry
                self.settlement.catch_up()

    def _tidy(self) -> Iterator[str]:
        """Do what is due now and then, each whatever becomes of the others; gives what went wrong, which is tried again
        the next time: whoever runs the farm may make room meanwhile."""
        if self._darkroom is not None:
            self._darkroom.rest()
        for due in (self._mature, self._keep_reputations, self._save_nodes):
            try:
                due()
            except StudioError as fault:
                yield str(fault)

    def _mature(self) -> None:
        if self.settlement is not None:
            self.settlement.mature()

    def _keep_reputations(self) -> None:
        self.inspection.tick(job.spec.id for job in self.service.jobs_at_work())

    def _miss(self, now: float) -> None:
        """Take back what the store has no more of a job, the one that was compared with it the longest ago."""
        with self.service.alone():
            id_ = next(iter(self._compared), "")
            if not id_ or now - self._compared[id_] < MISS_S:
                return
            del self._compared[id_]
            job = self.service.job(id_)
            if job is None:
                return  # it was forgotten
            self._compared[id_] = now
            if self.service.status(id_).state in ("failed", "cancelled"):
                return
            results = {row: self.service.coordinator.results(id_, row) for row in range(len(job.spec.pieces))}
        for row, result in missing(self.service.store, self.service.generation, job, results):
            self.service.retract(id_, row, result)

    def _save_nodes(self) -> None:
        with self._lock:
            nodes = dict(self._nodes)
        if nodes != self._kept_nodes:
            with replacing(self.folder / "nodes.json") as temporary:
                temporary.write_bytes(msgspec.json.encode(nodes, order="deterministic"))
            self._kept_nodes = nodes

    def close(self) -> None:
        """Settle what waits, and close the books. The coordinator is retired by whoever runs it.

        Raises CannotWrite for what could not be written down; the rest is closed all the same.
        """
        with contextlib.ExitStack() as last:  # from the last to the first
            if self.ledger is not None:
                last.callback(self.ledger.close)
            last.callback(self._catch_up)
            last.callback(self._save_nodes)
            last.callback(self.inspection.close)
            if self._darkroom is not None:
                last.callback(self._darkroom.close)

    def __enter__(self) -> House:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()


def open_house(place: Path | None, *, store: Store, **more: Any) -> House:
    """The house of a folder, or the user's own without one, at a store; see `House` for the rest.

    Raises CannotWrite where the folder cannot be kept, BadAsset and UsageError for what is wrong in it.
    """
    return House(place or house_folder(), store, **more)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise CannotWrite(f"the folder {folder} cannot be made: {reason}; choose another by --house") from fault


def _read_nodes(path: Path) -> dict[NodeId, NodeInfo]:
    """What nodes said of themselves. A file that is damaged says nothing: they come and say it again."""
    try:
        if path.stat().st_size > LARGEST_NODES:
            return {}
        return decoded(path.read_bytes(), dict[NodeId, NodeInfo], str(path))
    except (OSError, BadAsset):
        return {}
