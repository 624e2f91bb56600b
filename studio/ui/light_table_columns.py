"""The columns of the light table: every field of a light that an artist edits, in sets for the work at hand.

A set is a tuple of column names and always begins with the name and the switches. The sets here are the studio's own;
what a person made of them, and sets of their own, are kept in the preferences (`light_columns`). A new field of `Light`
is a column of the set "All" without anything being said here.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio.commands.registry import N_
from studio.scene.light_filter import STRENGTH
from studio.scene.lights import Light
from studio.scene.schema import Field, fields

if TYPE_CHECKING:
    from studio.commands.preferences import Preferences

HEAD = ("name", "muted", "solo")
SWITCHES = ("muted", "solo")
COLUMNS = (*HEAD, "light", "intensity", "unit", "exposure", "color", "temperature_k", "group")
ESSENTIALS, ALL = N_("Essentials"), N_("All")
_DOORS = ("barn_left_deg", "barn_right_deg", "barn_top_deg", "barn_bottom_deg", "barn_softness_deg")
_CONES = ("inner_cone_deg", "outer_cone_deg", "spread_deg")
_SETS: dict[str, tuple[str, ...]] = {
    ESSENTIALS: COLUMNS,
    N_("Shape"): (
        *HEAD, "light", "width_m", "height_m", "radius_m", "length_m", "angle_deg", "normalize", "two_sided", "image"
    ),
    N_("Shaping"): (*HEAD, "light", *_CONES, "ies", "gobo", "gobo_scale", "gobo_rotation_deg", *_DOORS),
    N_("Shadow"): (*HEAD, "light", "radius_m", "casts_shadows", "shadow_color", "shadow_link_mode", "shadow_links"),
    N_("Visibility"): (
        *HEAD, "visible", "seen_by_camera", "seen_in_reflections", "casts_shadows", "diffuse_gain", "specular_gain"
    ),
    N_("Linking"): (*HEAD, "light_link_mode", "light_links", "shadow_link_mode", "shadow_links"),
    N_("Groups and AOVs"): (*HEAD, "light", "group", "exposure", "color", STRENGTH),
}  # fmt: skip
_UNLISTED = frozenset(("parent", "translation", "rotation", "scale", "shear", "locked"))
_STRENGTH_LABEL = N_("Strength")
_WIDTHS = {
    "name": 210, "muted": 28, "solo": 28, "light": 92, "unit": 46, "color": 62, "shadow_color": 62, "group": 96,
    "ies": 110, "gobo": 110, "image": 110, "light_links": 170, "shadow_links": 170, "light_link_mode": 82,
    "shadow_link_mode": 88, STRENGTH: 88, "temperature_k": 92,
}  # fmt: skip
_BY_SHAPE = {"float": 82, "bool": 72, "str": 96, "vector": 62, "ids": 150}


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `shape` is that of its field (`studio.scene.schema.Field`), "colour" for colours; `unit` the
    field's; `keyed` says whether a curve may drive it; `width` is in units of the interface."""

    name: str
    label: str
    shape: str
    unit: str
    keyed: bool
    width: float
    field: Field | None

    def alike(self, other: Column) -> bool:
        """Whether what is typed for one may go to the other: numbers of one unit, switches, colours."""
        return (
            self.shape == other.shape and self.unit == other.unit and self.shape in ("float", "int", "bool", "colour")
        )


@functools.cache
def column(name: str) -> Column:
    """The column of a name."""
    if name == STRENGTH:
        return Column(name, _STRENGTH_LABEL, "strength", "", False, _WIDTHS[name], None)
    field = fields(Light)[name]
    shape = "colour" if field.spec.colour else "choice" if field.spec.choices or name == "unit" else field.shape
    width = _WIDTHS.get(name, _BY_SHAPE.get(field.shape, 84))
    keyed = field.animatable and name not in SWITCHES and name != "visible"
    return Column(name, field.label, shape, field.spec.unit, keyed, width, field)


@functools.cache
def every() -> tuple[str, ...]:
    """All columns in the order of the fields, the head first."""
    listed = (name for name in fields(Light) if name not in _UNLISTED and name not in HEAD)
    return (*HEAD, *listed, STRENGTH)


def sets(preferences: Preferences) -> Mapping[str, tuple[str, ...]]:
    """All sets by name, the studio's own first, as this person has them."""
    out = {**_SETS, ALL: every()}
    for name, names in preferences.light_columns.items():
        out[name] = tuple(dict.fromkeys(each for each in (*HEAD, *names) if each in every()))
    return out


def is_own(name: str) -> bool:
    """Whether a set is the studio's own, which can be changed and put back but not removed."""
    return name in _SETS or name == ALL


def placed(present: Sequence[str], name: str) -> tuple[str, ...]:
    """The columns with one more, where it stands among all."""
    order = {each: n for n, each in enumerate(every())}
    out = list(present)
    at = next((i for i, each in enumerate(out) if i >= len(HEAD) and order[each] > order[name]), len(out))
    return (*out[:at], name, *out[at:])
