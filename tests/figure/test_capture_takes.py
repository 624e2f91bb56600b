"""Takes and recordings as files: nothing is lost, and no file does harm."""

import io
import json
import random
import zipfile

import numpy as np
import pytest

from studio.errors import BadAsset, CannotWrite
from studio.figure.capture import live_link_csv, simulator
from studio.figure.capture.frames import FaceFrame, frozen, make_take, take_of
from studio.figure.capture.recording import load_performance, trimmed
from studio.figure.capture.retarget import Channel, Profile, Remap, decoded, encoded, load_profile, save_profile
from studio.figure.capture.take_files import load_take, parse_take, save_take, take_bytes, take_info
from studio.scene.arkit import ARKIT, INDEX


def small(k=3):
    rng = np.random.default_rng(5)
    return make_take(
        "small", np.arange(k) / 60, np.float32(rng.random((k, 53))), names=(*ARKIT, "puff"), head=rng.random((k, 6)),
        bones={"neck": np.tile((0.0, 0.0, 0.0, 1.0), (k, 1))}, subject="Ann", source="vmc", start="01:02:03:04.500",
        profile=Profile(name="p", neutral={"jawOpen": 0.1}, channels={"jawOpen": Channel(gain=2.0)}),
    )  # fmt: skip


def test_a_take_comes_back_as_it_was_kept(tmp_path):
    take = trimmed(small(10), 0.05, 0.1)
    save_take(take, tmp_path / "deep" / "a.take")
    back = load_take(tmp_path / "deep" / "a.take")
    for name in ("times", "weights", "head", "eyes"):
        assert np.array_equal(getattr(back, name), getattr(take, name)), name
    assert np.array_equal(back.bones["neck"], take.bones["neck"])
    for name in ("name", "names", "fps", "start", "subject", "source", "trim", "profile", "notes"):
        assert getattr(back, name) == getattr(take, name), name
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.take"]
    info = take_info(tmp_path / "deep" / "a.take")
    assert (info.frames, info.shapes, info.subject, info.profile) == (10, 53, "Ann", "p")
    assert info.seconds == pytest.approx(9 / 60)


def test_the_same_take_gives_the_same_bytes():
    assert take_bytes(small()) == take_bytes(small())


def test_a_take_cut_at_any_byte_is_refused_in_a_sentence():
    data = take_bytes(small())
    for end in range(len(data)):
        with pytest.raises(BadAsset, match=r"^x\.take "):
            parse_take(data[:end], where="x.take")


def test_a_take_with_any_damage_is_a_take_or_a_sentence():
    data = take_bytes(small())
    rng = random.Random(2)
    for _ in range(3000):
        broken = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        try:
            parse_take(bytes(broken), where="x")
        except BadAsset as fault:
            assert "\n" not in str(fault)


def repacked(change, **parts):
    """A take's file with another head or other parts."""
    data = take_bytes(small())
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            body = old.read(name)
            if name == "take.json":
                head = json.loads(body)
                change(head)
                body = json.dumps(head).encode()
            new.writestr(name, parts.get(name.partition(".")[0], body))
    return out.getvalue()


@pytest.mark.parametrize(
    "change",
    [{"version": 9}, {"frames": 10**9}, {"frames": -1}, {"frames": 2}, {"names": ["a"]}, {"fps": 0}, {"fps": -5.0},
     {"names": [*ARKIT, "jawOpen"]}, {"trim": [5, 1]}, {"bones": ["b"] * 1000},
     {"profile": {"channels": {"a": {"curve": 0}}}}],
)  # fmt: skip
def test_what_a_take_may_not_claim_is_a_sentence(change):
    with pytest.raises(BadAsset):
        parse_take(repacked(lambda head: head.update(change)), where="x")


def test_a_take_that_unpacks_to_more_than_it_may_is_refused():
    bomb = repacked(lambda head: None, weights=b"\0" * 300_000_000)
    with pytest.raises(BadAsset, match="more than its size"):
        parse_take(bomb, where="x")


def test_numbers_that_are_none_are_refused():
    def npy(array):
        out = io.BytesIO()
        np.lib.format.write_array(out, array, version=(1, 0))
        return out.getvalue()

    for bad in (np.full((3, 53), np.nan), np.full((3, 53), 1e300), np.zeros((3, 53), "i8"), np.zeros((53, 3)).T):
        with pytest.raises(BadAsset):
            parse_take(repacked(lambda head: None, weights=npy(bad)), where="x")
    with pytest.raises(BadAsset, match="never fall"):
        parse_take(repacked(lambda head: None, times=npy(np.array([0.0, 2.0, 1.0]))), where="x")


def test_a_take_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match=r"a\.take"):
        save_take(small(), tmp_path / "file" / "a.take")


def test_frames_are_put_in_the_order_of_the_device_s_clock():
    def frame(at, own):
        return FaceFrame(time=at, weights=frozen(np.full(52, own)), source_s=own, number=round(own * 60))

    take = take_of([frame(0.0, 0.0), frame(0.1, 0.2), frame(0.11, 0.1), frame(0.12, 0.2), frame(0.4, 0.4)], name="t")
    assert take.times.tolist() == pytest.approx([0.0, 0.1, 0.2, 0.4])
    assert take.weights[:, 0].tolist() == pytest.approx([0.0, 0.1, 0.2, 0.4])


def test_profiles_are_kept_as_readable_text(tmp_path):
    profile = Profile(name="Ann", remaps=(Remap(source="happy", target="mouthSmileLeft", factor=0.5),), mirror=True)
    save_profile(profile, tmp_path / "ann.json")
    assert load_profile(tmp_path / "ann.json") == profile
    assert b'"mirror": true' in encoded(profile)
    for bad in (b"", b"[]", b'{"gain": "much"}', b'{"gain": 1e9}', b'{"smoothing": {"face_hz": 0}}', b"\xff"):
        with pytest.raises(BadAsset):
            decoded(bad, "x.json")


# --- recordings of Live Link Face ------------------------------------------------------------------------------------
def recording(columns=live_link_csv.HEADER, rows=4, change=lambda row, cells: cells):
    """A recording by hand: shape n of row r is (n + r) / 100."""
    lines = [",".join(columns)]
    for row in range(rows):
        cells = []
        for column in columns:
            name = column[0].lower() + column[1:]
            if column == "Timecode":
                cells.append(f"10:00:0{row // 60}:{row % 60:02}.500")
            elif column.lower() == "blendshapecount":
                cells.append("61")
            else:
                cells.append(f"{(INDEX.get(name, 0) + row) / 100}")
        lines.append(",".join(change(row, cells)))
    return ("\n".join(lines) + "\n").encode()


def parse(data):
    return live_link_csv.parse_csv(data, name="t", where="t.csv")


def test_the_columns_stand_as_the_app_writes_them():
    order = live_link_csv.COLUMNS
    assert order[14:18] == ("JawForward", "JawRight", "JawLeft", "JawOpen")
    assert order[20:23] == ("MouthPucker", "MouthRight", "MouthLeft")
    assert len(live_link_csv.HEADER) == 63


@pytest.mark.parametrize("spelling", ["BlendShapeCount", "BlendshapeCount", "blendshapecount"])
def test_columns_go_by_their_names(spelling):
    columns = [spelling if c == "BlendShapeCount" else c for c in live_link_csv.HEADER]
    shuffled = columns[:]
    random.Random(1).shuffle(shuffled)
    for order in (columns, shuffled):
        take = parse(recording(order))
        assert take.weights[2].tolist() == pytest.approx([(i + 2) / 100 for i in range(52)])
        assert take.times.tolist() == pytest.approx([0, 1 / 60, 2 / 60, 3 / 60])
        assert take.start == "10:00:00:00.500" and take.notes == ()


def test_missing_columns_stay_at_rest_and_are_told():
    take = parse(recording([c for c in live_link_csv.HEADER if c not in ("JawOpen", "HeadYaw")]))
    assert not take.weights[:, INDEX["jawOpen"]].any()
    assert "JawOpen" in take.notes[0]


def test_columns_that_stand_twice_count_once():
    columns = [*live_link_csv.HEADER, "JawOpen"]

    def other(row, cells):
        return [*cells[:-1], "0.99"]

    take = parse(recording(columns, change=other))
    assert take.weights[0, INDEX["jawOpen"]] == pytest.approx(0.17)
    assert "twice" in take.notes[0]


def test_rows_that_are_cut_short_are_left_out():
    take = parse(recording(rows=4)[:-200])
    assert len(take.times) == 3 and "cut short" in take.notes[0]


@pytest.mark.parametrize("bad", ["", "nan", "inf", "1e99", "x"])
def test_what_is_no_number_holds_the_one_before(bad):
    take = parse(recording(change=lambda row, cells: [*cells[:2], bad, *cells[3:]] if row == 2 else cells))
    assert take.weights[2, 0] == take.weights[1, 0] and "no numbers" in take.notes[0]


@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"\xff\xfe\x00", b"a,b,c\n1,2,3\n", b"Timecode,BlendShapeCount\n1,2\n", recording(rows=0),
             b"," * 5000, b"\0" * 100])  # fmt: skip
def test_what_is_no_recording_is_a_sentence(data):
    with pytest.raises(BadAsset, match=r"^t\.csv "):
        parse(data)


def test_a_recording_cut_at_any_byte_is_a_take_or_a_sentence():
    data = recording(rows=2)
    for end in range(len(data)):
        try:
            parse(data[:end])
        except BadAsset as fault:
            assert str(fault).startswith("t.csv ")


def test_a_timecode_that_is_none_or_runs_backwards_gives_rows_of_a_sixtieth():
    broken = parse(recording(change=lambda row, cells: ["later", *cells[1:]]))
    assert broken.times[1] == pytest.approx(1 / 60) and broken.notes
    back = parse(recording(change=lambda row, cells: [f"10:00:00:{9 - row}.0", *cells[1:]]))
    assert back.times[1] == pytest.approx(1 / 60) and "backwards" in back.notes[0]


def test_a_recording_over_midnight_goes_on():
    codes = ["23:59:58:29.0", "23:59:59:29.0", "00:00:00:29.0", "00:00:01:29.0"]
    take = parse(recording(change=lambda row, cells: [codes[row], *cells[1:]]))
    assert take.fps == 30.0 and take.times.tolist() == pytest.approx([0, 1, 2, 3])


def test_a_take_written_as_a_recording_reads_the_same(tmp_path):
    take = simulator.performance(1.5, seed=4)
    live_link_csv.write_csv(take, tmp_path / "a.csv")
    back = load_performance(tmp_path / "a.csv")
    assert np.abs(back.weights - take.weights).max() < 1e-7
    assert np.abs(back.head[:, :3] - take.head[:, :3]).max() < 1e-5
    assert np.abs(back.times - take.times).max() < 1e-4 and back.start == take.start
    with pytest.raises(BadAsset, match=r"choose a \.take or \.csv"):
        load_performance(tmp_path / "a.bvh")
    with pytest.raises(BadAsset, match="no recording"):
        load_performance(tmp_path / "b.csv")
