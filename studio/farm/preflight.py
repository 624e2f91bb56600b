"""What would go wrong on the farm, said before anything is sent.

Only what is cheap: the files of the project are looked for, one frame is flattened, boxes are held against the camera
and the lamps. A mistake that this finds costs a second here and hours of a hundred machines there. Sentences with a
severity, as an export has them: an "error" stops the submission, a "warning" may be meant, "info" is good to know.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import StudioError
from studio.farm.bundles.portable import faults_of, outside
from studio.farm.submission import Submission, check_request
from studio.render.film import plan_layout, scene_exponent, scene_glare
from studio.render.finish import with_guides
from studio.render.frames import frame_paths
from studio.render.queue_check import Finding
from studio.render.session import film_aovs
from studio.scene.entities import Camera
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.lights import KINDS, Light
from studio.scene.materials import Material
from studio.scene.project import is_project, missing_files
from studio.scene.scene import Scene

F64 = NDArray[np.float64]
FILM_COPIES = 3  # the device's, the block's and the session's
TRIANGLE_BYTES = 160  # on a device, with its share of the tree that is traversed
VERTEX_BYTES = 64
PROCESS_BYTES = 700 << 20  # a worker with its kernels and nothing to render
DARK_LX = 1e-5  # a moonless night is a hundred times brighter
BLINDING_NT = 1e10  # the sun's disk is 1.6e9
_MOST_NAMES = 5
_PLACED = ("point", "spot", "rectangle", "disk", "sphere", "cylinder")
_ORDER = ("error", "warning", "info")


def preflight(
    scene: Scene,
    request: Submission,
    *,
    source: Path | None = None,
    output: Path | None = None,
    memory_bytes: int = 0,
) -> tuple[Finding, ...]:
    """All that can be said of a submission before it is sent, the worst first.

    `source` is the project or file that the scene was read from, `output` the picture or pattern that it becomes,
    `memory_bytes` what the largest of the nodes has (0: unknown).
    """
    found = [*_request(request), *_assets(scene, source), *_elsewhere(scene, source)]
    found += [*_frames(scene, request), *_materials(scene)]
    if output is not None:
        found += _outputs(request, output)
    try:
        flat = flatten(scene, request.frames[0] if request.frames else scene.frame_start, camera=request.camera)
    except StudioError as fault:
        found.append(_finding("error", str(fault), "camera" if "camera" in str(fault) else ""))
    else:
        found += [_finding("warning", sentence) for sentence in flat.warnings]
        found += [*_camera(scene, flat, request), *_lights(scene, flat), *_memory(flat, request, memory_bytes)]
    unique = {finding.sentence: finding for finding in found}
    return tuple(sorted(unique.values(), key=lambda finding: _ORDER.index(finding.severity)))


def _finding(severity: str, text: str, field: str = "", ids: Iterable[str] = ()) -> Finding:
    sentence = text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
    known = {"severity": severity, "sentence": sentence, "field": field, "ids": tuple(dict.fromkeys(ids))}
    return msgspec.convert(known, Finding)


def _named(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _MOST_NAMES} more" if len(listed) > _MOST_NAMES else ""
    return ", ".join(repr(name) for name in listed[:_MOST_NAMES]) + more


def _told(records: Iterable[Light | Material]) -> str:
    return _named(each.name or each.id for each in records)


# --- files, frames, names --------------------------------------------------------------------------------------------
def _request(request: Submission) -> Iterator[Finding]:
    try:
        check_request(request.settings, request.tiles)
    except StudioError as fault:
        yield _finding("error", str(fault), "settings")
    if not request.frames:
        yield _finding("error", "there are no frames to render; say which", "frames")


def _assets(scene: Scene, source: Path | None) -> Iterator[Finding]:
    if source is not None and is_project(source):
        try:
            gone = missing_files(source)
        except StudioError as fault:
            yield _finding("error", str(fault))
            return
        if gone:
            yield _finding("error", f"{source} lacks {_named(gone)}; relink or restore them before the scene is sent")
    lost = [
        (texture.path or "a texture", material.id)
        for material in scene.materials.values()
        for texture in material.textures.values()
        if texture.image not in scene.images
    ]
    if lost:
        names = dict.fromkeys(name for name, _ in lost)
        sentence = f"the textures {_named(names)} are missing and are drawn magenta; relink them"
        yield _finding("warning", sentence, ids=(id_ for _, id_ in lost))


def _elsewhere(scene: Scene, source: Path | None) -> Iterator[Finding]:
    """What lies outside the project: of pictures the bytes are sent and the place is not, of sound neither."""
    for sentence in faults_of(scene):
        yield _finding("error", sentence)
    away = outside(scene, source if source is not None and is_project(source) else None)
    if away:
        names = _named(PurePath(path).name for path in away)
        yield _finding(
            "info",
            f"{names} come from outside the project; what they show is sent, where they lie is not; File, Collect "
            "files keeps them with the project",
        )


def _frames(scene: Scene, request: Submission) -> Iterator[Finding]:
    outside = [frame for frame in request.frames if not scene.frame_start <= frame <= scene.frame_end]
    if outside and scene.frame_end > scene.frame_start:
        many = f"{len(outside)} frames lie" if len(outside) > 1 else f"frame {outside[0]:g} lies"
        span = f"{scene.frame_start:g} to {scene.frame_end:g}"
        yield _finding("info", f"{many} outside the scene's {span}", "frames")
    if len(request.frames) > 1 and not scene.tracks and not scene.strips:
        yield _finding("warning", f"nothing in the scene moves; all {len(request.frames)} frames will be one", "frames")


def _outputs(request: Submission, output: Path) -> Iterator[Finding]:
    try:
        paths = frame_paths(output, [round(frame) for frame in request.frames])
        taken = [path for path in paths if path.exists()]
    except StudioError as fault:
        yield _finding("error", str(fault), "output")
        return
    except (OSError, ValueError) as fault:
        reason = (getattr(fault, "strerror", None) or str(fault)).lower()
        yield _finding("error", f"cannot write {str(output)[:80]!r}: {reason}; choose another name", "output")
        return
    if taken:
        first = f"the picture {taken[0].name} is" if len(taken) == 1 else f"{len(taken)} of {len(paths)} pictures are"
        yield _finding("info", f"{first} there already and will be replaced", "output")


# --- materials -------------------------------------------------------------------------------------------------------
def _materials(scene: Scene) -> Iterator[Finding]:
    broken, blinding = [], []
    for material in scene.materials.values():
        numbers = [n for value in _values(material) for n in _numbers(value)]
        if not all(math.isfinite(n) for n in numbers):
            broken.append(material)
        elif material.emission_luminance * max(_numbers(material.emission_color), default=0.0) > BLINDING_NT:
            blinding.append(material)
    if broken:
        sentence = f"the materials {_told(broken)} have values that are no numbers; set them anew"
        yield _finding("error", sentence, ids=(each.id for each in broken))
    if blinding:
        sentence = f"the materials {_told(blinding)} shine brighter than the sun; is that a slip?"
        yield _finding("warning", sentence, ids=(each.id for each in blinding))


def _values(record: msgspec.Struct) -> Iterator[object]:
    for name in record.__struct_fields__:
        yield getattr(record, name)


def _numbers(value: object) -> list[float]:
    if isinstance(value, bool):
        return []
    if isinstance(value, int | float):
        return [float(value)]
    return [float(n) for n in value if isinstance(n, int | float)] if isinstance(value, tuple) else []


# --- what the camera sees --------------------------------------------------------------------------------------------
def boxes_of(flat: FlatScene) -> F64:
    """(n, 2, 3) lower and upper corners in the world of every instance with vertices."""
    rows: list[F64] = []
    local = [_box(mesh.positions) for mesh in flat.meshes]
    for instance in flat.instances:
        box = local[instance["mesh"]]
        if box is not None:
            corners = np.array([[box[i, 0], box[j, 1], box[k, 2], 1.0] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
            world = corners @ instance["open"].astype(np.float64).T
            rows.append(np.stack([world.min(0), world.max(0)]))
    return np.stack(rows) if rows else np.zeros((0, 2, 3))


def _box(positions: NDArray[np.float32]) -> F64 | None:
    if not len(positions) or not np.isfinite(positions).all():
        return None
    return np.stack([positions.min(0), positions.max(0)]).astype(np.float64)


def _camera(scene: Scene, flat: FlatScene, request: Submission) -> Iterator[Finding]:
    if not any(isinstance(entity, Camera) for entity in scene.entities.values()):
        yield _finding("warning", "the scene has no camera, so the studio frames it; add one", "camera")
        return
    boxes = boxes_of(flat)
    if not len(boxes):
        yield _finding("warning", "there is nothing to see in the scene: it has no surfaces", "camera")
    elif not sees(flat, boxes, request.settings.width, request.settings.height):
        sentence = f"the camera {flat.camera.name!r} sees no surface at frame {flat.frame:g}; aim it"
        yield _finding("warning", sentence, ids=_cameras(scene, flat.camera.name))


def _cameras(scene: Scene, name: str) -> list[str]:
    """The cameras that are called so."""
    return [e.id for e in scene.entities.values() if isinstance(e, Camera) and name in (e.name, e.id)]


def sees(flat: FlatScene, boxes: F64, width: int, height: int) -> bool:
    """Whether any box is not wholly behind the camera or beyond one side of its picture."""
    camera = flat.camera
    to_world = camera.open.astype(np.float64)
    index = np.indices((2, 2, 2)).reshape(3, 8)
    corners = np.stack([boxes[:, index[axis], axis] for axis in range(3)], axis=-1)  # (n, 8, 3)
    seen = (corners - to_world[:, 3]) @ to_world[:, :3]
    depth = -seen[..., 2]
    half = camera.half_extents(width, height)
    outside = (depth <= 0).all(1)
    for axis in (0, 1):
        reach = half[axis] * (np.ones_like(depth) if camera.orthographic else depth)
        middle = 2.0 * camera.shift[axis] * reach
        at = seen[..., axis]
        outside |= (at > middle + reach).all(1) | (at < middle - reach).all(1)
    return bool((~outside).any())


# --- what the lamps reach --------------------------------------------------------------------------------------------
def _lights(scene: Scene, flat: FlatScene) -> Iterator[Finding]:
    lamps = [entity for entity in scene.entities.values() if isinstance(entity, Light) and entity.light != "portal"]
    muted = [lamp for lamp in lamps if lamp.muted]
    if muted:
        yield _finding("info", f"{_lamps(muted, 'is', 'are')} muted: {_told(muted)}", ids=(lamp.id for lamp in muted))
    dark = [
        lamp
        for lamp in lamps
        if not lamp.muted
        and (lamp.intensity == 0 or not any(lamp.color))
        and not any(key.startswith(f"{lamp.id}.") for key in scene.tracks)
    ]
    if dark:
        sentence = f"{_lamps(dark, 'is on and gives', 'are on and give')} nothing: {_told(dark)}; mute or remove"
        yield _finding("warning", sentence, ids=(lamp.id for lamp in dark))
    nobody = [lamp for lamp in lamps if lamp.light_link_mode == "only" and not lamp.light_links]
    if nobody:
        sentence = f"{_lamps(nobody, 'lights', 'light')} only what is listed, and nothing is: {_told(nobody)}"
        yield _finding("warning", sentence, ids=(lamp.id for lamp in nobody))
    if not len(flat.lights):
        yield _finding("warning", "nothing in the scene gives light; the pictures will be black")
    astray = _lost(flat, boxes_of(flat))
    if astray:
        names = _named(flat.light_names[i] for i in astray)
        sentence = f"{_lamps(astray, 'reaches', 'reach')} nothing, by place and aim: {names}"
        yield _finding("warning", sentence, ids=(flat.light_ids[i] for i in astray if i < len(flat.light_ids)))


def _lamps(found: Sequence[object], does: str, do: str) -> str:
    return f"1 light {does}" if len(found) == 1 else f"{len(found)} lights {do}"


def lost_lights(flat: FlatScene, boxes: F64) -> list[str]:
    """Names of lamps that bring no box of the scene more than a trace, and of spots that look past all of them."""
    return [flat.light_names[i] for i in _lost(flat, boxes)]


def _lost(flat: FlatScene, boxes: F64) -> list[int]:
    """Those lamps, by their place in `FlatScene.light_names`."""
    rows = flat.lights
    placed = np.flatnonzero(np.isin(rows["kind"], [KINDS[name] for name in _PLACED]))
    if not len(placed) or not len(boxes):
        return []
    middle, radius = boxes.mean(1), np.linalg.norm(boxes[:, 1] - boxes[:, 0], axis=1) / 2
    lost = []
    for row in rows[placed]:
        at = row["open"][:, 3].astype(np.float64)
        nearest = np.clip(at, boxes[:, 0], boxes[:, 1])
        away = np.maximum(((nearest - at) ** 2).sum(1), 1e-12)
        reached = float(row["emission"].max()) * _surface(row) / away > DARK_LX
        if row["kind"] == KINDS["spot"]:
            reached &= _in_cone(row, at, middle, radius)
        if not reached.any():
            lost.append(int(row["entity"]))
    return lost


def _surface(row: np.void) -> float:
    """What makes candela at the most of a lamp's emission: the area that it shows, in square metres; 1 for points."""
    a, b = (float(n) for n in row["size"])
    areas = {
        KINDS["rectangle"]: a * b,
        KINDS["disk"]: math.pi * a * a,
        KINDS["sphere"]: math.pi * a * a,
        KINDS["cylinder"]: 2 * a * b + math.pi * a * a,
    }
    return areas.get(int(row["kind"]), 1.0)


def _in_cone(row: np.void, at: F64, middle: F64, radius: F64) -> NDArray[np.bool_]:
    """Which spheres meet the cone of a spot, which looks along its -z."""
    axis = -row["open"][:, 2].astype(np.float64)
    to = middle - at
    distance = np.linalg.norm(to, axis=1)
    inside = distance <= radius
    far = np.maximum(distance, 1e-12)
    angle = np.arccos(np.clip(to @ axis / far / max(float(np.linalg.norm(axis)), 1e-12), -1.0, 1.0))
    half = math.acos(float(np.clip(row["cone"][1], -1.0, 1.0)))
    return np.asarray(inside | (angle - np.arcsin(np.clip(radius / far, 0.0, 1.0)) <= half))


# --- memory ----------------------------------------------------------------------------------------------------------
def memory_of(flat: FlatScene, request: Submission) -> int:
    """About how many bytes a node needs to render a piece of a frame: film, geometry, pictures and the process."""
    settings = with_guides(request.settings, denoise=request.look.denoise)
    layout = plan_layout(
        settings.width,
        settings.height,
        aovs=film_aovs(settings),
        light_groups=flat.light_groups,
        exponent=scene_exponent(flat.lights) - scene_glare(flat),
        crop=settings.crop,
    )
    film = layout.nbytes * FILM_COPIES // (request.tiles[0] * request.tiles[1])
    uses = np.bincount(flat.instances["mesh"], minlength=len(flat.meshes))
    # a mesh that is used a few times is stored as often, one that is used a lot is stored once
    copies = [min(max(int(n), 1), 4) for n in uses]
    meshes = sum(
        n * (len(mesh.mesh.triangles) * TRIANGLE_BYTES + len(mesh.positions) * VERTEX_BYTES)
        for n, mesh in zip(copies, flat.meshes, strict=False)
    )
    host = sum(mesh.mesh.positions.nbytes + mesh.mesh.triangles.nbytes for mesh in flat.meshes)
    pictures = sum(2 * image.pixels.nbytes for image in flat.textures)
    return PROCESS_BYTES + film + meshes + host + pictures


def _memory(flat: FlatScene, request: Submission, memory_bytes: int) -> Iterator[Finding]:
    try:
        needed = memory_of(flat, request)
    except StudioError as fault:
        yield _finding("error", str(fault), "settings")
        return
    yield _finding("info", f"a node needs about {needed / 1e9:.1f} GB of memory")
    if memory_bytes and needed > memory_bytes:
        there = f"the largest node has {memory_bytes / 1e9:.1f} GB"
        worse = needed > 2 * memory_bytes
        yield _finding(
            "error" if worse else "warning",
            f"a node needs about {needed / 1e9:.1f} GB of memory and {there}; render in tiles, smaller, or fewer AOVs",
            "settings",
        )


def worst(findings: Sequence[Finding]) -> str:
    """The worst severity of some; "" of none."""
    return min((finding.severity for finding in findings), key=_ORDER.index, default="")
