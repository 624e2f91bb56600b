"""Watching a store: how jobs stand is read from it alone, results come home by themselves, and news is told once."""

from __future__ import annotations

import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from studio.errors import CannotWrite, UsageError
from studio.farm import session
from studio.farm.jobs import RenderJob, job_key
from studio.farm.model import Event, NodeRow, NodeRows
from studio.farm.money.bill import Books
from studio.farm.money.ledger import Ledger, Posting, UsageRow
from studio.farm.movie import make_movie, movie_of
from studio.farm.orders import ALIVE_S, beat, end_beat
from studio.farm.request import remember
from studio.farm.results import Collector, Notes, read_notes, save_notes
from studio.farm.seen import known
from studio.farm.seen.states import FrameState, JobState, News, StoreState
from studio.farm.seen.watch import ALONE_S, HIDDEN_S, LIST_S, LONGEST_S, SEEN_S, FarmWatch, JobWatch
from studio.farm.session import job_folder
from studio.farm.store import Patience, Store, open_store
from studio.render.export import ExportSettings
from studio.render.finish import Look
from studio.render.kept_frames import kept_look, kept_pattern
from studio.render.video_export import Stopped
from studio.scene.project import save_project
from studio.scene.scene import Scene
from studio.scene.timeline import Audio, Timeline
from tests.farm.faulty_store import Faults, FaultyBucket
from tests.farm.results_of import SETTINGS, deliver, job_in
from tests.render.stage import stage

LOOK = Look(exposure_ev=0.0)


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MYRIAD_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def place(tmp_path: Path) -> str:
    made = str(tmp_path / "store")
    open_store(made)
    known.remember(made)
    return made


@pytest.fixture
def store(place: str) -> Store:
    return open_store(place)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(place: str, clock: Clock) -> Iterator[JobWatch]:
    made = JobWatch(place, clock=clock)
    yield made
    made.close()


@pytest.fixture
def job(store: Store, tmp_path: Path) -> RenderJob:
    return job_in(store, tmp_path, cap_micros=40_000_000)


def say(store: Store, job: RenderJob, *events: dict[str, Any], block: int = 0) -> None:
    """Write a block of the job's log."""
    whole = [{"number": i, "at": time.time(), "job": job.spec.id, **event} for i, event in enumerate(events)]
    data = msgspec.json.encode({"before": "", "events": whole})
    store.put(job_key(job.spec.id, "events", f"0001-{block:06d}.json"), data)


def only(state: StoreState) -> JobState:
    assert not state.fault, state.fault
    (found,) = state.jobs
    return found


def known_output(store: Store, job: RenderJob, output: Path) -> None:
    save_notes(job_folder(store, job.spec.id), Notes(output=str(output), look=LOOK))


# --- how jobs stand --------------------------------------------------------------------------------------------------
def test_a_job_stands_as_its_store_says_and_new_ones_are_found(
    watch: JobWatch, store: Store, job: RenderJob, tmp_path: Path, clock: Clock
) -> None:
    found = only(watch.look())
    assert (found.id, found.standing.state, found.standing.done) == (job.spec.id, "waiting", 0)
    assert (found.cap_micros, found.spent_micros, found.left_s, found.output) == (40_000_000, None, None, "")
    deliver(store, job, tmp_path, 0, (0, 8))
    beat(store, 1)
    found = only(watch.look())
    assert (found.standing.state, found.standing.done, found.share) == ("running", 8, 0.25)
    session.order(store, job.spec.id, "cap", value=7_000_000)
    session.order(store, job.spec.id, "priority", value=80)
    session.order(store, job.spec.id, "pause")
    found = only(watch.look())
    assert (found.standing.state, found.cap_micros, found.standing.priority) == ("paused", 7_000_000, 80)
    job_in(store, tmp_path, frames=(7.0,))
    assert len(watch.look().jobs) == 1, "a store is listed now and then only"
    clock.now += LIST_S
    assert len(watch.look().jobs) == 2
    watch.hurry()
    store.delete(job_key(job.spec.id, "job.json"))
    assert len(watch.look().jobs) == 1


def test_a_job_that_cannot_be_read_stops_no_other(watch: JobWatch, store: Store, job: RenderJob) -> None:
    store.put(job_key("torn", "job.json"), b'{"spec": ')
    state = watch.look()
    assert only(state).id == job.spec.id
    (told,) = state.unreadable
    assert "torn" in told and "submit it again" in told


def test_a_picture_that_somebody_is_lighting_is_no_job_to_watch(watch: JobWatch, store: Store, job: RenderJob) -> None:
    live = msgspec.structs.replace(job, spec=msgspec.structs.replace(job.spec, live=True))
    store.put(job_key(job.spec.id, "job.json"), msgspec.json.encode(live))
    assert watch.look().jobs == ()


def test_frames_nodes_and_the_log_are_told_of_the_job_that_is_followed(
    watch: JobWatch, store: Store, job: RenderJob, tmp_path: Path
) -> None:
    assert watch.look().detail is None
    watch.follow(job.spec.id)
    say(
        store,
        job,
        {"kind": "leased", "node": "a", "piece": 0, "range": [0, 8], "attempt": 1},
        {"kind": "leased", "node": "b", "piece": 1, "range": [0, 16], "attempt": 2},
    )
    beat(store, 1)
    detail = watch.look().detail
    assert detail is not None and detail.afresh
    assert [event.node for event in detail.events] == ["a", "b"]
    assert [(frame.mark, frame.nodes) for frame in detail.frames] == [("working", ("a",)), ("working", ("b",))]
    deliver(store, job, tmp_path, 0, (0, 8))
    say(
        store,
        job,
        {"kind": "delivered", "node": "a", "piece": 0, "range": [0, 8], "attempt": 1},
        {"kind": "failed", "node": "b", "piece": 1, "range": [0, 16], "attempt": 2, "text": "12: the device is gone"},
        block=1,
    )
    detail = watch.look().detail
    assert detail is not None and not detail.afresh
    assert [event.kind for event in detail.events] == ["delivered", "failed"], "what was told is not told again"
    assert [(frame.mark, frame.done) for frame in detail.frames] == [("waiting", 8), ("waiting", 0)]
    nodes = {node.id: node for node in detail.nodes}
    assert (nodes["a"].units, nodes["a"].samples, nodes["a"].faults) == (1, 8, 0)
    assert (nodes["b"].units, nodes["b"].faults, nodes["b"].last_fault) == (0, 1, "12: the device is gone")


def test_events_are_read_again_for_who_looks_and_not_kept(watch: JobWatch, store: Store, job: RenderJob) -> None:
    for block in range(40):
        say(store, job, {"kind": "leased", "node": "a", "piece": 0, "range": [0, 8], "attempt": block + 1}, block=block)
    watch.look()
    course = watch._jobs[job.spec.id].course
    assert not course.tells and len(course._read) == len(course._read[1]) == 1
    assert list(course.at_work) == [40], "a node works at one unit"
    watch.follow(job.spec.id)
    detail = watch.look().detail
    assert detail is not None and detail.afresh and [e.attempt for e in detail.events] == list(range(1, 41))
    say(store, job, {"kind": "failed", "node": "a", "piece": 0, "attempt": 40}, block=40)
    detail = watch.look().detail
    assert detail is not None and not detail.afresh and [e.kind for e in detail.events] == ["failed"]
    watch.follow("")
    assert watch.look().detail is None and not course.tells
    watch.follow(job.spec.id)
    detail = watch.look().detail
    assert detail is not None and detail.afresh and len(detail.events) == 41


def test_events_that_come_while_the_store_falls_silent_are_told_when_it_answers(
    watch: JobWatch, store: Store, job: RenderJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.follow(job.spec.id)
    watch.look()
    say(store, job, {"kind": "leased", "node": "a", "piece": 0, "range": [0, 8], "attempt": 1})

    def silent(*asked: object) -> list[FrameState]:
        raise CannotWrite("the store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr("studio.farm.seen.watch.frames_of", silent)
        assert watch.look().fault == "the store does not answer"
    detail = watch.look().detail
    assert detail is not None and [event.node for event in detail.events] == ["a"]


def test_of_deliveries_those_are_remembered_that_say_how_fast_it_goes(
    watch: JobWatch, store: Store, job: RenderJob, clock: Clock
) -> None:
    delivered = {"kind": "delivered", "node": "a", "piece": 0, "range": [0, 1], "attempt": 1}
    say(store, job, *({**delivered, "at": clock.now - 100_000.0 + 60.0 * i} for i in range(1000)))
    watch.look()
    assert len(watch._jobs[job.spec.id].course._pace) == 11


def test_what_a_coordinator_says_of_its_nodes_counts_before_the_log(
    watch: JobWatch, store: Store, job: RenderJob
) -> None:
    say(store, job, {"kind": "leased", "node": "gone", "piece": 0, "range": [0, 16], "attempt": 1})
    row = NodeRow(id="a", unit=f"{job.spec.id} f2 0-16", samples_s=4.0, state="working", score=2.0, speed=1.5)
    beat(store, 1)
    store.put("nodes/1.json", msgspec.json.encode(NodeRows(generation=1, at=time.time(), rows=(row,))))
    watch.follow(job.spec.id)
    state = watch.look()
    assert state.nodes == (row,) and only(state).left_s == pytest.approx(32 / 4.0)
    assert state.detail is not None
    assert [frame.mark for frame in state.detail.frames] == ["waiting", "working"]
    assert [(node.id, node.row, node.unit) for node in state.detail.nodes] == [
        ("a", row, row.unit),
        ("gone", None, ""),
    ]
    other = msgspec.structs.replace(row, unit="other-job f1 0-16")
    store.put("nodes/1.json", msgspec.json.encode(NodeRows(generation=1, at=time.time(), rows=(other,))))
    detail = watch.look().detail
    assert detail is not None and [frame.mark for frame in detail.frames] == ["waiting", "waiting"]
    assert detail.nodes[0].unit == "other-job", "frames of another job do not pass for those of this one"


def test_the_time_that_is_left_follows_what_came_lately(
    watch: JobWatch, store: Store, job: RenderJob, tmp_path: Path, clock: Clock
) -> None:
    begun = clock.now - 300.0
    deliver(store, job, tmp_path, 0, (0, 8))
    say(
        store,
        job,
        {"kind": "leased", "node": "a", "piece": 0, "range": [0, 8], "attempt": 1, "at": begun},
        {"kind": "delivered", "node": "a", "piece": 0, "range": [0, 3], "attempt": 1, "at": begun + 200.0},
    )
    beat(store, 1)
    assert only(watch.look()).left_s is None, "one delivery says how long it took to start"
    say(
        store,
        job,
        {"kind": "delivered", "node": "a", "piece": 0, "range": [3, 8], "attempt": 1, "at": begun + 290.0},
        block=1,
    )
    assert only(watch.look()).left_s == pytest.approx(24 / (5 / 100.0), rel=0.01)
    end_beat(store, 1)
    assert only(watch.look()).left_s is None, "nobody works at it"


# --- stores that do not answer ---------------------------------------------------------------------------------------
def test_a_store_is_looked_at_often_while_somebody_looks_and_rarely_while_it_is_silent(
    place: str, tmp_path: Path
) -> None:
    bucket = FaultyBucket(Faults())
    quick = Patience(tries=1, sleep=lambda seconds: None)
    watch = JobWatch(place, open=lambda place: Store(bucket, "s3://farm", patience=quick))
    job = job_in(Store(bucket, "s3://farm", patience=quick), tmp_path)
    assert watch.pause_s == HIDDEN_S
    watch.seen = True
    assert only(watch.look()).id == job.spec.id and watch.pause_s == SEEN_S
    bucket.faults = Faults(busy=1.0)
    pauses = []
    for _ in range(9):
        state = watch.look()
        pauses.append(watch.pause_s)
        assert "503" in state.fault and "X-Signature" not in state.fault
        assert [each.id for each in state.jobs] == [job.spec.id], "what was there before is still shown"
    assert pauses[:3] == [4.0, 8.0, 16.0] and pauses[-1] == LONGEST_S
    bucket.faults = Faults()
    assert not watch.look().fault and watch.pause_s == SEEN_S
    watch.close()


def test_a_part_of_the_log_that_does_not_come_is_asked_for_again(
    watch: JobWatch, store: Store, job: RenderJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(store, job, {"kind": "leased", "node": "a", "piece": 0, "range": [0, 16], "attempt": 1})
    watch.follow(job.spec.id)

    def silent(store: Store, key: str) -> list[Event]:
        raise CannotWrite("the store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr("studio.farm.seen.course.events_of", silent)
        assert watch.look().fault == "the store does not answer"
    detail = watch.look().detail
    assert detail is not None and [event.node for event in detail.events] == ["a"]


def test_who_hurries_a_look_that_is_under_way_is_heard(
    watch: JobWatch, store: Store, job: RenderJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: list[RenderJob] = []
    stand = JobWatch._stand

    def sent_meanwhile(self: JobWatch, *args: Any) -> None:
        stand(self, *args)
        if not late:
            late.append(job_in(store, tmp_path, name="late"))
            self.hurry()

    monkeypatch.setattr(JobWatch, "_stand", sent_meanwhile)
    assert only(watch.look()).id == job.spec.id
    assert {each.id for each in watch.look().jobs} == {job.spec.id, late[0].spec.id}


def test_a_folder_that_is_not_mounted_is_told_and_not_made(tmp_path: Path) -> None:
    watch = JobWatch(str(tmp_path / "mnt" / "farm"))
    assert "see that its disk or share is there" in watch.look().fault
    assert not (tmp_path / "mnt").exists()
    (tmp_path / "mnt" / "farm").mkdir(parents=True)
    assert not watch.look().fault, "it is looked at again when it is there"
    watch.close()


# --- news ------------------------------------------------------------------------------------------------------------
def test_what_becomes_of_a_job_is_told_once_also_over_restarts(
    place: str, store: Store, job: RenderJob, tmp_path: Path
) -> None:
    beat(store, 1)
    first = JobWatch(place)
    assert first.look().news == (), "a job that goes on is no news"
    first.close()
    for row in (0, 1):
        deliver(store, job, tmp_path, row, (0, 16))
    again = JobWatch(place)
    (news,) = again.look().news
    assert (news.what, news.job.name, news.job.frames) == ("done", "stage", 2)
    assert again.look().news == ()
    again.close()
    last = JobWatch(place)
    assert last.look().news == (), "it was told yesterday"
    last.close()


def test_news_is_told_also_where_it_cannot_be_written_down(
    watch: JobWatch, store: Store, job: RenderJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat(store, 1)
    watch.look()
    for row in (0, 1):
        deliver(store, job, tmp_path, row, (0, 16))

    def full(remembered: known.Remembered) -> None:
        raise CannotWrite("the disk is full")

    monkeypatch.setattr(known, "keep", full)
    state = watch.look()
    assert [news.what for news in state.news] == ["done"] and not state.fault
    assert watch.look().news == ()


def test_of_a_job_that_is_over_when_it_is_first_seen_nobody_waits_to_hear(
    watch: JobWatch, store: Store, job: RenderJob
) -> None:
    session.order(store, job.spec.id, "cancel")
    assert only(watch.look()).standing.state == "cancelled" and watch.state.news == ()


@pytest.mark.parametrize(
    ("kind", "text"), [("failed", "frame 2 needs more memory than any node has"), ("capped", "the cap is reached")]
)
def test_failures_and_caps_are_told_with_their_sentence(
    watch: JobWatch, store: Store, job: RenderJob, kind: str, text: str
) -> None:
    beat(store, 1)
    watch.look()
    say(store, job, {"kind": kind, "text": text})
    (news,) = watch.look().news
    assert (news.what, news.job.why) == (kind, text)
    session.order(store, job.spec.id, "resume")
    say(store, job, {"kind": "resumed", "at": time.time() + 1}, block=1)
    watch.hurry()
    assert only(watch.look()).standing.state == "running" and watch.state.news == ()
    say(store, job, {"kind": kind, "text": text, "at": time.time() + 2}, block=2)
    assert [each.what for each in watch.look().news] == [kind], "a second end is news again"


def test_a_job_that_nobody_works_at_is_told_after_a_while(watch: JobWatch, job: RenderJob, clock: Clock) -> None:
    assert watch.look().news == ()
    clock.now += ALONE_S - 1
    assert watch.look().news == (), "a coordinator may be starting"
    clock.now += 2
    assert [each.what for each in watch.look().news] == ["alone"]
    clock.now += 10 * ALONE_S
    assert watch.look().news == ()


def test_a_paused_job_needs_nobody(watch: JobWatch, store: Store, job: RenderJob, clock: Clock) -> None:
    session.order(store, job.spec.id, "pause")
    for _ in range(3):
        assert watch.look().news == ()
        clock.now += ALONE_S


# --- pictures --------------------------------------------------------------------------------------------------------
def marks(state: StoreState) -> list[str]:
    assert state.detail is not None
    return [frame.mark for frame in state.detail.frames]


def test_previews_refine_and_pictures_come_home_as_frames_are_done(
    watch: JobWatch, store: Store, job: RenderJob, tmp_path: Path
) -> None:
    known_output(store, job, tmp_path / "out" / "f.####.png")
    watch.seen = True
    watch.follow(job.spec.id)
    assert marks(watch.look()) == ["waiting", "waiting"]
    deliver(store, job, tmp_path, 0, (0, 4))
    watch.look()
    assert watch.collect()
    detail = watch.look().detail
    assert detail is not None and detail.frames[0].preview is not None and detail.frames[1].preview is None
    noisy = detail.frames[0].stamp
    assert not watch.collect(), "nothing is new"
    deliver(store, job, tmp_path, 0, (4, 10))
    watch.look()
    watch.collect()
    detail = watch.look().detail
    assert detail is not None and detail.frames[0].stamp > noisy
    deliver(store, job, tmp_path, 0, (10, 16))
    watch.look()
    watch.collect()
    assert marks(watch.look()) == ["here", "waiting"]
    assert (tmp_path / "out" / "f.0001.png").is_file()
    deliver(store, job, tmp_path, 1, (0, 16))
    watch.look()
    watch.collect()
    state = watch.look()
    assert marks(state) == ["here", "here"] and only(state).written == 2
    assert not watch.collect()


def test_a_picture_that_was_removed_is_missing_until_it_is_fetched_again(
    place: str, store: Store, job: RenderJob, tmp_path: Path
) -> None:
    known_output(store, job, tmp_path / "out" / "f.####.png")
    for row in (0, 1):
        deliver(store, job, tmp_path, row, (0, 16))
    first = JobWatch(place)
    first.look()
    first.collect()
    first.close()
    (tmp_path / "out" / "f.0002.png").unlink()
    watch = JobWatch(place)
    watch.follow(job.spec.id)
    assert marks(watch.look()) == ["here", "missing"]
    watch.collect()
    assert marks(watch.look()) == ["here", "missing"], "what an artist threw away does not come back by itself"
    watch.fetch(job.spec.id)
    watch.collect()
    assert marks(watch.look()) == ["here", "here"]
    watch.close()


def test_nothing_is_written_where_nobody_said_where(
    watch: JobWatch, store: Store, job: RenderJob, tmp_path: Path
) -> None:
    for row in (0, 1):
        deliver(store, job, tmp_path, row, (0, 16))
    watch.seen = True
    watch.follow(job.spec.id)
    assert marks(watch.look()) == ["done", "done"] and not watch.collect()
    watch.fetch(job.spec.id)
    watch.collect()
    assert "say where the pictures" in only(watch.look()).fault
    watch.fetch(job.spec.id, tmp_path / "mine" / "a.####.png")
    watch.collect()
    state = watch.look()
    assert marks(state) == ["here", "here"] and only(state).fault == ""
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["a.0001.png", "a.0002.png"]


def test_results_that_cannot_be_written_are_told_and_tried_again(
    watch: JobWatch, store: Store, job: RenderJob, tmp_path: Path, clock: Clock
) -> None:
    (tmp_path / "out").write_text("a file stands where the folder should")
    known_output(store, job, tmp_path / "out" / "f.####.png")
    deliver(store, job, tmp_path, 0, (0, 16))
    watch.look()
    watch.collect()
    assert "out" in only(watch.look()).fault
    (tmp_path / "out").unlink()
    watch.collect()
    assert only(watch.look()).fault, "not before a while has passed"
    clock.now += 61
    watch.look()
    watch.collect()
    assert only(watch.look()).fault == "" and (tmp_path / "out" / "f.0001.png").is_file()


def test_a_job_that_somebody_else_fetches_is_left_to_them(
    watch: JobWatch, store: Store, job: RenderJob, tmp_path: Path
) -> None:
    home = job_folder(store, job.spec.id)
    deliver(store, job, tmp_path, 0, (0, 16))
    with Collector(store, job, tmp_path / "out" / "f.####.png", LOOK, home=home, cache=tmp_path / "cache") as other:
        other.poll()
        deliver(store, job, tmp_path, 1, (0, 16))
        watch.look()
        assert not watch.collect() and only(watch.state).written == 1
    watch.look()
    watch.collect()
    assert only(watch.look()).written == 2, "they are gone"


def test_credentials_that_others_gave_are_not_taken_away(
    watch: JobWatch, store: Store, job: RenderJob, tmp_path: Path
) -> None:
    known_output(store, job, tmp_path / "out" / "f.####.png")
    deliver(store, job, tmp_path, 0, (0, 16))
    watch.look()
    watch.collect()
    home = job_folder(store, job.spec.id)
    notes = read_notes(home)
    assert notes is not None
    signed = {name: msgspec.structs.replace(kept, credits="mei") for name, kept in notes.frames.items()}
    save_notes(home, msgspec.structs.replace(notes, frames=signed))
    before = (tmp_path / "out" / "f.0001.png").stat().st_mtime_ns
    watch.fetch(job.spec.id)
    watch.look()
    watch.collect()
    assert f"studio farm fetch {job.spec.id} --credentials" in only(watch.look()).fault
    assert (tmp_path / "out" / "f.0001.png").stat().st_mtime_ns == before


# --- movies ----------------------------------------------------------------------------------------------------------
def wants_movie(store: Store, job: RenderJob, output: Path, scene: Scene | None = None) -> None:
    """What whoever sent a job as a movie noted."""
    pytest.importorskip("av", reason="movies need PyAV")
    export = ExportSettings(width=64, height=40, samples=16, frames="1-2", format="h264", exposure_ev=0.0)
    remember(store, job, output, LOOK, movie=movie_of(scene or stage(), export, output))


def silence(path: Path) -> None:
    """A tenth of a second of sound."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(bytes(9600))


def movie_mark(watch: JobWatch, wanted: str) -> StoreState:
    """Look until the movie stands so; the state that said it."""
    state = StoreState("")

    def stands() -> bool:
        nonlocal state
        watch.collect()
        state = watch.look()
        return only(state).movie == wanted

    until(stands)
    return state


def test_a_movie_is_made_when_its_frames_are_here_and_told_then(
    watch: JobWatch, store: Store, job: RenderJob, tmp_path: Path
) -> None:
    output = tmp_path / "out" / "shot.mp4"
    wants_movie(store, job, output)
    ended = threading.Event()
    watch.ended = ended.set
    watch.follow(job.spec.id)
    beat(store, 1)
    deliver(store, job, tmp_path, 0, (0, 16))
    watch.look()
    watch.collect()
    state = watch.look()
    assert marks(state) == ["here", "waiting"] and only(state).movie == "waiting" and only(state).output == str(output)
    deliver(store, job, tmp_path, 1, (0, 16))
    state = watch.look()
    assert only(state).standing.state == "done" and state.news == (), "the movie is what is waited for"
    assert watch.collect()
    assert only(watch.look()).movie in ("making", "waiting", "here")
    assert ended.wait(60), "whoever looks there is woken"
    state = movie_mark(watch, "here")
    assert [(news.what, news.output) for news in state.news] == [("done", str(output))]
    assert state.detail is not None and [frame.path for frame in state.detail.frames] == [output, output]
    assert marks(state) == ["here", "here"] and [path.name for path in output.parent.iterdir()] == ["shot.mp4"]
    assert not watch.collect() and watch.look().news == ()
    output.unlink()
    state = watch.look()
    assert only(state).movie == "missing" and marks(state) == ["missing", "missing"]
    watch.collect()
    assert only(watch.look()).movie == "missing", "what an artist threw away does not come back by itself"
    watch.fetch(job.spec.id)
    assert only(movie_mark(watch, "here")).written == 2 and output.is_file()


def test_what_is_wanted_otherwise_is_brought_home_otherwise(
    watch: JobWatch, store: Store, job: RenderJob, tmp_path: Path
) -> None:
    known_output(store, job, tmp_path / "out" / "f.####.png")
    beat(store, 1)
    watch.look()
    watch.collect()
    known_output(store, job, tmp_path / "out" / "g.####.png")
    for row in (0, 1):
        deliver(store, job, tmp_path, row, (0, 16))
    watch.look()
    watch.collect()
    assert only(watch.look()).written == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["g.0001.png", "g.0002.png"]
    output = tmp_path / "out" / "shot.mp4"
    wants_movie(store, job, output)
    watch.hurry()
    movie_mark(watch, "here")
    before = output.stat().st_mtime_ns
    wants_movie(store, job, output)
    watch.hurry()
    watch.look()
    assert only(movie_mark(watch, "here")).output == str(output) and output.stat().st_mtime_ns > before
    known_output(store, job, tmp_path / "out" / "h.####.png")
    watch.hurry()
    until(lambda: watch.look() is not None and not watch.collect() and only(watch.look()).written == 2)
    assert (tmp_path / "out" / "h.0002.png").is_file() and output.is_file()


def test_a_movie_that_was_left_is_made_tomorrow(place: str, store: Store, job: RenderJob, tmp_path: Path) -> None:
    output = tmp_path / "out" / "shot.mp4"
    wants_movie(store, job, output)
    beat(store, 1)
    first = JobWatch(place)
    first.look()
    first.close()
    for row in (0, 1):
        deliver(store, job, tmp_path, row, (0, 16))
    home = job_folder(store, job.spec.id)
    frames = kept_pattern(output)
    with Collector(store, job, frames, kept_look(LOOK), home=home, cache=tmp_path / "cache") as left:
        assert len(left.poll()) == 2, "somebody brought the frames home and was killed"
    written = {path.name: path.stat().st_mtime_ns for path in frames.parent.iterdir()}
    assert sorted(written) == ["000001.exr", "000002.exr"]
    idle = JobWatch(place, collect=False)
    state = idle.look()
    assert not idle.collect() and [news.what for news in state.news] == ["done"], "who makes none tells the pictures"
    idle.close()
    watch = JobWatch(place)
    movie_mark(watch, "here")
    assert output.is_file() and not frames.parent.exists()
    watch.close()


def test_a_movie_that_cannot_be_made_is_told_and_tried_again(
    place: str, store: Store, tmp_path: Path, clock: Clock
) -> None:
    sound = tmp_path / "song.wav"
    scene = stage(timeline=Timeline(audio=Audio(path=str(sound))))
    save_project(scene, tmp_path / "stage.studio")
    job = job_in(store, tmp_path)
    wants_movie(store, job, tmp_path / "shot.mp4", scene)
    beat(store, 1)
    watch = JobWatch(place, clock=clock)
    watch.look()
    for row in (0, 1):
        deliver(store, job, tmp_path, row, (0, 16))
    watch.look()
    news = list[News]()

    def told() -> bool:
        watch.collect()
        news.extend(watch.look().news)
        return bool(news)

    until(told)
    assert [(each.what, "song.wav is not there" in each.fault) for each in news] == [("unmade", True)]
    assert only(watch.state).fault == news[0].fault and not (tmp_path / "shot.mp4").exists()
    clock.now += 61
    state = movie_mark(watch, "making")
    assert state.news == ()
    state = movie_mark(watch, "waiting")
    assert state.news == () and only(state).fault == news[0].fault, "it is told once, however often it is tried"
    silence(sound)
    clock.now += 61
    state = movie_mark(watch, "here")
    assert [each.what for each in state.news] == ["done"] and only(state).fault == ""
    watch.close()


def made_elsewhere(store: Store, job: RenderJob, output: Path, cache: Path) -> None:
    """Bring the frames home and make the movie of them as a terminal does."""
    home = job_folder(store, job.spec.id)
    with Collector(store, job, kept_pattern(output), kept_look(LOOK), home=home, cache=cache) as collector:
        collector.poll()
        assert collector.done
        make_movie(collector, home, cache=cache, threads=1)


def test_of_a_movie_that_others_made_meanwhile_no_frames_are_left(
    watch: JobWatch, store: Store, job: RenderJob, tmp_path: Path
) -> None:
    output = tmp_path / "out" / "shot.mp4"
    wants_movie(store, job, output)
    beat(store, 1)
    deliver(store, job, tmp_path, 0, (0, 16))
    watch.look()
    watch.collect()
    assert only(watch.look()).written == 1
    deliver(store, job, tmp_path, 1, (0, 16))
    watch.look()
    made_elsewhere(store, job, output, tmp_path / "cache")
    before = output.stat().st_mtime_ns
    watch.hurry()
    assert [news.what for news in watch.look().news] == ["done"]
    for _ in range(3):
        watch.collect()
        assert only(watch.look()).movie == "here" and watch.state.news == (), "what is made is told once"
    assert [path.name for path in output.parent.iterdir()] == ["shot.mp4"] and output.stat().st_mtime_ns == before
    export = ExportSettings(width=64, height=40, samples=16, frames="1-2", format="h264", exposure_ev=0.0, quality=20)
    remember(store, job, output, LOOK, keep=True, movie=movie_of(stage(), export, output))
    watch.hurry()
    assert only(movie_mark(watch, "waiting")).output == str(output)
    movie_mark(watch, "here")
    assert output.stat().st_mtime_ns > before, "another one of the same frames"


def test_what_others_made_has_no_fault_any_more(watch: JobWatch, store: Store, tmp_path: Path) -> None:
    sound = tmp_path / "song.wav"
    scene = stage(timeline=Timeline(audio=Audio(path=str(sound))))
    save_project(scene, tmp_path / "stage.studio")
    job, output = job_in(store, tmp_path), tmp_path / "shot.mp4"
    wants_movie(store, job, output, scene)
    for row in (0, 1):
        deliver(store, job, tmp_path, row, (0, 16))

    def told() -> bool:
        watch.collect()
        return "song.wav is not there" in only(watch.look()).fault

    until(told)
    silence(sound)
    made_elsewhere(store, job, output, tmp_path / "cache")
    watch.hurry()
    watch.look()
    watch.collect()
    assert only(watch.look()).movie == "here" and only(watch.look()).fault == ""


def test_while_a_movie_is_made_the_next_one_waits_and_the_watch_rests(
    watch: JobWatch, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, held = threading.Event(), threading.Event()

    def slowly(*_: Any, **__: Any) -> None:
        begun.set()
        assert held.wait(60)
        raise Stopped

    monkeypatch.setattr("studio.farm.movie.encode_kept", slowly)
    jobs = [job_in(store, tmp_path), job_in(store, tmp_path, settings=msgspec.structs.replace(SETTINGS, samples=8))]
    for job, name in zip(jobs, ("a.mp4", "b.mp4"), strict=True):
        wants_movie(store, job, tmp_path / name)
        for row in (0, 1):
            deliver(store, job, tmp_path, row, (0, job.settings.samples))
    watch.seen = True

    def one_waits() -> bool:
        watch.collect()
        return sorted(job.movie for job in watch.look().jobs if job.written == 2) == ["making", "waiting"]

    until(one_waits)
    assert begun.wait(60)
    (waiting,) = (job for job in watch.state.jobs if job.movie == "waiting")
    watch.follow(waiting.id)
    watch.look()
    watch.collect()
    watch.look()
    assert not watch.collect(), "nothing is new, and whoever looks is to pause"
    held.set()


def test_the_movie_of_a_job_that_was_removed_ends_with_the_watch(
    place: str, store: Store, job: RenderJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = threading.Event(), threading.Event()

    def slowly(*_: Any, stop: Callable[[], object], **__: Any) -> None:
        begun.set()
        until(lambda: bool(stop()))
        time.sleep(0.2)  # of the frame at work
        ended.set()
        raise Stopped

    monkeypatch.setattr("studio.farm.movie.encode_kept", slowly)
    wants_movie(store, job, tmp_path / "shot.mp4")
    for row in (0, 1):
        deliver(store, job, tmp_path, row, (0, 16))
    watch = JobWatch(place)
    watch.look()
    watch.collect()
    assert begun.wait(60)
    store.delete(job_key(job.spec.id, "job.json"))
    watch.hurry()
    assert watch.look().jobs == ()
    watch.close()
    assert ended.is_set()


def test_a_movie_without_its_sound_is_told(watch: JobWatch, store: Store, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="movies need PyAV")
    save_project(stage(timeline=Timeline(audio=Audio(path="/elsewhere/song.wav"))), tmp_path / "stage.studio")
    job, output = job_in(store, tmp_path), tmp_path / "out" / "shot.mp4"
    beat(store, 1)
    watch.look()
    for row in (0, 1):
        deliver(store, job, tmp_path, row, (0, 16))
    watch.fetch(job.spec.id, output)
    state = movie_mark(watch, "here")
    assert "song.wav is not here, so shot.mp4 has none" in only(state).lack and only(state).fault == ""
    assert [(each.what, each.lack) for each in state.news] == [("done", only(state).lack)]
    silence(output.parent / "song.wav")
    output.unlink()
    watch.hurry()
    movie_mark(watch, "missing")
    watch.fetch(job.spec.id)
    assert only(movie_mark(watch, "here")).lack == ""


def test_a_watch_that_ends_leaves_a_movie_for_the_next_one(
    place: str, store: Store, job: RenderJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wants_movie(store, job, tmp_path / "shot.mp4")
    for row in (0, 1):
        deliver(store, job, tmp_path, row, (0, 16))
    begun = threading.Event()

    def endless(*_: Any, stop: Callable[[], object], **__: Any) -> None:
        begun.set()
        until(lambda: bool(stop()))
        raise Stopped

    heard, before = list[StoreState](), set(threading.enumerate())
    with monkeypatch.context() as patch:
        patch.setattr("studio.farm.movie.encode_kept", endless)
        watch = FarmWatch(heard.append)
        watch.add(place)
        assert begun.wait(60)
        watch.hurry()
        until(lambda: only(heard[-1]).movie == "making")
        watch.close()
    assert set(threading.enumerate()) <= before
    assert len(list((tmp_path / "shot.frames").iterdir())) == 2
    again = JobWatch(place)
    movie_mark(again, "here")
    again.close()


# --- books -----------------------------------------------------------------------------------------------------------
def test_what_a_job_cost_is_read_from_the_books_of_this_machine(watch: JobWatch, store: Store, job: RenderJob) -> None:
    file = session.farm_folder() / "ledger.sqlite"
    file.parent.mkdir(parents=True, exist_ok=True)
    id_ = job.spec.id

    def post(account: Any, owner: str, amount: int, *, held: bool = False) -> Posting:
        return Posting(owner=owner, account=account, amount=amount, currency="EUR", job=id_ if held else "")

    usage = UsageRow(
        key="c1", job=id_, unit="f1/0-8", attempt=1, node="a", t0=0, t1=9, core_s=7_200_000_000, accepted=True
    )
    with Ledger(file) as books:
        books.post("topup", "t", [post("external", "outside", -100), post("customer_available", "me", 100)])
        books.post(
            "hold", "h", [post("customer_available", "me", -90), post("customer_held", "me", 90, held=True)], job=id_
        )
        books.post(
            "capture",
            "c1",
            [post("customer_held", "me", -30, held=True), post("node_pending", "a", 30)],
            job=id_,
            unit="f1/0-8",
            attempt=1,
            usage=usage,
        )
    watch.follow(id_)
    state = watch.look()
    assert (only(state).spent_micros, only(state).currency) == (30, "EUR")
    bill = state.detail.bill if state.detail is not None else None
    assert bill is not None and (bill.captured, bill.held, bill.released, bill.entries) == (30, 60, 0, 2)
    (node,) = bill.nodes
    assert (node.node, node.units, node.amount, node.core_s) == ("a", 1, 30, 7200.0)


def test_damaged_books_are_none_and_say_so() -> None:
    file = session.farm_folder() / "ledger.sqlite"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"no ledger")
    books = Books()
    assert books.spent("j") is None and "ledger" in books.fault


# --- many stores -----------------------------------------------------------------------------------------------------
def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_each_store_has_a_thread_that_ends(store: Store, place: str, job: RenderJob, tmp_path: Path) -> None:
    heard: list[StoreState] = []
    watch = FarmWatch(heard.append)
    watch.add(place)
    watch.add(str(tmp_path / "not there"))
    until(lambda: {state.place for state in heard} == {place, str(tmp_path / "not there")})
    first = next(state for state in heard if state.place == place)
    assert [each.id for each in first.jobs] == [job.spec.id]
    heard.clear()
    session.order(store, job.spec.id, "pause")
    watch.hurry(place)
    until(lambda: any(state.jobs and state.jobs[0].standing.state == "paused" for state in heard))
    watch.seen = True
    watch.follow(place, job.spec.id)
    until(lambda: any(state.detail is not None for state in heard))
    watch.remove(str(tmp_path / "not there"))
    assert watch.places == [place]
    with pytest.raises(UsageError, match="not looked at"):
        watch.fetch("elsewhere", job.spec.id)
    watch.close()
    assert [each.name for each in threading.enumerate() if each.name == "studio-farm-watch"] == []


def test_nobody_waits_for_a_silent_store_to_look_at_it_no_more(
    place: str, job: RenderJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, answers, looking = threading.Event(), threading.Event(), [0, 0]  # looks now, and the most at once
    look = JobWatch.look

    def silent(self: JobWatch) -> StoreState:
        looking[0] += 1
        looking[1] = max(looking)
        begun.set()
        answers.wait(60)
        looking[0] -= 1
        return look(self)

    monkeypatch.setattr(JobWatch, "look", silent)
    heard: list[StoreState] = []
    watch = FarmWatch(heard.append)
    watch.add(place)
    assert begun.wait(60)
    watch.remove(place)
    assert watch.places == [] and looking[0] == 1, "it does not wait for the look"
    watch.add(place)
    answers.set()
    until(lambda: bool(heard))
    watch.close()
    assert looking[1] == 1, "who looks there again begins after the one before"
    assert [each.name for each in threading.enumerate() if each.name == "studio-farm-watch"] == []


def test_what_nobody_foresaw_is_told_and_the_watch_goes_on(
    store: Store, place: str, job: RenderJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[StoreState] = []
    faults: list[Exception] = []
    look = JobWatch.look

    def once(self: JobWatch) -> StoreState:
        if not faults:
            raise ZeroDivisionError("nobody foresaw this")
        return look(self)

    monkeypatch.setattr(JobWatch, "look", once)
    watch = FarmWatch(heard.append, failed=faults.append)
    watch.add(place)
    until(lambda: bool(faults))
    watch.hurry()
    until(lambda: bool(heard))
    watch.close()
    assert [type(fault) for fault in faults] == [ZeroDivisionError]


# --- what is remembered ----------------------------------------------------------------------------------------------
def test_stores_are_remembered_and_forgotten(tmp_path: Path) -> None:
    assert known.places() == []
    Path(known.own_store()).mkdir(parents=True)
    known.remember("s3://bucket/farm")
    known.remember(str(tmp_path))
    assert known.places() == [known.own_store(), str(tmp_path), "s3://bucket/farm"]
    known.forget("s3://bucket/farm")
    known.forget("s3://bucket/farm")
    assert known.places() == [known.own_store(), str(tmp_path)]


def test_a_list_that_is_damaged_or_cannot_be_kept_harms_nothing(tmp_path: Path) -> None:
    known.remember(str(tmp_path))
    (file,) = (session.farm_folder() / "watched").iterdir()
    file.write_bytes(b"\xff{")
    assert known.places() == [] and known.recall(str(tmp_path)) is None
    file.unlink()
    file.parent.rmdir()
    file.parent.write_text("a file")
    with pytest.raises(CannotWrite):
        known.remember(str(tmp_path))


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "  ",
        "ftp://x/y",
        "s3://key:secret@bucket",
        "https://token@store.example",
        "s3://b?sig=1",
        "s3://[b",
        "a\0b",
    ],
)
def test_a_place_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError):
        known.checked(wrong)


def test_a_place_is_kept_from_the_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert known.checked("farm") == str(tmp_path / "farm")
    assert known.checked(" s3://bucket/farm ") == "s3://bucket/farm"
    assert known.checked("~nobody-of-this-name/farm") == str(tmp_path / "~nobody-of-this-name" / "farm")
    assert known.folder_of("s3://bucket/farm") is None
    assert known.folder_of(f"file://{tmp_path}") == tmp_path


def test_beats_grow_old() -> None:
    assert ALIVE_S < ALONE_S, "a coordinator that ended a moment ago is not missed yet"
