"""How strips act on a pose: which count at a frame, how much, and how their clips are mixed in.

A pose is one row of numbers, every driven field with its own place in it. Strips act on it layer by layer. Those of
one layer share it from the top down: each takes its weight of what the ones above it left, and only what is left at
last stays with the pose below, so that two strips that fade into each other hide it all the while. Rotations are mixed
on the sphere, everything else in a straight line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from studio.scene.animation import F64, Curve, Tracks, quaternion_power, quaternion_product, slerp
from studio.scene.clips import Strip
from studio.scene.euler import to_quaternions

Index = NDArray[np.intp]


class Sampler:
    """Curves with the places in the pose that they write to; those of single items write after whole fields'."""

    __slots__ = ("_places", "_tracks")

    def __init__(self, whole: Tracks, items: Tracks, places: dict[str, Index]) -> None:
        self._tracks = [tracks for tracks in (whole, items) if tracks.names]
        self._places = []
        for tracks in self._tracks:
            listed = list(tracks.curves.values())
            groups = tracks.groups
            self._places.append(
                [(np.concatenate([places[tracks.names[i]] for i in rows]), listed[rows[0]].euler) for rows in groups]
            )

    def with_curves(self, curves: Mapping[str, Curve]) -> Sampler:
        """The same with other curves of the same kinds."""
        out = Sampler.__new__(Sampler)
        out._places = self._places
        out._tracks = [tracks.with_curves(curves) for tracks in self._tracks]
        return out

    def write(self, pose: F64, frame: float) -> None:
        """Put the values of a frame into their places."""
        for tracks, places in zip(self._tracks, self._places, strict=True):
            for (place, euler), values in zip(places, tracks.grouped(frame), strict=True):
                pose[place] = (to_quaternions(values) if euler else values).reshape(-1)


@dataclass(frozen=True, slots=True, eq=False)
class Player:
    """A strip with its clip's curves. `plain` are the places of the pose that it drives by numbers, `turns` (n, 4)
    those of rotations."""

    strip: Strip
    sampler: Sampler
    plain: Index
    turns: Index


def in_order(strips: Sequence[Strip]) -> list[Strip]:
    """Strips in the order in which they act."""
    return sorted(strips, key=lambda strip: (strip.layer, strip.start))


def mix(pose: F64, players: Sequence[Player], frame: float) -> tuple[F64, F64]:
    """The pose with the strips that count at a frame, and how much of what was below still counts (0 to 1).

    `players` stand in the order in which they act.
    """
    pose, left = pose.copy(), np.ones(len(pose))
    for _, layer in groupby(players, key=lambda player: player.strip.layer):
        acting = []
        for player in layer:
            time, weight = player.strip.time_at(frame), player.strip.weight_at(frame)
            if time is not None and weight > 0.0:
                acting.append((player, time, weight))
        if acting:
            left *= _layered(pose, acting)
    return pose, left


def _layered(pose: F64, acting: list[tuple[Player, float, float]]) -> F64:
    """Mix the strips of one layer into the pose; gives what is left of what was below."""
    remaining = np.ones(len(pose))
    taken: list[tuple[F64, F64] | None] = []
    for player, _, weight in reversed(acting):
        if player.strip.mix == "add":
            taken.append(None)
            continue
        shares = []
        for places in (player.plain, player.turns):
            share = np.minimum(weight, remaining[places])
            remaining[places] -= share
            shares.append(share)
        taken.append((shares[0], shares[1][:, 0]))
    below = remaining.copy()
    values = np.empty_like(pose)
    for (player, time, weight), shares_ in zip(acting, reversed(taken), strict=True):
        player.sampler.write(values, time)
        plain, turns = player.plain, player.turns
        if shares_ is None:
            _added(pose, player, values, weight)
            continue
        t = _shift(below, plain, shares_[0])
        pose[plain] += (values[plain] - pose[plain]) * t
        if len(turns):
            t = _shift(below, turns[:, 0], shares_[1])
            below[turns[:, 1:]] = below[turns[:, :1]]
            pose[turns] = slerp(pose[turns], values[turns], t)
    return remaining


def _shift(below: F64, places: Index, share: F64) -> F64:
    """How far to go from the mix so far, which counts `below`, to one that counts `share`."""
    whole = below[places] + share
    below[places] = whole
    return np.where(whole > 0.0, share / np.where(whole > 0.0, whole, 1.0), 0.0)


def _added(pose: F64, player: Player, values: F64, weight: float) -> None:
    """Add the clip's difference from its first frame; rotations turn by it about their parent's axes."""
    rest = np.empty_like(values)
    player.sampler.write(rest, player.strip.clip_in)
    plain, turns = player.plain, player.turns
    pose[plain] += (values[plain] - rest[plain]) * weight
    if len(turns):
        turn = quaternion_product(values[turns], rest[turns] * (-1.0, -1.0, -1.0, 1.0))
        pose[turns] = quaternion_product(quaternion_power(turn, np.full(len(turns), weight)), pose[turns])
