"""What a tool is, and what it may ask of the viewport that it works in.

A `Viewer` is one viewport: the window implements it over Qt and the renderer, a test over a plain document. A `Tool`
is a small state machine fed with events; it changes the scene only through `document.edit`, the view only through
`viewer.camera` and `viewer.look`, and it is drawn as a `Drawing` over the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from studio.scene.document import Document
from studio.scene.entities import Id
from studio.scene.flat import FlatScene
from studio.viewport.camera import ViewCamera
from studio.viewport.overlay_records import Drawing
from studio.viewport.tools.events import KeyEvent, PointerEvent
from studio.viewport.view import Look, Overlays

F64 = NDArray[np.float64]


class Surface(Protocol):
    """What is under a pixel: the renderer's `Hit` is one."""

    @property
    def id(self) -> Id:
        """The entity."""

    @property
    def position(self) -> NDArray[np.floating]:
        """(3,) the point of the world."""

    @property
    def normal(self) -> NDArray[np.floating]:
        """(3,) unit, towards the viewer."""


class Viewer(Protocol):
    """One viewport, as its tools see it. All positions are device pixels, y down."""

    @property
    def document(self) -> Document:
        """The open document; its selection is the selection."""

    @property
    def flat(self) -> FlatScene:
        """The flat scene of `document.scene` at the frame shown. Never older than the scene: flatten when asked."""

    @property
    def camera(self) -> ViewCamera:
        """What is looked through now. Tools set it; setting redraws."""

    @camera.setter
    def camera(self, camera: ViewCamera) -> None: ...

    @property
    def look(self) -> Look:
        """How the view is drawn. Tools set only `isolated`; setting redraws."""

    @look.setter
    def look(self, look: Look) -> None: ...

    @property
    def overlays(self) -> Overlays:
        """What is drawn over the picture."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in device pixels."""

    @property
    def pixel_ratio(self) -> float:
        """Device pixels per logical pixel: handles, icons and lines grow with it."""

    @property
    def aspect(self) -> float:
        """Width over height of the picture that will be rendered, for the gate."""

    def pick(self, x: float, y: float) -> Surface | None:
        """The surface under a pixel."""

    def pick_all(self, x: float, y: float) -> Sequence[Id]:
        """Every object under a pixel, front to back."""

    def pick_rectangle(self, x0: float, y0: float, x1: float, y1: float) -> frozenset[Id]:
        """Objects that show in a rectangle."""

    def dominant(self, x: float, y: float) -> tuple[Id, float] | None:
        """The light, or the object that shines, which brings most to the surface under a pixel, and its share."""

    def redraw(self) -> None:
        """Ask for a new frame; many asks make one."""

    def status(self, text: str) -> None:
        """A line about the gesture going on, "" when it is over."""

    def cursor(self, name: str) -> None:
        """The pointer's shape: "", "move", "rotate", "size", "orbit", "pan", "dolly", "fly", "cross"."""


class Tool(Protocol):
    """A state machine over a viewer. Handlers give True when the event was theirs; `busy` while a gesture is on."""

    @property
    def busy(self) -> bool:
        """Whether a gesture is going on: every event is the tool's until it ends."""

    def hover(self, event: PointerEvent) -> bool:
        """The pointer moved without a button, or left; True when something of the tool is under it."""

    def press(self, event: PointerEvent) -> bool:
        """A button went down (kind "press" or "double")."""

    def move(self, event: PointerEvent) -> bool:
        """The pointer moved in a gesture."""

    def release(self, event: PointerEvent) -> bool:
        """A button went up."""

    def key(self, event: KeyEvent) -> bool:
        """A key went down or up."""

    def cancel(self) -> None:
        """End the gesture as if it had never begun."""

    def draw(self) -> tuple[Drawing, ...]:
        """What the tool shows now, one over the other."""
