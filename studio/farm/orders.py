"""What people want of a job that runs elsewhere, left for its coordinator in the store.

    jobs/<id>/orders/<n>.json   pause, drain, resume, cancel, priority, cap; numbered, each written once
    beats/<generation>.json     the clock of a coordinator that works, now and then

Whoever may write to the store may give orders, so no port is open for it and an order reaches a coordinator that is
started tomorrow. `Service.tick` carries them out in their order. What was wished of a job is what the orders come to
when they are read from the first one, so a coordinator that takes over a paused job leaves it paused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from studio.errors import BadAsset, CannotWrite, UsageError
from studio.farm.coordinator import Coordinator
from studio.farm.jobs import decoded, job_key
from studio.farm.model import JobId, Record
from studio.farm.store import Store

Kind = Literal["pause", "drain", "resume", "cancel", "priority", "cap"]
LARGEST = 4 << 10
MOST_ORDERS = 10_000
ALIVE_S = 60.0  # after a beat
LARGEST_CAP = 10**15  # millionths
_encoder = msgspec.json.Encoder(order="deterministic")


class JobOrder(Record, frozen=True):
    """What somebody wants; `value` is the priority, 0 to 100, or the cap in millionths (0: none)."""

    kind: Kind
    value: int = 0
    by: str = ""
    at: float = 0.0


class Beat(Record, frozen=True):
    """A coordinator at work."""

    generation: int
    at: float


def give_order(store: Store, id_: JobId, order: JobOrder) -> int:
    """Leave an order after those that are there; gives its number."""
    if order.kind == "priority" and not 0 <= order.value <= 100:
        raise UsageError(f"a priority is a number from 0 to 100, not {order.value}")
    if order.kind == "cap" and not 0 <= order.value <= LARGEST_CAP:
        raise UsageError("a cap is an amount of money of 0 or more; 0 is none")
    number = max(_numbers(store, id_), default=-1) + 1
    data = _encoder.encode(order)
    while not store.put(_key(id_, number), data, once=True):
        number += 1
        if number >= MOST_ORDERS:
            raise CannotWrite(f"{store.name}: the job {id_} has {MOST_ORDERS:,} orders; submit it under another name")
    return number


def want(store: Store, id_: JobId, kind: Kind, *, by: str = "") -> None:
    """Leave an order that starts or stops a job, unless it is the one that counts already."""
    if kind not in wished_of(store, id_):
        give_order(store, id_, JobOrder(kind=kind, by=by, at=store.clock()))


def wished_of(store: Store, id_: JobId) -> dict[Kind, JobOrder]:
    """What the orders of a job come to by now."""
    return wished(order for _, order in orders_after(store, id_, 0))


def orders_after(store: Store, id_: JobId, seen: int) -> list[tuple[int, JobOrder]]:
    """The orders from a number on, in their order. One that is damaged is nobody's wish and is left out."""
    found = []
    for number in sorted(n for n in _numbers(store, id_) if seen <= n < MOST_ORDERS):
        key = _key(id_, number)
        try:
            found.append((number, decoded(store.get(key, most=LARGEST), JobOrder, f"{store.name}: {key}")))
        except BadAsset:
            continue
    return found


def wished(orders: Iterable[JobOrder]) -> dict[Kind, JobOrder]:
    """What orders come to: the last of those that start and stop, under its kind, and the last priority and cap."""
    out: dict[Kind, JobOrder] = {}
    for order in orders:
        if order.kind not in ("priority", "cap"):
            for kind in ("pause", "drain", "resume", "cancel"):
                out.pop(kind, None)
        out[order.kind] = order
    return out


def carry_out(coordinator: Coordinator, id_: JobId, order: JobOrder) -> None:
    """Do what an order says."""
    match order.kind:
        case "pause":
            coordinator.pause(id_, by=order.by)
        case "drain":
            coordinator.drain(id_, by=order.by)
        case "resume":
            coordinator.resume(id_, by=order.by)
        case "cancel":
            coordinator.cancel(id_, by=order.by)
        case "priority":
            coordinator.set_priority(id_, order.value, by=order.by)
        case "cap":
            coordinator.raise_cap(id_, min(max(order.value, 0), LARGEST_CAP), by=order.by)


# --- is anybody there? -----------------------------------------------------------------------------------------------
def beat(store: Store, generation: int) -> None:
    """Say that a coordinator works at this store."""
    store.put(f"beats/{generation}.json", _encoder.encode(Beat(generation=generation, at=store.clock())))


def end_beat(store: Store, generation: int) -> None:
    """Say that it does not any more."""
    store.delete(f"beats/{generation}.json")


def works(store: Store) -> bool:
    """Whether a coordinator was heard within the last minute, by the clock of the store."""
    for key, _ in store.list("beats"):
        try:
            last = decoded(store.get(key, most=LARGEST), Beat, f"{store.name}: {key}")
        except BadAsset:
            continue  # it has just ended, or is damaged
        if abs(store.clock() - last.at) <= ALIVE_S:
            return True
    return False


def _key(id_: JobId, number: int) -> str:
    return job_key(id_, "orders", f"{number}.json")


def _numbers(store: Store, id_: JobId) -> list[int]:
    names = (key.rsplit("/", 1)[-1].removesuffix(".json") for key, _ in store.list(job_key(id_, "orders")))
    return [int(name) for name in names if name.isdecimal() and len(name) < 9]
