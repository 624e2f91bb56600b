"""A performance while it happens: sockets, networks that are not calm, the hub that holds it together."""

import socket
import struct
import threading
from dataclasses import replace

import numpy as np
import pytest

from studio.errors import BadAsset, Unsupported, UsageError
from studio.figure.capture import ifacial_mocap, live_link, simulator
from studio.figure.capture.frames import FaceFrame, frozen
from studio.figure.capture.hub import CaptureHub
from studio.figure.capture.live import EASE_S, HOLD_S, MOST_DELAY_S, LiveFace
from studio.figure.capture.receiver import Ledger, open_receiver
from studio.figure.capture.retarget import Profile, Remap, Smoothing
from studio.figure.capture.simulator import Weather, performance, schedule, send
from studio.figure.capture.sources import KINDS, Source, checked_source, sound
from studio.scene.arkit import INDEX

PATIENCE = 20.0  # seconds that a test waits for a packet on this machine before it fails
STILL = Profile(smoothing=Smoothing(on=False))


@pytest.mark.parametrize("kind", KINDS)
def test_packets_over_loopback_become_frames(kind):
    take = performance(0.3, seed=1)
    with open_receiver(kind, port=0) as receiver:
        assert receiver.address[0] == "127.0.0.1"
        packets = schedule(take, kind, speed=1e6)
        assert send(packets, kind, port=receiver.address[1]) == 18
        assert receiver.wait(PATIENCE, lambda counters: counters.frames >= 18)
        frames = receiver.drain()
        assert len(frames) == 18 and receiver.drain() == []
        assert receiver.latest() is frames[-1]
        assert np.abs(frames[7].weights - take.weights[7]).max() < 1e-6
        assert set(receiver.counters.subjects) == {"Myriad" if kind == "live_link" else "127.0.0.1"}
    assert receiver.closed
    receiver.close()


def test_hostile_packets_leave_the_receiver_listening():
    good = live_link.build(performance(0.1).frame(0))
    with open_receiver("live_link", port=0) as receiver, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for data in (b"", b"x", b"\x05" + good[1:], good[:40], good[:-1], b"\xff" * 60000):
            out.sendto(data, receiver.address)
        out.sendto(good, receiver.address)
        assert receiver.wait(PATIENCE, lambda counters: counters.frames == 1)
        counters = receiver.counters
        assert counters.refused == 6 and counters.malformed["version 5 instead of 6"] == 1
        assert receiver.fault is None


def test_a_parser_that_fails_is_counted_and_the_next_packet_heard(monkeypatch):
    def broken(self, data, time):
        raise ZeroDivisionError

    good = live_link.build(performance(0.1).frame(0))
    with open_receiver("live_link", port=0) as receiver, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        with monkeypatch.context() as patched:
            patched.setattr(live_link.LiveLinkStream, "feed", broken)
            out.sendto(good, receiver.address)
            assert receiver.wait(PATIENCE, lambda counters: counters.packets == 1)
        out.sendto(good, receiver.address)
        assert receiver.wait(PATIENCE, lambda counters: counters.frames == 1)
        assert receiver.counters.malformed == {"unforeseen: ZeroDivisionError": 1}
        assert isinstance(receiver.fault, ZeroDivisionError)


@pytest.mark.parametrize("kind", ["live_link", "ifacial_mocap_tcp"])
def test_a_port_that_is_taken_is_a_sentence(kind):
    with open_receiver(kind, port=0) as receiver, pytest.raises(Unsupported, match="another program has that port"):
        open_receiver(kind, port=receiver.address[1])
    open_receiver(kind, port=receiver.address[1]).close()  # it is free again


def test_interfaces_and_kinds_that_are_not_there_are_sentences():
    with pytest.raises(Unsupported, match="no such address"):
        open_receiver("vmc", host="192.0.2.1", port=0)
    for bad in ({"kind": "kinect"}, {"kind": "vmc", "host": "my-mac"}, {"kind": "vmc", "port": 70000},
                {"kind": "vmc", "peer": "1.2.3.4:x"}):  # fmt: skip
        with pytest.raises(UsageError):
            open_receiver(**bad)
    assert checked_source(Source(kind="vmc", host="localhost")).host == "127.0.0.1"
    assert sound((Source(kind="kinect"), Source(kind="vmc"))) == (Source(kind="vmc"),)


def test_a_device_is_asked_to_send():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(PATIENCE)
        peer = f"127.0.0.1:{phone.getsockname()[1]}"
        with open_receiver("ifacial_mocap", port=0, peer=peer) as receiver:
            word, sender = phone.recvfrom(1000)
            assert word == ifacial_mocap.start_message()
            phone.sendto(ifacial_mocap.build(performance(0.1).frame(0)), sender)
            assert receiver.wait(PATIENCE, lambda counters: counters.frames == 1)


def test_a_connection_that_never_ends_a_message_is_cut_short():
    with open_receiver("ifacial_mocap_tcp", port=0) as receiver:
        with socket.create_connection(receiver.address) as out:
            out.sendall(b"x" * 200_000)
            out.sendall(ifacial_mocap.END + ifacial_mocap.build(performance(0.1).frame(0)) + ifacial_mocap.END)
            assert receiver.wait(PATIENCE, lambda counters: counters.frames == 1)
        assert receiver.counters.malformed["no end of a message"] >= 1


def test_subjects_without_end_are_bounded():
    ledger = Ledger("live_link")
    frame = performance(0.1).frame(0)
    for i in range(200):
        packet = live_link.build(FaceFrame(time=0.0, weights=frame.weights, subject=f"s{i}", source_s=1.0))
        ledger.packet(packet, i, 0.0)
    assert len(ledger.counters().subjects) == 64 and ledger.counters().malformed == {"too many subjects": 136}


# --- with a clock of its own -----------------------------------------------------------------------------------------
def ramp(t):
    """A smile that comes and goes slowly."""
    return 0.5 + 0.4 * np.sin(2.0 * t)


def frame_at(t, arrival, value=None):
    weights = np.zeros(52)
    weights[INDEX["mouthSmileLeft"]] = ramp(t) if value is None else value
    return FaceFrame(time=arrival, weights=frozen(weights), subject="Ann", source_s=t, number=round(t * 60), fps=60.0)


def smile(frame):
    return float(frame.weights[INDEX["mouthSmileLeft"]])


def play(face, frames, until, step=1 / 60, begin=0.0):
    """Sample a face while frames arrive; the values and times at which it was seen."""
    waiting = sorted(frames, key=lambda f: f.time)
    shown, at = [], []
    now = begin
    while now < until:
        face.feed([f for f in waiting if f.time <= now])
        waiting = [f for f in waiting if f.time > now]
        frame = face.sample(now)
        if frame is not None:
            shown.append(smile(frame))
            at.append(now)
        now += step
    return np.array(shown), np.array(at)


def test_nothing_is_shown_before_anything_was_heard():
    assert LiveFace(None).sample(0.0) is None


def test_a_steady_network_costs_no_delay():
    face = LiveFace(None, STILL)
    shown, at = play(face, [frame_at(t, t + 0.005) for t in np.arange(0, 2, 1 / 60)], 2.0)
    assert face.delay_s < 1e-9
    assert np.abs(shown - ramp(at)).max() < 0.025  # a frame and the way


def test_an_uneven_network_is_evened_out():
    rng = np.random.default_rng(3)
    times = np.arange(0, 6, 1 / 60)
    frames = [frame_at(t, t + 0.005 + rng.uniform(0, 0.04)) for t in times]
    face = LiveFace(None, STILL)
    shown, at = play(face, frames, 6.0)
    steps = np.abs(np.diff(shown))[60:]
    assert steps.max() < 2.0 * 0.8 / 60  # the fastest that the smile itself moves in a frame is 0.8 a second
    assert 0.02 < face.delay_s <= MOST_DELAY_S
    late = shown[60:] - ramp(at[60:] - 0.005 - face.delay_s)
    assert np.abs(late).max() < 0.03


def test_lost_and_late_frames_leave_a_smooth_face():
    rng = np.random.default_rng(4)
    frames = []
    for t in np.arange(0, 6, 1 / 60):
        if rng.random() > 0.15:
            frames.append(frame_at(t, t + 0.005 + (0.025 if rng.random() < 0.1 else 0.0)))
    shown, _ = play(LiveFace(None, STILL), frames, 6.0)
    assert np.abs(np.diff(shown))[60:].max() < 5 * 0.8 / 60  # four frames in a row, at most, were not there


def test_loss_holds_then_eases_to_rest_in_the_stated_time():
    face = LiveFace(None, STILL)
    frames = [frame_at(t, t, value=0.8) for t in np.arange(0, 1, 1 / 60)]
    shown, at = play(face, frames, 4.0)
    last = frames[-1].time
    assert np.allclose(shown[(at > 0.2) & (at <= last + HOLD_S)], 0.8)
    assert (np.diff(shown[at > last + HOLD_S]) <= 1e-12).all()
    assert np.allclose(shown[at >= last + HOLD_S + EASE_S], 0.0)
    assert np.abs(np.diff(shown)).max() < 1.6 * 0.8 / (EASE_S * 60)
    assert face.state == "resting"


@pytest.mark.parametrize("gap", [0.15, 0.5, 0.9, 3.0])
def test_a_device_that_comes_back_is_gone_over_to(gap):
    face = LiveFace(None, STILL)
    before = [frame_at(t, t, value=0.8) for t in np.arange(0, 1, 1 / 60)]
    after = [frame_at(t, t, value=0.1) for t in np.arange(1 + gap, 3 + gap, 1 / 60)]
    shown, _at = play(face, [*before, *after], 3.0 + gap)
    assert np.abs(np.diff(shown))[1:].max() < 0.11  # 0.7 over 150 ms, eased
    assert shown[-1] == pytest.approx(0.1) and face.state == "live"


def test_a_device_that_was_started_anew_is_followed():
    face = LiveFace(None, STILL)
    before = [frame_at(t + 5000, t) for t in np.arange(0, 1, 1 / 60)]
    after = [frame_at(t, t, value=0.3) for t in np.arange(1, 2, 1 / 60)]
    shown, _ = play(face, [*before, *after], 2.0)
    assert shown[-1] == pytest.approx(0.3)


def test_a_sender_whose_clock_goes_away_is_followed():
    face = LiveFace(None, STILL)
    clocked = [frame_at(t + 5000, t) for t in np.arange(0, 1, 1 / 60)]
    bare = [replace(frame_at(t, t, value=0.3), source_s=None, number=None) for t in np.arange(1, 2, 1 / 60)]
    shown, _ = play(face, [*clocked, *bare], 2.0)
    assert shown[-1] == pytest.approx(0.3)


def test_the_first_subject_is_followed_until_it_is_gone():
    def other(t):
        return FaceFrame(time=t, weights=frozen(np.ones(52)), subject="Bob")

    face = LiveFace(None, STILL)
    face.feed([frame_at(0.0, 0.0, value=0.4), other(0.01)])
    assert face.sample(0.02).subject == "Ann"
    face.feed([other(5.0)])
    assert face.sample(5.0).subject == "Bob"
    assert LiveFace(None, STILL, subject="Bob").sample(0.0) is None


def test_shapes_of_other_names_can_be_remapped_live():
    profile = Profile(smoothing=Smoothing(on=False), remaps=(Remap(source="happy", target="mouthSmileLeft"),))
    face = LiveFace(None, profile)
    face.feed([FaceFrame(time=0.0, weights=frozen(np.zeros(52)))])
    face.feed([FaceFrame(time=0.02, weights=frozen(np.zeros(52)), extra={"happy": 0.6})])
    frame = face.sample(0.02)
    assert smile(frame) == pytest.approx(0.6) and frame.extra == {"happy": 0.0}


def test_another_profile_takes_over_without_a_jump():
    face = LiveFace(None, STILL)
    face.feed([frame_at(t, t, value=0.8) for t in np.arange(0, 1, 1 / 60)])
    before = smile(face.sample(1.0))
    face.profile = Profile(smoothing=Smoothing(on=False), gain=0.5)
    face.feed([frame_at(1.0, 1.0, value=0.8)])
    assert smile(face.sample(1.001)) == pytest.approx(before, abs=0.02)
    assert smile(face.sample(1.29)) == pytest.approx(0.4)


def test_bad_weather_is_the_same_each_time():
    take = performance(1.0)
    weather = Weather(jitter_s=0.02, loss=0.2, reorder=0.1, twice=0.1, seed=5)
    first = schedule(take, "live_link", weather=weather)
    assert first == schedule(take, "live_link", weather=weather)
    assert len({d for _, d in first}) < 60 < len(first) + 20
    assert [t for t, _ in first] == sorted(t for t, _ in first)
    numbers = [struct.unpack_from(">i", d, 1 + 4 + 11 + 4 + 6)[0] for _, d in first]
    assert numbers != sorted(numbers)


# --- the hub ---------------------------------------------------------------------------------------------------------
def test_the_hub_listens_acts_records_and_keeps(tmp_path):
    hub = CaptureHub(lambda: tmp_path / "takes")
    told = []
    forget = hub.watch(lambda: told.append(1))
    with pytest.raises(UsageError):
        hub.record()
    key = hub.open(Source(kind="live_link", port=0), figure="ann")
    receiver = hub.listening[key].receiver
    assert hub.statuses()[0].state == "waiting" and hub.the_one() == key
    take = performance(0.5, seed=1)
    hub.record("Scene 1: take/1")
    send(schedule(take, "live_link", speed=1e6), "live_link", port=receiver.address[1])
    assert receiver.wait(PATIENCE, lambda counters: counters.frames == 30)
    assert hub.act() and "ann" in hub.wearing.poses
    (status,) = hub.statuses()
    assert (status.subject, status.recorded, status.figure, status.state) == ("Myriad", 30, "ann", "live")
    assert hub.calibrate(key).neutral_head_deg != (0.0, 0.0, 0.0)
    (path,) = hub.stop()
    assert path.name == "Scene 1_ take_1.take"
    (kept,) = hub.takes()
    assert kept.info.frames == 30 and kept.info.start and not kept.fault
    changed = hub.change(path, lambda t: t)
    assert np.abs(changed.weights[:, :52] - take.weights).max() < 1e-6 and changed.profile.neutral
    (tmp_path / "takes" / "broken.take").write_bytes(b"PK")
    assert sum(bool(k.fault) for k in hub.takes()) == 1
    new = hub.rename(path, "hero")
    assert new.name == "hero.take" and not path.exists()
    hub.close()
    assert receiver.closed and not hub.listening and not hub.wearing.poses
    forget()
    assert told


def test_phones_that_share_a_port_are_heard_apart(tmp_path):
    hub = CaptureHub(lambda: tmp_path)
    one = hub.open(Source(kind="live_link", port=0, subject="Ann"), figure="ann")
    receiver = hub.listening[one].receiver
    other = hub.open(Source(kind="live_link", port=receiver.address[1], subject="Bob"), figure="bob")
    assert other != one and hub.listening[other].receiver is receiver
    hub.record("both")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for i in range(20):
            name, value = ("Ann", 0.2) if i % 2 else ("Bob", 0.6)
            face = FaceFrame(time=0.0, weights=frozen(np.full(52, value)), subject=name, source_s=i / 60)
            out.sendto(live_link.build(face), receiver.address)
    assert receiver.wait(PATIENCE, lambda counters: counters.frames == 20)
    assert hub.act()
    assert {id_: round(smile(pose), 3) for id_, pose in hub.wearing.poses.items()} == {"ann": 0.2, "bob": 0.6}
    assert len(hub.stop()) == 2
    hub.close(one)
    assert not receiver.closed and list(hub.wearing.poses) == ["bob"]
    hub.close()
    assert receiver.closed


def test_a_recording_of_nothing_is_a_sentence_and_closing_keeps_what_there_is(tmp_path):
    hub = CaptureHub(lambda: tmp_path)
    key = hub.open(Source(kind="vmc", port=0))
    hub.record("a")
    with pytest.raises(BadAsset, match="Nothing was heard"):
        hub.stop()
    hub.record("b")
    hub.listening[key].face.feed([frame_at(t, t) for t in (0.0, 0.1)])
    hub.close(key)
    assert [kept.path.name for kept in hub.takes()] == ["b.take"] and not hub.recording


def test_threads_end_with_their_receivers():
    before = threading.active_count()
    for _ in range(3):
        open_receiver("vmc", port=0).close()
    assert threading.active_count() == before


def test_the_performance_made_by_code_is_one():
    take = simulator.performance(6.0, seed=9)
    assert take.weights.min() >= 0.0 and take.weights.max() <= 1.0
    for name in ("jawOpen", "eyeBlinkLeft", "mouthSmileRight", "browInnerUp"):
        assert np.ptp(take.weights[:, INDEX[name]]) > 0.3, name
    assert np.ptp(take.eyes[:, 1]) > 10.0
    assert np.array_equal(take.weights, simulator.performance(6.0, seed=9).weights)
