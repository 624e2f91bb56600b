"""A figure from the artist's own checkout of ICT-FaceKit light: neutral, identities and expressions as OBJ files.

The folder holds one mesh some 155 times: `FaceXModel/generic_neutral_mesh.obj`, a hundred principal components of
people as `identity000.obj` and on, each one standard deviation from the neutral, and expressions under Apple's names
with `_L` and `_R`. Faces are read from the neutral alone, of all others only the lines of vertices, and of identities
only those that have a weight. Nothing of the model comes with this studio. The full model has other terms and is
refused. Source: R. Li et al., "Learning Formation of Physically-Based Face Attributes", CVPR 2020, and the README of
ICT-FaceKit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.assets.files import is_file, read_file
from studio.assets.polygons import Triangulator
from studio.assets.report import Notes
from studio.errors import BadAsset, Unsupported
from studio.figure.from_names import part_of
from studio.figure.ict_identity import checked_identity, remembering
from studio.figure.rigging import rigged
from studio.scene.arkit import ARKIT
from studio.scene.entities import Figure, Id, MeshObject
from studio.scene.geometry import Mesh, Morph, make_mesh
from studio.scene.material_presets import preset
from studio.scene.materials import Material
from studio.scene.scene import Scene

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

NEUTRAL = "generic_neutral_mesh.obj"
VERTICES, FACES = 26_719, 26_384  # of the light model
IDENTITIES = 100  # the full model has more
METRES = 0.01  # the files count centimetres
_STILL_M = 2e-6  # vertices that an expression moves less do not belong to it
_MOST_BYTES = 1 << 25  # of a file; the real ones have 3.4 MB
_MOST_VERTICES = 200_000
_MIT = "permission is hereby granted, free of charge"
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_IDENTITY = re.compile(r"identity(\d{3,})\.obj")
_UNLISTED = ("cheekRaiser_L", "cheekRaiser_R")  # lie beside the listed expressions
# vertices up to these belong to these parts, as the README counts them; "" are meshes for the shaders of a game engine
_RANGES: tuple[tuple[int, str], ...] = (
    (9409, "Face"),
    (11248, "Head and neck"),
    (13294, "Mouth socket gums"),
    (14062, "Skin of the sockets"),
    (17039, "Gums and tongue"),
    (21451, "Teeth"),
    (22221, "Sclera left"),
    (23021, "Iris left"),
    (23791, "Sclera right"),
    (24591, "Iris right"),
    (24999, "Lacrimal fluid"),
    (25351, ""),
    (26719, "Eyelashes"),
)
_UNSEEN = ("EyeBlend", "EyeOcclusion")
_IRIS = (0.18, 0.1, 0.05)


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder with the model; `lacking` are expressions that it should have and has not."""

    folder: Path  # that of the OBJ files
    identities: tuple[str, ...]
    expressions: tuple[str, ...]
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FaceKitFigure:
    """A scene of one figure; `report` says in sentences what was found and what was not."""

    scene: Scene
    figure: Id
    report: tuple[str, ...]


class _Listed(msgspec.Struct):
    expressions: list[str] = []


# --- the folder ------------------------------------------------------------------------------------------------------
def open_checkout(folder: Path | str) -> Checkout:
    """What there is in a checkout, given its own folder or that of its OBJ files.

    Raises BadAsset for a folder that is something else or has a broken list, Unsupported for the full model.
    """
    given = Path(folder)
    here = given / "FaceXModel" if is_file(given / "FaceXModel" / NEUTRAL) else given
    if not is_file(here / NEUTRAL):
        raise BadAsset(
            f"{str(given)[-200:]} is no checkout of ICT-FaceKit, for it has no FaceXModel/{NEUTRAL}; choose its folder."
        )
    try:
        files = {file.name for file in here.iterdir()}
    except OSError as fault:
        raise BadAsset(f"{here} cannot be read ({fault.strerror or fault}); check its rights.") from fault
    _refuse_full_model(here, files)
    identities = tuple(sorted(n.removesuffix(".obj") for n in files if _IDENTITY.fullmatch(n)))
    listed = _listed(here, files)
    wanted = dict.fromkeys([*listed, *_expected(listed)])
    have = [name for name in (*wanted, *_UNLISTED) if f"{name}.obj" in files]
    lacking = tuple(name for name in wanted if f"{name}.obj" not in files)
    return Checkout(here, identities, tuple(dict.fromkeys(have)), lacking)


def _refuse_full_model(here: Path, files: set[str]) -> None:
    """Raise Unsupported for what only the full model has."""
    many = any(int(found[1]) >= IDENTITIES for name in files if (found := _IDENTITY.fullmatch(name)))
    more = any(name.lower().endswith(".fbx") or "albedo" in name.lower() for name in files)
    terms = [p for p in (here / "LICENSE", here.parent / "LICENSE") if is_file(p)]
    other = bool(terms) and _MIT not in " ".join(_bytes(terms[0]).decode("utf-8", "replace").lower().split())
    if many or more or other:
        raise Unsupported(
            f"{here} looks like the full ICT face model, which has terms of its own that this studio cannot meet for "
            "you; use a checkout of ICT-FaceKit light, which is under the MIT licence."
        )


def _listed(here: Path, files: set[str]) -> list[str]:
    """Expressions by the checkout's own list; none where it has no list."""
    if "vertex_indices.json" not in files:
        return []
    path = here / "vertex_indices.json"
    try:
        names = msgspec.json.decode(_bytes(path), type=_Listed).expressions
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise BadAsset(f"{path}: is no list of expressions ({fault}); check the file out again.") from fault
    if len(names) > 1000 or not all(_WORD.fullmatch(name) for name in names):
        raise BadAsset(f"{path}: names expressions that no file can have; check the file out again.")
    return names


def _expected(listed: Sequence[str]) -> list[str]:
    """Expressions that the light model has besides those that are listed: Apple's, all but the tongue's."""
    have = {arkit_control(name) for name in listed}
    out: list[str] = []
    for name in ARKIT[:-1]:
        if name not in have:
            sided = re.sub(r"Left$", "_L", re.sub(r"Right$", "_R", name))
            whole = name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight")
            split = name in ("browInnerUp", "cheekPuff")
            out += [f"{name}_L", f"{name}_R"] if split else [name if whole else sided]
    return out


def arkit_control(name: str) -> str:
    """The control of an expression: `browDown_L` is browDownLeft, both `cheekPuff_L` and `_R` are cheekPuff."""
    side = {"_L": "Left", "_R": "Right"}.get(name[-2:], "")
    stem = name[:-2] if side else name
    return stem if not side or stem in ARKIT else stem + side


# --- OBJ files -------------------------------------------------------------------------------------------------------
def _bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
    except OSError:
        size = 0  # what is wrong is said where it is read
    if size > _MOST_BYTES:
        raise BadAsset(f"{path.name}: has {size:,} bytes, far more than a file of ICT-FaceKit; check it out again.")
    return read_file(path, path.name)


def read_vertices(path: Path, *, count: int = 0) -> F64:
    """(v, 3) the `v` lines of an OBJ file as they stand; with `count`, BadAsset where there are not as many."""
    return _vertices(_bytes(path), path.name, count)


def _vertices(data: bytes, name: str, count: int) -> F64:
    data = b"\n" + data
    first, last = data.find(b"\nv "), data.rfind(b"\nv ")
    end = data.find(b"\n", last + 1)
    if first < 0 or end < 0:
        raise BadAsset(f"{name}: was cut short among its vertices, or is no OBJ file; check it out again.")
    block = data[first:end]
    lines = block.count(b"\n")
    if block.count(b"\nv ") != lines:  # something stands between them
        kept = [line for line in block.split(b"\n") if line.startswith(b"v ")]
        block, lines = b"\n" + b"\n".join(kept), len(kept)
    if count and lines != count:
        raise BadAsset(f"{name}: has {lines:,} vertices where the neutral has {count:,}; check it out again.")
    if lines > _MOST_VERTICES:
        raise BadAsset(f"{name}: has {lines:,} vertices, far more than a head of ICT-FaceKit; check it out again.")
    words = block.replace(b"\nv ", b" ").split()
    if len(words) != 3 * lines:
        raise BadAsset(f"{name}: has vertices without three numbers; check it out again.")
    try:
        out = np.fromiter(map(float, words), np.float64, len(words)).reshape(lines, 3)
    except ValueError as fault:
        raise BadAsset(f"{name}: has a vertex that is no number ({fault}); check it out again.") from fault
    if not (np.abs(out) < 1e6).all():  # which no number that is none is
        raise BadAsset(f"{name}: has a vertex that is nowhere; check it out again.")
    return out


@dataclass(frozen=True, slots=True)
class _Faces:
    """The neutral's polygons: (c, 3) rows of vertex, texture and normal number from 1, corners and material each."""

    rows: I32
    counts: I64
    materials: tuple[str, ...]
    worn: I64
    uv: F64  # (t, 2)


def _faces(data: bytes, name: str, vertices: int) -> _Faces:
    rows: list[tuple[int, int, int]] = []
    counts, worn, uv = [], [], []
    materials: dict[str, int] = {}
    part = -1
    try:
        for line in data.split(b"\n"):
            if line.startswith(b"f "):
                words = line.split()[1:]
                rows += [_corner(word) for word in words]
                counts.append(len(words))
                worn.append(part)
            elif line.startswith(b"vt "):
                u, v = line.split()[1:3]
                uv.append((float(u), float(v)))
            elif line.startswith(b"usemtl"):
                said = line[6:].decode("utf-8", "replace").strip()[:200]
                part = materials.setdefault(said, len(materials))
        corners = np.array(rows, np.int32).reshape(-1, 3)
    except (ValueError, OverflowError) as fault:
        raise BadAsset(f"{name}: has a face or texture vertex that is none ({fault}); check it out again.") from fault
    size = np.array(counts, np.int64)
    if not len(size) or (vertices == VERTICES and len(size) != FACES):
        raise BadAsset(f"{name}: has {len(size):,} faces of {FACES:,}; it was cut short, so check it out again.")
    most = corners.max(axis=0, initial=0)
    if size.min() < 3 or corners[:, 0].min() < 1 or corners.min() < 0 or most[0] > vertices or most[1] > len(uv):
        raise BadAsset(f"{name}: has a face without three corners that are there; check it out again.")
    coordinates = np.nan_to_num(np.array(uv, np.float64).reshape(-1, 2), posinf=0.0, neginf=0.0)
    return _Faces(corners, size, tuple(materials), np.array(worn, np.int64), coordinates)


def _corner(word: bytes) -> tuple[int, int, int]:
    parts = word.split(b"/")
    return int(parts[0]), int(parts[1]) if len(parts) > 1 and parts[1] else 0, 0


# --- the figure ------------------------------------------------------------------------------------------------------
def facekit_figure(
    folder: Path | str, identity: Mapping[str, float] | None = None, *, name: str = "FaceKit head"
) -> FaceKitFigure:
    """A figure of a checkout: the neutral with weighted identities, all expressions there are, eyes and jaw that turn.

    `identity` are weights by name ("identity007": 1.5), in standard deviations. Raises BadAsset for what is broken in
    the folder or is not there, Unsupported for the full model. Expressions that are missing are named in the report.
    """
    checkout = open_checkout(folder)
    weights = checked_identity(identity or {}, "the identity")
    if unknown := [n for n in weights if n not in checkout.identities]:
        raise BadAsset(f"{checkout.folder} has no {unknown[0]}.obj; leave it out of the identity.")
    data = _bytes(checkout.folder / NEUTRAL)
    neutral = _vertices(data, NEUTRAL, 0)
    faces = _faces(data, NEUTRAL, len(neutral))
    person = neutral.copy()
    for shape, weight in weights.items():
        person += weight * (read_vertices(checkout.folder / f"{shape}.obj", count=len(neutral)) - neutral)
    moves = _moves(checkout, neutral)
    mesh, parts = _mesh(person * METRES, faces, moves)
    materials = [_material(part) for part in parts]
    head = MeshObject(id="facekit", name=name, mesh=mesh.key, materials=tuple(m.id for m in materials))
    made = rigged(Scene().add(mesh, head, *materials), [head.id], name=name)
    figure = made.scene.entities[made.figure]
    assert isinstance(figure, Figure)
    scene = made.scene.put({made.figure: remembering(figure, checkout.folder, weights)})
    return FaceKitFigure(scene, made.figure, (*_said(checkout), *made.report))


def _said(checkout: Checkout) -> list[str]:
    if not checkout.lacking:
        return []
    some, more = checkout.lacking[:8], len(checkout.lacking) - 8
    tail = f" and {more} more" if more > 0 else ""
    return [f"Expressions whose files are missing do nothing: {', '.join(some)}{tail}."]


def _moves(checkout: Checkout, neutral: F64) -> dict[str, F64]:
    """(v, 3) what each control moves, in metres; halves that Apple moves as one are added up."""
    out: dict[str, F64] = {}
    for name in checkout.expressions:
        offsets = (read_vertices(checkout.folder / f"{name}.obj", count=len(neutral)) - neutral) * METRES
        control = arkit_control(name)
        out[control] = out[control] + offsets if control in out else offsets
    return out


def _mesh(points: F64, faces: _Faces, moves: Mapping[str, F64]) -> tuple[Mesh, list[str]]:
    """The mesh with its morphs, split where textures have seams, and the names of its parts."""
    names, part = _parts(faces, len(points))
    order = np.argsort(part, kind="stable")
    cut = Triangulator(points.astype(np.float32), Notes(), NEUTRAL)
    starts = np.cumsum(faces.counts) - faces.counts
    runs, kept = [], []
    for number, name in enumerate(names):
        mine = order[part[order] == number]
        if not name or not len(mine):
            continue
        size = faces.counts[mine]
        first = np.repeat(starts[mine] - (np.cumsum(size) - size), size)
        runs.append(cut(faces.rows[first + np.arange(size.sum())], size))
        kept.append(name)
    if not runs:
        raise BadAsset(f"{NEUTRAL}: has no face of a part that is seen; check it out again.")
    corners = np.concatenate(runs).reshape(-1, 3).astype(np.int64)
    pairs = corners[:, 0] << 32 | corners[:, 1]
    _, first, inverse = np.unique(pairs, return_index=True, return_inverse=True)
    vertex, texture = corners[first, 0] - 1, corners[first, 1]
    triangles = inverse.reshape(-1, 3)
    uv = np.concatenate([np.zeros((1, 2)), faces.uv * (1.0, -1.0) + (0.0, 1.0)])[texture]
    mesh = make_mesh(
        points[vertex],
        triangles,
        parts=np.cumsum([0, *(len(run) for run in runs)]).tolist(),
        normals=_normals(points, (corners[:, 0] - 1).reshape(-1, 3))[vertex],
        uv0=uv if texture.any() else None,
        morphs=[_morph(name, offsets[vertex]) for name, offsets in moves.items()],
        where=NEUTRAL,
    )
    return mesh, kept


def _parts(faces: _Faces, vertices: int) -> tuple[list[str], I64]:
    """Names of parts ("" is left out), and the part of each polygon: by vertex numbers, else by materials."""
    if vertices == VERTICES:
        starts = np.cumsum(faces.counts) - faces.counts
        highest = np.maximum.reduceat(faces.rows[:, 0], starts) - 1
        ends = [end for end, _ in _RANGES]
        return [name for _, name in _RANGES], np.searchsorted(ends, highest, side="right").astype(np.int64)
    if not faces.materials:
        raise BadAsset(
            f"{NEUTRAL}: has {vertices:,} vertices instead of {VERTICES:,} and no materials that tell its parts; "
            "check it out again."
        )
    named = [re.sub(r"^M_", "", name) for name in faces.materials]
    named = ["" if name in _UNSEEN else name or "Face" for name in named]
    return [*named, "Face"], np.where(faces.worn < 0, len(named), faces.worn)


def _morph(name: str, offsets: F64) -> Morph:
    moving = np.flatnonzero(np.abs(offsets).max(axis=1) > _STILL_M)
    return Morph(name, moving.astype(np.uint32), offsets[moving].astype(np.float32))


def _normals(points: F64, triangles: I64) -> F64:
    """(v, 3) smooth unit normals, those of triangles weighted by their areas."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    total = np.zeros_like(points)
    for k in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(triangles[:, k], face[:, axis], len(points))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 1e-20, total / np.where(length > 1e-20, length, 1.0), (0.0, 0.0, 1.0))


def _material(part: str) -> Material:
    """A plain material under a part's name; dressing makes it skin, enamel or an eye by that."""
    kind = part_of(part)
    colours: dict[str, Callable[[], tuple[float, float, float]]] = {
        "skin": lambda: preset("skin_light").material.base_color,
        "eye": lambda: _IRIS,
    }
    colour = colours.get(kind, lambda: (0.6, 0.5, 0.45))()
    return Material(id=part, name=part, base_color=colour)
