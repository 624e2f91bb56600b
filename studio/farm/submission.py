"""From what an artist asks for to a job in the store: a scene, settings and frames become a bundle and pieces.

The same request is the same job. Its id is a digest of the bundle's content, the settings and the pieces, so sending it
twice, from two machines or after a crash, is sending it once, and what was rendered of it is not rendered again. How
the pictures are finished and where they go is no part of it: a frame that was paid for can be finished another way.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from studio.errors import BadAsset, UsageError
from studio.farm.bundles.bundle import send_bundle
from studio.farm.bundles.cas import digest_of
from studio.farm.jobs import RenderJob, read_job, write_job
from studio.farm.model import JobSpec, Needs, Piece
from studio.farm.store import Store
from studio.farm.trust.artist import sign
from studio.farm.trust.signing import Key
from studio.farm.verify import plain_settings
from studio.render.adaptive import BLOCK_PX
from studio.render.film import Crop
from studio.render.finish import GUIDES, Look, with_guides
from studio.render.output import COMPRESSIONS
from studio.render.settings import RenderSettings
from studio.scene import color
from studio.scene.project import SCENE, is_project, save_project
from studio.scene.scene import Scene

MOST_TILES = 64  # a side
_GUIDES = "guides"  # of the look: AOVs that only the denoiser asked for
_encoder = msgspec.json.Encoder(order="deterministic")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What an artist asks for. `tiles` are columns and rows that a frame is cut into, `expected_s` the seconds of one
    sample of a frame on a node of score 1, as a pilot measured them (0: nobody knows)."""

    settings: RenderSettings
    frames: Sequence[float]
    camera: str = ""
    name: str = ""
    output: str = ""
    look: Look = field(default_factory=Look)
    tiles: tuple[int, int] = (1, 1)
    expected_s: float = 0.0
    needs: Needs = field(default_factory=Needs)
    priority: int = 50
    yields: bool = True  # its nodes may be asked over by a live view
    cap_micros: int = 0
    owner: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Sent:
    """A bundle in the store: its hash, the scene's file in it, all its bytes and those that had to be sent."""

    bundle: str
    scene: str
    size: int
    sent: int


def check_request(settings: RenderSettings, tiles: tuple[int, int] = (1, 1)) -> None:
    """Raise UsageError for what cannot be split over nodes, or into tiles."""
    refused = (
        (settings.time_limit_s > 0, "--time-limit would leave every node with other samples"),
        (settings.light_layers, "light layers cannot be merged"),
        (settings.first_sample != 0, "a farm chooses the ranges of samples itself"),
    )
    for wrong, sentence in refused:
        if wrong:
            raise UsageError(f"{sentence}; leave it out, or render on this machine with studio render")
    _tiles(settings, tiles)


def send_scene(
    store: Store,
    source: Path,
    scene: Scene,
    *,
    progress: Progress = lambda done, total: None,
    journal: Path | None = None,
) -> Sent:
    """Put a scene into the store. A project is sent as it lies on disk, anything else as the project it would make.

    `scene` is what `source` was read as. Raises BadAsset for what cannot be sent, CannotWrite when the store refuses.
    """
    if is_project(source):
        folder, name = (source.parent, source.name) if source.is_file() else (source, SCENE)
        if folder.name in ("versions", "backups"):
            folder, name = folder.parent, f"{folder.name}/{name}"
        made = send_bundle(folder, store, progress=progress, journal=journal, scene=name)
        return Sent(made.bundle, name, made.manifest.size, made.sent)
    with tempfile.TemporaryDirectory(prefix="myriad-farm-") as place:
        folder = Path(place) / "scene.studio"
        save_project(scene, folder)
        made = send_bundle(folder, store, progress=progress)
    return Sent(made.bundle, SCENE, made.manifest.size, made.sent)


def plan_job(request: Submission, sent: Sent, *, scene_name: str = "") -> RenderJob:
    """The job of a request. Raises UsageError for one that has nothing to render or cannot be split."""
    check_request(request.settings, request.tiles)
    settings = with_guides(request.settings, denoise=request.look.denoise)
    region = settings.crop or (0, 0, settings.width, settings.height)
    crops = _tiles(settings, request.tiles)
    pieces = tuple(
        Piece(frame=float(frame), samples=settings.samples, crop=crop, cost=_share(crop, region))
        for frame in request.frames
        for crop in crops
    )
    if not pieces:
        raise UsageError("there are no frames to render; say which with --frames")
    name = request.name or scene_name or "scene"
    spec = JobSpec(
        id="",
        name=name[:200],
        bundle=sent.bundle,
        pieces=pieces,
        needs=request.needs,
        priority=request.priority,
        yields=request.yields,
        owner=request.owner,
        weight=request.weight,
        cap_micros=request.cap_micros,
        expected_s=request.expected_s,
        submitted_at=time.time(),
    )
    guides = [aov for aov in settings.aovs if aov in GUIDES and aov not in request.settings.aovs]
    job = RenderJob(
        spec=spec,
        settings=settings,
        scene=sent.scene,
        camera=request.camera,
        output=Path(request.output).name,
        look={**msgspec.to_builtins(request.look), _GUIDES: guides},
    )
    return msgspec.structs.replace(job, spec=msgspec.structs.replace(spec, id=job_id(job)))


def job_id(job: RenderJob) -> str:
    """The id of a job by its content: the beginning of its name, and a digest of what shows in its films."""
    shown = (job.spec.bundle, job.scene, job.camera, plain_settings(job), job.spec.pieces)
    slug = re.sub(r"[^a-z0-9]+", "-", job.spec.name.lower().encode("ascii", "ignore").decode()).strip("-")[:24]
    return f"{slug or 'job'}-{digest_of(_encoder.encode(shown))[:12]}"


def submit_job(store: Store, job: RenderJob, *, key: Key | None = None) -> tuple[RenderJob, bool]:
    """Put a job into the store; gives it as it lies there, and whether it is new. With `key` it is signed."""
    signed = job
    if key is not None:
        with contextlib.suppress(BadAsset):  # it is not there yet, or damaged and about to be written again
            signed = read_job(store, job.spec.id)
        sign(store, signed, key)
    fresh = write_job(store, job)
    kept = read_job(store, job.spec.id)
    if key is not None and kept != signed:  # somebody else was faster
        sign(store, kept, key)
    return kept, fresh


def _tiles(settings: RenderSettings, tiles: tuple[int, int]) -> tuple[Crop | None, ...]:
    """The tiles of a frame."""
    region = settings.crop or (0, 0, settings.width, settings.height)
    return tiles_of(region, tiles, BLOCK_PX if settings.error > 0 else 1)


def tiles_of(region: Crop, tiles: tuple[int, int], step: int = 1) -> tuple[Crop | None, ...]:
    """A region cut into columns and rows at multiples of `step` pixels, from the top left; None alone where nothing is
    cut."""
    columns, rows = tiles
    x0, y0, x1, y1 = region
    if not (1 <= columns <= min(MOST_TILES, x1 - x0) and 1 <= rows <= min(MOST_TILES, y1 - y0)):
        raise UsageError(
            f"a frame is cut into 1 to {MOST_TILES} columns and rows of whole pixels, not {columns}x{rows}"
        )
    if columns == rows == 1:
        return (None,)
    xs, ys = _cuts(x0, x1, columns, step), _cuts(y0, y1, rows, step)
    if len(set(xs)) <= columns or len(set(ys)) <= rows:
        raise UsageError(
            f"--error decides by blocks of {step} pixels, which {columns}x{rows} tiles would cut; ask fewer"
        )
    return tuple((xs[i], ys[j], xs[i + 1], ys[j + 1]) for j in range(rows) for i in range(columns))


def _cuts(first: int, last: int, count: int, step: int) -> list[int]:
    """Where a side is cut into so many parts."""
    inner = [round((first + (last - first) * i // count) / step) * step for i in range(1, count)]
    return [first, *inner, last]


def _share(crop: Crop | None, region: Crop) -> float:
    """What a sample of a crop costs against one of the whole frame."""
    if crop is None:
        return 1.0
    return (crop[2] - crop[0]) * (crop[3] - crop[1]) / ((region[2] - region[0]) * (region[3] - region[1]))


def look_of(job: RenderJob) -> Look:
    """How a job's pictures are finished. It came out of a store: BadAsset for what is no look."""
    known = {name: value for name, value in job.look.items() if name != _GUIDES}
    where = f"the job {job.spec.id} is damaged"
    try:
        look = msgspec.convert(known, Look)
        color.find_view(look.view, look.display)
    except (msgspec.ValidationError, UsageError) as fault:
        raise BadAsset(f"{where}: its look cannot be read ({fault}); submit it again") from fault
    if look.compression not in COMPRESSIONS or look.bits not in (8, 16) or not 1 <= look.quality <= 100:
        raise BadAsset(f"{where}: its look asks for what no picture has; submit it again")
    return look


def asked_aovs(job: RenderJob) -> tuple[str, ...]:
    """The AOVs that the artist asked for, without those that the denoiser works by."""
    guides: Any = job.look.get(_GUIDES, ())
    return tuple(aov for aov in job.settings.aovs if not (isinstance(guides, list | tuple) and aov in guides))
