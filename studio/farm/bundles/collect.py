"""Which files of a project a job needs: its scene's text and the assets that the text names, and no others.

The list comes from the scene, not from the folder, so old versions, renders, originals and whatever else lies there
stay where they are. Nothing is followed out of the project: a link, anywhere on the way to a file, is refused, and so
is anything named like a key or a password.
"""

from __future__ import annotations

import os
from pathlib import Path

from studio.errors import BadAsset
from studio.farm.bundles import paths as bundle_paths
from studio.scene.project import SCENE
from studio.scene.scene_file import ASSET, read_contents


def scene_files(folder: Path, scene: str = SCENE) -> list[str]:
    """The paths of what the scene at `scene` of a project folder needs, below the folder, sorted.

    Raises BadAsset for a scene that cannot be read, for a file that is missing, is a link or may not be sent.
    """
    _plain(folder, scene)
    try:
        text = (folder / scene).read_bytes()
    except OSError as fault:
        raise BadAsset(f"{folder / scene} cannot be read: {(fault.strerror or str(fault)).lower()}.") from None
    assets = read_contents(text, where=str(folder / scene)).assets()
    for name in sorted(assets):
        if not ASSET.fullmatch(name):
            raise BadAsset(f"{folder / scene} names the asset {name[:80]!r}, which is not one of a project.")
        _plain(folder, name)
    missing = [name for name in sorted(assets) if not (folder / name).is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise BadAsset(f"{folder} lacks {missing[0]}{more}; relink or restore it before the scene is sent.")
    return sorted({scene, *assets})


def _plain(folder: Path, name: str) -> None:
    """Raise BadAsset for a path that leads out of the folder or to what must not be sent."""
    fault = bundle_paths.fault_of(name)
    if fault:
        raise BadAsset(f"{folder}: {name[:80]!r} {fault}; it is not sent.")
    at = str(folder)
    for part in name.split("/"):
        at = os.path.join(at, part)
        if os.path.islink(at) or (hasattr(os.path, "isjunction") and os.path.isjunction(at)):
            raise BadAsset(f"{at} is a link, and a bundle holds files; collect the project's assets first.")
