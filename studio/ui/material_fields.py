"""Parameters of materials in the groups of the OpenPBR specification, with their texture slots.

The boxes and rows are the inspector's. A group adds to each row that a texture can drive a slot button, and below its
rows a card for every texture that is bound. Rows can be narrowed to those that a text names, or that were changed.
"""

from __future__ import annotations

from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtWidgets import QLabel, QMenu, QScrollArea, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.scene import texturing
from studio.scene.entities import Id
from studio.scene.materials import Material
from studio.scene.scene import Scene
from studio.ui import theme
from studio.ui.field_rows import Row
from studio.ui.field_values import Section, sections
from studio.ui.i18n import say, tr
from studio.ui.inspector import SectionBox
from studio.ui.key_dots import fill_menu
from studio.ui.panel import Desk
from studio.ui.texture_button import SlotButton, title_of
from studio.ui.texture_host import TextureHost
from studio.ui.texture_slot import TextureCard

_SLOT_COLUMN = 8  # right of whatever the inspector puts beside a row
# id, title, what names of fields begin with, slots that have no field of their own
GROUPS: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("base", N_("Base"), ("base_",), ()),
    ("specular", N_("Specular"), ("specular_",), ()),
    ("subsurface", N_("Subsurface"), ("subsurface_",), ()),
    ("transmission", N_("Transmission"), ("transmission_",), ()),
    ("coat", N_("Coat"), ("coat_",), ("geometry_coat_normal",)),
    ("fuzz", N_("Fuzz"), ("fuzz_",), ()),
    ("emission", N_("Emission"), ("emission_", "double_sided", "unlit"), ()),
    ("thin_film", N_("Thin film"), ("thin_film_",), ()),
    ("geometry", N_("Geometry"), ("geometry_", "normal_", "bump_", "alpha_"), ()),
    ("eye", N_("Eye"), ("eye_",), ()),
    ("wrinkles", N_("Wrinkles"), ("wrinkle_",), tuple(f"wrinkle_{number}_color" for number in (1, 2, 3))),
)
_OPEN = ("base", "specular")


def groups_of(scene: Scene, ids: tuple[Id, ...]) -> tuple[Section, ...]:
    """The fields of materials as one section a group."""
    found = next((s for s in sections(scene, ids) if s.kind is Material), None)
    if found is None:
        return ()
    out = []
    for _, title, starts, _ in GROUPS:
        chosen = tuple(s for s in found.fields if s.field.name.startswith(starts))
        out.append(Section(Material, title, 1, "", chosen))
    return tuple(out)


class GroupBox(SectionBox):
    """One group: rows, slot buttons, cards."""

    def __init__(
        self, studio: Studio, desk: Desk, section: Section, number: int, host: TextureHost, *, folded: bool
    ) -> None:
        self._host = host
        self.slots: dict[str, SlotButton] = {}
        self.cards: dict[str, TextureCard] = {}
        self._lone: dict[str, QLabel] = {}
        self.id, _, _, lone = GROUPS[number]
        self._cards_area = QWidget()
        self._cards = QVBoxLayout(self._cards_area)
        edge = theme.size(8)
        self._cards.setContentsMargins(edge, 0, theme.size(4), edge)
        self._cards.setSpacing(theme.size(4))
        super().__init__(studio, desk, section, folded=folded)
        self.setObjectName(f"group-{self.id}")
        self.head.setObjectName(f"group-{self.id}-head")
        for slot in lone:
            self._add_lone(slot)
        layout = self.layout()
        assert layout is not None
        layout.addWidget(self._cards_area)
        self.head.toggled.connect(self._fold_cards)

    def _add(self, row: Row) -> None:
        super()._add(row)
        slot = texturing.slot_of(row.shared.field.name)
        if slot:
            button = self._slot_button(slot)
            self.grid.addWidget(button, len(self.rows) - 1, _SLOT_COLUMN)
            for widget in (row, self.labels[-1]):  # an image may be dropped anywhere on the row
                button.take_drops_of(widget)

    def _slot_button(self, slot: str) -> SlotButton:
        button = self.slots[slot] = SlotButton(self._host, slot)
        button.asked_card.connect(lambda: self._show_card(slot))
        return button

    def _add_lone(self, slot: str) -> None:
        """A slot that no parameter stands for."""
        label = self._lone[slot] = QLabel()
        label.setProperty("role", "field")
        say(label.setText, title_of(slot))
        at = self.grid.rowCount()
        button = self._slot_button(slot)
        button.take_drops_of(label)
        self.grid.addWidget(label, at, 0)
        self.grid.addWidget(button, at, _SLOT_COLUMN)

    # --- cards -------------------------------------------------------------------------------------------------------
    def show_textures(self) -> None:
        """Bring buttons and cards to what the materials have now."""
        materials = self._host.studio.scene.materials
        here = [materials[id_] for id_ in self._host.ids() if id_ in materials]
        images = self._host.studio.scene.images
        for slot, button in self.slots.items():
            bound = [m.textures[slot] for m in here if slot in m.textures]
            lost = any(texture.image not in images for texture in bound)
            picture = self._host.thumbnail(bound[0].image) if bound and not lost else None
            button.show_state(picture, bound=bool(bound), lost=lost)
            card = self.cards.get(slot)
            if bound and card is None:
                card = self.cards[slot] = TextureCard(self._host, slot)
                self._cards.addWidget(card)
            if card is not None:
                card.setVisible(bool(bound))
                card.refresh()
        self._fold_cards(self.head.isChecked())

    def _fold_cards(self, opened: bool) -> None:
        bound = any(button.bound for button in self.slots.values())
        self._cards_area.setVisible(opened and bound)

    def _show_card(self, slot: str) -> None:
        card = self.cards.get(slot)
        if card is None:
            return
        self.head.setChecked(True)
        card.open(not card.opened)
        area: QWidget | None = self.parentWidget()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        if isinstance(area, QScrollArea):
            area.ensureWidgetVisible(card)

    # --- narrowing ---------------------------------------------------------------------------------------------------
    def narrow(self, text: str, *, changed: bool) -> bool:
        """Show rows that a text names and, if asked, that were changed; whether there are any."""
        super().show_matching(text)
        found = False
        for number, row in enumerate(self.rows):
            slot = texturing.slot_of(row.shared.field.name)
            bound = slot in self.slots and self.slots[slot].bound
            shown = not row.isHidden() and (not changed or bound or not row.shared.is_default)
            found |= shown
            if slot in self.slots:
                self.slots[slot].setVisible(shown)
            if not shown:
                self._hide_row(number)
        for slot, label in self._lone.items():
            fits = (not text or text in label.text().lower()) and (not changed or self.slots[slot].bound)
            label.setVisible(fits)
            self.slots[slot].setVisible(fits)
            found |= fits
        self.setVisible(found)
        narrowed = bool(text) or changed
        self.body.setVisible(found and (narrowed or self.head.isChecked()))
        return found

    def _hide_row(self, number: int) -> None:
        for column in range(self.grid.columnCount()):
            item = self.grid.itemAtPosition(number, column)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.setVisible(False)

    # --- copies of single parameters ---------------------------------------------------------------------------------
    def _menu(self, row: Row, at: QPoint) -> None:
        """What a right click on a label offers, with copying and pasting of this parameter alone."""
        studio, name = self._studio, row.shared.field.name
        menu = QMenu(self)
        menu.setObjectName("parameter-menu")
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if row.shared.field.animatable:
            fill_menu(menu, studio, self._desk, row.shared.ids, name)
            menu.addSeparator()
        reset = menu.addAction(theme.icon("reset"), tr("Reset to default"), row.reset)
        reset.setEnabled(not row.shared.is_default)
        menu.addSeparator()
        ids = self._host.ids()
        menu.addAction(
            theme.icon("copy"),
            tr("Copy this parameter"),
            lambda: studio.attempt("materials.copy", ids=ids[:1], fields=(name,)),
        )
        clip = studio.material_clip
        paste = menu.addAction(tr("Paste what was copied"), lambda: studio.attempt("materials.paste", ids=ids))
        paste.setEnabled(clip is not None)
        menu.popup(at)


class MaterialFields(QScrollArea):
    """All groups of the materials that are edited, in a column that scrolls."""

    def __init__(self, studio: Studio, desk: Desk, host: TextureHost, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._studio, self._desk, self._host = studio, desk, host
        self.setObjectName("material-fields")
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._content = QWidget()
        self._column = QVBoxLayout(self._content)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(1)
        self._column.addStretch(1)
        self.setWidget(self._content)
        self.boxes: list[GroupBox] = []
        self._shape: tuple[object, ...] | None = None
        self._text, self._changed = "", False
        self._folded = {group[1] for group in GROUPS if group[0] not in _OPEN}
        host.on_files = self.show_textures

    def minimumSizeHint(self) -> QSize:
        """Some rows at least."""
        return QSize(theme.size(200), theme.size(120))

    def show_materials(self, scene: Scene, ids: tuple[Id, ...]) -> None:
        """Show the fields of these materials of a scene."""
        found = groups_of(scene, ids)
        shape = tuple(section.shape for section in found)
        if shape == self._shape:
            for box, section in zip(self.boxes, found, strict=True):
                box.show_section(section)
        else:
            self._build(found)
            self._shape = shape
        self.show_textures()

    def show_textures(self) -> None:
        """Bring slots and cards to what the materials have."""
        for box in self.boxes:
            box.show_textures()
        self.narrow(self._text, changed=self._changed)

    def _build(self, found: tuple[Section, ...]) -> None:
        for box in self.boxes:
            (self._folded.discard if box.head.isChecked() else self._folded.add)(box.section.title)
            self._column.removeWidget(box)
            box.hide()
            box.deleteLater()
        self.boxes = [
            GroupBox(self._studio, self._desk, section, number, self._host, folded=section.title in self._folded)
            for number, section in enumerate(found)
        ]
        for number, box in enumerate(self.boxes):
            self._column.insertWidget(number, box)

    def narrow(self, text: str, *, changed: bool) -> None:
        """Show only rows that hold a text, or that differ from their defaults."""
        self._text, self._changed = text, changed
        for box in self.boxes:
            box.narrow(text, changed=changed)
