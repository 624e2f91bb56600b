"""Streams, signals and flags of the command line at their worst: one sentence, the right code, no sample lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

import studio
from studio.assets.gltf.writer import save_gltf
from studio.cli import main
from studio.command_line.interrupts import Interrupts
from studio.render.session import RenderSession
from studio.scene.flatten import flatten
from tests.conftest import ROOT
from tests.render.stage import HEIGHT, WIDTH, same_bits, settings, sha256, stage
from tests.test_cli import fails

SMALL = ("--size", f"{WIDTH}x{HEIGHT}", "--device", "cpu")
posix = pytest.mark.skipif(os.name != "posix", reason="signals and devices of POSIX")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    path = tmp_path_factory.mktemp("scene") / "stage.glb"
    save_gltf(stage(), path)
    return str(path)


def command(scene, output, *flags) -> list[str]:
    return [sys.executable, "-m", "studio", "render", scene, "-o", str(output), "--frames", "1", *SMALL, *flags]


@pytest.mark.parametrize(
    ("code", "word", "flags"),
    [
        (2, "--filter-width", ["--filter-width", ""]),
        (2, "--clamp-indirect", ["--clamp-indirect", ""]),
        (2, "crop", ["--crop", ""]),
        (2, "sample range", ["--sample-range", ""]),
        (2, "compression", ["--compression", ""]),
        (2, "AOV", ["--aov", ""]),
        (2, "--denoise-scale", ["--denoise", "--denoise-scale", ""]),
        (2, "JPEG", ["-o", "OUT/f.jpg", "--bits", "16"]),
        (2, "JPEG", ["-o", "OUT/f.jpg", "--alpha"]),
        (14, "UTF-8", ["-o", "OUT/\udcff.exr"]),
    ],
)
def test_an_empty_or_senseless_flag_is_refused_before_anything_is_rendered(capsys, scene, tmp_path, code, word, flags):
    given = [flag.replace("OUT", str(tmp_path)) for flag in flags]
    said = fails(capsys, code, "render", scene, "-o", tmp_path / "f.exr", "--frames", "1", *SMALL, *given)
    assert word in said and not list(tmp_path.iterdir())


def test_a_scene_without_a_name_is_no_scene(capsys, tmp_path):
    assert "there is no scene ''" in fails(capsys, 10, "render", "", "-o", tmp_path / "f.exr")


def test_parts_that_differ_after_a_dot_are_two_files(scene, tmp_path):
    for name, samples in (("tile.1", "0:2"), ("tile.2", "2:4")):
        flags = ["--partial", "--frames", "1", "--samples", "4", "--sample-range", samples]
        assert main(["render", scene, "-o", str(tmp_path / name), *flags, *SMALL]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tile.1.part", "tile.2.part"]
    assert main(["merge", *map(str, sorted(tmp_path.iterdir())), "-o", str(tmp_path / "f.exr")]) == 0


@posix
@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_render_without_a_stream_is_a_render_all_the_same(scene, tmp_path, closed):
    redirect = {"stdout": ">&-", "stderr": "2>&-"}[closed]
    shell = ["sh", "-c", f'"$@" {redirect}', "sh", *command(scene, tmp_path / "f.exr", "--samples", "2")]
    ended = subprocess.run(shell, capture_output=True, text=True, cwd=ROOT, check=False)
    assert ended.returncode == 0 and "Traceback" not in ended.stderr and (tmp_path / "f.exr").is_file()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_log_without_room_stops_a_render_with_a_checkpoint(scene, tmp_path):
    with open("/dev/full", "w") as full:
        asked = command(scene, tmp_path / "f.exr", "--samples", "500000", "--json")
        ended = subprocess.run(asked, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    assert ended.returncode == 14 and "Traceback" not in ended.stderr
    assert "standard output" in ended.stderr.splitlines()[-1]
    with open("/dev/full", "w") as full:
        asked = command(scene, tmp_path / "g.exr", "--samples", "2")
        ended = subprocess.run(asked, stdout=subprocess.PIPE, stderr=full, text=True, cwd=ROOT, check=False)
    assert ended.returncode == 0 and ended.stdout.strip() == str(tmp_path / "g.exr")


@posix
def test_a_reader_that_goes_away_leaves_a_checkpoint_that_resumes_to_the_same_file(scene, tmp_path):
    flags = ("--samples", "900", "--json")
    process = subprocess.Popen(
        command(scene, tmp_path / "cut.exr", *flags),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "progress" and event["samples"] > 20:
            break
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 141 and "Traceback" not in said and "cut.part" in said
    assert [path.name for path in tmp_path.iterdir()] == ["cut.part"]
    for name in ("cut.exr", "straight.exr"):
        assert main([*command(scene, tmp_path / name, *flags)[3:], "--resume"]) == 0
    assert sha256(tmp_path / "cut.exr") == sha256(tmp_path / "straight.exr")


@posix
def test_a_closed_terminal_is_a_reason_to_stop_unless_it_is_to_be_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the run of the tests may itself be one that ignores it
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
            assert interrupts.reason() == "interrupted" and interrupts.exit_code == 129
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interrupts.reason()
    finally:
        signal.signal(signal.SIGHUP, before)


@posix
def test_a_second_signal_ends_with_its_own_code():
    with pytest.raises(SystemExit) as ended, Interrupts():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        signal.sigtimedwait([], 1.0)
    assert ended.value.code == 143


@pytest.mark.parametrize(
    ("word", "asked"),
    [
        ("seed", {"seed": -1}),
        ("error", {"error": float("nan")}),
        ("most", {"samples": 1 << 20}),
        ("most", {"depth": 1 << 20}),
        ("cannot render", {"size": (float("nan"), 8)}),
    ],
)
def test_the_public_function_refuses_what_the_command_line_refuses(word, asked):
    with pytest.raises(studio.StudioError, match=word):
        studio.render(stage(), **{"size": (8, 8), "samples": 1, **asked})


def test_a_session_that_was_cut_short_anywhere_renders_the_next_frame_right():
    flat = flatten(stage(), 1)

    def impatient(now):
        raise KeyboardInterrupt

    with RenderSession(device="cpu", threads=2) as session:
        whole = session.render_frame(flat, settings()).film
        with pytest.raises(KeyboardInterrupt):
            session.render_frame(flat, settings(samples=64), progress=impatient)
        assert same_bits(session.render_frame(flat, settings()).film, whole)


@posix
def test_a_worker_that_hangs_at_its_end_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("studio.render.process._LAST_S", 0.2)
    with RenderSession(device="cpu", threads=1) as session:
        os.kill(session.worker_pid, signal.SIGSTOP)
        assert "signal 9" in session._worker.last_words()
