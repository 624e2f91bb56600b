"""Looking through cameras and lights: what they see in a viewport of another shape, and the frame of their picture.

The gate is the part of a viewport that the rendered picture will show. A view through a camera is fitted so that the
whole gate is in it with a margin around; the rest is darkened. Safe areas are those of EBU R95: 93 % for action and
90 % for titles, in each direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio.scene.entities import Camera, Id
from studio.scene.flat import FlatScene
from studio.scene.lights import Light
from studio.scene.placement import placement
from studio.scene.transforms import rigid
from studio.viewport.camera import ViewCamera
from studio.viewport.overlay_records import F64, SCREEN, Drawing, Rgba, Rows, fan, lines, polyline

MARGIN = 0.92  # of the viewport that the gate may fill
ACTION_SAFE, TITLE_SAFE = 0.93, 0.90


@dataclass(frozen=True, slots=True)
class Gate:
    """A rectangle in device pixels, y down."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """In device pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """In device pixels."""
        return self.y1 - self.y0

    def inner(self, part: float) -> Gate:
        """The rectangle about the same middle with that part of its sides."""
        x, y = (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2
        w, h = self.width * part / 2, self.height * part / 2
        return Gate(x - w, y - h, x + w, y + h)


def gate_of(aspect: float, width: float, height: float, *, margin: float = MARGIN) -> Gate:
    """The largest gate of an aspect (width over height) in the middle of a viewport, with a margin around."""
    aspect = float(np.clip(aspect, 1e-3, 1e3)) if np.isfinite(aspect) else 16 / 9
    w = min(width * margin, height * margin * aspect)
    h = w / aspect
    return Gate((width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2)


def through(flat: FlatScene, id_: Id, aspect: float, width: float, height: float) -> ViewCamera | None:
    """What a camera, a light or anything else sees along its -z, its gate fitted into the viewport; None for what is
    not there or has a transform or lens that cannot be used."""
    places = placement(flat)
    row = places.row.get(id_)
    if row is None or places.broken[row]:
        return None
    entity, world = places.entities[row], rigid(places.world[row][None])[0]
    orthographic, half, vertical, shift, pivot = False, 1.0, aspect >= 1.0, (0.0, 0.0), 3.0
    if isinstance(entity, Camera):
        orthographic = entity.projection == "orthographic"
        vertical = orthographic or entity.fit == "vertical"
        sensor = entity.sensor_height_mm if vertical else entity.sensor_width_mm
        half = entity.ortho_height_m / 2 if orthographic else sensor / (2 * max(entity.focal_length_mm, 1e-3))
        shift, pivot = (entity.shift_x, entity.shift_y), entity.focus_distance_m
    elif isinstance(entity, Light) and entity.light == "spot":
        half = float(np.tan(np.radians(np.clip(entity.outer_cone_deg, 1.0, 80.0))))
    if not (np.isfinite([half, *shift, pivot]).all() and half > 0):
        return None
    gate = gate_of(aspect, width, height)
    hx = half * aspect if vertical else half
    across = 2.0 * (half if vertical else hx)
    wide = hx * width / gate.width
    moved = (shift[0] * across / (2 * wide), shift[1] * across / (2 * wide))
    return ViewCamera(
        world=world,
        orthographic=orthographic,
        half_width=float(wide),
        fit="horizontal",
        shift=moved,
        pivot_m=float(np.clip(pivot, 1e-3, 1e9)),
    )


def gate_drawing(
    aspect: float, width: float, height: float, *, safe_frames: bool, ratio: float = 1.0, shade: float = 0.55
) -> Drawing:
    """The gate's border and the darkened rest, with safe areas when wanted."""
    gate = gate_of(aspect, width, height)
    parts = [_border(gate, (0.85, 0.85, 0.87, 0.9), ratio)]
    if safe_frames:
        parts.append(_border(gate.inner(ACTION_SAFE), (0.85, 0.85, 0.87, 0.45), ratio))
        parts.append(_border(gate.inner(TITLE_SAFE), (0.85, 0.85, 0.87, 0.3), ratio))
        x, y, arm = (gate.x0 + gate.x1) / 2, (gate.y0 + gate.y1) / 2, 9.0 * ratio
        cross = lines(
            [(x - arm, y, 0), (x, y - arm, 0)],
            [(x + arm, y, 0), (x, y + arm, 0)],
            (0.85, 0.85, 0.87, 0.5),
            width=ratio,
            mode=SCREEN,
        )
        parts.append(cross)
    outside = [
        (0.0, 0.0, width, gate.y0),
        (0.0, gate.y1, width, height),
        (0.0, gate.y0, gate.x0, gate.y1),
        (gate.x1, gate.y0, width, gate.y1),
    ]
    dark = [_filled(*box, (0.02, 0.02, 0.025, shade)) for box in outside]
    return Drawing(lines=np.concatenate(parts), corners=np.concatenate(dark))


def _corners(x0: float, y0: float, x1: float, y1: float) -> F64:
    return np.array([(x0, y0, 0.0), (x1, y0, 0.0), (x1, y1, 0.0), (x0, y1, 0.0)])


def _border(gate: Gate, rgba: Rgba, ratio: float) -> Rows:
    return polyline(_corners(gate.x0, gate.y0, gate.x1, gate.y1), rgba, closed=True, width=ratio, mode=SCREEN)


def _filled(x0: float, y0: float, x1: float, y1: float, rgba: Rgba) -> Rows:
    return fan(_corners(x0, y0, x1, y1), rgba, mode=SCREEN)
