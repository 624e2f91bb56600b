"""OpenPBR surfaces as glTF materials, the inverse of `studio.assets.gltf.materials`.

What glTF and its extensions can say is said in them. Then the result is read back with our own reader, and whatever
differs from the surface is kept beside it in extras, so nothing is lost between two studios and other programs still
see the nearest glTF material.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from studio.assets.gltf.accessors import Accessors
from studio.assets.gltf.container import Source
from studio.assets.gltf.materials import MaterialReader
from studio.assets.gltf.packing import Packer
from studio.assets.gltf.records import Gltf
from studio.assets.gltf.textures import WRAPS, TextureReader
from studio.assets.images import encode_image, with_colour_space
from studio.assets.report import Notes
from studio.scene.geometry import Image
from studio.scene.materials import Material, Texture

Json = dict[str, Any]
_WRAP = {name: code for code, name in WRAPS.items()}
_NAMES = tuple(field.name for field in msgspec.structs.fields(Material) if field.name not in ("id", "name", "extra"))


class TextureTable:
    """The images, samplers and textures of a file being written."""

    def __init__(self, images: Mapping[str, Image], packer: Packer) -> None:
        self.source = images
        self.packer = packer
        self.images: list[Json] = []
        self.samplers: list[Json] = []
        self.textures: list[Json] = []
        self.written: list[Image] = []
        self._images: dict[str, int] = {}

    def image(self, key: str) -> int | None:
        """The index of an image, encoded and stored when it is first asked for; None when the scene lacks it."""
        image = self.source.get(key)
        if image is None:
            return None
        # the same pixels in two colour spaces are one image of the file
        plain = with_colour_space(image, "srgb").key
        if plain not in self._images:
            data, mime = encode_image(image)
            record = {"name": image.name, "mimeType": mime, "bufferView": self.packer.view(data)}
            self.images.append({name: value for name, value in record.items() if value != ""})
            self.written.append(image)
            self._images[plain] = len(self.images) - 1
        return self._images[plain]

    def info(self, texture: Texture | None, channel: str, *, ramp: bool = False) -> Json | None:
        """The texture info of a slot, or None when glTF cannot say this texture there."""
        if texture is None or texture.channel != channel:
            return None
        plain = texture.gain == 1.0 and texture.bias == 0.0
        if not plain and not (ramp and math.isclose(texture.gain + texture.bias, 1.0)):
            return None
        image = self.source.get(texture.image)
        if image is None or image.pixels.dtype == np.float32:
            return None
        filter_ = 9728 if texture.filter == "nearest" else 9729
        sampler: Json = {"magFilter": filter_, "wrapS": _WRAP[texture.wrap_u], "wrapT": _WRAP[texture.wrap_v]}
        record = {"source": self.image(texture.image), "sampler": _index(self.samplers, sampler)}
        info: Json = {"index": _index(self.textures, record)}
        if texture.uv:
            info["texCoord"] = texture.uv
        transform: Json = {}
        if texture.offset != (0.0, 0.0):
            transform["offset"] = texture.offset
        if texture.rotation_deg:
            transform["rotation"] = math.radians(texture.rotation_deg)
        if texture.scale != (1.0, 1.0):
            transform["scale"] = texture.scale
        if transform:
            info["extensions"] = {"KHR_texture_transform": transform}
        return info


def _index(items: list[Json], record: Json) -> int:
    if record not in items:
        items.append(record)
    return items.index(record)


def material_json(m: Material, table: TextureTable) -> Json:
    """The glTF material nearest to a surface."""

    def info(slot: str, channel: str = "rgb", *, ramp: bool = False) -> Json | None:
        return table.info(m.textures.get(slot), channel, ramp=ramp)

    out: Json = {"name": m.name, "pbrMetallicRoughness": _base(m, info), "extensions": {}}
    out["normalTexture"] = info("geometry_normal")
    if out["normalTexture"] is not None and m.normal_scale != 1.0:
        out["normalTexture"]["scale"] = m.normal_scale
    out["alphaMode"] = m.alpha_mode.upper()
    if m.alpha_mode == "mask":
        out["alphaCutoff"] = m.alpha_cutoff
    out["doubleSided"] = m.double_sided
    strongest = max(m.emission_color)
    if m.emission_luminance > 0.0 and strongest > 0.0:
        out["emissiveFactor"] = [c / strongest for c in m.emission_color]
        out["emissiveTexture"] = info("emission_color")
        strength = m.emission_luminance * strongest
        if strength != 1.0:
            out["extensions"]["KHR_materials_emissive_strength"] = {"emissiveStrength": strength}
    for name, make in _EXTENSIONS.items():
        extension = make(m, info)
        if extension is not None:
            out["extensions"][name] = _tidy(extension)
    return _tidy(out)


def _base(m: Material, info: Any) -> Json:
    color = [min(c * m.base_weight, 1.0) for c in m.base_color]
    opacity = 1.0 if m.alpha_mode == "opaque" else m.geometry_opacity
    across = _widths(m)[0]
    metal, rough = m.textures.get("base_metalness"), m.textures.get("specular_roughness")
    if metal is None and m.base_metalness == 0.0:
        packed = info("specular_roughness", "g")
    else:
        twins = metal is not None and rough == msgspec.structs.replace(metal, channel="g")
        packed = info("base_metalness", "b") if twins or (rough is None and m.specular_roughness == 0.0) else None
    return _tidy(
        {
            "baseColorFactor": [*color, opacity],
            "baseColorTexture": info("base_color"),
            "metallicFactor": m.base_metalness,
            "roughnessFactor": m.specular_roughness if packed is not None else math.sqrt(across),
            "metallicRoughnessTexture": packed,
        }
    )


def _widths(m: Material) -> tuple[float, float]:
    """Microfacet widths across and along the grain. Source: OpenPBR Surface 1.1, "Specular roughness anisotropy"."""
    ratio = 1.0 - m.specular_roughness_anisotropy
    along = m.specular_roughness**2 * math.sqrt(2.0 / (1.0 + ratio * ratio))
    return ratio * along, along


def _ior(m: Material, info: Any) -> Json | None:
    return {"ior": m.specular_ior} if m.specular_ior != 1.5 else None


def _specular(m: Material, info: Any) -> Json | None:
    maps = {"specularTexture": info("specular_weight", "a"), "specularColorTexture": info("specular_color")}
    if m.specular_weight == 1.0 and m.specular_color == (1.0, 1.0, 1.0) and not any(maps.values()):
        return None
    if m.base_metalness == 1.0 and "base_metalness" not in m.textures:
        return None
    boost = max(m.specular_weight, 1.0)
    color = [c * boost for c in m.specular_color]
    return {"specularFactor": min(m.specular_weight, 1.0), "specularColorFactor": color, **maps}


def _transmission(m: Material, info: Any) -> Json | None:
    if m.transmission_weight == 0.0:
        return None
    texture = info("transmission_weight", "r")
    return {"transmissionFactor": m.transmission_weight, "transmissionTexture": texture}


def _volume(m: Material, info: Any) -> Json | None:
    if m.transmission_weight == 0.0 or m.geometry_thin_walled:
        return None
    if m.transmission_depth == 0.0:
        return {"thicknessFactor": 1.0}
    color, depth = list(m.transmission_color), m.transmission_depth
    return {"thicknessFactor": 1.0, "attenuationColor": color, "attenuationDistance": depth}


def _clearcoat(m: Material, info: Any) -> Json | None:
    if m.coat_weight == 0.0:
        return None
    return {
        "clearcoatFactor": m.coat_weight,
        "clearcoatTexture": info("coat_weight", "r"),
        "clearcoatRoughnessFactor": m.coat_roughness,
        "clearcoatRoughnessTexture": info("coat_roughness", "g"),
        "clearcoatNormalTexture": info("geometry_coat_normal"),
    }


def _sheen(m: Material, info: Any) -> Json | None:
    if m.fuzz_weight == 0.0:
        return None
    return {
        "sheenColorFactor": [min(c * m.fuzz_weight, 1.0) for c in m.fuzz_color],
        "sheenColorTexture": info("fuzz_color"),
        "sheenRoughnessFactor": m.fuzz_roughness,
        "sheenRoughnessTexture": info("fuzz_roughness", "a"),
    }


def _anisotropy(m: Material, info: Any) -> Json | None:
    if m.specular_roughness_anisotropy == 0.0:
        return None
    across, along = _widths(m)
    strength = math.sqrt(min(max((along - across) / (1.0 - across), 0.0), 1.0)) if across < 1.0 else 0.0
    return {"anisotropyStrength": strength, "anisotropyRotation": math.radians(m.specular_rotation_deg)}


def _iridescence(m: Material, info: Any) -> Json | None:
    if m.thin_film_weight == 0.0:
        return None
    thickness = m.textures.get("thin_film_thickness")
    texture = info("thin_film_thickness", "g", ramp=True)
    thickest = m.thin_film_thickness * 1000.0
    return {
        "iridescenceFactor": m.thin_film_weight,
        "iridescenceTexture": info("thin_film_weight", "r"),
        "iridescenceIor": m.thin_film_ior,
        "iridescenceThicknessMinimum": thickest * thickness.bias if texture and thickness else 0.0,
        "iridescenceThicknessMaximum": thickest,
        "iridescenceThicknessTexture": texture,
    }


def _dispersion(m: Material, info: Any) -> Json | None:
    if m.transmission_dispersion_scale == 0.0 or m.transmission_weight == 0.0:
        return None
    return {"dispersion": 20.0 / m.transmission_dispersion_abbe_number * m.transmission_dispersion_scale}


def _unlit(m: Material, info: Any) -> Json | None:
    return {} if m.unlit else None


_EXTENSIONS: dict[str, Any] = {
    "KHR_materials_ior": _ior,
    "KHR_materials_specular": _specular,
    "KHR_materials_transmission": _transmission,
    "KHR_materials_volume": _volume,
    "KHR_materials_clearcoat": _clearcoat,
    "KHR_materials_sheen": _sheen,
    "KHR_materials_anisotropy": _anisotropy,
    "KHR_materials_iridescence": _iridescence,
    "KHR_materials_dispersion": _dispersion,
    "KHR_materials_unlit": _unlit,
}


def _tidy(record: Json) -> Json:
    """Without empty entries; an extension may be an empty object and is kept."""
    out = {name: value for name, value in record.items() if value is not None}
    if out.get("extensions") == {}:
        del out["extensions"]
    return out


class _KnownImages(TextureReader):
    """Reads textures of a file whose images are at hand already."""

    def __init__(self, source: Source, written: list[Image]) -> None:
        super().__init__(source, Accessors(source))
        self.written = written

    def image_key(self, index: int, place: str, space: str) -> str:
        """The key of a written image read as a colour space."""
        image = with_colour_space(self.written[index], space)
        self.images[image.key] = image
        return image.key


def keep_the_rest(materials: list[Material], records: list[Json], table: TextureTable) -> None:
    """Add to each record, in extras, what our reader would not get back from it."""
    for material in materials:
        for texture in material.textures.values():
            table.image(texture.image)
    tables = {"images": table.images, "samplers": table.samplers, "textures": table.textures}
    document: Json = {"asset": {"version": "2.0"}, "materials": records, **tables}
    source = document_source(document)
    reader = MaterialReader(source, _KnownImages(source, table.written))
    for index, (material, record) in enumerate(zip(materials, records, strict=True)):
        kept = _difference(material, reader.read(index), table)
        if kept:
            record["extras"] = {"myriad_material": kept}


def document_source(document: Json) -> Source:
    """A document that is being written, as the readers see one."""
    gltf = msgspec.json.decode(msgspec.json.encode(document), type=Gltf)
    return Source(Path("scene.glb"), gltf, None, size=1 << 40, notes=Notes(), strict=False)


def _difference(wanted: Material, got: Material, table: TextureTable) -> Json:
    fields = {
        name: getattr(wanted, name)
        for name in _NAMES
        if name != "textures" and not same(getattr(wanted, name), getattr(got, name))
    }
    textures: Json = {}
    spaces: Json = {}
    for slot, texture in wanted.textures.items():
        if slot not in got.textures or not same(texture, got.textures[slot]):
            index = table.image(texture.image)
            image = "" if index is None else f"image:{index}"
            textures[slot] = msgspec.to_builtins(msgspec.structs.replace(texture, image=image))
            if index is not None:
                spaces[slot] = table.source[texture.image].colour_space
    surplus = [slot for slot in got.textures if slot not in wanted.textures]
    kept = {"fields": fields, "textures": textures, "spaces": spaces, "no_textures": surplus}
    return {name: value for name, value in kept.items() if value}


def same(a: Any, b: Any) -> bool:
    """Whether two values of fields are equal but for rounding."""
    if isinstance(a, Texture) and isinstance(b, Texture):
        return all(same(getattr(a, f), getattr(b, f)) for f in a.__struct_fields__)
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float | int):
        return math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-12)
    return bool(a == b)
