"""IES files: how a luminaire shines, as a goniophotometer measured it, made into a profile that renderers read.

All versions of the format are read: LM-63-1986 (which has no header), -1991, -1995, -2002 and -2019. Candela come in
planes of one of three kinds of goniophotometer; all become one image over the directions in which light leaves the
lamp (`studio.scene.light_shaping.PROFILE_ROWS`), whose peak is 1, and the candela of that peak. A lamp's own frame:
what the file calls straight down (type A: straight ahead) is the axis -z, its plane of 0 degrees lies towards +x.

Sources: ANSI/IES LM-63-19 and ANSI/IESNA LM-63-02 (format, photometric zero and sense of angles), IESNA LM-75-01
(goniophotometers). How a lamp's output sinks when a luminaire is tilted (TILT=) is read over: it tells nothing of a
luminaire that hangs as it was measured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.assets.files import read_file
from studio.errors import BadAsset
from studio.scene.geometry import Image, make_image
from studio.scene.light_shaping import PROFILE_COLUMNS, PROFILE_ROWS

F64 = NDArray[np.float64]
_LARGEST_FILE = 16 << 20  # bytes; a file of one measurement a degree all around has less than one
_MOST_ANGLES = 36_001  # one every hundredth of a degree
_TILT = re.compile(r"^[ \t]*TILT[ \t]*=[ \t]*([^\r\n]*)", re.MULTILINE | re.IGNORECASE)
_VERSION = re.compile(r"\s*IES(?:NA)?[:\s]*(?:LM-63-)?(\d{4}|\d{2})\b")
_NO_LONGER_A_FACTOR = 2002  # from this version on the number behind the ballast factor multiplies nothing
TYPE_C, TYPE_B, TYPE_A = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Profile:
    """A luminaire's light: the image that renderers read, the candela where it is brightest, all of its lumens."""

    image: Image
    peak_cd: float
    lumens: float
    name: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What a file holds: angles in degrees (v,) and (h,), candela (h, v) with all factors, the photometry's type."""

    vertical: F64
    horizontal: F64
    candela: F64
    type: int


def read_profile(path: Path | str) -> Profile:
    """The profile of an IES file; BadAsset, naming it, for anything that is none or is broken."""
    path = Path(path)
    return load_profile(read_file(path, path.name), path.stem, path=str(path))


def load_profile(data: bytes, name: str, *, path: str = "") -> Profile:
    """The profile in the bytes of an IES file; `path` is where it came from. BadAsset opens with the name."""
    where = Path(path).name or name
    measured = read_measured(data, where)
    seen = _resampled(measured)
    peak = float(seen.max())
    if not peak > 0:
        raise BadAsset(f"{where}: the luminaire shines in no direction; export the file again.")
    image = make_image((seen / peak).astype(np.float32), colour_space="data", name=name, path=path, where=where)
    return Profile(image, peak, _lumens(seen), name)


def read_measured(data: bytes, where: str) -> Measured:
    """The measurements in an IES file's bytes; BadAsset, opening with `where`, for anything else."""
    if len(data) > _LARGEST_FILE or b"\0" in data[:4096]:
        raise BadAsset(f"{where} is no IES file; such a file is a text of some kilobytes.")
    text = data.decode("latin-1")
    tilt = _TILT.search(text)
    if tilt is None:
        raise BadAsset(f"{where} is no IES file; it says nowhere TILT=.")
    numbers = _Numbers(text[tilt.end() :], where)
    if tilt[1].strip().strip('"').upper() == "INCLUDE":
        numbers.take(1, "its lamp's place")
        numbers.take(2 * numbers.count("tilt angles"), "its tilt angles")
    _, _, multiplier = numbers.take(3, "its lamps")
    down, around = numbers.count("vertical angles"), numbers.count("horizontal angles")
    kind = numbers.take(5, "its size")[0]
    if kind not in (TYPE_C, TYPE_B, TYPE_A):
        raise BadAsset(f"{where}: its photometry is of the type {kind:g}; use 1 (C), 2 (B) or 3 (A).")
    ballast, other, _ = numbers.take(3, "its ballast")
    factor = multiplier * ballast * (other if _version(text) < _NO_LONGER_A_FACTOR else 1.0)
    vertical, horizontal = numbers.take(down, "its vertical angles"), numbers.take(around, "its horizontal angles")
    candela = numbers.take(down * around, f"its {down * around:,} measurements").reshape(around, down)
    _check(vertical, horizontal, candela, factor, int(kind), where)
    with np.errstate(over="ignore", invalid="ignore"):
        candela = candela * factor
    if not (candela < 1e30).all():
        raise BadAsset(f"{where}: its candela are beyond all numbers; export it again.")
    return Measured(vertical, horizontal, candela, int(kind))


class _Numbers:
    """The numbers behind TILT=, one after the other. Only as many are looked at as are asked for: some programs put
    remarks behind the last."""

    def __init__(self, text: str, where: str) -> None:
        self._words = text.replace(",", " ").split()
        self._at = 0
        self._where = where

    def take(self, count: int, what: str) -> F64:
        words = self._words[self._at : self._at + count]
        if len(words) < count:
            raise BadAsset(f"{self._where} ends before {what}; export it again.")
        self._at += count
        try:
            out = np.array(words, np.float64)
        except ValueError:
            raise BadAsset(f"{self._where}: {what} are not all numbers; export it again.") from None
        if not np.isfinite(out).all():
            raise BadAsset(f"{self._where}: {what} are not all finite numbers; export it again.")
        return out

    def count(self, what: str) -> int:
        value = float(self.take(1, f"the number of its {what}")[0])
        if not (1 <= value <= _MOST_ANGLES and value == int(value)):
            raise BadAsset(f"{self._where} claims {value:g} {what}; export it again.")
        return int(value)


def _version(text: str) -> int:
    """The year of the format that a file names; 1986 where it names none."""
    found = _VERSION.match(text)
    year = int(found[1]) if found else 1986
    return year if year > 99 else 1900 + year


def _check(vertical: F64, horizontal: F64, candela: F64, factor: float, kind: int, where: str) -> None:
    lowest, highest = (0.0, 180.0) if kind == TYPE_C else (-180.0, 180.0)
    for what, angles, low, high in (
        ("vertical", vertical, lowest, highest),
        ("horizontal", horizontal, -360.0, 360.0),
    ):
        if (np.diff(angles) < 0).any():
            raise BadAsset(f"{where}: its {what} angles do not rise; export it again.")
        if angles[0] < low - 1e-3 or angles[-1] > high + 1e-3:
            raise BadAsset(f"{where}: its {what} angles go from {angles[0]:g} to {angles[-1]:g} degrees.")
    if len(vertical) < 2:
        raise BadAsset(f"{where}: it measures at one vertical angle only, which tells no shape.")
    if factor < 0 or (candela < 0).any():
        raise BadAsset(f"{where}: it says that the luminaire shines less than nothing; export it again.")


# --- from planes to directions ---------------------------------------------------------------------------------------
def _resampled(measured: Measured) -> F64:
    """(PROFILE_ROWS, PROFILE_COLUMNS) candela in the directions of a profile."""
    down = np.linspace(0.0, 180.0, PROFILE_ROWS)
    around = np.arange(PROFILE_COLUMNS, dtype=np.float64) * (360.0 / PROFILE_COLUMNS)
    if measured.type == TYPE_C:
        planes = _along(measured.candela, measured.vertical, down)
        return _around(planes, measured.horizontal, around).T
    theta, phi = np.radians(down)[:, None], np.radians(around)[None, :]
    x, y, z = np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.broadcast_to(np.cos(theta), (181, 180))
    if measured.type == TYPE_B:  # planes turn about the horizontal axis y; their angles run clockwise from above
        vertical, horizontal = np.arctan2(x, z), np.arcsin(np.clip(-y, -1, 1))
    else:  # planes stand upright: longitude and latitude about what is straight ahead
        vertical, horizontal = np.arcsin(np.clip(y, -1, 1)), np.arctan2(x, z)
    return _looked_up(measured, np.degrees(vertical), np.degrees(horizontal))


def _along(values: F64, at: F64, wanted: F64) -> F64:
    """(k, w) values (k, n) at `wanted` angles; nothing where nothing was measured."""
    low, share = _place(at, wanted)
    inside = (wanted >= at[0] - 1e-3) & (wanted <= at[-1] + 1e-3)
    return np.asarray((values[:, low] * (1 - share) + values[:, low + 1] * share) * inside)


def _around(planes: F64, horizontal: F64, wanted: F64) -> F64:
    """(w, n) planes (h, n) of type C at angles around the axis, unfolded by the symmetry that their angles tell."""
    first, last = horizontal[0], horizontal[-1]
    folded = wanted % 360.0
    if len(horizontal) == 1:
        return np.repeat(planes, len(wanted), axis=0)
    if _is(first, 0) and _is(last, 90):
        folded = 90.0 - np.abs(90.0 - np.minimum(folded, 360.0 - folded))
    elif _is(first, 0) and _is(last, 180):
        folded = np.minimum(folded, 360.0 - folded)
    elif _is(first, 180) and _is(last, 360):
        folded = np.maximum(folded, 360.0 - folded)
    elif _is(first, 90) and _is(last, 270):
        folded = np.where(folded < 90.0, 180.0 - folded, np.where(folded > 270.0, 540.0 - folded, folded))
    else:  # all around, closed where the file does not close it
        planes, horizontal = np.vstack([planes, planes[:1]]), np.append(horizontal, max(first + 360.0, last))
        folded = first + (folded - first) % 360.0
    return _along(planes.T, horizontal, folded).T


def _is(angle: float, wanted: float) -> bool:
    return abs(angle - wanted) < 0.01


def _looked_up(measured: Measured, vertical: F64, horizontal: F64) -> F64:
    """Candela at pairs of angles of one shape; angles that begin at 0 stand for both sides."""
    v = np.abs(vertical) if measured.vertical[0] >= -1e-3 else vertical
    h = np.abs(horizontal) if measured.horizontal[0] >= -1e-3 else horizontal
    if len(measured.horizontal) == 1:
        only = _along(measured.candela, measured.vertical, v.ravel())
        return only.reshape(v.shape)
    row, share = _place(measured.horizontal, h)
    column, part = _place(measured.vertical, v)
    values = measured.candela
    near = values[row, column] * (1 - part) + values[row, column + 1] * part
    far = values[row + 1, column] * (1 - part) + values[row + 1, column + 1] * part
    inside = (v >= measured.vertical[0] - 1e-3) & (v <= measured.vertical[-1] + 1e-3)
    inside &= (h >= measured.horizontal[0] - 1e-3) & (h <= measured.horizontal[-1] + 1e-3)
    out: F64 = (near * (1 - share) + far * share) * inside
    return out


def _place(at: F64, wanted: F64) -> tuple[NDArray[np.intp], F64]:
    low = np.clip(np.searchsorted(at, wanted, side="right") - 1, 0, len(at) - 2)
    step = at[low + 1] - at[low]
    share = np.clip((wanted - at[low]) / np.where(step > 0, step, 1.0), 0.0, 1.0)
    return low, np.asarray(share, np.float64)


def _lumens(candela: F64) -> float:
    """The integral of candela (PROFILE_ROWS, PROFILE_COLUMNS) over all directions."""
    down = np.linspace(0.0, np.pi, PROFILE_ROWS)
    return float(2 * np.pi * np.trapezoid(candela.mean(axis=1) * np.sin(down), down))
