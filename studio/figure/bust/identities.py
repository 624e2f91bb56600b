"""A dozen people who do not exist: who they are as parameters, their colours and their hair.

A person is a head (`shape.Identity`), a `Complexion` and a haircut. They span ages, builds and tones, so that a look or
a light can be judged on more than one kind of face; nobody is drawn after anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from studio.errors import UsageError
from studio.figure.bust.shape import Identity

Color = tuple[float, float, float]

BLACK: Color = (0.012, 0.010, 0.009)
DARK_BROWN: Color = (0.036, 0.021, 0.013)
BROWN: Color = (0.085, 0.046, 0.024)
AUBURN: Color = (0.145, 0.048, 0.018)
BLOND: Color = (0.36, 0.235, 0.115)
GREY: Color = (0.36, 0.35, 0.33)
WHITE: Color = (0.62, 0.60, 0.57)


@dataclass(frozen=True, slots=True, kw_only=True)
class Complexion:
    """The colours of a person. `melanin` and `blood` are shares by volume (`pigments.skin_color`); the rest are
    amounts about 1 (or 0 for what one may not have). Colours are linear Rec.709."""

    melanin: float = 0.03
    blood: float = 0.016
    lips: float = 0.07  # blood in the lips
    lip_melanin: float = 0.0  # more melanin in the lips than the skin's share
    flush: float = 1.0  # how much nose, cheeks and ears redden
    freckles: float = 0.0  # melanin in a freckle
    circles: float = 0.4  # shade under the eyes
    lids: float = 1.0  # shade of the lids
    beard: float = 0.0  # shaven beard
    oil: float = 1.0
    hair_color: Color = DARK_BROWN
    brow_color: Color | None = None  # None: as the hair
    scalp: float = 0.85  # how far the scalp takes the hair's shade
    iris: str = "brown"
    iris_tone: float = 0.48  # brightness of the iris
    veins: float = 0.25  # of the eyes
    teeth: float = 0.0  # towards yellow
    brow_density: float = 1.0
    brow_thickness: float = 1.0
    lash_length: float = 1.0
    shirt: Color = (0.035, 0.037, 0.042)
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person by name: head, complexion and one of `hair.STYLES`; `label` is the English text of menus."""

    name: str
    label: str  # for menus
    head: Identity
    look: Complexion
    hair: str


def identities() -> tuple[str, ...]:
    """The names of the people there are, in the order of a menu."""
    return tuple(_PEOPLE)


def person(name: str) -> Person:
    """A person by name, upper or lower case; UsageError naming all when there is none."""
    found = _PEOPLE.get(name.strip().lower())
    if found is None:
        raise UsageError(f'there is nobody called "{name}"; there are {", ".join(_PEOPLE)}')
    return found


def N_(text: str) -> str:  # noqa: N802  the mark that the translators' table looks for
    """Mark a text for translation where it is written."""
    return text


def _person(name: str, label: str, hair: str, head: Identity, look: Complexion) -> Person:
    return Person(name=name, label=label, head=head, look=look, hair=hair)


_PEOPLE: Mapping[str, Person] = {
    p.name: p
    for p in (
        _person(
            "ada",
            N_("Ada: about 30, light skin, brown bob"),
            "bob",
            Identity(
                skull_width=-0.2,
                cheekbone_height=0.4,
                cheekbone_strength=0.3,
                jaw_width=-0.8,
                jaw_strength=-0.7,
                chin_width=-0.5,
                chin_projection=-0.1,
                nose_width=-0.5,
                nose_length=-0.3,
                nose_tip_up=0.4,
                nose_tip_size=-0.3,
                brow_ridge=-0.7,
                brow_height=0.25,
                brow_tilt=0.3,
                eye_size=0.4,
                eye_tilt=0.25,
                eye_openness=0.2,
                upper_lip=0.5,
                lower_lip=0.5,
                mouth_corner=0.15,
                neck_width=-1.7,
                neck_length=-0.3,
                neck_muscle=-0.6,
                larynx=-1.0,
                shoulder_width=-1.0,
                age=0.1,
                asymmetry_seed=3,
            ),
            Complexion(
                melanin=0.022,
                blood=0.015,
                lips=0.073,
                flush=1.0,
                hair_color=BROWN,
                brow_color=DARK_BROWN,
                iris="green",
                lash_length=1.1,
                brow_thickness=0.85,
                seed=3,
            ),
        ),
        _person(
            "bela",
            N_("Bela: about 45, olive skin, swept back dark hair, shaven beard"),
            "swept back",
            Identity(
                brow_ridge=0.6,
                brow_height=-0.3,
                nose_length=0.4,
                nose_hump=0.5,
                nose_projection=0.3,
                jaw_width=0.5,
                jaw_strength=0.6,
                jaw_angle=0.4,
                chin_width=0.5,
                chin_projection=0.4,
                cheek_fullness=-0.2,
                upper_lip=-0.3,
                mouth_width=0.3,
                neck_width=0.5,
                larynx=0.7,
                neck_muscle=0.4,
                shoulder_width=0.6,
                age=0.4,
                weight=0.1,
                asymmetry_seed=5,
            ),
            Complexion(
                melanin=0.055,
                blood=0.018,
                lips=0.063,
                beard=0.8,
                hair_color=BLACK,
                iris="hazel",
                circles=0.6,
                brow_density=1.25,
                brow_thickness=1.2,
                oil=1.2,
                seed=5,
            ),
        ),
        _person(
            "ceres",
            N_("Ceres: about 25, very dark skin, cropped curls"),
            "curls",
            Identity(
                skull_depth=0.3,
                forehead_bulge=0.4,
                cheekbone_strength=0.5,
                cheekbone_height=0.5,
                jaw_width=-0.5,
                jaw_strength=-0.4,
                nose_width=0.7,
                nose_root=-0.3,
                nose_length=-0.2,
                nostril_flare=0.4,
                upper_lip=1.1,
                lower_lip=1.1,
                mouth_projection=0.6,
                brow_ridge=-0.5,
                eye_size=0.4,
                eye_tilt=0.2,
                chin_width=-0.3,
                neck_width=-1.6,
                neck_length=0.0,
                larynx=-1.0,
                neck_muscle=-0.5,
                shoulder_width=-0.9,
                asymmetry_seed=7,
            ),
            Complexion(
                melanin=0.80,
                blood=0.022,
                lips=0.084,
                lip_melanin=0.30,
                flush=0.6,
                hair_color=BLACK,
                iris="brown",
                iris_tone=0.34,
                circles=0.2,
                lids=0.6,
                oil=1.3,
                lash_length=1.1,
                seed=7,
            ),
        ),
        _person(
            "dorian",
            N_("Dorian: about 28, fair freckled skin, cropped red hair"),
            "cropped",
            Identity(
                skull_height=0.2,
                jaw_width=0.2,
                jaw_strength=0.3,
                nose_length=0.1,
                nose_tip_up=0.2,
                brow_ridge=0.2,
                eye_depth=0.2,
                cheekbone_strength=0.2,
                chin_cleft=0.6,
                lower_lip=0.2,
                ear_angle=0.4,
                neck_width=0.2,
                larynx=0.5,
                shoulder_width=0.4,
                asymmetry_seed=9,
            ),
            Complexion(
                melanin=0.013,
                blood=0.017,
                lips=0.070,
                flush=1.3,
                freckles=0.045,
                beard=0.35,
                hair_color=AUBURN,
                iris="blue",
                circles=0.35,
                seed=9,
            ),
        ),
        _person(
            "emi",
            N_("Emi: about 35, light golden skin, black hair in a bun"),
            "bun",
            Identity(
                skull_width=0.3,
                cheekbone_width=0.5,
                cheekbone_height=0.3,
                nose_root=-0.7,
                nose_length=-0.2,
                nose_width=0.1,
                nose_projection=-0.4,
                epicanthus=0.9,
                lid_hood=0.6,
                lid_crease=-0.6,
                eye_tilt=0.35,
                eye_depth=-0.5,
                brow_ridge=-0.8,
                jaw_width=-0.4,
                jaw_strength=-0.4,
                chin_width=-0.4,
                upper_lip=0.3,
                lower_lip=0.3,
                neck_width=-1.6,
                larynx=-1.0,
                neck_muscle=-0.5,
                shoulder_width=-0.9,
                age=0.15,
                asymmetry_seed=11,
            ),
            Complexion(
                melanin=0.042,
                blood=0.0135,
                lips=0.070,
                flush=0.8,
                hair_color=BLACK,
                iris="brown",
                iris_tone=0.34,
                lash_length=0.9,
                brow_density=0.9,
                seed=11,
            ),
        ),
        _person(
            "farid",
            N_("Farid: about 60, brown skin, grey side parting"),
            "side parting",
            Identity(
                brow_ridge=0.5,
                nose_length=0.6,
                nose_hump=0.4,
                nose_tip_size=0.4,
                nasolabial=0.6,
                jaw_width=0.3,
                cheek_fullness=0.1,
                lower_lip=0.3,
                ear_size=0.5,
                ear_lobe=0.6,
                neck_width=0.4,
                larynx=0.6,
                shoulder_width=0.3,
                age=0.7,
                weight=0.3,
                asymmetry=0.8,
                asymmetry_seed=13,
            ),
            Complexion(
                melanin=0.16,
                blood=0.02,
                lips=0.063,
                lip_melanin=0.09,
                beard=0.6,
                hair_color=GREY,
                brow_color=(0.10, 0.09, 0.085),
                iris="brown",
                iris_tone=0.34,
                circles=0.9,
                veins=0.45,
                teeth=0.5,
                brow_density=1.2,
                seed=13,
            ),
        ),
        _person(
            "greta",
            N_("Greta: about 75, pale skin, short white hair"),
            "cropped",
            Identity(
                cheekbone_strength=0.3,
                jaw_width=-0.4,
                jaw_strength=-0.4,
                nose_length=0.3,
                nose_tip_size=0.2,
                upper_lip=-0.6,
                lower_lip=-0.4,
                lid_hood=0.7,
                brow_ridge=-0.4,
                ear_size=0.4,
                ear_lobe=0.7,
                neck_width=-1.6,
                larynx=-0.6,
                shoulder_width=-0.8,
                age=1.0,
                weight=-0.1,
                asymmetry=0.9,
                asymmetry_seed=17,
            ),
            Complexion(
                melanin=0.018,
                blood=0.014,
                lips=0.050,
                flush=1.2,
                circles=0.8,
                hair_color=WHITE,
                brow_color=(0.30, 0.28, 0.26),
                iris="grey",
                veins=0.5,
                teeth=0.6,
                brow_density=0.7,
                lash_length=0.75,
                scalp=0.5,
                seed=17,
            ),
        ),
        _person(
            "hugo",
            N_("Hugo: about 35, deep brown skin, shaved head"),
            "shaved",
            Identity(
                skull_depth=0.3,
                brow_ridge=0.4,
                nose_width=0.6,
                nose_root=-0.1,
                nostril_flare=0.4,
                upper_lip=0.7,
                lower_lip=0.8,
                mouth_projection=0.4,
                jaw_width=0.6,
                jaw_strength=0.5,
                chin_width=0.3,
                cheekbone_strength=0.4,
                neck_width=0.8,
                neck_muscle=0.6,
                larynx=0.7,
                shoulder_width=0.9,
                age=0.15,
                asymmetry_seed=19,
            ),
            Complexion(
                melanin=0.6,
                blood=0.022,
                lips=0.077,
                lip_melanin=0.22,
                flush=0.7,
                beard=0.5,
                hair_color=BLACK,
                scalp=0.10,
                iris="brown",
                iris_tone=0.34,
                oil=1.4,
                lids=0.7,
                brow_density=1.1,
                seed=19,
            ),
        ),
        _person(
            "ines",
            N_("Ines: about 22, warm brown skin, long dark hair drawn back"),
            "bun",
            Identity(
                cheek_fullness=0.4,
                cheekbone_height=0.3,
                jaw_width=-0.6,
                jaw_strength=-0.6,
                chin_width=-0.4,
                nose_width=0.2,
                nose_length=-0.2,
                nose_tip_size=0.2,
                eye_size=0.6,
                eye_openness=0.3,
                eye_width=0.3,
                brow_ridge=-0.6,
                upper_lip=0.7,
                lower_lip=0.7,
                cupids_bow=0.4,
                neck_width=-1.6,
                larynx=-1.0,
                neck_muscle=-0.5,
                shoulder_width=-0.9,
                age=-0.05,
                asymmetry_seed=23,
            ),
            Complexion(
                melanin=0.11,
                blood=0.018,
                lips=0.077,
                flush=0.9,
                hair_color=DARK_BROWN,
                brow_color=BLACK,
                iris="amber",
                iris_tone=0.36,
                lash_length=1.15,
                brow_density=1.15,
                oil=1.15,
                seed=23,
            ),
        ),
        _person(
            "jonas",
            N_("Jonas: about 50, light ruddy skin, receding fair hair"),
            "cropped",
            Identity(
                forehead_height=0.9,
                brow_ridge=0.3,
                cheek_fullness=0.5,
                nose_tip_size=0.5,
                nose_width=0.3,
                jaw_width=0.4,
                under_chin=0.6,
                weight=0.7,
                upper_lip=-0.3,
                eye_depth=0.2,
                neck_width=0.7,
                larynx=0.4,
                shoulder_width=0.5,
                age=0.5,
                asymmetry=0.7,
                asymmetry_seed=29,
            ),
            Complexion(
                melanin=0.018,
                blood=0.021,
                lips=0.067,
                flush=1.6,
                beard=0.4,
                hair_color=BLOND,
                brow_color=(0.2, 0.13, 0.07),
                iris="blue",
                circles=0.6,
                veins=0.4,
                oil=1.2,
                scalp=0.35,
                seed=29,
            ),
        ),
        _person(
            "kira",
            N_("Kira: about 12, light skin, fair bob"),
            "bob",
            Identity(
                cheek_fullness=0.4,
                nose_root=-0.4,
                nose_tip_up=0.5,
                brow_ridge=-1.0,
                jaw_width=-0.5,
                jaw_strength=-0.8,
                eye_size=0.6,
                lower_lip=0.2,
                neck_width=-1.8,
                larynx=-1.0,
                neck_muscle=-1.0,
                shoulder_width=-1.6,
                age=-0.5,
                asymmetry_seed=31,
            ),
            Complexion(
                melanin=0.019,
                blood=0.0145,
                lips=0.063,
                flush=1.2,
                freckles=0.02,
                circles=0.15,
                oil=0.7,
                hair_color=BLOND,
                brow_color=BROWN,
                iris="blue",
                veins=0.1,
                brow_density=0.8,
                seed=31,
            ),
        ),
        _person(
            "luan",
            N_("Luan: about 30, tan skin, side parting"),
            "side parting",
            Identity(
                skull_width=0.2,
                cheekbone_width=0.4,
                nose_root=-0.4,
                nose_width=0.2,
                epicanthus=0.6,
                lid_hood=0.3,
                lid_crease=-0.3,
                eye_depth=-0.2,
                jaw_width=0.4,
                jaw_strength=0.3,
                jaw_angle=0.3,
                lower_lip=0.4,
                upper_lip=0.2,
                neck_width=0.2,
                larynx=0.4,
                shoulder_width=0.4,
                asymmetry_seed=37,
            ),
            Complexion(
                melanin=0.075,
                blood=0.016,
                lips=0.067,
                beard=0.25,
                hair_color=BLACK,
                iris="brown",
                iris_tone=0.34,
                circles=0.3,
                oil=1.15,
                brow_density=1.15,
                seed=37,
            ),
        ),
    )
}
