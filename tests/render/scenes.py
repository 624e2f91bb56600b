"""Small scenes made by code for the tests of the tracer, and the statistics with which pictures are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from studio.render.film import Film, plan_layout, scene_exponent
from studio.render.settings import RenderSettings
from studio.scene.animation import Curve
from studio.scene.entities import Camera, MeshObject
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.geometry import Image, Mesh, make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene
from studio.scene.transforms import decompose, look_at

if TYPE_CHECKING:
    from studio.render.tracer.tracer import Tracer

Array = NDArray[Any]
Vec = Sequence[float]

BLACK = Material(base_weight=0.0, specular_weight=0.0)


def matte(r: float, g: float | None = None, b: float | None = None, **more: Any) -> Material:
    """A Lambert surface."""
    return Material(base_color=(r, r if g is None else g, r if b is None else b), specular_weight=0.0, **more)


def lamp(nits: float, *, color: tuple[float, float, float] = (1.0, 1.0, 1.0), **more: Any) -> Material:
    """A black surface that emits."""
    return Material(base_weight=0.0, specular_weight=0.0, emission_luminance=nits, emission_color=color, **more)


# --- things and scenes -----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Thing:
    """A mesh, its material, and fields of its MeshObject."""

    mesh: Mesh
    material: Material
    fields: Mapping[str, Any] = field(default_factory=dict)


def thing(mesh: Mesh, material: Material, **fields: Any) -> Thing:
    return Thing(mesh, material, fields)


def aimed(position: Vec, target: Vec, up: Vec = (0.0, 1.0, 0.0)) -> dict[str, tuple[float, ...]]:
    """Translation and rotation of an entity at `position` that looks at `target` along its -z."""
    translation, rotation, _, _ = decompose(look_at(position, target, up))
    return {"translation": tuple(translation.tolist()), "rotation": tuple(rotation.tolist())}


def eye(position: Vec, target: Vec, *, fov_y: float = 40.0, **fields: Any) -> Camera:
    """A camera with the given vertical angle of view in degrees."""
    focal = 12.0 / np.tan(np.radians(fov_y) / 2)
    optics = {"fit": "vertical", "sensor_height_mm": 24.0, "focal_length_mm": float(focal)}
    return Camera(**{**optics, **aimed(position, target), **fields})


def scene_of(
    things: Sequence[Thing] = (),
    lights: Sequence[Light] = (),
    *,
    camera: Camera | None = None,
    images: Sequence[Image] = (),
    tracks: Mapping[str, Curve] | None = None,
) -> Scene:
    """A scene; its ids are "thing0", "light0", ... and "camera", for `tracks` to name."""
    materials: dict[int, Material] = {id(t.material): t.material for t in things}
    names = {key: f"material{i}" for i, key in enumerate(materials)}
    entities: dict[str, Any] = {"camera": _with(camera or eye((0, 0, 5), (0, 0, 0)), id="camera", name="camera")}
    for i, t in enumerate(things):
        fields = {"name": f"thing{i}", **t.fields}
        runs = (names[id(t.material)],) * (len(t.mesh.parts) - 1)
        entities[f"thing{i}"] = MeshObject(id=f"thing{i}", mesh=t.mesh.key, materials=runs, **fields)
    for i, light in enumerate(lights):
        entities[f"light{i}"] = _with(light, id=f"light{i}", name=light.name or f"light{i}")
    return Scene(
        entities=entities,
        materials={names[key]: _with(m, id=names[key], name=names[key]) for key, m in materials.items()},
        meshes={t.mesh.key: t.mesh for t in things},
        images={image.key: image for image in images},
        tracks=tracks or {},
        camera="camera",
    )


def flat_of(
    things: Sequence[Thing] = (), lights: Sequence[Light] = (), *, frame: float = 1.0, **more: Any
) -> FlatScene:
    """`scene_of`, flattened at a frame."""
    return flatten(scene_of(things, lights, **more), frame)


def _with(record: Any, **changes: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(record, **changes)


# --- meshes ----------------------------------------------------------------------------------------------------------
def quad(centre: Vec, u: Vec, v: Vec, *, uv: bool = True) -> Mesh:
    """A parallelogram with half sides u and v; its front is the side of u x v."""
    c, a, b = (np.asarray(x, float) for x in (centre, u, v))
    corners = [c - a - b, c + a - b, c + a + b, c - a + b]
    return make_mesh(corners, [(0, 1, 2), (0, 2, 3)], uv0=[(0, 1), (1, 1), (1, 0), (0, 0)] if uv else None)


def floor(half: float = 1.0, y: float = 0.0) -> Mesh:
    """A square in the plane of the given height, facing up."""
    return quad((0, y, 0), (half, 0, 0), (0, 0, -half))


def box(half: Vec = (0.5, 0.5, 0.5), centre: Vec = (0.0, 0.0, 0.0), *, inward: bool = False) -> Mesh:
    """A box of 12 triangles, facing out unless `inward`."""
    h, c = np.asarray(half, float), np.asarray(centre, float)
    p = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * h + c
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    triangles = [t for a, b, cc, d in quads for t in ((a, b, cc), (a, cc, d))]
    return make_mesh(p, [t[::-1] for t in triangles] if inward else triangles)


def ball(
    radius: float = 1.0, *, rings: int = 16, segments: int = 32, smooth: bool = False, centre: Vec = (0, 0, 0)
) -> Mesh:
    """A closed sphere whose neighbours share their vertices."""
    theta = np.pi * np.arange(1, rings) / rings
    phi = 2 * np.pi * np.arange(segments) / segments
    ring = np.stack(
        [
            np.sin(theta)[:, None] * np.cos(phi),
            np.cos(theta)[:, None] + 0 * phi,
            np.sin(theta)[:, None] * np.sin(phi),
        ],
        -1,
    )
    p = np.concatenate([[(0.0, 1.0, 0.0)], ring.reshape(-1, 3), [(0.0, -1.0, 0.0)]])
    last = len(p) - 1
    triangles = []
    for j in range(segments):
        k = (j + 1) % segments
        triangles += [(0, 1 + k, 1 + j), (last, last - segments + j, last - segments + k)]
        for i in range(rings - 2):
            a, b = 1 + i * segments + j, 1 + i * segments + k
            triangles += [(a, b, a + segments), (b, b + segments, a + segments)]
    return make_mesh(p * radius + np.asarray(centre, float), triangles, normals=p if smooth else None)


def soup(n: int, seed: int = 0, size: float = 0.1) -> Mesh:
    """n triangles of about `size`, strewn over the cube [-1, 1]^3."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-1, 1, (n, 1, 3)) + rng.normal(0, size, (n, 3, 3))
    return make_mesh(corners.reshape(-1, 3), np.arange(3 * n).reshape(n, 3))


# --- pictures --------------------------------------------------------------------------------------------------------
def settings(width: int, height: int, samples: int, **more: Any) -> RenderSettings:
    return RenderSettings(**{"width": width, "height": height, "samples": samples, "filter": "box", **more})


def picture(tracer: Tracer, flat: FlatScene, s: RenderSettings) -> NDArray[np.float32]:
    """Mean radiance (h, w, 3) of a scene."""
    tracer.load(flat)
    tracer.prepare(s)
    return tracer.mean_image(s)


def repeats(tracer: Tracer, flat: FlatScene, s: RenderSettings, n: int) -> Array:
    """Independent pictures (n, h, w, 3) of a scene: each with a seed of its own."""
    tracer.load(flat)
    tracer.prepare(s)
    return np.stack([tracer.mean_image(_with(s, seed=s.seed + 101 * k + 1)) for k in range(n)]).astype(np.float64)


def film_of(
    tracer: Tracer,
    flat: FlatScene,
    s: RenderSettings,
    *,
    parts: Sequence[tuple[ArrayLike, int, int]] | None = None,
    aovs: Sequence[str] = (),
    following: FlatScene | None = None,
) -> Film:
    """A film of a scene. `parts` are (pixels, first sample, count); by default everything at once."""
    layout = plan_layout(
        s.width,
        s.height,
        aovs=aovs,
        light_groups=flat.light_groups if "lights" in aovs else (),
        exponent=scene_exponent(flat.lights),
        crop=s.crop,
    )
    tracer.load(flat)
    tracer.prepare(s)
    tracer.begin(layout, s, following=following)
    for pixels, first, count in parts or [(pixels_of(s), s.first_sample, s.samples)]:
        tracer.render(np.asarray(pixels, np.int32), first, count)
    film = Film.of(layout)
    tracer.collect(film)
    return film


def pixels_of(s: RenderSettings) -> NDArray[np.int32]:
    """Indices y * width + x of the crop's pixels, row by row."""
    x0, y0, x1, y1 = s.crop or (0, 0, s.width, s.height)
    y, x = np.mgrid[y0:y1, x0:x1]
    return (y * s.width + x).astype(np.int32).ravel()


# --- statistics ------------------------------------------------------------------------------------------------------
def blocks(images: Array, size: int) -> Array:
    """Means over blocks of size x size pixels of images (n, h, w, 3), flattened to (n, values)."""
    n, h, w, c = images.shape
    h, w = h // size * size, w // size * size
    cut = images[:, :h, :w].reshape(n, h // size, size, w // size, size, c).mean((2, 4))
    return cut.reshape(n, -1)


def smallest_p(one: Array, other: Array | float) -> float:
    """The smallest p value over columns, Sidak corrected for their number.

    `one` (n, k) are independent estimates of k values; `other` (m, k) as well, and Welch's t test compares them, or
    `other` holds the k true values. A t test of a few means of heavy-tailed numbers is conservative.
    """
    truth = np.asarray(other, np.float64)
    if truth.ndim == 2:
        spread = one.var(0, ddof=1) / len(one) + truth.var(0, ddof=1) / len(truth)
        seen = spread > 1e-12 * (one.mean(0) ** 2 + truth.mean(0) ** 2)
        p = stats.ttest_ind(one[:, seen], truth[:, seen], equal_var=False).pvalue
        off = np.abs(one.mean(0) - truth.mean(0))[~seen]
    else:
        truth = np.broadcast_to(truth, one.shape[1:])
        seen = one.var(0, ddof=1) / len(one) > 1e-12 * one.mean(0) ** 2
        p = stats.ttest_1samp(one[:, seen], truth[seen]).pvalue
        off = np.abs(one.mean(0) - truth)[~seen]
    scale = np.abs(one.mean(0)).max() + 1e-30
    if (off > 2e-5 * scale).any():  # no noise and not equal
        return 0.0
    if not len(p):
        return 1.0
    return float(1.0 - (1.0 - np.clip(p.min(), 0.0, 1.0)) ** len(p))
