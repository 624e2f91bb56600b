"""The list of what to draw: batches of parts of meshes, the index buffer that they run over, and the table of draws.

Parts of meshes that occur once are joined into one batch for all of a kind: every vertex carries its part's row of the
table of draws, which gives instance, material and object. Meshes that occur often are instanced, with a row for each
instance from the batch's `base` on. What is drawn in order of depth (glass, blending) is a batch of its own each.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from studio.scene.flat import SEEN_BY_CAMERA, FlatScene
from studio.scene.materials import OFFSET, SLOTS
from studio.viewport.meshstore import MeshStore, Placed

MATTE, GLOSSY, FULL = "matte", "glossy", "full"
FAMILIES = (MATTE, GLOSSY, FULL)
OPAQUE, MASKED, THROUGH, BLENDED = range(4)

# what only some surfaces have and no other shall pay for: a bit each, and the name by which programs are made with it
SUBSURFACE, SECOND_LOBE, EYE = 1, 2, 4
FEATURES = {SUBSURFACE: "SUBSURFACE", SECOND_LOBE: "SECOND_LOBE", EYE: "EYE"}

Kind = tuple[int, bool, int, int]  # index of FAMILIES, textured, coverage, features
Words = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Batch:
    """One draw: `count` indices from `first`, `instances` times, rows of the table of draws from `base` on.

    `base` is -1 where every vertex brings its own row. `centre`, `thickest` (metres along the shortest side of its box)
    and `object` are of what is drawn in order of depth.
    """

    family: str  # how much of the surface model it needs
    textured: bool
    coverage: int  # OPAQUE, MASKED, THROUGH (transmission), BLENDED
    first: int
    count: int
    instances: int = 1
    base: int = -1
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    object: int = -1
    thickest: float = 0.0
    features: int = 0  # bits of FEATURES


def kinds_of(flat: FlatScene) -> tuple[NDArray[np.intp], NDArray[np.bool_], NDArray[np.intp]]:
    """Per material: index of FAMILIES, whether it has textures, coverage.

    Textures multiply, so a lobe whose number is 0 stays away whatever its textures say.
    """

    def column(name: str) -> NDArray[np.float32]:
        return np.asarray(flat.materials[:, OFFSET[name]])

    rich = (
        (column("coat_weight") > 0)
        | (column("fuzz_weight") > 0)
        | (column("thin_film_weight") > 0)
        | (column("transmission_weight") > 0)
        | (column("specular_roughness_anisotropy") != 0)
        | (column("base_diffuse_roughness") > 0)
    )
    shiny = (column("base_metalness") > 0) | (column("specular_weight") > 0)
    starts, counts = column("slot_start").astype(np.intp), column("slot_count").astype(np.intp)
    opacity = np.concatenate([[0], np.cumsum(flat.slots[:, 0] == SLOTS["geometry_opacity"])])
    see_through = (column("geometry_opacity") < 1.0) | (opacity[starts + counts] > opacity[starts])
    mode = column("alpha_mode")
    solid = np.where(column("transmission_weight") > 0, THROUGH, OPAQUE)
    coverage = np.where((mode == 2) & see_through, BLENDED, np.where((mode == 1) & see_through, MASKED, solid))
    return np.where(rich, 2, np.where(shiny, 1, 0)).astype(np.intp), counts > 0, coverage.astype(np.intp)


def features_of(flat: FlatScene) -> NDArray[np.intp]:
    """(m,) bits of FEATURES per material. What lets light through as glass does shows none of what scatters below."""

    def column(name: str) -> NDArray[np.float32]:
        return np.asarray(flat.materials[:, OFFSET[name]])

    below = (column("subsurface_weight") > 0) & (column("thin_walled") == 0) & (column("unlit") == 0)
    second = (column("specular_second_weight") > 0) & (column("specular_weight") > 0)
    bits = np.where(below, SUBSURFACE, 0) | np.where(second, SECOND_LOBE, 0)
    return np.asarray(bits | np.where(column("eye_iris_radius") > 0, EYE, 0), np.intp)


class Listing:
    """Makes the list of a flat scene whose meshes are in the store."""

    def __init__(self, flat: FlatScene, meshes: MeshStore) -> None:
        self._flat, self._placed = flat, meshes.placed
        self._kinds = np.stack([*kinds_of(flat), features_of(flat)], axis=1).astype(np.intp)
        self._rows: list[Words] = [np.zeros((meshes.part_rows, 4), np.uint32)]
        self._next_row = meshes.part_rows
        self._joined: dict[Kind, list[Words]] = {}
        self._single: list[tuple[Batch, int]] = []  # with the number of its run
        self._runs: list[Words] = []
        self.triangles = 0

    def draws(self) -> tuple[Words, Words, tuple[Batch, ...]]:
        """The table of draws (n, 4), the index buffer, and batches that refer to both."""
        instances = self._flat.instances
        seen = np.flatnonzero(instances["flags"] & SEEN_BY_CAMERA)
        order = seen[np.argsort(instances["mesh"][seen], kind="stable")]
        meshes, starts = np.unique(instances["mesh"][order], return_index=True)
        for mesh, group in zip(meshes.tolist(), np.split(order, starts[1:])):
            self._mesh(self._placed[mesh], group)
        pieces: list[Words] = []
        batches, first = [], 0
        for (family, textured, coverage, features), runs in sorted(self._joined.items()):
            count = sum(run.size for run in runs)
            batches.append(Batch(FAMILIES[family], textured, coverage, first, count, features=features))
            pieces += runs
            first += count
        starts_of_runs = first + np.concatenate([[0], np.cumsum([run.size for run in self._runs])]).astype(np.intp)
        batches += [replace(batch, first=int(starts_of_runs[run])) for batch, run in self._single]
        pieces += self._runs
        indices = np.concatenate(pieces) if pieces else np.zeros(0, np.uint32)
        return np.concatenate(self._rows), indices, tuple(batches)

    def _mesh(self, placed: Placed, instances: NDArray[np.intp]) -> None:
        table = self._flat.instances
        for part, (start, end) in enumerate(itertools.pairwise(placed.parts)):
            if start == end:
                continue
            run = (placed.triangles[start:end] + np.uint32(placed.first)).reshape(-1)
            self.triangles += (end - start) * len(instances)
            materials = self._flat.instance_materials[table["material_start"][instances] + part]
            parts = np.full(len(instances), part)
            rows = np.stack([instances, materials, parts, table["object"][instances]], axis=1).astype(np.uint32)
            kinds = self._kinds[materials]
            if placed.see_through:
                mode = self._flat.materials[materials, OFFSET["alpha_mode"]]
                kinds[:, 2] = np.where(mode == 2, BLENDED, np.where(mode == 1, MASKED, kinds[:, 2]))
            if len(instances) == 1 and kinds[0, 2] < THROUGH:
                self._rows[0][placed.first_part + part] = rows[0]
                self._joined.setdefault(_kind(kinds[0]), []).append(run)
                continue
            self._runs.append(run)
            for values in np.unique(kinds, axis=0):
                mine = (kinds == values).all(axis=1)
                self._instanced(_kind(values), placed, run.size, rows[mine])

    def _instanced(self, kind: Kind, placed: Placed, count: int, rows: Words) -> None:
        """Batches over the last run: one for all rows, or one each where depth decides the order."""
        family, textured, coverage, features = kind
        plain = Batch(FAMILIES[family], textured, coverage, 0, count, len(rows), self._next_row, features=features)
        batches = [plain]
        if coverage >= THROUGH:
            matrices = self._flat.instances["open"][rows[:, 0]].astype(np.float64)
            centres = matrices[:, :, :3] @ placed.box.mean(axis=0) + matrices[:, :, 3]
            sides = np.linalg.norm(matrices[:, :, :3], axis=1) * (placed.box[1] - placed.box[0])
            batches = [
                replace(
                    plain, instances=1, base=self._next_row + k, centre=(x, y, z), object=int(rows[k, 3]),
                    thickest=float(sides[k].min()),
                )
                for k, (x, y, z) in enumerate(centres.tolist())
            ]  # fmt: skip
        self._single += [(batch, len(self._runs) - 1) for batch in batches]
        self._rows.append(rows)
        self._next_row += len(rows)


def _kind(values: NDArray[np.intp]) -> Kind:
    family, textured, coverage, features = (int(v) for v in values)
    return family, bool(textured), coverage, features
