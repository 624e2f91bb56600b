"""The scenes of a queue's jobs: versions of one project folder, so that twenty jobs of a scene hold its meshes once.

A scene is kept as it was when it was submitted. Keeping and sweeping exclude one another by a lock, as a sweep that
runs between the writing of an asset and of the version that needs it would delete it.
"""

from __future__ import annotations

import hashlib

from studio.errors import BadAsset
from studio.render.queue_store import Store, locked
from studio.scene.project import load_project, save_project, save_version, sweep
from studio.scene.scene import Scene

FOLDER = "scenes.studio"


def keep_scene(store: Store, scene: Scene) -> tuple[str, str]:
    """Keep a scene; the name of its version, and the digest of its text, by which the same scene is kept once."""
    project = store.folder / FOLDER
    with locked(store.folder / "scenes.lock"):
        file = save_version(scene, project)
        digest = hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()
        same = store.read("SELECT scene FROM jobs WHERE digest = ? LIMIT 1", digest)
        if same and (file.parent / same[0]["scene"]).is_file():
            file.unlink()
            return str(same[0]["scene"]), digest
        return file.name, digest


def fetch_scene(store: Store, version: str) -> Scene:
    """The scene of a version. Raises `BadAsset` when it is gone or damaged."""
    return load_project(store.folder / FOLDER / "versions" / version)


def drop_scenes(store: Store) -> None:
    """Delete what no job needs any more."""
    project = store.folder / FOLDER
    if not project.is_dir():
        return
    with locked(store.folder / "scenes.lock"):
        needed = {row["scene"] for row in store.read("SELECT DISTINCT scene FROM jobs")}
        for file in (project / "versions").glob("scene.*.json"):
            if file.name not in needed:
                file.unlink()
        save_project(Scene(), project)
        try:
            sweep(project)
        except BadAsset:
            return  # a version of a waiting job is damaged: its job will say so, and nothing is deleted before
