"""Controls of the bars over panels, each with the names that tests and screen readers know it by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QBoxLayout, QComboBox, QHBoxLayout, QLabel, QToolButton, QWidget

from studio.commands.studio import Studio
from studio.ui import theme
from studio.ui.expressions import Entry
from studio.ui.i18n import say, tr, translated
from studio.ui.number_edit import NumberEdit, Range


def bar() -> QHBoxLayout:
    """An empty bar."""
    made = QHBoxLayout()
    made.setContentsMargins(theme.size(6), theme.size(3), theme.size(6), theme.size(2))
    made.setSpacing(theme.size(4))
    return made


def button(
    name: str,
    icon: str,
    label: str,
    press: Callable[[], object] | None = None,
    *,
    text: bool = False,
    checkable: bool = False,
) -> QToolButton:
    """A button with an icon; `label` (English) is its tool tip, and stands beside the icon with `text`."""
    made = QToolButton()
    made.setObjectName(name)
    made.setIcon(theme.icon(icon))
    made.setCheckable(checkable)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    say(made.setToolTip, label)
    say(made.setAccessibleName, label)
    if text:
        say(made.setText, label)
        made.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    if press is not None:
        made.clicked.connect(lambda: press())
    return made


class Given(str):
    """A text that an artist or a device gave: it is shown as it is, in any language."""

    __slots__ = ()


def _shown(text: str) -> str:
    return str(text) if isinstance(text, Given) else tr(text)


def row_of(menu: QComboBox, value: object) -> int:
    """The row of a value; -1 where there is none. Qt's own `findData` takes equal tuples for different ones."""
    return next((row for row in range(menu.count()) if menu.itemData(row) == value), -1)


class Menu(QComboBox):
    """A menu of (English text, value) whose texts follow the language, but for those that are `Given`."""

    def __init__(self, name: str, label: str, items: Sequence[tuple[str, object]]) -> None:
        super().__init__()
        self._texts = [text for text, _ in items]
        self.setObjectName(name)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.setMinimumWidth(theme.size(48))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        say(self.setAccessibleName, label)
        say(self.setToolTip, label)
        for text, value in items:
            self.addItem(text, value)
        translated(self.relabel)

    def relabel(self) -> None:
        """Say the texts again."""
        for row, text in enumerate(self._texts):
            self.setItemText(row, _shown(text))

    def fill(self, items: Sequence[tuple[str, object]]) -> None:
        """Offer other rows, if they are others; the chosen value stays chosen where it is among them."""
        held = [(self.itemText(row), self.itemData(row)) for row in range(self.count())]
        if held == [(_shown(text), value) for text, value in items]:
            return
        chosen = self.currentData()
        self.clear()
        self._texts = [text for text, _ in items]
        for text, value in items:
            self.addItem(_shown(text), value)
        self.choose(chosen)

    def choose(self, value: object) -> None:
        """Show the row of a value, without telling anybody."""
        row = row_of(self, value)
        if row >= 0:
            self.setCurrentIndex(row)


def number(
    studio: Studio, name: str, label: str, range_: Range, value: float, *, unit: str = "", width: int = 64
) -> NumberEdit:
    """A number, `width` units wide; what it refuses is told."""
    made = NumberEdit(range_, unit)
    made.setObjectName(name)
    made.setFixedWidth(theme.size(width))
    say(made.setAccessibleName, label)
    say(made.setToolTip, label)
    made.set_value(value)
    made.refused.connect(lambda sentence: studio.face.notify(sentence, kind="warning"))
    return made


def labelled(layout: QBoxLayout, text: str, widget: QWidget) -> QLabel:
    """Put a widget into a bar with its label before it."""
    label = QLabel()
    label.setProperty("role", "dim")
    label.setBuddy(widget)
    say(label.setText, text)
    layout.addWidget(label)
    layout.addWidget(widget)
    return label


def edited(number: NumberEdit, act: Callable[[float], object]) -> None:
    """Hand on every value of a number that is no part of the scene, so that nothing else undoes it."""
    start = [0.0]

    def began() -> None:
        start[0] = number.value

    def changed(entry: Entry) -> None:
        value = entry.new(start[0])
        value = max(value, number.range.lo) if number.range.lo is not None else value
        value = min(value, number.range.hi) if number.range.hi is not None else value
        number.set_value(round(value) if number.range.whole else value)
        act(number.value)

    def ended(kept: bool) -> None:
        if not kept:
            number.set_value(start[0])
            act(start[0])

    number.began.connect(began)
    number.changed.connect(changed)
    number.ended.connect(ended)
