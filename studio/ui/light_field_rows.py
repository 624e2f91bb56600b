"""Rows of the inspector that only lights have: files that shape the light, and what it is linked to."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.scene import linking
from studio.scene.entities import Group, Id, MeshObject
from studio.scene.light_shaping import is_profile
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.ui import theme
from studio.ui.field_rows import MenuRow, Row
from studio.ui.field_values import Shared
from studio.ui.i18n import say, tr, translated
from studio.ui.number_edit import MIXED

_LOADERS = {"ies": ("lights.load_ies", N_("Load IES profile…")), "gobo": ("lights.load_gobo", N_("Load gobo…"))}
_SAID = {"only": N_("only {count}: {names}"), "except": N_("except {count}: {names}")}
_NAMED = 3  # objects whose names are told before the rest is counted


class FileRow(MenuRow):
    """An image of the scene by its name, "None" to take it off, and a button that brings one in from a file."""

    def __init__(self, studio: Studio, shared: Shared, parent: QWidget | None = None) -> None:
        super().__init__(studio, shared, parent, choices=lambda: pictures(studio.scene, self.shared.field.name))
        command, title = _LOADERS[shared.field.name]
        self.load = _button("folder", f"load-{shared.field.name}", title)
        self.load.clicked.connect(lambda: studio.attempt(command, lights=self.shared.ids))
        layout = self.layout()
        assert layout is not None
        layout.addWidget(self.load)


def pictures(scene: Scene, field: str) -> list[tuple[str, str]]:
    """Keys and names of the images that a field of a light can show, "" for none first."""
    wanted = field == "ies"
    found = [(key, image.name or key) for key, image in scene.images.items() if is_profile(image) == wanted]
    return [("", tr("None")), *found]


class LinksRow(Row):
    """Objects that a light's links speak of: how many there are, taken from the selection or cleared."""

    def __init__(self, studio: Studio, shared: Shared, parent: QWidget | None = None) -> None:
        super().__init__(studio, shared, parent)
        self._shadows = shared.field.name == "shadow_links"
        self.label = QLabel()
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        self.label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.use = _button("assign", f"{shared.field.name}-use", N_("Use selected objects"))
        self.use.clicked.connect(self._use)
        self.clear = _button("close", f"{shared.field.name}-clear", N_("Link to everything"))
        self.clear.clicked.connect(self.reset)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.use)
        layout.addWidget(self.clear)
        self.setFocusProxy(self.use)
        self.name(self.label)
        translated(self.refresh)

    def refresh(self) -> None:
        """Tell what the links speak of."""
        lights = [e for e in map(self.studio.scene.entities.get, self.shared.ids) if isinstance(e, Light)]
        told = {linking.links(light, shadows=self._shadows) for light in lights}
        if len(told) > 1:
            text, names = MIXED, ""
        else:
            mode, ids = next(iter(told), ("all", ()))
            text, names = _told(self.studio.scene, mode, ids)
        self.label.setText(text)
        self.label.setToolTip(names)
        self.clear.setEnabled(any(mode != "all" for mode, _ in told))

    def reset(self) -> None:
        """Let the lights light, or be blocked by, everything again."""
        self.apply(lambda scene: linking.clear_links(scene, self.shared.ids, shadows=self._shadows))

    def _use(self) -> None:
        chosen = objects_of(self.studio.scene, self.studio.selection)
        if not chosen:
            self.studio.face.notify(N_("Select objects or groups together with the light first."), kind="warning")
            return
        self.apply(lambda scene: linking.name_links(scene, self.shared.ids, chosen, shadows=self._shadows))


def objects_of(scene: Scene, ids: Sequence[Id]) -> list[Id]:
    """What lights can be linked to among ids."""
    return [id_ for id_ in ids if isinstance(scene.entities.get(id_), (MeshObject, Group))]


def _told(scene: Scene, mode: str, ids: tuple[Id, ...]) -> tuple[str, str]:
    """A line about links, and the names in full."""
    if mode == "all":
        return tr("all objects"), ""
    names = [scene.entities[id_].name or id_ for id_ in ids if id_ in scene.entities]
    listed = ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
    return tr(_SAID[mode], count=len(names), names=listed), "\n".join(names)


def _button(icon: str, name: str, title: str) -> QToolButton:
    button = QToolButton()
    button.setObjectName(name)
    button.setProperty("role", "quiet")
    button.setIcon(theme.icon(icon))
    button.setIconSize(QSize(theme.size(14), theme.size(14)))
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    say(button.setAccessibleName, title)
    say(button.setToolTip, title)
    return button
