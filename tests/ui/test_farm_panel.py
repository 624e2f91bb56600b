"""The farm panel: jobs of stores are watched and lived with, by hands and keys, in one window that all tests share.

Results are noise with true headers (`tests.farm.results_of`); nothing is rendered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PySide6.QtCore import QEvent, QPersistentModelIndex, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from studio.commands.preferences import Preferences
from studio.farm import movie, session
from studio.farm.engines.engine import Ref
from studio.farm.jobs import RenderJob, job_key
from studio.farm.model import Event, NodeRow, NodeRows
from studio.farm.money.ledger import Ledger, Posting, UsageRow
from studio.farm.orders import beat, end_beat, orders_after, wished
from studio.farm.request import note_engine, remember
from studio.farm.results import Notes, save_notes
from studio.farm.seen import known
from studio.farm.seen.states import FrameState, JobState, News, NodeState
from studio.farm.store import Store, open_store
from studio.farm.wish import LOCAL
from studio.render.export import ExportSettings
from studio.render.finish import Look
from studio.render.reel import Stills
from studio.ui import farm_jobs, farm_words
from studio.ui.farm_frames import FrameModel
from studio.ui.farm_jobs import JOB, JobFilter, JobModel
from studio.ui.farm_log import EventModel, Wanted, frame_of, frame_span
from studio.ui.farm_nodes import UNITS, NodeModel
from studio.ui.farm_panel import command_line
from studio.ui.flipbook import Flipbook
from tests.farm.results_of import deliver, job_in
from tests.render.stage import stage
from tests.ui.conftest import SHOT_SIZE

LEFT = Qt.MouseButton.LeftButton
LOOK = Look(exposure_ev=0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("farm")


@pytest.fixture(autouse=True)
def own_folders(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the window, which all tests share."""
    for name in ("config", "data", "cache"):
        monkeypatch.setenv(f"MYRIAD_{name.upper()}", str(folder / name))


@pytest.fixture(scope="module")
def yard(qapp: QApplication, folder: Path) -> Iterator[Any]:
    """A window with the farm panel."""
    from studio.ui.application import Application

    with pytest.MonkeyPatch.context() as patch:
        for name in ("config", "data", "cache"):
            patch.setenv(f"MYRIAD_{name.upper()}", str(folder / name))
        application = Application(qapp, Preferences(language="en", confirm_quit=False))
        window = application.new_window()
        window.resize(*SHOT_SIZE)
        panel = window.show_panel("farm")
        area = window.add_dock("farm").dockAreaWidget()
        window.docks.setSplitterSizes(area, [300, 480, 120])
        yield window
        assert panel is not None
        application.close()
        qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        assert [t.name for t in threading.enumerate() if t.name in ("studio-farm-watch", "studio-window")] == []


@pytest.fixture
def panel(yard: Any, qtbot: QtBot) -> Iterator[Any]:
    """The panel with nothing to see."""
    made = yard.show_panel("farm")
    made.link.tell_desktop = lambda title, text: None
    made.filter.clear()
    made.shows.choose("all")
    made.tabs.setCurrentIndex(0)
    yield made
    for place in made.link.watch.places:
        made.link.remove(place)
    yard.application.notices.kept.clear()
    qtbot.waitUntil(lambda: not yard.application.bridge.busy)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


@pytest.fixture
def job(store: Store, tmp_path: Path) -> RenderJob:
    """A job of two frames of 16 samples, whose pictures this machine knows where to put."""
    made = job_in(store, tmp_path, cap_micros=40_000_000)
    notes = Notes(output=str(tmp_path / "out" / "f.####.png"), look=LOOK)
    save_notes(session.job_folder(store, made.spec.id), notes)
    return made


@pytest.fixture
def seen(panel: Any, store: Store, job: RenderJob, qtbot: QtBot) -> Callable[[Callable[[], bool]], None]:
    """The panel looks at the store; call it to wait until it shows what is said."""
    panel.link.add(store.name)

    def wait(holds: Callable[[], bool]) -> None:
        panel.link.watch.hurry(store.name)
        qtbot.waitUntil(holds)

    wait(lambda: panel.current is not None and panel._detail is not None)
    return wait


def press(button: Any) -> None:
    assert button.isEnabled(), button.objectName()
    QTest.mouseClick(button, LEFT)


def state(panel: Any, row: int = 0) -> str:
    return str(panel.shown_jobs.index(row, farm_jobs.STATE).data())


def say(store: Store, job: RenderJob, *events: dict[str, Any], block: int = 0) -> None:
    whole = [{"number": i, "at": time.time(), "job": job.spec.id, **event} for i, event in enumerate(events)]
    data = msgspec.json.encode({"before": "", "events": whole})
    store.put(job_key(job.spec.id, "events", f"0001-{block:06d}.json"), data)


def sentences(yard: Any) -> list[str]:
    return [notice.sentence for notice in yard.application.notices.kept]


# --- the story -------------------------------------------------------------------------------------------------------
def test_a_job_comes_piece_by_piece_until_its_last_picture_and_the_notice(
    yard: Any, panel: Any, store: Store, job: RenderJob, seen: Any, tmp_path: Path, shot: Any
) -> None:
    """Previews refine, frames come home, the end is told by a notice and, as nobody looks, by the desktop."""
    messages: list[str] = []
    panel.link.tell_desktop = lambda title, text: messages.append(text)
    frames = panel.strip.frames

    def mark(row: int) -> str:
        return str(frames.frames[row].mark)

    beat(store, 1)
    say(store, job, {"kind": "leased", "node": "a", "piece": 0, "range": [0, 16], "attempt": 1})
    seen(lambda: state(panel) == "Running" and mark(0) == "working")
    assert yard.farm.isVisible() and yard.farm.text() == "1 · 0 %"
    deliver(store, job, tmp_path, 0, (0, 4))
    seen(lambda: frames.frames[0].preview is not None)
    noisy = frames.frames[0].stamp
    panel.strip.grab()
    reads = frames.reads
    deliver(store, job, tmp_path, 0, (4, 12))
    seen(lambda: frames.frames[0].stamp > noisy)
    panel.strip.grab()
    assert frames.reads == reads + 1, "a picture is read when it changed, and no other"
    assert yard.farm.text() == "1 · 37 %"
    shot(panel, "farm_at_work")
    deliver(store, job, tmp_path, 0, (12, 16))
    seen(lambda: mark(0) == "here")
    assert (tmp_path / "out" / "f.0001.png").is_file()
    assert sentences(yard) == []
    deliver(store, job, tmp_path, 1, (0, 16))
    seen(lambda: mark(1) == "here" and state(panel) == "Done")
    assert (tmp_path / "out" / "f.0002.png").is_file()
    assert sentences(yard) == ["stage is rendered: 2 frames."]
    assert messages == [] if yard.isActiveWindow() else messages == sentences(yard)


# --- what is wanted of jobs ------------------------------------------------------------------------------------------
def wants(store: Store, job: RenderJob) -> set[str]:
    return set(wished(order for _, order in orders_after(store, job.spec.id, 0)))


def test_buttons_pause_and_go_on(panel: Any, store: Store, job: RenderJob, seen: Any, qtbot: QtBot) -> None:
    beat(store, 1)
    seen(lambda: state(panel) == "Running")
    assert not panel.resume_button.isEnabled()
    press(panel.pause_button)
    qtbot.waitUntil(lambda: state(panel) == "Paused")
    assert wants(store, job) == {"pause"} and not panel.pause_button.isEnabled()
    press(panel.resume_button)
    qtbot.waitUntil(lambda: state(panel) == "Running")
    assert wants(store, job) == {"resume"}


def test_a_job_is_cancelled_after_a_question(
    panel: Any, store: Store, job: RenderJob, seen: Any, answers: list[Any], qtbot: QtBot
) -> None:
    beat(store, 1)
    seen(lambda: state(panel) == "Running")
    answers.append("Let it go on")
    press(panel.cancel_button)
    assert wants(store, job) == set()
    answers.append("Cancel the job")
    panel.table.setFocus()
    QTest.keyClick(panel.table, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: state(panel) == "Cancelled")
    assert not panel.cancel_button.isEnabled() and panel.resume_button.isEnabled()


def edit(panel: Any, column: int, text: str) -> None:
    """Double click a cell of the first job, type, press Return."""
    table = panel.table
    cell = table.visualRect(panel.shown_jobs.index(0, column))
    QTest.mouseClick(table.viewport(), LEFT, pos=cell.center())
    QTest.mouseDClick(table.viewport(), LEFT, pos=cell.center())
    (editor,) = table.findChildren(object, "farm-priority" if column == farm_jobs.PRIORITY else "farm-cap")
    editor.selectAll()
    QTest.keyClicks(editor, text)
    QTest.keyClick(editor, Qt.Key.Key_Return)
    QApplication.processEvents()  # what a delegate commits waits in the queue


def test_priority_and_cap_are_edited_where_they_stand(
    yard: Any, panel: Any, store: Store, job: RenderJob, seen: Any, qtbot: QtBot
) -> None:
    edit(panel, farm_jobs.PRIORITY, "80")
    qtbot.waitUntil(lambda: panel.current.standing.priority == 80)
    edit(panel, farm_jobs.COST, "12.5")
    qtbot.waitUntil(lambda: panel.current.cap_micros == 12_500_000)
    assert panel.shown_jobs.index(0, farm_jobs.COST).data() == "– / 12.50"
    assert wants(store, job) == {"priority", "cap"}
    before = len(orders_after(store, job.spec.id, 0))
    edit(panel, farm_jobs.PRIORITY, "80")
    qtbot.waitUntil(lambda: not yard.application.bridge.busy)
    assert len(orders_after(store, job.spec.id, 0)) == before, "what is so already is not ordered"


def test_a_cap_of_less_than_a_cent_stays_when_it_is_only_looked_at(
    yard: Any, panel: Any, store: Store, job: RenderJob, seen: Any, qtbot: QtBot
) -> None:
    session.order(store, job.spec.id, "cap", value=4_321)
    seen(lambda: panel.current.cap_micros == 4_321)
    before = len(orders_after(store, job.spec.id, 0))
    edit(panel, farm_jobs.COST, "")
    qtbot.waitUntil(lambda: not yard.application.bridge.busy)
    assert len(orders_after(store, job.spec.id, 0)) == before


def test_of_several_jobs_those_are_paused_that_can_be(
    yard: Any, panel: Any, store: Store, job: RenderJob, seen: Any, tmp_path: Path, qtbot: QtBot
) -> None:
    beat(store, 1)
    over = job_in(store, tmp_path, name="over")
    session.order(store, over.spec.id, "cancel")
    seen(lambda: sorted(state(panel, row) for row in range(panel.shown_jobs.rowCount())) == ["Cancelled", "Running"])
    panel.table.selectAll()
    press(panel.pause_button)
    qtbot.waitUntil(lambda: wants(store, job) == {"pause"} and not yard.application.bridge.busy)
    assert wants(store, over) == {"cancel"} and not any("nothing to pause" in told for told in sentences(yard))


def test_a_job_that_is_over_has_no_priority_to_edit(panel: Any, store: Store, job: RenderJob, seen: Any) -> None:
    session.order(store, job.spec.id, "cancel")
    seen(lambda: state(panel) == "Cancelled")
    index = panel.shown_jobs.index(0, farm_jobs.PRIORITY)
    assert not index.flags() & Qt.ItemFlag.ItemIsEditable


def test_space_pauses_and_goes_on(panel: Any, store: Store, job: RenderJob, seen: Any, qtbot: QtBot) -> None:
    beat(store, 1)
    seen(lambda: state(panel) == "Running" and panel.pause_button.isEnabled())
    QTest.keyClick(panel.table, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: state(panel) == "Paused" and panel.resume_button.isEnabled())
    QTest.keyClick(panel.table, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: state(panel) == "Running")


def test_the_menu_of_a_job_offers_what_its_buttons_do(panel: Any, store: Store, job: RenderJob, seen: Any) -> None:
    cell = panel.table.visualRect(panel.shown_jobs.index(0, 0))
    panel._menu(cell.center())
    menu = panel.findChild(QMenu, "farm-menu")
    on = {
        action.objectName().removeprefix("farm-menu-"): action.isEnabled() for action in menu.actions() if action.text()
    }
    assert on == {
        "pause": True,
        "resume": True,  # nobody works at it
        "cancel": True,
        "fetch": True,
        "flipbook": True,
        "folder": True,
        "copy": True,
        "priority": True,
        "cap": True,
    }
    menu.close()


def test_a_job_without_nodes_says_what_to_do(yard: Any, panel: Any, store: Store, job: RenderJob, seen: Any) -> None:
    assert state(panel) == "No nodes"
    assert "studio farm serve --nodes 1" in panel.told.text() and panel._notice.isVisible()
    note_engine(store, Ref(engine=LOCAL, id=job.spec.id, job=job.spec.id, store=store.name))
    seen(lambda: "this machine starts its nodes" in panel.told.text())
    beat(store, 1)
    seen(lambda: state(panel) == "Running")
    assert not panel._notice.isVisible()
    end_beat(store, 1)
    say(store, job, {"kind": "failed", "text": "frame 2 needs more memory than any node has"})
    seen(lambda: state(panel) == "Failed")
    assert panel.told.text() == "Frame 2 needs more memory than any node has"
    assert sentences(yard) == ["stage failed: frame 2 needs more memory than any node has"]


# --- frames ----------------------------------------------------------------------------------------------------------
def centre_of(panel: Any, row: int) -> QPoint:
    return panel.strip.visualRect(panel.strip.frames.index(row)).center()  # type: ignore[no-any-return]


def test_a_click_shows_a_frame_and_two_reveal_it(
    yard: Any, panel: Any, store: Store, job: RenderJob, seen: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = panel.strip.frames
    QTest.mouseClick(panel.strip.viewport(), LEFT, pos=centre_of(panel, 1))
    assert yard.panel("flipbook") is None, "there is nothing of it to show"
    deliver(store, job, tmp_path, 0, (0, 16))
    deliver(store, job, tmp_path, 1, (0, 4))
    seen(lambda: frames.frames[0].mark == "here" and frames.frames[1].preview is not None)
    QTest.mouseClick(panel.strip.viewport(), LEFT, pos=centre_of(panel, 1))
    book = yard.panel("flipbook")
    assert isinstance(book, Flipbook) and book.frame == 2

    def played() -> dict[int, Path]:
        assert isinstance(book.reel, Stills)
        return book.reel.files

    assert list(played()) == [1, 2]
    assert played()[1] == tmp_path / "out" / "f.0001.png", "the picture itself where it is here"
    deliver(store, job, tmp_path, 1, (4, 16))
    seen(lambda: frames.frames[1].mark == "here")
    assert played()[2] == tmp_path / "out" / "f.0002.png", "the reel grows while it is looked at"
    revealed: list[Path] = []
    monkeypatch.setattr(yard.application.face, "reveal", revealed.append)
    QTest.mouseClick(panel.strip.viewport(), LEFT, pos=centre_of(panel, 0))
    QTest.mouseDClick(panel.strip.viewport(), LEFT, pos=centre_of(panel, 0))
    press(panel.folder_button)
    assert revealed == [tmp_path / "out"] * 2
    panel.strip._menu(centre_of(panel, 0))
    menu = panel.strip.findChild(QMenu, "farm-frame-menu")
    acts = {action.objectName().removeprefix("farm-frame-menu-"): action for action in menu.actions()}
    acts["copy"].trigger()
    assert QApplication.clipboard().text() == str(tmp_path / "out" / "f.0001.png")
    acts["log"].trigger()
    menu.close()
    assert panel.tabs.currentWidget() is panel.log and panel.log.frame.text() == "1"
    panel.log.frame.clear()


def test_pictures_that_are_gone_are_told_and_fetched_again(
    panel: Any, store: Store, job: RenderJob, seen: Any, tmp_path: Path, qtbot: QtBot
) -> None:
    for row in (0, 1):
        deliver(store, job, tmp_path, row, (0, 16))
    seen(lambda: [frame.mark for frame in panel.strip.frames.frames] == ["here", "here"])
    (tmp_path / "out" / "f.0002.png").unlink()
    seen(lambda: panel.strip.frames.frames[1].mark == "missing")
    assert "frames 2" in panel.told.text()
    press(panel.fetch_button)
    qtbot.waitUntil(lambda: panel.strip.frames.frames[1].mark == "here")


def test_a_movie_is_made_while_one_looks_and_told_when_it_is_there(
    yard: Any,
    panel: Any,
    store: Store,
    job: RenderJob,
    seen: Any,
    tmp_path: Path,
    shot: Any,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
) -> None:
    """It is encoded on a thread of its own, the table says how far it is, and then the flipbook plays it."""
    pytest.importorskip("av", reason="movies need PyAV")
    output, encode, held = tmp_path / "out" / "shot.mp4", movie.encode_kept, threading.Event()

    def slowly(*args: Any, progress: Callable[[int, int], None], **options: Any) -> None:
        progress(1, 2)
        assert held.wait(60)
        encode(*args, progress=progress, **options)

    monkeypatch.setattr(movie, "encode_kept", slowly)
    export = ExportSettings(width=64, height=40, samples=16, frames="1-2", format="h264", slate=True, slate_frames=3)
    remember(store, job, output, LOOK, movie=movie.movie_of(stage(), export, output))
    beat(store, 1)
    for row in (0, 1):
        deliver(store, job, tmp_path, row, (0, 16))
    seen(lambda: panel.told.text() == "Making the movie: 1 of 2 frames.")
    assert state(panel) == "Encoding" and panel._notice.isVisible()
    assert str(panel.shown_jobs.index(0, farm_jobs.PROGRESS).data()) == "1 / 2"
    assert sentences(yard) == [], "it is not there yet"
    shot(panel.window(), "farm_making_a_movie")
    held.set()
    seen(lambda: state(panel) == "Done" and panel.current.movie == "here")
    assert sentences(yard) == ["shot.mp4 is made: 2 frames."]
    assert [path.name for path in output.parent.iterdir()] == ["shot.mp4"]
    seen(lambda: [frame.path for frame in panel.strip.frames.frames] == [output, output])
    tip = str(panel.strip.frames.index(0).data(Qt.ItemDataRole.ToolTipRole))
    assert "It is in the movie" in tip and str(output) in tip
    QTest.mouseClick(panel.strip.viewport(), LEFT, pos=centre_of(panel, 1))
    book = yard.panel("flipbook")
    qtbot.waitUntil(lambda: book.reel is not None and book.reel.name == "shot.mp4")
    assert (len(book.reel.frames), book.frame) == (5, 5), "the second frame, after the slate's three"
    revealed: list[Path] = []
    monkeypatch.setattr(yard.application.face, "reveal", revealed.append)
    press(panel.folder_button)
    assert revealed == [output.parent]
    press(panel.copy_button)
    assert f"-o {output} --watch" in QApplication.clipboard().text()
    shot(panel.window(), "farm_movie_here")
    output.unlink()
    seen(lambda: "shot.mp4 was moved or removed" in panel.told.text())
    press(panel.fetch_button)
    qtbot.waitUntil(lambda: output.is_file() and panel.current.movie == "here")


def test_where_pictures_go_is_asked_when_nobody_knows(
    panel: Any, store: Store, job: RenderJob, seen: Any, tmp_path: Path, answers: list[Any], qtbot: QtBot
) -> None:
    other = job_in(store, tmp_path, frames=(7.0,))
    deliver(store, other, tmp_path, 0, (0, 16))
    seen(lambda: panel.shown_jobs.rowCount() == 2)
    panel.show_job(store.name, other.spec.id)
    qtbot.waitUntil(lambda: panel._detail is not None and panel._detail.id == other.spec.id)
    assert "choose it by Fetch now" in panel.told.text()
    answers.append(None)
    press(panel.fetch_button)
    answers.append(tmp_path / "mine" / "x.####.png")
    press(panel.fetch_button)
    qtbot.waitUntil(lambda: (tmp_path / "mine" / "x.0007.png").is_file())
    qtbot.waitUntil(lambda: panel.strip.frames.frames[0].mark == "here")


def test_the_command_line_of_a_job_fetches_it(
    panel: Any, store: Store, job: RenderJob, seen: Any, tmp_path: Path
) -> None:
    press(panel.copy_button)
    wanted = f"studio farm fetch {job.spec.id} --store {store.name} -o '{tmp_path / 'out' / 'f.####.png'}' --watch"
    assert QApplication.clipboard().text() == wanted
    own = replace(panel.current, place=known.own_store(), output="")
    assert command_line(own) == f"studio farm fetch {job.spec.id} --watch"


# --- nodes and the log -----------------------------------------------------------------------------------------------
def test_nodes_and_the_log_are_those_of_the_job(
    panel: Any, store: Store, job: RenderJob, seen: Any, qtbot: QtBot, shot: Any
) -> None:
    row = NodeRow(id="a", device="RTX", unit=f"{job.spec.id} f1 0-16", done=0.5, speed=0.4, score=1.0, trust=2)
    store.put("nodes/1.json", msgspec.json.encode(NodeRows(generation=1, at=time.time(), rows=(row,))))
    beat(store, 1)
    say(
        store,
        job,
        {"kind": "leased", "node": "a", "piece": 0, "range": [0, 16], "attempt": 1},
        {"kind": "leased", "node": "b", "piece": 1, "range": [0, 16], "attempt": 2},
        {"kind": "failed", "node": "b", "piece": 1, "range": [0, 16], "attempt": 2, "text": "12: the device was reset"},
        {"kind": "paused", "by": "mei"},
    )
    seen(lambda: len(panel.log.model.events) == 4)
    rows = [[panel.nodes.index(r, c).data() for c in (0, 1, 3, 4, 5, 9)] for r in range(2)]
    assert rows == [
        ["a", "Idle", "Contracted", "0.4 / 1", "1 · 0–16  50 %", ""],
        ["b", "Gone", "", "", "", "1"],
    ]
    panel.tabs.setCurrentWidget(panel.log)
    model = panel.log.model

    def said() -> list[str]:
        return [model.index(r, 1).data() for r in range(model.rowCount())]

    assert said() == ["Unit begun", "Unit begun", "Unit failed", "Paused"]
    assert model.index(2, 5).data() == "the device was reset" and model.index(3, 5).data() == "by mei"
    shot(panel, "farm_log")
    QTest.keyClicks(panel.log.search, "reset")
    assert said() == ["Unit failed"] and panel.log.count.text() == "1 of 4 events"
    press(panel.log.findChild(object, "farm-log-copy"))
    assert "the device was reset" in QApplication.clipboard().text()
    panel.log.search.clear()
    QTest.keyClicks(panel.log.frame, "1")
    assert said() == ["Unit begun"]
    panel.log.frame.clear()
    QTest.keyClicks(panel.log.frame, "1-2")
    assert said() == ["Unit begun", "Unit begun", "Unit failed"]
    panel.log.frame.clear()
    QTest.keyClicks(panel.log.frame, "x")
    assert said() == [] and "like 12 or 10-20" in panel.log.frame.toolTip()
    assert panel.log.frame.property("wrong")
    panel.log.frame.clear()
    panel.log.kind.choose("faults")
    panel.log.kind.activated.emit(0)
    assert said() == ["Unit failed"]
    panel.log.kind.choose("")
    panel.log.kind.activated.emit(0)
    panel.tabs.setCurrentWidget(panel.node_table)
    cell = panel.node_table.visualRect(panel.nodes.index(0, 0)).center()
    QTest.mouseClick(panel.node_table.viewport(), LEFT, pos=cell)
    QTest.mouseDClick(panel.node_table.viewport(), LEFT, pos=cell)
    assert panel.tabs.currentWidget() is panel.log and said() == ["Unit begun"], "a double click shows its events"
    panel.log.show_node("of another job")
    assert said() == [] and panel.log.node.currentData() == "of another job", "one that did nothing has no events"
    panel.log.show_node("")
    panel.log.begin(())
    assert [panel.log.node.itemData(row) for row in range(panel.log.node.count())] == [""]


# --- books -----------------------------------------------------------------------------------------------------------
def test_what_a_job_cost_is_shown_where_books_are_kept(
    yard: Any, panel: Any, store: Store, job: RenderJob, seen: Any, tmp_path: Path, answers: list[Any], qtbot: QtBot
) -> None:
    assert panel.ledger.stack.currentIndex() == 0 and "No books are kept here" in panel.ledger.why.text()
    file, id_ = session.farm_folder() / "ledger.sqlite", job.spec.id

    def post(account: Any, owner: str, amount: int, *, held: bool = False) -> Posting:
        return Posting(owner=owner, account=account, amount=amount, currency="EUR", job=id_ if held else "")

    usage = UsageRow(key="c", job=id_, unit="f1/0-8", attempt=1, node="a", t0=0, t1=9, core_s=10**10, accepted=True)
    with Ledger(file) as books:
        books.post("topup", "t", [post("external", "outside", -(10**7)), post("customer_available", "me", 10**7)])
        hold = [post("customer_available", "me", -(10**7)), post("customer_held", "me", 10**7, held=True)]
        books.post("hold", "h", hold, job=id_)
        captured = [post("customer_held", "me", -2_500_000, held=True), post("node_pending", "a", 2_500_000)]
        books.post("capture", "c", captured, job=id_, unit="f1/0-8", attempt=1, usage=usage)
    seen(lambda: panel.ledger.stack.currentIndex() == 1)
    assert panel.ledger.figures["captured"].text() == "2.50 EUR" and panel.ledger.figures["held"].text() == "7.50 EUR"
    assert panel.ledger.figures["cap"].text() == "40.00 EUR"
    row = panel.ledger.table.topLevelItem(0)
    assert [row.text(c) for c in (0, 1, 5)] == ["a", "1", "2.50 EUR"]
    assert panel.shown_jobs.index(0, farm_jobs.COST).data() == "2.50 / 40.00 EUR"
    panel.tabs.setCurrentWidget(panel.ledger)
    for name in ("bill.html", "bill.txt"):
        answers.append(tmp_path / name)
        press(panel.ledger.invoice_button)
        qtbot.waitUntil(lambda name=name: (tmp_path / name).is_file())  # type: ignore[misc]
        assert "2.50" in (tmp_path / name).read_text(encoding="utf-8")
    qtbot.waitUntil(lambda: any("The invoice is" in told for told in sentences(yard)))
    seen(lambda: True)
    panel.link.remove(store.name)  # closes the books
    file.unlink()


# --- stores ----------------------------------------------------------------------------------------------------------
def test_an_empty_panel_says_how_to_begin(
    panel: Any, store: Store, job: RenderJob, answers: list[Any], qtbot: QtBot, shot: Any
) -> None:
    assert panel.stack.currentIndex() == 0 and panel.empty.head.text() == "No farm yet"
    shot(panel, "farm_empty")
    answers.append(Path(store.name))
    press(panel.empty.add)
    qtbot.waitUntil(lambda: panel.stack.currentIndex() == 1)
    assert panel.current is not None and panel.current.id == job.spec.id
    assert store.name in known.places(), "it is there after the next start as well"
    panel._stores_menu()
    menu = panel.findChild(QMenu, "farm-stores-menu")
    forget = next(action for action in menu.actions() if action.text() == f"Look no more at {store.name}")
    forget.trigger()
    menu.close()
    assert store.name not in known.places() and panel.stack.currentIndex() == 0


def test_a_store_that_is_not_there_is_told_and_keeps_the_others(
    panel: Any, store: Store, job: RenderJob, seen: Any, tmp_path: Path, qtbot: QtBot
) -> None:
    panel.link.add(str(tmp_path / "gone"))
    qtbot.waitUntil(lambda: "see that its disk or share is there" in panel.state.text())
    assert panel.shown_jobs.rowCount() == 1
    (tmp_path / "gone").mkdir()
    panel.link.watch.hurry(str(tmp_path / "gone"))
    qtbot.waitUntil(lambda: "disk" not in panel.state.text())


def test_an_address_that_is_none_is_refused(yard: Any, panel: Any, answers: list[Any]) -> None:
    answers.append("ftp://nowhere")
    panel.add_bucket()
    assert "cannot be of the kind 'ftp'" in sentences(yard)[-1] and panel.link.watch.places == []


def test_a_desktop_without_a_tray_is_told_nothing(panel: Any) -> None:
    from studio.ui.farm_link import DesktopMessages

    DesktopMessages(panel.link).show("Farm", "stage is rendered: 2 frames.")


def test_the_panel_speaks_the_language_of_the_window(yard: Any, panel: Any, seen: Any, shot: Any) -> None:
    studio = yard.application.studio
    studio.prefer(language="zh_CN")
    assert state(panel) == "无节点" and panel.tabs.tabText(2) == "日志"
    shot(panel, "farm_chinese")
    studio.prefer(language="en")
    assert state(panel) == "No nodes"


def test_every_control_has_its_names(panel: Any, seen: Any) -> None:
    from tests.ui.test_names import controls, told

    found = controls(panel)
    assert len(found) > 15
    assert [told(c) for c in found if not c.objectName()] == []
    assert [told(c) for c in found if not (c.accessibleName() or getattr(c, "text", str)())] == []


# --- models ----------------------------------------------------------------------------------------------------------
def a_job(id_: str, **more: Any) -> JobState:
    facts = {"name": id_, "state": "running", "done": 8, "total": 32, "frames_done": 0, "frames": 2, "priority": 50}
    stands = session.Standing(id=id_, works=True, **{**facts, **more})
    return JobState(place="/farm", standing=stands)


def an_event(number: int) -> Event:
    kind = ("leased", "delivered", "failed")[number % 3]
    return Event(
        number=number,
        at=float(number),
        kind=kind,
        job="j",
        node=f"n{number % 40}",
        piece=number % 5,
        attempt=number + 1,
    )


def test_the_models_keep_the_rules_of_models(qtmodeltester: Any) -> None:
    jobs, frames, nodes, events = JobModel(), FrameModel(), NodeModel(), EventModel()
    jobs.take([a_job("a"), a_job("b", state="done", done=32)])
    frames.take(("/farm", "a"), [FrameState(1.0, 0, 16, "waiting"), FrameState(2.0, 4, 16, "working", nodes=("n",))])
    nodes.take([NodeState("n", NodeRow(id="n")), NodeState("m", units=4, faults=1)])
    events.begin(("f1", "f2"))
    events.add([an_event(number) for number in range(9)])
    for model in (jobs, frames, nodes, events, JobFilter(jobs)):
        assert model.rowCount() > 0
        qtmodeltester.check(model)
    for model in (JobModel(), FrameModel(), NodeModel(), EventModel()):
        qtmodeltester.check(model)


def test_jobs_come_change_and_go_without_a_reset() -> None:
    model, shown = JobModel(), None
    resets: list[int] = []
    model.modelReset.connect(lambda: resets.append(1))
    model.take([a_job("a"), a_job("b"), a_job("c")])
    kept = model.index(1, 0)
    changed: list[tuple[int, int]] = []
    model.dataChanged.connect(lambda first, last: changed.append((first.row(), last.row())))
    model.take([a_job("a"), a_job("b", done=16), a_job("d")])
    assert [job.id for job in model.jobs] == ["a", "b", "d"] and changed == [(1, 1)] and resets == []
    assert kept.data(JOB).standing.done == 16
    shown = JobFilter(model)
    shown.want("RUNNING d", going=True)
    assert [shown.index(row, 0).data() for row in range(shown.rowCount())] == ["d"]


def test_jobs_are_sorted_by_what_their_columns_mean() -> None:
    model = JobModel()
    model.take(
        [a_job("a", priority=9, submitted_at=3.0), a_job("b", priority=80, submitted_at=1.0), a_job("c", priority=50)]
    )
    shown = JobFilter(model)

    def order(column: int) -> str:
        shown.sort(column, Qt.SortOrder.AscendingOrder)
        return "".join(shown.index(row, 0).data() for row in range(3))

    assert order(farm_jobs.PRIORITY) == "acb", "as numbers, not as texts"
    assert order(farm_jobs.AGE) == "abc", "the youngest first"
    model.take([a_job("a", state="done"), a_job("b"), a_job("c", state="failed")])
    assert order(farm_jobs.STATE) == "cba", "what needs somebody comes first"


def test_ten_thousand_events_are_added_and_never_shown_anew() -> None:
    model = EventModel()
    model.begin(tuple(f"f{frame}" for frame in range(1, 6)))
    resets: list[int] = []
    inserted: list[int] = []
    model.modelReset.connect(lambda: resets.append(1))
    model.rowsInserted.connect(lambda parent, first, last: inserted.append(last - first + 1))
    for first in range(0, 10_000, 1000):
        model.add([an_event(number) for number in range(first, first + 1000)])
    assert model.rowCount() == 10_000 and inserted == [1000] * 10 and resets == []
    model.want(Wanted(kind="faults", node="n2", frames=(3.0, 3.0)))
    expected = [n for n in range(10_000) if n % 3 == 2 and n % 40 == 2 and n % 5 == 2]
    assert model.found == len(expected) == model.rowCount() and len(expected) > 10
    assert resets == [1]
    model.add([an_event(10_002 * 120 + 2)])
    assert model.rowCount() == len(expected) + 1, "new ones go through the filter as they come"


def test_a_long_log_that_comes_at_once_is_shown_in_parts() -> None:
    model = EventModel()
    model.begin(("f1",))
    model.add([an_event(number) for number in range(10_000)])
    assert 0 < model.rowCount() < 10_000 and model.found == 10_000
    while model.canFetchMore(model.index(-1, -1)):
        model.fetchMore(model.index(-1, -1))
    assert model.rowCount() == 10_000


def test_of_a_thousand_nodes_those_that_changed_are_touched() -> None:
    model = NodeModel()
    nodes = [NodeState(f"n{i:04d}", NodeRow(id=f"n{i:04d}")) for i in range(1000)]
    model.take(nodes)
    changed: list[tuple[int, int]] = []
    removed: list[tuple[int, int]] = []
    model.dataChanged.connect(lambda first, last: changed.append((first.row(), last.row())))
    model.rowsRemoved.connect(lambda parent, first, last: removed.append((first, last)))
    fresh = [replace(node, units=1) if 10 <= i < 20 or i == 500 else node for i, node in enumerate(nodes)]
    model.take(fresh)
    assert changed == [(10, 19), (500, 500)] and removed == []
    model.take([*fresh[:990], NodeState("new")])
    assert removed == [(990, 999)] and model.rowCount() == 991
    kept = QPersistentModelIndex(model.index(500, 0))
    model.sort(UNITS, Qt.SortOrder.DescendingOrder)
    assert [model.nodes[row].id for row in (0, 10)] == ["n0500", "n0010"] and kept.row() == 0
    model.take([*fresh, NodeState("new", units=9)])
    assert model.nodes[0].id == "new" and kept.row() == 1, "the order is kept while they change"


def test_frames_are_understood_as_they_are_typed() -> None:
    assert [frame_span(text) for text in ("12", " 10-20 ", "1.5", "-3", "x", "", "4-")] == [
        (12.0, 12.0),
        (10.0, 20.0),
        (1.5, 1.5),
        (-3.0, -3.0),
        None,
        None,
        None,
    ]
    assert [frame_of(name) for name in ("f24", "f1_5-x0-y0-x64-y40", "fm3", "f24-s16", "")] == [24, 1.5, -3, 24, None]


def test_amounts_and_ages_are_short_and_true() -> None:
    assert [farm_words.money(m, "EUR") for m in (0, 2_500_000, 1_200, 1_234_567_890)] == [
        "0.00 EUR",
        "2.50 EUR",
        "0.0012 EUR",
        "1,234.57 EUR",
    ]
    assert [farm_words.age(s) for s in (-5, 59, 61, 7300, 200_000)] == ["0 s", "59 s", "1 min", "2 h", "2 days"]


def test_a_movie_that_lacks_something_is_told_so_for_as_long_as_it_is_there() -> None:
    job = replace(a_job("a", done=32, state="done"), output="/out/shot.mp4", movie="here", lack="It has no sound.")
    assert farm_words.reason(job) == "It has no sound."
    news = News(job.place, job.standing, "done", job.output, lack=job.lack)
    assert farm_words.news_text(news) == ("shot.mp4 is made: 2 frames. It has no sound.", "warning")
    assert farm_words.news_text(replace(news, lack=""))[1] == "info"
    assert "moved or removed" in farm_words.reason(replace(job, movie="missing"))


def test_a_share_is_whole_only_when_all_of_it_is_there() -> None:
    model = JobModel()
    model.take([a_job("a", done=31_999, total=32_000), a_job("b", done=32, state="done")])
    texts = [model.index(row, farm_jobs.PROGRESS).data().split(" ·")[0] for row in range(2)]
    assert texts == ["99 %", "100 %"]
