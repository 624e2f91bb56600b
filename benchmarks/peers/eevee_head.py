"""Draw a head with skin in Blender's EEVEE, in Blender's own Python; prints one JSON object of times.

    xvfb-run -a $MYRIAD_BPY_PYTHON benchmarks/peers/eevee_head.py HEAD.npz OUT.npy [--size 640x360] [--turns 2]

`benchmarks/head_view.py` writes the file: the head of `cycles_head` under points. One sample a frame, with shadows and
subsurface. The first frame compiles shaders and is given apart, as in `eevee_flat`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cycles_flat import add_light, turned_camera
from cycles_head import add_head
from eevee_flat import run
from exchange import Plain


def build(scene: Plain) -> None:
    """The scene in Blender."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    world = bpy.context.scene.world = bpy.data.worlds.new("world")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[1].default_value = 0.0
    add_head(scene)
    for i, light in enumerate(scene["lights"]):
        add_light(i, light, world)
    turned_camera(scene["camera"])


if __name__ == "__main__":
    run(build, __doc__, shadows=True)
