"""Where icons, translations and themes lie (beside the package in a checkout, inside it once installed), and where
the studio keeps its own data."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).parent


def resource(*parts: str) -> Path:
    """The path of a file or folder of `resources/`."""
    installed = _PACKAGE / "_resources"
    root = installed if installed.is_dir() else _PACKAGE.parent / "resources"
    return root.joinpath(*parts)


def data_folder() -> Path:
    """The folder of what the studio keeps for itself; MYRIAD_DATA names another one than the user's."""
    wanted = os.environ.get("MYRIAD_DATA")
    if wanted:
        return Path(wanted)
    import platformdirs

    return Path(platformdirs.user_data_dir("myriad-studio", appauthor=False))
