"""What a node fetches: the files of a project under the hashes of their bytes, and a manifest that names them.

A bundle is data and nothing else: no node ever runs anything of it. Its manifest is JSON, sorted, and its own BLAKE3 is
the bundle's name, so two submissions of one scene are one bundle, and an edit sends what it changed. This is the face:
the rest is `manifest` (what a bundle is), `collect` (which files), `packs`, `chunks` and `transfer` (sending them),
`arrivals` and `node_cache` (fetching and keeping them).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from studio.farm.bundles.collect import scene_files
from studio.farm.bundles.journal import Journal
from studio.farm.bundles.manifest import BundleFile as BundleFile
from studio.farm.bundles.manifest import Manifest as Manifest
from studio.farm.bundles.manifest import read_manifest as read_manifest
from studio.farm.bundles.node_cache import NodeCache as NodeCache
from studio.farm.bundles.portable import portable
from studio.farm.bundles.transfer import Upload, upload
from studio.farm.store import Store


def make_bundle(
    folder: Path,
    store: Store,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
    journal: Path | None = None,
    scene: str = "scene.json",
) -> tuple[str, Manifest]:
    """Put the scene of a project folder into a store; gives the bundle's hash and what it holds.

    What the store has already is not sent again. Raises BadAsset for a file that leads out of the folder.
    """
    sent = send_bundle(folder, store, progress=progress, journal=journal, scene=scene)
    return sent.bundle, sent.manifest


def send_bundle(
    folder: Path,
    store: Store,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
    journal: Path | None = None,
    scene: str = "scene.json",
) -> Upload:
    """`make_bundle`, and what was sent for it.

    `progress` hears of bytes that are in the store, of all bytes; what it raises ends the upload, which goes on from
    there the next time. `journal` is the file that remembers hashes between runs. `scene` is a scene file of the
    project: itself, a version or a backup. What it says of this machine is left out (`studio.farm.bundles.portable`).
    """
    names = scene_files(folder, scene)
    text = (folder / scene).read_bytes()
    plain = portable(text, where=str(folder / scene))
    with Journal(journal) as known, tempfile.TemporaryDirectory(prefix="myriad-farm-") as place:
        instead = {}
        if plain != text:
            instead[scene] = Path(place) / "scene.json"
            instead[scene].write_bytes(plain)
        return upload(folder, names, store, journal=known, progress=progress, instead=instead)
