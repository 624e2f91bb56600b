"""The viewport against the tracer: a chart of 24 materials on balls under a sky and a key light.

    python benchmarks/materials.py [--balls "clay,gold"] [--size 96] [--samples 256] [--depth 8] [--picture FILE.png]
                                   [--json | --markdown]

Every ball stands alone, so the shadows that the viewport does not have would fall on nothing. The tracer renders whole
paths (`--depth 2` leaves light that comes by way of the ball itself, and all of what glass lets through); the viewport
draws the view as it is at rest, by STILL_SAMPLES jittered pictures. All balls are exposed alike, so that the grey one
is a middle grey, and shown in sRGB. For each ball and for the chart as a whole: the ball's mean luminance in the
viewport over that in the tracer, and the mean of the FLIP error map (Andersson et al. 2020) over the ball; what stands
behind it is in both pictures but not in the mean. Target: a mean FLIP of at most 0.06 for the chart and for each ball.
Of balls in APPROXIMATED the viewport shows less than there is, as docs/viewport-lighting.md says; they are counted too.

`--picture` keeps the chart: tracer, viewport, and four times their difference below each other for every row of balls.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.parity import displayed
from benchmarks.stand.measure import Row, machine, options, say, tell
from studio.render.session import RenderSession
from studio.render.settings import RenderSettings
from studio.scene.entities import Camera, MeshObject
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.geometry import Image, Mesh, make_image, make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material, Texture
from studio.scene.photometry import LUMINANCE
from studio.scene.scene import Scene
from studio.viewport.camera import ViewCamera
from studio.viewport.device import Device
from studio.viewport.renderer import STILL_SAMPLES, Renderer
from studio.viewport.targets import Target
from studio.viewport.view import Look, Quality

F32 = NDArray[np.float32]

FLIP = 0.06
COLUMNS_OF_CHART = 6
GREY = 0.18  # what the grey ball's mean luminance is shown as
APPROXIMATED = ("glass", "tinted glass", "frosted glass", "perforated")
COLUMNS = {"ball": "ball", "ratio": "viewport / tracer", "flip": "FLIP", "met": "met"}
_EYE = 6.0


# --- the balls -------------------------------------------------------------------------------------------------------
def _dielectric(colour: tuple[float, float, float], roughness: float, **more: Any) -> Material:
    return Material(id="ball", base_color=colour, specular_roughness=roughness, **more)


def _metal(colour: tuple[float, float, float], roughness: float, **more: Any) -> Material:
    return Material(id="ball", base_color=colour, base_metalness=1.0, specular_roughness=roughness, **more)


def _grid(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    line = (np.arange(size) + 0.5) / size
    x, y = np.meshgrid(line, line)
    return x, y


def _tiles(size: int = 64) -> Image:
    """Four by four tiles of two colours with grey joints."""
    x, y = _grid(size)
    odd = ((np.floor(4 * x) + np.floor(4 * y)) % 2 > 0.5)[..., None]
    joint = (np.minimum(4 * x % 1.0, 4 * y % 1.0) < 0.12)[..., None]
    pixels = np.where(joint, (150, 145, 135), np.where(odd, (40, 90, 120), (200, 170, 110)))
    return make_image(pixels.astype(np.uint8), colour_space="srgb", name="tiles")


def _wear(size: int = 64) -> Image:
    """Soft blotches between 0.2 and 1, as data."""
    x, y = (2.0 * np.pi * v for v in _grid(size))
    waves = np.sin(2 * x + np.sin(3 * y)) * np.cos(3 * y + np.sin(2 * x))
    return make_image(np.rint(255 * (0.6 + 0.4 * waves)).astype(np.uint8), colour_space="data", name="wear")


def _dents(size: int = 128, *, steep: float = 0.5) -> Image:
    """The normals of hammered metal, round dents in rows."""
    x, y = (2.0 * np.pi * 4 * v for v in _grid(size))
    slope = np.stack([steep * np.cos(x) * np.sin(y), -steep * np.sin(x) * np.cos(y), np.ones_like(x)], axis=-1)
    normal = slope / np.linalg.norm(slope, axis=-1, keepdims=True)
    return make_image(np.rint(255 * (0.5 + 0.5 * normal)).astype(np.uint8), colour_space="data", name="dents")


def _holes(size: int = 64) -> Image:
    """Round holes, four by four, in the alpha of a coloured sheet."""
    x, y = (4 * v % 1.0 - 0.5 for v in _grid(size))
    alpha = np.where(np.hypot(x, y) < 0.3, 0, 255)
    pixels = np.stack([np.full_like(alpha, v) for v in (180, 110, 60)] + [alpha], axis=-1)
    return make_image(pixels.astype(np.uint8), colour_space="srgb", name="holes")


IMAGES = {image.name: image for image in (_tiles(), _wear(), _dents(), _holes())}
_ROUND = (2.0, 1.0)  # twice as often around a ball as from pole to pole


def _picture(name: str, channel: str = "rgb", **more: Any) -> Texture:
    return Texture(image=IMAGES[name].key, channel=channel, scale=_ROUND, **more)


BALLS: dict[str, Material] = {
    "grey": _dielectric((0.5, 0.5, 0.5), 0.5, specular_weight=0.0),
    "clay": _dielectric((0.7, 0.45, 0.35), 0.5, specular_weight=0.0, base_diffuse_roughness=1.0),
    "polished plastic": _dielectric((0.1, 0.25, 0.6), 0.05),
    "plastic": _dielectric((0.6, 0.08, 0.06), 0.25),
    "rubber": _dielectric((0.04, 0.04, 0.045), 0.65),
    "glazed": _dielectric((0.55, 0.6, 0.5), 0.6, coat_weight=1.0, coat_roughness=0.02),
    "amber varnish": _dielectric(
        (0.6, 0.45, 0.3), 0.5, coat_weight=1.0, coat_roughness=0.15, coat_color=(0.9, 0.6, 0.2)
    ),
    "gold": _metal((1.0, 0.77, 0.34), 0.1),
    "copper": _metal((0.93, 0.62, 0.52), 0.35),
    "cast iron": _metal((0.55, 0.55, 0.57), 0.7, specular_color=(0.7, 0.75, 0.8)),
    "brushed steel": _metal((0.7, 0.69, 0.67), 0.4, specular_roughness_anisotropy=0.7),
    "spun brass": _metal(
        (0.9, 0.7, 0.4), 0.3, specular_roughness_anisotropy=0.9, specular_rotation_deg=90.0
    ),
    "car paint": _dielectric(
        (0.45, 0.02, 0.05), 0.45, base_metalness=0.6, coat_weight=1.0, coat_roughness=0.03, coat_ior=1.5
    ),
    "velvet": _dielectric(
        (0.12, 0.01, 0.06), 0.6, specular_weight=0.0, fuzz_weight=1.0, fuzz_color=(0.8, 0.25, 0.5), fuzz_roughness=0.3
    ),
    "wool": _dielectric(
        (0.35, 0.4, 0.3), 0.8, base_diffuse_roughness=0.8, fuzz_weight=0.6, fuzz_color=(0.9, 0.9, 0.8),
        fuzz_roughness=0.7,
    ),
    "glass": _dielectric((1.0, 1.0, 1.0), 0.0, transmission_weight=1.0),
    "tinted glass": _dielectric((1.0, 1.0, 1.0), 0.1, transmission_weight=1.0, transmission_color=(0.4, 0.75, 0.6)),
    "frosted glass": _dielectric((1.0, 1.0, 1.0), 0.4, transmission_weight=1.0),
    "oil film": _dielectric(
        (0.02, 0.02, 0.02), 0.15, specular_ior=1.8, thin_film_weight=1.0, thin_film_thickness=0.45, thin_film_ior=1.4
    ),
    "heated titanium": _metal(
        (0.6, 0.57, 0.54), 0.25, thin_film_weight=1.0, thin_film_thickness=0.3, thin_film_ior=2.2
    ),
    "glowing": _dielectric((0.3, 0.3, 0.3), 0.4, emission_luminance=0.6, emission_color=(1.0, 0.5, 0.15)),
    "worn tiles": _dielectric(
        (1.0, 1.0, 1.0), 0.9, textures={"base_color": _picture("tiles"), "specular_roughness": _picture("wear", "r")}
    ),
    "hammered": _metal((0.8, 0.78, 0.75), 0.3, textures={"geometry_normal": _picture("dents")}),
    "perforated": _dielectric(
        (1.0, 1.0, 1.0), 0.4, alpha_mode="mask",
        textures={"base_color": _picture("holes"), "geometry_opacity": _picture("holes", "a")},
    ),
}  # fmt: skip


# --- the stage -------------------------------------------------------------------------------------------------------
@functools.cache
def ball_mesh(rings: int = 96, segments: int = 192) -> Mesh:
    """A ball of radius 1 with texture coordinates: u once around, v from pole to pole."""
    theta = np.pi * np.arange(rings + 1)[:, None] / rings
    phi = 2.0 * np.pi * np.arange(segments + 1)[None, :] / segments
    normals = np.stack(
        np.broadcast_arrays(np.sin(theta) * np.cos(phi), np.cos(theta), -np.sin(theta) * np.sin(phi)), axis=-1
    ).reshape(-1, 3)
    uv = np.stack(np.broadcast_arrays(phi / (2.0 * np.pi), theta / np.pi), axis=-1).reshape(-1, 2)
    first = (np.arange(rings)[:, None] * (segments + 1) + np.arange(segments)).reshape(-1)
    upper = np.stack([first, first + segments + 1, first + 1], axis=1)[segments:]
    lower = np.stack([first + 1, first + segments + 1, first + segments + 2], axis=1)[:-segments]
    return make_mesh(
        normals.astype(np.float32), np.concatenate([upper, lower]).astype(np.uint32),
        normals=normals.astype(np.float32), uv0=uv.astype(np.float32),
    )  # fmt: skip


@functools.cache
def sky() -> Image:
    """An overcast sky in nits: brighter above, a warm horizon, dark ground, and where the sun is a soft glow."""
    h, w = 256, 512
    theta, phi = np.pi * (np.arange(h) + 0.5)[:, None] / h, 2.0 * np.pi * ((np.arange(w) + 0.5)[None, :] / w - 0.5)
    d = np.stack(np.broadcast_arrays(np.sin(theta) * np.sin(phi), np.cos(theta), -np.sin(theta) * np.cos(phi)), axis=-1)
    up = d[..., 1:2]
    above = np.array([0.35, 0.5, 0.8]) + np.array([0.45, 0.3, 0.05]) * np.exp(-6.0 * np.maximum(up, 0.0))
    below = np.array([0.16, 0.13, 0.1]) * (1.0 + 0.5 * up)
    blend = 0.5 + 0.5 * np.tanh(40.0 * up)
    sun = np.array([-0.6, 0.55, 0.58])
    glow = 25.0 * np.exp((d @ (sun / np.linalg.norm(sun)) - 1.0) / 0.006)[..., None] * np.array([1.0, 0.9, 0.7])
    pixels = below + (above - below) * blend + glow
    return make_image(pixels.astype(np.float32), colour_space="linear", name="sky")


def scene_of(ball: str) -> Scene:
    """One of BALLS on the stage: a sky all around, and a round key at the upper right."""
    mesh = ball_mesh()
    dome = Light(id="sky", light="dome", unit="nt", intensity=1.0, image=sky().key)
    key = Light(
        id="key", light="distant", unit="lx", intensity=1.6, color=(1.0, 0.95, 0.88), angle_deg=14.0,
        rotation=(-0.26163, 0.34612, 0.10115, 0.89528), seen_by_camera=False,
    )  # fmt: skip
    return Scene(camera="camera").add(
        mesh,
        sky(),
        *IMAGES.values(),
        BALLS[ball],
        MeshObject(id="ball_object", mesh=mesh.key, materials=("ball",)),
        Camera(id="camera", translation=(0.0, 0.0, _EYE), focal_length_mm=90.0, sensor_width_mm=36.0),
        dome,
        key,
    )


def covered(size: int) -> NDArray[np.bool_]:
    """(size, size) the pixels that the ball covers whole."""
    half = 18.0 / 90.0
    line = (np.arange(size + 1) / size * 2.0 - 1.0) * half
    x, y = np.meshgrid(line, line)
    away2 = (x * x + y * y) * _EYE**2 / (1.0 + x * x + y * y)  # of the ray from the ball's middle
    inside = away2 < 1.0
    return np.asarray(inside[1:, 1:] & inside[:-1, 1:] & inside[1:, :-1] & inside[:-1, :-1])


# --- pictures --------------------------------------------------------------------------------------------------------
def viewport_picture(renderer: Renderer, flat: FlatScene, size: int, *, samples: int = STILL_SAMPLES) -> F32:
    """(size, size, 3) nits, as a viewport at rest shows the scene's camera."""
    renderer.sync(flat)
    target = Target(renderer.device, size, size)
    try:
        view, look = ViewCamera.of(flat.camera), Look(background=None)
        for _ in range(samples):
            renderer.draw(target, view, look, quality=Quality.STILL, samples=samples)
        return target.read_linear()
    finally:
        target.release()


def tracer_picture(session: RenderSession, flat: FlatScene, size: int, samples: int, depth: int) -> F32:
    """(size, size, 3) nits."""
    settings = RenderSettings(width=size, height=size, samples=samples, depth=depth, filter="box")
    return np.asarray(session.render_frame(flat, settings).film.beauty()[..., :3])


def flip_map(viewport: F32, tracer: F32) -> F32:
    """(h, w) FLIP of two pictures as they are shown."""
    import flip_evaluator

    error, _, _ = flip_evaluator.evaluate(tracer, viewport, "LDR", applyMagma=False)
    return np.asarray(error, np.float32)[..., 0]


def measure(names: Sequence[str], *, size: int, samples: int, depth: int, picture: Path | None) -> Iterator[Row]:
    """A row for every ball, and one for all of them."""
    mask = covered(size)
    scale, flips, ratios, cells = 0.0, [], [], []
    with Device.offscreen() as device, RenderSession(device="cpu") as session:
        renderer = Renderer(device)
        state = machine() | {"renderer": device.info.renderer}
        for name in dict.fromkeys(("grey", *names)):
            flat = flatten(scene_of(name), 1.0)
            pair = [tracer_picture(session, flat, size, samples, depth), viewport_picture(renderer, flat, size)]
            means = [float((p @ LUMINANCE)[mask].mean()) for p in pair]
            scale = scale or GREY / means[0]
            if name not in names:
                continue
            shown = [displayed(p * scale) for p in pair]
            flips.append(float(flip_map(shown[1], shown[0])[mask].mean()))
            ratios.append(means[1] / means[0])
            cells.append(np.concatenate([*shown, np.clip(4.0 * np.abs(shown[0] - shown[1]), 0.0, 1.0)]))
            yield {"ball": name, "ratio": ratios[-1], "flip": flips[-1], "met": flips[-1] <= FLIP} | state
        renderer.release()
    mean = float(np.mean(flips))
    yield {"ball": "the chart", "ratio": float(np.mean(ratios)), "flip": mean, "met": mean <= FLIP} | state
    if picture is not None:
        _keep(picture, cells)


def _keep(path: Path, cells: Sequence[F32]) -> None:
    from PIL import Image as Picture

    wide = COLUMNS_OF_CHART
    blank = [np.zeros_like(cells[0])] * (-len(cells) % wide)
    lines = [[*cells, *blank][k : k + wide] for k in range(0, len(cells), wide)]
    whole = np.concatenate([np.concatenate(line, axis=1) for line in lines])
    path.parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(np.rint(whole * 255.0).astype(np.uint8)).save(path)
    say(f"Written to {path}")


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--balls", default=",".join(BALLS))
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    names = args.balls.split(",")
    if unknown := sorted(set(names) - set(BALLS)):
        parser.error(f"no ball is called {', '.join(unknown)}; choose from {', '.join(BALLS)}")
    rows = measure(names, size=args.size, samples=args.samples, depth=args.depth, picture=args.picture)
    tell(rows, COLUMNS, args)


if __name__ == "__main__":
    main()
