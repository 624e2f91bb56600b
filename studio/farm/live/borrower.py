"""A live view borrows the nodes of a farm: what it wants goes to a store, and what nodes deliver comes back as films.

The scene is sent once, as a bundle. After that an edit is a line of text in the next job
(`studio.scene.scene_changes`); only what brings new geometry or pictures is sent as a bundle again, and of that only
what the store has not. Every wish of the view is a job of its own, the one before is taken off the list and given up by
its nodes at their next report, and what is delivered late for it is not looked at. So a picture never mixes two scenes;
the digest of the scene in every partial, which has to be the view's own, is the proof.

While edits follow one another faster than nodes can answer, the newest waits until the one at work has brought
something or the hand has rested for a moment. A thread of its own does all this; nothing here makes its caller wait.
"""

from __future__ import annotations

import collections
import contextlib
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from studio.errors import BadAsset, Cancelled, CannotWrite, StudioError
from studio.farm.bundles.manifest import bundle_key
from studio.farm.bundles.portable import portable_changes
from studio.farm.jobs import RenderJob, claim_on, job_key, write_job
from studio.farm.live.desk import Stand, Wish, end_session, job_name, read_stand, sweep, write_wish
from studio.farm.live.job import Base, live_job
from studio.farm.model import Needs, Range, Result
from studio.farm.orders import works
from studio.farm.ranges import Ranges
from studio.farm.store import Store
from studio.farm.submission import send_scene
from studio.farm.verify import check_partial, largest_part
from studio.render.checkpoint import build_id
from studio.render.film import Film
from studio.render.live_share import Offer
from studio.render.partial import Header
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene
from studio.scene.project import save_project
from studio.scene.scene import Scene
from studio.scene.scene_changes import SceneChanges, changes

BEAT_S = 10.0
CALM_S = 0.2  # without a newer wish, before one that has brought nothing is given up for the next
POLL_S = 0.2
FAR_POLL_S = 1.0  # where every look costs a request to a bucket
CLOSE_S = 10.0
SWEEP_S = 20.0  # until what a job left in the store is removed: its nodes have let go by then
RATE_S = 6.0  # over which samples a second are measured
AGAIN_S = 2.0  # after a store that does not answer
LOOK_S = 5.0  # between two looks whether a coordinator is there
MOST_TRIES = 10  # of taking what cannot be read
SETTLE_S = 5.0  # that a coordinator has to look at a wish, or to begin, before what it does not do is told
NO_COORDINATOR = "No coordinator works at this store; start one with studio farm serve."
NO_NODES = "Nobody is there: the farm has no nodes now; start some with studio farm worker."
NONE_FIT = (
    "None of the farm's nodes can help: they have another build of the studio, or are not trusted with this scene."
)
_CLAIM = re.compile(r"(\d{1,12})-(\d{1,12})(?:\.\d{1,2})?\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a view wants rendered elsewhere: samples of a film of a scene at a frame. `flat` is how it sees that scene,
    its camera included, `generation` its own number for the film, and `settings` are those of the whole film."""

    generation: int
    scene: Scene
    flat: FlatScene
    settings: RenderSettings
    ranges: tuple[Range, ...]

    @classmethod
    def of(cls, offer: Offer, scene: Scene) -> Wanted:
        """What a live render offers of a scene."""
        return cls(
            generation=offer.generation,
            scene=scene,
            flat=offer.flat,
            settings=offer.settings,
            ranges=offer.ranges,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """How borrowing stands. `sentence` is for the artist, "" when there is nothing to say; `fault` says that something
    is wrong, and `passes` that it may be over without another wish. `sending` are bytes of a scene that are in the
    store, and all of them, while it is sent. `bytes` and `seconds` are those of sending the last wish, `whole` whether
    the scene was sent anew for it.
    """

    at_work: int = 0  # nodes
    fit: int = 0
    nodes: int = 0  # of the farm
    samples: int = 0  # that came for the film of now
    samples_s: float = 0.0
    sentence: str = ""
    fault: bool = False
    passes: bool = False
    sending: tuple[int, int] = (0, 0)
    bytes: int = 0
    seconds: float = 0.0
    whole: bool = False


Deliver = Callable[[Film, Range, int, Header], bool]  # film, samples, generation; whether it was still wanted


class _AnotherScene(BadAsset):
    """A partial is of another scene than what was asked for."""


class _SentAnew(_AnotherScene):
    """And that scene is about to be sent whole, so nothing is wrong with it yet."""


@dataclass(slots=True, eq=False)
class _Job:
    """A job that is out."""

    job: RenderJob
    range: Range
    seen: set[str] = field(default_factory=set)  # claims
    tries: dict[str, int] = field(default_factory=dict)
    taken: Ranges = field(default_factory=Ranges)

    @property
    def left(self) -> bool:
        return self.taken.size < self.range[1] - self.range[0]


class Borrower:
    """A view's side of borrowing. Use it in a `with`, or close it.

    `deliver` gets films, and `told` how it stands, both from the thread here. `want` may be called from any thread.
    Nodes that are less trusted than `trust` never see the scene; `device` keeps to one class of device. `poll_s` is how
    often the store is looked at, 0 as suits its kind.
    """

    def __init__(
        self,
        store: Store,
        *,
        deliver: Deliver,
        told: Callable[[Loan], None] = lambda loan: None,
        poll_s: float = 0.0,
        device: str = "",
        trust: int = 1,
        folder: Path | None = None,
    ) -> None:
        self.store = store
        self.session = secrets.token_hex(6)
        self.loan = Loan(sentence="Asking for nodes.")
        self._deliver, self._told = deliver, told
        self._poll_s = poll_s or (FAR_POLL_S if "://" in store.name else POLL_S)
        self._needs = Needs(build=build_id(), device=device, trust=trust)
        self._made = folder is None
        self._folder = folder or Path(tempfile.mkdtemp(prefix="myriad-live-"))
        self._condition = threading.Condition()
        self._wanted: Wanted | None = None
        self._wanted_at = 0.0
        self._closed = False
        self._out: list[_Job] = []
        self._out_for: Wanted | None = None
        self._digest = ""
        self._base: Base | None = None
        self._renewed = False  # the scene was sent anew because nodes saw another
        self._number = self._beat = 0
        self._beaten = self._looked = -BEAT_S
        self._works = self._answers = False
        self._refused = ""  # why what is wanted now cannot be had
        self._started = self._wished = time.monotonic()  # when something else was wanted last
        self._old: list[tuple[float, str]] = []
        self._came: collections.deque[tuple[float, int]] = collections.deque()
        self._sample_s = 0.0
        self._thread = threading.Thread(target=self._work, name="borrowed nodes", daemon=True)
        self._thread.start()

    def want(self, wanted: Wanted | None) -> None:
        """Have this rendered from now on, and nothing else; None: nothing."""
        with self._condition:
            self._wanted, self._wanted_at = wanted, time.monotonic()
            self._condition.notify()

    def close(self) -> None:
        """Give the nodes back, and remove from the store what is the view's."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(CLOSE_S)  # a store that hangs does not hold up the window; the coordinator ends it then

    def __enter__(self) -> Borrower:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    # --- the thread --------------------------------------------------------------------------------------------------
    def _work(self) -> None:
        pause = 0.0
        while True:
            with self._condition:
                if not self._closed:
                    self._condition.wait(pause)
                if self._closed:
                    break
                wanted, since = self._wanted, self._wanted_at
            pause = self._poll_s
            try:
                self._follow(wanted, since)
                self._keep_up()
                self._collect()
                self._say(**self._standing())
            except CannotWrite as fault:
                self._say(sentence=str(fault), fault=True, passes=True)
                pause = AGAIN_S
            except _SentAnew as fault:
                with contextlib.suppress(CannotWrite):  # said with the next beat
                    self._give_up()
                self._say(at_work=0, samples_s=0.0, sentence=str(fault))
            except StudioError as fault:
                self._refuse(str(fault))
            if wanted is not self._out_for:
                pause = min(pause, CALM_S / 2)
        with contextlib.suppress(StudioError):  # what is left there grows silent, and the coordinator removes it
            end_session(self.store, self.session)
        if self._made:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _refuse(self, sentence: str) -> None:
        """Something about the scene of now cannot be sent, or what came for it is wrong: the next is tried again."""
        with contextlib.suppress(CannotWrite):  # said with the next beat
            self._give_up()
        self._refused = sentence
        self._say(at_work=0, samples_s=0.0, sentence=sentence, fault=True, passes=False)

    # --- what is wanted ----------------------------------------------------------------------------------------------
    def _follow(self, wanted: Wanted | None, since: float) -> None:
        """Send what is wanted, when that is due."""
        if wanted is self._out_for:
            return
        if wanted is None:
            self._out_for, self._refused = None, ""
            self._give_up()
            self._say(samples=0)
            return
        waits = any(not job.taken for job in self._out) and self._same_film(wanted) is False
        if waits and time.monotonic() - since < CALM_S:
            return
        before, self._out_for, self._refused = self._out_for, wanted, ""
        try:
            self._submit(wanted, fresh=before is None or before.generation != wanted.generation)
        except CannotWrite:
            self._out_for = before  # it is sent again
            raise

    def _submit(self, wanted: Wanted, *, fresh: bool) -> None:
        """Put what is wanted into the store, in the place of what is out. `fresh` is another film."""
        begun = time.perf_counter()
        told, sent = self._changes(wanted)
        assert self._base is not None
        jobs = []
        for samples in wanted.ranges:
            self._number += 1
            job = live_job(
                job_name(self.session, self._number),
                self._base,
                told,
                wanted.flat.camera,
                samples,
                frame=wanted.flat.frame,
                settings=wanted.settings,
                needs=self._needs,
                owner=self.session,  # each view has a share of its own
                expected_s=self._sample_s,
            )
            write_job(self.store, job)
            sent += self.store.size(job_key(job.spec.id, "job.json")) or 0
            jobs.append(_Job(job, samples))
        self._retire(self._out)
        self._out = jobs
        self._wished = time.monotonic()
        self._wish()
        if fresh:
            self._came.clear()
            self._digest = ""
            self._say(samples=0)
        seconds = time.perf_counter() - begun
        self._say(bytes=sent, seconds=seconds, whole=told is None)

    def _same_film(self, wanted: Wanted) -> bool:
        return self._out_for is not None and self._out_for.generation == wanted.generation

    def _changes(self, wanted: Wanted) -> tuple[SceneChanges | None, int]:
        """What differs from the scene in the store, which is sent when there is none, as after a cleaning, or too much
        of it has changed; and the bytes that were sent for it."""
        if self._base is not None and not self._renewed and self.store.size(bundle_key(self._base.bundle)) is not None:
            told = changes(self._base.scene, wanted.scene)
            if told is not None:
                return portable_changes(told, where="the edit"), 0
        self._renewed = False
        folder = self._folder / "scene.studio"
        save_project(wanted.scene, folder)
        sent = send_scene(self.store, folder, wanted.scene, progress=self._sending, journal=self._folder / "journal")
        self._base = Base(bundle=sent.bundle, file=sent.scene, scene=wanted.scene)
        return None, sent.sent

    def _sending(self, done: int, total: int) -> None:
        if self._closed:
            raise Cancelled("the nodes were given back while the scene was sent")
        self._keep_up()
        self._say(sending=(done, total) if done < total else (0, 0))

    def _give_up(self) -> None:
        """Want nothing any more."""
        if self._out:
            self._retire(self._out)
            self._out = []
            self._wish()

    def _retire(self, jobs: list[_Job]) -> None:
        due = time.monotonic() + SWEEP_S
        self._old += [(due, job.job.spec.id) for job in jobs]

    def _wish(self) -> None:
        self._beat += 1
        self._beaten = time.monotonic()
        ids = tuple(job.job.spec.id for job in self._out if job.left)
        write_wish(self.store, self.session, Wish(beat=self._beat, jobs=ids))

    def _keep_up(self) -> None:
        """Give a sign of life, and remove what is not needed any more."""
        now = time.monotonic()
        if now - self._beaten >= BEAT_S:
            self._wish()
        while self._old and self._old[0][0] <= now:
            sweep(self.store, self._old.pop(0)[1])

    # --- what comes --------------------------------------------------------------------------------------------------
    def _collect(self) -> None:
        """Fetch and check what nodes have delivered since the last look."""
        wanted = self._out_for
        if wanted is None:
            return
        for out in self._out:
            if not out.left:
                continue
            piece = out.job.spec.pieces[0]
            for key, _ in self.store.list(job_key(out.job.spec.id, "done")):
                if key in out.seen:
                    continue
                match = _CLAIM.fullmatch(key.rsplit("/", 1)[-1])
                samples = (int(match[1]), int(match[2])) if match is not None else (0, 0)
                if match is not None and not out.taken.meets(samples):
                    result = claim_on(self.store, out.job.spec.id, piece, samples)
                    if result is None or not self._try(wanted, out, result, key):
                        continue  # it was withdrawn a moment ago: somebody else may have the range by the next look
                out.seen.add(key)
                if self._wanted is not wanted and self._wanted is not None and not self._same_film(self._wanted):
                    return  # the rest is of a scene that nobody looks at any more

    def _try(self, wanted: Wanted, out: _Job, result: Result, key: str) -> bool:
        """Take a result; False for one that cannot be read, as when its claim was withdrawn a moment ago."""
        try:
            self._take(wanted, out, result)
        except _AnotherScene:
            raise
        except BadAsset:
            out.tries[key] = out.tries.get(key, 0) + 1
            if out.tries[key] >= MOST_TRIES:
                raise
            return False
        return True

    def _take(self, wanted: Wanted, out: _Job, result: Result) -> None:
        piece = out.job.spec.pieces[0]
        try:
            with tempfile.TemporaryDirectory(prefix="myriad-live-") as folder:
                path = Path(folder) / "unit.part"
                self.store.copy_to(path, result.key, most=largest_part(out.job, piece))
                film, header = check_partial(path, out.job, piece, result)
        except OSError as fault:
            reason = (fault.strerror or str(fault)).lower()
            raise CannotWrite(f"what nodes deliver cannot be kept: {reason}; make room on the disk") from fault
        self._digest = self._digest or wanted.flat.digest()
        if header.scene != self._digest:
            self._another_scene()
        out.taken.add(result.range)
        count = result.range[1] - result.range[0]
        if self._deliver(film, result.range, wanted.generation, header):
            self._came.append((time.monotonic(), count))
            self._say(samples=self.loan.samples + count)
        if not out.left:
            self._wish()

    def _another_scene(self) -> None:
        """The nodes see another scene than the view: once it is sent anew, then that is the artist's to know."""
        if self._base is not None and self._out and self._out[0].job.changes is None:
            raise _AnotherScene(
                "The nodes see another scene than this view, so their samples are not used; save the scene, open it "
                "again and look at the import report."
            )
        self._renewed = True
        self._out_for = None  # it is sent again
        raise _SentAnew("The nodes see another scene than this view; it is sent anew.")

    # --- how it stands -----------------------------------------------------------------------------------------------
    def _standing(self) -> dict[str, object]:
        now = time.monotonic()
        if now - self._looked >= (LOOK_S if self._works else self._poll_s):
            self._looked = now
            self._works = works(self.store)
        found = read_stand(self.store, self.session) if self._works else None
        self._answers, stand = found is not None, found or Stand()
        self._sample_s = stand.sample_s or self._sample_s
        while self._came and now - self._came[0][0] > RATE_S:
            self._came.popleft()
        first = self._came[0][0] if self._came else now
        count = sum(count for _, count in self._came)
        rate = count / max(now - first, self._poll_s, 1.0) if any(job.left for job in self._out) else 0.0
        sentence = self._sentence(stand)
        return {
            "at_work": stand.at_work,
            "fit": stand.fit,
            "nodes": stand.nodes,
            "samples_s": rate,
            "sentence": sentence,
            "fault": bool(sentence),
            "passes": sentence in (NO_COORDINATOR, NO_NODES),
        }

    def _sentence(self, stand: Stand) -> str:
        if self._refused:
            return self._refused
        if not self._works:
            return NO_COORDINATOR if time.monotonic() - self._started >= SETTLE_S else ""
        if self._answers and not stand.nodes:
            return NO_NODES
        if stand.nodes and not stand.fit and any(job.left for job in self._out) and self._patience():
            return NONE_FIT
        return ""

    def _patience(self) -> bool:
        """Whether a coordinator has had the time to look at what is wanted."""
        return time.monotonic() - self._wished >= SETTLE_S

    def _say(self, **now: object) -> None:
        loan = replace(self.loan, **now)  # type: ignore[arg-type]
        if loan != self.loan:
            self.loan = loan
            self._told(loan)
