"""The pixel inspector: which lights make a place of the picture, and what the place should be instead.

A click or a drag on the mixer's picture gives the place. Its lights stand below by their share; a click on them selects
them in the scene, the pointer over them shows their strip. Wishes about places (darker, keep, so many nits, a ratio of
groups) gather in a list that the solver turns into gains. What it finds is seen at once and is kept or taken back.
"""

from __future__ import annotations

import math
from typing import Any

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from studio.commands.mix import select_lights
from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.errors import StudioError
from studio.render.lightmix import NAMED_GROUP, Mix
from studio.render.lightmix_session import MixSession, Wish
from studio.render.lightmix_solve import MET_STOPS, Solution
from studio.render.lightmix_store import Rect
from studio.scene.entities import Id
from studio.ui import bars, theme
from studio.ui.flow import flow_bar
from studio.ui.i18n import say, tr, translated
from studio.ui.inspect_ranking import RankList, RankModel
from studio.ui.mixer_model import tokens
from studio.ui.number_edit import Range, shown

_REFRESH_MS = 80
_KINDS = (
    (N_("Brighter or darker by"), "stops"),
    (N_("Keep as it is"), "keep"),
    (N_("Set luminance to"), "nits"),
    (N_("Ratio of lights"), "ratio"),
)
_USUAL = {"stops": -1.0, "nits": 1.0, "ratio": 4.0, "keep": 0.0}
_UNITS = {"stops": "stops", "nits": "nt", "ratio": ": 1", "keep": ""}


class PixelInspector(QWidget):
    """See the module. `placed` tells the region that is meant (None: all), `hovered` a light."""

    placed = Signal(object)
    hovered = Signal(str)

    def __init__(self, studio: Studio, session: MixSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("pixel-inspector")
        self._studio, self.session = studio, session
        self.region: Rect | None = None
        self.solution: Solution | None = None
        self._before: Mix | None = None
        self._token = ""
        self.model = RankModel()
        self.ranking = RankList(self.model)
        self._later = QTimer(self, singleShot=True, interval=_REFRESH_MS)
        self._later.timeout.connect(self.refresh)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.size(2))
        layout.addLayout(self._make_head())
        layout.addWidget(self.ranking, 3)
        layout.addWidget(self._make_wish())
        layout.addWidget(self._make_wishes(), 2)
        layout.addLayout(self._make_foot())
        self.ranking.hovered.connect(self.hovered)
        self.ranking.clicked.connect(self._select)
        translated(self._relabel)
        self.follow()

    # --- building ----------------------------------------------------------------------------------------------------
    def _make_head(self) -> QHBoxLayout:
        head = bars.bar()
        self.place = QLabel()
        self.place.setObjectName("inspect-place")
        self.place.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.whole_button = bars.button(
            "inspect-whole", "frame-all", N_("The whole picture"), lambda: self.inspect(None)
        )
        head.addWidget(self.place, 1)
        head.addWidget(self.whole_button)
        return head

    def _make_wish(self) -> QWidget:
        bar, row = flow_bar()
        row.setContentsMargins(theme.size(6), theme.size(3), theme.size(6), theme.size(2))
        row.setSpacing(theme.size(4))
        self.kind = bars.Menu("inspect-wish", N_("What is wanted"), _KINDS)
        self.value = bars.number(self._studio, "inspect-value", N_("How much"), Range(), -1.0, unit="stops", width=84)
        bars.edited(self.value, lambda value: None)
        self.side, self.other = (
            NameMenu("inspect-side", N_("These lights")),
            NameMenu("inspect-other", N_("To these")),
        )
        self.add_button = QPushButton()
        self.add_button.setObjectName("inspect-add")
        say(self.add_button.setText, N_("Add wish"))
        for widget in (self.kind, self.side, self.value, self.other, self.add_button):
            row.addWidget(widget)
        self.kind.currentIndexChanged.connect(self._kind_chosen)
        self.add_button.clicked.connect(self.add_wish)
        return bar

    def _make_wishes(self) -> QListWidget:
        self.wishes = QListWidget()
        self.wishes.setObjectName("inspect-wishes")
        say(self.wishes.setAccessibleName, N_("Wishes"))
        say(self.wishes.setToolTip, N_("Wishes of the picture; Delete removes one"))
        self.wishes.installEventFilter(self)
        return self.wishes

    def _make_foot(self) -> QVBoxLayout:
        self.few = QCheckBox()
        self.few.setObjectName("inspect-few")
        self.few.setChecked(True)
        say(self.few.setText, N_("Few lights"))
        say(self.few.setToolTip, N_("Change few lights much rather than many a little"))
        self.bounds = bars.number(
            self._studio,
            "inspect-bounds",
            N_("Most change of a light"),
            Range(lo=0.1, hi=10.0),
            10.0,
            unit="stops",
            width=76,
        )
        bars.edited(self.bounds, lambda value: setattr(self.session, "bounds", (-value, value)))
        self.solve_button = self._push("inspect-solve", N_("Solve"), self.solve)
        self.accept_button = self._push("inspect-accept", N_("Accept"), self.accept)
        self.discard_button = self._push("inspect-discard", N_("Discard"), self.discard)
        self.result = QLabel()
        self.result.setObjectName("inspect-result")
        self.result.setWordWrap(True)
        self.result.setTextFormat(Qt.TextFormat.PlainText)
        row = QHBoxLayout()
        row.setSpacing(theme.size(4))
        for widget in (self.few, self.bounds):
            row.addWidget(widget)
        row.addStretch(1)
        for button in (self.solve_button, self.accept_button, self.discard_button):
            row.addWidget(button)
        foot = QVBoxLayout()
        foot.setContentsMargins(theme.size(6), 0, theme.size(6), theme.size(4))
        foot.addWidget(self.result)
        foot.addLayout(row)
        return foot

    def _push(self, name: str, label: str, press: Any) -> QPushButton:
        made = QPushButton()
        made.setObjectName(name)
        say(made.setText, label)
        made.clicked.connect(lambda: press())
        return made

    def _relabel(self) -> None:
        self.model.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, self.model.columnCount() - 1)
        self._kind_chosen(keep=True)
        self.bounds.say_unit(tr("stops"))
        self.follow()

    def eventFilter(self, watched: Any, event: QEvent) -> bool:
        """Delete takes a wish out."""
        if watched is self.wishes and event.type() == QEvent.Type.KeyPress and event.key() == Qt.Key.Key_Delete:  # type: ignore[attr-defined]
            self.session.unwish(self.wishes.currentRow())
            return True
        return super().eventFilter(watched, event)

    # --- the place ---------------------------------------------------------------------------------------------------
    def inspect(self, region: Rect | None) -> None:
        """Look at a region of the view, or at the whole picture."""
        self.region = region
        self.placed.emit(region)
        self.refresh()

    def follow(self) -> None:
        """The session changed: show it, not more often than an eye sees."""
        self.setEnabled(self.session.frame is not None)
        if not self._later.isActive():
            self._later.start()

    def refresh(self) -> None:
        """Rank the lights of the place, and list the wishes, as they are now."""
        self._later.stop()
        there = self.session.frame is not None
        self.model.show(self.session.ranking(self.region) if there else [])
        total = sum(rank.nits for rank in self.model.ranks)
        self.place.setText(
            tr("{place}: {nits} nits", place=self._place_name(self.region), nits=shown(total)) if there else ""
        )
        self._fill_sides()
        self._list_wishes()
        trial = self.solution is not None
        self.solve_button.setEnabled(there and any(wish.kind != "keep" for wish in self.session.wishes))
        self.accept_button.setEnabled(trial)
        self.discard_button.setEnabled(trial)

    def _place_name(self, region: Rect | None) -> str:
        if region is None:
            return tr("The whole picture")
        x0, y0, x1, y1 = region
        return f"{x0}, {y0}" if (x1 - x0, y1 - y0) == (1, 1) else f"{x0}, {y0} – {x1}, {y1}"

    def _select(self) -> None:
        select_lights(self._studio, [rank.channel for rank in self.ranking.picked()])

    # --- wishes ------------------------------------------------------------------------------------------------------
    def _kind_chosen(self, index: int = 0, *, keep: bool = False) -> None:
        kind = str(self.kind.currentData())
        self.value.setVisible(kind != "keep")
        self.side.setVisible(kind == "ratio")
        self.other.setVisible(kind == "ratio")
        self.value.unit = _UNITS[kind]
        self.value.say_unit(tr(_UNITS[kind]) if kind == "stops" else _UNITS[kind])
        if not keep:
            self.value.set_value(_USUAL[kind])

    def _fill_sides(self) -> None:
        entities = self._studio.scene.entities
        rows = [
            ((entities[id_].name or id_) if id_ in entities else id_.removeprefix(NAMED_GROUP), id_)
            for id_ in self.session.groups
        ]
        rows += [(channel.name, channel.id) for channel in self.session.channels if channel.id]
        self.side.fill_names(rows)
        self.other.fill_names(rows)

    def add_wish(self) -> None:
        """Add what the row says about the place."""
        kind, place = str(self.kind.currentData()), self._place_name(self.region)
        side, other = self.side.currentData(), self.other.currentData()
        name = f"{self._wanted(kind, self.value.value)} · {place}"
        self.wish(
            Wish(
                kind=kind,  # type: ignore[arg-type]
                region=self.region,
                ids=(side,) if kind == "ratio" else (),
                value=self.value.value,
                other=(self.region, (other,)) if kind == "ratio" else None,
                name=name,
            )
        )

    def _wanted(self, kind: str, value: float) -> str:
        """A wish in words."""
        if kind == "stops":
            told = tr("{count} stops darker") if value < 0 else tr("{count} stops brighter")
            return told.format(count=shown(abs(value)))
        if kind == "nits":
            return tr("{nits} nits", nits=shown(value))
        if kind == "ratio":
            return f"{self.side.currentText()} : {self.other.currentText()} = {shown(value)} : 1"
        return tr("Keep as it is")

    def wish(self, wish: Wish) -> None:
        """Add a wish."""
        try:
            self.session.wish(wish)
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="warning")
        self.refresh()

    def _list_wishes(self) -> None:
        row = self.wishes.currentRow()
        self.wishes.clear()
        outcomes = self.solution.outcomes if self.solution is not None else ()
        for n, wish in enumerate(self.session.wishes):
            item = QListWidgetItem(wish.name)
            if n < len(outcomes):
                met = outcomes[n].met
                item.setIcon(theme.icon("check" if met else "notice-warning", "good" if met else "warning"))
                if not met and math.isfinite(outcomes[n].off):
                    item.setText(f"{wish.name}  →  {outcomes[n].off:+.2f} {tr('stops')}")
            self.wishes.addItem(item)
        self.wishes.setCurrentRow(min(row, self.wishes.count() - 1))

    # --- solving -----------------------------------------------------------------------------------------------------
    def solve(self) -> None:
        """Find gains, and show what they do, to be accepted or discarded."""
        try:
            if self._before is not None:  # wishes changed since: from where it began
                self.session.set_mix(self._before, coalesce=self._token)
            found = self.session.solve(few=self.few.isChecked())
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="warning")
            return
        if self._before is None:
            self._before, self._token = self.session.mix, f"mix-solve-{next(tokens)}"
        self.solution = found
        self.session.set_mix(self._before.louder(found.stops), coalesce=self._token)
        self.result.setText(told(found))
        self.refresh()

    def accept(self) -> None:
        """Keep what was found; the wishes are done."""
        self._end()
        self.session.unwish()

    def discard(self) -> None:
        """Go back to the mix as it was before; the wishes stay."""
        if self._before is not None:
            self.session.set_mix(self._before, coalesce=self._token)
        self._end()

    def _end(self) -> None:
        self.solution = self._before = None
        self.result.setText("")
        self.refresh()

    def forget(self) -> None:
        """Another picture is on the desk."""
        self.solution = self._before = None
        self.result.setText("")
        self.region = None
        self.refresh()


class NameMenu(bars.Menu):
    """A menu of names that are nobody's to translate."""

    def __init__(self, name: str, label: str) -> None:
        super().__init__(name, label, ())
        self.setSizeAdjustPolicy(bars.Menu.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(9)

    def fill_names(self, rows: list[tuple[str, Id]]) -> None:
        """Offer other rows, if they are others; what was chosen stays so where it is there."""
        if [(self.itemText(n), self.itemData(n)) for n in range(self.count())] == rows:
            return
        chosen = self.currentData()
        self.clear()
        self._texts = [name for name, _ in rows]
        for name, id_ in rows:
            self.addItem(name, id_)
        self.choose(chosen)

    def relabel(self) -> None:
        """Names stay."""


def told(solution: Solution) -> str:
    """What a solution does, in a sentence."""
    count = len(solution.stops)
    moved = tr("1 light changed") if count == 1 else tr("{count} lights changed", count=count)
    worst = solution.worst
    if worst is None:
        return tr("{moved}; every wish is met within {stops} stops.", moved=moved, stops=MET_STOPS)
    off = f"{worst.off:+.2f}" if math.isfinite(worst.off) else "∞"
    return tr(
        '{moved}; "{wish}" can come no nearer than {stops} stops.', moved=moved, wish=worst.demand.name, stops=off
    )
