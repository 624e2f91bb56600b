"""From what a device sends to what a figure wears: calibration, gain, remapping, and rules between shapes.

Per shape the chain is: leave out what the actor's face shows at rest, (w - n a) / (1 - n a); swap for the mirror image
where wanted; leave out what is smaller than a deadzone; gain; a curve; other shapes' names. Rules between
shapes come last, after smoothing, because smoothing does not move all shapes alike: the lips close no further than the
jaw opens (`mouthClose` means nothing else), and closed lids neither squint nor widen.

A `Profile` says all of this for one actor on one figure. It is a record that is kept beside takes and as a file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset, CannotWrite
from studio.figure.capture.turns import relative
from studio.scene.arkit import ARKIT, mirrored

F64 = NDArray[np.float64]
Vec3 = tuple[float, float, float]

_MOST_NEUTRAL = 0.9  # of what is subtracted: a face that rests nearer to a whole shape cannot make it
_MOST_BYTES = 1 << 20
_MOST_ENTRIES = 1024
_FLIP = np.array((1.0, -1.0, -1.0))  # what a mirror does to a turn
_ACROSS = np.array((-1.0, 1.0, 1.0))  # and to a place


class Channel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one shape is taken over. `curve` is an exponent: above 1 small movements become smaller."""

    gain: float = 1.0
    deadzone: float = 0.0
    curve: float = 1.0


class Remap(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A shape that moves another one, by a factor. A source of a remap moves itself only where a remap says so."""

    source: str
    target: str
    factor: float = 1.0


class Smoothing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One-Euro filters: below which frequency a face at rest is smoothed, and how fast that opens with speed.

    Lids and jaw are nearly as they were sent: smoothed blinks do not close, smoothed speech is late."""

    on: bool = True
    face_hz: float = 4.5
    quick_hz: float = 25.0  # lids and jaw
    gaze_hz: float = 10.0
    head_hz: float = 1.5
    face_beta: float = 3.0  # Hz at a speed of one whole shape a second
    head_beta: float = 0.12  # Hz at a degree a second
    speed_hz: float = 1.0  # by which the speed itself is smoothed


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one actor's face drives a figure."""

    name: str = ""
    neutral: dict[str, float] = {}
    neutral_share: float = 1.0  # how much of it is left out
    neutral_head_deg: Vec3 = (0.0, 0.0, 0.0)
    head_gain: Vec3 = (1.0, 1.0, 1.0)  # pitch, yaw, roll; -1 for a device that counts the other way
    gain: float = 1.0
    channels: dict[str, Channel] = {}
    remaps: tuple[Remap, ...] = ()
    mirror: bool = False
    rules: bool = True
    least: float = 0.0
    most: float = 1.0
    smoothing: Smoothing = Smoothing()


def checked(profile: Profile, where: str = "The profile") -> Profile:
    """The profile; BadAsset in a sentence for a value that cannot be."""

    def within(what: str, values: Iterable[float], low: float, high: float) -> None:
        for value in values:
            if not low <= value <= high:
                raise BadAsset(f"{where}: {what} must lie between {low:g} and {high:g}, not {value:g}.")

    if max(len(profile.neutral), len(profile.channels), len(profile.remaps)) > _MOST_ENTRIES:
        raise BadAsset(f"{where} holds more than {_MOST_ENTRIES} entries of a kind; that is no face.")
    within("a neutral weight", profile.neutral.values(), -10.0, 10.0)
    within("the share of the neutral face", (profile.neutral_share,), 0.0, 1.0)
    within("the neutral head", profile.neutral_head_deg, -360.0, 360.0)
    within("a gain", (profile.gain, *profile.head_gain), -10.0, 10.0)
    within("a limit", (profile.least, profile.most), -10.0, 10.0)
    for channel in profile.channels.values():
        within("a gain", (channel.gain,), -10.0, 10.0)
        within("a deadzone", (channel.deadzone,), 0.0, 0.99)
        within("a curve", (channel.curve,), 0.05, 20.0)
    within("the factor of a remap", (remap.factor for remap in profile.remaps), -10.0, 10.0)
    s = profile.smoothing
    within("a frequency", (s.face_hz, s.quick_hz, s.gaze_hz, s.head_hz, s.speed_hz), 1e-3, 1e4)
    within("an opening by speed", (s.face_beta, s.head_beta), 0.0, 1e4)
    if profile.least > profile.most:
        raise BadAsset(f"{where}: weights cannot lie between {profile.least:g} and {profile.most:g}.")
    return profile


class Chain:
    """A profile made ready for the columns `names` of weights. `before` comes before smoothing, `after` after it."""

    def __init__(self, profile: Profile, names: Sequence[str] = ARKIT) -> None:
        self.profile = checked(profile)
        self.names = tuple(names)
        at = {name: i for i, name in enumerate(self.names)}
        self._mirror = np.array([at.get(mirrored(name), i) for i, name in enumerate(self.names)], np.intp)
        rest = np.array([profile.neutral.get(name, 0.0) for name in self.names]) * profile.neutral_share
        self._rest = np.clip(rest, -_MOST_NEUTRAL, _MOST_NEUTRAL)
        channels = [profile.channels.get(name) or Channel() for name in self.names]
        self._gain = profile.gain * np.array([c.gain for c in channels])
        self._dead = np.array([c.deadzone for c in channels])
        self._curve = np.array([c.curve for c in channels])
        self._curved = np.flatnonzero(self._curve != 1.0)
        known = [r for r in profile.remaps if r.source in at and r.target in at]
        self._remaps = [(at[r.source], at[r.target], r.factor) for r in known]
        self._pairs = [
            (at[f"eyeBlink{side}"], [at[n] for n in (f"eyeSquint{side}", f"eyeWide{side}") if n in at])
            for side in ("Left", "Right")
            if f"eyeBlink{side}" in at
        ]
        self._lips = (at["mouthClose"], at["jawOpen"]) if {"mouthClose", "jawOpen"} <= at.keys() else None

    def before(self, weights: F64, head: F64, eyes: F64) -> tuple[F64, F64, F64]:
        """Weights (k, n), head (k, 6) and eyes (k, 6) of raw frames as they are to be smoothed."""
        w = (weights - self._rest) / (1.0 - self._rest)
        turned, place = relative(head[:, :3], self.profile.neutral_head_deg), head[:, 3:]
        if self.profile.mirror:
            w = w[:, self._mirror]
            turned, place = turned * _FLIP, place * _ACROSS
            eyes = np.concatenate([eyes[:, 3:] * _FLIP, eyes[:, :3] * _FLIP], axis=1)
        if self._dead.any():
            size = np.abs(w)
            w = np.where(size <= self._dead, 0.0, np.sign(w) * (size - self._dead) / (1.0 - self._dead))
        w = w * self._gain
        for i in self._curved.tolist():
            w[:, i] = np.sign(w[:, i]) * np.abs(w[:, i]) ** self._curve[i]
        if self._remaps:
            w = self._remapped(w)
        return w, np.concatenate([turned * self.profile.head_gain, place], axis=1), eyes

    def _remapped(self, w: F64) -> F64:
        out = w.copy()
        out[:, [source for source, _, _ in self._remaps]] = 0.0
        for source, target, factor in self._remaps:
            out[:, target] += factor * w[:, source]
        return out

    def after(self, weights: F64) -> F64:
        """Smoothed weights (k, n) within their limits and with the rules between shapes."""
        w = np.clip(weights, self.profile.least, self.profile.most)
        if self.profile.rules:
            if self._lips is not None:
                close, jaw = self._lips
                w[:, close] = np.minimum(w[:, close], np.maximum(w[:, jaw], 0.0))
            for blink, others in self._pairs:
                for other in others:
                    w[:, other] *= 1.0 - np.clip(w[:, blink], 0.0, 1.0)
        return w


def calibrated(profile: Profile, names: Sequence[str], weights: F64, head: F64) -> Profile:
    """The profile with the neutral face and head of raw frames (k, n) and (k, 6): the median of each number, so that a
    blink in the middle of it does no harm. BadAsset when there are no frames."""
    if not len(weights):
        raise BadAsset(
            "Nothing was heard to calibrate by; look straight ahead with a calm face while the device sends."
        )
    rest = np.median(weights, axis=0).tolist()
    pitch, yaw, roll = np.median(head[:, :3], axis=0).tolist()
    return msgspec.structs.replace(
        profile,
        neutral={name: round(value, 6) for name, value in zip(names, rest, strict=True) if abs(value) > 1e-6},
        neutral_head_deg=(pitch, yaw, roll),
    )


def encoded(profile: Profile) -> bytes:
    """A profile as readable JSON."""
    return msgspec.json.format(msgspec.json.encode(profile), indent=2)


def decoded(data: bytes, where: str) -> Profile:
    """A profile of JSON; BadAsset that opens with `where` for what is none."""
    try:
        return checked(msgspec.json.decode(data, type=Profile), where)
    except (msgspec.DecodeError, RecursionError) as fault:
        raise BadAsset(f"{where} is no profile ({str(fault)[:120]}); save it again or choose another.") from None


def load_profile(path: Path | str) -> Profile:
    """A profile from its file; BadAsset in a sentence for a file that is none."""
    file = Path(path)
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise BadAsset(f"{file} is too large to be a profile.")
        data = file.read_bytes()
    except (OSError, ValueError) as fault:
        raise BadAsset(f"{file} cannot be read ({getattr(fault, 'strerror', None) or fault}).") from None
    return decoded(data, str(file))


def save_profile(profile: Profile, path: Path | str) -> None:
    """Write a profile, whole or not at all; CannotWrite when the disk does not let us."""
    write_whole(Path(path), encoded(checked(profile)))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under another name and rename it, so that nobody reads half of it. CannotWrite in a sentence."""
    passing = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        passing.write_bytes(data)
        os.replace(passing, path)
    except (OSError, ValueError) as fault:
        with contextlib.suppress(OSError, ValueError):  # it may never have come to be
            passing.unlink()
        reason = getattr(fault, "strerror", None) or fault
        raise CannotWrite(f"{path} could not be written ({reason}); free the disk or save elsewhere.") from None
