"""All of a studio's performance capture in one place: devices that are open, whom they move, recordings and takes.

It knows no window and no studio. An interface opens sources, calls `act` as often as it draws, and shows `statuses`
and `takes`; a script does the same without one. Everything here is called on one thread. Takes are files in a folder
that whoever made the hub names: that of the project, or the studio's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from studio.errors import BadAsset, CannotWrite, StudioError, UsageError
from studio.figure.capture.frames import COUNT, FaceFrame, Take
from studio.figure.capture.live import LiveFace
from studio.figure.capture.receiver import Counters, Receiver
from studio.figure.capture.recording import Recorder
from studio.figure.capture.retarget import Profile, calibrated
from studio.figure.capture.sources import Source, checked_source
from studio.figure.capture.take_files import SUFFIX, TakeInfo, load_take, save_take, take_info
from studio.figure.capture.wearing import Wearing
from studio.scene.arkit import ARKIT
from studio.scene.entities import Id

_RATE_S = 2.0  # over which frames a second are counted
_CALIBRATED = 60  # frames
_MOST_TAKES = 10_000


@dataclass(slots=True, eq=False)
class Listening:
    """A face that is listened to. `figure` is whom it moves, "" for nobody. Several phones may send to one port, each
    as a subject of its own; those share a receiver."""

    source: Source
    receiver: Receiver
    face: LiveFace
    figure: Id = ""
    recorder: Recorder | None = None
    pose: FaceFrame | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """How a device is, to be shown: `state` is "waiting" before the first frame, then "live", "held" (nothing came for
    a moment), "easing" and "resting"; `rate` are its frames a second."""

    key: str
    source: Source
    state: str
    subject: str
    rate: float
    delay_s: float
    figure: Id
    counters: Counters
    recorded: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A take on the disk; `fault` is the sentence for a file that is none."""

    path: Path
    info: TakeInfo | None
    fault: str = ""


@dataclass(slots=True, eq=False)
class CaptureHub:
    """See above. `folder` names where takes are kept now; `clock` is that of the frames."""

    folder: Callable[[], Path]
    clock: Callable[[], float] = time.monotonic
    listening: dict[str, Listening] = field(default_factory=dict)
    wearing: Wearing = field(default_factory=Wearing)
    watchers: list[Callable[[], None]] = field(default_factory=list)
    stirred: Callable[[], object] | None = None  # called with every packet, on the thread that hears it
    made: list[Path] = field(default_factory=list)  # takes that were kept since it began
    _known: dict[Path, tuple[tuple[int, int], Kept]] = field(default_factory=dict)
    _began: float | None = None

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` when a device, a recording or the takes change, until what this returns is called."""
        self.watchers.append(callback)

        def forget() -> None:
            if callback in self.watchers:
                self.watchers.remove(callback)

        return forget

    def tell(self) -> None:
        """Tell the watchers."""
        for callback in tuple(self.watchers):
            callback()

    # --- devices -----------------------------------------------------------------------------------------------------
    def open(self, source: Source, *, figure: Id = "", profile: Profile | None = None) -> str:
        """Listen to a device; gives its key. One that is open already stays and gets the figure; another subject of an
        open port is heard beside the first. StudioError in a sentence where its port is taken or it cannot be."""
        wanted = checked_source(source)
        receiver = next((o.receiver for o in self._all() if _alike(o, wanted)), None)
        if receiver is None:
            receiver = Receiver(wanted, clock=self.clock, stirred=self._stir)
        key = f"{wanted.kind} {receiver.address[0]}:{receiver.address[1]} {wanted.subject}".strip()
        found = self.listening.get(key)
        if found is None:
            face = LiveFace(None, profile, subject=wanted.subject)
            found = self.listening[key] = Listening(wanted, receiver, face)
            if self._began is not None:
                self._record(found, f"take {len(self.listening)}")
        found.figure = figure or found.figure
        self.tell()
        return key

    def close(self, key: str = "") -> None:
        """Close a device, or all of them. What is recorded of it so far is kept as a take."""
        chosen = [key] if key else list(self.listening)
        for name in chosen:
            found = self._listening(name)
            if found.recorder is not None and len(found.recorder):
                self.keep(found.recorder.take())
            del self.listening[name]
            if all(other.receiver is not found.receiver for other in self._all()):
                found.receiver.close()
        self._began = self._began if self.listening else None
        self.wearing.poses = {i: p for i, p in self.wearing.poses.items() if any(o.figure == i for o in self._all())}
        self.tell()

    def _stir(self) -> None:
        if self.stirred is not None:
            self.stirred()

    def _all(self) -> list[Listening]:
        return list(self.listening.values())

    def _listening(self, key: str) -> Listening:
        found = self.listening.get(key)
        if found is None:
            raise UsageError(f"nothing listens to {key[:80]!r}; open the device first")
        return found

    def the_one(self, key: str = "") -> str:
        """The key of a device: this one, or the only one that is open. UsageError in a sentence otherwise."""
        if key:
            self._listening(key)
            return key
        if len(self.listening) != 1:
            raise UsageError(
                "open a device first" if not self.listening else "several devices are open; say which is meant"
            )
        return next(iter(self.listening))

    def profile(self, key: str) -> Profile:
        """By what a device's frames are filtered and retargeted."""
        return self._listening(key).face.profile

    def set_profile(self, key: str, profile: Profile) -> None:
        """Filter and retarget otherwise from now on."""
        self._listening(key).face.profile = profile
        self.tell()

    def calibrate(self, key: str) -> Profile:
        """Take the last second of a device as the actor's neutral face and head. BadAsset when nothing was heard."""
        face = self._listening(key).face
        self._hear()
        frames = list(face.raw)[-_CALIBRATED:]
        weights = np.array([f.weights for f in frames]).reshape(-1, COUNT)
        head = np.array([f.head_row() for f in frames]).reshape(-1, 6)
        profile = calibrated(face.profile, ARKIT, weights, head)
        self.set_profile(key, profile)
        return profile

    def assign(self, key: str, figure: Id) -> None:
        """Have a device move another figure, or none ("")."""
        found = self._listening(key)
        self.wearing.poses.pop(found.figure, None)
        found.figure = figure
        self.tell()

    # --- acting ------------------------------------------------------------------------------------------------------
    def act(self, now: float | None = None) -> bool:
        """Hear what waits and put everybody's pose of now on their figures; whether a pose differs from before."""
        at = self.clock() if now is None else now
        moved = False
        self._hear()
        for found in self._all():
            before = found.pose
            found.pose = found.face.sample(at)
            if found.pose is None:
                continue
            if found.figure and not _same(before, found.pose, self.wearing.poses.get(found.figure)):
                self.wearing.poses[found.figure] = found.pose
                moved = True
        return moved

    def _hear(self) -> None:
        """Give what was heard to all who listen."""
        for receiver in {id(found.receiver): found.receiver for found in self._all()}.values():
            frames = receiver.drain()
            for found in self._all():
                if frames and found.receiver is receiver:
                    found.face.feed(frames)

    def sample(self, key: str, now: float | None = None) -> FaceFrame | None:
        """A device's filtered pose; None as long as nothing was heard."""
        found = self._listening(key)
        self._hear()
        return found.face.sample(self.clock() if now is None else now)

    def statuses(self, now: float | None = None) -> list[Status]:
        """How all devices are."""
        at = self.clock() if now is None else now
        out = []
        for key, found in self.listening.items():
            face = found.face
            times = [f.time for f in face.raw if at - f.time < _RATE_S]
            span = times[-1] - times[0] if len(times) > 1 else 0.0
            out.append(
                Status(
                    key=key,
                    source=found.source,
                    state=face.state if face.raw else "waiting",
                    subject=face.raw[-1].subject if face.raw else "",
                    rate=(len(times) - 1) / span if span > 0.0 else 0.0,
                    delay_s=face.delay_s,
                    figure=found.figure,
                    counters=found.receiver.counters,
                    recorded=len(found.recorder) if found.recorder is not None else 0,
                )
            )
        return out

    # --- recording ---------------------------------------------------------------------------------------------------
    @property
    def recording(self) -> bool:
        """Whether a recording runs."""
        return self._began is not None

    @property
    def recorded_s(self) -> float:
        """How long it runs already."""
        return 0.0 if self._began is None else self.clock() - self._began

    def record(self, name: str = "take") -> None:
        """Record all devices that are open from now on. UsageError when none is, or a recording runs."""
        if self.recording:
            raise UsageError("a recording runs already; stop it first")
        if not self.listening:
            raise UsageError("open a device first, then record it")
        self._hear()  # what came before is no part of it
        for found in self._all():
            self._record(found, name)
        self._began = self.clock()
        self.tell()

    def _record(self, found: Listening, name: str) -> None:
        found.recorder = Recorder(name, source=found.source.kind, profile=found.face.profile)
        found.face.heard.append(found.recorder.add)

    def stop(self) -> list[Path]:
        """End the recording; a take of every device that said something is kept. BadAsset when none did."""
        if not self.recording:
            raise UsageError("no recording runs")
        self._began = None
        kept: list[Path] = []
        self._hear()
        for found in self._all():
            recorder, found.recorder = found.recorder, None
            if recorder is None:
                continue
            found.face.heard.remove(recorder.add)
            if len(recorder):
                take = recorder.take()
                kept.append(self.keep(replace(take, profile=found.face.profile)))
        self.tell()
        if not kept:
            raise BadAsset("Nothing was heard while the recording ran; see that the device sends, and record again.")
        return kept

    # --- takes -------------------------------------------------------------------------------------------------------
    def keep(self, take: Take) -> Path:
        """Write a take under its name, or one with a number that is free; gives the file."""
        folder = self.folder()
        stem = "".join(c if c.isalnum() or c in " -_." else "_" for c in take.name).strip(" .")[:80] or "take"
        path, n = folder / f"{stem}{SUFFIX}", 1
        while path.exists():
            n += 1
            path = folder / f"{stem} {n}{SUFFIX}"
        save_take(replace(take, name=path.stem), path)
        self.made.append(path)
        self.tell()
        return path

    def takes(self) -> list[Kept]:
        """The takes that are kept, newest first; files that are none come with their fault."""
        folder = self.folder()
        try:
            files = [p for p in folder.iterdir() if p.suffix == SUFFIX][:_MOST_TAKES] if folder.is_dir() else []
            stamped = [(p, (s.st_mtime_ns, s.st_size)) for p in files for s in (p.stat(),)]
        except OSError:
            return []  # the folder went away meanwhile
        out = []
        for path, stamp in sorted(stamped, key=lambda item: (-item[1][0], item[0].name)):
            known = self._known.get(path)
            if known is None or known[0] != stamp:
                known = self._known[path] = (stamp, _kept(path))
            out.append(known[1])
        return out

    def change(self, path: Path, change: Callable[[Take], Take]) -> Take:
        """Change what is kept beside a take's frames: its trim, its profile, its notes. The file keeps its name."""
        take = change(load_take(path))
        save_take(take, path)
        self.tell()
        return take

    def rename(self, path: Path, name: str) -> Path:
        """Give a take another name; gives its file."""
        new = self.keep(replace(load_take(path), name=name))
        self.remove(path)
        return new

    def remove(self, path: Path) -> None:
        """Delete a take."""
        try:
            path.unlink()
        except OSError as fault:
            raise CannotWrite(f"{path} could not be deleted ({fault.strerror or fault}).") from None
        self.tell()


def _alike(found: Listening, source: Source) -> bool:
    """Whether a source's packets come in where another one is heard already."""
    other = found.source
    return (other.kind, other.host, other.port, other.peer) == (source.kind, source.host, source.port, source.peer) or (
        (other.kind, *found.receiver.address) == (source.kind, source.host, source.port)
    )


def _kept(path: Path) -> Kept:
    try:
        return Kept(path, take_info(path))
    except StudioError as fault:
        return Kept(path, None, str(fault))


def _same(before: FaceFrame | None, now: FaceFrame, worn: FaceFrame | None) -> bool:
    return (
        before is not None
        and worn is not None
        and before.head_deg == now.head_deg
        and before.extra == now.extra
        and bool(np.array_equal(before.weights, now.weights))
    )
