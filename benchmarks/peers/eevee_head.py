"""Draw a head with skin in Blender's EEVEE, in Blender's own Python; prints one JSON object of times.

    xvfb-run -a $MYRIAD_BPY_PYTHON benchmarks/peers/eevee_head.py HEAD.npz OUT.npy [--size 640x360] [--turns 2]

`benchmarks/head_view.py` writes the file: the head of `cycles_head` under points. One sample a frame, with shadows and
subsurface. The first frame compiles shaders and is given apart, as in `eevee_flat`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cycles_flat import add_light, add_mesh, turned_camera
from cycles_head import material_of
from exchange import Plain, read


def build(scene: Plain) -> None:
    """The scene in Blender."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    world = bpy.context.scene.world = bpy.data.worlds.new("world")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[1].default_value = 0.0
    materials = [material_of(m) for m in scene["materials"]]
    mesh = add_mesh(0, {**scene["head"], "material": 0}, materials)
    for material in materials[1:]:
        mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", scene["worn"])
    for i, light in enumerate(scene["lights"]):
        add_light(i, light, world)
    turned_camera(scene["camera"])


def main() -> None:
    """Draw one head some times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scene")
    parser.add_argument("out")
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--turns", type=int, default=2)
    args = parser.parse_args()
    width, height = (int(n) for n in args.size.split("x"))
    build(read(args.scene))
    scene, seconds = bpy.context.scene, []
    scene.render.engine = "BLENDER_EEVEE"
    scene.eevee.taa_render_samples, scene.eevee.use_shadows = 1, True
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.render.resolution_percentage, scene.render.use_persistent_data = 100, True
    scene.render.image_settings.file_format, scene.render.image_settings.color_depth = "OPEN_EXR", "32"
    scene.view_settings.view_transform = "Raw"
    with tempfile.TemporaryDirectory() as folder:
        scene.render.filepath = os.path.join(folder, "out.exr")
        for _ in range(args.turns + 1):
            wall, cpu = time.perf_counter(), time.process_time()
            bpy.ops.render.render(write_still=True)
            seconds.append({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu})
        pixels = np.array(bpy.data.images.load(scene.render.filepath).pixels[:], np.float32)
    np.save(args.out, pixels.reshape(height, width, 4)[::-1, :, :3])
    print()  # Blender's own lines have no end
    print(json.dumps({"first": seconds[0], "frames": seconds[1:], "version": bpy.app.version_string}))


if __name__ == "__main__":
    main()
