"""The switch of the render view that borrows a farm's nodes, and how the loan stands."""

from __future__ import annotations

from PySide6.QtWidgets import QLabel, QWidget

from studio.commands.registry import N_
from studio.farm.live.loan import NO_COORDINATOR, NO_NODES, NONE_FIT, Loan
from studio.farm.seen import known
from studio.ui import bars, theme
from studio.ui.borrowing import Borrowing
from studio.ui.flow import FlowLayout
from studio.ui.i18n import tr, translated

_HERE = N_("Nodes of this machine")
_SAID = {
    NO_COORDINATOR: N_("No coordinator works at this store; start one with studio farm serve."),
    NO_NODES: N_("Nobody is there: the farm has no nodes now; start some with studio farm worker."),
    NONE_FIT: N_(
        "None of the farm's nodes can help: they have another build of the studio, are not trusted with this scene, or "
        "work for other artists alone."
    ),
}


class BorrowBar(QWidget):
    """A switch, whose nodes, and whether they do all of it. `label` says how the loan stands, for a foot of a panel."""

    def __init__(self, borrowing: Borrowing, row: FlowLayout, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._borrowing = borrowing
        self.switch = bars.button(
            "render-borrow", "borrow", N_("Borrow nodes"), self._pressed, text=True, checkable=True
        )
        self.places = bars.Menu("render-borrow-place", N_("Whose nodes are borrowed"), [(_HERE, "")])
        self.places.setMaximumWidth(theme.size(200))
        self.alone = bars.button(
            "render-borrow-alone",
            "borrow-alone",
            N_("Nodes do all of it: this machine takes a first look only"),
            self._again,
            checkable=True,
        )
        self.label = QLabel()
        self.label.setProperty("role", "dim")
        self.places.activated.connect(self._again)
        for part in (self.switch, self.places, self.alone):  # apart, so that a narrow view has a line for each
            row.addWidget(part)
        borrowing.told.connect(self.show_loan)
        self.fill()
        translated(self._relabel)

    def fill(self, given: str = "") -> None:
        """Offer this machine, the stores that it knows, and one that was given otherwise."""
        own, given = known.own_store(), given or str(self.places.currentData() or "")
        places = [place for place in known.places() if place != own]
        places += [given] if given and given not in places else []
        self.places.fill([(_HERE, ""), *((bars.Given(place), place) for place in places)])

    def borrow(self, on: bool, *, place: str | None = None, alone: bool | None = None) -> None:
        """Borrow, or give back; from another place, or with this machine idle, where that is said."""
        self.fill(place or "")
        if place is not None:
            self.places.choose(place)
        if alone is not None:
            self.alone.setChecked(alone)
        if on:
            self._borrowing.start(str(self.places.currentData() or ""), alone=self.alone.isChecked())
        else:
            self._borrowing.stop()
        self.switch.setChecked(on)

    def _pressed(self) -> None:
        self.borrow(self.switch.isChecked())

    def _again(self) -> None:
        """Another place or another way, while it is on."""
        if self._borrowing.on:
            self.borrow(True)

    def show_loan(self, loan: Loan | None) -> None:
        """Say how the loan stands."""
        self.switch.setChecked(loan is not None)
        text = loan_text(loan)
        self.label.setText(text)
        self.label.setToolTip(text)
        self.label.setVisible(bool(text))

    def _relabel(self) -> None:
        self.show_loan(self._borrowing.loan)


def loan_text(loan: Loan | None) -> str:
    """How a loan stands, in the present language; "" when nothing is borrowed."""
    if loan is None:
        return ""
    done, total = loan.sending
    if total:
        return tr("Sending the scene: {done} of {total} MB", done=f"{done / 1e6:.1f}", total=f"{total / 1e6:.1f}")
    if loan.sentence:
        return tr(_SAID.get(loan.sentence, loan.sentence))
    if loan.at_work and not loan.samples_s:
        return tr("{nodes} nodes at work", nodes=loan.at_work) if loan.at_work > 1 else tr("1 node at work")
    if loan.at_work == 1:
        return tr("1 node at work, {rate} samples a second", rate=f"{loan.samples_s:.3g}")
    if loan.at_work:
        return tr("{nodes} nodes at work, {rate} samples a second", nodes=loan.at_work, rate=f"{loan.samples_s:.3g}")
    if loan.nodes == 1:
        return tr("1 node is ready")
    return tr("{nodes} nodes are ready", nodes=loan.nodes) if loan.nodes else tr("Asking for nodes")
