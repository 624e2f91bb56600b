"""Borrowing nodes in the render view: the switch, what it says, and who renders what when nobody is there."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QEvent

from studio.commands.studio import Studio
from studio.errors import CannotWrite, UsageError
from studio.farm.live.loan import NO_NODES, Loan, Wanted
from studio.farm.seen import known
from studio.farm.store import open_store
from studio.farm.trust.signing import Key
from studio.render.live_frame import LiveFrame
from studio.render.live_share import Offer
from studio.render.settings import RenderSettings
from studio.ui import i18n
from studio.ui.borrow_bar import loan_text
from studio.ui.borrowing import Terms
from studio.ui.renderview import RenderView
from tests.ui.desk import PlainDesk


class FakeLender:
    """A loan that remembers what is wanted of it."""

    def __init__(self, store: Any, terms: Terms) -> None:
        self.store, self.terms, self.told = store, terms, terms.told
        self.wanted: list[Wanted | None] = []
        self.closed = False

    def want(self, wanted: Wanted | None) -> None:
        self.wanted.append(wanted)

    def close(self) -> None:
        self.closed = True


class FakeHost:
    """This machine's crews, which take no processes."""

    def __init__(self) -> None:
        self.held: list[str] = []

    def hold(self, place: str, crew: Any) -> Any:
        self.held.append(place)
        return crew

    def release(self, place: str) -> None:
        self.held.remove(place)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeHost:
    made = FakeHost()
    monkeypatch.setattr("studio.ui.borrowing.host_of", lambda studio: made)
    monkeypatch.setattr("studio.ui.borrowing.own_key", lambda: None)
    monkeypatch.setattr(known, "own_store", lambda: str(tmp_path / "own"))
    monkeypatch.setattr(known, "places", lambda: [str(tmp_path / "own"), str(tmp_path / "shared")])
    return made


@pytest.fixture
def view(host: FakeHost, qapp: Any) -> Any:
    studio = Studio()
    made = RenderView(studio, PlainDesk(studio))
    made.lenders = []
    made.lent = []

    def make(*arguments: Any) -> FakeLender:
        made.lenders.append(FakeLender(*arguments))
        return made.lenders[-1]

    made.borrowing.make = make
    lend = made.live.lend
    made.live.lend = lambda mode, share=0.5, offered=None: (made.lent.append(mode), lend(mode, share, offered))
    yield made
    made.close_panel()
    for thread in threading.enumerate():
        if thread.name in ("borrowing nodes", "giving nodes back"):
            thread.join(20.0)
    assert not host.held
    made._desk.bridge.close()
    for each in (made, made._desk.playback, made._desk.sound, made._desk.bridge):
        each.deleteLater()
    # here and now: what is left to the collector of cycles is destroyed on whichever thread that runs
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def borrow(view: Any, qtbot: Any) -> FakeLender:
    count = len(view.lenders)
    view.borrow_bar.switch.click()
    qtbot.waitUntil(lambda: len(view.lenders) > count and bool(view.lent) and view.lent[-1] != "")
    return view.lenders[-1]


def test_the_switch_borrows_this_machine_s_nodes_and_gives_them_back(view, host, qtbot, tmp_path):
    lender = borrow(view, qtbot)
    assert lender.store.name == str(tmp_path / "own") and host.held == [str(tmp_path / "own")]
    assert view.lent[-1] == "share" and lender.terms.trust >= 1
    view.borrow_bar.switch.click()
    qtbot.waitUntil(lambda: lender.closed and not host.held)
    assert view.lent[-1] == "" and not view.borrow_bar.label.isVisibleTo(view)


def test_the_crew_that_was_held_is_the_one_let_go(view, host, qtbot, tmp_path, monkeypatch):
    """Also where the place of this machine's store is another by then."""
    borrow(view, qtbot)
    monkeypatch.setattr(known, "own_store", lambda: str(tmp_path / "moved"))
    view.borrow_bar.switch.click()
    qtbot.waitUntil(lambda: not host.held)


def test_another_store_and_nodes_alone(view, host, qtbot, tmp_path):
    view.borrow_bar.places.choose(str(tmp_path / "shared"))
    view.borrow_bar.alone.setChecked(True)
    lender = borrow(view, qtbot)
    assert lender.store.name == str(tmp_path / "shared") and not host.held and view.lent[-1] == "all"
    view.borrow_bar.alone.click()
    qtbot.waitUntil(lambda: lender.closed and view.lent[-1] == "share")
    assert len(view.lenders) == 2


def test_a_store_that_was_given_by_a_command_stays_the_one(view, host, qtbot, tmp_path):
    given = str(tmp_path / "given")
    view.borrow_bar.borrow(True, place=given)
    qtbot.waitUntil(lambda: bool(view.lenders) and bool(view.lent) and view.lent[-1] == "share")
    view.borrow_bar.alone.click()
    qtbot.waitUntil(lambda: len(view.lenders) == 2 and view.lent[-1] == "all")
    assert view.lenders[-1].store.name == given and view.borrowing.place == given and not host.held
    view.borrow_bar.borrow(False)
    view.borrow_bar.borrow(True, place="")
    qtbot.waitUntil(lambda: len(view.lenders) == 3 and bool(host.held))


def test_how_many_work_and_how_fast_stands_below_the_picture(view, qtbot):
    lender = borrow(view, qtbot)
    lender.told(Loan(at_work=3, fit=3, nodes=4, samples=12, samples_s=41.5))
    qtbot.waitUntil(lambda: view.borrow_bar.label.text() == "3 nodes at work, 41.5 samples a second")
    view._show_state(LiveFrame(1, samples=20.0, borrowed=12, of=64, state="rendering"))
    assert "20 / 64 spp" in view._figures.text() and "12 from nodes" in view._figures.text()


def test_where_nobody_is_there_it_is_said_and_this_machine_does_it_until_somebody_comes(view, qtbot, tmp_path):
    view.borrow_bar.places.choose(str(tmp_path / "shared"))
    lender = borrow(view, qtbot)
    lender.told(Loan(sentence=NO_NODES, fault=True, passes=True))
    qtbot.waitUntil(lambda: view.lent[-1] == "")
    assert view.borrow_bar.label.text() == NO_NODES and view.borrow_bar.switch.isChecked()
    lender.told(Loan(nodes=2))
    qtbot.waitUntil(lambda: view.lent[-1] == "share")
    assert view.borrow_bar.label.text() == "2 nodes are ready"


def test_what_nodes_cannot_render_is_offered_again_with_the_next_edit(view, qtbot):
    lender = borrow(view, qtbot)
    lender.told(Loan(nodes=2, sentence="wrong", fault=True))
    qtbot.waitUntil(lambda: view.lent[-1] == "")
    lender.told(Loan(nodes=2))
    qtbot.wait(50)
    assert view.borrow_bar.label.text() == "wrong"
    assert view.lent[-1] == "", "the same scene would be refused again"
    view.live.told.emit(LiveFrame(1, state="rendering"))
    assert view.lent[-1] == "share"


def test_nodes_of_this_machine_are_given_the_time_to_start(view, qtbot, monkeypatch):
    lender = borrow(view, qtbot)
    lender.told(Loan(sentence=NO_NODES, fault=True, passes=True))
    qtbot.waitUntil(lambda: view.borrow_bar.label.text() == "Starting the nodes of this machine")
    assert view.lent[-1] == "", "meanwhile this machine renders all of it"
    monkeypatch.setattr("studio.ui.borrowing._START_S", 0.0)
    lender.told(Loan(sentence=NO_NODES, fault=True, passes=True))
    qtbot.waitUntil(lambda: view.borrow_bar.label.text() == NO_NODES)


def test_nodes_alone_wait_for_nodes(view, qtbot, tmp_path):
    view.borrow_bar.places.choose(str(tmp_path / "shared"))
    view.borrow_bar.alone.setChecked(True)
    lender = borrow(view, qtbot)
    lender.told(Loan(sentence=NO_NODES, fault=True))
    qtbot.waitUntil(lambda: view.borrow_bar.label.text() == NO_NODES)
    assert view.lent[-1] == "all"


def test_an_offer_goes_out_with_the_scene_that_was_shown(view, qtbot):
    lender = borrow(view, qtbot)
    studio, settings = view._studio, RenderSettings(width=64, height=48, samples=16)
    view.live._scenes = ((studio.flat, studio.scene),)
    view.borrowing._offered(Offer(7, studio.flat, settings, ((4, 16),)))
    assert lender.wanted[-1] == Wanted(
        generation=7, scene=studio.scene, flat=studio.flat, settings=settings, ranges=((4, 16),)
    )
    view.borrowing._offered(None)
    assert lender.wanted[-1] is None


def test_a_store_that_cannot_be_opened_is_told_and_switches_off(view, qtbot, monkeypatch):
    def refuse(place: str) -> Any:
        raise CannotWrite("cannot make the folder: no space left; choose another")

    monkeypatch.setattr("studio.ui.borrowing.open_store", refuse)
    view.borrow_bar.switch.click()
    qtbot.waitUntil(lambda: bool(view._studio.face.notices))
    assert "no space left" in view._studio.face.notices[-1][1]
    assert not view.borrow_bar.switch.isChecked() and not view.borrowing.on


def test_what_is_wrong_from_the_first_moment_is_not_lost(view, qtbot, monkeypatch):
    """A store that takes nothing says so before the loan has begun here, and only once."""
    make = view.borrowing.make

    def at_once(store: Any, terms: Terms) -> FakeLender:
        terms.told(Loan(sentence="no space left", fault=True, passes=True))
        return make(store, terms)

    view.borrowing.make = at_once
    view.borrow_bar.switch.click()
    qtbot.waitUntil(lambda: view.lent.count("share") == 1)
    qtbot.waitUntil(lambda: view.lent[-1] == "")
    assert view.borrow_bar.label.text() == "no space left" and view.borrowing.on


def test_a_loan_that_cannot_begin_gives_the_crew_back(view, host, qtbot):
    def refuse(*arguments: Any) -> FakeLender:
        raise CannotWrite("no space left")

    view.borrowing.make = refuse
    view.borrow_bar.switch.click()
    qtbot.waitUntil(lambda: bool(view._studio.face.notices))
    assert not host.held and not view.borrowing.on


def test_what_an_ended_loan_still_says_is_not_shown(view, qtbot):
    lender = borrow(view, qtbot)
    view.borrow_bar.switch.click()
    lender.told(Loan(at_work=9, samples_s=9.0))
    qtbot.wait(50)
    assert view.borrow_bar.label.text() == "" and not view.borrow_bar.switch.isChecked()


def test_closing_the_view_ends_the_loan(view, host, qtbot):
    lender = borrow(view, qtbot)
    view.borrowing.close()
    qtbot.waitUntil(lambda: lender.closed and not host.held)


def test_neither_a_view_that_is_closed_nor_the_window_waits_for_the_end_of_a_loan(view, host, qtbot):
    lender = borrow(view, qtbot)
    let, waited = threading.Event(), []
    end = lender.close
    lender.close = lambda: (waited.append(not let.wait(5.0)), end())
    view.borrowing.close()
    view._desk.bridge.close()
    let.set()
    qtbot.waitUntil(lambda: lender.closed and not host.held)
    assert waited == [False], "both were closed while the store did not answer"


def test_a_store_that_does_not_open_keeps_nobody_waiting_and_what_it_lends_late_is_given_back(
    view, host, qtbot, monkeypatch
):
    let, asked, waited = threading.Event(), threading.Event(), []

    def slow(place: str) -> Any:
        asked.set()
        waited.append(not let.wait(5.0))
        return open_store(place)

    monkeypatch.setattr("studio.ui.borrowing.open_store", slow)
    view.borrow_bar.switch.click()
    assert asked.wait(20.0)
    view.borrowing.close()
    view._desk.bridge.close()
    let.set()
    qtbot.waitUntil(lambda: bool(view.lenders) and view.lenders[0].closed and not host.held)
    assert waited == [False] and view.lent == [""], "nothing was lent to it"


def test_a_loan_has_the_artist_s_key(view, qtbot, monkeypatch):
    key = Key.made()
    monkeypatch.setattr("studio.ui.borrowing.own_key", lambda: key)
    assert borrow(view, qtbot).terms.key is key


def test_a_key_that_others_may_read_is_told_and_nothing_is_borrowed(view, host, qtbot, monkeypatch):
    def refuse() -> Any:
        raise UsageError("others may read the key; make it yours alone")

    monkeypatch.setattr("studio.ui.borrowing.own_key", refuse)
    view.borrow_bar.switch.click()
    qtbot.waitUntil(lambda: bool(view._studio.face.notices))
    assert "yours alone" in view._studio.face.notices[-1][1] and not view.borrowing.on and not host.held


def test_samples_that_count_no_more_are_taken_out_of_the_render(view, qtbot, monkeypatch):
    lender = borrow(view, qtbot)
    told: list[tuple[int, bool]] = []
    monkeypatch.setattr(view.live._renderer(), "renew", lambda generation, begun: told.append((generation, begun)))
    lender.terms.renew(3, True)
    lender.terms.renew(3, False)
    assert told == [(3, True), (3, False)]


def test_the_loan_is_told_in_chinese(view, qtbot):
    i18n.set_language("zh_CN")
    assert "节点" in loan_text(Loan(at_work=2, samples_s=3.0)) and "节点" in loan_text(Loan(sentence=NO_NODES))
    assert "MB" in loan_text(Loan(sending=(1_000_000, 2_000_000)))
