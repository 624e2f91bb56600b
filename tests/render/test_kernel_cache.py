"""The folder of compiled kernels: a process that was killed while it wrote there keeps no other from using it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from studio.render.tracer.runtime import STALE_S, unlock


def test_a_lock_that_a_killed_process_left_is_removed_and_one_in_use_is_not(tmp_path: Path) -> None:
    lock = tmp_path / "ticache.lock"
    unlock(tmp_path)  # there is none
    lock.touch()
    unlock(tmp_path)
    assert lock.exists()
    before = time.time() - 2 * STALE_S
    os.utime(lock, (before, before))
    unlock(tmp_path)
    assert not lock.exists()
    unlock(tmp_path / "none")
