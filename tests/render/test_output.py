"""Pictures on disk, read back by OpenEXR and Pillow, which share no code with their writer."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from studio.errors import CannotWrite, UsageError
from studio.render.film import Film, plan_layout
from studio.render.output import COMPRESSIONS, FAR_M, Part, Picture, picture, replacing, write_image
from studio.scene import color
from tests.render.synthetic import layout, rendered

FILM = rendered(layout(40, 24), 0, 4)


def read(path) -> dict[str, tuple[dict, dict[str, np.ndarray]]]:
    """Part name -> header and channels of an EXR."""
    parts = OpenEXR.File(str(path), separate_channels=True).parts
    return {p.header.get("name", ""): (p.header, {n: c.pixels for n, c in p.channels.items()}) for p in parts}


def test_every_layer_comes_back_by_name(tmp_path):
    write_image(picture(FILM, aovs=("samples", "variance")), tmp_path / "a.exr")
    parts = read(tmp_path / "a.exr")
    assert next(iter(parts)) == "beauty"
    pixels = {name: values for _, channels in parts.values() for name, values in channels.items()}
    for channel in FILM.channels:
        exact = channel.name.split(".")[0] in ("P", "UV", "motion")
        values = pixels[channel.name]
        assert values.dtype == (np.float32 if exact else np.float16), channel.name
        np.testing.assert_allclose(
            values, FILM.value(channel.name), rtol=0 if exact else 1e-3, atol=0 if exact else 1e-6
        )
    for name, ours in (("Z", "depth"), ("samples", "samples"), ("variance", "variance")):
        assert pixels[name].dtype == np.float32
        np.testing.assert_array_equal(pixels[name], FILM.value(ours))
    assert {"light_key", "direct_diffuse", "N", "CryptoObject", "CryptoMaterial"} <= set(parts)


def test_floats_are_kept_to_the_bit(tmp_path):
    write_image(FILM, tmp_path / "a.exr", half=False)
    channels = read(tmp_path / "a.exr")["beauty"][1]
    for name in "RGBA":
        assert channels[name].tobytes() == FILM.value(name).tobytes()


def test_a_layer_brighter_than_half_floats_is_written_as_floats(tmp_path):
    film = Film.of(plan_layout(8, 8, aovs=("emission",), exponent=10))
    film.counts.fill(1)
    film.sums[2, 3, 0] = 10**6 << 10
    write_image(film, tmp_path / "a.exr")
    parts = read(tmp_path / "a.exr")
    assert parts["beauty"][1]["R"][2, 3] == 1e6
    assert parts["emission"][1]["emission.R"].dtype == np.float16


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression_is_read_and_data_is_never_lossy(tmp_path, compression):
    write_image(FILM, tmp_path / "a.exr", compression=compression)
    parts = read(tmp_path / "a.exr")
    np.testing.assert_array_equal(parts["P"][1]["P.X"], FILM.value("P.X"))
    np.testing.assert_array_equal(parts["depth"][1]["Z"], FILM.value("depth"))
    assert np.corrcoef(parts["beauty"][1]["R"].ravel(), FILM.value("R").ravel())[0, 1] > 0.98
    said = str(parts["beauty"][0]["compression"]).split(".")[-1].split("_")[0].lower()
    assert said == {"none": "no"}.get(compression, compression)


def test_a_crop_keeps_its_place_in_the_image(tmp_path):
    film = rendered(layout(40, 24, aovs=(), crop=(5, 7, 30, 20)), 0, 2)
    write_image(film, tmp_path / "a.exr")
    ((head, channels),) = read(tmp_path / "a.exr").values()
    assert [tuple(v) for v in head["dataWindow"]] == [(5, 7), (29, 19)]
    assert [tuple(v) for v in head["displayWindow"]] == [(0, 0), (39, 23)]
    assert channels["R"].shape == (13, 25)


def test_the_header_says_what_the_picture_is(tmp_path):
    camera = [float(i) for i in range(16)]
    said = {"frame": 24, "scene": "5ce0e", "samples": 64, "renderSeconds": 1.5, "worldToCamera": camera}
    write_image(FILM, tmp_path / "a.exr", metadata=said, space="acescg")
    head = read(tmp_path / "a.exr")["beauty"][0]
    assert (head["frame"], head["scene"], head["samples"], head["renderSeconds"]) == (24, "5ce0e", 64, 1.5)
    np.testing.assert_array_equal(np.array(head["worldToCamera"]).reshape(4, 4), np.array(camera).reshape(4, 4))
    np.testing.assert_allclose(np.ravel(head["chromaticities"]), color.CHROMATICITIES["acescg"], rtol=1e-6)
    assert str(head["Software"]).startswith("Myriad") or str(head["software"]).startswith("Myriad")


def test_a_denoised_layer_takes_the_place_of_the_noisy_one(tmp_path):
    clean = np.full((24, 40, 3), 2.0, np.float32)
    write_image(picture(FILM, denoised={"": clean, "light_key": clean * 2}), tmp_path / "a.exr")
    parts = read(tmp_path / "a.exr")
    assert (parts["beauty"][1]["G"] == 2).all() and (parts["light_key"][1]["light_key.B"] == 4).all()
    np.testing.assert_allclose(parts["beauty"][1]["A"], FILM.value("A"), rtol=1e-3)
    np.testing.assert_allclose(parts["noisy"][1]["noisy.R"], FILM.value("R"), rtol=1e-3)


def test_depth_where_nothing_was_hit_is_far_and_finite(tmp_path):
    film = Film.of(plan_layout(4, 4, aovs=("depth",), exponent=26))
    film.counts.fill(1)
    write_image(film, tmp_path / "a.exr")
    assert (read(tmp_path / "a.exr")["depth"][1]["Z"] == np.float32(FAR_M)).all()


# display-referred files


def shown(**how) -> np.ndarray:
    return color.display_transform(FILM.rgb(""), **how)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.tiff"])
def test_eight_bit_files_show_the_view(tmp_path, name):
    write_image(FILM, tmp_path / name, exposure_ev=-2.0)
    pixels = np.array(Image.open(tmp_path / name))
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels, shown(exposure_ev=-2.0) * 255, atol=0.51)


def test_sixteen_bit_png_has_sixteen_bits(tmp_path):
    import OpenImageIO

    write_image(FILM, tmp_path / "a.png", bits=16, view=color.PLAIN_VIEW, exposure_ev=-4.0)
    pixels = OpenImageIO.ImageInput.open(str(tmp_path / "a.png")).read_image(OpenImageIO.UINT16)
    np.testing.assert_allclose(pixels, shown(view=color.PLAIN_VIEW, exposure_ev=-4.0) * 65535, atol=0.6)
    assert len(np.unique(pixels % 256)) > 100


def test_jpeg_is_close(tmp_path):
    smooth = np.linspace(0, 1, 64, dtype=np.float32)[None, :, None].repeat(32, 0).repeat(4, 2)
    shot = Picture(64, 32, (0, 0, 64, 32), (Part("beauty", tuple("RGBA"), smooth),))
    write_image(shot, tmp_path / "a.jpg", view=color.PLAIN_VIEW)
    pixels = np.array(Image.open(tmp_path / "a.jpg")).astype(float)
    assert np.abs(pixels - color.display_transform(smooth[..., :3], view=color.PLAIN_VIEW) * 255).max() < 6


def test_alpha_on_request_and_never_premultiplied(tmp_path):
    pixels = np.array([[[0.25, 0.25, 0.25, 0.5], [0, 0, 0, 0], [0.5, 0.5, 0.5, 1.0]]], np.float32)
    shot = Picture(3, 1, (0, 0, 3, 1), (Part("beauty", tuple("RGBA"), pixels),))
    write_image(shot, tmp_path / "a.png", alpha=True, view=color.PLAIN_VIEW)
    got = np.array(Image.open(tmp_path / "a.png"))[0]
    assert got[:, 3].tolist() == [128, 0, 255]
    assert got[0, :3].tolist() == got[2, :3].tolist() == [188] * 3
    write_image(shot, tmp_path / "b.png")
    assert np.array(Image.open(tmp_path / "b.png")).shape == (1, 3, 3)


# refusals


@pytest.mark.parametrize(
    ("name", "how", "said"),
    [
        ("a.gif", {}, "extension"),
        ("a", {}, "extension"),
        ("a.exr", {"compression": "lzw"}, "dwaa"),
        ("a.exr", {"space": "prophoto"}, "acescg"),
        ("a.png", {"view": "filmic"}, "Un-tone-mapped"),
        ("a.png", {"bits": 12}, "12 bits"),
        ("a.jpg", {"bits": 16}, "16 bits"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(tmp_path, name, how, said):
    with pytest.raises(UsageError, match=said):
        write_image(FILM, tmp_path / name, **how)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.exr", "a.png", "a.jpg", "a.tif"])
def test_an_unwritable_place_is_a_sentence(tmp_path, name):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file" / name, tmp_path / "file" / "deep" / name):
        with pytest.raises(CannotWrite, match="cannot write") as fault:
            write_image(FILM, path)
        assert "\n" not in str(fault.value)
    (tmp_path / name).mkdir()
    with pytest.raises(CannotWrite, match="folder"):
        write_image(FILM, tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == sorted(["file", name])


def test_folders_are_made(tmp_path):
    write_image(FILM, tmp_path / "new" / "deep" / "a.png")
    assert os.listdir(tmp_path / "new" / "deep") == ["a.png"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.exr"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("new")
        raise RuntimeError
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.exr"]
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new" and os.listdir(tmp_path) == ["a.exr"]


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
@pytest.mark.parametrize("name", ["a.exr", "a.png", "a.tif", "a.jpg", "a.part"])
def test_a_full_disk_is_a_sentence_and_leaves_the_old_file(tmp_path, name):
    """A process that may write no file over 2 KB, in place of a disk that is full."""
    (tmp_path / name).write_text("old")
    code = """
        import resource, signal, sys
        from studio.errors import CannotWrite
        from studio.render.output import write_image
        from studio.render.partial import Header, write_partial
        from tests.render.synthetic import layout, rendered
        film = rendered(layout(200, 120, aovs=("depth",)), 0, 1)
        header = Header(scene="", build="", backend="", device="", frame=0.0, settings="", ranges=((0, 1),))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))
        try:
            write_partial(sys.argv[1], film, header) if sys.argv[1].endswith("part") else write_image(film, sys.argv[1])
        except CannotWrite as fault:
            print(fault)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / name)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("cannot write") and name in run.stdout and run.stdout.count("\n") == 1
    assert (tmp_path / name).read_text() == "old"
    assert os.listdir(tmp_path) == [name]
