"""Preferences of the tests lie in a folder of their own."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_configuration(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh configuration folder for every test."""
    folder = tmp_path_factory.mktemp("config")
    monkeypatch.setenv("MYRIAD_CONFIG", str(folder))
    return folder
