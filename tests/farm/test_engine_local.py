"""This machine behind the face that all engines have."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from studio.errors import UsageError
from studio.farm.engines.engine import engines, open_engine
from studio.farm.engines.local_engine import LocalEngine
from studio.farm.policy import Policy
from tests.farm.engine_jobs import alone, in_store, job_in, job_of, project_in


def test_all_engines_have_one_face() -> None:
    found = engines()
    assert set(found) == {"local", "ray", "openjd", "opencue", "flamenco"}
    for kind in found.values():
        for verb in ("at", "capabilities", "check", "submit", "status", "cancel", "logs"):
            assert callable(getattr(kind, verb))
    with pytest.raises(UsageError, match="no engine"):
        open_engine("deadline", "")
    with pytest.raises(UsageError, match="folder"):
        open_engine("local", "").submit(job_of("0" * 64), "s3://bucket/farm", "room-1")


@pytest.mark.slow
def test_this_machine_renders_what_one_process_renders(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    job = job_in(tmp_path / "store", project)
    policy = Policy(report_s=0.3)
    with LocalEngine(threads=1, device="cpu", policy=policy, cache=tmp_path / "cache") as engine:
        ref = engine.submit(job, str(tmp_path / "store"), "room-1")
        until = time.monotonic() + 240
        while engine.status(ref).state != "done" and time.monotonic() < until:
            time.sleep(0.1)
        assert engine.status(ref).done == 30
        assert "submitted" in engine.logs(ref).text
    assert engine.status(ref).state == "done"
    assert in_store(tmp_path / "store", "room-1") == alone(project, job)
