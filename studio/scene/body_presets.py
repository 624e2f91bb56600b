"""What bodies are made of, for `studio.scene.material_presets`: skin, lips, eyes, mouths, lashes, tears.

Skin. Light goes as far below the surface as in "Skin 1" of Jensen et al. 2001 (A practical model for subsurface light
transport): diffusion lengths of 3.67, 1.37 and 0.68 mm. The mean free paths that a random walk needs for them at the
albedos of fair skin are 1.27, 0.83 and 0.53 mm (length = path / sqrt(3 (1 - alpha)), alpha by OpenPBR's inversion);
melanin lies above all that and changes the colour alone. Colours: fair is Jensen's "Skin 2" (diffuse reflectance 0.63,
0.44, 0.34), light and deep are the two patches of skin of the ColorChecker (sRGB 194 150 130 and 115 82 68), the tones
between lie between. Skin has an index of 1.4 (F0 0.028); its gloss is that of two lobes of 0.75 and 1.3 times one
roughness, the softer with a share of 0.15, as Unreal Engine's subsurface profile has them by default.

Eyes. Globe and cornea as in `studio.figure.eyeball`: an iris of 11.7 mm (the white-to-white diameter of adults), 9.5 mm
before the centre of rotation, under a cornea that is a coat with the index of the aqueous humour and of tears, 1.336:
light bends once, and not again behind the cornea. Sclera scatters within 0.3 to 0.4 mm (Bashkatov et al. 2010, Optical
properties of human sclera: a reduced scattering of 2 to 4 per mm in visible light).

Teeth. Enamel has an index of 1.63 (Meng et al. 2009) and lets light through; dentine below scatters at about 3 to 5 per
mm (Zijp 2001). Gums, lips and tongue are mucosa, wet with saliva of an index of 1.336 and richer in blood than skin:
skin's paths with a redder albedo. Hair is keratin of an index of 1.55 (Marschner et al. 2003).
"""

from __future__ import annotations

from typing import Any

Values = dict[str, Any]
Color = tuple[float, float, float]

WATER = 1.336  # index of tears, of the aqueous humour and of saliva
IRIS_RADIUS_M = 0.00585
IRIS_PLANE_M = 0.0095
SCLERA: Color = (0.8, 0.74, 0.7)


def N_(text: str) -> str:  # noqa: N802  the mark that the translators' table looks for
    """Mark a text for translation where it is written."""
    return text


def skin(color: Color, *, roughness: float = 0.36) -> Values:
    """Skin of a colour: how it scatters and how it shines."""
    return {
        "base_color": color,
        "subsurface_weight": 1.0,
        "subsurface_color": color,
        "subsurface_radius": 0.00127,
        "subsurface_radius_scale": (1.0, 0.65, 0.42),
        "specular_ior": 1.4,
        "specular_roughness": roughness,
        "specular_second_weight": 0.15,
        "specular_second_scale": 1.3 / 0.75,
    }


def wet(color: Color, *, roughness: float, film: float, film_roughness: float) -> Values:
    """Mucosa of a colour under a film of saliva that covers it by `film`."""
    return {
        **skin(color, roughness=roughness),
        "coat_weight": film,
        "coat_ior": WATER,
        "coat_roughness": film_roughness,
        "coat_darkening": 0.5,
    }


def sclera() -> Values:
    """The white of an eye under its film of tears."""
    return {
        "base_color": SCLERA,
        "subsurface_weight": 0.8,
        "subsurface_color": SCLERA,
        "subsurface_radius": 0.0004,
        "subsurface_radius_scale": (1.0, 0.8, 0.65),
        "specular_weight": 0.3,
        "specular_ior": 1.4,
        "specular_roughness": 0.35,
        "coat_weight": 1.0,
        "coat_ior": WATER,
        "coat_roughness": 0.03,
        "coat_darkening": 0.0,
    }


def eye(**values: Any) -> Values:
    """An eyeball with its iris; the picture of `studio.figure.eye_maps` belongs into base and subsurface colour."""
    made = {
        **sclera(),
        "base_color": (1.0, 1.0, 1.0),
        "subsurface_color": (1.0, 1.0, 1.0),
        "eye_iris_radius": IRIS_RADIUS_M,
        "eye_iris_plane": IRIS_PLANE_M,
    }
    return {**made, **values}


def teeth() -> Values:
    """Enamel over dentine, wet."""
    ivory = (0.78, 0.71, 0.58)
    return {
        "base_color": ivory,
        "subsurface_weight": 0.9,
        "subsurface_color": ivory,
        "subsurface_radius": 0.0006,
        "subsurface_radius_scale": (1.0, 0.85, 0.65),
        "specular_ior": 1.63,
        "specular_roughness": 0.22,
        "coat_weight": 0.6,
        "coat_ior": WATER,
        "coat_roughness": 0.06,
        "coat_darkening": 0.0,
    }


def hair_card(color: Color) -> Values:
    """Strands drawn on a strip, whose opacity cuts them out."""
    return {
        "base_color": color,
        "specular_ior": 1.55,
        "specular_roughness": 0.38,
        "specular_roughness_anisotropy": 0.6,
        "alpha_mode": "mask",
        "alpha_cutoff": 0.4,
    }


def tear_line() -> Values:
    """The wet line between lid and eye: clear water, thin."""
    return {
        "transmission_weight": 1.0,
        "specular_ior": WATER,
        "specular_roughness": 0.05,
        "geometry_thin_walled": True,
    }


BODY: tuple[tuple[str, str, Values], ...] = (
    ("skin_fair", N_("Fair skin"), skin((0.63, 0.44, 0.34))),
    ("skin_light", N_("Light skin"), skin((0.54, 0.31, 0.22))),
    ("skin_olive", N_("Olive skin"), skin((0.42, 0.235, 0.15))),
    ("skin_brown", N_("Brown skin"), skin((0.28, 0.14, 0.085))),
    ("skin_deep", N_("Deep skin"), skin((0.171, 0.084, 0.058), roughness=0.34)),
    ("lips", N_("Lips"), wet((0.4, 0.145, 0.125), roughness=0.34, film=0.35, film_roughness=0.2)),
    ("eye_brown", N_("Brown eye"), eye()),
    ("eye_hazel", N_("Hazel eye"), eye()),
    ("eye_green", N_("Green eye"), eye()),
    ("eye_blue", N_("Blue eye"), eye()),
    ("sclera", N_("Sclera"), sclera()),
    ("teeth", N_("Teeth"), teeth()),
    ("gums", N_("Gums"), wet((0.36, 0.105, 0.095), roughness=0.3, film=0.8, film_roughness=0.08)),
    ("tongue", N_("Tongue"), wet((0.37, 0.135, 0.12), roughness=0.45, film=0.6, film_roughness=0.16)),
    ("lashes", N_("Lashes"), hair_card((0.012, 0.009, 0.008))),
    ("brows", N_("Brows"), hair_card((0.035, 0.021, 0.014))),
    ("tear_line", N_("Tear line"), tear_line()),
)
# the iris that `studio.figure.eye_maps` draws for a preset
IRISES = {"eye_brown": "brown", "eye_hazel": "hazel", "eye_green": "green", "eye_blue": "blue"}
