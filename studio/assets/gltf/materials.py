"""Materials: metallic-roughness and the KHR_materials extensions as OpenPBR surfaces.

Every mapping, with what it keeps and what it approximates, stands in the table of docs/gltf.md; the functions below
are its rows. Each takes the record of one extension and returns the fields it sets.
Sources: glTF 2.0 specification, appendix B; the KHR_materials extensions; OpenPBR Surface 1.1.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from studio.assets.gltf import records as r
from studio.assets.gltf.container import Source, decode
from studio.assets.gltf.textures import TextureReader
from studio.assets.limits import clamped
from studio.scene.materials import SLOTS, Material, Texture

Fields = dict[str, Any]
ALPHA_MODES = {"OPAQUE": "opaque", "MASK": "mask", "BLEND": "blend"}


class MaterialReader:
    """Reads the materials of one file."""

    def __init__(self, source: Source, textures: TextureReader) -> None:
        self.source = source
        self.textures = textures

    def read(self, index: int) -> Material:
        """The material at an index, as OpenPBR."""
        record, place = self.source.document.materials[index], f"materials[{index}]"
        fields: Fields = {"textures": {}}
        self._base(record, fields, place)
        for name, kind, apply in _EXTENSIONS:
            extension = self.source.extension(record.extensions, name, kind, place)
            if extension is not None:
                apply(self, extension, fields, f"{place}.extensions.{name}")
        self._settle(fields, place)
        fields["textures"] = {slot: texture for slot, texture in fields["textures"].items() if texture is not None}
        material, moved = clamped(Material(id=f"m{index}", name=record.name or f"material {index}", **fields))
        for field in moved:
            self.source.notes.warn(f"{place}: {field.replace('_', ' ')} was out of range and moved to its limit.")
        return self._with_kept(material, record, place)

    def _base(self, record: r.MaterialRecord, fields: Fields, place: str) -> None:
        pbr = record.pbr_metallic_roughness
        at = f"{place}.pbrMetallicRoughness"
        mode = ALPHA_MODES.get(record.alpha_mode)
        if mode is None:
            raise self.source.bad(f"{place}.alphaMode", f"is {record.alpha_mode[:20]!r}; use OPAQUE, MASK or BLEND")
        color = self._texture(fields, "base_color", pbr.base_color_texture, f"{at}.baseColorTexture", colour=True)
        if color is not None and mode != "opaque" and self.textures.has_alpha(color):
            fields["textures"]["geometry_opacity"] = msgspec.structs.replace(color, channel="a")
        packed, where = pbr.metallic_roughness_texture, f"{at}.metallicRoughnessTexture"
        self._texture(fields, "base_metalness", packed, where, channel="b")
        self._texture(fields, "specular_roughness", packed, where, channel="g")
        self._texture(fields, "geometry_normal", record.normal_texture, f"{place}.normalTexture")
        self._texture(fields, "emission_color", record.emissive_texture, f"{place}.emissiveTexture", colour=True)
        if record.occlusion_texture is not None:
            self.source.notes.mapped("Occlusion textures were left out: the renderer computes occlusion itself.")
        strongest = max(*record.emissive_factor, 0.0)
        fields.update(
            base_color=pbr.base_color_factor[:3],
            base_metalness=pbr.metallic_factor,
            specular_roughness=pbr.roughness_factor,
            specular_ior=1.5,
            geometry_opacity=1.0 if mode == "opaque" else pbr.base_color_factor[3],
            alpha_mode=mode,
            alpha_cutoff=record.alpha_cutoff,
            double_sided=record.double_sided,
            normal_scale=1.0 if record.normal_texture is None else record.normal_texture.scale,
            emission_luminance=strongest,
            emission_color=_over(record.emissive_factor, strongest),
        )

    def _texture(self, fields: Fields, slot: str, info: r.TextureInfo | None, place: str, **how: Any) -> Texture | None:
        texture = self.textures.texture(info, place, **how)
        if texture is not None:
            fields["textures"][slot] = texture
        return texture

    def _emissive_strength(self, e: r.EmissiveStrength, fields: Fields, place: str) -> None:
        fields["emission_luminance"] *= max(e.emissive_strength, 0.0)

    def _ior(self, e: r.Ior, fields: Fields, place: str) -> None:
        if e.ior == 0.0:
            # the extension's way to ask for total reflection at every angle, used for old specular-glossiness files
            self.source.notes.mapped("An index of refraction of 0 (full reflection) was read as 100.")
        fields["specular_ior"] = 100.0 if e.ior == 0.0 else e.ior

    def _specular(self, e: r.Specular, fields: Fields, place: str) -> None:
        strongest = max(*e.specular_color_factor, 1.0)
        fields["specular_weight"] = e.specular_factor * strongest
        fields["specular_color"] = _over(e.specular_color_factor, strongest)
        self._texture(fields, "specular_weight", e.specular_texture, f"{place}.specularTexture", channel="a")
        self._texture(fields, "specular_color", e.specular_color_texture, f"{place}.specularColorTexture", colour=True)

    def _transmission(self, e: r.Transmission, fields: Fields, place: str) -> None:
        fields["transmission_weight"] = e.transmission_factor
        fields["geometry_thin_walled"] = e.transmission_factor > 0.0
        fields["transmission_color"] = fields["base_color"]
        at = f"{place}.transmissionTexture"
        self._texture(fields, "transmission_weight", e.transmission_texture, at, channel="r")
        if e.transmission_factor > 0.0 and "base_color" in fields["textures"]:
            self.source.notes.mapped("Transmitted light takes the base colour's factor, not its texture.")

    def _volume(self, e: r.Volume, fields: Fields, place: str) -> None:
        if e.thickness_factor <= 0.0:
            return
        fields["geometry_thin_walled"] = False
        if e.thickness_texture is not None:
            self.source.notes.mapped("Thickness textures were left out: rays find the thickness of the mesh itself.")
        if e.attenuation_distance is not None and e.attenuation_distance > 0.0:
            fields["transmission_color"] = e.attenuation_color
            fields["transmission_depth"] = e.attenuation_distance

    def _clearcoat(self, e: r.Clearcoat, fields: Fields, place: str) -> None:
        rough, normal = e.clearcoat_roughness_texture, e.clearcoat_normal_texture
        self._texture(fields, "coat_weight", e.clearcoat_texture, f"{place}.clearcoatTexture", channel="r")
        self._texture(fields, "coat_roughness", rough, f"{place}.clearcoatRoughnessTexture", channel="g")
        self._texture(fields, "geometry_coat_normal", normal, f"{place}.clearcoatNormalTexture")
        fields.update(coat_weight=e.clearcoat_factor, coat_roughness=e.clearcoat_roughness_factor)
        fields.update(coat_ior=1.5, coat_darkening=0.0)

    def _sheen(self, e: r.Sheen, fields: Fields, place: str) -> None:
        strongest = max(*e.sheen_color_factor, 0.0)
        at = f"{place}.sheenRoughnessTexture"
        self._texture(fields, "fuzz_color", e.sheen_color_texture, f"{place}.sheenColorTexture", colour=True)
        self._texture(fields, "fuzz_roughness", e.sheen_roughness_texture, at, channel="a")
        fields.update(fuzz_weight=strongest, fuzz_color=_over(e.sheen_color_factor, strongest))
        fields["fuzz_roughness"] = e.sheen_roughness_factor

    def _anisotropy(self, e: r.Anisotropy, fields: Fields, place: str) -> None:
        roughness, anisotropy = anisotropy_to_openpbr(fields["specular_roughness"], e.anisotropy_strength)
        fields["specular_roughness_anisotropy"] = anisotropy
        if "specular_roughness" not in fields["textures"]:
            fields["specular_roughness"] = roughness
        fields["specular_rotation_deg"] = math.degrees(e.anisotropy_rotation)
        at = f"{place}.anisotropyTexture"
        texture = self._texture(fields, "specular_roughness_anisotropy", e.anisotropy_texture, at, channel="b")
        if texture is not None:
            self.source.notes.mapped("The direction in anisotropy textures was left out; their strength was kept.")

    def _iridescence(self, e: r.Iridescence, fields: Fields, place: str) -> None:
        thinnest, thickest = e.iridescence_thickness_minimum, e.iridescence_thickness_maximum
        self._texture(fields, "thin_film_weight", e.iridescence_texture, f"{place}.iridescenceTexture", channel="r")
        if thickest > 0.0:
            bias = thinnest / thickest
            at = f"{place}.iridescenceThicknessTexture"
            info = e.iridescence_thickness_texture
            self._texture(fields, "thin_film_thickness", info, at, channel="g", gain=1.0 - bias, bias=bias)
        fields.update(thin_film_weight=e.iridescence_factor, thin_film_ior=e.iridescence_ior)
        fields["thin_film_thickness"] = thickest / 1000.0

    def _dispersion(self, e: r.Dispersion, fields: Fields, place: str) -> None:
        if e.dispersion > 0.0:
            fields["transmission_dispersion_scale"] = min(e.dispersion, 1.0)
            fields["transmission_dispersion_abbe_number"] = 20.0 / max(e.dispersion, 1.0)

    def _unlit(self, e: r.Unlit, fields: Fields, place: str) -> None:
        fields["unlit"] = True

    def _settle(self, fields: Fields, place: str) -> None:
        """What two extensions say together."""
        if fields["base_metalness"] >= 1.0 and "base_metalness" not in fields["textures"]:
            # in OpenPBR the specular weight and colour also act on metals, in glTF only on dielectrics
            fields.update(specular_weight=1.0, specular_color=(1.0, 1.0, 1.0))
            fields["textures"].pop("specular_weight", None)
            fields["textures"].pop("specular_color", None)
        elif fields["base_metalness"] > 0.0 and fields.get("specular_weight", 1.0) < 1.0:
            self.source.notes.mapped(
                f"{place} is part metal and its specular weight, meant for its dielectric part, now dims the metal too."
            )

    def _with_kept(self, material: Material, record: r.MaterialRecord, place: str) -> Material:
        """Fields that glTF cannot say, kept by our writer in the extras."""
        kept = kept_record(record.extras, "myriad_material", Kept, self.source.name, place)
        if kept is None:
            return material
        fields = dict(kept.fields)
        textures = dict(material.textures)
        for slot in kept.no_textures:
            textures.pop(slot, None)
        for slot, texture in kept.textures.items():
            if slot in SLOTS and texture.image.startswith("image:") and texture.image[6:].isdecimal():
                index, space = int(texture.image[6:][:9]), kept.spaces.get(slot, "data")
                key = self.textures.image_key(index, place, space if space in ("srgb", "linear") else "data")
                textures[slot] = msgspec.structs.replace(texture, image=key)
        base = msgspec.to_builtins(material)
        base.update({name: value for name, value in fields.items() if name not in ("id", "textures", "extra")})
        base["textures"] = msgspec.to_builtins(textures)
        return clamped(decode(msgspec.json.encode(base), Material, self.source.name, f"{place}.extras"))[0]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The extras record "myriad_material": what differs from what the glTF material says."""

    fields: dict[str, object] = {}
    textures: dict[str, Texture] = {}  # images as "image:<index>"
    spaces: dict[str, str] = {}
    no_textures: list[str] = []


_EXTENSIONS: tuple[tuple[str, type[r.Record], Any], ...] = (
    ("KHR_materials_emissive_strength", r.EmissiveStrength, MaterialReader._emissive_strength),
    ("KHR_materials_ior", r.Ior, MaterialReader._ior),
    ("KHR_materials_specular", r.Specular, MaterialReader._specular),
    ("KHR_materials_transmission", r.Transmission, MaterialReader._transmission),
    ("KHR_materials_volume", r.Volume, MaterialReader._volume),
    ("KHR_materials_clearcoat", r.Clearcoat, MaterialReader._clearcoat),
    ("KHR_materials_sheen", r.Sheen, MaterialReader._sheen),
    ("KHR_materials_anisotropy", r.Anisotropy, MaterialReader._anisotropy),
    ("KHR_materials_iridescence", r.Iridescence, MaterialReader._iridescence),
    ("KHR_materials_dispersion", r.Dispersion, MaterialReader._dispersion),
    ("KHR_materials_unlit", r.Unlit, MaterialReader._unlit),
)


def anisotropy_to_openpbr(roughness: float, strength: float) -> tuple[float, float]:
    """OpenPBR's roughness and anisotropy with the same two microfacet widths as glTF's.

    glTF: across a = roughness^2, along mix(a, 1, strength^2). OpenPBR 1.1: across / along = 1 - anisotropy, and the
    mean of their squares is roughness^4.
    """
    across = roughness * roughness
    along = across + (1.0 - across) * strength * strength
    if along <= 0.0:
        return roughness, 0.0
    return (0.5 * (along * along + across * across)) ** 0.25, 1.0 - across / along


def kept_record(extras: msgspec.Raw, name: str, kind: type[Any], file: str, place: str) -> Any:
    """A record that our writer kept in extras under a name, or None; extras of any other shape are not ours."""
    if name.encode() not in bytes(extras):
        return None
    found = decode(bytes(extras), dict[str, msgspec.Raw], file, f"{place}.extras")
    return None if name not in found else decode(bytes(found[name]), kind, file, f"{place}.extras.{name}")


def _over(color: tuple[float, float, float], strongest: float) -> tuple[float, float, float]:
    """A colour with its strength taken out."""
    if strongest <= 0.0:
        return (1.0, 1.0, 1.0)
    return (max(color[0], 0.0) / strongest, max(color[1], 0.0) / strongest, max(color[2], 0.0) / strongest)
