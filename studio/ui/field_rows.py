"""One row of the inspector for each field: the right widget for its shape, and its edits as undoable steps.

`make_row` looks at the field and picks: a number, a switch, a menu, a text, a colour, a vector, angles, or names of
images and materials. A `Row` shows a `Shared` value and turns what a hand does into edits of everything that has the
field. A drag is one step of the history and undone as one; Escape takes it back while it lasts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.errors import StudioError
from studio.scene import edits
from studio.scene.animation import evaluate
from studio.scene.entities import Constraint, Entity, Group, Id, MeshObject, Path
from studio.scene.euler import Angles, to_angles, to_quaternion
from studio.scene.light_shaping import is_profile
from studio.scene.lights import Light
from studio.scene.photometry import blackbody
from studio.scene.scene import Scene
from studio.scene.schema import Field
from studio.ui.color_edit import Color, ColorEdit, seen
from studio.ui.expressions import Entry
from studio.ui.field_values import Shared
from studio.ui.i18n import say, tr, translated
from studio.ui.number_edit import MIXED, NumberEdit, Range

# units that are words, or are written otherwise than they are typed
_UNITS = {
    "deg": "°",
    "um": "µm",
    "stops": N_("stops"),
    "frames": N_("frames"),
    "sensor": N_("of sensor"),
    "min": N_("minutes"),
}
_AXES = ("X", "Y", "Z", "W")
_drags = itertools.count()


def spoken_unit(unit: str) -> str:
    """A unit as it stands behind a number, in the present language."""
    return tr(_UNITS.get(unit, unit)) if unit else ""


class Row(QWidget):
    """A field's editors. `show_value` is given the field as the selection has it now."""

    def __init__(self, studio: Studio, shared: Shared, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.studio = studio
        self.shared = shared
        self.stale = False  # `shared` is newer than what the editors show
        self.setObjectName(f"row-{shared.field.name}")
        self._since: Scene | None = None
        self._token = ""
        self._parts: list[tuple[QWidget, str]] = []

    def show_value(self, shared: Shared) -> None:
        """Show what the selection has now."""
        self.shared = shared
        self.stale = False
        self.refresh()

    def refresh(self) -> None:
        """Bring the editors to `self.shared`."""
        raise NotImplementedError

    def reset(self) -> None:
        """Give the field its default on everything that has it."""
        self.apply(lambda scene: edits.set_field(scene, self.shared.ids, self.shared.field.name, self.shared.default))

    # --- editing -----------------------------------------------------------------------------------------------------
    def apply(self, operation: Callable[[Scene], Scene]) -> None:
        """One step of the history, or a part of the drag that is going on. A fault is told as its sentence."""
        try:
            with self.studio.document.edit(self.shared.field.label, coalesce=self._token) as edit:
                edit.apply(operation)
        except StudioError as fault:
            self.studio.face.notify(str(fault), kind="error")
            self.refresh()

    def set_all(self, value: Any) -> None:
        """Set the whole field on everything that has it."""
        self.apply(lambda scene: edits.set_field(scene, self.shared.ids, self.shared.field.name, value))

    def begin(self) -> None:
        """A drag begins."""
        self._since = self.studio.posed
        self._token = f"inspector-{self.shared.field.name}-{next(_drags)}"

    def end(self, kept: bool) -> None:
        """A drag is over; not `kept`, everything is as it was and no step remains."""
        token = self._token
        self._since, self._token = None, ""
        if not kept:
            self.studio.document.abandon(token)

    def change(self, entry: Entry, item: int = -1) -> None:
        """Change a number of everything from what it was when the drag began."""
        name, ids, since = self.shared.field.name, self.shared.ids, self._since
        self.apply(lambda scene: edits.change_numbers(scene, ids, name, entry.new, item=item, since=since))

    def wire(self, number: NumberEdit, item: int = -1) -> None:
        """Connect a number editor to a component of the field."""
        number.began.connect(self.begin)
        number.ended.connect(self.end)
        number.changed.connect(lambda entry: self.change(entry, item))
        number.refused.connect(lambda sentence: self.studio.face.notify(sentence, kind="warning"))

    def name(self, editor: QWidget, suffix: str = "") -> None:
        """Give an editor the names that tests and screen readers know it by."""
        field = self.shared.field
        editor.setObjectName(f"field-{field.name}{f'-{suffix}' if suffix else ''}")
        if suffix:
            self._parts.append((editor, suffix.upper()))
            if len(self._parts) == 1:
                translated(self._name_parts)
            else:
                self._name_parts()
        else:
            say(editor.setAccessibleName, field.label)

    def _name_parts(self) -> None:
        """ "Translation X" and its like, in the present language."""
        for editor, suffix in self._parts:
            editor.setAccessibleName(f"{tr(self.shared.field.label)} {suffix}")


def range_of(field: Field) -> Range:
    """Limits of a field as a number editor wants them."""
    spec = field.spec
    return Range(spec.lo, spec.hi, spec.soft_lo, spec.soft_hi, whole=field.shape == "int")


class NumberRow(Row):
    """A number."""

    def __init__(self, studio: Studio, shared: Shared, parent: QWidget | None = None) -> None:
        super().__init__(studio, shared, parent)
        self.number = NumberEdit(range_of(shared.field), shared.field.spec.unit)
        translated(self._say_unit)
        if shared.field.spec.unit == "K":
            self.number.range = Range(shared.field.spec.lo, shared.field.spec.hi, 1000.0, 12000.0)
            kelvins = [1000.0 + 11000.0 * k / 47 for k in range(48)]
            self.number.strip = [seen((r, g, b)) for r, g, b in blackbody(_array(kelvins)).tolist()]
        self.name(self.number)
        self.wire(self.number)
        _only(self, self.number)
        self.refresh()

    def refresh(self) -> None:
        """Show the number."""
        self.number.set_value(float(self.shared.value), mixed=self.shared.mixed[0])

    def _say_unit(self) -> None:
        """The unit, in the present language."""
        self.number.say_unit(spoken_unit(self.shared.field.spec.unit))


class SwitchRow(Row):
    """On or off."""

    def __init__(self, studio: Studio, shared: Shared, parent: QWidget | None = None) -> None:
        super().__init__(studio, shared, parent)
        self.switch = QCheckBox()
        self.name(self.switch)
        self.switch.clicked.connect(self._clicked)
        _only(self, self.switch)
        self.refresh()

    def refresh(self) -> None:
        """Show the state; a line where it differs."""
        mixed = self.shared.mixed[0]
        self.switch.setTristate(mixed)
        state = Qt.CheckState.Checked if self.shared.value else Qt.CheckState.Unchecked
        self.switch.setCheckState(Qt.CheckState.PartiallyChecked if mixed else state)

    def _clicked(self) -> None:
        self.set_all(True if self.shared.mixed[0] else not self.shared.value)


class MenuRow(Row):
    """One of some texts; `editable` lets others be typed."""

    def __init__(
        self,
        studio: Studio,
        shared: Shared,
        parent: QWidget | None = None,
        *,
        choices: Callable[[], Sequence[tuple[str, str]]] | None = None,
        editable: bool = False,
    ) -> None:
        super().__init__(studio, shared, parent)
        self._choices = choices or self._own_choices
        self._filled: list[tuple[str, str]] = []
        self.menu = QComboBox()
        self.menu.setEditable(editable)
        self.menu.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.menu.setMinimumContentsLength(3)
        self.menu.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.name(self.menu)
        self.menu.activated.connect(self._chosen)
        line = self.menu.lineEdit()
        if line is not None:
            line.setObjectName(f"{self.menu.objectName()}-text")
            say(line.setAccessibleName, shared.field.label)
            line.editingFinished.connect(self._typed)
        _only(self, self.menu)
        translated(self.refresh)

    def _own_choices(self) -> list[tuple[str, str]]:
        """Those of the field; symbols of units are what they are in every language."""
        if self.shared.field.name == "unit":
            return [(choice, choice) for choice in self.shared.choices]
        return [(choice, tr(choice.replace("_", " ").capitalize())) for choice in self.shared.choices]

    def refresh(self) -> None:
        """Show what is chosen."""
        wanted = list(self._choices())
        if wanted != self._filled:
            self._filled = wanted
            self.menu.clear()
            for value, text in wanted:
                self.menu.addItem(text, value)
        if self.shared.mixed[0]:
            self.menu.setCurrentIndex(-1)
            self.menu.setPlaceholderText(MIXED)
        else:
            at = self.menu.findData(self.shared.value)
            self.menu.setCurrentIndex(at)
            if at < 0 and self.menu.isEditable():
                self.menu.setEditText(str(self.shared.value))
            elif at < 0:
                self.menu.setPlaceholderText(str(self.shared.value))

    def _chosen(self, index: int) -> None:
        value = self.menu.itemData(index)
        if self.shared.field.name == "light":
            self.apply(lambda scene: edits.set_light_kind(scene, self.shared.ids, value))
        else:
            self.set_all(value)

    def _typed(self) -> None:
        text = self.menu.currentText().strip()
        known = {shown: value for value, shown in self._filled}
        if text != MIXED and known.get(text, text) != self.shared.value:
            self.set_all(known.get(text, text))


class TextRow(Row):
    """A text."""

    def __init__(self, studio: Studio, shared: Shared, parent: QWidget | None = None) -> None:
        super().__init__(studio, shared, parent)
        self.text = QLineEdit()
        self.name(self.text)
        self.text.editingFinished.connect(self._edited)
        _only(self, self.text)
        self.refresh()

    def refresh(self) -> None:
        """Show the text."""
        mixed = self.shared.mixed[0]
        shown = "" if mixed else str(self.shared.value)
        self.text.setPlaceholderText(MIXED if mixed else "")
        if not self.text.hasFocus() and self.text.text() != shown:
            self.text.setText(shown)
            self.text.setCursorPosition(0)
        self.text.setModified(False)

    def _edited(self) -> None:
        if not self.text.isModified():
            return
        self.text.setModified(False)
        new = self.text.text()
        if self.shared.field.name != "name":
            self.set_all(new)
            return

        def rename(scene: Scene) -> Scene:
            for number, id_ in enumerate(self.shared.ids, 1):
                scene = edits.rename(scene, id_, new if len(self.shared.ids) == 1 else f"{new} {number}")
            return scene

        self.apply(rename)
        self.refresh()


class ColorRow(Row):
    """A colour."""

    def __init__(self, studio: Studio, shared: Shared, parent: QWidget | None = None) -> None:
        super().__init__(studio, shared, parent)
        self.color = ColorEdit(limit=shared.field.spec.hi)
        self.name(self.color)
        self.color.began.connect(self.begin)
        self.color.ended.connect(self.end)
        self.color.changed.connect(self._changed)
        _only(self, self.color)
        self.refresh()

    def refresh(self) -> None:
        """Show the colour."""
        r, g, b = self.shared.value
        self.color.set_color((r, g, b), mixed=any(self.shared.mixed))

    def _changed(self, color: Color) -> None:
        self.set_all(color)


class VectorRow(Row):
    """Some numbers side by side, or below each other with names of their own where there are many (morphs)."""

    def __init__(
        self, studio: Studio, shared: Shared, parent: QWidget | None = None, *, names: Sequence[str] = _AXES
    ) -> None:
        super().__init__(studio, shared, parent)
        many = len(shared.mixed) > len(_AXES)
        layout: QHBoxLayout | QVBoxLayout = QVBoxLayout(self) if many else QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        self.numbers = []
        for item in range(len(shared.mixed)):
            number = NumberEdit(range_of(shared.field))
            name = names[item] if item < len(names) else str(item + 1)
            self.name(number, name.lower())
            number.setToolTip(name)
            number.setAccessibleDescription(name)
            self.wire(number, item)
            layout.addWidget(number)
            self.numbers.append(number)
        self.refresh()

    def refresh(self) -> None:
        """Show the numbers."""
        for number, value, mixed in zip(self.numbers, self.shared.value, self.shared.mixed, strict=False):
            number.set_value(float(value), mixed=mixed)


class AnglesRow(Row):
    """A rotation as angles about x, y and z. What was typed stays as it was typed."""

    def __init__(self, studio: Studio, shared: Shared, parent: QWidget | None = None) -> None:
        super().__init__(studio, shared, parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        self._angles: Angles = (0.0, 0.0, 0.0)
        self._from: dict[Id, Angles] = {}
        self.numbers = []
        for item, axis in enumerate(_AXES[:3]):
            number = NumberEdit(Range(soft_lo=-180.0, soft_hi=180.0), "deg")
            number.unit = "°"
            number.say_unit("°")
            self.name(number, axis.lower())
            number.began.connect(self.begin)
            number.ended.connect(self.end)
            number.changed.connect(lambda entry, item=item: self._turn(entry, item))
            number.refused.connect(lambda sentence: self.studio.face.notify(sentence, kind="warning"))
            layout.addWidget(number)
            self.numbers.append(number)
        self.refresh()

    def refresh(self) -> None:
        """Show the first one's angles; those of its curve, where it has one of angles."""
        curve = self.studio.scene.tracks.get(f"{self.shared.ids[0]}.rotation") if self.shared.ids else None
        if curve is not None and curve.euler:
            x, y, z = evaluate(curve, self.studio.frame)[0].tolist()
            self._angles = (x, y, z)
        else:
            self._angles = to_angles(self.shared.value, near=self._angles)
        for number, angle in zip(self.numbers, self._angles, strict=True):
            number.set_value(round(angle, 4), mixed=any(self.shared.mixed))

    def begin(self) -> None:
        """Keep everybody's angles, to turn from."""
        super().begin()
        scene = self.studio.posed
        self._from = {id_: _angles(self.studio, scene, id_) for id_ in self.shared.ids}
        if self.shared.ids:
            self._from[self.shared.ids[0]] = self._angles

    def _turn(self, entry: Entry, item: int) -> None:
        def turned(scene: Scene) -> Scene:
            new = {}
            for id_, angles in self._from.items():
                a, b, c = (entry.new(v) if i == item else v for i, v in enumerate(angles))
                new[id_] = scene.replace(id_, rotation=to_quaternion((a, b, c))).entities[id_]
            return scene.put(new)

        first = self._from[self.shared.ids[0]]
        a, b, c = (entry.new(v) if i == item else v for i, v in enumerate(first))
        self._angles = (a, b, c)
        self.apply(turned)


def _angles(studio: Studio, scene: Scene, id_: Id) -> Angles:
    """Angles of an entity at this frame; those of its curve keep turns that its quaternion has lost."""
    curve = scene.tracks.get(f"{id_}.rotation")
    if curve is None or not curve.euler:
        return to_angles(scene.entities[id_].rotation)
    x, y, z = evaluate(curve, studio.frame)[0].tolist()
    return (x, y, z)


class MaterialsRow(Row):
    """The material of each part."""

    def __init__(self, studio: Studio, shared: Shared, parent: QWidget | None = None) -> None:
        super().__init__(studio, shared, parent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        self.menus: list[QComboBox] = []
        for part in range(max(len(shared.mixed), 1)):
            menu = QComboBox()
            menu.setMinimumContentsLength(3)
            menu.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            menu.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            menu.setObjectName(f"field-materials-{part}")
            say(menu.setAccessibleName, N_("Material"))
            menu.activated.connect(lambda index, part=part: self._chosen(part, index))
            layout.addWidget(menu)
            self.menus.append(menu)
        self.refresh()

    def refresh(self) -> None:
        """Show what each part wears."""
        scene = self.studio.scene
        for part, menu in enumerate(self.menus):
            menu.clear()
            menu.addItem(tr("Default material"), "")
            for id_, material in scene.materials.items():
                menu.addItem(material.name or id_, id_)
            mixed = part < len(self.shared.mixed) and self.shared.mixed[part]
            worn = self.shared.value[part] if part < len(self.shared.value) else ""
            menu.setCurrentIndex(-1 if mixed else menu.findData(worn))
            menu.setPlaceholderText(MIXED if mixed else worn)

    def _chosen(self, part: int, index: int) -> None:
        material = self.menus[part].itemData(index)
        whole = -1 if len(self.menus) == 1 else part
        self.apply(lambda scene: edits.assign_material(scene, self.shared.ids, material, part=whole))


class TargetRow(MenuRow):
    """What constraints point at, by name."""

    def __init__(self, studio: Studio, shared: Shared, parent: QWidget | None = None) -> None:
        super().__init__(studio, shared, parent, choices=lambda: _targets(studio.scene, self.shared.ids))


def make_row(studio: Studio, shared: Shared) -> Row:
    """The row of a field."""
    field = shared.field
    if field.name == "rotation":
        return AnglesRow(studio, shared)
    if field.name == "materials":
        return MaterialsRow(studio, shared)
    if field.name == "morph_weights":
        return VectorRow(studio, shared, names=_morph_names(studio.scene, shared.ids[0]))
    if field.name in ("ies", "gobo", "light_links", "shadow_links"):
        from studio.ui.light_field_rows import FileRow, LinksRow

        return FileRow(studio, shared) if field.shape == "str" else LinksRow(studio, shared)
    if field.name == "image":
        return MenuRow(studio, shared, choices=lambda: _images(studio.scene))
    if field.name == "target":
        return TargetRow(studio, shared)
    if field.name == "look_at":
        return MenuRow(studio, shared, choices=lambda: _seen(studio.scene, shared.ids))
    if field.name in ("source", "template"):
        return MenuRow(studio, shared, choices=lambda: _carriers(studio.scene, shared.ids, field.name))
    if field.name == "group":
        return MenuRow(studio, shared, choices=lambda: _groups(studio.scene), editable=True)
    if shared.choices:
        return MenuRow(studio, shared)
    if field.shape == "bool":
        return SwitchRow(studio, shared)
    if field.shape == "vector":
        return ColorRow(studio, shared) if field.spec.colour else VectorRow(studio, shared)
    return NumberRow(studio, shared) if field.shape in ("float", "int") else TextRow(studio, shared)


def _morph_names(scene: Scene, id_: Id) -> tuple[str, ...]:
    entity = scene.entities[id_]
    mesh = scene.meshes.get(entity.mesh) if isinstance(entity, MeshObject) else None
    return tuple(morph.name for morph in mesh.morphs) if mesh is not None else ()


def _images(scene: Scene) -> list[tuple[str, str]]:
    return [
        ("", tr("None")),
        *((key, image.name or key) for key, image in scene.images.items() if not is_profile(image)),
    ]


def _targets(scene: Scene, ids: Sequence[Id]) -> list[tuple[str, str]]:
    """What the constraints of these ids may point at: anything but a constraint, a path where one is followed."""
    constraints = [e for e in (scene.entities.get(id_) for id_ in ids) if isinstance(e, Constraint)]
    paths_only = any(e.constraint == "follow_path" for e in constraints)
    owners = {e.parent for e in constraints}
    found = [
        (id_, entity.name or id_)
        for id_, entity in scene.entities.items()
        if id_ not in owners and (isinstance(entity, Path) if paths_only else not isinstance(entity, Constraint))
    ]
    return [("", tr("None")), *found]


def _seen(scene: Scene, figures: Sequence[Id]) -> list[tuple[str, str]]:
    """What figures may look at: anything but a constraint and themselves."""
    found = [
        (id_, entity.name or id_)
        for id_, entity in scene.entities.items()
        if id_ not in figures and not isinstance(entity, Constraint)
    ]
    return [("", tr("None")), *found]


def _carriers(scene: Scene, ids: Sequence[Id], name: str) -> list[tuple[str, str]]:
    """What scatter groups may take for their source by their rule, or for their template: lights below them that they
    did not make."""
    groups = [e for e in (scene.entities.get(id_) for id_ in ids) if isinstance(e, Group)]
    kinds: dict[str, tuple[type[Entity], ...]] = {"curve": (Path,), "surface": (MeshObject,)}
    wanted = kinds.get(groups[0].scatter, (MeshObject, Group)) if groups else ()
    made = {id_ for group in groups for id_ in group.made}
    found = [
        (e.id, e.name or e.id)
        for e in scene.entities.values()
        if e.id not in ids
        and (
            isinstance(e, wanted) if name == "source" else isinstance(e, Light) and e.parent in ids and e.id not in made
        )
    ]
    return [("", tr("None")), *found]


def _groups(scene: Scene) -> list[tuple[str, str]]:
    groups = sorted({getattr(e, "group", "") for e in scene.entities.values()} - {""})
    return [("", tr("None")), *((name, name) for name in groups)]


def _only(row: QWidget, editor: QWidget) -> None:
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(editor)
    row.setFocusProxy(editor)


def _array(values: Sequence[float]) -> Any:
    import numpy as np

    return np.array(values, np.float64)
