"""Ray: our own clusters, asked over their Jobs API by plain HTTP. Nothing of Ray is on the artist's machine.

A submission carries the store's address and the job's name, no data and no code: the driver (`ray_driver`) runs on the
cluster's head with the studio that is installed there. A cluster forgets its jobs when its head is replaced, and calls
some failed that are not, so nothing is believed of it but that it works on something; a job that it lost is submitted
again under the next generation and goes on from the store.

Whoever holds a cluster's token can run anything on it. One cluster, one tenant; public nodes never join it. The token
comes from RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token (mode 0600) or the keyring, as Ray's own tools do.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from studio.errors import CannotWrite, UsageError
from studio.farm.engines.engine import (
    Capabilities,
    Log,
    Ref,
    State,
    Status,
    end_of,
    status_of,
    submission_id,
    trust_fault,
)
from studio.farm.engines.link import Answer, Link
from studio.farm.engines.tokens import token
from studio.farm.jobs import RenderJob, write_job
from studio.farm.model import Record
from studio.farm.orders import want, wished_of
from studio.farm.policy import Policy
from studio.farm.store import open_store

ORDER = "MYRIAD_FARM_ORDER"  # the variable in which the driver finds what to do
DRIVER = "studio.farm.engines.ray_driver"
CONTRACTED = 2  # the level of machines that are rented, and the least trusted that a cluster may have
_STATES: dict[str, State] = {
    "PENDING": "waiting",
    "RUNNING": "running",
    "SUCCEEDED": "done",
    "FAILED": "lost",
    "STOPPED": "cancelled",
}


class DriverOrder(Record, frozen=True):
    """What the driver is told. Holds no secret: stores take their keys from the environment of the cluster."""

    store: str
    job: str
    device: str = "auto"
    checkpoint_s: float = 60.0
    cache: str = ""  # of nodes; "": the user's
    policy: Policy = msgspec.field(default_factory=Policy)
    trust: int = 1  # the level of the cluster's machines; from CONTRACTED on what they deliver is checked
    generation: int = 1
    slowdown: float = 1.0  # of all nodes, for tests


class RayJobs:
    """A Ray cluster, by the address of its dashboard: http://127.0.0.1:8265 of a tunnel, or https:// of a proxy.

    `python` is the interpreter on the head that has the studio. The machines count as rented where the job may be seen
    by such (`Needs.trust`), else as the studio's own.
    """

    name = "ray"

    def __init__(self, url: str, *, python: str = "python3", order: DriverOrder | None = None) -> None:
        self.url, self._python = url, python
        self._order = order or DriverOrder(store="", job="")
        self._link = Link(url, self._token)

    @classmethod
    def at(cls, address: str) -> RayJobs:
        """The cluster at an address."""
        return cls(address)

    def capabilities(self) -> Capabilities:
        """See `Engine.capabilities`."""
        return Capabilities(coordinated=True, cancels=True, drains=True, pauses=True, logs=True, trust=CONTRACTED)

    def check(self, job: RenderJob) -> list[str]:
        """See `Engine.check`; asks the cluster as well."""
        wrong = trust_fault(job, self._order.trust)
        try:
            self._told(self._link.ask("GET", "/api/version"))
        except (CannotWrite, UsageError) as fault:
            wrong.append(str(fault))
        return wrong

    def submit(self, job: RenderJob, store_url: str, key: str, *, generation: int = 1) -> Ref:
        """See `Engine.submit`. The cluster's machines must reach the store under the same address."""
        name = submission_id(key, generation)
        if urlsplit(store_url).scheme == "memory":
            raise UsageError("a cluster cannot reach a store in this machine's memory; use a folder or s3://")
        wrong = trust_fault(job, self._order.trust)
        if wrong:
            raise UsageError(wrong[0])
        write_job(open_store(store_url), job)
        order = msgspec.structs.replace(
            self._order,
            store=store_url,
            job=job.spec.id,
            generation=generation,
            trust=max(self._order.trust, min(job.spec.needs.trust, CONTRACTED)),
        )
        request: dict[str, Any] = {
            "entrypoint": f"{shlex.quote(self._python)} -P -m {DRIVER}",
            "submission_id": name,
            "entrypoint_num_cpus": 0,
            "metadata": {"job": job.spec.id, "generation": str(generation)},
            "runtime_env": {"env_vars": {ORDER: msgspec.json.encode(order).decode()}},
        }
        answer = self._link.ask("POST", "/api/jobs/", request)
        # a second submission of one name is refused by Ray with status 500 and these words
        if not (answer.status == 500 and b"already exists" in answer.data):
            self._told(answer)
        return Ref(engine=self.name, id=name, job=job.spec.id, store=store_url, address=self.url, generation=generation)

    def status(self, ref: Ref) -> Status:
        """See `Engine.status`."""
        store = open_store(ref.store)
        end = end_of(store, ref.job)
        if end is not None and end.generation >= ref.generation and end.state != "done":
            return status_of(ref, end.state, end.text, store=store)
        answer = self._link.ask("GET", f"/api/jobs/{quote(ref.id)}")
        if answer.status == 404:
            return status_of(ref, "lost", "the cluster has forgotten it; submit it again to go on", store=store)
        said = self._told(answer)
        state = _STATES.get(str(said.get("status")), "lost")
        text = str(said.get("message") or "")[:400] if state in ("lost", "waiting") else ""
        if state == "cancelled" and not wished_of(store, ref.job).keys() & {"cancel", "drain"}:
            state, text = "lost", "somebody stopped it at the cluster; submit it again to go on"
        return status_of(ref, state, text, store=store)

    def cancel(self, ref: Ref, *, drain: bool = False, by: str = "") -> None:
        """See `Engine.cancel`. A cluster that has forgotten the job has nothing to stop."""
        want(open_store(ref.store), ref.job, "drain" if drain else "cancel", by=by)
        if not drain:
            answer = self._link.ask("POST", f"/api/jobs/{quote(ref.id)}/stop")
            if answer.status != 404:
                self._told(answer)

    def logs(self, ref: Ref, unit: str = "", cursor: int = 0) -> Log:
        """What the driver has said; of a unit, the lines that name it."""
        answer = self._link.ask("GET", f"/api/jobs/{quote(ref.id)}/logs")
        if answer.status == 404:
            return Log(text="", cursor=cursor)
        text = str(self._told(answer).get("logs") or "")
        fresh = text[cursor:]
        if unit:
            fresh = "".join(line for line in fresh.splitlines(keepends=True) if unit in line)
        return Log(text=fresh, cursor=len(text))

    def _token(self) -> str:
        return token(
            self.url,
            variable="RAY_AUTH_TOKEN",
            file_variable="RAY_AUTH_TOKEN_PATH",
            file=Path.home() / ".ray" / "auth_token",
        )

    def _told(self, answer: Answer) -> dict[str, Any]:
        if answer.status != 200:
            raise CannotWrite(f"the cluster at {self._link.name} refuses ({answer.status}): {answer.sentence}")
        found = answer.json(f"the cluster at {self._link.name}")
        if not isinstance(found, dict):
            raise CannotWrite(f"the cluster at {self._link.name} gave an answer that is none of Ray's")
        return found


ENGINE = RayJobs
