"""Borrowing nodes for the render view: between the live render, which lends samples, and the farm, which renders them.

Everything slow (opening a store, starting this machine's crew, ending a loan) happens on threads that nobody waits
for, neither a view that is closed nor an application that is left, as a store may never answer; the loan itself has a
thread of its own, and what it says arrives here as `told`. While nobody is there to help, the view does all of it by
itself, and lends again as soon as somebody comes; with `alone` it waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from PySide6.QtCore import QObject, Signal

from studio.commands.farm import farm_of, host_of
from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.errors import StudioError
from studio.farm.host import Crew
from studio.farm.live.borrower import Borrower
from studio.farm.live.loan import NO_COORDINATOR, NO_NODES, Deliver, Loan, Renew, Wanted
from studio.farm.seen import known
from studio.farm.store import Store, open_store
from studio.farm.trust.artist import own_key
from studio.farm.trust.signing import Key
from studio.render.film import Film
from studio.render.live_frame import LiveFrame
from studio.render.live_share import Lending, Offer
from studio.render.partial import Header
from studio.ui.bridge import Bridge
from studio.ui.live_render import LiveRender

STARTING = N_("Starting the nodes of this machine")
_START_S = 90.0  # that nodes of this machine are given to start, with compiling
_ANOTHER = 1.25  # how much another share of the work is worth dealing it out anew


class Lender(Protocol):
    """What is asked of a loan; `studio.farm.live.borrower.Borrower` is one."""

    def want(self, wanted: Wanted | None) -> None:
        """Have this rendered from now on."""

    def close(self) -> None:
        """Give the nodes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a loan is begun with: where it gives what comes and says how it stands, who may see the scene, and the
    artist's key, where there is one."""

    deliver: Deliver
    renew: Renew
    told: Callable[[Loan], None]
    trust: int
    key: Key | None


Make = Callable[[Store, Terms], Lender]


def borrower(store: Store, terms: Terms) -> Lender:
    """A loan at a store."""
    return Borrower(store, deliver=terms.deliver, renew=terms.renew, told=terms.told, trust=terms.trust, key=terms.key)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A loan that has begun, and how this machine's crew is let go."""

    lender: Lender
    release: Callable[[], None]

    def end(self) -> None:
        """Give everything back."""
        self.lender.close()
        self.release()


class _Opening:
    """A loan from when it is asked for until it is ended, on threads of its own. `then` and `failed` are called on
    them, and neither once it was ended."""

    def __init__(
        self, begin: Callable[[], _Opened], then: Callable[[_Opened], None], failed: Callable[[Exception], None]
    ) -> None:
        self._begin, self._then, self._failed = begin, then, failed
        self._lock = threading.Lock()
        self._ended = False
        self._opened: _Opened | None = None
        _apart(self._work, "borrowing nodes")

    def _work(self) -> None:
        try:
            opened = self._begin()
        except Exception as fault:  # handed to the window's thread, which tells it
            if not self._ended:
                self._failed(fault)
            return
        with self._lock:
            self._opened, ended = opened, self._ended
        if ended:
            opened.end()
        else:
            self._then(opened)

    def end(self) -> None:
        """Give back what was borrowed, or what will have been. Nobody is waited for."""
        with self._lock:
            opened, ended, self._ended = self._opened, self._ended, True
        if opened is not None and not ended:
            _apart(opened.end, "giving nodes back")


class Borrowing(QObject):
    """See the module. `told` brings a `Loan`, None when nothing is borrowed."""

    told = Signal(object)

    def __init__(self, studio: Studio, bridge: Bridge, live: LiveRender, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._studio, self._bridge, self._live = studio, bridge, live
        self.make: Make = borrower
        self.on = False
        self.place = ""  # of the store; "": this machine's, with a crew of its own
        self.alone = False  # whether the nodes do all of it
        self.loan: Loan | None = None
        self._turn = 0  # counts loans: what one that was ended still says is not listened to
        self._opening: _Opening | None = None
        self._lender: Lender | None = None  # once it has begun
        self._alone_here: Loan | None = None  # why the view took everything back
        self._alone_at = 0  # and the generation that it showed then
        self._share = 0.5
        self._since = 0.0  # when the loan began
        live.told.connect(self._weigh)

    # --- beginning and ending ----------------------------------------------------------------------------------------
    def start(self, place: str = "", *, alone: bool = False) -> None:
        """Borrow the nodes of the farm at a store ("": those of this machine, which are started). With `alone` this
        machine takes a first look only."""
        self.stop()
        self.on, self.place, self.alone = True, place, alone
        self._turn += 1
        self._since = time.monotonic()
        turn, studio = self._turn, self._studio
        trust = max(farm_of(studio.scene).trust, 1)
        host, wish = host_of(studio), studio.preferences.farm
        crew = Crew(nodes=wish.nodes, threads=wish.threads, device=studio.preferences.device)

        def told(loan: Loan) -> None:
            self._bridge.post(lambda: self._hear(turn, loan))

        def begin() -> _Opened:
            terms = Terms(deliver=self._deliver, renew=self._live.renew, told=told, trust=trust, key=own_key())
            whose = place or known.own_store()
            store = open_store(whose)
            release: Callable[[], None] = _nothing
            if not place:
                host.hold(whose, crew)
                release = lambda: host.release(whose)  # noqa: E731
            try:
                return _Opened(self.make(store, terms), release)
            except BaseException:
                release()
                raise

        self._opening = _Opening(
            begin,
            lambda opened: self._bridge.post(lambda: self._began(turn, opened.lender)),
            lambda fault: self._bridge.post(lambda: self._failed(turn, fault)),
        )
        self._hear(turn, Loan())

    def _began(self, turn: int, lender: Lender) -> None:
        if turn != self._turn or not self.on:
            return
        self._lender = lender
        self._alone_here = None
        self._live.lend(self._mode, self._share, self._offered)
        if self.loan is not None:
            self._hear(turn, self.loan)  # what was wrong from the first moment is not told again

    def _failed(self, turn: int, fault: Exception) -> None:
        if not isinstance(fault, StudioError):
            raise fault
        if turn == self._turn:
            self.stop()
            self._studio.face.notify(str(fault), kind="error")

    def stop(self) -> None:
        """Give the nodes back; what they have rendered stays in the picture, and this machine renders the rest."""
        was, self.loan = self.on, None
        self._live.lend("", self._share)
        self.close()
        if was:
            self.told.emit(None)

    def close(self) -> None:
        """End the loan with the view, which waits for nobody."""
        opening, self._opening, self._lender = self._opening, None, None
        self.on = False
        self._turn += 1
        if opening is not None:
            opening.end()

    @property
    def _mode(self) -> Lending:
        return "all" if self.alone else "share"

    # --- between the two, on their threads ---------------------------------------------------------------------------
    def _offered(self, offer: Offer | None) -> None:
        """The live render lends other samples than before."""
        lender = self._lender
        if lender is None:
            return
        scene = self._live.scene_of(offer.flat) if offer is not None else None
        if offer is None or scene is None:
            lender.want(None)
            return
        lender.want(Wanted.of(offer, scene))

    def _deliver(self, film: Film, samples: tuple[int, int], generation: int, header: Header) -> bool:
        return self._live.add(film, samples, generation, device=header.device)

    # --- how it stands -----------------------------------------------------------------------------------------------
    def _hear(self, turn: int, loan: Loan) -> None:
        if turn != self._turn or not self.on:
            return
        begins = not self.place and loan.sentence in (NO_COORDINATOR, NO_NODES)
        if begins and time.monotonic() - self._since < _START_S:
            loan = replace(loan, sentence=STARTING)
        self.loan = loan
        if self._lender is not None and not self.alone:
            here, frame = self._alone_here, self._live.frame
            if loan.fault and here is None:
                self._alone_here, self._alone_at = loan, frame.generation if frame is not None else 0
                self._live.lend("", self._share)
            elif here is not None and not loan.fault and (here.passes or loan.nodes > here.nodes):
                self._lend_again()
            if self._alone_here is not None and not self._alone_here.passes:
                self.loan = replace(loan, sentence=self._alone_here.sentence)  # which holds until the next edit
        self.told.emit(self.loan)

    def _lend_again(self) -> None:
        self._alone_here = None
        self._live.lend("share", self._share)

    def _weigh(self, frame: LiveFrame) -> None:
        """Deal out the next film by how fast this machine and the nodes are."""
        if not self.on or self.loan is None or self.alone or self._lender is None:
            return
        if self._alone_here is not None:
            if not self._alone_here.passes and frame.generation > self._alone_at:
                self._lend_again()  # what was wrong may have been the scene
            return
        own = (frame.samples - frame.borrowed) / frame.seconds if frame.seconds > 0 else 0.0
        if own <= 0 or self.loan.samples_s <= 0:
            return
        share = min(max(own / (own + self.loan.samples_s), 0.02), 0.95)
        if not 1 / _ANOTHER < share / self._share < _ANOTHER:
            self._share = share
            self._live.lend("share", share)


def _apart(work: Callable[[], None], name: str) -> None:
    """Do something on a thread that ends with the application."""
    threading.Thread(target=work, name=name, daemon=True).start()


def _nothing() -> None:
    return
