"""Lights: what an artist can light with, in photometric units.

A light shines along its own -z; only its fields size it, never a scale above it. Emissive meshes are lights too and
come from materials. `pack` turns any kind into one `LIGHT` row, the form that both renderers read; how a unit becomes
radiance, intensity or illuminance is said once, in `studio.scene.photometry`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset
from studio.scene.entities import Entity
from studio.scene.photometry import F64, PER_UNIT, Shape, blackbody, units_of
from studio.scene.schema import Spec, Touches, agreeing, entity_kind
from studio.scene.transforms import FARTHEST_M

L = Touches.LIGHT
Color = tuple[float, float, float]

# codes of the `kind` column of LIGHT
KINDS: dict[str, int] = {
    name: code
    for code, name in enumerate(("point", "spot", "rectangle", "disk", "sphere", "cylinder", "distant", "dome", "mesh"))
}

_AUTHORED = tuple(KINDS)[:-1]  # mesh lights come from materials

# flags of LIGHT
SEEN_BY_CAMERA, SEEN_IN_REFLECTIONS, CASTS_SHADOWS, TWO_SIDED = 1, 2, 4, 8

LIGHT = np.dtype(
    [
        ("kind", "i4"),  # KINDS
        ("flags", "u4"),
        ("group", "i4"),  # index into FlatScene.light_groups
        ("image", "i4"),  # index into FlatScene.textures, -1: none (dome and area lights)
        ("instance", "i4"),  # mesh lights: row of FlatScene.instances, else -1
        ("part", "i4"),  # mesh lights: part of the mesh
        ("entity", "i4"),  # index into FlatScene.light_names
        ("link", "u4"),  # bit mask of receivers lit, all ones by default
        # linear working-space colour: radiance in nits (areas, dome, mesh), intensity in cd (point, spot),
        # illuminance at normal incidence in lx (distant)
        ("emission", "f4", (3,)),
        # rectangle: width, height; disk, sphere: radius; cylinder: radius, length (along x); distant: angle (radians,
        # full); in metres. Unused entries are 0.
        ("size", "f4", (2,)),
        ("cone", "f4", (2,)),  # spot: cosine of the inner and outer half angle; t^2 between, t linear in the cosine
        ("gain", "f4", (2,)),  # multiplies diffuse and specular response
        ("open", "f4", (3, 4)),  # rigid light-to-world at shutter open
        ("close", "f4", (3, 4)),  # and at shutter close
    ]
)


@entity_kind
class Light(Entity, frozen=True, kw_only=True, omit_defaults=True, tag="light"):
    """A light of any kind.

    The strength is `intensity * 2**exposure` in `unit`: "cd" or "lm" for point and spot, "nt" or "lm" for areas,
    "lx" for distant, "nt" for dome. `temperature_k` colours the light when `use_temperature` is on, times `color`.
    """

    SORT: ClassVar[str] = "light"  # the field that says which others mean something

    light: Annotated[str, Spec(label="Kind", animatable=False, choices=_AUTHORED, touches=L)] = "point"
    intensity: Annotated[float, Spec(label="Intensity", lo=0.0, soft_hi=10000.0, touches=L)] = 100.0
    unit: Annotated[str, Spec(label="Unit", animatable=False, touches=L)] = "cd"
    exposure: Annotated[float, Spec(label="Exposure", unit="stops", soft_lo=-10.0, soft_hi=10.0, touches=L)] = 0.0
    color: Annotated[Color, Spec(label="Colour", lo=0.0, colour=True, touches=L)] = (1.0, 1.0, 1.0)
    temperature_k: Annotated[float, Spec(label="Temperature", unit="K", lo=1000.0, hi=40000.0, touches=L)] = 6500.0
    use_temperature: Annotated[bool, Spec(label="Use temperature", touches=L)] = False
    width_m: Annotated[float, Spec(label="Width", unit="m", lo=0.0, only=("rectangle",), touches=L)] = 1.0
    height_m: Annotated[float, Spec(label="Height", unit="m", lo=0.0, only=("rectangle",), touches=L)] = 1.0
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
    two_sided: Annotated[bool, Spec(label="Two-sided", only=("rectangle", "disk"), touches=L)] = False
    image: Annotated[str, Spec(label="Image", animatable=False, only=("rectangle", "disk", "dome"), touches=L)] = ""
    group: Annotated[str, Spec(label="Light group", animatable=False, touches=L)] = ""
    muted: Annotated[bool, Spec(label="Mute", touches=L)] = False
    solo: Annotated[bool, Spec(label="Solo", touches=L)] = False
    seen_by_camera: Annotated[bool, Spec(label="Seen by camera", touches=L)] = True
    seen_in_reflections: Annotated[bool, Spec(label="Seen in reflections", touches=L)] = True
    casts_shadows: Annotated[bool, Spec(label="Casts shadows", touches=L)] = True
    diffuse_gain: Annotated[float, Spec(label="Diffuse gain", lo=0.0, touches=L)] = 1.0
    specular_gain: Annotated[float, Spec(label="Specular gain", lo=0.0, touches=L)] = 1.0


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
)
_SIZES = ("width_m", "height_m", "radius_m", "length_m")
_SWITCHES = ("use_temperature", "two_sided", "seen_by_camera", "seen_in_reflections", "casts_shadows")
_LARGEST = 1e30  # emission beyond this would overflow a float32 film


def pack(lights: Sequence[Light], *, images: Mapping[str, int], groups: Mapping[str, int]) -> NDArray[np.void]:
    """(n,) LIGHT rows of lights; `open`, `close` and `entity` are left for the caller, who knows where lights are.

    `images` and `groups` give the rows of FlatScene.textures and light_groups. A light that cannot shine (no size,
    no strength, a number that is not finite) has emission 0. A point light with a radius becomes a sphere of the
    same intensity. Raises BadAsset for an unknown kind or a unit that does not fit the kind.
    """
    rows = np.zeros(len(lights), LIGHT)
    if not len(lights):
        return rows
    number = dict(zip(_NUMBERS, np.array(list(map(attrgetter(*_NUMBERS), lights)), np.float64).T, strict=True))
    for name in _SIZES:
        number[name] = np.clip(np.nan_to_num(number[name], nan=0.0), 0.0, FARTHEST_M)
    switch = dict(zip(_SWITCHES, np.array(list(map(attrgetter(*_SWITCHES), lights)), np.bool_).T, strict=True))
    outer = np.cos(np.radians(np.clip(number["outer_cone_deg"], 0.0, 90.0)))
    inner = np.cos(np.radians(np.clip(number["inner_cone_deg"], 0.0, 90.0)))
    shape = {
        "width": number["width_m"],
        "height": number["height_m"],
        "radius": number["radius_m"],
        "length": number["length_m"],
        "cos_outer": np.minimum(outer, 1.0 - 1e-6),
        "cos_inner": np.clip(inner, np.minimum(outer, 1.0 - 1e-6) + 1e-6, 1.0),
        "sides": 1.0 + switch["two_sided"],
    }
    pairs = [(light.light, light.unit) for light in lights]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        strength = number["intensity"] * np.exp2(number["exposure"])
        for kind, unit in set(pairs):
            at = np.flatnonzero([pair == (kind, unit) for pair in pairs])
            _fill_kind(rows, at, {name: column[at] for name, column in shape.items()}, kind, number)
            strength[at] *= _factor(kind, unit, lights[at[0]])({name: column[at] for name, column in shape.items()})
        _round_points(rows, strength, number["radius_m"])
        color = np.array([light.color for light in lights], np.float64)
        warm = switch["use_temperature"]
        if warm.any():
            color[warm] *= blackbody(number["temperature_k"][warm])
        emission = np.maximum(color, 0.0) * strength[:, None]
    shines = np.isfinite(emission).all(axis=1) & (emission.max(axis=1) < _LARGEST) & (strength > 0) & _has_size(rows)
    rows["emission"] = np.where(shines[:, None], emission, 0.0)
    _fill_flags(rows, switch)
    textured = rows["kind"] >= KINDS["rectangle"]
    rows["image"] = np.where(textured, [images.get(light.image, -1) if light.image else -1 for light in lights], -1)
    rows["group"] = [groups.get(light.group, 0) for light in lights]
    gain = np.stack([number["diffuse_gain"], number["specular_gain"]], axis=1)
    rows["gain"] = np.clip(np.nan_to_num(gain, nan=1.0), 0.0, 1e6)
    rows["instance"] = rows["part"] = rows["entity"] = -1
    rows["link"] = 0xFFFFFFFF
    return rows


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
    if kind == "rectangle":
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
    flat = (kind == KINDS["rectangle"]) | (kind == KINDS["cylinder"])
    return np.asarray(np.where(flat, first & second, first | ~np.isin(kind, (KINDS["disk"], KINDS["sphere"]))))


def _fill_flags(rows: NDArray[np.void], switch: Mapping[str, NDArray[np.bool_]]) -> None:
    sided = switch["two_sided"] & ((rows["kind"] == KINDS["rectangle"]) | (rows["kind"] == KINDS["disk"]))
    rows["flags"] = (
        switch["seen_by_camera"] * SEEN_BY_CAMERA
        | switch["seen_in_reflections"] * SEEN_IN_REFLECTIONS
        | switch["casts_shadows"] * CASTS_SHADOWS
        | sided * TWO_SIDED
    )
