"""The command line: exit codes, sentences, JSON events, and exact splitting from end to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import studio
from studio.assets.gltf.writer import save_gltf
from studio.cli import main
from tests.conftest import ROOT
from tests.render.stage import HEIGHT, WIDTH, sha256, stage

SMALL = ("--size", f"{WIDTH}x{HEIGHT}", "--device", "cpu")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    path = tmp_path_factory.mktemp("scene") / "stage.glb"
    save_gltf(stage(), path)
    return str(path)


@pytest.fixture
def events(capsys):
    def read():
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return read


def fails(capsys, code, *arguments) -> str:
    """The one sentence of a command that ends with this code, and prints nothing else."""
    assert main([str(argument) for argument in arguments]) == code
    out, err = capsys.readouterr()
    sentences = [line for line in err.splitlines() if line.startswith("studio: ")]
    assert out == "" and len(sentences) == 1 and "Traceback" not in err
    return sentences[0]


# what is refused before anything is rendered


@pytest.mark.parametrize(
    ("code", "word", "arguments"),
    [
        (2, "COMMAND", ["--nonsense"]),
        (2, "invalid choice", ["rendr"]),
        (2, "--output", ["render", "SCENE"]),
        (10, "nowhere.glb", ["render", "nowhere.glb", "-o", "OUT/f.exr"]),
        (10, "there is no scene", ["render", "a\0b.glb", "-o", "OUT/f.exr"]),
        (2, "####", ["render", "SCENE", "-o", "OUT/f.exr", "--frames", "1-3"]),
        (2, "frame range", ["render", "SCENE", "-o", "OUT/f.####.exr", "--frames", "3-1"]),
        (2, "gif", ["render", "SCENE", "-o", "OUT/f.gif"]),
        (2, "no AOV named 'dept'", ["render", "SCENE", "-o", "OUT/f.exr", "--aov", "dept"]),
        (2, "AOVs", ["render", "SCENE", "-o", "OUT/f.png", "--aov", "depth"]),
        (2, "AOVs", ["render", "SCENE", "-o", "OUT/f.png", "--light-layers"]),
        (2, "time limit", ["render", "SCENE", "-o", "OUT/f.exr", "--light-layers", "--time-limit", "9"]),
        (2, "partial", ["render", "SCENE", "-o", "OUT/f", "--light-layers", "--partial"]),
        (2, "no view 'Filmic'", ["render", "SCENE", "-o", "OUT/f.png", "--view", "Filmic"]),
        (2, "--view", ["render", "SCENE", "-o", "OUT/f.exr", "--view", "aces"]),
        (2, "--compression", ["render", "SCENE", "-o", "OUT/f.png", "--compression", "piz"]),
        (2, "no EXR compression", ["render", "SCENE", "-o", "OUT/f.exr", "--compression", "lzma"]),
        (2, "--bits", ["render", "SCENE", "-o", "OUT/f.png", "--bits", "12"]),
        (2, "no device 'gpu'", ["render", "SCENE", "-o", "OUT/f.exr", "--device", "gpu"]),
        (2, "size", ["render", "SCENE", "-o", "OUT/f.exr", "--size", "1280"]),
        (2, "too large", ["render", "SCENE", "-o", "OUT/f.exr", "--size", "70000x2"]),
        (2, "crop", ["render", "SCENE", "-o", "OUT/f.exr", "--crop", "0,0,2000,10"]),
        (2, "crop", ["render", "SCENE", "-o", "OUT/f.exr", "--crop", "5,5,5,9"]),
        (2, "crop", ["render", "SCENE", "-o", "OUT/f.exr", "--crop", "everything"]),
        (2, "--samples", ["render", "SCENE", "-o", "OUT/f.exr", "--samples", "0"]),
        (2, "sample range", ["render", "SCENE", "-o", "OUT/f.exr", "--sample-range", "8:8"]),
        (2, "beyond", ["render", "SCENE", "-o", "OUT/f.exr", "--sample-range", "0:9", "--samples", "8"]),
        (2, "--error", ["render", "SCENE", "-o", "OUT/f.exr", "--error", "nan"]),
        (2, "--sample-range", ["render", "SCENE", "-o", "OUT/f.exr", "--error", "0.1", "--sample-range", "0:9"]),
        (2, "multiples", ["render", "SCENE", "-o", "OUT/f", "--partial", "--error", "0.1", "--crop", "1,0,8,8"]),
        (2, "filter", ["render", "SCENE", "-o", "OUT/f.exr", "--filter", "gauss"]),
        (2, "--time-limit", ["render", "SCENE", "-o", "OUT/f.exr", "--time-limit", "-1"]),
        (2, "--denoise", ["render", "SCENE", "-o", "OUT/f.exr", "--denoise-scale", "2"]),
        (2, "seed", ["render", "SCENE", "-o", "OUT/f.exr", "--seed", "x"]),
        (14, "cannot write", ["render", "SCENE", "-o", "OUT/taken/f.exr"]),
        (14, "too long", ["render", "SCENE", "-o", f"OUT/{'x' * 300}.exr", "--frames", "1"]),
        (2, "folder", ["render", "SCENE", "-o", "OUT/f.exr/"]),
        (2, "no demo", ["demo", "castle", "-o", "OUT/c.glb"]),
        (2, "must end in", ["demo", "hall", "-o", "OUT/c.obj"]),
        (2, "must end in", ["convert", "SCENE", "OUT/c.fbx"]),
        (10, "missing.glb", ["info", "missing.glb"]),
        (10, "missing.part", ["merge", "missing.part", "-o", "OUT/f.exr"]),
        (2, "extension", ["merge", "missing.part", "-o", "OUT/f.gif"]),
        (2, "no benchmark", ["bench", "nothing-like-it"]),
    ],
)
def test_what_cannot_be_done_is_one_sentence_with_its_code(capsys, scene, tmp_path, code, word, arguments):
    (tmp_path / "taken").write_text("a file where a folder should be")
    given = [a.replace("SCENE", scene) if a == "SCENE" else a.replace("OUT", str(tmp_path)) for a in arguments]
    assert word in fails(capsys, code, *given)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize("data", [b"", b"glTF", b"glTF\2\0\0\0\xff\xff\xff\xff", b"{}" * 40])
def test_a_broken_scene_is_named_and_leaves_nothing(capsys, tmp_path, data):
    (tmp_path / "broken.glb").write_bytes(data)
    assert "broken.glb" in fails(capsys, 10, "render", tmp_path / "broken.glb", "-o", tmp_path / "f.exr", *SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["broken.glb"]


def test_a_camera_that_does_not_exist_is_named(capsys, scene, tmp_path):
    assert '"Left"' in fails(capsys, 10, "render", scene, "-o", tmp_path / "f.exr", "--camera", "Left", *SMALL)


def test_an_image_too_large_for_the_machine_is_out_of_memory(capsys, scene, tmp_path):
    word = fails(capsys, 13, "render", scene, "-o", tmp_path / "f.exr", "--size", "40000x40000", "--device", "cpu")
    assert "crops" in word


def test_errors_are_events_too(capsys):
    assert main(["info", "missing.glb", "--json"]) == 10
    out, err = capsys.readouterr()
    event = json.loads(out)
    assert event["event"] == "error" and event["code"] == 10 and event["message"] in err


def test_a_fault_that_nobody_foresaw_is_still_a_sentence(capsys, monkeypatch):
    def explode(*arguments, **options):
        raise RecursionError("too deep")

    monkeypatch.setattr("studio.assets.load.load_scene", explode)
    assert "RecursionError: too deep" in fails(capsys, 1, "info", "scene.glb")


def test_a_folder_named_like_a_command_does_not_hide_it(capsys, tmp_path, monkeypatch):
    (tmp_path / "demo").mkdir()
    monkeypatch.chdir(tmp_path)
    assert "castle" in fails(capsys, 2, "demo", "castle", "-o", "c.glb")


def test_debugging_shows_where_a_fault_came_from(monkeypatch):
    monkeypatch.setenv("MYRIAD_DEBUG", "1")
    with pytest.raises(studio.StudioError):
        main(["info", "missing.glb"])


# rendering


def test_a_render_tells_its_story_in_json(scene, tmp_path, events):
    output = tmp_path / "new" / "f.exr"
    assert main(["render", scene, "-o", str(output), "--samples", "4", "--frames", "1", "--json", *SMALL]) == 0
    told = events()
    assert {"device", "progress", "frame", "done"} <= {event["event"] for event in told}
    done = told[-1]
    assert done["event"] == "done" and done["frame"] == 1 and done["samples"] == 4
    assert set(done["seconds"]) == {"load", "compile", "build", "render", "denoise", "write"}
    assert done["rays"] > WIDTH * HEIGHT * 4 and done["peak_bytes"] > 0 and done["device"].startswith("cpu")
    assert output.is_file()


def test_parts_merge_to_the_file_of_the_whole(scene, tmp_path, capsys):
    def render(output, *flags):
        common = [
            "--samples",
            "6",
            "--frames",
            "1",
            "--cryptomatte",
            "--aov",
            "depth,samples",
            "--light-groups",
            *SMALL,
        ]
        assert main(["render", scene, "-o", str(tmp_path / output), *common, *flags]) == 0

    render("whole.exr")
    render("one.exr", "--threads", "1")
    render("a.part", "--partial", "--crop", f"0,0,20,{HEIGHT}")
    render("b.part", "--partial", "--crop", f"20,0,{WIDTH},{HEIGHT}", "--sample-range", "0:2", "--threads", "1")
    render("c.part", "--partial", "--crop", f"20,0,{WIDTH},{HEIGHT}", "--sample-range", "2:6")
    parts = [str(tmp_path / f"{name}.part") for name in "cab"]
    capsys.readouterr()
    assert main(["merge", *parts, "-o", str(tmp_path / "merged.exr")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "merged.exr")
    assert sha256(tmp_path / "merged.exr") == sha256(tmp_path / "whole.exr") == sha256(tmp_path / "one.exr")
    # in two steps, and through the view
    assert main(["merge", *parts[::2], "-o", str(tmp_path / "right.part"), "--allow-gaps"]) == 0
    assert main(["merge", parts[1], str(tmp_path / "right.part"), "-o", str(tmp_path / "again.exr")]) == 0
    assert sha256(tmp_path / "again.exr") == sha256(tmp_path / "whole.exr")
    capsys.readouterr()
    assert "samples 2:6" in fails(capsys, 2, "merge", *parts[1:], "-o", tmp_path / "gap.exr")
    assert "both hold" in fails(capsys, 2, "merge", *parts, parts[0], "-o", tmp_path / "twice.exr")
    assert "denoise" in fails(capsys, 2, "merge", *parts, "-o", tmp_path / "d.exr", "--denoise")
    assert main(["info", parts[0]]) == 0
    assert "2:6" in capsys.readouterr().out


def test_a_time_limit_leaves_a_checkpoint_and_its_code(scene, tmp_path, events):
    command = ["render", scene, "-o", str(tmp_path / "f.exr"), "--samples", "500000", "--frames", "1", "--json", *SMALL]
    assert main([*command, "--time-limit", "0.5"]) == 124
    last = events()[-1]
    assert last["event"] == "stopped" and last["code"] == 124 and last["samples"] > 0
    assert last["checkpoint"] == str(tmp_path / "f.part")
    assert [path.name for path in tmp_path.iterdir()] == ["f.part"]


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_a_checkpoint_that_resumes_to_the_same_file(scene, tmp_path, number, code):
    samples = ["--frames", "1", "--samples", "900", *SMALL]
    command = [sys.executable, "-m", "studio", "render", scene, "-o", str(tmp_path / "cut.exr"), *samples, "--json"]
    held = signal.signal(number, signal.default_int_handler)  # a test run in the background may ignore it, and children
    try:  # inherit that
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    finally:
        signal.signal(number, held)
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "progress" and event["samples"] > 20:
            process.send_signal(number)
            break
    out, err = process.communicate()
    assert process.returncode == code, err
    assert json.loads(out.splitlines()[-1])["event"] == "stopped" and "--resume" in err
    assert not (tmp_path / "cut.exr").exists()
    assert main([*command[3:], "--resume"]) == 0
    assert main(["render", scene, "-o", str(tmp_path / "straight.exr"), *samples]) == 0
    assert sha256(tmp_path / "cut.exr") == sha256(tmp_path / "straight.exr")
    assert not (tmp_path / "cut.part").exists()


def test_a_worker_ends_with_a_command_that_is_killed(scene, tmp_path, capsys):
    if not os.path.isdir("/proc/self/task"):
        pytest.skip("looks for the process in /proc")
    command = [sys.executable, "-m", "studio", "render", scene, "-o", str(tmp_path / "f.exr"), *SMALL, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
    next(line for line in process.stdout if '"device"' in line)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while any(os.path.exists(f"/proc/{child}") for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert children and not any(os.path.exists(f"/proc/{child}") for child in children)


# the other commands


def test_info_counts_what_is_there(scene, capsys, events):
    assert main(["info", scene]) == 0
    assert "1 camera" in capsys.readouterr().out
    assert main(["info", scene, "--json"]) == 0
    facts = events()[0]
    assert facts["lights"] == {"point": 2} and facts["objects"] == 4 and facts["cameras"] == ["Main"]


def test_a_scene_is_converted_to_a_project_and_back(scene, tmp_path, events):
    assert main(["convert", scene, str(tmp_path / "p.studio")]) == 0
    assert main(["convert", str(tmp_path / "p.studio"), str(tmp_path / "back.glb")]) == 0
    events_of = {}
    for path in (scene, str(tmp_path / "back.glb")):
        assert main(["info", path]) == 0
        events_of[path] = main(["info", path, "--json"])
    assert set(events_of.values()) == {0}


def test_a_demo_is_written(tmp_path, capsys):
    assert main(["demo", "rig", "-o", str(tmp_path / "rig.glb")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "rig.glb")
    assert (tmp_path / "rig.glb").stat().st_size > 10_000


def test_the_doctor_reports_devices_libraries_and_kernels(events):
    assert main(["doctor", "--device", "cpu", "--json"]) == 0
    told = events()
    checked = {event["what"] for event in told if event["event"] == "check"}
    assert {"device cpu", "taichi", "colour (OCIO)", "denoiser (OIDN)", "kernels"} <= checked
    assert told[-1]["event"] == "done" and told[-1]["device"] == "cpu"


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as done:
        main(["--help"])
    assert done.value.code == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("render", "merge", "info", "convert", "demo", "doctor", "bench", "app"))


def test_a_worker_that_was_started_ahead_ends_with_a_request_that_is_refused(capsys, scene, tmp_path, monkeypatch):
    from studio.render import spawn

    started = []
    real = spawn.spawn
    monkeypatch.setattr(spawn, "spawn", lambda: started.append(real()) or started[-1])
    fails(capsys, 2, "render", scene, "-o", str(tmp_path / "f.exr"), "--samples", "none")
    (worker,) = started
    assert worker.process.poll() is not None and spawn._ahead == []
