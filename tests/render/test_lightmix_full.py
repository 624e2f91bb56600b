"""Mixes at full size: files of pictures and sequences, exact, cancelled, and refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenImageIO
import pytest

from studio.errors import BadAsset, Cancelled, CannotWrite, UsageError
from studio.render.light_layers import open_layers
from studio.render.lightmix import Mix, channels_of, factors
from studio.render.lightmix_full import (
    Print,
    base_exposure,
    cleaned,
    mixed,
    save,
    save_sequence,
    sequence_of,
)
from studio.render.lightmix_session import Loading, MixSession, Wish, load, view_size
from studio.render.output import view_pixels
from studio.scene import color
from tests.render.layers_made import MadeLayers, spots, write_layers


def exr(path: Path) -> np.ndarray:
    return OpenImageIO.ImageBuf(str(path)).get_pixels(OpenImageIO.FLOAT)[..., :3]


@pytest.fixture
def made() -> MadeLayers:
    return MadeLayers(spots(6))


def exact(made: MadeLayers, mix: Mix) -> np.ndarray:
    times = factors(mix, channels_of(made.lights))
    return np.einsum("nhwc,nc->hwc", made.pixels.astype(np.float64), times)


DIM = Mix().change(["l1"], gain=-4.0, color=(1.0, 0.2, 0.1)).change(["l2"], muted=True)
BRIGHT = Mix().change(["l3"], gain=2.0)


@pytest.mark.parametrize("mix", [DIM, BRIGHT, Mix(), Mix().change(["l4"], solo=True)])
def test_a_mix_is_the_sum_of_its_layers(made: MadeLayers, mix: Mix) -> None:
    got = mixed(made, factors(mix, channels_of(made.lights)))
    assert np.allclose(got, exact(made, mix), rtol=1e-5, atol=1e-6)


def test_only_layers_that_differ_are_read_where_nothing_gets_dark(made: MadeLayers) -> None:
    mixed(made, factors(BRIGHT, channels_of(made.lights)))
    assert made.reads == 1


def test_what_was_muted_leaves_no_rounding_in_the_dark(made: MadeLayers, tmp_path: Path) -> None:
    """A light of a million nits that is muted must not be seen in the rounding of half floats."""
    made.pixels[0] = 1e4 + np.random.default_rng(1).random(made.pixels[0].shape) * 1e4
    with open_layers(write_layers(tmp_path / "a.lights.exr", made)) as layers:
        mix = Mix().change(["l0"], muted=True)
        got = mixed(layers, factors(mix, channels_of(layers.lights)))
    assert np.allclose(got, made.pixels[1:].sum(axis=0), rtol=2e-3, atol=1e-5)


def test_light_of_no_lamp_stays_but_for_a_solo(made: MadeLayers, tmp_path: Path) -> None:
    whole = made.beauty()
    made.beauty = lambda size=None: whole + np.float32(3.0)  # type: ignore[method-assign]
    with open_layers(write_layers(tmp_path / "a.lights.exr", made)) as layers:
        channels = channels_of(layers.lights)
        dark = mixed(layers, factors(Mix().change([c.id for c in channels if c.id], muted=True), channels))
        alone = mixed(layers, factors(Mix().change(["l4"], solo=True), channels))
    assert np.allclose(dark, 3.0, rtol=1e-2)
    assert np.allclose(alone, made.pixels[4], rtol=2e-3)


def test_files_hold_the_mix_and_what_the_layers_said_of_the_frame(made: MadeLayers, tmp_path: Path) -> None:
    with open_layers(write_layers(tmp_path / "a.lights.exr", made, exposure_ev=-2.0)) as layers:
        assert base_exposure(layers) == -2.0
        save(layers, DIM, tmp_path / "a.exr", look=Print(half=False))
        save(layers, DIM, tmp_path / "a.png", look=Print(exposure_ev=1.0, bits=16))
    assert np.allclose(exr(tmp_path / "a.exr"), exact(made, DIM), rtol=1e-3, atol=1e-5)
    spec = OpenImageIO.ImageBuf(str(tmp_path / "a.exr")).spec()
    assert spec.get_float_attribute("myriad:exposure") == -2.0
    opaque = np.concatenate([exact(made, DIM), np.ones((54, 96, 1))], axis=-1).astype(np.float32)
    shown = view_pixels(opaque, view=color.DEFAULT_VIEW, exposure_ev=1.0)
    png = OpenImageIO.ImageBuf(str(tmp_path / "a.png")).get_pixels(OpenImageIO.FLOAT)
    assert np.abs(png - shown).max() < 2e-3


def test_denoising_takes_the_noise_and_leaves_the_light(made: MadeLayers) -> None:
    noise = np.random.default_rng(2).gamma(2.0, 0.5, made.pixels.shape)
    noisy = MadeLayers(made.pixels * noise.astype(np.float32))
    clean = cleaned(noisy, noisy.beauty())
    wanted = made.beauty()
    assert np.abs(clean - wanted).mean() < 0.5 * np.abs(noisy.beauty() - wanted).mean()


def test_a_mix_that_is_not_wanted_any_more_ends_and_leaves_no_file(made: MadeLayers, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        save(made, DIM, tmp_path / "a.exr", stop=lambda: made.reads >= 2)
    assert made.reads == 2 and list(tmp_path.iterdir()) == []


def test_names_that_cannot_be_written_are_refused(made: MadeLayers, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="extension"):
        save(made, DIM, tmp_path / "a.doc")
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite):
        save(made, DIM, tmp_path / "file" / "a.exr")


# --- sequences -------------------------------------------------------------------------------------------------------
def shots(folder: Path, frames: tuple[int, ...]) -> list[MadeLayers]:
    made = [MadeLayers(spots(4, seed=frame), ids=("a", "b", "c", f"only{frame}")) for frame in frames]
    for frame, layers in zip(frames, made, strict=True):
        write_layers(folder / f"shot.{frame:04d}.lights.exr", layers)
    return made


def test_a_sequence_is_mixed_frame_by_frame(tmp_path: Path) -> None:
    made = shots(tmp_path, (9, 10, 12))
    (tmp_path / "other.0001.lights.exr").write_bytes(b"")
    files = sequence_of(tmp_path / "shot.0010.lights.exr")
    assert [frame for frame, _ in files] == [9, 10, 12]
    told: list[float] = []
    mix = Mix().change(["b"], gain=1.0).change(["only9"], muted=True)
    written = save_sequence(files, mix, tmp_path / "mix.####.exr", progress=told.append)
    assert [path.name for path in written] == ["mix.0009.exr", "mix.0010.exr", "mix.0012.exr"]
    assert told == sorted(told) and told[-1] == 1.0
    for layers, path in zip(made, written, strict=True):
        assert np.allclose(exr(path), exact(layers, mix), rtol=2e-3, atol=1e-5)


def test_one_exposure_holds_for_a_whole_sequence(tmp_path: Path) -> None:
    shots(tmp_path, (1, 2))
    files = sequence_of(tmp_path / "shot.0001.lights.exr")
    with open_layers(files[0][1]) as layers:
        ev = base_exposure(layers)
    save_sequence(files, Mix(), tmp_path / "a.####.png")
    save_sequence(files, Mix(), tmp_path / "b.####.png", look=Print(exposure_ev=ev))
    assert (tmp_path / "a.0002.png").read_bytes() == (tmp_path / "b.0002.png").read_bytes()


def test_a_cancelled_sequence_keeps_whole_frames(tmp_path: Path) -> None:
    shots(tmp_path, (1, 2, 3))
    files, out = sequence_of(tmp_path / "shot.0002.lights.exr"), tmp_path / "mix"
    written = save_sequence(files, DIM, out / "m.####.exr", stop=lambda: (out / "m.0001.exr").is_file())
    assert [path.name for path in written] == ["m.0001.exr"] and [p.name for p in out.iterdir()] == ["m.0001.exr"]


def test_a_sequence_without_place_for_its_numbers_or_over_itself_is_refused(tmp_path: Path) -> None:
    shots(tmp_path, (1, 2))
    files = sequence_of(tmp_path / "shot.0002.lights.exr")
    with pytest.raises(UsageError, match="####"):
        save_sequence(files, Mix(), tmp_path / "one.exr")
    with pytest.raises(UsageError, match="over the layers"):
        save_sequence(files, Mix(), tmp_path / "shot.####.lights.exr")
    with pytest.raises(BadAsset, match="broken"):
        broken = tmp_path / "broken.lights.exr"
        broken.write_bytes(b"\x76\x2f\x31\x01")
        save_sequence([(1, broken)], Mix(), tmp_path / "x.####.exr")


def test_a_file_without_number_is_a_sequence_of_one(tmp_path: Path) -> None:
    assert sequence_of(tmp_path / "still.lights.exr") == [(1, tmp_path / "still.lights.exr")]


# --- the session -----------------------------------------------------------------------------------------------------
def test_views_fit_and_keep_the_shape() -> None:
    assert view_size((1920, 1080)) == (960, 540) and view_size((400, 300)) == (400, 300)
    assert view_size((1000, 4000)) == (135, 540) and view_size((100_000, 1)) == (960, 1)


def test_loading_can_be_cancelled_and_closes_the_file(made: MadeLayers, tmp_path: Path) -> None:
    loading = Loading(tmp_path, cancelled=True)
    with pytest.raises(Cancelled):
        load(loading, opener=lambda path: made)
    assert made.closed


def test_a_session_mixes_ranks_and_goes_back(made: MadeLayers, tmp_path: Path) -> None:
    session = MixSession()
    session.show(load(Loading(tmp_path), opener=lambda path: made))
    first = session.ranking((10, 10, 20, 20))
    light = made.pixels[:, 10:20, 10:20].mean(axis=(1, 2)) @ np.array(color.luminance_weights())
    assert [rank.channel.row for rank in first] == np.argsort(-light).tolist()
    assert first[0].nits == pytest.approx(light.max(), rel=2e-3)
    session.set_mix(session.mix.change([first[0].channel.id], gain=-6.0), coalesce="drag")
    session.set_mix(session.mix.change([first[0].channel.id], gain=-8.0), coalesce="drag")
    assert session.ranking((10, 10, 20, 20))[0].channel.id != first[0].channel.id
    session.undo()
    assert session.mix.is_neutral and not session.can_undo
    session.redo()
    assert session.mix.of(first[0].channel.id).gain == -8.0
    session.show(None)
    with pytest.raises(UsageError):
        session.ranking()


def test_a_wish_is_measured_when_it_is_made_and_locked_groups_stay(tmp_path: Path) -> None:
    made = MadeLayers(spots(6), groups=("a", "a", "a", "b", "b", "b"))
    session = MixSession()
    session.show(load(Loading(tmp_path), opener=lambda path: made))
    place = (20, 20, 30, 30)
    before = float(session.brought(place)[0].sum())
    session.wish(Wish(kind="stops", region=place, value=-1.0, name="here"))
    session.set_mix(session.mix.change(["group:a"], gain=1.0))
    session.locked = {"group:a"}
    found = session.solve()
    assert not set(found.stops) & {"l0", "l1", "l2"}
    session.locked = set()
    found = session.solve()
    session.set_mix(session.mix.louder(found.stops))
    assert float(session.brought(place)[0].sum()) == pytest.approx(before / 2, rel=0.05) and found.met
    session.unwish()
    session.wish(Wish(kind="ratio", ids=("group:a",), other=(None, ("group:b",)), value=4.0))
    session.set_mix(session.mix.louder(session.solve().stops))
    light = session.brought()[0]
    assert light[:3].sum() / light[3:].sum() == pytest.approx(4.0, rel=0.04)
