"""How rows of the flat scene lie in data textures, and the GLSL that reads them back, made from the same layouts.

A table is a texture of 32-bit words, four to a texel, whose rows are padded to whole texels; `PER_LINE` rows stand
side by side. Accessors are generated from LIGHT, INSTANCE and the material layout, so that a field added there can be
read in a shader at once and none can drift. OpenGL 4.1 has neither storage buffers nor, in moderngl, buffer textures;
`texelFetch` from a table is the same thing with two coordinates.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.scene import materials
from studio.scene.flat import INSTANCE
from studio.scene.lights import KINDS, LIGHT

PER_LINE = 64
WORD = 4
TEXEL_WORDS = 4

# the slot table carries, beside the packed slot, where its image lies: texture array, layer, exponent, width, height
SLOT_WORDS = materials.SLOT_STRIDE
PLACE_WORDS = 8  # array (-1: missing), layer, power of two, colour space, width, height, 0, 0

_TYPES = {"i4": ("int", "int({})"), "u4": ("uint", "{}"), "f4": ("float", "uintBitsToFloat({})")}


def texels_of(words: int) -> int:
    """Texels of a row of so many words."""
    return -(-words // TEXEL_WORDS)


def as_words(rows: NDArray[Any]) -> NDArray[np.uint32]:
    """(n, 4 * texels) words of records or of rows of floats, padded with zeros."""
    if rows.dtype.names is not None:
        flat = np.ascontiguousarray(rows).view(np.uint32).reshape(len(rows), rows.dtype.itemsize // WORD)
    elif rows.dtype == np.uint32:
        flat = rows
    else:
        flat = np.ascontiguousarray(rows, np.float32).view(np.uint32)
    width = texels_of(flat.shape[1]) * TEXEL_WORDS
    if flat.shape[1] == width:
        return flat
    out = np.zeros((len(flat), width), np.uint32)
    out[:, : flat.shape[1]] = flat
    return out


def size_of(rows: int, texels: int) -> tuple[int, int]:
    """Width and height in texels of a table with so many rows."""
    return texels * PER_LINE, max(1, -(-rows // PER_LINE))


@functools.cache
def generated() -> str:
    """The GLSL of `generated.glsl`."""
    parts = [
        "// Made by studio/viewport/layouts.py from the layouts of the flat scene.",
        f"const int PER_LINE = {PER_LINE};",
        *(f"const int KIND_{name.upper()} = {code};" for name, code in KINDS.items()),
        *(f"const int SLOT_{name.upper()} = {code};" for name, code in materials.SLOTS.items()),
        _struct("Light", LIGHT),
        _fetch("Light", "fetch_light", "lights_table", LIGHT, floats=False),
        _struct("Instance", INSTANCE),
        _fetch("Instance", "fetch_instance", "instances_table", INSTANCE, floats=False, guard="USE_INSTANCES"),
        _material(),
    ]
    return "\n".join(parts) + "\n"


def _fields(dtype: np.dtype[Any]) -> list[tuple[str, str, int, int]]:
    """Name, scalar type, words and first word of every field."""
    out = []
    assert dtype.names is not None and dtype.fields is not None
    for name in dtype.names:
        kind, offset = dtype.fields[name][:2]
        scalar, shape = kind.subdtype if kind.subdtype else (kind, ())
        out.append((name, scalar.str[1:], int(np.prod(shape, dtype=int)), offset // WORD))
    return out


def _glsl_type(scalar: str, words: int) -> str:
    plain = _TYPES[scalar][0]
    if words == 12:
        return "mat4x3"
    prefix = {"int": "i", "uint": "u", "float": ""}[plain]
    return plain if words == 1 else f"{prefix}vec{words}"


def _struct(name: str, dtype: np.dtype[Any]) -> str:
    members = [f"    {_glsl_type(scalar, words)} {field};" for field, scalar, words, _ in _fields(dtype)]
    return "\n".join([f"struct {name} {{", *members, "};"])


def _word(index: int) -> str:
    return f"t{index // TEXEL_WORDS}.{'xyzw'[index % TEXEL_WORDS]}"


def _fetch(name: str, function: str, table: str, dtype: np.dtype[Any], *, floats: bool, guard: str = "") -> str:
    texels = texels_of(dtype.itemsize // WORD)
    lines = [
        f"uniform usampler2D {table};",
        f"{name} {function}(int row) {{",
        f"    ivec2 at = ivec2((row % PER_LINE) * {texels}, row / PER_LINE);",
        *(f"    uvec4 t{k} = texelFetch({table}, at + ivec2({k}, 0), 0);" for k in range(texels)),
        f"    {name} v;",
    ]
    for field, scalar, words, first in _fields(dtype):
        cast = _TYPES[scalar][1]
        if words == 12:  # (3, 4) row major in memory; GLSL's columns are the axes and the origin
            order = [first + row * 4 + column for column in range(4) for row in range(3)]
        else:
            order = list(range(first, first + words))
        values = ", ".join(cast.format(_word(i)) for i in order)
        lines.append(f"    v.{field} = {_glsl_type(scalar, words)}({values});")
    lines += ["    return v;", "}"]
    return "\n".join([f"#ifdef {guard}", *lines, "#endif"] if guard else lines)


def _material() -> str:
    """`Material fetch_material(int row)`: every field of the packed layout under its name."""
    names = sorted(materials.OFFSET, key=materials.OFFSET.__getitem__)
    ends = [materials.OFFSET[n] for n in names[1:]] + [materials.OFFSET[names[-1]] + 1]  # the last one is a number
    sizes = {name: end - materials.OFFSET[name] for name, end in zip(names, ends)}
    kinds = {1: "float", 3: "vec3"}
    texels = texels_of(materials.STRIDE)
    lines = ["struct Material {", *(f"    {kinds[sizes[n]]} {n};" for n in names), "};"]
    lines += [
        "uniform sampler2D materials_table;",
        "Material fetch_material(int row) {",
        f"    ivec2 at = ivec2((row % PER_LINE) * {texels}, row / PER_LINE);",
        *(f"    vec4 t{k} = texelFetch(materials_table, at + ivec2({k}, 0), 0);" for k in range(texels)),
        "    Material m;",
    ]
    for name in names:
        first = materials.OFFSET[name]
        values = ", ".join(_word(i) for i in range(first, first + sizes[name]))
        lines.append(f"    m.{name} = {kinds[sizes[name]]}({values});")
    lines += ["    return m;", "}"]
    return "\n".join(lines)
