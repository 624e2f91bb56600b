"""`studio info`, `studio convert` and `studio demo`: scenes looked at, written in another format, or made by code.

Of a picture `studio info` tells its content credentials.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from studio.command_line import authors
from studio.command_line.console import Console
from studio.errors import UsageError
from studio.scene.entities import Camera, MeshObject
from studio.scene.lights import Light
from studio.scene.scene import Scene

_WRITTEN = (".glb", ".gltf", ".studio")


def run(args: argparse.Namespace, console: Console) -> int:
    """Carry out one of the three commands; returns the exit code."""
    if args.command == "info" and Path(args.scene).suffix == ".part":
        return _info_of_partial(Path(args.scene), console)
    if args.command == "info" and Path(args.scene).suffix.lower() in authors.PICTURES:
        return authors.show(Path(args.scene), console)
    if args.command == "demo":
        from studio.assets.demo import build

        output = _writable(args.output)
        if args.identity and args.name != "head":
            raise UsageError("--identity says who the head is; it goes with `studio demo head`")
        return _save(_head(args.identity) if args.identity else build(args.name), output, console)

    from studio.assets.load import load_scene

    output = _writable(args.output) if args.command == "convert" else Path()
    scene, report = load_scene(args.scene, variant=args.variant, strict=args.strict)
    if args.command == "convert":
        for sentence in (*report.dropped, *report.warnings):
            console.say(sentence)
        return _save(scene, output, console)
    facts = scene_facts(scene)
    for name, value in facts.items():
        console.result(f"{name.replace('_', ' '):<18} {_shown(value)}")
    for sentence in report.sentences():
        console.result(sentence)
    told = {"mapped": report.mapped, "dropped": report.dropped, "warnings": report.warnings}
    console.event("info", path=args.scene, **facts, read=dict(report.read), **told)
    return 0


def _head(identity: str) -> Scene:
    from studio.assets.demo.head import build

    return build(identity)


def scene_facts(scene: Scene) -> dict[str, object]:
    """What an artist wants to know of a scene: counts, lights by kind, cameras, frames."""
    entities = list(scene.entities.values())
    objects = [entity for entity in entities if isinstance(entity, MeshObject)]
    lights = Counter(entity.light for entity in entities if isinstance(entity, Light))
    triangles = {key: len(mesh.triangles) for key, mesh in scene.meshes.items()}
    return {
        "name": scene.name,
        "entities": len(entities),
        "objects": len(objects),
        "meshes": len(scene.meshes),
        "triangles": sum(triangles.values()),
        "placed_triangles": sum(triangles.get(entity.mesh, 0) for entity in objects),
        "lights": dict(lights),
        "emissive_materials": sum(1 for material in scene.materials.values() if material.emission_luminance > 0),
        "cameras": [entity.name or entity.id for entity in entities if isinstance(entity, Camera)],
        "materials": len(scene.materials),
        "images": len(scene.images),
        "animated_fields": len(scene.tracks),
        "frames": [scene.frame_start, scene.frame_end],
        "fps": scene.fps,
    }


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items()) or "none"
    if isinstance(value, list):
        parts = [f"{part:g}" if isinstance(part, float) else str(part) for part in value]
        return ", ".join(parts) or "none"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


def _info_of_partial(path: Path, console: Console) -> int:
    from studio.render.partial import read_header

    header, layout = read_header(path)
    facts = {
        "size": f"{layout.width}x{layout.height}",
        "crop": list(layout.crop),
        "samples": [f"{a}:{b}" for a, b in header.ranges],
        "frame": header.frame,
        "layers": sorted({channel.name.rpartition(".")[0] or "beauty" for channel in layout.channels}),
        "adaptive": "yes" if header.adaptive else "no",
        "scene": header.scene,
        "renderer": header.build,
        "device": f"{header.backend} {header.device}",
    }
    for name, value in facts.items():
        console.result(f"{name:<18} {_shown(value)}")
    console.event("info", path=path, **facts)
    return 0


def _writable(output: str) -> Path:
    path = Path(output)
    if path.suffix.lower() not in _WRITTEN:
        raise UsageError(f"cannot write the scene {path.name!r}; its name must end in {', '.join(_WRITTEN)}")
    return path


def _save(scene: Scene, path: Path, console: Console) -> int:
    if path.suffix.lower() == ".studio":
        from studio.scene.project import save_project

        save_project(scene, path)
    else:
        from studio.assets.gltf.writer import save_gltf
        from studio.render.sequence import check_folder

        check_folder(path.parent)
        for sentence in save_gltf(scene, path).sentences()[1:]:
            console.say(sentence)
    console.result(str(path))
    console.event("done", path=path)
    return 0
