"""What the tests of adaptive jobs share: a farm of one, and the picture of one machine. Files with a farm of another
kind have their own under the same name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.render.film import Film
from tests.farm.adaptive_farm import MOST, Farm, one_machine


@pytest.fixture(scope="module")
def alone() -> Film:
    film = one_machine()
    counts = set(np.unique(film.counts).tolist())
    assert {16, MOST} < counts, "some blocks end at once, some between, some never"
    return film


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    return Farm(tmp_path)
