"""Idle life: what a face does when nobody drives it. Blinks, glances, breath and sway.

All of it is a pure function of the time and a seed, so that frame 900 alone is frame 900 of the sequence. Time is cut
into slots of about the length that the thing takes (a blink, a fixation, a glance); what happens in a slot, and when in
it, is a hash of the slot's number. A moment looks at its own slot and the one before, and never further back.

Numbers: people at rest blink 12 to 20 times a minute; a lid closes in 0.06 to 0.1 s and opens about twice as slowly
(K.-A. Kwon et al., High-speed camera characterization of voluntary eye blinking kinematics, 2013). Eyes rest for 0.3 to
0.5 s and jump by 30 to 50 ms (A. T. Bahill et al., The main sequence, 1975). Breath at rest: 12 to 16 a minute.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_MASK = (1 << 64) - 1
_BLINK, _GLANCE, _FIXATION, _DOUBLE, _SPEED, _RATE = range(1, 7)
_SWAY = 16  # and the next two
_JUMP_S = 0.04
_FIXATION_S = 0.4
_GLANCE_S = 2.6
_BREATH_S = 4.4
_FARTHEST_S = 1e9  # beyond this a float's steps are as long as a blink


@dataclass(frozen=True, slots=True)
class Life:
    """What idle life adds at one moment: `blink` 0 to 1 of both lids, degrees of both eyes to the figure's left and
    down, of the head (down, left, right shoulder), and how far the chest lifts the neck in metres."""

    blink: float = 0.0
    left_deg: float = 0.0
    down_deg: float = 0.0
    head_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    lift_m: float = 0.0


STILL = Life()


def life_at(seconds: float, seed: int, amount: float, *, held: float = 0.0) -> Life:
    """Idle life at a time. `amount` is 0 (none) to 1; `held` is how far something else already holds the gaze, 0 to 1:
    the eyes then wander less and only tremble."""
    if not (amount > 0.0 and math.isfinite(seconds)):
        return STILL
    amount = min(amount, 1.0)
    seconds = math.fmod(seconds, _FARTHEST_S)
    left, down = _wander(seconds, seed)
    free = 1.0 - 0.85 * min(max(held, 0.0), 1.0)
    tremble_left, tremble_down = _tremble(seconds, seed)
    turns = [amount * size * _noise(seconds * rate, seed, _SWAY + i) for i, (size, rate) in enumerate(_TURNS)]
    breath = 0.5 - 0.5 * math.cos(2.0 * math.pi * (seconds / _BREATH_S + _unit(seed, 0, _RATE)))
    turns[0] -= amount * 0.35 * breath  # the chest rises and the chin with it
    return Life(
        blink=_blink(seconds, seed, amount),
        left_deg=amount * (free * left + tremble_left),
        down_deg=amount * (free * down + tremble_down),
        head_deg=(turns[0], turns[1], turns[2]),
        lift_m=amount * 0.0012 * breath,
    )


_TURNS = ((0.7, 0.31), (1.1, 0.23), (0.5, 0.19))  # degrees down, left and aside, and how often in a second


# --- blinks ----------------------------------------------------------------------------------------------------------
def blinks_per_minute(seed: int) -> float:
    """How often the figure of a seed blinks, 13 to 18 times a minute, before double blinks."""
    return 13.0 + 5.0 * _unit(seed, 0, _BLINK)


def _blink(seconds: float, seed: int, amount: float) -> float:
    slot = 60.0 / blinks_per_minute(seed)
    number = math.floor(seconds / slot)
    return max(_blink_of(seconds, slot, n, seed, amount) for n in (number - 1, number))


def _blink_of(seconds: float, slot: float, number: int, seed: int, amount: float) -> float:
    """The lids by the blink of a slot: whole blinks become rarer, not shallower, with less life."""
    wanted = min(max((amount - _unit(seed, number, _RATE) + 0.05) / 0.05, 0.0), 1.0)
    if wanted == 0.0:
        return 0.0
    begun = (number + 0.8 * _unit(seed, number, _BLINK)) * slot
    speed = 0.85 + 0.35 * _unit(seed, number, _SPEED)
    lids = _lids((seconds - begun) / speed)
    if _unit(seed, number, _DOUBLE) < 0.1:
        lids = max(lids, _lids((seconds - begun) / speed - 0.34))
    return wanted * lids


def _lids(since: float) -> float:
    """How far the lids are shut `since` seconds after a blink began: shut at 0.075 s, open again at 0.25 s."""
    if since <= 0.0 or since >= 0.25:
        return 0.0
    if since < 0.075:
        return _smooth(since / 0.075)
    return 1.0 if since < 0.1 else 1.0 - _smooth((since - 0.1) / 0.15)


# --- eyes ------------------------------------------------------------------------------------------------------------
def _wander(seconds: float, seed: int) -> tuple[float, float]:
    """Degrees left and down of slow glances about."""

    def glance(number: int) -> tuple[float, float]:
        if _unit(seed, number, _GLANCE) < 0.45:  # back to what it had been looking at
            return 0.0, 0.0
        return 9.0 * _signed(seed, number, _GLANCE + 64), 4.0 * _signed(seed, number, _GLANCE + 65)

    return _jumping(seconds, _GLANCE_S, seed, _GLANCE + 66, glance)


def _tremble(seconds: float, seed: int) -> tuple[float, float]:
    """Degrees left and down of small jumps between fixations."""

    def fixation(number: int) -> tuple[float, float]:
        return 0.9 * _signed(seed, number, _FIXATION + 64), 0.6 * _signed(seed, number, _FIXATION + 96)

    return _jumping(seconds, _FIXATION_S, seed, _FIXATION + 128, fixation)


def _jumping(seconds: float, slot: float, seed: int, kind: int, place: object) -> tuple[float, float]:
    """What rests at the `place` of a slot until the next one begins, and is there within a saccade's time."""
    assert callable(place)
    number = math.floor(seconds / slot)
    if seconds < _begin(number, slot, seed, kind):
        number -= 1
    since = seconds - _begin(number, slot, seed, kind)
    (x, y), (to_x, to_y) = place(number - 1), place(number)
    part = _smooth(min(since / _JUMP_S, 1.0))
    return x + (to_x - x) * part, y + (to_y - y) * part


def _begin(number: int, slot: float, seed: int, kind: int) -> float:
    return (number + 0.6 * _unit(seed, number, kind)) * slot


# --- numbers ---------------------------------------------------------------------------------------------------------
def _noise(at: float, seed: int, kind: int) -> float:
    """Smooth noise within -1 and 1 that changes about once a unit."""
    number = math.floor(at)
    a, b = _signed(seed, number, kind), _signed(seed, number + 1, kind)
    return a + (b - a) * _smooth(at - number)


def _smooth(t: float) -> float:
    return t * t * (3.0 - 2.0 * t)


def _signed(seed: int, number: int, kind: int) -> float:
    return 2.0 * _unit(seed, number, kind) - 1.0


def _unit(seed: int, number: int, kind: int) -> float:
    """A number in [0, 1) by a seed, the number of a slot and what it is for (S. Vigna's splitmix64 finaliser)."""
    x = (seed * 0x9E3779B97F4A7C15 + number * 0xD1B54A32D192ED03 + kind * 0x8CB92BA72F3D8DD7) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((x ^ (x >> 31)) >> 11) * 2.0**-53
