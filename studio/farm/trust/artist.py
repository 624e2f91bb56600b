"""The artist's name under what is sent: a key of their own, statements in the store, and whose key is whose.

    jobs/<id>/job.sig       this job, to the last setting, is what I want rendered
    bundles/<hash>.sig      these are my files

The key is made once on the artist's machine and stays there, in the keyring of the operating system or in a file of
mode 0600. Without a key nothing is signed. The statement of a job names the hash of its bundle, so it is the one that
counts; it is written before the job, so nobody ever sees a job whose signature is still on its way. Who sends a job
again puts their own name under it. A bundle may belong to jobs of several artists: whoever signed it first stays.

Names go with keys in a list that each machine keeps for itself (`artists.json`): a name in a store proves nothing.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from studio.errors import BadAsset, Unsupported, UsageError
from studio.farm.bundles.manifest import bundle_key
from studio.farm.jobs import RenderJob, job_key
from studio.farm.model import Record
from studio.farm.session import farm_folder
from studio.farm.store import Store
from studio.farm.trust.keys import keep_key, kept_key, read_key, read_roster, write_key, write_roster
from studio.farm.trust.signing import (
    Key,
    Member,
    Roster,
    Statement,
    Untrusted,
    check_bundle,
    check_job,
    job_body,
    name_of,
    read_statement,
)

NAME = "artist"  # of the key in the keyring
LIFE_S = 366 * 24 * 3600.0  # of a signature
LARGEST = 64 << 10


class Signed(Record, frozen=True):
    """What became of the signature under a job: whose it is, as far as this machine knows, and whether it holds; and
    whose the files of its bundle are, "" when nobody known says so."""

    by: str
    key: str
    holds: bool
    why: str = ""
    files: str = ""


# --- the artist's own key --------------------------------------------------------------------------------------------
def key_file() -> Path:
    """Where the key is, where there is no keyring."""
    return farm_folder() / "artist.key"


def artists_file() -> Path:
    """Whose key is whose, as this machine was told."""
    return farm_folder() / "artists.json"


def own_key() -> Key | None:
    """The artist's key; None when there is none. Raises BadAsset or UsageError for a file that is none of theirs."""
    if key_file().exists():
        return read_key(key_file())
    try:
        return kept_key(NAME)
    except Unsupported:
        return None


def make_key(name: str) -> tuple[Key, str]:
    """A key for an artist of a name, who is on this machine's list from now on; and where it is kept.

    Raises UsageError where there is a key already: what it signed would become nobody's.
    """
    if not name.strip() or len(name) > 80 or not name.isprintable():
        raise UsageError("say whose key it is, by --name; a name has 1 to 80 letters")
    if own_key() is not None:
        raise UsageError("there is a key already, see studio farm key show; take it away by hand to make another")
    key = Key.made()
    try:
        keep_key(NAME, key)
        place = "the keyring"
    except Unsupported:
        write_key(key_file(), key)
        place = str(key_file())
    trust(key.public, name.strip())
    return key, place


def trust(public: str, name: str, *, file: Path | None = None) -> None:
    """Put an artist's public key, which a person has compared, onto a list. Raises UsageError for what is no key."""
    import base64

    try:
        fits = len(base64.b64decode(public, validate=True)) == 32
    except ValueError:
        fits = False
    if not fits:
        raise UsageError(f"{public[:60]!r} is no public key; it is what studio farm key show prints")
    place = file or artists_file()
    write_roster(place, read_roster(place).with_member(public, Member(name=name, role="artist", since=time.time())))


def revoke(who: str, *, why: str = "", file: Path | None = None) -> str:
    """Take an artist, by name or public key, from a list: their key counts no more. Gives the key's short name."""
    place = file or artists_file()
    roster = read_roster(place)
    found = [key for key, member in roster.members.items() if who in (key, member.name, name_of(key))]
    if len(found) != 1:
        raise UsageError(f"{len(found) or 'no'} keys in {place} are of {who[:60]!r}; name one as key show does")
    write_roster(place, roster.without(found[0], at=time.time(), why=why))
    return name_of(found[0])


def artists(file: Path | None = None) -> Roster:
    """Whose key is whose. Raises BadAsset for a list that is damaged, or one that was named and is not there."""
    if file is not None and not file.is_file():
        raise BadAsset(f"there is no list of artists {str(file)[:200]!r}; make one by studio farm key trust")
    return read_roster(file or artists_file())


# --- signing ---------------------------------------------------------------------------------------------------------
def sign(store: Store, job: RenderJob, key: Key) -> None:
    """Put the artist's name under a job and its bundle."""
    now = time.time()
    bundle = msgspec.json.encode(key.sign("bundle", {"bundle": job.spec.bundle}, at=now, life_s=LIFE_S))
    if not store.put(_bundle_place(job), bundle, once=True) and not _holds(store, job):
        store.put(_bundle_place(job), bundle)
    sign_job(store, job, key)


def sign_job(store: Store, job: RenderJob, key: Key) -> None:
    """Put the artist's name under a job alone, as under one of many of the same bundle."""
    said = key.sign("job", job_body(job), at=time.time(), life_s=LIFE_S)
    store.put(_job_place(job), msgspec.json.encode(said))


def signed_by(store: Store, job: RenderJob, roster: Roster) -> Signed | None:
    """Whose a job is and whether that holds; None for one that nobody signed."""
    if store.size(_job_place(job)) is None:
        return None
    said: Statement | None = None
    try:
        said = _read(store, _job_place(job))
        member = check_signed(store, job, roster, said=said)
    except BadAsset as fault:
        key = said.key if said is not None else ""
        known = roster.members.get(key)
        return Signed(by=known.name if known else "", key=name_of(key) if key else "", holds=False, why=str(fault))
    return Signed(by=member.name, key=name_of(said.key), holds=True, files=_owner(store, job, roster))


def check_signed(store: Store, job: RenderJob, roster: Roster, *, said: Statement | None = None) -> Member:
    """The artist whose job it is. Raises Untrusted for one that no artist of the roster has signed as it is."""
    place = _job_place(job)
    if said is None and store.size(place) is None:
        raise Untrusted(f"nobody has signed the job {job.spec.id}; its artist needs a key (studio farm key make)")
    return check_job(said or _read(store, place), job, roster, at=time.time())


def _owner(store: Store, job: RenderJob, roster: Roster) -> str:
    """Whose the files of a bundle are; "" when no artist of the roster says so."""
    if store.size(_bundle_place(job)) is None:
        return ""
    try:
        owner = check_bundle(_read(store, _bundle_place(job)), job.spec.bundle, roster, at=time.time())
    except BadAsset:
        return ""
    return owner.name if owner.role == "artist" else ""


def _holds(store: Store, job: RenderJob) -> bool:
    """Whether somebody, known or not, has truly signed a bundle."""
    try:
        said = _read(store, _bundle_place(job))
    except BadAsset:
        return False
    anybody = Roster(members={said.key: Member(name="somebody", role="artist", since=0.0)})
    return _owner(store, job, anybody) != ""


def guard(store: Store, job: RenderJob, roster: Roster) -> None:
    """What a node asks before it works at a job. It raises Unsupported, with which a node passes a job on to others:
    whom one node does not know another may."""
    try:
        check_signed(store, job, roster)
    except BadAsset as fault:
        raise Unsupported(f"this node works for artists that it knows alone: {fault}") from fault


def _job_place(job: RenderJob) -> str:
    return job_key(job.spec.id, "job.sig")


def _bundle_place(job: RenderJob) -> str:
    return f"{bundle_key(job.spec.bundle)}.sig"


def _read(store: Store, place: str) -> Statement:
    return read_statement(store.get(place, most=LARGEST), f"{store.name}: {place}")
