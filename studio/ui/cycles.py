"""Python's collector of cycles on the window's thread alone.

It runs on whichever thread allocates when it is due. Where that is not the window's, and the garbage holds widgets,
Qt's objects are destroyed on a thread that they do not belong to: timers warn, and now and then the process hangs or
crashes. So while a window is open the collector is off, and is called here, as often as it would have run by itself.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer

EVERY_MS = 1000


class CycleCollector(QObject):
    """Collects from its making until `close`; of several at a time the last to go gives Python's own back."""

    _open = 0

    def __init__(self) -> None:
        super().__init__()
        CycleCollector._open += 1
        gc.disable()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.collect)
        self._timer.start(EVERY_MS)

    def collect(self) -> None:
        """Collect the generations that are due."""
        for generation in range(3):
            if gc.get_count()[generation] > gc.get_threshold()[generation]:
                gc.collect(generation)

    def close(self) -> None:
        """Collect no more. Closing twice is closing once."""
        if self._timer.isActive():
            self._timer.stop()
            CycleCollector._open -= 1
            if not CycleCollector._open:
                gc.enable()
