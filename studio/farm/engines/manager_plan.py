"""What farm managers run that know nothing of us: plain commands, `studio render` for slices and `studio merge`.

A frame is cut into slices of as many samples each, before anybody knows the machines. Every slice is one command that
leaves a partial in a folder which all machines share; one more for each frame merges them into the picture. Whoever
sent the job later brings the partials from that folder to the store (`harvest`), checked as those of our own nodes are,
so that there the job is done too, and can be finished by any other engine.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.errors import BadAsset, CannotWrite, StudioError, UsageError
from studio.farm.bundles.node_cache import NodeCache
from studio.farm.engines.engine import trust_fault
from studio.farm.jobs import RenderJob, claimed, holder, part_key
from studio.farm.model import Piece, Result
from studio.farm.store import Store
from studio.farm.verify import check_partial, digest_of
from studio.render.device import cache_root
from studio.render.layer_plan import check_settings
from studio.render.output import EXTENSIONS
from studio.render.partial import Header, read_header

MOST_SLICES = 1024
PARTS = "parts"  # the folder of partials, in that of the pictures
SCENE = "scene.studio"  # the project, in a bundle
_PART = re.compile(r"f(-?\d{1,9})\.s(\d{1,9})\.part")


@dataclass(frozen=True, slots=True)
class Plan:
    """A job as a manager sees it: frames, and slices of `size` samples."""

    job: RenderJob
    frames: tuple[int, ...]
    samples: int
    size: int

    @property
    def firsts(self) -> range:
        """The first sample of every slice."""
        return range(0, self.samples, self.size)

    @property
    def frame_range(self) -> str:
        """The frames as managers write them: "1-24" or "1-9:2" or "1,5,7"."""
        return range_text(self.frames)

    @property
    def picture(self) -> str:
        """The pictures' name with #### for the frame."""
        name = re.sub(r"[^\w.#-]", "_", Path(self.job.output).name, flags=re.ASCII) or f"{self.job.spec.id}.####.exr"
        path = Path(name)
        suffix = path.suffix if path.suffix.lower() in EXTENSIONS else ".exr"
        return path.stem + suffix if "#" in path.stem or len(self.frames) == 1 else f"{path.stem}.####{suffix}"


def plan(job: RenderJob, slices: int) -> Plan:
    """Cut a job. Raises UsageError for one that no manager can render (`faults`)."""
    wrong = faults(job)
    if wrong:
        raise UsageError(wrong[0])
    if not 1 <= slices <= MOST_SLICES:
        raise UsageError(f"a frame can be cut into 1 to {MOST_SLICES} slices, not {slices}")
    samples = job.spec.pieces[0].samples
    return Plan(job, tuple(int(p.frame) for p in job.spec.pieces), samples, -(-samples // min(slices, samples)))


def faults(job: RenderJob) -> list[str]:
    """Why a farm manager cannot render a job, a sentence each."""
    pieces = job.spec.pieces
    wrong = trust_fault(job, 1)
    if any(piece.crop is not None for piece in pieces):
        wrong.append("a farm manager gets whole frames; leave tiles out, or use the local engine or Ray")
    if any(piece.frame != int(piece.frame) for piece in pieces):
        wrong.append("a farm manager counts frames in whole numbers; leave out frames between two")
    if len({piece.samples for piece in pieces}) != 1:
        wrong.append("a farm manager gives every frame as many samples; send frames that need others as another job")
    if job.settings.error > 0:
        wrong.append("adaptive sampling decides over the merged frame, which a manager's tasks do not see; turn it off")
    try:
        check_settings(job.settings, partial=True)
    except StudioError as fault:
        wrong.append(str(fault))
    return wrong


def render_words(
    plan: Plan, *, scene: str, output: str, frames: str, first: str, camera: str, device: str
) -> list[str]:
    """The words of `studio` that render a slice; what changes from task to task comes as the manager's own tokens."""
    s = plan.job.settings
    words = ["render", scene, "-o", f"{output}/{PARTS}/f#.s{first}.part", f"--frames={frames}", f"--camera={camera}"]
    words += ["--size", f"{s.width}x{s.height}", "--samples", str(plan.samples)]
    words += ["--sample-range", f"{first}+{plan.size}", "--depth", str(s.depth), "--seed", str(s.seed)]
    words += ["--filter", s.filter]
    if s.filter != "box":
        words += ["--filter-width", repr(s.filter_width_px)]
    if s.crop is not None:
        words += ["--crop", ",".join(map(str, s.crop))]
    if s.clamp_indirect:
        words += ["--clamp-indirect", repr(s.clamp_indirect)]
    words += [word for name in s.aovs for word in ("--aov", name)]
    words += ["--light-groups"] * s.light_groups + ["--light-layers"] * s.light_layers
    words += ["--cryptomatte"] * s.cryptomatte
    return [*words, "--device", device, "--partial", "--resume"]


def merge_words(plan: Plan, *, output: str, frame: str, picture: str) -> list[str]:
    """The words of `studio` that merge the slices of a frame."""
    words = ["merge", f"{output}/{PARTS}/f{frame}.s*.part", "-o", f"{output}/{picture}"]
    look, shown = plan.job.look, Path(plan.picture).suffix.lower() != ".exr"
    words += ["--denoise"] * bool(look.get("denoise"))
    for name, flag in (("view", "--view"), ("exposure_ev", "--exposure"), ("bits", "--bits")):
        if shown and look.get(name) is not None:
            words += [flag, str(look[name])]
    if shown and look.get("alpha"):
        words.append("--alpha")
    if not shown and look.get("compression"):
        words += ["--compression", str(look["compression"])]
    return words + ["--float"] * (not shown and look.get("half") is False)


def scene_words(job: RenderJob, folder: str) -> str:
    """The scene of a bundle that lies in a folder."""
    return folder if job.scene == "scene.json" else f"{folder}/{job.scene}"


def lay_out(job: RenderJob, store: Store, folder: Path) -> None:
    """Copy what the job's bundle holds to a folder."""
    cache = NodeCache(cache_root() / "farm")
    try:
        shutil.copytree(cache.fetch(store, job.spec.bundle), folder)
    except OSError as fault:
        raise CannotWrite(f"cannot write to {folder}: {(fault.strerror or str(fault)).lower()}") from fault
    finally:
        cache.close()


def range_text(numbers: Sequence[int]) -> str:
    """Whole numbers as an integer range expression of Open Job Description, in order and each once."""
    rest, parts = sorted(set(numbers)), []
    while rest:
        step = rest[1] - rest[0] if len(rest) > 1 else 1
        count = 1
        while count < len(rest) and rest[count] == rest[0] + count * step:
            count += 1
        count = 1 if count == 2 and step > 1 else count
        first, last = rest[0], rest[count - 1]
        parts.append(str(first) if count == 1 else f"{first}-{last}" + (f":{step}" if step > 1 else ""))
        rest = rest[count:]
    return ",".join(parts)


def harvest(job: RenderJob, store: Store, parts: Path) -> list[str]:
    """Claim in the store what partials there are of a job in a folder; sentences about those that are not right.

    A slice that is still at work, or stopped with a checkpoint, is no fault: it is not there yet.
    """
    by_frame = {int(piece.frame): (i, piece) for i, piece in enumerate(job.spec.pieces)}
    had = claimed(store, job)
    done = {(i, r.range[0]) for i, results in had.items() for r in results}
    like = _first_header(store, had)
    wrong: list[str] = []
    for path in sorted(parts.glob("f*.s*.part")) if parts.is_dir() else ():
        match = _PART.fullmatch(path.name)
        if match is None or int(match[1]) not in by_frame or (by_frame[int(match[1])][0], int(match[2])) in done:
            continue
        try:
            header = read_header(path)[0]
            if not header.complete:
                continue
            like = like or header
            if _kind(header) != _kind(like):
                raise BadAsset("it comes from another kind of device or renderer than the others; render it again")
            _claim(store, job, by_frame[int(match[1])][1], path, header)
        except BadAsset as fault:
            wrong.append(f"{path.name}: {fault}")
    return wrong


def _kind(header: Header) -> tuple[str, str, str]:
    return header.build, header.backend, header.device


def _first_header(store: Store, had: dict[int, list[Result]]) -> Header | None:
    """The header of a partial that counts already."""
    for results in had.values():
        for result in results:
            with tempfile.TemporaryDirectory(prefix="myriad-farm-") as folder:
                path = Path(folder) / "unit.part"
                path.write_bytes(store.get(result.key))
                return read_header(path)[0]
    return None


def _claim(store: Store, job: RenderJob, piece: Piece, path: Path, header: Header) -> None:
    if len(header.ranges) != 1:
        raise BadAsset(f"it holds samples {header.ranges}, not one slice")
    data = path.read_bytes()
    digest = digest_of(data)
    attempt = int(digest[:12], 16)  # the same bytes go to the same place
    key = part_key(job.spec.id, piece, header.ranges[0], attempt)
    result = Result(range=header.ranges[0], key=key, digest=digest)
    check_partial(path, job, piece, result)
    store.put(key, data)
    holder(store, job.spec.id, piece, result)
