"""A frame of a face, and a take: frames as they were heard, with what was chosen about them beside it.

A take is never changed by what is done with it. Its numbers stay as the device sent them; where it begins and ends and
how it is filtered and retargeted (`trim`, `profile`) are kept beside them, so any choice can be taken back.

Angles are those of `Figure.head_turn`: degrees of pitch (down), yaw (to its own left) and roll (to its right shoulder)
of a head that faces +z with +y up, metres likewise. Each protocol says in its own module how it is brought here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.errors import BadAsset
from studio.figure.capture.retarget import Profile
from studio.scene.arkit import ARKIT

F64 = NDArray[np.float64]
Vec3 = tuple[float, float, float]
Quat = tuple[float, float, float, float]

COUNT = len(ARKIT)
NOTHING: Mapping[str, float] = MappingProxyType({})
NO_BONES: Mapping[str, Quat] = MappingProxyType({})
ZERO: Vec3 = (0.0, 0.0, 0.0)
MOST_WEIGHT = 100.0  # what is beyond cannot be a weight, in whatever unit a device may count
MOST_NAMES = 1024  # of a take


@dataclass(frozen=True, slots=True, eq=False)
class FaceFrame:
    """A face at one moment. `time` is that of a monotonic clock here, `source_s` that of the device's own clock."""

    time: float
    weights: F64  # (52,) in the order of ARKIT
    subject: str = ""
    timecode: str = ""
    number: int | None = None  # the device counts its frames
    source_s: float | None = None
    fps: float = 0.0  # as the device says; 0 when it does not
    extra: Mapping[str, float] = field(default_factory=lambda: NOTHING)  # shapes that are none of ARKIT
    head_deg: Vec3 = ZERO
    head_m: Vec3 = ZERO
    left_eye_deg: Vec3 = ZERO
    right_eye_deg: Vec3 = ZERO
    bones: Mapping[str, Quat] = field(default_factory=lambda: NO_BONES)

    def head_row(self) -> F64:
        """(6,): the head's angles and place."""
        return np.array((*self.head_deg, *self.head_m), np.float64)

    def eyes_row(self) -> F64:
        """(6,): the angles of the left and the right eye."""
        return np.array((*self.left_eye_deg, *self.right_eye_deg), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """A performance. All arrays are read-only float64 of k frames.

    `times` are seconds from the first frame on and never fall; `names` are those of the columns of `weights`, ARKIT
    first. `start` is the timecode of the first frame at `fps`. `notes` are sentences on what a file did not hold.
    """

    name: str
    times: F64  # (k,)
    weights: F64  # (k, n)
    names: tuple[str, ...] = ARKIT
    head: F64 = field(default_factory=lambda: np.zeros((0, 6)))  # (k, 6): degrees, metres
    eyes: F64 = field(default_factory=lambda: np.zeros((0, 6)))  # (k, 6): degrees of the left and the right eye
    bones: Mapping[str, F64] = field(default_factory=dict)  # name -> (k, 4) quaternions x, y, z, w
    fps: float = 60.0
    start: str = ""
    subject: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    trim: tuple[float, float] | None = None  # seconds; None: all of it
    profile: Profile | None = None  # None: that of whoever plays it

    @property
    def seconds(self) -> float:
        """How long it is, trimmed or not."""
        return float(self.times[-1])

    @property
    def inside(self) -> tuple[float, float]:
        """Where it begins and ends, in its own seconds."""
        return (0.0, self.seconds) if self.trim is None else self.trim

    def frame(self, row: int, *, time: float | None = None) -> FaceFrame:
        """One of its frames as the device sent it, at its own time or another."""
        weights = self.weights[row]
        head, eyes = self.head[row].tolist(), self.eyes[row].tolist()
        number = round(float(self.times[row]) * self.fps)
        return FaceFrame(
            time=float(self.times[row]) if time is None else time,
            weights=weights[:COUNT],
            subject=self.subject,
            number=number,
            source_s=float(self.times[row]),
            fps=self.fps,
            extra=dict(zip(self.names[COUNT:], weights[COUNT:].tolist(), strict=True)),
            head_deg=(head[0], head[1], head[2]),
            head_m=(head[3], head[4], head[5]),
            left_eye_deg=(eyes[0], eyes[1], eyes[2]),
            right_eye_deg=(eyes[3], eyes[4], eyes[5]),
            bones={name: _quat(rows[row]) for name, rows in self.bones.items()},
        )


def make_take(
    name: str,
    times: ArrayLike,
    weights: ArrayLike,
    *,
    names: Sequence[str] = ARKIT,
    head: ArrayLike | None = None,
    eyes: ArrayLike | None = None,
    bones: Mapping[str, ArrayLike] | None = None,
    fps: float = 60.0,
    start: str = "",
    subject: str = "",
    source: str = "",
    notes: Sequence[str] = (),
    trim: tuple[float, float] | None = None,
    profile: Profile | None = None,
) -> Take:
    """A checked take of read-only arrays; its times begin at 0. `names` must open with ARKIT.

    Raises BadAsset in a sentence for no frames, shapes that do not match, numbers that are not finite, times that
    fall or a trim that leaves nothing.
    """
    where = f'The take "{name[:60]}"'
    t = frozen(times)
    if t.ndim != 1 or not len(t) or not np.isfinite(t).all() or (np.diff(t) < 0).any():
        raise BadAsset(f"{where} needs frames at times that never fall; record it again.")
    t = frozen(t - t[0])
    k = len(t)
    w = frozen(weights)
    if tuple(names[:COUNT]) != ARKIT or len(set(names)) != len(names) or len(names) > MOST_NAMES:
        raise BadAsset(f"{where} does not name its shapes as it must: Apple's 52, then others, each once.")
    if w.shape != (k, len(names)) or not np.isfinite(w).all() or np.abs(w).max(initial=0.0) > MOST_WEIGHT:
        raise BadAsset(
            f"{where} has weights of shape {w.shape} for {k} frames of {len(names)} shapes, or unusable ones."
        )
    turned = {"head": head, "eyes": eyes}
    rows = {part: frozen(np.zeros((k, 6)) if a is None else a) for part, a in turned.items()}
    rows |= {f"bone {bone[:40]}": frozen(a) for bone, a in (bones or {}).items()}
    for part, a in rows.items():
        if a.shape != (k, 4 if part.startswith("bone ") else 6) or not np.isfinite(a).all():
            raise BadAsset(f"{where} has a {part} that is broken or does not fit its {k} frames.")
    if not (math.isfinite(fps) and 0.0 < fps <= 1000.0):
        raise BadAsset(f"{where} says that it has {fps:g} frames a second; that cannot be.")
    return Take(
        name=name, times=t, weights=w, names=tuple(names), head=rows["head"], eyes=rows["eyes"],
        bones={bone: frozen(a) for bone, a in (bones or {}).items()}, fps=fps, start=start, subject=subject,
        source=source, notes=tuple(notes), trim=checked_trim(trim, float(t[-1]), where), profile=profile,
    )  # fmt: skip


def checked_trim(trim: tuple[float, float] | None, seconds: float, where: str) -> tuple[float, float] | None:
    """A trim within a take of so many seconds; None where it leaves all. BadAsset when it leaves nothing."""
    if trim is None:
        return None
    first, last = max(float(trim[0]), 0.0), min(float(trim[1]), seconds)
    if not (math.isfinite(first) and math.isfinite(last) and first <= last):
        raise BadAsset(f"{where} cannot be trimmed to {trim[0]:g} to {trim[1]:g} s; it is {seconds:.2f} s long.")
    return None if (first, last) == (0.0, seconds) else (first, last)


def frozen(a: ArrayLike) -> F64:
    """Read-only floats; the array itself where it is such already."""
    if isinstance(a, np.ndarray) and a.dtype == np.float64 and a.base is None and not a.flags.writeable:
        return a
    out = np.array(a, np.float64)
    out.flags.writeable = False
    return out


def take_of(
    frames: Sequence[FaceFrame], *, name: str, source: str = "", by_source: bool = True, profile: Profile | None = None
) -> Take:
    """A take of frames as they were heard. Their times are those of the device's own clock, where all have one and it
    never jumps, else those at which they arrived. BadAsset when there are none."""
    if not frames:
        raise BadAsset(f'Nothing was heard for the take "{name[:60]}"; start the device and record again.')
    extra = list(dict.fromkeys(key for f in frames for key in f.extra))[: MOST_NAMES - COUNT]
    bones = list(dict.fromkeys(key for f in frames for key in f.bones))
    times, order = _times(frames, by_source)
    kept = [frames[i] for i in order]
    weights = np.array([(*f.weights.tolist(), *(f.extra.get(key, 0.0) for key in extra)) for f in kept])
    first = kept[0]
    rest: Quat = (0.0, 0.0, 0.0, 1.0)
    return make_take(
        name, times, weights, names=(*ARKIT, *extra), head=np.array([f.head_row() for f in kept]),
        eyes=np.array([f.eyes_row() for f in kept]),
        bones={key: np.array([f.bones.get(key, rest) for f in kept]) for key in bones},
        fps=first.fps or _rate(times), start=first.timecode, subject=first.subject, source=source, profile=profile,
    )  # fmt: skip


def _times(frames: Sequence[FaceFrame], by_source: bool) -> tuple[F64, list[int]]:
    """Times of frames in their order, and that order; a frame that was sent twice is left out."""
    own = np.array([math.nan if f.source_s is None else f.source_s for f in frames])
    heard = np.array([f.time for f in frames])
    usable = by_source and np.isfinite(own).all() and float(np.ptp(own - heard)) < 1.0
    key = own if usable else heard
    order = np.argsort(key, kind="stable")
    times = key[order]
    fresh = np.append(True, np.diff(times) > 0.0)
    return times[fresh], order[fresh].tolist()


def _rate(times: F64) -> float:
    gaps = np.diff(times)
    return float(np.clip(1.0 / np.median(gaps), 1.0, 1000.0)) if len(gaps) and np.median(gaps) > 0 else 60.0


def _quat(row: F64) -> Quat:
    x, y, z, w = row.tolist()
    return (x, y, z, w)
