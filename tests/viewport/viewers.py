"""A viewport without a window or a GPU: what tools need to be tested, over a real document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from studio.scene.document import Document
from studio.scene.entities import Entity, Id
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.scene import Scene
from studio.scene.transforms import look_at
from studio.viewport.camera import ViewCamera
from studio.viewport.view import Look, Overlays


def camera_at(eye: Sequence[float], target: Sequence[float] = (0.0, 0.0, 0.0), **values: object) -> ViewCamera:
    """A camera that looks from one point at another, which is its pivot."""
    away = float(np.linalg.norm(np.subtract(eye, target)))
    return ViewCamera(world=look_at(eye, target), **{"pivot_m": away, **values})  # type: ignore[arg-type]


@dataclass(frozen=True)
class FakeHit:
    """A surface under a pixel."""

    id: Id
    position: NDArray[np.float64]
    normal: NDArray[np.float64] = field(default_factory=lambda: np.array([0.0, 1.0, 0.0]))


class FakeViewer:
    """A viewer whose picks are told beforehand: `under` gives the objects of any pixel, `surface` the hit."""

    def __init__(self, *entities: Entity, camera: ViewCamera | None = None, frame: float = 1.0) -> None:
        self.document = Document(Scene().add(*entities) if entities else Scene())
        self.camera = camera if camera is not None else camera_at((3.0, 4.0, 9.0))
        self.look, self.overlays = Look(), Overlays()
        self.size, self.pixel_ratio, self.aspect = (800, 600), 1.0, 16 / 9
        self.document.frame = frame
        self.under: list[Id] = []
        self.enclosed: frozenset[Id] = frozenset()
        self.surface: FakeHit | None = None
        self.brightest: tuple[Id, float] | None = None
        self.said: list[str] = []
        self.cursors: list[str] = []
        self.redraws = 0
        self._flat: tuple[Scene, FlatScene] | None = None

    @property
    def flat(self) -> FlatScene:
        scene, frame = self.document.scene, self.document.frame
        if self._flat is None or self._flat[0] is not scene or self._flat[1].frame != frame:
            before = self._flat[1] if self._flat is not None else None
            self._flat = (scene, flatten(scene, frame, previous=before))
        return self._flat[1]

    def pick(self, x: float, y: float) -> FakeHit | None:
        if self.surface is None and self.under:
            return FakeHit(self.under[0], np.zeros(3))
        return self.surface

    def pick_all(self, x: float, y: float) -> list[Id]:
        return list(self.under)

    def pick_rectangle(self, x0: float, y0: float, x1: float, y1: float) -> frozenset[Id]:
        return self.enclosed

    def dominant(self, x: float, y: float) -> tuple[Id, float] | None:
        return self.brightest

    def redraw(self) -> None:
        self.redraws += 1

    def status(self, text: str) -> None:
        self.said.append(text)

    def cursor(self, name: str) -> None:
        self.cursors.append(name)

    # --- what a test asks --------------------------------------------------------------------------------------------
    @property
    def steps(self) -> int:
        """How many steps can be undone."""
        return len(self.document._undo)

    def pixel(self, point: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Where a point of the world is drawn."""
        return self.camera.project(np.asarray(point, np.float64)[None], *self.size)[0, :2]
