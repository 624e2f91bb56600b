"""Where a viewport looks from: its own camera, or a camera or light of the scene.

Navigating while looking through something either leaves it (the view goes on from there by itself) or, with
`lock_camera`, moves that thing: one gesture is then one undoable edit. Views of the viewport's own have a history
apart from the scene's.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from studio.errors import BadAsset
from studio.scene.entities import Camera, Id
from studio.scene.flat import FlatScene
from studio.scene.flat_camera import active_camera
from studio.scene.placement import placement
from studio.viewport.camera import ViewCamera
from studio.viewport.framing import Bounds, bounds_of, clipped
from studio.viewport.gate import gate_of, through
from studio.viewport.navigation import ViewHistory
from studio.viewport.tools.placing import movers, stood, written
from studio.viewport.tools.tool import Viewer

_TOKENS = itertools.count()
_TOGETHER_S = 0.8  # turns of the wheel that follow each other faster are one step


class Standpoint:
    """The viewport's view: every navigation goes through `begin` and `move`."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.history = ViewHistory()
        self.through: Id = ""
        self.follows = False  # what is looked through is the scene's active camera, whichever it is at the frame
        self.lock_camera = False
        self._own: ViewCamera | None = None  # the view to come back to
        self._token = ""
        self._last = ("", -1e9)
        self._bounds: tuple[tuple[object, ...], Bounds | None] | None = None

    def bounds(self) -> Bounds | None:
        """Bounds of everything shown, kept while the scene stays."""
        flat = self.viewer.flat
        made_of = _made_of(flat)
        if self._bounds is None or any(a is not b for a, b in zip(made_of, self._bounds[0], strict=True)):
            self._bounds = (made_of, bounds_of(flat))
        return self._bounds[1]

    # --- gestures ----------------------------------------------------------------------------------------------------
    def begin(self, kind: str = "", time_s: float = 0.0) -> None:
        """A navigation begins. Those of one `kind` that follow each other at once (the wheel) count as one."""
        last, self._last = self._last, (kind, time_s)
        if kind and last[0] == kind and 0.0 <= time_s - last[1] < _TOGETHER_S:
            return
        self._token = f"view-{next(_TOKENS)}"
        if not self.through:
            self.history.push(self.viewer.camera)
        elif not self.lock_camera:
            self._leave()
        elif not movers(self.viewer.flat, [self.through]).ids:
            self.viewer.status("What is looked through is locked, so the view has left it.")
            self._leave()

    def move(self, camera: ViewCamera) -> None:
        """The view goes to a camera; what is looked through with it, when it is locked to the view."""
        if self.through:
            self._carry(camera)
        else:
            self._show(camera)

    def _leave(self) -> None:
        """Go on from here without what was looked through."""
        if self._own is not None:
            self.history.push(self._own)
        self.through, self._own, self.follows = "", None, False
        self._show(replace(self.viewer.camera, shift=(0.0, 0.0)))

    def _carry(self, camera: ViewCamera) -> None:
        document, flat = self.viewer.document, self.viewer.flat
        them = movers(flat, [self.through])
        if not them.ids:
            return
        fields = stood(them, 0, camera.world)
        entity = them.entities[0]
        if isinstance(entity, Camera) and entity.projection == "orthographic":
            width, height = self.viewer.size
            part = camera.half_width * gate_of(self.viewer.aspect, width, height).width / width
            fields[entity.id]["ortho_height_m"] = max(2.0 * part / self.viewer.aspect, 1e-6)
        try:
            with document.edit("Move camera" if isinstance(entity, Camera) else "Move", coalesce=self._token) as edit:
                edit.apply(written, fields)
        except BadAsset as refusal:
            self.viewer.status(str(refusal))
        self.refresh(pivot_m=camera.pivot_m)

    # --- keeping up --------------------------------------------------------------------------------------------------
    def refresh(self, *, pivot_m: float = 0.0) -> None:
        """Follow what is looked through, over the cuts of the timeline too when it is the active camera, and keep the
        clipping planes around the scene."""
        if not self.through:
            self._show(self.viewer.camera)
            return
        if self.follows:
            self.through = active_camera(self.viewer.document.scene, self.viewer.flat.frame) or self.through
        width, height = self.viewer.size
        camera = through(self.viewer.flat, self.through, self.viewer.aspect, width, height)
        if camera is None:
            self._leave()
            return
        self._show(replace(camera, pivot_m=pivot_m or self.viewer.camera.pivot_m))

    def _show(self, camera: ViewCamera) -> None:
        camera = clipped(camera, self.bounds())
        if not same(camera, self.viewer.camera):
            self.viewer.camera = camera

    def look_through(self, id_: Id, *, follow: bool = False) -> bool:
        """Look through an entity, or "" for the viewport's own camera; False when it cannot be looked through. With
        `follow` it is the active camera, and what is active later is looked through then."""
        if id_ == self.through:
            self.follows = follow and bool(id_)
            return True
        own = self.viewer.camera if not self.through else self._own
        if not id_:
            self.through, self._own, self.follows = "", None, False
            self._show(own or self.viewer.camera)
            return True
        width, height = self.viewer.size
        camera = through(self.viewer.flat, id_, self.viewer.aspect, width, height)
        if camera is None:
            self.viewer.status("It has a place or a lens that cannot be looked through.")
            return False
        entity = placement(self.viewer.flat)
        name = entity.entities[entity.row[id_]].name or id_
        self.viewer.status(f"Looking through {name}")
        self.through, self._own, self.follows = id_, own, follow
        self._show(camera)
        return True

    def undo(self) -> bool:
        """The view before, False when there is none; what is looked through is left."""
        camera = self.history.undo(self._own or self.viewer.camera)
        return self._went(camera)

    def redo(self) -> bool:
        """The view that was taken back, False when there is none."""
        camera = self.history.redo(self._own or self.viewer.camera)
        return self._went(camera)

    def _went(self, camera: ViewCamera | None) -> bool:
        self._last = ("", -1e9)
        if camera is None:
            return False
        self.through, self._own, self.follows = "", None, False
        self._show(camera)
        return True


def _made_of(flat: FlatScene) -> tuple[object, ...]:
    """What bounds depend on: sections that keep their identity while they hold the same."""
    tree = flat.cache.tree
    return flat.instances, flat.meshes, tree.world, tree.bits, flat.cache.lamps.packed


def same(a: ViewCamera, b: ViewCamera) -> bool:
    """Whether two views are the same picture with the same clipping."""
    return bool(np.array_equal(a.world, b.world)) and all(
        getattr(a, name) == getattr(b, name)
        for name in ("orthographic", "half_width", "fit", "shift", "near_m", "far_m", "pivot_m")
    )
