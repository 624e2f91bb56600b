"""What is typed, pasted or dragged into cells of the light table, as edits of the scene.

    1.5   12 cm   2**3      the same number for all that are selected
    *1.2  +0.5  -=1  +10%   relative: each from its own (a leading minus alone is a negative number)
    800 lm                  an intensity with its unit
    #ff8800   1, 0.5, 0.25   3200 K    a colour: sRGB, linear, or that of a black body
    on  off  1  0           a switch

Everything here makes operations, functions from a scene to a scene; whoever calls puts them into one scope of the
document, so an edit of 300 cells in five columns is one step of the history. What cannot be raises a `StudioError`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from studio.errors import UsageError
from studio.scene import edits
from studio.scene.entities import Id
from studio.scene.lights import Light
from studio.scene.photometry import blackbody, units_of
from studio.scene.scene import Scene
from studio.ui.color_edit import decoded
from studio.ui.expressions import understand
from studio.ui.i18n import tr
from studio.ui.light_cells import MESH_UNIT, place
from studio.ui.light_table_columns import Column, column
from studio.ui.light_table_rows import LIGHT, OBJECT, Row

Operation = Callable[[Scene], Scene]
_RELATIVE = re.compile(r"\s*([*/+])(?!=)\s*(?=[\d.(+\-a-z])", re.IGNORECASE)
_WITH_UNIT = re.compile(r"(?P<number>.*[\d.)])\s*(?P<unit>cd|lm|nt|lx|W)\s*", re.IGNORECASE)
_UNITS = {"cd": "cd", "lm": "lm", "nt": "nt", "lx": "lx", "w": "W"}
_FIRST = {"light": 0, "unit": 1}  # a kind says which units there are, a unit what a number means
_HEX = re.compile(r"#?([0-9a-fA-F]{6}|[0-9a-fA-F]{3})")
_KELVIN = re.compile(r"(\d+(?:\.\d+)?)\s*[kK]")
_ON = {"on": True, "yes": True, "true": True, "1": True, "off": False, "no": False, "false": False, "0": False}


def operations(rows: Sequence[Row], name: str, value: Any, *, strict: bool = True) -> list[Operation]:
    """The edits that give the cells of a column a value; a text is understood as the column asks. Rows that have no
    such cell are passed over, and unless `strict`, lights that do not know a unit too. Raises `UsageError` for a text
    without a meaning there."""
    if name == "name":
        return _names(rows, str(value))
    shape = column(name).shape
    if name == "unit":
        return _units(rows, str(value), strict=strict)
    if name == "light":
        return _kinds(rows, str(value))
    if shape in ("float", "int") and isinstance(value, str):
        return _numbers(rows, name, value)
    if isinstance(value, str):
        value = understood(column(name), value)
    if callable(value):
        return [_change(ids, field, value) for ids, field in targets(rows, name)]
    return [_put(ids, field, value) for ids, field in targets(rows, name)]


def targets(rows: Iterable[Row], name: str) -> list[tuple[list[Id], str]]:
    """Where cells of a column live: ids by the field that they have it in."""
    found: dict[str, dict[Id, None]] = {}
    for row in rows:
        at = place(row, name)
        if at is not None:
            found.setdefault(at[1], {}).update(dict.fromkeys(at[0]))
    return [(list(ids), field) for field, ids in found.items()]


def _put(ids: Sequence[Id], field: str, value: Any) -> Operation:
    return lambda scene: edits.set_field(scene, ids, field, value)


def _change(ids: Sequence[Id], field: str, change: Callable[[float], float]) -> Operation:
    return lambda scene: edits.change_numbers(scene, ids, field, change)


def changed_since(rows: Sequence[Row], name: str, change: Callable[[float], float], since: Scene) -> list[Operation]:
    """Numbers of a column, each made from what it was in an earlier scene: a step of a drag."""

    def step(ids: Sequence[Id], field: str) -> Operation:
        return lambda scene: edits.change_numbers(scene, ids, field, change, since=since)

    return [step(ids, field) for ids, field in targets(rows, name)]


def _names(rows: Sequence[Row], name: str) -> list[Operation]:
    """One name as it is, several numbered."""
    if not name.strip():
        raise UsageError("a name cannot be empty")

    def rename(id_: Id, new: str) -> Operation:
        return lambda scene: edits.rename(scene, id_, new)

    several = len(rows) > 1
    return [rename(row.id, f"{name} {n}" if several else name) for n, row in enumerate(rows, 1)]


def _units(rows: Sequence[Row], unit: str, *, strict: bool = True) -> list[Operation]:
    """A unit for those lights that know it, as they are when the edit comes to it."""
    unit = _UNITS.get(unit.strip().lower(), unit.strip())
    lights = [row.id for row in rows if row.kind == LIGHT]

    def set_units(scene: Scene) -> Scene:
        records = [record for id_ in lights if isinstance(record := scene.entities.get(id_), Light)]
        able = [record.id for record in records if unit in units_of(record.light)]
        if strict and not able:
            first = records[0]
            allowed = " or ".join(units_of(first.light)) or "no unit"
            raise UsageError(
                f'"{first.name or first.id}": a {first.light} light cannot be set in "{unit}"; use {allowed}'
            )
        return edits.set_field(scene, able, "unit", unit) if able else scene

    return [set_units] if lights else []


def _kinds(rows: Sequence[Row], kind: str) -> list[Operation]:
    wanted = _chosen(column("light"), kind)
    lights = [row.id for row in rows if row.kind == LIGHT]
    return [lambda scene: edits.set_light_kind(scene, lights, wanted)] if lights else []


def _numbers(rows: Sequence[Row], name: str, text: str) -> list[Operation]:
    """A number, a change of numbers, or an intensity with its unit."""
    text = relative(text)
    unit = column(name).unit
    found = _WITH_UNIT.fullmatch(text) if name == "intensity" else None
    out: list[Operation] = []
    if found is not None:
        text, said = found["number"], _UNITS[found["unit"].lower()]
        glowing = [row for row in rows if row.kind == OBJECT]
        if glowing and said != MESH_UNIT:
            raise UsageError(f'"{glowing[0].name}" glows in {MESH_UNIT}, not in {said}')
        out += _units([row for row in rows if row.kind == LIGHT], said)
        rows = [row for row in rows if row.kind == OBJECT or said in units_of(row.record.light)]
    entry = understand(text, unit=unit)
    at = targets(rows, name)
    for ids, field in at:
        out.append(_change(ids, field, entry.new))
    if name == "temperature_k" and at:
        out.append(_put([row.id for row in rows if row.kind == LIGHT], "use_temperature", True))
    return out


def relative(text: str) -> str:
    """`*1.2`, `/2` and `+0.5` as `studio.ui.expressions` writes them: in a table they are changes of what is there."""
    found = _RELATIVE.match(text)
    return f"{found[1]}={text[found.end() :]}" if found else text


def understood(into: Column, text: str) -> Any:
    """The value that a text stands for in a column of anything but numbers; for a colour perhaps a change of it."""
    said = text.strip()
    if into.shape == "bool":
        words = {**_ON, tr("On").lower(): True, tr("Off").lower(): False}
        if said.lower() not in words:
            raise UsageError(f"{said!r} is neither on nor off")
        return words[said.lower()]
    if into.shape == "colour":
        return color_of(said)
    if into.shape == "choice":
        return _chosen(into, said)
    if into.shape == "ids":
        return tuple(part for part in (each.strip() for each in said.split(",")) if part)
    return text


def _chosen(into: Column, said: str) -> str:
    choices = into.field.spec.choices if into.field is not None else ()
    found = {choice: choice for choice in choices} | {tr(choice.capitalize()).lower(): choice for choice in choices}
    if said.lower() not in found:
        raise UsageError(f"{said!r} is none of {', '.join(choices)}")
    return found[said.lower()]


def color_of(text: str) -> Any:
    """A linear colour from a hex code, three linear numbers, one for all, or a temperature; a function where it is a
    change of each component."""
    found = _HEX.fullmatch(text)
    if found is not None and (text.startswith("#") or not text.isdigit()):
        code = found[1] if len(found[1]) == 6 else "".join(2 * digit for digit in found[1])
        return tuple(decoded(int(code[i : i + 2], 16) / 255.0) for i in (0, 2, 4))
    kelvin = _KELVIN.fullmatch(text)
    if kelvin is not None:
        import numpy as np

        return tuple(float(part) for part in blackbody(np.array([float(kelvin[1])]))[0])
    parts = [part for part in re.split(r"[,;\s]+", text) if part]
    if len(parts) == 3:
        return tuple(understand(part).new(0.0) for part in parts)
    entry = understand(relative(text))
    if entry.relative:
        return entry.new
    return (entry.new(0.0),) * 3


# --- the clipboard ---------------------------------------------------------------------------------------------------
def to_text(grid: Sequence[Sequence[str]]) -> str:
    """Cells as spreadsheets exchange them: tabs between columns, a line a row."""
    out = io.StringIO()
    csv.writer(out, dialect="excel-tab", lineterminator="\n").writerows(grid)
    return out.getvalue().rstrip("\n")


def from_text(text: str) -> list[list[str]]:
    """The cells of a text of the clipboard; rows may differ in length. What is no such text is one cell."""
    try:
        rows = list(csv.reader(io.StringIO(text.rstrip("\r\n"), newline=""), dialect="excel-tab"))
    except csv.Error:
        return [[text]]
    return [row or [""] for row in rows] or [[""]]


def pasted(
    grid: Sequence[Sequence[str]], rows: Sequence[Row], columns: Sequence[str]
) -> tuple[list[Operation], list[str]]:
    """The edits that put a grid of texts into cells, beginning again where it is smaller than the place for it; and
    the sentences of what was refused. Empty texts and cells that are nothing are passed over."""
    out: list[Operation] = []
    refused: list[str] = []
    for number, name in sorted(enumerate(columns), key=lambda each: _FIRST.get(each[1], 2)):
        gathered: dict[str, list[Row]] = {}
        for at, row in enumerate(rows):
            line = grid[at % len(grid)]
            text = line[number % len(line)].strip()
            if text and place(row, name) is not None:
                gathered.setdefault(text, []).append(row)
        for text, them in gathered.items():
            try:
                out += _named_alike(them, text) if name == "name" else operations(them, name, text, strict=False)
            except UsageError as fault:
                refused.append(str(fault))
    return out, refused


def _named_alike(rows: Sequence[Row], name: str) -> list[Operation]:
    def rename(id_: Id) -> Operation:
        return lambda scene: edits.rename(scene, id_, name)

    return [rename(row.id) for row in rows]


def applied(scene: Scene, them: Iterable[Operation]) -> Scene:
    """The scene after all of them."""
    for operation in them:
        scene = operation(scene)
    return scene
