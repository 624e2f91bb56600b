"""Credentials of fetched pictures: what they name is what the store has, and who is not asked for them writes none."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from studio.cli import main
from studio.errors import BadAsset, Unsupported, UsageError
from studio.farm.bundles.cas import digest_of
from studio.farm.bundles.manifest import read_manifest
from studio.farm.jobs import RenderJob, claimed, job_key
from studio.farm.model import Event
from studio.farm.results import Collector
from studio.farm.store import Store, open_store
from studio.farm.submission import look_of
from studio.farm.trust import credits, provenance
from studio.farm.trust.credits import Author, make_certificate, read_author
from studio.farm.trust.provenance import read_credentials, sidecar_of, signature_of
from tests.farm.results_of import deliver_all, job_in

pytest.importorskip("c2pa", reason="c2pa-python is not installed")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MYRIAD_CONFIG", str(tmp_path / "config"))
    return tmp_path / "data"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


@pytest.fixture
def author() -> Author:
    make_certificate("Ann")
    return read_author(rights="Ann's studio")


def done(store: Store, folder: Path, **more: object) -> RenderJob:
    """A job that two nodes have rendered, as their coordinator wrote it down."""
    job = job_in(store, folder, **more)
    deliver_all(store, job, folder)
    events = [
        Event(number=n + 1, at=1.0, kind="delivered", job=job.spec.id, node=f"n{r.range[0] % 3}", text=r.key)
        for n, r in enumerate(r for results in claimed(store, job).values() for r in results)
    ]
    block = msgspec.json.encode({"before": "", "events": events})
    store.put(job_key(job.spec.id, "events", "0001-000000.json"), block)
    return job


def fetched(
    store: Store, job: RenderJob, folder: Path, name: str, author: Author | None, home: str = "home"
) -> list[tuple[Path, bool]]:
    options = {"home": folder / home, "cache": folder / "cache", "author": author}
    with Collector(store, job, folder / "out" / name, look_of(job), **options) as collector:  # type: ignore[arg-type]
        return [(picture.path, picture.fresh) for picture in collector.poll()]


@pytest.mark.parametrize("suffix", ["exr", "png", "jpg", "tiff"])
def test_a_fetched_picture_names_its_sources_its_nodes_and_whose_it_is(
    tmp_path: Path, store: Store, author: Author, suffix: str
) -> None:
    job = done(store, tmp_path, tiles=(2, 1))
    path = fetched(store, job, tmp_path, f"f.####.{suffix}", author)[0][0]
    found = read_credentials(path, anchors=credits.authority_file().read_text())
    assert found is not None and found.whole and found.trusted and found.signer == "Ann"
    credit = found.credit
    assert credit is not None
    assert (credit.artist, credit.rights_holder, credit.title) == ("Ann", "Ann's studio", path.name)
    assert credit.job == job.spec.id and credit.bundle == f"blake3:{job.spec.bundle}" and credit.samples == 16
    assert {share.node: share.samples for share in credit.nodes} == {"n0": 8, "n2": 8}
    assert {source.hash for source in credit.sources} == {
        f"blake3:{file.hash}" for file in read_manifest(store, job.spec.bundle).files
    }
    assert credit.sources[0].name == "scene.json" and credit.renderer and credit.denoised == ""
    data = bytearray(path.read_bytes())
    data[200 if suffix == "tiff" else -len(data) // 10] ^= 1  # a pixel: a TIFF has its credentials at its end
    path.write_bytes(bytes(data))
    try:
        found = read_credentials(path)
    except BadAsset:
        return
    assert found is not None and not found.whole


def test_without_credentials_the_bytes_are_what_they_were_and_with_them_an_exr_s_too(
    tmp_path: Path, store: Store, author: Author
) -> None:
    job = done(store, tmp_path)
    plain = [path.read_bytes() for path, _ in fetched(store, job, tmp_path, "a.####.exr", None)]
    signed = [path for path, _ in fetched(store, job, tmp_path, "b.####.exr", author, "home2")]
    assert [path.read_bytes() for path in signed] == plain and all(sidecar_of(path).is_file() for path in signed)
    assert not list((tmp_path / "out").glob("a.*.c2pa"))


def test_credentials_are_given_once_and_again_when_they_change_or_go(
    tmp_path: Path, store: Store, author: Author
) -> None:
    job = done(store, tmp_path)

    def fresh(by: Author | None) -> list[bool]:
        return [fresh for _, fresh in fetched(store, job, tmp_path, "f.####.exr", by)]

    assert fresh(None) == [True, True] and fresh(None) == [False, False]
    assert fresh(author) == [True, True] and fresh(author) == [False, False]
    sidecar_of(tmp_path / "out" / "f.0001.exr").unlink()
    assert fresh(author) == [True, False]
    assert fresh(read_author(rights="somebody else")) == [True, True]
    assert fresh(None) == [False, False], "who asks for none takes none away"
    assert len(list((tmp_path / "out").glob("*.c2pa"))) == 2
    fetched(store, job, tmp_path, "f.####.exr", None, "elsewhere")  # written anew, by somebody who knows of none
    assert not list((tmp_path / "out").glob("*.c2pa")), "credentials of another picture do not stay"


def test_a_job_without_a_log_says_that_it_does_not_know_the_machine(
    tmp_path: Path, store: Store, author: Author
) -> None:
    job = done(store, tmp_path)
    store.delete(job_key(job.spec.id, "events", "0001-000000.json"))
    found = read_credentials(fetched(store, job, tmp_path, "f.####.exr", author)[0][0])
    assert found is not None and found.credit is not None
    assert [(share.node, share.samples) for share in found.credit.nodes] == [(credits.SOMEBODY, 16)]


def test_a_picture_that_was_rendered_here_names_its_scene(tmp_path: Path, author: Author) -> None:
    from PIL import Image

    from studio.command_line.authors import signs_frames
    from studio.render.device import DeviceInfo
    from studio.render.sequence import FrameDone

    scene = tmp_path / "hall.glb"
    scene.write_bytes(b"glTF")
    film = SimpleNamespace(counts=np.full((2, 2), 64))
    result = SimpleNamespace(film=film, stopped="", device=DeviceInfo(backend="cpu", name="a", device_class="x86"))
    sign = signs_frames(author, scene, denoised=True)
    for name, skipped in (("new.png", False), ("old.png", True)):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
        sign(FrameDone(1, tmp_path / name, result, {}, skipped=skipped))  # type: ignore[arg-type]
    found = read_credentials(tmp_path / "new.png")
    assert found is not None and found.whole and found.credit is not None
    assert [source.name for source in found.credit.sources] == ["hall.glb"]
    assert (found.credit.samples, found.credit.nodes[0].device, found.credit.denoised) == (64, "x86", credits.DENOISER)
    assert read_credentials(tmp_path / "old.png") is None, "what was there is left as it was"


# --- certificates ----------------------------------------------------------------------------------------------------
def test_a_certificate_is_made_for_its_owner_alone_and_the_old_one_is_kept(data: Path) -> None:
    first = make_certificate("Ann").read_text()
    if os.name == "posix":
        assert credits.certificate_key_file().stat().st_mode & 0o777 == 0o600
    make_certificate("Ann")
    assert (data / "farm" / "certificate-1.pem").read_text() == first != credits.certificate_file().read_text()
    assert read_author().artist == read_author().rights == "Ann"


def bought(folder: Path, key: object, *, now: datetime.datetime | None = None) -> tuple[Path, Path]:
    """A certificate of an authority for a key of another kind."""
    from unittest.mock import patch

    pair, secret = folder / "bought.pem", folder / "bought.key"
    made = iter([ec.generate_private_key(ec.SECP256R1()), key])
    with patch.object(provenance.ec, "generate_private_key", lambda curve: next(made)):
        _, chain, _ = provenance.own_certificate("Bought", now=now or datetime.datetime.now(datetime.UTC))
    pair.write_text(chain)
    secret.write_bytes(
        key.private_bytes(  # type: ignore[attr-defined]
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    secret.chmod(0o600)
    return pair, secret


@pytest.mark.parametrize("kind", ["P-384", "RSA"])
def test_a_bought_certificate_of_another_kind_signs_too(tmp_path: Path, store: Store, kind: str) -> None:
    key = ec.generate_private_key(ec.SECP384R1()) if kind == "P-384" else rsa.generate_private_key(65537, 2048)
    author = read_author(*bought(tmp_path, key))
    found = read_credentials(fetched(store, done(store, tmp_path), tmp_path, "f.####.png", author)[0][0])
    assert found is not None and found.whole and found.signer == "Bought"


def test_certificates_that_cannot_be_are_a_sentence_each(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="make one by studio farm certificate"):
        read_author()
    with pytest.raises(UsageError, match="--name"):
        make_certificate("")
    certificate, key = bought(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(UsageError, match="name both"):
        read_author(certificate)
    other = bought(tmp_path / ".", ec.generate_private_key(ec.SECP256R1()))[0].read_text()
    certificate.write_text(other)
    read_author(certificate, key)
    make_certificate("Ann")
    with pytest.raises(BadAsset, match="not that of the certificate"):
        read_author(certificate, credits.certificate_key_file())
    with pytest.raises(BadAsset, match="no certificates"):
        read_author(key, key)
    with pytest.raises(BadAsset, match="no private key"):
        (tmp_path / "x.key").write_text("nothing")
        (tmp_path / "x.key").chmod(0o600)
        read_author(certificate, tmp_path / "x.key")
    if os.name == "posix":
        key.chmod(0o644)
        with pytest.raises(UsageError, match="chmod 600"):
            read_author(certificate, key)
    with pytest.raises(Unsupported, match="signs no credentials"):
        signature_of(dsa.generate_private_key(2048), "")
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=400)
    with pytest.raises(UsageError, match="ended on"):
        read_author(*bought(tmp_path, ec.generate_private_key(ec.SECP256R1()), now=past))


# --- from the command line -------------------------------------------------------------------------------------------
def told(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> list[dict[str, object]]:
    assert main([*(str(a) for a in arguments), "--json"]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_fetch_signs_and_whoever_looks_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = done(store, tmp_path)
    fetch = ("farm", "fetch", job.spec.id, "--store", tmp_path / "store", "-o", tmp_path / "f.####.png")
    assert main([str(a) for a in (*fetch, "--credentials")]) == 2
    assert "studio farm certificate" in capsys.readouterr().err
    assert main([str(a) for a in (*fetch, "--rights", "Bob")]) == 2
    assert "--rights goes with --credentials" in capsys.readouterr().err
    assert not list(tmp_path.glob("f.*"))
    told(capsys, "farm", "certificate", "--name", "Ann")
    told(capsys, *fetch, "--credentials", "--rights", "Bob & Co")
    one = tmp_path / "f.0001.png"
    shown = told(capsys, "farm", "credentials", one)[0]
    assert shown["whole"] and shown["trusted"] and shown["credit"]["rights_holder"] == "Bob & Co"  # type: ignore[index]
    assert main(["info", str(one)]) == 0
    out = capsys.readouterr().out
    assert "as it was signed" in out and "Bob & Co" in out and "rendered by" in out and "made of" in out
    data = bytearray(one.read_bytes())
    data[-40] ^= 1
    one.write_bytes(bytes(data))
    assert main(["info", str(one)]) == BadAsset.code and "NOT as it was signed" in capsys.readouterr().out
    told(capsys, *fetch, "--again")
    assert told(capsys, "farm", "credentials", one)[0]["there"] is False
    # the preference wants them from now on; a flag is stronger
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "preferences.json").write_text('{"content_credentials": true, "rights_holder": "Cy"}')
    told(capsys, *fetch)
    assert told(capsys, "info", one)[0]["credit"]["rights_holder"] == "Cy"  # type: ignore[index]
    told(capsys, *fetch, "--no-credentials", "--again")
    assert told(capsys, "info", one)[0]["there"] is False
    assert digest_of(one.read_bytes())
