"""Open Job Description: a folder that `openjd run`, Deadline Cloud and whoever else reads the standard can render.

    template.json           the job: a step that renders slices of frames, and one that merges each frame after it
    parameter_values.json   priority and retries, in the words of Deadline Cloud
    asset_references.json   nothing more than what the template's own paths name
    scene.studio/           the project
    output/                 partials and pictures, unless OutputDir says elsewhere

The folder holds all that is needed and names nothing outside, so it can be copied, zipped or sent. Values that a person
may change are parameters; they reach the commands as whole arguments, never through a shell. Specification:
jobtemplate-2023-09 with TASK_CHUNKING (OpenJobDescription/openjd-specifications, "2023-09 Template Schemas", RFC 0001).
"""

from __future__ import annotations

import contextlib
import json
import shutil
import uuid
from pathlib import Path
from typing import Any

from studio.errors import CannotWrite, Unsupported, UsageError
from studio.farm.engines.engine import Capabilities, Log, Ref, Status, status_of, submission_id
from studio.farm.engines.manager_plan import (
    PARTS,
    SCENE,
    Plan,
    faults,
    harvest,
    lay_out,
    merge_words,
    plan,
    range_text,
    render_words,
    scene_words,
)
from studio.farm.jobs import RenderJob, read_job, write_job
from studio.farm.store import open_store

SLICES = 8
_GRACE_S = 60  # to write a checkpoint in when a task is cancelled


class OpenJdEngine:
    """Writes job bundles to a folder, one folder each; a person or a studio's tool submits them."""

    name = "openjd"

    def __init__(self, folder: Path, *, slices: int = SLICES, studio: str = "studio", device: str = "auto") -> None:
        self.folder, self.slices, self.studio, self.device = folder, slices, studio, device

    @classmethod
    def at(cls, address: str) -> OpenJdEngine:
        """The engine that writes to a folder."""
        return cls(Path(address))

    def capabilities(self) -> Capabilities:
        """See `Engine.capabilities`."""
        return Capabilities(starts=False, shared_folder=True, trust=2)

    def check(self, job: RenderJob) -> list[str]:
        """See `Engine.check`."""
        return faults(job)

    def submit(self, job: RenderJob, store_url: str, key: str, *, generation: int = 1) -> Ref:
        """Write the bundle of a job; `Ref.address` is its folder."""
        name = submission_id(key, generation)
        store = open_store(store_url)
        write_job(store, job)
        kept = read_job(store, job.spec.id)
        target = self.folder / name
        texts = self._texts(plan(kept, self.slices))
        if not target.exists():
            made = self.folder / f".{uuid.uuid4().hex}"
            try:
                made.mkdir(parents=True)
                for file, text in texts.items():
                    (made / file).write_text(text, encoding="utf-8")
                lay_out(kept, store, made / SCENE)
                with contextlib.suppress(FileExistsError):
                    made.rename(target)
            except OSError as fault:
                reason = (fault.strerror or str(fault)).lower()
                raise CannotWrite(f"cannot write the bundle {target}: {reason}; choose another folder") from fault
            finally:
                shutil.rmtree(made, ignore_errors=True)
        if not _is(target, texts):
            raise UsageError(f"{target} holds another job; choose another name or remove it")
        return Ref(
            engine=self.name, id=name, job=job.spec.id, store=store_url, address=str(target), generation=generation
        )

    def status(self, ref: Ref) -> Status:
        """See `Engine.status`; brings what is rendered to the store first."""
        store = open_store(ref.store)
        job = read_job(store, ref.job)
        wrong = harvest(job, store, self.output(ref) / PARTS)
        return status_of(ref, "failed" if wrong else "waiting", wrong[0] if wrong else "", store=store)

    def cancel(self, ref: Ref, *, drain: bool = False, by: str = "") -> None:
        """Refuses: who submitted the bundle cancels it there."""
        raise Unsupported(f"{ref.id} runs at a farm's manager that does not know us; cancel it there")

    def logs(self, ref: Ref, unit: str = "", cursor: int = 0) -> Log:
        """Refuses: logs are where the bundle runs."""
        raise Unsupported(f"the logs of {ref.id} are at the farm's manager; read them there")

    def output(self, ref: Ref) -> Path:
        """Where partials and pictures go when OutputDir was left as it is."""
        return Path(ref.address) / "output"

    def _texts(self, planned: Plan) -> dict[str, str]:
        texts = {
            "template.json": template(planned, studio=self.studio, device=self.device),
            "parameter_values.json": parameter_values(planned),
            "asset_references.json": ASSET_REFERENCES,
        }
        return {name: json.dumps(value, indent=2, ensure_ascii=False) + "\n" for name, value in texts.items()}


ENGINE = OpenJdEngine
ASSET_REFERENCES: dict[str, Any] = {
    "assetReferences": {
        "inputs": {"filenames": [], "directories": []},
        "outputs": {"directories": []},
        "referencedPaths": [],
    }
}


def template(planned: Plan, *, studio: str = "studio", device: str = "auto") -> dict[str, Any]:
    """The job template of a plan."""
    job = planned.job
    return {
        "specificationVersion": "jobtemplate-2023-09",
        "extensions": ["TASK_CHUNKING"],
        "name": "{{Param.JobName}}",
        "parameterDefinitions": [
            _text("JobName", _plain(job.spec.name or job.spec.id)[:64], "What the job is called."),
            _path("Scene", SCENE, "IN", "The project."),
            _path("OutputDir", "output", "OUT", "Where pictures and partials go."),
            _text("Picture", planned.picture, "The pictures' name; #### is the frame."),
            _text("Frames", planned.frame_range, "Like 1-24,30-40:2."),
            _text("Camera", _plain(job.camera), "Render through this camera; empty: the scene's own."),
            _text("Device", device, "auto, cuda, vulkan, metal or cpu; one kind for all of a frame."),
            _text("Studio", studio, "The studio's command."),
            {"name": "FramesPerTask", "type": "INT", "default": 1, "minValue": 1, "description": "Frames of one task."},
        ],
        "steps": [_render_step(planned), _merge_step(planned)],
    }


def parameter_values(planned: Plan) -> dict[str, Any]:
    """What Deadline Cloud asks besides the template's own parameters."""
    spec = planned.job.spec
    values = {
        "deadline:priority": min(max(spec.priority, 0), 100),
        "deadline:maxRetriesPerTask": spec.retries,
        "deadline:maxFailedTasksCount": 100,
        "deadline:targetTaskRunStatus": "READY",
    }
    return {"parameterValues": [{"name": name, "value": value} for name, value in values.items()]}


def _render_step(planned: Plan) -> dict[str, Any]:
    chunks = {"defaultTaskCount": "{{Param.FramesPerTask}}", "rangeConstraint": "NONCONTIGUOUS"}
    words = render_words(
        planned,
        scene=scene_words(planned.job, "{{Param.Scene}}"),
        output="{{Param.OutputDir}}",
        frames="{{Task.Param.Frame}}",
        first="{{Task.Param.First}}",
        camera="{{Param.Camera}}",
        device="{{Param.Device}}",
    )
    step: dict[str, Any] = {
        "name": "Render",
        "parameterSpace": {
            "taskParameterDefinitions": [
                {"name": "First", "type": "INT", "range": range_text(planned.firsts)},
                {"name": "Frame", "type": "CHUNK[INT]", "range": "{{Param.Frames}}", "chunks": chunks},
            ],
            "combination": "First * Frame",  # a first look at every frame comes before the second slice of any
        },
        "script": _script([*words, "--report", "openjd"]),
    }
    amounts = _amounts(planned.job)
    return step | ({"hostRequirements": {"amounts": amounts}} if amounts else {})


def _merge_step(planned: Plan) -> dict[str, Any]:
    words = merge_words(
        planned, output="{{Param.OutputDir}}", frame="{{Task.Param.Frame}}", picture="{{Param.Picture}}"
    )
    frame = {"name": "Frame", "type": "INT", "range": "{{Param.Frames}}"}
    return {
        "name": "Merge",
        "dependencies": [{"dependsOn": "Render"}],
        "parameterSpace": {"taskParameterDefinitions": [frame]},
        "script": _script(words),
    }


def _script(words: list[str]) -> dict[str, Any]:
    cancel = {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": _GRACE_S}
    return {"actions": {"onRun": {"command": "{{Param.Studio}}", "args": words, "cancelation": cancel}}}


def _amounts(job: RenderJob) -> list[dict[str, Any]]:
    needs = job.spec.needs
    found: list[dict[str, Any]] = []
    if needs.memory_bytes:
        found.append({"name": "amount.worker.memory", "min": -(-needs.memory_bytes // (1 << 20))})
    if needs.device_memory_bytes or needs.backend in ("cuda", "vulkan", "metal"):
        found.append({"name": "amount.worker.gpu", "min": 1})
    if needs.device_memory_bytes:
        found.append({"name": "amount.worker.gpu.memory", "min": -(-needs.device_memory_bytes // (1 << 20))})
    return found


def _text(name: str, default: str, description: str) -> dict[str, Any]:
    return {"name": name, "type": "STRING", "default": default, "description": description}


def _path(name: str, default: str, flow: str, description: str) -> dict[str, Any]:
    kind = {"type": "PATH", "objectType": "DIRECTORY", "dataFlow": flow}
    return {"name": name, **kind, "default": default, "description": description}


def _plain(text: str) -> str:
    """A text without control characters, which no parameter may have."""
    return "".join(c if c.isprintable() else " " for c in text)


def _is(folder: Path, texts: dict[str, str]) -> bool:
    try:
        return all((folder / name).read_text(encoding="utf-8") == text for name, text in texts.items())
    except (OSError, UnicodeDecodeError):
        return False
