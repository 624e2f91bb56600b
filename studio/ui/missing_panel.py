"""Files that the scene names and that are gone, and finding them again: in a folder, or one by one."""

from __future__ import annotations

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

from studio.assets.missing import Missing, missing, relinked
from studio.commands.file import PICTURES
from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.scene.scene import Scene
from studio.scene.timeline import AUDIO_FILES
from studio.ui import theme
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk, panel

_FILE = Qt.ItemDataRole.UserRole
_KINDS = {"image": N_("Image"), "sound": N_("Sound")}


@panel("missing", N_("Missing files"), "right", "missing", default=False)
class MissingPanel(QWidget):
    """The list of what is missing."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("missing-panel")
        self._studio, self._desk = studio, desk
        self._reading: Scene | None = None
        self._told_of: Scene | None = None
        self.list = QTreeWidget(self)
        self.list.setObjectName("missing-list")
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setColumnCount(3)
        self.list.header().setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self.list.itemSelectionChanged.connect(self._chosen_changed)
        say(self.list.setAccessibleName, N_("Missing files"))
        self.told = QLabel(self)
        self.told.setObjectName("missing-told")
        self.told.setWordWrap(True)
        self.told.setProperty("role", "dim")
        self.look = QPushButton(self)
        self.look.setObjectName("missing-look")
        say(self.look.setText, N_("Look in a folder…"))
        self.look.clicked.connect(lambda: desk.give("file.relink"))
        self.choose = QPushButton(self)
        self.choose.setObjectName("missing-choose")
        say(self.choose.setText, N_("Choose the file…"))
        self.choose.clicked.connect(self._choose)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.list, 1)
        below = QVBoxLayout()
        below.setContentsMargins(theme.size(8), theme.size(4), theme.size(8), theme.size(8))
        below.addWidget(self.told)
        row = QHBoxLayout()
        row.addWidget(self.look)
        row.addWidget(self.choose)
        row.addStretch(1)
        below.addLayout(row)
        layout.addLayout(below)
        self._forget = studio.watch(self._heard)
        translated(self._retranslate)

    def close_panel(self) -> None:
        """Stop listening."""
        self._forget()

    def _retranslate(self) -> None:
        self.list.setHeaderLabels([tr("Name"), tr("Kind"), tr("Where it was")])
        self._told_of = None
        self._read()

    def _heard(self, update: Update) -> None:
        change = update.change
        files = change is None or (change.before.images, change.before.timeline) != (
            change.after.images,
            change.after.timeline,
        )
        if "path" in update.parts or (change is not None and files):
            self._read()

    def _read(self) -> None:
        """Look on a thread which files are gone."""
        scene = self._studio.scene
        if self._reading is not None or scene is self._told_of:
            return
        self._reading = scene

        def show(found: tuple[Missing, ...]) -> None:
            self._reading, self._told_of = None, scene
            self._fill(found)
            self._read()  # the scene may have changed meanwhile

        self._desk.bridge.run(lambda: missing(scene), then=show, failed=self._desk.tell_fault)

    def _fill(self, found: tuple[Missing, ...]) -> None:
        self.list.clear()
        for each in found:
            item = QTreeWidgetItem(self.list)
            item.setData(0, _FILE, each.path)
            item.setData(1, _FILE, each.kind)
            item.setText(0, each.name)
            item.setText(1, tr(_KINDS[each.kind]))
            item.setText(2, each.path)
            item.setToolTip(2, each.path)
        self.list.resizeColumnToContents(0)
        self.look.setEnabled(bool(found))
        self._chosen_changed()
        self.told.setText(
            tr("The pixels of images are in the project; only their files are gone.")
            if found
            else tr("Every file that the scene names is where it should be.")
        )

    def _chosen_changed(self) -> None:
        self.choose.setEnabled(bool(self.list.selectedItems()))

    def _choose(self) -> None:
        """Say where one file lies now."""
        items = self.list.selectedItems()
        if not items:
            return
        old, kind = str(items[0].data(0, _FILE)), str(items[0].data(1, _FILE))
        kinds = PICTURES if kind == "image" else AUDIO_FILES
        found = self._studio.face.ask_open(N_("Where is this file now?"), kinds)
        if found is not None:
            self._studio.edit(N_("Relink files"), relinked, {old: str(found.absolute())})
