"""Small scenes and views that the tests of the viewport share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from studio.scene.entities import Camera, Entity, MeshObject
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.geometry import Image, Mesh, make_image, make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene
from studio.scene.transforms import look_at
from studio.viewport.camera import ViewCamera
from studio.viewport.device import Device
from studio.viewport.renderer import Renderer
from studio.viewport.targets import Target
from studio.viewport.view import Look, Quality

RAW = Look(view="Un-tone-mapped", background=(0.0, 0.0, 0.0))


def sheet(width: float = 2.0, height: float = 2.0, *, parts: int = 1, faceted: bool = False) -> Mesh:
    """A rectangle in the xy plane that faces +z, its texture upright; two parts are its two triangles."""
    x, y = width / 2, height / 2
    return make_mesh(
        np.array([[-x, -y, 0], [x, -y, 0], [x, y, 0], [-x, y, 0]], np.float32),
        np.array([[0, 1, 2], [0, 2, 3]], np.uint32),
        normals=None if faceted else np.array([[0, 0, 1]] * 4, np.float32),
        uv0=np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32),
        parts=(0, 2) if parts == 1 else (0, 1, 2),
    )


def ball(radius: float = 1.0, rows: int = 24, columns: int = 48) -> Mesh:
    """A smooth ball."""
    v, u = np.meshgrid(np.linspace(0, 1, rows + 1), np.linspace(0, 1, columns + 1), indexing="ij")
    theta, phi = v * np.pi, u * 2 * np.pi
    n = np.stack([np.sin(theta) * np.sin(phi), np.cos(theta), np.sin(theta) * np.cos(phi)], -1).reshape(-1, 3)
    k = np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)
    faces = np.stack([k, k + columns + 1, k + 1, k + 1, k + columns + 1, k + columns + 2], -1).reshape(-1, 3)
    uv = np.stack([u, v], -1).reshape(-1, 2)
    return make_mesh(n * radius, faces.astype(np.uint32), normals=n, uv0=uv)


def matte(key: str = "grey", colour: tuple[float, float, float] = (0.5, 0.5, 0.5), **more: object) -> Material:
    """A Lambert surface."""
    return Material(id=key, name=key, base_color=colour, specular_weight=0.0, **more)  # type: ignore[arg-type]


def checker() -> Image:
    """Four plain colours: red and green above, blue and white below, as linear data."""
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0, 0, 0] = pixels[0, 1, 1] = pixels[1, 0, 2] = 255
    pixels[1, 1] = 255
    return make_image(pixels, colour_space="linear", name="checker")


def scene_of(*records: Entity | Material | Mesh | Image, eye: tuple[float, float, float] = (0.0, 0.0, 5.0)) -> Scene:
    """A scene with a camera that looks along -z at a field of 2 metres height in 5 metres distance."""
    camera = Camera(
        id="camera", name="camera", translation=eye, fit="vertical", sensor_height_mm=20.0, focal_length_mm=50.0
    )
    return Scene(camera="camera").add(camera, *records)  # type: ignore[arg-type]


def thing(key: str, mesh: Mesh, material: str = "grey", **more: object) -> MeshObject:
    """A mesh object whose name is its id."""
    return MeshObject(id=key, name=key, mesh=mesh.key, materials=(material,), **more)  # type: ignore[arg-type]


def lamp(key: str, at: tuple[float, float, float], candela: float = 10.0, **more: object) -> Light:
    """A point light without a size."""
    return Light(id=key, name=key, translation=at, intensity=candela, **{"radius_m": 0.0, **more})  # type: ignore[arg-type]


def room(lamps: int, seed: int = 3) -> Scene:
    """Balls on a floor between many point lights."""
    rng = np.random.default_rng(seed)
    floor, round_ = sheet(8.0, 8.0), ball(0.6)
    records: list[Entity | Material | Mesh] = [
        floor,
        round_,
        matte(),
        Material(id="gold", name="gold", base_color=(0.9, 0.6, 0.2), base_metalness=1.0, specular_roughness=0.4),
        thing("floor", floor, rotation=(-0.70710678, 0.0, 0.0, 0.70710678), translation=(0.0, -1.0, 0.0)),
        thing("matte ball", round_, translation=(-0.8, -0.4, 0.0)),
        thing("gold ball", round_, "gold", translation=(0.8, -0.4, 0.0)),
    ]
    for i in range(lamps):
        x, y, z = rng.uniform((-3, -0.5, -3), (3, 2, 3)).tolist()
        records.append(
            lamp(f"lamp {i}", (x, y, z), float(rng.lognormal(-1.0, 1.0)), color=tuple(rng.uniform(0.3, 1, 3).tolist()))
        )
    return scene_of(*records, eye=(0.0, 0.4, 6.0))


def drawn(
    device: Device,
    scene: Scene | FlatScene,
    look: Look = RAW,
    *,
    size: tuple[int, int] = (64, 64),
    samples: int = 0,
    camera: ViewCamera | None = None,
    **more: object,
) -> tuple[np.ndarray, np.ndarray]:
    """The shown picture (h, w, 3) as uint8 and the linear one in nits; `samples` of a view at rest if above 0."""
    flat = scene if isinstance(scene, FlatScene) else flatten(scene, 1.0)
    renderer, target = Renderer(device), Target(device, *size)
    more.setdefault("shadow_seconds", 60.0)
    try:
        renderer.sync(flat)
        view = camera or ViewCamera.of(flat.camera)
        if not samples:
            renderer.draw(target, view, look, **more)  # type: ignore[arg-type]
        for _ in range(samples):
            renderer.draw(target, view, look, quality=Quality.STILL, samples=samples, **more)  # type: ignore[arg-type]
        return target.read()[..., :3], target.read_linear()
    finally:
        target.release()
        renderer.release()


def looking(eye: tuple[float, float, float], target: tuple[float, float, float], **more: object) -> ViewCamera:
    """A view camera at a place that looks at another."""
    return replace(ViewCamera(world=look_at(eye, target)), **more)  # type: ignore[arg-type]
