"""OpenCue: a job specification for its Cuebot, and a list of commands for `cuecmd`.

    job.xml         cjsl-1.15: a layer for each slice, and a merge that follows them frame by frame
    commands.txt    for `cuecmd`: every slice of every frame, one command a line, to try a farm without pyoutline
    merges.txt      for `cuecmd` afterwards
    scene.studio/   the project

Cuebot takes the specification through its API (`opencue.api.launchSpecAndWait` of pycue). Commands are lines for a
shell there, so each word is quoted; #IFRAME# is put in by the farm. Exit code 33 means too little memory to both of us.
Core OpenCue knows no users: whoever reaches its port may do anything, so it belongs into a network of its own.
"""

from __future__ import annotations

import contextlib
import getpass
import re
import shlex
import shutil
import uuid
import xml.etree.ElementTree as ET
from pathlib import Path

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
    render_words,
    scene_words,
)
from studio.farm.jobs import RenderJob, read_job, write_job
from studio.farm.store import open_store

SLICES = 8
MOST_LAYERS = 64
DTD = '<!DOCTYPE spec PUBLIC "SPI Cue Specification Language" "http://localhost:8080/spcue/dtd/cjsl-1.15.dtd">'


class OpenCue:
    """Writes submissions to a folder that all machines of the farm see, one folder each."""

    name = "opencue"

    def __init__(
        self,
        folder: Path,
        *,
        slices: int = SLICES,
        studio: str = "studio",
        device: str = "auto",
        show: str = "testing",
        shot: str = "myriad",
        user: str = "",
    ) -> None:
        self.folder, self.slices, self.studio, self.device = folder, slices, studio, device
        self.show, self.shot, self.user = show, shot, user

    @classmethod
    def at(cls, address: str) -> OpenCue:
        """The engine that writes to a folder."""
        return cls(Path(address))

    def capabilities(self) -> Capabilities:
        """See `Engine.capabilities`."""
        return Capabilities(starts=False, shared_folder=True, trust=1)

    def check(self, job: RenderJob) -> list[str]:
        """See `Engine.check`."""
        wrong = faults(job)
        if self.slices > MOST_LAYERS:
            wrong.append(f"OpenCue gets a layer for each slice, {MOST_LAYERS} at the most; ask for fewer slices")
        return wrong

    def submit(self, job: RenderJob, store_url: str, key: str, *, generation: int = 1) -> Ref:
        """Write the submission of a job; `Ref.address` is its folder."""
        name = submission_id(key, generation)
        wrong = self.check(job)
        if wrong:
            raise UsageError(wrong[0])
        store = open_store(store_url)
        write_job(store, job)
        kept = read_job(store, job.spec.id)
        place = self.folder.absolute() / name
        texts = self.texts(plan(kept, self.slices), place)
        if not place.exists():
            made = self.folder / f".{uuid.uuid4().hex}"
            try:
                made.mkdir(parents=True)
                for file, text in texts.items():
                    (made / file).write_text(text, encoding="utf-8")
                lay_out(kept, store, made / SCENE)
                with contextlib.suppress(FileExistsError):
                    made.rename(place)
            except OSError as fault:
                raise CannotWrite(f"cannot write to {self.folder}: {(fault.strerror or str(fault)).lower()}") from fault
            finally:
                shutil.rmtree(made, ignore_errors=True)
        elif (place / "job.xml").read_text(encoding="utf-8") != texts["job.xml"]:
            raise UsageError(f"{place} holds another job; choose another name or remove it")
        return Ref(
            engine=self.name, id=name, job=job.spec.id, store=store_url, address=str(place), generation=generation
        )

    def status(self, ref: Ref) -> Status:
        """See `Engine.status`; brings what is rendered to the store first."""
        store = open_store(ref.store)
        wrong = harvest(read_job(store, ref.job), store, Path(ref.address) / "output" / PARTS)
        return status_of(ref, "failed" if wrong else "waiting", wrong[0] if wrong else "", store=store)

    def cancel(self, ref: Ref, *, drain: bool = False, by: str = "") -> None:
        """Refuses: who submitted it cancels it there."""
        raise Unsupported(f"{ref.id} runs at a farm's manager that does not know us; cancel it there")

    def logs(self, ref: Ref, unit: str = "", cursor: int = 0) -> Log:
        """Refuses: logs are where it runs."""
        raise Unsupported(f"the logs of {ref.id} are at the farm's manager; read them there")

    def texts(self, planned: Plan, place: Path) -> dict[str, str]:
        """The files of a submission whose folder is at a place."""
        slices = {first: self._render(planned, place, "#IFRAME#", first) for first in planned.firsts}
        merge = self._merge(planned, place, "#IFRAME#")
        renders = [self._render(planned, place, str(n), first) for first in planned.firsts for n in planned.frames]
        merges = [self._merge(planned, place, str(n)) for n in planned.frames]
        return {
            "job.xml": specification(planned, slices, merge, (self.show, self.shot, self.user or getpass.getuser())),
            "commands.txt": "".join(line + "\n" for line in renders),
            "merges.txt": "".join(line + "\n" for line in merges),
        }

    def _render(self, planned: Plan, place: Path, frame: str, first: int) -> str:
        words = render_words(
            planned,
            scene=scene_words(planned.job, f"{place.as_posix()}/{SCENE}"),
            output=f"{place.as_posix()}/output",
            frames=frame,
            first=str(first),
            camera=planned.job.camera,
            device=self.device,
        )
        return _line([self.studio, *words])

    def _merge(self, planned: Plan, place: Path, frame: str) -> str:
        words = merge_words(planned, output=f"{place.as_posix()}/output", frame=frame, picture=planned.picture)
        return _line([self.studio, *words])


ENGINE = OpenCue


def specification(planned: Plan, slices: dict[int, str], merge: str, who: tuple[str, str, str]) -> str:
    """The XML of a job: commands of slices by their first sample, that of the merge, and show, shot and user."""
    spec, needs = planned.job.spec, planned.job.spec.needs
    root = ET.Element("spec")
    for tag, text in zip(("show", "shot", "user"), who, strict=True):
        ET.SubElement(root, tag).text = _name(text)
    job = ET.SubElement(root, "job", name=_name(spec.id))
    for tag, value in (("paused", "False"), ("priority", max(spec.priority, 1)), ("maxretries", min(spec.retries, 16))):
        ET.SubElement(job, tag).text = str(value)
    layers = ET.SubElement(job, "layers")
    for first, command in slices.items():
        layer = _layer(layers, f"render_s{first}", "Render", command, planned)
        ET.SubElement(layer, "threadable").text = "True"
        if needs.memory_bytes:
            ET.SubElement(layer, "memory").text = f"{-(-needs.memory_bytes // (1 << 20))}m"
        if needs.device_memory_bytes or needs.backend in ("cuda", "vulkan", "metal"):
            ET.SubElement(layer, "gpus").text = "1"
        if needs.device_memory_bytes:
            ET.SubElement(layer, "gpu_memory").text = f"{-(-needs.device_memory_bytes // (1 << 20))}m"
    _layer(layers, "merge", "Post", merge, planned)
    depends = ET.SubElement(root, "depends")
    for first in slices:
        depend = ET.SubElement(depends, "depend", type="FRAME_BY_FRAME", anyframe="False")
        for tag, text in (
            ("depjob", _name(spec.id)),
            ("deplayer", "merge"),
            ("onjob", _name(spec.id)),
            ("onlayer", f"render_s{first}"),
        ):
            ET.SubElement(depend, tag).text = text
    ET.indent(root)
    return f'<?xml version="1.0"?>\n{DTD}\n{ET.tostring(root, encoding="unicode")}\n'


def _layer(layers: ET.Element, name: str, kind: str, command: str, planned: Plan) -> ET.Element:
    layer = ET.SubElement(layers, "layer", name=name, type=kind)
    frames = planned.frame_range.replace(":", "x")  # OpenCue writes steps as we do
    for tag, text in (("cmd", command), ("range", frames), ("chunk", "1")):
        ET.SubElement(layer, tag).text = text
    return layer


def _line(words: list[str]) -> str:
    """Words as a line for a shell. Line ends, which would be another command to `cuecmd`, become spaces."""
    return " ".join(shlex.quote(re.sub(r"[\x00-\x1f\x7f]", " ", word)) for word in words)


def _name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text) or "myriad"
