"""The shelf of snapshots below the render view: pictures kept with the scene, to compare with and to go back to."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtGui import QIcon, QPixmap
from PySide6.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem, QMenu, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.errors import StudioError
from studio.render import snapshots
from studio.render.live_frame import LiveFrame
from studio.render.snapshots import Snapshot
from studio.ui import theme
from studio.ui.bridge import Bridge
from studio.ui.developing import Developing, develop
from studio.ui.i18n import say, tr
from studio.ui.live_render import image_of

_ID = Qt.ItemDataRole.UserRole


class SnapshotShelf(QListWidget):
    """Thumbnails in a row. `chosen` tells the snapshot to compare with, or None."""

    chosen = Signal(object)

    def __init__(self, studio: Studio, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("snapshot-shelf")
        say(self.setAccessibleName, N_("Snapshots"))
        self._studio, self._bridge = studio, bridge
        self._kept: dict[str, Snapshot] = {}
        self._path: Path | None = None
        self.setViewMode(QListWidget.ViewMode.IconMode)
        self.setFlow(QListWidget.Flow.LeftToRight)
        self.setWrapping(False)
        self.setMovement(QListWidget.Movement.Static)
        self.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)
        self.itemSelectionChanged.connect(self._chosen)
        self.itemChanged.connect(self._renamed)
        theme.signals().changed.connect(self._fit)
        self._fit()
        self._forget = studio.watch(self._heard)
        self._read_project()

    def close_panel(self) -> None:
        """Stop listening."""
        self._forget()

    def _fit(self) -> None:
        self.setIconSize(QSize(theme.size(96), theme.size(54)))
        self.setGridSize(QSize(theme.size(108), theme.size(78)))
        self.setFixedHeight(theme.size(98))

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """What is kept, in the order of the shelf."""
        return tuple(self._kept[self.item(row).data(_ID)] for row in range(self.count()))

    @property
    def current(self) -> Snapshot | None:
        """The one that is selected."""
        items = self.selectedItems()
        return self._kept.get(items[0].data(_ID)) if items else None

    # --- keeping -----------------------------------------------------------------------------------------------------
    def take(self, frame: LiveFrame, *, name: str = "") -> Snapshot:
        """Keep the picture with the lights and the camera of the scene; in the project's folder too, if there is one.

        Raises `UsageError` when there is no picture yet.
        """
        snapshot = snapshots.take(
            self._studio.scene, frame, name=name or tr("Snapshot {number}", number=self.count() + 1)
        )
        self._add(snapshot)
        self._write(snapshot)
        return snapshot

    def _write(self, snapshot: Snapshot) -> None:
        where = self._studio.path
        if where is not None and snapshot.layers:
            self._bridge.run(lambda: snapshots.save(snapshot, where), then=lambda path: None, failed=self.tell_fault)

    def tell_fault(self, fault: Exception) -> None:
        """Show why something could not be kept; what nobody foresaw is raised."""
        if not isinstance(fault, StudioError):
            raise fault
        self._studio.face.notify(str(fault), kind="warning")

    def _add(self, snapshot: Snapshot) -> None:
        self._kept[snapshot.id] = snapshot
        self.show()
        item = QListWidgetItem(snapshot.name)
        item.setData(_ID, snapshot.id)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
        item.setToolTip(f"{snapshot.name}\n{snapshot.made}\n{snapshot.samples:.0f} spp")
        self.addItem(item)
        self._draw(item, snapshot)

    def _draw(self, item: QListWidgetItem, snapshot: Snapshot) -> None:
        pixels = snapshot.layers.get("beauty")
        if pixels is None:
            item.setIcon(theme.icon("snapshot"))
            return
        step = max(1, pixels.shape[1] // 192)
        rows = develop(pixels[::step, ::step], "beauty", Developing(), camera_ev=snapshot.view.exposure_ev)
        item.setIcon(QIcon(QPixmap.fromImage(image_of(rows))))

    def _heard(self, update: Update) -> None:
        if "path" not in update.parts:
            return
        if self._studio.path != self._path and self._path is None and self._studio.path is not None and self._kept:
            for snapshot in self.snapshots:  # the scene got a project: what was kept goes with it
                self._write(snapshot)
            self._path = self._studio.path
        else:
            self._read_project()

    def _read_project(self) -> None:
        """Show the snapshots of the project, read on a thread."""
        self._path = where = self._studio.path
        self.clear()
        self._kept.clear()
        self.hide()  # an empty shelf takes no room
        if where is None:
            return

        def read() -> tuple[list[Snapshot], tuple[str, ...]]:
            found, faults = snapshots.listed(where)
            return [snapshots.load(where, s.id) for s in found], faults

        def show(found: tuple[list[Snapshot], tuple[str, ...]]) -> None:
            if self._path != where:
                return
            for snapshot in found[0]:
                self._add(snapshot)
            for sentence in found[1]:
                self._studio.face.notify(sentence, kind="warning")

        self._bridge.run(read, then=show, failed=self.tell_fault)

    # --- hands -------------------------------------------------------------------------------------------------------
    def _chosen(self) -> None:
        self.chosen.emit(self.current)

    def _renamed(self, item: QListWidgetItem) -> None:
        snapshot = self._kept.get(item.data(_ID))
        if snapshot is None or item.text() == snapshot.name:
            return
        name = item.text().strip() or snapshot.name
        try:
            self._kept[snapshot.id] = snapshots.rename(snapshot, self._studio.path, name=name, note=snapshot.note)
        except StudioError as fault:
            self.tell_fault(fault)
        item.setText(self._kept[snapshot.id].name)

    def _menu(self, at: QPoint) -> None:
        item = self.itemAt(at)
        if item is None:
            return
        self.setCurrentItem(item)
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(tr("Restore lights"), self.restore_lights)
        menu.addAction(tr("Restore camera"), self.restore_camera)
        menu.addSeparator()
        menu.addAction(tr("Rename"), lambda: self.editItem(item))
        menu.addAction(theme.icon("delete"), tr("Delete"), self.delete_current)
        menu.popup(self.viewport().mapToGlobal(at))

    def restore_lights(self) -> None:
        """Light the scene as the selected snapshot was lit: one step of undo."""
        if self.current is not None:
            self._studio.edit(N_("Restore lights"), snapshots.restore_lights, self.current)

    def restore_camera(self) -> None:
        """Look at the scene as the selected snapshot does: one step of undo."""
        snapshot = self.current
        if snapshot is None:
            return
        try:
            self._studio.edit(N_("Restore camera"), snapshots.restore_camera, snapshot)
        except StudioError as fault:
            self.tell_fault(fault)

    def delete_current(self) -> None:
        """Take the selected snapshot from the shelf, and from the project."""
        snapshot = self.current
        if snapshot is None:
            return
        question = tr("Delete the snapshot {name}? This cannot be undone.", name=snapshot.name)
        if self._studio.face.ask(question, (N_("Delete"), N_("Cancel"))) != "Delete":
            return
        if self._studio.path is not None:
            try:
                snapshots.delete(self._studio.path, snapshot.id)
            except StudioError as fault:
                self.tell_fault(fault)
                return
        row = self.currentRow()
        self._kept.pop(snapshot.id)
        self.takeItem(row)
        self.setVisible(bool(self._kept))
