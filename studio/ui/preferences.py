"""The preferences window, made from the fields of `Preferences`. Every change acts at once and is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from studio.commands.preferences import Preferences
from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.scene.schema import Field, fields
from studio.ui import theme
from studio.ui.i18n import LANGUAGES, say, tr, translated

# Fields by heading, in the order shown; a field that is named nowhere stands under the last.
_SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (N_("Interface"), ("language", "interface_scale", "confirm_quit")),
    (N_("Viewport"), ("navigation", "fly_speed", "snap_move_m", "snap_rotate_deg", "snap_scale")),
    (N_("Saving"), ("autosave_minutes", "autosave_count", "undo_steps")),
    (N_("Rendering"), ("device", "threads", "content_credentials", "rights_holder")),
    (N_("More"), ()),
)
_LANGUAGES = {"": N_("The system's"), **LANGUAGES}
_UNBOUNDED = 1_000_000


class _Menu(QComboBox):
    """A menu of values whose titles are said in the present language."""

    def __init__(self, titles: Mapping[str, str], parent: QWidget) -> None:
        super().__init__(parent)
        self._titles = tuple(titles.values())
        for key, title in titles.items():
            self.addItem(title, key)
        translated(self._retitle)

    def _retitle(self) -> None:
        for row, title in enumerate(self._titles):
            self.setItemText(row, tr(title))


class PreferencesDialog(QDialog):
    """One page of rows under headings."""

    def __init__(self, studio: Studio, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("preferences")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._studio = studio
        self._refresh: dict[str, Callable[[Any], None]] = {}
        say(self.setWindowTitle, "Preferences")
        page = QWidget(self)
        column = QVBoxLayout(page)
        column.setSpacing(theme.size(4))
        column.setContentsMargins(theme.size(8), 0, theme.size(12), theme.size(8))
        known = dict(fields(Preferences))
        for heading, names in _SECTIONS:
            rows = [known.pop(name) for name in names if name in known] if names else list(known.values())
            if rows:
                self._section(column, heading, rows)
        column.addStretch(1)
        area = QScrollArea(self)
        area.setObjectName("rows")
        area.setWidget(page)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        buttons = QDialogButtonBox(self)
        close = buttons.addButton(QDialogButtonBox.StandardButton.Close)
        close.setObjectName("close")
        close.setIcon(QIcon())
        reset = QPushButton(self)
        reset.setObjectName("reset")
        reset.setAutoDefault(False)
        reset.clicked.connect(self._reset)
        say(reset.setText, "Default values")
        buttons.addButton(reset, QDialogButtonBox.ButtonRole.ResetRole)
        buttons.rejected.connect(self.close)
        say(close.setAccessibleName, "Close")
        say(reset.setAccessibleName, "Default values")
        layout = QVBoxLayout(self)
        layout.addWidget(area, 1)
        layout.addWidget(buttons)
        self.resize(theme.size(500), theme.size(640))
        self._forget = studio.watch(self._updated)
        self.destroyed.connect(self._forget)

    def _section(self, column: QVBoxLayout, heading: str, rows: list[Field]) -> None:
        title = QLabel(self)
        title.setProperty("role", "heading")
        title.setContentsMargins(0, theme.size(10), 0, theme.size(2))
        say(title.setText, heading)
        column.addWidget(title)
        form = QFormLayout()
        form.setLabelAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        form.setHorizontalSpacing(theme.size(12))
        form.setVerticalSpacing(theme.size(6))
        for field in rows:
            editor = self._editor(field)
            editor.setObjectName(field.name)
            say(editor.setAccessibleName, field.label)
            if field.spec.help:
                say(editor.setToolTip, field.spec.help)
            label = QLabel(self)
            label.setMinimumWidth(theme.size(160))
            label.setBuddy(editor)
            if field.shape == "bool":
                form.addRow(label, editor)
                say(editor.setText, field.label)  # type: ignore[attr-defined]  # a check box
            else:
                say(label.setText, field.label)
                form.addRow(label, editor)
        column.addLayout(form)

    def _editor(self, field: Field) -> QWidget:
        value = getattr(self._studio.preferences, field.name)
        if field.spec.choices:
            return self._choice(field, value)
        if field.shape == "bool":
            box = QCheckBox(self)
            box.setChecked(value)
            box.toggled.connect(lambda on: self._set(field.name, on))
            self._refresh[field.name] = box.setChecked
            return box
        if field.shape in ("int", "float"):
            return self._number(field, value)
        line = QLineEdit(str(value), self)
        line.editingFinished.connect(lambda: self._set(field.name, line.text()))
        self._refresh[field.name] = line.setText
        return line

    def _choice(self, field: Field, value: str) -> QWidget:
        titles = _LANGUAGES if field.name == "language" else {c: c.capitalize() for c in field.spec.choices}
        combo = _Menu(titles, self)
        combo.setCurrentIndex(combo.findData(value))
        combo.activated.connect(lambda: self._set(field.name, combo.currentData()))
        self._refresh[field.name] = lambda new: combo.setCurrentIndex(combo.findData(new))
        return combo

    def _number(self, field: Field, value: float) -> QWidget:
        spec = field.spec
        box = QSpinBox(self) if field.shape == "int" else QDoubleSpinBox(self)
        lo = spec.lo if spec.lo is not None else -_UNBOUNDED
        hi = spec.hi if spec.hi is not None else _UNBOUNDED
        if isinstance(box, QSpinBox):
            box.setRange(int(lo), int(hi))
            box.setValue(int(value))
        else:
            box.setDecimals(4 if 0 < lo < 0.01 else 2)
            box.setRange(float(lo), float(hi))
            box.setSingleStep(0.1 if hi <= 10 else 1.0)
            box.setValue(float(value))
        box.setKeyboardTracking(False)
        if spec.unit:
            box.setSuffix(f" {'°' if spec.unit == 'deg' else spec.unit}")
        box.valueChanged.connect(lambda new: self._set(field.name, new))
        self._refresh[field.name] = box.setValue
        return box

    # --- values ------------------------------------------------------------------------------------------------------
    def _set(self, name: str, value: Any) -> None:
        self._studio.prefer(**{name: value})

    def _reset(self) -> None:
        self._studio.prefer(**{name: field.default for name, field in fields(Preferences).items()})

    def _updated(self, update: Update) -> None:
        if "preferences" in update.parts:
            for name, show_value in self._refresh.items():
                show_value(getattr(self._studio.preferences, name))


def show(studio: Studio, parent: QWidget) -> PreferencesDialog:
    """Open the preferences, or bring them forward."""
    found = parent.findChild(PreferencesDialog)
    dialog = found if isinstance(found, PreferencesDialog) else PreferencesDialog(studio, parent)
    dialog.show()
    dialog.raise_()
    dialog.activateWindow()
    return dialog
