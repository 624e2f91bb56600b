"""The checks of `inspector` at work: rendered again on this machine, remembered, and out of the way of others.

    secret              what decides which units are checked; readable by its owner alone
    reputations.json    what is known of each machine that was ever checked

Several coordinators of one house share that file: each writes what it knows more than the others, and hears of whom
they have caught. One that is damaged while they run is kept aside, and written anew with what they know; none begins
with one.

A check may take minutes, and a node that delivers waits for its answer on a connection. So checks run in threads of
their own, each once however often the same is delivered, and who asks is told after a while to ask again, which keeps
its lease. Parts of units are rendered again by one session, which is started when it is first needed and ended when it
was not for some minutes.

Nodes of level 2 and 3 must be members and sign their results; what a member signed is checked before anything else.
"""

from __future__ import annotations

import os
import secrets
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Protocol

import msgspec

from studio.errors import BadAsset, CannotWrite, UsageError
from studio.farm.bundles.node_cache import NodeCache
from studio.farm.jobs import RenderJob, crop_of
from studio.farm.live.job import edited, seen
from studio.farm.model import JobId, Lease, NodeId, NodeInfo, Piece, Range, Result
from studio.farm.rounds import Choices, cut_out
from studio.farm.store import Store
from studio.farm.trust.inspector import Check, Inspector, Reputation, Rerender, TrustPolicy
from studio.farm.trust.signing import Member, Untrusted, check_signature
from studio.render.checkpoint import header_of
from studio.render.film import Crop, Film
from studio.render.output import replacing
from studio.render.partial import Header
from studio.render.session import INTERRUPTED, RenderSession
from studio.scene.flat import FlatScene
from studio.scene.flat_camera import active_camera
from studio.scene.flatten import flatten

WAIT_S = 20.0  # that a node is let wait for a check, less than its connection does
IDLE_S = 300.0  # until the session that checks is ended
THREADS = 4
SIGNED = 2  # the level from which on results must be signed
MOST_WAITING = 256  # checks whose outcome nobody has come for
LARGEST = 64 << 20
MOST_NOTES = 100
_Stamp = tuple[int, int, int]


class Roll(Protocol):
    """Who belongs to the farm (`studio.farm.trust.members.Members`)."""

    def member_of(self, node: NodeId) -> Member | None:
        """The member whose node it is; None for a machine of the house."""


class Looks:
    """Runs checks, each once by its name. Any thread may ask."""

    def __init__(self, *, threads: int = THREADS, wait_s: float = WAIT_S) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="studio-farm-check")
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._running: dict[str, Future[None]] = {}
        self._latest: dict[int, Future[None]] = {}  # by attempt

    def look(self, name: str, attempt: int, check: Callable[[], None]) -> None:
        """Have a check made, or wait for the one of that name; raises what it raises, and CannotWrite when it takes
        longer than one can be let wait, or another of that attempt is not done: who delivers a thousand versions of one
        partial keeps no others waiting."""
        with self._lock:
            future = self._running.get(name)
            if future is None:
                self._tidy()
                if attempt in self._latest:
                    raise CannotWrite("another partial of this attempt is being checked; wait for it")
                try:
                    future = self._running[name] = self._latest[attempt] = self._pool.submit(check)
                except RuntimeError as fault:  # it was closed
                    raise CannotWrite("the coordinator is about to end; deliver to the next one") from fault
        wait([future], self._wait_s)
        if not future.done():
            raise CannotWrite("the partial is being checked; ask again in a while")
        with self._lock:
            if self._running.get(name) is future:
                del self._running[name]
        try:
            future.result()
        except CancelledError as fault:
            raise CannotWrite("the coordinator is about to end; deliver to the next one") from fault

    def _tidy(self) -> None:
        """Forget what is done, and outcomes that nobody has come for, as of nodes that died while they waited."""
        self._latest = {attempt: future for attempt, future in self._latest.items() if not future.done()}
        done = [name for name, future in self._running.items() if future.done()]
        for name in done[: max(len(self._running) - MOST_WAITING, 0)]:
            del self._running[name]

    def close(self) -> None:
        """Begin no more checks; wait for those that run."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class Darkroom:
    """Renders parts of units again on a device of this machine: the `Rerender` of an `Inspector`. One at a time."""

    def __init__(
        self,
        store: Store,
        cache: Path,
        *,
        device: str = "auto",
        threads: int = 0,
        idle_s: float = IDLE_S,
        open_session: Callable[[], RenderSession] | None = None,
    ) -> None:
        self._store, self._cache, self._idle_s = store, NodeCache(cache), idle_s
        self._choices = Choices(store)
        self._open = open_session or (lambda: RenderSession(device=device, threads=threads))
        self._session: RenderSession | None = None
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._used = time.monotonic()

    def __call__(
        self, job: RenderJob, piece: Piece, samples: Range, crop: Crop, blocks: str = ""
    ) -> tuple[Film, Header]:
        """The film of some pixels and all samples of a unit, which is of some blocks or of all. Raises StudioError when
        it cannot be rendered now."""
        with self._lock:
            if self._closing.is_set():
                raise CannotWrite("the coordinator is about to end")
            if self._session is None:
                self._session = self._open()
            flat, following = self._flat(job, piece.frame)
            settings = msgspec.structs.replace(
                job.settings, crop=crop, first_sample=samples[0], samples=samples[1] - samples[0]
            )
            stop = lambda: INTERRUPTED if self._closing.is_set() else ""  # noqa: E731  one word of a call
            only = self._choices.pixels(job, piece, samples, blocks)
            if only is not None:
                only = cut_out(only, crop_of(job, piece), crop)
            result = self._session.render_frame(flat, settings, following=following, stop=stop, only=only)
            self._used = time.monotonic()
            if result.stopped:
                raise CannotWrite("the coordinator is about to end")
            return result.film, header_of(flat, settings, self._session.info, following=following)

    def _flat(self, job: RenderJob, frame: float) -> tuple[FlatScene, FlatScene | None]:
        """A frame of a job's scene, and the next one where motion is asked for, as a node has them."""
        scene = edited(self._cache.scene(self._store, job.spec.bundle, job.scene), job)
        flat = seen(scene, job, frame)
        if "motion" not in job.settings.aovs or job.spec.live:
            return flat, None
        camera = job.camera or active_camera(scene, frame)
        return flat, flatten(scene, frame + 1, previous=flat, camera=camera)

    def rest(self) -> None:
        """End the session when it was not needed for a while. A check that runs is not waited for."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._session is not None and time.monotonic() - self._used > self._idle_s:
                self._session.close()
                self._session = None
        finally:
            self._lock.release()

    def close(self) -> None:
        """End what is rendered, and the session."""
        self._closing.set()
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None
        self._cache.close()


class Inspection:
    """What a coordinator has every delivery go through: give `look` and `inspect` to its `Service`.

    `folder` is that of the house. `node` says what nodes say of themselves, `members` who has to sign; `told` hears of
    every check, and `caught` of a machine that another coordinator of this house has caught. Without `signed` nobody
    but members has to sign, whatever the level of a node: for farms that have no members. Call `tick` now and then with
    the jobs that are not over, and `close` at the end.
    """

    def __init__(
        self,
        folder: Path,
        rerender: Rerender,
        *,
        node: Callable[[NodeId], NodeInfo | None],
        members: Roll | None = None,
        signed: bool = True,
        policy: TrustPolicy | None = None,
        told: Callable[[Check], None] = lambda check: None,
        caught: Callable[[NodeId], None] = lambda maker: None,
        wait_s: float = WAIT_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._caught = caught
        self._notes: list[str] = []
        self._file = folder / "reputations.json"
        self._node, self._members, self._signed, self._told = node, members, signed, told
        self._looks = Looks(wait_s=wait_s)
        self.look = self._looks.look
        self._stamp = _stamp_of(self._file)  # of the file as it was read or written last
        self._kept = self._there = read_reputations(self._file)
        self._saving = threading.Lock()
        self._inspector = Inspector(
            node=node,
            rerender=rerender,
            secret=secret_of(folder / "secret"),
            policy=policy,
            reputations=self._kept,
            listener=self._heard,
        )

    @property
    def reputations(self) -> dict[str, Reputation]:
        """What is known of machines by now, here and in the file."""
        return _together(dict(self._inspector.reputations), self._there)

    def notes(self) -> list[str]:
        """Sentences for whoever runs the farm, each once."""
        with self._saving:
            notes, self._notes = self._notes, []
        return notes

    def inspect(self, job: RenderJob, lease: Lease, result: Result, film: Film, header: Header) -> None:
        """Raises Forged for a partial that was made up, Untrusted for one that nobody who counts has signed, and
        CannotWrite when it cannot be checked now."""
        self._check_signed(job, lease, result)
        self._inspector.inspect(job, lease, result, film, header)

    def _check_signed(self, job: RenderJob, lease: Lease, result: Result) -> None:
        info = self._node(lease.node)
        member = self._members.member_of(lease.node) if self._members is not None else None
        if member is not None:
            check_signature(result, lease, job, member, at=self._clock())
        elif self._signed and (info is None or info.trust >= SIGNED):
            raise Untrusted(f'the node "{lease.node}" is no member of the farm, so its results are signed by nobody')

    def _heard(self, check: Check) -> None:
        try:
            if not check.sound:  # whoever forged is known as that whatever happens next
                self.save()
        finally:
            self._told(check)

    def probe(self, node: NodeId, turn: str) -> tuple[JobId, int, Result] | None:
        """What a node is to render though its answer is known; None mostly (`Inspector.probe`)."""
        return self._inspector.probe(node, turn)

    def tick(self, jobs: Iterable[JobId]) -> None:
        """Write down what was learned of nodes, and forget what was delivered of jobs that are over."""
        self._inspector.forget(set(jobs))
        self.save()

    def save(self) -> None:
        """Write down what is known of nodes, where that has changed, and hear what others have written. Raises
        CannotWrite."""
        caught: list[NodeId] = []
        try:
            with self._saving:
                self._save(caught)
        finally:  # those of others are caught whether or not anything can be written
            for maker in caught:
                self._caught(maker)

    def _save(self, caught: list[NodeId]) -> None:
        mine = dict(self._inspector.reputations)  # what is learned from here on is for the next time
        stamp = _stamp_of(self._file)
        if mine == self._kept and stamp == self._stamp:
            return
        there, known = self._read_again(), _together(mine, self._there)
        caught += (maker for maker, r in there.items() if r.blocked and not known.get(maker, Reputation()).blocked)
        self._there = now = _together(known, there)
        if now != there:
            with replacing(self._file) as temporary:
                temporary.write_bytes(msgspec.json.format(msgspec.json.encode(now, order="deterministic"), indent=1))
                stamp = _stamp_of(temporary)  # which it keeps
        self._kept, self._stamp = mine, stamp

    def _read_again(self) -> dict[str, Reputation]:
        """What the file has by now; one that is damaged is kept aside and has nothing. Raises CannotWrite for one that
        cannot be read, which says nothing of what is in it."""
        try:
            return read_reputations(self._file)
        except BadAsset as fault:
            if isinstance(fault.__cause__, OSError):
                raise CannotWrite(f"{str(fault).partition(';')[0]}; what is learned of nodes is not kept") from fault
            aside = _aside(self._file)
        self._notes = [
            *self._notes[-MOST_NOTES:],
            f"{self._file} was damaged and is kept as {aside.name}; it was written anew with what this coordinator "
            "knows of machines",
        ]
        return {}

    def close(self) -> None:
        """Wait for the checks that run, and write down what was learned."""
        self._looks.close()
        self.save()


# --- what the house keeps --------------------------------------------------------------------------------------------
def secret_of(path: Path) -> bytes:
    """The secret of a file, which is made where there is none. Raises UsageError for one that others can read."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            if sys.platform != "win32" and stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise UsageError(f"the secret {path} can be read by others; remove it, and a new one is made") from None
            found = path.read_bytes()[:64]
            if len(found) < 16:
                raise BadAsset(f"{path} is cut short; remove it, and a new one is made") from None
            return found
        made = secrets.token_bytes(32)
        with open(handle, "wb") as file:
            file.write(made)
            file.flush()
            os.fsync(file.fileno())
        return made
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise CannotWrite(f"the secret {path} cannot be kept: {reason}; choose another folder") from fault


def _together(a: dict[str, Reputation], b: dict[str, Reputation]) -> dict[str, Reputation]:
    """What is known of machines by two accounts."""
    return a | {maker: _most(a[maker], found) if maker in a else found for maker, found in b.items()}


def _most(a: Reputation, b: Reputation) -> Reputation:
    """What two coordinators know of a machine together, at the least."""
    return Reputation(**{name: max(getattr(a, name), getattr(b, name)) for name in Reputation.__struct_fields__})


def read_reputations(path: Path) -> dict[str, Reputation]:
    """What is known of machines. Raises BadAsset for a file that is damaged: a forger in it would be forgotten."""
    try:
        if path.stat().st_size > LARGEST:
            raise BadAsset(f"{path} is too large for what is known of nodes; put back a copy")
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Reputation])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        reason = (fault.strerror or str(fault)).lower() if isinstance(fault, OSError) else str(fault)
        raise BadAsset(
            f"{path} cannot be read ({reason}); put back a copy, or remove it, which forgets who was caught"
        ) from fault


def _stamp_of(path: Path) -> _Stamp | None:
    """What changes with a file; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise CannotWrite(f"{path} cannot be looked at: {reason}") from fault
    return found.st_mtime_ns, found.st_size, found.st_ino


def _aside(path: Path) -> Path:
    """Put a file under a name of its own beside where it was; the name."""
    number = 1
    while (aside := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
        number += 1
    try:
        path.rename(aside)
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise CannotWrite(f"{path} is damaged and cannot be put aside: {reason}") from fault
    return aside
