"""Light layers by the queue: the files of a plain render, however the job was cut."""

from __future__ import annotations

import pytest

from studio.errors import UsageError
from studio.render import layer_plan
from studio.render.export import ExportSettings, check_values, read_export, render_settings
from studio.render.light_layers import journal_path, layers_path, open_layers
from studio.render.queue import Queue
from studio.render.session import RenderSession
from tests.render.stage import sha256, stage
from tests.render.test_queue_run import asked, hashes, reference, run


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


@pytest.fixture(autouse=True)
def small_strips(monkeypatch):
    """Three strips of 16 lines for the stage's three emitters."""
    monkeypatch.setattr(layer_plan, "SUM_BYTES", 64 * 16 * 3 * 24)


def test_a_job_writes_the_layers_of_a_plain_render_also_in_two_runs(queue, session, tmp_path):
    settings = asked(tmp_path, light_layers=True, samples=64, frames="1")
    whole = reference(session, tmp_path, settings, frames=(1,))
    job = queue.add(stage(), settings)
    path = tmp_path / "a.0001.exr"
    # the runner ends as soon as a checkpoint is there, which is after the first strip or the second
    run(queue, session, stop=lambda: "signal" if journal_path(path).is_file() else "")
    assert queue.job(job).state == "waiting" and not layers_path(path).exists() and not path.exists()
    run(queue, session)
    assert queue.job(job).state == "done"
    assert [*hashes(queue, job), sha256(layers_path(path))] == whole
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["a.0001.exr", "a.0001.lights.exr"]
    with open_layers(layers_path(path)) as found:
        assert {light.id for light in found.lights} == {"key", "fill", "panel", ""}


def test_a_frame_without_its_layers_is_not_there(queue, session, tmp_path):
    settings = asked(tmp_path, light_layers=True, samples=2, frames="1", overwrite="skip")
    queue.add(stage(), settings)
    run(queue, session)
    again = queue.add(stage(), settings)
    run(queue, session)
    assert [f.state for f in queue.frames(again)] == ["skipped"]
    layers_path(tmp_path / "a.0001.exr").unlink()
    third = queue.add(stage(), settings)
    run(queue, session)
    assert [f.state for f in queue.frames(third)] == ["done"]
    assert layers_path(tmp_path / "a.0001.exr").is_file()


def test_settings_without_the_field_read_and_layers_with_a_time_limit_do_not():
    assert not read_export(b"{}").light_layers
    assert render_settings(ExportSettings(light_layers=True)).light_layers
    assert not render_settings(ExportSettings(light_layers=True, format="png8")).light_layers
    with pytest.raises(UsageError, match="time limit"):
        check_values(ExportSettings(light_layers=True, time_limit_s=5.0))
