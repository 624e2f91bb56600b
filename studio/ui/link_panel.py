"""The linking panel: lights and objects side by side, with a mark where one lights, or is blocked by, the other.

Both directions are the same edit seen from two sides: choose lights on the left and mark objects, or choose objects and
mark lights. The left list is the document's selection; a mark that only some of the chosen have is half set. Marking a
group of objects names the group, so what is put there later is linked too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QSize, Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSplitter,
    QToolButton,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.errors import StudioError
from studio.scene import linking
from studio.scene.entities import Id
from studio.scene.lights import Light
from studio.scene.schema import Touches
from studio.ui import theme
from studio.ui.i18n import say, tr, translated
from studio.ui.link_model import LinkModel, is_light, is_object
from studio.ui.panel import Desk, panel

_LIGHTS, _OBJECTS = N_("Lights"), N_("Objects")
_FLAGS = QItemSelectionModel.SelectionFlag


class _Side(QWidget):
    """One list with its heading and its filter."""

    def __init__(self, name: str, heading: str, filter_: str) -> None:
        super().__init__()
        self.heading = QLabel()
        self.heading.setProperty("role", "heading")
        say(self.heading.setText, heading)
        self.count = QLabel()
        self.count.setProperty("role", "dim")
        self.search = QLineEdit()
        self.search.setObjectName(f"links-filter-{name}")
        self.search.setClearButtonEnabled(True)
        say(self.search.setPlaceholderText, filter_)
        say(self.search.setAccessibleName, filter_)
        self.model = LinkModel(is_light if name == "lights" else is_object, self)
        self.tree = QTreeView()
        self.tree.setObjectName(f"links-{name}")
        say(self.tree.setAccessibleName, heading)
        self.tree.setModel(self.model)
        self.tree.setHeaderHidden(True)
        self.tree.setUniformRowHeights(True)
        self.tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.tree.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        top = QHBoxLayout()
        top.setContentsMargins(theme.size(6), theme.size(6), theme.size(6), 0)
        top.addWidget(self.heading)
        top.addStretch(1)
        top.addWidget(self.count)
        line = QHBoxLayout()
        line.setContentsMargins(theme.size(6), theme.size(3), theme.size(6), theme.size(4))
        line.addWidget(self.search)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addLayout(line)
        layout.addWidget(self.tree, 1)

    def fit(self) -> None:
        """Sizes at the interface's scale."""
        self.tree.setIndentation(theme.size(13))
        self.tree.setIconSize(QSize(theme.size(15), theme.size(15)))


@panel("links", N_("Links"), "right", "links", default=False)
class LinkPanel(QWidget):
    """Two lists, what their marks mean, and what can be done with all of them at once."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("link-panel")
        self._studio, self._desk = studio, desk
        self._following = False
        self._marked: dict[Id, Qt.CheckState] = {}
        self.shadows = False
        self.from_lights = True
        self.lights = _Side("lights", _LIGHTS, N_("Filter lights"))
        self.objects = _Side("objects", _OBJECTS, N_("Filter objects"))
        self._splitter = QSplitter(Qt.Orientation.Horizontal)
        self._splitter.setChildrenCollapsible(False)
        self._told = QLabel()
        self._told.setObjectName("links-told")
        self._told.setTextFormat(Qt.TextFormat.PlainText)
        self._told.setWordWrap(True)
        self._told.setProperty("role", "dim")
        self._told.setContentsMargins(theme.size(8), theme.size(4), theme.size(8), theme.size(2))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(self._bar())
        layout.addWidget(self._splitter, 1)
        layout.addWidget(self._told)
        layout.addLayout(self._foot())
        for side in (self.lights, self.objects):
            side.search.textChanged.connect(lambda text, side=side: self._filtered(side, text))
            side.tree.selectionModel().selectionChanged.connect(lambda *_, side=side: self._selected(side))
            side.model.turned.connect(self._turned)
            theme.signals().changed.connect(side.fit)
            side.fit()
        self._forget = studio.watch(self._heard)
        self._place()
        translated(self._tell)

    def close_panel(self) -> None:
        """Stop listening."""
        self._forget()

    # --- building ----------------------------------------------------------------------------------------------------
    def _bar(self) -> QVBoxLayout:
        bars = QVBoxLayout()
        bars.setContentsMargins(theme.size(6), theme.size(4), theme.size(6), 0)
        bars.setSpacing(theme.size(2))
        lines = (QHBoxLayout(), QHBoxLayout())
        for line in lines:
            line.setSpacing(theme.size(2))
            bars.addLayout(line)
        self._kind = self._choice(
            lines[0],
            "kind",
            (N_("Light"), N_("Which lights light which objects"), lambda: self.show_shadows(False)),
            (N_("Shadow"), N_("Which objects block which lights"), lambda: self.show_shadows(True)),
        )
        self._side = self._choice(
            lines[1],
            "side",
            (N_("From lights"), N_("Choose lights and mark objects"), lambda: self.show_side(True)),
            (N_("From objects"), N_("Choose objects and mark lights"), lambda: self.show_side(False)),
        )
        for line in lines:
            line.addStretch(1)
        return bars

    def _choice(self, bar: QHBoxLayout, name: str, *entries: tuple[str, str, Callable[[], object]]) -> QButtonGroup:
        group = QButtonGroup(self)
        for number, (text, tip, act) in enumerate(entries):
            button = QToolButton()
            button.setObjectName(f"links-{name}-{number}")
            button.setCheckable(True)
            button.setChecked(number == 0)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            say(button.setText, text)
            say(button.setToolTip, tip)
            say(button.setAccessibleName, tip)
            button.clicked.connect(lambda *_, act=act: act())
            group.addButton(button, number)
            bar.addWidget(button)
        return group

    def _foot(self) -> QHBoxLayout:
        foot = QHBoxLayout()
        foot.setContentsMargins(theme.size(6), theme.size(4), theme.size(6), theme.size(6))
        foot.setSpacing(theme.size(4))
        for name, text, act in (
            ("all", N_("Mark all"), lambda: self._all(True)),
            ("none", N_("Mark none"), lambda: self._all(False)),
            ("select", N_("Select marked"), self.select_marked),
        ):
            button = QPushButton()
            button.setObjectName(f"links-{name}")
            say(button.setText, text)
            button.clicked.connect(lambda *_, act=act: act())
            foot.addWidget(button)
        foot.addStretch(1)
        return foot

    # --- what is shown -----------------------------------------------------------------------------------------------
    def show_shadows(self, on: bool) -> None:
        """Show shadow links, or light links."""
        self.shadows = on
        self._kind.button(int(on)).setChecked(True)
        self._follow()

    def show_side(self, from_lights: bool) -> None:
        """Choose lights and mark objects, or the other way round."""
        self.from_lights = from_lights
        self._side.button(int(not from_lights)).setChecked(True)
        self._place()

    def _place(self) -> None:
        """What is chosen stands on the left."""
        left, right = (self.lights, self.objects) if self.from_lights else (self.objects, self.lights)
        self._splitter.insertWidget(0, left)
        self._splitter.insertWidget(1, right)
        self._splitter.setSizes([1000, 1000])
        left.tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        right.tree.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self._follow()

    @property
    def chosen(self) -> list[Id]:
        """Lights (or, from their side, objects and groups of them) of the document's selection."""
        from studio.commands.links import lights_in, objects_in

        return lights_in(self._studio) if self.from_lights else objects_in(self._studio)

    def _heard(self, update: Update) -> None:
        change = update.change
        if change is not None and (change.selected or change.touches & (Touches.HIERARCHY | Touches.LIGHT)):
            self._follow()

    def _filtered(self, side: _Side, text: str) -> None:
        side.model.show_scene(self._studio.scene, text)
        side.tree.expandAll()
        self._follow()

    def _follow(self) -> None:
        """Bring both lists to the scene and its selection."""
        scene = self._studio.scene
        for side in (self.lights, self.objects):
            self._following = True
            if side.model.show_scene(scene):
                side.tree.expandAll()
            self._following = False
        left, right = (self.lights, self.objects) if self.from_lights else (self.objects, self.lights)
        chosen = self.chosen
        self._select(left, chosen)
        self._select(right, [])
        left.model.show_marks(None)
        self._marked = self._marks(chosen) if chosen else {}
        right.model.show_marks(self._marked if chosen else None)
        self._tell()

    def _select(self, side: _Side, ids: list[Id]) -> None:
        selection = QItemSelection()
        for id_ in ids:
            index = side.model.index_of(id_)
            if index.isValid():
                selection.select(index, index)
        self._following = True
        side.tree.selectionModel().select(selection, _FLAGS.ClearAndSelect)
        self._following = False

    def _marks(self, chosen: list[Id]) -> dict[Id, Qt.CheckState]:
        """Marks of the right list: on, off, or half where they differ for what is chosen."""
        tree, entities = linking.Tree(self._studio.scene), self._studio.scene.entities
        none, half, full = Qt.CheckState.Unchecked, Qt.CheckState.PartiallyChecked, Qt.CheckState.Checked
        if not self.from_lights:
            wanted = tree.meant(chosen)
            out = {}
            for id_, light in entities.items():
                if is_light(light) and isinstance(light, Light):
                    mine = tree.linked(light, shadows=self.shadows)
                    out[id_] = full if wanted <= mine else half if wanted & mine else none
            return out
        lights = [light for id_ in chosen if isinstance(light := entities[id_], Light)]
        alike = Counter(linking.links(light, shadows=self.shadows) for light in lights)  # few differ
        first = {linking.links(light, shadows=self.shadows): light for light in lights}
        sets = [(tree.linked(first[wish], shadows=self.shadows), n) for wish, n in alike.items()]
        counts = {id_: sum(n for mine, n in sets if id_ in mine) for id_ in tree.objects}
        return {id_: full if n == len(lights) else half if n else none for id_, n in counts.items()}

    def _tell(self) -> None:
        """What is so, in words."""
        scene, chosen = self._studio.scene, self.chosen
        objects = sum(is_object(e) for e in scene.entities.values())
        lights = sum(is_light(e) for e in scene.entities.values())
        self.objects.count.setText(str(objects))
        self.lights.count.setText(str(lights))
        if not chosen:
            text = N_("Choose lights on the left to see what they light.")
            self._told.setText(
                tr(text if self.from_lights else N_("Choose objects on the left to see what lights them."))
            )
            return
        marks = self._marked
        full = sum(mark == Qt.CheckState.Checked for mark in marks.values())
        half = sum(mark == Qt.CheckState.PartiallyChecked for mark in marks.values())
        first = scene.entities[chosen[0]].name or chosen[0]
        who = first if len(chosen) == 1 else tr("{name} and {count} more", name=first, count=len(chosen) - 1)
        text = tr(self._sentence(), who=who, count=full, total=len(marks))
        self._told.setText(f"{text}  {tr('{count} in part', count=half)}" if half else text)

    def _sentence(self) -> str:
        if self.from_lights:
            lit, blocked = (
                N_("{who}: lights {count} of {total} objects."),
                N_("{who}: blocked by {count} of {total} objects."),
            )
            return blocked if self.shadows else lit
        lit, blocks = N_("{who}: lit by {count} of {total} lights."), N_("{who}: blocks {count} of {total} lights.")
        return blocks if self.shadows else lit

    # --- doing -------------------------------------------------------------------------------------------------------
    def _selected(self, side: _Side) -> None:
        """What is chosen on the left becomes the document's selection."""
        left = self.lights if self.from_lights else self.objects
        if self._following or side is not left:
            return
        ids = [side.model.id_of(index) for index in side.tree.selectionModel().selectedIndexes()]
        if self.from_lights:  # a group of lights is chosen as the lights in it
            ids = [id_ for each in ids for id_ in side.model.listed_below(each)]
        self._studio.select(dict.fromkeys(ids))

    def _turned(self, id_: Id, on: bool) -> None:
        """A mark was pressed."""
        chosen = self.chosen
        if not chosen:
            return
        if self.from_lights:
            self._apply(linking.link, chosen, [id_], on=on)
        else:
            self._apply(linking.link, self.lights.model.listed_below(id_), chosen, on=on)

    def _all(self, on: bool) -> None:
        """Mark everything, or nothing, for what is chosen."""
        chosen = self.chosen
        if not chosen:
            return
        if self.from_lights and on:
            self._apply(linking.clear_links, chosen)
        elif self.from_lights:
            self._apply(linking.link_only, chosen, [])
        else:
            lights = [id_ for id_, e in self._studio.scene.entities.items() if is_light(e)]
            self._apply(linking.link, lights, chosen, on=on)

    def _apply(self, operation: Any, *arguments: Any, **named: Any) -> None:
        label = N_("Shadow links") if self.shadows else N_("Light links")
        try:
            self._studio.edit(label, operation, *arguments, shadows=self.shadows, **named)
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="error")

    def select_marked(self) -> None:
        """Select what is marked on the right."""
        command = "links.select_objects" if self.from_lights else "links.select_lights"
        self._studio.attempt(command, shadows=self.shadows)
