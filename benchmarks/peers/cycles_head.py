"""Render a head with skin in Blender's Cycles, in Blender's own Python; prints one JSON object of times.

    $MYRIAD_BPY_PYTHON benchmarks/peers/cycles_head.py HEAD.npz OUT.npy [--samples 64] [--size 320x320]

`benchmarks/head.py` writes the file: meshes and camera as `exchange` has them, materials of a Principled BSDF whose
subsurface is a random walk of fixed radius, and softboxes. Settings and clock are those of `cycles_flat`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cycles_flat import add, add_mesh, run, turned_camera
from exchange import Plain


def material_of(plain: Plain) -> Any:
    """A Principled BSDF: gloss over diffuse, or over a random walk of the same colour."""
    material = bpy.data.materials.new(plain["name"])
    material.use_nodes = True
    body = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    body.subsurface_method = "RANDOM_WALK"
    body.inputs["Base Color"].default_value = [*plain["base"], 1.0]
    body.inputs["Roughness"].default_value = plain["rough"]
    body.inputs["IOR"].default_value = plain["ior"]
    body.inputs["Subsurface Weight"].default_value = plain["subsurface"]
    body.inputs["Subsurface Radius"].default_value = plain["radius"]
    body.inputs["Subsurface Scale"].default_value = 1.0
    return material


def add_softbox(i: int, plain: Plain) -> None:
    """A rectangle that shines along its -z; Blender's watts are pi times area times radiance."""
    data = bpy.data.lights.new(f"l{i}", "AREA")
    emission = np.array(plain["emission"])
    strength = float(emission.max())
    data.color = (emission / strength).tolist()
    data.shape, data.size, data.size_y = "RECTANGLE", *plain["size"]
    data.energy = strength * np.pi * plain["size"][0] * plain["size"][1]
    add(f"l{i}", data, np.vstack([plain["matrix"], [0, 0, 0, 1]]))


def add_head(scene: Plain) -> None:
    """The head with the materials that its faces wear."""
    materials = [material_of(m) for m in scene["materials"]]
    mesh = add_mesh(0, {**scene["head"], "material": 0}, materials)
    for material in materials[1:]:
        mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", scene["worn"])


def build(scene: Plain) -> None:
    """The scene in Blender."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    add_head(scene)
    for i, light in enumerate(scene["lights"]):
        add_softbox(i, light)
    turned_camera(scene["camera"])


if __name__ == "__main__":
    run(build, __doc__)
