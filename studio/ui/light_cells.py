"""What the cells of the light table hold: a value, how it is written, and how strongly it is inked.

A cell of a light is a field of it; of a group its master (exposure, tint), switches and name; of an object that glows
what its materials emit. A field without a meaning for a kind of light is an empty cell. What does not count now (the
light is muted, hidden, or others are soloed; a temperature that is not used) is dimmed. Cells are made once and kept
in their row until the record or the state of it changes, so that drawing asks for nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from studio.commands.registry import N_
from studio.scene.entities import Id
from studio.scene.light_filter import STRENGTH
from studio.scene.lights import Light
from studio.scene.photometry import LUMINANCE
from studio.scene.scene import Scene
from studio.scene.schema import fields
from studio.ui.field_rows import spoken_unit
from studio.ui.i18n import tr
from studio.ui.light_table_columns import SWITCHES, column
from studio.ui.light_table_rows import GROUP, LIGHT, OBJECT, Row, Rows
from studio.ui.number_edit import shown

EMISSION = {"intensity": "emission_luminance", "color": "emission_color"}  # what stands for it on a material
MASTERS = {"exposure": "exposure", "color": "tint"}  # and on a group
_SHARED = ("name", "visible")
_MESH, _GROUP, _RIG = N_("Mesh"), N_("Group"), N_("Rig")
MESH_UNIT = "nt"
NORMAL, DIM, OFF = "", "dim", "disabled"
_MODES = {"all": N_("All"), "only": N_("Only"), "except": N_("Except")}
_NAMED_LINKS = 2
_WHITE = (1.0, 1.0, 1.0)


@dataclass(slots=True)
class Cell:
    """One cell. `value` is None where there is nothing; `unit` stands dimmed behind `text`; `ink` names a token.
    `inherited` says of a switch that is off that one above is on."""

    value: Any = None
    text: str = ""
    unit: str = ""
    ink: str = NORMAL
    inherited: bool = False


EMPTY = Cell()


def place(row: Row, name: str) -> tuple[tuple[Id, ...], str] | None:
    """Where the value of a cell lives: ids of records and their field; None where there is nothing to edit."""
    if name == STRENGTH:
        return None
    if row.kind == LIGHT:
        return ((row.id,), name) if fields(Light)[name].means_something(row.record) else None
    if name in _SHARED:
        return (row.id,), name
    if row.kind == GROUP:
        field = name if name in SWITCHES else MASTERS.get(name)
        return ((row.id,), field) if field else None
    return (row.emitters, EMISSION[name]) if name in EMISSION else None


def value(rows: Rows, row: Row, name: str) -> Any:
    """The value of a cell, None where there is none."""
    if row.kind == OBJECT and name in ("light", "unit"):
        return "mesh" if name == "light" else MESH_UNIT
    if name == STRENGTH:
        return strength(rows, row)
    at = place(row, name)
    if at is None:
        return None
    return rows.emits(row, at[1]) if row.kind == OBJECT and name in EMISSION else getattr(row.record, at[1])


def asked(rows: Rows, row: Row, name: str) -> Any:
    """The value as the filter asks for it: a light below a muted group is muted."""
    if name in SWITCHES:
        return bool(getattr(row, name)) if row.kind != OBJECT else None
    if name == "visible":
        return not row.hidden
    found = value(rows, row, name)
    return row.name if name == "name" else found


def strength(rows: Rows, row: Row) -> float | None:
    """What a light or object shines with, in its unit: with its own exposure and the masters above; 0 while it does
    not count."""
    if row.kind == GROUP:
        return None
    if not row.counts:
        return 0.0
    own = value(rows, row, "intensity") * (2.0**row.record.exposure if row.kind == LIGHT else 1.0)
    tint = sum(float(weight) * part for weight, part in zip(LUMINANCE, row.tint, strict=True))
    return float(own * 2.0**row.stops * tint)


def cell(rows: Rows, row: Row, name: str) -> Cell:
    """A cell, from the row's cache or made for it."""
    found: Cell | None = row.cells.get(name)
    if found is None:
        found = row.cells[name] = _made(rows, row, name)
    return found


def _made(rows: Rows, row: Row, name: str) -> Cell:
    held = value(rows, row, name)
    if held is None:
        return _kind_of_group(row) if name == "light" and row.kind == GROUP else EMPTY
    ink = _ink(row, name, held)
    shape = column(name).shape
    if name in SWITCHES:
        return Cell(held, "", "", ink, inherited=not held and bool(getattr(row, name)))
    if name == "name":
        return Cell(held, row.name, f"{row.lamps}" if row.kind == GROUP else "", ink)
    if shape in ("float", "int", "strength"):
        return Cell(held, shown(held, whole=shape == "int"), _unit(row, name), ink)
    if shape == "bool":
        return Cell(held, "", "", ink)
    if shape == "choice":
        return Cell(held, _choice(name, held), "", ink)
    if shape == "ids":
        return _links(rows.scene, row, name, held, ink)
    if name in ("image", "ies", "gobo"):
        image = rows.scene.images.get(held)
        return Cell(held, (image.name or held) if image is not None else held, "", ink)
    return Cell(held, "" if shape == "colour" else str(held), "", ink)


def _kind_of_group(row: Row) -> Cell:
    return Cell(None, tr(_RIG if row.record.rig else _GROUP), "", DIM if row.counts else OFF)


def _unit(row: Row, name: str) -> str:
    if name == STRENGTH:
        return row.record.unit if row.kind == LIGHT else MESH_UNIT
    return spoken_unit(column(name).unit)


def _choice(name: str, held: str) -> str:
    if name == "light":
        return tr(_MESH if held == "mesh" else held.capitalize())
    return tr(_MODES.get(held, held.capitalize())) if name.endswith("link_mode") else held


def _links(scene: Scene, row: Row, name: str, held: tuple[Id, ...], ink: str) -> Cell:
    """Names of what a light is linked to; how many there are of many."""
    if getattr(row.record, name.replace("_links", "_link_mode")) == "all":
        return Cell(held, "", "", OFF)
    names = [scene.entities[id_].name or id_ for id_ in held if id_ in scene.entities]
    more = f" +{len(names) - _NAMED_LINKS}" if len(names) > _NAMED_LINKS else ""
    return Cell(held, (", ".join(names[:_NAMED_LINKS]) + more) or "—", "", ink)


def _ink(row: Row, name: str, held: Any) -> str:
    """How strongly a value is written."""
    if not row.counts:
        return OFF
    if row.kind == LIGHT and name == "temperature_k" and not row.record.use_temperature:
        return OFF
    if row.kind == GROUP and name in MASTERS and held in (0.0, _WHITE):
        return OFF  # a master that does nothing
    if name.endswith("link_mode") and held == "all":
        return DIM
    return NORMAL


def order(rows: Rows, row: Row, name: str) -> tuple[int, Any]:
    """What a column sorts by: empty cells first, texts without regard to case, colours by how bright they are."""
    held = row.name if name == "name" else value(rows, row, name)
    if held is None:
        return (0, 0)
    if isinstance(held, str):
        return (1, _natural(held))
    if isinstance(held, tuple):
        return (1, float(sum(held)) if column(name).shape == "colour" else float(len(held)))
    return (1, float(held))


def _natural(text: str) -> tuple[tuple[int, Any], ...]:
    """Texts in the order of their words and numbers: "Lamp 9" before "Lamp 10"."""
    out: list[tuple[int, Any]] = []
    digits = ""
    for character in text.lower():
        if character.isascii() and character.isdigit():
            digits += character
            continue
        if digits:
            out.append((0, int(digits)))
            digits = ""
        out.append((1, character))
    if digits:
        out.append((0, int(digits)))
    return tuple(out)


def copied(rows: Rows, row: Row, name: str) -> str:
    """A cell as text for the clipboard, which `studio.ui.light_cells_edit` reads back."""
    held = row.name if name == "name" else value(rows, row, name)
    if held is None:
        return ""
    if isinstance(held, bool):
        return "on" if held else "off"
    if isinstance(held, tuple):
        return ", ".join(each if isinstance(each, str) else f"{each:.6g}" for each in held)
    return f"{held:.9g}" if isinstance(held, float) else str(held)
