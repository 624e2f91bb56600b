"""What may be typed to find lights: words, conditions on fields, and states.

    key intensity>100 kind=spot,point -muted "Lamp 3" group=fx*

Words must all occur in the name of a light or of something above it. `field>value` compares (`<`, `>=`, `<=`, `=`,
`!=`), a unit behind a number is read over; texts are equal without regard to case, `*` stands for anything, and several
are given with commas. The name of a switch alone (`muted`, `solo`, `casts_shadows`) asks for it to be on, a minus in
front of anything turns it round. What is in quotation marks is always a name.

A text is never refused: what cannot be understood of it is told as a `Fault` and passed over, so a list does not jump
while somebody is still typing.
"""

from __future__ import annotations

import fnmatch
import functools
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studio.scene.lights import Light
from studio.scene.schema import fields

Lookup = Callable[[str], Any]
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
}
_SAME = {"==": "=", ":": "="}
_TERM = re.compile(
    r"""(?P<minus>-)?
    (?: (?P<field>[^\s"<>=!:]+) \s* (?P<op>>=|<=|!=|==|[<>=:]) \s* (?P<value>(?:"[^"]*"?|[^\s"])+)?
      | (?P<quoted>"[^"]*"?)
      | (?P<word>[^\s"]+) )""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_WIDE = str.maketrans("＞＜＝：“”，", '><=:"",')  # as a Chinese keyboard gives them
_ON = {"on": True, "yes": True, "true": True, "1": True, "off": False, "no": False, "false": False, "0": False}
_LONGEST = 1000
STRENGTH = "strength"  # what a light shines with after the masters above it


@dataclass(frozen=True, slots=True)
class Fault:
    """What was not understood. `kind`: "field" (there is none such; `near` is the most similar), "value" (nothing
    stands behind the comparison), "number", "switch" (no number, no on or off), "order" (texts have no larger and
    smaller), "compare" (the field is not made to be compared), "before" (nothing stands before the comparison)."""

    kind: str
    term: str
    near: str = ""


@dataclass(frozen=True, slots=True)
class _Term:
    """One condition. `field` "" is a word, sought in names."""

    field: str
    op: str
    values: tuple[Any, ...]
    wanted: bool

    def holds(self, value: Lookup, names: Sequence[str]) -> bool:
        if not self.field:
            return any(self.values[0] in name for name in names) is self.wanted
        found = value(self.field)
        if found is None:  # a group has no kind: it is neither a spot nor any other
            return False
        if isinstance(found, str):
            found = found.lower()
            alike = any(fnmatch.fnmatchcase(found, v) if "*" in v else found == v for v in self.values)
            return (alike if self.op == "=" else not alike) is self.wanted
        return _COMPARED[self.op](found, self.values[0]) is self.wanted


@dataclass(frozen=True, slots=True)
class Filter:
    """A text understood."""

    terms: tuple[_Term, ...] = ()
    faults: tuple[Fault, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    @property
    def fields(self) -> frozenset[str]:
        """The fields that it asks for; "name" where it asks for words."""
        return frozenset(term.field or "name" for term in self.terms)

    def matches(self, value: Lookup, names: Sequence[str]) -> bool:
        """Whether a light passes. `value` gives a field's value, None where it has none; `names` are the name of the
        light and of all that it hangs below, in lower case."""
        return all(term.holds(value, names) for term in self.terms)


@functools.cache
def known_fields() -> Mapping[str, str]:
    """Every name by which a field may be called, with the field: `kind`, `temperature`, `width` and the full names."""
    out: dict[str, str] = {}
    for name, field in fields(Light).items():
        if field.shape not in ("float", "int", "bool", "str"):
            continue
        short = re.sub(r"_(m|deg|k)$", "", name)
        for alias in (name, short, field.label.lower().replace(" ", "_"), field.label.lower().replace(" ", "")):
            out.setdefault(alias, name)
    extra = {"kind": "light", "mute": "muted", "temp": "temperature_k", "aov": "group", STRENGTH: STRENGTH}
    return {**out, **extra, "shadows": "casts_shadows", "shadow": "casts_shadows"}


def parse(text: str, names: Mapping[str, str] | None = None) -> Filter:
    """The meaning of a text; never raises. `names` are further names of fields, of another language say."""
    known = {**known_fields(), **{name.lower(): field for name, field in (names or {}).items()}}
    terms, faults = [], []
    for found in _TERM.finditer(text[:_LONGEST].translate(_WIDE)):
        made = _understood(found, known)
        if isinstance(made, Fault):
            faults.append(made)
        elif made is not None:
            terms.append(made)
    return Filter(tuple(terms), tuple(faults))


def _understood(found: re.Match[str], known: Mapping[str, str]) -> _Term | Fault | None:
    wanted = not found["minus"]
    if found["op"]:
        return _comparison(found, known, wanted)
    if found["quoted"]:
        word = found["quoted"].strip('"').lower()
        return _Term("", "=", (word,), wanted) if word else None
    word = found["word"].lower()
    if word == "-":
        return None
    if word[0] in "<>=!:" and len(word) > 1 and word != "!":
        return Fault("before", found[0])
    field = known.get(word, "")
    if field and _shape(field) == "bool":
        return _Term(field, "=", (True,), wanted)
    return _Term("", "=", (word,), wanted)


def _shape(field: str) -> str:
    return "float" if field == STRENGTH else fields(Light)[field].shape


def _comparison(found: re.Match[str], known: Mapping[str, str], wanted: bool) -> _Term | Fault:
    said, op, value = found["field"].lower(), _SAME.get(found["op"], found["op"]), found["value"] or ""
    field = known.get(said, "")
    if not field:
        import difflib

        near = difflib.get_close_matches(said, known, n=1, cutoff=0.7)
        return Fault("field", found["field"], near[0] if near else "")
    if not value.strip('"'):
        return Fault("value", found[0].strip())
    shape = _shape(field)
    if shape == "str":
        if op not in ("=", "!="):
            return Fault("order", found[0])
        return _Term(field, op, tuple(part for part in _parts(value) if part), wanted)
    if shape == "bool":
        on = _ON.get(value.strip('"').lower())
        if on is None or op not in ("=", "!="):
            return Fault("switch", found[0])
        return _Term(field, op, (on,), wanted)
    number = _NUMBER.match(value.strip('"'))
    return _Term(field, op, (float(number[0]),), wanted) if number else Fault("number", value)


def _parts(value: str) -> list[str]:
    """A list with commas, those in quotation marks not counting."""
    return [part.replace('"', "").strip().lower() for part in re.findall(r'(?:"[^"]*"?|[^",])+', value)]
