"""Holding values from files to the ranges that the scene's fields declare."""

from __future__ import annotations

import functools
import math
import typing
from typing import TypeVar

import msgspec

from studio.scene.schema import Spec

S = TypeVar("S", bound=msgspec.Struct)


def clamped(record: S) -> tuple[S, list[str]]:
    """The record with numbers inside their fields' hard limits, and the names of the fields that had to move."""
    moved: dict[str, object] = {}
    for name, lo, hi in _limits(type(record)):
        value = getattr(record, name)
        if isinstance(value, tuple):
            # the common case is told by two passes that do not run in Python: a mesh has many morphs, a file many nodes
            inside = not value or (lo <= min(value) and max(value) <= hi and not math.isnan(sum(value)))
            fixed: object = value if inside else tuple(_clamp(v, lo, hi) for v in value)
        else:
            fixed = _clamp(value, lo, hi)
        if fixed != value:
            moved[name] = fixed
    return (msgspec.structs.replace(record, **moved), list(moved)) if moved else (record, [])


def _clamp(value: float, lo: float, hi: float) -> float:
    if math.isnan(value):
        return lo if math.isfinite(lo) else 0.0
    return type(value)(min(max(value, lo), hi))


@functools.cache
def _limits(kind: type[msgspec.Struct]) -> list[tuple[str, float, float]]:
    """Fields of a record whose type carries a Spec with limits. Numbers beyond 1e18 are no lengths nor strengths."""
    out = []
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        for spec in getattr(hint, "__metadata__", ()):
            if isinstance(spec, Spec) and (spec.lo is not None or spec.hi is not None):
                out.append((name, -1e18 if spec.lo is None else spec.lo, 1e18 if spec.hi is None else spec.hi))
    return out
