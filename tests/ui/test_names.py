"""Every control has a name for tests and one for screen readers, and can be reached by the keyboard."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QScrollBar,
    QTabBar,
    QWidget,
)

from studio.commands import registry
from studio.ui import keymap_editor, panel, preferences

_CONTROLS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
)


def controls(root: QWidget) -> list[QWidget]:
    """Controls of our own below a widget: not the parts that Qt and the docking library make of others."""
    found = []
    for widget in root.findChildren(QWidget):
        parents = []
        above = widget.parentWidget()
        while above is not None:
            parents.append(above)
            above = above.parentWidget()
        inner = any(
            isinstance(p, (QAbstractSpinBox, QComboBox, QLineEdit, QAbstractItemView, QTabBar)) for p in parents
        )
        foreign = type(widget).__module__.startswith("PySide6QtAds") or isinstance(widget, QScrollBar)
        docking = any(type(p).__name__ in ("CDockAreaTitleBar", "CDockWidgetTab") for p in parents)
        if isinstance(widget, _CONTROLS) and not inner and not foreign and not docking:
            if widget.objectName().startswith("qt_"):
                continue
            found.append(widget)
    return found


def open_everything(window: Any) -> None:
    for id_ in panel.panels():
        window.show_panel(id_)
        QApplication.processEvents()


def told(widget: QWidget) -> str:
    return f"{type(widget).__name__} {widget.objectName()!r} in {[type(widget.parentWidget()).__name__]}"


def test_every_control_has_an_object_name_and_an_accessible_name(window: Any) -> None:
    window.application.studio.run("create.point_light")
    window.application.studio.run("select.all")
    open_everything(window)
    roots = [
        window,
        preferences.show(window.application.studio, window),
        keymap_editor.show(window.application.studio, window),
    ]
    found = [c for root in roots for c in controls(root)]
    assert len(found) > 40
    unnamed = sorted({told(c) for c in found if not c.objectName()})
    silent = sorted({told(c) for c in found if not (c.accessibleName() or getattr(c, "text", str)())})
    for root in roots[1:]:
        root.close()
    assert unnamed == []
    assert silent == []


def test_every_button_outside_lists_can_be_reached_by_the_keyboard(window: Any) -> None:
    open_everything(window)
    deaf = [
        told(c)
        for c in controls(window)
        if isinstance(c, QAbstractButton)
        and c.isVisible()
        and c.isEnabled()
        and c.focusPolicy() == Qt.FocusPolicy.NoFocus
    ]
    assert sorted(set(deaf)) == []


def test_every_command_does_something_or_says_why_not(window: Any, monkeypatch: Any, qtbot: Any) -> None:
    """Each is given twice, to an empty scene and to one with a light that is selected: nothing unforeseen happens."""
    from studio.ui import dialogs

    for name, answer in (("ask", ""), ("ask_choice", ""), ("ask_open", None), ("ask_save", None), ("ask_text", "")):
        monkeypatch.setattr(dialogs, name, lambda *_, answer=answer, **__: answer)
    application = window.application
    skipped = {"file.quit", "window.close", "window.new", "window.fullscreen"}  # they are tested by what they do
    for prepared in (False, True):
        for id_ in registry.load():
            if id_ in skipped or id_.startswith("render."):
                continue
            if prepared:
                application.studio.document.mark_saved()
                application.studio.run("create.point_light")
                application.studio.run("select.all")
            application.give(id_)
    for dialog in (preferences.PreferencesDialog, keymap_editor.KeymapEditor):
        found = window.findChild(dialog)
        if found is not None:
            found.close()
    unforeseen = [n.sentence for n in application.notices.kept if "unforeseen" in n.sentence]
    assert unforeseen == [], application.log.path.read_text()[-3000:]
