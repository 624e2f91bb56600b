"""Cameras and lenses by name: the sizes of sensors and film gates, and the focal lengths that sets of primes have.

Sizes are in millimetres, the largest area that a camera records unless the name says another. Makers publish them in
data sheets, film gates stand in standards; what was read and compared here, row by row, are pages that repeat those:
`source` names one for every row. They are press pages, a maker's forum and open tables of sensors and lenses (above all
the Camera-Sensor-Database of EmberLightVFX); the data sheets and the standards themselves were not at hand. Rows and
focal lengths that no such page had were left out, so a set may lack lenses that its maker sells.

T-stops say how much light a lens passes. Depth of field follows the f-stop, a number that is a little lower. Lenses of
these sets are sold by T-stops alone, so a T-stop is taken as the f-stop, which it nearly is: what is out of focus is
then a little less so than through the real lens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from studio.errors import UsageError
from studio.scene.entities import Id
from studio.scene.scene import Scene

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sensor:
    """What a camera records, `width_mm` by `height_mm`; `source` says where that was read."""

    name: str
    width_mm: float
    height_mm: float
    source: str


@dataclass(frozen=True, slots=True)
class LensSet:
    """Prime lenses of one make: focal length in mm -> the widest T-stop; `source` says where that was read."""

    name: str
    stops: Mapping[float, float]
    source: str


_DATABASE = "EmberLightVFX, Camera-Sensor-Database"
_SHOOTER = "newsshooter.com, on ALEXA LF and anamorphic lenses (2018)"
_CINEWEB = "cineweb, common sensor modes"
_NUKE = "Foundry, film back presets of Nuke"
_MEMENTO = "jujumo, memento of sensors"
_FORMATS = "open tables of film and sensor formats"

SENSORS: tuple[Sensor, ...] = (
    Sensor("Full frame 36 × 24", 36.0, 24.0, _NUKE),
    Sensor("Super 35, 4-perf", 24.89, 18.66, _MEMENTO),
    Sensor("Super 35, 3-perf", 24.92, 13.87, _NUKE),
    Sensor("Academy 35", 21.95, 16.0, _FORMATS),
    Sensor("65 mm, 5-perf", 52.63, 23.01, _FORMATS),
    Sensor("IMAX 15/70", 70.41, 52.63, _MEMENTO),
    Sensor("16 mm", 10.26, 7.49, _NUKE),
    Sensor("Super 16", 12.52, 7.41, _MEMENTO),
    Sensor("Super 8", 5.79, 4.01, _MEMENTO),
    Sensor("ARRI ALEXA 35, open gate", 27.99, 19.22, "forum.arri.com, on the aspect ratio of ALEXA 35"),
    Sensor("ARRI ALEXA Mini, open gate", 28.25, 18.17, _CINEWEB),
    Sensor("ARRI ALEXA LF, open gate", 36.70, 25.54, _SHOOTER),
    Sensor("ARRI ALEXA 65, open gate", 54.12, 25.58, _SHOOTER),
    Sensor("RED V-RAPTOR 8K VV", 40.96, 21.60, _DATABASE),
    Sensor("RED KOMODO 6K", 27.03, 14.26, _DATABASE),
    Sensor("RED HELIUM 8K S35", 29.90, 15.77, _DATABASE),
    Sensor("Sony VENICE 2 8K, full frame", 35.9, 24.0, _CINEWEB),
    Sensor("Sony VENICE 6K, full frame", 35.9, 24.0, _DATABASE),
    Sensor("Sony FX6, whole sensor", 35.6, 23.8, _DATABASE),
    Sensor("Canon EOS C300 Mark III", 26.2, 13.8, _FORMATS),
    Sensor("Canon EOS C500 Mark II", 38.1, 20.1, _FORMATS),
    Sensor("Blackmagic Pocket Cinema Camera 4K", 18.96, 10.0, _DATABASE),
    Sensor("Blackmagic Pocket Cinema Camera 6K", 23.10, 12.99, _DATABASE),
    Sensor("Blackmagic URSA Mini Pro 12K", 27.03, 14.25, _FORMATS),
    Sensor("APS-C", 23.5, 15.6, _FORMATS),
    Sensor("APS-C, Canon", 22.3, 14.9, _MEMENTO),
    Sensor("Micro Four Thirds", 17.3, 13.0, _MEMENTO),
    Sensor("1 inch", 13.2, 8.8, "tomshw.it, on Sony RX100 VI"),
    Sensor("Medium format 44 × 33", 43.8, 32.9, _FORMATS),
)


def _primes(stop: float, *focals: float, **others: float) -> dict[float, float]:
    """Focal lengths of one stop, and those of another: `_180=2.8`."""
    found = dict.fromkeys(focals, stop) | {float(name[1:]): t for name, t in others.items()}
    return dict(sorted(found.items()))


_TABLES = "open tables of cinema lenses"

LENS_SETS: tuple[LensSet, ...] = (
    LensSet(
        "Cooke S4/i", _primes(2.0, 12, 14, 16, 18, 21, 25, 27, 32, 35, 40, 50, 65, 75, 100, 135, _300=2.8), _TABLES
    ),
    LensSet("Cooke S7/i", _primes(2.0, 16, 18, 21, 25, 27, 32, 40, 50, 65, 75, 100, 135), _TABLES),
    LensSet(
        "ZEISS Supreme Prime", _primes(1.5, 18, 21, 25, 29, 35, 40, 50, 65, 85, 100, 135, _15=1.8, _200=2.2), _TABLES
    ),
    LensSet(
        "ARRI Signature Prime",
        _primes(1.8, 12, 15, 18, 21, 25, 29, 35, 40, 47, 58, 75, 95, 125, 150, _200=2.5, _280=2.8),
        "an open table of cinema lenses that quotes ARRI's technical data",
    ),
    LensSet(
        "ARRI/ZEISS Master Prime",
        _primes(1.3, 12, 14, 16, 18, 21, 25, 27, 32, 35, 40, 50, 65, 75, 100, 135, 150),
        "open tables of cinema lenses, one of which quotes ZEISS' specifications",
    ),
    LensSet("ZEISS CP.3", _primes(2.1, 25, 28, 35, 50, 85, 100, 135, _15=2.9, _18=2.9, _21=2.9), _TABLES),
    LensSet("Leitz Summilux-C", _primes(1.4, 18, 25, 35, 40, 50, 75, 100), "lavidaleica.com (the stop) and " + _TABLES),
    LensSet("Sigma FF High Speed", _primes(1.5, 20, 24, 28, 35, 40, 50, 65, 85, 105, _14=2.0, _135=2.0), _TABLES),
)


def sensor(name: str) -> Sensor:
    """The sensor of a name, whatever its case; `UsageError` naming the nearest ones when there is none."""
    return _named(name, {s.name: s for s in SENSORS}, "sensor")


def lens_set(name: str) -> LensSet:
    """The set of lenses of a name, whatever its case; `UsageError` naming the nearest ones when there is none."""
    return _named(name, {s.name: s for s in LENS_SETS}, "set of lenses")


def _named(name: str, known: Mapping[str, T], what: str) -> T:
    folded = {key.casefold(): value for key, value in known.items()}
    found = folded.get(name.strip().casefold())
    if found is None:
        import difflib

        near = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.3)
        offered = [key for key in known if key.casefold() in near] or list(known)[:3]
        raise UsageError(f"there is no {what} {name!r}; there are, for example, {', '.join(offered)}")
    return found


def sensor_of(width_mm: float, height_mm: float) -> str:
    """The name of the sensor of a size, the first where several have it, "" for none."""
    return next((s.name for s in SENSORS if abs(s.width_mm - width_mm) + abs(s.height_mm - height_mm) < 5e-3), "")


def with_sensor(scene: Scene, ids: tuple[Id, ...], chosen: Sensor, *, keep_view: bool = False) -> Scene:
    """Give cameras a sensor; with `keep_view` their focal lengths change so that they see as much as before."""
    for id_ in ids:
        values = {"sensor_width_mm": chosen.width_mm, "sensor_height_mm": chosen.height_mm}
        camera = scene.get(id_)
        if keep_view:
            side = "sensor_height_mm" if getattr(camera, "fit", "") == "vertical" else "sensor_width_mm"
            values["focal_length_mm"] = camera.focal_length_mm * values[side] / getattr(camera, side)  # type: ignore[union-attr]
        scene = scene.replace(id_, **values)
    return scene


def with_lens(scene: Scene, ids: tuple[Id, ...], lenses: LensSet, focal_mm: float) -> Scene:
    """Put a lens of a set on cameras, wide open where they had no iris; the nearest one that the set has. Its T-stop
    is taken as the f-stop."""
    focal = min(lenses.stops, key=lambda f: abs(f - focal_mm))
    for id_ in ids:
        stop = getattr(scene.get(id_), "f_stop", 0.0)
        scene = scene.replace(id_, focal_length_mm=float(focal), f_stop=max(stop, lenses.stops[focal]))
    return scene
