"""A machine's score: what its bench measured on this very device, and 1, said so, where nobody has measured it."""

from __future__ import annotations

import os

import pytest

from studio.farm import score
from studio.farm.score import keep_score, score_of
from studio.render.device import info_of


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MYRIAD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_was_measured_is_kept_by_device_and_shared_among_cores(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    name = info_of("cpu").name
    assert keep_score("cpu", name, 2.5e6) == 2.5
    keep_score("cuda", "a card of long ago", 9e9)
    assert score_of("cpu").value == 2.5 and score_of("cpu").sentence == ""
    assert score_of("cpu", threads=2).value == 0.625
    keep_score("cpu", name, 5e6)
    assert score_of("cpu").value == 5.0, "the last measurement counts"


def test_a_device_that_was_not_measured_counts_as_one_and_says_so(cache):
    keep_score("cpu", "another processor, in a folder that was copied", 9e9)
    for damage in (None, b"", b"{", b"[]", b'{"cpu": 3}', b"\xff", b" " * (1 << 17)):
        if damage is not None:
            (cache / "bench.json").write_bytes(damage)
        found = score_of("cpu")
        assert found.value == 1.0 and "studio bench demo" in found.sentence
    assert keep_score("cpu", info_of("cpu").name, 1e30) == 1e24
    assert score_of("cpu").value == score.FASTEST, "what cannot be is not told to a farm"
