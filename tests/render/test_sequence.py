"""Sequences: a frame alone equals the frame of a sequence, and nothing is rendered that could not be written."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import OpenImageIO
import pytest

import studio
from studio.errors import CannotWrite, UsageError
from studio.render.finish import Look
from studio.render.sequence import Ear, Job, check_outputs, render_job
from studio.render.session import RenderSession
from studio.scene.scene import Scene
from tests.render.stage import HEIGHT, WIDTH, settings, sha256, stage


@pytest.fixture(scope="module")
def session():
    with RenderSession(device="cpu", threads=2) as made:
        yield made


def job(output, frames=(1, 2), scene=None, **changes) -> Job:
    values = {"settings": settings(samples=4), **changes}
    return Job(scene=scene or stage(), output=Path(output), frames=frames, **values)


def layers(path) -> list[str]:
    image, names = OpenImageIO.ImageInput.open(str(path)), []
    while image.seek_subimage(len(names), 0):
        names.append(image.spec().getattribute("oiio:subimagename"))
    image.close()
    return names


def test_a_frame_alone_equals_the_frame_of_the_sequence(session, tmp_path):
    asked = {
        "settings": settings(samples=4, aovs=("motion", "depth"), cryptomatte=True),
        "look": Look(compression="piz"),
    }
    assert render_job(session, job(tmp_path / "all.####.exr", (1, 2, 3), **asked))
    assert render_job(session, job(tmp_path / "one.####.exr", (2,), **asked))
    assert sha256(tmp_path / "all.0002.exr") == sha256(tmp_path / "one.0002.exr")
    assert sha256(tmp_path / "all.0001.exr") != sha256(tmp_path / "all.0002.exr")


def test_motion_vectors_see_the_next_frame(session, tmp_path):
    render_job(session, job(tmp_path / "m.exr", (1,), settings=settings(aovs=("motion",))))
    picture = OpenImageIO.ImageBuf(str(tmp_path / "m.exr"), layers(tmp_path / "m.exr").index("motion"), 0)
    motion = picture.get_pixels(OpenImageIO.FLOAT)
    # the box moves by 1.2 m at 4.5 m through a 35 mm lens on a 36 mm gate: 1.2 / 4.5 * 35 / 36 of the width
    assert motion[..., 0].max() == pytest.approx(1.2 / 4.5 * 35 / 36 * WIDTH, rel=0.15)
    assert np.abs(motion[0, 0]).max() == 0.0


def test_denoised_frames_are_alike_alone_and_in_a_sequence_when_the_camera_is_exposed(session, tmp_path):
    asked = {"look": Look(denoise=True), "scene": stage().replace("camera", exposure_ev=-1.0)}
    assert render_job(session, job(tmp_path / "all.####.png", **asked))
    assert render_job(session, job(tmp_path / "one.####.png", (2,), **asked))
    assert sha256(tmp_path / "all.0002.png") == sha256(tmp_path / "one.0002.png")


def test_guides_of_the_denoiser_stay_out_of_the_file(session, tmp_path):
    render_job(session, job(tmp_path / "d.exr", (1,), look=Look(denoise=True)))
    assert layers(tmp_path / "d.exr") == ["beauty", "noisy"]


def test_frames_that_are_there_are_left_alone(session, tmp_path):
    (tmp_path / "f.0001.png").write_bytes(b"mine")
    heard = []
    assert render_job(session, job(tmp_path / "f.####.png", skip_existing=True), ear=Ear(frame_done=heard.append))
    assert [done.skipped for done in heard] == [True, False]
    assert (tmp_path / "f.0001.png").read_bytes() == b"mine"


def test_a_measured_exposure_is_one_for_the_job_and_said_once(session, tmp_path):
    said = []
    render_job(session, job(tmp_path / "f.####.png"), ear=Ear(say=said.append))
    assert len([sentence for sentence in said if "exposure" in sentence]) == 1
    means = [OpenImageIO.ImageBuf(str(tmp_path / f"f.000{n}.png")).get_pixels(OpenImageIO.FLOAT).mean() for n in (1, 2)]
    assert 0.1 < means[0] < 0.9


def test_several_frames_need_a_place_for_their_number(tmp_path):
    with pytest.raises(UsageError, match="####"):
        check_outputs(job(tmp_path / "f.exr"))


@pytest.mark.parametrize("name", ["picture.gif", "picture", "picture.part"])
def test_a_format_that_is_not_written_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="extension"):
        check_outputs(job(tmp_path / name, (1,)))


def test_a_folder_that_cannot_be_made_or_written_is_found_before_rendering(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotWrite, match="file"):
        check_outputs(job(tmp_path / "file" / "f.exr", (1,)))
    (tmp_path / "f.exr").mkdir()
    with pytest.raises(CannotWrite, match="folder"):
        check_outputs(job(tmp_path / "f.exr", (1,)))
    if sys.platform == "linux":
        with pytest.raises(CannotWrite, match="/proc"):
            check_outputs(job("/proc/f.exr", (1,)))
    assert not list(tmp_path.rglob("*.probe"))


def test_an_empty_scene_is_a_picture_too(session, tmp_path):
    assert render_job(session, job(tmp_path / "f.png", (1,), scene=Scene()))
    assert (tmp_path / "f.png").stat().st_size > 50


def test_the_public_function_renders_and_saves(tmp_path):
    picture = studio.render(stage(), size=(WIDTH, HEIGHT), samples=2, aovs=["depth"], device="cpu", threads=2)
    assert picture.pixels.shape == (HEIGHT, WIDTH, 4) and picture.pixels.mean() > 0
    assert layers(picture.save(tmp_path / "p.exr")) == ["beauty", "depth"]
    assert picture.save(tmp_path / "p.png", exposure_ev=1.0).is_file()
    with pytest.raises(UsageError, match="crop"):
        studio.render(stage(), size=(8, 8), crop=(0, 0, 9, 9))
