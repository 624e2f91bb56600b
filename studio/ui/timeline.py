"""The timeline panel: the bar over the canvas, see `timeline_bar` and `timeline_canvas`."""

from __future__ import annotations

from PySide6.QtWidgets import QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.ui.panel import Desk, panel
from studio.ui.timeline_bar import TimelineBar
from studio.ui.timeline_canvas import TimelineCanvas


@panel("timeline", N_("Timeline"), "foot", "timeline")
class Timeline(QWidget):
    """Playing, scrubbing, and what stands along the frames."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("timeline")
        self.place = "timeline"
        self.bar = TimelineBar(studio, desk, self)
        self.canvas = TimelineCanvas(studio, desk, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.bar)
        layout.addWidget(self.canvas, 1)
        self.setFocusProxy(self.canvas)

    def close_panel(self) -> None:
        """Stop listening."""
        self.bar.close_panel()
        self.canvas.close_panel()
