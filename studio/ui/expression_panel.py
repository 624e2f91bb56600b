"""The expression panel: the face of a figure by its controls, and the library of poses below them.

The sliders are `expression_list`, what stands over them `expression_head`, the poses `pose_shelf`.
"""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QLineEdit, QSplitter, QToolButton, QVBoxLayout, QWidget

from studio.commands.expression_desk import desk_of
from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.scene import expression_edits as edits
from studio.ui import menus, theme
from studio.ui.bars import Given, Menu, bar, button
from studio.ui.expression_head import HeadSection
from studio.ui.expression_list import ControlList
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk, panel
from studio.ui.pose_shelf import PoseShelf


@panel("expressions", N_("Expressions"), "right", "expressions", default=False)
class ExpressionPanel(QWidget):
    """Sliders of a face, its gaze, and poses."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("expressions")
        self._studio, self._desk = studio, desk
        self.faces = desk_of(studio)
        self.head = HeadSection(studio, desk, self.faces)
        self.list = ControlList(studio, desk, self.faces)
        self.shelf = PoseShelf(studio, desk, self.faces)
        self._build()
        self._forget = (self.faces.watch(self._heard),)
        translated(self.refresh)

    def _build(self) -> None:
        self.figures = Menu("expressions.figure", N_("Figure"), ())
        self.figures.activated.connect(lambda row: self.faces.choose(str(self.figures.itemData(row))))
        self.search = QLineEdit()
        self.search.setObjectName("expressions.search")
        self.search.setClearButtonEnabled(True)
        say(self.search.setPlaceholderText, N_("Search controls"))
        say(self.search.setAccessibleName, N_("Search controls"))
        self.search.textChanged.connect(self._searched)
        self.only = button("expressions.only", "filter", N_("Only controls in use"), checkable=True)
        self.only.toggled.connect(self.list.show_only_active)
        self._buttons: list[QToolButton] = []
        top, second = bar(), bar()
        top.addWidget(self.figures, 1)
        for id_, icon, label in (
            ("expressions.key_active", "key", N_("Key controls in use")),
            ("expressions.mirror", "mirror", N_("Mirror expression")),
            ("expressions.reset", "reset", N_("Reset expression")),
        ):
            made = button(f"{id_}.button", icon, label, partial(self._desk.give, id_))
            self._buttons.append(made)
            top.addWidget(made)
        more = button("expressions.more", "more", N_("More"))
        more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        more.setMenu(menus.CommandMenu("Figure/Expression", self._studio, self._desk.give, more))
        self._buttons.append(more)
        top.addWidget(more)
        second.addWidget(self.search, 1)
        second.addWidget(self.only)
        self._hint = QLabel()
        self._hint.setProperty("role", "empty")
        self._hint.setWordWrap(True)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        upper = QWidget()
        column = QVBoxLayout(upper)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.head)
        column.addLayout(second)
        column.addWidget(self.list, 1)
        self.split = QSplitter(Qt.Orientation.Vertical)
        self.split.setObjectName("expressions.split")
        self.split.setChildrenCollapsible(False)
        self.split.addWidget(upper)
        self.split.addWidget(self.shelf)
        self.split.setStretchFactor(0, 1)
        self.split.setSizes([theme.size(520), theme.size(205)])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(self.split, 1)
        layout.addWidget(self._hint, 1)

    def close_panel(self) -> None:
        """Stop listening."""
        for forget in self._forget:
            forget()
        self.shelf.close_panel()

    # --- following ---------------------------------------------------------------------------------------------------
    def _heard(self, what: str) -> None:
        if what in ("figure", "values"):
            self.refresh()
        elif what == "poses":
            self.shelf.refresh()
        else:
            self.list.viewport().update()

    def refresh(self) -> None:
        """Say what is true now."""
        scene = self._studio.scene
        there = edits.figures(scene)
        self.figures.fill([(Given(scene.entities[id_].name or id_), id_) for id_ in there])
        self.figures.choose(self.faces.id)
        self.figures.setEnabled(len(there) > 1)
        for made in self._buttons:
            made.setEnabled(bool(there))
        self.split.setVisible(bool(there))
        self._hint.setVisible(not there)
        self._hint.setText(tr("No figure in the scene. Open a head and make a figure of it."))
        self.head.follow()
        self.list.follow()
        self.shelf.follow()

    def _searched(self, text: str) -> None:
        self.list.search = text
        self.list.relist()
