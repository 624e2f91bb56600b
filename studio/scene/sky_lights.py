"""Lights taken from a sky: a place of a dome's picture becomes a distant light of its colour and direction.

A picture lights as one; what an artist wants to move, dim or colour by itself (the sun, a window, a sign) becomes a
light of its own that hangs below the dome, so it turns with it. Its illuminance is that of the round patch of sky
around the place: the patch's mean radiance times its projected solid angle, pi sin^2 r. The picture stays as it is.

Places are picture coordinates u, v from 0 to 1, v down; directions are in the dome's frame: v is the angle from +y, and
the middle column looks along -z.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset
from studio.scene import lights as packing
from studio.scene.entities import Id
from studio.scene.geometry import Image
from studio.scene.light_pixels import linear_pixels
from studio.scene.lights import Light
from studio.scene.photometry import LUMINANCE
from studio.scene.scene import Scene, placed
from studio.scene.transforms import look_at, rotation_matrices

F64 = NDArray[np.float64]
SMALLEST_DEG, WIDEST_DEG = 0.1, 45.0


@dataclass(frozen=True, slots=True)
class Patch:
    """A round patch of a dome's sky: mean radiance in nits, its luminance, and its illuminance on what faces it."""

    radiance: tuple[float, float, float]
    luminance: float
    illuminance_lx: float


def direction_of(u: float, v: float) -> F64:
    """(3,) unit direction in the dome's frame of a place in its picture."""
    theta, phi = np.pi * v, 2.0 * np.pi * (u - 0.5)
    return np.array([np.sin(theta) * np.sin(phi), np.cos(theta), -np.sin(theta) * np.cos(phi)])


def place_of(direction: F64) -> tuple[float, float]:
    """Place (u, v) in the picture of a direction (3,) in the dome's frame; the inverse of `direction_of`."""
    x, y, z = (direction / max(float(np.linalg.norm(direction)), 1e-30)).tolist()
    return float(np.arctan2(x, -z) / (2.0 * np.pi) + 0.5) % 1.0, float(np.arccos(np.clip(y, -1.0, 1.0)) / np.pi)


def patch_of(scene: Scene, dome: Id, u: float, v: float, *, radius_deg: float) -> Patch:
    """What the patch of `radius_deg` around a place shines with. BadAsset for what is no dome."""
    light = _dome(scene, dome)
    emission = packing.pack([light], images={}, groups={})["emission"][0].astype(np.float64)
    image = scene.images.get(light.image)
    mean = np.ones(3) if image is None else _mean(image, direction_of(u, v), np.radians(radius_deg))
    radiance = emission * mean
    luminance = float(LUMINANCE @ radiance)
    lux = luminance * np.pi * np.sin(np.radians(radius_deg)) ** 2
    r, g, b = radiance.tolist()
    return Patch((r, g, b), luminance, float(lux))


def spawn(scene: Scene, dome: Id, u: float, v: float, *, radius_deg: float = 2.5) -> tuple[Scene, Id]:
    """A distant light below a dome that shines from a place of its picture as the patch around it does; its id.

    BadAsset for what is no dome, and for a patch that is black.
    """
    radius = float(np.clip(radius_deg, SMALLEST_DEG, WIDEST_DEG))
    patch = patch_of(scene, dome, u, v, radius_deg=radius)
    if not patch.illuminance_lx > 0:
        raise BadAsset("The sky is black there; choose a brighter place.")
    above = _dome(scene, dome)
    peak = max(patch.radiance)
    r, g, b = patch.radiance
    color = (r / peak, g / peak, b / peak)
    name = f"{above.name or dome} light"
    id_ = scene.free_id(name)
    light = Light(
        id=id_,
        name=id_,
        parent=dome,
        light="distant",
        unit="lx",
        # the strength of a light times its colour is what arrives, and its luminance is the patch's
        intensity=patch.illuminance_lx / float(LUMINANCE @ np.array(color)),
        color=color,
        angle_deg=2.0 * radius,
        group=above.group,
    )
    return scene.add(_turned(light, u, v)), id_


def turn(scene: Scene, light: Id, u: float, v: float) -> Scene:
    """Let a light that hangs below a dome shine from another place of its picture."""
    entity = scene.entities.get(light)
    if not isinstance(entity, Light) or not isinstance(scene.entities.get(entity.parent), Light):
        raise BadAsset(f'"{light}" is not a light below a dome.')
    return scene.put({light: _turned(entity, u, v)})


def sky_lights(scene: Scene, dome: Id) -> tuple[tuple[Id, tuple[float, float]], ...]:
    """The distant lights that hang below a dome, each with its place in the picture."""
    out = []
    for id_ in scene.children(dome):
        entity = scene.entities[id_]
        if isinstance(entity, Light) and entity.light == "distant":
            towards = rotation_matrices(np.array([entity.rotation], np.float64))[0, :, 2]  # where the light comes from
            out.append((id_, place_of(towards)))
    return tuple(out)


def _turned(light: Light, u: float, v: float) -> Light:
    towards = direction_of(u, v)
    matrix = look_at((0.0, 0.0, 0.0), (-towards).tolist())
    out = placed(light, matrix)
    return msgspec.structs.replace(light, rotation=out.rotation)


def _dome(scene: Scene, id_: Id) -> Light:
    entity = scene.entities.get(id_)
    if not isinstance(entity, Light) or entity.light != "dome":
        raise BadAsset(f'"{id_}" is not a dome light.')
    return entity


def _mean(image: Image, towards: F64, radius: float) -> F64:
    """(3,) mean linear light of the texels whose middles lie within `radius` radians of a direction, by solid angle;
    that of the texel there where the patch is smaller than a texel."""
    height, width = image.pixels.shape[:2]
    u, v = place_of(towards)
    line, column = min(int(v * height), height - 1), min(int(u * width), width - 1)
    first = max(int((v - radius / np.pi) * height), 0)
    last = min(int((v + radius / np.pi) * height) + 1, height)
    theta = np.pi * (np.arange(first, last) + 0.5) / height
    phi = 2.0 * np.pi * ((np.arange(width) + 0.5) / width - 0.5)
    sine, cosine = np.sin(theta)[:, None], np.cos(theta)[:, None]
    along = sine * np.sin(phi) * towards[0] + cosine * towards[1] - sine * np.cos(phi) * towards[2]
    within = along >= np.cos(radius)
    if not within.any():
        return np.asarray(linear_pixels(image, slice(line, line + 1))[0, column], np.float64)
    rows = linear_pixels(image, slice(first, last))
    weight = np.broadcast_to(sine, within.shape)[within]
    return np.asarray((rows[within].astype(np.float64) * weight[:, None]).sum(axis=0) / weight.sum())
