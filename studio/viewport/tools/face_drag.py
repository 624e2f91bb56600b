"""Posing a face by taking hold of it: a point of the surface follows the pointer as well as the controls can.

The press finds the triangle under the pointer and asks how every control moves it (`studio.scene.expression_probe`),
and a few hundred points all over the object with it. Each motion then solves for weights that bring the point under the
pointer, in the plane that faces the eye, and move the rest of the face least (`studio.scene.expression_solve`). It is
solved from where the drag began, so going back undoes what going there did. Shift moves slowly, Ctrl has the other half
of the face do the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.errors import StudioError
from studio.scene.arkit import mirrored
from studio.scene.entities import Figure, Id
from studio.scene.expression_edits import figure_above, figures, is_sided, weights
from studio.scene.expression_probe import Probe
from studio.scene.expression_solve import following
from studio.scene.flat import FlatScene
from studio.scene.placement import placement
from studio.viewport.overlay_records import BARE, FRONT, ICON, Drawing, joined, lines
from studio.viewport.overlays import GLYPHS
from studio.viewport.tools.events import PointerEvent
from studio.viewport.tools.settings import ToolSettings
from studio.viewport.tools.stroke import Stroke
from studio.viewport.tools.stroke_tool import StrokeTool
from studio.viewport.tools.tool import Viewer

F64 = NDArray[np.float64]
_COLOUR = (1.0, 0.78, 0.28)
_SAMPLES = 240  # points of the object by which its motion is judged
_WEAK = 0.08  # of the strongest control's motion at the point: what moves it less is left out
_TURNS = 4  # of the correction for what is not linear (a jaw that turns), and for what fewness leaves short
_FINE = 0.2
_SAID = 4  # controls that the status line names


@dataclass(slots=True, eq=False)
class _Drag:
    """A face in the hand; positions are of the world."""

    figure: Figure
    names: tuple[str, ...]  # of the controls that move the point
    way: F64  # (2, n) metres of the point across and up the picture, by each of them
    gram: F64  # (n, n)
    probe: Probe
    share: F64  # (3,) of the three corners in the point
    grabbed: F64
    held: F64  # where the pointer was then, in the plane through it
    axes: F64  # (2, 3) across and up the picture
    stroke: Stroke
    pointer: F64
    last: F64
    mirror: bool = False
    point: F64 | None = None  # where it is now


class FaceTool(StrokeTool[_Drag]):
    """The face tool. It is at work while `settings.mode` is "face"."""

    def __init__(self, viewer: Viewer, settings: ToolSettings) -> None:
        super().__init__(viewer, settings)
        self._target: F64 | None = None

    @property
    def on(self) -> bool:
        """Whether the tool is the chosen one."""
        return self.settings.mode == "face"

    # --- events ------------------------------------------------------------------------------------------------------
    def hover(self, event: PointerEvent) -> bool:
        """Nothing of the tool is there before something is held."""
        return False

    def press(self, event: PointerEvent) -> bool:
        """Take hold of the face under the pointer; elsewhere the press is somebody else's."""
        if not self.on or event.button != "left":
            return False
        hit = self.viewer.pick(event.x, event.y)
        if hit is None or not np.isfinite(hit.position).all():
            return False
        scene = self.viewer.document.posed
        figure = scene.entities.get(figure_above(scene, hit.id))
        if not isinstance(figure, Figure) or figure.locked:
            return False
        chosen = self.viewer.document.selection
        if len(figures(scene)) > 1 and figure_above(scene, chosen[-1] if chosen else "") != figure.id:
            self.viewer.document.select([figure.id])  # where there is but one, its outline would only be in the way
        try:
            self._take(event, figure, hit.id, np.asarray(hit.position, np.float64))
        except StudioError as fault:
            self.viewer.status(str(fault))
        return True

    def _take(self, event: PointerEvent, figure: Figure, object_: Id, at: F64) -> None:
        found = triangle_at(self.viewer.flat, object_, at)
        if found is None:
            self.viewer.status("No control moves this place.")
            return
        corners, share, count = found
        vertices = np.concatenate([corners, _spread(count, corners)])
        scene = self.viewer.document.posed
        probe = Probe(scene, figure.id, object_, vertices, self.viewer.flat.frame)
        values = list(weights(figure).values())
        motion = probe.motion(values, range(len(values)))
        eye = self._eye()
        axes = np.asarray(eye.camera.world[:, :2].T, np.float64)
        way = axes @ np.einsum("nkc,k->cn", motion[:, :3], share)
        strength = np.linalg.norm(way, axis=0)
        chosen = np.flatnonzero(strength > _WEAK * max(float(strength.max(initial=0.0)), 1e-12))
        if float(strength.max(initial=0.0)) < 1e-6 or not len(chosen):
            self.viewer.status("No control moves this place.")
            return
        around = motion[chosen].reshape(len(chosen), -1)
        gram = around @ around.T / motion.shape[1]
        pointer, grabbed = np.array([event.x, event.y]), share @ probe.at(values)[:3]
        held = eye.on_plane(event.x, event.y, grabbed, eye.camera.forward)
        self._drag = _Drag(
            figure,
            tuple(figure.controls[i] for i in chosen.tolist()),
            way[:, chosen],
            gram,
            probe,
            share,
            grabbed,
            grabbed if held is None else held,
            axes,
            Stroke(self.viewer, "Pose face", (figure.id,)),
            pointer,
            pointer,
        )
        self.viewer.cursor("move")
        self.viewer.redraw()

    def move(self, event: PointerEvent) -> bool:
        """The point follows the pointer."""
        drag = self._drag
        if drag is None:
            return False
        now = np.array([event.x, event.y])
        drag.pointer = drag.pointer + (now - drag.last) * (_FINE if "shift" in event.modifiers else 1.0)
        drag.last = now
        drag.mirror = "ctrl" in event.modifiers
        eye = self._eye()
        x, y = drag.pointer.tolist()
        held = eye.on_plane(x, y, drag.grabbed, eye.camera.forward)
        if held is None:
            return True
        self._target = drag.grabbed + held - drag.held
        new = self._solved(drag, drag.axes @ (held - drag.held))
        back = new == weights(drag.figure)
        drag.stroke.write({drag.figure.id: {"expression": drag.figure.expression if back else tuple(new.values())}})
        self._say(drag, new)
        self.viewer.redraw()
        return True

    def _solved(self, drag: _Drag, target: F64) -> dict[str, float]:
        """Weights that bring the point to `target` (2,), metres across and up from where it was taken."""
        start = weights(drag.figure)
        began = np.array([start[name] for name in drag.names])
        lo, hi = np.minimum(began, 0.0) - began, np.maximum(began, 1.0) - began
        asked, best = target, (np.inf, start)
        for _ in range(_TURNS):
            change = following(drag.way, asked, lo, hi, drag.gram)
            new = self._with(drag, start, began + change)
            point = drag.share @ drag.probe.at(list(new.values()))[:3]
            missed = target - drag.axes @ (point - drag.grabbed)
            length = float(np.linalg.norm(missed))
            if length >= best[0]:
                break
            best, drag.point = (length, new), point
            asked = asked + missed
        return best[1]

    def _with(self, drag: _Drag, start: Mapping[str, float], values: F64) -> dict[str, float]:
        new = dict(start)
        for name, value in zip(drag.names, values.tolist(), strict=True):
            new[name] = round(value, 4) + 0.0
        if drag.mirror:
            for name in drag.names:
                other = mirrored(name)
                if is_sided(name) and other in new and abs(new[name] - start[name]) >= abs(new[other] - start[other]):
                    lo, hi = min(start[other], 0.0), max(start[other], 1.0)
                    new[other] = min(max(start[other] + new[name] - start[name], lo), hi)
        return new

    def _say(self, drag: _Drag, new: Mapping[str, float]) -> None:
        start = weights(drag.figure)
        moved = sorted((n for n in new if new[n] != start[n]), key=lambda n: -abs(new[n] - start[n]))
        told = [f"{self.settings.control_name(name)} {new[name]:.2f}" for name in moved[:_SAID]]
        more = " …" if len(moved) > _SAID else ""
        self.viewer.status(" · ".join(told) + more)

    def _over(self) -> None:
        self._target = None
        super()._over()

    # --- drawing -----------------------------------------------------------------------------------------------------
    def draw(self) -> tuple[Drawing, ...]:
        """The point in hand, and how far the pointer is ahead of it."""
        drag = self._drag
        if drag is None:
            return ()
        ratio = self.viewer.pixel_ratio
        point = drag.grabbed if drag.point is None else drag.point
        dot = np.zeros(1, ICON)
        dot["at"], dot["rgba"], dot["mode"], dot["flags"] = point, (*_COLOUR, 1.0), FRONT, BARE
        dot["size"], dot["glyph"] = 12 * ratio, GLYPHS["dot"]
        pieces = [Drawing(icons=dot)]
        if self._target is not None and np.linalg.norm(self._target - point) > 2e-3:
            ahead = lines(point, self._target, (*_COLOUR, 0.7), width=1.3 * ratio, mode=FRONT, dash=5 * ratio)
            pieces.append(Drawing(lines=ahead))
        return (joined(pieces),)


def triangle_at(flat: FlatScene, object_: Id, at: F64) -> tuple[NDArray[np.int64], F64, int] | None:
    """The corners (3,) of the triangle of an object that a point of the world lies on, the shares (3,) of the corners
    in the point, and how many vertices the mesh has; None for an object that is not drawn."""
    places = placement(flat)
    for row in flat.instances:
        if places.object_id(int(row["object"])) != object_:
            continue
        deformed = flat.meshes[int(row["mesh"])]
        matrix = row["open"].astype(np.float64)
        points = deformed.positions.astype(np.float64) @ matrix[:, :3].T + matrix[:, 3]
        triangles = deformed.mesh.triangles
        a, b, c = (points[triangles[:, k]] for k in range(3))
        away, share = _nearest(at, a, b, c)
        best = int(away.argmin())
        return triangles[best].astype(np.int64), share[best], len(points)
    return None


def _nearest(at: F64, a: F64, b: F64, c: F64) -> tuple[F64, F64]:
    """(t,) distances of a point to triangles and (t, 3) the shares of their corners in what is nearest.

    By the shares in the plane, cut off at the edges: exact inside, near enough outside.
    """
    u, v, w = b - a, c - a, at - a
    uu, uv, vv = ((p * q).sum(axis=1) for p, q in ((u, u), (u, v), (v, v)))
    uw, vw = (u * w).sum(axis=1), (v * w).sum(axis=1)
    det = uu * vv - uv * uv
    safe = np.where(np.abs(det) > 1e-30, det, 1.0)
    beta, gamma = (vv * uw - uv * vw) / safe, (uu * vw - uv * uw) / safe
    share = np.clip(np.stack([1.0 - beta - gamma, beta, gamma], axis=1), 0.0, None)
    share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-30)
    there = share[:, :1] * a + share[:, 1:2] * b + share[:, 2:] * c
    away = np.linalg.norm(there - at, axis=1)
    return np.where(np.abs(det) > 1e-30, away, np.inf), share


def _spread(count: int, corners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Vertices from all over a mesh, without those of the corners."""
    step = max(1, count // _SAMPLES)
    return np.setdiff1d(np.arange(0, count, step), corners)
