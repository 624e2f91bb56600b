"""What tools share whose press begins a drag that writes one stroke: how it ends, by the button or by the keyboard."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from studio.viewport.tools.events import KeyEvent, PointerEvent
from studio.viewport.tools.rays import Eye
from studio.viewport.tools.settings import ToolSettings
from studio.viewport.tools.stroke import Stroke
from studio.viewport.tools.tool import Viewer


class Dragging(Protocol):
    """A drag that is going on."""

    @property
    def stroke(self) -> Stroke:
        """What it writes to the scene."""


D = TypeVar("D", bound=Dragging)


class StrokeTool(Generic[D]):
    """A tool whose `press` sets `_drag`."""

    def __init__(self, viewer: Viewer, settings: ToolSettings) -> None:
        self.viewer, self.settings = viewer, settings
        self._drag: D | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being dragged."""
        return self._drag is not None

    def _eye(self) -> Eye:
        return Eye(self.viewer.camera, *self.viewer.size)

    def release(self, event: PointerEvent) -> bool:
        """Let go, and keep it."""
        if self._drag is None or event.button != "left":
            return False
        self._finish(self._drag)
        return True

    def key(self, event: KeyEvent) -> bool:
        """Esc puts it back, Enter keeps it; other keys are the tool's own."""
        drag = self._drag
        if drag is None:
            return False
        if event.kind == "press" and event.key == "escape":
            self.cancel()
        elif event.kind == "press" and event.key == "enter":
            self._finish(drag)
        else:
            self._typed(drag, event)
        return True

    def cancel(self) -> None:
        """Put it back."""
        if self._drag is not None:
            self._drag.stroke.cancel()
            self._over()

    def _finish(self, drag: D) -> None:
        drag.stroke.finish()
        self._over()

    def _typed(self, drag: D, event: KeyEvent) -> None:
        """Take a key that ends nothing; most tools have no use for one."""

    def _over(self) -> None:
        self._drag = None
        self.viewer.cursor("")
        self.viewer.redraw()
