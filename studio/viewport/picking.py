"""What lies under the pointer: the scene drawn once more, for a pixel or a rectangle only, as numbers.

Only the asked region is rasterised (a viewport as large as the picture, moved so that the region lies in a buffer of
its own size), so a click costs vertices and nothing else, and nothing is kept for it in the frames before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import moderngl
import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Id
from studio.scene.placement import placement
from studio.viewport.device import Device
from studio.viewport.drawlist import MASKED
from studio.viewport.frames import Frame
from studio.viewport.gpuscene import GpuScene
from studio.viewport.passes import Passes
from studio.viewport.states import HIDDEN, ObjectStates

MOST_DEEP = 64  # objects behind each other that are looked for


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """What a pixel shows: entity, row of FlatScene.instances, part of its mesh, where (3,) in the world, and the
    geometric normal (3,) there, towards the viewer."""

    id: Id
    instance: int
    part: int
    position: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    normal: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A drawn region, rows from the top: ids (h, w, 4) of instance + 1, part, object, triangle; (h, w, 3) each of
    positions relative to the eye and normals."""

    ids: NDArray[np.uint32]
    positions: NDArray[np.float32]
    normals: NDArray[np.float32]


class Picker:
    """Draws regions of frames as numbers."""

    def __init__(self, device: Device, scene: GpuScene, passes: Passes, states: ObjectStates) -> None:
        self._device, self._scene, self._passes, self._states = device, scene, passes, states
        self._context = device.context

    def draw(self, frame: Frame, x0: int, y0: int, x1: int, y1: int) -> Region:
        """The region [x0, x1) x [y0, y1) of a frame, y down, with the object states that are in place."""
        width, height = x1 - x0, y1 - y0
        with self._buffers(width, height) as (buffer, textures):
            buffer.use()
            buffer.clear()
            buffer.viewport = (-x0, y1 - frame.height, frame.width, frame.height)
            context = self._context
            context.enable_only(moderngl.DEPTH_TEST)
            context.depth_func = "<="
            self._passes.bind()

            def program(family: int, textured: bool, coverage: int, _: int) -> moderngl.Program:
                cut = coverage == MASKED
                return self._passes.program(
                    frame, "mesh_pick", COVERAGE=int(cut), SURFACE_FAMILY=0, TEXTURED=int(textured and cut)
                )

            self._passes.by_program(self._scene.batches, program, plain=True)
            data = [t.read() for t in textures]
        ids = np.frombuffer(data[0], np.uint32).reshape(height, width, 4)[::-1]
        places, normals = (np.frombuffer(d, np.float32).reshape(height, width, 4)[::-1, :, :3] for d in data[1:])
        return Region(ids, places, normals)

    def hit(self, frame: Frame, x: int, y: int) -> Hit | None:
        """What the pixel shows, None for nothing or a pixel outside the picture."""
        flat = self._scene.flat
        if flat is None or not (0 <= x < frame.width and 0 <= y < frame.height):
            return None
        region = self.draw(frame, x, y, x + 1, y + 1)
        instance, part, object_, _ = region.ids[0, 0].tolist()
        if not instance:
            return None
        return Hit(
            id=placement(flat).object_id(object_),
            instance=instance - 1,
            part=part,
            position=region.positions[0, 0].astype(np.float64) + frame.camera.eye,
            normal=region.normals[0, 0].astype(np.float64),
        )

    def rectangle(self, frame: Frame, x0: int, y0: int, x1: int, y1: int) -> frozenset[Id]:
        """The entities that show in a rectangle of pixels; corners in any order, both counted in."""
        x0, x1 = sorted((x0, x1))
        y0, y1 = sorted((y0, y1))
        x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1 + 1, frame.width), min(y1 + 1, frame.height)
        flat = self._scene.flat
        if flat is None or x0 >= x1 or y0 >= y1:
            return frozenset()
        ids = self.draw(frame, x0, y0, x1, y1).ids.reshape(-1, 4)
        places = placement(flat)
        return frozenset(places.object_id(k) for k in np.unique(ids[ids[:, 0] > 0, 2]).tolist()) - {""}

    def all(self, frame: Frame, x: int, y: int) -> list[Id]:
        """The entities behind one another at a pixel, the nearest first: each one found is hidden for the next look."""
        flat = self._scene.flat
        if flat is None or not (0 <= x < frame.width and 0 <= y < frame.height):
            return []
        places, bits = placement(flat), self._states.bits.copy()
        found: list[Id] = []
        for _ in range(MOST_DEEP):
            instance, _, object_, _ = self.draw(frame, x, y, x + 1, y + 1).ids[0, 0].tolist()
            if not instance:
                break
            found.append(places.object_id(object_))
            bits[object_] |= HIDDEN
            self._states.write(bits)
        self._states.write(self._states.bits)
        return [entity for entity in found if entity]

    @contextmanager
    def _buffers(self, width: int, height: int) -> Iterator[tuple[moderngl.Framebuffer, list[moderngl.Texture]]]:
        textures = [self._context.texture((width, height), 4, dtype=dtype) for dtype in ("u4", "f4", "f4")]
        depth = self._context.depth_renderbuffer((width, height))
        buffer = self._context.framebuffer(textures, depth)
        try:
            yield buffer, textures
        finally:
            buffer.release()
            depth.release()
            for texture in textures:
                texture.release()
