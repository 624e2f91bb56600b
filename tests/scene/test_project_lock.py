"""The lock of a project: other processes are told who has it, and a process that died leaves none that counts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from studio.scene import project_lock
from studio.scene.project import save_project
from studio.scene.scene import Scene
from tests.conftest import ROOT

HOLD = """
import sys
from pathlib import Path
from studio.scene import project_lock
lock = project_lock.take(Path(sys.argv[1]))
print("held" if lock else "refused", flush=True)
sys.stdin.read()
lock.release()
"""


@pytest.fixture
def hall(tmp_path: Path) -> Path:
    save_project(Scene(), tmp_path / "hall.studio")
    return tmp_path / "hall.studio"


@pytest.fixture
def other(hall: Path) -> Iterator[subprocess.Popen[str]]:
    """A second process that has the project open."""
    command = [sys.executable, "-c", HOLD, str(hall)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdin and process.stdout and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_project_that_nobody_has_is_ours_and_is_let_go(hall: Path) -> None:
    assert project_lock.holder(hall) is None
    lock = project_lock.take(hall)
    assert lock is not None and lock.held
    lock.release()
    assert not (hall / project_lock.LOCK).exists()


def test_another_process_is_named_and_keeps_its_lock(hall: Path, other: subprocess.Popen[str]) -> None:
    found = project_lock.holder(hall)
    assert found is not None and found.pid == other.pid
    assert abs(found.since - time.time()) < 120 and found.host
    assert project_lock.take(hall) is None


def test_a_process_that_ends_properly_leaves_no_lock(hall: Path, other: subprocess.Popen[str]) -> None:
    other.communicate()
    assert not (hall / project_lock.LOCK).exists()


def test_a_lock_of_a_process_that_was_killed_is_stale(hall: Path, other: subprocess.Popen[str]) -> None:
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert (hall / project_lock.LOCK).exists()
    assert project_lock.holder(hall) is None
    lock = project_lock.take(hall)
    assert lock is not None and lock.held


def test_a_process_number_that_another_got_meanwhile_is_told(hall: Path, other: subprocess.Popen[str]) -> None:
    found = project_lock.holder(hall)
    assert found is not None
    if not found.started:
        pytest.skip("this system does not tell when a process started")
    earlier = msgspec.structs.replace(found, started=found.started - 100)
    (hall / project_lock.LOCK).write_bytes(msgspec.json.encode(earlier))
    assert project_lock.holder(hall) is None


def test_a_lock_that_is_taken_over_is_no_longer_released_by_who_had_it(hall: Path) -> None:
    first = project_lock.take(hall)
    second = project_lock.take(hall, force=True)
    assert first is not None and second is not None
    assert second.held and not first.held
    first.release()
    assert second.held


def test_another_machine_counts_as_long_as_it_touches_its_lock(hall: Path) -> None:
    far = project_lock.Holder(pid=1, host="render-07.example", user="ana", since=time.time(), token="t")
    file = hall / project_lock.LOCK
    file.write_bytes(msgspec.json.encode(far))
    assert project_lock.holder(hall) == far
    long_ago = time.time() - 2 * project_lock.STALE_S
    os.utime(file, (long_ago, long_ago))
    assert project_lock.holder(hall) is None


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"pid": "x"}', b"\0" * 5000])
def test_a_lock_that_says_nothing_holds_nobody_off(hall: Path, text: bytes) -> None:
    (hall / project_lock.LOCK).write_bytes(text)
    assert project_lock.holder(hall) is None
    assert project_lock.take(hall) is not None


def test_a_project_that_cannot_be_written_is_opened_without_a_lock(tmp_path: Path) -> None:
    assert project_lock.take(tmp_path / "nowhere.studio") is None
