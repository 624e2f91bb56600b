"""Writing a scene as .glb or .gltf: the one place where the parts of the writer meet.

The file says everything it can in glTF and the ratified extensions, so other programs see lights, cameras and
materials; what only Myriad knows is kept in extras and comes back when Myriad reads the file.
"""

from __future__ import annotations

import os
import struct
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import numpy as np

from studio.assets.gltf.material_writer import Json, TextureTable, keep_the_rest, material_json
from studio.assets.gltf.node_writer import NodeWriter
from studio.assets.gltf.packing import Packer
from studio.assets.report import LoadReport, Notes
from studio.errors import CannotWrite, UsageError
from studio.scene.animation import Curve
from studio.scene.scene import Scene

PATHS = {"translation": "translation", "rotation": "rotation", "scale": "scale", "morph_weights": "weights"}
INTERPOLATIONS = {"linear": "LINEAR", "step": "STEP", "cubic": "CUBICSPLINE"}
GENERATOR = "Myriad"


def save_gltf(scene: Scene, path: str | os.PathLike[str]) -> LoadReport:
    """Write a scene as .glb, or as .gltf with a .bin beside it; the report says what was kept only in extras.

    The file is written under a temporary name and renamed. Raises UsageError for another suffix, CannotWrite when
    the folder or disk refuses.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".glb", ".gltf"):
        raise UsageError(f"{path.name}: a scene is written as .glb or .gltf; give it one of these suffixes.")
    notes = Notes()
    document, binary = build(scene, notes)
    if suffix == ".glb":
        _write(path, _glb(document, binary))
    else:
        if binary:
            data = path.with_suffix(".bin")
            document["buffers"][0]["uri"] = quote(data.name)
            _write(data, binary)
        _write(path, msgspec.json.format(msgspec.json.encode(document), indent=1))
    return notes.report()


def build(scene: Scene, notes: Notes) -> tuple[Json, bytes]:
    """The document of a scene and the bytes of its one buffer."""
    packer = Packer()
    table = TextureTable(scene.images, packer)
    materials = [material_json(material, table) for material in scene.materials.values()]
    keep_the_rest(list(scene.materials.values()), materials, table)
    writer = NodeWriter(scene, packer, table)
    roots = writer.write()
    animations, kept = _animations(scene, writer, packer, notes)
    document: Json = {
        "asset": {"version": "2.0", "generator": GENERATOR},
        "scene": 0,
        "scenes": [
            {"name": scene.name, "nodes": roots, "extras": {"myriad_scene": _scene_extras(scene, writer, kept)}}
        ],
        "nodes": writer.nodes,
        "meshes": writer.meshes,
        "materials": materials,
        "cameras": writer.cameras,
        "skins": writer.skins,
        "animations": animations,
        "images": table.images,
        "samplers": table.samplers,
        "textures": table.textures,
        "accessors": packer.accessors,
        "bufferViews": packer.views,
        "buffers": [{"byteLength": packer.size}] if packer.size else [],
    }
    if writer.lights:
        document["extensions"] = {"KHR_lights_punctual": {"lights": writer.lights}}
    document = {name: value for name, value in document.items() if value not in ([], {})}
    if not roots:
        del document["scenes"][0]["nodes"]
    used = sorted(_extensions(document))
    if used:
        document["extensionsUsed"] = used
    notes.read = {"node": len(writer.nodes), "mesh": len(writer.meshes), "material": len(materials)}
    return document, b"".join(packer.chunks)


def _scene_extras(scene: Scene, writer: NodeWriter, tracks: list[Json]) -> Json:
    extras: Json = {
        "name": scene.name,
        "fps": scene.fps,
        "frame_start": scene.frame_start,
        "frame_end": scene.frame_end,
        "camera": writer.row.get(scene.camera, -1),
    }
    return {**extras, "tracks": tracks} if tracks else extras


def _animations(scene: Scene, writer: NodeWriter, packer: Packer, notes: Notes) -> tuple[list[Json], list[Json]]:
    """One glTF animation of the tracks that it can hold, and the other tracks as records for the extras."""
    channels: list[Json] = []
    samplers: list[Json] = []
    kept: list[Json] = []
    for name, curve in scene.tracks.items():
        target, _, field = name.rpartition(".")
        plain = curve.interpolation in INTERPOLATIONS and curve.pre == curve.post == "hold"
        if target in writer.row and field in PATHS and plain and not _between(curve, scene.fps):
            samplers.append(_sampler(curve, scene.fps, packer))
            node = {"node": writer.row[target], "path": PATHS[field]}
            channels.append({"sampler": len(samplers) - 1, "target": node})
        elif target in writer.row or target in writer.material_row:
            kept.append(_kept_track(target, field, curve, writer))
            notes.mapped(f"The track of {field} is kept in extras, where only Myriad reads it.")
    return ([{"name": scene.name, "channels": channels, "samplers": samplers}] if channels else []), kept


def _between(curve: Curve, fps: float) -> bool:
    """Whether keys lie so close, or so early, that seconds in single precision cannot tell them apart."""
    seconds = (curve.times / fps).astype(np.float32)
    return bool((np.diff(seconds) <= 0).any() or (seconds < 0).any())


def _sampler(curve: Curve, fps: float, packer: Packer) -> Json:
    values = curve.values[:, None]
    if curve.interpolation == "cubic":
        zeros = np.zeros_like(curve.values)
        into = zeros if curve.in_tangents is None else curve.in_tangents * fps
        out = zeros if curve.out_tangents is None else curve.out_tangents * fps
        values = np.stack([into, curve.values, out], axis=1)
    width = 4 if curve.rotation else 3 if values.shape[2] == 3 else 1
    return {
        "input": packer.array((curve.times / fps).astype("<f4"), bounds=True),
        "output": packer.array(values.astype("<f4").reshape(-1, width)),
        "interpolation": INTERPOLATIONS[curve.interpolation],
    }


def _kept_track(target: str, field: str, curve: Curve, writer: NodeWriter) -> Json:
    where = f"node:{writer.row[target]}" if target in writer.row else f"material:{writer.material_row[target]}"
    record: dict[str, Any] = {"target": where, "field": field, "rotation": curve.rotation}
    record |= {"times": curve.times.tolist(), "values": curve.values.tolist(), "interpolation": curve.interpolation}
    record |= {"pre": curve.pre, "post": curve.post}
    if curve.in_tangents is not None and curve.out_tangents is not None:
        record |= {"in_tangents": curve.in_tangents.tolist(), "out_tangents": curve.out_tangents.tolist()}
    return record


def _extensions(value: Any) -> set[str]:
    """Names of all extensions that a document uses."""
    if isinstance(value, list):
        return set().union(*map(_extensions, value))
    if not isinstance(value, dict):
        return set()
    own = set(value.get("extensions", {}))
    return own.union(*(_extensions(item) for name, item in value.items() if name != "extras"))


def _glb(document: Json, binary: bytes) -> bytes:
    text = msgspec.json.encode(document)
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    if binary:
        chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _write(path: Path, data: bytes) -> None:
    """Write a file under a temporary name and rename it."""
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise CannotWrite(f"{path}: cannot be written ({error.strerror}); choose another folder.") from error
