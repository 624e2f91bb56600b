"""Writing a scene as .glb or .gltf: the one place where the parts of the writer meet.

The file says everything it can in glTF and the ratified extensions, so other programs see lights, cameras and
materials; what only Myriad knows is kept in extras and comes back when Myriad reads the file. What constraints and
strips drive is written as keys, see `studio.assets.gltf.plain_motion`.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import numpy as np

from studio.assets.gltf.material_writer import Json, TextureTable, keep_the_rest, material_json
from studio.assets.gltf.motion import KeptClip, KeptScene, KeptTrack
from studio.assets.gltf.node_writer import NodeWriter
from studio.assets.gltf.packing import Packer
from studio.assets.gltf.plain_motion import MOST_FRAMES, plain_motion
from studio.assets.report import LoadReport, Notes
from studio.errors import CannotWrite, UsageError
from studio.scene.animation import Curve, evaluate, make_curve
from studio.scene.euler import to_quaternions
from studio.scene.key_conversions import continuous
from studio.scene.scene import Scene

PATHS = {"translation": "translation", "rotation": "rotation", "scale": "scale", "morph_weights": "weights"}
INTERPOLATIONS = {"linear": "LINEAR", "step": "STEP", "cubic": "CUBICSPLINE"}
GENERATOR = "Myriad"


def save_gltf(scene: Scene, path: str | os.PathLike[str]) -> LoadReport:
    """Write a scene as .glb, or as .gltf with a .bin beside it; the report says what was kept only in extras,
    made into keys or left out.

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
    scene = plain_motion(scene, notes)
    packer = Packer()
    table = TextureTable(scene.images, packer)
    materials = [material_json(material, table) for material in scene.materials.values()]
    keep_the_rest(list(scene.materials.values()), materials, table)
    writer = NodeWriter(scene, packer, table)
    roots = writer.write()
    motion = _Motion(scene, writer, packer, notes)
    document: Json = {
        "asset": {"version": "2.0", "generator": GENERATOR},
        "scene": 0,
        "scenes": [
            {"name": scene.name, "nodes": roots, "extras": {"myriad_scene": _scene_extras(scene, writer, motion.kept)}}
        ],
        "nodes": writer.nodes,
        "meshes": writer.meshes,
        "materials": materials,
        "cameras": writer.cameras,
        "skins": writer.skins,
        "animations": motion.animations,
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


def _scene_extras(scene: Scene, writer: NodeWriter, kept: KeptScene) -> Json:
    extras: Json = {
        "name": scene.name,
        "fps": scene.fps,
        "frame_start": scene.frame_start,
        "frame_end": scene.frame_end,
        "camera": writer.row.get(scene.camera, -1),
    }
    return {**extras, **msgspec.to_builtins(kept)}


class _Motion:
    """The animations of a file: the scene's own tracks first, then a clip each, and what goes to the extras."""

    def __init__(self, scene: Scene, writer: NodeWriter, packer: Packer, notes: Notes) -> None:
        self.scene, self.writer, self.packer, self.notes = scene, writer, packer, notes
        self.animations: list[Json] = []
        _, tracks = self._written(scene.name, scene.tracks, scene.frame_start, scene.frame_end)
        clips = []
        for clip in scene.clips.values():
            at, kept = self._written(clip.name, clip.tracks, clip.start, clip.end)
            record = KeptClip(id=clip.id, name=clip.name, start=clip.start, end=clip.end, animation=at, tracks=kept)
            clips.append(record)
        self.kept = KeptScene(tracks=tracks, clips=clips)

    def _written(self, name: str, tracks: Mapping[str, Curve], start: float, end: float) -> tuple[int, list[KeptTrack]]:
        """The row of the animation of these tracks, -1 for none, and the tracks that it cannot hold."""
        channels: list[Json] = []
        samplers: list[Json] = []
        kept: list[KeptTrack] = []
        fps = self.scene.fps
        for track, curve in tracks.items():
            target, _, field = track.rpartition(".")
            plain = curve.interpolation in INTERPOLATIONS and curve.pre == curve.post == "hold" and not curve.euler
            plain = plain and not _between(curve, fps)
            shown = curve
            if target not in self.writer.row and target not in self.writer.material_row:
                continue
            if not plain:
                kept.append(_kept_track(target, field, curve, self.writer))
                shown = _sampled(curve, start, end)
            if target in self.writer.row and field in PATHS and not _between(shown, fps):
                samplers.append(_sampler(shown, fps, self.packer))
                node = {"node": self.writer.row[target], "path": PATHS[field]}
                channels.append({"sampler": len(samplers) - 1, "target": node})
                if not plain:
                    self.notes.mapped(f"The track of {field} is written frame by frame; its keys are kept in extras.")
                continue
            if plain:
                kept.append(_kept_track(target, field, curve, self.writer))
            self.notes.mapped(f"The track of {field} is kept in extras, where only Myriad reads it.")
        if not channels:
            return -1, kept
        self.animations.append({"name": name, "channels": channels, "samplers": samplers})
        return len(self.animations) - 1, kept


def _sampled(curve: Curve, start: float, end: float) -> Curve:
    """A curve that the format can hold: straight lines between the values on whole frames, over the keys and from
    `start` to `end`."""
    first = max(np.floor(min(float(curve.times[0]), start)), 0.0)
    last = np.ceil(max(float(curve.times[-1]), end, first))
    frames = np.linspace(first, last, int(min(last - first, MOST_FRAMES)) + 1)
    values = evaluate(curve, frames)
    if curve.euler or curve.rotation:
        values = continuous(to_quaternions(values) if curve.euler else values)
    return make_curve(frames, values, rotation=curve.euler or curve.rotation)


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


def _kept_track(target: str, field: str, curve: Curve, writer: NodeWriter) -> KeptTrack:
    where = f"node:{writer.row[target]}" if target in writer.row else f"material:{writer.material_row[target]}"
    arrays: dict[str, Any] = {
        name: None if getattr(curve, name) is None else getattr(curve, name).tolist()
        for name in ("times", "values", "in_tangents", "out_tangents", "modes")
    }
    names = ("interpolation", "pre", "post", "rotation", "euler")
    rest: dict[str, Any] = {name: getattr(curve, name) for name in names}
    return KeptTrack(target=where, field=field, **arrays, **rest)


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
