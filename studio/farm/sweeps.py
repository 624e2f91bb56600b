"""Whether a store is being cleaned, and by which sweep it was last: what whoever sends a bundle has to know."""

from __future__ import annotations

import time

from studio.errors import BadAsset, CannotWrite, Unsupported
from studio.farm.store import Store

RUNNING, COUNT = "sweep/running", "sweep/count"
STALE_S = 15 * 60.0  # of a sweep that was killed: a living one says so every half minute
_LOOK_S = 0.5


def last_sweep(store: Store) -> bytes:
    """A mark of the last sweep of a store, once none is running; b"" when there was none, and one of its own after a
    sweep that was killed."""
    waited = 0.0
    while store.size(RUNNING) is not None:
        if waited >= STALE_S:
            raise CannotWrite(f"{store.name} is being cleaned and never done; see who cleans it")
        age = age_of_running(store) if waited % 30 == 0 else 0.0
        if age is None or age > STALE_S:
            return b"killed"
        time.sleep(_LOOK_S)
        waited += _LOOK_S
    if store.size(COUNT) is None:
        return b""
    try:
        return store.get(COUNT, most=1 << 10)
    except BadAsset:
        return b"damaged"


def age_of_running(store: Store) -> float | None:
    """How long ago the sweep that runs gave a sign of life; None when it is over or its store knows no ages."""
    try:
        return next((age for key, _, age in store.dated() if key == RUNNING), None)
    except Unsupported:
        return None
