"""What a node may ask of a coordinator: a few verbs, and how they go as JSON over whatever carries bytes.

A desk is a coordinator, near or far, or somebody who passes on what is said to one (`wire`, `engines.ray_actors`,
`guests`). Nothing is unpacked here but the records of the farm, so a hostile node can do no more than lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from studio.errors import CannotWrite, StudioError, UsageError
from studio.farm.model import Lease, NodeId, NodeInfo, Order, Record, Report, Result

T = TypeVar("T")


class Desk(Protocol):
    """What a node may ask of a coordinator, near or far. One that does not know the node, or its unit, any more raises
    `Stranger`."""

    def join(self, info: NodeInfo) -> None:
        """Offer to work."""

    def leave(self, node: str) -> None:
        """Go."""

    def ask(self, node: str) -> Lease | None:
        """A unit, or None when there is none now."""

    def report(self, attempt: int, report: Report) -> Order:
        """Say how far a unit is; what to do."""

    def adopt(self, lease: Lease, report: Report) -> Order:
        """The same to a coordinator that has just started."""

    def deliver(self, lease: Lease, result: Result) -> str:
        """Hand in a partial that lies in the store: "taken", "late", "wrong" or "bad"."""

    def fail(self, attempt: int, code: int, text: str) -> None:
        """A unit ended with an exit code."""


# Arguments and answer of each verb.
VERBS: Mapping[str, tuple[Any, Any]] = {
    "join": (tuple[NodeInfo], None),
    "leave": (tuple[str], None),
    "ask": (tuple[str], Lease | None),
    "report": (tuple[int, Report], Order),
    "adopt": (tuple[Lease, Report], Order),
    "deliver": (tuple[Lease, Result], str),
    "fail": (tuple[int, int, str], None),
}


# Statuses of answers, as HTTP has them; ANEW is a `Stranger`.
OK, WRONG, NOBODY, NOT_YOURS, NOT_THERE, REFUSED, ANEW, TOO_LARGE = 200, 400, 401, 403, 404, 409, 410, 413


class Stranger(CannotWrite):
    """The coordinator knows neither node nor unit, as one that has begun anew: a node joins it and offers its unit."""


class Forbidden(UsageError):
    """What was asked for is another's."""


class Guest(Record, frozen=True):
    """Whose token it is. `node` is the name of a member, "" that of a machine of the house, which may have any id;
    `trust` is the least trusted that it can claim to be."""

    node: NodeId = ""
    trust: int = 0


class Doorkeeper(Protocol):
    """Whoever knows the tokens."""

    def admit(self, token: str) -> Guest | None:
        """Whose token it is, in a time that says nothing of it; None when it is nobody's."""


def owns(name: NodeId, id_: NodeId) -> bool:
    """Whether an id is one of a member's: the name itself, or for one of several devices the name, "/" and more."""
    return id_ == name or id_.startswith(name + "/")


def answered(desk: Desk, verb: str, body: bytes) -> tuple[int, bytes]:
    """A status and the JSON of what a desk says to one of `VERBS`, or of the sentence of its fault."""
    try:
        arguments = msgspec.json.decode(body, type=VERBS[verb][0])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        return WRONG, msgspec.json.encode(f"the arguments of {verb} are not what they should be ({fault})")
    try:
        return OK, msgspec.json.encode(getattr(desk, verb)(*arguments))
    except Stranger as fault:
        return ANEW, msgspec.json.encode(str(fault))
    except Forbidden as fault:
        return NOT_YOURS, msgspec.json.encode(str(fault))
    except StudioError as fault:
        return REFUSED, msgspec.json.encode(str(fault))


class FarDesk:
    """A desk behind something that carries bytes: `_carry` takes a verb and the JSON of its arguments and gives a
    status, as HTTP has them, and the JSON of the answer or of a sentence."""

    def join(self, info: NodeInfo) -> None:
        """See `Desk.join`."""
        self._call("join", info)

    def leave(self, node: str) -> None:
        """See `Desk.leave`."""
        self._call("leave", node)

    def ask(self, node: str) -> Lease | None:
        """See `Desk.ask`."""
        lease: Lease | None = self._call("ask", node)
        return lease

    def report(self, attempt: int, report: Report) -> Order:
        """See `Desk.report`."""
        order: Order = self._call("report", attempt, report)
        return order

    def adopt(self, lease: Lease, report: Report) -> Order:
        """See `Desk.adopt`."""
        order: Order = self._call("adopt", lease, report)
        return order

    def deliver(self, lease: Lease, result: Result) -> str:
        """See `Desk.deliver`."""
        verdict: str = self._call("deliver", lease, result)
        return verdict

    def fail(self, attempt: int, code: int, text: str) -> None:
        """See `Desk.fail`."""
        self._call("fail", attempt, code, text)

    def _call(self, verb: str, *arguments: object) -> Any:
        status, data = self._carry(verb, msgspec.json.encode(arguments))
        if status == OK:
            answer = VERBS[verb][1]
            return None if answer is None else msgspec.json.decode(data, type=answer)
        raise fault_of(status, data)

    def _carry(self, verb: str, body: bytes) -> tuple[int, bytes]:
        raise NotImplementedError


def fault_of(status: int, data: bytes) -> StudioError:
    """The fault that a status and a sentence stand for."""
    sentence = _sentence(data)
    if status == ANEW:
        return Stranger(sentence)
    if status == NOT_YOURS:
        return Forbidden(sentence)
    return UsageError(sentence) if status in (WRONG, NOBODY, NOT_THERE, TOO_LARGE) else CannotWrite(sentence)


def _sentence(data: bytes) -> str:
    try:
        return str(msgspec.json.decode(data, type=str))[:400]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "the coordinator's answer cannot be read"
