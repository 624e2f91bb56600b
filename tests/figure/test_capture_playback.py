"""Takes that are looked at, and the actor made by code that sends them."""

from __future__ import annotations

import numpy as np
import pytest

from studio.figure.capture.frames import make_take
from studio.figure.capture.playback import activity, posed_take
from studio.figure.capture.receiver import open_receiver
from studio.figure.capture.rehearsal import SUBJECT, Rehearsal
from studio.figure.capture.retarget import Profile, Smoothing
from studio.figure.capture.simulator import performance
from studio.figure.capture.smoothing import posed
from studio.figure.capture.sources import LIVE_LINK
from studio.scene.arkit import INDEX

PLAIN = Profile(smoothing=Smoothing(on=False), rules=False)


def test_a_moment_is_what_the_filters_gave_when_it_was_reached() -> None:
    take = performance(3.0, seed=2)
    weights, head, _ = posed(take)
    shown = posed_take(take)
    for row in (0, 70, len(take.times) - 1):
        frame = shown.at(float(take.times[row]))
        assert frame.weights == pytest.approx(weights[row], abs=1e-9)
        assert frame.head_deg == pytest.approx(head[row, :3], abs=1e-9)


def test_between_two_frames_it_is_mixed_and_beyond_the_ends_it_stays() -> None:
    weights = np.zeros((2, 52))
    weights[1, INDEX["jawOpen"]] = 1.0
    shown = posed_take(make_take("two", [0.0, 2.0], weights, profile=PLAIN))
    jaw = [shown.at(t).weights[INDEX["jawOpen"]] for t in (-1.0, 0.0, 0.5, 2.0, 9.0)]
    assert jaw == pytest.approx([0.0, 0.0, 0.25, 1.0, 1.0])


def test_a_take_of_one_frame_is_shown() -> None:
    weights = np.full((1, 52), 0.3)
    take = make_take("one", [0.0], weights, profile=PLAIN)
    assert posed_take(take).at(1.0).weights == pytest.approx(weights[0])
    assert activity(take, 8).shape == (2, 8)


def test_activity_tells_mouth_from_face() -> None:
    weights = np.zeros((100, 52))
    for name in ("jawOpen", "mouthFunnel", "mouthPucker", "mouthClose"):
        weights[:50, INDEX[name]] = 0.8
    for name in ("browInnerUp", "browOuterUpLeft", "eyeWideLeft", "eyeWideRight"):
        weights[50:, INDEX[name]] = 0.5
    mouth, face = activity(make_take("halves", np.arange(100) / 60.0, weights), 20)
    assert mouth[:9] == pytest.approx(0.8) and mouth[11:] == pytest.approx(0.0)
    assert face[:9] == pytest.approx(0.0) and face[11:] == pytest.approx(0.5)


def test_an_actor_made_by_code_is_heard_as_a_device_until_it_is_closed() -> None:
    with open_receiver(LIVE_LINK, port=0) as receiver:
        actor = Rehearsal(receiver.address[1])
        try:
            assert receiver.wait(20.0, lambda counters: counters.frames >= 20)
        finally:
            actor.close()
            actor.close()
        assert receiver.counters.subjects.keys() == {SUBJECT} and not receiver.counters.malformed
        frames = receiver.drain()
        assert [f.source_s for f in frames] == sorted(f.source_s for f in frames if f.source_s is not None)
        assert not frames[0].weights.any(), "it begins at rest"
