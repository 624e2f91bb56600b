"""The quote of a job: a small pilot on this machine says what all of it will take, likely and in nine of ten cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.errors import Cancelled, StudioError
from studio.farm.asking import prices_of
from studio.farm.money import estimate as estimating
from studio.farm.money.estimate import COUNTS, Estimate
from studio.farm.money.prices import money
from studio.farm.money.quote import Probe
from studio.farm.submission import Submission
from studio.farm.wish import FarmWish
from studio.scene.scene import Scene
from studio.ui import bars, theme
from studio.ui.farm_submit_curve import WallCurve, time_text
from studio.ui.farm_submit_rows import PREFIX
from studio.ui.farm_submit_work import Errand, errands_of
from studio.ui.form_rows import beside, word
from studio.ui.i18n import say, tr, translated
from studio.ui.number_edit import Range
from studio.ui.panel import Desk

_USUAL_NODES = 16
# What a quote leaves out, as `studio.farm.money.quote` says it.
LEFT_OUT = (
    N_("sending the project"),
    N_("waiting for nodes that others use"),
    N_("fetching the results"),
    N_("loading on the nodes, which is not billed"),
    N_("denoising, which is done here after the merge"),
    N_("samples that the error limit saves"),
)
Wanted = Callable[[], tuple[Scene, Submission, FarmWish] | None]


class QuoteBox(QWidget):
    """See the module. `wanted` gives what is to be quoted; `capped` comes with millionths to be the cap."""

    capped = Signal(object)

    def __init__(self, studio: Studio, desk: Desk, wanted: Wanted) -> None:
        super().__init__()
        self.setObjectName(f"{PREFIX}-quote-box")
        self._studio, self._desk, self._wanted = studio, desk, wanted
        self._errand: Errand[Estimate] | None = None
        self._of: object = None  # what was quoted
        self._told_of: object = None
        self.estimate: Estimate | None = None
        self.can_cap = False
        self._make()
        translated(self.refresh)

    # --- building ----------------------------------------------------------------------------------------------------
    def _make(self) -> None:
        self.button = QPushButton()
        self.button.setObjectName(f"{PREFIX}-quote")
        self.button.clicked.connect(lambda: self.begin())
        self.stop_button = QPushButton()
        self.stop_button.setObjectName(f"{PREFIX}-quote-stop")
        self.stop_button.clicked.connect(lambda: self.stop())
        say(self.button.setText, N_("Quote"))
        say(self.button.setAccessibleName, N_("Quote"))
        say(self.button.setToolTip, N_("Render a little here, and say what all of it will take"))
        say(self.stop_button.setText, N_("Stop"))
        say(self.stop_button.setAccessibleName, N_("Stop the pilot"))
        self.nodes = bars.number(
            self._studio,
            f"{PREFIX}-quote-nodes",
            N_("Nodes that the time is reckoned for"),
            Range(lo=1.0, hi=100_000.0, whole=True, soft_hi=256.0),
            _USUAL_NODES,
            width=52,
        )
        bars.edited(self.nodes, lambda value: self._on_nodes())
        self.progress = QProgressBar()
        self.progress.setObjectName(f"{PREFIX}-quote-progress")
        self.progress.setTextVisible(False)
        self.state = QLabel()
        self.state.setObjectName(f"{PREFIX}-quote-state")
        self.state.setProperty("role", "dim")
        self.state.setWordWrap(True)
        self.state.setMinimumWidth(1)
        self.figures = QWidget()
        self.figures.setObjectName(f"{PREFIX}-figures")
        grid = QGridLayout(self.figures)
        grid.setContentsMargins(0, theme.size(2), 0, 0)
        grid.setHorizontalSpacing(theme.size(8))
        grid.setVerticalSpacing(theme.size(3))
        grid.setColumnStretch(0, 1)
        self.cells: dict[tuple[str, int], QLabel] = {}
        for column, heading in ((1, N_("likely")), (2, N_("9 of 10 below"))):
            head = word(heading)
            head.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom)
            head.setWordWrap(True)  # a dock is narrower than amounts with their digits
            grid.addWidget(head, 0, column)
        self.titles: dict[str, QLabel] = {}
        for row, name in enumerate(("core", "device", "money", "wall"), start=1):
            title = QLabel()
            title.setProperty("role", "dim")
            grid.addWidget(title, row, 0)
            self.titles[name] = title
            for column in (1, 2):
                cell = QLabel()
                cell.setObjectName(f"{PREFIX}-quote-{name}-{'p50' if column == 1 else 'p90'}")
                cell.setAlignment(Qt.AlignmentFlag.AlignRight)
                if column == 1:
                    cell.setProperty("role", "heading")
                grid.addWidget(cell, row, column)
                self.cells[name, column] = cell
        self.curve = WallCurve()
        self.left_out = QLabel()
        self.left_out.setObjectName(f"{PREFIX}-left-out")
        self.left_out.setProperty("role", "dim")
        self.left_out.setWordWrap(True)
        self.left_out.setMinimumWidth(1)
        for text in (self.state, self.left_out):
            text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.MinimumExpanding)
        self.cap_button = QPushButton()
        self.cap_button.setObjectName(f"{PREFIX}-use-cap")
        say(self.cap_button.setText, N_("Use p90 as cap"))
        say(self.cap_button.setAccessibleName, N_("Use p90 as cap"))
        self.cap_button.clicked.connect(lambda: self._cap())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, theme.size(8))
        layout.setSpacing(theme.size(5))
        bar = beside(
            f"{PREFIX}-quote-row", self.button, self.stop_button, word(N_("on")), self.nodes, word(N_("nodes"))
        )
        for widget in (bar, self.progress, self.state, self.figures, self.curve, self.left_out):
            layout.addWidget(widget)
        layout.addWidget(self.cap_button, 0, Qt.AlignmentFlag.AlignLeft)

    # --- the pilot ---------------------------------------------------------------------------------------------------
    @property
    def busy(self) -> bool:
        """Whether a pilot is rendered."""
        return self._errand is not None

    def begin(self) -> None:
        """Render the pilot, on a thread."""
        wanted = self._wanted()
        if wanted is None or self.busy:
            return
        scene, request, wish = wanted
        preferences, nodes = self._studio.preferences, round(self.nodes.value)

        def work(errand: Errand[Estimate]) -> Estimate:
            return estimating.estimate(
                scene,
                request,
                nodes=nodes,
                prices=prices_of(wish),
                device=preferences.device,
                threads=preferences.threads,
                stop=errand.stopped,
                progress=lambda probe, done, of: errand.tell((probe, done, of)),
            )

        self._of = (scene, request, wish.prices)
        self._errand = Errand(self._desk.bridge, work, then=self._told, failed=self._fell, heard=self._heard)
        self.state.setText(tr("Preparing the renderer…"))
        self.progress.setRange(0, 0)
        errands_of(self._studio).begin(self._errand)
        self.refresh()

    def stop(self, *, quietly: bool = False) -> None:
        """End the pilot; with `quietly` nobody is told."""
        if self._errand is not None:
            self._errand.stop(quietly=True)
            self._errand = None
            if not quietly:
                self.state.setText(tr("The pilot was stopped."))
                self.refresh()

    def _heard(self, news: object) -> None:
        if not isinstance(news, tuple):
            return
        probe, done, of = news
        assert isinstance(probe, Probe)
        self.progress.setRange(0, of)
        self.progress.setValue(done)
        self.state.setText(
            tr(
                "Pilot: frame {frame}, {width} x {height}, {samples} samples",
                frame=f"{probe.frame:g}",
                width=probe.width,
                height=probe.height,
                samples=probe.samples,
            )
        )

    def _told(self, found: Estimate) -> None:
        self._errand = None
        self._told_of = self._of
        # the number of nodes may have been changed while the pilot was rendered
        self.estimate = found.at(round(self.nodes.value))
        self.state.clear()
        self.refresh()

    def _fell(self, fault: Exception) -> None:
        self._errand = None
        if isinstance(fault, Cancelled):
            self.state.setText(tr("The pilot was stopped."))
        else:
            self.state.clear()
            if not isinstance(fault, StudioError):
                self._desk.tell_fault(fault)
            else:
                self._studio.face.notify(str(fault), kind="error")
        self.refresh()

    # --- what is shown -----------------------------------------------------------------------------------------------
    def _on_nodes(self) -> None:
        if self.estimate is not None:
            self.estimate = self.estimate.at(round(self.nodes.value))
            self.refresh()

    def reprice(self, wish: FarmWish) -> None:
        """Reckon by the price list that is chosen now; nothing is rendered for it."""
        if self.estimate is None:
            return
        try:
            prices = prices_of(wish)
        except StudioError:
            return  # the preflight says so
        self.estimate = self.estimate.at(round(self.nodes.value), prices or estimating.FREE)
        self.refresh()

    def compare(self, scene: Scene, request: Submission | None) -> None:
        """Say when what was quoted is not what is asked for any more."""
        of = self._told_of
        stale = isinstance(of, tuple) and request is not None and not (_looks(of[0], scene) and _same(of[1], request))
        if self.estimate is not None and not self.busy:
            self.state.setText(tr("Something changed since; quote again.") if stale else "")
            self.refresh()

    def refresh(self) -> None:
        """Show the quote that there is."""
        busy, found = self.busy, self.estimate
        self.button.setVisible(not busy)
        self.stop_button.setVisible(busy)
        self.progress.setVisible(busy)
        self.state.setVisible(bool(self.state.text()))
        for widget in (self.figures, self.curve, self.left_out):
            widget.setVisible(found is not None)
        paid = found is not None and not found.prices.free
        self.cap_button.setVisible(paid and self.can_cap)
        if found is None:
            return
        told = found.quote
        rows = {
            "core": (tr("Core-hours"), _hours(told.core_hours.p50), _hours(told.core_hours.p90)),
            "device": (tr("GPU-hours"), _hours(told.device_hours.p50), _hours(told.device_hours.p90)),
            "money": (tr("Money"), _money(told.money_p50, told.currency), _money(told.money_p90, told.currency)),
            "wall": (tr("On {count} nodes", count=told.nodes), time_text(told.wall_s.p50), time_text(told.wall_s.p90)),
        }
        shown = {"core": True, "device": told.device_hours.p90 > 0, "money": paid, "wall": True}
        for name, (title, likely, most) in rows.items():
            self.titles[name].setText(title)
            self.cells[name, 1].setText(likely)
            self.cells[name, 2].setText(most)
            for widget in (self.titles[name], self.cells[name, 1], self.cells[name, 2]):
                widget.setVisible(shown[name])
        counts = COUNTS if told.nodes <= COUNTS[-1] else (*COUNTS, told.nodes)
        self.curve.take(estimating.curve(found, counts), (told.nodes, told.wall_s))
        left = tr("; ").join(tr(each) for each in told.left_out)
        self.left_out.setText(
            tr("Dearest frame of the pilot: {frame}. Not included: {left}.", frame=f"{told.dearest:g}", left=left)
        )
        cap = _money(told.cap, told.currency)
        self.cap_button.setToolTip(
            tr("{amount}: what 9 of 10 such jobs stay below, and a tenth for the last units", amount=cap)
        )

    def _cap(self) -> None:
        if self.estimate is not None:
            self.capped.emit(self.estimate.quote.cap)


def _looks(one: Scene, other: Scene) -> bool:
    """Whether two scenes give the same pictures; what is wanted of farm and export is in `extra`, and in requests."""
    names = [each.name for each in fields(Scene) if each.name != "extra"]
    return all(getattr(one, name) is getattr(other, name) for name in names)


def _same(one: object, other: Submission) -> bool:
    """Whether two requests take the same."""
    if not isinstance(one, Submission):
        return False
    return (one.settings, tuple(one.frames), one.camera, one.look.denoise) == (
        other.settings,
        tuple(other.frames),
        other.camera,
        other.look.denoise,
    )


def _hours(hours: float) -> str:
    """Hours with as many digits as one plans by."""
    return f"{hours:,.0f}" if hours >= 1000 else f"{hours:.2f}"


def _money(micros: int, currency: str) -> str:
    """An amount with as many digits as one pays attention to."""
    if 0 < micros < 10_000:
        return money(micros, currency)
    amount = micros / 1_000_000
    return f"{amount:,.0f} {currency}" if amount >= 1000 else f"{amount:.2f} {currency}"
