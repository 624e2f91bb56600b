"""Who says what on the farm: ed25519 signatures (RFC 8032) over canonical records (`studio.farm.trust.canonical`).

A statement is a kind, a body, the public key of who says it, when, until when, and a number used once. All of that is
signed, so a statement of a result cannot be passed off as one of a job, nor an old one as a new. What is said is bound
to the work it is about: a result names its job, piece, samples, attempt, bundle and the digest of its bytes, so it can
be shown again only for what it was.

A `Roster` says whose keys count. A node comes onto it by a code that a person gave it, which works once and for a
while, and of which the farm keeps no more than is needed to check it; it leaves by being revoked. The artist keeps a
private key in the keyring of the operating system or in a file of mode 0600, never in an argument, a log or a bundle.

The blocks of events that a coordinator writes form chains of hashes, which `check_log` goes through.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from studio.errors import BadAsset, UsageError
from studio.farm.desk import owns
from studio.farm.jobs import RenderJob, decoded, job_key
from studio.farm.model import Event, JobId, Lease, NodeId, Record, Result
from studio.farm.store import Store
from studio.farm.trust.canonical import canonical

What = Literal["job", "bundle", "result", "enrol", "log"]
SKEW_S = 300.0  # that clocks may differ
RESULT_LIFE_S = 30 * 24 * 3600.0  # of a signature under a result, from when its unit was begun
CODE_LIFE_S = 24 * 3600.0
LARGEST_STATEMENT = 64 << 20
LARGEST_BLOCK = 64 << 20
_DOMAIN = b"myriad-farm-1\0"


class Untrusted(BadAsset):
    """A statement that nobody who counts has made, or not about this."""


class Statement(Record, frozen=True):
    """Something that was said and signed. `at` and `until` are seconds since 1970; `key` and `signature` base64."""

    what: What
    body: dict[str, Any]
    key: str
    at: float
    until: float
    once: str
    signature: str = ""


class Key:
    """A private key. It never shows itself."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = _base64(private.public_key().public_bytes_raw())

    @classmethod
    def made(cls) -> Key:
        """A new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def of(cls, seed: bytes) -> Key:
        """The key of 32 secret bytes. Raises UsageError for any other number of them."""
        if len(seed) != 32:
            raise UsageError("that is no signing key; make a new one")
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def seed(self) -> bytes:
        """The 32 secret bytes, for whoever keeps them."""
        return self._private.private_bytes_raw()

    def sign(
        self, what: What, body: object, *, at: float, life_s: float = 7 * 24 * 3600.0, once: str = ""
    ) -> Statement:
        """Say something, for as long as `life_s` seconds. `once` is a number of one's own in place of one by chance."""
        said = Statement(
            what=what,
            body=msgspec.json.decode(canonical(body)),
            key=self.public,
            at=float(at),
            until=float(at + life_s),
            once=once or secrets.token_hex(16),
        )
        return msgspec.structs.replace(said, signature=_base64(self._private.sign(_signed_bytes(said))))

    def __repr__(self) -> str:
        return f"Key({name_of(self.public)})"

    def __reduce__(self) -> str:
        raise TypeError("a signing key is not copied to other processes")


def name_of(public: str) -> str:
    """A short name of a public key, to compare by eye."""
    digest = hashlib.sha256(public.encode()).hexdigest()
    return "-".join(digest[i : i + 4] for i in range(0, 16, 4))


# --- whose keys count ------------------------------------------------------------------------------------------------
class Member(Record, frozen=True):
    """Whose key it is, and since when. `trust` is the level of a node (docs/farm-trust.md).

    A node has a token as well, by which the farm knows who asks; `token` is its SHA-256, all that the farm keeps of it,
    and `until` when it ends. `key` is the public key where a member was looked up by name; a roster has it as the name
    of the entry.
    """

    name: str
    role: Literal["artist", "node", "coordinator"]
    since: float
    trust: int = 3
    token: str = ""
    until: float = 0.0
    key: str = ""


class Revoked(Record, frozen=True):
    """A key that counts no more."""

    at: float
    why: str = ""


class Invitation(Record, frozen=True):
    """A code that a node may come with, as the farm keeps it: what checks it, not what it is."""

    name: str
    check: str
    until: float
    trust: int = 3


class Roster(Record, frozen=True):
    """Whose keys count. A value: what changes it gives a new one."""

    members: dict[str, Member] = msgspec.field(default_factory=dict)  # by public key
    revoked: dict[str, Revoked] = msgspec.field(default_factory=dict)
    invitations: dict[str, Invitation] = msgspec.field(default_factory=dict)  # by the name of the code

    def with_member(self, public: str, member: Member) -> Roster:
        """With a key that a person has seen. Raises UsageError for one that was revoked."""
        if public in self.revoked:
            raise UsageError(f"the key {name_of(public)} was revoked; make a new one")
        return msgspec.structs.replace(self, members={**self.members, public: member})

    def without(self, public: str, *, at: float, why: str = "") -> Roster:
        """With a key that counts no more, whatever it has signed or will sign."""
        members = {key: member for key, member in self.members.items() if key != public}
        return msgspec.structs.replace(
            self, members=members, revoked={**self.revoked, public: Revoked(at=at, why=why[:200])}
        )

    def invite(self, name: NodeId, *, at: float, trust: int = 3, life_s: float = CODE_LIFE_S) -> tuple[str, Roster]:
        """A code for a node, which works once and for a while; the roster does not hold it."""
        code = "-".join(secrets.token_hex(4) for _ in range(4))
        label, check = _code_parts(code)
        invitation = Invitation(name=name, check=check, until=at + life_s, trust=trust)
        return code, msgspec.structs.replace(self, invitations={**self.invitations, label: invitation})

    def enrol(self, request: Statement, *, at: float) -> Roster:
        """With the node that asks, whose code is used up by it. Raises Untrusted."""
        _check_signature(request, "enrol", at)
        label, proof = str(request.body.get("code", "")), str(request.body.get("proof", ""))
        invitation = self.invitations.get(label)
        if invitation is None:
            raise Untrusted("nobody gave this node its code, or it was used already; ask for a new one")
        if not hmac.compare_digest(_proof(invitation.check, request.key), proof):
            raise Untrusted("the node does not know the code that it names; ask for a new one")
        if at > invitation.until:
            raise Untrusted(f'the code of the node "{invitation.name}" has expired; ask for a new one')
        if request.key in self.revoked:
            raise Untrusted(f"the key {name_of(request.key)} was revoked; the node needs a new key and a new code")
        left = {name: other for name, other in self.invitations.items() if name != label}
        member = Member(name=invitation.name, role="node", since=at, trust=invitation.trust)
        return msgspec.structs.replace(self, members={**self.members, request.key: member}, invitations=left)


def enrolment(key: Key, code: str, *, at: float) -> Statement:
    """What a node sends to come onto a roster: that it knows the code, not the code."""
    label, check = _code_parts(code.strip())
    return key.sign("enrol", {"code": label, "proof": _proof(check, key.public)}, at=at, life_s=3600.0)


def _code_parts(code: str) -> tuple[str, str]:
    digest = hashlib.sha512(_DOMAIN + code.encode()).hexdigest()
    return digest[:16], digest[64:]


def _proof(check: str, public: str) -> str:
    return hmac.new(bytes.fromhex(check), public.encode(), "sha256").hexdigest()


# --- checking --------------------------------------------------------------------------------------------------------
def checked(
    said: Statement,
    what: What,
    roster: Roster,
    *,
    at: float,
    role: str = "",
    seen: set[str] | None = None,
) -> Member:
    """Who said it. `seen` are numbers used before, to which its own is added.

    Raises Untrusted for a statement that was changed, is not of this kind, comes from nobody who counts or does no
    more, is not valid yet or any more, or was seen before.
    """
    if said.key in roster.revoked:
        why = roster.revoked[said.key].why
        raise Untrusted(f"the key {name_of(said.key)} was revoked{f' ({why})' if why else ''}; it counts no more")
    member = roster.members.get(said.key)
    if member is None:
        raise Untrusted(f"nobody here knows the key {name_of(said.key)}; enrol it first")
    _check_signature(said, what, at)
    if role and member.role != role:
        raise Untrusted(f'"{member.name}" is no {role} and cannot sign as one')
    if seen is not None:
        if said.once in seen:
            raise Untrusted(f'a statement of "{member.name}" was shown before; it counts once')
        seen.add(said.once)
    return member


def _check_signature(said: Statement, what: What, at: float) -> None:
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(said.key, validate=True))
        public.verify(base64.b64decode(said.signature, validate=True), _signed_bytes(said))
    except (InvalidSignature, ValueError, binascii.Error) as fault:
        raise Untrusted(f"a statement of {name_of(said.key)} is not as it was signed; it was changed on the way") from (
            fault
        )
    if said.what != what:
        raise Untrusted(f"a statement of {name_of(said.key)} is about a {said.what}, not a {what}")
    if at > said.until:
        raise Untrusted(f"a statement of {name_of(said.key)} has expired; it has to be signed again")
    if said.at > at + SKEW_S:
        raise Untrusted(f"a statement of {name_of(said.key)} is of the future; set the clocks of both machines")


def read_statement(data: bytes, where: str) -> Statement:
    """A statement of its JSON. Raises BadAsset for what is none."""
    if len(data) > LARGEST_STATEMENT:
        raise BadAsset(f"{where} is too large for a statement; do not trust it")
    return decoded(data, Statement, where)


def _signed_bytes(said: Statement) -> bytes:
    plain = msgspec.to_builtins(msgspec.structs.replace(said, signature=""))
    return _DOMAIN + canonical({**plain, "signature": ""})


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


# --- what is signed --------------------------------------------------------------------------------------------------
def job_body(job: RenderJob) -> dict[str, Any]:
    """What the artist signs of a job: all of it, under the hash of its bundle."""
    return {"job": job.spec.id, "bundle": job.spec.bundle, "sha256": hashlib.sha256(canonical(job)).hexdigest()}


def result_body(job: RenderJob, lease: Lease, result: Result, *, build: str, t0: float, t1: float) -> dict[str, Any]:
    """What a node signs of a partial."""
    return {
        **_result_facts(job, lease, result),
        "build": build,
        "t0": t0,
        "t1": t1,
    }


def _result_facts(job: RenderJob, lease: Lease, result: Result) -> dict[str, Any]:
    return {
        "job": lease.job,
        "bundle": job.spec.bundle,
        "piece": job.spec.pieces[lease.piece].name,
        "samples": list(result.range),
        "attempt": str(lease.attempt),  # larger than a double holds, one day
        "node": lease.node,
        "key": result.key,
        "digest": result.digest,
        "usage": msgspec.to_builtins(result.usage),
    }


def check_job(said: Statement, job: RenderJob, roster: Roster, *, at: float) -> Member:
    """Who submitted a job. Raises Untrusted unless it is an artist's, and this one to the last setting."""
    member = checked(said, "job", roster, at=at, role="artist")
    if said.body != job_body(job):
        raise Untrusted(f'what "{member.name}" signed is not the job {job.spec.id}; it was changed, submit it again')
    return member


def check_bundle(said: Statement, bundle: str, roster: Roster, *, at: float) -> Member:
    """Whose bundle it is, by its hash."""
    member = checked(said, "bundle", roster, at=at)
    if said.body.get("bundle") != bundle:
        raise Untrusted(f'what "{member.name}" signed is not the bundle {bundle[:12]}; send it again')
    return member


def check_result(said: Statement, job: RenderJob, lease: Lease, result: Result, roster: Roster, *, at: float) -> Member:
    """Which node made a partial. Raises Untrusted when it signed another, for another attempt, or as another node."""
    member = checked(said, "result", roster, at=at, role="node")
    facts = _result_facts(job, lease, result)
    if not owns(member.name, lease.node):
        raise Untrusted(f'the node "{member.name}" signed a result of "{lease.node}"; it was not asked for that')
    differing = next((name for name in facts if said.body.get(name) != facts[name]), "")
    if differing:
        raise Untrusted(
            f'what the node "{member.name}" signed is of another {differing}; a result counts where it was made'
        )
    return member


def signed(result: Result, lease: Lease, job: RenderJob, key: Key, *, build: str = "") -> Result:
    """A result with its node's signature. The same result of the same attempt is signed with the same bits, so one that
    is delivered again, as when no answer came, is the one that was delivered.

    Its times are the coordinator's, who said when the unit began, so that clocks need not agree.
    """
    plain = msgspec.structs.replace(result, signature=None)
    body = result_body(job, lease, plain, build=build, t0=lease.begun, t1=lease.begun + result.usage.render_s)
    once = hashlib.sha256(canonical(body)).hexdigest()[:32]
    said = key.sign("result", body, at=lease.begun, life_s=RESULT_LIFE_S, once=once)
    return msgspec.structs.replace(plain, signature=msgspec.to_builtins(said))


def check_signature(
    result: Result, lease: Lease, job: RenderJob, member: Member, *, at: float | None = None
) -> Statement:
    """The statement under a result. Raises Untrusted unless it is the member's, on this result of this attempt.

    `member` has its `key`, as `Members.member_of` gives it; `at` is now.
    """
    if result.signature is None:
        raise Untrusted(f'the node "{member.name}" has not signed its result; enrol it again, or update it')
    try:
        said = msgspec.convert(result.signature, Statement)
    except msgspec.ValidationError as fault:
        raise Untrusted(f'the signature of the node "{member.name}" cannot be read ({fault})') from fault
    roster = Roster(members={member.key: member})
    plain = msgspec.structs.replace(result, signature=None)
    check_result(said, job, lease, plain, roster, at=time.time() if at is None else at)
    return said


# --- the log ---------------------------------------------------------------------------------------------------------
class Block(Record, frozen=True):
    """Events that were written at once, with the hash of the block before."""

    before: str
    events: tuple[Event, ...]


class Log(Record, frozen=True):
    """A log that was gone through. `heads` are the last hashes by generation, to be remembered or signed."""

    blocks: int
    events: tuple[Event, ...]
    heads: dict[str, str]


def check_log(store: Store, job: JobId, *, heads: Mapping[str, str] | Iterable[str] = ()) -> Log:
    """The log of a job, every block of which names the hash of the one before it.

    Each coordinator that worked at the job (a generation) has a chain of its own, whose first block names the end, as
    it then was, of one before it; none where there was none, or two began at once. `heads` are hashes seen earlier,
    which must still be there: a chain alone does not show that its end is missing. Raises BadAsset where one is broken.
    """
    wanted = set(heads.values() if isinstance(heads, Mapping) else heads)
    chains: dict[str, list[tuple[int, str]]] = {}
    for key, _ in store.list(job_key(job, "events")):
        generation, _, number = key.rsplit("/", 1)[-1].removesuffix(".json").partition("-")
        if not (generation.isdecimal() and number.isdecimal() and len(number) < 12 and len(generation) < 12):
            raise BadAsset(f"{store.name}: {key} is no block of a log; somebody put it there")
        chains.setdefault(generation, []).append((int(number), key))
    events: list[Event] = []
    last: dict[str, str] = {}
    blocks = 0
    earlier = {""}  # what the first block of a generation may name
    for generation in sorted(chains, key=int):
        before = ""
        highest = 0
        hashes = set()
        for place, (index, key) in enumerate(sorted(chains[generation])):
            if index != place:
                raise BadAsset(f"{store.name}: the log of {job} lacks block {place} of generation {int(generation)}")
            data = store.get(key, most=LARGEST_BLOCK)
            block = decoded(data, Block, f"{store.name}: {key}")
            if block.before not in ({before} if place else earlier):
                raise BadAsset(f"{store.name}: {key} does not follow the block before it; the log was changed")
            for event in block.events:
                if event.job != job or event.number <= highest:
                    raise BadAsset(f"{store.name}: {key} has events of another time or job; the log was changed")
                highest = event.number
            events += block.events
            before = hashlib.sha256(data).hexdigest()
            wanted.discard(before)
            hashes.add(before)
            blocks += 1
        earlier |= hashes
        last[generation] = before
    if wanted:
        raise BadAsset(f"{store.name}: the log of {job} lacks blocks that were seen; its end was changed or removed")
    return Log(blocks=blocks, events=tuple(events), heads=last)
