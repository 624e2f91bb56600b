"""Move, rotate and scale: the gizmo under the hand, and the transforms that keys begin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Id
from studio.scene.flat import FlatScene
from studio.scene.tree import Tree
from studio.viewport.framing import bounds_of
from studio.viewport.overlay_records import Drawing
from studio.viewport.tools.events import KeyEvent, PointerEvent
from studio.viewport.tools.gesture import Gesture, axes_of, pivot_of
from studio.viewport.tools.gizmo import Gizmo, Handle, Kind
from studio.viewport.tools.placing import Movers, movers
from studio.viewport.tools.rays import Eye
from studio.viewport.tools.settings import Mode, Pivot, ToolSettings
from studio.viewport.tools.tool import Viewer

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Stand:
    """What the gizmo stands on, kept while neither the tree nor the selection changes."""

    tree: Tree
    selection: tuple[Id, ...]
    pivot_mode: Pivot
    them: Movers
    pivot: F64


class TransformTool:
    """The gizmo of the selection. One drag is one step of the history; Esc or the right button leaves none."""

    def __init__(self, viewer: Viewer, settings: ToolSettings) -> None:
        self.viewer, self.settings = viewer, settings
        self.gesture: Gesture | None = None
        self.hot: Handle = ""
        self.at = (0.0, 0.0)  # where the pointer was last
        self._stand: _Stand | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being moved."""
        return self.gesture is not None

    def standing(self) -> _Stand | None:
        """The selection as it can be moved and where its gizmo is; None when nothing can."""
        flat, selection = self.viewer.flat, self.viewer.document.selection
        tree, mode = _tree(flat), self.settings.pivot
        kept = self._stand
        if kept is None or kept.tree is not tree or kept.selection != selection or kept.pivot_mode != mode:
            them = movers(flat, selection)
            bounds = bounds_of(flat, selection) if mode == "bounds" and them.ids else None
            pivot = pivot_of(them, mode, bounds) if them.ids else np.zeros(3)
            kept = self._stand = _Stand(tree, selection, mode, them, pivot)
        return kept if kept.them.ids else None

    def gizmo(self) -> Gizmo | None:
        """The gizmo to show, None for none."""
        mode: Mode = self.gesture.kind if self.gesture is not None else self.settings.mode
        if mode == "select" or mode == "place" or mode == "face" or not self.viewer.overlays.gizmo:
            return None
        stand = self.standing()
        if stand is None:
            return None
        eye = Eye(self.viewer.camera, *self.viewer.size)
        space = self.gesture.space if self.gesture is not None else self.settings.space
        return Gizmo(mode, stand.pivot, axes_of(stand.them, space, eye), eye, self.viewer.pixel_ratio)

    # --- events ------------------------------------------------------------------------------------------------------
    def hover(self, event: PointerEvent) -> bool:
        """Light up the handle under the pointer."""
        self.at = (event.x, event.y)
        gizmo = self.gizmo() if event.kind != "leave" else None
        hot = gizmo.under(event.x, event.y) if gizmo is not None else ""
        if hot != self.hot:
            self.hot = hot
            self.viewer.redraw()
        return bool(hot)

    def press(self, event: PointerEvent) -> bool:
        """Grab a handle."""
        gizmo = self.gizmo() if event.button == "left" else None
        handle = gizmo.under(event.x, event.y) if gizmo is not None else ""
        if gizmo is None or not handle:
            return False
        self.hot = handle
        self._begin(gizmo.kind, (event.x, event.y), handle)
        return True

    def begin(self, kind: Kind) -> bool:
        """Start a transform at the pointer without a button; False when nothing can be moved, which is then said."""
        if self.gesture is not None:
            self.cancel()
        if self.standing() is None:
            refused = movers(self.viewer.flat, self.viewer.document.selection).refused
            self.viewer.status("; ".join(refused[:3]) if refused else "Select something first.")
            return False
        self._begin(kind, self.at, "")
        return True

    def _begin(self, kind: Kind, at: tuple[float, float], handle: Handle) -> None:
        stand = self.standing()
        assert stand is not None  # both callers have asked
        selection = self.viewer.document.selection
        self.gesture = Gesture(
            self.viewer, self.settings, kind, ids=selection, pivot=stand.pivot, at=at, handle=handle
        )  # fmt: skip
        self.viewer.cursor({"move": "move", "rotate": "rotate", "scale": "size"}[kind])
        self.viewer.status(self.gesture.describe())
        self.viewer.redraw()

    def move(self, event: PointerEvent) -> bool:
        """Go on with the gesture."""
        self.at = (event.x, event.y)
        if self.gesture is None:
            return False
        self.gesture.move(event)
        self.viewer.redraw()
        return True

    def release(self, event: PointerEvent) -> bool:
        """The end of a drag by a handle; a gesture begun by a key ends with a press."""
        if self.gesture is None or event.button != "left":
            return False
        if self.gesture.handle:
            self.finish()
        return True

    def finish(self) -> None:
        """Keep what the gesture did."""
        if self.gesture is not None:
            self.gesture.finish()
            self._over()

    def key(self, event: KeyEvent) -> bool:
        """Keys of a gesture: digits, axes, Enter, Esc; another transform's key changes over to it."""
        if self.gesture is None:
            return False
        if event.kind == "press" and event.key == "escape":
            self.cancel()
        elif event.kind == "press" and event.key in ("enter", "space"):
            self.finish()
        elif self.gesture.key(event):
            self.viewer.redraw()
        return True

    def cancel(self) -> None:
        """Put everything back."""
        if self.gesture is not None:
            self.gesture.cancel()
            self._over()

    def _over(self) -> None:
        self.gesture, self.hot = None, ""
        self.viewer.cursor("")
        self.viewer.redraw()

    def draw(self) -> tuple[Drawing, ...]:
        """The gizmo, or during a gesture what it is locked to."""
        gizmo = self.gizmo()
        if self.gesture is None:
            return gizmo.draw(self.hot) if gizmo is not None else ()
        held = self.gesture.handle
        return (self.gesture.draw(), *(gizmo.draw(held, only=held) if gizmo and held else ()))


def _tree(flat: FlatScene) -> Tree:
    tree: Tree = flat.cache.tree
    return tree
