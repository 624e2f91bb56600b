"""The export's commands: settings that are the scene's, and jobs for the queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.commands import export
from studio.commands.face import Headless
from studio.commands.studio import Studio
from studio.errors import BadAsset, UsageError
from studio.scene.entities import Camera
from studio.scene.lights import Light
from studio.scene.project import load_project, save_project
from studio.scene.scene import Scene


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MYRIAD_CONFIG", str(tmp_path / "config"))
    scene = Scene(name="yard", camera="cam", frame_end=3.0).add(
        Camera(id="cam", name="Main"), Light(id="l", light="point", unit="cd")
    )
    made = Studio(face=Headless(), scene=scene)
    made.run("export.set", name="output", value=str(tmp_path / "out" / "{scene}.####.exr"))
    return made


def test_settings_belong_to_the_scene_and_are_undone(studio: Studio, tmp_path: Path) -> None:
    studio.run("export.set", name="samples", value=32)
    studio.run("export.set", name="format", value="png16")
    assert export.export_of(studio.scene).samples == 32
    save_project(studio.scene, tmp_path / "p.studio")
    assert export.export_of(load_project(tmp_path / "p.studio")).format == "png16"
    assert studio.document.undo()
    assert export.export_of(studio.scene).format == "exr"


def test_values_that_cannot_be_are_refused_and_change_nothing(studio: Studio) -> None:
    before = studio.scene
    for name, value in (("samples", 0), ("samples", "many"), ("format", "bmp"), ("width", -3), ("burn_ins", [1])):
        with pytest.raises(UsageError):
            studio.run("export.set", name=name, value=value)
    with pytest.raises(UsageError, match="an export has"):
        studio.run("export.set", name="colour", value="red")
    assert studio.scene is before


def test_what_cannot_be_read_of_the_settings_is_as_usual() -> None:
    found = export.export_of(Scene(extra={"export": {"samples": "many", "weather": 1, "depth": 5}}), (320, 180))
    assert (found.samples, found.depth, found.width) == (256, 5, 320)
    assert found.output == "~/Myriad/{scene}.####.exr", "not into the folder that the program happens to be started in"
    assert export.export_of(Scene(extra={"export": [1]})).samples == 256


def test_a_scene_goes_into_the_queue_as_it_is_now(studio: Studio) -> None:
    studio.run("export.add", run=False)
    (job,) = export.queue_of_machine().jobs()
    assert (job.name, job.state, job.total) == ("yard", "waiting", 3)
    studio.select(["l"])
    studio.run("edit.delete")
    kept = export.queue_of_machine().scene(job.id)
    assert "l" in kept.entities, "what the artist does afterwards is another picture"


def test_what_cannot_be_rendered_is_said_before_it_is_added(studio: Studio) -> None:
    studio.run("export.set", name="camera", value="nobody")
    with pytest.raises(BadAsset, match="nobody"):
        studio.run("export.add", run=False)
    assert export.queue_of_machine().jobs() == ()


def test_files_that_are_there_are_asked_about(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "yard.0002.exr").write_bytes(b"precious")
    face = studio.face
    assert isinstance(face, Headless)
    studio.run("export.add", run=False)  # no answer: never mind
    assert export.queue_of_machine().jobs() == () and len(face.questions) == 1
    face.answers.append("Keep them and render the rest")
    studio.run("export.add", run=False)
    (job,) = export.queue_of_machine().jobs()
    assert export.queue_of_machine().settings(job.id).overwrite == "skip"
    assert export.export_of(studio.scene).overwrite == "ask", "the answer is for this job"


def test_jobs_are_paused_moved_cancelled_and_removed(studio: Studio) -> None:
    queue = export.queue_of_machine()
    for samples in (1, 2, 3):
        studio.run("export.set", name="samples", value=samples)
        studio.run("export.set", name="overwrite", value="replace")
        studio.run("export.add", run=False)
    first, second, third = (job.id for job in queue.jobs())
    studio.run("queue.pause", jobs=(second,))
    assert [job.state for job in queue.jobs()] == ["waiting", "paused", "waiting"]
    studio.run("queue.move", job=third, position=0)
    assert [job.id for job in queue.jobs()] == [third, first, second]
    studio.run("queue.cancel", jobs=(first, second))
    assert {job.id: job.state for job in queue.jobs()} == {third: "waiting", first: "cancelled", second: "cancelled"}
    studio.run("queue.remove")
    assert [job.id for job in queue.jobs()] == [third]
    with pytest.raises(UsageError, match="no job 999"):
        studio.run("queue.pause", jobs=(999,))


def test_every_setting_survives_its_json() -> None:
    settings = export.ExportSettings(aovs=("depth", "normal"), burn_ins=("{frame}", "", "{timecode}"), exposure_ev=-2.0)
    assert export.export_of(export.with_export(Scene(), settings)) == settings
