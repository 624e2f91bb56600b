"""Where the handles of lights and cameras are, and what number each of them reads from the pointer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Camera, Entity
from studio.scene.lights import Light
from studio.viewport.overlay_shapes import cone_length, frustum_corners
from studio.viewport.tools.rays import Eye

F64 = NDArray[np.float64]
Measure = Callable[[Eye, float, float], float | None]
Combine = Callable[[float, float, float], float]
AIMED = "aim"
AIMABLE = ("spot", "rectangle", "disk", "distant")
_CLEAR_PX = 24.0  # logical pixels that a handle keeps from the middle, where the icon and the gizmo are
_AIM_M, _AIM_PX = 3.0, (105.0, 260.0)
_LEAST_M = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Grip:
    """A handle: where it is, which field it changes from which value, and how it reads the pointer.

    `measure` gives a number for a pixel, None where there is none; `combine` makes the new value of the old one and
    of the number when grabbed and now. `relative` values of other lights change in proportion, others by the same
    amount. `tether` is where a line to the handle begins.
    """

    name: str
    label: str
    field: str
    unit: str  # "m", "deg", "mm", "stops", "" for an aim
    at: F64
    value: float
    measure: Measure
    combine: Combine
    tether: F64 | None = None
    relative: bool = True
    least: float = -np.inf


def grips_of(entity: Entity, matrix: F64, eye: Eye, ratio: float) -> list[Grip]:
    """The handles of a light or camera that stands at a rigid matrix (3, 4)."""
    if isinstance(entity, Camera):
        return _camera_grips(entity, matrix, eye, ratio)
    if not isinstance(entity, Light):
        return []
    makers: dict[str, Callable[[Light, F64, Eye, float], list[Grip]]] = {
        "spot": _spot_grips,
        "rectangle": _rectangle_grips,
        "disk": _disk_grips,
        "sphere": _ball_grips,
        "point": _ball_grips,
        "cylinder": _cylinder_grips,
    }
    make = makers.get(entity.light)
    out = make(entity, matrix, eye, ratio) if make is not None else []
    if entity.light in AIMABLE:
        out.append(_aim_grip(matrix, eye, ratio))
    out.append(_strength_grip(entity, matrix, eye, ratio))
    return out


# --- what a handle reads ---------------------------------------------------------------------------------------------
def _along(point: F64, axis: F64) -> Measure:
    return lambda eye, x, y: eye.on_axis(x, y, point, axis)


def _from_middle(point: F64) -> Measure:
    def measure(eye: Eye, x: float, y: float) -> float | None:
        hit = eye.on_plane(x, y, point, eye.camera.forward)
        return None if hit is None else float(np.linalg.norm(hit - point))

    return measure


def _pulled(times: float, real: float, shown: float) -> Combine:
    """Metres by metres where the handle is on the shape; in proportion where it had to stand clear of it."""
    if real > 0 and shown > real * 1.001:
        return lambda value, first, now: max(value * now / first, _LEAST_M) if first > 1e-9 else value
    return lambda value, first, now: max(value + times * (now - first), _LEAST_M)


def _size(
    name: str, label: str, field_: str, value: float, middle: F64, axis: F64, half: float, eye: Eye, ratio: float
) -> Grip:
    """A handle on the side of a shape, `half` of whose size (times `value` over 2 half) lies along a unit axis."""
    shown = max(half, _CLEAR_PX * ratio * eye.metres(middle))
    times = value / half if half > 0 else 1.0
    return Grip(
        name, label, field_, "m", middle + axis * shown, value, _along(middle, axis), _pulled(times, half, shown)
    )


def _silhouette(axis: F64, eye: Eye, middle: F64) -> F64:
    """(3,) unit, square to an axis, where a round thing about it has its edge as seen; the camera's right when the
    axis points at the eye."""
    side = np.cross(axis, eye.towards(middle))
    length = float(np.linalg.norm(side))
    if length < 0.05:
        side = eye.camera.world[:, 0] - axis * float(axis @ eye.camera.world[:, 0])
        length = float(np.linalg.norm(side))
    side = side / length
    return side if float(side @ eye.camera.world[:, 0]) >= 0 else -side


# --- kinds -----------------------------------------------------------------------------------------------------------
def _spot_grips(light: Light, matrix: F64, eye: Eye, ratio: float) -> list[Grip]:
    apex, ahead = matrix[:, 3], -matrix[:, 2]
    length = float(cone_length(np.array([eye.metres(apex) * ratio]))[0])
    side = _silhouette(ahead, eye, apex)

    def on_cone(degrees: float, way: F64) -> F64:
        angle = np.radians(degrees)
        return np.asarray(apex + (ahead * np.cos(angle) + way * np.sin(angle)) * length)

    def angle(way: F64, degrees: float) -> Measure:
        depth = length * float(np.cos(np.radians(degrees)))

        def measure(eye: Eye, x: float, y: float) -> float | None:
            hit = eye.on_plane(x, y, apex, np.cross(ahead, way), grazing=0.15)
            if hit is not None:
                off = hit - apex
                return float(np.degrees(np.arctan2(off @ way, off @ ahead)))
            hit = eye.on_plane(x, y, apex + ahead * depth, ahead)
            if hit is None:
                return None
            return float(np.degrees(np.arctan2((hit - apex) @ way, max(depth, 1e-9))))

        return measure

    def opened(value: float, first: float, now: float) -> float:
        return float(np.clip(value + now - first, 0.0, 90.0))

    outer, inner = light.outer_cone_deg, light.inner_cone_deg
    return [
        Grip("outer", "Outer cone", "outer_cone_deg", "deg", on_cone(outer, side), outer, angle(side, outer), opened,
             relative=False, least=0.1),
        Grip("inner", "Inner cone", "inner_cone_deg", "deg", on_cone(inner, -side), inner, angle(-side, inner), opened,
             relative=False),
    ]  # fmt: skip


def _rectangle_grips(light: Light, matrix: F64, eye: Eye, ratio: float) -> list[Grip]:
    middle, x, y = matrix[:, 3], matrix[:, 0], matrix[:, 1]
    w, h = light.width_m, light.height_m
    return [
        _size("width+", "Width", "width_m", w, middle, x, w / 2, eye, ratio),
        _size("width-", "Width", "width_m", w, middle, -x, w / 2, eye, ratio),
        _size("height+", "Height", "height_m", h, middle, y, h / 2, eye, ratio),
        _size("height-", "Height", "height_m", h, middle, -y, h / 2, eye, ratio),
    ]


def _disk_grips(light: Light, matrix: F64, eye: Eye, ratio: float) -> list[Grip]:
    middle, r = matrix[:, 3], light.radius_m
    side = matrix[:, 0] if float(matrix[:, 0] @ eye.camera.world[:, 0]) >= 0 else -matrix[:, 0]
    return [_size("radius", "Radius", "radius_m", r, middle, side, r, eye, ratio)]


def _ball_grips(light: Light, matrix: F64, eye: Eye, ratio: float) -> list[Grip]:
    middle, r = matrix[:, 3], light.radius_m
    shown = max(r, _CLEAR_PX * ratio * eye.metres(middle))
    way = (eye.camera.world[:, 0] - eye.camera.world[:, 1]) / np.sqrt(2.0)  # off the arrows of the gizmo
    at = middle + way * shown
    return [Grip("radius", "Radius", "radius_m", "m", at, r, _from_middle(middle), _pulled(1.0, r, shown))]


def _cylinder_grips(light: Light, matrix: F64, eye: Eye, ratio: float) -> list[Grip]:
    middle, x = matrix[:, 3], matrix[:, 0]
    side = _silhouette(x, eye, middle)
    half, r = light.length_m / 2, light.radius_m
    return [
        _size("length+", "Length", "length_m", light.length_m, middle, x, half, eye, ratio),
        _size("length-", "Length", "length_m", light.length_m, middle, -x, half, eye, ratio),
        _size("radius", "Radius", "radius_m", r, middle, side, r, eye, ratio),
    ]


def _aim_grip(matrix: F64, eye: Eye, ratio: float) -> Grip:
    middle = matrix[:, 3]
    metres = eye.metres(middle) * ratio
    reach = float(np.clip(_AIM_M, _AIM_PX[0] * metres, _AIM_PX[1] * metres))
    at = middle - matrix[:, 2] * reach
    return Grip(AIMED, "Aim", "rotation", "", at, 0.0, _along(at, matrix[:, 2]), lambda value, first, now: value,
                tether=middle)  # fmt: skip


def _strength_grip(light: Light, matrix: F64, eye: Eye, ratio: float) -> Grip:
    middle = matrix[:, 3]
    reach = 30.0 * ratio * eye.metres(middle)
    at = middle - (eye.camera.world[:, 0] + eye.camera.world[:, 1]) * reach
    return Grip(
        "strength",
        "Exposure",
        "exposure",
        "stops",
        at,
        light.exposure,
        lambda eye, x, y: (x - y) / (90.0 * ratio),
        lambda value, first, now: float(np.clip(value + now - first, -60.0, 60.0)),
        relative=False,
    )


def _camera_grips(camera: Camera, matrix: F64, eye: Eye, ratio: float) -> list[Grip]:
    if camera.projection == "orthographic":
        return []
    middle, ahead, right = matrix[:, 3], -matrix[:, 2], matrix[:, 0]
    corners, depth = frustum_corners(camera, eye.metres(middle) * ratio)
    edge = float(corners[1, 0])
    plate = middle + ahead * depth
    focus = camera.focus_distance_m

    def lens(value: float, first: float, now: float) -> float:
        return float(np.clip(value * edge / max(edge + now - first, edge * 1e-3), 1.0, 5000.0))

    return [
        Grip("focal", "Focal length", "focal_length_mm", "mm", plate + right * edge, camera.focal_length_mm,
             _along(plate, right), lens),
        Grip("focus", "Focus distance", "focus_distance_m", "m", middle + ahead * focus, focus, _along(middle, ahead),
             lambda value, first, now: max(value + now - first, _LEAST_M), tether=plate),
    ]  # fmt: skip


def strength_shown(entity: Entity) -> str:
    """A light's exposure and what it comes to in its unit."""
    if not isinstance(entity, Light):
        return ""
    with np.errstate(over="ignore"):
        total = float(entity.intensity * np.exp2(entity.exposure))
    return f"{entity.exposure:+.2f} EV = {total:.4g} {entity.unit}"
