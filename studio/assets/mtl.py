"""Wavefront .mtl material libraries, with the PBR lines that today's exporters add, as OpenPBR surfaces.

Source: Wavefront, "MTL material format"; Clara.io's PBR extension (Pr, Pm, Ps, Pc, Pcr, aniso, norm).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.assets.budget import Budget
from studio.assets.files import is_file, read_file
from studio.assets.images import decode_image, with_colour_space
from studio.assets.limits import clamped
from studio.assets.report import Notes
from studio.errors import BadAsset
from studio.scene.geometry import Image
from studio.scene.materials import Material, Texture

LARGEST_LIBRARY = 64_000_000
MATERIALS = 50_000
NUMBERS = {"Ns", "Ni", "d", "Tr", "illum", "Pr", "Pm", "Ps", "Pc", "Pcr", "aniso", "anisor"}
COLOURS = {"Kd", "Ks", "Ke", "Tf"}
# a map's slot, channel and whether it is colour
MAPS: dict[str, tuple[str, str, bool]] = {
    "map_kd": ("base_color", "rgb", True),
    "map_ke": ("emission_color", "rgb", True),
    "map_d": ("geometry_opacity", "r", False),
    "map_pr": ("specular_roughness", "r", False),
    "map_pm": ("base_metalness", "r", False),
    "map_ps": ("fuzz_weight", "r", False),
    "norm": ("geometry_normal", "rgb", False),
    "map_bump": ("bump", "r", False),
    "bump": ("bump", "r", False),
}
# options of a map line and how many words follow each
OPTIONS = {"-blendu": 1, "-blendv": 1, "-cc": 1, "-clamp": 1, "-texres": 1, "-bm": 1, "-boost": 1, "-imfchan": 1}
OPTIONS |= {"-type": 1, "-mm": 2, "-o": 3, "-s": 3, "-t": 3}
# illumination models in which a surface that lets light through refracts it
GLASS = {4, 6, 7, 9}


@dataclass(slots=True)
class Lines:
    """What a library says of one material."""

    numbers: dict[str, float] = field(default_factory=dict)
    colours: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    maps: dict[str, str] = field(default_factory=dict)


class MaterialLibrary:
    """The materials of one .obj file, from all libraries that it names."""

    def __init__(self, scene: Path, notes: Notes, *, budget: Budget, strict: bool) -> None:
        self.scene, self.notes, self.budget, self.strict = scene, notes, budget, strict
        self.materials: dict[str, Material] = {}
        self.images: dict[str, Image] = {}
        self._ids: dict[str, str] = {}
        self._images: dict[Path, Image | None] = {}

    def id_of(self, name: str) -> str:
        """The id of a material by its name; a name that no library has gives the default material."""
        if name and name not in self._ids:
            self.notes.warn(f"{self.scene.name}: material {name[:60]!r} is in no library; the default one is used.")
        return self._ids.get(name, "")

    def maps_normals(self, name: str) -> bool:
        """Whether a material has a normal map, which needs tangents."""
        material = self.materials.get(self._ids.get(name, ""))
        return material is not None and "geometry_normal" in material.textures

    def read_all(self, names: str, place: str) -> None:
        """Read the libraries of a line: one name, which may hold spaces, or several."""
        whole = self._beside(names, self.scene.parent)
        several = names.split()
        if len(several) < 2 or len(several) > 100 or (whole is not None and is_file(whole)):
            self.read(names, place)
        else:
            for name in several:
                self.read(name, place)

    def read(self, name: str, place: str) -> None:
        """Read the library that a line of the scene names; a missing one is a warning."""
        path = self._beside(name, self.scene.parent)
        owner = f"{self.scene.name}: {place}"
        if path is None:
            raise BadAsset(f"{owner} names {name[:80]!r}, which is not a file in its folder; move it there.")
        if not is_file(path):
            if self.strict:
                raise BadAsset(f"{owner}: the material library {path.name!r} is missing; put it beside the scene.")
            self.notes.warn(
                f"{owner}: the material library {path.name!r} is missing; its materials are the default one."
            )
            return
        data = read_file(path, owner)
        if len(data) > LARGEST_LIBRARY:
            raise BadAsset(f"{path.name}: is {len(data):,} bytes long, which no material library is.")
        self.budget.grow(len(data))
        for material, lines in self._parse(data, path.name).items():
            key = self._ids.setdefault(material, f"m{len(self._ids)}")
            self.materials[key] = self._material(key, material, lines, path)
            if len(self.materials) > MATERIALS:
                raise BadAsset(f"{path.name}: has more than {MATERIALS:,} materials; split it.")

    def _parse(self, data: bytes, name: str) -> dict[str, Lines]:
        found: dict[str, Lines] = {}
        current: Lines | None = None
        for number, word, rest in _lines(data):
            if word == "newmtl":
                current = found.setdefault(rest[:1000], Lines())
            elif current is None:
                continue
            elif word in NUMBERS or word in COLOURS:
                values = _floats(rest)
                if not values:
                    self.notes.warn(f"{name}: line {number:,}: {word} has no number and was left out.")
                elif word in NUMBERS:
                    current.numbers[word] = values[-1]
                else:
                    current.colours[word] = (values[0], values[1], values[2]) if len(values) > 2 else (values[0],) * 3
            elif word.lower() in MAPS and rest:
                current.maps[word.lower()] = rest
        return found

    def _material(self, key: str, name: str, lines: Lines, path: Path) -> Material:
        n, c = lines.numbers, lines.colours
        textures = {slot: t for slot, t in (self._map(word, rest, path) for word, rest in lines.maps.items()) if t}
        emission = c.get("Ke", (0.0, 0.0, 0.0))
        strongest = max(*emission, 0.0)
        if "emission_color" in textures and strongest == 0.0:
            strongest, emission = 1.0, (1.0, 1.0, 1.0)
        diffuse = c.get("Kd", (0.8, 0.8, 0.8))
        if "base_color" in textures and max(diffuse) <= 0.0:
            diffuse = (1.0, 1.0, 1.0)  # programs write black here and mean the map
        opacity = n.get("d", 1.0 - n.get("Tr", 0.0))
        glass = int(n.get("illum", 2)) in GLASS if math.isfinite(n.get("illum", 2)) else False
        fields: dict[str, Any] = {
            "base_color": diffuse,
            "base_metalness": 1.0 if "base_metalness" in textures and "Pm" not in n else n.get("Pm", 0.0),
            "specular_roughness": _roughness(n, "specular_roughness" in textures),
            "specular_weight": _specular(n, c),
            "specular_ior": n.get("Ni", 1.5) if n.get("Ni", 1.5) > 1.0 else 1.5,
            "coat_weight": n.get("Pc", 0.0),
            "coat_roughness": n.get("Pcr", 0.0),
            "fuzz_weight": 1.0 if "fuzz_weight" in textures and "Ps" not in n else n.get("Ps", 0.0),
            "specular_roughness_anisotropy": n.get("aniso", 0.0),
            "specular_rotation_deg": 360.0 * n.get("anisor", 0.0),
            "emission_luminance": strongest,
            "emission_color": tuple(max(e, 0.0) / strongest for e in emission) if strongest > 0 else (1.0, 1.0, 1.0),
            "geometry_opacity": 1.0 if glass else opacity,
            "transmission_weight": 1.0 - opacity if glass and opacity < 1.0 else float(glass),
            "alpha_mode": "blend" if (opacity < 1.0 and not glass) or "geometry_opacity" in textures else "opaque",
            "textures": textures,
        }
        if glass:
            fields["transmission_color"] = c.get("Tf", (1.0, 1.0, 1.0))
        if "bump" in lines.maps or "map_bump" in lines.maps:
            fields["bump_scale"] = 0.01 * _option(lines.maps.get("map_bump", lines.maps.get("bump", "")), "-bm", 1.0)
            self.notes.mapped("Bump maps have no unit in .mtl files; white was read as one centimetre high.")
        material, moved = clamped(Material(id=key, name=name or key, **fields))
        for each in moved:
            self.notes.warn(
                f"{path.name}: {name[:60]!r}: {each.replace('_', ' ')} was out of range and moved to its limit."
            )
        return material

    def _map(self, word: str, rest: str, library: Path) -> tuple[str, Texture | None]:
        """The slot and texture of a map line."""
        slot, channel, colour = MAPS[word]
        name = _file_name(rest)
        path = self._beside(name, library.parent) or library.parent / name.replace("\\", "/").rpartition("/")[2]
        image = self._image(path, f"{library.name}: {word}")
        key = ""
        if image is not None:
            image = with_colour_space(image, "srgb" if colour else "data")
            self.images[image.key] = image
            key = image.key
            if slot == "geometry_opacity" and image.pixels.shape[2] in (2, 4):
                channel = "a"
        scale, offset = _option3(rest, "-s", (1.0, 1.0)), _option3(rest, "-o", (0.0, 0.0))
        wrap = "clamp" if "-clamp on" in " ".join(rest.split()) else "repeat"
        # the format's v runs up from the bottom, ours down from the top: v' = 1 - (offset + scale * (1 - v))
        down = (offset[0], 1.0 - offset[1] - scale[1])
        lost = "" if key else str(path)
        return slot, Texture(image=key, path=lost, channel=channel, offset=down, scale=scale, wrap_u=wrap, wrap_v=wrap)

    def _image(self, path: Path, place: str) -> Image | None:
        if path not in self._images:
            if is_file(path):
                data = read_file(path, place)
                self.budget.grow(len(data))
                made = decode_image(data, name=path.name, budget=self.budget)
                self._images[path] = Image(made.key, made.pixels, made.colour_space, path.stem, str(path))
            elif self.strict:
                raise BadAsset(f"{place}: the texture {path.name[:80]!r} is missing; put it beside the scene.")
            else:
                self.notes.warn(f"{place}: the texture {path.name[:80]!r} is missing; it is drawn magenta.")
                self._images[path] = None
        return self._images[path]

    def _beside(self, name: str, folder: Path) -> Path | None:
        """A file named by the scene, or None for a name that leaves the folder."""
        parts = name.replace("\\", "/").split("/")
        if not name or "\0" in name or ".." in parts or parts[0] == "" or ":" in parts[0] or len(name) > 1000:
            return None
        return folder.joinpath(*parts)


def _roughness(n: dict[str, float], textured: bool) -> float:
    """Pr, or the Blinn-Phong exponent as the width of the GGX lobe that resembles it: alpha^2 = 2 / (Ns + 2)."""
    if "Pr" in n:
        return n["Pr"]
    if textured:
        return 1.0
    if "Ns" in n and math.isfinite(n["Ns"]):
        return float((2.0 / (max(n["Ns"], 0.0) + 2.0)) ** 0.25)
    return 0.5


def _specular(n: dict[str, float], c: dict[str, tuple[float, float, float]]) -> float:
    """Weight of the dielectric reflection: none without highlights, full at the usual Ks of one half."""
    if n.get("illum") in (0.0, 1.0):
        return 0.0
    return min(2.0 * max(c["Ks"]), 1.0) if "Ks" in c and "Pr" not in n and "Pm" not in n else 1.0


def _lines(data: bytes) -> Iterator[tuple[int, str, str]]:
    """Numbered lines as first word and rest, without comments and empty lines."""
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        words = line.split(None, 1)
        if words and not words[0].startswith("#"):
            yield number, words[0], words[1].strip() if len(words) > 1 else ""


def _floats(text: str) -> list[float]:
    out = []
    for word in text.partition("#")[0].split()[:4]:
        try:
            value = float(word)
        except ValueError:
            continue
        if math.isfinite(value):
            out.append(value)
    return out


def _file_name(rest: str) -> str:
    """The file of a map line, after its options; names may hold spaces."""
    words = rest.split()
    at = 0
    while at < len(words) - 1 and words[at] in OPTIONS:
        count = OPTIONS[words[at]]
        at += 1
        taken = 0
        while taken < count and at < len(words) - 1 and (count == 1 or _is_number(words[at])):
            at, taken = at + 1, taken + 1
    return rest.split(None, at)[at] if at < len(words) else rest


def _is_number(word: str) -> bool:
    return bool(_floats(word))


def _option(rest: str, name: str, default: float) -> float:
    words = rest.split()
    return next(iter(_floats(words[words.index(name) + 1])), default) if name in words[:-1] else default


def _option3(rest: str, name: str, default: tuple[float, float]) -> tuple[float, float]:
    """The first two numbers of an option of up to three."""
    words = rest.split()
    if name not in words:
        return default
    numbers: list[float] = []
    for word in words[words.index(name) + 1 :][:2]:
        if not _is_number(word):
            break
        numbers += _floats(word)
    return (numbers + list(default)[len(numbers) :])[0], (numbers + list(default)[len(numbers) :])[1]
