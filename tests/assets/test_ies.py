"""IES files: every version, type and symmetry becomes the same kind of profile; what is broken becomes a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.assets.ies import load_profile, read_measured, read_profile
from studio.assets.ies_diagram import diagram
from studio.errors import BadAsset
from studio.scene.light_shaping import PROFILE_COLUMNS, PROFILE_ROWS, is_profile
from studio.scene.lights import Light, pack
from tests.assets.ies_maker import HEADERS, lobe, made

DOWN = np.radians(np.linspace(0.0, 180.0, PROFILE_ROWS))
AROUND = np.radians(np.arange(PROFILE_COLUMNS) * 360.0 / PROFILE_COLUMNS)
EVERY_5 = tuple(range(0, 91, 5))


def candela(profile):
    return profile.image.pixels[:, :, 0].astype(np.float64) * profile.peak_cd


def directions():
    sine = np.sin(DOWN)[:, None]
    return sine * np.cos(AROUND), sine * np.sin(AROUND), np.repeat(-np.cos(DOWN)[:, None], PROFILE_COLUMNS, axis=1)


@pytest.mark.parametrize("version", HEADERS)
@pytest.mark.parametrize("tilt", ["NONE", "INCLUDE", "lamp.tlt"])
def test_every_version_and_tilt_reads_the_same(version, tilt):
    profile = load_profile(made(lobe, version=version, tilt=tilt), "a")
    assert is_profile(profile.image)
    assert profile.image.pixels.max() == 1.0
    assert profile.peak_cd == pytest.approx(1000.0)
    np.testing.assert_allclose(candela(profile), 1000 * np.maximum(np.cos(DOWN), 0)[:, None] ** 2 + 0 * AROUND, atol=2)


def test_lumens_are_the_integral_of_candela():
    profile = load_profile(made(lobe), "a")
    assert profile.lumens == pytest.approx(2 * np.pi * 1000 / 3, rel=2e-3)
    even = load_profile(made(lambda v, h: 80.0), "a")
    assert even.lumens == pytest.approx(4 * np.pi * 80, rel=1e-4)


def test_a_lamp_of_the_files_lumens_has_the_files_candela():
    profile = load_profile(made(lobe), "a")
    lamp = Light(id="l", light="point", unit="lm", intensity=profile.lumens, radius_m=0.0, ies=profile.image.key)
    row = pack([lamp], images={profile.image.key: 0}, groups={}, textures=(profile.image,))[0]
    assert row["profile"] == 0
    assert row["emission"][0] == pytest.approx(profile.peak_cd, rel=1e-3)


@pytest.mark.parametrize(("version", "factor"), [(1986, 3.0), (1995, 3.0), (2002, 1.5), (2019, 1.5)])
def test_factors_multiply_where_the_version_says_so(version, factor):
    file = made(lobe, version=version, multiplier=3.0, ballast=0.5, other=2.0)
    assert load_profile(file, "a").peak_cd == pytest.approx(1000 * factor)


def skewed(v, h):
    """Brightest at 40 degrees down in the plane of 30 degrees."""
    a, b = np.radians(v), np.radians(h - 30.0)
    return 500.0 * (1.0 + np.sin(a) * np.cos(b) * 0.5)


def test_a_file_of_all_planes_turns_from_x_to_y():
    profile = load_profile(made(skewed, horizontal=range(0, 361, 10)), "a")
    np.testing.assert_allclose(
        candela(profile), [[skewed(np.degrees(v), np.degrees(h)) for h in AROUND] for v in DOWN], rtol=5e-3
    )
    row, column = np.unravel_index(candela(profile).argmax(), (PROFILE_ROWS, PROFILE_COLUMNS))
    assert (row, column * 2) == (90, 30)


def test_a_file_that_leaves_the_last_plane_out_closes_itself():
    whole = load_profile(made(skewed, horizontal=range(0, 361, 15)), "a")
    open_ = load_profile(made(skewed, horizontal=range(0, 346, 15)), "a")
    np.testing.assert_allclose(candela(open_), candela(whole), rtol=1e-5)


@pytest.mark.parametrize(
    ("planes", "axis"),
    [(range(0, 91, 10), "both"), (range(0, 181, 10), "x"), (range(180, 361, 10), "x"), (range(90, 271, 10), "y")],
)
def test_symmetric_files_are_unfolded(planes, axis):
    def at(v, h):
        a, b = np.radians(v), np.radians(h)
        x, y = np.sin(a) * np.cos(b), np.sin(a) * np.sin(b)
        return 100 + 50 * {"both": x * x, "x": x * x + 0.5 * x, "y": y * y + 0.5 * y}[axis]

    profile = load_profile(made(at, horizontal=planes), "a")
    wanted = [[at(np.degrees(v), np.degrees(h)) for h in AROUND] for v in DOWN]
    np.testing.assert_allclose(candela(profile), wanted, rtol=1e-2)


def test_one_plane_is_all_planes_and_what_was_not_measured_is_dark():
    profile = load_profile(made(lambda v, h: 100.0, vertical=EVERY_5), "a")
    np.testing.assert_allclose(candela(profile)[:91], 100.0, rtol=1e-6)
    assert not candela(profile)[91:].any()
    up = load_profile(made(lambda v, h: 100.0, vertical=range(90, 181, 5)), "a")
    assert not candela(up)[:90].any()
    assert (candela(up)[90:] > 99).all()


def test_type_b_turns_its_planes_about_a_horizontal_axis():
    def at(v, h):  # a broad fan in V, narrow in H, brighter towards positive V and H
        return 100.0 * np.cos(np.radians(h)) ** 8 * (1 + 0.5 * np.sin(np.radians(v))) + 20 + h * 0.1

    angles = range(-90, 91, 5)
    profile = load_profile(made(at, vertical=angles, horizontal=angles, kind=2), "a")
    x, y, z = directions()
    v, h = np.degrees(np.arctan2(x, -z)), np.degrees(np.arcsin(np.clip(-y, -1, 1)))
    wanted = np.where(np.abs(v) <= 90.001, at(v, h), 0.0)
    np.testing.assert_allclose(candela(profile), np.maximum(wanted, 0), atol=1.5)


def test_type_a_shines_straight_ahead_and_turns_clockwise():
    def at(v, h):  # brighter above the horizon and to the right
        return 100.0 + 0.5 * v + 0.3 * h

    angles = range(-90, 91, 5)
    profile = load_profile(made(at, vertical=angles, horizontal=angles, kind=3), "a")
    x, y, z = directions()
    v, h = np.degrees(np.arcsin(np.clip(y, -1, 1))), np.degrees(np.arctan2(x, -z))
    ahead = np.abs(h) <= 89.9
    np.testing.assert_allclose(candela(profile)[ahead], at(v, h)[ahead], atol=0.5)
    assert candela(profile)[0, 0] == pytest.approx(100.0)
    assert candela(profile)[30, 0] > candela(profile)[30, PROFILE_COLUMNS // 2]  # right of the axis


@pytest.mark.parametrize("kind", [2, 3])
def test_halves_of_types_a_and_b_stand_for_both_sides(kind):
    def at(v, h):
        return 100.0 + abs(v) * 0.5 + abs(h)

    half = load_profile(made(at, vertical=EVERY_5, horizontal=EVERY_5, kind=kind), "a")
    whole = load_profile(made(at, vertical=range(-90, 91, 5), horizontal=range(-90, 91, 5), kind=kind), "a")
    np.testing.assert_allclose(candela(half), candela(whole), rtol=1e-5)


def test_words_behind_the_last_number_and_commas_do_no_harm():
    plain = load_profile(made(lobe), "a")
    assert load_profile(made(lobe, tail="\x1a END OF FILE", ends="\n"), "a").image.key == plain.image.key


def test_the_image_knows_its_file_and_content(tmp_path):
    (tmp_path / "wall.ies").write_bytes(made(lobe))
    profile = read_profile(tmp_path / "wall.ies")
    assert (profile.name, profile.image.name) == ("wall", "wall")
    assert profile.image.path == str(tmp_path / "wall.ies")
    assert profile.image.colour_space == "data"
    assert load_profile(made(lobe), "b").image.key == profile.image.key


def test_the_diagram_names_the_peak(tmp_path):
    (tmp_path / "a.ies").write_bytes(made(lobe))
    picture, told = diagram(tmp_path / "a.ies", 64)
    assert picture.shape == (64, 64, 3)
    assert told["candela"] == pytest.approx(1000.0)
    assert picture[40, 32].astype(int).tolist() != picture[10, 32].astype(int).tolist()  # light below, none above


GOOD = made(lobe, vertical=EVERY_5, ends="\n")
NUMBERS = GOOD.split(b"TILT=NONE\n")[1]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "TILT="),
        (b"IESNA", "TILT="),
        (b"IESNA:LM-63-2002\nTILT=NONE\n", "ends before"),
        (b"IESNA91\nTILT=NONE\n1 2 3 x", "not all numbers|number"),
        (GOOD.replace(b"19 1 1", b"999999999 99999999 1"), "claims"),
        (GOOD.replace(b"19 1 1", b"36000 36000 1"), "ends before"),
        (GOOD.replace(b"19 1 1", b"-19 1 1"), "claims"),
        (GOOD.replace(b"19 1 1", b"19.5 1 1"), "claims"),
        (GOOD.replace(b"19 1 1", b"19 1 4"), "type"),
        (GOOD.replace(b"19 1 1", b"1 1 1"), "one vertical angle"),
        (GOOD.replace(b"0 5 10 15", b"0 10 5 15"), "do not rise"),
        (GOOD.replace(b"0 5 10 15", b"-5 5 10 15"), "from -5"),
        (GOOD.replace(b"1000,", b"nan,"), "finite"),
        (GOOD.replace(b"1000,", b"-1000,"), "less than nothing"),
        (GOOD.replace(b"1 1000 1.0", b"1 1000 -1.0"), "less than nothing"),
        (GOOD.replace(b"1 1000 1.0", b"1 1000 1e300"), "beyond"),
        (GOOD.replace(b"1 1000 1.0", b"1 1000 0"), "no direction"),
        (GOOD.replace(b"1 1000 1.0", b"1 1000 inf"), "finite"),
        (GOOD[:-30], "ends before"),
        (GOOD.replace(b"NONE\n", b"INCLUDE\n1 99999 "), "claims|ends"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR TILT=", "no IES file"),
        (b"TILT=NONE\n" + b"1 " * 9_000_000, "no IES file"),
    ],
)
def test_a_broken_file_is_one_sentence_that_names_it(data, told):
    with pytest.raises(BadAsset, match=told) as raised:
        load_profile(data, "wall", path="/lamps/wall.ies")
    assert str(raised.value).startswith("wall.ies")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path):
    with pytest.raises(BadAsset, match=r"none\.ies"):
        read_profile(tmp_path / "none.ies")


def try_to_read(data):
    try:
        profile = load_profile(data, "fuzz")
    except BadAsset as fault:
        assert str(fault).startswith("fuzz")
        return
    pixels = profile.image.pixels
    assert np.isfinite(pixels).all()
    assert pixels.min() >= 0 and pixels.max() == 1.0
    assert np.isfinite(profile.peak_cd) and profile.peak_cd > 0 and np.isfinite(profile.lumens)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_file_with_changed_words_reads_or_is_refused(data):
    words = GOOD.split(b" ")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(words) - 1))
        words[at] = data.draw(
            st.one_of(
                st.sampled_from([b"", b"nan", b"inf", b"-1", b"0", b"1e308", b"1e-320", b"2", b"3", b"90", b"180\n"]),
                st.binary(max_size=6),
            )
        )
    try_to_read(b" ".join(words))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(GOOD)), st.binary(max_size=40))
def test_a_file_cut_anywhere_reads_or_is_refused(cut, tail):
    try_to_read(GOOD[:cut] + tail)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(-400, 400), min_size=1, max_size=8).map(sorted),
    st.lists(st.floats(-200, 200), min_size=1, max_size=8).map(sorted),
    st.sampled_from([1, 2, 3]),
)
def test_any_angles_read_or_are_refused(horizontal, vertical, kind):
    try_to_read(made(lambda v, h: 100.0 + v / 10, horizontal=horizontal, vertical=vertical, kind=kind))


def test_reading_makes_nothing_of_what_a_file_only_claims():
    with pytest.raises(BadAsset, match="ends before"):
        read_measured(GOOD.replace(b"19 1 1", b"36000 1 1"), "a.ies")
