"""Frames are written while the next one renders: in order, none lost, and none rendered for a disk that is full."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from studio.errors import CannotWrite, DeviceFault
from studio.render import finish
from studio.render.checkpoint import find_part
from studio.render.finish import Look
from studio.render.sequence import Ear, Job, render_job
from studio.render.session import INTERRUPTED, OUT_OF_TIME, RenderSession
from tests.render.stage import settings, sha256, stage

FRAMES = (1, 2, 3)
LONGEST_S = 60.0  # that a test waits for another thread before it fails


@pytest.fixture(scope="module")
def session():
    with RenderSession(device="cpu", threads=2) as made:
        yield made


def job(folder, name="f.####.exr", **changes) -> Job:
    values = {"scene": stage(), "settings": settings(samples=24), "frames": FRAMES, **changes}
    return Job(output=folder / name, **values)


@pytest.fixture
def gate(monkeypatch):
    """A writer that begins a picture only when it is let: `gate.set()`."""
    opened, real = threading.Event(), finish.write_image

    def write(*arguments, **options):
        assert opened.wait(LONGEST_S)
        return real(*arguments, **options)

    monkeypatch.setattr(finish, "write_image", write)
    return opened


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_frame_renders_while_the_one_before_is_written(session, tmp_path, gate):
    there = []

    def progress(now):
        if now.frame == 2:
            there.append((tmp_path / "f.0001.exr").exists())
            gate.set()

    done = []
    assert render_job(session, job(tmp_path), ear=Ear(progress=progress, frame_done=done.append))
    assert there[0] is False and [frame.frame for frame in done] == list(FRAMES)
    assert all(frame.path.is_file() and frame.seconds["write"] > 0 for frame in done)


def test_a_frame_is_reported_as_soon_as_it_is_written(session, tmp_path):
    told = []
    ear = Ear(
        progress=lambda now: told.append(("render", now.frame)), frame_done=lambda d: told.append(("done", d.frame))
    )
    assert render_job(session, job(tmp_path, settings=settings(samples=2000), frames=(1, 2)), ear=ear)
    assert told.index(("done", 1)) < len(told) - 2  # not only when frame 2 had been rendered
    assert [frame for what, frame in told if what == "done"] == [1, 2]


def test_the_ear_is_always_called_on_the_callers_thread(session, tmp_path):
    threads = set()
    ear = Ear(*(lambda _: threads.add(threading.current_thread()) for _ in range(3)))
    assert render_job(session, job(tmp_path, "f.####.png", look=Look(denoise=True)), ear=ear)
    assert threads == {threading.current_thread()}


def test_a_frame_that_is_there_is_reported_in_its_place(session, tmp_path):
    (tmp_path / "f.0002.exr").write_bytes(b"mine")
    done = []
    assert render_job(session, job(tmp_path, skip_existing=True), ear=Ear(frame_done=done.append))
    assert [(frame.frame, frame.skipped) for frame in done] == [(1, False), (2, True), (3, False)]


def test_a_frame_that_cannot_be_written_stops_the_rest_and_nothing_is_lost(session, tmp_path, monkeypatch):
    real, begun = finish.write_image, threading.Event()

    def write(picture, path, **options):
        if path.name == "f.0002.exr":
            assert begun.wait(LONGEST_S)  # frame 3 is at work
            raise CannotWrite(f"cannot write {path}: no space left on device; choose another folder or make room")
        return real(picture, path, **options)

    monkeypatch.setattr(finish, "write_image", write)
    heard, said, done = [], [], []

    def progress(now):
        heard.append(now)
        if now.frame == 3:
            begun.set()

    ear = Ear(say=said.append, progress=progress, frame_done=done.append)
    asked = {"settings": settings(samples=600)}
    with pytest.raises(CannotWrite, match=r"f\.0002\.exr.*kept in .*f\.0002\.part"):
        render_job(session, job(tmp_path, frames=(1, 2, 3, 4), **asked), ear=ear)
    assert [frame.frame for frame in done] == [1] and not any(now.frame == 4 for now in heard)
    assert max(now.samples for now in heard if now.frame == 3) < 600
    assert "Frame 3" in said[-1] and find_part(tmp_path / "f.0003.exr") is not None
    monkeypatch.setattr(finish, "write_image", real)
    done.clear()
    assert render_job(session, job(tmp_path, resume=True, **asked), ear=ear)
    assert [(frame.frame, frame.skipped) for frame in done] == [(1, True), (2, False), (3, False)]
    assert done[1].result.rays == 0
    assert render_job(session, job(tmp_path / "alone", frames=(3,), **asked))
    assert sha256(tmp_path / "f.0003.exr") == sha256(tmp_path / "alone" / "f.0003.exr")


@pytest.mark.parametrize("reason", [INTERRUPTED, OUT_OF_TIME])
def test_a_stop_finishes_the_frame_that_is_being_written(session, tmp_path, gate, reason):
    heard, done = [], []

    def stop():
        if heard and heard[-1].frame == 2:
            gate.set()
            return reason
        return ""

    ear = Ear(progress=heard.append, frame_done=done.append)
    assert not render_job(session, job(tmp_path, settings=settings(samples=64)), ear=ear, stop=stop)
    assert [(frame.frame, frame.stopped) for frame in done] == [(1, ""), (2, reason)]
    assert names(tmp_path) == ["f.0001.exr", "f.0002.part"]


def test_a_renderer_that_fails_does_not_cost_the_frame_before(session, tmp_path, monkeypatch, gate):
    real = session.render_frame

    def render_frame(flat, *arguments, **options):
        if flat.frame == 2:
            gate.set()
            raise DeviceFault("the render worker ended twice")
        return real(flat, *arguments, **options)

    monkeypatch.setattr(session, "render_frame", render_frame)
    done = []
    with pytest.raises(DeviceFault):
        render_job(session, job(tmp_path), ear=Ear(frame_done=done.append))
    assert [frame.frame for frame in done] == [1] and names(tmp_path) == ["f.0001.exr"]


def test_somebody_in_a_hurry_leaves_no_half_picture(session, tmp_path, gate):
    def progress(now):
        if now.frame == 2:
            gate.set()
            raise KeyboardInterrupt

    with RenderSession(device="cpu", threads=2) as another, pytest.raises(KeyboardInterrupt):
        render_job(another, job(tmp_path), ear=Ear(progress=progress))
    assert names(tmp_path) == ["f.0001.exr"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("writer")]


def test_partials_overlap_as_pictures_do(session, tmp_path):
    done = []
    assert render_job(session, job(tmp_path, "f.####.part", partial=True), ear=Ear(frame_done=done.append))
    assert [frame.path for frame in done] == [Path(tmp_path / f"f.000{n}.part") for n in FRAMES]
