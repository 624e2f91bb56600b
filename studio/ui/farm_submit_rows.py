"""Sections of labelled rows: how the panel that sends to the farm lays out its fields. Rows come and go by what can be
said where the job goes, and every control shows what is kept, not what was typed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.commands.studio import Studio
from studio.farm.engines.engine import Capabilities
from studio.farm.wish import FarmSettings, FarmWish
from studio.render.export import ExportSettings
from studio.ui import bars, theme
from studio.ui.i18n import say
from studio.ui.number_edit import NumberEdit, Range

PREFIX = "farm-submit"
_LABEL = 84
_strokes = itertools.count()


@dataclass(frozen=True, slots=True)
class Shown:
    """What the panel shows: the scene's export, what is said of its jobs, where they go, and what can be done there."""

    export: ExportSettings
    farm: FarmSettings
    wish: FarmWish
    can: Capabilities


When = Callable[[Shown], bool]
Change = Callable[..., object]  # (coalesce=token, **{name: value})


class Column(QWidget):
    """What scrolls: as high as its texts need it at its width, which a scroll area does not ask for by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName(f"{PREFIX}-body")
        self.rows = QVBoxLayout(self)
        self.rows.setContentsMargins(theme.size(8), theme.size(6), theme.size(8), theme.size(6))
        self.rows.setSpacing(theme.size(4))

    def event(self, event: QEvent) -> bool:
        """After every change of what is in it, or of its width."""
        done = super().event(event)
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize) and self.rows.hasHeightForWidth():
            high = self.rows.totalHeightForWidth(self.width())
            if high != self.minimumHeight():
                self.setMinimumHeight(high)
        return done


class Rows:
    """Builds rows into a column, and shows in them what is so."""

    def __init__(self, studio: Studio, column: QVBoxLayout) -> None:
        self._studio, self._column = studio, column
        self._forms: list[QFormLayout] = []
        self._shown_when: list[tuple[QWidget, When]] = []
        self._refreshing: list[Callable[[Shown], object]] = []

    def section(self, title: str) -> QLabel:
        """Begin a section."""
        head = QLabel()
        head.setObjectName(f"{PREFIX}-section-{len(self._forms)}")
        head.setProperty("role", "section")
        say(head.setText, title)
        self._column.addWidget(head)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, theme.size(8))
        form.setHorizontalSpacing(theme.size(8))
        form.setVerticalSpacing(theme.size(4))
        form.setLabelAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self._column.addLayout(form)
        self._forms.append(form)
        return head

    def row(self, text: str, field: QWidget, when: When | None = None) -> QLabel:
        """Add a row to the section."""
        label = QLabel()
        label.setProperty("role", "dim")
        label.setFixedWidth(theme.size(_LABEL))
        label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        label.setBuddy(field)
        if text:
            say(label.setText, text)
            label.setMinimumHeight(field.sizeHint().height())
        self._forms[-1].addRow(label, field)
        if when is not None:
            self._shown_when += [(label, when), (field, when)]
        return label

    def follow(self, show: Callable[[Shown], object]) -> None:
        """Have something shown whenever what is shown changes."""
        self._refreshing.append(show)

    def refresh(self, shown: Shown) -> None:
        """Show what is so."""
        for show in self._refreshing:
            show(shown)
        for widget, when in self._shown_when:
            widget.setVisible(when(shown))

    # --- controls ----------------------------------------------------------------------------------------------------
    def line(
        self, name: str, label: str, change: Change, read: Callable[[Shown], str], *, key: str = "", hint: str = ""
    ) -> QLineEdit:
        """A line of text."""
        line = QLineEdit()
        line.setObjectName(f"{PREFIX}-{name}")
        line.setMinimumWidth(theme.size(60))
        line.setMaxLength(2000)
        say(line.setAccessibleName, label)
        if hint:
            say(line.setPlaceholderText, hint)
        field = key or name

        def typed() -> None:
            if line.isModified():
                line.setModified(False)
                change(**{field: line.text()})

        line.editingFinished.connect(typed)
        self.follow(lambda shown: show_text(line, read(shown)))
        return line

    def number(
        self,
        name: str,
        label: str,
        range_: Range,
        change: Change,
        read: Callable[[Shown], float],
        *,
        key: str = "",
        unit: str = "",
        width: int = 64,
    ) -> NumberEdit:
        """A number; a drag of it is one step of the history."""
        number = bars.number(self._studio, f"{PREFIX}-{name}", label, range_, 0.0, unit=unit, width=width)
        token, field = [""], key or name
        number.began.connect(lambda: token.__setitem__(0, f"farm-{next(_strokes)}"))

        def act(value: float) -> None:
            change(coalesce=token[0], **{field: round(value) if range_.whole else value})

        bars.edited(number, act)
        self.follow(lambda shown: number.set_value(float(read(shown))))
        return number

    def menu(
        self,
        name: str,
        label: str,
        items: Sequence[tuple[str, object]],
        change: Change,
        read: Callable[[Shown], object],
        *,
        key: str = "",
    ) -> bars.Menu:
        """A menu that fills its row."""
        menu = bars.Menu(f"{PREFIX}-{name}", label, items)
        menu.setSizeAdjustPolicy(bars.Menu.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        menu.setMinimumContentsLength(8)
        menu.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        field = key or name
        menu.activated.connect(lambda: change(**{field: menu.currentData()}))
        self.follow(lambda shown: menu.choose(read(shown)))
        return menu

    def text(self, name: str, *, role: str = "dim") -> QLabel:
        """A text that wraps, and says no more than it has to."""
        label = QLabel()
        label.setObjectName(f"{PREFIX}-{name}")
        label.setWordWrap(True)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setProperty("role", role)
        label.setMinimumWidth(1)
        label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.MinimumExpanding)
        return label


def beside(name: str, *widgets: QWidget, grows: QWidget | None = None) -> QWidget:
    """Widgets in one row, of which one grows; without one they keep to the left."""
    box = QWidget()
    box.setObjectName(f"{PREFIX}-{name}")
    layout = QHBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(theme.size(4))
    for widget in widgets:
        layout.addWidget(widget, 1 if widget is grows else 0)
    if grows is None:
        layout.addStretch(1)
    return box


def tool(name: str, icon: str, label: str, press: Callable[[], object]) -> QToolButton:
    """A button with an icon that grows with the interface."""
    made = bars.button(name, icon, label, press)
    made.setIconSize(QSize(theme.size(16), theme.size(16)))
    return made


def word(text: str) -> QLabel:
    """A dim word between two fields."""
    label = QLabel()
    label.setProperty("role", "dim")
    say(label.setText, text)
    return label


def show_text(line: QLineEdit, text: str) -> None:
    """Show a text in a line that nobody types into."""
    if line.text() != text and not (line.hasFocus() and line.isModified()):
        line.setText(text)
