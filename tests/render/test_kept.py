"""A disk that takes no more: what was rendered is kept where there is room, said, and finished to the same bits."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from studio.assets.gltf.writer import save_gltf
from studio.cli import main
from studio.errors import CannotWrite, DeviceFault
from studio.render import finish, output
from studio.render.checkpoint import find_part, part_places
from studio.render.device import cache_folder
from studio.render.finish import Look
from studio.render.sequence import Ear, Job, render_job
from studio.render.session import INTERRUPTED, RenderSession
from tests.conftest import ROOT
from tests.render.stage import HEIGHT, WIDTH, settings, sha256, stage


@pytest.fixture(scope="module")
def session():
    with RenderSession(device="cpu", threads=2) as made:
        yield made


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of this test's own, but for the kernels, which would be compiled again for every render."""
    kernels = cache_folder()
    kernels.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("MYRIAD_CACHE", str(tmp_path / "cache"))
    cache_folder().parent.mkdir(parents=True)
    cache_folder().symlink_to(kernels, target_is_directory=True)
    return tmp_path / "cache"


@pytest.fixture
def full(tmp_path, monkeypatch):
    """Folders that take no files, by name; renaming into one fails as on a disk without room."""
    names: set[str] = {"out"}
    real = os.replace

    def replace(source, target):
        if Path(target).parent.name in names:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    monkeypatch.setattr(output.os, "replace", replace)
    return names


def job(folder, name="f.exr", **changes) -> Job:
    values = {"scene": stage(), "settings": settings(samples=24), "frames": (1,), **changes}
    return Job(output=folder / "out" / name, **values)


def left(folder) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["f.exr", "f.png", "f.jpg"])
def test_a_picture_without_room_is_kept_and_finished_to_the_same_bits(session, tmp_path, cache, full, name):
    look = Look(exposure_ev=-3.0)
    with pytest.raises(
        CannotWrite, match=r"no space left.*kept in .*\.part; finish .*--resume, or studio merge"
    ) as told:
        render_job(session, job(tmp_path, name, look=look))
    kept = find_part(tmp_path / "out" / name)
    assert kept is not None and kept.is_relative_to(cache) and str(kept) in str(told.value)
    assert left(tmp_path) == [kept.name]  # no half picture, no temporary file
    full.clear()
    done = []
    assert render_job(session, job(tmp_path, name, look=look, resume=True), ear=Ear(frame_done=done.append))
    assert done[0].result.rays == 0  # nothing was rendered twice
    assert render_job(session, job(tmp_path, f"straight{Path(name).suffix}", look=look))
    assert sha256(tmp_path / "out" / name) == sha256(tmp_path / "out" / f"straight{Path(name).suffix}")
    assert not kept.exists()


def test_a_kept_part_merges_to_the_picture(session, tmp_path, full):
    with pytest.raises(CannotWrite):
        render_job(session, job(tmp_path, settings=settings(samples=4, aovs=("depth",))))
    kept = find_part(tmp_path / "out" / "f.exr")
    full.clear()
    assert main(["merge", str(kept), "-o", str(tmp_path / "merged.exr")]) == 0
    render_job(session, job(tmp_path, settings=settings(samples=4, aovs=("depth",))))
    assert sha256(tmp_path / "merged.exr") == sha256(tmp_path / "out" / "f.exr")


def test_where_the_cache_is_full_too_it_is_kept_among_temporary_files(session, tmp_path, full, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    full.add("kept")
    with pytest.raises(CannotWrite, match=str(tmp_path / "tmp" / "myriad-f")):
        render_job(session, job(tmp_path))
    full.add("tmp")
    with pytest.raises(CannotWrite, match="its samples are lost"):
        render_job(session, job(tmp_path))


def test_an_interrupted_frame_is_kept_where_there_is_room(session, tmp_path, cache, full):
    heard, done = [], []
    ear = Ear(progress=heard.append, frame_done=done.append)
    assert not render_job(session, job(tmp_path), ear=ear, stop=lambda: INTERRUPTED if heard else "")
    assert done[0].path == find_part(tmp_path / "out" / "f.exr") and done[0].path.is_relative_to(cache)
    full.clear()
    said = []
    assert render_job(session, job(tmp_path, resume=True), ear=Ear(say=said.append))
    assert str(done[0].path) in said[0]
    assert render_job(session, job(tmp_path, "straight.exr"))
    assert sha256(tmp_path / "out" / "f.exr") == sha256(tmp_path / "out" / "straight.exr")


def test_a_newer_checkpoint_beside_the_picture_ends_the_kept_one(session, tmp_path, full):
    heard = []
    again = job(tmp_path, resume=True)
    assert not render_job(
        session, job(tmp_path), ear=Ear(progress=heard.append), stop=lambda: INTERRUPTED if heard else ""
    )
    full.clear()
    assert not render_job(session, again, stop=lambda: INTERRUPTED)
    assert left(tmp_path) == ["f.part"]


def test_a_kept_frame_is_not_taken_for_an_old_picture(session, tmp_path, full):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "f.exr").write_bytes(b"last week's")
    with pytest.raises(CannotWrite):
        render_job(session, job(tmp_path))
    assert (tmp_path / "out" / "f.exr").read_bytes() == b"last week's"
    full.clear()
    done = []
    assert render_job(session, job(tmp_path, resume=True), ear=Ear(frame_done=done.append))
    assert not done[0].skipped and (tmp_path / "out" / "f.exr").stat().st_size > 1000


def test_a_denoiser_that_fails_does_not_cost_the_samples(session, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise DeviceFault("the denoiser failed: no memory; render without --denoise, or smaller")

    monkeypatch.setattr(finish, "Denoiser", fail)
    with pytest.raises(DeviceFault, match="kept in"):
        render_job(session, job(tmp_path, look=Look(denoise=True)))
    assert left(tmp_path / "out") == ["f.part"]


def test_a_fault_that_nobody_foresaw_does_not_cost_the_samples(session, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("boom")

    monkeypatch.setattr(finish, "write_image", fail)
    said = []
    with pytest.raises(RuntimeError, match="boom"):
        render_job(session, job(tmp_path), ear=Ear(say=said.append))
    assert "kept in" in said[0] and left(tmp_path / "out") == ["f.part"]


def test_each_picture_has_places_of_its_own(tmp_path):
    one, other = part_places(tmp_path / "a" / "f.exr"), part_places(tmp_path / "b" / "f.exr")
    assert not set(one) & set(other)
    assert one[1:] == part_places(tmp_path / "b" / ".." / "a" / "f.exr")[1:]


def _can_mount() -> bool:
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    trial = ["unshare", "-rm", "mount", "-t", "tmpfs", "-o", "size=64k", "none", "/mnt"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _can_mount(), reason="no right to mount a small file system")
def test_a_really_full_disk_keeps_the_frame_and_a_resume_finishes_it(tmp_path):
    scene, out = tmp_path / "stage.glb", tmp_path / "out"
    save_gltf(stage(), scene)
    out.mkdir()
    asked = [
        "--frames",
        "1",
        "--samples",
        "4",
        "--size",
        f"{WIDTH}x{HEIGHT}",
        "--device",
        "cpu",
        "--compression",
        "none",
    ]
    command = [sys.executable, "-m", "studio", "render", str(scene), "-o", str(out / "f.exr"), *asked, "--json"]
    inside = [
        "unshare",
        "-rm",
        "sh",
        "-c",
        f'mount -t tmpfs -o size=8k none "{out}"; "$@"; code=$?; ls -A "{out}" >&2; exit $code',
        "sh",
    ]
    ended = subprocess.run([*inside, *command], capture_output=True, text=True, cwd=ROOT, check=False)
    assert ended.returncode == 14, ended.stderr
    error = json.loads(ended.stdout.splitlines()[-1])
    kept = find_part(out / "f.exr")
    assert error["code"] == 14 and kept is not None and str(kept) in error["message"]
    assert ended.stderr.splitlines()[-1].startswith("studio: ")  # then the listing of the full disk: empty
    assert main([*command[3:], "--resume"]) == 0
    whole = [*command[3:]]
    whole[3] = str(out / "straight.exr")
    assert main(whole) == 0
    assert sha256(out / "f.exr") == sha256(out / "straight.exr") and not kept.exists()
