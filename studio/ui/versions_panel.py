"""Versions and backups of the open project: when, how large, what differs from now; one of them opened again.

The list is read on a thread when the project is opened or saved. What a version holds is only looked at when it is
selected: then it is loaded, on a thread, and compared with the scene that is open.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from studio.commands.file import open_state
from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.errors import StudioError
from studio.scene import project
from studio.scene.comparison import Comparison, compare
from studio.ui import theme
from studio.ui.i18n import say, tr, translated
from studio.ui.library_model import size_text
from studio.ui.panel import Desk, panel

_PATH = Qt.ItemDataRole.UserRole
_KINDS = {"version": N_("Version"), "backup": N_("Autosave")}
_TITLES = {
    "lights": N_("lights"),
    "objects": N_("objects"),
    "cameras": N_("cameras"),
    "groups": N_("groups"),
    "materials": N_("materials"),
    "others": N_("other things"),
    "keys": N_("keys"),
}


@panel("versions", N_("Versions"), "right", "versions", default=False)
class VersionsPanel(QWidget):
    """The list, and what differs."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("versions-panel")
        self._studio, self._desk = studio, desk
        self._asked = 0
        self.list = QTreeWidget(self)
        self.list.setObjectName("versions-list")
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setColumnCount(4)
        self.list.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.list.header().setStretchLastSection(False)
        self.list.currentItemChanged.connect(lambda *_: self._compare())
        self.list.itemDoubleClicked.connect(lambda *_: self._open())
        say(self.list.setAccessibleName, N_("Versions and autosaves"))
        self.told = QLabel(self)
        self.told.setObjectName("versions-told")
        self.told.setWordWrap(True)
        self.told.setTextFormat(Qt.TextFormat.PlainText)
        self.told.setProperty("role", "dim")
        self.open = QPushButton(self)
        self.open.setObjectName("versions-open")
        say(self.open.setText, N_("Open this state"))
        self.open.clicked.connect(self._open)
        self.keep = QPushButton(self)
        self.keep.setObjectName("versions-keep")
        say(self.keep.setText, N_("Save version"))
        self.keep.clicked.connect(lambda: desk.give("file.save_version"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.list, 1)
        below = QVBoxLayout()
        below.setContentsMargins(theme.size(8), theme.size(4), theme.size(8), theme.size(8))
        below.addWidget(self.told)
        row = QHBoxLayout()
        row.addWidget(self.open)
        row.addWidget(self.keep)
        row.addStretch(1)
        below.addLayout(row)
        layout.addLayout(below)
        self._forget = studio.watch(self._heard)
        translated(self._retranslate)

    def close_panel(self) -> None:
        """Stop listening."""
        self._forget()

    def _retranslate(self) -> None:
        self.list.setHeaderLabels([tr("Name"), tr("Kind"), tr("Written"), tr("Size")])
        self._read()

    def _heard(self, update: Update) -> None:
        if update.parts & {"path", "saved"}:
            self._read()

    def _read(self) -> None:
        """Read on a thread which states there are."""
        where = self._studio.path
        self.keep.setEnabled(where is not None)
        if where is None:
            self._fill(None, ())
            return

        def show(found: tuple[project.State, ...]) -> None:
            if self._studio.path == where:
                self._fill(where, found)

        self._desk.bridge.run(lambda: project.states(where), then=show, failed=self._desk.tell_fault)

    def _fill(self, where: Path | None, states: tuple[project.State, ...]) -> None:
        self.list.clear()
        for state in states:
            item = QTreeWidgetItem(self.list)
            item.setData(0, _PATH, str(state.path))
            item.setText(0, state.path.stem.removeprefix("scene."))
            item.setText(1, tr(_KINDS[state.kind]))
            item.setText(2, time.strftime("%Y-%m-%d %H:%M", time.localtime(state.written)))
            item.setText(3, size_text(state.size))
            item.setTextAlignment(3, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setToolTip(0, str(state.path))
        for column in (1, 2, 3):
            self.list.resizeColumnToContents(column)
        self.open.setEnabled(False)
        if where is None:
            self.told.setText(tr("Save the scene as a project; its versions and autosaves stand here then."))
        else:
            self.told.setText("" if states else tr("No versions yet."))

    def _chosen(self) -> Path | None:
        item = self.list.currentItem()
        return Path(item.data(0, _PATH)) if item is not None else None

    def _compare(self) -> None:
        """Tell what differs between the selected state and the open scene."""
        path, now = self._chosen(), self._studio.scene
        self.open.setEnabled(path is not None)
        self._asked += 1
        asked = self._asked
        if path is None:
            return
        self.told.setText(tr("Comparing…"))

        def show(found: Comparison) -> None:
            if asked == self._asked:
                self.told.setText(_sentence(found))

        def failed(fault: Exception) -> None:
            if not isinstance(fault, StudioError):
                raise fault
            if asked == self._asked:
                self.told.setText(str(fault))
                self.open.setEnabled(False)

        self._desk.bridge.run(lambda: compare(now, project.load_project(path)), then=show, failed=failed)

    def _open(self) -> None:
        path = self._chosen()
        if path is not None and self.open.isEnabled():
            open_state(self._studio, path)


def _sentence(found: Comparison) -> str:
    """What differs, in words."""
    if not found:
        return tr("The same as what is open.")
    parts = (
        (tr("It has besides: {what}.", what=_counts(found.added)), found.added),
        (tr("It lacks: {what}.", what=_counts(found.removed)), found.removed),
        (tr("Different: {what}.", what=_counts(found.changed)), found.changed),
    )
    return " ".join(text for text, counts in parts if counts)


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{number:,} {tr(_TITLES[kind])}" for kind, number in counts.items() if number)
