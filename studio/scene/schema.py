"""Annotated fields: what a value is, said once.

A field of an entity is a `msgspec.Struct` member whose type is `Annotated[T, Spec(...)]`. The `Spec` gives the
unit, the range, the label and what an edit of it touches; the inspector row, the light-table column, validation,
animation, the file format and the translation key are all read from it (docs/architecture.md, "Fields").
"""

from __future__ import annotations

import enum

import msgspec


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
    """What a field means. `lo`/`hi` are hard limits, `soft_lo`/`soft_hi` the range of a slider."""

    label: str = ""
    unit: str = ""
    lo: float | None = None
    hi: float | None = None
    soft_lo: float | None = None
    soft_hi: float | None = None
    touches: Touches = Touches.NOTHING
    animatable: bool = True
    colour: bool = False
    help: str = ""
