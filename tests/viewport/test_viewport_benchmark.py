"""The viewport's benchmark runs on a tiny case and says what was uploaded. Nothing here asserts a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from studio.viewport.device import Device

ROOT = Path(__file__).resolve().parents[2]


def test_it_prints_rows_as_json(device: Device) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "viewport.py"), "--scene", "hall:6:point", "--size", "32x18"]
    command += ["--turns", "2", "--no-peer", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = {row["what"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows["sync after moving one light of 6: sections uploaded"]["value"] == 1
    assert rows["sync after moving one light of 6: meshes uploaded"]["value"] == 0
    assert rows["hall:6:point at 32x18: a frame"]["target"] == 0.4
    assert rows["hall:6:point at 32x18: EEVEE"]["left_out"] == "not asked for"
