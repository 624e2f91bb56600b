"""Borrowing nodes through a store: what is sent, what comes back, what is given up, and what is left behind."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from studio.errors import CannotWrite
from studio.farm.bundles.manifest import bundle_key
from studio.farm.jobs import job_ids, read_job, write_job
from studio.farm.live import borrower as live
from studio.farm.live import collecting, sent_scene, wish_list
from studio.farm.live import desk as live_desk
from studio.farm.live.borrower import Borrower
from studio.farm.live.desk import Wish, read_stand, write_wish
from studio.farm.live.loan import NO_COORDINATOR, NO_NODES, NONE_FIT, Loan, Wanted
from studio.farm.model import JobSpec, Piece
from studio.farm.service import Service
from studio.farm.store import Store, open_store
from studio.farm.submission import send_scene
from studio.farm.trust import artist
from studio.farm.trust.signing import Key, Member, Roster
from studio.render.film import Film
from studio.scene.flatten import flatten
from studio.scene.geometry import make_mesh
from studio.scene.scene import Scene
from tests.farm.fake_nodes import Crew, film_of, same_sums
from tests.render.stage import settings, stage

SAMPLES = 40
SETTINGS = settings(samples=SAMPLES, width=16, height=8)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks that follow one another faster than in life."""
    monkeypatch.setattr(live_desk, "LOOK_S", 0.02)
    monkeypatch.setattr(live_desk, "IDLE_S", 0.05)
    monkeypatch.setattr(live, "LOOK_S", 0.1)
    monkeypatch.setattr(live, "CALM_S", 0.05)
    monkeypatch.setattr(live, "SETTLE_S", 0.5)


class View:
    """What a live view does with what comes."""

    def __init__(self, store: Store, **more: object) -> None:
        self.condition = threading.Condition()
        self.generation = 0
        self.film: Film | None = None
        self.stale = 0
        self.loans: list[Loan] = []
        self.borrower = Borrower(
            store,
            deliver=self._deliver,
            renew=lambda generation, begun: None,
            told=self._told,
            poll_s=0.03,
            **more,  # type: ignore[arg-type]
        )

    def show(self, scene: Scene, *ranges: tuple[int, int]) -> Wanted:
        self.generation += 1
        self.flat = flatten(scene, 1.0)
        self.film = None
        wanted = Wanted(
            generation=self.generation,
            scene=scene,
            flat=self.flat,
            settings=SETTINGS,
            ranges=ranges or ((0, SAMPLES),),
        )
        self.borrower.want(wanted)
        return wanted

    def _deliver(self, film: Film, samples, generation: int, header) -> bool:
        with self.condition:
            if generation != self.generation:
                self.stale += 1
                return False
            if self.film is None:
                self.film = Film.of(film.layout)
            film.merge_into(self.film)
            self.condition.notify_all()
            return True

    def _told(self, loan: Loan) -> None:
        with self.condition:
            self.loans.append(loan)
            self.condition.notify_all()

    @property
    def last(self) -> Loan:
        return self.loans[-1] if self.loans else Loan()

    def until(self, what: Callable[[], bool]) -> None:
        with self.condition:
            assert self.condition.wait_for(what, 30.0), self.loans[-3:]

    def finished(self, count: int = SAMPLES) -> None:
        self.until(lambda: self.film is not None and int(self.film.counts.min()) == count)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


@pytest.fixture
def view(store: Store) -> Iterator[View]:
    made = View(store)
    yield made
    made.borrower.close()
    assert made.borrower.wait(20.0)


class Scenes(dict[str, Scene]):
    """Bundles as nodes find them; each is read when it is asked for."""

    def __init__(self, store: Store, cache: Path) -> None:
        from studio.farm.bundles.bundle import NodeCache

        self._store, self._cache = store, NodeCache(cache)

    def __missing__(self, bundle: str) -> Scene:
        return self._cache.scene(self._store, bundle, "scene.json")


@pytest.fixture
def crew(store: Store, tmp_path: Path) -> Iterator[Crew]:
    service = Service(store)
    with Crew(service, Scenes(store, tmp_path / "cache"), nodes=2, sample_s=0.005) as made:
        yield made


def test_a_scene_is_rendered_by_nodes_and_an_edit_sends_a_line_of_it(crew: Crew, view: View) -> None:
    scene = stage()
    view.show(scene)
    view.finished()
    assert same_sums(view.film, film_of(view.flat, SETTINGS))
    assert view.borrower.loan.whole
    whole = view.borrower.loan.bytes
    edited = scene.replace("key", intensity=55.0)
    view.show(edited)
    view.finished()
    assert same_sums(view.film, film_of(flatten(edited, 1.0), SETTINGS))
    loan = view.borrower.loan
    assert not loan.whole and loan.bytes < 1500 < whole
    assert loan.samples == SAMPLES and loan.nodes == 2


def test_only_what_is_lent_is_rendered(crew: Crew, view: View) -> None:
    wanted = view.show(stage(), (8, 20), (30, SAMPLES))
    view.finished(22)
    parts = [
        film_of(wanted.flat, settings(width=16, height=8, first_sample=a, samples=b - a)) for a, b in wanted.ranges
    ]
    total = parts[0]
    parts[1].merge_into(total)
    assert same_sums(view.film, total)


def test_what_is_of_an_earlier_scene_never_comes_and_its_nodes_come_over(crew: Crew, view: View) -> None:
    scene = stage()
    for session in crew.sessions:
        session.sample_s = 0.05
    for i in range(6):
        view.show(scene.replace("key", intensity=10.0 + i))
        time.sleep(0.15)
    for session in crew.sessions:
        session.sample_s = 0.002
    view.finished()
    assert same_sums(view.film, film_of(view.flat, SETTINGS))
    live_jobs = [id_ for id_ in crew.service._jobs if id_.startswith("live_")]
    assert len(live_jobs) <= 1, "the others are forgotten"


def test_an_edit_with_new_geometry_sends_the_scene_anew(crew: Crew, view: View) -> None:
    scene = stage()
    view.show(scene)
    view.finished()
    mesh = make_mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    after = scene.add(mesh).replace("box", mesh=mesh.key)
    view.show(after)
    view.finished()
    assert view.borrower.loan.whole and same_sums(view.film, film_of(flatten(after, 1.0), SETTINGS))


def test_nothing_wanted_frees_the_nodes_and_nothing_is_left_in_the_store(crew: Crew, store: Store, view: View) -> None:
    for session in crew.sessions:
        session.sample_s = 0.05
    view.show(stage())
    view.until(lambda: view.film is not None)
    view.borrower.want(None)
    view.until(lambda: view.last.at_work == 0 and view.last.samples == 0)
    service = crew.service
    assert all(service.coordinator.over(id_) for id_ in service._jobs), "nobody works at it any more"
    view.borrower.close()
    wait(lambda: not list(store.list("jobs")) and not list(store.list("live")))
    wait(lambda: not service._jobs)


def test_a_view_that_is_not_heard_is_ended_and_swept(
    crew: Crew, store: Store, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = stage()
    sent = send_scene(store, Path("nowhere"), scene)
    session = "0badc0de"
    spec = JobSpec(
        id=live_desk.job_name(session, 1),
        name="s",
        bundle=sent.bundle,
        pieces=(Piece(frame=1.0, samples=100_000),),
        live=True,
    )
    from studio.farm.jobs import RenderJob

    write_job(store, RenderJob(spec=spec, settings=SETTINGS))
    write_wish(store, session, Wish(beat=1, jobs=(spec.id,)))
    wait(lambda: (stand := read_stand(store, session)) is not None and stand.at_work == 2)
    assert list(job_ids(store)) == [], "such jobs are no artist's"
    monkeypatch.setattr(live_desk, "SILENT_S", 0.2)
    wait(lambda: not list(store.list(f"live/{session}")) and not list(store.list(f"jobs/{spec.id}")))
    assert crew.service.job(spec.id) is None


def wait(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20.0
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_where_nobody_is_there_a_sentence_says_so(store: Store, view: View) -> None:
    view.show(stage())
    view.until(lambda: view.last.sentence == NO_COORDINATOR and view.last.fault)
    service = Service(store)
    with Crew(service, {}, nodes=0):
        view.until(lambda: view.last.sentence == NO_NODES)


def test_a_view_asks_only_for_its_own_jobs(crew: Crew, store: Store) -> None:
    """Whoever may write wishes cannot have others' jobs given up."""
    scene = stage()
    sent = send_scene(store, Path("nowhere"), scene)
    from studio.farm.jobs import RenderJob

    spec = JobSpec(id="mine", name="mine", bundle=sent.bundle, pieces=(Piece(frame=1.0, samples=50_000),))
    crew.service.submit(RenderJob(spec=spec, settings=SETTINGS))
    write_wish(store, "0badc0de", Wish(beat=1, jobs=("mine", "live_ffffffff_1", "nothing")))
    wait(lambda: read_stand(store, "0badc0de") is not None)
    store.delete("live/0badc0de/wish.json")
    wait(lambda: not list(store.list("live")))
    assert crew.service.status("mine").state in ("waiting", "running")
    crew.service.coordinator.cancel("mine")


def test_a_partial_of_another_scene_is_not_used_and_the_scene_is_sent_anew(
    crew: Crew, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody put another scene into the store where ours should be."""
    scene = stage()
    view.show(scene)
    view.finished()
    wrong = sent_scene.changes
    calls: list[int] = []

    def damaged(before: Scene, after: Scene):
        calls.append(1)
        return wrong(before, after.replace("key", intensity=999.0))

    monkeypatch.setattr(sent_scene, "changes", damaged)
    edited = scene.replace("key", intensity=55.0)
    view.show(edited)
    view.finished()
    assert calls == [1] and view.borrower.loan.whole, "it was sent as it is"
    assert same_sums(view.film, film_of(flatten(edited, 1.0), SETTINGS))
    told = [loan for loan in view.loans if "another scene" in loan.sentence]
    assert told and not any(loan.fault for loan in told), "for a fault the view would take it all back"


def test_a_store_that_goes_away_is_told_and_taken_up_again(crew: Crew, store: Store, view: View) -> None:
    view.show(stage())
    view.finished()
    put = store.put

    def refuse(key: str, data: bytes, *, once: bool = False) -> bool:
        if key.startswith(("jobs/live_", "live/")):
            raise CannotWrite(f"store: cannot write {key}: no space left")
        return put(key, data, once=once)

    store.put = refuse  # type: ignore[method-assign]
    view.show(stage().replace("key", intensity=3.0))
    view.until(lambda: "no space left" in view.last.sentence and view.last.fault)
    store.put = put  # type: ignore[method-assign]
    view.finished()
    assert read_job(store, view.borrower._jobs.out[0].id).spec.live


def test_that_nothing_is_wanted_is_said_again_where_the_store_did_not_take_it(
    crew: Crew, store: Store, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not with the next beat, for which nodes would work at what nobody looks at."""
    monkeypatch.setattr(wish_list, "BEAT_S", 10_000.0)
    monkeypatch.setattr(live, "AGAIN_S", 0.05)
    for session in crew.sessions:
        session.sample_s = 0.05
    view.show(stage())
    view.until(lambda: view.film is not None)
    put, refused = store.put, threading.Event()

    def once(key: str, data: bytes, *, once: bool = False) -> bool:
        if key.endswith("wish.json") and not refused.is_set():
            refused.set()
            raise CannotWrite("store: no answer came")
        return put(key, data, once=once)

    store.put = once  # type: ignore[method-assign]
    view.borrower.want(None)
    assert refused.wait(20.0)
    key = f"live/{view.borrower.session}/wish.json"
    wait(lambda: msgspec.json.decode(store.get(key), type=Wish).jobs == ())


def test_what_is_wanted_while_the_store_is_asked_waits_for_no_look(store: Store, view: View) -> None:
    view.borrower._poll_s = 10_000.0
    asked, let, put = threading.Event(), threading.Event(), store.put

    def slow(key: str, data: bytes, *, once: bool = False) -> bool:
        if key.endswith("/job.json") and not asked.is_set():
            asked.set()
            assert let.wait(20.0)
        return put(key, data, once=once)

    store.put = slow  # type: ignore[method-assign]
    view.show(stage())
    assert asked.wait(20.0)
    wanted = view.show(stage().replace("key", intensity=3.0))
    let.set()
    wait(lambda: view.borrower._film is wanted)


def test_a_fault_of_ours_is_told_and_the_next_edit_is_rendered(
    crew: Crew, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = sent_scene.send_scene

    def broken(*given, **more):
        monkeypatch.setattr(sent_scene, "send_scene", send)
        raise ValueError("nobody foresaw this")

    monkeypatch.setattr(sent_scene, "send_scene", broken)
    view.show(stage())
    view.until(lambda: "ValueError in broken" in view.last.sentence and view.last.fault and not view.last.passes)
    view.show(stage())
    view.finished()


@pytest.mark.parametrize("what", ["store", "disk", "claim"])
def test_what_could_not_be_fetched_once_is_fetched_the_next_time(
    crew: Crew, view: View, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(live, "AGAIN_S", 0.05)
    failed: set[object] = set()
    check, claimed = collecting.check_partial, collecting.claim_on

    def checked(path, job, piece, result):
        if result.range not in failed:
            failed.add(result.range)
            raise OSError(28, "No space left on device") if what == "disk" else CannotWrite("store: no answer came")
        return check(path, job, piece, result)

    def claim(store, id_, piece, samples):
        if samples not in failed:
            failed.add(samples)
            return None  # it was withdrawn a moment ago
        return claimed(store, id_, piece, samples)

    monkeypatch.setattr(collecting, *(("claim_on", claim) if what == "claim" else ("check_partial", checked)))
    view.show(stage())
    view.finished()
    assert failed and same_sums(view.film, film_of(view.flat, SETTINGS))


def test_a_scene_that_is_being_sent_is_sent_no_further_when_the_nodes_are_given_back(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def endless(store, folder, scene, *, progress, journal):
        begun.set()
        for sent in range(3000):
            progress(sent, 3000)
            time.sleep(0.01)
        raise AssertionError("it was sent to its end")

    monkeypatch.setattr(sent_scene, "send_scene", endless)
    view.show(stage())
    assert begun.wait(20.0)
    view.borrower.close()
    assert view.borrower.wait(20.0)


def test_a_scene_that_was_cleaned_away_is_sent_again(crew: Crew, store: Store, view: View) -> None:
    """As after a night in which nothing was wanted of it."""
    scene = stage()
    view.show(scene)
    view.finished()
    view.borrower.want(None)
    store.delete(*(key for top in ("bundles", "layouts", "blobs", "packs") for key, _ in store.list(top)))
    edited = scene.replace("key", intensity=55.0)
    view.show(edited)
    view.finished()
    assert view.borrower.loan.whole and same_sums(view.film, film_of(flatten(edited, 1.0), SETTINGS))


def test_a_store_far_away_is_looked_at_less_often(store: Store) -> None:
    with Borrower(store, deliver=lambda *came: True, renew=lambda *again: None) as near:
        assert near._poll_s == live.POLL_S
    store.name = "s3://bucket/farm"
    with Borrower(store, deliver=lambda *came: True, renew=lambda *again: None) as far:
        assert far._poll_s == live.FAR_POLL_S


class Silent:
    """A store that answers nothing until it is let."""

    name = "silent"

    def __init__(self) -> None:
        self.asked, self.let, self.waited = threading.Event(), threading.Event(), False

    def __getattr__(self, verb: str) -> Callable[..., None]:
        def never(*_: object, **__: object) -> None:
            self.asked.set()
            self.waited |= not self.let.wait(5.0)
            raise CannotWrite("the store does not answer")

        return never


def test_whoever_closes_a_loan_does_not_wait_for_its_store() -> None:
    store = Silent()
    view = View(store)  # type: ignore[arg-type]
    view.show(stage())
    assert store.asked.wait(20.0)
    folder = view.borrower._scene._folder
    view.borrower.close()
    store.let.set()
    assert not store.waited, "it was closed while the store was silent"
    assert view.borrower.wait(20.0) and not folder.exists()


def test_a_program_ends_though_a_store_never_answers(tmp_path: Path) -> None:
    script = """
import tempfile, threading
from studio.farm.live import borrower
tempfile.tempdir = "%s"
borrower.EXIT_S = 0.2
class Silent:
    name = "silent"
    def __getattr__(self, verb):
        return lambda *_, **__: (asked.set(), threading.Event().wait())
asked = threading.Event()
loan = borrower.Borrower(Silent(), deliver=lambda *came: True, renew=lambda *again: None)
assert asked.wait(20.0)
loan.close()
print("closed")
"""
    ended = subprocess.run(
        [sys.executable, "-c", script % tmp_path], capture_output=True, text=True, timeout=60.0, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "closed\n", "")
    assert not list(tmp_path.iterdir())


def test_what_an_artist_wants_is_signed_and_nodes_of_theirs_lend_themselves(crew: Crew, store: Store) -> None:
    """Where nobody has signed, nodes that work for known artists alone say no, and the view says why."""
    key = Key.made()
    roster = Roster().with_member(key.public, Member(name="Ada", role="artist", since=0.0))
    for node in crew.nodes:
        node._allow = lambda job: artist.guard(store, job, roster)
    plain = View(store)
    plain.show(stage())
    plain.until(lambda: plain.last.sentence == NONE_FIT)
    assert plain.film is None
    plain.borrower.close()
    assert plain.borrower.wait(20.0)
    named = View(store, key=key)
    scene = stage()
    named.show(scene)
    named.finished()
    named.show(scene.replace("key", intensity=55.0))
    named.finished()
    job = named.borrower._jobs.out[0].job
    assert job.changes is not None and artist.check_signed(store, job, roster).name == "Ada"
    signature = f"{bundle_key(job.spec.bundle)}.sig"
    assert store.size(signature)
    store.delete(*(key for top in ("bundles", "layouts", "blobs", "packs") for key, _ in store.list(top)))
    named.show(scene)
    named.finished()
    assert named.borrower.loan.whole and store.size(signature), "the same files, sent and signed again"
    named.borrower.close()
    assert named.borrower.wait(20.0)
