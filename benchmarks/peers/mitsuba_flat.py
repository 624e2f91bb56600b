"""Render a plain scene with Mitsuba 3, in a process of its own; prints one JSON object of times.

    python benchmarks/peers/mitsuba_flat.py SCENE.npz OUT.npy [--variant llvm_ad_rgb] [--samples 64] [--size 320x180]

The clock runs over `render` alone, after a render of one sample that compiles the kernels; the loading of the scene,
which ours has to count, is reported beside it and not counted. `llvm_ad_rgb` needs LLVM 16 or newer, which is looked
for where Debian puts it unless DRJIT_LIBLLVM_PATH names it.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.peers.exchange import Plain, read

WAVE = 64  # samples a call of the vectorised variants, which hold all paths of a call in memory


def find_llvm() -> str:
    """The newest LLVM library that Dr.Jit can use, "" when there is none."""
    named = os.environ.get("DRJIT_LIBLLVM_PATH", "")
    found: list[tuple[float, str]] = []
    for path in glob.glob("/usr/lib/*/libLLVM*.so*") + glob.glob("/usr/lib/llvm-*/lib/libLLVM*.so*"):
        digits = Path(path).name.replace("libLLVM-", "").replace("libLLVM.so.", "").split(".so")[0]
        try:
            found.append((float(".".join(digits.split(".")[:2])), path))
        except ValueError:
            continue  # an alias without a version in its name
    found = [pair for pair in found if pair[0] >= 16]
    return named or (max(found)[1] if found else "")


def _rgb(value: Any) -> dict[str, Any]:
    return {"type": "rgb", "value": [float(x) for x in value]}


def _bsdf(material: Plain) -> dict[str, Any]:
    if material["metal"]:
        metal = {"type": "roughconductor", "distribution": "ggx", "material": "none"}
        return metal | {"alpha": max(material["rough"] ** 2, 1e-4), "specular_reflectance": _rgb(material["base"])}
    return {"type": "diffuse", "reflectance": _rgb(material["base"])}


def _light(mi: Any, light: Plain) -> dict[str, Any]:
    """An emitter. Mitsuba's spots shine along +z, ours along -z; its skies start where ours have their middle."""
    matrix = np.vstack([light["matrix"], [0, 0, 0, 1]])
    if light["kind"] == "point":
        return {"type": "point", "position": matrix[:3, 3].tolist(), "intensity": _rgb(light["emission"])}
    if light["kind"] == "spot":
        angle = float(np.degrees(np.arccos(light["cos_outer"])))
        flipped = mi.ScalarTransform4f((matrix @ np.diag([-1, 1, -1, 1])).tolist())
        cone = {"cutoff_angle": angle, "beam_width": 0.9999 * angle}
        return {"type": "spot", "to_world": flipped, "intensity": _rgb(light["emission"]), **cone}
    if light["kind"] == "distant":
        return {"type": "directional", "direction": (-matrix[:3, 2]).tolist(), "irradiance": _rgb(light["emission"])}
    if light["image"] is None:
        return {"type": "constant", "radiance": _rgb(light["emission"])}
    sky = np.roll(light["image"] * np.float32(light["emission"]), light["image"].shape[1] // 2, axis=1)
    return {
        "type": "envmap",
        "bitmap": mi.Bitmap(np.ascontiguousarray(sky)),
        "to_world": mi.ScalarTransform4f(matrix.tolist()),
    }


def build(mi: Any, scene: Plain, folder: str, width: int, height: int, samples: int, depth: int, sided: bool) -> Any:
    """The scene's dictionary; meshes go through .ply files in `folder`. `sided` makes surfaces two-sided."""
    camera = scene["camera"]
    matrix = np.vstack([camera["matrix"], [0, 0, 0, 1]]) @ np.diag([-1.0, 1.0, -1.0, 1.0])
    out: dict[str, Any] = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": depth, "rr_depth": 100},
        "sensor": {
            "type": "perspective",
            "fov": float(np.degrees(2 * np.arctan(camera["half_width"]))),
            "fov_axis": "y" if camera["fit"] == "vertical" else "x",
            "to_world": mi.ScalarTransform4f(matrix.tolist()),
            "film": {
                "type": "hdrfilm",
                "width": width,
                "height": height,
                "rfilter": {"type": "box"},
                "pixel_format": "rgb",
                "component_format": "float32",
            },
            "sampler": {"type": "independent", "sample_count": samples},
        },
    }
    for i, mesh in enumerate(scene["meshes"]):
        material = scene["materials"][mesh["material"]]
        shape = mi.Mesh(f"m{i}", len(mesh["v"]), len(mesh["f"]), has_vertex_normals=mesh["n"] is not None)
        parameters = mi.traverse(shape)
        parameters["vertex_positions"], parameters["faces"] = mesh["v"].reshape(-1), mesh["f"].reshape(-1)
        if mesh["n"] is not None:
            parameters["vertex_normals"] = mesh["n"].reshape(-1)
        parameters.update()
        name = os.path.join(folder, f"{i}.ply")
        shape.write_ply(name)
        bsdf = {"type": "twosided", "surface": _bsdf(material)} if sided else _bsdf(material)
        out[f"m{i}"] = {"type": "ply", "filename": name, "bsdf": bsdf, "face_normals": mesh["n"] is None}
        if max(material["emit"]) > 0:
            out[f"m{i}"]["emitter"] = {"type": "area", "radiance": _rgb(material["emit"])}
    return out | {f"l{i}": _light(mi, light) for i, light in enumerate(scene["lights"])}


def main() -> None:
    """Render one scene."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scene")
    parser.add_argument("out")
    parser.add_argument("--variant", default="llvm_ad_rgb")
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--two-sided", action="store_true")
    args = parser.parse_args()
    width, height = (int(n) for n in args.size.split("x"))
    if "llvm" in args.variant:
        os.environ["DRJIT_LIBLLVM_PATH"] = find_llvm()
    import drjit as dr
    import mitsuba

    mi: Any = mitsuba

    mi.set_variant(args.variant)
    dr.set_thread_count(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        described = build(mi, read(args.scene), folder, width, height, args.samples, args.depth, args.two_sided)
        load = time.perf_counter()
        scene = mi.load_dict(described)
        load = time.perf_counter() - load
    wave = args.samples if args.variant.startswith("scalar") else min(WAVE, args.samples)
    np.array(mi.render(scene, spp=1, seed=10_000))
    total, done = np.zeros((height, width, 3)), 0
    wall, cpu = time.perf_counter(), time.process_time()
    while done < args.samples:
        count = min(wave, args.samples - done)
        picture = mi.render(scene, spp=count, seed=1000 * args.seed + done // wave)
        total += count * np.array(picture, np.float64)
        done += count
    seconds = {"load": load, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    np.save(args.out, (total / done).astype(np.float32))
    print(json.dumps({"seconds": seconds, "mean": float(total.mean() / done), "version": mitsuba.__version__}))


if __name__ == "__main__":
    main()
