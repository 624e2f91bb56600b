"""Who belongs to a farm: machines of others that were invited, each with a name, a level of trust, a key and a token.

    roster.json    whose keys and tokens count, and who may come (`signing.Roster`)
    roster.lock    held by whoever changes it

A person invites a node by name and gives its owner a code. The node proves that it knows the code, and has a token from
then on, which says who asks, and a key, which says who made a result. Of code and token the farm keeps only what checks
them, so nobody who reads the roster can come in by it. Whoever is revoked is out at the next request: the file is
looked at each time, and read when it has changed, so a command line and a coordinator that runs may both change it.

The house's own token stays apart from all this: whoever has it is a machine of the house.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from studio.errors import CannotWrite, UsageError
from studio.farm.desk import Guest, owns
from studio.farm.model import NodeId
from studio.farm.session import farm_folder
from studio.farm.trust.keys import read_roster, write_roster
from studio.farm.trust.membership import Membership as Membership
from studio.farm.trust.membership import kept_membership as kept_membership
from studio.farm.trust.signing import CODE_LIFE_S, Member, Roster, Statement, Untrusted
from studio.farm.wire import House
from studio.render.queue_store import locked

TOKEN_LIFE_S = 366 * 24 * 3600.0
LONGEST_NAME = 64
_Stamp = tuple[int, int, int]


def house_folder() -> Path:
    """The user's folder of what a coordinator keeps for itself."""
    return farm_folder() / "house"


class Members:
    """The members of a farm, and its doorkeeper. Any thread and any number of processes may use a folder at once.

    `house` is the token of the house's own machines; "" lets in members alone.
    """

    def __init__(self, folder: Path, *, house: str = "", clock: Callable[[], float] = time.time) -> None:
        self._file, self._lock_file = folder / "roster.json", folder / "roster.lock"
        self._house = House(house) if house else None
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp: _Stamp | None = None
        self._roster = Roster()
        self._tokens: dict[str, Member] = {}

    @property
    def roster(self) -> Roster:
        """Whose keys count now. Raises BadAsset for a file that is damaged."""
        return self._read()[0]

    # --- at the door -------------------------------------------------------------------------------------------------
    def admit(self, token: str) -> Guest | None:
        """Whose token it is. Members are looked up by the hash of what came, which says nothing of any token.

        Raises BadAsset for a roster that is damaged; the house comes in all the same.
        """
        house = self._house.admit(token) if self._house is not None else None
        if house is not None:
            return house
        if not token:
            return None
        check = _check(token)
        member = self._read()[1].get(check)
        if member is None or not hmac.compare_digest(member.token, check) or self._clock() > member.until:
            return None
        return Guest(node=member.name, trust=member.trust)

    def member_of(self, node: NodeId) -> Member | None:
        """The member whose node it is, with its key; None for a machine of the house, or of one who was revoked."""
        for public, member in self.roster.members.items():
            if member.role == "node" and owns(member.name, node):
                return msgspec.structs.replace(member, key=public)
        return None

    # --- who comes and goes ------------------------------------------------------------------------------------------
    def invite(self, name: NodeId, trust: int = 3, *, life_s: float = CODE_LIFE_S) -> str:
        """A code by which a node of a name may enrol, once and for a while.

        Raises UsageError for a name that cannot be or that a member has.
        """
        _check_name(name)
        if not 0 <= trust <= 3:
            raise UsageError(f"{trust} is no level of trust; it is 0 to 3")
        code = ""

        def change(roster: Roster, now: float) -> Roster:
            nonlocal code
            if _member_named(roster, name) is not None:
                raise UsageError(f'there is a member "{name}" already; revoke it first, or choose another name')
            left = {
                label: one for label, one in roster.invitations.items() if one.until >= now and one.name != name
            }  # an earlier code of the same name counts no more
            code, roster = msgspec.structs.replace(roster, invitations=left).invite(
                name, at=now, trust=trust, life_s=life_s
            )
            return roster

        self.change(change)
        return code

    def enrol(self, said: Statement) -> str:
        """The token of a node that proves that it knows a code, which is used up by it. Raises Untrusted."""
        token = secrets.token_urlsafe(32)

        def change(roster: Roster, now: float) -> Roster:
            after = roster.enrol(said, at=now)
            member = after.members[said.key]
            holder = _member_named(roster, member.name)
            if holder not in (None, said.key):
                raise Untrusted(f'there is a member "{member.name}" already; it has to be revoked first')
            known = roster.members.get(said.key)
            if known is not None and (known.name, known.role) != (member.name, member.role):
                raise Untrusted(f'the key is that of "{known.name}"; a node has a key of its own')
            complete = msgspec.structs.replace(member, token=_check(token), until=now + TOKEN_LIFE_S)
            return msgspec.structs.replace(after, members={**after.members, said.key: complete})

        self.change(change)
        return token

    def revoke(self, name: NodeId, why: str = "") -> None:
        """Let a member, or who was invited under a name, in no more; nothing that it signed is taken from now on.

        Raises UsageError when there is nobody of that name.
        """

        def change(roster: Roster, now: float) -> Roster:
            public = _member_named(roster, name)
            left = {label: one for label, one in roster.invitations.items() if one.name != name}
            if public is None and len(left) == len(roster.invitations):
                raise UsageError(f"there is no member {name[:LONGEST_NAME]!r}; studio farm members list names them")
            after = msgspec.structs.replace(roster, invitations=left)
            return after if public is None else after.without(public, at=now, why=why)

        self.change(change)

    def change(self, change: Callable[[Roster, float], Roster]) -> Roster:
        """Write what `change` makes of the roster, which is given the time too; nobody else changes it meanwhile.

        Raises what `change` raises, and CannotWrite; then nothing has changed.
        """
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as fault:
            reason = (fault.strerror or str(fault)).lower()
            raise CannotWrite(f"the folder {self._file.parent} cannot be made: {reason}") from fault
        with locked(self._lock_file):
            roster = change(read_roster(self._file), self._clock())
            write_roster(self._file, roster)
        return roster

    def _read(self) -> tuple[Roster, dict[str, Member]]:
        """The roster, and its members by the hashes of their tokens."""
        with self._lock:
            try:
                found = self._file.stat()
                stamp: _Stamp | None = (found.st_mtime_ns, found.st_size, found.st_ino)
            except FileNotFoundError:
                stamp = None
            except OSError as fault:
                reason = (fault.strerror or str(fault)).lower()
                raise CannotWrite(f"the roster {self._file} cannot be looked at: {reason}") from fault
            if stamp != self._stamp:
                self._roster = read_roster(self._file)
                self._tokens = {m.token: m for m in self._roster.members.values() if m.role == "node" and m.token}
                self._stamp = stamp
            return self._roster, self._tokens


def _check(token: str) -> str:
    """What the farm keeps of a token. It has 256 bits by chance, so that nothing slower than a hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def _member_named(roster: Roster, name: NodeId) -> str | None:
    """The key of the node of a name."""
    return next((key for key, m in roster.members.items() if m.role == "node" and m.name == name), None)


def _check_name(name: NodeId) -> None:
    plain = name.isprintable() and name == name.strip() and not set(name) & set("/\\\"'")
    if not name or len(name) > LONGEST_NAME or not plain:
        wanted = f"1 to {LONGEST_NAME} letters, no slashes and no quotes"
        raise UsageError(f"{name[:LONGEST_NAME]!r} is no name of a node, which has {wanted}")
