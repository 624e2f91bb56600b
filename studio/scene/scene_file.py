"""A scene as text and assets: what `scene.json` says.

The text is JSON with one entity, material, image or track a line, so that a version control system shows what an
artist changed. Arrays are not in it; they go to a store and are named by the hash of their bytes. The text of a newer
studio's file keeps what this one does not know: fields in the records' `extra`, whole sections as `msgspec.Raw` in
the scene's `extra`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.errors import BadAsset
from studio.scene import schema
from studio.scene.animation import Curve, make_curve
from studio.scene.arrays import pack_npy, pack_npz, unpack_npy, unpack_npz
from studio.scene.clips import Clip, Strip, check_strip
from studio.scene.entities import Entity, Figure, Group, MeshObject
from studio.scene.figure_rigs import check_figure
from studio.scene.geometry import MESH_ARRAYS, Image, Mesh, Morph, make_image, make_mesh
from studio.scene.rigs import check_states
from studio.scene.scene import Scene
from studio.scene.timeline import Timeline
from studio.scene.transforms import on_cycles, parent_rows

FORMAT = "myriad-studio scene"
ASSET = re.compile(r"assets/([0-9a-f]{32})\.(npz|npy)")
_INLINE = 96  # numbers of a track that stay in the text

Store = Callable[[bytes, str], str]  # bytes and suffix -> the asset's name, "assets/<hash>.<suffix>"
Fetch = Callable[[str], bytes]  # the asset's name -> bytes
T = TypeVar("T")


class ImageEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An image's line."""

    key: str
    file: str
    colour_space: str = "srgb"
    name: str = ""
    path: str = ""


class TrackEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A track's line: its keys, or the asset that holds them."""

    track: str
    interpolation: str = "linear"
    pre: str = "hold"
    post: str = "hold"
    rotation: bool = False
    euler: bool = False
    keys: str = ""
    times: list[float] = []
    values: list[list[float]] = []
    in_tangents: list[Any] | None = None
    out_tangents: list[Any] | None = None
    modes: list[Any] | None = None


class ClipEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A clip's line."""

    id: str
    name: str = "clip"
    start: float = 0.0
    end: float = 1.0
    tracks: list[TrackEntry] = []


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """The text of the present version."""

    format: str
    version: int
    base: str = ""  # backups: the hash of the text that they were made on top of
    name: str = "scene"
    camera: str = ""
    fps: float = 24.0
    frame_start: float = 1.0
    frame_end: float = 1.0
    entities: msgspec.Raw = msgspec.Raw(b"[]")
    materials: msgspec.Raw = msgspec.Raw(b"[]")
    meshes: dict[str, str] = {}
    images: list[ImageEntry] = []
    skins: dict[str, str] = {}
    tracks: list[TrackEntry] = []
    clips: list[ClipEntry] = []
    strips: list[Strip] = []
    timeline: Timeline = Timeline()
    notes: str = ""
    extra: dict[str, Any] = {}

    def assets(self) -> set[str]:
        """Names of all assets that the text needs."""
        names = {*self.meshes.values(), *self.skins.values(), *(image.file for image in self.images)}
        tracks = (*self.tracks, *(track for clip in self.clips for track in clip.tracks))
        return names | {track.keys for track in tracks if track.keys}


def asset_name(data: bytes, suffix: str) -> str:
    """The name of an asset by its bytes."""
    return f"assets/{hashlib.blake2b(data, digest_size=16).hexdigest()}.{suffix}"


# --- writing ---------------------------------------------------------------------------------------------------------
def write_scene(scene: Scene, store: Store, *, base: str = "", stored: Mapping[str, str] | None = None) -> bytes:
    """The text of a scene, with its arrays given to `store`.

    `stored` names assets of meshes and images that are there already, by their content keys. References to what is
    not in the scene are dropped, so that what was written can always be read. Raises BadAsset for a number or text
    that JSON cannot hold.
    """
    scene = mended(scene)
    there = stored or {}
    meshes = {key: there.get(key) or store(_pack_mesh(mesh), "npz") for key, mesh in sorted(scene.meshes.items())}
    images = [
        ImageEntry(
            key=key,
            file=there.get(key) or store(pack_npy(image.pixels), "npy"),
            colour_space=image.colour_space,
            name=image.name,
            path=image.path,
        )
        for key, image in scene.images.items()
    ]
    skins = {
        key: store(pack_npy(np.asarray(matrices, np.float32)), "npy") for key, matrices in sorted(scene.skins.items())
    }
    tracks = [_track_entry(name, curve, store) for name, curve in sorted(scene.tracks.items())]
    clips = [_clip_entry(clip, store) for clip in scene.clips.values()]
    strips = [check_strip(strip) for strip in scene.strips.values()]
    if not schema.finite(scene.timeline):
        raise BadAsset(
            "The timeline holds a number that is not finite; set its markers, cuts and sound and save again."
        )
    unknown = {name: raw for name, raw in scene.extra.items() if isinstance(raw, msgspec.Raw)}
    extra = {name: value for name, value in scene.extra.items() if not isinstance(value, msgspec.Raw)}
    try:
        values = {"name": scene.name, "camera": scene.camera, "fps": scene.fps}
        values |= {"frame_start": scene.frame_start, "frame_end": scene.frame_end}
        lines = [f'"format": "{FORMAT}"'.encode(), f'"version": {schema.VERSION}'.encode()]
        lines += [f'"base": "{base}"'.encode()] if base else []
        lines += [_line(name, value) for name, value in values.items()]
        lines.append(_block("entities", map(schema.encode, scene.entities.values())))
        lines.append(_block("materials", map(schema.encode, scene.materials.values())))
        lines.append(_block("meshes", (_line(k, v) for k, v in meshes.items()), "{}"))
        lines.append(_block("images", map(schema.encode, images)))
        lines.append(_block("skins", (_line(k, v) for k, v in skins.items()), "{}"))
        lines.append(_block("tracks", map(schema.encode, tracks)))
        if clips:
            lines.append(_block("clips", map(schema.encode, clips)))
        if strips:
            lines.append(_block("strips", map(schema.encode, strips)))
        if scene.timeline != Timeline():
            lines.append(_line("timeline", scene.timeline))
        if scene.notes:
            lines.append(_line("notes", scene.notes))
        lines.append(_line("extra", dict(sorted(extra.items()))))
        lines += [_line(name, raw) for name, raw in sorted(unknown.items())]
    except (UnicodeEncodeError, TypeError) as fault:
        raise BadAsset(f'The scene "{scene.name!a}" holds something that a file cannot: {fault}.') from None
    return b"{\n" + b",\n".join(lines) + b"\n}\n"


def _line(name: str, value: Any) -> bytes:
    return msgspec.json.encode(name) + b": " + msgspec.json.encode(value, order="deterministic")


def _block(name: str, lines: Iterable[bytes], brackets: str = "[]") -> bytes:
    body = b",\n".join(lines)
    opening, closing = brackets[0].encode(), brackets[1].encode()
    return msgspec.json.encode(name) + b": " + opening + (b"\n" + body + b"\n" if body else b"") + closing


def _pack_mesh(mesh: Mesh) -> bytes:
    arrays: dict[str, NDArray[Any]] = {"parts": np.array(mesh.parts, np.int64)}
    for name in MESH_ARRAYS:
        if getattr(mesh, name) is not None:
            arrays[name] = getattr(mesh, name)
    for i, morph in enumerate(mesh.morphs):
        arrays[f"morph{i}_name"] = np.frombuffer(morph.name.encode(errors="replace"), np.uint8)
        for name in ("indices", "positions", "normals", "tangents"):
            if getattr(morph, name) is not None:
                arrays[f"morph{i}_{name}"] = getattr(morph, name)
    return pack_npz(arrays)


def _track_entry(name: str, curve: Curve, store: Store) -> TrackEntry:
    arrays = {
        part: getattr(curve, part)
        for part in ("times", "values", "in_tangents", "out_tangents", "modes")
        if getattr(curve, part) is not None
    }
    if sum(array.size for array in arrays.values()) > _INLINE:
        keys: dict[str, Any] = {"keys": store(pack_npz(arrays), "npz")}
    else:
        keys = {part: array.tolist() for part, array in arrays.items()}
    return TrackEntry(
        track=name,
        interpolation=curve.interpolation,
        pre=curve.pre,
        post=curve.post,
        rotation=curve.rotation,
        euler=curve.euler,
        **keys,
    )


def _clip_entry(clip: Clip, store: Store) -> ClipEntry:
    tracks = [_track_entry(name, curve, store) for name, curve in sorted(clip.tracks.items())]
    return ClipEntry(id=clip.id, name=clip.name, start=clip.start, end=clip.end, tracks=tracks)


# --- reading ---------------------------------------------------------------------------------------------------------
def read_contents(text: bytes, *, where: str) -> Contents:
    """The text of any version up to ours as ours has it. Raises BadAsset naming `where`."""

    class Heading(msgspec.Struct):
        format: str
        version: int

    heading = decoded(text, Heading, where)
    if heading.format != FORMAT or heading.version < 1:
        raise BadAsset(f"{where} is not a scene of this studio; choose another file.")
    if heading.version > schema.VERSION:
        raise BadAsset(
            f"{where} was written by a newer studio (version {heading.version}, this one reads up to "
            f"{schema.VERSION}); update the studio to open it."
        )
    if heading.version < schema.VERSION:
        document = decoded(text, dict[str, Any], where)
        text = msgspec.json.encode(schema.upgrade(document, heading.version))
    return decoded(text, Contents, where)


def read_scene(text: bytes, fetch: Fetch, *, where: str) -> Scene:
    """The scene of a text, with its assets from `fetch`. Raises BadAsset naming `where` or the asset."""
    contents = read_contents(text, where=where)
    entities = _by_id(schema.decode_entities(bytes(contents.entities), where=f"{where}, entities"), where)
    materials = _by_id(schema.decode_materials(bytes(contents.materials), where=f"{where}, materials"), where)
    for name in contents.assets():
        if not ASSET.fullmatch(name):
            raise BadAsset(f"{where} names the asset {name!r:.80}, which is not one of a project; do not trust it.")
    known = frozenset(Contents.__struct_fields__)
    sections = decoded(text, dict[str, msgspec.Raw], where)
    unknown = {name: msgspec.Raw(bytes(raw)) for name, raw in sections.items() if name not in known}
    if not schema.finite(contents.timeline):
        raise BadAsset(f"{where} has a timeline with a number that is not finite; restore it from a backup.")
    if not 0 < contents.fps < 1e6:
        raise BadAsset(f"{where} plays at {contents.fps:g} frames a second; set `fps` to a rate like 24.")
    scene = Scene(
        name=contents.name,
        entities=entities,
        materials=materials,
        meshes={key: _unpack_mesh(key, name, fetch) for key, name in contents.meshes.items()},
        images={entry.key: _unpack_image(entry, fetch) for entry in contents.images},
        skins={key: _unpack_skin(name, fetch) for key, name in contents.skins.items()},
        tracks={entry.track: _curve(entry, fetch, where) for entry in contents.tracks},
        camera=contents.camera,
        fps=contents.fps,
        frame_start=contents.frame_start,
        frame_end=contents.frame_end,
        clips=_clips(contents.clips, fetch, where),
        strips=_strips(contents.strips, where),
        timeline=contents.timeline,
        notes=contents.notes,
        extra={**contents.extra, **unknown},
    )
    for fault in faults(scene):
        raise BadAsset(f"{where}: {fault}; restore it from a backup.")
    for entity in entities.values():
        if isinstance(entity, Group) and entity.states:
            check_states(entity, where)
        elif isinstance(entity, Figure):
            check_figure(entity, where)
    return scene


def decoded(text: bytes, kind: type[T], where: str) -> T:
    """JSON as a type; BadAsset naming `where` when it is not."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as fault:
        raise BadAsset(f"{where} cannot be read ({str(fault).rstrip('.')}); restore it from a backup.") from None


def _by_id(records: list[Any], where: str) -> dict[str, Any]:
    out = {record.id: record for record in records}
    if len(out) != len(records) or "" in out:
        raise BadAsset(f"{where} has an entity or material without an id of its own; restore it from a backup.")
    return out


def _unpack_mesh(key: str, name: str, fetch: Fetch) -> Mesh:
    arrays = unpack_npz(fetch(name), where=name)
    try:
        morphs: list[Morph] = []
        while f"morph{len(morphs)}_name" in arrays:
            prefix = f"morph{len(morphs)}_"
            label = arrays.pop(prefix + "name").tobytes().decode(errors="replace")
            morphs.append(
                Morph(
                    label,
                    arrays.pop(prefix + "indices"),
                    arrays.pop(prefix + "positions"),
                    arrays.pop(prefix + "normals", None),
                    arrays.pop(prefix + "tangents", None),
                )
            )
        parts = arrays.pop("parts").reshape(-1).tolist()
        positions, triangles = arrays.pop("positions"), arrays.pop("triangles")
        mesh = make_mesh(positions, triangles, parts=parts, morphs=morphs, where=name, **arrays)
    except (KeyError, TypeError) as fault:  # an array that is missing, or one that no mesh has
        raise BadAsset(f"{name} is not a mesh ({fault}); restore it from a backup or relink it.") from None
    return mesh if mesh.key == key else replace(mesh, key=key)


def _unpack_image(entry: ImageEntry, fetch: Fetch) -> Image:
    pixels = unpack_npy(fetch(entry.file), where=entry.file)
    image = make_image(
        pixels, colour_space=entry.colour_space, name=entry.name, path=entry.path, where=entry.name or entry.file
    )
    return image if image.key == entry.key else replace(image, key=entry.key)


def _unpack_skin(name: str, fetch: Fetch) -> NDArray[np.float32]:
    matrices = unpack_npy(fetch(name), where=name)
    if matrices.dtype != np.float32 or matrices.ndim != 3 or matrices.shape[1:] != (4, 4):
        raise BadAsset(f"{name} is not a skin; restore it from a backup or relink it.")
    return matrices


def _curve(entry: TrackEntry, fetch: Fetch, where: str) -> Curve:
    place = f"{where}, track {entry.track!r:.80}"
    parts: dict[str, ArrayLike | None] = {
        "times": entry.times,
        "values": entry.values,
        "in_tangents": entry.in_tangents,
        "out_tangents": entry.out_tangents,
        "modes": entry.modes,
    }
    if entry.keys:
        arrays = unpack_npz(fetch(entry.keys), where=entry.keys)
        parts = {part: arrays.get(part) for part in parts}
    try:
        numbers = {part: None if a is None else np.array(a, np.float64) for part, a in parts.items()}
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise BadAsset(f"{place} has keys that are not rows of numbers; restore it from a backup.") from None
    times, values = numbers.pop("times"), numbers.pop("values")
    if times is None or values is None:
        raise BadAsset(f"{place} has no keys; restore it from a backup.")
    return make_curve(
        times,
        values,
        interpolation=entry.interpolation,
        pre=entry.pre,
        post=entry.post,
        rotation=entry.rotation,
        euler=entry.euler,
        where=place,
        **numbers,
    )


def curve_of(entry: TrackEntry, *, where: str) -> Curve:
    """The curve of a track's line that holds its own keys. Raises BadAsset naming `where`."""
    return _curve(entry, lambda name: b"", where)


def _clips(entries: list[ClipEntry], fetch: Fetch, where: str) -> dict[str, Clip]:
    clips = {}
    for entry in entries:
        if not entry.id or entry.id in clips:
            raise BadAsset(f"{where} has a clip without an id of its own; restore it from a backup.")
        place = f"{where}, clip {entry.id!r:.80}"
        if not np.isfinite([entry.start, entry.end]).all():
            raise BadAsset(f"{place} begins or ends at no finite frame; restore it from a backup.")
        tracks = {track.track: _curve(track, fetch, place) for track in entry.tracks}
        clips[entry.id] = Clip(id=entry.id, name=entry.name, start=entry.start, end=entry.end, tracks=tracks)
    return clips


def _strips(strips: list[Strip], where: str) -> dict[str, Strip]:
    found = {}
    for strip in strips:
        if not strip.id or strip.id in found:
            raise BadAsset(f"{where} has a strip without an id of its own; restore it from a backup.")
        try:
            found[strip.id] = check_strip(strip)
        except BadAsset as fault:
            raise BadAsset(f"{where}: {fault}") from None
    return found


# --- references ------------------------------------------------------------------------------------------------------
def faults(scene: Scene) -> Iterable[str]:
    """What a scene refers to and does not have, and its cycles, in the words of a sentence's middle."""
    listed = list(scene.entities.values())
    parents, dangling = parent_rows(listed, {id_: i for i, id_ in enumerate(scene.entities)})
    for row in dangling:
        yield f'"{listed[row].id}" hangs below "{listed[row].parent}", which is not there'
    for row in np.flatnonzero(on_cycles(parents)).tolist():
        yield f'"{listed[row].id}" hangs below itself'
    if scene.camera and scene.camera not in scene.entities:
        yield f'the active camera "{scene.camera}" is not there'
    for entity in listed:
        if isinstance(entity, MeshObject):
            for what, key in _missing(scene, entity):
                yield f'"{entity.id}" uses the {what} "{key}", which is not there'
    for strip in scene.strips.values():
        if strip.clip not in scene.clips:
            yield f'the strip "{strip.id}" plays the clip "{strip.clip}", which is not there'
    for cut in scene.timeline.cuts:
        if cut.camera not in scene.entities:
            yield f'the cut at frame {cut.frame:g} is to the camera "{cut.camera}", which is not there'


def _missing(scene: Scene, entity: MeshObject) -> list[tuple[str, str]]:
    out = [("material", id_) for id_ in entity.materials if id_ and id_ not in scene.materials]
    if entity.mesh and entity.mesh not in scene.meshes:
        out.append(("mesh", entity.mesh))
    if entity.skin:
        out += [] if entity.skin in scene.skins else [("skin", entity.skin)]
        out += [("joint", id_) for id_ in entity.joints if id_ not in scene.entities]
    return out


def mended(scene: Scene) -> Scene:
    """The scene without references to what it does not have; itself when there are none."""
    new: dict[str, Entity] = {}
    listed = list(scene.entities.values())
    parents, dangling = parent_rows(listed, {id_: i for i, id_ in enumerate(scene.entities)})
    for row in (*dangling, *np.flatnonzero(on_cycles(parents)).tolist()):
        new[listed[row].id] = msgspec.structs.replace(listed[row], parent="")
    for entity in listed:
        if isinstance(entity, MeshObject) and (missing := _missing(scene, entity)):
            lost = {what for what, _ in missing}
            values: dict[str, Any] = {"materials": tuple(m if m in scene.materials else "" for m in entity.materials)}
            values |= {"mesh": ""} if "mesh" in lost else {}
            values |= {"skin": "", "joints": ()} if lost & {"skin", "joint"} else {}
            new[entity.id] = msgspec.structs.replace(new.get(entity.id, entity), **values)
    out = scene.put(new)
    strips = {id_: strip for id_, strip in scene.strips.items() if strip.clip in scene.clips}
    if len(strips) < len(scene.strips):
        out = replace(out, strips=strips)
    cuts = tuple(cut for cut in scene.timeline.cuts if cut.camera in scene.entities)
    if len(cuts) < len(scene.timeline.cuts):
        out = replace(out, timeline=msgspec.structs.replace(scene.timeline, cuts=cuts))
    return replace(out, camera="") if out.camera and out.camera not in out.entities else out
