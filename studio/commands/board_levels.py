"""What the meters of the board show: the lumens that every lamp gives, as renderers will have them.

They are worked out from the rows of the flat scene, so mute, solo, masters, units and animation are in them, and a lamp
that is silent gives nothing. Profiles, grids, cones and textures count with their mean; barn doors and gobos, which
take light away in the room, count like the lamp without them. A distant light or a dome has no lumens of its own: it
counts with what it throws into the sphere around the scene (M. Pharr, W. Jakob and G. Humphreys, "Physically Based
Rendering", 4th edition, 12.5: pi r^2 E, and 4 pi^2 r^2 L for a dome).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Id
from studio.scene.flat import FlatScene
from studio.scene.geometry import Image
from studio.scene.lights import KINDS, TWO_SIDED
from studio.scene.photometry import LUMINANCE, cone_solid_angle
from studio.scene.placement import light_ids
from studio.scene.transforms import F64
from studio.viewport.framing import bounds_of

_MOST = 64  # pixels a side that are looked at of a texture
_means: dict[str, float] = {}  # content key of an image -> its mean


def lumens(flat: FlatScene) -> dict[Id, float]:
    """Lumens of every light and emissive object that shines, by its id; what is not in it gives none."""
    out: dict[Id, float] = {}
    for id_, value in zip(light_ids(flat), row_lumens(flat).tolist(), strict=True):
        out[id_] = out.get(id_, 0.0) + value
    return out


def summed(own: Mapping[Id, float], parents: Mapping[Id, Id]) -> dict[Id, float]:
    """Lumens of lamps and of everything above them: a group gives what hangs below it. `parents`: of every id."""
    out: dict[Id, float] = {}
    for lamp, value in own.items():
        id_, steps = lamp, 0
        while id_ and steps <= len(parents):
            out[id_] = out.get(id_, 0.0) + value
            id_, steps = parents.get(id_, ""), steps + 1
    return out


def row_lumens(flat: FlatScene) -> F64:
    """(n,) lumens of the rows of `flat.lights`."""
    rows = flat.lights
    kind, size = rows["kind"], rows["size"].astype(np.float64)
    first, second = size[:, 0], size[:, 1]
    sides = np.where(rows["flags"] & TWO_SIDED, 2.0, 1.0)
    spread = rows["spread"].astype(np.float64)
    area = {
        "rectangle": first * second * sides * _grid(spread),
        "disk": np.pi * first**2 * sides * _grid(spread),
        "sphere": np.pi * 4 * np.pi * first**2,
        "cylinder": np.pi * 2 * np.pi * first * second,
    }
    cone = rows["cone"].astype(np.float64)
    around = {"point": np.full(len(rows), 4 * np.pi), "spot": cone_solid_angle(cone[:, 0], cone[:, 1])}
    out = np.zeros(len(rows))
    for name, factor in {**around, **area}.items():
        out = np.where(kind == KINDS[name], np.pi * factor if name in ("rectangle", "disk") else factor, out)
    mesh = kind == KINDS["mesh"]
    if mesh.any():
        out[mesh] = np.pi * _mesh_areas(flat, np.flatnonzero(mesh)) * sides[mesh]
    far = (kind == KINDS["distant"]) | (kind == KINDS["dome"])
    if far.any():
        radius = _radius(flat)
        out = np.where(kind == KINDS["distant"], np.pi * radius**2, out)
        out = np.where(kind == KINDS["dome"], 4 * np.pi**2 * radius**2, out)
    out = out * (rows["emission"].astype(np.float64) @ LUMINANCE)
    for column in ("image", "profile"):
        for row in np.flatnonzero(rows[column] >= 0).tolist():
            out[row] *= _mean(
                flat.textures[rows[column][row]], sphere=column == "profile" or kind[row] == KINDS["dome"]
            )
    return np.where(np.isfinite(out), out, 0.0)


def _grid(spread: F64) -> F64:
    """The share of a flat lamp's lumens that its grid leaves: of max(0, 1 - s tan a), the integral over the half
    sphere weighed with the cosine, by pi."""
    safe = np.maximum(spread, 1e-6)
    edge = np.arctan(1.0 / safe)
    left = np.sin(edge) ** 2 - safe * (edge - np.sin(2 * edge) / 2)
    return np.where(spread > 1e-6, np.maximum(left, 0.0), 1.0)


def _mesh_areas(flat: FlatScene, rows: NDArray[np.intp]) -> F64:
    """Square metres of emissive parts in the world; exact where nothing is squashed."""
    lights, areas = flat.lights[rows], np.zeros(len(rows))
    local: dict[tuple[int, int], float] = {}
    instances = flat.instances[lights["instance"]]
    scale = np.abs(np.linalg.det(instances["open"][:, :, :3].astype(np.float64))) ** (2 / 3)
    for i, (mesh, part) in enumerate(zip(instances["mesh"].tolist(), lights["part"].tolist(), strict=True)):
        if (mesh, part) not in local:
            local[mesh, part] = _part_area(flat, mesh, part)
        areas[i] = local[mesh, part] * scale[i]
    return areas


def _part_area(flat: FlatScene, mesh: int, part: int) -> float:
    deformed = flat.meshes[mesh]
    held = deformed.cache.get(f"board.area.{part}")
    if isinstance(held, float):
        return held
    parts = deformed.mesh.parts
    a, b, c = (deformed.positions[deformed.mesh.triangles[parts[part] : parts[part + 1], k]] for k in range(3))
    area = float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum(dtype=np.float64) / 2)
    deformed.cache[f"board.area.{part}"] = area
    return area


def _radius(flat: FlatScene) -> float:
    """Of the sphere around what is shown, in metres; 1 for nothing."""
    found = bounds_of(flat)
    radius = 0.0 if found is None else float(np.linalg.norm(found[1] - found[0]) / 2)
    return radius if radius > 0.0 else 1.0


def _mean(image: Image, *, sphere: bool) -> float:
    """The mean of a picture's light, of 64 by 64 pixels at most; `sphere`: rows are angles from pole to pole."""
    key = f"{image.key};{sphere}"
    if key not in _means:
        pixels = image.pixels
        rows, columns = (max(1, n // _MOST) for n in pixels.shape[:2])
        some = pixels[rows // 2 :: rows, columns // 2 :: columns]
        light = some.astype(np.float64)
        light /= {"uint8": 255.0, "uint16": 65535.0}.get(some.dtype.name, 1.0)
        if image.colour_space == "srgb":
            light = light**2.2
        light = light[:, :, :3] @ LUMINANCE if light.shape[2] >= 3 else light[:, :, 0]
        polar = np.sin((np.arange(len(light)) + 0.5) * np.pi / len(light))
        weight = polar if sphere else np.ones(len(light))
        _means[key] = float((light.mean(axis=1) * weight).sum() / weight.sum())
    return _means[key]
