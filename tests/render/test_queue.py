"""The queue without its runner: what is kept of jobs, what may be done with them, what is found before they start."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import BadAsset, CannotWrite, Unsupported, UsageError
from studio.render import burnin, queue_check, video_tags
from studio.render.export import FORMATS, ExportSettings, check_values, frames_of, look_of, read_export, render_settings
from studio.render.export_names import preview_name
from studio.render.queue import Queue
from studio.render.queue_check import check_export, estimate_bytes
from studio.render.queue_scenes import FOLDER
from studio.render.queue_states import _FRAME, _JOB, next_frame, next_job, verdict
from studio.render.queue_store import Locked, is_locked, locked
from studio.scene.project import save_project, save_version
from studio.scene.scene import Scene
from studio.scene.timeline import Audio, Timeline
from tests.render.stage import stage


@pytest.fixture
def queue(tmp_path):
    made = Queue(tmp_path / "queue" / "queue.sqlite")
    yield made
    made.store.close()


def asked(folder, **values) -> ExportSettings:
    return ExportSettings(
        **{"output": f"{folder}/{{scene}}.####.png", "format": "png8", "width": 64, "height": 36, "frames": "1-3"}
        | values
    )


# jobs


def test_a_job_keeps_what_was_asked_and_the_scene_as_it_was(queue, tmp_path):
    scene = stage()
    job = queue.add(scene, asked(tmp_path, samples=12), name="night")
    state = queue.job(job)
    assert (state.name, state.state, state.total, state.done) == ("night", "waiting", 3, 0)
    assert state.output == str(tmp_path / "stage.####.png") and state.eta_s is None
    assert [frame.path.name for frame in queue.frames(job)] == [f"stage.000{n}.png" for n in (1, 2, 3)]
    assert {frame.state for frame in queue.frames(job)} == {"waiting"} and queue.frames(job)[0].of == 12
    kept = queue.scene(job)
    assert dict(kept.entities) == dict(scene.entities) and set(kept.meshes) == set(scene.meshes)
    assert queue.settings(job) == asked(tmp_path, samples=12)


def test_jobs_outlive_the_program(queue, tmp_path):
    job = queue.add(stage(), asked(tmp_path))
    queue.store.close()
    again = Queue(tmp_path / "queue" / "queue.sqlite")
    assert [state.id for state in again.jobs()] == [job] and not again.notes
    again.store.close()


def test_the_same_scene_is_kept_once_and_swept_when_nobody_needs_it(queue, tmp_path):
    first, second = (queue.add(stage(), asked(tmp_path)) for _ in range(2))
    other = queue.add(stage().replace("key", intensity=5.0), asked(tmp_path))
    kept = queue.folder / FOLDER
    assert len(list((kept / "versions").iterdir())) == 2
    assets = set((kept / "assets").iterdir())
    queue.remove([first, other])
    assert len(list((kept / "versions").iterdir())) == 1 and set((kept / "assets").iterdir()) == assets
    assert queue.scene(second).entities
    queue.remove([second])
    assert not list((kept / "versions").iterdir()) and not list((kept / "assets").iterdir())


def test_a_change_shows_in_the_revision_and_reading_does_not(queue, tmp_path):
    revisions = [queue.revision()]
    job = queue.add(stage(), asked(tmp_path))
    revisions.append(queue.revision())
    queue.pause([job])
    revisions.append(queue.revision())
    queue.jobs(), queue.frames(job), queue.log(job)
    assert revisions == sorted(set(revisions)) and queue.revision() == revisions[-1]


def test_another_process_sees_what_changed(queue, tmp_path):
    watcher = Queue(tmp_path / "queue" / "queue.sqlite")
    before = watcher.revision()
    queue.add(stage(), asked(tmp_path))
    assert watcher.revision() > before and len(watcher.jobs()) == 1
    watcher.store.close()


def test_jobs_are_paused_resumed_cancelled_and_reordered(queue, tmp_path):
    a, b, c = (queue.add(stage(), asked(tmp_path), name=name) for name in "abc")
    queue.pause([a, b])
    queue.cancel([b])
    assert [state.state for state in queue.jobs()] == ["paused", "cancelled", "waiting"]
    assert {frame.state for frame in queue.frames(b)} == {"cancelled"}
    queue.resume([a, b])
    assert [state.state for state in queue.jobs()] == ["waiting"] * 3
    assert {frame.state for frame in queue.frames(b)} == {"waiting"}
    queue.move([c], 0)
    assert [state.id for state in queue.jobs()] == [c, a, b]
    queue.move([c, a], 99)
    assert [state.id for state in queue.jobs()] == [b, c, a]
    assert [line.text.split(":")[0] for line in queue.log(b)] == ["Submitted", "Paused.", "Cancelled.", "Resumed."]


def test_what_makes_no_sense_changes_nothing(queue, tmp_path):
    job = queue.add(stage(), asked(tmp_path))
    queue.cancel([job])
    queue.pause([job])
    assert queue.job(job).state == "cancelled"
    for act in (queue.pause, queue.resume, queue.cancel, queue.retry, queue.remove):
        with pytest.raises(UsageError, match="no job 99"):
            act([99])


def test_many_threads_may_use_one_queue(queue, tmp_path):
    scene, faults = stage(), []

    def add() -> None:
        try:
            for _ in range(3):
                queue.pause([queue.add(scene, asked(tmp_path))])
        except Exception as fault:
            faults.append(fault)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults and [state.state for state in queue.jobs()] == ["paused"] * 12


def test_files_that_are_there_are_asked_about(queue, tmp_path):
    (tmp_path / "stage.0002.png").write_bytes(b"mine")
    with pytest.raises(UsageError, match="skip or to replace"):
        queue.add(stage(), asked(tmp_path))
    queue.add(stage(), asked(tmp_path, overwrite="skip"))
    queue.add(stage(), asked(tmp_path, overwrite="replace"))
    assert not queue.jobs()[0].done


def test_a_movie_keeps_its_frames_in_the_folder_of_its_job(queue, tmp_path):
    job = queue.add(stage(), asked(tmp_path, output=str(tmp_path / "m"), format="h264"))
    assert queue.job(job).output == str(tmp_path / "m.mp4")
    assert all(frame.path.parent == queue.job_folder(job) / "frames" for frame in queue.frames(job))


def test_a_relative_output_lies_in_the_projects_renders(queue, tmp_path):
    project = tmp_path / "hall{1}.studio"
    save_project(stage(), project)
    save_version(stage(), project)
    save_version(stage(), project)
    settings = asked(tmp_path, output="{project}_{version}.####")
    names = preview_name(settings, stage(), project)
    assert names == [str(project / "renders" / f"hall{{1}}_v002.000{n}.png") for n in (1, 3)]
    assert queue.job(queue.add(stage(), settings, project=project)).output.startswith(str(project / "renders"))


# the state machine


def test_every_state_can_be_left_and_none_is_made_up():
    jobs = {"waiting", "rendering", "paused", "done", "failed", "cancelled"}
    frames = {"waiting", "rendering", "encoding", "done", "skipped", "failed", "cancelled"}
    for table, states in ((_JOB, jobs), (_FRAME, frames)):
        assert {state for state, _ in table} == states and set(table.values()) <= states


@given(st.lists(st.sampled_from(sorted({event for _, event in _JOB} | {event for _, event in _FRAME})), max_size=30))
def test_any_row_of_events_ends_in_a_state(events):
    job, frame = "waiting", "waiting"
    for event in events:
        job, frame = next_job(job, event) or job, next_frame(frame, event) or frame
    assert next_job(job, "nonsense") is None and next_frame(frame, "nonsense") is None


def test_a_job_ends_by_its_frames():
    assert verdict(["done", "waiting"]) is None and verdict(["done", "encoding"]) is None
    assert verdict(["done", "skipped", "cancelled"]) == "finish" and verdict(["done", "failed"]) == "fail"


# damaged and hostile


@pytest.mark.parametrize("damage", ["text", "half", "other", "tables"])
def test_a_damaged_database_is_set_aside_in_a_sentence(tmp_path, damage):
    file = tmp_path / "queue.sqlite"
    queue = Queue(file)
    queue.add(stage(), asked(tmp_path))
    queue.store.close()
    if damage == "text":
        file.write_bytes(b"this was a queue once" * 1000)
    elif damage == "half":
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
    else:
        file.unlink()
        db = sqlite3.connect(file)
        db.execute("CREATE TABLE jobs (id INTEGER)")
        db.execute(f"PRAGMA user_version = {1 if damage == 'tables' else 0}")
        db.commit()
        db.close()
    again = Queue(file)
    assert again.jobs() == () and "set aside" in again.notes[0] and "\n" not in again.notes[0]
    assert len(list(tmp_path.glob("queue.damaged-*.sqlite"))) == 1
    assert again.add(stage(), asked(tmp_path)) and len(again.jobs()) == 1
    again.store.close()


def test_the_queue_of_a_newer_studio_is_refused_and_left_alone(tmp_path):
    file = tmp_path / "queue.sqlite"
    db = sqlite3.connect(file)
    db.execute("PRAGMA user_version = 99")
    db.commit()
    db.close()
    before = file.read_bytes()
    with pytest.raises(Unsupported, match="newer"):
        Queue(file)
    assert file.read_bytes() == before


def test_a_folder_that_takes_no_files_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotWrite, match="file"):
        Queue(tmp_path / "file" / "queue.sqlite")


def test_a_damaged_scene_is_named(queue, tmp_path):
    job = queue.add(stage(), asked(tmp_path))
    for file in (queue.folder / FOLDER / "assets").iterdir():
        file.write_bytes(b"broken")
    with pytest.raises(BadAsset, match="damaged"):
        queue.scene(job)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"null",
        b'{"width": 0}',
        b'{"width": 1e9}',
        b'{"width": "1920"}',
        b'{"samples": -1}',
        b'{"error": 1e999}',
        b'{"error": NaN}',
        b'{"unknown": 1}',
        b'{"format": "gif"}',
        b'{"frames": "9-1"}',
        b'{"frames": "1-99999999"}',
        b'{"aovs": ["beauty"]}',
        b'{"view": "nothing"}',
        b'{"display": "x"}',
        b'{"burn_ins": ["a","a","a","a","a","a","a"]}',
        b'{"compression": "zstd"}',
        b'{"overwrite": "always"}',
        b'{"device": "/dev/null"}',
        b'{"output": "' + b"x" * 5000 + b'"}',
        b'\xff\xfe{"width": 1}',
        b"[" * 100_000,
    ],
)
def test_settings_that_cannot_be_are_one_sentence(text):
    with pytest.raises(UsageError) as told:
        read_export(text)
    assert "\n" not in str(told.value) and len(str(told.value)) < 600


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9), st.lists, max_leaves=5)
)
def test_any_value_of_any_setting_is_taken_or_refused_in_a_sentence(value):
    for name in ExportSettings.__struct_fields__:
        try:
            text = msgspec.json.encode({name: value})
        except (ValueError, OverflowError, UnicodeEncodeError):
            return
        try:
            read_export(text)
        except UsageError as fault:
            assert str(fault)


def test_settings_survive_their_json():
    settings = ExportSettings(aovs=("depth",), burn_ins=("{frame}",), exposure_ev=-1.5, slate=True)
    assert read_export(msgspec.json.encode(settings)) == settings
    check_values(settings)


def test_formats_without_layers_are_rendered_without_them():
    settings = ExportSettings(aovs=("depth",), cryptomatte=True, format="png16", alpha=True)
    assert render_settings(settings).aovs == () and not render_settings(settings).cryptomatte
    assert look_of(settings).bits == 16 and look_of(settings).alpha
    assert render_settings(ExportSettings(aovs=("depth",))).aovs == ("depth",)


def test_the_frames_are_the_scenes_where_nobody_says():
    assert frames_of(ExportSettings(), stage()) == [1, 2] and frames_of(ExportSettings(frames="5,1"), stage()) == [5, 1]
    with pytest.raises(UsageError, match="frames"):
        frames_of(ExportSettings(), replace(stage(), frame_end=1e6))


# before the start


def findings(scene=None, settings=None, project=None, **values):
    return check_export(scene or stage(), settings or ExportSettings(**{"frames": "1-2"} | values), project)


def errors(*args, **values):
    return [finding.sentence for finding in findings(*args, **values) if finding.severity == "error"]


def test_a_sound_export_has_nothing_but_its_size_to_say(tmp_path):
    found = findings(output=f"{tmp_path}/a.####.exr")
    assert [(finding.severity, finding.field) for finding in found] == [("info", "output")]
    assert "MB" in found[0].sentence


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("####", {"output": "OUT/a.exr"}),
        ("{scene}", {"output": "OUT/{scne}.####.exr"}),
        ("leaves", {"output": "../a.####.exr"}),
        ("backwards", {"frames": "9-1"}),
        ("camera", {"camera": "nobody"}),
        ("even", {"format": "h264", "output": "OUT/a", "width": 641}),
        ("10 bits", {"format": "h264", "output": "OUT/a", "display": "Rec.2100-PQ - Display"}),
        ("no format", {"format": "gif"}),
        ("no AOV", {"aovs": ("beauty",)}),
        ("no token", {"format": "png8", "burn_ins": ("{fram}",)}),
        ("takes no files", {"output": "OUT/file/a.####.exr"}),
        ("is a folder", {"output": "OUT/folder", "format": "h264"}),
        ("view", {"view": "nothing"}),
    ],
)
def test_what_stops_an_export_is_said(tmp_path, word, values):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder.mp4").mkdir()
    values = {"output": "OUT/a.####.exr"} | values
    told = errors(**{**values, "output": values["output"].replace("OUT", str(tmp_path))})
    assert len(told) == 1 and word in told[0] and not told[0][0].islower() and told[0].endswith(".")


def test_a_place_that_nobody_may_look_at_is_said(tmp_path, monkeypatch):
    look = Path.is_dir

    def refused(path):
        if "shut" in path.parts[:-1]:
            raise PermissionError(13, "Permission denied")
        return look(path)

    monkeypatch.setattr(Path, "is_dir", refused)
    for values in ({}, {"format": "h264"}):
        (told,) = errors(output=f"{tmp_path}/shut/in/a.####", **values)
        assert "takes no files" in told


def test_what_an_artist_should_know_is_said(tmp_path):
    dark = Scene(name="empty")
    words = " ".join(
        f.sentence for f in findings(dark, output=f"{tmp_path}/a.####.png", format="png8", aovs=("depth",))
    )
    assert "no camera" in words and "no layers" in words and "black" in words
    words = " ".join(f.sentence for f in findings(output=f"{tmp_path}/a.####.exr", burn_ins=("x",), compression="dwaa"))
    assert "never drawn into EXR" in words and "loses a little" in words
    words = " ".join(f.sentence for f in findings(output=f"{tmp_path}/a.####", format="h264", alpha=True))
    assert "transparency" in words and "one file" in words


def test_files_that_are_there_are_found_and_named_as_such(tmp_path):
    (tmp_path / "a.0002.exr").write_bytes(b"")
    for overwrite, severity in (("ask", "warning"), ("skip", "info"), ("replace", "info")):
        found = [f for f in findings(output=f"{tmp_path}/a.####.exr", overwrite=overwrite) if f.kind == "exists"]
        assert [f.severity for f in found] == [severity]


def test_a_sound_that_is_gone_is_found(tmp_path):
    scene = replace(stage(), timeline=Timeline(audio=Audio(path="gone.wav")))
    asked = {"output": f"{tmp_path}/a", "format": "h264"}
    assert "gone.wav" in errors(scene, ExportSettings(frames="1-2", **asked), tmp_path)[0]
    assert not errors(scene, ExportSettings(frames="1-2", audio=False, **asked), tmp_path)


def test_a_missing_extra_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(queue_check, "video_missing", lambda codec="": "Movies need PyAV.")
    assert errors(output=f"{tmp_path}/a", format="h264") == ["Movies need PyAV."]
    assert video_tags.EXTRA


def test_a_disk_without_room_is_found(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=1000))
    told = errors(output=f"{tmp_path}/a.####.exr")
    assert len(told) == 1 and "1 kB free" in told[0]


def test_texts_in_chinese_need_a_font(tmp_path, monkeypatch):
    monkeypatch.setattr(burnin, "_CJK", ())
    told = [f.sentence for f in findings(output=f"{tmp_path}/a.####.png", format="png8", burn_ins=("灯光",))]
    assert any("Noto" in sentence for sentence in told)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_an_estimate(name):
    there, meanwhile = estimate_bytes(stage(), ExportSettings(format=name, aovs=("depth", "normal")), 10)
    assert 1e5 < there < 1e10 and (meanwhile > 0) == FORMATS[name].movie


# locks


def test_a_lock_is_held_by_one_and_gone_with_it(tmp_path):
    file = tmp_path / "x.lock"
    assert not is_locked(file)
    with locked(file):
        assert is_locked(file)
        with pytest.raises(Locked), locked(file, wait=False):
            pass
    assert not is_locked(file)
    with locked(file, wait=False):
        pass
