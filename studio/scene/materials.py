"""OpenPBR surface: the one material model of both renderers.

Parameter names, defaults and meanings are those of the OpenPBR Surface specification 1.1 (Academy Software
Foundation, https://academysoftwarefoundation.github.io/OpenPBR). `pack()` turns materials into the two arrays that
the tracer and the viewport read; its layout is the contract between them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.scene.schema import Spec, Touches

M = Touches.MATERIAL
Color = tuple[float, float, float]
Unit = Annotated[float, Spec(lo=0.0, hi=1.0, touches=M)]
_RADIUS_HELP = "How far light travels below the surface before it scatters, on average"
_SECOND_HELP = "Roughness of the second lobe as a multiple of the first"
_IRIS_HELP = "0: not an eye"
_PUPIL_HELP = "Radius of the pupil as a share of the iris"


def _unit(label: str) -> Spec:
    return Spec(label=label, lo=0.0, hi=1.0, touches=M)


def _color(label: str) -> Spec:
    return Spec(label=label, lo=0.0, hi=1.0, colour=True, touches=M)


class Texture(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One image bound to one parameter. The texel is scaled and biased, then multiplies the parameter.

    `channel` is "rgb", "r", "g", "b" or "a". `offset`, `rotation_deg`, `scale` are KHR_texture_transform's:
    uv' = offset + rotate(scale * uv).
    """

    image: str  # key of scene.images; "" when missing (drawn magenta)
    channel: str = "rgb"
    uv: int = 0
    offset: tuple[float, float] = (0.0, 0.0)
    rotation_deg: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    wrap_u: str = "repeat"  # "repeat", "mirror", "clamp"
    wrap_v: str = "repeat"
    filter: str = "linear"  # "linear", "nearest"
    gain: float = 1.0
    bias: float = 0.0
    path: str = ""  # where a missing image was looked for, so that it can be relinked


class Material(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An OpenPBR surface. Distances in metres, luminance in nits, thickness in micrometres, colours linear Rec.709.

    `textures` maps a parameter's name to its `Texture`; the names accepted are the keys of `SLOTS`.
    """

    id: str = ""
    name: str = "material"
    base_weight: Annotated[float, _unit("Base weight")] = 1.0
    base_color: Annotated[Color, _color("Base colour")] = (0.8, 0.8, 0.8)
    base_diffuse_roughness: Annotated[float, _unit("Diffuse roughness")] = 0.0
    base_metalness: Annotated[float, _unit("Metalness")] = 0.0
    specular_weight: Annotated[float, Spec(label="Specular weight", lo=0.0, touches=M)] = 1.0
    specular_color: Annotated[Color, _color("Specular colour")] = (1.0, 1.0, 1.0)
    specular_roughness: Annotated[float, _unit("Roughness")] = 0.3
    specular_roughness_anisotropy: Annotated[float, _unit("Anisotropy")] = 0.0
    specular_rotation_deg: Annotated[float, Spec(label="Anisotropy rotation", unit="deg", touches=M)] = 0.0
    specular_ior: Annotated[float, Spec(label="Index of refraction", lo=1.0, soft_hi=3.0, touches=M)] = 1.5
    # beyond OpenPBR: skin shines in two lobes, one softer than the other (d'Eon and Luebke, GPU Gems 3, 2007)
    specular_second_weight: Annotated[float, _unit("Second lobe")] = 0.0
    specular_second_scale: Annotated[
        float, Spec(label="Second lobe roughness", lo=0.1, hi=10.0, touches=M, help=_SECOND_HELP)
    ] = 1.7
    transmission_weight: Annotated[float, _unit("Transmission")] = 0.0
    transmission_color: Annotated[Color, _color("Transmission colour")] = (1.0, 1.0, 1.0)
    transmission_depth: Annotated[float, Spec(label="Transmission depth", unit="m", lo=0.0, touches=M)] = 0.0
    transmission_scatter: Annotated[Color, _color("Transmission scatter")] = (0.0, 0.0, 0.0)
    transmission_scatter_anisotropy: Annotated[
        float, Spec(label="Scatter anisotropy", lo=-0.99, hi=0.99, touches=M)
    ] = 0.0
    transmission_dispersion_scale: Annotated[float, _unit("Dispersion")] = 0.0
    transmission_dispersion_abbe_number: Annotated[
        float, Spec(label="Abbe number", lo=9.0, soft_hi=91.0, touches=M)
    ] = 20.0
    subsurface_weight: Annotated[float, _unit("Subsurface")] = 0.0
    subsurface_color: Annotated[Color, _color("Subsurface colour")] = (0.8, 0.8, 0.8)
    subsurface_radius: Annotated[
        float, Spec(label="Subsurface radius", unit="m", lo=0.0, soft_hi=0.02, touches=M, help=_RADIUS_HELP)
    ] = 0.005
    subsurface_radius_scale: Annotated[Color, _color("Subsurface radius by colour")] = (1.0, 0.5, 0.25)
    subsurface_scatter_anisotropy: Annotated[
        float, Spec(label="Subsurface anisotropy", lo=-0.95, hi=0.95, touches=M)
    ] = 0.0
    coat_weight: Annotated[float, _unit("Coat")] = 0.0
    coat_color: Annotated[Color, _color("Coat colour")] = (1.0, 1.0, 1.0)
    coat_roughness: Annotated[float, _unit("Coat roughness")] = 0.0
    coat_roughness_anisotropy: Annotated[float, _unit("Coat anisotropy")] = 0.0
    coat_ior: Annotated[float, Spec(label="Coat index of refraction", lo=1.0, soft_hi=3.0, touches=M)] = 1.6
    coat_darkening: Annotated[float, _unit("Coat darkening")] = 1.0
    fuzz_weight: Annotated[float, _unit("Fuzz")] = 0.0
    fuzz_color: Annotated[Color, _color("Fuzz colour")] = (1.0, 1.0, 1.0)
    fuzz_roughness: Annotated[float, _unit("Fuzz roughness")] = 0.5
    emission_luminance: Annotated[float, Spec(label="Emission", unit="nt", lo=0.0, touches=M | Touches.LIGHT)] = 0.0
    emission_color: Annotated[Color, Spec(label="Emission colour", lo=0.0, colour=True, touches=M | Touches.LIGHT)] = (
        1.0,
        1.0,
        1.0,
    )
    thin_film_weight: Annotated[float, _unit("Thin film")] = 0.0
    thin_film_thickness: Annotated[float, Spec(label="Film thickness", unit="um", lo=0.0, touches=M)] = 0.5
    thin_film_ior: Annotated[float, Spec(label="Film index of refraction", lo=1.0, soft_hi=3.0, touches=M)] = 1.4
    geometry_opacity: Annotated[float, _unit("Opacity")] = 1.0
    geometry_thin_walled: Annotated[bool, Spec(label="Thin walled", touches=M)] = False
    # beyond OpenPBR: how the surface meets the file it came from
    alpha_mode: Annotated[
        str, Spec(label="Alpha mode", choices=("opaque", "mask", "blend"), touches=M, animatable=False)
    ] = "blend"
    alpha_cutoff: Annotated[float, _unit("Alpha cutoff")] = 0.5
    double_sided: Annotated[bool, Spec(label="Emit from both sides", touches=M | Touches.LIGHT)] = False
    normal_scale: Annotated[float, Spec(label="Normal map strength", touches=M)] = 1.0
    bump_scale: Annotated[float, Spec(label="Bump height", unit="m", touches=M)] = 0.0
    unlit: Annotated[bool, Spec(label="Unlit", touches=M)] = False
    # an eyeball that looks along its object's +z: what is seen through the cornea lies on the plane of the iris
    eye_iris_radius: Annotated[
        float, Spec(label="Iris radius", unit="m", lo=0.0, soft_hi=0.01, touches=M, help=_IRIS_HELP)
    ] = 0.0
    eye_iris_plane: Annotated[float, Spec(label="Iris from the centre", unit="m", lo=0.0, soft_hi=0.02, touches=M)] = (
        0.0095
    )
    eye_pupil: Annotated[float, Spec(label="Pupil", lo=0.1, hi=0.9, touches=M, help=_PUPIL_HELP)] = 0.35
    eye_limbus: Annotated[float, _unit("Limbus")] = 0.6
    eye_iris_color: Annotated[Color, _color("Iris colour")] = (1.0, 1.0, 1.0)
    # how far the wrinkle maps show; figures drive them
    wrinkle_1: Annotated[float, _unit("Wrinkles 1")] = 0.0
    wrinkle_2: Annotated[float, _unit("Wrinkles 2")] = 0.0
    wrinkle_3: Annotated[float, _unit("Wrinkles 3")] = 0.0
    textures: dict[str, Texture] = {}
    extra: dict[str, msgspec.Raw] = {}


# Slots that take a texture, in the order of their codes in the packed slot table.
SLOTS: dict[str, int] = {
    name: code
    for code, name in enumerate(
        (
            "base_color",
            "base_metalness",
            "specular_roughness",
            "specular_weight",
            "specular_color",
            "specular_roughness_anisotropy",
            "transmission_weight",
            "coat_weight",
            "coat_roughness",
            "coat_color",
            "fuzz_weight",
            "fuzz_color",
            "fuzz_roughness",
            "emission_color",
            "thin_film_weight",
            "thin_film_thickness",
            "geometry_opacity",
            "geometry_normal",
            "geometry_coat_normal",
            "bump",
            "specular_rotation",
            "subsurface_weight",
            "subsurface_color",
            "wrinkle_1_normal",
            "wrinkle_2_normal",
            "wrinkle_3_normal",
            "wrinkle_1_color",
            "wrinkle_2_color",
            "wrinkle_3_color",
        )
    )
}

# --- the packed form -------------------------------------------------------------------------------------------------
# A material is STRIDE floats. Scalars first by name, colours as three floats. Integers are stored as float values.
_LAYOUT: tuple[tuple[str, int], ...] = (
    ("base_color", 3),  # premultiplied by base_weight
    ("base_diffuse_roughness", 1),
    ("base_metalness", 1),
    ("specular_weight", 1),
    ("specular_color", 3),
    ("specular_roughness", 1),
    ("specular_roughness_anisotropy", 1),
    ("specular_rotation", 1),  # radians
    ("specular_ior", 1),
    ("transmission_weight", 1),
    ("transmission_color", 3),
    ("transmission_depth", 1),
    ("transmission_scatter", 3),
    ("transmission_scatter_anisotropy", 1),
    ("transmission_dispersion_scale", 1),
    ("transmission_dispersion_abbe_number", 1),
    ("coat_weight", 1),
    ("coat_color", 3),
    ("coat_roughness", 1),
    ("coat_roughness_anisotropy", 1),
    ("coat_ior", 1),
    ("coat_darkening", 1),
    ("fuzz_weight", 1),
    ("fuzz_color", 3),
    ("fuzz_roughness", 1),
    ("emission", 3),  # emission_luminance * emission_color, nits
    ("thin_film_weight", 1),
    ("thin_film_thickness", 1),
    ("thin_film_ior", 1),
    ("geometry_opacity", 1),
    ("thin_walled", 1),
    ("alpha_mode", 1),  # 0 opaque, 1 mask, 2 blend
    ("alpha_cutoff", 1),
    ("double_sided", 1),
    ("normal_scale", 1),
    ("bump_scale", 1),
    ("unlit", 1),
    ("slot_start", 1),  # rows of the slot table
    ("slot_count", 1),
    ("subsurface_weight", 1),
    ("subsurface_color", 3),
    ("subsurface_radius", 3),  # subsurface_radius * subsurface_radius_scale, metres
    ("subsurface_scatter_anisotropy", 1),
    ("specular_second_weight", 1),
    ("specular_second_scale", 1),
    ("eye_iris_radius", 1),
    ("eye_iris_plane", 1),
    ("eye_pupil", 1),
    ("eye_limbus", 1),
    ("eye_iris_color", 3),
    ("wrinkle_1", 1),
    ("wrinkle_2", 1),
    ("wrinkle_3", 1),
)
OFFSET: dict[str, int] = {}
STRIDE = 0
for _name, _size in _LAYOUT:
    OFFSET[_name] = STRIDE
    STRIDE += _size
STRIDE = -(-STRIDE // 16) * 16

# A texture slot is SLOT_STRIDE floats: target (SLOTS), image index (-1: missing), uv set, channel (0 r, 1 g, 2 b, 3 a,
# 4 rgb), wrap u, wrap v (0 repeat, 1 mirror, 2 clamp), filter (0 nearest, 1 linear), colour space (0 data, 1 srgb,
# 2 linear), gain, bias, then the 2x3 matrix that maps uv (row major).
SLOT_STRIDE = 16

_CHANNELS = {"r": 0, "g": 1, "b": 2, "a": 3, "rgb": 4}
_WRAPS = {"repeat": 0, "mirror": 1, "clamp": 2}
_FILTERS = {"nearest": 0, "linear": 1}
_SPACES = {"data": 0, "srgb": 1, "linear": 2}
_ALPHA_MODES = {"opaque": 0, "mask": 1, "blend": 2}
DEFAULT = Material(id="", name="default")

_MADE = ("alpha_mode", "subsurface_radius")  # columns that bear the name of a field and are made of more
_DIRECT = tuple(name for name, _ in _LAYOUT if name in Material.__struct_fields__ and name not in _MADE)
_RENAMED = ("base_weight", "specular_rotation_deg", "emission_luminance", "emission_color")
_RADII = ("subsurface_radius", "subsurface_radius_scale")
_RENAMED_SWITCHES = ("geometry_thin_walled", "alpha_mode")


def pack(materials: Sequence[Material], slots: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """(m, STRIDE) rows of materials as `_LAYOUT` lays them out.

    `slots` is the table that `pack_slots` made of the same materials; without it no material has textures. A number
    that is not finite takes the default's value, so that no renderer meets NaN.
    """
    rows = np.zeros((len(materials), STRIDE), np.float32)
    if not len(materials):
        return rows
    columns = zip(*map(attrgetter(*_DIRECT), materials), strict=True)
    for name, column in zip(_DIRECT, columns, strict=True):
        _put(rows, name, np.array(column, np.float64), getattr(DEFAULT, name))
    weight, rotation, luminance, color = (
        np.array(column, np.float64) for column in zip(*map(attrgetter(*_RENAMED), materials), strict=True)
    )
    start = OFFSET["base_color"]
    rows[:, start : start + 3] *= np.nan_to_num(weight, nan=1.0)[:, None]
    _put(rows, "specular_rotation", np.radians(rotation), 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        _put(rows, "emission", luminance[:, None] * color, 0.0)
    radius, scale = (np.array(column, np.float64) for column in zip(*map(attrgetter(*_RADII), materials), strict=True))
    with np.errstate(over="ignore", invalid="ignore"):
        _put(rows, "subsurface_radius", radius[:, None] * scale, DEFAULT.subsurface_radius)
    rows[:, OFFSET["thin_walled"]] = [m.geometry_thin_walled for m in materials]
    rows[:, OFFSET["alpha_mode"]] = [_ALPHA_MODES.get(m.alpha_mode, 2) for m in materials]
    counts = np.array([sum(name in SLOTS for name in m.textures) for m in materials])
    if slots is not None and counts.any():
        rows[:, OFFSET["slot_start"]] = np.concatenate([[0], np.cumsum(counts)[:-1]])
        rows[:, OFFSET["slot_count"]] = counts
    return rows


def _put(rows: NDArray[np.float32], name: str, values: NDArray[np.float64], default: object) -> None:
    start = OFFSET[name]
    values = values.reshape(len(rows), -1)
    with np.errstate(over="ignore"):
        finite = np.isfinite(values.astype(np.float32))
    rows[:, start : start + values.shape[1]] = np.where(finite, values, np.asarray(default, np.float64))


def pack_slots(
    materials: Sequence[Material], images: Mapping[str, int], colour_space: Callable[[str], str]
) -> NDArray[np.float32]:
    """(s, SLOT_STRIDE) texture slots of materials, each material's together and in the order of `SLOTS`.

    `images` gives the row of FlatScene.textures of an image key (a missing key is -1, drawn magenta) and
    `colour_space` an image key's space. Images bound to parameters that are not colours are read as data whatever
    they say.
    """
    rows = [
        _slot(name, material.textures[name], images, colour_space)
        for material in materials
        if material.textures
        for name in SLOTS
        if name in material.textures
    ]
    return np.array(rows, np.float32).reshape(-1, SLOT_STRIDE)


def _slot(
    name: str, texture: Texture, images: Mapping[str, int], colour_space: Callable[[str], str]
) -> tuple[float, ...]:
    space = colour_space(texture.image) if name.endswith("_color") else "data"
    return (
        SLOTS[name],
        images.get(texture.image, -1),
        texture.uv if texture.uv in (0, 1) else 0,
        _CHANNELS.get(texture.channel, 4),
        _WRAPS.get(texture.wrap_u, 0),
        _WRAPS.get(texture.wrap_v, 0),
        _FILTERS.get(texture.filter, 1),
        _SPACES.get(space, 1),
        _finite(texture.gain, 1.0),
        _finite(texture.bias, 0.0),
        *_uv_matrix(tuple(texture.offset), texture.rotation_deg, tuple(texture.scale)),
    )


@functools.lru_cache(maxsize=4096)
def _uv_matrix(
    offset: tuple[float, float], rotation_deg: float, scale: tuple[float, float]
) -> tuple[float, float, float, float, float, float]:
    """Row-major 2x3 matrix of KHR_texture_transform: uv' = translation * rotation * scale * uv.

    The rotation is counter-clockwise with v running down, as its text, Babylon.js and Blender have it; the GLSL
    listing in its README turns the other way (github.com/KhronosGroup/glTF/issues/1563).
    """
    angle = math.radians(_finite(rotation_deg, 0.0))
    c, s = math.cos(angle), math.sin(angle)
    (u, v), (x, y) = offset, scale
    x, y = _finite(x, 1.0), _finite(y, 1.0)
    return (c * x, s * y, _finite(u, 0.0), -s * x, c * y, _finite(v, 0.0))


def _finite(value: float, default: float) -> float:
    return value if abs(value) < 1e30 else default


def emissive(rows: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(m,) True for packed materials that emit light."""
    start = OFFSET["emission"]
    return np.asarray((rows[:, start : start + 3] > 0).any(axis=1))
