"""The material editor: the scene's materials, the one in hand as the tracer sees it, and all of its parameters.

What the list selects is edited together. It is the panel's own selection, so that an object can stay selected while a
material is looked for and put on it; when the document's selection changes, the list follows to what is worn there.
The preview and the pictures of the list come from a worker of their own (`studio.ui.material_preview`) that runs while
the panel is seen.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from PySide6.QtCore import QEvent, QPoint, QSize, Qt, QTimer
from PySide6.QtGui import (
    QHideEvent,
    QImage,
    QKeyEvent,
    QKeySequence,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.assets.preview_stage import SHAPES
from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.scene import material_edits
from studio.scene.entities import Id, MeshObject
from studio.scene.material_presets import presets
from studio.scene.schema import Touches
from studio.ui import theme
from studio.ui.i18n import say, tr, translated
from studio.ui.material_fields import MaterialFields
from studio.ui.material_list import MaterialList
from studio.ui.material_menus import material_menu, preset_menu
from studio.ui.material_model import MaterialModel, used_text
from studio.ui.material_picture import PreviewPicture
from studio.ui.material_preview import SHAPE_NAMES, MaterialPreview
from studio.ui.material_swatches import Swatches
from studio.ui.panel import Desk, panel
from studio.ui.texture_host import TextureHost

_PLAYING_MS = 120  # between refreshes while the timeline plays
_SWATCHES_MS = 400  # after the last change of the list, before its pictures are asked for


@panel("materials", N_("Materials"), "right", "material")
class MaterialEditor(QWidget):
    """See the module."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("material-editor")
        self._studio, self._desk = studio, desk
        self._ids: tuple[Id, ...] = ()
        self._stale = True
        self._swatch_shape = SHAPES[0]
        self.swatches = Swatches(desk.bridge, self)
        self.preview = MaterialPreview(studio, desk.bridge, self.swatches, self)
        self.model = MaterialModel(studio, self.swatches, self)
        self.list = MaterialList(self.model)
        self.host = TextureHost(studio, desk.bridge, lambda: self._ids)
        self.fields = MaterialFields(studio, desk, self.host)
        self.picture = PreviewPicture(self.preview)
        self._later = QTimer(self, singleShot=True, interval=_SWATCHES_MS)
        self._later.timeout.connect(self._want_swatches)
        self._behind = QTimer(self, singleShot=True, interval=_PLAYING_MS)
        self._behind.timeout.connect(self._catch_up)
        self._make()
        self.list.chose.connect(self._chose)
        self.list.customContextMenuRequested.connect(self._menu)
        self.list.installEventFilter(self)
        self._forget = studio.watch(self._heard)
        translated(self._relabel)
        self._follow_selection()

    # --- building ----------------------------------------------------------------------------------------------------
    def _make(self) -> None:
        upper = QWidget()
        column = QVBoxLayout(upper)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(self._list_bar())
        self._empty = QLabel()
        self._empty.setProperty("role", "empty")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        say(self._empty.setText, N_("No materials yet. Make one, or take a preset."))
        column.addWidget(self._empty, 1)
        column.addWidget(self.list, 1)
        self._lower = QWidget()
        below = QVBoxLayout(self._lower)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(0)
        below.addLayout(self._head())
        below.addLayout(self._field_bar())
        below.addWidget(self.fields, 1)
        self._split = QSplitter(Qt.Orientation.Vertical)
        self._split.setObjectName("material-splitter")
        self._split.setChildrenCollapsible(False)
        self._split.addWidget(upper)
        self._split.addWidget(self._lower)
        self._split.setStretchFactor(1, 1)
        self._split.setSizes([theme.size(190), theme.size(560)])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._split)

    def _tool(self, name: str, icon: str, text: str, call: Any) -> QToolButton:
        button = QToolButton()
        button.setObjectName(f"material-{name}")
        button.setIcon(theme.icon(icon))
        button.setIconSize(QSize(theme.size(16), theme.size(16)))
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        say(button.setAccessibleName, text)
        say(button.setToolTip, text)
        if call is not None:
            button.clicked.connect(call)
        return button

    def _list_bar(self) -> QHBoxLayout:
        self.search = QLineEdit()
        self.search.setObjectName("material-search")
        self.search.setClearButtonEnabled(True)
        say(self.search.setPlaceholderText, N_("Find a material"))
        say(self.search.setAccessibleName, N_("Find a material"))
        self.search.textChanged.connect(self._search)
        bar = QHBoxLayout()
        bar.setContentsMargins(theme.size(6), theme.size(6), theme.size(6), theme.size(4))
        bar.setSpacing(theme.size(2))
        bar.addWidget(self.search, 1)
        bar.addWidget(self._tool("new", "add", N_("New material"), self.new))
        self._presets = self._tool("presets", "down", N_("Material from a preset…"), None)
        self._presets.setIcon(theme.icon("material"))
        self._presets.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        bar.addWidget(self._presets)
        self._duplicate = self._tool("duplicate", "copy", N_("Duplicate material"), self.duplicate)
        self._delete = self._tool("delete", "delete", N_("Delete material"), self.delete)
        bar.addWidget(self._duplicate)
        bar.addWidget(self._delete)
        self._presets.setMenu(preset_menu(self.model, self.from_preset, self._presets))
        return bar

    def _head(self) -> QHBoxLayout:
        self._name = QLineEdit()
        self._name.setObjectName("material-name")
        say(self._name.setAccessibleName, N_("Name"))
        self._name.editingFinished.connect(self._rename)
        self._users = QToolButton()
        self._users.setObjectName("material-users")
        self._users.setProperty("role", "quiet")
        self._users.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        say(self._users.setToolTip, N_("Select what wears it"))
        self._users.clicked.connect(self.select_users)
        self._assign = QToolButton()
        self._assign.setObjectName("material-assign")
        self._assign.setIcon(theme.icon("assign"))
        self._assign.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._assign.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        say(self._assign.setText, N_("Assign"))
        say(self._assign.setAccessibleName, N_("Assign to selection"))
        say(self._assign.setToolTip, N_("Assign to selection"))
        self._assign.clicked.connect(self.assign)
        right = QVBoxLayout()
        right.setSpacing(theme.size(5))
        right.addWidget(self._name)
        right.addWidget(self._users, 0, Qt.AlignmentFlag.AlignLeft)
        right.addWidget(self._assign, 0, Qt.AlignmentFlag.AlignLeft)
        right.addStretch(1)
        right.addLayout(self._shapes())
        head = QHBoxLayout()
        edge = theme.size(6)
        head.setContentsMargins(edge, edge, edge, edge)
        head.setSpacing(theme.size(8))
        head.addWidget(self.picture)
        head.addLayout(right, 1)
        return head

    def _shapes(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(theme.size(2))
        self._shape_buttons = QButtonGroup(self)
        for shape in SHAPES:
            button = self._tool(f"shape-{shape}", f"shape-{shape}", SHAPE_NAMES[shape], None)
            button.setCheckable(True)
            button.setChecked(shape == SHAPES[0])
            button.setProperty("shape", shape)
            button.clicked.connect(partial(self.choose_shape, shape))
            self._shape_buttons.addButton(button)
            row.addWidget(button)
        row.addStretch(1)
        return row

    def _field_bar(self) -> QHBoxLayout:
        self._find = QLineEdit()
        self._find.setObjectName("material-find")
        self._find.setClearButtonEnabled(True)
        say(self._find.setPlaceholderText, N_("Find a parameter"))
        say(self._find.setAccessibleName, N_("Find a parameter"))
        self._find.textChanged.connect(self._narrow)
        self._changed = self._tool("changed", "filter", N_("Only what differs from the defaults"), self._narrow)
        self._changed.setCheckable(True)
        bar = QHBoxLayout()
        bar.setContentsMargins(theme.size(6), 0, theme.size(6), theme.size(4))
        bar.setSpacing(theme.size(2))
        bar.addWidget(self._find, 1)
        bar.addWidget(self._changed)
        bar.addWidget(self._tool("reset", "reset", N_("Reset every parameter"), self.reset))
        return bar

    # --- what is edited ----------------------------------------------------------------------------------------------
    @property
    def studio(self) -> Studio:
        """Whose materials they are."""
        return self._studio

    @property
    def materials(self) -> tuple[Id, ...]:
        """The materials that are edited, the first in hand."""
        return self._ids

    def choose(self, ids: tuple[Id, ...]) -> None:
        """Edit these materials."""
        self._ids = tuple(id_ for id_ in ids if id_ in self._studio.scene.materials)
        self.list.choose(self._ids)
        self.refresh()

    def _chose(self) -> None:
        self._ids = self.list.chosen
        self.refresh()

    def _follow_selection(self) -> None:
        """What is selected shows what it wears; nothing selected leaves the list as it is."""
        worn = material_edits.worn_by(self._studio.scene, self._studio.selection)
        if worn:
            self.choose(worn)
        elif not self._ids and self.model.ids:
            self.choose((self.model.ids[0],))
        else:
            self.refresh()

    def _heard(self, update: Update) -> None:
        change = update.change
        if change is not None:
            self.model.heard(change)
            if any(id_ not in self._studio.scene.materials for id_ in self._ids):
                left = tuple(id_ for id_ in self._ids if id_ in self._studio.scene.materials)
                self._ids = left or tuple(self.model.ids[:1])
                self.list.choose(self._ids)
            if change.selected and change.source != "undo":
                worn = material_edits.worn_by(self._studio.scene, self._studio.selection)
                if worn and set(worn) != set(self._ids):
                    self._ids = worn
                    self.list.choose(worn)
        moved = bool(update.parts & {"frame", "playing", "autokey"}) and bool(self._studio.scene.tracks)
        if moved and change is None and self._studio.playing:  # some times a second is enough
            if not self._behind.isActive():
                self._behind.start()
            return
        relevant = change is not None and (
            change.selected or bool(change.touches & (Touches.MATERIAL | Touches.HIERARCHY))
        )
        if relevant or moved or "path" in update.parts:
            self._stale = True
            if self.isVisible():
                self.refresh()

    def _catch_up(self) -> None:
        """The frame moved while the timeline plays."""
        self._stale = True
        if self.isVisible():
            self.refresh()

    # --- showing -----------------------------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Show what is true now."""
        self._stale = False
        scene, ids = self._studio.posed, self._ids
        self._empty.setVisible(not self.model.ids)
        self.list.setVisible(bool(self.model.ids))
        self._lower.setEnabled(bool(ids))
        for button in (self._duplicate, self._delete):
            button.setEnabled(bool(ids))
        wearable = any(isinstance(scene.entities.get(i), MeshObject) for i in self._studio.selection)
        self._assign.setEnabled(bool(ids) and wearable)
        self._show_name()
        self.fields.show_materials(scene, ids)
        self._show_picture()
        self._later.start()

    def _show_name(self) -> None:
        materials = [self._studio.scene.materials[id_] for id_ in self._ids]
        several = len(materials) > 1
        if not self._name.hasFocus():
            self._name.setText("" if several or not materials else materials[0].name or materials[0].id)
            self._name.setCursorPosition(0)
        self._name.setPlaceholderText(tr("{count} materials", count=len(materials)) if several else "")
        self._name.setReadOnly(several)
        worn = {user for id_ in self._ids for user in self.model.users_of(id_)}
        self._users.setText(used_text(len(worn)))
        self._users.setAccessibleName(used_text(len(worn)))
        self._users.setEnabled(bool(worn))

    def _show_picture(self) -> None:
        if not self._ids:
            self.preview.show_material(None, {})
            self.picture.show_image(QImage())
            return
        material = self.model.material(self._ids[0])
        if self.picture.image.isNull():
            self.picture.show_image(self.model.picture(material), stands_in=True)
        self.preview.show_material(material, self._studio.scene.images, shape=self._swatch_shape)

    def _want_swatches(self) -> None:
        if self.isVisible():
            materials = [self.model.material(id_) for id_ in self.model.ids]
            self.preview.want(materials, self._studio.scene.images)

    def choose_shape(self, shape: str) -> None:
        """Show the material on another body."""
        self._swatch_shape = shape
        for button in self._shape_buttons.buttons():
            button.setChecked(button.property("shape") == shape)
        self._show_picture()

    def _narrow(self) -> None:
        self.fields.narrow(self._find.text().strip().lower(), changed=self._changed.isChecked())

    def _search(self, text: str) -> None:
        self.list.search(text)
        self.list.choose(self._ids)

    def _relabel(self) -> None:
        self.model.relabel()
        if self._ids:
            self._show_name()

    @property
    def can_assign(self) -> bool:
        """Whether there is a material in hand, and something selected to wear it."""
        return self._assign.isEnabled()

    def remove_unused(self) -> None:
        """Delete every material that nothing wears."""
        self._run("materials.remove_unused")

    # --- hands -------------------------------------------------------------------------------------------------------
    def _run(self, id_: str, **arguments: Any) -> Any:
        """Give a command; what it gives, or None for a fault, which is told."""
        got: list[Any] = [None]
        before = set(self._studio.scene.materials)
        if self._studio.attempt(id_, **arguments):
            got[0] = tuple(i for i in self._studio.scene.materials if i not in before)
        return got[0]

    def new(self) -> None:
        """Add a material and edit it."""
        self._take(self._run("materials.new", name=tr("material")))

    def from_preset(self, id_: str) -> None:
        """Add a material of a preset and edit it."""
        self._take(self._run("materials.preset", name=id_, called=tr(presets()[id_].name)))

    def apply_preset(self, id_: str) -> None:
        """Give the materials in hand the values of a preset."""
        self._run("materials.apply_preset", name=id_, ids=self._ids)

    def duplicate(self) -> None:
        """Copy the materials in hand and edit the copies."""
        self._take(self._run("materials.duplicate", ids=self._ids))

    def _take(self, made: tuple[Id, ...] | None) -> None:
        if made:
            self.search.clear()
            self.choose(made)

    def delete(self) -> None:
        """Delete the materials in hand."""
        self._run("materials.delete", ids=self._ids)

    def assign(self) -> None:
        """Put the material in hand on the selected objects."""
        self._run("materials.assign", material=self._ids[0])

    def select_users(self) -> None:
        """Select what wears the materials in hand."""
        kept = self._ids
        self._run("materials.select_users", ids=self._ids)
        self.choose(kept)

    def reset(self) -> None:
        """Give the materials in hand every default."""
        if self._ids:
            self._studio.edit(N_("Reset every parameter"), material_edits.reset, self._ids)

    def _rename(self) -> None:
        if self._name.isModified() and len(self._ids) == 1 and self._name.text().strip():
            self._name.setModified(False)
            self._run("materials.rename", name=self._name.text().strip(), ids=self._ids)

    def _menu(self, at: QPoint) -> None:
        material_menu(self).popup(self.list.viewport().mapToGlobal(at))

    def copy(self) -> None:
        """Keep the material in hand for pasting."""
        if self._ids:
            self._run("materials.copy", ids=self._ids[:1])

    def paste(self) -> None:
        """Give the materials in hand what was copied."""
        self._run("materials.paste", ids=self._ids)

    def paste_new(self) -> None:
        """Add what was copied as one more material."""
        self._take(self._run("materials.paste_new"))

    def eventFilter(self, watched: Any, event: QEvent) -> bool:
        """Keys of the list: delete, copy, paste."""
        if watched is self.list and event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            for key, call in (
                (QKeySequence.StandardKey.Copy, self.copy),
                (QKeySequence.StandardKey.Paste, self.paste_new),
                (QKeySequence.StandardKey.Delete, self.delete),
            ):
                if event.matches(key):
                    call()
                    return True
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The picture is as large as the panel lets it."""
        super().resizeEvent(event)
        self.picture.fit(self.width())

    # --- coming and going --------------------------------------------------------------------------------------------
    def minimumSizeHint(self) -> QSize:
        """Wide enough for the picture and a name."""
        return QSize(theme.size(264), theme.size(300))

    def showEvent(self, event: QShowEvent) -> None:
        """What changed while it was hidden is shown now; the preview goes on."""
        super().showEvent(event)
        self.host.look_again()
        if self._stale:
            self.refresh()
        self.preview.wake(True)
        self._later.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks: nothing is rendered."""
        self._later.stop()
        self.preview.wake(False)
        super().hideEvent(event)

    def close_panel(self) -> None:
        """Stop listening, end the worker."""
        self._forget()
        self._later.stop()
        self.preview.close()
