"""A scene as every renderer of the benchmarks reads it: world-space triangles, flat materials, a few kinds of lights.

Made of a flat scene, so that all renderers are given what ours is given, and written as one .npz that needs numpy
alone: Blender's Python reads it too. It holds what all of them can say without doubt (Lambert and GGX metal surfaces;
emissive meshes, point lights, hard-edged spots, delta suns, a dome with an image) and refuses everything else.
Lengths in metres, y up, -z forward, radiance in nits, linear Rec.709.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from studio.scene.flat import FlatScene

Plain = dict[str, Any]
"""`materials`: [{name, base (3,), metal, rough, emit (3,)}]; `meshes`: [{v (n, 3), f (m, 3), n (n, 3) or None,
material}]; `lights`: [{kind, matrix (3, 4), emission (3,), cos_outer, image (h, w, 3) or None}]; `camera`: {matrix
(3, 4), half_width, fit}."""


def plain(flat: FlatScene) -> Plain:
    """The scene in plain form; ValueError names what cannot be put so.

    Parts that do not emit are joined by material, which saves the peers the setting up of many objects; every part
    that emits stays a lamp of its own.
    """
    materials = [_material(flat, row) for row in range(len(flat.materials))]
    found = list(pieces(flat))
    lamps = [p for p in found if max(materials[p["material"]]["emit"]) > 0]
    dark: dict[tuple[int, bool], list[Plain]] = {}
    for piece in found:
        if max(materials[piece["material"]]["emit"]) == 0:
            dark.setdefault((piece["material"], piece["n"] is None), []).append(piece)
    return {
        "materials": materials,
        "meshes": [joined(group) for group in dark.values()] + lamps,
        "lights": [_light(flat, row) for row in flat.lights if row["instance"] < 0],
        "camera": camera(flat),
    }


def _material(flat: FlatScene, row: int) -> Plain:
    from studio.scene.materials import OFFSET

    values, name = flat.materials[row], flat.material_names[row]

    def read(field: str) -> float:
        return float(values[OFFSET[field]])

    def colour(field: str) -> list[float]:
        return [float(x) for x in values[OFFSET[field] : OFFSET[field] + 3]]

    metal = read("base_metalness")
    worn = row in set(flat.instance_materials.tolist())
    beyond = ["transmission_weight", "coat_weight", "fuzz_weight", "thin_film_weight", "slot_count", "unlit"]
    beyond += ["base_diffuse_roughness"] if metal == 0 else []
    found = [field for field in beyond if worn and read(field) != 0]
    if worn and (found or metal not in (0.0, 1.0) or (metal == 0.0 and read("specular_weight") != 0)):
        raise ValueError(f'material "{name}" is neither Lambert nor plain metal: {", ".join(found) or "specular"}')
    return {
        "name": f"{row} {name}",
        "base": colour("base_color"),
        "metal": metal,
        "rough": read("specular_roughness"),
        "emit": colour("emission"),
    }


def pieces(flat: FlatScene) -> Any:
    """Every part of every instance in world space."""
    for instance in flat.instances:
        mesh = flat.meshes[instance["mesh"]]
        matrix = instance["open"].astype(np.float64)
        v = mesh.positions @ matrix[:, :3].T + matrix[:, 3]
        n = None if mesh.normals is None else mesh.normals @ np.linalg.inv(matrix[:, :3])
        if n is not None:
            n = n / np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-20)
        mirrored = np.linalg.det(matrix[:, :3]) < 0
        parts = mesh.mesh.parts
        for part, (first, end) in enumerate(itertools.pairwise(parts)):
            if first == end:
                continue
            used, f = np.unique(mesh.mesh.triangles[first:end], return_inverse=True)
            f = f.reshape(-1, 3)[:, ::-1] if mirrored else f.reshape(-1, 3)
            material = int(flat.instance_materials[instance["material_start"] + part])
            yield {
                "v": v[used].astype(np.float32),
                "f": f.astype(np.int32),
                "n": None if n is None else n[used].astype(np.float32),
                "material": material,
            }


def joined(pieces: list[Plain]) -> Plain:
    """Parts as one, of the material of the first."""
    starts = np.cumsum([0, *(len(p["v"]) for p in pieces[:-1])])
    return {
        "v": np.concatenate([p["v"] for p in pieces]),
        "f": np.concatenate([p["f"] + start for p, start in zip(pieces, starts)]).astype(np.int32),
        "n": None if pieces[0]["n"] is None else np.concatenate([p["n"] for p in pieces]),
        "material": pieces[0]["material"],
    }


def _light(flat: FlatScene, row: np.void) -> Plain:
    from studio.scene.lights import KINDS

    kind = next(name for name, code in KINDS.items() if code == row["kind"])
    name = flat.light_names[row["entity"]]
    if kind not in ("point", "spot", "distant", "dome") or (kind == "distant" and row["size"][0] > 1e-3):
        raise ValueError(f'light "{name}" is a {kind}; only points, spots, delta suns and domes are common to all')
    if kind == "spot" and row["cone"][0] - row["cone"][1] > 1e-3:
        raise ValueError(f'spot "{name}" has a soft edge, which every renderer draws in its own way')
    image = None
    if row["image"] >= 0:
        image = np.ascontiguousarray(flat.textures[row["image"]].pixels[..., :3], np.float32)
    return {
        "kind": kind,
        "matrix": row["open"].tolist(),
        "emission": row["emission"].tolist(),
        "cos_outer": float(row["cone"][1]),
        "image": image,
    }


def camera(flat: FlatScene) -> Plain:
    camera = flat.camera
    if camera.orthographic or camera.lens_radius_m or camera.shift != (0.0, 0.0):
        raise ValueError("the camera is not a pinhole with a centred gate")
    return {"matrix": camera.open.tolist(), "half_width": camera.half_width, "fit": camera.fit}


# --- files -----------------------------------------------------------------------------------------------------------
def write(scene: Plain, path: Path | str) -> None:
    """Write a plain scene as .npz: its arrays, and the rest as JSON with their numbers."""
    arrays: dict[str, np.ndarray] = {}

    def keep(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            arrays[f"a{len(arrays)}"] = value
            return {"array": f"a{len(arrays) - 1}"}
        if isinstance(value, dict):
            return {k: keep(v) for k, v in value.items()}
        return [keep(v) for v in value] if isinstance(value, list) else value

    header = json.dumps(keep(scene)).encode()
    np.savez(path, header=np.frombuffer(header, np.uint8), **arrays)  # type: ignore[arg-type]


def read(path: Path | str) -> Plain:
    """The plain scene of a file that `write` made."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}

    def restored(value: Any) -> Any:
        if isinstance(value, dict):
            return arrays[value["array"]] if set(value) == {"array"} else {k: restored(v) for k, v in value.items()}
        return [restored(v) for v in value] if isinstance(value, list) else value

    scene: Plain = restored(json.loads(arrays["header"].tobytes()))
    return scene
