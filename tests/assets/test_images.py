"""Images: every format gives the pixels that were stored, and a small file cannot ask for gigabytes."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import OpenImageIO
import PIL.Image
import pytest

from studio.assets.images import decode_image, encode_image, read_image
from studio.errors import BadAsset, Unsupported
from studio.scene.geometry import make_image


def pillow_bytes(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    PIL.Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def oiio_file(path: Path, pixels: np.ndarray, names: tuple[str, ...] = (), kind: str = "") -> Path:
    height, width, channels = pixels.shape
    spec = OpenImageIO.ImageSpec(width, height, channels, kind or str(pixels.dtype).replace("float32", "float"))
    if names:
        spec.channelnames = names
    spec.attribute("oiio:UnassociatedAlpha", 1)
    output = OpenImageIO.ImageOutput.create(str(path))
    assert output.open(str(path), spec) and output.write_image(pixels)
    output.close()
    return path


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_eight_bits_is_exact(channels: int) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (5, 7, channels), np.uint8)
    image = decode_image(pillow_bytes(pixels[:, :, 0] if channels == 1 else pixels, "PNG"))
    assert np.array_equal(image.pixels, pixels) and image.colour_space == "srgb"


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_of_sixteen_bits_keeps_them(tmp_path: Path, channels: int) -> None:
    pixels = np.random.default_rng(2).integers(0, 65535, (4, 6, channels), np.uint16)
    path = oiio_file(tmp_path / "deep.png", pixels)
    for image in (read_image(path), decode_image(path.read_bytes(), "image/png")):
        assert image.pixels.dtype == np.uint16 and np.array_equal(image.pixels, pixels)


def test_palettes_and_transparent_colours_become_rgba() -> None:
    picture = PIL.Image.new("P", (2, 1), 1)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.putpixel((0, 0), 0)
    out = io.BytesIO()
    picture.save(out, "PNG", transparency=0)
    assert decode_image(out.getvalue()).pixels.tolist() == [[[0, 0, 0, 0], [255, 0, 0, 255]]]


def test_jpeg_and_webp_are_read() -> None:
    pixels = np.full((9, 9, 3), 100, np.uint8)
    for kind in ("JPEG", "WEBP"):
        image = decode_image(pillow_bytes(pixels, kind))
        assert image.pixels.shape == (9, 9, 3) and np.abs(image.pixels.astype(int) - 100).max() < 4


@pytest.mark.parametrize("suffix", [".exr", ".hdr", ".tif"])
def test_floating_point_images_are_linear_and_unclipped(tmp_path: Path, suffix: str) -> None:
    pixels = np.random.default_rng(3).random((4, 6, 3), np.float32) * 100
    image = read_image(oiio_file(tmp_path / f"sky{suffix}", pixels))
    assert image.colour_space == "linear" and image.pixels.dtype == np.float32
    assert np.allclose(image.pixels, pixels, rtol=0.02, atol=0.5 if suffix == ".hdr" else 0)


def test_exr_channels_are_found_by_name(tmp_path: Path) -> None:
    pixels = np.random.default_rng(4).random((3, 3, 5), np.float32)
    image = read_image(oiio_file(tmp_path / "layers.exr", pixels, ("Z", "B", "A", "R", "G")))
    assert np.array_equal(image.pixels, pixels[:, :, [3, 4, 1, 2]])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_encoded_images_come_back_exactly(dtype: type, channels: int) -> None:
    values = np.random.default_rng(5).random((5, 4, channels))
    pixels = (values * (1 if dtype is np.float32 else np.iinfo(dtype).max)).astype(dtype)
    data, mime = encode_image(make_image(pixels))
    assert np.array_equal(decode_image(data, mime).pixels, pixels)


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    body = zlib.compress(bytes(100_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height", "told"),
    [(30_000, 30_000, "justify"), (100_000, 10, "limit"), (10, 2_000_000, "limit"), (0, 5, "bomb")],
)
def test_a_bomb_is_refused_by_its_header(width: int, height: int, told: str) -> None:
    with pytest.raises(BadAsset, match=told):
        decode_image(png(width, height), name="bomb.png")


def test_a_webp_bomb_is_refused_before_its_canvas_is_made() -> None:
    body = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xfe\x3f\0\xfe\x3f\0"
    with pytest.raises(BadAsset, match="justify"):
        decode_image(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a" + bytes(40)])
def test_what_is_no_image_is_one_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.png").write_bytes(data)
    for load in (lambda: decode_image(data, "image/png", name="x.png"), lambda: read_image(tmp_path / "x.png")):
        with pytest.raises(BadAsset, match=r"x\.png"):
            load()


def test_a_missing_image_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadAsset, match=r"gone\.png"):
        read_image(tmp_path / "gone.png")


def ktx2(width: int, height: int, rgba: tuple[int, int, int, int]) -> bytes:
    """A KTX2 file of one colour in UASTC blocks of mode 8 (a solid colour)."""
    r, g, b, a = rgba
    block = (0x17 | r << 5 | g << 13 | b << 21 | a << 29).to_bytes(16, "little")
    blocks = block * (-(-width // 4) * -(-height // 4))
    descriptor = struct.pack(
        "<IIHH8B8BHBBIII", 44, 0, 2, 40, 166, 1, 2, 0, 3, 3, 0, 0, 16, *[0] * 7, 0, 127, 3, 0, 0, 2**32 - 1
    )
    at = 80 + 24
    start = -(-(at + len(descriptor)) // 16) * 16
    head = struct.pack("<9I", 0, 1, width, height, 0, 0, 1, 1, 0) + struct.pack(
        "<4I2Q", at, len(descriptor), 0, 0, 0, 0
    )
    out = b"\xabKTX 20\xbb\r\n\x1a\n" + head + struct.pack("<3Q", start, len(blocks), len(blocks)) + descriptor
    return out.ljust(start, b"\0") + blocks


def test_basis_textures_are_transcoded() -> None:
    pytest.importorskip("opengl_basisu", reason="the extra [codecs] is not installed")
    image = decode_image(ktx2(5, 3, (200, 100, 50, 255)), "image/ktx2")
    assert image.pixels.shape[:2] == (3, 5) and image.pixels[2, 4, :3].tolist() == [200, 100, 50]


def test_basis_without_its_package_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opengl_basisu", None)
    with pytest.raises(Unsupported, match=r"myriad-studio\[codecs\]"):
        decode_image(ktx2(5, 3, (200, 100, 50, 255)), "image/ktx2")
