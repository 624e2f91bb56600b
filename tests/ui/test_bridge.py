"""The way back into the window: what a thread posts is called by the window's thread, as long as there is one."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

from studio.ui.bridge import Bridge

_ENDS = """
import threading
import time
from PySide6.QtCore import QCoreApplication
from studio.ui.bridge import Bridge
app, bridge = QCoreApplication([]), Bridge()
begun = threading.Event()
def work():
    while True:
        bridge.post(time.time)
        begun.set()
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
assert begun.wait(20.0)
"""


def test_what_a_thread_posts_is_called_on_the_window_s_thread(qtbot: Any) -> None:
    bridge, called = Bridge(), []
    thread = threading.Thread(target=lambda: bridge.post(lambda: called.append(threading.current_thread())))
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: bool(called))
    assert called == [threading.main_thread()]
    bridge.close()


def test_after_the_end_nothing_is_called(qtbot: Any) -> None:
    bridge, called = Bridge(), []
    bridge.post(lambda: called.append("posted before"))
    bridge.silence()
    bridge.post(lambda: called.append("posted after"))
    qtbot.wait(20)
    assert called == []
    bridge.close()


def test_a_program_ends_while_threads_post() -> None:
    """Without a bridge that falls silent first one end in ten is a segmentation fault."""
    for _ in range(5):
        ended = subprocess.run([sys.executable, "-c", _ENDS], capture_output=True, timeout=60.0, check=False)
        assert ended.returncode == 0, ended.stderr.decode()
