"""A display for benchmarks of the window: the one there is, or Xvfb's."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.stand.measure import say


def on_a_display() -> bool:
    """Whether there is a display. On Linux without one this very command is run again under Xvfb, and when there is
    no Xvfb either that is said."""
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return True
    if not shutil.which("xvfb-run"):
        say("there is no display and no xvfb-run, so nothing was measured")
        return False
    os.execvp("xvfb-run", ["xvfb-run", "-a", "-s", "-screen 0 1920x1200x24", sys.executable, *sys.argv])


@contextmanager
def own_folders() -> Iterator[Path]:
    """A folder for the length of a measurement, with preferences and data of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {"MYRIAD_CONFIG": str(folder / "config"), "MYRIAD_DATA": str(folder / "data")}
        yield folder
