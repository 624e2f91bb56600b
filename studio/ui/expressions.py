"""What may be typed where a number is asked for: arithmetic, units, and changes relative to what is there.

    1/3    2*pi    sqrt(2)    12 cm    45 deg    0.25 turn    +=0.5    *=2    -=10%

A bare number is in the field's own unit; lengths and angles may be given in another, which is converted. `+=`, `-=`,
`*=` and `/=` act on every selected thing's own value. Parsed as a Python expression of numbers and nothing else.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from studio.errors import UsageError

_LENGTHS = {"mm": 1e-3, "cm": 1e-2, "m": 1.0, "km": 1e3, "in": 0.0254, "ft": 0.3048}
_ANGLES = {"deg": 1.0, "°": 1.0, "rad": 180.0 / math.pi, "turn": 360.0}
_FAMILIES = (_LENGTHS, _ANGLES)
_RELATIVE = {"+=": operator.add, "-=": operator.sub, "*=": operator.mul, "/=": operator.truediv}
_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_NAMES = {"pi": math.pi, "tau": math.tau, "e": math.e}
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "sqrt": math.sqrt,
    "sin": lambda x: math.sin(math.radians(x)),
    "cos": lambda x: math.cos(math.radians(x)),
    "tan": lambda x: math.tan(math.radians(x)),
    "log2": math.log2,
    "exp2": lambda x: 2.0**x,
    "abs": abs,
    "min": min,
    "max": max,
    "round": round,
}
_MEASURE = re.compile(r"(?P<number>(?>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?))\s*(?P<unit>[a-zA-Z°]+)\b(?!\s*\()|%")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """What was typed, understood: a function from the old value to the new one. `relative` when it uses the old."""

    new: Callable[[float], float]
    relative: bool


def understand(text: str, *, unit: str = "") -> Entry:
    """The meaning of what was typed into a field of a unit; `UsageError` in a sentence for what has none.

    The function raises `UsageError` too, where only the old value makes it impossible (division by 0).
    """
    stripped = text.strip()
    relative = _RELATIVE.get(stripped[:2])
    amount = stripped[2:] if relative else stripped
    percent = relative is not None and amount.rstrip().endswith("%")
    value = evaluate(amount.rstrip().rstrip("%") if percent else amount, unit=unit)
    if relative is None:
        return Entry(lambda old: value, relative=False)
    act = relative

    def change(old: float) -> float:
        with_percent = value / 100.0
        by = with_percent * old if percent and act in (operator.add, operator.sub) else value
        by = with_percent if percent and act in (operator.mul, operator.truediv) else by
        return _finite(lambda: act(old, by), text)

    return Entry(change, relative=True)


def evaluate(text: str, *, unit: str = "") -> float:
    """The number that an expression gives, in `unit`; `UsageError` in a sentence for what gives none."""
    if not text.strip():
        raise UsageError("type a number")
    if len(text) > _LONGEST:
        raise UsageError("that is too long for a number")
    try:
        tree = ast.parse(_in_unit(text.strip().replace("^", "**").replace(",", ", "), unit), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UsageError(f"{text.strip()!r} is no number") from None
    return _finite(lambda: _value(tree.body, text), text)


def _in_unit(text: str, unit: str) -> str:
    """The expression with every measure converted to the field's unit."""
    family = next((f for f in _FAMILIES if unit in f), {})

    def convert(found: re.Match[str]) -> str:
        if found["unit"] is None:
            raise UsageError("a percentage needs += or -= or *= before it")
        name = found["unit"]
        if name == unit:
            return f"({found['number']})"
        if name in family:
            return f"({found['number']}*{family[name] / family[unit]!r})"
        raise UsageError(f"{name!r} is no unit of this field" + (f", which is in {unit}" if unit else ""))

    return _MEASURE.sub(convert, text)


def _value(node: ast.AST, text: str) -> float:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number)
        case ast.Name(id=name) if name in _NAMES:
            return _NAMES[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(operand, text))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left, text), _value(right, text))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return float(_FUNCTIONS[name](*(_value(a, text) for a in arguments)))
    raise UsageError(f"{text.strip()!r} is no number")


def _finite(make: Callable[[], float], text: str) -> float:
    try:
        value = make()
    except (ArithmeticError, ValueError, TypeError, RecursionError):
        raise UsageError(f"{text.strip()!r} has no value") from None
    if isinstance(value, complex) or not math.isfinite(value):
        raise UsageError(f"{text.strip()!r} is not a finite number")
    return float(value)
