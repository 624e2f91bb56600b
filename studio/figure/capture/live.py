"""The face that a figure wears now: the newest frames of a device, filtered, and calm where the network is not.

Three things disturb a performance that comes over a network. Frames come unevenly: where the device has a clock, each
frame is shown a little later than it could be, by as much as arrivals have varied of late, and poses between two frames
are mixed; with a steady network that is nothing. Frames stay away: the face holds still for a moment and then eases
to rest. They come again: the face goes over to them from where it stands. It never jumps and never freezes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from studio.figure.capture.frames import COUNT, F64, FaceFrame, frozen
from studio.figure.capture.receiver import Receiver
from studio.figure.capture.retarget import Profile
from studio.figure.capture.smoothing import Pipeline

HOLD_S = 0.3  # without a frame for this long, the last one stays
EASE_S = 1.0  # and then the face comes to rest over this long
RETURN_S = 0.25  # over which it goes over to a device that is back
MOST_DELAY_S = 0.06  # that an uneven network may cost
_GAP_S = 0.1  # frames further apart than this are gone over to
_TURNS = 12  # numbers of head and eyes
_MOST_NAMES = 256
_WINDOW = 120  # frames by which arrivals are judged
_KEPT = 32  # poses
_RELAX = 0.02  # seconds a second, by which the delay becomes less again
_RESTART_S = 1.0  # a clock that is so far off was set anew
_LIVE, _HELD, _EASING, _RESTING = "live", "held", "easing", "resting"


@dataclass(slots=True)
class _Pose:
    time: float
    row: F64  # (12 + n,): 6 of the head, 6 of the eyes, then the weights
    frame: FaceFrame


class Playout:
    """When frames of a device's clock are due on ours. `delay` is what is waited so that uneven ones come out even."""

    def __init__(self) -> None:
        self._offsets: deque[float] = deque(maxlen=_WINDOW)
        self.delay = 0.0
        self._relaxed: float | None = None

    def heard(self, source_s: float, now: float) -> None:
        """A frame of the device's time arrived."""
        offset = now - source_s
        if self._offsets and abs(offset - self._offsets[-1]) > _RESTART_S:
            self._offsets.clear()
            self.delay = 0.0
        self._offsets.append(offset)
        spread = np.percentile(np.fromiter(self._offsets, np.float64), 95.0) - min(self._offsets)
        wanted = min(float(spread), MOST_DELAY_S)
        passed = 0.0 if self._relaxed is None else max(now - self._relaxed, 0.0)
        self._relaxed = now
        self.delay = max(wanted, self.delay - _RELAX * passed)

    def due(self, now: float) -> float:
        """The device's time that is to be seen now."""
        return now - min(self._offsets) - self.delay


class LiveFace:
    """A device's performance as a pose whenever one is wanted. Belongs to one thread.

    `heard` is called with every raw frame of the subject that is followed, late ones too; a recorder listens there.
    `subject` is whose face is followed, "" for whoever is heard first.
    """

    def __init__(
        self,
        receiver: Receiver | None,
        profile: Profile | None = None,
        *,
        subject: str = "",
        hold_s: float = HOLD_S,
        ease_s: float = EASE_S,
    ) -> None:
        self.receiver = receiver
        self.subject = subject
        self.heard: list[Callable[[FaceFrame], None]] = []
        self.state = _RESTING
        self.raw: deque[FaceFrame] = deque(maxlen=_WINDOW)  # the last frames as they came, to calibrate by
        self._hold_s, self._ease_s = hold_s, ease_s
        self._following = subject
        self._profile = profile or Profile()
        self._pipeline = Pipeline(self._profile)
        self._poses: deque[_Pose] = deque(maxlen=_KEPT)
        self._playout = Playout()
        self._arrived = float("-inf")
        self._shown: F64 | None = None
        self._from: F64 | None = None  # what is gone over from
        self._since = float("-inf")
        self._over_s = RETURN_S

    @property
    def profile(self) -> Profile:
        """By what frames are filtered and retargeted; another one counts from the next frame on, without a jump."""
        return self._profile

    @profile.setter
    def profile(self, profile: Profile) -> None:
        self._pipeline = Pipeline(profile, self._pipeline.names)
        self._profile = profile
        self._poses.clear()
        for frame in tuple(self.raw)[-8:]:
            self._filter(frame)
        if self._shown is not None and self.raw:
            self._go_over(self.raw[-1].time, RETURN_S)

    @property
    def delay_s(self) -> float:
        """What is waited for uneven frames now."""
        return self._playout.delay

    def feed(self, frames: Iterable[FaceFrame]) -> None:
        """Take raw frames; `sample` takes those of the receiver itself."""
        for frame in frames:
            if not self._following or (not self.subject and frame.time - self._arrived > self._hold_s + self._ease_s):
                self._following = frame.subject
            if frame.subject != self._following:
                continue
            for listener in tuple(self.heard):
                listener(frame)
            self._follow(frame)

    def _follow(self, frame: FaceFrame) -> None:
        last = self.raw[-1] if self.raw else None
        if last is not None and last.source_s is not None and frame.source_s is not None:
            back = last.source_s - frame.source_s
            if 0.0 <= back < _RESTART_S:
                return  # late: a newer one was seen
        gap = frame.time - self._arrived
        if gap > _GAP_S and self._shown is not None:
            self._go_over(frame.time, min(RETURN_S, max(gap, _GAP_S)))
        restarted = last is not None and (
            gap > self._hold_s
            or (frame.source_s is None) != (last.source_s is None)
            or (frame.source_s is not None and last.source_s is not None and frame.source_s < last.source_s)
        )
        if restarted:
            self._pipeline.reset()
            self._poses.clear()
        self._arrived = max(frame.time, self._arrived)
        self.raw.append(frame)
        if frame.source_s is not None:
            self._playout.heard(frame.source_s, frame.time)
        self._filter(frame)

    def _go_over(self, now: float, seconds: float) -> None:
        self._from, self._since, self._over_s = self._shown, now, seconds

    def _filter(self, frame: FaceFrame) -> None:
        time = frame.time if frame.source_s is None else frame.source_s
        self._name(frame)
        names = self._pipeline.names[COUNT:]
        raw = np.append(frame.weights, [frame.extra.get(name, 0.0) for name in names]) if names else frame.weights
        weights, head, eyes = self._pipeline.step(time, raw, frame.head_row(), frame.eyes_row())
        self._poses.append(_Pose(time, np.concatenate([head, eyes, weights]), frame))

    def _name(self, frame: FaceFrame) -> None:
        """See that all shapes of a frame have their columns; those that come new begin at rest."""
        names = self._pipeline.names
        new = [name for name in frame.extra if name not in names][: max(_MOST_NAMES - len(names), 0)]
        if not new:
            return
        self._pipeline = Pipeline(self._profile, (*names, *new))
        more = np.zeros(len(new))
        for pose in self._poses:
            pose.row = np.concatenate([pose.row, more])
        self._shown = None if self._shown is None else np.concatenate([self._shown, more])
        self._from = None if self._from is None else np.concatenate([self._from, more])

    def sample(self, now: float) -> FaceFrame | None:
        """The pose at a time of the monotonic clock; None as long as nothing was ever heard.

        Without frames the pose stays for `hold_s` and is at rest `ease_s` later.
        """
        if self.receiver is not None:
            self.feed(self.receiver.drain())
        if not self._poses:
            return None
        row, frame = self._due(now)
        silent = now - self._arrived - self._hold_s
        if silent > 0.0:
            row = row * (1.0 - _eased(silent / self._ease_s))
            self.state = _EASING if silent < self._ease_s else _RESTING
        else:
            self.state = _LIVE if silent < _GAP_S - self._hold_s else _HELD
        if self._from is not None:
            share = _eased((now - self._since) / self._over_s)
            row = self._from + (row - self._from) * share
            if share >= 1.0:
                self._from = None
        self._shown = row
        return _frame_of(row, self._pipeline.names, frame, now)

    def _due(self, now: float) -> tuple[F64, FaceFrame]:
        """The pose that is due: the newest, or a mix of two where frames wait for their time."""
        newest = self._poses[-1]
        if newest.frame.source_s is None:
            return newest.row, newest.frame
        due = self._playout.due(now)
        for before, after in zip(list(self._poses)[-2::-1], list(self._poses)[:0:-1], strict=True):
            if due >= after.time:
                return after.row, after.frame
            if due >= before.time:
                share = (due - before.time) / (after.time - before.time)
                return before.row + (after.row - before.row) * share, before.frame
        return (newest.row, newest.frame) if due >= newest.time else (self._poses[0].row, self._poses[0].frame)


def _eased(share: float) -> float:
    """A share of a way that begins and ends softly."""
    s = min(max(share, 0.0), 1.0)
    return s * s * (3.0 - 2.0 * s) if math.isfinite(s) else 1.0


def _frame_of(row: F64, names: Sequence[str], frame: FaceFrame, now: float) -> FaceFrame:
    head, eyes = row[:6].tolist(), row[6:_TURNS].tolist()
    return replace(
        frame,
        time=now,
        weights=frozen(row[_TURNS : _TURNS + COUNT]),
        extra=dict(zip(names[COUNT:], row[_TURNS + COUNT :].tolist(), strict=True)),
        head_deg=(head[0], head[1], head[2]),
        head_m=(head[3], head[4], head[5]),
        left_eye_deg=(eyes[0], eyes[1], eyes[2]),
        right_eye_deg=(eyes[3], eyes[4], eyes[5]),
    )
