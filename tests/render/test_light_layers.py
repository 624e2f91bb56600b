"""Files of light layers: what is read is what was rendered, whole or not at all, and no file trips the reader."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO
import pytest
from msgspec.structs import replace

from studio.errors import BadAsset, CannotWrite, UsageError
from studio.render import layer_plan, light_layers
from studio.render.film import Film, Layout, plan_layout
from studio.render.layer_exr import PartHead, PartsWriter, packed_lines, unpacked_lines
from studio.render.layer_plan import LayerPlan, check_settings, entry_bytes, plan_layers, strips, sum_bytes
from studio.render.layer_writer import LayersWriter, drop_layer_leftovers
from studio.render.light_layers import area_averaged, journal_path, layers_path, open_layers
from studio.render.output import hidden_stem
from studio.render.partial import merge_partials
from studio.render.sequence import Ear, Job, render_job
from studio.render.session import INTERRUPTED, RenderSession
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene
from studio.scene.lights import Light
from tests.render.scenes import aimed, eye, flat_of, floor, lamp, matte, quad, scene_of, thing

WIDTH, HEIGHT = 40, 72
THINGS = [thing(floor(2.0), matte(0.6, 0.5, 0.4)), thing(quad((0, 2, 0), (0.3, 0, 0), (0, 0, 0.3)), lamp(20.0))]
LIGHTS = [
    Light(light="spot", unit="cd", intensity=20.0, name="Key.left", **aimed((1.5, 2.5, 1.5), (0, 0, 0))),
    Light(light="sphere", unit="nt", intensity=2e5, radius_m=0.1, translation=(-1.0, 1.0, 0), name="Key.left"),
    Light(light="dome", unit="nt", intensity=0.5, name="天", group="sky"),
    Light(light="point", unit="cd", intensity=1.0, muted=True, name="off"),
]
CAMERA = eye((0.0, 1.4, 4.0), (0.0, 0.8, 0.0), fov_y=60.0)
SETTINGS = RenderSettings(width=WIDTH, height=HEIGHT, samples=4, depth=4, light_layers=True)


@pytest.fixture(scope="module")
def flat() -> FlatScene:
    return flat_of(THINGS, LIGHTS, camera=CAMERA)


@pytest.fixture(scope="module")
def session():
    with RenderSession(device="cpu", threads=2) as made:
        yield made


@pytest.fixture
def small_strips(monkeypatch):
    """Strips of 32 lines for four lights, cut into two cells."""
    monkeypatch.setattr(layer_plan, "SUM_BYTES", 32 * 16 * 4 * 24)


def job(output: Path, **changes: Any) -> Job:
    return Job(scene=scene_of(THINGS, LIGHTS, camera=CAMERA), output=output, frames=[1], settings=SETTINGS, **changes)


def beauty_of(path: Path) -> Any:
    return OpenImageIO.ImageBuf(str(path), 0, 0).get_pixels(OpenImageIO.FLOAT)[..., :3]


# --- renders ---------------------------------------------------------------------------------------------------------
def test_a_render_leaves_a_layer_for_every_light_that_adds_up_to_the_beauty(session, small_strips, tmp_path):
    assert render_job(session, job(tmp_path / "a.exr"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.exr", "a.lights.exr"]
    with open_layers(tmp_path / "a.lights.exr") as found:
        assert found.size == (WIDTH, HEIGHT)
        assert [light.id for light in found.lights] == ["light0", "light1", "light2", "thing1", ""]
        assert [light.kind for light in found.lights] == ["spot", "sphere", "dome", "mesh", "rest"]
        assert [light.name for light in found.lights] == ["Key.left", "Key.left", "天", "thing1", "rest"]
        assert found.lights[2].group == "sky"
        beauty, total = found.beauty(), sum(found.read(i).astype(np.float64) for i in range(5))
        np.testing.assert_allclose(total, beauty, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(beauty, beauty_of(tmp_path / "a.exr"), rtol=6e-4, atol=1e-6)
        assert found.read(1).max() > 1e5, "a lamp that outshines half floats is not cut off"
        assert np.abs(found.read(4)).max() <= total.max() / 1024
        albedo, normal = found.guides()
        assert albedo.max() > 0.3 and normal[..., 1].max() > 0.9


def test_the_picture_is_the_same_without_layers(session, small_strips, tmp_path):
    assert render_job(session, job(tmp_path / "a.exr"))
    assert render_job(session, replace_job(job(tmp_path / "b.exr"), light_layers=False))
    np.testing.assert_array_equal(beauty_of(tmp_path / "a.exr"), beauty_of(tmp_path / "b.exr"))


def replace_job(asked: Job, **settings: Any) -> Job:
    return Job(
        scene=asked.scene, output=asked.output, frames=asked.frames, settings=replace(asked.settings, **settings)
    )


def test_a_crop_and_adaptive_samples_have_layers_too(session, small_strips, tmp_path):
    asked = replace_job(job(tmp_path / "c.exr"), crop=(8, 16, 40, 64), samples=64, error=0.05)
    assert render_job(session, asked)
    with open_layers(tmp_path / "c.lights.exr") as found:
        assert found.size == (32, 48) and found.crop == (8, 16, 40, 64)
        total = sum(found.read(i).astype(np.float64) for i in range(len(found.lights)))
        np.testing.assert_allclose(total, found.beauty(), rtol=1e-4, atol=1e-6)


def test_what_a_killed_render_left_is_removed_and_nothing_else(session, small_strips, tmp_path):
    left = [".a.lights-0123456789ab.exr", ".a.lights.0123456789ab.part"]
    others = [".b.lights-0123456789ab.exr", ".a.lights-mine.exr", "a.lights-0123456789ab.exr"]
    for name in (*left, *others):
        (tmp_path / name).write_bytes(b"half")
    assert render_job(session, replace_job(job(tmp_path / "a.exr"), samples=1))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*others, "a.exr", "a.lights.exr"])
    (tmp_path / left[0]).write_bytes(b"half")
    assert render_job(session, replace_job(job(tmp_path / "a.exr"), samples=1, light_layers=False))
    assert not (tmp_path / left[0]).exists(), "the next render of the picture has no layers"


def test_long_names_that_begin_alike_have_hidden_files_of_their_own(tmp_path):
    one, two = (tmp_path / f"{'shot' * 12}.{n:04d}.exr" for n in (1, 2))
    assert hidden_stem(one) != hidden_stem(two) and len(hidden_stem(one)) == 40
    (tmp_path / f".{hidden_stem(two)}.lights-0123456789ab.exr").write_bytes(b"at work")
    drop_layer_leftovers(one)
    assert len(list(tmp_path.iterdir())) == 1
    drop_layer_leftovers(two)
    assert not list(tmp_path.iterdir())


def test_a_render_that_was_cut_short_goes_on_from_its_strips(session, small_strips, tmp_path):
    """The file has the bits of one that was not, and a frame that is there is not rendered again."""
    assert render_job(session, job(tmp_path / "a.exr"))
    told = []

    def progress(now: Any) -> None:
        told.append(now.samples / now.of)

    stop = lambda: INTERRUPTED if told and told[-1] > 0.6 else ""  # noqa: E731
    assert not render_job(session, job(tmp_path / "b.exr"), ear=Ear(progress=progress), stop=stop)
    assert not layers_path(tmp_path / "b.exr").exists()
    assert (tmp_path / "b.part").is_file() and journal_path(tmp_path / "b.exr").is_file()
    with pytest.raises(UsageError, match="lack samples"):
        merge_partials([tmp_path / "b.part"])
    told.clear()
    said: list[str] = []
    assert render_job(session, job(tmp_path / "b.exr", resume=True), ear=Ear(progress=progress, say=said.append))
    assert said and min(told) > 0.3, "the first strip was not rendered again"
    assert layers_path(tmp_path / "b.exr").read_bytes() == layers_path(tmp_path / "a.exr").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.exr", "a.lights.exr", "b.exr", "b.lights.exr"]
    skipped = []
    assert render_job(session, job(tmp_path / "b.exr", resume=True), ear=Ear(frame_done=skipped.append))
    assert skipped[0].skipped
    layers_path(tmp_path / "b.exr").unlink()
    assert render_job(session, job(tmp_path / "b.exr", resume=True), ear=Ear(frame_done=skipped.append))
    assert not skipped[1].skipped and layers_path(tmp_path / "b.exr").is_file()


def test_what_cannot_have_layers_is_refused_in_a_sentence():
    with pytest.raises(UsageError, match="time limit"):
        check_settings(replace(SETTINGS, time_limit_s=3.0))
    with pytest.raises(UsageError, match="partial renders have no light layers"):
        check_settings(SETTINGS, partial=True)
    check_settings(replace(SETTINGS, light_layers=False, time_limit_s=3.0), partial=True)


# --- memory ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [(1920, 1080), (3840, 2160), (7680, 4320), (333, 77)])
@pytest.mark.parametrize("lights", [1, 10, 300, 1000])
def test_a_strip_fits_its_budget_and_all_strips_are_the_picture(size, lights):
    crop = (0, 0, *size)
    assert sum_bytes(crop, lights) <= layer_plan.SUM_BYTES
    covered = np.zeros((size[1], size[0]), np.uint8)
    for (x0, y0, x1, y1), cells in strips(crop, lights):
        assert (x0, x1) == (0, size[0]) and (y0 % 16, x0) == (0, 0)
        for a, b, c, d in cells:
            assert (c - a) * (d - b) * lights * 24 <= layer_plan.SUM_BYTES and (b, d) == (y0, y1)
            covered[b:d, a:c] += 1
    assert (covered == 1).all()


def test_300_layers_of_1080p_take_less_than_a_gigabyte():
    """Sums, lists, the two blocks of finished layers, and what is compressed of one at worst."""
    plan = LayerPlan(tuple(range(300)), 300)
    (strip, _), *_ = strips((0, 0, 1920, 1080), 300)
    block = plan.nbytes(1920, strip[3] - strip[1])
    lists = entry_bytes(8, 10) * (1 << 17)
    assert sum_bytes((0, 0, 1920, 1080), 300) + lists + 3 * block < 600e6


# --- files -----------------------------------------------------------------------------------------------------------
def test_lines_survive_packing():
    rng = np.random.default_rng(1)
    for dtype in (np.dtype("<f2"), np.dtype("<f4")):
        for lines in (rng.random((16, 3, 33)), rng.random((5, 3, 1)), np.zeros((16, 3, 40))):
            packed = packed_lines(lines.astype(dtype))
            np.testing.assert_array_equal(unpacked_lines(packed, lines.shape, dtype), lines.astype(dtype))


def test_other_programs_read_the_file(tmp_path):
    rng = np.random.default_rng(2)
    heads = [PartHead("key", False, {"myriad:id": "a"}), PartHead("a name of more than thirty-one letters", True)]
    data = [rng.random((50, 3, 20)).astype(head.dtype) for head in heads]
    with open(tmp_path / "a.exr", "wb") as file:
        writer = PartsWriter(file, heads, (64, 64), (4, 8, 24, 58))
        for y in (0, 32):
            for part in (0, 1):
                writer.write(part, 8 + y, data[part][y : y + 32])
        writer.finish()
    for part in (0, 1):
        image = OpenImageIO.ImageBuf(str(tmp_path / "a.exr"), part, 0)
        assert image.spec().channelnames == ("R", "G", "B") and (image.xbegin, image.ybegin) == (4, 8)
        assert image.spec().get_string_attribute("oiio:subimagename") == heads[part].name
        pixels = image.get_pixels(OpenImageIO.FLOAT)
        np.testing.assert_array_equal(pixels, data[part].transpose(0, 2, 1)[..., ::-1].astype(np.float32))


def written(folder: Path, flat: FlatScene, *, strips_done: int = 9, resume: bool = False) -> LayersWriter:
    """A writer with the first strips of 16 lines of a picture of numbers."""
    layout = plan_layout(WIDTH, HEIGHT, aovs=("albedo", "normal"), exponent=20)
    plan, _ = plan_layers(flat)
    rng = np.random.default_rng(3)
    film = Film.of(layout)
    film.counts[:] = 4
    film.sums[:] = rng.integers(0, 1 << 22, film.sums.shape)
    writer = LayersWriter(folder / "a.exr", flat, layout, about={"note": "x"}, settings=SETTINGS, resume=resume)
    held = []
    for index, y in enumerate(range(0, HEIGHT, 16)):
        strip = (0, y, WIDTH, min(y + 16, HEIGHT))
        halves, floats = plan.carve(memoryview(bytearray(plan.nbytes(WIDTH, strip[3] - y))), WIDTH, strip[3] - y)
        halves[:], floats[:] = rng.random(halves.shape), rng.random(floats.shape)
        if index >= strips_done:
            break
        held.append(writer.holds(strip, film.cut(strip)))
        if not held[-1]:
            writer.take(strip, strip, halves, floats)
            writer.strip_done(strip, film.cut(strip))
    assert held == sorted(held, reverse=True) and any(held) == resume
    return writer


def test_nothing_is_under_the_name_until_all_is_written(flat, tmp_path):
    writer = written(tmp_path, flat)
    assert not layers_path(tmp_path / "a.exr").exists()
    assert writer.finish() == tmp_path / "a.lights.exr"
    assert [p.name for p in tmp_path.iterdir()] == ["a.lights.exr"]
    with open_layers(tmp_path / "a.lights.exr") as found:
        total = sum(found.read(i).astype(np.float64) for i in range(len(found.lights)))
        np.testing.assert_allclose(total, found.beauty(), rtol=1e-5, atol=3e-5)
        assert found.about["note"] == "x"


def test_a_dropped_file_leaves_nothing(flat, tmp_path):
    written(tmp_path, flat, strips_done=2).drop()
    assert not list(tmp_path.iterdir())


def test_a_kept_file_is_gone_on_with_and_a_strange_one_is_not(flat, tmp_path):
    whole = written(tmp_path / "whole", flat).finish().read_bytes()
    kept = written(tmp_path, flat, strips_done=3)
    kept.keep()
    kept.close()
    assert written(tmp_path, flat, resume=True).finish().read_bytes() == whole
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["a.lights.exr"]
    for damage in (b"", b"MYRDLAY1", b"MYRDLAY1\xff\xff\xff\xff{}", b"x" * 5000):
        journal_path(tmp_path / "a.exr").write_bytes(damage)
        other = LayersWriter(
            tmp_path / "a.exr",
            flat,
            plan_layout(WIDTH, HEIGHT, aovs=(), exponent=20),
            about={},
            settings=SETTINGS,
            resume=True,
        )
        assert not other.holds((0, 0, WIDTH, 16), Film.of(other.layout).cut((0, 0, WIDTH, 16)))
        other.drop()


def test_a_journal_names_no_file_out_of_its_folder(flat, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    victim = tmp_path / ".a.lights-0123456789ab.exr"
    victim.write_bytes(b"precious")
    text = b'{"data":"../.a.lights-0123456789ab.exr","identity":"","strips":[]}'
    journal_path(folder / "a.exr").write_bytes(b"MYRDLAY1" + struct.pack("<I", len(text)) + text)
    written(folder, flat, strips_done=1).drop()
    assert victim.read_bytes() == b"precious"


def test_a_folder_that_takes_no_files_is_named(flat, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CannotWrite, match=r"cannot write .*a\.lights\.exr"):
        LayersWriter(
            tmp_path / "file" / "a.exr", flat, plan_layout(8, 8, aovs=(), exponent=20), about={}, settings=SETTINGS
        )


# --- reading ---------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def file(flat, tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("file"), flat).finish()


@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (20, 36), (10, 9), (8, 12), (17, 31), (60, 100), (1, 1)])
def test_a_layer_at_another_size_is_averaged_over_areas(file, size):
    with open_layers(file) as found:
        whole, small = found.read(0), found.read(0, size)
        assert small.shape == (size[1], size[0], 3)
        np.testing.assert_allclose(small.mean((0, 1)), whole.mean((0, 1)), rtol=1e-3)
        np.testing.assert_allclose(small, area_averaged(whole, size), rtol=1e-5, atol=1e-7)
        every = found.read_all(size)
        assert every.dtype == np.float16 and every.shape == (len(found.lights), *small.shape)
        np.testing.assert_allclose(every[0], small, rtol=1e-3)


def test_what_is_no_layer_is_refused_in_a_sentence(file, tmp_path):
    with open_layers(file) as found, pytest.raises(UsageError, match="there is no layer 99"):
        found.read(99)
    with pytest.raises(BadAsset, match="there are no light layers"):
        open_layers(tmp_path / "none.lights.exr")
    with pytest.raises(BadAsset, match="there are no light layers"):
        open_layers("a\0b")
    (tmp_path / "text.lights.exr").write_bytes(b"no picture at all")
    with pytest.raises(BadAsset, match="not an OpenEXR file"):
        open_layers(tmp_path / "text.lights.exr")
    spec = OpenImageIO.ImageSpec(8, 8, 3, "half")
    plain = OpenImageIO.ImageOutput.create("a.exr")
    plain.open(str(tmp_path / "plain.exr"), spec)
    plain.write_image(np.zeros((8, 8, 3), np.float32))
    plain.close()
    with pytest.raises(BadAsset, match="without light layers"):
        open_layers(tmp_path / "plain.exr")


def test_damage_is_a_sentence_and_nothing_else(file, tmp_path):
    """Cut anywhere, and with bytes changed anywhere, in the headers above all."""
    good, rng = file.read_bytes(), np.random.default_rng(4)
    broken = tmp_path / "b.lights.exr"
    places = [int(p) for p in np.geomspace(1, len(good) - 1, 40)]
    cases = [good[:p] for p in places]
    for turn in range(300):
        changed = bytearray(good)
        until = len(good) if turn % 3 == 0 else 3000
        for place in rng.integers(0, until, 1 + turn % 4):
            changed[place] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, changed[place] ^ (1 << int(rng.integers(8)))])
        cases.append(bytes(changed))
    refused = 0
    for case in cases:
        broken.write_bytes(case)
        try:
            with open_layers(broken) as found:
                if np.prod(found.size) < 1 << 20:
                    found.beauty((10, 10))
                    found.read_all((10, 9))
        except BadAsset as fault:
            refused += 1
            assert str(broken) in str(fault) and str(fault).count("\n") == 0
    assert refused > 200


def test_a_file_that_claims_more_than_it_has_takes_no_memory(file, tmp_path):
    good = bytearray(file.read_bytes())
    window = struct.pack("<4i", 0, 0, WIDTH - 1, HEIGHT - 1)
    huge = struct.pack("<4i", 0, 0, (1 << 17) - 1, (1 << 17) - 1)
    (tmp_path / "huge.lights.exr").write_bytes(bytes(good).replace(window, huge))
    with pytest.raises(BadAsset, match=r"cut short|damaged"), open_layers(tmp_path / "huge.lights.exr") as found:
        found.beauty()


def test_names_are_each_taken_once(flat):
    from studio.render.layer_writer import _part_name

    taken = {"beauty"}
    assert [_part_name(n, taken) for n in ("beauty", "a.b", "a.b", "", "\n")] == [
        "beauty 2",
        "a_b",
        "a_b 2",
        "light",
        "_",
    ]
    assert light_layers.layers_path(Path("shots/a.0001.exr")) == Path("shots/a.0001.lights.exr")
    assert isinstance(plan_layout(8, 8, aovs=(), exponent=20), Layout)
