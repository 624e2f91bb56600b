"""One frame of one view: its matrices, its light grid and the uniforms that every pass shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from studio.viewport import lightgrid
from studio.viewport.camera import ViewCamera
from studio.viewport.gpuscene import UNITS, GpuScene, set_uniform
from studio.viewport.lamps import Lamps

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What the passes of a frame have in common. `uniforms` are set in every program that has them."""

    camera: ViewCamera
    width: int
    height: int
    turn_clip: F64  # (4, 4) positions relative to the eye -> clip space
    uniforms: dict[str, Any]

    def tell(self, program: moderngl.Program) -> None:
        """Set the frame's uniforms in a program."""
        for name, value in self.uniforms.items():
            set_uniform(program, name, value)


def clip_matrix(camera: ViewCamera, width: int, height: int, jitter: tuple[float, float] = (0.0, 0.0)) -> F64:
    """(4, 4) from positions relative to the eye, axes of the world, to clip space, moved by `jitter` pixels."""
    turn = np.eye(4)
    turn[:3, :3] = camera.world[:, :3].T
    projection = camera.projection(width, height)
    projection[0] += jitter[0] * 2.0 / width * projection[3]
    projection[1] += jitter[1] * 2.0 / height * projection[3]
    return np.asarray(projection @ turn)


def columns(matrix: F64) -> tuple[float, ...]:
    """A matrix as GLSL takes it, column by column."""
    return tuple(matrix.T.astype(np.float32).reshape(-1).tolist())


def make_frame(
    camera: ViewCamera,
    width: int,
    height: int,
    grid: lightgrid.LightGrid,
    scene: GpuScene,
    *,
    jitter: tuple[float, float] = (0.0, 0.0),
    turn: int = 0,
) -> Frame:
    """The frame of a view whose light grid is made; `turn` counts the samples of a view at rest."""
    lamps = scene.lamps
    matrix = clip_matrix(camera, width, height, jitter)
    scale, shift = grid.slice_terms()
    uniforms = {
        "turn_clip": columns(matrix),
        "clip_turn": columns(np.asarray(np.linalg.inv(matrix), np.float64)),
        **depth_uniforms(camera, width, height),
        "eye": tuple(camera.eye.tolist()),
        "forward": tuple(camera.forward.tolist()),
        "orthographic": camera.orthographic,
        "grid_scale": (lightgrid.COLUMNS / width, lightgrid.ROWS / height),
        "grid_origin": (0.0, 0.0),
        "grid_slice": (scale, shift, 0.0 if grid.linear else 1.0),
        "grid_words": (lightgrid.words_of(len(lamps.points)), lightgrid.words_of(len(lamps.local))),
        "lamp_counts": (len(lamps.points), len(lamps.local), len(lamps.infinite)),
        "lamp_scale": lamps.scale,
        "lamps_line": scene.lamps_line,
        "shadow_line": scene.shadow_line,
        "shadow_turn": (turn * 0.7548776662466927 % 1.0, turn * 0.5698402909980532 % 1.0),
        "lamp_words": scene.lamp_words,
        "linked_words": sum(map(lightgrid.words_of, (len(lamps.points), len(lamps.local), len(lamps.infinite)))),
        "still_turn": turn,
        "skipped": 0,
        "wanted": 0,
        "objects_table": UNITS["objects_table"],
    }
    return Frame(camera, width, height, matrix, uniforms)


def depth_uniforms(camera: ViewCamera, width: int, height: int) -> dict[str, Any]:
    """What turns window positions and depths back into places in front of the camera."""
    projection = camera.projection(width, height)
    near, far = camera.near_m, camera.far_m
    scale = 1.0 / projection[0, 0], 1.0 / projection[1, 1]
    if camera.orthographic:
        shift = -projection[0, 3] * scale[0], -projection[1, 3] * scale[1]
        terms = far - near, near
    else:
        shift = projection[0, 2] * scale[0], projection[1, 2] * scale[1]
        terms = far * near / (far - near), far / (far - near)
    return {
        "unproject": (*scale, *shift),
        "pixels_per_metre": (width * 0.5 / scale[0], 1.0 if camera.orthographic else 0.0, 0.0),
        "depth_terms": terms,
    }


class Grids:
    """Light grids of views, kept while camera, size and lights stay; one texture, for they are small."""

    def __init__(self, context: moderngl.Context) -> None:
        self._context = context
        self._texture: moderngl.Texture | None = None
        self._key: tuple[Any, ...] = ()
        self._grid: lightgrid.LightGrid | None = None

    def grid(self, camera: ViewCamera, width: int, height: int, lamps: Lamps) -> lightgrid.LightGrid:
        """The grid of a view, in its texture."""
        key = (camera, width, height, lamps)
        if self._grid is None or len(key) != len(self._key) or any(a is not b for a, b in zip(key, self._key)):
            self._grid = lightgrid.build(camera, width, height, lamps.centres, lamps.radii, first=len(lamps.points))
            self._write(self._grid)
            self._key = key
        return self._grid

    def use(self, unit: int) -> None:
        """Bind the texture of the last grid."""
        assert self._texture is not None
        self._texture.use(unit)

    def release(self) -> None:
        """Give the texture back."""
        if self._texture is not None:
            self._texture.release()
        self._texture, self._grid, self._key = None, None, ()

    def _write(self, grid: lightgrid.LightGrid) -> None:
        lines, words = grid.masks.shape
        words = max(words, 1)
        if self._texture is None or self._texture.width < words:
            if self._texture is not None:
                self._texture.release()
            self._texture = self._context.texture((words, lines), 1, dtype="u4")
            self._texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
        if grid.words:
            self._texture.write(np.ascontiguousarray(grid.masks).tobytes(), viewport=(0, 0, grid.words, lines))
