"""The crews of a studio, which end with it. A module of its own, as starting a studio need not read what a farm is."""

from __future__ import annotations

from studio.commands.studio import Studio
from studio.farm.host import FarmHost


class StudioHost(FarmHost):
    """See the module."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        studio.at_end(self.close)
