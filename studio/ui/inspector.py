"""The inspector: every field of what is selected, one light or three hundred.

Sections and rows are read from the fields' own annotations (`studio.ui.field_values`), so a new field of an entity has
its row here without a line of this file. Widgets are kept as long as the selection needs the same ones; an edit then
only refreshes values, which for 300 lights costs little more than the edit.
"""

from __future__ import annotations

from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtWidgets import (
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

from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.scene.entities import Id
from studio.scene.scene import Scene
from studio.ui import theme
from studio.ui.field_rows import Row, make_row
from studio.ui.field_values import Section, sections
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk, panel


class SectionBox(QWidget):
    """A titled, foldable box of rows."""

    def __init__(self, studio: Studio, section: Section, *, folded: bool) -> None:
        super().__init__()
        self.section = section
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
        label = QLabel()
        label.setProperty("role", "field")
        label.setBuddy(row)
        label.setMinimumWidth(theme.size(84))
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
        self.grid.addWidget(reset, number, 2, top)
        self.rows.append(row)
        self.labels.append(label)
        self._resets.append(reset)
        self._mark(number)

    def _mark(self, number: int) -> None:
        shared = self.rows[number].shared
        self._resets[number].setVisible(not shared.is_default and shared.field.name not in ("name", "materials"))

    def _menu(self, row: Row, at: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
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

    def show_matching(self, text: str) -> bool:
        """Show only rows whose label holds a text; whether there is any."""
        found = False
        for row, label, reset in zip(self.rows, self.labels, self._resets, strict=True):
            fits = not text or text in label.text().lower() or text in row.shared.field.name
            row.setVisible(fits)
            label.setVisible(fits)
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

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("inspector")
        self._studio = studio
        self._boxes: list[SectionBox] = []
        self._shape: tuple[object, ...] | None = None
        self._folded: set[str] = set()
        self._shown: tuple[Scene, tuple[Id, ...]] | None = None
        self._stale = True
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
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._area.setWidget(self._content)
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
        self.refresh()

    def close_panel(self) -> None:
        """Stop listening."""
        self._forget()

    def minimumSizeHint(self) -> QSize:
        """Narrow enough for a laptop, wide enough for three numbers."""
        return QSize(theme.size(240), theme.size(160))

    def _heard(self, update: Update) -> None:
        if update.change is None:
            return
        if not self.isVisible():
            self._stale = True
            return
        self.refresh()

    def showEvent(self, event: object) -> None:
        """What changed while it was hidden is shown now."""
        if self._stale:
            self.refresh()
        super().showEvent(event)  # type: ignore[arg-type]

    def refresh(self) -> None:
        """Show the selection as it is."""
        self._stale = False
        scene, ids = self._studio.scene, self._studio.selection
        if self._shown is not None and self._shown[0] is scene and self._shown[1] == ids:
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
        self._boxes = [SectionBox(self._studio, section, folded=section.title in self._folded) for section in found]
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
