"""What every test shares: where the optional sample files are, and the GPU that may be missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run: a test fails for a change of the code, not by luck.
settings.register_profile("fixed", derandomize=True, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of sample files beside the checkout (MYRIAD_SHARED names another); skips where there is none."""
    folder = Path(os.environ.get("MYRIAD_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no sample files: {folder} does not exist; set MYRIAD_SHARED")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU unless MYRIAD_GPU says that there is one (any value but 0)."""
    if os.environ.get("MYRIAD_GPU", "0") not in ("", "0"):
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a GPU; set MYRIAD_GPU=1"))
