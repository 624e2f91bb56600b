"""The panel that sends to the farm: what is rendered, where, who may see it, what it takes, and what stands against it.

Frames, size, samples and files are the fields of the scene's export, the very ones of the export panel; what is said of
farm jobs beside them is kept in the scene too, and where they go among the preferences. So a failure loses nothing that
was typed. A moment after a change the preflight runs on a thread, and while it finds an error nothing can be sent. What
is sent is the scene as it stands in the window, saved or not; the project on the disk is not touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtWidgets import QLabel, QProgressBar, QPushButton, QScrollArea, QToolButton, QVBoxLayout, QWidget

from studio.commands import export, farm
from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.errors import Cancelled, StudioError
from studio.farm.asking import Asked, ask, can_of, checked, engine_findings, place_findings, prices_of
from studio.farm.engines.engine import Capabilities
from studio.farm.sending import Delivery, send
from studio.farm.submission import Submission
from studio.farm.wish import LOCAL, FarmSettings, FarmWish
from studio.render.device import system_memory
from studio.render.export import ExportSettings
from studio.render.export_names import preview_name
from studio.render.queue_check import Finding
from studio.scene.scene import Scene
from studio.ui import theme
from studio.ui.farm_submit_fields import Fields
from studio.ui.farm_submit_findings import FindingList
from studio.ui.farm_submit_quote import QuoteBox
from studio.ui.farm_submit_rows import PREFIX, Column, Rows, Shown
from studio.ui.farm_submit_work import Errand, errands_of
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk, panel

LOOK_AFTER_MS = 400
_MEGA = 1e6


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look at the request found."""

    asked: Asked
    place: tuple[Finding, ...]
    names: tuple[str, ...]
    currency: str


@panel("farm_submit", N_("Send to farm"), "right", "farm-send", default=False)
class FarmSubmit(QWidget):
    """See the module."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(PREFIX)
        self._studio, self._desk = studio, desk
        self._can: dict[str, Capabilities] = {}
        self.seen: _Seen | None = None
        self._look: Errand[_Seen] | None = None
        self._look_again = False
        self._sending: Errand[Delivery] | None = None
        self.delivery: Delivery | None = None
        self._looking = QTimer(self)
        self._looking.setSingleShot(True)
        self._looking.setInterval(LOOK_AFTER_MS)
        self._looking.timeout.connect(self.look)
        self._make()
        self._forget = studio.watch(self._heard)
        translated(self.refresh)

    def close_panel(self) -> None:
        """Stop listening, and what is under way. What was sent so far stays sent."""
        self._forget()
        self._looking.stop()
        self.quote.stop(quietly=True)
        for errand in (self._look, self._sending):
            if errand is not None:
                errand.stop(quietly=True)

    # --- building ----------------------------------------------------------------------------------------------------
    def _make(self) -> None:
        body = Column()
        column = body.rows
        self.rows = Rows(self._studio, column)
        self.fields = Fields(self._studio, self._desk, self.rows, self.change)
        self.rows.section(N_("Quote"))
        self.quote = QuoteBox(self._studio, self._desk, self._quotable)
        self.quote.capped.connect(lambda micros: self.change(cap_micros=micros))
        column.addWidget(self.quote)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setObjectName(f"{PREFIX}-scroll")
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setWidget(body)
        self._area = scroll
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(scroll, 1)
        layout.addWidget(self._make_foot())

    def _make_foot(self) -> QWidget:
        foot = QWidget()
        foot.setObjectName(f"{PREFIX}-foot")
        layout = QVBoxLayout(foot)
        layout.setContentsMargins(theme.size(8), theme.size(4), theme.size(8), theme.size(8))
        layout.setSpacing(theme.size(6))
        self.findings = FindingList()
        say(self.findings.setAccessibleName, N_("What was found before sending"))
        self.findings.chosen.connect(self._follow)
        self.state = QLabel()
        self.state.setObjectName(f"{PREFIX}-state")
        self.state.setWordWrap(True)
        self.state.setMinimumWidth(1)
        self.state.setTextFormat(Qt.TextFormat.PlainText)
        self.progress = QProgressBar()
        self.progress.setObjectName(f"{PREFIX}-progress")
        self.progress.setTextVisible(False)
        self.send_button = QPushButton()
        self.send_button.setObjectName(f"{PREFIX}-send")
        self.send_button.setIcon(theme.icon("farm-send"))
        self.send_button.setIconSize(QSize(theme.size(16), theme.size(16)))
        self.send_button.setProperty("role", "primary")
        self.send_button.clicked.connect(lambda: self.send())
        say(self.send_button.setText, N_("Send"))
        say(self.send_button.setAccessibleName, N_("Send to farm"))
        self.stop_button = QPushButton()
        self.stop_button.setObjectName(f"{PREFIX}-stop")
        self.stop_button.clicked.connect(lambda: self.stop())
        say(self.stop_button.setText, N_("Stop sending"))
        say(self.stop_button.setAccessibleName, N_("Stop sending"))
        self.jobs_button = QToolButton()
        self.jobs_button.setObjectName(f"{PREFIX}-jobs")
        self.jobs_button.setIcon(theme.icon("farm"))
        self.jobs_button.setIconSize(QSize(theme.size(16), theme.size(16)))
        self.jobs_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.jobs_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.jobs_button.clicked.connect(lambda: self._studio.attempt("farm.panel"))
        say(self.jobs_button.setText, N_("Show the job"))
        say(self.jobs_button.setAccessibleName, N_("Show the job"))
        for widget in (self.findings, self.state, self.progress, self.send_button, self.stop_button):
            layout.addWidget(widget)
        layout.addWidget(self.jobs_button, 0, Qt.AlignmentFlag.AlignLeft)
        return foot

    # --- what is kept ------------------------------------------------------------------------------------------------
    @property
    def settings(self) -> ExportSettings:
        """The scene's export."""
        return export.export_of(self._studio.scene, self._studio.render_size, project=self._studio.path)

    @property
    def shown(self) -> Shown:
        """All that the panel shows."""
        wish = farm.wish_of(self._studio)
        if wish.where not in self._can:
            try:
                self._can[wish.where] = can_of(wish.where)
            except StudioError:  # an engine that is not installed any more
                wish = FarmWish(nodes=wish.nodes, threads=wish.threads)
                self._can[wish.where] = can_of(wish.where)
        return Shown(self.settings, farm.farm_of(self._studio.scene), wish, self._can[wish.where])

    def change(self, *, coalesce: str = "", **values: Any) -> None:
        """Change what is kept, each value where it is kept; what cannot be is told, and what is so is shown."""
        try:
            for name, value in values.items():
                wanted: dict[str, Any] = {name: value}
                if name in farm.OF_WISH:  # first: an export has threads too
                    farm.change_wish(self._studio, **wanted)
                elif name in FarmSettings.__struct_fields__:
                    farm.change_farm(self._studio, coalesce=coalesce, **wanted)
                else:
                    export.change_export(self._studio, coalesce=coalesce, **wanted)
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="error")
            self.refresh()

    # --- following ---------------------------------------------------------------------------------------------------
    def _heard(self, update: Update) -> None:
        if update.change is not None or update.parts & {"path", "render size", "preferences"}:
            change = update.change
            if change is not None and change.selected and not change.ids:
                return
            self.refresh()

    def refresh(self) -> None:
        """Show what is so, and look at it a moment later."""
        shown = self.shown
        self.rows.refresh(shown)
        self.quote.can_cap = self.fields.has_cap(shown)
        self.quote.reprice(shown.wish)
        self._tell()
        self._looking.start()

    def look(self) -> None:
        """Look at the request, on a thread; while one look lasts, the next waits."""
        if self._look is not None:
            self._look_again = True
            return
        shown, scene, path = self.shown, self._studio.scene, self._studio.path
        self._look = Errand(
            self._desk.bridge,
            lambda errand: _looked(scene, shown, path),
            then=self._looked,
            failed=self._look_failed,
        )
        errands_of(self._studio).begin(self._look)

    def _looked(self, found: _Seen) -> None:
        self._end_look()
        self.seen = found
        self.fields.show_names(found.names)
        self.fields.show_currency(found.currency)
        self.findings.take(self._all(found), self._fields)
        self.quote.compare(self._studio.scene, found.asked.request)
        self._tell()

    def _look_failed(self, fault: Exception) -> None:
        self._end_look()
        self._desk.tell_fault(fault)

    def _end_look(self) -> None:
        self._look = None
        if self._look_again:
            self._look_again = False
            self._looking.start()

    @staticmethod
    def _all(found: _Seen) -> tuple[Finding, ...]:
        order = ("error", "warning", "info")
        return tuple(sorted((*found.asked.findings, *found.place), key=lambda each: order.index(each.severity)))

    @property
    def _fields(self) -> frozenset[str]:
        return frozenset((*self.fields.by_name, "export"))

    def _follow(self, finding: Finding) -> None:
        """Select what a finding names, or go to its field."""
        scene = self._studio.scene
        known = [id_ for id_ in finding.ids if id_ in scene.entities or id_ in scene.materials]
        if known:
            self._studio.select(known)
        elif finding.field == "export":
            self._desk.show_panel("export")
        elif finding.field in self.fields.by_name:
            field = self.fields.by_name[finding.field]
            self._area.ensureWidgetVisible(field)
            field.setFocus(Qt.FocusReason.ShortcutFocusReason)

    @property
    def error(self) -> str:
        """The sentence that keeps the scene from being sent; "" when nothing does."""
        if self.seen is None:
            return ""
        errors = [each.sentence for each in self._all(self.seen) if each.severity == "error"]
        return errors[0] if errors else ""

    def _tell(self) -> None:
        """What can be done now."""
        sending = self._sending is not None
        blocked = self.error
        self.send_button.setVisible(not sending)
        self.send_button.setEnabled(self.seen is not None and not blocked)
        self.send_button.setToolTip(blocked or tr("The scene as it is now, saved or not"))
        self.stop_button.setVisible(sending)
        self.progress.setVisible(sending)
        self.state.setVisible(bool(self.state.text()))
        self.jobs_button.setVisible(self.delivery is not None and not sending)
        self.quote.button.setEnabled(self.seen is not None and not self.seen.asked.error)

    def _quotable(self) -> tuple[Scene, Submission, FarmWish] | None:
        shown = self.shown
        asked = ask(self._studio.scene, shown.export, shown.farm, shown.wish, project=self._studio.path)
        if asked.request is None or asked.error:
            return None
        return self._studio.scene, asked.request, shown.wish

    # --- sending -----------------------------------------------------------------------------------------------------
    def send(self) -> None:
        """Send the scene as it stands, on a thread."""
        if self._sending is not None:
            return
        shown, scene, path = self.shown, self._studio.scene, self._studio.path
        host, device = farm.host_of(self._studio), self._studio.preferences.device

        def work(errand: Errand[Delivery]) -> Delivery:
            def progress(done: int, total: int) -> None:
                if errand.stopped():
                    raise Cancelled("the sending was stopped; what is sent stays, and the rest goes the next time")
                errand.tell((done, total))

            asked = checked(scene, ask(scene, shown.export, shown.farm, shown.wish, project=path), project=path)
            return send(scene, asked, shown.wish, host, project=path, device=device, progress=progress)

        self._say(tr("Preparing the scene…"), role="dim")
        self.progress.setRange(0, 0)
        self.delivery = None
        self._sending = Errand(self._desk.bridge, work, then=self._sent, failed=self._unsent, heard=self._heard_bytes)
        errands_of(self._studio).begin(self._sending)
        self._tell()

    def stop(self) -> None:
        """Stop sending at the next piece."""
        if self._sending is not None:
            self._sending.stop()
            self._say(tr("Stopping…"), role="dim")

    def _heard_bytes(self, news: object) -> None:
        if isinstance(news, tuple) and self._sending is not None and not self._sending.stopped():
            done, total = news
            self.progress.setRange(0, 1000)
            self.progress.setValue(round(1000 * done / max(total, 1)))
            self._say(tr("Sending: {done} of {total} MB", done=_mega(done), total=_mega(total)), role="dim")

    def _sent(self, delivery: Delivery) -> None:
        self._sending, self.delivery = None, delivery
        handed = delivery.handed
        name = handed.job.spec.name
        if handed.before is not None:
            stands = handed.before
            share = f"{stands.done / max(stands.total, 1):.0%}"
            sentence = tr("{name} was sent before and goes on: {share} of it is there.", name=name, share=share)
        else:
            sentence = tr(
                "{name} is sent: {sent} of {size} MB were new.",
                name=name,
                sent=_mega(min(handed.sent.sent, handed.sent.size)),  # lists of a bundle's files are sent beside them
                size=_mega(handed.sent.size),
            )
        wanted = farm.wish_of(self._studio)
        if delivery.crew is not None and delivery.crew.nodes != wanted.nodes:
            count = delivery.crew.nodes
            sentence += " " + tr(
                "{count} nodes are at work already; another number counts once they rest.", count=count
            )
        self._say(sentence)
        if not self.isVisible():
            self._studio.face.notify(sentence)
        self._studio.tell("farm")
        self._looking.start()
        self._tell()

    def _unsent(self, fault: Exception) -> None:
        self._sending = None
        if isinstance(fault, Cancelled):
            self._say(tr("Stopped. What is sent stays; sending again sends the rest."))
        elif isinstance(fault, StudioError):
            self._say(str(fault), role="caution")
            self._studio.face.notify(str(fault), kind="error")
        else:
            self._say("")
            self._desk.tell_fault(fault)
        self._tell()

    def _say(self, text: str, *, role: str = "") -> None:
        """A line over the buttons."""
        if self.state.property("role") != role:
            self.state.setProperty("role", role)
            self.state.style().unpolish(self.state)
            self.state.style().polish(self.state)
        self.state.setText(text)
        self.state.setVisible(bool(text))


def _looked(scene: Scene, shown: Shown, path: Path | None) -> _Seen:
    """All findings and the names of the files; on a thread."""
    asked = ask(scene, shown.export, shown.farm, shown.wish, project=path)
    memory = system_memory() if shown.wish.where == LOCAL else 0
    place = place_findings(shown.wish)
    if asked.request is not None:
        place = (*place, *engine_findings(asked.request, shown.wish))
    try:
        names = tuple(preview_name(shown.export, scene, path))
    except StudioError:
        names = ()  # a finding says why
    try:
        prices = prices_of(shown.wish)
    except StudioError:
        prices = None  # a finding says why
    currency = prices.currency if prices is not None else ""
    return _Seen(checked(scene, asked, project=path, memory_bytes=memory), place, names, currency)


def _mega(count: int) -> str:
    """Megabytes, with more digits where there are few."""
    return f"{count / _MEGA:.1f}" if count >= _MEGA / 10 or not count else f"{count / _MEGA:.3f}"
