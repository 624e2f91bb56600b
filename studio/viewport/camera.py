"""The camera of a view: where it stands and what part of the world it sees.

The same geometry as `FlatCamera`, without lens and shutter, plus the clipping planes that a rasteriser needs. A view
looks through one of its own (free navigation) or through a camera of the scene; both are this record.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from studio.scene.flat import FlatCamera
from studio.scene.transforms import inverse, look_at

F64 = NDArray[np.float64]


def _start() -> F64:
    return look_at((7.0, 5.0, 9.0), (0.0, 1.0, 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class ViewCamera:
    """A camera that looks along its own -z. `world` is its rigid camera-to-world matrix (3, 4), in metres.

    `half_width` is the tangent of half the angle (perspective) or half the size in metres (orthographic) along `fit`,
    "horizontal" or "vertical"; `shift` is in units of the fitted side's full length, x right, y up. `pivot_m` is how
    far ahead of the eye the point lies that orbiting turns about.
    """

    world: F64 = field(default_factory=_start)
    orthographic: bool = False
    half_width: float = 0.36
    fit: str = "horizontal"
    shift: tuple[float, float] = (0.0, 0.0)
    near_m: float = 0.01
    far_m: float = 1000.0
    pivot_m: float = 11.0

    @classmethod
    def of(cls, camera: FlatCamera, *, near_m: float = 0.01, far_m: float = 1000.0) -> ViewCamera:
        """What a camera of the scene sees, at shutter open."""
        return cls(
            world=camera.open.astype(np.float64),
            orthographic=camera.orthographic,
            half_width=camera.half_width,
            fit=camera.fit,
            shift=camera.shift,
            near_m=near_m,
            far_m=far_m,
            pivot_m=camera.focus_distance_m,
        )

    @property
    def eye(self) -> F64:
        """(3,) where the camera stands."""
        return self.world[:, 3]

    @property
    def forward(self) -> F64:
        """(3,) unit vector of its look."""
        return -self.world[:, 2]

    @property
    def pivot(self) -> F64:
        """(3,) the point that orbiting turns about."""
        return self.eye + self.forward * self.pivot_m

    def half_extents(self, width: float, height: float) -> tuple[float, float]:
        """Half the image plane at distance 1 (perspective) or in metres (orthographic), for an image in pixels."""
        if self.fit == "vertical":
            return self.half_width * width / height, self.half_width
        return self.half_width, self.half_width * height / width

    def view_matrix(self) -> F64:
        """(4, 4) world to camera; multiplies column vectors."""
        out = np.eye(4)
        out[:3] = inverse(self.world[None])[0]
        return out

    def projection(self, width: float, height: float) -> F64:
        """(4, 4) camera to OpenGL clip space for an image in pixels; multiplies column vectors."""
        x, y = self.half_extents(width, height)
        across = 2.0 * (x if self.fit != "vertical" else y)
        dx, dy = self.shift[0] * across, self.shift[1] * across
        left, right, bottom, top = dx - x, dx + x, dy - y, dy + y
        n, f = self.near_m, self.far_m
        out = np.zeros((4, 4))
        out[0, 0], out[1, 1] = 2.0 / (right - left), 2.0 / (top - bottom)
        if self.orthographic:
            out[0, 3], out[1, 3] = -(right + left) / (right - left), -(top + bottom) / (top - bottom)
            out[2, 2], out[2, 3], out[3, 3] = -2.0 / (f - n), -(f + n) / (f - n), 1.0
        else:
            out[0, 2], out[1, 2] = (right + left) / (right - left), (top + bottom) / (top - bottom)
            out[2, 2], out[2, 3], out[3, 2] = -(f + n) / (f - n), -2.0 * f * n / (f - n), -1.0
        return out

    def project(self, points: F64, width: float, height: float) -> F64:
        """(n, 3) window positions of world points (n, 3): x right and y DOWN in pixels, z the distance ahead in metres.

        A point behind a perspective camera has z <= 0 and a meaningless x and y.
        """
        ahead = np.asarray(points, np.float64) @ self.view_matrix()[:3, :3].T + self.view_matrix()[:3, 3]
        clip = np.concatenate([ahead, np.ones((len(ahead), 1))], axis=1) @ self.projection(width, height).T
        w = np.where(np.abs(clip[:, 3]) < 1e-12, 1e-12, clip[:, 3])
        return np.stack(
            [(clip[:, 0] / w * 0.5 + 0.5) * width, (0.5 - clip[:, 1] / w * 0.5) * height, -ahead[:, 2]], axis=1
        )

    def ray(self, x: float, y: float, width: float, height: float) -> tuple[F64, F64]:
        """Origin and unit direction (3,) in the world of the ray through a pixel position, y down."""
        hx, hy = self.half_extents(width, height)
        across = 2.0 * (hx if self.fit != "vertical" else hy)
        u = (2.0 * x / width - 1.0) * hx + self.shift[0] * across
        v = (1.0 - 2.0 * y / height) * hy + self.shift[1] * across
        turn = self.world[:, :3]
        if self.orthographic:
            return self.eye + turn @ np.array([u, v, 0.0]), self.forward.copy()
        direction = turn @ np.array([u, v, -1.0])
        return self.eye.copy(), direction / np.linalg.norm(direction)

    def metres_per_pixel(self, point: F64, width: float, height: float) -> float:
        """How long a pixel is at a world point (3,), for things of constant size on the screen."""
        hx, _ = self.half_extents(width, height)
        depth = 1.0 if self.orthographic else max(float((point - self.eye) @ self.forward), self.near_m)
        return 2.0 * hx * depth / width
