"""Wavefront .obj scenes: still meshes with materials, from every program there is.

Objects (`o`) become mesh objects, groups and materials (`g`, `usemtl`) their parts. Lines are taken in as they come
and turned into arrays by the ten thousand, so a large scan neither crawls nor fills the memory with strings. Numbers
count metres. Source: Wavefront, "Object Files", appendix B1 of the Advanced Visualizer manual.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.assets.assembly import Block, drop_unsound, face_normals, join, mend, unit
from studio.assets.budget import Budget
from studio.assets.files import read_file
from studio.assets.mtl import MaterialLibrary
from studio.assets.polygons import Triangulator
from studio.assets.report import LoadReport, Notes
from studio.errors import BadAsset
from studio.scene.entities import Entity, MeshObject
from studio.scene.geometry import Mesh
from studio.scene.scene import Scene

I64 = NDArray[np.int64]
I32 = NDArray[np.int32]
LARGEST = 2**31 - 1
LINES = 50_000  # lines that are held as text before they become numbers
OBJECTS = 100_000
CORNER_BYTES = 150  # what a corner of a face takes for a moment
Part = tuple[str, str]  # group, material


@dataclass(slots=True)
class Corners:
    """Polygons of one part: rows of vertex, texture and normal number (from 1, 0: none), and corners per polygon."""

    rows: list[I32] = field(default_factory=list)
    counts: list[I32] = field(default_factory=list)


@dataclass(slots=True)
class ObjectFaces:
    """The faces of one `o`, by part."""

    name: str
    parts: dict[Part, Corners] = field(default_factory=dict)
    smooth: bool = False


def read_obj(path: Path, *, strict: bool = False) -> tuple[Scene, LoadReport]:
    """The scene in an .obj file and the report of the load.

    Raises BadAsset for a broken file, and with `strict` for a missing material library or texture.
    """
    notes = Notes()
    with np.errstate(all="ignore"):
        return ObjReader(path, notes, strict=strict).read()


class ObjReader:
    """Reads one file."""

    def __init__(self, path: Path, notes: Notes, *, strict: bool) -> None:
        self.path, self.name, self.notes = path, path.name, notes
        data = read_file(path, path.name)
        self.budget = Budget(self.name, len(data))
        self.data = data.replace(b"\\\r\n", b" ").replace(b"\\\n", b" ") if b"\\" in data else data
        self.library = MaterialLibrary(path, notes, budget=self.budget, strict=strict)
        self.columns = {b"v": Column(3), b"vt": Column(2), b"vn": Column(3)}
        self.objects: list[ObjectFaces] = [ObjectFaces(path.stem)]
        self.part: Part = ("", "")
        self.waiting: list[bytes] = []
        self.line = 0

    def read(self) -> tuple[Scene, LoadReport]:
        """The scene and its report."""
        if b"\0" in self.data[:4096]:
            raise BadAsset(f"{self.name}: is no text, so it is no .obj scene.")
        try:
            for text in io.BytesIO(self.data):
                self.line += 1
                words = text.split(None, 1)
                if words:
                    self._take(words[0], words[1] if len(words) > 1 else b"")
            self._flush()
            arrays = {name: column.array() for name, column in self.columns.items()}
        except (ValueError, OverflowError) as error:
            raise BadAsset(f"{self.name}: line {self.line:,}: {error}; export it again.") from error
        if not any(part.rows for each in self.objects for part in each.parts.values()):
            raise BadAsset(f"{self.name}: has no faces; it is empty or no .obj scene.")
        return self._scene(arrays)

    def _take(self, word: bytes, rest: bytes) -> None:
        column = self.columns.get(word)
        if column is not None:
            column.add(rest)
        elif word == b"f":
            self.waiting.append(self._counted_from_start(rest) if b"-" in rest else rest)
            if len(self.waiting) >= LINES:
                self._flush()
        elif word == b"usemtl":
            self._flush()
            self.part = (self.part[0], _text(rest))
        elif word == b"g":
            self._flush()
            self.part = (_text(rest), self.part[1])
        elif word == b"o":
            self._flush()
            self.objects.append(ObjectFaces(_text(rest)))
            if len(self.objects) > OBJECTS:
                raise BadAsset(f"{self.name}: has more than {OBJECTS:,} objects; split the scene.")
        elif word == b"s":
            self.objects[-1].smooth |= rest.strip() not in (b"off", b"0", b"")
        elif word == b"mtllib":
            self.library.read_all(_text(rest), f"line {self.line:,}")
        elif word in (b"l", b"p", b"curv", b"curv2", b"surf"):
            self.notes.dropped("Lines, points and curved surfaces are not drawn.")

    def _counted_from_start(self, rest: bytes) -> bytes:
        """A face with negative numbers, which count back from the latest vertex, in positive ones."""
        totals = [len(self.columns[name]) for name in (b"v", b"vt", b"vn")]
        words = []
        for word in rest.split():
            numbers = []
            for total, number in zip(totals, word.split(b"/"), strict=False):
                value = int(number) if number else 0
                if value < 0:
                    value += total + 1
                    if value < 1:
                        raise ValueError("a face names a vertex before the first one")
                numbers.append(b"%d" % value)
            words.append(b"/".join(numbers))
        return b" ".join(words)

    def _flush(self) -> None:
        """Turn the waiting face lines into arrays of the current part."""
        lines, self.waiting = self.waiting, []
        if not lines:
            return
        counts = np.fromiter((len(line.split()) for line in lines), np.int32, len(lines))
        rows = _face_rows(b" ".join(lines))
        if len(rows) != counts.sum():
            raise ValueError("a face is not made of vertex/texture/normal numbers")
        self.budget.spend(rows.nbytes + counts.nbytes, "its faces")
        part = self.objects[-1].parts.setdefault(self.part, Corners())
        part.rows.append(rows)
        part.counts.append(counts)

    def _scene(self, arrays: dict[bytes, NDArray[np.float32]]) -> tuple[Scene, LoadReport]:
        entities: dict[str, Entity] = {}
        meshes: dict[str, Mesh] = {}
        triangulate = Triangulator(arrays[b"v"][:, :3], self.notes, self.name)
        for each in self.objects:
            if not any(part.rows for part in each.parts.values()):
                continue
            mesh = self._mesh(each, arrays, triangulate)
            if mesh is None:
                self.notes.dropped(f"Object {each.name!r} has no triangles.")
                continue
            meshes[mesh.key] = mesh
            key = f"o{len(entities)}"
            materials = tuple(self.library.id_of(material) for _, material in each.parts)
            entities[key] = MeshObject(id=key, name=each.name or key, mesh=mesh.key, materials=materials)
        self.notes.read = {
            "node": len(entities),
            "mesh": len(meshes),
            "triangle": sum(len(mesh.triangles) for mesh in meshes.values()),
            "material": len(self.library.materials),
            "image": len(self.library.images),
        }
        scene = Scene(
            name=self.path.stem,
            entities=entities,
            meshes=meshes,
            materials=self.library.materials,
            images=self.library.images,
        )
        return scene, self.notes.report()

    def _mesh(
        self, faces: ObjectFaces, arrays: dict[bytes, NDArray[np.float32]], triangulate: Triangulator
    ) -> Mesh | None:
        place = f"{self.name}: object {faces.name!r}"
        triangles: list[I32] = []  # (t, 3, 3): corners of vertex, texture, normal
        # the corners as they are sorted, made unique and numbered again
        size = sum(len(rows) for part in faces.parts.values() for rows in part.rows)
        self.budget.spend(0, place, transient=size * CORNER_BYTES)
        for part in faces.parts.values():
            rows, counts = np.concatenate(part.rows), np.concatenate(part.counts)
            self._check(rows, arrays, place)
            triangles.append(triangulate(rows, counts.astype(np.int64)))
        corners = np.concatenate(triangles).reshape(-1, 3)
        if not len(corners):
            return None
        unique, inverse = _unique_rows(corners)
        block = Block(arrays[b"v"][unique[:, 0] - 1, :3])
        if arrays[b"v"].shape[1] >= 6:
            alpha = np.ones((len(unique), 1), np.float32)
            # programs write these as display colours
            block.columns["colors"] = np.concatenate([_linear(arrays[b"v"][unique[:, 0] - 1, 3:6]), alpha], axis=1)
        if unique[:, 1].any():
            uv = np.concatenate([np.zeros((1, 2), np.float32), arrays[b"vt"][:, :2]])[unique[:, 1]]
            block.columns["uv0"] = uv * np.array((1, -1), np.float32) + np.array((0, 1), np.float32)
        ends = np.cumsum([len(part) for part in triangles])[:-1]
        split = np.split(inverse.reshape(-1, 3).astype(np.uint32), ends)
        block.parts = dict(enumerate(split))
        self._add_normals(block, unique, inverse, arrays, faces.smooth)
        if any(self.library.maps_normals(material) for _, material in faces.parts):
            block.tangent_uv = 0
        mend(block)
        lost = drop_unsound(block)
        if lost:
            self.notes.warn(f"{place}: {lost:,} triangles with a position that is no number were dropped.")
        if not any(len(part) for part in block.parts.values()):
            return None
        return join([block], len(block.parts), budget=self.budget, place=place)

    def _add_normals(
        self, block: Block, unique: I64, inverse: I64, arrays: dict[bytes, NDArray[np.float32]], smooth: bool
    ) -> None:
        """Normals of the file; where it has none, smooth ones if it asks for smoothing, else faceted ones."""
        triangles = inverse.reshape(-1, 3)
        if unique[:, 2].any():
            normals = np.concatenate([np.zeros((1, 3), np.float32), arrays[b"vn"][:, :3]])[unique[:, 2]]
            missing = unique[:, 2] == 0
            if missing.any():
                normals[missing] = _smooth_normals(block.positions, triangles, unique[:, 0])[missing]
            block.columns["normals"] = normals
        elif smooth:
            block.columns["normals"] = _smooth_normals(block.positions, triangles, unique[:, 0])

    def _check(self, rows: I32, arrays: dict[bytes, NDArray[np.float32]], place: str) -> None:
        for at, (name, what) in enumerate(((b"v", "vertex"), (b"vt", "texture vertex"), (b"vn", "normal"))):
            highest = int(rows[:, at].max(initial=0))
            if highest > len(arrays[name]) or int(rows[:, at].min(initial=1)) < (1 if at == 0 else 0):
                raise BadAsset(
                    f"{place} names {what} {highest if highest > len(arrays[name]) else 0:,} "
                    f"of {len(arrays[name]):,}; export it again."
                )


class Column:
    """Lines of numbers becoming rows of an array; short rows are filled with zeros, `least` numbers are needed."""

    def __init__(self, least: int) -> None:
        self.least = least
        self.waiting: list[bytes] = []
        self.done: list[NDArray[np.float32]] = []
        self.count = 0

    def __len__(self) -> int:
        return self.count

    def add(self, rest: bytes) -> None:
        """Take the numbers of a line."""
        self.waiting.append(rest)
        self.count += 1
        if len(self.waiting) >= LINES:
            self._flush()

    def _flush(self) -> None:
        lines, self.waiting = self.waiting, []
        if not lines:
            return
        if any(b"#" in line for line in lines):
            lines = [line.partition(b"#")[0] for line in lines]
        width = len(lines[0].split())
        words = b" ".join(lines).split()
        counts = {len(line.split()) for line in lines}
        if counts != {width}:
            width = min(max(counts), 8)
            padded = [(line.split() + [b"0"] * width)[:width] for line in lines]
            words = [word for line in padded for word in line]
        if min(counts) < min(self.least, 2):
            raise ValueError("a vertex lacks numbers")
        rows = np.fromiter(map(float, words), np.float64, len(words)).reshape(len(lines), -1).astype(np.float32)
        self.done.append(np.pad(rows, ((0, 0), (0, max(0, self.least - rows.shape[1])))))

    def array(self) -> NDArray[np.float32]:
        """(n, columns) of all lines, at least `least` columns."""
        self._flush()
        if not self.done:
            return np.zeros((0, self.least), np.float32)
        width = max(rows.shape[1] for rows in self.done)
        return np.concatenate([np.pad(rows, ((0, 0), (0, width - rows.shape[1]))) for rows in self.done])


def _face_rows(text: bytes) -> I32:
    """(corners, 3) vertex, texture and normal numbers of face lines; 0 where a corner has none."""
    words = text.split()
    slashes = words[0].count(b"/") if words else 0
    plain = text.replace(b"//", b"/0/")
    if plain.count(b"/") == slashes * len(words):
        try:
            numbers = np.fromiter(map(int, plain.replace(b"/", b" ").split()), np.int64)
        except ValueError:
            numbers = np.zeros(0, np.int64)
        if slashes <= 2 and len(numbers) == len(words) * (slashes + 1):
            if int(numbers.max(initial=0)) > LARGEST:
                raise ValueError("a face names a vertex that is not there")
            rows = np.zeros((len(words), 3), np.int32)
            rows[:, : slashes + 1] = numbers.reshape(len(words), slashes + 1)
            return rows
    return np.array([_corner(word) for word in words], np.int32).reshape(-1, 3)


def _corner(word: bytes) -> tuple[int, int, int]:
    """One corner, written in any way: v, v/vt, v//vn, v/vt/vn, v/."""
    numbers = [int(number) if number else 0 for number in word.split(b"/")][:3]
    numbers += [0] * (3 - len(numbers))
    return numbers[0], numbers[1], numbers[2]


def _unique_rows(corners: I32) -> tuple[I64, I64]:
    """The different rows of (n, 3) corners in the order they first appear, and which of them each corner is."""
    a, b, c = corners.astype(np.int64).T
    if int(b.max(initial=0)) < 1 << 21 and int(c.max(initial=0)) < 1 << 21 and int(a.max(initial=0)) < 1 << 21:
        packed = a << 42 | b << 21 | c
        _, first, inverse = np.unique(packed, return_index=True, return_inverse=True)
    else:
        _, first, inverse = np.unique(corners, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return corners[first[order]].astype(np.int64), place[inverse.reshape(-1)]


def _smooth_normals(positions: NDArray[np.float32], triangles: I64, vertex: I64) -> NDArray[np.float32]:
    """Normals of corners that share a vertex number: their triangles' unit normals, weighted by the corner's angle.

    Source: Thuermer and Wuethrich, "Computing vertex normals from polygonal facets", 1998.
    """
    p = np.nan_to_num(positions.astype(np.float64)[triangles], posinf=0.0, neginf=0.0)
    faces = face_normals(p.reshape(-1, 3), np.arange(p.shape[0] * 3).reshape(-1, 3))
    back, ahead = np.roll(p, 1, axis=1) - p, np.roll(p, -1, axis=1) - p
    across = np.linalg.norm(np.cross(back, ahead), axis=2)
    angle = np.arctan2(across, np.einsum("tci,tci->tc", back, ahead)).reshape(-1)
    owner = vertex[triangles].reshape(-1)
    share = np.repeat(faces, 3, axis=0) * angle[:, None]
    total = np.stack([np.bincount(owner, share[:, i], int(vertex.max()) + 1) for i in range(3)], axis=1)
    return unit(np.asarray(total[vertex], np.float64))


def _linear(srgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """Display colours to linear ones. Source: IEC 61966-2-1."""
    c = np.clip(np.nan_to_num(srgb), 0.0, 1.0)
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _text(rest: bytes) -> str:
    return rest.decode("utf-8", "replace").strip()[:1000]
