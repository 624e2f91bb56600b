"""Sections of labelled rows that show a value and change it, as the panels of the export and of sending to the farm are
laid out. Rows come and go by what is so, and every control shows what is kept, not what was typed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QCheckBox,
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
from studio.ui import bars, theme
from studio.ui.i18n import say
from studio.ui.number_edit import NumberEdit, Range

S = TypeVar("S")  # what a form shows
Change = Callable[..., object]  # (coalesce=token, **{name: value})
_LONGEST_TEXT = 20_000  # of frames; what is longer than its setting takes is refused in a sentence
_strokes = itertools.count()


class FormRows(Generic[S]):
    """Builds rows into a column, and shows in them what is so. Names of widgets begin with `prefix`; labels are
    `label_px` wide, sections `gap_px` apart. With `fills` menus take the whole of their rows."""

    def __init__(
        self, studio: Studio, column: QVBoxLayout, *, prefix: str, label_px: int, gap_px: int, fills: bool = False
    ) -> None:
        self.prefix = prefix
        self._studio, self._column = studio, column
        self._label_px, self._gap_px, self._fills = label_px, gap_px, fills
        self._forms: list[QFormLayout] = []
        self._shown_when: list[tuple[QWidget, Callable[[S], bool]]] = []
        self._refreshing: list[Callable[[S], object]] = []
        self._shown: list[S] = []  # the newest, once there is one

    def section(self, title: str, when: Callable[[S], bool] | None = None) -> QLabel:
        """Begin a section."""
        head = QLabel()
        head.setObjectName(f"{self.prefix}-section-{len(self._forms)}")
        head.setProperty("role", "section")
        say(head.setText, title)
        self._column.addWidget(head)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, theme.size(self._gap_px))
        form.setHorizontalSpacing(theme.size(8))
        form.setVerticalSpacing(theme.size(4))
        form.setLabelAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self._column.addLayout(form)
        self._forms.append(form)
        if when is not None:
            self._shown_when.append((head, when))
        return head

    def row(self, text: str, field: QWidget, when: Callable[[S], bool] | None = None) -> QLabel:
        """Add a row to the section."""
        label = QLabel()
        label.setProperty("role", "dim")
        label.setFixedWidth(theme.size(self._label_px))
        label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        label.setBuddy(field)
        if text:
            say(label.setText, text)
            label.setMinimumHeight(field.sizeHint().height())
        self._forms[-1].addRow(label, field)
        if when is not None:
            self._shown_when += [(label, when), (field, when)]
        return label

    def follow(self, show: Callable[[S], object]) -> None:
        """Have something shown whenever what is shown changes."""
        self._refreshing.append(show)

    def refresh(self, shown: S) -> None:
        """Show what is so."""
        self._shown[:] = [shown]
        for show in self._refreshing:
            show(shown)
        for widget, when in self._shown_when:
            widget.setVisible(when(shown))

    # --- controls ----------------------------------------------------------------------------------------------------
    def line(
        self, name: str, label: str, change: Change, read: Callable[[S], str], *, key: str = "", hint: str = ""
    ) -> QLineEdit:
        """A line of text."""
        line = QLineEdit()
        line.setObjectName(f"{self.prefix}-{name}")
        line.setMinimumWidth(theme.size(60))
        line.setMaxLength(_LONGEST_TEXT)
        say(line.setAccessibleName, label)
        if hint:
            say(line.setPlaceholderText, hint)
        field = key or name

        def typed() -> None:
            line.setModified(False)
            if not self._shown or line.text() != read(self._shown[0])[:_LONGEST_TEXT]:
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
        read: Callable[[S], float],
        *,
        key: str = "",
        unit: str = "",
        width: int = 64,
    ) -> NumberEdit:
        """A number; a drag of it is one step of the history."""
        number = bars.number(self._studio, f"{self.prefix}-{name}", label, range_, 0.0, unit=unit, width=width)
        token, field = [""], key or name
        number.began.connect(lambda: token.__setitem__(0, f"{self.prefix}-{next(_strokes)}"))

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
        read: Callable[[S], object],
        *,
        key: str = "",
        fills: bool = False,
    ) -> bars.Menu:
        """A menu; one that `fills` takes the whole of its row."""
        menu = bars.Menu(f"{self.prefix}-{name}", label, items)
        if fills or self._fills:
            fill_row(menu)
        field = key or name
        menu.activated.connect(lambda: change(**{field: menu.currentData()}))
        self.follow(lambda shown: menu.choose(read(shown)))
        return menu

    def switch(self, name: str, label: str, change: Change, read: Callable[[S], bool], *, key: str = "") -> QCheckBox:
        """Something that is so or not."""
        switch = QCheckBox()
        switch.setObjectName(f"{self.prefix}-{name}")
        say(switch.setText, label)
        say(switch.setAccessibleName, label)
        field = key or name
        switch.clicked.connect(lambda on: change(**{field: bool(on)}))
        self.follow(lambda shown: switch.setChecked(read(shown)))
        return switch

    def text(self, name: str, *, role: str = "dim") -> QLabel:
        """A text that wraps, and says no more than it has to."""
        label = QLabel()
        label.setObjectName(f"{self.prefix}-{name}")
        label.setWordWrap(True)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setProperty("role", role)
        label.setMinimumWidth(1)
        label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.MinimumExpanding)
        return label

    def beside(self, name: str, *widgets: QWidget, grows: QWidget | None = None) -> QWidget:
        """Widgets in one row, of which one grows; without one they keep to the left."""
        return beside(f"{self.prefix}-{name}", *widgets, grows=grows)


def fill_row(menu: bars.Menu) -> None:
    """Have a menu take the whole of its row, and no more."""
    menu.setSizeAdjustPolicy(bars.Menu.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    menu.setMinimumContentsLength(8)
    menu.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)


def beside(name: str, *widgets: QWidget, grows: QWidget | None = None) -> QWidget:
    """Widgets in one row, of which one grows; without one they keep to the left."""
    box = QWidget()
    box.setObjectName(name)
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
