"""IES files made by code: any version, type of photometry, symmetry and tilt."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

HEADERS = {
    1986: "",
    1991: "IESNA91\n",
    1995: "IESNA:LM-63-1995\n",
    2002: "IESNA:LM-63-2002\n",
    2019: "IES:LM-63-2019\n",
}


def made(
    candela: Callable[[float, float], float],
    *,
    vertical: Sequence[float] = tuple(range(0, 181, 5)),
    horizontal: Sequence[float] = (0,),
    version: int = 2002,
    kind: int = 1,
    multiplier: float = 1.0,
    ballast: float = 1.0,
    other: float = 1.0,
    tilt: str = "NONE",
    ends: str = "\r\n",
    tail: str = "",
) -> bytes:
    """A file whose candela at (vertical, horizontal) degrees are given by a function."""
    more = "1 3 0 45 90 1.0 0.9 0.8\n" if tilt == "INCLUDE" else ""
    remark = "[TEST] made by code\n[MANUFAC] nobody\n" if version > 1986 else "A luminaire\nof nobody\n"
    out = f"{HEADERS[version]}{remark}TILT={tilt}\n{more}"
    out += f"1 1000 {multiplier} {len(vertical)} {len(horizontal)} {kind} 2 0.3 0.3 0\n{ballast} {other} 50\n"
    out += " ".join(f"{v:g}" for v in vertical) + "\n" + " ".join(f"{h:g}" for h in horizontal) + "\n"
    for h in horizontal:
        row = [f"{candela(v, h):.6g}" for v in vertical]
        out += "".join(", ".join(row[i : i + 10]) + "\n" for i in range(0, len(row), 10))
    return (out + tail).replace("\n", ends).encode("latin-1")


def lobe(v: float, h: float) -> float:
    """A beam down the axis, the same all around."""
    return 1000.0 * max(0.0, float(np.cos(np.radians(v)))) ** 2
