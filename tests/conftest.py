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


# Files that take a minute or more, begun first: a long one that is begun last is waited for by all other processes.
LONGEST = (
    "farm/test_engine_ray.py",
    "farm/test_local.py",
    "test_cli.py",
    "render/test_mitsuba_images.py",
    "render/test_interactive.py",
    "render/test_queue_run.py",
    "viewport/test_materials_parity.py",
    "viewport/test_parity.py",
    "render/test_overlap.py",
    "test_streams.py",
    "assets/test_thumbnails.py",
    "render/test_light_layers_queue.py",
    "render/test_real_head.py",
    "test_benchmarks.py",
    "render/test_session.py",
    "farm/test_engine_openjd.py",
    "farm/test_engine_opencue.py",
    "farm/test_engine_local.py",
    "test_cli_farm.py",
    "test_cli_audit.py",
    "viewport/test_eye.py",
    "render/test_light_sums.py",
    "render/test_dispersion.py",
    "render/test_surface.py",
    "render/test_kept.py",
    "ui/test_stories.py",
    "ui/test_export_stories.py",
    "ui/test_material_stories.py",
    "ui/test_render_stories.py",
    "ui/test_mixer_stories.py",
    "ui/test_light_stories.py",
)
_RANKS = {name: rank for rank, name in enumerate(LONGEST)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest; skip what needs a GPU unless MYRIAD_GPU says that there is one (any value
    but 0)."""
    items.sort(key=lambda item: _RANKS.get(item.nodeid.partition("::")[0].removeprefix("tests/"), len(LONGEST)))
    if os.environ.get("MYRIAD_GPU", "0") not in ("", "0"):
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a GPU; set MYRIAD_GPU=1"))
