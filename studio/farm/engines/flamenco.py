"""Flamenco: a job type for its manager, and the request that submits a job of it.

The job type is JavaScript that the manager's owner puts into its `scripts` folder once (`write_job_type`): it makes a
task of each slice of each chunk of frames, and one for each frame that merges it after all of its slices. What a job
asks for travels as settings, each line a word of a command; nothing goes through a shell. The project and the pictures
lie in a folder that all of Flamenco's workers see. Its API has no tokens: it belongs into a network where everybody is
trusted. API: OpenAPI 3 of Flamenco 3 (`/api/v3/jobs`), job types as in its manual, "Job Types".
"""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

from studio.errors import CannotWrite, Unsupported, UsageError
from studio.farm.engines.engine import Capabilities, Log, Ref, State, Status, status_of, submission_id
from studio.farm.engines.link import Answer, Link
from studio.farm.engines.manager_plan import (
    PARTS,
    SCENE,
    Plan,
    faults,
    harvest,
    lay_out,
    merge_words,
    plan,
    render_words,
    scene_words,
)
from studio.farm.jobs import RenderJob, read_job, write_job
from studio.farm.store import open_store

JOB_TYPE = "myriad-slices"
SLICES = 8
_STATES: dict[str, State] = {
    "queued": "waiting",
    "paused": "waiting",
    "under-construction": "waiting",
    "active": "running",
    "requeueing": "running",
    "completed": "done",
    "failed": "failed",
    "canceled": "cancelled",
    "cancel-requested": "cancelled",
}


class Flamenco:
    """A Flamenco manager, and the folder that its workers share: "http://manager:8080 /shared/farm" is its address."""

    name = "flamenco"

    def __init__(
        self, url: str, folder: Path, *, slices: int = SLICES, studio: str = "studio", device: str = "auto"
    ) -> None:
        self.url, self.folder, self.slices, self.studio, self.device = url, folder, slices, studio, device
        self._link = Link(url)

    @classmethod
    def at(cls, address: str) -> Flamenco:
        """The manager at an address and a folder, with a space between them."""
        url, _, folder = address.partition(" ")
        if not folder:
            raise UsageError(
                "Flamenco needs its address and the folder that its workers share, as 'http://... /folder'"
            )
        return cls(url, Path(folder.strip()))

    def capabilities(self) -> Capabilities:
        """See `Engine.capabilities`."""
        return Capabilities(cancels=True, shared_folder=True, trust=1)

    def check(self, job: RenderJob) -> list[str]:
        """See `Engine.check`; asks the manager for the job type as well."""
        wrong = faults(job)
        try:
            answer = self._link.ask("GET", f"/api/v3/jobs/type/{JOB_TYPE}")
            if answer.status != 200:
                wrong.append(f"{self._link.name} has no job type {JOB_TYPE}; put {JOB_TYPE}.js into its scripts folder")
        except (CannotWrite, UsageError) as fault:
            wrong.append(str(fault))
        return wrong

    def submit(self, job: RenderJob, store_url: str, key: str, *, generation: int = 1) -> Ref:
        """See `Engine.submit`. A note in the job's folder remembers the manager's id, so that twice is once."""
        name = submission_id(key, generation)
        store = open_store(store_url)
        write_job(store, job)
        kept = read_job(store, job.spec.id)
        body = request(plan(kept, self.slices), self.folder / name, studio=self.studio, device=self.device)
        place, note = self.folder / name, self.folder / name / "flamenco.id"
        if not place.exists():
            made = self.folder / f".{uuid.uuid4().hex}"
            try:
                made.mkdir(parents=True)
                lay_out(kept, store, made / SCENE)
                made.rename(place)
            except OSError as fault:
                raise CannotWrite(f"cannot write to {self.folder}: {(fault.strerror or str(fault)).lower()}") from fault
            finally:
                shutil.rmtree(made, ignore_errors=True)
        if not note.exists():
            note.write_text(str(self._told(self._link.ask("POST", "/api/v3/jobs", body)).get("id") or ""))
        id_ = note.read_text()
        return Ref(
            engine=self.name, id=id_, job=job.spec.id, store=store_url, address=str(place), generation=generation
        )

    def status(self, ref: Ref) -> Status:
        """See `Engine.status`; brings what is rendered to the store first."""
        store = open_store(ref.store)
        wrong = harvest(read_job(store, ref.job), store, Path(ref.address) / "output" / PARTS)
        answer = self._link.ask("GET", f"/api/v3/jobs/{quote(ref.id)}")
        if answer.status == 404:
            return status_of(ref, "lost", "the manager has forgotten it; submit it again to go on", store=store)
        said = self._told(answer)
        text = wrong[0] if wrong else str(said.get("activity") or "")[:400]
        return status_of(ref, _STATES.get(str(said.get("status")), "running"), text, store=store)

    def cancel(self, ref: Ref, *, drain: bool = False, by: str = "") -> None:
        """See `Engine.cancel`. Flamenco cannot drain."""
        if drain:
            raise Unsupported("Flamenco ends what is at work when a job is cancelled; cancel it without draining")
        body = {"status": "cancel-requested", "reason": f"cancelled by {by or 'the artist'}"}
        answer = self._link.ask("POST", f"/api/v3/jobs/{quote(ref.id)}/setstatus", body)
        if answer.status not in (204, 404):
            self._told(answer)

    def logs(self, ref: Ref, unit: str = "", cursor: int = 0) -> Log:
        """Refuses: the manager shows them."""
        raise Unsupported(f"the logs of {ref.id} are at {self.url}; read them there")

    def _told(self, answer: Answer) -> dict[str, Any]:
        if answer.status != 200:
            raise CannotWrite(f"{self._link.name} refuses ({answer.status}): {answer.sentence}")
        found = answer.json(self._link.name)
        if not isinstance(found, dict):
            raise CannotWrite(f"{self._link.name} gave an answer that is none of Flamenco's")
        return found


ENGINE = Flamenco


def request(planned: Plan, place: Path, *, studio: str = "studio", device: str = "auto") -> dict[str, Any]:
    """The body of POST /api/v3/jobs. `<frames>`, `<first>` and `<frame>` are what the job type puts in."""
    spec, folder = planned.job.spec, place.as_posix()
    render = render_words(
        planned,
        scene=scene_words(planned.job, f"{folder}/{SCENE}"),
        output=f"{folder}/output",
        frames="<frames>",
        first="<first>",
        camera=planned.job.camera,
        device=device,
    )
    merge = merge_words(planned, output=f"{folder}/output", frame="<frame>", picture=planned.picture)
    return {
        "name": spec.name or spec.id,
        "type": JOB_TYPE,
        "priority": min(max(spec.priority, 0), 100),
        "submitter_platform": "manager",
        "metadata": {"job": spec.id, "project": spec.name},
        "settings": {
            "studio": studio,
            "frames": _frames(planned),
            "chunk_size": 1,
            "samples": planned.samples,
            "slice": planned.size,
            "render_words": "\n".join(render),
            "merge_words": "\n".join(merge),
        },
    }


def _frames(planned: Plan) -> str:
    """The frames as Flamenco reads them, which knows no steps."""
    return planned.frame_range if ":" not in planned.frame_range else ",".join(map(str, planned.frames))


def write_job_type(folder: Path) -> Path:
    """Write the job type to a manager's `scripts` folder."""
    path = folder / f"{JOB_TYPE}.js"
    try:
        path.write_text(JOB_TYPE_SCRIPT, encoding="utf-8")
    except OSError as fault:
        raise CannotWrite(f"cannot write {path}: {(fault.strerror or str(fault)).lower()}") from fault
    return path


# Words are joined by line ends, which no word has: a list is no kind of setting that Flamenco knows.
JOB_TYPE_SCRIPT = """\
// Myriad: frames in slices of samples, each slice a task, and a merge of each frame after its slices.
const JOB_TYPE = {
    label: "Myriad: slices and merge",
    description: "Renders slices of the samples of each frame, then merges them",
    settings: [
        { key: "studio", type: "string", required: true, default: "studio", description: "The studio's command" },
        { key: "frames", type: "string", required: true, description: "Like 1-24,30" },
        { key: "chunk_size", type: "int32", default: 1, description: "Frames of one task" },
        { key: "samples", type: "int32", required: true, description: "Samples of a pixel" },
        { key: "slice", type: "int32", required: true, description: "Samples of one slice" },
        { key: "render_words", type: "string", required: true, visible: "hidden" },
        { key: "merge_words", type: "string", required: true, visible: "hidden" },
    ],
};

function words(text, values) {
    return text.split("\\n").map(word => word.replace(/<(frames|first|frame)>/g, (all, name) => values[name]));
}

function command(settings, text, values) {
    return author.Command("exec", { exe: settings.studio, args: words(text, values) });
}

function framesOf(chunk) {
    const found = [];
    for (const part of chunk.split(",")) {
        const span = part.match(/^(-?\\d+)(?:-(-?\\d+))?$/);
        for (let n = parseInt(span[1]); n <= parseInt(span[2] || span[1]); n++) found.push(n);
    }
    return found;
}

function compileJob(job) {
    const settings = job.settings;
    for (const chunk of frameChunker(settings.frames, settings.chunk_size)) {
        const slices = [];
        for (let first = 0; first < settings.samples; first += settings.slice) {
            const task = author.Task("render-" + chunk + "-s" + first, "misc");
            task.addCommand(command(settings, settings.render_words, { frames: chunk, first: first }));
            job.addTask(task);
            slices.push(task);
        }
        for (const frame of framesOf(chunk)) {
            const merge = author.Task("merge-" + frame, "misc");
            merge.addCommand(command(settings, settings.merge_words, { frame: frame }));
            slices.forEach(slice => merge.addDependency(slice));
            job.addTask(merge);
        }
    }
}
"""
