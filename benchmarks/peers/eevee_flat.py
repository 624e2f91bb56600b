"""Draw a plain scene with Blender's EEVEE, in Blender's own Python; prints one JSON object of times.

    xvfb-run -a $MYRIAD_BPY_PYTHON benchmarks/peers/eevee_flat.py SCENE.npz OUT.npy [--size 640x360] [--turns 3]

One sample a frame, no shadows but with --shadows. The first frame compiles shaders and is given apart; the clock runs
over the render call with the scene kept on the card (persistent data), as in a viewport.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cycles_flat import build, tell, timed_render, written
from exchange import Plain, read


def run(make: Callable[[Plain], None], doc: str | None, *, shadows: bool = False) -> None:
    """Draw the scene of the command line some times as `make` builds it; with `shadows` they need no flag."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("scene")
    parser.add_argument("out")
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--shadows", action="store_true", default=shadows)
    args = parser.parse_args()
    width, height = (int(n) for n in args.size.split("x"))
    make(read(args.scene))
    scene = bpy.context.scene
    scene.render.engine = "BLENDER_EEVEE"
    scene.eevee.taa_render_samples, scene.eevee.use_shadows = 1, args.shadows
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.render.resolution_percentage, scene.render.use_persistent_data = 100, True
    scene.render.image_settings.file_format, scene.render.image_settings.color_depth = "OPEN_EXR", "32"
    scene.view_settings.view_transform = "Raw"
    with tempfile.TemporaryDirectory() as folder:
        scene.render.filepath = os.path.join(folder, "out.exr")
        seconds = [timed_render() for _ in range(args.turns + 1)]
        image = written(scene.render.filepath, width, height)
    np.save(args.out, image)
    tell(first=seconds[0], frames=seconds[1:], mean=float(image.mean()))


if __name__ == "__main__":
    run(build, __doc__)
