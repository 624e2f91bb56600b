"""What a job and its frames may do next: the one state machine of the queue, as tables and two pure functions.

Everybody who changes a state, be it the artist, the runner or whoever finds that a runner was killed, sends an event
through here; an event that means nothing in a state leaves it (pausing what is done, say), so that acting on many jobs
at once needs no care.

    job     waiting -> rendering -> done | failed          any of them -> paused -> waiting
    frame   waiting -> rendering -> encoding -> done | failed     waiting -> skipped
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

JobPhase = Literal["waiting", "rendering", "paused", "done", "failed", "cancelled"]
FramePhase = Literal["waiting", "rendering", "encoding", "done", "skipped", "failed", "cancelled"]
JobEvent = Literal["start", "pause", "resume", "cancel", "retry", "finish", "fail", "release"]
FrameEvent = Literal["start", "encode", "finish", "skip", "fail", "cancel", "retry", "release", "again"]

_JOB: dict[tuple[str, str], JobPhase] = {
    ("waiting", "start"): "rendering",
    ("waiting", "pause"): "paused",
    ("waiting", "cancel"): "cancelled",
    ("waiting", "fail"): "failed",
    ("rendering", "finish"): "done",
    ("rendering", "fail"): "failed",
    ("rendering", "pause"): "paused",
    ("rendering", "cancel"): "cancelled",
    ("rendering", "release"): "waiting",  # its runner ended in the middle
    ("paused", "resume"): "waiting",
    ("paused", "cancel"): "cancelled",
    ("paused", "retry"): "waiting",
    ("failed", "resume"): "waiting",
    ("failed", "retry"): "waiting",
    ("failed", "cancel"): "cancelled",
    ("cancelled", "resume"): "waiting",
    ("cancelled", "retry"): "waiting",
    ("done", "retry"): "waiting",
}
_FRAME: dict[tuple[str, str], FramePhase] = {
    ("waiting", "start"): "rendering",
    ("waiting", "skip"): "skipped",
    ("waiting", "cancel"): "cancelled",
    ("rendering", "encode"): "encoding",
    ("rendering", "release"): "waiting",
    ("rendering", "fail"): "failed",
    ("rendering", "cancel"): "cancelled",
    ("encoding", "finish"): "done",
    ("encoding", "release"): "waiting",
    ("encoding", "fail"): "failed",
    ("encoding", "cancel"): "cancelled",
    ("failed", "retry"): "waiting",
    ("cancelled", "retry"): "waiting",
    ("skipped", "again"): "waiting",  # the artist names the frame: it is rendered although it is there
    ("done", "again"): "waiting",
    ("failed", "again"): "waiting",
    ("cancelled", "again"): "waiting",
}
OVER: frozenset[str] = frozenset({"done", "failed", "cancelled"})  # jobs that nobody works at
THERE: frozenset[str] = frozenset({"done", "skipped"})  # frames whose picture is there


def next_job(state: str, event: JobEvent) -> JobPhase | None:
    """The state of a job after an event; None when the event means nothing to it."""
    return _JOB.get((state, event))


def next_frame(state: str, event: FrameEvent) -> FramePhase | None:
    """The state of a frame after an event; None when the event means nothing to it."""
    return _FRAME.get((state, event))


def verdict(frames: Iterable[str]) -> JobEvent | None:
    """How a job ends whose frames stand so; None while some are not over yet."""
    states = set(frames)
    if states & {"waiting", "rendering", "encoding"}:
        return None
    return "fail" if "failed" in states else "finish"
