"""Movies, read back by FFmpeg: colours, tags, bits, rate, transparency and sound are what was asked for."""

from __future__ import annotations

import threading
import wave
from fractions import Fraction

import numpy as np
import pytest

from studio.errors import BadAsset, CannotWrite, Unsupported, UsageError
from studio.render import video_tags
from studio.render.export import FORMATS, ExportSettings, exact_rate
from studio.render.export_names import export_names
from studio.render.output import Part, Picture, write_image
from studio.render.video import Movie, _flags, bits_of, movie, movie_format
from studio.render.video_audio import RATE, sound_of
from studio.render.video_export import BadFrame, Reel, Stopped, encode
from studio.render.video_tags import is_hdr, tags_of
from studio.render.video_view import View
from studio.scene import color
from studio.scene.timeline import Audio, Timeline
from tests.render.stage import stage

av = pytest.importorskip("av", reason="movies need PyAV")
SIZE = (512, 128)
BARS = ((1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0.5, 0.5, 0.5), (0.25, 0.5, 0.75), (0.1, 0.05, 0.02), (0, 0, 0))
MOVIES = [(name, suffix) for name, kind in FORMATS.items() if kind.movie for suffix in kind.suffixes]
SRGB = tags_of(color.DISPLAY, color.DEFAULT_VIEW)


def bars(kind) -> np.ndarray:
    """Eight bars; with transparency the upper half at one half."""
    picture = np.ones((SIZE[1], SIZE[0], 4 if kind.alpha else 3))
    for i, bar in enumerate(BARS):
        picture[:, i * 64 : (i + 1) * 64, :3] = bar
    if kind.alpha:
        picture[: SIZE[1] // 2, :, 3] = 0.5
    dtype = np.uint8 if bits_of(kind) == 8 else np.uint16
    return np.rint(picture * np.iinfo(dtype).max).astype(dtype)


def decoded(path):
    """The movie's video stream's facts and its frames as RGB(A) in 0..1."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(video=0))
        deep = "rgba64le" if "yuva" in frames[0].format.name else "rgb48le"
        pictures = [
            f.reformat(
                format=deep, src_colorspace=1, src_color_range=1, dst_color_range=2, interpolation=_flags()
            ).to_ndarray()
            / 65535
            for f in frames
        ]
        context = stream.codec_context
        facts = {
            "rate": stream.average_rate,
            "codec": context.name,
            "pixels": context.pix_fmt,
            "tag": context.codec_tag,
            "profile": context.profile,
            "color": (context.color_primaries, context.color_trc, context.colorspace, context.color_range),
        }
    return facts, frames, pictures


def write(path, name, frames=4, **values):
    kind = FORMATS[name]
    asked = {"size": SIZE, "rate": Fraction(24000, 1001), "tags": SRGB, "quality": 95, "alpha": kind.alpha, **values}
    with movie(path, kind=kind, **asked) as made:
        for _ in range(frames):
            made.write(bars(kind))


def test_movies_that_are_made_at_once_are_those_that_are_made_alone(tmp_path):
    def half(path):
        write(path, "h264", frames=24, threads=1)

    def whole(path):
        write(path, "prores-4444", frames=24, threads=1)

    at_once = [
        threading.Thread(target=work, args=(tmp_path / name,), daemon=True)
        for work, name in ((half, "half.mp4"), (whole, "whole.mov"))
    ]
    for thread in at_once:
        thread.start()
    for thread in at_once:
        thread.join(60)
        assert not thread.is_alive(), "they wait for each other"
    half(tmp_path / "alone.mp4")
    whole(tmp_path / "alone.mov")
    assert (tmp_path / "half.mp4").read_bytes() == (tmp_path / "alone.mp4").read_bytes()
    assert (tmp_path / "whole.mov").read_bytes() == (tmp_path / "alone.mov").read_bytes()


@pytest.mark.parametrize(("name", "suffix"), MOVIES)
def test_colours_tags_bits_and_rate_are_read_back(tmp_path, name, suffix):
    kind = FORMATS[name]
    write(tmp_path / f"m{suffix}", name)
    facts, frames, pictures = decoded(tmp_path / f"m{suffix}")
    assert len(frames) == 4 and facts["rate"] == Fraction(24000, 1001)
    assert facts["color"] == (1, 13, 1, 1)
    assert all((f.color_primaries, f.color_trc, f.colorspace, f.color_range) == (1, 13, 1, 1) for f in frames)
    assert ("10" in facts["pixels"] or "12" in facts["pixels"]) == (kind.bits == 10)
    middle = [pictures[2][SIZE[1] * 3 // 4, i * 64 + 32, :3] for i in range(8)]
    # limited range has 219 steps for 255; the blue of an 8 bit chroma sample may be off by two
    assert np.abs(np.array(middle) - np.array(BARS)).max() < (3.0 if kind.bits == 8 else 0.8) / 255
    if kind.alpha:
        assert pictures[2][8, 8, 3] == pytest.approx(0.5, abs=2e-3)
        assert pictures[2][-8, 8, 3] == pytest.approx(1.0, abs=2e-3)


def test_ten_bits_are_really_there(tmp_path):
    ramp = np.broadcast_to(np.linspace(20000, 24000, 512).astype(np.uint16)[None, :, None], (64, 512, 3)).copy()
    steps = {}
    for name in ("h264", "h264-10", "h265-10", "prores-422hq"):
        kind = FORMATS[name]
        path = tmp_path / f"{name}{kind.suffixes[-1]}"
        with movie(path, kind=kind, size=(512, 64), rate=Fraction(25), tags=SRGB, quality=100) as made:
            for _ in range(2):
                made.write(ramp if kind.bits == 10 else (ramp >> 8).astype(np.uint8))
        steps[name] = len(np.unique(decoded(path)[2][0][32, 16:-16, 1].round(4)))
    assert steps["h264"] <= 18  # 16 of 256
    assert min(steps["h264-10"], steps["h265-10"], steps["prores-422hq"]) >= 45  # 63 of 1024


@pytest.mark.parametrize(
    ("display", "tags"),
    [
        ("Rec.1886 Rec.709 - Display", (1, 1, 1)),
        ("Display P3 - Display", (12, 13, 1)),
        ("Rec.2100-PQ - Display", (9, 16, 9)),
        ("Gamma 2.2 Rec.709 - Display", (1, 4, 1)),
    ],
)
def test_a_display_has_its_tags_in_stream_and_container(tmp_path, display, tags):
    wanted = tags_of(display, "any")
    assert (wanted.primaries, wanted.transfer, wanted.matrix) == tags and display in color.displays()
    write(tmp_path / "m.mp4", "h265-10", tags=wanted)
    assert decoded(tmp_path / "m.mp4")[0]["color"] == (*tags, 1)
    colr = (tmp_path / "m.mp4").read_bytes().partition(b"colrnclx")[2]
    assert tuple(int.from_bytes(colr[i : i + 2], "big") for i in (0, 2, 4)) == tags


def test_every_display_of_the_configuration_has_tags():
    assert set(color.displays()) == set(video_tags._TAGS)
    assert is_hdr("Rec.2100-PQ - Display") and not is_hdr(color.DISPLAY)


def test_h265_is_named_as_quicktime_wants_it_and_prores_by_its_kind(tmp_path):
    write(tmp_path / "a.mp4", "h265")
    write(tmp_path / "b.mov", "prores-422hq")
    write(tmp_path / "c.mov", "prores-4444")
    assert [decoded(tmp_path / name)[0]["tag"] for name in ("a.mp4", "b.mov", "c.mov")] == ["hvc1", "apch", "ap4h"]


@pytest.mark.parametrize(
    ("fps", "exact"),
    [
        (24, Fraction(24)),
        (23.976, Fraction(24000, 1001)),
        (24000 / 1001, Fraction(24000, 1001)),
        (23.98, Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (12.5, Fraction(25, 2)),
        (25.0, Fraction(25)),
    ],
)
def test_rates_are_exact_fractions(fps, exact):
    assert exact_rate(fps) == exact


@pytest.mark.parametrize("size", [(65, 36), (64, 35), (8, 8)])
def test_sides_that_no_encoder_takes_are_refused(tmp_path, size):
    with (
        pytest.raises(UsageError, match="even"),
        movie(tmp_path / "m.mp4", kind=FORMATS["h264"], size=size, rate=Fraction(24), tags=SRGB),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_an_extension_that_does_not_fit_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"\.mov"):
        write(tmp_path / "m.mp4", "prores-422hq")
    with pytest.raises(UsageError, match="h264"):
        movie_format(tmp_path / "m.avi")


def test_without_the_extra_a_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    video_tags.video_missing.cache_clear()
    try:
        with pytest.raises(Unsupported, match=r"myriad-studio\[video\]"):
            write(tmp_path / "m.mp4", "h264")
    finally:
        monkeypatch.undo()
        video_tags.video_missing.cache_clear()
    assert not list(tmp_path.iterdir())


def test_a_movie_that_is_cut_off_leaves_nothing(tmp_path):
    (tmp_path / "m.mp4").write_bytes(b"the movie before")
    with (
        pytest.raises(KeyError),
        movie(tmp_path / "m.mp4", kind=FORMATS["h264"], size=SIZE, rate=Fraction(24), tags=SRGB) as made,
    ):
        made.write(bars(FORMATS["h264"]))
        raise KeyError
    assert [p.name for p in tmp_path.iterdir()] == ["m.mp4"]
    assert (tmp_path / "m.mp4").read_bytes() == b"the movie before"


def test_a_place_that_takes_no_movie_is_a_sentence(tmp_path):
    (tmp_path / "m.mp4").mkdir()
    with pytest.raises(CannotWrite, match="folder"):
        write(tmp_path / "m.mp4", "h264")


# sound


def tone(path, seconds=2.0, hertz=1000.0):
    """A sine of half of full scale that begins at once."""
    samples = np.sin(np.arange(round(seconds * RATE)) * (2 * np.pi * hertz / RATE)) * 0.5
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(RATE)
        file.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())
    return path


def test_sound_is_offset_trimmed_and_louder_as_the_timeline_says(tmp_path):
    file = tone(tmp_path / "t.wav", seconds=1.0)
    audio = Audio(path=str(file), start=13.0, trim_s=0.25, gain_db=-6.0206)
    sound = sound_of(audio, file, rate=Fraction(24), first=1, frames=48)
    assert len(sound) == 2 * RATE
    heard = np.flatnonzero(np.abs(sound[:, 0]) > 1e-3)
    assert heard[0] == pytest.approx(RATE / 2, abs=4) and heard[-1] == pytest.approx(RATE * 1.25, abs=40)
    assert np.abs(sound).max() == pytest.approx(0.25, rel=0.01) and np.array_equal(sound[:, 0], sound[:, 1])
    later = sound_of(audio, file, rate=Fraction(24), first=19, frames=24, lead=12)
    # half a second of slate, then what is a quarter of a second into the sound
    assert np.flatnonzero(np.abs(later[:, 0]) > 1e-3)[0] == pytest.approx(RATE / 2, abs=4)
    assert np.abs(later[RATE // 2 + 48 : RATE] - sound[RATE * 3 // 4 + 48 : RATE * 5 // 4]).max() < 1e-4


@pytest.mark.parametrize(("name", "suffix", "codec"), [("h264", ".mp4", "aac"), ("h264", ".mov", "pcm_s24le")])
def test_a_movie_has_its_sound_as_long_as_the_picture(tmp_path, name, suffix, codec):
    file = tone(tmp_path / "t.wav", seconds=5.0)
    sound = sound_of(Audio(path=str(file)), file, rate=Fraction(24), first=1, frames=24)
    write(tmp_path / f"m{suffix}", name, frames=24, rate=Fraction(24), sound=sound)
    with av.open(str(tmp_path / f"m{suffix}")) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name == codec and stream.rate == RATE
        assert float(stream.duration * stream.time_base) == pytest.approx(1.0, abs=0.03)
        heard = np.concatenate([f.to_ndarray().astype(np.float64).ravel() for f in container.decode(audio=0)])
    full = 1.0 if codec == "aac" else 2.0**31
    assert heard.std() / full == pytest.approx(0.5 / np.sqrt(2.0), rel=0.06)


def test_a_sound_that_is_gone_or_none_is_named(tmp_path):
    with pytest.raises(BadAsset, match=r"gone\.wav"):
        sound_of(Audio(path="gone.wav"), tmp_path / "gone.wav", rate=Fraction(24), first=1, frames=2)
    (tmp_path / "no.wav").write_bytes(b"RIFF this is no sound at all" * 9)
    with pytest.raises(BadAsset, match=r"no\.wav"):
        sound_of(Audio(path="no.wav"), tmp_path / "no.wav", rate=Fraction(24), first=1, frames=2)


# the view


def test_the_fast_view_is_close_to_the_exact_one():
    rng = np.random.default_rng(1)
    # 20 stops of colours, most of them saturated: harder than any picture
    rgb = (np.exp2(rng.uniform(-12, 8, (120, 160, 1))) * rng.uniform(0, 1, (120, 160, 3)) ** 1.5).astype(np.float32)
    exact = color.display_transform(rgb, exposure_ev=0.5)
    view = View(view=color.DEFAULT_VIEW, display=color.DISPLAY, bits=16, threads=2)
    try:
        shown = view.show(rgb, 0.5) / 65535
    finally:
        view.close()
    error = np.abs(shown - exact) * 255
    assert error.mean() < 0.06 and np.percentile(error, 99) < 0.5 and error.max() < 12


def test_values_that_are_no_numbers_are_black_in_movies_too():
    rgb = np.full((16, 16, 3), 0.18, np.float32)
    rgb[0, 0], rgb[0, 1, 0] = np.nan, np.inf
    view = View(view=color.DEFAULT_VIEW, display=color.DISPLAY, bits=8, threads=1)
    try:
        shown = view.show(rgb)
    finally:
        view.close()
    assert np.all(shown[0, 0] == 0) and shown[0, 1, 0] == 255 and np.all(shown[1] == shown[1, 0])


# a reel


def reel(folder, frames=(1, 2, 3), **values) -> Reel:
    files = []
    for frame in frames:
        pixels = np.full((72, 128, 4), 0.18 * frame, np.float32)
        part = Part("beauty", ("R", "G", "B", "A"), pixels)
        path = folder / f"{frame}.exr"
        write_image(Picture(128, 72, (0, 0, 128, 72), (part,)), path, metadata={"myriad:exposure": -1.0})
        files.append((frame, path))
    settings = ExportSettings(
        **{"width": 128, "height": 72, "format": "h264", "frames": "1-3", "view": "Un-tone-mapped", **values}
    )
    scene = stage()
    return Reel(
        scene=scene,
        settings=settings,
        names=export_names(settings, scene),
        frames=files,
        output=folder / "m.mp4",
        measured=4.0,
    )


def test_a_reel_becomes_a_movie_through_the_view_at_the_cameras_exposure(tmp_path):
    told = []
    encode(reel(tmp_path), progress=lambda done, of: told.append((done, of)))
    _, frames, pictures = decoded(tmp_path / "m.mp4")
    linear = np.array([0.09, 0.18, 0.27], np.float32)[:, None, None].repeat(3, 2)
    expected = color.display_transform(linear, view="Un-tone-mapped")[:, 0]
    assert told == [(1, 3), (2, 3), (3, 3)] and len(frames) == 3
    assert np.abs(np.array([p[36, 64] for p in pictures]) - expected).max() < 2 / 255


def test_a_slate_leads_and_burn_ins_are_on_every_frame_but_it(tmp_path):
    encode(reel(tmp_path, slate=True, slate_frames=2, burn_ins=("", "", "", "{frame}", "", "")))
    pictures = decoded(tmp_path / "m.mp4")[2]
    assert len(pictures) == 5
    assert pictures[0][-2, -2, 0] > 0.95 and pictures[0][-2, 2, 0] < 0.05  # the grey wedge
    assert all(p[60:, :30].max() > 0.8 for p in pictures[2:])  # letters


def test_asking_to_stop_ends_between_frames_and_leaves_nothing(tmp_path):
    with pytest.raises(Stopped):
        encode(reel(tmp_path), stop=lambda: "now")
    assert not (tmp_path / "m.mp4").exists() and not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_slate_is_left_where_one_asks_to_stop(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(Movie, "write", lambda self, pixels: written.append(pixels))
    with pytest.raises(Stopped):
        encode(reel(tmp_path, slate=True, slate_frames=24), stop=lambda: len(written) >= 2)
    assert len(written) == 2


def test_a_frame_that_is_damaged_is_named(tmp_path):
    made = reel(tmp_path)
    (tmp_path / "2.exr").write_bytes(b"no picture")
    with pytest.raises(BadFrame) as told:
        encode(made)
    assert told.value.frame == 2 and not (tmp_path / "m.mp4").exists()


def test_the_scenes_sound_goes_into_the_movie(tmp_path):
    made = reel(tmp_path)
    tone(tmp_path / "t.wav", seconds=3.0)
    from dataclasses import replace

    scene = replace(stage(), timeline=Timeline(audio=Audio(path="t.wav")))
    encode(replace(made, scene=scene, project=str(tmp_path)))
    with av.open(str(tmp_path / "m.mp4")) as container:
        assert container.streams.audio
    encode(replace(made, scene=replace(scene, timeline=Timeline(audio=Audio(path="t.wav", muted=True)))))
    with av.open(str(tmp_path / "m.mp4")) as container:
        assert not container.streams.audio
