"""Render a plain scene with Blender's Cycles, in Blender's own Python; prints one JSON object of times.

    $MYRIAD_BPY_PYTHON benchmarks/peers/cycles_flat.py SCENE.npz OUT.npy [--samples 64] [--size 320x180] [--no-tree]

The clock runs over the render call: Cycles' synchronisation, its BVH and light tree, and the samples. Its kernels come
compiled. No clamping, no adaptive sampling, no denoising: what is measured is the estimator.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

sys.path.insert(0, str(Path(__file__).resolve().parent))

from exchange import Plain, read

UP = np.array([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], np.float64)  # y up to z up


def _surface(nodes: Any, kind: str, colour: Any) -> Any:
    node = nodes.new(kind)
    node.inputs["Color"].default_value = [*colour, 1.0]
    return node


def material_of(plain: Plain) -> Any:
    """A material; one that emits shines from its front alone."""
    material = bpy.data.materials.new(plain["name"])
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    out = nodes.new("ShaderNodeOutputMaterial")
    if plain["metal"]:
        body = _surface(nodes, "ShaderNodeBsdfAnisotropic", plain["base"])
        body.distribution = "GGX"
        body.inputs["Roughness"].default_value = plain["rough"]
    else:
        body = _surface(nodes, "ShaderNodeBsdfDiffuse", plain["base"])
    result = body.outputs[0]
    strength = max(plain["emit"])
    if strength > 0:
        emission = _surface(nodes, "ShaderNodeEmission", [c / strength for c in plain["emit"]])
        emission.inputs["Strength"].default_value = strength
        geometry, mix = nodes.new("ShaderNodeNewGeometry"), nodes.new("ShaderNodeMixShader")
        front = emission.outputs[0]
        if max(plain["base"]) > 0:
            both = nodes.new("ShaderNodeAddShader")
            links.new(emission.outputs[0], both.inputs[0])
            links.new(result, both.inputs[1])
            front = both.outputs[0]
        links.new(geometry.outputs["Backfacing"], mix.inputs[0])
        links.new(front, mix.inputs[1])
        links.new(result, mix.inputs[2])
        result = mix.outputs[0]
        material.cycles.emission_sampling = "FRONT"
    links.new(result, out.inputs[0])
    return material


def add(name: str, data: Any, matrix: np.ndarray | None = None) -> Any:
    """An object of the scene, its matrix given y up."""
    item = bpy.data.objects.new(name, data)
    if matrix is not None:
        item.matrix_world = Matrix((UP @ matrix).tolist())
    bpy.context.scene.collection.objects.link(item)
    return item


def add_mesh(i: int, plain: Plain, materials: list[Any]) -> Any:
    """A mesh object with its normals; returns the mesh."""
    mesh = bpy.data.meshes.new(f"m{i}")
    turn = UP[:3, :3].T
    mesh.from_pydata((plain["v"] @ turn).tolist(), [], plain["f"].tolist())
    mesh.materials.append(materials[plain["material"]])
    mesh.polygons.foreach_set("use_smooth", [plain["n"] is not None] * len(mesh.polygons))
    if plain["n"] is not None:
        mesh.normals_split_custom_set_from_vertices((plain["n"] @ turn).tolist())
    add(f"m{i}", mesh)
    return mesh


def add_light(i: int, plain: Plain, world: Any) -> None:
    """A lamp or the world. Blender's watts are 4 pi times the intensity of points and spots."""
    emission = np.array(plain["emission"])
    strength = float(emission.max())
    matrix = np.vstack([plain["matrix"], [0, 0, 0, 1]])
    if plain["kind"] == "dome":
        _sky(plain, world, emission)
        return
    data = bpy.data.lights.new(f"l{i}", {"point": "POINT", "spot": "SPOT", "distant": "SUN"}[plain["kind"]])
    data.color = (emission / strength).tolist()
    if plain["kind"] == "distant":
        data.energy, data.angle = strength, 0.0
    else:
        data.energy, data.shadow_soft_size = 4 * np.pi * strength, 0.0
    if plain["kind"] == "spot":
        data.spot_size, data.spot_blend = 2 * float(np.arccos(plain["cos_outer"])), 0.0
    add(f"l{i}", data, matrix)


def _sky(plain: Plain, world: Any, emission: np.ndarray) -> None:
    """Blender's skies look along +y a quarter from their left edge, where ours have their middle."""
    background = world.node_tree.nodes["Background"]
    background.inputs[1].default_value = 1.0
    if plain["image"] is None:
        background.inputs[0].default_value = [*emission.tolist(), 1.0]
        return
    if not np.allclose(np.array(plain["matrix"])[:, :3], np.eye(3)):
        raise SystemExit("a dome that is turned is not translated")
    sky = np.roll(plain["image"] * emission.astype(np.float32), -plain["image"].shape[1] // 4, axis=1)
    height, width = sky.shape[:2]
    image = bpy.data.images.new("sky", width, height, float_buffer=True)
    image.colorspace_settings.name = "Non-Color"
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = sky[::-1]
    image.pixels.foreach_set(rgba.reshape(-1))
    image.update()
    node = world.node_tree.nodes.new("ShaderNodeTexEnvironment")
    node.image = image
    world.node_tree.links.new(node.outputs[0], background.inputs[0])


def build(scene: Plain) -> None:
    """The scene in Blender."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    world = bpy.context.scene.world = bpy.data.worlds.new("world")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[1].default_value = 0.0
    materials = [material_of(m) for m in scene["materials"]]
    for i, mesh in enumerate(scene["meshes"]):
        add_mesh(i, mesh, materials)
    for i, light in enumerate(scene["lights"]):
        add_light(i, light, world)
    turned_camera(scene["camera"])


def turned_camera(plain: Plain) -> None:
    """The camera of the scene."""
    camera = bpy.data.cameras.new("camera")
    camera.sensor_fit = "VERTICAL" if plain["fit"] == "vertical" else "HORIZONTAL"
    camera.angle = 2 * float(np.arctan(plain["half_width"]))
    camera.clip_end = 1e5
    matrix = np.vstack([plain["matrix"], [0, 0, 0, 1]])
    bpy.context.scene.camera = add("camera", camera, matrix)


def settings(args: argparse.Namespace, width: int, height: int, out: str) -> None:
    """Cycles as an estimator of the same integral with a box filter."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    cycles.device, cycles.samples, cycles.seed = "CPU", args.samples, args.seed
    cycles.use_adaptive_sampling = cycles.use_denoising = False
    cycles.max_bounces = cycles.diffuse_bounces = cycles.glossy_bounces = args.depth - 2
    cycles.sample_clamp_direct = cycles.sample_clamp_indirect = 0.0
    cycles.use_light_tree = not args.no_tree
    cycles.pixel_filter_type, cycles.filter_width = "BOX", 1.0
    cycles.blur_glossy, cycles.light_sampling_threshold, cycles.caustics_reflective = 0.0, 0.0, True
    cycles.min_light_bounces = cycles.min_transparent_bounces = 0
    render = scene.render
    render.threads_mode, render.threads = "FIXED", args.threads
    render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    render.image_settings.file_format, render.image_settings.color_depth = "OPEN_EXR", "32"
    render.filepath = out
    scene.view_settings.view_transform = "Raw"


def arguments(doc: str | None) -> argparse.Namespace:
    """The command line of a script that renders one scene."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("scene")
    parser.add_argument("out")
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-tree", action="store_true")
    return parser.parse_args()


def run(make: Callable[[Plain], None], doc: str | None) -> None:
    """Render the scene of the command line as `make` builds it: the picture to its file, the times to the console."""
    args = arguments(doc)
    width, height = (int(n) for n in args.size.split("x"))
    make(read(args.scene))
    with tempfile.TemporaryDirectory() as folder:
        exr = os.path.join(folder, "out.exr")
        settings(args, width, height, exr)
        seconds = timed_render()
        image = written(exr, width, height)
    np.save(args.out, image)
    tell(seconds=seconds, mean=float(image.mean()))


def timed_render() -> dict[str, float]:
    """Seconds of Blender's render call."""
    wall, cpu = time.perf_counter(), time.process_time()
    bpy.ops.render.render(write_still=True)
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def written(exr: str, width: int, height: int) -> np.ndarray:
    """The picture (h, w, 3) that Blender wrote."""
    pixels = np.array(bpy.data.images.load(exr).pixels[:], np.float32)
    return pixels.reshape(height, width, 4)[::-1, :, :3]


def tell(**facts: Any) -> None:
    """One line of JSON, after Blender's own, which have no end."""
    print()
    print(json.dumps({**facts, "version": bpy.app.version_string}))


if __name__ == "__main__":
    run(build, __doc__)
