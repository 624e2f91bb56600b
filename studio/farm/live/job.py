"""A job that somebody waits before: what is rendered for a live view, and how a node sees it.

It names the bundle of the scene as it was sent once, and holds what was edited since, so an edit of a light sends a
line of text. The camera is in it too, resolved, as a view may look from where no camera of the scene stands.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import msgspec

from studio.errors import BadAsset
from studio.farm.jobs import RenderJob
from studio.farm.model import JobId, JobSpec, Needs, Piece, Range
from studio.render.settings import RenderSettings
from studio.render.transfer import camera_of, camera_ref
from studio.scene.flat import FlatCamera, FlatScene
from studio.scene.flatten import flatten
from studio.scene.scene import Scene
from studio.scene.scene_changes import SceneChanges, changed

PRIORITY = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A scene that is in the store, whole: its bundle, the scene's file in it, and the value that was sent."""

    bundle: str
    file: str
    scene: Scene


def live_job(
    id_: JobId,
    base: Base,
    told: SceneChanges | None,
    camera: FlatCamera,
    samples: Range,
    *,
    frame: float,
    settings: RenderSettings,
    needs: Needs,
    owner: str,
    expected_s: float = 0.0,
) -> RenderJob:
    """The job of a range of samples of a live view. `settings` are those of the whole film."""
    spec = JobSpec(
        id=id_,
        name=(base.scene.name or "scene")[:200],
        bundle=base.bundle,
        pieces=(Piece(frame=frame, first=samples[0], samples=samples[1]),),
        needs=needs,
        priority=PRIORITY,
        owner=owner,
        expected_s=expected_s,
        submitted_at=time.time(),
        live=True,
    )
    whole = msgspec.structs.replace(settings, first_sample=0, error=0.0, time_limit_s=0.0)
    return RenderJob(spec=spec, settings=whole, scene=base.file, changes=told, eye=camera_ref(camera))


def edited(scene: Scene, job: RenderJob) -> Scene:
    """The scene of a job: its bundle's, with the job's own changes. BadAsset for changes that do not fit it."""
    return scene if job.changes is None else changed(scene, job.changes, where=f"the job {job.spec.id}")


def seen(scene: Scene, job: RenderJob, frame: float, *, previous: FlatScene | None = None) -> FlatScene:
    """A frame of a job's scene as a renderer reads it, by the eye of the job. BadAsset for an eye that is none."""
    flat = flatten(scene, frame, previous=previous, camera=job.camera)
    if job.eye is None:
        return flat
    try:
        return replace(flat, camera=camera_of(job.eye))
    except ValueError as fault:
        raise BadAsset(f"the job {job.spec.id} has a camera that is none ({fault}); submit it again") from None
