"""Menus of the material editor: the presets by kind, and what a right click on the list offers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon, QPixmap
from PySide6.QtWidgets import QMenu, QWidget

from studio.commands.registry import N_
from studio.scene.material_edits import unused
from studio.scene.material_presets import KINDS, presets
from studio.ui import theme
from studio.ui.i18n import tr
from studio.ui.material_model import MaterialModel

if TYPE_CHECKING:
    from studio.ui.material_editor import MaterialEditor

_KIND_TITLES = {
    "metal": N_("Metal"),
    "glass": N_("Glass and gems"),
    "paint": N_("Paint and varnish"),
    "plastic": N_("Plastic and rubber"),
    "cloth": N_("Cloth"),
    "natural": N_("Stone and clay"),
    "film": N_("Thin films"),
    "light": N_("Light sources"),
    "body": N_("Skin and eyes"),
}


def preset_menu(model: MaterialModel, call: Callable[[str], object], parent: QWidget) -> QMenu:
    """Presets by kind; `call` gets the id of the chosen one. Filled when it opens, in the language of then."""
    menu = QMenu(parent)
    menu.setObjectName("preset-menu")
    menu.aboutToShow.connect(lambda: _fill(menu, model, call))
    return menu


def _fill(menu: QMenu, model: MaterialModel, call: Callable[[str], object]) -> None:
    menu.clear()
    for kind in KINDS:
        below = menu.addMenu(tr(_KIND_TITLES[kind]))
        below.setObjectName(f"preset-menu-{kind}")
        for entry in presets().values():
            if entry.kind == kind:
                icon = QIcon(QPixmap.fromImage(model.preset_picture(entry.material)))
                action = below.addAction(icon, tr(entry.name))
                action.triggered.connect(partial(_chosen, call, entry.id))


def _chosen(call: Callable[[str], object], id_: str, checked: bool = False) -> None:
    call(id_)


def material_menu(editor: MaterialEditor) -> QMenu:
    """What can be done with the materials in hand."""
    menu = QMenu(editor)
    menu.setObjectName("material-menu")
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    ids, studio = editor.materials, editor.studio
    some = bool(ids)
    clip = studio.material_clip is not None

    def offer(text: str, call: Callable[[], object], *, when: bool, icon: str = "") -> None:
        menu.addAction(theme.icon(icon), text, call).setEnabled(when)

    offer(tr("Assign to selection"), editor.assign, when=editor.can_assign, icon="assign")
    worn = any(editor.model.users_of(id_) for id_ in ids)
    offer(tr("Select what wears it"), editor.select_users, when=worn)
    menu.addSeparator()
    offer(tr("Rename"), lambda: editor.list.edit(editor.list.currentIndex()), when=some)
    offer(tr("Duplicate"), editor.duplicate, when=some, icon="copy")
    offer(tr("Copy"), editor.copy, when=some)
    offer(tr("Paste onto material"), editor.paste, when=clip and some)
    offer(tr("Paste as new material"), editor.paste_new, when=clip)
    below = preset_menu(editor.model, editor.apply_preset, menu)
    below.setTitle(tr("Apply a preset"))
    below.setEnabled(some)
    menu.addMenu(below)
    menu.addSeparator()
    offer(tr("Delete"), editor.delete, when=some, icon="delete")
    offer(tr("Remove unused materials"), editor.remove_unused, when=bool(unused(studio.scene)))
    return menu
