"""Commands of the export: what to render for good, and the queue that renders it.

An export's settings belong to the scene and are kept with it (in `Scene.extra`), so a project knows how its pictures
were asked for, and changing them is undone like anything else. The queue belongs to the machine: it outlives the
window and is the same one that `studio queue` shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import BadAsset, UsageError
from studio.render.export import ExportSettings, read_export
from studio.render.queue import JobState, Queue
from studio.render.queue_store import queue_file
from studio.scene.scene import Scene

_KEY = "export"
GOING_ON = ("waiting", "rendering")


# --- what to export --------------------------------------------------------------------------------------------------
def export_of(scene: Scene, size: tuple[int, int] = (1920, 1080), *, project: Path | None = None) -> ExportSettings:
    """The export's settings of a scene; its own, or the usual ones at `size`. What a newer studio wrote and this one
    cannot read is as usual. Without a project, files go to a folder of the artist's own, not to wherever the program
    was started."""
    usual = ExportSettings(width=size[0], height=size[1])
    if project is None:
        usual = msgspec.structs.replace(usual, output="~/Myriad/{scene}.####.exr")
    kept = scene.extra.get(_KEY)
    if not isinstance(kept, dict):
        return usual
    try:
        return read_export(msgspec.json.encode(kept))
    except UsageError:
        return _readable(usual, kept)


def _readable(usual: ExportSettings, kept: dict[str, Any]) -> ExportSettings:
    """Those of the kept values that can be read, on top of the usual ones."""
    found = msgspec.to_builtins(usual)
    for name, value in kept.items():
        try:
            read_export(msgspec.json.encode(found | {name: value}))
        except UsageError:
            continue
        found[name] = value
    return read_export(msgspec.json.encode(found))


def with_export(scene: Scene, settings: ExportSettings) -> Scene:
    """The scene with these settings."""
    return replace(scene, extra={**scene.extra, _KEY: msgspec.to_builtins(settings)})


def change_export(studio: Studio, *, coalesce: str = "", **values: Any) -> ExportSettings:
    """Change settings of the export, as one undoable step; raises `UsageError` for a value that cannot be."""
    before = export_of(studio.scene, studio.render_size, project=studio.path)
    new = read_export(msgspec.json.encode({**msgspec.to_builtins(before), **msgspec.to_builtins(values)}))
    if new != before:
        with studio.document.edit(N_("Export settings"), coalesce=coalesce) as edit:
            edit.scene = with_export(edit.scene, new)
    return new


@command("export.set", N_("Set export option"))
def set_option(studio: Studio, *, name: str = "", value: object = None) -> None:
    """Set one of the export's settings by its name, for scripts: studio.run("export.set", name="samples", value=64)."""
    if name not in ExportSettings.__struct_fields__:
        raise UsageError(f"an export has {', '.join(ExportSettings.__struct_fields__)}, not {name or 'nothing'}")
    wanted: dict[str, Any] = {name: value}
    change_export(studio, **wanted)


# --- the queue -------------------------------------------------------------------------------------------------------
@cache
def _queue(path: str) -> Queue:
    return Queue(Path(path))


def queue_of_machine() -> Queue:
    """The queue of whoever works here; opened once, and made when there is none."""
    return _queue(str(queue_file()))


@command("export.add", N_("Add to the queue"), menu="Render", group=3, keys="Ctrl+Shift+R", icon="queue")
def add(studio: Studio, *, run: bool = True) -> None:
    """Put the scene as it is now into the queue, with its export settings, and begin to render in the background.

    What cannot work is said before anything is added; files that are there already are asked about.
    """
    from studio.render.queue import ensure_runner
    from studio.render.queue_check import check_export

    settings = export_of(studio.scene, studio.render_size, project=studio.path)
    findings = check_export(studio.scene, settings, project=studio.path)
    errors = [f.sentence for f in findings if f.severity == "error"]
    if errors:
        raise BadAsset(errors[0])
    for finding in findings:
        if finding.kind == "exists" and settings.overwrite == "ask":
            choices = (N_("Replace them"), N_("Keep them and render the rest"))
            answer = studio.face.ask(finding.sentence, choices)
            if answer not in choices:
                return
            settings = msgspec.structs.replace(settings, overwrite="replace" if answer == choices[0] else "skip")
            break
    name = studio.path.stem if studio.path is not None else studio.scene.name
    queue_of_machine().add(studio.scene, settings, name=name, project=studio.path)
    if run:
        ensure_runner()
    studio.tell("queue")
    studio.face.notify(N_("Added to the queue."))


@command("queue.run", N_("Start the queue"), menu="Render", group=3, icon="play")
def run_queue(studio: Studio) -> None:
    """Render what waits in the queue, in the background, also after this window is closed."""
    from studio.render.queue import ensure_runner

    ensure_runner()
    studio.tell("queue")


def _jobs(studio: Studio, jobs: Sequence[int], states: tuple[str, ...]) -> list[int]:
    """The jobs that are meant: those named, or all in these states."""
    known = {job.id: job for job in queue_of_machine().jobs()}
    unknown = [job for job in jobs if job not in known]
    if unknown:
        raise UsageError(f"there is no job {unknown[0]} in the queue")
    return [id_ for id_, job in known.items() if (id_ in jobs if jobs else job.state in states)]


@command("queue.pause", N_("Pause jobs"))
def pause(studio: Studio, *, jobs: Sequence[int] = ()) -> None:
    """Pause jobs of the queue (all that go on, when none is named); a frame that renders is kept as far as it is."""
    queue_of_machine().pause(_jobs(studio, jobs, GOING_ON))
    studio.tell("queue")


@command("queue.resume", N_("Go on with jobs"))
def resume(studio: Studio, *, jobs: Sequence[int] = ()) -> None:
    """Go on with jobs that were paused."""
    from studio.render.queue import ensure_runner

    queue_of_machine().resume(_jobs(studio, jobs, ("paused",)))
    ensure_runner()
    studio.tell("queue")


@command("queue.cancel", N_("Cancel jobs"))
def cancel(studio: Studio, *, jobs: Sequence[int] = ()) -> None:
    """Cancel jobs; frames that are done stay."""
    queue_of_machine().cancel(_jobs(studio, jobs, (*GOING_ON, "paused")))
    studio.tell("queue")


@command("queue.retry", N_("Render failed frames again"))
def retry(studio: Studio, *, jobs: Sequence[int] = ()) -> None:
    """Render frames that failed or were cancelled once more."""
    from studio.render.queue import ensure_runner

    queue_of_machine().retry(_jobs(studio, jobs, ("failed", "cancelled")))
    ensure_runner()
    studio.tell("queue")


@command("queue.remove", N_("Remove jobs from the queue"))
def remove(studio: Studio, *, jobs: Sequence[int] = ()) -> None:
    """Take jobs off the list (all that are over, when none is named); what they rendered stays."""
    queue_of_machine().remove(_jobs(studio, jobs, ("done", "failed", "cancelled")))
    studio.tell("queue")


@command("queue.move", N_("Move job in the queue"))
def move(studio: Studio, *, job: int = 0, position: int = 0) -> None:
    """Move a job to a place in the queue; 0 is the first."""
    queue_of_machine().move(_jobs(studio, [job], ()), position)
    studio.tell("queue")


def over(job: JobState) -> bool:
    """Whether nothing will happen to a job unless somebody asks for it."""
    return job.state in ("done", "failed", "cancelled")
