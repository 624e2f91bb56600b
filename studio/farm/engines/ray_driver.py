"""The entrypoint of a job on a Ray cluster: `python -m studio.farm.engines.ray_driver`, run by Ray on its head.

It starts the coordinator and, for every device of every machine of the cluster, somebody who keeps a node at work
(`ray_actors`); machines that come later get theirs, machines that go are forgotten. The coordinator finds what people
want in the store. The driver ends when the job is over, is drained, or has met its cap. What it is to do stands in an
environment variable; nothing of it is secret.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec

from studio.errors import CannotWrite, StudioError, UsageError
from studio.farm.engines.engine import End, State, write_end
from studio.farm.engines.ray_actors import COORDINATOR, Coordinator, NodeKeeper, Relay
from studio.farm.engines.ray_house import node_name
from studio.farm.engines.ray_jobs import ORDER, DriverOrder
from studio.farm.orders import wished_of
from studio.farm.store import open_store
from studio.farm.work import WorkOrder
from studio.render.device import cache_root

_LOOK_S = 1.0
_TELL_S = 10.0


def main() -> int:
    """Render a job; 0 when it is done."""
    try:
        order = msgspec.json.decode(os.environ.get(ORDER, ""), type=DriverOrder)
    except msgspec.DecodeError:
        print(f"there is no order in {ORDER}; submit jobs with `studio farm submit`", file=sys.stderr)  # noqa: T201
        return UsageError.code
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        end = Drive(order, stop).run()
    except StudioError as fault:
        print(fault, file=sys.stderr, flush=True)  # noqa: T201  the edge of this process
        return fault.code
    _say(f"{order.job}: {end.state} {end.text}".strip())
    return 0 if end.state == "done" else 1


@dataclass(slots=True)
class _Kept:
    """The keeper of a node, and what it was asked last."""

    actor: Any
    machine: str
    node: str
    asked: Any


@dataclass(slots=True)
class Drive:
    """A job at work on the cluster that this process is a driver of."""

    order: DriverOrder
    stop: threading.Event
    keepers: dict[tuple[str, int], _Kept] = field(default_factory=dict)
    coordinator: Any = None
    stands: str = ""
    told: float = 0.0

    def run(self) -> End:
        """Render until the job is over, or is to stop."""
        import ray

        store = open_store(self.order.store)
        place = hashlib.blake2b(self.order.store.encode(), digest_size=6).hexdigest()  # jobs of two stores share ids
        namespace = f"{self.order.job}-g{self.order.generation}-{place}"
        ray.init(address=os.environ.get("RAY_ADDRESS", "auto"), log_to_driver=False, namespace=namespace)
        self._begin()
        _say(f"{self.order.job}: generation {self.order.generation}, in {store.name}")
        end: End | None = None
        while end is None and not self.stop.wait(_LOOK_S):
            self._keep_machines()
            end = self._end()
        self._close()
        stands = end or End(state="cancelled", text="stopped at the cluster", generation=self.order.generation)
        if end is not None:
            write_end(store, self.order.job, end)
        return stands

    def _begin(self) -> None:
        import ray
        from ray.exceptions import ActorAlreadyExistsError
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = ray.get_runtime_context().get_node_id()
        actor = ray.remote(Coordinator).options(
            name=COORDINATOR,
            num_cpus=0,
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=64,
            scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False),
        )
        try:
            self.coordinator = actor.remote(msgspec.json.encode(self.order), here)
        except ActorAlreadyExistsError as fault:
            raise UsageError(
                f"the job {self.order.job} is at work on this cluster under another name; wait for it, or cancel that"
            ) from fault
        self._ask("state")  # a job that cannot be read ends here

    # --- machines ----------------------------------------------------------------------------------------------------
    def _keep_machines(self) -> None:
        """A keeper for every device of every machine there is, and none for those that are gone."""
        import ray

        alive = {n["NodeID"]: n for n in ray.nodes() if n["Alive"]}
        for place, kept in list(self.keepers.items()):
            if kept.machine not in alive or self._is_lost(kept):
                _say(f"{kept.node} is gone")
                with contextlib.suppress(CannotWrite):  # one that is just being restarted knows nothing of the node
                    Relay(self.coordinator).leave(kept.node)
                del self.keepers[place]
        for machine, found in alive.items():
            resources = found["Resources"]
            cores, devices = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
            for number in range(devices or (cores > 0)):
                if (machine, number) not in self.keepers:
                    share = max(cores // max(devices, 1), 1) if cores else 0
                    self.keepers[machine, number] = self._keeper(machine, number, share, gpu=bool(devices))

    def _keeper(self, machine: str, number: int, cores: int, *, gpu: bool) -> _Kept:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        node = node_name(machine, number)
        order = WorkOrder(
            url="",
            token="",
            store=self.order.store,
            node=node,
            name=f"{machine[:12]}, {number + 1}",
            cache=self.order.cache or str(cache_root() / "farm"),
            device=self.order.device,
            threads=cores,
            report_s=self.order.policy.report_s,
            checkpoint_s=self.order.checkpoint_s,
            trust=self.order.trust,
            slowdown=self.order.slowdown,
        )
        actor = ray.remote(NodeKeeper).options(
            num_cpus=cores,
            num_gpus=1 if gpu else 0,
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=4,
            scheduling_strategy=NodeAffinitySchedulingStrategy(machine, soft=False),
        )
        made = actor.remote(msgspec.json.encode(order))
        _say(f"{node} begins")
        return _Kept(made, machine, node, made.look.remote())

    def _is_lost(self, kept: _Kept) -> bool:
        """Whether a keeper has given up; one that Ray restarts is asked again."""
        import ray
        from ray.exceptions import ActorUnavailableError, RayError

        if not ray.wait([kept.asked], timeout=0)[0]:
            return False
        try:
            if not ray.get(kept.asked):
                _say(f"{kept.node} fails again and again and is left alone")
        except ActorUnavailableError:
            _say(f"{kept.node} is restarted")
        except RayError as fault:
            _say(f"{kept.node}: {type(fault).__name__}")
            return True
        kept.asked = kept.actor.look.remote()
        return False

    # --- the job -----------------------------------------------------------------------------------------------------
    def _end(self) -> End | None:
        """How the job ended; None while it goes on."""
        try:
            state, done, total, why = self._ask("state")
        except CannotWrite:
            return None  # it is being restarted
        if state != self.stands:
            self.stands = state
            _say(f"the job is {state}{f': {why}' if why else ''}")
        if time.monotonic() - self.told > _TELL_S:
            self.told = time.monotonic()
            _say(f"{done} of {total} samples, {len(self.keepers)} nodes{f', {why}' if why else ''}")
        ends: dict[str, State] = {"done": "done", "failed": "failed", "cancelled": "cancelled", "capped": "cancelled"}
        if state == "paused" and "drain" in wished_of(open_store(self.order.store), self.order.job):
            ends["paused"], why = "cancelled", "drained"
        return End(state=ends[state], text=why, generation=self.order.generation) if state in ends else None

    def _ask(self, what: str, *arguments: object) -> Any:
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            return ray.get(getattr(self.coordinator, what).remote(*arguments), timeout=60.0)
        except RayTaskError as fault:
            if isinstance(fault.cause, StudioError):
                raise fault.cause from None
            raise
        except RayError as fault:
            raise CannotWrite(f"the coordinator does not answer ({type(fault).__name__})") from fault

    def _close(self) -> None:
        """End the nodes, which deliver what they have, and write down what happened."""
        import ray
        from ray.exceptions import RayError

        stopping = [kept.actor.stop.remote() for kept in self.keepers.values()]
        if stopping:
            ray.wait(stopping, num_returns=len(stopping), timeout=2.0 if self.stop.is_set() else 40.0)
        try:
            self._ask("close")
        except StudioError as fault:
            _say(f"the coordinator could not write down all it knows: {fault}")
        except RayError as fault:
            _say(f"the coordinator could not write down all it knows ({type(fault).__name__})")
        ray.shutdown()


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201  this is the job's log


if __name__ == "__main__":
    sys.exit(main())
