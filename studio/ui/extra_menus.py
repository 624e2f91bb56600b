"""What menus hold besides commands: recent files, panels, layouts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QMenu

from studio.ui import panel, theme
from studio.ui.i18n import tr

if TYPE_CHECKING:
    from studio.ui.application import Application
    from studio.ui.window import Window


def of(menu: str, application: Application, window: Window) -> Callable[[QMenu], None] | None:
    """The function that adds to a menu when it opens, if any does."""
    if menu == "File":
        return partial(_recent, application)
    if menu == "Window":
        return partial(_window, application, window)
    return None


def _recent(application: Application, menu: QMenu) -> None:
    """Recent files, below Open."""
    recent = QMenu(tr("Open recent"), menu)
    recent.setObjectName("menu.recent")
    for i, path in enumerate(application.studio.preferences.recent):
        place = Path(path)
        action = recent.addAction(f"&{i + 1}  {place.name}", partial(application.open, place))
        action.setObjectName(f"recent.{i}")
        action.setToolTip(path)
        action.setStatusTip(path)
    recent.setToolTipsVisible(True)
    recent.setEnabled(not recent.isEmpty())
    actions = menu.actions()
    after = next((i + 1 for i, a in enumerate(actions) if a.objectName() == "file.open"), len(actions))
    menu.insertMenu(actions[after] if after < len(actions) else None, recent)  # type: ignore[arg-type]  # None: the end


def _window(application: Application, window: Window, menu: QMenu) -> None:
    """Panels with a tick where they are open, then the layouts that were kept."""
    menu.addSeparator()
    for entry in panel.panels().values():
        action = menu.addAction(theme.icon(entry.icon), tr(entry.title))
        action.setObjectName(f"panel.{entry.id}")
        action.setCheckable(True)
        action.setChecked(window.is_open(entry.id))
        action.triggered.connect(partial(_toggle, window, entry.id))
    menu.addSeparator()
    layouts = QMenu(tr("Layouts"), menu)
    layouts.setObjectName("menu.layouts")
    for i, (name, text) in enumerate(sorted(application.studio.preferences.layouts.items())):
        action = layouts.addAction(name, partial(window.take_layout, text))
        action.setObjectName(f"layout.{i}")
    layouts.setEnabled(not layouts.isEmpty())
    menu.addMenu(layouts)


def _toggle(window: Window, id_: str, on: bool) -> None:
    if on:
        window.show_panel(id_)
    else:
        window.close_panel(id_)
