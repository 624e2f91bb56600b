"""The runner: whatever interrupts it, the files in the end are those of a render that nothing interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import OpenImageIO
import pytest

from studio.errors import BadAsset, CannotWrite, DeviceFault
from studio.render import finish, queue_run, queue_work
from studio.render.checkpoint import find_part, part_path
from studio.render.export import ExportSettings, look_of, render_settings
from studio.render.queue import Queue
from studio.render.queue_run import LOCK, Runner, at_work, ensure_runner, usual_threads
from studio.render.queue_store import is_locked, locked
from studio.render.sequence import Job, render_job
from studio.render.session import RenderSession
from tests.conftest import ROOT
from tests.render.stage import sha256, stage

DEADLINE_S = 120.0
SIZE = {"width": 64, "height": 40, "depth": 4, "device": "cpu", "threads": 2}


@pytest.fixture(scope="module")
def session():
    with RenderSession(device="cpu", threads=2) as made:
        made.warm_up()
        yield made


@pytest.fixture
def queue(tmp_path):
    made = Queue(tmp_path / "queue" / "queue.sqlite")
    yield made
    made.store.close()


def asked(folder, pattern="a.####.exr", **values) -> ExportSettings:
    return ExportSettings(**{"output": f"{folder}/{pattern}", "frames": "1-2", "samples": 8} | SIZE | values)


def run(queue, session, **values) -> Runner:
    """Work with the worker that the tests share until nothing waits."""
    runner = Runner(queue, **{"checkpoint_s": 0.0} | values)
    runner._fitting = lambda settings: session
    assert runner.run()
    return runner


def reference(session, folder, settings: ExportSettings, frames=(1, 2)) -> list[str]:
    """Hashes of the files that a plain render of the same makes, without a queue."""
    output = folder / "plain" / Path(settings.output).name
    job = Job(
        scene=stage(),
        output=output,
        frames=frames,
        settings=render_settings(settings),
        look=look_of(settings),
        threads=2,
    )
    assert render_job(session, job)
    return [sha256(file) for file in sorted(output.parent.iterdir())]


def hashes(queue, job) -> list[str]:
    return [sha256(frame.path) for frame in queue.frames(job)]


def until(true, what: str) -> None:
    """Wait for something of another process."""
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


# jobs and their files


def test_a_job_makes_the_files_of_a_plain_render(queue, session, tmp_path):
    settings = asked(tmp_path, aovs=("depth", "motion"), cryptomatte=True, compression="piz")
    job = queue.add(stage(), settings)
    run(queue, session)
    state = queue.job(job)
    assert (state.state, state.done, state.total, state.progress, state.message) == ("done", 2, 2, 1.0, "")
    assert hashes(queue, job) == reference(session, tmp_path, settings)
    frames = queue.frames(job)
    assert all(f.state == "done" and f.samples == 8 and f.seconds > 0 for f in frames)
    assert all(f.thumbnail is not None and f.thumbnail.read_bytes()[:2] == b"\xff\xd8" for f in frames)
    assert state.elapsed_s > 0 and state.started is not None and state.finished is not None


@pytest.mark.parametrize(
    ("name", "pattern", "depth"),
    [("png8", "a.####.png", "uint8"), ("png16", "a.####.png", "uint16"), ("tiff16", "a.####.tif", "uint16")],
)
def test_pictures_are_those_of_a_plain_render_and_of_the_bits_asked_for(queue, session, tmp_path, name, pattern, depth):
    settings = asked(tmp_path, pattern, format=name, exposure_ev=-1.0, alpha=True)
    job = queue.add(stage(), settings)
    run(queue, session)
    assert hashes(queue, job) == reference(session, tmp_path, settings)
    assert str(OpenImageIO.ImageBuf(str(queue.frames(job)[0].path)).spec().format) == depth


def test_burn_ins_and_the_slate_are_on_pictures_and_never_in_exr(queue, session, tmp_path):
    texts = {"burn_ins": ("", "", "", "{frame}", "", ""), "slate": True, "exposure_ev": -1.0}
    exr = asked(tmp_path, **texts)
    shown = queue.add(stage(), asked(tmp_path, "b.####.png", format="png8", **texts))
    plain = queue.add(stage(), asked(tmp_path, "c.####.png", format="png8", exposure_ev=-1.0))
    data = queue.add(stage(), exr)
    run(queue, session)
    with_text, without = (
        OpenImageIO.ImageBuf(str(queue.frames(job)[0].path)).get_pixels(OpenImageIO.FLOAT) for job in (shown, plain)
    )
    changed = np.abs(with_text - without).max(axis=-1) > 0
    assert changed[20:, :32].any() and not changed[:20].any()
    assert (tmp_path / "b.0000.png").is_file() and not (tmp_path / "a.0000.exr").exists()
    assert hashes(queue, data) == reference(session, tmp_path, exr)


def test_a_measured_exposure_is_one_for_a_job_however_it_was_cut(queue, session, tmp_path):
    settings = asked(tmp_path, "a.####.png", format="png8")
    job = queue.add(stage(), settings)
    whole = reference(session, tmp_path, settings)
    stopped = []
    # the runner ends after the first frame is done; the second is measured by what the first was
    run(queue, session, stop=lambda: "signal" if queue.job(job).done and not stopped.append(1) else "")
    assert queue.job(job).state == "waiting" and queue.job(job).done == 1
    run(queue, session)
    assert hashes(queue, job) == whole


def test_jobs_are_rendered_in_their_order_and_what_is_paused_is_left(queue, session, tmp_path):
    a, b, c = (queue.add(stage(), asked(tmp_path, f"{name}.####.exr", frames="1")) for name in "abc")
    queue.move([c], 0)
    queue.pause([a])
    run(queue, session)
    assert [queue.job(job).state for job in (a, b, c)] == ["paused", "done", "done"]
    finished = [queue.job(job).finished for job in (c, b)]
    assert finished[0] < finished[1]


def test_frames_that_are_there_are_skipped_and_frames_that_are_named_rendered_again(queue, session, tmp_path):
    (tmp_path / "a.0001.exr").write_bytes(b"mine")
    job = queue.add(stage(), asked(tmp_path, overwrite="skip"))
    run(queue, session)
    assert [f.state for f in queue.frames(job)] == ["skipped", "done"] and queue.job(job).done == 2
    assert (tmp_path / "a.0001.exr").read_bytes() == b"mine"
    queue.retry([job], frames=[1])
    run(queue, session)
    assert [f.state for f in queue.frames(job)] == ["done", "done"]
    assert (tmp_path / "a.0001.exr").read_bytes() != b"mine"


def test_a_time_limit_ends_a_frame_and_not_the_job(queue, session, tmp_path):
    job = queue.add(stage(), asked(tmp_path, samples=100_000, time_limit_s=0.3))
    run(queue, session)
    frames = queue.frames(job)
    assert queue.job(job).state == "done" and all(0 < f.samples < 100_000 for f in frames)
    assert all("time limit" in f.message and f.path.is_file() for f in frames)


def test_an_error_target_ends_a_frame_early(queue, session, tmp_path):
    settings = asked(tmp_path, samples=128, error=0.5)
    job = queue.add(stage(), settings)
    run(queue, session)
    assert all(f.samples < 128 for f in queue.frames(job))
    assert hashes(queue, job) == reference(session, tmp_path, settings)


# movies


def test_a_movie_is_made_of_frames_that_are_gone_afterwards(queue, session, tmp_path):
    av = pytest.importorskip("av", reason="movies need PyAV")
    job = queue.add(stage(), asked(tmp_path, "m", format="h264", slate=True, slate_frames=3, burn_ins=("{frame}",)))
    run(queue, session)
    assert queue.job(job).state == "done" and not list((queue.job_folder(job) / "frames").iterdir())
    with av.open(str(tmp_path / "m.mp4")) as container:
        assert len(list(container.decode(video=0))) == 5
    assert [p.name for p in tmp_path.iterdir() if p.name != "queue"] == ["m.mp4"]


def test_encoding_that_was_cut_off_begins_anew_from_the_frames(queue, session, tmp_path, monkeypatch):
    pytest.importorskip("av", reason="movies need PyAV")
    job = queue.add(stage(), asked(tmp_path, "m", format="prores-422hq"))
    real = queue_work.encode

    def full(reel, **how):
        raise CannotWrite("cannot write m.mov: no space left on device")

    monkeypatch.setattr(queue_work, "encode", full)
    run(queue, session)
    state = queue.job(job)
    assert state.state == "paused" and state.done == 2 and "no space left" in state.message
    assert len(list((queue.job_folder(job) / "frames").iterdir())) == 2
    monkeypatch.setattr(queue_work, "encode", real)
    queue.resume([job])
    run(queue, session)
    assert queue.job(job).state == "done" and (tmp_path / "m.mov").is_file()


def test_a_frame_of_a_movie_that_was_damaged_is_rendered_again(queue, session, tmp_path, monkeypatch):
    pytest.importorskip("av", reason="movies need PyAV")
    job = queue.add(stage(), asked(tmp_path, "m", format="h264"))
    real, damaged = queue_work.encode, []

    def damage(reel, **how):
        if not damaged:
            damaged.append(reel.frames[0][1])
            damaged[0].write_bytes(b"no picture")
        real(reel, **how)

    monkeypatch.setattr(queue_work, "encode", damage)
    run(queue, session)
    assert queue.job(job).state == "done" and (tmp_path / "m.mp4").is_file()
    assert any("rendered again" in line.text for line in queue.log(job))


# interrupted


def test_a_pause_in_the_middle_of_a_frame_keeps_it_and_shows_nowhere(queue, session, tmp_path):
    settings = asked(tmp_path, samples=120)
    job = queue.add(stage(), settings)
    paused = []

    def pause(number, now):
        if now.samples > 20 and not paused:
            paused.append(number)
            queue.pause([job])

    run(queue, session, progress=pause)
    state = queue.job(job)
    assert state.state == "paused" and [f.state for f in queue.frames(job)] == ["waiting", "waiting"]
    assert find_part(queue.frames(job)[0].path) is not None
    queue.resume([job])
    run(queue, session)
    assert queue.job(job).state == "done" and hashes(queue, job) == reference(session, tmp_path, settings)
    assert any("Going on from" in line.text for line in queue.log(job)) and find_part(queue.frames(job)[0].path) is None


def test_a_job_cancelled_in_the_middle_stops_and_may_be_taken_up(queue, session, tmp_path):
    job = queue.add(stage(), asked(tmp_path, samples=120))
    run(queue, session, progress=lambda number, now: queue.cancel([job]))
    assert queue.job(job).state == "cancelled" and {f.state for f in queue.frames(job)} == {"cancelled"}
    part = part_path(queue.frames(job)[0].path)
    queue.remove([job])
    assert not queue.jobs() and not part.exists()


def test_a_job_removed_while_it_renders_is_gone_afterwards(queue, session, tmp_path):
    job = queue.add(stage(), asked(tmp_path, samples=120))
    run(queue, session, progress=lambda number, now: queue.job(job).state == "rendering" and queue.remove([job]))
    assert not queue.jobs() and not queue.job_folder(job).exists() and not list(tmp_path.glob("*.part"))


def test_a_killed_worker_costs_a_round_and_shows_nowhere(queue, tmp_path, session):
    settings = asked(tmp_path, samples=120, frames="1")
    job = queue.add(stage(), settings)
    killed = []

    def kill(number, now):
        if now.samples > 20 and not killed:
            killed.append(session.worker_pid)
            os.kill(session.worker_pid, signal.SIGKILL)

    run(queue, session, progress=kill)
    assert killed and session.worker_pid != killed[0]
    assert queue.job(job).state == "done" and hashes(queue, job) == reference(session, tmp_path, settings, (1,))


def command(queue, *more) -> list[str]:
    return [sys.executable, "-P", "-m", "studio", "queue", "run", "--queue", str(queue.store.file), *more]


def test_a_killed_runner_is_taken_over_and_the_files_are_equal(queue, session, tmp_path):
    settings = asked(tmp_path, samples=160, frames="1-3")
    job = queue.add(stage(), settings)
    process = subprocess.Popen(
        command(queue, "--checkpoint", "0"), cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    second = part_path(queue.frames(job)[1].path)
    try:
        until(lambda: second.is_file() or process.poll() is not None, "a checkpoint of the second frame")
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    until(lambda: not queue.runner_works(), "the lock of the dead to be gone")
    state = queue.job(job)
    assert state.state == "waiting"  # nobody renders it, whatever the database says
    assert [f.state for f in queue.frames(job)][1] == "rendering"
    run(queue, session)
    assert queue.job(job).state == "done"
    assert any("Going on from" in line.text for line in queue.log(job))
    assert hashes(queue, job) == reference(session, tmp_path, settings, (1, 2, 3))
    assert {p.name for p in tmp_path.iterdir()} == {"queue", "plain", "a.0001.exr", "a.0002.exr", "a.0003.exr"}


def test_what_a_killed_writer_left_behind_is_cleaned_up(queue, session, tmp_path):
    job = queue.add(stage(), asked(tmp_path, frames="1"))
    for name in (".a.0001.0123456789ab.exr", ".a.0001.ba9876543210.part"):
        (tmp_path / name).write_bytes(b"half a frame")
    (tmp_path / ".a.0002.0123456789ab.exr").write_bytes(b"of somebody else")
    run(queue, session)
    assert queue.job(job).state == "done"
    assert sorted(p.name for p in tmp_path.iterdir()) == [".a.0002.0123456789ab.exr", "a.0001.exr", "queue"]


def test_one_runner_works_at_a_time(queue, session, tmp_path):
    queue.add(stage(), asked(tmp_path))
    with locked(queue.folder / LOCK):
        assert not Runner(queue).run() and queue.runner_works()
        done = subprocess.run(
            command(queue), cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
        )
        assert done.returncode == 2 and "another runner" in done.stderr
    assert not queue.runner_works() and queue.jobs()[0].state == "waiting"


def test_a_runner_is_started_detached_and_goes_on_by_itself(queue, tmp_path):
    job = queue.add(stage(), asked(tmp_path, frames="1", samples=2))
    ensure_runner(queue.store.file)
    ensure_runner(queue.store.file)
    until(lambda: queue.job(job).state == "done", "the runner to be done")
    assert (tmp_path / "a.0001.exr").is_file() and "Job 1" in (queue.folder / "runner.log").read_text()
    pid = int(queue.store.read("SELECT value FROM meta WHERE key = 'runner'")[0][0])
    if hasattr(os, "getpriority"):
        assert os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(os.PRIO_PROCESS, 0) or os.nice(0) >= 10
        assert os.getsid(pid) != os.getsid(0)  # it does not end with us
    os.kill(pid, signal.SIGTERM)
    until(lambda: not is_locked(queue.folder / LOCK), "the runner to end")
    for process in queue_run._started:  # the second found the first at work
        process.wait(60)


# what goes wrong


def test_a_full_disk_pauses_the_job_and_nothing_is_lost(queue, session, tmp_path, monkeypatch):
    settings = asked(tmp_path, frames="1-3")
    job = queue.add(stage(), settings)
    other = queue.add(stage(), asked(tmp_path, "other.####.exr", frames="1"))
    real = finish.write_image

    def full(shown, path, **how):
        if path.name == "a.0002.exr":
            raise CannotWrite(f"cannot write {path}: no space left on device; choose another folder or make room")
        return real(shown, path, **how)

    monkeypatch.setattr(finish, "write_image", full)
    run(queue, session)
    state = queue.job(job)
    assert state.state == "paused" and "no space left" in state.message and "resume" in state.message
    assert queue.job(other).state == "done"
    assert [f.state for f in queue.frames(job)] == ["done", "waiting", "waiting"]
    assert find_part(tmp_path / "a.0002.exr") is not None
    monkeypatch.setattr(finish, "write_image", real)
    queue.resume([job])
    run(queue, session)
    assert hashes(queue, job) == reference(session, tmp_path, settings, (1, 2, 3))
    assert any("Going on from 8" in line.text for line in queue.log(job))


def test_a_disk_that_is_really_full_pauses_too(queue, session, tmp_path, monkeypatch):
    monkeypatch.setenv("MYRIAD_CACHE", str(tmp_path / "cache"))
    small = tmp_path / "small"
    small.mkdir()
    mounted = sys.platform == "linux" and os.geteuid() == 0
    mounted = (
        mounted
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(small)], capture_output=True, check=False
        ).returncode
    )
    if not mounted:
        pytest.skip("a small disk can be made by root on Linux alone")
    try:
        job = queue.add(stage(), asked(small, frames="1-4", compression="none", half=False, aovs=("normal",)))
        run(queue, session)
        state = queue.job(job)
        assert state.state == "paused" and 0 < state.done < 4 and "make room" in state.message
        before = {f.frame: f.state for f in queue.frames(job)}
        first = sha256(queue.frames(job)[0].path)
        subprocess.run(["mount", "-o", "remount,size=4m", str(small)], check=True)
        queue.resume([job])
        run(queue, session)
        assert queue.job(job).state == "done" and sha256(queue.frames(job)[0].path) == first
        assert before[1] == "done"
    finally:
        subprocess.run(["umount", str(small)], check=False)


def test_a_frame_that_fails_is_marked_and_the_others_are_rendered(queue, session, tmp_path, monkeypatch):
    job = queue.add(stage(), asked(tmp_path, frames="1-3"))
    real = queue_work.flatten

    def broken(scene, frame, **how):
        if frame == 2:
            raise BadAsset("the mesh of frame 2 is broken; replace it")
        return real(scene, frame, **how)

    monkeypatch.setattr(queue_work, "flatten", broken)
    run(queue, session)
    state = queue.job(job)
    assert state.state == "failed" and state.failed == 1 and state.done == 2 and "mesh of frame 2" in state.message
    assert [f.state for f in queue.frames(job)] == ["done", "failed", "done"]
    monkeypatch.setattr(queue_work, "flatten", real)
    queue.retry([job])
    run(queue, session)
    assert queue.job(job).state == "done" and queue.job(job).failed == 0


def test_a_device_that_fails_again_and_again_ends_the_job(queue, session, tmp_path, monkeypatch):
    job = queue.add(stage(), asked(tmp_path, frames="1-9"))

    def broken(scene, frame, **how):
        raise DeviceFault("the render worker ended twice")

    monkeypatch.setattr(queue_work, "flatten", broken)
    run(queue, session)
    states = [f.state for f in queue.frames(job)]
    assert queue.job(job).state == "failed" and states.count("failed") == 3 and states.count("waiting") == 6


def test_a_scene_that_is_damaged_fails_its_job_alone(queue, session, tmp_path):
    job = queue.add(stage(), asked(tmp_path))
    for file in (queue.folder / "scenes.studio" / "versions").iterdir():
        file.write_text("{}")
    other = queue.add(stage().replace("key", intensity=2.0), asked(tmp_path, "b.####.exr", frames="1"))
    run(queue, session)
    assert queue.job(job).state == "failed" and queue.job(job).message
    assert queue.job(other).state == "done"


def test_a_checkpoint_of_something_else_is_dropped_and_the_frame_begins_anew(queue, session, tmp_path):
    settings = asked(tmp_path, frames="1")
    job = queue.add(stage(), settings)
    part_path(tmp_path / "a.0001.exr").write_bytes(b"no checkpoint")
    run(queue, session)
    assert queue.job(job).state == "done" and any("begins anew" in line.text for line in queue.log(job))
    assert hashes(queue, job) == reference(session, tmp_path, settings, (1,))


def test_the_renderer_leaves_a_core_to_an_artist_at_work(queue, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert usual_threads(queue.folder) == 0
    with at_work(queue), at_work(queue):
        assert usual_threads(queue.folder) == 7
    assert usual_threads(queue.folder) == 0
