"""Whole pictures against Mitsuba, and the bench's scenes against their converged references.

Both renderers make a few independent pictures of each scene; Welch's t test compares the means of blocks of pixels and
the p values are Sidak corrected over blocks, channels and scenes (significance 1e-3 for the file, fixed seeds). A t
test of few means of heavy-tailed samples is conservative, so what it rejects is wrong. Mitsuba's microfacets have no
energy compensation, so ours is switched off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from studio.scene.entities import Camera
from studio.scene.flatten import flatten
from studio.scene.geometry import Image, Mesh, make_image
from studio.scene.lights import Light
from studio.scene.materials import Material, Texture
from tests.render.scenes import (
    Thing,
    aimed,
    ball,
    blocks,
    box,
    eye,
    film_of,
    flat_of,
    floor,
    lamp,
    matte,
    quad,
    repeats,
    scene_of,
    settings,
    smallest_p,
    thing,
)

SIZE = 32
RENDERS = 6


class Setup(NamedTuple):
    """A scene both renderers can make."""

    things: Sequence[Thing]
    lights: Sequence[Light] = ()
    camera: Camera | None = None
    images: Sequence[Image] = ()
    samples: int = 64
    depth: int = 6


METAL = {"base_metalness": 1.0, "base_color": (1.0, 1.0, 1.0)}
HIGH = eye((0.3, 1.6, 3.6), (0.0, 0.6, 0.0), fov_y=38)


def room() -> list[Thing]:
    """Five walls: white, and one red, one green."""
    white = matte(0.7)
    return [
        thing(quad((0, 0, 0), (1, 0, 0), (0, 0, -1)), white),
        thing(quad((0, 2, 0), (1, 0, 0), (0, 0, 1)), white),
        thing(quad((0, 1, -1), (1, 0, 0), (0, 1, 0)), white),
        thing(quad((-1, 1, 0), (0, 0, -1), (0, 1, 0)), matte(0.6, 0.05, 0.05)),
        thing(quad((1, 1, 0), (0, 0, 1), (0, 1, 0)), matte(0.1, 0.5, 0.1)),
    ]


LID = quad((0, 1.98, 0), (0.3, 0, 0), (0, 0, 0.3))  # faces down


def cornell() -> Setup:
    boxes = [
        thing(box((0.25, 0.25, 0.25)), matte(0.7), translation=(0.4, 0.25, 0.3), rotation=(0.0, 0.2, 0.0, 0.98)),
        thing(box((0.25, 0.6, 0.25)), matte(0.7), translation=(-0.35, 0.6, -0.2), rotation=(0.0, -0.15, 0.0, 0.9887)),
    ]
    return Setup([*room(), *boxes, thing(LID, lamp(10.0))], camera=eye((0, 1, 4.2), (0, 1, 0), fov_y=36))


def metals() -> Setup:
    balls = [
        thing(ball(0.35, smooth=True, centre=(x, 0.35, 0.0)), Material(specular_roughness=r, **METAL))
        for x, r in ((-0.8, 0.2), (0.0, 0.4), (0.8, 0.8))
    ]
    sheets = [
        thing(quad((0.5, 2.0, 1.0), (0.8, 0, 0), (0, 0.3, 0.8)), lamp(4.0)),
        thing(quad((-1.5, 1.5, 0.0), (0, 0.2, 0), (0, 0, 0.2)), lamp(30.0, color=(1.0, 0.5, 0.2))),
    ]
    return Setup([thing(floor(3.0), matte(0.4)), *balls, *sheets], camera=HIGH)


def glass(roughness: float) -> Setup:
    body = Material(transmission_weight=1.0, specular_roughness=roughness, specular_ior=1.5)
    things = [
        thing(floor(3.0), matte(0.5)),
        thing(ball(0.6, rings=24, segments=48, smooth=True, centre=(0, 0.7, 0)), body),
    ]
    panel = thing(quad((-1.0, 2.2, 0.8), (0.8, 0.3, 0), (0, -0.3, 0.8)), lamp(5.0))
    return Setup([*things, panel], camera=HIGH, samples=96, depth=8)


def sky() -> Image:
    """Smooth, brighter to one side and above, without a seam."""
    h, w = 128, 256
    theta = (np.arange(h) + 0.5) / h * np.pi
    phi = (np.arange(w) + 0.5) / w * 2 * np.pi
    base = 1.0 + 0.8 * np.cos(theta)[:, None] + 0.9 * np.sin(theta)[:, None] ** 2 * np.sin(phi + 0.7)
    spot = 6.0 * np.exp(-40.0 * (1.0 - np.sin(theta)[:, None] * np.cos(phi - 4.0)))
    return make_image(
        np.stack([base + spot, 0.8 * base + spot, base + 0.2 * spot], -1).astype(np.float32), colour_space="linear"
    )


def outdoors() -> Setup:
    image = sky()
    things = [
        thing(floor(2.0), matte(0.5)),
        thing(ball(0.5, smooth=True, centre=(-0.5, 0.5, 0)), Material(specular_roughness=0.35, **METAL)),
        thing(box((0.3, 0.5, 0.3), (0.6, 0.5, 0.0)), matte(0.7, 0.6, 0.3)),
    ]
    return Setup(things, [Light(light="dome", unit="nt", intensity=1.0, image=image.key)], HIGH, [image])


def lamps() -> Setup:
    """Every light that both know, at once, and a white dome."""
    lights = [
        Light(intensity=2.0, radius_m=0.0, translation=(1.2, 1.5, 0.5), color=(1.0, 0.4, 0.3)),
        Light(light="sphere", unit="nt", intensity=20.0, radius_m=0.15, translation=(-1.0, 1.0, 0.6)),
        Light(
            light="rectangle",
            unit="nt",
            intensity=4.0,
            width_m=0.9,
            height_m=0.4,
            **aimed((0.2, 1.9, -0.9), (0, 0.3, 0)),
        ),
        Light(light="disk", unit="nt", intensity=6.0, radius_m=0.25, **aimed((1.4, 1.0, -0.9), (0, 0.3, 0))),
        Light(
            light="distant",
            unit="lx",
            intensity=0.6,
            angle_deg=0.0,
            color=(0.3, 0.5, 1.0),
            **aimed((1, 3, 1), (0, 0, 0)),
        ),
        Light(light="dome", unit="nt", intensity=0.05),
    ]
    things = [
        thing(floor(3.0), matte(0.5)),
        thing(ball(0.4, smooth=True, centre=(0, 0.4, 0)), Material(specular_roughness=0.5, **METAL)),
        thing(box((0.2, 0.3, 0.2), (0.7, 0.3, 0.5)), matte(0.6)),
    ]
    return Setup(things, lights, HIGH)


def painted() -> Setup:
    rng = np.random.default_rng(4)
    image = make_image(rng.uniform(0.1, 0.9, (8, 8, 3)).astype(np.float32), colour_space="linear")
    texture = {"base_color": Texture(image=image.key, filter="nearest")}
    things = [
        thing(quad((0, 0, 0), (1.5, 0, 0), (0, 0, -1.5)), matte(1.0, textures=texture)),
        thing(quad((0, 1, -1), (1, 0, 0), (0, 1, 0)), matte(0.9, textures=texture)),
        thing(quad((-1.2, 1.5, 0.5), (0.3, 0, 0.3), (0, -0.3, 0.3)), lamp(12.0)),
    ]
    return Setup(things, (), HIGH, [image])


def instanced() -> Setup:
    """One mesh many times, turned, scaled unevenly and mirrored; half of them keep their own hierarchy."""
    rng = np.random.default_rng(6)
    shape = ball(0.3, rings=8, segments=12, smooth=True)
    things = [thing(floor(3.0), matte(0.5)), thing(LID, lamp(15.0))]
    for k in range(14):
        q = rng.normal(size=4)
        things.append(
            thing(
                shape, matte(*rng.uniform(0.1, 0.9, 3)), translation=tuple(rng.uniform((-1, 0.2, -1), (1, 1.2, 1))),
                rotation=tuple(q / np.linalg.norm(q)), visible_reflection=True,
                scale=tuple(rng.uniform(0.4, 1.2, 3) * (-1 if k % 3 == 0 else 1)),
            )
        )  # fmt: skip
    return Setup(things, camera=HIGH)


SETUPS: dict[str, Callable[[], Setup]] = {
    "cornell": cornell,
    "metals": metals,
    "rough glass": lambda: glass(0.45),
    "glass": lambda: glass(0.15),
    "environment": outdoors,
    "lamps": lamps,
    "textures": painted,
    "instances": instanced,
}


# --- the same scene in Mitsuba ---------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def mi() -> Any:
    module = pytest.importorskip("mitsuba", reason="mitsuba is not installed")
    module.set_variant("scalar_rgb")
    return module


def _rgb(value: Any) -> dict[str, Any]:
    return {"type": "rgb", "value": [float(v) for v in value]}


def _bsdf(mi: Any, m: Material, images: dict[str, Image]) -> dict[str, Any]:
    alpha = max(m.specular_roughness**2, 1e-3)
    if m.transmission_weight == 1.0:
        return {
            "type": "roughdielectric",
            "distribution": "ggx",
            "alpha": alpha,
            "int_ior": m.specular_ior,
            "ext_ior": 1.0,
        }
    if m.base_metalness == 1.0:
        return {"type": "roughconductor", "distribution": "ggx", "alpha": alpha, "material": "none"}
    color: Any = _rgb(np.asarray(m.base_color) * m.base_weight)
    if "base_color" in m.textures:
        pixels = images[m.textures["base_color"].image].pixels
        bitmap = mi.Bitmap(np.ascontiguousarray(pixels * np.float32(m.base_color)))
        color = {"type": "bitmap", "bitmap": bitmap, "filter_type": "nearest", "raw": True}
    return {"type": "diffuse", "reflectance": color}


def _shape(
    mi: Any, mesh: Mesh, matrix: Any, material: Material, images: dict[str, Image], folder: Path, name: str
) -> Any:
    m = np.asarray(matrix, np.float64)
    p = mesh.positions @ m[:, :3].T + m[:, 3]
    triangles = mesh.triangles.astype(np.uint32)
    if np.linalg.det(m[:, :3]) < 0:
        triangles = triangles[:, [0, 2, 1]]
    shape = mi.Mesh(
        name,
        len(p),
        len(triangles),
        has_vertex_normals=mesh.normals is not None,
        has_vertex_texcoords=mesh.uv0 is not None,
    )
    values = mi.traverse(shape)
    values["vertex_positions"] = np.ascontiguousarray(p, np.float32).reshape(-1)
    values["faces"] = triangles.reshape(-1)
    if mesh.normals is not None:
        n = mesh.normals @ np.linalg.inv(m[:, :3])
        n /= np.linalg.norm(n, axis=1, keepdims=True)
        values["vertex_normals"] = np.ascontiguousarray(n, np.float32).reshape(-1)
    if mesh.uv0 is not None:
        values["vertex_texcoords"] = np.ascontiguousarray(mesh.uv0, np.float32).reshape(-1)
    values.update()
    path = folder / f"{name}.ply"
    shape.write_ply(str(path))
    bsdf = _bsdf(mi, material, images)
    out = {"type": "ply", "filename": str(path), "face_normals": mesh.normals is None, "bsdf": bsdf}
    if bsdf["type"] == "diffuse" and material.emission_luminance == 0:
        out["bsdf"] = {"type": "twosided", "bsdf": bsdf}
    if material.emission_luminance > 0:
        out["emitter"] = {
            "type": "area",
            "radiance": _rgb(np.asarray(material.emission_color) * material.emission_luminance),
        }
    return out


def _emitter(mi: Any, row: Any, images: Sequence[Image]) -> Any:
    """A Mitsuba emitter or emitting shape of a packed light row."""
    from studio.scene.lights import KINDS

    kind = {code: name for name, code in KINDS.items()}[int(row["kind"])]
    m = np.eye(4)
    m[:3] = row["open"]
    emission = _rgb(row["emission"])
    if kind == "point":
        return {"type": "point", "position": m[:3, 3].tolist(), "intensity": emission}
    if kind == "distant":
        return {"type": "directional", "direction": (-m[:3, 2]).tolist(), "irradiance": emission}
    if kind == "dome":
        if row["image"] < 0:
            return {"type": "constant", "radiance": emission}
        # their u = 0 is our middle, and their rows reach from pole to pole: resample onto them
        pixels = np.roll(
            images[int(row["image"])].pixels.astype(np.float64), -images[int(row["image"])].pixels.shape[1] // 2, 1
        )
        h = len(pixels)
        y = np.clip(np.arange(h) * h / (h - 1) - 0.5, 0, h - 1)
        low = np.minimum(y.astype(int), h - 2)
        pixels = pixels[low] * (1 - (y - low))[:, None, None] + pixels[low + 1] * (y - low)[:, None, None]
        bitmap = mi.Bitmap(np.ascontiguousarray(pixels * row["emission"], np.float32))
        return {"type": "envmap", "bitmap": bitmap, "to_world": mi.ScalarTransform4f(m)}
    flip = np.diag([-1.0, 1.0, -1.0, 1.0])  # their front is +z
    a, b = (float(v) for v in row["size"])
    scale, name = {
        "rectangle": (np.diag([a / 2, b / 2, 1.0, 1.0]), "rectangle"),
        "disk": (np.diag([a, a, 1.0, 1.0]), "disk"),
        "sphere": (np.diag([a, a, a, 1.0]), "sphere"),
    }[kind]
    black = {"type": "diffuse", "reflectance": 0.0}
    return {
        "type": name, "to_world": mi.ScalarTransform4f(m @ flip @ scale), "bsdf": black,
        "emitter": {"type": "area", "radiance": emission},
    }  # fmt: skip


def theirs(mi: Any, setup: Setup, folder: Path) -> np.ndarray:
    """(RENDERS, SIZE, SIZE, 3) pictures by Mitsuba."""
    scene = scene_of(setup.things, setup.lights, camera=setup.camera, images=setup.images)
    flat = flatten(scene, 0.0)
    images = {i.key: i for i in setup.images}
    sensor_matrix = np.eye(4)
    sensor_matrix[:3] = flat.camera.open @ np.diag([-1.0, 1.0, -1.0, 1.0])
    d: dict[str, Any] = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": setup.depth, "rr_depth": 100},
        "sensor": {
            "type": "perspective", "fov_axis": "y", "fov": float(2 * np.degrees(np.arctan(flat.camera.half_width))),
            "to_world": mi.ScalarTransform4f(sensor_matrix), "near_clip": 1e-3,
            "film": {"type": "hdrfilm", "width": SIZE, "height": SIZE, "rfilter": {"type": "box"},
                     "pixel_format": "rgb", "component_format": "float32"},
            "sampler": {"type": "independent", "sample_count": setup.samples},
        },
    }  # fmt: skip
    for k, (t, row) in enumerate(zip(setup.things, flat.instances, strict=True)):
        d[f"thing{k}"] = _shape(mi, t.mesh, row["open"], t.material, images, folder, f"thing{k}")
    for k, row in enumerate(r for r in flat.lights if r["instance"] < 0):
        d[f"light{k}"] = _emitter(mi, row, setup.images)
    loaded = mi.load_dict(d)
    return np.stack([np.array(mi.render(loaded, spp=setup.samples, seed=k)) for k in range(RENDERS)]).astype(np.float64)


@pytest.mark.parametrize("name", list(SETUPS))
def test_pictures_are_those_of_mitsuba(tracer, mi, tmp_path, name):
    setup = SETUPS[name]()
    reference = theirs(mi, setup, tmp_path)
    tracer.compensate = 0.0
    flat = flat_of(setup.things, setup.lights, camera=setup.camera, images=setup.images)
    ours = repeats(tracer, flat, settings(SIZE, SIZE, setup.samples, depth=setup.depth), RENDERS)
    assert np.isfinite(ours).all() and ours.mean() > 0.01
    one, other = (x.mean((1, 2, 3)) for x in (ours, reference))
    noise = (one.var(ddof=1) / RENDERS + other.var(ddof=1) / RENDERS) ** 0.5
    assert abs(one.mean() - other.mean()) < max(0.003 * other.mean(), 4.0 * noise)
    assert smallest_p(blocks(ours, 4), blocks(reference, 4)) > 1e-3 / len(SETUPS)


# --- the bench -------------------------------------------------------------------------------------------------------
# name -> samples, rows of the picture whose blocks are compared
BENCH = {
    "cornell": (32, 180),
    "veach_mis": (32, 100),  # below, the reference's plates do not reflect with their undersides; ours do
    "hall300": (24, 180),
    "hall300p": (24, 180),
}


def noise_of(image: np.ndarray) -> np.ndarray:
    """Variance of the pixels of a rendered picture (h, w), told from differences of neighbours relative to it.

    The median ignores edges and rare bright pixels; 0.455 is the median of a chi-square of one degree.
    """
    across = np.diff(image, axis=1) ** 2 / np.maximum(image[:, 1:] ** 2 + image[:, :-1] ** 2, 1e-12)
    return np.asarray(np.median(across) / 0.455 * image**2)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(BENCH))
def test_the_scenes_of_the_bench_have_the_means_and_the_spread_of_their_references(tracer, shared, name):
    """Mean within 0.3 %, and z scores of blocks of 4 x 4 pixels, with the variance that our film tells, as they should.

    Half of all scores lie within 0.67 of zero if the variance is right; Owen scrambling makes pictures better than the
    film says, so fewer may. Fireflies of either picture give a few large scores: 2 % beyond four sigma are allowed.
    A skewed sample that lacks its rare bright values tells too small a variance as well, which draws scores below zero,
    and the undersides of veach_mis' plates brighten all of it a little: the mean score is within 0.3 of zero.
    """
    from studio.assets.load import load_scene

    samples, rows = BENCH[name]
    luminance = np.array((0.2126, 0.7152, 0.0722))
    reference = np.load(shared / "bench" / "references" / f"{name}.npz")["rgb"].astype(np.float64) @ luminance
    h, w = reference.shape
    flat = flatten(load_scene(shared / "bench" / f"{name}.glb")[0], 1.0)
    tracer.compensate = 0.0
    film = film_of(tracer, flat, settings(w, h, samples, depth=8))
    image = film.luminance()
    seen = reference < 0.5 * reference.max()  # lamps seen directly hang on the outlines of a few triangles
    noise = film.variance()[seen].sum() ** 0.5 / reference[seen].sum()
    assert abs(image[seen].mean() / reference[seen].mean() - 1.0) < max(0.003, 4.0 * noise)
    variance = film.variance().astype(np.float64) + noise_of(reference)
    sums = [blocks(x[None, :rows, :, None].astype(float), 4)[0] * 16 for x in (image - reference, variance, seen)]
    lit = (sums[2] == 16) & (sums[1] > 0)
    z = sums[0][lit] / np.sqrt(sums[1][lit])
    assert 0.3 < np.median(np.abs(z)) < 0.8
    assert (np.abs(z) > 4.0).mean() < 0.02
    assert abs(np.clip(z, -4.0, 4.0).mean()) < 0.3
