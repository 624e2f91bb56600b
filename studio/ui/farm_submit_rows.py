"""What the panel that sends to the farm shows, and the column that it is laid out in. Rows come and go by what can be
said where the job goes (`studio.ui.form_rows`)."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from studio.commands.studio import Studio
from studio.farm.engines.engine import Capabilities
from studio.farm.wish import FarmSettings, FarmWish
from studio.render.export import ExportSettings
from studio.ui import theme
from studio.ui.form_rows import FormRows

PREFIX = "farm-submit"
_LABEL_PX = 84


@dataclass(frozen=True, slots=True)
class Shown:
    """What the panel shows: the scene's export, what is said of its jobs, where they go, and what can be done there."""

    export: ExportSettings
    farm: FarmSettings
    wish: FarmWish
    can: Capabilities


class Column(QWidget):
    """What scrolls: as high as its texts need it at its width, which a scroll area does not ask for by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName(f"{PREFIX}-body")
        self.rows = QVBoxLayout(self)
        self.rows.setContentsMargins(theme.size(8), theme.size(6), theme.size(8), theme.size(6))
        self.rows.setSpacing(theme.size(4))

    def event(self, event: QEvent) -> bool:
        """After every change of what is in it, or of its width."""
        done = super().event(event)
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize) and self.rows.hasHeightForWidth():
            high = self.rows.totalHeightForWidth(self.width())
            if high != self.minimumHeight():
                self.setMinimumHeight(high)
        return done


class Rows(FormRows[Shown]):
    """The rows of the panel."""

    def __init__(self, studio: Studio, column: QVBoxLayout) -> None:
        super().__init__(studio, column, prefix=PREFIX, label_px=_LABEL_PX, gap_px=8, fills=True)
