"""`studio queue` and movies of `studio render`: the same queue as the app's, in sentences and in JSON."""

from __future__ import annotations

import json

import pytest

from studio.assets.gltf.writer import save_gltf
from studio.cli import main
from studio.render.queue import Queue
from studio.render.queue_run import LOCK
from studio.render.queue_store import locked
from studio.scene.project import save_project
from tests.render.stage import stage
from tests.said import told

SMALL = ("--size", "64x40", "--samples", "4", "--device", "cpu")


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("studio.render.queue_run.yield_processor", lambda: None)  # of the tests' own process
    return tmp_path / "data"


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    path = tmp_path_factory.mktemp("scene") / "stage.glb"
    save_gltf(stage(), path)
    return str(path)


def said(capsys, *arguments, code=0) -> tuple[str, str]:
    assert main([str(a) for a in arguments]) == code
    return capsys.readouterr()


def add(capsys, scene, tmp_path, *more, out="a.####.exr") -> int:
    events = told(capsys, "queue", "add", scene, "-o", tmp_path / out, *SMALL, *more)
    return next(event["id"] for event in events if event["event"] == "job")


def test_a_queue_from_its_first_job_to_its_files(capsys, scene, tmp_path):
    assert "empty" in said(capsys, "queue", "list")[1]
    job = add(capsys, scene, tmp_path, "--name", "night", "--frames", "1-2")
    assert "waiting" in said(capsys, "queue", "list")[0]
    events = told(capsys, "queue", "run")
    done = [event for event in events if event["event"] == "job"]
    assert [(e["id"], e["name"], e["state"], e["done"], e["total"]) for e in done] == [(job, "night", "done", 2, 2)]
    assert (tmp_path / "a.0002.exr").is_file()
    frames = [e for e in told(capsys, "queue", "list", job) if e["event"] == "frame"]
    assert [(e["frame"], e["state"], e["samples"]) for e in frames] == [(1, "done", 4), (2, "done", 4)]
    words = [e["text"] for e in told(capsys, "queue", "log", job)]
    assert words[0].startswith("Submitted") and words[-1] == "Done."
    assert told(capsys, "queue", "remove", job) == [{"event": "removed", "id": job}]
    assert told(capsys, "queue", "list")[-1]["jobs"] == 0


def test_jobs_are_paused_resumed_cancelled_retried_and_moved(capsys, scene, tmp_path):
    first, second = (add(capsys, scene, tmp_path, out=f"{name}.####.exr") for name in "ab")

    def states():
        return [(e["id"], e["state"]) for e in told(capsys, "queue", "list") if e["event"] == "job"]

    told(capsys, "queue", "pause", "--all")
    assert states() == [(first, "paused"), (second, "paused")]
    told(capsys, "queue", "resume", second)
    told(capsys, "queue", "move", second, 1)
    assert states() == [(second, "waiting"), (first, "paused")]
    told(capsys, "queue", "cancel", first, second)
    assert {state for _, state in states()} == {"cancelled"}
    told(capsys, "queue", "retry", first, "--frames", "2")
    assert dict(states())[first] == "waiting"
    told(capsys, "queue", "remove", "--all")
    assert [id_ for id_, _ in states()] == [first]


def test_flags_become_settings_and_a_file_of_settings_is_taken(capsys, scene, tmp_path):
    (tmp_path / "s.json").write_text(json.dumps({"samples": 7, "view": "Raw", "quality": 50}))
    job = add(
        capsys,
        scene,
        tmp_path,
        *("--settings", tmp_path / "s.json", "--aov", "depth,normal", "--float", "--one-part", "--exposure", "-1.5"),
        *("--burn-in", "bottom-right={frame}", "--slate", "--slate-text", "hello", "--no-audio", "--overwrite", "skip"),
    )
    queue = Queue()
    kept = queue.settings(job)
    queue.store.close()
    assert (kept.samples, kept.view, kept.quality, kept.half, kept.multi_part) == (4, "Raw", 50, False, False)
    assert kept.aovs == ("depth", "normal") and kept.exposure_ev == -1.5 and not kept.audio and kept.slate
    assert kept.burn_ins == ("", "", "", "", "", "{frame}") and kept.slate_texts == ("hello",)


@pytest.mark.parametrize(
    ("out", "more", "kind"),
    [
        ("a.####.png", (), "png8"),
        ("a.####.tif", ("--format", "tiff16"), "tiff16"),
        ("a.jpg", ("--frames", "1"), "jpeg"),
        ("a.mp4", (), "h264"),
        ("a.mov", (), "prores-422hq"),
        ("a", ("--format", "h265-10"), "h265-10"),
    ],
)
def test_the_format_follows_the_extension(capsys, scene, tmp_path, out, more, kind):
    job = add(capsys, scene, tmp_path, *more, out=out)
    queue = Queue()
    assert queue.settings(job).format == kind
    queue.store.close()


def test_a_project_gives_its_name_and_its_renders(capsys, tmp_path):
    project = tmp_path / "night.studio"
    save_project(stage(), project)
    events = told(capsys, "queue", "add", project, "-o", "{project}_{version}.####.exr", *SMALL)
    output = next(event["output"] for event in events if event["event"] == "job")
    assert output == str(project / "renders" / "night_v001.####.exr")


@pytest.mark.parametrize(
    ("code", "word", "arguments"),
    [
        (2, "ACTION", ["queue"]),
        (2, "no job 9", ["queue", "pause", "9"]),
        (2, "--all", ["queue", "cancel"]),
        (2, "whole number", ["queue", "log", "x"]),
        (10, "no scene", ["queue", "add", "nowhere.glb", "-o", "OUT/a.exr"]),
        (10, "cannot be read", ["queue", "add", "SCENE", "-o", "OUT/a.exr", "--settings", "nowhere.json"]),
        (2, "{scene}", ["queue", "add", "SCENE", "-o", "OUT/{scne}.####.exr"]),
        (2, "####", ["queue", "add", "SCENE", "-o", "OUT/a.exr"]),
        (2, "even", ["queue", "add", "SCENE", "-o", "OUT/a.mp4", "--size", "65x40"]),
        (2, "no format", ["queue", "add", "SCENE", "-o", "OUT/a.gif", "--format", "gif"]),
        (2, "burn-in", ["queue", "add", "SCENE", "-o", "OUT/a.####.png", "--burn-in", "middle=x"]),
        (2, "settings", ["queue", "add", "SCENE", "-o", "OUT/a.####.png", "--samples", "0"]),
        (2, "even", ["render", "SCENE", "-o", "OUT/a.mp4", "--size", "65x40"]),
        (2, "AOV", ["render", "SCENE", "-o", "OUT/a.mp4", "--aov", "depth"]),
        (2, "--codec", ["render", "SCENE", "-o", "OUT/a.png", "--codec", "h264"]),
        (2, "movie format", ["render", "SCENE", "-o", "OUT/a.mp4", "--codec", "vp9"]),
        (2, "transparency", ["render", "SCENE", "-o", "OUT/a.mp4", "--alpha"]),
        (2, "one file", ["render", "SCENE", "-o", "OUT/a.####.mp4"]),
    ],
)
def test_what_cannot_be_done_is_one_sentence(capsys, scene, tmp_path, code, word, arguments):
    arguments = [a.replace("SCENE", scene).replace("OUT", str(tmp_path)) for a in arguments]
    out, err = said(capsys, *arguments, code=code)
    sentences = [line for line in err.splitlines() if line.startswith("studio: ")]
    assert out == "" and len(sentences) == 1 and word in sentences[0] and "Traceback" not in err
    assert not [p for p in tmp_path.iterdir() if p.name != "data"]


def test_files_that_are_there_need_a_decision(capsys, scene, tmp_path):
    (tmp_path / "a.0001.exr").write_bytes(b"mine")
    assert "skip" in said(capsys, "queue", "add", scene, "-o", tmp_path / "a.####.exr", *SMALL, code=2)[1]
    assert add(capsys, scene, tmp_path, "--overwrite", "replace")


def test_a_second_runner_is_refused(capsys, scene, tmp_path, data):
    add(capsys, scene, tmp_path)
    with locked(data / "queue" / LOCK):
        assert "another runner" in said(capsys, "queue", "run", code=2)[1]
        assert told(capsys, "queue", "list")[-1]["runner"] is True


def test_a_damaged_queue_is_set_aside_in_a_sentence(capsys, data):
    (data / "queue").mkdir(parents=True)
    (data / "queue" / "queue.sqlite").write_bytes(b"no database at all" * 99)
    assert "set aside" in said(capsys, "queue", "list")[1]


def test_a_movie_is_rendered_and_its_frames_are_gone(capsys, scene, tmp_path):
    av = pytest.importorskip("av", reason="movies need PyAV")
    events = told(capsys, "render", scene, "-o", tmp_path / "m.mp4", "--codec", "h265-10", "--depth", "2", *SMALL)
    assert [e["frames"] for e in events if e["event"] == "movie"] == [2] and events[-1]["event"] == "done"
    with av.open(str(tmp_path / "m.mp4")) as container:
        assert len(list(container.decode(video=0))) == 2
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p10le"
    assert [p.name for p in tmp_path.iterdir() if p.name != "data"] == ["m.mp4"]
