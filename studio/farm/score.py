"""How fast this machine is against the reference, as `studio bench demo` measured it and remembered.

The reference is a device that traces a million rays a second in the demo hall at 320 x 180, 16 samples, so a score is
that number. It tells nodes apart before they have rendered anything, and it is what a price for a score-hour is about.
A machine that was never measured counts as 1, and says so.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from studio.errors import CannotWrite
from studio.farm.model import Record
from studio.render.device import cache_root, candidates, info_of
from studio.render.output import replacing

REFERENCE_RAYS_S = 1e6
SLOWEST, FASTEST = 1e-3, 1e4  # scores that are believed
_LARGEST = 1 << 16


class Measured(Record, frozen=True):
    """What was measured on a device."""

    device: str  # its name
    rays_s: float


class Score(Record, frozen=True):
    """A score, and a sentence where nobody has measured it."""

    value: float = 1.0
    sentence: str = ""


def score_of(device: str = "auto", *, threads: int = 0) -> Score:
    """The score of a node on a device of this machine; of one that has only some of a processor's cores, its share."""
    backend = candidates(device)[0]
    found = _kept().get(backend)
    if found is None or found.device != info_of(backend).name:
        return Score(
            sentence=f"The speed of this machine's {backend} device was never measured, so it counts as 1; "
            "studio bench demo measures it."
        )
    share = min(threads / (os.cpu_count() or 1), 1.0) if backend == "cpu" and threads else 1.0
    return Score(value=min(max(found.rays_s / REFERENCE_RAYS_S * share, SLOWEST), FASTEST))


def keep_score(backend: str, name: str, rays_s: float) -> float:
    """Remember what was measured on a device; gives its score. Raises CannotWrite."""
    kept = {**_kept(), backend: Measured(device=name, rays_s=rays_s)}
    path = _file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise CannotWrite(f"the folder {path.parent} cannot be made: {reason}") from fault
    with replacing(path) as temporary:
        temporary.write_bytes(msgspec.json.encode(kept, order="deterministic"))
    return rays_s / REFERENCE_RAYS_S


def _file() -> Path:
    return cache_root() / "bench.json"


def _kept() -> dict[str, Measured]:
    """What was measured, by backend. A file that is damaged says nothing: measuring again writes it anew."""
    try:
        data = _file().read_bytes()
        return msgspec.json.decode(data, type=dict[str, Measured]) if len(data) <= _LARGEST else {}
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
