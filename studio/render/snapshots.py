"""Snapshots of the render view: a picture with the lights and the camera that made it, to compare and to go back to.

In memory a snapshot shares the arrays of the live frame and the records of the scene, so taking one copies nothing. On
disk it is two files in the project's `renders/snapshots/`: `<id>.exr` with every layer and `<id>.json` with the rest,
written last. A broken file costs that snapshot and is named; the others are there.

Going back to the lights of a snapshot is a function of scenes, hence one step of undo:
- a light of the snapshot gets all its fields back and stands where it stood in the world, whatever its group has done
  since; the mute and solo of groups above lights come back, their places do not, as other things hang there too;
- a light that is gone comes back, below its old parent or, when that is gone too, at the top;
- a light that came later is muted, not removed: nothing that an artist made is lost;
- a material that is still there emits what it did then, which may be nothing; one that is gone stays gone, with the
  meshes that wore it, and one that came later is left alone.
Images that lights show are named, not kept: one that has left the scene since is no longer shown.
"""

from __future__ import annotations

import datetime
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset, CannotWrite, UsageError
from studio.render.film import Crop
from studio.render.live_frame import LiveFrame
from studio.render.output import Part, Picture, replacing, write_image
from studio.render.protocol import CameraRef
from studio.render.settings import RenderSettings
from studio.scene import schema
from studio.scene.animation import Curve, make_curve
from studio.scene.entities import Camera, Entity, Group, Id
from studio.scene.flat_camera import active_camera
from studio.scene.lights import IMAGE_FIELDS, Light
from studio.scene.scene import Scene, placed
from studio.scene.transforms import inverse, multiply, sound

FOLDER = Path("renders", "snapshots")
FORMAT, VERSION = "myriad-studio snapshot", 1
_ID = re.compile(r"[0-9a-f]{12}")
_LONGEST_TEXT = 64 << 20
_COMPRESSION = 1100  # what deflate can make of a byte, and a little more


class Emission(msgspec.Struct, frozen=True):
    """What a material gives off."""

    luminance: float
    color: tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A picture and what made it. `layers` (h, w, n) are empty in a snapshot that was listed and not loaded."""

    id: str
    name: str
    made: str  # date and time, UTC, ISO 8601
    settings: RenderSettings
    view: CameraRef  # the camera as it rendered
    entities: tuple[Entity, ...]  # lights, what is above them, and the scene's camera with what is above it
    emission: Mapping[Id, Emission]  # of every material
    tracks: Mapping[str, Curve] = field(default_factory=dict)  # of the entities and of emission
    camera: Id = ""
    note: str = ""
    samples: float = 0.0
    seconds: float = 0.0
    device: str = ""
    layers: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


def take(scene: Scene, frame: LiveFrame, *, name: str, note: str = "") -> Snapshot:
    """A snapshot of a live frame and of `scene`, which it shows. Raises `UsageError` for a frame without a picture."""
    if frame.flat is None or frame.settings is None or not frame.layers:
        raise UsageError("there is no picture to keep yet; start the render and take the snapshot then")
    entities = _with_parents(scene, [e for e in scene.entities.values() if isinstance(e, Light)])
    taken_by = active_camera(scene, frame.flat.frame)
    entities |= _with_parents(scene, [e for e in [scene.entities.get(taken_by)] if e is not None])
    ours = set(entities)
    emission = {id_: Emission(m.emission_luminance, m.emission_color) for id_, m in scene.materials.items()}
    camera = frame.flat.camera
    fields: dict[str, Any] = {n: getattr(camera, n) for n in CameraRef.__struct_fields__}
    fields |= {n: tuple(float(v) for v in getattr(camera, n).ravel()) for n in ("open", "close")}
    return Snapshot(
        id=uuid.uuid4().hex[:12],
        name=name,
        note=note,
        made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        settings=frame.settings,
        view=CameraRef(**fields),
        entities=tuple(entities.values()),
        emission=emission,
        tracks={t: c for t, c in scene.tracks.items() if t.partition(".")[0] in ours or _of_emission(t, scene)},
        camera=taken_by,
        samples=frame.samples,
        seconds=frame.seconds,
        device=frame.device,
        layers=dict(frame.layers),
    )


def _with_parents(scene: Scene, entities: Iterable[Entity]) -> dict[Id, Entity]:
    """Entities and everything above them, parents first."""
    out: dict[Id, Entity] = {}
    for entity in entities:
        chain = [entity]
        while (above := scene.entities.get(chain[-1].parent)) is not None and above not in chain:
            chain.append(above)
        out |= {e.id: e for e in reversed(chain)}
    return out


def _of_emission(track: str, scene: Scene) -> bool:
    id_, _, name = track.partition(".")
    return id_ in scene.materials and name.startswith("emission_")


# --- going back ------------------------------------------------------------------------------------------------------
def restore_lights(scene: Scene, snapshot: Snapshot) -> Scene:
    """The scene under the lights of a snapshot; what that means is said at the head of this module."""
    kept = {e.id: e for e in snapshot.entities}
    lights = [e for e in snapshot.entities if isinstance(e, Light)]
    worlds = Scene(entities=kept).world_matrices()
    records: dict[Id, Entity] = {}
    for id_, then in kept.items():
        now = scene.entities.get(id_)
        if isinstance(now, Group) and isinstance(then, Group):
            records[id_] = msgspec.structs.replace(
                now, muted=then.muted, solo=then.solo, exposure=then.exposure, tint=then.tint
            )
    for id_, entity in scene.entities.items():
        if isinstance(entity, Light) and id_ not in kept:
            records[id_] = msgspec.structs.replace(entity, muted=True, solo=False)
    scene = _with_emission(scene.put(records), snapshot)
    for light in lights:
        now = scene.entities.get(light.id)
        if now is not None and not isinstance(now, Light):
            continue  # its id is something else's by now
        parent = now.parent if now is not None else light.parent if light.parent in scene.entities else ""
        record = msgspec.structs.replace(light, parent=parent)
        record = _standing(scene, record, worlds[light.id])
        gone = {n: "" for n in IMAGE_FIELDS if getattr(record, n) and getattr(record, n) not in scene.images}
        record = msgspec.structs.replace(record, **gone) if gone else record
        scene = scene.put({light.id: record})
    return _with_tracks(scene, snapshot, {light.id for light in lights})


def _standing(scene: Scene, light: Light, world: NDArray[np.float64]) -> Light:
    """The light with the fields that put it at `world` (3, 4); as it is where they do already."""
    above = scene.world_matrix(light.parent)
    if not sound(above[None])[0]:
        light, above = msgspec.structs.replace(light, parent=""), np.eye(3, 4)
    local = Scene(entities={light.id: msgspec.structs.replace(light, parent="")}).world_matrix(light.id)
    if not sound(world[None])[0] or np.allclose(multiply(above[None], local[None])[0], world, rtol=1e-9, atol=1e-12):
        return light
    moved = placed(light, multiply(inverse(above[None]), world[None])[0])
    assert isinstance(moved, Light)
    return moved


def _with_emission(scene: Scene, snapshot: Snapshot) -> Scene:
    changed = {}
    for id_, then in snapshot.emission.items():
        material = scene.materials.get(id_)
        if material is not None and (material.emission_luminance, material.emission_color) != (
            then.luminance,
            then.color,
        ):
            changed[id_] = msgspec.structs.replace(
                material, emission_luminance=then.luminance, emission_color=then.color
            )
    return replace(scene, materials={**scene.materials, **changed}) if changed else scene


def _with_tracks(scene: Scene, snapshot: Snapshot, lights: set[Id]) -> Scene:
    """Animation of the lights and of emission as it was then; other tracks stay."""

    def theirs(track: str) -> bool:
        id_ = track.partition(".")[0]
        return id_ in lights or (id_ in snapshot.emission and _of_emission(track, scene))

    now = {t: c for t, c in scene.tracks.items() if not theirs(t)}
    then = {t: c for t, c in snapshot.tracks.items() if theirs(t)}
    same = {t: scene.tracks.get(t) for t in then} == then and len(now) + len(then) == len(scene.tracks)
    return scene if same else replace(scene, tracks={**now, **then})


def restore_camera(scene: Scene, snapshot: Snapshot) -> Scene:
    """The scene seen through the snapshot's camera: it gets its fields back, stands where it stood and is active."""
    camera = next((e for e in snapshot.entities if e.id == snapshot.camera), None)
    if not isinstance(camera, Camera):
        raise UsageError(f'The snapshot "{snapshot.name}" was taken without a camera of the scene.')
    world = Scene(entities={e.id: e for e in snapshot.entities}).world_matrix(camera.id)
    now = scene.entities.get(camera.id)
    parent = now.parent if now is not None else camera.parent if camera.parent in scene.entities else ""
    above = scene.world_matrix(parent)
    if not (sound(above[None])[0] and sound(world[None])[0]):
        parent, above = "", np.eye(3, 4)
    record = msgspec.structs.replace(camera, parent=parent)
    if sound(world[None])[0]:
        record = placed(record, multiply(inverse(above[None]), world[None])[0])  # type: ignore[assignment]
    return replace(scene.put({camera.id: record}), camera=camera.id)


# --- on disk ---------------------------------------------------------------------------------------------------------
class _TrackEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    track: str
    times: list[float]
    values: list[list[float]]
    interpolation: str = "linear"
    pre: str = "hold"
    post: str = "hold"
    rotation: bool = False
    in_tangents: list[list[float]] | None = None
    out_tangents: list[list[float]] | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True):
    """`<id>.json`."""

    format: str
    version: int
    name: str
    made: str
    settings: RenderSettings
    view: CameraRef
    entities: msgspec.Raw
    emission: dict[str, Emission]
    layers: dict[str, int]  # channels of each
    size: tuple[int, int]
    tracks: list[_TrackEntry] = []
    camera: str = ""
    note: str = ""
    samples: float = 0.0
    seconds: float = 0.0
    device: str = ""


def save(snapshot: Snapshot, project: Path | str) -> Path:
    """Write a snapshot with its picture into a project's folder; the path of its JSON. Raises `CannotWrite`."""
    folder = Path(project) / FOLDER
    if not snapshot.layers:
        raise UsageError(f'The picture of the snapshot "{snapshot.name}" is not loaded; load it before saving it anew.')
    h, w = next(iter(snapshot.layers.values())).shape[:2]
    settings = snapshot.settings
    crop: Crop = settings.crop or (0, 0, settings.width, settings.height)
    parts = tuple(
        Part(name, tuple(f"{name}.{k}" for k in range(p.shape[2])) if name != "beauty" else tuple("RGBA"), p, True)
        for name, p in snapshot.layers.items()
    )
    write_image(Picture(settings.width, settings.height, crop, parts), folder / f"{snapshot.id}.exr")
    return _describe(snapshot, folder, {name: p.shape[2] for name, p in snapshot.layers.items()}, (w, h))


def _describe(snapshot: Snapshot, folder: Path, layers: dict[str, int], size: tuple[int, int]) -> Path:
    entities = b"[\n" + b",\n".join(schema.encode(e) for e in snapshot.entities) + b"\n]"
    text = _File(
        format=FORMAT,
        version=VERSION,
        name=snapshot.name,
        made=snapshot.made,
        settings=snapshot.settings,
        view=snapshot.view,
        entities=msgspec.Raw(entities),
        emission=dict(snapshot.emission),
        layers=layers,
        size=size,
        tracks=[_entry(name, curve) for name, curve in snapshot.tracks.items()],
        camera=snapshot.camera,
        note=snapshot.note,
        samples=snapshot.samples,
        seconds=snapshot.seconds,
        device=snapshot.device,
    )
    path = folder / f"{snapshot.id}.json"
    with replacing(path) as temporary:
        temporary.write_bytes(msgspec.json.encode(text))
    return path


def _entry(name: str, curve: Curve) -> _TrackEntry:
    arrays = {
        part: getattr(curve, part).tolist()
        for part in ("times", "values", "in_tangents", "out_tangents")
        if getattr(curve, part) is not None
    }
    options = {part: getattr(curve, part) for part in ("interpolation", "pre", "post", "rotation")}
    return _TrackEntry(track=name, **arrays, **options)


def listed(project: Path | str) -> tuple[tuple[Snapshot, ...], tuple[str, ...]]:
    """The snapshots of a project, the oldest first, without their pictures; and a sentence for each broken one."""
    folder = Path(project) / FOLDER
    found, faults = [], []
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        try:
            found.append(_read(path)[0])
        except BadAsset as fault:
            faults.append(str(fault))
    return tuple(sorted(found, key=lambda s: (s.made, s.id))), tuple(faults)


def load(project: Path | str, id_: str) -> Snapshot:
    """A snapshot of a project with its picture. Raises BadAsset naming the file that is broken or missing."""
    if not _ID.fullmatch(id_):
        raise BadAsset(f"{id_!r:.60} is not the name of a snapshot; choose one from the list.")
    folder = Path(project) / FOLDER
    snapshot, layers, size = _read(folder / f"{id_}.json")
    return replace(snapshot, layers=_pixels(folder / f"{id_}.exr", layers, size))


def delete(project: Path | str, id_: str) -> None:
    """Remove a snapshot's files; nothing when they are gone. Raises `CannotWrite`."""
    if not _ID.fullmatch(id_):
        raise BadAsset(f"{id_!r:.60} is not the name of a snapshot; choose one from the list.")
    for suffix in ("json", "exr"):
        path = Path(project) / FOLDER / f"{id_}.{suffix}"
        try:
            path.unlink(missing_ok=True)
        except OSError as fault:
            reason = (fault.strerror or str(fault)).lower()
            raise CannotWrite(f"{path} could not be removed: {reason}; check its permissions.") from None


def rename(snapshot: Snapshot, project: Path | str | None, *, name: str, note: str) -> Snapshot:
    """The snapshot under another name and note, in its file too when it has one."""
    renamed = replace(snapshot, name=name, note=note)
    if project is not None and (folder := Path(project) / FOLDER).joinpath(f"{snapshot.id}.json").is_file():
        _, layers, size = _read(folder / f"{snapshot.id}.json")
        _describe(renamed, folder, layers, size)
    return renamed


def _read(path: Path) -> tuple[Snapshot, dict[str, int], tuple[int, int]]:
    """What a JSON says. BadAsset naming it when it is not one of ours."""
    advice = "delete it from the list of snapshots"
    if not _ID.fullmatch(path.stem):
        raise BadAsset(f"{path} does not have the name of a snapshot; {advice}.")
    try:
        if path.stat().st_size > _LONGEST_TEXT:
            raise BadAsset(f"{path} is too long for a snapshot; {advice}.")
        text = msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as fault:
        raise BadAsset(f"{path} cannot be read: {(fault.strerror or str(fault)).lower()}; {advice}.") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as fault:
        raise BadAsset(f"{path} is no snapshot ({str(fault).rstrip('.')}); {advice}.") from None
    if text.format != FORMAT or not 1 <= text.version <= VERSION:
        raise BadAsset(f"{path} is not a snapshot of this studio or was written by a newer one; update, or {advice}.")
    entities = schema.decode_entities(bytes(text.entities), where=str(path))
    if not all(0.0 <= value < 1e30 for e in text.emission.values() for value in (e.luminance, *e.color)):
        raise BadAsset(f"{path} has a material that emits a number that is not usable; {advice}.")
    known = {e.track: _curve(e, path) for e in text.tracks}
    snapshot = Snapshot(
        id=path.stem,
        name=text.name,
        note=text.note,
        made=text.made,
        settings=text.settings,
        view=text.view,
        entities=tuple(entities),
        emission=text.emission,
        tracks=known,
        camera=text.camera,
        samples=text.samples,
        seconds=text.seconds,
        device=text.device,
    )
    return snapshot, text.layers, text.size


def _curve(entry: _TrackEntry, path: Path) -> Curve:
    options: dict[str, Any] = {part: getattr(entry, part) for part in ("interpolation", "pre", "post", "rotation")}
    try:
        arrays: dict[str, Any] = {
            part: None if getattr(entry, part) is None else np.array(getattr(entry, part), np.float64)
            for part in ("times", "values", "in_tangents", "out_tangents")
        }
    except (ValueError, OverflowError):
        raise BadAsset(f"{path}, track {entry.track!r:.60} has keys that are not rows of numbers.") from None
    times, values = arrays.pop("times"), arrays.pop("values")
    return make_curve(times, values, where=f"{path}, track {entry.track!r:.60}", **arrays, **options)


def _pixels(path: Path, layers: dict[str, int], size: tuple[int, int]) -> dict[str, NDArray[np.float32]]:
    """The layers of an EXR that has to have just these, at this size."""
    import OpenImageIO

    width, height = size
    advice = "delete the snapshot from the list"
    try:
        nbytes = path.stat().st_size
    except OSError:
        raise BadAsset(f"{path}, the picture of a snapshot, is missing; restore it, or {advice}.") from None
    floats = sum(layers.values()) * width * height
    if min(width, height, *layers.values(), 1) < 1 or floats * 4 > nbytes * _COMPRESSION + (1 << 20):
        raise BadAsset(f"{path} cannot hold {width}x{height} pixels of {len(layers)} layers; {advice}.")
    file = OpenImageIO.ImageInput.open(str(path))
    if file is None:
        raise BadAsset(f"{path} is not a picture ({' '.join(OpenImageIO.geterror().split())[:160]}); {advice}.")
    out: dict[str, NDArray[np.float32]] = {}
    try:
        for number, (name, channels) in enumerate(layers.items()):
            if not file.seek_subimage(number, 0):
                raise BadAsset(f'{path} has no layer "{name}"; {advice}.')
            spec = file.spec()
            if (spec.width, spec.height, spec.nchannels) != (width, height, channels):
                found = f"{spec.width}x{spec.height} pixels of {spec.nchannels} channels"
                raise BadAsset(f'{path} has {found} where "{name}" of {width}x{height} and {channels} was; {advice}.')
            pixels = file.read_image(number, 0, 0, channels, OpenImageIO.FLOAT)
            if pixels is None:
                raise BadAsset(f"{path} is damaged ({' '.join(file.geterror().split())[:160]}); {advice}.")
            order = [spec.channelnames.index(c) for c in _channel_names(name, channels, spec.channelnames, path)]
            layer = np.ascontiguousarray(pixels.reshape(height, width, channels)[..., order], np.float32)
            layer.flags.writeable = False
            out[name] = layer
    finally:
        file.close()
    return out


def _channel_names(layer: str, channels: int, there: Iterable[str], path: Path) -> tuple[str, ...]:
    names = tuple("RGBA"[:channels]) if layer == "beauty" else tuple(f"{layer}.{k}" for k in range(channels))
    if set(names) != set(there):
        raise BadAsset(f'{path} has other channels than those of "{layer}"; delete the snapshot from the list.')
    return names
