"""Lights: what an artist can light with, in photometric units.

A light shines along its own -z; only its fields size it, never a scale above it. Emissive meshes are lights too and
come from materials. `pack` turns any kind into one `LIGHT` row, the form that both renderers read; how a unit becomes
radiance, intensity or illuminance is said once, in `studio.scene.photometry`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset
from studio.scene.entities import Entity, Id
from studio.scene.geometry import Image
from studio.scene.light_shaping import PROFILE_COLUMNS as PROFILE_COLUMNS  # a renderer reads its layouts here
from studio.scene.light_shaping import PROFILE_ROWS as PROFILE_ROWS
from studio.scene.light_shaping import (
    SHAPING,
    door_columns,
    gobo_turns,
    half_spread,
    profile_rows,
    solid_angles,
    spread_column,
)
from studio.scene.photometry import (
    F64,
    PER_UNIT,
    Shape,
    blackbody,
    cone_solid_angle,
    grid_share,
    surface_area,
    units_of,
)
from studio.scene.schema import Spec, Touches, agreeing, entity_kind
from studio.scene.transforms import FARTHEST_M

L = Touches.LIGHT
Color = tuple[float, float, float]

# codes of the `kind` column of LIGHT
KINDS: dict[str, int] = {
    name: code
    for code, name in enumerate(
        ("point", "spot", "rectangle", "disk", "sphere", "cylinder", "distant", "dome", "mesh", "portal")
    )
}

_AUTHORED = tuple(name for name in KINDS if name != "mesh")  # mesh lights come from materials
_LAMPS = tuple(name for name in _AUTHORED if name != "portal")
LINK_MODES = ("all", "only", "except")
IMAGE_FIELDS = ("image", "ies", "gobo")  # fields that name images of the scene

# flags of LIGHT. SHADOW_LINKED: something does not block this light though it blocks others.
SEEN_BY_CAMERA, SEEN_IN_REFLECTIONS, CASTS_SHADOWS, TWO_SIDED, SHADOW_LINKED = 1, 2, 4, 8, 16

LIGHT = np.dtype(
    [
        ("kind", "i4"),  # KINDS
        ("flags", "u4"),
        ("group", "i4"),  # index into FlatScene.light_groups
        ("image", "i4"),  # index into FlatScene.textures, -1: none (dome and area lights)
        ("instance", "i4"),  # mesh lights: row of FlatScene.instances, else -1
        ("part", "i4"),  # mesh lights: part of the mesh
        ("entity", "i4"),  # index into FlatScene.light_names
        ("profile", "i4"),  # index into FlatScene.textures of an IES profile (light_shaping.PROFILE_ROWS), -1: none
        ("gobo", "i4"),  # index into FlatScene.textures of a spot's gobo, -1: none
        # linear working-space colour: radiance in nits (areas, dome, mesh), intensity in cd (point, spot),
        # illuminance at normal incidence in lx (distant)
        ("emission", "f4", (3,)),
        # rectangle: width, height; disk, sphere: radius; cylinder: radius, length (along x); distant: angle (radians,
        # full); in metres. Unused entries are 0.
        ("size", "f4", (2,)),
        ("cone", "f4", (2,)),  # spot: cosine of the inner and outer half angle; t^2 between, t linear in the cosine
        ("gain", "f4", (2,)),  # multiplies diffuse and specular response
        # What shapes the light by the direction w in which it leaves, in the light's frame (-z is its axis). With the
        # tangents x = w.x / -w.z and y = w.y / -w.z:
        # gobo: image coordinates u = 0.5 + a x + b y, v = 0.5 - (c x + d y); black outside 0..1 and behind
        ("gobo_turn", "f4", (4,)),
        # barn doors: light passes where -barn[0] <= x <= barn[1] and -barn[2] <= y <= barn[3] (left, right, bottom,
        # top) and w.z < 0, each edge a smoothstep `barn_soft` of tangent wide centred on it; all 0: no doors
        ("barn", "f4", (4,)),
        ("barn_soft", "f4"),
        ("spread", "f4"),  # flat areas: max(0, 1 - spread * tan(angle to the axis)); 0: the whole half sphere
        ("shadow_color", "f4", (3,)),  # share of the light that what blocks it lets through; 0 is physical
        ("open", "f4", (3, 4)),  # rigid light-to-world at shutter open
        ("close", "f4", (3, 4)),  # and at shutter close
    ]
)


# portals of domes: rectangles through which their light comes in (they guide sampling and change no picture)
PORTAL = np.dtype([("size", "f4", (2,)), ("open", "f4", (3, 4)), ("close", "f4", (3, 4))])


_DOORED = ("spot", "rectangle", "disk")
_DOOR: dict[str, Any] = {
    "unit": "deg",
    "lo": -80.0,
    "hi": 90.0,
    "only": _DOORED,
    "touches": L,
    "help": "How far from the axis the light passes; 90 is open",
}


@entity_kind
class Light(Entity, frozen=True, kw_only=True, omit_defaults=True, tag="light"):
    """A light of any kind.

    The strength is `intensity * 2**exposure` in `unit`: "cd", "lm" or "W" for point and spot, "nt", "lm", "cd" or "W"
    for areas, "lx" for distant, "nt" for dome. `temperature_k` colours the light when `use_temperature` is on, times
    `color`. A "portal" shines not itself: it says where the light of domes comes in.
    """

    SORT: ClassVar[str] = "light"  # the field that says which others mean something

    light: Annotated[str, Spec(label="Kind", animatable=False, choices=_AUTHORED, touches=L)] = "point"
    intensity: Annotated[float, Spec(label="Intensity", lo=0.0, soft_hi=10000.0, only=_LAMPS, touches=L)] = 100.0
    unit: Annotated[str, Spec(label="Unit", animatable=False, only=_LAMPS, touches=L)] = "cd"
    exposure: Annotated[
        float, Spec(label="Exposure", unit="stops", soft_lo=-10.0, soft_hi=10.0, only=_LAMPS, touches=L)
    ] = 0.0
    color: Annotated[Color, Spec(label="Colour", lo=0.0, colour=True, only=_LAMPS, touches=L)] = (1.0, 1.0, 1.0)
    temperature_k: Annotated[
        float, Spec(label="Temperature", unit="K", lo=1000.0, hi=40000.0, only=_LAMPS, touches=L)
    ] = 6500.0
    use_temperature: Annotated[bool, Spec(label="Use temperature", only=_LAMPS, touches=L)] = False
    normalize: Annotated[
        bool,
        Spec(
            label="Normalise",
            only=("rectangle", "disk", "sphere", "cylinder"),
            touches=L,
            help="Nits are divided by the area in square metres, so that the size does not change the power",
        ),
    ] = False
    width_m: Annotated[float, Spec(label="Width", unit="m", lo=0.0, only=("rectangle", "portal"), touches=L)] = 1.0
    height_m: Annotated[float, Spec(label="Height", unit="m", lo=0.0, only=("rectangle", "portal"), touches=L)] = 1.0
    radius_m: Annotated[
        float, Spec(label="Radius", unit="m", lo=0.0, only=("point", "spot", "disk", "sphere", "cylinder"), touches=L)
    ] = 0.1
    length_m: Annotated[float, Spec(label="Length", unit="m", lo=0.0, only=("cylinder",), touches=L)] = 1.0
    angle_deg: Annotated[float, Spec(label="Angle", unit="deg", lo=0.0, hi=180.0, only=("distant",), touches=L)] = 0.53
    inner_cone_deg: Annotated[
        float, Spec(label="Inner cone", unit="deg", lo=0.0, hi=90.0, only=("spot",), touches=L)
    ] = 0.0
    outer_cone_deg: Annotated[
        float, Spec(label="Outer cone", unit="deg", lo=0.0, hi=90.0, only=("spot",), touches=L)
    ] = 45.0
    spread_deg: Annotated[
        float,
        Spec(
            label="Spread",
            unit="deg",
            lo=1.0,
            hi=180.0,
            only=("rectangle", "disk"),
            touches=L,
            help="Opening of a grid in front of the light; 180 is none",
        ),
    ] = 180.0
    ies: Annotated[
        str,
        Spec(label="IES profile", animatable=False, only=("point", "spot"), touches=L, help="How a luminaire shines"),
    ] = ""
    gobo: Annotated[str, Spec(label="Gobo", animatable=False, only=("spot",), touches=L)] = ""
    gobo_scale: Annotated[float, Spec(label="Gobo scale", lo=0.001, soft_hi=4.0, only=("spot",), touches=L)] = 1.0
    gobo_rotation_deg: Annotated[float, Spec(label="Gobo rotation", unit="deg", only=("spot",), touches=L)] = 0.0
    barn_left_deg: Annotated[float, Spec(label="Barn door left", **_DOOR)] = 90.0
    barn_right_deg: Annotated[float, Spec(label="Barn door right", **_DOOR)] = 90.0
    barn_top_deg: Annotated[float, Spec(label="Barn door top", **_DOOR)] = 90.0
    barn_bottom_deg: Annotated[float, Spec(label="Barn door bottom", **_DOOR)] = 90.0
    barn_softness_deg: Annotated[
        float, Spec(label="Barn door softness", unit="deg", lo=0.0, hi=45.0, only=_DOORED, touches=L)
    ] = 2.0
    two_sided: Annotated[bool, Spec(label="Two-sided", only=("rectangle", "disk"), touches=L)] = False
    image: Annotated[str, Spec(label="Image", animatable=False, only=("rectangle", "disk", "dome"), touches=L)] = ""
    group: Annotated[str, Spec(label="Light group", animatable=False, only=_LAMPS, touches=L)] = ""
    muted: Annotated[bool, Spec(label="Mute", touches=L)] = False
    solo: Annotated[bool, Spec(label="Solo", only=_LAMPS, touches=L)] = False
    seen_by_camera: Annotated[bool, Spec(label="Seen by camera", only=_LAMPS, touches=L)] = True
    seen_in_reflections: Annotated[bool, Spec(label="Seen in reflections", only=_LAMPS, touches=L)] = True
    casts_shadows: Annotated[bool, Spec(label="Casts shadows", only=_LAMPS, touches=L)] = True
    shadow_color: Annotated[
        Color,
        Spec(
            label="Shadow colour",
            lo=0.0,
            hi=1.0,
            colour=True,
            only=_LAMPS,
            touches=L,
            help="Unphysical: the share of the light that what blocks it lets through; black is off",
        ),
    ] = (0.0, 0.0, 0.0)
    light_link_mode: Annotated[
        str,
        Spec(
            label="Illuminates",
            animatable=False,
            choices=LINK_MODES,
            only=_LAMPS,
            touches=L,
            help="Which objects it lights",
        ),
    ] = "all"
    light_links: Annotated[tuple[Id, ...], Spec(label="Light links", animatable=False, only=_LAMPS, touches=L)] = ()
    shadow_link_mode: Annotated[
        str,
        Spec(
            label="Blocked by",
            animatable=False,
            choices=LINK_MODES,
            only=_LAMPS,
            touches=L,
            help="Which objects block it",
        ),
    ] = "all"
    shadow_links: Annotated[tuple[Id, ...], Spec(label="Shadow links", animatable=False, only=_LAMPS, touches=L)] = ()
    diffuse_gain: Annotated[float, Spec(label="Diffuse gain", lo=0.0, only=_LAMPS, touches=L)] = 1.0
    specular_gain: Annotated[float, Spec(label="Specular gain", lo=0.0, only=_LAMPS, touches=L)] = 1.0


@agreeing(Light, "light", "unit")
def check_unit(light: Light) -> None:
    """Raise BadAsset for an unknown kind of light or a unit that does not fit it."""
    _factor(light.light, light.unit, light)


# --- the packed form -------------------------------------------------------------------------------------------------
_NUMBERS = (
    "intensity",
    "exposure",
    "temperature_k",
    "width_m",
    "height_m",
    "radius_m",
    "length_m",
    "angle_deg",
    "inner_cone_deg",
    "outer_cone_deg",
    "diffuse_gain",
    "specular_gain",
    *SHAPING,
)
_SIZES = ("width_m", "height_m", "radius_m", "length_m")
_SWITCHES = ("use_temperature", "two_sided", "seen_by_camera", "seen_in_reflections", "casts_shadows", "normalize")
LARGEST = 1e30  # emission beyond this would overflow a float32 film
_FLAT = ("rectangle", "disk")
_AREAS = (*_FLAT, "sphere", "cylinder")
_PICTURED = (*_FLAT, "dome")  # kinds that shine with an image


def pack(
    lights: Sequence[Light], *, images: Mapping[str, int], groups: Mapping[str, int], textures: Sequence[Image] = ()
) -> NDArray[np.void]:
    """(n,) LIGHT rows of lights; `open`, `close` and `entity` are left for the caller, who knows where lights are.

    `images` and `groups` give the rows of FlatScene.textures and light_groups, `textures` the images themselves, for
    the lumens of IES profiles; an image that is no profile is none. A light that cannot shine (no size, no strength,
    a number that is not finite, a portal) has emission 0. A point light with a radius becomes a sphere of the same
    intensity. Raises BadAsset for an unknown kind or a unit that does not fit the kind.
    """
    rows = np.zeros(len(lights), LIGHT)
    if not len(lights):
        return rows
    number = dict(zip(_NUMBERS, np.array(list(map(attrgetter(*_NUMBERS), lights)), np.float64).T, strict=True))
    for name in _SIZES:
        number[name] = np.clip(np.nan_to_num(number[name], nan=0.0), 0.0, FARTHEST_M)
    switch = dict(zip(_SWITCHES, np.array(list(map(attrgetter(*_SWITCHES), lights)), np.bool_).T, strict=True))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        strength = _shaped(rows, lights, number, switch, images, textures)
        color = np.array([light.color for light in lights], np.float64)
        warm = switch["use_temperature"]
        if warm.any():
            color[warm] *= blackbody(number["temperature_k"][warm])
        emission = np.maximum(color, 0.0) * strength[:, None]
    shines = np.isfinite(emission).all(axis=1) & (emission.max(axis=1) < LARGEST) & (strength > 0) & _has_size(rows)
    shines &= rows["kind"] != KINDS["portal"]
    rows["emission"] = np.where(shines[:, None], emission, 0.0)
    _fill_flags(rows, switch)
    pictured = [light.image if light.light in _PICTURED else "" for light in lights]
    rows["image"] = [images.get(key, -1) if key else -1 for key in pictured]
    rows["group"] = [groups.get(light.group, 0) for light in lights]
    gain = np.stack([number["diffuse_gain"], number["specular_gain"]], axis=1)
    rows["gain"] = np.clip(np.nan_to_num(gain, nan=1.0), 0.0, 1e6)
    rows["shadow_color"] = np.clip(np.nan_to_num(np.array([light.shadow_color for light in lights])), 0.0, 1.0)
    rows["instance"] = rows["part"] = rows["entity"] = -1
    return rows


def _shaped(
    rows: NDArray[np.void],
    lights: Sequence[Light],
    number: Mapping[str, F64],
    switch: Mapping[str, NDArray[np.bool_]],
    images: Mapping[str, int],
    textures: Sequence[Image],
) -> F64:
    """Fill kinds, sizes and what shapes the light; gives (n,) the luminous strength in each kind's quantity."""
    kinds = np.array([light.light for light in lights])
    cos_outer = np.minimum(np.cos(np.radians(np.clip(number["outer_cone_deg"], 0.0, 90.0))), 1.0 - 1e-6)
    cos_inner = np.cos(np.radians(np.clip(number["inner_cone_deg"], 0.0, 90.0)))
    cos_inner = np.clip(cos_inner, cos_outer + 1e-6, 1.0)
    spot = kinds == "spot"
    profile = np.where(
        spot | (kinds == "point"), profile_rows([light.ies for light in lights], images, textures), -1
    ).astype(np.int32)
    measured = solid_angles(profile, textures, cos_inner, cos_outer, spot)
    half = half_spread(number["spread_deg"])
    shape = {
        "width": number["width_m"],
        "height": number["height_m"],
        "radius": number["radius_m"],
        "length": number["length_m"],
        "cos_outer": cos_outer,
        "cos_inner": cos_inner,
        "sides": 1.0 + switch["two_sided"],
        "steradians": np.where(
            np.isnan(measured), np.where(spot, cone_solid_angle(cos_inner, cos_outer), 4 * np.pi), measured
        ),
        "through": grid_share(half),
    }
    strength = number["intensity"] * np.exp2(number["exposure"])
    pairs = [(light.light, light.unit) for light in lights]
    for kind, unit in set(pairs):
        at = np.flatnonzero([pair == (kind, unit) for pair in pairs])
        mine = {name: column[at] for name, column in shape.items()}
        _fill_kind(rows, at, mine, kind, number)
        strength[at] *= _factor(kind, unit, lights[at[0]])(mine)
        if unit == "nt" and kind in _AREAS:
            strength[at] /= np.where(switch["normalize"][at], surface_area(kind, mine), 1.0)
    flat = np.isin(kinds, _FLAT)
    rows["profile"] = profile
    rows["gobo"] = np.where(spot, [images.get(light.gobo, -1) if light.gobo else -1 for light in lights], -1)
    rows["gobo_turn"] = np.where((rows["gobo"] >= 0)[:, None], gobo_turns(number, cos_outer), 0.0)
    rows["spread"] = np.where(flat, spread_column(half), 0.0)
    doors, soft = door_columns(number)
    rows["barn"] = np.where((flat | spot)[:, None], doors, 0.0)
    rows["barn_soft"] = np.where(flat | spot, soft, 0.0)
    _round_points(rows, strength, number["radius_m"])
    return strength


def _factor(kind: str, unit: str, light: Light) -> Callable[[Shape], F64]:
    """The function of PER_UNIT, or a sentence that says what would fit."""
    found = PER_UNIT.get((kind, unit))
    if found is not None:
        return found
    name = light.name or light.id
    if not units_of(kind):
        known = ", ".join(sorted({k for k, _ in PER_UNIT}))
        raise BadAsset(f'Light "{name}" is of the unknown kind "{kind}"; set it to one of {known}.')
    raise BadAsset(f'Light "{name}": a {kind} light cannot be set in "{unit}"; use {" or ".join(units_of(kind))}.')


def _fill_kind(
    rows: NDArray[np.void],
    at: NDArray[np.intp],
    shape: Mapping[str, NDArray[np.float64]],
    kind: str,
    number: Mapping[str, NDArray[np.float64]],
) -> None:
    """Kind, size and cone of the rows `at`, all of one kind."""
    rows["kind"][at] = KINDS.get(kind, 0)
    if kind in ("rectangle", "portal"):
        rows["size"][at] = np.stack([shape["width"], shape["height"]], axis=1)
    elif kind == "cylinder":
        rows["size"][at] = np.stack([shape["radius"], shape["length"]], axis=1)
    elif kind in ("disk", "sphere"):
        rows["size"][at, 0] = shape["radius"]
    elif kind == "distant":
        rows["size"][at, 0] = np.radians(np.clip(number["angle_deg"][at], 0.0, 180.0))
    elif kind == "spot":
        rows["cone"][at] = np.stack([shape["cos_inner"], shape["cos_outer"]], axis=1)


def _round_points(rows: NDArray[np.void], strength: NDArray[np.float64], radius: NDArray[np.float64]) -> None:
    """Point lights with a radius become spheres: seen from afar, radiance I / (pi r^2) is the same intensity I."""
    round_ = (rows["kind"] == KINDS["point"]) & (radius > 0)
    rows["kind"][round_] = KINDS["sphere"]
    rows["size"][round_, 0] = radius[round_]
    strength[round_] /= np.pi * radius[round_] ** 2


def _has_size(rows: NDArray[np.void]) -> NDArray[np.bool_]:
    """Which rows have an area to shine with, or need none."""
    first, second = rows["size"][:, 0] > 0, rows["size"][:, 1] > 0
    kind = rows["kind"]
    flat = np.isin(kind, (KINDS["rectangle"], KINDS["cylinder"], KINDS["portal"]))
    return np.asarray(np.where(flat, first & second, first | ~np.isin(kind, (KINDS["disk"], KINDS["sphere"]))))


def _fill_flags(rows: NDArray[np.void], switch: Mapping[str, NDArray[np.bool_]]) -> None:
    sided = switch["two_sided"] & ((rows["kind"] == KINDS["rectangle"]) | (rows["kind"] == KINDS["disk"]))
    rows["flags"] = (
        switch["seen_by_camera"] * SEEN_BY_CAMERA
        | switch["seen_in_reflections"] * SEEN_IN_REFLECTIONS
        | switch["casts_shadows"] * CASTS_SHADOWS
        | sided * TWO_SIDED
    )
