"""Content credentials: they come back as they were signed, and a picture that was changed later shows it."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.errors import BadAsset, CannotWrite, Unsupported
from studio.farm.trust.provenance import (
    Credit,
    Share,
    Signature,
    Source,
    file_hash,
    own_certificate,
    read_credentials,
    sidecar_of,
    sign_picture,
    signature_of,
)

CREDIT = Credit(
    title="hall.0024.png",
    artist="Ann",
    rights_holder="Ann's studio",
    job="j1",
    bundle="b" * 64,
    renderer="0.1+abc",
    samples=64,
    sources=(Source(name="wood.jpg", hash="c" * 64, rights="CC0"),),
    nodes=(Share(node="n1", samples=40, device="cpu-a"), Share(node="n2", samples=24, device="cpu-a")),
    denoised="OIDN 2.5",
)


@pytest.fixture(scope="module")
def signed() -> tuple[Signature, str]:
    """A signature with a chain of our own, and its authority."""
    pytest.importorskip("c2pa", reason="c2pa-python is not installed")
    key, chain, authority = own_certificate("Ann", now=datetime.datetime.now(datetime.UTC))
    return signature_of(key, chain), authority


@pytest.fixture
def png(tmp_path: Path) -> Path:
    path = tmp_path / "hall.0024.png"
    pixels = np.random.default_rng(1).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def exr_of(tmp_path: Path) -> Path:
    import OpenImageIO as oiio

    path = tmp_path / "hall.0024.exr"
    pixels = np.random.default_rng(1).random((48, 64, 3), dtype=np.float32)
    out = oiio.ImageOutput.create(str(path))
    out.open(str(path), oiio.ImageSpec(64, 48, 3, "half"))
    out.write_image(pixels)
    out.close()
    return path


def mp4_of(tmp_path: Path) -> Path:
    av = pytest.importorskip("av", reason="av is not installed")
    path = tmp_path / "hall.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * i, np.uint8), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def changed(path: Path, at: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 1
    path.write_bytes(bytes(data))


def test_a_png_carries_what_was_signed_and_its_pixels_stay(png: Path, signed: tuple[Signature, str]):
    before = np.asarray(Image.open(png)).copy()
    assert sign_picture(png, CREDIT, signed[0]) == png
    found = read_credentials(png)
    assert found is not None
    assert found.whole
    assert not found.trusted
    assert found.credit == CREDIT
    assert found.signer == "Ann"
    assert "signingCredential.untrusted" in found.faults
    assert np.array_equal(np.asarray(Image.open(png)), before)
    assert list(png.parent.iterdir()) == [png]


def test_who_knows_the_authority_trusts_it(png: Path, signed: tuple[Signature, str]):
    sign_picture(png, CREDIT, signed[0])
    found = read_credentials(png, anchors=signed[1])
    assert found is not None
    assert found.trusted
    assert found.faults == ()
    other = own_certificate("Eve", now=datetime.datetime.now(datetime.UTC))[2]
    found = read_credentials(png, anchors=other)
    assert found is not None
    assert not found.trusted


def test_a_changed_png_shows_it(png: Path, signed: tuple[Signature, str]):
    sign_picture(png, CREDIT, signed[0])
    changed(png, 0.9)
    found = read_credentials(png)
    assert found is not None
    assert not found.whole
    assert "assertion.dataHash.mismatch" in found.faults


def test_what_is_said_cannot_be_changed(png: Path, signed: tuple[Signature, str]):
    sign_picture(png, CREDIT, signed[0])
    data = png.read_bytes()
    assert data.count(b"Ann's studio") >= 1
    png.write_bytes(data.replace(b"Ann's studio", b"Eve's studio"))
    try:
        found = read_credentials(png)
    except BadAsset:
        return
    assert found is not None
    assert not found.whole


def test_an_exr_has_them_beside_it(tmp_path: Path, signed: tuple[Signature, str]):
    exr = exr_of(tmp_path)
    before = exr.read_bytes()
    assert read_credentials(exr) is None
    assert sign_picture(exr, CREDIT, signed[0]) == sidecar_of(exr)
    assert exr.read_bytes() == before
    found = read_credentials(exr)
    assert found is not None
    assert found.whole
    assert found.credit == CREDIT
    changed(exr, 0.7)
    found = read_credentials(exr)
    assert found is not None
    assert not found.whole


def test_an_mp4_carries_them(tmp_path: Path, signed: tuple[Signature, str]):
    mp4 = mp4_of(tmp_path)
    sign_picture(mp4, CREDIT, signed[0])
    found = read_credentials(mp4)
    assert found is not None
    assert found.whole
    assert found.credit == CREDIT
    data = bytearray(mp4.read_bytes())
    data[data.rindex(b"mdat") + 40] ^= 1
    mp4.write_bytes(bytes(data))
    found = read_credentials(mp4)
    assert found is not None
    assert not found.whole


def test_a_picture_without_them_has_none(png: Path, signed: tuple[Signature, str]):
    assert read_credentials(png) is None


def test_what_cannot_be_signed_is_told_and_left_as_it_was(tmp_path: Path, png: Path, signed: tuple[Signature, str]):
    with pytest.raises(Unsupported, match="cannot have content credentials"):
        sign_picture(tmp_path / "a.bmp", CREDIT, signed[0])
    with pytest.raises((BadAsset, CannotWrite)):
        sign_picture(tmp_path / "absent.png", CREDIT, signed[0])
    broken = tmp_path / "broken.png"
    broken.write_bytes(png.read_bytes()[:40])
    with pytest.raises(BadAsset, match="cannot be made or read"):
        sign_picture(broken, CREDIT, signed[0])
    before = png.read_bytes()

    def refuses(data: bytes) -> bytes:
        raise ValueError("the safe is closed")

    with pytest.raises(BadAsset):
        sign_picture(png, CREDIT, Signature(chain=signed[0].chain, sign=refuses))
    assert png.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken.png", "hall.0024.png"]


def test_a_hostile_sidecar_is_a_sentence(tmp_path: Path, signed: tuple[Signature, str]):
    exr = exr_of(tmp_path)
    for data in (b"", b"\x00" * 5000, b"jumb" * 100):
        sidecar_of(exr).write_bytes(data)
        try:
            found = read_credentials(exr)
        except BadAsset as fault:
            assert "\n" not in str(fault)
        else:
            assert found is None or not found.whole


def test_without_the_library_there_is_one_clear_sentence(png: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(Unsupported, match=r"install myriad-studio\[provenance\]"):
        read_credentials(png)


def test_a_source_is_named_by_its_hash(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_hash(tmp_path / "a").startswith("ba7816bf")
