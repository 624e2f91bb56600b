"""Materials to begin with, made by code: plain `Material` records with values from published sources.

Metals take their colours from measured n and k (`studio.scene.metals`). Indices of refraction and Abbe numbers are
those of the sodium line in the CRC Handbook of Chemistry and Physics (water 1.333, ice 1.309, diamond 2.418, ruby
1.77) and of the makers' data (Schott N-BK7 1.517 with Abbe 64.2, SF11 1.785 with Abbe 25.8, PMMA 1.49, polycarbonate
1.585). Diffuse colours stay within the albedos of measured dielectrics, 0.02 to 0.9 (charcoal to fresh snow; S. Lagarde
and C. de Rousiers, "Moving Frostbite to PBR", 2014). The thickness of films is that of soap (0.1 to 1 um), nacre and
anodised titanium (30 to 120 nm of oxide of index 2.4). What bodies are made of stands in `studio.scene.body_presets`.
The rest is an artist's judgement under a studio light.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from studio.errors import UsageError
from studio.scene.body_presets import BODY, IRISES
from studio.scene.materials import Material
from studio.scene.metals import metal_colors

KINDS = ("metal", "glass", "paint", "plastic", "cloth", "natural", "film", "light", "body")


@dataclass(frozen=True, slots=True)
class Preset:
    """A material to begin with. `name` is its English text and the name of what is made of it.

    `iris` names the picture of `studio.figure.eye_maps` that a preset of an eye is made with, "" for everything else.
    """

    id: str
    name: str
    kind: str
    material: Material
    iris: str = ""


def presets() -> Mapping[str, Preset]:
    """Every preset by id, in the order of a menu: kind by kind."""
    return _PRESETS


def preset(id_: str) -> Preset:
    """The preset of an id; `UsageError` naming all of them when there is none."""
    found = _PRESETS.get(id_)
    if found is None:
        raise UsageError(f"there is no material preset {id_!r}; there are {', '.join(_PRESETS)}")
    return found


_PRESETS: dict[str, Preset] = {}


def N_(text: str) -> str:  # noqa: N802  the mark that the translators' table looks for
    """Mark a text for translation where it is written."""
    return text


def _add(id_: str, name: str, kind: str, **values: Any) -> None:
    _PRESETS[id_] = Preset(id_, name, kind, Material(name=name, **values), IRISES.get(id_, ""))


def _metal(id_: str, name: str, metal: str, roughness: float, **values: Any) -> None:
    base, edge = metal_colors(metal)
    made: dict[str, Any] = {
        "base_color": base,
        "specular_color": edge,
        "base_metalness": 1.0,
        "specular_roughness": roughness,
    }
    _add(id_, name, "metal", **{**made, **values})


def _glass(id_: str, name: str, ior: float, abbe: float, **values: Any) -> None:
    made: dict[str, Any] = {
        "transmission_weight": 1.0,
        "specular_roughness": 0.0,
        "specular_ior": ior,
        "transmission_dispersion_abbe_number": abbe,
    }
    _add(id_, name, "glass", **{**made, **values})


def _cloth(id_: str, name: str, **values: Any) -> None:
    made: dict[str, Any] = {
        "base_diffuse_roughness": 0.5,
        "specular_weight": 0.3,
        "specular_roughness": 0.8,
        "geometry_thin_walled": False,
    }
    _add(id_, name, "cloth", **{**made, **values})


def _metals() -> None:
    _metal("gold", N_("Gold"), "gold", 0.15)
    _metal("gold_satin", N_("Satin gold"), "gold", 0.4)
    _metal("silver", N_("Silver"), "silver", 0.12)
    _metal("copper", N_("Copper"), "copper", 0.2)
    _metal("aluminium", N_("Aluminium"), "aluminium", 0.25)
    _metal("brushed_aluminium", N_("Brushed aluminium"), "aluminium", 0.42, specular_roughness_anisotropy=0.85)
    _metal("iron", N_("Iron"), "iron", 0.35)
    _metal("chrome", N_("Chrome"), "chromium", 0.02)
    _metal("titanium", N_("Titanium"), "titanium", 0.3)
    _metal(
        "anodised_titanium",
        N_("Anodised titanium"),
        "titanium",
        0.22,
        thin_film_weight=1.0,
        thin_film_thickness=0.09,
        thin_film_ior=2.4,
    )


def _glasses() -> None:
    _glass("glass", N_("Glass"), 1.517, 64.2)
    _glass("frosted_glass", N_("Frosted glass"), 1.517, 64.2, specular_roughness=0.35)
    _glass(
        "green_glass",
        N_("Bottle glass"),
        1.517,
        64.2,
        transmission_color=(0.25, 0.62, 0.32),
        transmission_depth=0.12,
    )
    _glass("crystal", N_("Flint crystal"), 1.785, 25.8, transmission_dispersion_scale=1.0)
    _glass("diamond", N_("Diamond"), 2.418, 55.3, transmission_dispersion_scale=1.0)
    _glass("water", N_("Water"), 1.333, 55.8, transmission_color=(0.86, 0.95, 0.97), transmission_depth=1.0)
    _glass(
        "ice",
        N_("Ice"),
        1.309,
        55.0,
        specular_roughness=0.12,
        transmission_color=(0.8, 0.93, 0.97),
        transmission_depth=0.4,
    )
    _glass("ruby", N_("Ruby"), 1.77, 42.0, transmission_color=(0.75, 0.02, 0.06), transmission_depth=0.12)


def _paints() -> None:
    _add(
        "car_paint",
        N_("Car paint"),
        "paint",
        base_color=(0.45, 0.012, 0.016),
        base_metalness=0.25,
        specular_roughness=0.38,
        specular_color=(1.0, 0.35, 0.3),
        coat_weight=1.0,
        coat_roughness=0.01,
        coat_ior=1.5,
    )
    _add(
        "metallic_paint",
        N_("Metallic paint"),
        "paint",
        base_color=(0.12, 0.2, 0.36),
        base_metalness=0.85,
        specular_color=(0.55, 0.75, 1.0),
        specular_roughness=0.42,
        coat_weight=1.0,
        coat_roughness=0.015,
        coat_ior=1.5,
    )
    _add("gloss_enamel", N_("Gloss enamel"), "paint", base_color=(0.83, 0.83, 0.8), specular_roughness=0.06)
    _add(
        "wall_paint",
        N_("Matte wall paint"),
        "paint",
        base_color=(0.75, 0.72, 0.66),
        base_diffuse_roughness=0.6,
        specular_roughness=0.75,
    )
    _add(
        "varnished_wood",
        N_("Varnished wood"),
        "paint",
        base_color=(0.24, 0.1, 0.04),
        base_diffuse_roughness=0.3,
        specular_roughness=0.45,
        specular_roughness_anisotropy=0.5,
        coat_weight=1.0,
        coat_roughness=0.08,
        coat_ior=1.5,
        coat_color=(1.0, 0.9, 0.72),
    )


def _plastics() -> None:
    _add(
        "plastic",
        N_("Glossy plastic"),
        "plastic",
        base_color=(0.02, 0.16, 0.55),
        specular_roughness=0.12,
        specular_ior=1.49,
    )
    _add(
        "matte_plastic",
        N_("Matte plastic"),
        "plastic",
        base_color=(0.72, 0.29, 0.05),
        specular_roughness=0.5,
        specular_ior=1.49,
    )
    _add(
        "clear_acrylic",
        N_("Clear acrylic"),
        "plastic",
        transmission_weight=1.0,
        specular_roughness=0.03,
        specular_ior=1.49,
        transmission_color=(0.96, 0.98, 0.97),
        transmission_depth=0.3,
    )
    _add(
        "rubber",
        N_("Rubber"),
        "plastic",
        base_color=(0.025, 0.025, 0.026),
        base_diffuse_roughness=0.4,
        specular_roughness=0.65,
        specular_ior=1.52,
    )


def _cloths() -> None:
    _cloth(
        "velvet",
        N_("Velvet"),
        base_color=(0.16, 0.006, 0.03),
        fuzz_weight=1.0,
        fuzz_color=(0.85, 0.22, 0.32),
        fuzz_roughness=0.35,
        specular_weight=0.1,
    )
    _cloth(
        "satin",
        N_("Satin"),
        base_color=(0.3, 0.05, 0.16),
        specular_weight=1.0,
        specular_roughness=0.42,
        specular_ior=1.8,
        specular_color=(1.0, 0.72, 0.85),
        specular_roughness_anisotropy=0.8,
    )
    _cloth(
        "linen",
        N_("Linen"),
        base_color=(0.62, 0.55, 0.44),
        fuzz_weight=0.25,
        fuzz_color=(0.9, 0.87, 0.8),
        fuzz_roughness=0.7,
    )
    _cloth(
        "denim",
        N_("Denim"),
        base_color=(0.035, 0.065, 0.16),
        fuzz_weight=0.35,
        fuzz_color=(0.45, 0.55, 0.75),
        fuzz_roughness=0.6,
    )


def _naturals() -> None:
    _add(
        "ceramic",
        N_("Glazed ceramic"),
        "natural",
        base_color=(0.78, 0.76, 0.7),
        specular_roughness=0.35,
        coat_weight=1.0,
        coat_roughness=0.02,
        coat_ior=1.55,
    )
    _add(
        "clay",
        N_("Clay"),
        "natural",
        base_color=(0.45, 0.21, 0.13),
        base_diffuse_roughness=0.8,
        specular_roughness=0.8,
        specular_weight=0.6,
    )
    _add(
        "wet_asphalt",
        N_("Wet asphalt"),
        "natural",
        base_color=(0.028, 0.028, 0.03),
        base_diffuse_roughness=0.5,
        specular_roughness=0.6,
        coat_weight=0.85,
        coat_roughness=0.08,
        coat_ior=1.333,
    )
    _add(
        "concrete",
        N_("Concrete"),
        "natural",
        base_color=(0.36, 0.35, 0.33),
        base_diffuse_roughness=0.7,
        specular_roughness=0.7,
    )
    _add(
        "jade",
        N_("Jade"),
        "natural",
        transmission_weight=1.0,
        specular_ior=1.66,
        specular_roughness=0.18,
        transmission_color=(0.3, 0.62, 0.4),
        transmission_depth=0.06,
        transmission_scatter=(0.35, 0.6, 0.42),
    )


def _films_and_lights() -> None:
    _add(
        "pearl",
        N_("Pearl"),
        "film",
        base_color=(0.82, 0.79, 0.76),
        specular_roughness=0.22,
        specular_ior=1.68,
        thin_film_weight=1.0,
        thin_film_thickness=0.38,
        thin_film_ior=1.53,
        coat_weight=0.4,
        coat_roughness=0.1,
    )
    _add(
        "soap_bubble",
        N_("Soap bubble"),
        "film",
        transmission_weight=1.0,
        geometry_thin_walled=True,
        specular_roughness=0.0,
        specular_ior=1.33,
        thin_film_weight=1.0,
        thin_film_thickness=0.42,
        thin_film_ior=1.4,
    )
    _add(
        "oil_film",
        N_("Oil film"),
        "film",
        base_color=(0.015, 0.015, 0.017),
        specular_roughness=0.06,
        specular_ior=1.333,
        thin_film_weight=1.0,
        thin_film_thickness=0.45,
        thin_film_ior=1.47,
    )
    _add(
        "neon_pink",
        N_("Pink neon"),
        "light",
        base_color=(0.02, 0.02, 0.02),
        emission_luminance=4000.0,
        emission_color=(1.0, 0.08, 0.35),
    )
    _add(
        "warm_lamp",
        N_("Warm lamp"),
        "light",
        base_color=(0.5, 0.5, 0.5),
        emission_luminance=3000.0,
        emission_color=(1.0, 0.62, 0.28),
    )


def _bodies() -> None:
    for id_, name, values in BODY:
        _add(id_, name, "body", **values)


for _section in (_metals, _glasses, _paints, _plastics, _cloths, _naturals, _films_and_lights, _bodies):
    _section()


def made(id_: str, new_id: str) -> Material:
    """The material of a preset under an id of the scene."""
    return msgspec.structs.replace(preset(id_).material, id=new_id)
