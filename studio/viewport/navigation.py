"""Walking about in a view: orbit, pan, dolly, zoom to a point, fly, and whose hands do it how.

The motions are pure functions of a `ViewCamera`; each gives back the camera it was given when the result would not be
finite, so no gesture can lose the view. Orbiting is a rigid turn of the camera about a point, zooming a similarity
about one: in both that point keeps its pixel exactly, which is what makes them feel solid. `Navigator` knows the
buttons of Blender, Maya and Houdini and turns a gesture into those motions; `ViewHistory` takes views back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.scene.transforms import rigid
from studio.viewport.camera import ViewCamera
from studio.viewport.tools.events import Button, KeyEvent, Modifiers, PointerEvent, WheelEvent
from studio.viewport.tools.settings import Preset

F64 = NDArray[np.float64]
Action = Literal["orbit", "pan", "dolly", "fly"]

NEAREST_M, REMOTEST_M = 1e-4, 1e9  # of the pivot from the eye, and of half the width of an orthographic view
ORBIT = 0.0070  # radians a logical pixel: half a turn over 450 pixels
LOOK = 0.0035
DOLLY_PX = 200.0  # logical pixels that halve the distance
NOTCH = 0.87  # what a notch of the wheel leaves of the distance
VIEWS: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "front": ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0)),  # from where, and what is up
    "back": ((0.0, 0.0, -1.0), (0.0, 1.0, 0.0)),
    "right": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "left": ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "top": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
    "bottom": ((0.0, -1.0, 0.0), (0.0, 0.0, 1.0)),
}


# --- motions ---------------------------------------------------------------------------------------------------------
def rotation(axis: ArrayLike, angle: float) -> F64:
    """(3, 3) rotation by `angle` radians about a unit axis (3,), right-handed (Rodrigues)."""
    x, y, z = np.asarray(axis, np.float64)
    k = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle) * k + (1.0 - np.cos(angle)) * (k @ k))


def orbit(camera: ViewCamera, yaw: float, pitch: float, *, about: ArrayLike | None = None) -> ViewCamera:
    """Turn about a point (the pivot by default): `yaw` about the world's up, `pitch` about the camera's right, radians.

    A camera that stands upright does not tip over the poles.
    """
    centre = camera.pivot if about is None else np.asarray(about, np.float64)
    if camera.world[1, 1] >= -1e-9:
        elevation = float(np.arcsin(np.clip(camera.forward[1], -1.0, 1.0)))
        pitch = float(np.clip(pitch, -np.pi / 2 - elevation, np.pi / 2 - elevation))
    turn = rotation((0.0, 1.0, 0.0), yaw) @ rotation(camera.world[:, 0], pitch)
    world = np.empty((3, 4))
    world[:, :3] = turn @ camera.world[:, :3]
    world[:, 3] = centre + turn @ (camera.eye - centre)
    return _standing(camera, world)


def turn(camera: ViewCamera, yaw: float, pitch: float) -> ViewCamera:
    """Look about from where one stands."""
    return orbit(camera, yaw, pitch, about=camera.eye)


def roll(camera: ViewCamera, angle: float) -> ViewCamera:
    """Tilt the head: turn about the line of sight by radians, counter-clockwise as the picture turns clockwise."""
    world = camera.world.copy()
    world[:, :3] = rotation(camera.world[:, 2], angle) @ world[:, :3]
    return _standing(camera, world)


def pan(camera: ViewCamera, dx: float, dy: float, width: float, height: float) -> ViewCamera:
    """Shift so that what is at the pivot's distance follows the pointer by (dx, dy) pixels, y down."""
    metres = camera.metres_per_pixel(camera.pivot, width, height)
    if not np.isfinite([dx * metres, dy * metres]).all():
        return camera
    world = camera.world.copy()
    world[:, 3] += camera.world[:, :3] @ np.array([-dx * metres, dy * metres, 0.0])
    return _standing(camera, world)


def dolly(camera: ViewCamera, factor: float) -> ViewCamera:
    """Move to `factor` times the distance from the pivot; an orthographic view shows that much more instead."""
    return zoom_to(camera, camera.pivot, factor)


def zoom_to(camera: ViewCamera, point: ArrayLike, factor: float) -> ViewCamera:
    """Move towards a point (3,) of the world, which keeps its pixel; `factor` is what is left of the distance."""
    target = np.asarray(point, np.float64)
    if not (np.isfinite(factor) and factor > 0 and np.isfinite(target).all()):
        return camera
    world = camera.world.copy()
    if camera.orthographic:
        half = float(np.clip(camera.half_width * factor, NEAREST_M, REMOTEST_M))
        aside = target - camera.eye
        aside = aside - camera.forward * (aside @ camera.forward)
        world[:, 3] += aside * (1.0 - half / camera.half_width)
        return replace(_standing(camera, world), half_width=half)
    distance = float(np.clip(camera.pivot_m * factor, NEAREST_M, REMOTEST_M))
    world[:, 3] = target + (camera.eye - target) * (distance / camera.pivot_m)
    return replace(_standing(camera, world), pivot_m=distance)


def fly(camera: ViewCamera, move: ArrayLike, metres: float) -> ViewCamera:
    """Go `metres` along `move` (3,): right and ahead as the camera has it, up as the world has it."""
    right, up, ahead = np.asarray(move, np.float64)
    way = camera.world[:, 0] * right + np.array([0.0, up, 0.0]) + camera.forward * ahead
    length = float(np.linalg.norm(way))
    if length < 1e-9:
        return camera
    world = camera.world.copy()
    world[:, 3] += way / length * metres
    return _standing(camera, world)


def view_preset(camera: ViewCamera, name: str) -> ViewCamera:
    """The pivot seen from the "front" and so on (see VIEWS), upright and orthographic, at the same size; "opposite"
    sees it from behind and changes nothing else. Raises KeyError for a name that is none of these."""
    if name == "opposite":
        return orbit(camera, np.pi, 0.0) if abs(camera.forward[1]) < 0.999 else _flipped(camera)
    back, up = (np.array(v) for v in VIEWS[name])
    world = np.stack([np.cross(up, back), up, back, camera.pivot + back * camera.pivot_m], axis=1)
    return orthographic(_standing(camera, world))


def _flipped(camera: ViewCamera) -> ViewCamera:
    half_turn = rotation(camera.world[:, 0], np.pi)
    world = np.empty((3, 4))
    world[:, :3] = half_turn @ camera.world[:, :3]
    world[:, 3] = camera.pivot + half_turn @ (camera.eye - camera.pivot)
    return _standing(camera, world)


def orthographic(camera: ViewCamera) -> ViewCamera:
    """Without perspective, with what is at the pivot at the size it has."""
    if camera.orthographic:
        return camera
    return replace(camera, orthographic=True, half_width=max(camera.half_width * camera.pivot_m, NEAREST_M))


def perspective(camera: ViewCamera, half_width: float = 0.36) -> ViewCamera:
    """With perspective, of the tangent `half_width`, with what is at the pivot at the size it has."""
    if not camera.orthographic:
        return camera
    pivot, distance = camera.pivot, float(np.clip(camera.half_width / half_width, NEAREST_M, REMOTEST_M))
    world = camera.world.copy()
    world[:, 3] = pivot - camera.forward * distance
    return replace(_standing(camera, world), orthographic=False, half_width=half_width, pivot_m=distance)


def toggle_orthographic(camera: ViewCamera, half_width: float = 0.36) -> ViewCamera:
    """The other projection; what is at the pivot keeps its size."""
    return perspective(camera, half_width) if camera.orthographic else orthographic(camera)


def _standing(camera: ViewCamera, world: F64) -> ViewCamera:
    """The camera elsewhere, its axes kept square; as it was where that is no place."""
    square = rigid(world[None])[0]
    if not (np.isfinite(square).all() and (np.abs(square[:, 3]) < 1e12).all()):
        return camera
    return replace(camera, world=square)


# --- history ---------------------------------------------------------------------------------------------------------
class ViewHistory:
    """Views that can be taken back, apart from the scene's undo."""

    __slots__ = ("_ahead", "_behind", "_limit")

    def __init__(self, limit: int = 200) -> None:
        self._behind: list[ViewCamera] = []
        self._ahead: list[ViewCamera] = []
        self._limit = limit

    def push(self, camera: ViewCamera) -> None:
        """Remember a view that is about to be left."""
        self._behind.append(camera)
        del self._behind[: -self._limit]
        self._ahead.clear()

    def undo(self, current: ViewCamera) -> ViewCamera | None:
        """The view before, None when there is none."""
        if not self._behind:
            return None
        self._ahead.append(current)
        return self._behind.pop()

    def redo(self, current: ViewCamera) -> ViewCamera | None:
        """The view that was taken back, None when there is none."""
        if not self._ahead:
            return None
        self._behind.append(current)
        return self._ahead.pop()


# --- hands -----------------------------------------------------------------------------------------------------------
_SHIFT, _CTRL, _ALT, _SPACE = "shift", "ctrl", "alt", "space"
BINDINGS: Mapping[Preset, Mapping[tuple[Button, frozenset[str]], Action]] = {
    "blender": {
        ("middle", frozenset()): "orbit",
        ("middle", frozenset({_SHIFT})): "pan",
        ("middle", frozenset({_CTRL})): "dolly",
        ("left", frozenset({_ALT})): "orbit",  # for a pen or a trackpad
        ("left", frozenset({_ALT, _SHIFT})): "pan",
        ("left", frozenset({_ALT, _CTRL})): "dolly",
        ("right", frozenset()): "fly",
    },
    "maya": {
        ("left", frozenset({_ALT})): "orbit",
        ("middle", frozenset({_ALT})): "pan",
        ("right", frozenset({_ALT})): "dolly",
        ("right", frozenset()): "fly",
    },
    "houdini": {
        ("left", frozenset({_SPACE})): "orbit",
        ("middle", frozenset({_SPACE})): "pan",
        ("right", frozenset({_SPACE})): "dolly",
        ("left", frozenset({_ALT})): "orbit",
        ("middle", frozenset({_ALT})): "pan",
        ("right", frozenset({_ALT})): "dolly",
        ("right", frozenset()): "fly",
    },
}
FLY_KEYS: Mapping[str, tuple[float, float, float]] = {  # right, up, ahead
    "w": (0.0, 0.0, 1.0),
    "s": (0.0, 0.0, -1.0),
    "a": (-1.0, 0.0, 0.0),
    "d": (1.0, 0.0, 0.0),
    "e": (0.0, 1.0, 0.0),
    "q": (0.0, -1.0, 0.0),
}


@dataclass(slots=True)
class Navigator:
    """A gesture of navigation. It holds no camera: every method takes the one it moves and gives the new one.

    `action` is what is going on, None for nothing; `about` what an orbit turns about (None: the camera's pivot);
    `moved` whether the gesture has moved at all, which tells a right click from a flight.
    """

    preset: Preset = "blender"
    action: Action | None = None
    button: Button = ""
    about: F64 | None = None
    moved: bool = False
    speed: float = 1.0  # of flying, set by the wheel while one flies
    space: bool = False  # whether the space bar is down
    _at: tuple[float, float] = (0.0, 0.0)
    _from: tuple[float, float] = (0.0, 0.0)
    _stride: float = 1.0
    _held: frozenset[str] = frozenset()
    _modifiers: Modifiers = frozenset()

    def action_of(self, event: PointerEvent) -> Action | None:
        """What a press would begin, None for nothing."""
        held = event.modifiers | ({_SPACE} if self.space and self.preset == "houdini" else frozenset())
        return BINDINGS[self.preset].get((event.button, frozenset(held)))

    def begin(self, event: PointerEvent, camera: ViewCamera, *, about: F64 | None = None) -> Action | None:
        """Begin what the press means; None when it is no navigation."""
        self.action = self.action_of(event)
        if self.action is None:
            return None
        self.button, self.about, self.moved = event.button, about, False
        self._at = self._from = (event.x, event.y)
        self._stride = float(np.clip(camera.pivot_m * 0.7, 0.02, 1e5)) if not camera.orthographic else camera.half_width
        self._modifiers = event.modifiers
        return self.action

    def drag(self, event: PointerEvent, camera: ViewCamera, size: tuple[int, int], ratio: float) -> ViewCamera:
        """The camera after the pointer's motion; `ratio` is device pixels per logical one."""
        dx, dy = event.x - self._at[0], event.y - self._at[1]
        if not self.moved and np.hypot(event.x - self._from[0], event.y - self._from[1]) < 3.0 * ratio:
            return camera
        self.moved, self._at, self._modifiers = True, (event.x, event.y), event.modifiers
        if self.action == "orbit":
            return orbit(camera, -dx * ORBIT / ratio, -dy * ORBIT / ratio, about=self.about)
        if self.action == "pan":
            return pan(camera, dx, dy, *size)
        if self.action == "dolly":
            return dolly(camera, 2.0 ** ((dy - dx) / (DOLLY_PX * ratio)))
        if self.action == "fly":
            return turn(camera, -dx * LOOK / ratio, -dy * LOOK / ratio)
        return camera

    def wheel(self, event: WheelEvent, camera: ViewCamera, point: ArrayLike | None) -> ViewCamera:
        """The camera after turning the wheel: nearer to `point` or the pivot. While flying it sets the speed."""
        if self.action == "fly":
            self.speed = float(np.clip(self.speed * 1.25**event.dy, 0.01, 100.0))
            return camera
        factor = NOTCH ** float(np.clip(event.dy, -20.0, 20.0))
        return zoom_to(camera, camera.pivot if point is None else point, factor)

    def key(self, event: KeyEvent) -> bool:
        """Hold or release a key of the flight (or Houdini's space bar); True when it was one."""
        if event.key == "space" and self.preset == "houdini":
            self.space = event.kind == "press"
            return True
        if self.action != "fly":
            return False
        self._modifiers = event.modifiers
        if event.key in FLY_KEYS:
            self._held = self._held | {event.key} if event.kind == "press" else self._held - {event.key}
            self.moved = self.moved or bool(self._held)
        return event.key in FLY_KEYS or event.key in (_SHIFT, _ALT)

    def tick(self, seconds: float, camera: ViewCamera) -> ViewCamera:
        """The camera after flying for a while; Shift is fast, Alt slow."""
        if self.action != "fly" or not self._held:
            return camera
        way = np.sum([FLY_KEYS[key] for key in self._held], axis=0)
        gear = 4.0 if _SHIFT in self._modifiers else 0.25 if _ALT in self._modifiers else 1.0
        return fly(camera, way, self._stride * self.speed * gear * float(np.clip(seconds, 0.0, 0.1)))

    def end(self) -> None:
        """The gesture is over; all keys are up."""
        self.action, self.button, self.about = None, "", None
        self._held, self.space = frozenset(), False
