"""The inspector: every field of what is selected, one light or three hundred.

Sections and rows are read from the fields' own annotations (`studio.ui.field_values`), so a new field of an entity has
its row here without a line of this file. Widgets are kept as long as the selection needs the same ones; an edit then
only refreshes values, which for 300 lights costs little more than the edit.

Values are those of the present frame (`Studio.posed`). While the timeline plays, rows that can be seen follow it some
times a second; a dot beside each field that can move says whether it does, and keys it.
"""

from __future__ import annotations

import weakref

from PySide6.QtCore import QEvent, QPoint, QSize, Qt, QTimer
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QApplication,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.commands.registry import N_, command
from studio.commands.studio import Studio, Update
from studio.scene.entities import Id
from studio.scene.scene import Scene
from studio.ui import theme
from studio.ui.field_rows import Row, make_row
from studio.ui.field_values import Section, sections
from studio.ui.i18n import say, tr, translated
from studio.ui.key_dots import KeyDot, fill_menu, moves
from studio.ui.panel import Desk, panel

_open: weakref.WeakKeyDictionary[Studio, Inspector] = weakref.WeakKeyDictionary()  # the one opened last
_PLAYING_MS = 100  # between refreshes while the timeline plays


class FieldLabel(QLabel):
    """A label that gives way: in a narrow panel its end is left out, and told by hovering over it."""

    def minimumSizeHint(self) -> QSize:
        """A few letters."""
        return QSize(theme.size(56), super().minimumSizeHint().height())

    def sizeHint(self) -> QSize:
        """The whole text, within reason."""
        return QSize(min(super().sizeHint().width(), theme.size(132)), super().sizeHint().height())

    @property
    def shown(self) -> str:
        """The text as far as there is room for it."""
        return self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())

    def paintEvent(self, event: QPaintEvent) -> None:
        """The text, its end left out where there is no room."""
        painter = QPainter(self)
        painter.setPen(self.palette().windowText().color())
        painter.drawText(self.rect(), int(self.alignment()), self.shown)
        painter.end()

    def event(self, event: QEvent) -> bool:
        """Hovering tells the whole text too."""
        if event.type() == QEvent.Type.ToolTip and not self.toolTip() and self.shown != self.text():
            from PySide6.QtGui import QHelpEvent
            from PySide6.QtWidgets import QToolTip

            if isinstance(event, QHelpEvent):
                QToolTip.showText(event.globalPos(), self.text(), self)
                return True
        return super().event(event)


class SectionBox(QWidget):
    """A titled, foldable box of rows."""

    def __init__(self, studio: Studio, desk: Desk, section: Section, *, folded: bool) -> None:
        super().__init__()
        self.section = section
        self._studio, self._desk = studio, desk
        self.setObjectName(f"section-{section.kind.__name__.lower()}")
        self.head = QToolButton()
        self.head.setObjectName(f"{self.objectName()}-head")
        self.head.setProperty("role", "section")
        self.head.setCheckable(True)
        self.head.setChecked(not folded)
        self.head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.head.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.head.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.head.toggled.connect(self._fold)
        self.body = QWidget()
        self.grid = QGridLayout(self.body)
        self.grid.setContentsMargins(theme.size(8), theme.size(2), theme.size(4), theme.size(8))
        self.grid.setHorizontalSpacing(theme.size(6))
        self.grid.setVerticalSpacing(theme.size(3))
        self.grid.setColumnStretch(1, 1)
        self.rows: list[Row] = []
        self.labels: list[QLabel] = []
        self._resets: list[QToolButton] = []
        self.dots: list[KeyDot | None] = []
        for shared in section.fields:
            self._add(make_row(studio, shared))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.head)
        layout.addWidget(self.body)
        self._fold(not folded)
        translated(self._retitle)

    def _add(self, row: Row) -> None:
        field = row.shared.field
        number = len(self.rows)
        label = FieldLabel()
        label.setProperty("role", "field")
        label.setBuddy(row)
        say(label.setText, field.label)
        if field.spec.help:
            say(label.setToolTip, field.spec.help)
        label.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        label.customContextMenuRequested.connect(
            lambda at, row=row, label=label: self._menu(row, label.mapToGlobal(at))
        )
        reset = QToolButton()
        reset.setObjectName(f"reset-{field.name}")
        reset.setProperty("role", "quiet")
        reset.setIcon(theme.icon("reset"))
        reset.setIconSize(QSize(theme.size(11), theme.size(11)))
        reset.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        say(reset.setAccessibleName, N_("Reset to default"))
        say(reset.setToolTip, N_("Reset to default"))
        reset.clicked.connect(row.reset)
        keep = reset.sizePolicy()
        keep.setRetainSizeWhenHidden(True)
        reset.setSizePolicy(keep)
        top = Qt.AlignmentFlag.AlignTop if len(row.shared.mixed) > 4 else Qt.AlignmentFlag.AlignVCenter
        self.grid.addWidget(label, number, 0, top)
        self.grid.addWidget(row, number, 1)
        self.grid.addWidget(reset, number, 3, top)
        dot = KeyDot(self._studio, self._desk, field.name) if field.animatable else None
        if dot is not None:
            self.grid.addWidget(dot, number, 2, top)
            dot.follow(row.shared.ids)
        self.rows.append(row)
        self.labels.append(label)
        self.dots.append(dot)
        self._resets.append(reset)
        self._mark(number)

    def _mark(self, number: int) -> None:
        shared = self.rows[number].shared
        self._resets[number].setVisible(not shared.is_default and shared.field.name not in ("name", "materials"))

    def _menu(self, row: Row, at: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if row.shared.field.animatable:
            fill_menu(menu, self._studio, self._desk, row.shared.ids, row.shared.field.name)
            menu.addSeparator()
        reset = menu.addAction(tr("Reset to default"), row.reset)
        reset.setEnabled(not row.shared.is_default)
        menu.popup(at)

    def _fold(self, opened: bool) -> None:
        self.body.setVisible(opened)
        self.head.setIcon(theme.icon("fold-open" if opened else "fold-closed"))

    def _retitle(self) -> None:
        title = tr(self.section.title)
        if self.section.count > 1:
            title = f"{title}  ·  {tr('{count} selected', count=self.section.count)}"
        elif self.section.title == "Material":
            title = f"{title}  ·  {self.section.name}"
        self.head.setText(title)
        self.head.setAccessibleName(title)

    def show_section(self, section: Section) -> None:
        """Show new values in the same rows."""
        self.section = section
        self._retitle()
        for number, (row, shared) in enumerate(zip(self.rows, section.fields, strict=True)):
            row.show_value(shared)
            self._mark(number)
            self._follow_dot(number)

    def show_frame(self, section: Section) -> None:
        """Show the values of another frame, in rows that can be seen."""
        self.section = section
        for number, (row, shared) in enumerate(zip(self.rows, section.fields, strict=True)):
            if row.visibleRegion().isEmpty():
                row.shared = shared
                row.stale = True
                continue
            if row.stale or row.shared != shared:
                row.show_value(shared)
                self._mark(number)
            self._follow_dot(number)

    def catch_up(self) -> None:
        """Rows that came in sight since the frame changed show what they have."""
        for number, row in enumerate(self.rows):
            if row.stale and not row.visibleRegion().isEmpty():
                row.show_value(row.shared)
                self._mark(number)
                self._follow_dot(number)

    def _follow_dot(self, number: int) -> None:
        dot = self.dots[number]
        if dot is not None:
            dot.follow(self.rows[number].shared.ids)

    def follow_dots(self) -> None:
        """Say of every field what is true now."""
        for number in range(len(self.rows)):
            self._follow_dot(number)

    def show_matching(self, text: str) -> bool:
        """Show only rows whose label holds a text; whether there is any."""
        found = False
        for row, label, reset, dot in zip(self.rows, self.labels, self._resets, self.dots, strict=True):
            fits = not text or text in label.text().lower() or text in row.shared.field.name
            row.setVisible(fits)
            label.setVisible(fits)
            if dot is not None:
                dot.setVisible(fits)
            if not fits:
                reset.setVisible(False)
            found |= fits
        for number in range(len(self.rows)):
            if not self.rows[number].isHidden():
                self._mark(number)
        self.setVisible(found)
        if text and found:
            self.body.setVisible(True)
        return found


@panel("inspector", N_("Inspector"), "right", "inspector")
class Inspector(QWidget):
    """Fields of the selection."""

    place = "inspector"

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("inspector")
        self._studio, self._desk = studio, desk
        self._boxes: list[SectionBox] = []
        self._shape: tuple[object, ...] | None = None
        self._folded: set[str] = set()
        self._shown: tuple[Scene, tuple[Id, ...]] | None = None
        self._stale = True
        self._behind = QTimer(self)
        self._behind.setSingleShot(True)
        self._behind.setInterval(_PLAYING_MS)
        self._behind.timeout.connect(self._follow_frame)
        self.search = QLineEdit()
        self.search.setObjectName("inspector-search")
        self.search.setClearButtonEnabled(True)
        say(self.search.setPlaceholderText, N_("Find a field"))
        say(self.search.setAccessibleName, N_("Find a field"))
        self.search.textChanged.connect(self._filter)
        self._nothing = QLabel()
        self._nothing.setProperty("role", "empty")
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._nothing.setWordWrap(True)
        say(self._nothing.setText, N_("Select something to see its fields."))
        self._content = QWidget()
        self._column = QVBoxLayout(self._content)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(1)
        self._column.addStretch(1)
        self._area = QScrollArea()
        self._area.setObjectName("inspector-area")
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._area.setWidget(self._content)
        self._area.verticalScrollBar().valueChanged.connect(self._catch_up)
        bar = QHBoxLayout()
        bar.setContentsMargins(theme.size(6), theme.size(6), theme.size(6), theme.size(4))
        bar.addWidget(self.search)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self._nothing, 1)
        layout.addWidget(self._area, 1)
        self._forget = studio.watch(self._heard)
        _open[studio] = self
        self.refresh()

    def close_panel(self) -> None:
        """Stop listening."""
        self._forget()
        if _open.get(self._studio) is self:
            del _open[self._studio]

    def minimumSizeHint(self) -> QSize:
        """Narrow enough for a laptop, wide enough for what is shown and its scroll bar."""
        bar = self._area.verticalScrollBar().sizeHint().width()
        edge = 2 * self._area.frameWidth()
        needed = self._content.minimumSizeHint().width() + bar + edge if self._boxes else 0
        return QSize(min(max(theme.size(240), needed), theme.size(330)), theme.size(160))

    def _heard(self, update: Update) -> None:
        if not self.isVisible():
            self._stale = self._stale or update.change is not None or "frame" in update.parts
            return
        if update.change is not None:
            self.refresh()
        if "frame" in update.parts and not self._studio.playing:
            self._follow_frame()
        elif "frame" in update.parts and not self._behind.isActive():
            self._behind.start()
        if "playing" in update.parts and not self._studio.playing:
            self._follow_frame()
        if "autokey" in update.parts:
            for box in self._boxes:
                box.follow_dots()

    def _follow_frame(self) -> None:
        """Show the values of the present frame in the rows that there are."""
        self._behind.stop()
        scene, ids = self._studio.posed, self._studio.selection
        if self._shown is None or not ids or self._shown[1] != ids:
            self.refresh()
            return
        before = self._shown[0]
        if before is scene and not moves(scene, ids):
            return
        self._shown = (scene, ids)
        found = sections(scene, ids)
        if tuple(section.shape for section in found) != self._shape:
            self._shown = None
            self.refresh()
            return
        for box, section in zip(self._boxes, found, strict=True):
            box.show_frame(section)

    def _catch_up(self) -> None:
        for box in self._boxes:
            box.catch_up()

    def toggle_focused(self) -> None:
        """Key the field that has the keyboard, or remove its key."""
        focus = QApplication.focusWidget()
        for box in self._boxes:
            for row, dot in zip(box.rows, box.dots, strict=True):
                if dot is not None and focus is not None and (focus is row or row.isAncestorOf(focus)):
                    dot.toggle()

    def showEvent(self, event: object) -> None:
        """What changed while it was hidden is shown now."""
        if self._stale:
            self.refresh()
        super().showEvent(event)  # type: ignore[arg-type]

    def refresh(self) -> None:
        """Show the selection as it is."""
        self._stale = False
        scene, ids = self._studio.posed, self._studio.selection
        if self._shown is not None and self._shown[0] is scene and self._shown[1] == ids:
            for box in self._boxes:  # keys may have come and gone without another value
                box.follow_dots()
            return
        self._shown = (scene, ids)
        found = sections(scene, ids)
        shape = tuple(section.shape for section in found)
        if shape == self._shape:
            for box, section in zip(self._boxes, found, strict=True):
                box.show_section(section)
            return
        self._build(found)
        self._shape = shape

    def _build(self, found: tuple[Section, ...]) -> None:
        for box in self._boxes:
            (self._folded.discard if box.head.isChecked() else self._folded.add)(box.section.title)
            self._column.removeWidget(box)
            box.hide()
            box.deleteLater()
        self._boxes = [
            SectionBox(self._studio, self._desk, section, folded=section.title in self._folded) for section in found
        ]
        for number, box in enumerate(self._boxes):
            self._column.insertWidget(number, box)
        self._area.setVisible(bool(found))
        self._nothing.setVisible(not found)
        self._filter()

    def _filter(self) -> None:
        text = self.search.text().strip().lower()
        for box in self._boxes:
            box.show_matching(text)
            if not text:
                box.body.setVisible(box.head.isChecked())


@command(
    "keys.focused",
    N_("Key this field"),
    keys="Ctrl+K",
    place="inspector",
    when=lambda s: s in _open and bool(s.selection),
    recorded=False,
)
def key_focused(studio: Studio) -> None:
    """Set a key of the inspector's field that has the keyboard, at this frame, or remove it."""
    _open[studio].toggle_focused()
