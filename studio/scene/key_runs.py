"""Many curves at one go: their keys laid end to end, and made curves of again.

An artist drags keys of a whole character. What a curve alone costs, some thirty calls for a hundred numbers each, is
nearly all overhead; laid end to end the keys of curves of one kind take as many calls as those of one. What is cut
apart again was checked all at once and is made of curves that were checked before, so it needs no other check.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.scene.animation import Curve, make_curve
from studio.scene.key_modes import PARTS, Parts, Runs, free_hand, made_handles, modes_of, parts_of


def laid(curves: Sequence[Curve]) -> tuple[Parts, Runs]:
    """The keys of curves of one kind (`kind_of_curve`) end to end, in arrays of their own. Handles of a Bezier curve
    are left out (None) where all are made by their modes."""
    first = curves[0]
    runs = Runs.of([len(curve.times) for curve in curves], [(curve.pre, curve.post) for curve in curves])
    parts: Parts = dict.fromkeys(PARTS)
    wanted = ["times", "values"]
    if first.interpolation == "bezier":
        parts["modes"] = np.concatenate([modes_of(curve) for curve in curves])
    if first.interpolation == "cubic" or (parts["modes"] is not None and free_hand(parts["modes"]).any()):
        wanted += ["in_tangents", "out_tangents"]
    given = [parts_of(curve) for curve in curves] if len(wanted) > 2 else curves
    for name in wanted:
        parts[name] = np.concatenate([part[name] if isinstance(part, dict) else getattr(part, name) for part in given])
    return parts, runs


def cut(parts: Parts, runs: Runs, curves: Sequence[Curve], *, same: Iterable[bool]) -> tuple[list[Curve], bool]:
    """Curves of keys end to end, of the kinds of `curves`, their handles made, and whether they are sound: finite, and
    times rise. Those that are the `same` keep the times and modes that they have."""
    into, out, modes = parts["in_tangents"], parts["out_tangents"], parts["modes"]
    if modes is not None:
        into, out = made_handles(parts["times"], parts["values"], modes, into, out, runs=runs)
    with np.errstate(invalid="ignore"):
        rising = np.diff(parts["times"]) > 0
    rising[runs.lasts[:-1]] = True
    sound = rising.all() and all(
        np.isfinite(a).all() for a in (parts["times"], parts["values"], into, out) if a is not None
    )
    made = []
    for like, a, b, still in zip(curves, runs.starts.tolist(), (runs.lasts + 1).tolist(), same, strict=True):
        made.append(
            Curve(
                like.times if still else _piece(parts["times"], a, b),
                _piece(parts["values"], a, b),
                like.interpolation,
                None if into is None else _piece(into, a, b),
                None if out is None else _piece(out, a, b),
                like.pre,
                like.post,
                like.rotation,
                like.euler,
                None if modes is None else like.modes if still and like.modes is not None else _piece(modes, a, b),
            )
        )
    return made, bool(sound)


def _piece(whole: NDArray[Any], a: int, b: int) -> NDArray[Any]:
    """A part as an array of its own, so that it holds no others in memory, which nobody can write to."""
    out = whole[a:b].copy()
    out.setflags(write=False)
    return out


def refuse(curve: Curve, *, where: str) -> None:
    """Raise BadAsset, naming `where`, for a curve that is not sound."""
    make_curve(
        curve.times,
        curve.values,
        interpolation=curve.interpolation,
        in_tangents=curve.in_tangents,
        out_tangents=curve.out_tangents,
        modes=curve.modes,
        where=where,
    )
