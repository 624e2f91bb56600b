"""Results as nodes would leave them in a store, without rendering: films of noise with true headers."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
import numpy as np

from studio.farm.jobs import RenderJob, claim, part_key
from studio.farm.model import Range, Result
from studio.farm.store import Store
from studio.farm.submission import Submission, plan_job, send_scene, submit_job
from studio.farm.verify import digest_of
from studio.render.checkpoint import header_of, save_part
from studio.render.device import DeviceInfo
from studio.render.film import Film
from studio.render.session import layout_of
from studio.render.settings import RenderSettings
from studio.scene.flatten import flatten
from studio.scene.project import load_project, save_project
from tests.render.stage import stage

SETTINGS = RenderSettings(width=64, height=40, samples=16)
DEVICE = DeviceInfo(backend="cpu", name="a test", device_class="test")


def job_in(store: Store, folder: Path, **more: object) -> RenderJob:
    """A job of the stage's two frames, with nothing rendered."""
    project = folder / "stage.studio"
    if not project.is_dir():
        save_project(stage(), project)
    sent = send_scene(store, project, stage())
    request = Submission(**{"settings": SETTINGS, "frames": (1.0, 2.0), "output": "f.####.exr", **more})  # type: ignore[arg-type]
    return submit_job(store, plan_job(request, sent, scene_name="stage"))[0]


def film_of(job: RenderJob, folder: Path, row: int, samples: Range) -> tuple[Film, bytes]:
    """What a node might have rendered of a piece, and its partial."""
    piece = job.spec.pieces[row]
    flat = flatten(load_project(folder / "stage.studio"), piece.frame, camera=job.camera)
    settings = msgspec.structs.replace(
        job.settings, crop=piece.crop or job.settings.crop, first_sample=samples[0], samples=samples[1] - samples[0]
    )
    film = Film.of(layout_of(flat, settings))
    count = samples[1] - samples[0]
    noise = np.random.default_rng([row, *samples])
    film.sums[...] = noise.integers(0, 1 << 40, film.sums.shape) * count
    film.squares[...] = noise.integers(0, 1 << 30, film.squares.shape)
    film.counts[...] = count
    frame = job.settings.crop or (0, 0, settings.width, settings.height)
    header = header_of(flat, settings, DEVICE, region=frame if piece.crop else settings.crop, total=(0, piece.samples))
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "a.part"
        save_part(path, film, header)
        return film, path.read_bytes()


def deliver(store: Store, job: RenderJob, folder: Path, row: int, samples: Range) -> Result:
    """Put a result into the store, claimed."""
    _, data = film_of(job, folder, row, samples)
    key = part_key(job.spec.id, job.spec.pieces[row], samples, 1)
    store.put(key, data)
    result = Result(range=samples, key=key, digest=digest_of(data))
    assert claim(store, job.spec.id, job.spec.pieces[row], result)
    return result


def deliver_all(store: Store, job: RenderJob, folder: Path) -> None:
    """All of it, each piece in two results."""
    for row, piece in enumerate(job.spec.pieces):
        half = piece.samples // 2
        deliver(store, job, folder, row, (half, piece.samples))
        deliver(store, job, folder, row, (0, half))
