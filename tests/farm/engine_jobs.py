"""A tiny project, a job of it, and what one process makes of it, for the tests of engines."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from studio.farm.bundles.bundle import make_bundle
from studio.farm.jobs import RenderJob, claimed, read_job
from studio.farm.merge import merged
from studio.farm.model import JobSpec, Needs, Piece
from studio.farm.store import open_store
from studio.render.film import Film
from studio.render.session import RenderSession
from studio.render.settings import RenderSettings
from studio.scene.flatten import flatten
from studio.scene.project import load_project, save_project
from tests.render.scenes import ball, eye, floor, lamp, matte, scene_of, thing

SETTINGS = RenderSettings(width=32, height=24, samples=30, depth=3)


def project_in(folder: Path) -> Path:
    """A small room with a lamp, saved."""
    things = (
        thing(floor(3.0), matte(0.6)),
        thing(ball(0.5), matte(0.7, 0.3, 0.2)),
        thing(floor(0.4, 2.0), lamp(40.0, double_sided=True)),
    )
    save_project(scene_of(things, camera=eye((0.0, 1.0, 3.0), (0.0, 0.3, 0.0))), folder / "room.studio")
    return folder / "room.studio"


def job_in(store: Path, project: Path, *, frames: int = 1, samples: int = 30) -> RenderJob:
    """A job whose bundle lies in a store."""
    bundle, _ = make_bundle(project, open_store(store))
    return job_of(bundle, frames=frames, samples=samples)


def job_of(bundle: str, *, frames: int = 1, samples: int = 30, needs: Needs | None = None) -> RenderJob:
    """A job of a bundle."""
    pieces = tuple(Piece(frame=float(n + 1), samples=samples) for n in range(frames))
    spec = JobSpec(
        id="room-1", name="The room", bundle=bundle, pieces=pieces, retries=50, needs=needs or Needs(trust=1)
    )
    settings = RenderSettings(width=32, height=24, samples=samples, depth=3)
    return RenderJob(spec=spec, settings=settings, output="room.####.exr")


def alone(project: Path, job: RenderJob) -> list[str]:
    """The digests of the films that one process makes of a job's frames."""
    scene = load_project(project)
    with RenderSession(device="cpu") as session:
        return [sha(session.render_frame(flatten(scene, p.frame), job.settings).film) for p in job.spec.pieces]


def in_store(place: Path, id_: str) -> list[str]:
    """The digests of the films that a store has of a job's frames."""
    store = open_store(place)
    job = read_job(store, id_)
    found = claimed(store, job)
    return [sha(merged(store, job, i, found.get(i, []))[0]) for i in range(len(job.spec.pieces))]


def sha(film: Film) -> str:
    """The digest of a film's sums."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in film.buffers().values())).hexdigest()


def golden(name: str, text: str) -> None:
    """Compare with a file of goldens/, which MYRIAD_GOLDENS=write makes anew."""
    import os

    path = Path(__file__).parent / "goldens" / name
    if os.environ.get("MYRIAD_GOLDENS") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, f"{name} is not what it was; look at it, then MYRIAD_GOLDENS=write"
