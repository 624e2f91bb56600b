"""Packets of capture devices, byte by byte, and what no packet may do."""

import math
import random
import struct

import numpy as np
import pytest

from studio.figure.capture import ifacial_mocap, live_link, osc, simulator, vmc
from studio.figure.capture.frames import FaceFrame, frozen
from studio.figure.capture.malformed import Malformed, Silent
from studio.figure.capture.receiver import Ledger
from studio.figure.capture.sources import KINDS
from studio.scene.arkit import ARKIT, INDEX


def live_link_packet(values, *, version=6, name=b"Ann", number=130, part=0.25, fps=(60, 1), count=None):
    """A packet of Live Link Face, laid out by hand."""
    out = bytes([version]) + b"\x00\x00\x00\x04" + b"ID-1"
    out += struct.pack(">i", len(name)) + name
    out += struct.pack(">i", number) + struct.pack(">f", part) + struct.pack(">ii", *fps)
    return out + bytes([len(values) if count is None else count]) + b"".join(struct.pack(">f", v) for v in values)


def test_a_live_link_packet_is_read_by_index():
    values = [0.0] * 61
    values[0], values[15], values[16], values[51] = 0.5, 0.25, 0.125, 1.0
    values[52:55] = [math.radians(20), math.radians(10), math.radians(-5)]  # yaw, pitch, roll
    frame = live_link.parse(live_link_packet(values), 7.0)
    assert frame.subject == "Ann" and frame.time == 7.0 and frame.number == 130 and frame.fps == 60.0
    assert frame.weights[INDEX["eyeBlinkLeft"]] == 0.5
    assert (frame.weights[INDEX["jawLeft"]], frame.weights[INDEX["jawRight"]]) == (0.25, 0.125)
    assert frame.weights[INDEX["tongueOut"]] == 1.0
    assert frame.head_deg == pytest.approx((10.0, -20.0, 5.0), abs=1e-5)  # Unreal counts yaw and roll the other way
    assert frame.source_s == pytest.approx(130.25 / 60)
    assert frame.timecode == "00:00:02:10.250"


def test_a_live_link_packet_is_built_as_the_app_lays_it_out():
    weights = frozen(np.linspace(0, 1, 52))
    frame = FaceFrame(time=0.0, weights=weights, subject="Ann", source_s=130.25 / 60)
    expected = live_link_packet([*weights.tolist(), *[0.0] * 9])
    built = live_link.build(frame, device="ID-1")
    assert built[:31] == expected[:31] and len(built) == len(expected)
    assert np.array_equal(np.frombuffer(built[-244:], ">f4")[:52], weights.astype(">f4"))


@pytest.mark.parametrize("version", [1, 5, 7])
def test_other_versions_of_live_link_are_refused_by_number(version):
    with pytest.raises(Malformed, match=f"version {version} instead of 6"):
        live_link.parse(live_link_packet([0.0] * 61, version=version), 0.0)


def test_a_live_link_packet_without_a_face_is_silent():
    whole = live_link_packet([0.0] * 61)
    with pytest.raises(Silent):
        live_link.parse(whole[: -1 - 4 * 61], 0.0)


def test_a_live_link_packet_cut_anywhere_else_is_malformed():
    whole = live_link_packet([0.1] * 61)
    bare = len(whole) - 1 - 4 * 61
    for end in range(len(whole)):
        if end != bare:
            with pytest.raises(Malformed):
                live_link.parse(whole[:end], 0.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e30])
def test_weights_that_cannot_be_are_refused(bad):
    with pytest.raises(Malformed, match="impossible values"):
        live_link.parse(live_link_packet([0.0] * 60 + [bad]), 0.0)


@pytest.mark.parametrize("fps", [(0, 1), (60, 0), (-60, 1), (60, -1), (2**31 - 1, 1)])
def test_a_rate_that_cannot_be_is_refused(fps):
    with pytest.raises(Malformed, match="impossible time"):
        live_link.parse(live_link_packet([0.0] * 61, fps=fps), 0.0)


def about(axis, degrees):
    """The matrix of a turn about x, y or z."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    out = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out[i, i], out[i, j], out[j, i], out[j, j] = c, -s, s, c
    return out


V1 = b"eyeBlink_L-50|jawOpen-25|mouthLeft-7|browInnerUp-0|=head#-10,20,5,0.1,0.2,-0.3|rightEye#1,2,3|leftEye#4,5,6|"
V2 = b"eyeBlink_L&50.5|jawOpen&25|mouthLeft&7|hairPuff&3|=head#-10,20,5,0.1,0.2,-0.3|rightEye#1,2,3|leftEye#4,5,6|"


@pytest.mark.parametrize(("text", "blink"), [(V1, 0.5), (V2, 0.505)])
def test_both_versions_of_ifacialmocap_are_read(text, blink):
    frame = ifacial_mocap.parse(text, 1.0)
    assert frame.weights[INDEX["eyeBlinkLeft"]] == blink
    assert frame.weights[INDEX["jawOpen"]] == 0.25
    assert frame.weights[INDEX["mouthLeft"]] == 0.07
    assert frame.head_m == (0.1, 0.2, -0.3)
    pitch, yaw, roll = frame.head_deg
    ours = about(1, yaw) @ about(0, pitch) @ about(2, roll)
    assert np.allclose(ours, about(0, -10) @ about(1, 20) @ about(2, 5), atol=1e-9)
    assert dict(frame.extra) == ({"hairPuff": 0.03} if text is V2 else {})


def test_an_ifacialmocap_message_is_built_as_the_app_writes_it():
    weights = np.zeros(52)
    weights[INDEX["eyeBlinkLeft"]], weights[INDEX["jawLeft"]], weights[INDEX["mouthSmileRight"]] = 0.5, 0.25, 1.0
    frame = FaceFrame(time=0.0, weights=frozen(weights), head_deg=(10.0, 0.0, 0.0), head_m=(0.0, 0.5, 0.0))
    one = ifacial_mocap.build(frame, version=1).decode()
    assert one.startswith("eyeBlink_L-50|eyeLookDown_L-0|")
    assert "|jawLeft-25|" in one and "|mouthSmile_R-100|" in one
    assert one.endswith("|=head#10,0,0,0,0.5,0|rightEye#0,0,0|leftEye#0,0,0|")
    assert "|jawLeft&25|" in ifacial_mocap.build(frame, version=2).decode()


def test_the_start_message_is_the_word_that_devices_wait_for():
    assert ifacial_mocap.start_message(version=1) == b"iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719"
    assert ifacial_mocap.start_message().endswith(b"dy3719|sendDataVersion=v2")
    assert ifacial_mocap.start_message(tcp=True).startswith(b"iFacialMocap_UDPTCP_")


def test_messages_of_a_connection_are_split_at_their_end_marks():
    splitter = ifacial_mocap.Splitter()
    assert splitter.feed(V1 + b"___iFac") == []
    assert splitter.feed(b"ialMocap" + V2 + b"___iFacialMocapx") == [V1, V2]
    with pytest.raises(Malformed, match="no end"):
        splitter.feed(b"x" * 70000)
    assert splitter.feed(V1 + ifacial_mocap.END) == [V1]


def test_an_osc_message_is_laid_out_as_the_specification_has_it():
    packet = b"/VMC/Ext/Blend/Val\0\0,sf\0Joy\0" + struct.pack(">f", 0.5)
    assert osc.build("/VMC/Ext/Blend/Val", "Joy", 0.5) == packet
    assert osc.parse(packet) == [("/VMC/Ext/Blend/Val", ("Joy", 0.5))]
    bundle = b"#bundle\0" + struct.pack(">Q", 1) + struct.pack(">i", len(packet)) + packet
    assert osc.bundle([packet]) == bundle
    nested = osc.bundle([bundle, osc.build("/a", 3, b"xyz", True)])
    assert [m.address for m in osc.parse(nested)] == ["/VMC/Ext/Blend/Val", "/a"]
    assert osc.parse(nested)[1].arguments == (3, b"xyz", True)


def test_bundles_within_bundles_end_somewhere():
    data = osc.build("/a")
    for _ in range(50):
        data = osc.bundle([data])
    with pytest.raises(Malformed, match="too deep"):
        osc.parse(data)


def values(**weights):
    return [osc.build("/VMC/Ext/Blend/Val", name, value) for name, value in weights.items()]


APPLY = osc.build("/VMC/Ext/Blend/Apply")


def test_weights_wait_for_apply():
    stream = vmc.VmcStream()
    assert stream.feed(osc.bundle(values(jawOpen=0.5)), 0.0) == []
    (frame,) = stream.feed(APPLY, 0.1)
    assert frame.weights[INDEX["jawOpen"]] == 0.5


def test_a_sender_s_clock_counts_while_it_comes_with_every_frame():
    stream = vmc.VmcStream()
    for i in range(3):
        (frame,) = stream.feed(osc.bundle([osc.build("/VMC/Ext/T", 0.5 * i), APPLY]), 0.0)
        assert frame.source_s == 0.5 * i
    assert stream.feed(APPLY, 0.0)[0].source_s is None
    assert stream.feed(osc.bundle([osc.build("/VMC/Ext/T", 9.0), APPLY]), 0.0)[0].source_s is None


@pytest.mark.parametrize(
    ("name", "vrm1", "shape"),
    [("Joy", "happy", "mouthSmileLeft"), ("sorrow", "sad", "browInnerUp"), ("A", "aa", "jawOpen"),
     ("Blink_L", "blinkLeft", "eyeBlinkLeft"), ("LOOKLEFT", "lookLeft", "eyeLookOutLeft"), ("oh", "oh", "mouthFunnel")],
)  # fmt: skip
def test_names_of_vrm_0_and_1_mean_shapes_of_apple(name, vrm1, shape):
    (frame,) = vmc.VmcStream().feed(osc.bundle([*values(**{name: 1.0}), APPLY]), 0.0)
    assert frame.weights[INDEX[shape]] > 0.3
    assert frame.extra[vrm1] == 1.0


def test_apple_s_names_are_not_overruled_by_vrm_s():
    (frame,) = vmc.VmcStream().feed(osc.bundle([*values(Blink=1.0, EyeBlinkLeft=0.2), APPLY]), 0.0)
    assert frame.weights[INDEX["eyeBlinkLeft"]] == pytest.approx(0.2)
    assert frame.weights[INDEX["eyeBlinkRight"]] == 1.0


def bone(name, *numbers):
    return osc.build("/VMC/Ext/Bone/Pos", name, *map(float, numbers))


def test_unity_s_turns_and_places_are_brought_over():
    s = math.sin(math.radians(15))
    c = math.cos(math.radians(15))
    turned = {}
    for axis in range(3):
        q = [0.0, 0.0, 0.0, c]
        q[axis] = s
        (frame,) = vmc.VmcStream().feed(bone("Head", 1, 2, 3, *q), 0.0)
        turned[axis] = frame.head_deg
        assert frame.head_m == (-1.0, 2.0, 3.0)
    assert turned[0] == pytest.approx((30.0, 0.0, 0.0), abs=1e-4)
    assert turned[1] == pytest.approx((0.0, -30.0, 0.0), abs=1e-4)
    assert turned[2] == pytest.approx((0.0, 0.0, -30.0), abs=1e-4)


def test_neck_and_head_add_up_and_eyes_look():
    half = [0.0, -math.sin(math.radians(5)), 0.0, math.cos(math.radians(5))]  # 10 degrees to its left
    parts = [bone("Neck", 0, 0, 0, *half), bone("Head", 0, 0, 0, *half), bone("LeftEye", 0, 0, 0, *half)]
    (frame,) = vmc.VmcStream().feed(osc.bundle([*parts, APPLY]), 0.0)
    assert frame.head_deg == pytest.approx((0.0, 20.0, 0.0), abs=1e-4)
    assert frame.left_eye_deg == pytest.approx((0.0, 10.0, 0.0), abs=1e-4)
    assert frame.weights[INDEX["eyeLookOutLeft"]] == pytest.approx(10 / 38, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_simulator_sends_is_what_the_parser_hears(kind):
    take = simulator.performance(1.0, seed=3)
    ledger = Ledger(kind)
    for row in range(0, 60, 7):
        sent = take.frame(row)
        data = simulator.BUILDERS[kind](sent).removesuffix(ifacial_mocap.END)
        (heard,) = ledger.packet(data, "phone", 0.5, "phone")
        assert np.abs(heard.weights - sent.weights).max() < 1e-6
        for name in ("head_deg", "left_eye_deg", "right_eye_deg"):
            assert getattr(heard, name) == pytest.approx(getattr(sent, name), abs=2e-5)
    assert ledger.counters().refused == 0


def mutated(data, rng):
    """A packet with accidents: flipped, cut, repeated or inserted bytes."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        how, at = rng.randrange(5), rng.randrange(max(len(out), 1))
        if how == 0 and out:
            out[at] = rng.randrange(256)
        elif how == 1:
            del out[at:]
        elif how == 2:
            out[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 9)))
        elif how == 3:
            out[at:at] = out[at : at + rng.randint(1, 64)]
        elif how == 4 and len(out) >= at + 4:
            out[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x7f\xc0\0\0", b"\0\0\0\0"])
    return bytes(out)


def test_ten_thousand_hostile_packets_only_count():
    rng = random.Random(11)
    take = simulator.performance(0.2, seed=1)
    ledgers = {kind: Ledger(kind) for kind in KINDS}
    seeds = {kind: [simulator.BUILDERS[kind](take.frame(i)) for i in range(6)] for kind in KINDS}
    seeds["live_link"].append(live_link.build(take.frame(0), face=False))
    seeds["vmc"] += [V1, osc.bundle([osc.bundle([APPLY])]), bone("Head", 0, 0, 0, 0, 0, 0, 1)]
    for i in range(10_000):
        kind = KINDS[i % len(KINDS)]
        data = mutated(rng.choice(seeds[kind]), rng)
        for frame in ledgers[kind].packet(data, i % 50, i / 60, "x"):
            assert np.isfinite(frame.weights).all() and len(frame.weights) == len(ARKIT)
            assert np.isfinite((*frame.head_deg, *frame.left_eye_deg, *frame.right_eye_deg)).all()
    counted = [ledger.counters() for ledger in ledgers.values()]
    assert sum(c.packets for c in counted) == 10_000
    assert all(c.refused > 100 and len(c.malformed) <= 64 and len(c.subjects) <= 64 for c in counted)


def test_numbers_of_frames_tell_what_was_lost_late_and_twice():
    ledger = Ledger("live_link")
    kept = []
    for number in (1, 2, 3, 6, 7, 7, 5, 8, 20):
        data = live_link_packet([0.0] * 61, number=number)
        kept += [f.number for f in ledger.packet(data, "a", 0.0)]
    counters = ledger.counters()
    assert (counters.lost, counters.late, counters.twice) == (2 - 1 + 11, 1, 1)
    assert kept == [1, 2, 3, 6, 7, 5, 8, 20]


def test_a_device_that_captures_every_other_frame_loses_none():
    ledger = Ledger("live_link")
    for number in range(0, 200, 2):
        ledger.packet(live_link_packet([0.0] * 61, number=number), "a", 0.0)
    assert ledger.counters().lost == 0
