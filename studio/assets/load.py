"""Loading: one door for every file that holds a scene."""

from __future__ import annotations

import os
from pathlib import Path

from studio.assets.report import LoadReport
from studio.errors import BadAsset, Unsupported
from studio.scene.scene import Scene

GLTF = (".glb", ".gltf", ".vrm")
USD = (".usd", ".usda", ".usdc", ".usdz")


def load_scene(path: str | os.PathLike[str], *, variant: str = "", strict: bool = False) -> tuple[Scene, LoadReport]:
    """The scene at a path and the report of what was read, mapped and dropped.

    Reads .glb, .gltf, .vrm, .obj and project folders. `variant` chooses a glTF material variant by name; `strict`
    refuses a missing texture instead of drawing it magenta. Raises BadAsset for a broken or missing file,
    Unsupported for a format or an extension that this build lacks; both are one sentence for the artist.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in GLTF:
        from studio.assets.gltf.reader import read_gltf

        return read_gltf(path, variant=variant, strict=strict)
    if suffix == ".obj":
        from studio.assets.obj import read_obj

        return read_obj(path, strict=strict)
    if suffix in USD:
        raise Unsupported(f"{path.name}: USD is not read by this build; export the scene as .glb.")
    if (path / "scene.json").is_file() or suffix == ".studio":
        from studio.scene.project import load_project

        scene = load_project(path)
        return scene, LoadReport(read={"node": len(scene.entities), "mesh": len(scene.meshes)})
    if not path.exists():
        raise BadAsset(f"{path.name}: there is no file or project {str(path)!r}; check the path.")
    raise Unsupported(f"{path.name or path}: is no scene that Myriad reads; use .glb, .gltf, .obj or a project folder.")
