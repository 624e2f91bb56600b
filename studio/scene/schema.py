"""Annotated fields: what a value is, said once.

A field of an entity is a `msgspec.Struct` member whose type is `Annotated[T, Spec(...)]`. The `Spec` gives the
unit, the range, the label and what an edit of it touches; the inspector row, the light-table column, validation,
animation, the file format and the translation key are all read from it (docs/architecture.md, "Fields").

The file format is each record's own JSON. Fields that this version does not know are kept in `extra` and written
back, so a file may pass through an older studio unharmed; files of older versions pass through `UPGRADES`, one small
function a version.
"""

from __future__ import annotations

import enum
import functools
import math
import operator
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from studio.errors import BadAsset

if typing.TYPE_CHECKING:
    from studio.scene.entities import Entity
    from studio.scene.materials import Material

Record = TypeVar("Record", bound=msgspec.Struct)


class Touches(enum.Flag):
    """Sections of the flat scene that an edit of a field makes stale."""

    NOTHING = 0
    TRANSFORM = enum.auto()
    GEOMETRY = enum.auto()
    MATERIAL = enum.auto()
    LIGHT = enum.auto()
    CAMERA = enum.auto()
    HIERARCHY = enum.auto()


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What a field means. `lo`/`hi` are hard limits, `soft_lo`/`soft_hi` the range of a slider.

    `choices` are the texts that a menu offers. `only` names the kinds of light (or the like, the record's own `SORT`
    field) that the field means something for; none: all.
    """

    label: str = ""
    unit: str = ""
    lo: float | None = None
    hi: float | None = None
    soft_lo: float | None = None
    soft_hi: float | None = None
    touches: Touches = Touches.NOTHING
    animatable: bool = True
    colour: bool = False
    choices: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    help: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a kind. `shape` is "float", "int", "bool", "str", "vector" (of `width` floats, 0: any number),
    "ids" (of strings) or "other"."""

    name: str
    spec: Spec
    shape: str
    width: int
    default: Any

    @property
    def label(self) -> str:
        """The label of the field, its name where none is given."""
        return self.spec.label or self.name.replace("_", " ").capitalize()

    def means_something(self, record: msgspec.Struct) -> bool:
        """Whether the field counts for this record: a point light has no width."""
        return not self.spec.only or getattr(record, getattr(type(record), "SORT", ""), "") in self.spec.only

    @property
    def animatable(self) -> bool:
        """Whether a curve may drive the field: it must be made of numbers."""
        return self.spec.animatable and self.shape in ("float", "int", "bool", "vector")


@functools.cache
def fields(kind: type[msgspec.Struct]) -> Mapping[str, Field]:
    """The annotated fields of an entity kind or of Material, by name, in the order of their declaration."""
    hints = typing.get_type_hints(kind, include_extras=True)
    found = {}
    for info in msgspec.structs.fields(kind):
        hint = hints[info.name]
        specs = [a for a in getattr(hint, "__metadata__", ()) if isinstance(a, Spec)]
        if specs:
            shape, width = _shape(hint.__origin__)
            found[info.name] = Field(info.name, specs[-1], shape, width, info.default)
    return found


def _shape(hint: Any) -> tuple[str, int]:
    if hint in (float, int, bool, str):
        return str(hint.__name__), 1
    args = typing.get_args(hint)
    if typing.get_origin(hint) is tuple and args:
        if args[0] is float:
            return "vector", 0 if args[-1] is Ellipsis else len(args)
        if args[0] is str:
            return "ids", 0
    return "other", 0


def touches(kind: type[msgspec.Struct], names: Iterable[str]) -> Touches:
    """What an edit of these fields of a kind makes stale; a field without a Spec touches the hierarchy."""
    known = fields(kind)
    out = Touches.NOTHING
    for name in names:
        out |= known[name].spec.touches if name in known else Touches.HIERARCHY
    return out


# --- checking --------------------------------------------------------------------------------------------------------
def check(kind: type[msgspec.Struct], name: str, value: Any, *, where: str = "") -> Any:
    """`value` as the field `name` of `kind` stores it (lists become tuples, ints floats).

    Raises BadAsset, naming `where`, when there is no such field, the type does not fit, a number is not finite or
    lies outside the field's hard limits.
    """
    field = fields(kind).get(name)
    if field is None:
        if name in kind.__struct_fields__:
            return value
        raise BadAsset(f'{where or kind.__name__} has no field "{name}"; it has {", ".join(fields(kind))}.')
    place = f"{where}: {field.label}" if where else field.label
    if field.shape in ("float", "int"):
        return _number(field, value, place)
    if field.shape == "vector":
        return _vector(field, value, place)
    if field.shape == "ids":
        if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise BadAsset(f"{place} must be a list of ids, not {value!r:.60}.")
    if field.shape in ("bool", "str") and not isinstance(value, bool if field.shape == "bool" else str):
        raise BadAsset(f"{place} must be {'on or off' if field.shape == 'bool' else 'a text'}, not {value!r:.60}.")
    return value


def _number(field: Field, value: Any, place: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadAsset(f"{place} must be a number, not {value!r:.60}.")
    if not math.isfinite(value):
        raise BadAsset(f"{place} must be a finite number, not {value}.")
    lo, hi, unit = field.spec.lo, field.spec.hi, f" {field.spec.unit}" if field.spec.unit else ""
    if lo is not None and value < lo:
        raise BadAsset(f"{place} is {value:g}{unit}; it cannot be less than {lo:g}{unit}.")
    if hi is not None and value > hi:
        raise BadAsset(f"{place} is {value:g}{unit}; it cannot be more than {hi:g}{unit}.")
    if field.shape == "int":
        if value != int(value):
            raise BadAsset(f"{place} must be a whole number, not {value:g}.")
        return int(value)
    return float(value)


def _vector(field: Field, value: Any, place: str) -> tuple[float, ...]:
    try:
        items = tuple(value)
    except TypeError:
        raise BadAsset(f"{place} must be {field.width or 'several'} numbers, not {value!r:.60}.") from None
    if field.width and len(items) != field.width:
        raise BadAsset(f"{place} must be {field.width} numbers, not {len(items)}.")
    return tuple(_number(field, item, place) for item in items)


def validate(record: msgspec.Struct) -> None:
    """Raise BadAsset with a sentence for the first field of an entity or material that its Spec does not allow."""
    kind = type(record)
    where = f'{kind.__name__} "{getattr(record, "name", "") or getattr(record, "id", "")}"'
    for name, field in fields(kind).items():
        value = getattr(record, name)
        if value is not field.default:
            check(kind, name, value, where=where)
    check_together(record, fields(kind))


_TOGETHER: dict[type[msgspec.Struct], tuple[frozenset[str], Callable[[Any], None]]] = {}


def check_together(record: msgspec.Struct, changed: Iterable[str]) -> None:
    """Run the check of fields that must agree with each other, if any of them is among the `changed`."""
    names, function = _TOGETHER.get(type(record), (frozenset(), None))
    if function is not None and not names.isdisjoint(changed):
        function(record)


def agreeing(kind: type[msgspec.Struct], *names: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Register a function that raises BadAsset when these fields of a record do not agree with each other."""

    def register_check(function: Callable[[Any], None]) -> Callable[[Any], None]:
        _TOGETHER[kind] = (frozenset(names), function)
        return function

    return register_check


# --- kinds of entities -----------------------------------------------------------------------------------------------
_KINDS: dict[str, type[Entity]] = {}


def entity_kind(kind: type[Record]) -> type[Record]:
    """Class decorator: make a kind of entity known to the codec under its tag."""
    _KINDS[str(kind.__struct_config__.tag)] = kind  # type: ignore[assignment]
    return kind


def kinds() -> Mapping[str, type[Entity]]:
    """Every kind of entity by its tag in files."""
    import studio.scene.entities
    import studio.scene.lights  # noqa: F401  importing registers

    return _KINDS


# --- codec -----------------------------------------------------------------------------------------------------------
_encoder = msgspec.json.Encoder(order="deterministic")


def encode(record: msgspec.Struct) -> bytes:
    """One entity, material or texture as JSON on one line: only what differs from the defaults, and what it kept of
    fields unknown to this version. Raises BadAsset when a number is not finite, which JSON cannot hold."""
    plain = msgspec.structs.replace(record, extra={}) if getattr(record, "extra", None) else record
    text = _encoder.encode(plain)
    if b"null" in text and not finite(record):
        name = getattr(record, "name", "") or getattr(record, "id", "")
        raise BadAsset(f'{type(record).__name__} "{name}" holds a number that is not finite; set it and save again.')
    extra: Mapping[str, msgspec.Raw] = getattr(record, "extra", {})
    known = set(record.__struct_fields__) | {"kind"}
    kept = {name: raw for name, raw in extra.items() if name not in known}
    if not kept:
        return text
    tail = _encoder.encode(kept)
    return text[:-1] + (b"," if text != b"{}" else b"") + tail[1:]


def finite(record: msgspec.Struct) -> bool:
    """Whether every number of a record, and of the records in it, is finite."""

    def numbers(value: Any) -> Iterable[float]:
        if isinstance(value, float):
            yield value
        elif isinstance(value, (tuple, list)):
            for item in value:
                yield from numbers(item)
        elif isinstance(value, dict):
            for item in value.values():
                yield from numbers(item)
        elif isinstance(value, msgspec.Struct):
            for name in value.__struct_fields__:
                yield from numbers(getattr(value, name))

    return all(math.isfinite(number) for number in numbers(record))


def decode_entities(text: bytes, *, where: str) -> list[Entity]:
    """Entities of a JSON array; raises BadAsset naming `where` for anything that is not one."""
    union = functools.reduce(operator.or_, kinds().values())
    known = {tag: frozenset(kind.__struct_fields__) | {"kind"} for tag, kind in kinds().items()}
    return _decode(text, union, lambda record: known[str(record.__struct_config__.tag)], where)


def decode_materials(text: bytes, *, where: str) -> list[Material]:
    """Materials of a JSON array; raises BadAsset naming `where` for anything that is not one."""
    from studio.scene.materials import Material

    known = frozenset(Material.__struct_fields__)
    return _decode(text, Material, lambda record: known, where)


def _decode(text: bytes, kind: Any, known: Callable[[Any], frozenset[str]], where: str) -> list[Any]:
    """Typed records and, by a second look at the same text, the fields that their types do not have."""
    try:
        records: list[Any] = msgspec.json.decode(text, type=list[kind])
        raw = msgspec.json.decode(text, type=list[dict[str, msgspec.Raw]])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as fault:
        raise BadAsset(f"{where}: {_sentence(fault)}; restore it from a backup.") from None
    for i, (record, found) in enumerate(zip(records, raw, strict=True)):
        if not found.keys() <= known(record):
            unknown = {name: msgspec.Raw(bytes(found[name])) for name in found if name not in known(record)}
            records[i] = msgspec.structs.replace(record, extra={**record.extra, **unknown})
    return records


def _sentence(fault: BaseException) -> str:
    return str(fault).rstrip(".") or type(fault).__name__


# --- versions --------------------------------------------------------------------------------------------------------
VERSION = 1
Upgrade = Callable[[dict[str, Any]], dict[str, Any]]
UPGRADES: Sequence[Upgrade] = ()  # UPGRADES[n] makes version n + 2 of a document of version n + 1


def upgrade(document: dict[str, Any], version: int, upgrades: Sequence[Upgrade] | None = None) -> dict[str, Any]:
    """A document of an older `version` (1 or later) as the newest version has it, by `UPGRADES` unless others are
    given."""
    for step in (UPGRADES if upgrades is None else upgrades)[version - 1 :]:
        document = step(document)
    return document
